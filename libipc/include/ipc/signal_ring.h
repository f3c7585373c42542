/*
 * Signals that sockd has for processes (SIGURG, SIGIO): a page that sockd writes and procd reads.
 * SPDX-License-Identifier: MIT
 *
 * Neither waits for the other: sockd puts a request in and signals procd's notification with
 * SIGNAL_RING_BIT; procd empties the ring when it sees the bit. procd's priority is above sockd's,
 * so it does that before sockd's next instruction, and the ring is never seen full; if it were, the
 * signal would be lost. procd decides whether the request is allowed, as Linux does: sockd says who
 * had set the owner.
 */
#ifndef IPC_SIGNAL_RING_H
#define IPC_SIGNAL_RING_H

#include <stdbool.h>
#include <stdint.h>

enum signal_target { SIGNAL_TO_THREAD, SIGNAL_TO_PROCESS, SIGNAL_TO_GROUP }; /* F_OWNER_* */

struct signal_request {
    uint32_t target, id; /* enum signal_target; tid, pid or process group */
    uint32_t uid, euid;  /* real and effective, of whoever made that the owner, at the time */
    uint32_t signal;
    int32_t code, fd; /* siginfo's */
    uint32_t reserved;
    uint64_t band;
};

#define SIGNAL_RING_SIZE 64u
struct signal_ring {
    uint64_t put, taken; /* ever */
    struct signal_request list[SIGNAL_RING_SIZE];
};
_Static_assert(sizeof(struct signal_ring) <= 4096, "one page");

#define SIGNAL_RING_ADDRESS 0x3800000000ull /* where init maps it, in both */
#define SIGNAL_RING_BIT (1ull << 5)         /* of procd's notification; below: the terminal's */

static inline bool signal_ring_put(struct signal_ring *ring, const struct signal_request *request)
{
    uint64_t put = ring->put;
    if (put - __atomic_load_n(&ring->taken, __ATOMIC_ACQUIRE) >= SIGNAL_RING_SIZE)
        return false;
    ring->list[put % SIGNAL_RING_SIZE] = *request;
    __atomic_store_n(&ring->put, put + 1, __ATOMIC_RELEASE);
    return true;
}

static inline bool signal_ring_take(struct signal_ring *ring, struct signal_request *request)
{
    uint64_t taken = ring->taken;
    if (taken == __atomic_load_n(&ring->put, __ATOMIC_ACQUIRE))
        return false;
    *request = ring->list[taken % SIGNAL_RING_SIZE];
    __atomic_store_n(&ring->taken, taken + 1, __ATOMIC_RELEASE);
    return true;
}

#endif
