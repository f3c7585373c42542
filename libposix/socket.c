/*
 * Sockets and their names: socket(2), bind(2), listen(2), accept(2), connect(2), shutdown(2),
 * getsockname(2).
 *
 * A pathname lives in two servers. filed has the node and checks permissions, sockd has the
 * socket; what joins them is the name gate, a capability of sockd's that filed keeps in the
 * node. The two never call each other: we carry the gate from one to the other, and cannot make
 * or change it. SPDX-License-Identifier: MIT
 */
#include "files.h"
#include "fd_table.h"

#include <ipc/kernel.h>
#include <proto/sock.h>

long socket_begin(int fd, struct fd_info *info)
{
    if (fd_is(fd, IO_KIND_SOCKET)) {
        *info = (struct fd_info){fd_slot(fd), IO_KIND_SOCKET, ISSUER_SOCKD, FD_TABLE[fd].cloexec,
                                 false};
        return 0;
    }
    long error = fd_begin(fd, NULL, info);
    if (error)
        return error;
    if (info->server == ISSUER_SOCKD && fd_kind(fd, info) == IO_KIND_SOCKET)
        return 0;
    fd_end(info);
    return ERR(NOTSOCK);
}

/* ---- addresses ------------------------------------------------------------------------------- */

long socket_address_read(union socket_address *address, uint64_t user, int32_t length)
{
    if (length < 0 || length > LX_SOCKADDR_MAX)
        return ERR(INVAL);
    return user_read(address, (const void *)user, (size_t)length);
}

long socket_address_write(uint64_t user, uint64_t user_length, const union socket_address *address,
                          uint64_t length)
{
    int32_t room, full = (int32_t)length;
    if (user_read(&room, (const void *)user_length, sizeof(room)))
        return ERR(FAULT);
    if (room < 0)
        return ERR(INVAL);
    if (room > full)
        room = full;
    if (room > LX_SOCKADDR_MAX)
        room = LX_SOCKADDR_MAX;
    if (user_write((void *)user, address, (size_t)room))
        return ERR(FAULT);
    return user_write((void *)user_length, &full, sizeof(full));
}

bool socket_address_is_path(const union socket_address *address, uint64_t length)
{
    return length > offsetof(struct linux_sockaddr_un, path) &&
           length <= sizeof(struct linux_sockaddr_un) && address->un.family == LX_AF_UNIX &&
           address->un.path[0] != 0;
}

/* The path in an address ends at its first NUL or where the address does. */
static uint64_t address_path_length(const union socket_address *address, uint64_t length)
{
    return strnlen(address->un.path, length - offsetof(struct linux_sockaddr_un, path));
}

/* One try: a short path goes with the message. */
static enum status lookup_try(const struct path *path, struct ipc_transfer *transfer)
{
    if (path->length - 1 < IPC_TAIL_BYTES) {
        uint64_t *tail = ipc_tail();
        tail[(path->length - 1) / 8] = 0;
        ipc_tail_copy(tail, path->text, path->length);
        transfer->tail_words = (unsigned)(path->length + 7) / 8;
    }
    return fs_lookup_socket(path->target, path->length, transfer);
}

/* The name gate behind a pathname into receive slot 0. */
static long name_receive(const union socket_address *address, uint64_t length)
{
    struct path path;
    int fd;
    long error = path_begin_text(&path, address->un.path, address_path_length(address, length));
    if (error)
        return error;
    error = path_own_follow(&path, true, &fd);
    if (error || fd >= 0) {
        path_end(&path);
        return error ? error : ERR(CONNREFUSED);
    }
    struct ar_segment in = {(uint64_t)path.text, path.length};
    struct ipc_transfer transfer = {
        .in = &in, .in_count = 1, .recv_slots = receive_slots(), .recv_slot_count = 1};
    struct posix_retry retry = {.server = path.server, .transfer = &transfer};
    error = POSIX_CALL(&retry, lookup_try(&path, &transfer));
    path_end(&path);
    return error;
}

