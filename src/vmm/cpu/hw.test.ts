/** VT-x against the bare machine: the same guest code ends with the same digest, at the same instruction. */
import { describe, expect, it } from 'vitest';
import { FaultClass, StopCause } from '../../machine/event-kinds';
import { guestRegisterWords } from '../../machine/guest-registers';
import { kernelSource } from '../../machine/processor/tiny-machine.test-support';
import { ExitReason } from '../../x86/vmx/exit-reasons';
import { NATIVE, type Run, timer } from '../guest.test-support';
import { SHADOW, NESTED, build, run, compare, exits, EXIT, PAGING } from './hw.test-support';

describe('hw equals native', () => {
  it('paging on, table edits with INVLPG, a reload of CR3, control registers read back', () => {
    const { shadow, nested } = compare(
      kernelSource(`${PAGING}
  mov dword [0x200000], 0x11111111
  mov dword [0x201000], 0x22222222
  mov dword [0x101000 + 0x200 * 4], 0x201007
  invlpg [0x200000]
  mov ebx, [0x200000]
  mov eax, cr3
  mov cr3, eax
  mov ecx, cr0
  mov edx, cr3
  mov esi, cr4
  mov [0x300000], ebx
  mov [0x300004], ecx
  mov [0x300008], edx
  mov [0x30000c], esi
  ${EXIT}`),
    );
    expect(exits(shadow, ExitReason.invlpg)).toBe(1);
    expect(exits(shadow, ExitReason.controlRegister)).toBe(5); // CR3 twice, CR0.PG, and two reads of CR3
    expect([exits(nested, ExitReason.invlpg), exits(nested, ExitReason.controlRegister)]).toEqual([0, 0]);
    expect(exits(nested, ExitReason.eptViolation)).toBeGreaterThan(4);
    expect(shadow.facts.faultsByClass[FaultClass.trace]).toBe(1);
  });

  it('4 MiB pages, write protection, and TS by CLTS and LMSW', () => {
    compare(
      kernelSource(`
  gate 14, page_fault, 0x8e00
  mov dword [0x100000], 0x83
  mov eax, 0x100000
  mov cr3, eax
  mov eax, cr4
  or eax, 0x10
  mov cr4, eax
  mov eax, cr0
  or eax, 0x80010008
  mov cr0, eax
  clts
  mov ax, 0xa
  lmsw ax
  smsw bx
  mov [0x300010], ebx
  mov dword [0x100000], 0x81
  mov cr3, ebp
  mov eax, 0x100000
  mov cr3, eax
  mov dword [0x300000], 5
  ${EXIT}
page_fault:
  pop ecx
  mov edx, cr2
  mov eax, cr0
  and eax, 0xfffeffff
  mov cr0, eax
  mov [0x300004], ecx
  mov [0x300008], edx
  iretd`).replace('mov cr3, ebp\n', ''),
    );
  });

  it('faults in ring 3, stack switches and INT n through pages that no shadow holds yet', () => {
    const { shadow } = compare(
      kernelSource(`${PAGING}
  gate 0x80, call, 0xee00
  gate 13, protection, 0x8e00
  gate 14, page_fault, 0x8e00
  gate 0, divide, 0x8e00
  mov dword [tss + 4], 0x280000
  mov ax, 0x23
  mov ds, ax
  push dword 0x23
  push dword 0x240000
  push dword 0x202
  push dword 0x1b
  push dword user
  iretd
user:
  int 0x80
  cli
  nop
  xor ecx, ecx
  div ecx
  mov eax, [0x500000]
  mov ebp, 77
  int 0x81
  jmp $
call:
  inc esi
  iretd
protection:
  pop ebx
  add edi, ebx
  cmp ebp, 77
  je done
  inc dword [esp]
  iretd
divide:
  add dword [esp], 2
  iretd
page_fault:
  pop ebx
  add edi, ebx
  mov eax, cr2
  add edi, eax
  add dword [esp], 5
  iretd
done:
  ${EXIT}`),
    );
    expect(shadow.facts.deliveriesByVector).toMatchObject({ 0: 1, 13: 2, 14: 1, 128: 1 });
    expect(shadow.facts.faultsByClass[FaultClass.true]).toBe(1);
  });

  it('an interrupt frame that lands on a traced page table is pushed by the VMM', () => {
    const { shadow } = compare(
      kernelSource(`${PAGING}
  gate 0x80, call, 0x8e00
  mov esp, 0x101fe0
  int 0x80
  push dword 0x201007
  pop eax
  mov esp, 0x9000
  ${EXIT}
call:
  inc esi
  iretd`),
    );
    expect(shadow.facts.faultsByClass[FaultClass.trace]).toBeGreaterThanOrEqual(2);
  });

  it('port input and output of every width and repeated strings', () => {
    const { nested } = compare(
      kernelSource(`
  mov eax, 0x11223344
  in al, 0x21
  mov [0x300000], eax
  mov dx, 0x3fd
  in ax, dx
  mov [0x300004], eax
  in eax, dx
  mov [0x300008], eax
  mov esi, text
  mov ecx, 5
  mov dx, 0x3f8
  cld
  rep outsb
  mov edi, 0x300010
  mov ecx, 3
  mov dx, 0x21
  rep insb
  ${EXIT}
text: db "hello"`),
    );
    expect(exits(nested, ExitReason.io)).toBe(3 + 5 + 3 + 1);
    expect(nested.machine.guest().deviceOutput()).toBe('hello');
  });

  const TIMER = `
  gate 32, tick, 0x8e00
  ${timer(100)}
`;

  it('timer interrupts land at the same instruction, whatever blocks them', () => {
    const { shadow, nested } = compare(
      kernelSource(`${PAGING}${TIMER}
  sti
again:
  inc esi
  cli
  mov ecx, 900
.off:
  loop .off
  sti
  nop
  mov ecx, 650
.on:
  add edx, ecx
  loop .on
  push ss
  pop ss
  hlt
  xor eax, eax
  cpuid
  cmp ebp, 20
  jb again
  ${EXIT}
tick:
  push eax
  mov eax, [esp + 4]
  mov [0x300000 + ebp * 8], eax
  mov [0x300004 + ebp * 8], edx
  inc ebp
  mov al, 0x20
  out 0x20, al
  pop eax
  iretd`),
    );
    expect(exits(shadow, ExitReason.interruptWindow)).toBeGreaterThan(0);
    expect(exits(nested, ExitReason.hlt)).toBeGreaterThan(5);
    expect(exits(nested, ExitReason.externalInterrupt)).toBeGreaterThan(5);
  });

  it('at every single instruction registers, deliveries and device output are those of the bare machine', () => {
    const source = kernelSource(`${TIMER}
  sti
  nop
  mov al, 0x0f
  out 0x21, al
  mov ecx, 850
.wait:
  loop .wait
  mov al, 0xfe
  out 0x21, al
  mov al, 0x0f
  out 0x21, al
  mov ecx, 850
.again:
  loop .again
  cli
  mov al, 0xfe
  out 0x21, al
  mov ecx, 10
.blocked:
  loop .blocked
  sti
  hlt
  hlt
  ${EXIT}
tick:
  push eax
  mov al, 0x20
  out 0x20, al
  inc esi
  pop eax
  iretd`);
    const [native, ...others] = [NATIVE, SHADOW, NESTED].map((setting) => build(source, setting));
    if (native === undefined) throw new Error('no run');
    const end = run(source, NATIVE).machine.clock.instructions;
    expect(end).toBeGreaterThan(300);
    const words = ({ machine, facts }: Run): unknown => [
      machine.clock.save(),
      guestRegisterWords(machine.guest().state),
      facts.all.deliveryHash,
    ];
    for (let count = 1; count <= end; count++) {
      native.machine.run({ count });
      const wanted = words(native);
      for (const other of others) {
        other.machine.run({ count });
        expect([count, words(other)]).toEqual([count, wanted]);
      }
    }
  });

  it('single-stepping goes on over instructions that exit', () => {
    compare(
      kernelSource(`${PAGING}
  gate 1, step, 0x8e00
  pushfd
  or dword [esp], 0x100
  popfd
  nop
  in al, 0x21
  mov eax, cr3
  mov cr3, eax
  nop
  pushfd
  and dword [esp], 0xfffffeff
  popfd
  nop
  ${EXIT}
step:
  inc esi
  push eax
  mov eax, [esp + 4]
  mov [0x300000 + esi * 4], eax
  pop eax
  iretd`),
    );
  });

  it('debug registers, and memory where no RAM is', () => {
    compare(
      kernelSource(`${PAGING}
  mov eax, 0x1234
  mov dr0, eax
  mov ebx, dr0
  mov ecx, dr6
  mov dword [0x100004], 0xe0000087
  mov edx, cr4
  or edx, 0x10
  mov cr4, edx
  mov edx, [0x400000]
  mov dword [0x400010], 5
  mov esi, [0x400010]
  ${EXIT}`),
    );
  });

  it('a guest that halts with interrupts off, and one that triple-faults, end alike', () => {
    expect(compare(kernelSource('cli\nhlt')).native.stop).toMatchObject({ cause: StopCause.haltedForever });
    expect(compare(kernelSource('lidt [nothing]\nint3\nnothing: dw 0\n dd 0')).native.stop).toMatchObject({
      cause: StopCause.tripleFault,
    });
    expect(compare(kernelSource(`${PAGING}mov esp, 0x500000\npush eax`)).native.stop).toMatchObject({
      cause: StopCause.tripleFault,
    });
  });

  it('without VPID and EPT (p4-2005) shadow paging still agrees', () => {
    const source = kernelSource(`${PAGING}
  mov dword [0x200000], 1
  mov dword [0x101000 + 0x200 * 4], 0x201007
  mov eax, cr3
  mov cr3, eax
  mov ebx, [0x200000]
  ${EXIT}`);
    const p4 = { profile: 'p4-2005' } as const;
    const [native, shadow] = [run(source, { ...NATIVE, ...p4 }), run(source, { ...SHADOW, ...p4 })];
    expect(shadow.digest).toEqual(native.digest);
    expect(shadow.stop).toEqual(native.stop);
    const entry = shadow.machine.processor.tlb.entries().find((e) => e.tag !== 0);
    expect(entry).toBeUndefined();
  });
});
