/*
 * SOCK_STREAM: chunks in, bytes out. SPDX-License-Identifier: MIT
 *
 * A send is cut into chunks that each stay one message, as in Linux: descriptors travel with the
 * first one and a read stops behind the chunk that carried some. A send takes what fits and returns
 * the count, even on a blocking socket: libposix asks again for the rest, so that no reply is ever
 * held. MSG_WAITALL is libposix's in the same way.
 */
#include "core.h"
#include <ipc/memory.h>

#define CHUNK_MAX 36544u

static uint32_t chunk_size(const struct socket *socket, uint64_t left)
{
    uint32_t most = (uint32_t)(socket->sndbuf / 2 - 64);
    if (most > CHUNK_MAX)
        most = CHUNK_MAX;
    return left < most ? (uint32_t)left : most;
}

static enum status chunk_send(struct sockd *sockd, struct socket *socket, struct send *send,
                              uint64_t sent)
{
    struct socket *other = socket->peer;
    struct message *message;
    enum status status = socket_take_error(socket);
    if (status != ST_OK)
        return status;
    if (socket->shutdown & SHUT_SEND)
        return ST_PIPE;
    if (socket->charged >= (uint64_t)socket->sndbuf)
        return sent ? ST_AGAIN
                    : object_wait(sockd, send->call, &socket->object.waiters, WAKE_WRITE,
                                  send->nowait);
    uint32_t size = chunk_size(socket, send->length - sent), charge = charge_for_chunk(size);
    struct account *account = account_charge(sockd, send->principal, charge);
    if (!account)
        return ST_NOBUFS;
    status = message_create(send->call, send->data_offset + sent, size, charge, &message);
    if (status == ST_OK && (other->dead || (other->shutdown & SHUT_RECEIVE))) {
        mem_free(message);
        status = ST_PIPE;
    }
    if (status != ST_OK) {
        account_uncharge(sockd, account, charge);
        return status;
    }
    message->account = account;
    message->rights = send->rights;
    send->rights = NULL;
    message_credentials(sockd, message, send, socket, other);
    message_queue(sockd, message, socket, other);
    return ST_OK;
}

