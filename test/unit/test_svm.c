/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What AMD-V does with features that no emulator offers: clean bits, nRIP, decode assists, flush by
 * ASID, vNMI, TSC ratio, pause filter. The VMCB is filled in as APM 2 says a CPU with the feature
 * would; struct svm_config says which CPU it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "hv/cpu.h"
#include "hv/percpu.h"

/* In the place of the CPU: its own data, and the last MSR written. */
static struct percpu cpu;
static struct {
    u32 msr;
    u64 value;
    unsigned count;
} written;

static void note_wrmsr(u32 msr, u64 value)
{
    written.msr = msr;
    written.value = value;
    written.count++;
}

#define this_cpu()        (&cpu)
#define wrmsr(msr, value) note_wrmsr(msr, value)
#define read_cr4()        0ull
#include "svm/event.c"
#include "svm/exit.c"
#include "svm/state.c"
#include "svm/tlb.c"
#include "svm/vcpu.c"

static struct percpu_vendor cpu_vendor;
static struct vm_vendor vm;
static struct domain dom;
static struct vcpu v;
static struct vcpu_vendor vendor_part;
static struct vmcb b;
static unsigned lengths_asked;

struct svm_config svm_config;

bool svm_dr_first_use(struct vcpu *vcpu)
{
    (void)vcpu;
    return false;
}

u8 svm_insn_len(struct vcpu *vcpu)
{
    (void)vcpu;
    lengths_asked++;
    return 0;
}

void svm_dr_load(struct vcpu *vcpu)
{
    (void)vcpu;
}

void svm_dr_put(struct vcpu *vcpu)
{
    (void)vcpu;
}

void svm_dr_intercept(struct vcpu *vcpu, bool on)
{
    (void)vcpu, (void)on;
}

void svm_dr_get(struct vcpu *vcpu, struct cpu_state *s)
{
    (void)vcpu, (void)s;
}

void svm_dr_set(struct vcpu *vcpu, const struct cpu_state *s)
{
    (void)vcpu, (void)s;
}

void lapic_send_ipi(u32 apic_id, u32 icr)
{
    (void)apic_id, (void)icr;
}

mfn_t frames_alloc(unsigned order, unsigned flags)
{
    (void)order, (void)flags;
    return MFN_NONE;
}

void frames_free(mfn_t m, unsigned order)
{
    (void)m, (void)order;
}

struct cpu_state cpu_state_power_up(void)
{
    return (struct cpu_state){0};
}

static int setup(void **state)
{
    (void)state;
    memset(&b, 0, sizeof(b));
    memset(&v, 0, sizeof(v));
    memset(&vendor_part, 0, sizeof(vendor_part));
    memset(&vm, 0, sizeof(vm));
    memset(&written, 0, sizeof(written));
    svm_config = (struct svm_config){.asids = 16, .clean = CLEAN_ALL};
    cpu_vendor = (struct percpu_vendor){.generation = 1, .next_asid = 1, .tsc_ratio = BIT(32)};
    cpu = (struct percpu){.vendor = &cpu_vendor};
    dom.vendor = &vm;
    vendor_part.vmcb = &b;
    vendor_part.tsc_ratio = BIT(32);
    v.domain = &dom;
    v.vendor = &vendor_part;
    vmcb_set_cr0(&b, CR0_PE);
    lengths_asked = 0;
    return 0;
}

/* ---- Clean bits: APM 2 15.15.3 and table 15-13, by number ---- */

#define CLEARS(bit, change)                              \
    do {                                                 \
        b.clean = CLEAN_ALL;                             \
        change;                                          \
        assert_int_equal(b.clean, 0x7ff & ~(1u << bit)); \
    } while (0)

