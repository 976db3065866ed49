/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest's processes in the privileged domain give up, since a guest may come to be their
 * master. Each function is called in the process itself, while that has one thread, and says one
 * sentence on standard error if it fails. */
#ifndef DEVMODEL_CONFINE_H
#define DEVMODEL_CONFINE_H

#include <stdbool.h>
#include <sys/types.h>

/* An empty directory that nobody can write to, as a root. It is made if it is not there. */
#define CONFINE_PARENT "/run/vmctl"
#define CONFINE_ROOT   "/run/vmctl/empty"

/* Closes every descriptor above 2 that is not in the list, which ends with -1. */
void confine_descriptors(const int *keep);

/* For a program that sets itself up as root and then drops that (QEMU by -runas and -chroot): no
 * capability but those it takes to get there, none to be regained, own mounts, limited resources,
 * no system call that it has no business with. */
bool confine_program(void);

/* For this process, when it is set up: all of the above, and it is this user, and sees no file. */
bool confine_drop(uid_t uid);

#endif
