bits 32
org 0x100000
start:
    mov esp, 0x180000
    lgdt [gdt_pointer]
    jmp 8:.flat
.flat:
    mov eax, 16
    mov ss, ax
    lidt [idt_pointer]
handler:
    ud2                     ; #UD leads here again
    align 8
gdt: dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
    dw 23
    dd gdt
idt: times 6 dq 0
    dw (handler - $$) & 0xffff, 8, 0x8e00, 0x10
idt_pointer:
    dw 7 * 8 - 1
    dd idt
