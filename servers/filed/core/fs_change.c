/* Path operations that make and remove names: mknod(2), mkdir(2), symlink(2), link(2),
 * unlink(2), rmdir(2), and the nodes of bound sockets. SPDX-License-Identifier: MIT */
#include "filed.h"
#include <proto/fs.h>
#include <string.h>

/* Give `node`, new and without a name, the name that walk_new found free. Its release on failure
 * is done here. */
static enum status name_new(struct filed *filed, const struct walk *walk, struct node *node)
{
    struct entry *entry = node ? entry_create(walk->name, walk->name_length) : NULL;
    if (!entry) {
        if (node)
            node_release(filed, node);
        return ST_NOSPC;
    }
    entry_link(filed, entry, walk->directory, node);
    node_modified(filed, walk->directory);
    return ST_OK;
}

/* The first path of a request as a new name. */
static enum status request_new(struct filed *filed, struct ipc_call *call,
                               const struct caller *caller, uint64_t length, uint64_t second,
                               bool directory, struct walk *walk)
{
    *walk = (struct walk){.path = filed->paths, .length = length};
    enum status status = request_start(filed, call, &walk->start);
    if (!status)
        status = request_paths(filed, call, length, second);
    if (status)
        return status;
    return length == 0 ? ST_NOENT : walk_new(filed, caller, walk, directory);
}

enum status fs_make_node_serve(void *state, struct ipc_call *call,
                               const struct fs_make_node_request *request)
{
    struct filed *filed = state;
    struct caller caller = caller_of(filed, call);
    uint32_t type = request->mode & S_IFMT;
    if (type == 0)
        type = S_IFREG;
    if (type != S_IFREG && type != S_IFDIR && type != S_IFIFO && type != S_IFCHR && type != S_IFBLK
        && type != S_IFSOCK)
        return ST_INVAL;
    struct walk walk;
    enum status status =
        request_new(filed, call, &caller, request->path_length, 0, type == S_IFDIR, &walk);
    if (status)
        return status;
    bool device = type == S_IFCHR || type == S_IFBLK;
    if (device && !caller.root)
        return ST_PERM;
    uint32_t mode = type | (request->mode & (type == S_IFDIR ? 01777 : 07777));
    struct node *node = node_create_in(filed, &caller, walk.directory, mode);
    if (node && device)
        node->rdev = request->device;
    return name_new(filed, &walk, node);
}

enum status fs_bind_socket_serve(void *state, struct ipc_call *call,
                                 const struct fs_bind_socket_request *request)
{
    struct filed *filed = state;
    struct caller caller = caller_of(filed, call);
    const struct ipc_cap *cap = &call->caps[0];
    if (cap->kind != AR_RECEIVED_CAP || cap->type != AR_GATE || cap->issuer != ISSUER_SOCKD)
        return ST_MESSAGE;
    struct walk walk;
    enum status status = request_new(filed, call, &caller, request->path_length, 0, false, &walk);
    if (status)
        return status == ST_PERM ? ST_NOENT : status; /* in /proc, as Linux has it */
    struct node *node =
        node_create_in(filed, &caller, walk.directory, S_IFSOCK | (request->mode & 07777));
    status = name_new(filed, &walk, node);
    if (!status)
        node->name_gate = cap->value; /* only now: on failure the dispatcher drops the slot */
    return status;
}

enum status fs_lookup_socket_serve(void *state, struct ipc_call *call,
                                   const struct fs_lookup_socket_request *request)
{
    struct filed *filed = state;
    struct caller caller = caller_of(filed, call);
    struct walk walk;
    enum status status =
        request_walk(filed, call, &caller, request->path_length, WALK_FOLLOW, &walk);
    if (status)
        return status == ST_REDIRECT ? ST_CONNREFUSED : status;
    if (!caller_may(&caller, walk.node, MAY_WRITE))
        return ST_ACCES;
    if (!S_ISSOCK(walk.node->mode) || !walk.node->name_gate)
        return ST_CONNREFUSED;
    ipc_reply_slot(call, walk.node->name_gate, false);
    return ST_OK;
}

enum status fs_symlink_serve(void *state, struct ipc_call *call,
                             const struct fs_symlink_request *request)
{
    struct filed *filed = state;
    struct caller caller = caller_of(filed, call);
    struct walk walk;
    if (request->second_length == 0)
        return ST_NOENT;
    enum status status = request_new(filed, call, &caller, request->path_length,
                                     request->second_length, false, &walk);
    if (status)
        return status;
    char *text = mem_alloc(request->second_length);
    struct node *node =
        text ? node_create_in(filed, &caller, walk.directory, S_IFLNK | 0777) : NULL;
    if (!node) {
        mem_free(text);
        return ST_NOSPC;
    }
    memcpy(text, filed->paths + FILED_PATH_MAX, request->second_length);
    node->link.text = text;
    node->link.length = (uint32_t)request->second_length;
    node->link.owned = true;
    return name_new(filed, &walk, node);
}

