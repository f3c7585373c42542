/*
 * The system log on COM2, and how the kernel stops. SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "arch/x86_64/cpu.h"
#include "sched/sched.h"
#include <stdarg.h>

enum {
    COM1 = 0x3f8,
    COM2 = 0x2f8,
    LINE_STATUS = 5,
    DATA_READY = 1,
    TRANSMIT_EMPTY = 0x20,
    DEBUG_EXIT = 0xf4,
    EXIT_PANIC = 0x30
};

static uint16_t port = COM2;

void log_init(void)
{
    cpu_out8(COM2 + 1, 0);
    cpu_out8(COM2 + 3, 0x80); /* divisor 1: 115,200 baud */
    cpu_out8(COM2, 1);
    cpu_out8(COM2 + 1, 0);
    cpu_out8(COM2 + 3, 3);
    cpu_out8(COM2 + 2, 7);
    cpu_out8(COM2 + 4, 3);
}

void log_write(const char *text, unsigned length)
{
    for (unsigned i = 0; i < length; i++) {
        for (unsigned tries = 0; !(cpu_in8(port + LINE_STATUS) & TRANSMIT_EMPTY) && tries < 100000;
             tries++)
            ;
        cpu_out8(port, (uint8_t)text[i]);
    }
}

static void log_number(uint64_t value, unsigned base)
{
    char digits[20];
    unsigned count = 0;
    do {
        digits[sizeof(digits) - ++count] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    log_write(&digits[sizeof(digits) - count], count);
}

static unsigned string_length(const char *text)
{
    unsigned length = 0;
    while (text[length])
        length++;
    return length;
}

/* %s %u %x, with l for 64 bits. */
static void log_format(const char *format, va_list arguments)
{
    for (; *format; format++) {
        if (*format != '%') {
            log_write(format, 1);
            continue;
        }
        bool wide = *++format == 'l';
        if (wide)
            format++;
        if (*format == 's') {
            const char *text = va_arg(arguments, const char *);
            log_write(text, string_length(text));
        } else {
            uint64_t value = wide ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
            log_number(value, *format == 'x' ? 16 : 10);
        }
    }
}

void log_printf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_write("kernel: ", 8);
    log_format(format, arguments);
    log_write("\n", 1);
    va_end(arguments);
}

static const char *state_name(unsigned state)
{
    static const char *const names[] = {"inactive",   "ready",   "in call", "waits for reply",
                                        "in receive", "in wait", "in fault"};
    return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

/* The servers are remembered without a claim on them: is it still a thread? */
static const char *thread_name(const struct tcb *wanted)
{
    for (const struct tcb *tcb = core.all_threads; tcb; tcb = tcb->all_next)
        if (tcb == wanted)
            return tcb->name;
    return "nobody";
}

/* Who would have to act before this thread goes on. */
static const char *waits_on(const struct tcb *tcb)
{
    if (tcb->state != AR_THREAD_BLOCKED_CALL && tcb->state != AR_THREAD_BLOCKED_REPLY &&
        tcb->state != AR_THREAD_BLOCKED_FAULT)
        return "";
    if (tcb->waiting_on)
        return thread_name(tcb->waiting_on->server);
    return tcb->reply ? thread_name(tcb->reply->server) : "nobody";
}

void log_threads(void)
{
    log_printf("threads, and what each waits for:");
    for (struct tcb *tcb = core.all_threads; tcb; tcb = tcb->all_next)
        log_printf("  %s principal %lx: %s%s%s%s, rip %lx, deadline %s, %lu us of processor time",
                   tcb->name, tcb->principal, state_name(tcb->state),
                   tcb->suspended ? " (suspended)" : "", *waits_on(tcb) ? " on " : "",
                   waits_on(tcb), tcb->regs.rip, tcb->deadline == AR_NO_DEADLINE ? "none" : "set",
                   arch_cycles_to_ns(sched_cycles(tcb)) / 1000);
    log_printf("end of threads");
}

void log_poll_input(void)
{
    for (unsigned i = 0; i < 16 && cpu_in8(COM2 + LINE_STATUS) & DATA_READY; i++)
        if (cpu_in8(COM2) == 'T')
            log_threads();
}

static void log_current(void)
{
    const struct tcb *tcb = core.current;
    if (!tcb) {
        log_printf("no current thread");
        return;
    }
    const struct ar_regs *r = &tcb->regs;
    log_printf("current thread '%s' principal %lx: rip %lx rsp %lx rflags %lx rax %lx rbx %lx rcx "
               "%lx rdx %lx rsi %lx "
               "rdi %lx rbp %lx r8 %lx r9 %lx r10 %lx r11 %lx r12 %lx r13 %lx r14 %lx r15 %lx",
               tcb->name, tcb->principal, r->rip, r->rsp, r->rflags, r->rax, r->rbx, r->rcx, r->rdx,
               r->rsi, r->rdi, r->rbp, r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14,
               r->r15);
}

static void stop_line(const char *format, va_list arguments)
{
    log_write("kernel: stop: ", 14);
    log_format(format, arguments);
    log_write("\n", 1);
}

void kernel_stop(const char *format, ...)
{
    va_list arguments;
    static bool stopping;
    va_start(arguments, format);
    stop_line(format, arguments);
    va_end(arguments);
    if (!stopping) {
        stopping = true;
        log_current();
    }
    arch_port_out(DEBUG_EXIT, EXIT_PANIC, 4);
    /* Still here: no QEMU of ours. A real machine's second serial port may go nowhere. */
    port = COM1;
    log_write("\r\n", 2);
    va_start(arguments, format);
    stop_line(format, arguments);
    va_end(arguments);
    log_write("\r", 1);
    for (;;)
        __asm__ volatile("cli\n\thlt");
}
