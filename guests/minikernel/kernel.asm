; The minikernel: a whole operating system kernel that fits in one reading.
;
; It boots in 32-bit protected mode, brings its own GDT, IDT and TSS, turns paging on, and runs two processes in ring 3,
; each in an address space of its own. The processes ask for service with `int 0x80`, the timer takes the processor from
; one and gives it to the other, and memory appears under their feet when they first touch it. Everything that the
; kernel and the processes say goes out through the serial port.
;
; Reading order: this file, then
;   tables.asm      the GDT, the IDT and the TSS
;   paging.asm      frames, page tables, address spaces
;   traps.asm       the ways into the kernel and the way out
;   processes.asm   the process table, switching, system calls
;   serial.asm      the 16550
;   user.asm        the two programs and the little library that they share
;
; Memory, as the kernel sees it (linear = physical, for supervisor only, in every address space):
;   0x00100000   this image
;   0x001ff000   the boot stack, growing down from 0x00200000
;   0x00200000   frames for page tables, kernel stacks and processes, up to 0x003fffff
; and as a process sees it:
;   its code where the image has it (pages marked user), the library likewise, and
;   0x40000000   its data page,  0x40007000 its stack page,  0x40010000 its heap, mapped page by page on demand.

        org     0x00100000
        bits    32

KERNEL_BASE     equ     0x00100000
BOOT_STACK_TOP  equ     0x00200000
EXIT_PORT       equ     0xf4            ; a byte written here ends the machine; 0 means "as intended"

; --- The multiboot header: how a boot loader knows where this image goes and where it starts.
; Flag bit 16 says that the address fields below are valid, so the file needs no other format.

MULTIBOOT_MAGIC equ     0x1badb002
MULTIBOOT_FLAGS equ     0x00010000

        align   4
multiboot_header:
        dd      MULTIBOOT_MAGIC
        dd      MULTIBOOT_FLAGS
        dd      -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
        dd      multiboot_header        ; where this header is
        dd      KERNEL_BASE             ; where the file goes
        dd      kernel_end              ; where its bytes end
        dd      kernel_end              ; where its zeroed memory would end: there is none
        dd      start                   ; the first instruction

; --- The first instruction. The loader left us in ring 0 with flat segments, paging off and interrupts off; the
; descriptors that it used may lie anywhere, so nothing is trusted before our own GDT is in place.

start:
        mov     esp, BOOT_STACK_TOP
        lgdt    [gdt_pointer]
        jmp     KERNEL_CODE:.own_segments
.own_segments:
        mov     eax, KERNEL_DATA
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        xor     eax, eax                ; the null selector: nobody here uses FS and GS
        mov     fs, ax
        mov     gs, ax
        cld

        call    serial_setup
        mov     esi, message_hello
        call    print

        call    idt_setup
        lidt    [idt_pointer]
        mov     eax, TSS_SELECTOR       ; the TSS tells the processor which stack to take on the way into ring 0
        ltr     ax

        call    paging_setup            ; from here on, addresses are translated
        call    pic_setup
        call    pit_setup

        mov     eax, program_alpha
        call    process_create
        mov     eax, program_beta
        call    process_create
        mov     esi, message_ready
        call    print

; --- The boot thread has become the idle thread: it runs when no process can.
; STI lets interrupts in only after the next instruction, so that no wake-up is lost between the look at the process
; table and the HLT.

idle:
        cli
        cmp     dword [processes_alive], 0
        je      finish
        call    schedule
        cmp     dword [processes_alive], 0
        je      finish
        sti
        hlt
        jmp     idle

finish:
        mov     esi, message_finish
        call    print
        mov     eax, [pages_on_demand]
        call    print_decimal
        mov     esi, message_finish_pages
        call    print
        mov     eax, [processes_killed]
        call    print_decimal
        mov     esi, message_finish_killed
        call    print
        xor     eax, eax                ; 0: the machine ends as intended
        jmp     power_off

; Ends the machine with the status in AL.
power_off:
        out     EXIT_PORT, al
.for_ever:
        cli                             ; where nothing listens at that port, stop here
        hlt
        jmp     .for_ever

message_hello:          db      '[kernel] hello from ring 0', 10, 0
message_ready:          db      '[kernel] two processes are ready', 10, 0
message_finish:         db      '[kernel] both processes have ended: ', 0
message_finish_pages:   db      ' pages mapped on demand, ', 0
message_finish_killed:  db      ' process killed', 10, 0

%include "serial.asm"
%include "paging.asm"
%include "traps.asm"
%include "processes.asm"
%include "tables.asm"
%include "user.asm"

kernel_end:
