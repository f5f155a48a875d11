; System, string and control-transfer instructions with the keywords that guests use.
%macro both 0
        lgdt [table]
        lidt [table]
        sgdt [table]
        sidt [ebx]
        lldt ax
        ltr ax
        sldt eax
        str [table]
        lmsw ax
        smsw eax
        clts
        invd
        wbinvd
        invlpg [eax]
        invlpg [table]
        rdmsr
        wrmsr
        rdtsc
        rdpmc
        cpuid
        hlt
        cli
        sti
        ud2
        iret
        iretd
        iretw
        pusha
        pushad
        popa
        popad
        pushf
        pushfd
        popf
        popfd
        pushfw
        int 0x80
        int3
        into
        leave
        enter 16, 0
        ret
        ret 8
        retf
        retf 4
        rep movsb
        rep movsd
        repe cmpsb
        repne scasb
        rep stosd
        es lodsb
        fs rep movsw
        rep insw
        rep outsb
        xlatb
        lock xadd [ebx], eax
        lock cmpxchg [table], ecx
        lock cmpxchg8b [esi]
        mov cr0, eax
        mov cr3, ebx
        mov eax, cr4
        mov dr7, ecx
        mov edx, dr6
        in al, 0x60
        in eax, dx
        out 0x20, al
        out dx, ax
        push cs
        push ds
        pop es
        push fs
        pop gs
        les eax, [table]
        lss esp, [table]
        jmp 0x08:table
        call 0x10:0x1234
        jmp word 0x08:0x10
        jmp dword 0x08:0x10
        jmp far [table]
        call far [ebx]
        jmp far dword [table]
        jmp [table]
        call eax
        call [eax*4 + table]
        vmxon [table]
        vmclear [table]
        vmptrld [ebx]
        vmptrst [ebx]
        vmlaunch
        vmresume
        vmread eax, ecx
        vmwrite eax, [ebx]
        vmxoff
        vmcall
        sysenter
        sysexit
        sysret
        syscall
        monitor
        mwait
        pause
        nop
        arpl [ebx], ax
        verr ax
        verw [ebx]
        lar eax, [ebx]
        lsl ax, bx
        bound eax, [ebx]
        bsf eax, ebx
        bt dword [ebx], 5
        bts [ebx], eax
        movzx eax, byte [ebx]
        movsx ax, bl
        movzx ecx, word [table]
        setz al
        setnbe byte [ebx]
        cmovc eax, ebx
        shld eax, ebx, 4
        shrd [ebx], eax, cl
        bswap eax
        xchg al, bl
        xchg eax, ecx
        test [ebx], al
        mul dword [ebx]
        idiv ecx
        neg byte [ebx]
        push word 5
        push dword 5
        push byte 5
        push dword [ebx]
        push strict dword 5
        add eax, strict dword 5
        pop word [ebx]
        mov al, [fs:table]
        mov eax, [es:ebx + 4]
        mov es:[ebx], eax
        mov eax, [dword ebx + 4]
        mov eax, [byte ebx + 0]
        mov eax, [eax*2]
        mov eax, [nosplit eax*2]
        mov eax, [eax*5]
        mov eax, [eax + ebp]
        mov eax, [ebp + eax]
        mov eax, [esp + eax*1]
        mov eax, [eax + esp]
        mov eax, [eax*1 + ebx]
        mov ax, [bx + si]
        mov ax, [bp]
        mov ax, [word 0x1234]
        mov eax, [dword 0x12345678]
        a16 lodsb
        a32 stosb
        o16 nop
        o32 iret
        a32 rep movsb
        rep
        lock
        fninit
        fnstcw [ebx]
        fldcw [ebx]
        fxsave [ebx]
        wait
        fwait
        prefetchnta [ebx]
        mfence
        clflush [ebx]
        xgetbv
        xsetbv
        rdtscp
%endmacro
        bits 32
table:  both
        bits 16
        both
