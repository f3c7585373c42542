/*
 * The invariants of the kernel, all of them after each step. SPDX-License-Identifier: MIT
 */
#include "kernel_check.h"
#include "arch/arch.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check check;
bool host_check_history;

/* What the last check saw. */
struct seen {
    uint64_t address, bytes;
    uint8_t type;
    bool open;                       /* gate: with copies, or calls that wait */
    const struct endpoint *endpoint; /* gate */
    const struct tcb *caller;        /* reply */
};
static struct seen seen[CHECK_OBJECTS];
static unsigned seen_count, created_count;

void check_broken(const char *what, const void *where)
{
    fprintf(stderr, "kernel invariant broken: %s (at arena + %#lx)\n", what,
            (unsigned long)((uint64_t)where - (uint64_t)host_arena.base));
    abort();
}

void host_check_start(void)
{
    seen_count = 0;
}

unsigned host_check_size(void)
{
    return check.cap_count;
}

/* ---- changes ----------------------------------------------------------------------------------- */

/* Somebody has just been told that the gate is closed. */
static bool closed_told(uint64_t badge)
{
    for (unsigned i = 0; i < check.object_count; i++) {
        const struct tcb *tcb = (const struct tcb *)check.objects[i].address;
        if (check.objects[i].type == AR_TCB && tcb->state == AR_THREAD_READY &&
            tcb->regs.rax == AR_OK && tcb->regs.rdi == badge &&
            AR_INFO_LABEL(tcb->regs.rsi) == AR_LABEL_CLOSED)
            return true;
    }
    return false;
}

/* The last copy of an open gate went: the server is told, now or when it receives. */
static void gate_change(const struct seen *before, const struct gate *gate)
{
    bool same = before->endpoint && before->endpoint == gate->endpoint;
    if (same && before->open && !gate->copies && !gate->senders && !gate->closed &&
        gate_endpoint(gate))
        CHECK(closed_told(gate->badge), gate);
}

/* A message was received: it is not one that the kernel alone may send. */
static void reply_change(const struct seen *before, const struct reply *reply)
{
    const struct tcb *caller = reply->caller, *server = reply->server;
    if (caller && caller != before->caller && caller->state == AR_THREAD_BLOCKED_REPLY &&
        check_find(server, AR_TCB))
        CHECK(AR_INFO_LABEL(server->regs.rsi) >= AR_LABEL_USER, reply);
}

static bool overlaps_new(const struct seen *gone)
{
    for (unsigned i = 0; created_count && i < check.object_count; i++) {
        const struct check_object *object = &check.objects[i];
        if (object->created && object->address < gone->address + gone->bytes &&
            gone->address < object->address + object->bytes)
            return true;
    }
    return false;
}

static bool in_pool(uint64_t address)
{
    for (unsigned i = 0; i < host_boot.pool_count; i++)
        if (address - host_boot.pools[i].start < 1ull << host_boot.pools[i].size_bits)
            return true;
    return false;
}

/* Memory of no object: not for the kernel any more, and full of what a retype must clear. */
static void object_gone(const struct seen *gone)
{
    if (!in_pool(gone->address) || overlaps_new(gone))
        return;
    memset((void *)gone->address, 0xa5, gone->bytes > 4096 ? 4096 : gone->bytes);
    host_poison(gone->address, gone->bytes, true);
}

static void object_created(const struct check_object *object)
{
    const uint64_t *words = (const uint64_t *)object->address;
    if (!in_pool(object->address))
        return;
    if (seen_count && object->type == AR_FRAME && !(object->first->flags & CAP_DEVICE))
        for (unsigned i = 0; i < 512; i++)
            CHECK(words[i] == 0, object->first); /* retyped memory shows what was there */
    host_poison(object->address, object->bytes, false);
}

/* Which objects are new; those of the last check that are gone get type AR_NULL. True: threads are
 * among them. */
static bool changes_mark(void)
{
    bool threads_gone = false;
    for (unsigned i = 0; i < check.object_count; i++)
        check.objects[i].created = true;
    created_count = check.object_count;
    for (unsigned i = 0; i < seen_count; i++) {
        struct check_object *object = check_find_any((void *)seen[i].address, seen[i].type);
        threads_gone |= seen[i].type == AR_TCB && (!object || object->dying);
        if (object && object->bytes == seen[i].bytes) {
            object->created = false;
            created_count--;
        } else {
            seen[i].type = AR_NULL;
        }
    }
    return threads_gone;
}

static void changes_remember(void)
{
    for (unsigned i = 0; i < check.object_count; i++) {
        const struct check_object *object = &check.objects[i];
        if (object->created)
            object_created(object);
        seen[i] = (struct seen){
            .address = object->address, .bytes = object->bytes, .type = object->type};
        if (object->type == AR_GATE) {
            const struct gate *gate = (const struct gate *)object->address;
            seen[i].open = gate->copies || gate->senders;
            seen[i].endpoint = gate->endpoint;
        } else if (object->type == AR_REPLY) {
            seen[i].caller = ((const struct reply *)object->address)->caller;
        }
    }
    seen_count = check.object_count;
}

void check_changes(void)
{
    bool threads_gone = changes_mark(); /* who was told that a gate is closed may be gone too */
    for (unsigned i = 0; i < seen_count; i++) {
        if (seen[i].type == AR_NULL)
            object_gone(&seen[i]);
        else if (host_check_history && seen[i].type == AR_GATE && !threads_gone)
            gate_change(&seen[i], (const struct gate *)seen[i].address);
        else if (host_check_history && seen[i].type == AR_REPLY)
            reply_change(&seen[i], (const struct reply *)seen[i].address);
    }
    changes_remember();
}

void host_check_invariants(void)
{
    check_capabilities();
    check_derivation();
    check_spaces();
    check_messages();
    check_threads();
    check_changes();
}
