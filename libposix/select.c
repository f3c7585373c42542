/*
 * select(2), pselect6(2): poll with sets of bits. SPDX-License-Identifier: MIT
 */
#include "files.h"

#define SELECT_READ (LX_POLLIN | LX_POLLRDNORM | LX_POLLRDBAND)
#define SELECT_WRITE (LX_POLLOUT | LX_POLLWRNORM | LX_POLLWRBAND)
/* Errors make both ready, a hang-up makes reading so. */
#define SELECT_READ_READY (SELECT_READ | LX_POLLHUP | LX_POLLERR)
#define SELECT_WRITE_READY (SELECT_WRITE | LX_POLLERR)

#define SETS 3
static const uint32_t wanted_events[SETS] = {SELECT_READ, SELECT_WRITE, LX_POLLPRI};
static const uint32_t ready_events[SETS] = {SELECT_READ_READY, SELECT_WRITE_READY, LX_POLLPRI};

struct select {
    int count;                /* descriptors below this are looked at */
    size_t words;             /* of each set */
    uint64_t user[SETS];      /* 0: no such set */
    uint64_t *wanted[SETS], *ready[SETS];
    uint64_t deadline;
};

static bool bit_get(const uint64_t *set, int bit)
{
    return set[bit / 64] >> bit % 64 & 1;
}

/* Ask once. The number of bits that are ready, or -EBADF. */
static long select_scan(struct select *select, bool arm)
{
    long bits = 0;
    readiness_begin();
    for (int s = 0; s < SETS; s++)
        memset(select->ready[s], 0, select->words * sizeof(uint64_t));
    for (int fd = 0; fd < select->count; fd++) {
        uint32_t events = 0;
        for (int s = 0; s < SETS; s++)
            if (bit_get(select->wanted[s], fd))
                events |= wanted_events[s];
        if (!events)
            continue;
        uint32_t got = fd_poll(fd, events, arm && bits == 0, NULL);
        if (got & LX_POLLNVAL)
            return ERR(BADF);
        for (int s = 0; s < SETS; s++)
            if (bit_get(select->wanted[s], fd) && (got & ready_events[s])) {
                select->ready[s][fd / 64] |= 1ull << fd % 64;
                bits++;
            }
    }
    return bits;
}

/* A bit for a descriptor that is not open is EBADF before anything waits. */
static long select_wait(struct select *select)
{
    for (;;) {
        long bits = select_scan(select, select->deadline != DEADLINE_NOW);
        if (bits || select->deadline == DEADLINE_NOW)
            return bits;
        switch (readiness_wait(select->deadline)) {
        case WAIT_WOKEN:
            break;
        case WAIT_TIMED_OUT:
            return select_scan(select, false);
        case WAIT_INTERRUPTED:
            return -POSIX_RESTART_NOHAND;
        }
    }
}

static long select_sets(struct select *select)
{
    size_t bytes = select->words * sizeof(uint64_t);
    for (int s = 0; s < SETS; s++)
        if (select->user[s] && user_read(select->wanted[s], (const void *)select->user[s], bytes))
            return ERR(FAULT);
    long bits = select_wait(select);
    if (bits < 0)
        return bits; /* the program's sets stay as they are */
    for (int s = 0; s < SETS; s++)
        if (select->user[s] && user_write((void *)select->user[s], select->ready[s], bytes))
            return ERR(FAULT);
    return bits;
}

#define SELECT_SMALL 16 /* words: FD_SETSIZE bits without an allocation */

static long select_run(const uint64_t a[6], uint64_t deadline)
{
    uint64_t small[2 * SETS * SELECT_SMALL], *memory = small;
    struct select select = {.count = (int)a[0], .user = {a[1], a[2], a[3]}, .deadline = deadline};
    if (select.count < 0)
        return ERR(INVAL);
    if (select.count > POSIX_FD_MAX)
        select.count = POSIX_FD_MAX;
    select.words = ((size_t)select.count + 63) / 64;
    size_t bytes = 2 * SETS * select.words * sizeof(uint64_t);
    if (select.words > SELECT_SMALL) {
        memory = private_alloc(bytes);
        if (!memory)
            return ERR(NOMEM);
    }
    memset(memory, 0, bytes);
    for (int s = 0; s < SETS; s++) {
        select.wanted[s] = memory + 2 * (size_t)s * select.words;
        select.ready[s] = memory + (2 * (size_t)s + 1) * select.words;
    }
    long result = select_sets(&select);
    if (memory != small)
        private_free(memory);
    return result;
}

long sys_select(const uint64_t a[6])
{
    uint64_t deadline;
    long result = deadline_read_micro(&deadline, a[4]);
    if (result)
        return result;
    result = select_run(a, deadline);
    if (a[4] && deadline != AR_NO_DEADLINE) {
        uint64_t left = deadline_left(deadline);
        struct linux_timeval rest = {(int64_t)(left / NS_PER_SECOND),
                                     (int64_t)(left % NS_PER_SECOND / 1000)};
        user_write((void *)a[4], &rest, sizeof(rest));
    }
    return result;
}

long sys_pselect6(const uint64_t a[6])
{
    struct { uint64_t set, size; } signals = {0};
    uint64_t deadline, mask;
    if (a[5] && user_read(&signals, (const void *)a[5], sizeof(signals)))
        return ERR(FAULT);
    long result = deadline_read(&deadline, a[4]);
    if (result)
        return result;
    if (signals.set) {
        result = signal_mask_read(&mask, (const void *)signals.set, signals.size);
        if (result)
            return result;
        signal_mask_push(mask);
    }
    result = select_run(a, deadline);
    if (a[4] && deadline != AR_NO_DEADLINE) {
        uint64_t left = deadline_left(deadline);
        struct linux_timespec rest = {(int64_t)(left / NS_PER_SECOND),
                                      (int64_t)(left % NS_PER_SECOND)};
        user_write((void *)a[4], &rest, sizeof(rest));
    }
    return result;
}
