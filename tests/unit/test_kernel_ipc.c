/*
 * The kernel's objects and IPC, on the host. SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "kernel_host.h"

enum {
    UNTYPED = 1,
    ENDPOINT = 10,
    REPLY,
    GATE,
    COPY,
    NOTIFICATION,
    SERVER_TCB,
    CLIENT_TCB,
    OTHER_ENDPOINT,
    GATE2,
    COPY2,
    WINDOW = 100,
    FREE = 200
};

static struct tcb *server, *client;

static int setup(void **state)
{
    (void)state;
    host_machine_start();
    assert_int_equal(
        host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_ENDPOINT, 0, ENDPOINT, 1), AR_OK);
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_REPLY, 0, REPLY, 1),
                     AR_OK);
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_GATE, 0, GATE, 1),
                     AR_OK);
    assert_int_equal(
        host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_NOTIFICATION, 0, NOTIFICATION, 1),
        AR_OK);
    assert_int_equal(host_invoke(host_main, GATE, AR_GATE_BIND, ENDPOINT, 0x1234, 0, 0), AR_OK);
    assert_int_equal(
        host_invoke(host_main, AR_CAP_SELF, AR_CNODE_COPY, COPY, AR_CAP_SELF, GATE, AR_SEND),
        AR_OK);
    server = host_thread(SERVER_TCB, 40);
    client = host_thread(CLIENT_TCB, 16);
    client->principal = 0x77;
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

static int call(const uint64_t words[4], unsigned caps)
{
    return host_syscall(client, AR_SYS_CALL, COPY, AR_INFO(AR_LABEL_USER, 4, caps, 0, 0), words, 0,
                        0);
}

static void test_call_carries_badge_principal_words(void **state)
{
    (void)state;
    assert_int_equal(receive(AR_NO_DEADLINE), -1);
    assert_int_equal(call((uint64_t[]){1, 2, 3, 4}, 0), -1);
    assert_int_equal(server->state, AR_THREAD_READY);
    assert_int_equal(server->regs.rdi, 0x1234);
    assert_int_equal(server->regs.rbx, 0x77);
    assert_int_equal(server->regs.r9, 4);
    assert_int_equal(client->state, AR_THREAD_BLOCKED_REPLY);
    assert_int_equal(host_syscall(server, AR_SYS_REPLY, REPLY, AR_INFO(0, 1, 0, 0, 0),
                                  (uint64_t[]){9, 0, 0, 0}, 0, 0),
                     AR_OK);
    assert_int_equal(client->state, AR_THREAD_READY);
    assert_int_equal(client->regs.rdx, 9);
    assert_int_equal(host_syscall(server, AR_SYS_REPLY, REPLY, 0, NULL, 0, 0), AR_ERR_GONE);
}

static void test_label_of_the_kernel_is_refused(void **state)
{
    (void)state;
    for (uint32_t label = 0; label < AR_LABEL_USER; label++)
        assert_int_equal(
            host_syscall(client, AR_SYS_CALL, COPY, AR_INFO(label, 0, 0, 0, 0), NULL, 0, 0),
            AR_ERR_LABEL);
}

static void test_closed_comes_once_after_the_last_copy(void **state)
{
    (void)state;
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_COPY, COPY2, AR_CAP_SELF, COPY, AR_ALL);
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, COPY, 0, 0, 0);
    assert_int_equal(receive(0), AR_OK);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_TIMEOUT);
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, COPY2, 0, 0, 0);
    assert_int_equal(receive(0), AR_OK);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_CLOSED);
    assert_int_equal(server->regs.rdi, 0x1234);
    receive(0);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_TIMEOUT);
}

static void test_minting_again_takes_the_gate_off_the_closed_queue(void **state)
{
    (void)state;
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, COPY, 0, 0, 0);
    assert_int_equal(
        host_invoke(host_main, AR_CAP_SELF, AR_CNODE_COPY, COPY, AR_CAP_SELF, GATE, AR_SEND),
        AR_OK);
    receive(0);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_TIMEOUT);
}

static void test_closed_is_received_before_waiting_calls(void **state)
{
    (void)state;
    host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_GATE, 0, GATE2, 1);
    host_invoke(host_main, GATE2, AR_GATE_BIND, ENDPOINT, 5, 0, 0);
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_COPY, COPY2, AR_CAP_SELF, GATE2, AR_SEND);
    assert_int_equal(call(NULL, 0), -1);
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, COPY2, 0, 0, 0);
    receive(0);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_CLOSED);
    assert_int_equal(server->regs.rdi, 5);
    receive(0);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_USER);
}

static uint64_t received_label(void)
{
    return AR_INFO_LABEL(server->regs.rsi);
}

/* The caller's copy is deleted while its call waits: the call comes first, then the closed. */
static void test_a_waiting_call_counts_as_a_copy(void **state)
{
    (void)state;
    assert_int_equal(call(NULL, 0), -1);
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, COPY, 0, 0, 0);
    assert_int_equal(host_invoke(host_main, GATE, AR_GATE_BIND, ENDPOINT, 5, 0, 0), AR_ERR_BUSY);
    assert_int_equal(receive(0), AR_OK);
    assert_int_equal(received_label(), AR_LABEL_USER);
    assert_int_equal(server->regs.rdi, 0x1234);
    assert_int_equal(host_syscall(server, AR_SYS_REPLY, REPLY, 0, NULL, 0, 0), AR_OK);
    assert_int_equal(receive(0), AR_OK);
    assert_int_equal(received_label(), AR_LABEL_CLOSED);
}

