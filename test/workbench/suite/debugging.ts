// F5, steps, breakpoints, variables and the guest's whole run.
import type { DebugProtocol } from '@vscode/debugprotocol';
import * as vscode from 'vscode';
import { entryLine, lineOf, minikernel, textOf } from './guest';
import { andStop, breakAt, equal, evaluate, launch, matches, pressF5, tidy, useRecorder } from './session';
import { say } from './witness';

export function debugging(): void {
  const recorder = useRecorder();

  it('F5 without a launch.json stands at the entry of the guest kernel', async () => {
    const began = performance.now();
    const { reason, frame, at } = await pressF5(recorder);
    say(`measured: F5 command to the first stop ${Math.round(at - began)} ms`);
    equal(reason, 'entry', 'reason of the stop');
    equal(frame.line, await entryLine(), 'line of the stop');
    matches(frame.source?.path ?? '', /minikernel\/kernel\.asm$/, 'source of the stop');
  });

  it('steps to the next line and changes the register that the line sets', async () => {
    await pressF5(recorder);
    const { frame, session, reason } = await andStop(recorder, 'stepOver');
    equal(reason, 'step', 'reason of the stop');
    equal(frame.line, (await entryLine()) + 1, 'line after the step');
    matches(await evaluate(session, frame.id, 'esp'), /0x0*20_?0000/i, 'esp after mov esp, BOOT_STACK_TOP');
  });

  it('steps back to the line that it came from', async () => {
    const first = await pressF5(recorder);
    await andStop(recorder, 'stepOver');
    const { frame } = await andStop(recorder, 'stepBack');
    equal(frame.line, first.frame.line, 'line after the step back');
  });

  it('stops at a breakpoint in an included file and shows the call stack', async () => {
    const traps = minikernel('paging.asm');
    const line = await lineOf(traps, /^\s+[a-z]/, /^paging_setup:/);
    breakAt(traps, line);
    await pressF5(recorder);
    const { frame, session, reason } = await andStop(recorder, 'continue');
    equal(reason, 'breakpoint', 'reason of the stop');
    equal(frame.line, line, 'line of the stop');
    const trace = (await session.customRequest('stackTrace', {
      threadId: 1,
    })) as DebugProtocol.StackTraceResponse['body'];
    const caller = trace.stackFrames[1];
    matches(caller?.source?.path ?? '', /kernel\.asm$/, 'the caller');
  });

  it('shows registers and flags in Variables and evaluates registers, memory and labels', async () => {
    const { frame, session } = await pressF5(recorder);
    const { scopes } = (await session.customRequest('scopes', {
      frameId: frame.id,
    })) as DebugProtocol.ScopesResponse['body'];
    const names: string[] = [];
    for (const scope of scopes) {
      const { variables } = (await session.customRequest('variables', {
        variablesReference: scope.variablesReference,
      })) as DebugProtocol.VariablesResponse['body'];
      names.push(...variables.map((variable) => variable.name.toLowerCase()));
    }
    for (const name of ['eax', 'esp', 'eip', 'cs', 'cr0', 'cr3'])
      if (!names.includes(name)) throw new Error(`${name} is not among the variables: ${names.join(' ')}`);
    matches(await evaluate(session, frame.id, 'eip'), /0x0*10_?0/i, 'eip');
    matches(await evaluate(session, frame.id, 'start'), /0x0*10_?0/i, 'the label start');
    // The first word of the image is the multiboot magic number.
    matches(
      await evaluate(session, frame.id, 'dword [multiboot_header]'),
      /1bad_?b002|464367618/i,
      'memory at a label',
    );
  });

  it('runs the guest to its intended end under every technique, with the same output', async () => {
    const outputs: string[] = [];
    for (const [cpu, mmu] of [
      ['native', 'none'],
      ['trap', 'shadow'],
      ['hw', 'shadow'],
      ['hw', 'nested'],
    ] as const) {
      const began = performance.now();
      await launch(recorder, { cpu, mmu, stopOnEntry: false });
      await recorder.terminated(40_000);
      say(`measured: launch and whole run under ${cpu} ${mmu} ${Math.round(performance.now() - began)} ms`);
      outputs.push(recorder.serial());
      equal(outputs[outputs.length - 1], outputs[0], `output under ${cpu} ${mmu}, compared with native`);
      await tidy(recorder);
    }
    // output.txt is another machine's run: where the timer strikes decides how the lines of the processes interleave.
    const sorted = (text: string): string => text.split('\n').sort().join('\n');
    equal(sorted(outputs[0] ?? ''), sorted(await textOf(minikernel('output.txt'))), 'lines of the output');
  }).timeout(170_000);

  it('offers every technique as a launch configuration', async () => {
    const extension = vscode.extensions.getExtension('ringside.ringside');
    const manifest: unknown = extension?.packageJSON;
    matches(JSON.stringify(manifest), /"cpu":"trap".*"mmu":"shadow"/, 'the snippets of the manifest');
  });
}
