; SPDX-License-Identifier: BSD-2-Clause
; From either loader into boot_multiboot2() or boot_efi() at their linked addresses, on our own page
; tables and stack.
;
; Both ways meet in boot_common32, in protected mode with paging off: the way from UEFI drops out of
; long mode first. So there is one builder of page tables, and firmware that runs with five levels of
; them (CR4.LA57, which long mode cannot change) needs no case of its own.
;
; This code runs at physical addresses. EBP holds the image's load address throughout.

CR0_PE     equ 1 << 0
CR0_MP     equ 1 << 1
CR0_ET     equ 1 << 4
CR0_NE     equ 1 << 5
CR0_WP     equ 1 << 16
CR0_PG     equ 1 << 31
CR4_PAE    equ 1 << 5
CR4_PCIDE  equ 1 << 17
CR4_CET    equ 1 << 23
MSR_EFER   equ 0xc0000080
EFER_LME   equ 1 << 8
EFER_NXE   equ 1 << 11
EFLAGS_ID  equ 1 << 21
CPUID_LM   equ 1 << 29          ; leaf 80000001h, EDX
CPUID_NX   equ 1 << 20

PTE_P      equ 1 << 0
PTE_W      equ 1 << 1
PTE_PS     equ 1 << 7

COM1       equ 0x3f8
COM_IER    equ COM1 + 1
COM_LCR    equ COM1 + 3
COM_MCR    equ COM1 + 4
COM_LSR    equ COM1 + 5
LCR_8N1    equ 3
LCR_DLAB   equ 1 << 7
MCR_DTR_RTS equ 3
LSR_THRE   equ 1 << 5
DEBUG_PORT equ 0xe9
VGA_TEXT   equ 0xb8000
VGA_WHITE  equ 0x0f

; The page tables, in this order in boot_tables.
PML4       equ 0x0000
PDPT_LOW   equ 0x1000           ; the first 4 GiB, for the identity map and for DIRECT
PDPT_HIGH  equ 0x2000           ; the last 512 GiB, for IMAGE
PD_IMAGE   equ 0x3000
PD_LOW     equ 0x4000           ; four of them
TABLES_END equ 0x8000
LARGE_PAGE equ 0x200000

STACK_SIZE equ 0x4000

; Which way in, in EBX.
FROM_MULTIBOOT2 equ 0
FROM_EFI        equ 1

        extern  boot_multiboot2, boot_efi
        extern  __image_start
        ; Distances from __image_start; helium.lds says why.
        extern  boot_tables_offset, boot_stack_top_offset, image_size_offset
        extern  boot_long_offset, boot_gdt_offset, boot_no_cpuid_offset, boot_no_long_mode_offset

        section .bss.page nobits alloc noexec write align=4096
        global  boot_tables, boot_stack_top
boot_tables:
        resb    TABLES_END
        resb    STACK_SIZE
boot_stack_top:

        section .boot.data progbits alloc noexec nowrite align=8
; Accessed bits are set, so that loading a selector writes nothing.
        global  boot_gdt
boot_gdt:
        dq      0
        dq      0x00af9b000000ffff ; SEL_CODE64
        dq      0x00cf93000000ffff ; SEL_DATA
        dq      0x00cf9b000000ffff ; SEL_CODE32
boot_gdt_end:
SEL_CODE64 equ 0x08
SEL_DATA   equ 0x10
SEL_CODE32 equ 0x18

boot_gdtr:                      ; at linked addresses, for hv_main
        dw      boot_gdt_end - boot_gdt - 1
        dq      boot_gdt

        global  boot_no_cpuid, boot_no_long_mode
boot_no_cpuid:
        db      "Helium: this CPU has no CPUID and so no long mode; a 64-bit x86 CPU is needed.", 0
boot_no_long_mode:
        db      "Helium: this CPU has no long mode; a 64-bit x86 CPU is needed "
        db      "(in a virtual machine: give it one).", 0

; ---------------------------------------------------------------------------------------------------
        section .boot.text64 progbits alloc exec nowrite align=16
        bits 64

; From helium.efi: long mode, identity-mapped, RDI = physical address of struct boot_info.
        global  boot_entry64
boot_entry64:
        cli
        cld
        lea     rbp, [rel __image_start]
        mov     ebx, FROM_EFI
        mov     rax, cr4        ; with either of these paging could not be switched off
        and     eax, ~(CR4_PCIDE | CR4_CET)
        mov     cr4, rax
        lea     rsp, [rel boot_stack_top]
        call    load_flat_gdt64
        lea     rax, [rel .compat]
        push    SEL_CODE32
        push    rax
        retfq

        bits 32
.compat:
        mov     eax, SEL_DATA
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     eax, cr0
        and     eax, ~CR0_PG
        mov     cr0, eax
        jmp     boot_common32

        bits 64
load_flat_gdt64:
        lea     rax, [rel boot_gdt]
        push    rax
        sub     rsp, 2
        mov     word [rsp], boot_gdt_end - boot_gdt - 1
        lgdt    [rsp]
        add     rsp, 10
        ret

; ---------------------------------------------------------------------------------------------------
        section .boot.text32 progbits alloc exec nowrite align=16
        bits 32

; Protected mode, paging off, flat segments. EBP = load address, EBX = which way in, EDI and ESI = what
; the C function behind it takes.
        global  boot_from_multiboot2
boot_from_multiboot2:
        mov     ebx, FROM_MULTIBOOT2
boot_common32:
        lea     esp, [ebp + boot_stack_top_offset]
        push    ebx
        call    load_flat_gdt32
        call    require_long_mode ; EDX = leaf 80000001h
        push    edx
        call    build_tables
        pop     edx
        pop     ebx

        mov     eax, CR4_PAE
        mov     cr4, eax
        lea     eax, [ebp + boot_tables_offset + PML4]
        mov     cr3, eax
        mov     eax, EFER_LME
        test    edx, CPUID_NX
        jz      .no_nx
        or      eax, EFER_NXE
