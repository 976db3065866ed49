/* SPDX-License-Identifier: BSD-2-Clause */
/* The pair of 8259As judged by the 8259A datasheet; ELCR by the 82371SB's (2.5.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "hv/errno.h"
#include "hv/vpic.h"
#include "random.h"

#define M_CMD    0x20
#define M_DATA   0x21
#define S_CMD    0xa0
#define S_DATA   0xa1

#define EOI      0x20 /* OCW2, non-specific */
#define SEOI(n)  (0x60 | (n))
#define READ_IRR 0x0a
#define READ_ISR 0x0b
#define POLL     0x0c
#define SMM_ON   0x68
#define SMM_OFF  0x48

static struct vpic pic;
static bool intr;
static unsigned int rises;

static void on_intr(struct vpic *p, bool level)
{
    assert_ptr_equal(p, &pic);
    assert_true(spin_is_locked(&p->lock));
    assert_int_not_equal(level, intr); /* changes only */
    intr = level;
    rises += level;
}

static void wr(u16 port, u8 value)
{
    vpic_write(&pic, port, value);
    assert_int_equal(vpic_pending(&pic), intr);
}
static u8 rd(u16 port)
{
    return vpic_read(&pic, port);
}
static u8 irr(u16 port)
{
    wr(port, READ_IRR);
    return rd(port);
}
static u8 isr(u16 port)
{
    wr(port, READ_ISR);
    return rd(port);
}
static void line(unsigned int irq, bool level)
{
    vpic_set_line(&pic, irq, level);
    assert_int_equal(vpic_pending(&pic), intr);
}
static void pulse(unsigned int irq)
{
    line(irq, true);
    line(irq, false);
}

/* The CPU takes an interrupt: IRQ number, or -1 if INTR is low. */
static int take(void)
{
    int vector, irq;

    if (!intr)
        return -1;
    vector = vpic_ack(&pic);
    irq = vector < 0x70 ? vector - 0x30 : vector - 0x70 + 8;
    assert_true(irq >= 0 && irq < 16);
    return irq;
}

/* Ends the highest in service, on the slave, too, if it was one of its. */
static void end(int irq)
{
    if (irq >= 8)
        wr(S_CMD, EOI);
    wr(M_CMD, EOI);
}

static void program(u8 icw4_master, u8 icw4_slave)
{
    wr(M_CMD, 0x11);
    wr(M_DATA, 0x30);
    wr(M_DATA, 0x04);
    wr(M_DATA, icw4_master);
    wr(S_CMD, 0x11);
    wr(S_DATA, 0x70);
    wr(S_DATA, 0x02);
    wr(S_DATA, icw4_slave);
}

/* Power-up, then as a PC's firmware programs them: vectors 30h and 70h, nothing masked. */
static void start(void)
{
    intr = false;
    rises = 0;
    vpic_init(&pic, on_intr);
    program(1, 1);
}

/* --- registers and initialization --- */

static void test_power_up(void **state)
{
    (void)state;
    intr = false;
    vpic_init(&pic, on_intr);
    assert_int_equal(rd(M_DATA), 0);
    assert_int_equal(rd(S_DATA), 0);
    assert_int_equal(irr(M_CMD) | irr(S_CMD) | isr(M_CMD) | isr(S_CMD), 0);
    assert_int_equal(rd(0x4d0) | rd(0x4d1), 0);
    assert_int_equal(rd(0x22), 0xff);
    assert_int_equal(rd(0x4d2), 0xff);
    vpic_write(&pic, 0x22, 0x11);
    vpic_write(&pic, 0x1020, 0x11);
    assert_int_equal(rd(M_DATA), 0);
    assert_false(intr);
}

static void test_mask(void **state)
{
    (void)state;
    start();
    for (unsigned int m = 0; m < 256; m++) {
        wr(M_DATA, (u8)m);
        wr(S_DATA, (u8)~m);
        assert_int_equal(rd(M_DATA), m);
        assert_int_equal(rd(S_DATA), (u8)~m);
    }
    wr(M_DATA, 0xfb);
    wr(S_DATA, 0xff);
    line(5, true);
    line(12, true);
    assert_false(intr);
    assert_int_equal(irr(M_CMD), 1 << 5); /* a masked request is remembered */
    wr(M_DATA, 0xdb);
    assert_int_equal(take(), 5);
    end(5);
    wr(S_DATA, 0xef);
    assert_int_equal(take(), 12);
    end(12);
    assert_false(intr);
}

