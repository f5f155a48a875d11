/** Paging on the real processor: page faults, the TLB in front of the walk, and what flushes it. */
import { describe, expect, it } from 'vitest';
import { RAX, RBX, RCX, RSP } from '../../x86/registers';
import { TlbOp } from '../event-kinds';
import { kernelSource, type TinyMachine, tinyMachine } from './tiny-machine.test-support';

const ROOT = 0x20000;
const TABLE = 0x21000;
const PTE = (page: number) => TABLE + page * 4;

/**
 * Identity-maps 4 MiB for user and supervisor with the given CR0 bits, then runs the body.
 * @param handler what a page fault runs
 */
const paged = (body: string, { cr0 = 0x80000000, handler = 'hlt' } = {}) =>
  kernelSource(`
  gate 14, page_fault, 0x8e00
  mov dword [${ROOT}], ${TABLE + 7}
  mov edi, ${TABLE}
  mov eax, 7
.fill:
  mov [edi], eax
  add eax, 0x1000
  add edi, 4
  cmp edi, ${TABLE + 0x1000}
  jne .fill
  mov eax, ${ROOT}
  mov cr3, eax
  mov eax, cr0
  or eax, ${cr0}
  mov cr0, eax
  ${body}
page_fault:
  ${handler}
`);

const count = (machine: TinyMachine, op: number): number => machine.emitted('tlb').filter((e) => e['op'] === op).length;

