/*
 * The receive loop that every server runs. SPDX-License-Identifier: MIT
 *
 * A request is taken out of the IPC buffer whole before the core sees it, because everything
 * below (logging, minting, memory copies) may use the buffer. A reply is one system call with the
 * next receive, and the effects come first: whoever they wake may ask at once, but is heard only
 * then, and the state it asks about is final when the core returns. Where there is something to do
 * that may delete what a reply carries, the reply goes out alone, before it.
 */
#include "runtime.h"

#include <ipc/answer.h>
#include <ipc/kernel.h>

static struct ipc_effects effects;
static ar_cap stock[AR_MSG_CAPS]; /* empty slots on offer to arriving capabilities */
static unsigned stock_used = AR_MSG_CAPS; /* so many, the first ones, are used or were not to be had */
static unsigned stock_missing;            /* so many fewer than all are offered */
/* Slots that replies moved something out of: offered next, without going through the map of slots. */
static ar_cap spare[AR_MSG_CAPS];
static unsigned spare_count;

/* A reply has arrived: what moved with it has left its slot. */
static inline void spare_keep(ar_cap slot)
{
    if (spare_count == AR_MSG_CAPS) {
        runtime_slot_give(slot);
        return;
    }
    spare[spare_count++] = slot;
    runtime_slots_reserve(1);
}

/* Offer up to all that are used again: so many. */
static inline unsigned stock_from_spare(void)
{
    struct ar_ipc_buffer *buffer = runtime_buffer();
    unsigned filled = 0;
    for (; filled < stock_used && spare_count; filled++)
        stock[filled] = buffer->recv_slots[filled] = spare[--spare_count];
    return filled;
}

/* Fill the stock up and offer it. With our own slots out, senders of capabilities get
 * AR_ERR_NO_SLOT. */
static __attribute__((noinline)) void stock_fill(void)
{
    struct ar_ipc_buffer *buffer = runtime_buffer();
    unsigned spared = stock_from_spare(), filled = spared;
    for (ar_cap slot; filled < stock_used && (slot = runtime_slot_take()); filled++)
        stock[filled] = buffer->recv_slots[filled] = slot;
    runtime_slots_reserve((int)(filled - spared));
    stock_used -= filled;
    if (stock_used || stock_missing) {
        for (unsigned i = filled; stock_used && i-- > 0;) /* next to those that were left */
            stock[stock_used + i] = stock[i];
        for (unsigned i = stock_used; i < AR_MSG_CAPS; i++)
            buffer->recv_slots[i - stock_used] = stock[i];
    }
    stock_missing = stock_used;
    buffer->recv_slot_count = AR_MSG_CAPS - stock_missing;
}

/* Nothing to do as long as no capability arrived, for nobody else writes those words of the buffer. */
static inline void stock_offer(void)
{
    if (stock_used == 0)
        return;
    if (stock_used > spare_count || stock_missing) {
        stock_fill();
        return;
    }
    stock_from_spare();
    stock_used = 0;
}

static enum status data_get(void *context, uint64_t offset, void *destination, size_t length)
{
    (void)context;
    struct ar_message m = {.badge = SERVER_SLOT_REPLY,
                           .words = {offset, (uint64_t)destination, length}};
    return ar_syscall(AR_SYS_DATA_READ, &m, 0, 0) == AR_OK && m.words[0] == length ? ST_OK
                                                                                   : ST_FAULT;
}

static enum status data_put(void *context, uint64_t offset, const void *source, size_t length)
{
    (void)context;
    struct ar_message m = {.badge = SERVER_SLOT_REPLY, .words = {offset, (uint64_t)source, length}};
    return ar_syscall(AR_SYS_DATA_WRITE, &m, 0, 0) == AR_OK && m.words[0] == length ? ST_OK
                                                                                    : ST_FAULT;
}

static const struct ipc_data_ops data_ops = {data_get, data_put};

static struct ipc_call call = {.effects = &effects, .data = &data_ops};

static __attribute__((noinline)) void caps_load(const struct ar_received *received, unsigned count)
{
    const ar_cap *next = &stock[stock_used];
    _Static_assert(sizeof(call.caps[0]) == sizeof(*received) &&
                       offsetof(struct ipc_cap, type) == offsetof(struct ar_received, type) &&
                       offsetof(struct ipc_cap, value) == offsetof(struct ar_received, value) &&
                       offsetof(struct ipc_cap, issuer) == offsetof(struct ar_received, issuer),
                   "the core's form is the kernel's");
    for (unsigned i = 0; i < count; i++) {
        __builtin_memcpy(&call.caps[i], &received[i], sizeof(*received));
        /* They arrive in the order of the stock. */
        if (received[i].kind == AR_RECEIVED_CAP &&
            (next == &stock[AR_MSG_CAPS] || *next++ != received[i].value))
            server_panic("a capability arrived in slot %lu, which was not on offer",
                         (unsigned long)received[i].value);
    }
    unsigned used = (unsigned)(next - stock);
    runtime_slots_reserve((int)(stock_used - used));
    stock_used = used;
}

