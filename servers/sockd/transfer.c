/*
 * The send and receive operations: what the three types have in common. SPDX-License-Identifier:
 * MIT
 */
#include "straight.h"
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
                                     const struct sock_send_as_request *request,
                                     struct send *send)
{
    const struct credentials *caller = caller_credentials(sockd, send->principal);
    uint64_t pid = request->pid, uid = request->uid, gid = request->gid;
    if (uid >= UINT32_MAX || gid >= UINT32_MAX)
        return ST_INVAL;
    bool own = pid == caller->pid &&
               (uid == caller->ruid || uid == caller->euid || uid == caller->suid) &&
               (gid == caller->rgid || gid == caller->egid || gid == caller->sgid);
    if (!own && caller->euid != 0)
        return ST_PERM;
    const struct credentials *named = pid == caller->pid ? caller : pid_find(sockd, pid);
    if (!named)
        return ST_SRCH;
    send->credentials = true;
    send->pid = (uint32_t)pid;
    send->serial = named->serial;
    send->uid = (uint32_t)uid;
    send->gid = (uint32_t)gid;
    return ST_OK;
}

/* The descriptors of the message. *along: they came with it, perhaps after a name gate. *staged: what is
 * wrong with the stage, which comes after what is wrong with the socket. */
static enum status send_rights(struct sockd *sockd, struct send *send, uint64_t flags,
                               uint64_t count, bool *along, enum status *staged)
{
    const struct ipc_call *call = send->call;
    *along = !(flags & SOCK_STAGED);
    uint64_t others = call->cap_count - (*along ? count : 0);
    if (others > 1)
        return ST_MESSAGE;
    if (others && call->caps[0].kind != AR_RECEIVED_BADGE)
        return ST_CONNREFUSED; /* no name of ours */
    if (!*along) {
        *staged = stage_take(sockd, send->principal, count, &send->rights);
        return *staged == ST_SESSION ? ST_SESSION : ST_OK;
    }
    if (sockd->kept_rights)
        stage_forget(sockd, send->principal);
    if (count == 0)
        return ST_OK;
    struct account *account = account_get(sockd, send->principal);
    if (!account)
        return ST_NOMEM;
    enum status status = rights_take(sockd, call, account, (unsigned)count, &send->rights);
    account_put(sockd, account);
    return status;
}

/* `as` NULL: without credentials. */
static __attribute__((noinline)) enum status send_run(struct sockd *sockd, struct ipc_call *call,
                            const struct sock_send_request *request,
                            const struct sock_send_as_request *as, uint64_t *count)
{
    struct socket *socket;
    struct address address;
    struct send send = {
        .call = call,
        .principal = call->principal,
        .data_offset = request->address_length,
        .length = request->length < INT32_MAX ? request->length : INT32_MAX,
        .nowait = request->flags & LX_MSG_DONTWAIT,
        .again = request->flags & SOCK_AGAIN,
        .has_address = request->address_length != 0,
        .address = &address,
        .flags = (uint32_t)request->flags,
    };
    bool along;
    enum status status = socket_of_call(sockd, &socket), staged = ST_OK;
    if (status == ST_OK)
        status = send_rights(sockd, &send, request->flags, request->rights, &along, &staged);
    if (status != ST_OK)
        return status;
    status = send_begin(socket);
    if (status == ST_OK && as)
        status = credentials_check(sockd, as, &send);
    /* the others refuse or ignore the address unread */
    if (status == ST_OK && send.has_address && socket->type == LX_SOCK_DGRAM &&
        !(send.flags & LX_MSG_OOB))
        status = address_get(call, request->address_length, &address);
    if (status == ST_OK)
        status = staged;
    if (status == ST_OK)
        status = socket_send(sockd, socket, &send, count);
    if (!send.rights)
        return status;
    if (status != ST_OK && along)
        rights_return(sockd, send.rights);
    else if (status == ST_WAIT)
        stage_give_back(sockd, call->principal, send.rights);
    else
        rights_unref(sockd, send.rights);
    return status;
}

/* What needs no look at flags. */
#define SEND_STRAIGHT (LX_MSG_DONTWAIT | LX_MSG_NOSIGNAL | SOCK_AGAIN)

enum status op_send(void *state, struct ipc_call *call, const struct sock_send_request *request,
                    struct sock_send_reply *reply)
{
    struct sockd *sockd = state;
    if (!(request->flags & ~(uint64_t)SEND_STRAIGHT) && !request->address_length &&
        call->cap_count == request->rights && !sockd->kept_rights &&
        (request->rights ? straight_send_rights(sockd, call, request->length)
                         : straight_send(sockd, call, request->length))) {
        reply->count = request->length;
        return ST_OK;
    }
    return send_run(state, call, request, NULL, &reply->count);
}

enum status op_send_as(void *state, struct ipc_call *call,
                       const struct sock_send_as_request *request, struct sock_send_as_reply *reply)
{
    const struct sock_send_request plain = {request->flags, request->length,
                                            request->address_length, request->rights};
    return send_run(state, call, &plain, request, &reply->count);
}

enum status receive_address(struct receive *receive, const struct socket *sender)
{
    const struct bound_address *address = sender->address;
    if (!receive->want_address || !address)
        return ST_OK; /* an unnamed sender: length 0, as Linux leaves msg_namelen */
    receive->address_length = address->length;
    return ipc_data_put(receive->call, receive->address_offset, address->bytes, address->length);
}

static uint64_t outcome_tells(const struct socket *socket)
{
    return (option_on(socket, LX_SO_PASSCRED) ? SOCK_WITH_CREDENTIALS : 0) |
           (option_on(socket, LX_SO_PASSPIDFD) ? SOCK_WITH_PIDFD : 0);
}