/* ICW1 resets mask, service, priorities, modes and edges; a level that is still up counts again. */
static void test_icw1(void **state)
{
    (void)state;
    start();
    wr(0x4d0, 0x20);
    line(3, true);
    line(5, true);
    assert_int_equal(take(), 3);
    wr(M_CMD, 0xc3); /* lowest priority: 3 */
    wr(M_CMD, SMM_ON);
    wr(M_DATA, 0x02);
    line(6, true);
    wr(M_CMD, READ_ISR);
    wr(M_CMD, POLL);
    wr(M_CMD, 0x11);
    assert_false(intr); /* quiet until initialized */
    wr(M_DATA, 0x47);
    wr(M_DATA, 0x04);
    assert_false(intr);
    wr(M_DATA, 0x01);
    assert_int_equal(rd(M_DATA), 0);
    assert_int_equal(rd(M_CMD), 1 << 5); /* reads IRR; the edge of 6 is forgotten */
    assert_int_equal(isr(M_CMD), 0);
    assert_true(intr);
    assert_int_equal(vpic_ack(&pic), 0x45); /* ICW2 gives the upper five bits */
    line(5, false);
    wr(M_CMD, EOI);
    line(6, false);
    line(6, true); /* a new edge */
    line(0, true);
    assert_int_equal(vpic_ack(&pic), 0x40); /* 0 is the highest again */
    wr(M_DATA, 0x01);
    assert_false(intr);                /* no special mask mode: 0 holds back 6 */
    assert_int_equal(rd(0x4d0), 0x20); /* ELCR is not the 8259's */
}

/* Which ICWs follow is ICW1's to say: single chips have no ICW3, and ICW4 comes on demand. */
static void test_icw_sequences(void **state)
{
    static const struct {
        u8 icw1;
        unsigned int icws;
    } cases[] = {{0x10, 2}, {0x11, 3}, {0x12, 1}, {0x13, 2}};

    (void)state;
    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        start();
        wr(M_CMD, cases[i].icw1);
        for (unsigned int n = 0; n < cases[i].icws; n++) {
            wr(M_DATA, n ? 0x01 : 0x30);
            assert_int_equal(rd(M_DATA), 0);
        }
        wr(M_DATA, 0xa5); /* OCW1 again */
        assert_int_equal(rd(M_DATA), 0xa5);
    }
    start(); /* AEOI with rotation, fully nested; then again without ICW4: its functions are off */
    program(0x13, 1);
    wr(M_CMD, 0x80);
    wr(M_CMD, 0x10);
    wr(M_DATA, 0x30);
    wr(M_DATA, 0x04);
    pulse(12);
    assert_int_equal(take(), 12);
    assert_int_equal(isr(M_CMD), 1 << 2);
    pulse(8);
    assert_false(intr);
    end(12);
    end(take());
    program(3, 1); /* AEOI is back, rotation is not */
    pulse(3);
    assert_int_equal(take(), 3);
    pulse(3);
    pulse(4);
    assert_int_equal(take(), 3);
}

/* --- fully nested mode --- */

static void test_fully_nested(void **state)
{
    static const int order[] = {0, 1, 8, 9, 10, 11, 12, 13, 14, 15, 3, 4, 5, 6, 7};

    (void)state;
    start();
    for (unsigned int irq = 0; irq < 16; irq++)
        pulse(irq);
    assert_int_equal(irr(M_CMD), 0xff);
    assert_int_equal(irr(S_CMD), 0xff);
    for (unsigned int i = 0; i < ARRAY_SIZE(order); i++) {
        assert_int_equal(take(), order[i]);
        assert_false(intr); /* the others wait for its EOI */
        end(order[i]);
    }
    assert_false(intr);
    assert_int_equal(irr(M_CMD) | irr(S_CMD) | isr(M_CMD) | isr(S_CMD), 0);
}

