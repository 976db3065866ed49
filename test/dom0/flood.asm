; SPDX-License-Identifier: BSD-2-Clause
;
; A guest that does one thing for ever, by the first letter of its command line:
;
;   c  computes, without an exit              p  reads a port of QEMU's
;   m  reads device memory (VGA's)            h  makes hypercalls
;   i  takes interrupts: its APIC timer's, as fast as they come, and its own IPIs

%include "tiny_kernel.inc"

%define HYPERCALLS     0x20000		; a page for the hypercall page
%define XEN_LEAVES     0x40000000
%define XEN_VERSION    17		; __HYPERVISOR_xen_version
%define IDT            0x21000
%define VECTOR         0x40
%define APIC           0xfee00000

main:
	mov	esi, [CMDLINE]
	mov	al, [esi]
	cmp	al, 'p'
	je	port
	cmp	al, 'm'
	je	memory
	cmp	al, 'h'
	je	hypercalls
	cmp	al, 'i'
	je	interrupts
compute:
	inc	eax
	jmp	compute

port:
	mov	dx, COM1 + 7
.again:
	in	al, dx
	jmp	.again

memory:
	mov	al, [0xb8000]
	jmp	memory

hypercalls:
	mov	eax, XEN_LEAVES + 2
	cpuid
	mov	ecx, ebx
	mov	eax, HYPERCALLS
	xor	edx, edx
	wrmsr
.again:
	xor	ebx, ebx
	xor	ecx, ecx
	mov	eax, HYPERCALLS + XEN_VERSION * 32
	call	eax
	jmp	.again

interrupts:
	mov	word [IDT + VECTOR * 8], handler - $$	; BASE ends in 0000h
	mov	word [IDT + VECTOR * 8 + 2], 8
	mov	word [IDT + VECTOR * 8 + 4], 0x8e00
	mov	word [IDT + VECTOR * 8 + 6], BASE >> 16
	mov	word [IDT - 8], (VECTOR + 1) * 8 - 1
	mov	dword [IDT - 6], IDT
	lidt	[IDT - 8]
	mov	al, 0xff		; firmware has left its timer on
	out	0x21, al
	out	0xa1, al
	mov	dword [APIC + 0xf0], 0x1ff
	mov	dword [APIC + 0x3e0], 0xb	; divide by 1
	mov	dword [APIC + 0x320], 0x20000 + VECTOR
	mov	dword [APIC + 0x380], 1
	sti
.again:
	mov	dword [APIC + 0x300], 0x44000 + VECTOR
	jmp	.again

handler:
	mov	dword [APIC + 0xb0], 0
	iret

	KERNEL_END
