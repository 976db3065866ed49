/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/breakpoint.h"
#include "hv/domain.h"
#include "hv/emulate.h"
#include "hv/errno.h"
#include "hv/exit_cr.h"
#include "hv/guest_mem.h"
#include "hv/inject.h"
#include "hv/insn.h"
#include "hv/ioreq.h"
#include "hv/log.h"
#include "hv/mmio.h"
#include "hv/pio.h"
#include "hv/string.h"
#include "hv/vcpu.h"
#include "hv/vendor.h"
#include "hv/x86.h"
#include "hv/xstate.h"

#define TOLD_MAX 32 /* messages of one kind */

/* One instruction's emulation: the emulator's view, and what its callbacks need. */
struct work {
    struct emu e;
    struct vcpu *v;
    struct guest_paging g;
    struct cpu_state s;
    bool gpa_known; /* the exit told the address of the first access: exit.npf */
    bool stepping;  /* #DB may come behind each element of a string */
    u64 hits;       /* bits of DR6: breakpoints met */
};

static struct work *work_of(struct emu *e)
{
    return container_of(e, struct work, e);
}

static void note(struct work *w, enum watched kind, u64 address, unsigned len)
{
    if (unlikely(w->v->dr_loaded))
        w->hits |= breakpoint_hits(w->v, kind, address, len);
}

static size_t in_page(u64 address, size_t len)
{
    return MIN(len, PAGE_SIZE - (address & (PAGE_SIZE - 1)));
}

/* The CPU translated the operand before the exit; which operand it was is certain only when there
 * is one. */
static bool told_by_exit(struct work *w, u64 gva, u32 access, gpa_t *gpa)
{
    const struct exit_npf *npf = &w->v->exit.npf;

    if (!w->gpa_known || (access & ACCESS_EXEC) || ((gva ^ npf->gpa.v) & (PAGE_SIZE - 1)) ||
        (access & ACCESS_WRITE && !(npf->access & ACCESS_WRITE)))
        return false;
    *gpa = npf->gpa;
    return true;
}

static int translate(struct work *w, u64 gva, u32 access, gpa_t *gpa)
{
    u32 error;

    if (told_by_exit(w, gva, access, gpa))
        return 0;
    if (guest_walk(w->v, &w->g, gva, access, gpa, &error) == 0)
        return 0;
    return emu_page_fault(&w->e, gva, error);
}

/* One access of a device: from the record if it has been answered already. */
static int device_piece(struct vcpu *v, gpa_t gpa, unsigned size, bool write, u64 *value)
{
    struct replay *r = &v->replay;
    int rc;

    if (r->next < r->done) {
        *value = r->value[r->next++];
        return 0;
    }
    rc = mmio_access(v, gpa, size, write, value);
    if (rc)
        return rc;
    if (r->done < REPLAY_PIECES) {
        r->value[r->done++] = *value;
        r->next++;
    }
    return 0;
}

/* len bytes inside one page, in the largest naturally aligned pieces, as a bus would. */
static int device_access(struct vcpu *v, gpa_t gpa, u8 *buf, unsigned len, bool write)
{
    while (len) {
        unsigned size = 8;
        u64 value = 0;
        int rc;

        while (size > len || (gpa.v & (size - 1)))
            size /= 2;
        if (write)
            memcpy(&value, buf, size);
        rc = device_piece(v, gpa, size, write, &value);
        if (rc)
            return rc;
        if (!write)
            memcpy(buf, &value, size);
        gpa.v += size;
        buf += size;
        len -= size;
    }
    return 0;
}

static int page_access(struct work *w, gpa_t gpa, u8 *buf, unsigned len, bool write)
{
    u8 *ram = p2m_ram(&w->v->domain->p2m, gpa, write);

    if (!ram)
        return device_access(w->v, gpa, buf, len, write);
    if (write)
        memcpy(ram, buf, len);
    else
        memcpy(buf, ram, len);
    return 0;
}

/* All pages are translated before the first byte moves: a fault in the second leaves the first
 * alone. */
static int access(struct emu *e, u64 gva, u8 *buf, unsigned len, u32 how, bool write)
{
    struct work *w = work_of(e);
    unsigned first = (unsigned)in_page(gva, len);
    gpa_t gpa[2];
    int rc = translate(w, gva, how, &gpa[0]);

    note(w, write ? WATCHED_WRITE : WATCHED_READ, gva, len);

    if (rc == 0 && first < len)
        rc = translate(w, gva + first, how, &gpa[1]);
    if (rc == 0)
        rc = page_access(w, gpa[0], buf, first, write);
    if (rc == 0 && first < len)
        rc = page_access(w, gpa[1], buf + first, len - first, write);
    return rc;
}