static void test_preemption(void **state)
{
    (void)state;
    start();
    pulse(6);
    assert_int_equal(take(), 6);
    pulse(7);
    assert_false(intr);
    pulse(6);
    assert_false(intr); /* not even itself */
    pulse(4);
    assert_int_equal(take(), 4);
    pulse(14);
    assert_int_equal(take(), 14);
    assert_int_equal(isr(M_CMD), 1 << 6 | 1 << 4 | 1 << 2);
    assert_int_equal(isr(S_CMD), 1 << 6);
    pulse(1);
    assert_int_equal(take(), 1);
    wr(M_CMD, EOI);
    assert_int_equal(isr(M_CMD), 1 << 6 | 1 << 4 | 1 << 2);
    end(14);
    wr(M_CMD, EOI);
    assert_int_equal(isr(M_CMD), 1 << 6);
    assert_false(intr);
    wr(M_CMD, EOI);
    assert_int_equal(take(), 6);
    wr(M_CMD, EOI);
    assert_int_equal(take(), 7);
    wr(M_CMD, EOI);
    wr(M_CMD, EOI); /* one too many */
    assert_int_equal(isr(M_CMD), 0);
}

static void test_specific_eoi(void **state)
{
    (void)state;
    start();
    pulse(6);
    assert_int_equal(take(), 6);
    pulse(3);
    assert_int_equal(take(), 3);
    wr(M_CMD, SEOI(6));
    assert_int_equal(isr(M_CMD), 1 << 3);
    wr(M_CMD, SEOI(5)); /* not in service */
    assert_int_equal(isr(M_CMD), 1 << 3);
    wr(M_CMD, 0x43); /* 010: no operation */
    assert_int_equal(isr(M_CMD), 1 << 3);
    wr(M_CMD, SEOI(3));
    assert_int_equal(isr(M_CMD), 0);
}

/* The slave's second request passes the master only after EOIs to both; in special fully nested
 * mode a higher one of the slave passes at once. */
static void test_special_fully_nested(void **state)
{
    (void)state;
    start();
    pulse(12);
    assert_int_equal(take(), 12);
    pulse(9);
    assert_false(intr); /* the master has IR2 in service */
    wr(S_CMD, EOI);
    assert_false(intr);
    wr(M_CMD, EOI);
    assert_int_equal(take(), 9);
    end(9);

    start();
    program(0x11, 1);
    pulse(12);
    assert_int_equal(take(), 12);
    pulse(14);
    assert_false(intr); /* lower than 12 */
    pulse(9);
    assert_int_equal(take(), 9);
    wr(S_CMD, EOI);
    assert_int_equal(isr(S_CMD), 1 << 4); /* not the last: no EOI to the master yet */
    wr(S_CMD, EOI);
    assert_int_equal(isr(S_CMD), 0);
    assert_true(intr); /* 14, IR2 still in service on the master */
    assert_int_equal(take(), 14);
    pulse(5);
    assert_false(intr); /* lower ones of the master's own do wait */
    pulse(1);
    assert_int_equal(take(), 1);
    pulse(8);
    assert_false(intr); /* and the slave waits for higher ones */
}

/* --- rotation, AEOI, masks --- */

static int order_of_all(int *order)
{
    int n = 0;

    for (unsigned int irq = 0; irq < 8; irq++)
        pulse(irq);
    for (; intr && n < 8; n++) {
        order[n] = take();
        wr(M_CMD, SEOI(order[n]));
    }
    return n;
}

static void test_set_priority(void **state)
{
    int order[8];

    (void)state;
    for (int lowest = 0; lowest < 8; lowest++) {
        start();
        wr(M_CMD, (u8)(0xc0 | lowest));
        assert_int_equal(order_of_all(order), 7); /* all but the cascade */
        for (int i = 0, rank = 0; i < 8; i++) {
            int irq = (lowest + 1 + i) & 7;

            if (irq != 2)
                assert_int_equal(order[rank++], irq);
        }
    }
}

