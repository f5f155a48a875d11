/** Memory as the debugger reads it: by any address of the grammar, side-effect free, with the unreadable part reported. */
import type { GuestView } from '../machine/guest-view';
import { type GuestTables, translateQuietly } from '../machine/guest-tables';
import { CR0_PG, PAGE_SIZE } from '../x86/paging-bits';
import type { Address } from './addresses';

/** Host-physical memory, where a machine offers it. */
export interface HostPhysical {
  readonly size: number;
  readBytes(hpa: number, n: number): Uint8Array;
}

export interface MemoryPiece {
  /** The readable bytes from the start on; stops at the first byte that cannot be read. */
  readonly bytes: Uint8Array;
  /** Bytes asked for and not read. */
  readonly unreadable: number;
}

/** Reads up to n bytes at an address; stops where a page is not mapped or the space ends. */
export function readMemory(view: GuestView, host: HostPhysical, at: Address, n: number): MemoryPiece {
  const parts: Uint8Array[] = [];
  let done = 0;
  while (done < n) {
    const address = at.address + done;
    const length = Math.min(n - done, PAGE_SIZE - (address % PAGE_SIZE));
    const part = readInPage(view, host, at, address, length);
    if (part === undefined) break;
    parts.push(part);
    done += part.length;
    if (part.length < length) break;
  }
  const bytes = new Uint8Array(done);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return { bytes, unreadable: n - done };
}

function readInPage(
  view: GuestView,
  host: HostPhysical,
  at: Address,
  address: number,
  length: number,
): Uint8Array | undefined {
  if (at.space === 'hpa') {
    if (address >= host.size) return undefined;
    return host.readBytes(address, Math.min(length, host.size - address));
  }
  const gpa = gpaOf(view, at, address);
  if (gpa === undefined || gpa >= view.gpaSize) return undefined;
  return view.readGpa(gpa, Math.min(length, view.gpaSize - gpa));
}

/** The GPA behind an address of a guest's space (not of the host's), undefined where nothing is mapped. */
export function gpaOf(view: GuestView, at: Address, address = at.address): number | undefined {
  if (address > 0xffff_ffff) return undefined;
  switch (at.space) {
    case 'linear':
      return view.translate(address)?.gpa;
    case 'gpa':
      return address;
    case 'gva':
      return walk(view, at.cr3, address);
    case 'hpa':
      return undefined;
  }
}

/** A walk from a given root, for address spaces other than the current one. */
function walk(view: GuestView, cr3: number, address: number): number | undefined {
  const tables: GuestTables = {
    cr0: view.state.cr0 | CR0_PG,
    cr3,
    cr4: view.state.cr4,
    read32: (gpa) => {
      const bytes = view.readGpa(gpa, 4);
      return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
    },
    gpaToHpa: (gpa) => view.gpaToHpa(gpa),
  };
  return translateQuietly(tables, address)?.gpa;
}

/** Little-endian number of 1, 2 or 4 bytes at a linear address, undefined when a byte of it cannot be read. */
export function readLinear(view: GuestView, linear: number, size: 1 | 2 | 4): number | undefined {
  let value = 0;
  let page = -1;
  let gpa: number | undefined;
  for (let i = 0; i < size; i++) {
    const address = (linear + i) >>> 0;
    if (address >>> 12 !== page) {
      page = address >>> 12;
      gpa = view.translate(address)?.gpa;
      if (gpa !== undefined) gpa -= address;
    }
    if (gpa === undefined || gpa + address >= view.gpaSize) return undefined;
    value += (view.readGpa(gpa + address, 1)[0] ?? 0) * 2 ** (8 * i);
  }
  return value;
}
