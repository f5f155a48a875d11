/** The guest view of the bare machine: the guest is the machine, and a GPA is an HPA. */
import type { HostMemory } from '../engine/memory';
import { type CpuState, OFF } from '../engine/state';
import type { Clock } from './clock';
import { type GuestTables, pageTableRows, translateQuietly } from './guest-tables';
import type { GuestView, PageTableRow, ProcessorOwner, Translated } from './guest-view';
import type { Platform } from './platform';

const ACTIVITY_HALTED = 1;
const DEFAULT_ROWS = 1024;

export class NativeView implements GuestView {
  readonly vm = 0;
  readonly root = 'off';

  constructor(
    readonly state: CpuState,
    readonly platform: Platform,
    private readonly memory: HostMemory,
    private readonly clock: Clock,
  ) {}

  get realCpl(): number {
    return this.state.cpl;
  }

  get owner(): ProcessorOwner {
    if (this.state.word(OFF.activity) === ACTIVITY_HALTED) return 'halted';
    return this.state.cpl === 3 ? 'user' : 'kernel';
  }

  get gpaSize(): number {
    return this.memory.size;
  }

  get guestTime(): number {
    return this.clock.now;
  }

  readGpa(gpa: number, n: number): Uint8Array {
    return this.memory.readBytes(gpa, n);
  }

  writeGpa(gpa: number, bytes: Uint8Array): void {
    this.memory.writeBytes(gpa, bytes);
  }

  gpaToHpa(gpa: number): number | undefined {
    return gpa < this.memory.size ? gpa : undefined;
  }

  translate(gva: number): Translated | undefined {
    return translateQuietly(this.tables(), gva);
  }

  deviceOutput(): string {
    return this.platform.uartOutput.text;
  }

  pageTables(most = DEFAULT_ROWS): PageTableRow[] {
    return pageTableRows(this.tables(), most, () => ({ kind: 'none' }));
  }

  private tables(): GuestTables {
    const { cr0, cr3, cr4 } = this.state;
    return {
      cr0,
      cr3,
      cr4,
      read32: (gpa) => this.memory.read32(gpa),
      gpaToHpa: (gpa) => this.gpaToHpa(gpa),
    };
  }
}
