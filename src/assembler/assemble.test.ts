/** What the assembler promises beside its bytes: messages with places, files asked for, line map, symbols, entry, limits. */
import { describe, expect, it } from 'vitest';
import { assemble } from './assemble';
import { gather } from './gather';
import type { AssembledImage, AssembleResult } from './image';
import { listing } from './listing';

function run(text: string, others: Readonly<Record<string, string | Uint8Array>> = {}): AssembleResult {
  return assemble({ main: 'main.asm', files: new Map([['main.asm', text], ...Object.entries(others)]) });
}

function imageOf(text: string, others: Readonly<Record<string, string | Uint8Array>> = {}): AssembledImage {
  const { image, diagnostics } = run(text, others);
  if (!image) throw new Error(JSON.stringify(diagnostics));
  return image;
}

/** First message as `line:column-endColumn text`. */
function message(text: string): string {
  const [first] = run(text).diagnostics;
  return first ? `${first.line}:${first.column}-${first.endColumn} ${first.message}` : '';
}

const head = 'bits 32\n';

describe('errors', () => {
  it.each([
    [`${head}mov eax, nowhere`, '2:9-16 "nowhere" is not defined'],
    [`${head}mvo eax, 5`, '2:0-3 "mvo" is not an instruction, a directive or a macro. Did you mean "mov"?'],
    [`${head}  mov [ebx], 5`, '2:6-11 The size of the memory operand is open; write one of byte, word, dword'],
    [`${head}mov al, ebx`, '2:0-3 "mov" does not take these operands in 32-bit code'],
    [`${head}mov eax, [ebx`, '2:9-10 The "[" has no matching "]".'],
    [`${head}mov eax, (1+2`, '2:9-10 The "(" has no matching ")".'],
    [`${head}mov eax, 0xzz`, '2:9-13 "0xzz" is not a number'],
    [`${head}mov eax, 5 5`, '2:11-12 Expected "," or the end of the operand before "5".'],
    [`${head}mov eax,`, '2:7-8 An operand is missing'],
    [`${head}db 'open`, "2:3-8 The string has no closing ' on this line."],
    [`${head}db 1/0`, '2:4-5 Division by zero.'],
    [`${head}mov eax, [eax+ebx+ecx]`, '2:9-22 An address holds at most two registers'],
    [`${head}mov eax, [ax]`, '2:9-13 A 16-bit address is BX or BP'],
    [`${head}mov eax, [eax*7]`, '2:9-16 A register in an address can be multiplied by 1, 2, 4 or 8, not by 7.'],
    [
      `${head}syscall64 equ 5\nsyscall64 equ 6`,
      '3:0-9 "syscall64" is defined a second time; the first definition is in line 2.',
    ],
    [`${head}swapgs`, '2:0-6 "swapgs" exists in 64-bit code only, and this is 32-bit code.'],
    [`${head}jmp short far\ntimes 200 nop\nfar:`, '2:4-13 The operand ends'],
    [
      `${head}jmp short away\ntimes 200 nop\naway:`,
      '2:4-14 The short jump misses its target by 73 bytes; remove "short".',
    ],
    [`${head}loop away\ntimes 200 nop\naway:`, '2:5-9 "loop" reaches only -128 to +127 bytes'],
    [
      `${head}times 510-($-$$) db 0\ntimes 100-($-$$) db 0`,
      '3:6-16 The count of "times" is -410: what stands before is 410 bytes too long.',
    ],
    [`${head}dw here & 0xffff\nhere:`, '2:8-9 "&" works on plain numbers only'],
    [`${head}section .bss\ndb 1`, '3:0-2 The section ".bss" holds no bytes'],
    [`${head}%if 1\nnop`, '2:0-3 %if has no %endif.'],
    [`${head}%endif`, '2:0-6 %endif has no %if before it.'],
    [`${head}%macro m 1\nnop`, '2:0-6 %macro has no %endmacro.'],
    [`${head}%rep 2\nnop`, '2:0-4 %rep has no %endrep.'],
    [`${head}%macro m 1\nnop\n%endmacro\nm 1, 2`, '5:0-1 The macro "m" takes 1 arguments and gets 2.'],
    [`${head}%error "no luck"`, '2:7-16 no luck'],
    [`${head}%frobnicate`, '2:0-11 "%frobnicate" is not a preprocessor directive'],
    [`${head}bits 33`, '2:5-7 "bits" takes 16, 32 or 64, not 33.'],
    [`${head}struc s\n.a: resd 1`, '2:6-7 The structure "s" has no endstruc.'],
    [`${head}%if later\n%endif\nlater equ 1`, '2:4-9 The value after "%if" must be known here'],
    [`${head}mov dword ptr [eax], 5`, '2:10-13 NASM syntax has no "ptr"'],
    [`${head}label`, '2:0-5 "label" stands alone and is taken for a label'],
    [`${head}db 256`, '2:3-6 256 does not fit into 8 bits and is truncated to 0.'],
    [`${head}mov eax, .nothing`, '2:9-17 The local label ".nothing" is not defined before the first label.'],
  ])('%j', (text, expected) => {
    expect(message(text).slice(0, expected.length)).toBe(expected);
  });

  it('are all reported, and give no image', () => {
    const { image, diagnostics } = run(`${head}bogus 1\nmov eax, nowhere\nnop\nbogus 2\n`);
    expect(image).toBeUndefined();
    expect(diagnostics.map(({ line }) => line)).toEqual([2, 3, 5]);
  });

  it('inside a macro stand at its use, with the place in its body', () => {
    const [one] = run(`${head}%macro bad 1\nmov eax, gone\n%endmacro\n  bad 5\n`).diagnostics;
    expect(one).toMatchObject({ line: 5, column: 2, endColumn: 7, inMacro: { macro: 'bad', line: 3, column: 9 } });
  });

  it('in an argument of a macro stand at the argument', () => {
    const [one] = run(`${head}%macro load 1\nmov eax, %1\n%endmacro\nload gone\n`).diagnostics;
    expect(one).toMatchObject({ line: 5, column: 5, endColumn: 9 });
  });
});

