/*
 * SOCK_DGRAM and SOCK_SEQPACKET: whole messages. SPDX-License-Identifier: MIT
 *
 * A send that waits is not asked from the start again. Linux looks first whom the socket is connected to,
 * then waits for memory, then looks for the address if there is one, then waits for room in that queue;
 * what was found out before a wait counts after it, whatever becomes of the socket meanwhile. The
 * session keeps it.
 */
#include "queue.h"

bool datagram_may_send(const struct socket *socket, const struct socket *other)
{
    return !other->peer || other->peer == socket;
}

/* A queue is limited by count, but not between two that are connected to each other, nor to
 * oneself. */
bool datagram_room(const struct socket *socket, const struct socket *other)
{
    return other == socket || other->peer == socket || other->message_count <= LX_MAX_DGRAM_QLEN;
}

/* ---- a send that waits ----------------------------------------------------------------------- */

/* What is kept of this send from before it waited, or NULL. */
static struct session_object *sending_find(struct sockd *sockd, const struct socket *socket,
                                           const struct send *send)
{
    struct session_object *session =
        send->again ? session_object_find(sockd, send->principal) : NULL;
    return session && session->sending == socket && session->length == send->length ? session : NULL;
}

/* Its answer is `status`: if that is to wait, keep what is known. */
static enum status sending_keep(struct sockd *sockd, struct socket *socket, const struct send *send,
                                struct socket *destination, bool has_memory, enum status status)
{
    struct session_object *session =
        status == ST_WAIT ? session_object_find(sockd, send->principal) : NULL;
    if (!session)
        return status;
    object_ref(&socket->object);
    if (destination)
        object_ref(&destination->object);
    sending_end(sockd, session);
    session->sending = socket;
    session->destination = destination;
    session->length = send->length;
    session->has_memory = has_memory;
    session->charge = has_memory ? charge_for_datagram((uint32_t)send->length) : 0;
    socket->charged += session->charge;
    return status;
}

void sending_release(struct sockd *sockd, struct session_object *session)
{
    if (!session->charge)
        return;
    session->sending->charged -= session->charge;
    session->charge = 0;
    session->has_memory = false;
    if (!session->sending->dead)
        send_dropped(sockd, session->sending);
}

