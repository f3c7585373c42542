/* Executes poll, select and epoll. SPDX-License-Identifier: MIT */
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

#include "execute.h"

enum { EPOLL_MAX = 8, SELECT_BITS = 64 };

static void execute_poll(const struct op *op, struct result *result)
{
    struct pollfd polled[FDS_MAX] = {{op->fd0, (short)op->mask0, -1},
                                     {op->fd1, (short)op->mask1, -1},
                                     {op->fd2, (short)op->mask2, -1},
                                     {op->fd3, (short)op->mask3, -1}};
    if (op->flags) {
        struct timespec limit = {op->timeout_ms / 1000, op->timeout_ms % 1000 * 1000000};
        result->ret = (int32_t)call(SYS_ppoll, pointer(polled), (uint64_t)op->count,
                                    op->timeout_ms < 0 ? 0 : pointer(&limit), 0, 8, 0);
    } else {
        result->ret = (int32_t)call(SYS_poll, op->good == 0 ? 8 : pointer(polled), (uint64_t)op->count,
                                    (uint64_t)(int64_t)op->timeout_ms, 0, 0, 0);
    }
    if (result->ret >= 0)
        for (int i = 0; i < op->count && i < FDS_MAX; i++)
            out(result, polled[i].revents);
}

static void execute_select(const struct op *op, struct result *result)
{
    const int32_t fds[FDS_MAX] = {op->fd0, op->fd1, op->fd2, op->fd3};
    const int32_t masks[FDS_MAX] = {op->mask0, op->mask1, op->mask2, op->mask3};
    uint64_t sets[3] = {0}, words[3][16] = {{0}};
    int highest = 0;
    for (int i = 0; i < op->count && i < FDS_MAX; i++) {
        if (fds[i] < 0 || fds[i] >= SELECT_BITS)
            continue;
        if (fds[i] >= highest)
            highest = fds[i] + 1;
        for (int set = 0; set < 3; set++)
            if (masks[i] >> set & 1)
                words[set][0] |= 1ull << fds[i];
    }
    for (int set = 0; set < 3; set++)
        sets[set] = pointer(words[set]);
    struct timespec limit = {op->timeout_ms / 1000, op->timeout_ms % 1000 * 1000000};
    struct timeval short_limit = {limit.tv_sec, limit.tv_nsec / 1000};
    if (op->flags)
        result->ret = (int32_t)call(SYS_pselect6, (uint64_t)highest, sets[0], sets[1], sets[2],
                                    op->timeout_ms < 0 ? 0 : pointer(&limit), 0);
    else
        result->ret = (int32_t)call(SYS_select, (uint64_t)highest, sets[0], sets[1], sets[2],
                                    op->timeout_ms < 0 ? 0 : pointer(&short_limit), 0);
    for (int set = 0; set < 3 && result->ret >= 0; set++) {
        out(result, (int64_t)(words[set][0] & 0xffffffff));
        out(result, (int64_t)(words[set][0] >> 32));
    }
}

/* The order within one answer is the order in which things became ready; it is compared. */
static void execute_epoll_wait(const struct op *op, struct result *result)
{
    struct epoll_event events[EPOLL_MAX];
    memset(events, 0, sizeof(events));
    result->ret = (int32_t)call(SYS_epoll_wait, (uint64_t)(int64_t)op->fd, op->good == 0 ? 8 : pointer(events),
                                (uint64_t)(int64_t)op->value, (uint64_t)(int64_t)op->timeout_ms, 0, 0);
    for (int i = 0; i < result->ret && i < EPOLL_MAX; i++) {
        out(result, (int64_t)events[i].events);
        out(result, (int64_t)events[i].data.u64);
    }
}

void execute_wait(int worker, const struct op *op, struct result *result)
{
    (void)worker;
    struct epoll_event event = {.events = (uint32_t)op->mask0, .data.u64 = (uint64_t)op->id};
    switch (op->kind) {
    case OP_POLL:
        execute_poll(op, result);
        break;
    case OP_SELECT:
        execute_select(op, result);
        break;
    case OP_EPOLL_CREATE:
        result->ret = (int32_t)call(SYS_epoll_create1, (uint64_t)op->flags, 0, 0, 0, 0, 0);
        break;
    case OP_EPOLL_CTL:
        result->ret = (int32_t)call(SYS_epoll_ctl, (uint64_t)(int64_t)op->fd, (uint64_t)op->value,
                                    (uint64_t)(int64_t)op->fd0, op->good == 0 ? 8 : pointer(&event), 0, 0);
        break;
    default:
        execute_epoll_wait(op, result);
        break;
    }
}
