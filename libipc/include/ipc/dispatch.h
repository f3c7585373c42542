/* What generated dispatchers end with. SPDX-License-Identifier: MIT */
#ifndef IPC_DISPATCH_H
#define IPC_DISPATCH_H

#include <ipc/message.h>

/* Settle a request: record the status; on anything but ST_OK and ST_REDIRECT no words or
 * capabilities go back, and on anything but ST_OK the slot capabilities that came with the
 * request are dropped. */
static inline void ipc_dispatch_finish(struct ipc_call *call, enum status status)
{
    call->status = status;
    if (status != ST_OK && status != ST_REDIRECT) {
        call->reply_word_count = 0;
        call->reply_cap_count = 0;
    }
    if (status == ST_OK)
        return;
    for (unsigned i = 0; i < call->cap_count; i++)
        if (call->caps[i].kind == AR_RECEIVED_CAP)
            ipc_drop(call->effects, call->caps[i].value);
}

/* Is this the word count of a request of `fields` words with a tail? Notes its length. */
static inline bool ipc_dispatch_tail(struct ipc_call *call, unsigned fields)
{
    unsigned words = call->word_count - IPC_TAIL_WORD; /* a small count becomes a large one */
    if (fields > IPC_TAIL_WORD || words - 1 >= IPC_TAIL_WORDS)
        return false;
    call->tail_in = 8 * words;
    return true;
}

/* After a handler: what it put into the tail follows the words of its reply, or the cleared ones up to
 * IPC_TAIL_WORD. */
static inline void ipc_dispatch_tail_end(struct ipc_call *call)
{
    if (call->tail_out)
        call->reply_word_count = IPC_TAIL_WORD + (call->tail_out + 7) / 8;
}

#endif
