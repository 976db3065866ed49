/* SPDX-License-Identifier: BSD-2-Clause */
/* One entry and one exit. Everything that is not needed every time hangs on one comparison. */
#include "hv/domain.h"
#include "hv/percpu.h"
#include "svm/svm.h"

static void to_vmcb(const struct vcpu *v, struct vmcb *b)
{
    b->rip = v->rip;
    b->rflags = v->rflags;
    b->rsp = v->gpr[RSP];
    b->rax = v->gpr[RAX];
    b->int_state = v->intr_shadow ? INT_STATE_SHADOW : 0;
}

static void from_vmcb(struct vcpu *v, struct vmcb *b)
{
    v->rip = b->rip;
    v->rflags = b->rflags;
    v->gpr[RSP] = b->rsp;
    v->gpr[RAX] = b->rax;
    v->intr_shadow = b->int_state & INT_STATE_SHADOW;
    b->clean = svm_config.clean;
    b->tlb_control = TLB_KEEP;
    b->event_inj = 0;
}

void svm_run(struct vcpu *v)
{
    const struct percpu *c = this_cpu();
    struct vcpu_vendor *vv = v->vendor;
    struct vmcb *b = vv->vmcb;

    if (unlikely(vv->generation != c->vendor->generation ||
                 vv->flushes != v->domain->vendor->flushes[c->id]))
        svm_asid_renew(v);
    if (unlikely(vv->todo))
        svm_event_entry(v);
    to_vmcb(v, b);
    svm_enter(v, vv->vmcb_pa, c->vendor->host);
    from_vmcb(v, b);
    svm_exit_decode(v);
    if (unlikely(b->exit_int_info & EVENT_V))
        svm_vectoring(v);
    if (unlikely(vv->todo))
        svm_event_exit(v);
}
