/*
 * Objects: badges, what holds them, and their orderly release. The rules stand in state.h.
 * SPDX-License-Identifier: MIT
 */
#include "queue.h"
#include <posix_abi.h>

#define HANDLES_LEAST 64u

/* ---- badges ---------------------------------------------------------------------------------- */

static bool handles_grow(struct sockd *sockd)
{
    uint32_t old = sockd->handle_capacity, capacity = old ? old * 2 : HANDLES_LEAST;
    struct handle *handles = mem_resize(sockd->handles, capacity * sizeof(*handles));
    if (!handles)
        return false;
    for (uint32_t i = capacity; i-- > old;) {
        handles[i].word = (uintptr_t)sockd->handle_free << 1 | 1;
        sockd->handle_free = i + 1;
    }
    sockd->handles = handles;
    sockd->handle_capacity = capacity;
    return true;
}

enum status object_name_badge(struct sockd *sockd, struct object *object)
{
    if (!sockd->handle_free && !handles_grow(sockd))
        return ST_NOMEM;
    uint32_t index = sockd->handle_free - 1;
    struct handle *handle = &sockd->handles[index];
    sockd->handle_free = (uint32_t)(handle->word >> 1);
    handle->word = (uintptr_t)object;
    object->badge = BADGE_OBJECTS + index;
    return ST_OK;
}

static void badge_free(struct sockd *sockd, struct object *object)
{
    if (!object->badge)
        return;
    uint32_t index = (uint32_t)(object->badge - BADGE_OBJECTS);
    sockd->handles[index].word = (uintptr_t)sockd->handle_free << 1 | 1;
    sockd->handle_free = index + 1;
    object->badge = 0;
}

enum status socket_of_call(const struct sockd *sockd, struct socket **socket)
{
    if (!sockd->target || sockd->target->kind == OBJECT_NAME ||
        sockd->target->kind == OBJECT_SESSION)
        return ST_BADF;
    if (sockd->target->kind != OBJECT_SOCKET)
        return ST_NOTSOCK;
    *socket = socket_of(sockd->target);
    return ST_OK;
}

/* ---- the list of all objects, newest first --------------------------------------------------- */

static void list_take(struct sockd *sockd, struct object *object)
{
    if (object->previous)
        object->previous->next = object->next;
    else
        sockd->objects = object->next;
    if (object->next)
        object->next->previous = object->previous;
}

/* NULL: at the front. */
static void list_put_after(struct sockd *sockd, struct object *before, struct object *object)
{
    struct object **link = before ? &before->next : &sockd->objects;
    object->previous = before;
    object->next = *link;
    if (object->next)
        object->next->previous = object;
    *link = object;
}

struct object *object_step(struct sockd *sockd, struct object *object)
{
    struct object *next = object->next;
    if (next) {
        list_take(sockd, object);
        list_put_after(sockd, next, object);
    }
    return next;
}

void object_rewind(struct sockd *sockd, struct object *object)
{
    list_take(sockd, object);
    list_put_after(sockd, NULL, object);
}

/* ---- life ------------------------------------------------------------------------------------ */

enum status object_create(struct sockd *sockd, enum object_kind kind, size_t size,
                          uint64_t principal, void *out)
{
    const struct credentials *caller = caller_credentials(sockd, principal);
    struct account *account = account_get(sockd, principal);
    if (!account)
        return ST_NOMEM;
    enum status status = account_take_object(sockd, account);
    struct object *object = NULL;
    if (status == ST_OK && !(object = mem_alloc(size))) {
        account_drop_object(sockd, account);
        status = ST_NOMEM;
    }
    if (status != ST_OK) {
        account_put(sockd, account);
        return status;
    }
    object->kind = kind;
    object->refs = 1;
    object->ino = ++sockd->next_ino;
    object->uid = caller->fsuid;
    object->gid = caller->fsgid;
    object->account = account;
    list_put_after(sockd, NULL, object);
    *(void **)out = object;
    return ST_OK;
}

