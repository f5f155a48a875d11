import { describe, expect, it } from 'vitest';
import { FLAG_REQUESTS } from '../../src/dap/capabilities';
import { ask, failureOf, launched, MINIKERNEL, START, startClient, stopAfter } from './client';

const SETTINGS = [
  { cpu: 'native', mmu: 'none' },
  { cpu: 'trap', mmu: 'shadow' },
  { cpu: 'hw', mmu: 'shadow' },
  { cpu: 'hw', mmu: 'nested' },
] as const;

describe.each(SETTINGS)('the views under $cpu + $mmu', (setting) => {
  it('show the machine, the transitions, the exits and the page tables', async () => {
    const client = await launched({ ...setting }, (c) =>
      c.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'page_fault' }] }),
    );
    await stopAfter(client, () => client.continueRequest({ threadId: 1 }));

    const machine = await ask(client, 'ringside/machine', {});
    const vcpu = machine.vms[0]?.vcpus[0];
    expect(machine).toMatchObject({ ...setting, memoryMiB: 16, vms: [{ guest: 'minikernel' }] });
    expect(vcpu).toMatchObject({ ring: 0, owner: 'kernel', realRing: setting.cpu === 'trap' ? 1 : 0 });
    expect(vcpu?.location).toMatchObject({ symbol: 'page_fault' });
    const groups = vcpu?.groups.map((group) => group.id);
    expect(groups).toEqual(['control', 'tables', 'tss', 'tlb', ...(setting.cpu === 'hw' ? ['vmcs'] : [])]);

    const transitions = await ask(client, 'ringside/transitions', { most: 5 });
    expect(transitions.rows.length).toBeGreaterThan(0);
    expect(transitions.rows[0]).toMatchObject({ from: 3, to: 0, cause: '#PF', vector: 14 });

    const exits = await ask(client, 'ringside/exits', { mostPerGroup: 3 });
    if (setting.cpu === 'native') expect(exits).toEqual({ total: 0, cyclesShare: 0, groups: [] });
    else {
      expect(exits.total).toBe(exits.groups.reduce((sum, group) => sum + group.count, 0));
      const [group] = exits.groups;
      expect(group?.latest).toHaveLength(3);
      expect(group?.latest[0]).toMatchObject({ reason: group?.reason, instruction: expect.any(String) });
      expect(exits.cyclesShare).toBeGreaterThan(0);
    }

    const tables = await ask(client, 'ringside/pageTables', { most: 100 });
    expect(tables).toMatchObject({ kind: setting.mmu, paging: true });
    expect(tables.secondRoot === undefined).toBe(setting.mmu === 'none');
    expect(tables.secondRoot).not.toBe(tables.guestRoot);
    const rows = tables.rows;
    expect(rows.find((row) => row.gva <= 0x100000 && row.gva + row.length > 0x100000)).toBeDefined();
    expect(rows.some((row) => row.second !== undefined)).toBe(setting.mmu !== 'none');
    expect(rows.every((row) => !row.changed)).toBe(true);
  });

  it('mark the page that a fault has brought in', async () => {
    const client = await launched({ ...setting }, (c) =>
      c.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'page_fault' }] }),
    );
    await stopAfter(client, () => client.continueRequest({ threadId: 1 }));
    await ask(client, 'ringside/pageTables', { most: 100 });
    await stopAfter(client, () => client.stepOutRequest({ threadId: 1 }));
    const { rows } = await ask(client, 'ringside/pageTables', { most: 100 });
    const changed = rows.filter((row) => row.changed);
    expect(changed.map((row) => row.gva)).toContain(0x40010000);
    expect(changed.find((row) => row.gva === 0x40010000)?.was).toBeUndefined();
  });
});

describe('facts', () => {
  it('differ between the settings as they should, and the digest does not', async () => {
    const digests = new Set<string>();
    for (const setting of SETTINGS) {
      const client = await launched({ ...setting }, (c) =>
        c.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'finish' }] }),
      );
      await stopAfter(client, () => client.continueRequest({ threadId: 1 }));
      const { facts, digest } = await ask(client, 'ringside/facts', {});
      digests.add(digest);
      expect(facts).toMatchObject({ exits: { total: expect.any(Number) }, rings: { total: expect.any(Number) } });
    }
    expect([...digests]).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/)]);
  });
});

describe('custom requests', () => {
  it('lead from an address to its line, and take serial input', async () => {
    const client = await launched();
    expect(await ask(client, 'ringside/locate', { address: 0x100020 })).toMatchObject({
      location: { path: MINIKERNEL, line: START, symbol: 'start' },
    });
    expect(await ask(client, 'ringside/locate', { address: 0 })).toEqual({});
    expect(await ask(client, 'ringside/serialInput', { text: 'x' })).toEqual({});
  });

  it('name the cause of a stop at an event', async () => {
    const client = await launched({ cpu: 'hw', mmu: 'shadow' }, (c) =>
      c.customRequest('setExceptionBreakpoints', {
        filters: [],
        filterOptions: [{ filterId: 'vm-exit', condition: 'reason == 28' }],
      }),
    );
    const stop = await stopAfter(client, () => client.continueRequest({ threadId: 1 }));
    expect(stop).toMatchObject({ reason: 'exception', description: 'VM exit 28 Control-register access' });
    const info = await client.exceptionInfoRequest({ threadId: 1 });
    expect(info.body.exceptionId).toBe('vm-exit');
  });
});

