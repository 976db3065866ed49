// SPDX-License-Identifier: BSD-2-Clause
//
// evtchn_gnttab [ROUNDS]: two processes share pages by grants and wake each other by event
// channels, through /dev/xen/evtchn, gntalloc and gntdev, both in the privileged domain.
//
//   granter (parent)                           mapper (child)
//   grants N pages, fills them     --event-->  maps them, checks, overwrites
//   checks what was written        <--event--
//                                  --socket->  unmaps
//   sees the cleared byte          <--event--  (the kernel's unmap notification)
//
// The socket carries only what the two must agree on beforehand (references, ports, "go on"); every
// wait that stands for a hypervisor service is a wait for an event.
//
// Xen 4.17 passes this with a PV dom0. With a PVH dom0 it does not: mapping a domain's own grant
// there takes the granted page out of its first place (seen: the granter then reads all ones).
// Helium's dom0 keeps both.

#define _GNU_SOURCE
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/gntalloc.h>
#include <xen/sys/gntdev.h>

enum {
    PAGE_BYTES = 4096,
    PAGE_WORDS = PAGE_BYTES / 8,
    MAX_PAGES = 32,
    PORTS = 64,
    OWN_DOMAIN = 0,
    ABSENT_DOMAIN = 0x7abc,
    WAIT_MS = 20000,
    SPURIOUS = 2,        // events that mean nothing, tolerated at the end
    CLEARED_BYTE = 1234, // where the unmap notification writes its zero
};

// One side of the pair.
struct side {
    int socket;
    int evtchn, gntalloc, gntdev;
    uint32_t port; // this side's end of the channel between the two
};

struct refs {
    uint32_t count;
    uint32_t ref[MAX_PAGES];
};

struct tally {
    unsigned passed, failed;
};

// ---- helpers ----

static int open_device(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        fatal("%s: %s", path, strerror(errno));
    return fd;
}

static void send_all(const struct side *side, const void *data, size_t bytes)
{
    if (send(side->socket, data, bytes, 0) != (ssize_t)bytes)
        fatal("the other process went away");
}

static void receive_all(const struct side *side, void *data, size_t bytes)
{
    struct pollfd wait = {.fd = side->socket, .events = POLLIN};

    if (poll(&wait, 1, 2 * WAIT_MS) != 1 ||
        recv(side->socket, data, bytes, MSG_WAITALL) != (ssize_t)bytes)
        fatal("the other process says nothing");
}

// A step both must have reached before either goes on.
static void meet(const struct side *side)
{
    char token = '.';

    send_all(side, &token, 1);
    receive_all(side, &token, 1);
}

static void run_on(unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static uint64_t pattern(unsigned round, unsigned writer, unsigned page, unsigned word)
{
    uint64_t x = ((uint64_t)round << 40) ^ ((uint64_t)writer << 36) ^ (page << 16) ^ word;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    return (x ^ (x >> 27)) * 0x94d049bb133111ebull;
}

static void fill(volatile uint64_t *pages, unsigned count, unsigned round, unsigned writer)
{
    for (unsigned i = 0; i < count * PAGE_WORDS; i++)
        pages[i] = pattern(round, writer, i / PAGE_WORDS, i % PAGE_WORDS);
}

// How many words differ from what the writer left there.
static unsigned differing(const volatile uint64_t *pages, unsigned count, unsigned round,
                          unsigned writer)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < count * PAGE_WORDS; i++)
        wrong += pages[i] != pattern(round, writer, i / PAGE_WORDS, i % PAGE_WORDS);
    return wrong;
}

// ---- event channels ----

static int bind_unbound(int fd, uint32_t domain)
{
    struct ioctl_evtchn_bind_unbound_port bind = {.remote_domain = domain};

    return ioctl(fd, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &bind);
}

static int bind_interdomain(int fd, uint32_t domain, uint32_t port)
{
    struct ioctl_evtchn_bind_interdomain bind = {.remote_domain = domain, .remote_port = port};

    return ioctl(fd, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind);
}

static int notify(int fd, uint32_t port)
{
    struct ioctl_evtchn_notify notify = {.port = port};

    return ioctl(fd, IOCTL_EVTCHN_NOTIFY, &notify);
}

static int unbind(int fd, uint32_t port)
{
    struct ioctl_evtchn_unbind unbind = {.port = port};

    return ioctl(fd, IOCTL_EVTCHN_UNBIND, &unbind);
}

