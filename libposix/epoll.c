/*
 * epoll(7): epoll_create(2), epoll_ctl(2), epoll_wait(2). The sets are epoll_set.c's.
 * SPDX-License-Identifier: MIT
 */
#include "epoll.h"

#include <proto/sock.h>

#define BEHAVIOUR (LX_EPOLLEXCLUSIVE | LX_EPOLLWAKEUP | LX_EPOLLONESHOT | LX_EPOLLET)
#define ALWAYS (LX_POLLERR | LX_POLLHUP)
#define EXCLUSIVE_ALLOWED                                                             \
    (LX_POLLIN | LX_POLLOUT | LX_POLLERR | LX_POLLHUP | LX_EPOLLWAKEUP | LX_EPOLLET | \
     LX_EPOLLEXCLUSIVE)

/* ---- asking ---------------------------------------------------------------------------------- */

/* In a threaded program the number may have been closed and given anew since it was added. */
static bool item_valid(const struct epoll_item *item)
{
    struct fd_identity now;
    if (process.threads <= 1)
        return true;
    return fd_identify(item->via, &now) == 0 && now.badge == item->target.badge &&
           now.issuer == item->target.issuer;
}

static uint32_t item_ask(const struct epoll_item *item, uint32_t wanted, bool arm, unsigned depth,
                         uint64_t *sequence)
{
    *sequence = 0;
    if (item->nested) { /* not by fd_poll: the lock is ours already */
        struct epoll_set *inner = epoll_set_find(&item->target);
        bool ready = inner && depth < EPOLL_NESTS_MAX && epoll_set_ready(inner, arm, depth + 1);
        return ready ? wanted & (LX_POLLIN | LX_POLLRDNORM) : 0;
    }
    uint32_t ready = fd_poll(item->via, wanted, arm, sequence);
    return ready & LX_POLLNVAL ? 0 : ready;
}

/* What the item has to report now. An edge-triggered one reports when something arrived since it
 * last did; while it has nothing new a wake-up is armed for the events that are not ready,
 * because the server arms none for those that are. */
static uint32_t item_poll(struct epoll_item *item, bool arm, unsigned depth, uint64_t *sequence)
{
    uint32_t wanted = (item->events & ~BEHAVIOUR) | ALWAYS;
    if (item->spent || !item_valid(item))
        return 0;
    uint32_t ready = item_ask(item, wanted, arm, depth, sequence);
    item->reported &= ready; /* what was seen to be not ready is news when it comes back */
    if (!(item->events & LX_EPOLLET) || !ready || item->fresh || *sequence != item->sequence ||
        (ready & ~item->reported))
        return ready;
    if (arm) {
        uint64_t ignored;
        item_ask(item, wanted & ~ready, true, depth, &ignored);
    }
    return 0;
}

bool epoll_set_ready(struct epoll_set *set, bool arm, unsigned depth)
{
    for (struct epoll_item *item = set->first; item; item = item->next) {
        uint64_t sequence;
        if (item_poll(item, arm, depth, &sequence))
            return true;
    }
    return false;
}

unsigned epoll_set_collect(struct epoll_set *set, struct linux_epoll_event *events, unsigned most,
                           bool arm)
{
    unsigned count = 0;
    struct epoll_item *end = set->last, *item = set->first;
    while (item && count < most) {
        struct epoll_item *next = item == end ? NULL : item->next;
        uint64_t sequence;
        uint32_t ready = item_poll(item, arm && count == 0, 0, &sequence);
        if (ready) {
            events[count++] = (struct linux_epoll_event){ready, item->data};
            item->fresh = false;
            item->sequence = sequence;
            item->spent = item->events & LX_EPOLLONESHOT;
            epoll_item_rotate(set, item);
        }
        if (ready)
            item->reported = ready;
        item = next;
    }
    return count;
}

uint32_t epoll_poll_self(int fd, bool arm)
{
    struct fd_identity self;
    if (fd_identify(fd, &self))
        return LX_POLLNVAL;
    lock_take(&epoll_lock);
    struct epoll_set *set = epoll_set_find(&self);
    bool ready = set && epoll_set_ready(set, arm, 1);
    lock_release(&epoll_lock);
    return ready ? LX_POLLIN | LX_POLLRDNORM : 0;
}

/* ---- making ---------------------------------------------------------------------------------- */

