/* Operations on an open description, but for data, directories and locks, which have files of
 * their own. SPDX-License-Identifier: MIT */
#include "filed.h"
#include <proto/io.h>
#include <string.h>

#define POLL_ALWAYS (POLLERR | POLLHUP | POLLNVAL)
#define POLL_FILE (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)
#define LINUX_FIONREAD 0x541b
#define LINUX_FIONBIO 0x5421
#define LINUX_SEEK_SET 0
#define LINUX_SEEK_CUR 1
#define LINUX_SEEK_END 2
#define LINUX_SEEK_DATA 3
#define LINUX_SEEK_HOLE 4
#define LINUX_O_ASYNC 020000
#define LINUX_O_DIRECT 040000
#define FLAGS_SETTABLE (O_APPEND | O_NONBLOCK | LINUX_O_ASYNC | LINUX_O_DIRECT | O_NOATIME)
#define FALLOC_KEEP_SIZE 1

/* ST_BADF also when the description is O_PATH and the operation needs a real one. */
static enum status find(struct filed *filed, const struct ipc_call *call, bool real,
                        struct description **found)
{
    *found = description_find(filed, call->badge);
    return *found && !(real && ((*found)->flags & O_PATH)) ? ST_OK : ST_BADF;
}

static enum status io_seek_serve(void *state, struct ipc_call *call,
                                 const struct io_seek_request *request, struct io_seek_reply *reply)
{
    struct description *description;
    enum status status = find(state, call, true, &description);
    if (status)
        return status;
    const struct node *node = description->node;
    if (S_ISFIFO(node->mode))
        return ST_SPIPE;
    if (S_ISCHR(node->mode))
        return ST_OK; /* such devices have no place to be at */
    int64_t size = S_ISREG(node->mode) ? (int64_t)node->content.size : DIRECTORY_END;
    int64_t base = 0;
    switch (request->whence) {
    case LINUX_SEEK_SET:
        break;
    case LINUX_SEEK_CUR:
        base = description->offset;
        break;
    case LINUX_SEEK_END:
        base = size;
        break;
    case LINUX_SEEK_DATA: /* all of a file counts as data, and its end as the one hole */
    case LINUX_SEEK_HOLE:
        if (request->offset < 0 || request->offset >= size)
            return ST_NXIO;
        base = request->whence == LINUX_SEEK_HOLE ? size - request->offset : 0;
        break;
    default:
        return ST_INVAL;
    }
    int64_t offset;
    if (__builtin_add_overflow(base, request->offset, &offset))
        return ST_OVERFLOW;
    if (offset < 0)
        return ST_INVAL;
    reply->offset = description->offset = offset;
    return ST_OK;
}

static enum status io_stat_serve(void *state, struct ipc_call *call, struct io_stat_reply *reply)
{
    struct description *description;
    enum status status = find(state, call, false, &description);
    if (status)
        return status;
    uint64_t words[NODE_STAT_WORDS];
    node_stat(description->node, words);
    memcpy(reply, words, sizeof(words));
    reply->kind = node_kind(description->node);
    return ST_OK;
}

static enum status io_get_flags_serve(void *state, struct ipc_call *call,
                                      struct io_get_flags_reply *reply)
{
    struct description *description;
    enum status status = find(state, call, false, &description);
    if (status)
        return status;
    reply->flags = description->flags;
    reply->kind = node_kind(description->node);
    return ST_OK;
}

static enum status io_set_flags_serve(void *state, struct ipc_call *call,
                                      const struct io_set_flags_request *request)
{
    struct filed *filed = state;
    struct description *description;
    enum status status = find(filed, call, true, &description);
    if (status)
        return status;
    struct caller caller = caller_of(filed, call);
    uint32_t flags = (uint32_t)request->flags & FLAGS_SETTABLE;
    if ((flags & O_NOATIME) && !(description->flags & O_NOATIME) &&
        !caller_owns(&caller, description->node))
        return ST_PERM;
    description->flags = (description->flags & ~(uint32_t)FLAGS_SETTABLE) | flags;
    return ST_OK;
}

static enum status io_poll_serve(void *state, struct ipc_call *call,
                                 const struct io_poll_request *request, struct io_poll_reply *reply)
{
    struct filed *filed = state;
    struct description *description;
    enum status status = find(filed, call, false, &description);
    if (status)
        return status;
    uint32_t ready = POLL_FILE;
    if (description->flags & O_PATH)
        ready = POLLNVAL;
    else if (S_ISFIFO(description->node->mode))
        ready = fifo_ready(description);
    reply->ready = ready & (request->events | POLL_ALWAYS);
    reply->sequence = S_ISFIFO(description->node->mode) ? description->node->fifo->sequence : 0;
    if (reply->ready || !request->arm)
        return ST_OK;
    return waiters_arm(&description->node->waiters, session_find(&filed->sessions, call->principal),
                       (uint32_t)(request->events | POLL_ALWAYS) & ~EVENT_LOCK);
}

