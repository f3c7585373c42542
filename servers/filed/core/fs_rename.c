/* rename(2), renameat2(2). The order of the checks is Linux's, so that each mistake gets its own
 * errno. SPDX-License-Identifier: MIT */
#include "filed.h"
#include <proto/fs.h>
#include <string.h>

struct rename {
    struct walk from, to;
    bool exchange, noreplace;
};

/* Read and resolve both paths, up to their last components. */
static enum status rename_resolve(struct filed *filed, struct ipc_call *call,
                                  const struct caller *caller,
                                  const struct fs_rename_request *request, struct rename *r)
{
    struct node *start, *second;
    enum status status = request_start(filed, call, &start);
    second = start;
    if (!status && call->cap_count > 0)
        status = request_second(filed, call, &second);
    if (!status)
        status = request_paths(filed, call, request->path_length, request->second_length);
    if (status)
        return status;
    if (request->path_length == 0 || request->second_length == 0)
        return ST_NOENT;
    r->from = (struct walk){
        .start = start, .path = filed->paths, .length = request->path_length, .flags = WALK_PARENT};
    r->to = (struct walk){.start = second,
                          .path = filed->paths + FILED_PATH_MAX,
                          .length = request->second_length,
                          .flags = WALK_PARENT};
    status = walk_path(filed, caller, &r->from);
    enum status second_status =
        status && status != ST_REDIRECT ? status : walk_path(filed, caller, &r->to);
    if (status == ST_REDIRECT && (second_status == ST_OK || second_status == ST_REDIRECT))
        return second_status == ST_OK ? ST_XDEV : ST_PERM;
    return second_status == ST_REDIRECT ? ST_XDEV : second_status;
}

/* What the names and their shapes forbid, before anyone's rights are looked at. */
static enum status rename_check_names(struct filed *filed, const struct rename *r)
{
    if (r->from.last != LAST_NAME)
        return ST_BUSY;
    if (r->to.last != LAST_NAME)
        return r->noreplace ? ST_EXIST : ST_BUSY;
    const struct node *source = r->from.node, *target = r->to.node;
    if (!source)
        return ST_NOENT;
    if (r->noreplace && target)
        return ST_EXIST;
    if (r->exchange && !target)
        return ST_NOENT;
    if (r->exchange && r->to.slash && !node_is_directory(target))
        return ST_NOTDIR;
    if (!node_is_directory(source) && (r->from.slash || (!r->exchange && r->to.slash)))
        return ST_NOTDIR;
    if (node_is_directory(source) && node_is_above(filed, source, r->to.directory))
        return ST_INVAL;
    if (target && node_is_directory(target) && node_is_above(filed, target, r->from.directory))
        return r->exchange ? ST_INVAL : ST_NOTEMPTY;
    return ST_OK;
}

/* May `walk`'s name be taken away, by something that is (not) a directory? */
static enum status may_delete(const struct caller *caller, const struct walk *walk, bool any,
                              bool directory)
{
    if (!caller_may(caller, walk->directory, MAY_WRITE | MAY_EXEC))
        return ST_ACCES;
    if (!caller_may_remove(caller, walk->directory, walk->node))
        return ST_PERM;
    if (any || node_is_directory(walk->node) == directory)
        return ST_OK;
    return directory ? ST_NOTDIR : ST_ISDIR;
}

static enum status rename_check_rights(const struct caller *caller, const struct rename *r)
{
    const struct node *source = r->from.node, *target = r->to.node;
    enum status status = may_delete(caller, &r->from, true, false);
    if (status)
        return status;
    if (target) {
        status = may_delete(caller, &r->to, r->exchange, node_is_directory(source));
    } else {
        if (r->to.directory->nlink == 0)
            return ST_NOENT;
        status = caller_may(caller, r->to.directory, MAY_WRITE | MAY_EXEC) ? ST_OK : ST_ACCES;
    }
    if (status)
        return status;
    /* A directory that moves gets another "..", which is a write. */
    if (r->from.directory != r->to.directory) {
        if (node_is_directory(source) && !caller_may(caller, source, MAY_WRITE))
            return ST_ACCES;
        if (r->exchange && node_is_directory(target) && !caller_may(caller, target, MAY_WRITE))
            return ST_ACCES;
    }
    if (source->mount_slot || (target && target->mount_slot))
        return ST_BUSY;
    if (!r->exchange && target && node_is_directory(target) && target->directory.count > 0)
        return ST_NOTEMPTY;
    return ST_OK;
}

/* Cannot fail. */
static void rename_exchange(struct filed *filed, struct rename *r)
{
    struct entry *a = r->from.entry, *b = r->to.entry;
    char *a_name = a->name, *b_name = b->name;
    size_t a_length = a->name_length, b_length = b->name_length;
    a->name = b->name = NULL; /* each goes to the other */
    entry_move(filed, a, r->to.directory, b_name, b_length);
    entry_move(filed, b, r->from.directory, a_name, a_length);
    node_changed(filed, r->to.node);
}

static enum status rename_replace(struct filed *filed, struct rename *r)
{
    size_t length = r->to.name_length;
    char *name = mem_alloc(length);
    if (!name)
        return ST_NOSPC;
    memcpy(name, r->to.name, length);
    struct node *target = r->to.node;
    /* point of no return */
    if (target) {
        entry_unlink(filed, r->to.entry);
        node_changed(filed, target);
    }
    entry_move(filed, r->from.entry, r->to.directory, name, length);
    if (target)
        node_release(filed, target);
    return ST_OK;
}

enum status fs_rename_serve(void *state, struct ipc_call *call,
                            const struct fs_rename_request *request)
{
    struct filed *filed = state;
    struct caller caller = caller_of(filed, call);
    struct rename r = {.exchange = request->flags & FS_EXCHANGE,
                       .noreplace = request->flags & FS_NOREPLACE};
    if ((request->flags & ~(uint64_t)(FS_EXCHANGE | FS_NOREPLACE)) || (r.exchange && r.noreplace))
        return ST_INVAL;
    enum status status = rename_resolve(filed, call, &caller, request, &r);
    if (!status)
        status = rename_check_names(filed, &r);
    if (status)
        return status;
    if (r.from.node == r.to.node)
        return ST_OK; /* two names of one file: nothing happens */
    status = rename_check_rights(&caller, &r);
    if (status)
        return status;
    struct node *source = r.from.node;
    if (r.exchange)
        rename_exchange(filed, &r);
    else
        status = rename_replace(filed, &r);
    if (status)
        return status;
    node_changed(filed, source);
    node_modified(filed, r.from.directory);
    node_modified(filed, r.to.directory);
    return ST_OK;
}
