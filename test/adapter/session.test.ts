import { join } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { describe, expect, it } from 'vitest';
import { HANDLER_GROUPS } from '../../src/dap/adapter';
import {
  ask,
  bodyOf,
  BROKEN,
  failureOf,
  launched,
  MINIKERNEL,
  START,
  startClient,
  stopAfter,
  topFrame,
  TRAP,
  TRAPS,
} from './client';

type Rows = { readonly instructions: readonly DebugProtocol.DisassembledInstruction[] };

describe('a session on the minikernel', () => {
  it('stops at the entry, steps, and stops at a breakpoint in a margin', async () => {
    const client = await launched();
    const entry = await topFrame(client);
    expect(entry).toMatchObject({ line: START, source: { path: MINIKERNEL } });
    await stopAfter(client, () => client.nextRequest({ threadId: 1 }));
    expect((await topFrame(client)).line).toBe(START + 1);
    const { body } = await client.setBreakpointsRequest({
      source: { path: TRAPS },
      breakpoints: [{ line: TRAP - 1 }, { line: TRAP }],
    });
    expect(body.breakpoints[0]).toMatchObject({
      verified: true,
      line: TRAP + 1,
      message: expect.stringContaining('moved'),
    });
    const stop = await stopAfter(client, () => client.continueRequest({ threadId: 1 }));
    expect(stop).toMatchObject({
      reason: 'breakpoint',
      hitBreakpointIds: expect.arrayContaining([body.breakpoints[0]?.id]),
    });
    expect(await topFrame(client)).toMatchObject({ line: TRAP + 1, source: { path: TRAPS } });
  });

  it('answers stack, scopes and variables after each step, and prints how long that takes', async () => {
    const client = await launched({ cpu: 'trap', mmu: 'shadow' }, (c) =>
      c.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'system_call' }] }),
    );
    await stopAfter(client, () => client.continueRequest({ threadId: 1 }));
    const times: number[] = [];
    for (let i = 0; i < 8; i++) {
      await stopAfter(client, () => client.stepInRequest({ threadId: 1 }));
      const began = performance.now();
      await client.threadsRequest();
      const { body } = await client.stackTraceRequest({ threadId: 1, startFrame: 0, levels: 20 });
      const scopes = await client.scopesRequest({ frameId: body.stackFrames[0]?.id ?? 0 });
      for (const scope of scopes.body.scopes) {
        const { body: values } = await client.variablesRequest({ variablesReference: scope.variablesReference });
        expect(values.variables.length).toBeGreaterThan(0);
      }
      times.push(performance.now() - began);
    }
    times.sort((a, b) => a - b);
    const median = times[4] ?? 0;
    console.log(
      `measured: stack, scopes and all variables after a step: ${median.toFixed(1)} ms (median of ${times.length})`,
    );
  });

  it('keeps the names and the order of scopes and registers', async () => {
    const client = await launched();
    const scopes = async (): Promise<DebugProtocol.Scope[]> => (await client.scopesRequest({ frameId: 0 })).body.scopes;
    const before = await scopes();
    expect(before.map((s) => s.name)).toEqual(['Registers', 'Flags', 'Segments', 'Control', 'System']);
    const registers = (await client.variablesRequest({ variablesReference: before[0]?.variablesReference ?? 0 })).body;
    expect(registers.variables.map((v) => v.name).join(' ')).toBe('eax ecx edx ebx esp ebp esi edi eip eflags');
    expect(registers.variables[0]?.value).toBe('0x2badb002');
    expect(registers.variables[8]?.value).toBe('0x00100020 start');
    await stopAfter(client, () => client.nextRequest({ threadId: 1 }));
    expect(await scopes()).toEqual(before);
  });

  it('evaluates, assigns, and says what is wrong with an expression', async () => {
    const client = await launched();
    const value = async (expression: string, context: string): Promise<string> =>
      (await client.evaluateRequest({ expression, context })).body.result;
    expect(await value('eax', 'hover')).toContain('0x2badb002');
    expect(await value('start', 'watch')).toBe('0x00100020 (1048608) start');
    expect(await value('[multiboot_header]', 'repl')).toContain('0x1badb002');
    expect(await value('ebx = eax + 1', 'repl')).toContain('0x2badb003');
    expect(await value('ebx', 'watch')).toContain('0x2badb003');
    expect(await failureOf(client.evaluateRequest({ expression: 'nothing', context: 'hover' }))).toMatch(
      /neither a register/,
    );
    const set = await client.setVariableRequest({ variablesReference: 2, name: 'ZF', value: '1' });
    expect(set.body.value).toBe('1');
    expect(await failureOf(client.setVariableRequest({ variablesReference: 3, name: 'CS', value: '8' }))).toMatch(
      /cannot be set/,
    );
  });

  it('reads and writes memory in every space and reports what is not mapped', async () => {
    const client = await launched();
    const read = async (memoryReference: string, count: number): Promise<DebugProtocol.ReadMemoryResponse['body']> =>
      bodyOf(client, 'readMemory', { memoryReference, offset: 0, count });
    const magic = Buffer.from([0x02, 0xb0, 0xad, 0x1b]).toString('base64');
    for (const reference of ['0x100000', 'vm0/gpa/0x100000', 'host/hpa/0x100000']) {
      expect(await read(reference, 4)).toEqual({ address: reference, data: magic });
    }
    expect(await read('vm0/gpa/0xfffffe', 8)).toMatchObject({ unreadableBytes: 6 });
    expect(await read('0xf0000000', 16)).toEqual({ address: '0xf0000000', unreadableBytes: 16 });
    const data = Buffer.from([1, 2, 3, 4]).toString('base64');
    await client.customRequest('writeMemory', { memoryReference: '0x9000', data });
    expect(await read('vm0/gpa/0x9000', 4)).toMatchObject({ data });
    expect(await failureOf(client.customRequest('readMemory', { memoryReference: 'eax', count: 4 }))).toMatch(
      /no address/,
    );
  });

  it('disassembles exactly the rows asked for, with the instruction pointer on one', async () => {
    const client = await launched();
    const ip = (await topFrame(client)).instructionPointerReference ?? '';
    for (const instructionOffset of [-200, -20, 0, 5]) {
      const body = await bodyOf<Rows>(client, 'disassemble', {
        memoryReference: ip,
        offset: 0,
        instructionOffset,
        instructionCount: 400,
        resolveSymbols: true,
      });
      const rows = body.instructions;
      expect(rows).toHaveLength(400);
      if (instructionOffset <= 0) expect(Number(rows[-instructionOffset]?.address)).toBe(Number(ip));
    }
    const body = await bodyOf<Rows>(client, 'disassemble', { memoryReference: ip, instructionCount: 2 });
    expect(body.instructions[0]).toMatchObject({
      instruction: 'mov esp, 0x200000',
      symbol: 'start',
      line: START,
      location: { path: MINIKERNEL },
    });
  });

  it('stops at an instruction breakpoint, as the disassembly view sets it, under every technique', async () => {
    for (const [cpu, mmu] of [
      ['native', 'none'],
      ['trap', 'shadow'],
      ['hw', 'nested'],
    ] as const) {
      const client = await launched({ cpu, mmu });
      const ip = (await topFrame(client)).instructionPointerReference ?? '';
      const { instructions } = await bodyOf<Rows>(client, 'disassemble', { memoryReference: ip, instructionCount: 12 });
      const wanted = instructions[9]?.address ?? '';
      const set = await bodyOf<{ breakpoints: readonly object[] }>(client, 'setInstructionBreakpoints', {
        breakpoints: [{ instructionReference: wanted }],
      });
      expect(set.breakpoints[0]).toMatchObject({ verified: true });
      const stop = await stopAfter(client, () => client.continueRequest({ threadId: 1 }));
      expect(stop).toMatchObject({ reason: 'instruction breakpoint' });
      expect(Number((await topFrame(client)).instructionPointerReference)).toBe(Number(wanted));
    }
  });

  it('pauses and terminates a guest that loops for ever', async () => {
    const client = await launched({ program: join(BROKEN, 'endless.asm') });
    await client.continueRequest({ threadId: 1 });
    const stop = await stopAfter(client, () => client.pauseRequest({ threadId: 1 }));
    expect(stop.reason).toBe('pause');
    await client.continueRequest({ threadId: 1 });
    expect(await failureOf(client.stackTraceRequest({ threadId: 1 }))).toMatch(/running/);
    const terminated = client.waitForEvent('terminated');
    await client.terminateRequest();
    await terminated;
  });

  it('restarts with its breakpoints', async () => {
    const client = await launched({}, (c) =>
      c.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'serial_setup' }] }),
    );
    await stopAfter(client, () => client.continueRequest({ threadId: 1 }));
    expect((await topFrame(client)).name).toContain('serial_setup');
    const entry = await stopAfter(client, () => client.restartRequest({ arguments: undefined }));
    expect(entry.reason).toBe('entry');
    expect((await topFrame(client)).name).toContain('start');
    const again = await stopAfter(client, () => client.continueRequest({ threadId: 1 }));
    expect(again.reason).toBe('function breakpoint');
  });

  it('goes back in time over the whole machine', async () => {
    const client = await launched({ cpu: 'hw', mmu: 'nested' }, (c) =>
      c.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'system_call' }] }),
    );
    await stopAfter(client, () => client.continueRequest({ threadId: 1 }));
    const first = await ask(client, 'ringside/machine', {});
    await stopAfter(client, () => client.continueRequest({ threadId: 1 }));
    await stopAfter(client, () => client.reverseContinueRequest({ threadId: 1 }));
    expect((await ask(client, 'ringside/machine', {})).position).toEqual(first.position);
    await stopAfter(client, () => client.stepBackRequest({ threadId: 1 }));
    expect((await ask(client, 'ringside/machine', {})).position.count).toBe(first.position.count - 1);
  });
});

