/* What goes with a call through a generated client stub, and, on the host, what becomes of it.
 * SPDX-License-Identifier: MIT */
#ifndef IPC_CLIENT_H
#define IPC_CLIENT_H

#include <aramid/abi.h>
#include <ipc/status.h>
#include <stdbool.h>
#include <stdint.h>

/* Host only: one outgoing request and its reply. host/stub.c fills it, `ipc_client_call` carries
 * it. (In the guest the stub goes straight to the kernel.) */
struct ipc_request {
    ar_cap target;
    uint32_t label;
    unsigned word_count;
    uint64_t words[AR_MSG_WORDS];       /* request in; reply out */
    unsigned cap_count;
    uint64_t caps[AR_MSG_CAPS];         /* slots to send, | AR_CAP_MOVE */
    unsigned in_count, out_count;
    /* memory the server may read / write during the call; borrowed */
    const struct ar_segment *in, *out;
    /* reply */
    unsigned reply_word_count, reply_cap_count;
    struct ar_received reply_caps[AR_MSG_CAPS];
    /* empty slots for arriving capabilities; borrowed */
    unsigned recv_slot_count;
    const ar_cap *recv_slots;
};

/* Blocks for the reply. The server's status, or ST_CLOSED when it is gone, ST_SLOTS when
 * recv_slots are too few. */
enum status ipc_client_call(struct ipc_request *request);

/* The memory and capabilities that go with a call; any pointer may be NULL when its count is 0. */
struct ipc_transfer {
    const struct ar_segment *in, *out;
    unsigned in_count, out_count;
    const uint64_t *caps;      /* slots to send */
    unsigned cap_count;
    const ar_cap *recv_slots;
    unsigned recv_slot_count;
    /* Both stand at ipc_caps_out() and ipc_offer(), and the pointers are not looked at. */
    bool in_place;
    /* Words of the tail (ipc/message.h) that stand at ipc_tail(), for operations that have one: set
     * for the request, filled for the reply. */
    unsigned tail_words;
    /* filled by the call */
    unsigned received_count;
    struct ar_received first_received; /* of them: where each one is, the caller knows */
    uint8_t *issuers; /* room for as many as recv_slots: whose each one is. NULL: not asked */
};

/* The calling thread's place for IPC_TAIL_WORDS words: before a call the request's tail, after it the
 * reply's. What is there is gone with the next call. */
uint64_t *ipc_tail(void);
/* The same for AR_MSG_CAPS slots to send, and slots on offer. */
uint64_t *ipc_caps_out(void);
uint64_t *ipc_offer(void);
/* Whose the capability is that arrived in slot number `index` on offer: right after the call. */
uint8_t ipc_received_issuer(unsigned index);

#endif
