/*
 * Receiving: recv(2), recvfrom(2), recvmsg(2), recvmmsg(2). SPDX-License-Identifier: MIT
 */
#include "fd_table.h"
#include "tail.h"

#include <proto/sock.h>

/* Not to be initialised whole: incoming_begin. */
struct incoming {
    uint32_t flags;
    bool want_address;
    bool waited;       /* a request of this call did: it stays a blocking one */
    enum status first; /* the answer of a first request, made by the straight way below; ST_OK: none */
    uint64_t max_rights;
    const struct iov_list *list;
    /* what came */
    union socket_address address;
    uint64_t done;            /* bytes in the program's memory */
    uint64_t address_length;
    uint64_t deadline_ns;     /* of the whole call; 0: none */
    struct rights_in rights;
    struct sock_receive_reply reply;
};

static inline void incoming_begin(struct incoming *in, uint32_t flags, const struct iov_list *list,
                                  bool want_address, uint64_t max_rights)
{
    in->flags = flags;
    in->first = ST_OK;
    in->waited = false;
    in->want_address = want_address;
    in->max_rights = max_rights;
    in->list = list;
    in->done = in->address_length = in->deadline_ns = 0;
    in->reply = (struct sock_receive_reply){0};
    rights_offer(&in->rights, max_rights);
}

/* The first request, or one that goes on after a part or after memory that could not be had. */
static enum status receive_ask(const struct fd_info *info, struct incoming *in, uint64_t length,
                               bool address, uint64_t again, bool memory_bad,
                               struct ipc_transfer *transfer)
{
    uint64_t flags = (in->flags & ~(uint64_t)LX_MSG_CMSG_CLOEXEC) | again;
    if (in->done == 0 && !memory_bad) {
        if (transfer->out_count == 1 && !address && tail_fits(transfer->out))
            flags |= SOCK_TAIL;
        return sock_receive(info->slot, flags, length, address, in->max_rights, &in->reply,
                            transfer);
    }
    const struct sock_receive_reply before = in->reply;
    const uint64_t who = SOCK_WITH_CREDENTIALS | SOCK_WITH_PIDFD;
    struct sock_receive_more_reply reply = {0};
    enum status status =
        sock_receive_more(info->slot, flags, length, address, in->max_rights, in->done, memory_bad,
                          (before.outcome & who) != 0, before.pid, (uint32_t)before.ids,
                          before.ids >> 32, &reply, transfer);
    _Static_assert(sizeof(reply) == sizeof(in->reply), "the two replies are one");
    if (status == ST_OK)
        memcpy(&in->reply, &reply, sizeof(reply));
    return status;
}

static unsigned outcome_byte(const struct incoming *in, unsigned shift)
{
    return in->reply.outcome >> shift & 0xff;
}

/* After one that was answered. */
static long receive_end(struct incoming *in, struct iov_window *window,
                        const struct ipc_transfer *transfer)
{
    uint64_t moved = (uint32_t)in->reply.count;
    if (moved > window->length)
        moved = window->length;
    in->rights.count = transfer->received_count;
    long error = transfer->tail_words ? tail_put(transfer->out, transfer->tail_words, moved) : 0;
    if (!error)
        error = iov_window_end(window, in->list, in->done, moved);
    if (error) {
        rights_close(&in->rights); /* the message is lost, as Linux loses it */
        return error;
    }
    if (outcome_byte(in, SOCK_ADDRESS_SHIFT)) /* a later part may have been sent under another name */
        in->address_length = outcome_byte(in, SOCK_ADDRESS_SHIFT);
    return (long)moved;
}

/* The first try was not ST_OK. */
static __attribute__((noinline)) long receive_again(const struct fd_info *info,
                                                    struct incoming *in, uint64_t length,
                                                    bool address, enum status status,
                                                    struct ipc_transfer *transfer)
{
    struct posix_retry retry = {.server = ISSUER_SOCKD,
                                .transfer = transfer,
                                .no_wait = in->flags & LX_MSG_DONTWAIT,
                                .deadline_ns = in->deadline_ns,
                                .interrupted = in->deadline_ns ? ERR(INTR) : 0};
    while (!posix_done(&retry, status) && posix_again(&retry, status))
        status = receive_ask(info, in, length, address,
                             retry.waited || in->waited ? SOCK_AGAIN : 0, retry.memory_bad,
                             transfer);
    in->waited |= retry.waited;
    return retry.result;
}

static long receive_once(const struct fd_info *info, struct incoming *in)
{
    struct iov_window window;
    struct ar_segment segments[AR_MSG_SEGS];
    bool address = in->want_address;
    long result = iov_window_begin(&window, in->list, in->done, AR_MSG_SEGS - address, true);
    if (result)
        return result;
    struct ipc_transfer transfer = {.out = window.segments,
                                    .out_count = window.count,
                                    .recv_slots = in->rights.slots,
                                    .recv_slot_count = in->rights.room,
                                    .issuers = in->rights.issuers};
    if (address) {
        for (unsigned i = 0; i < window.count; i++)
            segments[i] = window.segments[i];
        segments[window.count] = (struct ar_segment){(uint64_t)&in->address, sizeof(in->address)};
        transfer.out = segments;
        transfer.out_count++;
    }
    enum status status = in->first;
    if (status == ST_OK)
        status = receive_ask(info, in, window.length, address, in->waited ? SOCK_AGAIN : 0, false,
                             &transfer);
    in->first = ST_OK;
    if (status != ST_OK)
        result = receive_again(info, in, window.length, address, status, &transfer);
    if (!result)
        return receive_end(in, &window, &transfer);
    iov_window_end(&window, in->list, in->done, 0);
    return result;
}

/* The value of the call; the descriptors that came are in the slots for them and the session
 * still. */
static long receive_list(const struct fd_info *info, struct incoming *in)
{
    long moved;
    if (!(in->flags & LX_MSG_DONTWAIT))
        in->deadline_ns = socket_deadline(info, LX_SO_RCVTIMEO);
    do {
        moved = receive_once(info, in);
        if (moved < 0)
            return in->done ? (long)in->done : moved;
        in->done += (uint64_t)moved;
    } while ((in->reply.outcome & SOCK_MORE) && moved > 0);
    if ((in->flags & LX_MSG_TRUNC) && (in->reply.outcome & LX_MSG_TRUNC))
        return (long)(in->reply.count >> 32);
    if ((in->flags & LX_MSG_OOB) && in->list->total == 0)
        return (uint32_t)in->reply.count != 0; /* the byte that had no room */
    return (long)in->done;
}

static void rights_drop(const struct fd_info *info, struct incoming *in)
{
    struct control_in none = {0};
    unsigned rights = outcome_byte(in, SOCK_RIGHTS_SHIFT);
    if (rights)
        control_put_rights(&none, info->slot, &in->rights, rights, false);
}

/* Linux has taken an eventfd's count when it finds that it cannot tell it. */
static void event_lose(const struct fd_info *info)
{
    uint64_t count;
    struct ar_segment out = {(uint64_t)&count, sizeof(count)};
    struct ipc_transfer transfer = {.out = &out, .out_count = 1};
    struct posix_retry retry = {.server = ISSUER_SOCKD, .transfer = &transfer};
    struct io_read_reply reply;
    POSIX_CALL(&retry,
               io_read(info->slot, IO_CURRENT, IO_NOWAIT, sizeof(count), &reply, &transfer));
}

long receive_as_read(const struct fd_info *info, const struct iov_list *list, uint64_t flags)
{
    struct incoming in;
    incoming_begin(&in, flags & IO_NOWAIT ? LX_MSG_DONTWAIT : 0, list, false, 0);
    long result = receive_list(info, &in);
    rights_drop(info, &in);
    if (result == ERR(NOTSOCK) && info->kind == IO_KIND_EVENT)
        event_lose(info);
    return result == ERR(NOTSOCK) ? ERR(FAULT) : result;
}

/* ---- recvfrom -------------------------------------------------------------------------------- */

static long recvfrom_run(const struct fd_info *info, const uint64_t a[6])
{
    struct iov_list list;
    struct incoming in;
    incoming_begin(&in, (uint32_t)a[3], &list, a[4] != 0, 0);
    long result = iov_single(&list, a[1], a[2]);
    if (result)
        return result;
    result = receive_list(info, &in);
    rights_drop(info, &in);
    if (result < 0 || !in.want_address)
        return result;
    long error = socket_address_write(a[4], a[5], &in.address, in.address_length);
    return error ? error : result;
}

