/*
 * arch.h for the model: addresses are what they are, time stands still, memory is not mapped.
 * SPDX-License-Identifier: MIT
 */
#include "platform.h"
#include "arch/arch.h"
#include "arch/x86_64/paging.h"
#include "sched/sched.h"
#include <string.h>

struct ar_regs model_live;
uint64_t pte_no_execute;

uint64_t arch_physical(const void *pointer) { return (uint64_t)pointer; }
void *arch_pointer(uint64_t physical)
{
    static uint64_t nobodys[AR_SLOT_SIZE / 8]; /* derivation.h */
    return physical ? (void *)physical : nobodys;
}
uint32_t arch_slot_link(const void *slot) { return (uint32_t)((uint64_t)slot / AR_SLOT_SIZE); }
uint64_t arch_clock_ns(void) { return 0; }
uint64_t arch_cycles_to_ns(uint64_t cycles) { return cycles; }
uint64_t arch_tsc_per_us(void) { return 1; }
void arch_timer_arm(uint64_t ns) { core.timer_ns = ns; }
void arch_halt(void) { model_halt(); }
void arch_vector_init(struct tcb *tcb) { (void)tcb; }
void memory_clear(void *memory, uint64_t bytes) { memset(memory, 0, bytes); }
void memory_copy(void *to, const void *from, uint64_t bytes) { memcpy(to, from, bytes); }
void arch_irq_enable(unsigned line, bool enable) { (void)line; (void)enable; }
void log_printf(const char *format, ...) { (void)format; }
bool log_pending(void) { return false; }
void kernel_stop(const char *format, ...) { model_crash(format); }

/* What no step of the model leads to. */
#define NEVER(declaration)                                                                         \
    declaration { model_crash(__func__); }
#pragma GCC diagnostic ignored "-Wunused-parameter"
NEVER(bool arch_space_available(uint64_t count))
NEVER(uint32_t arch_space_init(void *table))
NEVER(void *arch_user_page(const struct cap *vspace, uint64_t address, bool write))
NEVER(bool arch_copy_to_user(uint64_t user, const void *from, uint64_t length))
NEVER(bool arch_copy_from_user(void *to, uint64_t user, uint64_t length))
NEVER(void arch_port_out(uint16_t port, uint32_t value, unsigned bytes))
NEVER(bool arch_measures(uint64_t words[3]))
NEVER(uint32_t arch_port_in(uint16_t port))
NEVER(void log_write(const char *text, unsigned length))
NEVER(void arch_port_out_many(uint16_t port, const char *bytes, unsigned count))
NEVER(bool log_room(unsigned bytes))
NEVER(uint64_t log_end(void))
NEVER(bool log_drain(uint64_t end))
NEVER(void *space_of_asid(uint32_t asid))
NEVER(void space_release(uint32_t asid, void *top))
NEVER(uint64_t *space_entry(void *top, uint64_t address, unsigned level))
NEVER(void space_flush(void *top))
NEVER(void space_flush_page(void *top, uint64_t address))
