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
static const uint32_t ready_events[SETS] = {SELECT_READ_READY, SELECT_WRITE_READY, LX_POLLPRI};

struct select {
    int count;                /* descriptors below this are looked at */
    size_t words;             /* of each set */
    uint64_t user[SETS];      /* 0: no such set */
    uint64_t *wanted[SETS], *ready[SETS];
    uint64_t deadline;
    uint32_t watched; /* descriptors with a bit */
    struct linux_pollfd *fds;
    int16_t *results;
    struct poll_scan scan;
};

static bool bit_get(const uint64_t *set, int bit)
{
    return set[bit / 64] >> bit % 64 & 1;
}

/* What poll would be asked about: made once of the program's sets. How many; `fds` NULL: only count. */
static uint32_t select_watched(const struct select *select, struct linux_pollfd *fds)
{
    uint32_t watched = 0;
    for (size_t word = 0; word < select->words; word++) {
        uint64_t any = 0;
        for (int s = 0; s < SETS; s++)
            any |= select->wanted[s][word];
        for (; any; any &= any - 1, watched++) {
            int fd = (int)(word * 64) + __builtin_ctzll(any);
            if (fd >= select->count)
                return watched;
            uint32_t events = 0;
            for (int s = 0; s < SETS; s++)
                if (bit_get(select->wanted[s], fd))
                    events |= ready_events[s];
            if (fds)
                fds[watched] = (struct linux_pollfd){.fd = fd, .events = (int16_t)events};
        }
    }
    return watched;
}

/* Ask once. The number of bits that are ready, or -EBADF. */
static long select_scan(struct select *select, bool arm)
{
    long bits = 0;
    bool again = select->scan.again; /* then what is closed is passed over, as on Linux */
    poll_scan(&select->scan, arm);
    for (int s = 0; s < SETS; s++)
        memset(select->ready[s], 0, select->words * sizeof(uint64_t));
    for (uint32_t i = 0; i < select->watched; i++) {
        uint32_t got = (uint16_t)select->results[i];
        int fd = select->fds[i].fd;
        if (got & LX_POLLNVAL && again)
            continue;
        if (got & LX_POLLNVAL)
            return ERR(BADF);
        for (int s = 0; got && s < SETS; s++)
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

#define SELECT_FEW 64

static long select_sets(struct select *select)
{
    size_t bytes = select->words * sizeof(uint64_t);
    for (int s = 0; s < SETS; s++)
        if (select->user[s] && user_read(select->wanted[s], (const void *)select->user[s], bytes))
            return ERR(FAULT);
    struct linux_pollfd small[SELECT_FEW];
    int16_t small_results[SELECT_FEW];
    select->watched = select_watched(select, NULL);
    select->fds = small;
    select->results = small_results;
    if (select->watched > SELECT_FEW) {
        select->fds =
            private_alloc(select->watched * (sizeof(*select->fds) + sizeof(*select->results)));
        if (!select->fds)
            return ERR(NOMEM);
        select->results = (int16_t *)&select->fds[select->watched];
    }
    select_watched(select, select->fds);
    select->scan =
        (struct poll_scan){.fds = select->fds, .results = select->results, .count = select->watched, .select = true};
    long bits = select_wait(select);
    poll_release(&select->scan);
    if (select->fds != small)
        private_free(select->fds);
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
