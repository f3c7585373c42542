/*
 * getsockopt(2), setsockopt(2) at SOL_SOCKET, with socket(7)'s bounds and Linux's answers.
 * SPDX-License-Identifier: MIT
 *
 * SO_RCVTIMEO and SO_SNDTIMEO are only kept: libposix asks for them and waits with a deadline.
 */
#include "core.h"
#include <ipc/memory.h>
#include <string.h>

/* Options that are kept as a flag and read back. Those that Linux acts on and sockd does not are
 * named in README.md. */
#define FLAG_OPTIONS                                                                               \
    (OPTION_BIT(LX_SO_DEBUG) | OPTION_BIT(LX_SO_REUSEADDR) | OPTION_BIT(LX_SO_DONTROUTE) |         \
     OPTION_BIT(LX_SO_BROADCAST) | OPTION_BIT(LX_SO_KEEPALIVE) | OPTION_BIT(LX_SO_OOBINLINE) |     \
     OPTION_BIT(LX_SO_NO_CHECK) | OPTION_BIT(LX_SO_PASSCRED) | OPTION_BIT(LX_SO_TIMESTAMP) |       \
     OPTION_BIT(LX_SO_PASSSEC) | OPTION_BIT(LX_SO_TIMESTAMPNS) | OPTION_BIT(LX_SO_RXQ_OVFL))

static bool option_is_flag(int64_t option)
{
    return option == LX_SO_PASSPIDFD ||
           (option > 0 && option < 63 && (FLAG_OPTIONS & OPTION_BIT(option)));
}

/* Values of more than an int, ready to be copied out. */
struct value {
    uint32_t length;
    union {
        int32_t number;
        int32_t pair[2];
        uint64_t wide[2];
        uint32_t ids[3];
        uint32_t groups[CREDENTIALS_GROUPS];
        struct address address;
        uint8_t bytes[1];
    };
};

static void value_number(struct value *value, int32_t number)
{
    value->length = sizeof(number);
    value->number = number;
}

/* Microseconds as a struct timeval, in whole ticks. */
static void value_time(struct value *value, uint64_t us)
{
    value->length = 16;
    if (us == TIMEOUT_AT_ONCE)
        us = 0;
    value->wide[0] = us / 1000000;
    value->wide[1] = us % 1000000;
}

static void value_peer_credentials(struct value *value, const struct socket *socket)
{
    const struct peer_credentials *peer = socket->peer_credentials;
    value->length = 12;
    value->ids[0] = peer ? peer->pid : 0;
    value->ids[1] = peer ? peer->uid : UINT32_MAX;
    value->ids[2] = peer ? peer->gid : UINT32_MAX;
}

static enum status value_peer_groups(struct value *value, const struct socket *socket,
                                     uint64_t room)
{
    const struct peer_credentials *peer = socket->peer_credentials;
    if (!peer)
        return ST_NODATA;
    value->length = peer->group_count * 4;
    memcpy(value->groups, peer->groups, value->length);
    return room < value->length ? ST_RANGE : ST_OK;
}

static enum status value_peer_name(struct value *value, const struct socket *socket, uint64_t room)
{
    struct address address;
    if (!socket->peer)
        return ST_NOTCONN;
    address_out(socket->peer, &address);
    if (address.length < room)
        return ST_INVAL;
    value->length = address.length;
    memcpy(value->bytes, address.bytes, address.length);
    return ST_OK;
}

/* For reading. */
static const struct rare_options *rare_of(const struct socket *socket)
{
    static const struct rare_options none;
    return socket->rare ? socket->rare : &none;
}

/* For writing: ST_NOBUFS. */
enum status rare_make(struct socket *socket)
{
    if (!socket->rare)
        socket->rare = mem_alloc(sizeof(*socket->rare));
    return socket->rare ? ST_OK : ST_NOBUFS;
}

