; The ways into the kernel. Whatever happens (a fault, the timer, a system call), the processor looks the vector up in
; the IDT, changes to ring 0 and to the stack that the TSS names, and pushes where it came from. The stub of the vector
; completes that to one frame of the same shape for all, and `trap` decides what to do.

; The frame, as offsets from ESP once the general registers are saved:
FRAME_EBX       equ     16
FRAME_ECX       equ     24
FRAME_EAX       equ     28
FRAME_VECTOR    equ     32
FRAME_ERROR     equ     36
FRAME_EIP       equ     40
FRAME_CS        equ     44
FRAME_EFLAGS    equ     48              ; above it, only when we came from ring 3: ESP and SS

VECTOR_GP       equ     13
VECTOR_PF       equ     14
VECTOR_TIMER    equ     0x20
VECTOR_SPURIOUS equ     0x27
VECTOR_SYSCALL  equ     0x80

; Some exceptions push an error code and the rest do not: push a zero for those, so that all frames look alike.
%macro stub 1
        push    dword 0
        push    dword %1
        jmp     trap
%endmacro
%macro stub_with_error 1
        push    dword %1
        jmp     trap
%endmacro

stub_divide:    stub            0
stub_invalid:   stub            6
stub_double:    stub_with_error 8
stub_tss:       stub_with_error 10
stub_segment:   stub_with_error 11
stub_stack:     stub_with_error 12
stub_gp:        stub_with_error VECTOR_GP
stub_page:      stub_with_error VECTOR_PF
stub_timer:     stub            VECTOR_TIMER
stub_spurious:  stub            VECTOR_SPURIOUS
stub_syscall:   stub            VECTOR_SYSCALL

trap:
        pusha
        mov     ax, KERNEL_DATA         ; DS and ES still hold what the interrupted code used
        mov     ds, ax
        mov     es, ax
        cld
        mov     eax, [esp + FRAME_VECTOR]
        cmp     eax, VECTOR_TIMER
        je      timer
        cmp     eax, VECTOR_SYSCALL
        je      system_call
        cmp     eax, VECTOR_PF
        je      page_fault
        cmp     eax, VECTOR_SPURIOUS    ; the interrupt controller changed its mind: nothing to do, nothing to confirm
        je      trap_return
        jmp     true_fault

; The way out, for all of them. IRET takes back what the processor pushed, and with it the ring.
trap_return:
        test    byte [esp + FRAME_CS], 3
        jz      .same_ring
        mov     ax, USER_SEGMENT
        mov     ds, ax
        mov     es, ax
.same_ring:
        popa
        add     esp, 8                  ; vector and error code
        iret

; --- The timer: confirm it to the interrupt controller, wake who has slept long enough, let the next one run.

timer:
        mov     al, PIC_EOI
        out     PIC1_COMMAND, al
        inc     dword [ticks]
        call    wake_sleepers
        call    schedule
        jmp     trap_return

; --- Page faults: CR2 holds the address.

page_fault:
        mov     eax, cr2
        mov     edx, [esp + FRAME_ERROR]
        call    page_on_demand
        jnc     trap_return             ; the instruction starts again, and now finds its page

; --- A fault that is nobody's service: the process did something it may not do. The kernel ends it and lives on.

true_fault:
        test    byte [esp + FRAME_CS], 3
        jz      kernel_fault
        mov     esi, message_fault
        call    print
        mov     eax, [current]
        mov     eax, [eax + PROCESS_ID]
        call    print_decimal
        call    print_fault
        mov     esi, message_killed
        call    print
        inc     dword [processes_killed]
        jmp     process_end

; A fault in ring 0 is a mistake in this kernel.
kernel_fault:
        mov     esi, message_kernel_fault
        call    print
        call    print_fault
        xor     esi, esi
        jmp     panic.stop

; Prints vector, error code, CR2 and EIP of the frame right above the return address.
print_fault:
        mov     esi, message_vector
        call    print
        mov     eax, [esp + 4 + FRAME_VECTOR]
        call    print_decimal
        mov     esi, message_error
        call    print
        mov     eax, [esp + 4 + FRAME_ERROR]
        call    print_hex
        mov     esi, message_address
        call    print
        mov     eax, cr2
        call    print_hex
        mov     esi, message_eip
        call    print
        mov     eax, [esp + 4 + FRAME_EIP]
        jmp     print_hex

; Prints the message at ESI and ends the machine as failed.
panic:
        push    esi
        mov     esi, message_panic
        call    print
        pop     esi
        call    print
.stop:
        mov     al, 10
        call    print_byte
        mov     al, 1
        jmp     power_off

message_fault:          db      '[kernel] process ', 0
message_vector:         db      ': vector ', 0
message_error:          db      ', error code ', 0
message_address:        db      ', CR2 ', 0
message_eip:            db      ', EIP ', 0
message_killed:         db      ': killed', 10, 0
message_kernel_fault:   db      '[kernel] fault in ring 0', 0
message_panic:          db      '[kernel] panic: ', 0

; --- The interrupt controllers: two 8259A, the second behind line 2 of the first. They come up with the vectors of
; exceptions; move them to 0x20 and up, and let only the timer through.

PIC1_COMMAND    equ     0x20
PIC1_DATA       equ     0x21
PIC2_COMMAND    equ     0xa0
PIC2_DATA       equ     0xa1
PIC_EOI         equ     0x20

pic_setup:
        mov     al, 0x11                ; ICW1: start, edge triggered, two controllers, ICW4 follows
        out     PIC1_COMMAND, al
        out     PIC2_COMMAND, al
        mov     al, VECTOR_TIMER        ; ICW2: the first vector
        out     PIC1_DATA, al
        mov     al, VECTOR_TIMER + 8
        out     PIC2_DATA, al
        mov     al, 0x04                ; ICW3: the second one is on line 2
        out     PIC1_DATA, al
        mov     al, 0x02
        out     PIC2_DATA, al
        mov     al, 0x01                ; ICW4: 8086 mode
        out     PIC1_DATA, al
        out     PIC2_DATA, al
        mov     al, 0xfe                ; mask: all lines but 0
        out     PIC1_DATA, al
        mov     al, 0xff
        out     PIC2_DATA, al
        ret

; --- The timer chip: an 8254, whose channel 0 counts 1193182 times a second and raises line 0 when it reaches zero.

PIT_CHANNEL_0   equ     0x40
PIT_COMMAND     equ     0x43
PIT_DIVISOR     equ     1193            ; a thousand times a second

pit_setup:
        mov     al, 0x34                ; channel 0, low byte then high byte, mode 2 (again and again)
        out     PIT_COMMAND, al
        mov     al, PIT_DIVISOR & 0xff
        out     PIT_CHANNEL_0, al
        mov     al, PIT_DIVISOR >> 8
        out     PIT_CHANNEL_0, al
        ret
