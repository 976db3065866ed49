/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/build.h"
#include "libvmctl/handle.h"
#include "libvmctl/model.h"
#include "libvmctl/screen.h"
#include "libvmctl/store.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xen/sched.h>

#define LIST_MAX     1024u
#define LOG_CHUNK    16384u
#define WAIT_POLL_MS 1000

/* ---- what there is ---- */

static enum vm_state state_of(uint32_t flags)
{
    if (flags & XEN_DOMINF_dying)
        return VM_DYING;
    if (flags & XEN_DOMINF_shutdown)
        return VM_SHUTDOWN;
    if (flags & XEN_DOMINF_paused)
        return VM_PAUSED;
    return flags & XEN_DOMINF_blocked ? VM_BLOCKED : VM_RUNNING;
}

static void fill_info(struct vmctl *v, const struct xen_domctl_getdomaininfo *d, struct vm_info *i)
{
    *i = (struct vm_info){
        .id = d->domain,
        .state = state_of(d->flags),
        .reason = (uint8_t)(d->flags >> XEN_DOMINF_shutdownshift),
        .memory_kib = d->tot_pages * 4,
        .limit_kib = d->max_pages > UINT64_MAX / 4 ? UINT64_MAX : d->max_pages * 4,
        .vcpus = d->nr_online_vcpus,
        .cpu_ns = d->cpu_time,
    };
    memcpy(i->uuid, d->handle, sizeof(i->uuid));
    if (!store_get(v, i->id, "name", i->name, sizeof(i->name)))
        i->name[0] = 0;
    if (i->id) {
        i->model_pid = model_pid(v, i->id, &i->model_lost);
        model_reason(v, i->id, i->model_reason, sizeof(i->model_reason));
    }
}

int vmctl_list(struct vmctl *v, struct vm_info **list, size_t *count)
{
    struct xen_domctl_getdomaininfo *d = xen_buffer(v, LIST_MAX * sizeof(*d));
    struct xen_sysctl op = {.cmd = XEN_SYSCTL_getdomaininfolist};
    int rc;

    *count = 0;
    *list = calloc(LIST_MAX, sizeof(**list));
    op.u.getdomaininfolist.max_domains = LIST_MAX;
    if (d)
        set_xen_guest_handle(op.u.getdomaininfolist.buffer, d);
    rc = d && *list ? xen_sysctl(v, &op) : -ENOMEM;
    if (rc == 0) {
        *count = op.u.getdomaininfolist.num_domains;
        for (size_t i = 0; i < *count; i++)
            fill_info(v, &d[i], &(*list)[i]);
    }
    if (d)
        xen_buffer_free(v, d);
    if (rc == 0)
        return 0;
    free(*list);
    *list = NULL;
    return vm_fail(v, -rc, "The hypervisor does not list its domains: %s.", strerror(-rc));
}

static bool is_number(const struct vm_info *i, const char *name)
{
    char *end;
    unsigned long n = isdigit((unsigned char)*name) ? strtoul(name, &end, 10) : ULONG_MAX;

    return n == i->id && !*end;
}

int vmctl_find(struct vmctl *v, const char *name, struct vm_info *info)
{
    struct vm_info *list;
    bool found = false;
    size_t count;
    int rc;

    if (!*name) /* as one whose name is not in the store yet has none */
        return vm_fail(v, ESRCH, "There is no domain without a name.");
    rc = vmctl_list(v, &list, &count);
    if (rc)
        return rc;
    for (size_t i = 0; i < count && !found; i++) {
        found = strcmp(list[i].name, name) == 0 || is_number(&list[i], name);
        if (found)
            *info = list[i];
    }
    free(list);
    return found ? 0 : vm_fail(v, ESRCH, "There is no domain %s.", name);
}

int vmctl_get(struct vmctl *v, uint16_t id, struct vm_info *info)
{
    struct xen_domctl op = {.cmd = XEN_DOMCTL_getdomaininfo, .domain = id};
    int rc = xen_domctl(v, &op);

    /* Xen has answered for the next one instead. */
    if (rc == -ESRCH || (rc == 0 && op.domain != id))
        return vm_fail(v, ESRCH, "There is no domain %u.", id);
    if (rc)
        return vm_fail(v, -rc, "The hypervisor does not tell of domain %u: %s.", id, strerror(-rc));
    fill_info(v, &op.u.getdomaininfo, info);
    return 0;
}

