/* The host's side of boot tests. SPDX-License-Identifier: MIT */
#include "boot_host.h"

#include "arch/arch.h"
#include <stdarg.h>
#include <stdio.h>

jmp_buf host_stop;
char host_stop_words[512];

void log_printf(const char *format, ...)
{
    (void)format;
}

void kernel_stop(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(host_stop_words, sizeof(host_stop_words), format, arguments);
    va_end(arguments);
    longjmp(host_stop, 1);
}