static void test_destroying_the_gate_wakes_its_callers(void **state)
{
    (void)state;
    struct tcb *other = host_thread(FREE, 16);
    host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_GATE, 0, GATE2, 1);
    host_invoke(host_main, GATE2, AR_GATE_BIND, ENDPOINT, 5, 0, 0);
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_COPY, COPY2, AR_CAP_SELF, GATE2, AR_SEND);
    assert_int_equal(call(NULL, 0), -1);
    assert_int_equal(host_syscall(other, AR_SYS_CALL, COPY2, AR_INFO(AR_LABEL_USER, 0, 0, 0, 0),
                                  NULL, 0, 0),
                     -1);
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, COPY, 0, 0, 0);
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, GATE, 0, 0, 0);
    assert_int_equal(client->state, AR_THREAD_READY);
    assert_int_equal(client->regs.rax, AR_ERR_GONE);
    assert_int_equal(other->state, AR_THREAD_BLOCKED_CALL);
    receive(0);
    assert_int_equal(server->regs.rdi, 5);
}

static int call_until(uint64_t deadline)
{
    return host_syscall(client, AR_SYS_CALL_UNTIL, COPY, AR_INFO(AR_LABEL_USER, 0, 0, 0, 0), NULL,
                        0, deadline);
}

static void test_a_call_has_a_deadline(void **state)
{
    (void)state;
    assert_int_equal(call_until(host_clock), AR_ERR_TIMEOUT);
    assert_int_equal(call_until(2000), -1);
    deadline_expire(1999);
    assert_int_equal(client->state, AR_THREAD_BLOCKED_CALL);
    deadline_expire(2000);
    assert_int_equal(client->regs.rax, AR_ERR_TIMEOUT);
    receive(0);
    assert_int_equal(received_label(), AR_LABEL_TIMEOUT); /* the message was not sent */

    assert_int_equal(receive(AR_NO_DEADLINE), -1);
    assert_int_equal(call_until(3000), -1);
    assert_int_equal(client->state, AR_THREAD_BLOCKED_REPLY);
    deadline_expire(3000);
    assert_int_equal(client->regs.rax, AR_ERR_TIMEOUT);
    assert_int_equal(host_syscall(server, AR_SYS_REPLY, REPLY, 0, NULL, 0, 0), AR_ERR_GONE);
    assert_int_equal(client->regs.rax, AR_ERR_TIMEOUT);
}

