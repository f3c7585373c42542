/*
 * Gates: a badge that knows how many copies of it are out. SPDX-License-Identifier: MIT
 *
 *   not bound --bind--> open (copies or waiting calls) <--> closed (neither, queued on the endpoint
 *   until received)
 *
 * A call that waits in the queue counts, so nothing with a closed gate's badge can arrive after
 * the closed message, though the caller's capability may be deleted while it waits.
 * Copying the original of a closed gate, or a call through it that must wait, takes it off the
 * queue again, so a closed message is true when it is received.
 */
#include "ipc/ipc.h"
#include "object/acts.h"
#include "sched/work.h"

static void closed_remove(struct gate *gate)
{
    struct endpoint *endpoint = gate->endpoint;
    if (!gate->closed)
        return;
    if (gate->closed_prev)
        gate->closed_prev->closed_next = gate->closed_next;
    else
        endpoint->closed_head = gate->closed_next;
    if (gate->closed_next)
        gate->closed_next->closed_prev = gate->closed_prev;
    else
        endpoint->closed_tail = gate->closed_prev;
    gate->closed_next = gate->closed_prev = NULL;
    gate->closed = 0;
}

struct gate *gate_take_closed(struct endpoint *endpoint)
{
    struct gate *gate = endpoint->closed_head;
    if (gate)
        closed_remove(gate);
    return gate;
}

void gate_copy_added(struct gate *gate)
{
    gate->copies++;
    if (gate->closed)
        closed_remove(gate);
}

/* Nobody has the gate any more, perhaps. */
static void close_unused(struct gate *gate)
{
    struct endpoint *endpoint = gate->endpoint;
    if (gate->copies || gate->senders || !gate_endpoint(gate))
        return;
    gate->closed = 1;
    gate->closed_prev = endpoint->closed_tail;
    gate->closed_next = NULL;
    if (endpoint->closed_tail)
        endpoint->closed_tail->closed_next = gate;
    else
        endpoint->closed_head = gate;
    endpoint->closed_tail = gate;
    /* A message that moves the last copies of many gates home could wake as many receivers. */
    if (!endpoint->receivers.head || endpoint->closing)
        return;
    if (work_left())
        endpoint_tell_closed(endpoint);
    else
        dying_add_closing(endpoint);
}

void gate_copy_removed(struct gate *gate)
{
    gate->copies--;
    close_unused(gate);
}

void gate_sender_added(struct gate *gate, struct tcb *sender)
{
    if (gate->closed) /* the holder of the original calls */
        closed_remove(gate);
    sender->gate = gate;
    sender->gate_prev = NULL;
    sender->gate_next = gate->senders;
    if (gate->senders)
        gate->senders->gate_prev = sender;
    gate->senders = sender;
}

void gate_sender_removed(struct tcb *sender)
{
    struct gate *gate = sender->gate;
    if (sender->gate_prev)
        sender->gate_prev->gate_next = sender->gate_next;
    else
        gate->senders = sender->gate_next;
    if (sender->gate_next)
        sender->gate_next->gate_prev = sender->gate_prev;
    sender->gate = NULL;
    sender->gate_next = sender->gate_prev = NULL;
    close_unused(gate);
}

void gate_unbind(struct gate *gate)
{
    struct endpoint *endpoint = gate->endpoint;
    if (!endpoint)
        return;
    closed_remove(gate);
    if (gate->prev)
        gate->prev->next = gate->next;
    else
        endpoint->gates = gate->next;
    if (gate->next)
        gate->next->prev = gate->prev;
    gate->endpoint = NULL;
    gate->next = gate->prev = NULL;
}

void gate_destroy(struct gate *gate)
{
    gate_unbind(gate);
    if (gate->senders)
        dying_add(AR_GATE, gate);
}

bool gate_dissolve(struct gate *gate)
{
    if (!gate->senders)
        return true;
    work_spend(WORK_CANCEL);
    ipc_cancel(gate->senders, AR_ERR_GONE);
    return false;
}

/* ---- invocations ----------------------------------------------------------------------------- */

enum ar_error gate_bind(struct invocation *call)
{
    struct gate *gate = (struct gate *)call->target->object;
    struct endpoint *endpoint = (struct endpoint *)call->caps[0]->object;
    if (gate->copies || gate->senders)
        return invocation_fail(call, AR_ERR_BUSY, AR_ARG_TARGET, 0, gate->copies);

    gate_unbind(gate);
    gate->endpoint = endpoint;
    gate->badge = call->words[1];
    trace_bind(gate);
    gate->next = endpoint->gates;
    if (gate->next)
        gate->next->prev = gate;
    endpoint->gates = gate;
    return AR_OK;
}

enum ar_error gate_info(struct invocation *call)
{
    const struct gate *gate = (const struct gate *)call->target->object;
    call->words[0] = gate->badge;
    call->words[1] = gate->copies;
    call->result_words = 2;
    return AR_OK;
}
