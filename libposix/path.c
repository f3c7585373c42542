/*
 * From a path in the program's memory to the server that resolves it: the first gate, and the
 * way through mounts. path_resolution(7). SPDX-License-Identifier: MIT
 */
#include "files.h"

#include <ipc/kernel.h>
#include <proto/console.h>
#include <proto/proc.h>
#include <proto/sock.h>

#define REDIRECTS_MAX 8 /* mounts crossed in one path; more is a loop */

/* A private copy of the working directory's gate: chdir in another thread replaces the slot
 * under the same lock. */
static long cwd_begin(struct path *path)
{
    path->server = ISSUER_FILED;
    path->target = POSIX_SLOT_CWD;
    if (process.threads <= 1)
        return 0;
    ar_cap slot = thread_slot(path->second ? POSIX_TS_CALL2 : POSIX_TS_CALL);
    lock_take(&process.lock);
    enum ar_error error = ar_cap_copy(AR_CAP_SELF, slot, AR_CAP_SELF, POSIX_SLOT_CWD, AR_ALL);
    lock_release(&process.lock);
    if (error)
        return ERR(IO);
    path->target = slot;
    path->dir = (struct fd_info){.slot = slot, .server = ISSUER_FILED, .copied = 1};
    path->held = true;
    return 0;
}

static long descriptor_begin(struct path *path, int dirfd)
{
    long error =
        path->second ? fd_begin2(dirfd, NULL, &path->dir) : fd_begin(dirfd, NULL, &path->dir);
    if (error)
        return error;
    path->held = true;
    path->target = path->dir.slot;
    path->server = path->dir.server;
    if (path->length > 0 && (path->server == ISSUER_SOCKD || path->server == ISSUER_CONSOLED)) {
        path_end(path);
        return ERR(NOTDIR);
    }
    return 0;
}

static long begin(struct path *path, int dirfd, uint64_t user, bool empty_ok)
{
    path->held = false;
    path->redirects = 0;
    long length = user_read_string(path->buffer, (const void *)user, sizeof(path->buffer));
    if (length < 0)
        return length;
    if (length == 0 && !empty_ok)
        return ERR(NOENT);
    path->text = path->buffer;
    path->length = (uint64_t)length;
    if (path->buffer[0] == '/') {
        path->target = POSIX_SLOT_FILED;
        path->server = ISSUER_FILED;
        return 0;
    }
    return dirfd == LX_AT_FDCWD ? cwd_begin(path) : descriptor_begin(path, dirfd);
}

long path_begin(struct path *path, int dirfd, uint64_t user, bool empty_ok)
{
    path->second = false;
    return begin(path, dirfd, user, empty_ok);
}

long path_begin_second(struct path *path, int dirfd, uint64_t user)
{
    path->second = true;
    return begin(path, dirfd, user, false);
}

long path_begin_text(struct path *path, const char *text, uint64_t length)
{
    path->second = true; /* the first private slot is the socket's */
    path->held = false;
    path->redirects = 0;
    path->text = text;
    path->length = length;
    path->target = POSIX_SLOT_FILED;
    path->server = ISSUER_FILED;
    return length > 0 && text[0] == '/' ? 0 : cwd_begin(path);
}

void path_end(struct path *path)
{
    if (path->held)
        fd_end(&path->dir);
    if (path->redirects > 0)
        slot_delete(thread_slot(FILES_TS_MOUNT));
    path->held = false;
    path->redirects = 0;
}

void path_request_begin(const struct path *path, struct path_request *request)
{
    *request = (struct path_request){
        .in[0] = {(uint64_t)path->text, path->length},
        .transfer = {.recv_slots = receive_slots(), .recv_slot_count = 1, .in_count = 1},
        .retry = {.server = path->server},
    };
    request->transfer.in = request->in;
    request->transfer.out = &request->out;
    request->retry.transfer = &request->transfer;
}

long path_redirect(struct path *path, struct path_request *request, uint64_t rest)
{
    struct ipc_transfer *transfer = &request->transfer;
    if (transfer->received_count != 1 || transfer->first_received.kind != AR_RECEIVED_CAP ||
        rest > path->length) {
        receive_slots_clear();
        return ERR(IO);
    }
    if (path->redirects >= REDIRECTS_MAX) {
        receive_slots_clear();
        return ERR(LOOP);
    }
    ar_cap slot = thread_slot(FILES_TS_MOUNT);
    slot_delete(slot);
    if (ar_cap_move(AR_CAP_SELF, slot, AR_CAP_SELF, (ar_cap)transfer->first_received.value)) {
        receive_slots_clear();
        return ERR(IO);
    }
    path->redirects++;
    path->target = slot;
    path->server = (unsigned)transfer->first_received.issuer;
    path->text += path->length - rest;
    path->length = rest;
    return 0;
}

/* The terminal's device nodes lead to consoled's root gate. */
static long console_descriptor(struct path *path, uint64_t flags, unsigned *kind)
{
    struct path_request request;
    path_request_begin(path, &request);
    request.transfer.in_count = 0;
    struct console_open_reply reply;
    long error = POSIX_CALL(&request.retry,
                            console_open(path->target, flags & (LX_O_ACCMODE | LX_O_NONBLOCK),
                                         &reply, &request.transfer));
    *kind = error ? 0 : (unsigned)reply.kind;
    return error;
}

/* /proc/net/unix leads to sockd's root gate. */
static long socket_table_descriptor(struct path *path, uint64_t flags, unsigned *kind)
{
    struct path_request request;
    path_request_begin(path, &request);
    request.transfer.in_count = 0;
    *kind = IO_KIND_PROC;
    return POSIX_CALL(&request.retry, sock_table(path->target, flags, &request.transfer));
}

/* Has the caller's session the terminal? Then /dev/tty is it; else ENXIO (tty(4)). */
static long terminal_own(void)
{
    struct proc_foreground_reply reply;
    return PROC_CALL(proc_foreground(POSIX_SLOT_PROCD, 0, 0, &reply)) ? ERR(NXIO) : 0;
}

/* Who made the descriptor is read off the capability: the working directory may lie in another
 * server's mount. */
long path_open(struct path *path, uint64_t flags, uint64_t mode, unsigned *kind, unsigned *server)
{
    int fd = -1;
    int about = path_own_fd_info(path);
    if (about >= 0)
        return fd_info_open(about, kind, server);
    long own = path_own_follow(path, !(flags & LX_O_NOFOLLOW), &fd);
    if (own || fd >= 0)
        return own ? own : path_own_duplicate(fd, kind, server);
    for (;;) {
        *server = path->server;
        if (path->server == ISSUER_CONSOLED)
            return console_descriptor(path, flags, kind);
        if (path->server == ISSUER_SOCKD)
            return socket_table_descriptor(path, flags, kind);
        struct path_request request;
        path_request_begin(path, &request);
        struct fs_open_reply reply;
        long error = POSIX_CALL(&request.retry, fs_open(path->target, path->length, flags, mode,
                                                        &reply, &request.transfer));
        if (error == ERR(XDEV) && path_own_alias(path))
            /* once: what it is now is no alias */
            return path_open(path, flags, mode, kind, server);
        if (error)
            return error;
        if (request.retry.status != ST_REDIRECT) {
            *kind = (unsigned)reply.kind;
            *server = (unsigned)request.transfer.first_received.issuer;
            return 0;
        }
        error = path_redirect(path, &request, reply.rest);
        if (!error && path->server == ISSUER_CONSOLED && reply.kind == IO_KIND_TERMINAL)
            error = terminal_own();
        if (error)
            return error;
    }
}
