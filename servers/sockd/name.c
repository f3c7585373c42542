/*
 * Names: bind(2), autobind, the registry of abstract names, name gates for pathnames,
 * getsockname(2), getpeername(2). SPDX-License-Identifier: MIT
 */
#include "core.h"
#include "trace.h"
#include <ipc/memory.h>
#include <string.h>

/* Each type has an abstract namespace of its own (unix(7) says so only by EADDRINUSE not being
 * given). */
static unsigned abstract_bucket(int type, const uint8_t *bytes, unsigned length)
{
    uint32_t hash = 2166136261u ^ (uint32_t)type;
    for (unsigned i = LX_SUN_PATH; i < length; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return (hash ^ hash >> 16) % ABSTRACT_BUCKETS;
}

static struct bound_address *bound_address_create(const struct address *address)
{
    struct bound_address *bound = mem_alloc(sizeof(*bound) + address->length);
    if (!bound)
        return NULL;
    bound->refs = 1;
    bound->length = address->length;
    memcpy(bound->bytes, address->bytes, address->length);
    return bound;
}

struct bound_address *bound_address_ref(struct bound_address *address)
{
    address->refs++;
    return address;
}

void bound_address_put(struct bound_address *address)
{
    if (address && --address->refs == 0)
        mem_free(address);
}

static bool address_equal(const struct bound_address *a, const struct address *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

struct socket *abstract_find(struct sockd *sockd, int type, const struct address *address)
{
    struct socket *socket =
        sockd->abstract[abstract_bucket(type, address->bytes, address->length)];
    while (socket && (socket->type != type || !address_equal(socket->address, address)))
        socket = socket->abstract_next;
    return socket;
}

static struct socket **abstract_chain(struct sockd *sockd, const struct socket *socket)
{
    const struct bound_address *address = socket->address;
    return &sockd->abstract[abstract_bucket(socket->type, address->bytes, address->length)];
}

static enum status abstract_add(struct sockd *sockd, struct socket *socket,
                                const struct address *address)
{
    socket->address = bound_address_create(address);
    if (!socket->address)
        return ST_NOMEM;
    socket->abstract = true;
    struct socket **chain = abstract_chain(sockd, socket);
    socket->abstract_next = *chain;
    *chain = socket;
    socket_trace_bound(sockd, socket);
    return ST_OK;
}

void abstract_remove(struct sockd *sockd, struct socket *socket)
{
    struct socket **link = abstract_chain(sockd, socket);
    while (*link != socket)
        link = &(*link)->abstract_next;
    *link = socket->abstract_next;
    socket->abstract = false; /* the address stays: peers and messages may still report it */
}

enum status address_get(struct ipc_call *call, uint64_t length, struct address *out)
{
    if (length <= LX_SUN_PATH || length > LX_SUN_MAX)
        return ST_INVAL;
    enum status status = ipc_data_get(call, 0, out->bytes, length);
    if (status != ST_OK)
        return status;
    if ((out->bytes[0] | out->bytes[1] << 8) != LX_AF_UNIX)
        return ST_INVAL;
    out->length = (uint16_t)length;
    if (!address_abstract(
            out)) { /* a pathname ends at its NUL, which counts; there is room for one byte more */
        unsigned end = LX_SUN_PATH;
        while (end < length && out->bytes[end])
            end++;
        out->bytes[end] = 0;
        out->length = (uint16_t)(end + 1);
    }
    return ST_OK;
}

/* Five hex digits after a NUL. */
enum status socket_autobind(struct sockd *sockd, struct socket *socket)
{
    static const char digits[] = "0123456789abcdef";
    if (socket->address)
        return ST_OK;
    struct address address = {.length = LX_SUN_PATH + 6, .bytes = {LX_AF_UNIX}};
    /* At most one try more than there are sockets can be taken. */
    for (unsigned tries = 0; tries <= sockd->socket_count && tries <= 0xfffff; tries++) {
        uint32_t number = sockd->next_autobind++ & 0xfffff;
        for (unsigned i = 0; i < 5; i++)
            address.bytes[LX_SUN_PATH + 1 + i] = (uint8_t)digits[number >> (16 - 4 * i) & 15];
        if (!abstract_find(sockd, socket->type, &address))
            return abstract_add(sockd, socket, &address);
    }
    return ST_NOSPC;
}

/* A pathname: mint the name gate. An earlier preparation that nobody committed is void. */
static enum status name_prepare(struct sockd *sockd, struct ipc_call *call, struct socket *socket,
                                const struct address *address)
{
    struct name *name;
    enum status status = object_create(sockd, OBJECT_NAME, sizeof(*name), call->principal, &name);
    if (status != ST_OK)
        return status == ST_NFILE || status == ST_MFILE ? ST_NOMEM : status;
    status = object_name_badge(sockd, &name->object);
    if (status == ST_OK && !(name->address = bound_address_create(address)))
        status = ST_NOMEM;
    if (status != ST_OK) {
        object_discard(sockd, &name->object);
        return status;
    }
    if (socket->pending_name)
        socket->pending_name->target = NULL;
    name->target = socket;
    socket->pending_name = name;
    object_reply(sockd, call, &name->object);
    return ST_OK;
}

enum status op_bind_prepare(void *state, struct ipc_call *call,
                            const struct sock_bind_prepare_request *request,
                            struct sock_bind_prepare_reply *reply)
{
    struct sockd *sockd = state;
    struct socket *socket;
    struct address address;
    enum status status = socket_of_call(sockd, &socket);
    if (status != ST_OK)
        return status;
    if (request->address_length == LX_SUN_PATH) {
        uint8_t family[2];
        status = ipc_data_get(call, 0, family, sizeof(family));
        if (status != ST_OK)
            return status;
        return (family[0] | family[1] << 8) == LX_AF_UNIX ? socket_autobind(sockd, socket)
                                                          : ST_INVAL;
    }
    status = address_get(call, request->address_length, &address);
    if (status != ST_OK)
        return status;
    if (socket->address)
        return ST_INVAL;
    if (!address_abstract(&address)) {
        reply->pathname = 1;
        return name_prepare(sockd, call, socket, &address);
    }
    if (abstract_find(sockd, socket->type, &address))
        return ST_ADDRINUSE;
    return abstract_add(sockd, socket, &address);
}

enum status op_bind_commit(void *state, struct ipc_call *call)
{
    struct sockd *sockd = state;
    struct socket *socket;
    (void)call;
    enum status status = socket_of_call(sockd, &socket);
    if (status != ST_OK)
        return status;
    if (!socket->pending_name || socket->address)
        return ST_INVAL;
    socket->name = socket->pending_name;
    socket->name->committed = true;
    socket->address = socket->name->address;
    socket->name->address = NULL;
    socket_trace_bound(sockd, socket);
    socket->pending_name = NULL;
    return ST_OK;
}

enum status op_bind_abort(void *state, struct ipc_call *call)
{
    struct sockd *sockd = state;
    struct socket *socket;
    (void)call;
    enum status status = socket_of_call(sockd, &socket);
    if (status != ST_OK)
        return status;
    if (!socket->pending_name)
        return ST_INVAL;
    socket->pending_name->target = NULL;
    socket->pending_name = NULL;
    return ST_OK;
}

/* The node's last link is gone. The socket keeps its address and can no longer be reached by it. */
void name_release(struct sockd *sockd, struct name *name)
{
    (void)sockd;
    bound_address_put(name->address);
    name->address = NULL;
    if (!name->target)
        return;
    if (name->target->name == name)
        name->target->name = NULL;
    if (name->target->pending_name == name)
        name->target->pending_name = NULL;
    name->target = NULL;
}

enum status destination_find(struct sockd *sockd, struct ipc_call *call, int type,
                             const struct address *address, struct socket **out)
{
    if (address && address_abstract(address)) {
        *out = abstract_find(sockd, type, address);
        return *out ? ST_OK : ST_CONNREFUSED;
    }
    if (call->cap_count == 0 || call->caps[0].kind != AR_RECEIVED_BADGE)
        return ST_CONNREFUSED;
    struct object *object = object_find(sockd, call->caps[0].value);
    if (!object || object->kind != OBJECT_NAME)
        return ST_CONNREFUSED;
    const struct name *name = (const struct name *)object;
    if (!name->target || !name->committed)
        return ST_CONNREFUSED;
    *out = name->target;
    return name->target->type == type ? ST_OK : ST_PROTOTYPE;
}

void address_out(const struct socket *socket, struct address *out)
{
    static const struct address unnamed = {.length = LX_SUN_PATH, .bytes = {LX_AF_UNIX}};
    const struct bound_address *address = socket->address;
    *out = unnamed;
    if (address) {
        out->length = address->length;
        memcpy(out->bytes, address->bytes, address->length);
    }
}

enum status op_get_name(void *state, struct ipc_call *call,
                        const struct sock_get_name_request *request,
                        struct sock_get_name_reply *reply)
{
    struct sockd *sockd = state;
    struct socket *socket;
    struct address address;
    enum status status = socket_of_call(sockd, &socket);
    if (status != ST_OK)
        return status;
    if (request->peer) {
        socket = socket->peer;
        if (!socket)
            return ST_NOTCONN;
    }
    address_out(socket, &address);
    reply->address_length = address.length;
    return ipc_data_put(call, 0, address.bytes, address.length);
}
