/* The system call instruction: the only file that a host build replaces. Included by ipc/kernel.h
 * alone. SPDX-License-Identifier: MIT */
#ifndef IPC_SYSTEM_CALL_H
#define IPC_SYSTEM_CALL_H

static inline enum ar_error ar_syscall(enum ar_syscall number, struct ar_message *m, ar_cap reply,
                                       uint64_t deadline)
{
    uint64_t rax = number;
    uint64_t rbx = 0;
    register uint64_t r10 __asm__("r10") = m->words[1];
    register uint64_t r8 __asm__("r8") = m->words[2];
    register uint64_t r9 __asm__("r9") = m->words[3];
    register uint64_t r12 __asm__("r12") = reply;
    register uint64_t r13 __asm__("r13") = deadline;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+D"(m->badge), "+S"(m->info), "+d"(m->words[0]), "+r"(r10),
                       "+r"(r8), "+r"(r9), "+b"(rbx), "+r"(r12), "+r"(r13)
                     :
                     : "rcx", "r11", "memory");
    m->words[1] = r10;
    m->words[2] = r8;
    m->words[3] = r9;
    m->principal = rbx;
    return (enum ar_error)rax;
}

/* A call of two words at most, of whose answer only the error matters: it leaves more registers alone. */
static inline enum ar_error ar_syscall_short(enum ar_syscall number, uint64_t target, uint64_t info,
                                             uint64_t w0, uint64_t w1)
{
    uint64_t rax = number;
    register uint64_t r10 __asm__("r10") = w1;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+D"(target), "+S"(info), "+d"(w0), "+r"(r10)
                     :
                     : "rcx", "r11", "r8", "r9", "memory");
    return (enum ar_error)rax;
}

/* AR_SYS_TRACE: not by way of memory, since it is to cost little. */
static inline enum ar_error ar_trace_syscall(uint64_t what, uint64_t a, uint64_t b, uint64_t c,
                                             uint64_t d, uint64_t e)
{
    uint64_t rax = AR_SYS_TRACE;
    register uint64_t r10 __asm__("r10") = c;
    register uint64_t r8 __asm__("r8") = d;
    register uint64_t r9 __asm__("r9") = e;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+D"(what), "+S"(a), "+d"(b), "+r"(r10), "+r"(r8), "+r"(r9)
                     :
                     : "rcx", "r11", "memory");
    return (enum ar_error)rax;
}

#endif
