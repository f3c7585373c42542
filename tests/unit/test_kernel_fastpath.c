/*
 * The fast path does what the slow way does: every test runs both ways and asks for the same.
 * SPDX-License-Identifier: MIT
 *
 * A thread that must be left by iret (full_restore) is what the fast path stays away from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ipc/ipc.h"
#include "kernel_host.h"

enum {
    UNTYPED = 1,
    ENDPOINT = 10,
    REPLY,
    REPLY2,
    GATE,
    COPY,
    NOTIFICATION,
    SERVER_TCB,
    CLIENT_TCB,
    SECOND_TCB,
    EQUAL_TCB,
    BADGE = 0x1234,
    PRINCIPAL = 0x77
};

static struct tcb *server, *client, *second;
static bool fast;

static void make(enum ar_type type, ar_cap slot)
{
    assert_int_equal(host_invoke(host_main, UNTYPED, AR_UNTYPED_RETYPE, type, 0, slot, 1), AR_OK);
}

static void start(bool way)
{
    host_machine_start();
    fast = way;
    make(AR_ENDPOINT, ENDPOINT);
    make(AR_REPLY, REPLY);
    make(AR_REPLY, REPLY2);
    make(AR_GATE, GATE);
    make(AR_NOTIFICATION, NOTIFICATION);
    assert_int_equal(host_invoke(host_main, GATE, AR_GATE_BIND, ENDPOINT, BADGE, 0, 0), AR_OK);
    cap_copy(host_slot(COPY), host_slot(GATE), AR_SEND);
    server = host_thread(SERVER_TCB, 40);
    second = host_thread(SECOND_TCB, 39);
    client = host_thread(CLIENT_TCB, 38);
    client->principal = PRINCIPAL;
}

static int enter(struct tcb *tcb, enum ar_syscall number, uint64_t target, uint64_t info,
                 const uint64_t words[4], ar_cap reply)
{
    tcb->full_restore = !fast;
    return host_syscall(tcb, number, target, info, words, reply, AR_NO_DEADLINE);
}

static int receive(struct tcb *tcb, ar_cap reply)
{
    return enter(tcb, AR_SYS_RECV, ENDPOINT, 0, NULL, reply);
}

static int call(struct tcb *tcb, unsigned words)
{
    return enter(tcb, AR_SYS_CALL, COPY, AR_INFO(AR_LABEL_USER, words, 0, 0, 0),
                 (uint64_t[]){1, 2, 3, 4}, 0);
}

static void assert_words(const struct tcb *tcb, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3)
{
    assert_int_equal(tcb->regs.rax, AR_OK);
    assert_int_equal(tcb->regs.rdx, w0);
    assert_int_equal(tcb->regs.r10, w1);
    assert_int_equal(tcb->regs.r8, w2);
    assert_int_equal(tcb->regs.r9, w3);
}

static void call_and_reply(void)
{
    for (unsigned i = 4; i < 10; i++)
        client->buffer->words[i] = 100 + i;
    assert_int_equal(enter(second, AR_SYS_WAIT, NOTIFICATION, 0, NULL, 0), -1); /* out of the way */
    assert_int_equal(receive(server, REPLY), -1);
    assert_int_equal(call(client, 10), -1);
    assert_ptr_equal(core.current, server);
    assert_words(server, 1, 2, 3, 4);
    assert_int_equal(server->regs.rdi, BADGE);
    assert_int_equal(server->regs.rbx, PRINCIPAL);
    assert_int_equal(server->regs.rsi, AR_INFO(AR_LABEL_USER, 10, 0, 0, 0));
    for (unsigned i = 4; i < 10; i++)
        assert_int_equal(server->buffer->words[i], 100 + i);
    assert_int_equal(client->state, AR_THREAD_BLOCKED_REPLY);

    client->regs.rbx = 5;
    server->buffer->words[4] = 44;
    assert_int_equal(enter(server, AR_SYS_REPLY_RECV, ENDPOINT, AR_INFO(0x200, 5, 0, 0, 0),
                           (uint64_t[]){9, 8, 7, 6}, REPLY),
                     -1);
    assert_words(client, 9, 8, 7, 6);
    assert_int_equal(client->buffer->words[4], 44);
    assert_int_equal(client->regs.rdi, 0);
    assert_int_equal(client->regs.rbx, 5);
    assert_int_equal(client->regs.rsi, AR_INFO(0x200, 5, 0, 0, 0));
    assert_int_equal(client->state, AR_THREAD_READY);
    assert_int_equal(server->state, AR_THREAD_BLOCKED_RECV);
    assert_ptr_equal(core.current, client);
}

