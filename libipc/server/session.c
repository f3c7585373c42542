/*
 * Sessions and waiters: see ipc/session.h for what they are, waiter.h for the lists. Pure: no
 * kernel call. SPDX-License-Identifier: MIT
 */
#include "waiter.h"
#include <ipc/answer.h>
#include <ipc/memory.h>
#include <ipc/session.h>
#include <string.h>

#define TABLE_LEAST 16u

/* ---- the table: open addressing with linear probing, keyed by thread ------------------------- */

static unsigned table_home(const struct session_table *table, uint32_t thread)
{
    return (unsigned)((thread * 2654435761u) >> 7) & (table->capacity - 1);
}

/* The thread's place, or the empty one where it would go. Only with capacity > count. */
static unsigned table_place(const struct session_table *table, uint32_t thread)
{
    unsigned at = table_home(table, thread);
    while (table->slots[at] && table->slots[at]->thread != thread)
        at = (at + 1) & (table->capacity - 1);
    return at;
}

static bool table_reserve(struct session_table *table)
{
    if ((table->count + 1) * 4 <= table->capacity * 3)
        return true;
    struct session_table bigger = *table;
    bigger.capacity = table->capacity ? table->capacity * 2 : TABLE_LEAST;
    bigger.slots = mem_alloc(bigger.capacity * sizeof(*bigger.slots));
    if (!bigger.slots)
        return false;
    for (unsigned i = 0; i < table->capacity; i++)
        if (table->slots[i])
            bigger.slots[table_place(&bigger, table->slots[i]->thread)] = table->slots[i];
    mem_free(table->slots);
    *table = bigger;
    return true;
}

/* Close the gap, so that no probe sequence is cut: move back every later entry of the run that
 * may stand there. */
static void table_remove(struct session_table *table, unsigned gap)
{
    unsigned mask = table->capacity - 1;
    for (unsigned at = (gap + 1) & mask; table->slots[at]; at = (at + 1) & mask) {
        unsigned home = table_home(table, table->slots[at]->thread);
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            table->slots[gap] = table->slots[at];
            gap = at;
        }
    }
    table->slots[gap] = NULL;
    table->count--;
    if (table->count == 0) { /* back to nothing: the leak tests compare heap use */
        mem_free(table->slots);
        *table = (struct session_table){.armed_max = table->armed_max};
    }
}

/* ---- waiters --------------------------------------------------------------------------------- */

/* Most threads wait for one thing at a time: a session comes with room for one waiter. Free while its
 * `object` is NULL. */
struct session_made {
    struct session session;
    struct waiter waiter;
};

static struct waiter *session_waiter(struct session *session)
{
    return &((struct session_made *)session)->waiter;
}

static void waiter_remove(struct waiter *waiter)
{
    struct waiters *list = waiter->object;
    if (waiter->granted) {
        waiter->session->granted = NULL;
        waiter->session->table->granted--;
    }
    if (waiter->session->answered == waiter)
        waiter->session->answered = NULL;
    if (waiter->object_next == waiter) {
        list->first = NULL;
    } else {
        waiter->object_next->object_previous = waiter->object_previous;
        waiter->object_previous->object_next = waiter->object_next;
        if (list->first == waiter)
            list->first = waiter->object_next;
    }
    if (waiter->session_next)
        waiter->session_next->session_previous = waiter->session_previous;
    if (waiter->session_previous)
        waiter->session_previous->session_next = waiter->session_next;
    else
        waiter->session->armed = waiter->session_next;
    waiter->session->armed_count--;
    waiter->session->table->armed--;
    if (waiter == session_waiter(waiter->session))
        waiter->object = NULL;
    else
        mem_free(waiter);
}

/* Walk the object's list and the session's list in step: an entry would be on both, so the
 * shorter one decides. */
static struct waiter *waiter_find(const struct waiters *list, const struct session *session)
{
    struct waiter *by_object = list->first, *by_session = session->armed;
    while (by_object && by_session) {
        if (by_object->session == session)
            return by_object;
        if (by_session->object == list)
            return by_session;
        by_object = by_object->object_next == list->first ? NULL : by_object->object_next;
        by_session = by_session->session_next;
    }
    return NULL;
}

