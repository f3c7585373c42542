/* Text without stdio. SPDX-License-Identifier: MIT */
#include "text.h"
#include <string.h>

void text_bytes(struct text *text, const char *bytes, size_t length)
{
    size_t room = text->capacity - text->length;
    if (length > room)
        length = room;
    memcpy(text->data + text->length, bytes, length);
    text->length += length;
}

void text_string(struct text *text, const char *string)
{
    text_bytes(text, string, strlen(string));
}

void text_char(struct text *text, char c)
{
    text_bytes(text, &c, 1);
}

static void text_digits(struct text *text, uint64_t value, unsigned base, unsigned width, char pad)
{
    char digits[64];
    unsigned count = 0;
    do {
        digits[sizeof(digits) - ++count] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (count < width && count < sizeof(digits))
        digits[sizeof(digits) - ++count] = pad;
    text_bytes(text, digits + sizeof(digits) - count, count);
}

void text_number(struct text *text, uint64_t value)
{
    text_digits(text, value, 10, 1, '0');
}

void text_signed(struct text *text, int64_t value)
{
    if (value < 0)
        text_char(text, '-');
    text_number(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void text_padded(struct text *text, uint64_t value, unsigned width, char pad)
{
    text_digits(text, value, 10, width, pad);
}

void text_hex(struct text *text, uint64_t value, unsigned digits)
{
    text_digits(text, value, 16, digits, '0');
}

void text_row(struct text *text, const char *before, uint64_t value, const char *after)
{
    text_string(text, before);
    text_number(text, value);
    text_string(text, after);
}