void sending_end(struct sockd *sockd, struct session_object *session)
{
    struct socket *sender = session->sending, *destination = session->destination;
    sending_release(sockd, session);
    session->sending = session->destination = NULL;
    if (destination)
        object_unref(sockd, &destination->object);
    if (sender)
        object_unref(sockd, &sender->object);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Copy the payload in and queue it. */
static enum status datagram_queue(struct sockd *sockd, struct socket *socket, struct socket *other,
                                  struct send *send)
{
    struct message *message;
    uint32_t length = (uint32_t)send->length, charge = charge_for_datagram(length);
    struct account *account = account_charge(sockd, send->principal, charge);
    if (!account)
        return ST_NOBUFS;
    enum status status =
        message_create(send->call, send->data_offset, length, charge, account, &message);
    if (status != ST_OK) {
        account_uncharge(sockd, account, charge);
        send_dropped(sockd, socket);
        return status;
    }
    message->rights = send->rights;
    send->rights = NULL;
    message_credentials(sockd, message, send, socket, other);
    message_queue(sockd, message, socket, other);
    return ST_OK;
}

/* The peer is gone: ECONNREFUSED this time, ENOTCONN the next. */
static enum status datagram_peer_died(struct sockd *sockd, struct socket *socket)
{
    if (socket->type == LX_SOCK_SEQPACKET)
        return ST_PIPE;
    struct socket *old = socket->peer;
    object_ref(&old->object);
    socket_set_peer(sockd, socket, NULL);
    socket->state = SOCKET_CLOSED;
    socket->shown_connected = false;
    object_wake(sockd, &socket->object, WAKE_WRITE);
    datagram_disconnected(sockd, socket, old);
    object_unref(sockd, &old->object);
    return ST_CONNREFUSED;
}

/* The checks that Linux makes before it has memory for the message. `to`: whom it is connected to, or
 * was before it waited; NULL: there is an address. */
static enum status datagram_admit(struct sockd *sockd, struct socket *socket, struct send *send,
                                  bool waited, struct socket *to)
{
    if (send->flags & LX_MSG_OOB)
        return ST_OPNOTSUPP;
    if (!send->has_address && !to)
        return ST_NOTCONN;
    if (!waited && (socket->option_flags & OPTIONS_SENDER) && !socket->address) {
        enum status status = socket_autobind(sockd, socket);
        if (status != ST_OK)
            return status;
    }
    if (!waited && send->length > (uint64_t)socket->sndbuf - 32)
        return ST_MSGSIZE;
    enum status status = socket_take_error(socket);
    if (status != ST_OK)
        return status;
    if (socket->shutdown & SHUT_SEND)
        return ST_PIPE;
    if (socket->charged >= (uint64_t)socket->sndbuf) {
        socket_no_space(socket);
        status = object_wait(sockd, send->call, &socket->object.waiters, WAKE_SENDER, send->nowait);
        return sending_keep(sockd, socket, send, to, false, status);
    }
    if (!rights_too_many(sockd, send->principal, send->rights))
        return ST_OK;
    send_dropped(sockd, socket);
    return ST_TOOMANYREFS;
}

/* The destination will not have it. Linux has copied the message by then: bad memory comes first. */
static enum status datagram_refuse(struct sockd *sockd, struct socket *socket,
                                   const struct send *send, enum status refusal)
{
    struct message *message;
    enum status status =
        message_create(send->call, send->data_offset, (uint32_t)send->length, 0, NULL, &message);
    send_dropped(sockd, socket);
    if (status != ST_OK)
        return status;
    mem_free(message);
    return refusal;
}

/* The destination that was found is dead. */
static enum status datagram_to_dead(struct sockd *sockd, struct socket *socket,
                                    const struct send *send, const struct socket *other)
{
    bool peer = socket->peer == other;
    enum status status = datagram_refuse(sockd, socket, send, peer ? ST_OK : ST_CONNRESET);
    return status == ST_OK ? datagram_peer_died(sockd, socket) : status;
}

static enum status datagram_deliver(struct sockd *sockd, struct socket *socket, struct send *send,
                                    struct socket *other)
{
    enum status status = ST_OK;
    /* One with an address is looked for again if it died while there was no room. */
    if (send->has_address && (!other || (other->dead && other != socket->peer)))
        status = destination_find(sockd, send->call, socket->type, send->address, &other);
    if (status != ST_OK)
        return datagram_refuse(sockd, socket, send, status);
    if (other->dead)
        return datagram_to_dead(sockd, socket, send, other);
    if (!datagram_may_send(socket, other))
        return datagram_refuse(sockd, socket, send, ST_PERM);
    if (other->shutdown & SHUT_RECEIVE)
        return datagram_refuse(sockd, socket, send, ST_PIPE);
    if (datagram_room(socket, other))
        return datagram_queue(sockd, socket, other, send);
    status = send->again ? ST_OK : datagram_refuse(sockd, socket, send, ST_OK);
    if (status == ST_OK)
        status = object_wait_turn(sockd, send->call, &other->object, true, WAKE_WRITE, send->nowait);
    return sending_keep(sockd, socket, send, other, true, status);
}

enum status datagram_send(struct sockd *sockd, struct socket *socket, struct send *send,
                          uint64_t *count)
{
    if (socket->type == LX_SOCK_SEQPACKET)
        send->has_address = false;
    enum status status = send_begin(socket);
    if (status != ST_OK)
        return status;
    struct session_object *waited = sending_find(sockd, socket, send);
    struct socket *other = waited            ? waited->destination
                           : send->has_address ? NULL
                                               : socket->peer;
    uint32_t charge = waited ? waited->charge : 0; /* of what is queued, kept or dropped now */
    bool had_memory = waited && waited->has_memory;
    if (charge) {
        waited->charge = 0;
        socket->charged -= charge;
    }
    if (!had_memory)
        status = datagram_admit(sockd, socket, send, waited, other);
    if (status == ST_OK)
        status = datagram_deliver(sockd, socket, send, other);
    if (waited && status == ST_FAULT) { /* perhaps a page that is not there yet */
        waited->charge = charge;
        socket->charged += charge;
    } else if (waited && status != ST_WAIT) {
        sending_end(sockd, waited);
    }
    if (status == ST_OK)
        *count = send->length;
    return status;
}

/* ---- receiving ------------------------------------------------------------------------------- */

static enum status datagram_nothing(struct sockd *sockd, struct socket *socket,
                                    struct receive *receive)
{
    /* End of file; a non-blocking DGRAM socket says EAGAIN all the same. */
    if ((socket->shutdown & SHUT_RECEIVE) &&
        (socket->type == LX_SOCK_SEQPACKET || !receive->nowait))
        return ST_OK;
    if (receive->flags & LX_MSG_PEEK) /* waits for other things than who takes, and takes nothing */
        return object_wait(sockd, receive->call, &socket->object.waiters, WAKE_READ,
                           receive->nowait);
    return object_wait_turn(sockd, receive->call, &socket->object, false, WAKE_READ,
                            receive->nowait);
}

/* The message to read: with SO_PEEK_OFF, peeking passes over `*skip` bytes. */
static struct message *datagram_choose(const struct socket *socket, bool peek, uint64_t *skip)
{
    struct message *message = socket->first;
    bool offset = peek && socket->peek_offset >= 0;
    *skip = offset ? (uint64_t)socket->peek_offset : 0;
    while (offset && message && *skip >= message->length && (*skip || message->peeked)) {
        *skip -= message->length;
        message = message->next;
    }
    return message;
}

/* The first message leaves, with its descriptors. */
static void datagram_consume(struct sockd *sockd, struct socket *socket, struct message *message)
{
    message_unlink_first(socket, message);
    socket_trace(sockd, socket, AR_TRACE_SOCKET_TAKEN,
                 socket_trace_amount(message->length, message->rights), socket->unread,
                 message->sender->object.ino);
    room_wake(sockd, socket, WAKE_WRITE);
    message_free(sockd, message);
}

enum status datagram_receive(struct sockd *sockd, struct socket *socket, struct receive *receive)
{
    if (socket->type == LX_SOCK_SEQPACKET && socket->state != SOCKET_CONNECTED)
        return ST_NOTCONN;
    if (receive->flags & LX_MSG_OOB)
        return ST_OPNOTSUPP;
    enum status status = socket_take_error(socket);
    if (status != ST_OK)
        return status;
    bool peek = receive->flags & LX_MSG_PEEK;
    uint64_t skip;
    struct message *message = datagram_choose(socket, peek, &skip);
    if (!message)
        return datagram_nothing(sockd, socket, receive);
    uint64_t have = message->length - skip, bytes = have < receive->length ? have : receive->length;
    status = receive_address(receive, message->sender);
    if (status == ST_OK)
        status = ipc_data_put(receive->call, 0, &message->data[skip], bytes);
    if (peek && (status == ST_OK || receive->memory_bad))
        room_wake(sockd, socket, WAKE_WRITE); /* there is none, but so does Linux */
    if (status != ST_OK && (!receive->memory_bad || peek))
        return status;
    if (status != ST_OK) { /* the memory is the program's fault: as on Linux the message is lost */
        datagram_consume(sockd, socket, message);
        return status;
    }
    receive->sender = message->sender;
    receive->count = bytes;
    receive->full_length = have;
    if (bytes < have)
        receive->message_flags |= LX_MSG_TRUNC;
    receive->pid = message->pid;
    receive->serial = message->serial;
    receive->uid = message->uid;
    receive->gid = message->gid;
    receive->rights = message->rights;
    if (peek) {
        message->peeked = true;
        if (receive->rights)
            receive->rights->refs++;
        if (socket->peek_offset >= 0)
            socket->peek_offset += (int)bytes;
        return ST_OK;
    }
    if (socket->peek_offset >= 0)
        socket->peek_offset = socket->peek_offset > (int)message->length
                                  ? socket->peek_offset - (int)message->length
                                  : 0;
    if (receive->rights)
        receive->rights->refs++;
    datagram_consume(sockd, socket, message);
    return ST_OK;
}
