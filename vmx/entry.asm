; SPDX-License-Identifier: BSD-2-Clause
; One VM entry and the exit that follows. The VMCS switches RIP, RSP, RFLAGS and the system registers;
; the general registers are ours to switch.

%include "offsets.inc"

bits 64
default rel
section .text

global vmx_enter, vmx_exit

%define GPR(n) VCPU_GPR + 8 * (n)
%define FIELD_HOST_RSP 0x6c14

; The registers in the order of enum gpr, RSP (4) excepted. RDI (7) addresses the vcpu.
%macro each_gpr 1
    %1 rax, 0
    %1 rcx, 1
    %1 rdx, 2
    %1 rbx, 3
    %1 rbp, 5
    %1 rsi, 6
    %1 r8, 8
    %1 r9, 9
    %1 r10, 10
    %1 r11, 11
    %1 r12, 12
    %1 r13, 13
    %1 r14, 14
    %1 r15, 15
%endmacro
%macro load 2
    mov %1, [rdi + GPR(%2)]
%endmacro
%macro store 2
    mov [rdi + GPR(%2)], %1
%endmacro

; int vmx_enter(struct vcpu *v). HOST_RSP is the stack as it is at the entry: v on top, what we were
; called with below; it is written only when the depth of the call has changed.
vmx_enter:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    push rdi
    mov rax, [rdi + VCPU_VENDOR]
    cmp rsp, [rax + VMX_HOST_RSP]
    je .same_stack
    mov edx, FIELD_HOST_RSP
    vmwrite rdx, rsp
    mov [rax + VMX_HOST_RSP], rsp
.same_stack:
    cmp byte [rax + VMX_LAUNCHED], 0 ; no flag changes until the jump
    each_gpr load
    mov rdi, [rdi + GPR(7)]
    jne .resume
    vmlaunch
    jmp .refused
.resume:
    vmresume
.refused:
    pop rdi
    mov eax, 1
    jmp restore

; The guest's values do not linger where root mode might speculate on them.
vmx_exit:
    push rdi
    mov rdi, [rsp + 8]
    each_gpr store
    pop qword [rdi + GPR(7)]
    pop rdi
    xor eax, eax
    xor ecx, ecx
    xor edx, edx
    xor esi, esi
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r11d, r11d
restore:
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
