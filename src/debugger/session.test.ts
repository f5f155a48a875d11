import { describe, expect, it } from 'vitest';
import type { MachineConfig } from '../machine/config';
import type { Session } from './session';
import { inline, launch, MINIKERNEL } from './session.test-support';
import type { Stop } from './stop';

const reason = (stop: Stop): string => (stop.kind === 'stopped' ? stop.reason : stop.kind);
const line = (session: Session): number | undefined => session.lineAt(session.instructionPointer)?.line;

const LOOPS = `bits 32
org 0x100000
start:
    mov esp, 0x9000
    mov ecx, 3
.again:
    call work
    loop .again
    mov edi, 0x8000
    mov ecx, 100
    rep stosd
    jmp $
work:
    inc eax
    ret
`;

describe('stepping', () => {
  it('stands at the entry, steps by instruction, into calls, over them, and out', async () => {
    const session = await inline(LOOPS);
    expect(line(session)).toBe(4);
    await session.stepIn('line');
    await session.stepIn('line');
    expect(line(session)).toBe(7);
    await session.stepIn('line');
    expect(line(session)).toBe(14);
    const { caller } = session;
    expect(caller).toMatchObject({ kind: 'code', name: 'start' });
    if (caller !== undefined) await session.stepOut(caller);
    expect(line(session)).toBe(8);
    await session.stepIn('instruction');
    expect(line(session)).toBe(7);
    await session.stepOver('line');
    expect(line(session)).toBe(8);
    expect(session.view.state.gpr(0)).toBe(2);
  });

  it('steps over a whole repeated instruction by line, and one iteration of it by instruction', async () => {
    const session = await inline(LOOPS);
    session.changeBreakpoints((table) => table.setSource('/guest.asm', [{ line: 11 }]));
    expect(reason(await session.continue())).toBe('breakpoint');
    await session.stepIn('instruction');
    expect(session.view.state.gpr(1)).toBe(99);
    await session.stepIn('line');
    expect(line(session)).toBe(12);
    expect(session.view.state.gpr(1)).toBe(0);
    await session.stepIn('line');
    expect(line(session)).toBe(12);
  });

  it('pauses a guest that loops for ever', async () => {
    const session = await inline(LOOPS);
    const running = session.continue();
    expect(session.running).toBe(true);
    setTimeout(() => session.pause(), 20);
    expect(reason(await running)).toBe('pause');
    expect(session.running).toBe(false);
    expect(line(session)).toBe(12);
  });

  it('halts a guest that loops for ever', async () => {
    const session = await inline(LOOPS);
    const running = session.continue();
    await session.halt();
    expect(reason(await running)).toBe('abandoned');
  });

  it('meets a breakpoint at the very instruction where a slice was cut', async () => {
    // 1 + 2 * 24998 + 3 instructions: the first slice of 50000 ends right before the OUT.
    const session = await inline(`bits 32
org 0x100000
    mov ecx, 24998
.loop: dec ecx
    jnz .loop
    nop
    nop
    nop
    out 0xf4, al
`);
    session.changeBreakpoints((table) => table.setSource('/guest.asm', [{ line: 9 }]));
    expect(reason(await session.continue())).toBe('breakpoint');
    expect(session.machine.position.count).toBe(50_000);
    expect(reason(await session.continue())).toBe('ended');
  });

  it('counts hits exactly and prints log points while the guest runs', async () => {
    const session = await inline(LOOPS);
    const said: string[] = [];
    session.onMessage((line) => said.push(line));
    session.changeBreakpoints((table) =>
      table.setSource('/guest.asm', [
        { line: 14, logMessage: 'round {3 - ecx}' },
        { line: 15, hitCondition: '3' },
      ]),
    );
    expect(reason(await session.continue())).toBe('breakpoint');
    expect(session.view.state.gpr(0)).toBe(3);
    expect(said).toEqual(['round 0x0', 'round 0x1', 'round 0x2']);
  });

  it('says in words how a guest ended', async () => {
    const halted = await (await inline('bits 32\norg 0x100000\nstart: hlt\n')).continue();
    expect(halted).toMatchObject({
      kind: 'ended',
      exitCode: 1,
      description: expect.stringContaining('halted for ever'),
    });
    const meant = await (await inline('bits 32\norg 0x100000\nxor eax, eax\nout 0xf4, al\n')).continue();
    expect(meant).toMatchObject({ kind: 'ended', exitCode: 0 });
    const session = await inline('bits 32\norg 0x100000\nstart: ud2\n');
    const fault = await session.continue();
    expect(fault).toMatchObject({ kind: 'stopped', reason: 'exception', description: 'Triple fault' });
    const after = await session.continue();
    expect(after).toMatchObject({ kind: 'ended', exitCode: 1, description: expect.stringContaining('start') });
  });
});

