/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's local APIC. Sections, top to bottom: the register file and its 256-bit vectors;
 * accepting interrupts; the bus; the timer; writes by register; the two faces (MMIO, MSR); base,
 * reset, save.
 *
 * The timer never ticks. `expiry` says when the count reaches zero; the current count is computed
 * from it when somebody reads it, and the host timer is armed only while the interrupt is not
 * masked.
 *
 * Periodic mode keeps its phase: expiries lie at whole periods from the write of the initial count,
 * however late the host is. Expiries that nobody could serve (the vcpu was descheduled, the host
 * timer late, the period shorter than MIN_GAP_NS) become one interrupt, as an IRR bit holds one;
 * the rest are added to lost_ticks. So nothing storms after a pause, and nothing is lost without
 * being counted. A period shorter than MIN_GAP_NS is served that long after the EOI, or a host
 * whose exits take longer than the period would run nothing of the guest's but its handler.
 */
#include "hv/vlapic.h"

#include "hv/errno.h"

/* The APIC bus runs at 100 MHz, as on Xen, so that a migrated guest's calibration stays true. */
#define BUS_NS           10
#define MIN_GAP_NS       200000 /* KVM's min_timer_period_us */

#define LVT_COUNT        6
#define VERSION          (0x14 | (LVT_COUNT - 1) << 16)
#define VERSION_NOBC     (1u << 24)

#define LVT_VECTOR(lvt)  ((u8)(lvt))
#define LVT_MODE(lvt)    ((lvt) >> 8 & 7)
#define LVT_PENDING      (1u << 12) /* delivery status, read-only: delivery takes no time here */
#define LVT_REMOTE_IRR   (1u << 14) /* read-only, kept in events */
#define ICR_LOGICAL      (1u << 11)
#define ICR_ASSERT       (1u << 14)
#define ICR_LEVEL        (1u << 15)
#define ICR_SHORTHAND(i) ((i) >> 18 & 3)

/* hvm_hw_lapic.disabled, as Xen fills it. */
#define SAVED_HW_DISABLED 1u
#define SAVED_SW_DISABLED 2u

#define BIT_OF(reg)       (1ull << (reg))
#define VECTOR_BITS       (0xffull << APIC_ISR | 0xffull << APIC_TMR | 0xffull << APIC_IRR)
#define LVT_BITS          (0x3full << APIC_LVT_TIMER)

/* What a read finds in each face. P6's APR and RRD read as zero in MMIO and do not exist in x2APIC.
 */
#define X2APIC_READABLE                                                                        \
    (BIT_OF(APIC_ID) | BIT_OF(APIC_VERSION) | BIT_OF(APIC_TPR) | BIT_OF(APIC_PPR) |            \
     BIT_OF(APIC_LDR) | BIT_OF(APIC_SVR) | VECTOR_BITS | BIT_OF(APIC_ESR) | BIT_OF(APIC_ICR) | \
     LVT_BITS | BIT_OF(APIC_TIMER_INIT) | BIT_OF(APIC_TIMER_CURRENT) | BIT_OF(APIC_TIMER_DIVIDE))
#define XAPIC_READABLE \
    (X2APIC_READABLE | BIT_OF(APIC_APR) | BIT_OF(APIC_RRD) | BIT_OF(APIC_DFR) | BIT_OF(APIC_ICR2))
/* Of these the page does not hold the current value. */
#define COMPUTED                                                             \
    (0xffull << APIC_IRR | BIT_OF(APIC_LVT_LINT0) | BIT_OF(APIC_LVT_LINT1) | \
     BIT_OF(APIC_TIMER_CURRENT))

#define X2APIC_WRITABLE                                                                  \
    (BIT_OF(APIC_TPR) | BIT_OF(APIC_EOI) | BIT_OF(APIC_SVR) | BIT_OF(APIC_ESR) |         \
     BIT_OF(APIC_ICR) | LVT_BITS | BIT_OF(APIC_TIMER_INIT) | BIT_OF(APIC_TIMER_DIVIDE) | \
     BIT_OF(APIC_SELF_IPI))
#define XAPIC_WRITABLE                                                                  \
    ((X2APIC_WRITABLE & ~BIT_OF(APIC_SELF_IPI)) | BIT_OF(APIC_LDR) | BIT_OF(APIC_DFR) | \
     BIT_OF(APIC_ICR2))

/* The bits that exist in each register software may write. */
static const u32 register_bits[APIC_NR_REGS] = {
    [APIC_TPR] = 0xff,
    [APIC_LDR] = 0xff000000,
    [APIC_DFR] = 0xf0000000,
    [APIC_SVR] = 0x13ff,
    [APIC_ICR] = 0xccfff & ~LVT_PENDING,
    [APIC_ICR2] = 0xff000000,
    [APIC_LVT_TIMER] = 0x710ff,
    [APIC_LVT_THERMAL] = 0x117ff,
    [APIC_LVT_PERF] = 0x117ff,
    [APIC_LVT_LINT0] = 0x1f7ff,
    [APIC_LVT_LINT1] = 0x1f7ff,
    [APIC_LVT_ERROR] = 0x110ff,
    [APIC_TIMER_INIT] = 0xffffffff,
    [APIC_TIMER_DIVIDE] = 0xb,
    [APIC_SELF_IPI] = 0xff,
};

