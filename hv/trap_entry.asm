; SPDX-License-Identifier: BSD-2-Clause
; The 256 gates of root mode, and what they share. Every stub brings the stack to struct trap_frame.

%include "offsets.inc"

bits 64
default rel
section .text

extern trap_dispatch
global trap_stubs, trap_return

; Vectors for which the CPU pushes an error code (SDM 3A table 6-1).
%define HAS_ERROR(v) ((v) == 8 || ((v) >= 10 && (v) <= 14) || (v) == 17 || (v) == 21 || (v) == 29 || (v) == 30)

%assign v 0
%rep 256
align 16
stub_%+v:
%if !HAS_ERROR(v)
    push 0
%endif
    push v
    jmp trap_common
%assign v v + 1
%endrep

trap_common:
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld
    mov rdi, rsp
    call trap_dispatch
trap_return:
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 16
    iretq

; int rdmsr_safe(u32 msr, u64 *value) and int wrmsr_safe(u32 msr, u64 value): a #GP at the marked
; instructions goes on at msr_failed (hv/trap.c).
global rdmsr_safe, wrmsr_safe, rdmsr_safe_at, wrmsr_safe_at, msr_failed
rdmsr_safe:
    mov ecx, edi
rdmsr_safe_at:
    rdmsr
    shl rdx, 32
    or rax, rdx
    mov [rsi], rax
    xor eax, eax
    ret

wrmsr_safe:
    mov ecx, edi
    mov eax, esi
    mov rdx, rsi
    shr rdx, 32
wrmsr_safe_at:
    wrmsr
    xor eax, eax
    ret

msr_failed:
    mov eax, -TRAP_EFAULT
    ret

section .rodata
align 8
trap_stubs:
%assign v 0
%rep 256
    dq stub_%+v
%assign v v + 1
%endrep
