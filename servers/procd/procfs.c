/* /proc as a server of fs and io. SPDX-License-Identifier: MIT */
#include "procfs.h"
#include <ipc/memory.h>
#include <ipc/server.h>
#include <proto/fs.h>
#include <proto/io.h>
#include <proto/sock.h>
#include <string.h>

#define DESCRIPTIONS_MAX 4096u /* open files of /proc, all processes together; more is MFILE */
#define PATH_MAX_BYTES 4096u
#define SNAPSHOT_MAX 65536u

enum open_flag {
    O_ACCESS = 3, O_CREATE = 0100, O_EXCLUSIVE = 0200, O_DIRECTORY_ONLY = 0200000,
    O_NOT_FOLLOW = 0400000,
    O_PATH_ONLY = 010000000
};
enum mode_bits { MODE_DIRECTORY = 0040555, MODE_FILE = 0100444, MODE_LINK = 0120777 };

struct description {
    enum procfs_kind kind;
    uint32_t pid, uid, gid;  /* of the process it is about; pid 0: the system */
    uint64_t flags, offset;
    size_t length, path_length;
    char *path;              /* inside /proc, with "self" resolved or not: what was asked for */
    char data[];             /* the snapshot */
};

struct procfs {
    struct description *descriptions[DESCRIPTIONS_MAX];
};

static char snapshot[SNAPSHOT_MAX]; /* one request at a time */
static char path_buffer[2 * PATH_MAX_BYTES + 2];

struct procfs *procfs_create(void)
{
    return mem_alloc(sizeof(struct procfs));
}

static void description_free(struct description *description)
{
    if (description)
        mem_free(description->path);
    mem_free(description);
}

void procfs_destroy(struct procfs *procfs)
{
    for (unsigned i = 0; procfs && i < DESCRIPTIONS_MAX; i++)
        description_free(procfs->descriptions[i]);
    mem_free(procfs);
}

static struct description *description_find(struct procd *procd, uint64_t badge)
{
    return badge >= BADGE_PROCFS && badge < BADGE_PROCFS + DESCRIPTIONS_MAX
        ? procd->procfs->descriptions[badge - BADGE_PROCFS]
        : NULL;
}

void procfs_closed(struct procd *procd, uint64_t badge)
{
    struct description *description = description_find(procd, badge);
    if (!description)
        return;
    description_free(description);
    procd->procfs->descriptions[badge - BADGE_PROCFS] = NULL;
}

static struct process *caller_process(struct procd *procd, const struct ipc_call *call)
{
    uint32_t tid = PRINCIPAL_THREAD(call->principal);
    return tid <= ID_MAX && procd->thread_of[tid] ? procd->thread_of[tid]->process : NULL;
}

/* The node that a request's path names, seen from the gate it was sent to. The whole path is in
 * path_buffer. */
static enum status request_node(struct procd *procd, struct ipc_call *call, uint64_t length,
                                bool follow, struct procfs_node *node, size_t *whole)
{
    size_t start = 0;
    if (call->badge != BADGE_MOUNT) {
        const struct description *at = description_find(procd, call->badge);
        if (!at)
            return ST_BADF;
        start = at->path_length;
        memcpy(path_buffer, at->path, start);
        path_buffer[start++] = '/';
    }
    if (length > PATH_MAX_BYTES)
        return ST_NAMETOOLONG;
    enum status status = ipc_data_get(call, 0, path_buffer + start, length);
    if (status)
        return status;
    *whole = start + length;
    if (start && length == 0)
        *whole = start - 1;
    return procfs_resolve(procd, caller_process(procd, call), path_buffer, *whole, follow, node);
}

static uint32_t node_mode(const struct procfs_node *node)
{
    return procfs_is_directory(node) ? MODE_DIRECTORY
           : procfs_is_link(node)    ? MODE_LINK
                                     : MODE_FILE;
}

