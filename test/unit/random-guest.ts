/**
 * Random guests for comparing techniques: a small kernel with two address spaces, rings 0 and 3, faults, a timer, table
 * edits and self-modifying code. Each flushes its TLB after every table edit, also in its fault handlers, and uses none of
 * the sensitive instructions that do not trap, so that every technique has to end in the same state.
 */
import { guestAt, sequence, type GuestProgram } from '../../src/vmm/guest.test-support';

type Random = (below: number) => number;

const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;

/** Tables and frames (linear = physical below 2 MiB). Checksum, tick and fault counters lie in the page at 0x5000. */
const ROOTS = [0x10000, 0x12000];
const TABLES = [0x13000, 0x14000, 0x15000];
/** Where the tables' pages appear: directory entries 1 and 2; entry 3 is a 4 MiB page, entry 4 the directory itself. */
const REGIONS = [0x400000, 0x800000];
const FRAMES = 0x40000;
const KERNEL_STACK = 0x9000;
const USER_STACK = 0x402800;

/** Values that segment registers are loaded with: good, of a wrong ring, absent, beyond the limit, and null. */
const SELECTORS = [0x10, 0x10, 0x23, 0x30, 0x33, 0x38, 0x3b, 0x08, 0x40, 0x48, 0x1b, 0xfff8, 0x04, 0];
/** Descriptors for the slot 0x30, as two words: data of several limits, expanding down, read only, absent, code. */
const DESCRIPTORS = [
  [0x0000ffff, 0x00cff300],
  [0x50000fff, 0x0040f300],
  [0x00000fff, 0x0040f700],
  [0x0000ffff, 0x00cff100],
  [0x0000ffff, 0x00cf7300],
  [0x0000ffff, 0x00cffb00],
  [0x0000ffff, 0x00cff200],
] as const;

/** Where no code can be fetched: what is executed by chance might never end. */
const NOWHERE = [0x2000_0000, 0x2000_0ffe, 0x30_0000, 0xffff_ffff];

const REGISTERS = ['eax', 'ebx', 'ecx', 'edx', 'esi', 'edi'];
const BYTES = ['al', 'bl', 'cl', 'dl', 'ah', 'bh', 'ch', 'dh'];

class Generator {
  readonly lines: string[] = [];
  private labels = 0;

  constructor(private readonly random: Random) {}

  private pick<T>(list: readonly [T, ...T[]] | readonly T[]): T {
    const item = list[this.random(list.length)];
    if (item === undefined) throw new Error('Nothing to pick from.');
    return item;
  }

  private register(): string {
    return this.pick(REGISTERS);
  }

  private value(): string {
    return hex(this.pick([0, 1, 0x7f, 0x80, 0xff, 0x7fffffff, 0x80000000, 0xffffffff, this.random(2 ** 31), 0x1000]));
  }

  /** An address: mostly in the mapped regions, near page ends at times, else kernel scratch, the 4 MiB page or nowhere. */
  private address(): string {
    const offset = this.random(4) === 0 ? 0xff8 + this.random(8) : this.random(0x3f0) * 4;
    switch (this.random(10)) {
      case 0:
        return hex(0x20000 + this.random(8) * 0x1000 + offset);
      case 1:
        return hex(0xc00000 + FRAMES + this.random(8) * 0x1000 + offset);
      case 2:
        return hex(this.pick([0x2000_0000, 0xffff_f000, 0x300000]) + this.random(0x800));
      default:
        return hex(this.pick(REGIONS) + this.random(4) * 0x1000 + offset);
    }
  }

  /** Statements that may fault; the handler goes on behind them, at the address in EBP. */
  private guarded(...statements: string[]): void {
    const label = `.skip${this.labels++}`;
    this.lines.push(`mov ebp, ${label}`, ...statements, `${label}:`);
  }

