/*
 * Long operations of the kernel, in pieces: how many, and that between two of them everything is
 * consistent and other threads can do as they like. SPDX-License-Identifier: MIT
 *
 * host_syscall checks the invariants after each piece.
 */
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
static size_t log_length;

static int setup(void **state)
{
    (void)state;
    host_machine_start();
    return 0;
}

static int teardown(void **state)
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

static void make(enum ar_type type, unsigned bits, ar_cap slot)
{
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, type, bits, slot, 1),
                     AR_OK);
}

static int delete_slot(ar_cap slot)
{
    return host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, slot, 0, 0, 0);
}

static int revoke(ar_cap slot)
{
    return host_invoke(host_main, AR_CAP_SELF, AR_CNODE_REVOKE, slot, 0, 0, 0);
}

static struct cap *inside(ar_cap cnode, unsigned index)
{
    return &((struct cnode *)host_slot(cnode)->object)->slots[index];
}

/* ---- what a thread of higher priority does between the pieces -------------------------------- */

static struct tcb *other;
static unsigned other_ran;

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

static void fills_the_slot(struct tcb *caller, unsigned pieces)
{
    (void)caller;
    struct cap cap = {.type = AR_LOG, .rights = AR_ALL};
    if (pieces == 1)
        cap_insert(host_slot(OTHER), &cap, NULL);
    other_ran++;
}

static void between(void (*what)(struct tcb *, unsigned))
{
    other_ran = 0;
    host_between = what;
}

/* ---- endpoints, notifications, threads -------------------------------------------------------- */

static void queue_senders(void)
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

/* ---- memory ----------------------------------------------------------------------------------- */

static bool is_clear(uint64_t memory, uint64_t bytes)
{
    const uint8_t *byte = (const uint8_t *)memory;
    return !byte[0] && memcmp(byte, byte + 1, bytes - 1) == 0;
}

static uint64_t used_of(ar_cap untyped)
{
    assert_int_equal(host_invoke(host_main, untyped, AR_UNTYPED_INFO, 0, 0, 0, 0), AR_OK);
    return host_main->regs.r8;
}

static void watches_the_untyped(struct tcb *caller, unsigned pieces)
{
    (void)caller;
    (void)pieces;
    struct cap *untyped = host_slot(OTHER);
    assert_int_equal(untyped->extra, 0);
    assert_int_equal(host_slot(FREE)->type, AR_NULL);
    assert_true(is_clear(untyped->object, untyped->clear_pages * 4096ull));
    other_ran++;
}

static void test_retype_clears_in_pieces(void **state)
{
    (void)state;
    make(AR_UNTYPED, 21, OTHER);
    uint64_t memory = host_slot(OTHER)->object;
    host_scribble((void *)memory, 0xa5, 1 << 21);
    between(watches_the_untyped);
    assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_FRAME, 12, FREE, 24),
                     AR_OK);
    assert_true(host_pieces > 24 * 4096 / WORK_PIECE);
    assert_int_equal(other_ran, host_pieces - 1);
    host_between = NULL;
    assert_true(is_clear(memory, 24 * 4096));
    assert_int_equal(*(uint8_t *)(memory + 24 * 4096), 0xa5);
    assert_int_equal(used_of(OTHER), 24 * 4096);
}

static void makes_a_node(struct tcb *caller, unsigned pieces)
{
    struct ar_regs saved = caller->regs;
    if (pieces != 2)
        return;
    other_ran++;
    host_between = NULL;
    assert_int_equal(host_invoke(other, OTHER, AR_UNTYPED_RETYPE, AR_CNODE, 8, COPY, 1), AR_OK);
    assert_true(is_clear(host_slot(COPY)->object, AR_SLOT_SIZE << 8));
    caller->regs = saved;
}

