/* sockd: descriptors in messages, checklist A1, A2, S5 (shared/AF_UNIX.md). SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