describe('running to the end', () => {
  it('sends the serial output and how the guest ended', async () => {
    const client = await startClient();
    let text = '';
    client.on('output', (event: DebugProtocol.OutputEvent) => {
      if (event.body.category === 'stdout') text += event.body.output;
    });
    const exited = client.waitForEvent('exited');
    const terminated = client.waitForEvent('terminated');
    await Promise.all([client.configurationSequence(), client.launch({ program: MINIKERNEL, stopOnEntry: false })]);
    expect((await exited).body).toEqual({ exitCode: 0 });
    await terminated;
    expect(text).toContain('[kernel] hello from ring 0\n');
    expect(text).toContain('both processes have ended');
  });

  it('runs under noDebug past every breakpoint', async () => {
    const client = await startClient();
    const exited = client.waitForEvent('exited');
    await Promise.all([
      client.waitForEvent('initialized').then(async () => {
        await client.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'system_call' }] });
        await client.configurationDoneRequest();
      }),
      client.launch({ program: MINIKERNEL, noDebug: true }),
    ]);
    expect((await exited).body).toEqual({ exitCode: 0 });
  });
});

describe('what goes wrong is said once and clearly', () => {
  const launchFailure = async (args: Readonly<Record<string, unknown>>): Promise<string> => {
    const client = await startClient();
    return failureOf(client.launch(args));
  };

  it('a malformed source, with file, line and column', async () => {
    const program = join(BROKEN, 'malformed.asm');
    expect(await launchFailure({ program })).toMatch(/malformed\.asm:4:14: .*nowhere/);
  });

  it('a missing file', async () => {
    expect(await launchFailure({ program: join(BROKEN, 'absent.asm') })).toMatch(/absent\.asm" cannot be read/);
  });

  it('an unknown technique, and one that does not exist yet', async () => {
    expect(await launchFailure({ program: MINIKERNEL, cpu: 'magic' })).toMatch(/"cpu" is "magic"; it must be one of/);
    expect(await launchFailure({ program: MINIKERNEL, cpu: 'bt' })).toMatch(/not built yet/);
    expect(await launchFailure({ program: MINIKERNEL, cpu: 'trap', mmu: 'nested' })).toMatch(/part of VT-x/);
  });

  it('a field that is not known, and a program that is not named', async () => {
    expect(await launchFailure({ program: MINIKERNEL, memory: 64 })).toMatch(/"memory" is not known/);
    expect(await launchFailure({})).toMatch(/names no "program"/);
  });

  it('a triple fault: a stop that names it, then the end', async () => {
    const client = await launched({ program: join(BROKEN, 'triple-fault.asm') });
    const stop = await stopAfter(client, () => client.continueRequest({ threadId: 1 }));
    expect(stop).toMatchObject({ reason: 'exception', description: 'Triple fault' });
    expect(await topFrame(client)).toMatchObject({ line: 5 });
    const output = client.waitForEvent('output');
    const exited = client.waitForEvent('exited');
    await client.continueRequest({ threadId: 1 });
    expect((await output).body).toMatchObject({
      category: 'important',
      output: expect.stringContaining('Triple fault at start'),
    });
    expect((await exited).body).toEqual({ exitCode: 1 });
  });

  it('a guest that makes no progress: a stop that says so, at the instruction', async () => {
    const client = await launched({ program: join(BROKEN, 'no-progress.asm'), cpu: 'hw' });
    for (let time = 0; time < 2; time++) {
      const stop = await stopAfter(client, () => client.continueRequest({ threadId: 1 }));
      expect(stop).toMatchObject({
        reason: 'exception',
        description: 'Paused on a guest that makes no progress',
        text: expect.stringMatching(/^The guest makes no progress at 0x1000[0-9a-f]{2}: /),
      });
      expect(await topFrame(client)).toMatchObject({ line: 12 });
    }
  });

  it('requests out of place and requests that do not exist', async () => {
    const client = await startClient();
    await client.initializeRequest();
    expect(await failureOf(client.stackTraceRequest({ threadId: 1 }))).toMatch(/send a launch request first/);
    expect(await failureOf(client.customRequest('ringside/nothing'))).toMatch(/does not know the request/);
  });

  it('hostile arguments: each request is answered once, and the session lives on', async () => {
    const client = await launched();
    const hostile: readonly (object | undefined)[] = [
      undefined,
      {},
      { source: null, breakpoints: 'x', variablesReference: -1, memoryReference: {}, expression: 5, threadId: 'x' },
      {
        source: {},
        breakpoints: [],
        filters: [],
        variablesReference: 1e9,
        memoryReference: '0x1',
        count: -5,
        line: -1,
      },
      {
        memoryReference: '0xffffffff',
        count: 1e12,
        instructionCount: 1e12,
        offset: 5,
        expression: '(((((',
        name: '',
        value: '',
      },
      {
        most: -1,
        mostPerGroup: Number.MAX_SAFE_INTEGER,
        address: -1,
        dataId: 'x',
        text: '',
        column: -9,
        startFrame: 1e9,
      },
    ];
    const running = ['continue', 'next', 'stepIn', 'stepOut', 'stepBack', 'reverseContinue', 'restart', 'launch'];
    const ending = ['terminate', 'disconnect', 'configurationDone', 'initialize'];
    const requests = HANDLER_GROUPS.flatMap((group) => Object.keys(group.requests));
    const harmless = requests.filter((name) => !running.includes(name) && !ending.includes(name));
    expect(harmless.length).toBeGreaterThan(20);
    for (const request of harmless) {
      for (const args of hostile) {
        const answer = await client.customRequest(request, args).then(
          () => 'ok',
          (error: unknown) => String(error),
        );
        // A failure inside the adapter would ask for a report.
        expect([request, args, answer]).not.toEqual([request, args, expect.stringContaining('Please report')]);
      }
    }
    expect((await topFrame(client)).line).toBe(START);
  });

  it('the session survives a message that is no JSON', async () => {
    const client = await launched();
    const output = client.waitForEvent('output');
    // Reaches below the client's typed requests to send what no client should.
    const { outputStream } = client as unknown as { outputStream: NodeJS.WritableStream };
    outputStream.write('Content-Length: 5\r\n\r\n{"a":');
    expect((await output).body).toMatchObject({ output: expect.stringContaining('could not be read') });
    expect((await topFrame(client)).line).toBe(START);
  });
});
