/* SPDX-License-Identifier: BSD-2-Clause */
/* The privileged domain's end of a guest's network card. */
#ifndef LIBVMCTL_TAP_H
#define LIBVMCTL_TAP_H

/* Opens a tap of that name, puts it into the bridge (NULL: none) and brings it up. The descriptor,
 * which exec() keeps open, or -errno. The tap is gone when the last descriptor is closed. */
int tap_open(const char *name, const char *bridge);

#endif
