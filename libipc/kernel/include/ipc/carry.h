/*
 * A request to a server and its reply, carried by the kernel (AR_SYS_CALL). Included by ipc/stub.h's
 * users alone: client.c has it once for all operations, the stubs of operations that are marked as
 * `hot` have it in place, where what the operation is folds into constants.
 * SPDX-License-Identifier: MIT
 *
 * Everything goes between the caller's variables and the thread's IPC buffer here and nowhere
 * else, so the buffer is free again on return (but for a tail, until the next call): a signal handler
 * or a nested call between two requests cannot disturb either.
 */
#ifndef IPC_CARRY_H
#define IPC_CARRY_H

#include <ipc/buffer.h>
#include <ipc/kernel.h>
#include <ipc/stub.h>

/* client.c: what few requests have, out of the way of those that have it not. */
enum status ipc_status_of_error(enum ar_error error);
bool ipc_segments_load(struct ar_segment *to, const struct ar_segment *from, unsigned count);
bool ipc_slots_load(const struct ipc_transfer *transfer, struct ar_ipc_buffer *buffer);
void ipc_issuers_store(const struct ar_ipc_buffer *buffer, uint8_t *issuers, unsigned caps);

/* The memory and capabilities of a request into the buffer; false: more than a message holds. */
static inline __attribute__((always_inline)) bool
ipc_transfer_load(const struct ipc_transfer *transfer, struct ar_ipc_buffer *buffer)
{
    buffer->recv_slot_count = 0;
    if (transfer->in_count == 1)
        buffer->in[0] = transfer->in[0];
    else if (transfer->in_count &&
             !ipc_segments_load(buffer->in, transfer->in, transfer->in_count))
        return false;
    if (transfer->out_count == 1)
        buffer->out[0] = transfer->out[0];
    else if (transfer->out_count &&
             !ipc_segments_load(buffer->out, transfer->out, transfer->out_count))
        return false;
    if (transfer->in_place)
        buffer->recv_slot_count = transfer->recv_slot_count;
    else if (transfer->cap_count | transfer->recv_slot_count)
        return ipc_slots_load(transfer, buffer);
    return true;
}

/* `transfer` as the message's info has it. */
static inline uint64_t ipc_transfer_info(const struct ipc_transfer *transfer)
{
    unsigned words = transfer->tail_words ? IPC_TAIL_WORD + transfer->tail_words : 0;
    return AR_INFO(0, words, transfer->cap_count, transfer->in_count, transfer->out_count);
}

static inline __attribute__((always_inline)) enum status
ipc_carry(const struct ipc_operation *operation, ar_cap target, const uint64_t *words,
          uint64_t *reply, struct ipc_transfer *transfer)
{
    struct ar_ipc_buffer *buffer = ipc_buffer();
    struct ar_message m = {.badge = target};
    unsigned tail = transfer ? transfer->tail_words : 0;
    m.info = AR_INFO(operation->label, tail ? 0 : operation->words, 0, 0, 0);
    for (unsigned i = 0; i < IPC_REGISTER_WORDS; i++)
        m.words[i] = words[i];
    for (unsigned i = IPC_REGISTER_WORDS; i < operation->words; i++)
        buffer->words[i] = words[i];
    if (!transfer) {
        buffer->recv_slot_count = 0;
    } else {
        if (!ipc_transfer_load(transfer, buffer))
            return ST_MESSAGE;
        m.info |= ipc_transfer_info(transfer);
        transfer->received_count = transfer->tail_words = 0;
    }
    enum ar_error error = ar_syscall(AR_SYS_CALL, &m, 0, 0);
    if (error)
        return ipc_status_of_error(error);
    enum status status = (enum status)AR_INFO_LABEL(m.info);
    /* The kernel bounds both counts for every message it delivers. */
    unsigned caps = AR_INFO_CAPS(m.info), count = AR_INFO_WORDS(m.info);
    if (caps && transfer) {
        transfer->received_count = caps;
        transfer->first_received = buffer->received[0];
        if (transfer->issuers)
            ipc_issuers_store(buffer, transfer->issuers, caps);
    }
    if (status != ST_OK && status != ST_REDIRECT)
        return status;
    if (!ipc_stub_fits(operation, status, count, caps))
        return ST_MESSAGE;
    if (operation->tail && transfer)
        transfer->tail_words = ipc_stub_tail(operation, count);
    for (unsigned i = 0; i < operation->reply_words; i++)
        reply[i] = i < IPC_REGISTER_WORDS ? m.words[i] : buffer->words[i];
    return status;
}

#endif
