/*
 * The send and receive operations: what the three types have in common. SPDX-License-Identifier:
 * MIT
 */
#include "core.h"
#include <string.h>

enum status send_begin(struct socket *socket)
{
    if (socket->type != LX_SOCK_SEQPACKET)
        return ST_OK;
    enum status status = socket_take_error(socket);
    if (status == ST_OK && socket->state != SOCKET_CONNECTED)
        status = ST_NOTCONN;
    return status;
}

void send_dropped(struct sockd *sockd, struct socket *socket)
{
    if (socket_writable(socket))
        object_wake(sockd, &socket->object, WAKE_WRITE);
}

enum status socket_send(struct sockd *sockd, struct socket *socket, struct send *send,
                        uint64_t *count)
{
    send->nowait = send->nowait || (!send->again && socket_sends_at_once(socket));
    return socket->type == LX_SOCK_STREAM ? stream_send(sockd, socket, send, count)
                                          : datagram_send(sockd, socket, send, count);
}

enum status socket_receive(struct sockd *sockd, struct socket *socket, struct receive *receive)
{
    receive->nowait = receive->nowait || (!receive->again && socket_receives_at_once(socket));
    return socket->type == LX_SOCK_STREAM ? stream_receive(sockd, socket, receive)
                                          : datagram_receive(sockd, socket, receive);
}

/* The living process with this pid; NULL: none. */
static const struct credentials *pid_find(const struct sockd *sockd, uint64_t pid)
{
    if (pid == 0)
        return NULL;
    for (unsigned i = 0; i < CREDENTIALS_MAX; i++)
        if (sockd->credentials[i].pid == pid)
            return &sockd->credentials[i];
    return NULL;
}

/* Explicit credentials: one's own, or anybody's for root (unix(7)); the process must exist. */
static enum status credentials_check(const struct sockd *sockd,
                                     const struct sock_send_request *request, uint64_t principal,
                                     uint32_t *serial)
{
    const struct credentials *caller = caller_credentials(sockd, principal);
    uint64_t pid = request->pid, uid = request->uid, gid = request->gid;
    if (uid >= UINT32_MAX || gid >= UINT32_MAX)
        return ST_INVAL;
    bool own = pid == caller->pid &&
               (uid == caller->ruid || uid == caller->euid || uid == caller->suid) &&
               (gid == caller->rgid || gid == caller->egid || gid == caller->sgid);
    if (!own && caller->euid != 0)
        return ST_PERM;
    const struct credentials *named = pid == caller->pid ? caller : pid_find(sockd, pid);
    *serial = named ? named->serial : 0;
    return named ? ST_OK : ST_SRCH;
}

static enum status send_prepare(struct sockd *sockd, struct socket *socket,
                                const struct sock_send_request *request, struct send *send)
{
    struct ipc_call *call = send->call;
    if (request->credentials) {
        enum status status = credentials_check(sockd, request, call->principal,
                                               &send->serial);
        if (status != ST_OK)
            return status;
        send->credentials = true;
        send->pid = (uint32_t)request->pid;
        send->uid = (uint32_t)request->uid;
        send->gid = (uint32_t)request->gid;
    }
    send->has_address = request->address_length != 0;
    if (send->has_address && socket->type == LX_SOCK_DGRAM && !(request->flags & LX_MSG_OOB))
        return address_get(call, request->address_length, &send->address);
    return ST_OK; /* the others refuse or ignore the address unread */
}

enum status op_send(void *state, struct ipc_call *call, const struct sock_send_request *request,
                    struct sock_send_reply *reply)
{
    struct sockd *sockd = state;
    struct socket *socket;
    struct send send = {
        .call = call,
        .principal = call->principal,
        .data_offset = request->address_length,
        .length = request->length < INT32_MAX ? request->length : INT32_MAX,
        .nowait = request->flags & LX_MSG_DONTWAIT,
        .again = request->flags & SOCK_AGAIN,
        .flags = (uint32_t)request->flags,
    };
    enum status status = socket_of_call(sockd, &socket);
    if (status != ST_OK)
        return status;
    if (call->cap_count && call->caps[0].kind != AR_RECEIVED_BADGE)
        return ST_CONNREFUSED; /* no name of ours */
    enum status staged = stage_take(sockd, call->principal, request->staged, &send.rights);
    if (staged == ST_SESSION)
        return staged;
    status = send_begin(socket);
    if (status == ST_OK)
        status = send_prepare(sockd, socket, request, &send);
    if (status == ST_OK)
        status = staged;
    if (status == ST_OK)
        status = socket_send(sockd, socket, &send, &reply->count);
    if (send.rights && status == ST_WAIT)
        stage_give_back(sockd, call->principal, send.rights);
    else if (send.rights)
        rights_unref(sockd, send.rights);
    return status;
}

