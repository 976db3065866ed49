/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hypfs_op: what root mode counts, as a tree that is read by path (xen/hypfs.h). Nothing of it is
 * stored: a name is looked up, and its text is written to the caller as it is made.
 *
 *   /domain            every domain
 *   /domain/N/exits    "REASON COUNT COUNT ...": a line for each reason, a count for each vcpu
 *   /domain/N/ioreqs   "SERVER SENT POSTED": a line for each ioreq server
 */
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/exit.h"
#include "hv/guest_mem.h"
#include "hv/hypercall.h"
#include "hv/ioreq.h"
#include "hv/number.h"
#include "hv/printf.h"
#include "hv/string.h"
#include "hv/vcpu.h"
#include <xen/hypfs.h>

#define HYPFS_VERSION 1
#define WORD_MAX      24 /* " " and 64 bits in decimal, or the name of a reason */
#define ENTRY_MAX     64 /* an entry of a directory */
#define PATH_ROOM     64 /* a longer path is nobody's */

/* Where text goes: what lies within room to the caller at `at`, all of it into length. */
struct out {
    struct vcpu *v;
    u64 at, room, length;
    bool bad;
};

static void put(struct out *o, const void *from, u64 n)
{
    if (o->length + n <= o->room && guest_write(o->v, o->at + o->length, from, n))
        o->bad = true;
    o->length += n;
}

/* ---- Files ---- */

static void put_exits(struct out *o, struct domain *d)
{
    char word[WORD_MAX];

    for (unsigned r = 0; r < EXIT_REASONS; r++) {
        u64 sum = 0;

        for (unsigned i = 0; i < d->vcpus; i++)
            sum += d->vcpu[i]->exits[r];
        if (sum == 0)
            continue;
        put(o, exit_name(r), strlen(exit_name(r)));
        for (unsigned i = 0; i < d->vcpus; i++)
            put(o, word,
                (u64)hv_snprintf(word, sizeof(word), " %llu",
                                 (unsigned long long)d->vcpu[i]->exits[r]));
        put(o, "\n", 1);
    }
}

static void put_ioreqs(struct out *o, struct domain *d)
{
    struct ioreq_counts c;
    char line[3 * WORD_MAX];

    for (u16 id = 0; id < IOREQ_SERVERS; id++) {
        if (!ioreq_server_counts(d, id, &c))
            continue;
        put(o, line,
            (u64)hv_snprintf(line, sizeof(line), "%u %llu %llu\n", id, (unsigned long long)c.sent,
                             (unsigned long long)c.posted));
    }
}

static const struct file {
    const char *name;
    void (*put)(struct out *o, struct domain *d);
} files[] = {{"exits", put_exits}, {"ioreqs", put_ioreqs}};

/* ---- Directories ---- */

static u64 text_length(struct domain *d, const struct file *f)
{
    struct out o = {.room = 0};

    f->put(&o, d);
    return o.length + 1;
}

static void put_entry(struct out *o, u8 type, const char *name, u64 length, bool last)
{
    union {
        struct xen_hypfs_dirlistentry e;
        char bytes[ENTRY_MAX];
    } u = {.e.e = {.type = type, .content_len = (u32)length}};
    u64 size = offsetof(struct xen_hypfs_dirlistentry, name) + strlen(name) + 1;

    size = (size + 3) & ~3ull;
    u.e.off_next = last ? 0 : (u16)size;
    str_copy(u.bytes + offsetof(struct xen_hypfs_dirlistentry, name), name,
             ENTRY_MAX - offsetof(struct xen_hypfs_dirlistentry, name));
    put(o, &u, size);
}

static void put_domain(struct out *o, struct domain *d)
{
    for (unsigned i = 0; i < ARRAY_SIZE(files); i++)
        put_entry(o, XEN_HYPFS_TYPE_STRING, files[i].name, text_length(d, &files[i]),
                  i + 1 == ARRAY_SIZE(files));
}

static void put_domains(struct out *o)
{
    struct domain *d = domain_from(0), *next;
    char name[WORD_MAX];

    for (; d; d = next) {
        next = domain_from((u16)(d->id + 1));
        hv_snprintf(name, sizeof(name), "%u", d->id);
        put_entry(o, XEN_HYPFS_TYPE_DIR, name, 0, !next);
    }
}

/* ---- Paths ---- */

/* "N", or "N/FILE". */
static int put_below_domain(struct out *o, const char *path, u8 *type)
{
    u64 id;
    const char *rest = parse_u64(path, &id);
    struct domain *d = rest && id < DOMID_FIRST_RESERVED ? domain_find((u16)id) : NULL;

    if (!d)
        return -ENOENT;
    if (!*rest) {
        put_domain(o, d);
        return 0;
    }
    for (unsigned i = 0; *rest == '/' && i < ARRAY_SIZE(files); i++) {
        if (!str_eq(rest + 1, files[i].name))
            continue;
        *type = XEN_HYPFS_TYPE_STRING;
        files[i].put(o, d);
        put(o, "", 1);
        return 0;
    }
    return -ENOENT;
}

static int put_path(struct out *o, const char *path, u8 *type)
{
    static const char domains[] = "/domain";

    *type = XEN_HYPFS_TYPE_DIR;
    if (str_eq(path, "/"))
        put_entry(o, XEN_HYPFS_TYPE_DIR, domains + 1, 0, true);
    else if (str_eq(path, domains))
        put_domains(o);
    else if (strncmp(path, domains, sizeof(domains) - 1) == 0 && path[sizeof(domains) - 1] == '/')
        return put_below_domain(o, path + sizeof(domains), type);
    else
        return -ENOENT;
    return 0;
}

/* The entry's head comes last, when its length is known. */
static s64 read_entry(struct vcpu *v, const char *path, u64 at, u64 size)
{
    struct xen_hypfs_direntry e = {.encoding = XEN_HYPFS_ENC_PLAIN};
    struct out o = {.v = v, .at = at + sizeof(e)};
    int rc;

    if (size < sizeof(e))
        return -EINVAL;
    o.room = size - sizeof(e);
    rc = put_path(&o, path, &e.type);
    if (rc)
        return rc;
    e.content_len = (u32)o.length;
    if (o.bad || guest_write(v, at, &e, sizeof(e)))
        return -EFAULT;
    return o.length > o.room ? -ENOBUFS : 0;
}

static s64 read_path(struct vcpu *v, char path[PATH_ROOM], u64 at, u64 length)
{
    if (length < 2 || length > XEN_HYPFS_MAX_PATHLEN)
        return -EINVAL;
    if (length > PATH_ROOM)
        return -ENOENT;
    if (guest_read(v, path, at, length))
        return -EFAULT;
    return path[length - 1] || strlen(path) != length - 1 || path[0] != '/' ? -EINVAL : 0;
}

s64 hc_hypfs_op(struct vcpu *v, const u64 arg[HYPERCALL_ARGS])
{
    char path[PATH_ROOM];
    s64 rc;

    if ((u32)arg[0] == XEN_HYPFS_OP_get_version)
        return arg[1] || arg[2] || arg[3] || arg[4] ? -EINVAL : HYPFS_VERSION;
    if ((u32)arg[0] != XEN_HYPFS_OP_read && (u32)arg[0] != XEN_HYPFS_OP_write_contents)
        return -ENOSYS;
    rc = read_path(v, path, arg[1], arg[2]);
    if (rc)
        return rc;
    return (u32)arg[0] == XEN_HYPFS_OP_read ? read_entry(v, path, arg[3], arg[4]) : -EACCES;
}