// Waits for an event and opens its port for the next one. The port, or -1 after `timeout_ms`.
static int64_t next_event(int fd, int timeout_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    uint32_t port;

    if (poll(&wait, 1, timeout_ms) != 1 || read(fd, &port, sizeof(port)) != sizeof(port))
        return -1;
    if (write(fd, &port, sizeof(port)) != sizeof(port))
        return -1;
    return port;
}

// How many events are there that nobody waits for. Binding and moving a port to another vcpu may
// leave one each, as they do on Xen.
static unsigned surplus(int fd)
{
    unsigned count = 0;

    while (next_event(fd, 0) >= 0)
        count++;
    return count;
}

static bool expect_event(const struct side *side, const char *what)
{
    int64_t port = next_event(side->evtchn, WAIT_MS);

    return check(port == side->port, "%s: event on port %lld, expected %u", what, (long long)port,
                 side->port);
}

// The channel between the two sides: the parent offers a port, the child binds to it.
static void connect_sides(struct side *side, bool parent)
{
    uint32_t offered;
    int port;

    if (parent) {
        port = bind_unbound(side->evtchn, OWN_DOMAIN);
        offered = port;
        send_all(side, &offered, sizeof(offered));
    } else {
        receive_all(side, &offered, sizeof(offered));
        port = bind_interdomain(side->evtchn, OWN_DOMAIN, offered);
    }
    if (port <= 0)
        fatal("no event channel between the processes: %s", strerror(errno));
    side->port = port;
    meet(side);
    // Binding may leave one event pending, as the public header says; take it away.
    surplus(side->evtchn);
    meet(side);
}

// ---- grants ----

// Grants pages of our own. Returns where they are mapped, or MAP_FAILED.
static void *grant(int fd, struct refs *refs, uint16_t flags, uint64_t *index)
{
    union {
        struct ioctl_gntalloc_alloc_gref request;
        char room[sizeof(struct ioctl_gntalloc_alloc_gref) + 4 * MAX_PAGES];
    } call = {.request = {.domid = OWN_DOMAIN, .flags = flags, .count = refs->count}};

    if (ioctl(fd, IOCTL_GNTALLOC_ALLOC_GREF, &call) < 0)
        return MAP_FAILED;
    memcpy(refs->ref, call.request.gref_ids, refs->count * sizeof(refs->ref[0]));
    *index = call.request.index;
    return mmap(NULL, (size_t)refs->count * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                *index);
}

static void take_back(int fd, void *pages, const struct refs *refs, uint64_t index)
{
    struct ioctl_gntalloc_dealloc_gref dealloc = {.index = index, .count = refs->count};

    munmap(pages, (size_t)refs->count * PAGE_BYTES);
    check(ioctl(fd, IOCTL_GNTALLOC_DEALLOC_GREF, &dealloc) == 0, "dealloc: %s", strerror(errno));
}

// Asks gntdev for a range that stands for the references. 0 or -1 with errno.
static int name_refs(int fd, uint32_t domain, const struct refs *refs, uint64_t *index)
{
    union {
        struct ioctl_gntdev_map_grant_ref request;
        char room[sizeof(struct ioctl_gntdev_map_grant_ref) + 8 * MAX_PAGES];
    } call = {.request = {.count = refs->count}};

    for (unsigned i = 0; i < refs->count; i++)
        call.request.refs[i] =
            (struct ioctl_gntdev_grant_ref){.domid = domain, .ref = refs->ref[i]};
    if (ioctl(fd, IOCTL_GNTDEV_MAP_GRANT_REF, &call) < 0)
        return -1;
    *index = call.request.index;
    return 0;
}

static void forget_refs(int fd, const struct refs *refs, uint64_t index)
{
    struct ioctl_gntdev_unmap_grant_ref unmap = {.index = index, .count = refs->count};

    check(ioctl(fd, IOCTL_GNTDEV_UNMAP_GRANT_REF, &unmap) == 0, "gntdev unmap: %s",
          strerror(errno));
}

static void *map_refs(int fd, const struct refs *refs, uint64_t index, int protection)
{
    return mmap(NULL, (size_t)refs->count * PAGE_BYTES, protection, MAP_SHARED, fd, index);
}

// ---- one round of sharing ----

