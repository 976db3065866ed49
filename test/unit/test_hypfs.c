/* SPDX-License-Identifier: BSD-2-Clause */
/* The tree of counters, read as a tool reads it: every path, every length of buffer, wrong paths
 * and pointers, and domains that come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hv/domain.h"
#include "hv/errno.h"
#include "hv/exit.h"
#include "hv/guest_mem.h"
#include "hv/hypercall.h"
#include "hv/ioreq.h"
#include <xen/hypfs.h>

#define DOMAINS 3
#define BAD     0xbad0000ull /* an address that cannot be touched */

static struct domain dom[DOMAINS];
static struct vcpu cpu[DOMAINS][2];
static bool there[DOMAINS];
static struct ioreq_counts counts[IOREQ_SERVERS];
static u32 servers;     /* of domain 2, a bit each */
static u64 touched_end; /* of what was written, at the most */

/* ---- The rooms below ---- */

struct domain *domain_from(u16 id)
{
    for (unsigned i = 0; i < DOMAINS; i++)
        if (there[i] && dom[i].id >= id)
            return &dom[i];
    return NULL;
}

struct domain *domain_find(u16 id)
{
    struct domain *d = domain_from(id);

    return d && d->id == id ? d : NULL;
}

const char *exit_name(unsigned reason)
{
    return reason == EXIT_CPUID ? "cpuid" : reason == EXIT_HLT ? "hlt" : "other";
}

bool ioreq_server_counts(struct domain *d, u16 id, struct ioreq_counts *c)
{
    if (d != &dom[2] || !(servers & 1u << id))
        return false;
    *c = counts[id];
    return true;
}

int guest_read(struct vcpu *v, void *to, u64 from, size_t len)
{
    (void)v;
    if (from == BAD)
        return -EFAULT;
    memcpy(to, (const void *)from, len);
    return 0;
}

int guest_write(struct vcpu *v, u64 to, const void *from, size_t len)
{
    (void)v;
    if (to >= BAD && to < BAD + 0x1000)
        return -EFAULT;
    memcpy((void *)to, from, len);
    if (to + len > touched_end)
        touched_end = to + len;
    return 0;
}

/* ---- The tool ---- */

static int setup(void **state)
{
    static const u16 ids[DOMAINS] = {0, 2, 17};

    (void)state;
    memset(cpu, 0, sizeof(cpu));
    for (unsigned i = 0; i < DOMAINS; i++) {
        dom[i] = (struct domain){.id = ids[i], .vcpus = 1};
        there[i] = true;
        for (unsigned k = 0; k < 2; k++)
            dom[i].vcpu[k] = &cpu[i][k];
    }
    dom[2].vcpus = 2;
    servers = 0;
    return 0;
}

static s64 call(u32 op, const char *path, u64 length, u64 at, u64 size)
{
    const u64 arg[HYPERCALL_ARGS] = {op, (u64)path, length, at, size};

    touched_end = 0;
    return hc_hypfs_op(&cpu[0][0], arg);
}

static s64 read_path(const char *path, void *buffer, u64 size)
{
    return call(XEN_HYPFS_OP_read, path, strlen(path) + 1, (u64)buffer, size);
}

/* The whole entry, its buffer exactly as long as a first look said; every shorter one is refused
 * without a byte too many. */
static char *entry(const char *path, u8 type)
{
    struct xen_hypfs_direntry e;
    char *whole;
    u64 size;

    assert_int_equal(read_path(path, &e, sizeof(e)), -ENOBUFS);
    assert_int_equal(e.type, type);
    assert_int_equal(e.encoding, XEN_HYPFS_ENC_PLAIN);
    assert_int_equal(e.pad, 0);
    assert_int_equal(e.max_write_len, 0);
    size = sizeof(e) + e.content_len;
    whole = malloc(size);
    for (u64 less = sizeof(e); less < size; less++) {
        assert_int_equal(read_path(path, whole, less), -ENOBUFS);
        assert_true(touched_end <= (u64)whole + less);
    }
    assert_int_equal(read_path(path, whole, size), 0);
    assert_int_equal(touched_end, (u64)whole + size);
    assert_memory_equal(whole, &e, sizeof(e));
    memmove(whole, whole + sizeof(e), e.content_len);
    return realloc(whole, e.content_len);
}

static void reads(const char *path, const char *expected)
{
    char *text = entry(path, XEN_HYPFS_TYPE_STRING);

    assert_string_equal(text, expected);
    free(text);
}

/* The names of a directory, each with a comma behind it, after walking it as the public header
 * says.
 */
static void lists(const char *path, u8 type, const char *expected)
{
    char *dir = entry(path, XEN_HYPFS_TYPE_DIR), names[200] = "";
    const struct xen_hypfs_dirlistentry *e = (void *)dir;

    for (;;) {
        assert_int_equal((u64)e % _Alignof(struct xen_hypfs_direntry), 0);
        assert_int_equal(e->e.type, type);
        strcat(strcat(names, e->name), ",");
        if (!e->off_next)
            break;
        e = (const void *)((const char *)e + e->off_next);
    }
    assert_string_equal(names, expected);
    free(dir);
}

/* ---- Tests ---- */

