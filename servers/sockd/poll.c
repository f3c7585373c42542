/*
 * Readiness: the exact masks that Linux's poll(2) gives, state by state. SPDX-License-Identifier:
 * MIT
 */
#include "epoll.h"
#include <ipc/memory.h>

/* ---- a full queue in the way ----------------------------------------------------------------- */

/* Somebody looked whether `socket` can be written to, and its peer's queue was full: when there is
 * room, socket's readiness changes, once for each look. */
struct relay {
    struct ring node;
    struct socket *socket, *full;
};

static void relay_begin(struct socket *socket, struct socket *full)
{
    if (socket->relay)
        return;
    struct relay *relay = mem_alloc(sizeof(*relay));
    if (!relay)
        return; /* a wake-up that is late: nobody else's memory is at fault */
    *relay = (struct relay){.socket = socket, .full = full};
    socket->relay = relay;
    ring_append(&full->relays, &relay->node);
}

bool relay_end(struct socket *socket)
{
    struct relay *relay = socket->relay;
    if (!relay)
        return false;
    ring_remove(&relay->full->relays, &relay->node);
    socket->relay = NULL;
    mem_free(relay);
    return true;
}

void room_wake(struct sockd *sockd, struct socket *socket, uint32_t events)
{
    waiters_wake(&socket->room, events, sockd->effects);
    while (socket->relays) {
        struct socket *other = RING_OF(socket->relays, struct relay, node)->socket;
        relay_end(other);
        object_wake(sockd, &other->object, events);
    }
}

/* ---- masks ----------------------------------------------------------------------------------- */

/* Not inlined: most who poll want to read. */
static __attribute__((noinline)) bool can_send(struct socket *socket)
{
    struct socket *peer = socket->peer;
    if (!socket_writable(socket))
        return false;
    if (socket->type == LX_SOCK_STREAM || !peer || peer->dead || peer->peer == socket ||
        datagram_room(socket, peer))
        return true;
    relay_begin(socket, peer);
    return false;
}

/* SEQPACKET follows DGRAM's rules in Linux but for the hang-up of an unconnected one. */
static uint32_t socket_poll(struct socket *socket, uint32_t events)
{
    uint32_t mask = 0;
    if (socket->error != ST_OK)
        mask |= LX_POLLERR;
    if (socket->shutdown == SHUT_BOTH)
        mask |= LX_POLLHUP;
    if (socket->shutdown & SHUT_RECEIVE)
        mask |= LX_POLLRDHUP | WAKE_READ;
    if (socket->first || socket->accept_first)
        mask |= WAKE_READ;
    if (socket->oob)
        mask |= LX_POLLPRI;
    if (socket_connection_based(socket) && socket->state == SOCKET_CLOSED)
        mask |= LX_POLLHUP;
    if ((events & WAKE_WRITE) && can_send(socket))
        mask |= WAKE_WRITE;
    return mask;
}

static uint32_t pipe_end_poll(const struct pipe_end *end)
{
    const struct pipe *pipe = end->pipe;
    if (end->writes)
        return (pipe->count < PIPE_PAGES ? LX_POLLOUT | LX_POLLWRNORM : 0) |
               (pipe->reader ? 0 : LX_POLLERR);
    return (pipe->count ? WAKE_READ : 0) | (pipe->writer ? 0 : LX_POLLHUP);
}

static uint32_t event_poll(const struct event *event)
{
    return (event->value > 0 ? LX_POLLIN : 0) | (event->value == UINT64_MAX ? LX_POLLERR : 0) |
           (event->value < UINT64_MAX - 1 ? LX_POLLOUT : 0);
}

static __attribute__((noinline)) uint32_t other_poll(struct sockd *sockd, struct object *object,
                                                     uint32_t events)
{
    switch (object->kind) {
    case OBJECT_PIPE_END: return pipe_end_poll((const struct pipe_end *)object);
    case OBJECT_EVENT: return event_poll((const struct event *)object);
    case OBJECT_TABLE: return WAKE_READ | LX_POLLOUT | LX_POLLWRNORM;
    case OBJECT_EPOLL: return events & WAKE_READ ? epoll_poll(sockd, (struct epoll *)object) : 0;
    default: return 0;
    }
}

uint32_t object_poll(struct sockd *sockd, struct object *object, uint32_t events)
{
    uint32_t mask = object->kind == OBJECT_SOCKET ? socket_poll(socket_of(object), events)
                                                  : other_poll(sockd, object, events);
    return mask & (events | LX_POLLERR | LX_POLLHUP | LX_POLLNVAL);
}