.no_nx: mov     ecx, MSR_EFER
        xor     edx, edx
        wrmsr
        mov     eax, CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE
        mov     cr0, eax        ; compatibility mode

        push    dword SEL_CODE64
        lea     eax, [ebp + boot_long_offset]
        push    eax
        retf

load_flat_gdt32:
        lea     eax, [ebp + boot_gdt_offset]
        push    eax
        sub     esp, 2
        mov     word [esp], boot_gdt_end - boot_gdt - 1
        lgdt    [esp]
        add     esp, 6
        pop     eax
        push    dword SEL_CODE32
        push    eax
        mov     ecx, SEL_DATA
        mov     ds, ecx
        mov     es, ecx
        mov     ss, ecx
        retf

; Returns EDX of leaf 80000001h, or says what is missing and stops.
require_long_mode:
        pushfd
        pop     eax
        mov     ecx, eax
        xor     eax, EFLAGS_ID
        push    eax
        popfd
        pushfd
        pop     eax
        push    ecx
        popfd
        lea     edx, [ebp + boot_no_cpuid_offset]
        xor     eax, ecx
        test    eax, EFLAGS_ID
        jz      fail32
        mov     eax, 0x80000000
        cpuid
        lea     edx, [ebp + boot_no_long_mode_offset]
        cmp     eax, 0x80000001
        jb      fail32
        mov     eax, 0x80000001
        cpuid
        test    edx, CPUID_LM
        lea     eax, [ebp + boot_no_long_mode_offset]
        jz      .fail
        ret
.fail:  mov     edx, eax
        jmp     fail32

; All entries lie below 4 GiB, so the upper half of each stays 0, as .bss is.
;
;   PML4[0]   identity  --+-> PDPT_LOW[0..3]    -> PD_LOW: 4 GiB of 2 MiB pages
;   PML4[256] DIRECT    --+
;   PML4[511] IMAGE     ----> PDPT_HIGH[510]    -> PD_IMAGE: the image, 2 MiB pages
build_tables:
        lea     ebx, [ebp + boot_tables_offset]
        lea     eax, [ebx + PDPT_LOW + PTE_P + PTE_W]
        mov     [ebx + PML4 + 0 * 8], eax
        mov     [ebx + PML4 + 256 * 8], eax
        lea     eax, [ebx + PDPT_HIGH + PTE_P + PTE_W]
        mov     [ebx + PML4 + 511 * 8], eax
        lea     eax, [ebx + PD_IMAGE + PTE_P + PTE_W]
        mov     [ebx + PDPT_HIGH + 510 * 8], eax

        lea     eax, [ebx + PD_LOW + PTE_P + PTE_W]
        xor     ecx, ecx
.low:   mov     [ebx + PDPT_LOW + ecx * 8], eax
        add     eax, 0x1000
        inc     ecx
        cmp     ecx, 4
        jb      .low

        mov     eax, PTE_P | PTE_W | PTE_PS
        lea     edx, [ebx + PD_LOW]
        mov     ecx, 4 * 512
        call    fill_large

        lea     eax, [ebp + (PTE_P | PTE_W | PTE_PS)]
        lea     edx, [ebx + PD_IMAGE]
        mov     ecx, image_size_offset
        add     ecx, LARGE_PAGE - 1
        shr     ecx, 21
        ; fall through

; ECX entries from EDX on, the first of value EAX, each 2 MiB further.
fill_large:
        mov     [edx], eax
        add     edx, 8
        add     eax, LARGE_PAGE
        dec     ecx
        jnz     fill_large
        ret

; EDX = a sentence: on COM1, the debug port and the text screen's first line; then nothing more.
fail32:
        call    init_uart32
        mov     edi, VGA_TEXT
.next:  mov     al, [edx]
        inc     edx
        test    al, al
        jz      .end
        call    putc32
        mov     ah, VGA_WHITE
        stosw
        jmp     .next
.end:   mov     al, 13
        call    putc32
        mov     al, 10
        call    putc32
.stop:  cli
        hlt
        jmp     .stop

%macro outb32 2
        mov     al, %2
        mov     dx, %1
        out     dx, al
%endmacro

init_uart32:                    ; 115200 8n1, polled
        push    edx
        outb32  COM_IER, 0
        outb32  COM_LCR, LCR_DLAB
        outb32  COM1, 1
        outb32  COM_IER, 0
        outb32  COM_LCR, LCR_8N1
        outb32  COM_MCR, MCR_DTR_RTS
        pop     edx
        ret

putc32: push    edx
        out     DEBUG_PORT, al
        push    eax
        mov     ecx, 0x10000    ; no UART: never ready
        mov     edx, COM_LSR
.wait:  in      al, dx
        test    al, LSR_THRE
        loopz   .wait
        pop     eax
        mov     edx, COM1
        out     dx, al
        pop     edx
        ret

; ---------------------------------------------------------------------------------------------------
        section .boot.text64
        bits 64

        global  boot_long
boot_long:
        mov     rax, .linked
        jmp     rax
.linked:                        ; at the linked address from here on
        lgdt    [rel boot_gdtr]
        mov     eax, SEL_DATA
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        xor     eax, eax
        mov     fs, eax
        mov     gs, eax
        lldt    ax
        lea     rsp, [rel boot_stack_top]
        xor     ebp, ebp        ; the end of every backtrace
        mov     edi, edi
        mov     esi, esi
        cmp     ebx, FROM_EFI   ; neither returns
        je      .efi
        call    boot_multiboot2
.efi:   call    boot_efi
        ud2
