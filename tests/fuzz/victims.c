/*
 * Two threads that only want to be left alone. SPDX-License-Identifier: MIT
 *
 * The client calls the server with a number and must get the next one back, from nobody else; the
 * server must see the client's principal behind the client's badge. Hostile parties hold a gate
 * to the same endpoint (badge 77), a notification they may signal, and a frame they may read.
 * Whatever they do with these: no other authority over the victims' objects may ever be theirs,
 * and the frame keeps its contents.
 */
#include "kernel_check.h"
#include "world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The keeper's slots from K_VICTIMS on; the first three are what parties get copies of. */
enum { V_ROOT, V_GATE_OUT, V_NOTIFICATION, V_FRAME, V_LEAF, V_SPACE, V_GATE, V_ENDPOINT, V_REPLY,
       V_SERVER, V_CLIENT, V_BUFFER, V_BUFFER2, V_CLOCK };
enum { BADGE_CLIENT = 1, BADGE_OUT = 77, PRINCIPAL = 0x11, SECRET = 0x5ec7e7 };

static struct tcb *server, *client;
static uint64_t *frame;
static uint64_t number;     /* the client's last */
static bool calling, serving, sleeping;
static const void *slots_low, *slots_high;

static void failed(const char *what)
{
    fprintf(stderr, "a victim was harmed: %s\n", what);
    abort();
}

static void *object(unsigned slot)
{
    return (void *)cnode_slot(&world_keeper->cspace, K_VICTIMS + slot)->object;
}

static void make(unsigned slot, enum ar_type type, unsigned bits, unsigned count)
{
    if (keeper_invoke(K_VICTIM_POOL, AR_UNTYPED_RETYPE, type, bits, K_VICTIMS + slot, count))
        abort();
}

static struct tcb *make_thread(unsigned slot, unsigned buffer, uint64_t address, uint64_t principal)
{
    uint64_t tcb = K_VICTIMS + slot;
    make(slot, AR_TCB, 0, 1);
    make(buffer, AR_FRAME, 12, 1);
    world_keeper->buffer->words[4] = 0;
    keeper_invoke(tcb, AR_TCB_CONFIGURE, K_VICTIMS + V_ROOT, K_VICTIMS + V_SPACE,
                  K_VICTIMS + buffer, address);
    keeper_invoke(tcb, AR_TCB_SET_PRIORITY, 20, 0, 0, 0);
    keeper_invoke(tcb, AR_TCB_SET_PRINCIPAL, principal, 0, 0, 0);
    keeper_invoke(tcb, AR_TCB_RESUME, 0, 0, 0, 0);
    return object(slot);
}

void victims_make(void)
{
    make(V_ROOT, AR_CNODE, 2, 1);
    make(V_LEAF, AR_CNODE, AR_LEAF_BITS, 1);
    slots_low = object(V_LEAF);
    slots_high = (const uint8_t *)slots_low + AR_LEAF_SLOTS * AR_SLOT_SIZE;
    keeper_invoke(K_VICTIMS + V_ROOT, AR_CNODE_SET_LEAF, 0, K_VICTIMS + V_LEAF, 0, 0);
    make(V_SPACE, AR_VSPACE, 0, 1);
    make(V_ENDPOINT, AR_ENDPOINT, 0, 1);
    make(V_REPLY, AR_REPLY, 0, 1);
    make(V_GATE, AR_GATE, 0, 1);
    make(V_GATE_OUT, AR_GATE, 0, 1);
    make(V_NOTIFICATION, AR_NOTIFICATION, 0, 1);
    make(V_CLOCK, AR_NOTIFICATION, 0, 1);
    make(V_FRAME, AR_FRAME, 12, 1);
    keeper_invoke(K_VICTIMS + V_GATE, AR_GATE_BIND, K_VICTIMS + V_ENDPOINT, BADGE_CLIENT, 0, 0);
    keeper_invoke(K_VICTIMS + V_GATE_OUT, AR_GATE_BIND, K_VICTIMS + V_ENDPOINT, BADGE_OUT, 0, 0);
    for (unsigned i = 0; i < 512; i++)
        (frame = object(V_FRAME))[i] = SECRET;
    server = make_thread(V_SERVER, V_BUFFER, 0x10000, 0);
    client = make_thread(V_CLIENT, V_BUFFER2, 0x11000, PRINCIPAL);
    keeper_invoke(K_VICTIMS + V_SERVER, AR_TCB_BIND_NOTIFICATION, K_VICTIMS + V_NOTIFICATION, 0, 0,
                  0);
    static const uint8_t in[] = {V_ENDPOINT, V_REPLY, V_GATE, V_CLOCK};
    for (unsigned i = 0; i < sizeof(in); i++) /* slots 1 to 4 of the victims */
        keeper_invoke(K_VICTIMS + V_ROOT, in[i] == V_REPLY ? AR_CNODE_MOVE : AR_CNODE_COPY, 1 + i,
                      AR_CAP_SELF, K_VICTIMS + in[i], AR_ALL);
    number = 0;
    calling = serving = sleeping = false;
}

