/*
 * Changing what is known of a file: chmod(2), chown(2), utimensat(2), truncate(2), fallocate(2),
 * fsync(2). SPDX-License-Identifier: MIT
 */
#include "files.h"

/* Bits of `what` in set_attributes. */
enum { SET_MODE = 1, SET_UID = 2, SET_GID = 4, SET_ATIME = 8, SET_MTIME = 16 };

struct attributes {
    uint64_t what, mode, uid, gid;
    int64_t atime, mtime; /* ns since the epoch */
};

static long set_gate(ar_cap gate, unsigned server, const struct attributes *set)
{
    struct posix_retry retry = {.server = server};
    return POSIX_CALL(&retry, io_set_attributes(gate, set->what, set->mode, set->uid, set->gid,
                                                set->atime, set->mtime));
}

static long set_descriptor(int fd, const struct attributes *set)
{
    struct fd_info info;
    long error = fd_begin(fd, NULL, &info);
    if (error)
        return error;
    error = set_gate(info.slot, info.server, set);
    fd_end(&info);
    return error;
}

static long set_path(int dirfd, uint64_t user, uint32_t flags, const struct attributes *set)
{
    struct path path;
    long error = path_begin(&path, dirfd, user, flags & LX_AT_EMPTY_PATH);
    if (error)
        return error;
    if (path.length == 0) {
        error = set_gate(path.target, path.server, set);
    } else {
        struct path_request request;
        path_request_begin(&path, &request);
        request.transfer.recv_slot_count = 0;
        error = POSIX_CALL(&request.retry,
                           fs_set_attributes(path.target, path.length,
                                             flags & LX_AT_SYMLINK_NOFOLLOW ? FS_NOFOLLOW : 0,
                                             set->what, set->mode, set->uid, set->gid, set->atime,
                                             set->mtime, &request.transfer));
    }
    path_end(&path);
    return error;
}

/* ---- chmod ----------------------------------------------------------------------------------- */

static struct attributes mode_set(uint64_t mode)
{
    return (struct attributes){.what = SET_MODE, .mode = mode & 07777};
}

long sys_chmod(const uint64_t a[6])
{
    struct attributes set = mode_set(a[1]);
    return set_path(LX_AT_FDCWD, a[0], 0, &set);
}

long sys_fchmod(const uint64_t a[6])
{
    struct attributes set = mode_set(a[1]);
    return set_descriptor((int)a[0], &set);
}

long sys_fchmodat(const uint64_t a[6])
{
    struct attributes set = mode_set(a[2]);
    return set_path((int)a[0], a[1], 0, &set);
}

long sys_fchmodat2(const uint64_t a[6])
{
    struct attributes set = mode_set(a[2]);
    uint32_t flags = (uint32_t)a[3];
    if (flags & ~(uint32_t)(LX_AT_SYMLINK_NOFOLLOW | LX_AT_EMPTY_PATH))
        return ERR(INVAL);
    return set_path((int)a[0], a[1], flags, &set);
}

/* ---- chown ----------------------------------------------------------------------------------- */

/* -1 leaves one as it is. */
static struct attributes owner_set(uint64_t uid, uint64_t gid)
{
    struct attributes set = {.uid = (uint32_t)uid, .gid = (uint32_t)gid};
    set.what = (set.uid != UINT32_MAX ? SET_UID : 0) | (set.gid != UINT32_MAX ? SET_GID : 0);
    return set;
}

long sys_chown(const uint64_t a[6])
{
    struct attributes set = owner_set(a[1], a[2]);
    return set_path(LX_AT_FDCWD, a[0], 0, &set);
}

long sys_lchown(const uint64_t a[6])
{
    struct attributes set = owner_set(a[1], a[2]);
    return set_path(LX_AT_FDCWD, a[0], LX_AT_SYMLINK_NOFOLLOW, &set);
}

long sys_fchown(const uint64_t a[6])
{
    struct attributes set = owner_set(a[1], a[2]);
    return set_descriptor((int)a[0], &set);
}