static void granter_round(struct side *side, unsigned round, unsigned count)
{
    struct refs refs = {.count = count};
    uint64_t index;
    uint64_t *pages = grant(side->gntalloc, &refs, GNTALLOC_FLAG_WRITABLE, &index);
    unsigned char *byte = (unsigned char *)pages + CLEARED_BYTE;

    if (pages == MAP_FAILED)
        fatal("granting %u pages: %s", count, strerror(errno));
    fill(pages, count, round, 0);
    send_all(side, &refs, sizeof(refs));
    check(notify(side->evtchn, side->port) == 0, "notify: %s", strerror(errno));

    expect_event(side, "pages overwritten");
    check(differing(pages, count, round, 1) == 0, "round %u: the mapper's words did not arrive",
          round);
    *byte = 0xa5;
    meet(side); // the mapper unmaps now
    expect_event(side, "pages unmapped");
    check(*byte == 0, "round %u: the unmap notification cleared nothing", round);
    meet(side);
    take_back(side->gntalloc, pages, &refs, index);
}

static void mapper_round(struct side *side, unsigned round)
{
    struct refs refs;
    uint64_t index;
    uint64_t *pages;
    struct ioctl_gntdev_unmap_notify unmap = {.action =
                                                  UNMAP_NOTIFY_CLEAR_BYTE | UNMAP_NOTIFY_SEND_EVENT,
                                              .event_channel_port = side->port};

    receive_all(side, &refs, sizeof(refs));
    expect_event(side, "pages granted");
    if (name_refs(side->gntdev, OWN_DOMAIN, &refs, &index) < 0)
        fatal("gntdev takes no references: %s", strerror(errno));
    pages = map_refs(side->gntdev, &refs, index, PROT_READ | PROT_WRITE);
    if (pages == MAP_FAILED)
        fatal("mapping %u grants: %s", refs.count, strerror(errno));
    check(differing(pages, refs.count, round, 0) == 0,
          "round %u: the granter's words are not there", round);
    fill(pages, refs.count, round, 1);
    unmap.index = index + CLEARED_BYTE;
    check(ioctl(side->gntdev, IOCTL_GNTDEV_SET_UNMAP_NOTIFY, &unmap) == 0, "unmap notify: %s",
          strerror(errno));
    check(notify(side->evtchn, side->port) == 0, "notify: %s", strerror(errno));
    meet(side);
    munmap(pages, (size_t)refs.count * PAGE_BYTES);
    forget_refs(side->gntdev, &refs, index);
    meet(side);
}

static void share(struct side *side, bool parent, unsigned rounds)
{
    unsigned cpus = sysconf(_SC_NPROCESSORS_ONLN);

    for (unsigned round = 0; round < rounds; round++) {
        run_on((parent ? 0 : round) % cpus);
        if (parent)
            granter_round(side, round, round * 7 % MAX_PAGES + 1);
        else
            mapper_round(side, round);
    }
}

// ---- event channels by themselves ----

static void ping_pong(struct side *side, bool parent, unsigned rounds)
{
    unsigned arrived = 0;

    for (unsigned i = 0; i < rounds; i++) {
        if (parent)
            notify(side->evtchn, side->port);
        arrived += next_event(side->evtchn, WAIT_MS) == side->port;
        if (!parent)
            notify(side->evtchn, side->port);
    }
    check(arrived == rounds, "of %u events %u arrived", rounds, arrived);
    check(surplus(side->evtchn) <= SPURIOUS, "more events than were sent");
}

// Many ports at once, notified in an order of their own: each arrives, once.
static void many_ports_parent(struct side *side)
{
    int fd = open_device("/dev/xen/evtchn");
    uint32_t port[PORTS];
    unsigned seen[PORTS] = {0};
    int64_t event;

    for (unsigned i = 0; i < PORTS; i++) {
        int bound = bind_unbound(fd, OWN_DOMAIN);

        check(bound > 0, "port %u of %u: %s", i, PORTS, strerror(errno));
        port[i] = bound;
    }
    send_all(side, port, sizeof(port));
    meet(side); // all bound
    surplus(fd);
    meet(side); // all notified after this
    for (unsigned i = 0; i < PORTS; i++) {
        event = next_event(fd, WAIT_MS);
        for (unsigned k = 0; k < PORTS; k++)
            seen[k] += event == port[k];
    }
    for (unsigned i = 0; i < PORTS; i++)
        check(seen[i] == 1, "port %u: %u events for one notification", port[i], seen[i]);
    meet(side);
    close(fd);
}

static void many_ports_child(struct side *side)
{
    int fd = open_device("/dev/xen/evtchn");
    uint32_t port[PORTS];
    int mine[PORTS];

    receive_all(side, port, sizeof(port));
    for (unsigned i = 0; i < PORTS; i++) {
        mine[i] = bind_interdomain(fd, OWN_DOMAIN, port[i]);
        check(mine[i] > 0, "bind to port %u: %s", port[i], strerror(errno));
    }
    meet(side);
    meet(side);
    for (unsigned i = 0; i < PORTS; i++)
        check(notify(fd, mine[i * 37 % PORTS]) == 0, "notify: %s", strerror(errno));
    meet(side);
    close(fd);
}

