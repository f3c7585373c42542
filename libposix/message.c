/*
 * Sending: send(2), sendto(2), sendmsg(2), sendmmsg(2). One request carries the whole message,
 * all its iovecs and its descriptors, or those staged before it, so nothing can come apart; only what a
 * stream did not take is sent again. SPDX-License-Identifier: MIT
 */
#include "fd_table.h"
#include "tail.h"

#include <proto/sock.h>

/* What the first request, made by the straight way below, was answered. */
struct send_answer {
    enum status status;
    uint64_t count;
};

struct outgoing {
    uint32_t flags;
    const struct send_answer *first; /* NULL: none was made, or it was looked at */
    uint64_t address_length; /* 0: none */
    bool waited; /* a request of this call did: it stays a blocking one, and a broken pipe is quiet */
    bool named;              /* the destination's name gate is in FILES_TS_MOUNT */
    long lost;               /* why it is not there, though the address is a path */
    union socket_address address;
    struct control_out control;
    struct iov_list list;
};

/* A name that cannot be found matters to a datagram only: the others never look at the address
 * (unix(7)). */
static void destination_find(const struct fd_info *info, struct outgoing *out)
{
    out->named = false;
    out->lost = 0;
    if (!socket_address_is_path(&out->address, out->address_length))
        return;
    long error = socket_find_name(&out->address, out->address_length);
    out->named = error == 0;
    out->lost = error && socket_type(info) == LX_SOCK_DGRAM ? error : 0;
}

/* Linux looks a path up when it has the memory for the message, which may be after a wait. `caps` are
 * the transfer's. */
static void destination_again(const struct fd_info *info, struct outgoing *out, uint64_t *caps,
                              struct ipc_transfer *transfer)
{
    if (!socket_address_is_path(&out->address, out->address_length))
        return;
    unsigned others = transfer->cap_count - out->named, from = out->named;
    if (out->named)
        slot_delete(thread_slot(FILES_TS_MOUNT));
    destination_find(info, out);
    if (out->named && others == AR_MSG_CAPS) { /* no room for it: as if it were not there */
        slot_delete(thread_slot(FILES_TS_MOUNT));
        out->named = false;
    }
    memmove(&caps[out->named], &caps[from], others * sizeof(caps[0]));
    if (out->named)
        caps[0] = thread_slot(FILES_TS_MOUNT);
    transfer->cap_count = others + out->named;
}

static enum status send_ask(const struct fd_info *info, const struct outgoing *out, uint64_t flags,
                            uint64_t length, unsigned rights, uint64_t *count,
                            struct ipc_transfer *transfer)
{
    if (!out->control.credentials) {
        struct sock_send_reply reply = {0};
        if (transfer->in_count == 1 && !out->address_length)
            transfer->tail_words = tail_get(transfer->in);
        enum status status =
            sock_send(info->slot, flags, length, out->address_length, rights, &reply, transfer);
        *count = reply.count < length ? reply.count : length;
        return status;
    }
    const struct linux_ucred *ucred = &out->control.ucred;
    struct sock_send_as_reply reply = {0};
    enum status status =
        sock_send_as(info->slot, flags, length, out->address_length, rights, (uint32_t)ucred->pid,
                     ucred->uid, ucred->gid, &reply, transfer);
    *count = reply.count < length ? reply.count : length;
    return status;
}

/* One try after the other until the server took something. Descriptors go along, or, if they are too
 * many, are staged before: a stage lives until an answer other than ST_WAIT, so it is filled again
 * before any other repeat. */
static __attribute__((noinline)) long send_again(const struct fd_info *info,
                                                 struct outgoing *out, uint64_t flags,
                                                 uint64_t length, unsigned rights, uint64_t *count,
                                                 enum status status, uint64_t *caps,
                                                 struct ipc_transfer *transfer)
{
    struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = transfer};
    bool stage = flags & SOCK_STAGED;
    retry.no_wait = out->flags & LX_MSG_DONTWAIT;
    if (!retry.no_wait)
        socket_set_deadline(&retry, info, LX_SO_SNDTIMEO);
    bool staged = status == ST_WAIT;
    while (!posix_done(&retry, status) && posix_again(&retry, status)) {
        long error = stage && !staged ? control_stage(info->slot, &out->control) : 0;
        if (error)
            return error;
        if (retry.waited)
            destination_again(info, out, caps, transfer);
        status = send_ask(info, out, flags | (retry.waited || out->waited ? SOCK_AGAIN : 0), length,
                          rights, count, transfer);
        staged = status == ST_WAIT;
    }
    out->waited |= retry.waited;
    if (stage && staged)
        control_unstage(info->slot);
    return retry.result;
}

