/* sockd: descriptors in flight: cycles, limits, what is dropped, checklist A3, A4 (shared/AF_UNIX.md). SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

static void a3_never_read(void **state)
{
    (void)state;
    long fd[2], passed[2];
    pair_make(LX_SOCK_STREAM, fd);
    pair_make(LX_SOCK_STREAM, passed);
    uint64_t slot = cap_foreign(AR_GATE, ISSUER_FILED);
    cap_own((uint64_t)passed[0]);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_STAGE, 1), ST_OK);
    assert_int_equal(sk_send_extra(fd[0], "x", 1, 0, (struct send_extra){.staged = 2}), 1);
    fd_close(passed[0]);
    fd_close(fd[0]);
    fd_close(fd[1]);
    assert_false(W.slot_used[slot]);
    assert_int_equal(sk_recv(passed[1], 1, 0), 0);
}

static void a3_self_cycle(void **state)
{
    (void)state;
    uint64_t sockets = counts_get().sockets;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    send_fds(fd[0], "x", 1, &fd[1], 1); /* in its own queue */
    send_fds(fd[1], "x", 1, &fd[0], 1);
    fd_close(fd[0]);
    fd_close(fd[1]);
    assert_int_equal(counts_get().sockets, sockets);
    assert_int_equal(counts_get().in_flight, 0);
}

static void a3_long_cycle_with_a_file_in_it(void **state)
{
    (void)state;
    enum { LENGTH = 500 };
    static long fd[LENGTH][2];
    for (unsigned i = 0; i < LENGTH; i++)
        pair_make(LX_SOCK_DGRAM, fd[i]);
    for (unsigned i = 0; i < LENGTH; i++)
        send_fds(fd[i][0], "x", 1, fd[(i + 1) % LENGTH], 2);
    uint64_t slot = cap_foreign(AR_GATE, ISSUER_FILED);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_STAGE, 1), ST_OK);
    assert_int_equal(sk_send_extra(fd[7][0], "x", 1, 0, (struct send_extra){.staged = 1}), 1);
    for (unsigned i = 0; i < LENGTH; i++) {
        fd_close(fd[i][0]);
        assert_int_equal(counts_get().sockets,
                         2 * LENGTH); /* as long as one is open all can be reached */
        if (i + 1 < LENGTH)
            fd_close(fd[i][1]);
    }
    fd_close(fd[LENGTH - 1][1]);
    assert_int_equal(counts_get().sockets, 0);
    assert_false(W.slot_used[slot]);
}

static void a3_deep_chain_does_not_recurse(void **state)
{
    (void)state;
    enum { DEPTH = 3000 };
    long fd[2], outer[2];
    W.as = ROOT; /* no ETOOMANYREFS */
    pair_make(LX_SOCK_DGRAM, fd);
    for (unsigned i = 0; i < DEPTH; i++) { /* each pair holds the one before in its queue */
        pair_make(LX_SOCK_DGRAM, outer);
        send_fds(outer[0], "x", 1, fd, 2);
        fd_close(fd[0]);
        fd_close(fd[1]);
        memcpy(fd, outer, sizeof(fd));
    }
    assert_int_equal(counts_get().sockets, 2 * DEPTH + 2);
    fd_close(fd[0]);
    fd_close(fd[1]);
    assert_int_equal(counts_get().sockets, 0);
}

/* 0 and 1 hold each other and 1 holds 2, which holds 3, which holds itself as well: two circles, whose
 * queues are emptied, and one between them, which ends as if closed. Each has data that nobody read. */
static void a3_only_circles_are_emptied(void **state)
{
    (void)state;
    enum { COUNT = 4 };
    static const unsigned held_by[][2] = {{0, 1}, {1, 0}, {2, 1}, {3, 2}, {3, 3}};
    long fd[COUNT][2];
    for (unsigned i = 0; i < COUNT; i++)
        pair_make(LX_SOCK_STREAM, fd[i]);
    for (unsigned i = 0; i < sizeof(held_by) / sizeof(held_by[0]); i++)
        send_fds(fd[held_by[i][1]][0], "held", 4, &fd[held_by[i][0]][1], 1);
    for (unsigned i = COUNT; i-- > 0;)
        fd_close(fd[i][1]); /* with the last all are lost */
    assert_int_equal(counts_get().sockets, COUNT);
    assert_int_equal(counts_get().in_flight, 0);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(sk_recv(fd[i][0], 1, 0), i == 2 ? -ST_CONNRESET : 0);
        fd_close(fd[i][0]);
    }
}

