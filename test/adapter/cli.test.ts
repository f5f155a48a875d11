import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { BROKEN, MINIKERNEL, ROOT } from './client';

const folder = mkdtempSync(join(tmpdir(), 'ringside-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Run {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function ringside(...args: string[]): Run {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'dist', 'ringside.cjs'), ...args], {
    encoding: 'utf8',
    timeout: 50_000,
    maxBuffer: 1 << 26,
  });
  return { status, out: stdout, err: stderr };
}

interface RunReport {
  readonly digest: string;
  readonly output: string;
  readonly facts: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly stop: { readonly cause: string; readonly value: number };
}

describe('ringside run', () => {
  it('prints output, facts and digest', () => {
    const { status, out } = ringside('run', MINIKERNEL, '--cpu', 'trap', '--mmu', 'shadow');
    expect(status).toBe(0);
    expect(out).toMatch(/^\[kernel\] hello from ring 0\n/);
    expect(out).toMatch(/\nexits\n/);
    expect(out).toMatch(/\ndigest\.machine [0-9a-f]{16}\nThe guest ended with status 0\.\n$/);
  });

  it('prints exactly one JSON object on request, the same for the same run', () => {
    const first = ringside('run', MINIKERNEL, '--json');
    const second = ringside('run', '--json', MINIKERNEL);
    expect(first.status).toBe(0);
    expect(second.out).toBe(first.out);
    // The object's shape is what this test is about.
    const report = JSON.parse(first.out) as RunReport;
    expect(Object.keys(report)).toEqual(['digest', 'output', 'facts', 'stop']);
    expect(report.stop).toMatchObject({ cause: 'debugExit', value: 0 });
    expect(report.output).toContain('both processes have ended');
  });

  it('ends with 1 for a guest that fails, and for one that never ends', () => {
    const fault = ringside('run', join(BROKEN, 'triple-fault.asm'), '--quiet');
    expect(fault).toMatchObject({ status: 1, err: expect.stringMatching(/^Triple fault at start/) });
    const stalled = ringside('run', join(BROKEN, 'no-progress.asm'), '--cpu', 'trap', '--json');
    expect(stalled).toMatchObject({ status: 1, err: expect.stringContaining('The guest makes no progress at 0x1000') });
    expect(JSON.parse(stalled.out)).toMatchObject({ stop: { cause: 'stalled', value: 0 } });
    const endless = ringside('run', join(BROKEN, 'endless.asm'), '--json', '--limit', '100000');
    expect(endless.status).toBe(1);
    expect(JSON.parse(endless.out)).toMatchObject({
      stop: { cause: 'limit' },
      facts: { run: { instructions: 100000 } },
    });
  });

  it('ends with 2 and one sentence for bad input and bad usage', () => {
    const cases: [string[], RegExp][] = [
      [['run'], /^Name the guest to run/],
      [['run', 'absent.asm'], /absent\.asm" cannot be read/],
      [['run', join(BROKEN, 'malformed.asm')], /malformed\.asm:4:14: .*nowhere/],
      [['run', MINIKERNEL, '--cpu', 'magic'], /^"cpu" is "magic"; it must be one of/],
      [['run', MINIKERNEL, '--memory', 'much'], /^--memory is "much"; it must be a whole number/],
      [['run', MINIKERNEL, '--frobnicate'], /^There is no option --frobnicate/],
      [['run', MINIKERNEL, '--limit'], /wants a value/],
      [['run', MINIKERNEL, '--limit', '0'], /^--limit is 0; it must be a whole number from 1/],
      [['run', MINIKERNEL, '--limit', '-1'], /^--limit is "-1"; it must be a whole number/],
      [['run', MINIKERNEL, MINIKERNEL], /^Name one file, not 2/],
      [['run', MINIKERNEL, '--cpu', 'trap', '--mmu', 'nested'], /^Nested paging is part of VT-x/],
      [['run', BROKEN], /guests" cannot be read; correct its path/],
      [['asm', MINIKERNEL, '-o', BROKEN], /guests" cannot be written \(EISDIR.*name a file/],
      [['compare', 'absent.asm'], /absent\.asm" cannot be read/],
      [['grade', BROKEN], /lab\.json cannot be read: name a lab's folder/],
      [['dap', '--port', '70000'], /^--port is 70000; it must be a whole number from 1 to 65535/],
      [['fly'], /^There is no command "fly"/],
    ];
    for (const [args, message] of cases) {
      const { status, err, out } = ringside(...args);
      expect([args.join(' '), status, out]).toEqual([args.join(' '), 2, '']);
      expect(err).toMatch(message);
    }
  });

  it('explains itself', () => {
    expect(ringside('--help')).toMatchObject({ status: 0, out: expect.stringContaining('ringside compare FILE') });
    expect(ringside('run', '--help')).toMatchObject({ status: 0, out: expect.stringContaining('--mmu NAME') });
  });
});

describe('ringside asm', () => {
  it('writes the binary and a listing', () => {
    const binary = join(folder, 'kernel.bin');
    const listing = join(folder, 'kernel.lst');
    expect(ringside('asm', MINIKERNEL, '-o', binary, '-l', listing)).toMatchObject({ status: 0, out: '', err: '' });
    // The multiboot magic number, little endian.
    expect([...readFileSync(binary).subarray(0, 4)]).toEqual([0x02, 0xb0, 0xad, 0x1b]);
    expect(readFileSync(listing, 'utf8')).toContain('lgdt    [gdt_pointer]');
  });

  it('refuses a broken source', () => {
    const { status, err } = ringside('asm', join(BROKEN, 'malformed.asm'), '-o', join(folder, 'x'));
    expect(status).toBe(2);
    expect(err).toMatch(/malformed\.asm:4:14: /);
  });
});

describe('ringside compare', () => {
  it('runs every setting, prints the facts side by side, and finds one digest', () => {
    const { status, out, err } = ringside('compare', MINIKERNEL);
    expect(err).toBe('');
    expect(status).toBe(0);
    const digests = /^digest\.machine +(.*)$/m.exec(out)?.[1]?.split(/ +/) ?? [];
    expect(digests).toHaveLength(4);
    expect(new Set(digests).size).toBe(1);
    const differing = out.split('\n').filter((line) => /^(\*| {20}|digest)/.test(line));
    const said = ['the minikernel under four settings, what differs:', ...differing];
    console.log(said.map((line) => `measured: ${line}`).join('\n'));
  });
});
