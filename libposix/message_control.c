/*
 * Control messages, cmsg(3): SCM_RIGHTS and SCM_CREDENTIALS, out and in.
 *
 * A message between processes carries 8 capabilities, a control message up to 253 descriptors.
 * Up to 8 go with the send. More are put on a stage at sockd, in groups, and the send that follows
 * takes the stage with its bytes or drops it; and what a receive delivers beyond its first 8 waits in
 * the session until it is claimed. SPDX-License-Identifier: MIT
 */
#include "files.h"

#include <proto/sock.h>

#define CONTROL_SMALL 1536    /* room for 253 descriptors and credentials: no allocation */
#define CONTROL_MAX 131072    /* net.core.optmem_max */
#define GROUP AR_MSG_CAPS

/* ---- out ------------------------------------------------------------------------------------- */

static long rights_read(struct control_out *out, const char *data, uint64_t length)
{
    uint64_t count = length / sizeof(int32_t);
    if (count > RIGHTS_MAX || out->rights + count > RIGHTS_MAX)
        return ERR(INVAL);
    for (uint64_t i = 0; i < count; i++) {
        int32_t fd;
        struct fd_info info;
        memcpy(&fd, data + i * sizeof(fd), sizeof(fd));
        if (fd_look(fd, &info))
            return ERR(BADF);
        out->slots[out->rights++] = info.slot;
    }
    return 0;
}

static long control_parse(struct control_out *out, const char *control, uint64_t length)
{
    uint64_t at = 0;
    while (length >= sizeof(struct linux_cmsghdr) && at <= length - sizeof(struct linux_cmsghdr)) {
        struct linux_cmsghdr header;
        memcpy(&header, control + at, sizeof(header));
        if (header.length < sizeof(header) || header.length > length - at)
            return ERR(INVAL);
        const char *data = control + at + sizeof(header);
        uint64_t size = header.length - sizeof(header);
        at += LX_CMSG_ALIGN(header.length);
        if (header.level != LX_SOL_SOCKET)
            continue;
        if (header.type == LX_SCM_RIGHTS) {
            long error = rights_read(out, data, size);
            if (error)
                return error;
        } else if (header.type == LX_SCM_CREDENTIALS) {
            if (size != sizeof(out->ucred))
                return ERR(INVAL);
            memcpy(&out->ucred, data, size);
            out->credentials = true;
        } else {
            return ERR(INVAL);
        }
    }
    return 0;
}

long control_read(struct control_out *out, uint64_t user, uint64_t length)
{
    out->rights = 0;
    out->credentials = false;
    out->error = 0;
    if (length == 0)
        return 0;
    if (length > CONTROL_MAX)
        return ERR(NOBUFS);
    char small[CONTROL_SMALL], *control = small;
    if (length > sizeof(small)) {
        control = private_alloc(length);
        if (!control)
            return ERR(NOMEM);
    }
    /* Copied whole before it is looked at: another thread may be changing it. */
    long error = user_read(control, (const void *)user, length) ? ERR(FAULT) : 0;
    if (!error)
        out->error = control_parse(out, control, length);
    if (control != small)
        private_free(control);
    return error;
}

void control_unstage(ar_cap gate)
{
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    struct sock_stage_reply reply;
    POSIX_CALL(&retry, sock_stage(gate, 1, &reply, NULL));
}

static long stage_group(ar_cap gate, const struct control_out *out, unsigned from, uint64_t *staged)
{
    uint64_t caps[GROUP];
    struct ipc_transfer transfer = {.caps = caps};
    /* One closed by another thread since it was looked at is EBADF. */
    for (unsigned i = from; i < out->rights && transfer.cap_count < GROUP; i++)
        caps[transfer.cap_count++] = out->slots[i];
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    struct sock_stage_reply reply = {0};
    long error = POSIX_CALL(&retry, sock_stage(gate, from == 0, &reply, &transfer));
    *staged = reply.staged;
    return error;
}

long control_stage(ar_cap gate, const struct control_out *out)
{
    for (unsigned from = 0; from < out->rights; from += GROUP) {
        unsigned expected = from + GROUP < out->rights ? from + GROUP : out->rights;
        uint64_t staged;
        long error = stage_group(gate, out, from, &staged);
        if (!error && staged != expected)
            error = ERR(IO); /* the session was opened anew in between: its stage had gone */
        if (error) {
            control_unstage(gate);
            return error;
        }
    }
    return 0;
}

/* ---- in -------------------------------------------------------------------------------------- */

uint64_t control_rights_room(const struct control_in *in)
{
    uint64_t count = in->room > sizeof(struct linux_cmsghdr)
                         ? (in->room - sizeof(struct linux_cmsghdr)) / sizeof(int32_t)
                         : 0;
    return count < RIGHTS_MAX ? count : RIGHTS_MAX;
}

