/** Guests under ring deprivileging for tests, run in lockstep with the bare machine. */
import { expect } from 'vitest';
import { StopCause } from '../../machine/event-kinds';
import { guestRegisterWords } from '../../machine/guest-registers';
import { inlineGuest, type Run, start } from '../guest.test-support';

export const SMALL = { memoryMiB: 2 };

/** A GDT with ring-0 and ring-3 flat segments and a TSS, an IDT at 0x3000, and a stack; faults of all vectors stop with 0xee. */
const PRELUDE = `
  mov esp, 0x8000
  mov edi, 0x3000
  mov ecx, 256
.gate:
  mov word [edi], panic
  mov word [edi+2], 0x08
  mov word [edi+4], 0x8e00
  mov word [edi+6], 0x10
  add edi, 8
  loop .gate
  mov byte [0x3000 + 0x80 * 8 + 5], 0xee
  lgdt [gdtr]
  lidt [idtr]
  jmp 0x08:.flat
.flat:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov ax, 0x28
  ltr ax
`;
const TABLES = `
panic:
  mov al, 0xee
  out 0xf4, al
  align 8
gdt:
  dq 0
  dq 0x00cf9a000000ffff
  dq 0x00cf92000000ffff
  dq 0x00cffa000000ffff
  dq 0x00cff2000000ffff
  dw 0x67, tss
  db 0x10, 0x89, 0, 0
spare:
  dq 0, 0
gdtr: dw 63
  dd gdt
idtr: dw 0x7ff
  dd 0x3000
  align 4
tss: dd 0, 0x7000, 0x10
  times 23 dd 0
`;
export const guest = (body: string) => inlineGuest(`${PRELUDE}\n${body}\n${TABLES}`);
/** Paging on: the low 2 MiB one to one by a directory at 0x10000 and a table at 0x11000 whose entries have these rights. */
export const paging = (rights = 7, cr0 = 0x80010011) => `
  mov edi, 0x10000
  mov dword [edi], 0x11007
  xor ecx, ecx
.fill:
  mov eax, ecx
  shl eax, 12
  or eax, ${rights}
  mov [0x11000 + ecx * 4], eax
  inc ecx
  cmp ecx, 512
  jb .fill
  mov cr3, edi
  mov eax, ${cr0}
  mov cr0, eax
`;
export const END = 'mov al, 0\n out 0xf4, al\n';

/** Instructions before the body of a guest. */
export const BODY = 1549;

/**
 * Runs a guest natively and deprivileged in lockstep: the registers are the same at every instruction, the digest at the
 * end and now and then before. Returns the trap run. The guest must end well.
 */
export function lockstep(source: string): Run {
  const image = guest(source);
  const native = start({ ...SMALL }, image);
  const trap = start({ ...SMALL, cpu: 'trap', mmu: 'shadow' }, image);
  // The prelude is the same in all of these guests; one of them looks at all of it.
  for (let count = BODY - 20; count < 40_000; count++) {
    const stops = [native.run(count), trap.run(count)];
    const [bare, virtual] = [native, trap].map((run) => run.machine.guest().state);
    if (bare === undefined || virtual === undefined) break;
    const where = { count, eip: bare.eip.toString(16), stop: stops[0] };
    expect({ ...where, stop: stops[1], words: guestRegisterWords(virtual) }).toEqual({
      ...where,
      words: guestRegisterWords(bare),
    });
    const ended = stops[0]?.reason === 'stopped';
    if (count % 97 === 0 || ended) expect({ ...where, ...trap.digest() }).toEqual({ ...where, ...native.digest() });
    if (ended) {
      expect(stops[0]).toMatchObject({ cause: StopCause.debugExit, value: 0 });
      return trap;
    }
  }
  throw new Error('the guest did not end');
}
