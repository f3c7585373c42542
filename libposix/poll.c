/*
 * poll(2), ppoll(2), and what all of the readiness family share. Every descriptor's server is
 * asked; each that has nothing arms a wake-up for our notification in the same request, so no
 * event can fall between asking and waiting. SPDX-License-Identifier: MIT
 */
#include "poll.h"

#include <proto/sock.h>

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

uint32_t question_first(void)
{
    uint64_t *next = question_next();
    if (*next == 0)
        return 1;
    wait_forget();
    *next = ANSWER_LEAST;
    return ANSWER_LEAST;
}

/* A description of some server's. *number (in: whether one is wanted): of the question that is open
 * now, or 0. */
static uint32_t description_poll(const struct fd_info *info, uint64_t events, bool arm,
                                 uint64_t *sequence, uint32_t *number)
{
    struct io_poll_reply reply = {0};
    bool numbered = arm && *number && info->server == ISSUER_SOCKD && info->kind != IO_KIND_EPOLL;
    uint32_t question = numbered ? question_number() : arm;
    enum status status = io_poll(info->slot, events, question, &reply);
    *number = 0;
    if (status != ST_OK) {
        struct posix_retry retry = {.server = info->server};
        while (posix_again(&retry, status))
            status = io_poll(info->slot, events, question, &reply);
        /* A server of files need not know readiness: what has none is ready, poll(2). */
        if (status != ST_OK)
            reply.ready = info->server == ISSUER_SOCKD ? LX_POLLERR : POLL_FILE;
    }
    *sequence = reply.sequence;
    if (numbered && !reply.ready) {
        question_asked();
        *number = question;
    }
    return (uint32_t)reply.ready;
}

static uint32_t poll_ask(int fd, uint64_t events, bool arm, uint64_t *sequence, uint32_t *number)
{
    struct fd_info info;
    uint32_t ready;
    unsigned kind;
    *sequence = 0;
    if (fd_begin(fd, NULL, &info)) {
        *number = 0;
        return LX_POLLNVAL;
    }
    kind = info.kind ? info.kind : fd_kind(fd, &info);
    switch (kind) {
    case IO_KIND_FILE:
    case IO_KIND_DIRECTORY:
        ready = POLL_FILE;
        *number = 0;
        break;
    case FILES_KIND_TIMER:
    case FILES_KIND_SIGNAL:
        ready = virtual_poll(fd, info.kind, arm);
        *number = 0;
        break;
    default:
        ready = description_poll(&info, events, arm, sequence, number);
    }
    fd_end(&info);
    if (kind == IO_KIND_EPOLL && *sequence)
        ready = epoll_poll_foreign(fd, (uint32_t)events, arm);
    return ready & ((uint32_t)events | LX_POLLERR | LX_POLLHUP | LX_POLLNVAL);
}

uint32_t fd_poll(int fd, uint64_t events, bool arm, uint64_t *sequence)
{
    uint32_t number = 0;
    uint64_t ignored;
    return poll_ask(fd, events, arm, sequence ? sequence : &ignored, &number);
}

/* ---- poll ------------------------------------------------------------------------------------ */

#define POLL_ALONE 1 /* up to here, each is asked alone: that is cheaper */

#define POLL_HELD AR_MSG_CAPS /* up to here, we hold what we sleep on */

/* Another thread may close a number that this one waits for. On Linux the description lasts until the call
 * ends, and the close wakes nobody. So do few; receive slots are free until then. */
static void poll_hold(struct poll_scan *scan)
{
    if (scan->held || process.threads <= 1 || scan->count > POLL_HELD)
        return;
    for (uint64_t i = 0; i < scan->count; i++)
        fd_hold(scan->fds[i].fd, receive_slots()[i]);
    scan->held = true;
}

void poll_release(struct poll_scan *scan)
{
    if (scan->held)
        receive_slots_clear();
    scan->held = false;
}

/* What is held of number `i`, which is closed: is there an event that would have woken us? */
static bool held_ready(const struct poll_scan *scan, uint64_t i, bool arm)
{
    uint32_t events = (uint16_t)scan->fds[i].events;
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    struct io_poll_reply reply = {0};
    return scan->held && !POSIX_CALL(&retry, io_poll(receive_slots()[i], events, arm, &reply)) &&
           (reply.ready & (events | LX_POLLERR | LX_POLLHUP));
}

/* One of them, by itself. */
static void scan_one(struct poll_scan *scan, uint64_t i, bool arm, long *ready, long *closed)
{
    const struct linux_pollfd *asked = &scan->fds[i];
    uint16_t events = (uint16_t)asked->events, ends = scan->select ? events | LX_POLLNVAL : UINT16_MAX;
    bool armed = arm && *ready == 0;
    scan->results[i] = 0;
    if (asked->fd < 0)
        return;
    scan->results[i] =
        (int16_t)fd_poll(asked->fd, events | (scan->select ? IO_POLL_WANTED : 0), armed, NULL);
    if (scan->again && scan->results[i] == LX_POLLNVAL && !held_ready(scan, i, armed))
        ++*closed;
    else
        *ready += ((uint16_t)scan->results[i] & ends) != 0;
}

