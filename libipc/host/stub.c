/* The host's side of generated stubs: a request is built and carried to wherever the test's
 * ipc_client_call takes it. SPDX-License-Identifier: MIT */
#include <ipc/stub.h>
#include <string.h>

/* Nobody else runs between their use and the call. */
static uint64_t tail[IPC_TAIL_WORDS], caps_out[AR_MSG_CAPS], offer[AR_MSG_CAPS];
static uint8_t issuers[AR_MSG_CAPS];

uint64_t *ipc_tail(void)
{
    return tail;
}

uint64_t *ipc_caps_out(void)
{
    return caps_out;
}

uint64_t *ipc_offer(void)
{
    return offer;
}

uint8_t ipc_received_issuer(unsigned index)
{
    return issuers[index];
}

static void tail_load(struct ipc_request *request, unsigned words)
{
    memset(&request->words[request->word_count], 0,
           (IPC_TAIL_WORD - request->word_count) * sizeof(uint64_t));
    memcpy(&request->words[IPC_TAIL_WORD], tail, words * sizeof(uint64_t));
    request->word_count = IPC_TAIL_WORD + words;
}

enum status ipc_stub_call(const struct ipc_operation *operation, ar_cap target,
                          const uint64_t *words, uint64_t *reply, struct ipc_transfer *transfer)
{
    struct ipc_request request = {
        .target = target, .label = operation->label, .word_count = operation->words};
    ar_cap offered[AR_MSG_CAPS];
    memcpy(request.words, words, operation->words * sizeof(*words));
    if (transfer) {
        request.cap_count = transfer->cap_count;
        if (transfer->cap_count)
            memcpy(request.caps, transfer->in_place ? caps_out : transfer->caps,
                   transfer->cap_count * sizeof(*request.caps));
        request.in = transfer->in;
        request.in_count = transfer->in_count;
        request.out = transfer->out;
        request.out_count = transfer->out_count;
        request.recv_slots = transfer->recv_slots;
        request.recv_slot_count = transfer->recv_slot_count;
        if (transfer->in_place) {
            for (unsigned i = 0; i < AR_MSG_CAPS; i++)
                offered[i] = (ar_cap)offer[i];
            request.recv_slots = offered;
        }
        if (transfer->tail_words)
            tail_load(&request, transfer->tail_words);
        transfer->tail_words = 0;
    }
    enum status status = ipc_client_call(&request);
    unsigned caps = request.reply_cap_count;
    for (unsigned i = 0; i < caps; i++)
        issuers[i] = (uint8_t)request.reply_caps[i].issuer;
    if (transfer) {
        transfer->received_count = caps;
        transfer->first_received = request.reply_caps[0];
        for (unsigned i = 0; transfer->issuers && i < caps; i++)
            transfer->issuers[i] = issuers[i];
    }
    if (status != ST_OK && status != ST_REDIRECT)
        return status;
    if (!ipc_stub_fits(operation, status, request.reply_word_count, caps))
        return ST_MESSAGE;
    if (reply)
        memcpy(reply, request.words, operation->reply_words * sizeof(*reply));
    unsigned tail_words = ipc_stub_tail(operation, request.reply_word_count);
    if (tail_words)
        memcpy(tail, &request.words[IPC_TAIL_WORD], tail_words * sizeof(uint64_t));
    if (transfer)
        transfer->tail_words = tail_words;
    return status;
}
