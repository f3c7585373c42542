/*
 * flock(2), and fcntl(2)'s record locks. SPDX-License-Identifier: MIT
 *
 * A flock lock belongs to a description (pid 0 here, all bytes). A record lock belongs to a
 * process, by pid; it also remembers the description it came through and goes with it at the
 * latest. POSIX wants it to go when the process closes any descriptor of the file: only libposix
 * sees that, and sends an unlock. The lock of a process that is no more is dropped when it is
 * found in somebody's way. Deadlocks among waiters are not detected (no DEADLK).
 */
#include "filed.h"
#include <proto/io.h>

enum { KIND_FLOCK, KIND_QUERY, KIND_SET, KIND_SET_WAIT };
enum { MODE_READ, MODE_WRITE, MODE_UNLOCK };

/* One more would overlap with nothing and is the caller's to fill: locks are made before
 * anything is changed. */
struct wish {
    struct description *description;
    uint32_t pid; /* 0: flock */
    bool write;
    int64_t start, end;
};

static bool process_lives(const struct filed *filed, uint32_t pid)
{
    for (uint32_t i = 0; i < CREDENTIALS_MAX; i++)
        if (filed->config.credentials[i].pid == pid)
            return true;
    return false;
}

static bool lock_is_own(const struct lock *lock, const struct wish *wish)
{
    return wish->pid ? lock->pid == wish->pid
                     : lock->pid == 0 && lock->description == wish->description;
}

/* A lock of somebody else that forbids `wish`, or NULL. Record and flock locks do not see each
 * other. */
static struct lock *lock_conflict(struct filed *filed, struct node *node, const struct wish *wish)
{
    struct lock **at = &node->locks;
    while (*at) {
        struct lock *lock = *at;
        bool blocks = (lock->pid != 0) == (wish->pid != 0) && !lock_is_own(lock, wish) &&
                      (lock->write || wish->write) && lock->start <= wish->end &&
                      wish->start <= lock->end;
        if (blocks && (lock->pid == 0 || process_lives(filed, lock->pid)))
            return lock;
        if (blocks) {
            *at = lock->next;
            mem_free(lock);
        } else {
            at = &lock->next;
        }
    }
    return NULL;
}

static void lock_add(struct node *node, struct lock *lock, struct description *description,
                     uint32_t pid, bool write, int64_t start, int64_t end)
{
    *lock = (struct lock){node->locks, description, pid, write, start, end};
    node->locks = lock;
}

/* Take [start, end] out of what the owner holds. Cutting one lock in two uses up *spare. True:
 * something went. */
static bool locks_cut(struct node *node, const struct wish *wish, struct lock **spare)
{
    bool changed = false;
    struct lock **at = &node->locks;
    while (*at) {
        struct lock *lock = *at;
        if (!lock_is_own(lock, wish) || lock->end < wish->start || lock->start > wish->end) {
            at = &lock->next;
            continue;
        }
        changed = true;
        bool before = lock->start < wish->start, after = lock->end > wish->end;
        if (before && after) {
            struct lock *rest = *spare;
            *spare = NULL;
            *rest = *lock;
            rest->start = wish->end + 1;
            lock->end = wish->start - 1;
            lock->next = rest;
            return true; /* nothing else of one owner overlaps */
        }
        if (before) {
            lock->end = wish->start - 1;
        } else if (after) {
            lock->start = wish->end + 1;
        } else {
            *at = lock->next;
            mem_free(lock);
            continue;
        }
        at = &lock->next;
    }
    return changed;
}

static enum status lock_set(struct filed *filed, struct node *node, const struct wish *wish,
                            bool unlock)
{
    struct lock *lock = unlock ? NULL : mem_alloc(sizeof(*lock));
    struct lock *spare = mem_alloc(sizeof(*spare));
    if (!spare || (!unlock && !lock)) {
        mem_free(lock);
        mem_free(spare);
        return ST_NOLCK;
    }
    bool freed = locks_cut(node, wish, &spare);
    mem_free(spare);
    if (lock)
        lock_add(node, lock, wish->description, wish->pid, wish->write, wish->start, wish->end);
    if (freed)
        waiters_wake(&node->waiters, EVENT_LOCK, filed->effects);
    return ST_OK;
}

