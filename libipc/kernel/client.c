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

/* What few requests have, out of the way of those that have it not. */

static __attribute__((noinline)) bool segments_load(struct ar_segment *to,
                                                    const struct ar_segment *from, unsigned count)
{
    for (unsigned i = 0; i < count && i < AR_MSG_SEGS; i++)
        to[i] = from[i];
    return count <= AR_MSG_SEGS;
}

static __attribute__((noinline)) bool slots_load(const struct ipc_transfer *transfer,
                                                 struct ar_ipc_buffer *buffer)
{
    if (transfer->cap_count > AR_MSG_CAPS || transfer->recv_slot_count > AR_MSG_CAPS)
        return false;
    for (unsigned i = 0; i < transfer->cap_count; i++)
        buffer->caps_out[i] = transfer->caps[i];
    for (unsigned i = 0; i < transfer->recv_slot_count; i++)
        buffer->recv_slots[i] = transfer->recv_slots[i];
    buffer->recv_slot_count = transfer->recv_slot_count;
    return true;
}

static __attribute__((noinline)) void words_load(struct ar_ipc_buffer *buffer,
                                                 const uint64_t *words, unsigned count)
{
    for (unsigned i = IPC_REGISTER_WORDS; i < count; i++)
        buffer->words[i] = words[i];
}

/* The memory and capabilities of a request into the buffer; false: more than a message holds. */
static inline bool transfer_load(const struct ipc_transfer *transfer, struct ar_ipc_buffer *buffer)
{
    buffer->recv_slot_count = 0;
    if (transfer->in_count == 1)
        buffer->in[0] = transfer->in[0];
    else if (transfer->in_count && !segments_load(buffer->in, transfer->in, transfer->in_count))
        return false;
    if (transfer->out_count == 1)
        buffer->out[0] = transfer->out[0];
    else if (transfer->out_count && !segments_load(buffer->out, transfer->out, transfer->out_count))
        return false;
    return !(transfer->cap_count | transfer->recv_slot_count) || slots_load(transfer, buffer);
}

static __attribute__((noinline)) void reply_store(const struct ar_ipc_buffer *buffer,
                                                  const struct ar_message *m, uint64_t *reply,
                                                  unsigned count)
{
    for (unsigned i = 0; i < count && i < IPC_REGISTER_WORDS; i++)
        reply[i] = m->words[i];
    for (unsigned i = IPC_REGISTER_WORDS; i < count; i++)
        reply[i] = buffer->words[i];
}

enum status ipc_stub_call(const struct ipc_operation *operation, ar_cap target,
                          const uint64_t *words, uint64_t *reply, struct ipc_transfer *transfer)
{
    struct ar_ipc_buffer *buffer = ipc_buffer();
    struct ar_message m;
    m.badge = target;
    m.info = AR_INFO(operation->label, operation->words, 0, 0, 0);
    for (unsigned i = 0; i < IPC_REGISTER_WORDS; i++)
        m.words[i] = words[i];
    if (operation->words > IPC_REGISTER_WORDS)
        words_load(buffer, words, operation->words);
    if (!transfer) {
        buffer->recv_slot_count = 0;
    } else {
        if (!transfer_load(transfer, buffer))
            return ST_MESSAGE;
        m.info |= AR_INFO(0, 0, transfer->cap_count, transfer->in_count, transfer->out_count);
        transfer->received_count = 0;
    }
    enum ar_error error = ar_syscall(AR_SYS_CALL, &m, 0, 0);
    if (error)
        return status_of_error(error);
    enum status status = (enum status)AR_INFO_LABEL(m.info);
    /* The kernel bounds both counts for every message it delivers. */
    unsigned caps = AR_INFO_CAPS(m.info), count = AR_INFO_WORDS(m.info);
    if (caps && transfer) {
        transfer->received_count = caps;
        transfer->first_received = buffer->received[0];
    }
    if (status != ST_OK && status != ST_REDIRECT)
        return status;
    if (!ipc_stub_fits(operation, status, count, caps))
        return ST_MESSAGE;
    if (count == 1)
        reply[0] = m.words[0];
    else if (count)
        reply_store(buffer, &m, reply, count);
    return status;
}
