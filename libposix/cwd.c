/*
 * The working directory, and reading directories: chdir(2), getcwd(2), getdents64(2).
 * SPDX-License-Identifier: MIT
 */
#include "files.h"

#include <ipc/kernel.h>

/* May the caller search the directory behind this gate? */
static long directory_search(ar_cap gate, unsigned server)
{
    static const char dot[] = ".";
    struct ar_segment in = {(uint64_t)dot, 1};
    struct ipc_transfer transfer = {.in = &in, .in_count = 1};
    struct posix_retry retry = {.server = server, .transfer = &transfer};
    struct fs_access_reply reply;
    return POSIX_CALL(&retry, fs_access(gate, 1, FS_EFFECTIVE, 1, &reply, &transfer));
}

/* Put the gate in `from`, which is emptied, into the slot of the working directory. Under the
 * lock: path.c copies it. */
static long cwd_replace(ar_cap from)
{
    lock_take(&process.lock);
    ar_cap_delete(POSIX_SLOT_CWD);
    enum ar_error error = ar_cap_move(AR_CAP_SELF, POSIX_SLOT_CWD, AR_CAP_SELF, from);
    lock_release(&process.lock);
    return error ? ERR(IO) : 0;
}

long sys_chdir(const uint64_t a[6])
{
    struct path path;
    long error = path_begin(&path, LX_AT_FDCWD, a[0], false);
    if (error)
        return error;
    unsigned kind, server;
    error = path_open(&path, LX_O_PATH | LX_O_DIRECTORY, 0, &kind, &server);
    path_end(&path);
    if (error)
        return error;
    ar_cap gate = receive_slots()[0];
    /* Receive slots must be empty for the next request, which may be one that opens a session. */
    ar_cap held = thread_slot(FILES_TS_MOUNT);
    if (ar_cap_move(AR_CAP_SELF, held, AR_CAP_SELF, gate)) {
        receive_slots_clear();
        return ERR(IO);
    }
    error = server == ISSUER_CONSOLED ? ERR(NOTDIR) : directory_search(held, server);
    if (error)
        slot_delete(held);
    return error ? error : cwd_replace(held);
}

long sys_fchdir(const uint64_t a[6])
{
    struct fd_info info;
    int fd = (int)a[0];
    long error = fd_begin(fd, NULL, &info);
    if (error)
        return error;
    if (fd_kind(fd, &info) != IO_KIND_DIRECTORY)
        error = ERR(NOTDIR);
    else
        error = directory_search(info.slot, info.server);
    ar_cap held = thread_slot(FILES_TS_MOUNT);
    if (!error && ar_cap_copy(AR_CAP_SELF, held, AR_CAP_SELF, info.slot, AR_ALL))
        error = ERR(IO);
    fd_end(&info);
    return error ? error : cwd_replace(held);
}

/* No server can confine a path to a part of its tree; better none than one that only looks like
 * it. */
long sys_chroot(const uint64_t a[6])
{
    (void)a;
    return ERR(PERM);
}

long sys_getcwd(const uint64_t a[6])
{
    char text[LX_PATH_MAX];
    struct ar_segment out = {(uint64_t)text, sizeof(text) - 1};
    struct ipc_transfer transfer = {.out = &out, .out_count = 1};
    struct posix_retry retry = {.server = ISSUER_FILED, .transfer = &transfer};
    struct io_path_reply reply = {0};
    long error = POSIX_CALL(&retry, io_path(POSIX_SLOT_CWD, &reply, &transfer));
    if (error)
        return error == ERR(RANGE) ? ERR(NAMETOOLONG) : error;
    if (reply.length >= sizeof(text))
        return ERR(IO);
    text[reply.length] = 0;
    if (reply.length + 1 > a[1])
        return ERR(RANGE);
    error = user_write((void *)a[0], text, reply.length + 1);
    return error ? error : (long)reply.length + 1;
}

/* ---- reading a directory --------------------------------------------------------------------- */

static long read_directory(const struct fd_info *info, uint64_t address, uint64_t length)
{
    if (info->server == ISSUER_SOCKD || info->server == ISSUER_CONSOLED)
        return ERR(NOTDIR);
    struct ar_segment out = {address, length};
    struct ipc_transfer transfer = {.out = &out, .out_count = 1};
    struct posix_retry retry = {.server = info->server, .transfer = &transfer};
    struct io_read_directory_reply reply = {0};
    long error = POSIX_CALL(&retry, io_read_directory(info->slot, length, &reply, &transfer));
    if (error)
        return error;
    return reply.count > length ? (long)length : (long)reply.count;
}

long sys_getdents64(const uint64_t a[6])
{
    struct fd_info info;
    long result = fd_begin((int)a[0], NULL, &info);
    if (result)
        return result;
    uint64_t length = (uint32_t)a[2];
    result = user_range_ok((const void *)a[1], length) ? read_directory(&info, a[1], length)
                                                       : ERR(FAULT);
    fd_end(&info);
    return result;
}

/* The old record has one byte less before the name and one more after it, so each new record
 * fits where the 64-bit one was: converting in place goes from front to back. */
static void dirents_convert(char *buffer, uint64_t count)
{
    for (uint64_t at = 0; at < count;) {
        struct linux_dirent64 *record = (void *)(buffer + at);
        uint16_t length = record->record_length;
        uint8_t type = record->type;
        struct linux_dirent *old = (void *)record;
        size_t room = length - offsetof(struct linux_dirent64, name);
        memmove(old->name, record->name, strnlen(record->name, room) + 1);
        buffer[at + length - 1] = (char)type;
        at += length;
    }
}

long sys_getdents(const uint64_t a[6])
{
    uint64_t length = (uint32_t)a[2];
    if (length > 65536)
        length = 65536;
    struct fd_info info;
    long result = fd_begin((int)a[0], NULL, &info);
    if (result)
        return result;
    char *buffer = private_alloc(length ? length : 1);
    result = buffer ? read_directory(&info, (uint64_t)buffer, length) : ERR(NOMEM);
    if (result > 0) {
        dirents_convert(buffer, (uint64_t)result);
        if (user_write((void *)a[1], buffer, (uint64_t)result))
            result = ERR(FAULT);
    }
    private_free(buffer);
    fd_end(&info);
    return result;
}
