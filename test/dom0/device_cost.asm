; SPDX-License-Identifier: BSD-2-Clause
;
; A guest that measures what its devices cost: median TSC ticks of 101 accesses of each kind, as lines
; "COST name ticks" on COM1, then "COST DONE" and an ACPI power-off.

%define SAMPLES   101
%define ENTRY     32			; of the table of tests
%define PM1A_CNT  0xb004		; where hvmloader's tables say
%define SLP_EN_S5 0x2000

%include "tiny_kernel.inc"

main:
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

	KERNEL_END
