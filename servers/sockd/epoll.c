/*
 * epoll_wait(2), and how events reach the sets. epoll.h says how the lists hang together.
 * SPDX-License-Identifier: MIT
 */
#include "epoll.h"
#include "trace.h"
#include <ipc/memory.h>

enum { DRAIN_AT_ONCE = 256, BATCH = 64 };

/* ---- events come in -------------------------------------------------------------------------- */

/* The instance became readable. Each set once in a walk, however many ways lead to it. */
static __attribute__((noinline)) void epoll_wake_all(struct sockd *sockd, struct epoll *epoll)
{
    /* As on Linux not POLLRDNORM: who polls it for that alone is not woken. */
    waiters_wake(&epoll->object.waiters, LX_POLLIN, sockd->effects);
    watchers_notify(sockd, &epoll->object, LX_POLLIN);
}

static inline void epoll_woken(struct sockd *sockd, struct epoll *epoll)
{
    if (epoll->walk == sockd->walk)
        return;
    epoll->walk = sockd->walk;
    epoll->object.sequence++;
    if (epoll->object.waiters.first || epoll->object.watchers)
        epoll_wake_all(sockd, epoll);
}

static __attribute__((noinline)) void interest_append(struct sockd *sockd, struct interest *interest)
{
    ring_append(&interest->epoll->ready, &interest->of_ready);
    interest_trace(sockd, interest, AR_TRACE_EPOLL_READY);
}

/* Whoever waits looks at it next. */
static inline void interest_ready(struct sockd *sockd, struct interest *interest)
{
    if (!ring_linked(&interest->of_ready))
        interest_append(sockd, interest);
}

/* EPOLLEXCLUSIVE: did this one find somebody to deal with the event? */
static bool exclusive_served(const struct interest *interest, bool waiting, uint32_t events)
{
    uint32_t direction = events & (LX_POLLIN | LX_POLLOUT);
    return waiting && (!direction || (direction != (LX_POLLIN | LX_POLLOUT) &&
                                      (interest->events & direction)));
}

/* true: an exclusive interest took the event. */
static bool interest_notify(struct sockd *sockd, struct interest *interest, uint32_t events)
{
    struct epoll *epoll = interest->epoll;
    bool waiting = epoll->object.waiters.first;
    /* with nothing but behaviour bits it is spent, or a poll set's without a wake-up */
    if (!(events & interest->events & ~LX_EPOLL_BEHAVIOUR) || epoll->object.released ||
        interest->kind == INTEREST_FOREIGN)
        return false;
    if (interest->kind == INTEREST_POLLED) { /* one shot */
        interest->events = 0;
        epoll_woken(sockd, epoll);
        return false;
    }
    interest_ready(sockd, interest);
    epoll_woken(sockd, epoll);
    return (interest->events & LX_EPOLLEXCLUSIVE) && events != WAKE_ALL &&
           exclusive_served(interest, waiting, events);
}

void watchers_notify(struct sockd *sockd, struct object *object, uint32_t events)
{
    for (struct ring *at = object->watchers; at; at = ring_next(object->watchers, at))
        if (interest_notify(sockd, interest_of_target(at), events))
            return; /* the exclusive ones stand at the end */
}

/* Is there nothing to do but to count? It is on the ready list, and nobody waits for its set. */
static inline bool interest_quiet(const struct interest *interest, uint32_t events)
{
    const struct object *epoll = &interest->epoll->object;
    return (events & interest->events & ~LX_EPOLL_BEHAVIOUR) && !epoll->released &&
           interest->kind <= INTEREST_NESTED && ring_linked(&interest->of_ready) &&
           !epoll->waiters.first && !epoll->watchers;
}

/* Most often one set watches, and nobody has asked it since the last event. */
void object_wake_watchers(struct sockd *sockd, struct object *object, uint32_t events)
{
    struct interest *first = interest_of_target(object->watchers);
    sockd->walk++;
    if (ring_next(object->watchers, object->watchers) || !interest_quiet(first, events)) {
        watchers_notify(sockd, object, events);
        return;
    }
    first->epoll->walk = sockd->walk;
    first->epoll->object.sequence++;
}

void interest_push(struct sockd *sockd, struct interest *interest)
{
    interest_ready(sockd, interest);
    sockd->walk++;
    epoll_woken(sockd, interest->epoll);
}

/* ---- what is ready --------------------------------------------------------------------------- */

uint32_t interest_poll(struct sockd *sockd, struct interest *interest)
{
    uint32_t ready = interest->kind == INTEREST_FOREIGN
                         ? ((struct foreign_interest *)interest)->ready
                         : object_poll(sockd, interest->target, interest->events);
    return ready & interest->events & ~LX_EPOLL_BEHAVIOUR;
}

