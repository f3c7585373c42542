/* Interest sets: see check.c, and servers/sockd/epoll.h for what must hold.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include "epoll.h"

static unsigned interests_found;

static bool ring_has(const struct ring *first, const struct ring *node)
{
    for (const struct ring *at = first; at; at = ring_next(first, at)) {
        CHECK(at->next->previous == at && at->previous->next == at, "a ring is broken");
        if (at == node)
            return true;
    }
    return false;
}

/* Would a read find something? These changes are always told. */
static bool has_something(const struct object *object)
{
    if (object->kind == OBJECT_PIPE_END)
        return !((const struct pipe_end *)object)->writes &&
               ((const struct pipe_end *)object)->pipe->count;
    if (object->kind == OBJECT_EVENT)
        return ((const struct event *)object)->value > 0;
    const struct socket *socket = (const struct socket *)object;
    return object->kind == OBJECT_SOCKET && (socket->first || socket->accept_first);
}

static void interest_check(const struct epoll *epoll, struct interest *interest, unsigned kind)
{
    CHECK(interest->epoll == epoll && interest->kind == kind, "an interest of another set");
    CHECK(interest->target || kind == INTEREST_FOREIGN, "an interest in nothing");
    if (interest->target) {
        CHECK(!interest->target->released, "an interest in an object that ended");
        CHECK((kind == INTEREST_NESTED) == (interest->target->kind == OBJECT_EPOLL) ||
                  kind == INTEREST_FOREIGN,
              "an interest of another kind");
        CHECK(kind != INTEREST_POLLED ||
                  epoll->polled[(uint32_t)interest->fd].interest == interest,
              "a handle that leads elsewhere");
        CHECK(ring_has(interest->target->watchers, &interest->of_target),
              "a target that does not know who watches it");
    }
    bool listed = ring_linked(&interest->of_ready);
    CHECK(listed == ring_has(epoll->ready, &interest->of_ready), "on no ready list, or on another");
    if (kind == INTEREST_PLAIN && (interest->events & LX_POLLIN) &&
        !(interest->events & LX_EPOLLET) && has_something(interest->target))
        CHECK(listed, "there is something to read, and epoll_wait will not look");
}

void watchers_check(const struct object *object)
{
    for (struct ring *at = object->watchers; at; at = ring_next(object->watchers, at)) {
        struct interest *interest = interest_of_target(at);
        CHECK(interest->target == object, "a watcher of another");
        CHECK(ring_has(interest->epoll->members[interest->kind], &interest->of_epoll),
              "a set that does not know its interest");
    }
}

void epoll_check(const struct epoll *epoll)
{
    unsigned foreign = 0;
    for (unsigned kind = 0; kind < INTEREST_KINDS; kind++) {
        struct ring *first = epoll->members[kind];
        for (struct ring *at = first; at; at = ring_next(first, at)) {
            interest_check(epoll, interest_of_epoll(at), kind);
            interests_found++;
            foreign += kind == INTEREST_FOREIGN;
        }
    }
    CHECK(foreign == epoll->foreign_count, "the number of foreign interests");
    for (struct ring *at = epoll->ready; at; at = ring_next(epoll->ready, at))
        CHECK(interest_of_ready(at)->epoll == epoll, "another's interest on the ready list");
}

/* Called last: the sets are all checked. */
void interests_compare(const struct sockd *sockd)
{
    CHECK(interests_found == sockd->interests || sockd->draining, "the number of interests");
    interests_found = 0;
}