static void receivers_are_served_in_order(void)
{
    assert_int_equal(receive(server, REPLY), -1);
    assert_int_equal(receive(second, REPLY2), -1);
    assert_int_equal(call(client, 1), -1);
    assert_int_equal(server->state, AR_THREAD_READY);
    assert_int_equal(second->state, AR_THREAD_BLOCKED_RECV);
    /* the one that served goes behind the one that waits */
    assert_int_equal(enter(server, AR_SYS_REPLY_RECV, ENDPOINT, 0, NULL, REPLY), -1);
    assert_int_equal(call(client, 1), -1);
    assert_int_equal(second->state, AR_THREAD_READY);
    assert_int_equal(server->state, AR_THREAD_BLOCKED_RECV);
}

static void what_waits_comes_before_a_new_receive(void)
{
    assert_int_equal(receive(server, REPLY), -1);
    assert_int_equal(call(client, 1), -1);
    assert_int_equal(call(second, 1), -1);
    assert_int_equal(enter(server, AR_SYS_REPLY_RECV, ENDPOINT, 0, NULL, REPLY), AR_OK);
    assert_int_equal(client->state, AR_THREAD_READY);
    assert_int_equal(second->state, AR_THREAD_BLOCKED_REPLY);
    /* bits of a bound notification too */
    assert_int_equal(
        host_invoke(host_main, SERVER_TCB, AR_TCB_BIND_NOTIFICATION, NOTIFICATION, 0, 0, 0), AR_OK);
    assert_int_equal(
        enter(client, AR_SYS_SIGNAL, NOTIFICATION, 0, (uint64_t[]){6, 0, 0, 0}, 0), AR_OK);
    assert_int_equal(enter(server, AR_SYS_REPLY_RECV, ENDPOINT, 0, NULL, REPLY), AR_OK);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_NOTIFICATION);
    assert_int_equal(server->regs.rdx, 6);
    assert_int_equal(second->state, AR_THREAD_READY);
}

static void a_receive_that_finds_nothing(void)
{
    assert_int_equal(receive(server, REPLY), -1);
    assert_int_equal(server->state, AR_THREAD_BLOCKED_RECV);
    assert_ptr_not_equal(core.current, server);
    assert_int_equal(receive(second, REPLY), AR_ERR_BUSY);
    assert_int_equal(receive(second, COPY), AR_ERR_TYPE);
    assert_int_equal(receive(second, 99), AR_ERR_EMPTY);
    /* the last copy goes: the server hears of it, and waits again */
    assert_int_equal(host_invoke(client, AR_CAP_SELF, AR_CNODE_DELETE, COPY, 0, 0, 0), AR_OK);
    assert_int_equal(server->state, AR_THREAD_READY);
    assert_int_equal(AR_INFO_LABEL(server->regs.rsi), AR_LABEL_CLOSED);
    assert_int_equal(server->regs.rdi, BADGE);
    assert_int_equal(receive(server, REPLY), -1);
    assert_int_equal(server->state, AR_THREAD_BLOCKED_RECV);
    assert_ptr_equal(((struct endpoint *)host_slot(ENDPOINT)->object)->receivers.head, server);
    assert_ptr_equal(server->reply->receiver, server);
}

