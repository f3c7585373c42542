/* Nodes: their life, times and attributes. SPDX-License-Identifier: MIT */
#include "filed.h"
#include <proto/io.h>
#include <string.h>

#define DAY_NS 86400000000000ll

bool node_is_directory(const struct node *node)
{
    return S_ISDIR(node->mode);
}

int64_t filed_now(const struct filed *filed)
{
    return filed->config.now_ns(filed->config.now_context);
}

struct node *node_create(struct filed *filed, uint32_t mode, uint32_t uid, uint32_t gid)
{
    if (filed->node_count >= FILED_NODES_MAX)
        return NULL;
    struct node *node = mem_alloc(sizeof(*node));
    if (!node)
        return NULL;
    if (S_ISFIFO(mode)) {
        node->fifo = mem_alloc(sizeof(*node->fifo));
        if (!node->fifo) {
            mem_free(node);
            return NULL;
        }
    }
    node->ino = ++filed->next_ino;
    node->mode = mode;
    node->uid = uid;
    node->gid = gid;
    node->atime = node->mtime = node->ctime = filed_now(filed);
    if (S_ISDIR(mode))
        node->directory.next_cookie = DIRECTORY_END; /* the offsets below are "." and ".." */
    filed->node_count++;
    return node;
}

struct node *node_create_in(struct filed *filed, const struct caller *caller,
                            const struct node *directory, uint32_t mode)
{
    uint32_t gid = caller->gid;
    if (directory->mode & S_ISGID) {
        gid = directory->gid;
        if (S_ISDIR(mode))
            mode |= S_ISGID;
        else if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && !caller->root &&
                 !caller_in_group(caller, gid))
            mode &= ~(uint32_t)S_ISGID;
    }
    return node_create(filed, mode, caller->uid, gid);
}

static void node_free(struct filed *filed, struct node *node)
{
    waiters_destroy(&node->waiters, filed->effects);
    if (S_ISREG(node->mode))
        content_truncate(&node->content, 0);
    else if (S_ISLNK(node->mode) && node->link.owned)
        mem_free((void *)(uintptr_t)node->link.text);
    else if (S_ISSOCK(node->mode) && node->name_gate)
        ipc_drop(filed->effects, node->name_gate);
    else if (S_ISFIFO(node->mode))
        fifo_destroy(filed, node);
    filed->node_count--;
    mem_free(node);
}

/* A removed directory holds its entry, which holds the directory above: a loop, because such a
 * chain has no bound. */
void node_release(struct filed *filed, struct node *node)
{
    while (node && node->nlink == 0 && node->uses == 0) {
        struct node *above = NULL;
        struct entry *self = node_is_directory(node) ? node->directory.self : NULL;
        node_free(filed, node);
        if (self && --self->uses == 0) {
            above = self->parent;
            above->uses--;
            mem_free(self->name);
            mem_free(self);
        }
        node = above;
    }
}

void node_changed(struct filed *filed, struct node *node)
{
    node->ctime = filed_now(filed);
}

void node_modified(struct filed *filed, struct node *node)
{
    node->mtime = node->ctime = filed_now(filed);
}

void node_accessed(struct filed *filed, struct node *node)
{
    int64_t now = filed_now(filed);
    if (node->atime <= node->mtime || node->atime <= node->ctime || now - node->atime >= DAY_NS)
        node->atime = now;
}

void node_drop_privileges(const struct caller *caller, struct node *node)
{
    if (caller->root)
        return;
    node->mode &= ~(uint32_t)S_ISUID;
    if (node->mode & S_IXGRP)
        node->mode &= ~(uint32_t)S_ISGID;
}

/* Sizes of directories and links are those of Linux's tmpfs, so that ls -l agrees. */
static uint64_t node_size(const struct node *node)
{
    switch (node->mode & S_IFMT) {
    case S_IFREG:
        return node->content.size;
    case S_IFDIR:
        return 40 + 20ull * node->directory.count;
    case S_IFLNK:
        return node->link.length;
    }
    return 0;
}

