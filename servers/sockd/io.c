/*
 * The io protocol on sockets, pipes, event counters and epoll instances. SPDX-License-Identifier:
 * MIT
 */
#include "epoll.h"
#include "straight.h"
#include <ipc/answer.h>
#include <string.h>

/* The description that this request was sent to. */
static enum status object_of_call(const struct sockd *sockd, struct object **object)
{
    *object = sockd->target;
    if (!*object || (*object)->kind == OBJECT_NAME || (*object)->kind == OBJECT_SESSION)
        return ST_BADF;
    return ST_OK;
}

static bool call_nowait(const struct object *object, uint64_t flags)
{
    return (flags & IO_NOWAIT) || (!(flags & IO_AGAIN) && (object->flags & LX_O_NONBLOCK));
}

static enum status socket_read(struct sockd *sockd, struct socket *socket, struct ipc_call *call,
                               uint64_t length, uint64_t flags, uint64_t *count)
{
    struct receive receive = {.call = call, .length = length, .nowait = flags & IO_NOWAIT,
                              .again = flags & IO_AGAIN};
    if (length == 0)
        return ST_OK; /* Linux never gets to the socket */
    if (socket->type == LX_SOCK_STREAM && !receive.again && stream_below_low_water(socket, length))
        return ST_REDIRECT; /* it may have to wait with a part of it: that is sock.receive's */
    enum status status = socket_receive(sockd, socket, &receive);
    if (status != ST_OK)
        return status;
    if (receive.rights) /* read has nowhere to put descriptors: they are closed */
        rights_unref(sockd, receive.rights);
    *count = receive.count;
    return ST_OK;
}

/* A read by this thread has just ended well. Would one more have to wait? Then its wake-up is armed
 * now, for everything that can end such a wait: also that it would not wait any more. */
static bool read_foresee(struct sockd *sockd, struct socket *socket, const struct ipc_call *call)
{
    if (socket_receives_at_once(socket) || (socket->rare && socket->rare->rcvtimeo_us) ||
        socket->had_low_water ||
        object_poll(sockd, &socket->object, WAKE_READ | LX_POLLRDHUP))
        return false;
    return waiters_arm(&socket->object.waiters, session_find(&sockd->sessions, call->principal),
                       WAKE_READ | WAKE_FORESEEN) == ST_OK;
}

static bool read_straight(struct sockd *sockd, struct ipc_call *call,
                          const struct io_read_request *request, struct io_read_reply *reply)
{
    struct straight got;
    if (request->offset != IO_CURRENT || !(request->flags & IO_TAIL) ||
        !straight_receive(sockd, call, request->length, &got))
        return false;
    reply->count = got.count;
    if (got.rights) /* read has nowhere to put descriptors: they are closed */
        rights_unref(sockd, got.rights);
    if (request->flags & IO_FORESEE)
        reply->armed = read_foresee(sockd, got.socket, call);
    return true;
}

static __attribute__((noinline)) enum status read_any(struct sockd *sockd, struct ipc_call *call,
                                                      const struct io_read_request *request,
                                                      struct io_read_reply *reply)
{
    struct object *object;
    enum status status = object_of_call(sockd, &object);
    if (status != ST_OK)
        return status;
    bool nowait = call_nowait(object, request->flags);
    uint64_t length = request->length < INT32_MAX ? request->length : INT32_MAX;
    if (object->kind == OBJECT_TABLE)
        return table_read(sockd, (struct table *)object, call, request->offset, length,
                          request->flags & IO_NOWAIT, &reply->count);
    if (request->offset != IO_CURRENT)
        return ST_SPIPE;
    if (request->flags & IO_TAIL)
        ipc_tail_allow(call);
    switch (object->kind) {
    case OBJECT_SOCKET:
        status = socket_read(sockd, socket_of(object), call, length, request->flags, &reply->count);
        if (status == ST_OK && request->flags & IO_FORESEE)
            reply->armed = read_foresee(sockd, socket_of(object), call);
        return status;
    case OBJECT_PIPE_END:
        return pipe_read(sockd, (struct pipe_end *)object, call, length, nowait, &reply->count);
    case OBJECT_EVENT:
        return event_read(sockd, (struct event *)object, call, length, nowait, &reply->count);
    default: return ST_INVAL;
    }
}

