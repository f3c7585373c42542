/*
 * Capabilities in messages and what is derived from what, where test_kernel_ipc.c leaves off.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernel_host.h"

enum {
    UNTYPED = 1,
    ENDPOINT = 10,
    REPLY,
    GATE, /* and the following, with their copies */
    COPY = GATE + 3,
    NOTIFICATION = COPY + 3,
    SERVER_TCB,
    CLIENT_TCB,
    IRQ_CONTROL,
    IRQ,
    PORTS = 30, /* and the following */
    WINDOW = 100,
    BADGE = 70
};

static struct tcb *server, *client;

static void make(enum ar_type type, ar_cap slot, unsigned count)
{
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, type, 0, slot, count),
                     AR_OK);
}

static int setup(void **state)
{
    (void)state;
    host_machine_start();
    make(AR_ENDPOINT, ENDPOINT, 1);
    make(AR_REPLY, REPLY, 1);
    make(AR_GATE, GATE, 3);
    make(AR_NOTIFICATION, NOTIFICATION, 1);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(host_invoke(host_main, GATE + i, AR_GATE_BIND, ENDPOINT, BADGE + i, 0, 0),
                         AR_OK);
        cap_copy(host_slot(COPY + i), host_slot(GATE + i), AR_SEND);
    }
    server = host_thread(SERVER_TCB, 40);
    client = host_thread(CLIENT_TCB, 38);
    for (unsigned i = 0; i < AR_MSG_CAPS; i++)
        server->buffer->recv_slots[i] = WINDOW + i;
    server->buffer->recv_slot_count = AR_MSG_CAPS;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_check_invariants();
    host_machine_stop();
    return 0;
}

static int receive(uint64_t deadline)
{
    return host_syscall(server, AR_SYS_RECV, ENDPOINT, 0, NULL, REPLY, deadline);
}

static int send(const uint64_t *caps, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        client->buffer->caps_out[i] = caps[i];
    return host_syscall(client, AR_SYS_CALL, COPY, AR_INFO(AR_LABEL_USER, 0, count, 0, 0), NULL, 0,
                        AR_NO_DEADLINE);
}

static int delete_slot(ar_cap slot)
{
    return host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, slot, 0, 0, 0);
}

/* ---- in messages ----------------------------------------------------------------------------- */

static void test_a_message_that_cannot_be_is_refused_whole(void **state)
{
    (void)state;
    assert_int_equal(receive(AR_NO_DEADLINE), -1);
    assert_int_equal(send((uint64_t[]){NOTIFICATION, 99999}, 2), AR_ERR_SLOT);
    assert_int_equal(send((uint64_t[]){NOTIFICATION, UNTYPED}, 2), AR_ERR_TYPE);
    assert_int_equal(send((uint64_t[]){NOTIFICATION, REPLY}, 2), AR_ERR_TYPE);
    /* moved, and sent once more */
    assert_int_equal(send((uint64_t[]){NOTIFICATION | AR_CAP_MOVE, NOTIFICATION}, 2),
                     AR_ERR_ARGUMENT);
    assert_int_equal(send((uint64_t[]){NOTIFICATION, NOTIFICATION | AR_CAP_MOVE}, 2),
                     AR_ERR_ARGUMENT);
    /* one slot offered twice */
    server->buffer->recv_slots[1] = WINDOW;
    assert_int_equal(send((uint64_t[]){NOTIFICATION, NOTIFICATION}, 2), AR_ERR_NO_SLOT);
    assert_int_equal(host_slot(WINDOW)->type, AR_NULL);
    assert_int_equal(host_slot(NOTIFICATION)->type, AR_NOTIFICATION);
    assert_int_equal(server->state, AR_THREAD_BLOCKED_RECV);
}

static void test_a_capability_moves(void **state)
{
    (void)state;
    assert_int_equal(receive(AR_NO_DEADLINE), -1);
    assert_int_equal(send((uint64_t[]){NOTIFICATION | AR_CAP_MOVE}, 1), -1);
    assert_int_equal(host_slot(NOTIFICATION)->type, AR_NULL);
    assert_int_equal(host_slot(WINDOW)->type, AR_NOTIFICATION);
    assert_true(host_slot(WINDOW)->flags & CAP_ORIGINAL);
    assert_int_equal(server->buffer->received[0].kind, AR_RECEIVED_CAP);
    assert_int_equal(server->buffer->received[0].value, WINDOW);
}

