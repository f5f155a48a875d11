import { describe, expect, it } from 'vitest';
import type { Machine } from '../machine/machine';
import type { MachineStop } from '../machine/machine-stop';
import { type GuestProgram, inlineGuest, NATIVE, SETTINGS, start, VIRTUAL } from './guest.test-support';
import { NestedMmu } from './mmu/nested';
import { ShadowMmu } from './mmu/shadow';

const MEMORY = { memoryMiB: 2 };

/** Flat segments, and an IDT alone on its page whose gates 0 to 31 lead to the handler. */
const guest = (body: string, handler: string): GuestProgram =>
  inlineGuest(`
  mov esp, 0x80000
  lgdt [gdt_pointer]
  jmp 8:.flat
.flat:
  mov eax, 16
  mov ss, ax
  lidt [idt_pointer]
  ${body}
  mov al, 0
  out 0xf4, al
handler: ${handler}
  align 8
gdt: dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
  dw 23
  dd gdt
idt_pointer:
  dw 32 * 8 - 1
  dd idt
  align 4096
idt:
  times 32 dw (handler - $$) & 0xffff, 8, 0x8e00, 0x10
`);

function stalledAt(linear: number): MachineStop {
  const turns = '10000 faults, interrupts and VM exits in a row';
  const message = `The guest makes no progress at 0x${linear.toString(16)}: ${turns}, and no instruction completed.`;
  return { reason: 'stalled', linear, message };
}

/** Makes the VMM lie about faults on one page: it says that it has mended them. Returns how to end that. */
function breakVmm(machine: Machine, address: number): () => void {
  // Private to the machine and to the hypervisor.
  const hypervisor = Reflect.get(machine, 'hypervisor') as { readonly parts: { readonly mmu: unknown } };
  const { mmu } = hypervisor.parts;
  const lies = (at: number): boolean => at >>> 12 === address >>> 12;
  if (mmu instanceof NestedMmu) {
    const mend = mmu.handleViolation.bind(mmu);
    mmu.handleViolation = function* (gpa, ...rest) {
      return lies(gpa) ? 'filled' : yield* mend(gpa, ...rest);
    };
    return () => {
      mmu.handleViolation = mend;
    };
  }
  if (!(mmu instanceof ShadowMmu)) throw new Error('The machine has no VMM.');
  const mend = mmu.handlePageFault.bind(mmu);
  mmu.handlePageFault = function* (linear, errorCode) {
    return lies(linear) ? { kind: 'hidden' } : yield* mend(linear, errorCode);
  };
  return () => {
    mmu.handlePageFault = mend;
  };
}

describe.each(SETTINGS)('a guest whose fault handler faults, $cpu with $mmu', (setting) => {
  it('stalls at that instruction, and again when it is run on', () => {
    const program = guest('ud2', 'ud2');
    const { machine, run } = start({ ...setting, ...MEMORY }, program);
    expect(run()).toEqual(stalledAt(program.label('handler')));
    const { instructions } = machine.clock;
    expect(instructions).toBe(6);
    expect(run(1_000)).toEqual(stalledAt(program.label('handler')));
    expect(machine.clock.instructions).toBe(6);
    expect(machine.inHandler).toBe(false);
  });
});

describe.each(VIRTUAL)('a VMM that mends nothing, $cpu with $mmu', (setting) => {
  it('is found out at the instruction that exits for ever; once it mends, the guest ends as on the bare machine', () => {
    const program = guest('touch: mov eax, [0x180000]', 'iretd');
    const native = start({ ...NATIVE, ...MEMORY }, program);
    const { machine, run, digest } = start({ ...setting, ...MEMORY }, program);
    const mend = breakVmm(machine, 0x180000);
    expect(run()).toEqual(stalledAt(program.label('touch')));
    mend();
    expect(run()).toEqual(native.run());
    expect(digest()).toEqual(native.digest());
  });
});

describe.each(VIRTUAL.filter(({ cpu }) => cpu === 'hw'))(
  'a VM entry whose event can never be delivered, with $mmu',
  (setting) => {
    it('is given up inside the visit, which goes on when it can', () => {
      const program = guest('call_out: int3', 'iretd');
      const native = start({ ...NATIVE, ...MEMORY }, program);
      const { machine, run, digest } = start({ ...setting, ...MEMORY }, program);
      const mend = breakVmm(machine, program.label('idt'));
      expect(run()).toEqual(stalledAt(program.label('call_out')));
      expect(machine.inHandler).toBe(true);
      mend();
      expect(run()).toEqual(native.run());
      expect(digest()).toEqual(native.digest());
    });
  },
);
