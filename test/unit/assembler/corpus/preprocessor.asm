; Macros, conditions, repetition, contexts and strings.
        bits 32
%define TWO 2
%define SUM(a, b) ((a)+(b))
%define NESTED SUM(TWO, SUM(TWO, 3))
%idefine lower 7
%xdefine FIXED TWO
%define TWO 22
        dd TWO, FIXED, NESTED, LOWER, Lower
%undef TWO
%define LATE later_value
        dd LATE
later_value equ 99

%macro outb 2
        mov al, %2
        out %1, al
%endmacro
        outb 0x20, 0x11
        outb 0xa0, 0x11

%macro isr 1-2 0
isr_%1:
%if %2
        push dword 0
%endif
        push dword %1
        jmp shared
%endmacro
%assign vector 0
%rep 4
        isr vector, 1
%assign vector vector+1
%endrep
        isr 8
shared: iret

%macro wait_for 2
%%again:
        in al, %1
        test al, %2
        jz %%again
%endmacro
        wait_for 0x64, 1
        wait_for 0x60, 2

%macro bytes 1-*
        db %0
%rep %0
        db %1
%rotate 1
%endrep
%endmacro
        bytes 1
        bytes 1, 2, 3

%macro text 2+
%1:     db %2, 0
%endmacro
        text greeting, 'a', 'b, c', 5
        dd greeting

%macro branch 1
        j%+1 .over
        j%-1 .over
.over:
%endmacro
here:
        branch e
there:
        branch nc

%macro block 0
%push block
%$begin:
%endmacro
%macro endblock 0
        jmp %$begin
%pop
%endmacro
        block
        nop
        block
        nop
        endblock
        endblock

%ifdef UNKNOWN
        db 1
%elifdef LATE
        db 2
%else
        db 3
%endif
%ifndef UNKNOWN
        db 4
%endif
%if 1 + 1 == 2 && 3 > 2
        db 5
%elif 1
        db 6
%endif
%ifidn abc, abc
        db 7
%endif
%ifidni ABC, abc
        db 8
%endif
%ifnidn abc, abd
        db 9
%endif
%ifmacro outb 2
        db 10
%endif
%ifid name
        db 11
%endif
%ifnum 5
        db 12
%endif
%ifstr 'x'
        db 13
%endif
%if 0
%if 1
        db 99
%else
        db 98
%endif
%else
        db 14
%endif

%strlen length 'hello'
%substr letter 'hello' 2
%strcat joined 'ab', "cd"
%defstr named hello
        db length, letter, joined, named

%assign count 10
%rep 100
%assign count count-1
%if count == 3
%exitrep
%endif
        db count
%endrep

%macro early 1
        db %1
%if %1 > 5
%exitmacro
%endif
        db 0xff
%endmacro
        early 3
        early 9

%define paste(a, b) a %+ b
paste(la, bel): dd paste(la, bel)
        dd __LINE__
%macro line_of_use 0
        dd __LINE__
%endmacro
        line_of_use
        dd 1, \
           2, \
           3
        db 0xee
