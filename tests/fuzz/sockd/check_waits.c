/*
 * Sessions, their waiters, and threads that wait: see check.c. SPDX-License-Identifier: MIT
 *
 * A thread whose last request was answered "wait" (or whose last poll is armed) and that was not
 * woken since must have nothing to wake it: otherwise it is lost.
 */
#include "check.h"
#include "epoll.h"
#include "waiter.h"
#include <string.h>

/* ---- the lists ------------------------------------------------------------------------------- */

void waiters_check(const struct sockd *sockd, const struct waiters *list)
{
    const struct waiter *waiter = list->first;
    if (!waiter)
        return;
    do {
        const struct session *session = waiter->session;
        CHECK(waiter->object == list, "a waiter on another object's list");
        CHECK(waiter->object_next->object_previous == waiter, "a list of waiters is broken");
        CHECK(waiter->events, "a waiter for nothing");
        CHECK(waiter->granted == (session->granted == waiter), "a grant of two minds");
        CHECK(session_find(&sockd->sessions, PRINCIPAL(0, session->thread)) == session,
              "a waiter of no session");
        struct tally *tally = tally_of(session);
        CHECK(++tally->waiters <= session->armed_count, "more waiters than a session has");
        waiter = waiter->object_next;
    } while (waiter != list->first);
}

static void session_check(const struct sockd *sockd, const struct session *session)
{
    unsigned count = 0;
    for (const struct waiter *waiter = session->armed; waiter; waiter = waiter->session_next) {
        CHECK(++count <= session->armed_count, "more waiters than are counted");
        CHECK(waiter->session == session, "a waiter of another session");
        CHECK(!waiter->session_next || waiter->session_next->session_previous == waiter,
              "a session's list of waiters is broken");
    }
    CHECK(count == session->armed_count, "the number of waiters");
    CHECK(!session->granted || session->granted->session == session, "another's grant");
    CHECK(tally_of(session)->waiters == count, "a waiter on no live object's list");
    const struct object *object = object_find(sockd, session->badge);
    CHECK(object && object->kind == OBJECT_SESSION, "a session's badge leads to no session");
    CHECK(((const struct session_object *)object)->thread == session->thread,
          "a session's badge leads to another thread's");
    slot_claim(session->notification, SLOT_NOTIFICATION);
}

void sessions_check(const struct sockd *sockd)
{
    unsigned count = 0;
    for (unsigned i = 0; i < sockd->sessions.capacity; i++) {
        const struct session *session = sockd->sessions.slots[i];
        if (!session)
            continue;
        count++;
        CHECK(session_find(&sockd->sessions, PRINCIPAL(0, session->thread)) == session,
              "the table does not find a session");
        session_check(sockd, session);
    }
    CHECK(count == sockd->sessions.count, "the number of sessions");
}

/* ---- threads that wait ----------------------------------------------------------------------- */

static enum wait_kind wait_kind(uint32_t label)
{
    switch (label) {
    case IO_POLL:
    case SOCK_EPOLL_WAIT: return WAIT_POLL;
    case SOCK_POLL_FEW:
    case SOCK_POLL_MANY: return WAIT_SET;
    case IO_READ:
    case SOCK_PEEK:
    case SOCK_RECEIVE:
    case SOCK_RECEIVE_MORE:
    case SOCK_ACCEPT: return WAIT_READ;
    case IO_WRITE:
    case SOCK_SEND:
    case SOCK_SEND_AS: return WAIT_WRITE;
    case SOCK_CONNECT: return WAIT_CONNECT;
    case SOCK_SPLICE: return WAIT_SPLICE;
    case IO_LOCK: return WAIT_LOCK;
    default: return WAIT_NONE;
    }
}