/* The fields that fs.stat and io.stat share, in their order. */
static void stat_fill(struct procd *procd, struct io_stat_reply *reply, enum procfs_kind kind,
                      uint32_t pid, uint32_t uid, uint32_t gid)
{
    const struct procfs_node node = {.kind = kind};
    int64_t time =
        (int64_t)(procd->boot_seconds * 1000000000ull + procd->machine->now_ns(procd->context));
    *reply = (struct io_stat_reply){
        .dev = SOCK_TABLE_DEVICE,
        .ino = kind == PROCFS_ROOT       ? 1
               : kind == PROCFS_NET_UNIX ? SOCK_TABLE_INO
                                         : (uint64_t)(pid + 1) << 16 | (unsigned)kind,
        .mode = node_mode(&node),
        .nlink = procfs_is_directory(&node) ? 2 : 1,
        .uid = uid,
        .gid = gid,
        .blksize = 1024,
        .atime = time,
        .mtime = time,
        .ctime = time,
        .kind = IO_KIND_PROC,
    };
}

static enum status procfs_fs_open(void *state, struct ipc_call *call,
                                  const struct fs_open_request *request,
                                  struct fs_open_reply *reply)
{
    struct procd *procd = state;
    struct procfs_node node;
    size_t whole;
    bool follow = !(request->flags & O_NOT_FOLLOW);
    enum status status = request_node(procd, call, request->path_length, follow, &node, &whole);
    if (status)
        return status;
    if ((request->flags & (O_CREATE | O_EXCLUSIVE)) == (O_CREATE | O_EXCLUSIVE))
        return ST_EXIST;
    if (procfs_is_link(&node) && !(request->flags & O_PATH_ONLY))
        return request->flags & O_NOT_FOLLOW ? ST_LOOP : ST_NOENT;
    bool directory = procfs_is_directory(&node);
    if (request->flags & O_DIRECTORY_ONLY && !directory)
        return ST_NOTDIR;
    if (request->flags & O_ACCESS)
        return directory ? ST_ISDIR : ST_ACCES;
    if (node.kind == PROCFS_NET_UNIX) { /* sockd knows the sockets: sock.table there */
        reply->kind = IO_KIND_PROC;
        ipc_reply_slot(call, SERVER_SLOT_ROOT_SOCKD, false);
        return ST_REDIRECT;
    }
    unsigned number = 0;
    while (number < DESCRIPTIONS_MAX && procd->procfs->descriptions[number])
        number++;
    if (number == DESCRIPTIONS_MAX)
        return ST_MFILE;
    struct text text = {snapshot, 0, sizeof(snapshot)};
    if (directory)
        procfs_list(procd, &node, &text);
    else
        procfs_text(procd, &node, &text);
    struct description *description = mem_alloc(sizeof(*description) + text.length);
    char *path = mem_alloc(whole + 1);
    if (!description || !path) {
        mem_free(description);
        mem_free(path);
        return ST_NOMEM;
    }
    memcpy(path, path_buffer, whole);
    memcpy(description->data, snapshot, text.length);
    description->path = path;
    description->path_length = whole;
    description->kind = node.kind;
    description->length = text.length;
    description->flags = request->flags;
    if (node.process) {
        description->pid = node.process->pid;
        description->uid = node.process->credentials.euid;
        description->gid = node.process->credentials.egid;
    }
    procd->procfs->descriptions[number] = description;
    ipc_reply_gate(call, BADGE_PROCFS + number);
    reply->kind = IO_KIND_PROC;
    return ST_OK;
}

static enum status procfs_fs_stat(void *state, struct ipc_call *call,
                                  const struct fs_stat_request *request,
                                  struct fs_stat_reply *reply)
{
    struct procfs_node node;
    struct io_stat_reply fields;
    size_t whole;
    if (request->path_length == 0 && call->badge != BADGE_MOUNT &&
        !(request->flags & FS_EMPTY_PATH))
        return ST_NOENT;
    bool follow = !(request->flags & FS_NOFOLLOW);
    enum status status = request_node(state, call, request->path_length, follow, &node, &whole);
    if (status)
        return status;
    const struct process *process = node.process;
    stat_fill(state, &fields, node.kind, process ? process->pid : 0,
              process ? process->credentials.euid : 0, process ? process->credentials.egid : 0);
    _Static_assert(offsetof(struct fs_stat_reply, rest) == offsetof(struct io_stat_reply, kind),
                   "same fields before");
    memcpy(reply, &fields, offsetof(struct io_stat_reply, kind));
    return ST_OK;
}