static void test_rotate_on_eoi(void **state)
{
    (void)state;
    start();
    pulse(4);
    assert_int_equal(take(), 4);
    wr(M_CMD, 0xa0); /* rotate on non-specific EOI: 4 becomes the lowest */
    assert_int_equal(isr(M_CMD), 0);
    pulse(4);
    pulse(5);
    assert_int_equal(take(), 5);
    pulse(3);
    assert_false(intr);
    wr(M_CMD, 0xe1); /* rotate on specific EOI of 1, not in service: priority only */
    assert_int_equal(isr(M_CMD), 1 << 5);
    assert_true(intr); /* 3 outranks 5 now */
    assert_int_equal(take(), 3);
    wr(M_CMD, 0xe3);
    assert_int_equal(isr(M_CMD), 1 << 5); /* and 4 outranks 5 */
    assert_int_equal(take(), 4);
    wr(M_CMD, 0xa0);
    wr(M_CMD, EOI);
    assert_int_equal(isr(M_CMD), 0);
    wr(M_CMD, 0xa0); /* nothing in service: no rotation */
    pulse(4);
    pulse(6);
    assert_int_equal(take(), 6);
}

static void test_auto_eoi(void **state)
{
    (void)state;
    start();
    program(3, 3);
    pulse(3);
    pulse(5);
    assert_int_equal(take(), 3);
    assert_int_equal(isr(M_CMD), 0);
    assert_int_equal(take(), 5); /* at once */
    pulse(9);
    pulse(10);
    assert_int_equal(take(), 9);
    assert_int_equal(isr(M_CMD) | isr(S_CMD), 0);
    assert_int_equal(take(), 10);
    wr(M_CMD, 0x80); /* rotate in AEOI mode */
    pulse(3);
    assert_int_equal(take(), 3);
    pulse(3);
    pulse(4);
    assert_int_equal(take(), 4);
    assert_int_equal(take(), 3);
    wr(M_CMD, 0x00); /* and no more */
    pulse(6);
    assert_int_equal(take(), 6);
    pulse(4);
    pulse(6);
    assert_int_equal(take(), 4); /* 3 is still the lowest */
}

static void test_special_mask(void **state)
{
    (void)state;
    start();
    pulse(3);
    assert_int_equal(take(), 3);
    pulse(6);
    assert_false(intr);
    wr(M_CMD, SMM_ON);
    assert_false(intr);
    wr(M_DATA, 1 << 3); /* in service and masked: lower ones pass */
    assert_int_equal(take(), 6);
    pulse(3);
    assert_false(intr); /* itself is masked */
    wr(M_CMD, EOI);     /* non-specific: does not see the masked one */
    assert_int_equal(isr(M_CMD), 1 << 3);
    wr(M_CMD, EOI);
    assert_int_equal(isr(M_CMD), 1 << 3);
    wr(M_CMD, 0x08); /* OCW3 without ESMM leaves the mode */
    pulse(7);
    assert_int_equal(take(), 7);
    wr(M_CMD, EOI);
    wr(M_CMD, SMM_OFF);
    pulse(7);
    assert_false(intr);
    wr(M_CMD, SEOI(3));
    assert_int_equal(take(), 7);
}

/* --- poll --- */

static void test_poll(void **state)
{
    (void)state;
    start();
    wr(M_CMD, POLL);
    assert_int_equal(rd(M_CMD), 0);
    pulse(5);
    pulse(6);
    wr(M_CMD, POLL);
    assert_int_equal(rd(M_CMD), 0x85);
    assert_int_equal(rd(M_DATA), 0); /* one read only */
    assert_int_equal(isr(M_CMD), 1 << 5);
    assert_false(intr);
    wr(M_CMD, POLL);
    assert_int_equal(rd(M_DATA), 0);     /* 6 waits for 5; polled at either address */
    assert_int_equal(rd(M_CMD), 1 << 5); /* the selection of before holds */
    wr(M_CMD, EOI);
    assert_int_equal(take(), 6);
    wr(M_CMD, EOI);
    /* the slave can be polled alone, and leaves nothing behind in the master */
    wr(M_DATA, 0xfb);
    pulse(11);
    assert_true(intr);
    wr(S_CMD, POLL);
    assert_int_equal(rd(S_CMD), 0x83);
    assert_false(intr);
    assert_int_equal(isr(S_CMD), 1 << 3);
    wr(S_CMD, EOI);
    assert_false(intr);
    /* through the master: level 2, then the slave's */
    pulse(11);
    wr(M_CMD, POLL);
    assert_int_equal(rd(M_CMD), 0x82);
    wr(S_CMD, POLL);
    assert_int_equal(rd(S_CMD), 0x83);
    end(11);
    assert_int_equal(isr(M_CMD) | isr(S_CMD), 0);
}

