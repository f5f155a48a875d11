; A boot sector: origin, 16-bit code, string output, far jump into 32-bit code, padding and signature.
        bits 16
        org 0x7c00

%define CODE_SELECTOR 0x08
%define DATA_SELECTOR 0x10
STACK_TOP equ 0x7c00

start:  cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, STACK_TOP
        mov si, message
.next:  lodsb
        test al, al
        jz .done
        mov ah, 0x0e
        mov bx, 0x0007
        int 0x10
        jmp .next
.done:  lgdt [gdt.pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp CODE_SELECTOR:protected

        bits 32
protected:
        mov ax, DATA_SELECTOR
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov esp, 0x90000
        mov dword [0xb8000], 0x07690748
        mov eax, [message]
        add eax, gdt.end - gdt
.hang:  hlt
        jmp .hang

message: db 'Hello, ', "ring", `side\r\n`, 0

        align 8
gdt:    dq 0
        dq 0x00cf9a000000ffff
        dq 0x00cf92000000ffff
.end:
.pointer:
        dw gdt.end - gdt - 1
        dd gdt

        times 510-($-$$) db 0
        dw 0xaa55
