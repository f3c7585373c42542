/* init's log lines, and how the machine ends. SPDX-License-Identifier: MIT */
#include "init.h"

#include "../../libipc/server/format.h"

#include <ipc/buffer.h>
#include <ipc/kernel.h>
#include <string.h>

#define LINE_MAX AR_DATA_BYTES /* what one AR_LOG_WRITE takes */
#define DEBUG_EXIT_PORT 0xf4u
#define COM1_DATA 0x3f8u
#define COM1_LINE_STATUS 0x3fdu
#define COM1_TRANSMIT_EMPTY 0x20u
#define COM1_TRIES 100000u

/* The last two lines of the log, the newer first: the words to end with. */
static char last_lines[2][LINE_MAX];
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
    memcpy(last_lines[1], last_lines[0], LINE_MAX);
    memcpy(last_lines[0], line, used);
    last_lines[0][used] = '\0';
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

static void terminal_put(char c)
{
    struct ar_message m;
    for (unsigned tries = 0; tries < COM1_TRIES; tries++) {
        if (ar_invoke(AR_INIT_PORT, AR_PORT_IN8, COM1_LINE_STATUS, 0, 0, 0, 1, &m) != AR_OK)
            return;
        if (m.words[0] & COM1_TRANSMIT_EMPTY)
            break;
    }
    ar_invoke4(AR_INIT_PORT, AR_PORT_OUT8, COM1_DATA, (unsigned char)c, 0, 0);
}

static void terminal_line(const char *text)
{
    for (; *text; text++)
        terminal_put(*text);
    terminal_put('\r');
    terminal_put('\n');
}

void machine_exit(unsigned value)
{
    ar_invoke4(AR_INIT_PORT, AR_PORT_OUT32, DEBUG_EXIT_PORT, value, 0, 0);
    /* We are still here, so this is no QEMU of ours but perhaps a real machine. Its log, on COM2,
     * may go nowhere, and its terminal is COM1: consoled is still there, with nothing to write. */
    terminal_line("");
    if (value != EXIT_DONE)
        terminal_line(last_lines[1]);
    terminal_line(last_lines[0]);
    terminal_line("Aramid has ended. The machine can be switched off.");
    for (;;)
        ar_invoke4(AR_INIT_TCB, AR_TCB_SUSPEND, 0, 0, 0, 0);
}
