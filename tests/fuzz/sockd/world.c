/* The kernel and the shell around the core: see world.h. SPDX-License-Identifier: MIT */
#include "world.h"
#include <ipc/memory.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world world;
struct credentials world_credentials[CREDENTIALS_MAX];
uint8_t world_in[MEMORY], world_out[MEMORY];
uint64_t world_steps;
enum { HEAP_MAX = 64 << 20 };
static struct ipc_effects effects;
static struct stream streams[STREAMS]; /* by ino; one input makes fewer objects */

/* ---- the report ------------------------------------------------------------------------------ */

enum { TRACE = 32 };
static struct {
    const char *what;
    uint64_t badge, words[4];
    uint32_t label, status, process, thread;
    bool request;
} trace[TRACE];

void world_trace(const char *what, const struct request *request)
{
    unsigned at = world_steps % TRACE;
    memset(&trace[at], 0, sizeof(trace[at]));
    trace[at].what = what;
    if (!request)
        return;
    trace[at].request = true;
    trace[at].badge = request->badge;
    trace[at].label = request->label;
    trace[at].process = PRINCIPAL_PROCESS(request->thread->principal);
    trace[at].thread = PRINCIPAL_THREAD(request->thread->principal);
    trace[at].status = UINT32_MAX;
    memcpy(trace[at].words, request->words, sizeof(trace[at].words));
}

void world_report(void)
{
    for (uint64_t step = world_steps < TRACE ? 0 : world_steps - TRACE + 1; step <= world_steps;
         step++) {
        const unsigned at = step % TRACE;
        fprintf(stderr, "step %lu of this run: %s", (unsigned long)step,
                trace[at].what ? trace[at].what : "-");
        if (trace[at].request)
            fprintf(stderr, " label %x badge %lu thread %u.%u words %lx %lx %lx %lx: %d",
                    trace[at].label, (unsigned long)trace[at].badge, trace[at].process,
                    trace[at].thread, (unsigned long)trace[at].words[0],
                    (unsigned long)trace[at].words[1], (unsigned long)trace[at].words[2],
                    (unsigned long)trace[at].words[3], (int)trace[at].status);
        fputc('\n', stderr);
    }
}

void check_failed(const char *text, const char *file, int line)
{
    fprintf(stderr, "invariant broken: %s (at %s:%d)\n", text, file, line);
    abort();
}

/* ---- the kernel's part: memory, slots, gates ------------------------------------------------- */

/* As the kernel does: what lies before the fault is copied. */
static enum status copy(void *to, const void *from, uint64_t offset, size_t length, uint64_t size,
                        uint64_t bad, bool into)
{
    uint64_t end = size < bad ? size : bad;
    uint64_t have = offset < end ? end - offset : 0;
    uint64_t bytes = length < have ? length : have;
    if (into)
        memcpy((uint8_t *)to + offset, from, bytes);
    else
        memcpy(to, (const uint8_t *)from + offset, bytes);
    return bytes == length ? ST_OK : ST_FAULT;
}

static enum status data_get(void *context, uint64_t offset, void *destination, size_t length)
{
    const struct request *request = context;
    if (offset > MEMORY)
        return ST_FAULT;
    return copy(destination, world_in, offset, length, request->in_size, request->in_bad, false);
}

static enum status data_put(void *context, uint64_t offset, const void *source, size_t length)
{
    const struct request *request = context;
    if (offset > MEMORY)
        return ST_FAULT;
    return copy(world_out, source, offset, length, request->out_size, request->out_bad, true);
}

static uint64_t slot_take(enum slot_use use)
{
    do
        world.next_slot = world.next_slot % (SLOTS - 1) + 1;
    while (world.slots[world.next_slot]);
    world.slots[world.next_slot] = use;
    world.slots_owned++;
    return world.next_slot;
}

static void slot_free(uint64_t slot)
{
    world.slots[slot] = SLOT_FREE;
    world.slots_owned--;
}

void request_cap_own(struct request *request, uint64_t badge)
{
    if (request->cap_count < AR_MSG_CAPS)
        request->caps[request->cap_count++] = (struct ipc_cap){
            .kind = AR_RECEIVED_BADGE, .type = AR_GATE, .value = badge, .issuer = ISSUER_SOCKD};
}

/* The slot is taken when the request is made. */
void request_cap_foreign(struct request *request, enum ar_type type, uint64_t issuer)
{
    if (request->cap_count < AR_MSG_CAPS)
        request->caps[request->cap_count++] =
            (struct ipc_cap){.kind = AR_RECEIVED_CAP, .type = type, .issuer = issuer};
}

void world_deliver_closed(uint64_t badge)
{
    if (badge < BADGES && world.closing[badge] && world.copies[badge] == 0) {
        world.closing[badge] = false;
        sockd_closed(world.core, badge, &effects);
    }
}

