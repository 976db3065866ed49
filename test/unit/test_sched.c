/* SPDX-License-Identifier: BSD-2-Clause */
/* The scheduler, driven by a virtual clock: who runs, for how long, and that nobody starves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "hv/errno.h"
#include "hv/sched.h"
#include "random.h"

#define MS      1000000ull
#define BLOCKED 1u
#define MANY    8

static struct run_queue rq[2];
static struct sched_entity e[MANY];
static u64 now;

static int setup(void **state)
{
    (void)state;
    now = 1;
    for (unsigned i = 0; i < 2; i++)
        sched_queue_init(&rq[i], i);
    for (unsigned i = 0; i < MANY; i++)
        sched_entity_init(&e[i], 0, BLOCKED);
    return 0;
}

static struct sched_entity *pick(u64 *slice)
{
    u64 none;

    return sched_pick(&rq[0], NULL, now, slice ? slice : &none);
}

/* Lets the queue run for ms, ending each slice when it is due and looking in at least every
 * millisecond. */
static void run_for(u64 ms)
{
    u64 end = now + ms * MS;

    while (now < end) {
        u64 slice = 0;

        pick(&slice);
        now += slice && slice < MS ? slice : MS;
    }
    pick(NULL);
}

static void idle_when_nobody_can_run(void **state)
{
    (void)state;
    assert_null(pick(NULL));
    assert_int_equal(sched_unblock(&e[0], BLOCKED), 0);
    assert_ptr_equal(pick(NULL), &e[0]);
    sched_block(&e[0], BLOCKED);
    assert_null(pick(NULL));
}

/* However many took turns, and whoever of them is gone: the CPU's time stays counted. */
static void time_of_the_cpu(void **state)
{
    (void)state;
    now = 5 * MS;
    assert_int_equal(sched_busy(&rq[0], now), 0);
    pick(NULL); /* idle until here */
    sched_unblock(&e[0], BLOCKED);
    sched_unblock(&e[1], BLOCKED);
    run_for(20);
    assert_int_equal(sched_busy(&rq[0], now), 20 * MS);
    assert_int_equal(sched_busy(&rq[0], now + MS), 21 * MS); /* the turn that lasts */
    sched_block(&e[0], BLOCKED);
    sched_block(&e[1], BLOCKED);
    pick(NULL);
    memset(e, 0, sizeof(e));
    assert_int_equal(sched_busy(&rq[0], now + 9 * MS), 20 * MS);
    assert_int_equal(sched_busy(&rq[1], now), 0);
}

static void alone_needs_no_slice(void **state)
{
    u64 slice = 1;

    (void)state;
    sched_unblock(&e[0], BLOCKED);
    pick(&slice);
    assert_int_equal(slice, 0);
    sched_unblock(&e[1], BLOCKED);
    pick(&slice);
    assert_int_equal(slice, SCHED_SLICE_NS);
}

/* One that came while another ran alone gets its turn: that one's has an end from now on. */
static void a_newcomer_ends_solitude(void **state)
{
    u64 slice;

    (void)state;
    sched_unblock(&e[0], BLOCKED);
    sched_unblock(&e[1], BLOCKED);
    run_for(10);
    sched_block(&e[1], BLOCKED);
    pick(&slice);
    assert_int_equal(slice, 0);
    assert_int_equal(sched_unblock(&e[1], BLOCKED), 0);
    pick(&slice);
    assert_int_equal(slice, SCHED_SLICE_NS);
}

static void every_reason_must_go(void **state)
{
    (void)state;
    sched_block(&e[0], 2);
    assert_int_equal(sched_unblock(&e[0], BLOCKED), -1);
    assert_null(pick(NULL));
    assert_int_equal(sched_unblock(&e[0], 2), 0);
    assert_ptr_equal(pick(NULL), &e[0]);
}

static void weights_are_shares(void **state)
{
    u64 total;

    (void)state;
    assert_int_equal(sched_set_weight(&e[1], 512), 0);
    assert_int_equal(sched_set_weight(&e[2], 1024), 0);
    for (unsigned i = 0; i < 3; i++)
        sched_unblock(&e[i], BLOCKED);
    run_for(7000);
    total = e[0].runtime + e[1].runtime + e[2].runtime;
    assert_in_range(e[0].runtime * 1000 / total, 1000 / 7 - 10, 1000 / 7 + 10);
    assert_in_range(e[1].runtime * 1000 / total, 2000 / 7 - 10, 2000 / 7 + 10);
    assert_in_range(e[2].runtime * 1000 / total, 4000 / 7 - 10, 4000 / 7 + 10);
}

static void weights_have_bounds(void **state)
{
    (void)state;
    assert_int_equal(sched_set_weight(&e[0], 0), -EINVAL);
    assert_int_equal(sched_set_weight(&e[0], SCHED_WEIGHT_MAX + 1), -EINVAL);
    assert_int_equal(sched_set_weight(&e[0], SCHED_WEIGHT_MAX), 0);
}

