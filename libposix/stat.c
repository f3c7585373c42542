/*
 * Reading what is known of a file: stat(2), statx(2), access(2), readlink(2), statfs(2).
 * SPDX-License-Identifier: MIT
 */
#include "files.h"

/* fs.stat's answer begins with the fields of io.stat. */
_Static_assert(offsetof(struct fs_stat_reply, ctime) == offsetof(struct io_stat_reply, ctime),
               "same fields");

static long stat_descriptor(int fd, struct fs_stat_reply *reply);

/* Either a descriptor's description (an empty path and AT_EMPTY_PATH) or a path. */
static long stat_get(int dirfd, uint64_t user, uint64_t flags, struct fs_stat_reply *reply)
{
    struct path path;
    bool empty_ok = flags & LX_AT_EMPTY_PATH;
    long error = path_begin(&path, dirfd, user, empty_ok);
    if (error)
        return error;
    if (path.length == 0) {
        struct posix_retry retry = {.server = path.server};
        struct io_stat_reply got;
        error = POSIX_CALL(&retry, io_stat(path.target, &got));
        memcpy(reply, &got, offsetof(struct fs_stat_reply, rest));
        path_end(&path);
        return error;
    }
    int own = -1;
    error = path_own_follow(&path, !(flags & LX_AT_SYMLINK_NOFOLLOW), &own);
    if (error || own >= 0) {
        path_end(&path);
        return error ? error : stat_descriptor(own, reply);
    }
    do {
        struct path_request request;
        path_request_begin(&path, &request);
        error = POSIX_CALL(&request.retry, fs_stat(path.target, path.length,
                                                   flags & LX_AT_SYMLINK_NOFOLLOW ? FS_NOFOLLOW : 0,
                                                   reply, &request.transfer));
        if (error == ERR(XDEV) && path_own_alias(&path)) {
            error = path_own_follow(&path, true, &own);
            if (!error && own < 0)
                continue;
            path_end(&path);
            return error ? error : stat_descriptor(own, reply);
        }
        if (error || request.retry.status != ST_REDIRECT)
            break;
        error = path_redirect(&path, &request, reply->rest);
    } while (!error);
    path_end(&path);
    return error;
}

static struct linux_timespec time_split(int64_t ns)
{
    int64_t seconds = ns / (int64_t)NS_PER_SECOND, rest = ns % (int64_t)NS_PER_SECOND;
    if (rest < 0) {
        seconds--;
        rest += (int64_t)NS_PER_SECOND;
    }
    return (struct linux_timespec){seconds, rest};
}

static long stat_write(uint64_t user, const struct fs_stat_reply *reply)
{
    struct linux_stat stat = {
        .dev = reply->dev,
        .ino = reply->ino,
        .nlink = reply->nlink,
        .mode = (uint32_t)reply->mode,
        .uid = (uint32_t)reply->uid,
        .gid = (uint32_t)reply->gid,
        .rdev = reply->rdev,
        .size = reply->size,
        .blksize = (int64_t)reply->blksize,
        .blocks = (int64_t)reply->blocks,
        .atime = time_split(reply->atime),
        .mtime = time_split(reply->mtime),
        .ctime = time_split(reply->ctime),
    };
    return user_write((void *)user, &stat, sizeof(stat));
}

static long stat_path(int dirfd, uint64_t path, uint64_t user, uint64_t flags)
{
    struct fs_stat_reply reply;
    long error = stat_get(dirfd, path, flags, &reply);
    return error ? error : stat_write(user, &reply);
}

static long stat_descriptor(int fd, struct fs_stat_reply *reply)
{
    struct fd_info info;
    long error = fd_begin(fd, NULL, &info);
    if (error)
        return error;
    struct posix_retry retry = {.server = info.server};
    struct io_stat_reply got;
    error = POSIX_CALL(&retry, io_stat(info.slot, &got));
    fd_end(&info);
    memcpy(reply, &got, offsetof(struct fs_stat_reply, rest));
    return error;
}

long sys_stat(const uint64_t a[6])
{
    return stat_path(LX_AT_FDCWD, a[0], a[1], 0);
}

long sys_lstat(const uint64_t a[6])
{
    return stat_path(LX_AT_FDCWD, a[0], a[1], LX_AT_SYMLINK_NOFOLLOW);
}

long sys_fstat(const uint64_t a[6])
{
    struct fs_stat_reply reply;
    long error = stat_descriptor((int)a[0], &reply);
    return error ? error : stat_write(a[1], &reply);
}

long sys_newfstatat(const uint64_t a[6])
{
    uint64_t flags = (uint32_t)a[3];
    if (flags & ~(uint64_t)(LX_AT_SYMLINK_NOFOLLOW | LX_AT_NO_AUTOMOUNT | LX_AT_EMPTY_PATH))
        return ERR(INVAL);
    /* Since 6.11 a null path is an empty one. */
    if (a[1] == 0 && (flags & LX_AT_EMPTY_PATH) && (int)a[0] >= 0) {
        const uint64_t fstat_arguments[6] = {a[0], a[2]};
        return sys_fstat(fstat_arguments);
    }
    return stat_path((int)a[0], a[1], a[2], flags);
}