static void test_clean_bits(void **state)
{
    static const u8 segment_bit[VMCB_SEGS] = {8, 8, 8, 8, 8, 8, 7, 8, 7, 8};

    (void)state;
    CLEARS(0, vmcb_intercept(&b, VMEXIT_HLT, true));
    CLEARS(0, vmcb_intercept_word(&b, VMEXIT_EXCEPTION(0), 1));
    CLEARS(0, vmcb_set_tsc_offset(&b, 1));
    CLEARS(0, vmcb_set_pause_count(&b, 1));
    CLEARS(0, vmcb_set_pause_threshold(&b, 1));
    CLEARS(1, vmcb_set_iopm_base(&b, PAGE_SIZE));
    CLEARS(1, vmcb_set_msrpm_base(&b, PAGE_SIZE));
    CLEARS(2, vmcb_set_asid(&b, 1));
    CLEARS(3, vmcb_set_int_ctl(&b, 1));
    CLEARS(4, vmcb_set_np_ctl(&b, 1));
    CLEARS(4, vmcb_set_n_cr3(&b, PAGE_SIZE));
    CLEARS(4, vmcb_set_g_pat(&b, 1));
    CLEARS(5, vmcb_set_cr0(&b, 1));
    CLEARS(5, vmcb_set_cr3(&b, 1));
    CLEARS(5, vmcb_set_cr4(&b, 1));
    CLEARS(5, vmcb_set_efer(&b, 1));
    CLEARS(6, vmcb_set_dr6(&b, 1));
    CLEARS(6, vmcb_set_dr7(&b, 1));
    CLEARS(8, vmcb_set_cpl(&b, 1));
    CLEARS(9, vmcb_set_cr2(&b, 1));
    CLEARS(10, vmcb_set_dbgctl(&b, 1));
    CLEARS(10, vmcb_set_virt_ext(&b, 1));
    for (unsigned i = 0; i < VMCB_SEGS; i++)
        CLEARS(segment_bit[i], vmcb_set_seg(&b, i, (struct vmcb_seg){.base = 1}));
}

/* What the CPU kept of the VMCB is another CPU's, or none's, after a move. */
static void test_clean_after_a_move(void **state)
{
    (void)state;
    vendor_part.last_cpu = 0;
    vendor_part.generation = 1;
    b.clean = CLEAN_ALL;
    svm_vcpu_load(&v);
    assert_int_equal(b.clean, CLEAN_ALL);
    cpu.id = 1;
    svm_vcpu_load(&v);
    assert_int_equal(b.clean, 0);
    assert_int_equal(vendor_part.generation, 0);
}

/* ---- nRIP and decode assists ---- */

static void exit_with(u64 code, u64 info1, u64 info2)
{
    b.exit_code = code;
    b.exit_info1 = info1;
    b.exit_info2 = info2;
    memset(&v.exit, 0xa5, sizeof(v.exit));
    svm_exit_decode(&v);
}

static void test_next_rip(void **state)
{
    (void)state;
    svm_config.nrips = true;
    b.rip = 0x1000;
    b.nrip = 0x1003;
    exit_with(VMEXIT_CPUID, 0, 0);
    assert_int_equal(v.exit.reason, EXIT_CPUID);
    assert_int_equal(v.exit.insn_len, 3);
    exit_with(VMEXIT_EXCEPTION(TRAP_BP), 0, 0); /* a prefixed INT3 */
    assert_int_equal(v.exit.exc.insn_len, 3);
    assert_int_equal(v.exit.exc.type, EVENT_SOFT_EXC);
    exit_with(VMEXIT_EXCEPTION(TRAP_AC), 0, 0); /* a fault: there is no next one */
    assert_int_equal(v.exit.insn_len, 0);
    assert_int_equal(v.exit.exc.insn_len, 0);
    assert_int_equal(lengths_asked, 0);
    svm_config.nrips = false;
    exit_with(VMEXIT_CPUID, 0, 0);
    assert_int_equal(lengths_asked, 1);
}