/* Only the parts that a core reads are set: clearing the whole structure would cost more than
 * many a request. */
static inline __attribute__((always_inline)) void call_load(const struct ar_message *m)
{
    const struct ar_ipc_buffer *buffer = runtime_buffer();
    call.label = AR_INFO_LABEL(m->info);
    call.badge = m->badge;
    call.principal = m->principal;
    call.word_count = AR_INFO_WORDS(m->info);
    call.words[0] = m->words[0]; /* a core looks at word_count of them */
    call.words[1] = m->words[1];
    call.words[2] = m->words[2];
    call.words[3] = m->words[3];
    if (call.word_count > REGISTER_WORDS)
        runtime_words_copy(call.words, buffer->words, call.word_count);
    call.cap_count = AR_INFO_CAPS(m->info);
    if (call.cap_count)
        caps_load(buffer->received, call.cap_count);
    call.status = ST_NOSYS; /* what a core that knows no such label leaves */
    call.reply_word_count = call.reply_cap_count = 0;
    call.tail_in = call.tail_room = call.tail_out = 0;
}

static __attribute__((noinline)) void effects_run_all(void)
{
    if (effects.count == IPC_EFFECTS_MAX)
        server_log("more than %u effects at once: some may be lost", IPC_EFFECTS_MAX);
    for (unsigned i = 0; i < effects.count; i++) {
        const struct ipc_effect *effect = &effects.list[i];
        if (effect->kind == IPC_EFFECT_WAKE)
            /* a notification that is gone with its thread is no error */
            ar_signal((ar_cap)effect->value, answer_bits(effect->answer));
        else
            server_slot_delete((ar_cap)effect->value);
    }
    effects.count = 0;
}

/* Most requests that have any wake one thread. */
static inline __attribute__((always_inline)) void effects_run(void)
{
    if (effects.count == 0)
        return;
    if (effects.count > 1 || effects.list[0].kind != IPC_EFFECT_WAKE) {
        effects_run_all();
        return;
    }
    effects.count = 0;
    /* a notification that is gone with its thread is no error */
    ar_signal((ar_cap)effects.list[0].value, answer_bits(effects.list[0].answer));
}

static __attribute__((noinline)) uint64_t deadline_look(const struct server *server,
                                                        uint64_t deadline)
{
    uint64_t now = ar_clock_ns();
    if (now < deadline)
        return deadline;
    server->expired(server->state, now, &effects);
    effects_run();
    return server->deadline(server->state);
}

/* The deadline for the next receive; what has expired by now is run first, so that a flood
 * cannot hold it up. */
static inline __attribute__((always_inline)) uint64_t
next_deadline(const struct server *server)
{
    if (!*server->timed)
        return AR_NO_DEADLINE;
    uint64_t deadline = server->deadline(server->state);
    return deadline == AR_NO_DEADLINE ? deadline : deadline_look(server, deadline);
}

static inline enum ar_error receive(const struct server *server, struct ar_message *m)
{
    uint64_t deadline = next_deadline(server);
    stock_offer();
    m->badge = SERVER_SLOT_ENDPOINT;
    return ar_syscall(AR_SYS_RECV, m, SERVER_SLOT_REPLY, deadline);
}

/* Somebody measures (struct server): what the request took until its reply. */
static void served(const struct server *server, uint64_t begin)
{
    server->served(server->state, call.principal, __builtin_ia32_rdtsc() - begin);
}

/* A reply with capabilities that went out with the next receive. */
static inline void reply_settle(const struct server *server, enum ar_error error)
{
    if (error) {
        runtime_reply_sent(server, &call, error);
        return;
    }
    const struct ipc_reply_cap *cap = call.reply_caps, *end = cap + call.reply_cap_count;
    for (; cap != end; cap++)
        if (!cap->own_gate && cap->move)
            spare_keep((ar_cap)cap->value);
}

/* A reply with capabilities goes out with the next receive too, unless there is something to do that may
 * delete what it carries. true: so it has gone out, or could not be made. */
static inline bool reply_apart(const struct server *server)
{
    if (effects.count == 0 &&
        (!*server->timed || server->deadline(server->state) == AR_NO_DEADLINE))
        return !runtime_reply_caps_load(server, &call);
    runtime_reply(server, &call);
    return true;
}

