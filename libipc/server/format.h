/* A small formatter for log lines. SPDX-License-Identifier: MIT */
#ifndef IPC_SERVER_FORMAT_H
#define IPC_SERVER_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/* As vsnprintf, cut at size - 1 characters, for: %% %c %s %.*s %.Ns %p and %d %i %u %x with l,
 * ll or z, a width and a leading 0. Anything else is copied as it stands. Returns the number of
 * characters written, without the NUL. */
size_t format_line(char *buffer, size_t size, const char *format, va_list arguments);

#endif
