/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpu.h"
#include "hv/log.h"
#include "hv/power.h"
#include "hv/smp.h"

#define SLP_EN         (1u << 13) /* ACPI 6.5, 4.8.3.2.1 */
#define SLP_TYP(t)     ((u32)(t) << 10)
#define PORT_CF9       0xcf9
#define CF9_COLD       0x0e
#define KBC_COMMAND    0x64
#define KBC_INPUT_FULL 0x02
#define KBC_PULSE      0xfe
#define ATTEMPT_TICKS  100000000ull

static const struct acpi_info *tables;

void power_init(const struct acpi_info *acpi)
{
    tables = acpi;
}

static void wait_a_moment(void)
{
    u64 start = rdtsc();

    while (rdtsc() - start < ATTEMPT_TICKS)
        cpu_pause();
}

void power_off(void)
{
    smp_stop_others();
    if (tables->has_s5 && tables->pm1a_cnt) {
        out16(tables->pm1a_cnt, (u16)(SLP_TYP(tables->s5_a) | SLP_EN));
        if (tables->pm1b_cnt)
            out16(tables->pm1b_cnt, (u16)(SLP_TYP(tables->s5_b) | SLP_EN));
        wait_a_moment();
    }
    log_info("the machine can be switched off now");
    hlt_forever();
}

static void reset_register(void)
{
    if (tables->reset.space == ACPI_IO && tables->reset.address)
        out8((u16)tables->reset.address, tables->reset_value);
    wait_a_moment();
}

static void reset_keyboard(void)
{
    for (unsigned i = 0; i < 1000 && (in8(KBC_COMMAND) & KBC_INPUT_FULL); i++)
        cpu_pause();
    out8(KBC_COMMAND, KBC_PULSE);
    wait_a_moment();
}

void power_reset(void)
{
    const struct descriptor_ptr none = {0, 0};

    smp_stop_others();
    reset_register();
    out8(PORT_CF9, CF9_COLD);
    wait_a_moment();
    reset_keyboard();
    lidt(&none);
    __asm__ volatile("ud2");
    hlt_forever();
}