static void wrong_channels(void)
{
    int fd = open_device("/dev/xen/evtchn");
    int port = bind_unbound(fd, OWN_DOMAIN);

    check(bind_interdomain(fd, OWN_DOMAIN, 0x7fffffff) < 0, "bound to a port past every table");
    check(bind_interdomain(fd, OWN_DOMAIN, 3999) < 0, "bound to a free port");
    check(bind_interdomain(fd, ABSENT_DOMAIN, 1) < 0 && errno == ESRCH,
          "bound to a domain that is not there");
    check(notify(fd, 4000) < 0, "notified through a port of nobody's");
    check(unbind(fd, port) == 0, "unbind: %s", strerror(errno));
    check(unbind(fd, port) < 0, "unbound twice");
    check(bind_interdomain(fd, OWN_DOMAIN, port) < 0, "bound to a port that was closed");
    close(fd);
}

// ---- grants by themselves ----

static void wrong_grants(void)
{
    int gntdev = open_device("/dev/xen/gntdev"), gntalloc = open_device("/dev/xen/gntalloc");
    struct refs wild = {.count = 1, .ref = {0x00ffffff}}, read_only = {.count = 1};
    uint64_t index, grant_index;
    volatile uint64_t *granted = grant(gntalloc, &read_only, 0, &grant_index);
    volatile uint64_t *mapped;

    if (granted == MAP_FAILED)
        fatal("granting one page read-only: %s", strerror(errno));
    granted[5] = 0x600df00d;

    if (name_refs(gntdev, OWN_DOMAIN, &wild, &index) == 0) {
        check(map_refs(gntdev, &wild, index, PROT_READ) == MAP_FAILED,
              "a wild reference was mapped");
        forget_refs(gntdev, &wild, index);
    }
    if (name_refs(gntdev, ABSENT_DOMAIN, &read_only, &index) == 0) {
        check(map_refs(gntdev, &read_only, index, PROT_READ) == MAP_FAILED,
              "a reference of no domain was mapped");
        forget_refs(gntdev, &read_only, index);
    }
    if (name_refs(gntdev, OWN_DOMAIN, &read_only, &index) == 0) {
        check(map_refs(gntdev, &read_only, index, PROT_READ | PROT_WRITE) == MAP_FAILED,
              "a read-only grant was mapped for writing");
        forget_refs(gntdev, &read_only, index);
    }
    if (name_refs(gntdev, OWN_DOMAIN, &read_only, &index) == 0) {
        mapped = map_refs(gntdev, &read_only, index, PROT_READ);
        if (check(mapped != MAP_FAILED, "a read-only grant: %s", strerror(errno))) {
            check(mapped[5] == 0x600df00d, "a read-only grant shows another page");
            munmap((void *)mapped, PAGE_BYTES);
        }
        forget_refs(gntdev, &read_only, index);
    }
    take_back(gntalloc, (void *)granted, &read_only, grant_index);
    close(gntdev);
    close(gntalloc);
}

static int copy(int fd, struct ioctl_gntdev_grant_copy_segment *segments, unsigned count)
{
    struct ioctl_gntdev_grant_copy call = {.count = count, .segments = segments};

    return ioctl(fd, IOCTL_GNTDEV_GRANT_COPY, &call);
}

static struct ioctl_gntdev_grant_copy_segment to_grant(void *from, uint32_t ref, uint16_t offset,
                                                       uint16_t bytes)
{
    return (struct ioctl_gntdev_grant_copy_segment){
        .source.virt = from,
        .dest.foreign = {.ref = ref, .offset = offset, .domid = OWN_DOMAIN},
        .len = bytes,
        .flags = GNTCOPY_dest_gref,
    };
}

static struct ioctl_gntdev_grant_copy_segment from_grant(uint32_t ref, uint16_t offset, void *to,
                                                         uint16_t bytes)
{
    return (struct ioctl_gntdev_grant_copy_segment){
        .source.foreign = {.ref = ref, .offset = offset, .domid = OWN_DOMAIN},
        .dest.virt = to,
        .len = bytes,
        .flags = GNTCOPY_source_gref,
    };
}