static void bad_arguments_are_refused(void)
{
    uint64_t info = AR_INFO(AR_LABEL_USER, 0, 0, 0, 0);
    assert_int_equal(enter(client, AR_SYS_CALL, 1024 * 256, info, NULL, 0), AR_ERR_SLOT);
    assert_int_equal(enter(client, AR_SYS_CALL, 5 * 256, info, NULL, 0), AR_ERR_SLOT);
    assert_int_equal(enter(client, AR_SYS_CALL, 99, info, NULL, 0), AR_ERR_EMPTY);
    assert_int_equal(enter(client, AR_SYS_CALL, REPLY, info, NULL, 0), AR_ERR_TYPE);
    assert_int_equal(
        enter(client, AR_SYS_CALL, COPY, AR_INFO(AR_LABEL_USER - 1, 0, 0, 0, 0), NULL, 0),
        AR_ERR_LABEL);
    assert_int_equal(enter(client, AR_SYS_CALL, COPY,
                           AR_INFO(AR_LABEL_USER, AR_MSG_WORDS + 1, 0, 0, 0), NULL, 0),
                     AR_ERR_ARGUMENT);
    assert_int_equal(enter(server, AR_SYS_REPLY_RECV, COPY, 0, NULL, REPLY), AR_ERR_TYPE);
    assert_int_equal(enter(server, AR_SYS_REPLY_RECV, ENDPOINT, 0, NULL, COPY), AR_ERR_TYPE);
    assert_int_equal(enter(client, AR_SYS_SIGNAL, COPY, 0, NULL, 0), AR_ERR_TYPE);
    host_slot(COPY)->rights = 0;
    assert_int_equal(enter(client, AR_SYS_CALL, COPY, info, NULL, 0), AR_ERR_RIGHTS);
    host_slot(COPY)->rights = AR_SEND;
    host_invoke(host_main, AR_CAP_SELF, AR_CNODE_DELETE, ENDPOINT, 0, 0, 0);
    assert_int_equal(enter(client, AR_SYS_CALL, COPY, info, NULL, 0), AR_ERR_GONE);
}

static void a_signal_wakes_who_waits(void)
{
    assert_int_equal(enter(client, AR_SYS_WAIT, NOTIFICATION, 0, NULL, 0), -1);
    assert_int_equal(
        enter(server, AR_SYS_SIGNAL, NOTIFICATION, 0, (uint64_t[]){0, 0, 0, 0}, 0), AR_OK);
    assert_int_equal(client->state, AR_THREAD_BLOCKED_WAIT);
    assert_int_equal(
        enter(server, AR_SYS_SIGNAL, NOTIFICATION, 0, (uint64_t[]){5, 0, 0, 0}, 0), AR_OK);
    assert_int_equal(client->state, AR_THREAD_READY);
    assert_int_equal(client->regs.rdx, 5);
    assert_int_equal(client->regs.rax, AR_OK);
    assert_ptr_equal(core.current, server);
    /* the bits went to the waiter */
    assert_int_equal(host_syscall(server, AR_SYS_WAIT, NOTIFICATION, 0, NULL, 0, 0),
                     AR_ERR_TIMEOUT);
}

static void the_reply_to_a_fault_changes_no_register(void)
{
    const uint64_t words[FAULT_WORDS] = {AR_FAULT_EXCEPTION, 6};
    cap_copy(&client->fault_gate, host_slot(GATE), AR_SEND);
    assert_int_equal(receive(server, REPLY), -1);
    assert_ptr_equal(core.current, second);
    assert_int_equal(enter(second, AR_SYS_WAIT, NOTIFICATION, 0, NULL, 0), -1);
    assert_ptr_equal(core.current, client);
    client->regs = (struct ar_regs){.rax = 11, .rdi = 12, .rdx = 13, .rflags = client->regs.rflags};
    client->full_restore = 1;
    assert_true(ipc_fault(client, words));
    sched_pick();
    assert_ptr_equal(core.current, server);
    assert_int_equal(enter(server, AR_SYS_REPLY_RECV, ENDPOINT, AR_INFO(0x200, 4, 0, 0, 0),
                           (uint64_t[]){9, 8, 7, 6}, REPLY),
                     -1);
    assert_ptr_equal(core.current, client);
    assert_int_equal(client->state, AR_THREAD_READY);
    assert_int_equal(client->full_restore, 1);
    assert_int_equal(client->regs.rax, 11);
    assert_int_equal(client->regs.rdi, 12);
    assert_int_equal(client->regs.rdx, 13);
}

