/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest is made where every step can fail: each of them does once, and then nothing may be left
 * of the guest, and one sentence says what happened. The hypervisor, the store and the processes
 * are counted, not real; the rest is what vmctl runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <unistd.h>
#include "fake_vmctl.h"
#include "libvmctl/model.h"
#include "libvmctl/screen.h"
#include "libvmctl/store.h"
#include <xen/memory.h>

#define ID 7 /* of the guest that is made */

static struct vmctl v;
static struct vm_config config;
static char loader[32], firmware[32];
static bool there, running, shut_down, dying_slowly, ended_by_another, models, introduced;
static unsigned buffers, maps, resources;
static uint64_t pool_kib, taken_kib, told_kib; /* free: at first, since, as it says */
static const char *late_name;                  /* that domain 3 gets while the new one is made */
static unsigned weight, pauses;
static int domctl_error; /* what createdomain says */

/* Somebody interrupts after which part. */
static enum { NEVER, BUILT, STORED, SERVED } stop_at;
static volatile sig_atomic_t stop;

/* ---- the hypervisor ---- */

void *xen_buffer(struct vmctl *h, size_t size)
{
    (void)h;
    if (fake_fails())
        return NULL;
    buffers++;
    return calloc(1, size);
}

void xen_buffer_free(struct vmctl *h, void *p)
{
    (void)h;
    buffers--;
    free(p);
}

static int create_domain(struct xen_domctl *op)
{
    if (domctl_error)
        return domctl_error;
    assert_false(there);
    there = true;
    running = false;
    pauses = 1;
    op->domain = ID;
    return 0;
}

static int destroy_domain(void)
{
    if (dying_slowly) {
        dying_slowly = false;
        if (ended_by_another)
            there = false;
        return -EAGAIN;
    }
    assert_false(models); /* no process may serve what is gone */
    there = false;
    taken_kib = 0;
    return 0;
}

static int get_context(struct xen_domctl *op)
{
    struct hvm_save_descriptor d = {.typecode = 1, .length = 32};

    if (op->u.hvmcontext.buffer.p)
        memcpy(op->u.hvmcontext.buffer.p, &d, sizeof(d));
    op->u.hvmcontext.size = 256;
    return 0;
}

static int pause_or_not(uint32_t cmd)
{
    if (cmd == XEN_DOMCTL_pausedomain)
        pauses++;
    else if (pauses == 0)
        return -EINVAL;
    else
        pauses--;
    running |= pauses == 0;
    return 0;
}

int xen_domctl(struct vmctl *h, struct xen_domctl *op)
{
    (void)h;
    if (op->cmd == XEN_DOMCTL_destroydomain)
        return op->domain == ID && there ? destroy_domain() : -ESRCH;
    if (fake_fails())
        return -EIO;
    if (op->cmd == XEN_DOMCTL_max_vcpus && late_name)
        fake_store_put("/local/domain/3/name", late_name);
    if (op->cmd == XEN_DOMCTL_createdomain)
        return create_domain(op);
    if (op->domain != ID || !there)
        return -ESRCH;
    if (op->cmd == XEN_DOMCTL_pausedomain || op->cmd == XEN_DOMCTL_unpausedomain)
        return pause_or_not(op->cmd);
    if (op->cmd == XEN_DOMCTL_getdomaininfo)
        op->u.getdomaininfo.flags =
            shut_down ? XEN_DOMINF_shutdown : (pauses ? XEN_DOMINF_paused : XEN_DOMINF_blocked);
    if (op->cmd == XEN_DOMCTL_scheduler_op) {
        assert_int_equal(op->u.scheduler_op.sched_id, XEN_SCHEDULER_CREDIT2);
        weight = op->u.scheduler_op.u.credit2.weight;
    }
    stop |= op->cmd == XEN_DOMCTL_sethvmcontext && stop_at == BUILT;
    return op->cmd == XEN_DOMCTL_gethvmcontext ? get_context(op) : 0;
}

int xen_domctl_simple(struct vmctl *h, uint32_t cmd, uint16_t id)
{
    struct xen_domctl op = {.cmd = cmd, .domain = id};

    return xen_domctl(h, &op);
}

