/* SPDX-License-Identifier: BSD-2-Clause */
/* From an exit's reason to the function that deals with it. */
#ifndef HV_EXIT_H
#define HV_EXIT_H

struct domain;
struct vcpu;

/* Deals with v->exit: the event that was interrupted first, then the reason. v's CPU. */
void exit_handle(struct vcpu *v);

/* REQ_IOREQ: goes on with the exit that waited for a device model, if that has answered. v's CPU, v
 * loaded and not entered since. */
void exit_resume(struct vcpu *v);

/* One log line per reason that d's vcpus exited for. */
void exit_report(const struct domain *d);

/* The reason's name, for messages and statistics. */
const char *exit_name(unsigned reason);

#endif
