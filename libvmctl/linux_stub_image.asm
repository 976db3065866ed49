; SPDX-License-Identifier: BSD-2-Clause
; linux_stub.asm, assembled, as bytes for linux_boot.c.
section .rodata
global linux_stub_image
linux_stub_image:
	incbin "linux_stub.bin"
section .note.GNU-stack noalloc noexec nowrite progbits