/* What comes for a boostable entity makes it run at once, for a slice in all; then it shares. */
static void a_boost_lasts_a_slice(void **state)
{
    u64 slice;

    (void)state;
    e[1].boostable = true;
    sched_unblock(&e[0], BLOCKED);
    pick(NULL);
    assert_int_equal(sched_unblock(&e[1], BLOCKED), 0); /* the CPU must pick again */
    assert_ptr_equal(pick(&slice), &e[1]);
    assert_int_equal(slice, SCHED_SLICE_NS);
    now += MS;
    assert_ptr_equal(pick(&slice), &e[1]);
    assert_int_equal(slice, SCHED_SLICE_NS - MS);
    now += slice;
    assert_ptr_equal(pick(NULL), &e[0]);
    assert_int_equal(sched_boost(&e[0]), -1); /* is not boostable */
    assert_int_equal(sched_boost(&e[1]), 0);
    assert_int_equal(sched_boost(&e[1]), -1); /* is urgent already */
    assert_ptr_equal(pick(NULL), &e[1]);
}

/* Years of urgent work do not make it wait behind the others for years. */
static void a_boost_is_forgiven(void **state)
{
    u64 before;

    (void)state;
    e[1].boostable = true;
    sched_unblock(&e[1], BLOCKED);
    run_for(1000 * 1000);
    sched_unblock(&e[0], BLOCKED);
    before = e[1].runtime;
    run_for(1000);
    assert_in_range((e[1].runtime - before) / MS, 470, 530);
}

/* Who slept for an hour gets its turn at once, and no more than its share from then on. */
static void sleepers_do_not_hoard(void **state)
{
    u64 before;

    (void)state;
    sched_unblock(&e[0], BLOCKED);
    run_for(3600 * 1000);
    assert_int_equal(sched_unblock(&e[1], BLOCKED), 0);
    assert_ptr_equal(pick(NULL), &e[1]);
    before = e[0].runtime;
    run_for(1000);
    assert_in_range((e[0].runtime - before) / MS, 480, 510);
}

/* Nor does one that sleeps and wakes all the time. */
static void naps_are_fair(void **state)
{
    (void)state;
    sched_unblock(&e[0], BLOCKED);
    sched_unblock(&e[1], BLOCKED);
    for (unsigned i = 0; i < 2000; i++) {
        run_for(1);
        if (e[1].running) {
            sched_block(&e[1], BLOCKED);
            pick(NULL);
            sched_unblock(&e[1], BLOCKED);
        }
    }
    assert_in_range(e[1].runtime * 100 / (e[0].runtime + e[1].runtime), 40, 60);
}

static struct sched_entity *give(struct sched_entity *to)
{
    u64 slice;

    return sched_pick(&rq[0], to, now, &slice);
}

static void direct_switch_and_back(void **state)
{
    (void)state;
    e[0].boostable = true;
    for (unsigned i = 0; i < 3; i++)
        sched_unblock(&e[i], BLOCKED);
    assert_ptr_equal(pick(NULL), &e[0]);
    assert_ptr_equal(give(&e[3]), &e[0]); /* it is blocked */
    assert_ptr_equal(give(&e[2]), &e[2]);
    assert_int_equal(sched_boost(&e[0]), 0);
    assert_ptr_equal(give(&e[1]), &e[0]); /* an urgent one waits */
}

/* One that has an entity work for it all the time, as a guest that floods ports does, pays for
 * that: the one that only computes keeps its half. */
static void who_asks_pays(void **state)
{
    struct sched_entity *server = &e[0], *asker = &e[1], *other = &e[2];

    (void)state;
    server->boostable = true;
    sched_unblock(asker, BLOCKED);
    sched_unblock(other, BLOCKED);
    while (now < 3000 * MS) {
        u64 slice = 0;
        struct sched_entity *c = pick(&slice);

        if (c != asker) {
            now += slice ? slice : MS;
            continue;
        }
        now += MS / 100; /* it asks */
        sched_block(asker, BLOCKED);
        sched_owe(asker);
        sched_unblock(server, BLOCKED);
        assert_ptr_equal(pick(NULL), server);
        now += MS / 10; /* it is served, and gets the turn if it may */
        sched_unblock(asker, BLOCKED);
        sched_block(server, BLOCKED);
        give(asker);
    }
    assert_in_range(other->runtime / MS, 1400, 1600);
    assert_in_range((asker->runtime + server->runtime) / MS, 1400, 1600);
}

static void nobody_owes_after_the_end(void **state)
{
    (void)state;
    e[0].boostable = true;
    sched_unblock(&e[1], BLOCKED);
    pick(NULL);
    sched_block(&e[1], BLOCKED);
    sched_owe(&e[1]);
    assert_ptr_equal(rq[0].debtor, &e[1]);
    sched_entity_fini(&e[1]);
    assert_null(rq[0].debtor);
    sched_owe(&e[2]); /* does not run */
    assert_null(rq[0].debtor);
}

