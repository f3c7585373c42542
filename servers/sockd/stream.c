/*
 * Sending on SOCK_STREAM. SPDX-License-Identifier: MIT
 *
 * A send is cut into chunks that each stay one message, as in Linux: descriptors travel with the
 * first one. A send takes what fits and returns the count, even on a blocking socket: libposix asks
 * again for the rest, so that no reply is ever held. With MSG_OOB the last byte is a chunk of its
 * own, and the receiver's mark stands before it (stream_receive.c).
 */
#include "queue.h"

#define CHUNK_MAX 36544u

static uint32_t chunk_size(const struct socket *socket, uint64_t left)
{
    uint32_t most = (uint32_t)(socket->sndbuf / 2 - 64);
    if (most > CHUNK_MAX)
        most = CHUNK_MAX;
    return left < most ? (uint32_t)left : most;
}

static enum status chunk_send(struct sockd *sockd, struct socket *socket, struct send *send,
                              uint64_t sent, uint32_t size, bool urgent)
{
    struct socket *other = socket->peer;
    struct message *message;
    enum status status = socket_take_error(socket);
    if (status != ST_OK)
        return status;
    if (socket->shutdown & SHUT_SEND)
        return ST_PIPE;
    if (socket->charged >= (uint64_t)socket->sndbuf) {
        socket_no_space(socket);
        return sent ? ST_AGAIN
                    : object_wait(sockd, send->call, &socket->object.waiters, WAKE_SENDER,
                                  send->nowait);
    }
    if (rights_too_many(sockd, send->principal, send->rights)) {
        send_dropped(sockd, socket);
        return ST_TOOMANYREFS;
    }
    uint32_t charge = charge_for_chunk(size);
    struct account *account = account_charge(sockd, send->principal, charge);
    if (!account)
        return ST_NOBUFS;
    status = message_create(send->call, send->data_offset + sent, size, charge, account, &message);
    if (status == ST_OK && (other->dead || (other->shutdown & SHUT_RECEIVE))) {
        mem_free(message);
        status = ST_PIPE;
    }
    if (status != ST_OK) {
        account_uncharge(sockd, account, charge);
        send_dropped(sockd, socket);
        return status;
    }
    message->rights = send->rights;
    send->rights = NULL;
    message_credentials(sockd, message, send, socket, other);
    if (urgent) {
        other->oob = message; /* an older mark, if there is one, becomes plain data */
        socket_signal_urgent(sockd, other);
    }
    message_queue(sockd, message, socket, other);
    return ST_OK;
}

/* Not asked again of one that has waited: chunk_send finds what happened meanwhile, an error first. */
static enum status stream_admit(const struct socket *socket, const struct send *send)
{
    if ((send->flags & LX_MSG_OOB) && send->length == 0)
        return ST_OPNOTSUPP;
    if (send->has_address)
        return socket->state == SOCKET_CONNECTED ? ST_ISCONN : ST_OPNOTSUPP;
    if (!socket->peer)
        return ST_NOTCONN;
    return socket->shutdown & SHUT_SEND ? ST_PIPE : ST_OK;
}

/* The session in which the size is kept of the chunk that this send has waited with, or NULL. */
static struct session_object *chunk_find(struct sockd *sockd, const struct socket *socket,
                                         const struct send *send)
{
    struct session_object *session = send->again ? session_object_find(sockd, send->principal) : NULL;
    return session && session->writing == socket->object.ino ? session : NULL;
}

/* The first chunk's answer is `status`: while it waits its size stays, whatever SO_SNDBUF becomes. A fault
 * may be a page that is not there yet. */
static void chunk_keep(struct sockd *sockd, const struct socket *socket, const struct send *send,
                       struct session_object *waited, uint32_t size, enum status status)
{
    struct session_object *session = status == ST_WAIT ? session_object_find(sockd, send->principal) : waited;
    if (!session || status == ST_FAULT)
        return;
    session->writing = status == ST_WAIT ? socket->object.ino : 0;
    session->chunk = status == ST_WAIT ? size : 0;
}

enum status stream_send(struct sockd *sockd, struct socket *socket, struct send *send,
                        uint64_t *count)
{
    bool urgent = send->flags & LX_MSG_OOB;
    enum status admitted = send->again && socket->peer ? ST_OK : stream_admit(socket, send);
    if (admitted != ST_OK)
        return admitted;
    struct session_object *waited = chunk_find(sockd, socket, send);
    uint64_t sent = 0, plain = send->length - urgent;
    while (sent < send->length) {
        bool last = sent == plain;
        uint32_t size = last ? 1 : chunk_size(socket, plain - sent);
        if (sent == 0 && waited && !last)
            size = waited->chunk < plain ? waited->chunk : (uint32_t)plain;
        enum status status = chunk_send(sockd, socket, send, sent, size, last);
        if (sent == 0)
            chunk_keep(sockd, socket, send, waited, size, status);
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
