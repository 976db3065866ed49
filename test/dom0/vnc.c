// SPDX-License-Identifier: BSD-2-Clause
//
// vnc PORT COMMAND...: a viewer without a screen, for tests. It speaks RFB 3.3 (RFC 6143) without
// password to 127.0.0.1.
//
//   size               WIDTHxHEIGHT
//   pixel X,Y          RRGGBB; X and Y are in thousandths of the screen
//   share RRGGBB       how many thousandths of the screen have this colour
//   sum                a checksum of the screen
//   key NUMBER         presses and releases a key (its X11 keysym)
//   pointer X,Y,MASK   moves the pointer (pixels), with the buttons of MASK held down
//   wait MS
//   watch MS           keeps the screen up to date for so long by what the server says has changed;
//                      prints how many thousandths of the screen that was

#include <arpa/inet.h>
#include <err.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct screen {
    int fd;
    unsigned width, height;
    uint32_t *pixel; // 00RRGGBB; NULL until it is asked for
    size_t received; // pixels, in all updates
};

static void get(int fd, void *to, size_t size)
{
    for (ssize_t n; size; to = (char *)to + n, size -= (size_t)n)
        if ((n = read(fd, to, size)) <= 0)
            errx(1, "the server has ended the connection");
}

static void put(int fd, const void *from, size_t size)
{
    if (write(fd, from, size) != (ssize_t)size)
        err(1, "cannot send");
}

static uint16_t get16(int fd)
{
    uint16_t value;

    get(fd, &value, sizeof(value));
    return ntohs(value);
}

static uint32_t get32(int fd)
{
    uint32_t value;

    get(fd, &value, sizeof(value));
    return ntohl(value);
}

static void skip(int fd, size_t size)
{
    char c;

    while (size--)
        get(fd, &c, 1);
}

static int dial(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        err(1, "port %u", port);
    return fd;
}

// The handshake, and pixels as 32 bits with blue lowest, so that they read as 00RRGGBB here.
static struct screen open_screen(unsigned port)
{
    static const uint8_t pixel_format[20] = {0,   0, 0,   0, 32,  24, 0, 1, 0,
                                             255, 0, 255, 0, 255, 16, 8, 0};
    static const uint8_t raw_encoding[8] = {2, 0, 0, 1, 0, 0, 0, 0};
    struct screen s = {.fd = dial(port)};
    char version[12];

    get(s.fd, version, sizeof(version));
    put(s.fd, "RFB 003.003\n", 12);
    if (get32(s.fd) != 1)
        errx(1, "the server wants a password");
    put(s.fd, "\1", 1); // others may watch as well
    s.width = get16(s.fd);
    s.height = get16(s.fd);
    skip(s.fd, 16);
    skip(s.fd, get32(s.fd)); // the name
    put(s.fd, pixel_format, sizeof(pixel_format));
    put(s.fd, raw_encoding, sizeof(raw_encoding));
    return s;
}

static void get_rectangle(struct screen *s)
{
    unsigned x = get16(s->fd), y = get16(s->fd), w = get16(s->fd), h = get16(s->fd);

    if (get32(s->fd) != 0 || x + w > s->width || y + h > s->height)
        errx(1, "a rectangle that was not asked for");
    s->received += (size_t)w * h;
    for (; h; h--, y++)
        get(s->fd, s->pixel + (size_t)y * s->width + x, w * sizeof(*s->pixel));
}

// One message of the server's; true if it was an update of the screen.
static int get_message(struct screen *s)
{
    uint8_t type;

    get(s->fd, &type, 1);
    if (type == 0) {
        skip(s->fd, 1);
        for (unsigned n = get16(s->fd); n; n--)
            get_rectangle(s);
    } else if (type == 3) { // text for the clipboard
        skip(s->fd, 3);
        skip(s->fd, get32(s->fd));
    } else if (type != 2) { // a bell
        errx(1, "an unknown message %u", type);
    }
    return type == 0;
}

// The whole screen, or what of it has changed, which the server says when something has.
static void request(struct screen *s, bool changes)
{
    uint16_t message[5] = {htons(changes ? 0x301 : 0x300), 0, 0, htons((uint16_t)s->width),
                           htons((uint16_t)s->height)};

    put(s->fd, message, sizeof(message));
}