/* The node that link(2) gives another name. */
static enum status link_source(struct filed *filed, struct ipc_call *call,
                               const struct caller *caller, const struct fs_link_request *request,
                               struct walk *walk)
{
    *walk = (struct walk){.path = filed->paths,
                          .length = request->path_length,
                          .flags = request->flags & FS_NOFOLLOW ? 0 : WALK_FOLLOW};
    enum status status = request_start(filed, call, &walk->start);
    if (!status)
        status = request_paths(filed, call, request->path_length, request->second_length);
    if (status)
        return status;
    if (request->path_length > 0) {
        status = walk_path(filed, caller, walk);
        return status == ST_REDIRECT ? ST_XDEV : status;
    }
    /* AT_EMPTY_PATH is for root alone. */
    if (!(request->flags & FS_EMPTY_PATH) || !caller->root)
        return ST_NOENT;
    walk->node = walk->start;
    return ST_OK;
}

/* fs.protected_hardlinks, which is on in Debian's kernels: who does not own a node links only plain files that
 * he could open anyway. */
static bool may_link(const struct caller *caller, const struct node *node)
{
    if (caller_owns(caller, node))
        return true;
    return S_ISREG(node->mode) && !(node->mode & S_ISUID) &&
           (node->mode & (S_ISGID | S_IXGRP)) != (S_ISGID | S_IXGRP) &&
           caller_may(caller, node, MAY_READ | MAY_WRITE);
}

enum status fs_link_serve(void *state, struct ipc_call *call, const struct fs_link_request *request)
{
    struct filed *filed = state;
    struct caller caller = caller_of(filed, call);
    struct walk source, target;
    enum status status = link_source(filed, call, &caller, request, &source);
    if (status)
        return status;
    target = (struct walk){.start = source.start,
                           .path = filed->paths + FILED_PATH_MAX,
                           .length = request->second_length};
    if (call->cap_count > 0 && (status = request_second(filed, call, &target.start)))
        return status;
    if (target.length == 0)
        return ST_NOENT;
    status = walk_new(filed, &caller, &target, false);
    if (status)
        return status;
    struct node *node = source.node;
    if (node_is_directory(node) || !may_link(&caller, node))
        return ST_PERM;
    if (node->nlink == 0)
        return ST_NOENT;
    if (node->nlink >= FILED_LINKS_MAX)
        return ST_MLINK;
    node->uses++; /* name_new must not release what we did not make */
    status = name_new(filed, &target, node);
    node->uses--;
    if (!status)
        node_changed(filed, node);
    return status;
}

static enum status unlink_check(const struct caller *caller, const struct walk *walk,
                                bool directory)
{
    if (!walk->node)
        return ST_NOENT;
    if (walk->slash && !directory)
        return node_is_directory(walk->node) ? ST_ISDIR : ST_NOTDIR;
    if (!caller_may(caller, walk->directory, MAY_WRITE | MAY_EXEC))
        return ST_ACCES;
    if (!caller_may_remove(caller, walk->directory, walk->node))
        return ST_PERM;
    if (directory && !node_is_directory(walk->node))
        return ST_NOTDIR;
    if (!directory && node_is_directory(walk->node))
        return ST_ISDIR;
    if (walk->node->mount_slot)
        return ST_BUSY;
    return directory && walk->node->directory.count > 0 ? ST_NOTEMPTY : ST_OK;
}

enum status fs_unlink_serve(void *state, struct ipc_call *call,
                            const struct fs_unlink_request *request)
{
    struct filed *filed = state;
    struct caller caller = caller_of(filed, call);
    bool directory = request->flags & FS_DIRECTORY;
    struct walk walk;
    enum status status =
        request_walk(filed, call, &caller, request->path_length, WALK_PARENT, &walk);
    if (status)
        return status == ST_REDIRECT ? ST_PERM : status;
    if (walk.last != LAST_NAME) {
        if (!directory)
            return ST_ISDIR;
        return walk.last == LAST_DOT ? ST_INVAL : walk.last == LAST_DOTDOT ? ST_NOTEMPTY : ST_BUSY;
    }
    status = unlink_check(&caller, &walk, directory);
    if (status)
        return status;
    struct node *node = walk.node;
    entry_unlink(filed, walk.entry);
    node_modified(filed, walk.directory);
    node_changed(filed, node);
    node_release(filed, node);
    return ST_OK;
}
