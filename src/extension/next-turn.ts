/** A later turn of the event loop, as soon as waiting messages have been let in; in Node and in web Workers. */

/** The parts of the global scope that hosts have or have not (the DOM's types are not part of this project). */
interface Turns {
  readonly setImmediate?: (action: () => void) => void;
  readonly MessageChannel: new () => {
    readonly port1: { onmessage: (() => void) | null };
    readonly port2: { postMessage(message: unknown): void };
  };
}

/** Makes the function for one worker. */
export function turnMaker(): () => Promise<void> {
  // Node's types lack what web hosts have and the other way round; setImmediate is in Node only.
  const { setImmediate, MessageChannel } = globalThis as unknown as Turns;
  if (setImmediate !== undefined) return () => new Promise((resolve) => setImmediate(resolve));
  // Timers of web hosts wait some milliseconds; a message to oneself does not.
  const waiting: (() => void)[] = [];
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => waiting.shift()?.();
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port2.postMessage(0);
    });
}
