/*
 * Capability slots, gates, notifications and client calls in one process: see ipc/host.h.
 * SPDX-License-Identifier: MIT
 *
 * Client and servers share one numbering of slots; a capability that arrives at a server gets a
 * new slot, as in the guest. A gate object lives from its first mention to host_reset. `copies`
 * counts the slots that hold it.
 */
#include <assert.h>
#include <ipc/host.h>
#include <stdlib.h>
#include <string.h>

struct object {
    enum ar_type type;
    const struct host_core *core; /* gate */
    uint64_t badge;
    unsigned copies, signals;
    bool closing; /* its last copy is gone and the core has not been told yet */
    struct object *next;
};

static struct object *objects;
static struct object *slots[HOST_SLOTS];
static bool taken[HOST_SLOTS]; /* given out by host_slot, perhaps still empty */
static uint64_t principal;

static struct object *object_new(enum ar_type type)
{
    struct object *object = calloc(1, sizeof(*object));
    assert(object);
    object->type = type;
    object->next = objects;
    objects = object;
    return object;
}

static struct object *gate_object(const struct host_core *core, uint64_t badge)
{
    for (struct object *object = objects; object; object = object->next)
        if (object->type == AR_GATE && object->core == core && object->badge == badge)
            return object;
    struct object *object = object_new(AR_GATE);
    object->core = core;
    object->badge = badge;
    return object;
}

static struct object *slot_object(uint64_t slot)
{
    return slot < HOST_SLOTS ? slots[slot] : NULL;
}

static void slot_fill(ar_cap slot, struct object *object)
{
    assert(slot != 0 && slot < HOST_SLOTS && !slots[slot]);
    slots[slot] = object;
    taken[slot] = true;
    object->copies++;
    object->closing = false; /* minting takes a gate off the closed queue */
}

static void slot_empty(uint64_t slot)
{
    struct object *object = slot_object(slot);
    if (!object)
        return;
    slots[slot] = NULL;
    taken[slot] = false;
    if (--object->copies == 0 && object->type == AR_GATE)
        object->closing = true;
}

static void effects_run(const struct ipc_effects *effects)
{
    for (unsigned i = 0; i < effects->count; i++) {
        struct object *object = slot_object(effects->list[i].value);
        if (effects->list[i].kind == IPC_EFFECT_DROP)
            slot_empty(effects->list[i].value);
        else if (object && object->type == AR_NOTIFICATION)
            object->signals++;
    }
}

/* Closed messages, until a round finds none: a core that hears one may drop gates of others. */
static void closed_deliver(void)
{
    static struct ipc_effects effects;
    for (struct object *object = objects; object;) {
        if (!object->closing) {
            object = object->next;
            continue;
        }
        object->closing = false;
        effects.count = 0;
        if (object->core->closed)
            object->core->closed(object->core->state, object->badge, &effects);
        effects_run(&effects);
        object = objects;
    }
}

void host_reset(void)
{
    while (objects) {
        struct object *next = objects->next;
        free(objects);
        objects = next;
    }
    memset(slots, 0, sizeof(slots));
    memset(taken, 0, sizeof(taken));
    principal = 0;
}

void host_principal_set(uint64_t new_principal)
{
    principal = new_principal;
}

ar_cap host_slot(void)
{
    for (ar_cap slot = 1; slot < HOST_SLOTS; slot++)
        if (!taken[slot]) {
            taken[slot] = true;
            return slot;
        }
    assert(!"the host's slots are used up");
    return 0;
}

static ar_cap slot_with(struct object *object)
{
    ar_cap slot = host_slot();
    slot_fill(slot, object);
    return slot;
}

ar_cap host_gate(const struct host_core *core, uint64_t badge)
{
    return slot_with(gate_object(core, badge));
}

ar_cap host_notification(void)
{
    return slot_with(object_new(AR_NOTIFICATION));
}

ar_cap host_copy(ar_cap slot)
{
    assert(slot_object(slot));
    return slot_with(slots[slot]);
}

void host_delete(ar_cap slot)
{
    slot_empty(slot);
    if (slot < HOST_SLOTS)
        taken[slot] = false;
    closed_deliver();
}

unsigned host_signals(ar_cap slot)
{
    struct object *object = slot_object(slot);
    assert(object && object->type == AR_NOTIFICATION);
    unsigned signals = object->signals;
    object->signals = 0;
    return signals;
}

uint64_t host_badge(ar_cap slot)
{
    const struct object *object = slot_object(slot);
    return object && object->type == AR_GATE ? object->badge : 0;
}

