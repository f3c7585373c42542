/* Follows what the answers say. SPDX-License-Identifier: MIT */
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

void model_begin(struct model *model, int uid)
{
    memset(model, 0, sizeof(*model));
    model->process[0].alive = model->worker[0].alive = true;
    model->process[0].uid = uid;
    model->objects = 1;
}

struct object *model_object(struct model *model, int process, int fd)
{
    return &model->object[fd >= 0 && fd < FDS ? model->process[process].fd[fd] : 0];
}

bool model_foreign(const struct object *object)
{
    return object->kind == K_PIDFD || object->kind == K_TIMER;
}

bool model_timer_pending(const struct model *model)
{
    for (int i = 1; i < model->objects; i++)
        if (model->object[i].pending)
            return true;
    return false;
}

int model_idle(const struct model *model)
{
    int count = 0;
    for (int i = 0; i < WORKERS_MAX; i++)
        count += model->worker[i].alive && !model->worker[i].busy;
    return count;
}

static int object_new(struct model *model, int kind, int type)
{
    int index = model->objects < OBJECTS - 1 ? model->objects++ : OBJECTS - 1;
    model->object[index] = (struct object){.kind = kind, .type = type};
    return index;
}

static void fd_close(struct model *model, int process, int fd)
{
    if (fd < 0 || fd >= FDS || !model->process[process].fd[fd])
        return;
    struct object *object = &model->object[model->process[process].fd[fd]];
    model->process[process].fd[fd] = 0;
    if (--object->refs > 0)
        return;
    if (object->peer) {
        model->object[object->peer].dead_peer = true;
        model->object[object->peer].full = false;
    }
    if (object->name && model->bound[object->name] == object - model->object)
        model->bound[object->name] = 0;
}

static void fd_set_object(struct model *model, int process, int fd, int object, int from)
{
    if (fd < 0 || fd >= FDS)
        return;
    fd_close(model, process, fd);
    model->process[process].fd[fd] = object;
    model->process[process].from[fd] = from;
    model->object[object].refs++;
}

/* ---- what results say ---- */

/* 0 for what did not fit: there is something else in memory, on Linux and in a replay. */
static int number_at(const struct result *result, int at)
{
    return at < result->count && at < OUT_MAX ? result->out[at] : 0;
}

static int rights_collect(const struct result *result, int at, int end, int32_t *fds, int max, int have)
{
    if (end > result->count)
        end = result->count;
    while (at + 1 < end) {
        int type = number_at(result, at), size = number_at(result, at + 1);
        at += 2;
        if (type == SOL_SOCKET * 1000 + SCM_RIGHTS) {
            int count = number_at(result, at++), shown = count < 8 ? count : count == 8 ? 8 : 9;
            for (int i = 0; i < shown && at < end; i++, at++)
                if (have < max)
                    fds[have++] = number_at(result, at);
        } else if (type == SOL_SOCKET * 1000 + SCM_CREDENTIALS && size == 12) {
            at += 3;
        } else if (type == SOL_SOCKET * 1000 + 4 && size == 4) {
            at++;
        }
    }
    return have;
}

static int message_fds(const struct op *op, const struct result *result, int32_t *fds, int max)
{
    int at = 0, messages = op->kind == OP_RECVMMSG ? result->ret : 1, size = op->length0 + op->length1, have = 0;
    for (int i = 0; i < messages && at < result->count; i++) {
        int got = op->kind == OP_RECVMMSG ? number_at(result, at++) : result->ret;
        at += got > 0 && size > 0;
        at += 1 + (op->address_length >= 0 ? 2 : 0);
        if (op->control_length < 0)
            continue;
        int control = number_at(result, at++), end = at;
        /* Only the last message's control data is followed to its end: the others are short. */
        for (int left = control; left > 0 && end < result->count && messages > 1;) {
            int type = number_at(result, end), length = 16 + number_at(result, end + 1);
            int rights = number_at(result, end + 2);
            int shown = type == SOL_SOCKET * 1000 + SCM_RIGHTS ? 1 + (rights < 9 ? rights : 9)
                        : type == SOL_SOCKET * 1000 + SCM_CREDENTIALS && length == 28 ? 3
                        : type == SOL_SOCKET * 1000 + 4 ? 1 : 0;
            end += 2 + shown;
            left -= (length + 7) & ~7;
        }
        if (messages == 1)
            end = result->count;
        have = rights_collect(result, at, end, fds, max, have);
        at = end;
    }
    return have;
}