long sys_fchownat(const uint64_t a[6])
{
    struct attributes set = owner_set(a[2], a[3]);
    uint32_t flags = (uint32_t)a[4];
    if (flags & ~(uint32_t)(LX_AT_SYMLINK_NOFOLLOW | LX_AT_EMPTY_PATH))
        return ERR(INVAL);
    return set_path((int)a[0], a[1], flags, &set);
}

/* ---- times ----------------------------------------------------------------------------------- */

static long time_set(struct attributes *set, uint64_t bit, int64_t seconds, int64_t nanoseconds)
{
    int64_t *time = bit == SET_ATIME ? &set->atime : &set->mtime;
    if (nanoseconds == LX_UTIME_OMIT)
        return 0;
    set->what |= bit;
    if (nanoseconds == LX_UTIME_NOW) {
        *time = IO_TIME_NOW; /* the server's clock, with whatever else it stamps now */
        return 0;
    }
    if (nanoseconds < 0 || nanoseconds >= (int64_t)NS_PER_SECOND)
        return ERR(INVAL);
    /* Outside the range of 64-bit nanoseconds (years 1677 to 2262): the nearest that is inside. */
    if (__builtin_mul_overflow(seconds, (int64_t)NS_PER_SECOND, time) ||
        __builtin_add_overflow(*time, nanoseconds, time))
        *time = seconds < 0 ? INT64_MIN : INT64_MAX;
    return 0;
}

static long times_now(struct attributes *set)
{
    time_set(set, SET_ATIME, 0, LX_UTIME_NOW);
    set->mtime = set->atime;
    set->what |= SET_MTIME;
    return 0;
}

/* A null path means the descriptor itself. */
static long times_apply(int dirfd, uint64_t user, uint32_t flags, const struct attributes *set)
{
    if (user == 0 && dirfd != LX_AT_FDCWD)
        return flags & ~(uint32_t)LX_AT_EMPTY_PATH ? ERR(INVAL) : set_descriptor(dirfd, set);
    return set_path(dirfd, user, flags, set);
}

long sys_utimensat(const uint64_t a[6])
{
    struct linux_timespec times[2];
    struct attributes set = {0};
    uint32_t flags = (uint32_t)a[3];
    long error;
    if (a[2] == 0) {
        error = times_now(&set);
    } else {
        if (user_read(times, (const void *)a[2], sizeof(times)))
            return ERR(FAULT);
        if (times[0].nanoseconds == LX_UTIME_OMIT && times[1].nanoseconds == LX_UTIME_OMIT)
            return 0;
        error = time_set(&set, SET_ATIME, times[0].seconds, times[0].nanoseconds);
        if (!error)
            error = time_set(&set, SET_MTIME, times[1].seconds, times[1].nanoseconds);
    }
    if (error)
        return error;
    if (flags & ~(uint32_t)(LX_AT_SYMLINK_NOFOLLOW | LX_AT_EMPTY_PATH))
        return ERR(INVAL);
    return times_apply((int)a[0], a[1], flags, &set);
}

static long times_micro(int dirfd, uint64_t path, uint64_t user)
{
    struct linux_timeval times[2];
    struct attributes set = {0};
    if (user == 0) {
        times_now(&set);
        return times_apply(dirfd, path, 0, &set);
    }
    if (user_read(times, (const void *)user, sizeof(times)))
        return ERR(FAULT);
    for (int i = 0; i < 2; i++) {
        if (times[i].microseconds < 0 || times[i].microseconds >= 1000000)
            return ERR(INVAL);
        time_set(&set, i == 0 ? SET_ATIME : SET_MTIME, times[i].seconds,
                 times[i].microseconds * 1000);
    }
    return times_apply(dirfd, path, 0, &set);
}

long sys_utimes(const uint64_t a[6])
{
    return times_micro(LX_AT_FDCWD, a[0], a[1]);
}

long sys_futimesat(const uint64_t a[6])
{
    return times_micro((int)a[0], a[1], a[2]);
}

long sys_utime(const uint64_t a[6])
{
    int64_t seconds[2];
    struct attributes set = {0};
    if (a[1] == 0) {
        times_now(&set);
        return times_apply(LX_AT_FDCWD, a[0], 0, &set);
    }
    if (user_read(seconds, (const void *)a[1], sizeof(seconds)))
        return ERR(FAULT);
    time_set(&set, SET_ATIME, seconds[0], 0);
    time_set(&set, SET_MTIME, seconds[1], 0);
    return times_apply(LX_AT_FDCWD, a[0], 0, &set);
}