static void splice_note(const struct sockd *sockd, const struct request *request,
                        struct blocked *blocked)
{
    const struct object *to = object_find(sockd, request->call.caps[0].value);
    CHECK(to, "a splice to nothing waits");
    blocked->to_badge = to->badge;
    blocked->to_ino = to->ino;
    blocked->events = UINT32_MAX;
    if (to->kind == OBJECT_SOCKET && ((const struct socket *)to)->peer)
        blocked->peer_ino = ((const struct socket *)to)->peer->object.ino;
}

static const struct interest *polled(const struct object *set, uint32_t entry)
{
    const struct epoll *epoll = (const struct epoll *)set;
    uint32_t handle = entry & 0xffff;
    return handle < epoll->polled_capacity ? epoll->polled[handle].interest : NULL;
}

static void set_note(const struct object *set, const struct request *request,
                     struct blocked *blocked)
{
    bool few = request->label == SOCK_POLL_FEW;
    uint64_t count = request->words[0];
    blocked->entries = count < WAIT_ENTRIES ? (unsigned)count : WAIT_ENTRIES;
    memcpy(blocked->entry, few ? (const void *)&request->words[2] : world_in,
           blocked->entries * sizeof(blocked->entry[0]));
    for (unsigned i = 0; i < blocked->entries; i++) {
        const struct interest *interest = polled(set, blocked->entry[i]);
        CHECK(interest, "nothing is ready in a set, not even what is not there");
        blocked->entry_ino[i] = interest->target->ino;
    }
}

/* Was a wake-up armed though the answer is not "wait"? */
static bool armed_with(const struct request *request)
{
    const struct ipc_call *call = &request->call;
    if (call->status != ST_OK)
        return false;
    switch (request->label) {
    case IO_POLL:
    case SOCK_POLL_FEW:
    case SOCK_POLL_MANY: return request->words[1] && call->reply_words[0] == 0;
    case IO_READ: return call->reply_words[1];
    default: return false;
    }
}

void waits_note(const struct sockd *sockd, const struct request *request)
{
    const struct object *object = object_find(sockd, request->badge);
    const struct ipc_call *call = &request->call;
    bool armed = armed_with(request);
    if (call->status != ST_WAIT && !armed)
        return;
    const struct session *session = session_find(&sockd->sessions, request->thread->principal);
    /* It may have been woken in the same request: by what closed with a read, or by the memory of an earlier
     * datagram that waited and that this one has taken the place of. */
    bool wakes_itself = request->label == IO_READ || request->label == SOCK_SEND;
    CHECK(object && session &&
              (session->armed || (wakes_itself && world_wakes(request->thread))),
          "a thread waits and nothing is armed");
    struct blocked *blocked = &request->thread->blocked;
    *blocked = (struct blocked){.kind = wait_kind(request->label),
                                .badge = request->badge,
                                .ino = object->ino,
                                .events = (uint32_t)request->words[0],
                                .question = armed && request->label == IO_POLL
                                                ? (uint32_t)request->words[1]
                                                : 0};
    if (armed && request->label == IO_READ)
        blocked->kind = WAIT_FORESEEN;
    if (blocked->kind == WAIT_SET)
        set_note(object, request, blocked);
    if (blocked->kind == WAIT_WRITE) /* of a send: whether it goes to the peer */
        blocked->events = request->label != IO_WRITE && request->words[2] ? 0 : UINT32_MAX;
    if (request->label == SOCK_EPOLL_WAIT)
        blocked->events = request->words[0] ? LX_POLLIN : 0; /* none wanted: it waits for nothing */
    if (blocked->kind == WAIT_SPLICE)
        splice_note(sockd, request, blocked);
    if (blocked->kind == WAIT_LOCK)
        blocked->events = (uint32_t)request->words[1];
    CHECK(blocked->kind, "an operation that never waits says that it does");
    if (wait_kind(request->label) == WAIT_READ && request->label != IO_READ &&
        request->label != SOCK_ACCEPT && request->label != SOCK_PEEK &&
        (request->words[0] & LX_MSG_PEEK))
        blocked->kind = WAIT_NONE; /* it may wait for what comes behind SO_PEEK_OFF */
    if (request->fail_at) /* what was to tell of room may have had no memory */
        blocked->kind = WAIT_NONE;
    if (blocked->kind != WAIT_SPLICE && object->kind == OBJECT_SOCKET &&
        ((const struct socket *)object)->peer)
        blocked->peer_ino = ((const struct socket *)object)->peer->object.ino;
}

