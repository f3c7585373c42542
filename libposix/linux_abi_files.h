/*
 * Linux x86_64 layouts and numbers for files, sockets and readiness: the man pages' structures,
 * as the kernel's system calls (not libc's wrappers) take them. SPDX-License-Identifier: MIT
 */
#ifndef LINUX_ABI_FILES_H
#define LINUX_ABI_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "linux_abi.h"

/* ---- open(2), fcntl(2) ----------------------------------------------------------------------- */

#define LX_O_ACCMODE 03
#define LX_O_RDONLY 00
#define LX_O_WRONLY 01
#define LX_O_RDWR 02
#define LX_O_CREAT 0100
#define LX_O_EXCL 0200
#define LX_O_NOCTTY 0400
#define LX_O_TRUNC 01000
#define LX_O_APPEND 02000
#define LX_O_NONBLOCK 04000
#define LX_O_DSYNC 010000
#define LX_O_ASYNC 020000
#define LX_O_DIRECT 040000
#define LX_O_LARGEFILE 0100000
#define LX_O_DIRECTORY 0200000
#define LX_O_NOFOLLOW 0400000
#define LX_O_NOATIME 01000000
#define LX_O_CLOEXEC 02000000
#define LX_O_PATH 010000000
#define LX_O_TMPFILE_BIT 020000000

#define LX_AT_FDCWD (-100)
#define LX_AT_SYMLINK_NOFOLLOW 0x100
#define LX_AT_REMOVEDIR 0x200
#define LX_AT_EACCESS 0x200
#define LX_AT_SYMLINK_FOLLOW 0x400
#define LX_AT_NO_AUTOMOUNT 0x800
#define LX_AT_EMPTY_PATH 0x1000
#define LX_AT_STATX_SYNC_TYPE 0x6000

enum linux_fcntl {
    LX_F_DUPFD = 0, LX_F_GETFD = 1, LX_F_SETFD = 2, LX_F_GETFL = 3, LX_F_SETFL = 4, LX_F_GETLK = 5,
    LX_F_SETLK = 6,
    LX_F_SETLKW = 7, LX_F_SETOWN = 8, LX_F_GETOWN = 9, LX_F_SETSIG = 10, LX_F_GETSIG = 11,
    LX_F_SETOWN_EX = 15,
    LX_F_GETOWN_EX = 16, LX_F_GETOWNER_UIDS = 17, LX_F_OFD_GETLK = 36, LX_F_OFD_SETLK = 37,
    LX_F_OFD_SETLKW = 38,
    LX_F_SETLEASE = 1024, LX_F_GETLEASE = 1025, LX_F_NOTIFY = 1026, LX_F_DUPFD_QUERY = 1027,
    LX_F_DUPFD_CLOEXEC = 1030, LX_F_SETPIPE_SZ = 1031, LX_F_GETPIPE_SZ = 1032,
    LX_F_ADD_SEALS = 1033,
    LX_F_GET_SEALS = 1034
};
#define LX_FD_CLOEXEC 1

struct linux_flock {
    int16_t type, whence;
    int32_t padding;
    int64_t start, length;
    int32_t pid, padding2;
};
_Static_assert(sizeof(struct linux_flock) == 32, "struct flock");
enum { LX_F_RDLCK, LX_F_WRLCK, LX_F_UNLCK };

struct linux_f_owner_ex {
    int32_t type, pid;
};

struct linux_open_how {
    uint64_t flags, mode, resolve;
};
_Static_assert(sizeof(struct linux_open_how) == 24, "struct open_how, OPEN_HOW_SIZE_VER0");

#define LX_IOV_MAX 1024
#define LX_RW_MAX 0x7ffff000ull /* MAX_RW_COUNT: what one read or write moves at most */
#define LX_PATH_MAX 4096        /* terminator included */

struct linux_iovec {
    uint64_t base, length;
};
_Static_assert(sizeof(struct linux_iovec) == 16, "struct iovec");

/* ---- stat(2) --------------------------------------------------------------------------------- */

#define LX_S_IFMT 0170000
#define LX_S_IFSOCK 0140000
#define LX_S_IFLNK 0120000
#define LX_S_IFREG 0100000
#define LX_S_IFBLK 0060000
#define LX_S_IFDIR 0040000
#define LX_S_IFCHR 0020000
#define LX_S_IFIFO 0010000

