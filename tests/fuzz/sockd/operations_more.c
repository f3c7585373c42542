/*
 * The second table of operations: poll sets, foreseen and repeated requests, tails, splice.
 * SPDX-License-Identifier: MIT
 *
 * The first one (operations.c) has no free values of byte 0 left. A step belongs to this one when
 * bits 3 to 7 of byte 1 say MORE_FIRST to MORE_LAST, which in the first are 'nothing goes wrong'; an
 * input that is kept has none of these by accident (step_plain). Byte 0 then has the operation in
 * bits 0 to 3 and what goes wrong in bits 4 to 7.
 */
#include "epoll.h"
#include "steps.h"
#include <string.h>

enum { HANDLES = 8 }; /* so many different ones are asked about, mostly */

static const uint32_t poll_events[] = {LX_POLLIN,    LX_POLLOUT, LX_POLLIN | LX_POLLOUT,
                                       LX_POLLRDHUP, 0,          LX_POLLPRI,
                                       WAKE_READ,    0xffff};

/* ---- poll sets ------------------------------------------------------------------------------- */

/* A poll set, if there is one near; else an instance. */
static uint64_t set_choose(uint8_t which)
{
    for (unsigned tries = 0; tries < 8; tries++) {
        uint64_t badge = choose(KIND(OBJECT_EPOLL), (uint8_t)(which + tries));
        const struct object *object = object_find(world.core, badge);
        if (object && object->kind == OBJECT_EPOLL && ((const struct epoll *)object)->polled)
            return badge;
    }
    return choose(KIND(OBJECT_EPOLL), which);
}

static void set_add(const uint8_t *bytes, uint64_t set)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_POLL_ADD, set, 0);
    unsigned count = bytes[4] < 224 ? 1 + bytes[4] % 4 : bytes[4] % 9;
    for (unsigned i = 0; i < count; i++)
        request_cap_own(&r, choose(bytes[5] < 240 ? KIND_DESCRIPTOR & ~KIND(OBJECT_EPOLL) : KIND_ANY,
                                   (uint8_t)(bytes[3] + i)));
    ask_end(&r, bytes);
}

static void step_set(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_POLL_SET, BADGE_ROOT, 0);
    if (ask_end(&r, bytes) == ST_OK && !r.lost)
        set_add(bytes, r.call.reply_caps[0].value);
}

static void step_set_add(const uint8_t *bytes)
{
    set_add(bytes, bytes[6] < 224 ? set_choose(bytes[2]) : choose(KIND(OBJECT_EPOLL), bytes[2]));
}

/* A handle, mostly one that may be, and events. */
static uint32_t entry_of(const uint8_t *bytes, unsigned which)
{
    uint8_t byte = (uint8_t)(bytes[3] + which * (1 + bytes[6] % 4));
    uint32_t handle = bytes[6] < 240 ? byte % HANDLES : (uint32_t)edge_of(byte) & 0xffff;
    return handle | poll_events[((bytes[5] >> 1) + which) % 8] << 16;
}

static void step_set_few(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_POLL_FEW, set_choose(bytes[2]), 4);
    r.words[0] = bytes[4] < 240 ? bytes[4] % 5 : edge_of(bytes[4]);
    r.words[1] = bytes[5] & 1;
    for (unsigned i = 0; i < 4; i++)
        r.words[2 + i / 2] |= (uint64_t)entry_of(bytes, i) << 32 * (i % 2);
    uint64_t count = r.words[0];
    if (ask_end(&r, bytes) == ST_OK && r.words[0] == count)
        CHECK(count >= 4 || r.call.reply_words[0] >> 16 * count == 0, "more is ready than was asked");
}

static void step_set_many(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_POLL_MANY, set_choose(bytes[2]), 2);
    r.words[0] = bytes[4] < 224 ? bytes[4] % (WAIT_ENTRIES + 1) : bytes[4] < 240 ? 512 : edge_of(bytes[4]);
    r.words[1] = bytes[5] & 1;
    for (unsigned i = 0; i < SOCK_POLL_MOST; i++) {
        uint32_t entry = entry_of(bytes, i % WAIT_ENTRIES);
        memcpy(world_in + i * sizeof(entry), &entry, sizeof(entry));
    }
    r.in_size = r.out_size = sizeof(uint32_t) * SOCK_POLL_MOST;
    uint64_t count = r.words[0], found = 0;
    if (ask_end(&r, bytes) != ST_OK || r.words[0] != count)
        return;
    for (uint64_t i = 0; i < count; i++)
        found += world_out[2 * i] || world_out[2 * i + 1];
    CHECK(r.call.reply_words[0] == found, "the number of those that are ready");
}

