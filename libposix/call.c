/*
 * Calling servers: repeat a request until it has an answer that a program understands.
 * SPDX-License-Identifier: MIT
 */
#include "private.h"

#include <proto/sock.h>

/* More than this many repeats of one kind mean that the server and we disagree for good. */
#define FAULTS_MAX 8u
#define SESSIONS_MAX 4u
#define SLOTS_MAX 2u

struct ar_ipc_buffer *ipc_buffer(void);

struct ar_ipc_buffer *ipc_buffer(void)
{
    return thread_self()->ipc;
}

/* A capability space that cannot grow, ours or a server's, is memory that is not there. */
long status_to_errno(enum status status)
{
    if (status == ST_SLOTS)
        return -LINUX_ENOMEM;
    return (unsigned)status < 256 ? -(long)status : -LINUX_EIO;
}

/* The server found memory missing. The first time we make present what can be, and ask again
 * even when something could not: the server may not need the rest. The second time a missing
 * page is the program's EFAULT. */
static bool fault_again(struct posix_retry *retry)
{
    const struct ipc_transfer *transfer = retry->transfer;
    if (!transfer || retry->faults++ >= FAULTS_MAX)
        return false;
    long read = user_touch(transfer->in, transfer->in_count, false);
    long write = user_touch(transfer->out, transfer->out_count, true);
    retry->memory_bad = read != 0 || write != 0;
    return retry->faults == 1 || !retry->memory_bad;
}

void posix_give_up(unsigned server)
{
    if (server == ISSUER_SOCKD) /* the others have no turns */
        sock_cancel(POSIX_SLOT_SOCKD);
}

static bool wait_again(struct posix_retry *retry)
{
    if (retry->no_wait) {
        if (retry->waited)
            posix_give_up(retry->server);
        retry->result = -LINUX_EAGAIN;
        return false;
    }
    switch (posix_wait(retry->deadline_ns ? retry->deadline_ns : AR_NO_DEADLINE)) {
    case WAIT_WOKEN:
        retry->waited = true;
        return true;
    case WAIT_TIMED_OUT: /* one last look: there may be a little, which woke nobody */
        posix_give_up(retry->server);
        retry->waited = retry->no_wait = true;
        return true;
    default:
        posix_give_up(retry->server);
        retry->result = retry->interrupted ? retry->interrupted : -POSIX_RESTART;
        return false;
    }
}

bool posix_again(struct posix_retry *retry, enum status status)
{
    retry->status = status;
    switch ((unsigned)status) {
    case ST_OK:
    case ST_REDIRECT:
        retry->result = 0;
        return false;
    case ST_FAULT:
        if (fault_again(retry))
            return true;
        break;
    case ST_WAIT:
        return wait_again(retry);
    case ST_SESSION:
        if (!retry->server || retry->sessions++ >= SESSIONS_MAX)
            break;
        retry->result = session_open_with(retry->server);
        return retry->result == 0;
    case ST_SLOTS:
        receive_slots_clear();
        if (retry->slots++ < SLOTS_MAX)
            return true;
        break;
    default:
        break;
    }
    retry->result = status_to_errno(status);
    return false;
}

void posix_log_write(const char *line, size_t length)
{
    struct ar_segment segment = {(uint64_t)line, length};
    struct ipc_transfer transfer = {.in = &segment, .in_count = 1};
    proc_log(POSIX_SLOT_PROCD, length, &transfer);
}

/* ---- sessions -------------------------------------------------------------------------------- */

ar_cap server_root(unsigned server)
{
    switch (server) {
    case ISSUER_PROCD:
        return POSIX_SLOT_PROCD;
    case ISSUER_FILED:
        return POSIX_SLOT_FILED;
    case ISSUER_SOCKD:
        return POSIX_SLOT_SOCKD;
    case ISSUER_CONSOLED:
        return POSIX_SLOT_CONSOLED;
    default:
        return 0;
    }
}

/* A second open replaces the first at the server, so ours goes first: its closed message must
 * not end the new one. */
long session_open_with(unsigned server)
{
    ar_cap root = server_root(server);
    if (!root)
        return -LINUX_EIO;
    ar_cap slot = thread_slot(POSIX_TS_SESSION_PROCD + (root - POSIX_SLOT_PROCD));
    uint64_t notification = thread_slot(POSIX_TS_NOTIFICATION);
    struct ipc_transfer transfer = {
        .caps = &notification, .cap_count = 1, .recv_slots = &slot, .recv_slot_count = 1};
    slot_delete(slot);
    wakeups_taken(); /* what was armed ends with the old one */
    return status_to_errno(session_open(root, &transfer));
}

/* ---- slots ----------------------------------------------------------------------------------- */

void slot_delete(ar_cap slot)
{
    ar_cap_delete(slot);
}

const ar_cap *receive_slots(void)
{
    return thread_self()->receive_slots;
}

void receive_slots_clear(void)
{
    for (unsigned i = 0; i < AR_MSG_CAPS; i++)
        slot_delete(thread_self()->receive_slots[i]);
}
