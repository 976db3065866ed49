/* SPDX-License-Identifier: BSD-2-Clause */
/* A VMCB for people to read. */
#include "hv/log.h"
#include "svm/svm.h"

typedef unsigned long long ull;

static void dump_control(const struct vcpu_vendor *vv, const struct vmcb *b)
{
    const u32 *i = b->cached_intercepts;

    log_err("  exit %llx info %llx %llx vectoring %llx next rip %llx", (ull)b->exit_code,
            (ull)b->exit_info1, (ull)b->exit_info2, (ull)b->exit_int_info, (ull)b->nrip);
    log_err("  intercepts %08x %08x %08x %08x %08x %08x", i[0], i[1], i[2], i[3], i[4], i[5]);
    log_err("  inject %llx int_ctl %llx shadow %llx todo %x nmi blocked %d", (ull)b->event_inj,
            (ull)vmcb_int_ctl(b), (ull)b->int_state, vv->todo, vv->nmi_blocked);
    log_err("  asid %u np %llx n_cr3 %llx tsc offset %llx clean %x", vmcb_asid(b),
            (ull)vmcb_np_ctl(b), (ull)vmcb_n_cr3(b), (ull)vmcb_tsc_offset(b), b->clean);
}

static void dump_segments(const struct vmcb *b)
{
    static const char names[VMCB_SEGS][5] = {"es", "cs",   "ss",   "ds",   "fs",
                                             "gs", "gdtr", "ldtr", "idtr", "tr"};

    for (unsigned i = 0; i < VMCB_SEGS; i++) {
        const struct vmcb_seg *s = vmcb_seg(b, i);

        log_err("  %-4s %04x attr %03x limit %08x base %016llx", names[i], s->selector, s->attr,
                s->limit, (ull)s->base);
    }
}

void svm_dump(struct vcpu *v)
{
    const struct vcpu_vendor *vv = v->vendor;
    const struct vmcb *b;

    if (!vv)
        return;
    b = vv->vmcb;
    log_err("VMCB at %llx, cpl %u:", (ull)vv->vmcb_pa.v, vmcb_cpl(b));
    log_err("  rip %llx rsp %llx rflags %llx rax %llx", (ull)b->rip, (ull)b->rsp, (ull)b->rflags,
            (ull)b->rax);
    log_err("  cr0 %llx cr2 %llx cr3 %llx cr4 %llx efer %llx", (ull)vmcb_cr0(b), (ull)vmcb_cr2(b),
            (ull)vmcb_cr3(b), (ull)vmcb_cr4(b), (ull)vmcb_efer(b));
    log_err("  dr6 %llx dr7 %llx pat %llx", (ull)vmcb_dr6(b), (ull)vmcb_dr7(b), (ull)vmcb_g_pat(b));
    dump_control(vv, b);
    dump_segments(b);
}
