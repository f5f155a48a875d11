; A sample of everything that the grammar colours.
        bits 32
        org 0x7c00
%define CODE_SELECTOR 0x08
%define MEGABYTES(n) ((n) << 20)
%assign counter 0
%include "tables.asm"

%macro outb 2 ; two parameters
        mov al, %2
        out %1, al
%endmacro
%macro spin 0
%%again:
        loop %%again
%endmacro

STACK_TOP equ 0x9000
section .text align=16
global start
start:  cli
        xor eax, eax
        mov ds, ax
        mov cr3, eax
        mov eax, cr0
        or eax, 1 << 31
        mov cr0, eax
        lgdt [gdt.pointer]
        jmp CODE_SELECTOR:.flush
.flush: mov dword [ebx + ecx*4 - 0ffh], 0b1010_1010
        movzx eax, byte [fs:esi]
        lock xadd [table], eax
        rep movsb
        jnz .flush
        call print
        int 0x80
        outb 0x20, 11h
        spin
        hlt
        jmp $
        vmxon [region]
        vmlaunch
        vmread eax, ecx
        popf
        iretd
        setnz al
        cmovc eax, ebx
        push strict dword 5
        jmp far [table]
%if counter == 0 && !defined
        %error "counter is zero"
%elifdef CODE_SELECTOR
%else
%endif
%rep 3
        dw counter
%endrep
struc task
.esp:   resd 1
endstruc
idle:   istruc task
        at task.esp, dd 0x1000
        iend
message db 'It works', 0, "double", `back\n\x41`, 'open
floats: dd 1.5, 2.5e-3
octal:  db 17q, 0o17, 10, 0d10, 1_000
padding:
        times 510-($-$$) db 0
        dw 0xaa55
        align 4, db 0
        movaps xmm0, xmm1
        fld dword [esi]
