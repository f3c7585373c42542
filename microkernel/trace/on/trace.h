/*
 * Recording: what the kernel calls when something happens. SPDX-License-Identifier: MIT
 *
 * In the kernel that does not trace these are empty (trace/off/trace.h); meson.build chooses. All is
 * inline, and on the fast path compiled with its registers (arch/x86_64/trace_inline.h): one event
 * takes at most 40 instructions, which tests/boot/test_trace.py holds it to.
 */
#ifndef TRACE_H
#define TRACE_H

#include "sched/sched.h"
#include "trace/records.h"
#include "trace/ring.h"
#include "trace_inline.h"

struct boot_facts;

/* Take the ring out of the machine's memory and say where it is. */
void trace_boot(struct boot_facts *facts);
/* The first record, when the clock goes. */
void trace_start(void);

static inline uint32_t trace_thread(const struct tcb *tcb)
{
    return (uint32_t)((uint64_t)tcb >> 12);
}

/* Two objects in a word. */
static inline void trace_pair(uint64_t *word, const void *low, const void *high)
{
    uint32_t *halves = (uint32_t *)word;
    halves[0] = (uint32_t)((uint64_t)low >> 5);
    halves[1] = (uint32_t)((uint64_t)high >> 5);
}

/* Is there none for that many records from `at` on? One comparison for one record, since chunks are
 * whole records. */
static inline bool trace_is_full(const uint64_t *at, unsigned most)
{
    return most == 1 ? (uint64_t)at == trace_ring.limit
                     : (uint64_t)at + most * TRACE_RECORD > trace_ring.limit;
}

/* Room for `most` records in a row, the first of which has its time and header; NULL: the ring is
 * full, and `count` records are lost. */
static inline uint64_t *trace_begin_many(unsigned most, unsigned count, enum trace_type type,
                                         unsigned extra, const struct tcb *tcb)
{
    uint64_t *at = (uint64_t *)trace_ring.next;
    if (__builtin_expect(trace_is_full(at, most), 0)) {
        trace_ring.wanted = count * TRACE_RECORD;
        arch_trace_make_room();
        at = (uint64_t *)trace_ring.next;
        if (trace_is_full(at, most))
            return NULL;
    }
    uint32_t *halves = (uint32_t *)at; /* so written that nothing has to be put together */
    arch_trace_stamp(halves);
    halves[2] = type | extra << TRACE_EXTRA_SHIFT;
    halves[3] = trace_thread(tcb);
    return at;
}

static inline uint64_t *trace_begin(enum trace_type type, unsigned extra, const struct tcb *tcb)
{
    return trace_begin_many(1, 1, type, extra, tcb);
}

/* The host may read them now. */
static inline void trace_end(uint64_t *at, unsigned count)
{
    __atomic_store_n(&trace_ring.next, (uint64_t)(at + count * TRACE_WORDS), __ATOMIC_RELEASE);
}

static inline void trace_4(enum trace_type type, unsigned extra, const struct tcb *tcb, uint64_t w2,
                           uint64_t w3, uint64_t w4, uint64_t w5)
{
    uint64_t *at = trace_begin(type, extra, tcb);
    if (!at)
        return;
    at[2] = w2;
    at[3] = w3;
    at[4] = w4;
    at[5] = w5;
    trace_end(at, 1);
}

/* ---- messages -------------------------------------------------------------------------------- */

/* The records of the longest message. */
enum { TRACE_MESSAGE_MOST = 1 + (AR_MSG_WORDS + 5) / 7 };

/* How many records follow for the words after the first. */
static inline unsigned trace_more(uint64_t info)
{
    return (AR_INFO_WORDS(info) + 5) / 7;
}

/* The words from the fifth on into the record that has words 1 to 3, and those after it; the end of
 * the last one. Each is filled up, whatever lies behind the message's words in the buffer: two
 * instructions a word, and no question after each. Nobody reads more of it than the message has. */
