/*
 * What eight bytes mean: byte 0 the call, 1 who (and its kind of argument), 2 to 6 arguments, 7 what
 * becomes of the replies meanwhile. SPDX-License-Identifier: MIT
 */
#include "world.h"
#include "sim.h"
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

uint64_t pointer_of(uint8_t byte)
{
    static const uint64_t bad[] = {0, 1, 4095, 0xfff0, 0x600000001000, 0x600008000000, 0x7fffffffe000,
                                   0x7ffffffff000, 0x800000000000, 1ull << 63, 0xffff800000000000,
                                   UINT64_MAX, UINT64_MAX - 7, UINT64_MAX - 4095};
    uint64_t base = (uint64_t)arena;
    if (byte < 128)
        return base + PAGE + byte * 97u % (3 * PAGE);    /* good */
    if (byte < 176)
        return base + 5 * PAGE - (byte - 128u) * 5;      /* good up to a hole */
    if (byte < 208)
        return base + 8 * PAGE - (byte - 176u) * 3;      /* good up to where nothing may be written */
    if (byte < 224)
        return base + 5 * PAGE + (byte - 208u) * 255;    /* a hole */
    return bad[(byte - 224u) % (sizeof(bad) / sizeof(bad[0]))];
}

uint64_t length_of(uint8_t byte)
{
    static const uint64_t edges[] = {0, 4095, 4096, 4097, 16384, 65536, INT32_MAX, 0x7ffff000, 1ull << 31,
                                     UINT32_MAX, 1ull << 32, INT64_MAX, 1ull << 63, UINT64_MAX};
    return byte < 192 ? byte : edges[(byte - 192u) % (sizeof(edges) / sizeof(edges[0]))];
}

uint64_t value_of(uint8_t byte)
{
    return byte & 1 ? length_of(byte) : byte & 2 ? pointer_of(byte) : byte >> 2;
}

enum argument { N, FD, PTR, LEN, BULK, VAL, FLAGS, OPTION, MSG, IOV, ADDR, POLLS, SMALL, COUNT };

/* Structures at the start of the first good page, with pointers that may be anything. */
enum { AT_MSG = 0, AT_IOV = 256, AT_ADDR = 512, AT_POLLS = 768, AT_CONTROL = 1024 };

static uint64_t iov_make(uint8_t a, uint8_t b)
{
    struct iovec *iov = (struct iovec *)(arena + PAGE + AT_IOV);
    for (unsigned i = 0; i < 4; i++) {
        iov[i].iov_base = (void *)pointer_of((uint8_t)(a + i * 67));
        iov[i].iov_len = length_of((uint8_t)(b + i * 31));
    }
    return a >= 250 ? pointer_of(b) : (uint64_t)iov;
}

static uint64_t address_make(uint8_t a)
{
    uint8_t *address = arena + PAGE + AT_ADDR;
    memset(address, 0, 128);
    address[0] = a < 250 ? AF_UNIX : a;
    if (a < 128)
        address[3] = (uint8_t)('a' + a % 4);
    else
        memcpy(address + 2, a % 2 ? "/tmp/file" : "/tmp/named", 10);
    return a >= 240 ? pointer_of(a) : (uint64_t)address;
}

static uint64_t message_make(uint8_t a, uint8_t b)
{
    struct msghdr *message = (struct msghdr *)(arena + PAGE + AT_MSG);
    struct cmsghdr *control = (struct cmsghdr *)(arena + PAGE + AT_CONTROL);
    memset(message, 0, sizeof(*message));
    message->msg_iov = (struct iovec *)iov_make(a, b);
    message->msg_iovlen = b < 224 ? b % 5 : length_of(b);
    if (a % 4 == 0) {
        message->msg_name = (void *)address_make(b);
        message->msg_namelen = b < 200 ? b % 16 : (uint32_t)length_of(b);
    }
    if (a % 3 == 0) {
        control->cmsg_len = b < 192 ? CMSG_LEN(b % 5 * 4) : length_of(b);
        control->cmsg_level = SOL_SOCKET;
        control->cmsg_type = a < 192 ? SCM_RIGHTS : a % 4;
        for (unsigned i = 0; i < 4; i++)
            ((int *)CMSG_DATA(control))[i] = a < 224 ? 3 + (int)(b + i) % 16 : (int)length_of(b);
        message->msg_control = a >= 240 ? (void *)pointer_of(b) : control;
        message->msg_controllen = b < 192 ? CMSG_SPACE(16) : length_of(b);
    }
    return a >= 252 ? pointer_of(b) : (uint64_t)message;
}

