/**
 * The adapter against clients that send anything: every request is answered exactly once, no answer blames the simulator,
 * and the next launch works. In process, over streams, so that twenty thousand messages take seconds.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { describe, expect, it } from 'vitest';
import { HANDLER_GROUPS, RingsideAdapter } from '../../src/dap/adapter';
import { BROKEN, MINIKERNEL } from './client';

/** `RINGSIDE_SOAK=1` sends many more. */
const MESSAGES = process.env.RINGSIDE_SOAK === '1' ? 400_000 : 20_000;

type Random = (below: number) => number;

/** A linear congruential sequence: the same messages in every run. */
function sequence(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** An adapter with what it has answered, by the number of the request. */
class Conversation {
  private readonly input = new PassThrough();
  private readonly output = new PassThrough();
  private readonly answers = new Map<number, DebugProtocol.Response[]>();
  private readonly asked: DebugProtocol.Request[] = [];
  private rest = Buffer.alloc(0);
  readonly events = new Map<string, number>();

  constructor() {
    const adapter = new RingsideAdapter({
      files: {
        read: async (path) => {
          try {
            return await readFile(path);
          } catch {
            return undefined;
          }
        },
      },
      yieldToHost: () => new Promise((resolve) => setImmediate(resolve)),
    });
    this.output.on('data', (bytes: Buffer) => this.take(bytes));
    adapter.setRunAsServer(true);
    adapter.start(this.input, this.output);
  }

  private take(bytes: Buffer): void {
    this.rest = Buffer.concat([this.rest, bytes]);
    for (;;) {
      const end = this.rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/Content-Length: (\d+)/.exec(this.rest.toString('latin1', 0, end))?.[1]);
      if (this.rest.length < end + 4 + length) return;
      // What the adapter sends is what the protocol says; this test is about which of it comes.
      const message = JSON.parse(
        this.rest.toString('utf8', end + 4, end + 4 + length),
      ) as DebugProtocol.ProtocolMessage;
      this.rest = this.rest.subarray(end + 4 + length);
      if (message.type === 'response') {
        const response = message as DebugProtocol.Response;
        this.answers.set(response.request_seq, [...(this.answers.get(response.request_seq) ?? []), response]);
      } else {
        const { event } = message as DebugProtocol.Event;
        this.events.set(event, (this.events.get(event) ?? 0) + 1);
      }
    }
  }

  raw(bytes: string | Buffer): void {
    this.input.write(bytes);
  }

  /** A message in its frame. */
  framed(body: string | Buffer): void {
    this.raw(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`);
    this.raw(body);
  }

  /** Sends a request; its number. */
  send(command: string, args?: unknown): number {
    const seq = this.asked.length + 1;
    this.asked.push({ seq, type: 'request', command, arguments: args });
    this.framed(JSON.stringify({ seq, type: 'request', command, arguments: args }));
    return seq;
  }

  async answer(seq: number): Promise<DebugProtocol.Response> {
    for (const began = Date.now(); Date.now() - began < 20_000; ) {
      const [response] = this.answers.get(seq) ?? [];
      if (response !== undefined) return response;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new Error(`No answer to ${JSON.stringify(this.asked[seq - 1])}`);
  }

  /** Resolves when every request has an answer. */
  async settle(): Promise<void> {
    for (const { seq } of this.asked) await this.answer(seq);
  }

  /** Requests that were not answered exactly once, and answers that ask to be reported. */
  problems(): string[] {
    return this.asked.flatMap((request) => {
      const answers = this.answers.get(request.seq) ?? [];
      const text = JSON.stringify(request).slice(0, 300);
      if (answers.length !== 1) return [`${answers.length} answers to ${text}`];
      const message = answers[0]?.message ?? '';
      return /Please report|undefined|NaN|\[object/.test(message) ? [`"${message}" to ${text}`] : [];
    });
  }
}

const NAMES = HANDLER_GROUPS.flatMap((group) => Object.keys(group.requests));
const RUNS = ['continue', 'next', 'stepIn', 'stepOut', 'stepBack', 'reverseContinue', 'pause'];
const STRANGE = [
  '',
  'attach',
  'toString',
  'constructor',
  '__proto__',
  'hasOwnProperty',
  'ringside/none',
  'gotoTargets',
];
const TEXTS = [
  '',
  'eax',
  '[esp+4]',
  'start',
  '0x100020',
  '-1',
  'vm0/gpa/0x1000',
  'vm9/gpa/0x1000',
  'host/hpa/0x100000',
  'vmm/0x1000',
  '0xfffffffffffffffff',
  '1/0',
  '((((((((',
  'eax=',
  'eax = = 1',
  '[0xffffffff]',
  'byte [eax',
  'cs:eip',
  '\u0000\ud800',
  '%s {0} $&',
  '9'.repeat(400),
  '('.repeat(5_000),
  '['.repeat(20_000),
  `${'1+'.repeat(20_000)}1`,
  '-'.repeat(30_000),
  '0x100000/4',
  '0x100000/-4',
  '/',
  'AAAA',
  '!!!!',
  'write',
  'instruction',
  'triple-fault',
  'guest-exception',
];
const NUMBERS = [0, 1, -1, 2, 5, 20, 1000, 1.5, -7.25, 4096, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53, -(2 ** 53), 1e300];
const FIELDS = [
  ...[
    'memoryReference',
    'offset',
    'count',
    'instructionCount',
    'instructionOffset',
    'expression',
    'context',
    'frameId',
  ],
  ...['variablesReference', 'name', 'value', 'start', 'threadId', 'granularity', 'targetId', 'levels', 'startFrame'],
  ...['source', 'breakpoints', 'line', 'endLine', 'filters', 'filterOptions', 'text', 'column', 'data', 'allowPartial'],
  ...['most', 'mostPerGroup', 'address', 'asAddress', 'bytes', 'sourceReference', 'linesStartAt1', 'arguments'],
];
const ITEM_FIELDS = [
  ...['line', 'condition', 'hitCondition', 'logMessage', 'name', 'instructionReference', 'offset', 'dataId'],
  ...['accessType', 'path', 'filterId', 'sourceReference'],
];

/** The types of fields as the protocol has them; sent so in most messages, so that these get past the first check. */
const NUMERIC =
  /^(offset|count|instruction(Count|Offset)|frameId|.*Reference|start|threadId|targetId|levels|startFrame|(endL|l)ine|column|most.*|address|bytes)$/;
const LISTS = /^(breakpoints|filters|filterOptions)$/;

function pick<T>(random: Random, list: readonly T[]): T | undefined {
  return list[random(list.length)];
}

function scalar(random: Random): unknown {
  switch (random(8)) {
    case 0:
      return null;
    case 1:
      return random(2) === 0;
    case 2:
      return [];
    case 3:
      return {};
    case 4:
    case 5:
      return pick(random, NUMBERS);
    default:
      return pick(random, TEXTS);
  }
}

/** An item of a list, or a source. */
function item(random: Random): unknown {
  if (random(6) === 0) return scalar(random);
  const fields = Array.from({ length: random(5) }, () => pick(random, ITEM_FIELDS) ?? '');
  return Object.fromEntries([...fields, 'line'].map((name) => [name, fieldValue(random, name)]));
}

function fieldValue(random: Random, name: string): unknown {
  if (random(12) === 0) return scalar(random);
  if (name === 'path') return MINIKERNEL;
  if (name === 'memoryReference' || name === 'instructionReference') return pick(random, TEXTS);
  if (name === 'source') return item(random);
  if (LISTS.test(name)) return Array.from({ length: random(4) }, () => item(random));
  return NUMERIC.test(name) ? pick(random, NUMBERS) : pick(random, TEXTS);
}

function someArguments(random: Random): unknown {
  if (random(15) === 0) return scalar(random);
  return Object.fromEntries(FIELDS.filter(() => random(3) > 0).map((name) => [name, fieldValue(random, name)]));
}

const PROGRAMS = [MINIKERNEL, MINIKERNEL, join(BROKEN, 'endless.asm'), join(BROKEN, 'triple-fault.asm'), BROKEN, '', 7];
const SETTINGS = [
  {},
  { cpu: 'trap' },
  { cpu: 'hw', mmu: 'shadow' },
  { cpu: 'hw', mmu: 'nested' },
  { cpu: 5 },
  { mmu: 'x' },
];

function randomLaunch(random: Random): unknown {
  return {
    program: pick(random, PROGRAMS),
    memoryMiB: random(9) === 0 ? scalar(random) : 2 + random(4),
    ...pick(random, SETTINGS),
    ...(random(6) === 0 ? { [pick(random, TEXTS) ?? '']: scalar(random) } : {}),
    stopOnEntry: random(4) > 0,
  };
}

function sendSomething(client: Conversation, random: Random): void {
  switch (random(40)) {
    case 0:
      client.framed(Buffer.from(Array.from({ length: random(60) }, () => random(256))));
      return;
    case 1:
      client.framed(JSON.stringify(scalar(random)));
      return;
    case 2:
      client.framed(
        JSON.stringify({ type: pick(random, ['event', 'response', 'reply', 7, null]), command: 'threads' }),
      );
      return;
    case 3:
    case 4:
      client.send(pick(random, STRANGE) ?? '', someArguments(random));
      return;
    case 5:
      if (random(4) === 0) client.send('launch', randomLaunch(random));
      else client.send('configurationDone');
      return;
    case 6:
    case 7:
    case 8:
      client.send(pick(random, RUNS) ?? '', { threadId: 1, granularity: pick(random, TEXTS) });
      return;
    case 9:
      client.send('pause', { threadId: 1 });
      return;
    default: {
      const name = pick(random, NAMES) ?? '';
      // A launch costs a machine, and behind an end every request is refused alike.
      if (/^(launch|restart|terminate|disconnect)$/.test(name) && random(20) > 0) return;
      client.send(name, name === 'launch' ? randomLaunch(random) : someArguments(random));
    }
  }
}

async function expectWorking(client: Conversation): Promise<void> {
  const stops = client.events.get('stopped') ?? 0;
  expect(await client.answer(client.send('launch', { program: MINIKERNEL, cpu: 'trap' }))).toMatchObject({
    success: true,
  });
  expect(await client.answer(client.send('configurationDone'))).toMatchObject({ success: true });
  const stack = await client.answer(client.send('stackTrace', { threadId: 1 }));
  expect(stack).toMatchObject({ success: true, body: { totalFrames: 1 } });
  expect(client.events.get('stopped') ?? 0).toBeGreaterThan(stops);
}

describe('an adapter whose client sends anything', () => {
  it(`answers each of ${MESSAGES} random messages exactly once, blames nobody else, and goes on`, {
    timeout: 60_000 + MESSAGES * 10,
  }, async () => {
    const client = new Conversation();
    const random = sequence(Number(process.env.RINGSIDE_SEED ?? 1));
    await expectWorking(client);
    for (let sent = 0; sent < MESSAGES; sent += 40) {
      for (let i = 0; i < 40; i++) sendSomething(client, random);
      await client.answer(client.send('pause', { threadId: 1 }));
      await new Promise((resolve) => setImmediate(resolve));
      if (random(8) === 0) await client.answer(client.send('launch', randomLaunch(random)));
    }
    await client.settle();
    expect(client.problems()).toEqual([]);
    await expectWorking(client);
  });

  it('refuses every request before a launch in a sentence', async () => {
    const client = new Conversation();
    const random = sequence(3);
    const answers = await Promise.all(
      NAMES.filter((name) => !/^(launch|terminate|disconnect)$/.test(name)).map((name) =>
        client.answer(client.send(name, someArguments(random))),
      ),
    );
    for (const { success, message } of answers) {
      expect(success).toBe(false);
      expect(message).toMatch(/send a launch request first|needs (the )?argument|not among those/);
    }
    await expectWorking(client);
  });

  it('gives up a running guest when another is launched', async () => {
    const client = new Conversation();
    const endless = { program: join(BROKEN, 'endless.asm'), stopOnEntry: false };
    for (let i = 0; i < 3; i++) {
      expect(await client.answer(client.send('launch', endless))).toMatchObject({ success: true });
      await client.answer(client.send('configurationDone'));
    }
    await expectWorking(client);
    expect(client.events.get('stopped')).toBe(1);
    expect(client.events.get('terminated')).toBeUndefined();
  });

  it('answers everybody who ends a running guest at the same time', async () => {
    const client = new Conversation();
    await client.answer(client.send('launch', { program: join(BROKEN, 'endless.asm'), stopOnEntry: false }));
    await client.answer(client.send('configurationDone'));
    for (const command of ['restart', 'terminate', 'launch', 'disconnect', 'terminate']) client.send(command);
    await client.settle();
    expect(client.problems()).toEqual([]);
    await expectWorking(client);
  });

  it('finds the next message behind headers that are none', async () => {
    const client = new Conversation();
    for (const header of [
      'garbage',
      'Content-Length: -5',
      'Content-Length: x',
      'Content-Length:',
      '\u0000\u0001',
      '',
    ]) {
      client.raw(`${header}\r\n\r\n`);
      expect(await client.answer(client.send('nothing'))).toMatchObject({ success: false });
    }
    await expectWorking(client);
  });
});
