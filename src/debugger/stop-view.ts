/** The guest at one stop: a guest view whose registers and translations are looked up once, since nothing changes them. */
import type { CpuState } from '../engine/state';
import type { GuestView, PageTableRow, ProcessorOwner, Translated } from '../machine/guest-view';
import type { Platform } from '../machine/platform';

export class StopView implements GuestView {
  readonly vm: number;
  readonly state: CpuState;
  readonly realCpl: number;
  readonly root: GuestView['root'];
  readonly owner: ProcessorOwner;
  readonly gpaSize: number;
  readonly guestTime: number;
  readonly platform: Platform;
  private readonly pages = new Map<number, Translated | undefined>();

  constructor(private readonly view: GuestView) {
    this.vm = view.vm;
    this.state = view.state;
    this.realCpl = view.realCpl;
    this.root = view.root;
    this.owner = view.owner;
    this.gpaSize = view.gpaSize;
    this.guestTime = view.guestTime;
    this.platform = view.platform;
  }

  translate(gva: number): Translated | undefined {
    const page = gva >>> 12;
    if (!this.pages.has(page)) this.pages.set(page, this.view.translate((page << 12) >>> 0));
    const first = this.pages.get(page);
    if (first === undefined) return undefined;
    const offset = gva & 0xfff;
    return { ...first, gpa: first.gpa + offset, hpa: first.hpa === undefined ? undefined : first.hpa + offset };
  }

  readGpa(gpa: number, n: number): Uint8Array {
    return this.view.readGpa(gpa, n);
  }

  writeGpa(gpa: number, bytes: Uint8Array): void {
    this.view.writeGpa(gpa, bytes);
  }

  gpaToHpa(gpa: number): number | undefined {
    return this.view.gpaToHpa(gpa);
  }

  deviceOutput(): string {
    return this.view.deviceOutput();
  }

  pageTables(most?: number): PageTableRow[] {
    return this.view.pageTables(most);
  }
}
