/** A DAP client on a fresh `ringside dap` process, with the few sequences that every test needs. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DebugClient } from '@vscode/debugadapter-testsupport';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { afterEach } from 'vitest';
import type { CustomRequestName, CustomRequests } from '../../src/dap/custom-requests';

const HERE = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(HERE, '..', '..');
export const MINIKERNEL = join(ROOT, 'guests', 'minikernel', 'kernel.asm');
export const TRAPS = join(ROOT, 'guests', 'minikernel', 'traps.asm');
/** 1-based number of the first line of a file that begins so. */
export function lineOf(file: string, beginning: string): number {
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .findIndex((text) => text.startsWith(beginning));
  if (line < 0) throw new Error(`No line of ${file} begins with "${beginning}".`);
  return line + 1;
}

/** The first instruction of the minikernel, and the label line of its common trap entry. */
export const START = lineOf(MINIKERNEL, 'start:') + 1;
export const TRAP = lineOf(TRAPS, 'trap:');
export const BROKEN = join(HERE, 'guests');

const started: DebugClient[] = [];

afterEach(async () => {
  for (const client of started.splice(0)) await client.stop();
});

export async function startClient(): Promise<DebugClient> {
  if (!existsSync(join(ROOT, 'dist', 'ringside.cjs')))
    throw new Error('dist/ringside.cjs is missing: run npm run build.');
  const client = new DebugClient(process.execPath, join(HERE, 'ringside-dap.cjs'), 'ringside', undefined, true);
  client.defaultTimeout = 20_000;
  started.push(client);
  await client.start();
  return client;
}

/** Launches and waits for the stop at the entry; `configure` sets breakpoints before the guest may run. */
export async function launched(
  args: Readonly<Record<string, unknown>> = {},
  configure: (client: DebugClient) => Promise<unknown> = async () => undefined,
): Promise<DebugClient> {
  const client = await startClient();
  const stopped = client.waitForEvent('stopped');
  await Promise.all([
    client.waitForEvent('initialized').then(async () => {
      await configure(client);
      await client.configurationDoneRequest();
    }),
    client.launch({ program: MINIKERNEL, ...args }),
    stopped,
  ]);
  return client;
}

/** Sends a request that lets the guest run, and waits for the next stop. */
export async function stopAfter(
  client: DebugClient,
  action: () => Promise<unknown>,
): Promise<DebugProtocol.StoppedEvent['body']> {
  const stopped = client.waitForEvent('stopped');
  await action();
  return ((await stopped) as DebugProtocol.StoppedEvent).body;
}

export async function topFrame(client: DebugClient): Promise<DebugProtocol.StackFrame> {
  const { body } = await client.stackTraceRequest({ threadId: 1 });
  const [frame] = body.stackFrames;
  if (frame === undefined) throw new Error('The stack is empty.');
  return frame;
}

/** The body of a request for which DebugClient has no method; B is its type in the protocol. */
export async function bodyOf<B>(client: DebugClient, command: string, args: object): Promise<B> {
  // The protocol fixes the body of each command; DebugClient types all of them as any.
  return (await client.customRequest(command, args)).body as B;
}

/** A custom request with its own types. */
export async function ask<N extends CustomRequestName>(
  client: DebugClient,
  name: N,
  args: CustomRequests[N]['arguments'],
): Promise<CustomRequests[N]['body']> {
  // The adapter answers with the body that custom-requests.ts declares for this name.
  return (await client.customRequest(name, args)).body as CustomRequests[N]['body'];
}

/** Sends a request and gives the message of its failure. */
export async function failureOf(request: Promise<unknown>): Promise<string> {
  try {
    await request;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('The request succeeded and should have failed.');
}