static enum status procfs_fs_read_link(void *state, struct ipc_call *call,
                                       const struct fs_read_link_request *request,
                                       struct fs_read_link_reply *reply)
{
    struct procd *procd = state;
    struct procfs_node node;
    size_t whole;
    enum status status = request_node(procd, call, request->path_length, false, &node, &whole);
    struct text text = {snapshot, 0, PATH_MAX_BYTES};
    if (!status)
        status = procfs_target(procd, caller_process(procd, call), &node, &text);
    /* "Cut to the declared output memory": its length is not told, so try the whole, then
     * bisect. */
    if (status)
        return status;
    size_t fits = 0, over = text.length + 1;
    for (size_t try = text.length; over - fits > 1; try = (fits + over) / 2) {
        if (ipc_data_put(call, 0, snapshot, try) == ST_OK)
            fits = try;
        else
            over = try;
    }
    reply->count = fits;
    return fits ? ST_OK : ST_FAULT;
}

static enum status procfs_fs_access(void *state, struct ipc_call *call,
                                    const struct fs_access_request *request,
                                    struct fs_access_reply *reply)
{
    struct procfs_node node;
    size_t whole;
    (void)reply;
    enum status status = request_node(state, call, request->path_length, true, &node, &whole);
    if (status)
        return status;
    return request->mode & (procfs_is_directory(&node) ? 2u : 3u) ? ST_ACCES : ST_OK;
}

static enum status procfs_fs_stat_fs(void *state, struct ipc_call *call,
                                     const struct fs_stat_fs_request *request,
                                     struct fs_stat_fs_reply *reply)
{
    (void)state, (void)call, (void)request;
    *reply = (struct fs_stat_fs_reply){.type = 0x9fa0, .block_size = PAGE_SIZE, .name_max = 255};
    return ST_OK;
}

static const struct fs_server fs_server = {
    .open = procfs_fs_open, .stat = procfs_fs_stat, .read_link = procfs_fs_read_link,
    .access = procfs_fs_access,
    .stat_fs = procfs_fs_stat_fs,
};

static enum status procfs_io_read(void *state, struct ipc_call *call,
                                  const struct io_read_request *request,
                                  struct io_read_reply *reply)
{
    struct description *d = description_find(state, call->badge);
    const struct procfs_node node = {.kind = d ? d->kind : PROCFS_ROOT};
    if (!d)
        return ST_BADF;
    if (procfs_is_directory(&node))
        return ST_ISDIR;
    if (request->offset < IO_CURRENT)
        return ST_INVAL;
    uint64_t offset = request->offset == IO_CURRENT ? d->offset : (uint64_t)request->offset;
    if (offset >= d->length)
        return ST_OK;
    reply->count = d->length - offset < request->length ? d->length - offset : request->length;
    enum status status = ipc_data_put(call, 0, d->data + offset, reply->count);
    if (status == ST_OK && request->offset == IO_CURRENT)
        d->offset += reply->count;
    return status;
}

static enum status procfs_io_seek(void *state, struct ipc_call *call,
                                  const struct io_seek_request *request,
                                  struct io_seek_reply *reply)
{
    struct description *d = description_find(state, call->badge);
    if (!d)
        return ST_BADF;
    if (request->whence > 1) /* SEEK_END means nothing here, as on Linux */
        return ST_INVAL;
    if (__builtin_add_overflow(request->offset, request->whence ? (int64_t)d->offset : 0,
                               &reply->offset) ||
        reply->offset < 0)
        return ST_INVAL;
    d->offset = (uint64_t)reply->offset;
    return ST_OK;
}

static enum status procfs_io_stat(void *state, struct ipc_call *call, struct io_stat_reply *reply)
{
    const struct description *d = description_find(state, call->badge);
    if (!d)
        return ST_BADF;
    stat_fill(state, reply, d->kind, d->pid, d->uid, d->gid);
    return ST_OK;
}

