/** EFLAGS bits (Intel SDM 1, "EFLAGS Register"). */

export const FLAG_CF = 1 << 0;
export const FLAG_FIXED = 1 << 1;
export const FLAG_PF = 1 << 2;
export const FLAG_AF = 1 << 4;
export const FLAG_ZF = 1 << 6;
export const FLAG_SF = 1 << 7;
export const FLAG_TF = 1 << 8;
export const FLAG_IF = 1 << 9;
export const FLAG_DF = 1 << 10;
export const FLAG_OF = 1 << 11;
export const FLAG_IOPL = 3 << 12;
export const FLAG_NT = 1 << 14;
export const FLAG_RF = 1 << 16;
export const FLAG_VM = 1 << 17;
export const FLAG_AC = 1 << 18;
export const FLAG_VIF = 1 << 19;
export const FLAG_VIP = 1 << 20;
export const FLAG_ID = 1 << 21;

/** The six flags that arithmetic sets. */
export const ARITHMETIC_FLAGS = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF;

/** Names in the order in which debuggers print them. */
export const FLAG_NAMES: readonly (readonly [name: string, mask: number])[] = [
  ['CF', FLAG_CF],
  ['PF', FLAG_PF],
  ['AF', FLAG_AF],
  ['ZF', FLAG_ZF],
  ['SF', FLAG_SF],
  ['TF', FLAG_TF],
  ['IF', FLAG_IF],
  ['DF', FLAG_DF],
  ['OF', FLAG_OF],
  ['NT', FLAG_NT],
  ['RF', FLAG_RF],
  ['VM', FLAG_VM],
  ['AC', FLAG_AC],
  ['VIF', FLAG_VIF],
  ['VIP', FLAG_VIP],
  ['ID', FLAG_ID],
];
