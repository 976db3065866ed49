/* SPDX-License-Identifier: BSD-2-Clause */
/* What others say, made fit to be shown: QEMU's sentences get to root's terminal. */
#ifndef LIBVMCTL_PLAIN_H
#define LIBVMCTL_PLAIN_H

/* Control characters in text (UTF-8, or nearly) become spaces if they are white space, and '?' if
 * they are not. */
void make_plain(char *text);

#endif