static enum status procfs_io_get_flags(void *state, struct ipc_call *call,
                                       struct io_get_flags_reply *reply)
{
    const struct description *d = description_find(state, call->badge);
    if (!d)
        return ST_BADF;
    reply->flags = d->flags;
    reply->kind = IO_KIND_PROC;
    return ST_OK;
}

static enum status procfs_io_poll(void *state, struct ipc_call *call,
                                  const struct io_poll_request *request,
                                  struct io_poll_reply *reply)
{
    if (!description_find(state, call->badge))
        return ST_BADF;
    reply->ready = request->events & 0x45; /* POLLIN, POLLOUT, POLLRDNORM: a file never blocks */
    return ST_OK;
}

/* A listing of descriptors has the listing's own: it was not there at open. */
static struct description *description_list_again(struct procd *procd, uint64_t badge,
                                                  struct description *d)
{
    const struct procfs_node node = {.kind = PROCFS_FD, .process = process_find(procd, d->pid)};
    if (!node.process)
        return d;
    struct text text = {snapshot, 0, sizeof(snapshot)};
    procfs_list(procd, &node, &text);
    struct description *grown = mem_resize(d, sizeof(*d) + text.length);
    if (!grown)
        return d;
    memcpy(grown->data, snapshot, text.length);
    grown->length = text.length;
    procd->procfs->descriptions[badge - BADGE_PROCFS] = grown;
    return grown;
}

/* struct linux_dirent64: ino, off, reclen, type, name; records on 8-byte borders. */
static enum status procfs_io_read_directory(void *state, struct ipc_call *call,
                                            const struct io_read_directory_request *request,
                                            struct io_read_directory_reply *reply)
{
    struct description *d = description_find(state, call->badge);
    const struct procfs_node node = {.kind = d ? d->kind : PROCFS_ROOT};
    if (!d)
        return ST_BADF;
    if (!procfs_is_directory(&node))
        return ST_NOTDIR;
    if (d->kind == PROCFS_FD && d->offset == 0)
        d = description_list_again(state, call->badge, d);
    uint64_t offset = d->offset;
    size_t filled = 0,
           room = request->length < sizeof(snapshot) ? request->length : sizeof(snapshot);
    while (offset < d->length) {
        const char *name = d->data + offset + 1;
        size_t name_size = strlen(name) + 1, record = (19 + name_size + 7) & ~7ull;
        if (record > room - filled)
            break;
        uint64_t next = offset + 1 + name_size, ino = (uint64_t)(d->pid + 1) << 16 | (offset + 100);
        uint16_t length = (uint16_t)record;
        memset(snapshot + filled, 0, record);
        memcpy(snapshot + filled, &ino, 8);
        memcpy(snapshot + filled + 8, &next, 8);
        memcpy(snapshot + filled + 16, &length, 2);
        snapshot[filled + 18] = d->data[offset];
        memcpy(snapshot + filled + 19, name, name_size);
        filled += record;
        offset = next;
    }
    if (filled == 0 && offset < d->length)
        return ST_INVAL;
    enum status status = ipc_data_put(call, 0, snapshot, filled);
    if (status)
        return status;
    d->offset = offset;
    reply->count = filled;
    return ST_OK;
}

static enum status procfs_io_path(void *state, struct ipc_call *call, struct io_path_reply *reply)
{
    const struct description *d = description_find(state, call->badge);
    if (!d)
        return ST_BADF;
    struct text text = {snapshot, 0, PATH_MAX_BYTES + 16};
    text_string(&text, "/proc");
    if (d->path_length && d->path[0] != '/')
        text_char(&text, '/');
    text_bytes(&text, d->path, d->path_length);
    reply->length = text.length;
    return ipc_data_put(call, 0, snapshot, text.length) ? ST_RANGE : ST_OK;
}

static const struct io_server io_server = {
    .read = procfs_io_read, .seek = procfs_io_seek, .stat = procfs_io_stat,
    .get_flags = procfs_io_get_flags,
    .poll = procfs_io_poll, .read_directory = procfs_io_read_directory, .path = procfs_io_path,
};

bool procfs_dispatch(struct procd *procd, struct ipc_call *call)
{
    return fs_dispatch(&fs_server, procd, call) || io_dispatch(&io_server, procd, call);
}
