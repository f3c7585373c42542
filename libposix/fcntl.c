/*
 * fcntl(2) and flock(2). SPDX-License-Identifier: MIT
 */
#include "files.h"

static long flags_get(int fd, struct fd_info *info)
{
    struct posix_retry retry = {.server = info->server};
    struct io_get_flags_reply reply;
    long error = POSIX_CALL(&retry, io_get_flags(info->slot, &reply));
    if (error)
        return error;
    if (info->kind != FILES_KIND_TIMER && info->kind != FILES_KIND_SIGNAL) /* sockd does not know */
        fd_set_kind(fd, (unsigned)reply.kind);
    /* by open(2), which adds O_LARGEFILE */
    bool opened = reply.kind <= IO_KIND_STREAM || reply.kind == IO_KIND_PROC;
    if (opened && !(reply.flags & LX_O_PATH))
        reply.flags |= LX_O_LARGEFILE;
    return (long)(reply.flags & INT32_MAX); /* no errno, whatever the server says */
}

/* Where a lock's `start` counts from; Linux takes the end of the file and the offset at the time
 * of the call. */
static long lock_base(const struct fd_info *info, int whence, int64_t *base)
{
    struct posix_retry retry = {.server = info->server};
    long error;
    *base = 0;
    if (whence == 1) {
        struct io_seek_reply reply;
        error = POSIX_CALL(&retry, io_seek(info->slot, 0, 1, &reply));
        *base = error ? 0 : reply.offset;
        return error;
    }
    if (whence == 2) {
        struct io_stat_reply reply;
        error = POSIX_CALL(&retry, io_stat(info->slot, &reply));
        *base = error ? 0 : reply.size;
        return error;
    }
    return whence == 0 ? 0 : ERR(INVAL);
}

/* Set once the process has made a record lock: from then on each close of a file unlocks it, as
 * POSIX wants it. A child of fork has none and keeps the mark, which costs it a request a close. */
static volatile bool records_locked;

void files_fd_closing(int fd)
{
    struct fd_info info;
    epoll_fd_closing(fd);
    if (!records_locked || fd_begin2(fd, NULL, &info))
        return;
    struct posix_retry retry = {.server = info.server, .no_wait = true};
    struct io_lock_reply reply;
    if (info.server == ISSUER_FILED)
        POSIX_CALL(&retry, io_lock(info.slot, 2, LX_F_UNLCK, 0, 0, IO_NOWAIT, &reply));
    fd_end(&info);
}

static long lock_record(const struct fd_info *info, enum linux_fcntl command, uint64_t user)
{
    struct linux_flock lock;
    if (user_read(&lock, (const void *)user, sizeof(lock)))
        return ERR(FAULT);
    bool query = command == LX_F_GETLK || command == LX_F_OFD_GETLK;
    bool wait = command == LX_F_SETLKW || command == LX_F_OFD_SETLKW;
    if (command >= LX_F_OFD_GETLK && lock.pid != 0)
        return ERR(INVAL);
    if (lock.type < LX_F_RDLCK || lock.type > LX_F_UNLCK || (query && lock.type == LX_F_UNLCK))
        return ERR(INVAL);
    int64_t base, start;
    long error = lock_base(info, lock.whence, &base);
    if (error)
        return error;
    if (__builtin_add_overflow(base, lock.start, &start))
        return ERR(OVERFLOW);
    if (lock.length < 0) { /* the bytes before start */
        if (__builtin_add_overflow(start, lock.length, &start))
            return ERR(INVAL);
        lock.length = -lock.length;
    }
    int64_t last;
    if (start < 0)
        return ERR(INVAL);
    if (lock.length > 0 && __builtin_add_overflow(start, lock.length - 1, &last))
        return ERR(OVERFLOW);
    struct posix_retry retry = {.server = info->server};
    struct io_lock_reply reply;
    if (!query && command < LX_F_OFD_GETLK && info->server == ISSUER_FILED)
        records_locked = process.descriptors_noted = true;
    error = POSIX_CALL(&retry, io_lock(info->slot,
                                       query  ? 1
                                       : wait ? 3
                                              : 2,
                                       (uint64_t)lock.type, start, lock.length,
                                       wait ? 0 : IO_NOWAIT, &reply));
    if (error || !query)
        return error;
    lock.type = (int16_t)reply.mode;
    if (reply.mode != LX_F_UNLCK) {
        lock.whence = 0;
        lock.start = reply.start;
        lock.length = reply.length;
        lock.pid = command == LX_F_OFD_GETLK ? -1 : (int32_t)reply.pid;
    }
    return user_write((void *)user, &lock, sizeof(lock));
}