/* Whom a listener's circle holds, by way of an embryo's queue. */
static void a3_a_listener_in_a_circle(void **state)
{
    (void)state;
    long server = sk(LX_SOCK_STREAM), client = sk(LX_SOCK_STREAM), fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(sk_bind(server, "@s"), 0);
    assert_int_equal(sk_listen(server, 5), 0);
    assert_int_equal(sk_connect(client, "@s", 0), 0);
    send_fds(client, "x", 1, &server, 1);
    send_fds(client, "x", 1, &fd[1], 1);
    sk_send(fd[0], "x", 1, 0);
    fd_close(fd[1]);
    fd_close(server);
    assert_int_equal(counts_get().sockets, 2);
    assert_int_equal(sk_recv(fd[0], 1, 0), -ST_CONNRESET);
    assert_int_equal(sk_recv(client, 1, 0), -ST_CONNRESET);
}

/* Without memory to look for circles everything that cannot be reached is emptied. */
static void a3_without_memory_all_are_emptied(void **state)
{
    (void)state;
    long fd[2], other[2];
    pair_make(LX_SOCK_STREAM, fd);
    pair_make(LX_SOCK_STREAM, other);
    send_fds(fd[0], "x", 1, &fd[1], 1);
    send_fds(fd[0], "x", 1, &other[1], 1);
    sk_send(other[0], "x", 1, 0);
    fd_close(other[1]);
    mem_fail_at(1);
    fd_close(fd[1]);
    mem_fail_at(0);
    assert_int_equal(counts_get().sockets, 2);
    assert_int_equal(counts_get().in_flight, 0);
    assert_int_equal(sk_recv(other[0], 1, 0), 0);
}

/* Those of a call that waited may leave the stage for their own queue. */
static void a3_what_leaves_the_stage_may_be_lost(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(stage_own(&fd[1], 1), 1);
    fd_close(fd[1]);
    assert_int_equal(sk_send_extra(fd[0], "x", 1, 0, (struct send_extra){.staged = 1}), 1);
    assert_int_equal(counts_get().sockets, 1);
    assert_int_equal(sk_send(fd[0], "x", 1, 0), -ST_PIPE);
}

static void a3_reachable_ones_are_left_alone(void **state)
{
    (void)state;
    long keep[2], inner[2];
    pair_make(LX_SOCK_STREAM, keep);
    pair_make(LX_SOCK_STREAM, inner);
    send_fds(inner[0], "secret", 6, keep, 1); /* keep[0] in inner[1]'s queue */
    send_fds(keep[0], "x", 1, &inner[1], 1);  /* inner[1] in keep[1]'s queue */
    fd_close(inner[1]);
    fd_close(keep[0]);
    fd_close(inner[0]); /* a socket closes: collection */
    assert_int_equal(sk_recv_rights(keep[1], 9, 0, 8), 1);
    assert_int_equal(W.got[0].value, inner[1]);
    assert_int_equal(sk_recv_rights(inner[1], 9, 0, 8), 6);
    assert_int_equal(W.got[0].value, keep[0]);
}

static void a3_cycle_through_an_accept_queue(void **state)
{
    (void)state;
    long server = sk(LX_SOCK_STREAM), client = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(server, "@s"), 0);
    assert_int_equal(sk_listen(server, 5), 0);
    assert_int_equal(sk_connect(client, "@s", 0), 0);
    send_fds(client, "x", 1, &server, 1); /* the listener in the queue of its own embryo */
    fd_close(server);                     /* nobody can ever accept */
    assert_int_equal(counts_get().sockets, 1);
    assert_int_equal(sk_recv(client, 1, 0), -ST_CONNRESET);
    fd_close(client);
    assert_int_equal(counts_get().sockets, 0);
}

static void a3_staged_descriptors_are_reachable(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(stage_own(fd, 2), 2);
    fd_close(fd[0]);
    fd_close(fd[1]);
    assert_int_equal(counts_get().sockets, 2);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_STAGE, 1), ST_OK);
    assert_int_equal(counts_get().sockets, 0);
}

