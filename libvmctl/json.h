/* SPDX-License-Identifier: BSD-2-Clause */
/* As much of JSON as is read and written here. */
#ifndef LIBVMCTL_JSON_H
#define LIBVMCTL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The first value of that key at any depth, if it is a string or a number, without quotes and with
 * its escapes undone (beyond ASCII: '?'). false: there is none, or it is too long. */
bool json_find(const char *text, const char *key, char *value, size_t size);

/* fn for each object of the first array in text, as a text of its own, until one returns false. */
void json_each(const char *text, bool (*fn)(void *arg, const char *object), void *arg);

/* A string with its quotes; and one that is the caller's to free(), or NULL: no memory. */
void json_string(FILE *f, const char *s);
char *json_quoted(const char *s);

#endif