/* Who sent it, if the receiver wants to know. A STREAM tells at the end of file as well, of nobody
 * (0, 0, 0), as Linux does. */
static uint64_t outcome_sender(const struct socket *socket, const struct receive *receive,
                               struct sock_receive_reply *reply)
{
    if ((receive->flags & LX_MSG_OOB) || !(receive->sender || socket->type == LX_SOCK_STREAM))
        return 0;
    reply->pid = receive->pid | (uint64_t)receive->serial << 32;
    reply->ids = receive->uid | (uint64_t)receive->gid << 32;
    return outcome_tells(socket);
}

/* The set that a message brought, or NULL: as much of it as the caller has room for goes into the reply;
 * what the outcome says of it. */
static uint64_t outcome_rights(struct sockd *sockd, struct ipc_call *call, struct rights *rights,
                               uint64_t room)
{
    unsigned have = rights ? rights->count : 0;
    unsigned got = rights_deliver(sockd, call, rights, (unsigned)room);
    return (uint64_t)got << SOCK_RIGHTS_SHIFT | (got < have ? LX_MSG_CTRUNC : 0);
}

/* What does not fit in one reply is claimed from the session: a child of fork has none yet. */
static bool rights_claimable(struct sockd *sockd, const struct ipc_call *call, uint64_t room)
{
    return room <= AR_MSG_CAPS || session_object_find(sockd, call->principal);
}

/* `request` is also the start of a request to go on. */
static __attribute__((noinline)) enum status receive_run(struct sockd *sockd, struct receive *receive,
                                      const struct sock_receive_request *request,
                                      struct sock_receive_reply *reply)
{
    struct socket *socket;
    receive->length = request->length < INT32_MAX ? request->length : INT32_MAX;
    receive->address_offset = request->length;
    receive->nowait = request->flags & LX_MSG_DONTWAIT;
    receive->again = request->flags & SOCK_AGAIN;
    receive->want_address = request->address;
    receive->flags = (uint32_t)request->flags;
    enum status status = socket_of_call(sockd, &socket);
    if (status == ST_OK && !rights_claimable(sockd, receive->call, request->max_rights))
        return ST_SESSION;
    if (status == ST_OK)
        status = socket_receive(sockd, socket, receive);
    if (status != ST_OK)
        return status;
    uint64_t outcome = receive->message_flags | (receive->more ? SOCK_MORE : 0) |
                       (uint64_t)receive->address_length << SOCK_ADDRESS_SHIFT;
    if (receive->rights || sockd->kept_rights)
        outcome |= outcome_rights(sockd, receive->call, receive->rights, request->max_rights);
    if (socket->option_flags & OPTIONS_SENDER)
        outcome |= outcome_sender(socket, receive, reply);
    uint64_t full = socket->type == LX_SOCK_STREAM ? receive->count : receive->full_length;
    reply->count = receive->count | full << 32;
    reply->outcome = outcome;
    return ST_OK;
}

#define RECEIVE_STRAIGHT (LX_MSG_DONTWAIT | LX_MSG_NOSIGNAL | SOCK_AGAIN | SOCK_TAIL)

static bool receive_straight(struct sockd *sockd, struct ipc_call *call,
                             const struct sock_receive_request *request,
                             struct sock_receive_reply *reply)
{
    struct straight got;
    if ((request->flags & ~(uint64_t)RECEIVE_STRAIGHT) || !(request->flags & SOCK_TAIL) || request->address || sockd->kept_rights ||
        !rights_claimable(sockd, call, request->max_rights) ||
        !straight_receive(sockd, call, request->length, &got))
        return false;
    reply->count = got.count | got.count << 32;
    if (got.rights)
        reply->outcome = outcome_rights(sockd, call, got.rights, request->max_rights);
    if (got.socket->option_flags & OPTIONS_SENDER) {
        reply->pid = got.pid | (uint64_t)got.serial << 32;
        reply->ids = got.uid | (uint64_t)got.gid << 32;
        reply->outcome |= outcome_tells(got.socket);
    }
    return true;
}

enum status op_receive(void *state, struct ipc_call *call,
                       const struct sock_receive_request *request, struct sock_receive_reply *reply)
{
    if (receive_straight(state, call, request, reply))
        return ST_OK;
    struct receive receive = {.call = call};
    if (request->flags & SOCK_TAIL)
        ipc_tail_allow(call);
    return receive_run(state, &receive, request, reply);
}

/* One is the start of the other, and the two replies are one. */
_Static_assert(offsetof(struct sock_receive_more_request, done) ==
                       sizeof(struct sock_receive_request) &&
                   sizeof(struct sock_receive_reply) == sizeof(struct sock_receive_more_reply),
               "receive_more is receive with more words");

enum status op_receive_more(void *state, struct ipc_call *call,
                            const struct sock_receive_more_request *request,
                            struct sock_receive_more_reply *reply)
{
    struct receive receive = {
        .call = call,
        .done = request->done,
        .memory_bad = request->memory_bad,
        .credentials = request->credentials,
        .pid = (uint32_t)request->pid,
        .serial = (uint32_t)(request->pid >> 32),
        .uid = (uint32_t)request->uid,
        .gid = (uint32_t)request->gid,
    };
    struct sock_receive_request first;
    struct sock_receive_reply answer = {0};
    memcpy(&first, request, sizeof(first));
    enum status status = receive_run(state, &receive, &first, &answer);
    memcpy(reply, &answer, sizeof(*reply));
    return status;
}
