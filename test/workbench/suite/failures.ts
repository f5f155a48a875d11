// Whatever goes wrong gets one clear message, and the next F5 works.
import { scratchGuest } from './guest';
import { waitFor } from './recorder';
import { command, equal, launch, matches, pathOf, pressF5, tidy, useRecorder } from './session';
import { workersOf } from './workers';

export function failures(): void {
  const recorder = useRecorder();

  /** The one sentence that a failed launch gives. */
  async function refusal(attributes: Record<string, unknown>): Promise<string> {
    // A refused launch may reject or answer false; the sentence is what counts.
    void Promise.resolve(launch(recorder, attributes)).catch(() => false);
    const refused = await waitFor('a refused launch', () =>
      recorder.refusals().find((one) => one.command === 'launch'),
    );
    return refused.message;
  }

  async function nextF5Works(): Promise<void> {
    await tidy(recorder);
    equal((await pressF5(recorder)).reason, 'entry', 'the next F5');
  }

  it('a malformed source: file, line and what is wrong', async () => {
    const guest = await scratchGuest('malformed.asm', 'bits 32\norg 0x100000\n  mov eax,\n');
    matches(await refusal({ program: pathOf(guest) }), /malformed\.asm:3/, 'the message');
    await nextF5Works();
  });

  it('a missing file: its name', async () => {
    matches(await refusal({ program: '/nowhere/missing.asm' }), /missing\.asm/, 'the message');
    await nextF5Works();
  });

  it('an unknown technique: its name and those that exist', async () => {
    matches(await refusal({ cpu: 'magic' }), /magic.*native/s, 'the message');
    await nextF5Works();
  });

  it('a guest that triple-faults: stops there, says so, and then ends', async () => {
    const source = 'bits 32\norg 0x100000\n  lidt [none]\n  int3\nnone: dw 0\n  dd 0\n';
    const guest = await scratchGuest('triple.asm', source);
    await launch(recorder, { program: pathOf(guest), stopOnEntry: false });
    const { said, frame } = await recorder.stop();
    matches(said, /triple fault/i, 'the reason of the stop');
    equal(frame.line, 4, 'line of the stop');
    await command('workbench.action.debug.continue');
    await recorder.terminated();
    matches(recorder.output(), /triple fault/i, 'the message');
    await nextF5Works();
  });

  it('a guest that loops for ever: pause and stop work', async () => {
    const guest = await scratchGuest('endless.asm', 'bits 32\norg 0x100000\nforever:\n  jmp forever\n');
    await launch(recorder, { program: pathOf(guest) });
    // From its entry on, the session is the one that the workbench's debug commands go to.
    await recorder.stop();
    await command('workbench.action.debug.continue');
    await new Promise((next) => setTimeout(next, 300));
    recorder.clear();
    await command('workbench.action.debug.pause');
    const { reason, frame } = await recorder.stop();
    equal(reason, 'pause', 'reason of the stop');
    equal(frame.line, 4, 'line of the stop');
    await nextF5Works();
  });

  it('a simulator worker that dies: one message, and the next F5 works', async () => {
    const workers = workersOf();
    try {
      await pressF5(recorder);
      recorder.clear();
      workers.killLast();
      await recorder.terminated();
      matches(recorder.output(), /simulator stopped/i, 'the message');
      equal(recorder.output().trim().split('\n').length, 1, 'lines of the message');
    } finally {
      workers.restore();
    }
    await nextF5Works();
  });
}
