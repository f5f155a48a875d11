import { describe, expect, it } from 'vitest';
import { FaultClass, HandlerKind, StopCause } from '../../machine/event-kinds';
import { guestRegisterWords } from '../../machine/guest-registers';
import { inlineGuest, pic, type Run, start, timer } from '../guest.test-support';

const SMALL = { memoryMiB: 2 };

/** A GDT with ring-0 and ring-3 flat segments and a TSS, an IDT at 0x3000, and a stack; faults of all vectors stop with 0xee. */
const PRELUDE = `
  mov esp, 0x8000
  mov edi, 0x3000
  mov ecx, 256
.gate:
  mov word [edi], panic
  mov word [edi+2], 0x08
  mov word [edi+4], 0x8e00
  mov word [edi+6], 0x10
  add edi, 8
  loop .gate
  mov byte [0x3000 + 0x80 * 8 + 5], 0xee
  lgdt [gdtr]
  lidt [idtr]
  jmp 0x08:.flat
.flat:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov ax, 0x28
  ltr ax
`;
const TABLES = `
panic:
  mov al, 0xee
  out 0xf4, al
  align 8
gdt:
  dq 0
  dq 0x00cf9a000000ffff
  dq 0x00cf92000000ffff
  dq 0x00cffa000000ffff
  dq 0x00cff2000000ffff
  dw 0x67, tss
  db 0x10, 0x89, 0, 0
spare:
  dq 0, 0
gdtr: dw 63
  dd gdt
idtr: dw 0x7ff
  dd 0x3000
  align 4
tss: dd 0, 0x7000, 0x10
  times 23 dd 0
`;
const guest = (body: string) => inlineGuest(`${PRELUDE}\n${body}\n${TABLES}`);
/** Paging on: the low 2 MiB one to one by a directory at 0x10000 and a table at 0x11000 whose entries have these rights. */
const paging = (rights = 7, cr0 = 0x80010011) => `
  mov edi, 0x10000
  mov dword [edi], 0x11007
  xor ecx, ecx
.fill:
  mov eax, ecx
  shl eax, 12
  or eax, ${rights}
  mov [0x11000 + ecx * 4], eax
  inc ecx
  cmp ecx, 512
  jb .fill
  mov cr3, edi
  mov eax, ${cr0}
  mov cr0, eax
`;
const END = 'mov al, 0\n out 0xf4, al\n';

/** Instructions before the body of a guest. */
const BODY = 1549;

/**
 * Runs a guest natively and deprivileged in lockstep: the registers are the same at every instruction, the digest at the
 * end and now and then before. Returns the trap run. The guest must end well.
 */
function lockstep(source: string): Run {
  const image = guest(source);
  const native = start({ ...SMALL }, image);
  const trap = start({ ...SMALL, cpu: 'trap', mmu: 'shadow' }, image);
  // The prelude is the same in all of these guests; one of them looks at all of it.
  for (let count = BODY - 20; count < 40_000; count++) {
    const stops = [native.run(count), trap.run(count)];
    const [bare, virtual] = [native, trap].map((run) => run.machine.guest().state);
    if (bare === undefined || virtual === undefined) break;
    const where = { count, eip: bare.eip.toString(16), stop: stops[0] };
    expect({ ...where, stop: stops[1], words: guestRegisterWords(virtual) }).toEqual({
      ...where,
      words: guestRegisterWords(bare),
    });
    const ended = stops[0]?.reason === 'stopped';
    if (count % 97 === 0 || ended) expect({ ...where, ...trap.digest() }).toEqual({ ...where, ...native.digest() });
    if (ended) {
      expect(stops[0]).toMatchObject({ cause: StopCause.debugExit, value: 0 });
      return trap;
    }
  }
  throw new Error('the guest did not end');
}

