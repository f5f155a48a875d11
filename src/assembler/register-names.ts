/** The registers that source text can name. */
import { Register } from '../x86/iced';

function registerTable(): ReadonlyMap<string, Register> {
  const names = new Map<string, Register>();
  for (const [name, value] of Object.entries(Register)) {
    if (typeof value !== 'number' || value === Register.None || /^DontUse|IP$/i.test(name)) continue;
    names.set(nasmName(name), value);
  }
  return names;
}

/** iced writes R8L and R8W where NASM writes r8b and r8w. */
function nasmName(name: string): string {
  return name.toLowerCase().replace(/^(r\d+)l$/, '$1b');
}

const registers = registerTable();
const texts: ReadonlyMap<Register, string> = new Map([...registers].map(([name, register]) => [register, name]));

/** The register of that name in any letter case; undefined for other words. */
export function registerNamed(text: string): Register | undefined {
  return registers.get(text.toLowerCase());
}

/** The register's name in source text. */
export function registerText(register: Register): string {
  return texts.get(register) ?? '?';
}

/** Every register name, in lower case. */
export function registerNames(): readonly string[] {
  return [...registers.keys()];
}

function between(register: Register, first: Register, last: Register): boolean {
  return register >= first && register <= last;
}

/** Width in bits of a general-purpose register; 0 for others. */
export function generalBits(register: Register): 0 | 8 | 16 | 32 | 64 {
  if (between(register, Register.AL, Register.R15L)) return 8;
  if (between(register, Register.AX, Register.R15W)) return 16;
  if (between(register, Register.EAX, Register.R15D)) return 32;
  if (between(register, Register.RAX, Register.R15)) return 64;
  return 0;
}

export function isSegment(register: Register): boolean {
  return between(register, Register.ES, Register.GS);
}

/** Ranges of the register classes that operand kinds ask for. */
export const registerClasses = {
  segment: [Register.ES, Register.GS],
  control: [Register.CR0, Register.CR15],
  debug: [Register.DR0, Register.DR15],
  test: [Register.TR0, Register.TR7],
  fpu: [Register.ST0, Register.ST7],
  mmx: [Register.MM0, Register.MM7],
  xmm: [Register.XMM0, Register.XMM31],
  ymm: [Register.YMM0, Register.YMM31],
  zmm: [Register.ZMM0, Register.ZMM31],
  mask: [Register.K0, Register.K7],
  bound: [Register.BND0, Register.BND3],
} as const satisfies Record<string, readonly [Register, Register]>;

/** True when the register belongs to the class. */
export function isOfClass(register: Register, name: keyof typeof registerClasses): boolean {
  const [first, last] = registerClasses[name];
  return between(register, first, last);
}