static void test_no_more_slots_are_taken_than_a_message_can_use(void **state)
{
    uint64_t caps[AR_MSG_CAPS];
    (void)state;
    server->buffer->recv_slot_count = UINT64_MAX;
    for (unsigned i = 0; i < AR_MSG_CAPS; i++)
        caps[i] = NOTIFICATION;
    assert_int_equal(receive(AR_NO_DEADLINE), -1);
    assert_int_equal(send(caps, AR_MSG_CAPS), -1);
    for (unsigned i = 0; i < AR_MSG_CAPS; i++)
        assert_int_equal(host_slot(WINDOW + i)->type, AR_NOTIFICATION);
}

/* ---- closing --------------------------------------------------------------------------------- */

static void test_closed_gates_come_in_order_and_leave_from_anywhere(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        delete_slot(COPY + i);
    /* the middle one is wanted again */
    assert_int_equal(host_invoke(host_main, AR_CAP_SELF, AR_CNODE_COPY, COPY + 1, AR_CAP_SELF,
                                 GATE + 1, AR_SEND),
                     AR_OK);
    /* and the last one destroyed */
    delete_slot(GATE + 2);
    assert_int_equal(receive(0), AR_OK);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_CLOSED);
    assert_int_equal(server->regs.rdi, BADGE);
    assert_int_equal(receive(0), AR_OK);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_TIMEOUT);
}

static void test_a_gate_closes_into_a_waiting_receive(void **state)
{
    (void)state;
    assert_int_equal(receive(AR_NO_DEADLINE), -1);
    delete_slot(COPY + 1);
    assert_int_equal(server->state, AR_THREAD_READY);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_CLOSED);
    assert_int_equal(server->regs.rdi, BADGE + 1);
}

/* ---- derivation ------------------------------------------------------------------------------ */

static bool is_there(ar_cap slot)
{
    return host_slot(slot)->type != AR_NULL;
}

static void test_a_range_of_ports_is_the_parent_of_ranges_inside_it(void **state)
{
    struct cap all = {
        .type = AR_PORT, .rights = AR_ALL, .flags = CAP_ORIGINAL, .object = 50 | 999 << 16};
    struct cap other = all;
    (void)state;
    cap_insert(host_slot(PORTS), &all, NULL);
    other.object = 1000 | 1999 << 16;
    cap_insert(host_slot(PORTS + 3), &other, host_slot(PORTS)); /* only beside it in the list */
    assert_int_equal(host_invoke(host_main, PORTS, AR_PORT_MINT, PORTS + 1, 100, 199, 0), AR_OK);
    assert_int_equal(host_invoke(host_main, PORTS + 1, AR_PORT_MINT, PORTS + 2, 150, 160, 0),
                     AR_OK);
    assert_int_equal(host_invoke(host_main, PORTS + 2, AR_PORT_IN8, 155, 0, 0, 0), AR_OK);
    assert_int_equal(host_main->regs.rdx, 155);
    assert_int_equal(host_invoke(host_main, PORTS + 2, AR_PORT_IN8, 161, 0, 0, 0), AR_ERR_RANGE);
    /* a minted range takes nobody with it */
    assert_int_equal(host_invoke(host_main, AR_CAP_SELF, AR_CNODE_REVOKE, PORTS + 1, 0, 0, 0),
                     AR_OK);
    assert_true(is_there(PORTS + 2));
    assert_int_equal(host_invoke(host_main, AR_CAP_SELF, AR_CNODE_REVOKE, PORTS, 0, 0, 0), AR_OK);
    assert_true(is_there(PORTS));
    assert_false(is_there(PORTS + 1));
    assert_false(is_there(PORTS + 2));
    assert_true(is_there(PORTS + 3));
}

static void test_revoking_the_controller_takes_its_lines(void **state)
{
    struct cap control = {.type = AR_IRQ_CONTROL, .rights = AR_ALL, .flags = CAP_ORIGINAL};
    (void)state;
    cap_insert(host_slot(IRQ_CONTROL), &control, NULL);
    assert_int_equal(host_invoke(host_main, IRQ_CONTROL, AR_IRQ_CONTROL_GET, 5, IRQ, 0, 0), AR_OK);
    assert_int_equal(host_invoke(host_main, AR_CAP_SELF, AR_CNODE_REVOKE, IRQ_CONTROL, 0, 0, 0),
                     AR_OK);
    assert_false(is_there(IRQ));
    assert_true(is_there(IRQ_CONTROL));
}

