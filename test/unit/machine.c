/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/errno.h"
#include "hv/x86.h"
#include "test/unit/machine.h"

static struct machine *machine_of(struct emu *e)
{
    return container_of(e, struct machine, e);
}

static u32 fault_code(const struct emu *e, bool write)
{
    return (e->cpl == 3 ? PFEC_U : 0) | (write ? PFEC_W : 0);
}

/* Faults at the first byte that is not there, as a page walk of each page would. */
static int check_range(struct machine *m, u64 gva, unsigned len, bool write)
{
    u64 offset = gva - m->memory_base;

    if (offset >= MACHINE_MEMORY)
        return emu_page_fault(&m->e, gva, fault_code(&m->e, write));
    if (offset + len > MACHINE_MEMORY)
        return emu_page_fault(&m->e, m->memory_base + MACHINE_MEMORY, fault_code(&m->e, write));
    return 0;
}

static void log_access(struct machine *m, const struct machine_access *a)
{
    if (m->logged < ARRAY_SIZE(m->log))
        m->log[m->logged] = *a;
    m->logged++;
}

/* The earlier answer to the same access, or NULL if it is a new one. */
static struct machine_access *replayed(struct machine *m, const struct machine_access *a)
{
    struct machine_access *r = &m->record[m->e.seq];

    if (m->e.seq >= m->recorded)
        return NULL;
    assert_int_equal(r->kind, a->kind);
    assert_int_equal(r->gva, a->gva);
    assert_int_equal(r->len, a->len);
    assert_int_equal(r->port, a->port);
    assert_int_equal(r->count, a->count);
    if (a->kind == ACC_WRITE || a->kind == ACC_CMPXCHG || a->kind == ACC_OUT)
        assert_memory_equal(r->data, a->data, MIN(a->len, 32u));
    return r;
}

/* A new access is done now; if the machine waits, that is only heard on the next run. */
static int finish(struct machine *m, struct machine_access *a, int result)
{
    a->result = result;
    log_access(m, a);
    if (!m->wait || result == -EFAULT || result == -EBUSY)
        return result;
    assert_int_equal(m->e.seq, m->recorded);
    assert_true(m->recorded < ARRAY_SIZE(m->record));
    m->record[m->recorded++] = *a;
    m->waited++;
    return -EAGAIN;
}

static int on_read(struct emu *e, u64 gva, void *buf, unsigned len, enum emu_access how)
{
    struct machine *m = machine_of(e);
    struct machine_access a = {.kind = ACC_READ, .how = how, .gva = gva, .len = len}, *old;
    int err;

    assert_true(how == EMU_READ || how == EMU_RMW);
    old = replayed(m, &a);
    if (old) {
        memcpy(buf, old->data, len);
        return old->result;
    }
    err = check_range(m, gva, len, how == EMU_RMW);
    if (!err) {
        memcpy(a.data, m->memory + (gva - m->memory_base), len);
        memcpy(buf, a.data, len);
    }
    return finish(m, &a, err);
}

static int write_access(struct machine *m, struct machine_access *a, const void *data)
{
    struct machine_access *old;
    int err;

    memcpy(a->data, data, a->len);
    old = replayed(m, a);
    if (old)
        return old->result;
    err = check_range(m, a->gva, a->len, true);
    if (!err)
        memcpy(m->memory + (a->gva - m->memory_base), data, a->len);
    return finish(m, a, err);
}

static int on_write(struct emu *e, u64 gva, const void *buf, unsigned len)
{
    struct machine_access a = {.kind = ACC_WRITE, .gva = gva, .len = len};

    return write_access(machine_of(e), &a, buf);
}

static int on_cmpxchg(struct emu *e, u64 gva, const void *old, const void *new, unsigned len)
{
    struct machine *m = machine_of(e);
    struct machine_access a = {.kind = ACC_CMPXCHG, .gva = gva, .len = len};

    if (m->cmpxchg_losses) {
        m->cmpxchg_losses--;
        return -EBUSY;
    }
    if (e->seq >= m->recorded && !check_range(m, gva, len, true))
        assert_memory_equal(m->memory + (gva - m->memory_base), old, len);
    return write_access(m, &a, new);
}

