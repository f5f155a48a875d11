/** Basic exit reasons by number (Intel SDM 3D, appendix "VMX Basic Exit Reasons"), those that this processor can give. */

export const ExitReason = {
  exceptionOrNmi: 0,
  externalInterrupt: 1,
  tripleFault: 2,
  interruptWindow: 7,
  nmiWindow: 8,
  taskSwitch: 9,
  cpuid: 10,
  hlt: 12,
  invd: 13,
  invlpg: 14,
  rdpmc: 15,
  rdtsc: 16,
  vmcall: 18,
  vmclear: 19,
  vmlaunch: 20,
  vmptrld: 21,
  vmptrst: 22,
  vmread: 23,
  vmresume: 24,
  vmwrite: 25,
  vmxoff: 26,
  vmxon: 27,
  controlRegister: 28,
  movDr: 29,
  io: 30,
  rdmsr: 31,
  wrmsr: 32,
  entryFailureGuestState: 33,
  mwait: 36,
  monitor: 39,
  pause: 40,
  gdtrOrIdtr: 46,
  ldtrOrTr: 47,
  eptViolation: 48,
  eptMisconfiguration: 49,
  invept: 50,
  rdtscp: 51,
  invvpid: 53,
  wbinvd: 54,
  xsetbv: 55,
} as const;

export type ExitReasonNumber = (typeof ExitReason)[keyof typeof ExitReason];

/** Bit 31 of the exit-reason field: the exit is a VM entry that failed. */
export const EXIT_REASON_ENTRY_FAILURE = 0x8000_0000;

const NAMES: Readonly<Record<keyof typeof ExitReason, string>> = {
  exceptionOrNmi: 'Exception or NMI',
  externalInterrupt: 'External interrupt',
  tripleFault: 'Triple fault',
  interruptWindow: 'Interrupt window',
  nmiWindow: 'NMI window',
  taskSwitch: 'Task switch',
  cpuid: 'CPUID',
  hlt: 'HLT',
  invd: 'INVD',
  invlpg: 'INVLPG',
  rdpmc: 'RDPMC',
  rdtsc: 'RDTSC',
  vmcall: 'VMCALL',
  vmclear: 'VMCLEAR',
  vmlaunch: 'VMLAUNCH',
  vmptrld: 'VMPTRLD',
  vmptrst: 'VMPTRST',
  vmread: 'VMREAD',
  vmresume: 'VMRESUME',
  vmwrite: 'VMWRITE',
  vmxoff: 'VMXOFF',
  vmxon: 'VMXON',
  controlRegister: 'Control-register access',
  movDr: 'MOV DR',
  io: 'I/O instruction',
  rdmsr: 'RDMSR',
  wrmsr: 'WRMSR',
  entryFailureGuestState: 'VM-entry failure due to invalid guest state',
  mwait: 'MWAIT',
  monitor: 'MONITOR',
  pause: 'PAUSE',
  gdtrOrIdtr: 'Access to GDTR or IDTR',
  ldtrOrTr: 'Access to LDTR or TR',
  eptViolation: 'EPT violation',
  eptMisconfiguration: 'EPT misconfiguration',
  invept: 'INVEPT',
  rdtscp: 'RDTSCP',
  invvpid: 'INVVPID',
  wbinvd: 'WBINVD',
  xsetbv: 'XSETBV',
};

const BY_NUMBER: ReadonlyMap<number, string> = new Map(
  // The entries of a const object have its type's keys.
  Object.entries(ExitReason).map(([key, number]) => [number, NAMES[key as keyof typeof ExitReason]]),
);

/** The name of an exit reason (the field's low 16 bits are looked at), or `reason N` for one that this processor never gives. */
export function exitReasonName(reason: number): string {
  const basic = reason & 0xffff;
  return BY_NUMBER.get(basic) ?? `reason ${basic}`;
}
