/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose sentence a host hears that cannot carry guests, in whatever order the vendors are linked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "hv/errno.h"
#include "hv/log.h"
#include "hv/vendor.h"

static struct {
    int rc;
    const char *why;
} answer[2];
static char said[160];

static int probe(unsigned n, struct vendor_caps *caps, const char **why)
{
    *why = answer[n].why;
    caps->max_asid = n;
    return answer[n].rc;
}

static int probe_first(struct vendor_caps *caps, const char **why)
{
    return probe(0, caps, why);
}

static int probe_second(struct vendor_caps *caps, const char **why)
{
    return probe(1, caps, why);
}

const struct vendor_ops vendor_first = {.name = "first", .probe = probe_first};
const struct vendor_ops vendor_second = {.name = "second", .probe = probe_second};

/* The linker script's table. */
__asm__(".pushsection .data.rel.ro.units,\"aw\"\n"
        ".balign 8\n"
        ".globl __units_start, __units_end\n"
        "__units_start: .quad vendor_first, vendor_second\n"
        "__units_end:\n"
        ".popsection");

void log_print(enum log_level level, const char *fmt, ...)
{
    va_list args;

    if (level != LOG_ERR)
        return;
    va_start(args, fmt);
    vsnprintf(said, sizeof(said), fmt, args);
    va_end(args);
}

static void expect(int first, const char *why1, int second, const char *why2, const char *sentence)
{
    answer[0].rc = first;
    answer[0].why = why1;
    answer[1].rc = second;
    answer[1].why = why2;
    said[0] = 0;
    vendor = NULL;
    assert_int_equal(vendor_probe(), -ENODEV);
    assert_null(vendor);
    assert_non_null(strstr(said, sentence));
}

static void test_the_cpus_own_vendor_speaks(void **state)
{
    (void)state;
    expect(-ENODEV, "ours lacks it", -ENOENT, "not mine", "ours lacks it");
    expect(-ENOENT, "not mine", -ENODEV, "ours lacks it", "ours lacks it");
}

static void test_nobodys_cpu(void **state)
{
    (void)state;
    expect(-ENOENT, "not mine", -ENOENT, "nor mine", "neither VT-x nor AMD-V");
    expect(-ENOENT, NULL, -ENOENT, NULL, "neither VT-x nor AMD-V");
}

static void test_the_one_that_can_is_taken(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 2; n++) {
        answer[n].rc = 0;
        answer[!n].rc = -ENOENT;
        answer[!n].why = "not mine";
        said[0] = 0;
        vendor = NULL;
        assert_int_equal(vendor_probe(), 0);
        assert_ptr_equal(vendor, n ? &vendor_second : &vendor_first);
        assert_int_equal(vendor_caps.max_asid, n);
        assert_string_equal(said, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_cpus_own_vendor_speaks),
        cmocka_unit_test(test_nobodys_cpu),
        cmocka_unit_test(test_the_one_that_can_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
