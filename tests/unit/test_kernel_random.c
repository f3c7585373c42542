/*
 * The kernel under random system calls: whatever threads do, the invariants hold after each
 * step. SPDX-License-Identifier: MIT
 *
 * All threads share one capability space and know few slots, so that they meet: objects are
 * made, given away, bound, used and destroyed under each other's feet. ARAMID_RANDOM_STEPS and
 * ARAMID_RANDOM_SEED say how much and from where; a failure prints the seed of its machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "ipc/ipc.h"
#include "kernel_host.h"

enum { SLOTS = 48, STEPS_A_MACHINE = 2000, SCRATCH = 65536, THREADS_MAX = 24 };

static uint8_t scratch[SCRATCH] __attribute__((aligned(4096)));
static uint64_t seed, machine_seed, steps_done;

static uint64_t random_word(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint64_t below(uint64_t limit)
{
    return (random_word() >> 11) % limit;
}

static uint64_t random_slot(void)
{
    static const uint64_t odd[] = {0,    255,        256,        1023,      1024,
                                   2047, UINT32_MAX, UINT64_MAX, 1ull << 40};
    return below(40) ? 1 + below(SLOTS) : odd[below(sizeof(odd) / sizeof(*odd))];
}

static uint64_t random_value(void)
{
    static const uint64_t odd[] = {0,        1,          7,          255,        4096,
                                   1u << 31, UINT32_MAX, 1ull << 47, 1ull << 63, UINT64_MAX};
    switch (below(4)) {
    case 0:
        return odd[below(sizeof(odd) / sizeof(*odd))];
    case 1:
        return below(1000);
    default:
        return random_slot();
    }
}

static void report(int signal_number)
{
    fprintf(stderr, "signal %d at step %lu; again by ARAMID_RANDOM_SEED=%lu\n", signal_number,
            (unsigned long)steps_done, (unsigned long)machine_seed);
}

/* What a thread's IPC buffer may hold, which the thread writes as it likes. */
static void random_buffer(struct ar_ipc_buffer *buffer)
{
    for (unsigned i = 0; i < AR_MSG_WORDS; i++)
        buffer->words[i] = random_value();
    for (unsigned i = 0; i < AR_MSG_CAPS; i++) {
        buffer->caps_out[i] = random_slot() | (below(3) ? 0 : AR_CAP_MOVE);
        buffer->recv_slots[i] = random_slot();
    }
    buffer->recv_slot_count = below(4) ? below(9) : random_value();
    for (unsigned i = 0; i < AR_MSG_SEGS; i++) {
        buffer->in[i] = (struct ar_segment){(uint64_t)scratch + below(SCRATCH + 100),
                                            below(4) ? below(9000) : random_value()};
        buffer->out[i] = (struct ar_segment){(uint64_t)scratch + below(SCRATCH + 100),
                                             below(4) ? below(9000) : random_value()};
    }
}

static const uint8_t made_types[] = {AR_UNTYPED, AR_CNODE,  AR_ENDPOINT,     AR_ENDPOINT, AR_GATE,
                                     AR_GATE,    AR_GATE,   AR_NOTIFICATION, AR_REPLY,    AR_REPLY,
                                     AR_TCB,     AR_VSPACE, AR_TABLE,        AR_FRAME,    AR_FRAME};

static void random_invocation(struct tcb *tcb)
{
    static const uint8_t labels[] = {
        AR_UNTYPED_RETYPE, AR_UNTYPED_INFO, AR_CNODE_COPY, AR_CNODE_COPY, AR_CNODE_MOVE,
        AR_CNODE_DELETE, AR_CNODE_REVOKE,
        AR_CNODE_INSPECT, AR_CNODE_COPY_RANGE, AR_CNODE_SET_LEAF, AR_ENDPOINT_SET_ISSUER,
        AR_GATE_BIND, AR_GATE_BIND,
        AR_GATE_INFO, AR_TCB_CONFIGURE, AR_TCB_SET_PRIORITY, AR_TCB_SET_PRINCIPAL,
        AR_TCB_SET_FOREIGN,
        AR_TCB_BIND_NOTIFICATION, AR_TCB_READ_REGS, AR_TCB_WRITE_REGS, AR_TCB_RESUME,
        AR_TCB_SUSPEND, AR_TCB_SET_NAME,
        AR_TCB_INFO, AR_VSPACE_MAP_TABLE, AR_FRAME_MAP, AR_FRAME_UNMAP, AR_FRAME_COPY,
        AR_FRAME_CLEAR, AR_FRAME_READ,
        AR_FRAME_WRITE, AR_FRAME_INFO, 0, 0xff};
    uint64_t label = labels[below(sizeof(labels))];
    uint64_t target = label >= AR_CNODE_COPY && label <= AR_CNODE_COPY_RANGE && below(5)
                          ? AR_CAP_SELF
                          : random_slot();
    uint64_t words[4] = {random_value(), random_value(), random_value(), random_value()};
    if (label == AR_UNTYPED_RETYPE) {
        static const uint8_t bits[] = {12, 8, 3, 13, 16, 20, 21};
        target = below(3) ? 1 : target;
        words[0] = below(20) ? made_types[below(sizeof(made_types))] : random_value();
        words[1] = below(20) ? bits[below(sizeof(bits))] : random_value();
        words[2] = random_slot();
        words[3] = below(20) ? 1 + below(3) : random_value();
    } else if (label <= AR_CNODE_SET_LEAF) {
        words[0] = random_slot();
        words[1] = below(4) ? AR_CAP_SELF : random_slot();
        words[2] = random_slot();
        if (label == AR_CNODE_REVOKE && words[0] == 1 && below(50))
            return; /* the Untyped itself: everything ends */
    } else if (label == AR_TCB_CONFIGURE) {
        words[3] = below(4) ? 0x10000 : words[3];
        tcb->buffer->words[4] = below(2) ? random_slot() : 0;
    }
    unsigned count = (unsigned)(below(10) ? (label == AR_TCB_WRITE_REGS ? 20 : 5) : below(256));
    host_syscall(tcb, AR_SYS_INVOKE, target, AR_INFO(label, count, 0, 0, 0), words, 0, 0);
}

