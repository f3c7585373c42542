/*
 * The Linux x86_64 values that sockd's clients use: from the manual pages, not from a header, so
 * that the core reads the same in the guest and on the host. SPDX-License-Identifier: MIT
 */
#ifndef SOCKD_LINUX_VALUES_H
#define SOCKD_LINUX_VALUES_H

#include <stdint.h>

/* clang-format off */
enum { LX_AF_UNSPEC = 0, LX_AF_UNIX = 1 };
enum { LX_SOCK_STREAM = 1, LX_SOCK_DGRAM = 2, LX_SOCK_RAW = 3, LX_SOCK_SEQPACKET = 5,
       LX_SOCK_TYPES = 11, LX_SOCK_TYPE_MASK = 0xf, LX_SOCK_NONBLOCK = 0x800,
       LX_SOCK_CLOEXEC = 0x80000 };
enum { LX_MSG_OOB = 1, LX_MSG_PEEK = 2, LX_MSG_CTRUNC = 8, LX_MSG_TRUNC = 0x20,
       LX_MSG_DONTWAIT = 0x40, LX_MSG_WAITALL = 0x100, LX_MSG_NOSIGNAL = 0x4000 };
enum { LX_O_RDONLY = 0, LX_O_WRONLY = 1, LX_O_RDWR = 2, LX_O_APPEND = 0x400, LX_O_NONBLOCK = 0x800,
       LX_O_ASYNC = 0x2000, LX_O_DIRECT = 0x4000, LX_O_CLOEXEC = 0x80000 };
enum { LX_POLLIN = 1, LX_POLLPRI = 2, LX_POLLOUT = 4, LX_POLLERR = 8, LX_POLLHUP = 0x10,
       LX_POLLNVAL = 0x20, LX_POLLRDNORM = 0x40, LX_POLLRDBAND = 0x80, LX_POLLWRNORM = 0x100,
       LX_POLLWRBAND = 0x200, LX_POLLRDHUP = 0x2000 };
enum { LX_EPOLL_CTL_ADD = 1, LX_EPOLL_CTL_DEL = 2, LX_EPOLL_CTL_MOD = 3 };
#define LX_EPOLLEXCLUSIVE (1u << 28)
#define LX_EPOLLWAKEUP (1u << 29)
#define LX_EPOLLONESHOT (1u << 30)
#define LX_EPOLLET (1u << 31)
#define LX_EPOLL_BEHAVIOUR (LX_EPOLLEXCLUSIVE | LX_EPOLLWAKEUP | LX_EPOLLONESHOT | LX_EPOLLET)
enum { LX_S_IFSOCK = 0140000, LX_S_IFIFO = 0010000 };
enum { LX_EFD_SEMAPHORE = 1, LX_EFD_NONBLOCK = 0x800, LX_EFD_CLOEXEC = 0x80000 };
enum { LX_TIOCOUTQ = 0x5411, LX_FIONREAD = 0x541b, LX_FIONBIO = 0x5421, LX_FIOASYNC = 0x5452,
       LX_SIOCATMARK = 0x8905 };
enum { LX_SOL_SOCKET = 1 };
enum { LX_SO_DEBUG = 1, LX_SO_REUSEADDR = 2, LX_SO_TYPE = 3, LX_SO_ERROR = 4, LX_SO_DONTROUTE = 5,
       LX_SO_BROADCAST = 6, LX_SO_SNDBUF = 7, LX_SO_RCVBUF = 8, LX_SO_KEEPALIVE = 9,
       LX_SO_OOBINLINE = 10, LX_SO_NO_CHECK = 11, LX_SO_PRIORITY = 12, LX_SO_LINGER = 13,
       LX_SO_REUSEPORT = 15, LX_SO_PASSCRED = 16, LX_SO_PEERCRED = 17, LX_SO_RCVLOWAT = 18,
       LX_SO_SNDLOWAT = 19, LX_SO_RCVTIMEO = 20, LX_SO_SNDTIMEO = 21, LX_SO_PEERNAME = 28,
       LX_SO_TIMESTAMP = 29, LX_SO_ACCEPTCONN = 30, LX_SO_SNDBUFFORCE = 32, LX_SO_RCVBUFFORCE = 33,
       LX_SO_PASSSEC = 34, LX_SO_TIMESTAMPNS = 35, LX_SO_MARK = 36, LX_SO_PROTOCOL = 38,
       LX_SO_DOMAIN = 39, LX_SO_RXQ_OVFL = 40, LX_SO_PEEK_OFF = 42, LX_SO_COOKIE = 57,
       LX_SO_PEERGROUPS = 59, LX_SO_ZEROCOPY = 60, LX_SO_RCVTIMEO_NEW = 66,
       LX_SO_SNDTIMEO_NEW = 67, LX_SO_PASSPIDFD = 76, LX_SO_PEERPIDFD = 77 };
/* clang-format on */

struct lx_epoll_event {
    uint32_t events;
    uint64_t data;
} __attribute__((packed));
_Static_assert(sizeof(struct lx_epoll_event) == 12, "struct epoll_event of x86_64");

#define LX_SUN_MAX 110u       /* sizeof(struct sockaddr_un) */
#define LX_SUN_PATH 2u        /* offsetof(struct sockaddr_un, sun_path) */
#define LX_SOMAXCONN 4096u    /* net.core.somaxconn */
#define LX_MAX_DGRAM_QLEN 10u /* net.unix.max_dgram_qlen */
#define LX_MEM_MAX 212992     /* net.core.wmem_max, rmem_max, and both defaults; bytes */
#define LX_MIN_SNDBUF 4608
#define LX_MIN_RCVBUF 2304
#define LX_HZ 250 /* SO_RCVTIMEO and SO_SNDTIMEO are rounded up to ticks */
#define LX_OVERFLOW_ID 65534u
#define LX_PAGE 4096u

#endif
