/* Path operations that make, remove and rename nothing. SPDX-License-Identifier: MIT */
#include "filed.h"
#include <proto/fs.h>
#include <string.h>

#define TMPFS_MAGIC 0x01021994u

/* Resolve for an operation that may be REDIRECTed; an empty path with FS_EMPTY_PATH is the
 * description itself. */
static enum status resolve(struct filed *filed, struct ipc_call *call, const struct caller *caller,
                           uint64_t length, uint64_t flags, struct walk *walk, uint64_t *rest)
{
    if (length == 0 && (flags & FS_EMPTY_PATH)) {
        *walk = (struct walk){.last = LAST_DOT};
        return request_start(filed, call, &walk->node);
    }
    unsigned walk_flags = flags & FS_NOFOLLOW ? 0 : WALK_FOLLOW;
    enum status status = request_walk(filed, call, caller, length, walk_flags, walk);
    if (status == ST_REDIRECT) {
        *rest = walk->rest;
        ipc_reply_slot(call, walk->mount_slot, false);
    }
    return status;
}

/* The same for operations that a mount does not get: chmod and truncate in /proc. */
static enum status resolve_here(struct filed *filed, struct ipc_call *call,
                                const struct caller *caller, uint64_t length, uint64_t flags,
                                struct walk *walk)
{
    uint64_t rest;
    enum status status = resolve(filed, call, caller, length, flags, walk, &rest);
    return status == ST_REDIRECT ? ST_PERM : status;
}

static enum status fs_stat_serve(void *state, struct ipc_call *call,
                                 const struct fs_stat_request *request, struct fs_stat_reply *reply)
{
    struct filed *filed = state;
    struct caller caller = caller_of(filed, call);
    struct walk walk;
    enum status status =
        resolve(filed, call, &caller, request->path_length, request->flags, &walk, &reply->rest);
    if (status)
        return status;
    uint64_t words[NODE_STAT_WORDS];
    node_stat(walk.node, words);
    _Static_assert(offsetof(struct fs_stat_reply, rest) == sizeof(words), "the fields of io.stat");
    memcpy(reply, words, sizeof(words));
    return ST_OK;
}

/* The caller says in the upper half of `flags` how much memory it declared; 0: enough. */
static enum status fs_read_link_serve(void *state, struct ipc_call *call,
                                      const struct fs_read_link_request *request,
                                      struct fs_read_link_reply *reply)
{
    struct filed *filed = state;
    struct caller caller = caller_of(filed, call);
    struct walk walk;
    enum status status = resolve(filed, call, &caller, request->path_length,
                                 request->flags | FS_NOFOLLOW, &walk, &reply->rest);
    if (status)
        return status;
    if (!S_ISLNK(walk.node->mode))
        return request->path_length == 0 ? ST_NOENT : ST_INVAL;
    uint64_t count = walk.node->link.length, room = request->flags >> 32;
    if (room && count > room)
        count = room;
    status = ipc_data_put(call, 0, walk.node->link.text, count);
    if (status)
        return status;
    node_accessed(filed, walk.node);
    reply->count = count;
    return ST_OK;
}

static enum status fs_access_serve(void *state, struct ipc_call *call,
                                   const struct fs_access_request *request,
                                   struct fs_access_reply *reply)
{
    struct filed *filed = state;
    struct caller caller =
        request->flags & FS_EFFECTIVE ? caller_of(filed, call) : caller_real(filed, call);
    struct walk walk;
    enum status status =
        resolve(filed, call, &caller, request->path_length, request->flags, &walk, &reply->rest);
    if (status)
        return status;
    return caller_may(&caller, walk.node, (unsigned)request->mode) ? ST_OK : ST_ACCES;
}

static enum status fs_set_attributes_serve(void *state, struct ipc_call *call,
                                           const struct fs_set_attributes_request *request)
{
    struct filed *filed = state;
    struct caller caller = caller_of(filed, call);
    struct walk walk;
    enum status status =
        resolve_here(filed, call, &caller, request->path_length, request->flags, &walk);
    if (status)
        return status;
    struct attributes attributes = {request->what, request->mode,  request->uid,
                                    request->gid,  request->atime, request->mtime};
    return node_set_attributes(filed, &caller, walk.node, &attributes);
}

static enum status fs_truncate_serve(void *state, struct ipc_call *call,
                                     const struct fs_truncate_request *request)
{
    struct filed *filed = state;
    struct caller caller = caller_of(filed, call);
    struct walk walk;
    if (request->length < 0)
        return ST_INVAL;
    enum status status = resolve_here(filed, call, &caller, request->path_length, 0, &walk);
    if (status)
        return status;
    struct node *node = walk.node;
    if (node_is_directory(node))
        return ST_ISDIR;
    if (!S_ISREG(node->mode))
        return ST_INVAL;
    if (!caller_may(&caller, node, MAY_WRITE))
        return ST_ACCES;
    content_truncate(&node->content, (uint64_t)request->length);
    node_drop_privileges(&caller, node);
    node_modified(filed, node);
    return ST_OK;
}

static enum status fs_stat_fs_serve(void *state, struct ipc_call *call,
                                    const struct fs_stat_fs_request *request,
                                    struct fs_stat_fs_reply *reply)
{
    struct filed *filed = state;
    struct caller caller = caller_of(filed, call);
    struct walk walk;
    enum status status =
        resolve(filed, call, &caller, request->path_length, request->flags, &walk, &reply->rest);
    if (status)
        return status;
    uint64_t used = mem_in_use(), size = filed->config.heap_size;
    reply->type = TMPFS_MAGIC;
    reply->block_size = 4096;
    reply->blocks = size / 4096;
    reply->blocks_free = used < size ? (size - used) / 4096 : 0;
    reply->files = FILED_NODES_MAX;
    reply->files_free = FILED_NODES_MAX - filed->node_count;
    reply->name_max = FILED_NAME_MAX;
    return ST_OK;
}

static enum status fs_counts_serve(void *state, struct ipc_call *call,
                                   struct fs_counts_reply *reply)
{
    const struct filed *filed = state;
    (void)call;
    reply->nodes = filed->node_count;
    reply->descriptions = filed->description_count;
    reply->heap = mem_in_use();
    return ST_OK;
}

const struct fs_server filed_fs = {
    .open = fs_open_serve,
    .stat = fs_stat_serve,
    .read_link = fs_read_link_serve,
    .access = fs_access_serve,
    .make_node = fs_make_node_serve,
    .bind_socket = fs_bind_socket_serve,
    .lookup_socket = fs_lookup_socket_serve,
    .link = fs_link_serve,
    .rename = fs_rename_serve,
    .symlink = fs_symlink_serve,
    .unlink = fs_unlink_serve,
    .set_attributes = fs_set_attributes_serve,
    .truncate = fs_truncate_serve,
    .stat_fs = fs_stat_fs_serve,
    .counts = fs_counts_serve,
};
