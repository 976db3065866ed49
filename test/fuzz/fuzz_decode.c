/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer on decoder and emulator. The input is dealt out to the mode, the registers, the
 * instruction and what the callbacks answer: data, faults, "wait", declined or partly done chunks.
 * Beyond what the sanitizers see, it is checked that an instruction that does not get done changes
 * nothing, that a replay asks the same again, that a chunk stays inside its pages, and that results
 * are among those hv/emulate.h names.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -I. test/fuzz/fuzz_decode.c hv/decode.c
 * hv/emulate*.c
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hv/emulate.h"
#include "hv/errno.h"
#include "hv/x86.h"

#define CHECK(x)     \
    do {             \
        if (!(x))    \
            abort(); \
    } while (0)

struct input {
    const u8 *data;
    size_t left;
};

/* One access as it was asked: kind, where, how much. */
struct asked {
    char kind;
    u64 where, len;
    u8 data[32];
};

struct run {
    struct emu e;
    u64 gpr[16];
    struct segment seg[SEG_COUNT];
    struct input in;
    struct asked record[4];
    unsigned recorded;
};

static void take(struct input *in, void *to, size_t n)
{
    size_t have = MIN(n, in->left);

    memset(to, 0, n);
    memcpy(to, in->data, have);
    in->data += have;
    in->left -= have;
}

static u8 take_byte(struct input *in)
{
    u8 v;

    take(in, &v, 1);
    return v;
}

/*
 * The fate of an access. 1: it has been answered before; else what to return, *to filled in when it
 * is something to be read.
 */
static int fate(struct run *r, struct asked a, void *to)
{
    u8 what;

    CHECK(r->e.seq < ARRAY_SIZE(r->record));
    if (r->e.seq < r->recorded) {
        const struct asked *old = &r->record[r->e.seq];

        CHECK(old->kind == a.kind && old->where == a.where && old->len == a.len);
        if (to)
            memcpy(to, old->data, MIN(a.len, sizeof(a.data)));
        else
            CHECK(!memcmp(old->data, a.data, sizeof(a.data)));
        return 0;
    }
    CHECK(r->e.seq == r->recorded);
    what = take_byte(&r->in);
    if (what % 16 == 15)
        return emu_page_fault(&r->e, a.where, what >> 4);
    if (to) {
        take(&r->in, a.data, MIN(a.len, sizeof(a.data)));
        memcpy(to, a.data, MIN(a.len, sizeof(a.data)));
    }
    r->record[r->recorded++] = a;
    return what % 16 < 8 ? 0 : -EAGAIN;
}

static struct run *run_of(struct emu *e)
{
    return container_of(e, struct run, e);
}

static void check_canonical(const struct emu *e, u64 gva, unsigned len)
{
    unsigned unused = e->cr4 & CR4_LA57 ? 7 : 16;

    if (e->mode != MODE_64)
        CHECK(gva <= 0xffffffff);
    else
        for (u64 a = gva; len--; a++)
            CHECK((u64)((s64)(a << unused) >> unused) == a);
}

static int on_read(struct emu *e, u64 gva, void *buf, unsigned len, enum emu_access access)
{
    struct asked a = {.kind = 'r', .where = gva, .len = len};

    CHECK(len && len <= 32 && (access == EMU_READ || access == EMU_RMW));
    check_canonical(e, gva, len);
    return fate(run_of(e), a, buf);
}

static int on_write(struct emu *e, u64 gva, const void *buf, unsigned len)
{
    struct asked a = {.kind = 'w', .where = gva, .len = len};

    CHECK(len && len <= 32);
    check_canonical(e, gva, len);
    memcpy(a.data, buf, len);
    return fate(run_of(e), a, NULL);
}

static int on_cmpxchg(struct emu *e, u64 gva, const void *old, const void *new, unsigned len)
{
    struct asked a = {.kind = 'c', .where = gva, .len = len};

    CHECK(len && len <= 16);
    check_canonical(e, gva, len);
    memcpy(a.data, old, len);
    memcpy(a.data + 16, new, len);
    return fate(run_of(e), a, NULL);
}

static int on_fetch(struct emu *e, u64 gva, void *buf, unsigned len)
{
    CHECK(len && (gva & ~PAGE_MASK) + len <= PAGE_SIZE);
    take(&run_of(e)->in, buf, len);
    return 0;
}

static int on_in(struct emu *e, u16 port, u32 *value, unsigned size)
{
    struct asked a = {.kind = 'i', .where = port, .len = size};

    CHECK(size == 1 || size == 2 || size == 4);
    return fate(run_of(e), a, value);
}

static int on_out(struct emu *e, u16 port, u32 value, unsigned size)
{
    struct asked a = {.kind = 'o', .where = port, .len = size};

    CHECK(size == 1 || size == 2 || size == 4);
    memcpy(a.data, &value, sizeof(value));
    return fate(run_of(e), a, NULL);
}

