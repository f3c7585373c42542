/* Operations that send and receive. SPDX-License-Identifier: MIT */
#include <sys/socket.h>

#include "generate.h"

static int size_choose(struct generator *g)
{
    static const int edges[] = {36544, 36543, 36545, 2240, 2241, 4096, 65536, 106432, 212928, 212960, 212992, 219264};
    unsigned kind = below(g, 100);
    if (kind < 4)
        return 0;
    if (kind < 50)
        return 1 + (int)below(g, 20);
    if (kind < 74)
        return 20 + (int)below(g, 2000);
    if (kind < 88)
        return 2000 + (int)below(g, 38000);
    if (kind < 96)
        return edges[below(g, 12)];
    return 60000 + (int)below(g, 240000);
}

/* A second piece, a buffer that ends too early. */
static void size_spice(struct generator *g, struct op *op)
{
    op->length0 = size_choose(g);
    if (chance(g, 20))
        op->length1 = chance(g, 50) ? (int)below(g, 50) : size_choose(g) / 4;
    if (op->length0 + op->length1 > DATA_MAX)
        op->length1 = 0;
    if (chance(g, g->profile == 14 ? 25 : 3))
        op->good = chance(g, 40) ? 0 : (int)below(g, (unsigned)(op->length0 + op->length1) + 1);
}

static int datagram_target(struct generator *g)
{
    int found[A_COUNT], count = 0;
    for (int name = 1; name < A_COUNT; name++)
        if (g->model.bound[name] && g->model.object[g->model.bound[name]].type == SOCK_DGRAM)
            found[count++] = name;
    return count && chance(g, 90) ? found[below(g, (unsigned)count)] : pick_name(g);
}

/* A call that would wait although nobody may: it must not. */
static bool make_safe(struct generator *g, struct op *op, const struct object *object)
{
    bool plain = op->kind == OP_WRITE || op->kind == OP_WRITEV || op->kind == OP_READ || op->kind == OP_READV;
    if (object->nonblocking || may_block(g, op, object))
        return true;
    if (plain && object->kind != K_SOCKET)
        return object->queued && (op->kind == OP_READ || op->kind == OP_READV);
    if (plain)
        op->kind = op->kind == OP_WRITE || op->kind == OP_WRITEV ? OP_SENDTO : OP_RECVFROM;
    op->flags |= MSG_DONTWAIT;
    return true;
}

/* Any one of them, also those that mean nothing here. */
static void flag_add(struct generator *g, struct op *op)
{
    if (g->features & FEATURE_OOB && chance(g, 3))
        op->flags |= (int32_t)(1u << below(g, 32));
}

static void send_flags(struct generator *g, struct op *op)
{
    static const int flags[] = {MSG_DONTWAIT, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_NOSIGNAL, MSG_MORE, MSG_EOR, MSG_CONFIRM,
                                MSG_DONTROUTE};
    if (chance(g, 35))
        op->flags |= flags[below(g, 8)];
    flag_add(g, op);
}

bool fill_send(struct generator *g, struct op *op)
{
    static const int kinds[] = {OP_WRITE, OP_WRITE, OP_WRITEV, OP_SENDTO, OP_SENDTO, OP_SENDMSG, OP_SENDMSG, OP_SENDMMSG};
    static const enum want wants[] = {W_LIVE_SENDER, W_LIVE_SENDER, W_LIVE_SENDER, W_WRITABLE, W_WRITABLE, W_DGRAM, W_SOCKET, W_FULL};
    op_clear(op, kinds[below(g, 8)]);
    op->fd = pick(g, op, wants[below(g, 8)]);
    if (op->fd < 0)
        return false;
    const struct object *object = object_of(g, op);
    size_spice(g, op);
    if (op->kind >= OP_SENDTO)
        send_flags(g, op);
    if (op->kind >= OP_SENDTO && (object->type == SOCK_DGRAM ? !object->reach || chance(g, 30) : chance(g, 3)))
        op->address = datagram_target(g);
    if (op->kind == OP_SENDMMSG) {
        op->value = 1 + (int)below(g, 4);
        op->length0 = (op->length0 + op->length1) / 8;
        op->length1 = op->good = 0;
        op->good = -1;
    }
    if (object->kind == K_EVENT) {
        op->kind = OP_WRITE;
        op->length0 = chance(g, 90) ? 8 : 4;
        op->length1 = 0;
        op->good = -1;
        op->value = chance(g, 90) ? 1 + (int)below(g, 4) : -2;
    } else if (object->kind != K_SOCKET && op->kind > OP_WRITEV) {
        op->kind = OP_WRITE;
        op->flags = op->address = 0;
    }
    return make_safe(g, op, object);
}

