/* Operations that make, name, join and end. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "generate.h"

static int type_choose(struct generator *g)
{
    static const int types[] = {SOCK_STREAM, SOCK_STREAM, SOCK_STREAM, SOCK_SEQPACKET, SOCK_SEQPACKET, SOCK_DGRAM, SOCK_DGRAM};
    int type = types[below(g, 7)];
    if (type == SOCK_DGRAM && chance(g, 10))
        type = SOCK_RAW;
    if (chance(g, 25))
        type |= SOCK_NONBLOCK;
    if (chance(g, 15))
        type |= SOCK_CLOEXEC;
    return type;
}

bool fill_socket(struct generator *g, struct op *op)
{
    op_clear(op, OP_SOCKET);
    op->value = AF_UNIX;
    op->flags = type_choose(g);
    if (chance(g, 4)) {
        op->flags = (int)below(g, 12) | (int)below(g, 2) << 8;
        op->value2 = (int)below(g, 3);
        op->value = chance(g, 80) ? AF_UNIX : 50; /* beyond the last: Linux looks for no module */
    }
    return true;
}

bool fill_pair(struct generator *g, struct op *op)
{
    fill_socket(g, op);
    op->kind = OP_SOCKETPAIR;
    if (chance(g, 3))
        op->good = 0;
    return true;
}

static int length_choose(struct generator *g, int address)
{
    static const int lengths[] = {0, 1, 2, 3, 4, 7, 8, 16, 109, 110, 111, 128, 1000};
    if (address == A_POINTER)
        return 20;
    if (address != A_NONE && chance(g, 6))
        return lengths[below(g, address == A_LONG ? 12 : 13)];
    return -1;
}

bool fill_bind(struct generator *g, struct op *op)
{
    op_clear(op, OP_BIND);
    op->fd = pick_or_any(g, op, chance(g, 85) ? W_UNBOUND : W_SOCKET);
    op->address = chance(g, 15) ? A_FAMILY : pick_name(g);
    op->address_length = length_choose(g, op->address);
    return op->fd >= 0;
}

bool fill_listen(struct generator *g, struct op *op)
{
    static const int backlogs[] = {0, 0, 0, 1, 1, 2, 3, 5, -1, 128, 100000, -2147483647};
    op_clear(op, OP_LISTEN);
    op->fd = pick(g, op, chance(g, 85) ? W_BINDABLE : W_SOCKET);
    op->value = backlogs[below(g, 12)];
    return op->fd >= 0;
}

/* Somebody who listens, or a datagram socket with a name: most of the time. */
static int target_choose(struct generator *g, int type)
{
    int found[A_COUNT], count = 0;
    for (int name = 1; name < A_COUNT; name++) {
        const struct object *object = &g->model.object[g->model.bound[name]];
        if (g->model.bound[name] && (type == SOCK_DGRAM ? object->type == SOCK_DGRAM : object->listening))
            found[count++] = name;
    }
    return count && chance(g, 85) ? found[below(g, (unsigned)count)] : pick_name(g);
}

bool fill_connect(struct generator *g, struct op *op)
{
    op_clear(op, OP_CONNECT);
    op->fd = pick_or_any(g, op, chance(g, 80) ? W_UNCONNECTED : chance(g, 50) ? W_DGRAM : W_SOCKET);
    if (op->fd < 0)
        return false;
    const struct object *object = object_of(g, op);
    op->address = target_choose(g, object->type);
    if (object->type == SOCK_DGRAM && object->reach && chance(g, 20))
        op->address = A_UNSPEC;
    op->address_length = length_choose(g, op->address);
    const struct object *target = &g->model.object[g->model.bound[op->address]];
    bool waits = object->type != SOCK_DGRAM && target->listening && target->waits > target->backlog;
    return !waits || object->nonblocking || may_block(g, op, target);
}

