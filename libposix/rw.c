/*
 * Moving bytes: read(2), write(2) and their vector and positioned forms. rw_plain.c has the short way
 * of the first two, copy.c those between two descriptors.
 *
 * One request carries all of a call's memory. A server answers a part when its own bound, a full
 * queue or a page that is not there stops it; then the rest is asked for again where Linux would
 * go on: always when writing, and when reading a file. SPDX-License-Identifier: MIT
 */
#include "rw.h"

#define READ_AGAIN_FROM 32768 /* a file's shorter answer is its end, not a server's bound */

static long read_once(struct fd_info *info, const struct iov_list *list, uint64_t done,
                      int64_t offset, uint64_t flags)
{
    struct iov_window window;
    long error = iov_window_begin(&window, list, done, AR_MSG_SEGS, true);
    if (error)
        return error;
    struct ipc_transfer transfer = {.out = window.segments, .out_count = window.count};
    struct posix_retry retry = {
        .server = info->server, .transfer = &transfer, .no_wait = flags & IO_NOWAIT};
    if (info->server == ISSUER_SOCKD && !(flags & IO_NOWAIT))
        socket_set_deadline(&retry, info, LX_SO_RCVTIMEO);
    struct io_read_reply reply = {0};
    error =
        POSIX_CALL(&retry, io_read(info->slot, offset, flags | io_again(&retry), window.length, &reply,
                                   &transfer));
    uint64_t count = error ? 0 : reply.count;
    if (count > window.length)
        count = window.length;
    long copied = iov_window_end(&window, list, done, count);
    if (info->server == ISSUER_SOCKD && (retry.status == ST_REDIRECT || retry.memory_bad) &&
        (error == 0 || error == ERR(FAULT)) && count == 0)
        return receive_as_read(info, list, flags);
    return error ? error : copied ? copied : (long)count;
}

long read_list(int fd, struct fd_info *info, const struct iov_list *list, int64_t offset,
               uint64_t flags)
{
    uint64_t done = 0;
    if (info->kind == FILES_KIND_TIMER || info->kind == FILES_KIND_SIGNAL)
        return virtual_read(fd, info, list, offset, flags & IO_NOWAIT);
    for (;;) {
        long count = read_once(info, list, done, offset_after(offset, done), flags);
        if (count < 0)
            return done ? (long)done : count;
        done += (uint64_t)count;
        if (done >= list->total || count < READ_AGAIN_FROM || info->server != ISSUER_FILED)
            return (long)done;
        unsigned kind = fd_kind(fd, info);
        if (kind != IO_KIND_FILE && kind != IO_KIND_DEVICE)
            return (long)done;
    }
}

static long write_once(struct fd_info *info, const struct iov_list *list, uint64_t done,
                       int64_t offset, uint64_t flags, bool *waited)
{
    struct iov_window window;
    long error = iov_window_begin(&window, list, done, AR_MSG_SEGS, false);
    if (error)
        return error;
    struct ipc_transfer transfer = {.in = window.segments, .in_count = window.count};
    struct posix_retry retry = {
        .server = info->server, .transfer = &transfer, .no_wait = flags & IO_NOWAIT};
    if (info->server == ISSUER_SOCKD && !(flags & IO_NOWAIT))
        socket_set_deadline(&retry, info, LX_SO_SNDTIMEO);
    if (*waited && info->kind == IO_KIND_SOCKET) /* a pipe looks at its flags each time */
        flags |= IO_AGAIN;
    struct io_write_reply reply = {0};
    error =
        POSIX_CALL(&retry, io_write(info->slot, offset, flags | io_again(&retry), window.length, &reply,
                                    &transfer));
    iov_window_end(&window, list, done, 0);
    *waited |= retry.waited;
    if (error)
        return error;
    return reply.count > window.length ? (long)window.length : (long)reply.count;
}

long file_size_check(uint64_t end)
{
    if (end <= process.fsize)
        return 0;
    signal_raise(LINUX_SIGXFSZ);
    return ERR(FBIG);
}

/* How much of a write that starts at `offset`, or where the description is, RLIMIT_FSIZE lets
 * through. */
