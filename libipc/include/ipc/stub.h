/*
 * What generated client stubs are made of: one description an operation, one function for all.
 * SPDX-License-Identifier: MIT
 *
 * Two backends: the kernel's (libipc/kernel/client.c, used by libposix and init) and the host's
 * (libipc/host/stub.c).
 */
#ifndef IPC_STUB_H
#define IPC_STUB_H

#include <ipc/client.h>
#include <ipc/message.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ipc_operation {
    uint32_t label;
    uint8_t words, reply_words;     /* of the request; of a reply that has any */
    uint8_t least_caps, most_caps;  /* capabilities of a reply with ST_OK */
    bool tail; /* of the reply: it may have one */
};

/* Words that travel in registers. `words` of a stub has room for so many even when the operation
 * has fewer, zero where there is none. */
#define IPC_REGISTER_WORDS 4u

/* Blocks for the reply. `reply` (the operation's reply_words, NULL when it has none) is written
 * when the status is ST_OK or ST_REDIRECT. ST_MESSAGE when the server's answer has not the form
 * that the protocol gives it. */
enum status ipc_stub_call(const struct ipc_operation *operation, ar_cap target,
                          const uint64_t *words, uint64_t *reply, struct ipc_transfer *transfer);

/* Words of the tail in a reply of `words` words; more than IPC_TAIL_WORDS: it has not that form. */
static inline unsigned ipc_stub_tail(const struct ipc_operation *operation, unsigned words)
{
    if (words == operation->reply_words)
        return 0;
    return operation->tail && words > IPC_TAIL_WORD ? words - IPC_TAIL_WORD : UINT32_MAX;
}

/* Is this the form of a reply that the protocol gives? */
static inline bool ipc_stub_fits(const struct ipc_operation *operation, enum status status,
                                 unsigned words, unsigned caps)
{
    return ipc_stub_tail(operation, words) <= IPC_TAIL_WORDS &&
           (status != ST_OK || (caps >= operation->least_caps && caps <= operation->most_caps));
}

#endif
