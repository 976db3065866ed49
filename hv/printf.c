/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/printf.h"
#include "hv/string.h"

struct out {
    char *buf;
    size_t size, len; /* len counts what did not fit as well */
};

struct spec {
    bool left, zero, alt, upper;
    int width, precision; /* precision -1: none given */
    int length;           /* -2 hh, -1 h, 0 int, 1 l or z, 2 ll */
};

static void put(struct out *o, char c)
{
    if (o->len + 1 < o->size)
        o->buf[o->len] = c;
    o->len++;
}

static void fill(struct out *o, char c, int n)
{
    for (; n > 0; n--)
        put(o, c);
}

static void put_text(struct out *o, const struct spec *s, const char *text, int len)
{
    fill(o, ' ', s->left ? 0 : s->width - len);
    for (int i = 0; i < len; i++)
        put(o, text[i]);
    fill(o, ' ', s->left ? s->width - len : 0);
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
    int len = 0;

    if (!text)
        text = "(null)";
    while (len != s->precision && text[len])
        len++;
    put_text(o, s, text, len);
}

/* prefix is a sign or "0x" and stands before the zeros that fill. */
static void put_number(struct out *o, const struct spec *s, u64 v, unsigned base,
                       const char *prefix)
{
    const char *digits = s->upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[20];
    int n = sizeof(text), len, zeros;

    for (; v; v /= base)
        text[--n] = digits[v % base];
    len = (int)sizeof(text) - n;
    zeros = (s->precision < 0 ? 1 : s->precision) - len;
    zeros = MAX(zeros, 0);
    if (s->zero && !s->left && s->precision < 0)
        zeros = MAX(zeros, s->width - len - (int)strlen(prefix));
    len += zeros + (int)strlen(prefix);

    fill(o, ' ', s->left ? 0 : s->width - len);
    for (; *prefix; prefix++)
        put(o, *prefix);
    fill(o, '0', zeros);
    for (; n < (int)sizeof(text); n++)
        put(o, text[n]);
    fill(o, ' ', s->left ? s->width - len : 0);
}

/* An argument narrower than int was passed as int: cut back to what the length says. */
static u64 cut(u64 v, int length, bool is_signed)
{
    switch (length) {
    case -2:
        return is_signed ? (u64)(s8)v : (u8)v;
    case -1:
        return is_signed ? (u64)(s16)v : (u16)v;
    case 0:
        return is_signed ? (u64)(s32)v : (u32)v;
    default:
        return v;
    }
}

static void put_signed(struct out *o, const struct spec *s, u64 v)
{
    bool negative = (s64)v < 0;

    put_number(o, s, negative ? -v : v, 10, negative ? "-" : "");
}

static void put_hex(struct out *o, const struct spec *s, u64 v)
{
    put_number(o, s, v, 16, !s->alt || !v ? "" : s->upper ? "0X" : "0x");
}

static const char *parse_flags(const char *f, struct spec *s)
{
    for (;; f++) {
        if (*f == '-')
            s->left = true;
        else if (*f == '0')
            s->zero = true;
        else if (*f == '#')
            s->alt = true;
        else
            return f;
    }
}

static const char *parse_number(const char *f, int *n, va_list *ap)
{
    if (*f == '*') {
        *n = va_arg(*ap, int);
        return f + 1;
    }
    for (*n = 0; *f >= '0' && *f <= '9'; f++)
        if (*n < 10000)
            *n = *n * 10 + (*f - '0');
    return f;
}

static const char *parse_length(const char *f, struct spec *s)
{
    for (; *f == 'l' || *f == 'h' || *f == 'z'; f++)
        s->length += *f == 'h' ? -1 : 1;
    return f;
}

/* f stands behind the '%'; returns the conversion's letter. */
static const char *parse_spec(const char *f, struct spec *s, va_list *ap)
{
    f = parse_flags(f, s);
    f = parse_number(f, &s->width, ap);
    if (s->width < 0) {
        s->left = true;
        s->width = -s->width;
    }
    if (*f == '.')
        f = parse_number(f + 1, &s->precision, ap);
    return parse_length(f, s);
}

/* Returns false if the letter is none we know. */
static bool convert(struct out *o, struct spec *s, char letter, va_list *ap)
{
    bool is_signed = letter == 'd' || letter == 'i';
    char c;

    s->upper = letter == 'X';
    switch (letter) {
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X': {
        u64 v = cut(s->length > 0 ? va_arg(*ap, u64) : va_arg(*ap, u32), s->length, is_signed);

        if (is_signed)
            put_signed(o, s, v);
        else if (letter == 'u')
            put_number(o, s, v, 10, "");
        else
            put_hex(o, s, v);
        return true;
    }
    case 'p':
        put_number(o, s, (uintptr_t)va_arg(*ap, void *), 16, "0x");
        return true;
    case 's':
        put_string(o, s, va_arg(*ap, const char *));
        return true;
    case 'c':
        c = (char)va_arg(*ap, int);
        put_text(o, s, &c, 1);
        return true;
    case '%':
        put(o, '%');
        return true;
    default:
        return false;
    }
}

int hv_vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
    struct out o = {buf, size, 0};
    va_list ap;

    va_copy(ap, args);
    for (const char *f = fmt; *f; f++) {
        struct spec s = {.precision = -1};
        const char *letter = f;

        if (*f == '%')
            letter = parse_spec(f + 1, &s, &ap);
        if (*f == '%' && *letter && convert(&o, &s, *letter, &ap))
            f = letter;
        else
            put(&o, *f);
    }
    va_end(ap);
    if (size)
        buf[MIN(o.len, size - 1)] = '\0';
    return (int)o.len;
}

int hv_snprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = hv_vsnprintf(buf, size, fmt, ap);
    va_end(ap);
    return n;
}
