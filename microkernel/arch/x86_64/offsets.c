/*
 * offsets.inc, held against the structures. SPDX-License-Identifier: MIT
 */
#include "arch/x86_64/cpu.h"
#include "sched/sched.h"

#define OFFSET(type, member, value) \
    _Static_assert(offsetof(struct type, member) == (value), #type "." #member)

OFFSET(tcb, regs.rip, 0);
OFFSET(tcb, regs.rsp, 8);
OFFSET(tcb, regs.rflags, 16);
OFFSET(tcb, regs.rax, 24);
OFFSET(tcb, regs.rbx, 32);
OFFSET(tcb, regs.rcx, 40);
OFFSET(tcb, regs.rdx, 48);
OFFSET(tcb, regs.rsi, 56);
OFFSET(tcb, regs.rdi, 64);
OFFSET(tcb, regs.rbp, 72);
OFFSET(tcb, regs.r8, 80);
OFFSET(tcb, regs.r9, 88);
OFFSET(tcb, regs.r10, 96);
OFFSET(tcb, regs.r11, 104);
OFFSET(tcb, regs.r12, 112);
OFFSET(tcb, regs.r13, 120);
OFFSET(tcb, regs.r14, 128);
OFFSET(tcb, regs.r15, 136);
OFFSET(tcb, native_low, 160);
OFFSET(tcb, native_length, 168);
OFFSET(tcb, foreign_entry, 176);
OFFSET(tcb, buffer, 184);
OFFSET(tcb, full_restore, 194);
OFFSET(core, current, 0);
OFFSET(core, user_stack, 8);
OFFSET(ar_ipc_buffer, foreign_rip, 1320);
_Static_assert(AR_SYS_CALL == 0 && AR_SYS_REPLY_RECV == 1 && AR_SYS_RECV == 2 && AR_SYS_SIGNAL == 4 &&
                   AR_SYS_INVOKE == 7,
               "entry.asm");
_Static_assert(SEL_USER_DATA == 0x1b && SEL_USER_CODE == 0x23, "selectors");
