/**
 * A whole machine at a moment, as versioned named fields, and the file form of it: eight bytes of magic, a format number,
 * length and checksum of the body, and the body in MessagePack.
 */
import { decode, encode, ExtensionCodec } from '@msgpack/msgpack';
import type { MemorySave } from '../engine/memory';
import type { TlbSave } from '../engine/tlb';
import type { ClockState, CycleSplit } from './clock';
import type { MachineConfig } from './config';
import type { EventStreamState } from './events';
import type { HostTimerState } from './host-timer';
import type { InputLogState } from './input-log';
import type { PlatformState } from './platform';

export interface StoppedState {
  /** A `StopCause` number. */
  readonly cause: number;
  readonly value: number;
  /** One sentence, where there is more to say. */
  readonly message?: string;
}

export interface MachineSave {
  readonly version: 1;
  readonly config: MachineConfig;
  readonly memory: MemorySave;
  /** The processor's state block. */
  readonly processor: Uint8Array;
  readonly tlb: TlbSave;
  readonly clock: ClockState;
  readonly ledger: CycleSplit;
  readonly platform: PlatformState;
  readonly hostTimer: HostTimerState;
  readonly events: EventStreamState;
  readonly inputs: InputLogState;
  /** Deliveries and exits so far. */
  readonly turns: number;
  /** The VMM is to be entered before the guest runs on. */
  readonly visitDue: boolean;
  readonly stopped: StoppedState | null;
  /** Instructions that the VMM completed for the guest. */
  readonly emulated: number;
  /** The hypervisor's own state, null on a bare machine. */
  readonly hypervisor: unknown;
  /** State of registered components (the facts, for one) by name. */
  readonly components: Readonly<Record<string, unknown>>;
}

/** A file that cannot be loaded; the message is one sentence for its user. */
export class SaveError extends Error {}

const MAGIC = Uint8Array.from('RINGSIDE', (c) => c.charCodeAt(0));
const FORMAT = 1;
const HEADER = MAGIC.length + 12;

/** MessagePack knows byte strings only; other typed arrays travel as an extension each. */
const TYPED_ARRAYS = [Uint16Array, Uint32Array, Int32Array, BigUint64Array] as const;
const codec = new ExtensionCodec();
TYPED_ARRAYS.forEach((type, number) => {
  codec.register({
    type: number,
    encode: (value) =>
      value instanceof type ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice() : null,
    decode: (bytes) => new type(bytes.slice().buffer),
  });
});

/** The file form. Pages that are all zero take no room. */
export function encodeSave(save: MachineSave): Uint8Array {
  const { memory, ...rest } = save;
  const present = memory.pages.flatMap((page, i) => (page === undefined ? [] : [i]));
  const body = encode(
    { ...rest, memory: { size: memory.size, present, pages: present.map((i) => memory.pages[i]) } },
    { extensionCodec: codec, useBigInt64: true, ignoreUndefined: true },
  );
  const file = new Uint8Array(HEADER + body.length);
  file.set(MAGIC);
  const view = new DataView(file.buffer);
  view.setUint32(MAGIC.length, FORMAT, true);
  view.setUint32(MAGIC.length + 4, body.length, true);
  view.setUint32(MAGIC.length + 8, checksum(body), true);
  file.set(body, HEADER);
  return file;
}

/** @throws SaveError for anything that is not a whole, undamaged save of this format */
export function decodeSave(from: Uint8Array): MachineSave {
  // Node's Buffer is a Uint8Array whose `slice` does not copy.
  const file = new Uint8Array(from.buffer, from.byteOffset, from.byteLength);
  if (file.length < HEADER || MAGIC.some((byte, i) => file[i] !== byte)) {
    throw new SaveError('This file is not a Ringside save: it does not begin with "RINGSIDE".');
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const format = view.getUint32(MAGIC.length, true);
  if (format !== FORMAT) {
    throw new SaveError(
      `This save has format ${format} and this Ringside reads format ${FORMAT}; make the save again.`,
    );
  }
  const length = view.getUint32(MAGIC.length + 4, true);
  if (file.length - HEADER !== length) {
    throw new SaveError(`The save is damaged: its body has ${file.length - HEADER} bytes and should have ${length}.`);
  }
  const body = file.subarray(HEADER);
  if (checksum(body) !== view.getUint32(MAGIC.length + 8, true)) {
    throw new SaveError('The save is damaged: its checksum does not agree with its content.');
  }
  let fields: unknown;
  try {
    fields = decode(body, { extensionCodec: codec, useBigInt64: true });
  } catch {
    throw new SaveError('The save is damaged: its body is not MessagePack.');
  }
  return restored(fields);
}

const FIELDS: readonly (keyof MachineSave)[] = [
  'config',
  'memory',
  'processor',
  'tlb',
  'clock',
  'ledger',
  'platform',
  'hostTimer',
  'events',
  'inputs',
  'components',
];

interface FiledMemory {
  readonly size: number;
  readonly present: readonly number[];
  readonly pages: readonly Uint8Array[];
}

function restored(fields: unknown): MachineSave {
  const record = fields as Partial<Record<keyof MachineSave, unknown>> | null; // looked at field by field below
  if (typeof record !== 'object' || record === null || record.version !== 1) {
    throw new SaveError('The save holds a machine of another version; make the save again.');
  }
  const missing = FIELDS.find((name) => typeof record[name] !== 'object' || record[name] === null);
  if (missing !== undefined) throw new SaveError(`The save is incomplete: its field "${missing}" is missing.`);
  const filed = record.memory as Partial<FiledMemory>; // checked right here
  if (typeof filed.size !== 'number' || !Array.isArray(filed.present) || !Array.isArray(filed.pages)) {
    throw new SaveError('The save is incomplete: its field "memory" has not the pages it should have.');
  }
  const pages = new Array<Uint8Array | undefined>(filed.size / 4096).fill(undefined);
  filed.present.forEach((index: number, i: number) => {
    // A copy of its own: decoded bytes lie anywhere in the file, and pages are compared by aligned words.
    pages[index] = filed.pages?.[i]?.slice();
  });
  // The checksum vouches that encodeSave wrote these fields.
  return { ...(record as unknown as MachineSave), memory: { size: filed.size, pages } };
}

/** CRC-32 (IEEE 802.3), bit by bit over a table of 16 entries. */
function checksum(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    crc = (CRC_NIBBLES[crc & 15] ?? 0) ^ (crc >>> 4);
    crc = (CRC_NIBBLES[crc & 15] ?? 0) ^ (crc >>> 4);
  }
  return ~crc >>> 0;
}

const CRC_NIBBLES = Uint32Array.from({ length: 16 }, (_, i) => {
  let value = i;
  for (let bit = 0; bit < 4; bit++) value = (value & 1) !== 0 ? (value >>> 1) ^ 0xedb8_8320 : value >>> 1;
  return value;
});