/* A tick while the server works ends the slice of the client that it works for. */
static void a_slice_ends_at_a_server(void)
{
    struct tcb *equal = host_thread(EQUAL_TCB, 38);
    assert_int_equal(enter(second, AR_SYS_WAIT, NOTIFICATION, 0, NULL, 0), -1);
    assert_int_equal(receive(server, REPLY), -1);
    assert_int_equal(call(client, 1), -1);
    assert_true(equal->queued);
    assert_int_equal(
        enter(server, AR_SYS_REPLY_RECV, ENDPOINT, AR_INFO(0x200, 1, 0, 0, 0), (uint64_t[4]){0}, REPLY),
        -1);
    if (!fast) /* the slow way puts the client behind its equals at every reply */
        return;
    assert_ptr_equal(core.current, client);
    assert_int_equal(call(client, 1), -1);
    assert_ptr_equal(core.current, server);
    sched_tick(host_clock);
    assert_ptr_equal(core.current, server);
    assert_int_equal(
        enter(server, AR_SYS_REPLY_RECV, ENDPOINT, AR_INFO(0x200, 1, 0, 0, 0), (uint64_t[4]){0}, REPLY),
        -1);
    assert_ptr_equal(core.current, equal);
    assert_int_equal(client->state, AR_THREAD_READY);
    assert_int_equal(call(equal, 1), -1); /* and its own slice is whole */
    assert_int_equal(
        enter(server, AR_SYS_REPLY_RECV, ENDPOINT, AR_INFO(0x200, 1, 0, 0, 0), (uint64_t[4]){0}, REPLY),
        -1);
    assert_ptr_equal(core.current, equal);
}

static unsigned copies(ar_cap slot)
{
    return ((const struct gate *)host_slot(slot)->object)->copies;
}

static int call_with(unsigned caps)
{
    return enter(client, AR_SYS_CALL, COPY, AR_INFO(AR_LABEL_USER, 0, caps, 0, 0), NULL, 0);
}

static int reply_with(unsigned caps)
{
    return enter(server, AR_SYS_REPLY_RECV, ENDPOINT, AR_INFO(0x200, 0, caps, 0, 0), NULL, REPLY);
}

/* The server's slots lie in another leaf, as if it had a space of its own. */
enum {
    OTHER_ENDPOINT = 40,
    OTHER,
    OTHER_COPY,
    OUT = 60,
    IN = AR_LEAF_SLOTS + 50,
    FAR = 2 * AR_LEAF_SLOTS + 9
};
static uint64_t *in, *out; /* what the server offers, what the client sends */

static void have_other_gate(void)
{
    make(AR_ENDPOINT, OTHER_ENDPOINT);
    make(AR_GATE, OTHER);
    assert_int_equal(host_invoke(host_main, OTHER, AR_GATE_BIND, OTHER_ENDPOINT, 7, 0, 0), AR_OK);
    cap_copy(host_slot(OTHER_COPY), host_slot(OTHER), AR_SEND);
    assert_int_equal(enter(second, AR_SYS_WAIT, NOTIFICATION, 0, NULL, 0), -1); /* out of the way */
    assert_int_equal(receive(server, REPLY), -1);
    in = server->buffer->recv_slots;
    out = client->buffer->caps_out;
    server->buffer->recv_slot_count = 2;
    in[0] = IN;
    in[1] = IN + 1;
}