static void a3_session_end_drops_stage_and_claim(void **state)
{
    (void)state;
    long fd[2], many[20];
    pair_make(LX_SOCK_SEQPACKET, fd);
    for (unsigned i = 0; i < 20; i++)
        many[i] = fd[0];
    send_fds(fd[0], "x", 1, many, 20);
    assert_int_equal(sk_recv_rights(fd[1], 9, 0, 20), 1);
    uint64_t slot = cap_foreign(AR_GATE, ISSUER_FILED);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_STAGE, 0), ST_OK);
    fd_close(W.session_badge[1]);
    assert_false(W.slot_used[slot]);
    assert_int_equal(counts_get().in_flight, 0);
    assert_int_equal(counts_get().sessions, 2);
}

static void many_slots_are_dropped_over_several_entries(void **state)
{
    (void)state;
    long fd[2];
    W.as = ROOT;
    pair_make(LX_SOCK_STREAM, fd);
    for (unsigned message = 0; message < 8; message++) {
        for (unsigned i = 0; i < 31; i++) {
            for (unsigned j = 0; j < 8; j++)
                cap_foreign(AR_GATE, ISSUER_FILED);
            assert_int_equal(ASK(BADGE_ROOT, SOCK_STAGE, i == 0), ST_OK);
        }
        assert_int_equal(sk_send_extra(fd[0], "x", 1, 0, (struct send_extra){.staged = 248}), 1);
    }
    fd_close(fd[0]);
    fd_close(fd[1]);
    assert_int_equal(sockd_deadline(W.sockd), 0); /* world_end sees that all go */
}

static void a4_too_many_references(void **state)
{
    (void)state;
    long fd[2], one;
    pair_make(LX_SOCK_DGRAM, fd);
    one = fd[0];
    W.table[1].nofile = 20;
    for (unsigned i = 0; i < 21; i++)
        assert_int_equal(send_fds(fd[0], "x", 1, &one, 1), 1);
    assert_int_equal(send_fds(fd[0], "x", 1, &one, 1), -ST_TOOMANYREFS);
    W.as = ROOT;
    assert_int_equal(send_fds(fd[0], "x", 1, &one, 1), 1);
}

/* Those of a send that waits are in no message yet. */
static void a4_staged_are_not_in_flight(void **state)
{
    (void)state;
    long fd[2], full[2], many[30];
    pair_make(LX_SOCK_STREAM, fd);
    pair_make(LX_SOCK_STREAM, full);
    for (unsigned i = 0; i < 30; i++)
        many[i] = fd[0];
    W.table[1].nofile = 20;
    while (sk_send_size(full[0], 30000, LX_MSG_DONTWAIT) > 0)
        ;
    assert_int_equal(stage_own(many, 30), 30);
    assert_int_equal(sk_send_extra(full[0], "waits", 5, 0, (struct send_extra){.staged = 30}), -ST_WAIT);
    credentials_set(4, 104, 1000); /* another thread would do, but has no stage of its own here */
    W.as = PRINCIPAL(4, 4);
    W.table[4].nofile = 20;
    session_make(W.as);
    assert_int_equal(send_fds(fd[0], "x", 1, many, 1), 1);
    W.as = USER;
    while (sk_recv(full[1], 60000, LX_MSG_DONTWAIT) > 0)
        ;
    assert_int_equal(sk_send_extra(full[0], "waits", 5, SOCK_AGAIN, (struct send_extra){.staged = 30}), 5);
    W.as = PRINCIPAL(4, 4);
    assert_int_equal(send_fds(fd[0], "x", 1, many, 1), -ST_TOOMANYREFS);
    W.as = USER;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a3_never_read),
        TEST(a3_self_cycle),
        TEST(a3_long_cycle_with_a_file_in_it),
        TEST(a3_deep_chain_does_not_recurse),
        TEST(a3_only_circles_are_emptied),
        TEST(a3_a_listener_in_a_circle),
        TEST(a3_without_memory_all_are_emptied),
        TEST(a3_what_leaves_the_stage_may_be_lost),
        TEST(a3_reachable_ones_are_left_alone),
        TEST(a3_cycle_through_an_accept_queue),
        TEST(a3_staged_descriptors_are_reachable),
        TEST(a3_session_end_drops_stage_and_claim),
        TEST(many_slots_are_dropped_over_several_entries),
        TEST(a4_too_many_references),
        TEST(a4_staged_are_not_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
