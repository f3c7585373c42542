/*
 * Sending and receiving, and whether the bytes are right: see steps.c. SPDX-License-Identifier: MIT
 *
 * The bytes of a connection or pipe are a sequence that its sender's inode number begins; a
 * datagram says who sent it and how long it is.
 */
#include "steps.h"
#include <string.h>

enum { HEADER = 8 };

struct stream *stream_of(uint64_t badge, bool writes)
{
    const struct object *object = object_find(world.core, badge);
    if (!object)
        return NULL;
    if (object->kind == OBJECT_PIPE_END) /* both ends have one number */
        return ((const struct pipe_end *)object)->writes == writes ? world_stream(object->ino)
                                                                   : NULL;
    const struct socket *socket = chosen_socket(badge);
    if (!socket || socket->type != LX_SOCK_STREAM)
        return NULL;
    if (writes)
        return world_stream(object->ino);
    return socket->peer ? world_stream(socket->peer->object.ino) : NULL;
}

void bytes_unknown(const struct request *request)
{
    uint32_t label = request->label;
    if (label != SOCK_SEND && label != SOCK_SEND_AS && label != SOCK_RECEIVE &&
        label != SOCK_RECEIVE_MORE && label != IO_READ && label != IO_WRITE)
        return;
    world.datagrams_unknown = true;
    for (unsigned writes = 0; writes < 2; writes++) {
        struct stream *stream = stream_of(request->badge, writes);
        if (stream)
            stream->lossy = true;
    }
}

void stream_forget(uint64_t badge, bool writes)
{
    struct stream *stream = stream_of(badge, writes);
    world.datagrams_unknown = true;
    if (stream)
        stream->lossy = true;
}

void payload_fill(uint64_t badge, uint64_t offset, uint64_t length)
{
    const struct stream *stream = stream_of(badge, true);
    const struct object *object = object_find(world.core, badge);
    uint64_t bytes = length < MEMORY - offset ? length : MEMORY - offset;
    if (stream) {
        stream_fill(&world_in[offset], bytes, stream, stream->sent);
        return;
    }
    if (!object)
        return;
    uint32_t header[2] = {(uint32_t)object->ino, (uint32_t)length};
    memcpy(&world_in[offset], header, bytes < HEADER ? bytes : HEADER);
    datagram_fill(&world_in[offset], HEADER, bytes, header);
}

void payload_sent(uint64_t badge, uint64_t asked, uint64_t count)
{
    struct stream *stream = stream_of(badge, true);
    CHECK(count <= asked, "more was sent than there was");
    if (!stream)
        return;
    stream->sent += count;
    const struct object *object = object_find(world.core, badge);
    if (object->kind == OBJECT_PIPE_END && (object->flags & LX_O_DIRECT))
        stream->lossy = true;
}

void stream_received(struct stream *stream, uint64_t count, bool peek)
{
    CHECK(count <= MEMORY, "more bytes came than there is memory");
    CHECK(stream->lossy || stream_is(world_out, count, stream, stream->received),
          "other bytes came than were sent");
    if (peek)
        return;
    stream->received += count;
    CHECK(stream->lossy || stream->received <= stream->sent, "more bytes came than were sent");
}

void datagram_received(uint64_t count, uint64_t full_length)
{
    uint32_t header[2];
    if (count < HEADER || world.datagrams_unknown)
        return;
    memcpy(header, world_out, sizeof(header));
    CHECK(header[1] == full_length, "a datagram of another length than was sent");
    CHECK(count <= MEMORY, "more bytes came than there is memory");
    CHECK(datagram_is(world_out, HEADER, count, header), "a datagram with other bytes");
}

/* ---- sending --------------------------------------------------------------------------------- */

static uint64_t staged_by(const struct thread *thread)
{
    const struct session_object *session = session_object_find(world.core, thread->principal);
    return session && session->stage ? session->stage->count : 0;
}

