/* server_log and server_panic. SPDX-License-Identifier: MIT */
#include "format.h"
#include "runtime.h"

#include <ipc/buffer.h>
#include <ipc/kernel.h>
#include <string.h>

#define LINE_MAX AR_DATA_BYTES /* what one AR_LOG_WRITE takes */

static void log_write(const char *format, va_list arguments)
{
    char line[LINE_MAX];
    const char *name = server_info()->name;
    size_t used = strnlen(name, sizeof(server_info()->name));
    memcpy(line, name, used);
    line[used++] = ':';
    line[used++] = ' ';
    used += format_line(line + used, sizeof(line) - used, format, arguments);
    line[used++] = '\n'; /* in the place of format_line's NUL */
    ar_log(ipc_buffer(), SERVER_SLOT_LOG, line, (unsigned)used);
}

void server_log(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_write(format, arguments);
    va_end(arguments);
}

/* The line, then an invalid instruction: the fault message tells init which server it was and
 * where. */
void server_panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_write(format, arguments);
    va_end(arguments);
    __builtin_trap();
}
