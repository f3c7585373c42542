/* What the parts of the server runtime know of each other. SPDX-License-Identifier: MIT */
#ifndef IPC_SERVER_RUNTIME_H
#define IPC_SERVER_RUNTIME_H

#include <ipc/kernel.h>
#include <ipc/server.h>

#define REGISTER_WORDS 4u /* of a message: they travel in registers, the others in the buffer */

/* ipc_buffer(), without the call. */
static inline struct ar_ipc_buffer *runtime_buffer(void)
{
    return (struct ar_ipc_buffer *)SERVER_IPC_ADDRESS;
}

void runtime_memory_init(const struct server_info *info);
void runtime_slots_init(const struct server_info *info);

/* The runtime's own bookkeeping: from the same heap, but not in mem_in_use(), because it keeps
 * what it once needed. */
void *runtime_alloc(size_t bytes); /* zeroed; NULL when the heap is full */
void runtime_free(void *memory);

/* slots.c: which ones are free. server_slot_alloc and server_slot_free in place. */
extern struct runtime_slots {
    uint64_t *used, *full; /* a bit each slot; a bit each word of `used`: all are */
    unsigned count, in_use;
    unsigned lowest; /* words of `used` below this one have no slot left */
} runtime_slots;
bool runtime_slots_find(void); /* `lowest` to a word with a free slot; false: there is none */
void runtime_slots_full(unsigned word, bool is);
_Noreturn void runtime_slot_wrong(ar_cap slot);

static inline ar_cap runtime_slot_take(void)
{
    struct runtime_slots *slots = &runtime_slots;
    if (slots->used[slots->lowest] == ~0ull && !runtime_slots_find())
        return 0;
    uint64_t word = slots->used[slots->lowest];
    ar_cap slot = slots->lowest * 64 + (ar_cap)__builtin_ctzll(~word);
    slots->used[slots->lowest] = word |= word + 1;
    if (word == ~0ull)
        runtime_slots_full(slots->lowest, true);
    slots->in_use++;
    return slot;
}

static inline void runtime_slot_give(ar_cap slot)
{
    struct runtime_slots *slots = &runtime_slots;
    unsigned word = slot / 64;
    if (slot < SERVER_SLOT_FREE || slot >= slots->count || !(slots->used[word] >> slot % 64 & 1))
        runtime_slot_wrong(slot);
    if (slots->used[word] == ~0ull)
        runtime_slots_full(word, false);
    slots->used[word] ^= 1ull << slot % 64;
    if (word < slots->lowest)
        slots->lowest = word;
    slots->in_use--;
}

/* Slots that the runtime itself holds in reserve (receive slots, idle gates); not in
 * server_slots_in_use(). */
void runtime_slots_reserve(int change);

/* The gate's last copy is gone: it is idle. False when this gate was not out (nothing to do). */
bool runtime_gate_closed(uint64_t badge);
/* Is the gate out, and has nobody a copy of it? So it is after a reply that did not arrive. */
bool runtime_gate_unclaimed(uint64_t badge);

/* Answer the caller in SERVER_SLOT_REPLY as `call` says; gates that do not arrive are closed at
 * once. */
void runtime_reply(const struct server *server, struct ipc_call *call);
/* Parts of that, for a reply that goes out with the next receive: its capabilities into the IPC buffer
 * (false: a gate could not be made, and ST_NOMEM went out in its place), and, before the next request is
 * looked at, what follows from the answer of the system call. */
bool runtime_reply_caps_load(const struct server *server, struct ipc_call *call);
void runtime_reply_sent(const struct server *server, const struct ipc_call *call,
                        enum ar_error error);

/* The words of a message that do not travel in registers, between an IPC buffer and a call: in
 * fours, so up to three more than `count`, which both have room for and nobody looks at. */
static inline void runtime_words_copy(uint64_t *to, const uint64_t *from, unsigned count)
{
    _Static_assert(REGISTER_WORDS % 4 == 0 && AR_MSG_WORDS % 4 == 0, "whole fours");
    for (unsigned i = REGISTER_WORDS; i < count; i += 4)
        __builtin_memcpy(to + i, from + i, 4 * sizeof(*to));
}

/* The words of a reply into the message and the IPC buffer. */
static inline __attribute__((always_inline)) void
runtime_reply_words(const struct ipc_call *call, struct ar_message *m)
{
    struct ar_ipc_buffer *buffer = runtime_buffer();
    const uint64_t *words = call->reply_words;
    unsigned count = call->reply_word_count;
    m->info = AR_INFO((uint32_t)call->status, count, call->reply_cap_count, 0, 0);
    /* Nothing of an earlier reply may go out in the registers that this one leaves: the dispatcher
     * has cleared them. */
    if (count == 0) {
        m->words[0] = m->words[1] = m->words[2] = m->words[3] = 0;
        return;
    }
    m->words[0] = words[0];
    m->words[1] = words[1];
    m->words[2] = words[2];
    m->words[3] = words[3];
    if (count > REGISTER_WORDS)
        runtime_words_copy(buffer->words, words, count);
}

#endif
