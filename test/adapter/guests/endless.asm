bits 32
org 0x100000
start:
    inc eax
    jmp start