static enum status lock_wait(struct filed *filed, struct ipc_call *call, struct node *node)
{
    enum status status =
        waiters_arm(&node->waiters, session_find(&filed->sessions, call->principal), EVENT_LOCK);
    return status ? status : ST_WAIT;
}

static enum status flock_serve(struct filed *filed, struct ipc_call *call,
                               struct description *description,
                               const struct io_lock_request *request)
{
    struct node *node = description->node;
    struct wish wish = {description, 0, request->mode == MODE_WRITE, 0, INT64_MAX};
    if (request->mode == MODE_UNLOCK)
        return lock_set(filed, node, &wish, true);
    for (const struct lock *l = node->locks; l; l = l->next)
        if (lock_is_own(l, &wish) && l->write == wish.write)
            return ST_OK;
    if (!lock_conflict(filed, node, &wish))
        return lock_set(filed, node, &wish, false);
    /* Converting gives up the old lock first, whether or not the new one is to be had. */
    struct lock *none = NULL;
    if (locks_cut(node, &wish, &none))
        waiters_wake(&node->waiters, EVENT_LOCK, filed->effects);
    return request->flags & IO_NOWAIT ? ST_AGAIN : lock_wait(filed, call, node);
}

/* fcntl's start and length, which may be negative, to first and last byte. */
static enum status range_of(const struct io_lock_request *request, struct wish *wish)
{
    int64_t start = request->start, length = request->length;
    wish->start = length < 0 ? start + length : start;
    if (start < 0 || wish->start < 0)
        return ST_INVAL;
    if (length == 0)
        wish->end = INT64_MAX;
    else if (length < 0)
        wish->end = start - 1;
    else if (__builtin_add_overflow(start, length - 1, &wish->end))
        return ST_OVERFLOW;
    return ST_OK;
}

enum status io_lock_serve(void *state, struct ipc_call *call, const struct io_lock_request *request,
                          struct io_lock_reply *reply)
{
    struct filed *filed = state;
    struct description *description = description_find(filed, call->badge);
    if (!description || (description->flags & O_PATH))
        return ST_BADF;
    if (request->kind == KIND_FLOCK)
        return flock_serve(filed, call, description, request);
    struct node *node = description->node;
    struct wish wish = {.description = description, .write = request->mode == MODE_WRITE};
    enum status status = range_of(request, &wish);
    if (status)
        return status;
    wish.pid = caller_of(filed, call).credentials->pid;
    if (!wish.pid)
        return ST_NOLCK;
    if (request->mode == MODE_UNLOCK)
        return request->kind == KIND_QUERY ? ST_INVAL : lock_set(filed, node, &wish, true);
    const struct lock *conflict = lock_conflict(filed, node, &wish);
    if (request->kind == KIND_QUERY) {
        *reply = (struct io_lock_reply){.mode = MODE_UNLOCK, .start = request->start, .length = request->length};
        if (conflict)
            *reply = (struct io_lock_reply){
                conflict->write ? MODE_WRITE : MODE_READ, conflict->start,
                conflict->end == INT64_MAX ? 0 : conflict->end - conflict->start + 1,
                conflict->pid};
        return ST_OK;
    }
    if (wish.write ? !description_writes(description) : !description_reads(description))
        return ST_BADF;
    if (!conflict)
        return lock_set(filed, node, &wish, false);
    if (request->kind == KIND_SET || (request->flags & IO_NOWAIT))
        return ST_AGAIN;
    return lock_wait(filed, call, node);
}

void lock_description_closed(struct filed *filed, struct description *description)
{
    struct node *node = description->node;
    bool freed = false;
    struct lock **at = &node->locks;
    while (*at) {
        struct lock *lock = *at;
        if (lock->description != description) {
            at = &lock->next;
            continue;
        }
        *at = lock->next;
        mem_free(lock);
        freed = true;
    }
    if (freed)
        waiters_wake(&node->waiters, EVENT_LOCK, filed->effects);
}