static uint64_t cancel(ar_cap thread)
{
    assert_int_equal(host_invoke(host_main, thread, AR_TCB_CANCEL, 0, 0, 0, 0), AR_OK);
    return host_main->regs.rdx;
}

static void test_cancel_loses_and_doubles_nothing(void **state)
{
    (void)state;
    assert_int_equal(cancel(CLIENT_TCB), 0); /* not blocked */
    assert_int_equal(call(NULL, 0), -1);
    assert_int_equal(cancel(CLIENT_TCB), 1);
    assert_int_equal(client->regs.rax, AR_ERR_CANCELLED);
    assert_int_equal(receive(AR_NO_DEADLINE), -1); /* nothing was sent */
    assert_int_equal(cancel(SERVER_TCB), 1);
    assert_int_equal(server->regs.rax, AR_ERR_CANCELLED);

    assert_int_equal(receive(AR_NO_DEADLINE), -1);
    assert_int_equal(call(NULL, 0), -1);
    assert_int_equal(cancel(CLIENT_TCB), 0); /* the server has it */
    assert_int_equal(client->state, AR_THREAD_BLOCKED_REPLY);
    assert_int_equal(host_syscall(server, AR_SYS_REPLY, REPLY, AR_INFO(0, 1, 0, 0, 0),
                                  (uint64_t[]){9, 0, 0, 0}, 0, 0),
                     AR_OK);
    assert_int_equal(client->regs.rdx, 9);

    assert_int_equal(host_syscall(client, AR_SYS_WAIT, NOTIFICATION, 0, NULL, 0, AR_NO_DEADLINE),
                     -1);
    assert_int_equal(cancel(CLIENT_TCB), 1);
    assert_int_equal(client->regs.rax, AR_ERR_CANCELLED);
    host_syscall(host_main, AR_SYS_SIGNAL, NOTIFICATION, 0, (uint64_t[]){4, 0, 0, 0}, 0, 0);
    assert_int_equal(host_syscall(client, AR_SYS_WAIT, NOTIFICATION, 0, NULL, 0, 0), AR_OK);
    assert_int_equal(client->regs.rdx, 4); /* the bits are still there */
}

static void test_caps_move_all_or_none(void **state)
{
    (void)state;
    client->buffer->caps_out[0] = NOTIFICATION;
    client->buffer->caps_out[1] = NOTIFICATION;
    server->buffer->recv_slots[0] = WINDOW;
    server->buffer->recv_slot_count = 1;
    receive(AR_NO_DEADLINE);
    assert_int_equal(call(NULL, 2), AR_ERR_NO_SLOT);
    assert_int_equal(host_slot(WINDOW)->type, AR_NULL);
    assert_int_equal(server->state, AR_THREAD_BLOCKED_RECV);
    client->buffer->caps_out[1] = FREE; /* empty */
    server->buffer->recv_slots[1] = WINDOW + 1;
    server->buffer->recv_slot_count = 2;
    assert_int_equal(call(NULL, 2), AR_ERR_EMPTY);
    assert_int_equal(host_slot(WINDOW)->type, AR_NULL);
    client->buffer->caps_out[1] = NOTIFICATION;
    assert_int_equal(call(NULL, 2), -1);
    assert_int_equal(host_slot(WINDOW)->type, AR_NOTIFICATION);
    assert_int_equal(host_slot(WINDOW + 1)->type, AR_NOTIFICATION);
    assert_int_equal(server->buffer->received[1].kind, AR_RECEIVED_CAP);
}

static void test_own_gate_is_unwrapped(void **state)
{
    (void)state;
    server->buffer->recv_slot_count = 0;
    client->buffer->caps_out[0] = COPY;
    receive(AR_NO_DEADLINE);
    assert_int_equal(call(NULL, 1), -1);
    assert_int_equal(server->buffer->received[0].kind, AR_RECEIVED_BADGE);
    assert_int_equal(server->buffer->received[0].value, 0x1234);
}

