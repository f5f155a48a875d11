/** From a launch configuration and an image to a machine that stands at the guest's first instruction. */
import { checkConfig, type MachineConfig } from '../machine/config';
import { IrqOp, StopCause } from '../machine/event-kinds';
import { Machine } from '../machine/machine';
import { Platform } from '../machine/platform';
import { resetState } from '../machine/reset';
import { cpuProfile } from '../x86/profiles';
import type { TechniqueFactory } from './cpu/technique';
import { createHw } from './cpu/hw';
import { createTrap } from './cpu/trap';
import { FrameOwner, HostFrames } from './frames';
import { Hypervisor } from './hypervisor';
import { Vcpu } from './vcpu';
import { Vm } from './vm';

/** What a loader found in an image: see images/loader.ts. */
export interface BootImage {
  readonly segments: readonly { readonly gpa: number; readonly bytes: Uint8Array }[];
  /** Linear address of the first instruction. */
  readonly entry: number;
  readonly multiboot: boolean;
}

export interface BuildOptions {
  /** The interpreter as the build has generated it; made on the spot when absent. */
  readonly interpreter?: WebAssembly.Module;
}

const MIB = 0x100000;
/** Host memory of the VMM itself: its window, tables and control structures. Guest memory begins behind it. */
const VMM_BYTES = 4 * MIB;

const TECHNIQUES: Readonly<Record<'trap' | 'hw', TechniqueFactory>> = { trap: createTrap, hw: createHw };

/** @throws Error whose message holds a sentence for each problem of the configuration */
export function buildMachine(config: MachineConfig, image: BootImage, options: BuildOptions = {}): Machine {
  const checked = checkConfig(config);
  if ('problems' in checked) throw new Error(checked.problems.join(' '));
  const { cpu, mmu } = checked.config;
  if (cpu === 'native' || mmu === 'none') return buildNative(checked.config, image, options);
  return buildVirtual(checked.config, TECHNIQUES[cpu], mmu, image, options);
}

function buildNative(config: MachineConfig, image: BootImage, { interpreter }: BuildOptions): Machine {
  const machine = new Machine({ config, hostBytes: config.memoryMiB * MIB, interpreter });
  for (const { gpa, bytes } of image.segments) machine.memory.writeBytes(gpa, bytes);
  resetState(machine.processor.state, image);
  machine.processor.modeChanged();
  return machine;
}

function buildVirtual(
  config: MachineConfig,
  technique: TechniqueFactory,
  mmuName: 'shadow' | 'nested',
  image: BootImage,
  { interpreter }: BuildOptions,
): Machine {
  const gpaSize = config.memoryMiB * MIB;
  const machine = new Machine({ config, hostBytes: VMM_BYTES + gpaSize, interpreter });
  const { memory, events, clock } = machine;
  const frames = new HostFrames(memory.size, (owner, hpa) => events.emit('frame', owner, hpa));
  // Frame 0 stays the VMM's, so that no GPA is its own HPA.
  frames.allocate(FrameOwner.vmm);
  const platform = new Platform({
    now: () => clock.now,
    output: (device, value) => events.emit('output', device, value),
    requested: (vector) => events.emit('irq', IrqOp.raise, vector),
    exit: (value) => {
      vm.stop = { cause: StopCause.debugExit, value };
      machine.stop(StopCause.debugExit, value);
    },
  });
  const vm = new Vm(0, gpaSize, memory, frames, platform, VMM_BYTES / 4096);
  const vcpu = new Vcpu(0, 0);
  for (const { gpa, bytes } of image.segments) vm.writeBytes(gpa, bytes);
  resetState(vcpu.state, image);
  const profile = cpuProfile(config.profile, config.features);
  const { cpu, mmu } = technique({ host: machine, frames, vm, vcpu, profile, mmu: mmuName });
  machine.attach(new Hypervisor({ host: machine, vm, vcpu, frames, cpu, mmu }));
  cpu.start();
  return machine;
}
