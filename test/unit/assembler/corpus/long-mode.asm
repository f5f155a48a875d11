; 64-bit code as far as kernels need it.
        bits 64
        default rel
        org 0x200000
start:  mov rax, cr0
        mov cr3, rax
        mov rax, 1
        mov rax, -1
        mov rax, 0x123456789abcdef0
        mov eax, 5
        mov rbx, value
        mov rcx, [value]
        mov [abs value], ecx
        mov rdx, [fs:0]
        lea rsi, [rel value]
        push rax
        push 5
        push 0x12345
        push r12
        pop r15
        call start
        jmp start
        jmp .over
        times 200 nop
.over:  jz start
        add rax, 1
        add r8, 0x1234
        mov r9d, [r10 + r11*8 + 16]
        mov al, [r13]
        mov spl, r14b
        movzx r8, byte [rax]
        movsxd rax, ebx
        syscall
        sysret
        o64 sysret
        swapgs
        iretq
        lgdt [value]
        lidt [rax]
        invlpg [rax]
        mov ds, ax
        mov rax, ds
        ltr ax
        vmread rax, rcx
        vmwrite rax, [value]
        vmptrld [rax]
        invept rax, [value]
        wrmsr
        rep stosq
        lodsq
        cmpxchg16b [rsi]
        xchg rax, rbx
        test rax, rbx
        imul rax, rbx, 5
        shl rax, cl
        pushfq
        popfq
        leave
        ret
        retf
        hlt
        call [rax]
        call far [rax]
        jmp qword [value]
        movaps xmm0, xmm1
        movups [rax], xmm2
        movdqa xmm3, [value]
        pxor xmm4, xmm4
        addsd xmm0, xmm1
        cvtsi2sd xmm0, eax
        movd xmm0, eax
        movq xmm0, rax
        align 8
value:  dq start, $ - $$