static struct linux_statx_time statx_time(int64_t ns)
{
    struct linux_timespec time = time_split(ns);
    return (struct linux_statx_time){time.seconds, (uint32_t)time.nanoseconds, 0};
}

/* Linux's encoding of a device number in st_dev and st_rdev. */
static uint32_t device_major(uint64_t device)
{
    return (uint32_t)((device >> 8 & 0xfff) | (device >> 32 & ~0xfffull));
}

static uint32_t device_minor(uint64_t device)
{
    return (uint32_t)((device & 0xff) | (device >> 12 & ~0xffull));
}

long sys_statx(const uint64_t a[6])
{
    uint64_t flags = (uint32_t)a[2];
    uint32_t mask = (uint32_t)a[3];
    if (mask & LX_STATX_RESERVED)
        return ERR(INVAL);
    if (flags & ~(uint64_t)(LX_AT_SYMLINK_NOFOLLOW | LX_AT_NO_AUTOMOUNT | LX_AT_EMPTY_PATH |
                            LX_AT_STATX_SYNC_TYPE))
        return ERR(INVAL);
    if ((flags & LX_AT_STATX_SYNC_TYPE) == LX_AT_STATX_SYNC_TYPE)
        return ERR(INVAL);
    struct fs_stat_reply reply;
    long error = a[1] == 0 && (flags & LX_AT_EMPTY_PATH) && (int)a[0] >= 0
                     ? stat_descriptor((int)a[0], &reply)
                     : stat_get((int)a[0], a[1], flags, &reply);
    if (error)
        return error;
    struct linux_statx out = {
        .mask = LX_STATX_BASIC_STATS,
        .blksize = (uint32_t)reply.blksize,
        .nlink = (uint32_t)reply.nlink,
        .uid = (uint32_t)reply.uid,
        .gid = (uint32_t)reply.gid,
        .mode = (uint16_t)reply.mode,
        .ino = reply.ino,
        .size = (uint64_t)reply.size,
        .blocks = reply.blocks,
        .atime = statx_time(reply.atime),
        .mtime = statx_time(reply.mtime),
        .ctime = statx_time(reply.ctime),
        .dev_major = device_major(reply.dev),
        .dev_minor = device_minor(reply.dev),
        .rdev_major = device_major(reply.rdev),
        .rdev_minor = device_minor(reply.rdev),
    };
    return user_write((void *)a[4], &out, sizeof(out));
}

static long access_path(int dirfd, uint64_t user, uint32_t mode, uint32_t flags)
{
    if (mode & ~7u)
        return ERR(INVAL);
    if (flags & ~(uint32_t)(LX_AT_EACCESS | LX_AT_SYMLINK_NOFOLLOW | LX_AT_EMPTY_PATH))
        return ERR(INVAL);
    struct path path;
    long error = path_begin(&path, dirfd, user, flags & LX_AT_EMPTY_PATH);
    if (error)
        return error;
    uint64_t fs_flags = (flags & LX_AT_EACCESS ? FS_EFFECTIVE : 0) |
                        (flags & LX_AT_SYMLINK_NOFOLLOW ? FS_NOFOLLOW : 0) |
                        (path.length == 0 ? FS_EMPTY_PATH : 0);
    if (path.length == 0 && path.server != ISSUER_FILED && path.server != ISSUER_PROCD) {
        path_end(&path); /* a socket or a terminal: its owner may do what it was opened for */
        return 0;
    }
    int own = -1;
    error = path_own_follow(&path, !(flags & LX_AT_SYMLINK_NOFOLLOW), &own);
    if (error || own >= 0) {
        path_end(&path); /* a descriptor without a path: as above */
        return error;
    }
    do {
        struct path_request request;
        path_request_begin(&path, &request);
        struct fs_access_reply reply;
        error = POSIX_CALL(&request.retry, fs_access(path.target, path.length, fs_flags, mode,
                                                     &reply, &request.transfer));
        if (error == ERR(XDEV) && path_own_alias(&path)) {
            error = path_own_follow(&path, true, &own);
            if (error || own >= 0)
                break;
            continue;
        }
        if (error || request.retry.status != ST_REDIRECT)
            break;
        error = path_redirect(&path, &request, reply.rest);
    } while (!error && path.server != ISSUER_CONSOLED);
    path_end(&path);
    return error;
}

long sys_access(const uint64_t a[6])
{
    return access_path(LX_AT_FDCWD, a[0], (uint32_t)a[1], 0);
}

long sys_faccessat(const uint64_t a[6])
{
    return access_path((int)a[0], a[1], (uint32_t)a[2], 0);
}

