; The programs. They run in ring 3, see one page of code, the library page, a data page, a stack and a heap, and
; reach the outside by `int 0x80` only.

; The data page of a process. Both have it at the same address, and neither sees the other's.
OWN_NUMBER      equ     USER_DATA + 0
CURSOR          equ     USER_DATA + 4   ; where the next character of the line goes
LINE            equ     USER_DATA + 16

; --- The library: makes up a line in the data page and prints it whole, so that lines of two processes do not mix.

        align   4096
library:

; Starts the first line.
line_setup:
        mov     dword [CURSOR], LINE
        ret

; Adds the zero-terminated string at ESI. Changes EAX, ESI and EDI.
line_text:
        mov     edi, [CURSOR]
.next:
        lodsb
        test    al, al
        jz      .end
        stosb
        jmp     .next
.end:
        mov     [CURSOR], edi
        ret

; Adds EAX as a decimal number. Changes EAX, EBX, ECX, EDX and EDI.
line_number:
        mov     ebx, 10
        xor     ecx, ecx
.divide:
        xor     edx, edx
        div     ebx
        push    edx
        inc     ecx
        test    eax, eax
        jnz     .divide
        mov     edi, [CURSOR]
.digit:
        pop     eax
        add     al, '0'
        stosb
        dec     ecx
        jnz     .digit
        mov     [CURSOR], edi
        ret

; Ends the line and prints it. Changes EAX, EBX, ECX and EDI.
line_print:
        mov     edi, [CURSOR]
        mov     al, 10
        stosb
        mov     ebx, LINE
        mov     ecx, edi
        sub     ecx, ebx
        mov     dword [CURSOR], LINE
        mov     eax, SYS_WRITE
        int     0x80
        ret

; --- Alpha: counts primes with a sieve in its heap. Each round sieves one page more, and each page of the heap comes
; into being when the sieve first writes to it.

        align   4096
program_alpha:
        mov     dword [OWN_NUMBER], 1111
        call    line_setup
        mov     esi, alpha_hello
        call    line_text
        call    line_print

        mov     ebp, 4096               ; the numbers of this round: 0 to EBP - 1
.round:
        mov     edi, USER_HEAP          ; one byte for each number; 0 says "may be prime"
        mov     ecx, ebp
        shr     ecx, 2
        xor     eax, eax
        rep     stosd

        mov     ebx, 2
.candidate:
        mov     eax, ebx
        mul     ebx
        cmp     eax, ebp                ; beyond the square root everything is settled
        jae     .count
        cmp     byte [USER_HEAP + ebx], 0
        jne     .not_prime
.strike:
        mov     byte [USER_HEAP + eax], 1
        add     eax, ebx
        cmp     eax, ebp
        jb      .strike
.not_prime:
        inc     ebx
        jmp     .candidate

.count:
        xor     edx, edx
        mov     ecx, 2
.look:
        cmp     byte [USER_HEAP + ecx], 1
        adc     edx, 0                  ; the comparison borrows exactly when the byte is 0
        inc     ecx
        cmp     ecx, ebp
        jb      .look

        push    edx
        mov     esi, alpha_primes
        call    line_text
        mov     eax, ebp
        call    line_number
        mov     esi, colon
        call    line_text
        pop     eax
        call    line_number
        call    line_print
        mov     eax, SYS_YIELD
        int     0x80

        add     ebp, 4096
        cmp     ebp, 4 * 4096
        jbe     .round

        mov     esi, alpha_own          ; beta has written to the same address in the meantime
        call    line_text
        mov     eax, [OWN_NUMBER]
        call    line_number
        call    line_print
        mov     eax, SYS_EXIT
        int     0x80

alpha_hello:    db      '[alpha] hello from ring 3', 0
alpha_primes:   db      '[alpha] primes below ', 0
alpha_own:      db      '[alpha] my number is still ', 0
colon:          db      ': ', 0

; --- Beta: looks for the number with the longest Collatz sequence, sleeps a little, and in the end does what a process
; may not do.

        align   4096
program_beta:
        mov     dword [OWN_NUMBER], 2222
        call    line_setup
        mov     esi, beta_hello
        call    line_text
        call    line_print

        xor     esi, esi                ; the longest so far
        mov     ebx, 1                  ; the number under test
        mov     ebp, 300                ; the end of this round
.round:
        mov     eax, ebx
        xor     ecx, ecx
.step:
        cmp     eax, 1
        je      .one
        inc     ecx
        test    al, 1
        jz      .even
        lea     eax, [eax + eax * 2 + 1]
        jmp     .step
.even:
        shr     eax, 1
        jmp     .step
.one:
        mov     edi, ebx                ; leave the length on the heap, one page for every 512 numbers
        mov     [USER_HEAP + edi * 8], ecx
        mov     [USER_HEAP + edi * 8 + 4], ebx
        cmp     ecx, esi
        jbe     .shorter
        mov     esi, ecx
        mov     edx, ebx
.shorter:
        inc     ebx
        cmp     ebx, ebp
        jb      .round

        push    ebx
        push    esi
        push    edx
        mov     esi, beta_below
        call    line_text
        mov     eax, ebp
        call    line_number
        mov     esi, beta_longest
        call    line_text
        mov     eax, [esp]
        call    line_number
        mov     esi, beta_with
        call    line_text
        mov     eax, [esp + 4]
        call    line_number
        mov     esi, beta_steps
        call    line_text
        call    line_print
        pop     edx
        pop     esi
        pop     ebx
        add     ebp, 300
        cmp     ebp, 1200
        jbe     .round

        mov     eax, SYS_SLEEP
        mov     ebx, 3
        int     0x80
        mov     esi, beta_own
        call    line_text
        mov     eax, [OWN_NUMBER]
        call    line_number
        mov     esi, beta_peek
        call    line_text
        call    line_print
        mov     eax, [KERNEL_BASE]      ; mapped, but not for ring 3: the processor refuses, the kernel ends us
        mov     eax, SYS_EXIT
        int     0x80

beta_hello:     db      '[beta] hello from ring 3', 0
beta_below:     db      '[beta] below ', 0
beta_longest:   db      ', ', 0
beta_with:      db      ' takes longest: ', 0
beta_steps:     db      ' steps', 0
beta_own:       db      '[beta] my number is still ', 0
beta_peek:      db      '; now I read the kernel', 0

        align   4096                    ; the last page belongs to beta alone, whole
