/* Long operations of the kernel, in pieces: endpoints, threads and capability nodes. SPDX-License-Identifier: MIT */
#include "kernel_preempt.h"

/* ---- endpoints, notifications, threads -------------------------------------------------------- */

static void deletes_a_thread(struct tcb *caller, unsigned pieces)
{
    (void)caller;
    if (pieces != 1)
        return;
    /* one that still waits on the dying object */
    assert_int_equal(threads[WAITERS - 1]->state, AR_THREAD_BLOCKED_CALL);
    cap_delete(host_slot(THREAD + WAITERS - 1));
    host_check_invariants();
    other_ran++;
}

static void calls_the_dying(struct tcb *caller, unsigned pieces)
{
    (void)caller;
    (void)pieces;
    other->regs.rax = AR_SYS_CALL;
    assert_int_equal(host_syscall(other, AR_SYS_CALL, COPY, AR_INFO(AR_LABEL_USER, 0, 0, 0, 0),
                                  NULL, 0, 0),
                     AR_ERR_GONE);
    other_ran++;
}

static void test_endpoint_under_many_senders(void **state)
{
    (void)state;
    queue_senders();
    assert_int_equal(delete_slot(ENDPOINT), AR_OK);
    assert_true(host_pieces >= WAITERS * WORK_CANCEL / WORK_LIMIT);
    for (unsigned i = 0; i < WAITERS; i++) {
        assert_int_equal(threads[i]->state, AR_THREAD_READY);
        assert_int_equal(threads[i]->regs.rax, AR_ERR_GONE);
    }
    assert_null(((struct gate *)host_slot(GATE)->object)->endpoint);
    assert_int_equal(core.dying, 0);
}

static void test_a_call_to_a_dying_endpoint_is_refused(void **state)
{
    (void)state;
    queue_senders();
    other = host_thread(FREE, 40);
    other_ran = 0;
    /* not host_syscall: `other` would enter it again */
    cap_delete(host_slot(ENDPOINT));
    for (;;) {
        work_start();
        if (dying_work())
            break;
        host_check_invariants();
        calls_the_dying(NULL, 0);
    }
    assert_true(other_ran > 5);
    assert_null(((struct gate *)host_slot(GATE)->object)->endpoint);
}

static void test_a_thread_dies_while_its_endpoint_does(void **state)
{
    (void)state;
    queue_senders();
    between(deletes_a_thread);
    assert_int_equal(delete_slot(ENDPOINT), AR_OK);
    assert_int_equal(other_ran, 1);
    assert_int_equal(threads[WAITERS - 2]->regs.rax, AR_ERR_GONE);
    assert_int_equal(threads[WAITERS - 1]->state, AR_THREAD_INACTIVE);
}

static void test_a_gate_of_a_dying_endpoint_closes_silently(void **state)
{
    (void)state;
    queue_senders();
    make(AR_GATE, 0, OTHER); /* one through which nobody waits */
    assert_int_equal(host_invoke(host_main, OTHER, AR_GATE_BIND, ENDPOINT, 8, 0, 0), AR_OK);
    cap_copy(host_slot(FREE), host_slot(OTHER), AR_SEND);
    cap_delete(host_slot(ENDPOINT));
    cap_delete(host_slot(FREE));
    host_check_invariants();
    assert_false(((struct gate *)host_slot(OTHER)->object)->closed);
    assert_int_equal(delete_slot(FREE), AR_OK); /* works off what is left */
    assert_int_equal(core.dying, 0);
}

/* The senders' capability goes first, then the gate: they wait through neither any more. */
static void test_gate_under_many_senders(void **state)
{
    (void)state;
    queue_senders();
    assert_int_equal(delete_slot(COPY), AR_OK);
    assert_int_equal(threads[0]->state, AR_THREAD_BLOCKED_CALL);
    assert_int_equal(delete_slot(GATE), AR_OK);
    assert_true(host_pieces >= WAITERS * WORK_CANCEL / WORK_LIMIT);
    for (unsigned i = 0; i < WAITERS; i++)
        assert_int_equal(threads[i]->regs.rax, AR_ERR_GONE);
    assert_null(((struct endpoint *)host_slot(ENDPOINT)->object)->senders.head);
}

static void test_notification_under_many_waiters(void **state)
{
    (void)state;
    make(AR_NOTIFICATION, 0, NOTIFICATION);
    for (unsigned i = 0; i < WAITERS; i++) {
        threads[i] = host_thread(THREAD + i, 8);
        host_syscall(threads[i], AR_SYS_WAIT, NOTIFICATION, 0, NULL, 0, 5000 + i);
    }
    assert_int_equal(delete_slot(NOTIFICATION), AR_OK);
    assert_true(host_pieces >= WAITERS * WORK_CANCEL / WORK_LIMIT);
    for (unsigned i = 0; i < WAITERS; i++)
        assert_int_equal(threads[i]->regs.rax, AR_ERR_GONE);
    assert_null(core.deadlines);
}