int result_fds(const struct op *op, const struct result *result, int32_t *fds, int max)
{
    if (result->ret < 0)
        return 0;
    switch (op->kind) {
    case OP_SOCKET:
    case OP_ACCEPT:
    case OP_DUP:
    case OP_DUP2:
    case OP_DUP3:
    case OP_EPOLL_CREATE:
    case OP_EVENTFD:
    case OP_PIDFD:
    case OP_TIMERFD:
    case OP_OPEN:
        fds[0] = result->ret;
        return 1;
    case OP_FCNTL:
        fds[0] = result->ret;
        return op->value == F_DUPFD || op->value == F_DUPFD_CLOEXEC;
    case OP_GETSOCKOPT:
        fds[0] = result->count > 1 ? result->out[1] : -1;
        return op->value2 == 77 /* SO_PEERPIDFD */ && result->count > 1;
    case OP_SOCKETPAIR:
    case OP_PIPE:
        fds[0] = result->out[0];
        fds[1] = result->out[1];
        return 2;
    case OP_RECVMSG:
    case OP_RECVMMSG:
        return message_fds(op, result, fds, max);
    default:
        return 0;
    }
}

/* ---- learning ---- */

static int kind_made(const struct op *op)
{
    switch (op->kind) {
    case OP_EVENTFD:
        return K_EVENT;
    case OP_PIDFD:
        return K_PIDFD;
    case OP_TIMERFD:
        return K_TIMER;
    case OP_OPEN:
        return K_FILE;
    default:
        return K_EPOLL;
    }
}

static void learn_make(struct model *model, int process, const struct op *op, const struct result *result)
{
    int first, second, from = op_from(op->id, 0);
    struct object *old = model_object(model, process, op->fd);
    switch (op->kind) {
    case OP_SOCKET:
        first = object_new(model, K_SOCKET, op->flags & 0xf);
        if (model->object[first].type == SOCK_RAW)
            model->object[first].type = SOCK_DGRAM;
        model->object[first].nonblocking = op->flags & SOCK_NONBLOCK;
        fd_set_object(model, process, result->ret, first, from);
        break;
    case OP_SOCKETPAIR:
    case OP_PIPE:
        first = object_new(model, op->kind == OP_PIPE ? K_PIPE_READ : K_SOCKET, op->flags & 0xf);
        second = object_new(model, op->kind == OP_PIPE ? K_PIPE_WRITE : K_SOCKET, op->flags & 0xf);
        model->object[first].peer = model->object[first].reach = second;
        model->object[second].peer = model->object[second].reach = first;
        model->object[first].connected = model->object[second].connected = true;
        model->object[first].nonblocking = model->object[second].nonblocking = op->flags & SOCK_NONBLOCK;
        fd_set_object(model, process, result->out[0], first, from);
        fd_set_object(model, process, result->out[1], second, op_from(op->id, 1));
        break;
    case OP_DUP:
    case OP_DUP2:
    case OP_DUP3:
    case OP_FCNTL:
        fd_set_object(model, process, result->ret, (int)(old - model->object), from);
        break;
    default:
        first = object_new(model, kind_made(op), 0);
        model->object[first].nonblocking = op->flags & SOCK_NONBLOCK;
        model->object[first].pending = op->kind == OP_TIMERFD && op->value == TIMER_LATER;
        fd_set_object(model, process, result->ret, first, from);
        break;
    }
}

static void learn_accept(struct model *model, int process, const struct op *op, const struct result *result)
{
    struct object *listener = model_object(model, process, op->fd);
    int index = object_new(model, K_SOCKET, listener->type), client = listener->waits ? listener->waiting[0] : 0;
    struct object *object = &model->object[index];
    object->connected = true;
    object->nonblocking = op->flags & SOCK_NONBLOCK;
    object->peer = object->reach = client;
    object->passes = listener->passes;
    if (client) {
        object->queued = 1; /* perhaps */
        model->object[client].peer = index;
    }
    if (listener->waits)
        memmove(listener->waiting, listener->waiting + 1, (size_t)--listener->waits * sizeof(int));
    fd_set_object(model, process, result->ret, index, op_from(op->id, 0));
}