enum status receive_address(struct receive *receive, const struct socket *sender)
{
    const struct bound_address *address = sender->address;
    if (!receive->want_address || !address)
        return ST_OK; /* an unnamed sender: length 0, as Linux leaves msg_namelen */
    receive->address_length = address->length;
    return ipc_data_put(receive->call, receive->address_offset, address->bytes, address->length);
}

enum status op_receive_more(void *state, struct ipc_call *call,
                            const struct sock_receive_more_request *request,
                            struct sock_receive_more_reply *reply)
{
    struct sockd *sockd = state;
    struct socket *socket;
    struct receive receive = {
        .call = call,
        .length = request->length < INT32_MAX ? request->length : INT32_MAX,
        .address_offset = request->length,
        .done = request->done,
        .nowait = request->flags & LX_MSG_DONTWAIT,
        .again = request->flags & SOCK_AGAIN,
        .want_address = request->address,
        .memory_bad = request->memory_bad,
        .flags = (uint32_t)request->flags,
        .credentials = request->credentials,
        .pid = (uint32_t)request->pid,
        .serial = (uint32_t)(request->pid >> 32),
        .uid = (uint32_t)request->uid,
        .gid = (uint32_t)request->gid,
    };
    enum status status = socket_of_call(sockd, &socket);
    /* What does not fit in one reply is claimed from the session: a child of fork has none yet. */
    if (status == ST_OK && request->max_rights > AR_MSG_CAPS &&
        !session_object_find(sockd, call->principal))
        return ST_SESSION;
    if (status == ST_OK)
        status = socket_receive(sockd, socket, &receive);
    if (status != ST_OK)
        return status;
    unsigned have = receive.rights ? receive.rights->count : 0;
    reply->rights = rights_deliver(sockd, call, receive.rights, (unsigned)request->max_rights);
    if (reply->rights < have)
        receive.message_flags |= LX_MSG_CTRUNC;
    reply->count = receive.count;
    reply->full_length = socket->type == LX_SOCK_STREAM ? receive.count : receive.full_length;
    reply->message_flags = receive.message_flags | (receive.more ? SOCK_MORE : 0);
    reply->address_length = receive.address_length;
    /* A STREAM tells at the end of file as well, of nobody (0, 0, 0), as Linux does. */
    if ((socket->option_flags & OPTIONS_SENDER) && !(receive.flags & LX_MSG_OOB) &&
        (receive.sender || socket->type == LX_SOCK_STREAM)) {
        reply->credentials = (option_on(socket, LX_SO_PASSCRED) ? SOCK_WITH_CREDENTIALS : 0) |
                             (option_on(socket, LX_SO_PASSPIDFD) ? SOCK_WITH_PIDFD : 0);
        reply->pid = receive.pid | (uint64_t)receive.serial << 32;
        reply->uid = receive.uid;
        reply->gid = receive.gid;
    }
    return ST_OK;
}

/* The two replies are one. */
_Static_assert(sizeof(struct sock_receive_reply) == sizeof(struct sock_receive_more_reply),
               "receive_more answers as receive does");

enum status op_receive(void *state, struct ipc_call *call,
                       const struct sock_receive_request *request, struct sock_receive_reply *reply)
{
    const struct sock_receive_more_request first = {.flags = request->flags,
                                                    .length = request->length,
                                                    .address = request->address,
                                                    .max_rights = request->max_rights};
    struct sock_receive_more_reply answer = {0};
    enum status status = op_receive_more(state, call, &first, &answer);
    memcpy(reply, &answer, sizeof(*reply));
    return status;
}
