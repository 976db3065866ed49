/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands that only look. */
#include "libvmctl/command.h"
#include "libvmctl/json.h"
#include "libvmctl/store.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *state_text(const struct vm_info *i)
{
    return i->state == VM_SHUTDOWN ? vm_shutdown_name(i->reason) : vm_state_name(i->state);
}

/* What is wrong with its device models; "": nothing. */
static const char *model_text(const struct vm_info *i)
{
    if (*i->model_reason)
        return i->model_reason;
    return i->model_lost ? "device model gone" : "";
}

static void info_json(const struct vm_info *i)
{
    char uuid[UUID_TEXT];

    uuid_format(i->uuid, uuid);
    printf("{\"id\": %u, \"name\": ", i->id);
    json_string(stdout, i->name);
    printf(", \"uuid\": \"%s\", \"state\": \"%s\"", uuid, vm_state_name(i->state));
    if (i->state == VM_SHUTDOWN)
        printf(", \"reason\": \"%s\"", vm_shutdown_name(i->reason));
    printf(", \"memory_kib\": %llu, \"vcpus\": %u, \"cpu_seconds\": %.3f",
           (unsigned long long)i->memory_kib, i->vcpus, (double)i->cpu_ns / 1e9);
    if (i->model_pid)
        printf(", \"device_model_pid\": %d", i->model_pid);
    if (i->id)
        printf(", \"device_model_lost\": %s", i->model_lost ? "true" : "false");
    if (*i->model_reason) {
        printf(", \"device_model_reason\": ");
        json_string(stdout, i->model_reason);
    }
}

static void list_json(const struct vm_info *list, size_t count)
{
    printf("[");
    for (size_t i = 0; i < count; i++) {
        printf("%s\n  ", i ? "," : "");
        info_json(&list[i]);
        printf("}");
    }
    printf("\n]\n");
}

static void list_text(const struct vm_info *list, size_t count)
{
    printf("%-5s %-24s %8s %6s %10s  %s\n", "ID", "NAME", "MiB", "VCPUS", "CPU s", "STATE");
    for (size_t i = 0; i < count; i++)
        printf("%-5u %-24s %8llu %6u %10.1f  %s%s%s\n", list[i].id,
               *list[i].name ? list[i].name : "-", (unsigned long long)list[i].memory_kib >> 10,
               list[i].vcpus, (double)list[i].cpu_ns / 1e9, state_text(&list[i]),
               *model_text(&list[i]) ? ", " : "", model_text(&list[i]));
}

int do_list(const struct options *o)
{
    struct vm_info *list;
    size_t count;
    int rc = vmctl_list(handle, &list, &count);

    if (rc)
        return failed(rc);
    (o->json ? list_json : list_text)(list, count);
    free(list);
    return EXIT_OK;
}

static void access_json(const struct vm_access *a)
{
    const struct {
        const char *key, *value;
    } entries[] = {
        {"vnc", a->vnc}, {"serial", a->serial}, {"console", a->console}, {"qmp", a->qmp}};

    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        if (!*entries[i].value)
            continue;
        printf(", \"%s\": ", entries[i].key);
        json_string(stdout, entries[i].value);
    }
}

static void info_text(const struct vm_info *i, const struct vm_access *a)
{
    char uuid[UUID_TEXT];

    uuid_format(i->uuid, uuid);
    printf("Name:         %s\n", i->name);
    printf("Domain:       %u\n", i->id);
    printf("UUID:         %s\n", uuid);
    printf("State:        %s%s%s\n", vm_state_name(i->state), i->state == VM_SHUTDOWN ? ": " : "",
           i->state == VM_SHUTDOWN ? vm_shutdown_name(i->reason) : "");
    printf("Memory:       %llu MiB\n", (unsigned long long)i->memory_kib >> 10);
    printf("Vcpus:        %u\n", i->vcpus);
    printf("Run time:     %.3f s\n", (double)i->cpu_ns / 1e9);
    if (i->model_pid)
        printf("Device model: process %d\n", i->model_pid);
    if (*model_text(i))
        printf("Trouble:      %s\n", model_text(i));
    if (*a->vnc)
        printf("VNC:          %s\n", a->vnc);
    if (*a->serial)
        printf("Serial port:  %s\n", a->serial);
    if (*a->console)
        printf("Console:      %s\n", a->console);
}

int do_info(const struct options *o)
{
    struct vm_access a;
    struct vm_info i;
    int rc = find_domain(o, &i);

    if (rc)
        return rc;
    rc = vmctl_access(handle, i.id, &a);
    if (o->json) {
        info_json(&i);
        access_json(&a);
        printf("}\n");
    } else {
        info_text(&i, &a);
    }
    return rc ? failed(rc) : EXIT_OK;
}

