; STRUC, ISTRUC, ABSOLUTE and local labels.
        bits 32
struc task
.esp:   resd 1
.cr3:   resd 1
.name:  resb 8
.flags: resw 1
endstruc
struc pair, 4
first_half: resw 1
second_half: resw 1
endstruc
        mov eax, [ebx + task.esp]
        mov cr3, eax
        mov ecx, [ebx + task.cr3]
        mov ecx, task_size
        lea esi, [ebx + task.name]
        imul edi, eax, task_size
idle:   istruc task
        at task.esp, dd 0x1000
        at task.name, db 'idle', 0
        at task.flags, dw 5
        iend
        dd idle, pair_size, second_half
absolute 0x7c00
boot:   resb 512
after:  resd 2
section .text
        dd boot, after
one:
.loop:  jmp .loop
two:
.loop:  jmp .loop
        jmp one.loop
        dd two.loop - one.loop
..@special: dd ..@special
$eax:   dd $eax
