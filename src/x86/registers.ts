/** General and segment registers by their encoding numbers (Intel SDM 2, "Instruction Format"). */

export const GPR_NAMES_32 = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;

/** Encoding number of a general register, 0 (rax) to 15 (r15). */
export type Gpr = number;
export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;

/** Segment registers by encoding, then the two system segments that share their hidden form. */
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;
export const LDTR = 6;
export const TR = 7;
export type SegmentIndex = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;
export const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;
