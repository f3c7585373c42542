/*
 * The client side of a request, carried by the kernel (AR_SYS_CALL).
 * SPDX-License-Identifier: MIT
 *
 * Everything is copied between `request` and the thread's IPC buffer here and nowhere else, so
 * the buffer is free again on return: a signal handler or a nested call between two requests
 * cannot disturb either.
 */
#include <ipc/buffer.h>
#include <ipc/client.h>
#include <ipc/kernel.h>

#define REGISTER_WORDS 4u

static enum status status_of_error(enum ar_error error)
{
    switch (error) {
    case AR_OK:
        return ST_OK;
    case AR_ERR_GONE:
        return ST_CLOSED;
    case AR_ERR_NO_SLOT:
    case AR_ERR_OCCUPIED: /* one of our receive slots is not empty */
        return ST_SLOTS;
    case AR_ERR_SLOT:
    case AR_ERR_EMPTY:
    case AR_ERR_TYPE:
    case AR_ERR_RIGHTS:
        return ST_BADF;
    case AR_ERR_NO_MEMORY:
        return ST_NOMEM;
    case AR_ERR_ARGUMENT:
    case AR_ERR_LABEL:
        return ST_MESSAGE;
    default:
        return ST_IO;
    }
}

static void request_load(const struct ipc_request *request, struct ar_ipc_buffer *buffer,
                         struct ar_message *m)
{
    for (unsigned i = 0; i < REGISTER_WORDS; i++)
        m->words[i] = i < request->word_count ? request->words[i] : 0;
    for (unsigned i = REGISTER_WORDS; i < request->word_count; i++)
        buffer->words[i] = request->words[i];
    for (unsigned i = 0; i < request->cap_count; i++)
        buffer->caps_out[i] = request->caps[i];
    for (unsigned i = 0; i < request->in_count; i++)
        buffer->in[i] = request->in[i];
    for (unsigned i = 0; i < request->out_count; i++)
        buffer->out[i] = request->out[i];
    for (unsigned i = 0; i < request->recv_slot_count; i++)
        buffer->recv_slots[i] = request->recv_slots[i];
    buffer->recv_slot_count = request->recv_slot_count;
}

static void reply_store(struct ipc_request *request, const struct ar_ipc_buffer *buffer,
                        const struct ar_message *m)
{
    request->reply_word_count = AR_INFO_WORDS(m->info);
    request->reply_cap_count = AR_INFO_CAPS(m->info);
    for (unsigned i = 0; i < REGISTER_WORDS; i++)
        request->words[i] = m->words[i];
    for (unsigned i = REGISTER_WORDS; i < request->reply_word_count; i++)
        request->words[i] = buffer->words[i];
    for (unsigned i = 0; i < request->reply_cap_count; i++)
        request->reply_caps[i] = buffer->received[i];
}

enum status ipc_client_call(struct ipc_request *request)
{
    struct ar_ipc_buffer *buffer = ipc_buffer();
    struct ar_message m;

    request->reply_word_count = request->reply_cap_count = 0;
    if (request->word_count > AR_MSG_WORDS || request->cap_count > AR_MSG_CAPS ||
        request->in_count > AR_MSG_SEGS || request->out_count > AR_MSG_SEGS ||
        request->recv_slot_count > AR_MSG_CAPS)
        return ST_MESSAGE;
    m.badge = request->target;
    m.info = AR_INFO(request->label, request->word_count, request->cap_count, request->in_count,
                     request->out_count);
    request_load(request, buffer, &m);
    enum ar_error error = ar_syscall(AR_SYS_CALL, &m, 0, 0);
    if (error)
        return status_of_error(error);
    /* The kernel bounds both counts for every message it delivers. */
    reply_store(request, buffer, &m);
    return (enum status)AR_INFO_LABEL(m.info);
}