describe('a deprivileged kernel', () => {
  it('goes to ring 3 and back as on the bare machine', () => {
    const run = lockstep(`
      mov word [0x3000 + 0x80 * 8], system
      push dword 0x23
      push dword 0x6000
      push dword 0x202
      push dword 0x1b
      push dword user
      iretd
    user:
      mov ax, 0x23
      mov ds, ax
      int 0x80
      mov bx, ds
      int 0x80
    system:
      inc dword [0x5000]
      cmp dword [0x5000], 2
      je .end
      iretd
    .end: ${END}`);
    expect(run.facts.all.rings).toEqual({ 12: 2, 3: 2 });
    expect(run.machine.guest().realCpl).toBe(0);
  });

  it('can find out its real ring by an instruction that is sensitive and not privileged', () => {
    const image = guest(`mov ecx, cs\n ${END}`);
    const [native, trap] = [start(SMALL, image), start({ ...SMALL, cpu: 'trap', mmu: 'shadow' }, image)];
    native.run();
    trap.run();
    expect(native.machine.guest().state.gpr(1)).toBe(0x08);
    expect(trap.machine.guest().state.gpr(1)).toBe(0x09);
  });

  it('lives in ring 1 while it believes to be in ring 0', () => {
    const run = start({ ...SMALL, cpu: 'trap', mmu: 'shadow' }, guest(`mov eax, 1\n mov ebx, 2\n ${END}`));
    run.run(BODY + 1);
    const view = run.machine.guest();
    expect([view.state.cpl, view.realCpl, view.state.selector(1), view.owner]).toEqual([0, 1, 0x08, 'kernel']);
    expect(run.machine.processor.state.selector(1)).toBe(0x09);
    expect(run.machine.processor.state.limit(1)).toBe(0xffbfffff);
    expect(view.state.limit(1)).toBe(0xffffffff);
  });

  it('has each privileged instruction emulated in exactly one exit', () => {
    const run = start(
      { ...SMALL, cpu: 'trap', mmu: 'shadow' },
      guest(`cli\n sti\n mov eax, cr0\n mov cr3, eax\n clts\n ${END}`),
    );
    run.run();
    const emulations = run.machine.events.newest(
      6,
      (e) => e.kind === 'exit' && e.fields.handler === HandlerKind.emulate,
    );
    const counts = emulations.map((e) => e.count).reverse();
    expect(counts).toEqual([0, 1, 2, 3, 4, 6].map((i) => i + (counts[0] ?? 0)));
  });

  it('has the accessed flag of its descriptors set by the first load', () => {
    const run = lockstep(`
      mov byte [gdt + 0x20 + 5], 0xf2   ; not accessed
      mov ax, 0x23
      mov es, ax
      mov dl, [gdt + 0x20 + 5]
      mov es, ax
      ${END}`);
    expect(run.machine.guest().state.gpr(2) & 0xff).toBe(0xf3);
  });

  it('goes on after loading a GDT in which its segments mean something else', () => {
    lockstep(`
      lgdt [other]
      mov eax, [gdtr]
      push eax
      call next
      jmp end
    next: pop ecx
      push ecx
      in al, 0x60
      ret
    other: dw 7
      dd 0x9000
    end: ${END}`);
  });

  it('sees edits of its GDT take effect at the next load', () => {
    const run = lockstep(`
      mov dword [spare], 0x0000ffff
      mov dword [spare + 4], 0x00cf9300
      mov ax, 0x30
      mov es, ax
      mov edx, [es:0x5000]
      mov dword [spare], 0x5000ffff     ; base 0x5000
      mov dword [0x5004], 0x1234
      mov ebx, [es:0x4]
      mov es, ax
      mov ecx, [es:0x4]
      ${END}`);
    expect(run.machine.guest().state.gpr(1)).toBe(0x1234);
  });

  it('gets a true #GP with its own error code for a selector that its table does not allow', () => {
    lockstep(`
      mov word [0x3000 + 13 * 8], handler
      mov ax, 0x1b
      mov ss, ax
    handler:
      pop edx
      ${END}`);
  });

  it('reaches the top 4 MiB, where the VMM lives, as its own memory', () => {
    const run = lockstep(`
      mov dword [0x10000 + 0xffc], 0x11007    ; the top 4 MiB are the low ones
      ${paging()}
      mov dword [0xffc05000], 0x4711
      mov edx, [0x5000]
      ${END}`);
    expect(run.machine.guest().state.gpr(2)).toBe(0x4711);
  });

  it('takes a timer interrupt at the instruction of the bare machine, also behind STI and in HLT', () => {
    const run = lockstep(`
      mov word [0x3000 + 0x20 * 8], tick
      ${timer(20)}
      mov ecx, 300
    .busy:
      cli
      nop
      sti
      nop
      loop .busy
    .wait:
      sti
      hlt
      cmp dword [0x5000], 20
      jb .wait
      ${END}
    tick:
      push eax
      inc dword [0x5000]
      mov al, 0x20
      out 0x20, al
      pop eax
      iretd`);
    expect(run.facts.all.deliveriesByVector[32]).toBe(20);
  });

  it('single-steps itself, also over instructions that are emulated', () => {
    const run = lockstep(`
      mov word [0x3000 + 1 * 8], trace
      push dword 0x102
      push dword 0x08
      push dword .traced
      iretd
    .traced:
      mov eax, 5
      cli
      mov ss, [ssvalue]
      nop
      in al, 0x60
      push dword 2
      push dword 0x08
      push dword .untraced
      iretd
    .untraced: ${END}
    ssvalue: dw 0x10
    trace:
      inc dword [0x5000]
      mov edx, dr6
      iretd`);
    expect(run.facts.all.deliveriesByVector[1]).toBe(8);
  });

  it('is woken from HLT by a serial byte at the same moment as on the bare machine', () => {
    const image = guest(`
      mov word [0x3000 + 0x24 * 8], serial
      ${pic(0xef)}
      mov dx, 0x3fc
      mov al, 0x0b
      out dx, al
      mov dx, 0x3f9
      mov al, 1
      out dx, al
      sti
      hlt
    spin: jmp spin
    serial:
      mov dx, 0x3f8
      in al, dx
      cmp al, 'q'
      je end
      mov al, 0x20
      out 0x20, al
      iretd
    end: ${END}`);
    const runs = [start(SMALL, image), start({ ...SMALL, cpu: 'trap', mmu: 'shadow' }, image)];
    for (const run of runs) {
      expect(run.run()).toEqual({ reason: 'waiting' });
      run.machine.input({ kind: 'serial', byte: 0x61 });
      run.run(3000);
      run.machine.input({ kind: 'serial', byte: 0x71 });
      expect(run.run()).toMatchObject({ reason: 'stopped', value: 0 });
    }
    const [native, trap] = runs;
    expect(trap?.digest()).toEqual(native?.digest());
    expect(trap?.machine.clock.save()).toEqual(native?.machine.clock.save());
  });

  it('writes read-only pages as a supervisor with CR0.WP clear', () => {
    lockstep(`
      ${paging(5, 0x80000011)}
      mov dword [0x5000], 0x4711
      add dword [0x5000], 1
      push dword [0x5000]
      ${END}`);
  });

  it('repeats string stores into a traced table one iteration an instruction', () => {
    lockstep(`
      ${paging()}
      mov edx, [0x20000]
      cld
      mov edi, 0x11000 + 0x20 * 4       ; clear the mappings of 0x20000 and its neighbours
      xor eax, eax
      mov ecx, 8
      rep stosd
      mov word [0x3000 + 14 * 8], fault
      invlpg [0x20000]
      mov edx, [0x20000]
    fault:
      mov eax, cr2
      pop ebx
      ${END}`);
  });

  it('ends like the bare machine when it triple-faults or halts for ever', () => {
    const triple = inlineGuest('lidt [zero]\n int 3\nzero: dd 0, 0');
    const halt = inlineGuest('cli\n hlt');
    for (const [image, cause] of [
      [triple, StopCause.tripleFault],
      [halt, StopCause.haltedForever],
    ] as const) {
      const native = start({ ...SMALL }, image);
      const trap = start({ ...SMALL, cpu: 'trap', mmu: 'shadow' }, image);
      expect(native.run()).toMatchObject({ reason: 'stopped', cause });
      expect(trap.run()).toMatchObject({ reason: 'stopped', cause });
      expect(trap.digest()).toEqual(native.digest());
    }
  });

  it('is refused guest ring 1 with a sentence', () => {
    const run = start(
      { ...SMALL, cpu: 'trap', mmu: 'shadow' },
      guest(`
        mov dword [spare], 0x0000ffff
        mov dword [spare + 4], 0x00cfbb00
        mov dword [spare + 8], 0x0000ffff
        mov dword [spare + 12], 0x00cfb300
        push dword 0x39
        push dword 0x6000
        push dword 2
        push dword 0x31
        push dword panic
        iretd`),
    );
    const stop = run.run(100_000);
    expect(stop).toMatchObject({ reason: 'stopped', cause: StopCause.unsupported });
    expect('message' in stop && stop.message).toContain('ring 1');
  });
});