long socket_find_name(const union socket_address *address, uint64_t length)
{
    long error = name_receive(address, length);
    if (error)
        return error;
    ar_cap slot = thread_slot(FILES_TS_MOUNT);
    slot_delete(slot);
    if (ar_cap_move(AR_CAP_SELF, slot, AR_CAP_SELF, receive_slots()[0])) {
        receive_slots_clear();
        return ERR(IO);
    }
    return 0;
}

/* ---- making ---------------------------------------------------------------------------------- */

#define SOCK_TYPES_END 11 /* socket types are below this, known or not */
#define FAMILIES_END 46

long sys_socket(const uint64_t a[6])
{
    int32_t domain = (int32_t)a[0];
    uint32_t type = (uint32_t)a[1];
    if (type & ~(uint32_t)(LX_SOCK_TYPE_MASK | LX_SOCK_CLOEXEC | LX_SOCK_NONBLOCK))
        return ERR(INVAL);
    if (domain < 0 || domain >= FAMILIES_END)
        return ERR(AFNOSUPPORT);
    if ((type & LX_SOCK_TYPE_MASK) >= SOCK_TYPES_END)
        return ERR(INVAL);
    ar_cap slot;
    if (fd_expect(&slot, 1)) /* a full table is found by fd_install: Linux makes the socket first */
        slot = receive_slots()[0];
    struct ipc_transfer transfer = {.recv_slots = &slot, .recv_slot_count = 1};
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    long error = POSIX_CALL(&retry, sock_socket(POSIX_SLOT_SOCKD, (uint64_t)domain,
                                           type & ~(uint64_t)LX_SOCK_CLOEXEC,
                                           (uint64_t)(int32_t)a[2], &transfer));
    if (error)
        return error;
    return fd_install(slot, 0, type & LX_SOCK_CLOEXEC, IO_KIND_SOCKET, ISSUER_SOCKD);
}

/* ---- bind ------------------------------------------------------------------------------------ */

/* The node's mode is the socket's own (fchmod before bind counts), less the umask. */
static uint64_t node_mode(const struct fd_info *info)
{
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    struct io_stat_reply reply;
    uint64_t mode = POSIX_CALL(&retry, io_stat(info->slot, &reply)) ? 0777 : reply.mode & 07777;
    return LX_S_IFSOCK | (mode & ~(uint64_t)process.umask);
}

/* With the name gate in FILES_TS_MOUNT: make the node. */
static long bind_node(const struct fd_info *info, const union socket_address *address,
                      uint64_t length)
{
    struct path path;
    int fd;
    long error = path_begin_text(&path, address->un.path, address_path_length(address, length));
    if (error)
        return error;
    error = path_own_follow(&path, false, &fd);
    if (error) {
        path_end(&path);
        return error;
    }
    uint64_t mode = node_mode(info), name = thread_slot(FILES_TS_MOUNT);
    struct path_request request;
    path_request_begin(&path, &request);
    request.transfer.recv_slot_count = 0;
    request.transfer.caps = &name;
    request.transfer.cap_count = 1;
    error = POSIX_CALL(&request.retry,
                       fs_bind_socket(path.target, path.length, mode, &request.transfer));
    path_end(&path);
    return error == ERR(EXIST) ? ERR(ADDRINUSE) : error;
}

/* Whether a node could be made at this path: what Linux finds before it looks whether the socket has a
 * name already. */
static long node_check(const union socket_address *address, uint64_t length)
{
    struct path path;
    struct path_request request;
    struct fs_stat_reply stat;
    struct fs_access_reply access;
    uint64_t end = address_path_length(address, length), bare = end;
    while (bare > 1 && address->un.path[bare - 1] == '/') /* what is there may be no directory */
        bare--;
    long error = path_begin_text(&path, address->un.path, bare);
    if (error)
        return error;
    path_request_begin(&path, &request);
    error = POSIX_CALL(&request.retry, fs_stat(path.target, path.length, FS_NOFOLLOW, &stat,
                                               &request.transfer));
    if (!error && request.retry.status == ST_OK)
        error = ERR(EXIST);
    receive_slots_clear();
    path_end(&path);
    if (error != ERR(NOENT) || bare < end)
        return error;
    /* Only the last part is missing, or more: may one be made in the directory? */
    while (end > 1 && address->un.path[end - 1] != '/')
        end--;
    bool here = address->un.path[end - 1] != '/';
    error = path_begin_text(&path, here ? "." : address->un.path, here ? 1 : end);
    if (error)
        return error;
    path_request_begin(&path, &request);
    error = POSIX_CALL(&request.retry, fs_access(path.target, path.length, FS_EFFECTIVE,
                                                 3 /* W_OK | X_OK */, &access, &request.transfer));
    receive_slots_clear();
    path_end(&path);
    return error;
}

