/*
 * Signals about sockets: SIGURG for out-of-band data, SIGIO for a socket with O_ASYNC. See fcntl(2),
 * F_SETOWN. SPDX-License-Identifier: MIT
 *
 * The owner belongs to the description. sockd knows no processes: what is to be sent goes to the
 * shell, and from there to procd, which looks whether it may be.
 */
#include "core.h"

enum { SIGNAL_URG = 23, SIGNAL_IO = 29, CODE_KERNEL = 0x80, CODE_SIGIO = -5 };

/* Signals whose si_code means something else: these get SI_SIGIO (SIGILL, SIGTRAP, SIGBUS, SIGFPE,
 * SIGSEGV, SIGCHLD, SIGSYS). */
static bool signal_has_codes(uint32_t signal)
{
    const uint64_t with = 1ull << 4 | 1ull << 5 | 1ull << 7 | 1ull << 8 | 1ull << 11 | 1ull << 17 |
                          1ull << 31;
    return signal < 32 && (with >> signal & 1);
}

static uint64_t event_band(enum async_event event)
{
    switch (event) {
    case ASYNC_IN: return WAKE_READ;
    case ASYNC_OUT: return WAKE_WRITE;
    case ASYNC_ERROR: return LX_POLLERR;
    case ASYNC_URGENT: return LX_POLLPRI | LX_POLLRDBAND;
    case ASYNC_HANG_UP: return LX_POLLHUP | LX_POLLERR;
    }
    return 0;
}

static void owner_tell(struct sockd *sockd, const struct owner *owner,
                       struct signal_request request)
{
    request.target = owner->target;
    request.id = owner->id;
    request.uid = owner->uid;
    request.euid = owner->euid;
    sockd->signal(&request);
}

/* The owner, when somebody is to be told. */
static struct owner *owner_of(const struct sockd *sockd, const struct socket *socket)
{
    return sockd->signal && socket->rare && socket->rare->owner.id ? &socket->rare->owner : NULL;
}

void socket_signal_owner(struct sockd *sockd, struct socket *socket, enum async_event event)
{
    struct owner *owner = owner_of(sockd, socket);
    if (!owner)
        return;
    if (event == ASYNC_OUT) {
        if (!owner->no_space)
            return;
        owner->no_space = false;
    }
    struct signal_request request = {.signal = SIGNAL_IO, .code = CODE_KERNEL};
    if (owner->signal)
        request = (struct signal_request){
            .signal = owner->signal,
            .code = signal_has_codes(owner->signal) ? CODE_SIGIO : (int32_t)event,
            .fd = owner->fd,
            .band = event_band(event)};
    owner_tell(sockd, owner, request);
}

void socket_signal_urgent(struct sockd *sockd, struct socket *socket)
{
    struct owner *owner = owner_of(sockd, socket);
    if (!owner)
        return;
    owner_tell(sockd, owner,
               (struct signal_request){.signal = SIGNAL_URG, .code = CODE_KERNEL});
    if (owner->signal) /* no SIGIO beside SIGURG for who asked for no special one */
        socket_signal(sockd, socket, ASYNC_URGENT);
}

void socket_no_space(struct socket *socket)
{
    if (socket->rare && (socket->object.flags & LX_O_ASYNC))
        socket->rare->owner.no_space = true;
}

enum status socket_async_begin(struct socket *socket, int32_t fd)
{
    enum status status = rare_make(socket);
    if (status == ST_OK)
        socket->rare->owner.fd = fd;
    return status;
}

enum status handle_owner(void *state, struct ipc_call *call, const struct io_owner_request *request,
                         struct io_owner_reply *reply)
{
    struct sockd *sockd = state;
    struct socket *socket;
    enum status status = socket_of_call(sockd, &socket);
    if (status != ST_OK)
        return status == ST_NOTSOCK ? ST_INVAL : status;
    if (request->what != IO_OWNER_GET && rare_make(socket) != ST_OK)
        return ST_NOMEM;
    if (request->what == IO_OWNER_SET) {
        const struct credentials *caller = caller_credentials(sockd, call->principal);
        struct owner *owner = &socket->rare->owner;
        owner->target = (uint32_t)request->type;
        owner->id = (uint32_t)request->id;
        owner->uid = caller->ruid;
        owner->euid = caller->euid;
    }
    if (request->what == IO_OWNER_SIGNAL)
        socket->rare->owner.signal = (uint32_t)request->signal;
    if (!socket->rare)
        return ST_OK;
    reply->type = socket->rare->owner.target;
    reply->id = socket->rare->owner.id;
    reply->signal = socket->rare->owner.signal;
    return ST_OK;
}
