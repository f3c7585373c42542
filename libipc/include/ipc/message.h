/*
 * What a server's pure core sees of one request, and how it answers.
 * SPDX-License-Identifier: MIT
 *
 * The shell (or the host backend, or a unit test) fills a `struct ipc_call`, hands it to the
 * core, then carries out what the core left in it: the reply, then the effects. A core calls
 * nothing but the functions of this header, ipc/memory.h and the C library's mem* and str*
 * functions; a test checks that with nm.
 */
#ifndef IPC_MESSAGE_H
#define IPC_MESSAGE_H

#include <aramid/abi.h>
#include <ipc/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Principal word: which process (an index into the credentials table) and which thread. Stamped
 * by the kernel. */
#define PRINCIPAL(process, thread) ((uint64_t)(thread) << 32 | (uint32_t)(process))
#define PRINCIPAL_PROCESS(principal) ((uint32_t)(principal))
#define PRINCIPAL_THREAD(principal) ((uint32_t)((principal) >> 32))

/* A tail: up to 64 bytes of a call's memory that travel in the message itself, in its words from
 * IPC_TAIL_WORD on (zero-padded), because for so few copying words costs less than AR_SYS_DATA_READ
 * or AR_SYS_DATA_WRITE. Only operations that their protocol file marks have one. */
#define IPC_TAIL_WORD 4u
#define IPC_TAIL_WORDS 8u
#define IPC_TAIL_BYTES (8 * IPC_TAIL_WORDS)

/* A capability that came with the request. kind AR_RECEIVED_BADGE: a gate of this very server. */
struct ipc_cap {
    enum ar_received_kind kind;
    enum ar_type type;
    /* slot (the core owns it: keep, reply with it, or ipc_drop it) or badge (borrowed) */
    uint64_t value;
    uint64_t issuer; /* enum ipc_issuer */
};

/* Issuer words: set by init on each server's endpoint, so nobody else's gate can pose as a
 * descriptor. */
enum ipc_issuer { ISSUER_NONE, ISSUER_PROCD, ISSUER_FILED, ISSUER_SOCKD, ISSUER_CONSOLED };

/* A capability for the reply. */
struct ipc_reply_cap {
    /* true: a counted copy of this server's gate with badge `value`; else a slot's capability */
    bool own_gate;
    bool move;      /* slots only: it leaves us */
    uint64_t value;
};

/* What the shell does after the reply is sent, in order. */
enum ipc_effect_kind {
    IPC_EFFECT_WAKE, /* signal the notification in slot `value` with answer_bits(answer) */
    IPC_EFFECT_DROP, /* delete the capability in slot `value` */
};
struct ipc_effect {
    enum ipc_effect_kind kind;
    uint32_t answer; /* ipc/answer.h; 0: none */
    uint64_t value;
};
/* `ipc_effect_add` never fails: one change wakes each session at most once an object, and there
 * are fewer threads than this; what else a request leaves behind is bounded by the core that
 * makes it. */
#define IPC_EFFECTS_MAX 16384
struct ipc_effects {
    unsigned count;
    struct ipc_effect list[IPC_EFFECTS_MAX];
};

struct ipc_call {
    /* the request */
    uint32_t label;
    uint64_t badge, principal;
    unsigned word_count, cap_count;
    uint64_t words[AR_MSG_WORDS];
    struct ipc_cap caps[AR_MSG_CAPS];
    /* the reply: status goes into the label; the shell sends words[0..reply_word_count) from
     * reply_words */
    enum status status;
    unsigned reply_word_count, reply_cap_count;
    uint64_t reply_words[AR_MSG_WORDS];
    struct ipc_reply_cap reply_caps[AR_MSG_CAPS];
    struct ipc_effects *effects;
    /* Bytes of the request's tail, 0: it has none and declares memory; room for one in the reply,
     * and how much of that is used. */
    unsigned tail_in, tail_room, tail_out;
    /* the caller's memory; see ipc_data_get and ipc_data_put */
    const struct ipc_data_ops *data;
    void *data_context;
};

struct ipc_data_ops {
    enum status (*get)(void *context, uint64_t offset, void *destination, size_t length);
    enum status (*put)(void *context, uint64_t offset, const void *source, size_t length);
};

