/*
 * splice(2), tee(2), vmsplice(2). SPDX-License-Identifier: MIT
 *
 * No byte taken from a source may get lost when the sink takes fewer. Between pipes and sockets
 * sockd does it in one step. From a pipe to another server's description the pipe is peeked at, and
 * what the sink took is dropped from it afterwards: two that splice from one pipe to files at the
 * same time may both write the same bytes, but none are lost. From a file the bytes are read by
 * position. A terminal and a named pipe have neither: as sources they are EINVAL, and the caller
 * falls back on read(2).
 */
#include "files.h"

#include <proto/sock.h>

#define SPLICE_BUFFER 65536u /* a pipe's capacity */
#define SPLICE_F_NONBLOCK 2u
#define SPLICE_F_ALL 15u

struct end {
    int fd;
    struct fd_info info;
    unsigned kind;
    uint64_t flags;   /* of the description */
    uint64_t user;    /* the program's loff_t, or 0 */
    int64_t offset;   /* where to start, or IO_CURRENT */
};

struct splice {
    struct end from, to;
    uint64_t length;
    bool nowait;
};

static bool is_pipe(const struct end *end)
{
    return end->kind == IO_KIND_PIPE;
}

/* Both descriptors in use, with kind and flags; EBADF if one is not open for its part. */
static long end_look(struct end *end, unsigned unwanted)
{
    end->kind = end->info.kind;
    end->flags = LX_O_RDWR;
    if (end->info.kind == FILES_KIND_TIMER || end->info.kind == FILES_KIND_SIGNAL)
        return 0;
    struct posix_retry retry = {.server = end->info.server};
    struct io_get_flags_reply reply;
    long error = POSIX_CALL(&retry, io_get_flags(end->info.slot, &reply));
    if (error)
        return error;
    end->kind = (unsigned)reply.kind;
    end->flags = reply.flags;
    return (reply.flags & LX_O_ACCMODE) == unwanted || (reply.flags & LX_O_PATH) ? ERR(BADF) : 0;
}

static void splice_end(struct splice *splice)
{
    fd_end(&splice->to.info);
    fd_end(&splice->from.info);
}

static long splice_begin(struct splice *splice)
{
    long error = fd_begin(splice->from.fd, NULL, &splice->from.info);
    if (error)
        return error;
    error = fd_begin2(splice->to.fd, NULL, &splice->to.info);
    if (error)
        fd_end(&splice->from.info);
    return error;
}

static long offset_read(struct end *end)
{
    end->offset = IO_CURRENT;
    return end->user && user_read(&end->offset, (const void *)end->user, sizeof(end->offset))
               ? ERR(FAULT)
               : 0;
}

/* What the program's offset, if it gave one, may be for a description that is no pipe. */
static long offset_check(const struct end *end)
{
    if (!end->user)
        return 0;
    bool positions = end->kind == IO_KIND_FILE || end->kind == IO_KIND_DEVICE ||
                     end->kind == IO_KIND_PROC;
    return !positions || end->offset < 0 ? ERR(INVAL) : 0;
}

static long pipe_broken(struct end *to, long result)
{
    if (result == ERR(PIPE) && socket_raises_sigpipe(&to->info))
        signal_raise(LINUX_SIGPIPE);
    return result;
}

/* Both are sockd's. */
static long splice_inside(struct splice *splice, uint64_t flags)
{
    uint64_t sink = splice->to.info.slot;
    struct ipc_transfer transfer = {.caps = &sink, .cap_count = 1};
    struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = &transfer};
    if (splice->to.kind == IO_KIND_SOCKET)
        socket_set_deadline(&retry, &splice->to.info, LX_SO_SNDTIMEO);
    if (splice->from.kind == IO_KIND_SOCKET)
        socket_set_deadline(&retry, &splice->from.info, LX_SO_RCVTIMEO);
    struct sock_splice_reply reply = {0};
    long error = POSIX_CALL(&retry, sock_splice(splice->from.info.slot, splice->length, flags,
                                                &reply, &transfer));
    if (error)
        return pipe_broken(&splice->to, error);
    return (long)(reply.count < splice->length ? reply.count : splice->length);
}

