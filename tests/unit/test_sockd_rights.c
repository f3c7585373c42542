/* sockd: ancillary data, checklist A1 to A6 (shared/AF_UNIX.md). SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

static long send_fds(long to, const void *data, size_t length, const long *fds, unsigned count)
{
    if (count <= AR_MSG_CAPS)
        return sk_send_extra(to, data, length, LX_MSG_DONTWAIT,
                             (struct send_extra){.fds = fds, .along = count});
    assert_int_equal(stage_own(fds, count), count);
    return sk_send_extra(to, data, length, LX_MSG_DONTWAIT, (struct send_extra){.staged = count});
}

static void a1_descriptor_arrives_with_its_bytes(void **state)
{
    (void)state;
    long fd[2], passed[2];
    pair_make(LX_SOCK_STREAM, fd);
    pair_make(LX_SOCK_STREAM, passed);
    assert_int_equal(send_fds(fd[0], "x", 1, passed, 1), 1);
    fd_close(passed[0]); /* it lives on, in flight */
    assert_int_equal(sk_send(passed[1], "deep", 4, 0), 4);
    assert_int_equal(sk_recv_rights(fd[1], 9, 0, 4), 1);
    assert_int_equal(RECV_RIGHTS, 1);
    assert_int_equal(W.got_count, 1);
    assert_true(W.got[0].own_gate);
    assert_int_equal(W.got[0].value, passed[0]); /* the same description */
    assert_int_equal(sk_recv(passed[0], 9, 0), 4);
}

static void a1_read_joins_before_and_stops_behind(void **state)
{
    (void)state;
    long fd[2], passed = sk(LX_SOCK_DGRAM);
    pair_make(LX_SOCK_STREAM, fd);
    sk_send(fd[0], "before", 6, 0);
    send_fds(fd[0], "with", 4, &passed, 1);
    sk_send(fd[0], "after", 5, 0);
    assert_int_equal(sk_recv_rights(fd[1], 99, 0, 4), 10);
    assert_int_equal(RECV_RIGHTS, 1);
    assert_int_equal(sk_recv_rights(fd[1], 99, 0, 4), 5);
    assert_int_equal(RECV_RIGHTS, 0);
}

static void a1_they_come_with_the_first_byte(void **state)
{
    (void)state;
    long fd[2], passed = sk(LX_SOCK_DGRAM);
    pair_make(LX_SOCK_STREAM, fd);
    send_fds(fd[0], "abc", 3, &passed, 1);
    assert_int_equal(sk_recv_rights(fd[1], 1, 0, 4), 1);
    assert_int_equal(RECV_RIGHTS, 1);
    assert_int_equal(sk_recv_rights(fd[1], 9, 0, 4), 2);
    assert_int_equal(RECV_RIGHTS, 0);
}

static void a1_plain_read_closes_them(void **state)
{
    (void)state;
    long fd[2], passed[2];
    pair_make(LX_SOCK_STREAM, fd);
    pair_make(LX_SOCK_STREAM, passed);
    send_fds(fd[0], "x", 1, passed, 1);
    fd_close(passed[0]);
    assert_int_equal(fd_read(fd[1], 9), 1);
    assert_int_equal(sk_recv(passed[1], 1, 0), 0); /* its peer is gone */
    assert_int_equal(counts_get().in_flight, 0);
}

static void a1_zero_length_sends(void **state)
{
    (void)state;
    long stream[2], packet[2], passed = sk(LX_SOCK_DGRAM);
    pair_make(LX_SOCK_STREAM, stream);
    pair_make(LX_SOCK_SEQPACKET, packet);
    assert_int_equal(send_fds(stream[0], "", 0, &passed, 1), 0);
    assert_int_equal(counts_get().in_flight, 0);
    assert_int_equal(send_fds(packet[0], "", 0, &passed, 1), 0);
    assert_int_equal(sk_recv_rights(packet[1], 9, 0, 4), 0);
    assert_int_equal(RECV_RIGHTS, 1);
}