struct linux_stat {
    uint64_t dev, ino, nlink;
    uint32_t mode, uid, gid, padding;
    uint64_t rdev;
    int64_t size, blksize, blocks;
    struct linux_timespec atime, mtime, ctime;
    int64_t unused[3];
};
_Static_assert(sizeof(struct linux_stat) == 144, "struct stat");
_Static_assert(offsetof(struct linux_stat, size) == 48 && offsetof(struct linux_stat, atime) == 72,
               "struct stat");

struct linux_statx_time {
    int64_t seconds;
    uint32_t nanoseconds;
    int32_t reserved;
};
struct linux_statx {
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, spare0;
    uint64_t ino, size, blocks, attributes_mask;
    struct linux_statx_time atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t spare[14];
};
_Static_assert(sizeof(struct linux_statx) == 256, "struct statx");
_Static_assert(offsetof(struct linux_statx, atime) == 64 &&
                   offsetof(struct linux_statx, rdev_major) == 128,
               "statx");
#define LX_STATX_BASIC_STATS 0x7ffu
#define LX_STATX_RESERVED 0x80000000u

struct linux_statfs {
    int64_t type, block_size;
    uint64_t blocks, blocks_free, blocks_available, files, files_free;
    int32_t id[2];
    int64_t name_max, fragment_size, flags, spare[4];
};
_Static_assert(sizeof(struct linux_statfs) == 120, "struct statfs");

#define LX_UTIME_NOW 0x3fffffff
#define LX_UTIME_OMIT 0x3ffffffe

/* getdents64(2) and getdents(2); the name follows, with its terminator. */
struct linux_dirent64 {
    uint64_t ino;
    int64_t offset;
    uint16_t record_length;
    uint8_t type;
    char name[];
} __attribute__((packed));
_Static_assert(offsetof(struct linux_dirent64, name) == 19, "struct linux_dirent64");
struct linux_dirent {
    uint64_t ino, offset;
    uint16_t record_length;
    char name[]; /* then the type, in the record's last byte */
} __attribute__((packed));
_Static_assert(offsetof(struct linux_dirent, name) == 18, "struct linux_dirent");

/* ---- sockets --------------------------------------------------------------------------------- */

#define LX_AF_UNSPEC 0
#define LX_AF_UNIX 1
#define LX_SOCK_STREAM 1
#define LX_SOCK_DGRAM 2
#define LX_SOCK_RAW 3
#define LX_SOCK_SEQPACKET 5
#define LX_SOCK_TYPE_MASK 0xf
#define LX_SOCK_NONBLOCK 04000
#define LX_SOCK_CLOEXEC 02000000
#define LX_SOCKADDR_MAX 128 /* struct sockaddr_storage: what any address may be long */

struct linux_sockaddr_un {
    uint16_t family;
    char path[108];
};
_Static_assert(sizeof(struct linux_sockaddr_un) == 110, "struct sockaddr_un");

struct linux_msghdr {
    uint64_t name;
    int32_t name_length;
    uint32_t padding;
    uint64_t iov, iov_count, control, control_length;
    uint32_t flags, padding2;
};
_Static_assert(sizeof(struct linux_msghdr) == 56, "struct msghdr");
_Static_assert(offsetof(struct linux_msghdr, control) == 32 &&
                   offsetof(struct linux_msghdr, flags) == 48,
               "msghdr");
struct linux_mmsghdr {
    struct linux_msghdr header;
    uint32_t length, padding;
};
_Static_assert(sizeof(struct linux_mmsghdr) == 64, "struct mmsghdr");

struct linux_cmsghdr {
    uint64_t length;
    int32_t level, type;
};
_Static_assert(sizeof(struct linux_cmsghdr) == 16, "struct cmsghdr");
#define LX_CMSG_ALIGN(n) (((uint64_t)(n) + 7) & ~7ull)
#define LX_CMSG_SPACE(n) (sizeof(struct linux_cmsghdr) + LX_CMSG_ALIGN(n))
#define LX_CMSG_LEN(n) (sizeof(struct linux_cmsghdr) + (uint64_t)(n))

struct linux_ucred {
    int32_t pid;
    uint32_t uid, gid;
};
_Static_assert(sizeof(struct linux_ucred) == 12, "struct ucred");

