// SPDX-License-Identifier: BSD-2-Clause
//
// hypercall_abuse [-v] [-n CALLS] [-s SEED] [-f FIRST]: issues every hypercall and subcommand from
// the privileged domain with pointers to nowhere, huge counts, domains and ports that do not exist,
// systematically and then CALLS times at random. Each must come back with an errno, nothing outside
// the argument may change, and hypervisor and domain must go on: time passes, events arrive.
//
// A crash is found again by the same seed; -v prints each call before it is made, -f skips random
// calls before number FIRST (their random numbers are drawn all the same).
//
// Calls that would rightly harm the caller (shutdown, taking its own vcpu down) are listed in
// hypercalls.h and are issued with unreadable arguments at most.

#define _GNU_SOURCE
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hypercalls.h"

#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/privcmd.h>

enum {
    PAGE_BYTES = 4096,
    ABSENT_DOMAIN = 0x7abc,
    FREE_PORT = 4000, // below the 2-level limit of 4096, above what a quiet dom0 uses
    LOWEST_ERRNO = -200,
    MEMORY_CMD_BITS = 6, // above them memory_op takes an offset into the list of extents
};

static int privcmd;
static bool verbose;
static bool paravirtualized;

// Memory around the argument, all of it locked: what a hypercall may and may not touch.
//
//   canary | data | canary | guard (no access) | read_only | guard
static unsigned char *arena;
static unsigned char *canary[2], *data, *guard, *read_only;

// ---- the call ----

// The hypercall's own result: negative is an errno.
static long hypercall(unsigned number, const uint64_t arg[5])
{
    privcmd_hypercall_t call = {.op = number};
    long result;

    memcpy(call.arg, arg, sizeof(call.arg));
    if (verbose) {
        printf("call %u (%#llx, %#llx, %#llx, %#llx, %#llx)\n", number, (unsigned long long)arg[0],
               (unsigned long long)arg[1], (unsigned long long)arg[2], (unsigned long long)arg[3],
               (unsigned long long)arg[4]);
        fflush(stdout);
    }
    // Not ioctl(): the C library would cut the result to 32 bits.
    result = syscall(SYS_ioctl, privcmd, IOCTL_PRIVCMD_HYPERCALL, &call);
    return result == -1 ? -errno : result;
}

static long call2(unsigned number, uint64_t a, uint64_t b)
{
    return hypercall(number, (uint64_t[5]){a, b});
}

static long call3(unsigned number, uint64_t a, uint64_t b, uint64_t c)
{
    return hypercall(number, (uint64_t[5]){a, b, c});
}

static uint64_t address(const volatile void *pointer)
{
    return (uintptr_t)pointer;
}

// ---- pseudo-random numbers, the same from the same seed ----

static uint64_t random_state;

