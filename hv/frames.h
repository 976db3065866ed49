/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page frames: who has them, and how many hold on to them.
 *
 *             frames_alloc()                frame_own()
 *   free  ------------------>  used  ------------------->  owned by a domain, 1 reference each
 *    ^  <------------------   (root mode's)                 |  ^ frame_get(), frame_put()
 *    |      frames_free()                                   |  | more references, or fewer
 *    |                                                      v
 *    +---- last reference dropped  <-----------------  released by its owner
 *
 * A frame that one domain gave up while another still maps it is nobody's until that one lets go,
 * so nobody ever finds a stranger's frame in his hands.
 *
 * Free frames are a buddy system, 4 KiB (order 0) to 1 GiB (order 18). What is known of them takes
 * one word for each 2 MiB region; only a region whose frames differ has a page with a word for each
 * frame. RAM that never was in the pool (the privileged domain's) can be owned, referenced and
 * released the same way; the pool does not get it.
 *
 * Any CPU, any of these functions; they take the frame pool's lock, the last but one in the order.
 */
#ifndef HV_FRAMES_H
#define HV_FRAMES_H

#include "hv/compiler.h"
#include "hv/types.h"

#define FRAMES_2M        9  /* order of a 2 MiB block */
#define FRAMES_1G        18 /* order of a 1 GiB block, the largest */
#define FRAMES_MAX_ORDER FRAMES_1G

/* Flags of frames_alloc(). */
#define FRAMES_ZERO   1u /* cleared; else it holds what its last user left */
#define FRAMES_LOW    2u /* below 4 GiB */

#define FRAME_NOBODY  0xffff /* the owner of a frame no domain owns */
#define FRAME_ANYBODY 0xfffe /* frame_get(): whoever owns it */

struct frames_range {
    u64 base, size; /* bytes; what is not a whole page is left out */
};

struct frames_stats {
    u64 total;                        /* frames the pool was given */
    u64 free;                         /* of these, free */
    u64 details;                      /* of these, in use to describe others */
    u64 blocks[FRAMES_MAX_ORDER + 1]; /* free blocks by order */
};

/*
 * Starts the pool with these ranges, which are not to overlap. ram_end: the end of all RAM,
 * whoever's, of which frames may be owned. Frame f is accessible at direct + f * PAGE_SIZE. Keeps a
 * table of 8 bytes for each 2 MiB below ram_end in the largest range. Returns 0 or -ENOMEM. Boot
 * CPU.
 */
int frames_init(const struct frames_range *range, unsigned count, u64 ram_end,
                uintptr_t direct) __must_check;
/* More memory for the pool: never seen before, below ram_end. */
void frames_add(u64 base, u64 size);

/* 1 << order frames, aligned to their size. MFN_NONE if there are none. */
mfn_t frames_alloc(unsigned order, unsigned flags) __must_check;
/* Panics unless that very block is allocated, and not owned. */
void frames_free(mfn_t m, unsigned order);

/* The domain owns each of these frames from now on: whole blocks from frames_alloc() or RAM from
 * outside the pool. Returns 0; -EINVAL if a frame is neither, -EBUSY if one has an owner or is
 * still referenced, -ENOMEM; then nothing has changed. */
int frame_own(mfn_t m, u64 count, u16 domid) __must_check;
/* The owner gives the frames up. Those no one else refers to go back to the pool at once, the
 * others with their last reference. Returns 0; -EPERM if one is not domid's, -ENOMEM; then nothing
 * has changed. */
int frame_release(mfn_t m, u64 count, u16 domid) __must_check;

/* Refers to a frame that domid (or FRAME_ANYBODY) owns: until frame_put() it will not change hands.
 * Returns 0, -EPERM if it is somebody else's or nobody's, -ENOMEM, -EBUSY after 2^32 references. */
int frame_get(mfn_t m, u16 domid) __must_check;
/* Drops a reference that frame_get() took. Panics if there is none. */
void frame_put(mfn_t m);

u16 frame_owner(mfn_t m);
/* References, the owner's included; 0 for a frame that is not owned. */
u32 frame_refs(mfn_t m);

void frames_stats(struct frames_stats *s);

#endif