/* At most IPC_TAIL_BYTES, in place: a call of memcpy would cost more than it copies. */
static inline void ipc_tail_copy(void *destination, const void *source, size_t length)
{
    uint8_t *to = (uint8_t *)destination;
    const uint8_t *from = (const uint8_t *)source, *end = from + length;
    for (; end - from >= 16; to += 16, from += 16)
        __builtin_memcpy(to, from, 16);
    if (end - from >= 8) {
        __builtin_memcpy(to, from, 8);
        to += 8;
        from += 8;
    }
    while (from != end)
        *to++ = *from++;
}

/* The same where both ends have room for whole words and nobody minds what is behind: what a request's
 * tail has there is its sender's. length > 0. */
static inline void ipc_tail_copy_words(uint64_t *to, const uint64_t *from, size_t length)
{
    const uint64_t *end = from + (length + 7) / 8;
    do
        *to++ = *from++;
    while (from != end);
}

/* Copy `length` bytes from the memory that the caller declared as input, from `offset` on.
 * ST_FAULT when the declared memory is shorter or not there: nothing of the server's state may
 * have changed by then, so copy first, commit after. Does not block. */
static inline enum status ipc_data_get(struct ipc_call *call, uint64_t offset, void *destination,
                                       size_t length)
{
    if (length == 0)
        return ST_OK;
    if (!call->tail_in)
        return call->data->get(call->data_context, offset, destination, length);
    if (offset > call->tail_in || length > call->tail_in - offset)
        return ST_FAULT;
    ipc_tail_copy(destination, (const uint8_t *)&call->words[IPC_TAIL_WORD] + offset, length);
    return ST_OK;
}

/* What the tail has no room for: it and what it has go into the declared memory. */
static inline enum status ipc_data_put_far(struct ipc_call *call, uint64_t offset,
                                           const void *source, size_t length)
{
    if (call->tail_out) {
        enum status status = call->data->put(call->data_context, 0,
                                             &call->reply_words[IPC_TAIL_WORD], call->tail_out);
        if (status != ST_OK)
            return status;
    }
    call->tail_room = call->tail_out = 0;
    return call->data->put(call->data_context, offset, source, length);
}

/* To the end of the reply's tail, for which there is room; length > 0. Behind it nothing of an earlier
 * reply goes out: its last word is cleared first, unless something of this one stands there. */
static inline void ipc_tail_add(struct ipc_call *call, const void *source, unsigned length)
{
    unsigned last = (call->tail_out + length - 1) / 8;
    if (8 * last >= call->tail_out)
        call->reply_words[IPC_TAIL_WORD + last] = 0;
    ipc_tail_copy((uint8_t *)&call->reply_words[IPC_TAIL_WORD] + call->tail_out, source, length);
    call->tail_out += length;
}

/* The other way: into the memory that the caller declared as output; what a tail has room for goes
 * there, from offset 0 on without a gap. */
static inline enum status ipc_data_put(struct ipc_call *call, uint64_t offset, const void *source,
                                       size_t length)
{
    if (length == 0)
        return ST_OK;
    if (offset != call->tail_out || length > call->tail_room - call->tail_out)
        return ipc_data_put_far(call, offset, source, length);
    ipc_tail_add(call, source, (unsigned)length);
    return ST_OK;
}

/* Let the reply have a tail: the request says that its sender takes one. */
static inline void ipc_tail_allow(struct ipc_call *call)
{
    call->tail_room = IPC_TAIL_BYTES;
}

static inline void ipc_effect_add(struct ipc_effects *effects, enum ipc_effect_kind kind,
                                  uint64_t value)
{
    if (effects->count < IPC_EFFECTS_MAX)
        effects->list[effects->count++] = (struct ipc_effect){.kind = kind, .value = value};
}

static inline void ipc_wake(struct ipc_effects *effects, uint64_t notification_slot)
{
    ipc_effect_add(effects, IPC_EFFECT_WAKE, notification_slot);
}

static inline void ipc_drop(struct ipc_effects *effects, uint64_t slot)
{
    ipc_effect_add(effects, IPC_EFFECT_DROP, slot);
}

/* Add a copy of our gate with this badge to the reply. At most AR_MSG_CAPS capabilities a reply. */
static inline void ipc_reply_gate(struct ipc_call *call, uint64_t badge)
{
    call->reply_caps[call->reply_cap_count++] =
        (struct ipc_reply_cap){.own_gate = true, .value = badge};
}

static inline void ipc_reply_slot(struct ipc_call *call, uint64_t slot, bool move)
{
    call->reply_caps[call->reply_cap_count++] = (struct ipc_reply_cap){.move = move, .value = slot};
}

#endif
