/* Names in /proc. SPDX-License-Identifier: MIT */
#include "procfs.h"
#include <string.h>

enum directory_type { TYPE_DIRECTORY = 4, TYPE_FILE = 8, TYPE_LINK = 10 };

struct name {
    const char *name;
    enum procfs_kind kind;
};

static const struct name root_names[] = {
    {"self", PROCFS_SELF},
    {"mounts", PROCFS_MOUNTS_LINK},
    {"net", PROCFS_NET_LINK},
    {"sys", PROCFS_SYS},
    {"uptime", PROCFS_UPTIME},
    {"meminfo", PROCFS_MEMINFO},
    {"loadavg", PROCFS_LOADAVG},
    {"version", PROCFS_VERSION},
    {"filesystems", PROCFS_FILESYSTEMS},
    {"cpuinfo", PROCFS_CPUINFO},
    {"stat", PROCFS_KERNEL_STAT},
    {0},
};
static const struct name pid_names[] = {
    /* first: a thread's directory has all names but this one, or a walk of /proc had no end */
    {"task", PROCFS_TASK},     {"stat", PROCFS_STAT},
    {"status", PROCFS_STATUS}, {"cmdline", PROCFS_CMDLINE},
    {"comm", PROCFS_COMM},     {"statm", PROCFS_STATM},
    {"maps", PROCFS_MAPS},     {"cgroup", PROCFS_CGROUP},
    {"mounts", PROCFS_MOUNTS}, {"exe", PROCFS_EXE},
    {"cwd", PROCFS_CWD},       {"root", PROCFS_ROOT_LINK},
    {"fd", PROCFS_FD},         {"net", PROCFS_NET},
    {0},
};
static const struct name sys_names[] = {{"kernel", PROCFS_SYS_KERNEL}, {0}};
static const struct name kernel_names[] = {
    {"ostype", PROCFS_OSTYPE}, {"osrelease", PROCFS_OSRELEASE}, {"hostname", PROCFS_HOSTNAME},
    {"ngroups_max", PROCFS_NGROUPS_MAX}, {"pid_max", PROCFS_PID_MAX}, {0},
};
static const struct name net_names[] = {{"unix", PROCFS_NET_UNIX}, {0}};

static const struct name *names_of(enum procfs_kind kind)
{
    static const struct name none[] = {{0}};
    switch (kind) {
    case PROCFS_ROOT: return root_names;
    case PROCFS_PID: return pid_names;
    case PROCFS_TID: return pid_names + 1;
    case PROCFS_SYS: return sys_names;
    case PROCFS_SYS_KERNEL: return kernel_names;
    case PROCFS_NET: return net_names;
    default: return none;
    }
}

/* A decimal number without sign or leading zero; -1: it is none. */
static int64_t number_parse(const char *text, size_t length)
{
    int64_t value = 0;
    if (length == 0 || length > 6 || (length > 1 && text[0] == '0'))
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + text[i] - '0';
    }
    return value;
}

/* One name inside a directory. */
static enum status step(struct procd *procd, struct procfs_node *node, const char *name,
                        size_t length)
{
    int64_t number = number_parse(name, length);
    if (node->kind == PROCFS_ROOT && number > 0) {
        node->process = process_find(procd, (uint64_t)number);
        node->kind = PROCFS_PID;
        return node->process ? ST_OK : ST_NOENT;
    }
    if (node->kind == PROCFS_TASK && number > 0) {
        struct thread *thread = number <= ID_MAX ? procd->thread_of[number] : NULL;
        node->kind = PROCFS_TID;
        return thread && thread->process == node->process ? ST_OK : ST_NOENT;
    }
    if (node->kind == PROCFS_FD && number >= 0) {
        if (number >= POSIX_FD_MAX || !node->process->slots ||
            !procd->machine->slots_used(procd->context, node->process->slots,
                                        POSIX_SLOT_FD + (uint32_t)number))
            return ST_NOENT;
        node->kind = PROCFS_FD_LINK;
        node->number = (unsigned)number;
        return ST_OK;
    }
    for (const struct name *entry = names_of(node->kind); entry->name; entry++)
        if (strlen(entry->name) == length && memcmp(entry->name, name, length) == 0) {
            node->kind = entry->kind;
            return ST_OK;
        }
    return ST_NOENT;
}

static enum status step_up(struct procfs_node *node)
{
    static const enum procfs_kind parent[] = {
        [PROCFS_PID] = PROCFS_ROOT, [PROCFS_FD] = PROCFS_PID, [PROCFS_TASK] = PROCFS_PID,
        [PROCFS_TID] = PROCFS_TASK,
        [PROCFS_SYS] = PROCFS_ROOT, [PROCFS_SYS_KERNEL] = PROCFS_SYS, [PROCFS_NET] = PROCFS_PID,
    };
    if (node->kind == PROCFS_ROOT)
        return ST_NOENT; /* outside the mount: filed's */
    node->kind = parent[node->kind];
    if (node->kind == PROCFS_ROOT)
        node->process = NULL;
    return ST_OK;
}

