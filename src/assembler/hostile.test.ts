/** Whatever the text, the assembler answers with an image or with messages that have a place in it. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { assemble } from './assemble';

const words =
  'mov eax , [ ebx + 4 ] \n db 1 : label .x equ times 3 % %% %1 %0 %macro %endmacro m 1 %rep %endrep %if %else %endif %define f ( a ) %assign i %include "x" \' ` $ $$ $0f 0x1f - * / // << ? struc endstruc istruc at iend section .bss .text org 0x7c00 align 16 resb incbin lock rep jmp short far near byte dword 8 : esp bits 16 32 64 %push c %pop %$l %{1:2} %+ %[ ] %rotate %exitrep global absolute ; \\'.split(
    ' ',
  );

const soup = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...words) },
      { weight: 2, arbitrary: fc.constant('\n') },
      fc.string({ maxLength: 5 }),
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(' '));

it('answers any text, and places every message inside it', () => {
  fc.assert(
    fc.property(soup, (text) => {
      const files = new Map([['m', text]]);
      const missing = new Set<string>();
      let result = assemble({ main: 'm', files, missing });
      while (result.needs) {
        for (const key of result.needs) missing.add(key);
        result = assemble({ main: 'm', files, missing });
      }
      const lines = text.split(/\r\n|\n|\r/);
      expect(result.image !== undefined || result.diagnostics.some(({ severity }) => severity === 'error')).toBe(true);
      for (const { file, line, column, endColumn } of result.diagnostics) {
        expect(file).toBe('m');
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(lines.length);
        expect(column).toBeGreaterThanOrEqual(0);
        expect(endColumn).toBeGreaterThanOrEqual(column);
        expect(endColumn).toBeLessThanOrEqual((lines[line - 1] ?? '').length);
      }
    }),
    { numRuns: 400 },
  );
});