#define PIPE_CAPACITY 65536

/* Pipes have one size; a smaller wish is granted by more, as pipe(7) allows. */
static long pipe_size(int fd, struct fd_info *info, bool set, uint32_t wish)
{
    if (fd_kind(fd, info) != IO_KIND_PIPE)
        return ERR(BADF);
    if (!set || wish <= PIPE_CAPACITY)
        return PIPE_CAPACITY;
    return wish > INT32_MAX ? ERR(INVAL) : ERR(PERM);
}

static long same_description(int fd, int other)
{
    struct fd_identity a, b;
    if (fd_identify(fd, &a) || fd_identify(other, &b))
        return ERR(BADF);
    return a.issuer == b.issuer && a.badge == b.badge;
}

static long fcntl_server(int fd, struct fd_info *info, uint32_t command, uint64_t argument)
{
    struct posix_retry retry = {.server = info->server};
    switch (command) {
    case LX_F_GETFL:
        return flags_get(fd, info);
    case LX_F_SETFL:
        return POSIX_CALL(
            &retry, io_set_flags(info->slot,
                                 argument & (LX_O_APPEND | LX_O_NONBLOCK | LX_O_ASYNC |
                                             LX_O_DIRECT | LX_O_NOATIME),
                                 fd));
    case LX_F_GETLK:
    case LX_F_SETLK:
    case LX_F_SETLKW:
    case LX_F_OFD_GETLK:
    case LX_F_OFD_SETLK:
    case LX_F_OFD_SETLKW:
        return lock_record(info, command, argument);
    case LX_F_SETOWN:
        return owner_set_number(info, fd, (int32_t)argument);
    case LX_F_GETOWN:
        return owner_get_number(info, fd);
    case LX_F_SETSIG:
        return owner_set_signal(info, fd, argument);
    case LX_F_GETSIG:
        return owner_get_signal(info, fd);
    case LX_F_SETOWN_EX:
        return owner_set_extended(info, fd, argument);
    case LX_F_GETOWN_EX:
        return owner_get_extended(info, fd, argument);
    case LX_F_GETLEASE:
        return LX_F_UNLCK;
    case LX_F_SETPIPE_SZ:
    case LX_F_GETPIPE_SZ:
        return pipe_size(fd, info, command == LX_F_SETPIPE_SZ, (uint32_t)argument);
    default: /* F_ADD_SEALS and F_GET_SEALS too: no file here can be sealed */
        return ERR(INVAL);
    }
}

long sys_fcntl(const uint64_t a[6])
{
    int fd = (int)a[0];
    uint32_t command = (uint32_t)a[1];
    struct fd_info info;
    if (fd_look(fd, &info))
        return ERR(BADF);
    switch (command) {
    case LX_F_DUPFD:
    case LX_F_DUPFD_CLOEXEC:
        return (int)a[2] < 0 ? ERR(INVAL) : fd_dup(fd, (int)a[2], command == LX_F_DUPFD_CLOEXEC);
    case LX_F_GETFD:
        return fd_get_cloexec(fd);
    case LX_F_SETFD:
        return fd_set_cloexec(fd, a[2] & LX_FD_CLOEXEC);
    case LX_F_DUPFD_QUERY:
        return same_description(fd, (int)a[2]);
    }
    long result = fd_begin(fd, NULL, &info);
    if (result)
        return result;
    result = fcntl_server(fd, &info, command, a[2]);
    fd_end(&info);
    return result;
}

#define LOCK_NB 4u

long sys_flock(const uint64_t a[6])
{
    struct fd_info info;
    uint32_t operation = (uint32_t)a[1] & ~LOCK_NB;
    /* LOCK_SH 1, LOCK_EX 2, LOCK_UN 8 */
    if (operation != 1 && operation != 2 && operation != 8)
        return ERR(INVAL);
    long result = fd_begin((int)a[0], NULL, &info);
    if (result)
        return result;
    uint64_t mode = operation == 1 ? LX_F_RDLCK : operation == 2 ? LX_F_WRLCK : LX_F_UNLCK;
    struct posix_retry retry = {.server = info.server};
    struct io_lock_reply reply;
    result = POSIX_CALL(&retry,
                        io_lock(info.slot, 0, mode, 0, 0, a[1] & LOCK_NB ? IO_NOWAIT : 0, &reply));
    fd_end(&info);
    return result;
}
