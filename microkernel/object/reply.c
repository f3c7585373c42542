/*
 * Reply objects: each holds one caller between a receive and the reply.
 * SPDX-License-Identifier: MIT
 */
#include "ipc/ipc.h"

/* Who waits for a reply hears that none will come, and so does a receiver that offered us. */
void reply_destroy(struct reply *reply)
{
    if (reply->caller)
        ipc_cancel(reply->caller, AR_ERR_GONE);
    if (reply->receiver)
        ipc_cancel(reply->receiver, AR_ERR_GONE);
}