unsigned host_slots_used(void)
{
    unsigned used = 0;
    for (unsigned slot = 1; slot < HOST_SLOTS; slot++)
        used += slots[slot] != NULL;
    return used;
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* Copy between `buffer` and the declared segments; `write`: towards the segments. */
static enum status segments_copy(const struct ar_segment *segments, unsigned count, uint64_t offset,
                                 char *buffer, size_t length, bool write)
{
    for (unsigned i = 0; i < count && length; i++) {
        if (offset >= segments[i].length) {
            offset -= segments[i].length;
            continue;
        }
        size_t part = segments[i].length - offset < length ? segments[i].length - offset : length;
        char *memory = (char *)segments[i].address + offset;
        memcpy(write ? memory : buffer, write ? buffer : memory, part);
        buffer += part;
        length -= part;
        offset = 0;
    }
    return length ? ST_FAULT : ST_OK;
}

static enum status request_get(void *context, uint64_t offset, void *destination, size_t length)
{
    const struct ipc_request *request = context;
    return segments_copy(request->in, request->in_count, offset, destination, length, false);
}

static enum status request_put(void *context, uint64_t offset, const void *source, size_t length)
{
    const struct ipc_request *request = context;
    return segments_copy(request->out, request->out_count, offset, (char *)source, length, true);
}

static const struct ipc_data_ops request_data = {request_get, request_put};

/* The request's capabilities: the server's own gates turn into badges, everything else gets a
 * slot there. */
static enum status request_caps(const struct ipc_request *request, const struct host_core *core,
                                struct ipc_call *call)
{
    for (unsigned i = 0; i < request->cap_count; i++)
        if (!slot_object(request->caps[i] & ~AR_CAP_MOVE))
            return ST_BADF;
    for (unsigned i = 0; i < request->cap_count; i++) {
        uint64_t from = request->caps[i] & ~AR_CAP_MOVE;
        struct object *object = slots[from];
        struct ipc_cap *cap = &call->caps[call->cap_count++];
        *cap = (struct ipc_cap){.type = object->type, .issuer = object->core ? object->core->issuer : ISSUER_NONE};
        if (object->core == core) {
            cap->kind = AR_RECEIVED_BADGE;
            cap->value = object->badge;
        } else {
            cap->kind = AR_RECEIVED_CAP;
            cap->value = slot_with(object);
        }
        if (request->caps[i] & AR_CAP_MOVE)
            slot_empty(from);
    }
    return ST_OK;
}

/* The reply's capabilities into the caller's receive slots: all, or ST_SLOTS and none. */
static enum status reply_caps(struct ipc_request *request, const struct host_core *core,
                              const struct ipc_call *call)
{
    bool fits = call->reply_cap_count <= request->recv_slot_count;
    for (unsigned i = 0; i < call->reply_cap_count; i++) {
        const struct ipc_reply_cap *cap = &call->reply_caps[i];
        struct object *object =
            cap->own_gate ? gate_object(core, cap->value) : slot_object(cap->value);
        assert(object); /* the core replied with a slot that it does not have */
        if (fits) {
            slot_fill(request->recv_slots[i], object);
            request->reply_caps[i] =
                (struct ar_received){AR_RECEIVED_CAP, object->type, request->recv_slots[i],
                                     object->core ? object->core->issuer : ISSUER_NONE};
        } else if (object->copies == 0) {
            object->closing = true;
        }
        if (!cap->own_gate && cap->move)
            slot_empty(cap->value);
    }
    request->reply_cap_count = fits ? call->reply_cap_count : 0;
    return fits ? call->status : ST_SLOTS;
}

enum status ipc_client_call(struct ipc_request *request)
{
    static struct ipc_effects effects;
    request->reply_word_count = request->reply_cap_count = 0;
    const struct object *target = slot_object(request->target);
    if (!target || target->type != AR_GATE)
        return ST_BADF;
    const struct host_core *core = target->core;
    struct ipc_call call = {.label = request->label, .badge = target->badge, .principal = principal,
                            .word_count = request->word_count, .status = ST_NOSYS,
                            .effects = &effects,
                            .data = &request_data, .data_context = request};
    memcpy(call.words, request->words, request->word_count * sizeof(uint64_t));
    enum status status = request_caps(request, core, &call);
    if (status != ST_OK)
        return status;
    effects.count = 0;
    core->handle(core->state, &call);
    status = reply_caps(request, core, &call);
    if (status == call.status) {
        request->reply_word_count = call.reply_word_count;
        memcpy(request->words, call.reply_words, call.reply_word_count * sizeof(uint64_t));
    }
    effects_run(&effects);
    closed_deliver();
    return status;
}
