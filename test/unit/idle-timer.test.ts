import { describe, expect, it } from 'vitest';
import { StopCause } from '../../src/machine/event-kinds';
import { inlineGuest, pic, SETTINGS, start } from '../../src/vmm/guest.test-support';

const TICKS = 3000;

/** Halts between the ticks of a timer and ends after so many. */
const program = inlineGuest(`
        mov     esp, 0x180000
        lgdt    [gdt_pointer]
        jmp     8:.flat
.flat:  mov     eax, 16
        mov     ds, ax
        mov     ss, ax
        lidt    [idt_pointer]
        ${pic(0xfe)}
        mov     al, 0x36                ; counter 0, low and high byte, mode 3
        out     0x43, al
        mov     al, 0x40
        out     0x40, al
        xor     al, al
        out     0x40, al
        sti
.sleep: hlt
        jmp     .sleep
tick:   inc     dword [count]
        mov     al, 0x20
        out     0x20, al
        cmp     dword [count], ${TICKS}
        jb      .more
        xor     eax, eax
        out     0xf4, al
.more:  iret
        align   8
gdt:    dq      0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
        dw      23
        dd      gdt
idt_pointer:
        dw      0x21 * 8 - 1
        dd      idt
count:  dd      0
        align   4096
idt:    times 0x20 dq 0
        dw      (tick - $$) & 0xffff, 8, 0x8e00, 0x10
`);

function slept(settings: (typeof SETTINGS)[number]) {
  const { machine, run, digest } = start({ ...settings, memoryMiB: 2 }, program);
  const stop = run();
  return { stop, digest: digest(), time: machine.clock.save() };
}

describe.each(SETTINGS)('a guest that halts between timer ticks, $cpu with $mmu', (setting) => {
  it('is woken by every one of them, in one run, as on the bare machine', () => {
    const { stop, ...end } = slept(setting);
    expect(stop).toEqual({ reason: 'stopped', cause: StopCause.debugExit, value: 0 });
    expect({ stop, ...end }).toEqual(slept({ cpu: 'native', mmu: 'none' }));
  });
});