static enum status option_value(struct socket *socket, int64_t option, uint64_t room,
                                struct value *value)
{
    if (option_is_flag(option)) {
        value_number(value, (socket->option_flags & OPTION_BIT(option)) != 0);
        return ST_OK;
    }
    switch (option) {
    case LX_SO_TYPE: value_number(value, socket->type); break;
    case LX_SO_DOMAIN: value_number(value, LX_AF_UNIX); break;
    case LX_SO_PROTOCOL: value_number(value, 0); break;
    case LX_SO_ERROR: value_number(value, (int32_t)socket->error); break;
    case LX_SO_ACCEPTCONN: value_number(value, socket->state == SOCKET_LISTENING); break;
    case LX_SO_SNDBUF: value_number(value, socket->sndbuf); break;
    case LX_SO_RCVBUF: value_number(value, socket->rcvbuf); break;
    case LX_SO_PRIORITY: value_number(value, rare_of(socket)->priority); break;
    case LX_SO_RCVLOWAT: value_number(value, socket->rcvlowat); break;
    case LX_SO_SNDLOWAT: value_number(value, 1); break;
    case LX_SO_REUSEPORT: value_number(value, 0); break;
    case LX_SO_ZEROCOPY: value_number(value, 0); break;
    case LX_SO_MARK: value_number(value, rare_of(socket)->mark); break;
    case LX_SO_PEEK_OFF: value_number(value, socket->peek_offset); break;
    case LX_SO_LINGER:
        value->length = 8;
        value->pair[0] = rare_of(socket)->linger_on;
        value->pair[1] = rare_of(socket)->linger_seconds;
        break;
    case LX_SO_RCVTIMEO:
    case LX_SO_RCVTIMEO_NEW: value_time(value, rare_of(socket)->rcvtimeo_us); break;
    case LX_SO_SNDTIMEO:
    case LX_SO_SNDTIMEO_NEW: value_time(value, rare_of(socket)->sndtimeo_us); break;
    case LX_SO_PEERCRED: value_peer_credentials(value, socket); break;
    case LX_SO_PEERPIDFD: /* libposix makes a descriptor of it */
        if (!socket->peer_credentials)
            return ST_NODATA;
        value->length = 8;
        value->ids[0] = socket->peer_credentials->pid;
        value->ids[1] = socket->peer_credentials->serial;
        break;
    case LX_SO_PEERGROUPS: return value_peer_groups(value, socket, room);
    case LX_SO_PEERNAME: return value_peer_name(value, socket, room);
    case LX_SO_COOKIE:
        if (room < 8)
            return ST_INVAL;
        value->length = 8;
        value->wide[0] = socket->object.ino;
        break;
    default: return ST_NOPROTOOPT;
    }
    return ST_OK;
}

enum status op_get_option(void *state, struct ipc_call *call,
                          const struct sock_get_option_request *request,
                          struct sock_get_option_reply *reply)
{
    struct sockd *sockd = state;
    struct socket *socket;
    struct value value = {0};
    enum status status = socket_of_call(sockd, &socket);
    if (status != ST_OK)
        return status;
    if (request->level != LX_SOL_SOCKET)
        return ST_OPNOTSUPP;
    if (request->length > INT32_MAX)
        return ST_INVAL;
    status = option_value(socket, request->option, request->length, &value);
    if (status != ST_OK)
        return status;
    uint64_t length = request->length < value.length ? request->length : value.length;
    status = ipc_data_put(call, 0, value.bytes, length);
    if (status == ST_OK && request->option == LX_SO_ERROR)
        socket->error = ST_OK;
    reply->length = length;
    return status;
}

/* ---- setting --------------------------------------------------------------------------------- */

static int32_t buffer_size(int32_t asked, bool force, int32_t least)
{
    int64_t size =
        force ? (asked < 0 ? 0 : asked) : ((uint32_t)asked < LX_MEM_MAX ? asked : LX_MEM_MAX);
    if (size > INT32_MAX / 2)
        size = INT32_MAX / 2;
    return size * 2 < least ? least : (int32_t)(size * 2);
}

static void sndbuf_set(struct sockd *sockd, struct socket *socket, int32_t asked, bool force)
{
    socket->sndbuf = buffer_size(asked, force, LX_MIN_SNDBUF);
    if (socket_writable(socket)) {
        object_wake(sockd, &socket->object, WAKE_WRITE);
        socket_signal(sockd, socket, ASYNC_OUT);
    }
}

static enum status timeout_set(struct socket *socket, bool receive, const int64_t timeval[2])
{
    int64_t seconds = timeval[0], us = timeval[1];
    if (us < 0 || us >= 1000000)
        return ST_DOM;
    if (rare_make(socket) != ST_OK)
        return ST_NOBUFS;
    uint64_t *out = receive ? &socket->rare->rcvtimeo_us : &socket->rare->sndtimeo_us;
    if (seconds < 0) {
        *out = TIMEOUT_AT_ONCE;
        return ST_OK;
    }
    const int64_t tick = 1000000 / LX_HZ;
    if (seconds >= INT64_MAX / 1000000 - 1)
        *out = 0; /* for ever */
    else
        *out = (uint64_t)seconds * 1000000 + (uint64_t)((us + tick - 1) / tick * tick);
    return ST_OK;
}