static void test_control_register_operands(void **state)
{
    (void)state;
    svm_config.decode_assists = true;
    exit_with(VMEXIT_CR_WRITE(4), BIT(63) | 11, 0);
    assert_true(v.exit.cr.decoded);
    assert_int_equal(v.exit.cr.cr, 4);
    assert_int_equal(v.exit.cr.access, CR_WRITE);
    assert_int_equal(v.exit.cr.gpr, 11);
    exit_with(VMEXIT_CR_READ(8), BIT(63) | 15, 0);
    assert_int_equal(v.exit.cr.cr, 8);
    assert_int_equal(v.exit.cr.access, CR_READ);
    assert_int_equal(v.exit.cr.gpr, 15);
    exit_with(VMEXIT_CR0_SEL_WRITE, BIT(63) | 2, 0);
    assert_true(v.exit.cr.decoded);
    assert_int_equal(v.exit.cr.cr, 0);
    exit_with(VMEXIT_CR_WRITE(0), 0, 0); /* CLTS or LMSW: bit 63 is clear */
    assert_false(v.exit.cr.decoded);
    exit_with(VMEXIT_DR_WRITE(7), 9, 0);
    assert_true(v.exit.dr.decoded && v.exit.dr.write);
    assert_int_equal(v.exit.dr.dr, 7);
    assert_int_equal(v.exit.dr.gpr, 9);
    exit_with(VMEXIT_DR_READ(6), 3, 0);
    assert_true(v.exit.dr.decoded && !v.exit.dr.write);
    assert_int_equal(v.exit.dr.dr, 6);
    svm_config.decode_assists = false; /* info1 is undefined */
    exit_with(VMEXIT_CR_WRITE(4), BIT(63) | 11, 0);
    assert_false(v.exit.cr.decoded);
    exit_with(VMEXIT_DR_READ(6), 3, 0);
    assert_false(v.exit.dr.decoded);
}

