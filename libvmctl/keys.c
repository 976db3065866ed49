/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/keys.h"
#include <ctype.h>
#include <string.h>

void keys_start(struct keys *k, const char *text)
{
    *k = (struct keys){.at = text, .line = 1, .next_line = 1};
}

static void step(struct keys *k)
{
    if (*k->at == '\n')
        k->next_line++;
    k->at++;
}

/* Past a string in quotes; a backslash takes the character behind it along. */
static void skip_string(struct keys *k)
{
    char quote = *k->at;

    step(k);
    while (*k->at && *k->at != quote) {
        if (*k->at == '\\' && k->at[1])
            step(k);
        step(k);
    }
    if (*k->at)
        step(k);
}

static void skip_comment(struct keys *k)
{
    while (*k->at && *k->at != '\n')
        step(k);
}

/* Past the rest of an assignment: to the end of the line or the semicolon that no bracket encloses.
 */
static void skip_value(struct keys *k)
{
    int depth = 0;

    while (*k->at) {
        char c = *k->at;

        if (depth == 0 && (c == '\n' || c == ';'))
            return;
        if (c == '"' || c == '\'') {
            skip_string(k);
            continue;
        }
        if (c == '#') {
            skip_comment(k);
            continue;
        }
        depth += c == '[' ? 1 : c == ']' && depth > 0 ? -1 : 0;
        step(k);
    }
}

bool keys_next(struct keys *k, char key[KEY_MAX])
{
    size_t n = 0;

    while (*k->at) {
        if (*k->at == '#') {
            skip_comment(k);
        } else if (isalpha((unsigned char)*k->at) || *k->at == '_') {
            break;
        } else {
            step(k);
        }
    }
    k->line = k->next_line;
    for (; isalnum((unsigned char)*k->at) || *k->at == '_'; step(k))
        if (n + 1 < KEY_MAX)
            key[n++] = *k->at;
    key[n] = 0;
    skip_value(k);
    return n != 0;
}