/* ---- tails, and requests that come again ----------------------------------------------------- */

/* Up to 64 bytes of the memory, or fewer than the request says, come in the words. */
static void tail_take(struct request *r, const uint8_t *bytes, uint64_t length)
{
    uint64_t words = length && length <= IPC_TAIL_BYTES ? (length + 7) / 8 : 1 + bytes[4] % IPC_TAIL_WORDS;
    r->word_count = IPC_TAIL_WORD + (unsigned)words;
    memcpy(&r->words[IPC_TAIL_WORD], world_in, words * sizeof(uint64_t));
    if (bytes[6] % 8) /* no other memory is declared, mostly */
        r->in_size = 0;
}

static void step_write_tail(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, IO_WRITE, choose(KIND_DESCRIPTOR, bytes[2]), 3);
    const struct object *object = object_find(world.core, r.badge);
    r.words[0] = UINT64_MAX;
    r.words[1] = (bytes[5] & 1 ? IO_NOWAIT : 0) | (bytes[5] & 2 ? IO_AGAIN : 0);
    r.words[2] = r.in_size = bytes[4] < 224 ? bytes[4] % (IPC_TAIL_BYTES + 1) : length_of(bytes[4]);
    payload_fill(r.badge, 0, r.words[2]);
    if (object && object->kind == OBJECT_EVENT) {
        uint64_t value = edge_of(bytes[6]);
        r.words[2] = r.in_size = 8;
        memcpy(world_in, &value, sizeof(value));
    }
    tail_take(&r, bytes, r.words[2]);
    uint64_t before = r.badge;
    if (ask_end(&r, bytes) == ST_OK && r.badge == before)
        payload_sent(r.badge, r.words[2], r.call.reply_words[0]);
}

static void step_send_tail(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_SEND, choose(KIND(OBJECT_SOCKET), bytes[2]), 4);
    uint64_t address = bytes[6] < 224 ? 0 : address_put(bytes[3]);
    uint64_t length = bytes[4] < 224 ? bytes[4] % (IPC_TAIL_BYTES + 1 - address % 8) : length_of(bytes[4]);
    r.words[0] = (bytes[5] & 1 ? LX_MSG_DONTWAIT : 0) | (bytes[5] & 2 ? SOCK_AGAIN : 0) |
                 (bytes[5] % 32 == 4 ? LX_MSG_OOB : 0);
    r.words[1] = length;
    r.words[2] = address;
    r.words[3] = bytes[5] >> 6; /* descriptors beside a tail */
    for (unsigned i = 0; i < r.words[3]; i++)
        request_cap_own(&r, choose(KIND_DESCRIPTOR, (uint8_t)(bytes[3] + i)));
    payload_fill(r.badge, address, length);
    r.in_size = length < MEMORY - address ? address + length : MEMORY;
    tail_take(&r, bytes, r.in_size);
    uint64_t before = r.badge;
    if (ask_end(&r, bytes) != ST_OK || r.badge != before)
        return;
    payload_sent(r.badge, r.words[1], r.call.reply_words[0]);
    if (r.words[0] & LX_MSG_OOB)
        stream_forget(r.badge, true);
}

/* From the peer of this socket, so that there is something to read. */
static void peer_sends(const uint8_t *bytes, uint64_t badge)
{
    const struct socket *socket = chosen_socket(badge), *peer = socket ? socket->peer : NULL;
    struct request r;
    if (!peer || peer->object.badge >= BADGES || !world.copies[peer->object.badge])
        return;
    ask_begin(&r, bytes, SOCK_SEND, peer->object.badge, 4);
    r.words[0] = LX_MSG_DONTWAIT;
    r.words[1] = r.in_size = length_of(bytes[4] % 128);
    payload_fill(r.badge, 0, r.words[1]);
    if (world_ask(&r) == ST_OK)
        payload_sent(r.badge, r.words[1], r.call.reply_words[0]);
}

