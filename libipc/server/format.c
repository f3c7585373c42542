/* The formatter of format.h. SPDX-License-Identifier: MIT */
#include "format.h"

#include <stdbool.h>
#include <stdint.h>

struct output {
    char *text;
    size_t room, used;
};

struct directive {
    bool zero_pad;
    unsigned width;
    size_t precision;
    unsigned longs; /* 1 or more: 64 bits */
};

static void put(struct output *output, char c)
{
    if (output->used + 1 < output->room)
        output->text[output->used++] = c;
}

static void put_string(struct output *output, const char *string, const struct directive *directive)
{
    size_t length = 0;
    if (!string)
        string = "(null)";
    while (length < directive->precision && string[length])
        length++;
    for (size_t i = length; i < directive->width; i++)
        put(output, ' ');
    for (size_t i = 0; i < length; i++)
        put(output, string[i]);
}

static void put_number(struct output *output, uint64_t value, unsigned base, bool negative,
                       const struct directive *directive)
{
    char digits[24];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    unsigned length = count + negative;
    if (negative && directive->zero_pad)
        put(output, '-');
    for (; length < directive->width; length++)
        put(output, directive->zero_pad ? '0' : ' ');
    if (negative && !directive->zero_pad)
        put(output, '-');
    while (count)
        put(output, digits[--count]);
}

/* The flags, width, precision and length between the % and the letter. */
static const char *directive_read(const char *at, struct directive *directive, va_list *arguments)
{
    *directive = (struct directive){.precision = SIZE_MAX};
    if (*at == '0') {
        directive->zero_pad = true;
        at++;
    }
    for (; *at >= '0' && *at <= '9'; at++)
        directive->width = directive->width * 10 + (unsigned)(*at - '0');
    if (*at == '.') {
        at++;
        directive->precision = 0;
        if (*at == '*') {
            int precision = va_arg(*arguments, int);
            directive->precision = precision < 0 ? SIZE_MAX : (size_t)precision;
            at++;
        } else {
            for (; *at >= '0' && *at <= '9'; at++)
                directive->precision = directive->precision * 10 + (size_t)(*at - '0');
        }
    }
    for (; *at == 'l' || *at == 'z'; at++)
        directive->longs++;
    return at;
}

size_t format_line(char *buffer, size_t size, const char *format, va_list original)
{
    struct output output = {buffer, size, 0};
    struct directive directive;
    va_list arguments;
    va_copy(arguments, original);
    for (const char *at = format; *at; at++) {
        if (*at != '%') {
            put(&output, *at);
            continue;
        }
        at = directive_read(at + 1, &directive, &arguments);
        switch (*at) {
        case 'd':
        case 'i': {
            int64_t value = directive.longs ? va_arg(arguments, long) : va_arg(arguments, int);
            put_number(&output, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, value < 0,
                       &directive);
            break;
        }
        case 'u':
        case 'x': {
            uint64_t value =
                directive.longs ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned);
            put_number(&output, value, *at == 'u' ? 10 : 16, false, &directive);
            break;
        }
        case 'p':
            put(&output, '0');
            put(&output, 'x');
            put_number(&output, (uint64_t)va_arg(arguments, void *), 16, false, &directive);
            break;
        case 'c':
            put(&output, (char)va_arg(arguments, int));
            break;
        case 's':
            put_string(&output, va_arg(arguments, const char *), &directive);
            break;
        case '%':
            put(&output, '%');
            break;
        case '\0':
            at--; /* a lone % at the end */
            break;
        default:
            put(&output, '%');
            put(&output, *at);
        }
    }
    va_end(arguments);
    if (size)
        buffer[output.used] = '\0';
    return output.used;
}
