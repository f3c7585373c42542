/*
 * Pipes: a ring of 16 pages, as Linux has it, so that capacity, partial writes and POLLOUT come out
 * the same. SPDX-License-Identifier: MIT
 *
 * A write first tops up the last page if the odd bytes of its length fit there whole, then takes
 * new pages. Up to PIPE_BUF (one page) it therefore goes in whole or not at all (POSIX write()). A
 * longer blocking write takes what fits and returns the count; libposix asks again for the rest.
 */
#include "queue.h"
#include <string.h>

static void page_release(struct sockd *sockd, struct pipe *pipe)
{
    struct pipe_page *page = &pipe->pages[pipe->first];
    mem_free(page->bytes);
    account_uncharge(sockd, page->account, LX_PAGE);
    *page = (struct pipe_page){0};
    pipe->first = (pipe->first + 1) % PIPE_PAGES;
    pipe->count--;
}

static enum status pipe_end_create(struct sockd *sockd, struct pipe *pipe, uint64_t principal,
                                   bool writes, struct pipe_end **out)
{
    struct pipe_end *end;
    enum status status = object_create(sockd, OBJECT_PIPE_END, sizeof(*end), principal, &end);
    if (status != ST_OK)
        return status;
    status = object_name_badge(sockd, &end->object);
    if (status != ST_OK) {
        object_discard(sockd, &end->object);
        return status;
    }
    end->object.flags = writes ? LX_O_WRONLY : LX_O_RDONLY;
    end->object.mode = LX_S_IFIFO | 0600;
    end->pipe = pipe;
    end->writes = writes;
    *out = end;
    return ST_OK;
}

enum status op_pipe(void *state, struct ipc_call *call, const struct sock_pipe_request *request)
{
    struct sockd *sockd = state;
    if (request->flags & ~(uint64_t)(LX_O_NONBLOCK | LX_O_DIRECT | LX_O_CLOEXEC))
        return ST_INVAL;
    struct pipe *pipe = mem_alloc(sizeof(*pipe));
    if (!pipe)
        return ST_NOMEM;
    enum status status = pipe_end_create(sockd, pipe, call->principal, false, &pipe->reader);
    if (status == ST_OK) {
        status = pipe_end_create(sockd, pipe, call->principal, true, &pipe->writer);
        if (status != ST_OK)
            object_discard(sockd, &pipe->reader->object);
    }
    if (status != ST_OK) {
        mem_free(pipe);
        return status;
    }
    pipe->reader->object.flags |= request->flags & LX_O_NONBLOCK;
    pipe->writer->object.flags |= request->flags & (LX_O_NONBLOCK | LX_O_DIRECT);
    pipe->writer->object.ino = pipe->reader->object.ino;
    sockd->socket_count++;
    object_reply(sockd, call, &pipe->reader->object);
    object_reply(sockd, call, &pipe->writer->object);
    object_trace(sockd, &pipe->reader->object, AR_TRACE_PIPE_CREATED, 0, 0, 0);
    return ST_OK;
}

void pipe_end_release(struct sockd *sockd, struct pipe_end *end)
{
    struct pipe *pipe = end->pipe;
    object_trace(sockd, &end->object, AR_TRACE_PIPE_CLOSED, end->writes, 0, 0);
    if (end->writes) {
        pipe->writer = NULL;
        if (pipe->reader)
            object_wake(sockd, &pipe->reader->object, WAKE_ALL);
    } else {
        pipe->reader = NULL; /* what nobody read stays, as on Linux: FIONREAD at the other end counts it */
        if (pipe->writer)
            object_wake(sockd, &pipe->writer->object, WAKE_ALL);
    }
    if (!pipe->reader && !pipe->writer) {
        while (pipe->count)
            page_release(sockd, pipe);
        sockd->socket_count--;
        mem_free(pipe);
    }
}

uint64_t pipe_unread(const struct pipe *pipe)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < pipe->count; i++)
        bytes += pipe->pages[(pipe->first + i) % PIPE_PAGES].length;
    return bytes;
}

uint64_t pipe_peek(const struct pipe *pipe, uint8_t *to, uint64_t length)
{
    uint64_t done = 0;
    bool packet = false;
    for (unsigned i = 0; i < pipe->count && done < length && !packet; i++) {
        const struct pipe_page *page = &pipe->pages[(pipe->first + i) % PIPE_PAGES];
        uint64_t bytes = page->length < length - done ? page->length : length - done;
        memcpy(to + done, &page->bytes[page->offset], bytes);
        done += bytes;
        packet = page->packet;
    }
    return done;
}

void pipe_drop(struct sockd *sockd, struct pipe *pipe, uint64_t length)
{
    uint64_t dropped = length;
    if (!length)
        return;
    while (pipe->count && length) {
        struct pipe_page *page = &pipe->pages[pipe->first];
        uint32_t bytes = page->length < length ? page->length : (uint32_t)length;
        page->offset += bytes;
        page->length -= bytes;
        length -= bytes;
        if (page->length == 0)
            page_release(sockd, pipe);
    }
    if (pipe->reader)
        pipe_trace(sockd, pipe->reader, AR_TRACE_PIPE_TAKEN, dropped - length);
    if (pipe->writer)
        object_wake(sockd, &pipe->writer->object, WAKE_WRITE);
}

