/*
 * listen(2), accept(2), connect(2). SPDX-License-Identifier: MIT
 *
 * connect makes the server's end at once: an embryo in the listener's accept queue, already
 * connected, so data may flow before accept. The embryo is nobody's descriptor until accept gives
 * it a badge.
 */
#include "core.h"
#include "trace.h"
#include <string.h>

enum status op_listen(void *state, struct ipc_call *call, const struct sock_listen_request *request)
{
    struct sockd *sockd = state;
    struct socket *socket;
    enum status status = socket_of_call(sockd, &socket);
    if (status != ST_OK)
        return status;
    if (!socket_connection_based(socket))
        return ST_OPNOTSUPP;
    if (!socket->address || socket->state == SOCKET_CONNECTED)
        return ST_INVAL;
    struct peer_credentials *credentials = peer_credentials_get(sockd, call->principal);
    if (!credentials)
        return ST_NOMEM;
    socket_set_peer_credentials(sockd, socket, credentials);
    uint32_t backlog = (uint32_t)request->backlog; /* -1 is the greatest */
    if (backlog > LX_SOMAXCONN)
        backlog = LX_SOMAXCONN;
    bool grows = backlog > socket->backlog;
    socket->backlog = backlog;
    socket->state = SOCKET_LISTENING;
    socket_trace(sockd, socket, AR_TRACE_SOCKET_LISTENING, backlog, 0, 0);
    if (grows)
        room_wake(sockd, socket, WAKE_ALL);
    return ST_OK;
}

enum status op_accept(void *state, struct ipc_call *call, const struct sock_accept_request *request,
                      struct sock_accept_reply *reply)
{
    struct sockd *sockd = state;
    struct socket *socket;
    struct address address;
    enum status status = socket_of_call(sockd, &socket);
    if (status != ST_OK)
        return status;
    if (request->flags & ~(uint64_t)(LX_SOCK_NONBLOCK | LX_SOCK_CLOEXEC | SOCK_AGAIN))
        return ST_INVAL;
    if (!socket_connection_based(socket))
        return ST_OPNOTSUPP;
    if (socket->state != SOCKET_LISTENING)
        return ST_INVAL;
    struct socket *embryo = socket->accept_first;
    if (!embryo) {
        bool at_once = !(request->flags & SOCK_AGAIN) && socket_receives_at_once(socket);
        if ((socket->shutdown & SHUT_RECEIVE) && !at_once)
            return ST_INVAL;
        return object_wait_turn(sockd, call, &socket->object, false, WAKE_READ, at_once);
    }
    status = account_move_object(sockd, &embryo->object, call->principal);
    if (status == ST_OK)
        status = object_name_badge(sockd, &embryo->object);
    if (status != ST_OK)
        return status;
    reply->address_length = LX_SUN_PATH;
    if (embryo->peer->address) {
        address_out(embryo->peer, &address);
        reply->address_length = address.length;
        (void)ipc_data_put(call, 0, address.bytes,
                           address.length); /* no memory declared: nobody wants it */
    }
    socket->accept_first = embryo->accept_next;
    if (!socket->accept_first)
        socket->accept_last = NULL;
    socket->accept_count--;
    embryo->accept_next = NULL;
    embryo->listener = NULL;
    embryo->option_flags |=
        socket->option_flags & (OPTIONS_SENDER | OPTION_BIT(LX_SO_PASSSEC));
    const struct credentials *caller = caller_credentials(sockd, call->principal);
    embryo->object.uid = caller->fsuid;
    embryo->object.gid = caller->fsgid;
    if (request->flags & LX_SOCK_NONBLOCK)
        embryo->object.flags |= LX_O_NONBLOCK;
    room_wake(sockd, socket, WAKE_WRITE);
    socket_trace(sockd, embryo, AR_TRACE_SOCKET_ACCEPTED, socket->object.ino, 0, 0);
    object_reply(sockd, call, &embryo->object);
    return ST_OK;
}

static enum status connection_make(struct sockd *sockd, struct ipc_call *call,
                                   struct socket *socket, struct socket *listener)
{
    struct socket *embryo;
    enum status status = socket_create(sockd, socket->type, call->principal, &embryo);
    if (status != ST_OK)
        return status == ST_NFILE || status == ST_MFILE ? ST_NOMEM : status;
    struct peer_credentials *credentials = peer_credentials_get(sockd, call->principal);
    if (!credentials) {
        socket_discard(sockd, embryo);
        return ST_NOMEM;
    }
    socket_set_peer_credentials(sockd, embryo, credentials);
    listener->peer_credentials->refs++;
    socket_set_peer_credentials(sockd, socket, listener->peer_credentials);
    socket_connect_pair(socket, embryo);
    embryo->address = bound_address_ref(listener->address);
    socket_trace(sockd, embryo, AR_TRACE_SOCKET_CREATED, (uint64_t)socket->type, 0, 0);
    socket_trace(sockd, embryo, AR_TRACE_SOCKET_CONNECTED, socket->object.ino, 0, 0);
    socket_trace(sockd, socket, AR_TRACE_SOCKET_CONNECTED, embryo->object.ino, 0, 0);
    embryo->listener = listener;
    if (listener->accept_last)
        listener->accept_last->accept_next = embryo;
    else
        listener->accept_first = embryo;
    listener->accept_last = embryo;
    listener->accept_count++;
    object_wake(sockd, &listener->object, WAKE_ARRIVED); /* and nobody waits on the other, as on Linux */
    socket_signal(sockd, listener, ASYNC_IN);
    return ST_OK;
}

