/** A tiny machine for this folder's tests: host memory, a processor, assembled code, and a flat protected-mode start. */
import { assemble } from '../../assembler';
import { HostMemory } from '../../engine/memory';
import { OFF } from '../../engine/state';
import { cpuProfile, type FeatureName, type ProfileName } from '../../x86/profiles';
import { CS, DS, ES, FS, GS, LDTR, RSP, SS, TR } from '../../x86/registers';
import { Clock } from '../clock';
import { type EventObject, EventStream } from '../events';
import { type PortSpace, Processor, type ProcessorStop } from './processor';

export interface TinyMachine {
  readonly memory: HostMemory;
  readonly processor: Processor;
  readonly events: EventStream;
  readonly clock: Clock;
  readonly ports: { readonly written: [port: number, value: number][]; next: number };
  /** Vectors waiting to be acknowledged. */
  readonly interrupts: number[];
  symbol(name: string): number;
  /** Runs, settling the clock, until something other than the budget stops it or `most` instructions have retired. */
  run(most?: number): ProcessorStop;
  /** Runs to the instruction at a label. */
  runTo(label: string): ProcessorStop;
  /** The events of a kind in order, as field records. */
  emitted(kind: EventObject['kind']): Readonly<Record<string, number>>[];
}

export interface TinyOptions {
  readonly profile?: ProfileName;
  readonly features?: Partial<Record<FeatureName, boolean>>;
  readonly bytes?: number;
  readonly tlbEntries?: number;
}

const FLAT_CODE = 0xc09b;
const FLAT_DATA = 0xc093;

/** Assembles 32-bit NASM source (with `org`) and stands at its first byte in ring 0, flat segments, paging off. */
export function tinyMachine(source: string, options: TinyOptions = {}): TinyMachine {
  const result = assemble({ main: 't.asm', files: new Map([['t.asm', `bits 32\n${source}\n`]]) });
  const { image } = result;
  if (image === undefined) throw new Error(result.diagnostics.map((d) => `${d.line}: ${d.message}`).join('\n'));
  const memory = new HostMemory(options.bytes ?? 0x100000);
  memory.writeBytes(image.origin, image.bytes);
  const clock = new Clock();
  const events = new EventStream({
    vm: 0,
    vcpu: 0,
    step: 0,
    cycle: 0,
    get cpl() {
      return memory.state().cpl;
    },
    get count() {
      return clock.instructions;
    },
    get ip() {
      return memory.state().eip;
    },
  });
  events.retain('walkRef', 'recorded');
  events.retain('tlb', 'recorded');
  events.retain('pio', 'recorded');
  const interrupts: number[] = [];
  const ports: TinyMachine['ports'] = { written: [], next: 0 };
  const space: PortSpace = {
    read: () => ports.next,
    write: (port, _size, value) => {
      ports.written.push([port, value]);
    },
  };
  const processor = new Processor({
    memory,
    profile: cpuProfile(options.profile ?? 'full', options.features),
    tlbEntries: options.tlbEntries ?? 64,
    events,
    clock,
    ports: space,
    interrupts: { pending: () => interrupts.length > 0, acknowledge: () => interrupts.shift() ?? 0 },
  });
  const { state } = processor;
  state.eflags = 2;
  state.cr0 = 0x11;
  state.setSegment(CS, 0x08, FLAT_CODE, 0, 0xffffffff);
  for (const segment of [ES, SS, DS, FS, GS] as const) state.setSegment(segment, 0x10, FLAT_DATA, 0, 0xffffffff);
  for (const segment of [LDTR, TR] as const) state.setSegment(segment, 0, 0x10000, 0, 0);
  state.setWord(OFF.idtrLimit, 0);
  state.setGpr(RSP, 0x9000);
  state.eip = image.entry;
  processor.modeChanged();
  const symbol = (name: string): number => {
    const found = image.symbols.find((s) => s.name === name);
    if (found === undefined) throw new Error(`no label ${name}`);
    return found.value;
  };
  const run = (most = 10_000): ProcessorStop => {
    const stop = processor.run(most);
    clock.retire(stop.retired);
    return stop;
  };
  return {
    memory,
    processor,
    events,
    clock,
    ports,
    interrupts,
    symbol,
    run,
    runTo: (label) => {
      processor.setBreakpoints(new Set([symbol(label)]));
      const stop = run();
      processor.setBreakpoints(new Set());
      if (stop.reason !== 'breakpoint') {
        throw new Error(
          `stopped by ${stop.reason} at 0x${processor.state.eip.toString(16)}, not at ${label}: ${stop.problem ?? ''}`,
        );
      }
      return stop;
    },
    emitted: (kind) =>
      events
        .newest(10_000, (e) => e.kind === kind)
        .reverse()
        .map((e) => e.fields),
  };
}

/**
 * Source that sets up a GDT (0x08 code0, 0x10 data0, 0x1b code3, 0x23 data3, 0x28 TSS, 0x30 code1, 0x38 data1, then the
 * caller's own), an IDT whose gates the caller fills by `gate vector, handler, attributes`, and a TSS with ss0:esp0.
 * `to_user label, eflags` goes to ring 3. Control reaches the label `main` in ring 0.
 */
export function kernelSource(body: string, extraDescriptors = ''): string {
  return `
org 0x1000
%macro gate 3
  mov eax, %2
  mov [idt + %1 * 8], ax
  mov word [idt + %1 * 8 + 2], 0x08
  mov word [idt + %1 * 8 + 4], %3
  shr eax, 16
  mov [idt + %1 * 8 + 6], ax
%endmacro
%macro to_user 2
  push dword 0x23
  push dword 0x7000
  push dword %2
  push dword 0x1b
  push dword %1
  iretd
%endmacro
start:
  lgdt [gdtr]
  lidt [idtr]
  mov eax, tss
  mov [gdt + 0x28 + 2], ax
  shr eax, 16
  mov [gdt + 0x28 + 4], al
  jmp 0x08:.flush
.flush:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov esp, 0x9000
  mov ax, 0x28
  ltr ax
  jmp main
align 8
gdtr: dw gdt_end - gdt - 1
  dd gdt
idtr: dw idt_end - idt - 1
  dd idt
align 8
gdt:
  dq 0
  dq 0x00cf9a000000ffff
  dq 0x00cf92000000ffff
  dq 0x00cffa000000ffff
  dq 0x00cff2000000ffff
  dq 0x0000890000000067
  dq 0x00cfba000000ffff
  dq 0x00cfb2000000ffff
${extraDescriptors}
gdt_end:
align 8
idt: times 256 * 8 db 0
idt_end:
align 4
tss:
  dd 0
  dd 0x8000
  dd 0x10
  times 22 dd 0
  dw 0
  dw 0x68
tss_end:
main:
${body}
`;
}
