/* SPDX-License-Identifier: MIT */
#ifndef X86_64_INTERRUPTS_H
#define X86_64_INTERRUPTS_H

#include "object/object.h"

/* What entry.asm pushes when an exception or interrupt comes while the kernel runs. */
struct kernel_trap {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error_code, rip, cs, rflags, rsp, ss;
};

/* From user mode: current's registers are in its TCB. */
void trap_handle(uint64_t vector, uint64_t error_code);
/* From the kernel: changes to *trap take effect on return. */
void trap_kernel(struct kernel_trap *trap);
const char *exception_name(uint64_t vector);

#endif
