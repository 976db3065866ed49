; SPDX-License-Identifier: BSD-2-Clause
;
; A kernel of a kilobyte and a half that starts one which lies in the guest's memory already.
;
; Under Xen's ABI stock QEMU hands a kernel and its ramdisk to the guest byte by byte through a port. libvmctl
; writes them into the guest's memory itself, and gives QEMU this in their place: QEMU's own loader starts it
; as it starts every Linux (Documentation/arch/x86/boot.rst): setup code at 1000:0, entered at 1020:0 in
; real mode. It moves the kernel's protected-mode code, setup code and command line to where a boot loader
; puts them, and enters that setup code in the same way.

bits 16
org 0

%define SETUP_SEGMENT 0x3000
%define SETUP_STACK   0xe000

; The header, as far as QEMU's loader reads it.
	times 0x1f1 db 0
	db	1			; setup_sects: what follows the first sector
	dw	0			; root_flags
	dd	(end - body) / 16	; syssize
	dw	0			; ram_size
	dw	0xffff			; vid_mode
	dw	0			; root_dev
	dw	0xaa55			; boot_flag
	jmp	short start
	db	"HdrS"
	dw	0x0206			; version
	dd	0			; realmode_swtch
	dw	0			; start_sys_seg
	dw	0			; kernel_version
	db	0			; type_of_loader
	db	1			; loadflags: LOADED_HIGH
	dw	0			; setup_move_size
	dd	0x100000		; code32_start
	dd	0, 0			; ramdisk_image, ramdisk_size
	dd	0			; bootsect_kludge
	dw	0			; heap_end_ptr
	db	0, 0			; ext_loader_ver, ext_loader_type
	dd	0			; cmd_line_ptr
	dd	0x7fffffff		; initrd_addr_max
	dd	0x1000000		; kernel_alignment
	db	0, 0			; relocatable_kernel, min_alignment
	dw	0			; xloadflags
	dd	255			; cmdline_size

; From where, to where, how many times four bytes: filled in by libvmctl (LINUX_STUB_MOVES), 0 at the end.
	align	4
	times 0x240 - ($ - $$) db 0
moves:
	times 3 * 4 dd 0

; DS and ES with a limit of 4 GiB outlast the way back to real mode (SDM 3A 9.9.2, APM 2 4.5.1).
start:
	cli
	cld
	mov	ax, cs
	sub	ax, 0x20
	mov	ds, ax
	mov	fs, ax
	movzx	eax, ax
	shl	eax, 4
	add	[gdt_base], eax
	lgdt	[gdt_pointer]
	mov	eax, cr0
	or	al, 1
	mov	cr0, eax
	jmp	short .protected
.protected:
	mov	bx, 8
	mov	ds, bx
	mov	es, bx
	and	al, 0xfe
	mov	cr0, eax
	jmp	short .real
.real:
	xor	bx, bx
	mov	ds, bx
	mov	es, bx
	mov	bx, moves
.next:
	mov	ecx, [fs:bx + 8]
	jecxz	.moved
	mov	esi, [fs:bx]
	mov	edi, [fs:bx + 4]
	a32 rep movsd
	add	bx, 12
	jmp	.next
.moved:
	mov	ax, SETUP_SEGMENT
	mov	ds, ax
	mov	es, ax
	mov	fs, ax
	mov	gs, ax
	mov	ss, ax
	mov	sp, SETUP_STACK
	jmp	SETUP_SEGMENT + 0x20:0

	align	8
gdt:
	dq	0
	dq	0x00cf93000000ffff	; data, base 0, 4 GiB
gdt_pointer:
	dw	$ - gdt - 1
gdt_base:
	dd	gdt

	times 0x400 - ($ - $$) db 0
body:
	times 0x200 db 0		; protected-mode code there is none, but QEMU wants some
end:
