; The serial port: a 16550 at 0x3f8, used by polling. It has one data register and says in its line status register
; when it can take another byte.

COM1            equ     0x3f8
COM1_DATA       equ     COM1 + 0        ; divisor, low byte, while DLAB is set
COM1_IER        equ     COM1 + 1        ; interrupt enable; divisor, high byte, while DLAB is set
COM1_FCR        equ     COM1 + 2        ; FIFO control
COM1_LCR        equ     COM1 + 3        ; line control; bit 7 is DLAB
COM1_MCR        equ     COM1 + 4        ; modem control
COM1_LSR        equ     COM1 + 5        ; line status
LSR_CAN_SEND    equ     0x20

; 115200 baud, 8 data bits, no parity, one stop bit, FIFO on, no interrupts. Changes EAX and EDX.
serial_setup:
        mov     dx, COM1_IER
        xor     eax, eax
        out     dx, al
        mov     dx, COM1_LCR
        mov     al, 0x80                ; DLAB: the first two registers are now the divisor
        out     dx, al
        mov     dx, COM1_DATA
        mov     al, 1                   ; 115200 / 1
        out     dx, al
        mov     dx, COM1_IER
        xor     eax, eax
        out     dx, al
        mov     dx, COM1_LCR
        mov     al, 0x03                ; 8 bits, DLAB off again
        out     dx, al
        mov     dx, COM1_FCR
        mov     al, 0x07                ; FIFO on, both directions cleared
        out     dx, al
        mov     dx, COM1_MCR
        mov     al, 0x03                ; "ready" towards the other side
        out     dx, al
        ret

; Sends the byte in AL. Changes EDX.
print_byte:
        push    eax
        mov     dx, COM1_LSR
.busy:
        in      al, dx
        test    al, LSR_CAN_SEND
        jz      .busy
        mov     dx, COM1_DATA
        pop     eax
        out     dx, al
        ret

; Sends the zero-terminated string at ESI. Changes EAX, EDX and ESI.
print:
        lodsb
        test    al, al
        jz      .end
        call    print_byte
        jmp     print
.end:
        ret

; Sends ECX bytes from ESI. Changes EAX, ECX, EDX and ESI.
print_counted:
        jecxz   .end
.next:
        lodsb
        call    print_byte
        dec     ecx
        jnz     .next
.end:
        ret

; Sends EAX as a decimal number. Changes EAX, EBX, ECX and EDX.
print_decimal:
        mov     ebx, 10
        xor     ecx, ecx                ; digits on the stack
.divide:
        xor     edx, edx
        div     ebx
        push    edx                     ; the digits come out backwards; the stack turns them round
        inc     ecx
        test    eax, eax
        jnz     .divide
.digit:
        pop     eax
        add     al, '0'
        call    print_byte
        dec     ecx
        jnz     .digit
        ret

; Sends EAX as eight hexadecimal digits. Changes EAX, EBX, ECX and EDX.
print_hex:
        mov     ebx, eax
        mov     ecx, 8
.digit:
        rol     ebx, 4
        mov     eax, ebx
        and     eax, 0x0f
        mov     al, [hex_digits + eax]
        call    print_byte
        dec     ecx
        jnz     .digit
        ret

hex_digits:     db      '0123456789abcdef'