/* --- registers --- */

static u32 *reg(struct vlapic *v, unsigned int r)
{
    return &v->regs[4 * r];
}

static u32 *vector_word(struct vlapic *v, enum apic_reg set, u8 vector)
{
    return reg(v, set + vector / 32);
}

static u32 vector_bit(u8 vector)
{
    return 1u << vector % 32;
}

/* The highest vector in a set, 0 if none. */
static u8 highest(struct vlapic *v, enum apic_reg set)
{
    for (int i = 7; i >= 0; i--) {
        u32 word = *reg(v, set + i);

        if (word)
            return (u8)(32 * i + 31 - __builtin_clz(word));
    }
    return 0;
}

static u32 bits_of(const struct vlapic *v, enum apic_reg r)
{
    u32 bits = register_bits[r];

    if (r == APIC_SVR && !(v->features & VLAPIC_NO_EOI_BC))
        bits &= ~APIC_SVR_NO_EOI_BC;
    if (r == APIC_LVT_TIMER && !(v->features & VLAPIC_DEADLINE))
        bits &= ~APIC_LVT_DEADLINE;
    return bits;
}

/* SDM 3A 11.8.3.1: the class of PPR is the greater of TPR's and of the vector in service; its low
 * bits are TPR's where TPR wins. */
static void update_ppr(struct vlapic *v)
{
    u32 tpr = *reg(v, APIC_TPR), isrv = v->isr_top & 0xf0;

    *reg(v, APIC_PPR) = (tpr & 0xf0) >= isrv ? tpr : isrv;
}

void vlapic_set_tpr(struct vlapic *v, u8 tpr)
{
    *reg(v, APIC_TPR) = tpr;
    update_ppr(v);
}

static bool sw_enabled(const struct vlapic *v)
{
    return vlapic_hw_enabled(v) && vlapic_reg(v, APIC_SVR) & APIC_SVR_ENABLE;
}

/* --- accepting interrupts: any CPU --- */

/* Returns what the events were. */
static u32 event_set(struct vlapic *v, u32 event)
{
    return __atomic_fetch_or(&v->events, event, __ATOMIC_SEQ_CST);
}

static void event_clear(struct vlapic *v, u32 event)
{
    __atomic_fetch_and(&v->events, ~event, __ATOMIC_SEQ_CST);
}

/* Logs an error and raises its interrupt if this is the first since software wrote ESR, which
 * re-arms it (SDM 3A 11.5.3). An error vector that is itself illegal therefore ends here. */
static void log_error(struct vlapic *v, u32 error)
{
    u32 lvt = vlapic_reg(v, APIC_LVT_ERROR);
    u32 before = __atomic_fetch_or(&v->errors, error, __ATOMIC_SEQ_CST);

    if (!before && !(lvt & APIC_LVT_MASKED))
        vlapic_post(v, LVT_VECTOR(lvt), false);
}

/* TMR first: whoever finds the request must find its trigger mode. */
int vlapic_post(struct vlapic *v, u8 vector, bool level)
{
    u32 bit = vector_bit(vector), *tmr = vector_word(v, APIC_TMR, vector), before;

    if (!sw_enabled(v))
        return -ENODEV;
    if (vector < 16) {
        log_error(v, APIC_ERR_RECV_VECTOR);
        return -EINVAL;
    }
    if (level)
        __atomic_fetch_or(tmr, bit, __ATOMIC_RELAXED);
    else if (READ_ONCE(*tmr) & bit)
        __atomic_fetch_and(tmr, ~bit, __ATOMIC_RELAXED);
    before = __atomic_fetch_or(&v->pir[vector / 32], bit, __ATOMIC_SEQ_CST);
    before |= READ_ONCE(*vector_word(v, APIC_IRR, vector));
    if (!(event_set(v, VLAPIC_EV_POSTED) & VLAPIC_EV_POSTED))
        v->ops->kick(v);
    return !(before & bit);
}

/* An ExtINT message, or an active pin routed that way. */
static int accept_extint(struct vlapic *v)
{
    u32 before;

    if (!sw_enabled(v))
        return -ENODEV;
    before = event_set(v, VLAPIC_EV_EXTINT);
    v->ops->kick(v);
    return !(before & VLAPIC_EV_EXTINT);
}

static int deliver(struct vlapic *v, u8 mode, u8 vector, bool level)
{
    switch (mode) {
    case APIC_FIXED:
    case APIC_LOWEST:
        return vlapic_post(v, vector, level);
    case APIC_NMI:
        v->ops->nmi(v);
        return 1;
    case APIC_INIT:
        v->ops->init(v);
        return 1;
    case APIC_STARTUP:
        v->ops->startup(v, vector);
        return 1;
    case APIC_EXTINT:
        return accept_extint(v);
    default: /* SMI: the guest has no SMM; 3 is reserved */
        return -ENODEV;
    }
}

