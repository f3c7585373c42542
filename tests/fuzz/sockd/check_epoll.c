/* Interests of epoll instances: see check.c and servers/sockd/epoll.h. SPDX-License-Identifier: MIT */
#include "check.h"
#include "epoll.h"

static unsigned ring_length(const struct ring *first)
{
    unsigned count = 0;
    for (const struct ring *at = first; at; at = ring_next(first, at)) {
        CHECK(at->next->previous == at && at->previous->next == at, "a ring is broken");
        CHECK(count++ < 100000, "a ring without an end");
    }
    return count;
}

static void interest_check(const struct epoll *epoll, const struct interest *interest,
                           enum interest_kind kind)
{
    const struct object *target = interest->target;
    CHECK(interest->epoll == epoll && interest->kind == kind, "an interest of another set");
    CHECK(kind == INTEREST_FOREIGN || target, "an interest in nothing");
    CHECK(kind != INTEREST_NESTED || target->kind == OBJECT_EPOLL, "a nested set that is none");
    CHECK(kind != INTEREST_PLAIN || target->kind != OBJECT_EPOLL, "a set that is not nested");
    CHECK(target != &epoll->object, "a set in itself");
    CHECK(!target || ring_linked(&interest->of_target), "a target does not know who watches");
    CHECK(kind != INTEREST_POLLED ||
              (!ring_linked(&interest->of_ready) &&
               (uint32_t)interest->fd < epoll->polled_capacity &&
               epoll->polled[interest->fd].interest == interest),
          "a handle leads to another interest");
    if (target)
        tally_of(target)->watchers++;
    if (ring_linked(&interest->of_ready))
        tally_of(epoll)->ready++;
    account_of(epoll->object.account)->interests++;
    totals.interests++;
}

/* Each handle is free or has an interest. */
static void handles_check(const struct epoll *epoll)
{
    uint32_t count = ring_length(epoll->members[INTEREST_POLLED]);
    for (uint32_t free = epoll->polled_free; free; free = epoll->polled[free - 1].next_free) {
        CHECK(free <= epoll->polled_capacity && !epoll->polled[free - 1].interest,
              "a free handle that is none");
        CHECK(count++ < epoll->polled_capacity, "free handles without an end");
    }
    CHECK(count == epoll->polled_capacity, "a handle is lost");
}

void epoll_check(const struct epoll *epoll)
{
    struct tally *tally = tally_of(epoll);
    for (unsigned kind = 0; kind < INTEREST_KINDS; kind++) {
        const struct ring *first = epoll->members[kind];
        unsigned length = ring_length(first);
        CHECK(kind != INTEREST_FOREIGN || length == epoll->foreign_count, "foreign interests");
        for (struct ring *at = epoll->members[kind]; at; at = ring_next(first, at))
            interest_check(epoll, interest_of_epoll(at), (enum interest_kind)kind);
    }
    handles_check(epoll);
    for (struct ring *at = epoll->ready; at; at = ring_next(epoll->ready, at))
        CHECK(interest_of_ready(at)->epoll == epoll, "another set's interest is on the ready list");
    CHECK(ring_length(epoll->ready) == tally->ready, "the ready list has others than interests");
}

/* Sets that ended with interests left: they are nobody's objects any more. */
void draining_check(const struct sockd *sockd)
{
    for (const struct epoll *epoll = sockd->draining; epoll; epoll = epoll->draining_next) {
        CHECK(epoll->object.released && epoll->object.refs == 1, "a set drains that did not end");
        account_of(epoll->object.account)->refs++;
        epoll_check(epoll);
    }
}

void watchers_check(const struct object *object)
{
    for (struct ring *at = object->watchers; at; at = ring_next(object->watchers, at))
        CHECK(interest_of_target(at)->target == object, "a watcher of another object");
    CHECK(ring_length(object->watchers) == tally_of(object)->watchers, "the number of watchers");
}

/* ---- readiness, without leaving a trace ------------------------------------------------------ */

static uint32_t socket_ready(const struct socket *socket)
{
    const struct socket *peer = socket->peer;
    uint32_t mask = socket->error != ST_OK ? LX_POLLERR : 0;
    if (socket->shutdown == SHUT_BOTH ||
        (socket_connection_based(socket) && socket->state == SOCKET_CLOSED))
        mask |= LX_POLLHUP;
    if (socket->shutdown & SHUT_RECEIVE)
        mask |= LX_POLLRDHUP | WAKE_READ;
    if (socket->first || socket->accept_first)
        mask |= WAKE_READ;
    if (socket->oob)
        mask |= LX_POLLPRI;
    bool room = socket->type == LX_SOCK_STREAM || !peer || peer->dead || datagram_room(socket, peer);
    return socket_writable(socket) && room ? mask | WAKE_WRITE : mask;
}

/* By an interest that is level-triggered, or has news. */
static bool set_ready(const struct epoll *epoll, unsigned depth)
{
    for (unsigned kind = 0; kind < INTEREST_FOREIGN && depth < 8; kind++)
        for (struct ring *at = epoll->members[kind]; at; at = ring_next(epoll->members[kind], at)) {
            const struct interest *interest = interest_of_epoll(at);
            uint32_t wanted = interest->events & ~LX_EPOLL_BEHAVIOUR;
            bool level = !(interest->events & (LX_EPOLLET | LX_EPOLLEXCLUSIVE));
            if (wanted && (level || ring_linked(&interest->of_ready)) &&
                (ready_now(interest->target, wanted, depth + 1) & wanted))
                return true;
        }
    return false;
}

uint32_t ready_now(const struct object *object, uint32_t events, unsigned depth)
{
    if (object->kind == OBJECT_SOCKET)
        return socket_ready((const struct socket *)object) & (events | LX_POLLERR | LX_POLLHUP);
    if (object->kind == OBJECT_EPOLL)
        return (events & WAKE_READ) && set_ready((const struct epoll *)object, depth) ? LX_POLLIN : 0;
    return object_poll(world.core, (struct object *)object, events);
}
