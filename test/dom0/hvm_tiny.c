// SPDX-License-Identifier: BSD-2-Clause
//
// hvm_tiny [ROUNDS]: makes a tiny HVM guest out of a page of code, serves its devices as an ioreq
// server through the stock Xen libraries, takes it away again, and looks whether everything came
// back.
//
// The guest asks (tiny_code below), this program answers and notes what it saw; then both are
// compared.
//
//   port 600h r: ANSWER   604h w: a value seen   608h w: raise ISA IRQ 5   60ch w: done
//   port 610h r: a counting stream (REP INSD)    3f8h w: text (OUT and REP OUTSB)
//   port 620h r: nobody's
//   f0000000h: 4 KiB of device memory            PCI 0:3.0: register 0 is PCI_ID
//   port 80h and a0000h: posted writes, seen in the buffered ring

#define _GNU_SOURCE
#define __XEN_TOOLS__             1
#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/memory.h>
#include <xen/sysctl.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/ioreq.h>
#include <xen/hvm/params.h>
#include <xen/hvm/save.h>
#include <xen/sched.h>
#include <xencall.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>

enum {
    CODE = 0x1000,
    RESULT = 0x4000,
    PAGES = 512 + 16, // one large extent, sixteen small ones behind it
    ANSWER = 0x12345678,
    PCI_ID = 0x00031af4,
    DEVICE = 0xf0000000,
    IRQ = 5,
    BUDGET_MS = 20000,
};

// ---- The guest ----

extern const char tiny_code[], tiny_end[];

__asm__(
    ".pushsection .rodata\n"
    ".code32\n"
    ".globl tiny_code, tiny_end\n"
    "tiny_code:\n"
    "  mov $0x5000, %esp\n  movl $1, 0x7000\n"
    "  mov $0x3f8, %dx\n  mov $'H', %al\n  out %al, %dx\n  mov $'i', %al\n  out %al, %dx\n"
    // IN, and what it gave told back
    "  mov $0x600, %dx\n  in %dx, %eax\n  mov $0x604, %dx\n  out %eax, %dx\n"
    // nobody's port
    "  mov $0x620, %dx\n  in %dx, %eax\n  mov $0x604, %dx\n  out %eax, %dx\n"
    // REP OUTSB of the sixteen bytes at text
    "  mov $0x1000 + (text - tiny_code), %esi\n  mov $16, %ecx\n  mov $0x3f8, %dx\n  cld\n  rep outsb\n"
    // REP INSD, downwards, to RESULT + 0x40
    "  mov $0x4040, %edi\n  mov $8, %ecx\n  mov $0x610, %dx\n  std\n  rep insl\n  cld\n"
    // device memory: write, read back the next word, fill, and copy to RESULT + 0x100
    "  mov $0xf0000000, %ebx\n  movl $0xcafe, (%ebx)\n  mov 4(%ebx), %eax\n"
    "  mov $0x604, %dx\n  out %eax, %dx\n"
    "  mov $0xf0000100, %edi\n  mov $0x55aa55aa, %eax\n  mov $32, %ecx\n  rep stosl\n"
    "  mov $0xf0000100, %esi\n  mov $0x4100, %edi\n  mov $32, %ecx\n  rep movsl\n"
    // across a page of the device
    "  movl $0x01020304, 0xffe(%ebx)\n  mov 0xffe(%ebx), %eax\n  mov $0x604, %dx\n  out %eax, %dx\n"
    // PCI configuration
    "  mov $0xcf8, %dx\n  mov $0x80001800, %eax\n  out %eax, %dx\n  mov $0xcfc, %dx\n  in %dx, %eax\n"
    "  mov $0x604, %dx\n  out %eax, %dx\n"
    // posted
    "  mov $0x42, %al\n  out %al, $0x80\n  movl $0x07410742, 0xa0010\n"
    // TSC ticks per round trip, the best of 64: IN, and a posted write
    "  mov $64, %ecx\n  mov $-1, %ebp\n"
    "4: rdtsc\n  mov %eax, %esi\n  mov $0x600, %dx\n  in %dx, %eax\n  rdtsc\n  sub %esi, %eax\n"
    "  cmp %ebp, %eax\n  jae 5f\n  mov %eax, %ebp\n5: loop 4b\n"
    "  mov %ebp, %eax\n  mov $0x614, %dx\n  out %eax, %dx\n"
    "  mov $64, %ecx\n  mov $-1, %ebp\n"
    "6: rdtsc\n  mov %eax, %esi\n  movl $0, 0xa0020\n  rdtsc\n  sub %esi, %eax\n"
    "  cmp %ebp, %eax\n  jae 7f\n  mov %eax, %ebp\n7: loop 6b\n"
    "  mov %ebp, %eax\n  mov $0x618, %dx\n  out %eax, %dx\n"
    // an interrupt through the 8259, in virtual wire mode: vectors from 20h, only IRQ 5 open
    "  mov $0xfee00000, %ebx\n  movl $0x1ff, 0xf0(%ebx)\n  movl $0x700, 0x350(%ebx)\n"
    "  mov $0x11, %al\n  out %al, $0x20\n  mov $0x20, %al\n  out %al, $0x21\n"
    "  mov $4, %al\n  out %al, $0x21\n  mov $1, %al\n  out %al, $0x21\n  mov $0xdf, %al\n  out %al, $0x21\n"
    "  lidt 0x1000 + (idt - tiny_code)\n  lgdt 0x1000 + (gdt - tiny_code)\n"
    "  ljmp $8, $0x1000 + (1f - tiny_code)\n"
    "1: mov $16, %eax\n  mov %eax, %ss\n  mov %eax, %ds\n  mov %eax, %es\n"
    "  mov $0x608, %dx\n  out %al, %dx\n  sti\n"
    "2: hlt\n  jmp 2b\n"
    "handler:\n"
    "  mov $0x604, %dx\n  mov $0x1badb002, %eax\n  out %eax, %dx\n"
    "  mov $0x60c, %dx\n  out %al, %dx\n"
    "3: cli\n  hlt\n  jmp 3b\n"
    "text: .ascii \"sixteen letters\\n\"\n"
    "  .balign 8\n"
    "gdt_table: .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff\n"
    "gdt: .word 23\n  .long 0x1000 + (gdt_table - tiny_code)\n"
    "idt: .word 0x40 * 8 - 1\n  .long 0x6000\n"
    ".globl tiny_handler\n"
    "tiny_handler: .long handler - tiny_code\n"
    "tiny_end:\n"
    ".code64\n"
    ".popsection\n");
