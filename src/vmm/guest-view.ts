/** The guest view of a virtual machine: what its guest believes, while the VMM holds the truth. */
import type { CpuState } from '../engine/state';
import type { GuestView, PageTableRow, ProcessorOwner, Translated } from '../machine/guest-view';
import type { GuestPlace } from '../machine/hypervisor-port';
import type { Platform } from '../machine/platform';
import type { HypervisorParts } from './hypervisor';
import { lookUpGuest } from './mmu/guest-space';

const DEFAULT_ROWS = 1024;

export class VirtualGuestView implements GuestView {
  constructor(
    private readonly parts: HypervisorParts,
    private readonly inVmm: () => boolean,
  ) {}

  get vm(): number {
    return this.parts.vm.number;
  }

  get state(): CpuState {
    return this.parts.cpu.guestState();
  }

  get realCpl(): number {
    return this.parts.host.processor.state.cpl;
  }

  get root(): 'root' | 'non-root' | 'off' {
    return this.parts.cpu.root;
  }

  get owner(): ProcessorOwner {
    if (this.inVmm()) return 'vmm';
    if (this.parts.vcpu.halted) return 'halted';
    return this.state.cpl === 3 ? 'user' : 'kernel';
  }

  get gpaSize(): number {
    return this.parts.vm.gpaSize;
  }

  get guestTime(): number {
    return this.parts.host.clock.now;
  }

  get platform(): Platform {
    return this.parts.vm.platform;
  }

  place(): GuestPlace {
    const { cpl, eip } = this.parts.cpu.guestPlace();
    return { vm: this.parts.vm.number, vcpu: this.parts.vcpu.number, cpl, ip: eip };
  }

  readGpa(gpa: number, n: number): Uint8Array {
    return this.parts.vm.readBytes(gpa, n);
  }

  writeGpa(gpa: number, bytes: Uint8Array): void {
    this.parts.vm.writeBytes(gpa, bytes);
  }

  gpaToHpa(gpa: number): number | undefined {
    return this.parts.vm.gpaToHpa(gpa);
  }

  translate(gva: number): Translated | undefined {
    return lookUpGuest(this.parts.vm, this.state, gva);
  }

  deviceOutput(): string {
    return this.parts.vm.platform.uartOutput.text;
  }

  pageTables(most = DEFAULT_ROWS): PageTableRow[] {
    return this.parts.mmu.pageTables(most);
  }
}