uint64_t world_badge(uint64_t ino)
{
    for (const struct object *object = world.core->objects; object; object = object->next)
        if (object->ino == ino && object->badge < BADGES)
            return object->badge;
    return 0;
}

bool world_wakes(const struct thread *thread)
{
    for (unsigned i = 0; i < effects.count; i++)
        if (effects.list[i].kind == IPC_EFFECT_WAKE && effects.list[i].value == thread->notification)
            return true;
    return false;
}

static void effects_apply(void)
{
    for (unsigned i = 0; i < effects.count; i++) {
        struct ipc_effect effect = effects.list[i];
        if (effect.kind == IPC_EFFECT_WAKE && effect.value == UINT64_MAX)
            continue; /* of effects_before */
        CHECK(effect.value > 0 && effect.value < SLOTS, "an effect names no slot");
        if (effect.kind == IPC_EFFECT_DROP) {
            CHECK(world.slots[effect.value] != SLOT_FREE, "a slot is dropped that is not sockd's");
            slot_free(effect.value);
            continue;
        }
        CHECK(world.slots[effect.value] == SLOT_NOTIFICATION, "a wake-up for no notification");
        for (unsigned t = 0; t < THREADS; t++)
            if (world.threads[t].notification == effect.value) {
                world.threads[t].woken = true;
                answer_check(world.core, &world.threads[t].blocked, effect.answer);
            }
    }
    effects.count = 0;
}

static void entered(void)
{
    effects_apply();
    sockd_check(world.core);
    waits_check(world.core);
    world_steps++;
}

void world_close(uint64_t badge, bool at_once)
{
    if (badge >= BADGES || world.copies[badge] == 0)
        return;
    world_trace(at_once ? "close" : "close, told later", NULL);
    if (--world.copies[badge] == 0)
        world.closing[badge] = true;
    if (at_once)
        world_deliver_closed(badge);
    entered();
}

void world_expired(void)
{
    world_trace("left-over work", NULL);
    if (sockd_deadline(world.core) == 0)
        sockd_expired(world.core, 0, &effects);
    entered();
}

/* ---- the shell's part ------------------------------------------------------------------------ */

static bool may_give(const struct request *request, const struct object *object)
{
    switch (object->kind) {
    case OBJECT_NAME: return request->label == SOCK_BIND_PREPARE;
    case OBJECT_SESSION: return (request->label >> 8) == 1;
    default: return true;
    }
}

/* The capabilities of the reply arrive or they do not. A gate that nobody has afterwards closes. */
static void reply_settle(const struct request *request, const struct ipc_call *call)
{
    CHECK(call->reply_cap_count <= AR_MSG_CAPS, "too many capabilities in a reply");
    CHECK(call->reply_word_count <= AR_MSG_WORDS, "too many words in a reply");
    for (unsigned i = 0; i < call->reply_cap_count; i++) {
        const struct ipc_reply_cap *cap = &call->reply_caps[i];
        if (!cap->own_gate) {
            CHECK(cap->value < SLOTS && world.slots[cap->value] == SLOT_GATE,
                  "a reply with a slot that is no descriptor of sockd's");
            if (cap->move)
                slot_free(cap->value);
            continue;
        }
        const struct object *object = object_find(world.core, cap->value);
        CHECK(cap->value < BADGES && object && object->open, "a reply with a gate of nothing");
        CHECK(may_give(request, object), "a reply gives away what is no descriptor");
        if (!request->lost) {
            world.copies[cap->value]++;
            world.closing[cap->value] = false;
        }
    }
    for (unsigned i = 0; i < call->reply_cap_count && request->lost; i++) {
        const struct ipc_reply_cap *cap = &call->reply_caps[i];
        if (cap->own_gate && world.copies[cap->value] == 0) {
            world.closing[cap->value] = true;
            world_deliver_closed(cap->value);
        }
    }
}

static void call_make(struct request *request)
{
    static const struct ipc_data_ops operations = {data_get, data_put};
    struct ipc_call *call = &request->call;
    *call = (struct ipc_call){.label = request->label,
                              .badge = request->badge,
                              .principal = request->thread->principal,
                              .word_count = request->word_count,
                              .cap_count = request->cap_count,
                              .status = ST_NOSYS,
                              .effects = &effects,
                              .data = &operations,
                              .data_context = request};
    memcpy(call->words, request->words, request->word_count * sizeof(uint64_t));
    for (unsigned i = 0; i < request->cap_count; i++) {
        struct ipc_cap *cap = &request->caps[i];
        if (cap->kind == AR_RECEIVED_CAP)
            cap->value = slot_take(cap->type == AR_GATE           ? SLOT_GATE
                                   : cap->type == AR_NOTIFICATION ? SLOT_NOTIFICATION
                                                                  : SLOT_OTHER);
        call->caps[i] = *cap;
    }
}

