/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/qmp_message.h"
#include <string.h>

/* Behind the string that begins at p; end if it has no end. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\' && p + 1 < end)
            p++;
    return p < end ? p + 1 : end;
}

/* Behind the value that begins at p, be it an object, an array, a string or a word. NULL: it has no
 * end. */
static const char *skip_value(const char *p, const char *end)
{
    int depth = 0;

    while (p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
            if (p == end && end[-1] != '"')
                return NULL;
        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;
        } else if (*p == '}' || *p == ']') {
            if (depth == 0) /* of what the value is in */
                return p;
            depth--;
            p++;
        } else if (depth == 0 && strchr(", \t\r\n:", *p)) {
            return p;
        } else {
            p++;
            continue;
        }
        if (depth == 0)
            return p;
    }
    return NULL;
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && strchr(" \t\r\n", *p))
        p++;
    return p;
}

struct text qmp_object(const char *data, size_t size)
{
    const char *start = memchr(data, '{', size), *end;

    if (!start)
        return (struct text){0};
    end = skip_value(start, data + size);
    return end ? (struct text){start, (size_t)(end - start)} : (struct text){0};
}

bool qmp_is(struct text value, const char *string)
{
    size_t n = strlen(string);

    return value.at && value.length == n + 2 && *value.at == '"' &&
           memcmp(value.at + 1, string, n) == 0;
}

struct text qmp_member(struct text object, const char *name)
{
    const char *p = object.at + 1, *end = object.at + object.length;

    while (p && p < end) {
        struct text key, value;

        p = skip_space(p, end);
        key = (struct text){p, 0};
        p = skip_value(p, end);
        if (!p || p == key.at)
            break;
        key.length = (size_t)(p - key.at);
        p = skip_space(p, end);
        if (p == end || *p != ':')
            break;
        p = skip_space(p + 1, end);
        value = (struct text){p, 0};
        p = skip_value(p, end);
        if (!p)
            break;
        value.length = (size_t)(p - value.at);
        if (qmp_is(key, name))
            return value;
        p = skip_space(p, end);
        if (p < end && *p == ',')
            p++;
    }
    return (struct text){0};
}

bool qmp_string(struct text value, char *to, size_t size)
{
    size_t n = 0;

    if (!value.at || value.length < 2 || *value.at != '"')
        return false;
    for (size_t i = 1; i + 1 < value.length; i++) {
        if (value.at[i] == '\\' && value.at[++i] == 'u')
            return false; /* no file has such a name here */
        if (n + 1 >= size)
            return false;
        to[n++] = value.at[i];
    }
    to[n] = 0;
    return true;
}
