/*
 * /proc: names to nodes, nodes to text. SPDX-License-Identifier: MIT
 *
 * A node is one of the kinds below, with the process it is about. An open description holds a
 * snapshot of its node's text (or of a directory's entries), made at open, so that reading in
 * pieces is consistent.
 */
#ifndef PROCD_PROCFS_H
#define PROCD_PROCFS_H

#include "procd.h"
#include "text.h"

enum procfs_kind {
    PROCFS_ROOT, PROCFS_PID, PROCFS_FD, PROCFS_SYS, PROCFS_SYS_KERNEL, PROCFS_NET, PROCFS_TASK,
    PROCFS_TID,
    PROCFS_LAST_DIRECTORY = PROCFS_TID,
    PROCFS_SELF, PROCFS_EXE, PROCFS_CWD, PROCFS_ROOT_LINK, PROCFS_FD_LINK, PROCFS_MOUNTS_LINK,
    PROCFS_NET_LINK,
    PROCFS_LAST_LINK = PROCFS_NET_LINK,
    /* files of a process */
    PROCFS_STAT, PROCFS_STATUS, PROCFS_CMDLINE, PROCFS_COMM, PROCFS_STATM, PROCFS_MAPS,
    PROCFS_CGROUP, PROCFS_MOUNTS,
    /* files of the system */
    PROCFS_UPTIME, PROCFS_MEMINFO, PROCFS_LOADAVG, PROCFS_VERSION, PROCFS_FILESYSTEMS,
    PROCFS_CPUINFO, PROCFS_KERNEL_STAT,
    PROCFS_OSTYPE, PROCFS_OSRELEASE, PROCFS_HOSTNAME, PROCFS_NGROUPS_MAX, PROCFS_PID_MAX,
    PROCFS_NET_UNIX
};

struct procfs_node {
    enum procfs_kind kind;
    struct process *process; /* NULL for the system's own */
    unsigned number;         /* PROCFS_FD_LINK: the descriptor */
};

static inline bool procfs_is_directory(const struct procfs_node *node)
{
    return node->kind <= PROCFS_LAST_DIRECTORY;
}

static inline bool procfs_is_link(const struct procfs_node *node)
{
    return node->kind > PROCFS_LAST_DIRECTORY && node->kind <= PROCFS_LAST_LINK;
}

/* A call to a server is a system call at work; whoever sleeps waits on a notification. */
static inline bool thread_is_running(enum ar_thread_state state)
{
    return state != AR_THREAD_BLOCKED_WAIT && state != AR_THREAD_INACTIVE;
}

/* Resolve a path inside /proc. `follow`: a final "self" is the directory it leads to. */
enum status procfs_resolve(struct procd *procd, struct process *caller, const char *path,
                           size_t length, bool follow, struct procfs_node *node);
/* The entries of a directory: for each a byte of linux d_type and the name with its NUL. */
void procfs_list(struct procd *procd, const struct procfs_node *node, struct text *text);
/* A link's target; NOENT when it cannot be said here. */
enum status procfs_target(struct procd *procd, struct process *caller,
                          const struct procfs_node *node, struct text *text);
/* A file's content. */
void procfs_text(struct procd *procd, const struct procfs_node *node, struct text *text);
void procfs_system_text(struct procd *procd, const struct procfs_node *node, struct text *text);

#endif