extern const uint32_t tiny_handler;

// ---- Hypercalls ----

static xencall_handle *call;
static xendevicemodel_handle *dm;
static xenforeignmemory_handle *fm;
static xenevtchn_handle *ev;

static void *buffer(size_t size)
{
    void *p = xencall_alloc_buffer(call, size);
    if (!p)
        fatal("no hypercall buffer");
    memset(p, 0, size);
    return p;
}

static int domctl(struct xen_domctl *op, uint32_t cmd, domid_t dom)
{
    op->cmd = cmd;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = dom;
    return xencall1(call, __HYPERVISOR_domctl, (uint64_t)op);
}

static uint64_t free_pages(void)
{
    struct xen_sysctl *op = buffer(sizeof(*op));
    uint64_t pages;
    op->cmd = XEN_SYSCTL_physinfo;
    op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    if (xencall1(call, __HYPERVISOR_sysctl, (uint64_t)op))
        fatal("physinfo: %s", strerror(errno));
    pages = op->u.physinfo.free_pages;
    xencall_free_buffer(call, op);
    return pages;
}

static domid_t create(void)
{
    struct xen_domctl *op = buffer(sizeof(*op));
    domid_t dom;
    op->u.createdomain = (struct xen_domctl_createdomain){
        .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
        .max_vcpus = 1,
        .max_grant_frames = -1,
        .max_maptrack_frames = -1,
        .grant_opts = XEN_DOMCTL_GRANT_version(1),
        .arch.emulation_flags = XEN_X86_EMU_LAPIC | XEN_X86_EMU_IOAPIC | XEN_X86_EMU_PIC,
    };
    if (domctl(op, XEN_DOMCTL_createdomain, 0))
        fatal("createdomain: %s", strerror(errno));
    dom = op->domain;
    op->u.max_vcpus.max = 1;
    check(domctl(op, XEN_DOMCTL_max_vcpus, dom) == 0, "max_vcpus: %s", strerror(errno));
    op->u.max_mem.max_memkb = PAGES * 4;
    check(domctl(op, XEN_DOMCTL_max_mem, dom) == 0, "max_mem: %s", strerror(errno));
    op->u.paging_mempool.size = 1 << 20;
    check(domctl(op, XEN_DOMCTL_set_paging_mempool_size, dom) == 0, "mempool: %s", strerror(errno));
    xencall_free_buffer(call, op);
    return dom;
}