/* Sends large pieces until there is no more room. */
bool fill_fill(struct generator *g, struct op *op)
{
    op_clear(op, OP_SENDTO);
    op->fd = pick(g, op, W_LIVE_SENDER);
    if (op->fd < 0)
        return false;
    const struct object *object = object_of(g, op);
    op->length0 = chance(g, 50) ? 30000 + (int)below(g, 80000) : 1 + (int)below(g, 3000);
    op->flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    g->repeat = 0;
    if (object->type == SOCK_STREAM && chance(g, 50))
        op->length0 = DATA_MAX - (int)below(g, 50000);
    if (chance(g, 30) && may_block(g, op, object))
        op->flags = 0;
    return true;
}

/* Not a timer: it is the process's own on Aramid, and the number of one elsewhere is an event counter. */
static int right_choose(struct generator *g, const struct op *op)
{
    bool shared = g->features & FEATURE_EPOLL_SHARED;
    int fd = pick(g, op, shared && chance(g, 8) ? W_EPOLL : chance(g, 75) ? W_SOCKET : W_ANY);
    int kind = model_object(&g->model, process_of(g, op), fd)->kind;
    return kind == K_TIMER || (kind == K_EPOLL && !shared) ? pick(g, op, W_SOCKET) : fd;
}

static void rights_choose(struct generator *g, struct op *op)
{
    int32_t *const fds[FDS_MAX] = {&op->fd0, &op->fd1, &op->fd2, &op->fd3};
    op->control |= C_RIGHTS;
    op->count = chance(g, 60) ? 1 : 1 + (int)below(g, FDS_MAX);
    for (int i = 0; i < op->count; i++)
        *fds[i] = right_choose(g, op);
    if (chance(g, 3))
        *fds[op->count - 1] = chance(g, 50) ? -1 : 63;
    if (chance(g, 6))
        op->repeat = chance(g, 40) ? 252 - op->count + (int)below(g, 3) : (int)below(g, 70);
}

bool fill_rights(struct generator *g, struct op *op)
{
    op_clear(op, OP_SENDMSG);
    op->fd = pick(g, op, chance(g, 90) ? W_LIVE_SENDER : W_SOCKET);
    if (op->fd < 0)
        return false;
    const struct object *object = object_of(g, op);
    rights_choose(g, op);
    op->length0 = chance(g, 90) ? 1 + (int)below(g, 10) : chance(g, 50) ? 0 : size_choose(g);
    send_flags(g, op);
    if (object->type == SOCK_DGRAM && (!object->reach || chance(g, 20)))
        op->address = datagram_target(g);
    return make_safe(g, op, object);
}

/* Both ends into the pair itself, and nobody holds it: what only a collector can free. */
bool fill_self_rights(struct generator *g, struct op *op)
{
    op_clear(op, OP_SENDMSG);
    op->fd = pick(g, op, W_LIVE_SENDER);
    if (op->fd < 0)
        return false;
    const struct object *object = object_of(g, op);
    op->control = C_RIGHTS;
    op->count = 1;
    op->length0 = 1;
    op->flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    op->fd0 = op->fd;
    const struct model_process *process = &g->model.process[process_of(g, op)];
    for (int fd = 0; fd < FDS && chance(g, 95); fd++)
        if (process->fd[fd] && process->fd[fd] == object->peer)
            op->fd0 = fd;
    return true;
}

bool fill_credentials(struct generator *g, struct op *op)
{
    static const int ids[] = {0, 1000, 2000, 3000, 65534};
    op_clear(op, OP_SENDMSG);
    op->fd = pick(g, op, chance(g, 90) ? W_LIVE_SENDER : W_DGRAM);
    if (op->fd < 0)
        return false;
    const struct object *object = object_of(g, op);
    if (!model_object(&g->model, 0, op->fd)->passes && chance(g, 30)) {
        op->kind = OP_SETSOCKOPT;
        op->value = SOL_SOCKET;
        op->value2 = SO_PASSCRED;
        op->length0 = 4;
        op->mask0 = chance(g, 90);
        return true;
    }
    op->control = chance(g, 75) ? C_CREDENTIALS : chance(g, 50) ? 0 : C_CREDENTIALS | C_RIGHTS;
    if (op->control & C_RIGHTS)
        rights_choose(g, op);
    int uid = g->model.process[process_of(g, op)].uid;
    op->pid = chance(g, 70) ? PID_SELF : chance(g, 30) ? PID_DEAD : 0;
    op->uid = chance(g, 60) ? uid : ids[below(g, 5)];
    op->gid = chance(g, 60) ? uid : ids[below(g, 5)];
    op->length0 = chance(g, 90) ? 1 + (int)below(g, 20) : 0;
    if (object->type == SOCK_DGRAM && !object->reach)
        op->address = datagram_target(g);
    send_flags(g, op);
    return make_safe(g, op, object);
}

