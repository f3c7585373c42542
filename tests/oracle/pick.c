/* Which descriptor, which name. SPDX-License-Identifier: MIT */
#include <sys/socket.h>

#include "generate.h"

int process_of(const struct generator *g, const struct op *op)
{
    return g->model.worker[op->worker].process;
}

struct object *object_of(struct generator *g, const struct op *op)
{
    return model_object(&g->model, process_of(g, op), op->fd);
}

static bool is_wanted(const struct object *object, enum want want)
{
    bool is_socket = object->kind == K_SOCKET;
    bool is_stream = is_socket && object->type != SOCK_DGRAM;
    switch (want) {
    case W_ANY: return object->kind;
    case W_SOCKET: return is_socket;
    case W_STREAM: return is_socket && object->type == SOCK_STREAM && object->connected;
    case W_UNBOUND: return is_socket && !object->name && !object->connected;
    case W_UNCONNECTED: return is_socket && !object->connected && !object->listening;
    case W_CONNECTED: return is_socket && object->connected;
    case W_LISTENER: return is_socket && object->listening;
    case W_WAITED: return is_socket && object->listening && object->waits;
    case W_BINDABLE: return is_stream && object->name && !object->listening && !object->connected;
    case W_DGRAM: return is_socket && object->type == SOCK_DGRAM;
    case W_READABLE: return object->queued && (is_socket || object->kind == K_PIPE_READ || object->kind == K_EVENT);
    case W_WRITABLE:
        return (is_socket && (object->connected || object->type == SOCK_DGRAM)) || object->kind == K_PIPE_WRITE;
    case W_LIVE_SENDER: return is_socket && object->connected && !object->dead_peer && object->reach;
    case W_FULL: return object->full;
    case W_RIGHTS: return object->batches;
    case W_EPOLL: return object->kind == K_EPOLL;
    case W_PIPE_READ: return object->kind == K_PIPE_READ;
    case W_PIPE_WRITE: return object->kind == K_PIPE_WRITE;
    case W_EVENT: return object->kind == K_EVENT;
    case W_FILE: return object->kind == K_FILE;
    case W_POLLABLE: return object->kind && object->kind != K_FILE && !model_foreign(object);
    case W_FOREIGN: return model_foreign(object);
    }
    return false;
}

int pick(struct generator *g, const struct op *op, enum want want)
{
    const struct model_process *process = &g->model.process[process_of(g, op)];
    int found[FDS], count = 0;
    for (int fd = 0; fd < FDS; fd++)
        if (process->fd[fd] && is_wanted(&g->model.object[process->fd[fd]], want))
            found[count++] = fd;
    return count ? found[below(g, (unsigned)count)] : -1;
}

int pick_or_any(struct generator *g, const struct op *op, enum want want)
{
    int fd = pick(g, op, want);
    return fd >= 0 ? fd : pick(g, op, W_ANY);
}

/* Two that wait for the same thing are woken in an order that is nobody's promise. */
bool may_block(struct generator *g, const struct op *op, const struct object *object)
{
    int index = (int)(object - g->model.object);
    if (model_idle(&g->model) < 2)
        return false;
    for (int i = 0; i < WORKERS_MAX; i++) {
        const struct model_worker *other = &g->model.worker[i];
        if (!other->busy)
            continue;
        const struct object *its = &g->model.object[other->object];
        if (other->object == index || its->peer == index || object->peer == other->object ||
            (its->reach && its->reach == object->reach) || (op->address && other->op.address == op->address) ||
            (other->op.kind >= OP_POLL && other->op.kind <= OP_EPOLL_WAIT))
            return false;
    }
    return true;
}

int pick_name(struct generator *g)
{
    unsigned kind = below(g, 100);
    if (kind < 45)
        return A_ABSTRACT + (int)below(g, kind < 30 ? 3 : 8);
    if (kind < 80 && g->features & FEATURE_PATHS)
        return A_PATH + (int)below(g, kind < 70 ? 3 : 8);
    if (kind < 88 && g->model.autobinds)
        return A_KNOWN + (int)below(g, (unsigned)g->model.autobinds);
    if (kind < 92 && g->features & FEATURE_PATHS)
        return A_LONG + (int)below(g, A_COUNT - A_LONG);
    if (kind < 95)
        return A_FAMILY + (int)below(g, 3);
    return A_ABSTRACT + (int)below(g, 8);
}
