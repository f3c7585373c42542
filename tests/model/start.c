/*
 * The world at the start: as if it had been made by retype and bind. SPDX-License-Identifier: MIT
 */
#include "machine.h"
#include "object/derivation.h"
#include <string.h>

struct machine machine __attribute__((aligned(4096)));
struct cap leaf[AR_LEAF_SLOTS];
static struct cap root[2] __attribute__((aligned(64))); /* one leaf */
static struct ar_ipc_buffer buffers[THREADS];           /* what is sent never changes */

static void make(unsigned slot, enum ar_type type, const void *object, unsigned size_bits)
{
    struct cap cap = {.type = (uint8_t)type,
                      .rights = AR_ALL,
                      .flags = CAP_ORIGINAL,
                      .size_bits = (uint8_t)size_bits,
                      .object = (uint64_t)object};
    cap_insert(&leaf[slot], &cap, NULL);
}

static void make_gate(unsigned gate)
{
    struct gate *object = &machine.gate[gate];
    struct endpoint *endpoint = &machine.endpoint[home_of(gate)];
    make(SLOT_GATE + gate, AR_GATE, object, 0);
    object->endpoint = endpoint;
    object->badge = BADGE + gate;
    object->next = endpoint->gates;
    if (object->next)
        object->next->prev = object;
    endpoint->gates = object;
    cap_copy(&leaf[SLOT_COPY + gate], &leaf[SLOT_GATE + gate], AR_SEND);
}

static void make_thread(unsigned thread)
{
    struct tcb *tcb = &machine.thread[thread];
    make(SLOT_THREAD + thread, AR_TCB, tcb, 0);
    tcb_init(tcb);
    cap_copy(&tcb->cspace, &leaf[SLOT_ROOT], AR_ALL);
    cap_copy(&tcb->vspace, &leaf[SLOT_SPACE], AR_ALL);
    tcb->buffer = &buffers[thread];
    tcb->buffer->caps_out[0] = (SLOT_COPY + 1) | AR_CAP_MOVE;
    tcb->buffer->recv_slots[0] = SLOT_WINDOW;
    tcb->buffer->recv_slot_count = 1;
    static const uint8_t ladder[THREADS] = {10, 12, 11};
    tcb->priority = scene.ladder ? ladder[thread] : 10;
    tcb->principal = PRINCIPAL + thread;
    tcb->regs.rip = RIP;
    tcb->suspended = 0;
    tcb->state = AR_THREAD_READY;
    sched_ready(tcb);
}

void model_start(void)
{
    static uint64_t space[1];
    scene_choose();
    step_guard();
    memset(&holds, true, sizeof(holds));
    root[0] = (struct cap){.type = AR_CNODE,
                           .rights = AR_ALL,
                           .size_bits = AR_LEAF_BITS,
                           .extra = AR_LEAF_SLOTS,
                           .object = (uint64_t)leaf};
    make(SLOT_ROOT, AR_CNODE, root, 1);
    leaf[SLOT_ROOT].extra = 2; /* slots */
    make(SLOT_SPACE, AR_VSPACE, space, 0);
    for (unsigned i = 0; i < ENDPOINTS; i++)
        make(SLOT_ENDPOINT + i, AR_ENDPOINT, &machine.endpoint[i], 0);
    for (unsigned i = 0; i < GATES; i++)
        make_gate(i);
    for (unsigned i = 0; i < REPLIES; i++)
        make(SLOT_REPLY + i, AR_REPLY, &machine.reply[i], 0);
    make(SLOT_NOTIFICATION, AR_NOTIFICATION, &machine.notification, 0);
    core.timer_ns = AR_NO_DEADLINE;
    for (unsigned i = 0; i < THREADS; i++)
        make_thread(i);
    cap_copy(&machine.thread[0].fault_gate, &leaf[SLOT_GATE + 2], AR_SEND);
    machine.thread[1].bound = &machine.notification;
    machine.notification.bound = &machine.thread[1];
    for (unsigned i = 0; i < THREADS; i++)
        history.thread[i] =
            (struct thread_history){.endpoint = NOTHING, .gate = NOTHING, .reply = NOTHING};
    sched_pick();
    step_normalise();
    unsigned part = 0;
    for (unsigned i = 0; i < THREADS; i++)
        store_part(part++, &machine.thread[i], sizeof(struct tcb));
    store_part(part++, machine.endpoint, sizeof(machine.endpoint));
    store_part(part++, machine.gate, sizeof(machine.gate));
    store_part(part++, machine.reply,
               sizeof(machine.reply) + sizeof(machine.notification));
    store_part(part++, leaf, SLOTS * sizeof(struct cap));
    store_part(part++, &core, sizeof(core));
    store_part(part++, &history, sizeof(history));
    store_save();
}
