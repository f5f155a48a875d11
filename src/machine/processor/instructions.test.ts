/** Single system instructions: ports, descriptor tables, control registers, identification. */
import { describe, expect, it } from 'vitest';
import { OFF } from '../../engine/state';
import { isSystemInstruction } from '../../x86/instruction-table';
import { Code } from '../../x86/iced';
import { LDTR, RAX, RBX, RCX, RDI, RDX, RSP } from '../../x86/registers';
import { hasSystemHandler } from './system';
import { kernelSource, type TinyMachine, type TinyOptions, tinyMachine } from './tiny-machine.test-support';

/** Runs kernel code up to its label `done`. */
function run(body: string, options: TinyOptions = {}, extra = ''): TinyMachine {
  const machine = tinyMachine(
    kernelSource(`gate 13, fault, 0x8e00\ngate 6, fault, 0x8e00\n${body}\ndone: hlt\nfault: hlt`, extra),
    options,
  );
  machine.runTo('done');
  return machine;
}

/** Runs kernel code that must fault; returns the machine at its handler. */
function faulting(body: string, options: TinyOptions = {}): TinyMachine {
  const machine = tinyMachine(
    kernelSource(`gate 13, fault, 0x8e00\ngate 6, fault, 0x8e00\n${body}\nfault: hlt`),
    options,
  );
  machine.runTo('fault');
  return machine;
}

const errorOf = (machine: TinyMachine): number => machine.memory.read32(machine.processor.state.gpr(RSP));
const vectorOf = (machine: TinyMachine): number | undefined => machine.emitted('deliver')[0]?.['vector'];

/** Runs ring-3 code; the vector and error code of the first delivery. */
function user(code: string, setup = '', options: TinyOptions = {}): TinyMachine {
  const machine = tinyMachine(
    kernelSource(`
  gate 13, caught, 0x8e00
  gate 0x80, caught, 0xee00
  ${setup}
  mov ax, 0x23
  mov ds, ax
  to_user user, 2
user: ${code}
  int 0x80
caught: hlt`),
    options,
  );
  machine.runTo('caught');
  return machine;
}

describe('every system instruction', () => {
  it('has a handler and is none of the engine, so that the two tables agree', () => {
    const codes = [
      Code.Mov_cr_r32,
      Code.Iretd,
      Code.Popfd,
      Code.Int_imm8,
      Code.In_AL_DX,
      Code.Hlt,
      Code.Ud2,
      Code.INVALID,
    ];
    for (const code of codes)
      expect([code, isSystemInstruction(code), hasSystemHandler(code)]).toEqual([code, true, true]);
    const both = Object.values(Code).filter(
      (code) => typeof code === 'number' && hasSystemHandler(code) && !isSystemInstruction(code),
    );
    expect(both).toEqual([]);
  });
});

describe('ports', () => {
  const bitmap = (bytes: string) => `
  mov word [gdt + 0x28], 0x68 + 0x10
  mov dword [tss + 0x68], ${bytes}
  mov dword [tss + 0x6c], 0xffffffff
  mov byte [gdt + 0x28 + 5], 0x89
  mov ax, 0x28
  ltr ax
`;

  it('ring 3 passes where the permission bitmap has zeros, for all bytes of the access', () => {
    expect(vectorOf(user('in al, 5', bitmap('0xffffffdf')))).toBe(0x80);
    expect(vectorOf(user('in ax, 5', bitmap('0xffffffdf')))).toBe(13);
    expect(vectorOf(user('in ax, 5', bitmap('0xffffff9f')))).toBe(0x80);
    expect(vectorOf(user('in al, 4', bitmap('0xffffffdf')))).toBe(13);
  });

  it('a bitmap that ends too early forbids', () => {
    expect(vectorOf(user('mov edx, 0x400\nin al, dx', bitmap('0')))).toBe(13);
  });

  it('IN merges into the accumulator and OUT sends its low part', () => {
    const machine = tinyMachine(
      kernelSource('mov eax, 0x11223344\nin al, 0x60\nout 0x80, ax\nmov edx, 0x1234\nout dx, eax\ndone: hlt'),
    );
    machine.ports.next = 0xffffffaa;
    machine.runTo('done');
    expect(machine.processor.state.gpr(RAX)).toBe(0x112233aa);
    expect(machine.ports.written).toEqual([
      [0x80, 0x33aa],
      [0x1234, 0x112233aa],
    ]);
    expect(machine.emitted('pio').map((e) => [e['direction'], e['port'], e['size']])).toEqual([
      [0, 0x60, 1],
      [1, 0x80, 2],
      [1, 0x1234, 4],
    ]);
  });

  it('INS asks no device when its destination cannot be written', () => {
    const machine = tinyMachine(
      kernelSource('gate 13, fault, 0x8e00\nxor eax, eax\nmov es, ax\nmov edi, 0x5000\nat: insb\nfault: hlt'),
    );
    machine.runTo('fault');
    expect(machine.emitted('pio')).toEqual([]);
    expect(machine.processor.state.gpr(RDI)).toBe(0x5000);
  });
});

