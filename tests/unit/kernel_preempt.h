/*
 * What the tests of long operations in pieces share (test_kernel_preempt*.c): a machine each, and what a
 * thread of higher priority does between two pieces. host_syscall checks the invariants after each.
 * SPDX-License-Identifier: MIT
 */
#ifndef KERNEL_PREEMPT_H
#define KERNEL_PREEMPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "kernel_host.h"
#include "sched/work.h"

enum {
    UNTYPED = 1,
    ENDPOINT = 10,
    GATE,
    COPY,
    NOTIFICATION,
    REPLY,
    OTHER,
    THREAD = 100, /* and the following */
    FREE = 300,   /* and the following */
    WAITERS = 60
};

static struct tcb *threads[WAITERS];
static char *log_text; /* when a test has the log */
static size_t log_length __attribute__((unused));
static struct tcb *other __attribute__((unused)); /* who comes in between, and how often it did */
static unsigned other_ran;

static inline int setup(void **state)
{
    (void)state;
    host_machine_start();
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    host_check_invariants();
    host_machine_stop();
    if (host_log) {
        fclose(host_log);
        free(log_text);
        host_log = NULL;
    }
    return 0;
}

static inline void make(enum ar_type type, unsigned bits, ar_cap slot)
{
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, type, bits, slot, 1),
                     AR_OK);
}

static inline int delete_slot(ar_cap slot)
{
    return host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, slot, 0, 0, 0);
}

static inline int revoke(ar_cap slot)
{
    return host_invoke(host_main, AR_CAP_SELF, AR_CNODE_REVOKE, slot, 0, 0, 0);
}

static inline struct cap *inside(ar_cap cnode, unsigned index)
{
    return &((struct cnode *)host_slot(cnode)->object)->slots[index];
}

static inline void between(void (*what)(struct tcb *, unsigned))
{
    other_ran = 0;
    host_between = what;
}

static inline void queue_senders(void)
{
    make(AR_ENDPOINT, 0, ENDPOINT);
    make(AR_GATE, 0, GATE);
    assert_int_equal(host_invoke(host_main, GATE, AR_GATE_BIND, ENDPOINT, 7, 0, 0), AR_OK);
    assert_int_equal(
        host_invoke(host_main, AR_CAP_SELF, AR_CNODE_COPY, COPY, AR_CAP_SELF, GATE, AR_SEND),
        AR_OK);
    for (unsigned i = 0; i < WAITERS; i++) {
        threads[i] = host_thread(THREAD + i, 8);
        assert_int_equal(host_syscall(threads[i], AR_SYS_CALL, COPY,
                                      AR_INFO(AR_LABEL_USER, 0, 0, 0, 0), NULL, 0, 0),
                         -1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
