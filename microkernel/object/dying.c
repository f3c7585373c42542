/*
 * Objects that nobody can name any more and that take long to take apart: a CNode full of
 * capabilities, an endpoint with waiting threads. SPDX-License-Identifier: MIT
 *
 * They form a stack, linked through themselves. It is worked off in pieces by the system call that
 * deleted the last capability, which restarts until the stack is empty; by any retype, since their
 * memory may be the next to be given out; and by the timer, when those do not run: the caller may
 * have been among what it deleted.
 *
 * Nothing here is recursive. A dissolving CNode pushes what its capabilities were the last to, and
 * goes on when that is gone; a thread, whose own capabilities may be the last to a CNode that
 * holds threads, is pushed too.
 */
#include "object/object.h"
#include "sched/sched.h"
#include "sched/work.h"

/* An object's address and its type in one word: objects are aligned to 64 bytes at least. */
#define TYPE_MASK 31ull
#define CLOSING AR_NULL /* not dying: an endpoint with receivers to wake */
#define LINKED 32ull /* so that the last one's link is not 0 either: it says "dying" as well */

static uint64_t *link_of(uint64_t dying)
{
    void *object = (void *)(dying & ~(TYPE_MASK | LINKED));
    switch (dying & TYPE_MASK) {
    case CLOSING:
        return &((struct endpoint *)object)->closing;
    case AR_ENDPOINT:
        return &((struct endpoint *)object)->dying;
    case AR_GATE:
        return &((struct gate *)object)->dying;
    case AR_NOTIFICATION:
        return &((struct notification *)object)->dying;
    case AR_TCB:
        return &((struct tcb *)object)->dying;
    default:
        return &((struct cnode *)object)->dying.link;
    }
}

static bool dissolve(uint64_t dying)
{
    void *object = (void *)(dying & ~(TYPE_MASK | LINKED));
    switch (dying & TYPE_MASK) {
    case CLOSING:
        return endpoint_tell_closed(object);
    case AR_ENDPOINT:
        return endpoint_dissolve(object);
    case AR_GATE:
        return gate_dissolve(object);
    case AR_NOTIFICATION:
        return notification_dissolve(object);
    case AR_TCB:
        return tcb_dissolve(object);
    default:
        return cnode_dissolve(object);
    }
}

void dying_add(enum ar_type type, void *object)
{
    uint64_t dying = (uint64_t)object | type;
    *link_of(dying) = core.dying | LINKED;
    core.dying = dying;
}

void dying_add_closing(struct endpoint *endpoint)
{
    dying_add(CLOSING, endpoint);
}

/* The top of the stack is in pieces. */
static void dying_remove(void)
{
    uint64_t dying = core.dying;
    core.dying = *link_of(dying) & ~LINKED;
    if ((dying & TYPE_MASK) == CLOSING)
        *link_of(dying) = 0; /* it lives on */
    if ((dying & TYPE_MASK) != AR_CNODE)
        return;
    struct cnode_dying *cnode = &((struct cnode *)(dying & ~TYPE_MASK))->dying;
    if (cnode->inner)
        cnode_destroy(cnode->inner, cnode->inner_bits);
}

bool dying_work(void)
{
    while (core.dying) {
        if (!work_left())
            return false;
        work_spend(WORK_DISSOLVE);
        if (dissolve(core.dying))
            dying_remove();
    }
    return true;
}