static int populate(domid_t dom, xen_pfn_t gfn, unsigned order, unsigned count)
{
    struct xen_memory_reservation *r = buffer(sizeof(*r));
    xen_pfn_t *list = buffer(count * sizeof(*list));
    int rc;
    for (unsigned i = 0; i < count; i++)
        list[i] = gfn + ((xen_pfn_t)i << order);
    r->extent_start.p = list;
    r->nr_extents = count;
    r->extent_order = order;
    r->domid = dom;
    rc = xencall2(call, __HYPERVISOR_memory_op, XENMEM_populate_physmap, (uint64_t)r);
    xencall_free_buffer(call, list);
    xencall_free_buffer(call, r);
    return rc;
}

/* As stock QEMU moves its video memory: named by its first place, wherever it is. */
static void check_moves(domid_t dom)
{
    check(xendevicemodel_relocate_memory(dm, dom, 16, 512, 0x8000) == 0, "moving 16 pages");
    check(xendevicemodel_relocate_memory(dm, dom, 8, 512, 0x8800) == -1 && errno == EINVAL,
          "half of what was moved is nowhere: %s", strerror(errno));
    check(xendevicemodel_relocate_memory(dm, dom, 16, 512, 0x9000) == 0, "moving them on: %s",
          strerror(errno));
    check(xendevicemodel_relocate_memory(dm, dom, 16, 0x8000, 0xa000) == -1 && errno == EINVAL,
          "nothing is left where they were in between: %s", strerror(errno));
    check(xendevicemodel_relocate_memory(dm, dom, 16, 0x9000, 512) == 0, "moving them back: %s",
          strerror(errno));
    check(xendevicemodel_relocate_memory(dm, dom, 200, 256, 0x8000) == 0,
          "moving more than is moved at once: %s", strerror(errno));
    check(xendevicemodel_relocate_memory(dm, dom, 200, 256, 256) == 0, "and back: %s",
          strerror(errno));
}

static void fill_memory(domid_t dom)
{
    check(populate(dom, 0, 9, 1) == 1, "populating 2 MiB");
    check(populate(dom, 512, 0, 16) == 16, "populating 16 pages");
    check(populate(dom, 1024, 0, 1) == 0, "more than max_mem must be refused");
    check(populate(dom, 5, 0, 1) == 0, "what is there must not be populated anew");
    check_moves(dom);
    check(xendevicemodel_set_mem_type(dm, dom, HVMMEM_mmio_dm, 0xa0, 0x20) == 0, "VGA's window: %s",
          strerror(errno));
}

