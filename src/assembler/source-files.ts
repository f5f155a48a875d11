/** The files of one request: looks up keys, resolves `%include` paths, and cuts sources into lines once for all passes. */
import type { AssembleRequest } from './image';
import type { RawLine } from './macro-table';
import { isSolid, splitLines, type Token, tokenize } from './tokens';

/** What a lookup found: the key and content, or the keys to fetch first, or nothing anywhere. */
export type Lookup =
  | { readonly key: string; readonly content: string | Uint8Array }
  | { readonly needs: string }
  | { readonly tried: readonly string[] };

/** The text of a source that came as bytes is UTF-8; invalid bytes become U+FFFD. */
export function textOfFile(content: string | Uint8Array): string {
  return typeof content === 'string' ? content : new TextDecoder().decode(content);
}

export class SourceFiles {
  readonly #request: AssembleRequest;
  readonly #lines = new Map<string, readonly RawLine[]>();

  constructor(request: AssembleRequest) {
    this.#request = request;
  }

  /** Finds a file that `from` names by `path`: beside `from`, then beside the main file. */
  find(path: string, from: string): Lookup {
    const tried: string[] = [];
    for (const base of new Set([from, this.#request.main])) {
      const key = resolveKey(path, base);
      const content = this.#request.files.get(key);
      if (content !== undefined) return { key, content };
      if (!this.#request.missing?.has(key)) return { needs: key };
      tried.push(key);
    }
    return { tried: [...new Set(tried)] };
  }

  /** The lines of a source, continuation lines joined. */
  lines(key: string, content: string | Uint8Array): readonly RawLine[] {
    const known = this.#lines.get(key);
    if (known) return known;
    const lines = readLines(textOfFile(content), key);
    this.#lines.set(key, lines);
    return lines;
  }
}

function readLines(text: string, file: string): RawLine[] {
  const lines: RawLine[] = [];
  let pending: Token[] = [];
  let start = 1;
  splitLines(text).forEach((content, index) => {
    const tokens = tokenize(content, file, index + 1);
    if (pending.length === 0) start = index + 1;
    const last = tokens.findLast(isSolid);
    if (
      last?.text === '\\' &&
      tokens[tokens.length - 1] !== undefined &&
      !tokens.some((token) => token.kind === 'comment')
    ) {
      pending.push(...tokens.slice(0, tokens.indexOf(last)));
      return;
    }
    lines.push({ tokens: pending.length > 0 ? [...pending, ...tokens] : tokens, file, line: start });
    pending = [];
  });
  if (pending.length > 0) lines.push({ tokens: pending, file, line: start });
  return lines;
}

/** The key that `path` means inside the file `base`; both are URIs or paths with forward slashes. */
export function resolveKey(path: string, base: string): string {
  const wanted = path.replaceAll('\\', '/');
  if (/^[A-Za-z][A-Za-z0-9+.-]+:\/\//.test(wanted)) return wanted;
  const root = /^(?:[A-Za-z][A-Za-z0-9+.-]+:\/\/[^/]*)?\/?/.exec(base)?.[0] ?? '';
  const isUri = root.includes('://');
  const segments = wanted.startsWith('/') ? [] : base.slice(root.length).split('/').slice(0, -1);
  const added = isUri ? wanted.split('/').map(encodeSegment) : wanted.split('/');
  for (const segment of added) {
    if (segment === '..' && segments.length > 0 && segments[segments.length - 1] !== '..') segments.pop();
    else if (segment === '..' && root === '') segments.push(segment);
    else if (segment !== '.' && segment !== '' && segment !== '..') segments.push(segment);
  }
  const start = wanted.startsWith('/') && !isUri ? '/' : root;
  return start + segments.join('/');
}

/** Percent-encodes as VS Code writes its URIs: everything but letters, digits and `-._~`. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