/* From the first that is ready on, nothing more is armed. For select a hang-up that it did not ask about
 * must not hide what it did: then each is asked alone. */
long poll_scan(struct poll_scan *scan, bool arm)
{
    uint64_t alone = scan->count;
    long closed = 0, ready = 0;
    bool batch = scan->count > POLL_ALONE;
    readiness_begin();
    if (batch)
        ready = poll_batch(scan->fds, scan->results, scan->count, arm, &alone);
    if (ready && scan->select) {
        batch = false;
        ready = 0;
    }
    for (uint64_t i = 0; (alone || !batch) && i < scan->count; i++)
        if (!batch || scan->results[i] == POLL_ASK_ALONE)
            scan_one(scan, i, arm, &ready, &closed);
    scan->again = true;
    if (ready || !arm)
        return ready + closed;
    poll_hold(scan);
    return 0;
}

/* One descriptor: the wake-up may bring the answer. What it says was so while we waited. */
static long poll_single(struct poll_scan *scan, uint64_t deadline)
{
    const struct linux_pollfd *asked = &scan->fds[0];
    int16_t *result = &scan->results[0];
    bool arm = deadline != DEADLINE_NOW;
    for (;;) {
        uint64_t sequence, bits;
        uint32_t number = arm;
        readiness_begin();
        *result = (int16_t)poll_ask(asked->fd, (uint16_t)asked->events, arm, &sequence, &number);
        bool closed = scan->again && arm && *result == LX_POLLNVAL && !held_ready(scan, 0, arm);
        if ((*result && !closed) || !arm)
            return *result != 0;
        scan->again = true;
        poll_hold(scan);
        switch (readiness_wait_bits(deadline, &bits)) {
        case WAIT_WOKEN:
            *result = number ? (int16_t)answer_ready(bits, number) : 0;
            if (*result)
                return 1;
            break;
        case WAIT_TIMED_OUT:
            arm = false;
            break;
        case WAIT_INTERRUPTED:
            return -POSIX_RESTART_NOHAND;
        }
    }
}

static long poll_wait(struct poll_scan *scan, uint64_t deadline)
{
    if (scan->count == 1 && scan->fds[0].fd >= 0)
        return poll_single(scan, deadline);
    for (;;) {
        long ready = poll_scan(scan, deadline != DEADLINE_NOW);
        if (ready || deadline == DEADLINE_NOW)
            return ready;
        switch (readiness_wait(deadline)) {
        case WAIT_WOKEN:
            break;
        case WAIT_TIMED_OUT:
            return poll_scan(scan, false);
        case WAIT_INTERRUPTED:
            return -POSIX_RESTART_NOHAND;
        }
    }
}

#define POLL_SMALL 256 /* so many without an allocation */

/* Only revents goes back: another thread may be changing the rest. What stands there already need
 * not be written, once the pages are known to let us. 0 or -EFAULT. */
static long results_write(uint64_t user, const struct linux_pollfd *fds, const int16_t *results,
                          uint32_t count)
{
    struct ar_segment all = {user, count * sizeof(*fds)};
    if (count > 1 && user_touch(&all, 1, true))
        return ERR(FAULT);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t field = user + i * sizeof(*fds) + offsetof(struct linux_pollfd, revents);
        if (count > 1 && results[i] == fds[i].revents)
            continue;
        if (user_write((void *)field, &results[i], sizeof(results[i])))
            return ERR(FAULT);
    }
    return 0;
}

long poll_entries(uint64_t user, const struct linux_pollfd *fds, uint32_t count, uint64_t deadline)
{
    int16_t small[POLL_SMALL], *results = small;
    if (count > POLL_SMALL) {
        results = private_alloc(count * sizeof(*results));
        if (!results)
            return ERR(NOMEM);
    }
    struct poll_scan scan = {.fds = fds, .results = results, .count = count};
    long result = poll_wait(&scan, deadline);
    poll_release(&scan);
    if (results_write(user, fds, results, count))
        result = ERR(FAULT);
    if (results != small)
        private_free(results);
    return result;
}

static long poll_many(uint64_t user, uint32_t count, uint64_t deadline)
{
    struct linux_pollfd small[POLL_SMALL], *fds = small;
    size_t bytes = (size_t)count * sizeof(*fds);
    if (count > process.nofile_soft)
        return ERR(INVAL);
    if (count > POLL_SMALL) {
        fds = private_alloc(bytes);
        if (!fds)
            return ERR(NOMEM);
    }
    long result = user_read(fds, (const void *)user, bytes);
    if (!result)
        result = poll_entries(user, fds, count, deadline);
    if (fds != small)
        private_free(fds);
    return result;
}

long poll_run(uint64_t user, uint32_t count, uint64_t deadline)
{
    return count - 1 < SOCK_POLL_FEW_MOST && count <= process.nofile_soft
               ? poll_plain(user, count, deadline)
               : poll_many(user, count, deadline);
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