/* Where the screen is, for a person and for a viewer's command line. */
int do_vnc(const struct options *o)
{
    struct vm_access a;
    struct vm_info i;
    int rc = find_access(o, &i, &a);

    if (rc)
        return rc;
    if (!*a.vnc)
        return say(EXIT_FAILED, "The screen of %s is not shown by VNC.", i.name);
    if (!o->json) {
        printf("%s\n", a.vnc);
        return EXIT_OK;
    }
    printf("{\"vnc\": ");
    json_string(stdout, a.vnc);
    printf("}\n");
    return EXIT_OK;
}

/* ---- stats ---- */

static uint64_t sum(const uint64_t *count, unsigned n)
{
    uint64_t all = 0;

    while (n--)
        all += *count++;
    return all;
}

static void numbers_json(const uint64_t *n, unsigned count)
{
    printf("[");
    for (unsigned i = 0; i < count; i++)
        printf("%s%" PRIu64, i ? ", " : "", n[i]);
    printf("]");
}

static void stats_json(const struct vm_info *info, const struct vm_stats *s)
{
    printf("{\"id\": %u, \"name\": ", info->id);
    json_string(stdout, info->name);
    printf(", \"run_ns\": ");
    numbers_json(s->run_ns, s->vcpus);
    printf(",\n \"exits\": {");
    for (unsigned i = 0; i < s->reasons; i++) {
        printf("%s\n  ", i ? "," : "");
        json_string(stdout, s->exits[i].reason);
        printf(": ");
        numbers_json(s->exits[i].count, s->vcpus);
    }
    printf("},\n \"ioreqs\": [");
    for (unsigned i = 0; i < s->servers; i++)
        printf("%s\n  {\"server\": %u, \"sent\": %" PRIu64 ", \"posted\": %" PRIu64 "}",
               i ? "," : "", s->ioreqs[i].server, s->ioreqs[i].sent, s->ioreqs[i].posted);
    printf("]}\n");
}

static void vcpus_text(const struct vm_stats *s)
{
    for (unsigned i = 0; s->vcpus > 1 && i < s->vcpus; i++)
        printf(" %11s%-2u", "vcpu", i);
    printf("\n");
}

static void row_text(const char *name, const uint64_t *count, unsigned vcpus)
{
    printf("  %-18s %12" PRIu64, name, sum(count, vcpus));
    for (unsigned i = 0; vcpus > 1 && i < vcpus; i++)
        printf(" %13" PRIu64, count[i]);
    printf("\n");
}

static void stats_text(const struct vm_info *info, const struct vm_stats *s)
{
    uint64_t ms[VM_MAX_VCPUS];

    printf("%s, domain %u\n%-20s %12s", info->name, info->id, "Exits", "all");
    vcpus_text(s);
    for (unsigned i = 0; i < s->reasons; i++)
        row_text(s->exits[i].reason, s->exits[i].count, s->vcpus);
    for (unsigned i = 0; i < s->vcpus; i++)
        ms[i] = s->run_ns[i] / 1000000;
    printf("Run time, ms\n");
    row_text("", ms, s->vcpus);
    printf("%-20s %12s %13s\n", "Requests to", "waited for", "posted");
    for (unsigned i = 0; i < s->servers; i++)
        printf("  server %-11u %12" PRIu64 " %13" PRIu64 "\n", s->ioreqs[i].server,
               s->ioreqs[i].sent, s->ioreqs[i].posted);
}

int do_stats(const struct options *o)
{
    struct vm_stats *s = malloc(sizeof(*s));
    struct vm_info i;
    int rc = s ? find_domain(o, &i) : say(EXIT_FAILED, "No memory.");

    if (rc == EXIT_OK) {
        rc = vmctl_stats(handle, i.id, s);
        rc = rc ? failed(rc) : EXIT_OK;
    }
    if (rc == EXIT_OK)
        (o->json ? stats_json : stats_text)(&i, s);
    free(s);
    return rc;
}

/* ---- the hypervisor's log ---- */

int do_dmesg(const struct options *o)
{
    uint32_t index = 0;
    char *text;

    do {
        int rc = vmctl_log(handle, &index, &text);

        if (rc)
            return failed(rc);
        fputs(text, stdout);
        fflush(stdout);
        free(text);
    } while (o->follow && sleep(1) == 0);
    return EXIT_OK;
}
