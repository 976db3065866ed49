/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cmdline.h"
#include "hv/boot_info.h"
#include "hv/log.h"
#include "hv/number.h"

#define MAX_WORDS 64

static char copy[BOOT_CMDLINE];
static struct word {
    const char *text;
    bool known;
} words[MAX_WORDS];
static unsigned word_count;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void add_word(const char *text)
{
    if (word_count < MAX_WORDS)
        words[word_count++].text = text;
    else
        log_warn("command line: more than %d words, '%s' ignored", MAX_WORDS, text);
}

void cmdline_init(const char *text)
{
    if (!str_copy(copy, text, sizeof(copy)))
        log_warn("command line: cut after %zu bytes", sizeof(copy) - 1);
    word_count = 0;
    memset(words, 0, sizeof(words));
    for (char *p = copy; *p;) {
        char *start = p;

        while (*p && !is_blank(*p))
            p++;
        if (*p)
            *p++ = '\0';
        if (*start)
            add_word(start);
    }
}

/* What stands behind name in "name=value", "" for "name", NULL if word is another option. */
static const char *value_of(const char *word, const char *name)
{
    size_t len = strlen(name);

    if (strncmp(word, name, len) != 0)
        return NULL;
    return word[len] == '=' ? word + len + 1 : word[len] ? NULL : word + len;
}

const char *cmdline_string(const char *name)
{
    const char *last = NULL;

    for (unsigned i = 0; i < word_count; i++) {
        const char *value = value_of(words[i].text, name);

        if (!value)
            continue;
        words[i].known = true;
        last = value;
    }
    return last;
}

static bool one_of(const char *value, const char *const list[])
{
    for (; *list; list++)
        if (str_eq(value, *list))
            return true;
    return false;
}

static bool bool_value(const char *name, const char *value, bool otherwise)
{
    static const char *const yes[] = {"", "yes", "on", "true", "1", NULL};
    static const char *const no[] = {"no", "off", "false", "0", NULL};

    if (one_of(value, yes))
        return true;
    if (one_of(value, no))
        return false;
    log_warn("command line: %s=%s is neither yes nor no", name, value);
    return otherwise;
}

bool cmdline_bool(const char *name, bool otherwise)
{
    bool result = otherwise;

    for (unsigned i = 0; i < word_count; i++) {
        const char *text = words[i].text;
        bool negated = strncmp(text, "no-", 3) == 0 && str_eq(text + 3, name);
        const char *value = negated ? "no" : value_of(text, name);

        if (!value)
            continue;
        words[i].known = true;
        result = bool_value(name, value, result);
    }
    return result;
}

u64 cmdline_u64(const char *name, u64 otherwise)
{
    const char *value = cmdline_string(name);
    u64 v;

    if (!value)
        return otherwise;
    if (parse_size(value, &v))
        return v;
    log_warn("command line: %s=%s is not a number", name, value);
    return otherwise;
}

unsigned cmdline_choice(const char *name, const char *const choices[], unsigned count,
                        unsigned otherwise)
{
    const char *value = cmdline_string(name);

    if (!value)
        return otherwise;
    for (unsigned i = 0; i < count; i++)
        if (str_eq(value, choices[i]))
            return i;
    log_warn("command line: %s=%s is not one of its values", name, value);
    return otherwise;
}

unsigned cmdline_report_unknown(void)
{
    unsigned unknown = 0;

    for (unsigned i = 0; i < word_count; i++) {
        if (words[i].known)
            continue;
        log_warn("command line: unknown option '%s'", words[i].text);
        unknown++;
    }
    return unknown;
}
