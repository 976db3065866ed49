/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where things lie in root mode's virtual address space (shared with NASM by build/offsets.inc).
 *
 *   ffff8000_00000000  DIRECT   all RAM, host-physical + DIRECT_BASE, writable, never executable;
 * the image itself is absent here, so no frame is both writable and code ffffc000_00000000  DEVICE
 * uncached windows handed out by vmem_map_device() ffffc080_00000000  STACKS   one slot of
 * STACK_SLOT per stack, its lowest page a guard page ffffffff_80000000  IMAGE    the ELF as linked:
 * text rx, rodata r, data and bss rw
 *
 * The image is linked here and may be loaded at any 2 MiB aligned physical address below 4 GiB.
 */
#ifndef HV_LAYOUT_H
#define HV_LAYOUT_H

#define IMAGE_BASE  0xffffffff80000000
#define DIRECT_BASE 0xffff800000000000
#define DIRECT_SIZE 0x0000400000000000
#define DEVICE_BASE 0xffffc00000000000
#define STACKS_BASE 0xffffc08000000000

#define STACK_SLOT  0x10000 /* bytes of address space per stack */
#define STACK_SIZE  0x4000  /* bytes mapped, at the slot's top */

#define MAX_CPUS    64

#endif
