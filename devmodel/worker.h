/* SPDX-License-Identifier: BSD-2-Clause */
/* The process that models a guest's clocks and power management. It answers the guest's requests in
 * one thread and lets time pass in another; once it serves, it can touch no other guest and no
 * file.
 *
 * Whoever started it speaks to it by a socket of packets: struct worker_order to it; from it struct
 * worker_status, once when it is ready and then for each order. It ends with the socket. */
#ifndef DEVMODEL_WORKER_H
#define DEVMODEL_WORKER_H

#include "devmodel/firmware.h"
#include "devmodel/machine.h"
#include <stdint.h>
#include <sys/types.h>

struct worker_config {
    struct machine_config machine;
    uint16_t domid;
    uid_t uid; /* what it runs as, and the group; 0: as it is */
    bool uefi; /* the firmware is told things by QEMU's configuration device */
    char boot_order[FIRMWARE_BOOT_ORDER];
};

enum worker_order_kind {
    WORKER_TELL,
    WORKER_POWER_BUTTON,
    WORKER_SLEEP_BUTTON,
    WORKER_GPE,
    WORKER_RESET
};

struct worker_order {
    uint8_t kind;
    uint8_t event; /* WORKER_GPE: which */
};

struct worker_status {
    uint64_t requests; /* answered */
    uint64_t dropped;  /* periodic interrupts nobody had time for */
    int64_t ahead;     /* seconds by which the guest's clock is ahead of UTC */
};

/* Does not return: exits with 0 when the socket is closed, with 1 and a sentence if it cannot
 * serve. */
_Noreturn void worker_run(const struct worker_config *c, int socket);

#endif
