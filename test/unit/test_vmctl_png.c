/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures are read again by libpng, which knows nothing of how they were written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <png.h>
#include "libvmctl/png.h"
#include "random.h"

/* A picture with that head and pixels, which are the caller's. */
static uint8_t *make(const char *head, const uint8_t *pixels, size_t count, size_t *size)
{
    uint8_t *ppm = malloc(strlen(head) + count + 1);

    memcpy(ppm, head, strlen(head));
    memcpy(ppm + strlen(head), pixels, count);
    *size = strlen(head) + count;
    return ppm;
}

static uint8_t *random_pixels(size_t count)
{
    uint8_t *p = malloc(count);

    for (size_t i = 0; i < count; i++)
        p[i] = (uint8_t)(random_u64() >> (i % 7 ? 40 : 60)); /* some of them alike */
    return p;
}

static void round_trip(unsigned width, unsigned height)
{
    png_image i = {.version = PNG_IMAGE_VERSION};
    size_t count = 3ul * width * height, size, png_size = 0;
    uint8_t *pixels = random_pixels(count), *back = malloc(count), *ppm;
    char head[64];
    void *png = NULL;

    snprintf(head, sizeof(head), "P6\n%u %u\n255\n", width, height);
    ppm = make(head, pixels, count, &size);
    assert_int_equal(png_from_ppm(ppm, size, &png, &png_size), 0);
    assert_true(png_image_begin_read_from_memory(&i, png, png_size));
    assert_int_equal(i.width, width);
    assert_int_equal(i.height, height);
    assert_int_equal(i.format, PNG_FORMAT_RGB);
    assert_true(png_image_finish_read(&i, NULL, back, 0, NULL));
    assert_int_equal(i.warning_or_error, 0);
    assert_memory_equal(back, pixels, count);
    free(png);
    free(ppm);
    free(back);
    free(pixels);
}

static void pictures(void **state)
{
    (void)state;
    round_trip(1, 1);
    round_trip(1, 300);
    round_trip(300, 1);
    round_trip(720, 400);
    round_trip(641, 479);
}

static void small(void **state)
{
    size_t count = 3ul * 1024 * 768, size, png_size;
    uint8_t *black = calloc(count, 1), *ppm = make("P6\n1024 768\n255\n", black, count, &size);
    void *png;

    (void)state;
    assert_int_equal(png_from_ppm(ppm, size, &png, &png_size), 0);
    assert_true(png_size < count / 100);
    free(png);
    free(ppm);
    free(black);
}

static int convert(const char *head, size_t count)
{
    uint8_t *pixels = calloc(count ? count : 1, 1), *ppm;
    size_t size, png_size;
    void *png = pixels;
    int rc;

    ppm = make(head, pixels, count, &size);
    ppm = realloc(ppm, size); /* its end is watched */
    rc = png_from_ppm(ppm, size, &png, &png_size);
    if (rc)
        assert_null(png);
    free(png);
    free(ppm);
    free(pixels);
    return rc;
}

static void heads(void **state)
{
    (void)state;
    assert_int_equal(convert("P6 2 1 255\n", 6), 0);
    assert_int_equal(convert("P6# a\n2\t# b 9\n1\n255\n", 6), 0);
    assert_int_equal(convert("P6 2 1 255\n", 7), 0); /* what follows is not ours */
    assert_int_equal(convert("P6 2 1 255\n", 5), -EINVAL);
    assert_int_equal(convert("P6 2 1 255", 0), -EINVAL);
    assert_int_equal(convert("P6 2 1 255\n", 0), -EINVAL);
    assert_int_equal(convert("P5 2 1 255\n", 6), -EINVAL);
    assert_int_equal(convert("P6 2 1 65535\n", 12), -EINVAL);
    assert_int_equal(convert("P6 0 1 255\n", 6), -EINVAL);
    assert_int_equal(convert("P6 -2 1 255\n", 6), -EINVAL);
    assert_int_equal(convert("P6 4294967297 1 255\n", 6), -EINVAL);
    assert_int_equal(convert("P6 16385 1 255\n", 60000), -EINVAL);
    assert_int_equal(convert("P6 16384 16384 255\n", 6), -EINVAL);
    assert_int_equal(convert("P6 2", 0), -EINVAL);
    assert_int_equal(convert("P6 #", 0), -EINVAL);
    assert_int_equal(convert("P", 1), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pictures), cmocka_unit_test(small),
                                       cmocka_unit_test(heads)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
