/* open(2). SPDX-License-Identifier: MIT */
#include "filed.h"
#include <proto/fs.h>
#include <proto/io.h>

#define TMPFILE_BIT 020000000u /* O_TMPFILE without its O_DIRECTORY */
#define FLAGS_PATH (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) /* O_PATH ignores all others */

static unsigned flags_may(uint32_t flags)
{
    static const unsigned char by_mode[] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE,
                                            MAY_READ | MAY_WRITE};
    return by_mode[flags & O_ACCMODE] | (flags & O_TRUNC ? MAY_WRITE : 0u);
}

/* May what exists be opened so? In Linux's order. */
static enum status open_check(const struct caller *caller, const struct walk *walk, uint32_t flags)
{
    const struct node *node = walk->node;
    if ((flags & O_CREAT) && (flags & O_EXCL))
        return ST_EXIST;
    if ((flags & O_CREAT) && node_is_directory(node))
        return ST_ISDIR;
    if ((flags & O_DIRECTORY) && !node_is_directory(node))
        return ST_NOTDIR;
    if (flags & O_PATH)
        return ST_OK;
    if (S_ISLNK(node->mode))
        return ST_LOOP;
    unsigned may = flags_may(flags);
    if (node_is_directory(node) && (may & MAY_WRITE))
        return ST_ISDIR;
    if (!caller_may(caller, node, may))
        return ST_ACCES;
    if ((flags & O_NOATIME) && !caller_owns(caller, node))
        return ST_PERM;
    if (S_ISSOCK(node->mode))
        return ST_NXIO;
    if ((S_ISCHR(node->mode) || S_ISBLK(node->mode)) && !device_is_ours(node) &&
        !device_is_terminal(node))
        return ST_NXIO;
    return ST_OK;
}

/* A new file of ours at the end of `walk`. */
static enum status open_create(struct filed *filed, struct ipc_call *call,
                               const struct caller *caller, struct walk *walk,
                               const struct fs_open_request *request)
{
    struct node *directory = walk->directory;
    if (directory->nlink == 0)
        return ST_NOENT;
    if (!caller_may(caller, directory, MAY_WRITE | MAY_EXEC))
        return ST_ACCES;
    struct node *node = node_create_in(filed, caller, directory, S_IFREG | (request->mode & 07777));
    if (!node)
        return ST_NOSPC;
    struct entry *entry = entry_create(walk->name, walk->name_length);
    struct description *description = NULL;
    enum status status =
        entry ? description_create(filed, call, node, entry, (uint32_t)request->flags, &description)
              : ST_NOSPC;
    if (status) {
        entry_release(filed, entry);
        node_release(filed, node);
        return status;
    }
    entry_link(filed, entry, directory, node);
    node_modified(filed, directory);
    ipc_reply_gate(call, description->badge);
    return ST_OK;
}

static enum status open_existing(struct filed *filed, struct ipc_call *call,
                                 const struct caller *caller, const struct walk *walk,
                                 uint32_t flags)
{
    struct node *node = walk->node;
    enum status status = open_check(caller, walk, flags);
    if (status)
        return status;
    bool fifo = S_ISFIFO(node->mode) && !(flags & O_PATH);
    if (fifo && (status = fifo_open_check(filed, call, node, flags)))
        return status;
    struct description *description;
    status = description_create(filed, call, node, walk->entry, flags, &description);
    if (status)
        return status;
    if (fifo)
        fifo_opened(filed, description);
    if ((flags & O_TRUNC) && S_ISREG(node->mode)) {
        content_truncate(&node->content, 0);
        node_drop_privileges(caller, node);
        node_modified(filed, node);
    }
    ipc_reply_gate(call, description->badge);
    return ST_OK;
}

enum status fs_open_serve(void *state, struct ipc_call *call, const struct fs_open_request *request,
                          struct fs_open_reply *reply)
{
    struct filed *filed = state;
    struct caller caller = caller_of(filed, call);
    struct fs_open_request rq = *request;
    if (rq.flags & O_PATH)
        rq.flags &= FLAGS_PATH;
    uint32_t flags = (uint32_t)rq.flags;
    if (flags & TMPFILE_BIT)
        return ST_OPNOTSUPP;
    if ((flags & O_CREAT) && (flags & O_DIRECTORY))
        return ST_INVAL;
    unsigned walk_flags = flags & O_CREAT ? WALK_CREATE : 0;
    if (!(flags & O_NOFOLLOW) && !((flags & O_CREAT) && (flags & O_EXCL)))
        walk_flags |= WALK_FOLLOW;
    struct walk walk;
    enum status status = request_walk(filed, call, &caller, rq.path_length, walk_flags, &walk);
    if (status == ST_REDIRECT) {
        reply->rest = walk.rest;
        ipc_reply_slot(call, walk.mount_slot, false);
    }
    if (status)
        return status;
    if (!walk.node) {
        reply->kind = IO_KIND_FILE;
        return open_create(filed, call, &caller, &walk, &rq);
    }
    reply->kind = node_kind(walk.node);
    if (device_is_terminal(walk.node) && !(flags & O_PATH)) {
        status = open_check(&caller, &walk, flags);
        if (!status && !filed->config.consoled_slot)
            status = ST_NXIO;
        if (status)
            return status;
        if (walk.node->rdev == DEVICE_TTY)
            reply->kind = IO_KIND_TERMINAL; /* the opener's own, if it has one */
        ipc_reply_slot(call, filed->config.consoled_slot, false);
        return ST_REDIRECT;
    }
    return open_existing(filed, call, &caller, &walk, flags);
}
