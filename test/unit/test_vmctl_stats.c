/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "libvmctl/stats.h"

static struct vm_stats s;

static void exits(void **state)
{
    (void)state;
    s = (struct vm_stats){.vcpus = 2, .reasons = 9};
    stats_parse_exits("cpuid 12 18446744073709551615\nhlt 0 5\n", &s);
    assert_int_equal(s.reasons, 2);
    assert_string_equal(s.exits[0].reason, "cpuid");
    assert_int_equal(s.exits[0].count[0], 12);
    assert_int_equal(s.exits[0].count[1], UINT64_MAX);
    assert_string_equal(s.exits[1].reason, "hlt");
    assert_int_equal(s.exits[1].count[1], 5);
    stats_parse_exits("", &s);
    assert_int_equal(s.reasons, 0);
}

/* A later hypervisor may say more, or something else. */
static void strange_exits(void **state)
{
    char *many = malloc(100000), *p = many;

    (void)state;
    s = (struct vm_stats){.vcpus = 1};
    stats_parse_exits("\n 5\nio 7 8 9\nnumberless\na_name_that_is_far_too_long 1\nhlt 3", &s);
    assert_int_equal(s.reasons, 2);
    assert_string_equal(s.exits[0].reason, "io");
    assert_int_equal(s.exits[0].count[0], 7);
    assert_int_equal(s.exits[0].count[1], 0);
    assert_string_equal(s.exits[1].reason, "hlt");
    for (int i = 0; i < 2 * VM_MAX_REASONS; i++)
        p += sprintf(p, "reason%d %d\n", i, i);
    stats_parse_exits(many, &s);
    assert_int_equal(s.reasons, VM_MAX_REASONS);
    assert_int_equal(s.exits[VM_MAX_REASONS - 1].count[0], VM_MAX_REASONS - 1);
    free(many);
}

static void ioreqs(void **state)
{
    (void)state;
    stats_parse_ioreqs("0 3 0\nnonsense\n7 18446744073709551615 12 5\n1 2\n", &s);
    assert_int_equal(s.servers, 2);
    assert_int_equal(s.ioreqs[0].server, 0);
    assert_int_equal(s.ioreqs[0].sent, 3);
    assert_int_equal(s.ioreqs[0].posted, 0);
    assert_int_equal(s.ioreqs[1].server, 7);
    assert_int_equal(s.ioreqs[1].sent, UINT64_MAX);
    assert_int_equal(s.ioreqs[1].posted, 12);
    stats_parse_ioreqs("0 1 1\n1 1 1\n2 1 1\n3 1 1\n4 1 1\n5 1 1\n6 1 1\n7 1 1\n8 1 1\n", &s);
    assert_int_equal(s.servers, VM_MAX_SERVERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(exits), cmocka_unit_test(strange_exits),
                                       cmocka_unit_test(ioreqs)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
