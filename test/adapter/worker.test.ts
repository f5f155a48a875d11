import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { afterEach, describe, expect, it } from 'vitest';
import type { HostMessage, WorkerMessage } from '../../src/dap/worker-messages';
import { MINIKERNEL, ROOT } from './client';

const DIST = join(ROOT, 'dist');
const started: Worker[] = [];

afterEach(async () => {
  for (const worker of started.splice(0)) await worker.terminate();
});

/** A worker as the extension starts it, with what it sends kept in order. */
class Host {
  readonly received: WorkerMessage[] = [];
  private readonly worker = new Worker(join(DIST, 'session-worker.js'));
  private seq = 1;
  private changed: () => void = () => {};

  constructor(private readonly files: (path: string) => Uint8Array | undefined) {
    started.push(this.worker);
    // The worker posts nothing but the messages of worker-messages.ts.
    this.worker.on('message', (message: WorkerMessage) => {
      this.received.push(message);
      if (message.kind === 'readFile') {
        const bytes = this.files(message.path);
        this.post({ kind: 'file', id: message.id, ...(bytes === undefined ? {} : { bytes }) });
      }
      this.changed();
    });
  }

  post(message: HostMessage): void {
    this.worker.postMessage(message);
  }

  request(command: string, args: object = {}): Promise<DebugProtocol.Response> {
    const seq = this.seq++;
    const message: DebugProtocol.Request = { seq, type: 'request', command, arguments: args };
    this.post({ kind: 'dap', message });
    return this.dap<DebugProtocol.Response>((m) => m.type === 'response' && m.request_seq === seq);
  }

  event(name: string): Promise<DebugProtocol.Event> {
    return this.dap<DebugProtocol.Event>((m) => m.type === 'event' && m.event === name);
  }

  private dap<M extends DebugProtocol.ProtocolMessage>(passes: (message: M) => boolean): Promise<M> {
    return this.wait((m) => {
      // The type field, which `passes` looks at first, tells requests, responses and events apart.
      const message = m.kind === 'dap' ? (m.message as M) : undefined;
      return message !== undefined && passes(message) ? message : undefined;
    });
  }

  wait<T>(find: (message: WorkerMessage) => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const look = (): void => {
        for (const message of this.received) {
          const found = find(message);
          if (found !== undefined) return resolve(found);
        }
        return undefined;
      };
      this.changed = look;
      look();
    });
  }
}

const shipped = (name: string): Uint8Array => Uint8Array.from(readFileSync(join(DIST, name)));
const init = (): HostMessage => ({
  kind: 'init',
  icedWasm: shipped('iced_x86_bg.wasm'),
  interpreterWasm: shipped('interpreter.wasm'),
});
const disk = (path: string): Uint8Array => Uint8Array.from(readFileSync(path));

describe('the session worker', () => {
  it('runs a session whose files come from the host, and is paused in an endless guest', async () => {
    const host = new Host((path) =>
      path.endsWith('endless.asm') ? Buffer.from('bits 32\norg 0x100000\njmp $\n') : disk(path),
    );
    host.post(init());
    expect((await host.request('initialize', { adapterID: 'ringside' })).success).toBe(true);
    expect((await host.request('launch', { program: 'memfs:/endless.asm', serial: 'terminal' })).success).toBe(true);
    await host.event('initialized');
    await host.request('configurationDone');
    await host.event('stopped');
    host.received.length = 0;
    await host.request('continue', { threadId: 1 });
    await host.request('pause', { threadId: 1 });
    expect((await host.event('stopped')).body).toMatchObject({ reason: 'pause' });
    expect((await host.request('disconnect')).success).toBe(true);
  });

  it('keeps messages that arrive before it is ready, and sends serial text as its own event', async () => {
    const host = new Host(disk);
    const hello = host.request('initialize', { adapterID: 'ringside' });
    host.post(init());
    expect((await hello).success).toBe(true);
    await host.request('launch', { program: MINIKERNEL, serial: 'terminal', stopOnEntry: false });
    await host.request('configurationDone');
    await host.event('terminated');
    const events = host.received.flatMap((m) => (m.kind === 'dap' && m.message.type === 'event' ? [m.message] : []));
    const bodies = events.map((m) => m as DebugProtocol.Event);
    const serial = bodies.filter((e) => e.event === 'ringside/serial').map((e) => (e.body as { text: string }).text);
    expect(serial.join('')).toContain('[kernel] hello from ring 0\n');
    expect(
      bodies.filter((e) => e.event === 'output' && (e.body as { category: string }).category === 'stdout'),
    ).toEqual([]);
  });

  it('says in one message why it cannot start', async () => {
    const host = new Host(disk);
    host.post({ kind: 'init', icedWasm: Uint8Array.of(1, 2, 3) });
    expect(await host.wait((m) => (m.kind === 'fatal' ? m.message : undefined))).toMatch(
      /The simulator could not start: ./,
    );
  });
});
