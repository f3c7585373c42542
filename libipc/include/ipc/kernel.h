/*
 * Raw kernel system calls, as inline functions: servers and libposix. SPDX-License-Identifier: MIT
 *
 * `struct ar_ipc_buffer *buffer` is the calling thread's own.
 */
#ifndef IPC_KERNEL_H
#define IPC_KERNEL_H

#include <aramid/abi.h>
#include <aramid/trace.h>

struct ar_message {
    uint64_t badge, info, words[4], principal;
};

/* Every system call goes through ar_syscall; `m` carries rdi (badge), rsi (info) and words 0..3
 * both ways. In the guest it is the instruction, on the host a function. */
#include <ipc/system_call.h>

/* Invoke with up to four words; results are left in *m. */
static inline enum ar_error ar_invoke(ar_cap target, enum ar_invocation label, uint64_t w0,
                                      uint64_t w1, uint64_t w2, uint64_t w3, unsigned words,
                                      struct ar_message *m)
{
    *m = (struct ar_message){.badge = target, .info = AR_INFO(label, words, 0, 0, 0), .words = {w0, w1, w2, w3}};
    return ar_syscall(AR_SYS_INVOKE, m, 0, 0);
}

static inline enum ar_error ar_invoke4(ar_cap target, enum ar_invocation label, uint64_t w0,
                                       uint64_t w1, uint64_t w2, uint64_t w3)
{
    struct ar_message m;
    return ar_invoke(target, label, w0, w1, w2, w3, 4, &m);
}

static inline enum ar_error ar_cap_copy(ar_cap to_root, ar_cap to, ar_cap from_root, ar_cap from,
                                        unsigned rights)
{
    return ar_invoke4(to_root, AR_CNODE_COPY, to, from_root, from, rights);
}

static inline enum ar_error ar_cap_move(ar_cap to_root, ar_cap to, ar_cap from_root, ar_cap from)
{
    return ar_invoke4(to_root, AR_CNODE_MOVE, to, from_root, from, 0);
}

static inline enum ar_error ar_cap_delete(ar_cap slot)
{
    return ar_syscall_short(AR_SYS_INVOKE, AR_CAP_SELF, AR_INFO(AR_CNODE_DELETE, 4, 0, 0, 0), slot, 0);
}

static inline enum ar_error ar_retype(ar_cap untyped, enum ar_type type, unsigned bits,
                                      ar_cap first, unsigned count)
{
    return ar_invoke4(untyped, AR_UNTYPED_RETYPE, type, bits, first, count);
}

static inline enum ar_error ar_signal(ar_cap notification, uint64_t bits)
{
    return ar_syscall_short(AR_SYS_SIGNAL, notification, 0, bits, 0);
}

/* Wait for bits; AR_ERR_TIMEOUT after the absolute deadline. */
static inline enum ar_error ar_wait(ar_cap notification, uint64_t deadline_ns, uint64_t *bits)
{
    struct ar_message m = {.badge = notification};
    enum ar_error error = ar_syscall(AR_SYS_WAIT, &m, 0, deadline_ns);
    *bits = error ? 0 : m.words[0];
    return error;
}

static inline void ar_yield(void)
{
    struct ar_message m = {0};
    ar_syscall(AR_SYS_YIELD, &m, 0, 0);
}

static inline uint64_t ar_clock_ns(void)
{
    struct ar_message m = {0};
    ar_syscall(AR_SYS_CLOCK, &m, 0, 0);
    return m.words[0];
}

/* Put a record into the kernel's trace: AR_ERR_SYSCALL when this kernel does not trace, which who
 * would say more often than once finds out first (AR_TRACE_ASK). */
static inline enum ar_error ar_trace(enum ar_trace what, uint64_t a, uint64_t b, uint64_t c,
                                     uint64_t d, uint64_t e)
{
    return ar_trace_syscall(what, a, b, c, d, e);
}

/* With a text of up to AR_TRACE_TEXT_BYTES bytes: AR_ERR_FAULT when they are not there, or not yet. */
static inline enum ar_error ar_trace_text(enum ar_trace what, uint64_t a, uint64_t b, uint64_t c,
                                          uint64_t d, uint64_t text, uint32_t length)
{
    return ar_trace_syscall(what | (uint64_t)length << 32, a, b, c, d, text);
}

/* Write up to AR_DATA_BYTES to a log capability. */
static inline void ar_log(struct ar_ipc_buffer *buffer, ar_cap log, const char *text,
                          unsigned length)
{
    struct ar_message m;
    if (length > AR_DATA_BYTES)
        length = AR_DATA_BYTES;
    __builtin_memcpy(&buffer->words[4], text, length);
    ar_invoke(log, AR_LOG_WRITE, length, 0, 0, 0, 4 + (length + 7) / 8, &m);
}

#endif
