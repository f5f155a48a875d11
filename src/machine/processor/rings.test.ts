/** Ring changes through gates and back, fault delivery and its error codes, double and triple faults. */
import { describe, expect, it } from 'vitest';
import { CS, DS, ES, RAX, RBX, RCX, RDX, RSP, SS } from '../../x86/registers';
import { RingCause } from '../event-kinds';
import { combine } from './raise';
import { kernelSource, type TinyMachine, tinyMachine } from './tiny-machine.test-support';

/** Enters ring 3 at `user` with interrupts as in `flags`. */
const ENTER_USER = (flags = '0x202') => `
  mov ax, 0x23
  mov ds, ax
  to_user user, ${flags}
`;

function top(machine: TinyMachine, words: number): number[] {
  const esp = machine.processor.state.gpr(RSP);
  return Array.from({ length: words }, (_, i) => machine.memory.read32(esp + 4 * i));
}

describe('ring changes', () => {
  const source = kernelSource(`
  gate 0x80, system_call, 0xee00
  ${ENTER_USER()}
user:
  mov eax, 5
  int 0x80
after:
  hlt
system_call:
  add eax, 2
back:
  iretd
`);

  it('INT n from ring 3 switches to the stack of the TSS and pushes SS, ESP, EFLAGS, CS, EIP', () => {
    const machine = tinyMachine(source);
    machine.runTo('system_call');
    const { state } = machine.processor;
    expect([state.cpl, state.selector(CS), state.selector(SS), state.gpr(RSP)]).toEqual([0, 0x08, 0x10, 0x8000 - 20]);
    expect(top(machine, 5)).toEqual([machine.symbol('after'), 0x1b, 0x202, 0x7000, 0x23]);
    expect(state.eflags & 0x200).toBe(0);
  });

  it('IRET to ring 3 restores the stack and drops segments that ring 3 may not use', () => {
    const machine = tinyMachine(source);
    machine.runTo('after');
    const { state } = machine.processor;
    expect([state.cpl, state.selector(CS), state.selector(SS), state.gpr(RSP)]).toEqual([3, 0x1b, 0x23, 0x7000]);
    expect(state.gpr(RAX)).toBe(7);
    // DS was loaded with a ring-3 selector, ES still held the kernel's.
    expect([state.selector(DS), state.selector(ES)]).toEqual([0x23, 0]);
    expect(state.eflags & 0x200).toBe(0x200);
  });

  it('emits a ring event for each change with its cause', () => {
    const machine = tinyMachine(source);
    machine.runTo('after');
    expect(machine.emitted('ring')).toEqual([
      { from: 0, to: 3, cause: RingCause.iret, vector: 0xffffffff },
      { from: 3, to: 0, cause: RingCause.software, vector: 0x80 },
      { from: 0, to: 3, cause: RingCause.iret, vector: 0xffffffff },
    ]);
    expect(machine.emitted('deliver')).toEqual([{ vector: 0x80, kind: 2, errorCode: 0, cr2: 0 }]);
  });

  it('emits nothing of it while the guest does not see this processor', () => {
    const machine = tinyMachine(source);
    machine.processor.guestVisible = false;
    machine.runTo('after');
    expect([...machine.emitted('ring'), ...machine.emitted('deliver'), ...machine.emitted('control')]).toEqual([]);
  });

  it('a trap gate leaves IF set, an interrupt gate clears it', () => {
    const machine = tinyMachine(
      kernelSource(`
  gate 0x80, handler, 0xef00
  ${ENTER_USER()}
user: int 0x80
handler: nop
`),
    );
    machine.runTo('handler');
    expect(machine.processor.state.eflags & 0x200).toBe(0x200);
  });

  it('marks the loaded descriptors accessed and the TSS busy in memory', () => {
    const machine = tinyMachine(source);
    machine.runTo('after');
    const type = (selector: number) => machine.memory.read8(machine.symbol('gdt') + (selector & 0xf8) + 5) & 0xf;
    expect([type(0x08), type(0x10), type(0x1b), type(0x23), type(0x28), type(0x30)]).toEqual([
      0xb, 3, 0xb, 3, 0xb, 0xa,
    ]);
  });

  it('a far call through a call gate changes the ring and copies the parameters; RETF n goes back', () => {
    const machine = tinyMachine(
      kernelSource(
        `
  mov eax, inner
  mov [gdt + 0x40], ax
  ${ENTER_USER('2')}
user:
  push dword 0x11
  push dword 0x22
  call 0x43:0
after: hlt
inner:
  mov ecx, [esp + 8]
  mov edx, [esp + 12]
  retf 8
`,
        '  dq 0x0000ec0200080000',
      ),
    );
    machine.runTo('after');
    const { state } = machine.processor;
    expect([state.gpr(RCX), state.gpr(RDX), state.gpr(RSP), state.cpl]).toEqual([0x22, 0x11, 0x7000, 3]);
    expect(machine.emitted('ring').map((e) => [e['from'], e['to'], e['cause']])).toEqual([
      [0, 3, RingCause.iret],
      [3, 0, RingCause.far],
      [0, 3, RingCause.far],
    ]);
  });
});