bool fill_accept(struct generator *g, struct op *op)
{
    op_clear(op, OP_ACCEPT);
    op->fd = pick(g, op, chance(g, 80) ? W_WAITED : chance(g, 80) ? W_LISTENER : W_SOCKET);
    if (op->fd < 0)
        return false;
    const struct object *object = object_of(g, op);
    if (chance(g, 30))
        op->flags = chance(g, 90) ? (int)below(g, 2) * SOCK_NONBLOCK | (int)below(g, 2) * SOCK_CLOEXEC : 5;
    if (chance(g, 30)) {
        op->address_length = chance(g, 70) ? 110 : (int)below(g, 20);
        op->good = chance(g, 5) ? 0 : -1;
    }
    /* Linux takes the number before it waits: what other threads open meanwhile would be numbered otherwise. */
    bool alone = !g->model.process[process_of(g, op)].forked_thread;
    return object->waits || object->nonblocking || !object->listening || (alone && may_block(g, op, object));
}

bool fill_shutdown(struct generator *g, struct op *op)
{
    op_clear(op, OP_SHUTDOWN);
    op->fd = pick_or_any(g, op, chance(g, 80) ? W_CONNECTED : W_SOCKET);
    op->value = chance(g, 95) ? (int)below(g, 3) : chance(g, 50) ? -1 : 3;
    return op->fd >= 0;
}

bool fill_close(struct generator *g, struct op *op)
{
    static const enum want wants[] = {W_ANY, W_ANY, W_CONNECTED, W_READABLE, W_WAITED, W_RIGHTS, W_FULL, W_LISTENER};
    op_clear(op, OP_CLOSE);
    op->fd = pick_or_any(g, op, wants[below(g, 8)]);
    return op->fd >= 0;
}

bool fill_name(struct generator *g, struct op *op)
{
    op_clear(op, chance(g, 60) ? OP_GETSOCKNAME : OP_GETPEERNAME);
    op->fd = pick_or_any(g, op, op->kind == OP_GETPEERNAME ? W_CONNECTED : W_SOCKET);
    op->address_length = chance(g, 70) ? 110 : chance(g, 90) ? (int)below(g, 24) : -1;
    op->good = chance(g, 4) ? 0 : -1;
    if (op->address_length < 0)
        op->address_length = -5;
    return op->fd >= 0;
}

bool fill_dup(struct generator *g, struct op *op)
{
    op_clear(op, OP_DUP);
    op->fd = pick_or_any(g, op, chance(g, 70) ? W_SOCKET : W_ANY);
    unsigned way = below(g, 10);
    if (way > 6) {
        op->kind = way == 9 ? OP_DUP3 : OP_DUP2;
        op->fd0 = chance(g, 60) ? pick(g, op, W_ANY) : (int)below(g, 40);
        op->flags = way == 9 && chance(g, 50) ? O_CLOEXEC : 0;
    } else if (way > 3) {
        op->kind = OP_FCNTL;
        op->value = chance(g, 50) ? F_DUPFD : F_DUPFD_CLOEXEC;
        op->value2 = chance(g, 80) ? (int)below(g, 20) : chance(g, 50) ? -1 : 64;
    }
    return op->fd >= 0;
}

bool fill_pipe(struct generator *g, struct op *op)
{
    op_clear(op, OP_PIPE);
    op->flags = chance(g, 70) ? O_NONBLOCK : 0;
    return true;
}

bool fill_event(struct generator *g, struct op *op)
{
    op_clear(op, OP_EVENTFD);
    op->flags = (chance(g, 70) ? O_NONBLOCK : 0) | (chance(g, 20) ? 1 : 0);
    op->value = (int)below(g, 3);
    return true;
}

/* Of a process that lives, or did, or the number of a thread, which is none. */
bool fill_pidfd(struct generator *g, struct op *op)
{
    op_clear(op, OP_PIDFD);
    op->value = (int)below(g, WORKERS_MAX);
    for (int i = 0; i < WORKERS_MAX && !g->model.process[op->value].alive && chance(g, 90); i++)
        op->value = (int)below(g, WORKERS_MAX);
    if (chance(g, 3))
        op->value = chance(g, 50) ? -1 : 4190000;
    op->flags = chance(g, 40) ? O_NONBLOCK : chance(g, 3) ? 1 : 0;
    return true;
}

bool fill_timer(struct generator *g, struct op *op)
{
    static const int values[] = {TIMER_OFF, TIMER_OVER, TIMER_LATER, TIMER_LATER};
    op_clear(op, OP_TIMERFD);
    op->value = values[below(g, 4)];
    op->flags = (chance(g, 40) ? O_NONBLOCK : 0) | (chance(g, 20) ? O_CLOEXEC : 0) | (chance(g, 3) ? 1 : 0);
    return true;
}

