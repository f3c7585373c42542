/*
 * Directories and the names in them: mkdir(2), rename(2), link(2), unlink(2), getdents(2),
 * chdir(2), getcwd(2). SPDX-License-Identifier: MIT
 */
#include "files.h"

#include <ipc/kernel.h>

/* ---- names ----------------------------------------------------------------------------------- */

static long make_node(int dirfd, uint64_t user, uint64_t mode, uint64_t device)
{
    struct path path;
    long error = path_begin(&path, dirfd, user, false);
    if (error)
        return error;
    struct path_request request;
    path_request_begin(&path, &request);
    request.transfer.recv_slot_count = 0;
    mode &= ~(uint64_t)process.umask;
    error = POSIX_CALL(&request.retry,
                       fs_make_node(path.target, path.length, mode, device, &request.transfer));
    path_end(&path);
    return error;
}

long sys_mkdir(const uint64_t a[6])
{
    return make_node(LX_AT_FDCWD, a[0], LX_S_IFDIR | (a[1] & 01777), 0);
}

long sys_mkdirat(const uint64_t a[6])
{
    return make_node((int)a[0], a[1], LX_S_IFDIR | (a[2] & 01777), 0);
}

static long mknod_path(int dirfd, uint64_t user, uint64_t mode, uint64_t device)
{
    uint64_t type = mode & LX_S_IFMT;
    if (type == 0)
        type = LX_S_IFREG;
    if (type == LX_S_IFDIR)
        return ERR(PERM);
    /* A socket node without a socket would be a name that nobody serves: bind(2) makes them. */
    if (type == LX_S_IFSOCK)
        return ERR(PERM);
    if (type != LX_S_IFREG && type != LX_S_IFCHR && type != LX_S_IFBLK && type != LX_S_IFIFO)
        return ERR(INVAL);
    return make_node(dirfd, user, type | (mode & 07777), (uint32_t)device);
}

long sys_mknod(const uint64_t a[6])
{
    return mknod_path(LX_AT_FDCWD, a[0], (uint32_t)a[1], a[2]);
}

long sys_mknodat(const uint64_t a[6])
{
    return mknod_path((int)a[0], a[1], (uint32_t)a[2], a[3]);
}

static long unlink_path(int dirfd, uint64_t user, uint64_t flags)
{
    struct path path;
    long error = path_begin(&path, dirfd, user, false);
    if (error)
        return error;
    struct path_request request;
    path_request_begin(&path, &request);
    request.transfer.recv_slot_count = 0;
    error =
        POSIX_CALL(&request.retry, fs_unlink(path.target, path.length, flags, &request.transfer));
    path_end(&path);
    return error;
}

long sys_unlink(const uint64_t a[6])
{
    return unlink_path(LX_AT_FDCWD, a[0], 0);
}

long sys_rmdir(const uint64_t a[6])
{
    return unlink_path(LX_AT_FDCWD, a[0], FS_DIRECTORY);
}

long sys_unlinkat(const uint64_t a[6])
{
    uint32_t flags = (uint32_t)a[2];
    if (flags & ~(uint32_t)LX_AT_REMOVEDIR)
        return ERR(INVAL);
    return unlink_path((int)a[0], a[1], flags ? FS_DIRECTORY : 0);
}

/* A request with two paths: the second follows the first in memory; its directory goes along as
 * a capability. */
struct two_paths {
    struct path first, second;
    struct path_request request;
    uint64_t directory;
};

static long two_paths_begin(struct two_paths *two, int dirfd, uint64_t user, int second_dirfd,
                            uint64_t second_user, bool empty_ok)
{
    long error = path_begin(&two->first, dirfd, user, empty_ok);
    if (error)
        return error;
    error = path_begin_second(&two->second, second_dirfd, second_user);
    if (error) {
        path_end(&two->first);
        return error;
    }
    if (two->first.server != two->second.server && two->first.length > 0) {
        path_end(&two->second);
        path_end(&two->first);
        return ERR(XDEV);
    }
    path_request_begin(&two->first, &two->request);
    two->request.in[1] = (struct ar_segment){(uint64_t)two->second.text, two->second.length};
    two->request.transfer.in_count = 2;
    two->request.transfer.recv_slot_count = 0;
    if (two->second.target != POSIX_SLOT_FILED) {
        two->directory = two->second.target;
        two->request.transfer.caps = &two->directory;
        two->request.transfer.cap_count = 1;
    }
    return 0;
}

static void two_paths_end(struct two_paths *two)
{
    path_end(&two->second);
    path_end(&two->first);
}

static long rename_path(int dirfd, uint64_t user, int second_dirfd, uint64_t second_user,
                        uint64_t flags)
{
    struct two_paths two;
    long error = two_paths_begin(&two, dirfd, user, second_dirfd, second_user, false);
    if (error)
        return error;
    error =
        POSIX_CALL(&two.request.retry, fs_rename(two.first.target, two.first.length,
                                                 two.second.length, flags, &two.request.transfer));
    two_paths_end(&two);
    return error;
}

long sys_rename(const uint64_t a[6])
{
    return rename_path(LX_AT_FDCWD, a[0], LX_AT_FDCWD, a[1], 0);
}

long sys_renameat(const uint64_t a[6])
{
    return rename_path((int)a[0], a[1], (int)a[2], a[3], 0);
}

long sys_renameat2(const uint64_t a[6])
{
    uint32_t flags = (uint32_t)a[4];
    /* RENAME_NOREPLACE 1, RENAME_EXCHANGE 2; RENAME_WHITEOUT 4 is for overlays */
    if ((flags & ~3u) || flags == 3)
        return ERR(INVAL);
    return rename_path((int)a[0], a[1], (int)a[2], a[3],
                       flags == 1   ? FS_NOREPLACE
                       : flags == 2 ? FS_EXCHANGE
                                    : 0);
}

static long link_path(int dirfd, uint64_t user, int second_dirfd, uint64_t second_user,
                      uint32_t flags)
{
    if (flags & ~(uint32_t)(LX_AT_SYMLINK_FOLLOW | LX_AT_EMPTY_PATH))
        return ERR(INVAL);
    struct two_paths two;
    long error =
        two_paths_begin(&two, dirfd, user, second_dirfd, second_user, flags & LX_AT_EMPTY_PATH);
    if (error)
        return error;
    uint64_t fs_flags = (flags & LX_AT_SYMLINK_FOLLOW ? 0 : FS_NOFOLLOW) |
                        (two.first.length == 0 ? FS_EMPTY_PATH : 0);
    error =
        POSIX_CALL(&two.request.retry, fs_link(two.first.target, two.first.length,
                                               two.second.length, fs_flags, &two.request.transfer));
    two_paths_end(&two);
    return error;
}

long sys_link(const uint64_t a[6])
{
    return link_path(LX_AT_FDCWD, a[0], LX_AT_FDCWD, a[1], 0);
}

long sys_linkat(const uint64_t a[6])
{
    return link_path((int)a[0], a[1], (int)a[2], a[3], (uint32_t)a[4]);
}

/* symlink(2) names the text first and the new node second; the request the other way round. */
static long symlink_path(uint64_t target_user, int dirfd, uint64_t user)
{
    char target[LX_PATH_MAX];
    long length = user_read_string(target, (const void *)target_user, sizeof(target));
    if (length <= 0)
        return length < 0 ? length : ERR(NOENT);
    struct path path;
    long error = path_begin(&path, dirfd, user, false);
    if (error)
        return error;
    struct path_request request;
    path_request_begin(&path, &request);
    request.transfer.recv_slot_count = 0;
    request.in[1] = (struct ar_segment){(uint64_t)target, (uint64_t)length};
    request.transfer.in_count = 2;
    error = POSIX_CALL(&request.retry,
                       fs_symlink(path.target, path.length, (uint64_t)length, &request.transfer));
    path_end(&path);
    return error;
}

long sys_symlink(const uint64_t a[6])
{
    return symlink_path(a[0], LX_AT_FDCWD, a[1]);
}

long sys_symlinkat(const uint64_t a[6])
{
    return symlink_path(a[0], (int)a[1], a[2]);
}
