; The tables that the processor itself reads: the GDT (what a segment is), the IDT (where each vector leads) and the
; TSS (which stack ring 0 uses). They have pages of their own, with nothing else that is written often.

KERNEL_CODE     equ     0x08
KERNEL_DATA     equ     0x10
USER_CODE       equ     0x18 | 3        ; the low two bits: requested by ring 3
USER_SEGMENT    equ     0x20 | 3
TSS_SELECTOR    equ     0x28

TSS_ESP0        equ     4
TSS_SS0         equ     8
TSS_SIZE        equ     104

GATE_INTERRUPT  equ     0x8e            ; present, for the hardware and ring 0 only; interrupts off inside
GATE_SYSCALL    equ     0xee            ; the same, but ring 3 may use it with INT

; Fills the IDT from the list of handlers and puts the address of the TSS, in pieces as the 386 wants it, into its
; descriptor. Changes all registers but ESP.
idt_setup:
        mov     esi, handlers
.next:
        movzx   ebx, byte [esi]         ; vector
        movzx   ecx, byte [esi + 1]     ; kind of gate
        mov     eax, [esi + 2]          ; handler
        lea     edi, [idt + ebx * 8]
        mov     [edi], ax               ; offset, low half
        mov     word [edi + 2], KERNEL_CODE
        mov     byte [edi + 4], 0
        mov     [edi + 5], cl
        shr     eax, 16
        mov     [edi + 6], ax           ; offset, high half
        add     esi, 6
        cmp     esi, handlers_end
        jb      .next

        mov     eax, tss
        mov     [gdt_tss + 2], ax
        shr     eax, 16
        mov     [gdt_tss + 4], al
        mov     [gdt_tss + 7], ah
        ret

%macro handler 3
        db      %1, %2
        dd      %3
%endmacro

handlers:
        handler 0, GATE_INTERRUPT, stub_divide
        handler 6, GATE_INTERRUPT, stub_invalid
        handler 8, GATE_INTERRUPT, stub_double
        handler 10, GATE_INTERRUPT, stub_tss
        handler 11, GATE_INTERRUPT, stub_segment
        handler 12, GATE_INTERRUPT, stub_stack
        handler VECTOR_GP, GATE_INTERRUPT, stub_gp
        handler VECTOR_PF, GATE_INTERRUPT, stub_page
        handler VECTOR_TIMER, GATE_INTERRUPT, stub_timer
        handler VECTOR_SPURIOUS, GATE_INTERRUPT, stub_spurious
        handler VECTOR_SYSCALL, GATE_SYSCALL, stub_syscall
handlers_end:

        align   4
gdt_pointer:
        dw      gdt_end - gdt - 1
        dd      gdt
idt_pointer:
        dw      idt_end - idt - 1
        dd      idt

        align   4096
gdt:
        dq      0                       ; the null descriptor
        ; limit 15-0, base 15-0, base 23-16, access, flags and limit 19-16, base 31-24
        dw      0xffff, 0
        db      0, 0x9a, 0xcf, 0        ; 0x08: code, ring 0, 4 GiB
        dw      0xffff, 0
        db      0, 0x92, 0xcf, 0        ; 0x10: data, ring 0, 4 GiB
        dw      0xffff, 0
        db      0, 0xfa, 0xcf, 0        ; 0x18: code, ring 3, 4 GiB
        dw      0xffff, 0
        db      0, 0xf2, 0xcf, 0        ; 0x20: data, ring 3, 4 GiB
gdt_tss:
        dw      TSS_SIZE - 1, 0
        db      0, 0x89, 0, 0           ; 0x28: the TSS; idt_setup fills its address in
gdt_end:

        align   8
idt:
        times   256 dq 0
idt_end:

        align   4096
tss:
        dd      0                       ; no task before this one
        dd      BOOT_STACK_TOP          ; ESP0
        dd      KERNEL_DATA             ; SS0
        times   22 dd 0                 ; the rest serves task switches, which nobody here uses
        dw      0, TSS_SIZE             ; no I/O permission bitmap: it would start behind the limit