  private arithmetic(): void {
    const [a, b] = [this.register(), this.register()];
    const operation = this.pick(['add', 'adc', 'sub', 'sbb', 'xor', 'and', 'or', 'cmp', 'test']);
    switch (this.random(7)) {
      case 0:
        this.lines.push(`${operation} ${a}, ${this.value()}`);
        break;
      case 1:
        this.lines.push(`${this.pick(['shl', 'shr', 'sar', 'rol', 'ror', 'rcl', 'rcr'])} ${a}, ${this.random(32)}`);
        break;
      case 2:
        this.lines.push(`${this.pick(['inc', 'dec', 'neg', 'not', 'bswap'])} ${a}`);
        break;
      case 3:
        this.lines.push(`${operation} ${this.pick(BYTES)}, ${this.pick(BYTES)}`);
        break;
      case 4:
        this.lines.push(
          `imul ${a}, ${b}`,
          `set${this.pick(['c', 'z', 's', 'o', 'p', 'a', 'l', 'g'])} ${this.pick(BYTES)}`,
        );
        break;
      case 5:
        this.lines.push(`mov ${a}, ${this.value()}`);
        break;
      default:
        this.lines.push(`${operation} ${a}, ${b}`);
    }
  }

  private access(): void {
    const [register, address] = [this.register(), this.address()];
    const segment = this.random(6) === 0 ? `${this.pick(['es', 'fs', 'gs'])}:` : '';
    switch (this.random(8)) {
      case 0:
      case 1:
        this.guarded(`mov ${register}, [${segment}${address}]`);
        break;
      case 2:
        this.guarded(`${this.pick(['add', 'sub', 'xor', 'adc', 'xchg', 'xadd'])} [${segment}${address}], ${register}`);
        break;
      case 3:
        this.guarded(
          `${this.pick(['inc', 'neg', 'not'])} ${this.pick(['byte', 'word', 'dword'])} [${segment}${address}]`,
        );
        break;
      case 4:
        this.guarded(`push dword [${address}]`, 'pop eax');
        // The push may have been done and the fault come from nowhere else, so the stack is set anew.
        this.lines.push('call reset_stack');
        break;
      case 5: {
        const move = this.pick(['rep movsd', 'rep stosd', 'rep movsb', 'repe cmpsb', 'repne scasb', 'rep lodsd']);
        const way = this.random(5) === 0 ? 'std' : 'cld';
        this.guarded(`mov esi, ${address}`, `mov edi, ${this.address()}`, `mov ecx, ${this.random(300)}`, way, move);
        this.lines.push('cld');
        break;
      }
      case 6:
        this.guarded(`lock cmpxchg [${address}], ${register}`);
        break;
      default:
        this.guarded(`mov [${segment}${address}], ${register}`);
    }
  }

  private fault(): void {
    this.guarded(
      ...this.pick([
        ['ud2'],
        ['int3'],
        ['xor ecx, ecx', 'div ecx'],
        ['mov eax, 0x7fffffff', 'inc eax', 'into'],
        [`int ${this.pick([0x20, 0x0d, 0x81, 0x82, 0x83, 0xff])}`],
        [`mov eax, ${hex(this.pick(SELECTORS))}`, `mov ${this.pick(['ds', 'es', 'fs', 'gs'])}, ax`],
        ['mov fs, [cs:0xfffffffe]'],
        ['jmp 0x1000:0'],
        ['call 0x50:0'],
        ['call 0x58:0x1234'],
        ['lldt [cs:bad_selector]'],
        [`mov eax, ${hex(this.pick(NOWHERE))}`, 'call eax'],
      ]),
    );
    this.lines.push('call reset_stack');
  }

  /** A change of the tables, and the flush that the manual demands. */
  private edit(): void {
    const flags = (): number =>
      (this.random(4) === 0 ? 0 : 1) |
      (this.random(3) === 0 ? 0 : 2) |
      (this.random(3) === 0 ? 0 : 4) |
      (this.random(4) << 5);
    const frame = FRAMES + this.random(8) * 0x1000;
    switch (this.random(7)) {
      case 0: {
        const target = this.pick([0, 0x13007, 0x14005, 0x15007, 0x13003, 0x87, 0x85, 0x15006]);
        this.lines.push(`mov dword [${hex(this.pick(ROOTS) + 4 + 4 * this.random(2))}], ${hex(target)}`);
        break;
      }
      case 1:
        // A kernel scratch page, by its entry in the low table.
        this.lines.push(
          `mov dword [${hex(0x11000 + (0x20 + this.random(8)) * 4)}], ${hex(FRAMES + this.random(8) * 0x1000 + flags())}`,
        );
        break;
      case 2:
        this.lines.push(`and dword [${hex(this.pick(TABLES) + this.random(4) * 4)}], ${hex(~(this.random(4) << 5))}`);
        break;
      case 3:
        // Through the directory, which is a table of its own and so appears at 16 MiB plus 16 KiB.
        this.lines.push(
          `mov dword [${hex(0x1004000 + 4 + 4 * this.random(2))}], ${hex(this.pick([0x13007, 0x14007, 0x15007]))}`,
        );
        break;
      case 4:
        // Several entries by a string instruction.
        this.lines.push(
          `mov eax, ${hex(frame + flags())}`,
          `mov edi, ${hex(this.pick(TABLES))}`,
          `mov ecx, ${1 + this.random(4)}`,
          'push es',
          'mov dx, 0x10',
          'mov es, dx',
          'rep stosd',
          'pop es',
        );
        break;
      default:
        this.lines.push(`mov dword [${hex(this.pick(TABLES) + this.random(4) * 4)}], ${hex(frame + flags())}`);
    }
    this.flush();
  }

  private flush(): void {
    this.lines.push(
      ...(this.random(3) === 0 ? [`mov eax, ${hex(this.pick(ROOTS))}`] : ['mov eax, cr3']),
      'mov cr3, eax',
    );
  }

  private privileged(): void {
    switch (this.random(11)) {
      case 0:
        this.lines.push('sti');
        break;
      case 1:
        this.lines.push('cli');
        break;
      case 2:
        this.lines.push(`mov eax, ${hex(this.pick([0x80000011, 0x80010011, 0x80000019, 0x8001001b]))}`, 'mov cr0, eax');
        break;
      case 3:
        this.lines.push('mov eax, cr0', 'btr eax, 31', 'mov cr0, eax', 'bts eax, 31', 'mov cr0, eax');
        break;
      case 4:
        this.lines.push(`mov eax, ${hex(this.pick([0, 0x10]))}`, 'mov cr4, eax');
        break;
      case 5:
        this.lines.push('in al, 0x21', 'add [0x5000], al');
        break;
      case 6: {
        const [low, high] = this.pick(DESCRIPTORS);
        this.lines.push(`mov dword [gdt + 0x30], ${hex(low)}`, `mov dword [gdt + 0x34], ${hex(high)}`);
        this.guarded('mov eax, 0x33', `mov ${this.pick(['es', 'fs', 'gs'])}, ax`);
        break;
      }
      case 7:
        this.lines.push(
          `xor byte [0x3000 + ${hex(this.pick([0x81, 0x82, 0x83]))} * 8 + 5], ${hex(this.pick([0x80, 0x60, 1]))}`,
        );
        break;
      case 8:
        this.lines.push('call wait_tick');
        break;
      case 9:
        this.lines.push('xor eax, eax', 'cpuid', 'add [0x5000], edx', 'lgdt [gdt_pointer]', 'lidt [idt_pointer]');
        break;
      default:
        this.lines.push(`invlpg [${this.address()}]`, 'clts', 'mov eax, cr2', 'add [0x5000], eax');
    }
  }

  private modifyCode(): void {
    const label = `.code${this.labels++}`;
    this.lines.push(`mov dword [cs:${label} + 1], ebx`, `${label}: mov eax, ${this.value()}`);
    // A code segment cannot be written; the flat data segment can.
    this.lines.splice(-2, 1, 'push ds', 'mov dx, 0x10', 'mov ds, dx', `mov [${label} + 1], ebx`, 'pop ds');
  }