static void receive_spice(struct generator *g, struct op *op, const struct object *object)
{
    static const int flags[] = {MSG_DONTWAIT, MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, MSG_CMSG_CLOEXEC, MSG_EOR,
                                MSG_ERRQUEUE};
    bool message = op->kind == OP_RECVMSG || op->kind == OP_RECVMMSG;
    if (chance(g, 40) && op->kind >= OP_RECVFROM)
        op->flags |= flags[below(g, chance(g, 92) ? 6 : 8)];
    if (op->kind >= OP_RECVFROM)
        flag_add(g, op);
    if (op->kind >= OP_RECVFROM && chance(g, 35))
        op->address_length = chance(g, 80) ? 110 : (int)below(g, 12);
    if (message && (object->batches || object->passes || chance(g, 50)))
        op->control_length = chance(g, 60) ? 1500 : chance(g, 50) ? (int)below(g, 120) : 16 + 4 * (int)below(g, 10);
    if (op->kind == OP_RECVMMSG) {
        op->value = 1 + (int)below(g, 4);
        op->length0 = 1 + op->length0 % 70000;
        op->length1 = 0;
        op->good = -1;
    }
}

bool fill_receive(struct generator *g, struct op *op)
{
    static const int kinds[] = {OP_READ, OP_READV, OP_RECVFROM, OP_RECVFROM, OP_RECVMSG, OP_RECVMSG, OP_RECVMSG, OP_RECVMMSG};
    static const enum want wants[] = {W_READABLE, W_READABLE, W_READABLE, W_READABLE, W_CONNECTED, W_RIGHTS, W_DGRAM, W_ANY};
    op_clear(op, kinds[below(g, 8)]);
    op->fd = pick(g, op, wants[below(g, 8)]);
    if (op->fd < 0)
        return false;
    const struct object *object = object_of(g, op);
    size_spice(g, op);
    if (object->batches && chance(g, 60))
        op->kind = OP_RECVMSG;
    if (object->kind != K_SOCKET)
        op->kind = OP_READ;
    if (object->kind == K_EVENT)
        op->length0 = chance(g, 95) ? 8 : 7;
    if (object->kind == K_FILE || object->kind == K_EPOLL || object->kind == K_UNKNOWN || model_foreign(object))
        return false;
    receive_spice(g, op, object);
    if (op->kind == OP_RECVMMSG && !object->nonblocking)
        op->flags |= chance(g, 50) ? MSG_DONTWAIT : 0x10000 /* MSG_WAITFORONE */;
    return make_safe(g, op, object);
}

bool fill_peek(struct generator *g, struct op *op)
{
    if (chance(g, 20)) {
        op_clear(op, OP_SETSOCKOPT);
        op->fd = pick(g, op, W_CONNECTED);
        op->value = SOL_SOCKET;
        op->value2 = 42; /* SO_PEEK_OFF */
        op->length0 = 4;
        op->mask0 = (int)below(g, 12) - 1;
        return op->fd >= 0;
    }
    if (!fill_receive(g, op))
        return false;
    if (op->kind == OP_READ || op->kind == OP_READV)
        op->kind = OP_RECVFROM;
    op->flags |= MSG_PEEK;
    return object_of(g, op)->kind == K_SOCKET;
}

bool fill_oob(struct generator *g, struct op *op)
{
    op_clear(op, chance(g, 50) ? OP_SENDTO : OP_RECVFROM);
    op->fd = pick(g, op, chance(g, 90) ? W_STREAM : W_SOCKET);
    op->flags = MSG_OOB | (chance(g, 10) ? MSG_PEEK : 0);
    op->length0 = op->kind == OP_SENDTO ? 1 + (int)below(g, 3) * (int)below(g, 4) : 1 + (int)below(g, 4);
    op->flags |= MSG_DONTWAIT;
    if (op->kind == OP_SENDTO)
        op->flags &= ~MSG_PEEK;
    return op->fd >= 0;
}

bool fill_splice(struct generator *g, struct op *op)
{
    static const int kinds[] = {OP_SENDFILE, OP_SPLICE, OP_SPLICE, OP_TEE};
    op_clear(op, kinds[below(g, 4)]);
    op->length0 = size_choose(g);
    op->flags = op->kind == OP_SENDFILE ? 0 : 2; /* SPLICE_F_NONBLOCK */
    if (op->kind == OP_SENDFILE) {
        op->fd = pick(g, op, W_FILE);
        op->fd0 = pick(g, op, chance(g, 70) ? W_LIVE_SENDER : W_PIPE_WRITE);
    } else if (op->kind == OP_TEE) {
        op->fd = pick(g, op, W_PIPE_READ);
        op->fd0 = pick(g, op, W_PIPE_WRITE);
    } else if (chance(g, 50)) {
        op->fd = pick(g, op, chance(g, 80) ? W_READABLE : W_CONNECTED);
        op->fd0 = pick(g, op, W_PIPE_WRITE);
    } else {
        op->fd = pick(g, op, W_PIPE_READ);
        op->fd0 = pick(g, op, W_LIVE_SENDER);
    }
    if (op->fd < 0 || op->fd0 < 0)
        return false;
    const struct object *from = object_of(g, op), *to = model_object(&g->model, process_of(g, op), op->fd0);
    return (from->nonblocking || from->kind == K_FILE || from->queued) && to->nonblocking;
}
