/**
 * Data breakpoints: stretches of guest memory whose accesses stop the machine. Each binds to the physical memory where its
 * linear address leads when it is set, so it also sees accesses through other mappings.
 */
import type { Watchpoint } from '../engine/access';
import type { GuestView } from '../machine/guest-view';
import { PAGE_SIZE } from '../x86/paging-bits';
import { hex } from './addresses';

export type AccessKind = 'read' | 'write' | 'readWrite';

export interface DataBreakpoint {
  readonly id: number;
  readonly linear: number;
  readonly length: number;
  readonly access: AccessKind;
  readonly verified: boolean;
  /** Why it is not verified. */
  readonly message?: string;
  readonly pieces: readonly Watchpoint[];
}

/** More bytes than any structure that one watches as a whole. */
const MOST_BYTES = 4096;

export class DataBreakpoints {
  private nextId = 1_000_000;
  private all: readonly DataBreakpoint[] = [];

  /** Replaces all of them. */
  set(
    wanted: readonly { readonly linear: number; readonly length: number; readonly access: AccessKind }[],
    view: GuestView,
  ): readonly DataBreakpoint[] {
    this.all = wanted.map((spec) => {
      const id = this.nextId++;
      if (spec.length < 1 || spec.length > MOST_BYTES) {
        const message = `A data breakpoint covers 1 to ${MOST_BYTES} bytes, not ${spec.length}.`;
        return { id, ...spec, verified: false, message, pieces: [] };
      }
      const pieces = piecesOf(spec.linear, spec.length, spec.access, view);
      if (pieces === undefined) {
        return { id, ...spec, verified: false, message: `No page is mapped at ${hex(spec.linear)} now.`, pieces: [] };
      }
      return { id, ...spec, verified: true, pieces };
    });
    return this.all;
  }

  /** The same ones on another machine, with the identities that the client knows. */
  takeFrom(other: DataBreakpoints, view: GuestView): void {
    const old = other.all;
    this.all = this.set(old, view).map((b, i) => ({ ...b, id: old[i]?.id ?? b.id }));
    this.nextId = other.nextId;
  }

  get pieces(): readonly Watchpoint[] {
    return this.all.flatMap((b) => b.pieces);
  }

  /** Those that a hit at an HPA belongs to. */
  at(hpa: number): readonly DataBreakpoint[] {
    return this.all.filter((b) => b.pieces.some((p) => hpa >= p.hpa && hpa < p.hpa + p.length));
  }
}

/** A range by pages, since neighbouring pages may lie anywhere; undefined when a part of it is not mapped. */
function piecesOf(linear: number, length: number, access: AccessKind, view: GuestView): Watchpoint[] | undefined {
  const pieces: Watchpoint[] = [];
  for (let done = 0; done < length; ) {
    const at = (linear + done) >>> 0;
    const n = Math.min(length - done, PAGE_SIZE - (at % PAGE_SIZE));
    const hpa = view.translate(at)?.hpa;
    if (hpa === undefined) return undefined;
    pieces.push({ hpa, length: n, read: access !== 'write', write: access !== 'read' });
    done += n;
  }
  return pieces;
}
