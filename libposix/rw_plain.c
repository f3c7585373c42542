/*
 * The short way of read(2) and write(2): one buffer, sockd's sockets, pipes and event counters. It is
 * what most programs do most of the time, so it is written to be straight: a request that is answered
 * at once goes through no loop and no structure in memory. Whatever else happens is for the functions
 * that are not inlined. SPDX-License-Identifier: MIT
 */
#include "rw.h"
#include "fd_table.h"
#include "tail.h"

/*
 * READING, FORESEEN. Whoever had to wait in a read of a descriptor will often have to again: the other
 * side is asked something, and then its answer is read. Such a read used to be three steps: ask and be
 * told to wait, wait, ask again. So a thread that has waited says IO_FORESEE when it then reads; if
 * sockd finds that one more read would have to wait, it arms the wake-up at once, and the next read
 * begins with waiting. What is armed is known by thread->read_armed together with the descriptor's
 * FD_ARMED, and forgotten whenever anything takes wake-ups off the notification: then a read simply
 * asks. A wake-up that nobody waits for any more is a spurious one to a later wait.
 */

/* ---- reading --------------------------------------------------------------------------------- */

/* One try. */
static inline __attribute__((always_inline)) enum status
read_try(ar_cap slot, const struct ar_segment *segment, uint64_t flags,
         struct io_read_reply *reply, unsigned *tail_words)
{
    struct ipc_transfer transfer = {.out = segment, .out_count = 1};
    enum status status = io_read(slot, IO_CURRENT, flags, segment->length, reply, &transfer);
    *tail_words = transfer.tail_words;
    return status;
}

/* It has been read: how much the program has now, or -errno. */
static inline long read_end(const struct ar_segment *segment, uint64_t count, unsigned tail_words)
{
    if (count > segment->length)
        return ERR(IO);
    if (!tail_words)
        return (long)count;
    if (count > 8 * tail_words)
        return ERR(IO);
    /* Not there after all: another thread unmapped it meanwhile. */
    return copy_bytes((void *)segment->address, ipc_tail(), count) ? ERR(FAULT) : (long)count;
}

/* What sockd says of the next read. */
static inline void read_note_armed(int fd, const struct io_read_reply *reply)
{
    if (!reply->armed)
        return;
    FD_TABLE[fd].used |= FD_ARMED;
    thread_self()->read_armed = fd + 1;
}

/* The first try was not ST_OK. With IO_FORESEE in `flags` it is the descriptor itself that is read,
 * and no copy. */
static __attribute__((noinline)) long read_again(int fd, struct fd_info *info,
                                                 const struct ar_segment *segment, uint64_t flags,
                                                 enum status status)
{
    struct ipc_transfer transfer = {.out = segment, .out_count = segment->length > 0};
    struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = &transfer};
    struct io_read_reply reply = {0};
    unsigned tail_words = 0;
    socket_set_deadline(&retry, info, LX_SO_RCVTIMEO);
    while (!posix_done(&retry, status) && posix_again(&retry, status))
        status = read_try(info->slot, segment, flags | io_again(&retry), &reply, &tail_words);
    /* Not for this way: a low-water mark, memory that is not there. */
    if (retry.status == ST_REDIRECT || retry.memory_bad)
        return move_single(fd, info, segment, 0, IO_CURRENT, 0, READING);
    if (retry.result)
        return retry.result;
    read_note_armed(fd, &reply);
    return read_end(segment, reply.count, tail_words);
}

long read_plain(int fd, struct fd_info *info, const struct ar_segment *segment)
{
    uint64_t flags = tail_fits(segment) ? IO_TAIL : 0;
    struct io_read_reply reply = {0};
    unsigned tail_words;
    enum status status = read_try(info->slot, segment, flags, &reply, &tail_words);
    return status == ST_OK ? read_end(segment, reply.count, tail_words)
                           : read_again(fd, info, segment, flags, status);
}

static __attribute__((noinline)) long read_slowly(int fd, const struct ar_segment *segment,
                                                  uint64_t flags, enum status status)
{
    struct fd_info info;
    fd_look(fd, &info);
    return read_again(fd, &info, segment, flags | IO_FORESEE, status);
}

/* The wake-up is armed: the flags to ask with when it has come, 0 after a signal. One that had come
 * before ends no wait: then the description's flags count as they are now. */
