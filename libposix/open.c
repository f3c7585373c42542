/*
 * Making, copying and closing descriptors: open(2), openat2(2), close(2), close_range(2), dup(2).
 * SPDX-License-Identifier: MIT
 */
#include "files.h"

#include <ipc/kernel.h>

unsigned fd_kind(int fd, struct fd_info *info)
{
    if (info->kind)
        return info->kind;
    struct posix_retry retry = {.server = info->server};
    struct io_get_flags_reply reply;
    if (POSIX_CALL(&retry, io_get_flags(info->slot, &reply)) == 0) {
        info->kind = (uint8_t)reply.kind;
        fd_set_kind(fd, info->kind);
    }
    return info->kind;
}

unsigned fd_table_room(void)
{
    uint32_t top = fd_slot_limit() - POSIX_SLOT_FD;
    uint32_t limit = process.nofile_soft < POSIX_FD_MAX ? process.nofile_soft : POSIX_FD_MAX;
    if (top + 1 < limit)
        return 2;
    unsigned room = 0;
    for (int fd = 0; (uint32_t)fd < limit && room < 2; fd++)
        room += fd_next(fd) != fd;
    return room;
}

bool fd_table_full(void)
{
    return fd_table_room() == 0;
}

long fd_identify(int fd, struct fd_identity *identity)
{
    struct fd_info info;
    if (fd_look(fd, &info))
        return ERR(BADF);
    struct ar_message m;
    if (ar_invoke(AR_CAP_SELF, AR_CNODE_INSPECT, info.slot, 0, 0, 0, 1, &m) ||
        m.words[0] != AR_GATE)
        return ERR(BADF);
    *identity = (struct fd_identity){m.words[3], m.words[2]};
    return 0;
}

int fd_find_description(const struct fd_identity *wanted)
{
    for (int fd = fd_next(0); fd >= 0; fd = fd_next(fd + 1)) {
        struct fd_identity identity;
        if (fd_identify(fd, &identity) == 0 && identity.badge == wanted->badge &&
            identity.issuer == wanted->issuer)
            return fd;
    }
    return -1;
}

/* Flags that mean nothing to a server: they are the table's, or this machine has only one
 * answer. */
#define FLAGS_OURS (LX_O_CLOEXEC | LX_O_NOCTTY | LX_O_LARGEFILE | LX_O_NOATIME)

static long open_path(int dirfd, uint64_t user, uint64_t flags, uint64_t mode)
{
    if (flags & LX_O_PATH)
        flags &= LX_O_PATH | LX_O_DIRECTORY | LX_O_NOFOLLOW | LX_O_CLOEXEC;
    if (flags & LX_O_TMPFILE_BIT)
        return ERR(OPNOTSUPP);
    if ((flags & (LX_O_CREAT | LX_O_DIRECTORY)) == (LX_O_CREAT | LX_O_DIRECTORY))
        return ERR(INVAL);
    mode = flags & LX_O_CREAT ? mode & 07777 & ~(uint64_t)process.umask : 0;
    struct path path;
    long error = path_begin(&path, dirfd, user, false);
    if (fd_table_full() && error != ERR(NOENT) && error != ERR(FAULT) && error != ERR(NAMETOOLONG)) {
        if (!error)
            path_end(&path);
        return ERR(MFILE); /* before anything is looked for, but not before there is a path */
    }
    if (error)
        return error;
    unsigned kind, server;
    error = path_open(&path, flags & ~(uint64_t)FLAGS_OURS, mode, &kind, &server);
    path_end(&path);
    if (error)
        return error;
    /* An O_PATH descriptor answers EBADF to input and output; its kind must not promise anything
     * else. */
    return fd_install(receive_slots()[0], 0, flags & LX_O_CLOEXEC, kind, server);
}

long sys_open(const uint64_t a[6])
{
    return open_path(LX_AT_FDCWD, a[0], (uint32_t)a[1], (uint32_t)a[2]);
}

long sys_openat(const uint64_t a[6])
{
    return open_path((int)a[0], a[1], (uint32_t)a[2], (uint32_t)a[3]);
}

long sys_creat(const uint64_t a[6])
{
    return open_path(LX_AT_FDCWD, a[0], LX_O_CREAT | LX_O_WRONLY | LX_O_TRUNC, (uint32_t)a[1]);
}

long sys_openat2(const uint64_t a[6])
{
    struct linux_open_how how;
    if (a[3] < sizeof(how))
        return ERR(INVAL);
    if (a[3] > 4096)
        return ERR(TOOBIG);
    long error = user_read(&how, (const void *)a[2], sizeof(how));
    if (error)
        return error;
    /* Bytes that a later Linux gave a meaning must be zero. */
    for (uint64_t i = sizeof(how); i < a[3]; i++) {
        uint8_t byte;
        if (user_read(&byte, (const void *)(a[2] + i), 1))
            return ERR(FAULT);
        if (byte)
            return ERR(TOOBIG);
    }
    const uint64_t known = 037777703 | LX_O_CLOEXEC;
    if (how.flags & ~known)
        return ERR(INVAL);
    if ((how.mode & ~07777ull) || (how.mode && !(how.flags & (LX_O_CREAT | LX_O_TMPFILE_BIT))))
        return ERR(INVAL);
    if (how.resolve & ~0x3full)
        return ERR(INVAL);
    /* RESOLVE_* restrict what a path may cross; no server offers that, and ignoring it would be
     * unsafe. */
    if (how.resolve)
        return ERR(OPNOTSUPP);
    return open_path((int)a[0], a[1], how.flags, how.mode);
}

long sys_close(const uint64_t a[6])
{
    return fd_close((int)a[0]);
}

#define CLOSE_RANGE_UNSHARE 2u
#define CLOSE_RANGE_CLOEXEC 4u

long sys_close_range(const uint64_t a[6])
{
    uint32_t first = (uint32_t)a[0], last = (uint32_t)a[1], flags = (uint32_t)a[2];
    if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) || first > last)
        return ERR(INVAL);
    if (first > INT32_MAX)
        return 0;
    for (int fd = fd_next((int)first); fd >= 0 && (uint32_t)fd <= last; fd = fd_next(fd + 1)) {
        if (flags & CLOSE_RANGE_CLOEXEC)
            fd_set_cloexec(fd, true);
        else
            fd_close(fd);
    }
    return 0;
}

long sys_dup(const uint64_t a[6])
{
    int fd = fd_dup((int)a[0], 0, false);
    return fd == ERR(INVAL) ? ERR(MFILE) : fd; /* a limit of 0: nothing is wrong with the argument */
}

long sys_dup2(const uint64_t a[6])
{
    struct fd_info info;
    int from = (int)a[0], to = (int)a[1];
    if (from == to)
        return fd_look(from, &info) ? ERR(BADF) : to;
    return fd_dup_to(from, to, false);
}

long sys_dup3(const uint64_t a[6])
{
    uint32_t flags = (uint32_t)a[2];
    if ((flags & ~(uint32_t)LX_O_CLOEXEC) || (int)a[0] == (int)a[1])
        return ERR(INVAL);
    return fd_dup_to((int)a[0], (int)a[1], flags != 0);
}