static int list_domains(struct xen_sysctl *op)
{
    struct xen_domctl_getdomaininfo *d = op->u.getdomaininfolist.buffer.p;

    d[0] = (struct xen_domctl_getdomaininfo){.domain = 0};
    d[1] = (struct xen_domctl_getdomaininfo){.domain = 3};
    op->u.getdomaininfolist.num_domains = 2;
    return 0;
}

int xen_sysctl(struct vmctl *h, struct xen_sysctl *op)
{
    (void)h;
    if (fake_fails())
        return -EIO;
    if (op->cmd == XEN_SYSCTL_getdomaininfolist)
        return list_domains(op);
    if (op->cmd == XEN_SYSCTL_sched_id)
        op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;
    if (op->cmd == XEN_SYSCTL_sched_id)
        return 0;
    assert_int_equal(op->cmd, XEN_SYSCTL_physinfo);
    op->u.physinfo.free_pages = (told_kib ? told_kib : pool_kib - taken_kib) / 4;
    return 0;
}

/* As the real one does, it tells how many extents it came to. */
static long populate(const struct xen_memory_reservation *r)
{
    uint64_t kib = 4ull << r->extent_order;
    long n = 0;

    for (; n < (long)r->nr_extents && taken_kib + kib <= pool_kib; n++)
        taken_kib += kib;
    return n;
}

long xen_memory_op(struct vmctl *h, unsigned cmd, const void *arg, size_t size)
{
    (void)h, (void)size;
    if (fake_fails())
        return -EIO;
    return cmd == XENMEM_populate_physmap ? populate(arg) : 0;
}

int xen_set_param(struct vmctl *h, uint16_t id, uint32_t index, uint64_t value)
{
    (void)h, (void)id, (void)index, (void)value;
    return fake_fails() ? -EIO : 0;
}

int xen_alloc_port(struct vmctl *h, uint16_t id, uint16_t remote)
{
    (void)h, (void)id, (void)remote;
    return fake_fails() ? -EIO : 5;
}

void *xen_map(struct vmctl *h, uint16_t id, uint64_t pfn, size_t pages)
{
    (void)h, (void)id, (void)pfn;
    if (fake_fails())
        return NULL;
    maps++;
    return calloc(pages, 4096);
}

void xen_unmap(struct vmctl *h, void *p, size_t pages)
{
    (void)h, (void)pages;
    maps -= p != NULL;
    free(p);
}

static char grant_frame[4096];

xenforeignmemory_resource_handle *xenforeignmemory_map_resource(xenforeignmemory_handle *h,
                                                                domid_t id, unsigned type,
                                                                unsigned what, unsigned long frame,
                                                                unsigned long frames, void **to,
                                                                int prot, int flags)
{
    (void)h, (void)id, (void)type, (void)what, (void)frame, (void)frames, (void)prot, (void)flags;
    if (fake_fails())
        return NULL;
    resources++;
    *to = grant_frame;
    return (void *)grant_frame;
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle *h, xenforeignmemory_resource_handle *r)
{
    (void)h, (void)r;
    resources--;
    return 0;
}

/* ---- the processes ---- */

int model_start(struct vmctl *h, const struct vm_config *c, uint16_t id)
{
    (void)c;
    assert_int_equal(id, ID);
    if (fake_fails())
        return vm_fail(h, EIO, "QEMU ended at once.");
    models = true;
    stop |= stop_at == SERVED;
    return 0;
}

void model_stop(struct vmctl *h, uint16_t id)
{
    (void)h, (void)id;
    models = false;
}

void model_reason(struct vmctl *h, uint16_t id, char *reason, size_t size)
{
    (void)h, (void)id, (void)size;
    *reason = 0;
}

int model_pid(struct vmctl *h, uint16_t id, bool *lost)
{
    (void)h, (void)id;
    *lost = false;
    return 0;
}

bool xs_introduce_domain(struct xs_handle *h, unsigned id, unsigned long mfn, unsigned port)
{
    (void)h, (void)id, (void)mfn, (void)port;
    if (fake_fails())
        return false;
    introduced = true;
    stop |= stop_at == STORED;
    return true;
}