long sys_recvfrom(const uint64_t a[6])
{
    struct fd_info info;
    long result = socket_begin((int)a[0], &info);
    if (result)
        return result;
    result = recvfrom_run(&info, a);
    fd_end(&info);
    return result;
}

/* ---- recvmsg, recvmmsg ----------------------------------------------------------------------- */

/* What recvmsg tells in the program's header. */
static inline long header_end(uint64_t user, uint64_t control_length, uint32_t flags)
{
    const struct {
        uint64_t control_length;
        uint32_t flags;
    } end = {control_length, flags};
    _Static_assert(offsetof(struct linux_msghdr, flags) ==
                       offsetof(struct linux_msghdr, control_length) + sizeof(uint64_t),
                   "one after the other");
    return user_write((void *)(user + offsetof(struct linux_msghdr, control_length)), &end,
                      sizeof(end.control_length) + sizeof(end.flags));
}

/* What came beside the bytes, into the program's control buffer and header. */
static long header_write(const struct fd_info *info, struct incoming *in,
                         const struct linux_msghdr *header, uint64_t user)
{
    struct control_in control = {.user = header->control, .room = header->control_length};
    unsigned rights = outcome_byte(in, SOCK_RIGHTS_SHIFT);
    if (in->reply.outcome & SOCK_WITH_CREDENTIALS) {
        struct linux_ucred ucred = {(int32_t)in->reply.pid, (uint32_t)in->reply.ids,
                                    (uint32_t)(in->reply.ids >> 32)};
        control_put_credentials(&control, &ucred);
    }
    if (rights)
        control_put_rights(&control, info->slot, &in->rights, rights,
                           in->flags & LX_MSG_CMSG_CLOEXEC);
    if (in->reply.outcome & SOCK_WITH_PIDFD)
        control_put_pidfd(&control, (uint32_t)in->reply.pid, (uint32_t)(in->reply.pid >> 32));
    if (header->name) {
        long error =
            socket_address_write(header->name, user + offsetof(struct linux_msghdr, name_length),
                                 &in->address, in->address_length);
        if (error)
            return error;
    }
    return header_end(user, header->control_length - control.room,
                      ((uint32_t)in->reply.outcome & ~(uint32_t)SOCK_MORE) | control.flags |
                          (in->flags & LX_MSG_CMSG_CLOEXEC));
}

static long header_read(struct linux_msghdr *header, uint64_t user)
{
    if (user_read(header, (const void *)user, sizeof(*header)))
        return ERR(FAULT);
    if (header->name && header->name_length < 0)
        return ERR(INVAL);
    if (header->iov_count > LX_IOV_MAX)
        return ERR(MSGSIZE);
    if (header->control == 0)
        header->control_length = 0;
    return 0;
}

static uint64_t header_rights_room(const struct linux_msghdr *header)
{
    return control_rights_room(&(struct control_in){.room = header->control_length});
}

/* `first`: as in struct incoming. */
static __attribute__((noinline)) long recvmsg_run(const struct fd_info *info, uint64_t user,
                                                  uint32_t flags, enum status first)
{
    struct linux_msghdr header;
    long result = header_read(&header, user);
    if (result)
        return result;
    struct iov_list list;
    struct incoming in;
    incoming_begin(&in, flags, &list, header.name != 0, header_rights_room(&header));
    in.first = first;
    result = iov_import(&list, header.iov, header.iov_count);
    if (result)
        return result;
    result = receive_list(info, &in);
    if (result < 0)
        return result;
    long error = header_write(info, &in, &header, user);
    return error ? error : result;
}

/* ---- the straight way: one buffer, few bytes, no address ------------------------------------------ */

/* What a first request was answered, with ST_OK. */
struct received {
    struct sock_receive_reply reply;
    uint64_t count, max_rights; /* count: bytes */
    unsigned arrived;
    uint32_t flags;
};

/* What arrived in slots that were offered in place. */
static void rights_arrived(struct rights_in *rights, const struct received *got)
{
    const uint64_t *offer = ipc_offer();
    rights->room = rights->count = got->arrived;
    for (unsigned i = 0; i < got->arrived; i++) {
        rights->slots[i] = (ar_cap)offer[i];
        rights->issuers[i] = ipc_received_issuer(i);
    }
}

