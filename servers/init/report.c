/* init's log lines, and how the machine ends. SPDX-License-Identifier: MIT */
#include "init.h"

#include "../../libipc/server/format.h"

#include <ipc/buffer.h>
#include <ipc/kernel.h>
#include <string.h>

#define LINE_MAX AR_DATA_BYTES /* what one AR_LOG_WRITE takes */
#define DEBUG_EXIT_PORT 0xf4u

static const char *step_server = "init", *step_name = "starting";

const char *type_name(uint64_t type)
{
    static const char *const names[AR_TYPE_COUNT] = {
        [AR_NULL] = "NULL", [AR_UNTYPED] = "UNTYPED", [AR_CNODE] = "CNODE",
        [AR_ENDPOINT] = "ENDPOINT",
        [AR_GATE] = "GATE", [AR_NOTIFICATION] = "NOTIFICATION", [AR_REPLY] = "REPLY",
        [AR_TCB] = "TCB",
        [AR_VSPACE] = "VSPACE", [AR_TABLE] = "TABLE", [AR_FRAME] = "FRAME",
        [AR_IRQ_CONTROL] = "IRQ_CONTROL",
        [AR_IRQ] = "IRQ", [AR_PORT] = "PORT", [AR_LOG] = "LOG",
    };
    return type < AR_TYPE_COUNT && names[type] ? names[type] : "?";
}

void init_step(const char *server, const char *step)
{
    step_server = server;
    step_name = step;
}

static void line_write(const char *prefix, const char *format, va_list arguments)
{
    char line[LINE_MAX];
    size_t used = strlen(prefix);
    memcpy(line, prefix, used);
    used += format_line(line + used, sizeof(line) - used, format, arguments);
    line[used++] = '\n'; /* in the place of format_line's NUL */
    ar_log(ipc_buffer(), AR_INIT_LOG, line, (unsigned)used);
}

void init_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    line_write("", format, arguments);
    va_end(arguments);
}

void init_log(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    line_write("init: ", format, arguments);
    va_end(arguments);
}

void init_fail(const char *format, ...)
{
    va_list arguments;
    init_log("failed for %s while %s:", step_server, step_name);
    va_start(arguments, format);
    line_write("init:   ", format, arguments);
    va_end(arguments);
    machine_exit(EXIT_FAILED);
}

void init_check(enum ar_error error, const char *what)
{
    if (error)
        init_fail("cannot %s: %s (%u)", what, ar_error_text(error), error);
}

void machine_exit(unsigned value)
{
    ar_invoke4(AR_INIT_PORT, AR_PORT_OUT32, DEBUG_EXIT_PORT, value, 0, 0);
    init_log("the machine can be switched off (no debug exit device)");
    for (;;)
        ar_invoke4(AR_INIT_TCB, AR_TCB_SUSPEND, 0, 0, 0, 0);
}
