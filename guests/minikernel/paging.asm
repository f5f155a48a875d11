; Paging: two levels of tables turn a linear address into a physical one. Bits 31-22 choose an entry of the page
; directory (which CR3 points to), bits 21-12 an entry of the page table that this one names, bits 11-0 stay.
;
; Each address space has a page directory of its own, and a page table of its own for the lowest 4 MiB: there lies the
; kernel, closed to ring 3, and among its pages the few that this process may see.

PAGE_SIZE       equ     4096
PAGE_PRESENT    equ     0x001
PAGE_WRITE      equ     0x002
PAGE_USER       equ     0x004

CR0_PG          equ     0x80000000
CR0_WP          equ     0x00010000      ; ring 0 respects read-only pages too

FRAMES_START    equ     0x00200000
FRAMES_END      equ     0x00400000

USER_BASE       equ     0x40000000      ; everything above belongs to the process
USER_DATA       equ     0x40000000
USER_STACK      equ     0x40007000
USER_STACK_TOP  equ     0x40008000
USER_HEAP       equ     0x40010000
USER_HEAP_END   equ     0x40020000

; Takes a frame of physical memory, fills it with zeros and returns its address in EAX. There is no way to give one
; back: this kernel ends before it runs out. Frames lie where linear and physical addresses are the same.
frame_allocate:
        push    ecx
        push    edi
        mov     eax, [next_frame]
        cmp     eax, FRAMES_END
        jae     .none
        add     dword [next_frame], PAGE_SIZE
        mov     edi, eax
        push    eax
        xor     eax, eax
        mov     ecx, PAGE_SIZE / 4
        rep     stosd
        pop     eax
        pop     edi
        pop     ecx
        ret
.none:
        mov     esi, message_no_frames
        jmp     panic

; Maps one page: linear address in EAX, frame address and access bits in EDX, page directory in ECX. Makes the page
; table if there is none. Flushes the translation that the processor may have kept. Preserves all registers.
map_page:
        pusha
        mov     ebx, eax
        shr     ebx, 22
        lea     ebx, [ecx + ebx * 4]    ; the directory entry
        mov     esi, [ebx]
        test    esi, PAGE_PRESENT
        jnz     .have_table
        mov     edi, eax
        call    frame_allocate
        mov     esi, eax
        or      eax, PAGE_PRESENT | PAGE_WRITE | PAGE_USER
        mov     [ebx], eax
        mov     eax, edi
.have_table:
        and     esi, 0xfffff000         ; the page table
        mov     edi, eax
        shr     edi, 12
        and     edi, 0x3ff
        or      edx, PAGE_PRESENT
        mov     [esi + edi * 4], edx
        invlpg  [eax]
        popa
        ret

; Makes the kernel's own address space and turns paging on.
paging_setup:
        call    frame_allocate
        mov     [kernel_directory], eax
        mov     ecx, eax
        mov     eax, KERNEL_BASE        ; the page at address 0 stays unmapped: a null pointer shall fault
.map:
        mov     edx, eax
        or      edx, PAGE_WRITE         ; identity, no PAGE_USER
        call    map_early
        add     eax, PAGE_SIZE
        cmp     eax, FRAMES_END
        jb      .map
        mov     [process_table + PROCESS_CR3], ecx  ; the idle thread lives in the kernel's address space
        mov     cr3, ecx
        mov     eax, cr0
        or      eax, CR0_PG | CR0_WP
        mov     cr0, eax
        ret

; As map_page, before paging is on: there is nothing to flush yet. All pages lie in the lowest 4 MiB.
map_early:
        pusha
        mov     ebx, [ecx]
        test    ebx, PAGE_PRESENT
        jnz     .have_table
        push    eax
        call    frame_allocate
        mov     [kernel_low_table], eax
        or      eax, PAGE_PRESENT | PAGE_WRITE | PAGE_USER
        mov     [ecx], eax
        mov     ebx, eax
        pop     eax
.have_table:
        and     ebx, 0xfffff000
        shr     eax, 12
        or      edx, PAGE_PRESENT
        mov     [ebx + eax * 4], edx
        popa
        ret

; Makes an address space with the kernel in it and returns its page directory in EAX. Changes nothing else.
address_space_create:
        push    ecx
        push    edx
        push    esi
        push    edi
        call    frame_allocate          ; the page table for the lowest 4 MiB: a copy of the kernel's
        mov     edx, eax
        mov     edi, eax
        mov     esi, [kernel_low_table]
        mov     ecx, PAGE_SIZE / 4
        rep     movsd
        call    frame_allocate          ; the directory
        or      edx, PAGE_PRESENT | PAGE_WRITE | PAGE_USER
        mov     [eax], edx
        pop     edi
        pop     esi
        pop     edx
        pop     ecx
        ret

; A page fault in the part of an address space that belongs to the process: if it hit the heap and nothing is mapped
; there, give it a fresh frame. Linear address in EAX, error code in EDX. Carry clear: mapped, try again.
page_on_demand:
        test    edx, PAGE_PRESENT       ; bit 0 of the error code: the page was there, the access was not allowed
        jnz     .refuse
        cmp     eax, USER_HEAP
        jb      .refuse
        cmp     eax, USER_HEAP_END
        jae     .refuse
        push    ecx
        push    edx
        and     eax, 0xfffff000
        mov     ecx, eax
        call    frame_allocate
        mov     edx, eax
        or      edx, PAGE_WRITE | PAGE_USER
        mov     eax, ecx
        mov     ecx, cr3
        call    map_page
        inc     dword [pages_on_demand]
        pop     edx
        pop     ecx
        clc
        ret
.refuse:
        stc
        ret

        align   4
next_frame:             dd      FRAMES_START
kernel_directory:       dd      0
kernel_low_table:       dd      0
pages_on_demand:        dd      0
message_no_frames:      db      'no frames left', 0
