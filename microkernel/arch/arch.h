/*
 * What the portable part of the kernel needs from the processor. SPDX-License-Identifier: MIT
 *
 * On the host (unit tests) tests/unit/kernel_host.c implements this header.
 */
#ifndef ARCH_ARCH_H
#define ARCH_ARCH_H

#include "object/object.h"
/* arch_cycles, arch_switch: the fast path has no room for a call. Physical memory is mapped whole in the
 * kernel: arch_physical and arch_pointer convert. */
#include "arch_inline.h"

#define ARCH_USER_END AR_USER_END
#define ARCH_USER_FLAGS 0x202ull         /* IF and the always-one bit */
#define ARCH_USER_FLAGS_SETTABLE 0xdd5ull /* arithmetic flags, DF, TF */

uint64_t arch_clock_ns(void);
/* arch_cycles() counts at a constant rate from some start; a difference of two in ns. */
uint64_t arch_cycles_to_ns(uint64_t cycles);
uint64_t arch_tsc_per_us(void);
/* Program the timer for absolute time `ns` (or as near as it can) and note it in core.timer_ns. */
void arch_timer_arm(uint64_t ns);
/* Enable interrupts, halt until one was handled, disable them again. */
void arch_halt(void);

void arch_vector_init(struct tcb *tcb);

/* Address spaces. `arch_space_init` fills in the kernel's part of a new top table and returns
 * its ASID. */
bool arch_space_available(uint64_t count);
uint32_t arch_space_init(void *table);

/* Kernel address of the page of a space that holds `address`, plus the offset; NULL when it is
 * not mapped for user access (for writing when `write`). */
void *arch_user_page(const struct cap *vspace, uint64_t address, bool write);
/* Copy between kernel memory and the current address space's user memory. False: a page is not
 * there. */
bool arch_copy_to_user(uint64_t user, const void *from, uint64_t length);
bool arch_copy_from_user(void *to, uint64_t user, uint64_t length);

void memory_clear(void *memory, uint64_t bytes);
void memory_copy(void *to, const void *from, uint64_t bytes);

/* Interrupt lines of the controller: masked until enabled. */
void arch_irq_enable(unsigned line, bool enable);
void arch_port_out(uint16_t port, uint32_t value, unsigned bytes);
/* One after the other to the same port. */
void arch_port_out_many(uint16_t port, const char *bytes, unsigned count);
uint32_t arch_port_in(uint16_t port);

/* What AR_LOG_MEASURES answers: longest stretch with interrupts off since the last call (ticks),
 * writes of CR3, entries. False: this kernel is not built to measure itself. */
bool arch_measures(uint64_t words[3]);

/* The system log: COM2. */
void log_write(const char *text, unsigned length);
void log_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * Text goes into a ring; what finds no room is lost, so who can wait looks for room first (which
 * leaves a reserve for the kernel's own lines). Positions count the bytes ever written.
 */
bool log_room(unsigned bytes);
uint64_t log_end(void);
/* A few bytes to the serial line, if it is idle. True: it is written up to position `end`. */
bool log_drain(uint64_t end);
/* All of it, however long that takes: at boot, and for last words. */
void log_flush(void);
/* Is there something to print? Then the timer rings soon. */
bool log_pending(void);
_Noreturn void kernel_stop(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
