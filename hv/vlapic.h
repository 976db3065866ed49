/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's local APIC: xAPIC page, x2APIC MSRs, timer, and the bus that joins the APICs of a
 * domain. Logic only: no vcpu, no domain, no hardware. What it needs from above it calls through
 * vlapic_ops.
 *
 *      any CPU                               owning CPU
 *   vlapic_post ---> TMR, pir[] --EV_POSTED--> IRR --vlapic_ack--> ISR --EOI--> ops->eoi (if level)
 *   vlapic_set_lint, messages --> events                 ^
 *                                              class above PPR only
 *
 * Who may call: functions marked "any CPU" touch nothing but what is changed atomically (TMR, pir,
 * events, errors) and may run at any time. Everything else belongs to the owner: the CPU on which
 * the vcpu runs, or the one that holds it stopped. Readers on other CPUs (destination match,
 * arbitration) see single words that are current or a moment old, as on a real bus.
 *
 * kick() comes with the first post after the owner last called vlapic_pending(), not with each: the
 * owner asks before every entry, interrupts off, and after it has marked itself asleep asks
 * vlapic_pending() and vlapic_extint_pending() once more. A post that came earlier is seen there, a
 * later one kicks.
 *
 * Chapters of the manual: SDM 3A 11 "APIC" (10 in issues before 2023), APM 2 16.
 */
#ifndef HV_VLAPIC_H
#define HV_VLAPIC_H

#include "hv/compiler.h"
#include "hv/msr.h"
#include "hv/types.h"

#include <xen/xen.h>
#include <xen/hvm/save.h>

/* Registers, as both faces number them: MMIO offset >> 4, MSR - 0x800 (SDM 3A 11-1, 11-6). */
enum apic_reg {
    APIC_ID = 0x02,
    APIC_VERSION = 0x03,
    APIC_TPR = 0x08,
    APIC_APR = 0x09, /* P6 only: reads as zero, no error */
    APIC_PPR = 0x0a,
    APIC_EOI = 0x0b,
    APIC_RRD = 0x0c, /* P6 only, too */
    APIC_LDR = 0x0d,
    APIC_DFR = 0x0e,
    APIC_SVR = 0x0f,
    APIC_ISR = 0x10, /* eight registers each */
    APIC_TMR = 0x18,
    APIC_IRR = 0x20,
    APIC_ESR = 0x28,
    APIC_ICR = 0x30,
    APIC_ICR2 = 0x31,
    APIC_LVT_TIMER = 0x32,
    APIC_LVT_THERMAL = 0x33,
    APIC_LVT_PERF = 0x34,
    APIC_LVT_LINT0 = 0x35,
    APIC_LVT_LINT1 = 0x36,
    APIC_LVT_ERROR = 0x37,
    APIC_TIMER_INIT = 0x38,
    APIC_TIMER_CURRENT = 0x39,
    APIC_TIMER_DIVIDE = 0x3e,
    APIC_SELF_IPI = 0x3f, /* x2APIC only */
    APIC_NR_REGS = 0x40,
};
_Static_assert(APIC_NR_REGS * 16 == sizeof(struct hvm_hw_lapic_regs),
               "one image for page and record");

#define APIC_DEFAULT_BASE  0xfee00000ul
#define APIC_SVR_ENABLE    (1u << 8)
#define APIC_SVR_NO_EOI_BC (1u << 12) /* suppress EOI broadcast */
#define APIC_LVT_LEVEL     (1u << 15)
#define APIC_LVT_MASKED    (1u << 16)
#define APIC_LVT_PERIODIC  (1u << 17)
#define APIC_LVT_DEADLINE  (1u << 18)

/* Error status bits, SDM 3A 11.5.3. */
#define APIC_ERR_SEND_VECTOR (1u << 5)
#define APIC_ERR_RECV_VECTOR (1u << 6)
#define APIC_ERR_REGISTER    (1u << 7)

/* Delivery modes, the same three bits in ICR, LVT, MSI data and IOAPIC entries. */
enum apic_mode {
    APIC_FIXED,
    APIC_LOWEST,
    APIC_SMI,
    APIC_RESERVED,
    APIC_NMI,
    APIC_INIT,
    APIC_STARTUP,
    APIC_EXTINT,
};

enum apic_shorthand { APIC_TO_DEST, APIC_TO_SELF, APIC_TO_ALL, APIC_TO_OTHERS };

/* Every APIC at once, in either destination mode. A source with 8 destination bits writes 0xff as
 * this. */
#define APIC_BROADCAST 0xffffffffu

/* What travels between ICR, IOAPIC or MSI and the local APICs. */
struct apic_msg {
    u32 dest; /* APIC id, or set of logical ids */
    u8 vector;
    u8 mode;      /* enum apic_mode */
    u8 shorthand; /* enum apic_shorthand */
    bool logical;
    bool level; /* trigger mode: the acceptor sets TMR, its EOI is told */
};

