/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FPU, SSE, AVX and whatever else XSAVE knows, switched eagerly when the vcpu on a CPU changes;
 * root mode itself never touches these registers.
 */
#ifndef HV_XSTATE_H
#define HV_XSTATE_H

#include "hv/compiler.h"
#include "hv/types.h"

struct vcpu;

/* Boot CPU: finds sizes and features (or FXSAVE only). Then on every CPU: xstate_cpu_init(). */
void xstate_init(void);
void xstate_cpu_init(void);
/* XCR0 bits a guest may be offered; 0 without XSAVE. */
u64 xstate_supported(void);
/* Bytes of the XSAVE area (standard format) for the features in xcr0. */
u32 xstate_size(u64 xcr0);

/* The same in the compacted form, which XSAVEC writes. */
u32 xstate_size_compacted(u64 xcr0);

/* An area in its INIT state for v; -ENOMEM. xstate_free() gives it back. */
int __must_check xstate_alloc(struct vcpu *v);
void xstate_free(struct vcpu *v);
/* As at power-up; v is not loaded. */
void xstate_reset(struct vcpu *v);
/* FXSAVE's 512 bytes, and nothing else. v is not loaded. */
void xstate_set_legacy(struct vcpu *v, const void *image);
/* A whole area, xstate_size(accum) bytes, from outside root mode: of a vcpu with this XCR0 that has
 * at some time enabled what accum says. -EINVAL: no vcpu can have come to that. v is not loaded. */
int __must_check xstate_set(struct vcpu *v, u64 xcr0, u64 accum, const u8 *area, u32 size);

/* v's registers into, or out of, the CPU. */
void xstate_restore(struct vcpu *v);
void xstate_save(struct vcpu *v);

/* The guest's XSETBV: -EINVAL is #GP. v is loaded. */
int __must_check xstate_set_xcr0(struct vcpu *v, u64 value);

/* One vector register, 32 bytes, of the loaded v, for the emulator. zero_upper: what ZMM has above
 * is cleared. */
void xstate_get_ymm(struct vcpu *v, unsigned n, u8 value[32]);
void xstate_set_ymm(struct vcpu *v, unsigned n, const u8 value[32], bool zero_upper);

#endif
