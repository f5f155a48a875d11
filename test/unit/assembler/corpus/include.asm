; Included files, beside the including file and below it, and included bytes.
        bits 32
%include "parts/first.inc"
%include "parts/first.inc"
        dd from_first
        dd FROM_SECOND
        incbin "parts/data.bin"
        incbin "parts/data.bin", 2
        incbin "parts/data.bin", 1, 3
