/* Opening a file to execute it: execve(2)'s EACCES, ENOENT and so on.
 * SPDX-License-Identifier: MIT */
#include "exec.h"
#include "files.h"

#define S_IFMT 0170000u
#define S_IFREG 0100000u

static bool in_groups(uint64_t gid)
{
    uint32_t groups[32];
    struct ar_segment segment = {(uint64_t)groups, sizeof(groups)};
    struct ipc_transfer transfer = {.out = &segment, .out_count = 1};
    struct proc_groups_reply reply;
    if (PROC_CALL(proc_groups(POSIX_SLOT_PROCD, 0, 32, &reply, &transfer)))
        return false;
    for (uint64_t i = 0; i < reply.count && i < 32; i++)
        if (groups[i] == gid)
            return true;
    return false;
}

/* The server checked reading when it opened the file; execution is checked here. It protects
 * from mistakes, not from the program itself, which may run whatever it can read. */
long exec_permitted(struct exec_state *state, struct exec_file *file)
{
    struct io_stat_reply stat;
    struct posix_retry retry = {.server = file->server};
    long error = POSIX_CALL(&retry, io_stat(file->slot, &stat));
    if (error)
        return error;
    if ((stat.mode & S_IFMT) != S_IFREG)
        return -LINUX_EACCES;
    unsigned bit = 1;
    if (state->ids.euid == 0)
        bit = 0111;
    else if (state->ids.euid == stat.uid)
        bit = 0100;
    else if (state->ids.egid == stat.gid || in_groups(stat.gid))
        bit = 010;
    if (!(stat.mode & bit))
        return -LINUX_EACCES;
    file->size = (uint64_t)stat.size;
    file->kept_end = 0;
    file->text = (struct posix_text){.server = file->server,
                                     .dev = stat.dev,
                                     .ino = stat.ino,
                                     .size = stat.size,
                                     .mtime = stat.mtime,
                                     .ctime = stat.ctime};
    return 0;
}

long exec_open(struct exec_state *state, const char *path, int dirfd, uint64_t user_path,
               bool nofollow, struct exec_file *file, ar_cap slot)
{
    struct path walk;
    unsigned kind;
    long error = user_path ? path_begin(&walk, dirfd, user_path, false)
                           : path_begin_text(&walk, path, strlen(path));
    if (error)
        return error;
    error = path_open(&walk, nofollow ? LX_O_NOFOLLOW : 0, 0, &kind, &file->server);
    path_end(&walk);
    if (error)
        return error == -LINUX_EISDIR || error == -LINUX_ENXIO ? -LINUX_EACCES : error;
    slot_delete(slot);
    if (ar_cap_move(AR_CAP_SELF, slot, AR_CAP_SELF, receive_slots()[0])) {
        receive_slots_clear();
        return -LINUX_ENOMEM;
    }
    file->slot = slot;
    error = exec_permitted(state, file);
    if (error)
        exec_close(file);
    return error;
}

void exec_close(struct exec_file *file)
{
    if (file->slot)
        slot_delete(file->slot);
    file->slot = 0;
}
