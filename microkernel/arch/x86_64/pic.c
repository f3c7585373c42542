/*
 * The two 8259 interrupt controllers: lines 0..15 arrive as vectors 32..47.
 * SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "arch/x86_64/cpu.h"

enum { PIC1 = 0x20, PIC2 = 0xa0, END_OF_INTERRUPT = 0x20, CASCADE = 2 };

static uint16_t masked = 0xffff & ~(1u << CASCADE);

static void write_masks(void)
{
    cpu_out8(PIC1 + 1, (uint8_t)masked);
    cpu_out8(PIC2 + 1, (uint8_t)(masked >> 8));
}

void pic_init(void)
{
    cpu_out8(PIC1, 0x11);
    cpu_out8(PIC2, 0x11);
    cpu_out8(PIC1 + 1, 32);
    cpu_out8(PIC2 + 1, 40);
    cpu_out8(PIC1 + 1, 1u << CASCADE);
    cpu_out8(PIC2 + 1, CASCADE);
    cpu_out8(PIC1 + 1, 1);
    cpu_out8(PIC2 + 1, 1);
    write_masks();
}

void arch_irq_enable(unsigned line, bool enable)
{
    masked = (uint16_t)(enable ? masked & ~(1u << line) : masked | 1u << line);
    write_masks();
}

void pic_acknowledge(unsigned line)
{
    if (line >= 8)
        cpu_out8(PIC2, END_OF_INTERRUPT);
    cpu_out8(PIC1, END_OF_INTERRUPT);
}

void arch_port_out(uint16_t port, uint32_t value, unsigned bytes)
{
    if (bytes == 4)
        __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
    else
        cpu_out8(port, (uint8_t)value);
}

/* One instruction for all of them: that many bytes are no long time. */
void arch_port_out_many(uint16_t port, const char *bytes, unsigned count)
{
    __asm__ volatile("rep outsb" : "+S"(bytes), "+c"(count) : "d"(port) : "memory");
}

uint32_t arch_port_in(uint16_t port)
{
    return cpu_in8(port);
}