static enum status waiter_arm(struct waiters *list, struct session *session, uint32_t events,
                              bool exclusive, struct waiter **armed)
{
    if (!session)
        return ST_SESSION;
    struct waiter *waiter = waiter_find(list, session);
    if (waiter) {
        waiter->events |= events;
        waiter->exclusive = waiter->exclusive && exclusive;
        *armed = waiter;
        return ST_OK;
    }
    struct session_table *table = session->table;
    if (session->armed_count >= SESSION_ARMED_MAX ||
        (table->armed_max && session->armed_count + table->armed + 2 > table->armed_max))
        return ST_NOMEM;
    waiter = session_waiter(session);
    if (waiter->object)
        waiter = mem_alloc_unset(sizeof(*waiter));
    if (!waiter)
        return ST_NOMEM;
    /* one by one: clearing it first would cost as much again */
    waiter->object = list;
    waiter->session = session;
    waiter->session_previous = NULL;
    waiter->events = events;
    waiter->exclusive = exclusive;
    waiter->granted = false;
    waiter->answer = 0;
    if (list->first) {
        waiter->object_next = list->first;
        waiter->object_previous = list->first->object_previous;
        waiter->object_previous->object_next = waiter;
        list->first->object_previous = waiter;
    } else {
        waiter->object_next = waiter->object_previous = waiter;
        list->first = waiter;
    }
    waiter->session_next = session->armed;
    if (session->armed)
        session->armed->session_previous = waiter;
    session->armed = waiter;
    session->armed_count++;
    table->armed++;
    *armed = waiter;
    return ST_OK;
}

enum status waiters_arm(struct waiters *list, struct session *session, uint32_t events)
{
    struct waiter *waiter;
    return waiter_arm(list, session, events, false, &waiter);
}

enum status waiters_arm_question(struct waiters *list, struct session *session, uint32_t events,
                                 uint16_t number)
{
    struct waiter *waiter;
    enum status status = waiter_arm(list, session, events, false, &waiter);
    if (status != ST_OK)
        return status;
    if (session->answered)
        session->answered->answer = 0;
    session->answered = number ? waiter : NULL;
    waiter->answer = number;
    waiter->asked = events;
    return ST_OK;
}

enum status waiters_arm_exclusive(struct waiters *list, struct session *session, uint32_t events,
                                  uint64_t tag)
{
    struct waiter *waiter;
    enum status status = waiter_arm(list, session, events, true, &waiter);
    if (status == ST_OK && waiter->exclusive)
        waiter->tag = tag;
    return status;
}

bool waiters_has_exclusive(const struct waiters *list, const struct session *session,
                           uint32_t events)
{
    const struct waiter *waiter = waiter_find(list, session);
    return waiter && waiter->exclusive && (waiter->events & events);
}

bool session_grant_take(struct session *session, uint64_t *tag, uint32_t *events)
{
    struct waiter *waiter = session->granted;
    if (!waiter)
        return false;
    *tag = waiter->tag;
    *events = waiter->events;
    waiter_remove(waiter);
    return true;
}

void session_disarm_exclusive(struct session *session)
{
    for (struct waiter *waiter = session->armed, *next; waiter; waiter = next) {
        next = waiter->session_next;
        if (waiter->exclusive)
            waiter_remove(waiter);
    }
}

/* Once for all objects that one request changes: a notification counts nothing, and the effects
 * have room for every session but not for every waiter. */
static void session_wake(struct session *session, uint32_t answer, struct ipc_effects *effects)
{
    struct ipc_effect *last = &effects->list[session->woken_at];
    if (session->woken_at >= effects->count || last->kind != IPC_EFFECT_WAKE ||
        last->value != session->notification) {
        session->woken_at = effects->count;
        if (effects->count == IPC_EFFECTS_MAX)
            return;
        ipc_wake(effects, session->notification);
        last = &effects->list[session->woken_at];
    }
    if (answer)
        last->answer = answer;
}