static uint64_t next_random(void)
{
    uint64_t x = random_state += 0x9e3779b97f4a7c15ull;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

// ---- memory ----

static void make_arena(void)
{
    arena = mmap(NULL, 6 * PAGE_BYTES, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (arena == MAP_FAILED || mlock(arena, 6 * PAGE_BYTES) < 0)
        fatal("no locked memory: %s", strerror(errno));
    canary[0] = arena;
    data = arena + PAGE_BYTES;
    canary[1] = arena + 2 * PAGE_BYTES;
    guard = arena + 3 * PAGE_BYTES;
    read_only = arena + 4 * PAGE_BYTES;
    memset(canary[0], 0xc3, PAGE_BYTES);
    memset(canary[1], 0xc3, PAGE_BYTES);
    memset(read_only, 0x5e, PAGE_BYTES);
    mprotect(guard, PAGE_BYTES, PROT_NONE);
    mprotect(read_only, PAGE_BYTES, PROT_READ);
    mprotect(arena + 5 * PAGE_BYTES, PAGE_BYTES, PROT_NONE);
}

static bool filled_with(const unsigned char *page, unsigned char byte)
{
    for (unsigned i = 0; i < PAGE_BYTES; i++)
        if (page[i] != byte)
            return false;
    return true;
}

// Words with their top bit set: as a domain id, port, count, vcpu, frame or version each is out of
// range.
static void make_hostile(void)
{
    for (unsigned i = 0; i < PAGE_BYTES / 8; i++)
        ((uint64_t *)data)[i] = next_random() | 0x8000800080008000ull;
}

// Addresses that no argument can lie at. Those in the kernel's half are where Linux maps nothing.
enum { WILD = 14 };

static uint64_t wild_pointer(unsigned which)
{
    const uint64_t wild[WILD] = {
        0,
        1,
        0xfff,
        address(guard),
        address(guard) + PAGE_BYTES - 8,
        address(guard) - 1, // one byte, then the guard: no argument is as short as that
        0x00007ffffffff000, // the last page of the user half
        0x0000800000000000, // not canonical
        0x8000000000000000,
        0xdeadbeefcafef00d,
        0xffff7ffffffffff8,
        0xffff800000000000, // Linux keeps this for hypervisors
        0xfffffffffffff000,
        0xfffffffffffffff9, // wraps around
    };

    return wild[which];
}

static uint64_t huge_count(unsigned which)
{
    static const uint64_t huge[] = {0x7fffffff,         0x80000000,         0xffffffff, 0x100000000,
                                    0x7fffffffffffffff, 0x8000000000000000, ~0ull,      0x20000001};

    return huge[which % (sizeof(huge) / sizeof(huge[0]))];
}

// What may have been written up to the guard before the guard was found, or as the status of a
// counted element, is put right, so that the next call does not read it as an argument.
static void mend_canary(void)
{
    memset(canary[1], 0xc3, PAGE_BYTES);
}

// ---- is everything still alive ----

static int evtchn;
static uint32_t port_a, port_b;

static void open_channel(void)
{
    struct ioctl_evtchn_bind_unbound_port offer = {.remote_domain = 0};
    struct ioctl_evtchn_bind_interdomain bind = {.remote_domain = 0};
    struct pollfd wait;
    int port;

    evtchn = open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC);
    port = ioctl(evtchn, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &offer);
    if (evtchn < 0 || port <= 0)
        fatal("/dev/xen/evtchn: %s", strerror(errno));
    port_a = bind.remote_port = port;
    port = ioctl(evtchn, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind);
    if (port <= 0)
        fatal("no event channel to ourselves: %s", strerror(errno));
    port_b = port;
    // An event that binding left pending is taken away.
    wait = (struct pollfd){.fd = evtchn, .events = POLLIN};
    while (poll(&wait, 1, 10) == 1) {
        uint32_t early;

        if (read(evtchn, &early, sizeof(early)) != sizeof(early) ||
            write(evtchn, &early, sizeof(early)) < 0)
            break;
    }
}

static bool event_arrives(void)
{
    struct ioctl_evtchn_notify notify = {.port = port_a};
    struct pollfd wait = {.fd = evtchn, .events = POLLIN};
    uint32_t port;

    return ioctl(evtchn, IOCTL_EVTCHN_NOTIFY, &notify) == 0 && poll(&wait, 1, 10000) == 1 &&
           read(evtchn, &port, sizeof(port)) == sizeof(port) && port == port_b &&
           write(evtchn, &port, sizeof(port)) == sizeof(port);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

// Each CPU in turn sleeps by its timer and wakes up in time.
static void timers_run(const char *after)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct timespec nap = {.tv_nsec = 5000000};
    cpu_set_t set;

    for (long cpu = 0; cpu < cpus; cpu++) {
        double begin, slept;

        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        sched_setaffinity(0, sizeof(set), &set);
        begin = seconds();
        nanosleep(&nap, NULL);
        slept = seconds() - begin;
        check(slept >= 0.005 && slept < 5, "after %s: 5 ms on CPU %ld took %.3f s", after, cpu,
              slept);
    }
    for (long cpu = 0; cpu < cpus; cpu++)
        CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static void still_alive(const char *after)
{
    static long version;
    long now = call2(__HYPERVISOR_xen_version, XENVER_version, 0);

    if (version == 0)
        version = now;
    check(now > 0 && now == version, "after %s: the version is %#lx, it was %#lx", after, now,
          version);
    check(filled_with(canary[0], 0xc3) && filled_with(canary[1], 0xc3),
          "after %s: memory beside the argument changed", after);
    check(filled_with(read_only, 0x5e), "after %s: read-only memory changed", after);
    check(event_arrives(), "after %s: an event was lost", after);
    timers_run(after);
    group_done(after);
}

// ---- systematic calls ----

static void arrange(const struct hypercall *h, unsigned cmd, uint64_t pointer, uint64_t count,
                    uint64_t arg[5])
{
    const uint64_t orders[][5] = {
        [FORM_POINTER] = {pointer},
        [FORM_POINTER_COUNT] = {pointer, count},
        [FORM_CMD_POINTER] = {cmd, pointer},
        [FORM_CMD_PTR_COUNT] = {cmd, pointer, count},
        [FORM_CMD_COUNT_PTR] = {cmd, count, pointer},
        [FORM_CMD_ID_POINTER] = {cmd, 0, pointer},
        [FORM_DOM_COUNT_PTR] = {ABSENT_DOMAIN, count, pointer},
        [FORM_CMD_TYPE] = {cmd, 0x8000},
        [FORM_CMD_TWO_BUFFERS] = {cmd, pointer, count, pointer, count},
    };

    memcpy(arg, orders[h->form], sizeof(orders[0]));
}

static bool skipped(const struct hypercall *h, unsigned cmd)
{
    return (h->pv && paravirtualized) || (h->never >> cmd & 1);
}

static void judge_pointed(const struct hypercall *h, unsigned cmd, uint64_t pointer, long result)
{
    bool plausible = result >= LOWEST_ERRNO;

    if (plausible && (h->pointed >> cmd & 1))
        plausible = result < 0;
    check(plausible, "%s, subcommand %u, pointer %#llx: result %ld", h->name, cmd,
          (unsigned long long)pointer, result);
}

static void wild_pointers(void)
{
    uint64_t arg[5];

    for (const struct hypercall *h = hypercalls; h < hypercalls + HYPERCALLS; h++)
        for (unsigned cmd = 0; cmd <= h->last_cmd; cmd++)
            for (unsigned i = 0; i < WILD && !skipped(h, cmd); i++) {
                arrange(h, cmd, wild_pointer(i), h->form == FORM_CMD_COUNT_PTR ? 16 : 1, arg);
                judge_pointed(h, cmd, wild_pointer(i), hypercall(h->number, arg));
                mend_canary();
            }
    still_alive("pointers to nowhere");
}

// Counts that overflow whatever they are multiplied by; the first elements may even be readable.
static void huge_counts(void)
{
    uint64_t arg[5];

    for (const struct hypercall *h = hypercalls; h < hypercalls + HYPERCALLS; h++) {
        if (h->form != FORM_POINTER_COUNT && h->form != FORM_CMD_PTR_COUNT &&
            h->form != FORM_DOM_COUNT_PTR)
            continue;
        for (unsigned cmd = 0; cmd <= h->last_cmd; cmd++)
            for (unsigned i = 0; i < 2 * 8 && !skipped(h, cmd); i++) {
                make_hostile();
                arrange(h, cmd, i & 1 ? address(data) : wild_pointer(i % WILD), huge_count(i / 2),
                        arg);
                check(hypercall(h->number, arg) >= LOWEST_ERRNO, "%s: no errno for a huge count",
                      h->name);
                mend_canary();
            }
    }
    still_alive("huge counts");
}

static void unknown_numbers(void)
{
    for (unsigned number = 43; number < 128; number++)
        for (unsigned i = 0; i < WILD && !(number >= 48 && number < 56); i++) {
            long result = call3(number, wild_pointer(i), wild_pointer(i), wild_pointer(i));

            // 63 is Linux' own limit of the hypercall page's entries on some versions: -EINVAL from
            // there.
            check(result == -ENOSYS || (number > 63 && result == -EINVAL),
                  "hypercall %u: result %ld", number, result);
        }
    still_alive("unknown hypercalls");
}

static void unknown_commands(void)
{
    static const unsigned beyond[] = {1,      2,       5,          30,         64,        1000,
                                      0x7fff, 0x10000, 0x7fffffff, 0x80000000, 0xffffff00};
    uint64_t arg[5];

    for (const struct hypercall *h = hypercalls; h < hypercalls + HYPERCALLS; h++) {
        if (h->form == FORM_POINTER || h->form == FORM_POINTER_COUNT ||
            h->form == FORM_DOM_COUNT_PTR || (h->pv && paravirtualized) || h->never == ALL)
            continue;
        for (unsigned i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
            // memory_op takes a command of 6 bits; what stands above is an offset into a list.
            unsigned cmd =
                h->number == __HYPERVISOR_memory_op ? 29 + beyond[i] % 35 : h->last_cmd + beyond[i];

            make_hostile();
            arrange(h, cmd, address(data), 1, arg);
            // To a PV domain Xen's kexec_op says 0 for what it does not know.
            check(hypercall(h->number, arg) < 0 ||
                      (paravirtualized && h->number == __HYPERVISOR_kexec_op),
                  "%s, subcommand %u: no error", h->name, cmd);
        }
    }
    still_alive("unknown subcommands");
}

// ---- arguments that can be read and are wrong ----

// A failing check that says what came back. An operation a hypervisor leaves out may say ENOSYS.
static void expect(long result, int error, const char *what)
{
    check(result == -error || result == -ENOSYS || result == -EOPNOTSUPP,
          "%s: result %ld, expected %d", what, result, -error);
}

#define EVENT(cmd, type, ...)                 \
    call2(__HYPERVISOR_event_channel_op, cmd, \
          address(memcpy(data, &(struct type){__VA_ARGS__}, sizeof(struct type))))

static void wrong_ports(void)
{
    static const uint32_t ports[] = {0,      FREE_PORT,  4096,       65536,     131071,
                                     131072, 0x7fffffff, 0x80000000, 0xffffffff};

    for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        uint32_t port = ports[i];

        check(EVENT(EVTCHNOP_send, evtchn_send, .port = port) < 0, "send to port %#x", port);
        check(EVENT(EVTCHNOP_close, evtchn_close, .port = port) < 0, "close of port %#x", port);
        check(EVENT(EVTCHNOP_unmask, evtchn_unmask, .port = port) < 0 || port == 0 ||
                  port == FREE_PORT,
              "unmask of port %#x", port);
        check(EVENT(EVTCHNOP_bind_vcpu, evtchn_bind_vcpu, .port = port, .vcpu = 0) < 0,
              "bind of port %#x", port);
        check(EVENT(EVTCHNOP_bind_interdomain, evtchn_bind_interdomain, .remote_dom = DOMID_SELF,
                    .remote_port = port) < 0,
              "bind to port %#x", port);
        check(EVENT(EVTCHNOP_status, evtchn_status, .dom = DOMID_SELF, .port = port) < 0 ||
                  port == 0 || port == FREE_PORT,
              "status of port %#x", port);
    }
    still_alive("wrong ports");
}

static void wrong_channel_owners(void)
{
    expect(
        EVENT(EVTCHNOP_alloc_unbound, evtchn_alloc_unbound, .dom = ABSENT_DOMAIN, .remote_dom = 0),
        ESRCH, "alloc_unbound for an absent domain");
    expect(EVENT(EVTCHNOP_bind_interdomain, evtchn_bind_interdomain, .remote_dom = ABSENT_DOMAIN,
                 .remote_port = 1),
           ESRCH, "bind_interdomain to an absent domain");
    expect(EVENT(EVTCHNOP_status, evtchn_status, .dom = ABSENT_DOMAIN, .port = 1), ESRCH,
           "status of an absent domain's port");
    expect(EVENT(EVTCHNOP_reset, evtchn_reset, .dom = ABSENT_DOMAIN), ESRCH,
           "reset of an absent domain");
    expect(EVENT(EVTCHNOP_bind_virq, evtchn_bind_virq, .virq = NR_VIRQS, .vcpu = 0), EINVAL,
           "virq past the last");
    expect(EVENT(EVTCHNOP_bind_virq, evtchn_bind_virq, .virq = 0xffffffff, .vcpu = 0), EINVAL,
           "virq -1");
    expect(EVENT(EVTCHNOP_bind_virq, evtchn_bind_virq, .virq = VIRQ_DEBUG, .vcpu = 9999), ENOENT,
           "virq of vcpu 9999");
    expect(EVENT(EVTCHNOP_bind_ipi, evtchn_bind_ipi, .vcpu = 9999), ENOENT, "ipi of vcpu 9999");
    expect(EVENT(EVTCHNOP_bind_ipi, evtchn_bind_ipi, .vcpu = 0xffffffff), ENOENT, "ipi of vcpu -1");
    expect(EVENT(EVTCHNOP_bind_vcpu, evtchn_bind_vcpu, .port = port_a, .vcpu = 9999), ENOENT,
           "port to vcpu 9999");
    check(EVENT(EVTCHNOP_bind_pirq, evtchn_bind_pirq, .pirq = 0x7fffffff) < 0, "pirq 0x7fffffff");
    check(EVENT(EVTCHNOP_bind_interdomain, evtchn_bind_interdomain, .remote_dom = DOMID_SELF,
                .remote_port = port_a) < 0,
          "a port that is already connected took a second peer");
    still_alive("wrong owners of channels");
}

static void wrong_vcpus(void)
{
    static const uint32_t vcpus[] = {128, 9999, 0x7fffffff, 0x80000000, 0xffffffff};

    for (unsigned cmd = VCPUOP_initialise; cmd <= VCPUOP_register_vcpu_time_memory_area; cmd++)
        for (unsigned i = 0; i < sizeof(vcpus) / sizeof(vcpus[0]); i++) {
            make_hostile();
            expect(call3(__HYPERVISOR_vcpu_op, cmd, vcpus[i], address(data)), ENOENT,
                   "vcpu_op on an absent vcpu");
        }
    still_alive("wrong vcpus");
}

#define GRANT(cmd, type, ...) \
    grant_call(cmd, memcpy(data, &(struct type){__VA_ARGS__}, sizeof(struct type)))

static long grant_call(unsigned cmd, void *argument)
{
    return call3(__HYPERVISOR_grant_table_op, cmd, address(argument), 1);
}

// Grant operations report in the element; the call itself succeeds.
static void expect_status(long result, const int16_t *status, const char *what)
{
    check(result < 0 || *status != GNTST_okay, "%s: result %ld, status %d", what, result, *status);
}

static void wrong_maps(void)
{
    struct gnttab_map_grant_ref *map = (void *)data;
    struct gnttab_unmap_grant_ref *unmap = (void *)data;
    static const uint32_t wild[] = {0x00ffffff, 0x7fffffff, 0x80000000, 0xffffffff};

    for (unsigned i = 0; i < 4; i++) {
        expect_status(GRANT(GNTTABOP_map_grant_ref, gnttab_map_grant_ref, .host_addr = 1ull << 60,
                            .flags = GNTMAP_host_map, .ref = wild[i], .dom = DOMID_SELF),
                      &map->status, "mapping a wild reference");
        expect_status(GRANT(GNTTABOP_map_grant_ref, gnttab_map_grant_ref, .host_addr = wild[i],
                            .flags = GNTMAP_host_map, .ref = 0, .dom = ABSENT_DOMAIN),
                      &map->status, "mapping a grant of an absent domain");
        expect_status(GRANT(GNTTABOP_map_grant_ref, gnttab_map_grant_ref, .host_addr = 0x1000,
                            .flags = 0, .ref = 8, .dom = DOMID_SELF),
                      &map->status, "mapping for nothing");
        expect_status(GRANT(GNTTABOP_unmap_grant_ref, gnttab_unmap_grant_ref, .host_addr = 0x1000,
                            .handle = wild[i]),
                      &unmap->status, "unmapping a wild handle");
        expect_status(GRANT(GNTTABOP_unmap_and_replace, gnttab_unmap_and_replace,
                            .host_addr = 0x1000, .new_addr = 0x2000, .handle = wild[i]),
                      &((struct gnttab_unmap_and_replace *)data)->status,
                      "replacing a wild handle");
    }
    still_alive("wrong grant maps");
}

static void wrong_grant_tables(void)
{
    struct gnttab_copy *copy = (void *)data;
    struct gnttab_setup_table *setup = (void *)data;

    expect_status(GRANT(GNTTABOP_query_size, gnttab_query_size, .dom = ABSENT_DOMAIN),
                  &((struct gnttab_query_size *)data)->status, "size of an absent domain's table");
    expect_status(
        GRANT(GNTTABOP_setup_table, gnttab_setup_table, .dom = ABSENT_DOMAIN, .nr_frames = 1),
        &setup->status, "table of an absent domain");
    expect_status(
        GRANT(GNTTABOP_setup_table, gnttab_setup_table, .dom = DOMID_SELF, .nr_frames = 0xffffffff),
        &setup->status, "a table of 2^32 - 1 frames");
    check(GRANT(GNTTABOP_set_version, gnttab_set_version, .version = 77) < 0,
          "grant table version 77");
    expect_status(GRANT(GNTTABOP_copy, gnttab_copy, .source.u.ref = 0x00ffffff,
                        .source.domid = DOMID_SELF, .dest.u.ref = 0x00fffffe,
                        .dest.domid = DOMID_SELF, .len = 64,
                        .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref),
                  &copy->status, "copying between wild references");
    expect_status(GRANT(GNTTABOP_copy, gnttab_copy, .source.u.gmfn = 1ull << 50,
                        .source.domid = DOMID_SELF, .dest.u.gmfn = 1ull << 51,
                        .dest.domid = DOMID_SELF, .len = 64),
                  &copy->status, "copying between frames past memory");
    expect_status(GRANT(GNTTABOP_copy, gnttab_copy, .source.u.gmfn = 1,
                        .source.domid = ABSENT_DOMAIN, .dest.u.gmfn = 1ull << 51,
                        .dest.domid = DOMID_SELF, .len = 64),
                  &copy->status, "copying from an absent domain");
    expect_status(GRANT(GNTTABOP_copy, gnttab_copy, .source.u.gmfn = 1, .source.offset = 4090,
                        .source.domid = DOMID_SELF, .dest.u.gmfn = 1ull << 51,
                        .dest.domid = DOMID_SELF, .len = 64),
                  &copy->status, "copying past a page");
    still_alive("wrong grant tables and copies");
}

#define MEMORY(cmd, type, ...)         \
    call2(__HYPERVISOR_memory_op, cmd, \
          address(memcpy(data, &(struct type){__VA_ARGS__}, sizeof(struct type))))

static void wrong_memory(void)
{
    domid_t absent = ABSENT_DOMAIN;
    static const unsigned queries[] = {XENMEM_current_reservation, XENMEM_maximum_reservation,
                                       XENMEM_maximum_gpfn};
    static const unsigned changes[] = {XENMEM_increase_reservation, XENMEM_decrease_reservation,
                                       XENMEM_populate_physmap};

    for (unsigned i = 0; i < 3; i++) {
        memcpy(data, &absent, sizeof(absent));
        expect(call2(__HYPERVISOR_memory_op, queries[i], address(data)), ESRCH,
               "reservation of an absent domain");
        // These answer with the number of extents done.
        for (unsigned k = 0; k < 8; k++)
            check(MEMORY(changes[i], xen_memory_reservation, .domid = ABSENT_DOMAIN,
                         .nr_extents = huge_count(k), .extent_start.p = (void *)canary[0]) <= 0,
                  "memory_op %u changed an absent domain", changes[i]);
        // An offset into the list that lies past its end.
        check(MEMORY(changes[i] | 0xfffff << MEMORY_CMD_BITS, xen_memory_reservation,
                     .domid = DOMID_SELF, .nr_extents = 0) <= 0xfffff,
              "memory_op %u past the list", changes[i]);
    }
    check(MEMORY(XENMEM_decrease_reservation, xen_memory_reservation, .domid = DOMID_SELF,
                 .nr_extents = 1, .extent_start.p = (void *)(uintptr_t)wild_pointer(8)) <= 0,
          "a page was given back by a list that is not there");
    check(MEMORY(XENMEM_populate_physmap, xen_memory_reservation, .domid = DOMID_SELF,
                 .nr_extents = 1, .extent_order = 200, .extent_start.p = (void *)canary[0]) <= 0,
          "an extent of order 200");
    still_alive("wrong memory reservations");
}

static void wrong_physmap(void)
{
    expect(MEMORY(XENMEM_add_to_physmap, xen_add_to_physmap, .domid = ABSENT_DOMAIN, .space = 0,
                  .gpfn = 1),
           ESRCH, "add_to_physmap of an absent domain");
    check(MEMORY(XENMEM_add_to_physmap, xen_add_to_physmap, .domid = DOMID_SELF, .space = 77,
                 .gpfn = 1ull << 50) < 0,
          "add_to_physmap of space 77");
    check(MEMORY(XENMEM_add_to_physmap, xen_add_to_physmap, .domid = DOMID_SELF,
                 .space = XENMAPSPACE_grant_table, .idx = 0x7fffffff, .gpfn = 1ull << 50) < 0,
          "a grant table frame past the table");
    check(MEMORY(XENMEM_add_to_physmap, xen_add_to_physmap, .domid = DOMID_SELF,
                 .space = XENMAPSPACE_gmfn, .idx = 1ull << 50, .gpfn = 1ull << 51) < 0,
          "a frame past memory");
    check(MEMORY(XENMEM_remove_from_physmap, xen_remove_from_physmap, .domid = DOMID_SELF,
                 .gpfn = 1ull << 50) < 0,
          "a frame past memory was removed");
    expect(MEMORY(XENMEM_remove_from_physmap, xen_remove_from_physmap, .domid = ABSENT_DOMAIN,
                  .gpfn = 1),
           ESRCH, "remove_from_physmap of an absent domain");
    check(MEMORY(XENMEM_acquire_resource, xen_mem_acquire_resource, .domid = ABSENT_DOMAIN,
                 .type = XENMEM_resource_grant_table, .nr_frames = 1,
                 .frame_list.p = (void *)canary[0]) < 0,
          "a resource of an absent domain");
    check(MEMORY(XENMEM_acquire_resource, xen_mem_acquire_resource, .domid = DOMID_SELF, .type = 77,
                 .nr_frames = 1, .frame_list.p = (void *)canary[0]) < 0,
          "a resource of type 77");
    check(MEMORY(XENMEM_memory_map, xen_memory_map, .nr_entries = 0xffffffff,
                 .buffer.p = (void *)(uintptr_t)wild_pointer(9)) < 0,
          "a memory map to nowhere");
    still_alive("wrong physmap requests");
}

#define VERSIONED(number, type, ...)         \
    hypercall(number, (uint64_t[5]){address( \
                          memcpy(data, &(struct type){__VA_ARGS__}, sizeof(struct type)))})

static void wrong_controls(void)
{
    expect(VERSIONED(__HYPERVISOR_domctl, xen_domctl, .cmd = XEN_DOMCTL_getdomaininfo,
                     .interface_version = 1),
           EACCES, "domctl version 1");
    expect(VERSIONED(__HYPERVISOR_sysctl, xen_sysctl, .cmd = XEN_SYSCTL_physinfo,
                     .interface_version = 1),
           EACCES, "sysctl version 1");
    expect(VERSIONED(__HYPERVISOR_platform_op, xen_platform_op, .cmd = XENPF_get_cpuinfo,
                     .interface_version = 1),
           EACCES, "platform_op version 1");
    expect(VERSIONED(__HYPERVISOR_sysctl, xen_sysctl, .cmd = 9999,
                     .interface_version = XEN_SYSCTL_INTERFACE_VERSION),
           ENOSYS, "sysctl 9999");
    expect(VERSIONED(__HYPERVISOR_platform_op, xen_platform_op, .cmd = 9999,
                     .interface_version = XENPF_INTERFACE_VERSION),
           ENOSYS, "platform_op 9999");
    // All commands for a domain that is not there, the rest of the argument hostile. 1 would create
    // one.
    for (unsigned cmd = 2; cmd < 100; cmd++) {
        struct xen_domctl *domctl = (void *)data;

        make_hostile();
        domctl->cmd = cmd;
        domctl->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
        domctl->domain = ABSENT_DOMAIN;
        check(hypercall(__HYPERVISOR_domctl, (uint64_t[5]){address(data)}) < 0,
              "domctl %u of an absent domain", cmd);
    }
    still_alive("wrong domctl, sysctl and platform_op");
}

static void wrong_parameters(void)
{
    static const uint32_t indexes[] = {HVM_NR_PARAMS, 1000, 0x7fffffff, 0x80000000, 0xffffffff};
    struct xen_hvm_param param;

    for (unsigned i = 0; i < 5; i++)
        for (unsigned cmd = HVMOP_set_param; cmd <= HVMOP_get_param; cmd++) {
            param =
                (struct xen_hvm_param){.domid = DOMID_SELF, .index = indexes[i], .value = ~0ull};
            expect(call2(__HYPERVISOR_hvm_op, cmd, address(memcpy(data, &param, sizeof(param)))),
                   EINVAL, "an HVM parameter past the last");
            param = (struct xen_hvm_param){.domid = ABSENT_DOMAIN, .index = i};
            expect(call2(__HYPERVISOR_hvm_op, cmd, address(memcpy(data, &param, sizeof(param)))),
                   ESRCH, "an HVM parameter of an absent domain");
        }
    still_alive("wrong HVM parameters");
}

static void wrong_schedules(void)
{
    struct sched_poll poll = {.nr_ports = 129, .timeout = 1};
    struct sched_remote_shutdown remote = {.domain_id = ABSENT_DOMAIN, .reason = SHUTDOWN_crash};

    expect(call2(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown,
                 address(memcpy(data, &remote, sizeof(remote)))),
           ESRCH, "shutdown of an absent domain");
    expect(call2(__HYPERVISOR_sched_op, SCHEDOP_poll, address(memcpy(data, &poll, sizeof(poll)))),
           EINVAL, "poll of 129 ports");
    poll.nr_ports = 4;
    poll.ports.p = (void *)(uintptr_t)wild_pointer(8);
    check(call2(__HYPERVISOR_sched_op, SCHEDOP_poll, address(memcpy(data, &poll, sizeof(poll)))) <
              0,
          "poll of a list that is not there");
    check(hypercall(__HYPERVISOR_dm_op, (uint64_t[5]){ABSENT_DOMAIN, 1, address(data)}) < 0,
          "dm_op, absent domain");
    check(hypercall(__HYPERVISOR_dm_op, (uint64_t[5]){DOMID_SELF, 1, address(data)}) < 0,
          "dm_op on oneself");
    still_alive("wrong sched_op and dm_op");
}

// Output must not reach where the caller cannot write, and must reach across a page boundary.
static void outputs(void)
{
    struct xen_feature_info *features = (void *)(canary[1] - 4);
    struct multicall_entry entry = {.op = __HYPERVISOR_xen_version, .args = {XENVER_version}};

    expect(call2(__HYPERVISOR_xen_version, XENVER_extraversion, address(read_only)), EFAULT,
           "output to read-only");
    expect(call2(__HYPERVISOR_xen_version, XENVER_capabilities, address(read_only)), EFAULT,
           "output to read-only");
    expect(call2(__HYPERVISOR_xen_version, XENVER_platform_parameters, address(read_only)), EFAULT,
           "output to read-only");
    features->submap_idx = 0;
    check(call2(__HYPERVISOR_xen_version, XENVER_get_features, address(features)) == 0,
          "an argument across two pages is refused");
    mend_canary();
    memcpy(data, &entry, sizeof(entry));
    check(call2(__HYPERVISOR_multicall, address(data), 1) == 0 &&
              (long)((struct multicall_entry *)data)->result ==
                  call2(__HYPERVISOR_xen_version, XENVER_version, 0),
          "a multicall of one call");
    for (unsigned i = 0; i < 3; i++)
        memcpy(data + i * sizeof(entry), &entry, sizeof(entry));
    check(call2(__HYPERVISOR_multicall, address(data), 3) == 0 &&
              ((struct multicall_entry *)data)[2].result ==
                  ((struct multicall_entry *)data)[0].result,
          "a multicall of three calls");
    entry.op = 9999;
    memcpy(data, &entry, sizeof(entry));
    check(call2(__HYPERVISOR_multicall, address(data), 1) == 0 &&
              (long)((struct multicall_entry *)data)->result == -ENOSYS,
          "a multicall of an unknown call");
    still_alive("outputs");
}

// Linux's own calls made on a program's behalf: foreign pages of nobody.
static void foreign_pages(void)
{
    enum { PAGES = 8 };
    xen_pfn_t frames[PAGES];
    int errors[PAGES] = {0};
    void *room = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, privcmd, 0);
    privcmd_mmapbatch_v2_t map = {
        .num = PAGES, .dom = ABSENT_DOMAIN, .addr = address(room), .arr = frames, .err = errors};
    int result;

    for (unsigned i = 0; i < PAGES; i++)
        frames[i] = 1ull << (i * 5);
    if (room == MAP_FAILED)
        fatal("mapping privcmd: %s", strerror(errno));
    result = ioctl(privcmd, IOCTL_PRIVCMD_MMAPBATCH_V2, &map);
    for (unsigned i = 0; i < PAGES; i++)
        check(result < 0 || errors[i] < 0, "frame %#llx of an absent domain was mapped",
              (unsigned long long)frames[i]);
    munmap(room, PAGES * PAGE_BYTES);
    still_alive("foreign pages of nobody");
}

