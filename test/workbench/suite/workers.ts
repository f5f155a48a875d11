// Watches the workers that the extension starts, so that a test can kill one from outside as a crash would.

interface AnyWorker {
  terminate(): unknown;
  dispatchEvent?(event: unknown): boolean;
}
type WorkerClass = new (...args: unknown[]) => AnyWorker;

/** Where a host keeps its Worker class. */
function holder(): { Worker: WorkerClass } {
  // worker_threads in Node, the global scope in a web worker; both have a property of this name.
  if (typeof process === 'undefined') return globalThis as unknown as { Worker: WorkerClass };
  return require('node:worker_threads') as { Worker: WorkerClass };
}

/** Counts workers from now on, until restore(). */
export function workersOf(): { killLast: () => void; restore: () => void } {
  const place = holder();
  const original = place.Worker;
  const started: AnyWorker[] = [];
  place.Worker = class extends original {
    constructor(...args: unknown[]) {
      super(...args);
      started.push(this);
    }
  };
  return {
    killLast: () => {
      const last = started[started.length - 1];
      if (last === undefined) throw new Error('The extension has started no worker.');
      last.terminate();
      // A web worker dies in silence; a crash of one reports an error, and so does this.
      const event = (globalThis as { Event?: new (type: string) => object }).Event;
      if (typeof process === 'undefined' && event !== undefined)
        last.dispatchEvent?.(Object.assign(new event('error'), { message: 'killed by the suite' }));
    },
    restore: () => {
      place.Worker = original;
    },
  };
}