static void grant_copies(void)
{
    int gntdev = open_device("/dev/xen/gntdev"), gntalloc = open_device("/dev/xen/gntalloc");
    static uint64_t local[2][PAGE_WORDS] __attribute__((aligned(4096)));
    struct refs refs = {.count = 2}, read_only = {.count = 1};
    uint64_t index, read_only_index;
    char *pages = grant(gntalloc, &refs, GNTALLOC_FLAG_WRITABLE, &index);
    char *fixed = grant(gntalloc, &read_only, 0, &read_only_index);
    struct ioctl_gntdev_grant_copy_segment segments[3];

    if (pages == MAP_FAILED || fixed == MAP_FAILED)
        fatal("granting pages for copies: %s", strerror(errno));
    memset(pages, 0x11, 2 * PAGE_BYTES);
    memset(fixed, 0x22, PAGE_BYTES);
    fill(local[0], 1, 77, 0);

    segments[0] = to_grant(local[0], refs.ref[0], 0, PAGE_BYTES);
    segments[1] = to_grant((char *)local[0] + 100, refs.ref[1], 1000, 333);
    segments[2] = from_grant(refs.ref[0], 8, (char *)local[1] + 8, PAGE_BYTES - 8);
    check(copy(gntdev, segments, 3) == 0, "grant copy: %s", strerror(errno));
    for (unsigned i = 0; i < 3; i++)
        check(segments[i].status == GNTST_okay, "segment %u: status %d", i, segments[i].status);
    check(memcmp(pages, local[0], PAGE_BYTES) == 0, "copy to a grant: other bytes");
    check(memcmp(pages + PAGE_BYTES + 1000, (char *)local[0] + 100, 333) == 0,
          "copy to an offset: other bytes");
    check(pages[PAGE_BYTES + 999] == 0x11 && pages[PAGE_BYTES + 1333] == 0x11,
          "copy wrote beside its range");
    check(memcmp((char *)local[1] + 8, pages + 8, PAGE_BYTES - 8) == 0,
          "copy from a grant: other bytes");
    check(local[1][0] == 0, "copy from a grant wrote before its range");

    segments[0] = to_grant(local[0], read_only.ref[0], 0, 64);
    segments[1] = to_grant(local[0], 0x00ffffff, 0, 64);
    copy(gntdev, segments, 1);
    check(segments[0].status != GNTST_okay, "a copy wrote to a read-only grant");
    check(fixed[0] == 0x22, "a read-only grant changed");
    copy(gntdev, segments + 1, 1);
    check(segments[1].status != GNTST_okay, "a copy took a wild reference");
    segments[0] = to_grant(local[0], refs.ref[0], PAGE_BYTES - 32, 64);
    check(copy(gntdev, segments, 1) < 0 || segments[0].status != GNTST_okay,
          "a copy ran over its page");
    check(memcmp(pages + PAGE_BYTES, "\x11\x11\x11\x11", 4) == 0, "a copy changed the next page");

    take_back(gntalloc, pages, &refs, index);
    take_back(gntalloc, fixed, &read_only, read_only_index);
    close(gntdev);
    close(gntalloc);
}

// ---- both together ----

static void give_tally(const struct side *side)
{
    struct tally tally = {group_passed, group_failed};

    send_all(side, &tally, sizeof(tally));
    group_passed = group_failed = 0;
}

static void take_tally(const struct side *side, const char *name)
{
    struct tally tally;

    receive_all(side, &tally, sizeof(tally));
    group_passed += tally.passed;
    group_failed += tally.failed;
    group_done(name);
}

static void play(struct side *side, bool parent, unsigned rounds)
{
    static const char *const names[] = {"shared pages", "ping-pong", "many ports"};

    side->evtchn = open_device("/dev/xen/evtchn");
    side->gntalloc = open_device("/dev/xen/gntalloc");
    side->gntdev = open_device("/dev/xen/gntdev");
    connect_sides(side, parent);
    for (unsigned part = 0; part < 3; part++) {
        if (part == 0)
            share(side, parent, rounds);
        else if (part == 1)
            ping_pong(side, parent, rounds * 20);
        else if (parent)
            many_ports_parent(side);
        else
            many_ports_child(side);
        if (parent)
            take_tally(side, names[part]);
        else
            give_tally(side);
    }
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 40;
    struct side parent, child;
    int pair[2], status;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        fatal("socketpair: %s", strerror(errno));
    parent.socket = pair[0];
    child.socket = pair[1];
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        close(pair[0]);
        play(&child, false, rounds);
        _exit(0);
    }
    close(pair[1]);
    play(&parent, true, rounds);
    check(waitpid(pid, &status, 0) == pid && status == 0, "the mapper ended with status %#x",
          status);
    wrong_channels();
    group_done("wrong ports and domains");
    wrong_grants();
    group_done("wrong references");
    grant_copies();
    group_done("grant copies");
    return checks_done();
}