/* What the pipe holds goes to a file, a device, a terminal or a named pipe. */
static long splice_out(struct splice *splice, void *buffer)
{
    struct end *from = &splice->from, *to = &splice->to;
    struct ar_segment out = {(uint64_t)buffer, splice->length};
    struct ipc_transfer transfer = {.out = &out, .out_count = 1};
    struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = &transfer};
    struct sock_peek_reply peek = {0};
    long result = POSIX_CALL(&retry, sock_peek(from->info.slot, splice->length,
                                               splice->nowait ? SOCK_SPLICE_NOWAIT : 0, &peek,
                                               &transfer));
    if (result || peek.count == 0 || peek.count > splice->length)
        return result;
    struct iov_list list = {.count = 1, .total = peek.count};
    list.segments[0] = (struct ar_segment){(uint64_t)buffer, peek.count};
    result = write_list(to->fd, &to->info, &list, to->offset, 0);
    if (result <= 0)
        return result;
    retry = (struct posix_retry){.server = ISSUER_SOCKD};
    POSIX_CALL(&retry, sock_drop(from->info.slot, (uint64_t)result));
    to->offset = offset_after(to->offset, (uint64_t)result);
    return to->user && user_write((void *)to->user, &to->offset, sizeof(to->offset)) ? ERR(FAULT)
                                                                                      : result;
}

/* A part of a file goes into a pipe, as much as there is room for. */
static long splice_in(struct splice *splice, void *buffer)
{
    struct end *from = &splice->from, *to = &splice->to;
    struct iov_list list = {.count = 1, .total = splice->length};
    list.segments[0] = (struct ar_segment){(uint64_t)buffer, splice->length};
    struct io_seek_reply seek = {.offset = from->offset};
    struct posix_retry retry = {.server = from->info.server};
    long result = 0;
    if (!from->user)
        result = POSIX_CALL(&retry, io_seek(from->info.slot, 0, 1, &seek));
    if (!result)
        result = read_list(from->fd, &from->info, &list, seek.offset, 0);
    if (result <= 0)
        return result;
    uint64_t count = list.segments[0].length = (uint64_t)result;
    struct ipc_transfer transfer = {.in = list.segments, .in_count = 1};
    struct io_write_reply reply = {0};
    retry = (struct posix_retry){
        .server = to->info.server, .transfer = &transfer, .no_wait = splice->nowait};
    result = POSIX_CALL(&retry, io_write(to->info.slot, IO_CURRENT,
                                         splice->nowait ? IO_NOWAIT : 0, count, &reply,
                                         &transfer));
    if (result)
        return pipe_broken(to, result);
    count = reply.count < count ? reply.count : count;
    seek.offset = offset_after(seek.offset, count);
    if (from->user)
        return user_write((void *)from->user, &seek.offset, sizeof(seek.offset)) ? ERR(FAULT)
                                                                                 : (long)count;
    retry = (struct posix_retry){.server = from->info.server};
    POSIX_CALL(&retry, io_seek(from->info.slot, seek.offset, 0, &seek));
    return (long)count;
}

static long splice_buffered(struct splice *splice, long (*move)(struct splice *, void *))
{
    if (splice->length > SPLICE_BUFFER)
        splice->length = SPLICE_BUFFER;
    void *buffer = private_alloc(splice->length);
    if (!buffer)
        return ERR(NOMEM);
    long result = move(splice, buffer);
    private_free(buffer);
    return result;
}

static bool splice_source(const struct end *end)
{
    return end->kind == IO_KIND_FILE || end->kind == IO_KIND_DEVICE || end->kind == IO_KIND_PROC;
}

static bool splice_sink(const struct end *end)
{
    return splice_source(end) || end->kind == IO_KIND_TERMINAL || end->kind == IO_KIND_STREAM ||
           is_pipe(end);
}

/* The checks, in Linux's order, once both descriptors are in use. */
static long splice_run(struct splice *splice)
{
    struct end *from = &splice->from, *to = &splice->to;
    long error = offset_read(to);
    if (!error)
        error = offset_read(from);
    long bad = end_look(from, LX_O_WRONLY), bad_sink = end_look(to, LX_O_RDONLY);
    if ((is_pipe(from) && from->user) || (is_pipe(to) && to->user))
        return ERR(SPIPE);
    if (error || bad || bad_sink)
        return error ? error : bad ? bad : bad_sink;
    if (!is_pipe(from) && !is_pipe(to))
        return ERR(INVAL);
    error = is_pipe(from) ? offset_check(to) : offset_check(from);
    if (error)
        return error;
    if (is_pipe(from) && (to->flags & LX_O_APPEND))
        return ERR(INVAL);
    bool from_ours = from->info.server == ISSUER_SOCKD, to_ours = to->info.server == ISSUER_SOCKD;
    bool from_moves = is_pipe(from) || from->kind == IO_KIND_SOCKET,
         to_moves = is_pipe(to) || to->kind == IO_KIND_SOCKET;
    if (from_ours && to_ours && from_moves && to_moves)
        return splice_inside(splice, splice->nowait ? SOCK_SPLICE_NOWAIT : 0);
    if (is_pipe(from) && from_ours && splice_sink(to)) {
        splice->nowait = splice->nowait || (from->flags & LX_O_NONBLOCK);
        return splice_buffered(splice, splice_out);
    }
    if (!splice_source(from) || !is_pipe(to))
        return ERR(INVAL);
    splice->nowait = splice->nowait || (to->flags & LX_O_NONBLOCK);
    return splice_buffered(splice, splice_in);
}