/* The gap before an aligned object is clear too, so that who comes in between gets clear memory. */
static void test_two_retypes_of_one_untyped(void **state)
{
    (void)state;
    make(AR_UNTYPED, 21, OTHER);
    host_scribble((void *)host_slot(OTHER)->object, 0xa5, 1 << 21);
    other = host_thread(THREAD, 40);
    assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_GATE, 0, GATE, 1), AR_OK);
    between(makes_a_node);
    assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_CNODE, 12, FREE, 1),
                     AR_OK);
    assert_int_equal(other_ran, 1);
    assert_true(is_clear(host_slot(FREE)->object, AR_SLOT_SIZE << 12));
    assert_true(host_slot(FREE)->object >= host_slot(COPY)->object + (AR_SLOT_SIZE << 8));
}

static void fills_the_last_slot(struct tcb *caller, unsigned pieces)
{
    (void)caller;
    struct cap cap = {.type = AR_LOG, .rights = AR_ALL};
    if (pieces == 2)
        cap_insert(host_slot(FREE + 23), &cap, NULL);
}

static void test_retype_is_all_or_none_to_the_end(void **state)
{
    (void)state;
    make(AR_UNTYPED, 21, OTHER);
    between(fills_the_last_slot);
    assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_FRAME, 12, FREE, 24),
                     AR_ERR_OCCUPIED);
    assert_int_equal(used_of(OTHER), 0);
    for (unsigned i = 0; i < 23; i++)
        assert_int_equal(host_slot(FREE + i)->type, AR_NULL);
    host_between = NULL;
    assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_FRAME, 12, FREE, 23),
                     AR_OK);
}

static void test_memory_given_back_is_not_thought_clear(void **state)
{
    (void)state;
    make(AR_UNTYPED, 16, OTHER);
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_FRAME, 12, FREE, 16),
                         AR_OK);
        for (unsigned i = 0; i < 16; i++) {
            assert_true(is_clear(host_slot(FREE + i)->object, 4096));
            memset((void *)host_slot(FREE + i)->object, 0x77, 4096);
        }
        if (round == 0)
            assert_int_equal(revoke(OTHER), AR_OK);
        else
            for (unsigned i = 0; i < 16; i++)
                assert_int_equal(delete_slot(FREE + i), AR_OK);
    }
}

/* Objects smaller than a page: what follows them in theirs is cleared with the first. */
static void test_small_objects_are_clear(void **state)
{
    (void)state;
    make(AR_UNTYPED, 14, OTHER);
    host_scribble((void *)host_slot(OTHER)->object, 0xa5, 1 << 14);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_NOTIFICATION, 0,
                                     FREE + i, 1),
                         AR_OK);
        assert_true(is_clear(host_slot(FREE + i)->object, 1 << AR_NOTIFICATION_BITS));
    }
}

static void test_retype_waits_for_the_dying(void **state)
{
    (void)state;
    make(AR_UNTYPED, 16, OTHER);
    assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_CNODE, 8, FREE, 1),
                     AR_OK);
    make(AR_GATE, 0, GATE);
    for (unsigned i = 0; i < 256; i++)
        cap_copy(inside(FREE, i), host_slot(GATE), AR_ALL);
    struct gate *gate = (struct gate *)host_slot(GATE)->object;
    cap_delete(host_slot(FREE)); /* OTHER has no children now, but 256 capabilities in its memory */
    assert_int_equal(gate->copies, 255);
    assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_FRAME, 12, FREE, 1),
                     AR_OK);
    assert_int_equal(gate->copies, 0);
    assert_true(host_pieces > 256 / WORK_LIMIT);
}