static inline uint64_t *trace_words(uint64_t *more, const struct ar_ipc_buffer *buffer,
                                    unsigned words)
{
    const uint64_t *from = (const uint64_t *)(const void *)buffer + 4; /* it begins with them */
    const uint64_t *end = from + words - 4;
    __builtin_memcpy(&more[4], from, 4 * sizeof(*from));
    for (from += 4; from < end; from += 7) {
        more += TRACE_WORDS;
        more[0] = from[0];
        more[1] = TRACE_WORDS_MORE;
        __builtin_memcpy(&more[2], from + 1, 6 * sizeof(*from));
    }
    return more + TRACE_WORDS;
}

_Static_assert(offsetof(struct ar_ipc_buffer, words) == 0 &&
                   8 * (AR_MSG_WORDS + 6) <= sizeof(struct ar_ipc_buffer), "words past the last");

/* Words 1 to 3 are in registers; the records that the message takes are complete. */
static inline void trace_end_fast(uint64_t *at, const struct ar_ipc_buffer *buffer, uint64_t info)
{
    unsigned words = AR_INFO_WORDS(info);
    if (words <= 1) {
        trace_end(at, 1);
        return;
    }
    at[9] = TRACE_WORDS_MORE;
    arch_trace_words(&at[8], &at[10], &at[11]);
    if (__builtin_expect(words <= 4, 1)) {
        trace_end(at, 2);
        return;
    }
    trace_end(trace_words(at + TRACE_WORDS, buffer, words), 0);
}

static inline void trace_message_fast(const struct tcb *from, const struct tcb *to, uint64_t slot,
                                      const struct gate *gate, const struct endpoint *endpoint,
                                      uint64_t info)
{
    uint64_t *at = trace_begin_many(TRACE_MESSAGE_MOST, 1 + trace_more(info), TRACE_MESSAGE, 0, from);
    if (!at)
        return;
    ((uint32_t *)at)[4] = trace_thread(to);
    ((uint32_t *)at)[5] = (uint32_t)slot;
    trace_pair(&at[3], endpoint, gate);
    at[4] = gate->badge;
    at[5] = from->principal;
    at[6] = info;
    at[7] = from->regs.rdx;
    trace_end_fast(at, from->buffer, info);
}

static inline void trace_reply_fast(const struct tcb *from, const struct tcb *to,
                                    const struct reply *reply, uint64_t info, bool fault)
{
    uint64_t *at = trace_begin_many(TRACE_MESSAGE_MOST, fault ? 1 : 1 + trace_more(info), TRACE_REPLY,
                                    fault, from);
    if (!at)
        return;
    at[2] = trace_thread(to);
    at[3] = (uint64_t)reply;
    at[6] = fault ? 0 : info;
    at[7] = from->regs.rdx;
    trace_end_fast(at, from->buffer, fault ? 0 : info);
}

/* The same on the slow path: `endpoint` is NULL for a reply. Which gate it came through was said
 * when the sender queued, or the slot tells. */
void trace_transfer(const struct tcb *from, const struct tcb *to, const struct endpoint *endpoint,
                    uint64_t badge);
void trace_fault_message(const struct tcb *from, const struct tcb *to,
                         const struct endpoint *endpoint);

static inline void trace_fault_reply(const struct tcb *from, const struct tcb *to)
{
    trace_reply_fast(from, to, to->reply, 0, true);
}

/* A capability of the message just recorded, before it moves. */
static inline void trace_message_cap(const struct tcb *to, const struct cap *cap, uint64_t from,
                                     uint64_t slot, bool move, bool unwrapped)
{
    trace_4(TRACE_CAP, (move ? TRACE_CAP_MOVED : 0) | (unwrapped ? TRACE_CAP_UNWRAPPED : 0), to,
            from, slot, cap->object, cap->type | cap->rights << 8);
}

static inline void trace_kernel_message(const struct tcb *to, uint64_t badge, uint32_t label,
                                        uint64_t word)
{
    trace_4(TRACE_KERNEL_MESSAGE, 0, to, badge, label, word, 0);
}

/* ---- threads --------------------------------------------------------------------------------- */

static inline void trace_again(const struct tcb *tcb)
{
    trace_4(TRACE_AGAIN, 0, tcb, 0, 0, 0, 0);
}

