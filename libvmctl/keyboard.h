/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys by name, and the keys that type a text. */
#ifndef LIBVMCTL_KEYBOARD_H
#define LIBVMCTL_KEYBOARD_H

#include <stddef.h>

#define STROKE_KEYS 8

/* Keys held down together, in order, by QEMU's names. */
struct stroke {
    const char *key[STROKE_KEYS];
    unsigned keys;
};

/* Names joined by '-' or '+', as in ctrl-alt-delete. -1 and *wrong, which points into text: no key
 * has that name, or there are too many. */
int stroke_parse(struct stroke *s, const char *text, const char **wrong);

/* The keys of a US keyboard that type character c (ASCII; newline is Enter). -1: none do. */
int stroke_for(struct stroke *s, char c);

/* The stroke as QMP's send-key takes it. -1: it does not fit; STROKE_JSON always does. */
#define STROKE_JSON 512
int stroke_json(const struct stroke *s, unsigned hold_ms, char *to, size_t size);

#endif