/* "self" leads to the caller's directory, the links of mounts and net to the caller's. */
static enum status follow_link(struct process *caller, struct procfs_node *node)
{
    if (!caller)
        return ST_NOENT;
    if (node->kind == PROCFS_SELF)
        *node = (struct procfs_node){.kind = PROCFS_PID, .process = caller};
    else if (node->kind == PROCFS_MOUNTS_LINK)
        *node = (struct procfs_node){.kind = PROCFS_MOUNTS, .process = caller};
    else if (node->kind == PROCFS_NET_LINK)
        *node = (struct procfs_node){.kind = PROCFS_NET, .process = caller};
    return ST_OK;
}

enum status procfs_resolve(struct procd *procd, struct process *caller, const char *path,
                           size_t length, bool follow, struct procfs_node *node)
{
    *node = (struct procfs_node){.kind = PROCFS_ROOT};
    size_t at = 0;
    while (at < length) {
        if (path[at] == '/') {
            at++;
            continue;
        }
        size_t end = at;
        while (end < length && path[end] != '/')
            end++;
        enum status status = procfs_is_link(node) ? follow_link(caller, node) : ST_OK;
        if (status)
            return status;
        if (!procfs_is_directory(node))
            return ST_NOTDIR;
        if (end - at == 2 && path[at] == '.' && path[at + 1] == '.')
            status = step_up(node);
        else if (end - at != 1 || path[at] != '.')
            status = step(procd, node, path + at, end - at);
        if (status)
            return status;
        at = end;
    }
    if (length && path[length - 1] == '/')
        follow = true;
    return follow && procfs_is_link(node) ? follow_link(caller, node) : ST_OK;
}

static void list_add(struct text *text, enum directory_type type, const char *name)
{
    if (text->capacity - text->length < strlen(name) + 2)
        return; /* whole entries only */
    text_char(text, (char)type);
    text_bytes(text, name, strlen(name) + 1);
}

static void list_number(struct text *text, enum directory_type type, unsigned number)
{
    char digits[12];
    struct text name = {digits, 0, sizeof(digits) - 1};
    text_number(&name, number);
    digits[name.length] = 0;
    list_add(text, type, digits);
}

void procfs_list(struct procd *procd, const struct procfs_node *node, struct text *text)
{
    list_add(text, TYPE_DIRECTORY, ".");
    list_add(text, TYPE_DIRECTORY, "..");
    for (const struct name *entry = names_of(node->kind); entry->name; entry++) {
        const struct procfs_node child = {.kind = entry->kind};
        list_add(text,
                 procfs_is_directory(&child) ? TYPE_DIRECTORY
                 : procfs_is_link(&child)    ? TYPE_LINK
                                             : TYPE_FILE,
                 entry->name);
    }
    if (node->kind == PROCFS_ROOT)
        for (unsigned pid = 1; pid <= ID_MAX; pid++)
            if (procd->process_of[pid])
                list_number(text, TYPE_DIRECTORY, pid);
    if (node->kind == PROCFS_TASK)
        for (const struct thread *thread = node->process->threads; thread; thread = thread->next)
            list_number(text, TYPE_DIRECTORY, thread->tid);
    if (node->kind == PROCFS_FD && node->process->slots)
        for (unsigned fd = 0; fd < node->process->limits[LIMIT_NOFILE].soft && fd < 1024; fd++)
            if (procd->machine->slots_used(procd->context, node->process->slots,
                                           POSIX_SLOT_FD + fd))
                list_number(text, TYPE_LINK, fd);
}

enum status procfs_target(struct procd *procd, struct process *caller,
                          const struct procfs_node *node, struct text *text)
{
    (void)procd;
    switch (node->kind) {
    case PROCFS_SELF:
        if (!caller)
            return ST_NOENT;
        text_number(text, caller->pid);
        return ST_OK;
    case PROCFS_NET_LINK:
        text_string(text, "self/net");
        return ST_OK;
    case PROCFS_MOUNTS_LINK:
        text_string(text, "self/mounts");
        return ST_OK;
    case PROCFS_EXE:
        if (!node->process->path_length)
            return ST_NOENT;
        text_bytes(text, node->process->path, node->process->path_length);
        return ST_OK;
    case PROCFS_ROOT_LINK:
        text_char(text, '/');
        return ST_OK;
    /* cwd and fd: the descriptions are other servers'; libposix answers for its own process */
    default:
        return procfs_is_link(node) ? ST_NOENT : ST_INVAL;
    }
}