static void random_message(struct tcb *tcb)
{
    static const uint8_t calls[] = {AR_SYS_CALL, AR_SYS_CALL,  AR_SYS_CALL,  AR_SYS_REPLY_RECV,
                                    AR_SYS_RECV, AR_SYS_RECV,  AR_SYS_REPLY, AR_SYS_SIGNAL,
                                    AR_SYS_WAIT, AR_SYS_YIELD, AR_SYS_CLOCK, 200};
    uint64_t words[4] = {random_value(), random_value(), random_value(), random_value()};
    uint64_t label = below(20) ? AR_LABEL_USER + below(5) : below(UINT32_MAX);
    uint64_t info = AR_INFO(label, below(10) ? below(20) : below(256), below(3) ? 0 : below(10),
                            below(16), below(16));
    uint64_t deadlines[] = {0, host_clock + below(1000), AR_NO_DEADLINE, AR_NO_DEADLINE};
    if (below(10) == 0) {
        words[0] = below(4) ? below(20000) : random_value();
        words[1] = (uint64_t)scratch + below(SCRATCH);
        words[2] = below(4) ? below(8192) : random_value();
        host_syscall(tcb, below(2) ? AR_SYS_DATA_READ : AR_SYS_DATA_WRITE, random_slot(), info,
                     words, 0, 0);
        return;
    }
    host_syscall(tcb, calls[below(sizeof(calls))], random_slot(), info, words,
                 (ar_cap)random_slot(), deadlines[below(4)]);
}

static const struct tcb *idle;

/* A thread that could be running user code; NULL: everybody waits. */
static struct tcb *random_thread(const struct tcb *except)
{
    struct tcb *able[64];
    unsigned count = 0;
    for (struct tcb *tcb = core.all_threads; tcb && count < 64; tcb = tcb->all_next)
        if (tcb != idle && tcb != except && tcb->state == AR_THREAD_READY && !tcb->suspended &&
            tcb->cspace.type == AR_CNODE)
            able[count++] = tcb;
    return count ? able[below(count)] : NULL;
}

static unsigned thread_count(void)
{
    unsigned count = 0;
    for (struct tcb *tcb = core.all_threads; tcb; tcb = tcb->all_next)
        count++;
    return count;
}

static void make_thread(void)
{
    struct cap *slot;
    for (uint64_t number = 2; number <= SLOTS; number++) {
        slot = host_slot((ar_cap)number);
        if (slot->type == AR_NULL) {
            host_thread((ar_cap)number, (unsigned)below(AR_PRIORITY_MAX + 1));
            return;
        }
    }
}

static void random_step(void)
{
    struct tcb *tcb = random_thread(NULL);
    host_clock += below(200);
    if (!tcb || below(50) == 0) {
        sched_tick(host_clock);
        sched_pick();
        host_check_invariants();
        if (!tcb && thread_count() < THREADS_MAX)
            make_thread();
        return;
    }
    if (below(4) == 0)
        random_buffer(tcb->buffer);
    if (below(40) == 0) { /* it faults */
        host_syscall(tcb, AR_SYS_CLOCK, 0, 0, NULL, 0, 0);
        if (tcb == core.current && tcb != idle) {
            ipc_fault(tcb,
                      (uint64_t[FAULT_WORDS]){AR_FAULT_PAGE, 0x1000, 4, 0x2000, 0x3000, 0x202});
            sched_pick();
            host_check_invariants();
        }
    } else if (below(2)) {
        random_invocation(tcb);
    } else {
        random_message(tcb);
    }
}

/* Between two pieces of a system call: a timer interrupt, somebody else's system call. */
static void interfere(struct tcb *caller, unsigned pieces)
{
    (void)pieces;
    if (below(2))
        return;
    host_between = NULL;
    struct tcb *tcb = random_thread(caller);
    if (below(8) == 0) {
        sched_tick(host_clock);
        sched_pick();
    } else if (tcb && below(2)) {
        random_invocation(tcb);
    } else if (tcb) {
        random_message(tcb);
    }
    host_check_invariants();
    host_between = interfere;
}

static void run_machine(uint64_t steps)
{
    host_machine_start();
    host_between = interfere;
    /* the idle thread was made first, so it is last in the list */
    idle = core.all_threads;
    while (idle->all_next)
        idle = idle->all_next;
    for (unsigned i = 0; i < 6; i++)
        make_thread();
    for (uint64_t step = 0; step < steps; step++, steps_done++)
        random_step();
    host_check_invariants();
    host_machine_stop();
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

static void test_invariants_hold_under_random_calls(void **state)
{
    (void)state;
    uint64_t left = from_environment("ARAMID_RANDOM_STEPS", 200000);
    machine_seed = from_environment("ARAMID_RANDOM_SEED", 20260101);
    host_user_low = (uint64_t)scratch;
    host_user_high = (uint64_t)scratch + SCRATCH;
    signal(SIGABRT, report);
    for (; left; machine_seed++) {
        uint64_t steps = left < STEPS_A_MACHINE ? left : STEPS_A_MACHINE;
        seed = machine_seed * 0x9e3779b97f4a7c15ull | 1;
        run_machine(steps);
        left -= steps;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invariants_hold_under_random_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
