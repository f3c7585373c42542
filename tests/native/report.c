/* What a native program says, and how it ends. SPDX-License-Identifier: MIT */
#include "native.h"

#include <stdarg.h>
#include <string.h>

enum {
    COM1 = 0x3f8, COM1_STATUS = COM1 + 5, TRANSMITTER_EMPTY = 0x20, DEBUG_EXIT = 0xf4,
    EXIT_PASS = 0x10, EXIT_FAIL = 0x20 /* QEMU ends with 2 * value + 1 */
};

static const struct ar_boot_info *boot_info;

_Noreturn void native_start(const struct ar_boot_info *boot);
void native_memory_init(const struct ar_boot_info *boot);

_Noreturn void native_start(const struct ar_boot_info *boot)
{
    __asm__ volatile("wrgsbase %0" : : "r"(AR_BOOT_INFO + 0x1000)); /* native_buffer() */
    boot_info = boot;
    native_memory_init(boot);
    native_main(boot);
    native_pass();
}

/* Byte by byte through registers: the caller's IPC buffer stays as it is. */
static void put(char c)
{
    struct ar_message m;
    do {
        if (ar_invoke(AR_INIT_PORT, AR_PORT_IN8, COM1_STATUS, 0, 0, 0, 1, &m))
            __builtin_trap(); /* nothing can be said any more */
    } while (!(m.words[0] & TRANSMITTER_EMPTY));
    ar_invoke4(AR_INIT_PORT, AR_PORT_OUT8, COM1, (uint8_t)c, 0, 0);
}

static void put_text(const char *text)
{
    while (*text)
        put(*text++);
}

static void put_number(uint64_t value, unsigned base)
{
    char digits[24];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (count)
        put(digits[--count]);
}

static void put_signed(int64_t value)
{
    if (value < 0)
        put('-');
    put_number(value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

static void print(const char *format, va_list arguments)
{
    for (; *format; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        bool wide = *++format == 'l';
        if (wide)
            format++;
        switch (*format) {
        case 's': put_text(va_arg(arguments, const char *)); break;
        case 'c': put((char)va_arg(arguments, int)); break;
        case 'd': put_signed(wide ? va_arg(arguments, int64_t) : va_arg(arguments, int)); break;
        case 'u':
        case 'x':
            put_number(wide ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned),
                       *format == 'x' ? 16 : 10);
            break;
        default: put(*format); break;
        }
    }
}

void native_print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print(format, arguments);
    va_end(arguments);
}

static _Noreturn void machine_exit(uint64_t value)
{
    for (;;)
        ar_invoke4(AR_INIT_PORT, AR_PORT_OUT32, DEBUG_EXIT, value, 0, 0);
}

_Noreturn void native_pass(void)
{
    native_print("native: pass\n");
    machine_exit(EXIT_PASS);
}

_Noreturn void native_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    const char *name = strrchr(file, '/');
    native_print("native: FAILED at %s:%d: ", name ? name + 1 : file, line);
    va_start(arguments, format);
    print(format, arguments);
    va_end(arguments);
    put('\n');
    machine_exit(EXIT_FAIL);
}

void native_equal_at(const char *file, int line, const char *what, uint64_t actual,
                     uint64_t expected)
{
    if (actual != expected)
        native_fail(file, line, "%s: expected %lu (0x%lx), actual %lu (0x%lx)", what, expected,
                    expected, actual, actual);
}

uint64_t native_parameter(const char *name, uint64_t otherwise)
{
    size_t length = strlen(name);
    /* not strstr: the C library's wants a thread pointer */
    for (const char *at = boot_info->command_line; *at; at++) {
        if ((at != boot_info->command_line && at[-1] != ' ') || strncmp(at, name, length) ||
            at[length] != '=')
            continue;
        uint64_t value = 0;
        for (at += length + 1; *at >= '0' && *at <= '9'; at++)
            value = value * 10 + (uint64_t)(*at - '0');
        return value;
    }
    return otherwise;
}
