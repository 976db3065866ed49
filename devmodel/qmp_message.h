/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON objects in a stream of bytes, and the members of one, without making anything of them. */
#ifndef DEVMODEL_QMP_MESSAGE_H
#define DEVMODEL_QMP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

struct text {
    const char *at; /* NULL: there is none */
    size_t length;
};

/* The first whole object in it; what lies before belongs to none. at is NULL while the object has
 * no end. */
struct text qmp_object(const char *data, size_t size);

/* The value of the object's own member of that name, as it is written there. */
struct text qmp_member(struct text object, const char *name);

/* Is it that string? Escapes are not looked into. */
bool qmp_is(struct text value, const char *string);

/* The string that value is, without quotes and escapes; false: it is none, or too long. */
bool qmp_string(struct text value, char *to, size_t size);

#endif