static void gates_are_refused(void)
{
    have_other_gate();
    out[0] = out[1] = OTHER_COPY;
    in[0] = in[1] = IN;
    server->buffer->recv_slot_count = 0;
    assert_int_equal(call_with(1), AR_ERR_NO_SLOT);
    server->buffer->recv_slot_count = 1;
    assert_int_equal(enter(client, AR_SYS_CALL, COPY,
                           AR_INFO(AR_LABEL_USER, AR_MSG_WORDS + 1, 1, 0, 0), NULL, 0),
                     AR_ERR_ARGUMENT);
    assert_int_equal(call_with(2), AR_ERR_NO_SLOT);
    server->buffer->recv_slot_count = 2;
    assert_int_equal(call_with(2), AR_ERR_NO_SLOT); /* the same slot twice */
    in[1] = IN + 1;
    out[1] |= AR_CAP_MOVE;
    assert_int_equal(call_with(2), AR_ERR_ARGUMENT);
    out[0] |= AR_CAP_MOVE;
    assert_int_equal(call_with(2), AR_ERR_ARGUMENT);
    in[0] = AR_CAP_SELF;
    assert_int_equal(call_with(1), AR_ERR_NO_SLOT);
    in[0] = OTHER;
    assert_int_equal(call_with(1), AR_ERR_NO_SLOT);
    out[0] = OUT;
    assert_int_equal(call_with(1), AR_ERR_EMPTY);
    out[0] = REPLY;
    assert_int_equal(call_with(1), AR_ERR_TYPE);
    out[0] = 5 * AR_LEAF_SLOTS;
    assert_int_equal(call_with(1), AR_ERR_SLOT);
    in[0] = 5 * AR_LEAF_SLOTS;
    out[0] = OTHER_COPY;
    assert_int_equal(call_with(1), AR_ERR_NO_SLOT);
    assert_int_equal(copies(OTHER), 1);
}

/* The copies of OTHER in the order of derivation. */
static void assert_order(unsigned count, const ar_cap slots[])
{
    const struct cap *cap = host_slot(OTHER);
    assert_int_equal(copies(OTHER), count);
    for (unsigned i = 0; i < count; i++) {
        cap = cap_next(cap);
        assert_ptr_equal(cap, host_slot(slots[i]));
        assert_int_equal(cap->type, AR_GATE);
        assert_int_equal(cap->rights, AR_SEND);
        assert_int_equal(cap->flags, 0);
    }
}

/* What went before the one that cannot go is back where it was. */
static void refused_gates_stay(void)
{
    have_other_gate();
    cap_copy(host_slot(OUT), host_slot(OTHER), AR_SEND);
    for (unsigned move = 0; move < 2; move++) {
        for (unsigned i = 0; i < 3; i++)
            out[i] = (ar_cap[]){OTHER_COPY, OUT, OUT + 1}[i] | (move ? AR_CAP_MOVE : 0);
        assert_int_equal(call_with(3), AR_ERR_EMPTY);
        server->buffer->recv_slot_count = 1;
        assert_int_equal(call_with(2), AR_ERR_NO_SLOT);
        server->buffer->recv_slot_count = 2;
        in[1] = OTHER;
        assert_int_equal(call_with(2), AR_ERR_NO_SLOT);
        in[1] = 5 * AR_LEAF_SLOTS;
        assert_int_equal(call_with(2), AR_ERR_NO_SLOT);
        in[1] = IN + 1;
        out[1] = move ? out[0] : (uint64_t)REPLY;
        assert_int_equal(call_with(2), move ? AR_ERR_ARGUMENT : AR_ERR_TYPE);
        assert_order(2, (ar_cap[]){OUT, OTHER_COPY});
        assert_int_equal(host_slot(IN)->type, AR_NULL);
        host_check_invariants();
    }
    out[0] = COPY; /* comes home */
    out[1] = OUT + 1;
    assert_int_equal(call_with(2), AR_ERR_EMPTY);
    assert_int_equal(copies(GATE), 1);
    cap_move(host_slot(FAR), host_slot(OUT)); /* not in the leaf of slot 0 */
    in[0] = AR_CAP_SELF;
    out[0] = FAR;
    assert_int_equal(call_with(1), AR_ERR_NO_SLOT);
}

