/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/keyboard.h"
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* QEMU's names (QKeyCode of its qapi/ui.json) of the keys of a PC keyboard; the letters and the
 * digits are their own names. */
static const char *const names[] = {"shift",       "shift_r",   "alt",          "alt_r",
                                    "ctrl",        "ctrl_r",    "meta_l",       "meta_r",
                                    "menu",        "esc",       "minus",        "equal",
                                    "backspace",   "tab",       "bracket_left", "bracket_right",
                                    "ret",         "semicolon", "apostrophe",   "grave_accent",
                                    "backslash",   "comma",     "dot",          "slash",
                                    "asterisk",    "spc",       "caps_lock",    "f1",
                                    "f2",          "f3",        "f4",           "f5",
                                    "f6",          "f7",        "f8",           "f9",
                                    "f10",         "f11",       "f12",          "num_lock",
                                    "scroll_lock", "kp_divide", "kp_multiply",  "kp_subtract",
                                    "kp_add",      "kp_enter",  "kp_decimal",   "sysrq",
                                    "kp_0",        "kp_1",      "kp_2",         "kp_3",
                                    "kp_4",        "kp_5",      "kp_6",         "kp_7",
                                    "kp_8",        "kp_9",      "less",         "print",
                                    "home",        "pgup",      "pgdn",         "end",
                                    "left",        "up",        "down",         "right",
                                    "insert",      "delete",    "pause",        "power",
                                    "sleep",       "wake"};

static const char letters[][2] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b",
                                  "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n",
                                  "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z"};

/* What people say instead. */
static const char *const also[][2] = {
    {"enter", "ret"},    {"return", "ret"},        {"space", "spc"},     {"escape", "esc"},
    {"control", "ctrl"}, {"super", "meta_l"},      {"win", "meta_l"},    {"del", "delete"},
    {"ins", "insert"},   {"pageup", "pgup"},       {"pagedown", "pgdn"}, {"printscreen", "print"},
    {"period", "dot"},   {"capslock", "caps_lock"}};

/* What the keys of a US keyboard type, without and with shift. */
static const struct {
    char plain, shifted;
    const char *key;
} typed[] = {{'1', '!', "1"},
             {'2', '@', "2"},
             {'3', '#', "3"},
             {'4', '$', "4"},
             {'5', '%', "5"},
             {'6', '^', "6"},
             {'7', '&', "7"},
             {'8', '*', "8"},
             {'9', '(', "9"},
             {'0', ')', "0"},
             {'-', '_', "minus"},
             {'=', '+', "equal"},
             {'[', '{', "bracket_left"},
             {']', '}', "bracket_right"},
             {';', ':', "semicolon"},
             {'\'', '"', "apostrophe"},
             {'`', '~', "grave_accent"},
             {'\\', '|', "backslash"},
             {',', '<', "comma"},
             {'.', '>', "dot"},
             {'/', '?', "slash"},
             {' ', 0, "spc"},
             {'\n', 0, "ret"},
             {'\t', 0, "tab"}};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool same(const char *word, size_t length, const char *name)
{
    return strlen(name) == length && strncasecmp(word, name, length) == 0;
}

static const char *find(const char *word, size_t length)
{
    for (size_t i = 0; i < COUNT(letters); i++)
        if (same(word, length, letters[i]))
            return letters[i];
    for (size_t i = 0; i < COUNT(names); i++)
        if (same(word, length, names[i]))
            return names[i];
    for (size_t i = 0; i < COUNT(also); i++)
        if (same(word, length, also[i][0]))
            return also[i][1];
    return NULL;
}

int stroke_parse(struct stroke *s, const char *text, const char **wrong)
{
    s->keys = 0;
    for (;;) {
        size_t length = strcspn(text, "-+");
        const char *key = find(text, length);

        *wrong = text;
        if (!key || s->keys == STROKE_KEYS)
            return -1;
        s->key[s->keys++] = key;
        if (!text[length])
            return 0;
        text += length + 1;
    }
}

static int press(struct stroke *s, bool shifted, const char *key)
{
    s->keys = 0;
    if (shifted)
        s->key[s->keys++] = "shift";
    s->key[s->keys++] = key;
    return 0;
}

int stroke_for(struct stroke *s, char c)
{
    const char letter = (char)tolower((unsigned char)c);

    for (size_t i = 0; i < COUNT(typed); i++)
        if (c && (c == typed[i].plain || c == typed[i].shifted))
            return press(s, c != typed[i].plain, typed[i].key);
    if (letter < 'a' || letter > 'z')
        return -1;
    return press(s, letter != c, find(&letter, 1));
}

int stroke_json(const struct stroke *s, unsigned hold_ms, char *to, size_t size)
{
    size_t n = (size_t)snprintf(to, size, "{\"hold-time\":%u,\"keys\":[", hold_ms);

    for (unsigned i = 0; i < s->keys && n < size; i++)
        n += (size_t)snprintf(to + n, size - n, "%s{\"type\":\"qcode\",\"data\":\"%s\"}",
                              i ? "," : "", s->key[i]);
    if (n < size)
        n += (size_t)snprintf(to + n, size - n, "]}");
    return n < size ? 0 : -1;
}
