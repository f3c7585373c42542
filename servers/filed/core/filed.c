/* The core's entry: start, requests, closed badges, and what every path operation begins with.
 * SPDX-License-Identifier: MIT */
#include "filed.h"
#include <ipc/dispatch.h>
#include <proto/fs.h>
#include <proto/io.h>
#include <proto/session.h>
#include <string.h>

#define BUCKETS_FIRST 1024u

enum status filed_init(struct filed *filed, const struct filed_config *config)
{
    memset(filed, 0, sizeof(*filed));
    filed->config = *config;
    filed->buckets = mem_alloc(BUCKETS_FIRST * sizeof(struct entry *));
    filed->charged = mem_alloc(CREDENTIALS_MAX * sizeof(uint32_t));
    filed->root = node_create(filed, S_IFDIR | 0755, 0, 0);
    if (!filed->buckets || !filed->charged || !filed->root) {
        mem_free(filed->buckets);
        mem_free(filed->charged);
        mem_free(filed->root);
        return ST_NOMEM;
    }
    filed->bucket_count = BUCKETS_FIRST;
    filed->root->nlink = 2;
    random_seed(filed, config->seed);
    return ST_OK;
}

/* Depth first, without recursion: go down to a directory without children, remove it, go on from
 * where it was. */
static void tree_free(struct filed *filed)
{
    struct node *at = filed->root;
    for (;;) {
        struct entry *entry = at->directory.last;
        if (!entry) {
            if (at == filed->root)
                return;
            struct node *above = node_parent(filed, at);
            entry_unlink(filed, at->directory.self);
            node_release(filed, at);
            at = above;
        } else if (node_is_directory(entry->node)) {
            at = entry->node;
        } else {
            struct node *node = entry->node;
            entry_unlink(filed, entry);
            node_release(filed, node);
        }
    }
}

void filed_destroy(struct filed *filed, struct ipc_effects *effects)
{
    filed->effects = effects;
    for (uint32_t i = 0; i < filed->badge_room; i++)
        if (filed->badges[i].kind != BADGE_FREE)
            filed_closed(filed, BADGE_OBJECTS + i, effects);
    tree_free(filed);
    filed->root->nlink = 0;
    node_release(filed, filed->root);
    mem_free(filed->badges);
    mem_free(filed->buckets);
    mem_free(filed->charged);
    mem_free(filed->sessions.slots);
    memset(filed, 0, sizeof(*filed));
}

static enum status session_open_serve(void *state, struct ipc_call *call)
{
    struct filed *filed = state;
    const struct ipc_cap *cap = &call->caps[0];
    if (cap->kind != AR_RECEIVED_CAP || cap->type != AR_NOTIFICATION)
        return ST_MESSAGE;
    uint64_t badge = badge_alloc(filed);
    if (!badge)
        return ST_NOMEM;
    enum status status =
        session_begin(&filed->sessions, call->principal, cap->value, badge, call->effects);
    if (status) {
        badge_free(filed, badge);
        return status;
    }
    filed->badges[badge - BADGE_OBJECTS].thread = PRINCIPAL_THREAD(call->principal);
    ipc_reply_gate(call, badge);
    return ST_OK;
}

static const struct session_server session_server = {.open = session_open_serve};

static bool dispatch(struct filed *filed, struct ipc_call *call)
{
    switch (call->label >> 8) {
    case IO_PROTOCOL: return io_dispatch(&filed_io, filed, call);
    case FS_PROTOCOL: return fs_dispatch(&filed_fs, filed, call);
    default: return session_dispatch(&session_server, filed, call);
    }
}

void filed_handle(void *state, struct ipc_call *call)
{
    struct filed *filed = state;
    filed->effects = call->effects;
    if (!dispatch(filed, call))
        ipc_dispatch_finish(call, ST_MESSAGE);
}

void filed_closed(void *state, uint64_t badge, struct ipc_effects *effects)
{
    struct filed *filed = state;
    filed->effects = effects;
    if (badge < BADGE_OBJECTS || badge - BADGE_OBJECTS >= filed->badge_room)
        return;
    const struct badge *b = &filed->badges[badge - BADGE_OBJECTS];
    if (b->kind == BADGE_DESCRIPTION) {
        description_close(filed, b->description);
    } else if (b->kind == BADGE_SESSION) {
        /* A second open has replaced the session, and with it its badge: then this one is a
         * thing of the past. */
        struct session *session = session_find(&filed->sessions, PRINCIPAL(0, b->thread));
        if (session && session->badge == badge)
            session_close(&filed->sessions, session, effects);
        badge_free(filed, badge);
    }
}

enum status request_paths(struct filed *filed, struct ipc_call *call, uint64_t first,
                          uint64_t second)
{
    if (first >= FILED_PATH_MAX || second >= FILED_PATH_MAX)
        return ST_NAMETOOLONG;
    enum status status = ipc_data_get(call, 0, filed->paths, first);
    if (!status)
        status = ipc_data_get(call, first, filed->paths + FILED_PATH_MAX, second);
    if (status)
        return status;
    if (memchr(filed->paths, 0, first) || memchr(filed->paths + FILED_PATH_MAX, 0, second))
        return ST_MESSAGE;
    return ST_OK;
}

enum status request_start(struct filed *filed, const struct ipc_call *call, struct node **start)
{
    *start = filed->root;
    if (call->badge < BADGE_OBJECTS)
        return ST_OK;
    const struct description *description = description_find(filed, call->badge);
    if (!description)
        return ST_BADF;
    *start = description->node;
    return ST_OK;
}

enum status request_second(struct filed *filed, const struct ipc_call *call, struct node **start)
{
    if (call->caps[0].kind != AR_RECEIVED_BADGE)
        return ST_MESSAGE;
    if (call->caps[0].value < BADGE_OBJECTS) {
        *start = filed->root;
        return ST_OK;
    }
    const struct description *description = description_find(filed, call->caps[0].value);
    if (!description)
        return ST_BADF;
    *start = description->node;
    return ST_OK;
}

enum status request_walk(struct filed *filed, struct ipc_call *call, const struct caller *caller,
                         uint64_t length, unsigned flags, struct walk *walk)
{
    *walk = (struct walk){.path = filed->paths, .length = length, .flags = flags};
    enum status status = request_start(filed, call, &walk->start);
    if (!status)
        status = request_paths(filed, call, length, 0);
    if (status)
        return status;
    return length == 0 ? ST_NOENT : walk_path(filed, caller, walk);
}
