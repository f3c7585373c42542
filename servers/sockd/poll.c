/*
 * Readiness: the exact masks that Linux's poll(2) gives, state by state. SPDX-License-Identifier:
 * MIT
 */
#include "core.h"

/* SEQPACKET follows DGRAM's rules in Linux but for the hang-up of an unconnected one. */
static uint32_t socket_poll(const struct socket *socket)
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
    bool writable = socket_writable(socket);
    if (writable && socket->type != LX_SOCK_STREAM && socket->peer && !socket->peer->dead)
        writable = socket->peer->peer == socket || datagram_room(socket, socket->peer);
    return writable ? mask | WAKE_WRITE : mask;
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

uint32_t object_poll(const struct object *object, uint32_t events)
{
    uint32_t mask = 0;
    switch (object->kind) {
    case OBJECT_SOCKET: mask = socket_poll((const struct socket *)object); break;
    case OBJECT_PIPE_END: mask = pipe_end_poll((const struct pipe_end *)object); break;
    case OBJECT_EVENT: mask = event_poll((const struct event *)object); break;
    case OBJECT_TABLE: mask = WAKE_READ | LX_POLLOUT | LX_POLLWRNORM; break;
    case OBJECT_EPOLL: /* libposix knows */
    case OBJECT_NAME:
    case OBJECT_SESSION: break;
    }
    return mask & (events | LX_POLLERR | LX_POLLHUP | LX_POLLNVAL);
}
