/*
 * The short way of poll(2): one socket, pipe or event counter of sockd's, or up to four descriptions
 * that have handles in the poll set. One request, one wait, straight; whatever else happens is for
 * poll_entries, which begins anew. SPDX-License-Identifier: MIT
 */
#include "poll.h"
#include "fd_table.h"

#include <proto/sock.h>

#define ALWAYS (LX_POLLERR | LX_POLLHUP | LX_POLLNVAL)

static inline long revents_write(uint64_t user, unsigned index, uint16_t revents)
{
    uint64_t field = user + index * sizeof(struct linux_pollfd) + offsetof(struct linux_pollfd, revents);
    return copy_bytes((void *)field, &revents, sizeof(revents)) ? ERR(FAULT) : 0;
}

/* ---- one ------------------------------------------------------------------------------------- */

static inline long one_end(uint64_t user, uint32_t ready)
{
    long error = revents_write(user, 0, (uint16_t)ready);
    return error ? error : ready != 0;
}

/* Nothing was ready, and the question `number` is asked. */
static inline long one_wait(uint64_t user, const struct linux_pollfd *entry, uint32_t number,
                            uint64_t deadline)
{
    uint64_t bits;
    switch (posix_wait_bits(deadline, &bits)) {
    case WAIT_WOKEN: {
        uint32_t ready = answer_ready(bits, number) & ((uint16_t)entry->events | ALWAYS);
        return ready ? one_end(user, ready) : poll_entries(user, entry, 1, deadline);
    }
    case WAIT_TIMED_OUT:
        return poll_entries(user, entry, 1, DEADLINE_NOW);
    default: {
        long error = revents_write(user, 0, 0);
        return error ? error : -POSIX_RESTART_NOHAND;
    }
    }
}

static inline long one_poll(uint64_t user, const struct linux_pollfd *entry, uint64_t deadline)
{
    struct io_poll_reply reply = {0};
    uint32_t number = deadline == DEADLINE_NOW ? 0 : question_number();
    enum status status = io_poll(fd_slot(entry->fd), (uint16_t)entry->events, number, &reply);
    if (status != ST_OK)
        return poll_entries(user, entry, 1, deadline);
    uint32_t ready = (uint32_t)reply.ready & ((uint16_t)entry->events | ALWAYS);
    if (ready || !number)
        return one_end(user, ready);
    question_asked();
    return one_wait(user, entry, number, deadline);
}

/* ---- a few ----------------------------------------------------------------------------------- */

/* As results_write: only what changes is written, once the memory is known to let us. */
static inline long few_end(uint64_t user, const struct linux_pollfd *fds, unsigned count,
                           uint64_t found)
{
    long ready = 0;
    if (touch_write((void *)user) ||
        touch_write((void *)(user + count * sizeof(struct linux_pollfd) - 1)))
        return ERR(FAULT);
    for (unsigned i = 0; i < count; i++) {
        uint16_t revents = (uint16_t)(found >> i * 16);
        ready += revents != 0;
        if (revents != (uint16_t)fds[i].revents && revents_write(user, i, revents))
            return ERR(FAULT);
    }
    return ready;
}

static inline long few_wait(uint64_t user, const struct linux_pollfd *fds, unsigned count,
                            uint64_t deadline)
{
    switch (posix_wait(deadline)) {
    case WAIT_WOKEN:
        return poll_entries(user, fds, count, deadline);
    case WAIT_TIMED_OUT:
        return poll_entries(user, fds, count, DEADLINE_NOW);
    default: {
        long error = few_end(user, fds, count, 0);
        return error ? error : -POSIX_RESTART_NOHAND;
    }
    }
}

static inline long few_poll(uint64_t user, const struct linux_pollfd *fds, unsigned count,
                            uint64_t deadline)
{
    uint64_t words[SOCK_POLL_FEW_MOST / 2] = {0};
    for (unsigned i = 0; i < count; i++) {
        uint64_t handle = poll_batch_handle(fds[i].fd);
        if (handle > UINT16_MAX)
            return poll_entries(user, fds, count, deadline);
        words[i / 2] |= (handle | (uint64_t)(uint16_t)fds[i].events << 16) << i % 2 * 32;
    }
    const uint64_t stale = LX_POLLNVAL * 0x0001000100010001ull;
    struct sock_poll_few_reply reply = {0};
    bool arm = deadline != DEADLINE_NOW;
    enum status status =
        sock_poll_few(SLOT_POLL_SET, count, arm, words[0], words[1], &reply);
    if (status != ST_OK || reply.found & stale)
        return poll_entries(user, fds, count, deadline);
    if (reply.found || !arm)
        return few_end(user, fds, count, reply.found);
    return few_wait(user, fds, count, deadline);
}

long poll_plain(uint64_t user, uint32_t count, uint64_t deadline)
{
    struct linux_pollfd fds[SOCK_POLL_FEW_MOST];
    size_t bytes = count * sizeof(fds[0]);
    if (!user_range_ok((const void *)user, bytes) || copy_bytes(fds, (const void *)user, bytes))
        return ERR(FAULT);
    if (count > 1) /* what another thread may close is held while we wait: by poll_entries */
        return process.threads == 1 ? few_poll(user, fds, count, deadline)
                                    : poll_entries(user, fds, count, deadline);
    return fd_is_plain(fds[0].fd) ? one_poll(user, fds, deadline)
                                  : poll_entries(user, fds, 1, deadline);
}
