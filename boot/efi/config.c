/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/config.h"

#define MAX_VIDEO 16384 /* pixels in either direction */

/* The file while it is read. The kernel and the ramdisk wait here for their places before the
 * modules. */
struct parse {
    struct config *config;
    struct config_error *error;
    u32 line;
    u32 seen; /* a bit per key */
    struct config_file kernel, ramdisk;
};

static bool wrong(struct parse *p, const char *reason, struct slice word)
{
    *p->error = (struct config_error){.line = p->line, .reason = reason, .word = word};
    return false;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct slice trim(struct slice s)
{
    while (s.len && blank(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len && blank(s.at[s.len - 1]))
        s.len--;
    return s;
}

/* Cuts s before the first byte for which stop says so; *rest begins with that byte. */
static struct slice cut(struct slice s, bool (*stop)(char), struct slice *rest)
{
    size_t n = 0;

    while (n < s.len && !stop(s.at[n]))
        n++;
    *rest = (struct slice){s.at + n, s.len - n};
    return (struct slice){s.at, n};
}

static bool is_equals(char c)
{
    return c == '=';
}

static bool is_newline(char c)
{
    return c == '\n';
}

static struct slice without_comment(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '#' && (i == 0 || blank(s.at[i - 1])))
            s.len = i;
    }
    return s;
}

static bool equal(struct slice s, const char *text)
{
    size_t i = 0;

    while (i < s.len && text[i] && s.at[i] == text[i])
        i++;
    return i == s.len && !text[i];
}

static bool all_printable_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] <= ' ' || s.at[i] > '~')
            return false;
    }
    return true;
}

static bool read_file(struct parse *p, struct slice value, struct config_file *file)
{
    struct slice args, path = cut(value, blank, &args);

    if (path.len > CONFIG_MAX_PATH)
        return wrong(p, "the path is longer than 255 characters", (struct slice){0});
    if (!all_printable_ascii(path))
        return wrong(p, "the path has a character that is not ASCII", (struct slice){0});
    *file = (struct config_file){.path = path, .args = trim(args), .line = p->line};
    if (file->args.len >= BOOT_STRINGS)
        return wrong(p, "the arguments are too long for", path);
    return true;
}

static bool key_hypervisor(struct parse *p, struct slice value)
{
    if (!read_file(p, value, &p->config->hypervisor))
        return false;
    if (p->config->hypervisor.args.len)
        return wrong(p, "'hypervisor' takes a path only; its arguments belong into 'cmdline'",
                     (struct slice){0});
    return true;
}

static bool key_cmdline(struct parse *p, struct slice value)
{
    if (value.len >= BOOT_CMDLINE)
        return wrong(p, "'cmdline' is longer than 1023 characters", (struct slice){0});
    p->config->cmdline = value;
    return true;
}

static bool key_kernel(struct parse *p, struct slice value)
{
    return read_file(p, value, &p->kernel);
}

static bool key_ramdisk(struct parse *p, struct slice value)
{
    return read_file(p, value, &p->ramdisk);
}

static bool key_module(struct parse *p, struct slice value)
{
    struct config *c = p->config;

    if (c->file_count == ARRAY_SIZE(c->file))
        return wrong(p, "there are more than 32 modules", (struct slice){0});
    return read_file(p, value, &c->file[c->file_count++]);
}

/* Takes a number from the start of *s; 0 if there is none or it is out of range. */
static u32 take_number(struct slice *s)
{
    u32 n = 0;

    while (s->len && s->at[0] >= '0' && s->at[0] <= '9' && n <= MAX_VIDEO) {
        n = n * 10 + (u32)(s->at[0] - '0');
        s->at++;
        s->len--;
    }
    return n <= MAX_VIDEO ? n : 0;
}

static bool key_video(struct parse *p, struct slice value)
{
    struct slice s = value;
    u32 width, height;
    bool x;

    if (equal(value, "keep"))
        return true;
    width = take_number(&s);
    x = s.len && s.at[0] == 'x';
    s = x ? (struct slice){s.at + 1, s.len - 1} : s;
    height = take_number(&s);
    if (!x || !width || !height || s.len)
        return wrong(p, "'video' is 'keep' or a size like 1024x768, not", value);
    p->config->video_width = width;
    p->config->video_height = height;
    return true;
}

