/** The line parser keeps every character and finds the parts of any line. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseText } from './line-parser';
import { textOf } from './tokens';

describe('line parser', () => {
  it('loses no character of any line', () => {
    const line = fc.oneof(
      fc.string().map((text) => text.replace(/[\r\n]/g, ' ')),
      fc
        .array(
          fc.constantFrom(
            'mov',
            ' ',
            'eax',
            ',',
            '[',
            ']',
            '%1',
            "'",
            ';',
            '$',
            '$$',
            '0x1f',
            ':',
            '%%',
            '%{a',
            '`\\',
            '?',
            '\u{1F600}',
          ),
        )
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(line, (text) => {
        const { tokens } = parseText(text, 'f', 1);
        expect(textOf(tokens)).toBe(text);
        let column = 0;
        for (const token of tokens) {
          expect(token.column).toBe(column);
          column += token.text.length;
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['start: mov eax, [ebx + 4] ; load', 'start', [], 'mov', ['eax', '[ebx+4]']],
    ['  rep movsb', undefined, ['rep'], 'movsb', []],
    ['message db "a, b", 0', 'message', [], 'db', ['"a, b"', '0']],
    ['lock cmpxchg [x], eax', undefined, ['lock'], 'cmpxchg', ['[x]', 'eax']],
    ['es lodsb', undefined, ['es'], 'lodsb', []],
    ['size equ 5', 'size', [], 'equ', ['5']],
    ['mov: nop', 'mov', [], 'nop', []],
    ['jmp 8:label', undefined, [], 'jmp', ['8:label']],
    ['db 1,,2', undefined, [], 'db', ['1', '', '2']],
    ['bogus eax', undefined, [], 'bogus', ['eax']],
    ['', undefined, [], undefined, []],
  ] as const)('%s', (text, label, prefixes, operation, operands) => {
    const line = parseText(text, 'f', 1);
    expect(line.label?.text).toBe(label);
    expect(line.prefixes.map((token) => token.text)).toEqual(prefixes);
    expect(line.operation?.text).toBe(operation);
    expect(line.operands.map((tokens) => textOf(tokens))).toEqual(operands);
  });

  it('ends the count of times where the repeated statement begins', () => {
    const { times, operation, label } = parseText('pad: times 510-($-$$) db 0', 'f', 1);
    expect([label?.text, textOf(times?.count ?? []), operation?.text]).toEqual(['pad', '510-($-$$)', 'db']);
  });

  it('reads directives in brackets', () => {
    const { operation, operands, bracketed } = parseText('[bits 16]', 'f', 1);
    expect([operation?.text, textOf(operands[0] ?? []), bracketed]).toEqual(['bits', '16', true]);
  });
});