describe('faults', () => {
  /** Runs user code whose #GP handler is at `caught`. */
  const caughtBy = (vector: number, user: string, setup = '', flags = '0x202') => {
    const machine = tinyMachine(
      kernelSource(`
  gate ${vector}, caught, 0x8e00
  ${setup}
  ${ENTER_USER(flags)}
user:
  ${user}
caught: hlt
`),
    );
    machine.runTo('caught');
    return machine;
  };

  it.each([
    ['cli', 'cli'],
    ['hlt', 'hlt'],
    ['lgdt', 'lgdt [gdtr]'],
    ['mov to cr3', 'mov cr3, eax'],
    ['mov from cr0', 'mov eax, cr0'],
    ['in without a permission bitmap', 'in al, 0x20'],
    ['invlpg', 'invlpg [0]'],
    ['clts', 'clts'],
    ['rdmsr', 'rdmsr'],
    ['ltr', 'mov ax, 0x28\nuser2: ltr ax'],
  ])('ring 3 may not %s: #GP(0) at the instruction', (_, code) => {
    const machine = caughtBy(13, code);
    const at = code.includes('user2') ? 'user2' : 'user';
    expect(top(machine, 3)).toEqual([0, machine.symbol(at), 0x1b]);
    // RF is set in the image of a fault.
    expect((top(machine, 4)[3] ?? 0) & 0x10000).toBe(0x10000);
  });

  it('INT n to a gate of a lower DPL is #GP with the IDT bit and no EXT', () => {
    expect(top(caughtBy(13, 'int 0x21', 'gate 0x21, caught, 0x8e00'), 2)).toEqual([
      0x21 * 8 + 2,
      caughtBy(13, 'int 0x21', 'gate 0x21, caught, 0x8e00').symbol('user'),
    ]);
  });

  it('an absent gate is #NP with the IDT bit', () => {
    expect(top(caughtBy(11, 'int 0x21', 'gate 0x21, caught, 0x6e00'), 1)).toEqual([0x21 * 8 + 2]);
  });

  it('a vector beyond the IDT limit is #GP', () => {
    expect(top(caughtBy(13, 'int 0x30', 'mov word [idtr], 0x17f\nlidt [idtr]'), 1)).toEqual([0x30 * 8 + 2]);
  });

  it.each([
    ['a kernel data selector into DS', 13, 'mov ax, 0x10\nmov ds, ax', 0x10],
    ['a null selector into SS', 13, 'xor eax, eax\nmov ss, ax', 0],
    ['a selector of another RPL into SS', 13, 'mov ax, 0x20\nmov ss, ax', 0x20],
    ['a code selector into SS', 13, 'mov ax, 0x1b\nmov ss, ax', 0x18],
    ['a selector beyond the GDT', 13, 'mov ax, 0x103\nmov es, ax', 0x100],
    ['a selector into an LDT that is not there', 13, 'mov ax, 0x0f\nmov es, ax', 0x0c],
    ['a TSS into ES', 13, 'mov ax, 0x2b\nmov es, ax', 0x28],
    ['a far jump to kernel code', 13, 'jmp 0x08:0', 8],
  ])('loading %s faults with the selector as error code', (_, vector, code, error) => {
    expect(top(caughtBy(vector, code), 1)).toEqual([error]);
  });

  it('a segment that is not present is #NP, a stack #SS', () => {
    const absent = 'mov byte [gdt + 0x23 - 3 + 5], 0x72\n';
    const machine = tinyMachine(
      kernelSource(`gate 11, caught, 0x8e00\n${absent}mov ax, 0x20\nat: mov es, ax\ncaught: hlt`),
    );
    machine.runTo('caught');
    expect(top(machine, 2)).toEqual([0x20, machine.symbol('at')]);
    const stack = tinyMachine(
      kernelSource(`gate 12, caught, 0x8e00\nmov byte [gdt + 0x15], 0x12\nmov ax, 0x10\nat: mov ss, ax\ncaught: hlt`),
    );
    stack.runTo('caught');
    expect(top(stack, 2)).toEqual([0x10, stack.symbol('at')]);
  });

  it('an access through a null segment is #GP(0) and leaves the registers', () => {
    const machine = caughtBy(13, 'xor eax, eax\nmov es, ax\nmov ebx, 7\nat: mov ebx, [es:0]');
    expect(top(machine, 2)).toEqual([0, machine.symbol('at')]);
    expect(machine.processor.state.gpr(RBX)).toBe(7);
  });

  it('an invalid stack in the TSS is #TS on the way in, and #TS while delivering #TS becomes a double fault', () => {
    const machine = tinyMachine(
      kernelSource(`
  gate 0x80, caught, 0xee00
  gate 10, caught, 0x8e00
  gate 8, caught, 0x8e00
  mov word [tss + 8], 0x23
  ${ENTER_USER()}
user: int 0x80
caught: hlt
`),
    );
    // Every gate into ring 0 needs the bad stack: #TS, then #DF, then shutdown.
    expect(machine.run().reason).toBe('tripleFault');
  });

  it('a fault while a contributory fault is delivered is a double fault with error code 0', () => {
    const machine = tinyMachine(
      kernelSource(`
  gate 8, caught, 0x8e00
  mov ax, 0x80
at: mov ds, ax
caught: hlt
`),
    );
    machine.runTo('caught');
    expect(top(machine, 3)).toEqual([0, machine.symbol('at'), 0x08]);
    expect(machine.emitted('deliver')).toEqual([{ vector: 8, kind: 1, errorCode: 0, cr2: 0 }]);
  });

  it('without a double-fault gate the processor shuts down', () => {
    const machine = tinyMachine(kernelSource('at: ud2\n'));
    const stop = machine.run();
    expect(stop.reason).toBe('tripleFault');
    expect(machine.processor.state.eip).toBe(machine.symbol('at'));
  });

  it('combines two faults by the table of the manual', () => {
    const exception = (vector: number) => ({ vector, kind: 'exception' as const });
    const outcome = (first: number, second: number) => {
      const result = combine(exception(first), exception(second));
      return result === 'shutdown' ? 'shutdown' : result.vector;
    };
    expect([
      outcome(6, 13),
      outcome(13, 13),
      outcome(13, 14),
      outcome(14, 14),
      outcome(14, 13),
      outcome(0, 11),
    ]).toEqual([13, 8, 14, 8, 8, 8]);
    expect([outcome(8, 13), outcome(8, 14), outcome(8, 6), outcome(14, 6)]).toEqual(['shutdown', 'shutdown', 6, 6]);
    expect(combine({ vector: 14, kind: 'interrupt' }, exception(14))).toMatchObject({ vector: 14, kind: 'exception' });
  });

  it('a faulting INT n does not count as an instruction, a completed one does', () => {
    const counted = (gate: string): number => {
      const machine = tinyMachine(
        kernelSource(
          `gate 13, caught, 0x8e00\ngate 0x21, caught, ${gate}\n${ENTER_USER()}\nuser: int 0x21\ncaught: hlt`,
        ),
      );
      machine.runTo('user');
      const before = machine.clock.instructions;
      machine.runTo('caught');
      return machine.clock.instructions - before;
    };
    expect([counted('0x8e00'), counted('0xee00')]).toEqual([0, 1]);
  });

  it('IRET in ring 3 changes neither IF nor IOPL', () => {
    const machine = tinyMachine(
      kernelSource(`${ENTER_USER()}
user:
  push dword 0x3001
  push dword 0x1b
  push dword after
  iretd
after: hlt`),
    );
    machine.runTo('after');
    expect(machine.processor.state.eflags).toBe(0x203);
  });

  it('stops with a sentence on what is not simulated', () => {
    const machine = tinyMachine(kernelSource('pushfd\nor dword [esp], 0x4000\npopfd\nat: iretd'));
    const stop = machine.run();
    expect(stop).toMatchObject({ reason: 'unsupported' });
    expect(stop.problem).toContain(`0x${machine.symbol('at').toString(16)}`);
    expect(stop.problem).toContain('EFLAGS.NT');
  });
});
