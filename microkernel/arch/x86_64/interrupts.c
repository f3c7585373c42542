/*
 * Exceptions and interrupts. SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/interrupts.h"
#include "arch/x86_64/measure.h"
#include "ipc/ipc.h"
#include "sched/sched.h"
#include "trace.h"

enum {
    VECTOR_NMI = 2, VECTOR_DOUBLE_FAULT = 8, VECTOR_PAGE_FAULT = 14,
    VECTOR_MACHINE_CHECK = 18,
    VECTOR_IRQ = 32,
    VECTOR_TIMER = 48, VECTOR_COUNT = 64, VECTOR_SIZE = 16
};

extern const char entry_vectors[], copy_user_low[], copy_user_high[], copy_user_fault[];
bool copy_user(void *to, const void *from, uint64_t length, bool smap);

static struct {
    uint16_t offset_low, selector;
    uint8_t ist, flags;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
} idt[256];

static const char *const exception_names[32] = {
    "divide error", "debug", "non-maskable interrupt", "breakpoint", "overflow", "bound range",
    "invalid opcode",
    "no vector unit", "double fault", "coprocessor overrun", "invalid TSS", "segment not present",
    "stack fault",
    "general protection", "page fault", "reserved", "x87 error", "alignment check",
    "machine check", "SIMD error",
    "virtualization", "control protection"};

const char *exception_name(uint64_t vector)
{
    return vector < 32 && exception_names[vector] ? exception_names[vector] : "reserved exception";
}

void interrupts_init(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } pointer = {sizeof(idt) - 1, (uint64_t)idt};
    for (unsigned vector = 0; vector < 256; vector++) {
        uint64_t entry = (uint64_t)entry_vectors +
                         (vector < VECTOR_COUNT ? vector : VECTOR_COUNT - 1) * VECTOR_SIZE;
        idt[vector].offset_low = (uint16_t)entry;
        idt[vector].selector = SEL_KERNEL_CODE;
        idt[vector].ist = vector == VECTOR_DOUBLE_FAULT || vector == VECTOR_NMI ||
                          vector == VECTOR_MACHINE_CHECK;
        /* int3 and into may be executed by programs */
        idt[vector].flags = vector == 3 || vector == 4 ? 0xee : 0x8e;
        idt[vector].offset_middle = (uint16_t)(entry >> 16);
        idt[vector].offset_high = (uint32_t)(entry >> 32);
    }
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

static void interrupt(uint64_t vector)
{
    trace_interrupt(vector);
    if (vector == VECTOR_TIMER) {
        timer_acknowledge();
        log_tick();
        sched_tick(arch_clock_ns());
    } else if (vector >= VECTOR_IRQ && vector < VECTOR_IRQ + 16) {
        pic_acknowledge((unsigned)vector - VECTOR_IRQ);
        irq_arrived((unsigned)vector - VECTOR_IRQ);
    } /* else: spurious */
}

static uint64_t fault_address(void)
{
    uint64_t address;
    __asm__ volatile("mov %%cr2, %0" : "=r"(address));
    return address;
}

static void exception(struct tcb *tcb, uint64_t vector, uint64_t error_code)
{
    uint64_t page = vector == VECTOR_PAGE_FAULT;
    uint64_t words[FAULT_WORDS] = {page ? AR_FAULT_PAGE : AR_FAULT_EXCEPTION,
                                   page ? fault_address() : vector,
                                   error_code,
                                   tcb->regs.rip,
                                   tcb->regs.rsp,
                                   tcb->regs.rflags};
    trace_fault(tcb, vector, error_code, words[1]);
    /* Some processors report a jump to an address that is none only at that address, and iretq
     * cannot go there. The thread goes on where nothing is ever mapped. */
    if (tcb->regs.rip > ARCH_USER_END)
        tcb->regs.rip = ARCH_USER_END;
    if (vector == VECTOR_NMI || vector == VECTOR_DOUBLE_FAULT || vector == VECTOR_MACHINE_CHECK)
        kernel_stop("%s while '%s' ran: the machine's doing, not the thread's; error %lx",
                    exception_name(vector), tcb->name,
                    error_code); /* whose registers are all in its TCB: the next line has them */
    if (ipc_fault(tcb, words))
        return;
    (tcb == core.init ? kernel_stop : log_printf)(
        "thread '%s' stops: nobody handles its faults, and it had a %s at rip %lx, address %lx, error %lx",
        tcb->name, exception_name(vector), tcb->regs.rip, words[1], error_code);
    trace_suspended(tcb, true);
    tcb->suspended = 1; /* AR_TCB_RESUME tries again */
}

void trap_handle(uint64_t vector, uint64_t error_code)
{
    if (vector >= VECTOR_IRQ)
        interrupt(vector);
    else
        exception(core.current, vector, error_code);
    sched_pick();
}

void trap_kernel(struct kernel_trap *trap)
{
    if (trap->vector >= VECTOR_IRQ && core.idle) {
        interrupt(trap->vector);
        return;
    }
    if (trap->vector == VECTOR_PAGE_FAULT && trap->rip >= (uint64_t)copy_user_low &&
        trap->rip < (uint64_t)copy_user_high) {
        trap->rip = (uint64_t)copy_user_fault;
        return;
    }
    kernel_stop("%s in the kernel: rip %lx, error %lx, cr2 %lx, rsp %lx\n"
                "kernel: rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx rbp %lx\n"
                "kernel: r8 %lx r9 %lx r10 %lx r11 %lx r12 %lx r13 %lx r14 %lx r15 %lx",
                exception_name(trap->vector), trap->rip, trap->error_code, fault_address(),
                trap->rsp, trap->rax, trap->rbx, trap->rcx, trap->rdx, trap->rsi, trap->rdi,
                trap->rbp, trap->r8, trap->r9, trap->r10, trap->r11, trap->r12, trap->r13,
                trap->r14, trap->r15);
}

bool arch_copy_to_user(uint64_t user, const void *from, uint64_t length)
{
    if (user >= ARCH_USER_END || length > ARCH_USER_END - user)
        return false;
    return copy_user((void *)user, from, length, cpu_features.smap);
}

bool arch_copy_from_user(void *to, uint64_t user, uint64_t length)
{
    if (user >= ARCH_USER_END || length > ARCH_USER_END - user)
        return false;
    return copy_user(to, (const void *)user, length, cpu_features.smap);
}

void arch_halt(void)
{
    measure_stop();
    __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
}