/* What a waiter whose event has come is told. */
static uint32_t waiter_answer(const struct waiter *waiter, waiters_ready *ready, void *context)
{
    if (!waiter->answer || !ready)
        return 0;
    uint32_t found = ready(context, waiter->asked);
    return found ? answer_pack(waiter->answer, found) : 0;
}

/* The event is for the thread of `waiter`, and for one more if that does not come for it. */
static void waiter_grant(struct waiter *waiter)
{
    waiter->granted = true;
    waiter->session->granted = waiter;
    waiter->session->table->granted++;
}

static void waiter_wake(struct waiter *waiter, struct ipc_effects *effects, waiters_ready *ready,
                        void *context)
{
    session_wake(waiter->session, waiter_answer(waiter, ready, context), effects);
    waiter_remove(waiter);
}

static __attribute__((noinline)) void waiters_wake_many(struct waiters *list, uint32_t events,
                                                        struct ipc_effects *effects,
                                                        waiters_ready *ready, void *context)
{
    struct waiter *waiter = list->first, *chosen = NULL;
    bool others = false;
    for (struct waiter *last = waiter->object_previous, *next;; waiter = next) {
        bool at_end = waiter == last;
        next = waiter->object_next;
        if ((waiter->events & events) && waiter->exclusive && !(events & WAITERS_EVERY)) {
            /* whoever holds a grant was told already, and tells the next by coming */
            if (!chosen && !waiter->session->granted)
                chosen = waiter;
            else if (!waiter->granted)
                others = true;
        } else if (waiter->events & events) {
            waiter_wake(waiter, effects, ready, context);
        }
        if (at_end)
            break;
    }
    if (!chosen)
        return;
    session_wake(chosen->session, 0, effects);
    if (others)
        waiter_grant(chosen);
    else
        waiter_remove(chosen);
}

void waiters_wake_answering(struct waiters *list, uint32_t events, struct ipc_effects *effects,
                            waiters_ready *ready, void *context)
{
    struct waiter *waiter = list->first;
    if (!waiter)
        return;
    if (waiter->object_next != waiter || waiter->exclusive)
        waiters_wake_many(list, events, effects, ready, context);
    else if (waiter->events & events)
        waiter_wake(waiter, effects, ready, context);
}

void waiters_wake(struct waiters *list, uint32_t events, struct ipc_effects *effects)
{
    waiters_wake_answering(list, events, effects, NULL, NULL);
}

void waiters_destroy(struct waiters *list, struct ipc_effects *effects)
{
    while (list->first) {
        session_wake(list->first->session, 0, effects);
        waiter_remove(list->first);
    }
}

/* ---- sessions -------------------------------------------------------------------------------- */

struct session *session_find(const struct session_table *table, uint64_t principal)
{
    if (table->capacity == 0)
        return NULL;
    return table->slots[table_place(table, PRINCIPAL_THREAD(principal))];
}

enum status session_begin(struct session_table *table, uint64_t principal,
                          uint64_t notification_slot, uint64_t badge, struct ipc_effects *effects)
{
    struct session *session = session_find(table, principal);
    if (session) {
        while (session->armed)
            waiter_remove(session->armed);
        ipc_drop(effects, session->notification);
        session->notification = notification_slot;
        session->badge = badge;
        return ST_OK;
    }
    session = mem_alloc(sizeof(struct session_made));
    if (!session || !table_reserve(table)) { /* in this order: an empty table owns no memory */
        mem_free(session);
        return ST_NOMEM;
    }
    session->table = table;
    session->thread = PRINCIPAL_THREAD(principal);
    session->notification = notification_slot;
    session->badge = badge;
    table->slots[table_place(table, session->thread)] = session;
    table->count++;
    return ST_OK;
}

void session_close(struct session_table *table, struct session *session,
                   struct ipc_effects *effects)
{
    while (session->armed)
        waiter_remove(session->armed);
    ipc_drop(effects, session->notification);
    table_remove(table, table_place(table, session->thread));
    mem_free(session);
}
