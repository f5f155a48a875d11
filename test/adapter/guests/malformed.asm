bits 32
org 0x100000
start:
    mov eax, nowhere
    ret
