; Sections of a flat binary with alignment, reserved space and several returns to the same one.
        org 0x8000
        bits 32
section .bss
buffer: resb 100
words:  resw 3
        alignb 16
last:   resd 1
section .data
value:  dd 0x11223344, buffer, words, last
        align 16, db 0
aligned: db 1
section .text
global  _start
_start: mov eax, [value]
        mov [buffer], eax
        jmp finish
section .rodata align=8
        db 'read only'
section .text
        align 16
finish: mov ecx, aligned - value
        lea esi, [constants]
        mov edi, words
        ret
section .other
constants: dw 1, 2, 3
        dd $$, $
section .data
        dw finish - _start
