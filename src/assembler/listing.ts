/** A listing: address, bytes and source text of every statement that makes bytes. */
import type { AssembledImage, LineEntry } from './image';
import { textOfFile } from './source-files';
import { splitLines } from './tokens';

/** Bytes shown on one line. */
const bytesPerLine = 8;

/** The listing as text; `files` gives the sources by the keys of the request. */
export function listing(image: AssembledImage, files: ReadonlyMap<string, string | Uint8Array>): string {
  const sources = new Map<string, readonly string[]>();
  const lines: string[] = [];
  let shown = '';
  for (const entry of image.lines) {
    if (!sources.has(entry.file)) {
      const content = files.get(entry.file);
      sources.set(entry.file, content === undefined ? [] : splitLines(textOfFile(content)));
    }
    const place = `${entry.file}\0${entry.line}`;
    const text = place === shown ? '' : (sources.get(entry.file)?.[entry.line - 1] ?? '');
    shown = place;
    lines.push(...entryLines(image, entry, text));
  }
  return lines.map((line) => line.trimEnd()).join('\n') + (lines.length > 0 ? '\n' : '');
}

function entryLines(image: AssembledImage, entry: LineEntry, text: string): string[] {
  const bytes = bytesOf(image, entry);
  const number = String(entry.line).padStart(5);
  const address = (at: number) => at.toString(16).padStart(8, '0');
  if (!bytes)
    return [`${number} ${address(entry.address)} ${`<${entry.length} reserved>`.padEnd(bytesPerLine * 3)} ${text}`];
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += bytesPerLine) {
    const hex = Array.from(bytes.subarray(at, at + bytesPerLine), (byte) => byte.toString(16).padStart(2, '0')).join(
      ' ',
    );
    lines.push(
      `${at === 0 ? number : '     '} ${address(entry.address + at)} ${hex.padEnd(bytesPerLine * 3)} ${at === 0 ? text : ''}`,
    );
  }
  return lines;
}

function bytesOf(image: AssembledImage, entry: LineEntry): Uint8Array | undefined {
  const section = image.sections.find(
    ({ address, length }) => entry.address >= address && entry.address < address + length,
  );
  if (section?.offset === undefined) return undefined;
  const offset = section.offset + entry.address - section.address;
  return image.bytes.subarray(offset, offset + entry.length);
}
