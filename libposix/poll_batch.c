/*
 * Asking sockd about many descriptors in one request: the process has a poll set there (sock.toml),
 * and each descriptor that was polled a handle in it. SPDX-License-Identifier: MIT
 *
 * A handle is remembered beside the descriptor's number and forgotten when that closes. Nothing
 * depends on it but speed: who has none, or a wrong one, is asked alone.
 */
#include "poll.h"

#include <proto/sock.h>

static struct posix_lock set_lock;  /* guards what is below; readers of `handles` take none */
static volatile uint32_t set_pid;   /* whose set it is; 0: nobody's */
static uint32_t *handles;           /* by descriptor, + 1; made once */
static uint32_t closes;             /* counts closed descriptors */

void poll_batch_fd_closed(int fd)
{
    if (!handles)
        return;
    lock_take(&set_lock);
    closes++;
    handles[fd] = 0;
    lock_release(&set_lock);
}

void poll_batch_fork_lock(void)
{
    lock_take(&set_lock);
}

void poll_batch_fork_unlock(void)
{
    lock_release(&set_lock);
}

static bool set_make(void)
{
    const ar_cap slot = SLOT_POLL_SET;
    struct ipc_transfer transfer = {.recv_slots = &slot, .recv_slot_count = 1};
    slot_delete(slot);
    if (sock_poll_set(POSIX_SLOT_SOCKD, &transfer) != ST_OK)
        return false;
    if (handles)
        memset(handles, 0, POSIX_FD_MAX * sizeof(*handles));
    else
        handles = private_alloc(POSIX_FD_MAX * sizeof(*handles));
    process.descriptors_noted = true;
    return handles;
}

static bool set_ready(void)
{
    if (set_pid == process.pid)
        return true;
    lock_take(&set_lock);
    bool made = set_pid == process.pid || set_make();
    if (made)
        set_pid = process.pid;
    lock_release(&set_lock);
    return made;
}

uint32_t poll_batch_handle(int fd)
{
    if (set_pid != process.pid || (uint32_t)fd >= POSIX_FD_MAX)
        return UINT32_MAX;
    return handles[fd] - 1;
}

/* A description that sockd can be asked about, and has no handle yet. */
static bool wants_handle(int fd, struct fd_info *info)
{
    if (fd < 0 || fd >= (int)POSIX_FD_MAX || handles[fd] || fd_look(fd, info) ||
        info->server != ISSUER_SOCKD)
        return false;
    return info->kind == IO_KIND_SOCKET || info->kind == IO_KIND_PIPE ||
           info->kind == IO_KIND_EVENT;
}

/* Get handles for up to 8 of these descriptors. */
static void handles_get(const struct linux_pollfd *fds, uint64_t count)
{
    uint64_t caps[AR_MSG_CAPS];
    int numbers[AR_MSG_CAPS];
    struct ipc_transfer transfer = {.caps = caps};
    struct sock_poll_add_reply reply = {0};
    uint32_t before = closes;
    for (uint64_t i = 0; i < count && transfer.cap_count < AR_MSG_CAPS; i++) {
        struct fd_info info;
        if (!wants_handle(fds[i].fd, &info))
            continue;
        numbers[transfer.cap_count] = fds[i].fd;
        caps[transfer.cap_count++] = info.slot;
    }
    if (sock_poll_add(SLOT_POLL_SET, &reply, &transfer) != ST_OK)
        return;
    lock_take(&set_lock);
    /* A number that was closed meanwhile may mean something else by now. */
    for (unsigned i = 0; i < transfer.cap_count && before == closes; i++)
        handles[numbers[i]] = (uint32_t)(&reply.handle0)[i] + 1;
    lock_release(&set_lock);
}

struct batch {
    uint64_t answered;
    uint32_t count, entries[SOCK_POLL_MOST], where[SOCK_POLL_MOST];
    uint16_t found[SOCK_POLL_MOST];
};

/* Up to four need no memory. */
static long batch_request_few(struct batch *batch, bool arm)
{
    struct sock_poll_few_reply reply = {0};
    for (uint32_t i = batch->count; i < SOCK_POLL_FEW_MOST; i++)
        batch->entries[i] = 0;
    uint64_t first = batch->entries[0] | (uint64_t)batch->entries[1] << 32;
    uint64_t second = batch->entries[2] | (uint64_t)batch->entries[3] << 32;
    enum status status = sock_poll_few(SLOT_POLL_SET, batch->count, arm, first, second, &reply);
    if (status != ST_OK) {
        struct posix_retry retry = {.server = ISSUER_SOCKD};
        while (posix_again(&retry, status))
            status = sock_poll_few(SLOT_POLL_SET, batch->count, arm, first, second, &reply);
        if (status != ST_OK)
            return retry.result;
    }
    for (uint32_t i = 0; i < batch->count; i++)
        batch->found[i] = (uint16_t)(reply.found >> i * 16);
    return 0;
}

static long batch_request(struct batch *batch, bool arm)
{
    uint32_t count = batch->count;
    if (count <= SOCK_POLL_FEW_MOST)
        return batch_request_few(batch, arm);
    struct ar_segment in = {(uint64_t)batch->entries, count * sizeof(batch->entries[0])};
    struct ar_segment out = {(uint64_t)batch->found, count * sizeof(batch->found[0])};
    struct ipc_transfer transfer = {.in = &in, .out = &out, .in_count = 1, .out_count = 1};
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    struct sock_poll_many_reply reply = {0};
    return POSIX_CALL(&retry, sock_poll_many(SLOT_POLL_SET, count, arm, &reply, &transfer));
}

/* false: nothing was learnt. */
static bool batch_ask(struct batch *batch, int16_t *results, bool arm, long *ready)
{
    uint32_t count = batch->count;
    if (count == 0)
        return true;
    if (batch_request(batch, arm && *ready == 0)) {
        batch->count = 0;
        set_pid = 0; /* whatever it was, a new set is without it */
        return false;
    }
    batch->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool stale = batch->found[i] & LX_POLLNVAL;
        results[batch->where[i]] = stale ? POLL_ASK_ALONE : (int16_t)batch->found[i];
        *ready += batch->found[i] && !stale;
        batch->answered += !stale;
    }
    return true;
}

long poll_batch(const struct linux_pollfd *fds, int16_t *results, uint64_t count, bool arm,
                uint64_t *alone)
{
    struct batch batch;
    long ready = 0;
    bool working = set_ready();
    batch.count = 0;
    batch.answered = 0;
    for (uint64_t i = 0; i < count; i++) {
        int fd = fds[i].fd;
        struct fd_info info;
        results[i] = POLL_ASK_ALONE;
        if (!working || (uint32_t)fd >= POSIX_FD_MAX)
            continue;
        if (!handles[fd] && wants_handle(fd, &info))
            handles_get(&fds[i], count - i);
        uint32_t handle = handles[fd] - 1;
        if (handle > UINT16_MAX)
            continue;
        batch.where[batch.count] = (uint32_t)i;
        batch.entries[batch.count++] = handle | (uint32_t)(uint16_t)fds[i].events << 16;
        if (batch.count == SOCK_POLL_MOST)
            working = batch_ask(&batch, results, arm, &ready);
    }
    if (working)
        batch_ask(&batch, results, arm, &ready);
    *alone = count - batch.answered;
    return ready;
}