// ---- random calls ----

static uint64_t random_pointer(bool readable_too)
{
    uint64_t kind = next_random();

    if (readable_too && (kind & 1))
        return address(data) + (kind >> 8 & 0xff8);
    return wild_pointer((kind >> 1) % WILD);
}

static uint64_t random_count(void)
{
    uint64_t kind = next_random();

    return kind & 1 ? huge_count(kind >> 1) : kind >> 1 & 63;
}

static void random_call(bool issue)
{
    const struct hypercall *h = &hypercalls[next_random() % HYPERCALLS];
    unsigned cmd = next_random() % (h->last_cmd + 1);
    bool contents = !(h->wild_only >> cmd & 1);
    uint64_t pointer = random_pointer(contents), count = random_count(), arg[5];
    long result;

    make_hostile();
    arrange(h, cmd, pointer, count, arg);
    if (h->form == FORM_CMD_ID_POINTER)
        arg[1] = next_random() | 0x8000; // no such vcpu
    else if (skipped(h, cmd))
        issue = false;
    if (!issue || (h->pv && paravirtualized) || h->never == ALL)
        return;
    result = hypercall(h->number, arg);
    check(result >= LOWEST_ERRNO, "%s, subcommand %u: result %ld is no errno", h->name, cmd,
          result);
    mend_canary();
}

