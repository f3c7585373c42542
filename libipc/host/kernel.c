/*
 * The system calls that libposix makes, answered on the host: see ipc/host_kernel.h. In the place
 * of the kernel behind ipc/system_call.h. SPDX-License-Identifier: MIT
 */
#include <ipc/host_kernel.h>
#include <ipc/kernel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGISTER_WORDS 4u

const struct host_caller *host_current;

static void request_take(struct ipc_request *request, const struct ar_message *m,
                         const struct ar_ipc_buffer *buffer)
{
    request->target = (ar_cap)m->badge;
    request->label = AR_INFO_LABEL(m->info);
    request->word_count = AR_INFO_WORDS(m->info);
    request->cap_count = AR_INFO_CAPS(m->info);
    request->in_count = AR_INFO_IN(m->info);
    request->out_count = AR_INFO_OUT(m->info);
    request->in = buffer->in;
    request->out = buffer->out;
    request->recv_slot_count = (unsigned)buffer->recv_slot_count;
    memcpy(request->words, m->words, sizeof(m->words));
    for (unsigned i = REGISTER_WORDS; i < request->word_count; i++)
        request->words[i] = buffer->words[i];
    memcpy(request->caps, buffer->caps_out, request->cap_count * sizeof(uint64_t));
}

static enum ar_error call(struct ar_message *m)
{
    struct ar_ipc_buffer *buffer = host_current->buffer;
    struct ipc_request request;
    ar_cap slots[AR_MSG_CAPS];
    enum ar_error error;
    request_take(&request, m, buffer);
    for (unsigned i = 0; i < request.recv_slot_count; i++)
        slots[i] = (ar_cap)buffer->recv_slots[i];
    request.recv_slots = slots;
    error = host_hooks.call_fails ? host_hooks.call_fails(&request) : AR_OK;
    if (error)
        return error;
    enum status status = host_request(host_current, &request, &error);
    if (host_hooks.served)
        host_hooks.served();
    if (error)
        return error;
    m->info = AR_INFO(status, request.reply_word_count, request.reply_cap_count, 0, 0);
    memcpy(m->words, request.words, sizeof(m->words));
    for (unsigned i = REGISTER_WORDS; i < request.reply_word_count; i++)
        buffer->words[i] = request.words[i];
    memcpy(buffer->received, request.reply_caps,
           request.reply_cap_count * sizeof(struct ar_received));
    return AR_OK;
}

static enum ar_error slot_inspect(struct ar_message *m)
{
    if (!host_space_reaches(host_current->space, m->words[0]))
        return AR_ERR_SLOT;
    const struct host_object *object = host_space_get(host_current->space, m->words[0]);
    m->words[0] = object ? object->type : AR_NULL;
    m->words[1] = object ? AR_ALL : 0;
    m->words[2] = object ? object->badge : 0;
    m->words[3] = object && object->core ? object->core->issuer : 0;
    return AR_OK;
}

/* Copy or move, in the caller's own space: nothing of libposix has another's. */
static enum ar_error slot_take(const struct ar_message *m, bool move)
{
    struct host_space *space = host_current->space;
    uint64_t to = m->words[0], from = m->words[2];
    if (!host_space_reaches(space, to) || !host_space_reaches(space, from))
        return AR_ERR_SLOT;
    struct host_object *object = host_space_get(space, from);
    if (!object)
        return AR_ERR_EMPTY;
    if (host_space_get(space, to))
        return AR_ERR_OCCUPIED;
    host_space_put(space, to, object);
    if (move)
        host_space_clear(space, from);
    return AR_OK;
}

static enum ar_error invoke(struct ar_message *m)
{
    if (m->badge == AR_CAP_SELF)
        switch (AR_INFO_LABEL(m->info)) {
        case AR_CNODE_COPY:
            return slot_take(m, false);
        case AR_CNODE_MOVE:
            return slot_take(m, true);
        case AR_CNODE_INSPECT:
            return slot_inspect(m);
        case AR_CNODE_DELETE:
            if (!host_space_reaches(host_current->space, m->words[0]))
                return AR_ERR_SLOT;
            host_space_clear(host_current->space, m->words[0]);
            host_closed_deliver();
            return AR_OK;
        }
    fprintf(stderr, "host kernel: invocation %#x of slot %u is not there\n",
            AR_INFO_LABEL(m->info), (unsigned)m->badge);
    abort();
}

static enum ar_error notification_use(struct ar_message *m, bool wait, uint64_t deadline)
{
    struct host_object *object = host_space_get(host_current->space, m->badge);
    if (!object)
        return AR_ERR_EMPTY;
    if (object->type != AR_NOTIFICATION)
        return AR_ERR_TYPE;
    if (!wait) {
        host_signal_object(object, m->words[0]);
        return AR_OK;
    }
    enum ar_error error = host_hooks.wait(object, deadline);
    if (error == AR_OK) {
        m->words[0] = object->bits;
        object->bits = 0;
    }
    return error;
}

enum ar_error ar_syscall(enum ar_syscall number, struct ar_message *m, ar_cap reply,
                         uint64_t deadline)
{
    (void)reply;
    if (host_hooks.step)
        host_hooks.step(number);
    switch (number) {
    case AR_SYS_CALL:
    case AR_SYS_CALL_UNTIL: /* servers answer at once: no deadline can pass */
        return call(m);
    case AR_SYS_SIGNAL:
        return notification_use(m, false, 0);
    case AR_SYS_WAIT:
        return notification_use(m, true, deadline);
    case AR_SYS_YIELD:
        host_hooks.yield();
        return AR_OK;
    case AR_SYS_INVOKE:
        return invoke(m);
    case AR_SYS_CLOCK:
        m->words[0] = host_hooks.clock_ns();
        return AR_OK;
    default:
        return AR_ERR_SYSCALL;
    }
}
