; SPDX-License-Identifier: BSD-2-Clause
; Where an application processor wakes up: copied to a page below 1 MiB, started there in real mode by
; STARTUP IPI (SDM 3A 8.4.4), and on to ap_main() in long mode. hv/smp.c fills in the block at the end.

%include "offsets.inc"

CR0_PE    equ 1
CR0_ET    equ 1 << 4
CR0_NE    equ 1 << 5
CR0_WP    equ 1 << 16
CR0_PG    equ 1 << 31
CR4_PAE   equ 1 << 5
MSR_EFER  equ 0xc0000080
EFER_LME  equ 1 << 8
EFER_NXE  equ 1 << 11

section .rodata
global ap_code, ap_code_end, ap_block

; An address inside the page: offset from its start, which EBX and the data segment's base hold.
%define HERE(label) ((label) - ap_code)

align 16
bits 16
ap_code:
    cli
    cld
    mov ax, cs
    mov ds, ax
    movzx ebx, ax
    shl ebx, 4
    o32 lgdt [HERE(ap_block) + AP_GDTR]
    mov eax, cr0
    or al, CR0_PE
    mov cr0, eax
    jmp far dword [HERE(ap_block) + AP_FAR32]

bits 32
ap_protected:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, CR4_PAE
    mov cr4, eax
    mov eax, [ebx + HERE(ap_block) + AP_CR3]
    mov cr3, eax
    mov ecx, MSR_EFER
    rdmsr
    or eax, EFER_LME | EFER_NXE
    wrmsr
    mov eax, CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG
    mov cr0, eax
    jmp far dword [ebx + HERE(ap_block) + AP_FAR64]

bits 64
ap_long:
    mov ebx, ebx
    mov rsp, [rbx + HERE(ap_block) + AP_STACK]
    mov rdi, [rbx + HERE(ap_block) + AP_PERCPU]
    mov rax, [rbx + HERE(ap_block) + AP_MAIN]
    xor ebp, ebp
    push rbp                 ; no return address: the backtrace ends here
    jmp rax

align 16
ap_block:
    times AP_BLOCK_SIZE db 0
ap_code_end:

global ap_protected_offset, ap_long_offset
align 8
ap_protected_offset: dq HERE(ap_protected)
ap_long_offset:      dq HERE(ap_long)
