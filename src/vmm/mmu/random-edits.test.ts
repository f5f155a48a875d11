import { describe, expect, it } from 'vitest';
import { type GuestProgram, inlineGuest, SETTINGS, sequence, start } from '../guest.test-support';

/** The kernel of these guests: low 2 MiB one to one in both address spaces; a page-fault handler that sums up what it sees. */
const PRELUDE = `
  mov esp, 0x8000
  lgdt [gdtr]
  lidt [idtr]
  jmp 0x08:.flat
.flat:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov word [0x3000 + 14 * 8], fault
  mov word [0x3000 + 14 * 8 + 2], 0x08
  mov word [0x3000 + 14 * 8 + 4], 0x8e00
  mov word [0x3000 + 14 * 8 + 6], 0x10
  xor ecx, ecx
.fill:
  mov eax, ecx
  shl eax, 12
  or eax, 3
  mov [0x11000 + ecx * 4], eax
  inc ecx
  cmp ecx, 512
  jb .fill
  mov dword [0x10000], 0x11003
  mov dword [0x12000], 0x11003
  mov dword [0x10004], 0x13003
  mov dword [0x12004], 0x14003
  mov dword [0x10008], 0x15003
  mov dword [0x12008], 0x15003
  mov dword [0x1000c], 0x83
  mov dword [0x1200c], 0x83
  mov dword [0x10010], 0x10003          ; the directory as a table of its own
  mov eax, 0x10
  mov cr4, eax
  mov eax, 0x10000
  mov cr3, eax
  mov eax, 0x80010011
  mov cr0, eax
`;
const TABLES = `
  mov al, 0
  out 0xf4, al
fault:
  mov ebx, cr2
  xor ebx, [esp]
  add [0x5000], ebx
  rol dword [0x5000], 1
  add dword [esp + 4], 5                ; every access below is 5 bytes long
  add esp, 4
  iretd
  align 8
gdt: dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr: dw 23
  dd gdt
idtr: dw 0x7ff
  dd 0x3000
`;

/** A guest that edits its tables at random, flushing as the manual demands, and reads and writes through them. */
function randomGuest(seed: number): GuestProgram {
  const random = sequence(seed * 7919 + 1);
  const hex = (n: number): string => `0x${n.toString(16)}`;
  const lines: string[] = [];
  const tables = [0x13000, 0x14000, 0x15000];
  const bases = [0x400000, 0x400000, 0x800000];
  let root = 0x10000;
  const reload = (): void => {
    lines.push(`mov eax, ${hex(root)}`, 'mov cr3, eax');
  };
  for (let i = 0; i < 500; i++) {
    const [table, page] = [random(3), random(3)];
    const address = (bases[table] ?? 0) + page * 0x1000 + random(1000) * 4;
    switch (random(14)) {
      case 0:
      case 1: {
        const entry =
          (0x40000 + random(8) * 0x1000) |
          (random(4) === 0 ? 0 : 1) |
          (random(3) === 0 ? 0 : 2) |
          ((random(8) << 4) & 0x60);
        lines.push(`mov dword [${hex((tables[table] ?? 0) + page * 4)}], ${hex(entry)}`);
        // A directory entry may have put the table at either place.
        for (const base of [0x400000, 0x800000]) lines.push(`invlpg [${hex(base + page * 0x1000)}]`);
        break;
      }
      case 2: {
        const entry = [0, 0x13003, 0x14001, 0x15003, 0x40083][random(5)] ?? 0;
        const directory = random(2) === 0 ? 0x10000 : 0x12000;
        lines.push(`mov dword [${hex(directory + 4 + 4 * random(2))}], ${hex(entry & ~0x40000)}`);
        reload();
        break;
      }
      case 3:
        root = root === 0x10000 ? 0x12000 : 0x10000;
        reload();
        break;
      case 4:
        lines.push(`mov eax, ${hex(random(2) === 0 ? 0x80000011 : 0x80010011)}`, 'mov cr0, eax');
        break;
      case 5:
        // What the tables hold, A and D included.
        lines.push(`mov eax, [${hex((tables[table] ?? 0) + page * 4)}]`, 'add [0x5000], eax', 'rol dword [0x5000], 3');
        break;
      case 6:
        lines.push(
          `mov eax, [${hex(0xc00000 + 0x40000 + random(0x2000) * 4)}]`,
          `mov [${hex(0xc00000 + 0x40000 + random(0x2000) * 4)}], eax`,
        );
        break;
      case 7:
      case 8:
      case 9:
        lines.push(`mov eax, [${hex(address)}]`, 'add [0x5000], eax');
        break;
      default:
        lines.push(`mov eax, ${hex(random(0xffffff))}`, `mov [${hex(address)}], eax`);
    }
  }
  return inlineGuest(`${PRELUDE}\n${lines.join('\n')}\n${TABLES}`);
}

describe('random edits of page tables, flushed as the manual demands', () => {
  it.each(Array.from({ length: 12 }, (_, i) => i + 1))(
    'leave the same guest under every technique (seed %i)',
    (seed) => {
      const guest = randomGuest(seed);
      const [native, ...others] = SETTINGS.map((setting) => {
        const run = start({ ...setting, memoryMiB: 2 }, guest);
        expect(run.run(100_000)).toEqual({ reason: 'stopped', cause: 0, value: 0 });
        return run;
      });
      expect(native?.facts.all.deliveriesByVector[14]).toBeGreaterThan(5);
      for (const run of others) {
        expect({ setting: run.machine.config.cpu, ...run.digest() }).toEqual({
          setting: run.machine.config.cpu,
          ...native?.digest(),
        });
      }
    },
  );
});