static enum status io_ioctl_serve(void *state, struct ipc_call *call,
                                  const struct io_ioctl_request *request,
                                  struct io_ioctl_reply *reply)
{
    struct description *description;
    enum status status = find(state, call, true, &description);
    if (status)
        return status;
    const struct node *node = description->node;
    int32_t value = 0;
    reply->result = 0;
    switch ((uint32_t)request->request) {
    case LINUX_FIONREAD:
        if (S_ISFIFO(node->mode))
            value = (int32_t)node->fifo->count;
        else if (S_ISREG(node->mode))
            value = (int32_t)((int64_t)node->content.size - description->offset);
        else
            return ST_NOTTY;
        return ipc_data_put(call, 0, &value, sizeof(value));
    case LINUX_FIONBIO:
        status = ipc_data_get(call, 0, &value, sizeof(value));
        if (status)
            return status;
        description->flags =
            (description->flags & ~(uint32_t)O_NONBLOCK) | (value ? O_NONBLOCK : 0);
        return ST_OK;
    default:
        return ST_NOTTY;
    }
}

static enum status io_truncate_serve(void *state, struct ipc_call *call,
                                     const struct io_truncate_request *request)
{
    struct filed *filed = state;
    struct description *description;
    enum status status = find(filed, call, true, &description);
    if (status)
        return status;
    struct node *node = description->node;
    if (request->length < 0 || !S_ISREG(node->mode) || !description_writes(description))
        return ST_INVAL;
    struct caller caller = caller_of(filed, call);
    content_truncate(&node->content, (uint64_t)request->length);
    node_drop_privileges(&caller, node);
    node_modified(filed, node);
    return ST_OK;
}

static enum status io_set_attributes_serve(void *state, struct ipc_call *call,
                                           const struct io_set_attributes_request *request)
{
    struct filed *filed = state;
    struct description *description;
    enum status status = find(filed, call, true, &description);
    if (status)
        return status;
    struct caller caller = caller_of(filed, call);
    struct attributes attributes = {request->what, request->mode,  request->uid,
                                    request->gid,  request->atime, request->mtime};
    return node_set_attributes(filed, &caller, description->node, &attributes);
}

static enum status io_sync_serve(void *state, struct ipc_call *call)
{
    struct description *description;
    enum status status = find(state, call, true, &description);
    if (status)
        return status;
    mode_t mode = description->node->mode;
    return S_ISREG(mode) || S_ISDIR(mode) ? ST_OK : ST_INVAL;
}

static enum status io_path_serve(void *state, struct ipc_call *call, struct io_path_reply *reply)
{
    struct filed *filed = state;
    struct description *description;
    enum status status = find(filed, call, false, &description);
    if (status)
        return status;
    /* getcwd(2) in a removed directory is ENOENT; a removed file still tells where it was. */
    if (node_is_directory(description->node) && description->node->nlink == 0)
        return ST_NOENT;
    size_t length = entry_path(description->entry, filed->paths, sizeof(filed->paths));
    if (length == 0)
        return ST_NAMETOOLONG;
    reply->length = length;
    return ipc_data_put(call, 0, filed->paths, length);
}

/* fallocate(2). The memory is really there afterwards, so a later write cannot fail for want of
 * it. */
static enum status io_allocate_serve(void *state, struct ipc_call *call,
                                     const struct io_allocate_request *request)
{
    struct filed *filed = state;
    struct description *description;
    enum status status = find(filed, call, true, &description);
    if (status)
        return status;
    struct node *node = description->node;
    int64_t end;
    if (!description_writes(description))
        return ST_BADF;
    if (S_ISFIFO(node->mode))
        return ST_SPIPE;
    if (!S_ISREG(node->mode))
        return ST_NODEV;
    if (request->mode & ~(uint64_t)FALLOC_KEEP_SIZE)
        return ST_OPNOTSUPP;
    if (request->offset < 0 || request->length <= 0)
        return ST_INVAL;
    if (__builtin_add_overflow(request->offset, request->length, &end))
        return ST_FBIG;
    struct content *content = &node->content;
    for (uint64_t at = (uint64_t)request->offset; at < (uint64_t)end;) {
        uint64_t length = (uint64_t)end - at;
        if (!filed_has_room(filed, length) || !content_reserve(content, at, &length)) {
            content_trim(content);
            return ST_NOSPC;
        }
        at += length;
    }
    if (!(request->mode & FALLOC_KEEP_SIZE) && (uint64_t)end > content->size) {
        content->size = (uint64_t)end;
        node_modified(filed, node);
    }
    return ST_OK;
}

const struct io_server filed_io = {
    .read = io_read_serve,
    .write = io_write_serve,
    .seek = io_seek_serve,
    .stat = io_stat_serve,
    .get_flags = io_get_flags_serve,
    .set_flags = io_set_flags_serve,
    .poll = io_poll_serve,
    .ioctl = io_ioctl_serve,
    .truncate = io_truncate_serve,
    .read_directory = io_read_directory_serve,
    .set_attributes = io_set_attributes_serve,
    .sync = io_sync_serve,
    .path = io_path_serve,
    .lock = io_lock_serve,
    .allocate = io_allocate_serve,
};