/* --- edges, levels, spurious --- */

static void test_edge(void **state)
{
    (void)state;
    start();
    line(4, true);
    line(4, true);
    assert_int_equal(take(), 4);
    wr(M_CMD, EOI);
    line(4, true);
    assert_false(intr); /* still up is no edge */
    line(4, false);
    assert_false(intr);
    pulse(4); /* held, although the line is down again */
    assert_int_equal(irr(M_CMD), 1 << 4);
    assert_int_equal(take(), 4);
    pulse(4); /* one may wait while one is in service */
    pulse(4);
    wr(M_CMD, EOI);
    assert_int_equal(take(), 4);
    wr(M_CMD, EOI);
    assert_false(intr);
}

static void test_level(void **state)
{
    (void)state;
    start();
    wr(0x4d0, 1 << 5);
    wr(0x4d1, 1 << 3);
    line(5, true);
    assert_int_equal(take(), 5);
    assert_int_equal(irr(M_CMD), 1 << 5); /* IRR is the line */
    assert_false(intr);
    wr(M_CMD, EOI);
    assert_int_equal(take(), 5); /* still up: again */
    line(5, false);
    wr(M_CMD, EOI);
    assert_false(intr);
    line(11, true);
    assert_int_equal(take(), 11);
    end(11);
    assert_int_equal(take(), 11);
    line(11, false);
    end(11);
    assert_false(intr);
    pulse(5); /* gone before anybody asked */
    assert_false(intr);
}

static void test_elcr(void **state)
{
    (void)state;
    start();
    wr(0x4d0, 0xff);
    wr(0x4d1, 0xff);
    assert_int_equal(rd(0x4d0), 0xf8); /* 0, 1, 2, 8 and 13 are always edges */
    assert_int_equal(rd(0x4d1), 0xde);
    wr(0x4d0, 0);
    wr(0x4d1, 0);
    line(5, true);
    assert_int_equal(take(), 5);
    wr(M_CMD, EOI);
    assert_false(intr);
    wr(0x4d0, 1 << 5); /* up already when it becomes a level */
    assert_true(intr);
    wr(0x4d0, 0);
    assert_false(intr);
}

static void test_spurious(void **state)
{
    (void)state;
    start();
    wr(0x4d0, 1 << 5);
    wr(0x4d1, 1 << 3);
    line(5, true);
    line(5, false); /* between INTR and INTA */
    assert_int_equal(vpic_ack(&pic), 0x37);
    assert_int_equal(isr(M_CMD), 0);
    pulse(4);
    wr(M_DATA, 1 << 4);
    assert_false(intr);
    assert_int_equal(vpic_ack(&pic), 0x37);
    assert_int_equal(isr(M_CMD), 0);
    wr(M_DATA, 0);
    assert_int_equal(take(), 4);
    wr(M_CMD, EOI);
    /* the slave's: the master has seen IR2 and has it in service */
    line(11, true);
    line(11, false);
    assert_true(intr);
    assert_int_equal(vpic_ack(&pic), 0x77);
    assert_int_equal(isr(M_CMD), 1 << 2);
    assert_int_equal(isr(S_CMD), 0);
    wr(M_CMD, EOI);
    assert_false(intr);
    /* a real IRQ 7 can be told from it by ISR */
    pulse(7);
    assert_int_equal(take(), 7);
    assert_int_equal(isr(M_CMD), 1 << 7);
}

static void test_cascade_line(void **state)
{
    (void)state;
    start();
    line(2, true); /* not an input of a PC */
    assert_false(intr);
    assert_int_equal(irr(M_CMD), 0);
    vpic_set_line(&pic, 16, true);
    vpic_set_line(&pic, ~0u, true);
    assert_false(intr);
    wr(M_DATA, 1 << 2);
    pulse(8);
    assert_false(intr);
    wr(M_DATA, 0);
    assert_int_equal(take(), 8);
}

/* Each acknowledge lowers INTR; more to come raises it again: edge-triggered listeners count on it.
 */
static void test_output_edges(void **state)
{
    (void)state;
    start();
    program(3, 3);
    rises = 0;
    for (unsigned int irq = 0; irq < 16; irq++)
        pulse(irq);
    assert_int_equal(rises, 1);
    for (unsigned int i = 0; i < 15; i++) {
        assert_int_equal(rises, i + 1);
        assert_true(take() >= 0);
    }
    assert_false(intr);
    assert_int_equal(rises, 15);
}

