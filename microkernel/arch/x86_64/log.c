/*
 * The system log on COM2, and how the kernel stops. SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "arch/x86_64/cpu.h"
#include "object/log.h"
#include "sched/sched.h"
#include <stdarg.h>

enum {
    COM1 = 0x3f8,
    COM2 = 0x2f8,
    LINE_STATUS = 5,
    DATA_READY = 1,
    TRANSMIT_EMPTY = 0x20,
    TRANSMITTER_IDLE = 0x40,
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

enum {
    RING = 16384,
    RESERVE = 2048, /* of it is for the kernel's own lines */
    FIFO = 16,      /* bytes that an idle line takes at once */
    TRIES = 100000  /* the line is dead when it is busy so often in a row */
};
static char ring[RING];
static uint64_t put, taken; /* bytes ever put into the ring, and ever taken out */

uint64_t log_end(void)
{
    return put;
}

bool log_room(unsigned bytes)
{
    return put - taken + bytes <= RING - RESERVE;
}

static void put_byte(char byte)
{
    if (put - taken < RING)
        ring[put++ % RING] = byte;
}

void log_write(const char *text, unsigned length)
{
    while (length && put - taken < RING) {
        unsigned at = put % RING, run = RING - at;
        if (run > length)
            run = length;
        if (run > RING - (put - taken))
            run = (unsigned)(RING - (put - taken));
        memory_copy(&ring[at], text, run);
        put += run;
        text += run;
        length -= run;
    }
}

/* Past the end is nothing to wait for. Out is what the line has sent, not what it has been given:
 * the writer may switch the machine off. */
bool log_drain(uint64_t end)
{
    static unsigned busy;
    bool given = taken >= end || end > put;
    uint8_t wanted = given ? TRANSMITTER_IDLE : TRANSMIT_EMPTY;
    if (!(cpu_in8(port + LINE_STATUS) & wanted) && ++busy < TRIES)
        return false;
    busy = 0;
    for (unsigned i = 0; i < FIFO && taken != put && !given; i++)
        cpu_out8(port, (uint8_t)ring[taken++ % RING]);
    return given;
}

void log_flush(void)
{
    while (!log_drain(put))
        ;
}

bool log_pending(void)
{
    return put != taken || core.listing;
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

/* A line: %s %u %x, with l for 64 bits. */
static void log_line(const char *format, va_list arguments)
{
    for (; *format; format++) {
        if (*format != '%') {
            put_byte(*format);
            continue;
        }
        bool wide = *++format == 'l';
        if (wide)
            format++;
        if (*format == 's') {
            for (const char *text = va_arg(arguments, const char *); *text; text++)
                put_byte(*text);
        } else {
            uint64_t value = wide ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
            log_number(value, *format == 'x' ? 16 : 10);
        }
    }
    put_byte('\n');
}

void log_printf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_write("kernel: ", 8);
    log_line(format, arguments);
    va_end(arguments);
}

/* COM2's input: a T asks for the list of threads. */
void log_tick(void)
{
    for (unsigned i = 0; i < 16 && cpu_in8(COM2 + LINE_STATUS) & DATA_READY; i++)
        if (cpu_in8(COM2) == 'T')
            log_list_start();
    log_list_step();
    log_drain(put);
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
    log_line(format, arguments);
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
    log_flush();
    arch_port_out(DEBUG_EXIT, EXIT_PANIC, 4);
    /* Still here: no QEMU of ours. A real machine's second serial port may go nowhere. */
    port = COM1;
    log_write("\r\n", 2);
    va_start(arguments, format);
    stop_line(format, arguments);
    va_end(arguments);
    log_write("\r", 1);
    log_flush();
    for (;;)
        __asm__ volatile("cli\n\thlt");
}