static void learn_connect(struct model *model, int process, const struct op *op)
{
    struct object *object = model_object(model, process, op->fd);
    int target = model->bound[op->address], index = (int)(object - model->object);
    struct object *other = &model->object[target];
    if (op->address == A_UNSPEC) {
        object->reach = 0;
        object->connected = false;
        return;
    }
    object->connected = true;
    object->reach = target;
    if (!target)
        return;
    if (object->type == SOCK_DGRAM) {
        object->peer = other->reach == index ? target : 0;
    } else if (other->waits < WAITING) {
        object->peer = 0;
        other->waiting[other->waits++] = index;
    }
}

static void batch_put(struct model *model, int process, struct object *to, const struct op *op)
{
    const int fds[FDS_MAX] = {op->fd0, op->fd1, op->fd2, op->fd3};
    model->in_flight++;
    if (to->batches == BATCHES)
        return;
    struct batch *batch = &to->batch[to->batches++];
    batch->count = op->count < FDS_MAX ? op->count : FDS_MAX;
    for (int i = 0; i < batch->count; i++)
        batch->object[i] = (int)(model_object(model, process, fds[i]) - model->object);
}

static void learn_send(struct model *model, int process, const struct op *op, const struct result *result)
{
    struct object *object = model_object(model, process, op->fd), *to = &model->object[object->reach];
    if (op->address && object->type == SOCK_DGRAM)
        to = &model->object[model->bound[op->address]];
    else if (object->type != SOCK_DGRAM)
        to = &model->object[object->peer];
    if (object->kind == K_PIPE_WRITE && op->good >= 0 && result->ret < op->length0 + op->length1)
        model->object[object->peer].hole = true;
    if (result->ret == -EAGAIN || result->ret == -ENOBUFS)
        object->full = true;
    if (result->ret == -EPIPE || result->ret == -ECONNRESET || result->ret == -ECONNREFUSED)
        object->dead_peer = true;
    if (result->ret < 0)
        return;
    to->queued++;
    if (op->flags & MSG_OOB)
        to->oob = object->sent_oob = true;
    if (op->control & C_RIGHTS && (result->ret > 0 || object->type != SOCK_STREAM)) /* nothing to join on a stream */
        batch_put(model, process, to, op);
}

static void learn_receive(struct model *model, int process, const struct op *op, const struct result *result)
{
    struct object *object = model_object(model, process, op->fd);
    int32_t fds[FDS_MAX * 4];
    if (result->ret == -EAGAIN)
        object->queued = 0;
    if (result->ret < 0)
        return;
    if (!(op->flags & MSG_PEEK)) {
        object->queued -= object->queued > 0;
        model->object[object->peer].full = false;
    }
    int count = result_fds(op, result, fds, FDS_MAX * 4);
    for (int i = 0; i < count; i++) {
        int index = object->batches && i < object->batch[0].count ? object->batch[0].object[i] : 0;
        if (!index)
            index = object_new(model, K_UNKNOWN, SOCK_STREAM);
        fd_set_object(model, process, fds[i], index, op_from(op->id, i));
    }
    if (count && object->batches && !(op->flags & MSG_PEEK))
        memmove(object->batch, object->batch + 1, (size_t)--object->batches * sizeof(struct batch));
}

static void learn_watch(struct model *model, int process, const struct op *op)
{
    struct object *epoll = model_object(model, process, op->fd);
    if (op->value != 1 /* EPOLL_CTL_ADD */)
        return;
    epoll->watches[epoll->watched % WATCHES] = (int)(model_object(model, process, op->fd0) - model->object);
    epoll->watched_by[epoll->watched++ % WATCHES] = process;
}