static void fetch(struct screen *s)
{
    if (s->pixel)
        return;
    s->pixel = calloc((size_t)s->width * s->height, sizeof(*s->pixel));
    if (!s->pixel)
        err(1, "a screen");
    request(s, false);
    while (!get_message(s))
        ;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void watch(struct screen *s, unsigned ms)
{
    struct pollfd server = {.fd = s->fd, .events = POLLIN};
    int64_t end = now_ms() + ms, left;
    size_t before;

    fetch(s);
    before = s->received;
    request(s, true);
    while ((left = end - now_ms()) > 0) {
        if (poll(&server, 1, (int)left) == 1 && get_message(s))
            request(s, true);
    }
    printf("%zu\n", (s->received - before) * 1000 / ((size_t)s->width * s->height));
}

static uint32_t at(struct screen *s, size_t i)
{
    fetch(s);
    return s->pixel[i] & 0xffffff;
}

static void show_share(struct screen *s, uint32_t colour)
{
    size_t all = (size_t)s->width * s->height, same = 0;

    for (size_t i = 0; i < all; i++)
        same += at(s, i) == colour;
    printf("%zu\n", same * 1000 / all);
}

static void show_sum(struct screen *s)
{
    uint64_t sum = 0xcbf29ce484222325; // FNV-1a

    for (size_t i = 0; i < (size_t)s->width * s->height; i++)
        sum = (sum ^ at(s, i)) * 0x100000001b3;
    printf("%016llx\n", (unsigned long long)sum);
}

static void press(struct screen *s, uint32_t key)
{
    uint8_t event[8] = {
        4, 1, 0, 0, (uint8_t)(key >> 24), (uint8_t)(key >> 16), (uint8_t)(key >> 8), (uint8_t)key};

    put(s->fd, event, sizeof(event));
    usleep(100000); // a guest may be slow in fetching it
    event[1] = 0;
    put(s->fd, event, sizeof(event));
}

static void point(struct screen *s, unsigned x, unsigned y, unsigned buttons)
{
    uint8_t event[6] = {5,          (uint8_t)buttons,  (uint8_t)(x >> 8),
                        (uint8_t)x, (uint8_t)(y >> 8), (uint8_t)y};

    put(s->fd, event, sizeof(event));
}

// One command with its argument; true if both make sense.
static int run(struct screen *s, const char *command, const char *argument)
{
    unsigned x, y, z;

    if (strcmp(command, "pixel") == 0 && sscanf(argument, "%u,%u", &x, &y) == 2 && x < 1000 &&
        y < 1000)
        printf("%06x\n", at(s, (size_t)(y * s->height / 1000) * s->width + x * s->width / 1000));
    else if (strcmp(command, "share") == 0 && sscanf(argument, "%x", &x) == 1)
        show_share(s, x);
    else if (strcmp(command, "key") == 0 && sscanf(argument, "%i", (int *)&x) == 1)
        press(s, x);
    else if (strcmp(command, "pointer") == 0 && sscanf(argument, "%u,%u,%u", &x, &y, &z) == 3)
        point(s, x, y, z);
    else if (strcmp(command, "wait") == 0 && sscanf(argument, "%u", &x) == 1)
        usleep(x * 1000);
    else if (strcmp(command, "watch") == 0 && sscanf(argument, "%u", &x) == 1)
        watch(s, x);
    else
        return 0;
    return 1;
}

int main(int argc, char **argv)
{
    struct screen s;

    if (argc < 3)
        errx(2, "vnc PORT COMMAND...");
    s = open_screen((unsigned)atoi(argv[1]));
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "size") == 0)
            printf("%ux%u\n", s.width, s.height);
        else if (strcmp(argv[i], "sum") == 0)
            show_sum(&s);
        else if (i + 1 == argc || !run(&s, argv[i], argv[i + 1]))
            errx(2, "what is %s?", argv[i]);
        else
            i++;
    }
    usleep(100000); // so that the server reads the last event before the end
    return 0;
}