/* A pin became active, or was found active when its LVT changed (SDM 3A 11.5.1). */
static void raise_lint(struct vlapic *v, unsigned int pin)
{
    u32 lvt = vlapic_reg(v, APIC_LVT_LINT0 + pin), rirr = VLAPIC_EV_RIRR0 << pin;

    if (lvt & APIC_LVT_MASKED)
        return;
    if (LVT_MODE(lvt) == APIC_EXTINT)
        v->ops->kick(v); /* vlapic_extint_pending() looks at the pin itself */
    else if (LVT_MODE(lvt) != APIC_FIXED || !(lvt & APIC_LVT_LEVEL))
        deliver(v, LVT_MODE(lvt), LVT_VECTOR(lvt), false);
    else if (!(event_set(v, rirr) & rirr) && vlapic_post(v, LVT_VECTOR(lvt), true) < 0)
        event_clear(v, rirr);
}

/* With the APIC off the pins are the CPU's INTR and NMI (SDM 3A 11.4.3). LINT0 is the 8259's
 * output: when that falls, an ExtINT message it has sent through the I/O APIC is void, too, as in
 * Xen and KVM. Chips would answer the INTA cycle with a spurious IRQ 7; firmware that masks the
 * 8259 before it sets its vectors would take that for #NM.
 */
void vlapic_set_lint(struct vlapic *v, unsigned int pin, bool level)
{
    u32 bit = VLAPIC_EV_LINT0 << pin;

    if (!level)
        event_clear(v, pin ? bit : bit | VLAPIC_EV_EXTINT);
    else if (event_set(v, bit) & bit)
        return;
    else if (vlapic_hw_enabled(v))
        raise_lint(v, pin);
    else if (pin)
        v->ops->nmi(v);
    else
        v->ops->kick(v);
}

/* --- accepting interrupts: the owner --- */

void vlapic_sync(struct vlapic *v)
{
    event_clear(v, VLAPIC_EV_POSTED);
    for (unsigned int i = 0; i < ARRAY_SIZE(v->pir); i++) {
        if (READ_ONCE(v->pir[i]))
            *reg(v, APIC_IRR + i) |= __atomic_exchange_n(&v->pir[i], 0, __ATOMIC_SEQ_CST);
    }
    v->irr_top = highest(v, APIC_IRR);
}

void vlapic_ack(struct vlapic *v, u8 vector)
{
    *vector_word(v, APIC_IRR, vector) &= ~vector_bit(vector);
    *vector_word(v, APIC_ISR, vector) |= vector_bit(vector);
    v->irr_top = highest(v, APIC_IRR);
    v->isr_top = vector;
    update_ppr(v);
}

void vlapic_extint_ack(struct vlapic *v)
{
    event_clear(v, VLAPIC_EV_EXTINT);
}

/* A level-triggered LINT whose interrupt ended is sampled again. */
static void end_lint(struct vlapic *v, unsigned int pin, u8 vector)
{
    u32 rirr = VLAPIC_EV_RIRR0 << pin;

    if (!(READ_ONCE(v->events) & rirr) || LVT_VECTOR(*reg(v, APIC_LVT_LINT0 + pin)) != vector)
        return;
    event_clear(v, rirr);
    if (READ_ONCE(v->events) & VLAPIC_EV_LINT0 << pin)
        raise_lint(v, pin);
}

static void timer_ended(struct vlapic *v, u8 vector);

/* SDM 3A 11.8.5. An EOI with nothing in service does nothing. */
void vlapic_eoi(struct vlapic *v)
{
    u8 vector = v->isr_top;

    if (!vector)
        return;
    *vector_word(v, APIC_ISR, vector) &= ~vector_bit(vector);
    v->isr_top = highest(v, APIC_ISR);
    update_ppr(v);
    if (!(READ_ONCE(*vector_word(v, APIC_TMR, vector)) & vector_bit(vector))) {
        timer_ended(v, vector);
        return;
    }
    end_lint(v, 0, vector);
    end_lint(v, 1, vector);
    v->ops->eoi(v, vector, !(*reg(v, APIC_SVR) & APIC_SVR_NO_EOI_BC));
}

/* From the APIC's own sources: timer, error, sensors. Returns as vlapic_post(). */
static int deliver_lvt(struct vlapic *v, enum apic_reg r)
{
    u32 lvt = *reg(v, r);

    return lvt & APIC_LVT_MASKED ? -ENODEV : deliver(v, LVT_MODE(lvt), LVT_VECTOR(lvt), false);
}

/* Which events stand for an active INTR line. After any change of LVT0, LVT1 or APIC base. */
static void update_extint(struct vlapic *v)
{
    u32 events = VLAPIC_EV_EXTINT;

    if (!vlapic_hw_enabled(v))
        events |= VLAPIC_EV_LINT0;
    for (unsigned int pin = 0; pin < 2; pin++) {
        u32 lvt = *reg(v, APIC_LVT_LINT0 + pin);

        if (!(lvt & APIC_LVT_MASKED) && LVT_MODE(lvt) == APIC_EXTINT)
            events |= VLAPIC_EV_LINT0 << pin;
    }
    v->extint = events;
}

