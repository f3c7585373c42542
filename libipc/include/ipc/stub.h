/* What generated client stubs are made of. SPDX-License-Identifier: MIT */
#ifndef IPC_STUB_H
#define IPC_STUB_H

#include <ipc/client.h>
#include <stddef.h>

static inline void ipc_stub_begin(struct ipc_request *request, ar_cap target, uint32_t label,
                                  unsigned words, const struct ipc_transfer *transfer)
{
    request->target = target;
    request->label = label;
    request->word_count = words;
    request->cap_count = request->in_count = request->out_count = request->recv_slot_count = 0;
    if (!transfer)
        return;
    request->cap_count = transfer->cap_count;
    for (unsigned i = 0; i < transfer->cap_count; i++)
        request->caps[i] = transfer->caps[i];
    request->in = transfer->in;
    request->in_count = transfer->in_count;
    request->out = transfer->out;
    request->out_count = transfer->out_count;
    request->recv_slots = transfer->recv_slots;
    request->recv_slot_count = transfer->recv_slot_count;
}

/* ST_MESSAGE when the server's answer has not the form that the protocol gives it. */
static inline enum status ipc_stub_end(const struct ipc_request *request, enum status status,
                                       void *reply, unsigned words, unsigned least_caps,
                                       unsigned most_caps, struct ipc_transfer *transfer)
{
    unsigned caps = request->reply_cap_count;
    if (transfer) {
        transfer->received_count = caps;
        for (unsigned i = 0; i < caps; i++)
            transfer->received[i] = request->reply_caps[i];
    }
    if (status != ST_OK && status != ST_REDIRECT)
        return status;
    if (request->reply_word_count != words ||
        (status == ST_OK && (caps < least_caps || caps > most_caps)))
        return ST_MESSAGE;
    if (reply)
        __builtin_memcpy(reply, request->words, words * sizeof(uint64_t));
    return status;
}

#endif