static __attribute__((noinline)) enum ar_error receive_apart(const struct server *server,
                                                             struct ar_message *m)
{
    effects_run();
    return receive(server, m);
}

/* Serve one request, then receive the next message. `m` must not be given to a function that is not
 * inlined: so it stays in registers, which is where the kernel puts it. */
static inline __attribute__((always_inline)) enum ar_error
request_serve(const struct server *server, struct ar_message *m, bool measure)
{
    uint64_t begin = measure ? __builtin_ia32_rdtsc() : 0, deadline = AR_NO_DEADLINE;
    call_load(m);
    server->handle(server->state, &call);
    bool caps = call.reply_cap_count != 0;
    enum ar_error error = AR_ERR_GONE;
    if (!caps || !reply_apart(server)) {
        effects_run();
        deadline = next_deadline(server);
        stock_offer();
        runtime_reply_words(&call, m);
        if (measure)
            served(server, begin);
        m->badge = SERVER_SLOT_ENDPOINT;
        error = ar_syscall(AR_SYS_REPLY_RECV, m, SERVER_SLOT_REPLY, deadline);
        if (!caps)
            return error;
        reply_settle(server, error);
    } else if (measure) {
        served(server, begin);
    }
    if (error) {
        struct ar_message next = {0};
        error = receive_apart(server, &next);
        *m = next;
    }
    return error;
}

/* As long as requests come, and the first one has: what ended that. A loop of its own, so that a
 * message goes from the registers straight into the call. */
static inline __attribute__((always_inline)) enum ar_error
requests_loop(const struct server *server, struct ar_message *last, bool measure)
{
    struct ar_message m = *last;
    enum ar_error error;
    do
        error = request_serve(server, &m, measure);
    while (!error && AR_INFO_LABEL(m.info) >= AR_LABEL_USER);
    *last = m;
    return error;
}

static __attribute__((noinline)) enum ar_error requests_serve(const struct server *server,
                                                              struct ar_message *last)
{
    return requests_loop(server, last, false);
}

static __attribute__((noinline)) enum ar_error requests_measure(const struct server *server,
                                                                struct ar_message *last)
{
    return requests_loop(server, last, true);
}

/* Answer a fault, then receive the next message: in one call, so the thread goes on with what is
 * left of its slice and does not wait behind its equals. */
static inline enum ar_error fault_serve(const struct server *server, struct ar_message *m)
{
    const struct ar_ipc_buffer *buffer = runtime_buffer();
    uint64_t words[6];
    words[0] = m->words[0];
    words[1] = m->words[1];
    words[2] = m->words[2];
    words[3] = m->words[3];
    words[4] = buffer->words[4];
    words[5] = buffer->words[5];
    if (server->fault)
        server->fault(server->state, m->principal, words, &effects);
    effects_run();
    uint64_t deadline = next_deadline(server);
    stock_offer();
    /* A thread that is not to go on was destroyed or suspended by now: to the one this does
     * nothing, and the other meets its fault again when it is resumed. Either way the reply
     * object is free for the next caller. */
    *m = (struct ar_message){.badge = SERVER_SLOT_ENDPOINT};
    return ar_syscall(AR_SYS_REPLY_RECV, m, SERVER_SLOT_REPLY, deadline);
}

_Noreturn void server_run(const struct server *description)
{
    struct server own = *description;
    const struct server *server = &own;
    struct ar_message m = {0};
    bool timed = own.deadline != NULL;
    if (!own.timed)
        own.timed = &timed;
    unsigned failures = 0;
    enum ar_error error = receive(server, &m);
    for (;;) {
        if (error && error != AR_ERR_TIMEOUT) {
            if (++failures == 16)
                server_panic("receive keeps failing: error %d", error);
            server_log("receive failed: error %d", error);
            error = receive(server, &m);
            continue;
        }
        failures = 0;
        uint32_t label = error == AR_ERR_TIMEOUT ? AR_LABEL_TIMEOUT : AR_INFO_LABEL(m.info);
        switch (label) {
        case AR_LABEL_CLOSED:
            if (runtime_gate_closed(m.badge))
                server->closed(server->state, m.badge, &effects);
            break;
        case AR_LABEL_NOTIFICATION:
            if (server->notified)
                server->notified(server->state, m.words[0], &effects);
            break;
        case AR_LABEL_FAULT:
            error = fault_serve(server, &m);
            continue;
        case AR_LABEL_TIMEOUT:
            break; /* next_deadline runs what has expired */
        default:
            error = server->served ? requests_measure(server, &m) : requests_serve(server, &m);
            continue;
        }
        if (effects.count != 0)
            effects_run();
        error = receive(server, &m);
    }
}