/* --- the bus --- */

void apic_bus_init(struct apic_bus *bus, struct vlapic **slot)
{
    *bus = (struct apic_bus){.slot = slot};
}

/* SDM 3A 11.6.2.2: flat model, one bit per APIC; cluster model, cluster number and a bit in it. */
static bool match_logical(const struct vlapic *v, u32 dest)
{
    u32 ldr = vlapic_reg(v, APIC_LDR);

    if (vlapic_x2apic(v))
        return dest >> 16 == ldr >> 16 && dest & ldr & 0xffff;
    if (dest > 0xff)
        return false;
    ldr >>= 24;
    if (vlapic_reg(v, APIC_DFR) >> 28 == 0xf)
        return dest & ldr;
    return dest >> 4 == ldr >> 4 && dest & ldr & 0xf;
}

static bool match(const struct vlapic *v, const struct vlapic *src, const struct apic_msg *msg)
{
    if (!vlapic_hw_enabled(v))
        return false;
    if (msg->shorthand == APIC_TO_OTHERS)
        return v != src;
    if (msg->shorthand == APIC_TO_ALL || msg->dest == APIC_BROADCAST)
        return true;
    return msg->logical ? match_logical(v, msg->dest) : msg->dest == v->id;
}

/* SDM 3A 11.6.2.4: of those that match and accept, the one of lowest priority; equals take turns.
 */
static int send_lowest(struct apic_bus *bus, struct vlapic *src, const struct apic_msg *msg)
{
    u32 count = __atomic_load_n(&bus->count, __ATOMIC_ACQUIRE), first = READ_ONCE(bus->turn),
        turn = 0;
    struct vlapic *best = NULL;

    for (u32 i = 0; i < count; i++) {
        u32 n = (first + i) % count;
        struct vlapic *v = bus->slot[n];

        if (!sw_enabled(v) || !match(v, src, msg))
            continue;
        if (best && vlapic_reg(v, APIC_PPR) >= vlapic_reg(best, APIC_PPR))
            continue;
        best = v;
        turn = n + 1;
    }
    if (!best)
        return -ENODEV;
    WRITE_ONCE(bus->turn, turn);
    return vlapic_post(best, msg->vector, msg->level);
}

int apic_bus_send(struct apic_bus *bus, struct vlapic *src, const struct apic_msg *msg)
{
    u32 count = __atomic_load_n(&bus->count, __ATOMIC_ACQUIRE);
    int result = -ENODEV;

    if (!src && msg->mode == APIC_STARTUP)
        return -ENODEV; /* reserved in IOAPIC entries and MSIs (82093AA 3.2.4, SDM 3A 11.11.2) */
    if (msg->shorthand == APIC_TO_SELF)
        return deliver(src, msg->mode, msg->vector, msg->level);
    if (msg->mode == APIC_LOWEST)
        return send_lowest(bus, src, msg);
    for (u32 i = 0; i < count; i++) {
        struct vlapic *v = bus->slot[i];

        if (match(v, src, msg)) {
            int r = deliver(v, msg->mode, msg->vector, msg->level);

            result = MAX(r, result);
        }
    }
    return result;
}

/* A redirection hint with a logical destination asks for lowest priority (SDM 3A 11.11.1). */
struct apic_msg apic_msg_from_msi(u64 address, u32 data)
{
    u32 dest = address >> 12 & 0xff;
    bool logical = address >> 2 & 1, hint = address >> 3 & 1;
    struct apic_msg msg = {
        .dest = dest == 0xff ? APIC_BROADCAST : dest,
        .vector = (u8)data,
        .mode = data >> 8 & 7,
        .logical = logical,
        .level = data >> 15 & 1,
    };

    if (hint && logical && msg.mode == APIC_FIXED)
        msg.mode = APIC_LOWEST;
    return msg;
}

/* --- timer --- */

/* The count register and its interrupt use one clock: BUS_NS times the divider (SDM 3A 11.5.4). */
static u64 count_ns(struct vlapic *v)
{
    u32 divide = *reg(v, APIC_TIMER_DIVIDE);
    u32 shift = ((divide & 3) | (divide >> 1 & 4)) + 1;

    return (u64)BUS_NS << (shift & 7);
}

static bool timer_periodic(struct vlapic *v)
{
    return *reg(v, APIC_LVT_TIMER) & APIC_LVT_PERIODIC;
}

static bool timer_deadline_mode(struct vlapic *v)
{
    return *reg(v, APIC_LVT_TIMER) & APIC_LVT_DEADLINE;
}