/* What a wake-up says is so when the request is done. The answer to an earlier question nobody reads;
 * whether there is room is not asked here, for asking leaves a trace. */
void answer_check(struct sockd *sockd, const struct blocked *blocked, uint32_t answer)
{
    if (!answer || blocked->kind != WAIT_POLL || answer >> 16 != blocked->question)
        return;
    struct object *object = object_find(sockd, blocked->badge);
    CHECK(object && object->ino == blocked->ino, "an answer about what is gone");
    uint32_t said = answer & 0xffff & ~WAKE_WRITE;
    CHECK(!(said & ~object_poll(sockd, object, blocked->events & ~WAKE_WRITE)),
          "an answer that is not so");
}

static bool can_read(const struct object *object)
{
    if (object->kind == OBJECT_PIPE_END) {
        const struct pipe *pipe = ((const struct pipe_end *)object)->pipe;
        return pipe->count || !pipe->writer;
    }
    if (object->kind == OBJECT_EVENT)
        return ((const struct event *)object)->value > 0;
    const struct socket *socket = (const struct socket *)object;
    if (socket->state == SOCKET_LISTENING)
        return socket->accept_first || (socket->shutdown & SHUT_RECEIVE);
    if (socket->rcvlowat > 1 && socket->first) /* stream.c: below_low_water */
        return socket->error != ST_OK;
    return socket->first || socket->error != ST_OK ||
           (socket->shutdown & SHUT_RECEIVE);
}

static bool can_write(const struct object *object, const struct blocked *blocked)
{
    if (object->kind == OBJECT_PIPE_END) {
        const struct pipe *pipe = ((const struct pipe_end *)object)->pipe;
        return pipe->count < PIPE_PAGES || !pipe->reader;
    }
    if (object->kind == OBJECT_EVENT)
        return ((const struct event *)object)->value == 0;
    const struct socket *socket = (const struct socket *)object, *peer = socket->peer;
    if (socket->type == LX_SOCK_STREAM)
        return socket->error != ST_OK || (socket->shutdown & SHUT_SEND) || socket_writable(socket);
    /* A datagram may wait at another than the peer. What happens to its own socket meanwhile, a
     * shutdown, an error or a new peer, wakes nobody there, as in Linux. */
    if (!peer || peer->object.ino != blocked->peer_ino || peer->peer == socket)
        return false;
    return blocked->events == UINT32_MAX && socket_writable(socket) && datagram_room(socket, peer);
}

/* There is something to take and room to put it. A target that died waits for nobody. */
static bool can_splice(const struct sockd *sockd, const struct object *from,
                       const struct blocked *blocked)
{
    const struct object *to = object_find(sockd, blocked->to_badge);
    return to && to->ino == blocked->to_ino && can_read(from) && can_write(to, blocked);
}

/* A read would have to wait, and the description does let it. */
static bool read_would_wait(const struct object *object)
{
    const struct socket *socket = (const struct socket *)object;
    return !can_read(object) && !(object->flags & LX_O_NONBLOCK) &&
           !(socket->rare && socket->rare->rcvtimeo_us);
}

/* Something of what was asked is ready. What died meanwhile, or has a handle again, does not count. */
static bool set_has(const struct object *set, const struct blocked *blocked)
{
    for (unsigned i = 0; i < blocked->entries; i++) {
        const struct interest *interest = polled(set, blocked->entry[i]);
        if (interest && interest->target->ino == blocked->entry_ino[i] &&
            ready_now(interest->target, blocked->entry[i] >> 16, 0))
            return true;
    }
    return false;
}

