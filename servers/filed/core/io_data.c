/* read(2), write(2) and their positioned forms. SPDX-License-Identifier: MIT */
#include "filed.h"
#include <proto/io.h>
#include <string.h>

static enum status file_read(struct ipc_call *call, const struct content *content, uint64_t offset,
                             uint64_t length, uint64_t *count)
{
    *count = 0;
    if (offset >= content->size)
        return ST_OK;
    if (length > content->size - offset)
        length = content->size - offset;
    for (uint64_t done = 0; done < length;) {
        uint64_t run;
        const uint8_t *bytes = content_span(content, offset + done, &run);
        if (run > length - done)
            run = length - done;
        enum status status = ipc_data_put(call, done, bytes, run);
        if (status)
            return status;
        done += run;
    }
    *count = length;
    return ST_OK;
}

enum status io_read_serve(void *state, struct ipc_call *call, const struct io_read_request *request,
                          struct io_read_reply *reply)
{
    struct filed *filed = state;
    struct description *description = description_find(filed, call->badge);
    if (!description || !description_reads(description))
        return ST_BADF;
    struct node *node = description->node;
    bool current = request->offset == IO_CURRENT;
    uint64_t length = request->length < FILED_IO_MAX ? request->length : FILED_IO_MAX;
    if (request->offset < IO_CURRENT)
        return ST_INVAL;
    if (node_is_directory(node))
        return ST_ISDIR;
    if (S_ISFIFO(node->mode)) {
        bool wait = !(request->flags & IO_NOWAIT) && !(description->flags & O_NONBLOCK);
        return current ? fifo_read(filed, call, description, wait, length, &reply->count)
                       : ST_SPIPE;
    }
    if (!S_ISREG(node->mode))
        return device_read(filed, call, node, length, &reply->count);
    uint64_t offset = (uint64_t)(current ? description->offset : request->offset);
    enum status status = file_read(call, &node->content, offset, length, &reply->count);
    if (status)
        return status;
    if (current)
        description->offset += (int64_t)reply->count;
    if (length > 0 && !(description->flags & O_NOATIME))
        node_accessed(filed, node);
    return ST_OK;
}

/*
 * Short when memory runs out half-way, NOSPC when at once. FAULT: size and offset are as before;
 * bytes inside the old size may already be the caller's new ones, as in Linux, and the repeated
 * request writes them again.
 */
static enum status file_write(struct filed *filed, struct ipc_call *call, struct content *content,
                              uint64_t offset, uint64_t length, uint64_t *count)
{
    uint64_t done = 0;
    while (done < length) {
        uint64_t run = length - done;
        uint8_t *memory =
            filed_has_room(filed, run) ? content_reserve(content, offset + done, &run) : NULL;
        if (!memory)
            break;
        enum status status = ipc_data_get(call, done, memory, run);
        if (status) {
            if (offset + length > content->size)
                content_trim(content);
            return status;
        }
        done += run;
    }
    *count = done;
    if (offset + done > content->size && done > 0)
        content->size = offset + done;
    if (done < length)
        content_trim(content);
    return done == 0 ? ST_NOSPC : ST_OK;
}

enum status io_write_serve(void *state, struct ipc_call *call,
                           const struct io_write_request *request, struct io_write_reply *reply)
{
    struct filed *filed = state;
    struct description *description = description_find(filed, call->badge);
    if (!description || !description_writes(description))
        return ST_BADF;
    struct node *node = description->node;
    bool current = request->offset == IO_CURRENT;
    uint64_t length = request->length < FILED_IO_MAX ? request->length : FILED_IO_MAX;
    if (request->offset < IO_CURRENT)
        return ST_INVAL;
    if (S_ISFIFO(node->mode)) {
        bool wait = !(request->flags & IO_NOWAIT) && !(description->flags & O_NONBLOCK);
        return current ? fifo_write(filed, call, description, wait, length, &reply->count)
                       : ST_SPIPE;
    }
    if (!S_ISREG(node->mode))
        return device_write(node, length, &reply->count);
    uint64_t offset = (uint64_t)(current ? description->offset : request->offset);
    if (description->flags & O_APPEND)
        offset = node->content.size;
    if (length == 0)
        return ST_OK;
    if (offset > INT64_MAX - length)
        return ST_FBIG;
    enum status status = file_write(filed, call, &node->content, offset, length, &reply->count);
    if (status)
        return status;
    struct caller caller = caller_of(filed, call);
    node_drop_privileges(&caller, node);
    node_modified(filed, node);
    if (current)
        description->offset = (int64_t)(offset + reply->count);
    return ST_OK;
}
