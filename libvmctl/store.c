/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/store.h"
#include "libvmctl/layout.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/hvm/hvm_xs_strings.h>

#define PATH_MAX_LENGTH 256
#define CONSOLE_LIMIT   (1 << 20) /* bytes kept while nobody reads them */
#define ATTEMPTS        100       /* a transaction that met another one is tried again */

void uuid_format(const uint8_t u[16], char text[UUID_TEXT])
{
    snprintf(text, UUID_TEXT,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
             u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
             u[15]);
}

/* One transaction under way: the first failure is kept and nothing is done after it. */
struct change {
    struct vmctl *v;
    xs_transaction_t t;
    unsigned id;
    int error;
    char path[PATH_MAX_LENGTH]; /* that was refused */
};

static void failed(struct change *c, const char *path)
{
    if (c->error)
        return;
    c->error = errno ? errno : EIO;
    snprintf(c->path, sizeof(c->path), "%s", path);
}

static void put(struct change *c, const char *path, const char *value)
{
    if (!c->error && !xs_write(c->v->store, c->t, path, value, (unsigned)strlen(value)))
        failed(c, path);
}

__attribute__((format(printf, 3, 4))) static void put_guest(struct change *c, const char *key,
                                                            const char *format, ...)
{
    char path[PATH_MAX_LENGTH], value[PATH_MAX_LENGTH];
    va_list ap;

    va_start(ap, format);
    vsnprintf(value, sizeof(value), format, ap);
    va_end(ap);
    snprintf(path, sizeof(path), "/local/domain/%u/%s", c->id, key);
    put(c, path, value);
}

/* A node that the guest may read, or own and write. */
static void make(struct change *c, const char *path, bool own)
{
    struct xs_permissions read_only[2] = {{.id = 0, .perms = XS_PERM_NONE},
                                          {.id = c->id, .perms = XS_PERM_READ}};
    struct xs_permissions owner[1] = {{.id = c->id, .perms = XS_PERM_NONE}};

    put(c, path, "");
    if (!c->error &&
        !xs_set_permissions(c->v->store, c->t, path, own ? owner : read_only, own ? 1 : 2))
        failed(c, path);
}

static void make_guest(struct change *c, const char *key, bool own)
{
    char path[PATH_MAX_LENGTH];

    snprintf(path, sizeof(path), "/local/domain/%u%s%s", c->id, *key ? "/" : "", key);
    make(c, path, own);
}

static void guest_nodes(struct change *c)
{
    static const char *const readable[] = {"cpu",     "memory",    "device",  "console",
                                           "control", "hvmloader", "platform"};
    static const char *const own[] = {"control/shutdown",
                                      "control/feature-poweroff",
                                      "control/feature-reboot",
                                      "control/feature-suspend",
                                      "control/feature-s3",
                                      "control/feature-s4",
                                      "control/sysrq",
                                      "device/suspend/event-channel",
                                      "data",
                                      "drivers",
                                      "feature",
                                      "attr",
                                      "error"};

    make_guest(c, "", false);
    for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++)
        make_guest(c, readable[i], false);
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        make_guest(c, own[i], true);
}

/* hvmloader's ACPI tables allow PCI devices where it thinks that the hole below 4 GiB is. OVMF
 * gives them other addresses: from 2 GiB up, or from the end of RAM if that is higher. */
static void ovmf_hole(struct change *c, const struct vm_config *g)
{
    struct layout l;

    layout_compute(&l, vm_config_ram(g));
    put_guest(c, "platform/mmio_hole_size", "%llu",
              (unsigned long long)(LAYOUT_4G - (l.low_end > LAYOUT_2G ? l.low_end : LAYOUT_2G)));
}

/* hvmloader chooses and completes the firmware by these. */
static void loader_entries(struct change *c, const struct vm_config *g)
{
    put_guest(c, "hvmloader/bios", "%s", g->bios == VM_OVMF ? "ovmf" : "seabios");
    put_guest(c, HVM_XS_ALLOW_MEMORY_RELOCATE, "0"); /* QEMU has its own idea where RAM ends */
    if (g->bios == VM_OVMF)
        ovmf_hole(c, g);
    put_guest(c, "platform/device-model", "qemu_xen");
    put_guest(c, "platform/acpi", "%d", g->acpi);
    put_guest(c, "platform/acpi_s3", "%d", g->acpi_s3);
    put_guest(c, "platform/acpi_s4", "%d", g->acpi_s4);
}

