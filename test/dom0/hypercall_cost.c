// SPDX-License-Identifier: BSD-2-Clause
//
// hypercall_cost: what a hypercall costs from the call instruction to the one behind it, in ticks
// of the time stamp counter (instructions, under icount and in Bochs): the median of many by way of
// privcmd, less the median of a number that the kernel refuses itself at the same place.

#define _GNU_SOURCE
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/privcmd.h>

enum { SAMPLES = 201, UNKNOWN = 63, SECOND = 1000000000 };

struct call {
    const char *name;
    uint64_t op, arg[3];
};

static int privcmd;

static int64_t ask(unsigned long request, const struct call *c, uint64_t *ticks)
{
    privcmd_hypercall_t call = {.op = c->op, .arg = {c->arg[0], c->arg[1], c->arg[2]}};
    uint64_t start = __rdtsc();
    int64_t rc = syscall(SYS_ioctl, privcmd, request, &call);

    *ticks = __rdtsc() - start;
    return rc;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

// The first ones bring pages and caches in.
static uint64_t median(unsigned long request, const struct call *c, bool fails)
{
    uint64_t ticks[SAMPLES];
    int64_t rc = 0;

    for (unsigned i = 0; i < SAMPLES; i++)
        rc = ask(request, c, &ticks[i]);
    check((rc < 0) == fails, "%s: %lld, %s", c->name, (long long)rc, strerror(errno));
    qsort(ticks, SAMPLES, sizeof(ticks[0]), compare);
    return ticks[SAMPLES / 2];
}

// A port bound to another one of ours, where an event is pending already: what is counted is the
// call, not the kernel's handler.
static struct evtchn_send ready_port(void)
{
    int fd = open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC);
    struct ioctl_evtchn_bind_unbound_port offer = {.remote_domain = 0};
    struct ioctl_evtchn_bind_interdomain bind = {.remote_domain = 0};
    int here, there;

    here = ioctl(fd, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &offer);
    bind.remote_port = here;
    there = ioctl(fd, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind);
    if (here < 0 || there < 0)
        fatal("no pair of event channels: %s", strerror(errno));
    return (struct evtchn_send){.port = there};
}

int main(void)
{
    static char text[] = "\r", version[sizeof(xen_extraversion_t)];
    static struct evtchn_send send;
    static struct evtchn_status status = {.dom = DOMID_SELF, .port = 1};
    static struct evtchn_unmask unmask;
    static struct gnttab_query_size size = {.dom = DOMID_SELF};
    static struct xen_hvm_param param = {.domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ};
    static struct vcpu_set_singleshot_timer timer, now = {.timeout_abs_ns = 1};
    static struct vcpu_runstate_info runstate;
    static struct physdev_irq_status_query irq = {.irq = 1};
    static uint16_t self = DOMID_SELF;
    const struct call calls[] = {
        {"xen_version version", 17, {XENVER_version}},
        {"xen_version extraversion", 17, {XENVER_extraversion, (uintptr_t)version}},
        {"event_channel_op send", 32, {EVTCHNOP_send, (uintptr_t)&send}},
        {"event_channel_op unmask", 32, {EVTCHNOP_unmask, (uintptr_t)&unmask}},
        {"event_channel_op status", 32, {EVTCHNOP_status, (uintptr_t)&status}},
        {"vcpu_op set_singleshot_timer", 24, {VCPUOP_set_singleshot_timer, 0, (uintptr_t)&timer}},
        {"vcpu_op get_runstate_info", 24, {VCPUOP_get_runstate_info, 0, (uintptr_t)&runstate}},
        {"sched_op yield", 29, {SCHEDOP_yield}},
        {"console_io read", 18, {CONSOLEIO_read, sizeof(version), (uintptr_t)version}},
        {"console_io write of 1 byte", 18, {CONSOLEIO_write, 1, (uintptr_t)text}},
        {"grant_table_op query_size", 20, {GNTTABOP_query_size, (uintptr_t)&size, 1}},
        {"memory_op maximum_gpfn", 12, {XENMEM_maximum_gpfn, (uintptr_t)&self}},
        {"hvm_op get_param", 34, {HVMOP_get_param, (uintptr_t)&param}},
        {"physdev_op irq_status_query", 33, {PHYSDEVOP_irq_status_query, (uintptr_t)&irq}},
    };
    const struct call unknown = {"number without a handler", UNKNOWN, {0}};
    const struct call tick = {"tick", 24, {VCPUOP_set_singleshot_timer, 0, (uintptr_t)&now}};
    struct timespec clock;
    uint64_t base, ticks, late;

    privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    if (privcmd < 0)
        fatal("/dev/xen/privcmd: %s", strerror(errno));
    send = ready_port();
    unmask.port = send.port;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    timer.timeout_abs_ns = (uint64_t)(clock.tv_sec + 60) * SECOND;
    base = median(_IO('P', 0xff), &unknown, true);
    printf("COST %s %lld\n", unknown.name,
           (long long)(median(IOCTL_PRIVCMD_HYPERCALL, &unknown, true) - base));
    for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        ticks = median(IOCTL_PRIVCMD_HYPERCALL, &calls[i], false);
        if (calls[i].arg[2] == (uintptr_t)&timer)
            ask(IOCTL_PRIVCMD_HYPERCALL, &tick, &late); // the kernel's own timer was overwritten
        printf("COST %s %lld\n", calls[i].name, (long long)(ticks - base));
    }
    group_done("hypercalls");
    return checks_done();
}
