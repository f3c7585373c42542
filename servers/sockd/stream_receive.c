/*
 * Receiving from SOCK_STREAM, and the out-of-band mark. SPDX-License-Identifier: MIT
 *
 * A read joins chunks until its room is full or something ends it: the chunk that carried
 * descriptors, another writer (when credentials are asked for), the mark.
 *
 * `socket.oob` is the chunk of one byte that MSG_OOB sent last, or NULL. A read that has something
 * already ends before it. A read that starts at it passes over it and the byte is lost, unless it is
 * wanted in line (SO_OOBINLINE). recv(MSG_OOB) takes the byte and leaves a hole: the chunk with
 * nothing unread, which still makes the socket readable, still counts for its sender, and ends a
 * read that comes upon it, until a read starts there. So it is in Linux 6.12, and programs see it.
 *
 * A read that has less than its low-water mark asks for (SO_RCVLOWAT, all of it with MSG_WAITALL)
 * answers what it has and `more`: libposix asks again, saying how much it has (`done`).
 */
#include "queue.h"

static uint64_t received(const struct receive *receive)
{
    return receive->done + receive->count;
}

/* The message to read when a read has got to `message`; NULL: none, or, when something was read,
 * the read ends here. Without MSG_PEEK `message` is the first one, and what is passed over goes. */
static struct message *mark_pass(struct sockd *sockd, struct socket *socket,
                                 const struct receive *receive, struct message *message)
{
    bool peek = receive->flags & LX_MSG_PEEK, inlined = option_on(socket, LX_SO_OOBINLINE);
    if (message_unread(message) == 0) {
        if (received(receive) && !socket->oob)
            return NULL;
        struct message *hole = message;
        message = hole->next;
        if (!peek) {
            message_unlink(socket, NULL, hole);
            message_free(sockd, hole);
        }
    }
    if (!message || message != socket->oob)
        return message;
    if (received(receive))
        return NULL;
    if (peek)
        return inlined ? message : message->next;
    socket->oob = NULL;
    if (inlined)
        return message;
    message_unlink_first(socket, message);
    message_free(sockd, message);
    return socket->first;
}

/* SO_RCVLOWAT as it was when the call began. */
static int low_water_mark(struct sockd *sockd, const struct socket *socket,
                          const struct receive *receive)
{
    const struct session_object *session =
        receive->again ? session_object_find(sockd, receive->call->principal) : NULL;
    return session && session->reading == socket->object.ino ? session->low_water
                                                             : socket->rcvlowat;
}

/* The least that the caller waits for: at least one byte. */
static uint64_t low_water(const struct receive *receive, int mark)
{
    uint64_t whole = receive->done + receive->length, least = (uint64_t)mark;
    if (receive->flags & LX_MSG_WAITALL || least > whole)
        least = whole;
    return least ? least : 1;
}

bool stream_below_low_water(const struct socket *socket, uint64_t length)
{
    return socket->rcvlowat > 1 && socket->unread < length &&
           socket->unread < (uint64_t)socket->rcvlowat;
}

/* The queue has no more for this read. */
static enum status stream_nothing(struct sockd *sockd, struct socket *socket,
                                  struct receive *receive)
{
    int mark = low_water_mark(sockd, socket, receive);
    if (received(receive) >= low_water(receive, mark))
        return ST_OK;
    enum status status = socket_take_error(socket);
    if (status != ST_OK)
        return received(receive) ? ST_OK : status;
    if (socket->shutdown & SHUT_RECEIVE) { /* with nothing: end of file, which nobody wrote */
        receive->credentials |= !received(receive) && option_on(socket, LX_SO_PASSCRED);
        return ST_OK;
    }
    if (received(receive) && receive->nowait)
        return ST_OK;
    if (receive->count) {
        receive->more = true;
        return ST_OK;
    }
    status = object_wait(sockd, receive->call, &socket->object.waiters, WAKE_READ, receive->nowait);
    struct session_object *session =
        status == ST_WAIT ? session_object_find(sockd, receive->call->principal) : NULL;
    if (session) {
        session->reading = socket->object.ino;
        session->low_water = mark;
    }
    return status;
}

static bool same_writer(const struct receive *receive, const struct message *message)
{
    return receive->pid == message->pid && receive->serial == message->serial &&
           receive->uid == message->uid &&
           receive->gid == message->gid;
}

/* What comes with the first chunk alone. */
static enum status stream_begin(struct socket *socket, struct receive *receive,
                                const struct message *message)
{
    receive->sender = message->sender;
    if ((socket->option_flags & OPTIONS_SENDER) && !receive->credentials) {
        receive->credentials = true;
        receive->pid = message->pid;
        receive->serial = message->serial;
        receive->uid = message->uid;
        receive->gid = message->gid;
    }
    return receive_address(receive, message->sender);
}

/* `bytes` of the message, from `skip` on. *status is ST_OK when the read is over but good. */
static bool chunk_put(struct socket *socket, struct receive *receive, const struct message *message,
                      uint64_t skip, uint64_t bytes, enum status *status)
{
    bool first = !receive->sender;
    if (receive->credentials && !same_writer(receive, message)) {
        *status = ST_OK;
        return false;
    }
    *status = first ? stream_begin(socket, receive, message) : ST_OK;
    if (*status == ST_OK)
        *status = ipc_data_put(receive->call, receive->count,
                               &message->data[message->consumed + skip], bytes);
    if (*status == ST_OK)
        return true;
    bool peek = receive->flags & LX_MSG_PEEK; /* that begins anew, or ends with what could be told */
    if (receive->count && (!peek || receive->memory_bad)) {
        *status = ST_OK; /* libposix sees whether that memory can be had, and asks for the rest */
        receive->more = !peek;
    } else if (receive->done && receive->memory_bad && *status == ST_FAULT) {
        *status = ST_OK; /* no more, but whose it is has been told */
    }
    return false;
}