/* ---- making ---- */

/* id: whose name it is going to be, 0: nobody's yet. */
static int name_is_free(struct vmctl *v, const char *name, uint16_t id)
{
    struct vm_info *list;
    size_t count;
    int rc = vmctl_list(v, &list, &count);

    for (size_t i = 0; rc == 0 && i < count; i++)
        if (list[i].id != id && strcmp(list[i].name, name) == 0)
            rc = vm_fail(v, EEXIST, "The name %s is taken by domain %u.", name, list[i].id);
    free(list);
    return rc;
}

/* Before anything is made: what is free may be gone later, but then at least most of it was there.
 */
static int memory_is_free(struct vmctl *v, const struct vm_config *c)
{
    struct xen_sysctl op = {.cmd = XEN_SYSCTL_physinfo};
    int rc = xen_sysctl(v, &op);
    uint64_t kib = op.u.physinfo.free_pages * 4;

    if (rc)
        return vm_fail(v, -rc, "The hypervisor does not tell of the machine: %s.", strerror(-rc));
    if (kib >= c->memory_kib)
        return 0;
    return vm_fail(
        v, ENOMEM,
        "Not enough memory is free for a guest of %llu MiB: the hypervisor has %llu MiB left.",
        (unsigned long long)c->memory_kib >> 10, (unsigned long long)kib >> 10);
}

/* Destroying frees memory step by step; the hypervisor asks for more steps by EAGAIN. Whoever
 * watches the guest may be about the same, and have taken the last step: then it is gone all the
 * same. */
static int destroy_domain(struct vmctl *v, uint16_t id)
{
    int rc;

    do
        rc = xen_domctl_simple(v, XEN_DOMCTL_destroydomain, id);
    while (rc == -EAGAIN);
    return rc == -ESRCH ? 0 : rc;
}

void vmctl_cancel_by(struct vmctl *v, const volatile sig_atomic_t *flag)
{
    v->cancel = flag;
}

void vmctl_phases_to(struct vmctl *v, vm_phase_fn *fn, void *arg)
{
    v->phase = fn;
    v->phase_arg = arg;
}

/* rc, or that somebody does not want it any more. */
static int unless_cancelled(struct vmctl *v, int rc)
{
    return rc == 0 && v->cancel && *v->cancel ? vm_fail(v, EINTR, "It was interrupted.") : rc;
}

static int check(struct vmctl *v, const struct vm_config *c)
{
    char why[sizeof(v->error)];
    int rc = vm_config_check(c, why, sizeof(why));

    if (rc)
        return vm_fail(v, -rc, "%s", why);
    rc = name_is_free(v, c->name, 0);
    return rc ? rc : memory_is_free(v, c);
}

/* QEMU is told of the small program instead of the kernel that is loaded already. */
static int start_model(struct vmctl *v, const struct vm_config *c, const struct build *b)
{
    struct vm_config changed = *c;
    char stub[64];

    if (!b->kernel_loaded)
        return model_start(v, c, b->id);
    build_stub_path(b->id, stub, sizeof(stub));
    changed.kernel = stub;
    changed.initrd = changed.cmdline = NULL;
    return model_start(v, &changed, b->id);
}

static int make(struct vmctl *v, const struct vm_config *c, struct build *b)
{
    int rc = unless_cancelled(v, build_domain(v, c, b));

    vm_phase(v, "store");
    if (rc == 0)
        rc = unless_cancelled(v, store_create(v, c, b));
    /* Now that it stands in the store: of two that came at once, both cannot stay. */
    if (rc == 0)
        rc = name_is_free(v, c->name, b->id);
    vm_phase(v, "device models");
    if (rc == 0)
        rc = unless_cancelled(v, start_model(v, c, b));
    return rc ? rc : screen_lock(v, c, b->id);
}

/* All that may be there of it. */
static int unmake(struct vmctl *v, uint16_t id)
{
    char stub[64];

    model_stop(v, id);
    build_stub_path(id, stub, sizeof(stub));
    unlink(stub);
    store_remove(v, id);
    return destroy_domain(v, id);
}

int vmctl_create(struct vmctl *v, const struct vm_config *config, uint16_t *id)
{
    struct build b = {0};
    int rc = check(v, config);

    if (rc == 0)
        rc = make(v, config, &b);
    if (rc && b.id)
        unmake(v, b.id);
    *id = rc ? 0 : b.id;
    return rc;
}

