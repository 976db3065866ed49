; SPDX-License-Identifier: BSD-2-Clause
; The multiboot2 header and the entry that its loader jumps to (Multiboot2 Specification 3.1, 3.3).

        default rel

MB2_HEADER_MAGIC equ 0xe85250d6
MB2_ARCH_I386    equ 0

TAG_END          equ 0
TAG_INFO_REQUEST equ 1
TAG_CONSOLE      equ 4
TAG_FRAMEBUFFER  equ 5
TAG_MODULE_ALIGN equ 6
TAG_RELOCATABLE  equ 10

TAG_OPTIONAL     equ 1
CONSOLE_EGA_TEXT equ 1 << 1
PREFER_HIGHEST   equ 2

INFO_CMDLINE     equ 1
INFO_LOADER_NAME equ 2
INFO_MODULE      equ 3
INFO_MMAP        equ 6
INFO_FRAMEBUFFER equ 8
INFO_EFI64       equ 12
INFO_ACPI_OLD    equ 14
INFO_ACPI_NEW    equ 15
INFO_EFI_MMAP    equ 17

; tag TYPE, FLAGS, value...: one header tag of 32-bit values, its size counted.
%macro tag 2-*.nolist
        align 8, db 0
%%start:
        dw %1, %2
        dd %%end - %%start
  %rep %0 - 2
        dd %3
    %rotate 1
  %endrep
%%end:
%endmacro

        section .boot.multiboot2 progbits alloc noexec nowrite align=8

mb2_header:
        dd MB2_HEADER_MAGIC, MB2_ARCH_I386, mb2_header_end - mb2_header
        dd 0x100000000 - (MB2_HEADER_MAGIC + MB2_ARCH_I386 + (mb2_header_end - mb2_header))

        tag TAG_INFO_REQUEST, 0, INFO_CMDLINE, INFO_MODULE, INFO_MMAP
        tag TAG_INFO_REQUEST, TAG_OPTIONAL, INFO_LOADER_NAME, INFO_FRAMEBUFFER, INFO_EFI64, INFO_ACPI_OLD, INFO_ACPI_NEW, INFO_EFI_MMAP
        tag TAG_CONSOLE, TAG_OPTIONAL, CONSOLE_EGA_TEXT
        tag TAG_FRAMEBUFFER, TAG_OPTIONAL, 0, 0, 32 ; any size
        tag TAG_MODULE_ALIGN, 0
        ; Above 16 MiB, below 4 GiB, on a 2 MiB page, as high as there is room.
        tag TAG_RELOCATABLE, 0, 0x1000000, 0xffffffff, 0x200000, PREFER_HIGHEST
        tag TAG_END, 0
        align 8, db 0
mb2_header_end:

        extern  boot_from_multiboot2
        extern  boot_here_offset ; of the CALL's return address, from the image's start
        section .boot.text32 progbits alloc exec nowrite align=16
        bits 32

; Protected mode, flat segments, paging and interrupts off; EAX = magic, EBX = information structure.
; There is no stack yet, and where we were loaded is for us to find out: the one CALL pushes into the
; information structure's second word, which the specification keeps reserved.
        global boot_entry32
boot_entry32:
        cli
        cld
        lea     esp, [ebx + 8]
        call    boot_here
        global  boot_here
boot_here:
        pop     ebp
        sub     ebp, boot_here_offset
        mov     edi, eax
        mov     esi, ebx
        jmp     boot_from_multiboot2