/* One that moved away leaves a slot that nothing of the same message may arrive in. */
static void gates_pass_in_one_leaf(void)
{
    have_other_gate();
    cap_copy(host_slot(OUT), host_slot(OTHER_COPY), AR_SEND);
    out[0] = OTHER_COPY | AR_CAP_MOVE;
    out[1] = OUT | AR_CAP_MOVE;
    in[0] = OUT + 1;
    in[1] = OTHER_COPY;
    assert_int_equal(call_with(2), AR_ERR_NO_SLOT);
    out[0] = OTHER_COPY;
    out[1] = OUT + 1;
    assert_int_equal(call_with(2), AR_ERR_EMPTY);
    in[1] = OUT + 2;
    out[1] = OTHER_COPY;
    assert_int_equal(call_with(2), -1);
    assert_order(4, (ar_cap[]){OTHER_COPY, OUT + 2, OUT + 1, OUT});
}

/* Slots of several leaves, on each side. */
static void gates_come_from_everywhere(void)
{
    have_other_gate();
    cap_copy(host_slot(FAR), host_slot(OTHER_COPY), AR_SEND);
    out[0] = out[2] = FAR;
    out[1] = OTHER_COPY;
    in[2] = AR_LEAF_SLOTS;
    server->buffer->recv_slot_count = 3;
    assert_int_equal(call_with(3), -1);
    assert_order(5, (ar_cap[]){OTHER_COPY, IN + 1, FAR, AR_LEAF_SLOTS, IN});
    for (unsigned i = 0; i < 3; i++)
        server->buffer->caps_out[i] = (ar_cap[]){IN, IN + 1, AR_LEAF_SLOTS}[i] | AR_CAP_MOVE;
    for (unsigned i = 0; i < 3; i++)
        client->buffer->recv_slots[i] = (ar_cap[]){OUT, 3 * AR_LEAF_SLOTS + 1, OUT + 1}[i];
    client->buffer->recv_slot_count = 3;
    assert_int_equal(reply_with(3), -1);
    assert_order(5, (ar_cap[]){OTHER_COPY, 3 * AR_LEAF_SLOTS + 1, FAR, OUT + 1, OUT});
}

static void send_one(uint64_t slot, unsigned to)
{
    assert_int_equal(reply_with(0), -1);
    in[0] = IN + to;
    out[0] = slot;
    assert_int_equal(call_with(1), -1);
}

/* A copy and a move; one that may not send; a gate that is not bound; an original. */
static void unusual_gates_go_along(void)
{
    have_other_gate();
    const struct ar_received *got = server->buffer->received;
    cap_copy(host_slot(OUT), host_slot(OTHER_COPY), 0);
    make(AR_GATE, OUT + 1);
    cap_copy(host_slot(OUT + 2), host_slot(OUT + 1), AR_SEND);
    ((struct endpoint *)host_slot(OTHER_ENDPOINT)->object)->issuer = 99;
    out[0] = OTHER;
    out[1] = OTHER_COPY | AR_CAP_MOVE;
    assert_int_equal(call_with(2), -1);
    assert_int_equal(got[0].issuer, 99);
    assert_ptr_equal(cap_next(host_slot(OTHER)), host_slot(IN));
    assert_int_equal(host_slot(IN)->rights, AR_SEND);
    assert_int_equal(host_slot(OTHER_COPY)->type, AR_NULL);
    assert_int_equal(copies(OTHER), 3);

    send_one(OUT, 2);
    assert_int_equal(host_slot(IN + 2)->rights, 0);
    send_one(OUT + 2, 3);
    assert_int_equal(got[0].issuer, 0);
    assert_int_equal(copies(OUT + 1), 2);
    send_one(OTHER | AR_CAP_MOVE, 4);
    assert_int_equal(host_slot(IN + 4)->flags, CAP_ORIGINAL);
    assert_int_equal(host_slot(IN + 4)->rights, AR_ALL);
    assert_int_equal(copies(IN + 4), 4);
}