static void vm_entries(struct change *c, const struct vm_config *g)
{
    char path[sizeof("/vm/") + UUID_TEXT], key[PATH_MAX_LENGTH], uuid[UUID_TEXT];

    uuid_format(g->uuid, uuid);
    snprintf(path, sizeof(path), "/vm/%s", uuid);
    make(c, path, false);
    put_guest(c, "vm", "%s", path);
    snprintf(key, sizeof(key), "%s/uuid", path);
    put(c, key, uuid);
    snprintf(key, sizeof(key), "%s/name", path);
    put(c, key, g->name);
}

static void state_entries(struct change *c, const struct vm_config *g, const struct build *b)
{
    char key[PATH_MAX_LENGTH];

    put_guest(c, "name", "%s", g->name);
    put_guest(c, "domid", "%u", b->id);
    put_guest(c, "memory/static-max", "%llu", (unsigned long long)g->memory_kib);
    put_guest(c, "memory/target", "%llu", (unsigned long long)(g->memory_kib - g->video_kib));
    put_guest(c, "memory/videoram", "%llu", (unsigned long long)g->video_kib);
    put_guest(c, "store/port", "%d", b->store_port);
    put_guest(c, "store/ring-ref", "%llu", (unsigned long long)b->store_pfn);
    put_guest(c, "console/port", "%d", b->console_port); /* xenconsoled serves it, if it runs */
    put_guest(c, "console/ring-ref", "%llu", (unsigned long long)b->console_pfn);
    put_guest(c, "console/type", "xenconsoled");
    put_guest(c, "console/limit", "%d", CONSOLE_LIMIT);
    for (unsigned i = 0; i < g->vcpus; i++) {
        snprintf(key, sizeof(key), "cpu/%u/availability", i);
        put_guest(c, key, "online");
    }
}

/* QEMU says there when it is ready; it runs in this domain, whose number is 0. */
static void model_entries(struct change *c)
{
    char path[PATH_MAX_LENGTH];

    snprintf(path, sizeof(path), "/local/domain/0/device-model/%u", c->id);
    put(c, path, "");
}

static int attempt(struct change *c, const struct vm_config *g, const struct build *b)
{
    c->error = 0;
    c->t = xs_transaction_start(c->v->store);
    if (!c->t)
        return -errno;
    guest_nodes(c);
    vm_entries(c, g);
    loader_entries(c, g);
    state_entries(c, g, b);
    model_entries(c);
    if (!xs_transaction_end(c->v->store, c->t, c->error != 0))
        failed(c, "the transaction");
    return -c->error;
}

int store_create(struct vmctl *v, const struct vm_config *c, const struct build *b)
{
    struct change change = {.v = v, .id = b->id};
    int rc = -EAGAIN;

    for (unsigned i = 0; i < ATTEMPTS && rc == -EAGAIN; i++)
        rc = attempt(&change, c, b);
    if (rc)
        return vm_fail(v, -rc, "The store refuses %s: %s.", change.path, strerror(-rc));
    if (xs_introduce_domain(v->store, b->id, b->store_pfn, (unsigned)b->store_port))
        return 0;
    return vm_fail(v, errno, "The store does not take up with the guest: %s.", strerror(errno));
}

void store_remove(struct vmctl *v, uint16_t id)
{
    char path[PATH_MAX_LENGTH], vm[PATH_MAX_LENGTH];

    xs_release_domain(v->store, id);
    if (store_get(v, id, "vm", vm, sizeof(vm)) && strncmp(vm, "/vm/", 4) == 0)
        xs_rm(v->store, XBT_NULL, vm);
    snprintf(path, sizeof(path), "/local/domain/0/device-model/%u", id);
    xs_rm(v->store, XBT_NULL, path);
    snprintf(path, sizeof(path), "/local/domain/%u", id);
    xs_rm(v->store, XBT_NULL, path);
}

bool store_get(struct vmctl *v, uint16_t id, const char *key, char *value, size_t size)
{
    char path[PATH_MAX_LENGTH];
    unsigned length = 0;
    char *data;

    snprintf(path, sizeof(path), "/local/domain/%u/%s", id, key);
    data = xs_read(v->store, XBT_NULL, path, &length);
    if (!data || length >= size) {
        free(data);
        return false;
    }
    memcpy(value, data, length);
    value[length] = 0;
    free(data);
    return true;
}

int store_set(struct vmctl *v, uint16_t id, const char *key, const char *value)
{
    char path[PATH_MAX_LENGTH];

    snprintf(path, sizeof(path), "/local/domain/%u/%s", id, key);
    return xs_write(v->store, XBT_NULL, path, value, (unsigned)strlen(value)) ? 0 : -errno;
}