/* A queue that is limited by count is not beyond it after a send. */
static void queue_length_check(const struct socket *from, const struct socket *to)
{
    if (!from || !to || to->type == LX_SOCK_STREAM || to->dead)
        return;
    CHECK(to == from || to->peer == from || to->message_count <= LX_MAX_DGRAM_QLEN + 1,
          "a datagram went beyond the limit of the queue");
}

/* Those of the stage, or some that come along, or a number out of the air. */
static void rights_choose(struct request *r, const uint8_t *bytes)
{
    if (bytes[6] >= 224) {
        r->words[3] = edge_of(bytes[6]);
    } else if (bytes[6] < 128 || staged_by(r->thread)) {
        r->words[3] = staged_by(r->thread);
        r->words[0] |= r->words[3] ? SOCK_STAGED : 0;
    } else {
        r->words[3] = bytes[6] % 8;
        for (unsigned i = 0; i < r->words[3]; i++)
            if (bytes[3] >> i & 1)
                request_cap_foreign(r, AR_GATE, ISSUER_FILED);
            else
                request_cap_own(r, choose(KIND_DESCRIPTOR, (uint8_t)(bytes[2] + i)));
    }
    if (r->words[3] > SOCK_MAX_RIGHTS)
        r->words[3] = SOCK_MAX_RIGHTS;
}

static void send_with(const uint8_t *bytes, uint64_t address_length, bool path)
{
    struct request r;
    bool as = bytes[5] >= 224; /* with credentials, the right ones or not */
    uint32_t label = as ? SOCK_SEND_AS : SOCK_SEND;
    ask_begin(&r, bytes, label, choose(KIND(OBJECT_SOCKET), bytes[2]), as ? 7 : 4);
    uint64_t length = length_of(bytes[4]);
    r.words[0] = (bytes[5] & 1 ? LX_MSG_DONTWAIT : 0) | (bytes[5] % 32 == 2 ? LX_MSG_OOB : 0);
    r.words[1] = length;
    r.words[2] = address_length;
    if (as) {
        r.words[4] = 100 + (bytes[5] & 7);
        r.words[5] = bytes[5] & 8 ? 1000 : bytes[6];
        r.words[6] = bytes[5] & 8 ? 1000 : bytes[6];
    }
    if (path)
        request_cap_own(&r, choose(KIND(OBJECT_NAME), bytes[6]));
    rights_choose(&r, bytes);
    payload_fill(r.badge, address_length, length);
    r.in_size = length < MEMORY - address_length ? address_length + length : MEMORY;
    const struct socket *socket = chosen_socket(r.badge);
    const struct socket *peer = socket ? socket->peer : NULL;
    uint64_t before = r.badge;
    if (ask_end(&r, bytes) != ST_OK || r.badge != before || r.label != label)
        return;
    if (r.call.tail_in) /* more words than it has: they were the payload */
        bytes_unknown(&r);
    payload_sent(r.badge, r.words[1], r.call.reply_words[0]);
    struct stream *stream = stream_of(r.badge, true);
    if (stream && (r.words[0] & LX_MSG_OOB)) /* the last byte may be taken out of turn, or lost */
        stream->lossy = true;
    if (!r.words[2])
        queue_length_check(socket, peer);
}

void step_send(const uint8_t *bytes)
{
    for (unsigned times = bytes[5] % 32 == 8 ? 14 : 1; times; times--) /* until it waits for room */
        send_with(bytes, 0, false);
}

void step_send_to(const uint8_t *bytes)
{
    send_with(bytes, address_put(bytes[3]), address_is_path(bytes[3]));
}

void step_write(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, IO_WRITE, choose(KIND_DESCRIPTOR, bytes[2]), 3);
    const struct object *object = object_find(world.core, r.badge);
    r.words[0] = UINT64_MAX; /* IO_CURRENT */
    r.words[1] = bytes[5] & 1 ? IO_NOWAIT : 0;
    r.words[2] = length_of(bytes[4]);
    payload_fill(r.badge, 0, r.words[2]);
    if (object && object->kind == OBJECT_EVENT) {
        uint64_t value = edge_of(bytes[6]);
        r.words[2] = 8;
        memcpy(world_in, &value, sizeof(value));
    }
    r.in_size = r.words[2];
    uint64_t before = r.badge;
    if (ask_end(&r, bytes) != ST_OK || r.badge != before)
        return;
    if (r.call.tail_in)
        bytes_unknown(&r);
    payload_sent(r.badge, r.words[2], r.call.reply_words[0]);
}

