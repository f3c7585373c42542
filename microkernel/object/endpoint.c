/*
 * Endpoints: what is left of them besides the rendezvous (ipc/endpoint.c).
 * SPDX-License-Identifier: MIT
 */
#include "ipc/ipc.h"
#include "object/acts.h"
#include "sched/work.h"

/* From now on it takes no message and queues no sender (gate_endpoint). */
void endpoint_destroy(struct endpoint *endpoint)
{
    dying_add(AR_ENDPOINT, endpoint);
}

/* Receivers first: until they are gone a call can still reach one, as if it had come earlier. */
bool endpoint_dissolve(struct endpoint *endpoint)
{
    struct tcb *waits =
        endpoint->receivers.head ? endpoint->receivers.head : endpoint->senders.head;
    if (waits) {
        work_spend(WORK_CANCEL);
        ipc_cancel(waits, AR_ERR_GONE);
    } else if (endpoint->gates) {
        gate_unbind(endpoint->gates);
    } else {
        return true;
    }
    return false;
}

bool endpoint_tell_closed(struct endpoint *endpoint)
{
    if (!endpoint->closed_head || !endpoint->receivers.head)
        return true;
    work_spend(WORK_CANCEL);
    ipc_deliver_closed(endpoint);
    return false;
}

/* ---- invocations ----------------------------------------------------------------------------- */

enum ar_error endpoint_set_issuer(struct invocation *call)
{
    struct endpoint *endpoint = (struct endpoint *)call->target->object;
    if (endpoint->issuer)
        return invocation_fail(call, AR_ERR_EXISTS, AR_ARG_TARGET, 0, endpoint->issuer);

    endpoint->issuer = call->words[0];
    trace_issuer(endpoint);
    return AR_OK;
}