static void test_an_untyped_is_the_parent_of_everything_in_it(void **state)
{
    static const struct { enum ar_type type; unsigned bits; } all[] = {
        {AR_UNTYPED, 12}, {AR_CNODE, 4}, {AR_ENDPOINT, 0}, {AR_GATE, 0},   {AR_NOTIFICATION, 0},
        {AR_REPLY, 0},    {AR_TCB, 0},   {AR_VSPACE, 0},   {AR_TABLE, 0}, {AR_FRAME, 12}};
    enum { INNER = 300, FIRST };
    (void)state;
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_UNTYPED, 17, INNER, 1),
                     AR_OK);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(host_invoke(host_main, INNER, AR_UNTYPED_RETYPE, all[i].type, all[i].bits,
                                     FIRST + i, 1),
                         AR_OK);
    assert_int_equal(host_invoke(host_main, AR_CAP_SELF, AR_CNODE_REVOKE, INNER, 0, 0, 0), AR_OK);
    for (unsigned i = 0; i < 10; i++)
        assert_false(is_there(FIRST + i));
    assert_true(is_there(NOTIFICATION)); /* beside it */
    assert_int_equal(host_invoke(host_main, INNER, AR_UNTYPED_INFO, 0, 0, 0, 0), AR_OK);
    assert_int_equal(host_main->regs.r8, 0);
}

/* ---- interrupts ------------------------------------------------------------------------------ */

static void test_an_interrupt_signals_until_its_notification_goes(void **state)
{
    struct cap control = {.type = AR_IRQ_CONTROL, .rights = AR_ALL, .flags = CAP_ORIGINAL};
    (void)state;
    cap_insert(host_slot(IRQ_CONTROL), &control, NULL);
    irq_arrived(5); /* nobody wants it */
    assert_int_equal(host_invoke(host_main, IRQ_CONTROL, AR_IRQ_CONTROL_GET, 5, IRQ, 0, 0), AR_OK);
    assert_int_equal(host_invoke(host_main, IRQ, AR_IRQ_BIND, NOTIFICATION, 0x10, 0, 0), AR_OK);
    assert_int_equal(host_syscall(client, AR_SYS_WAIT, NOTIFICATION, 0, NULL, 0, AR_NO_DEADLINE),
                     -1);
    irq_arrived(5);
    assert_int_equal(client->state, AR_THREAD_READY);
    assert_int_equal(client->regs.rdx, 0x10);
    assert_int_equal(host_invoke(host_main, IRQ, AR_IRQ_ACK, 0, 0, 0, 0), AR_OK);
    irq_arrived(4); /* another line */
    assert_int_equal(host_syscall(client, AR_SYS_WAIT, NOTIFICATION, 0, NULL, 0, 0),
                     AR_ERR_TIMEOUT);
    uint64_t bytes;
    host_memory(&bytes); /* to look at what is nobody's */
    const struct notification *gone = (struct notification *)host_slot(NOTIFICATION)->object;
    delete_slot(NOTIFICATION);
    uint64_t before = gone->bits;
    irq_arrived(5);
    assert_int_equal(gone->bits, before);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void test_a_thread_deletes_itself(void **state)
{
    (void)state;
    assert_int_equal(
        host_invoke(host_main, CLIENT_TCB, AR_TCB_BIND_NOTIFICATION, NOTIFICATION, 0, 0, 0), AR_OK);
    core.vector_owner = client;
    host_invoke(client, AR_CAP_SELF, AR_CNODE_DELETE, CLIENT_TCB, 0, 0, 0);
    assert_false(is_there(CLIENT_TCB));
    assert_ptr_not_equal(core.current, client);
    assert_null(core.vector_owner);
    for (struct tcb *tcb = core.all_threads; tcb; tcb = tcb->all_next)
        assert_ptr_not_equal(tcb, client);
    /* the notification is free for another */
    assert_int_equal(
        host_invoke(host_main, SERVER_TCB, AR_TCB_BIND_NOTIFICATION, NOTIFICATION, 0, 0, 0), AR_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_message_that_cannot_be_is_refused_whole),
        TEST(test_a_capability_moves),
        TEST(test_no_more_slots_are_taken_than_a_message_can_use),
        TEST(test_closed_gates_come_in_order_and_leave_from_anywhere),
        TEST(test_a_gate_closes_into_a_waiting_receive),
        TEST(test_a_range_of_ports_is_the_parent_of_ranges_inside_it),
        TEST(test_revoking_the_controller_takes_its_lines),
        TEST(test_an_untyped_is_the_parent_of_everything_in_it),
        TEST(test_an_interrupt_signals_until_its_notification_goes),
        TEST(test_a_thread_deletes_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