static void directories(void **state)
{
    (void)state;
    lists("/", XEN_HYPFS_TYPE_DIR, "domain,");
    lists("/domain", XEN_HYPFS_TYPE_DIR, "0,2,17,");
    lists("/domain/17", XEN_HYPFS_TYPE_STRING, "exits,ioreqs,");
    there[1] = false;
    lists("/domain", XEN_HYPFS_TYPE_DIR, "0,17,");
}

static void exits(void **state)
{
    (void)state;
    reads("/domain/17/exits", "");
    cpu[2][0].exits[EXIT_CPUID] = 12;
    cpu[2][1].exits[EXIT_CPUID] = 0xffffffffffffffff;
    cpu[2][1].exits[EXIT_HLT] = 5;
    cpu[0][0].exits[EXIT_HLT] = 1;
    reads("/domain/17/exits", "cpuid 12 18446744073709551615\nhlt 0 5\n");
    reads("/domain/0/exits", "hlt 1\n");
    reads("/domain/2/exits", "");
}

static void ioreqs(void **state)
{
    (void)state;
    reads("/domain/17/ioreqs", "");
    servers = 1u << 0 | 1u << 7;
    counts[0] = (struct ioreq_counts){3, 0};
    counts[7] = (struct ioreq_counts){0xffffffffffffffff, 0xffffffffffffffff};
    reads("/domain/17/ioreqs", "0 3 0\n7 18446744073709551615 18446744073709551615\n");
    reads("/domain/0/ioreqs", "");
}

static void the_length_of_a_file_is_in_its_directory(void **state)
{
    char *dir;

    (void)state;
    cpu[2][0].exits[EXIT_CPUID] = 12;
    dir = entry("/domain/17", XEN_HYPFS_TYPE_DIR);
    assert_int_equal(((struct xen_hypfs_dirlistentry *)dir)->e.content_len, sizeof("cpuid 12 0\n"));
    free(dir);
}

static void nobody_is_there(void **state)
{
    static const char *const paths[] = {"/x",
                                        "/domains",
                                        "/domain/",
                                        "/domain/1",
                                        "/domain/17/",
                                        "/domain/17/exit",
                                        "/domain/17/exitss",
                                        "/domain/17/exits/",
                                        "/domain/17x",
                                        "/domain/x",
                                        "/domain/-1",
                                        "/domain/65536",
                                        "/domain/32752",
                                        "/domain//exits",
                                        "//",
                                        "/domain/18446744073709551616"};
    char long_path[XEN_HYPFS_MAX_PATHLEN], buffer[64];

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_int_equal(read_path(paths[i], buffer, sizeof(buffer)), -ENOENT);
    memset(long_path, 'x', sizeof(long_path));
    long_path[0] = '/';
    long_path[sizeof(long_path) - 1] = 0;
    assert_int_equal(read_path(long_path, buffer, sizeof(buffer)), -ENOENT);
}

static void wrong_arguments(void **state)
{
    static const char path[] = "/domain/17/exits";
    char buffer[64];
    u64 at = (u64)buffer;

    (void)state;
    assert_int_equal(call(3, path, sizeof(path), at, 64), -ENOSYS);
    assert_int_equal(call(XEN_HYPFS_OP_read, path, sizeof(path) - 1, at, 64), -EINVAL);
    assert_int_equal(call(XEN_HYPFS_OP_read, "/\0x", 4, at, 64), -EINVAL);
    assert_int_equal(call(XEN_HYPFS_OP_read, "domain", 7, at, 64), -EINVAL);
    assert_int_equal(call(XEN_HYPFS_OP_read, "", 1, at, 64), -EINVAL);
    assert_int_equal(call(XEN_HYPFS_OP_read, path, 0, at, 64), -EINVAL);
    assert_int_equal(call(XEN_HYPFS_OP_read, path, ~0ull, at, 64), -EINVAL);
    assert_int_equal(call(XEN_HYPFS_OP_read, path, XEN_HYPFS_MAX_PATHLEN + 1, at, 64), -EINVAL);
    for (u64 size = 0; size < sizeof(struct xen_hypfs_direntry); size++)
        assert_int_equal(call(XEN_HYPFS_OP_read, path, sizeof(path), at, size), -EINVAL);
    assert_int_equal(call(XEN_HYPFS_OP_read, (const char *)BAD, 9, at, 64), -EFAULT);
    assert_int_equal(call(XEN_HYPFS_OP_read, path, sizeof(path), BAD, 64), -EFAULT);
    /* its head could be written, and what follows could not */
    assert_int_equal(
        call(XEN_HYPFS_OP_read, path, sizeof(path), BAD - sizeof(struct xen_hypfs_direntry), 64),
        -EFAULT);
}

static void read_only(void **state)
{
    char buffer[64];

    (void)state;
    assert_int_equal(call(XEN_HYPFS_OP_write_contents, "/domain/17/exits", 17, (u64)buffer, 4),
                     -EACCES);
    assert_int_equal(call(XEN_HYPFS_OP_get_version, NULL, 0, 0, 0), 1);
    assert_int_equal(call(XEN_HYPFS_OP_get_version, NULL, 0, 0, 1), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(directories, setup),
        cmocka_unit_test_setup(exits, setup),
        cmocka_unit_test_setup(ioreqs, setup),
        cmocka_unit_test_setup(the_length_of_a_file_is_in_its_directory, setup),
        cmocka_unit_test_setup(nobody_is_there, setup),
        cmocka_unit_test_setup(wrong_arguments, setup),
        cmocka_unit_test_setup(read_only, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