  /** A stay in ring 3 that ends by a system call. */
  private user(): void {
    const [begin, end] = [`.user${this.labels++}`, `.kernel${this.labels++}`];
    this.lines.push(`mov dword [0x5010], ${end}`, `mov eax, ${begin}`, 'jmp enter_user', `${begin}:`);
    for (let i = 3 + this.random(12); i > 0; i--) {
      switch (this.random(8)) {
        case 0:
          this.fault3();
          break;
        case 1:
          this.lines.push('mov eax, 1', 'int 0x80');
          break;
        case 2:
        case 3:
          this.arithmetic();
          break;
        default:
          this.access3();
      }
    }
    this.lines.push('xor eax, eax', 'int 0x80', `${end}:`);
  }

  private fault3(): void {
    this.guarded(
      ...this.pick([
        ['ud2'],
        ['cli'],
        ['hlt'],
        ['out 0x21, al'],
        ['mov eax, cr0'],
        ['mov ax, 0x10', 'mov ds, ax'],
        [`mov eax, ${hex(this.pick(SELECTORS))}`, `mov ${this.pick(['ds', 'es', 'fs', 'gs'])}, ax`],
        ['int 0x81'],
        ['int 0x20'],
        ['int3'],
        ['call 0x53:0'],
        ['mov eax, [0x5000]'],
        ['jmp 0x9000'],
        [`mov eax, ${hex(this.pick(NOWHERE))}`, 'jmp eax'],
        ['lgdt [gdt_pointer]'],
        ['push dword 1', 'pop ebx'],
      ]),
    );
  }

  /** As {@link access}, without the kernel's helper. */
  private access3(): void {
    const [register, address] = [this.register(), this.address()];
    switch (this.random(4)) {
      case 0:
        this.guarded(`mov ${register}, [${address}]`);
        break;
      case 1:
        this.guarded(`add [${address}], ${register}`);
        break;
      case 2:
        this.guarded(`mov esi, ${address}`, `mov edi, ${this.address()}`, `mov ecx, ${this.random(100)}`, 'rep movsd');
        break;
      default:
        this.guarded(`mov [${address}], ${register}`);
    }
  }

  body(statements: number): string {
    for (let i = 0; i < statements; i++) {
      switch (this.random(16)) {
        case 0:
        case 1:
          this.arithmetic();
          break;
        case 2:
        case 3:
        case 4:
          this.edit();
          break;
        case 5:
        case 6:
          this.privileged();
          break;
        case 7:
          this.fault();
          break;
        case 8:
        case 9:
          this.user();
          break;
        case 10:
          this.modifyCode();
          break;
        default:
          this.access();
      }
      if (this.random(8) === 0) this.lines.push('call good_segments');
    }
    return this.lines.join('\n');
  }
}

/** Equal seeds give equal guests. */
export function randomGuest(seed: number, statements = 150): GuestProgram {
  return guestAt(randomGuestSource(seed, statements));
}

