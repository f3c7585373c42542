/*
 * One request from a client's space to a core and back, with what the servers' shell does around
 * it (libipc/server/reply.c): see ipc/host_kernel.h. SPDX-License-Identifier: MIT
 */
#include <assert.h>
#include <ipc/host_kernel.h>
#include <string.h>

static bool memory_copy(void *to, const void *from, size_t length)
{
    if (host_hooks.copy)
        return host_hooks.copy(to, from, length);
    memcpy(to, from, length);
    return true;
}

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
        char *memory = (char *)((uintptr_t)segments[i].address + offset); /* anything, also NULL */
        if (!memory_copy(write ? memory : buffer, write ? buffer : memory, part))
            return ST_FAULT;
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
 * slot there. All or none. */
static enum ar_error caps_send(const struct host_caller *caller, const struct ipc_request *request,
                               const struct host_core *core, struct ipc_call *call)
{
    for (unsigned i = 0; i < request->cap_count; i++)
        if (!host_space_get(caller->space, request->caps[i] & ~AR_CAP_MOVE))
            return AR_ERR_EMPTY;
    for (unsigned i = 0; i < request->cap_count; i++) {
        struct host_object *object =
            host_space_get(caller->space, request->caps[i] & ~AR_CAP_MOVE);
        struct ipc_cap *cap = &call->caps[call->cap_count++];
        *cap = (struct ipc_cap){.kind = AR_RECEIVED_BADGE,
                                .type = object->type,
                                .value = object->badge,
                                .issuer = object->core ? object->core->issuer : ISSUER_NONE};
        if (object->core == core)
            continue;
        cap->kind = AR_RECEIVED_CAP;
        cap->value = host_space_alloc(host_core_space(core));
        if (cap->value) {
            host_space_put(host_core_space(core), cap->value, object);
            continue;
        }
        for (unsigned undo = 0; undo < i; undo++)
            if (call->caps[undo].kind == AR_RECEIVED_CAP)
                host_space_clear(host_core_space(core), call->caps[undo].value);
        return AR_ERR_NO_SLOT;
    }
    for (unsigned i = 0; i < request->cap_count; i++)
        if (request->caps[i] & AR_CAP_MOVE)
            host_space_clear(caller->space, request->caps[i] & ~AR_CAP_MOVE);
    return AR_OK;
}

/* A gate could not be made: nothing arrives, and everything promised is closed for the core. */
static void reply_fail(const struct host_core *core, const struct ipc_call *call)
{
    for (unsigned i = 0; i < call->reply_cap_count; i++) {
        const struct ipc_reply_cap *cap = &call->reply_caps[i];
        if (!cap->own_gate) {
            if (cap->move)
                host_space_clear(host_core_space(core), cap->value);
            continue;
        }
        struct host_object *object = host_gate_object(core, cap->value);
        if (object)
            host_object_settle(object);
        else
            core->closed(core->state, cap->value, call->effects);
    }
}

static bool gates_make(const struct host_core *core, const struct ipc_call *call)
{
    for (unsigned i = 0; i < call->reply_cap_count; i++)
        if (call->reply_caps[i].own_gate && !host_gate_object(core, call->reply_caps[i].value))
            return false;
    return true;
}

static bool slots_fit(const struct host_caller *caller, const struct ipc_request *request,
                      unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (i >= request->recv_slot_count ||
            !host_space_reaches(caller->space, request->recv_slots[i]) ||
            host_space_get(caller->space, request->recv_slots[i]))
            return false;
    return true;
}

/* The reply's capabilities into the caller's receive slots: all, or ST_SLOTS and none. */
static enum status caps_reply(const struct host_caller *caller, struct ipc_request *request,
                              const struct host_core *core, const struct ipc_call *call,
                              bool arrives)
{
    if (!gates_make(core, call)) {
        reply_fail(core, call);
        return ST_NOMEM;
    }
    bool fits = arrives && slots_fit(caller, request, call->reply_cap_count);
    for (unsigned i = 0; i < call->reply_cap_count; i++) {
        const struct ipc_reply_cap *cap = &call->reply_caps[i];
        struct host_object *object = cap->own_gate ? host_gate_object(core, cap->value)
                                                   : host_space_get(host_core_space(core), cap->value);
        assert(object); /* the core replied with a slot that it does not have */
        if (fits) {
            host_space_put(caller->space, request->recv_slots[i], object);
            request->reply_caps[i] =
                (struct ar_received){AR_RECEIVED_CAP, object->type, request->recv_slots[i],
                                     object->core ? object->core->issuer : ISSUER_NONE};
        } else {
            host_object_settle(object);
        }
        if (!cap->own_gate && cap->move)
            host_space_clear(host_core_space(core), cap->value);
    }
    request->reply_cap_count = fits ? call->reply_cap_count : 0;
    return fits ? call->status : ST_SLOTS;
}

static void trace(const struct ipc_request *request, const struct ipc_call *call,
                  const struct host_core *core, enum status status)
{
    host_hooks.traced(&(struct host_traced){
        .core = core, .badge = call->badge, .principal = call->principal, .label = call->label,
        .word_count = call->word_count, .cap_count = request->cap_count, .words = call->words,
        .reply_word_count = request->reply_word_count, .reply_words = request->words,
        .reply_cap_count = request->reply_cap_count, .status = status,
    });
}

enum status host_request(const struct host_caller *caller, struct ipc_request *request,
                         enum ar_error *error)
{
    static struct ipc_effects effects;
    static struct ipc_call call;
    const struct host_object *target = host_space_get(caller->space, request->target);
    request->reply_word_count = request->reply_cap_count = 0;
    *error = !target ? AR_ERR_EMPTY : target->type != AR_GATE ? AR_ERR_TYPE : AR_OK;
    if (*error)
        return ST_BADF;
    const struct host_core *core = target->core;
    call.label = request->label;
    call.badge = target->badge;
    call.principal = caller->principal;
    call.word_count = request->word_count;
    call.cap_count = call.reply_word_count = call.reply_cap_count = 0;
    call.tail_in = call.tail_room = call.tail_out = 0;
    call.status = ST_NOSYS; /* as the guest's shell has it */
    call.effects = &effects;
    call.data = &request_data;
    call.data_context = request;
    memcpy(call.words, request->words, request->word_count * sizeof(uint64_t));
    *error = caps_send(caller, request, core, &call);
    if (*error)
        return *error == AR_ERR_EMPTY ? ST_BADF : ST_SLOTS;
    effects.count = 0;
    core->handle(core->state, &call);
    bool arrives = !host_hooks.reply_arrives || host_hooks.reply_arrives();
    enum status status = caps_reply(caller, request, core, &call, arrives);
    if (status == call.status) {
        request->reply_word_count = call.reply_word_count;
        memcpy(request->words, call.reply_words, call.reply_word_count * sizeof(uint64_t));
    }
    if (host_hooks.traced)
        trace(request, &call, core, status);
    if (host_hooks.replied)
        host_hooks.replied(core, request, &status);
    host_effects_run(core, &effects);
    host_closed_deliver();
    return status;
}
