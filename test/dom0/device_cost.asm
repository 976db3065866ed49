; SPDX-License-Identifier: BSD-2-Clause
;
; A guest that measures what its devices cost: median TSC ticks of 101 accesses of each kind, as lines
; "COST name ticks" on COM1, then "COST DONE" and an ACPI power-off. Built as a Linux kernel of a few
; sectors (Documentation/arch/x86/boot.rst), so that whatever starts a kernel directly starts it.

%define SAMPLES   101
%define ENTRY     32			; of the table of tests
%define COM1      0x3f8
%define PM1A_CNT  0xb004		; where hvmloader's tables say
%define SLP_EN_S5 0x2000
%define BASE      0x10000		; where the loader puts setup code, if it follows QEMU's

bits 16
org 0

	times 0x1f1 db 0
	db	3			; setup_sects
	dw	0
	dd	32			; syssize
	dw	0, 0xffff, 0, 0xaa55
	jmp	short start16
	db	"HdrS"
	dw	0x0206
	times 0x211 - ($ - $$) db 0
	db	1			; LOADED_HIGH
	times 0x22c - ($ - $$) db 0
	dd	0x7fffffff		; initrd_addr_max
	times 0x238 - ($ - $$) db 0
	dd	255			; cmdline_size

; The segment is the loader's choice: everything is moved to BASE first, so that addresses are known.
start16:
	cli
	cld
	mov	ax, cs
	sub	ax, 0x20
	mov	ds, ax
	mov	ax, BASE >> 4
	mov	es, ax
	xor	si, si
	xor	di, di
	mov	cx, (end - $$) / 2
	rep movsw
	mov	ds, ax
	jmp	(BASE >> 4):.there
.there:
	lgdt	[gdt_pointer]
	mov	eax, cr0
	or	al, 1
	mov	cr0, eax
	jmp	dword 8:BASE + start32

	align	8
gdt:
	dq	0
	dq	0x00cf9b000000ffff
	dq	0x00cf93000000ffff
gdt_pointer:
	dw	$ - gdt - 1
	dd	BASE + gdt

bits 32
start32:
	mov	ax, 16
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	esp, BASE + 0x8000
	mov	edi, BASE + tests
.next:
	mov	ebx, [edi]
	test	ebx, ebx
	jz	.done
	push	edi
	call	measure
	pop	edi
	mov	esi, BASE + cost
	call	print
	lea	esi, [edi + 4]
	call	print
	mov	al, ' '
	call	put
	mov	eax, [BASE + samples + SAMPLES / 2 * 4]
	call	print_number
	add	edi, ENTRY
	jmp	.next
.done:
	mov	esi, BASE + done
	call	print
	mov	dx, PM1A_CNT
	mov	ax, SLP_EN_S5
	out	dx, ax
.halt:
	hlt
	jmp	.halt

; ebx: the access, which may change eax and edx. Leaves the samples in order.
measure:
	xor	ebp, ebp
.sample:
	rdtsc
	mov	ecx, eax
	call	ebx
	rdtsc
	sub	eax, ecx
	mov	edx, ebp		; insertion sort
.shift:
	test	edx, edx
	jz	.place
	mov	ecx, [BASE + samples + edx * 4 - 4]
	cmp	ecx, eax
	jbe	.place
	mov	[BASE + samples + edx * 4], ecx
	dec	edx
	jmp	.shift
.place:
	mov	[BASE + samples + edx * 4], eax
	inc	ebp
	cmp	ebp, SAMPLES
	jb	.sample
	ret

print:
	lodsb
	test	al, al
	jz	.end
	call	put
	jmp	print
.end:
	ret

put:
	mov	ah, al
	mov	dx, COM1 + 5
.wait:
	in	al, dx
	test	al, 0x20
	jz	.wait
	mov	al, ah
	mov	dx, COM1
	out	dx, al
	ret

print_number:
	mov	ecx, 10
	push	0
.divide:
	xor	edx, edx
	div	ecx
	add	edx, '0'
	push	edx
	test	eax, eax
	jnz	.divide
.digit:
	pop	eax
	test	eax, eax
	jz	.end
	call	put
	jmp	.digit
.end:
	mov	al, 13
	call	put
	mov	al, 10
	jmp	put

; ---- the accesses ----

empty:
	ret
qemu_in:
	mov	dx, COM1 + 7
	in	al, dx
	ret
devmodel_in:
	in	al, 0x61
	ret
rtc_in:
	in	al, 0x71
	ret
pm_timer_in:
	mov	dx, 0xb008
	in	eax, dx
	ret
vga_write:
	mov	byte [0xb8000], 'x'
	ret
vga_read:
	mov	al, [0xb8000]
	ret
hpet_read:
	mov	eax, [0xfed000f0]
	ret
lapic_read:
	mov	eax, [0xfee00030]
	ret
ioapic_read:
	mov	eax, [0xfec00010]
	ret

%macro test 2
%%entry:
	dd	BASE + %2
	db	%1, 0
	times ENTRY - ($ - %%entry) db 0
%endmacro

tests:
	test	"empty", empty
	test	"port of QEMU's, IN", qemu_in
	test	"port of devmodel's, IN", devmodel_in
	test	"RTC, IN", rtc_in
	test	"PM timer, IN", pm_timer_in
	test	"VGA window, write", vga_write
	test	"VGA window, read", vga_read
	test	"HPET, read", hpet_read
	test	"LAPIC, read", lapic_read
	test	"IOAPIC, read", ioapic_read
	dd	0
cost:	db	"COST ", 0
done:	db	"COST DONE", 13, 10, 0
samples equ 0x4000			; behind it all, below the stack
	times 0x800 - ($ - $$) db 0
end:
	times 0x200 db 0		; protected-mode code, which nobody enters
