/*
 * The short way of few bytes over a connected SOCK_STREAM: most of what sockd is ever asked. Each answers
 * true when it has done all of it. Otherwise something is unusual (an error, a wait, more than one
 * message) and nothing has changed: then the general way (stream.c,
 * stream_receive.c) decides. Whatever is asked here the general way asks as well; what is done is
 * queue.h's, as there. All in place: each has one or two users. SPDX-License-Identifier: MIT
 */
#ifndef SOCKD_STRAIGHT_H
#define SOCKD_STRAIGHT_H

#include "queue.h"

/* A STREAM socket with a connection. */
static inline struct socket *straight_socket(const struct sockd *sockd)
{
    struct object *object = sockd->target;
    if (!object || object->kind != OBJECT_SOCKET || sockd->general)
        return NULL;
    struct socket *socket = socket_of(object);
    return socket->type == LX_SOCK_STREAM && socket->state == SOCKET_CONNECTED ? socket : NULL;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* The socket that takes the request's tail of `length` bytes at once; NULL: it does not. (stream.c:
 * chunk_send and stream_admit.) */
static inline struct socket *sender(const struct sockd *sockd, const struct ipc_call *call,
                                    uint64_t length)
{
    struct socket *socket = straight_socket(sockd);
    if (!socket || length - 1 >= call->tail_in)
        return NULL;
    const struct socket *other = socket->peer;
    bool ready = socket->error == ST_OK && !(socket->shutdown & SHUT_SEND) && !other->dead &&
                 !(other->shutdown & SHUT_RECEIVE) && socket->charged < (uint64_t)socket->sndbuf;
    return ready ? socket : NULL;
}

/* Who pays for one message, if it surely may: account_charge asks more closely. */
static inline struct account *payer(const struct sockd *sockd, uint64_t principal)
{
    struct account *account = account_find(sockd, principal);
    if (!account)
        return NULL;
    const struct sockd_limits *limits = &sockd->limits;
    const struct user *user = account->user;
    bool room = sockd->queued + account->queued + 2 * CHARGE_LEAST <= limits->queued &&
                sockd->messages + account->messages + 2 <= limits->messages &&
                (user->uid == 0 || user->queued + CHARGE_LEAST <= limits->queued_of_user);
    return room ? account : NULL;
}

static inline __attribute__((always_inline)) void
send_now(struct sockd *sockd, struct ipc_call *call, struct socket *socket,
         struct account *account, struct message *message, uint64_t length, struct rights *rights)
{
    ipc_tail_copy_words((uint64_t *)message->data, &call->words[IPC_TAIL_WORD], length);
    message_init(message, (uint32_t)length, CHARGE_LEAST, account, rights);
    if (message_tells_sender(socket, socket->peer))
        message_set_sender(message, caller_credentials(sockd, call->principal));
    account->refs++;
    account_add(sockd, account, CHARGE_LEAST);
    message_queue(sockd, message, socket, socket->peer);
}

/* Send the request's tail, which is to be `length` bytes. */
static inline __attribute__((always_inline)) bool
straight_send(struct sockd *sockd, struct ipc_call *call, uint64_t length)
{
    struct socket *socket = sender(sockd, call, length);
    struct account *account = socket ? payer(sockd, call->principal) : NULL;
    struct message *message = account ? mem_alloc_unset(message_bytes(length)) : NULL;
    if (!message)
        return false;
    send_now(sockd, call, socket, account, message, length, NULL);
    return true;
}

/* Are all capabilities of the request gates of other servers? (rights_take has the others.) */
static inline bool others_gates(const struct ipc_call *call)
{
    for (unsigned i = 0; i < call->cap_count; i++)
        if (!cap_is_others_gate(&call->caps[i]))
            return false;
    return true;
}

/* And all its capabilities. */
static inline __attribute__((always_inline)) bool
straight_send_rights(struct sockd *sockd, struct ipc_call *call, uint64_t length)
{
    struct socket *socket = sender(sockd, call, length);
    struct account *account = socket ? payer(sockd, call->principal) : NULL;
    unsigned count = call->cap_count;
    if (!account || flies_too_many(caller_credentials(sockd, call->principal), account->user, 0) ||
        !others_gates(call))
        return false;
    struct rights *rights = mem_alloc_unset(rights_bytes(count));
    struct message *message = rights ? mem_alloc_unset(message_bytes(length)) : NULL;
    if (!message || !account_fly(sockd, account, count)) {
        mem_free(message);
        mem_free(rights);
        return false;
    }
    rights_init(rights, account, count);
    for (unsigned i = 0; i < count; i++) {
        rights->list[i].object = NULL;
        rights->list[i].slot = call->caps[i].value;
    }
    send_now(sockd, call, socket, account, message, length, rights);
    return true;
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* The first message, and how much of it a read takes, if it takes of no other one. */
static inline struct message *only_message(const struct socket *socket, uint64_t length,
                                           uint32_t *count)
{
    struct message *message = socket->first;
    if (!message || socket->oob || socket->had_low_water || socket->peek_offset >= 0)
        return NULL;
    uint32_t unread = message_unread(message);
    *count = unread < length ? unread : (uint32_t)length;
    if (*count - 1 >= IPC_TAIL_BYTES || (unread < length && message->next && !message->rights))
        return NULL;
    return message;
}

/* What straight_receive has taken. */
struct straight {
    struct socket *socket;
    uint64_t count;
    uint32_t pid, serial, uid, gid; /* of the sender */
    struct rights *rights;          /* a ref, or NULL */
};

/* Receive up to `length` bytes into the reply's tail: only for a caller that takes one. */
static inline __attribute__((always_inline)) bool
straight_receive(struct sockd *sockd, struct ipc_call *call, uint64_t length,
                 struct straight *out)
{
    struct socket *socket = straight_socket(sockd);
    uint32_t count;
    struct message *message = socket ? only_message(socket, length, &count) : NULL;
    if (!message)
        return false;
    if (message->consumed) {
        ipc_tail_add(call, &message->data[message->consumed], count);
    } else { /* nothing of what lies behind it goes out */
        uint64_t *tail = &call->reply_words[IPC_TAIL_WORD];
        ipc_tail_copy_words(tail, (const uint64_t *)message->data, count);
        tail[(count - 1) / 8] &= ~0ull >> (-8 * count & 63);
        call->tail_out = count;
    }
    out->socket = socket;
    out->count = count;
    out->rights = message->rights;
    out->pid = message->pid;
    out->serial = message->serial;
    out->uid = message->uid;
    out->gid = message->gid;
    message->consumed += count;
    socket->unread -= count;
    socket_trace(sockd, socket, AR_TRACE_SOCKET_TAKEN, socket_trace_amount(count, message->rights),
                 socket->unread, message->sender->object.ino);
    if (message->rights) {
        message->rights = NULL;
        socket->rights_count--;
    }
    if (message_unread(message) == 0) {
        message_unlink_first(socket, message);
        message_free(sockd, message);
    }
    return true;
}

#endif
