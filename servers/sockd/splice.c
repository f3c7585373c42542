/*
 * splice(2) and tee(2) where both ends are ours: from a pipe or a socket into a pipe or a socket.
 * SPDX-License-Identifier: MIT
 *
 * Nothing may get lost when the sink takes less than the source has. So the source is looked at
 * first, then the sink is handed those bytes like any writer's, and only what it took leaves the
 * source; nobody else runs in between. Which end is waited for first is as in Linux: for room in a
 * pipe that a socket fills, else for the source's data.
 */
#include "core.h"
#include <string.h>

static uint8_t bounce[PIPE_BYTES]; /* one request at a time */

static enum status bounce_get(void *context, uint64_t offset, void *destination, size_t length)
{
    (void)context;
    memcpy(destination, bounce + offset, length);
    return ST_OK;
}

static enum status bounce_put(void *context, uint64_t offset, const void *source, size_t length)
{
    (void)context;
    memcpy(bounce + offset, source, length);
    return ST_OK;
}

/* The same caller, whose memory is the bounce buffer. */
static struct ipc_call bounce_call(const struct ipc_call *call)
{
    static const struct ipc_data_ops ops = {bounce_get, bounce_put};
    struct ipc_call inner = *call;
    inner.data = &ops;
    return inner;
}

struct splice {
    struct ipc_call *call;
    struct object *from, *to;
    uint64_t length;
    bool nowait, copy;
};

static struct pipe *pipe_of(const struct object *object)
{
    return object->kind == OBJECT_PIPE_END ? ((const struct pipe_end *)object)->pipe : NULL;
}

/* A pipe's bytes to anywhere. */
static enum status splice_from_pipe(struct sockd *sockd, const struct splice *splice,
                                    uint64_t *count)
{
    struct pipe *pipe = pipe_of(splice->from);
    struct ipc_call inner = bounce_call(splice->call);
    uint64_t have = pipe_peek(pipe, bounce, splice->length);
    enum status status;
    if (!have && !pipe->writer)
        return ST_OK;
    if (!have)
        return object_wait(sockd, splice->call, &splice->from->waiters, WAKE_READ, splice->nowait);
    if (splice->to->kind == OBJECT_SOCKET) { /* whether it may wait is the socket's own matter */
        struct send send = {.call = &inner, .principal = inner.principal, .length = have};
        status = socket_send(sockd, socket_of(splice->to), &send, count);
    } else {
        status = pipe_write(sockd, (struct pipe_end *)splice->to, &inner, have, splice->nowait,
                            count);
    }
    if (status == ST_OK && !splice->copy)
        pipe_drop(sockd, pipe, *count);
    return status;
}

static enum status socket_look(struct sockd *sockd, struct socket *socket, struct receive *receive)
{
    enum status status = socket_receive(sockd, socket, receive);
    if (receive->rights) /* nowhere to put descriptors: as for read */
        rights_unref(sockd, receive->rights);
    receive->rights = NULL;
    return status;
}

/* A socket's bytes to a pipe. A datagram is cut to the pipe's room, and waited for unless its socket
 * is non-blocking, whatever SPLICE_F_NONBLOCK says. */
static enum status splice_from_socket(struct sockd *sockd, const struct splice *splice,
                                      uint64_t *count)
{
    struct socket *socket = socket_of(splice->from);
    struct pipe_end *end = (struct pipe_end *)splice->to;
    struct ipc_call inner = bounce_call(splice->call);
    if (!end->pipe->reader)
        return ST_PIPE;
    if (end->pipe->count == PIPE_PAGES)
        return object_wait(sockd, splice->call, &splice->to->waiters, WAKE_WRITE, splice->nowait);
    uint64_t room = (uint64_t)(PIPE_PAGES - end->pipe->count) * LX_PAGE;
    struct receive receive = {.call = &inner,
                              .length = splice->length < room ? splice->length : room,
                              .nowait = splice->nowait && socket->type == LX_SOCK_STREAM,
                              .flags = LX_MSG_PEEK};
    int peek_offset = socket->peek_offset; /* is for those who peek */
    socket->peek_offset = -1;
    enum status status = socket_look(sockd, socket, &receive);
    socket->peek_offset = peek_offset;
    if (status != ST_OK)
        return status;
    if (receive.count)
        status = pipe_write(sockd, end, &inner, receive.count, splice->nowait, count);
    if (status != ST_OK)
        return status;
    struct receive taken = {.call = &inner, .length = *count, .nowait = true};
    if (*count || receive.sender)
        socket_look(sockd, socket, &taken);
    return ST_OK;
}

