// SPDX-License-Identifier: BSD-2-Clause
//
// The dom0 tests' way of counting and saying: one line per group of checks, one per failure, and a
// closing line that a script reads.

#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned check_passed, check_failed;
static unsigned group_passed, group_failed;

// check(CONDITION, FORMAT, ...): counts; says what was wrong only where it was.
__attribute__((format(printf, 2, 3))) static inline bool check(bool good, const char *format, ...)
{
    va_list args;

    if (good) {
        group_passed++;
        return true;
    }
    group_failed++;
    va_start(args, format);
    printf("not ok: ");
    vprintf(format, args);
    printf("\n");
    fflush(stdout);
    va_end(args);
    return false;
}

// Closes a group of checks with one line.
static inline void group_done(const char *name)
{
    printf("%s %s: %u checks, %u failed\n", group_failed ? "FAIL" : "PASS", name,
           group_passed + group_failed, group_failed);
    fflush(stdout);
    check_passed += group_passed;
    check_failed += group_failed;
    group_passed = group_failed = 0;
}

// The last line of a test program, and its exit status. A program that checked nothing has failed.
static inline int checks_done(void)
{
    printf("%u passed, %u failed\n", check_passed, check_failed);
    fflush(stdout);
    return check_failed == 0 && check_passed > 0 ? 0 : 1;
}

// Ends the program where going on makes no sense.
__attribute__((noreturn, format(printf, 1, 2))) static inline void fatal(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    printf("not ok: ");
    vprintf(format, args);
    printf("\n%u passed, %u failed\n", check_passed + group_passed,
           check_failed + group_failed + 1);
    fflush(stdout);
    va_end(args);
    exit(1);
}