#define LX_SOL_SOCKET 1
#define LX_SCM_RIGHTS 1
#define LX_SCM_CREDENTIALS 2
#define LX_SCM_PIDFD 4
#define LX_SO_TYPE 3
#define LX_SO_ERROR 4
#define LX_SO_RCVTIMEO 20
#define LX_SO_SNDTIMEO 21
#define LX_SO_RCVTIMEO_NEW 66
#define LX_SO_PEERPIDFD 77
#define LX_SO_SNDTIMEO_NEW 67

#define LX_MSG_OOB 1u
#define LX_MSG_PEEK 2u
#define LX_MSG_CTRUNC 8u
#define LX_MSG_TRUNC 0x20u
#define LX_MSG_DONTWAIT 0x40u
#define LX_MSG_EOR 0x80u
#define LX_MSG_WAITALL 0x100u
#define LX_MSG_ERRQUEUE 0x2000u
#define LX_MSG_NOSIGNAL 0x4000u
#define LX_MSG_WAITFORONE 0x10000u
#define LX_MSG_CMSG_CLOEXEC 0x40000000u
#define LX_MSG_CMSG_COMPAT 0x80000000u

/* ---- readiness ------------------------------------------------------------------------------- */

#define LX_POLLIN 1u
#define LX_POLLPRI 2u
#define LX_POLLOUT 4u
#define LX_POLLERR 8u
#define LX_POLLHUP 0x10u
#define LX_POLLNVAL 0x20u
#define LX_POLLRDNORM 0x40u
#define LX_POLLRDBAND 0x80u
#define LX_POLLWRNORM 0x100u
#define LX_POLLWRBAND 0x200u
#define LX_POLLMSG 0x400u
#define LX_POLLRDHUP 0x2000u

struct linux_pollfd {
    int32_t fd;
    int16_t events, revents;
};
_Static_assert(sizeof(struct linux_pollfd) == 8, "struct pollfd");

struct linux_epoll_event {
    uint32_t events;
    uint64_t data;
} __attribute__((packed));
_Static_assert(sizeof(struct linux_epoll_event) == 12, "struct epoll_event is packed on x86_64");
#define LX_EPOLL_CLOEXEC 02000000
enum { LX_EPOLL_CTL_ADD = 1, LX_EPOLL_CTL_DEL = 2, LX_EPOLL_CTL_MOD = 3 };
#define LX_EPOLLEXCLUSIVE (1u << 28)
#define LX_EPOLLWAKEUP (1u << 29)
#define LX_EPOLLONESHOT (1u << 30)
#define LX_EPOLLET (1u << 31)

/* ---- ioctl(2) -------------------------------------------------------------------------------- */

#define LX_TCGETS 0x5401
#define LX_TCSETS 0x5402
#define LX_TCSETSW 0x5403
#define LX_TCSETSF 0x5404
#define LX_TCSBRK 0x5409
#define LX_TCXONC 0x540a
#define LX_TCFLSH 0x540b
#define LX_TIOCSCTTY 0x540e
#define LX_TIOCGPGRP 0x540f
#define LX_TIOCSPGRP 0x5410
#define LX_TIOCOUTQ 0x5411 /* SIOCOUTQ too */
#define LX_TIOCGWINSZ 0x5413
#define LX_TIOCSWINSZ 0x5414
#define LX_FIONREAD 0x541b /* SIOCINQ, TIOCINQ too */
#define LX_FIONBIO 0x5421
#define LX_TIOCNOTTY 0x5422
#define LX_TIOCGSID 0x5429
#define LX_TCSBRKP 0x5425
#define LX_FIONCLEX 0x5450
#define LX_FIOCLEX 0x5451
#define LX_FIOASYNC 0x5452
#define LX_FIOQSIZE 0x5460
#define LX_FIOSETOWN 0x8901
#define LX_SIOCSPGRP 0x8902
#define LX_FIOGETOWN 0x8903
#define LX_SIOCGPGRP 0x8904
#define LX_SIOCATMARK 0x8905

struct linux_termios {
    uint32_t iflag, oflag, cflag, lflag;
    uint8_t line, cc[19];
};
_Static_assert(sizeof(struct linux_termios) == 36, "the kernel's struct termios");
struct linux_winsize {
    uint16_t rows, columns, x, y;
};
_Static_assert(sizeof(struct linux_winsize) == 8, "struct winsize");

#endif
