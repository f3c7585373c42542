/*
 * Faults as messages, and everything that can end one. SPDX-License-Identifier: MIT
 *
 * ipc_fault is what the exception handler calls (arch/x86_64/interrupts.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "ipc/ipc.h"
#include "kernel_host.h"

enum { UNTYPED = 1, ENDPOINT = 10, REPLY, GATE, SERVER_TCB, CLIENT_TCB, BADGE = 9, PRINCIPAL = 8 };

static const uint64_t words[FAULT_WORDS] = {AR_FAULT_PAGE, 0x5000, AR_PF_WRITE | AR_PF_USER,
                                            0x1234,        0x7000, 0x202};
static struct tcb *server, *client;
static struct ar_regs before;

static void make(enum ar_type type, ar_cap slot)
{
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, type, 0, slot, 1), AR_OK);
}

static int setup(void **state)
{
    (void)state;
    host_machine_start();
    make(AR_ENDPOINT, ENDPOINT);
    make(AR_REPLY, REPLY);
    make(AR_GATE, GATE);
    assert_int_equal(host_invoke(host_main, GATE, AR_GATE_BIND, ENDPOINT, BADGE, 0, 0), AR_OK);
    server = host_thread(SERVER_TCB, 40);
    client = host_thread(CLIENT_TCB, 38);
    client->principal = PRINCIPAL;
    cap_copy(&client->fault_gate, host_slot(GATE), AR_SEND);
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

static int delete_slot(ar_cap slot)
{
    return host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, slot, 0, 0, 0);
}

/* The client runs, and has a fault. */
static bool fault(void)
{
    before = client->regs;
    bool sent = ipc_fault(client, words);
    sched_pick();
    host_check_invariants();
    return sent;
}

static void assert_goes_on_unchanged(void)
{
    assert_int_equal(client->state, AR_THREAD_READY);
    assert_memory_equal(&client->regs, &before, sizeof(before));
}

static void assert_received(void)
{
    assert_int_equal(server->regs.rax, AR_OK);
    assert_int_equal(server->regs.rsi, AR_INFO(AR_LABEL_FAULT, FAULT_WORDS, 0, 0, 0));
    assert_int_equal(server->regs.rdi, BADGE);
    assert_int_equal(server->regs.rbx, PRINCIPAL);
    assert_int_equal(server->regs.rdx, words[0]);
    assert_int_equal(server->regs.r10, words[1]);
    assert_int_equal(server->regs.r8, words[2]);
    assert_int_equal(server->regs.r9, words[3]);
    assert_int_equal(server->buffer->words[4], words[4]);
    assert_int_equal(server->buffer->words[5], words[5]);
}

static void test_a_waiting_handler_receives_it(void **state)
{
    (void)state;
    assert_int_equal(receive(AR_NO_DEADLINE), -1);
    assert_true(fault());
    assert_received();
    assert_int_equal(client->state, AR_THREAD_BLOCKED_FAULT);
    assert_int_equal(host_syscall(server, AR_SYS_REPLY, REPLY, AR_INFO(0x200, 4, 0, 0, 0),
                                  (uint64_t[]){1, 2, 3, 4}, 0, 0),
                     AR_OK);
    assert_goes_on_unchanged();
}

static void test_it_waits_for_a_handler(void **state)
{
    (void)state;
    assert_true(fault());
    assert_int_equal(client->state, AR_THREAD_BLOCKED_FAULT);
    assert_int_equal(receive(0), AR_OK);
    assert_received();
    assert_int_equal(host_syscall(server, AR_SYS_REPLY, REPLY, 0, NULL, 0, 0), AR_OK);
    assert_goes_on_unchanged();
}

static void test_without_a_handler_nothing_is_sent(void **state)
{
    (void)state;
    cap_delete(&client->fault_gate);
    assert_false(fault());
    assert_int_equal(client->state, AR_THREAD_READY);
    make(AR_GATE, GATE + 50); /* not bound */
    cap_copy(&client->fault_gate, host_slot(GATE + 50), AR_SEND);
    assert_false(fault());
    cap_delete(&client->fault_gate);
    cap_copy(&client->fault_gate, host_slot(GATE), AR_SEND);
    delete_slot(ENDPOINT);
    assert_false(fault());
    assert_int_equal(client->state, AR_THREAD_READY);
}

static void test_it_has_no_segments_to_read(void **state)
{
    char into[8];
    (void)state;
    client->buffer->in[0] = (struct ar_segment){(uint64_t)into, sizeof(into)};
    client->regs.rsi = AR_INFO(AR_LABEL_USER, 0, 0, 1, 0);
    assert_true(fault());
    assert_int_equal(receive(0), AR_OK);
    assert_int_equal(host_syscall(server, AR_SYS_DATA_READ, REPLY, 0,
                                  (uint64_t[]){0, (uint64_t)into, 1, 0}, 0, 0),
                     AR_ERR_ARGUMENT);
}

static void test_an_object_that_goes_lets_it_try_again(void **state)
{
    (void)state;
    assert_true(fault());
    delete_slot(ENDPOINT); /* while it is queued */
    assert_goes_on_unchanged();
}

static void test_a_reply_object_that_goes_lets_it_try_again(void **state)
{
    (void)state;
    assert_true(fault());
    assert_int_equal(receive(0), AR_OK);
    delete_slot(REPLY);
    assert_goes_on_unchanged();
}

static void test_it_cannot_be_cancelled(void **state)
{
    (void)state;
    assert_true(fault());
    assert_int_equal(host_invoke(host_main, CLIENT_TCB, AR_TCB_CANCEL, 0, 0, 0, 0), AR_OK);
    assert_int_equal(host_main->regs.rdx, 0);
    assert_int_equal(client->state, AR_THREAD_BLOCKED_FAULT);
    assert_int_equal(receive(0), AR_OK);
    assert_received();
}

static void test_the_thread_dies_while_its_fault_waits(void **state)
{
    (void)state;
    assert_true(fault());
    delete_slot(CLIENT_TCB);
    /* its copy of the gate was the last: that comes, and no fault */
    assert_int_equal(receive(0), AR_OK);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_CLOSED);
    assert_int_equal(server->regs.rdi, BADGE);
    assert_int_equal(receive(0), AR_OK);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_TIMEOUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_waiting_handler_receives_it),
        TEST(test_it_waits_for_a_handler),
        TEST(test_without_a_handler_nothing_is_sent),
        TEST(test_it_has_no_segments_to_read),
        TEST(test_an_object_that_goes_lets_it_try_again),
        TEST(test_a_reply_object_that_goes_lets_it_try_again),
        TEST(test_it_cannot_be_cancelled),
        TEST(test_the_thread_dies_while_its_fault_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