static enum status stream_connect(struct sockd *sockd, struct ipc_call *call, struct socket *socket,
                                  const struct address *address)
{
    struct socket *listener;
    enum status status = destination_find(sockd, call, socket->type, address, &listener);
    if (status != ST_OK)
        return status;
    if (listener->state != SOCKET_LISTENING || (listener->shutdown & SHUT_RECEIVE))
        return ST_CONNREFUSED;
    if (listener->accept_count > listener->backlog) {
        socket_trace(sockd, socket, AR_TRACE_SOCKET_CONNECTING, listener->object.ino, 0, 0);
        return object_wait_turn(sockd, call, &listener->object, true, WAKE_WRITE,
                                socket_sends_at_once(socket));
    }
    if (socket->state != SOCKET_CLOSED)
        return socket->state == SOCKET_CONNECTED ? ST_ISCONN : ST_INVAL;
    return connection_make(sockd, call, socket, listener);
}

void datagram_disconnected(struct sockd *sockd, struct socket *socket, struct socket *old_peer)
{
    if (!socket->first)
        return;
    messages_purge(sockd, socket);
    room_wake(sockd, socket, WAKE_ALL);
    if (!old_peer->dead && old_peer->peer == socket) {
        old_peer->error = ST_CONNRESET;
        object_wake(sockd, &old_peer->object, WAKE_ALL);
        socket_signal(sockd, old_peer, ASYNC_ERROR);
    }
}

/* `other` NULL: disconnect. */
static void datagram_set_peer(struct sockd *sockd, struct socket *socket, struct socket *other)
{
    struct socket *old = socket->peer;
    if (old)
        object_ref(&old->object);
    socket_set_peer(sockd, socket, other);
    socket->state = other ? SOCKET_CONNECTED : SOCKET_CLOSED;
    socket->shown_connected = other;
    if (other)
        other->shown_connected = true;
    socket_trace(sockd, socket, AR_TRACE_SOCKET_CONNECTED, other ? other->object.ino : 0, 0, 0);
    if (old) {
        object_wake(sockd, &socket->object, WAKE_WRITE); /* also if it is the same one */
        if (other != old) {
            datagram_disconnected(sockd, socket, old);
            if (!old->peer)
                old->shown_connected = false;
        }
        object_unref(sockd, &old->object);
    }
}

static enum status datagram_connect(struct sockd *sockd, struct ipc_call *call,
                                    struct socket *socket, const struct address *address)
{
    struct socket *other;
    enum status status = destination_find(sockd, call, socket->type, address, &other);
    if (status != ST_OK)
        return status;
    if (!datagram_may_send(socket, other))
        return ST_PERM;
    datagram_set_peer(sockd, socket, other);
    return ST_OK;
}

/* AF_UNSPEC: disconnect (DGRAM only). */
static bool address_unspecified(struct ipc_call *call, uint64_t length, enum status *status)
{
    uint8_t family[2] = {0, 0};
    *status = length < 2 ? ST_INVAL : ipc_data_get(call, 0, family, sizeof(family));
    return *status == ST_OK && (family[0] | family[1]) == LX_AF_UNSPEC;
}

enum status op_connect(void *state, struct ipc_call *call,
                       const struct sock_connect_request *request)
{
    struct sockd *sockd = state;
    struct socket *socket;
    struct address address, *to = call->cap_count ? NULL : &address;
    uint64_t length = request->address_length & ~(uint64_t)SOCK_AGAIN;
    enum status status = socket_of_call(sockd, &socket);
    if (status != ST_OK)
        return status;
    if (to) {
        status = address_get(call, length, to);
        if (status == ST_INVAL) {
            bool unspecified = address_unspecified(call, length, &status);
            if (status != ST_OK)
                return status;
            if (!unspecified || socket_connection_based(socket))
                return ST_INVAL;
            datagram_set_peer(sockd, socket, NULL);
            return ST_OK;
        }
        if (status != ST_OK)
            return status;
    } else if (call->caps[0].kind != AR_RECEIVED_BADGE) {
        return ST_CONNREFUSED; /* no name of ours; the dispatcher drops it */
    }
    bool again = request->address_length & SOCK_AGAIN; /* then that was looked at before it waited */
    if (!again && (socket->option_flags & OPTIONS_SENDER)) {
        status = socket_autobind(sockd, socket);
        if (status != ST_OK)
            return status == ST_NOSPC ? ST_NOMEM : status;
    }
    if (socket_connection_based(socket))
        return stream_connect(sockd, call, socket, to);
    return datagram_connect(sockd, call, socket, to);
}