enum status pipe_read(struct sockd *sockd, struct pipe_end *end, struct ipc_call *call,
                      uint64_t length, bool nowait, uint64_t *count)
{
    struct pipe *pipe = end->pipe;
    uint64_t done = 0;
    bool full = pipe->count == PIPE_PAGES; /* only then is room news, as on Linux */
    if (end->writes)
        return ST_BADF;
    if (length == 0)
        return ST_OK;
    while (pipe->count && done < length) {
        struct pipe_page *page = &pipe->pages[pipe->first];
        uint32_t bytes = page->length < length - done ? page->length : (uint32_t)(length - done);
        enum status status = ipc_data_put(call, done, &page->bytes[page->offset], bytes);
        if (status != ST_OK && done == 0)
            return status;
        if (status != ST_OK)
            break;
        done += bytes;
        page->offset += bytes;
        page->length -= bytes;
        bool packet = page->packet; /* a packet is read whole; what has no room is lost */
        if (page->length == 0 || packet)
            page_release(sockd, pipe);
        if (packet)
            break;
    }
    if (done) {
        *count = done;
        pipe_trace(sockd, end, AR_TRACE_PIPE_TAKEN, done);
        if (pipe->writer && full)
            object_wake(sockd, &pipe->writer->object, WAKE_WRITE);
        return ST_OK;
    }
    if (!pipe->writer)
        return ST_OK;
    return object_wait_turn(sockd, call, &end->object, false, WAKE_READ, nowait);
}

/* Top up the last page with the odd bytes, if they fit whole. */
static enum status pipe_merge(struct pipe *pipe, struct ipc_call *call, uint64_t length,
                              uint64_t *done)
{
    uint32_t odd = (uint32_t)(length % LX_PAGE);
    if (!odd || !pipe->count)
        return ST_OK;
    struct pipe_page *page = &pipe->pages[(pipe->first + pipe->count - 1) % PIPE_PAGES];
    uint32_t end = page->offset + page->length;
    if (page->packet || end + odd > LX_PAGE)
        return ST_OK;
    enum status status = ipc_data_get(call, 0, &page->bytes[end], odd);
    if (status != ST_OK)
        return status;
    page->length += odd;
    *done = odd;
    return ST_OK;
}

static enum status page_append(struct sockd *sockd, struct pipe *pipe, struct ipc_call *call,
                               uint64_t offset, uint32_t bytes, bool packet)
{
    struct account *account = account_charge(sockd, call->principal, LX_PAGE);
    if (!account)
        return ST_NOMEM;
    uint8_t *memory = mem_alloc(LX_PAGE);
    enum status status = memory ? ipc_data_get(call, offset, memory, bytes) : ST_NOMEM;
    if (status != ST_OK) {
        mem_free(memory);
        account_uncharge(sockd, account, LX_PAGE);
        return status;
    }
    pipe->pages[(pipe->first + pipe->count++) % PIPE_PAGES] =
        (struct pipe_page){
            .bytes = memory, .account = account, .length = bytes, .packet = packet};
    return ST_OK;
}

enum status pipe_write(struct sockd *sockd, struct pipe_end *end, struct ipc_call *call,
                       uint64_t length, bool nowait, uint64_t *count)
{
    struct pipe *pipe = end->pipe;
    uint64_t done = 0;
    if (!end->writes)
        return ST_BADF;
    if (length == 0)
        return ST_OK;
    if (!pipe->reader)
        return ST_PIPE;
    bool packet = end->object.flags & LX_O_DIRECT;
    enum status status = pipe_merge(pipe, call, length, &done);
    while (status == ST_OK && done < length && pipe->count < PIPE_PAGES) {
        uint32_t bytes = length - done < LX_PAGE ? (uint32_t)(length - done) : LX_PAGE;
        status = page_append(sockd, pipe, call, done, bytes, packet);
        if (status == ST_OK)
            done += bytes;
    }
    if (done) {
        *count = done;
        pipe_trace(sockd, end, AR_TRACE_PIPE_QUEUED, done);
        object_wake(sockd, &pipe->reader->object, WAKE_READ);
        return ST_OK;
    }
    return status != ST_OK ? status
                           : object_wait_turn(sockd, call, &end->object, false, WAKE_WRITE, nowait);
}

/* ---- flock(2) -------------------------------------------------------------------------------- */

/* A pipe's two ends are one file to Linux, and so exclude each other. Every other object here is a
 * file of its own with one description, which no lock of its own excludes. As in Linux the old lock
 * goes before the new one is tried. */
static enum status pipe_end_lock(struct sockd *sockd, struct pipe_end *end, struct ipc_call *call,
                                 uint8_t lock, bool nowait)
{
    struct pipe_end *other = end->writes ? end->pipe->reader : end->pipe->writer;
    if (end->lock && end->lock != lock) {
        end->lock = 0;
        object_wake(sockd, &end->object, WAKE_ALL);
    }
    if (lock && other && other->lock && (lock == 2 || other->lock == 2))
        return object_wait(sockd, call, &other->object.waiters, WAKE_ALL, nowait);
    end->lock = lock;
    return ST_OK;
}

enum status handle_lock(void *state, struct ipc_call *call, const struct io_lock_request *request,
                        struct io_lock_reply *reply)
{
    struct sockd *sockd = state;
    struct object *object = sockd->target;
    (void)reply;
    if (!object || object->kind == OBJECT_NAME || object->kind == OBJECT_SESSION)
        return ST_BADF;
    if (request->kind != 0)
        return ST_INVAL; /* record locks */
    if (object->kind != OBJECT_PIPE_END)
        return ST_OK;
    uint8_t lock = request->mode == 2 ? 0 : (uint8_t)(request->mode + 1);
    return pipe_end_lock(sockd, (struct pipe_end *)object, call, lock, request->flags & IO_NOWAIT);
}