static enum status handle_read(void *state, struct ipc_call *call,
                               const struct io_read_request *request, struct io_read_reply *reply)
{
    return read_straight(state, call, request, reply) ? ST_OK
                                                      : read_any(state, call, request, reply);
}

static __attribute__((noinline)) enum status write_any(struct sockd *sockd, struct ipc_call *call,
                                                       const struct io_write_request *request,
                                                       struct io_write_reply *reply)
{
    struct object *object;
    enum status status = object_of_call(sockd, &object);
    if (status != ST_OK)
        return status;
    bool nowait = call_nowait(object, request->flags);
    uint64_t length = request->length < INT32_MAX ? request->length : INT32_MAX;
    if (object->kind == OBJECT_TABLE)
        return ST_BADF;
    if (request->offset != IO_CURRENT)
        return ST_SPIPE;
    struct send send = {
        .call = call, .principal = call->principal, .length = length,
        .nowait = nowait, .again = request->flags & IO_AGAIN};
    switch (object->kind) {
    case OBJECT_SOCKET: return socket_send(sockd, socket_of(object), &send, &reply->count);
    case OBJECT_PIPE_END:
        return pipe_write(sockd, (struct pipe_end *)object, call, length, nowait, &reply->count);
    case OBJECT_EVENT:
        return event_write(sockd, (struct event *)object, call, length, nowait, &reply->count);
    default: return ST_INVAL;
    }
}

static enum status handle_write(void *state, struct ipc_call *call,
                                const struct io_write_request *request,
                                struct io_write_reply *reply)
{
    if (request->offset != IO_CURRENT || !straight_send(state, call, request->length))
        return write_any(state, call, request, reply);
    reply->count = request->length;
    return ST_OK;
}

static enum status handle_seek(void *state, struct ipc_call *call,
                               const struct io_seek_request *request, struct io_seek_reply *reply)
{
    struct object *object;
    (void)call;
    enum status status = object_of_call(state, &object);
    if (status == ST_OK && object->kind == OBJECT_TABLE)
        return table_seek((struct table *)object, request->offset, request->whence, &reply->offset);
    if (status != ST_OK || object->kind == OBJECT_EPOLL || object->kind == OBJECT_EVENT)
        return status; /* they have an offset, which stays 0 */
    return ST_SPIPE;
}

static uint64_t object_io_kind(const struct object *object)
{
    switch (object->kind) {
    case OBJECT_PIPE_END: return IO_KIND_PIPE;
    case OBJECT_EVENT: return IO_KIND_EVENT;
    case OBJECT_EPOLL: return IO_KIND_EPOLL;
    case OBJECT_TABLE: return IO_KIND_PROC;
    default: return IO_KIND_SOCKET;
    }
}

static enum status handle_stat(void *state, struct ipc_call *call, struct io_stat_reply *reply)
{
    struct object *object;
    (void)call;
    enum status status = object_of_call(state, &object);
    if (status != ST_OK)
        return status;
    /* sockfs, pipefs and the anonymous inodes are file systems of their own */
    reply->kind = object_io_kind(object);
    reply->dev = reply->kind == IO_KIND_SOCKET ? 8
                 : reply->kind == IO_KIND_PIPE ? 14
                 : reply->kind == IO_KIND_PROC ? SOCK_TABLE_DEVICE
                                               : 15;
    reply->ino = object->ino;
    reply->mode = object->mode;
    reply->nlink = 1;
    reply->uid = object->uid;
    reply->gid = object->gid;
    reply->blksize = LX_PAGE;
    return ST_OK;
}

static enum status handle_get_flags(void *state, struct ipc_call *call,
                                    struct io_get_flags_reply *reply)
{
    struct object *object;
    (void)call;
    enum status status = object_of_call(state, &object);
    if (status != ST_OK)
        return status;
    reply->flags = object->flags;
    reply->kind = object_io_kind(object);
    return ST_OK;
}

