/* Capability spaces and the objects in them: see ipc/host_kernel.h. SPDX-License-Identifier: MIT */
#include <assert.h>
#include <ipc/answer.h>
#include <ipc/host_kernel.h>
#include <stdlib.h>
#include <string.h>

#define LEAVES 256u
#define ALLOC_FIRST 256u
#define BUCKETS 4096u

struct host_space {
    struct host_object **leaves[LEAVES];
    unsigned used;
    uint64_t free_hint; /* no slot from ALLOC_FIRST to here is free */
};

struct host_hooks host_hooks;
struct host_space *host_shared_space;
static struct host_object *gates[BUCKETS];
static struct host_object *closing_first, **closing_last = &closing_first;
static unsigned gate_count, notification_count;

static bool slot_fails(void)
{
    return host_hooks.slot_fails && host_hooks.slot_fails();
}

struct host_space *host_space_new(void)
{
    struct host_space *space = calloc(1, sizeof(*space));
    assert(space);
    space->free_hint = ALLOC_FIRST;
    return space;
}

void host_space_free(struct host_space *space)
{
    for (unsigned leaf = 0; leaf < LEAVES; leaf++) {
        for (unsigned i = 0; space->leaves[leaf] && i < AR_LEAF_SLOTS; i++)
            host_space_clear(space, leaf * AR_LEAF_SLOTS + i);
        free(space->leaves[leaf]);
    }
    free(space);
}

static void object_free(struct host_object *object);

void host_space_forget(struct host_space *space)
{
    for (unsigned leaf = 0; leaf < LEAVES; leaf++) {
        for (unsigned i = 0; space->leaves[leaf] && i < AR_LEAF_SLOTS; i++) {
            struct host_object *object = space->leaves[leaf][i];
            if (object && --object->copies == 0)
                object_free(object);
        }
        free(space->leaves[leaf]);
    }
    free(space);
}

bool host_space_reaches(const struct host_space *space, uint64_t slot)
{
    return slot / AR_LEAF_SLOTS < LEAVES && space->leaves[slot / AR_LEAF_SLOTS];
}

bool host_space_grow(struct host_space *space, uint64_t slot)
{
    if (host_space_reaches(space, slot))
        return true;
    if (slot / AR_LEAF_SLOTS >= LEAVES || slot_fails())
        return false;
    space->leaves[slot / AR_LEAF_SLOTS] = calloc(AR_LEAF_SLOTS, sizeof(struct host_object *));
    return space->leaves[slot / AR_LEAF_SLOTS] != NULL;
}

static struct host_object **slot_place(const struct host_space *space, uint64_t slot)
{
    return &space->leaves[slot / AR_LEAF_SLOTS][slot % AR_LEAF_SLOTS];
}

struct host_object *host_space_get(const struct host_space *space, uint64_t slot)
{
    return host_space_reaches(space, slot) ? *slot_place(space, slot) : NULL;
}

void host_space_put(struct host_space *space, uint64_t slot, struct host_object *object)
{
    assert(slot != 0 && host_space_reaches(space, slot) && !*slot_place(space, slot));
    *slot_place(space, slot) = object;
    space->used++;
    object->copies++;
}

void host_space_clear(struct host_space *space, uint64_t slot)
{
    struct host_object *object = host_space_get(space, slot);
    if (!object)
        return;
    *slot_place(space, slot) = NULL;
    space->used--;
    if (slot >= ALLOC_FIRST && slot < space->free_hint)
        space->free_hint = slot;
    if (--object->copies == 0)
        host_object_settle(object);
}

ar_cap host_space_alloc(struct host_space *space)
{
    if (slot_fails())
        return 0;
    uint64_t slot = space->free_hint;
    while (host_space_get(space, slot))
        slot++;
    space->free_hint = slot;
    if (slot / AR_LEAF_SLOTS >= LEAVES)
        return 0;
    if (!space->leaves[slot / AR_LEAF_SLOTS])
        space->leaves[slot / AR_LEAF_SLOTS] = calloc(AR_LEAF_SLOTS, sizeof(struct host_object *));
    return (ar_cap)slot;
}

unsigned host_space_used(const struct host_space *space)
{
    return space->used;
}

/* ---- objects --------------------------------------------------------------------------------- */

static struct host_object **gate_bucket(const struct host_core *core, uint64_t badge)
{
    return &gates[((uintptr_t)core / 16 + badge * 0x9e3779b1u) % BUCKETS];
}

static struct host_object *object_new(enum ar_type type)
{
    struct host_object *object = calloc(1, sizeof(*object));
    assert(object);
    object->type = type;
    return object;
}

struct host_object *host_gate_object(const struct host_core *core, uint64_t badge)
{
    struct host_object **bucket = gate_bucket(core, badge);
    for (struct host_object *object = *bucket; object; object = object->chain)
        if (object->core == core && object->badge == badge)
            return object;
    if (slot_fails())
        return NULL;
    struct host_object *object = object_new(AR_GATE);
    object->core = core;
    object->badge = badge;
    object->chain = *bucket;
    *bucket = object;
    gate_count++;
    return object;
}

struct host_object *host_notification_object(void)
{
    notification_count++;
    return object_new(AR_NOTIFICATION);
}

unsigned host_objects(enum ar_type type)
{
    return type == AR_GATE ? gate_count : notification_count;
}

static void object_free(struct host_object *object)
{
    if (object->type == AR_GATE) {
        struct host_object **link = gate_bucket(object->core, object->badge);
        while (*link != object)
            link = &(*link)->chain;
        *link = object->chain;
        gate_count--;
    } else {
        notification_count--;
    }
    free(object);
}

void host_object_settle(struct host_object *object)
{
    if (object->copies || object->closing)
        return;
    if (object->type != AR_GATE) {
        object_free(object);
        return;
    }
    object->closing = true;
    object->closing_next = NULL;
    *closing_last = object;
    closing_last = &object->closing_next;
}

void host_signal_object(struct host_object *object, uint64_t bits)
{
    object->bits |= bits;
    object->signals++;
    if (host_hooks.signalled)
        host_hooks.signalled(object);
}

struct host_space *host_core_space(const struct host_core *core)
{
    return core->space ? core->space : host_shared_space;
}

void host_effects_run(const struct host_core *core, const struct ipc_effects *effects)
{
    struct host_space *space = host_core_space(core);
    for (unsigned i = 0; i < effects->count; i++) {
        uint64_t slot = effects->list[i].value;
        struct host_object *object = host_space_get(space, slot);
        if (effects->list[i].kind == IPC_EFFECT_DROP)
            host_space_clear(space, slot);
        else if (object && object->type == AR_NOTIFICATION)
            host_signal_object(object, answer_bits(effects->list[i].answer));
    }
}

void host_closed_deliver(void)
{
    static struct ipc_effects effects;
    while (closing_first) {
        struct host_object *object = closing_first;
        closing_first = object->closing_next;
        if (!closing_first)
            closing_last = &closing_first;
        object->closing = false;
        if (object->copies) /* copied again: not closed */
            continue;
        const struct host_core *core = object->core;
        uint64_t badge = object->badge;
        object_free(object);
        effects.count = 0;
        if (core->closed)
            core->closed(core->state, badge, &effects);
        host_effects_run(core, &effects);
    }
}
