/*
 * poll(2), ppoll(2), and what all of the readiness family share. Every descriptor's server is
 * asked; each that has nothing arms a wake-up for our notification in the same request, so no
 * event can fall between asking and waiting. SPDX-License-Identifier: MIT
 */
#include "files.h"

/* what has no readiness is always ready */
#define POLL_FILE (LX_POLLIN | LX_POLLOUT | LX_POLLRDNORM | LX_POLLWRNORM)

/* ---- time ------------------------------------------------------------------------------------ */

static uint64_t deadline_from(uint64_t ns)
{
    return ns == 0 ? DEADLINE_NOW : deadline_after(ns);
}

long deadline_read(uint64_t *deadline_ns, uint64_t user)
{
    uint64_t ns;
    *deadline_ns = AR_NO_DEADLINE;
    if (!user)
        return 0;
    long error = timespec_read(&ns, (const void *)user);
    if (!error)
        *deadline_ns = deadline_from(ns);
    return error;
}

long deadline_read_micro(uint64_t *deadline_ns, uint64_t user)
{
    struct linux_timeval time;
    *deadline_ns = AR_NO_DEADLINE;
    if (!user)
        return 0;
    if (user_read(&time, (const void *)user, sizeof(time)))
        return ERR(FAULT);
    int64_t seconds;
    /* Microseconds of a second or more are carried, as select(2) on Linux does. */
    if (time.microseconds < 0 ||
        __builtin_add_overflow(time.seconds, time.microseconds / 1000000, &seconds) || seconds < 0)
        return ERR(INVAL);
    if ((uint64_t)seconds < INT64_MAX / NS_PER_SECOND)
        *deadline_ns = deadline_from((uint64_t)seconds * NS_PER_SECOND + (uint64_t)(time.microseconds % 1000000) * 1000);
    return 0;
}

uint64_t deadline_left(uint64_t deadline_ns)
{
    if (deadline_ns == DEADLINE_NOW)
        return 0;
    uint64_t now = deadline_after(0);
    return deadline_ns > now ? deadline_ns - now : 0;
}

/* ---- one descriptor -------------------------------------------------------------------------- */

uint32_t fd_poll(int fd, uint32_t events, bool arm, uint64_t *sequence)
{
    struct fd_info info;
    if (sequence)
        *sequence = 0;
    if (fd_begin(fd, NULL, &info))
        return LX_POLLNVAL;
    uint32_t ready;
    bool foreign = false;
    switch (fd_kind(fd, &info)) {
    case IO_KIND_FILE:
    case IO_KIND_DIRECTORY:
        ready = POLL_FILE;
        break;
    case FILES_KIND_TIMER:
    case FILES_KIND_SIGNAL:
        ready = virtual_poll(fd, info.kind, arm);
        break;
    default: {
        struct posix_retry retry = {.server = info.server};
        struct io_poll_reply reply = {0};
        long error = POSIX_CALL(&retry, io_poll(info.slot, events, arm, &reply));
        /* A server of files need not know readiness: what has none is ready, poll(2). */
        ready = !error                        ? (uint32_t)reply.ready
                : info.server == ISSUER_SOCKD ? LX_POLLERR
                                              : POLL_FILE;
        if (sequence)
            *sequence = reply.sequence;
        foreign = info.kind == IO_KIND_EPOLL && reply.sequence;
    }
    }
    fd_end(&info);
    if (foreign)
        ready = epoll_poll_foreign(fd, events, arm);
    return ready & (events | LX_POLLERR | LX_POLLHUP | LX_POLLNVAL);
}

/* ---- poll ------------------------------------------------------------------------------------ */

#define POLL_FEW 2 /* up to here, each is asked alone: that is cheaper */

