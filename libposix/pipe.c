/*
 * pipe(2) and eventfd(2). SPDX-License-Identifier: MIT
 */
#include "files.h"

#include <proto/sock.h>

/* Two gates came in these slots of fd_expect: make descriptors of both or of none, and tell the
 * program. */
static long install_pair(const ar_cap slots[2], uint64_t user, bool cloexec, unsigned kind)
{
    int32_t fds[2];
    fds[0] = fd_install(slots[0], 0, cloexec, kind, ISSUER_SOCKD);
    if (fds[0] < 0) {
        slot_delete(slots[1]);
        return fds[0];
    }
    fds[1] = fd_install(slots[1], 0, cloexec, kind, ISSUER_SOCKD);
    if (fds[1] < 0) {
        fd_close(fds[0]);
        return fds[1];
    }
    if (user_write((void *)user, fds, sizeof(fds))) {
        fd_close(fds[1]);
        fd_close(fds[0]);
        return ERR(FAULT);
    }
    return 0;
}

/* Is there room for two, and can they be told? Looked at first, so that a bad pointer never makes us
 * close a number that another thread may have got meanwhile. */
static long pair_check(uint64_t user)
{
    struct ar_segment segment;
    if (fd_table_room() < 2)
        return ERR(MFILE);
    if (user_segment(&segment, (void *)user, 2 * sizeof(int32_t)))
        return ERR(FAULT);
    return user_touch(&segment, 1, true);
}

static long pipe_make(uint64_t user, uint32_t flags)
{
    if (flags & ~(uint32_t)(LX_O_CLOEXEC | LX_O_NONBLOCK | LX_O_DIRECT))
        return ERR(INVAL);
    ar_cap slots[2];
    long error = pair_check(user);
    if (!error)
        error = fd_expect(slots, 2);
    if (error)
        return error;
    struct ipc_transfer transfer = {.recv_slots = slots, .recv_slot_count = 2};
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    error =
        POSIX_CALL(&retry, sock_pipe(POSIX_SLOT_SOCKD, flags & ~(uint64_t)LX_O_CLOEXEC, &transfer));
    return error ? error : install_pair(slots, user, flags & LX_O_CLOEXEC, IO_KIND_PIPE);
}

long sys_pipe(const uint64_t a[6])
{
    return pipe_make(a[0], 0);
}

long sys_pipe2(const uint64_t a[6])
{
    return pipe_make(a[0], (uint32_t)a[1]);
}

long sys_socketpair(const uint64_t a[6])
{
    uint32_t type = (uint32_t)a[1];
    if (type & ~(uint32_t)(LX_SOCK_TYPE_MASK | LX_SOCK_CLOEXEC | LX_SOCK_NONBLOCK))
        return ERR(INVAL);
    ar_cap slots[2];
    long error = pair_check(a[3]);
    if (!error)
        error = fd_expect(slots, 2);
    if (error)
        return error;
    struct ipc_transfer transfer = {.recv_slots = slots, .recv_slot_count = 2};
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    error = POSIX_CALL(&retry, sock_socket_pair(POSIX_SLOT_SOCKD, (uint64_t)(int32_t)a[0],
                                                type & ~(uint64_t)LX_SOCK_CLOEXEC,
                                                (uint64_t)(int32_t)a[2], &transfer));
    return error ? error : install_pair(slots, a[3], type & LX_SOCK_CLOEXEC, IO_KIND_SOCKET);
}

#define EFD_SEMAPHORE 1u

static long eventfd_make(uint32_t initial, uint32_t flags)
{
    if (flags & ~(uint32_t)(EFD_SEMAPHORE | LX_O_CLOEXEC | LX_O_NONBLOCK))
        return ERR(INVAL);
    struct ipc_transfer transfer = {.recv_slots = receive_slots(), .recv_slot_count = 1};
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    long error = POSIX_CALL(&retry, sock_event(POSIX_SLOT_SOCKD, 0, initial,
                                               flags & ~(uint64_t)LX_O_CLOEXEC, &transfer));
    return error ? error
                 : fd_install(receive_slots()[0], 0, flags & LX_O_CLOEXEC, IO_KIND_EVENT,
                              ISSUER_SOCKD);
}

long sys_eventfd(const uint64_t a[6])
{
    return eventfd_make((uint32_t)a[0], 0);
}

long sys_eventfd2(const uint64_t a[6])
{
    return eventfd_make((uint32_t)a[0], (uint32_t)a[1]);
}

/* ---- not here yet: callers fall back --------------------------------------------------------- */

long sys_inotify_init(const uint64_t a[6])
{
    (void)a;
    return ERR(NOSYS);
}

long sys_inotify_init1(const uint64_t a[6])
{
    (void)a;
    return ERR(NOSYS);
}

long sys_inotify_add_watch(const uint64_t a[6])
{
    (void)a;
    return ERR(NOSYS);
}

long sys_inotify_rm_watch(const uint64_t a[6])
{
    (void)a;
    return ERR(NOSYS);
}