static long send_request(const struct fd_info *info, struct outgoing *out, uint64_t done,
                         uint64_t length, struct ipc_transfer *transfer)
{
    /* Descriptors go with the first bytes, once; the byte that is out of band is the last. */
    unsigned rights = done ? 0 : out->control.rights;
    uint64_t flags = done + length < out->list.total ? out->flags & ~LX_MSG_OOB : out->flags;
    /* On a stage they outlive a close by another thread while this one waits. */
    bool closable = rights && process.threads > 1 && !(out->flags & LX_MSG_DONTWAIT);
    bool stage = closable || rights + out->named > (unsigned)AR_MSG_CAPS;
    uint64_t caps[AR_MSG_CAPS], count = 0;
    if (out->named)
        caps[transfer->cap_count++] = thread_slot(FILES_TS_MOUNT);
    for (unsigned i = 0; i < rights && !stage; i++)
        caps[transfer->cap_count++] = out->control.slots[i];
    transfer->caps = caps;
    long error = stage ? control_stage(info->slot, &out->control) : 0;
    if (error)
        return error;
    if (stage)
        flags |= SOCK_STAGED;
    enum status status;
    if (out->first) {
        status = out->first->status;
        count = out->first->count;
        out->first = NULL;
    } else {
        status = send_ask(info, out, flags | (out->waited ? SOCK_AGAIN : 0), length, rights, &count,
                          transfer);
    }
    if (status != ST_OK)
        error = send_again(info, out, flags, length, rights, &count, status, caps, transfer);
    if (error)
        return error;
    return count > length ? (long)length : (long)count;
}

static long send_once(const struct fd_info *info, struct outgoing *out, uint64_t done)
{
    struct ar_segment segments[AR_MSG_SEGS];
    struct iov_window window;
    bool address = out->address_length != 0;
    long result = iov_window_begin(&window, &out->list, done, AR_MSG_SEGS - address, false);
    if (result)
        return result;
    struct ipc_transfer transfer = {.in = window.segments, .in_count = window.count};
    if (address) {
        segments[0] = (struct ar_segment){(uint64_t)&out->address, out->address_length};
        for (unsigned i = 0; i < window.count; i++)
            segments[i + 1] = window.segments[i];
        transfer.in = segments;
        transfer.in_count++;
    }
    result = send_request(info, out, done, window.length, &transfer);
    iov_window_end(&window, &out->list, done, 0);
    return result;
}

static long send_list(const struct fd_info *info, struct outgoing *out)
{
    long result;
    uint64_t done = 0;
    destination_find(info, out);
    out->waited = false;
    do {
        result = send_once(info, out, done);
        if (result > 0)
            done += (uint64_t)result;
    } while (result > 0 && done < out->list.total);
    if (out->lost && result == ERR(CONNREFUSED)) /* whatever else is wrong comes first, as on Linux */
        result = out->lost;
    if (out->named)
        slot_delete(thread_slot(FILES_TS_MOUNT));
    if (result == ERR(PIPE) && done == 0 && !out->waited && !(out->flags & LX_MSG_NOSIGNAL) &&
        socket_raises_sigpipe(info))
        signal_raise(LINUX_SIGPIPE);
    return done ? (long)done : result;
}

/* ---- sendto ---------------------------------------------------------------------------------- */

static long sendto_run(const struct fd_info *info, const uint64_t a[6])
{
    struct outgoing out;
    out.first = NULL;
    out.flags = (uint32_t)a[3];
    out.address_length = 0;
    out.control.rights = 0;
    out.control.credentials = false;
    out.control.error = 0;
    long error = iov_single(&out.list, a[1], a[2]);
    if (error)
        return error;
    if (a[4]) {
        error = socket_address_read(&out.address, a[4], (int32_t)a[5]);
        out.address_length = (uint32_t)a[5];
    }
    return error ? error : send_list(info, &out);
}

long sys_sendto(const uint64_t a[6])
{
    struct fd_info info;
    long result = socket_begin((int)a[0], &info);
    if (result)
        return result;
    result = sendto_run(&info, a);
    fd_end(&info);
    return result;
}

/* ---- sendmsg, sendmmsg ----------------------------------------------------------------------- */

static long message_read(struct outgoing *out, uint64_t user)
{
    struct linux_msghdr header;
    if (user_read(&header, (const void *)user, sizeof(header)))
        return ERR(FAULT);
    if (header.name == 0)
        header.name_length = 0;
    if (header.name_length < 0)
        return ERR(INVAL);
    if (header.name_length > LX_SOCKADDR_MAX)
        header.name_length = LX_SOCKADDR_MAX;
    out->address_length = (uint32_t)header.name_length;
    long error = out->address_length
                     ? socket_address_read(&out->address, header.name, header.name_length)
                     : 0;
    if (!error && header.iov_count > LX_IOV_MAX)
        error = ERR(MSGSIZE);
    if (!error)
        error = iov_import(&out->list, header.iov, header.iov_count);
    if (!error)
        error = control_read(&out->control, header.control, header.control_length);
    return error;
}

/* Control data are bad. Linux would have found before that a SEQPACKET socket is not connected, or that
 * credentials which stand before them are not the sender's: a send that can only fail asks for that. */
static long control_refused(const struct fd_info *info, struct outgoing *out)
{
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    struct ipc_transfer transfer = {0};
    uint64_t count;
    out->address_length = 0;
    control_unstage(info->slot);
    long error = POSIX_CALL(&retry, send_ask(info, out, SOCK_STAGED, 0, 1, &count, &transfer));
    return retry.status == ST_MESSAGE ? out->control.error : error;
}