static void object_unlink(struct sockd *sockd, struct object *object)
{
    list_take(sockd, object);
    account_drop_object(sockd, object->account);
    badge_free(sockd, object);
}

void object_free(struct sockd *sockd, struct object *object)
{
    if (object->kind == OBJECT_SOCKET)
        socket_dispose(sockd, socket_of(object));
    else if (object->kind == OBJECT_EPOLL)
        polled_free((struct epoll *)object);
    account_put(sockd, object->account);
    mem_free(object);
}

void object_discard(struct sockd *sockd, struct object *object)
{
    object_unlink(sockd, object);
    object_free(sockd, object);
}

/* ---- what holds it --------------------------------------------------------------------------- */

/* Keep count of sockets that could be part of an unreachable cycle. */
static void orphan_note(struct sockd *sockd, struct object *object)
{
    bool orphan = object->kind == OBJECT_SOCKET && !object->open && !object->released &&
                  object->in_flight > 0;
    if (orphan == object->orphan)
        return;
    object->orphan = orphan;
    if (orphan)
        sockd->orphan_count++;
    else
        sockd->orphan_count--;
}

static bool object_held(const struct object *object)
{
    if (object->open || object->in_flight > 0)
        return true;
    return object->kind == OBJECT_SOCKET && ((const struct socket *)object)->listener;
}

struct ipc_reply_cap object_in_reply(struct sockd *sockd, struct object *object)
{
    object->open = true;
    orphan_note(sockd, object);
    return (struct ipc_reply_cap){.own_gate = true, .value = object->badge};
}

void object_reply(struct sockd *sockd, struct ipc_call *call, struct object *object)
{
    call->reply_caps[call->reply_cap_count++] = object_in_reply(sockd, object);
}

void object_fly(struct sockd *sockd, struct object *object)
{
    object->in_flight++;
    orphan_note(sockd, object);
}

void object_land(struct sockd *sockd, struct object *object)
{
    object->in_flight--;
    object_settle(sockd, object);
    if (object->orphan) /* what still holds it may be its own queue */
        sockd->reclaim_wanted = true;
}

void object_release_later(struct sockd *sockd, struct object *object)
{
    if (object->released || object->queued_for_release)
        return;
    object->queued_for_release = true;
    object->release_next = NULL;
    if (sockd->release_last)
        sockd->release_last->release_next = object;
    else
        sockd->release_first = object;
    sockd->release_last = object;
}

void object_settle(struct sockd *sockd, struct object *object)
{
    orphan_note(sockd, object);
    if (!object_held(object))
        object_release_later(sockd, object);
}

static void object_release(struct sockd *sockd, struct object *object)
{
    object->released = true;
    switch (object->kind) {
    case OBJECT_SOCKET: socket_release(sockd, socket_of(object)); break;
    case OBJECT_PIPE_END: pipe_end_release(sockd, (struct pipe_end *)object); break;
    case OBJECT_NAME: name_release(sockd, (struct name *)object); break;
    case OBJECT_SESSION: session_object_release(sockd, (struct session_object *)object); break;
    case OBJECT_EPOLL:
        object_trace(sockd, object, AR_TRACE_EPOLL_CLOSED, 0, 0, 0);
        epoll_release(sockd, (struct epoll *)object);
        break;
    case OBJECT_EVENT: object_trace(sockd, object, AR_TRACE_EVENTFD_CLOSED, 0, 0, 0); break;
    case OBJECT_TABLE: break;
    }
    if (object->watchers)
        watchers_drop(sockd, object);
    waiters_destroy(&object->waiters, sockd->effects);
    object_unlink(sockd, object);
    object_unref(sockd, object);
}