describe('paging', () => {
  it('raises #PF with CR2 and the error code, and the instruction restarts after the handler', () => {
    const body = `
  mov dword [${PTE(0x50)}], 0
  mov ecx, 0x1234
at: mov [0x50010], ecx
  mov ebx, [0x50010]
done: hlt`;
    const handler = `
  mov eax, cr2
  pop edx
  mov dword [${PTE(0x50)}], 0x60007
  iretd`;
    const machine = tinyMachine(paged(body, { handler }));
    machine.runTo('page_fault');
    const { state } = machine.processor;
    expect(state.cr2).toBe(0x50010);
    expect(machine.memory.read32(state.gpr(RSP))).toBe(2);
    expect(machine.memory.read32(state.gpr(RSP) + 4)).toBe(machine.symbol('at'));
    machine.runTo('done');
    expect([state.gpr(RBX), state.gpr(RAX)]).toEqual([0x1234, 0x50010]);
    expect(machine.memory.read32(0x60010)).toBe(0x1234);
    // The leaf became accessed and dirty.
    expect(machine.memory.read32(PTE(0x50))).toBe(0x60067);
    expect(machine.emitted('deliver')).toEqual([{ vector: 14, kind: 1, errorCode: 2, cr2: 0x50010 }]);
  });

  it('sets D at the first write even when a read has filled the TLB', () => {
    const machine = tinyMachine(paged(`mov eax, [0x50000]\nread: mov [0x50000], eax\nwritten: hlt`));
    machine.runTo('read');
    expect(machine.memory.read32(PTE(0x50)) & 0x60).toBe(0x20);
    machine.runTo('written');
    expect(machine.memory.read32(PTE(0x50)) & 0x60).toBe(0x60);
  });

  it('honours WP for the supervisor, with error code 3', () => {
    const body = `mov dword [${PTE(0x50)}], 0x50005\nat: mov [0x50000], eax\nwritten: hlt`;
    tinyMachine(paged(body)).runTo('written');
    const machine = tinyMachine(paged(body, { cr0: 0x80010000 }));
    machine.runTo('page_fault');
    expect(machine.memory.read32(machine.processor.state.gpr(RSP))).toBe(3);
  });

  it('cannot set WP on a profile without it', () => {
    const machine = tinyMachine(paged('mov ecx, cr0\ndone: hlt', { cr0: 0x80010000 }), { features: { wp: false } });
    machine.runTo('done');
    expect(machine.processor.state.gpr(RCX) & 0x10000).toBe(0);
  });

  it('a stale entry serves reads until INVLPG, as on hardware', () => {
    const machine = tinyMachine(
      paged(`
  mov dword [0x60000], 0x66
  mov dword [0x50000], 0x55
  mov dword [${PTE(0x50)}], 0x60007
  mov eax, [0x50000]
  invlpg [0x50000]
  mov ebx, [0x50000]
done: hlt`),
    );
    machine.runTo('done');
    expect([machine.processor.state.gpr(RAX), machine.processor.state.gpr(RBX)]).toEqual([0x55, 0x66]);
    expect(machine.emitted('tlb').filter((e) => e['op'] === TlbOp.flushPage)).toEqual([
      { op: TlbOp.flushPage, tag: 0, page: 0x50 },
    ]);
  });

  it('an access that the TLB entry forbids walks again before it faults', () => {
    const machine = tinyMachine(
      paged(
        `
  mov dword [${PTE(0x50)}], 0x50005
  mov eax, [0x50000]
  mov dword [${PTE(0x50)}], 0x50007
  mov dword [0x50000], 9
done: hlt`,
        { cr0: 0x80010000 },
      ),
    );
    machine.runTo('done');
    expect(machine.memory.read32(0x50000)).toBe(9);
  });

  it('MOV to CR3 flushes all but global pages', () => {
    const machine = tinyMachine(
      paged(`
  mov eax, cr4
  or eax, 0x80
  mov cr4, eax
  mov dword [${PTE(0x50)}], 0x50107
  mov eax, [0x50000]
  mov eax, [0x51000]
  mov dword [${PTE(0x50)}], 0
  mov dword [${PTE(0x51)}], 0
  mov eax, cr3
  mov cr3, eax
  mov eax, [0x50000]
global_read:
  mov eax, [0x51000]
not_reached: hlt`),
    );
    machine.runTo('global_read');
    machine.runTo('page_fault');
    expect(machine.processor.state.cr2).toBe(0x51000);
  });

  it('every fill follows a walk of two references, and fills never outnumber them', () => {
    const machine = tinyMachine(paged('mov eax, [0x50000]\nmov eax, [0x51000]\ndone: hlt'));
    machine.runTo('done');
    expect(machine.emitted('walkRef').length).toBe(2 * count(machine, TlbOp.fill));
    expect(count(machine, TlbOp.miss)).toBeGreaterThanOrEqual(3);
  });

  it('a large page is one entry', () => {
    const machine = tinyMachine(
      paged(`
  mov eax, cr4
  or eax, 0x10
  mov cr4, eax
  mov dword [${ROOT + 4}], 0x87
  mov eax, [0x450000]
  mov ebx, [0x451000]
done: hlt`),
    );
    machine.memory.write32(0x51000, 0x1111);
    machine.runTo('done');
    expect(machine.processor.state.gpr(RBX)).toBe(0x1111);
    expect(machine.emitted('tlb').filter((e) => e['op'] === TlbOp.fill && (e['page'] ?? 0) >= 0x400).length).toBe(1);
  });

  it('ring 3 may not touch supervisor pages, but its faults push onto the supervisor stack', () => {
    const machine = tinyMachine(
      paged(`
  mov dword [${PTE(0x50)}], 0x50003
  mov dword [${PTE(8)}], 0x8003
  mov dword [${PTE(7)}], 0x7003
  mov eax, cr3
  mov cr3, eax
  to_user user, 2
user: mov eax, [cs:0x50000]
`),
    );
    machine.runTo('page_fault');
    const { state } = machine.processor;
    expect([state.cpl, machine.memory.read32(state.gpr(RSP)), state.cr2]).toEqual([0, 5, 0x50000]);
  });

  it('writes nothing of a frame that does not fit into present pages', () => {
    const machine = tinyMachine(
      paged(`
  gate 0x80, page_fault, 0x8e00
  mov dword [0x51000], 0x5555
  mov dword [${PTE(0x50)}], 0
  mov esp, 0x51004
at: int 0x80
`),
    );
    // The page fault finds no room either, nor does the double fault.
    expect(machine.run().reason).toBe('tripleFault');
    expect(machine.processor.state.eip).toBe(machine.symbol('at'));
    expect(machine.memory.read32(0x51000)).toBe(0x5555);
  });

  it('gives the same events, positions included, however the run is sliced', () => {
    const source = paged(`
  mov dword [${PTE(0x50)}], 0
  mov ecx, 20
again:
  mov [0x51000 + ecx * 4], ecx
  loop again
  mov eax, [0x50000]
`);
    const hash = (slices: readonly number[]): string => {
      const machine = tinyMachine(source);
      for (let i = 0; i < 20_000; i++) {
        if (machine.run(slices[i % slices.length]).reason === 'halted') break;
      }
      expect(machine.processor.state.eip).toBe(machine.symbol('page_fault') + 1);
      // Filling the table takes 1024 rounds of four instructions.
      expect(machine.clock.instructions).toBeGreaterThan(4096);
      return machine.events.hash;
    };
    const whole = hash([1_000_000]);
    expect(hash([1])).toBe(whole);
    expect(hash([3, 1, 700, 2])).toBe(whole);
  });
});
