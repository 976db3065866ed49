/* SPDX-License-Identifier: BSD-2-Clause */
/* Hardware task switches, which both vendors leave to software (SDM 3A 7.3, 3C 25.4.2; APM 2 12.3).
 */
#ifndef HV_TASK_SWITCH_H
#define HV_TASK_SWITCH_H

struct vcpu;

void exit_task_switch(struct vcpu *v);

#endif
