/* States in words, for the table of what was reached. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "model.h"

static const char *type_name(int type)
{
    return type == SOCK_STREAM ? "stream" : type == SOCK_SEQPACKET ? "seqpacket" : "dgram";
}

static const char *phase_name(const struct object *object)
{
    if (object->listening)
        return object->full ? " listening full" : object->waits ? " listening waited-for" : " listening";
    if (object->dead_peer)
        return object->queued ? " peer-dead unread" : " peer-dead";
    if (object->shut_read || object->shut_write)
        return object->shut_read && object->shut_write ? " shut" : object->shut_read ? " shut-read" : " shut-write";
    if (object->full)
        return " full";
    if (object->connected)
        return object->batches ? " with-rights" : object->queued ? " connected queued" : " connected";
    return object->queued ? " queued" : object->name ? " bound" : " fresh";
}

const char *model_state(const struct model *model, const struct op *op)
{
    static const char *const kinds[] = {"closed", "socket", "pipe reading end", "pipe writing end",
                                        "eventfd", "epoll", "file", "received"};
    static char text[64];
    const struct object *object =
        model_object((struct model *)model, model->worker[op->worker].process, op->kind == OP_POLL ? op->fd0 : op->fd);
    if (op->kind == OP_SOCKET || op->kind == OP_SOCKETPAIR || op->kind >= OP_FORK)
        return "-";
    if (object->kind != K_SOCKET)
        return kinds[object->kind];
    snprintf(text, sizeof(text), "%s%s", type_name(object->type), phase_name(object));
    return text;
}