static uint64_t polls_make(uint8_t a, uint8_t b)
{
    struct pollfd *polls = (struct pollfd *)(arena + PAGE + AT_POLLS);
    for (unsigned i = 0; i < 8; i++)
        polls[i] = (struct pollfd){.fd = a < 250 ? 3 + (int)(a + i * 5) % 20 : -1,
                                   .events = (short)(b << i % 3)};
    return a >= 240 ? pointer_of(b) : (uint64_t)polls;
}

struct call {
    uint16_t number;
    uint8_t arguments[6];
    uint8_t bound; /* the argument that a result cannot be above; 0: none */
};
static const struct call calls[] = {
    {SYS_read, {FD, PTR, LEN}, 2}, {SYS_write, {FD, PTR, LEN}, 2},
    {SYS_sendto, {FD, PTR, LEN, FLAGS, ADDR, SMALL}, 2}, {SYS_recvfrom, {FD, PTR, LEN, FLAGS, PTR, PTR}, 0},
    {SYS_sendmsg, {FD, MSG, FLAGS}, 0}, {SYS_recvmsg, {FD, MSG, FLAGS}, 0},
    {SYS_sendmsg, {FD, MSG, FLAGS}, 0}, {SYS_recvmsg, {FD, MSG, FLAGS}, 0},
    {SYS_sendmmsg, {FD, MSG, SMALL, FLAGS}, 0}, {SYS_recvmmsg, {FD, MSG, SMALL, FLAGS, PTR}, 0},
    {SYS_readv, {FD, IOV, COUNT}, 0}, {SYS_writev, {FD, IOV, COUNT}, 0},
    {SYS_pread64, {FD, PTR, LEN, VAL}, 2}, {SYS_pwrite64, {FD, PTR, LEN, SMALL}, 2},
    {SYS_socket, {SMALL, SMALL, N}, 0}, {SYS_socketpair, {SMALL, SMALL, N, PTR}, 0},
    {SYS_bind, {FD, ADDR, SMALL}, 0}, {SYS_connect, {FD, ADDR, SMALL}, 0}, {SYS_listen, {FD, VAL}, 0},
    {SYS_accept4, {FD, PTR, PTR, FLAGS}, 0}, {SYS_shutdown, {FD, SMALL}, 0},
    {SYS_getsockname, {FD, PTR, PTR}, 0}, {SYS_getpeername, {FD, PTR, PTR}, 0},
    {SYS_getsockopt, {FD, SMALL, OPTION, PTR, PTR}, 0}, {SYS_setsockopt, {FD, SMALL, OPTION, PTR, LEN}, 0},
    {SYS_poll, {POLLS, COUNT, SMALL}, 0}, {SYS_ppoll, {POLLS, COUNT, PTR, PTR, SMALL}, 0},
    {SYS_select, {COUNT, PTR, PTR, PTR, PTR}, 0}, {SYS_pselect6, {COUNT, PTR, PTR, PTR, PTR, PTR}, 0},
    {SYS_epoll_ctl, {FD, SMALL, FD, PTR}, 0}, {SYS_epoll_wait, {FD, PTR, VAL, SMALL}, 0},
    {SYS_epoll_pwait2, {FD, PTR, VAL, PTR, PTR, SMALL}, 0}, {SYS_fcntl, {FD, SMALL, VAL}, 0},
    {SYS_ioctl, {FD, OPTION, PTR}, 0}, {SYS_pipe2, {PTR, FLAGS}, 0}, {SYS_dup2, {FD, FD}, 0},
    {SYS_dup3, {FD, VAL, FLAGS}, 0}, {SYS_close, {FD}, 0}, {SYS_fstat, {FD, PTR}, 0}, {SYS_lseek, {FD, VAL, SMALL}, 0},
    {SYS_open, {ADDR, FLAGS, SMALL}, 0}, {SYS_openat, {FD, PTR, FLAGS, SMALL}, 0}, {SYS_getdents64, {FD, PTR, LEN}, 2},
    {SYS_getcwd, {PTR, LEN}, 0}, {SYS_readlink, {PTR, PTR, LEN}, 2}, {SYS_stat, {PTR, PTR}, 0},
    {SYS_sendfile, {FD, FD, PTR, BULK}, 3}, {SYS_splice, {FD, PTR, FD, PTR, LEN, SMALL}, 4},
    {SYS_eventfd2, {VAL, SMALL}, 0}, {SYS_timerfd_create, {SMALL, FLAGS}, 0},
    {SYS_timerfd_settime, {FD, SMALL, PTR, PTR}, 0}, {SYS_signalfd4, {FD, PTR, SMALL, FLAGS}, 0},
    {SYS_uname, {PTR}, 0}, {SYS_nanosleep, {PTR, PTR}, 0}, {SYS_clock_gettime, {SMALL, PTR}, 0},
    {SYS_getgroups, {VAL, PTR}, 0}, {SYS_setgroups, {VAL, PTR}, 0}, {SYS_getrlimit, {SMALL, PTR}, 0},
    {SYS_rt_sigprocmask, {SMALL, PTR, PTR, SMALL}, 0}, {SYS_rt_sigpending, {PTR, SMALL}, 0},
    {SYS_getrandom, {PTR, LEN, SMALL}, 1}, {SYS_ftruncate, {FD, VAL}, 0}, {SYS_fchmod, {FD, VAL}, 0},
    {SYS_unlink, {PTR}, 0}, {SYS_mkdir, {PTR, SMALL}, 0}, {SYS_chdir, {PTR}, 0}, {SYS_statfs, {PTR, PTR}, 0},
};

