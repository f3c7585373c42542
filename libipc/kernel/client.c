/*
 * The client side of a request: one function for all operations that are not `hot`.
 * SPDX-License-Identifier: MIT
 */
#include <ipc/carry.h>

enum status ipc_status_of_error(enum ar_error error)
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

bool ipc_segments_load(struct ar_segment *to, const struct ar_segment *from, unsigned count)
{
    for (unsigned i = 0; i < count && i < AR_MSG_SEGS; i++)
        to[i] = from[i];
    return count <= AR_MSG_SEGS;
}

bool ipc_slots_load(const struct ipc_transfer *transfer, struct ar_ipc_buffer *buffer)
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

void ipc_issuers_store(const struct ar_ipc_buffer *buffer, uint8_t *issuers, unsigned caps)
{
    for (unsigned i = 0; i < caps; i++)
        issuers[i] = (uint8_t)buffer->received[i].issuer;
}

uint64_t *ipc_tail(void)
{
    return &ipc_buffer()->words[IPC_TAIL_WORD];
}

uint64_t *ipc_caps_out(void)
{
    return ipc_buffer()->caps_out;
}

uint64_t *ipc_offer(void)
{
    return ipc_buffer()->recv_slots;
}

uint8_t ipc_received_issuer(unsigned index)
{
    return (uint8_t)ipc_buffer()->received[index].issuer;
}

enum status ipc_stub_call(const struct ipc_operation *operation, ar_cap target,
                          const uint64_t *words, uint64_t *reply, struct ipc_transfer *transfer)
{
    return ipc_carry(operation, target, words, reply, transfer);
}
