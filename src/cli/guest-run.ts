/** One run of a guest from its start to its end or to a limit, with everything that a report needs. */
import type { Program } from '../debugger/program';
import { endText, unendedText } from '../debugger/event-text';
import { type Digest, digestOf } from '../facts/digest';
import { Facts } from '../facts/facts';
import { type FactsReport, factsReport } from '../facts/report';
import type { MachineConfig } from '../machine/config';
import { HANDLER_NAMES, STOP_CAUSE_NAMES } from '../machine/event-kinds';
import type { MachineStop } from '../machine/machine-stop';
import { buildMachine } from '../vmm/build';

export interface RunStop {
  /** A stop cause's name; `limit`, `waiting` or `stalled` when the guest has not ended. */
  readonly cause: string;
  /** The debug-exit value, else 0. */
  readonly value: number;
  readonly description: string;
}

export interface GuestRun {
  readonly digest: Digest;
  readonly output: string;
  readonly facts: FactsReport;
  readonly stop: RunStop;
  /** The guest ended as it meant to. */
  readonly ok: boolean;
}

/**
 * @param limit guest instructions after which the run is given up
 * @param onOutput gets the serial text piece by piece while the guest runs
 */
export function runGuest(
  program: Program,
  config: MachineConfig,
  limit: number,
  interpreter: WebAssembly.Module | undefined,
  onOutput: (text: string) => void = () => {},
): GuestRun {
  const machine = buildMachine(config, program.image, { interpreter });
  const facts = new Facts();
  facts.follow(machine.events);
  let sent = 0;
  const flush = (): void => {
    const { uartOutput } = machine.guest().platform;
    if (uartOutput.count > sent) onOutput(uartOutput.text.slice(sent - uartOutput.count));
    sent = uartOutput.count;
  };
  const SLICE = 1_000_000;
  let stop: MachineStop;
  do {
    stop = machine.run({ count: Math.min(limit, machine.clock.instructions + SLICE) });
    flush();
  } while (stop.reason === 'count' && machine.clock.instructions < limit);
  const view = machine.guest();
  return {
    digest: digestOf(view, facts.all),
    output: view.deviceOutput(),
    facts: factsReport(facts.all, {
      instructions: machine.clock.instructions,
      idle: machine.clock.idle,
      emulated: machine.emulated,
      cycles: machine.ledger.parts(),
      handlers: HANDLER_NAMES,
    }),
    ...verdict(),
  };

  function verdict(): { readonly stop: RunStop; readonly ok: boolean } {
    if (stop.reason === 'stopped') {
      const placeText = (address: number): string => program.codeMap.symbolAt(address) ?? `0x${address.toString(16)}`;
      const { exitCode, description } = endText(machine, placeText);
      const cause = STOP_CAUSE_NAMES[stop.cause] ?? `cause ${stop.cause}`;
      return { stop: { cause, value: stop.value, description }, ok: exitCode === 0 };
    }
    const cause = stop.reason === 'count' ? 'limit' : stop.reason;
    return { stop: { cause, value: 0, description: unendedText(stop, limit) }, ok: false };
  }
}