static int op_read(struct emu *e, u64 gva, void *buf, unsigned len, enum emu_access how)
{
    return access(e, gva, buf, len, how == EMU_RMW ? ACCESS_WRITE : ACCESS_READ, false);
}

static int op_write(struct emu *e, u64 gva, const void *buf, unsigned len)
{
    u8 copy[32];

    memcpy(copy, buf, len);
    return access(e, gva, copy, len, ACCESS_WRITE, true);
}

static int op_fetch(struct emu *e, u64 gva, void *buf, unsigned len)
{
    struct work *w = work_of(e);
    gpa_t gpa;
    int rc = translate(w, gva, ACCESS_EXEC, &gpa);
    const void *ram;

    if (rc)
        return rc;
    ram = p2m_ram(&w->v->domain->p2m, gpa, false);
    if (!ram)
        return -ENOSYS; /* code in a device's memory */
    memcpy(buf, ram, len);
    return 0;
}

static int op_probe_write(struct emu *e, u64 gva, unsigned len)
{
    unsigned first = (unsigned)in_page(gva, len);
    gpa_t gpa;
    int rc = translate(work_of(e), gva, ACCESS_WRITE, &gpa);

    return rc || first == len ? rc : translate(work_of(e), gva + first, ACCESS_WRITE, &gpa);
}

static int cmpxchg_ram(void *ram, const void *old, const void *new, unsigned len)
{
    bool ok;

    switch (len) {
    case 1:
        ok = __sync_bool_compare_and_swap((u8 *)ram, *(const u8 *)old, *(const u8 *)new);
        break;
    case 2:
        ok = __sync_bool_compare_and_swap((u16 *)ram, *(const u16 *)old, *(const u16 *)new);
        break;
    case 4:
        ok = __sync_bool_compare_and_swap((u32 *)ram, *(const u32 *)old, *(const u32 *)new);
        break;
    case 8:
        ok = __sync_bool_compare_and_swap((u64 *)ram, *(const u64 *)old, *(const u64 *)new);
        break;
    default:
        return -ENOSYS; /* CMPXCHG16B on RAM never exits */
    }
    return ok ? 0 : -EBUSY;
}

static int op_cmpxchg(struct emu *e, u64 gva, const void *old, const void *new, unsigned len)
{
    struct work *w = work_of(e);
    gpa_t gpa;
    void *ram;
    int rc;

    if (in_page(gva, len) < len)
        return op_write(e, gva, new, len); /* a split lock: not atomic for other CPUs */
    rc = translate(w, gva, ACCESS_WRITE, &gpa);
    if (rc)
        return rc;
    ram = p2m_ram(&w->v->domain->p2m, gpa, true);
    note(w, WATCHED_WRITE, gva, len);
    if (ram)
        return cmpxchg_ram(ram, old, new, len);
    return op_write(e, gva, new, len);
}

static int op_in(struct emu *e, u16 port, u32 *value, unsigned size)
{
    struct vcpu *v = work_of(e)->v;
    struct replay *r = &v->replay;
    int rc;

    note(work_of(e), WATCHED_IO, port, size);
    if (r->next < r->done) {
        *value = (u32)r->value[r->next++];
        return 0;
    }
    rc = pio_access(v, port, size, false, value);
    if (rc == 0 && r->done < REPLAY_PIECES) {
        r->value[r->done++] = *value;
        r->next++;
    }
    return rc;
}

static int op_out(struct emu *e, u16 port, u32 value, unsigned size)
{
    struct vcpu *v = work_of(e)->v;
    struct replay *r = &v->replay;
    int rc = 0;

    note(work_of(e), WATCHED_IO, port, size);
    if (r->next < r->done) {
        r->next++;
        return 0;
    }
    rc = pio_access(v, port, size, true, &value);
    if (rc == 0 && r->done < REPLAY_PIECES) {
        r->done++;
        r->next++;
    }
    return rc;
}

/* The RAM end of a REP string: GPA of the first element, if all of its page is RAM. */
static bool ram_end(struct work *w, u64 gva, bool write, u64 *gpa)
{
    gpa_t at;

    if (translate(w, gva, write ? ACCESS_WRITE : ACCESS_READ, &at) ||
        !p2m_ram(&w->v->domain->p2m, at, write))
        return false;
    *gpa = at.v;
    return true;
}

