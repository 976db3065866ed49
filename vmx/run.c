/* SPDX-License-Identifier: BSD-2-Clause */
/* One entry and one exit: what goes into the VMCS before, what comes out of it after. */
#include "hv/cpu.h"
#include "hv/log.h"
#include "hv/msr.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

/*
 * While an interrupt shadow is in force, pending single-step must agree with RFLAGS.TF, or the
 * entry fails (SDM 3C 27.3.1.5). An instruction that exited from the shadow by #DB, or whose flags
 * were changed by emulation, leaves it otherwise.
 */
static void settle_single_step(const struct vcpu *v)
{
    u64 pending = vmread(GUEST_PENDING_DBG);
    bool step = v->rflags & RFLAGS_TF && !(vmread(GUEST_DEBUGCTL) & DEBUGCTL_BTF);

    vmwrite(GUEST_PENDING_DBG, step ? pending | PENDING_DBG_BS : pending & ~PENDING_DBG_BS);
}

static void write_interruptibility(struct vcpu *v, struct vcpu_vendor *vv)
{
    vv->interruptibility = (vv->interruptibility & ~INTERRUPTIBILITY_SHADOW) | v->intr_shadow;
    if (vv->interruptibility != vv->interruptibility_written)
        vmwrite(GUEST_INTERRUPTIBILITY, vv->interruptibility);
    if (unlikely(v->intr_shadow))
        settle_single_step(v);
}

static void write_controls(struct vcpu_vendor *vv)
{
    u32 proc = vv->proc | vv->window;

    if (proc != vv->proc_written) {
        vmwrite(PROC_CONTROLS, proc);
        vv->proc_written = proc;
    }
    vv->window = 0;
}

static void before_entry(struct vcpu *v, struct vcpu_vendor *vv)
{
    if (v->rip != vv->rip)
        vmwrite(GUEST_RIP, v->rip);
    if (v->gpr[RSP] != vv->rsp)
        vmwrite(GUEST_RSP, v->gpr[RSP]);
    if (v->rflags != vv->rflags)
        vmwrite(GUEST_RFLAGS, v->rflags);
    write_interruptibility(v, vv);
    write_controls(vv);
}

static void after_exit(struct vcpu *v, struct vcpu_vendor *vv)
{
    v->rip = vv->rip = vmread(GUEST_RIP);
    v->gpr[RSP] = vv->rsp = vmread(GUEST_RSP);
    v->rflags = vv->rflags = vmread(GUEST_RFLAGS);
    vv->interruptibility = vv->interruptibility_written = (u32)vmread(GUEST_INTERRUPTIBILITY);
    v->intr_shadow = vv->interruptibility & INTERRUPTIBILITY_SHADOW;
}

/* VMLAUNCH or VMRESUME itself failed: controls or host state are wrong, and that is our own
 * mistake. */
static void entry_refused(struct vcpu *v)
{
    v->exit.reason = EXIT_ENTRY_FAILED;
    v->exit.insn_len = 0;
    v->exit.vectoring.valid = false;
    v->exit.hw = (struct exit_hw){.reason = REASON_ENTRY_FAILED, .info1 = vmread(VM_INSN_ERROR)};
    log_err("VM entry refused: VM-instruction error %lu", v->exit.hw.info1);
}

void vmx_run(struct vcpu *v)
{
    struct vcpu_vendor *vv = v->vendor;
    u32 reason;

    before_entry(v, vv);
    if (unlikely(vmx_enter(v))) {
        entry_refused(v);
        return;
    }
    reason = (u32)vmread(EXIT_REASON);
    if (likely(!(reason & REASON_ENTRY_FAILED)))
        vv->launched = true;
    after_exit(v, vv);
    vmx_exit_decode(v, reason);
}

/* Real mode has no error codes, and VM entry insists on that (SDM 3C 27.2.1.3). */
static bool delivers_error(const struct event *e)
{
    return e->has_error && vmread(GUEST_CR0) & CR0_PE;
}

/* An NMI that is injected anew blocks NMIs by itself; that its first delivery did so already would
 * fail the entry (SDM 3C 27.3.1.5). */
void vmx_inject(struct vcpu *v, const struct event *e)
{
    u32 info = e->vector | (u32)e->type << INTR_INFO_TYPE_SHIFT | (u32)INTR_INFO_VALID;

    if (e->set_cr2)
        write_cr2(e->cr2);
    if (e->type == EVENT_NMI)
        v->vendor->interruptibility &= ~(u32)INTERRUPTIBILITY_NMI;
    if (delivers_error(e)) {
        info |= (u32)INTR_INFO_ERROR;
        vmwrite(ENTRY_INTR_ERROR, e->error);
    }
    if (e->type >= EVENT_SOFT_INT)
        vmwrite(ENTRY_INSN_LEN, e->insn_len);
    vmwrite(ENTRY_INTR_INFO, info);
}

void vmx_want_window(struct vcpu *v, enum window w)
{
    v->vendor->window |= w == WINDOW_NMI ? (u32)PROC_NMI_WINDOW : (u32)PROC_INTR_WINDOW;
}