static long write_allowed(struct fd_info *info, int64_t offset, uint64_t length)
{
    struct posix_retry retry = {.server = info->server};
    struct io_get_flags_reply flags;
    struct io_seek_reply seek;
    struct io_stat_reply stat;
    long error = POSIX_CALL(&retry, io_get_flags(info->slot, &flags));
    if (!error && flags.flags & LX_O_APPEND) {
        retry = (struct posix_retry){.server = info->server};
        error = POSIX_CALL(&retry, io_stat(info->slot, &stat));
        offset = (int64_t)stat.size;
    } else if (!error && offset == IO_CURRENT) {
        retry = (struct posix_retry){.server = info->server};
        error = POSIX_CALL(&retry, io_seek(info->slot, 0, 1 /* SEEK_CUR */, &seek));
        offset = (int64_t)seek.offset;
    }
    if (!error)
        error = file_size_check((uint64_t)offset + (length > 0));
    if (error)
        return error;
    uint64_t room = process.fsize - (uint64_t)offset;
    return (long)(length < room ? length : room);
}

void pipe_signal(int fd, struct fd_info *info, uint64_t done, bool waited)
{
    /* A socket that took a part, or waited, says so without a signal; a pipe always signals. */
    if (((done == 0 && !waited) || fd_kind(fd, info) == IO_KIND_PIPE) && socket_raises_sigpipe(info))
        signal_raise(LINUX_SIGPIPE);
}

/* From byte `done` of the list on: how much of the list is written then, or -errno. IO_AGAIN among the
 * flags: what is written had to wait, so that the call stays a blocking one. */
static long write_rest(int fd, struct fd_info *info, const struct iov_list *list, uint64_t done,
                       int64_t offset, uint64_t flags)
{
    bool waited = flags & IO_AGAIN;
    flags &= ~(uint64_t)IO_AGAIN;
    for (;;) {
        long count = write_once(info, list, done, offset_after(offset, done), flags, &waited);
        if (count == ERR(PIPE))
            pipe_signal(fd, info, done, waited);
        if (count < 0)
            return done ? (long)done : count;
        done += (uint64_t)count;
        if (count == 0 || done >= list->total || fd_kind(fd, info) == IO_KIND_EVENT)
            return (long)done;
    }
}

/* To an eventfd each segment is a write of its own, which must be a count. */
static long write_counts(int fd, struct fd_info *info, struct iov_list *list, uint64_t flags)
{
    unsigned segments = list->count;
    long done = 0;
    for (unsigned i = 0; i < segments; i++) {
        list->segments[0] = list->segments[i];
        list->total = list->segments[0].length;
        list->count = 1;
        long count = write_rest(fd, info, list, 0, IO_CURRENT, flags);
        if (count < 0)
            return done ? done : count;
        done += count;
    }
    return done;
}

long write_list(int fd, struct fd_info *info, struct iov_list *list, int64_t offset, uint64_t flags)
{
    if (info->kind == FILES_KIND_TIMER || info->kind == FILES_KIND_SIGNAL)
        return ERR(INVAL);
    if (process.fsize != UINT64_MAX && info->server == ISSUER_FILED &&
        fd_kind(fd, info) == IO_KIND_FILE) {
        long allowed = write_allowed(info, offset, list->total);
        if (allowed < 0)
            return allowed;
        iov_shorten(list, (uint64_t)allowed);
    }
    if (list->count > 1 && info->server == ISSUER_SOCKD && offset == IO_CURRENT &&
        fd_kind(fd, info) == IO_KIND_EVENT)
        return write_counts(fd, info, list, flags);
    return write_rest(fd, info, list, 0, offset, flags);
}

/* ---- the calls ------------------------------------------------------------------------------- */

static long move_list(int fd, struct fd_info *info, struct iov_list *list, int64_t offset,
                      uint64_t flags, enum direction direction)
{
    return direction == READING ? read_list(fd, info, list, offset, flags)
                                : write_list(fd, info, list, offset, flags);
}

/* Not inlined: an iov_list has 16 KiB. */
__attribute__((noinline)) long move_single(int fd, struct fd_info *info,
                                           const struct ar_segment *segment, uint64_t done,
                                           int64_t offset, uint64_t flags,
                                           enum direction direction)
{
    struct iov_list list;
    iov_single(&list, segment->address, segment->length);
    return done ? write_rest(fd, info, &list, done, offset, flags)
                : move_list(fd, info, &list, offset, flags, direction);
}

/* sockd's sockets, pipes and event counters answer a read with one request, and most writes: for
 * one buffer nothing of read_list and write_list is needed. */
static bool is_plain(const struct fd_info *info)
{
    return info->server == ISSUER_SOCKD &&
           (info->kind == IO_KIND_SOCKET || info->kind == IO_KIND_PIPE ||
            info->kind == IO_KIND_EVENT);
}

long move_buffer(int fd, uint64_t user, uint64_t length, int64_t offset, enum direction direction)
{
    struct fd_info info;
    long result = fd_begin(fd, NULL, &info);
    if (result)
        return result;
    struct ar_segment segment;
    if ((int64_t)length < 0)
        result = ERR(INVAL);
    else
        result = user_segment(&segment, (const void *)user,
                              length < LX_RW_MAX ? length : LX_RW_MAX);
    if (!result && offset == IO_CURRENT && is_plain(&info))
        result = direction == READING ? read_plain(fd, &info, &segment)
                                      : write_plain(fd, &info, &segment);
    else if (!result)
        result = move_single(fd, &info, &segment, 0, offset, 0, direction);
    fd_end(&info);
    return result;
}

static long move_vector(int fd, uint64_t user, uint64_t count, int64_t offset, uint64_t flags,
                        enum direction direction)
{
    struct fd_info info;
    long result = fd_begin(fd, NULL, &info);
    if (result)
        return result;
    struct iov_list list;
    result = iov_import(&list, user, count);
    /* A vector of nothing is no message to a socket, though a write of nothing is. */
    bool nothing = !result && list.total == 0 && info.server == ISSUER_SOCKD &&
                   fd_kind(fd, &info) == IO_KIND_SOCKET && offset == IO_CURRENT;
    if (!result && !nothing)
        result = move_list(fd, &info, &list, offset, flags, direction);
    fd_end(&info);
    return result;
}

long sys_readv(const uint64_t a[6])
{
    return move_vector((int)a[0], a[1], a[2], IO_CURRENT, 0, READING);
}

long sys_writev(const uint64_t a[6])
{
    return move_vector((int)a[0], a[1], a[2], IO_CURRENT, 0, WRITING);
}

long sys_pread64(const uint64_t a[6])
{
    return (int64_t)a[3] < 0 ? ERR(INVAL)
                             : move_buffer((int)a[0], a[1], a[2], (int64_t)a[3], READING);
}

long sys_pwrite64(const uint64_t a[6])
{
    return (int64_t)a[3] < 0 ? ERR(INVAL)
                             : move_buffer((int)a[0], a[1], a[2], (int64_t)a[3], WRITING);
}

long sys_preadv(const uint64_t a[6])
{
    return (int64_t)a[3] < 0 ? ERR(INVAL)
                             : move_vector((int)a[0], a[1], a[2], (int64_t)a[3], 0, READING);
}

long sys_pwritev(const uint64_t a[6])
{
    return (int64_t)a[3] < 0 ? ERR(INVAL)
                             : move_vector((int)a[0], a[1], a[2], (int64_t)a[3], 0, WRITING);
}

#define RWF_HIPRI 1u
#define RWF_DSYNC 2u
#define RWF_SYNC 4u
#define RWF_NOWAIT 8u

/* preadv2, pwritev2: offset -1 is the description's own. RWF_APPEND and later flags are not
 * offered. */
static long move_vector2(const uint64_t a[6], enum direction direction)
{
    int64_t offset = (int64_t)a[3];
    uint32_t flags = (uint32_t)a[5];
    if (flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT))
        return ERR(OPNOTSUPP);
    if (offset < -1)
        return ERR(INVAL);
    return move_vector((int)a[0], a[1], a[2], offset, flags & RWF_NOWAIT ? IO_NOWAIT : 0,
                       direction);
}

long sys_preadv2(const uint64_t a[6])
{
    return move_vector2(a, READING);
}

long sys_pwritev2(const uint64_t a[6])
{
    return move_vector2(a, WRITING);
}

long sys_lseek(const uint64_t a[6])
{
    struct fd_info info;
    long result = fd_begin((int)a[0], NULL, &info);
    if (result)
        return result;
    if ((uint32_t)a[2] > 4) { /* SEEK_HOLE */
        fd_end(&info);
        return ERR(INVAL);
    }
    struct posix_retry retry = {.server = info.server};
    struct io_seek_reply reply = {0};
    result = POSIX_CALL(&retry, io_seek(info.slot, (int64_t)a[1], (uint32_t)a[2], &reply));
    fd_end(&info);
    if (result)
        return result;
    return reply.offset >= 0 ? reply.offset : ERR(IO);
}
