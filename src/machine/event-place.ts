/** The place that heads each event, read from the machine at the moment of emission. */
import type { Clock, CycleLedger } from './clock';
import type { EventContext } from './events';
import type { GuestPlace } from './hypervisor-port';

export class EventPlace implements EventContext {
  private place: GuestPlace = { vm: 0, vcpu: 0, cpl: 0, ip: 0 };
  /** Named steps that the VMM's present visit has made, 0 outside. */
  step = 0;

  /** @param look finds where the guest stands */
  constructor(
    private readonly clock: Clock,
    private readonly ledger: CycleLedger,
    private readonly look: () => GuestPlace,
  ) {}

  /** Read first for each event; looks once for all fields. */
  get vm(): number {
    this.place = this.look();
    return this.place.vm;
  }

  get vcpu(): number {
    return this.place.vcpu;
  }

  get cpl(): number {
    return this.place.cpl;
  }

  get ip(): number {
    return this.place.ip;
  }

  get count(): number {
    return this.clock.instructions;
  }

  get cycle(): number {
    return this.ledger.total;
  }
}