static const struct {
    const char *name;
    bool (*read)(struct parse *p, struct slice value);
    bool repeatable;
} keys[] = {
    {"hypervisor", key_hypervisor, false}, {"cmdline", key_cmdline, false},
    {"kernel", key_kernel, false},         {"ramdisk", key_ramdisk, false},
    {"module", key_module, true},          {"video", key_video, false},
};

static bool read_key(struct parse *p, struct slice key, struct slice value)
{
    for (u32 i = 0; i < ARRAY_SIZE(keys); i++) {
        if (!equal(key, keys[i].name))
            continue;
        if (!keys[i].repeatable && (p->seen & 1u << i))
            return wrong(p, "this key stands here for the second time:", key);
        p->seen |= 1u << i;
        return value.len ? keys[i].read(p, value) : wrong(p, "there is no value for", key);
    }
    return wrong(p, "there is no such key as", key);
}

static bool read_line(struct parse *p, struct slice line)
{
    struct slice key, value;

    if (line.len && line.at[line.len - 1] == '\r')
        line.len--;
    for (size_t i = 0; i < line.len; i++) {
        if ((u8)line.at[i] < ' ' && line.at[i] != '\t')
            return wrong(p, "there is a control character; the file must be plain text",
                         (struct slice){0});
    }
    line = trim(without_comment(line));
    if (!line.len)
        return true;
    key = cut(line, is_equals, &value);
    if (!value.len)
        return wrong(p, "this is not 'key = value':", line);
    value = (struct slice){value.at + 1, value.len - 1};
    return read_key(p, trim(key), trim(value));
}

/* Puts *file at place `at` of the list, those from there on one further. */
static bool put_file(struct parse *p, u32 at, const struct config_file *file)
{
    struct config *c = p->config;

    if (c->file_count == ARRAY_SIZE(c->file))
        return wrong(p, "there are more than 32 modules, the kernel and the ramdisk included",
                     (struct slice){0});
    for (u32 i = c->file_count++; i > at; i--)
        c->file[i] = c->file[i - 1];
    c->file[at] = *file;
    return true;
}

static bool finish(struct parse *p)
{
    p->line = 0;
    if (!p->config->hypervisor.path.len)
        return wrong(p, "the key 'hypervisor' is missing", (struct slice){0});
    if (p->ramdisk.path.len && !p->kernel.path.len)
        return wrong(p, "there is a 'ramdisk' but no 'kernel'", (struct slice){0});
    if (p->ramdisk.path.len && !put_file(p, 0, &p->ramdisk))
        return false;
    return !p->kernel.path.len || put_file(p, 0, &p->kernel);
}

bool config_parse(const char *text, size_t size, struct config *config, struct config_error *error)
{
    struct parse p = {.config = config, .error = error};
    struct slice line, rest = {text, size};

    *config = (struct config){0};
    if (size > CONFIG_MAX_SIZE)
        return wrong(&p, "it is larger than 64 KiB", (struct slice){0});
    /* The byte order mark that some editors put before UTF-8. */
    if (size >= 3 && (u8)text[0] == 0xef && (u8)text[1] == 0xbb && (u8)text[2] == 0xbf)
        rest = (struct slice){text + 3, size - 3};
    while (rest.len) {
        p.line++;
        line = cut(rest, is_newline, &rest);
        if (rest.len)
            rest = (struct slice){rest.at + 1, rest.len - 1};
        if (!read_line(&p, line))
            return false;
    }
    return finish(&p);
}

static bool starts_with(const u16 *text, size_t n, const char *word)
{
    size_t i = 0;

    while (i < n && word[i] && text[i] == (u16)word[i])
        i++;
    return !word[i];
}

bool config_path_option(const u16 *text, size_t n, char *path)
{
    static const char key[] = "config=";
    size_t at = 0, len = 0;

    while (at < n && !((at == 0 || text[at - 1] == ' ') && starts_with(text + at, n - at, key)))
        at++;
    for (at += sizeof(key) - 1; at < n && text[at] > ' '; at++) {
        if (len == CONFIG_MAX_PATH || text[at] > '~')
            return false;
        path[len++] = (char)text[at];
    }
    path[len] = '\0';
    return len > 0;
}