static void a1_253_at_most(void **state)
{
    (void)state;
    long fd[2], many[253];
    pair_make(LX_SOCK_STREAM, fd);
    for (unsigned i = 0; i < 253; i++)
        many[i] = fd[i & 1];
    assert_int_equal(send_fds(fd[0], "x", 1, many, 253), 1);
    assert_int_equal(sk_recv_rights(fd[1], 1, 0, 253), 1);
    assert_int_equal(RECV_RIGHTS, 253);
    unsigned got = W.got_count;
    uint64_t left = 1;
    while (left) {
        assert_int_equal(ASK(BADGE_ROOT, SOCK_CLAIM, 0), ST_OK);
        left = REPLY(0);
        for (unsigned i = 0; i < W.got_count; i++, got++)
            assert_int_equal(W.got[i].value, fd[got & 1]);
    }
    assert_int_equal(got, 253);
    assert_int_equal(stage_own(many, 253), 253);
    cap_own((uint64_t)fd[0]);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_STAGE, 0), ST_TOOMANYREFS);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_STAGE, 1), ST_OK);
    assert_int_equal(REPLY(0), 0);
}

static void a1_foreign_descriptors(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    uint64_t file = cap_foreign(AR_GATE, ISSUER_FILED), tty = cap_foreign(AR_GATE, ISSUER_CONSOLED);
    cap_own((uint64_t)fd[0]);
    assert_int_equal(ASK((uint64_t)fd[0], SOCK_STAGE, 1), ST_OK);
    assert_int_equal(REPLY(0), 3);
    assert_int_equal(sk_send_extra(fd[0], "x", 1, 0, (struct send_extra){.staged = 3}), 1);
    assert_int_equal(sk_recv_rights(fd[1], 1, 0, 8), 1);
    assert_int_equal(W.got_count, 3);
    assert_true(!W.got[0].own_gate && W.got[0].move && W.got[0].value == file);
    assert_true(!W.got[1].own_gate && W.got[1].move && W.got[1].value == tty);
    assert_true(W.got[2].own_gate);
    assert_false(W.slot_used[file]);
}

static void home_made_server_is_refused(void **state)
{
    (void)state;
    const struct {
        enum ar_type type;
        uint64_t issuer;
    } bad[] = {{AR_GATE, ISSUER_NONE},
               {AR_GATE, 77},
               {AR_NOTIFICATION, ISSUER_FILED},
               {AR_FRAME, 0},
               {AR_TCB, 0}};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t good = cap_foreign(AR_GATE, ISSUER_FILED),
                 slot = cap_foreign(bad[i].type, bad[i].issuer);
        assert_int_equal(ASK(BADGE_ROOT, SOCK_STAGE, 1), ST_BADF);
        assert_false(W.slot_used[good]); /* nothing is staged, nothing kept */
        assert_false(W.slot_used[slot]);
    }
    cap_own(W.session_badge[1]);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_STAGE, 1), ST_BADF);
    cap_own(BADGE_ROOT);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_STAGE, 1), ST_BADF);
    assert_int_equal(counts_get().in_flight, 0);
}

/* What comes along with a send that fails is closed, and nothing of it stays anywhere. */
static void a_send_that_fails_keeps_nothing(void **state)
{
    (void)state;
    long fd[2], lonely = sk(LX_SOCK_STREAM);
    pair_make(LX_SOCK_STREAM, fd);
    uint64_t slot = cap_foreign(AR_GATE, ISSUER_FILED);
    assert_int_equal(send_fds(lonely, "x", 1, fd, 2), -ST_NOTCONN);
    assert_false(W.slot_used[slot]);
    sk_send_size(fd[0], 1 << 20, LX_MSG_DONTWAIT);
    slot = cap_foreign(AR_GATE, ISSUER_FILED);
    assert_int_equal(sk_send_extra(fd[0], "x", 1, 0, (struct send_extra){.fds = fd, .along = 2}),
                     -ST_WAIT);
    assert_false(W.slot_used[slot]);
    slot = cap_foreign(AR_GATE, 77);
    assert_int_equal(send_fds(fd[1], "x", 1, fd, 2), -ST_BADF);
    assert_false(W.slot_used[slot]);
    assert_int_equal(counts_get().in_flight, 0);
    /* more or fewer than the message says it has */
    for (unsigned i = 0; i < 5; i++)
        cap_own((uint64_t)fd[0]);
    assert_int_equal(ASK(fd[1], SOCK_SEND, 0, 0, 0, 3), ST_MESSAGE);
    cap_own((uint64_t)fd[0]);
    assert_int_equal(ASK(fd[1], SOCK_SEND, 0, 0, 0, 2), ST_MESSAGE);
    slot = cap_foreign(AR_GATE, ISSUER_FILED);
    assert_int_equal(ASK(fd[1], SOCK_SEND, 0, 0, 0, 0), ST_CONNREFUSED); /* no name */
    assert_false(W.slot_used[slot]);
}

