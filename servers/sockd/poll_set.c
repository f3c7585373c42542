/*
 * Asking about many descriptions in one request. SPDX-License-Identifier: MIT
 *
 * Sending a capability for each costs more than asking. So a process shows each once and gets a
 * handle, an index into a table of its own that nobody else can use: what it may ask about is what
 * it has had the capability of, while the description lives.
 */
#include "epoll.h"
#include <ipc/memory.h>

#define HANDLES_LEAST 64u
#define HANDLES_MAX 65536u

enum status op_poll_set(void *state, struct ipc_call *call)
{
    const struct sock_event_request request = {.kind = 1};
    return op_event(state, call, &request);
}

static bool handles_grow(struct epoll *set)
{
    uint32_t old = set->polled_capacity, capacity = old ? old * 2 : HANDLES_LEAST;
    if (capacity > HANDLES_MAX)
        return false;
    struct polled *polled = mem_resize(set->polled, capacity * sizeof(*polled));
    if (!polled)
        return false;
    for (uint32_t i = capacity; i-- > old;) {
        polled[i] = (struct polled){.next_free = set->polled_free};
        set->polled_free = i + 1;
    }
    set->polled = polled;
    set->polled_capacity = capacity;
    return true;
}

void polled_remove(struct interest *interest)
{
    struct epoll *set = interest->epoll;
    uint32_t handle = (uint32_t)interest->fd;
    set->polled[handle] = (struct polled){.next_free = set->polled_free};
    set->polled_free = handle + 1;
}

void polled_free(struct epoll *epoll)
{
    mem_free(epoll->polled);
}

static struct interest *polled_find(const struct epoll *set, const struct object *target,
                                    unsigned *watchers)
{
    *watchers = 0;
    for (struct ring *at = target->watchers; at; at = ring_next(target->watchers, at)) {
        struct interest *interest = interest_of_target(at);
        if (interest->epoll == set && interest->kind == INTEREST_POLLED)
            return interest;
        ++*watchers;
    }
    return NULL;
}

static enum status polled_add(struct sockd *sockd, struct epoll *set, struct object *target,
                              uint64_t *handle)
{
    unsigned watchers;
    struct interest *interest = polled_find(set, target, &watchers);
    if (interest) {
        *handle = (uint32_t)interest->fd;
        return ST_OK;
    }
    if (watchers >= EPOLL_WATCHERS_MAX)
        return ST_NOSPC;
    if (!set->polled_free && !handles_grow(set))
        return ST_NOMEM;
    enum status status = account_watch(sockd, set->object.account);
    if (status != ST_OK)
        return status;
    interest = mem_alloc(sizeof(*interest));
    if (!interest) {
        account_unwatch(sockd, set->object.account);
        return ST_NOMEM;
    }
    uint32_t free = set->polled_free - 1;
    set->polled_free = set->polled[free].next_free;
    set->polled[free] = (struct polled){.interest = interest};
    *interest = (struct interest){
        .epoll = set, .target = target, .fd = (int32_t)free, .kind = INTEREST_POLLED};
    ring_append(&set->members[INTEREST_POLLED], &interest->of_epoll);
    ring_prepend(&target->watchers, &interest->of_target);
    *handle = free;
    return ST_OK;
}

enum status op_poll_add(void *state, struct ipc_call *call, struct sock_poll_add_reply *reply)
{
    struct sockd *sockd = state;
    struct epoll *set;
    uint64_t *handles = &reply->handle0;
    _Static_assert(sizeof(*reply) == AR_MSG_CAPS * sizeof(uint64_t), "one handle a capability");
    enum status status = epoll_of_call(sockd, &set);
    for (unsigned i = 0; status == ST_OK && i < call->cap_count; i++) {
        struct object *target = call->caps[i].kind == AR_RECEIVED_BADGE
                                    ? object_find(sockd, call->caps[i].value)
                                    : NULL;
        if (!target || target->kind == OBJECT_NAME || target->kind == OBJECT_SESSION ||
            target->kind == OBJECT_EPOLL)
            return ST_BADF;
        status = polled_add(sockd, set, target, &handles[i]);
    }
    return status;
}

/* What one entry, a handle and events, has ready. With `arm`: when it is nothing, the wake-up is to
 * come for it. */
static inline uint16_t entry_poll(struct sockd *sockd, struct epoll *set, uint32_t entry, bool arm)
{
    uint32_t handle = entry & 0xffff, events = entry >> 16;
    struct interest *interest = handle < set->polled_capacity ? set->polled[handle].interest : NULL;
    if (!interest)
        return LX_POLLNVAL;
    uint32_t mask = object_poll(sockd, interest->target, events);
    if (!mask && arm)
        interest->events |= events | LX_POLLERR | LX_POLLHUP;
    return (uint16_t)mask;
}

static enum status set_arm(struct sockd *sockd, struct epoll *set, const struct ipc_call *call)
{
    return waiters_arm(&set->object.waiters, session_find(&sockd->sessions, call->principal),
                       WAKE_READ);
}

enum status op_poll_many(void *state, struct ipc_call *call,
                         const struct sock_poll_many_request *request,
                         struct sock_poll_many_reply *reply)
{
    struct sockd *sockd = state;
    struct epoll *set;
    uint32_t entries[SOCK_POLL_MOST], count = (uint32_t)request->count;
    uint16_t found[SOCK_POLL_MOST];
    uint64_t ready = 0;
    enum status status = epoll_of_call(sockd, &set);
    if (status == ST_OK)
        status = ipc_data_get(call, 0, entries, count * sizeof(entries[0]));
    if (status != ST_OK)
        return status;
    for (uint32_t i = 0; i < count; i++) {
        /* armed for nothing when a later one is ready: harmless */
        found[i] = entry_poll(sockd, set, entries[i], request->arm && !ready);
        ready += found[i] != 0;
    }
    reply->ready = ready;
    if (!ready && request->arm)
        status = set_arm(sockd, set, call);
    return status == ST_OK ? ipc_data_put(call, 0, found, count * sizeof(found[0])) : status;
}

enum status op_poll_few(void *state, struct ipc_call *call,
                        const struct sock_poll_few_request *request,
                        struct sock_poll_few_reply *reply)
{
    struct sockd *sockd = state;
    struct epoll *set;
    uint64_t words = request->first, found = 0;
    unsigned most = (unsigned)request->count * 16;
    enum status status = epoll_of_call(sockd, &set);
    if (status != ST_OK)
        return status;
    for (unsigned at = 0; at < most; at += 16) {
        if (at == 32)
            words = request->second;
        found |= (uint64_t)entry_poll(sockd, set, (uint32_t)words, request->arm && !found) << at;
        words >>= 32;
    }
    reply->found = found;
    return found || !request->arm ? ST_OK : set_arm(sockd, set, call);
}