/* Brings the timer up to now: delivers what has expired, and returns now. */
static u64 timer_run(struct vlapic *v)
{
    u64 now = v->ops->now(v), ticks = 1;

    if (!v->expiry || now < v->expiry)
        return now;
    if (timer_periodic(v)) {
        u64 period = *reg(v, APIC_TIMER_INIT) * count_ns(v);

        ticks = (now - v->expiry) / period + 1;
        v->expiry += ticks * period;
    } else {
        v->expiry = 0;
        v->tdt = 0;
    }
    if (!(*reg(v, APIC_LVT_TIMER) & APIC_LVT_MASKED))
        v->lost_ticks += ticks - (deliver_lvt(v, APIC_LVT_TIMER) > 0);
    return now;
}

static bool timer_too_fast(struct vlapic *v)
{
    return v->expiry && timer_periodic(v) && *reg(v, APIC_TIMER_INIT) * count_ns(v) < MIN_GAP_NS;
}

static void timer_arm(struct vlapic *v, u64 now)
{
    u64 at = v->expiry;

    if (!at || *reg(v, APIC_LVT_TIMER) & APIC_LVT_MASKED)
        at = VLAPIC_NEVER;
    else if (timer_too_fast(v))
        at = MAX(at, now + MIN_GAP_NS);
    if (at == v->armed)
        return;
    v->armed = at;
    v->ops->set_timer(v, at);
}

/* The guest has ended the interrupt of `vector`: from now on it gets MIN_GAP_NS for itself. */
static void timer_ended(struct vlapic *v, u8 vector)
{
    if (vector == LVT_VECTOR(*reg(v, APIC_LVT_TIMER)) && timer_too_fast(v))
        timer_arm(v, v->ops->now(v));
}

/* What is left to count at `now`, after timer_run(). */
static u32 timer_count(struct vlapic *v, u64 now)
{
    u64 unit = count_ns(v);

    if (!v->expiry || timer_deadline_mode(v))
        return 0;
    return (u32)((v->expiry - now + unit - 1) / unit);
}

static u32 timer_read(struct vlapic *v)
{
    u64 now = timer_run(v);

    timer_arm(v, now);
    return timer_count(v, now);
}

void vlapic_timer_fire(struct vlapic *v)
{
    v->armed = VLAPIC_NEVER;
    timer_arm(v, timer_run(v));
}

static void timer_write_init(struct vlapic *v, u32 count)
{
    u64 now = timer_run(v);

    if (timer_deadline_mode(v))
        return;
    *reg(v, APIC_TIMER_INIT) = count;
    v->expiry = count ? now + count * count_ns(v) : 0;
    timer_arm(v, now);
}

/* The rest of a running count goes on at the new rate. */
static void timer_write_divide(struct vlapic *v, u32 divide)
{
    u64 now = timer_run(v);
    u32 rest = timer_count(v, now);

    *reg(v, APIC_TIMER_DIVIDE) = divide;
    if (rest)
        v->expiry = now + rest * count_ns(v);
    timer_arm(v, now);
}

/* To and from TSC-deadline mode disarms the timer (SDM 3A 11.5.4.1); between one-shot and periodic
 * it runs on. Both mode bits at once are reserved: the mode then stays what it was. */
static void timer_write_lvt(struct vlapic *v, u32 lvt)
{
    u32 mode = APIC_LVT_PERIODIC | APIC_LVT_DEADLINE, old = *reg(v, APIC_LVT_TIMER);
    u64 now = timer_run(v);

    if ((lvt & mode) == mode)
        lvt = (lvt & ~mode) | (old & mode);
    if ((lvt ^ old) & APIC_LVT_DEADLINE) {
        v->expiry = 0;
        v->tdt = 0;
        *reg(v, APIC_TIMER_INIT) = 0;
    }
    *reg(v, APIC_LVT_TIMER) = lvt;
    timer_arm(v, now);
}

u64 vlapic_deadline(struct vlapic *v)
{
    if (v->tdt)
        timer_arm(v, timer_run(v));
    return v->tdt;
}

/* A deadline in the past expires at once. */
static void deadline_arm(struct vlapic *v)
{
    v->expiry = v->tdt ? MAX(v->ops->tsc_to_ns(v, v->tdt), 1ull) : 0;
    timer_arm(v, timer_run(v));
}

void vlapic_set_deadline(struct vlapic *v, u64 guest_tsc)
{
    if (!timer_deadline_mode(v))
        return;
    timer_run(v);
    v->tdt = guest_tsc;
    deadline_arm(v);
}

void vlapic_tsc_changed(struct vlapic *v)
{
    if (v->tdt)
        deadline_arm(v);
}

/* --- writes --- */

/* An illegal vector is noted here and sent all the same: its receivers note it, too, and drop it.
 * IPIs are edge-triggered: the level bits matter only for INIT, whose de-assertion no CPU since the
 * P6 acts upon. */