static void check_chunk(const struct emu_rep *r, u64 first)
{
    u64 last = r->down ? first - (r->count - 1) * r->size : first + (r->count - 1) * r->size;

    CHECK((first & PAGE_MASK) == (last & PAGE_MASK));
    CHECK(((first + r->size - 1) & PAGE_MASK) == (first & PAGE_MASK));
    CHECK(((last + r->size - 1) & PAGE_MASK) == (first & PAGE_MASK));
}

static int on_rep(struct emu *e, const struct emu_rep *rep)
{
    struct run *r = run_of(e);
    struct asked a = {.kind = 'R', .where = rep->src ^ rep->dst ^ rep->port, .len = rep->count};
    u8 what;
    int err;

    CHECK(rep->count && rep->count <= PAGE_SIZE && rep->size <= 8);
    if (rep->op == OP_OUTS || rep->op == OP_MOVS)
        check_chunk(rep, rep->src);
    if (rep->op != OP_OUTS)
        check_chunk(rep, rep->dst);
    if (e->seq < r->recorded && r->record[e->seq].kind != 'R')
        return 0; /* declined before */
    if (e->seq >= r->recorded) {
        what = take_byte(&r->in);
        if (what & 1)
            return 0;
        memcpy(a.data, &what, 1);
    } else {
        memcpy(a.data, r->record[e->seq].data, 1);
        what = a.data[0];
    }
    err = fate(r, a, NULL);
    return err ?: (int)(1 + what % rep->count);
}

static void on_commit(struct emu *e)
{
    run_of(e)->recorded = 0;
}

static int on_vector_get(struct emu *e, unsigned n, u8 ymm[32])
{
    CHECK(n < (e->mode == MODE_64 ? 16 : 8));
    memset(ymm, (int)n, 32);
    return 0;
}

static int on_vector_set(struct emu *e, unsigned n, const u8 ymm[32], bool zero_upper)
{
    (void)ymm, (void)zero_upper;
    CHECK(n < (e->mode == MODE_64 ? 16 : 8));
    return 0;
}

static const struct emu_ops ops = {
    .read = on_read,
    .write = on_write,
    .fetch = on_fetch,
    .cmpxchg = on_cmpxchg,
    .in = on_in,
    .out = on_out,
    .rep = on_rep,
    .commit = on_commit,
    .vector_get = on_vector_get,
    .vector_set = on_vector_set,
};

static void prepare(struct run *r)
{
    static const enum cpu_mode modes[] = {MODE_64, MODE_64, MODE_32, MODE_16};
    u8 flags = take_byte(&r->in);

    r->e.gpr = r->gpr;
    r->e.seg = r->seg;
    r->e.ops = &ops;
    r->e.mode = (u8)modes[flags & 3];
    r->e.cpl = flags & 4 ? 3 : 0;
    r->e.cr0 = (flags & 8 && r->e.mode == MODE_16 ? 0 : CR0_PE) | (flags & 16 ? CR0_AM : 0) |
               (flags & 32 ? CR0_TS : 0);
    r->e.cr4 = CR4_OSFXSR | CR4_OSXSAVE | (flags & 64 ? CR4_LA57 : 0);
    r->e.xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    r->e.rep_limit = 8;
    take(&r->in, r->gpr, sizeof(r->gpr));
    take(&r->in, &r->e.rip, 8);
    take(&r->in, &r->e.rflags, 3);
    for (int n = 0; n < SEG_COUNT; n++)
        if (flags & 128)
            take(&r->in, &r->seg[n], sizeof(r->seg[n]));
        else
            r->seg[n] = (struct segment){.attr = SEG_P | SEG_S | 3, .limit = 0xffffffff};
    if (!(flags & 128))
        r->seg[SEG_CS].attr = SEG_P | SEG_S | 0xb;
    if (r->e.mode != MODE_64)
        r->e.rip = (u32)r->e.rip;
}

static void run(struct run *r, const struct insn *i)
{
    for (unsigned n = 0; n < 64; n++) {
        u64 gpr[16], rip = r->e.rip, rflags = r->e.rflags, cr0 = r->e.cr0;
        int err;

        memcpy(gpr, r->gpr, sizeof(gpr));
        err = emulate(&r->e, i);
        if (err && !(i->op >= OP_MOVS && i->op <= OP_OUTS))
            CHECK(!memcmp(gpr, r->gpr, sizeof(gpr)) && rflags == r->e.rflags && cr0 == r->e.cr0);
        CHECK(!err || rip == r->e.rip);
        CHECK(err == 0 || err == -EFAULT || err == -EAGAIN || err == -EBUSY || err == -ENOSYS);
        if (err == -EFAULT)
            CHECK(r->e.fault.valid);
        if (err != -EAGAIN)
            r->recorded = 0;
        if (err != -EAGAIN && err != -EBUSY)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run r = {.in = {data, size}};
    struct insn i;
    int err;

    prepare(&r);
    err = emu_fetch(&r.e, &i, NULL, 0);
    CHECK(err == 0 || err == -EFAULT || err == -ENOSYS);
    if (!err) {
        CHECK(i.length && i.length <= INSN_MAX);
        run(&r, &i);
    }
    return 0;
}