bool fill_open(struct generator *g, struct op *op)
{
    op_clear(op, OP_OPEN);
    op->address = chance(g, 80) ? A_FILE : pick_name(g);
    op->flags = chance(g, 60) ? O_RDWR : O_RDONLY;
    if (op->address == A_FILE && chance(g, 40)) { /* a socket has no position */
        op_clear(op, OP_LSEEK);
        op->fd = pick_or_any(g, op, chance(g, 40) ? W_FILE : W_SOCKET);
        op->value = (int)below(g, 100);
        return op->fd >= 0 && object_of(g, op)->kind != K_EPOLL && !model_foreign(object_of(g, op));
    }
    return op->address < A_ABSTRACT || op->address >= A_LONG;
}

static int path_choose(struct generator *g)
{
    return chance(g, 80) ? A_PATH + (int)below(g, 4) : chance(g, 50) ? A_PATH + (int)below(g, 8)
                                                                      : A_DIRECTORY + (int)below(g, 7);
}

bool fill_path(struct generator *g, struct op *op)
{
    static const int kinds[] = {OP_STAT, OP_STAT, OP_CHMOD, OP_UNLINK, OP_UNLINK, OP_RENAME, OP_LINK, OP_UMASK, OP_FSTAT,
                                OP_FCHMOD};
    op_clear(op, kinds[below(g, 10)]);
    op->address = path_choose(g);
    op->address2 = path_choose(g);
    if (op->kind == OP_UMASK)
        op->value = (int)below(g, 4) * 0111 & 0277;
    else if (op->kind == OP_CHMOD)
        op->value = chance(g, 50) ? 0777 : (int)below(g, 01000);
    else if (op->kind == OP_STAT)
        op->flags = chance(g, 50) ? AT_SYMLINK_NOFOLLOW : 0;
    if (op->kind == OP_FSTAT || op->kind == OP_FCHMOD) {
        op->fd = pick(g, op, chance(g, 60) ? W_UNBOUND : W_SOCKET);
        op->value = (int)below(g, 01000);
        return op->fd >= 0;
    }
    if (op->kind == OP_CHMOD || op->kind == OP_UNLINK || op->kind == OP_RENAME || op->kind == OP_LINK)
        return op->address < A_ABSTRACT && op->address2 < A_ABSTRACT;
    return true;
}

/* Identities are the thread's on Linux: only a process that never had two changes them. */
bool fill_identity(struct generator *g, struct op *op)
{
    static const int ids[] = {0, 1000, 2000, 3000, -1, -1};
    op_clear(op, chance(g, 60) ? OP_SETRESUID : OP_SETRLIMIT);
    if (op->kind == OP_SETRLIMIT) {
        op->value = chance(g, 40) ? 64 : (int)below(g, 30);
        return true;
    }
    op->flags = chance(g, 30);
    op->uid = ids[below(g, 6)];
    op->gid = ids[below(g, 6)];
    op->value = chance(g, 60) ? 0 : ids[below(g, 6)];
    return !g->model.process[process_of(g, op)].forked_thread;
}

static int worker_free(const struct generator *g)
{
    for (int i = 1; i < WORKERS_MAX; i++)
        if (!g->model.worker[i].since && !g->model.worker[i].alive && !g->model.process[i].alive)
            return i;
    return -1;
}

bool fill_fork(struct generator *g, struct op *op)
{
    op_clear(op, OP_FORK);
    op->value = worker_free(g);
    return op->value > 0 && g->model.objects > 2;
}

bool fill_thread(struct generator *g, struct op *op)
{
    fill_fork(g, op);
    op->kind = OP_THREAD;
    return op->value > 0;
}

bool fill_exit(struct generator *g, struct op *op)
{
    op_clear(op, OP_EXIT);
    return process_of(g, op) != 0 && model_idle(&g->model) > 2;
}

bool fill_wait(struct generator *g, struct op *op)
{
    bool anybody = model_timer_pending(&g->model) && chance(g, 30);
    for (int i = 0; i < WORKERS_MAX; i++)
        anybody |= g->model.worker[i].busy && g->model.worker[i].op.timeout_ms > 0;
    op_clear(op, OP_WAIT);
    op->timeout_ms = wait_length(g);
    return anybody;
}