static void send_ipi(struct vlapic *v, u32 icr, u32 dest)
{
    struct apic_msg msg = {
        .dest = dest,
        .vector = (u8)icr,
        .mode = icr >> 8 & 7,
        .shorthand = ICR_SHORTHAND(icr),
        .logical = icr & ICR_LOGICAL,
    };

    if (msg.mode == APIC_INIT && (icr & (ICR_LEVEL | ICR_ASSERT)) == ICR_LEVEL)
        return;
    if (msg.vector < 16 && (msg.mode == APIC_FIXED || msg.mode == APIC_LOWEST))
        log_error(v, APIC_ERR_SEND_VECTOR);
    apic_bus_send(v->bus, v, &msg);
}

static void write_icr(struct vlapic *v, u32 icr)
{
    u32 dest = *reg(v, APIC_ICR2);

    if (!vlapic_x2apic(v))
        dest = dest >> 24 == 0xff ? APIC_BROADCAST : dest >> 24;
    *reg(v, APIC_ICR) = icr;
    send_ipi(v, icr, dest);
}

static void write_lvt(struct vlapic *v, enum apic_reg r, u32 lvt)
{
    lvt &= ~(LVT_PENDING | LVT_REMOTE_IRR);
    if (!(*reg(v, APIC_SVR) & APIC_SVR_ENABLE))
        lvt |= APIC_LVT_MASKED;
    if (r == APIC_LVT_TIMER) {
        timer_write_lvt(v, lvt);
        return;
    }
    *reg(v, r) = lvt;
    if (r != APIC_LVT_LINT0 && r != APIC_LVT_LINT1)
        return;
    update_extint(v);
    if (!(lvt & APIC_LVT_LEVEL))
        event_clear(v, VLAPIC_EV_RIRR0 << (r - APIC_LVT_LINT0));
    else if (LVT_MODE(lvt) == APIC_FIXED && READ_ONCE(v->events) & VLAPIC_EV_LINT0
                                                                       << (r - APIC_LVT_LINT0))
        raise_lint(v, r - APIC_LVT_LINT0);
}

/* Software disable masks every LVT entry, and they stay masked; what is in IRR and ISR is still
 * handled (SDM 3A 11.4.7.2). */
static void write_svr(struct vlapic *v, u32 svr)
{
    timer_run(v);
    *reg(v, APIC_SVR) = svr;
    if (svr & APIC_SVR_ENABLE)
        return;
    for (unsigned int r = APIC_LVT_TIMER; r <= APIC_LVT_ERROR; r++)
        write_lvt(v, r, *reg(v, r));
}

/* `value` has no bits but bits_of(). */
static void write_register(struct vlapic *v, enum apic_reg r, u32 value)
{
    switch (r) {
    case APIC_TPR:
        vlapic_set_tpr(v, (u8)value);
        break;
    case APIC_EOI:
        vlapic_eoi(v);
        break;
    case APIC_DFR:
        *reg(v, r) = value | ~register_bits[APIC_DFR];
        break;
    case APIC_SVR:
        write_svr(v, value);
        break;
    case APIC_ESR:
        *reg(v, r) = __atomic_exchange_n(&v->errors, 0, __ATOMIC_SEQ_CST);
        break;
    case APIC_ICR:
        write_icr(v, value);
        break;
    case APIC_SELF_IPI:
        send_ipi(v, APIC_TO_SELF << 18 | value, 0);
        break;
    case APIC_TIMER_INIT:
        timer_write_init(v, value);
        break;
    case APIC_TIMER_DIVIDE:
        timer_write_divide(v, value);
        break;
    case APIC_LVT_TIMER ... APIC_LVT_ERROR:
        write_lvt(v, r, value);
        break;
    default: /* LDR, ICR2 */
        *reg(v, r) = value;
    }
}

/* --- the two faces --- */

static u32 read_computed(struct vlapic *v, enum apic_reg r)
{
    if (r == APIC_TIMER_CURRENT)
        return timer_read(v);
    if (r == APIC_LVT_LINT0 || r == APIC_LVT_LINT1) {
        bool rirr = READ_ONCE(v->events) & VLAPIC_EV_RIRR0 << (r - APIC_LVT_LINT0);

        return *reg(v, r) | (rirr ? LVT_REMOTE_IRR : 0);
    }
    if (READ_ONCE(v->events) & VLAPIC_EV_POSTED)
        vlapic_sync(v);
    return *reg(v, r);
}

u64 vlapic_mmio_read(struct vlapic *v, u32 offset)
{
    u32 r = offset >> 4, shift = (offset & 0xf) * 8, value = 0;

    if (likely(r < APIC_NR_REGS && BIT_OF(r) & XAPIC_READABLE & ~COMPUTED))
        value = vlapic_reg(v, r);
    else if (r < APIC_NR_REGS && BIT_OF(r) & COMPUTED)
        value = read_computed(v, r);
    else if (r != APIC_EOI)
        log_error(v, APIC_ERR_REGISTER);
    return shift < 32 ? value >> shift : 0;
}

/* Writes to read-only registers are ignored; only registers that are not there are errors. The id
 * is read-only, as newer CPUs have it (SDM 3A 11.4.6). */