/* ---- on and off ---- */

static int simple(struct vmctl *v, uint32_t cmd, uint16_t id, const char *what)
{
    int rc = id ? xen_domctl_simple(v, cmd, id) : -EPERM;

    if (rc == -ESRCH)
        return vm_fail(v, ESRCH, "There is no domain %u.", id);
    return rc ? vm_fail(v, -rc, "Domain %u cannot be %s: %s.", id, what, strerror(-rc)) : 0;
}

/* The hypervisor counts: what was paused twice would have to be unpaused twice. */
int vmctl_pause(struct vmctl *v, uint16_t id)
{
    struct vm_info i;
    int rc = vmctl_get(v, id, &i);

    if (rc)
        return rc;
    if (i.state == VM_PAUSED)
        return vm_fail(v, EALREADY, "Domain %u is paused already.", id);
    return simple(v, XEN_DOMCTL_pausedomain, id, "paused");
}

int vmctl_unpause(struct vmctl *v, uint16_t id)
{
    struct vm_info i;
    int rc = vmctl_get(v, id, &i);

    if (rc)
        return rc;
    if (i.state != VM_PAUSED)
        return vm_fail(v, EALREADY, "Domain %u is not paused: it is %s.", id,
                       vm_state_name(i.state));
    return simple(v, XEN_DOMCTL_unpausedomain, id, "unpaused");
}

int vmctl_destroy(struct vmctl *v, uint16_t id)
{
    int rc = simple(v, XEN_DOMCTL_pausedomain, id, "paused"); /* or once more */

    if (rc)
        return rc;
    rc = unmake(v, id);
    return rc ? vm_fail(v, -rc, "Domain %u cannot be destroyed: %s.", id, strerror(-rc)) : 0;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* The store tells when a domain shuts down or goes; that it might not is why it is looked at
 * anyway. */
int vmctl_wait(struct vmctl *v, uint16_t id, int timeout_ms, struct vm_info *info)
{
    struct pollfd p = {.fd = xs_fileno(v->store), .events = POLLIN};
    int64_t end = now_ms() + timeout_ms;
    unsigned n;
    int rc;

    xs_watch(v->store, "@releaseDomain", "wait");
    for (;;) {
        rc = vmctl_get(v, id, info);
        if (rc || info->state == VM_SHUTDOWN || info->state == VM_DYING)
            break;
        if (timeout_ms >= 0 && now_ms() >= end) {
            rc = vm_fail(v, ETIMEDOUT, "Domain %u goes on running.", id);
            break;
        }
        if (poll(&p, 1, WAIT_POLL_MS) > 0)
            free(xs_read_watch(v->store, &n));
    }
    xs_unwatch(v->store, "@releaseDomain", "wait");
    return rc;
}

/* ---- the hypervisor's log ---- */

static int read_log(struct vmctl *v, uint32_t *index, char *to, uint32_t *count)
{
    struct xen_sysctl op = {.cmd = XEN_SYSCTL_readconsole};
    struct xen_sysctl_readconsole *r = &op.u.readconsole;
    int rc;

    r->incremental = 1;
    r->index = *index;
    r->count = LOG_CHUNK;
    set_xen_guest_handle(r->buffer, to);
    rc = xen_sysctl(v, &op);
    *index = r->index;
    *count = rc ? 0 : r->count;
    return rc;
}

int vmctl_log(struct vmctl *v, uint32_t *index, char **text)
{
    char *chunk = xen_buffer(v, LOG_CHUNK), *more;
    size_t length = 0;
    uint32_t count;
    int rc;

    *text = calloc(1, 1);
    rc = chunk && *text ? 0 : -ENOMEM;
    while (rc == 0) {
        rc = read_log(v, index, chunk, &count);
        if (rc || count == 0)
            break;
        more = realloc(*text, length + count + 1);
        if (!more) {
            rc = -ENOMEM;
            break;
        }
        *text = more;
        memcpy(more + length, chunk, count);
        length += count;
        more[length] = 0;
    }
    if (chunk)
        xen_buffer_free(v, chunk);
    if (rc == 0)
        return 0;
    free(*text);
    *text = NULL;
    return vm_fail(v, -rc, "The hypervisor does not show its log: %s.", strerror(-rc));
}