static long epoll_make(bool cloexec)
{
    if (fd_table_full())
        return ERR(MFILE);
    struct ipc_transfer transfer = {.recv_slots = receive_slots(), .recv_slot_count = 1};
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    long fd = POSIX_CALL(&retry, sock_event(POSIX_SLOT_SOCKD, 1, 0, 0, &transfer));
    return fd ? fd : fd_install(receive_slots()[0], 0, cloexec, IO_KIND_EPOLL, ISSUER_SOCKD);
}

long sys_epoll_create(const uint64_t a[6])
{
    return (int)a[0] <= 0 ? ERR(INVAL) : epoll_make(false);
}

long sys_epoll_create1(const uint64_t a[6])
{
    uint32_t flags = (uint32_t)a[0];
    return flags & ~(uint32_t)LX_EPOLL_CLOEXEC ? ERR(INVAL) : epoll_make(flags != 0);
}

/* The kind of a descriptor, asked of its server when it came from elsewhere. */
static long kind_of(int fd, unsigned *kind)
{
    struct fd_info info;
    long error = fd_begin(fd, NULL, &info);
    if (error)
        return error;
    *kind = fd_kind(fd, &info);
    fd_end(&info);
    return 0;
}

/* ---- epoll_ctl ------------------------------------------------------------------------------- */

static long item_change(struct epoll_item *item, const struct linux_epoll_event *event)
{
    item->events = event->events;
    item->data = event->data;
    item->spent = false;
    item->fresh = true;
    item->reported = 0;
    return 0;
}

static long item_new(struct epoll_set *set, int fd, const struct fd_identity *target, bool nested,
                     const struct linux_epoll_event *event)
{
    if (nested) {
        struct epoll_set *inner = epoll_set_get(target, fd);
        if (!inner)
            return ERR(NOMEM);
        if (epoll_set_loops(set, inner))
            return ERR(LOOP);
    }
    struct epoll_item *item = epoll_item_add(set, fd, target);
    if (!item)
        return ERR(NOMEM);
    item->nested = nested;
    return item_change(item, event);
}

static long set_change(struct epoll_set *set, int operation, int fd,
                       const struct fd_identity *target, bool nested,
                       const struct linux_epoll_event *event)
{
    struct epoll_item *item = epoll_item_find(set, fd, target);
    switch (operation) {
    case LX_EPOLL_CTL_ADD:
        return item ? ERR(EXIST) : item_new(set, fd, target, nested, event);
    case LX_EPOLL_CTL_DEL:
        if (!item)
            return ERR(NOENT);
        epoll_item_remove(set, item);
        return 0;
    case LX_EPOLL_CTL_MOD:
        if (!item)
            return ERR(NOENT);
        return item->events & LX_EPOLLEXCLUSIVE ? ERR(INVAL) : item_change(item, event);
    default:
        return ERR(INVAL);
    }
}

/* Linux's order of checks: memory, descriptors, what can be polled, then what makes no sense. */
static long ctl_check(int epfd, int operation, int fd, const struct linux_epoll_event *event,
                      bool *nested)
{
    unsigned epoll_kind, kind;
    if (kind_of(epfd, &epoll_kind) || kind_of(fd, &kind))
        return ERR(BADF);
    if (kind == IO_KIND_FILE || kind == IO_KIND_DIRECTORY || kind == IO_KIND_DEVICE ||
        kind == IO_KIND_PROC)
        return ERR(PERM);
    struct fd_identity a, b;
    if (fd_identify(epfd, &a) || fd_identify(fd, &b))
        return ERR(BADF);
    *nested = kind == IO_KIND_EPOLL;
    if (epoll_kind != IO_KIND_EPOLL || (a.badge == b.badge && a.issuer == b.issuer))
        return ERR(INVAL);
    if (operation != LX_EPOLL_CTL_DEL && (event->events & LX_EPOLLEXCLUSIVE)) {
        if (operation == LX_EPOLL_CTL_MOD)
            return ERR(INVAL);
        if (operation == LX_EPOLL_CTL_ADD && (*nested || (event->events & ~EXCLUSIVE_ALLOWED)))
            return ERR(INVAL);
    }
    return 0;
}