/* The device end: neither RAM nor root mode's. */
static bool device_end(struct work *w, u64 gva, bool write, u64 *gpa)
{
    gpa_t at;

    if (translate(w, gva, write ? ACCESS_WRITE : ACCESS_READ, &at) || mmio_is_ours(w->v, at) ||
        p2m_ram(&w->v->domain->p2m, at, false))
        return false;
    *gpa = at.v;
    return true;
}

/* Can a device model do it as a whole? */
static bool describe_rep(struct work *w, const struct emu_rep *rep, struct ioreq_rep *r)
{
    *r = (struct ioreq_rep){
        .size = rep->size, .down = rep->down, .count = (u32)rep->count, .data_is_ptr = true};
    switch (rep->op) {
    case OP_INS:
        r->port = true;
        r->addr = rep->port;
        return !pio_is_ours(w->v->domain, rep->port) && ram_end(w, rep->dst, true, &r->data);
    case OP_OUTS:
        r->port = r->write = true;
        r->addr = rep->port;
        return !pio_is_ours(w->v->domain, rep->port) && ram_end(w, rep->src, false, &r->data);
    case OP_STOS:
        r->write = true;
        r->data_is_ptr = false;
        r->data = rep->value;
        return device_end(w, rep->dst, true, &r->addr);
    case OP_MOVS:
        r->write = ram_end(w, rep->src, false, &r->data);
        if (r->write)
            return device_end(w, rep->dst, true, &r->addr);
        return device_end(w, rep->src, false, &r->addr) && ram_end(w, rep->dst, true, &r->data);
    default:
        return false;
    }
}

/* Once an element has been begun by itself it is finished so. */
static int op_rep(struct emu *e, const struct emu_rep *rep)
{
    struct work *w = work_of(e);
    struct ioreq_rep r;
    unsigned done;

    if (!w->v->domain->ioreq)
        return 0;
    done = ioreq_rep_done(w->v);
    if (done)
        return (int)MIN(done, rep->count);
    if (w->stepping || w->v->replay.done || rep->count < 2 || !describe_rep(w, rep, &r))
        return 0;
    return ioreq_rep(w->v, &r);
}

static void op_commit(struct emu *e)
{
    work_of(e)->v->replay = (struct replay){0};
}

static int op_vector_get(struct emu *e, unsigned n, u8 ymm[32])
{
    xstate_get_ymm(work_of(e)->v, n, ymm);
    return 0;
}

static int op_vector_set(struct emu *e, unsigned n, const u8 ymm[32], bool zero_upper)
{
    xstate_set_ymm(work_of(e)->v, n, ymm, zero_upper);
    return 0;
}

static const struct emu_ops ops = {
    .read = op_read,
    .write = op_write,
    .fetch = op_fetch,
    .cmpxchg = op_cmpxchg,
    .probe_write = op_probe_write,
    .in = op_in,
    .out = op_out,
    .rep = op_rep,
    .commit = op_commit,
    .vector_get = op_vector_get,
    .vector_set = op_vector_set,
};

static void begin(struct work *w, struct vcpu *v, u32 state)
{
    w->v = v;
    w->gpa_known = false;
    w->hits = 0;
    w->stepping = v->dr_loaded || v->rflags & RFLAGS_TF;
    vendor->state_get(v, STATE_CR | state, &w->s);
    w->g = (struct guest_paging){
        .cr0 = w->s.cr0,
        .cr3 = w->s.cr3,
        .cr4 = w->s.cr4,
        .efer = w->s.efer,
        .rflags = v->rflags,
        .cpl = SEG_DPL(w->s.seg[SEG_SS].attr),
        .phys_bits = v->domain->policy->phys_bits,
    };
    fetch_insn(v, &w->s);
    w->e = (struct emu){
        .gpr = v->gpr,
        .rip = v->rip,
        .rflags = v->rflags,
        .cr0 = w->s.cr0,
        .seg = w->s.seg,
        .cr4 = w->s.cr4,
        .efer = w->s.efer,
        .xcr0 = v->xcr0,
        .cpl = w->g.cpl,
        .mode = emu_mode(w->s.efer, &w->s.seg[SEG_CS]),
        .rep_limit = w->stepping, /* 0: as many as the emulator likes */
        .ops = &ops,
    };
}

