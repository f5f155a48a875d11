/** How numbers, addresses and owners are written in every view: one visual language (hexadecimal in groups of four). */
import type { Location, Owner } from '../dap/custom-requests';

/** `0x0040_1000`: hexadecimal in groups of four digits, at least `digits` of them. */
export function hex(value: number, digits = 8): string {
  const text = value.toString(16).padStart(digits, '0');
  return `0x${text.replace(/\B(?=([0-9a-f]{4})+$)/g, '_')}`;
}

/** A text of the adapter with its addresses written as {@link hex} writes them. */
export function groupAddresses(text: string): string {
  return text.replace(/0x([0-9a-f]{5,8})\b/g, (_, digits: string) => hex(Number.parseInt(digits, 16)));
}

/** `1 204 512`: counts with thin separators. */
export function count(value: number): string {
  return Math.floor(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** `12 %`, one decimal below ten. */
export function share(part: number): string {
  const percent = part * 100;
  return `${percent < 10 && percent > 0 ? percent.toFixed(1) : Math.round(percent)} %`;
}

/** The letter that stands beside the colour, so that the owner is never told by colour alone. */
export const OWNER_LETTER: Readonly<Record<Owner, string>> = { user: 'U', kernel: 'K', vmm: 'V', halted: '·' };

/** The contributed theme colour of each owner. */
export const OWNER_COLOR: Readonly<Record<Owner, string>> = {
  user: 'ringside.owner.user',
  kernel: 'ringside.owner.kernel',
  vmm: 'ringside.owner.vmm',
  halted: 'ringside.owner.halted',
};

/** `K 0`: ring with the letter of who runs there (ring 3 is the user, every other the guest's kernel). */
export function ring(level: number): string {
  return `${level === 3 ? 'U' : 'K'} ${level}`;
}

/** `kernel.asm:188`. */
export function shortLocation(location: Location): string {
  const name = location.path.slice(Math.max(location.path.lastIndexOf('/'), location.path.lastIndexOf('\\')) + 1);
  return `${name}:${location.line}`;
}