static enum status number_set(struct sockd *sockd, struct socket *socket, int64_t option,
                              int32_t number, bool root)
{
    switch (option) {
    case LX_SO_SNDBUF: sndbuf_set(sockd, socket, number, false); return ST_OK;
    case LX_SO_RCVBUF: socket->rcvbuf = buffer_size(number, false, LX_MIN_RCVBUF); return ST_OK;
    case LX_SO_SNDBUFFORCE:
        if (!root)
            return ST_PERM;
        sndbuf_set(sockd, socket, number, true);
        return ST_OK;
    case LX_SO_RCVBUFFORCE:
        if (!root)
            return ST_PERM;
        socket->rcvbuf = buffer_size(number, true, LX_MIN_RCVBUF);
        return ST_OK;
    case LX_SO_PRIORITY:
        if ((number < 0 || number > 6) && !root)
            return ST_PERM;
        if (rare_make(socket) != ST_OK)
            return ST_NOBUFS;
        socket->rare->priority = number;
        return ST_OK;
    case LX_SO_MARK:
        if (!root)
            return ST_PERM;
        if (rare_make(socket) != ST_OK)
            return ST_NOBUFS;
        socket->rare->mark = number;
        return ST_OK;
    case LX_SO_RCVLOWAT:
        socket->rcvlowat = number < 0 ? INT32_MAX : number ? number : 1;
        socket->had_low_water |= socket->rcvlowat > 1;
        waiters_wake(&socket->object.waiters, WAKE_FORESEEN, sockd->effects);
        return ST_OK;
    case LX_SO_PEEK_OFF: socket->peek_offset = number; return ST_OK;
    case LX_SO_REUSEPORT: return number ? ST_OPNOTSUPP : ST_OK;
    case LX_SO_ZEROCOPY: return ST_OPNOTSUPP;
    default: return ST_NOPROTOOPT;
    }
}

static enum status linger_set(struct socket *socket, const int32_t linger[2])
{
    if (rare_make(socket) != ST_OK)
        return ST_NOBUFS;
    socket->rare->linger_on = linger[0] != 0;
    if (linger[0])
        socket->rare->linger_seconds = linger[1];
    return ST_OK;
}

/* For the next call: what one that had messages to tell of could not report. Wakes nobody, as in Linux. */
static enum status pending_set(struct socket *socket, int64_t option, int32_t number)
{
    enum { ERRORS = 134 }; /* Linux's end at 133 */
    if (option != LX_SO_ERROR || number <= 0 || number >= ERRORS)
        return ST_INVAL;
    socket->error = (enum status)number;
    return ST_OK;
}

enum status op_set_option(void *state, struct ipc_call *call,
                          const struct sock_set_option_request *request)
{
    struct sockd *sockd = state;
    struct socket *socket;
    union {
        int32_t number, pair[2];
        int64_t wide[2];
    } value = {.wide = {0, 0}};
    enum status status = socket_of_call(sockd, &socket);
    if (status != ST_OK)
        return status;
    if (request->level != LX_SOL_SOCKET && request->level != SOCK_LEVEL_PENDING)
        return ST_OPNOTSUPP;
    if (request->length < sizeof(value.number))
        return ST_INVAL;
    uint64_t length = request->length < sizeof(value) ? request->length : sizeof(value);
    status = ipc_data_get(call, 0, &value, length);
    if (status != ST_OK)
        return status;
    if (request->level == SOCK_LEVEL_PENDING)
        return pending_set(socket, request->option, value.number);
    switch (request->option) {
    case LX_SO_LINGER:
        return length < sizeof(value.pair) ? ST_INVAL : linger_set(socket, value.pair);
    case LX_SO_RCVTIMEO:
    case LX_SO_RCVTIMEO_NEW:
        if (length < sizeof(value.wide))
            return ST_INVAL;
        waiters_wake(&socket->object.waiters, WAKE_FORESEEN, sockd->effects);
        return timeout_set(socket, true, value.wide);
    case LX_SO_SNDTIMEO:
    case LX_SO_SNDTIMEO_NEW:
        return length < sizeof(value.wide) ? ST_INVAL : timeout_set(socket, false, value.wide);
    default: break;
    }
    bool root = caller_credentials(sockd, call->principal)->euid == 0;
    if (request->option == LX_SO_DEBUG && value.number && !root)
        return ST_ACCES;
    if (option_is_flag(request->option)) {
        uint64_t bit = OPTION_BIT(request->option);
        socket->option_flags =
            value.number ? socket->option_flags | bit : socket->option_flags & ~bit;
        return ST_OK;
    }
    return number_set(sockd, socket, request->option, value.number, root);
}