static enum status handle_set_flags(void *state, struct ipc_call *call,
                                    const struct io_set_flags_request *request)
{
    const uint32_t settable = LX_O_APPEND | LX_O_NONBLOCK | LX_O_ASYNC | LX_O_DIRECT;
    struct sockd *sockd = state;
    struct object *object;
    (void)call;
    enum status status = object_of_call(sockd, &object);
    if (status != ST_OK)
        return status;
    if ((request->flags & LX_O_DIRECT) && object->kind != OBJECT_PIPE_END)
        return ST_INVAL;
    if (object->kind == OBJECT_SOCKET && (request->flags & ~object->flags & LX_O_ASYNC)) {
        status = socket_async_begin(socket_of(object), (int32_t)request->descriptor);
        if (status != ST_OK)
            return status;
    }
    object->flags = (object->flags & ~settable) | ((uint32_t)request->flags & settable);
    if (object->flags & LX_O_NONBLOCK)
        waiters_wake(&object->waiters, WAKE_FORESEEN, sockd->effects);
    return ST_OK;
}

static enum status handle_poll(void *state, struct ipc_call *call,
                               const struct io_poll_request *request, struct io_poll_reply *reply)
{
    struct sockd *sockd = state;
    struct object *object;
    enum status status = object_of_call(sockd, &object);
    if (status != ST_OK)
        return status;
    uint32_t events = (uint32_t)request->events;
    reply->ready = object_poll(sockd, object, events);
    reply->sequence = object->kind == OBJECT_EPOLL
                          ? epoll_has_foreign(sockd, (struct epoll *)object)
                          : object->sequence;
    if (!request->arm ||
        (request->events & IO_POLL_WANTED ? reply->ready & events : reply->ready))
        return ST_OK;
    return waiters_arm_question(&object->waiters, session_find(&sockd->sessions, call->principal),
                                events | LX_POLLERR | LX_POLLHUP | LX_POLLNVAL,
                                request->arm < ANSWER_LEAST ? 0 : (uint16_t)request->arm);
}

static enum status put_int(struct ipc_call *call, uint64_t number)
{
    int32_t value = (int32_t)number;
    return ipc_data_put(call, 0, &value, sizeof(value));
}

static enum status flag_from_memory(struct sockd *sockd, struct ipc_call *call,
                                    struct object *object, uint32_t flag)
{
    int32_t value;
    enum status status = ipc_data_get(call, 0, &value, sizeof(value));
    if (status != ST_OK)
        return status;
    object->flags = value ? object->flags | flag : object->flags & ~flag;
    if (object->flags & LX_O_NONBLOCK)
        waiters_wake(&object->waiters, WAKE_FORESEEN, sockd->effects);
    return ST_OK;
}

/* SIOCINQ: all unread bytes of a connection, the first message of a datagram socket. */
static enum status socket_unread(struct ipc_call *call, const struct socket *socket)
{
    if (socket->state == SOCKET_LISTENING)
        return ST_INVAL;
    if (socket_connection_based(socket))
        return put_int(call, socket->unread);
    return put_int(call, socket->first ? socket->first->length : 0);
}

static enum status handle_ioctl(void *state, struct ipc_call *call,
                                const struct io_ioctl_request *request,
                                struct io_ioctl_reply *reply)
{
    struct object *object;
    (void)reply;
    enum status status = object_of_call(state, &object);
    if (status != ST_OK)
        return status;
    if (object->kind == OBJECT_EPOLL && request->request != LX_FIONBIO &&
        request->request != LX_FIOASYNC)
        return ST_INVAL; /* it has requests of its own, which we lack */
    switch (request->request) {
    case LX_FIONBIO: return flag_from_memory(state, call, object, LX_O_NONBLOCK);
    case LX_FIOASYNC: return flag_from_memory(state, call, object, LX_O_ASYNC);
    case LX_FIONREAD:
        if (object->kind == OBJECT_SOCKET)
            return socket_unread(call, socket_of(object));
        if (object->kind == OBJECT_PIPE_END)
            return put_int(call, pipe_unread(((struct pipe_end *)object)->pipe));
        return ST_NOTTY;
    case LX_SIOCATMARK:
        if (object->kind != OBJECT_SOCKET)
            return ST_NOTTY;
        if (socket_of(object)->type != LX_SOCK_STREAM)
            return ST_OPNOTSUPP;
        return put_int(call, stream_at_mark(socket_of(object)));
    case LX_TIOCOUTQ:
        return object->kind == OBJECT_SOCKET ? put_int(call, socket_of(object)->charged) : ST_NOTTY;
    default: return ST_NOTTY;
    }
}