enum status op_splice(void *state, struct ipc_call *call, const struct sock_splice_request *request,
                      struct sock_splice_reply *reply)
{
    struct sockd *sockd = state;
    struct splice splice = {.call = call,
                            .from = sockd->target,
                            .length = request->length < PIPE_BYTES ? request->length : PIPE_BYTES,
                            .copy = request->flags & SOCK_SPLICE_COPY};
    if (!splice.from || call->caps[0].kind != AR_RECEIVED_BADGE)
        return ST_INVAL;
    splice.to = object_find(sockd, call->caps[0].value);
    if (!splice.to || (splice.from->kind != OBJECT_PIPE_END && splice.from->kind != OBJECT_SOCKET) ||
        (splice.to->kind != OBJECT_PIPE_END && splice.to->kind != OBJECT_SOCKET))
        return ST_INVAL;
    const struct pipe *from = pipe_of(splice.from), *to = pipe_of(splice.to);
    if ((from && ((struct pipe_end *)splice.from)->writes) ||
        (to && !((struct pipe_end *)splice.to)->writes))
        return ST_BADF;
    if (from == to || (splice.copy && (!from || !to)))
        return ST_INVAL; /* none is a pipe, or both are the same */
    uint32_t flags = (from ? splice.from->flags : 0) | (to ? splice.to->flags : 0);
    splice.nowait = (request->flags & SOCK_SPLICE_NOWAIT) || (flags & LX_O_NONBLOCK);
    if (!splice.length)
        return ST_OK;
    return from ? splice_from_pipe(sockd, &splice, &reply->count)
                : splice_from_socket(sockd, &splice, &reply->count);
}

/* The read end that this request was sent to. */
static enum status reader_of_call(const struct sockd *sockd, struct pipe_end **end)
{
    if (!sockd->target || sockd->target->kind != OBJECT_PIPE_END)
        return ST_INVAL;
    *end = (struct pipe_end *)sockd->target;
    return (*end)->writes ? ST_BADF : ST_OK;
}

enum status op_peek(void *state, struct ipc_call *call, const struct sock_peek_request *request,
                    struct sock_peek_reply *reply)
{
    struct sockd *sockd = state;
    struct pipe_end *end;
    enum status status = reader_of_call(sockd, &end);
    if (status != ST_OK)
        return status;
    uint64_t length = request->length < PIPE_BYTES ? request->length : PIPE_BYTES;
    reply->count = pipe_peek(end->pipe, bounce, length);
    if (reply->count)
        return ipc_data_put(call, 0, bounce, reply->count);
    if (!end->pipe->writer || !length)
        return ST_OK;
    return object_wait(sockd, call, &end->object.waiters, WAKE_READ,
                       (request->flags & SOCK_SPLICE_NOWAIT) ||
                           (end->object.flags & LX_O_NONBLOCK));
}

enum status op_drop(void *state, struct ipc_call *call, const struct sock_drop_request *request)
{
    struct sockd *sockd = state;
    struct pipe_end *end;
    (void)call;
    enum status status = reader_of_call(sockd, &end);
    if (status == ST_OK)
        pipe_drop(sockd, end->pipe, request->length < PIPE_BYTES ? request->length : PIPE_BYTES);
    return status;
}