/* The other end of the pipe has nothing against it. */
static bool can_lock(const struct object *object, const struct blocked *blocked)
{
    const struct pipe_end *end = (const struct pipe_end *)object;
    const struct pipe_end *other = end->writes ? end->pipe->reader : end->pipe->writer;
    return !other || !other->lock || (blocked->events == 0 && other->lock == 1);
}

/* It is somebody's turn, who has not come for it yet: then the others may sleep. */
static bool turn_pending(const struct waiters *list)
{
    const struct waiter *waiter = list->first;
    if (!waiter)
        return false;
    do {
        if (waiter->granted)
            return true;
        waiter = waiter->object_next;
    } while (waiter != list->first);
    return false;
}

static bool turn_pending_for(const struct object *object)
{
    const struct socket *socket = (const struct socket *)object;
    return turn_pending(&object->waiters) ||
           (object->kind == OBJECT_SOCKET && socket->peer && turn_pending(&socket->peer->room));
}

/* Some listener's queue that this session waits for is full. Its shutdown wakes nobody here, as in
 * Linux. */
static bool connect_waits(const struct session *session)
{
    const struct waiter *waiter = session->armed;
    for (; waiter; waiter = waiter->session_next) {
        const struct socket *listener =
            (const struct socket *)((const char *)waiter->object -
                                    __builtin_offsetof(struct socket, room));
        bool known = false;
        for (const struct object *o = world.core->objects; o && !known; o = o->next)
            known = o == &listener->object && o->kind == OBJECT_SOCKET;
        if (known && listener->state == SOCKET_LISTENING &&
            (listener->accept_count > listener->backlog || turn_pending(&listener->room)))
            return true;
    }
    return false;
}

void waits_check(const struct sockd *sockd)
{
    for (unsigned t = 0; t < THREADS; t++) {
        const struct thread *thread = &world.threads[t];
        const struct blocked *blocked = &thread->blocked;
        if (!blocked->kind || thread->woken)
            continue;
        const struct session *session = session_find(&sockd->sessions, thread->principal);
        if (!session || session->notification != thread->notification)
            continue; /* its session ended: nobody can wake it, nor did it ask to be */
        const struct object *object = object_find(sockd, blocked->badge);
        if (!object || object->ino != blocked->ino) {
            /* Who waits for room at another socket has a copy of its own gate, or should have. */
            CHECK(blocked->kind == WAIT_WRITE || blocked->kind == WAIT_CONNECT,
                  "what a thread waited for died, and it sleeps");
            continue;
        }
        if (turn_pending_for(object))
            continue;
        switch (blocked->kind) {
        case WAIT_POLL:
            /* A set tells of POLLIN, as on Linux: who polls it for POLLRDNORM alone sleeps on. */
            CHECK((object->kind == OBJECT_EPOLL && !(blocked->events & LX_POLLIN)) ||
                      ready_now(object, blocked->events, 0) == 0,
                  "ready, and the thread sleeps");
            break;
        case WAIT_READ: CHECK(!can_read(object), "it can read, and sleeps"); break;
        case WAIT_WRITE: CHECK(!can_write(object, blocked), "it can write, and sleeps"); break;
        case WAIT_CONNECT: CHECK(connect_waits(session), "it can connect, and sleeps"); break;
        case WAIT_SPLICE:
            CHECK(!can_splice(sockd, object, blocked), "it can splice, and sleeps");
            break;
        case WAIT_LOCK: CHECK(!can_lock(object, blocked), "it can lock, and sleeps"); break;
        case WAIT_FORESEEN:
            CHECK(read_would_wait(object), "the read that was foreseen would not wait");
            break;
        case WAIT_SET: CHECK(!set_has(object, blocked), "ready in a set, and the thread sleeps"); break;
        case WAIT_NONE: break;
        }
    }
}
