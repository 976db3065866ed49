/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has run how much since the last look. */
#include "libvmctl/command.h"
#include "libvmctl/json.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DELAY_SECONDS 2

/* Of one domain, at one time. */
struct sample {
    struct vm_info info;
    uint64_t exits, sent, posted;
};

struct look {
    struct vm_host host;
    struct timespec time;
    struct sample *sample;
    size_t count;
};

/* What one domain did per second. */
struct rate {
    double cpu, exits, sent, posted;
};

/* ---- looking ---- */

static void add_up(struct sample *s, const struct vm_stats *stats)
{
    for (unsigned r = 0; r < stats->reasons; r++)
        for (unsigned i = 0; i < stats->vcpus; i++)
            s->exits += stats->exits[r].count[i];
    for (unsigned i = 0; i < stats->servers; i++) {
        s->sent += stats->ioreqs[i].sent;
        s->posted += stats->ioreqs[i].posted;
    }
}

/* A domain that has gone since the list was made is left out. */
static int sample_all(struct look *l, const struct vm_info *list, size_t count)
{
    struct vm_stats *stats = malloc(sizeof(*stats));

    l->sample = calloc(count, sizeof(*l->sample));
    if (!stats || !l->sample) {
        free(stats);
        return say(EXIT_FAILED, "No memory.");
    }
    for (size_t i = 0; i < count; i++) {
        if (vmctl_stats(handle, list[i].id, stats))
            continue;
        l->sample[l->count].info = list[i];
        add_up(&l->sample[l->count++], stats);
    }
    free(stats);
    return EXIT_OK;
}

static int take_look(struct look *l)
{
    struct vm_info *list = NULL;
    size_t count = 0;
    int rc = vmctl_host(handle, &l->host);

    l->count = 0;
    l->sample = NULL;
    clock_gettime(CLOCK_MONOTONIC, &l->time);
    if (rc == 0)
        rc = vmctl_list(handle, &list, &count);
    if (rc)
        return failed(rc);
    rc = sample_all(l, list, count);
    free(list);
    return rc;
}

/* ---- comparing ---- */

static double seconds_between(const struct look *a, const struct look *b)
{
    return (double)(b->time.tv_sec - a->time.tv_sec) +
           (double)(b->time.tv_nsec - a->time.tv_nsec) / 1e9;
}

/* The same domain before, not another one that has its number. */
static const struct sample *before(const struct look *l, const struct vm_info *i)
{
    for (size_t n = 0; n < l->count; n++)
        if (l->sample[n].info.id == i->id &&
            memcmp(l->sample[n].info.uuid, i->uuid, sizeof(i->uuid)) == 0)
            return &l->sample[n];
    return NULL;
}

static double per_second(uint64_t now, uint64_t then, double seconds)
{
    return now > then && seconds > 0 ? (double)(now - then) / seconds : 0;
}

static struct rate rate_of(const struct look *old, const struct look *new, const struct sample *s)
{
    static const struct sample nothing;
    const struct sample *was = before(old, &s->info);
    double t = seconds_between(old, new);

    if (!was)
        was = &nothing; /* it began in between */
    return (struct rate){.cpu = per_second(s->info.cpu_ns, was->info.cpu_ns, t) / 1e7,
                         .exits = per_second(s->exits, was->exits, t),
                         .sent = per_second(s->sent, was->sent, t),
                         .posted = per_second(s->posted, was->posted, t)};
}

static double busy_percent(const struct look *old, const struct look *new)
{
    double idle = per_second(new->host.idle_ns, old->host.idle_ns, seconds_between(old, new)) / 1e7;
    double busy = new->host.cpus ? 100 - idle / new->host.cpus : 0;

    return busy > 0 ? busy : 0;
}

/* ---- showing ---- */

static void show_text(const struct look *old, const struct look *new)
{
    const struct vm_host *h = &new->host;

    if (isatty(1))
        printf("\033[H\033[J");
    printf("%u CPUs at %u MHz, %.1f %% busy; %" PRIu64 " MiB, %" PRIu64 " MiB free\n\n", h->cpus,
           h->khz / 1000, busy_percent(old, new), h->memory_kib >> 10, h->free_kib >> 10);
    printf("%-5s %-20s %-9s %6s %6s %8s %10s %10s %10s\n", "ID", "NAME", "STATE", "VCPUS", "CPU %",
           "MiB", "EXITS/s", "IOREQS/s", "POSTED/s");
    for (size_t i = 0; i < new->count; i++) {
        const struct sample *s = &new->sample[i];
        struct rate r = rate_of(old, new, s);

        printf("%-5u %-20.20s %-9s %6u %6.1f %8" PRIu64 " %10.0f %10.0f %10.0f\n", s->info.id,
               *s->info.name ? s->info.name : "-", vm_state_name(s->info.state), s->info.vcpus,
               r.cpu, s->info.memory_kib >> 10, r.exits, r.sent, r.posted);
    }
}

/* One line, so that a program can read it while the next is not there yet. */
static void show_json(const struct look *old, const struct look *new)
{
    const struct vm_host *h = &new->host;

    printf("{\"cpus\": %u, \"mhz\": %u, \"busy_percent\": %.1f, \"memory_kib\": %" PRIu64
           ", \"free_kib\": %" PRIu64 ", \"seconds\": %.3f, \"domains\": [",
           h->cpus, h->khz / 1000, busy_percent(old, new), h->memory_kib, h->free_kib,
           seconds_between(old, new));
    for (size_t i = 0; i < new->count; i++) {
        const struct sample *s = &new->sample[i];
        struct rate r = rate_of(old, new, s);

        printf("%s{\"id\": %u, \"name\": ", i ? ", " : "", s->info.id);
        json_string(stdout, s->info.name);
        printf(", \"state\": \"%s\", \"vcpus\": %u, \"cpu_percent\": %.1f, \"memory_kib\": %" PRIu64
               ", \"exits_per_second\": %.0f, \"ioreqs_per_second\": %.0f"
               ", \"posted_per_second\": %.0f}",
               vm_state_name(s->info.state), s->info.vcpus, r.cpu, s->info.memory_kib, r.exits,
               r.sent, r.posted);
    }
    printf("]}\n");
}

int do_top(const struct options *o)
{
    struct look old, new = {0};
    int rc = take_look(&old);

    for (unsigned i = 0; rc == EXIT_OK && (i < o->rounds || o->rounds == 0); i++) {
        sleep(o->delay ? o->delay : DELAY_SECONDS);
        rc = take_look(&new);
        if (rc == EXIT_OK) {
            (o->json ? show_json : show_text)(&old, &new);
            fflush(stdout);
        }
        free(old.sample);
        old = new;
    }
    free(old.sample);
    return rc;
}
