/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <pthread.h>
#include <cmocka.h>
#include "hv/console.h"
#include "hv/errno.h"
#include "hv/log.h"

#define RING 16384

/* A console that remembers. */
static char seen[1 << 20];
static size_t seen_len;

static void remember(struct console *c, const char *text, size_t len)
{
    (void)c;
    assert_true(seen_len + len < sizeof(seen));
    memcpy(seen + seen_len, text, len);
    seen_len += len;
    seen[seen_len] = '\0';
}

static struct console recorder = {.write = remember};

/* Returns what is new in the ring since *index. */
static const char *news(u32 *index)
{
    static char buf[RING + 1];
    size_t n = log_read(buf, RING, index);

    buf[n] = '\0';
    return buf;
}

static int start(void **state)
{
    static u32 index;

    log_set_level(LOG_INFO);
    log_raw("\n", 1);
    news(&index);
    seen_len = 0;
    seen[0] = '\0';
    *state = &index;
    return 0;
}

static void test_lines(void **state)
{
    log_info("one %d", 1);
    log_err("two %s", "2");
    assert_string_equal(news(*state), "(HV) one 1\n(HV) two 2\n");
    assert_string_equal(seen, "(HV) one 1\n(HV) two 2\n");
    assert_string_equal(news(*state), "");
}

static void test_levels(void **state)
{
    log_debug("hidden");
    log_info("shown");
    log_set_level(LOG_ERR);
    log_warn("hidden");
    log_err("shown too");
    log_set_level(LOG_DEBUG);
    log_debug("and this");
    assert_string_equal(news(*state), "(HV) shown\n(HV) shown too\n(HV) and this\n");
}

static void test_raw(void **state)
{
    log_raw("login: ", 7);
    log_info("meanwhile");
    log_raw("root\n", 5);
    log_raw(NULL, 0);
    log_info("later");
    assert_string_equal(seen, "login: \n(HV) meanwhile\nroot\n(HV) later\n");
    assert_string_equal(news(*state), seen);
}

static void test_long_line(void **state)
{
    char text[600];
    const char *line;

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    log_info("%s", text);
    line = news(*state);
    assert_int_equal(strlen(line), 255);
    assert_int_equal(line[254], '\n');
    assert_int_equal(line[253], 'x');
    assert_string_equal(line, seen);
}

static void test_ring_keeps_the_newest(void **state)
{
    u32 old = *(u32 *)*state, nowhere = old - 1000000;
    char one;

    for (int i = 0; i < 5000; i++)
        log_info("line %d", i);
    assert_memory_equal(news(&old), seen + seen_len - RING, RING);
    assert_memory_equal(news(&nowhere), seen + seen_len - RING, RING);
    assert_int_equal(old, nowhere);
    old -= 2;
    assert_int_equal(log_read(&one, 1, &old), 1);
    assert_int_equal(one, '9');
    assert_int_equal(log_read(&one, 1, &old), 1);
    assert_int_equal(one, '\n');
    assert_int_equal(log_read(&one, 1, &old), 0);
    assert_int_equal(log_read(&one, 0, &nowhere), 0);
}

static void *writer(void *arg)
{
    for (int i = 0; i < 1000; i++)
        log_info("thread %s wrote line %04d", (const char *)arg, i);
    return NULL;
}

/* Lines of several CPUs do not mix: every line that came out is whole. */
static void test_concurrent(void **state)
{
    pthread_t thread[4];
    static const char *const names[] = {"a", "b", "c", "d"};
    int lines = 0;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, writer, (void *)names[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    for (char *p = seen; *p; p = strchr(p, '\n') + 1, lines++) {
        char who;
        int n, end = 0;

        assert_int_equal(sscanf(p, "(HV) thread %c wrote line %4d%n", &who, &n, &end), 2);
        assert_int_equal(p[end], '\n');
    }
    assert_int_equal(lines, 4000);
}

static void test_uart_option(void **state)
{
    static const char *const bad[] = {"x",
                                      "0",
                                      "7",
                                      "230400",
                                      "115200,",
                                      "115200,0",
                                      "9600 ",
                                      "115200,0x3f8,8n1",
                                      "115200,0x10000",
                                      ",",
                                      "offf"};
    struct uart_config c = UART_DEFAULT;

    (void)state;
    assert_int_equal(uart_parse("", &c), 0);
    assert_int_equal(c.baud, 115200);
    assert_int_equal(c.port, 0x3f8);
    assert_int_equal(uart_parse("9600", &c), 0);
    assert_int_equal(c.baud, 9600);
    assert_int_equal(uart_parse(",0x2f8", &c), 0);
    assert_int_equal(c.port, 0x2f8);
    assert_int_equal(uart_parse("57600,0x3e8", &c), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(uart_parse(bad[i], &c), -EINVAL);
    assert_int_equal(c.baud, 57600);
    assert_int_equal(c.port, 0x3e8);
    assert_int_equal(uart_parse("off", &c), 0);
    assert_int_equal(c.port, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_lines, start),
        cmocka_unit_test_setup(test_levels, start),
        cmocka_unit_test_setup(test_raw, start),
        cmocka_unit_test_setup(test_long_line, start),
        cmocka_unit_test_setup(test_ring_keeps_the_newest, start),
        cmocka_unit_test_setup(test_concurrent, start),
        cmocka_unit_test(test_uart_option),
    };

    console_register(&recorder);
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