static void random_calls(unsigned long calls, uint64_t seed, unsigned long first)
{
    char name[64];

    random_state = seed;
    for (unsigned long i = 0; i < calls; i++) {
        random_call(i >= first);
        if (i % 1000 != 999 && i != calls - 1)
            continue;
        snprintf(name, sizeof(name), "random calls up to %lu, seed %#llx", i,
                 (unsigned long long)seed);
        still_alive(name);
    }
}

// ---- all of it ----

static void find_out_kind(void)
{
    char text[16] = "";
    FILE *file = fopen("/sys/hypervisor/guest_type", "r");

    if (file == NULL || fgets(text, sizeof(text), file) == NULL)
        fatal("/sys/hypervisor/guest_type: %s", strerror(errno));
    fclose(file);
    paravirtualized = strncmp(text, "PV\n", 3) == 0;
    printf("this is a %s domain\n", strtok(text, "\n"));
}

static void systematic(void)
{
    still_alive("nothing yet");
    unknown_numbers();
    wild_pointers();
    huge_counts();
    unknown_commands();
    wrong_ports();
    wrong_channel_owners();
    wrong_vcpus();
    wrong_maps();
    wrong_grant_tables();
    wrong_memory();
    wrong_physmap();
    wrong_controls();
    wrong_parameters();
    wrong_schedules();
    outputs();
    foreign_pages();
}

int main(int argc, char **argv)
{
    uint64_t seed = (uint64_t)time(NULL) << 16 ^ getpid();
    unsigned long calls = 5000, first = 0;
    int option;

    while ((option = getopt(argc, argv, "vn:s:f:")) != -1)
        switch (option) {
        case 'v':
            verbose = true;
            break;
        case 'n':
            calls = strtoul(optarg, NULL, 0);
            break;
        case 's':
            seed = strtoull(optarg, NULL, 0);
            break;
        case 'f':
            first = strtoul(optarg, NULL, 0);
            break;
        default:
            fatal("usage: hypercall_abuse [-v] [-n CALLS] [-s SEED] [-f FIRST]");
        }
    privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    if (privcmd < 0)
        fatal("/dev/xen/privcmd: %s", strerror(errno));
    printf("seed %#llx\n", (unsigned long long)seed);
    random_state = seed;
    find_out_kind();
    make_arena();
    open_channel();
    systematic();
    random_calls(calls, seed, first);
    return checks_done();
}