static void descriptors_go_to_a_name(void **state)
{
    (void)state;
    long to = sk(LX_SOCK_DGRAM), from = sk(LX_SOCK_DGRAM), fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(sk_bind(to, "/tmp/rights"), 0);
    uint64_t gate = last_name_gate;
    assert_int_equal(sk_send_extra(from, "x", 1, 0,
                                   (struct send_extra){.to = "/tmp/rights", .gate = gate,
                                                       .fds = fd, .along = 2}),
                     1);
    assert_int_equal(sk_recv_rights(to, 1, 0, 8), 1);
    assert_int_equal(RECV_RIGHTS, 2);
    assert_int_equal(W.got[1].value, fd[1]);
    /* a descriptor in the gate's place is no name */
    assert_int_equal(sk_send_extra(from, "x", 1, 0,
                                   (struct send_extra){.to = "/tmp/rights", .fds = fd, .along = 2}),
                     -ST_CONNREFUSED);
    assert_int_equal(counts_get().in_flight, 0);
}

static void stage_counts_must_agree(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(stage_own(fd, 2), 2);
    assert_int_equal(sk_send_extra(fd[0], "x", 1, 0, (struct send_extra){.staged = 1}),
                     -ST_MESSAGE);
    assert_int_equal(sk_send_extra(fd[0], "x", 1, 0, (struct send_extra){.staged = 2}),
                     -ST_MESSAGE);
    /* a left-over stage does not go with the next plain send */
    assert_int_equal(stage_own(fd, 2), 2);
    assert_int_equal(sk_send(fd[0], "x", 1, 0), 1);
    assert_int_equal(sk_recv_rights(fd[1], 1, 0, 8), 1);
    assert_int_equal(RECV_RIGHTS, 0);
}

static void stage_is_the_threads_own(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(stage_own(fd, 2), 2);
    W.as = OTHER;
    assert_int_equal(sk_send_extra(fd[0], "x", 1, 0, (struct send_extra){.staged = 2}),
                     -ST_MESSAGE);
    W.as = PRINCIPAL(1, 77); /* no session */
    assert_int_equal(sk_send_extra(fd[0], "x", 1, 0, (struct send_extra){.staged = 2}),
                     -ST_SESSION);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_STAGE, 1), ST_SESSION);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_CLAIM, 1), ST_SESSION);
}

static void stage_survives_waiting(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    sk_send_size(fd[0], 1 << 20, LX_MSG_DONTWAIT);
    assert_int_equal(stage_own(fd, 1), 1);
    assert_int_equal(sk_send_extra(fd[0], "x", 1, 0, (struct send_extra){.staged = 1}), -ST_WAIT);
    sk_recv(fd[1], 1 << 20, 0);
    assert_int_equal(sk_send_extra(fd[0], "x", 1, 0, (struct send_extra){.staged = 1}), 1);
    assert_int_equal(sk_recv_rights(fd[1], 1, 0, 8), 1);
    assert_int_equal(RECV_RIGHTS, 1);
}