static int on_probe(struct emu *e, u64 gva, unsigned len)
{
    return check_range(machine_of(e), gva, len, true);
}

static int on_fetch(struct emu *e, u64 gva, void *buf, unsigned len)
{
    struct machine *m = machine_of(e);
    u64 offset = gva - MACHINE_CODE;

    assert_true((gva & ~PAGE_MASK) + len <= PAGE_SIZE);
    if (offset >= sizeof(m->code))
        return emu_page_fault(e, gva, PFEC_I);
    memset(buf, 0xcc, len);
    memcpy(buf, m->code + offset, MIN(len, sizeof(m->code) - offset));
    return 0;
}

static int on_in(struct emu *e, u16 port, u32 *value, unsigned size)
{
    struct machine *m = machine_of(e);
    struct machine_access a = {.kind = ACC_IN, .port = port, .len = size}, *old = replayed(m, &a);

    if (old) {
        memcpy(value, old->data, sizeof(*value));
        return old->result;
    }
    *value = m->port_value++;
    memcpy(a.data, value, sizeof(*value));
    return finish(m, &a, 0);
}

static int on_out(struct emu *e, u16 port, u32 value, unsigned size)
{
    struct machine *m = machine_of(e);
    struct machine_access a = {.kind = ACC_OUT, .port = port, .len = size};
    struct machine_access *old;

    memcpy(a.data, &value, sizeof(value));
    old = replayed(m, &a);
    if (old)
        return old->result;
    assert_true(m->outs < ARRAY_SIZE(m->out));
    m->out[m->outs++] = value;
    return finish(m, &a, 0);
}

/* Where element n of a chunk lies, which must be inside one page. */
static u8 *rep_element(struct machine *m, const struct emu_rep *r, u64 first, u64 n)
{
    u64 gva = r->down ? first - n * r->size : first + n * r->size;

    assert_int_equal(gva & PAGE_MASK, first & PAGE_MASK);
    assert_int_equal((gva + r->size - 1) & PAGE_MASK, first & PAGE_MASK);
    return m->memory + (gva - m->memory_base);
}

static void rep_one(struct machine *m, const struct emu_rep *r, u64 n)
{
    u8 buf[8];

    switch (r->op) {
    case OP_INS:
        memcpy(rep_element(m, r, r->dst, n), &m->port_value, r->size);
        m->port_value++;
        break;
    case OP_OUTS:
        assert_true(m->outs < ARRAY_SIZE(m->out));
        m->out[m->outs] = 0;
        memcpy(&m->out[m->outs++], rep_element(m, r, r->src, n), r->size);
        break;
    case OP_MOVS:
        memcpy(buf, rep_element(m, r, r->src, n), r->size);
        memcpy(rep_element(m, r, r->dst, n), buf, r->size);
        break;
    case OP_STOS:
        memcpy(rep_element(m, r, r->dst, n), &r->value, r->size);
        break;
    default:
        fail_msg("chunk of operation %d", r->op);
    }
}

/* Declines what does not lie in memory, so that the faults come element by element. */
static int on_rep(struct emu *e, const struct emu_rep *r)
{
    struct machine *m = machine_of(e);
    struct machine_access a = {.kind = ACC_REP,
                               .port = r->port,
                               .len = r->size,
                               .gva = r->dst ?: r->src,
                               .count = r->count};
    struct machine_access *old;
    u64 n = MIN(r->count, m->rep_most);
    bool src = r->op == OP_OUTS || r->op == OP_MOVS, dst = r->op != OP_OUTS;

    assert_true(r->count > 0);
    if (!n || (src && r->src - m->memory_base >= MACHINE_MEMORY) ||
        (dst && r->dst - m->memory_base >= MACHINE_MEMORY))
        return 0;
    old = replayed(m, &a);
    if (old)
        return old->result;
    for (u64 k = 0; k < n; k++)
        rep_one(m, r, k);
    return finish(m, &a, (int)n);
}

