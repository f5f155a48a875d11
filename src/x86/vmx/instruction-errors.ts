/** VM-instruction error numbers (Intel SDM 3C, "VMX Instruction Reference": "VM-Instruction Error Numbers"). */

export const VmxError = {
  vmcallInRoot: 1,
  vmclearInvalidAddress: 2,
  vmclearVmxonPointer: 3,
  vmlaunchNotClear: 4,
  vmresumeNotLaunched: 5,
  vmresumeAfterVmxoff: 6,
  entryInvalidControls: 7,
  entryInvalidHostState: 8,
  vmptrldInvalidAddress: 9,
  vmptrldVmxonPointer: 10,
  vmptrldWrongRevision: 11,
  unsupportedField: 12,
  readOnlyField: 13,
  vmxonInRoot: 15,
  entryBlockedByMovSs: 26,
  invalidInveptOrInvvpidOperand: 28,
} as const;

export type VmxErrorNumber = (typeof VmxError)[keyof typeof VmxError];

const SENTENCES: ReadonlyMap<number, string> = new Map([
  [VmxError.vmcallInRoot, 'VMCALL executed in VMX root operation'],
  [VmxError.vmclearInvalidAddress, 'VMCLEAR with an invalid address: it must be 4 KiB aligned and inside memory'],
  [VmxError.vmclearVmxonPointer, 'VMCLEAR of the VMXON region'],
  [VmxError.vmlaunchNotClear, 'VMLAUNCH with a VMCS that is not clear: use VMRESUME, or VMCLEAR it first'],
  [VmxError.vmresumeNotLaunched, 'VMRESUME with a VMCS that was not launched: use VMLAUNCH'],
  [VmxError.vmresumeAfterVmxoff, 'VMRESUME after VMXOFF'],
  [VmxError.entryInvalidControls, 'VM entry with invalid control fields'],
  [VmxError.entryInvalidHostState, 'VM entry with invalid host-state fields'],
  [VmxError.vmptrldInvalidAddress, 'VMPTRLD with an invalid address: it must be 4 KiB aligned and inside memory'],
  [VmxError.vmptrldVmxonPointer, 'VMPTRLD of the VMXON region'],
  [VmxError.vmptrldWrongRevision, 'VMPTRLD of a region with another VMCS revision identifier'],
  [VmxError.unsupportedField, 'VMREAD or VMWRITE of a VMCS field that this processor does not have'],
  [VmxError.readOnlyField, 'VMWRITE to a read-only VMCS field'],
  [VmxError.vmxonInRoot, 'VMXON executed in VMX root operation'],
  [VmxError.entryBlockedByMovSs, 'VM entry with events blocked by MOV SS'],
  [VmxError.invalidInveptOrInvvpidOperand, 'INVEPT or INVVPID with an invalid operand'],
]);

/** The sentence of a VM-instruction error number. */
export function vmxErrorText(number: number): string {
  return SENTENCES.get(number) ?? `VM-instruction error ${number}`;
}
