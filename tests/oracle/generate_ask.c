/* Operations that ask and set: options, readiness, nonsense. SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "generate.h"

enum { ATMARK = 0x8905, OUTQ = TIOCOUTQ, PASSPIDFD = 76, PEERPIDFD = 77, PASSRIGHTS = 83, ZEROCOPY = 60, PEEK_OFF = 42 };

static const int readable_options[] = {
    SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ERROR, SO_ERROR, SO_ACCEPTCONN, SO_SNDBUF, SO_RCVBUF, SO_PEERCRED, SO_PEERCRED,
    SO_PASSCRED, SO_REUSEADDR, SO_KEEPALIVE, SO_BROADCAST, SO_LINGER, SO_PRIORITY, SO_OOBINLINE, SO_RCVTIMEO, SO_SNDTIMEO,
    SO_RCVLOWAT, SO_SNDLOWAT, SO_DEBUG, SO_DONTROUTE, SO_REUSEPORT, 59 /* SO_PEERGROUPS */, PEEK_OFF, SO_MARK, 200,
    ZEROCOPY, SO_TIMESTAMP, SO_RXQ_OVFL, PASSPIDFD};
static const int settable_options[] = {
    SO_SNDBUF, SO_SNDBUF, SO_SNDBUF, SO_RCVBUF, SO_PASSCRED, SO_PASSCRED, SO_REUSEADDR, SO_KEEPALIVE, SO_BROADCAST,
    SO_LINGER, SO_PRIORITY, SO_OOBINLINE, SO_TYPE, SO_ERROR, SO_DEBUG, SO_DONTROUTE, SO_REUSEPORT, PEEK_OFF, 200,
    ZEROCOPY, SO_PEERCRED, SO_ACCEPTCONN, SO_SNDLOWAT, SO_SNDBUFFORCE, SO_RCVBUFFORCE};

bool fill_getsockopt(struct generator *g, struct op *op)
{
    static const int lengths[] = {0, 1, 2, 3, 5, 8, 12, 16, 20, 64, -1};
    op_clear(op, OP_GETSOCKOPT);
    op->fd = pick_or_any(g, op, W_SOCKET);
    op->value = chance(g, 95) ? SOL_SOCKET : chance(g, 50) ? 6 : 0;
    op->value2 = readable_options[below(g, sizeof(readable_options) / sizeof(int))];
    if (op->value2 == PASSPIDFD && !(g->features & FEATURE_PIDFD))
        op->value2 = SO_TYPE;
    if ((op->value2 == SO_TIMESTAMP || op->value2 == SO_RXQ_OVFL) && !(g->features & FEATURE_MORE))
        op->value2 = SO_TYPE;
    op->length0 = op->value2 == SO_PEERCRED ? 12 : op->value2 == 59 ? 64 : 4;
    if (op->value2 == SO_RCVTIMEO || op->value2 == SO_SNDTIMEO)
        op->length0 = 16;
    if (chance(g, 12))
        op->length0 = lengths[below(g, 11)];
    op->good = chance(g, 3) ? 0 : -1;
    op->broken = chance(g, 2);
    return op->fd >= 0;
}

static int buffer_size_choose(struct generator *g)
{
    static const int sizes[] = {0, 1, 2304, 4608, 5000, 10000, 16384, 65536, 106496, 212992, 500000, -1, 2147483647};
    return sizes[below(g, 13)];
}

bool fill_setsockopt(struct generator *g, struct op *op)
{
    op_clear(op, OP_SETSOCKOPT);
    op->fd = pick_or_any(g, op, W_SOCKET);
    op->value = chance(g, 96) ? SOL_SOCKET : chance(g, 50) ? 6 : 0;
    op->value2 = settable_options[below(g, sizeof(settable_options) / sizeof(int))];
    op->length0 = op->value2 == SO_LINGER ? 8 : 4;
    op->mask0 = chance(g, 80) ? (int)below(g, 2) : (int)below(g, 100) - 2;
    op->mask1 = (int)below(g, 20);
    if (op->value2 == SO_SNDBUF || op->value2 == SO_RCVBUF || op->value2 == SO_SNDBUFFORCE || op->value2 == SO_RCVBUFFORCE)
        op->mask0 = buffer_size_choose(g);
    if (g->features & FEATURE_MORE && chance(g, 5)) {
        op->value2 = SO_RCVLOWAT;
        op->mask0 = (int)below(g, 30);
    }
    if (g->features & FEATURE_TIMED && chance(g, 10)) {
        op->value2 = chance(g, 50) ? SO_RCVTIMEO : SO_SNDTIMEO;
        op->length0 = chance(g, 90) ? 16 : 8;
        op->mask0 = chance(g, 20) ? 0 : 1000000 * (1 + (int)below(g, 3)) + (int)below(g, 2) * 500000;
    }
    if (chance(g, 8))
        op->length0 = (int)below(g, 10);
    op->good = chance(g, 3) ? 0 : -1;
    return op->fd >= 0 && !(op->length0 == 16 && op->mask0 < 0);
}

bool fill_ioctl(struct generator *g, struct op *op)
{
    static const int requests[] = {FIONREAD, FIONREAD, OUTQ, OUTQ, FIONBIO, 0x5452 /* FIOASYNC */, 0x8906, ATMARK};
    op_clear(op, OP_IOCTL);
    op->fd = pick_or_any(g, op, chance(g, 80) ? W_SOCKET : W_POLLABLE);
    op->value = requests[below(g, g->features & FEATURE_OOB ? 8 : 7)];
    if (op->value == 0x5452 && !(g->features & FEATURE_OOB))
        op->value = FIONREAD;
    op->value2 = (int)below(g, 2);
    op->good = chance(g, 4) ? 0 : -1;
    return op->fd >= 0 && object_of(g, op)->kind != K_EPOLL && !model_foreign(object_of(g, op));
}