/* The general way from there on. */
static __attribute__((noinline)) long recvmsg_after(int fd, const struct linux_msghdr *header,
                                                    uint64_t user, struct received got)
{
    struct fd_info info = {fd_slot(fd), IO_KIND_SOCKET, ISSUER_SOCKD, 0, false};
    struct iov_list list;
    struct incoming in = {.flags = got.flags,
                          .max_rights = got.max_rights,
                          .list = &list,
                          .done = got.count,
                          .reply = got.reply};
    rights_arrived(&in.rights, &got);
    long result = (long)got.count;
    if ((got.reply.outcome & SOCK_MORE) && got.count) {
        long error = iov_import(&list, header->iov, header->iov_count);
        result = error ? error : receive_list(&info, &in);
        if (result < 0) /* what is there counts */
            result = (long)in.done;
    }
    long error = header_write(&info, &in, header, user);
    return error ? error : result;
}

/* One control message, whole, of descriptors that are in their slots or of credentials. Nothing has
 * happened when it cannot be written. */
static inline bool control_straight(const struct received *got, const struct linux_msghdr *header,
                                    uint64_t *used)
{
    struct {
        struct linux_cmsghdr header;
        int32_t data[AR_MSG_CAPS];
    } control;
    unsigned rights = got->arrived, words = rights ? rights : 3;
    uint64_t length = LX_CMSG_LEN(words * sizeof(int32_t));
    if (header->control_length < length)
        return false;
    control.header.length = length;
    control.header.level = LX_SOL_SOCKET;
    control.header.type = rights ? LX_SCM_RIGHTS : LX_SCM_CREDENTIALS;
    const uint64_t *offer = ipc_offer();
    for (unsigned i = 0; i < rights; i++)
        control.data[i] = (int32_t)((ar_cap)offer[i] - POSIX_SLOT_FD);
    if (!rights) {
        control.data[0] = (int32_t)got->reply.pid;
        memcpy(&control.data[1], &got->reply.ids, sizeof(got->reply.ids));
    }
    if (user_write((void *)header->control, &control, length))
        return false;
    if (rights)
        fd_adopt(rights, got->flags & LX_MSG_CMSG_CLOEXEC);
    uint64_t space = LX_CMSG_SPACE(words * sizeof(int32_t));
    *used = space < header->control_length ? space : header->control_length;
    return true;
}

/* header_write, where the most usual came: descriptors, or credentials, or neither. false: it is not
 * so. */
static inline bool header_straight(const struct received *got, const struct linux_msghdr *header,
                                   uint64_t user, long *result)
{
    const uint64_t unlike = SOCK_WITH_PIDFD | SOCK_MORE | LX_MSG_CTRUNC;
    uint64_t outcome = got->reply.outcome, used = 0;
    bool credentials = outcome & SOCK_WITH_CREDENTIALS;
    if ((outcome >> SOCK_RIGHTS_SHIFT & 0xff) != got->arrived || (outcome & unlike) ||
        (got->arrived && credentials) ||
        ((got->arrived || credentials) && !control_straight(got, header, &used)))
        return false;
    long error = header_end(user, used, (uint32_t)outcome | (got->flags & LX_MSG_CMSG_CLOEXEC));
    *result = error ? error : (long)got->count;
    return true;
}

/* true: *result is the call's. Otherwise *first is what a first request was answered, or ST_OK: none
 * was made. */