describe.each(SETTINGS.filter((s) => s.cpu !== 'native'))('stepping into the VMM under $cpu + $mmu', (setting) => {
  it('shows the handler in its own source, step by step, and comes back to the guest', async () => {
    // The guest's first OUT: a trap to the VMM under every technique.
    const client = await launched({ ...setting }, (c) => c.setExceptionBreakpointsRequest({ filters: ['io'] }));
    await stopAfter(client, () => client.continueRequest({ threadId: 1 }));
    await client.setExceptionBreakpointsRequest({ filters: [] });
    await stopAfter(client, () => client.stepBackRequest({ threadId: 1 }));
    const before = await ask(client, 'ringside/machine', {});
    const { body } = await client.stepInTargetsRequest({ frameId: 0 });
    const into = body.targets.find((target) => target.label.includes('VMM'));
    await stopAfter(client, () => client.stepInRequest({ threadId: 1, targetId: into?.id ?? 0 }));

    const steps: string[] = [];
    let values = 0;
    for (let i = 0; i < 40; i++) {
      const frames = (await client.stackTraceRequest({ threadId: 1 })).body.stackFrames;
      const [handler, gate, guest] = frames;
      if (handler?.source?.sourceReference === undefined) break;
      steps.push(handler.name);
      expect(gate?.presentationHint).toBe('label');
      expect(guest?.source?.path).toMatch(/\.asm$/);
      const source = await client.sourceRequest({ sourceReference: handler.source.sourceReference });
      const step = / *\(VMM\)$/;
      const line = source.body.content.split('\n')[handler.line - 1] ?? '';
      const name = handler.name.replace(step, '').split(': ').slice(1).join(': ');
      expect(`${line}${source.body.content.split('\n')[handler.line] ?? ''}`).toContain(name.split(': ').pop());
      const scopes = (await client.scopesRequest({ frameId: handler.id })).body.scopes;
      expect(scopes[0]?.name).toBe('Handler step');
      const shown = await client.variablesRequest({ variablesReference: scopes[0]?.variablesReference ?? 0 });
      values += shown.body.variables.length;
      expect((await ask(client, 'ringside/machine', {})).vms[0]?.vcpus[0]?.owner).toBe('vmm');
      expect(await failureOf(client.evaluateRequest({ expression: 'eax = 1', context: 'repl' }))).toMatch(
        /inside a handler/,
      );
      await stopAfter(client, () => client.nextRequest({ threadId: 1 }));
    }
    expect(steps.length).toBeGreaterThan(1);
    expect(values).toBeGreaterThan(0);
    const after = await ask(client, 'ringside/machine', {});
    expect(after.position).toEqual({ count: before.position.count + 1, step: 0 });
  });
});

describe('data breakpoints', () => {
  it.each(SETTINGS)('stop at a write under $cpu + $mmu', async (setting) => {
    const client = await launched({ ...setting });
    const info = await client.dataBreakpointInfoRequest({ name: '[processes_alive]' });
    const dataId = info.body.dataId ?? '';
    expect(info.body.description).toMatch(/^4 bytes at 0x/);
    const set = await client.setDataBreakpointsRequest({ breakpoints: [{ dataId, accessType: 'write' }] });
    expect(set.body.breakpoints[0]).toMatchObject({ verified: true });
    const stop = await stopAfter(client, () => client.continueRequest({ threadId: 1 }));
    expect(stop).toMatchObject({ reason: 'data breakpoint', hitBreakpointIds: [set.body.breakpoints[0]?.id] });
    const { body } = await client.evaluateRequest({ expression: '[processes_alive]', context: 'watch' });
    expect(body.result).toContain('(1)');
  });

  it('say why they cannot bind', async () => {
    const client = await launched();
    const info = await client.dataBreakpointInfoRequest({ name: 'nowhere' });
    expect(info.body).toMatchObject({ dataId: null, description: expect.stringContaining('nowhere') });
  });
});

describe('capabilities', () => {
  it('announce exactly the requests that are answered', async () => {
    const client = await startClient();
    const { body } = await client.initializeRequest();
    for (const [flag, request] of Object.entries(FLAG_REQUESTS)) {
      const announced = Object.entries(body ?? {}).some(([name, value]) => name === flag && value === true);
      const answer = await failureOf(client.customRequest(request, {}).then(() => Promise.reject(new Error('ok'))));
      expect([flag, announced]).toEqual([flag, !answer.includes('does not know the request')]);
      if (request === 'terminate') break;
    }
  });
});
