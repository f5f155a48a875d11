; Operators, precedence and number formats.
        dd 1+2*3, (1+2)*3, 7/2, -7//2, 7 % 3, -7 %% 3, 1<<4|1, 0xff&~0x0f, 5^3, !0, !5, -1>>60, ~0
        dd 255, 0xff, 0ffh, $0ff, 0hff, 11111111b, 0b1111_1111, 0y11111111, 377q, 0o377, 0q377, 255d, 0d255, 1_000
        dq 0x123456789abcdef0, -1, 1<<63
        dw 'a', 'ab', "abc", "it's"
        db 'string', 0, "two", `\x41\101\n\t\\`, 'a'+1
        dd 'abcd', 'abcde', 1 = 1, 1 == 2, 1 != 2, 1 <> 1, 2 < 3, 3 <= 3, 4 > 5, 5 >= 5
        dd 1 || 0, 1 && 0, 1 ^^ 1, 1 ? 10 : 20, 0 ? 10 : 20
        dd 1.0, -2.5, 3.25e2
        dq 1.0, -0.5
        dd +5, - - 5, ~~7, (((1)))
        dd 2+3<<1, 1|2&3, 1|2^2, 10-4-3, 100/10/5
        dd three, three*2, -three
three   equ 3
self:   dd $, $-self, $$, ($-$$)/4
        db (end-self)/2, end-self
end:
