/*
 * Interrupt lines. SPDX-License-Identifier: MIT
 *
 * A line is given out once, until the last capability to it is gone: then all of them are
 * neighbours in the derivation list, and "the last" can be seen.
 */
#include "object/derivation.h"
#include "ipc/ipc.h"
#include "object/acts.h"
#include "sched/sched.h"

enum { IRQ_CASCADE = 2, IRQ_LOG = 3 }; /* lines that nobody gets */

void irq_forget(struct notification *notification)
{
    for (unsigned line = 0; line < IRQ_LINES; line++) {
        if (core.irq[line].notification == notification) {
            core.irq[line].notification = NULL;
            arch_irq_enable(line, false);
        }
    }
}

void irq_destroy(unsigned line)
{
    core.irq[line].notification = NULL;
    core.irq[line].given = false;
    arch_irq_enable(line, false);
}

void irq_arrived(unsigned line)
{
    arch_irq_enable(line, false);
    if (core.irq[line].notification)
        notification_signal(core.irq[line].notification, core.irq[line].bits);
}

/* ---- invocations ----------------------------------------------------------------------------- */

enum ar_error irq_control_get(struct invocation *call)
{
    uint64_t line = call->words[0];
    struct cap cap = {.type = AR_IRQ, .rights = AR_ALL, .object = line};
    if (line == IRQ_CASCADE || line == IRQ_LOG)
        return invocation_fail(call, AR_ERR_BUSY, 0, 0, line);
    if (core.irq[line].given)
        return invocation_fail(call, AR_ERR_EXISTS, 0, 0, line);

    core.irq[line].given = true;
    cap_insert(call->caps[1], &cap, call->target);
    return AR_OK;
}

enum ar_error irq_bind(struct invocation *call)
{
    unsigned line = (unsigned)call->target->object;
    core.irq[line].notification = (struct notification *)call->caps[0]->object;
    core.irq[line].bits = call->words[1];
    arch_irq_enable(line, true);
    return AR_OK;
}

enum ar_error irq_ack(struct invocation *call)
{
    unsigned line = (unsigned)call->target->object;
    arch_irq_enable(line, core.irq[line].notification != NULL);
    return AR_OK;
}