struct vlapic;

/* Time is in nanoseconds of one monotonic clock that starts above zero. */
struct vlapic_ops {
    u64 (*now)(struct vlapic *v);
    /* When the guest's TSC reaches this value; anything up to now() if it has; saturates. */
    u64 (*tsc_to_ns)(struct vlapic *v, u64 guest_tsc);
    /* Call vlapic_timer_fire() at `deadline` or later, once; replaces the last; VLAPIC_NEVER: not
     * at all. */
    void (*set_timer)(struct vlapic *v, u64 deadline);
    /* Any CPU may call these four, on behalf of any vlapic. */
    void (*kick)(struct vlapic *v); /* wake, or leave guest mode: something is pending */
    void (*nmi)(struct vlapic *v);
    void (*init)(struct vlapic *v);             /* the owner then calls vlapic_init_reset() */
    void (*startup)(struct vlapic *v, u8 page); /* start at page << 12, if waiting for it */
    /* A level-triggered vector ended. Forward it to the IOAPICs if `broadcast`. */
    void (*eoi)(struct vlapic *v, u8 vector, bool broadcast);
};

#define VLAPIC_NEVER (~0ull)

/* All local APICs of a domain. vlapic_init() fills a slot; none is emptied. */
struct apic_bus {
    struct vlapic **slot;
    u32 count;
    u32 turn; /* where lowest-priority arbitration starts looking, so that equals take turns */
};

/* What this guest's CPUID promises. */
#define VLAPIC_X2APIC    (1u << 0)
#define VLAPIC_DEADLINE  (1u << 1)
#define VLAPIC_NO_EOI_BC (1u << 2) /* offer it only with an IOAPIC of version 0x20 */
#define VLAPIC_BSP       (1u << 3)

struct vlapic_config {
    u32 id;
    u32 features;
    u8 phys_bits; /* guest MAXPHYADDR */
    struct apic_bus *bus;
    const struct vlapic_ops *ops;
};

/* Bits of vlapic.events; changed atomically. */
#define VLAPIC_EV_POSTED (1u << 0) /* pir[] has something */
#define VLAPIC_EV_EXTINT (1u << 1) /* an ExtINT message was accepted */
#define VLAPIC_EV_LINT0  (1u << 2) /* level of the pin; LINT1 is the next bit */
#define VLAPIC_EV_LINT1  (1u << 3)
#define VLAPIC_EV_RIRR0                                                      \
    (1u << 4) /* remote IRR of a level-triggered LINT; LINT1 is the next bit \
               */

struct vlapic {
    u32 *regs;  /* 4 KiB, laid out as the xAPIC page; register n is regs[4 * n] */
    u32 events; /* VLAPIC_EV_*, any CPU */
    u32 extint; /* which events call for an INTA cycle now */
    u8 irr_top; /* highest vector in IRR, 0 if none: below 16 there are none */
    u8 isr_top; /* highest vector in ISR */
    u8 phys_bits;
    u32 id; /* x2APIC id */
    u32 features;
    u32 errors;     /* collected since ESR was last written, any CPU */
    u32 pir[8];     /* posted interrupt requests not yet in IRR, any CPU */
    u64 base;       /* IA32_APIC_BASE */
    u64 expiry;     /* when the count reaches zero, 0 if it stands still */
    u64 tdt;        /* IA32_TSC_DEADLINE */
    u64 armed;      /* what set_timer() was last told */
    u64 lost_ticks; /* timer expiries that found their interrupt still pending, or came several at
                       once */
    struct apic_bus *bus;
    const struct vlapic_ops *ops;
};

/* A bus over `slot`, which has room for all APICs the domain may get. */
void apic_bus_init(struct apic_bus *bus, struct vlapic **slot);

/* Sends to whom it concerns; `src` may be NULL if the message has no shorthand. Any CPU.
 * Returns 1 if newly pending somewhere, 0 if merged with one pending, negative if nobody accepted
 * it: nobody matched, all were disabled, or the vector is illegal, which those who matched note in
 * ESR. */
int apic_bus_send(struct apic_bus *bus, struct vlapic *src, const struct apic_msg *msg);

/* An MSI write as a message (SDM 3A 11.11). Send it without a source. */
struct apic_msg apic_msg_from_msi(u64 address, u32 data);

/* Power-up state, and onto the bus. `page` is zeroed and must outlive the vlapic. */
void vlapic_init(struct vlapic *v, void *page, const struct vlapic_config *config);
/* After INIT: registers as at power-up, APIC base and id kept (SDM 3A 11.4.7.3). */
void vlapic_init_reset(struct vlapic *v);
/* After a power-up reset: as vlapic_init_reset(), and back to xAPIC at the default base. */
void vlapic_reset(struct vlapic *v);

/* MMIO at `offset` into the page, while vlapic_mmio_base() is not none. Reads of any width give the
 * bytes at that place, gaps read as zero; writes count if 32 bits wide and aligned, as SDM
 * 3A 11.4.1 demands. */
