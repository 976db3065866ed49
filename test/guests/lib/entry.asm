; SPDX-License-Identifier: BSD-2-Clause
; Where a test guest begins: by PVH (helium-test.elf, bare QEMU) or multiboot2 (GRUB on bare Bochs), both in
; 32-bit protected mode without paging. Goes on to long mode if assembled for it, and calls guest_main().

%ifidn __OUTPUT_FORMAT__, elf64
%define LONG_MODE
%endif

CODE     equ 0x08
DATA     equ 0x10
CODE32   equ 0x18
AP_PAGE  equ 0x2000
STACK    equ 0x4000

section .multiboot2
align 8
multiboot2:
    dd 0xe85250d6, 0, multiboot2_end - multiboot2
    dd -(0xe85250d6 + 0 + (multiboot2_end - multiboot2)) & 0xffffffff
    dw 0, 0
    dd 8
multiboot2_end:

section .note.pvh note
    dd 4, 8, 18             ; XEN_ELFNOTE_PHYS32_ENTRY
    db "Xen", 0
    dd start, 0

section .bss
align 4096
%ifdef LONG_MODE
global boot_pml4, boot_pdpt, boot_pd
boot_pml4: resb 4096
boot_pdpt: resb 4096
boot_pd:   resb 4 * 4096
%endif
global stacks
stacks: resb 2 * STACK      ; boot CPU, then the other one

section .data
align 8
boot_gdt:
    dq 0
%ifdef LONG_MODE
    dq 0x00af9b000000ffff
%else
    dq 0x00cf9b000000ffff
%endif
    dq 0x00cf93000000ffff
    dq 0x00cf9b000000ffff
boot_gdt_end:
boot_gdtr:
    dw boot_gdt_end - boot_gdt - 1
    dd boot_gdt
global boot_magic, boot_info
boot_magic: dd 0
boot_info:  dd 0

section .text
bits 32
global start
extern guest_main
start:
    cld
    mov [boot_magic], eax
    mov [boot_info], ebx
    mov esp, stacks + STACK
    lgdt [boot_gdtr]
    jmp CODE32:.reload
.reload:
    mov eax, DATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov fs, eax
    mov gs, eax
%ifndef LONG_MODE
    jmp CODE:.flat
.flat:
    call guest_main
%else
    ; 4 GiB one to one in 2 MiB pages, open to ring 3 as well.
    mov dword [boot_pml4], boot_pdpt + 7
    mov edi, boot_pdpt
    mov eax, boot_pd + 7
    mov ecx, 4
.pdpt:
    mov [edi], eax
    add eax, 4096
    add edi, 8
    loop .pdpt
    mov edi, boot_pd
    mov eax, 0x87
    mov ecx, 2048
.pd:
    mov [edi], eax
    add eax, 1 << 21
    add edi, 8
    loop .pd
    call enter_long_mode
    jmp CODE:.long
bits 64
.long:
    call guest_main
%endif
    jmp $

%ifdef LONG_MODE
bits 32
enter_long_mode:
    mov eax, 0x620          ; PAE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    mov eax, boot_pml4
    mov cr3, eax
    mov ecx, 0xc0000080     ; EFER.LME
    rdmsr
    or eax, 0x100
    wrmsr
    mov eax, 0x80010033     ; PG, WP, NE, ET, MP, PE
    mov cr0, eax
    ret

; Copied to AP_PAGE, where STARTUP lets the other CPU begin.
section .rodata
global ap_begin, ap_end
bits 16
ap_begin:
    cli
    xor ax, ax
    mov ds, ax
    o32 lgdt [AP_PAGE + .gdtr - ap_begin]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword CODE32:ap32
.gdtr:
    dw boot_gdt_end - boot_gdt - 1
    dd boot_gdt
ap_end:

section .text
bits 32
ap32:
    mov eax, DATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov fs, eax
    mov gs, eax
    mov esp, stacks + 2 * STACK
    call enter_long_mode
    jmp CODE:.long
bits 64
.long:
extern ap_main
    call ap_main
    jmp $
%endif

%ifdef LONG_MODE
; Vectors push (an error code of 0 and) their number; all registers behind that: struct frame.
bits 64
extern on_trap, user_flags
trap_common:
    push rax
    push rcx
    push rdx
    push rbx
    push rbp
    push rsi
    push rdi
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
    mov rbx, rsp
    and rsp, -16
    call on_trap
    mov rsp, rbx
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rbp
    pop rbx
    pop rdx
    pop rcx
    pop rax
    add rsp, 16
    iretq

; long enter_user(entry, stack, code selector, data selector): comes back when ring 3 traps.
global enter_user
extern try_resume, try_sp
enter_user:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov qword [try_resume], .back
    mov [try_sp], rsp
    push rcx
    push rsi
    push qword [user_flags]
    push rdx
    push rdi
    iretq
.back:
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
%else
bits 32
extern on_trap, user_flags
trap_common:
    pushad
    push ds
    push es
    push fs
    push gs
    cld
    mov eax, DATA
    mov ds, eax
    mov es, eax
    push esp
    call on_trap
    mov esp, eax            ; the same frame, or one that on_trap made where the code goes on
    pop gs
    pop fs
    pop es
    pop ds
    popad
    add esp, 8
    iretd

; long enter_user(entry, stack, code selector, data selector)
global enter_user
extern try_resume, try_sp
enter_user:
    push ebx
    push ebp
    push esi
    push edi
    mov dword [try_resume], .back
    mov [try_sp], esp
    mov ecx, [esp + 20]
    mov edx, [esp + 24]
    mov esi, [esp + 28]
    mov edi, [esp + 32]
    mov ds, edi
    mov es, edi
    push edi
    push edx
    push dword [user_flags]
    push esi
    push ecx
    iretd
.back:
    pop edi
    pop esi
    pop ebp
    pop ebx
    ret
%endif

; vectors[256], each VECTOR_SIZE bytes.
global vectors
align 16
vectors:
%assign v 0
%rep 256
    align 16
%if v != 8 && v != 10 && v != 11 && v != 12 && v != 13 && v != 14 && v != 17 && v != 21
    push byte 0
%endif
%ifdef LONG_MODE
    push v
%else
    push dword v
%endif
    jmp near trap_common
%assign v v + 1
%endrep