/* --- save and load --- */

static void test_save_load(void **state)
{
    struct hvm_hw_vpic chip[2];

    (void)state;
    start();
    wr(0x4d0, 1 << 5);
    wr(0x4d1, 1 << 3);
    wr(S_DATA, 0x40);
    wr(M_CMD, 0xc6);
    pulse(3);
    line(4, true);
    line(11, true);
    assert_int_equal(take(), 11); /* 7 is the highest now, then 0, 1, 2 */
    wr(S_CMD, 0x11);              /* in the middle of initialization */
    wr(S_DATA, 0x78);
    vpic_save(&pic, chip);
    assert_int_equal(chip[0].isr, 1 << 2);
    assert_int_equal(chip[0].is_master, 1);
    assert_int_equal(chip[0].priority_add, 7);
    assert_int_equal(chip[1].init_state, 2 | 1 << 2);
    assert_int_equal(chip[1].irq_base, 0x78);

    vpic_init(&pic, on_intr);
    intr = false;
    assert_int_equal(vpic_load(&pic, chip, 1 << 4 | 1 << 5 | 1 << 11), 0);
    assert_false(intr);
    wr(S_DATA, 0x02);
    wr(S_DATA, 0x01);
    wr(M_CMD, EOI);
    assert_true(intr);
    assert_int_equal(vpic_ack(&pic), 0x78 + 3);
    wr(S_CMD, EOI);
    line(11, false);
    wr(M_CMD, EOI);
    /* what rose and fell on the slave meanwhile has left its edge in the master */
    assert_int_equal(vpic_ack(&pic), 0x78 + 7);
    wr(M_CMD, EOI);
    assert_int_equal(take(), 3);
    wr(M_CMD, EOI);
    assert_int_equal(take(), 4); /* once: the line that was up is no new edge */
    wr(M_CMD, EOI);
    assert_int_equal(take(), 5); /* went up on the way */
    line(5, false);
    wr(M_CMD, EOI);
    assert_false(intr);
}

/* The master's IR2 was taken by a poll, the slave's request not yet: that edge is past, and stays
 * past. */
static void test_load_cascade(void **state)
{
    struct hvm_hw_vpic chip[2];

    (void)state;
    start();
    pulse(11);
    wr(M_CMD, POLL);
    assert_int_equal(rd(M_CMD), 0x82);
    vpic_save(&pic, chip);
    assert_int_equal(chip[1].int_output, 1);
    vpic_init(&pic, on_intr);
    assert_int_equal(vpic_load(&pic, chip, 0), 0);
    wr(M_CMD, EOI);
    assert_false(intr);
    wr(S_CMD, POLL);
    assert_int_equal(rd(S_CMD), 0x83);
    pulse(0);
    assert_true(intr); /* loading over a raised INTR lowers it */
    assert_int_equal(vpic_load(&pic, chip, 0), 0);
    assert_false(intr);
}

static void test_load_refuses(void **state)
{
    struct hvm_hw_vpic good[2], chip[2];

    (void)state;
    start();
    vpic_save(&pic, good);
#define REFUSES(n, setting)                                  \
    do {                                                     \
        memcpy(chip, good, sizeof(chip));                    \
        chip[n] setting;                                     \
        assert_int_equal(vpic_load(&pic, chip, 0), -EINVAL); \
    } while (0)
    REFUSES(0, .is_master = 0);
    REFUSES(1, .is_master = 1);
    REFUSES(0, .priority_add = 8);
    REFUSES(1, .irq_base = 0x71);
    REFUSES(0, .elcr = 0x04);
    REFUSES(1, .elcr = 0x20);
    REFUSES(0, .init_state = 0x4);     /* waiting for ICW1 */
    REFUSES(0, .init_state = 0x2 | 8); /* for ICW3 of a single chip */
    REFUSES(0, .init_state = 0x3);     /* for an ICW4 not announced */
#undef REFUSES
    assert_int_equal(vpic_load(&pic, good, 0), 0);
}

/* --- random --- */

