/** What the language server's worker and its client say to each other beside the Language Server Protocol. */

/** Server to client: the bytes of a file, or no `bytes` when it cannot be read. */
export const READ_FILE_REQUEST = 'ringside/readFile';

export interface ReadFileAnswer {
  readonly bytes?: readonly number[];
}

/** The first message to the worker. */
export interface LanguageInit {
  readonly kind: 'init';
  readonly icedWasm: Uint8Array;
}