void vlapic_mmio_write(struct vlapic *v, u32 offset, unsigned int bytes, u64 value)
{
    u32 r = offset >> 4;

    if (bytes != 4 || offset & 0xf)
        return;
    if (r < APIC_NR_REGS && BIT_OF(r) & XAPIC_WRITABLE)
        write_register(v, r, (u32)value & bits_of(v, r));
    else if (r >= APIC_NR_REGS || !(BIT_OF(r) & XAPIC_READABLE))
        log_error(v, APIC_ERR_REGISTER);
}

int vlapic_rdmsr(struct vlapic *v, u32 msr, u64 *value)
{
    u32 r = msr - MSR_IA32_X2APIC_BASE;

    if (!vlapic_x2apic(v) || r >= APIC_NR_REGS || !(BIT_OF(r) & X2APIC_READABLE))
        return -EINVAL;
    *value = BIT_OF(r) & COMPUTED ? read_computed(v, r) : vlapic_reg(v, r);
    if (r == APIC_ICR)
        *value |= (u64)vlapic_reg(v, APIC_ICR2) << 32;
    return 0;
}

/* EOI and ESR take only zero, which their empty bits_of() says. */
int vlapic_wrmsr(struct vlapic *v, u32 msr, u64 value)
{
    u32 r = msr - MSR_IA32_X2APIC_BASE;

    if (!vlapic_x2apic(v) || r >= APIC_NR_REGS || !(BIT_OF(r) & X2APIC_WRITABLE))
        return -EINVAL;
    if ((u32)value & ~bits_of(v, r) || (value >> 32 && r != APIC_ICR))
        return -EINVAL;
    if (r == APIC_ICR)
        *reg(v, APIC_ICR2) = (u32)(value >> 32);
    write_register(v, r, (u32)value);
    return 0;
}

/* --- base, reset --- */

/* Registers that follow from id and mode (SDM 3A 11.12.10.2 for LDR). */
static void set_identity(struct vlapic *v)
{
    bool x2apic = vlapic_x2apic(v);

    *reg(v, APIC_ID) = x2apic ? v->id : v->id << 24;
    *reg(v, APIC_VERSION) = VERSION | (v->features & VLAPIC_NO_EOI_BC ? VERSION_NOBC : 0);
    if (x2apic)
        *reg(v, APIC_LDR) = (v->id >> 4) << 16 | 1u << (v->id & 0xf);
    update_extint(v);
}

void vlapic_init_reset(struct vlapic *v)
{
    for (unsigned int r = 0; r < APIC_NR_REGS; r++)
        WRITE_ONCE(*reg(v, r), 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(v->pir); i++)
        WRITE_ONCE(v->pir[i], 0);
    for (unsigned int r = APIC_LVT_TIMER; r <= APIC_LVT_ERROR; r++)
        *reg(v, r) = APIC_LVT_MASKED;
    *reg(v, APIC_SVR) = 0xff;
    *reg(v, APIC_DFR) = 0xffffffff;
    v->irr_top = v->isr_top = 0;
    WRITE_ONCE(v->errors, 0);
    event_clear(v, ~(VLAPIC_EV_LINT0 | VLAPIC_EV_LINT1));
    v->expiry = v->tdt = 0;
    timer_arm(v, 0);
    set_identity(v);
}

void vlapic_reset(struct vlapic *v)
{
    v->base = APIC_DEFAULT_BASE | APIC_BASE_ENABLE | (v->features & VLAPIC_BSP ? APIC_BASE_BSP : 0);
    vlapic_init_reset(v);
}

void vlapic_init(struct vlapic *v, void *page, const struct vlapic_config *config)
{
    *v = (struct vlapic){
        .regs = page,
        .id = config->id,
        .features = config->features,
        .phys_bits = config->phys_bits,
        .armed = VLAPIC_NEVER,
        .bus = config->bus,
        .ops = config->ops,
    };
    vlapic_reset(v);
    v->bus->slot[v->bus->count] = v;
    __atomic_store_n(&v->bus->count, v->bus->count + 1, __ATOMIC_RELEASE);
}

static bool base_valid(const struct vlapic *v, u64 value)
{
    u64 mode = value & (APIC_BASE_ENABLE | APIC_BASE_EXTD);
    u64 known = APIC_BASE_BSP | APIC_BASE_ENABLE | (((1ull << v->phys_bits) - 1) & PAGE_MASK);

    if (v->features & VLAPIC_X2APIC)
        known |= APIC_BASE_EXTD;
    return !(value & ~known) && mode != APIC_BASE_EXTD;
}

/* SDM 3A 11.12.5:   disabled <---> xAPIC ---> x2APIC ---> disabled
 * Disabling loses all state; entering x2APIC keeps it but for id, LDR, and the upper half of ICR.
 */
int vlapic_set_base(struct vlapic *v, u64 value)
{
    u64 modes = APIC_BASE_ENABLE | APIC_BASE_EXTD, from = v->base & modes, to = value & modes;

    if (!base_valid(v, value) || (from == modes && to == APIC_BASE_ENABLE) ||
        (!from && to == modes))
        return -EINVAL;
    WRITE_ONCE(v->base, value);
    if (from && !to) {
        vlapic_init_reset(v);
    } else if (from != to) {
        *reg(v, APIC_ICR2) = 0;
        set_identity(v);
    }
    return 0;
}

