; SPDX-License-Identifier: BSD-2-Clause
; Into and out of the instruction under test (native.h). All of struct native is addressed absolutely, since
; every register belongs to the test.

bits 64
default abs

BASE        equ 0x20000000
STACK       equ BASE + 0x2000
GPR         equ BASE
RFLAGS_     equ BASE + 128
FRAME       equ BASE + 136
HOST_RSP    equ BASE + 176
SEL_DS      equ BASE + 184
SEL_ES      equ BASE + 192
SEL_GS      equ BASE + 200
AVX         equ BASE + 208
YMM         equ BASE + 224


section .text
global native_enter, native_exit, native_exit_fault

; void native_enter(void)
native_enter:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        pushfq
        mov [HOST_RSP], rsp
        mov ds, [SEL_DS]
        mov es, [SEL_ES]
        mov gs, [SEL_GS]
        cmp qword [AVX], 0
        je .sse
%assign n 0
%rep 16
        vmovdqu ymm %+ n, [YMM + 32 * n]
%assign n n + 1
%endrep
        jmp .gpr
.sse:
%assign n 0
%rep 16
        movdqu xmm %+ n, [YMM + 32 * n]
%assign n n + 1
%endrep
.gpr:
        mov rsp, FRAME
        mov rax, [GPR]
        mov rcx, [GPR + 8]
        mov rdx, [GPR + 16]
        mov rbx, [GPR + 24]
        mov rbp, [GPR + 40]
        mov rsi, [GPR + 48]
        mov rdi, [GPR + 56]
%assign n 8
%rep 8
        mov r %+ n, [GPR + 8 * n]
%assign n n + 1
%endrep
        iretq

; The instruction went through.
native_exit:
        mov [GPR], rax
        mov [GPR + 8], rcx
        mov [GPR + 16], rdx
        mov [GPR + 24], rbx
        mov [GPR + 32], rsp
        mov [GPR + 40], rbp
        mov [GPR + 48], rsi
        mov [GPR + 56], rdi
%assign n 8
%rep 8
        mov [GPR + 8 * n], r %+ n
%assign n n + 1
%endrep
        mov rsp, STACK
        pushfq
        pop qword [RFLAGS_]

; It did not: the signal handler has stored what native_exit would have.
native_exit_fault:
        mov rsp, [HOST_RSP]
        popfq
        cmp qword [AVX], 0
        je .sse
%assign n 0
%rep 16
        vmovdqu [YMM + 32 * n], ymm %+ n
%assign n n + 1
%endrep
        vzeroupper
        jmp .segments
.sse:
%assign n 0
%rep 16
        movdqu [YMM + 32 * n], xmm %+ n
%assign n n + 1
%endrep
.segments:
        mov eax, 0x2b
        mov ss, ax
        xor eax, eax
        mov ds, ax
        mov es, ax
        mov gs, ax
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        ret

section .note.GNU-stack noalloc noexec nowrite progbits