long sys_faccessat2(const uint64_t a[6])
{
    return access_path((int)a[0], a[1], (uint32_t)a[2], (uint32_t)a[3]);
}

static long readlink_path(int dirfd, uint64_t user, uint64_t buffer, int size)
{
    if (size <= 0)
        return ERR(INVAL);
    struct path path;
    long error = path_begin(&path, dirfd, user, true);
    if (error)
        return error;
    /* An empty path reads the link that an O_PATH descriptor stands for; nothing else has one. */
    char target[LX_PATH_MAX];
    long own = path_own_read(&path, target, sizeof(target));
    if (own) {
        path_end(&path);
        if (own > size)
            own = size;
        return own < 0 ? own : user_write((void *)buffer, target, (size_t)own) ? ERR(FAULT) : own;
    }
    uint64_t flags =
        FS_NOFOLLOW | (path.length == 0 ? FS_EMPTY_PATH : 0) | (uint64_t)sizeof(target) << 32;
    if (path.length == 0 &&
        !(path.held && path.server == ISSUER_FILED && path.dir.slot != POSIX_SLOT_CWD)) {
        path_end(&path);
        return ERR(NOENT);
    }
    struct fs_read_link_reply reply = {0};
    do {
        struct path_request request;
        path_request_begin(&path, &request);
        request.out = (struct ar_segment){(uint64_t)target, sizeof(target)};
        request.transfer.out_count = 1;
        error = POSIX_CALL(&request.retry, fs_read_link(path.target, path.length, flags, &reply,
                                                        &request.transfer));
        if (error || request.retry.status != ST_REDIRECT)
            break;
        error = path_redirect(&path, &request, reply.rest);
    } while (!error);
    path_end(&path);
    if (error == ERR(INVAL) && (flags & FS_EMPTY_PATH))
        return ERR(NOENT);
    if (error)
        return error;
    uint64_t count = reply.count < (uint64_t)size ? reply.count : (uint64_t)size;
    if (count > sizeof(target))
        count = sizeof(target);
    return user_write((void *)buffer, target, count) ? ERR(FAULT) : (long)count;
}

long sys_readlink(const uint64_t a[6])
{
    return readlink_path(LX_AT_FDCWD, a[0], a[1], (int)a[2]);
}

long sys_readlinkat(const uint64_t a[6])
{
    return readlink_path((int)a[0], a[1], a[2], (int)a[3]);
}

static long statfs_write(uint64_t user, const struct fs_stat_fs_reply *reply)
{
    struct linux_statfs out = {
        .type = (int64_t)reply->type,
        .block_size = (int64_t)reply->block_size,
        .blocks = reply->blocks,
        .blocks_free = reply->blocks_free,
        .blocks_available = reply->blocks_free,
        .files = reply->files,
        .files_free = reply->files_free,
        .name_max = (int64_t)reply->name_max,
        .fragment_size = (int64_t)reply->block_size,
        .flags = 0x20 /* ST_VALID */,
    };
    return user_write((void *)user, &out, sizeof(out));
}

long sys_statfs(const uint64_t a[6])
{
    struct path path;
    long error = path_begin(&path, LX_AT_FDCWD, a[0], false);
    if (error)
        return error;
    struct fs_stat_fs_reply reply;
    do {
        struct path_request request;
        path_request_begin(&path, &request);
        error = POSIX_CALL(&request.retry,
                           fs_stat_fs(path.target, path.length, 0, &reply, &request.transfer));
        if (error || request.retry.status != ST_REDIRECT)
            break;
        error = path_redirect(&path, &request, reply.rest);
    } while (!error);
    path_end(&path);
    return error ? error : statfs_write(a[1], &reply);
}

#define SOCKFS_MAGIC 0x534f434b
#define PIPEFS_MAGIC 0x50495045
#define ANON_INODE_FS_MAGIC 0x09041934
#define DEVPTS_MAGIC 0x1cd1

long sys_fstatfs(const uint64_t a[6])
{
    struct fd_info info;
    int fd = (int)a[0];
    long error = fd_begin(fd, NULL, &info);
    if (error)
        return error;
    struct fs_stat_fs_reply reply = {.block_size = 4096, .name_max = 255};
    if (info.server == ISSUER_FILED || info.server == ISSUER_PROCD) {
        struct ipc_transfer transfer = {0};
        struct posix_retry retry = {.server = info.server, .transfer = &transfer};
        error = POSIX_CALL(&retry, fs_stat_fs(info.slot, 0, FS_EMPTY_PATH, &reply, &transfer));
    } else {
        unsigned kind = fd_kind(fd, &info);
        reply.type = kind == IO_KIND_SOCKET ? SOCKFS_MAGIC : kind == IO_KIND_PIPE ? PIPEFS_MAGIC :
                     info.server == ISSUER_CONSOLED ? DEVPTS_MAGIC : ANON_INODE_FS_MAGIC;
    }
    fd_end(&info);
    return error ? error : statfs_write(a[1], &reply);
}