/* A guest that does this on and on must not keep the console busy. */
static void not_emulated(struct vcpu *v, const struct insn *insn)
{
    static u32 told;

    if (__atomic_fetch_add(&told, 1, __ATOMIC_RELAXED) < TOLD_MAX)
        log_warn("d%uv%u: instruction at %llx not emulated (map %u opcode %02x)", v->domain->id,
                 v->id, (unsigned long long)v->rip, insn->map, insn->opcode);
    else
        __atomic_store_n(&told, TOLD_MAX, __ATOMIC_RELAXED);
    inject_exception(v, TRAP_UD);
}

/* Before v->rflags becomes what the instruction made of it. */
static u64 debug_causes(const struct work *w)
{
    return w->hits | (w->v->rflags & RFLAGS_TF ? DR6_BS : 0);
}

/* A REP string between two elements, or a LOCKed operand that another CPU changed meanwhile. */
static void run_again(struct work *w, const struct insn *insn)
{
    bool string = insn->op >= OP_MOVS && insn->op <= OP_OUTS;
    u64 causes = debug_causes(w);

    w->v->rflags = w->e.rflags | (string ? RFLAGS_RF : 0);
    if (string && causes)
        inject_debug_trap(w->v, causes);
}

/* The instruction is done: what it changed becomes the vcpu's. */
static void complete(struct work *w)
{
    struct vcpu *v = w->v;
    u64 causes = debug_causes(w);

    v->rip = w->e.rip;
    v->rflags = w->e.rflags;
    v->intr_shadow = 0;
    if (w->e.cr0 != w->s.cr0)
        cr0_write(v, w->e.cr0);
    if (causes)
        inject_debug_trap(v, causes);
}

static bool one_memory_operand(const struct insn *insn)
{
    return insn->op == OP_MOV || insn->op == OP_MOVZX || insn->op == OP_MOVSX;
}

/*
 * Another vcpu may have changed the instruction since the CPU looked at it. The emulator checks
 * what privilege its instructions ask for, but for ports: there the CPU has checked for string I/O
 * that exits as such; anything else must have the privilege that no permission map is asked for.
 */
static bool port_allowed(const struct work *w, const struct insn *insn)
{
    bool string = insn->op == OP_INS || insn->op == OP_OUTS;
    const struct vm_exit *x = &w->v->exit;

    if (!string && insn->op != OP_IN && insn->op != OP_OUT)
        return true;
    if (x->reason == EXIT_IO)
        return string && x->io.in == (insn->op == OP_INS);
    return !(w->e.cr0 & CR0_PE) ||
           (w->e.cpl <= (w->e.rflags >> 12 & 3) && !(w->e.rflags & RFLAGS_VM));
}

static int run(struct work *w, struct insn *insn)
{
    int rc = emu_fetch(&w->e, insn, w->v->exit.bytes, w->v->exit.bytes_len);

    if (rc)
        return rc;
    if (!port_allowed(w, insn))
        return emu_exception_error(&w->e, TRAP_GP, 0);
    w->gpa_known = w->v->exit.reason == EXIT_PAGE_FAULT && one_memory_operand(insn);
    return emulate(&w->e, insn);
}

void insn_emulate(struct vcpu *v)
{
    struct work w;
    struct insn insn = {0};
    int rc;

    begin(&w, v, STATE_SEGS);
    v->replay.next = 0;
    rc = run(&w, &insn);
    if (rc == -EAGAIN || rc == -EFAULT)
        v->rflags = w.e.rflags; /* REP CMPS and SCAS may be done in part */
    if (rc == -EAGAIN)
        return;
    v->replay = (struct replay){0};
    if (rc == 0)
        complete(&w);
    else if (rc == -EBUSY)
        run_again(&w, &insn);
    else if (rc == -EFAULT)
        inject_event(v, &w.e.fault);
    else
        not_emulated(v, &insn);
}

int insn_decode(struct vcpu *v, struct insn *insn)
{
    struct work w;
    int rc;

    begin(&w, v, STATE_CS_SS);
    rc = emu_fetch(&w.e, insn, v->exit.bytes, v->exit.bytes_len);
    if (rc == 0)
        return 0;
    if (rc == -EFAULT)
        inject_event(v, &w.e.fault);
    else
        not_emulated(v, insn);
    return -EFAULT;
}

unsigned insn_length(struct vcpu *v)
{
    struct insn insn;

    if (likely(v->exit.insn_len))
        return v->exit.insn_len;
    return insn_decode(v, &insn) ? 0 : insn.length;
}

bool insn_skip(struct vcpu *v)
{
    unsigned length = insn_length(v);

    if (length)
        vcpu_skip(v, length);
    return length;
}
