/* Keeping epoll's interest sets in step with the descriptor table: see epoll.h.
 * SPDX-License-Identifier: MIT */
#include "epoll.h"

#include <ipc/kernel.h>

struct posix_lock epoll_lock;
static struct epoll_set *sets;

static bool identity_equal(const struct fd_identity *a, const struct fd_identity *b)
{
    return a->badge == b->badge && a->issuer == b->issuer;
}

struct epoll_set *epoll_set_find(const struct fd_identity *self)
{
    for (struct epoll_set *set = sets; set; set = set->next)
        if (identity_equal(&set->self, self))
            return set;
    return NULL;
}

struct epoll_set *epoll_set_get(const struct fd_identity *self, int via)
{
    struct epoll_set *set = epoll_set_find(self);
    if (set)
        return set;
    set = private_alloc(sizeof(*set));
    if (!set)
        return NULL;
    set->self = *self;
    set->via = via;
    set->next = sets;
    sets = set;
    return set;
}

struct epoll_item *epoll_item_find(const struct epoll_set *set, int fd,
                                   const struct fd_identity *target)
{
    for (struct epoll_item *item = set->first; item; item = item->next)
        if (item->fd == fd && identity_equal(&item->target, target))
            return item;
    return NULL;
}

static void item_append(struct epoll_set *set, struct epoll_item *item)
{
    item->next = NULL;
    if (set->last)
        set->last->next = item;
    else
        set->first = item;
    set->last = item;
}

static void item_unlink(struct epoll_set *set, struct epoll_item *item)
{
    struct epoll_item *previous = NULL;
    for (struct epoll_item *at = set->first; at != item; at = at->next)
        previous = at;
    if (previous)
        previous->next = item->next;
    else
        set->first = item->next;
    if (set->last == item)
        set->last = previous;
}

struct epoll_item *epoll_item_add(struct epoll_set *set, int fd, const struct fd_identity *target)
{
    struct epoll_item *item = private_alloc(sizeof(*item));
    if (!item)
        return NULL;
    item->target = *target;
    item->fd = item->via = fd;
    item_append(set, item);
    return item;
}

void epoll_item_remove(struct epoll_set *set, struct epoll_item *item)
{
    item_unlink(set, item);
    private_free(item);
}

void epoll_item_rotate(struct epoll_set *set, struct epoll_item *item)
{
    item_unlink(set, item);
    item_append(set, item);
}

/* Sets nested below this one, this one counted. */
static unsigned set_depth(const struct epoll_set *set, unsigned limit)
{
    unsigned deepest = 0;
    for (const struct epoll_item *item = set->first; item && limit; item = item->next) {
        const struct epoll_set *inner = epoll_set_find(&item->target);
        unsigned depth = inner ? set_depth(inner, limit - 1) : 0;
        if (depth > deepest)
            deepest = depth;
    }
    return deepest + 1;
}

static bool set_reaches(const struct epoll_set *from, const struct epoll_set *to, unsigned limit)
{
    if (from == to)
        return true;
    for (const struct epoll_item *item = from->first; item && limit; item = item->next) {
        const struct epoll_set *inner = epoll_set_find(&item->target);
        if (inner && set_reaches(inner, to, limit - 1))
            return true;
    }
    return false;
}

/* How many sets there are above this one, this one counted. */
static unsigned set_height(const struct epoll_set *set, unsigned limit)
{
    unsigned highest = 0;
    for (const struct epoll_set *outer = sets; outer && limit; outer = outer->next)
        for (const struct epoll_item *item = outer->first; item; item = item->next)
            if (identity_equal(&item->target, &set->self)) {
                unsigned height = set_height(outer, limit - 1);
                if (height > highest)
                    highest = height;
                break;
            }
    return highest + 1;
}

bool epoll_set_loops(const struct epoll_set *outer, const struct epoll_set *inner)
{
    return set_reaches(inner, outer, EPOLL_NESTS_MAX + 1) ||
           set_height(outer, EPOLL_NESTS_MAX + 1) + set_depth(inner, EPOLL_NESTS_MAX + 1) >
               EPOLL_NESTS_MAX;
}

void epoll_set_wake(struct epoll_set *set)
{
    for (unsigned word = 0; word < sizeof(set->waiting) / sizeof(set->waiting[0]); word++)
        for (uint64_t bits = set->waiting[word]; bits; bits &= bits - 1) {
            unsigned area = word * 64 + (unsigned)__builtin_ctzll(bits);
            ar_signal(POSIX_THREAD_SLOT(area, POSIX_TS_NOTIFICATION), 1);
        }
}

/* ---- what happens to descriptors ------------------------------------------------------------- */

static void set_fd_closed(struct epoll_set *set, int fd)
{
    for (struct epoll_item *item = set->first, *next; item; item = next) {
        next = item->next;
        if (item->via != fd)
            continue;
        item->via = fd_find_description(&item->target);
        if (item->via < 0)
            epoll_item_remove(set, item);
    }
}

static void set_free(struct epoll_set *set)
{
    while (set->first)
        epoll_item_remove(set, set->first);
    for (struct epoll_set **at = &sets; *at; at = &(*at)->next)
        if (*at == set) {
            *at = set->next;
            break;
        }
    private_free(set);
}

void files_fd_closed(int fd)
{
    fd_owner_forget(fd);
    virtual_fd_closed(fd);
    if (!sets)
        return;
    lock_take(&epoll_lock);
    for (struct epoll_set *set = sets; set; set = set->next)
        set_fd_closed(set, fd);
    for (struct epoll_set *set = sets, *next; set; set = next) {
        next = set->next;
        if (set->via == fd && (set->via = fd_find_description(&set->self)) < 0)
            set_free(set);
    }
    lock_release(&epoll_lock);
}

void files_fd_duplicated(int from, int fd)
{
    (void)from, (void)fd; /* copies are looked for when they are needed: fd_find_description */
}

void files_fork_lock(void)
{
    lock_take(&epoll_lock);
    virtual_fork_lock();
    fd_owner_lock();
}

void files_fork_unlock(void)
{
    fd_owner_unlock();
    virtual_fork_unlock();
    lock_release(&epoll_lock);
}