void objects_reap(struct sockd *sockd)
{
    for (;;) {
        struct object *object = sockd->release_first;
        if (object) {
            sockd->release_first = object->release_next;
            if (!sockd->release_first)
                sockd->release_last = NULL;
            object->queued_for_release = false;
            if (!object_held(object)) /* it may have gone out again meanwhile */
                object_release(sockd, object);
            continue;
        }
        if (!sockd->reclaim_wanted)
            return;
        sockd->reclaim_wanted = false;
        if (sockd->orphan_count)
            orphans_reclaim(sockd);
    }
}

/* ---- waiting --------------------------------------------------------------------------------- */

struct woken {
    struct sockd *sockd;
    struct object *object;
};

static uint32_t woken_ready(void *context, uint32_t events)
{
    const struct woken *woken = context;
    return object_poll(woken->sockd, woken->object, events);
}

/* Whatever arrives is in its place before the wake-up, so that can say what is ready. Other changes
 * may have come half-way only. */
void object_wake_waiters(struct sockd *sockd, struct object *object, uint32_t events)
{
    struct woken woken = {sockd, object};
    bool arrived = events == WAKE_ARRIVED || events == WAKE_READ;
    waiters_wake_answering(&object->waiters, events, sockd->effects, arrived ? woken_ready : NULL,
                           &woken);
}

enum status object_wait(struct sockd *sockd, struct ipc_call *call, struct waiters *list,
                        uint32_t events, bool nowait)
{
    if (nowait)
        return ST_AGAIN;
    enum status status = waiters_arm(list, session_find(&sockd->sessions, call->principal), events);
    return status == ST_OK ? ST_WAIT : status;
}

/* ---- turns ----------------------------------------------------------------------------------- */

#define TAG_ROOM (1ull << 63) /* the list `room`, not `waiters` */

enum status object_wait_turn(struct sockd *sockd, struct ipc_call *call, struct object *object,
                             bool room, uint32_t events, bool nowait)
{
    if (nowait)
        return ST_AGAIN;
    struct waiters *list = room ? &socket_of(object)->room : &object->waiters;
    enum status status =
        waiters_arm_exclusive(list, session_find(&sockd->sessions, call->principal), events,
                              object->badge | (room ? TAG_ROOM : 0));
    return status == ST_OK ? ST_WAIT : status;
}

bool turn_take(struct sockd *sockd, uint64_t principal, struct turn *turn)
{
    struct session *session = session_find(&sockd->sessions, principal);
    return session && session_grant_take(session, &turn->tag, &turn->events);
}

static bool turn_left(struct sockd *sockd, struct object *object, const struct turn *turn)
{
    if (!(turn->tag & TAG_ROOM))
        return object_poll(sockd, object, turn->events) & turn->events;
    const struct socket *socket = socket_of(object);
    return socket->state == SOCKET_LISTENING ? socket->accept_count <= socket->backlog
                                             : socket->message_count <= LX_MAX_DGRAM_QLEN;
}

/* Whoever waits for it again found nothing, and so would the next. */
void turn_pass(struct sockd *sockd, uint64_t principal, const struct turn *turn)
{
    struct object *object = object_find(sockd, turn->tag & ~TAG_ROOM);
    if (!object || object->released || ((turn->tag & TAG_ROOM) && object->kind != OBJECT_SOCKET))
        return;
    struct waiters *list = turn->tag & TAG_ROOM ? &socket_of(object)->room : &object->waiters;
    const struct session *session = session_find(&sockd->sessions, principal);
    if (!list->first || (session && waiters_has_exclusive(list, session, turn->events)))
        return;
    if (turn_left(sockd, object, turn))
        waiters_wake(list, turn->events, sockd->effects);
}

enum status op_cancel(void *state, struct ipc_call *call)
{
    struct sockd *sockd = state;
    struct session *session = session_find(&sockd->sessions, call->principal);
    struct session_object *object = session_object_find(sockd, call->principal);
    if (session)
        session_disarm_exclusive(session);
    if (object)
        sending_release(sockd, object);
    return ST_OK;
}