describe('limits', () => {
  it.each([
    ['%macro again 0\nagain\n%endmacro\nagain', 'more than 200 levels deep'],
    ['%rep 5000000\n%endrep', 'repeats more than 1000000 times'],
    ['times 100000000 db 0', 'more than 64 MiB is refused'],
    ['times 60000000 jmp $', 'at most 1048576 such copies'],
    ['times 5000 resb 100000000', 'reserves an impossible amount'],
    ['%define a b\n%define b a\ndd a', '"a" is not defined'],
    [
      '%define f(x) f2(x,x)\n%define f2(x,y) f3(x y,x y)\n%define f3(x,y) x y x y\ndb f(f(f(f(f(f(f(f(f(f(1))))))))))',
      'does not stop expanding',
    ],
    ['a: times 1+b-a db 0\nb:', 'labels still move'],
    [`dd ${'('.repeat(5000)}1${')'.repeat(5000)}`, 'nests deeper than 200 levels'],
    ['%include "main.asm"', 'include one another without end'],
    ['section .data start=0\ndb 1\nsection .far start=0x10000000\ndb 1', 'more than 64 MiB is refused'],
  ])('%j', (text, expected) => {
    const messages = run(text).diagnostics.map((one) => one.message);
    expect(messages.join('\n')).toContain(expected);
  });
});