/* ---- length and storage ---------------------------------------------------------------------- */

long sys_truncate(const uint64_t a[6])
{
    if ((int64_t)a[1] < 0)
        return ERR(INVAL);
    struct path path;
    long error = file_size_check(a[1]);
    if (!error)
        error = path_begin(&path, LX_AT_FDCWD, a[0], false);
    if (error)
        return error;
    struct path_request request;
    path_request_begin(&path, &request);
    request.transfer.recv_slot_count = 0;
    error = POSIX_CALL(&request.retry,
                       fs_truncate(path.target, path.length, (int64_t)a[1], &request.transfer));
    path_end(&path);
    return error;
}

long sys_ftruncate(const uint64_t a[6])
{
    if ((int64_t)a[1] < 0)
        return ERR(INVAL);
    struct fd_info info;
    int fd = (int)a[0];
    long error = fd_begin(fd, NULL, &info);
    if (error)
        return error;
    struct posix_retry retry = {.server = info.server};
    error = info.server == ISSUER_FILED ? file_size_check(a[1]) : ERR(INVAL);
    if (!error)
        error = POSIX_CALL(&retry, io_truncate(info.slot, (int64_t)a[1]));
    fd_end(&info);
    return error;
}

long sys_fallocate(const uint64_t a[6])
{
    struct fd_info info;
    int fd = (int)a[0];
    long error = fd_begin(fd, NULL, &info);
    if (error)
        return error;
    int64_t offset = (int64_t)a[2], length = (int64_t)a[3], end;
    struct posix_retry retry = {.server = info.server};
    if (offset < 0 || length <= 0)
        error = ERR(INVAL);
    else if (fd_kind(fd, &info) == IO_KIND_PIPE)
        error = ERR(SPIPE);
    else if (info.server != ISSUER_FILED)
        error = ERR(NODEV);
    else if (__builtin_add_overflow(offset, length, &end))
        error = ERR(FBIG);
    else if ((error = file_size_check((uint64_t)end)) == 0)
        error = POSIX_CALL(&retry, io_allocate(info.slot, (uint32_t)a[1], offset, length));
    fd_end(&info);
    return error;
}

long sys_fsync(const uint64_t a[6])
{
    struct fd_info info;
    long error = fd_begin((int)a[0], NULL, &info);
    if (error)
        return error;
    struct posix_retry retry = {.server = info.server};
    error = info.server == ISSUER_FILED ? POSIX_CALL(&retry, io_sync(info.slot)) : ERR(INVAL);
    fd_end(&info);
    return error;
}

long sys_fdatasync(const uint64_t a[6])
{
    return sys_fsync(a);
}

/* All files are in memory: there is nothing to write back. */
long sys_sync(const uint64_t a[6])
{
    (void)a;
    return 0;
}

static long advice(int fd)
{
    struct fd_info info;
    return fd_look(fd, &info) ? ERR(BADF) : 0;
}

long sys_syncfs(const uint64_t a[6])
{
    return advice((int)a[0]);
}

static long advice_file(int fd, long not_seekable)
{
    struct fd_info info;
    if (fd_begin(fd, NULL, &info))
        return ERR(BADF);
    unsigned kind = fd_kind(fd, &info);
    fd_end(&info);
    return kind == IO_KIND_PIPE || kind == IO_KIND_SOCKET ? not_seekable : 0;
}

long sys_fadvise64(const uint64_t a[6])
{
    long error = advice_file((int)a[0], ERR(SPIPE));
    return error ? error : (int64_t)a[2] < 0 || (uint32_t)a[3] > 5 ? ERR(INVAL) : 0;
}

long sys_readahead(const uint64_t a[6])
{
    return advice_file((int)a[0], ERR(INVAL));
}

long sys_sync_file_range(const uint64_t a[6])
{
    return (uint32_t)a[3] & ~7u ? ERR(INVAL) : advice_file((int)a[0], ERR(SPIPE));
}
