/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/json.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static char unescaped(const char **p)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *found;
    char hex[5] = {0};
    unsigned long n;

    (*p)++;
    if (**p != 'u') {
        found = **p ? strchr(from, **p) : NULL;
        return found ? to[found - from] : **p;
    }
    for (int i = 0; i < 4 && isxdigit((unsigned char)(*p)[1]); i++)
        hex[i] = *++*p;
    n = strtoul(hex, NULL, 16);
    return n && n < 128 ? (char)n : '?';
}

/* The string at *p, which is behind it afterwards. false: too long, or it has no end. */
static bool read_string(const char **p, char *to, size_t size)
{
    size_t n = 0;
    bool fits = true;

    for (++*p; **p && **p != '"'; ++*p) {
        char c = **p == '\\' ? unescaped(p) : **p;

        if (!**p)
            return false;
        if (n + 1 < size)
            to[n++] = c;
        else
            fits = false;
    }
    to[n] = 0;
    if (!**p)
        return false;
    ++*p;
    return fits;
}

static bool read_word(const char *p, char *to, size_t size)
{
    size_t n = strcspn(p, ",]} \t\r\n");

    if (n == 0 || n >= size || *p == '{' || *p == '[')
        return false;
    memcpy(to, p, n);
    to[n] = 0;
    return true;
}

bool json_find(const char *text, const char *key, char *value, size_t size)
{
    char found[256];
    const char *p = text;

    while (*p) {
        bool whole;

        if (*p != '"') {
            p++;
            continue;
        }
        whole = read_string(&p, found, sizeof(found));
        p += strspn(p, " \t\r\n");
        if (*p != ':' || !whole || strcmp(found, key))
            continue;
        p++;
        p += strspn(p, " \t\r\n");
        return *p == '"' ? read_string(&p, value, size) : read_word(p, value, size);
    }
    return false;
}

/* Behind the object that begins at p; NULL: it has no end. */
static const char *end_of_object(const char *p)
{
    char ignored[1];
    int depth = 0;

    while (*p) {
        if (*p == '"') {
            read_string(&p, ignored, sizeof(ignored));
            continue;
        }
        depth += *p == '{' ? 1 : *p == '}' ? -1 : 0;
        p++;
        if (depth == 0)
            return p;
    }
    return NULL;
}

void json_each(const char *text, bool (*fn)(void *arg, const char *object), void *arg)
{
    const char *p = strchr(text, '['), *end;
    bool go_on = p != NULL;

    while (go_on) {
        char *object;

        p += 1 + strspn(p + 1, " \t\r\n"); /* behind the bracket or the comma */
        end = *p == '{' ? end_of_object(p) : NULL;
        object = end ? strndup(p, (size_t)(end - p)) : NULL;
        go_on = object && fn(arg, object);
        free(object);
        p = end ? end + strspn(end, " \t\r\n") : p;
        go_on = go_on && *p == ',';
    }
}

void json_string(FILE *f, const char *s)
{
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            fprintf(f, "\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            fprintf(f, "\\u%04x", (unsigned char)*s);
        else
            fputc(*s, f);
    }
    fputc('"', f);
}

char *json_quoted(const char *s)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        return NULL;
    json_string(f, s);
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}