static void test_frame_clear(void **state)
{
    (void)state;
    make(AR_FRAME, 21, FREE);
    uint64_t memory = host_slot(FREE)->object;
    memset((void *)memory, 0x5a, 1 << 21);
    assert_int_equal(host_invoke(host_main, FREE, AR_FRAME_CLEAR, 0, 0, 0, 0), AR_OK);
    assert_int_equal(host_pieces, (1 << 21) / WORK_PIECE);
    assert_true(is_clear(memory, 1 << 21));
    memset((void *)memory, 0x5a, 1 << 21);
    /* no words: the first byte is 0, whatever is in the register */
    assert_int_equal(host_syscall(host_main, AR_SYS_INVOKE, FREE,
                                  AR_INFO(AR_FRAME_CLEAR, 0, 0, 0, 0), (uint64_t[]){99, 99, 99, 99},
                                  0, 0),
                     AR_OK);
    assert_true(is_clear(memory, 1 << 21));
    assert_int_equal(host_invoke(host_main, FREE, AR_FRAME_CLEAR, 4, 0, 0, 0), AR_ERR_ALIGNMENT);
    assert_int_equal(host_invoke(host_main, FREE, AR_FRAME_CLEAR, (1 << 21) + 8, 0, 0, 0),
                     AR_ERR_RANGE);
}

/* ---- bulk data --------------------------------------------------------------------------------- */

static void test_bulk_data(void **state)
{
    enum { BYTES = 300000, PARTS = AR_MSG_SEGS };
    (void)state;
    uint8_t *theirs = malloc(BYTES), *ours = calloc(1, BYTES);
    for (unsigned i = 0; i < BYTES; i++)
        theirs[i] = (uint8_t)(i * 7 ^ i >> 8);
    make(AR_ENDPOINT, 0, ENDPOINT);
    make(AR_REPLY, 0, REPLY);
    other = host_thread(THREAD, 8);
    for (unsigned i = 0; i < PARTS; i++)
        other->buffer->in[i] = (struct ar_segment){(uint64_t)theirs + i * (BYTES / PARTS),
                                                   i == 3 ? 0 : BYTES / PARTS};
    assert_int_equal(host_syscall(other, AR_SYS_CALL, ENDPOINT,
                                  AR_INFO(AR_LABEL_USER, 0, 0, PARTS, 0), NULL, 0, 0),
                     -1);
    assert_int_equal(host_syscall(host_main, AR_SYS_RECV, ENDPOINT, 0, NULL, REPLY, 0), AR_OK);
    uint64_t length = BYTES / PARTS * (PARTS - 1), skip = 12345;
    assert_int_equal(host_syscall(host_main, AR_SYS_DATA_READ, REPLY, 0,
                                  (uint64_t[]){skip, (uint64_t)ours, length - skip, 0}, 0, 0),
                     AR_OK);
    assert_int_equal(host_main->regs.rdx, length - skip);
    assert_true(host_pieces >= (length - skip) / WORK_PIECE);
    memmove(theirs + 3 * (BYTES / PARTS), theirs + 4 * (BYTES / PARTS),
            (PARTS - 4) * (BYTES / PARTS));
    assert_memory_equal(ours, theirs + skip, length - skip);
    /* past the end: as much as there is, and how much that was */
    assert_int_equal(host_syscall(host_main, AR_SYS_DATA_READ, REPLY, 0,
                                  (uint64_t[]){skip, (uint64_t)ours, BYTES, 0}, 0, 0),
                     AR_ERR_FAULT);
    assert_int_equal(host_main->regs.rdx, length - skip);
    free(theirs);
    free(ours);
}

/* Messages that cannot be delivered: one an entry, and the receiver gets what comes after. */
static void test_undeliverable_messages(void **state)
{
    (void)state;
    queue_senders();
    make(AR_REPLY, 0, REPLY);
    for (unsigned i = 0; i < WAITERS - 1; i++)
        threads[i]->regs.rsi = AR_INFO(AR_LABEL_USER, 0, 1, 0, 0); /* a capability, no slot for it */
    assert_int_equal(host_syscall(host_main, AR_SYS_RECV, ENDPOINT, 0, NULL, REPLY, 0), AR_OK);
    assert_int_equal(host_pieces, WAITERS);
    assert_int_equal(AR_INFO_LABEL(host_main->regs.rsi), AR_LABEL_USER);
    assert_int_equal(threads[WAITERS - 1]->state, AR_THREAD_BLOCKED_REPLY);
    assert_int_equal(threads[0]->regs.rax, AR_ERR_EMPTY);
}

