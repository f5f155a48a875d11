import { describe, expect, it } from 'vitest';
import { HandlerKind, StopCause } from '../../machine/event-kinds';
import { inlineGuest, pic, start, timer } from '../guest.test-support';
import { SMALL, guest, paging, END, BODY, lockstep } from './trap.test-support';

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

  it('faults as on the bare machine when it jumps to where the VMM lives', () => {
    const image = guest(`
      mov word [0x3000 + 14 * 8], fault
      ${paging()}
      mov ebp, .back
      mov eax, 0xffc02000
      jmp eax
.back:
      mov ebp, .again
      mov eax, 0xffffffff
      call eax
.again:
      ${END}
fault:
      add esp, 4
      mov [esp], ebp
      mov eax, cr2
      add [0x5000], eax
      iretd`);
    const ends = [{ cpu: 'native' }, { cpu: 'trap', mmu: 'shadow' }] as const;
    const [native, trap] = ends.map((setting) => {
      const run = start({ ...SMALL, ...setting }, image);
      expect(run.run(40_000)).toMatchObject({ cause: StopCause.debugExit, value: 0 });
      expect(run.facts.all.deliveriesByVector[14]).toBe(2);
      expect(run.machine.guest().readGpa(0x5000, 4)).toEqual(Uint8Array.of(0xff, 0x1f, 0xc0, 0xff));
      return { digest: run.digest(), time: run.machine.clock.save() };
    });
    expect(trap).toEqual(native);
  });

  it('is refused code of its own there with a sentence', () => {
    const run = start(
      { ...SMALL, cpu: 'trap', mmu: 'shadow' },
      guest(`mov dword [0x10000 + 0xffc], 0x11007\n ${paging()}\n mov eax, here + 0xffc00000\n jmp eax\nhere: jmp $`),
    );
    expect(run.run(100_000)).toMatchObject({
      cause: StopCause.unsupported,
      message: expect.stringMatching(/top 4 MiB/),
    });
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
