; Processes: each has an address space, a kernel stack, and a row in the process table. A process that does not run is
; nothing but its kernel stack, on which everything lies that it needs to go on; switching is changing stacks.

; A row of the process table:
PROCESS_ESP     equ     0               ; top of its kernel stack while it does not run
PROCESS_CR3     equ     4               ; its page directory
PROCESS_STACK   equ     8               ; where its kernel stack starts (the highest address)
PROCESS_STATE   equ     12
PROCESS_WAKE    equ     16              ; the tick that ends its sleep
PROCESS_ID      equ     20
PROCESS_SIZE    equ     24

STATE_FREE      equ     0
STATE_READY     equ     1
STATE_SLEEPING  equ     2

PROCESS_COUNT   equ     2

SYS_WRITE       equ     1               ; EBX: address, ECX: bytes
SYS_EXIT        equ     2
SYS_YIELD       equ     3
SYS_SLEEP       equ     4               ; EBX: ticks

USER_EFLAGS     equ     0x202           ; interrupts on

; Makes a process that starts at EAX, which is the first byte of the (one) page of its code.
process_create:
        mov     ebp, eax
        inc     dword [processes_alive]
        mov     ebx, [next_process]
        add     dword [next_process], PROCESS_SIZE
        call    address_space_create
        mov     [ebx + PROCESS_CR3], eax
        mov     ecx, eax

        mov     eax, ebp                ; its code, read-only, where the image has it
        mov     edx, ebp
        or      edx, PAGE_USER
        call    map_page
        mov     eax, library            ; the library: one frame, mapped in both
        mov     edx, library
        or      edx, PAGE_USER
        call    map_page
        call    frame_allocate          ; its data: the same address in both, another frame in each
        mov     edx, eax
        or      edx, PAGE_USER | PAGE_WRITE
        mov     eax, USER_DATA
        call    map_page
        call    frame_allocate
        mov     edx, eax
        or      edx, PAGE_USER | PAGE_WRITE
        mov     eax, USER_STACK
        call    map_page

        call    frame_allocate          ; its kernel stack, made to look as if a trap had come from ring 3
        add     eax, PAGE_SIZE
        mov     [ebx + PROCESS_STACK], eax
        mov     dword [eax - 4], USER_SEGMENT
        mov     dword [eax - 8], USER_STACK_TOP
        mov     dword [eax - 12], USER_EFLAGS
        mov     dword [eax - 16], USER_CODE
        mov     [eax - 20], ebp
        ; error code, vector and eight general registers: zeros, as the frame came
        mov     dword [eax - 64], trap_return
        ; EBP, EBX, ESI, EDI for switch_to: zeros
        sub     eax, 80
        mov     [ebx + PROCESS_ESP], eax
        mov     dword [ebx + PROCESS_STATE], STATE_READY
        ret

; Gives the processor to the next process that is ready, round and round; to the idle thread if none is. Returns when
; it is the caller's turn again. Interrupts must be off. Changes all registers but ESP.
schedule:
        mov     ebx, [current]
        mov     ecx, PROCESS_COUNT
.next:
        add     ebx, PROCESS_SIZE
        cmp     ebx, process_table + (PROCESS_COUNT + 1) * PROCESS_SIZE
        jb      .look
        mov     ebx, process_table + PROCESS_SIZE
.look:
        cmp     dword [ebx + PROCESS_STATE], STATE_READY
        je      .found
        dec     ecx
        jnz     .next
        mov     ebx, process_table      ; row 0 is the idle thread
.found:
        cmp     ebx, [current]
        jne     switch_to
        ret

; Leaves the current thread and goes on with the one whose row is at EBX.
switch_to:
        push    ebp
        push    ebx
        push    esi
        push    edi
        mov     eax, [current]
        mov     [eax + PROCESS_ESP], esp
        mov     [current], ebx
        mov     esp, [ebx + PROCESS_ESP]
        mov     eax, [ebx + PROCESS_STACK]
        mov     [tss + TSS_ESP0], eax   ; the next trap from ring 3 shall use this stack
        mov     eax, [ebx + PROCESS_CR3]
        mov     cr3, eax                ; and these are the addresses from now on; the kernel is the same in all
        pop     edi
        pop     esi
        pop     ebx
        pop     ebp
        ret

; Makes those ready whose time has come. Changes EAX, EBX and ECX.
wake_sleepers:
        mov     ebx, process_table + PROCESS_SIZE
        mov     ecx, PROCESS_COUNT
.next:
        cmp     dword [ebx + PROCESS_STATE], STATE_SLEEPING
        jne     .skip
        mov     eax, [ebx + PROCESS_WAKE]
        cmp     eax, [ticks]
        ja      .skip
        mov     dword [ebx + PROCESS_STATE], STATE_READY
.skip:
        add     ebx, PROCESS_SIZE
        dec     ecx
        jnz     .next
        ret

; --- System calls: the number in EAX, the answer in EAX (0, or -1 for what cannot be done).

system_call:
        mov     eax, [esp + FRAME_EAX]
        mov     dword [esp + FRAME_EAX], 0
        cmp     eax, SYS_WRITE
        je      system_write
        cmp     eax, SYS_EXIT
        je      process_end
        cmp     eax, SYS_YIELD
        je      system_yield
        cmp     eax, SYS_SLEEP
        je      system_sleep
system_refuse:
        mov     dword [esp + FRAME_EAX], -1
        jmp     trap_return

; A process may only show what it may read itself: the kernel could read everything.
system_write:
        mov     esi, [esp + FRAME_EBX]
        mov     ecx, [esp + FRAME_ECX]
        cmp     ecx, PAGE_SIZE
        ja      system_refuse
        cmp     esi, USER_HEAP          ; data or heap
        jae     .heap
        cmp     esi, USER_DATA
        jb      system_refuse
        lea     eax, [esi + ecx]
        cmp     eax, USER_DATA + PAGE_SIZE
        ja      system_refuse
        jmp     .write
.heap:
        lea     eax, [esi + ecx]
        cmp     eax, USER_HEAP_END
        ja      system_refuse
.write:
        call    print_counted           ; may itself fault on a heap page, which then appears
        jmp     trap_return

system_yield:
        call    schedule
        jmp     trap_return

system_sleep:
        mov     ebx, [current]
        mov     eax, [ticks]
        add     eax, [esp + FRAME_EBX]
        mov     [ebx + PROCESS_WAKE], eax
        mov     dword [ebx + PROCESS_STATE], STATE_SLEEPING
        call    schedule
        jmp     trap_return

; Ends the current process. Its memory is not given back.
process_end:
        mov     ebx, [current]
        mov     dword [ebx + PROCESS_STATE], STATE_FREE
        dec     dword [processes_alive]
        call    schedule                ; never comes back

        align   4
process_table:
        dd      0, 0, BOOT_STACK_TOP, STATE_FREE, 0, 0  ; the idle thread; paging_setup fills in its CR3
        dd      0, 0, 0, STATE_FREE, 0, 1
        dd      0, 0, 0, STATE_FREE, 0, 2
current:                dd      process_table
next_process:           dd      process_table + PROCESS_SIZE
processes_alive:        dd      0
processes_killed:       dd      0
ticks:                  dd      0
