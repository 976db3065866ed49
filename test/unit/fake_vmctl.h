/* SPDX-License-Identifier: BSD-2-Clause */
/* libvmctl's handle without Xen: sentences are kept, and the store is a list in memory. */
#ifndef TEST_FAKE_VMCTL_H
#define TEST_FAKE_VMCTL_H

#include "libvmctl/handle.h"

/* 0: what is asked for now works. Otherwise how many steps that can fail still do not. */
extern unsigned fake_steps_left;
/* True for the step that is to fail, errno being set. */
bool fake_fails(void);

void fake_store_clear(void);
/* How many entries it has at or below that path. */
unsigned fake_store_count(const char *path);
void fake_store_put(const char *path, const char *value);
/* NULL: there is none. */
const char *fake_store_value(const char *path);

/* Is that what a person can be told: one sentence, with an end? */
bool fake_is_sentence(const char *text);

#endif