long sys_epoll_ctl(const uint64_t a[6])
{
    int epfd = (int)a[0], operation = (int)a[1], fd = (int)a[2];
    struct linux_epoll_event event = {0};
    bool nested;
    if (operation != LX_EPOLL_CTL_DEL && user_read(&event, (const void *)a[3], sizeof(event)))
        return ERR(FAULT);
    long error = ctl_check(epfd, operation, fd, &event, &nested);
    if (error)
        return error;
    struct fd_identity self, target;
    if (fd_identify(epfd, &self) || fd_identify(fd, &target))
        return ERR(BADF);
    lock_take(&epoll_lock);
    struct epoll_set *set = epoll_set_get(&self, epfd);
    if (set) {
        error = set_change(set, operation, fd, &target, nested, &event);
        if (!error && operation != LX_EPOLL_CTL_DEL)
            epoll_set_wake(set); /* whoever waits has not armed the new interest */
    } else {
        error = ERR(NOMEM);
    }
    lock_release(&epoll_lock);
    return error;
}

/* ---- epoll_wait ------------------------------------------------------------------------------ */

/* events of one call; a program that asks for more gets them with its next */
#define COLLECT_MAX 256

/* One look at the set, made when it is not there yet; the waiting bit is set under the same
 * lock, so that a change after this look wakes us. */
static long epoll_look(const struct fd_identity *self, int epfd, struct linux_epoll_event *events,
                       unsigned most, bool arm)
{
    uint32_t area = thread_self()->area;
    lock_take(&epoll_lock);
    struct epoll_set *set = epoll_set_get(self, epfd);
    long count = ERR(NOMEM);
    if (set) {
        readiness_begin();
        count = epoll_set_collect(set, events, most, arm);
        if (arm && count == 0)
            set->waiting[area / 64] |= 1ull << area % 64;
        else
            set->waiting[area / 64] &= ~(1ull << area % 64);
    }
    lock_release(&epoll_lock);
    return count;
}

static long epoll_collect(const struct fd_identity *self, int epfd,
                          struct linux_epoll_event *events, unsigned most, uint64_t deadline)
{
    for (;;) {
        long count = epoll_look(self, epfd, events, most, deadline != DEADLINE_NOW);
        if (count || deadline == DEADLINE_NOW)
            return count;
        switch (readiness_wait(deadline)) {
        case WAIT_WOKEN:
            break;
        case WAIT_TIMED_OUT:
            return epoll_look(self, epfd, events, most, false);
        case WAIT_INTERRUPTED:
            epoll_look(self, epfd, events, 0, false);
            return ERR(INTR); /* never restarted, signal(7) */
        }
    }
}

static long epoll_wait_run(const uint64_t a[6], uint64_t deadline)
{
    int epfd = (int)a[0], most = (int)a[2];
    if (most <= 0 || (uint64_t)most > INT32_MAX / sizeof(struct linux_epoll_event))
        return ERR(INVAL);
    if (!user_range_ok((const void *)a[1], (size_t)most * sizeof(struct linux_epoll_event)))
        return ERR(FAULT);
    unsigned kind;
    struct fd_identity self;
    if (kind_of(epfd, &kind) || fd_identify(epfd, &self))
        return ERR(BADF);
    if (kind != IO_KIND_EPOLL)
        return ERR(INVAL);
    struct linux_epoll_event events[COLLECT_MAX];
    long count = epoll_collect(&self, epfd, events,
                               most < COLLECT_MAX ? (unsigned)most : COLLECT_MAX, deadline);
    if (count > 0 && user_write((void *)a[1], events, (size_t)count * sizeof(events[0])))
        return ERR(FAULT);
    return count;
}

static uint64_t deadline_of(int32_t milliseconds)
{
    return milliseconds < 0    ? AR_NO_DEADLINE
           : milliseconds == 0 ? DEADLINE_NOW
                               : deadline_after((uint64_t)milliseconds * 1000000);
}

static long mask_take(uint64_t user, uint64_t size)
{
    uint64_t mask;
    long error = user ? signal_mask_read(&mask, (const void *)user, size) : 0;
    if (user && !error)
        signal_mask_push(mask);
    return error;
}

long sys_epoll_wait(const uint64_t a[6])
{
    return epoll_wait_run(a, deadline_of((int32_t)a[3]));
}

long sys_epoll_pwait(const uint64_t a[6])
{
    long error = mask_take(a[4], a[5]);
    return error ? error : epoll_wait_run(a, deadline_of((int32_t)a[3]));
}

long sys_epoll_pwait2(const uint64_t a[6])
{
    uint64_t deadline;
    long error = deadline_read(&deadline, a[3]);
    if (!error)
        error = mask_take(a[4], a[5]);
    return error ? error : epoll_wait_run(a, deadline);
}
