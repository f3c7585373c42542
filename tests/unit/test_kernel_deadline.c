/*
 * The heap of deadlines against a model: a list of the threads that have one.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "ipc/ipc.h"
#include "kernel_host.h"
#include "sched/work.h"

enum { THREADS = 1500, STEPS = 20000 };

static struct tcb *threads;
static struct notification notification; /* on which all of them wait */
static uint64_t seed = 20260102;

static uint64_t below(uint64_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) % limit;
}

static int setup(void **state)
{
    (void)state;
    host_machine_start();
    notification = (struct notification){0};
    threads = aligned_alloc(64, THREADS * sizeof(*threads));
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = (struct tcb){0};
        tcb_init(&threads[i]);
        threads[i].suspended = 0;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_machine_stop();
    free(threads);
    return 0;
}

static void wait_until(struct tcb *tcb, uint64_t deadline)
{
    sched_unready(tcb);
    tcb->state = AR_THREAD_BLOCKED_WAIT;
    tcb->waiting_for = &notification;
    queue_append(&notification.waiters, tcb);
    deadline_add(tcb, deadline);
}

/* How many threads are below and at `tcb`. Aborts when something is not as deadline.c says; what
 * bounds the time of an operation is that a rank r needs 2^r - 1 threads. */
static unsigned check(const struct tcb *tcb, const struct tcb *parent)
{
    if (!tcb)
        return 0;
    assert_ptr_equal(tcb->heap_parent, parent);
    if (parent)
        assert_true(parent->deadline <= tcb->deadline);
    unsigned left = tcb->heap_left ? tcb->heap_left->heap_rank : 0;
    unsigned right = tcb->heap_right ? tcb->heap_right->heap_rank : 0;
    assert_true(left >= right);
    assert_int_equal(tcb->heap_rank, right + 1);
    unsigned count = 1 + check(tcb->heap_left, tcb) + check(tcb->heap_right, tcb);
    assert_true(count >= (1u << tcb->heap_rank) - 1);
    return count;
}

static void check_against_model(void)
{
    unsigned count = 0;
    uint64_t earliest = AR_NO_DEADLINE;
    for (unsigned i = 0; i < THREADS; i++) {
        if (threads[i].deadline == AR_NO_DEADLINE)
            continue;
        count++;
        if (threads[i].deadline < earliest)
            earliest = threads[i].deadline;
    }
    assert_int_equal(check(core.deadlines, NULL), count);
    assert_int_equal(core.deadlines ? core.deadlines->deadline : AR_NO_DEADLINE, earliest);
}

static void test_random_operations(void **state)
{
    (void)state;
    for (unsigned step = 0; step < STEPS; step++) {
        struct tcb *tcb = &threads[below(step < STEPS / 2 ? THREADS : 40)];
        if (tcb->deadline == AR_NO_DEADLINE) {
            if (tcb->state != AR_THREAD_BLOCKED_WAIT)
                wait_until(tcb, below(20) ? host_clock + below(10000) : AR_NO_DEADLINE);
        } else if (below(2)) {
            ipc_cancel(tcb, AR_ERR_GONE);
            assert_int_equal(tcb->deadline, AR_NO_DEADLINE);
        }
        if (step % 16 == 0)
            check_against_model();
        if (below(50) == 0) {
            host_clock += below(400);
            sched_tick(host_clock);
            check_against_model();
        }
    }
}

/* Rising, falling, equal: the shapes that a bad heap degenerates to. */
static void test_orders(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 3; order++) {
        for (unsigned i = 0; i < THREADS; i++)
            wait_until(&threads[i], 5000 + (order == 0 ? i : order == 1 ? THREADS - i : 7));
        check_against_model();
        for (unsigned i = 0; i < THREADS; i += 2)
            ipc_cancel(&threads[i], AR_ERR_GONE);
        check_against_model();
        for (unsigned i = 1; i < THREADS; i += 2)
            ipc_cancel(&threads[i], AR_ERR_GONE);
        assert_null(core.deadlines);
    }
}

/* One entry wakes a few, and the next is due at once. */
static void test_many_expire_together(void **state)
{
    (void)state;
    for (unsigned i = 0; i < THREADS; i++)
        wait_until(&threads[i], i % 2 ? 5000 : 5001);
    host_clock = 6000;
    unsigned left = THREADS, ticks = 0;
    while (left) {
        sched_tick(host_clock);
        ticks++;
        unsigned count = 0;
        for (unsigned i = 0; i < THREADS; i++)
            count += threads[i].state == AR_THREAD_BLOCKED_WAIT;
        assert_true(count < left && left - count <= 8);
        assert_int_equal(core.timer_ns <= host_clock, count > 0);
        left = count;
    }
    assert_true(ticks >= THREADS / 8);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(threads[i].regs.rax, AR_ERR_TIMEOUT);
}

static void test_they_fire_in_order(void **state)
{
    (void)state;
    for (unsigned i = 0; i < THREADS; i++)
        wait_until(&threads[i], 2000 + i * 7919 % THREADS);
    for (uint64_t now = 2000; now < 2000 + THREADS; now++) {
        host_clock = now;
        sched_tick(now);
        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(threads[i].state == AR_THREAD_READY, 2000 + i * 7919 % THREADS <= now);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_random_operations),
        TEST(test_orders),
        TEST(test_many_expire_together),
        TEST(test_they_fire_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
