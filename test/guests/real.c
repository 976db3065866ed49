/* SPDX-License-Identifier: BSD-2-Clause */
/* Real mode: what runs there is in real.asm and leaves numbers behind; here they are judged. */
#include "guest.h"

#define REAL_PAGE 0x6000 /* where real_begin goes, segment 600h */

extern const u8 real_begin[], real_end[];
void real_run(void);

/* As real.asm numbers them. */
enum slot {
    S_IN_REAL,
    S_PE,
    S_INT,
    S_INT_FLAGS,
    S_INT_IP,
    S_DE_IP,
    S_UD_IP,
    S_BR,
    S_LIMIT,
    S_LIMIT_WORD,
    S_WRAP,
    S_WRAP_SP,
    S_PORT,
    S_PORT_STRING,
    S_A20,
    S_UNREAL,
    S_UNREAL_MMIO,
    S_IDT_LIMIT,
    S_CPUID,
    S_STI_HLT,
    S_FAR,
    S_FLAGS,
    S_IVT_MOVED,
    S_SINGLE_STEP,
    SLOTS
};

/* Filled in at REAL_PAGE + 0x800. */
static u32 slot(enum slot n)
{
    return ((volatile u32 *)(REAL_PAGE + 0x800))[n];
}

void guest(void)
{
    volatile u16 *ivt = (volatile u16 *)0;
    static u8 saved[1024];

    memcpy(saved, (const void *)ivt, sizeof(saved));
    memcpy((void *)REAL_PAGE, real_begin, (size_t)(real_end - real_begin));
    memset((void *)(REAL_PAGE + 0x800), 0, 0x100);
    real_run();
    barrier();
    memcpy((void *)ivt, saved, sizeof(saved));
    check("back-in-protected-mode", read_cr0() & 1, 1);
    check("pe-off", slot(S_PE), 0);
    check("in-real-mode", slot(S_IN_REAL), 0x1234);
    check("int", slot(S_INT), 0xabcd);
    check("int-clears-if-tf", slot(S_INT_FLAGS) & (FLAG_IF | FLAG_TF), 0);
    check("int-return-ip", slot(S_INT_IP), 1);
    check("de-ip-at-instruction", slot(S_DE_IP), 1);
    check("ud-ip-at-instruction", slot(S_UD_IP), 1);
    check("bound", slot(S_BR), 5);
    if (is_bochs()) { /* QEMU has no segment limits */
        check("limit-64k-byte", slot(S_LIMIT), 0);
        check("limit-64k-word", slot(S_LIMIT_WORD), 13);
    }
    check("offset-wraps-at-16-bits", slot(S_WRAP), 0x77);
    check("stack-wraps", slot(S_WRAP_SP), 0xfffe);
    check("port", slot(S_PORT), 0xe9);
    if (under_helium())
        check("port-string", slot(S_PORT_STRING), 0x0403);
    check("a20-on", slot(S_A20), 0x99);
    check("unreal", slot(S_UNREAL), 0x5eed5eed);
    check("unreal-mmio", slot(S_UNREAL_MMIO) & 0xf0, 0x10);
    check("sidt-limit", slot(S_IDT_LIMIT), 0x3ff);
    check("cpuid", slot(S_CPUID), cpuid(0, 0).b);
    check("far-call", slot(S_FAR), 0x4321);
    check("flags-16", slot(S_FLAGS) & 0xfffd0000, 0);
    check("ivt-moved", slot(S_IVT_MOVED), 0xbeef);
    check("single-step", slot(S_SINGLE_STEP), 3);
}