static void learn_state(struct model *model, int process, const struct op *op, const struct result *result)
{
    struct object *object = model_object(model, process, op->fd);
    switch (op->kind) {
    case OP_BIND:
        object->name = op->address;
        model->bound[op->address] = (int)(object - model->object);
        break;
    case OP_LISTEN:
        object->listening = true;
        object->backlog = op->value < 0 ? 4096 : op->value;
        break;
    case OP_SHUTDOWN:
        object->shut_read |= op->value != SHUT_WR;
        object->shut_write |= op->value != SHUT_RD;
        break;
    case OP_CLOSE:
        fd_close(model, process, op->fd);
        break;
    case OP_GETSOCKNAME:
        if (result->count > 1 && result->out[1] >= 100 && result->out[1] < 108) {
            model->bound[A_KNOWN + result->out[1] - 100] = (int)(object - model->object);
            if (model->autobinds < result->out[1] - 99)
                model->autobinds = result->out[1] - 99;
        }
        break;
    case OP_SETSOCKOPT:
        object->passes |= op->value2 == SO_PASSCRED && op->mask0;
        object->timed |= op->value2 == SO_RCVTIMEO || op->value2 == SO_SNDTIMEO;
        if (op->value2 == SO_RCVTIMEO || op->value2 == SO_SNDTIMEO)
            object->timed_by[op->value2 == SO_SNDTIMEO] = process + 1;
        object->offset |= op->value2 == SO_PEEK_OFF;
        break;
    case OP_IOCTL:
        if (op->value == FIONBIO)
            object->nonblocking = op->value2;
        break;
    case OP_FCNTL:
        if (op->value == F_SETFL)
            object->nonblocking = op->value2 & O_NONBLOCK;
        break;
    case OP_EPOLL_CTL:
        learn_watch(model, process, op);
        break;
    case OP_SETRESUID:
        if (!op->flags && op->gid != UNSET)
            model->process[process].uid = op->gid;
        break;
    default:
        break;
    }
}

static void learn_life(struct model *model, int worker, const struct op *op)
{
    int process = model->worker[worker].process, other = op->value;
    struct model_process *mine = &model->process[process];
    if (op->kind == OP_THREAD) {
        mine->forked_thread = true;
        model->worker[other] = (struct model_worker){.alive = true, .process = process};
    } else {
        model->process[other] = *mine;
        model->process[other].forked_thread = false;
        model->worker[other] = (struct model_worker){.alive = true, .process = other};
        for (int fd = 0; fd < FDS; fd++)
            model->object[mine->fd[fd]].refs++;
    }
}

static void learn_exit(struct model *model, int process)
{
    for (int fd = 0; fd < FDS; fd++)
        fd_close(model, process, fd);
    model->process[process].alive = false;
    for (int i = 0; i < WORKERS_MAX; i++)
        if (model->worker[i].process == process && model->worker[i].alive) {
            model->worker[i].alive = model->worker[i].busy = false;
            model->worker[i].since = 1; /* its number does not come again */
        }
}

static void learn_result(struct model *model, int worker, const struct op *op, const struct result *result)
{
    int process = model->worker[worker].process;
    int32_t fds[FDS_MAX];
    if (op->kind >= OP_WRITE && op->kind <= OP_SENDMMSG)
        learn_send(model, process, op, result);
    else if (op->kind >= OP_READ && op->kind <= OP_RECVMMSG)
        learn_receive(model, process, op, result);
    else if (op->kind == OP_CONNECT && result->ret == -EAGAIN)
        model->object[model->bound[op->address]].full = true;
    else if (result->ret < 0)
        return;
    else if (op->kind == OP_CONNECT)
        learn_connect(model, process, op);
    else if (op->kind == OP_ACCEPT)
        learn_accept(model, process, op, result);
    else if (op->kind == OP_FORK || op->kind == OP_THREAD)
        learn_life(model, worker, op);
    else if (op->kind != OP_GETSOCKOPT && result_fds(op, result, fds, FDS_MAX))
        learn_make(model, process, op, result);
    else
        learn_state(model, process, op, result);
}

void model_learn(struct model *model, const struct op *op, const struct step *step)
{
    bool ended = false;
    for (int i = 0; i < step->events; i++) {
        int worker = step->event[i].worker;
        if (worker >= WORKERS_MAX)
            continue;
        struct model_worker *who = &model->worker[worker];
        struct op done = who->busy ? who->op : *op;
        ended |= worker == op->worker && !who->busy;
        who->busy = false;
        learn_result(model, worker, &done, &step->event[i].result);
    }
    if (op->kind == OP_WAIT)
        for (int i = 1; i < model->objects; i++)
            model->object[i].pending = false;
    if (op->kind == OP_WAIT || ended)
        return;
    struct model_worker *who = &model->worker[op->worker];
    if (op->kind == OP_EXIT) {
        learn_exit(model, who->process);
        return;
    }
    who->busy = true;
    who->op = *op;
    who->object = (int)(model_object(model, who->process, op->fd) - model->object);
    who->since = op->id;
    const int fds[FDS_MAX] = {op->fd0, op->fd1, op->fd2, op->fd3};
    for (int i = 0; i < FDS_MAX; i++)
        who->polled[i] = (int)(model_object(model, who->process, fds[i]) - model->object);
}