/* --- save and load --- */

void vlapic_save(struct vlapic *v, struct hvm_hw_lapic *hw, struct hvm_hw_lapic_regs *regs)
{
    u32 count = timer_read(v);

    vlapic_sync(v);
    *hw = (struct hvm_hw_lapic){
        .apic_base_msr = v->base,
        .disabled = (vlapic_hw_enabled(v) ? 0 : SAVED_HW_DISABLED) |
                    (*reg(v, APIC_SVR) & APIC_SVR_ENABLE ? 0 : SAVED_SW_DISABLED),
        .timer_divisor = (u32)(count_ns(v) / BUS_NS),
        .tdt_msr = v->tdt,
    };
    *reg(v, APIC_TIMER_CURRENT) = count;
    __builtin_memcpy(regs->data, v->regs, sizeof(*regs));
}

static u32 saved_reg(const struct hvm_hw_lapic_regs *regs, unsigned int r)
{
    u32 value;

    __builtin_memcpy(&value, &regs->data[16 * r], sizeof(value));
    return value;
}

/* The bits a saved register may have beyond those software may write. */
static u32 loadable_bits(const struct vlapic *v, unsigned int r, bool x2apic)
{
    if (BIT_OF(r) & VECTOR_BITS)
        return r % 8 ? 0xffffffff : 0xffff0000; /* vectors 0 to 15 are never accepted */
    switch (r) {
    case APIC_ID:
    case APIC_VERSION:
    case APIC_TIMER_CURRENT:
    case APIC_DFR:
        return 0xffffffff;
    case APIC_LDR:
    case APIC_ICR2:
        return x2apic ? 0xffffffff : 0xff000000;
    case APIC_PPR:
    case APIC_ESR:
        return 0xff;
    case APIC_SELF_IPI:
        return 0;
    default:
        return bits_of(v, r);
    }
}

static bool timer_loadable(const struct hvm_hw_lapic *hw, const struct hvm_hw_lapic_regs *regs)
{
    u32 mode = saved_reg(regs, APIC_LVT_TIMER) & (APIC_LVT_PERIODIC | APIC_LVT_DEADLINE);

    if (saved_reg(regs, APIC_TIMER_CURRENT) > saved_reg(regs, APIC_TIMER_INIT))
        return false;
    if (mode == APIC_LVT_DEADLINE)
        return !saved_reg(regs, APIC_TIMER_INIT);
    return mode <= APIC_LVT_PERIODIC && !hw->tdt_msr;
}

static bool loadable(const struct vlapic *v, const struct hvm_hw_lapic *hw,
                     const struct hvm_hw_lapic_regs *regs)
{
    bool x2apic = hw->apic_base_msr & APIC_BASE_EXTD;
    bool masked = !(saved_reg(regs, APIC_SVR) & APIC_SVR_ENABLE);
    u32 disabled = (hw->apic_base_msr & APIC_BASE_ENABLE ? 0 : SAVED_HW_DISABLED) |
                   (masked ? SAVED_SW_DISABLED : 0);

    if (!base_valid(v, hw->apic_base_msr) || hw->disabled != disabled)
        return false;
    for (unsigned int r = 0; r < APIC_NR_REGS; r++) {
        if (saved_reg(regs, r) & ~loadable_bits(v, r, x2apic))
            return false;
        if (masked && BIT_OF(r) & LVT_BITS && !(saved_reg(regs, r) & APIC_LVT_MASKED))
            return false;
    }
    if (saved_reg(regs, APIC_ID) != (x2apic ? v->id : v->id << 24))
        return false;
    return (saved_reg(regs, APIC_DFR) | register_bits[APIC_DFR]) == 0xffffffff &&
           timer_loadable(hw, regs);
}

/* What follows from other registers (PPR, id, version, x2APIC LDR, the divisor) is computed anew.
 */
int vlapic_load(struct vlapic *v, const struct hvm_hw_lapic *hw,
                const struct hvm_hw_lapic_regs *regs)
{
    u64 now = v->ops->now(v);
    u32 count = saved_reg(regs, APIC_TIMER_CURRENT);

    if (!loadable(v, hw, regs))
        return -EINVAL;
    vlapic_init_reset(v);
    WRITE_ONCE(v->base, hw->apic_base_msr);
    for (unsigned int r = 0; r < APIC_NR_REGS; r++)
        *reg(v, r) =
            saved_reg(regs, r) & (BIT_OF(r) & LVT_BITS ? ~(LVT_PENDING | LVT_REMOTE_IRR) : ~0u);
    set_identity(v);
    v->irr_top = highest(v, APIC_IRR);
    v->isr_top = highest(v, APIC_ISR);
    update_ppr(v);
    v->expiry = count ? now + count * count_ns(v) : 0;
    timer_arm(v, now);
    vlapic_set_deadline(v, hw->tdt_msr);
    return 0;
}