/* A caller that was among what it deleted cannot go on; the timer does. */
static void test_the_timer_goes_on_for_a_caller_that_died(void **state)
{
    (void)state;
    queue_senders();
    make(AR_CNODE, 4, FREE + 1);
    cap_move(inside(FREE + 1, 9), host_slot(ENDPOINT));
    other = host_thread(FREE, 40);
    cap_move(inside(FREE + 1, 5), host_slot(FREE));
    assert_int_equal(
        host_invoke(other, AR_CAP_SELF, AR_CNODE_DELETE, FREE + 1, 0, 0, 0), -1);
    assert_int_equal(other->state, AR_THREAD_INACTIVE);
    assert_true(core.dying != 0);
    for (unsigned ticks = 0; core.dying; ticks++) {
        assert_true(ticks < 100);
        host_clock += SCHED_SLICE_NS;
        sched_tick(host_clock);
        assert_true(core.timer_ns <= host_clock + SCHED_SOON_NS || !core.dying);
        sched_pick();
        host_check_invariants();
    }
    assert_int_equal(threads[WAITERS - 1]->regs.rax, AR_ERR_GONE);
}

/* One message brings the last copies of eight gates home, to eight more receivers. */
static void test_a_message_that_closes_many_gates(void **state)
{
    enum { GATES = 40, REPLIES = 60 };
    (void)state;
    make(AR_ENDPOINT, 0, ENDPOINT);
    other = host_thread(FREE, 8);
    for (unsigned i = 0; i <= AR_MSG_CAPS; i++) {
        make(AR_REPLY, 0, REPLIES + i);
        threads[i] = host_thread(THREAD + i, 20);
        assert_int_equal(
            host_syscall(threads[i], AR_SYS_RECV, ENDPOINT, 0, NULL, REPLIES + i, 9000), -1);
    }
    for (unsigned i = 0; i < AR_MSG_CAPS; i++) {
        make(AR_GATE, 0, GATES + i);
        host_invoke(host_main, GATES + i, AR_GATE_BIND, ENDPOINT, i, 0, 0);
        cap_copy(host_slot(GATES + 10 + i), host_slot(GATES + i), AR_SEND);
        other->buffer->caps_out[i] = (GATES + 10 + i) | AR_CAP_MOVE;
    }
    assert_int_equal(host_syscall(other, AR_SYS_CALL, ENDPOINT,
                                  AR_INFO(AR_LABEL_USER, 0, AR_MSG_CAPS, 0, 0), NULL, 0, 0),
                     -1);
    unsigned woken = 0;
    for (unsigned i = 0; i <= AR_MSG_CAPS; i++)
        woken += threads[i]->state == AR_THREAD_READY;
    assert_true(woken >= 2 && woken < AR_MSG_CAPS);
    for (unsigned ticks = 0; core.dying; ticks++) {
        assert_true(ticks < 3);
        host_clock += SCHED_SLICE_NS / 100000;
        sched_tick(host_clock);
        host_check_invariants();
    }
    for (unsigned i = 1; i <= AR_MSG_CAPS; i++) {
        assert_int_equal(threads[i]->state, AR_THREAD_READY);
        assert_int_equal(AR_INFO_LABEL(threads[i]->regs.rsi), AR_LABEL_CLOSED);
    }
    assert_int_equal(((struct endpoint *)host_slot(ENDPOINT)->object)->closing, 0);
}

/* ---- capability nodes ------------------------------------------------------------------------- */

static void fills_the_slot(struct tcb *caller, unsigned pieces)
{
    (void)caller;
    struct cap cap = {.type = AR_LOG, .rights = AR_ALL};
    if (pieces == 1)
        cap_insert(host_slot(OTHER), &cap, NULL);
    other_ran++;
}

enum { NODE_BITS = 10, NODE_SLOTS = 1 << NODE_BITS };

static struct gate *fill_node(ar_cap node)
{
    make(AR_GATE, 0, GATE);
    make(AR_CNODE, NODE_BITS, node);
    for (unsigned i = 0; i < NODE_SLOTS; i++)
        cap_copy(inside(node, i), host_slot(GATE), AR_ALL);
    return (struct gate *)host_slot(GATE)->object;
}

static void test_a_large_cnode(void **state)
{
    (void)state;
    struct gate *gate = fill_node(OTHER);
    assert_int_equal(gate->copies, NODE_SLOTS);
    assert_int_equal(delete_slot(OTHER), AR_OK);
    assert_int_equal(gate->copies, 0);
    assert_true(host_pieces >= NODE_SLOTS / WORK_LIMIT);
}

static void test_an_empty_cnode_takes_pieces_too(void **state)
{
    (void)state;
    make(AR_CNODE, 12, OTHER);
    assert_int_equal(delete_slot(OTHER), AR_OK);
    assert_true(host_pieces >= 4096 / 12 / WORK_LIMIT);
}