/* A read as libposix makes it when it has waited: the next one's wake-up comes with it. */
static void step_foresee(const uint8_t *bytes)
{
    struct request r;
    if (bytes[3] < 128)
        peer_sends(bytes, choose(bytes[6] < 192 ? KIND(OBJECT_SOCKET) : KIND_ANY, bytes[2]));
    ask_begin(&r, bytes, IO_READ, choose(bytes[6] < 192 ? KIND(OBJECT_SOCKET) : KIND_ANY, bytes[2]), 3);
    r.words[0] = bytes[3] < 224 ? UINT64_MAX : edge_of(bytes[3]);
    r.words[1] = (bytes[5] & 7) | IO_FORESEE;
    r.words[2] = r.out_size = length_of(bytes[4]);
    struct stream *stream = stream_of(r.badge, false);
    uint64_t before = r.badge, flags = r.words[1];
    if (ask_end(&r, bytes) != ST_OK || r.badge != before || r.words[1] != flags)
        return;
    CHECK(r.call.reply_words[0] <= r.words[2], "more came than there was room for");
    CHECK(r.call.reply_words[1] <= 1, "armed more than once");
    CHECK((flags & IO_TAIL) || !r.call.tail_out, "a tail that was not allowed");
    memcpy(world_out, &r.call.reply_words[IPC_TAIL_WORD], r.call.tail_out);
    if (stream)
        stream_received(stream, r.call.reply_words[0], false);
}

/* Another thread changes what one waits for that has foreseen a read, or asked a poll set. */
static void step_awaited(const uint8_t *bytes)
{
    const struct blocked *blocked = &world.threads[bytes[2] % THREADS].blocked;
    struct request r;
    uint64_t badge = blocked->badge;
    if (blocked->kind != WAIT_FORESEEN && blocked->kind != WAIT_SET)
        return;
    if (blocked->kind == WAIT_SET && blocked->entries)
        badge = world_badge(blocked->entry_ino[bytes[3] % blocked->entries]);
    uint8_t step[STEP_BYTES];
    memcpy(step, bytes, sizeof(step));
    step[1] = (uint8_t)((bytes[1] & ~7) | (bytes[2] % THREADS + 1 + bytes[3] % (THREADS - 1)) % THREADS);
    switch (bytes[4] % 4) {
    case 0: peer_sends(step, badge); return;
    case 1:
        ask_begin(&r, step, IO_SET_FLAGS, badge, 2);
        r.words[0] = bytes[5] & 1 ? LX_O_NONBLOCK : 0;
        break;
    case 2:
        ask_begin(&r, step, SOCK_SET_OPTION, badge, 3);
        r.words[0] = LX_SOL_SOCKET;
        r.words[1] = LX_SO_RCVTIMEO;
        r.words[2] = r.in_size = 16;
        memset(world_in, 0, 16);
        world_in[0] = bytes[5];
        break;
    default:
        ask_begin(&r, step, SOCK_SHUTDOWN, badge, 1);
        r.words[0] = bytes[5] % 3;
    }
    ask_end(&r, step);
}

/* What has waited comes again. */
static void step_again(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, bytes[4] & 1 ? SOCK_RECEIVE : SOCK_ACCEPT, choose(KIND(OBJECT_SOCKET), bytes[2]),
              bytes[4] & 1 ? 4 : 1);
    r.words[0] = SOCK_AGAIN;
    if (bytes[4] & 1) {
        r.words[0] |= (bytes[5] & 1 ? LX_MSG_DONTWAIT : 0) | (bytes[5] & 2 ? SOCK_TAIL : 0);
        r.words[1] = length_of(bytes[3]);
        r.words[3] = bytes[6] % 16;
    }
    r.out_size = r.words[1] < MEMORY ? r.words[1] : MEMORY;
    struct stream *stream = stream_of(r.badge, false);
    const struct socket *socket = chosen_socket(r.badge);
    uint64_t before = r.badge, length = r.words[1];
    if (ask_end(&r, bytes) != ST_OK || r.badge != before || r.label != SOCK_RECEIVE || r.words[1] != length)
        return;
    uint64_t count = (uint32_t)r.call.reply_words[0];
    if (r.words[0] & LX_MSG_OOB) /* bent: one byte, whether there is room for it or not */
        return;
    CHECK(count <= length, "more came than there was room for");
    memcpy(world_out, &r.call.reply_words[IPC_TAIL_WORD], r.call.tail_out);
    if (stream && !(r.words[0] & LX_MSG_PEEK))
        stream_received(stream, count, false);
    else if (socket)
        datagram_received(count, r.call.reply_words[0] >> 32);
}

