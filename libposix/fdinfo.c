/*
 * /proc/self/fdinfo/N: what the holder alone can ask about a descriptor. The text is put into a pipe,
 * whose read end is what open(2) gives; so, unlike on Linux, it cannot be sought, and says what was
 * so when it was opened. SPDX-License-Identifier: MIT
 */
#include "files.h"

#include <proto/proc.h>
#include <proto/sock.h>

enum { TEXT_MAX = 256 };

/* The process behind a pidfd; -1: it is gone. */
static bool process_of(const struct fd_info *info, int32_t *pid)
{
    struct posix_retry retry = {.server = info->server};
    struct proc_pidfd_process_reply reply = {0};
    if (info->server != ISSUER_PROCD ||
        POSIX_CALL(&retry, proc_pidfd_process(info->slot, &reply)) != 0)
        return false;
    *pid = (int32_t)reply.pid;
    return true;
}

static long text_make(int fd, char *text)
{
    struct fd_info info;
    if (fd_begin(fd, NULL, &info))
        return ERR(NOENT);
    struct posix_retry retry = {.server = info.server};
    struct io_get_flags_reply flags = {0};
    struct io_stat_reply stat = {0};
    struct io_seek_reply at = {0};
    int32_t pid;
    POSIX_CALL(&retry, io_get_flags(info.slot, &flags));
    POSIX_CALL(&retry, io_stat(info.slot, &stat));
    POSIX_CALL(&retry, io_seek(info.slot, 0, 1 /* SEEK_CUR */, &at));
    /* octal, by hand */
    char octal[24], *digit = octal + sizeof(octal);
    *--digit = 0;
    uint64_t bits = flags.flags | (fd_get_cloexec(fd) > 0 ? LX_O_CLOEXEC : 0);
    do
        *--digit = (char)('0' + bits % 8);
    while (bits /= 8);
    size_t length = format_text(text, TEXT_MAX, "pos:\t%lu\nflags:\t0%s\nmnt_id:\t%lu\nino:\t%lu\n",
                                at.offset, digit, stat.dev, stat.ino);
    if (process_of(&info, &pid))
        length += format_text(text + length, TEXT_MAX - length, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
    fd_end(&info);
    return (long)length;
}

long fd_info_open(int fd, unsigned *kind, unsigned *server)
{
    char text[TEXT_MAX];
    long length = text_make(fd, text);
    if (length < 0)
        return length;
    struct ipc_transfer transfer = {.recv_slots = receive_slots(), .recv_slot_count = 2};
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    long error = POSIX_CALL(&retry, sock_pipe(POSIX_SLOT_SOCKD, 0, &transfer));
    if (error)
        return error;
    struct ar_segment segment = {(uint64_t)text, (uint64_t)length};
    struct ipc_transfer in = {.in = &segment, .in_count = 1};
    struct io_write_reply written;
    retry = (struct posix_retry){.server = ISSUER_SOCKD, .transfer = &in};
    error = POSIX_CALL(&retry, io_write(receive_slots()[1], IO_CURRENT, IO_NOWAIT,
                                        (uint64_t)length, &written, &in));
    slot_delete(receive_slots()[1]);
    if (error)
        slot_delete(receive_slots()[0]);
    *kind = IO_KIND_PIPE;
    *server = ISSUER_SOCKD;
    return error;
}
