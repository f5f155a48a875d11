/** Facts for people and programs: a plain JSON object with names in place of numbers, and a text table of it. */
import type { CycleSplit } from '../machine/clock';
import {
  EVENT_KINDS,
  FAULT_CLASS_NAMES,
  IRQ_OP_NAMES,
  RING_CAUSE_NAMES,
  SHADOW_OP_NAMES,
  TLB_OP_NAMES,
} from '../machine/event-kinds';
import { exceptionInfo } from '../x86/exceptions';
import { exitReasonName } from '../x86/vmx/exit-reasons';
import type { Counts, FactsState } from './facts';

/** Groups of named numbers; only names with something to say are there, in a constant order. */
export type FactsReport = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What the fold cannot know by itself. */
export interface RunNumbers {
  readonly instructions: number;
  readonly idle: number;
  /** Instructions that the VMM completed for the guest. */
  readonly emulated: number;
  readonly cycles: CycleSplit;
  /** Names by the handler index of exit events, where a VMM ran. */
  readonly handlers?: readonly string[];
}

const DIMENSION_NAMES = ['guest', 'host'] as const;

/** The facts as named groups. `run.directPercent` is the share of instructions that ran directly on the processor. */
export function factsReport(facts: Readonly<FactsState>, run: RunNumbers): FactsReport {
  const kinds = EVENT_KINDS.map((kind) => kind.name);
  const cycles = Object.values(run.cycles).reduce((sum, part) => sum + part, 0);
  const direct = run.instructions === 0 ? 100 : (100 * (run.instructions - run.emulated)) / run.instructions;
  return {
    run: {
      instructions: run.instructions,
      idle: run.idle,
      emulated: run.emulated,
      directPercent: Math.round(direct * 100) / 100,
    },
    cycles: { ...run.cycles, total: cycles },
    events: named(facts.events, kinds),
    exits: { ...named(facts.exitsByReason, exitReasonName), total: sum(facts.exitsByReason) },
    exitHandlers: named(facts.exitsByHandler, run.handlers ?? []),
    exitCycles: named(facts.exitCycles, exitReasonName),
    faults: named(facts.faultsByClass, FAULT_CLASS_NAMES),
    shadow: named(facts.shadowByOp, SHADOW_OP_NAMES),
    walk: { ...named(facts.walkByDimension, DIMENSION_NAMES), refs: sum(facts.walkByDimension) },
    tlb: named(facts.tlbByOp, TLB_OP_NAMES),
    rings: { ...named(facts.rings, (key) => `${key >> 2} to ${key & 3}`), total: sum(facts.rings) },
    ringCauses: named(facts.ringsByCause, RING_CAUSE_NAMES),
    deliveries: named(facts.deliveriesByVector, vectorName),
    interrupts: named(facts.irqByOp, IRQ_OP_NAMES),
    portReads: named(facts.portReads, hex),
    portWrites: named(facts.portWrites, hex),
  };
}

/** The report as text, one number a line. */
export function factsText(report: FactsReport): string {
  const lines: string[] = [];
  for (const [group, values] of Object.entries(report)) {
    const entries = Object.entries(values);
    if (entries.length === 0) continue;
    lines.push(group);
    const width = Math.max(...entries.map(([name]) => name.length));
    for (const [name, value] of entries) lines.push(`  ${name.padEnd(width)}  ${grouped(value).padStart(14)}`);
  }
  return lines.join('\n');
}

/** 1234567 as "1,234,567". */
export function grouped(value: number): string {
  const [whole = '', fraction] = String(value).split('.');
  const spaced = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? spaced : `${spaced}.${fraction}`;
}

type Names = readonly string[] | ((key: number) => string);

function named(counts: Counts, names: Names): Record<string, number> {
  const result: Record<string, number> = {};
  const keys = Object.keys(counts)
    .map(Number)
    .sort((a, b) => a - b);
  for (const key of keys) {
    const name = typeof names === 'function' ? names(key) : (names[key] ?? `number ${key}`);
    result[name] = counts[key] ?? 0;
  }
  return result;
}

function sum(counts: Counts): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

function vectorName(vector: number): string {
  return `${hex(vector)}${exceptionInfo(vector) === undefined ? '' : ` ${exceptionInfo(vector)?.mnemonic}`}`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