static void test_bytes_at_a_page_fault(void **state)
{
    static const u8 insn[15] = {0x8b, 0x04, 0x25, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

    (void)state;
    memcpy(b.insn, insn, sizeof(insn));
    svm_config.decode_assists = true;
    b.insn_len = 15;
    exit_with(VMEXIT_NPF, NPF_WRITE | BIT(2), 0xfee00300);
    assert_int_equal(v.exit.reason, EXIT_PAGE_FAULT);
    assert_int_equal(v.exit.npf.gpa.v, 0xfee00300);
    assert_int_equal(v.exit.npf.access, ACCESS_WRITE);
    assert_false(v.exit.npf.present || v.exit.npf.in_walk);
    assert_int_equal(v.exit.bytes_len, 15);
    assert_memory_equal(v.exit.bytes, insn, 15);
    b.insn_len = 0; /* none were fetched */
    exit_with(VMEXIT_NPF, BIT(33) | NPF_PRESENT, 0x1000);
    assert_int_equal(v.exit.bytes_len, 0);
    assert_int_equal(v.exit.npf.access, ACCESS_READ);
    assert_true(v.exit.npf.present && v.exit.npf.in_walk);
    svm_config.decode_assists = false;
    b.insn_len = 15;
    exit_with(VMEXIT_NPF, NPF_FETCH, 0x1000);
    assert_int_equal(v.exit.bytes_len, 0);
    assert_int_equal(v.exit.npf.access, ACCESS_EXEC);
}

static void test_string_io_segment(void **state)
{
    /* APM 2 figure 15-2: port 31:16, segment 12:10, A32 bit 8, SZ16 bit 5, REP, STR, type 0. */
    const u64 info = 0x1f0ull << 16 | SEG_ES << 10 | BIT(8) | BIT(5) | BIT(3) | BIT(2);

    (void)state;
    svm_config.decode_assists = true;
    b.rip = 0x100;
    exit_with(VMEXIT_IOIO, info, 0x103);
    assert_int_equal(v.exit.io.port, 0x1f0);
    assert_int_equal(v.exit.io.size, 2);
    assert_true(v.exit.io.string && v.exit.io.rep && !v.exit.io.in);
    assert_int_equal(v.exit.io.addr_size, 4);
    assert_int_equal(v.exit.io.seg, SEG_ES);
    assert_int_equal(v.exit.insn_len, 3);
    svm_config.decode_assists = false;
    exit_with(VMEXIT_IOIO, info, 0x103);
    assert_int_equal(v.exit.io.seg, 0xff);
}

/* ---- ASIDs ---- */

static void test_flush_of_one_asid(void **state)
{
    (void)state;
    svm_config.flush_by_asid = true;
    svm_asid_renew(&v); /* the first one */
    assert_int_equal(vmcb_asid(&b), 1);
    b.tlb_control = TLB_KEEP;
    svm_tlb_flush(&v, FLUSH_GUEST);
    assert_int_equal(b.tlb_control, TLB_FLUSH_ASID);
    assert_int_equal(vmcb_asid(&b), 1);
    b.tlb_control = TLB_KEEP;
    svm_tlb_flush(&v, FLUSH_NESTED); /* every vcpu of the domain on this CPU: at its next entry */
    assert_int_not_equal(vendor_part.flushes, vm.flushes[0]);
    svm_asid_renew(&v);
    assert_int_equal(b.tlb_control, TLB_FLUSH_ASID);
    assert_int_equal(vmcb_asid(&b), 1);
    assert_int_equal(vendor_part.flushes, vm.flushes[0]);
}

static void test_flush_by_another_asid(void **state)
{
    (void)state;
    svm_asid_renew(&v);
    svm_tlb_flush(&v, FLUSH_GUEST);
    assert_int_equal(b.tlb_control, TLB_KEEP);
    assert_int_not_equal(vendor_part.generation, cpu_vendor.generation);
    svm_asid_renew(&v);
    assert_int_equal(vmcb_asid(&b), 2);
    assert_int_equal(b.tlb_control, TLB_KEEP);
    cpu_vendor.next_asid = svm_config.asids; /* used up: all is flushed, and all begin anew */
    vendor_part.generation = 0;
    svm_asid_renew(&v);
    assert_int_equal(vmcb_asid(&b), 1);
    assert_int_equal(b.tlb_control, TLB_FLUSH_ALL);
    assert_int_equal(vendor_part.generation, 2);
}

/* ---- NMIs ---- */

static const struct event nmi = {.valid = true, .type = EVENT_NMI, .vector = TRAP_NMI};

/* The CPU keeps V_NMI_MASK by itself; nothing exits for it. */
static void test_virtual_nmi(void **state)
{
    (void)state;
    svm_config.vnmi = true;
    vmcb_set_int_ctl(&b, V_NMI_ENABLE);
    assert_false(svm_nmi_blocked(&v));
    svm_inject(&v, &nmi);
    assert_int_equal(b.event_inj, BIT(31) | 2 << 8 | 2);
    assert_true(svm_nmi_blocked(&v));
    assert_false(vmcb_intercepts(&b, VMEXIT_IRET));
    vmcb_set_int_ctl(&b, vmcb_int_ctl(&b) & ~BIT(12)); /* IRET */
    assert_false(svm_nmi_blocked(&v));
    svm_block_nmi(&v, true);
    assert_true(vmcb_int_ctl(&b) & BIT(12));
    assert_true(vmcb_int_ctl(&b) & V_NMI_ENABLE);
}

/* The window opens where IRET is about to run: from there on as without vNMI. */
static void test_virtual_nmi_window(void **state)
{
    (void)state;
    svm_config.vnmi = true;
    vmcb_set_int_ctl(&b, V_NMI_ENABLE | V_NMI_MASK);
    svm_want_window(&v, WINDOW_NMI);
    assert_true(vmcb_intercepts(&b, VMEXIT_IRET));
    assert_false(vendor_part.todo & TODO_STEP);
    v.rip = 0x100;
    exit_with(VMEXIT_IRET, 0, 0);
    assert_int_equal(v.exit.reason, EXIT_NONE);
    assert_false(vmcb_intercepts(&b, VMEXIT_IRET));
    svm_want_window(&v, WINDOW_NMI); /* still blocked, at the IRET: one step */
    assert_true(vendor_part.todo & TODO_STEP);
}

static void test_nmi_without_vnmi(void **state)
{
    (void)state;
    svm_inject(&v, &nmi);
    assert_true(svm_nmi_blocked(&v));
    assert_true(vmcb_intercepts(&b, VMEXIT_IRET));
    assert_false(vmcb_int_ctl(&b) & V_NMI_MASK);
}

/* ---- Interrupts ---- */

static const struct event interrupt = {.valid = true, .type = EVENT_INTR, .vector = 0x41};

/* V_IRQ that still stands at the exit: not delivered. Gone: delivered. */
static void test_interrupt(void **state)
{
    (void)state;
    svm_inject(&v, &interrupt);
    assert_int_equal(b.event_inj, 0);
    assert_true(vmcb_int_ctl(&b) & V_IRQ);
    assert_int_equal(V_INTR_VECTOR_OF(vmcb_int_ctl(&b)), 0x41);
    exit_with(VMEXIT_CPUID, 0, 0);
    svm_event_exit(&v);
    assert_true(v.exit.vectoring.valid);
    assert_int_equal(v.exit.vectoring.type, EVENT_INTR);
    assert_int_equal(v.exit.vectoring.vector, 0x41);
    assert_false(vmcb_int_ctl(&b) & V_IRQ);
    svm_inject(&v, &interrupt);
    vmcb_set_int_ctl(&b, vmcb_int_ctl(&b) & ~V_IRQ);
    exit_with(VMEXIT_CPUID, 0, 0);
    svm_event_exit(&v);
    assert_false(v.exit.vectoring.valid);
    assert_int_equal(vendor_part.todo, 0);
}

/* ---- Time ---- */

static void test_tsc_ratio(void **state)
{
    (void)state;
    assert_int_equal(svm_tsc_set(&v, 5, BIT(31)), -ENODEV);
    assert_int_equal(svm_tsc_set(&v, 5, 0), 0);
    assert_int_equal(vmcb_tsc_offset(&b), 5);
    assert_int_equal(written.count, 0);
    svm_config.tsc_ratio = true;
    assert_int_equal(svm_tsc_set(&v, 7, BIT(31)), 0); /* half as fast */
    assert_int_equal(written.count, 0);               /* it is not loaded */
    svm_vcpu_load(&v);
    assert_int_equal(written.count, 1);
    assert_int_equal(written.msr, 0xc0000104);
    assert_int_equal(written.value, BIT(31));
    svm_vcpu_load(&v);
    assert_int_equal(written.count, 1); /* the CPU has it already */
    assert_int_equal(svm_tsc_set(&v, 7, BIT(33)), 0);
    assert_int_equal(written.value, BIT(33));
    assert_int_equal(cpu_vendor.tsc_ratio, BIT(33));
}

static void test_pause_filter(void **state)
{
    (void)state;
    init_intercepts(&b);
    assert_false(vmcb_intercepts(&b, VMEXIT_PAUSE));
    svm_config.pause_filter = true;
    init_intercepts(&b);
    assert_true(vmcb_intercepts(&b, VMEXIT_PAUSE));
    assert_int_equal(vmcb_pause_count(&b), PAUSE_COUNT);
    assert_int_equal(vmcb_pause_threshold(&b), 0);
    svm_config.pause_threshold = true;
    init_intercepts(&b);
    assert_int_equal(vmcb_pause_threshold(&b), PAUSE_THRESHOLD);
}

/* Instructions that newer CPUs have and no guest is offered. */
static void test_extensions(void **state)
{
    (void)state;
    init_intercepts(&b);
    assert_false(vmcb_intercepts(&b, VMEXIT_RDPRU) || vmcb_intercepts(&b, VMEXIT_INVLPGB));
    svm_config.rdpru = svm_config.invlpgb = svm_config.mcommit = true;
    init_intercepts(&b);
    assert_true(vmcb_intercepts(&b, VMEXIT_RDPRU) && vmcb_intercepts(&b, VMEXIT_INVLPGB) &&
                vmcb_intercepts(&b, VMEXIT_TLBSYNC) && vmcb_intercepts(&b, VMEXIT_MCOMMIT));
    exit_with(VMEXIT_RDPRU, 0, 0);
    assert_int_equal(v.exit.reason, EXIT_VIRT_INSN);
}

/* A machine check has to exit, whatever the guest thinks of it. */
static void test_machine_checks_stay_on(void **state)
{
    struct cpu_state s = {.cr4 = CR4_PAE};

    (void)state;
    svm_config.cr4 = CR4_PAE | CR4_MCE;
    for (unsigned on = 0; on < 2; on++) {
        s.cr4 = CR4_PAE | (on ? CR4_MCE : 0);
        assert_int_equal(svm_state_set(&v, STATE_CR, &s), 0);
        assert_int_equal(vmcb_cr4(&b), CR4_PAE | CR4_MCE);
        assert_int_equal(vmcb_intercepts(&b, VMEXIT_CR_READ(4)), !on);
        svm_state_get(&v, STATE_CR, &s);
        assert_int_equal(s.cr4, CR4_PAE | (on ? CR4_MCE : 0));
    }
    svm_config.cr4 = CR4_PAE; /* a CPU without */
    s.cr4 = CR4_PAE;
    assert_int_equal(svm_state_set(&v, STATE_CR, &s), 0);
    assert_int_equal(vmcb_cr4(&b), CR4_PAE);
    assert_false(vmcb_intercepts(&b, VMEXIT_CR_READ(4)));
}

/* Real mode has no error codes: one would be two bytes too many on the handler's stack. */
static void test_error_code(void **state)
{
    const struct event gp = {
        .valid = true, .type = EVENT_EXC, .vector = TRAP_GP, .has_error = true, .error = 8};

    (void)state;
    svm_inject(&v, &gp);
    assert_int_equal(b.event_inj, (8ull << 32) | 0x80000000 | 0x800 | 3 << 8 | TRAP_GP);
    vmcb_set_cr0(&b, 0);
    svm_inject(&v, &gp);
    assert_int_equal(b.event_inj, 0x80000000 | 3 << 8 | TRAP_GP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_clean_bits, setup),
        cmocka_unit_test_setup(test_clean_after_a_move, setup),
        cmocka_unit_test_setup(test_next_rip, setup),
        cmocka_unit_test_setup(test_control_register_operands, setup),
        cmocka_unit_test_setup(test_bytes_at_a_page_fault, setup),
        cmocka_unit_test_setup(test_string_io_segment, setup),
        cmocka_unit_test_setup(test_flush_of_one_asid, setup),
        cmocka_unit_test_setup(test_flush_by_another_asid, setup),
        cmocka_unit_test_setup(test_virtual_nmi, setup),
        cmocka_unit_test_setup(test_virtual_nmi_window, setup),
        cmocka_unit_test_setup(test_nmi_without_vnmi, setup),
        cmocka_unit_test_setup(test_interrupt, setup),
        cmocka_unit_test_setup(test_tsc_ratio, setup),
        cmocka_unit_test_setup(test_pause_filter, setup),
        cmocka_unit_test_setup(test_extensions, setup),
        cmocka_unit_test_setup(test_machine_checks_stay_on, setup),
        cmocka_unit_test_setup(test_error_code, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