/* One control message, cut to the room that is left as Linux does. */
static void control_put(struct control_in *in, int32_t type, const int32_t *data, uint64_t size)
{
    struct linux_cmsghdr header = {LX_CMSG_LEN(size), LX_SOL_SOCKET, type};
    if (in->room < sizeof(header)) {
        in->flags |= LX_MSG_CTRUNC;
        return;
    }
    if (in->room < header.length) {
        in->flags |= LX_MSG_CTRUNC;
        header.length = in->room;
    }
    /* A bad pointer leaves the room as it was: the message counts, the control data are lost, as
     * on Linux. */
    struct {
        struct linux_cmsghdr header;
        int32_t data[RIGHTS_MAX];
    } message;
    message.header = header;
    for (uint64_t i = 0; i < size / sizeof(int32_t); i++)
        message.data[i] = data[i];
    if (user_write((void *)in->user, &message, header.length))
        return;
    uint64_t space = LX_CMSG_SPACE(size) < in->room ? LX_CMSG_SPACE(size) : in->room;
    in->user += space;
    in->room -= space;
}

void control_put_credentials(struct control_in *in, const struct linux_ucred *ucred)
{
    control_put(in, LX_SCM_CREDENTIALS, (const int32_t *)ucred, sizeof(*ucred));
}

/* As Linux has it: where no descriptor can be had, the message carries the error. */
void control_put_pidfd(struct control_in *in, uint32_t pid, uint32_t serial)
{
    struct ar_segment segment;
    if (in->room < LX_CMSG_LEN(sizeof(int32_t))) {
        in->flags |= LX_MSG_CTRUNC;
        return;
    }
    if (pid == 0 || user_segment(&segment, (void *)in->user, LX_CMSG_LEN(sizeof(int32_t))) ||
        user_touch(&segment, 1, true))
        return;
    int32_t fd = (int32_t)pidfd_make(pid, serial, 0);
    control_put(in, LX_SCM_PIDFD, &fd, sizeof(fd));
}

void rights_offer(struct rights_in *rights, uint64_t most)
{
    unsigned room = most < AR_MSG_CAPS ? (unsigned)most : AR_MSG_CAPS;
    rights->count = 0;
    rights->room = room;
    if (room)
        fd_offer(rights->slots, room);
}

void rights_close(struct rights_in *rights)
{
    for (unsigned i = 0; i < rights->count; i++)
        slot_delete(rights->slots[i]);
}

/* Descriptors of the capabilities that arrived, while there is room; false when one could not be
 * made. Each capability that is not taken is closed. */
static bool rights_install(const struct rights_in *rights, uint64_t room, bool cloexec,
                           int32_t *fds, uint64_t *made)
{
    bool all = true;
    for (unsigned i = 0; i < rights->count; i++) {
        if (!all || *made >= room) {
            slot_delete(rights->slots[i]);
            all = false;
            continue;
        }
        int fd = fd_install(rights->slots[i], 0, cloexec, 0, rights->issuers[i]);
        if (fd < 0)
            all = false;
        else
            fds[(*made)++] = fd;
    }
    return all;
}

/* The next of them, up to `most`; 0: drop them. */
static unsigned rights_claim(ar_cap gate, struct rights_in *rights, uint64_t most)
{
    rights_offer(rights, most);
    struct ipc_transfer transfer = {.recv_slots = rights->slots,
                                    .recv_slot_count = rights->room,
                                    .issuers = rights->issuers};
    struct sock_claim_reply reply = {0};
    struct posix_retry retry = {.server = ISSUER_SOCKD};
    long error = POSIX_CALL(&retry, sock_claim(gate, most == 0, &reply, &transfer));
    rights->count = error ? 0 : transfer.received_count;
    return rights->count;
}

/* The numbers are written only after the memory for them was seen to be writable, so that
 * nothing installed has to be taken back by number, which in a threaded program could be
 * somebody else's by then. */
static uint64_t rights_room_checked(const struct control_in *in)
{
    uint64_t room = control_rights_room(in);
    uint64_t length = LX_CMSG_LEN(room * sizeof(int32_t)); /* in at most two pages */
    if (room == 0 || !user_range_ok((void *)in->user, length) || touch_write((void *)in->user) ||
        touch_write((void *)(in->user + length - 1)))
        return 0;
    return room;
}

void control_put_rights(struct control_in *in, ar_cap gate, struct rights_in *rights,
                        uint64_t count, bool cloexec)
{
    int32_t fds[RIGHTS_MAX];
    uint64_t made = 0, taken = rights->count;
    uint64_t room = rights_room_checked(in);
    bool all = rights_install(rights, room, cloexec, fds, &made);
    while (all && taken < count) {
        unsigned more = made < room ? rights_claim(gate, rights, count - taken) : 0;
        if (more == 0)
            break;
        taken += more;
        all = rights_install(rights, room, cloexec, fds, &made);
    }
    if (taken < count)
        rights_claim(gate, rights, 0);
    if (made < count)
        in->flags |= LX_MSG_CTRUNC;
    if (made > 0)
        control_put(in, LX_SCM_RIGHTS, fds, made * sizeof(int32_t));
}