/* A badge takes no slot: none need be on offer. */
static void a_gate_comes_home(void)
{
    have_other_gate();
    server->buffer->recv_slot_count = 0;
    in[0] = 5 * AR_LEAF_SLOTS;
    out[0] = COPY;
    assert_int_equal(call_with(1), -1);
    const struct ar_received *got = server->buffer->received;
    assert_true(got->kind == AR_RECEIVED_BADGE && got->type == AR_GATE && got->value == BADGE);
    assert_int_equal(copies(GATE), 1);
}

/* A gate that moves to its own server arrives as its badge, and was the last. */
static void a_gate_moves_home(void)
{
    have_other_gate();
    cap_copy(host_slot(OUT), host_slot(COPY), AR_SEND);
    out[0] = OUT | AR_CAP_MOVE;
    assert_int_equal(call_with(1), -1);
    assert_int_equal(server->buffer->received[0].value, BADGE);
    assert_int_equal(host_slot(OUT)->type, AR_NULL);
    assert_int_equal(copies(GATE), 1);
}

/* One comes home, the same other one goes twice, and back by moving. */
static void gates_go_along(void)
{
    have_other_gate();
    out[0] = COPY;
    out[1] = out[2] = OTHER_COPY;
    assert_int_equal(call_with(3), -1);
    const struct ar_received *got = server->buffer->received;
    assert_true(got[0].kind == AR_RECEIVED_BADGE && got[0].value == BADGE);
    assert_true(got[1].kind == AR_RECEIVED_CAP && got[1].value == IN && got[1].type == AR_GATE);
    assert_true(got[2].kind == AR_RECEIVED_CAP && got[2].value == IN + 1);
    assert_int_equal(host_slot(IN)->rights, AR_SEND);
    assert_int_equal(copies(OTHER), 3);
    assert_int_equal(copies(GATE), 1);

    server->buffer->caps_out[0] = (IN + 1) | AR_CAP_MOVE;
    server->buffer->caps_out[1] = IN | AR_CAP_MOVE;
    client->buffer->recv_slots[0] = OUT + 1;
    client->buffer->recv_slots[1] = OUT;
    client->buffer->recv_slot_count = 2;
    assert_int_equal(reply_with(2), -1);
    assert_int_equal(client->buffer->received[1].value, OUT);
    assert_int_equal(client->regs.rax, AR_OK);
    assert_int_equal(AR_INFO_CAPS(client->regs.rsi), 2);
    assert_int_equal(host_slot(IN)->type, AR_NULL);
    assert_int_equal(host_slot(OUT)->type, AR_GATE);
    assert_int_equal(copies(OTHER), 3);
}

static int delete(ar_cap slot)
{
    return enter(client, AR_SYS_INVOKE, AR_CAP_SELF, AR_INFO(AR_CNODE_DELETE, 4, 0, 0, 0),
                 (uint64_t[4]){slot}, 0);
}

static void an_original_is_no_copy(void)
{
    have_other_gate();
    cap_copy(host_slot(OUT), host_slot(OTHER_COPY), AR_SEND);
    assert_int_equal(delete(OTHER), AR_OK);
    assert_int_equal(copies(OUT), 2);
    assert_int_equal(delete(OTHER), AR_OK); /* nothing there */
    assert_int_equal(delete(5 * AR_LEAF_SLOTS), AR_ERR_SLOT);
}

