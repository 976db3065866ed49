/* SPDX-License-Identifier: BSD-2-Clause */
/* What entry.asm needs beside hv/offsets.c: never linked, only read. */
#include "hv/offsets.h"
#include "hv/vcpu.h"

void svm_offsets(void);

void svm_offsets(void)
{
    OFFSET(VCPU_INTR_SHADOW, struct vcpu, intr_shadow);
}
