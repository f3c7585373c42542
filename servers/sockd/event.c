/*
 * eventfd(2), and the making of an epoll instance.
 * SPDX-License-Identifier: MIT
 */
#include "epoll.h"
#include "trace.h"

enum status op_event(void *state, struct ipc_call *call, const struct sock_event_request *request)
{
    struct sockd *sockd = state;
    struct object *object;
    bool epoll = request->kind == 1;
    uint64_t known = epoll ? LX_O_CLOEXEC : LX_EFD_SEMAPHORE | LX_EFD_NONBLOCK | LX_EFD_CLOEXEC;
    if (request->flags & ~known)
        return ST_INVAL;
    enum status status =
        object_create(sockd, epoll ? OBJECT_EPOLL : OBJECT_EVENT,
                      epoll ? sizeof(struct epoll) : sizeof(struct event), call->principal, &object);
    if (status != ST_OK)
        return status;
    status = object_name_badge(sockd, object);
    if (status != ST_OK) {
        object_discard(sockd, object);
        return status;
    }
    object->flags = LX_O_RDWR | (epoll ? 0 : request->flags & LX_EFD_NONBLOCK);
    object->mode = 0600;
    object->uid = object->gid = 0; /* Linux has one inode for all of them, root's */
    if (!epoll) {
        ((struct event *)object)->value = (uint32_t)request->initial;
        ((struct event *)object)->semaphore = request->flags & LX_EFD_SEMAPHORE;
    }
    object_trace(sockd, object, epoll ? AR_TRACE_EPOLL_CREATED : AR_TRACE_EVENTFD_CREATED,
                 epoll ? 0 : (uint32_t)request->initial, 0, 0);
    object_reply(sockd, call, object);
    return ST_OK;
}

enum status event_read(struct sockd *sockd, struct event *event, struct ipc_call *call,
                       uint64_t length, bool nowait, uint64_t *count)
{
    uint64_t value = event->semaphore ? 1 : event->value;
    if (length < sizeof(value))
        return ST_INVAL;
    if (event->value == 0)
        return object_wait(sockd, call, &event->object.waiters, WAKE_READ, nowait);
    enum status status = ipc_data_put(call, 0, &value, sizeof(value));
    if (status != ST_OK)
        return status;
    event->value -= value;
    object_trace(sockd, &event->object, AR_TRACE_EVENTFD_TAKEN, value, event->value, 0);
    *count = sizeof(value);
    object_wake(sockd, &event->object, WAKE_WRITE);
    return ST_OK;
}

enum status event_write(struct sockd *sockd, struct event *event, struct ipc_call *call,
                        uint64_t length, bool nowait, uint64_t *count)
{
    uint64_t value;
    if (length != sizeof(value)) /* a read has more room, and takes 8 bytes of it */
        return ST_INVAL;
    enum status status = ipc_data_get(call, 0, &value, sizeof(value));
    if (status != ST_OK)
        return status;
    if (value == UINT64_MAX)
        return ST_INVAL;
    if (UINT64_MAX - 1 - event->value < value)
        return object_wait(sockd, call, &event->object.waiters, WAKE_WRITE, nowait);
    event->value += value;
    object_trace(sockd, &event->object, AR_TRACE_EVENTFD_ADDED, value, event->value, 0);
    *count = sizeof(value);
    object_wake(sockd, &event->object, WAKE_READ);
    return ST_OK;
}