static void load_code(domid_t dom)
{
    xen_pfn_t gfns[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    int err[8];
    char *mem = xenforeignmemory_map(fm, dom, PROT_READ | PROT_WRITE, 8, gfns, err);
    uint32_t handler = CODE + tiny_handler;
    uint32_t *gate;
    if (!mem)
        fatal("foreign map: %s", strerror(errno));
    for (unsigned i = 0; i < 8 * 4096; i++)
        if (mem[i])
            fatal("the guest's memory is not clear");
    memcpy(mem + CODE, tiny_code, tiny_end - tiny_code);
    gate = (uint32_t *)(mem + 0x6000 + (0x20 + IRQ) * 8);
    gate[0] = 8u << 16 | (handler & 0xffff);
    gate[1] = (handler & 0xffff0000) | 0x8e00;
    xenforeignmemory_unmap(fm, mem, 8);
}

static void set_state(domid_t dom)
{
    struct __attribute__((packed)) {
        struct hvm_save_descriptor header_d;
        struct hvm_save_header header;
        struct hvm_save_descriptor cpu_d;
        HVM_SAVE_TYPE(CPU) cpu;
        struct hvm_save_descriptor end_d;
    } * c;
    struct xen_domctl *op = buffer(sizeof(*op));
    uint8_t *got;
    uint32_t size;

    if (domctl(op, XEN_DOMCTL_gethvmcontext, dom))
        fatal("size of the context: %s", strerror(errno));
    size = op->u.hvmcontext.size;
    got = buffer(size);
    op->u.hvmcontext.buffer.p = got;
    if (domctl(op, XEN_DOMCTL_gethvmcontext, dom))
        fatal("gethvmcontext: %s", strerror(errno));
    check(domctl(op, XEN_DOMCTL_sethvmcontext, dom) == 0, "its own context was refused: %s",
          strerror(errno));
    c = buffer(sizeof(*c));
    memcpy(c, got, sizeof(c->header_d) + sizeof(c->header));
    c->cpu_d = (struct hvm_save_descriptor){HVM_SAVE_CODE(CPU), 0, HVM_SAVE_LENGTH(CPU)};
    c->end_d = (struct hvm_save_descriptor){HVM_SAVE_CODE(END), 0, 0};
    c->cpu.cr0 = 0x11;
    c->cpu.rip = CODE;
    c->cpu.rflags = 2;
    c->cpu.dr6 = 0xffff0ff0;
    c->cpu.dr7 = 0x400;
    c->cpu.cs_sel = 8;
    c->cpu.cs_arbytes = 0xc9b;
    c->cpu.ds_sel = c->cpu.es_sel = c->cpu.ss_sel = 16;
    c->cpu.ds_arbytes = c->cpu.es_arbytes = c->cpu.ss_arbytes = 0xc93;
    c->cpu.cs_limit = c->cpu.ds_limit = c->cpu.es_limit = c->cpu.ss_limit = ~0u;
    c->cpu.tr_arbytes = 0x8b;
    c->cpu.tr_limit = 0x67;
    op->u.hvmcontext.buffer.p = (uint8_t *)c;
    op->u.hvmcontext.size = sizeof(*c);
    check(domctl(op, XEN_DOMCTL_sethvmcontext, dom) == 0, "sethvmcontext: %s", strerror(errno));
    c->cpu.cr0 = 0x80000010; // paging without protection: no CPU can be in that state
    check(domctl(op, XEN_DOMCTL_sethvmcontext, dom) == -1 && errno == EINVAL,
          "an impossible CR0 was taken");
    op->u.hvmcontext.size = sizeof(*c) - 4;
    check(domctl(op, XEN_DOMCTL_sethvmcontext, dom) == -1, "a cut context was taken");
    xencall_free_buffer(call, got);
    xencall_free_buffer(call, c);
    xencall_free_buffer(call, op);
}

// ---- The device model ----

struct model {
    domid_t dom;
    ioservid_t id;
    xenforeignmemory_resource_handle *res;
    struct buffered_iopage *ring;
    struct ioreq *slot;
    evtchn_port_t port, ring_port; // ours
    char text[64];
    unsigned text_len;
    uint32_t seen[16];
    unsigned seen_count;
    uint32_t stream;
    uint8_t device[8192];
    unsigned requests, counted, posted_port, posted_vga, ticks_in, ticks_posted;
    bool ring_masked, done;
};

static void start_server(struct model *m)
{
    evtchn_port_t ring_port;
    void *addr = NULL;
    int rc;

    if (xendevicemodel_create_ioreq_server(dm, m->dom, HVM_IOREQSRV_BUFIOREQ_ATOMIC, &m->id))
        fatal("create_ioreq_server: %s", strerror(errno));
    if (xendevicemodel_get_ioreq_server_info(dm, m->dom, m->id, NULL, NULL, &ring_port))
        fatal("get_ioreq_server_info: %s", strerror(errno));
    m->res = xenforeignmemory_map_resource(fm, m->dom, XENMEM_resource_ioreq_server, m->id, 0, 2,
                                           &addr, PROT_READ | PROT_WRITE, 0);
    if (!m->res)
        fatal("map_resource: %s", strerror(errno));
    m->ring = addr;
    m->slot = (struct ioreq *)((char *)addr + 4096);
    rc = xenevtchn_bind_interdomain(ev, m->dom, m->slot->vp_eport);
    if (rc < 0)
        fatal("binding port %u: %s", m->slot->vp_eport, strerror(errno));
    m->port = rc;
    rc = xenevtchn_bind_interdomain(ev, m->dom, ring_port);
    if (rc < 0)
        fatal("binding the ring's port %u: %s", ring_port, strerror(errno));
    m->ring_port = rc;
    check(xendevicemodel_map_io_range_to_ioreq_server(dm, m->dom, m->id, 0, 0x3f8, 0x3ff) == 0,
          "map 3f8");
    check(xendevicemodel_map_io_range_to_ioreq_server(dm, m->dom, m->id, 0, 0x600, 0x61f) == 0,
          "map 600");
    check(xendevicemodel_map_io_range_to_ioreq_server(dm, m->dom, m->id, 0, 0x80, 0x80) == 0,
          "map 80");
    check(xendevicemodel_map_io_range_to_ioreq_server(dm, m->dom, m->id, 0, 0x610, 0x700) == -1,
          "overlap taken");
    check(xendevicemodel_map_io_range_to_ioreq_server(dm, m->dom, m->id, 1, DEVICE,
                                                      DEVICE + 0x1fff) == 0,
          "map device");
    check(xendevicemodel_map_io_range_to_ioreq_server(dm, m->dom, m->id, 1, 0xa0000, 0xbffff) == 0,
          "map VGA");
    check(xendevicemodel_map_pcidev_to_ioreq_server(dm, m->dom, m->id, 0, 0, 3, 0) == 0, "map PCI");
    check(xendevicemodel_set_ioreq_server_state(dm, m->dom, m->id, 1) == 0, "enable");
}

static uint32_t port_read(struct model *m, uint16_t port)
{
    switch (port) {
    case 0x600:
        return ANSWER;
    case 0x610:
        return ++m->stream;
    default:
        return 0;
    }
}

static void port_write(struct model *m, uint16_t port, uint32_t value)
{
    if (port == 0x3f8 && m->text_len < sizeof(m->text) - 1)
        m->text[m->text_len++] = value;
    if (port == 0x604 && m->seen_count < 16)
        m->seen[m->seen_count++] = value;
    if (port == 0x608) {
        check(xendevicemodel_set_isa_irq_level(dm, m->dom, IRQ, 1) == 0, "raising the line");
        check(xendevicemodel_set_isa_irq_level(dm, m->dom, IRQ, 0) == 0, "lowering the line");
    }
    if (port == 0x614)
        m->ticks_in = value;
    if (port == 0x618)
        m->ticks_posted = value;
    if (port == 0x60c)
        m->done = true;
}

static void guest_copy(struct model *m, uint64_t at, void *buf, size_t len, bool to_guest)
{
    xen_pfn_t gfn = at >> 12;
    int err;
    char *page = xenforeignmemory_map(fm, m->dom, PROT_READ | PROT_WRITE, 1, &gfn, &err);
    if (!page)
        fatal("mapping the guest's %llx", (unsigned long long)at);
    if (to_guest)
        memcpy(page + (at & 4095), buf, len);
    else
        memcpy(buf, page + (at & 4095), len);
    xenforeignmemory_unmap(fm, page, 1);
}

// One element: value between device and *value.
static void element(struct model *m, const struct ioreq *r, unsigned i, uint64_t *value)
{
    uint64_t step = (uint64_t)i * r->size, at = r->df ? r->addr - step : r->addr + step;
    if (r->type == IOREQ_TYPE_PIO && r->dir)
        *value = port_read(m, r->addr);
    else if (r->type == IOREQ_TYPE_PIO)
        port_write(m, r->addr, *value);
    else if (r->type == IOREQ_TYPE_PCI_CONFIG && r->dir)
        *value = r->addr == (uint64_t)(3 << 3) << 32 ? PCI_ID : 0;
    else if (r->type == IOREQ_TYPE_COPY && at - DEVICE <= sizeof(m->device) - r->size && r->dir)
        memcpy(value, m->device + (at - DEVICE), r->size);
    else if (r->type == IOREQ_TYPE_COPY && at - DEVICE <= sizeof(m->device) - r->size)
        memcpy(m->device + (at - DEVICE), value, r->size);
}

static void serve(struct model *m)
{
    struct ioreq *r = m->slot;
    if (r->state != STATE_IOREQ_READY)
        return;
    __sync_synchronize();
    r->state = STATE_IOREQ_INPROCESS;
    m->requests++;
    m->counted += r->count > 1;
    for (unsigned i = 0; i < r->count; i++) {
        uint64_t value = r->data, step = (uint64_t)i * r->size,
                 at = r->df ? r->data - step : r->data + step;
        if (r->data_is_ptr && !r->dir)
            guest_copy(m, at, &value, r->size, false);
        element(m, r, i, &value);
        if (r->data_is_ptr && r->dir)
            guest_copy(m, at, &value, r->size, true);
        else if (r->dir)
            r->data = value;
    }
    __sync_synchronize();
    r->state = STATE_IORESP_READY;
    xenevtchn_notify(ev, m->port);
}

static void drain(struct model *m)
{
    struct buffered_iopage *p = m->ring;
    while (p->read_pointer != p->write_pointer) {
        buf_ioreq_t b = p->buf_ioreq[p->read_pointer % IOREQ_BUFFER_SLOT_NUM];
        m->posted_port +=
            b.type == IOREQ_TYPE_PIO && b.addr == 0x80 && b.data == 0x42 && b.size == 0;
        m->posted_vga +=
            b.type == IOREQ_TYPE_COPY && b.addr == 0xa0010 && b.data == 0x07410742 && b.size == 2;
        __sync_fetch_and_add(&p->read_pointer, 1);
    }
}

static void run_model(struct model *m)
{
    struct pollfd fd = {.fd = xenevtchn_fd(ev), .events = POLLIN};
    while (!m->done) {
        int port;
        if (poll(&fd, 1, BUDGET_MS) != 1)
            fatal(
                "the guest said nothing for %d ms; after %u requests, last type %u addr %llx state %u",
                BUDGET_MS, m->requests, m->slot->type, (unsigned long long)m->slot->addr,
                m->slot->state);
        port = xenevtchn_pending(ev);
        if (port < 0)
            continue;
        // As QEMU does: the ring's port stays masked until there is something else to do.
        if ((evtchn_port_t)port == m->ring_port) {
            m->ring_masked = true;
            continue;
        }
        drain(m);
        if (m->ring_masked)
            xenevtchn_unmask(ev, m->ring_port);
        m->ring_masked = false;
        xenevtchn_unmask(ev, port);
        serve(m);
    }
}

// ---- What came of it ----

static void judge(struct model *m)
{
    static const uint32_t expected[] = {ANSWER, ~0u, 0x600d, 0x01020304, PCI_ID, 0x1badb002};
    uint32_t words[0x80] = {0};

    check(strcmp(m->text, "Hisixteen letters\n") == 0, "text is %s", m->text);
    check(m->seen_count == 6, "%u values told", m->seen_count);
    for (unsigned i = 0; i < 6; i++)
        check(m->seen[i] == expected[i], "value %u is %x, not %x", i, m->seen[i], expected[i]);
    guest_copy(m, RESULT, words, sizeof(words), false);
    for (unsigned i = 0; i < 8; i++)
        check(words[0x10 - i] == i + 1, "REP INSD: element %u is %x", i, words[0x10 - i]);
    for (unsigned i = 0; i < 32; i++)
        check(words[0x40 + i] == 0x55aa55aa, "REP MOVSD: element %u is %x", i, words[0x40 + i]);
    check(m->counted == 4, "%u of 4 REP strings came as one request", m->counted);
    check(m->posted_port == 1 && m->posted_vga == 1, "posted: %u, %u", m->posted_port,
          m->posted_vga);
}

static void judge_info(domid_t dom, unsigned reason)
{
    struct xen_domctl *op = buffer(sizeof(*op));
    struct xen_domctl_getdomaininfo *i = &op->u.getdomaininfo;
    check(domctl(op, XEN_DOMCTL_getdomaininfo, dom) == 0, "getdomaininfo: %s", strerror(errno));
    check(i->domain == dom && (i->flags & XEN_DOMINF_hvm_guest), "flags %x", i->flags);
    check((i->flags & XEN_DOMINF_shutdown) &&
              (i->flags >> XEN_DOMINF_shutdownshift & 255) == reason,
          "flags %x after shutdown %u", i->flags, reason);
    check(i->tot_pages == PAGES && i->max_pages == PAGES, "%llu pages of %llu",
          (unsigned long long)i->tot_pages, (unsigned long long)i->max_pages);
    xencall_free_buffer(call, op);
}

static void round_trip(void)
{
    struct model m = {0};
    struct xen_domctl *op = buffer(sizeof(*op));
    uint64_t before = free_pages(), after;

    m.dom = create();
    memcpy(m.device + 4, &(uint32_t){0x600d}, 4);
    fill_memory(m.dom);
    load_code(m.dom);
    set_state(m.dom);
    start_server(&m);
    check(domctl(op, XEN_DOMCTL_unpausedomain, m.dom) == 0, "unpause: %s", strerror(errno));
    run_model(&m);
    // The write to 60ch is served in full before this, as the guest saw it.
    judge(&m);
    check(xendevicemodel_shutdown(dm, m.dom, SHUTDOWN_poweroff) == 0, "remote_shutdown: %s",
          strerror(errno));
    judge_info(m.dom, SHUTDOWN_poweroff);
    check(xendevicemodel_destroy_ioreq_server(dm, m.dom, m.id) == 0, "destroy_ioreq_server: %s",
          strerror(errno));
    check(domctl(op, XEN_DOMCTL_destroydomain, 0) == -1, "dom0 let itself be destroyed");
    check(domctl(op, XEN_DOMCTL_destroydomain, m.dom) == 0, "destroydomain: %s", strerror(errno));
    check(domctl(op, XEN_DOMCTL_getdomaininfo, m.dom) == -1 && errno == ESRCH, "it is still there");
    xenevtchn_unbind(ev, m.port);
    xenevtchn_unbind(ev, m.ring_port);
    xenforeignmemory_unmap_resource(fm, m.res);
    after = free_pages();
    check(after == before, "%lld pages did not come back", (long long)(before - after));
    printf("hvm_tiny: %u requests, %u of them counted; IN %u ticks, posted write %u\n", m.requests,
           m.counted, m.ticks_in, m.ticks_posted);
    xencall_free_buffer(call, op);
}

// ---- When things go wrong ----

static void prepare(struct model *m)
{
    m->dom = create();
    fill_memory(m->dom);
    load_code(m->dom);
    set_state(m->dom);
    start_server(m);
}

static void give_back(struct model *m, struct xen_domctl *op, uint64_t before, const char *what)
{
    uint64_t after;
    check(domctl(op, XEN_DOMCTL_destroydomain, m->dom) == 0, "%s: destroydomain: %s", what,
          strerror(errno));
    xenforeignmemory_unmap_resource(fm, m->res);
    after = free_pages();
    check(after == before, "%s: %lld pages did not come back", what, (long long)(before - after));
}

static void wait_for_request(struct model *m)
{
    for (unsigned i = 0; i < 2000 && m->slot->state != STATE_IOREQ_READY; i++)
        usleep(1000);
    check(m->slot->state == STATE_IOREQ_READY, "no request came");
}

static bool went_on(struct model *m, unsigned ms)
{
    uint32_t word = 0;
    for (; ms && word != ~0u; ms--) {
        usleep(1000);
        guest_copy(m, RESULT + (0x40 + 31) * sizeof(word), &word, sizeof(word), false);
    }
    return word == ~0u;
}

// The guest waits for an answer when its device model goes. While only the ports are closed it goes
// on waiting, and another model may bind them; without a server it reads ones and goes on to its
// HLT.
static void device_model_dies(bool by_ports)
{
    const char *what = by_ports ? "ports closed" : "server destroyed";
    struct model m = {0};
    struct xen_domctl *op = buffer(sizeof(*op));
    uint64_t before = free_pages();
    uint32_t words[0x80] = {0};

    prepare(&m);
    check(domctl(op, XEN_DOMCTL_unpausedomain, m.dom) == 0, "unpause: %s", strerror(errno));
    wait_for_request(&m);
    if (by_ports) {
        xenevtchn_unbind(ev, m.port);
        check(!went_on(&m, 300), "%s: the guest did not wait", what);
        check(m.slot->state == STATE_IOREQ_READY, "%s: the request is gone", what);
        m.port = xenevtchn_bind_interdomain(ev, m.dom, m.slot->vp_eport);
        check((int)m.port > 0, "%s: binding it again: %s", what, strerror(errno));
    }
    check(xendevicemodel_destroy_ioreq_server(dm, m.dom, m.id) == 0, "destroy server: %s",
          strerror(errno));
    check(went_on(&m, 2000), "%s: the guest did not go on", what);
    guest_copy(&m, RESULT, words, sizeof(words), false);
    for (unsigned i = 0; i < 8; i++)
        check(words[0x10 - i] == ~0u, "%s: REP INSD: element %u is %x", what, i, words[0x10 - i]);
    give_back(&m, op, before, what);
    xenevtchn_unbind(ev, m.port);
    xenevtchn_unbind(ev, m.ring_port);
    xencall_free_buffer(call, op);
}

// Destroyed while it waits, with the server still there and its pages mapped.
static void domain_dies(void)
{
    struct model m = {0};
    struct xen_domctl *op = buffer(sizeof(*op));
    uint64_t before = free_pages();

    prepare(&m);
    check(domctl(op, XEN_DOMCTL_unpausedomain, m.dom) == 0, "unpause: %s", strerror(errno));
    wait_for_request(&m);
    give_back(&m, op, before, "destroyed while waiting");
    xenevtchn_unbind(ev, m.port);
    xenevtchn_unbind(ev, m.ring_port);
    xencall_free_buffer(call, op);
}

// Another guest, not the one that is served, and memory in many small pieces: what is counted comes
// back.
static void two_guests(void)
{
    struct model a = {0}, b = {0};
    struct xen_domctl *op = buffer(sizeof(*op));
    uint64_t before = free_pages();

    prepare(&a);
    prepare(&b);
    check(a.dom != b.dom, "both are %u", a.dom);
    check(domctl(op, XEN_DOMCTL_unpausedomain, a.dom) == 0, "unpause: %s", strerror(errno));
    check(domctl(op, XEN_DOMCTL_unpausedomain, b.dom) == 0, "unpause: %s", strerror(errno));
    wait_for_request(&a);
    wait_for_request(&b);
    check(domctl(op, XEN_DOMCTL_destroydomain, a.dom) == 0, "destroy: %s", strerror(errno));
    serve(&b);
    wait_for_request(&b);
    check(b.text[0] == 'H' && b.slot->data == 'i', "the other one was disturbed");
    xenevtchn_unbind(ev, a.port);
    xenevtchn_unbind(ev, a.ring_port);
    xenforeignmemory_unmap_resource(fm, a.res);
    give_back(&b, op, before, "two guests");
    xenevtchn_unbind(ev, b.port);
    xenevtchn_unbind(ev, b.ring_port);
    xencall_free_buffer(call, op);
}

// Which pages were written: all at first, then only the guest's page of results.
static void dirty_pages(void)
{
    struct model m = {0};
    struct xen_domctl *op = buffer(sizeof(*op));
    uint64_t before = free_pages();
    unsigned long bits[8];
    memset(bits, 0, sizeof(bits));

    prepare(&m);
    check(xendevicemodel_track_dirty_vram(dm, m.dom, 0, 64, bits) == 0, "track: %s",
          strerror(errno));
    bits[0] = ~0ul;
    check(xendevicemodel_track_dirty_vram(dm, m.dom, 0, 64, bits) == 0, "track: %s",
          strerror(errno));
    check(bits[0] == 0 || bits[0] == ~0ul, "nobody ran, and %lx are dirty", bits[0]);
    check(domctl(op, XEN_DOMCTL_unpausedomain, m.dom) == 0, "unpause: %s", strerror(errno));
    wait_for_request(&m);
    check(xendevicemodel_destroy_ioreq_server(dm, m.dom, m.id) == 0, "destroy server: %s",
          strerror(errno));
    usleep(300000);
    check(xendevicemodel_track_dirty_vram(dm, m.dom, 0, 64, bits) == 0, "track: %s",
          strerror(errno));
    check(bits[0] & 1ul << 7, "the page written is not dirty: %lx", bits[0]);
    check(bits[0] == ~0ul || !(bits[0] & 1ul << 40), "a page not written is dirty: %lx", bits[0]);
    give_back(&m, op, before, "dirty pages");
    xenevtchn_unbind(ev, m.port);
    xenevtchn_unbind(ev, m.ring_port);
    xencall_free_buffer(call, op);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 3;

    call = xencall_open(NULL, 0);
    dm = xendevicemodel_open(NULL, 0);
    fm = xenforeignmemory_open(NULL, 0);
    ev = xenevtchn_open(NULL, 0);
    if (!call || !dm || !fm || !ev)
        fatal("the Xen libraries found no hypervisor: %s", strerror(errno));
    for (unsigned i = 0; i < rounds; i++)
        round_trip();
    group_done("a guest and its device model");
    device_model_dies(false);
    device_model_dies(true);
    domain_dies();
    two_guests();
    group_done("deaths");
    dirty_pages();
    group_done("dirty pages");
    return checks_done();
}
