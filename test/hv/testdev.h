/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The dummy device test guests talk to, in helium-test.elf only. On a bare emulator the same ports
 * are QEMU's and Bochs' own (0e9h, 0f4h) or a guest finds by its signature that the device is not
 * there.
 *
 *   port 0e9h        w: debug console
 *   port 0f4h        w: the guest ends with this exit code
 *   port 600h-60fh   rw: sixteen bytes of scratch, any width
 *   port 610h  32    r: 'HTST': the device is there
 *   port 614h  32    w: line (bits 7:0) of the vIOAPIC and vPIC, level in bit 8
 *   port 618h  32    w: an MSI with this data to the APIC id in bits 31:24
 *   port 61ch   8    r: next of a counting stream, w: restarts it from the value (string I/O)
 *   fed40000h, 4 KiB rw: scratch memory that traps, any width; 0xff0: r: accesses so far
 */
#ifndef TEST_HV_TESTDEV_H
#define TEST_HV_TESTDEV_H

struct domain;

/* Ports and memory of the device, for d; its state lies in *d->owner (struct guest_run). -ENOSPC.
 */
int testdev_attach(struct domain *d);

#endif
