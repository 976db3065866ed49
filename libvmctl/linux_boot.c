/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/linux_boot.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Offsets in the setup header, by the boot protocol's names. */
enum {
    SETUP_SECTS = 0x1f1,
    VID_MODE = 0x1fa,
    HEADER_MAGIC = 0x202,
    VERSION = 0x206,
    TYPE_OF_LOADER = 0x210,
    LOADFLAGS = 0x211,
    RAMDISK_IMAGE = 0x218,
    RAMDISK_SIZE = 0x21c,
    HEAP_END_PTR = 0x224,
    CMD_LINE_PTR = 0x228,
    INITRD_ADDR_MAX = 0x22c,
    CMDLINE_SIZE = 0x238,
    PREF_ADDRESS = 0x258,
    INIT_SIZE = 0x260,
    HEADER_END = 0x264,
};

#define MAGIC          "HdrS"
#define SECTOR         512u
#define DEFAULT_SECTS  4u
#define LOADED_HIGH    0x01u
#define CAN_USE_HEAP   0x80u
#define LOADER_UNKNOWN 0xffu
#define OLDEST         0x20au /* the first to say how much memory it takes */

/* Where linux_stub.asm's moves put things. */
#define CODE_ADDRESS     0x100000u
#define SETUP_ADDRESS    0x30000u
#define SETUP_STACK      0xe000u
#define SETUP_MAX        0x8000u
#define CMDLINE_ADDRESS  0x40000u
#define CMDLINE_MAX      0x10000u
#define LINUX_STUB_MOVES 0x240u

#define PAGE             4096u
#define ROUND(x, to)     (((x) + (to)-1) / (to) * (to))

extern const uint8_t linux_stub_image[LINUX_STUB_SIZE];

static uint64_t get(const void *from, unsigned at, unsigned bytes)
{
    const uint8_t *p = (const uint8_t *)from + at;
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)p[i] << 8 * i;
    return value;
}

static void put(void *to, unsigned at, uint64_t value, unsigned bytes)
{
    uint8_t *p = (uint8_t *)to + at;

    for (unsigned i = 0; i < bytes; i++)
        p[i] = (uint8_t)(value >> 8 * i);
}

/* "vga=" is for the boot loader, not for the kernel. */
static uint16_t video_mode(const char *cmdline, uint16_t otherwise)
{
    static const struct {
        const char *name;
        uint16_t mode;
    } names[] = {{"normal", 0xffff}, {"ext", 0xfffe}, {"ask", 0xfffd}};
    const char *p = cmdline ? strstr(cmdline, "vga=") : NULL;

    if (!p || (p != cmdline && p[-1] != ' '))
        return otherwise;
    p += strlen("vga=");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(p, names[i].name, strlen(names[i].name)) == 0)
            return names[i].mode;
    return (uint16_t)strtoul(p, NULL, 0);
}

/* Reads and checks the header. */
static int parse(struct linux_boot *b, const struct file *kernel, const char *cmdline)
{
    const void *h = kernel->data;
    uint32_t sects;

    if (kernel->size < HEADER_END || memcmp((const char *)h + HEADER_MAGIC, MAGIC, 4) != 0)
        return -ENOEXEC;
    if (get(h, VERSION, 2) < OLDEST || !(get(h, LOADFLAGS, 1) & LOADED_HIGH))
        return -ENOEXEC;
    sects = (uint32_t)get(h, SETUP_SECTS, 1);
    b->setup_size = ((sects ? sects : DEFAULT_SECTS) + 1) * SECTOR;
    if (b->setup_size > SETUP_MAX || b->setup_size >= kernel->size || kernel->size > UINT32_MAX / 2)
        return -ENOEXEC;
    b->code_size = (uint32_t)kernel->size - b->setup_size;
    b->cmdline_size = cmdline ? (uint32_t)strlen(cmdline) + 1 : 1;
    if (b->cmdline_size > CMDLINE_MAX || b->cmdline_size - 1 > get(h, CMDLINE_SIZE, 4))
        return -E2BIG;
    b->vid_mode = video_mode(cmdline, (uint16_t)get(h, VID_MODE, 2));
    return 0;
}