/* Guest and devices at random, fully nested, no rotation: never an interrupt that is masked, or not
 * above all in service; every edge that made a request is served exactly once. */
static void test_random(void **state)
{
    unsigned int edges[16] = {0}, taken[16] = {0};
    u16 mask = 0;

    (void)state;
    start();
    for (unsigned int i = 0; i < 300000; i++) {
        unsigned int irq = (unsigned int)random_below(16);
        u8 before[2];
        int got;

        switch (random_below(6)) {
        case 0 ... 1:
            before[0] = irr(irq < 8 ? M_CMD : S_CMD);
            if (irq != 2 && !(pic.lines[irq / 8] >> irq % 8 & 1) && !(before[0] >> irq % 8 & 1))
                edges[irq]++;
            pulse(irq);
            break;
        case 2:
            if (intr ||
                irr(M_CMD) &
                    4) /* a mask that takes back a request would make it spurious: another test */
                break;
            mask = (u16)(random_u64() & random_u64() & ~4u);
            wr(M_DATA, (u8)mask);
            wr(S_DATA, (u8)(mask >> 8));
            break;
        case 3:
            end(isr(M_CMD) & 4 && !(isr(M_CMD) & 3) ? 8 : 0);
            break;
        default:
            before[0] = isr(M_CMD);
            before[1] = isr(S_CMD);
            got = take();
            if (got < 0)
                break;
            taken[got]++;
            assert_false(mask >> got & 1);
            if (got < 8)
                assert_int_equal(before[0] & ((2u << got) - 1), 0);
            else
                assert_int_equal((before[0] & 7) | (before[1] & ((2u << (got - 8)) - 1)), 0);
        }
    }
    wr(M_DATA, 0);
    wr(S_DATA, 0);
    for (unsigned int i = 0; i < 100; i++) {
        int got = take();

        if (got >= 0)
            taken[got]++;
        wr(S_CMD, EOI);
        wr(M_CMD, EOI);
    }
    for (unsigned int irq = 0; irq < 16; irq++)
        assert_int_equal(edges[irq], taken[irq]);
}

/* Any writes: no harm, INTR consistent (on_intr checks), what it holds it can save and load. */
static void test_random_writes(void **state)
{
    static const u16 ports[] = {M_CMD, M_DATA, S_CMD, S_DATA, 0x4d0, 0x4d1};
    struct hvm_hw_vpic chip[2];

    (void)state;
    start();
    for (unsigned int i = 0; i < 300000; i++) {
        wr(ports[random_below(6)], (u8)random_u64());
        rd(ports[random_below(6)]);
        line((unsigned int)random_below(16), random_below(2));
        if (random_below(4) == 0)
            vpic_ack(&pic);
        if (random_below(16) == 0) {
            u16 lines = (u16)(pic.lines[0] | pic.lines[1] << 8);
            bool before = intr;

            vpic_save(&pic, chip);
            intr = false;
            vpic_init(&pic, on_intr);
            assert_int_equal(vpic_load(&pic, chip, lines), 0);
            assert_int_equal(intr, before);
        }
    }
}

static int seed(void **state)
{
    (void)state;
    random_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_up),     cmocka_unit_test(test_mask),
        cmocka_unit_test(test_icw1),         cmocka_unit_test(test_icw_sequences),
        cmocka_unit_test(test_fully_nested), cmocka_unit_test(test_preemption),
        cmocka_unit_test(test_specific_eoi), cmocka_unit_test(test_special_fully_nested),
        cmocka_unit_test(test_set_priority), cmocka_unit_test(test_rotate_on_eoi),
        cmocka_unit_test(test_auto_eoi),     cmocka_unit_test(test_special_mask),
        cmocka_unit_test(test_poll),         cmocka_unit_test(test_edge),
        cmocka_unit_test(test_level),        cmocka_unit_test(test_elcr),
        cmocka_unit_test(test_spurious),     cmocka_unit_test(test_cascade_line),
        cmocka_unit_test(test_output_edges), cmocka_unit_test(test_save_load),
        cmocka_unit_test(test_load_cascade), cmocka_unit_test(test_load_refuses),
        cmocka_unit_test(test_random),       cmocka_unit_test(test_random_writes),
    };

    return cmocka_run_group_tests_name("vpic", tests, seed, NULL);
}
