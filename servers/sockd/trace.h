/*
 * What the tracer is told: enum ar_trace_socket and enum ar_trace_object in aramid/trace.h have each
 * change's words. One test when nobody records. SPDX-License-Identifier: MIT
 */
#ifndef SOCKD_TRACE_H
#define SOCKD_TRACE_H

#include "epoll.h"

static inline void socket_trace(const struct sockd *sockd, const struct socket *socket,
                                enum ar_trace_socket what, uint64_t a, uint64_t b, uint64_t c)
{
    if (sockd->trace)
        sockd->trace(AR_TRACE_SOCKET, what, socket->object.ino, socket->object.badge, (const uint64_t[3]){a, b, c},
                     NULL, 0);
}

static inline void socket_trace_bound(const struct sockd *sockd, const struct socket *socket)
{
    if (sockd->trace)
        sockd->trace(AR_TRACE_SOCKET, AR_TRACE_SOCKET_BOUND, socket->object.ino,
                     socket->object.badge, (const uint64_t[3]){0}, socket->address->bytes, socket->address->length);
}

/* Bytes and descriptors that moved. */
static inline uint64_t socket_trace_amount(uint64_t bytes, const struct rights *rights)
{
    return bytes | (uint64_t)(rights ? rights->count : 0) << 32;
}

static inline void socket_trace_queued(const struct sockd *sockd, const struct socket *receiver,
                                       const struct message *message)
{
    if (sockd->trace)
        sockd->trace(AR_TRACE_SOCKET, AR_TRACE_SOCKET_QUEUED, receiver->object.ino,
                     receiver->object.badge,
                     (const uint64_t[3]){socket_trace_amount(message->length, message->rights),
                                         receiver->unread | message->sender->object.ino << 32},
                     message->data, message->length);
}

static inline void object_trace(const struct sockd *sockd, const struct object *object,
                                enum ar_trace_object what, uint64_t a, uint64_t b, uint64_t c)
{
    if (sockd->trace)
        sockd->trace(AR_TRACE_OBJECT, what, object->ino, object->badge, (const uint64_t[3]){a, b, c},
                     NULL, 0);
}

/* Bytes went into or out of a pipe, at this end. */
static inline void pipe_trace(const struct sockd *sockd, const struct pipe_end *end,
                              enum ar_trace_object what, uint64_t bytes)
{
    if (sockd->trace)
        object_trace(sockd, &end->object, what, bytes, pipe_unread(end->pipe), 0);
}

/* Poll sets come and go with each poll: they are not told of. */
static inline void interest_trace(const struct sockd *sockd, const struct interest *interest,
                                  enum ar_trace_object what)
{
    if (sockd->trace && interest->kind != INTEREST_POLLED)
        object_trace(sockd, &interest->epoll->object, what, (uint32_t)interest->fd,
                     interest->target ? interest->target->ino : 0, interest->events);
}

#endif
