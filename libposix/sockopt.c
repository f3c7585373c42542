/*
 * setsockopt(2), getsockopt(2), and what other calls must know of a socket's options.
 * SPDX-License-Identifier: MIT
 */
#include "files.h"

#include <proto/sock.h>

#define OPTION_MAX 4096 /* sockd takes and gives no longer value */
#define ERRNO_MAX 4095  /* what the C library takes for one */

/* Some socket of this process, or of one it was forked from, was given a time-out: before that
 * no blocking call needs to ask for one. A socket that comes with one from elsewhere
 * (SCM_RIGHTS, exec) is not noticed until this process sets one. */
static volatile uint32_t timeouts_used;

static bool option_is_timeout(int level, int option)
{
    return level == LX_SOL_SOCKET && (option == LX_SO_RCVTIMEO || option == LX_SO_SNDTIMEO ||
                                      option == LX_SO_RCVTIMEO_NEW || option == LX_SO_SNDTIMEO_NEW);
}

/* A value into our own memory: its length, or -errno. */
static long option_get(const struct fd_info *info, int option, void *value, uint64_t length)
{
    struct ar_segment out = {(uint64_t)value, length};
    struct ipc_transfer transfer = {.out = &out, .out_count = 1};
    struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = &transfer};
    struct sock_get_option_reply reply = {0};
    long error = POSIX_CALL(
        &retry, sock_get_option(info->slot, LX_SOL_SOCKET, option, length, &reply, &transfer));
    if (error)
        return error;
    return reply.length <= length ? (long)reply.length : ERR(IO);
}

int socket_type(const struct fd_info *info)
{
    int32_t type = 0;
    return option_get(info, LX_SO_TYPE, &type, sizeof(type)) == sizeof(type) ? type : 0;
}

long socket_take_pending(const struct fd_info *info)
{
    int32_t error = 0;
    long length = option_get(info, LX_SO_ERROR, &error, sizeof(error));
    if (length < 0)
        return length;
    return error >= 0 && error <= ERRNO_MAX ? -(long)error : ERR(IO);
}

void socket_put_pending(const struct fd_info *info, long error)
{
    int32_t number = (int32_t)-error;
    struct ar_segment in = {(uint64_t)&number, sizeof(number)};
    struct ipc_transfer transfer = {.in = &in, .in_count = 1};
    struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = &transfer};
    (void)POSIX_CALL(&retry, sock_set_option(info->slot, (int64_t)SOCK_LEVEL_PENDING, LX_SO_ERROR,
                                             sizeof(number), &transfer));
}

uint64_t socket_deadline(const struct fd_info *info, int option)
{
    struct linux_timeval value = {0};
    if (!timeouts_used || option_get(info, option, &value, sizeof(value)) != sizeof(value))
        return 0;
    if (value.seconds < 0 || (value.seconds == 0 && value.microseconds == 0))
        return 0;
    if ((uint64_t)value.seconds > INT64_MAX / NS_PER_SECOND)
        return 0;
    return deadline_after((uint64_t)value.seconds * NS_PER_SECOND +
                          (uint64_t)value.microseconds * 1000);
}

void socket_set_deadline(struct posix_retry *retry, const struct fd_info *info, int option)
{
    retry->deadline_ns = socket_deadline(info, option);
    retry->interrupted = retry->deadline_ns ? ERR(INTR) : 0;
}

bool socket_raises_sigpipe(const struct fd_info *info)
{
    if (info->server != ISSUER_SOCKD || info->kind == IO_KIND_PIPE)
        return true; /* a FIFO of filed's is a pipe too */
    int type = socket_type(info);
    return type == 0 || type == LX_SOCK_STREAM;
}

long sys_setsockopt(const uint64_t a[6])
{
    struct fd_info info;
    int level = (int)a[1], option = (int)a[2];
    int32_t length = (int32_t)a[4];
    long error = socket_begin((int)a[0], &info);
    if (error)
        return error;
    struct ar_segment in;
    uint64_t used = length > OPTION_MAX ? OPTION_MAX : (uint64_t)length;
    error = length < 0 ? ERR(INVAL) : user_segment(&in, (const void *)a[3], used);
    if (!error) {
        struct ipc_transfer transfer = {.in = &in, .in_count = 1};
        struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = &transfer};
        error = POSIX_CALL(&retry, sock_set_option(info.slot, level, option, used, &transfer));
        if (!error && option_is_timeout(level, option))
            timeouts_used = 1;
    }
    fd_end(&info);
    return error;
}

/* SO_PEERPIDFD: sockd knows who the peer is, procd gives the descriptor. */
static long peer_pidfd(const struct fd_info *info, uint64_t user, uint64_t user_length,
                       int32_t length)
{
    uint32_t peer[2] = {0, 0};
    struct ar_segment value;
    long result = option_get(info, LX_SO_PEERPIDFD, peer, sizeof(peer));
    if (result < 0)
        return result;
    if (length > (int32_t)sizeof(int32_t))
        length = sizeof(int32_t);
    if (user_segment(&value, (void *)user, (uint64_t)length) || user_touch(&value, 1, true) ||
        user_write((void *)user_length, &length, sizeof(length)))
        return ERR(FAULT);
    result = pidfd_make(peer[0], peer[1], 0);
    if (result < 0)
        return result;
    int32_t fd = (int32_t)result;
    return user_write((void *)user, &fd, (uint64_t)length);
}

/* A value that cannot be told: the pending error is gone all the same, as on Linux. */
static long value_lost(const struct fd_info *info, int option)
{
    if (option == LX_SO_ERROR)
        (void)socket_take_pending(info);
    return ERR(FAULT);
}

static long getsockopt_run(const struct fd_info *info, int level, int option, uint64_t user,
                           uint64_t user_length)
{
    int32_t length;
    if (level != LX_SOL_SOCKET)
        return ERR(OPNOTSUPP);
    if (user_read(&length, (const void *)user_length, sizeof(length)))
        return ERR(FAULT);
    if (length < 0)
        return ERR(INVAL);
    if (option == LX_SO_PEERPIDFD)
        return peer_pidfd(info, user, user_length, length);
    struct ar_segment out;
    uint64_t room = length > OPTION_MAX ? OPTION_MAX : (uint64_t)length;
    if (user_segment(&out, (void *)user, room))
        return value_lost(info, option);
    struct ipc_transfer transfer = {.out = &out, .out_count = 1};
    struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = &transfer};
    struct sock_get_option_reply reply;
    long error =
        POSIX_CALL(&retry, sock_get_option(info->slot, level, option, room, &reply, &transfer));
    if (error)
        return error == ERR(FAULT) ? value_lost(info, option) : error;
    length = (int32_t)(reply.length < room ? reply.length : room);
    return user_write((void *)user_length, &length, sizeof(length));
}

long sys_getsockopt(const uint64_t a[6])
{
    struct fd_info info;
    long error = socket_begin((int)a[0], &info);
    if (error)
        return error;
    error = getsockopt_run(&info, (int)a[1], (int)a[2], a[3], a[4]);
    fd_end(&info);
    return error;
}
