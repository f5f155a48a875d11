/** The inside of a worker, the same for worker_threads and web Workers: one place that sends and receives messages. */

export interface WorkerScope {
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
}

/** What a web Worker's global scope offers (the DOM's types are not part of this project). */
interface WebWorkerGlobal {
  postMessage(message: unknown): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
}

/**
 * Opens the scope and hands it over. In a web Worker this happens before the call returns: messages that arrive while no
 * listener is registered would be lost there. In Node they wait.
 */
export function openWorkerScope(start: (scope: WorkerScope) => void): void {
  const scope: object = globalThis;
  if (isWebWorker(scope)) {
    start({
      post: (message) => scope.postMessage(message),
      onMessage: (listener) => scope.addEventListener('message', (event) => listener(event.data)),
    });
    return;
  }
  void import('node:worker_threads').then(({ parentPort }) => {
    if (parentPort === null) throw new Error('This bundle runs in a worker only.');
    start({
      post: (message) => parentPort.postMessage(message),
      onMessage: (listener) => void parentPort.on('message', listener),
    });
  });
}

/** Both are present in web Workers and absent in Node. */
function isWebWorker(scope: object): scope is WebWorkerGlobal {
  return 'postMessage' in scope && 'addEventListener' in scope;
}