/* A reply with many capabilities, then the next message: each in its entry, each once. */
static void test_a_large_reply_and_a_receive(void **state)
{
    (void)state;
    queue_senders();
    make(AR_REPLY, 0, REPLY);
    threads[0]->buffer->recv_slot_count = AR_MSG_CAPS;
    for (unsigned i = 0; i < AR_MSG_CAPS; i++) {
        threads[0]->buffer->recv_slots[i] = FREE + i;
        host_main->buffer->caps_out[i] = GATE;
    }
    assert_int_equal(host_syscall(host_main, AR_SYS_RECV, ENDPOINT, 0, NULL, REPLY, 0), AR_OK);
    assert_int_equal(host_syscall(host_main, AR_SYS_REPLY_RECV, ENDPOINT,
                                  AR_INFO(AR_LABEL_USER, 1, AR_MSG_CAPS, 0, 0),
                                  (uint64_t[]){77, 0, 0, 0}, REPLY, AR_NO_DEADLINE),
                     AR_OK);
    assert_int_equal(host_pieces, 2);
    assert_int_equal(threads[0]->regs.rdx, 77);
    assert_int_equal(host_slot(FREE + AR_MSG_CAPS - 1)->type, AR_GATE);
    assert_int_equal(threads[1]->state, AR_THREAD_BLOCKED_REPLY);
    assert_int_equal(threads[2]->state, AR_THREAD_BLOCKED_CALL);
}

/* Nobody is there any more to take the capabilities: the server hears so. With words only it just
 * receives. */
static void test_a_reply_with_capabilities_to_nobody(void **state)
{
    (void)state;
    queue_senders();
    make(AR_REPLY, 0, REPLY);
    host_main->buffer->caps_out[0] = GATE;
    assert_int_equal(host_syscall(host_main, AR_SYS_REPLY_RECV, ENDPOINT,
                                  AR_INFO(AR_LABEL_USER, 0, 1, 0, 0), NULL, REPLY,
                                  AR_NO_DEADLINE),
                     AR_ERR_GONE);
    assert_int_equal(threads[0]->state, AR_THREAD_BLOCKED_CALL);
    assert_int_equal(host_syscall(host_main, AR_SYS_REPLY_RECV, ENDPOINT,
                                  AR_INFO(AR_LABEL_USER, 0, 0, 0, 0), NULL, REPLY,
                                  AR_NO_DEADLINE),
                     AR_OK);
    assert_int_equal(threads[0]->state, AR_THREAD_BLOCKED_REPLY);
}

/* ---- the log ----------------------------------------------------------------------------------- */

enum { LOG = OTHER };

static void have_log(void)
{
    host_log = open_memstream(&log_text, &log_length);
    struct cap cap = {.type = AR_LOG, .rights = AR_ALL};
    cap_insert(host_slot(LOG), &cap, NULL);
}

static unsigned lines_with(const char *words)
{
    unsigned count = 0;
    fflush(host_log);
    for (const char *at = log_text; (at = strstr(at, words)); at++)
        count++;
    return count;
}

static void test_the_list_of_threads(void **state)
{
    (void)state;
    queue_senders();
    have_log();
    assert_int_equal(host_invoke(host_main, LOG, AR_LOG_THREADS, 0, 0, 0, 0), AR_OK);
    assert_true(host_pieces >= WAITERS + 2);
    assert_int_equal(lines_with("principal"), WAITERS + 2); /* and host_main, and the idle thread */
    assert_int_equal(lines_with("in call on #0,"), WAITERS); /* nobody received there yet */
    assert_int_equal(lines_with("end of threads\n"), 1);
    assert_int_equal(core.listing, 0);
}