/* Down to the last copy, which closes the gate; it opens when it is sent. */
static void copies_are_deleted(void)
{
    have_other_gate();
    cap_copy(host_slot(OUT), host_slot(OTHER_COPY), AR_SEND);
    cap_copy(host_slot(OUT + 1), host_slot(OTHER_COPY), AR_SEND);
    for (unsigned left = 3; left-- > 0;) {
        const ar_cap each[] = {OTHER_COPY, OUT, OUT + 1};
        assert_int_equal(delete(each[left]), AR_OK);
        assert_int_equal(host_slot(each[left])->type, AR_NULL);
        assert_int_equal(client->regs.rsi, 0);
        assert_int_equal(copies(OTHER), left);
        assert_int_equal(((const struct gate *)host_slot(OTHER)->object)->closed, left == 0);
    }

    out[0] = OTHER;
    assert_int_equal(call_with(1), -1);
    assert_int_equal(((const struct gate *)host_slot(OTHER)->object)->closed, 0);
}

/* Nobody takes a reply with capabilities: they stay. */
static void a_reply_to_nobody_keeps_its_gates(void)
{
    have_other_gate();
    out[0] = OTHER;
    assert_int_equal(call_with(1), -1);
    ipc_cancel(client, AR_ERR_CANCELLED);
    server->buffer->caps_out[0] = IN | AR_CAP_MOVE;
    assert_int_equal(reply_with(1), AR_ERR_GONE);
    assert_int_equal(host_slot(IN)->type, AR_GATE);
    assert_int_equal(reply_with(0), -1);
    assert_int_equal(server->state, AR_THREAD_BLOCKED_RECV);
}

static void both_ways(void (*test)(void))
{
    for (unsigned way = 0; way < 2; way++) {
        start(way);
        test();
        host_check_invariants();
        host_machine_stop();
    }
}

#define BOTH(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        both_ways(name);                                                                           \
    }
BOTH(call_and_reply)
BOTH(receivers_are_served_in_order)
BOTH(what_waits_comes_before_a_new_receive)
BOTH(a_receive_that_finds_nothing)
BOTH(bad_arguments_are_refused)
BOTH(a_signal_wakes_who_waits)
BOTH(the_reply_to_a_fault_changes_no_register)
BOTH(a_slice_ends_at_a_server)
BOTH(gates_are_refused)
BOTH(gates_go_along)
BOTH(refused_gates_stay)
BOTH(gates_pass_in_one_leaf)
BOTH(gates_come_from_everywhere)
BOTH(unusual_gates_go_along)
BOTH(a_gate_comes_home)
BOTH(a_gate_moves_home)
BOTH(an_original_is_no_copy)
BOTH(copies_are_deleted)
BOTH(a_reply_to_nobody_keeps_its_gates)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call_and_reply),
        cmocka_unit_test(test_receivers_are_served_in_order),
        cmocka_unit_test(test_what_waits_comes_before_a_new_receive),
        cmocka_unit_test(test_a_receive_that_finds_nothing),
        cmocka_unit_test(test_bad_arguments_are_refused),
        cmocka_unit_test(test_a_signal_wakes_who_waits),
        cmocka_unit_test(test_the_reply_to_a_fault_changes_no_register),
        cmocka_unit_test(test_a_slice_ends_at_a_server),
        cmocka_unit_test(test_gates_are_refused),
        cmocka_unit_test(test_gates_go_along),
        cmocka_unit_test(test_refused_gates_stay),
        cmocka_unit_test(test_gates_pass_in_one_leaf),
        cmocka_unit_test(test_gates_come_from_everywhere),
        cmocka_unit_test(test_unusual_gates_go_along),
        cmocka_unit_test(test_a_gate_comes_home),
        cmocka_unit_test(test_a_gate_moves_home),
        cmocka_unit_test(test_an_original_is_no_copy),
        cmocka_unit_test(test_copies_are_deleted),
        cmocka_unit_test(test_a_reply_to_nobody_keeps_its_gates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