static void test_deleting_spares_what_comes_into_the_slot(void **state)
{
    (void)state;
    fill_node(OTHER);
    between(fills_the_slot);
    assert_int_equal(delete_slot(OTHER), AR_OK);
    assert_true(other_ran > 2);
    assert_int_equal(host_slot(OTHER)->type, AR_LOG);
}

/* A thread in slot 0 of a CNode, which is the capability space of the next thread, and so on. */
static void test_threads_and_their_spaces_in_a_chain(void **state)
{
    enum { LENGTH = 1000 };
    (void)state;
    make(AR_GATE, 0, GATE);
    make(AR_CNODE, 1, OTHER);
    cap_copy(inside(OTHER, 1), host_slot(GATE), AR_ALL);
    for (unsigned i = 0; i < LENGTH; i++) {
        make(AR_TCB, 0, FREE);
        struct tcb *tcb = (struct tcb *)host_slot(FREE)->object;
        cap_move(&tcb->cspace, host_slot(OTHER));
        make(AR_CNODE, 1, OTHER);
        cap_move(inside(OTHER, i % 2), host_slot(FREE));
    }
    struct gate *gate = (struct gate *)host_slot(GATE)->object;
    assert_int_equal(gate->copies, 1);
    assert_int_equal(delete_slot(OTHER), AR_OK);
    assert_int_equal(gate->copies, 0);
    assert_int_equal(core.dying, 0);
    assert_true(host_pieces >= LENGTH * WORK_CANCEL / WORK_LIMIT);
}

static void test_revoking_many_copies(void **state)
{
    (void)state;
    struct gate *gate = fill_node(OTHER);
    assert_int_equal(revoke(GATE), AR_OK);
    assert_int_equal(gate->copies, 0);
    assert_true(host_pieces >= NODE_SLOTS * WORK_DELETE / WORK_LIMIT);
    for (unsigned i = 0; i < NODE_SLOTS; i++)
        assert_int_equal(inside(OTHER, i)->type, AR_NULL);
}

static void copies_the_gate(struct tcb *caller, unsigned pieces)
{
    (void)caller;
    if (pieces == 3)
        cap_copy(host_slot(COPY), host_slot(GATE), AR_SEND);
}

static void test_a_revoke_gets_copies_made_meanwhile(void **state)
{
    (void)state;
    struct gate *gate = fill_node(OTHER);
    between(copies_the_gate);
    assert_int_equal(revoke(GATE), AR_OK);
    assert_int_equal(gate->copies, 0);
    assert_int_equal(host_slot(COPY)->type, AR_NULL);
}

/* The Untyped's own capability lies in a CNode made of it. */
static void test_revoking_an_untyped_that_holds_itself(void **state)
{
    (void)state;
    make(AR_UNTYPED, 20, OTHER);
    assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_CNODE, 8, FREE, 1),
                     AR_OK);
    struct cap *home = inside(FREE, 200);
    cap_move(home, host_slot(OTHER));
    work_start();
    while (!cap_revoke(home)) {
        host_check_invariants();
        work_start();
    }
    assert_int_equal(home->type, AR_NULL);
    assert_int_equal(host_slot(FREE)->type, AR_NULL);
}

static void test_copy_range(void **state)
{
    (void)state;
    make(AR_GATE, 0, GATE);
    for (unsigned i = 0; i < 200; i++)
        if (i % 3)
            cap_copy(host_slot(256 + i), host_slot(GATE), AR_ALL);
    assert_int_equal(host_invoke(host_main, AR_CAP_SELF, AR_CNODE_COPY_RANGE, 512, AR_CAP_SELF,
                                 256, 256),
                     AR_OK);
    assert_int_equal(host_main->regs.rdx, 133);
    assert_true(host_pieces >= 256 * WORK_LOOK / WORK_LIMIT);
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(host_slot(512 + i)->type, host_slot(256 + i)->type);
    assert_int_equal(host_slot(512 + 256)->type, AR_NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_endpoint_under_many_senders),
        TEST(test_a_call_to_a_dying_endpoint_is_refused),
        TEST(test_a_thread_dies_while_its_endpoint_does),
        TEST(test_a_gate_of_a_dying_endpoint_closes_silently),
        TEST(test_gate_under_many_senders),
        TEST(test_notification_under_many_waiters),
        TEST(test_the_timer_goes_on_for_a_caller_that_died),
        TEST(test_a_message_that_closes_many_gates),
        TEST(test_a_large_cnode),
        TEST(test_an_empty_cnode_takes_pieces_too),
        TEST(test_deleting_spares_what_comes_into_the_slot),
        TEST(test_threads_and_their_spaces_in_a_chain),
        TEST(test_revoking_many_copies),
        TEST(test_a_revoke_gets_copies_made_meanwhile),
        TEST(test_revoking_an_untyped_that_holds_itself),
        TEST(test_copy_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