static void test_moving_the_last_copy_to_its_own_server(void **state)
{
    (void)state;
    host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_GATE, 0, GATE2, 1);
    host_invoke(host_main, GATE2, AR_GATE_BIND, ENDPOINT, 5, 0, 0);
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_COPY, COPY2, AR_CAP_SELF, GATE2, AR_SEND);
    client->buffer->caps_out[0] = COPY2 | AR_CAP_MOVE;
    receive(AR_NO_DEADLINE);
    assert_int_equal(call((uint64_t[]){7, 0, 0, 0}, 1), -1);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_USER);
    assert_int_equal(server->regs.rdx, 7);
    assert_int_equal(server->buffer->received[0].value, 5);
    assert_int_equal(host_syscall(server, AR_SYS_REPLY, REPLY, 0, NULL, 0, 0), AR_OK);
    receive(0);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_CLOSED);
    assert_int_equal(server->regs.rdi, 5);
}

static void test_foreign_gate_shows_its_issuer(void **state)
{
    (void)state;
    host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_ENDPOINT, 0, OTHER_ENDPOINT, 1);
    assert_int_equal(host_invoke(host_main, OTHER_ENDPOINT, AR_ENDPOINT_SET_ISSUER, 3, 0, 0, 0),
                     AR_OK);
    assert_int_equal(host_invoke(host_main, OTHER_ENDPOINT, AR_ENDPOINT_SET_ISSUER, 4, 0, 0, 0),
                     AR_ERR_EXISTS);
    host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_GATE, 0, GATE2, 1);
    host_invoke(host_main, GATE2, AR_GATE_BIND, OTHER_ENDPOINT, 5, 0, 0);
    client->buffer->caps_out[0] = GATE2;
    server->buffer->recv_slots[0] = WINDOW;
    server->buffer->recv_slot_count = 1;
    receive(AR_NO_DEADLINE);
    assert_int_equal(call(NULL, 1), -1);
    assert_int_equal(server->buffer->received[0].kind, AR_RECEIVED_CAP);
    assert_int_equal(server->buffer->received[0].issuer, 3);
    assert_int_equal(host_slot(WINDOW)->rights, AR_SEND);
}

static void test_a_copy_cannot_bind_or_read_the_gate(void **state)
{
    (void)state;
    assert_int_equal(host_invoke(client, COPY, AR_GATE_BIND, ENDPOINT, 1, 0, 0), AR_ERR_RIGHTS);
    assert_int_equal(host_invoke(client, COPY, AR_GATE_INFO, 0, 0, 0, 0), AR_ERR_RIGHTS);
    assert_int_equal(host_invoke(client, GATE, AR_GATE_BIND, ENDPOINT, 1, 0, 0), AR_ERR_BUSY);
}

static void test_destroying_the_endpoint_wakes_everyone(void **state)
{
    (void)state;
    assert_int_equal(call(NULL, 0), -1);
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, ENDPOINT, 0, 0, 0);
    assert_int_equal(client->state, AR_THREAD_READY);
    assert_int_equal(client->regs.rax, AR_ERR_GONE);
    assert_int_equal(call(NULL, 0), AR_ERR_GONE);
}

static void test_destroying_the_reply_wakes_the_caller(void **state)
{
    (void)state;
    receive(AR_NO_DEADLINE);
    call(NULL, 0);
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, REPLY, 0, 0, 0);
    assert_int_equal(client->state, AR_THREAD_READY);
    assert_int_equal(client->regs.rax, AR_ERR_GONE);
}

static void test_destroying_a_thread_frees_its_reply(void **state)
{
    (void)state;
    receive(AR_NO_DEADLINE);
    call(NULL, 0);
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, CLIENT_TCB, 0, 0, 0);
    assert_int_equal(host_syscall(server, AR_SYS_REPLY, REPLY, 0, NULL, 0, 0), AR_ERR_GONE);
    assert_int_equal(receive(0), AR_OK);
}