static void a2_short_control_buffer(void **state)
{
    (void)state;
    long fd[2], passed[4];
    pair_make(LX_SOCK_SEQPACKET, fd);
    pair_make(LX_SOCK_STREAM, passed);
    pair_make(LX_SOCK_STREAM, passed + 2);
    send_fds(fd[0], "x", 1, passed, 4);
    fd_close(passed[3]);
    assert_int_equal(sk_recv_rights(fd[1], 9, 0, 2), 1);
    assert_int_equal(RECV_RIGHTS, 2);
    assert_int_equal(RECV_FLAGS, LX_MSG_CTRUNC);
    assert_int_equal(W.got_count, 2);
    assert_int_equal(sk_recv(passed[2], 1, 0), 0); /* the rest was closed */
}

static void a2_claims_end_with_the_next_receive(void **state)
{
    (void)state;
    long fd[2], many[20];
    pair_make(LX_SOCK_SEQPACKET, fd);
    for (unsigned i = 0; i < 20; i++)
        many[i] = fd[0];
    send_fds(fd[0], "x", 1, many, 20);
    sk_send(fd[0], "y", 1, 0);
    assert_int_equal(sk_recv_rights(fd[1], 9, 0, 20), 1);
    assert_int_equal(sk_recv_rights(fd[1], 9, 0, 20), 1);
    assert_int_equal(counts_get().in_flight, 0);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_CLAIM, 0), ST_OK);
    assert_int_equal(W.got_count, 0);
}

static void s5_peek_duplicates_descriptors(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    uint64_t slots[12];
    for (unsigned i = 0; i < 12; i += 4) {
        for (unsigned j = 0; j < 4; j++)
            slots[i + j] = cap_foreign(AR_GATE, ISSUER_FILED);
        assert_int_equal(ASK(BADGE_ROOT, SOCK_STAGE, i == 0), ST_OK);
    }
    assert_int_equal(sk_send_extra(fd[0], "x", 1, 0, (struct send_extra){.staged = 12}), 1);
    assert_int_equal(sk_recv_rights(fd[1], 9, LX_MSG_PEEK, 12), 1);
    assert_int_equal(W.got_count, 8);
    assert_false(W.got[0].move);
    W.as = OTHER; /* somebody else reads the message while the peek's claim waits */
    assert_int_equal(sk_recv_rights(fd[1], 9, 0, 8), 1);
    assert_int_equal(W.got_count, 8);
    assert_false(W.got[0].move);
    W.as = USER;
    assert_int_equal(ASK(BADGE_ROOT, SOCK_CLAIM, 0), ST_OK);
    assert_int_equal(W.got_count, 4);
    assert_true(W.got[3].move && W.got[3].value == slots[11]);
    for (unsigned i = 0; i < 12; i++)
        assert_false(W.slot_used[slots[i]]);
}

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

struct ucred_words {
    int32_t pid;
    uint32_t uid, gid;
};

static struct ucred_words peer_credentials(long fd)
{
    struct ucred_words words;
    assert_int_equal(sk_get(fd, LX_SO_PEERCRED) >= 0, 1);
    memcpy(&words, W.out, sizeof(words));
    return words;
}

static void a5_peer_credentials(void **state)
{
    (void)state;
    long server = sk(LX_SOCK_STREAM), client;
    W.as = ROOT;
    assert_int_equal(sk_bind(server, "@s"), 0);
    assert_int_equal(sk_listen(server, 5), 0);
    W.as = USER;
    W.table[1].euid = 7;
    client = sk(LX_SOCK_STREAM);
    assert_int_equal(peer_credentials(client).uid, UINT32_MAX);
    assert_int_equal(peer_credentials(client).pid, 0);
    assert_int_equal(sk_connect(client, "@s", 0), 0);
    W.table[1].euid = 9; /* setuid afterwards changes nothing */
    W.as = ROOT;
    long peer = sk_accept(server);
    assert_int_equal(peer_credentials(peer).uid, 7);
    assert_int_equal(peer_credentials(peer).pid, 101);
    assert_int_equal(peer_credentials(client).uid, 0);
    assert_int_equal(peer_credentials(client).pid, 102);
    long fd[2];
    pair_make(LX_SOCK_DGRAM, fd);
    assert_int_equal(peer_credentials(fd[1]).pid, 102);
}