/* After `bytes` of `message` went out. true: the read ends here. */
static bool chunk_consume(struct sockd *sockd, struct socket *socket, struct receive *receive,
                          struct message *message, uint32_t bytes)
{
    struct rights *rights = message->rights;
    if (socket->peek_offset >= 0)
        socket->peek_offset =
            (uint32_t)socket->peek_offset > bytes ? socket->peek_offset - (int)bytes : 0;
    message->consumed += bytes;
    socket->unread -= bytes;
    socket_trace(sockd, socket, AR_TRACE_SOCKET_TAKEN, socket_trace_amount(bytes, rights),
                 socket->unread, message->sender->object.ino);
    if (rights) {
        message->rights = NULL;
        socket->rights_count--;
        receive->rights = rights;
    }
    if (message_unread(message))
        return true;
    message_unlink_first(socket, message);
    message_free(sockd, message);
    return rights != NULL;
}

static enum status stream_take(struct sockd *sockd, struct socket *socket, struct receive *receive)
{
    enum status status;
    do {
        struct message *message = socket->first;
        if (message) {
            message = mark_pass(sockd, socket, receive, message);
            if (!message && received(receive))
                return ST_OK;
        }
        if (!message)
            return stream_nothing(sockd, socket, receive);
        uint64_t left = receive->length - receive->count;
        uint32_t bytes = message_unread(message) < left ? message_unread(message) : (uint32_t)left;
        if (!chunk_put(socket, receive, message, 0, bytes, &status))
            return status;
        receive->count += bytes;
        if (chunk_consume(sockd, socket, receive, message, bytes))
            return ST_OK;
    } while (receive->count < receive->length);
    return ST_OK;
}

/* As stream_take, but leaves everything; SO_PEEK_OFF says where it starts, and moves. Linux looks on
 * even when the room is full, up to the first descriptors it finds. */
static enum status stream_peek(struct sockd *sockd, struct socket *socket, struct receive *receive)
{
    enum status status;
    const int offset = socket->peek_offset;
    uint64_t skip = offset > 0 ? (uint64_t)offset : 0;
    for (struct message *message = socket->first; message; message = message->next) {
        message = mark_pass(sockd, socket, receive, message);
        if (!message && received(receive))
            return ST_OK;
        while (message && skip >= message_unread(message)) {
            skip -= message_unread(message);
            message = message->next;
        }
        if (!message)
            break;
        uint64_t left = receive->length - receive->count, have = message_unread(message) - skip;
        uint64_t bytes = have < left ? have : left;
        if (!chunk_put(socket, receive, message, skip, bytes, &status)) {
            if (status != ST_OK)
                socket->peek_offset = offset;
            return status;
        }
        receive->count += bytes;
        skip = 0;
        if (socket->peek_offset >= 0)
            socket->peek_offset += (int)bytes;
        if (message->rights) {
            receive->rights = message->rights;
            receive->rights->refs++;
            return ST_OK;
        }
    }
    return receive->sender ? ST_OK : stream_nothing(sockd, socket, receive);
}

/* The hole right before the mark goes with the byte behind the mark. */
static void hole_before_mark_drop(struct sockd *sockd, struct socket *socket)
{
    struct message *before = NULL, *hole = NULL;
    for (struct message *message = socket->first; message != socket->oob; message = message->next) {
        before = hole;
        hole = message;
    }
    if (!hole || message_unread(hole))
        return;
    message_unlink(socket, before, hole);
    message_free(sockd, hole);
}

/* recv(MSG_OOB): one byte, and nothing of what may come with it. Without room for it the byte is
 * gone and the answer 1 all the same, as on Linux. */
static enum status urgent_receive(struct sockd *sockd, struct socket *socket,
                                  struct receive *receive)
{
    struct message *message = socket->oob;
    if (!message || option_on(socket, LX_SO_OOBINLINE))
        return ST_INVAL;
    enum status status = ipc_data_put(receive->call, 0, message->data, receive->length > 0);
    if (status != ST_OK && !receive->memory_bad)
        return status;
    if (!(receive->flags & LX_MSG_PEEK)) {
        hole_before_mark_drop(sockd, socket);
        socket->oob = NULL;
        message->consumed++;
        socket->unread--;
    }
    if (status != ST_OK)
        return status;
    receive->count = 1;
    receive->message_flags |= LX_MSG_OOB;
    return ST_OK;
}

enum status stream_receive(struct sockd *sockd, struct socket *socket, struct receive *receive)
{
    if (socket->state != SOCKET_CONNECTED)
        return ST_INVAL;
    if (receive->flags & LX_MSG_OOB)
        return urgent_receive(sockd, socket, receive);
    if (receive->flags & LX_MSG_PEEK)
        return stream_peek(sockd, socket, receive);
    return stream_take(sockd, socket, receive);
}

bool stream_at_mark(const struct socket *socket)
{
    const struct message *first = socket->first;
    if (!first) /* to Linux a client that waits is an empty message */
        return socket->accept_first;
    if (first == socket->oob)
        return true;
    return message_unread(first) == 0 && (!socket->oob || first->next == socket->oob);
}
