bits 32
org 0x100000
start:
    xor eax, eax
    ud2                     ; no IDT: the fault has no handler
