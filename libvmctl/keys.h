/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys that an xl.cfg text assigns to. libxlutil answers for keys one asks it for, and does not
 * tell which others there are; this does. */
#ifndef LIBVMCTL_KEYS_H
#define LIBVMCTL_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#define KEY_MAX 64

struct keys {
    const char *at;
    unsigned line; /* of the key found last */
    unsigned next_line;
};

void keys_start(struct keys *k, const char *text);
/* The next key, a NUL behind it; false: no more. One longer than KEY_MAX - 1 is cut off. */
bool keys_next(struct keys *k, char key[KEY_MAX]);

#endif