static void deletes_the_next_in_the_list(struct tcb *caller, unsigned pieces)
{
    (void)caller;
    if (pieces < 5 || !core.listed || core.listed->state != AR_THREAD_BLOCKED_CALL || other_ran)
        return;
    for (unsigned i = 0; i < WAITERS; i++)
        if (threads[i] == core.listed) {
            cap_delete(host_slot(THREAD + i));
            threads[i]->all_next = NULL; /* where a list that still goes by it would end */
            threads[i] = NULL;
            other_ran++;
            return;
        }
}

static void test_a_thread_dies_while_all_are_listed(void **state)
{
    (void)state;
    queue_senders();
    have_log();
    between(deletes_the_next_in_the_list);
    assert_int_equal(host_invoke(host_main, LOG, AR_LOG_THREADS, 0, 0, 0, 0), AR_OK);
    assert_int_equal(other_ran, 1);
    assert_int_equal(lines_with("principal"), WAITERS + 1);
    assert_int_equal(lines_with("end of threads\n"), 1);
}

/* Two lists at once are one; the second waits for its end. */
static void asks_too(struct tcb *caller, unsigned pieces)
{
    (void)caller;
    if (pieces != 3)
        return;
    host_between = NULL;
    assert_int_equal(host_invoke(other, LOG, AR_LOG_THREADS, 0, 0, 0, 0), AR_OK);
}

static void test_two_ask_for_the_list(void **state)
{
    (void)state;
    have_log();
    other = host_thread(THREAD, 40);
    between(asks_too);
    assert_int_equal(host_invoke(host_main, LOG, AR_LOG_THREADS, 0, 0, 0, 0), AR_OK);
    assert_int_equal(lines_with("end of threads\n"), 1);
    assert_int_equal(lines_with("what each waits for:"), 1);
}

static void writes_a_line(struct tcb *caller, unsigned pieces)
{
    static const char line[] = "another\n";
    (void)caller;
    if (pieces != 3)
        return;
    memcpy(&other->buffer->words[4], line, sizeof(line) - 1);
    host_between = NULL;
    assert_int_equal(host_syscall(other, AR_SYS_INVOKE, LOG, AR_INFO(AR_LOG_WRITE, 12, 0, 0, 0),
                                  (uint64_t[]){sizeof(line) - 1, 0, 0, 0}, 0, 0),
                     AR_OK);
}

static void test_a_log_line_stays_whole(void **state)
{
    enum { LENGTH = 400 };
    char line[LENGTH + 1];
    (void)state;
    have_log();
    other = host_thread(THREAD, 40);
    memset(line, 'x', LENGTH);
    line[LENGTH - 1] = '\n';
    line[LENGTH] = 0;
    memcpy(&host_main->buffer->words[4], line, LENGTH);
    between(writes_a_line);
    assert_int_equal(host_syscall(host_main, AR_SYS_INVOKE, LOG, AR_INFO(AR_LOG_WRITE, 60, 0, 0, 0),
                                  (uint64_t[]){LENGTH, 0, 0, 0}, 0, 0),
                     AR_OK);
    assert_int_equal(lines_with(line), 1);
    assert_int_equal(lines_with("another\n"), 1);
    assert_false(log_pending());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        TEST(test_retype_clears_in_pieces),
        TEST(test_two_retypes_of_one_untyped),
        TEST(test_retype_is_all_or_none_to_the_end),
        TEST(test_memory_given_back_is_not_thought_clear),
        TEST(test_small_objects_are_clear),
        TEST(test_retype_waits_for_the_dying),
        TEST(test_frame_clear),
        TEST(test_bulk_data),
        TEST(test_undeliverable_messages),
        TEST(test_a_large_reply_and_a_receive),
        TEST(test_a_reply_with_capabilities_to_nobody),
        TEST(test_the_list_of_threads),
        TEST(test_a_thread_dies_while_all_are_listed),
        TEST(test_two_ask_for_the_list),
        TEST(test_a_log_line_stays_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