static void test_notification_bits_gather_and_deadlines_fire(void **state)
{
    (void)state;
    host_syscall(client, AR_SYS_SIGNAL, NOTIFICATION, 0, (uint64_t[]){1, 0, 0, 0}, 0, 0);
    host_syscall(client, AR_SYS_SIGNAL, NOTIFICATION, 0, (uint64_t[]){4, 0, 0, 0}, 0, 0);
    assert_int_equal(host_syscall(client, AR_SYS_WAIT, NOTIFICATION, 0, NULL, 0, 0), AR_OK);
    assert_int_equal(client->regs.rdx, 5);
    assert_int_equal(host_syscall(client, AR_SYS_WAIT, NOTIFICATION, 0, NULL, 0, 0),
                     AR_ERR_TIMEOUT);
    assert_int_equal(host_syscall(client, AR_SYS_WAIT, NOTIFICATION, 0, NULL, 0, 5000), -1);
    assert_int_equal(core.timer_ns, 5000);
    host_clock = 4999;
    sched_tick(host_clock);
    assert_int_equal(client->state, AR_THREAD_BLOCKED_WAIT);
    host_clock = 5000;
    sched_tick(host_clock);
    assert_int_equal(client->state, AR_THREAD_READY);
    assert_int_equal(client->regs.rax, AR_ERR_TIMEOUT);
}

static void test_bound_notification_reaches_a_receive(void **state)
{
    (void)state;
    assert_int_equal(
        host_invoke(host_main, SERVER_TCB, AR_TCB_BIND_NOTIFICATION, NOTIFICATION, 0, 0, 0), AR_OK);
    receive(AR_NO_DEADLINE);
    host_syscall(client, AR_SYS_SIGNAL, NOTIFICATION, 0, (uint64_t[]){8, 0, 0, 0}, 0, 0);
    assert_int_equal(server->state, AR_THREAD_READY);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_NOTIFICATION);
    assert_int_equal(server->regs.rdx, 8);
}

static void test_many_deadlines_fire_in_order(void **state)
{
    struct tcb *threads[64];
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        threads[i] = host_thread(300 + i, 20);
        host_syscall(threads[i], AR_SYS_WAIT, NOTIFICATION, 0, NULL, 0, 2000 + (i * 37 % 64) * 10);
    }
    for (unsigned i = 0; i < 64; i += 3)
        host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, 300 + i, 0, 0, 0);
    for (uint64_t now = 1990; now < 2000 + 640; now += 10) {
        host_clock = now;
        sched_tick(now);
        for (unsigned i = 0; i < 64; i++)
            if (i % 3)
                assert_int_equal(threads[i]->state == AR_THREAD_READY,
                                 2000 + (i * 37 % 64) * 10 <= now);
    }
}

static void test_revoking_an_untyped_returns_it_whole(void **state)
{
    enum { CHILD = 210, FIRST = 220 };
    (void)state;
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_UNTYPED, 14, CHILD, 1),
                     AR_OK);
    assert_int_equal(host_invoke(host_main, CHILD, AR_UNTYPED_RETYPE, AR_FRAME, 12, FIRST, 4),
                     AR_OK);
    assert_int_equal(host_invoke(host_main, CHILD, AR_UNTYPED_RETYPE, AR_FRAME, 12, FIRST + 4, 1),
                     AR_ERR_NO_MEMORY);
    assert_int_equal(
        host_invoke(host_main, AR_CAP_SELF, AR_CNODE_COPY, FIRST + 5, AR_CAP_SELF, FIRST, AR_READ),
        AR_OK);
    memset((void *)host_slot(FIRST)->object, 0x5a, 4096);
    assert_int_equal(host_invoke(host_main, AR_CAP_SELF, AR_CNODE_REVOKE, CHILD, 0, 0, 0), AR_OK);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(host_slot(FIRST + i)->type, AR_NULL);
    assert_int_equal(host_invoke(host_main, CHILD, AR_UNTYPED_RETYPE, AR_FRAME, 12, FIRST, 4),
                     AR_OK);
    assert_int_equal(*(uint8_t *)host_slot(FIRST)->object, 0);
}

