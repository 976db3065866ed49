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

/* A string with its quotes. */
void json_string(FILE *f, const char *s);

#endif
