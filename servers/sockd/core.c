/*
 * The core's entries: requests, closed gates, left-over work. SPDX-License-Identifier: MIT
 */
#include "epoll.h"
#include <ipc/dispatch.h>
#include <ipc/memory.h>
#include <posix_abi.h>
#include <proto/session.h>

/* session.open, on the root gate. */
static enum status handle_session_open(void *state, struct ipc_call *call)
{
    struct sockd *sockd = state;
    struct session_object *object;
    if (call->badge >= BADGE_OBJECTS)
        return ST_BADF;
    if (call->caps[0].kind != AR_RECEIVED_CAP || call->caps[0].type != AR_NOTIFICATION)
        return ST_MESSAGE;
    enum status status =
        object_create(sockd, OBJECT_SESSION, sizeof(*object), call->principal, &object);
    if (status != ST_OK)
        return ST_NOMEM;
    object->thread = PRINCIPAL_THREAD(call->principal);
    status = object_name_badge(sockd, &object->object);
    if (status == ST_OK)
        status = session_begin(&sockd->sessions, call->principal, call->caps[0].value,
                               object->object.badge, sockd->effects);
    if (status != ST_OK) {
        object_discard(sockd, &object->object);
        return status;
    }
    object_reply(sockd, call, &object->object);
    return ST_OK;
}

static enum status handle_counts(void *state, struct ipc_call *call,
                                 struct sock_counts_reply *reply)
{
    const struct sockd *sockd = state;
    (void)call;
    reply->sockets = sockd->socket_count;
    reply->queued = sockd->queued;
    reply->in_flight = sockd->in_flight;
    reply->sessions = sockd->sessions.count;
    reply->heap = mem_in_use();
    reply->taken = mem_taken();
    return ST_OK;
}

static const struct session_server session_operations = {.open = handle_session_open};

/* What makes something new goes to the root gate; everything else to a description. stage and claim
 * take any gate. */
static const struct sock_server root_operations = {
    .socket = op_socket,
    .socket_pair = op_socket_pair,
    .pipe = op_pipe,
    .event = op_event,
    .poll_set = op_poll_set,
    .cancel = op_cancel,
    .table = op_table,
    .stage = op_stage,
    .claim = op_claim,
    .counts = handle_counts,
};
static const struct sock_server object_operations = {
    .bind_prepare = op_bind_prepare,
    .bind_commit = op_bind_commit,
    .bind_abort = op_bind_abort,
    .listen = op_listen,
    .accept = op_accept,
    .connect = op_connect,
    .send = op_send,
    .send_as = op_send_as,
    .receive = op_receive,
    .receive_more = op_receive_more,
    .stage = op_stage,
    .claim = op_claim,
    .splice = op_splice,
    .peek = op_peek,
    .drop = op_drop,
    .shutdown = op_shutdown,
    .get_name = op_get_name,
    .get_option = op_get_option,
    .set_option = op_set_option,
    .epoll_ctl = op_epoll_ctl,
    .epoll_wait = op_epoll_wait,
    .epoll_foreign = op_epoll_foreign,
    .epoll_report = op_epoll_report,
    .poll_add = op_poll_add,
    .poll_many = op_poll_many,
    .poll_few = op_poll_few,
};

struct sockd *sockd_create(const struct credentials *credentials, const struct sockd_limits *limits)
{
    struct sockd *sockd = mem_alloc(sizeof(*sockd));
    if (!sockd)
        return NULL;
    sockd->credentials = credentials;
    sockd->limits = *limits;
    if (!limits->messages)
        sockd->limits.messages = limits->queued / 1024;
    if (!limits->in_flight)
        sockd->limits.in_flight = limits->objects;
    sockd->sessions.armed_max = limits->objects;
    if (!limits->interests)
        sockd->limits.interests = 4 * (uint64_t)limits->objects;
    return sockd;
}

void sockd_set_trace(struct sockd *sockd, sockd_trace *trace)
{
    sockd->trace = trace;
}

void sockd_set_signal(struct sockd *sockd, sockd_signal *signal)
{
    sockd->signal = signal;
}

/* What earlier entries left behind, a bounded part of it. */
static void leftovers_drain(struct sockd *sockd)
{
    if (sockd->doomed)
        doomed_drain(sockd);
    if (sockd->draining)
        epolls_drain(sockd);
    sockd->work_left = sockd->doomed || sockd->draining;
}

static bool dispatch(struct sockd *sockd, struct ipc_call *call)
{
    switch (call->label >> 8) {
    case IO_PROTOCOL: return io_dispatch(&sockd_io, sockd, call);
    case SOCK_PROTOCOL:
        return sock_dispatch(call->badge < BADGE_OBJECTS ? &root_operations : &object_operations,
                             sockd, call);
    default: return session_dispatch(&session_operations, sockd, call);
    }
}

void sockd_handle(void *state, struct ipc_call *call)
{
    struct sockd *sockd = state;
    sockd->effects = call->effects;
    if (sockd->work_left)
        leftovers_drain(sockd);
    sockd->target = object_find(sockd, call->badge);
    struct turn turn; /* somebody was woken whom others wait behind: perhaps this caller */
    bool turned = sockd->sessions.granted && turn_take(sockd, call->principal, &turn);
    if (!dispatch(sockd, call))
        ipc_dispatch_finish(call, ST_MESSAGE);
    if (turned)
        turn_pass(sockd, call->principal, &turn);
    if (sockd->release_first || sockd->reclaim_wanted)
        objects_reap(sockd);
}

void sockd_closed(void *state, uint64_t badge, struct ipc_effects *effects)
{
    struct sockd *sockd = state;
    sockd->effects = effects;
    leftovers_drain(sockd);
    struct object *object = object_find(sockd, badge);
    if (object) {
        object->open = false;
        if (object->kind == OBJECT_SOCKET)
            sockd->reclaim_wanted = true;
        object_settle(sockd, object);
    }
    objects_reap(sockd);
}

uint64_t sockd_deadline(void *state)
{
    const struct sockd *sockd = state;
    return sockd->work_left ? 0 : AR_NO_DEADLINE;
}

const bool *sockd_timed(const void *state)
{
    const struct sockd *sockd = state;
    return &sockd->work_left;
}

void sockd_expired(void *state, uint64_t now_ns, struct ipc_effects *effects)
{
    struct sockd *sockd = state;
    (void)now_ns;
    sockd->effects = effects;
    leftovers_drain(sockd);
}

void sockd_destroy(struct sockd *sockd, struct ipc_effects *effects)
{
    sockd->effects = effects;
    for (struct object *object = sockd->objects; object; object = object->next) {
        object->open = false;
        object_settle(sockd, object);
    }
    sockd->reclaim_wanted = true;
    objects_reap(sockd);
    while (sockd->doomed || sockd->draining) {
        effects->count = 0;
        leftovers_drain(sockd);
    }
    mem_free(sockd->handles);
    mem_free(sockd);
}