bool xs_release_domain(struct xs_handle *h, unsigned id)
{
    (void)h, (void)id;
    introduced = false;
    return true;
}

int screen_lock(struct vmctl *h, const struct vm_config *c, uint16_t id)
{
    (void)c, (void)id;
    return fake_fails() ? vm_fail(h, EIO, "QEMU does not answer.") : 0;
}

/* For vmctl_wait(), which nothing here calls. */
int xs_fileno(struct xs_handle *h)
{
    (void)h;
    return -1;
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
    (void)h, (void)path, (void)token;
    return false;
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
    (void)h, (void)path, (void)token;
    return false;
}

char **xs_read_watch(struct xs_handle *h, unsigned *n)
{
    (void)h, (void)n;
    return NULL;
}

/* ---- the guest ---- */

static void write_file(char path[32], const char *name, const void *data, size_t size)
{
    FILE *f;

    snprintf(path, 32, "/tmp/%s.%d", name, (int)getpid());
    f = fopen(path, "w");
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

/* The least that is a 32-bit program. */
static void write_loader(void)
{
    struct {
        Elf32_Ehdr e;
        Elf32_Phdr p;
        char code[16];
    } program = {
        .e = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
              .e_type = ET_EXEC,
              .e_machine = EM_386,
              .e_version = EV_CURRENT,
              .e_entry = 0x100000,
              .e_phoff = sizeof(Elf32_Ehdr),
              .e_ehsize = sizeof(Elf32_Ehdr),
              .e_phentsize = sizeof(Elf32_Phdr),
              .e_phnum = 1},
        .p = {.p_type = PT_LOAD,
              .p_offset = sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr),
              .p_paddr = 0x100000,
              .p_filesz = 16,
              .p_memsz = 64}};

    write_file(loader, "loader", &program, sizeof(program));
}

static int start(void **state)
{
    (void)state;
    write_loader();
    write_file(firmware, "firmware", "firmware", 8);
    vm_config_init(&config);
    config.name = strdup("new");
    config.uuid[0] = 1;
    config.memory_kib = 64 << 10;
    config.cpu_weight = 700;
    config.loader_path = strdup(loader);
    config.bios_path = strdup(firmware);
    config.model_path = strdup("/bin/true");
    v = (struct vmctl){0};
    pool_kib = 1 << 20;
    taken_kib = told_kib = 0;
    domctl_error = 0;
    fake_steps_left = 0;
    there = models = dying_slowly = introduced = false;
    stop_at = NEVER;
    stop = 0;
    fake_store_clear();
    fake_store_put("/local/domain/0/name", "Domain-0");
    fake_store_put("/local/domain/3/name", "old");
    return 0;
}

static int end(void **state)
{
    (void)state;
    vm_config_fini(&config);
    fake_store_clear();
    unlink(loader);
    unlink(firmware);
    return 0;
}

static void nothing_is_left(void)
{
    assert_false(there);
    assert_false(models);
    assert_int_equal(fake_store_count("/local/domain/0"), 1);
    assert_int_equal(fake_store_count("/local/domain/3"), 1);
    assert_int_equal(fake_store_count(""), 2);
    assert_false(introduced);
    assert_int_equal(buffers, 0);
    assert_int_equal(maps, 0);
    assert_int_equal(resources, 0);
}

static void refused(int error, const char *sentence)
{
    uint16_t id = 99;

    v.error[0] = 0;
    assert_int_equal(vmctl_create(&v, &config, &id), error);
    assert_true(fake_is_sentence(vmctl_error(&v)));
    if (sentence)
        assert_string_equal(vmctl_error(&v), sentence);
    assert_int_equal(id, 0);
    nothing_is_left();
}

static void created(void **state)
{
    uint16_t id;

    (void)state;
    assert_int_equal(vmctl_create(&v, &config, &id), 0);
    assert_int_equal(id, ID);
    assert_true(there && models && !running);
    assert_int_equal(weight, 700);
    assert_true(taken_kib >= 47 << 10); /* without video memory and the hole below 1 MiB */
    assert_true(introduced);
    assert_string_equal(fake_store_value("/local/domain/7/name"), "new");
    assert_int_equal(buffers + maps + resources, 0);
    assert_int_equal(vmctl_destroy(&v, id), 0);
    nothing_is_left();
}

