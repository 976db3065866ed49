; SPDX-License-Identifier: BSD-2-Clause
; The real-mode half of real.c. Everything between real_begin and real_end is copied to REAL_PAGE and runs with
; CS = DS = REAL_PAGE >> 4, SS = 7000h; results go to the slots at offset 800h, numbered as in real.c.

REAL_PAGE equ 0x6000
REAL_SEG  equ REAL_PAGE >> 4
SLOTS     equ 0x800
CODE16    equ 0x48              ; the guest's spare descriptors
DATA16    equ 0x50

S_IN_REAL     equ SLOTS + 4 * 0
S_PE          equ SLOTS + 4 * 1
S_INT         equ SLOTS + 4 * 2
S_INT_FLAGS   equ SLOTS + 4 * 3
S_INT_IP      equ SLOTS + 4 * 4
S_DE_IP       equ SLOTS + 4 * 5
S_UD_IP       equ SLOTS + 4 * 6
S_BR          equ SLOTS + 4 * 7
S_LIMIT       equ SLOTS + 4 * 8
S_LIMIT_WORD  equ SLOTS + 4 * 9
S_WRAP        equ SLOTS + 4 * 10
S_WRAP_SP     equ SLOTS + 4 * 11
S_PORT        equ SLOTS + 4 * 12
S_PORT_STRING equ SLOTS + 4 * 13
S_A20         equ SLOTS + 4 * 14
S_UNREAL      equ SLOTS + 4 * 15
S_UNREAL_MMIO equ SLOTS + 4 * 16
S_IDT_LIMIT   equ SLOTS + 4 * 17
S_CPUID       equ SLOTS + 4 * 18
S_STI_HLT     equ SLOTS + 4 * 19
S_FAR         equ SLOTS + 4 * 20
S_FLAGS       equ SLOTS + 4 * 21
S_IVT_MOVED   equ SLOTS + 4 * 22
S_SINGLE_STEP equ SLOTS + 4 * 23

section .data
old_gdtr: dw 0
          dd 0
old_idtr: dw 0
          dd 0
old_sp:   dd 0
real_idtr: dw 0x3ff
           dd 0

section .text
bits 32
extern gdt_entry
global real_run
real_run:
    pushad
    sgdt [old_gdtr]
    sidt [old_idtr]
    push dword CODE16
    call gdt_entry
    mov dword [eax], 0x6000ffff     ; base REAL_PAGE, limit 64 KiB, 16 bits
    mov dword [eax + 4], 0x00009b00
    mov dword [eax + 8], 0x0000ffff ; base 0, the same limit
    mov dword [eax + 12], 0x00009300
    add esp, 4
    mov ax, [old_gdtr]
    mov [REAL_PAGE + gdtr_copy - real_begin], ax
    mov eax, [old_gdtr + 2]
    mov [REAL_PAGE + gdtr_copy - real_begin + 2], eax
    mov [old_sp], esp
    lidt [real_idtr]
    jmp CODE16:(entry16 - real_begin)

real_return:                        ; from real mode, by way of a 32-bit far jump
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov fs, eax
    mov gs, eax
    mov esp, [old_sp]
    lidt [old_idtr]
    popad
    ret

%define AT(label) (label - real_begin)

; vector, handler
%macro SET_IVT 2
    mov word [fs:4 * %1], AT(%2)
    mov word [fs:4 * %1 + 2], REAL_SEG
%endmacro

section .rodata
bits 16
global real_begin, real_end
real_begin:
idtr16:   dw 0, 0, 0
moved:    dw 0x3ff
          dd 0x5000
home:     dw 0x3ff
          dd 0
fault_ip: dw 0
vector:   dw 0
resume:   dw 0

entry16:
    mov ax, DATA16
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    mov eax, cr0
    and al, 0xfe
    mov cr0, eax
    jmp REAL_SEG:AT(.real)
.real:
    mov ax, cs
    mov ds, ax
    mov es, ax
    xor ax, ax
    mov fs, ax                      ; the interrupt vectors
    mov ax, 0x7000
    mov ss, ax
    mov sp, 0x1000
    mov dword [S_IN_REAL], 0x1234
    mov eax, cr0
    and eax, 1
    mov [S_PE], eax

    ; INT n: FLAGS, CS, IP; IF and TF off in the handler
    SET_IVT 0x60, on_int
    sti
    int 0x60
after_int:
    cli

    ; faults save the IP of the instruction itself, and no error code
    SET_IVT 0, on_fault
    mov word [AT(resume)], AT(.de_done)
    xor bl, bl
    mov ax, 1
.de:
    div bl