long splice_file(int from, const struct fd_info *from_info, int to, const struct fd_info *to_info,
                 uint64_t user, uint64_t length)
{
    struct splice splice = {.from = {.fd = from, .info = *from_info, .user = user},
                            .to = {.fd = to, .info = *to_info},
                            .length = length};
    long error = end_look(&splice.from, LX_O_WRONLY);
    if (error)
        return error;
    if (user && !splice_source(&splice.from))
        return ERR(SPIPE);
    if (is_pipe(&splice.from))
        return ERR(INVAL);
    return length ? splice_run(&splice) : 0;
}

long sys_splice(const uint64_t a[6])
{
    struct splice splice = {.from = {.fd = (int)a[0], .user = a[1]},
                            .to = {.fd = (int)a[2], .user = a[3]},
                            .length = a[4],
                            .nowait = a[5] & SPLICE_F_NONBLOCK};
    if (splice.length == 0)
        return 0;
    if ((uint32_t)a[5] & ~SPLICE_F_ALL)
        return ERR(INVAL);
    long result = splice_begin(&splice);
    if (result)
        return result;
    result = splice_run(&splice);
    splice_end(&splice);
    return result;
}

static long tee_run(struct splice *splice)
{
    long bad = end_look(&splice->from, LX_O_WRONLY), bad_sink = end_look(&splice->to, LX_O_RDONLY);
    if (bad || bad_sink)
        return bad ? bad : bad_sink;
    if (!is_pipe(&splice->from) || !is_pipe(&splice->to) ||
        splice->from.info.server != ISSUER_SOCKD || splice->to.info.server != ISSUER_SOCKD)
        return ERR(INVAL);
    return splice_inside(splice, SOCK_SPLICE_COPY | (splice->nowait ? SOCK_SPLICE_NOWAIT : 0));
}

long sys_tee(const uint64_t a[6])
{
    struct splice splice = {.from = {.fd = (int)a[0]},
                            .to = {.fd = (int)a[1]},
                            .length = a[2],
                            .nowait = a[3] & SPLICE_F_NONBLOCK};
    if ((uint32_t)a[3] & ~SPLICE_F_ALL)
        return ERR(INVAL);
    if (splice.length == 0)
        return 0;
    long result = splice_begin(&splice);
    if (result)
        return result;
    result = tee_run(&splice);
    splice_end(&splice);
    return result;
}

/* Into a pipe or out of it, once, as far as it goes. */
static long vmsplice_run(struct end *end, struct iov_list *list, bool nowait)
{
    struct iov_window window;
    bool out = (end->flags & LX_O_ACCMODE) == LX_O_RDONLY;
    if (end->info.server != ISSUER_SOCKD)
        return ERR(INVAL);
    long result = iov_window_begin(&window, list, 0, AR_MSG_SEGS, out);
    if (result)
        return result;
    struct ipc_transfer transfer = {.in = out ? NULL : window.segments,
                                    .in_count = out ? 0 : window.count,
                                    .out = out ? window.segments : NULL,
                                    .out_count = out ? window.count : 0};
    struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = &transfer, .no_wait = nowait};
    struct io_read_reply got = {0};
    struct io_write_reply put = {0};
    uint64_t flags = nowait ? IO_NOWAIT : 0;
    if (out)
        result = POSIX_CALL(&retry, io_read(end->info.slot, IO_CURRENT, flags, window.length, &got,
                                            &transfer));
    else
        result = POSIX_CALL(&retry, io_write(end->info.slot, IO_CURRENT, flags, window.length,
                                             &put, &transfer));
    uint64_t count = out ? got.count : put.count;
    if (count > window.length)
        count = window.length;
    long copied = iov_window_end(&window, list, 0, out ? count : 0);
    if (result)
        return pipe_broken(end, result);
    return copied ? copied : (long)count;
}

long sys_vmsplice(const uint64_t a[6])
{
    struct end end = {.fd = (int)a[0]};
    if ((uint32_t)a[3] & ~SPLICE_F_ALL)
        return ERR(INVAL);
    long result = fd_begin(end.fd, NULL, &end.info);
    if (result)
        return result;
    struct iov_list list;
    result = end_look(&end, LX_O_ACCMODE);
    if (!result)
        result = iov_import(&list, a[1], a[2]);
    if (!result && !is_pipe(&end))
        result = ERR(BADF);
    if (!result && list.total)
        result = vmsplice_run(&end, &list, a[3] & SPLICE_F_NONBLOCK);
    fd_end(&end.info);
    return result;
}
