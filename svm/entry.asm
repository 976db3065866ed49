; SPDX-License-Identifier: BSD-2-Clause
;
; svm_enter(v: rdi, vmcb: rsi, host: rdx): one VMRUN.
;
; VMRUN and #VMEXIT switch RAX, RSP, RIP, RFLAGS, control and data segment registers; VMLOAD and VMSAVE the
; rest of the segment registers and the system call MSRs; this code the other general registers.
;
; GIF is clear from CLGI to STGI, so that nothing can interrupt while registers are half root mode's and
; half the guest's: with GS and TR the guest's, an NMI handler would not survive. VMRUN sets GIF, #VMEXIT
; clears it. Inside the guest every interrupt and NMI exits; it stays pending and the NMI is then taken
; right behind STGI, while an interrupt waits for the caller, who has IF clear. IF must be set at VMRUN,
; for with V_INTR_MASKING it is the host's IF that lets interrupts in.
;
; STI's own shadow must not reach VMRUN, or some CPUs report it as the guest's. Only when the guest is in
; one is there an STI right before: QEMU 7.2 takes the shadow from there, not from the VMCB.

%include "offsets.inc"

bits 64
default rel
section .text

%define GPR(n) rdi + VCPU_GPR + 8 * n
%define OUT(n) rax + VCPU_GPR + 8 * n

global svm_enter
svm_enter:
	push	rbp
	push	rbx
	push	r12
	push	r13
	push	r14
	push	r15
	push	rdi
	push	rdx
	clgi
	sti
	mov	rax, rsi
	vmload
	mov	rcx, [GPR(1)]
	mov	rdx, [GPR(2)]
	mov	rbx, [GPR(3)]
	mov	rbp, [GPR(5)]
	mov	rsi, [GPR(6)]
	mov	r8, [GPR(8)]
	mov	r9, [GPR(9)]
	mov	r10, [GPR(10)]
	mov	r11, [GPR(11)]
	mov	r12, [GPR(12)]
	mov	r13, [GPR(13)]
	mov	r14, [GPR(14)]
	mov	r15, [GPR(15)]
	cmp	byte [rdi + VCPU_INTR_SHADOW], 0
	mov	rdi, [GPR(7)]
	je	.run
	sti
.run:
	vmrun
	vmsave			; RAX and RSP are root mode's again
	mov	rax, [rsp + 8]
	mov	[OUT(1)], rcx
	mov	[OUT(2)], rdx
	mov	[OUT(3)], rbx
	mov	[OUT(5)], rbp
	mov	[OUT(6)], rsi
	mov	[OUT(7)], rdi
	mov	[OUT(8)], r8
	mov	[OUT(9)], r9
	mov	[OUT(10)], r10
	mov	[OUT(11)], r11
	mov	[OUT(12)], r12
	mov	[OUT(13)], r13
	mov	[OUT(14)], r14
	mov	[OUT(15)], r15
	pop	rax
	vmload
	pop	rdi
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbx
	pop	rbp
	xor	ecx, ecx		; nothing of the guest's to speculate with
	xor	edx, edx
	xor	esi, esi
	xor	r8d, r8d
	xor	r9d, r9d
	xor	r10d, r10d
	xor	r11d, r11d
	cli
	stgi
	ret