describe('faults under deprivileging', () => {
  it('that are hidden run no guest code', () => {
    const run = start({ ...SMALL, cpu: 'trap', mmu: 'shadow' }, guest(`mov eax, [0x50000]\n ${END}`));
    run.run();
    expect(run.facts.all.deliveriesByVector).toEqual({});
    expect(run.facts.all.faultsByClass[FaultClass.hidden]).toBeGreaterThan(2);
    expect(run.facts.all.faultsByClass[FaultClass.true]).toBeUndefined();
  });

  it('that are true run the handler of the guest once each', () => {
    const run = lockstep(`
      ${paging()}
      mov word [0x3000 + 14 * 8], fault
      mov eax, [0x400000]
      mov eax, [0x500000]
      ${END}
    fault:
      inc dword [0x5000]
      add dword [esp + 4], 5            ; skip the load
      add esp, 4
      iretd`);
    expect(run.facts.all.faultsByClass[FaultClass.true]).toBe(2);
    expect(run.facts.all.deliveriesByVector).toEqual({ 14: 2 });
  });
});

describe('the VMM in the debugger', () => {
  it('can be walked step by step, with the same result', () => {
    const image = guest(`cli\n ${END}`);
    const stepped = start({ ...SMALL, cpu: 'trap', mmu: 'shadow' }, image);
    const whole = start({ ...SMALL, cpu: 'trap', mmu: 'shadow' }, image);
    const names: string[] = [];
    for (;;) {
      const stop = stepped.machine.run({ stepHandler: true });
      if (stop.reason === 'stopped') break;
      if (stop.reason === 'handlerStep') names.push(`${stop.step.handler}: ${stop.step.step}`);
    }
    whole.run();
    expect(stepped.machine.events.emitted).toBe(whole.machine.events.emitted);
    expect(names).toContain('emulate: execute it on the virtual processor');
    expect(names).toContain('return to the guest: deprivilege and return by IRET');
    expect(stepped.digest()).toEqual(whole.digest());
  });

  it('applies edits of virtual registers', () => {
    const run = start({ ...SMALL, cpu: 'trap', mmu: 'shadow' }, guest(`mov eax, 1\n ${END}`));
    run.run(BODY + 1);
    run.machine.input({ kind: 'register', register: 'ecx', value: 0x77 });
    expect(run.machine.guest().state.gpr(1)).toBe(0x77);
    expect(run.machine.guest().realCpl).toBe(1);
    expect(run.run()).toMatchObject({ reason: 'stopped', value: 0 });
    expect(run.machine.guest().state.gpr(1)).toBe(0x77);
  });
});