static inline __attribute__((always_inline)) bool
recvmsg_straight(const uint64_t a[6], enum status *first, long *result)
{
    const uint32_t unlike = LX_MSG_OOB | LX_MSG_PEEK | LX_MSG_WAITALL | LX_MSG_TRUNC;
    struct linux_msghdr header;
    struct ar_segment segment;
    struct received got; /* not to be cleared whole */
    int fd = (int)a[0];
    got.flags = (uint32_t)a[2];
    if (!fd_is(fd, IO_KIND_SOCKET) || (got.flags & unlike) || header_read(&header, a[1]) ||
        header.name || header.iov_count != 1 ||
        user_read(&segment, (const void *)header.iov, sizeof(segment)) ||
        segment.length > LX_RW_MAX ||
        !user_range_ok((const void *)segment.address, segment.length) || !tail_fits(&segment))
        return false;
    got.max_rights = header_rights_room(&header);
    if (got.max_rights && !fd_offer_in_place())
        return false;
    struct ipc_transfer transfer = {
        .out = &segment,
        .out_count = 1,
        .recv_slot_count = got.max_rights < AR_MSG_CAPS ? (unsigned)got.max_rights : AR_MSG_CAPS,
        .in_place = true};
    *first = sock_receive(fd_slot(fd), (got.flags & ~(uint64_t)LX_MSG_CMSG_CLOEXEC) | SOCK_TAIL,
                          segment.length, 0, got.max_rights, &got.reply, &transfer);
    if (*first != ST_OK)
        return false;
    got.arrived = transfer.received_count;
    got.count = (uint32_t)got.reply.count;
    if (got.count > segment.length)
        got.count = segment.length;
    if (transfer.tail_words &&
        (*result = tail_put(&segment, transfer.tail_words, got.count))) {
        struct rights_in rights;
        rights_arrived(&rights, &got);
        rights_close(&rights); /* the message is lost, as Linux loses it */
    } else if (!header_straight(&got, &header, a[1], result)) {
        *result = recvmsg_after(fd, &header, a[1], got);
    }
    return true;
}

static __attribute__((noinline)) long recvmsg_any(const uint64_t a[6], enum status first)
{
    struct fd_info info;
    long result = socket_begin((int)a[0], &info);
    if (result)
        return result;
    result = recvmsg_run(&info, a[1], (uint32_t)a[2], first);
    fd_end(&info);
    return result;
}

long sys_recvmsg(const uint64_t a[6])
{
    enum status first = ST_OK;
    long result;
    if ((uint32_t)a[2] & LX_MSG_CMSG_COMPAT)
        return ERR(INVAL);
    return recvmsg_straight(a, &first, &result) ? result : recvmsg_any(a, first);
}

/* Up to `count` messages into the array at `user`; *received says how many. Linux looks at the
 * time-out only after each message (its man page calls that a bug), and so do we. */
static long receive_many(const struct fd_info *info, uint64_t user, uint32_t count, uint32_t flags,
                         uint64_t deadline, uint32_t *received)
{
    uint32_t each = flags & ~LX_MSG_WAITFORONE;
    while (*received < count) {
        uint64_t entry = user + (uint64_t)*received * sizeof(struct linux_mmsghdr);
        long result = recvmsg_run(info, entry, each, ST_OK);
        if (result < 0)
            return result;
        uint32_t length = (uint32_t)result;
        if (user_write((void *)(entry + offsetof(struct linux_mmsghdr, length)), &length,
                       sizeof(length)))
            return ERR(FAULT);
        ++*received;
        if (flags & LX_MSG_WAITFORONE)
            each |= LX_MSG_DONTWAIT;
        if ((flags & LX_MSG_OOB) || deadline_left(deadline) == 0) /* the byte is told at once */
            break;
    }
    return 0;
}

long sys_recvmmsg(const uint64_t a[6])
{
    uint32_t count = (uint32_t)a[2], flags = (uint32_t)a[3], received = 0;
    if (flags & LX_MSG_CMSG_COMPAT)
        return ERR(INVAL);
    uint64_t deadline;
    long result = deadline_read(&deadline, a[4]);
    if (result)
        return result;
    if (count > LX_IOV_MAX)
        count = LX_IOV_MAX;
    struct fd_info info;
    result = socket_begin((int)a[0], &info);
    if (result)
        return result;
    if (!(flags & LX_MSG_ERRQUEUE))
        result = socket_take_pending(&info); /* before any message that is there */
    if (!result)
        result = receive_many(&info, a[1], count, flags, deadline, &received);
    if (received && result && result != ERR(AGAIN) && result != ERR(INTR))
        socket_put_pending(&info, result); /* the next call is told */
    fd_end(&info);
    if (!received)
        return result;
    if (a[4]) { /* what is left of the time goes back */
        uint64_t left = deadline_left(deadline);
        struct linux_timespec rest = {(int64_t)(left / NS_PER_SECOND),
                                      (int64_t)(left % NS_PER_SECOND)};
        if (user_write((void *)a[4], &rest, sizeof(rest)))
            return ERR(FAULT);
    }
    return received;
}
