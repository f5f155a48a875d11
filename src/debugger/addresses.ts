/**
 * The text grammar of addresses: `0x401000` (linear address of the focused vCPU), `vm0/gva@cr3=0x5000/0x401000`,
 * `vm0/gpa/0x1000`, `host/hpa/0x200000`. Memory references travel in this form.
 */

export type Address =
  | { readonly space: 'linear'; readonly address: number }
  | { readonly space: 'gva'; readonly vm: number; readonly cr3: number; readonly address: number }
  | { readonly space: 'gpa'; readonly vm: number; readonly address: number }
  | { readonly space: 'hpa'; readonly address: number };

const NUMBER = '(0x[0-9a-f]{1,8}|[0-9]{1,10})';
const LINEAR = new RegExp(`^${NUMBER}$`, 'i');
const GVA = new RegExp(`^vm([0-9]{1,3})/gva@cr3=${NUMBER}/${NUMBER}$`, 'i');
const GPA = new RegExp(`^vm([0-9]{1,3})/gpa/${NUMBER}$`, 'i');
const HPA = new RegExp(`^host/hpa/${NUMBER}$`, 'i');

/** Reads an address; a sentence that says what is wrong when it is none. */
export function parseAddress(text: string): Address | { readonly problem: string } {
  const trimmed = text.trim();
  const linear = LINEAR.exec(trimmed);
  if (linear !== null) return ranged({ space: 'linear', address: Number(linear[1]) }, text);
  const gva = GVA.exec(trimmed);
  if (gva !== null) {
    return ranged({ space: 'gva', vm: Number(gva[1]), cr3: Number(gva[2]), address: Number(gva[3]) }, text);
  }
  const gpa = GPA.exec(trimmed);
  if (gpa !== null) return ranged({ space: 'gpa', vm: Number(gpa[1]), address: Number(gpa[2]) }, text);
  const hpa = HPA.exec(trimmed);
  if (hpa !== null) return ranged({ space: 'hpa', address: Number(hpa[1]) }, text);
  return {
    problem: `"${text}" is no address: write 0x401000 (linear), vm0/gpa/0x1000, vm0/gva@cr3=0x5000/0x401000 or host/hpa/0x200000.`,
  };
}

function ranged(address: Address, text: string): Address | { readonly problem: string } {
  if (address.address <= 0xffff_ffff) return address;
  return { problem: `The address in "${text}" is above 0xffffffff, the last one of a 32-bit guest.` };
}

export function formatAddress(address: Address): string {
  switch (address.space) {
    case 'linear':
      return hex(address.address);
    case 'gva':
      return `vm${address.vm}/gva@cr3=${hex(address.cr3)}/${hex(address.address)}`;
    case 'gpa':
      return `vm${address.vm}/gpa/${hex(address.address)}`;
    case 'hpa':
      return `host/hpa/${hex(address.address)}`;
  }
}

/** `0x` and at least one digit. */
export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** `0x` and eight digits, as registers are shown. */
export function hex32(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
}