describe('edits', () => {
  it('sets registers, parts of registers, flags and memory', async () => {
    const session = await inline(LOOPS);
    session.assign({ kind: 'register', name: 'eax' }, 0x12345678);
    session.assign({ kind: 'register', name: 'ah' }, 0xff);
    session.assign({ kind: 'register', name: 'zf' }, 1);
    session.assign({ kind: 'memory', address: 0x9000, size: 2 }, 0xabcd);
    expect(session.view.state.gpr(0)).toBe(0x1234ff78);
    expect(session.scope.register('zf')).toBe(1);
    expect(session.scope.read(0x9000, 4)).toBe(0xabcd);
    expect(() => session.assign({ kind: 'register', name: 'cs' }, 8)).toThrow(/cannot be set/);
    expect(() => session.assign({ kind: 'register', name: 'al' }, 256)).toThrow(/does not fit/);
  });
});

const SETTINGS: readonly Partial<MachineConfig>[] = [
  { cpu: 'native', mmu: 'none' },
  { cpu: 'trap', mmu: 'shadow' },
  { cpu: 'hw', mmu: 'shadow' },
  { cpu: 'hw', mmu: 'nested' },
];

describe.each(SETTINGS)('the minikernel under $cpu + $mmu', (setting) => {
  it('stops at a system call with the ways through the rings on its stack', async () => {
    const session = await launch(MINIKERNEL, setting);
    session.changeBreakpoints((table) => table.setFunctions([{ name: 'system_call' }]));
    expect(reason(await session.continue())).toBe('function breakpoint');
    const names = session.stack().map((frame) => `${frame.name} ${frame.ring}`);
    expect(names).toEqual(['system_call 0', 'int 0x80 0', 'line_print 3', 'program_beta 3']);
    const { caller } = session;
    if (caller !== undefined) await session.stepOut(caller);
    expect(session.view.state.cpl).toBe(3);
    expect(session.locate(session.instructionPointer)?.symbol).toMatch(/^line_print/);
  });

  it('stops at ring changes, steps back out of them, and comes forward to the same state', async () => {
    const session = await launch(MINIKERNEL, setting);
    // cause 2: a software interrupt
    session.filters.set([{ id: 'ring-change', condition: 'cause == 2' }]);
    expect(await session.continue()).toMatchObject({ reason: 'exception', description: 'Ring 3 to ring 0 by int' });
    expect(session.locate(session.instructionPointer)?.symbol).toBe('stub_syscall');
    const { count } = session.machine.position;
    const hash = session.machine.stateHash();
    await session.stepBack();
    expect(session.view.state.cpl).toBe(3);
    expect(session.machine.position.count).toBe(count - 1);
    expect(session.instructionText(session.instructionPointer)).toBe('int 0x80');
    session.filters.set([]);
    await session.stepIn('instruction');
    expect(session.machine.stateHash()).toBe(hash);
  });

  it('steps over a system call and over timer interrupts on the way', async () => {
    const session = await launch(MINIKERNEL, setting);
    session.changeBreakpoints((table) => table.setFunctions([{ name: 'program_alpha' }]));
    expect(reason(await session.continue())).toBe('function breakpoint');
    const seen: string[] = [];
    for (let i = 0; i < 5; i++) {
      expect(reason(await session.stepOver('line'))).toBe('step');
      seen.push(`${session.view.state.cpl} ${session.locate(session.instructionPointer)?.symbol}`);
    }
    expect(seen.every((s) => /^3 program_alpha\+/.test(s))).toBe(true);
  });

  it('goes back to the last breakpoint, and to the start', async () => {
    const session = await launch(MINIKERNEL, setting);
    session.changeBreakpoints((table) => table.setFunctions([{ name: 'system_call' }]));
    const counts: number[] = [];
    for (let i = 0; i < 3; i++) {
      await session.continue();
      counts.push(session.machine.position.count);
    }
    const hash = session.machine.stateHash();
    expect(reason(await session.reverseContinue())).toBe('function breakpoint');
    expect(session.machine.position.count).toBe(counts[1]);
    await session.continue();
    expect(session.machine.stateHash()).toBe(hash);
    await session.reverseContinue();
    await session.reverseContinue();
    expect(session.machine.position.count).toBe(counts[0]);
    expect(reason(await session.reverseContinue())).toBe('entry');
    expect(session.machine.position.count).toBe(0);
  });
});
