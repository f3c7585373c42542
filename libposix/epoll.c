/*
 * epoll(7): epoll_create(2), epoll_ctl(2), epoll_wait(2) on sockd's instances.
 * SPDX-License-Identifier: MIT
 */
#include "epoll.h"
#include "fd_table.h"

#include <proto/sock.h>

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

/* ---- epoll_ctl ------------------------------------------------------------------------------- */

/* Both descriptors are in use. Linux's order: what can be polled, then what makes no sense. */
static long ctl_run(int epfd, struct fd_info *epoll, int operation, int fd, struct fd_info *target,
                    const struct linux_epoll_event *event)
{
    unsigned kind = fd_kind(fd, target);
    if (kind == IO_KIND_FILE || kind == IO_KIND_DIRECTORY || kind == IO_KIND_DEVICE ||
        kind == IO_KIND_PROC)
        return ERR(PERM);
    if (fd_kind(epfd, epoll) != IO_KIND_EPOLL)
        return ERR(INVAL);
    bool ours = target->server == ISSUER_SOCKD;
    bool foreign = !ours || kind == FILES_KIND_TIMER || kind == FILES_KIND_SIGNAL;
    struct fd_identity identity = {0};
    if (!ours && fd_identify(fd, &identity))
        return ERR(BADF);
    if (operation < LX_EPOLL_CTL_ADD || operation > LX_EPOLL_CTL_MOD)
        operation = 0; /* nothing that sockd knows */
    struct ipc_transfer transfer = {.caps = (const uint64_t[]){target->slot}, .cap_count = ours};
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    long error = POSIX_CALL(&retry, sock_epoll_ctl(epoll->slot, operation, (uint32_t)fd,
                                                   event->events, event->data, foreign,
                                                   identity.issuer, identity.badge, &transfer));
    if (!error && !ours && operation == LX_EPOLL_CTL_ADD)
        epoll_foreign_watched();
    /* What is ready now takes its place in the order of events now. */
    if (!error && foreign && operation != LX_EPOLL_CTL_DEL)
        epoll_ask_foreign(epoll->slot, false);
    return error;
}

long sys_epoll_ctl(const uint64_t a[6])
{
    int epfd = (int)a[0], operation = (int)a[1], fd = (int)a[2];
    struct linux_epoll_event event = {0};
    struct fd_info epoll, target;
    if (operation != LX_EPOLL_CTL_DEL && user_read(&event, (const void *)a[3], sizeof(event)))
        return ERR(FAULT);
    if (fd_begin2(epfd, NULL, &epoll))
        return ERR(BADF);
    long error = fd_begin(fd, NULL, &target);
    if (!error) {
        error = ctl_run(epfd, &epoll, operation, fd, &target, &event);
        fd_end(&target);
    }
    fd_end(&epoll);
    return error;
}

/* ---- epoll_wait ------------------------------------------------------------------------------ */

struct epoll_wait {
    ar_cap slot;
    bool memory; /* the answer comes in the program's memory, even when it is one event */
    uint64_t most, deadline;
    struct ar_segment events;
    struct sock_epoll_wait_reply reply;
    struct ipc_transfer transfer;
};

/* How many events a request asks for. */
static inline uint64_t wait_most(int most)
{
    return most < SOCK_EPOLL_MOST ? (unsigned)most : SOCK_EPOLL_MOST;
}

static inline enum status wait_request(struct epoll_wait *wait, bool arm, bool reported)
{
    return sock_epoll_wait(wait->slot, wait->most, arm, reported, !wait->memory, &wait->reply,
                           &wait->transfer);
}

/* The request is made and has this answer: repeat it until it has one for the program. */
static long wait_settle(struct epoll_wait *wait, struct posix_retry *retry, enum status status,
                        bool arm, bool reported)
{
    retry->server = ISSUER_SOCKD;
    retry->transfer = &wait->transfer;
    while (!posix_done(retry, status) && posix_again(retry, status))
        status = wait_request(wait, arm, reported);
    if (retry->status != ST_OK)
        wait->reply = (struct sock_epoll_wait_reply){0};
    return retry->result;
}

/* There are descriptions in the set that sockd cannot ask: each round we do. */
static long wait_with_foreign(struct epoll_wait *wait)
{
    bool arm = wait->deadline != DEADLINE_NOW;
    for (;;) {
        readiness_begin();
        wait->reply = (struct sock_epoll_wait_reply){0};
        long error = epoll_ask_foreign(wait->slot, arm);
        struct posix_retry retry = {.no_wait = true};
        if (!error)
            error = wait_settle(wait, &retry, wait_request(wait, arm, true), arm, true);
        if ((error && error != ERR(AGAIN)) || wait->reply.count || !arm)
            return error;
        switch (readiness_wait(wait->deadline)) {
        case WAIT_WOKEN:
            break;
        case WAIT_TIMED_OUT:
            posix_give_up(ISSUER_SOCKD);
            arm = false; /* one last look */
            break;
        case WAIT_INTERRUPTED:
            posix_give_up(ISSUER_SOCKD);
            return ERR(INTR);
        }
    }
}