/* By the last values of byte 0: what the first table has not. Others would change what the corpus means. */
enum { MORE_FIRST = 240 };
static const struct call more[256 - MORE_FIRST] = {
    {SYS_vmsplice, {FD, IOV, COUNT, SMALL}, 0}, {SYS_tee, {FD, FD, LEN, SMALL}, 2},
    {SYS_copy_file_range, {FD, PTR, FD, PTR, BULK, N}, 4}, {SYS_preadv, {FD, IOV, COUNT, VAL}, 0},
    {SYS_pwritev, {FD, IOV, COUNT, VAL}, 0}, {SYS_timerfd_gettime, {FD, PTR}, 0},
    {SYS_statx, {FD, PTR, SMALL, VAL, PTR}, 0}, {SYS_newfstatat, {FD, PTR, PTR, SMALL}, 0},
    {SYS_rename, {ADDR, PTR}, 0}, {SYS_link, {PTR, ADDR}, 0}, {SYS_symlink, {PTR, PTR}, 0},
    {SYS_epoll_pwait, {FD, PTR, VAL, SMALL, PTR, SMALL}, 0}, {SYS_utimensat, {FD, PTR, PTR, SMALL}, 0},
    {SYS_prlimit64, {N, SMALL, PTR, PTR}, 0}, {SYS_flock, {FD, SMALL}, 0},
    {SYS_fallocate, {FD, SMALL, BULK, BULK}, 0},
};

static uint64_t flags_of(uint8_t byte)
{
    static const uint64_t flags[] = {MSG_DONTWAIT, MSG_PEEK | MSG_DONTWAIT, MSG_OOB | MSG_DONTWAIT, 0x800,
                                     0x80800, MSG_CMSG_CLOEXEC | MSG_DONTWAIT, MSG_WAITALL | MSG_DONTWAIT, 0};
    return byte < 224 ? flags[byte % 8] : byte < 240 ? MSG_DONTWAIT | MSG_TRUNC : value_of(byte);
}

/* No billions: a file of one byte that is sent to its own end grows by one at a time, as in Linux, and
 * room for a large file is made. */
static uint64_t bulk_of(uint8_t byte)
{
    uint64_t length = length_of(byte);
    return length > 65536 ? 65537 : length;
}

static uint64_t argument_of(enum argument kind, uint8_t byte, uint8_t other)
{
    switch (kind) {
    case FD: return byte < 240 ? 3 + byte % 20u : value_of(byte);
    case PTR: return pointer_of(byte);
    case LEN: return length_of(byte);
    case BULK: return bulk_of(byte);
    case VAL: return value_of(byte);
    case FLAGS: return flags_of(byte);
    case OPTION: return byte < 200 ? byte % 80u : byte < 230 ? 0x5401u + byte % 40 : 0x8900u + byte % 8;
    case MSG: return message_make(byte, other);
    case IOV: return iov_make(byte, other);
    case ADDR: return address_make(byte);
    case POLLS: return polls_make(byte, other);
    case SMALL: return byte < 250 ? byte % 12u : value_of(byte);
    case COUNT: return byte < 240 ? byte % 9u : length_of(byte);
    case N: break;
    }
    return 0;
}

void call_run(const uint8_t bytes[STEP_BYTES])
{
    const struct call *call = bytes[0] < MORE_FIRST ? &calls[bytes[0] % (sizeof(calls) / sizeof(calls[0]))]
                                                    : &more[bytes[0] - MORE_FIRST];
    uint64_t a[6];
    for (unsigned i = 0; i < 6; i++)
        a[i] = argument_of(call->arguments[i], bytes[2 + (i < 5 ? i : 0)], bytes[2 + (i + 1) % 5]);
    long number = call->number;
    replies_begin(bytes[7], bytes[1]);
    long result = sim_syscall(number, a);
    replies_end();
    fuzz_answer((uint64_t)result);
    /* F_GETOWN says a process group by its negative. */
    long least = number == SYS_fcntl ? INT32_MIN : -255;
    if (result < least) /* a status below 256 passes as an errno */
        posix_failed("an answer that is no errno", number, result);
    if (call->bound && result > 0 && (uint64_t)result > a[call->bound])
        posix_failed("more was done than was asked for", number, result);
}