static void on_commit(struct emu *e)
{
    machine_of(e)->recorded = 0;
}

static int on_vector_get(struct emu *e, unsigned n, u8 ymm[32])
{
    memcpy(ymm, machine_of(e)->ymm[n], 32);
    return 0;
}

static int on_vector_set(struct emu *e, unsigned n, const u8 ymm[32], bool zero_upper)
{
    memcpy(machine_of(e)->ymm[n], ymm, 32);
    machine_of(e)->upper_cleared = zero_upper;
    return 0;
}

static const struct emu_ops ops = {
    .read = on_read,
    .write = on_write,
    .fetch = on_fetch,
    .cmpxchg = on_cmpxchg,
    .probe_write = on_probe,
    .in = on_in,
    .out = on_out,
    .rep = on_rep,
    .commit = on_commit,
    .vector_get = on_vector_get,
    .vector_set = on_vector_set,
};

void machine_init(struct machine *m, u64 memory_base)
{
    memset(m, 0, sizeof(*m));
    m->memory_base = memory_base;
    m->e = (struct emu){.gpr = m->gpr,
                        .seg = m->seg,
                        .ops = &ops,
                        .rip = MACHINE_CODE,
                        .rflags = RFLAGS_RESERVED,
                        .cr4 = CR4_OSFXSR | CR4_OSXSAVE,
                        .xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX};
    machine_mode(m, MODE_64, true);
    m->gpr[rSP] = memory_base + MACHINE_MEMORY;
}

void machine_mode(struct machine *m, enum cpu_mode mode, bool protected)
{
    u16 db = mode == MODE_32 ? SEG_DB : 0;
    u32 limit = mode == MODE_16 ? 0xffff : 0xffffffff;

    m->e.mode = (u8)mode;
    m->e.cr0 = protected ? CR0_PE : 0;
    m->e.efer = mode == MODE_64 ? EFER_LMA : 0;
    for (int n = 0; n < SEG_COUNT; n++)
        m->seg[n] = (struct segment){.attr = SEG_P | SEG_S | 3 | db, .limit = limit};
    m->seg[SEG_CS].attr = SEG_P | SEG_S | 0xb | (mode == MODE_64 ? SEG_L : db);
}

/* What must not change while an instruction waits; REP strings may have moved on. */
struct snapshot {
    u64 gpr[16], rip, rflags, cr0;
    u8 ymm[16][32];
};

static struct snapshot snapshot(const struct machine *m)
{
    struct snapshot s = {.rip = m->e.rip, .rflags = m->e.rflags, .cr0 = m->e.cr0};

    memcpy(s.gpr, m->gpr, sizeof(s.gpr));
    memcpy(s.ymm, m->ymm, sizeof(s.ymm));
    return s;
}

static void assert_unchanged(const struct machine *m, const struct snapshot *before, bool rep)
{
    struct snapshot now = snapshot(m);

    assert_int_equal(now.rip, before->rip);
    if (!rep)
        assert_memory_equal(&now, before, sizeof(now));
}

int machine_run(struct machine *m, const struct insn *i, bool through)
{
    int err;

    m->logged = 0;
    for (unsigned n = 0; n < 100000; n++) {
        struct snapshot before = snapshot(m);

        err = emulate(&m->e, i);
        if (err)
            assert_unchanged(m, &before, i->rep);
        if (err != -EAGAIN)
            m->recorded = 0;
        if (err != -EAGAIN && !(err == -EBUSY && through))
            return err;
    }
    fail_msg("no end to it");
    return err;
}

int machine_execute(struct machine *m, const u8 *bytes, unsigned len)
{
    struct insn i;

    assert_int_equal(decode(&i, bytes, len, m->e.mode), 0);
    assert_int_equal(i.length, len);
    return machine_run(m, &i, true);
}
