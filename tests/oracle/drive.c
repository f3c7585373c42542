/* One operation at a time. SPDX-License-Identifier: MIT */
#include "drive.h"
#include "address.h"

#include <string.h>
#include <sys/syscall.h>

static int32_t pipes[WORKERS_MAX], urgents[WORKERS_MAX];
static bool has_flown; /* descriptors were sent: Linux may have garbage to collect */

void drive_begin(const struct setting *setting)
{
    memset(pipes, 0, sizeof(pipes));
    memset(urgents, 0, sizeof(urgents));
    has_flown = false;
    platform_begin(setting);
    address_begin(setting->seed);
}

void drive_end(void)
{
    platform_end();
    if (has_flown) /* what nobody can reach counts against its user until it is collected */
        platform_settle(true);
}

static bool may_leave_garbage(const struct op *op)
{
    switch (op->kind) {
    case OP_CLOSE:
    case OP_DUP2:
    case OP_DUP3:
    case OP_EXIT:
    case OP_CONNECT: /* a datagram socket drops its queue */
    case OP_SPLICE:
        return true;
    default:
        return op->kind >= OP_READ && op->kind <= OP_RECVMMSG;
    }
}

/* Whose call ends may have held the last reference to what another thread closed meanwhile. */
static bool another_has_ended(int worker)
{
    for (int i = 0; i < WORKERS_MAX; i++)
        if (i != worker && board->slot[i].state == SLOT_DONE)
            return true;
    return false;
}

static void collect(struct step *step)
{
    step->events = 0;
    for (int i = 0; i < WORKERS_MAX; i++) {
        struct slot *slot = &board->slot[i];
        if (slot->state != SLOT_DONE)
            continue;
        struct event *event = &step->event[step->events++];
        event->worker = i;
        event->result = slot->result;
        slot->state = SLOT_IDLE;
    }
    for (int i = 0; i < WORKERS_MAX; i++) {
        int32_t pipe = board->pipes[i] - pipes[i], urgent = board->urgent[i] - urgents[i];
        if (!pipe && !urgent)
            continue;
        pipes[i] += pipe;
        urgents[i] += urgent;
        struct event *event = &step->event[step->events++];
        event->worker = SIGNALS + i;
        event->result = (struct result){.ret = pipe, .count = 1, .out = {urgent}};
    }
}

void drive_step(const struct op *op, struct step *step)
{
    struct slot *slot = &board->slot[op->worker];
    if (op->kind == OP_WAIT) {
        platform_advance(op->timeout_ms);
        if (has_flown)
            platform_settle(another_has_ended(-1));
    } else if (slot->state == SLOT_IDLE) {
        slot->op = *op;
        platform_run(op->worker);
        has_flown |= op->control & (C_RIGHTS | C_BROKEN); /* broken ones may carry a descriptor, too */
        if (has_flown)
            platform_settle(may_leave_garbage(op) || another_has_ended(op->worker));
    }
    collect(step);
}
