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
#include "queue.h"

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
                           struct account *account, struct message **out)
{
    struct message *message = mem_alloc_unset(message_bytes(length));
    if (!message)
        return ST_NOBUFS;
    enum status status = ipc_data_get(call, offset, message->data, length);
    if (status != ST_OK) {
        mem_free(message);
        return status;
    }
    message_init(message, length, charge, account, NULL);
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
    } else if (message_tells_sender(socket, other)) {
        message_set_sender(message, caller_credentials(sockd, send->principal));
    }
}

void message_unlink(struct socket *socket, struct message *previous, struct message *message)
{
    if (!previous) {
        message_unlink_first(socket, message);
        return;
    }
    previous->next = message->next;
    if (socket->last == message)
        socket->last = previous;
    message_leaves(socket, message);
}

void messages_purge(struct sockd *sockd, struct socket *socket)
{
    struct message *message;
    while ((message = socket->first)) {
        message_unlink_first(socket, message);
        message_free(sockd, message);
    }
}
