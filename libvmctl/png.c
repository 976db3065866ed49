/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/png.h"
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <zlib.h>

/* PNG specification, second edition: 5.2 signature, 5.3 chunks, 11.2.2 IHDR, 9.2 filter types. */
static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

#define CHUNK_EXTRA  12u /* length, type, CRC */
#define HEADER_SIZE  13u
#define DEPTH        8
#define TRUE_COLOUR  2
#define FILTER_UP    2
#define COLOURS      3u
#define SIDE_MAX     16384u
#define BEST_FOR_CPU 1 /* deflate level: a screen is mostly the same line again */

struct ppm {
    unsigned width, height;
    const uint8_t *pixels;
};

/* One number of a PPM's head, with the white space and the comments before it. */
static bool read_number(const uint8_t **p, const uint8_t *end, unsigned *n)
{
    while (*p < end && (isspace(**p) || **p == '#')) {
        if (**p == '#')
            while (*p < end && **p != '\n')
                ++*p;
        else
            ++*p;
    }
    *n = 0;
    if (*p == end || !isdigit(**p))
        return false;
    while (*p < end && isdigit(**p) && *n <= SIDE_MAX)
        *n = *n * 10 + (*(*p)++ - '0');
    return *n && *n <= SIDE_MAX;
}

static bool read_ppm(struct ppm *i, const uint8_t *p, size_t size)
{
    const uint8_t *end = p + size;
    unsigned max;

    if (size < 2 || p[0] != 'P' || p[1] != '6')
        return false;
    p += 2;
    if (!read_number(&p, end, &i->width) || !read_number(&p, end, &i->height) ||
        !read_number(&p, end, &max) || max != UINT8_MAX)
        return false;
    i->pixels = p + 1; /* one white space */
    return p < end && (size_t)(end - i->pixels) >= (size_t)COLOURS * i->width * i->height;
}

/* Each line as its difference from the one above: the same line again is zeros. */
static uint8_t *filtered(const struct ppm *i, size_t *size)
{
    size_t line = (size_t)COLOURS * i->width;
    uint8_t *all = malloc((line + 1) * i->height), *to = all;

    *size = (line + 1) * i->height;
    for (unsigned y = 0; all && y < i->height; y++) {
        const uint8_t *from = i->pixels + y * line;

        *to++ = FILTER_UP;
        for (size_t x = 0; x < line; x++)
            *to++ = (uint8_t)(from[x] - (y ? from[x - line] : 0));
    }
    return all;
}

/* The chunk's data, of that length, already stand behind its head. Returns its end. */
static uint8_t *finish_chunk(uint8_t *at, const char type[4], size_t length)
{
    uint32_t word = htonl((uint32_t)length);

    memcpy(at, &word, 4);
    memcpy(at + 4, type, 4);
    word = htonl((uint32_t)crc32(0, at + 4, (uInt)length + 4));
    memcpy(at + 8 + length, &word, 4);
    return at + CHUNK_EXTRA + length;
}

static uint8_t *put_header(uint8_t *at, const struct ppm *i)
{
    const uint8_t rest[5] = {DEPTH, TRUE_COLOUR};
    uint32_t side[2] = {htonl(i->width), htonl(i->height)};

    memcpy(at + 8, side, sizeof(side));
    memcpy(at + 8 + sizeof(side), rest, sizeof(rest));
    return finish_chunk(at, "IHDR", HEADER_SIZE);
}

int png_from_ppm(const void *ppm, size_t size, void **png, size_t *png_size)
{
    uint8_t *raw, *file, *at;
    size_t raw_size;
    struct ppm i;
    uLongf packed;
    int rc = -ENOMEM;

    *png = NULL;
    if (!read_ppm(&i, ppm, size))
        return -EINVAL;
    raw = filtered(&i, &raw_size);
    packed = compressBound(raw_size);
    file = malloc(sizeof(signature) + 3 * CHUNK_EXTRA + HEADER_SIZE + packed);
    if (raw && file) {
        memcpy(file, signature, sizeof(signature));
        at = put_header(file + sizeof(signature), &i);
        if (compress2(at + 8, &packed, raw, raw_size, BEST_FOR_CPU) == Z_OK) {
            at = finish_chunk(at, "IDAT", packed);
            *png_size = (size_t)(finish_chunk(at, "IEND", 0) - file);
            *png = file;
            rc = 0;
        }
    }
    free(raw);
    if (rc)
        free(file);
    return rc;
}