uint32_t epoll_poll(struct sockd *sockd, struct epoll *epoll)
{
    while (epoll->ready) {
        if (interest_poll(sockd, interest_of_ready(epoll->ready)))
            return LX_POLLIN | LX_POLLRDNORM;
        ring_remove(&epoll->ready, epoll->ready);
    }
    return 0;
}

static bool foreign_below(struct sockd *sockd, struct epoll *epoll)
{
    if (epoll->foreign_count)
        return true;
    if (!walk_visit(sockd, epoll))
        return false;
    struct ring *nested = epoll->members[INTEREST_NESTED];
    for (struct ring *at = nested; at; at = ring_next(nested, at))
        if (foreign_below(sockd, (struct epoll *)interest_of_epoll(at)->target))
            return true;
    return false;
}

bool epoll_has_foreign(struct sockd *sockd, struct epoll *epoll)
{
    if (epoll->foreign_count || !epoll->members[INTEREST_NESTED])
        return epoll->foreign_count;
    walk_begin(sockd);
    return foreign_below(sockd, epoll);
}

/* ---- epoll_wait ------------------------------------------------------------------------------ */

struct batch {
    unsigned count;
    struct lx_epoll_event events[BATCH];
    struct interest *interests[BATCH];
};

/* Take up to `most` that are ready off the front of `list`; the others on the way are dropped. */
static void batch_take(struct sockd *sockd, struct ring **list, unsigned most, struct batch *batch)
{
    batch->count = 0;
    while (*list && batch->count < most && batch->count < BATCH) {
        struct interest *interest = interest_of_ready(*list);
        ring_remove(list, *list);
        uint32_t ready = interest_poll(sockd, interest);
        if (!ready)
            continue;
        batch->interests[batch->count] = interest;
        batch->events[batch->count++] = (struct lx_epoll_event){ready, interest->data};
    }
}

static void batch_commit(struct epoll *epoll, const struct batch *batch)
{
    for (unsigned i = 0; i < batch->count; i++) {
        struct interest *interest = batch->interests[i];
        if (interest->events & LX_EPOLLONESHOT)
            interest->events &= LX_EPOLL_BEHAVIOUR;
        else if (!(interest->events & LX_EPOLLET))
            ring_append(&epoll->ready, &interest->of_ready);
    }
}

/* What could not be told stays at the front, in its order. */
static void batch_return(struct ring **list, const struct batch *batch)
{
    for (unsigned i = batch->count; i-- > 0;)
        ring_prepend(list, &batch->interests[i]->of_ready);
}

static enum status epoll_collect(struct sockd *sockd, struct epoll *epoll, struct ipc_call *call,
                                 unsigned most, uint64_t *count)
{
    struct ring *taken = NULL;
    struct batch batch;
    enum status status = ST_OK;
    ring_join(&epoll->ready, &taken);
    while (taken && *count < most) {
        batch_take(sockd, &taken, most - (unsigned)*count, &batch);
        status = ipc_data_put(call, *count * sizeof(batch.events[0]), batch.events,
                              batch.count * sizeof(batch.events[0]));
        if (status != ST_OK) {
            batch_return(&taken, &batch);
            break;
        }
        batch_commit(epoll, &batch);
        *count += batch.count;
    }
    ring_join(&taken, &epoll->ready);
    return *count ? ST_OK : status;
}

/* The first that is ready, when it is the only one and stays where it is: EPOLLET and EPOLLONESHOT
 * are not for this. Those on the way are dropped. */
static bool epoll_answer(struct sockd *sockd, struct epoll *epoll,
                         struct sock_epoll_wait_reply *reply)
{
    struct ring *first;
    while ((first = epoll->ready)) {
        struct interest *interest = interest_of_ready(first);
        if (interest->events & (LX_EPOLLET | LX_EPOLLONESHOT))
            return false;
        uint32_t ready = interest_poll(sockd, interest);
        if (ready) {
            if (first->next != first)
                return false;
            reply->count = 1;
            reply->events = ready;
            reply->data = interest->data;
            return true;
        }
        ring_remove(&epoll->ready, first);
    }
    return false;
}

enum status epoll_of_call(const struct sockd *sockd, struct epoll **epoll)
{
    if (!sockd->target || sockd->target->kind == OBJECT_NAME ||
        sockd->target->kind == OBJECT_SESSION)
        return ST_BADF;
    if (sockd->target->kind != OBJECT_EPOLL)
        return ST_INVAL;
    *epoll = (struct epoll *)sockd->target;
    return ST_OK;
}

