; Jumps and immediates whose size depends on names defined further down.
        bits 32
        org 0x100000
first:  jmp far_away
        jmp near_by
        jz far_away
        jnz near near_by
        jc short near_by
        call first
        push near_by - first
        push later
        add eax, later
        add ecx, far_away - near_by
        sub ebx, byte 4
        cmp edx, later_large
        imul eax, ebx, later
        mov eax, [ebx + later]
        mov [ebx + later_zero], eax
        mov eax, [ebp + later_zero]
        mov eax, [first + ebx]
        lea ecx, [table + eax*4]
near_by:
        times 120 nop
        jmp first
        loop near_by2
        jecxz near_by2
near_by2:
        times 130 nop
far_away:
        jmp first
        ja first
        jmp far_away
later       equ 5
later_zero  equ 0
later_large equ 0x1234
table:  dd first, near_by, far_away, $, $$, $ - $$
; A chain that shrinks one after another.
%assign i 0
%rep 40
chain %+ i:
        jmp chain_end
        times 2 nop
%assign i i+1
%endrep
chain_end:
        bits 16
        jmp near_by
        jz first
        call first