static enum status handle_truncate(void *state, struct ipc_call *call,
                                   const struct io_truncate_request *request)
{
    struct object *object;
    (void)call, (void)request;
    enum status status = object_of_call(state, &object);
    return status == ST_OK ? ST_INVAL : status;
}

static enum status handle_read_directory(void *state, struct ipc_call *call,
                                         const struct io_read_directory_request *request,
                                         struct io_read_directory_reply *reply)
{
    struct object *object;
    (void)call, (void)request, (void)reply;
    enum status status = object_of_call(state, &object);
    return status == ST_OK ? ST_NOTDIR : status;
}

/* fchmod before bind gives the node its mode (libposix reads it by io.stat), so it is kept. */
static enum status handle_set_attributes(void *state, struct ipc_call *call,
                                         const struct io_set_attributes_request *request)
{
    struct sockd *sockd = state;
    struct object *object;
    enum status status = object_of_call(sockd, &object);
    if (status != ST_OK)
        return status;
    const struct credentials *caller = caller_credentials(sockd, call->principal);
    if (object->kind == OBJECT_TABLE)
        return ST_PERM;
    if (caller->fsuid != 0 && caller->fsuid != object->uid)
        return ST_PERM;
    if (caller->fsuid != 0 && (((request->what & 2) && request->uid != object->uid) ||
                               ((request->what & 4) && request->gid != object->gid)))
        return ST_PERM;
    if (request->what & 1)
        object->mode = (object->mode & ~07777u) | ((uint32_t)request->mode & 07777u);
    if (request->what & 2)
        object->uid = (uint32_t)request->uid;
    if (request->what & 4)
        object->gid = (uint32_t)request->gid;
    return ST_OK;
}

static enum status handle_sync(void *state, struct ipc_call *call)
{
    struct object *object;
    (void)call;
    enum status status = object_of_call(state, &object);
    return status == ST_OK ? ST_INVAL : status;
}

static size_t put_number(char *text, uint64_t number)
{
    char digits[20];
    unsigned count = 0;
    size_t length = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10));
    while (count)
        text[length++] = digits[--count];
    return length;
}

/* What /proc/self/fd shows: socket:[7], pipe:[7], anon_inode:[eventfd], /proc/7/net/unix. */
static enum status handle_path(void *state, struct ipc_call *call, struct io_path_reply *reply)
{
    struct object *object;
    enum status status = object_of_call(state, &object);
    if (status != ST_OK)
        return status;
    char text[48];
    const char *head = object->kind == OBJECT_SOCKET     ? "socket:["
                       : object->kind == OBJECT_PIPE_END ? "pipe:["
                       : object->kind == OBJECT_EVENT    ? "anon_inode:[eventfd]"
                       : object->kind == OBJECT_TABLE    ? "/proc/"
                                                         : "anon_inode:[eventpoll]";
    size_t length = strlen(head);
    memcpy(text, head, length);
    if (object->kind == OBJECT_SOCKET || object->kind == OBJECT_PIPE_END) {
        length += put_number(text + length, object->ino);
        text[length++] = ']';
    } else if (object->kind == OBJECT_TABLE) {
        length += put_number(text + length, ((struct table *)object)->pid);
        memcpy(text + length, "/net/unix", 9);
        length += 9;
    }
    reply->length = length;
    return ipc_data_put(call, 0, text, length);
}

static enum status handle_allocate(void *state, struct ipc_call *call,
                                   const struct io_allocate_request *request)
{
    struct object *object;
    (void)call, (void)request;
    enum status status = object_of_call(state, &object);
    if (status != ST_OK)
        return status;
    return object->kind == OBJECT_PIPE_END ? ST_SPIPE : ST_NODEV;
}

const struct io_server sockd_io = {
    .read = handle_read,
    .write = handle_write,
    .seek = handle_seek,
    .stat = handle_stat,
    .get_flags = handle_get_flags,
    .set_flags = handle_set_flags,
    .owner = handle_owner,
    .lock = handle_lock,
    .poll = handle_poll,
    .ioctl = handle_ioctl,
    .truncate = handle_truncate,
    .read_directory = handle_read_directory,
    .set_attributes = handle_set_attributes,
    .sync = handle_sync,
    .path = handle_path,
    .allocate = handle_allocate,
};