describe('descriptor tables', () => {
  it('SGDT, SIDT, STR and SLDT tell what was loaded, also ring 3 unless UMIP forbids', () => {
    const code = 'sgdt [0x5000]\nstr eax\nsldt ebx';
    const machine = user(code);
    expect(machine.memory.read32(0x5002)).toBe(machine.symbol('gdt'));
    expect(machine.memory.read16(0x5000)).toBe(machine.processor.state.word(OFF.gdtrLimit));
    expect([machine.processor.state.gpr(RAX), machine.processor.state.gpr(RBX)]).toEqual([0x28, 0]);
    const umip = 'mov eax, cr4\nor eax, 0x800\nmov cr4, eax';
    for (const one of ['sgdt [0x5000]', 'sidt [0x5000]', 'str eax', 'sldt ebx', 'smsw eax']) {
      expect([one, vectorOf(user(one, umip))]).toEqual([one, 13]);
    }
  });

  it('LTR refuses a busy TSS with its selector', () => {
    expect(errorOf(faulting('mov ax, 0x28\nltr ax'))).toBe(0x28);
  });

  it('LLDT takes an LDT or null, and loads go through it', () => {
    const machine = run(
      `
  mov dword [0x6000], 0x5000ffff
  mov dword [0x6004], 0x00409200
  mov dword [0x5008], 0x12345678
  mov ax, 0x40
  lldt ax
  mov ax, 4
  mov fs, ax
  mov ebx, [fs:8]
  lsl ecx, [sel]
  jmp done
sel: dw 0x40`,
      {},
      // An LDT of one descriptor at 0x6000.
      '  dq 0x0000820060000007',
    );
    expect(machine.processor.state.selector(LDTR)).toBe(0x40);
    expect([machine.processor.state.gpr(RBX), machine.processor.state.gpr(RCX)]).toEqual([0x12345678, 7]);
  });

  it('LAR, VERR and VERW answer by ZF and see what the ring may see', () => {
    const machine = user(
      'mov cx, 0x10\nverr cx\nsetz al\nmov cx, 0x23\nverw cx\nsetz ah\nmov cx, 0x1b\nverw cx\nsetz bl\nlar edx, ecx',
    );
    const { state } = machine.processor;
    expect([state.gpr(RAX) & 0xffff, state.gpr(RBX) & 0xff, state.gpr(RDX)]).toEqual([0x0100, 0, 0x00c0fb00]);
  });

  it('ARPL raises the RPL and says so', () => {
    const machine = run('mov eax, 0x77770010\nmov ecx, 0x1b\narpl ax, cx\nsetz bl');
    expect([machine.processor.state.gpr(RAX), machine.processor.state.gpr(RBX) & 1]).toEqual([0x77770013, 1]);
  });
});

describe('control', () => {
  it('refuses PG without PE and NW without CD', () => {
    expect(errorOf(faulting('mov eax, 0x80000010\nmov cr0, eax'))).toBe(0);
    expect(errorOf(faulting('mov eax, 0x20000011\nmov cr0, eax'))).toBe(0);
  });

  it('refuses CR4 bits that the profile lacks', () => {
    const code = 'mov eax, 0x80\nmov cr4, eax';
    expect(vectorOf(faulting(code, { profile: 'pentium' }))).toBe(13);
    expect(run(code).processor.state.cr4).toBe(0x80);
  });

  it('leaving protected mode or turning PAE on stops with a sentence', () => {
    const real = tinyMachine(kernelSource('mov eax, 0x10\nmov cr0, eax'));
    expect(real.run().problem).toContain('real-address mode');
    const pae = tinyMachine(kernelSource('mov eax, 0x20\nmov cr4, eax'));
    expect(pae.run().problem).toContain('CR4.PAE');
  });

  it('emits a control event with the new and the old value', () => {
    const machine = run('mov eax, cr0\nor eax, 8\nmov cr0, eax\nclts\nlmsw ax');
    expect(machine.emitted('control')).toEqual([
      { register: 0, value: 0x19, old: 0x11 },
      { register: 0, value: 0x11, old: 0x19 },
      { register: 0, value: 0x19, old: 0x11 },
    ]);
  });

  it('DR6 and DR7 read with their fixed bits, and DR4 is DR6 unless CR4.DE', () => {
    const machine = run('xor eax, eax\nmov dr6, eax\nmov dr7, eax\nmov ecx, dr4\nmov edx, dr7');
    expect([machine.processor.state.gpr(RCX), machine.processor.state.gpr(RDX)]).toEqual([0xffff0ff0, 0x400]);
    expect(vectorOf(faulting('mov eax, 8\nmov cr4, eax\nmov ecx, dr4'))).toBe(6);
  });

  it('CPUID answers by the profile, and is undefined before it existed', () => {
    const machine = run('xor eax, eax\ncpuid\nmov edi, ebx\nmov eax, 1\ncpuid', { profile: 'pentium' });
    expect(machine.processor.state.gpr(RDI)).toBe(0x756e6547);
    // TSC and PSE yes, PGE no.
    expect(machine.processor.state.gpr(RDX) & 0x2018).toBe(0x18);
    expect(vectorOf(faulting('cpuid', { profile: 'i386' }))).toBe(6);
  });

  it('RDTSC counts instructions, and CR4.TSD keeps ring 3 out', () => {
    const machine = run('rdtsc\nmov ebx, eax\nnop\nnop\nrdtsc\nsub eax, ebx');
    expect(machine.processor.state.gpr(RAX)).toBe(4);
    expect(vectorOf(user('rdtsc', 'mov eax, 4\nmov cr4, eax'))).toBe(13);
    expect(vectorOf(user('rdtsc'))).toBe(0x80);
  });

  it('RDMSR and WRMSR know the registers of the profile and refuse others', () => {
    const machine = run('mov ecx, 0x175\nmov eax, 0x1234\nxor edx, edx\nwrmsr\nxor eax, eax\nrdmsr');
    expect(machine.processor.state.gpr(RAX)).toBe(0x1234);
    expect(vectorOf(faulting('mov ecx, 0x9999\nrdmsr'))).toBe(13);
  });

  it('VMX instructions are undefined outside VMX operation', () => {
    expect(vectorOf(faulting('vmcall'))).toBe(6);
    expect(vectorOf(faulting('vmcall', { profile: 'pentium' }))).toBe(6);
  });
});
