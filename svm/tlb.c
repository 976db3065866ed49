/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cached translations (APM 2 15.16). The CPU tags them, nested ones included, with the ASID, so
 * nothing is flushed on entry and exit.
 *
 * Each CPU hands out ASIDs in ascending order. When they are used up it starts a new generation:
 * one flush of everything, and every vcpu gets a new ASID before its next entry. A vcpu that comes
 * from another CPU gets a new one too, and no ASID is given to anybody else within a generation; so
 * what is stale can never be hit, and forgetting a vcpu's translations is a matter of giving it
 * another ASID, where the CPU cannot flush a single one.
 */
#include "hv/domain.h"
#include "hv/percpu.h"
#include "hv/vcpu.h"
#include "svm/svm.h"

static void new_asid(struct vcpu_vendor *vv, struct percpu_vendor *c)
{
    if (c->next_asid >= svm_config.asids) {
        c->generation++;
        c->next_asid = 1;
        vv->vmcb->tlb_control = TLB_FLUSH_ALL;
    }
    vv->generation = c->generation;
    vmcb_set_asid(vv->vmcb, c->next_asid++);
}

/* Next entry: the ASID is of another generation or CPU, or the p2m has changed. */
void svm_asid_renew(struct vcpu *v)
{
    const struct percpu *c = this_cpu();
    struct vcpu_vendor *vv = v->vendor;

    if (vv->generation == c->vendor->generation && svm_config.flush_by_asid)
        vv->vmcb->tlb_control = TLB_FLUSH_ASID;
    else
        new_asid(vv, c->vendor);
    vv->flushes = v->domain->vendor->flushes[c->id];
}

/* Of the domain's other vcpus, those that have run on this CPU may hold the same nested
 * translations: they find the count changed. */
void svm_tlb_flush(struct vcpu *v, enum flush_scope scope)
{
    if (scope == FLUSH_NESTED)
        v->domain->vendor->flushes[this_cpu()->id]++;
    else if (svm_config.flush_by_asid)
        v->vendor->vmcb->tlb_control = TLB_FLUSH_ASID;
    else
        v->vendor->generation = 0;
}
