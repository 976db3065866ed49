/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer on what a QEMU that a guest has become master of may send by QMP: an object is found in
 * the bytes, its members are looked up, and what is found lies within.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -I. test/fuzz/fuzz_qmp.c
 * devmodel/qmp_message.c
 */
#include <stdint.h>
#include <stdlib.h>
#include "devmodel/qmp_message.h"

static void check(bool right)
{
    if (!right)
        abort();
}

static void within(struct text part, struct text whole)
{
    check(!part.at || (part.at >= whole.at && part.at + part.length <= whole.at + whole.length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"QMP", "event", "return", "id", "execute", "arguments"};
    struct text all = {(const char *)data, size}, object = qmp_object(all.at, all.length);
    char string[16];

    if (!object.at)
        return 0;
    within(object, all);
    check(*object.at == '{' && object.length >= 2);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct text value = qmp_member(object, names[i]);

        within(value, object);
        (void)qmp_string(value, string, sizeof(string));
        if (value.at && value.length && *value.at == '{')
            within(qmp_member(value, "filename"), value);
    }
    return 0;
}