/* From the first that is ready on, nothing more is armed. */
long poll_scan(const struct linux_pollfd *fds, int16_t *results, uint64_t count, bool arm)
{
    readiness_begin();
    uint64_t alone = count;
    long ready = count > POLL_FEW ? poll_batch(fds, results, count, arm, &alone) : 0;
    for (uint64_t i = 0; alone && i < count; i++) {
        if (count > POLL_FEW && results[i] != POLL_ASK_ALONE)
            continue;
        results[i] = 0;
        if (fds[i].fd < 0)
            continue;
        results[i] = (int16_t)fd_poll(fds[i].fd, (uint16_t)fds[i].events, arm && ready == 0, NULL);
        ready += results[i] != 0;
    }
    return ready;
}

static long poll_wait(const struct linux_pollfd *fds, int16_t *results, uint64_t count,
                      uint64_t deadline)
{
    for (;;) {
        long ready = poll_scan(fds, results, count, deadline != DEADLINE_NOW);
        if (ready || deadline == DEADLINE_NOW)
            return ready;
        switch (readiness_wait(deadline)) {
        case WAIT_WOKEN:
            break;
        case WAIT_TIMED_OUT:
            return poll_scan(fds, results, count, false);
        case WAIT_INTERRUPTED:
            return -POSIX_RESTART_NOHAND;
        }
    }
}

/* Only revents goes back: another thread may be changing the rest. What stands there already need
 * not be written, once the pages are known to let us. 0 or -EFAULT. */
static long results_write(uint64_t user, const struct linux_pollfd *fds, const int16_t *results,
                          uint32_t count)
{
    struct ar_segment all = {user, count * sizeof(*fds)};
    if (count > POLL_FEW && user_touch(&all, 1, true))
        return ERR(FAULT);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t field = user + i * sizeof(*fds) + offsetof(struct linux_pollfd, revents);
        if (count > POLL_FEW && results[i] == fds[i].revents)
            continue;
        if (user_write((void *)field, &results[i], sizeof(results[i])))
            return ERR(FAULT);
    }
    return 0;
}

#define POLL_SMALL 256

static long poll_run(uint64_t user, uint32_t count, uint64_t deadline)
{
    struct linux_pollfd small[POLL_SMALL], *fds = small;
    int16_t small_results[POLL_SMALL], *results = small_results;
    size_t bytes = (size_t)count * sizeof(*fds);
    if (count > process.nofile_soft)
        return ERR(INVAL);
    if (count > POLL_SMALL) {
        fds = private_alloc(bytes + count * sizeof(*results));
        if (!fds)
            return ERR(NOMEM);
        results = (int16_t *)&fds[count];
    }
    long result = user_read(fds, (const void *)user, bytes);
    if (!result) {
        result = poll_wait(fds, results, count, deadline);
        if (results_write(user, fds, results, count))
            result = ERR(FAULT);
    }
    if (fds != small)
        private_free(fds);
    return result;
}

long sys_poll(const uint64_t a[6])
{
    int32_t milliseconds = (int32_t)a[2];
    uint64_t deadline =
        milliseconds < 0 ? AR_NO_DEADLINE : deadline_from((uint64_t)milliseconds * 1000000);
    return poll_run(a[0], (uint32_t)a[1], deadline);
}

long sys_ppoll(const uint64_t a[6])
{
    uint64_t deadline, mask;
    long result = deadline_read(&deadline, a[2]);
    if (result)
        return result;
    if (a[3]) {
        result = signal_mask_read(&mask, (const void *)a[3], a[4]);
        if (result)
            return result;
        signal_mask_push(mask);
    }
    result = poll_run(a[0], (uint32_t)a[1], deadline);
    /* what is left of the time; a read-only one is no error */
    if (a[2] && deadline != AR_NO_DEADLINE) {
        uint64_t left = deadline_left(deadline);
        struct linux_timespec rest = {(int64_t)(left / NS_PER_SECOND),
                                      (int64_t)(left % NS_PER_SECOND)};
        user_write((void *)a[2], &rest, sizeof(rest));
    }
    return result;
}