/* The first answer was not what most are. */
static __attribute__((noinline)) long wait_slowly(struct epoll_wait *wait, enum status status)
{
    bool arm = wait->deadline != DEADLINE_NOW;
    struct posix_retry retry = {.deadline_ns = wait->deadline, .interrupted = ERR(INTR)};
    long error = wait_settle(wait, &retry, status, arm, false);
    if (error == ERR(AGAIN)) { /* time is up: one last look */
        retry = (struct posix_retry){0};
        error = wait_settle(wait, &retry, wait_request(wait, false, false), false, false);
    }
    return !error && wait->reply.foreign ? wait_with_foreign(wait) : error;
}

/* How many events the program has now, or -errno. `status`: of the request, which is made. */
static long wait_answer(struct epoll_wait *wait, enum status status)
{
    const struct sock_epoll_wait_reply *reply = &wait->reply;
    long error = status == ST_OK && !reply->foreign ? 0 : wait_slowly(wait, status);
    if (!error && reply->events) {
        const struct linux_epoll_event event = {(uint32_t)reply->events, reply->data};
        if (!user_write((void *)wait->events.address, &event, sizeof(event)))
            return 1;
        wait->memory = true; /* the event is still there: let sockd see the fault */
        return wait_answer(wait, wait_request(wait, wait->deadline != DEADLINE_NOW, false));
    }
    if (error)
        return error;
    return (long)(reply->count < wait->most ? reply->count : wait->most);
}

/* `asked`: the request was made, and `status` and `reply` are its answer. */
static __attribute__((noinline)) long wait_general(const uint64_t a[6], uint64_t deadline,
                                                   bool asked, enum status status,
                                                   const struct sock_epoll_wait_reply *reply)
{
    int epfd = (int)a[0];
    struct epoll_wait wait = {.deadline = deadline, .most = wait_most((int)a[2]), .reply = *reply};
    struct fd_info info;
    if (fd_begin2(epfd, NULL, &info))
        return ERR(BADF);
    long result = ERR(INVAL);
    if (fd_kind(epfd, &info) == IO_KIND_EPOLL) {
        wait.slot = info.slot;
        wait.events = (struct ar_segment){a[1], wait.most * sizeof(struct linux_epoll_event)};
        wait.transfer.out = &wait.events;
        wait.transfer.out_count = 1;
        if (!asked)
            status = wait_request(&wait, deadline != DEADLINE_NOW, false);
        result = wait_answer(&wait, status);
    }
    fd_end(&info);
    return result;
}

static __attribute__((noinline)) long wait_unasked(const uint64_t a[6], uint64_t deadline)
{
    const struct sock_epoll_wait_reply none = {0};
    return wait_general(a, deadline, false, ST_OK, &none);
}

/* After a first request that did not end the call. */
static __attribute__((noinline)) long wait_on(const uint64_t a[6], uint64_t deadline,
                                              enum status status, uint64_t count,
                                              uint64_t foreign, uint64_t events, uint64_t data)
{
    const struct sock_epoll_wait_reply reply = {count, foreign, events, data};
    bool asked = status == ST_WAIT || (status == ST_OK && reply.foreign);
    return wait_general(a, deadline, asked, status, &reply);
}

/* The short way, for an instance that nobody can close under us: one request, one answer. After any
 * other answer the long way goes on; what only bad memory can change is asked for anew. */
static long epoll_wait_run(const uint64_t a[6], uint64_t deadline)
{
    int epfd = (int)a[0], most = (int)a[2];
    struct sock_epoll_wait_reply reply = {0};
    if (most <= 0 || (uint64_t)most > INT32_MAX / sizeof(struct linux_epoll_event))
        return ERR(INVAL);
    if (!user_range_ok((const void *)a[1], (size_t)most * sizeof(struct linux_epoll_event)))
        return ERR(FAULT);
    if (!fd_is(epfd, IO_KIND_EPOLL))
        return wait_unasked(a, deadline);
    struct ar_segment events = {a[1], wait_most(most) * sizeof(struct linux_epoll_event)};
    struct ipc_transfer transfer = {.out = &events, .out_count = 1};
    enum status status = sock_epoll_wait(fd_slot(epfd), wait_most(most), deadline != DEADLINE_NOW,
                                         0, 1, &reply, &transfer);
    const struct linux_epoll_event event = {(uint32_t)reply.events, reply.data};
    if (status == ST_OK && reply.events && !copy_bytes((void *)a[1], &event, sizeof(event)))
        return 1;
    if (status == ST_OK && !reply.events && !reply.foreign)
        return (long)(reply.count < wait_most(most) ? reply.count : wait_most(most));
    return wait_on(a, deadline, status, reply.count, reply.foreign, reply.events, reply.data);
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