u64 vlapic_mmio_read(struct vlapic *v, u32 offset);
void vlapic_mmio_write(struct vlapic *v, u32 offset, unsigned int bytes, u64 value);

/* MSRs 0x800 to 0x8ff. -EINVAL: the access raises #GP. */
int __must_check vlapic_rdmsr(struct vlapic *v, u32 msr, u64 *value);
int __must_check vlapic_wrmsr(struct vlapic *v, u32 msr, u64 value);

/* IA32_APIC_BASE; read it as v->base. -EINVAL: #GP. */
int __must_check vlapic_set_base(struct vlapic *v, u64 value);

/* IA32_TSC_DEADLINE: reads zero and ignores writes unless the timer is in that mode. */
u64 vlapic_deadline(struct vlapic *v);
void vlapic_set_deadline(struct vlapic *v, u64 guest_tsc);
/* The guest's TSC was written or rescaled: tsc_to_ns() has new answers. */
void vlapic_tsc_changed(struct vlapic *v);

/* The time given to set_timer() has come (early or late does no harm). */
void vlapic_timer_fire(struct vlapic *v);

/* Makes a vector pending, e.g. a physical interrupt of the privileged domain. Any CPU.
 * Returns 1 if newly pending, 0 if merged with one pending, -EINVAL for an illegal vector, -ENODEV
 * if the APIC is disabled: then no EOI will follow. */
int vlapic_post(struct vlapic *v, u8 vector, bool level);

/* Drives pin LINT0 or LINT1 (0 or 1). Any CPU, one at a time per pin. */
void vlapic_set_lint(struct vlapic *v, unsigned int pin, bool level);

void vlapic_set_tpr(struct vlapic *v, u8 tpr);
void vlapic_eoi(struct vlapic *v);

/* The vector moves from IRR to ISR: it is being injected. Only what vlapic_pending() just returned.
 */
void vlapic_ack(struct vlapic *v, u8 vector);

/* Takes over posted vectors; vlapic_pending() does when there are any. */
void vlapic_sync(struct vlapic *v);

/* Save and load in Xen's record format. Load takes a vlapic after vlapic_init(); -EINVAL if a
 * register holds what no APIC of this configuration can hold, and then nothing has changed. LINT
 * pins are not part of it. */
void vlapic_save(struct vlapic *v, struct hvm_hw_lapic *hw, struct hvm_hw_lapic_regs *regs);
int __must_check vlapic_load(struct vlapic *v, const struct hvm_hw_lapic *hw,
                             const struct hvm_hw_lapic_regs *regs);

static inline u32 vlapic_reg(const struct vlapic *v, unsigned int reg)
{
    return READ_ONCE(v->regs[4 * reg]);
}

/* The vector to inject now, 0 if none outranks the processor priority. */
static inline u8 vlapic_pending(struct vlapic *v)
{
    if (unlikely(READ_ONCE(v->events) & VLAPIC_EV_POSTED))
        vlapic_sync(v);
    return (v->irr_top & 0xf0) > (vlapic_reg(v, APIC_PPR) & 0xf0) ? v->irr_top : 0;
}

/* An 8259 waits for its INTA cycle. Not subject to TPR. To take it, call vlapic_extint_ack() first,
 * then vpic_ack(), which may raise the next. */
static inline bool vlapic_extint_pending(const struct vlapic *v)
{
    return READ_ONCE(v->events) & v->extint;
}
void vlapic_extint_ack(struct vlapic *v);

/* CR8 is TPR's class (SDM 3A 11.8.6). */
static inline u64 vlapic_cr8(const struct vlapic *v)
{
    return vlapic_reg(v, APIC_TPR) >> 4;
}
static inline void vlapic_set_cr8(struct vlapic *v, u64 class)
{
    vlapic_set_tpr(v, (u8)((class & 0xf) << 4));
}

/* The class that waits for the guest to lower its TPR below it, 0 if none: a TPR threshold for
 * VT-x. */
static inline u8 vlapic_tpr_threshold(const struct vlapic *v)
{
    u8 class = v->irr_top >> 4;

    return class > v->isr_top >> 4 && class <= vlapic_cr8(v) ? class : 0;
}

static inline bool vlapic_x2apic(const struct vlapic *v)
{
    return READ_ONCE(v->base) & APIC_BASE_EXTD;
}
static inline bool vlapic_hw_enabled(const struct vlapic *v)
{
    return READ_ONCE(v->base) & APIC_BASE_ENABLE;
}

/* Where the register page is; ~0 if there is none (disabled, or x2APIC). */
static inline gpa_t vlapic_mmio_base(const struct vlapic *v)
{
    bool mmio = (v->base & (APIC_BASE_ENABLE | APIC_BASE_EXTD)) == APIC_BASE_ENABLE;

    return GPA(mmio ? v->base & PAGE_MASK : ~0ull);
}

#endif