static void test_retype_changes_nothing_on_error(void **state)
{
    (void)state;
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_INFO, 0, 0, 0, 0), AR_OK);
    uint64_t used = host_main->regs.r8;
    assert_int_equal(
        host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_FRAME, 12, NOTIFICATION - 1, 3),
        AR_ERR_OCCUPIED);
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_FRAME, 13, FREE, 1),
                     AR_ERR_SIZE);
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_FRAME, 12, FREE, 5000),
                     AR_ERR_RANGE);
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_FRAME, 12, 1023, 2),
                     AR_ERR_SLOT);
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_PORT, 0, FREE, 1),
                     AR_ERR_TYPE);
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_INFO, 0, 0, 0, 0), AR_OK);
    assert_int_equal(host_main->regs.r8, used);
}

static void test_nested_cnodes_are_destroyed_without_recursion(void **state)
{
    enum { DEPTH = 60000, CHAIN = 400, NEXT = 401, PLACE = 1 };
    (void)state;
    /* CNodes of two slots, each in slot 1 of the next (in slot 0 of every sixteenth), the first
     * holds a copy of the gate */
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_CNODE, 1, CHAIN, 1),
                     AR_OK);
    cap_copy(&((struct cnode *)host_slot(CHAIN)->object)->slots[PLACE], host_slot(COPY), AR_ALL);
    for (unsigned i = 1; i < DEPTH; i++) {
        assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, AR_CNODE, 1, NEXT, 1),
                         AR_OK);
        cap_move(&((struct cnode *)host_slot(NEXT)->object)->slots[i % 16 ? PLACE : 0],
                 host_slot(CHAIN));
        cap_move(host_slot(CHAIN), host_slot(NEXT));
    }
    struct gate *gate = (struct gate *)host_slot(GATE)->object;
    assert_int_equal(gate->copies, 2);
    assert_int_equal(host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, CHAIN, 0, 0, 0), AR_OK);
    assert_int_equal(gate->copies, 1);
}

static void test_revoking_a_copy_leaves_its_siblings(void **state)
{
    (void)state;
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_COPY, COPY2, AR_CAP_SELF, COPY, AR_ALL);
    assert_int_equal(host_invoke(host_main, AR_CAP_SELF, AR_CNODE_REVOKE, COPY, 0, 0, 0), AR_OK);
    assert_int_equal(host_slot(COPY2)->type, AR_GATE);
    assert_int_equal(host_invoke(host_main, AR_CAP_SELF, AR_CNODE_REVOKE, GATE, 0, 0, 0), AR_OK);
    assert_int_equal(host_slot(COPY)->type, AR_NULL);
    assert_int_equal(host_slot(COPY2)->type, AR_NULL);
}

static void test_priority_needs_authority(void **state)
{
    (void)state;
    assert_int_equal(host_invoke(client, SERVER_TCB, AR_TCB_SET_PRIORITY, 17, 0, 0, 0),
                     AR_ERR_RIGHTS);
    assert_int_equal(host_invoke(client, SERVER_TCB, AR_TCB_SET_PRIORITY, 16, 0, 0, 0), AR_OK);
    assert_int_equal(host_invoke(host_main, SERVER_TCB, AR_TCB_SET_PRIORITY, 64, 0, 0, 0),
                     AR_ERR_RANGE);
}