/* No buffer is so long: whatever else the client says, no memory is asked for. */
static bool beyond_all_buffers(const struct request *request)
{
    const struct object *object = object_find(world.core, request->badge);
    return request->label == SOCK_SEND && request->words[1] >= INT32_MAX && !request->fail_at &&
           object && object->kind == OBJECT_SOCKET &&
           ((const struct socket *)object)->type != LX_SOCK_STREAM;
}

enum status world_ask(struct request *request)
{
    struct ipc_call *call = &request->call;
    request->in_size = request->in_size < MEMORY ? request->in_size : MEMORY;
    request->out_size = request->out_size < MEMORY ? request->out_size : MEMORY;
    call_make(request);
    for (unsigned i = 0; i < request->effects_before; i++)
        ipc_wake(&effects, UINT64_MAX);
    request->thread->woken = false;
    request->thread->blocked.kind = WAIT_NONE;
    world_trace("request", request);
    mem_fail_at(request->fail_at);
    sockd_handle(world.core, call);
    mem_fail_at(0);
    unsigned at = world_steps % TRACE;
    trace[at].status = call->status;
    fuzz_answer(call->status);
    for (unsigned i = 0; i < call->reply_word_count && i < AR_MSG_WORDS; i++)
        fuzz_answer(call->reply_words[i]);
    CHECK(call->status == ST_OK || call->status == ST_REDIRECT ||
              (call->reply_cap_count == 0 && call->reply_word_count == 0),
          "a refusal with a reply");
    CHECK(call->status != ST_NOBUFS || !beyond_all_buffers(request), "memory for what is too long");
    if (call->status == ST_OK && request->label == SESSION_OPEN && request->cap_count)
        request->thread->notification = call->caps[0].value;
    reply_settle(request, call);
    if (!request->lost)
        waits_note(world.core, request);
    entered();
    return call->status;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

struct stream *world_stream(uint64_t ino)
{
    struct stream *stream = &streams[ino % STREAMS];
    stream->ino = ino;
    return stream;
}

uint8_t stream_byte(const struct stream *stream, uint64_t position)
{
    return (uint8_t)(stream->ino * 7 + position * STREAM_STEP + (position >> 8));
}

void world_credentials_set(unsigned process, uint32_t uid, uint32_t nofile)
{
    world_credentials[process] = (struct credentials){
        .pid = 100 + process,
        .ruid = uid,
        .euid = uid,
        .suid = uid,
        .fsuid = uid,
        .rgid = uid,
        .egid = uid,
        .sgid = uid,
        .fsgid = uid,
        .nofile = nofile,
        .group_count = process,
    };
}

static void signal_sent(const struct signal_request *request)
{
    CHECK(request->signal > 0 && request->signal <= 64 && request->id, "a signal to nobody");
}

void world_start(void)
{
    static const uint32_t process_of[THREADS] = {1, 1, 2, 3, 4, 4, CREDENTIALS_MAX};
    memset(&world, 0, sizeof(world));
    effects.count = 0;
    mem_fail_when(NULL, HEAP_MAX); /* root may have a buffer of 2 GiB */
    world.heap_before = mem_in_use();
    world.limits = (struct sockd_limits){
        .objects = 72, .objects_of_user = 48, .queued = 900000, .queued_of_user = 600000,
        .in_flight = 2048};
    for (unsigned t = 0; t < THREADS; t++)
        world.threads[t].principal = PRINCIPAL(process_of[t], t + 1);
    world_credentials_set(1, 1000, 1024);
    world_credentials_set(2, 0, 1024);
    world_credentials_set(3, 1001, 1024);
    world_credentials_set(4, 1000, 3);
    world.core = sockd_create(world_credentials, &world.limits);
    CHECK(world.core, "no memory");
    sockd_set_signal(world.core, signal_sent);
}

void world_end(void)
{
    world_trace("everything is closed", NULL);
    for (uint64_t badge = 0; badge < BADGES; badge++) {
        if (!world.copies[badge] && !world.closing[badge])
            continue;
        world.copies[badge] = 0;
        world.closing[badge] = true;
        world_deliver_closed(badge);
        effects_apply();
    }
    for (unsigned tries = 0; sockd_deadline(world.core) == 0; tries++) {
        CHECK(tries < 1000, "left-over work has no end");
        sockd_expired(world.core, 0, &effects);
        effects_apply();
    }
    sockd_check(world.core);
    CHECK(!world.core->objects, "objects are left that nobody has");
    CHECK(!world.core->users, "users are left that have nothing");
    CHECK(!world.slots_owned, "a slot is left over");
    uint64_t inos = world.core->next_ino + 1;
    memset(streams, 0, (inos < STREAMS ? inos : STREAMS) * sizeof(streams[0]));
    sockd_destroy(world.core, &effects);
    CHECK(mem_in_use() == world.heap_before, "memory is left over");
}
