/*
 * Bytes from one descriptor to another: sendfile(2), copy_file_range(2). splice.c has the
 * splice(2) family. SPDX-License-Identifier: MIT
 */
#include "files.h"

#define COPY_BUFFER 65536u

struct copy {
    struct fd_info from_info, to_info;
    int from, to;
    int64_t from_offset, to_offset; /* to_offset may be IO_CURRENT */
    uint64_t length;
};

/* Until `length` bytes, end of file or an error. What was read but not taken by a short write is
 * read again next time: reading is by position only. */
static long copy_run(struct copy *copy)
{
    void *buffer = private_alloc(COPY_BUFFER);
    if (!buffer)
        return ERR(NOMEM);
    uint64_t done = 0;
    long result = 0;
    while (done < copy->length) {
        uint64_t part = copy->length - done < COPY_BUFFER ? copy->length - done : COPY_BUFFER;
        struct iov_list list = {.count = 1, .total = part};
        list.segments[0] = (struct ar_segment){(uint64_t)buffer, part};
        result = read_list(copy->from, &copy->from_info, &list,
                           offset_after(copy->from_offset, done), 0);
        if (result <= 0)
            break;
        list.segments[0].length = list.total = (uint64_t)result;
        result = write_list(copy->to, &copy->to_info, &list, offset_after(copy->to_offset, done), 0);
        if (result < 0)
            break;
        done += (uint64_t)result;
        if ((uint64_t)result < list.total)
            break;
    }
    private_free(buffer);
    return done ? (long)done : result;
}

/* Where to start: the program's number, or the description's own offset. */
static long offset_get(const struct fd_info *info, uint64_t user, int64_t *offset)
{
    if (user) {
        if (user_read(offset, (const void *)user, sizeof(*offset)))
            return ERR(FAULT);
        return *offset < 0 ? ERR(INVAL) : 0;
    }
    struct posix_retry retry = {.server = info->server};
    struct io_seek_reply reply = {0};
    long error = POSIX_CALL(&retry, io_seek(info->slot, 0, 1, &reply));
    *offset = reply.offset;
    return !error && *offset < 0 ? ERR(IO) : error;
}

static long offset_put(const struct fd_info *info, uint64_t user, int64_t offset)
{
    if (user)
        return user_write((void *)user, &offset, sizeof(offset));
    struct posix_retry retry = {.server = info->server};
    struct io_seek_reply reply;
    return POSIX_CALL(&retry, io_seek(info->slot, offset, 0, &reply));
}

static long copy_begin(struct copy *copy)
{
    long error = fd_begin(copy->from, NULL, &copy->from_info);
    if (error)
        return error;
    error = fd_begin2(copy->to, NULL, &copy->to_info);
    if (error)
        fd_end(&copy->from_info);
    return error;
}

static void copy_end(struct copy *copy)
{
    fd_end(&copy->to_info);
    fd_end(&copy->from_info);
}

/* 1: what is written goes to the end; 0, or -errno. */
static long appends(const struct fd_info *info)
{
    struct posix_retry retry = {.server = info->server};
    struct io_get_flags_reply flags;
    long error = POSIX_CALL(&retry, io_get_flags(info->slot, &flags));
    return error ? error : (flags.flags & LX_O_APPEND) != 0;
}

static long sendfile_run(struct copy *copy, uint64_t user)
{
    if (fd_kind(copy->to, &copy->to_info) == IO_KIND_PIPE)
        return splice_file(copy->from, &copy->from_info, copy->to, &copy->to_info, user,
                           copy->length);
    unsigned kind = fd_kind(copy->from, &copy->from_info);
    if (kind != IO_KIND_FILE && kind != IO_KIND_DEVICE && kind != IO_KIND_PROC)
        return user && (kind == IO_KIND_PIPE || kind == IO_KIND_SOCKET) ? ERR(SPIPE) : ERR(INVAL);
    long result = offset_get(&copy->from_info, user, &copy->from_offset);
    if (!result && copy->to_info.kind == IO_KIND_FILE && (result = appends(&copy->to_info)) > 0)
        return ERR(INVAL);
    if (result)
        return result;
    result = copy_run(copy);
    if (result <= 0)
        return result;
    long error = offset_put(&copy->from_info, user, offset_after(copy->from_offset, (uint64_t)result));
    return error && user ? error : result;
}

long sys_sendfile(const uint64_t a[6])
{
    struct copy copy = {
        .to = (int)a[0], .from = (int)a[1], .to_offset = IO_CURRENT, .length = a[3]};
    if (copy.length > LX_RW_MAX)
        copy.length = LX_RW_MAX;
    long result = copy_begin(&copy);
    if (result)
        return result;
    result = sendfile_run(&copy, a[2]);
    copy_end(&copy);
    return result;
}

static long copy_range_run(struct copy *copy, uint64_t from_user, uint64_t to_user)
{
    unsigned from_kind = fd_kind(copy->from, &copy->from_info),
             to_kind = fd_kind(copy->to, &copy->to_info);
    if (from_kind == IO_KIND_DIRECTORY || to_kind == IO_KIND_DIRECTORY)
        return ERR(ISDIR);
    if (from_kind != IO_KIND_FILE || to_kind != IO_KIND_FILE)
        return ERR(INVAL);
    long error = appends(&copy->to_info);
    if (error)
        return error < 0 ? error : ERR(BADF);
    error = offset_get(&copy->from_info, from_user, &copy->from_offset);
    if (!error)
        error = offset_get(&copy->to_info, to_user, &copy->to_offset);
    if (error)
        return error;
    struct fd_identity from, to;
    bool same = !fd_identify(copy->from, &from) && !fd_identify(copy->to, &to) &&
                from.badge == to.badge && from.issuer == to.issuer;
    int64_t distance = copy->from_offset - copy->to_offset;
    if (same && (uint64_t)(distance < 0 ? -distance : distance) < copy->length)
        return ERR(INVAL);
    long result = copy_run(copy);
    if (result <= 0)
        return result;
    error = offset_put(&copy->from_info, from_user, offset_after(copy->from_offset, (uint64_t)result));
    if (!error)
        error = offset_put(&copy->to_info, to_user, offset_after(copy->to_offset, (uint64_t)result));
    return error ? error : result;
}

long sys_copy_file_range(const uint64_t a[6])
{
    struct copy copy = {.from = (int)a[0], .to = (int)a[2], .length = a[4]};
    if (copy.length > LX_RW_MAX)
        copy.length = LX_RW_MAX;
    long result = copy_begin(&copy);
    if (result)
        return result;
    result = (uint32_t)a[5] ? ERR(INVAL) : copy_range_run(&copy, a[1], a[3]);
    copy_end(&copy);
    return result;
}