static void test_bulk_data_stays_in_the_declared_segments(void **state)
{
    char text[] = "0123456789", into[16] = {0};
    (void)state;
    client->buffer->in[0] = (struct ar_segment){(uint64_t)text, 4};
    client->buffer->in[1] = (struct ar_segment){(uint64_t)text + 6, 4};
    receive(AR_NO_DEADLINE);
    assert_int_equal(
        host_syscall(client, AR_SYS_CALL, COPY, AR_INFO(AR_LABEL_USER, 0, 0, 2, 0), NULL, 0, 0),
        -1);
    assert_int_equal(host_syscall(server, AR_SYS_DATA_READ, REPLY, 0,
                                  (uint64_t[]){2, (uint64_t)into, 4, 0}, 0, 0),
                     AR_OK);
    assert_memory_equal(into, "2367", 4);
    assert_int_equal(host_syscall(server, AR_SYS_DATA_READ, REPLY, 0,
                                  (uint64_t[]){6, (uint64_t)into, 4, 0}, 0, 0),
                     AR_ERR_FAULT);
    assert_int_equal(host_syscall(server, AR_SYS_DATA_WRITE, REPLY, 0,
                                  (uint64_t[]){0, (uint64_t)into, 1, 0}, 0, 0),
                     AR_ERR_FAULT);
}

static void test_every_type_refuses_every_foreign_invocation(void **state)
{
    (void)state;
    ar_cap targets[] = {ENDPOINT, REPLY, GATE, NOTIFICATION, SERVER_TCB};
    for (unsigned t = 0; t < 5; t++)
        for (uint32_t label = 0; label < 0x100; label++) {
            bool own = (t == 0 && label == AR_ENDPOINT_SET_ISSUER) ||
                       (t == 2 && (label & ~1u) == AR_GATE_BIND) ||
                       (t == 4 && label >= AR_TCB_CONFIGURE && label <= AR_TCB_SET_VECTOR);
            if (!own)
                assert_int_equal(
                    host_invoke(host_main, targets[t], (enum ar_invocation)label, 0, 0, 0, 0),
                    AR_ERR_LABEL);
        }
    for (ar_cap slot = 1024; slot < 5000; slot += 97)
        assert_int_equal(host_invoke(host_main, slot, AR_TCB_RESUME, 0, 0, 0, 0), AR_ERR_SLOT);
    assert_int_equal(host_syscall(host_main, (enum ar_syscall)99, 0, 0, NULL, 0, 0),
                     AR_ERR_SYSCALL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_call_carries_badge_principal_words),
        TEST(test_label_of_the_kernel_is_refused),
        TEST(test_closed_comes_once_after_the_last_copy),
        TEST(test_minting_again_takes_the_gate_off_the_closed_queue),
        TEST(test_closed_is_received_before_waiting_calls),
        TEST(test_a_waiting_call_counts_as_a_copy),
        TEST(test_destroying_the_gate_wakes_its_callers),
        TEST(test_a_call_has_a_deadline),
        TEST(test_cancel_loses_and_doubles_nothing),
        TEST(test_caps_move_all_or_none),
        TEST(test_own_gate_is_unwrapped),
        TEST(test_moving_the_last_copy_to_its_own_server),
        TEST(test_foreign_gate_shows_its_issuer),
        TEST(test_a_copy_cannot_bind_or_read_the_gate),
        TEST(test_destroying_the_endpoint_wakes_everyone),
        TEST(test_destroying_the_reply_wakes_the_caller),
        TEST(test_destroying_a_thread_frees_its_reply),
        TEST(test_notification_bits_gather_and_deadlines_fire),
        TEST(test_bound_notification_reaches_a_receive),
        TEST(test_many_deadlines_fire_in_order),
        TEST(test_revoking_an_untyped_returns_it_whole),
        TEST(test_retype_changes_nothing_on_error),
        TEST(test_nested_cnodes_are_destroyed_without_recursion),
        TEST(test_revoking_a_copy_leaves_its_siblings),
        TEST(test_priority_needs_authority),
        TEST(test_bulk_data_stays_in_the_declared_segments),
        TEST(test_every_type_refuses_every_foreign_invocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