static long bind_refused(const union socket_address *address, uint64_t length, long error)
{
    if (error != ERR(INVAL) || !socket_address_is_path(address, length))
        return error;
    long first = node_check(address, length);
    return first == ERR(EXIST) ? ERR(ADDRINUSE) : first ? first : error;
}

static long bind_run(const struct fd_info *info, const union socket_address *address,
                     uint64_t length)
{
    if (length > sizeof(struct linux_sockaddr_un))
        return ERR(INVAL);
    struct ar_segment in = {(uint64_t)address, length};
    struct ipc_transfer transfer = {
        .in = &in, .in_count = 1, .recv_slots = receive_slots(), .recv_slot_count = 1};
    struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = &transfer};
    struct sock_bind_prepare_reply reply;
    long error = POSIX_CALL(&retry, sock_bind_prepare(info->slot, length, &reply, &transfer));
    if (error)
        return bind_refused(address, length, error);
    if (transfer.received_count == 0)
        return 0; /* abstract: done */
    ar_cap name = thread_slot(FILES_TS_MOUNT);
    slot_delete(name);
    if (ar_cap_move(AR_CAP_SELF, name, AR_CAP_SELF, receive_slots()[0])) {
        receive_slots_clear();
        error = ERR(IO);
    } else {
        error = bind_node(info, address, length);
    }
    retry = (struct posix_retry){.server = ISSUER_SOCKD};
    if (error) {
        POSIX_CALL(&retry, sock_bind_abort(info->slot));
    } else {
        error = POSIX_CALL(&retry, sock_bind_commit(info->slot));
    }
    slot_delete(name);
    return error;
}

long sys_bind(const uint64_t a[6])
{
    struct fd_info info;
    long error = socket_begin((int)a[0], &info);
    if (error)
        return error;
    union socket_address address;
    error = socket_address_read(&address, a[1], (int32_t)a[2]);
    if (!error)
        error = bind_run(&info, &address, (uint32_t)a[2]);
    fd_end(&info);
    return error;
}

long sys_listen(const uint64_t a[6])
{
    struct fd_info info;
    long error = socket_begin((int)a[0], &info);
    if (error)
        return error;
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    error = POSIX_CALL(&retry, sock_listen(info.slot, (int32_t)a[1]));
    fd_end(&info);
    return error;
}

/* ---- connect, accept ------------------------------------------------------------------------- */

/* One try. A name gate says all that sockd needs to know, and goes with the request; so the next
 * try looks its path up again, as Linux does after it has waited. */
static enum status connect_try(const struct fd_info *info, const union socket_address *address,
                               uint64_t length, uint64_t again, struct ipc_transfer *transfer,
                               long *lost)
{
    transfer->cap_count = 0;
    if (socket_address_is_path(address, length)) {
        *lost = name_receive(address, length);
        transfer->cap_count = *lost == 0;
    }
    transfer->in_count = !transfer->cap_count;
    return sock_connect(info->slot, (transfer->cap_count ? 0 : length) | again, transfer);
}

static long connect_run(const struct fd_info *info, const union socket_address *address,
                        uint64_t length)
{
    uint64_t name = receive_slots()[0] | AR_CAP_MOVE;
    struct ar_segment in = {(uint64_t)address, length};
    struct ipc_transfer transfer = {.in = &in, .caps = &name};
    long lost = 0; /* the path's error: SO_PASSCRED binds the socket all the same */
    struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = &transfer};
    socket_set_deadline(&retry, info, LX_SO_SNDTIMEO);
    long error = POSIX_CALL(&retry, connect_try(info, address, length, retry.waited ? SOCK_AGAIN : 0,
                                                &transfer, &lost));
    if (error && transfer.cap_count)
        slot_delete(receive_slots()[0]); /* where it is when the request did not get through */
    return lost && error != ERR(OPNOTSUPP) ? lost : error;
}