/* `*asked`: bytes of the whole message. */
static long sendmsg_run(const struct fd_info *info, uint64_t user, uint32_t flags,
                        const struct send_answer *first, uint64_t *asked)
{
    struct outgoing out;
    out.first = first;
    out.flags = flags;
    long error = message_read(&out, user);
    if (error)
        return error;
    *asked = out.list.total;
    return out.control.error ? control_refused(info, &out) : send_list(info, &out);
}

/* ---- the straight way: one buffer of few bytes, a few descriptors, no address ------------------ */

/* The descriptors of a control buffer with SCM_RIGHTS alone, to ipc_caps_out(); -1: it is not that. */
static int rights_straight(uint64_t user, uint64_t length)
{
    struct {
        struct linux_cmsghdr header;
        int32_t fds[AR_MSG_CAPS];
    } control;
    if (length == 0)
        return 0;
    if (length < sizeof(control.header) || length > sizeof(control) ||
        user_read(&control, (const void *)user, length) ||
        control.header.length < sizeof(control.header) || control.header.length > length ||
        LX_CMSG_ALIGN(control.header.length) + sizeof(control.header) <= length ||
        control.header.level != LX_SOL_SOCKET || control.header.type != LX_SCM_RIGHTS)
        return -1;
    int count = (int)((control.header.length - sizeof(control.header)) / sizeof(int32_t));
    uint64_t *caps = ipc_caps_out();
    for (int i = 0; i < count; i++) {
        if (!fd_in_use(control.fds[i]))
            return -1;
        caps[i] = fd_slot(control.fds[i]);
    }
    return count;
}

/* One try, if the message is so; false: it is not. */
static inline __attribute__((always_inline)) bool
sendmsg_straight(int fd, uint64_t user, uint32_t flags, uint64_t *length,
                 struct send_answer *answer)
{
    struct linux_msghdr header;
    struct ar_segment segment;
    if (!fd_is(fd, IO_KIND_SOCKET) ||
        user_read(&header, (const void *)user, sizeof(header)) || header.name ||
        header.iov_count != 1 || user_read(&segment, (const void *)header.iov, sizeof(segment)) ||
        !user_range_ok((const void *)segment.address, segment.length))
        return false;
    int rights = rights_straight(header.control, header.control_length);
    struct ipc_transfer transfer = {.in = &segment, .in_count = 1, .in_place = true};
    if (rights < 0 || !(transfer.tail_words = tail_get(&segment)))
        return false;
    struct sock_send_reply reply = {0};
    transfer.cap_count = (unsigned)rights;
    answer->status = sock_send(fd_slot(fd), flags, segment.length, 0, (unsigned)rights, &reply,
                               &transfer);
    answer->count = reply.count < segment.length ? reply.count : segment.length;
    *length = segment.length;
    return true;
}

static __attribute__((noinline)) long sendmsg_any(const uint64_t a[6],
                                                  const struct send_answer *first)
{
    struct fd_info info;
    long result = socket_begin((int)a[0], &info);
    if (result)
        return result;
    uint64_t asked;
    result = sendmsg_run(&info, a[1], (uint32_t)a[2], first, &asked);
    fd_end(&info);
    return result;
}

static __attribute__((noinline)) long sendmsg_on(const uint64_t a[6], enum status status,
                                                 uint64_t count)
{
    const struct send_answer first = {status, count};
    return sendmsg_any(a, &first);
}

long sys_sendmsg(const uint64_t a[6])
{
    struct send_answer answer;
    uint64_t length;
    if ((uint32_t)a[2] & LX_MSG_CMSG_COMPAT)
        return ERR(INVAL);
    if (!sendmsg_straight((int)a[0], a[1], (uint32_t)a[2], &length, &answer))
        return sendmsg_any(a, NULL);
    if (answer.status == ST_OK && answer.count == length)
        return (long)length;
    return sendmsg_on(a, answer.status, answer.count);
}

long sys_sendmmsg(const uint64_t a[6])
{
    uint32_t count = (uint32_t)a[2], sent = 0, flags = (uint32_t)a[3];
    if (flags & LX_MSG_CMSG_COMPAT)
        return ERR(INVAL);
    if (count > LX_IOV_MAX)
        count = LX_IOV_MAX;
    struct fd_info info;
    long result = socket_begin((int)a[0], &info);
    if (result)
        return result;
    for (; sent < count; sent++) {
        uint64_t entry = a[1] + (uint64_t)sent * sizeof(struct linux_mmsghdr);
        uint64_t asked;
        result = sendmsg_run(&info, entry, flags, NULL, &asked);
        if (result < 0)
            break;
        uint32_t length = (uint32_t)result;
        if (user_write((void *)(entry + offsetof(struct linux_mmsghdr, length)), &length,
                       sizeof(length))) {
            result = ERR(FAULT);
            break;
        }
        /* A part of a message is the last: what ended it is for the next call to find. */
        if ((uint64_t)result < asked || (signal_due() && sent + 1 < count)) {
            sent++;
            break;
        }
    }
    fd_end(&info);
    return sent ? (long)sent : result;
}