uint64_t node_inode(const struct node *node)
{
    _Static_assert(FILED_DEVICE == CONSOLE_STAT_DEVICE && FILED_NODES_MAX < CONSOLE_STAT_INODE,
                   "posix_abi.h");
    return S_ISCHR(node->mode) && node->rdev == CONSOLE_STAT_RDEV ? CONSOLE_STAT_INODE : node->ino;
}

void node_stat(const struct node *node, uint64_t words[NODE_STAT_WORDS])
{
    _Static_assert(offsetof(struct io_stat_reply, kind) == NODE_STAT_WORDS * 8,
                   "the fields up to ctime");
    struct io_stat_reply s = {
        .dev = FILED_DEVICE,
        .ino = node_inode(node),
        .mode = node->mode,
        .nlink = node->nlink,
        .uid = node->uid,
        .gid = node->gid,
        .rdev = node->rdev,
        .size = (int64_t)node_size(node),
        .blksize = 4096,
        .blocks = S_ISREG(node->mode) ? content_blocks(&node->content) : 0,
        .atime = node->atime,
        .mtime = node->mtime,
        .ctime = node->ctime,
    };
    memcpy(words, &s, NODE_STAT_WORDS * sizeof(uint64_t));
}

unsigned node_kind(const struct node *node)
{
    switch (node->mode & S_IFMT) {
    case S_IFDIR:
        return IO_KIND_DIRECTORY;
    case S_IFCHR:
    case S_IFBLK:
        return IO_KIND_DEVICE;
    case S_IFIFO:
        return IO_KIND_PIPE;
    }
    return IO_KIND_FILE;
}

struct node *node_parent(struct filed *filed, const struct node *directory)
{
    return directory->directory.self ? directory->directory.self->parent : filed->root;
}

bool node_is_above(struct filed *filed, const struct node *ancestor, const struct node *node)
{
    while (node != ancestor) {
        if (node == filed->root)
            return false;
        node = node_parent(filed, node);
    }
    return true;
}

/* May these attributes be set? chmod(2), chown(2), utimensat(2). */
static enum status attributes_check(const struct caller *caller, const struct node *node,
                                    const struct attributes *a)
{
    bool owner = caller_owns(caller, node);
    if ((a->what & 1) && S_ISLNK(node->mode))
        return ST_OPNOTSUPP;
    if ((a->what & 1) && !owner)
        return ST_PERM;
    if ((a->what & 2) && !caller->root && !(owner && (uint32_t)a->uid == node->uid))
        return ST_PERM;
    if ((a->what & 4) && !caller->root
        && !(owner && ((uint32_t)a->gid == node->gid || caller_in_group(caller, (uint32_t)a->gid))))
        return ST_PERM;
    if ((a->what & 24) && !owner) {
        /* Whoever may write may set both times to now, and to nothing else. */
        if ((a->what & 24) != 24 || a->atime != IO_TIME_NOW || a->mtime != IO_TIME_NOW)
            return ST_PERM;
        if (!caller_may(caller, node, MAY_WRITE))
            return ST_ACCES;
    }
    return ST_OK;
}

enum status node_set_attributes(struct filed *filed, const struct caller *caller, struct node *node,
                                const struct attributes *a)
{
    enum status status = attributes_check(caller, node, a);
    if (status || !a->what)
        return status;
    int64_t now = filed_now(filed);
    if (a->what & 2)
        node->uid = (uint32_t)a->uid;
    if (a->what & 4)
        node->gid = (uint32_t)a->gid;
    if ((a->what & 6) && !node_is_directory(node)) {
        node->mode &= ~(uint32_t)S_ISUID;
        if (node->mode & S_IXGRP)
            node->mode &= ~(uint32_t)S_ISGID;
    }
    if (a->what & 1) {
        node->mode = (node->mode & S_IFMT) | (a->mode & 07777);
        if (!caller->root && !caller_in_group(caller, node->gid))
            node->mode &= ~(uint32_t)S_ISGID;
    }
    if (a->what & 8)
        node->atime = a->atime == IO_TIME_NOW ? now : a->atime;
    if (a->what & 16)
        node->mtime = a->mtime == IO_TIME_NOW ? now : a->mtime;
    node->ctime = now;
    return ST_OK;
}
