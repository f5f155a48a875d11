/** Views of the present: the machine, its vCPU and its host, the facts, and the source line of an address. */
import { hex, hex32 } from '../../debugger/addresses';
import { readLinear } from '../../debugger/guest-memory';
import type { Session } from '../../debugger/session';
import { vmcsPlace, vmcsRows } from '../../debugger/vmcs-view';
import { TLB_DIRTY, TLB_GLOBAL, TLB_LARGE, TLB_USER, TLB_WRITABLE } from '../../engine/tlb';
import { digestOf } from '../../facts/digest';
import { factsReport } from '../../facts/report';
import { CpuState, OFF } from '../../engine/state';
import { FLAG_IF } from '../../x86/flags';
import { HANDLER_NAMES } from '../../machine/event-kinds';
import { CYCLE_PARTS } from '../../machine/clock';
import type { MachineGroup, NamedValue } from '../custom-requests';
import type { HandlerGroup } from '../handler';

const TR = 7;
const LDTR = 6;

/** Descriptor-table registers, the TSS and the TLB, as rows below the vCPU. */
function vcpuGroups(session: Session, state: CpuState): MachineGroup[] {
  const table = (name: string, base: number, limit: number): NamedValue => ({
    name,
    value: `${hex32(base)} limit ${hex(limit)} (${Math.floor((limit + 1) / 8)} entries)`,
    address: base,
  });
  const segment = (name: string, index: typeof TR | typeof LDTR): NamedValue => ({
    name,
    value: `${hex(state.selector(index))} base ${hex32(state.base(index))} limit ${hex(state.limit(index))}`,
    address: state.base(index),
  });
  const word = (name: string, value: number): NamedValue => ({ name, value: hex32(value) });
  const { machine } = session;
  const { tlb } = machine.processor;
  const vmcs = vmcsRows(machine);
  return [
    {
      id: 'control',
      label: 'Control',
      description: `CR3 gpa ${hex((state.cr3 & ~0xfff) >>> 0)} · IF ${(state.eflags & FLAG_IF) === 0 ? 0 : 1}`,
      rows: [word('CR0', state.cr0), word('CR2', state.cr2), word('CR3', state.cr3), word('CR4', state.cr4)],
    },
    {
      id: 'tables',
      label: 'Descriptor tables',
      description: '',
      rows: [
        table('GDT', state.word(OFF.gdtrBase), state.word(OFF.gdtrLimit)),
        table('IDT', state.word(OFF.idtrBase), state.word(OFF.idtrLimit)),
        segment('LDT', LDTR),
      ],
    },
    {
      id: 'tss',
      label: 'TSS',
      description: state.selector(TR) === 0 ? 'none' : hex(state.selector(TR)),
      rows: state.selector(TR) === 0 ? [] : [segment('TR', TR), ...stackRows(session, state.base(TR))],
    },
    {
      id: 'tlb',
      label: 'TLB',
      description: `${tlb.used} of ${tlb.capacity}`,
      rows: tlb.entries().map((entry) => ({
        name: hex32(entry.page * 4096),
        value: `hpa ${hex32(entry.hpaPage * 4096)} ${tlbFlags(entry.flags)}${entry.tag === 0 ? '' : ` vpid ${entry.tag}`}`,
        address: entry.page * 4096,
      })),
    },
    ...(vmcs.length === 0 ? [] : [{ id: 'vmcs', label: 'VMCS', description: vmcsPlace(machine), rows: vmcs }]),
  ];
}

const TLB_FLAGS: readonly (readonly [string, number])[] = [
  ['W', TLB_WRITABLE],
  ['U', TLB_USER],
  ['D', TLB_DIRTY],
  ['G', TLB_GLOBAL],
  ['4M', TLB_LARGE],
];

function tlbFlags(flags: number): string {
  return TLB_FLAGS.filter(([, mask]) => (flags & mask) !== 0)
    .map(([name]) => name)
    .join(' ');
}

/** The ring-0 stack that a 32-bit TSS names (Intel SDM 3A, "Task-State Segment"). */
function stackRows(session: Session, base: number): NamedValue[] {
  const esp0 = readLinear(session.view, (base + 4) >>> 0, 4);
  const ss0 = readLinear(session.view, (base + 8) >>> 0, 2);
  if (esp0 === undefined || ss0 === undefined) return [];
  return [
    { name: 'ESP0', value: hex32(esp0), address: esp0 },
    { name: 'SS0', value: hex(ss0) },
  ];
}

function hostGroup(session: Session): MachineGroup {
  const { machine, facts } = session;
  const parts = machine.ledger.parts();
  return {
    id: 'host',
    label: 'host',
    description: `${machine.memory.size / 0x10_0000} MiB · ${facts.count('exit')} exits`,
    rows: [
      { name: 'memory', value: `${machine.memory.size / 4096} frames` },
      { name: 'instructions that the VMM completed', value: String(machine.emulated) },
      ...CYCLE_PARTS.map((part) => ({ name: `cycles: ${part}`, value: String(Math.round(parts[part])) })),
    ],
  };
}

export const machineViewRequests: HandlerGroup = {
  requests: {
    'ringside/machine': (context) => {
      const session = context.stopped();
      const { machine, config, view } = session;
      const { state } = view;
      const address = session.instructionPointer;
      const location = session.locate(address);
      return {
        profile: config.profile,
        cpu: config.cpu,
        mmu: config.mmu,
        memoryMiB: config.memoryMiB,
        guestTime: view.guestTime,
        cycles: Math.round(machine.ledger.total),
        position: machine.position,
        vms: [
          {
            name: `vm${view.vm}`,
            guest: guestName(session.program.path),
            vcpus: [
              {
                name: 'vCPU 0',
                owner: view.owner,
                ring: state.cpl,
                realRing: view.realCpl,
                root: view.root,
                instructionPointer: address,
                ...(location === undefined ? {} : { location }),
                groups: vcpuGroups(session, state),
              },
            ],
          },
        ],
        host: hostGroup(session),
      };
    },

    'ringside/facts': (context) => {
      const session = context.stopped();
      const { machine, facts } = session;
      const report = factsReport(facts.all, {
        instructions: machine.clock.instructions,
        idle: machine.clock.idle,
        emulated: machine.emulated,
        cycles: machine.ledger.parts(),
        handlers: HANDLER_NAMES,
      });
      return { facts: report, digest: digestOf(session.view, facts.all).machine };
    },

    'ringside/locate': (context, args) => {
      const location = context.stopped().locate(args.address >>> 0);
      return location === undefined ? {} : { location };
    },
  },
};

/** `minikernel` for `.../minikernel/kernel.asm`: the folder says more than `kernel` would. */
function guestName(path: string): string {
  const parts = path.split(/[\\/]/);
  const file = (parts.pop() ?? path).replace(/\.[^.]*$/, '');
  return /^(kernel|main|boot|guest|answer|skeleton)$/i.test(file) ? (parts.pop() ?? file) : file;
}
