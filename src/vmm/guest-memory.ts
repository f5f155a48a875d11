/**
 * Guest memory by linear address as the guest's processor would access it: through the guest's own tables, with their
 * faults and their A and D flags, and on to guest-physical memory. The virtual processor's LinearMemory.
 */
import type { LinearMemory } from '../engine/access';
import type { HostMemory } from '../engine/memory';
import type { MemoryAccess } from '../machine/processor/walker';
import { PAGE_MASK, PAGE_SIZE } from '../x86/paging-bits';
import { walkGuest } from './mmu/guest-space';
import type { Vcpu } from './vcpu';
import type { Vm } from './vm';

export class GuestLinearMemory implements LinearMemory {
  constructor(
    private readonly memory: HostMemory,
    private readonly vm: Vm,
    private readonly vcpu: Vcpu,
  ) {}

  read(linear: number, size: number, supervisor = false): number {
    let value = 0;
    for (const piece of this.pieces(linear, size, 'read', supervisor)) {
      const hpa = this.vm.gpaToHpa(piece.gpa);
      if (hpa !== undefined) this.memory.noteRead(hpa, piece.size);
      value += this.readPiece(piece) * 2 ** (8 * piece.at);
    }
    return value;
  }

  write(linear: number, size: number, value: number, supervisor = false): void {
    for (const piece of this.pieces(linear, size, 'write', supervisor)) {
      const part = value / 2 ** (8 * piece.at);
      if (piece.size === 1 || piece.size === 2 || piece.size === 4) this.vm.write(piece.gpa, piece.size, part >>> 0);
      else for (let i = 0; i < piece.size; i++) this.vm.write(piece.gpa + i, 1, (part >>> (8 * i)) & 0xff);
    }
  }

  read64(linear: number, supervisor = false): bigint {
    this.pieces(linear, 8, 'read', supervisor);
    const high = this.read((linear + 4) >>> 0, 4, supervisor);
    return BigInt(this.read(linear, 4, supervisor)) | (BigInt(high) << 32n);
  }

  write64(linear: number, value: bigint, supervisor = false): void {
    this.checkWrite(linear, 8, supervisor);
    this.write(linear, 4, Number(BigInt.asUintN(32, value)), supervisor);
    this.write((linear + 4) >>> 0, 4, Number(BigInt.asUintN(32, value >> 32n)), supervisor);
  }

  checkWrite(linear: number, size: number, supervisor = false): void {
    this.pieces(linear, size, 'write', supervisor);
  }

  fetch(linear: number, most: number): Uint8Array {
    const gpa = this.translate(linear, 'fetch', false);
    return this.vm.readBytes(gpa, Math.min(most, PAGE_SIZE - (linear & PAGE_MASK)));
  }

  private translate(linear: number, access: MemoryAccess, supervisor: boolean): number {
    const user = this.vcpu.state.cpl === 3 && !supervisor;
    return walkGuest(this.vm, this.vcpu, linear, access, user).pa;
  }

  /** The parts of an access in one or two pages, every one of them translated before any is used. */
  private pieces(linear: number, size: number, access: MemoryAccess, supervisor: boolean): Piece[] {
    const first = Math.min(size, PAGE_SIZE - (linear & PAGE_MASK));
    const pieces: Piece[] = [{ gpa: this.translate(linear, access, supervisor), at: 0, size: first }];
    if (first < size) {
      pieces.push({ gpa: this.translate((linear + first) >>> 0, access, supervisor), at: first, size: size - first });
    }
    return pieces;
  }

  private readPiece({ gpa, size }: Piece): number {
    if (size === 1 || size === 2 || size === 4) return this.vm.read(gpa, size);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.vm.read(gpa + i, 1);
    return value;
  }
}

interface Piece {
  readonly gpa: number;
  /** Offset in the access. */
  readonly at: number;
  readonly size: number;
}