/* Pauses are counted by the hypervisor, but not for a person. */
static void paused_or_not(void **state)
{
    uint16_t id;

    (void)state;
    assert_int_equal(vmctl_create(&v, &config, &id), 0);
    assert_int_equal(vmctl_pause(&v, id), -EALREADY);
    assert_string_equal(vmctl_error(&v), "Domain 7 is paused already.");
    assert_int_equal(vmctl_unpause(&v, id), 0);
    assert_true(running);
    assert_int_equal(vmctl_unpause(&v, id), -EALREADY);
    assert_string_equal(vmctl_error(&v), "Domain 7 is not paused: it is blocked.");
    assert_int_equal(vmctl_pause(&v, id), 0);
    assert_int_equal(vmctl_pause(&v, id), -EALREADY);
    assert_int_equal(vmctl_unpause(&v, id), 0);
    assert_int_equal(pauses, 0);
    shut_down = true;
    assert_int_equal(vmctl_unpause(&v, id), -EALREADY);
    assert_string_equal(vmctl_error(&v), "Domain 7 is not paused: it is shutdown.");
    shut_down = false;
    assert_int_equal(vmctl_pause(&v, 9), -ESRCH);
    assert_int_equal(vmctl_unpause(&v, 9), -ESRCH);
    assert_int_equal(vmctl_pause(&v, id), 0);
    assert_int_equal(vmctl_destroy(&v, id), 0); /* paused or not */
    nothing_is_left();
}

/* Domain 3 is there and has no name yet. */
static void a_name_is_missing(void **state)
{
    struct vm_info i;

    (void)state;
    assert_int_equal(vmctl_find(&v, "old", &i), 0);
    assert_int_equal(i.id, 3);
    assert_int_equal(vmctl_find(&v, "3", &i), 0);
    fake_store_put("/local/domain/3/name", "");
    assert_int_equal(vmctl_find(&v, "", &i), -ESRCH);
    assert_string_equal(vmctl_error(&v), "There is no domain without a name.");
    fake_store_clear();
    assert_int_equal(vmctl_find(&v, "", &i), -ESRCH);
    assert_int_equal(vmctl_find(&v, "old", &i), -ESRCH);
    assert_int_equal(vmctl_find(&v, "3", &i), 0);
}

static const char *hole_of(enum vm_bios bios, uint64_t ram_mib)
{
    static char value[32];
    const char *said;
    uint16_t id;

    config.bios = bios;
    config.memory_kib = (ram_mib << 10) + config.video_kib;
    pool_kib = 8u << 20;
    assert_int_equal(vmctl_create(&v, &config, &id), 0);
    said = fake_store_value("/local/domain/7/platform/mmio_hole_size");
    snprintf(value, sizeof(value), "%s", said ? said : "not told");
    assert_int_equal(vmctl_destroy(&v, id), 0);
    return value;
}

/* hvmloader's tables must allow what OVMF does with PCI devices. */
static void the_hole_is_ovmfs(void **state)
{
    (void)state;
    assert_string_equal(hole_of(VM_SEABIOS, 512), "not told");
    assert_string_equal(hole_of(VM_OVMF, 512), "2147483648");
    assert_string_equal(hole_of(VM_OVMF, 3072), "1073741824");
    assert_string_equal(hole_of(VM_OVMF, 6144), "268435456");
}

/* The guest's keeper and a person destroy it at once; both have done it. */
static void another_takes_the_last_step(void **state)
{
    uint16_t id;

    (void)state;
    assert_int_equal(vmctl_create(&v, &config, &id), 0);
    dying_slowly = ended_by_another = true;
    assert_int_equal(vmctl_destroy(&v, id), 0);
    assert_false(there);
    ended_by_another = false;
    taken_kib = 0;
}

