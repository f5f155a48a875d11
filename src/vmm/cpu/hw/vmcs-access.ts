/** VMREAD and VMWRITE as the VMM uses them: fields by name, and a sentence when the processor refuses. */
import type { Vmx, VmxResult } from '../../../machine/processor/vmx/vmx';
import { Field, type FieldName } from '../../../x86/vmx/fields';
import { vmxErrorText } from '../../../x86/vmx/instruction-errors';

/** A VMX instruction of the VMM failed: a bug of the VMM. */
export class VmxFailure extends Error {}

/** Insists that a VMX instruction succeeded. @param what the instruction in words */
export function succeed(what: string, result: VmxResult): void {
  if (result.ok) return;
  const reason = result.error === undefined ? 'there is no current VMCS' : vmxErrorText(result.error);
  throw new VmxFailure(`${what} failed: ${reason}.`);
}

export class VmcsAccess {
  constructor(readonly vmx: Vmx) {}

  /** Low 32 bits of a field. */
  read(name: FieldName): number {
    const result = this.vmx.vmread(Field[name]);
    if (result.ok) return result.value;
    succeed(`VMREAD of ${name}`, result);
    return 0;
  }

  /** Both halves of a 64-bit field, as far as a number holds them (2^53). */
  readWide(name: FieldName): number {
    const high = this.vmx.vmread(Field[name] + 1);
    succeed(`VMREAD of the high half of ${name}`, high);
    return this.read(name) + (high.ok ? high.value : 0) * 2 ** 32;
  }

  write(name: FieldName, value: number): void {
    succeed(`VMWRITE of ${name}`, this.vmx.vmwrite(Field[name], value));
  }

  writeAll(fields: Partial<Record<FieldName, number>>): void {
    // Entries of a record keyed by field names.
    for (const [name, value] of Object.entries(fields)) this.write(name as FieldName, value);
  }

  /** Both halves of a 64-bit field. */
  writeWide(name: FieldName, value: bigint): void {
    this.write(name, Number(value & 0xffff_ffffn));
    succeed(`VMWRITE of the high half of ${name}`, this.vmx.vmwrite(Field[name] + 1, Number(value >> 32n)));
  }

  setBits(name: FieldName, bits: number, on: boolean): void {
    const value = this.read(name);
    this.write(name, (on ? value | bits : value & ~bits) >>> 0);
  }
}