describe('files', () => {
  it('are asked for beside the including file first, then beside the main file', () => {
    const files = new Map([['src/main.asm', '%include "lib/a.inc"\n']]);
    expect(assemble({ main: 'src/main.asm', files }).needs).toEqual(['src/lib/a.inc']);
    files.set('src/lib/a.inc', '%include "b.inc"\n');
    expect(assemble({ main: 'src/main.asm', files }).needs).toEqual(['src/lib/b.inc']);
    const missing = new Set(['src/lib/b.inc']);
    expect(assemble({ main: 'src/main.asm', files, missing }).needs).toEqual(['src/b.inc']);
  });

  it('that exist nowhere are named with the places that were tried', () => {
    const missing = new Set(['d/a.inc']);
    const { diagnostics } = assemble({
      main: 'd/main.asm',
      files: new Map([['d/main.asm', '%include "a.inc"\n']]),
      missing,
    });
    expect(diagnostics[0]).toMatchObject({ line: 1, column: 9, endColumn: 16 });
    expect(diagnostics[0]?.message).toContain('looked for d/a.inc');
  });

  it('are resolved as URIs when the main file is one', () => {
    const main = 'vscode-vfs://host/work%20space/guest/main.asm';
    const files = new Map([[main, '%include "../common parts/a.inc"\n']]);
    expect(assemble({ main, files }).needs).toEqual(['vscode-vfs://host/work%20space/common%20parts/a.inc']);
  });

  it('are fetched by a reader until nothing lacks', async () => {
    const disk = new Map<string, string | Uint8Array>([
      ['m.asm', '%include "a.inc"\n incbin "blob"\n'],
      ['a.inc', 'db 1\n%include "b.inc"\n'],
      ['b.inc', new Uint8Array([0x64, 0x62, 0x20, 0x32, 0x0a])],
      ['blob', new Uint8Array([3, 4])],
    ]);
    const { result, files } = await gather('m.asm', async (key) => disk.get(key));
    expect([...(result.image?.bytes ?? [])]).toEqual([1, 2, 3, 4]);
    expect([...files.keys()].sort()).toEqual(['a.inc', 'b.inc', 'blob', 'm.asm']);
  });

  it('gives a message when the main file does not exist', async () => {
    const { result } = await gather('gone.asm', async () => undefined);
    expect(result.diagnostics[0]?.message).toContain('gone.asm does not exist');
  });
});

describe('image', () => {
  const text = `bits 32
org 0x1000
global start
data: dd 1, 2
start:
.again: mov eax, [data]
%macro twice 1
  %1
  %1
%endmacro
  twice nop
  jmp .again
size equ $ - start
section .bss
buffer: resb 16
`;

  it('has origin, entry, width, symbols and sections', () => {
    const image = imageOf(text);
    expect(image).toMatchObject({ origin: 0x1000, entry: 0x1008, bits: 32 });
    expect(image.symbols).toContainEqual({
      name: 'start.again',
      value: 0x1008,
      kind: 'label',
      file: 'main.asm',
      line: 6,
      column: 0,
      global: false,
    });
    expect(image.symbols.find(({ name }) => name === 'start')).toMatchObject({ global: true, line: 5 });
    expect(image.symbols.find(({ name }) => name === 'size')).toMatchObject({ kind: 'equ', value: 9 });
    expect(image.sections).toEqual([
      { name: '.text', address: 0x1000, offset: 0, length: 17, kind: 'progbits' },
      { name: '.bss', address: 0x1014, offset: undefined, length: 16, kind: 'nobits' },
    ]);
  });

  it('starts at the origin when no entry is global', () => {
    expect(imageOf('org 0x7c00\nnop\nstart: nop\n').entry).toBe(0x7c00);
  });

  it('maps every byte to its line, macros to their use', () => {
    const { lines } = imageOf(text);
    expect(lines.map(({ address, length, kind, line, column }) => [address, length, kind, line, column])).toEqual([
      [0x1000, 8, 'data', 4, 6],
      [0x1008, 5, 'code', 6, 8],
      [0x100d, 1, 'code', 11, 2],
      [0x100e, 1, 'code', 11, 2],
      [0x100f, 2, 'code', 12, 2],
      [0x1014, 16, 'reserved', 15, 8],
    ]);
    expect(lines[2]?.macro).toEqual({ name: 'twice', file: 'main.asm', line: 8 });
    expect(lines[3]?.macro?.line).toBe(9);
  });

  it('counts columns in UTF-16 units and lines with any line end', () => {
    const { diagnostics } = run("bits 32\r\n\r\ndb '\u{1F600}', gone\r\n");
    expect(diagnostics[0]).toMatchObject({ line: 3, column: 9, endColumn: 13 });
  });

  it('can be listed', () => {
    const files = new Map([['main.asm', text]]);
    expect(listing(imageOf(text), files).split('\n')[1]).toBe(
      '    6 00001008 a1 00 10 00 00           .again: mov eax, [data]',
    );
  });

  it('is the same each time', () => {
    expect(imageOf(text)).toEqual(imageOf(text));
  });
});

it('names macros with their places, for the editor', () => {
  const { macros } = run('%define A 5\n%macro m 1-2\n%endmacro\n');
  expect(macros).toEqual([
    { name: 'A', kind: 'define', text: '5', file: 'main.asm', line: 1, column: 8 },
    { name: 'm', kind: 'macro', text: '1-2', file: 'main.asm', line: 2, column: 7 },
  ]);
});