/* After some calls the client sleeps for a while, so that the keeper gets its turn. */
static bool client_sleeps(struct ar_regs *regs)
{
    if (sleeping && (regs->rax != AR_ERR_TIMEOUT || host_clock < regs->r13))
        failed("a sleep did not end as it should");
    bool before = sleeping;
    sleeping = !before && number % 8 == 6;
    if (!sleeping)
        return false;
    regs->rax = AR_SYS_WAIT;
    regs->rdi = 4;
    regs->r13 = host_clock + 1000;
    return true;
}

static void client_step(struct ar_regs *regs)
{
    if (calling && !sleeping && (regs->rax != AR_OK || regs->rdx != number + 1))
        failed("the client got another answer than its server's");
    if (client_sleeps(regs))
        return;
    number += 2;
    calling = true;
    regs->rax = AR_SYS_CALL;
    regs->rdi = 3;
    regs->rsi = AR_INFO(AR_LABEL_USER, 1, 0, 0, 0);
    regs->rdx = number;
}

static void server_step(struct ar_regs *regs)
{
    bool request = serving && AR_INFO_LABEL(regs->rsi) >= AR_LABEL_USER;
    if (serving && regs->rax != AR_OK)
        failed("the server's receive failed");
    if (request && regs->rdi != BADGE_CLIENT && regs->rdi != BADGE_OUT)
        failed("a badge that the server gave nobody");
    if (request && regs->rdi == BADGE_CLIENT && (regs->rbx != PRINCIPAL || regs->rdx != number))
        failed("a request under the client's badge that is not the client's");
    /* parties may let their gate go, or name it as a fault gate */
    bool theirs = regs->rdi == BADGE_OUT && (AR_INFO_LABEL(regs->rsi) == AR_LABEL_CLOSED ||
                                             AR_INFO_LABEL(regs->rsi) == AR_LABEL_FAULT);
    if (serving && !request && !theirs && AR_INFO_LABEL(regs->rsi) != AR_LABEL_NOTIFICATION)
        failed("a message of the kernel's that nothing can have caused");
    serving = true;
    regs->rax = AR_SYS_REPLY_RECV;
    regs->rdi = 1;
    regs->rsi = AR_INFO(0, 1, 0, 0, 0);
    regs->rdx = regs->rdx + 1;
    regs->r12 = 2;
    regs->r13 = AR_NO_DEADLINE;
}

bool victims_step(void)
{
    struct tcb *tcb = core.current;
    if (tcb != server && tcb != client)
        return false;
    if (tcb->regs.rip != USER_RIP - 2) {
        if (tcb == server)
            server_step(&tcb->regs);
        else
            client_step(&tcb->regs);
    }
    tcb->regs.rip = USER_RIP;
    world_trace("victim", tcb->regs.rax, tcb->regs.rdx);
    world_enter();
    return true;
}

/* ---- what others have ---------------------------------------------------------------------------- */

static bool is_victims(uint64_t address)
{
    return address - host_boot.pools[K_VICTIM_POOL - 1].start <
           1ull << host_boot.pools[K_VICTIM_POOL - 1].size_bits;
}

/* Slots of the victims, their TCBs and the keeper are in the victims' pool or boot's memory. */
static bool held_by_others(const struct cap *slot)
{
    for (unsigned i = 0; i < host_boot.pool_count; i++)
        if (i != K_VICTIM_POOL - 1 && (uint64_t)slot - host_boot.pools[i].start <
                                          1ull << host_boot.pools[i].size_bits)
            return true;
    return false;
}

void victims_check(void)
{
    for (unsigned i = 0; i < check.cap_count; i++) {
        const struct cap *cap = check.caps[i];
        if (!is_victims(cap->object) || !held_by_others(cap))
            continue;
        bool allowed =
            (cap->type == AR_GATE && cap->object == (uint64_t)object(V_GATE_OUT) &&
             !(cap->rights & ~AR_SEND)) ||
            (cap->type == AR_NOTIFICATION && cap->object == (uint64_t)object(V_NOTIFICATION) &&
             !(cap->rights & ~AR_SEND)) ||
            (cap->type == AR_FRAME && cap->object == (uint64_t)frame && !(cap->rights & ~AR_READ));
        if (!allowed || cap->flags & CAP_ORIGINAL)
            failed("somebody has a capability that nobody gave away");
    }
    for (unsigned i = 0; i < 512; i += 8)
        if (frame[i] != SECRET)
            failed("its memory was written");
    if (client->state == AR_THREAD_INACTIVE || client->suspended || server->suspended)
        failed("a thread was stopped");
}
