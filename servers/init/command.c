/*
 * The command line. SPDX-License-Identifier: MIT
 *
 * Words, separated by white space; those that are not listed belong to somebody else and are
 * passed over:
 *   mode=shell|run   shell (the default): an interactive terminal; run: standard streams without a
 *   terminal's discipline
 *   argv=A,B,...     the program and its arguments, each percent-encoded ("%2C" is a comma);
 *   default for shell: /bin/sh -l
 *   env=X=1,Y=2,...  its environment, the same way; default: PATH, HOME, TERM
 *   size=ROWSxCOLUMNS  the terminal's; default 0x0, which is Linux's for a serial line too
 *   input=none       mode=run: standard input is empty
 *   leakcheck=1      log the servers' counts of objects before and after
 *   capdump=1        log every capability of every server
 * A word that comes again replaces the one before it.
 */
#include "init.h"

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Comma-separated, percent-encoded items into NUL-ended strings. NULL, or what is wrong. */
static const char *list_parse(const char *text, size_t length, char *strings, size_t *used,
                              unsigned *count)
{
    *used = *count = 0;
    for (size_t i = 0; i <= length; i++) {
        if (*used == COMMAND_STRINGS_MAX)
            return "argv or env is longer than 65536 bytes";
        if (i == length || text[i] == ',') {
            strings[(*used)++] = '\0';
            (*count)++;
            continue;
        }
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < length ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < length ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0 || (high | low) == 0)
                return "argv or env has a '%' without two hexadecimal digits, or %00";
            c = (char)(high << 4 | low);
            i += 2;
        }
        strings[(*used)++] = c;
    }
    return *count <= 1024 ? NULL : "argv or env has more than 1024 items";
}

/* "24x80": two decimal numbers of at most 16 bits. */
static const char *size_parse(struct command *command, const char *text, size_t length)
{
    unsigned numbers[2] = {0, 0}, which = 0, digits = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == 'x' && digits && which == 0) {
            which = 1;
            digits = 0;
        } else if (text[i] >= '0' && text[i] <= '9') {
            numbers[which] = numbers[which] * 10 + (unsigned)(text[i] - '0');
            if (++digits > 5 || numbers[which] > UINT16_MAX)
                return "size has a number over 65535";
        } else {
            return "size is not two numbers, as 24x80";
        }
    }
    if (which == 0 || digits == 0)
        return "size is not two numbers, as 24x80";
    command->rows = numbers[0];
    command->columns = numbers[1];
    return NULL;
}

static bool key_is(const char *word, size_t key_length, const char *key)
{
    return key_length == strlen(key) && memcmp(word, key, key_length) == 0;
}

static const char *word_parse(struct command *command, const char *word, size_t length)
{
    const char *equals = memchr(word, '=', length);
    if (!equals)
        return NULL;
    size_t key_length = (size_t)(equals - word);
    const char *value = equals + 1;
    size_t value_length = length - key_length - 1;
    bool one = value_length == 1 && value[0] == '1';
    if (key_is(word, key_length, "mode")) {
        command->stream = value_length == 3 && memcmp(value, "run", 3) == 0;
        if (!command->stream && !(value_length == 5 && memcmp(value, "shell", 5) == 0))
            return "mode is neither 'shell' nor 'run'";
    } else if (key_is(word, key_length, "argv")) {
        return list_parse(value, value_length, command->argv, &command->argv_length,
                          &command->argc);
    } else if (key_is(word, key_length, "env")) {
        if (value_length == 0) { /* an empty environment, not an empty string */
            command->env_length = 1;
            command->envc = 0;
            return NULL;
        }
        return list_parse(value, value_length, command->env, &command->env_length, &command->envc);
    } else if (key_is(word, key_length, "size")) {
        return size_parse(command, value, value_length);
    } else if (key_is(word, key_length, "input")) {
        command->no_input = value_length == 4 && memcmp(value, "none", 4) == 0;
        if (!command->no_input)
            return "input is not 'none'";
    } else if (key_is(word, key_length, "leakcheck")) {
        command->leakcheck = one;
    } else if (key_is(word, key_length, "capdump")) {
        command->capdump = one;
    }
    return NULL;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\0';
}

const char *command_parse(struct command *command, const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        if (is_space(text[i])) {
            i++;
            continue;
        }
        size_t start = i;
        while (i < length && !is_space(text[i]))
            i++;
        const char *wrong = word_parse(command, text + start, i - start);
        if (wrong)
            return wrong;
    }
    return NULL;
}

const char *command_complete(struct command *command)
{
    static const char shell[] = "/bin/sh,-l";
    static const char environment[] =
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin,HOME=/root,TERM=vt100";
    if (command->argc == 0) {
        if (command->stream)
            return "mode=run without argv: there is nothing to run";
        list_parse(shell, sizeof(shell) - 1, command->argv, &command->argv_length, &command->argc);
    }
    if (command->env_length == 0)
        list_parse(environment, sizeof(environment) - 1, command->env, &command->env_length,
                   &command->envc);
    if (command->envc == 0)
        command->env_length = 0;
    return command->argv[0] ? NULL : "argv names no program";
}
