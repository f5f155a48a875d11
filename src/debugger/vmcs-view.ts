/** The current VMCS and the root of the second stage, as a debugger reads them: from memory, without any VMX instruction. */
import type { MmuTechnique } from '../machine/config';
import type { Machine } from '../machine/machine';
import { Vmcs } from '../machine/processor/vmx/vmcs';
import { Field, type FieldName, fieldInfo } from '../x86/vmx/fields';
import { hex, hex32 } from './addresses';

function currentVmcs(machine: Machine): Vmcs | undefined {
  const address = machine.processor.vmx?.currentVmcs;
  return address === undefined ? undefined : new Vmcs(machine.memory, address);
}

/** HPA of the shadow or nested root that the hardware uses for the guest; undefined on a bare machine. */
export function secondRoot(machine: Machine, mmu: MmuTechnique): number | undefined {
  const vmcs = currentVmcs(machine);
  const frame = (value: number): number => (value & ~0xfff) >>> 0;
  switch (mmu) {
    case 'none':
      return undefined;
    case 'nested':
      return vmcs === undefined ? undefined : frame(vmcs.get('eptPointer'));
    case 'shadow': {
      const inGuest = vmcs === undefined || machine.processor.vmx?.inNonRoot === true;
      return frame(inGuest ? machine.processor.state.cr3 : vmcs.get('guestCr3'));
    }
  }
}

/** Every field of the current VMCS, in the order of the encodings; empty without one. */
export function vmcsRows(machine: Machine): readonly { readonly name: string; readonly value: string }[] {
  const vmcs = currentVmcs(machine);
  if (vmcs === undefined) return [];
  // Keys of `Field` are field names.
  const names = Object.keys(Field) as FieldName[];
  return names.map((name) => {
    const wide = fieldInfo(Field[name])?.width === '64';
    return { name, value: wide ? `0x${vmcs.get64(name).toString(16).padStart(16, '0')}` : hex32(vmcs.get(name)) };
  });
}

/** HPA of the current VMCS in words, empty without one. */
export function vmcsPlace(machine: Machine): string {
  const address = machine.processor.vmx?.currentVmcs;
  return address === undefined ? '' : `hpa ${hex(address)}`;
}