static __attribute__((noinline)) enum status
wait_slowly(struct sockd *sockd, struct epoll *epoll, struct ipc_call *call,
            const struct sock_epoll_wait_request *request, struct sock_epoll_wait_reply *reply)
{
    enum status status = ST_OK;
    unsigned most = request->most < SOCK_EPOLL_MOST ? (unsigned)request->most : SOCK_EPOLL_MOST;
    if (epoll->ready) {
        status = epoll_collect(sockd, epoll, call, most, &reply->count);
        if (epoll->ready) /* there is something for another one, too */
            waiters_wake(&epoll->object.waiters, LX_POLLIN, sockd->effects);
        if (status != ST_OK || reply->count)
            return status;
    }
    return request->arm ? object_wait_turn(sockd, call, &epoll->object, false, WAKE_READ, false)
                        : ST_OK;
}

static __attribute__((noinline)) enum status
wait_any(struct sockd *sockd, struct ipc_call *call, const struct sock_epoll_wait_request *request,
         struct sock_epoll_wait_reply *reply)
{
    struct epoll *epoll;
    enum status status = epoll_of_call(sockd, &epoll);
    if (status != ST_OK)
        return status;
    if (!request->reported && epoll_has_foreign(sockd, epoll)) {
        reply->foreign = 1;
        return ST_OK;
    }
    if (!request->words || !request->most || !epoll_answer(sockd, epoll, reply))
        return wait_slowly(sockd, epoll, call, request, reply);
    if (epoll->object.waiters.first) /* there is something for another one, too */
        waiters_wake(&epoll->object.waiters, LX_POLLIN, sockd->effects);
    return ST_OK;
}

/* What is asked most: a set of own descriptions alone with one that is ready, and nobody else waits. */
static inline bool wait_straight(struct sockd *sockd, const struct sock_epoll_wait_request *request,
                                 struct sock_epoll_wait_reply *reply)
{
    const struct epoll *epoll = (const struct epoll *)sockd->target;
    if (!epoll || epoll->object.kind != OBJECT_EPOLL || !request->words || !request->most ||
        epoll->foreign_count || epoll->members[INTEREST_NESTED] || epoll->object.waiters.first)
        return false;
    struct ring *first = epoll->ready;
    if (!first || ring_next(first, first))
        return false;
    struct interest *interest = interest_of_ready(first);
    uint32_t wanted = interest->events;
    if (wanted & (LX_EPOLLET | LX_EPOLLONESHOT))
        return false;
    uint32_t ready = object_poll(sockd, interest->target, wanted) & wanted & ~LX_EPOLL_BEHAVIOUR;
    if (!ready)
        return false;
    reply->count = 1;
    reply->events = ready;
    reply->data = interest->data;
    return true;
}

enum status op_epoll_wait(void *state, struct ipc_call *call,
                          const struct sock_epoll_wait_request *request,
                          struct sock_epoll_wait_reply *reply)
{
    return wait_straight(state, request, reply) ? ST_OK : wait_any(state, call, request, reply);
}

/* ---- the end --------------------------------------------------------------------------------- */

void interest_remove(struct sockd *sockd, struct interest *interest)
{
    struct epoll *epoll = interest->epoll;
    interest_trace(sockd, interest, AR_TRACE_EPOLL_REMOVED);
    if (ring_linked(&interest->of_ready))
        ring_remove(&epoll->ready, &interest->of_ready);
    if (interest->target)
        ring_remove(&interest->target->watchers, &interest->of_target);
    ring_remove(&epoll->members[interest->kind], &interest->of_epoll);
    epoll->foreign_count -= interest->kind == INTEREST_FOREIGN;
    if (interest->kind == INTEREST_POLLED)
        polled_remove(interest);
    account_unwatch(sockd, epoll->object.account);
    mem_free(interest);
}

void watchers_drop(struct sockd *sockd, struct object *object)
{
    while (object->watchers)
        interest_remove(sockd, interest_of_target(object->watchers));
}

/* false: the budget is used up. */
static bool epoll_drain(struct sockd *sockd, struct epoll *epoll, unsigned *budget)
{
    for (unsigned kind = 0; kind < INTEREST_KINDS; kind++)
        while (epoll->members[kind]) {
            if (*budget == 0)
                return false;
            --*budget;
            interest_remove(sockd, interest_of_epoll(epoll->members[kind]));
        }
    return true;
}

void epoll_release(struct sockd *sockd, struct epoll *epoll)
{
    unsigned budget = DRAIN_AT_ONCE;
    if (epoll_drain(sockd, epoll, &budget))
        return;
    object_ref(&epoll->object);
    epoll->draining_next = sockd->draining;
    sockd->draining = epoll;
    sockd->work_left = true;
}

void epolls_drain(struct sockd *sockd)
{
    unsigned budget = DRAIN_AT_ONCE;
    struct epoll *epoll;
    while ((epoll = sockd->draining)) {
        if (!epoll_drain(sockd, epoll, &budget))
            return;
        sockd->draining = epoll->draining_next;
        object_unref(sockd, &epoll->object);
    }
}
