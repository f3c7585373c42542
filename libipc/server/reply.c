/*
 * Sending a reply. SPDX-License-Identifier: MIT
 *
 * A reply may fail to arrive: the caller offers too few receive slots, or it is dead. Each gate
 * of ours in it was promised to that caller, so one that nobody has a copy of afterwards is
 * closed here: no closed message would ever come for it. A caller that offers too few slots gets
 * ST_SLOTS, and capabilities that were to move to it are lost: an operation that takes something
 * off a queue loses it. libposix always offers eight slots, the most that a reply can need.
 */
#include "runtime.h"

#include <ipc/kernel.h>

static enum ar_error reply_status(enum status status)
{
    struct ar_message m = {.badge = SERVER_SLOT_REPLY,
                           .info = AR_INFO((uint32_t)status, 0, 0, 0, 0)};
    return ar_syscall(AR_SYS_REPLY, &m, 0, 0);
}

/* Out of the way of what only moves. */
static __attribute__((noinline)) uint64_t gate_slot(uint64_t badge)
{
    return server_gate(badge);
}

/* The capabilities into the IPC buffer; false when a gate cannot be made. */
static bool reply_caps_load(const struct ipc_call *call)
{
    uint64_t *out = runtime_buffer()->caps_out;
    const struct ipc_reply_cap *cap = call->reply_caps, *end = cap + call->reply_cap_count;
    for (; cap != end; cap++) {
        uint64_t slot = cap->own_gate ? gate_slot(cap->value) : cap->value;
        if (slot == 0)
            return false;
        *out++ = slot | (cap->move ? AR_CAP_MOVE : 0);
    }
    return true;
}

/* After a reply. Slots that were to move are ours no more, whatever became of it; gates that did
 * not arrive close. */
static void reply_caps_settle(const struct server *server, const struct ipc_call *call,
                              bool arrived)
{
    const struct ipc_reply_cap *cap = call->reply_caps, *end = cap + call->reply_cap_count;
    for (; cap != end; cap++) {
        if (!cap->own_gate) {
            if (cap->move && arrived)
                runtime_slot_give((ar_cap)cap->value);
            else if (cap->move)
                server_slot_delete((ar_cap)cap->value);
        } else if (!arrived && runtime_gate_unclaimed(cap->value) &&
                   runtime_gate_closed(cap->value)) {
            server->closed(server->state, cap->value, call->effects);
        }
    }
}

/* A gate could not be made, so the whole reply turns into ST_NOMEM. Gates promised before it,
 * and the one that could not be made, are closed for the core all the same: it has the objects
 * already. */
static void reply_fail(const struct server *server, struct ipc_call *call)
{
    reply_status(ST_NOMEM);
    for (unsigned i = 0; i < call->reply_cap_count; i++) {
        const struct ipc_reply_cap *cap = &call->reply_caps[i];
        if (!cap->own_gate) {
            if (cap->move)
                server_slot_delete((ar_cap)cap->value);
            continue;
        }
        ar_cap slot = server_gate(cap->value);
        if (slot == 0)
            server->closed(server->state, cap->value, call->effects);
        else if (runtime_gate_unclaimed(cap->value) && runtime_gate_closed(cap->value))
            server->closed(server->state, cap->value, call->effects);
    }
}

bool runtime_reply_caps_load(const struct server *server, struct ipc_call *call)
{
    if (reply_caps_load(call))
        return true;
    reply_fail(server, call);
    return false;
}

void runtime_reply_sent(const struct server *server, const struct ipc_call *call,
                        enum ar_error error)
{
    if (error == AR_ERR_NO_SLOT) {
        reply_status(ST_SLOTS);
    } else if (error && error != AR_ERR_GONE) { /* GONE: the caller died meanwhile */
        server_log("reply to %lx, label %x, failed: error %u", call->principal, call->label, error);
        reply_status(ST_IO);
    }
    reply_caps_settle(server, call, error == AR_OK);
}

void runtime_reply(const struct server *server, struct ipc_call *call)
{
    struct ar_message m = {.badge = SERVER_SLOT_REPLY};
    if (call->reply_cap_count != 0 && !runtime_reply_caps_load(server, call))
        return;
    runtime_reply_words(call, &m);
    runtime_reply_sent(server, call, ar_syscall(AR_SYS_REPLY, &m, 0, 0));
}