/* Step by step, until there is none left to fail. */
static void each_step_fails(void **state)
{
    unsigned step = 0;
    uint16_t id;

    (void)state;
    for (;;) {
        fake_steps_left = ++step;
        v.error[0] = 0;
        dying_slowly = step % 2;
        if (vmctl_create(&v, &config, &id) == 0)
            break;
        fake_steps_left = 0;
        assert_true(fake_is_sentence(vmctl_error(&v)));
        nothing_is_left();
    }
    assert_true(fake_steps_left > 0); /* it was not reached */
    assert_true(step > 50);
    fake_steps_left = 0;
    assert_int_equal(vmctl_destroy(&v, id), 0);
    nothing_is_left();
}

static void a_name_is_taken(void **state)
{
    (void)state;
    free(config.name);
    config.name = strdup("old");
    refused(-EEXIST, "The name old is taken by domain 3.");
}

/* Two at once: the other one's name stands in the store before ours does. */
static void a_name_is_taken_meanwhile(void **state)
{
    (void)state;
    late_name = "new";
    refused(-EEXIST, "The name new is taken by domain 3.");
    late_name = NULL;
}

static void no_memory(void **state)
{
    (void)state;
    pool_kib = 20 << 10;
    refused(-ENOMEM,
            "Not enough memory is free for a guest of 64 MiB: the hypervisor has 20 MiB left.");
    config.memory_kib = 1ull << 30;
    refused(-EINVAL, "1048576 MiB of memory is more than a guest's address space takes.");
}

/* Somebody else is quicker. */
static void no_memory_after_all(void **state)
{
    uint16_t id;

    (void)state;
    told_kib = 1 << 20;
    for (pool_kib = 0; pool_kib < 47 << 10; pool_kib += 2052)
        refused(-ENOMEM, "Not enough memory is free for a guest of 64 MiB.");
    for (pool_kib = 47 << 10; pool_kib < 70 << 10; pool_kib += 256) {
        int rc = vmctl_create(&v, &config, &id);

        if (rc) {
            assert_int_equal(rc, -ENOMEM);
            assert_true(fake_is_sentence(vmctl_error(&v)));
        } else {
            assert_int_equal(vmctl_destroy(&v, id), 0);
        }
        nothing_is_left();
    }
}

static void no_domain(void **state)
{
    (void)state;
    domctl_error = -ENOSPC;
    refused(-ENOSPC, NULL);
    domctl_error = -EINVAL; /* which is tried twice */
    refused(-EINVAL, NULL);
}

static void files_are_missing(void **state)
{
    (void)state;
    unlink(firmware);
    refused(-ENOENT, NULL);
    write_file(firmware, "firmware", "firmware", 8);
    unlink(loader);
    refused(-ENOENT, NULL);
    write_file(loader, "loader", "no program", 10);
    refused(-ENOEXEC, NULL);
    write_loader();
    config.disk[0] = (struct vm_disk){.path = strdup("/nowhere/disk.img")};
    config.disks = 1;
    refused(-ENOENT, "The disk image /nowhere/disk.img cannot be used: No such file or directory.");
    free(config.model_path);
    config.model_path = strdup("/tmp");
    config.disks = 0;
    free(config.disk[0].path);
    refused(-EISDIR, "The device model /tmp is a directory.");
}

static void firmware_too_large(void **state)
{
    char *data = calloc(1, 15 << 20);

    (void)state;
    write_file(firmware, "firmware", data, 15 << 20);
    free(data);
    config.memory_kib = (8 << 10) + config.video_kib;
    refused(-ENOMEM, NULL);
}

static void interrupted(void **state)
{
    (void)state;
    vmctl_cancel_by(&v, &stop);
    for (stop_at = BUILT; stop_at <= SERVED; stop_at++) {
        stop = 0;
        refused(-EINTR, "It was interrupted.");
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(created),
        TEST(paused_or_not),
        TEST(a_name_is_missing),
        TEST(the_hole_is_ovmfs),
        TEST(another_takes_the_last_step),
        TEST(each_step_fails),
        TEST(a_name_is_taken),
        TEST(a_name_is_taken_meanwhile),
        TEST(no_memory),
        TEST(no_memory_after_all),
        TEST(no_domain),
        TEST(files_are_missing),
        TEST(firmware_too_large),
        TEST(interrupted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
