/* Text without stdio: appends to a buffer that it never overruns. SPDX-License-Identifier: MIT */
#ifndef PROCD_TEXT_H
#define PROCD_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
    char *data;
    size_t length, capacity; /* bytes; what does not fit is cut off */
};

void text_bytes(struct text *text, const char *bytes, size_t length);
void text_string(struct text *text, const char *string);
void text_char(struct text *text, char c);
void text_number(struct text *text, uint64_t value);
void text_signed(struct text *text, int64_t value);
/* at least `width` columns */
void text_padded(struct text *text, uint64_t value, unsigned width, char pad);
/* at least `digits` */
void text_hex(struct text *text, uint64_t value, unsigned digits);
/* "name: value\n"-like rows: string, number, string. */
void text_row(struct text *text, const char *before, uint64_t value, const char *after);

#endif