function randomGuestSource(seed: number, statements: number): string {
  const random = sequence(seed * 2654435761 + 12345);
  const period = 128 + random(2000);
  return `
        org     0x100000
        mov     esp, ${hex(KERNEL_STACK)}
        lgdt    [gdt_pointer]
        jmp     8:.flat
.flat:  mov     eax, 0x10
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     fs, ax
        mov     gs, ax
        ; the IDT, from the table of stubs
        xor     ecx, ecx
.gate:  mov     eax, [stubs + ecx * 8]
        mov     ebx, [stubs + ecx * 8 + 4]
        jmp     .fill
.fill:  movzx   edx, bl
        mov     [0x3000 + edx * 8], ax
        mov     word [0x3000 + edx * 8 + 2], 8
        mov     [0x3000 + edx * 8 + 4], bx
        mov     byte [0x3000 + edx * 8 + 4], 0
        shr     eax, 16
        mov     [0x3000 + edx * 8 + 6], ax
        inc     ecx
        cmp     ecx, (stubs_end - stubs) / 8
        jb      .gate
        lidt    [idt_pointer]
        mov     eax, tss
        mov     [gdt + 0x2a], ax
        shr     eax, 16
        mov     [gdt + 0x2c], al
        mov     eax, gate_entry
        mov     [gdt + 0x50], ax
        shr     eax, 16
        mov     [gdt + 0x56], ax
        mov     eax, 0x28
        ltr     ax
        ; tables: 2 MiB one to one, of which the pages of this image are the user's too
        xor     ecx, ecx
.page:  mov     eax, ecx
        shl     eax, 12
        or      eax, 3
        cmp     ecx, 0x100
        jb      .kernel
        or      eax, 4
.kernel:
        mov     [0x11000 + ecx * 4], eax
        inc     ecx
        cmp     ecx, 512
        jb      .page
        mov     ebx, 0x10000
.root:  mov     dword [ebx], 0x11007
        mov     dword [ebx + 8], 0x15007
        mov     dword [ebx + 12], 0x83
        mov     [ebx + 16], ebx
        or      dword [ebx + 16], 3
        add     ebx, 0x2000
        cmp     ebx, 0x14000
        jb      .root
        mov     dword [0x10004], 0x13007
        mov     dword [0x12004], 0x14007
        ; every entry names a frame of its own kind, so that the handlers below, which only set bits, never map page 0
        xor     ecx, ecx
.entry: lea     eax, [ecx * 4 + ${hex(FRAMES >> 10)}]
        shl     eax, 10
        mov     [0x13000 + ecx * 4], eax
        mov     [0x14000 + ecx * 4], eax
        mov     [0x15000 + ecx * 4], eax
        inc     ecx
        cmp     ecx, 4
        jb      .entry
        or      dword [0x13008], 7
        or      dword [0x14008], 7
        mov     eax, 0x10
        mov     cr4, eax
        mov     eax, 0x10000
        mov     cr3, eax
        mov     eax, 0x80010011
        mov     cr0, eax
        ; PIC and timer
        mov     al, 0x11
        out     0x20, al
        mov     al, 0x20
        out     0x21, al
        mov     al, 4
        out     0x21, al
        mov     al, 1
        out     0x21, al
        mov     al, 0xfe
        out     0x21, al
        mov     al, 0x34
        out     0x43, al
        mov     al, ${period & 0xff}
        out     0x40, al
        mov     al, ${period >> 8}
        out     0x40, al
        mov     dword [0x5014], 2
again:
${new Generator(random).body(statements)}
        call    good_segments
        dec     dword [0x5014]
        jnz     again
        xor     eax, eax
        out     0xf4, al
        hlt

; Back to the top of the kernel's stack; the flags stay.
reset_stack:
        pop     dword [ss:0x5018]
        mov     esp, ${hex(KERNEL_STACK)}
        push    dword [ss:0x5018]
        ret

good_segments:
        push    eax
        mov     ax, 0x10
        mov     ds, ax
        mov     es, ax
        mov     fs, ax
        mov     gs, ax
        pop     eax
        ret

; Sleeps until the timer has ticked.
wait_tick:
        mov     eax, [ss:0x5008]
.more:  cli
        cmp     eax, [ss:0x5008]
        jne     .done
        sti
        hlt
        jmp     .more
.done:  ret

enter_user:
        push    dword 0x23
        push    dword ${hex(USER_STACK)}
        push    dword 0x202
        push    dword 0x1b
        push    eax
        mov     ax, 0x23
        mov     ds, ax
        mov     es, ax
        mov     fs, ax
        mov     gs, ax
        iretd

; Faults: sum up what happened; then either map the page and try again, or go on at EBP.
%macro stub 2
fault%1:
  %if %2 == 0
        push    dword 0
  %endif
        push    dword %1
        jmp     fault
%endmacro
        stub    0, 0
        stub    1, 0
        stub    3, 0
        stub    4, 0
        stub    5, 0
        stub    6, 0
        stub    7, 0
        stub    8, 1
        stub    10, 1
        stub    11, 1
        stub    12, 1
        stub    13, 1
        stub    14, 1
        stub    17, 1
fault:  push    eax
        push    ecx
        push    ds
        mov     eax, 0x10
        mov     ds, eax
        mov     eax, [esp + 12]                 ; vector
        shl     eax, 16
        xor     eax, [esp + 16]                 ; error code
        add     [0x5000], eax
        mov     eax, [esp + 20]                 ; EIP
        xor     [0x5000], eax
        rol     dword [0x5000], 5
        inc     dword [0x5004]
        cmp     dword [esp + 12], 14
        jne     .skip
        mov     ecx, cr2
        add     [0x5000], ecx
        test    dword [0x5004], 1
        jz      .skip
        mov     eax, ecx
        shr     eax, 22
        cmp     eax, 1
        jb      .skip
        cmp     eax, 2
        ja      .skip
        shr     ecx, 12
        and     ecx, 3
        mov     eax, cr3
        cmp     eax, 0x10000
        jne     .other
        or      dword [0x13000 + ecx * 4], 7
        or      dword [0x10004], 7
        jmp     .flush
.other: or      dword [0x14000 + ecx * 4], 7
        xor     dword [0x15000 + ecx * 4], 2
.flush: mov     cr3, eax
        jmp     .leave
.skip:  mov     [esp + 20], ebp
.leave: mov     eax, [0x5004]
        test    eax, 3
        jnz     .out
        sti                                     ; let the timer in here now and then
        nop
        cli
.out:   pop     ds
        pop     ecx
        pop     eax
        add     esp, 8
        iretd

timer:  push    eax
        push    ds
        mov     eax, 0x10
        mov     ds, eax
        inc     dword [0x5008]
        rol     dword [0x5000], 1
        mov     eax, [esp + 8]
        add     [0x5000], eax
        mov     al, 0x20
        out     0x20, al
        test    dword [0x5008], 3
        jnz     .out
        mov     eax, cr3
        xor     eax, 0x2000                     ; the other address space
        mov     cr3, eax
.out:   pop     ds
        pop     eax
        iretd

; System calls: 0 leaves ring 3 for good, 1 edits a page table.
system: cmp     eax, 1
        je      .edit
        mov     ax, 0x10
        mov     ds, ax
        mov     es, ax
        mov     fs, ax
        mov     gs, ax
        mov     esp, ${hex(KERNEL_STACK)}
        jmp     [0x5010]
.edit:  push    ds
        mov     ax, 0x10
        mov     ds, ax
        xor     dword [0x13000], 2
        add     dword [0x14004], 0x1000
        and     dword [0x14004], ${hex(FRAMES + 0x7fff)}
        mov     eax, cr3
        mov     cr3, eax
        pop     ds
        iretd

plain:  inc     dword [ss:0x500c]
        iretd

; Behind the call gate 0x50, from ring 3 or 0.
gate_entry:
        inc     dword [ss:0x500c]
        retf

        align   8
stubs:  dd      fault0, 0x8e00, fault1, 0x8e01, fault3, 0xee03, fault4, 0xee04, fault5, 0x8e05, fault6, 0x8e06
        dd      fault7, 0x8e07, fault8, 0x8e08, fault10, 0x8e0a, fault11, 0x8e0b, fault12, 0x8e0c, fault13, 0x8e0d
        dd      fault14, 0x8e0e, fault17, 0x8e11, timer, 0x8e20, system, 0xee80, plain, 0xef81, plain, 0x8f82
        dd      plain, 0xee83
stubs_end:
gdt:    dq      0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff
        dq      0x0000890000000067, 0x00cff3000000ffff, 0x00cf13000000ffff, 0x00009b000000ffff, 0x0040920050000fff
        dq      0x0000ec0000080000
gdt_pointer:
        dw      $ - gdt - 1
        dd      gdt
idt_pointer:
        dw      0x7ff
        dd      0x3000
bad_selector:
        dw      0x7777
        align   8
tss:    dd      0, ${hex(KERNEL_STACK)}, 0x10
        times   22 dd 0
        dd      0x680000                        ; no I/O permission bitmap
`;
}