static inline void trace_switch(const struct tcb *last, const struct tcb *next, uint64_t space)
{
    uint64_t *at = trace_begin(TRACE_SWITCH, 0, last);
    if (!at)
        return;
    at[2] = trace_thread(next);
    at[3] = space;
    trace_end(at, 1);
}

static inline void trace_idle(bool begins)
{
    trace_4(TRACE_IDLE, begins, NULL, 0, 0, 0, 0);
}

static inline void trace_state(const struct tcb *tcb, unsigned state, unsigned error,
                               const void *object, const struct gate *gate)
{
    uint64_t *at = trace_begin(TRACE_STATE, state | error << 8, tcb);
    if (!at)
        return;
    trace_pair(&at[2], object, gate);
    trace_end(at, 1);
}

static inline void trace_suspended(const struct tcb *tcb, bool suspended)
{
    trace_state(tcb, suspended ? TRACE_SUSPENDED : TRACE_RESUMED, 0, NULL, NULL);
}

static inline void trace_signal(const struct notification *notification, uint64_t bits,
                                const struct tcb *woken)
{
    trace_4(TRACE_SIGNAL, 0, core.current, (uint64_t)notification, bits, trace_thread(woken), 0);
}

static inline void trace_fault(const struct tcb *tcb, uint64_t vector, uint64_t code,
                               uint64_t address)
{
    uint64_t *at = trace_begin(TRACE_FAULT, 0, tcb);
    if (!at)
        return;
    at[2] = vector;
    at[3] = code;
    at[4] = address;
    at[5] = tcb->regs.rip;
    at[6] = tcb->regs.rsp;
    trace_end(at, 1);
}

static inline void trace_interrupt(uint64_t vector)
{
    trace_4(TRACE_INTERRUPT, (unsigned)vector, core.idle ? NULL : core.current, 0, 0, 0, 0);
}

static inline void trace_name(const struct tcb *tcb)
{
    const uint64_t *name = (const void *)tcb->name;
    trace_4(TRACE_NAME, 0, tcb, name[0], name[1], 0, 0);
}

static inline void trace_principal(const struct tcb *tcb)
{
    trace_4(TRACE_PRINCIPAL, 0, tcb, tcb->principal, 0, 0, 0);
}

/* ---- capabilities and mappings --------------------------------------------------------------- */

static inline void trace_cap_new(const struct cap *slot, const struct cap *from)
{
    uint64_t *at = trace_begin(TRACE_CAP_NEW, 0, core.current);
    if (!at)
        return;
    at[2] = (uint64_t)slot;
    at[3] = slot->object;
    at[4] = slot->type | (uint32_t)slot->rights << 8 | (uint32_t)slot->flags << 16 |
            (uint32_t)slot->size_bits << 24 | (uint64_t)slot->asid << 32;
    at[5] = (uint64_t)from;
    at[6] = slot->extra;
    trace_end(at, 1);
}

static inline void trace_cap_move(const struct cap *to, const struct cap *from)
{
    trace_4(TRACE_CAP_MOVE, 0, core.current, (uint64_t)to, (uint64_t)from, 0, 0);
}

static inline void trace_cap_gone(const struct cap *slot)
{
    trace_4(TRACE_CAP_GONE, 0, core.current, (uint64_t)slot, 0, 0, 0);
}

static inline void trace_bind(const struct gate *gate)
{
    trace_4(TRACE_BIND, 0, core.current, (uint64_t)gate, (uint64_t)gate->endpoint, gate->badge, 0);
}

static inline void trace_issuer(const struct endpoint *endpoint)
{
    trace_4(TRACE_ISSUER, 0, core.current, (uint64_t)endpoint, endpoint->issuer, 0, 0);
}

/* `bits`: log2 of the bytes that it maps or covers. */
static inline void trace_map(const struct cap *mapped, unsigned rights, unsigned bits)
{
    trace_4(TRACE_MAP, rights | bits << 8, core.current, mapped->asid, mapped->extra,
            mapped->object, 0);
}

static inline void trace_unmap(const struct cap *mapped)
{
    trace_4(TRACE_UNMAP, 0, core.current, mapped->asid, mapped->extra, mapped->object, 0);
}

#endif
