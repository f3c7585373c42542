/* System calls on the host: libipc/host/kernel.c answers them. Included by ipc/kernel.h alone.
 * SPDX-License-Identifier: MIT */
#ifndef IPC_SYSTEM_CALL_H
#define IPC_SYSTEM_CALL_H

enum ar_error ar_syscall(enum ar_syscall number, struct ar_message *m, ar_cap reply,
                         uint64_t deadline);

static inline enum ar_error ar_syscall_short(enum ar_syscall number, uint64_t target, uint64_t info,
                                             uint64_t w0, uint64_t w1)
{
    struct ar_message m = {.badge = target, .info = info, .words = {w0, w1}};
    return ar_syscall(number, &m, 0, 0);
}

static inline enum ar_error ar_trace_syscall(uint64_t what, uint64_t a, uint64_t b, uint64_t c,
                                             uint64_t d, uint64_t e)
{
    struct ar_message m = {.badge = what, .info = a, .words = {b, c, d, e}};
    return ar_syscall(AR_SYS_TRACE, &m, 0, 0);
}

#endif
