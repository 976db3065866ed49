/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When may memory that lock-free readers could still hold an address of be used again? When every CPU has
 * been outside root mode once since it was unlinked: in a guest, or asleep. Root mode keeps no such address
 * across a guest's run.
 *
 *   unlink; drop all locks; quiesce_wait(); free
 */
#ifndef HV_QUIESCE_H
#define HV_QUIESCE_H

/* The calling CPU leaves root mode's work, or is back. After the first it looks once more for requests, by
 * an atomic operation; the second is a full barrier itself. */
void quiesce_outside(void);
void quiesce_inside(void);

/* Returns when every other CPU has been outside. No lock held; the caller holds no such address itself. */
void quiesce_wait(void);

#endif
