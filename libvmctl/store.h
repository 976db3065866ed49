/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's entries in the store: what hvmloader, the guest's drivers, QEMU and this library read.
 */
#ifndef LIBVMCTL_STORE_H
#define LIBVMCTL_STORE_H

#include "libvmctl/build.h"
#include "libvmctl/handle.h"

/* Writes them and tells the store about the domain. With a sentence. */
int store_create(struct vmctl *v, const struct vm_config *c, const struct build *b);
/* Removes them all; nothing there is no error. */
void store_remove(struct vmctl *v, uint16_t id);

/* The value of /local/domain/ID/KEY without a newline; false: there is none, or it is too long. */
bool store_get(struct vmctl *v, uint16_t id, const char *key, char *value, size_t size);
int store_set(struct vmctl *v, uint16_t id, const char *key, const char *value);

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" and a 0 */
#define UUID_TEXT 37
void uuid_format(const uint8_t uuid[16], char text[UUID_TEXT]);

#endif