bool fill_fcntl(struct generator *g, struct op *op)
{
    static const int commands[] = {F_GETFD, F_SETFD, F_GETFL, F_GETFL, F_SETFL, F_SETFL, F_GETOWN, F_SETOWN};
    op_clear(op, OP_FCNTL);
    op->fd = pick_or_any(g, op, W_SOCKET);
    op->value = commands[below(g, g->features & FEATURE_OOB ? 8 : 6)];
    op->value2 = op->value == F_SETFD ? (int)below(g, 2) : op->value == F_SETFL && chance(g, 60) ? O_NONBLOCK : 0;
    return op->fd >= 0;
}

static int mask_choose(struct generator *g)
{
    static const int bits[] = {POLLIN, POLLOUT, POLLPRI, 0x2000 /* POLLRDHUP */, POLLRDNORM, POLLRDBAND, POLLWRNORM, POLLWRBAND};
    int mask = chance(g, 40) ? POLLIN | POLLOUT | 0x2000 : 0;
    for (int i = 0; i < 8; i++)
        if (chance(g, 30))
            mask |= bits[i];
    return mask;
}

static bool limit_choose(struct generator *g, struct op *op)
{
    bool free = model_idle(&g->model) > 1;
    for (int i = 0; i < WORKERS_MAX; i++)
        free &= !g->model.worker[i].busy;
    op->timeout_ms = 0;
    if (free && chance(g, 25))
        op->timeout_ms = -1;
    else if (free && chance(g, 20) && g->features & FEATURE_TIMED)
        op->timeout_ms = 1000 * (1 + (int)below(g, 3));
    return true;
}

bool fill_poll(struct generator *g, struct op *op)
{
    op_clear(op, OP_POLL);
    int32_t *const fds[] = {&op->fd0, &op->fd1, &op->fd2, &op->fd3};
    int32_t *const masks[] = {&op->mask0, &op->mask1, &op->mask2, &op->mask3};
    op->count = chance(g, 50) ? 1 : 1 + (int)below(g, FDS_MAX);
    for (int i = 0; i < op->count; i++) {
        *fds[i] = pick(g, op, chance(g, 75) ? W_SOCKET : W_ANY);
        *masks[i] = mask_choose(g);
    }
    if (chance(g, 2))
        op->fd0 = chance(g, 50) ? -1 : 62;
    op->flags = chance(g, 25);
    return limit_choose(g, op);
}

bool fill_select(struct generator *g, struct op *op)
{
    fill_poll(g, op);
    op->kind = OP_SELECT;
    op->mask0 = 1 + (int)below(g, 7);
    op->mask1 = 1 + (int)below(g, 7);
    op->mask2 = 1 + (int)below(g, 7);
    op->mask3 = 1 + (int)below(g, 7);
    return true;
}

bool fill_epoll_create(struct generator *g, struct op *op)
{
    op_clear(op, OP_EPOLL_CREATE);
    op->flags = chance(g, 20) ? O_CLOEXEC : 0;
    return pick(g, op, W_EPOLL) < 0 || chance(g, 20);
}

bool fill_epoll_ctl(struct generator *g, struct op *op)
{
    static const int actions[] = {1, 1, 1, 1, 2, 3, 3};
    op_clear(op, OP_EPOLL_CTL);
    op->fd = pick(g, op, W_EPOLL);
    if (op->fd < 0)
        return fill_epoll_create(g, op);
    bool shared = g->features & FEATURE_EPOLL_SHARED;
    op->fd0 = pick(g, op, chance(g, 75) || !shared ? W_SOCKET : W_ANY);
    if (shared && chance(g, 15) && pick(g, op, W_FOREIGN) >= 0)
        op->fd0 = pick(g, op, W_FOREIGN);
    op->value = actions[below(g, 7)];
    op->mask0 = mask_choose(g) & (0x1f | 0x2000);
    if (chance(g, 40))
        op->mask0 |= (int)EPOLLET;
    if (chance(g, 20))
        op->mask0 |= EPOLLONESHOT;
    if (chance(g, 10))
        op->mask0 |= (int)EPOLLEXCLUSIVE;
    if (chance(g, 2))
        op->value = 7;
    op->good = chance(g, 2) ? 0 : -1;
    return op->fd0 >= 0;
}

bool fill_epoll_wait(struct generator *g, struct op *op)
{
    op_clear(op, OP_EPOLL_WAIT);
    op->fd = pick(g, op, W_EPOLL);
    op->value = chance(g, 90) ? 8 : chance(g, 80) ? 1 : (int)below(g, 3) - 1;
    op->good = chance(g, 2) ? 0 : -1;
    return op->fd >= 0 && limit_choose(g, op);
}

/* Operations on what they are not for. */
bool fill_junk(struct generator *g, struct op *op)
{
    static fill *const some[] = {fill_accept, fill_listen, fill_send, fill_rights, fill_receive, fill_getsockopt,
                                 fill_bind, fill_shutdown, fill_name, fill_ioctl, fill_connect};
    if (!some[below(g, 11)](g, op))
        return false;
    if (op->kind == OP_SENDMSG && chance(g, 60)) {
        op->control = C_BROKEN;
        op->broken = 1 + (int)below(g, BROKEN_COUNT - 1);
        if (op->fd0 < 0)
            op->fd0 = op->fd;
        return true;
    }
    bool plain = op->kind == OP_READ || op->kind == OP_READV || op->kind == OP_WRITE || op->kind == OP_WRITEV;
    op->fd = chance(g, 40) && !plain ? pick(g, op, chance(g, 50) ? W_EVENT : W_PIPE_READ) : chance(g, 50) ? 61 : -1;
    return true;
}