/* The address comes before what kind of descriptor it is, as on Linux. */
long sys_connect(const uint64_t a[6])
{
    struct fd_info info;
    union socket_address address;
    long error = fd_look((int)a[0], &info);
    if (!error)
        error = socket_address_read(&address, a[1], (int32_t)a[2]);
    if (!error)
        error = socket_begin((int)a[0], &info);
    if (error)
        return error;
    error = connect_run(&info, &address, (uint32_t)a[2]);
    fd_end(&info);
    return error;
}

static long accept_run(const struct fd_info *info, uint64_t user, uint64_t user_length,
                       uint32_t flags)
{
    ar_cap slot;
    long error = fd_expect(&slot, 1);
    if (error)
        return error;
    union socket_address address;
    struct ar_segment out = {(uint64_t)&address, sizeof(address)};
    struct ipc_transfer transfer = {
        .out = &out, .out_count = user != 0, .recv_slots = &slot, .recv_slot_count = 1};
    struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = &transfer};
    socket_set_deadline(&retry, info, LX_SO_RCVTIMEO);
    if (user)
        memset(&address, 0, sizeof(address));
    address.un.family = LX_AF_UNIX; /* sockd writes no address that says no more */
    struct sock_accept_reply reply = {0};
    error =
        POSIX_CALL(&retry, sock_accept(info->slot,
                                       (flags & LX_SOCK_NONBLOCK) | (retry.waited ? SOCK_AGAIN : 0),
                                       &reply, &transfer));
    if (error)
        return error;
    /* Before there is a descriptor: then a bad pointer needs nothing undone but the capability. */
    if (user)
        error = socket_address_write(user, user_length, &address, reply.address_length);
    if (error) {
        slot_delete(slot);
        return error;
    }
    return fd_install(slot, 0, flags & LX_SOCK_CLOEXEC, IO_KIND_SOCKET, ISSUER_SOCKD);
}

static long accept_flags(int fd, uint64_t user, uint64_t user_length, uint32_t flags)
{
    struct fd_info info;
    long error = fd_look(fd, &info);
    if (error)
        return error;
    if (flags & ~(uint32_t)(LX_SOCK_CLOEXEC | LX_SOCK_NONBLOCK))
        return ERR(INVAL);
    if (fd_table_full())
        return ERR(MFILE);
    error = socket_begin(fd, &info);
    if (error)
        return error;
    error = accept_run(&info, user, user_length, flags);
    fd_end(&info);
    return error;
}

long sys_accept(const uint64_t a[6])
{
    return accept_flags((int)a[0], a[1], a[2], 0);
}

long sys_accept4(const uint64_t a[6])
{
    return accept_flags((int)a[0], a[1], a[2], (uint32_t)a[3]);
}

long sys_shutdown(const uint64_t a[6])
{
    struct fd_info info;
    long error = socket_begin((int)a[0], &info);
    if (error)
        return error;
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    error = POSIX_CALL(&retry, sock_shutdown(info.slot, (uint64_t)(int32_t)a[1]));
    fd_end(&info);
    return error;
}

static long name_get(int fd, uint64_t user, uint64_t user_length, uint64_t peer)
{
    struct fd_info info;
    long error = socket_begin(fd, &info);
    if (error)
        return error;
    union socket_address address;
    memset(&address, 0, sizeof(address));
    struct ar_segment out = {(uint64_t)&address, sizeof(address)};
    struct ipc_transfer transfer = {.out = &out, .out_count = 1};
    struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = &transfer};
    struct sock_get_name_reply reply;
    error = POSIX_CALL(&retry, sock_get_name(info.slot, peer, &reply, &transfer));
    fd_end(&info);
    return error ? error : socket_address_write(user, user_length, &address, reply.address_length);
}

long sys_getsockname(const uint64_t a[6])
{
    return name_get((int)a[0], a[1], a[2], 0);
}

long sys_getpeername(const uint64_t a[6])
{
    return name_get((int)a[0], a[1], a[2], 1);
}
