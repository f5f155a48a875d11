/**
 * The envelope between an extension host and the session worker: Debug Adapter Protocol messages in both directions,
 * file reads that only the host can do, and the start and death of the worker.
 *
 * Both sides send plain structured-cloneable objects with `postMessage`; the same messages serve `worker_threads` and web
 * Workers. Order: the host sends `init` first; the worker answers `ready` or `fatal`; `dap` messages sent before `ready`
 * are kept and handled in order.
 */
import type { DebugProtocol } from '@vscode/debugprotocol';

/** Host to worker. */
export type HostMessage =
  /**
   * Must be the first message. The bytes are those of the files that ship beside the bundles: `iced_x86_bg.wasm`,
   * `interpreter.wasm` (made anew in the worker when absent) and `vmm-source.json`.
   */
  | {
      readonly kind: 'init';
      readonly icedWasm: Uint8Array;
      readonly interpreterWasm?: Uint8Array;
      readonly vmmSource?: string;
    }
  /** A DAP request (or a response to a reverse request) from the client. */
  | { readonly kind: 'dap'; readonly message: DebugProtocol.ProtocolMessage }
  /** The answer to `readFile`: the content, or undefined when there is no such file or it cannot be read. */
  | { readonly kind: 'file'; readonly id: number; readonly bytes?: Uint8Array };

/** Worker to host. */
export type WorkerMessage =
  | { readonly kind: 'ready' }
  /** A DAP response or event for the client. */
  | { readonly kind: 'dap'; readonly message: DebugProtocol.ProtocolMessage }
  /**
   * Asks for a file: `path` is written as the launch configuration or an `%include` led to it: an absolute path, or a URI
   * with a scheme (web hosts). The host answers with `file` and the same id.
   */
  | { readonly kind: 'readFile'; readonly id: number; readonly path: string }
  /** The session cannot go on; one sentence for a person. The worker answers nothing after it. */
  | { readonly kind: 'fatal'; readonly message: string };
