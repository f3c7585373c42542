/* The host's side of generated stubs: a request is built and carried to wherever the test's
 * ipc_client_call takes it. SPDX-License-Identifier: MIT */
#include <ipc/stub.h>
#include <string.h>

enum status ipc_stub_call(const struct ipc_operation *operation, ar_cap target,
                          const uint64_t *words, uint64_t *reply, struct ipc_transfer *transfer)
{
    struct ipc_request request = {
        .target = target, .label = operation->label, .word_count = operation->words};
    memcpy(request.words, words, operation->words * sizeof(*words));
    if (transfer) {
        request.cap_count = transfer->cap_count;
        if (transfer->cap_count)
            memcpy(request.caps, transfer->caps, transfer->cap_count * sizeof(*transfer->caps));
        request.in = transfer->in;
        request.in_count = transfer->in_count;
        request.out = transfer->out;
        request.out_count = transfer->out_count;
        request.recv_slots = transfer->recv_slots;
        request.recv_slot_count = transfer->recv_slot_count;
    }
    enum status status = ipc_client_call(&request);
    unsigned caps = request.reply_cap_count;
    if (transfer) {
        transfer->received_count = caps;
        transfer->first_received = request.reply_caps[0];
    }
    if (status != ST_OK && status != ST_REDIRECT)
        return status;
    if (!ipc_stub_fits(operation, status, request.reply_word_count, caps))
        return ST_MESSAGE;
    if (reply)
        memcpy(reply, request.words, operation->reply_words * sizeof(*reply));
    return status;
}