/* ---- receiving ------------------------------------------------------------------------------- */

static bool peeks_at_offset(const struct socket *socket, bool peek)
{
    return peek && socket->peek_offset >= 0;
}

static void receive_with(const uint8_t *bytes, bool more)
{
    struct request r;
    ask_begin(&r, bytes, more ? SOCK_RECEIVE_MORE : SOCK_RECEIVE,
              choose(KIND(OBJECT_SOCKET), bytes[2]), more ? 10 : 4);
    r.words[0] = (bytes[5] & 1 ? LX_MSG_DONTWAIT : 0) | (bytes[5] % 8 == 2 ? LX_MSG_PEEK : 0) |
                 (bytes[3] & 1 && !more ? SOCK_TAIL : 0) |
                 (bytes[5] % 32 == 4 ? LX_MSG_OOB : 0) | (bytes[5] % 16 == 6 ? LX_MSG_WAITALL : 0);
    r.words[1] = length_of(bytes[4]);
    r.words[2] = bytes[5] >> 7;
    r.words[3] = bytes[6] < 192 ? 253 : bytes[6] % 16;
    r.out_size = r.words[1] < MEMORY ? r.words[1] + 128 : MEMORY;
    if (more) {
        r.words[4] = edge_of(bytes[3]);
        r.words[5] = bytes[6] & 1;
        r.words[6] = bytes[6] >> 1 & 1;
        r.words[7] = 100 + bytes[6] % 5;
        r.words[8] = r.words[9] = 1000;
    }
    uint64_t before = r.badge, length = r.words[1];
    struct stream *stream = stream_of(r.badge, false);
    const struct socket *socket = chosen_socket(r.badge);
    bool skips = socket && peeks_at_offset(socket, r.words[0] & LX_MSG_PEEK);
    if (more && r.words[5] && stream) /* memory_bad: bytes may be lost */
        stream->lossy = true;
    if (ask_end(&r, bytes) != ST_OK || r.badge != before || r.words[1] != length)
        return;
    uint64_t count = (uint32_t)r.call.reply_words[0];
    memcpy(world_out, &r.call.reply_words[IPC_TAIL_WORD], r.call.tail_out);
    if (r.words[0] & LX_MSG_OOB) /* one byte, whether there is room for it or not */
        return;
    CHECK(count <= length, "more came than there was room for");
    bool peek = r.words[0] & LX_MSG_PEEK;
    if (skips || peeks_at_offset(socket, peek))
        return;
    if (stream)
        stream_received(stream, count, peek);
    else if (socket)
        datagram_received(count, r.call.reply_words[0] >> 32);
}

void step_receive(const uint8_t *bytes)
{
    receive_with(bytes, false);
}

void step_receive_more(const uint8_t *bytes)
{
    receive_with(bytes, true);
}

void step_read(const uint8_t *bytes)
{
    struct request r;
    ask_begin(&r, bytes, IO_READ, choose(KIND_DESCRIPTOR, bytes[2]), 3);
    r.words[0] = UINT64_MAX;
    r.words[1] = bytes[5] & 1 ? IO_NOWAIT : 0;
    r.words[2] = r.out_size = length_of(bytes[4]);
    struct stream *stream = stream_of(r.badge, false);
    uint64_t before = r.badge;
    if (ask_end(&r, bytes) != ST_OK || r.badge != before)
        return;
    CHECK(r.call.reply_words[0] <= r.words[2], "more came than there was room for");
    memcpy(world_out, &r.call.reply_words[IPC_TAIL_WORD], r.call.tail_out);
    if (stream)
        stream_received(stream, r.call.reply_words[0], false);
}
