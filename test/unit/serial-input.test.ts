import { describe, expect, it } from 'vitest';
import { StopCause } from '../../src/machine/event-kinds';
import { inlineGuest, pic, SETTINGS, start } from '../../src/vmm/guest.test-support';

/** Sleeps until the serial port interrupts, sends each byte back, and ends at a full stop. */
const ECHO = `
        mov     esp, 0x180000
        lgdt    [gdt_pointer]
        jmp     8:.flat
.flat:  mov     eax, 16
        mov     ds, ax
        mov     ss, ax
        mov     eax, received
        mov     [idt + 0x24 * 8], ax
        mov     dword [idt + 0x24 * 8 + 2], 8
        mov     word [idt + 0x24 * 8 + 4], 0x8e00
        shr     eax, 16
        mov     [idt + 0x24 * 8 + 6], ax
        lidt    [idt_pointer]
        ${pic(0xef)}
        mov     dx, 0x3f9
        mov     al, 1
        out     dx, al
        mov     dx, 0x3fc
        mov     al, 0x0b
        out     dx, al
        sti
.sleep: hlt
        jmp     .sleep
received:
        mov     dx, 0x3f8
        in      al, dx
        out     dx, al
        cmp     al, '.'
        jne     .more
        xor     eax, eax
        out     0xf4, al
.more:  mov     al, 0x20
        out     0x20, al
        iret
        align   8
gdt:    dq      0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
        dw      23
        dd      gdt
idt_pointer:
        dw      0x25 * 8 - 1
        dd      idt
        align   4096
idt:    times 0x25 dq 0
`;
const program = inlineGuest(ECHO);

function typed(settings: (typeof SETTINGS)[number]) {
  const { machine, digest, run } = start({ ...settings, memoryMiB: 2 }, program);
  const beginning = machine.save();
  const stops = [run()];
  for (const byte of new TextEncoder().encode('Hi.')) {
    machine.input({ kind: 'serial', byte });
    stops.push(run());
  }
  return { machine, run, beginning, stops, digest: digest(), events: machine.events.hash };
}

describe.each(SETTINGS)('a guest that sleeps until somebody types, $cpu with $mmu', (setting) => {
  const { machine, run, beginning, stops, digest, events } = typed(setting);

  it('waits, wakes at each byte, and ends', () => {
    expect(stops.slice(0, 3)).toEqual([1, 2, 3].map(() => ({ reason: 'waiting' })));
    expect(stops[3]).toEqual({ reason: 'stopped', cause: StopCause.debugExit, value: 0 });
    expect(machine.guest().deviceOutput()).toBe('Hi.');
  });

  it('does as on the bare machine', () => {
    expect(digest).toEqual(typed({ cpu: 'native', mmu: 'none' }).digest);
  });

  it('does the same again when what was typed is replayed', () => {
    machine.load(beginning, true);
    expect(machine.inputs.ahead).toBe(3);
    expect(run()).toMatchObject({ reason: 'stopped' });
    expect(machine.events.hash).toBe(events);
  });
});