/* From here on the kernel leaves alone what lies there, until it knows of the ramdisk. */
static uint64_t kernel_end(const struct linux_boot *b, const void *header)
{
    uint64_t end = CODE_ADDRESS + (uint64_t)b->code_size;
    uint64_t pref = get(header, PREF_ADDRESS, 4) + get(header, INIT_SIZE, 4);

    return pref > end ? pref : end;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* From the bottom up: what firmware uses while it starts the machine lies at the top. */
int linux_boot_plan(struct linux_boot *b, const struct file *kernel, const char *cmdline,
                    size_t initrd_size, uint64_t low, uint64_t high)
{
    uint64_t max;
    int rc;

    *b = (struct linux_boot){0};
    rc = parse(b, kernel, cmdline);
    if (rc)
        return rc;
    b->setup_at = ROUND(b->code_size, 4);
    b->cmdline_at = b->setup_at + b->setup_size;
    b->stage_size = b->cmdline_at + ROUND(b->cmdline_size, 4);
    /* Behind where the kernel's code goes, so that each move is from high to low. */
    b->stage = ROUND(most(low, CODE_ADDRESS + (uint64_t)b->code_size), PAGE);
    b->initrd = ROUND(most(b->stage + b->stage_size, kernel_end(b, kernel->data)), PAGE);
    max = get(kernel->data, INITRD_ADDR_MAX, 4) + 1;
    if (max > high)
        max = high;
    if (b->initrd > max || max - b->initrd < initrd_size)
        return -ENOMEM;
    b->initrd_size = (uint32_t)initrd_size;
    return 0;
}

static void fill_header(const struct linux_boot *b, void *h)
{
    put(h, VID_MODE, b->vid_mode, 2);
    put(h, TYPE_OF_LOADER, LOADER_UNKNOWN, 1);
    put(h, LOADFLAGS, get(h, LOADFLAGS, 1) | CAN_USE_HEAP, 1);
    put(h, RAMDISK_IMAGE, b->initrd_size ? b->initrd : 0, 4);
    put(h, RAMDISK_SIZE, b->initrd_size, 4);
    put(h, HEAP_END_PTR, SETUP_STACK - 0x200, 2);
    put(h, CMD_LINE_PTR, CMDLINE_ADDRESS, 4);
}

void linux_boot_stage(const struct linux_boot *b, const struct file *kernel, const char *cmdline,
                      void *to)
{
    const uint8_t *from = kernel->data;
    uint8_t *p = to;

    memset(p, 0, b->stage_size);
    memcpy(p, from + b->setup_size, b->code_size);
    memcpy(p + b->setup_at, from, b->setup_size);
    fill_header(b, p + b->setup_at);
    memcpy(p + b->cmdline_at, cmdline ? cmdline : "", b->cmdline_size);
}

void linux_boot_stub(const struct linux_boot *b, void *to)
{
    const uint32_t moves[][3] = {
        {(uint32_t)b->stage, CODE_ADDRESS, b->setup_at / 4},
        {(uint32_t)b->stage + b->setup_at, SETUP_ADDRESS, b->setup_size / 4},
        {(uint32_t)b->stage + b->cmdline_at, CMDLINE_ADDRESS, (b->stage_size - b->cmdline_at) / 4},
    };

    memcpy(to, linux_stub_image, LINUX_STUB_SIZE);
    for (unsigned i = 0; i < sizeof(moves) / sizeof(moves[0]); i++)
        for (unsigned j = 0; j < 3; j++)
            put(to, LINUX_STUB_MOVES + (i * 3 + j) * 4, moves[i][j], 4);
}
