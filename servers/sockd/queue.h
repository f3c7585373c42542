/*
 * What every send and receive does: to a queue, to who waits, to who pays. In place, because all of it
 * together is done in fewer instructions than it takes to call it. SPDX-License-Identifier: MIT
 */
#ifndef SOCKD_QUEUE_H
#define SOCKD_QUEUE_H

#include "trace.h"
#include <ipc/memory.h>

/* ---- who pays -------------------------------------------------------------------------------- */

/* Of the calling process, if it has one and is still who it was: account_get without the making of one.
 * No ref. */
static inline struct account *account_find(const struct sockd *sockd, uint64_t principal)
{
    uint32_t index = PRINCIPAL_PROCESS(principal);
    if (index >= CREDENTIALS_MAX)
        return NULL;
    const struct credentials *caller = &sockd->credentials[index];
    struct account *account = sockd->accounts[index];
    return account && account->pid == caller->pid && account->user->uid == caller->ruid ? account
                                                                                       : NULL;
}

static inline void account_put(struct sockd *sockd, struct account *account)
{
    if (--account->refs == 0)
        account_end(sockd, account);
}

/* One message of so many bytes; takes over a ref. */
static inline void account_add(struct sockd *sockd, struct account *account, uint64_t bytes)
{
    account->queued += bytes;
    account->messages++;
    account->user->queued += bytes;
    sockd->queued += bytes;
    sockd->messages++;
}

static inline void account_uncharge(struct sockd *sockd, struct account *account, uint64_t bytes)
{
    account->queued -= bytes;
    account->messages--;
    account->user->queued -= bytes;
    sockd->queued -= bytes;
    sockd->messages--;
    account_put(sockd, account);
}

/* May one who holds so much of what all together have so much of, have more? (account.c) */
static inline bool within_share(uint64_t held, uint64_t more, uint64_t in_use, uint64_t limit,
                                unsigned share)
{
    return in_use + more <= limit && held + more <= (limit - in_use - more) * share;
}

/* `count` more descriptors in flight; false when the share is used up. */
static inline bool account_fly(struct sockd *sockd, struct account *account, unsigned count)
{
    if (!within_share(account->in_flight, count, sockd->in_flight, sockd->limits.in_flight, 1))
        return false;
    sockd->in_flight += count;
    account->user->in_flight += count;
    account->in_flight += count;
    return true;
}

static inline void account_land(struct sockd *sockd, struct account *account, unsigned count)
{
    sockd->in_flight -= count;
    account->user->in_flight -= count;
    account->in_flight -= count;
}

/* ---- descriptors in a message ---------------------------------------------------------------- */

/* A gate of a server that init vouches for. */
static inline bool cap_is_others_gate(const struct ipc_cap *cap)
{
    return cap->kind == AR_RECEIVED_CAP && cap->type == AR_GATE &&
           (cap->issuer == ISSUER_PROCD || cap->issuer == ISSUER_FILED ||
            cap->issuer == ISSUER_CONSOLED);
}

static inline size_t rights_bytes(unsigned count)
{
    return sizeof(struct rights) + count * sizeof(struct right);
}

/* So many, which account_fly has charged: with one ref, and one on who pays. Not what they are. */
static inline void rights_init(struct rights *rights, struct account *account, unsigned count)
{
    rights->refs = 1;
    rights->count = count;
    rights->account = account;
    rights->doomed_next = NULL;
    account->refs++;
}

/* Has a user who is not root more in flight than this process may have open? What is staged does not
 * count, nor do `own`, those of the message in question if they are counted by now. */
static inline bool flies_too_many(const struct credentials *caller, const struct user *user,
                                  unsigned own)
{
    return caller->euid != 0 && user->in_flight - user->staged - own > caller->nofile;
}

/* ---- the queue ------------------------------------------------------------------------------- */

/* Credentials of a message: explicit ones, or implicit ones when either end asked for them. */
static inline bool message_tells_sender(const struct socket *socket, const struct socket *other)
{
    return ((socket->option_flags | other->option_flags) & OPTIONS_SENDER) || other->listener;
}

static inline void message_set_sender(struct message *message, const struct credentials *caller)
{
    message->pid = caller->pid;
    message->serial = caller->serial;
    message->uid = caller->ruid;
    message->gid = caller->rgid;
}

/* What one with so many bytes takes: whole words, so that few bytes can be copied as words. */
static inline size_t message_bytes(uint64_t length)
{
    return sizeof(struct message) + ((length + 7) & ~7ull);
}

/* All but its data. Takes over the rights and the ref on who pays. */
static inline void message_init(struct message *message, uint32_t length, uint32_t charge,
                                struct account *account, struct rights *rights)
{
    message->next = NULL;
    message->account = account;
    message->length = length;
    message->consumed = 0;
    message->charge = charge;
    message->peeked = false;
    message->pid = message->serial = 0;
    message->uid = message->gid = LX_OVERFLOW_ID;
    message->rights = rights;
}

/* Queue it at `receiver`; takes over the message; charges the sender and wakes the receiver. */
static inline __attribute__((always_inline)) void
message_queue(struct sockd *sockd, struct message *message, struct socket *sender,
              struct socket *receiver)
{
    message->sender = sender;
    object_ref(&sender->object);
    sender->charged += message->charge;
    if (receiver->last)
        receiver->last->next = message;
    else
        receiver->first = message;
    receiver->last = message;
    receiver->message_count++;
    receiver->rights_count += message->rights != NULL;
    receiver->unread += message->length;
    socket_trace_queued(sockd, receiver, message);
    object_wake(sockd, &receiver->object, WAKE_ARRIVED);
    socket_signal(sockd, receiver, ASYNC_IN);
}

/* What a queue knows of a message that is taken out of it. */
static inline void message_leaves(struct socket *socket, const struct message *message)
{
    if (socket->oob == message)
        socket->oob = NULL;
    socket->message_count--;
    socket->rights_count -= message->rights != NULL;
    socket->unread -= message_unread(message);
}

/* The first one. */
static inline void message_unlink_first(struct socket *socket, struct message *message)
{
    socket->first = message->next;
    if (!message->next)
        socket->last = NULL;
    message_leaves(socket, message);
}

/* Uncharge and free; the rights go as well. */
static inline __attribute__((always_inline)) void message_free(struct sockd *sockd,
                                                               struct message *message)
{
    struct socket *sender = message->sender;
    sender->charged -= message->charge;
    account_uncharge(sockd, message->account, message->charge);
    if (!sender->dead && socket_writable(sender)) {
        object_wake(sockd, &sender->object, WAKE_WRITE);
        socket_signal(sockd, sender, ASYNC_OUT);
    }
    if (message->rights)
        rights_unref(sockd, message->rights);
    object_unref(sockd, &sender->object);
    mem_free(message);
}

#endif
