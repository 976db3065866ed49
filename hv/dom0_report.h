/* SPDX-License-Identifier: BSD-2-Clause */
/* What root mode says when the machine ends, at loglvl=debug: scripts/bench reads it. */
#ifndef HV_DOM0_REPORT_H
#define HV_DOM0_REPORT_H

struct domain;

/* d's exits by reason, its hypercalls by number, root mode's memory. */
void dom0_report(const struct domain *d);

#endif
