/*
 * The client side of a request, carried by the kernel (AR_SYS_CALL).
 * SPDX-License-Identifier: MIT
 *
 * Everything goes between the caller's variables and the thread's IPC buffer here and nowhere
 * else, so the buffer is free again on return: a signal handler or a nested call between two
 * requests cannot disturb either.
 */
#include <ipc/buffer.h>
#include <ipc/kernel.h>
#include <ipc/stub.h>

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

/* The memory and capabilities of a request into the buffer; the counts for the message. */
static bool transfer_load(const struct ipc_transfer *transfer, struct ar_ipc_buffer *buffer)
{
    unsigned caps = transfer->cap_count, in = transfer->in_count, out = transfer->out_count,
             slots = transfer->recv_slot_count;
    if (caps > AR_MSG_CAPS || in > AR_MSG_SEGS || out > AR_MSG_SEGS || slots > AR_MSG_CAPS)
        return false;
    for (unsigned i = 0; i < in; i++)
        buffer->in[i] = transfer->in[i];
    for (unsigned i = 0; i < out; i++)
        buffer->out[i] = transfer->out[i];
    for (unsigned i = 0; i < caps; i++)
        buffer->caps_out[i] = transfer->caps[i];
    for (unsigned i = 0; i < slots; i++)
        buffer->recv_slots[i] = transfer->recv_slots[i];
    buffer->recv_slot_count = slots;
    return true;
}

static void reply_store(const struct ipc_operation *operation, const struct ar_ipc_buffer *buffer,
                        const struct ar_message *m, uint64_t *reply)
{
    unsigned count = operation->reply_words;
    for (unsigned i = 0; i < count && i < IPC_REGISTER_WORDS; i++)
        reply[i] = m->words[i];
    for (unsigned i = IPC_REGISTER_WORDS; i < count; i++)
        reply[i] = buffer->words[i];
}

enum status ipc_stub_call(const struct ipc_operation *operation, ar_cap target,
                          const uint64_t *words, uint64_t *reply, struct ipc_transfer *transfer)
{
    struct ar_ipc_buffer *buffer = ipc_buffer();
    struct ar_message m = {.badge = target, .words = {words[0], words[1], words[2], words[3]}};

    for (unsigned i = IPC_REGISTER_WORDS; i < operation->words; i++)
        buffer->words[i] = words[i];
    if (!transfer) {
        m.info = AR_INFO(operation->label, operation->words, 0, 0, 0);
        buffer->recv_slot_count = 0;
    } else {
        if (!transfer_load(transfer, buffer))
            return ST_MESSAGE;
        m.info = AR_INFO(operation->label, operation->words, transfer->cap_count,
                         transfer->in_count, transfer->out_count);
        transfer->received_count = 0;
    }
    enum ar_error error = ar_syscall(AR_SYS_CALL, &m, 0, 0);
    if (error)
        return status_of_error(error);
    enum status status = (enum status)AR_INFO_LABEL(m.info);
    /* The kernel bounds both counts for every message it delivers. */
    unsigned caps = AR_INFO_CAPS(m.info);
    if (caps && transfer) {
        transfer->received_count = caps;
        transfer->first_received = buffer->received[0];
    }
    if (status != ST_OK && status != ST_REDIRECT)
        return status;
    if (!ipc_stub_fits(operation, status, AR_INFO_WORDS(m.info), caps))
        return ST_MESSAGE;
    reply_store(operation, buffer, &m, reply);
    return status;
}