static void a6_nothing_unless_asked_for(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    sk_send(fd[0], "x", 1, 0);
    assert_int_equal(sk_recv(fd[1], 9, 0), 1);
    assert_int_equal(RECV_CREDENTIALS, 0);
}

static void a6_implicit_credentials_are_real_ids(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_DGRAM, fd);
    sk_send(fd[0], "early", 5, 0);
    assert_int_equal(sk_set(fd[1], LX_SO_PASSCRED, 1), 0);
    W.table[1].euid = 7;
    sk_send(fd[0], "late", 4, 0);
    assert_int_equal(sk_recv(fd[1], 9, 0), 5);
    assert_int_equal(RECV_CREDENTIALS, SOCK_WITH_CREDENTIALS);
    assert_int_equal(RECV_PID, 0);
    assert_int_equal(RECV_UID, 65534);
    assert_int_equal(RECV_GID, 65534);
    assert_int_equal(sk_recv(fd[1], 9, 0), 4);
    assert_int_equal(RECV_PID, 101);
    assert_int_equal(RECV_UID, 1000);
}

static long send_as(long fd, uint64_t pid, uint64_t uid, uint64_t gid)
{
    return sk_send_extra(fd, "x", 1, LX_MSG_DONTWAIT,
                         (struct send_extra){.credentials = 1, .pid = pid, .uid = uid, .gid = gid});
}

static void a6_explicit_credentials(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_DGRAM, fd);
    sk_set(fd[1], LX_SO_PASSCRED, 1);
    W.table[1].suid = 55;
    assert_int_equal(send_as(fd[0], 101, 1000, 1000), 1);
    assert_int_equal(send_as(fd[0], 101, 55, 1000), 1);
    assert_int_equal(send_as(fd[0], 101, 0, 1000), -ST_PERM);
    assert_int_equal(send_as(fd[0], 101, 1000, 0), -ST_PERM);
    assert_int_equal(send_as(fd[0], 102, 1000, 1000), -ST_PERM);
    assert_int_equal(send_as(fd[0], 101, UINT32_MAX, 1000), -ST_INVAL);
    W.as = ROOT;
    assert_int_equal(send_as(fd[0], 103, 42, 43), 1);
    assert_int_equal(send_as(fd[0], 4242, 0, 0), -ST_SRCH);
    assert_int_equal(send_as(fd[0], 0, 0, 0), -ST_SRCH);
    sk_recv(fd[1], 9, 0);
    assert_int_equal(sk_recv(fd[1], 9, 0), 1);
    assert_int_equal(RECV_UID, 55);
    assert_int_equal(sk_recv(fd[1], 9, 0), 1);
    assert_int_equal(RECV_PID, 103);
    assert_int_equal(RECV_UID, 42);
    assert_int_equal(RECV_GID, 43);
}

static void a6_writers_are_never_joined(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    sk_set(fd[1], LX_SO_PASSCRED, 1);
    sk_send(fd[0], "aa", 2, 0);
    sk_send(fd[0], "bb", 2, 0);
    W.as = ROOT;
    sk_send(fd[0], "cc", 2, 0);
    assert_int_equal(sk_recv(fd[1], 99, 0), 4);
    assert_int_equal(RECV_PID, 101);
    assert_int_equal(sk_recv(fd[1], 99, LX_MSG_PEEK), 2);
    assert_int_equal(sk_recv(fd[1], 99, 0), 2);
    assert_int_equal(RECV_PID, 102);
}

static void a6_passcred_autobinds(void **state)
{
    (void)state;
    long server = sk(LX_SOCK_STREAM), client = sk(LX_SOCK_STREAM), datagram = sk(LX_SOCK_DGRAM);
    assert_int_equal(sk_bind(server, "@s"), 0);
    assert_int_equal(sk_listen(server, 5), 0);
    sk_set(client, LX_SO_PASSCRED, 1);
    assert_int_equal(sk_connect(client, "@s", 0), 0);
    assert_true(sk_accept(server) > 0);
    assert_int_equal(REPLY(0), 8);
    sk_set(datagram, LX_SO_PASSCRED, 1);
    assert_int_equal(sk_send_extra(datagram, "x", 1, 0, (struct send_extra){.to = "@nobody"}),
                     -ST_CONNREFUSED);
    memory_reset();
    W.out_size = 128;
    assert_int_equal(ASK(datagram, SOCK_GET_NAME, 0), ST_OK);
    assert_int_equal(REPLY(0), 8);
}

