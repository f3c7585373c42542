/*
 * Queued data and what it costs its sender. SPDX-License-Identifier: MIT
 *
 * The charge is Linux 6.12's on x86_64, because EAGAIN, partial writes and POLLOUT show it to
 * programs: a buffer's linear part is rounded up to 64 bytes, gets 320 bytes of shared information
 * and is then rounded up to a kmalloc size; 256 more are for its descriptor; the paged part counts
 * whole pages. One byte costs 768, a thousand 2,304, a full STREAM chunk of 36,544 costs 37,120:
 * 278, 93 and 6 of them fit into the default 212,992 (a send is admitted while less than sndbuf is
 * charged).
 */
#include "core.h"
#include "trace.h"
#include <ipc/memory.h>
#include <string.h>

#define SHARED_INFO 320u
#define DESCRIPTOR 256u
#define STREAM_LINEAR_MAX (LX_PAGE - SHARED_INFO)       /* 3,776 */
#define DATAGRAM_LINEAR_MAX (4 * LX_PAGE - SHARED_INFO) /* 16,064 */
#define DATAGRAM_PAGED_MAX (17 * LX_PAGE)

static uint32_t page_round(uint32_t bytes)
{
    return (bytes + LX_PAGE - 1) & ~(LX_PAGE - 1);
}

uint32_t charge_for(uint32_t head, uint32_t paged)
{
    uint32_t linear = ((head + 63) & ~63u) + SHARED_INFO, size = 512; /* 320 is more than 256 */
    while (size < linear)
        size *= 2;
    return size + DESCRIPTOR + page_round(paged);
}

uint32_t charge_for_chunk(uint32_t length)
{
    uint32_t paged = length > STREAM_LINEAR_MAX ? page_round(length - STREAM_LINEAR_MAX) : 0;
    if (paged > length)
        paged = length;
    return charge_for(length - paged, paged);
}

uint32_t charge_for_datagram(uint32_t length)
{
    uint32_t paged = length > DATAGRAM_LINEAR_MAX ? length - DATAGRAM_LINEAR_MAX : 0;
    if (paged > DATAGRAM_PAGED_MAX)
        paged = DATAGRAM_PAGED_MAX;
    paged = page_round(paged);
    return charge_for(length - paged, paged);
}

enum status message_create(struct ipc_call *call, uint64_t offset, uint32_t length, uint32_t charge,
                           struct message **out)
{
    struct message *message = mem_alloc_unset(sizeof(*message) + length);
    if (!message)
        return ST_NOBUFS;
    enum status status = ipc_data_get(call, offset, message->data, length);
    if (status != ST_OK) {
        mem_free(message);
        return status;
    }
    *message = (struct message){
        .length = length, .charge = charge, .uid = LX_OVERFLOW_ID, .gid = LX_OVERFLOW_ID};
    *out = message;
    return ST_OK;
}

void message_credentials(struct sockd *sockd, struct message *message, const struct send *send,
                         const struct socket *socket, const struct socket *other)
{
    if (send->credentials) {
        message->pid = send->pid;
        message->serial = send->serial;
        message->uid = send->uid;
        message->gid = send->gid;
    } else if (((socket->option_flags | other->option_flags) & OPTIONS_SENDER) ||
               other->listener) {
        const struct credentials *caller = caller_credentials(sockd, send->principal);
        message->pid = caller->pid;
        message->serial = caller->serial;
        message->uid = caller->ruid;
        message->gid = caller->rgid;
    }
}

void message_queue(struct sockd *sockd, struct message *message, struct socket *sender,
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

void message_unlink(struct socket *socket, struct message *previous, struct message *message)
{
    if (previous)
        previous->next = message->next;
    else
        socket->first = message->next;
    if (socket->last == message)
        socket->last = previous;
    if (socket->oob == message)
        socket->oob = NULL;
    socket->message_count--;
    socket->rights_count -= message->rights != NULL;
    socket->unread -= message_unread(message);
}

void message_free(struct sockd *sockd, struct message *message)
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

void messages_purge(struct sockd *sockd, struct socket *socket)
{
    struct message *message;
    while ((message = socket->first)) {
        message_unlink(socket, NULL, message);
        message_free(sockd, message);
    }
}