.de_done:
    mov word [S_DE_IP], 0
    cmp word [AT(fault_ip)], AT(.de)
    sete [S_DE_IP]
    SET_IVT 6, on_fault
    mov word [AT(resume)], AT(.ud_done)
.ud:
    ud2
.ud_done:
    cmp word [AT(fault_ip)], AT(.ud)
    sete [S_UD_IP]
    SET_IVT 5, on_br
    mov word [AT(resume)], AT(.br_done)
    mov ax, 9
    bound ax, [AT(bounds)]
.br_done:

    ; the limit is 64 KiB: the last byte is inside, a word there is not
    SET_IVT 13, on_gp
    mov word [AT(vector)], 0
    mov word [AT(resume)], AT(.limit_done)
    mov al, [gs:0xffff]
.limit_done:
    movzx eax, word [AT(vector)]
    mov [S_LIMIT], eax
    mov word [AT(resume)], AT(.word_done)
    mov ax, [gs:0xffff]
.word_done:
    movzx eax, word [AT(vector)]
    mov [S_LIMIT_WORD], eax

    ; 16-bit addresses wrap inside the segment
    mov byte [0x7f0], 0x77
    mov bx, 0xfff0
    mov al, [bx + 0x800]
    movzx eax, al
    mov [S_WRAP], eax
    mov cx, sp
    xor sp, sp
    push ax
    mov bx, sp
    mov sp, cx
    movzx ebx, bx
    mov [S_WRAP_SP], ebx

    ; ports, and strings through ES:DI
    xor eax, eax
    in al, 0xe9
    mov [S_PORT], eax
    mov dx, 0x61c
    mov al, 3
    out dx, al
    mov di, S_PORT_STRING
    mov cx, 2
    cld
    rep insb

    ; with A20 on, FFFF:0010 is the megabyte's first byte, not address 0
    mov ax, 0xffff
    mov gs, ax
    mov al, [fs:0x7ff]
    mov byte [fs:0x7ff], 0x99
    mov bl, [gs:0x80f]              ; 100000h + 7ffh
    not bl
    mov [gs:0x80f], bl
    mov bl, [fs:0x7ff]
    movzx ebx, bl
    mov [S_A20], ebx
    mov bl, [gs:0x80f]
    not bl
    mov [gs:0x80f], bl
    mov [fs:0x7ff], al

    call unreal

    ; the vectors need not lie at 0
    sidt [AT(idtr16)]
    movzx eax, word [AT(idtr16)]
    mov [S_IDT_LIMIT], eax
    mov word [fs:0x5000 + 4 * 0x61], AT(on_moved)
    mov word [fs:0x5000 + 4 * 0x61 + 2], REAL_SEG
    o32 lidt [AT(moved)]
    int 0x61
    o32 lidt [AT(home)]

    xor eax, eax
    cpuid
    mov [S_CPUID], ebx

    call REAL_SEG:AT(far_call)

    pushfd
    pop eax
    mov [S_FLAGS], eax

    ; TF: three instructions until it is off again
    SET_IVT 1, on_step
    pushf
    pop ax
    mov bx, ax
    or ah, 1
    push ax
    popf
    nop
    push bx
    popf

    ; home
    o32 lgdt [AT(gdtr_copy)]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword 0x08:real_return

; FS gets a 4 GiB limit in protected mode, and keeps it when real mode returns.
unreal:
    o32 lgdt [AT(gdtr_copy)]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp $ + 2
    mov bx, 0x10
    mov gs, bx
    and al, 0xfe
    mov cr0, eax
    jmp $ + 2
    xor bx, bx
    mov gs, bx
    mov dword [gs:dword 0x200000], 0x5eed5eed
    mov eax, [gs:dword 0x200000]
    mov [S_UNREAL], eax
    mov eax, [gs:dword 0xfee00030]
    mov [S_UNREAL_MMIO], eax
    ret

on_int:
    push bp
    mov bp, sp
    pushfd
    pop dword [S_INT_FLAGS]
    mov dword [S_INT], 0xabcd
    cmp word [bp + 2], AT(after_int)
    sete [S_INT_IP]
    pop bp
    iret

on_br:
    mov byte [S_BR], 5
on_fault:
    push bp
    mov bp, sp
    push ax
    mov ax, [bp + 2]
    mov [AT(fault_ip)], ax
    mov ax, [AT(resume)]
    mov [bp + 2], ax
    pop ax
    pop bp
    iret

on_gp:
    mov word [AT(vector)], 13
    jmp on_fault

on_moved:
    mov dword [S_IVT_MOVED], 0xbeef
    iret

on_step:
    inc byte [S_SINGLE_STEP]
    iret

far_call:
    mov dword [S_FAR], 0x4321
    retf

bounds:   dw 1, 5
gdtr_copy:
    dw 0
    dd 0
real_end:
