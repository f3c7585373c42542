/* Text for logs and messages: a small printf. SPDX-License-Identifier: MIT */
#include "internal.h"

#include <stdarg.h>

struct text {
    char *at;
    size_t room; /* without the NUL */
    size_t length;
};

static void text_add(struct text *text, char c)
{
    if (text->length < text->room)
        text->at[text->length++] = c;
}

static void text_add_number(struct text *text, uint64_t value, unsigned base)
{
    char digits[24];
    unsigned n = 0;
    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n)
        text_add(text, digits[--n]);
}

static void text_format(struct text *text, const char *format, va_list args)
{
    for (; *format; format++) {
        if (*format != '%') {
            text_add(text, *format);
            continue;
        }
        bool wide = false;
        for (format++; *format == 'l'; format++)
            wide = true;
        switch (*format) {
        case 's':
            for (const char *s = va_arg(args, const char *); *s; s++)
                text_add(text, *s);
            break;
        case 'c':
            text_add(text, (char)va_arg(args, int));
            break;
        case 'd': {
            int64_t value = wide ? va_arg(args, long) : va_arg(args, int);
            if (value < 0)
                text_add(text, '-');
            text_add_number(text, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
            break;
        }
        case 'u':
        case 'x':
            text_add_number(text, wide ? va_arg(args, unsigned long) : va_arg(args, unsigned),
                            *format == 'u' ? 10 : 16);
            break;
        case '\0':
            return;
        default:
            text_add(text, *format);
        }
    }
}

size_t format_text(char *buffer, size_t size, const char *format, ...)
{
    struct text text = {.at = buffer, .room = size - 1};
    va_list args;
    va_start(args, format);
    text_format(&text, format, args);
    va_end(args);
    buffer[text.length] = '\0';
    return text.length;
}

void posix_log(const char *format, ...)
{
    char line[400];
    struct text text = {.at = line, .room = sizeof(line)};
    va_list args;
    va_start(args, format);
    text_format(&text, format, args);
    va_end(args);
    posix_log_write(line, text.length);
}
