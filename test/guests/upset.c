/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks root mode for trouble (test/hv/upset.h). Without options, for the kind that it must survive:
 * NMIs, in root mode and in guests. test/system/panic.sh gives it the others, by upset=WORD, and
 *
 *   both=1   the other vcpu asks at the same time
 *   halt=1   nothing is asked for: root mode is idle, and the script brings the trouble
 */
#include "guest.h"

#define ENOSYS     38
#define CALL_UPSET 1
#define CALL_NMIS  2
#define ROUNDS     200
#define BEAT       20000000ull

static volatile u32 beats, go;

/* That this goes on tells that its CPU does. */
static void beat(void)
{
    for (;;) {
        print("upset: beat\n");
        beats++;
        delay(BEAT);
    }
}

static void ask_too(void)
{
    beats = 2;
    while (!go)
        cpu_pause();
    hypercall(CALL_UPSET, 0, 0);
}

static void check_nmis(void)
{
    u64 missed = 0;

    for (unsigned i = 0; i < ROUNDS; i++)
        missed += hypercall(CALL_NMIS, 0, 0);
    check("nmis-reach-every-cpu", missed, 0);
}

void guest(void)
{
    if (!under_helium()) {
        check("bare-nobody-to-upset", 0, 0);
        return;
    }
    if (option("halt", 0)) {
        print("upset: halted\n");
        for (;;)
            asm volatile("cli; hlt");
    }
    if (option("vcpus", 1) == 2) {
        ap_start(option("both", 0) ? ask_too : beat);
        check("other-cpu-runs", WAIT_FOR(beats >= 2, LONG_WAIT), 1);
    }
    check_nmis();
    go = 1;
    check("nothing-asked-for", hypercall(CALL_UPSET, 0, 0), -ENOSYS);
}