static void a6_identity_for_pidfds(void **state)
{
    (void)state;
    long fd[2];
    W.table[1].serial = 77;
    W.table[2].serial = 78;
    pair_make(LX_SOCK_STREAM, fd);
    memory_reset();
    W.out_size = 8;
    assert_int_equal(ASK(fd[0], SOCK_GET_OPTION, LX_SOL_SOCKET, LX_SO_PEERPIDFD, 8), ST_OK);
    uint32_t peer[2];
    memcpy(peer, W.out, sizeof(peer));
    assert_int_equal(peer[0], 101);
    assert_int_equal(peer[1], 77);
    sk_send(fd[0], "a", 1, 0);
    assert_int_equal(sk_set(fd[1], LX_SO_PASSPIDFD, 5), 0);
    assert_int_equal(sk_get(fd[1], LX_SO_PASSPIDFD), 1);
    assert_int_equal(sk_get(fd[1], LX_SO_PASSCRED), 0);
    sk_send(fd[0], "b", 1, 0);
    W.as = ROOT;
    sk_send(fd[0], "c", 1, 0);
    assert_int_equal(sk_recv(fd[1], 9, 0), 1);
    assert_int_equal(RECV_CREDENTIALS, SOCK_WITH_PIDFD);
    assert_int_equal(RECV_PID, 0); /* sent before it was asked for */
    assert_int_equal(sk_recv(fd[1], 9, 0), 1); /* never two writers in one read */
    assert_int_equal(RECV_PID, 101 | 77ull << 32);
    assert_int_equal(sk_set(fd[1], LX_SO_PASSCRED, 1), 0);
    assert_int_equal(sk_recv(fd[1], 9, 0), 1);
    assert_int_equal(RECV_CREDENTIALS, SOCK_WITH_PIDFD | SOCK_WITH_CREDENTIALS);
    assert_int_equal(RECV_PID, 102 | 78ull << 32);
    /* the same pid again is another process, and its sockets say so */
    W.as = USER;
    W.table[1].serial = 79;
    pair_make(LX_SOCK_STREAM, fd);
    memory_reset();
    W.out_size = 8;
    assert_int_equal(ASK(fd[0], SOCK_GET_OPTION, LX_SOL_SOCKET, LX_SO_PEERPIDFD, 8), ST_OK);
    memcpy(peer, W.out, sizeof(peer));
    assert_int_equal(peer[1], 79);
    long lonely = sk(LX_SOCK_DGRAM);
    assert_int_equal(sk_get(lonely, LX_SO_PEERPIDFD), -ST_NODATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a1_descriptor_arrives_with_its_bytes),
        TEST(a1_read_joins_before_and_stops_behind),
        TEST(a1_they_come_with_the_first_byte),
        TEST(a1_plain_read_closes_them),
        TEST(a1_zero_length_sends),
        TEST(a1_253_at_most),
        TEST(a1_foreign_descriptors),
        TEST(home_made_server_is_refused),
        TEST(a_send_that_fails_keeps_nothing),
        TEST(descriptors_go_to_a_name),
        TEST(stage_counts_must_agree),
        TEST(stage_is_the_threads_own),
        TEST(stage_survives_waiting),
        TEST(a2_short_control_buffer),
        TEST(a2_claims_end_with_the_next_receive),
        TEST(s5_peek_duplicates_descriptors),
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
        TEST(a5_peer_credentials),
        TEST(a6_nothing_unless_asked_for),
        TEST(a6_implicit_credentials_are_real_ids),
        TEST(a6_explicit_credentials),
        TEST(a6_writers_are_never_joined),
        TEST(a6_identity_for_pidfds),
        TEST(a6_passcred_autobinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
