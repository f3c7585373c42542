/*
 * Sockets: socket(2), socketpair(2), shutdown(2), and the end of one. SPDX-License-Identifier: MIT
 */
#include "core.h"
#include "trace.h"
#include <ipc/memory.h>
#include <string.h>

enum status socket_create(struct sockd *sockd, int type, uint64_t principal, struct socket **out)
{
    struct socket *socket;
    enum status status = object_create(sockd, OBJECT_SOCKET, sizeof(*socket), principal, &socket);
    if (status != ST_OK)
        return status;
    socket->object.flags = LX_O_RDWR;
    socket->object.mode = LX_S_IFSOCK | 0777;
    socket->type = (uint8_t)type;
    socket->sndbuf = socket->rcvbuf = LX_MEM_MAX;
    socket->rcvlowat = 1;
    socket->peek_offset = -1;
    sockd->socket_count++;
    *out = socket;
    return ST_OK;
}

void socket_discard(struct sockd *sockd, struct socket *socket)
{
    sockd->socket_count--;
    object_discard(sockd, &socket->object);
}

/* The checks of socket(2) in Linux's order; SOCK_RAW becomes SOCK_DGRAM. */
static enum status type_check(uint64_t domain, uint64_t type_and_flags, uint64_t protocol,
                              int *type)
{
    if ((uint32_t)type_and_flags &
        ~(uint32_t)(LX_SOCK_TYPE_MASK | LX_SOCK_NONBLOCK | LX_SOCK_CLOEXEC))
        return ST_INVAL;
    *type = (int)(type_and_flags & LX_SOCK_TYPE_MASK);
    if ((int32_t)domain < 0 || (int32_t)domain >= 46)
        return ST_AFNOSUPPORT;
    if (*type >= LX_SOCK_TYPES)
        return ST_INVAL;
    if ((uint32_t)domain != LX_AF_UNIX)
        return ST_AFNOSUPPORT;
    if ((uint32_t)protocol != 0 && (uint32_t)protocol != LX_AF_UNIX)
        return ST_PROTONOSUPPORT;
    if (*type == LX_SOCK_RAW)
        *type = LX_SOCK_DGRAM;
    if (*type != LX_SOCK_STREAM && *type != LX_SOCK_DGRAM && *type != LX_SOCK_SEQPACKET)
        return ST_SOCKTNOSUPPORT;
    return ST_OK;
}

static enum status socket_create_open(struct sockd *sockd, int type, uint64_t flags,
                                      uint64_t principal, struct socket **out)
{
    enum status status = socket_create(sockd, type, principal, out);
    if (status != ST_OK)
        return status;
    status = object_name_badge(sockd, &(*out)->object);
    if (status != ST_OK)
        socket_discard(sockd, *out);
    else if (flags & LX_SOCK_NONBLOCK)
        (*out)->object.flags |= LX_O_NONBLOCK;
    if (status == ST_OK)
        socket_trace(sockd, *out, AR_TRACE_SOCKET_CREATED, (uint64_t)type, 0, 0);
    return status;
}

enum status op_socket(void *state, struct ipc_call *call, const struct sock_socket_request *request)
{
    struct sockd *sockd = state;
    struct socket *socket;
    int type;
    enum status status = type_check(request->domain, request->type, request->protocol, &type);
    if (status == ST_OK)
        status = socket_create_open(sockd, type, request->type, call->principal, &socket);
    if (status == ST_OK)
        object_reply(sockd, call, &socket->object);
    return status;
}

enum status op_socket_pair(void *state, struct ipc_call *call,
                           const struct sock_socket_pair_request *request)
{
    struct sockd *sockd = state;
    struct socket *first, *second;
    int type;
    enum status status = type_check(request->domain, request->type, request->protocol, &type);
    if (status == ST_OK)
        status = socket_create_open(sockd, type, request->type, call->principal, &first);
    if (status != ST_OK)
        return status;
    status = socket_create_open(sockd, type, request->type, call->principal, &second);
    if (status != ST_OK) {
        socket_discard(sockd, first);
        return status;
    }
    struct peer_credentials *credentials = peer_credentials_get(sockd, call->principal);
    if (!credentials) {
        socket_discard(sockd, first);
        socket_discard(sockd, second);
        return ST_NOMEM;
    }
    credentials->refs++;
    socket_set_peer_credentials(sockd, first, credentials);
    socket_set_peer_credentials(sockd, second, credentials);
    socket_connect_pair(first, second);
    socket_trace(sockd, first, AR_TRACE_SOCKET_CONNECTED, second->object.ino, 0, 0);
    socket_trace(sockd, second, AR_TRACE_SOCKET_CONNECTED, first->object.ino, 0, 0);
    object_reply(sockd, call, &first->object);
    object_reply(sockd, call, &second->object);
    return ST_OK;
}

void socket_set_peer(struct sockd *sockd, struct socket *socket, struct socket *peer)
{
    struct socket *old = socket->peer;
    if (peer) {
        object_ref(&peer->object);
        peer->datagram_peers++;
    }
    if (relay_end(socket) && !socket->dead) /* its queue was in the way */
        object_wake(sockd, &socket->object, WAKE_WRITE);
    socket->peer = peer;
    if (old) {
        old->datagram_peers--;
        object_unref(sockd, &old->object);
    }
}

/* Both are fresh. */
void socket_connect_pair(struct socket *a, struct socket *b)
{
    object_ref(&a->object);
    object_ref(&b->object);
    a->peer = b;
    b->peer = a;
    a->datagram_peers = b->datagram_peers = 1;
    a->shown_connected = b->shown_connected = true;
    a->state = b->state = SOCKET_CONNECTED;
}