/* Who has moved pays no more here, where its queue cannot be touched. */
static void debts_do_not_migrate(void **state)
{
    u64 slice, before;

    (void)state;
    e[0].boostable = true;
    sched_unblock(&e[1], BLOCKED);
    pick(NULL);
    sched_block(&e[1], BLOCKED);
    sched_owe(&e[1]);
    sched_unblock(&e[0], BLOCKED);
    assert_ptr_equal(pick(NULL), &e[0]);
    assert_int_equal(sched_migrate(&e[1], 1), 0);
    assert_null(rq[0].debtor);
    sched_migrate(&e[2], 1);
    sched_unblock(&e[2], BLOCKED);
    assert_ptr_equal(sched_pick(&rq[1], NULL, now, &slice), &e[2]);
    sched_unblock(&e[1], BLOCKED);
    before = e[1].vruntime;
    now += MS;
    assert_ptr_equal(pick(NULL), &e[0]);
    assert_int_equal(e[1].vruntime, before);
    assert_true(e[1].queued);
}

static void nobody_owes_after_migrating_and_the_end(void **state)
{
    (void)state;
    e[0].boostable = true;
    sched_unblock(&e[1], BLOCKED);
    pick(NULL);
    sched_block(&e[1], BLOCKED);
    sched_owe(&e[1]);
    sched_unblock(&e[0], BLOCKED);
    pick(NULL);
    assert_int_equal(sched_migrate(&e[1], 1), 0);
    sched_entity_fini(&e[1]);
    memset(&e[1], 0xff, sizeof(e[1])); /* its memory is somebody else's */
    now += MS;
    assert_ptr_equal(pick(NULL), &e[0]);
    assert_int_equal(e[1].vruntime, ~0ull);
}

static void only_the_stopped_migrate(void **state)
{
    u64 slice;

    (void)state;
    sched_unblock(&e[0], BLOCKED);
    assert_int_equal(sched_migrate(&e[0], 1), -EBUSY);
    pick(NULL);
    assert_int_equal(sched_migrate(&e[0], 1), -EBUSY);
    sched_block(&e[0], BLOCKED);
    pick(NULL);
    assert_int_equal(sched_migrate(&e[0], 1), 0);
    assert_int_equal(sched_unblock(&e[0], BLOCKED), 1);
    assert_ptr_equal(sched_pick(&rq[1], NULL, now, &slice), &e[0]);
    e[1].pinned = 0;
    assert_int_equal(sched_migrate(&e[1], 1), -EINVAL);
}

/* Random life: at any time exactly one runs if any can, time is accounted for to the nanosecond,
 * and nobody that can run waits longer than all the others' slices. */
static void random_life(void **state)
{
    u64 busy = 0, sum = 0;
    u64 waiting[MANY] = {0};

    (void)state;
    random_init();
    for (unsigned step = 0; step < 100000; step++) {
        unsigned i = (unsigned)random_below(MANY);
        u64 slice = 0, run = random_below(2 * MS) + 1;
        struct sched_entity *c;

        if (random_below(4) == 0)
            e[i].blocked ? (void)sched_unblock(&e[i], BLOCKED) : sched_block(&e[i], BLOCKED);
        c = pick(&slice);
        for (unsigned j = 0; j < MANY; j++) {
            assert_true(e[j].blocked || e[j].queued || e[j].running);
            assert_false(e[j].queued && e[j].running);
            waiting[j] = e[j].queued ? waiting[j] + run : 0;
            assert_true(waiting[j] < 4 * MANY * SCHED_SLICE_NS);
        }
        now += run;
        busy += c ? run : 0;
    }
    pick(NULL);
    for (unsigned j = 0; j < MANY; j++)
        sum += e[j].runtime;
    assert_int_equal(sum, busy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(idle_when_nobody_can_run, setup),
        cmocka_unit_test_setup(time_of_the_cpu, setup),
        cmocka_unit_test_setup(alone_needs_no_slice, setup),
        cmocka_unit_test_setup(a_newcomer_ends_solitude, setup),
        cmocka_unit_test_setup(every_reason_must_go, setup),
        cmocka_unit_test_setup(weights_are_shares, setup),
        cmocka_unit_test_setup(weights_have_bounds, setup),
        cmocka_unit_test_setup(a_boost_lasts_a_slice, setup),
        cmocka_unit_test_setup(a_boost_is_forgiven, setup),
        cmocka_unit_test_setup(who_asks_pays, setup),
        cmocka_unit_test_setup(nobody_owes_after_the_end, setup),
        cmocka_unit_test_setup(debts_do_not_migrate, setup),
        cmocka_unit_test_setup(nobody_owes_after_migrating_and_the_end, setup),
        cmocka_unit_test_setup(sleepers_do_not_hoard, setup),
        cmocka_unit_test_setup(naps_are_fair, setup),
        cmocka_unit_test_setup(direct_switch_and_back, setup),
        cmocka_unit_test_setup(only_the_stopped_migrate, setup),
        cmocka_unit_test_setup(random_life, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
