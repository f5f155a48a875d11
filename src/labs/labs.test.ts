/** Lab 1, graded: the reference passes; the skeleton and wrong answers fail, each with its predicate and event. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gradeLab } from './grade';
import { parseLab } from './lab';
import { gradeReport, type Grade } from './report';

const ROOT = join(import.meta.dirname, '../..');
const REFERENCE = readFileSync(join(ROOT, 'labs/solutions/01-rings/kernel.asm'), 'utf8');

/** Grades the reference with edits, each of which must fit. */
async function graded(...edits: readonly (readonly [from: string, to: string])[]): Promise<Grade> {
  let source = REFERENCE;
  for (const [from, to] of edits) {
    expect(source).toContain(from);
    source = source.replace(from, to);
  }
  return gradeText(source);
}

async function gradeText(source: string): Promise<Grade> {
  const grade = await gradeLab(
    { folder: 'labs/01-rings', answer: 'answer.asm' },
    {
      read: async (path) => (path === 'answer.asm' ? new TextEncoder().encode(source) : readFileSync(join(ROOT, path))),
    },
  );
  if ('problems' in grade) throw new Error(grade.problems.join('\n'));
  return grade;
}

const failed = (grade: Grade) => grade.runs.flatMap((run) => run.checks.filter((check) => !check.passed));

describe('lab 1', () => {
  it('passes the reference solution', async () => {
    const grade = await graded();
    expect(failed(grade)).toEqual([]);
    expect(grade.passed).toBe(true);
  });

  it('fails the untouched skeleton: ring 3 is never reached', async () => {
    const grade = await gradeText(readFileSync(join(ROOT, 'labs/01-rings/kernel.asm'), 'utf8'));
    expect(grade.passed).toBe(false);
    const leaving = failed(grade).find((check) => check.name === 'leaves by iret only');
    expect(leaving?.message).toContain('0 changes ring 0 → 3');
  });

  it('fails a system-call gate left at DPL 0, at the first #GP too many', async () => {
    const grade = await graded(['mov cl, 0xee', 'mov cl, 0x8e']);
    const refused = failed(grade).find((check) => check.name === 'cli is refused once');
    expect(refused?.event?.fields).toMatchObject({ from: 3, to: 0, vector: 13 });
    expect(failed(grade).map((check) => check.name)).toContain('system calls arrive');
  });

  it('fails a program started in ring 0', async () => {
    const grade = await graded(
      ['USER_CODE       equ 0x18 | 3', 'USER_CODE       equ KERNEL_CODE'],
      ['USER_DATA       equ 0x20 | 3', 'USER_DATA       equ KERNEL_DATA'],
    );
    expect(failed(grade).map((check) => check.name)).toContain('in and out in turn');
    expect(failed(grade).map((check) => check.name)).toContain('cli is refused once');
  });

  it('fails IOPL 3: cli is not refused, and the timer falls silent', async () => {
    const grade = await graded(['push dword 0x202', 'push dword 0x3202']);
    const names = failed(grade).map((check) => check.name);
    expect(names).toContain('cli is refused once');
    expect(names).toContain('ends well');
    const ends = failed(grade).find((check) => check.name === 'ends well');
    expect(ends?.message).toContain('had not ended');
    expect(ends?.event).toBeDefined();
  });

  it('reports the failed predicate, its event and its source line', async () => {
    const report = gradeReport(await graded(['mov cl, 0xee', 'mov cl, 0x8e']));
    expect(report).toContain('FAILED: cli is refused once');
    expect(report).toMatch(/First offending event: #\d+ ring from 3 to 0 cause exception vector 13.*answer\.asm:\d+/);
  });
});

describe('a lab file', () => {
  it('is refused with sentences that name the field', () => {
    const parsed = parseLab(
      'lab.json',
      '{"title":"x","runs":[{"name":"a","limit":0}],"checks":[{"name":"c","kind":"magic"}]}',
    );
    expect(parsed).toHaveProperty('problems');
    const problems = 'problems' in parsed ? parsed.problems.join('\n') : '';
    expect(problems).toContain('"objective" must be a text');
    expect(problems).toContain('runs[0]: "limit" must be a whole number from 1');
    expect(problems).toContain('checks[0]: "kind" is "magic"');
    const misspelt = parseLab(
      'lab.json',
      JSON.stringify({
        ...{ title: 'x', objective: 'x', reading: 'x', answer: 'x', hint: 'x', runs: [{ name: 'a' }] },
        checks: [{ name: 'c', kind: 'transitions', way: '3>0', minmum: 1, onlyCause: 'softwre' }],
      }),
    );
    expect(misspelt).toEqual({
      problems: [
        expect.stringMatching(/checks\[0\]: "onlyCause" is "softwre"; it must be one of /),
        expect.stringMatching(/checks\[0\]: "minmum" is no field here; the fields are .*minimum/),
        expect.stringMatching(/^lab\.json: "hint" is no field here/),
      ],
    });
    const broken = parseLab('lab.json', '{');
    expect('problems' in broken && broken.problems[0]).toMatch(/^lab\.json is not JSON/);
  });
});
