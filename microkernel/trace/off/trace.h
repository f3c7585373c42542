/*
 * The kernel that runs records nothing: see trace/on/trace.h. SPDX-License-Identifier: MIT
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>
#include <stdint.h>

struct boot_facts;
struct cap;
struct endpoint;
struct gate;
struct notification;
struct reply;
struct tcb;

#define TRACE_NOTHING(name, ...)                                                                   \
    static inline void name(__VA_ARGS__)                                                           \
    {                                                                                              \
    }

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
TRACE_NOTHING(trace_boot, struct boot_facts *facts)
TRACE_NOTHING(trace_start, void)
TRACE_NOTHING(trace_again, const struct tcb *tcb)
TRACE_NOTHING(trace_message_fast, const struct tcb *from, const struct tcb *to, uint64_t slot,
              const struct gate *gate, const struct endpoint *endpoint, uint64_t info)
TRACE_NOTHING(trace_reply_fast, const struct tcb *from, const struct tcb *to,
              const struct reply *reply, uint64_t info, bool fault)
TRACE_NOTHING(trace_transfer, const struct tcb *from, const struct tcb *to,
              const struct endpoint *endpoint, uint64_t badge)
TRACE_NOTHING(trace_fault_message, const struct tcb *from, const struct tcb *to,
              const struct endpoint *endpoint)
TRACE_NOTHING(trace_fault_reply, const struct tcb *from, const struct tcb *to)
TRACE_NOTHING(trace_message_cap, const struct tcb *to, const struct cap *cap, uint64_t from,
              uint64_t slot, bool move, bool unwrapped)
TRACE_NOTHING(trace_kernel_message, const struct tcb *to, uint64_t badge, uint32_t label,
              uint64_t word)
TRACE_NOTHING(trace_switch, const struct tcb *last, const struct tcb *next, uint64_t space)
TRACE_NOTHING(trace_idle, bool begins)
TRACE_NOTHING(trace_state, const struct tcb *tcb, unsigned state, unsigned error,
              const void *object, const struct gate *gate)
TRACE_NOTHING(trace_suspended, const struct tcb *tcb, bool suspended)
TRACE_NOTHING(trace_signal, const struct notification *notification, uint64_t bits,
              const struct tcb *woken)
TRACE_NOTHING(trace_fault, const struct tcb *tcb, uint64_t vector, uint64_t code, uint64_t address)
TRACE_NOTHING(trace_interrupt, uint64_t vector)
TRACE_NOTHING(trace_name, const struct tcb *tcb)
TRACE_NOTHING(trace_principal, const struct tcb *tcb)
TRACE_NOTHING(trace_cap_new, const struct cap *slot, const struct cap *from)
TRACE_NOTHING(trace_cap_move, const struct cap *to, const struct cap *from)
TRACE_NOTHING(trace_cap_gone, const struct cap *slot)
TRACE_NOTHING(trace_bind, const struct gate *gate)
TRACE_NOTHING(trace_issuer, const struct endpoint *endpoint)
TRACE_NOTHING(trace_map, const struct cap *mapped, unsigned rights, unsigned bits)
TRACE_NOTHING(trace_unmap, const struct cap *mapped)
#pragma GCC diagnostic pop
#undef TRACE_NOTHING

#endif
