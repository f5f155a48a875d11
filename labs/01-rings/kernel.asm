; Ringside lab 1, "Rings on bare metal". Three places marked TODO are yours; README.md says what is asked.
;
; A kernel of one page that starts one program in ring 3, serves its system calls, takes a timer
; interrupt, and answers the program's forbidden instruction with a message instead of a crash.

bits 32
org 0x100000

MULTIBOOT_MAGIC equ 0x1badb002
MULTIBOOT_FLAGS equ 1 << 16             ; bit 16: the address fields below are valid

KERNEL_CODE     equ 0x08
KERNEL_DATA     equ 0x10
USER_CODE       equ 0x18 | 3            ; a selector's low two bits ask for a ring (RPL)
USER_DATA       equ 0x20 | 3
TASK_STATE      equ 0x28

COM1            equ 0x3f8
DEBUG_EXIT      equ 0xf4
PIC1            equ 0x20
PIC2            equ 0xa0
PIT             equ 0x40
TICK            equ 600                 ; timer period in PIT ticks

image_start:
multiboot:
        dd MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
        dd multiboot, image_start, image_end, memory_end, start

start:
        mov esp, kernel_stack_top
        lgdt [gdt_pointer]
        jmp KERNEL_CODE:.reload
.reload:
        mov ax, KERNEL_DATA
        mov ds, ax
        mov es, ax
        mov fs, ax
        mov gs, ax
        mov ss, ax

        ; The TSS descriptor's base is split over three fields: fill it in at run time.
        mov eax, tss
        mov [gdt.tss + 2], ax
        shr eax, 16
        mov [gdt.tss + 4], al
        mov [gdt.tss + 7], ah
        mov ax, TASK_STATE
        ltr ax

        mov eax, 13
        mov edx, general_protection
        mov cl, 0x8e                    ; present, DPL 0, 32-bit interrupt gate
        call set_gate
        mov eax, 0x20
        mov edx, timer
        mov cl, 0x8e
        call set_gate

        ; TODO 2: the program in ring 3 must be allowed to use this gate. Which bits of CL say so?
        mov eax, 0x80
        mov edx, system_call
        mov cl, 0x8e
        call set_gate
        lidt [idt_pointer]

        call start_timer

        ; TODO 3: enter `program` in ring 3, with its stack at user_stack_top and interrupts on.
        ; The only way outward is a return: which five words does `iret` take from the stack?
.stuck:
        hlt
        jmp .stuck

; Fills gate EAX of the IDT with handler EDX and attributes CL.
set_gate:
        lea edi, [idt + eax * 8]
        mov [edi], dx
        mov word [edi + 2], KERNEL_CODE
        mov byte [edi + 4], 0
        mov [edi + 5], cl
        shr edx, 16
        mov [edi + 6], dx
        ret

; Moves the PIC's interrupts to vectors 0x20 and up, lets the timer alone through, and starts it.
start_timer:
        mov al, 0x11
        out PIC1, al
        out PIC2, al
        mov al, 0x20
        out PIC1 + 1, al
        mov al, 0x28
        out PIC2 + 1, al
        mov al, 4
        out PIC1 + 1, al
        mov al, 2
        out PIC2 + 1, al
        mov al, 1
        out PIC1 + 1, al
        out PIC2 + 1, al
        mov al, 0xfe                    ; IRQ 0 only
        out PIC1 + 1, al
        mov al, 0xff
        out PIC2 + 1, al
        mov al, 0x34                    ; channel 0, low then high byte, mode 2
        out PIT + 3, al
        mov al, TICK & 0xff
        out PIT, al
        mov al, TICK >> 8
        out PIT, al
        ret

; --- The doors inward ---------------------------------------------------------------------------

; IRQ 0: counts.
timer:
        push eax
        push ds
        mov ax, KERNEL_DATA
        mov ds, ax
        inc dword [ticks]
        mov al, 0x20                    ; end of interrupt
        out PIC1, al
        pop ds
        pop eax
        iret

; int 0x80: EAX 0 prints the character BL, 1 gives the ticks in EAX, 2 ends the machine with status BL.
system_call:
        push ds
        push ecx
        mov cx, KERNEL_DATA
        mov ds, cx
        cmp eax, 1
        je .ticks
        cmp eax, 2
        je .exit
        call put_char
        jmp .done
.ticks:
        mov eax, [ticks]
        jmp .done
.exit:
        mov al, bl
        out DEBUG_EXIT, al
        cli
        hlt
.done:
        pop ecx
        pop ds
        iret

; #GP: ring 3 tried what only the kernel may do. Say so and step over the one-byte instruction.
general_protection:
        add esp, 4                      ; the error code
        pusha
        push ds
        mov ax, KERNEL_DATA
        mov ds, ax
        mov esi, refused
        call put_string
        pop ds
        popa
        inc dword [esp]                 ; the saved EIP
        iret

; Writes the character BL to the serial port.
put_char:
        push eax
        push edx
        mov edx, COM1 + 5
.wait:
        in al, dx
        test al, 0x20                   ; transmitter empty?
        jz .wait
        mov edx, COM1
        mov al, bl
        out dx, al
        pop edx
        pop eax
        ret

; Writes the zero-terminated string at ESI.
put_string:
        push ebx
.next:
        mov bl, [esi]
        test bl, bl
        jz .end
        call put_char
        inc esi
        jmp .next
.end:
        pop ebx
        ret

; --- The program, in ring 3 ---------------------------------------------------------------------

program:
        mov esi, greeting
        call print
        cli                             ; forbidden here: must arrive at general_protection
        mov eax, 1
        int 0x80
        mov edi, eax
        add edi, 3                      ; wait for three ticks of the timer
.wait:
        mov eax, 1
        int 0x80
        cmp eax, edi
        jb .wait
        mov esi, farewell
        call print
        mov eax, 2
        xor ebx, ebx
        int 0x80

print:
        mov bl, [esi]
        test bl, bl
        jz .end
        xor eax, eax
        int 0x80
        inc esi
        jmp print
.end:
        ret

greeting:       db "hello from ring 3", 10, 0
farewell:       db "three ticks later", 10, 0
refused:        db "refused: cli in ring 3", 10, 0

; --- Tables -------------------------------------------------------------------------------------

        align 8
gdt:
        dq 0
        ; limit 0-15, base 0-15, base 16-23, access, flags and limit 16-19, base 24-31
        dw 0xffff, 0
        db 0, 0x9a, 0xcf, 0             ; kernel code: present, DPL 0
        dw 0xffff, 0
        db 0, 0x92, 0xcf, 0             ; kernel data
        ; TODO 1: these two are meant for ring 3. Which bits of the access byte hold the DPL?
        dw 0xffff, 0
        db 0, 0x9a, 0xcf, 0             ; user code
        dw 0xffff, 0
        db 0, 0x92, 0xcf, 0             ; user data
.tss:
        dw 103, 0
        db 0, 0x89, 0, 0                ; available 32-bit TSS
.end:

gdt_pointer:
        dw gdt.end - gdt - 1
        dd gdt
idt_pointer:
        dw 256 * 8 - 1
        dd idt

ticks:          dd 0

        align 8
tss:
        dd 0
        dd kernel_stack_top             ; ESP0: where the processor's stack is after entering ring 0
        dd KERNEL_DATA                  ; SS0
        times 22 dd 0
        dw 0, 104                       ; no I/O permission bitmap

        align 8
idt:    times 256 dq 0

image_end:
kernel_stack     equ image_end
kernel_stack_top equ kernel_stack + 4096
user_stack_top   equ kernel_stack_top + 4096
memory_end       equ user_stack_top