enum status stream_send(struct sockd *sockd, struct socket *socket, struct send *send,
                        uint64_t *count)
{
    if (send->flags & LX_MSG_OOB)
        return ST_OPNOTSUPP;
    if (send->has_address)
        return socket->state == SOCKET_CONNECTED ? ST_ISCONN : ST_OPNOTSUPP;
    if (!socket->peer)
        return ST_NOTCONN;
    if (socket->shutdown & SHUT_SEND)
        return ST_PIPE;
    uint64_t sent = 0;
    while (sent < send->length) {
        uint32_t size = chunk_size(socket, send->length - sent);
        enum status status = chunk_send(sockd, socket, send, sent);
        if (status != ST_OK) {
            if (sent)
                break;
            return status;
        }
        sent += size;
    }
    *count = sent;
    return ST_OK;
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* Fewer bytes than SO_RCVLOWAT asks for, and more may come: the sender has room. */
static bool below_low_water(const struct socket *socket, const struct receive *receive)
{
    uint64_t target =
        (uint64_t)socket->rcvlowat < receive->length ? (uint64_t)socket->rcvlowat : receive->length;
    return !receive->nowait && socket->unread < target && socket->error == ST_OK &&
           !(socket->shutdown & SHUT_RECEIVE) && socket->rights_count == 0 && socket->peer &&
           socket->peer->charged < (uint64_t)socket->peer->sndbuf;
}

static enum status stream_nothing(struct sockd *sockd, struct socket *socket,
                                  struct receive *receive)
{
    enum status status = socket_take_error(socket);
    if (status != ST_OK || (socket->shutdown & SHUT_RECEIVE))
        return status; /* ST_OK with nothing: end of file */
    return object_wait(sockd, receive->call, &socket->object.waiters, WAKE_READ, receive->nowait);
}

static bool same_writer(const struct receive *receive, const struct message *message)
{
    return receive->pid == message->pid && receive->uid == message->uid &&
           receive->gid == message->gid;
}

/* What comes with the first chunk alone. */
static enum status stream_begin(struct socket *socket, struct receive *receive,
                                const struct message *message)
{
    receive->sender = message->sender;
    if (socket->option_flags & OPTION_BIT(LX_SO_PASSCRED)) {
        receive->credentials = true;
        receive->pid = message->pid;
        receive->uid = message->uid;
        receive->gid = message->gid;
    }
    return receive_address(receive, message->sender);
}

/* After `bytes` of `message` went out. true: the read ends here. */
static bool chunk_consume(struct sockd *sockd, struct socket *socket, struct receive *receive,
                          struct message *message, uint32_t bytes)
{
    struct rights *rights = message->rights;
    if (socket->peek_offset >= 0)
        socket->peek_offset =
            (uint32_t)socket->peek_offset > bytes ? socket->peek_offset - (int)bytes : 0;
    message->consumed += bytes;
    socket->unread -= bytes;
    socket_trace(sockd, socket, AR_TRACE_SOCKET_TAKEN, socket_trace_amount(bytes, rights),
                 socket->unread, message->sender->object.ino);
    if (rights) {
        message->rights = NULL;
        socket->rights_count--;
        receive->rights = rights;
    }
    if (message_unread(message))
        return true;
    message_unlink(socket, NULL, message);
    message_free(sockd, message);
    return rights != NULL;
}

static enum status stream_take(struct sockd *sockd, struct socket *socket, struct receive *receive)
{
    struct message *message;
    enum status status = ST_OK;
    while ((message = socket->first)) {
        if (receive->sender && receive->credentials && !same_writer(receive, message))
            break;
        if (!receive->sender && (status = stream_begin(socket, receive, message)) != ST_OK)
            return status;
        uint64_t left = receive->length - receive->count;
        uint32_t bytes = message_unread(message) < left ? message_unread(message) : (uint32_t)left;
        status =
            ipc_data_put(receive->call, receive->count, &message->data[message->consumed], bytes);
        if (status != ST_OK)
            return receive->count ? ST_OK : status;
        receive->count += bytes;
        if (chunk_consume(sockd, socket, receive, message, bytes) ||
            receive->count == receive->length)
            break;
    }
    return ST_OK;
}

static enum status stream_peek(struct sockd *sockd, struct socket *socket, struct receive *receive)
{
    uint64_t skip = socket->peek_offset > 0 ? (uint64_t)socket->peek_offset : 0;
    for (struct message *message = socket->first; message; message = message->next) {
        if (skip >= message_unread(message)) {
            skip -= message_unread(message);
            continue;
        }
        if (receive->sender && receive->credentials && !same_writer(receive, message))
            break;
        enum status status = receive->sender ? ST_OK : stream_begin(socket, receive, message);
        if (status != ST_OK)
            return status;
        uint64_t left = receive->length - receive->count, have = message_unread(message) - skip;
        uint64_t bytes = have < left ? have : left;
        status = ipc_data_put(receive->call, receive->count,
                              &message->data[message->consumed + skip], bytes);
        if (status != ST_OK)
            return receive->count ? ST_OK : status;
        receive->count += bytes;
        skip = 0;
        if (socket->peek_offset >= 0)
            socket->peek_offset += (int)bytes;
        if (message->rights) {
            receive->rights = message->rights;
            receive->rights->refs++;
            break;
        }
        /* Linux looks on even when the room is full, up to the first descriptors it finds. */
    }
    return receive->sender ? ST_OK : stream_nothing(sockd, socket, receive);
}

enum status stream_receive(struct sockd *sockd, struct socket *socket, struct receive *receive)
{
    if (socket->state != SOCKET_CONNECTED)
        return ST_INVAL;
    if (receive->flags & LX_MSG_OOB)
        return ST_INVAL;
    if (!socket->first)
        return stream_nothing(sockd, socket, receive);
    if (below_low_water(socket, receive))
        return object_wait(sockd, receive->call, &socket->object.waiters, WAKE_READ, false);
    if (receive->flags & LX_MSG_PEEK)
        return stream_peek(sockd, socket, receive);
    return stream_take(sockd, socket, receive);
}