/* ---- splice ---------------------------------------------------------------------------------- */

static uint64_t pipe_or_socket(uint8_t which, bool pipe)
{
    return choose(pipe ? KIND(OBJECT_PIPE_END) : KIND(OBJECT_PIPE_END) | KIND(OBJECT_SOCKET), which);
}

/* What goes on is not followed. */
static void step_splice(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_SPLICE, pipe_or_socket(bytes[2], bytes[6] & 1), 2);
    r.words[0] = length_of(bytes[4]);
    r.words[1] = bytes[5] & 3;
    request_cap_own(&r, pipe_or_socket(bytes[3], bytes[6] & 2));
    uint64_t length = r.words[0];
    enum status status = ask_end(&r, bytes);
    stream_forget(r.badge, false);
    stream_forget(r.caps[0].value, true);
    if (status == ST_OK && r.words[0] == length)
        CHECK(r.call.reply_words[0] <= length, "more was spliced than was asked");
}

static void step_peek(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_PEEK, choose(KIND(OBJECT_PIPE_END), bytes[2]), 2);
    r.words[0] = r.out_size = length_of(bytes[4]);
    r.words[1] = bytes[5] & 1;
    struct stream *stream = stream_of(r.badge, false);
    uint64_t before = r.badge, length = r.words[0];
    if (ask_end(&r, bytes) != ST_OK || r.badge != before || r.words[0] != length)
        return;
    CHECK(r.call.reply_words[0] <= length, "more was peeked than there was room for");
    if (stream)
        stream_received(stream, r.call.reply_words[0], true);
}

static void step_drop(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, SOCK_DROP, choose(KIND(OBJECT_PIPE_END), bytes[2]), 1);
    r.words[0] = length_of(bytes[4]);
    ask_end(&r, bytes);
    stream_forget(r.badge, false);
}

static void step_cancel(const uint8_t *bytes)
{
    struct request r;
    bool counts = bytes[4] % 16 == 0;
    ask_begin(&r, bytes, counts ? SOCK_COUNTS : SOCK_CANCEL, BADGE_ROOT, 0);
    ask_end(&r, bytes);
}

/* ---- the table ------------------------------------------------------------------------------- */

/* Frozen: new ones at the end, up to 16. */
static void (*const table[])(const uint8_t *bytes) = {
    step_set,        step_set_add, step_set_few, step_set_many, step_write_tail, step_send_tail,
    step_foresee,    step_again,   step_splice,  step_peek,     step_drop,       step_cancel,
    step_awaited,
};
enum { OPERATIONS = sizeof(table) / sizeof(table[0]), WHICH = 15, WRONG_FIRST = 10 };

bool more_is(const uint8_t bytes[STEP_BYTES])
{
    return bytes[1] >> 3 >= MORE_FIRST && bytes[1] >> 3 <= MORE_LAST;
}

uint8_t more_byte(uint8_t byte)
{
    return (uint8_t)((byte & ~WHICH) | (byte & WHICH) % OPERATIONS);
}

void more_run(const uint8_t bytes[STEP_BYTES])
{
    uint8_t step[STEP_BYTES];
    unsigned wrong = bytes[0] >> 4;
    memcpy(step, bytes, sizeof(step));
    step[1] &= 7;
    if (wrong >= WRONG_FIRST) /* the twelve tricks of steps.c */
        step[1] |= (uint8_t)((20 + 2 * (wrong - WRONG_FIRST) + (bytes[7] & 1)) << 3);
    table[(bytes[0] & WHICH) % OPERATIONS](step);
}