static uint64_t read_wait_armed(struct posix_thread *thread)
{
    thread->read_armed = 0;
    enum wait_result result = posix_wait(0);
    if (result == WAIT_WOKEN)
        return IO_FORESEE;
    if (result == WAIT_TIMED_OUT)
        result = posix_wait(AR_NO_DEADLINE);
    return result == WAIT_INTERRUPTED ? 0 : IO_FORESEE | IO_AGAIN;
}

long sys_read(const uint64_t a[6])
{
    int fd = (int)a[0];
    const struct ar_segment segment = {a[1], a[2]};
    struct posix_thread *thread = thread_self();
    if (!fd_is_plain(fd) || segment.length > LX_RW_MAX ||
        !user_range_ok((const void *)segment.address, segment.length))
        return move_buffer(fd, a[1], a[2], IO_CURRENT, READING);
    uint64_t flags = tail_fits(&segment) ? IO_TAIL : 0;
    if (fd_read_armed(thread, fd) && flags) {
        uint64_t armed = read_wait_armed(thread);
        if (!armed)
            return -POSIX_RESTART;
        flags |= armed;
    }
    struct io_read_reply reply = {0};
    unsigned tail_words;
    enum status status = read_try(fd_slot(fd), &segment, flags, &reply, &tail_words);
    if (status != ST_OK)
        return read_slowly(fd, &segment, flags, status);
    read_note_armed(fd, &reply);
    return read_end(&segment, reply.count, tail_words);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* One try: few bytes go with the message. If they are not there they are declared like many: whether
 * that matters is the server's to say, which may have another error first. */
static inline __attribute__((always_inline)) enum status
write_try(ar_cap slot, const struct ar_segment *segment, uint64_t flags, uint64_t *count)
{
    uint64_t length = segment->length;
    struct io_write_reply reply = {0};
    struct ipc_transfer transfer = {.in = segment, .in_count = 1};
    if (length - 1 < IPC_TAIL_BYTES) {
        uint64_t *tail = ipc_tail();
        tail[(length - 1) / 8] = 0;
        if (!copy_bytes(tail, (const void *)segment->address, length))
            transfer.tail_words = (unsigned)(length + 7) / 8;
    }
    enum status status = io_write(slot, IO_CURRENT, flags, length, &reply, &transfer);
    *count = reply.count;
    return status;
}

/* The first try was not ST_OK, or took only `count` bytes. */
static __attribute__((noinline)) long write_again(int fd, struct fd_info *info,
                                                  const struct ar_segment *segment, uint64_t count,
                                                  enum status status)
{
    struct ipc_transfer transfer = {.in = segment, .in_count = segment->length > 0};
    struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = &transfer};
    socket_set_deadline(&retry, info, LX_SO_SNDTIMEO);
    while (!posix_done(&retry, status) && posix_again(&retry, status))
        status = write_try(info->slot, segment, io_again(&retry), &count);
    if (retry.result == ERR(PIPE))
        pipe_signal(fd, info, 0, retry.waited);
    if (retry.result)
        return retry.result;
    if (count >= segment->length)
        return (long)segment->length;
    if (count == 0 || info->kind == IO_KIND_EVENT)
        return (long)count;
    return move_single(fd, info, segment, count, IO_CURRENT, io_again(&retry), WRITING);
}

long write_plain(int fd, struct fd_info *info, const struct ar_segment *segment)
{
    uint64_t count;
    enum status status = write_try(info->slot, segment, 0, &count);
    if (status == ST_OK && count == segment->length)
        return (long)count;
    return write_again(fd, info, segment, count, status);
}

static __attribute__((noinline)) long write_slowly(int fd, const struct ar_segment *segment,
                                                   uint64_t count, enum status status)
{
    struct fd_info info;
    fd_look(fd, &info);
    return write_again(fd, &info, segment, count, status);
}

long sys_write(const uint64_t a[6])
{
    int fd = (int)a[0];
    const struct ar_segment segment = {a[1], a[2]};
    if (!fd_is_plain(fd) || segment.length > LX_RW_MAX ||
        !user_range_ok((const void *)segment.address, segment.length))
        return move_buffer(fd, a[1], a[2], IO_CURRENT, WRITING);
    uint64_t count;
    enum status status = write_try(fd_slot(fd), &segment, 0, &count);
    if (status == ST_OK && count == segment.length)
        return (long)count;
    return write_slowly(fd, &segment, count, status);
}