/* SO_PEERCRED says effective ids, as they are now (unix(7)). Who makes many sockets one after the
 * other gets the same structure for all. */
struct peer_credentials *peer_credentials_get(struct sockd *sockd, uint64_t principal)
{
    const struct credentials *caller = caller_credentials(sockd, principal);
    uint32_t count =
        caller->group_count < CREDENTIALS_GROUPS ? caller->group_count : CREDENTIALS_GROUPS;
    size_t bytes = count * sizeof(caller->groups[0]);
    struct peer_credentials *recent = sockd->recent_credentials;
    if (recent && recent->pid == caller->pid && recent->serial == caller->serial &&
        recent->uid == caller->euid &&
        recent->gid == caller->egid && recent->group_count == count &&
        memcmp(recent->groups, caller->groups, bytes) == 0) {
        recent->refs++;
        return recent;
    }
    struct peer_credentials *made = mem_alloc(sizeof(*made) + bytes);
    if (!made)
        return NULL;
    made->refs = 1;
    made->pid = caller->pid;
    made->serial = caller->serial;
    made->uid = caller->euid;
    made->gid = caller->egid;
    made->group_count = count;
    memcpy(made->groups, caller->groups, bytes);
    sockd->recent_credentials = made;
    return made;
}

void socket_set_peer_credentials(struct sockd *sockd, struct socket *socket,
                                 struct peer_credentials *credentials)
{
    struct peer_credentials *old = socket->peer_credentials;
    socket->peer_credentials = credentials;
    if (!old || --old->refs)
        return;
    if (sockd->recent_credentials == old)
        sockd->recent_credentials = NULL;
    mem_free(old);
}

/* The pending error, which is thereby reported. */
enum status socket_take_error(struct socket *socket)
{
    enum status error = socket->error;
    socket->error = ST_OK;
    return error;
}

enum status op_shutdown(void *state, struct ipc_call *call,
                        const struct sock_shutdown_request *request)
{
    struct sockd *sockd = state;
    struct socket *socket;
    (void)call;
    enum status status = socket_of_call(sockd, &socket);
    if (status != ST_OK)
        return status;
    if (request->how > 2)
        return ST_INVAL;
    uint8_t bits = (uint8_t)(request->how + 1); /* RD 0, WR 1, RDWR 2: the bits of enum SHUT_* */
    socket->shutdown |= bits;
    socket_trace(sockd, socket, AR_TRACE_SOCKET_SHUTDOWN, bits, 0, 0);
    object_wake(sockd, &socket->object, WAKE_ALL);
    struct socket *peer = socket->peer;
    if (peer && !peer->dead && socket_connection_based(socket)) {
        peer->shutdown |=
            (bits & SHUT_RECEIVE ? SHUT_SEND : 0) | (bits & SHUT_SEND ? SHUT_RECEIVE : 0);
        object_wake(sockd, &peer->object, WAKE_ALL);
        if (bits & SHUT_SEND)
            socket_signal(sockd, peer, bits & SHUT_RECEIVE ? ASYNC_HANG_UP : ASYNC_IN);
    }
    return ST_OK;
}

/* Tell the peer of a connection; `unread`: this end dies with data that the peer had sent. */
static void peer_hang_up(struct sockd *sockd, struct socket *peer, bool unread)
{
    if (peer->dead)
        return;
    peer->shutdown = SHUT_BOTH;
    if (unread)
        peer->error = ST_CONNRESET;
    object_wake(sockd, &peer->object, WAKE_ALL);
    socket_signal(sockd, peer, ASYNC_HANG_UP);
}

static void accept_queue_release(struct sockd *sockd, struct socket *socket)
{
    struct socket *embryo;
    while ((embryo = socket->accept_first)) {
        socket->accept_first = embryo->accept_next;
        embryo->accept_next = NULL;
        embryo->listener = NULL;
        /* Its client was never served: it gets ECONNRESET whether it sent data or not. */
        if (embryo->peer)
            peer_hang_up(sockd, embryo->peer, true);
        object_settle(sockd, &embryo->object);
    }
    socket->accept_last = NULL;
    socket->accept_count = 0;
}

/* Data that the peer sent and nobody read. Linux passes over one empty message at the head of the
 * queue (it takes it for consumed out-of-band data), which a SEQPACKET program can see. */
static bool socket_unread(const struct socket *socket)
{
    const struct message *message = socket->first;
    if (message && message_unread(message) == 0)
        message = message->next;
    return message;
}

void socket_release(struct sockd *sockd, struct socket *socket)
{
    socket_trace(sockd, socket, AR_TRACE_SOCKET_CLOSED, 0, 0, 0);
    socket->dead = true;
    socket->shutdown = SHUT_BOTH;
    socket->state = SOCKET_CLOSED;
    sockd->socket_count--;
    sockd->reclaim_wanted = true;
    if (socket->abstract)
        abstract_remove(sockd, socket);
    if (socket->name)
        socket->name->target = NULL;
    if (socket->pending_name)
        socket->pending_name->target = NULL;
    socket->name = socket->pending_name = NULL;
    room_wake(sockd, socket, WAKE_ALL);
    waiters_destroy(&socket->room, sockd->effects);
    if (socket->peer) {
        if (socket_connection_based(socket))
            peer_hang_up(sockd, socket->peer, socket_unread(socket));
        socket_set_peer(sockd, socket, NULL);
    }
    accept_queue_release(sockd, socket);
    messages_purge(sockd, socket);
}

void socket_dispose(struct sockd *sockd, struct socket *socket)
{
    bound_address_put(socket->address);
    socket_set_peer_credentials(sockd, socket, NULL);
    mem_free(socket->rare);
}
