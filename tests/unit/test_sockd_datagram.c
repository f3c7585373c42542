/* sockd: SOCK_DGRAM and SOCK_SEQPACKET, checklist C6, S2 to S6 (shared/AF_UNIX.md).
 * SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

static long bound(const char *name)
{
    long fd = sk(LX_SOCK_DGRAM);
    assert_int_equal(sk_bind(fd, name), 0);
    return fd;
}

static long send_to(long fd, const char *name, const char *text)
{
    return sk_send_extra(fd, text, strlen(text), LX_MSG_DONTWAIT, (struct send_extra){.to = name});
}

static long disconnect(long fd)
{
    memory_reset();
    memset(W.in, 0, 2);
    W.in_size = 2;
    return -(long)ASK((uint64_t)fd, SOCK_CONNECT, 2);
}

static void c6_connect_filters_senders(void **state)
{
    (void)state;
    long a = bound("@a"), b = bound("@b"), c = bound("@c");
    assert_int_equal(sk_connect(a, "@b", 0), 0);
    assert_int_equal(send_to(c, "@a", "x"), -ST_PERM);
    assert_int_equal(send_to(b, "@a", "x"), 1);
    assert_int_equal(sk_connect(c, "@a", 0), -ST_PERM);
}

static void c6_unspecified_disconnects(void **state)
{
    (void)state;
    long a = bound("@a");
    bound("@b");
    assert_int_equal(sk_connect(a, "@b", 0), 0);
    assert_int_equal(sk_send(a, "x", 1, 0), 1);
    assert_int_equal(disconnect(a), 0);
    assert_int_equal(sk_send(a, "x", 1, 0), -ST_NOTCONN);
}

/* What Linux found out before it waited for memory counts afterwards: to whom, and under which name. */
static void c6_a_send_that_waits_for_memory_keeps_its_destination(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_DGRAM, fd);
    assert_int_equal(sk_send_size(fd[0], 108703, 0), 108703);
    assert_int_equal(sk_send_size(fd[0], 108703, 0), 108703);
    assert_int_equal(sk_send(fd[0], "waits", 5, 0), -ST_WAIT);
    woken(USER);
    assert_int_equal(disconnect(fd[0]), 0);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(sk_send(fd[0], "waits", 5, SOCK_AGAIN), -ST_WAIT);
    assert_int_equal(sk_set(fd[0], LX_SO_PASSCRED, 1), 0);
    assert_int_equal(sk_recv(fd[1], 9, 0), 9);
    assert_int_equal(sk_send(fd[0], "waits", 5, SOCK_AGAIN), 5);
    assert_int_equal(sk_recv(fd[1], 9, 0), 9);
    assert_int_equal(sk_recv(fd[1], 9, 0), 5);
    assert_int_equal(RECV_ADDRESS, 0); /* it had none when it began, so none was made up */
    assert_int_equal(sk_send(fd[0], "x", 1, SOCK_AGAIN), -ST_NOTCONN); /* that was all */
    assert_int_equal(sk_send(fd[0], "x", 1, 0), -ST_NOTCONN);
}

/* The memory of one that waits for room counts, and comes back with the call, and with its thread. */
static void c6_a_send_that_waits_for_room_has_its_memory(void **state)
{
    (void)state;
    long a = bound("@a"), sender = sk(LX_SOCK_DGRAM);
    struct send_extra to = {.to = "@a"};
    for (unsigned i = 0; i < 11; i++)
        assert_int_equal(send_to(sender, "@a", "x"), 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(fd_poll(sender) & LX_POLLOUT);
        assert_int_equal(sk_send_extra(sender, NULL, 60000, 0, to), -ST_WAIT);
        assert_false(fd_poll(sender) & LX_POLLOUT);
        assert_int_equal(fd_poll_arm(sender, LX_POLLOUT, true), 0);
        woken(USER);
        assert_int_equal(ASK0(BADGE_ROOT, SOCK_CANCEL), ST_OK); /* a signal */
        assert_int_equal(woken(USER), 1);
        assert_int_equal(fd_ioctl(sender, LX_TIOCOUTQ), 11 * 768);
    }
    assert_int_equal(sk_send_extra(sender, NULL, 60000, 0, to), -ST_WAIT);
    assert_int_equal(sk_send_extra(sender, NULL, 60000, SOCK_AGAIN, to), -ST_WAIT);
    assert_true(fd_ioctl(sender, LX_TIOCOUTQ) < 11 * 768 + 70000);
    fd_close(sender); /* before the session: the memory is the socket's no more */
    fd_close(a);
}

static void c6_a_send_that_waits_for_room_keeps_its_destination(void **state)
{
    (void)state;
    long a = bound("@a"), c = bound("@c"), sender = sk(LX_SOCK_DGRAM);
    assert_int_equal(sk_connect(sender, "@a", 0), 0);
    for (unsigned i = 0; i < 11; i++)
        assert_int_equal(sk_send(sender, "x", 1, 0), 1);
    assert_int_equal(sk_send(sender, "waits", 5, 0), -ST_WAIT);
    assert_int_equal(fd_ioctl(sender, LX_TIOCOUTQ), 12 * 768); /* it has its memory */
    assert_int_equal(sk_connect(sender, "@c", 0), 0);
    assert_int_equal(sk_shutdown(sender, 1), 0); /* too late */
    assert_int_equal(sk_recv(a, 9, 0), 1);
    assert_int_equal(sk_send(sender, "waits", 5, SOCK_AGAIN), 5);
    assert_int_equal(fd_ioctl(sender, LX_TIOCOUTQ), 11 * 768);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(sk_recv(a, 9, 0), 1);
    assert_int_equal(sk_recv(a, 9, 0), 5);
    assert_int_equal(sk_recv(c, 9, LX_MSG_DONTWAIT), -ST_AGAIN);
}

static void c6_a_send_that_waits_outlives_its_destination(void **state)
{
    (void)state;
    long a = bound("@a"), sender = sk(LX_SOCK_DGRAM);
    bound("@c");
    assert_int_equal(sk_connect(sender, "@a", 0), 0);
    for (unsigned i = 0; i < 11; i++)
        assert_int_equal(sk_send(sender, "x", 1, 0), 1);
    assert_int_equal(sk_send(sender, "waits", 5, 0), -ST_WAIT);
    assert_int_equal(sk_connect(sender, "@c", 0), 0);
    fd_close(a);
    assert_int_equal(sk_send(sender, "waits", 5, SOCK_AGAIN), -ST_CONNRESET);
    assert_int_equal(sk_send(sender, "x", 1, 0), 1);
    struct send_extra to = {.to = "@a"};
    a = bound("@a");
    while (send_to(sender, "@a", "x") == 1)
        ;
    assert_int_equal(sk_send_extra(sender, "waits", 5, 0, to), -ST_WAIT);
    fd_close(a);
    a = bound("@a"); /* by an address it is looked for again */
    assert_int_equal(sk_send_extra(sender, "waits", 5, SOCK_AGAIN, to), 5);
    assert_int_equal(sk_recv(a, 9, 0), 5);
    for (unsigned i = 0; i < 11; i++)
        assert_int_equal(send_to(sender, "@a", "x"), 1);
    assert_int_equal(sk_send_extra(sender, "waits", 5, 0, to), -ST_WAIT);
    fd_close(a);
    assert_int_equal(sk_send_extra(sender, "waits", 5, SOCK_AGAIN, to), -ST_CONNREFUSED);
}

/* On Linux whoever looks wakes those who wait for room; only what changed meanwhile can be seen. */
static void c6_a_peek_wakes_who_waits_for_room(void **state)
{
    (void)state;
    long a = bound("@a"), sender = sk(LX_SOCK_DGRAM);
    while (send_to(sender, "@a", "x") == 1)
        ;
    struct send_extra to = {.to = "@a"};
    assert_int_equal(sk_send_extra(sender, "x", 1, 0, to), -ST_WAIT);
    assert_int_equal(sk_connect(a, "@a", 0), 0);
    assert_int_equal(woken(USER), 0);
    assert_int_equal(sk_recv(a, 9, LX_MSG_PEEK), 1);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(sk_send_extra(sender, "x", 1, SOCK_AGAIN, to), -ST_PERM);
}

static void c6_reconnecting_wakes_writers(void **state)
{
    (void)state;
    long a = bound("@a");
    assert_int_equal(sk_connect(a, "@a", 0), 0);
    while (sk_send(a, "x", 1, LX_MSG_DONTWAIT) == 1)
        ;
    assert_int_equal(fd_poll_arm(a, LX_POLLOUT, true), 0);
    assert_int_equal(sk_connect(a, "@a", 0), 0); /* to the same one */
    assert_int_equal(woken(USER), 1);
}

static void c6_reconnecting_purges_and_resets(void **state)
{
    (void)state;
    long a = bound("@a"), b = bound("@b");
    bound("@c");
    assert_int_equal(sk_connect(a, "@b", 0), 0);
    assert_int_equal(sk_connect(b, "@a", 0), 0);
    assert_int_equal(sk_send(b, "lost", 4, 0), 4);
    assert_int_equal(sk_connect(a, "@c", 0), 0);
    assert_int_equal(sk_recv(a, 9, LX_MSG_DONTWAIT), -ST_AGAIN);
    assert_int_equal(sk_get(b, LX_SO_ERROR), ST_CONNRESET);
    assert_int_equal(sk_get(b, LX_SO_ERROR), 0);
    assert_int_equal(sk_send(b, "x", 1, 0), -ST_PERM);
}

static void c6_queue_holds_eleven(void **state)
{
    (void)state;
    long a = bound("@a"), sender = sk(LX_SOCK_DGRAM);
    unsigned sent = 0;
    while (send_to(sender, "@a", "x") == 1)
        sent++;
    assert_int_equal(sent, 11);
    assert_int_equal(send_to(sender, "@a", "x"), -ST_AGAIN);
    assert_true(fd_poll(sender) & LX_POLLOUT); /* only a connected sender loses it */
    assert_int_equal(sk_send_extra(sender, "x", 1, 0, (struct send_extra){.to = "@a"}), -ST_WAIT);
    assert_int_equal(sk_recv(a, 9, 0), 1);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(send_to(sender, "@a", "x"), 1);
}

static void c6_connected_sender_loses_pollout(void **state)
{
    (void)state;
    long a = bound("@a"), sender = sk(LX_SOCK_DGRAM);
    assert_int_equal(sk_connect(sender, "@a", 0), 0);
    while (sk_send(sender, "x", 1, LX_MSG_DONTWAIT) == 1)
        ;
    assert_false(fd_poll(sender) & LX_POLLOUT);
    assert_int_equal(fd_poll_arm(sender, LX_POLLOUT, true), 0);
    assert_int_equal(sk_recv(a, 9, 0), 1);
    assert_true(woken(USER) >= 1);
    assert_true(fd_poll(sender) & LX_POLLOUT);
}

static void c6_no_count_limit_between_connected(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_DGRAM, fd);
    unsigned sent = 0;
    while (sk_send(fd[0], "x", 1, LX_MSG_DONTWAIT) == 1)
        sent++;
    assert_int_equal(sent, 278);
}

static void c6_self_connected(void **state)
{
    (void)state;
    long a = bound("@a");
    assert_int_equal(sk_connect(a, "@a", 0), 0);
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(sk_send(a, "x", 1, LX_MSG_DONTWAIT), 1);
    assert_int_equal(sk_recv(a, 9, 0), 1);
}

static void dgram_by_pathname(void **state)
{
    (void)state;
    long a = bound("/dev/log"), sender = sk(LX_SOCK_DGRAM);
    uint64_t gate = last_name_gate;
    struct send_extra to = {.to = "/dev/log", .gate = gate};
    assert_int_equal(sk_send_extra(sender, "hello", 5, 0, to), 5);
    assert_int_equal(sk_recv(a, 99, 0), 5);
    assert_int_equal(RECV_ADDRESS, 0); /* an unnamed sender */
    assert_int_equal(sk_bind(sender, "@me"), 0);
    assert_int_equal(sk_send_extra(sender, "hello", 5, 0, to), 5);
    assert_int_equal(sk_recv(a, 99, 0), 5);
    assert_int_equal(RECV_ADDRESS, 5);
    assert_memory_equal(W.out + 99, "\1\0\0me", 5);
    long stream = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_connect(stream, "/dev/log", gate), -ST_PROTOTYPE);
}

static void s2_seqpacket_messages_of_a_thousand(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_SEQPACKET, fd);
    unsigned sent = 0;
    while (sk_send_size(fd[0], 1000, LX_MSG_DONTWAIT) == 1000)
        sent++;
    assert_int_equal(sent, 93);
}

static void s3_seqpacket_peer_closed(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_SEQPACKET, fd);
    sk_send(fd[0], "one", 3, 0);
    fd_close(fd[0]);
    assert_int_equal(sk_recv(fd[1], 9, 0), 3);
    assert_int_equal(sk_recv(fd[1], 9, 0), 0);
    assert_int_equal(sk_recv(fd[1], 9, LX_MSG_DONTWAIT), 0);
}

static void s4_seqpacket_reset_then_pipe(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_SEQPACKET, fd);
    sk_send(fd[1], "unread", 6, 0);
    fd_close(fd[0]);
    assert_int_equal(sk_send(fd[1], "x", 1, 0), -ST_CONNRESET);
    assert_int_equal(sk_send(fd[1], "x", 1, 0), -ST_PIPE);
}

static void s4_dgram_refused_then_not_connected(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_DGRAM, fd);
    fd_close(fd[0]);
    assert_int_equal(sk_send(fd[1], "x", 1, 0), -ST_CONNREFUSED);
    assert_int_equal(sk_send(fd[1], "x", 1, 0), -ST_NOTCONN);
}

static void s4_shut_down_receiver(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_DGRAM, fd);
    assert_int_equal(sk_shutdown(fd[0], 0), 0);
    assert_int_equal(sk_send(fd[1], "x", 1, 0), -ST_PIPE);
    assert_int_equal(sk_recv(fd[0], 1, 0), 0);
    assert_int_equal(sk_recv(fd[0], 1, LX_MSG_DONTWAIT), -ST_AGAIN);
}

/* Who waits for room there hears of it when there is room, as in Linux. */
static void s4_shut_down_receiver_wakes_no_sender(void **state)
{
    (void)state;
    long a = bound("@a"), sender = sk(LX_SOCK_DGRAM);
    bound("@c");
    for (unsigned i = 0; i < 11; i++)
        assert_int_equal(send_to(sender, "@a", "x"), 1);
    assert_int_equal(sk_send_extra(sender, "x", 1, 0, (struct send_extra){.to = "@a"}), -ST_WAIT);
    assert_int_equal(sk_connect(a, "@c", 0), 0); /* from now on the sender may not */
    assert_int_equal(sk_shutdown(a, 2), 0);
    assert_int_equal(woken(USER), 0);
    assert_int_equal(sk_recv(a, 1, 0), 1);
    assert_int_equal(woken(USER), 1);
}

static void s5_peek_offset_passes_over_messages(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_DGRAM, fd);
    assert_int_equal(sk_set(fd[1], LX_SO_PEEK_OFF, 3), 0);
    sk_send(fd[0], "abc", 3, 0);
    sk_send(fd[0], "defg", 4, 0);
    assert_int_equal(sk_recv(fd[1], 9, LX_MSG_PEEK), 4);
    assert_memory_equal(W.out, "defg", 4);
}

static void s6_boundaries_and_truncation(void **state)
{
    (void)state;
    const int types[] = {LX_SOCK_DGRAM, LX_SOCK_SEQPACKET};
    for (unsigned i = 0; i < 2; i++) {
        long fd[2];
        pair_make(types[i], fd);
        assert_int_equal(sk_send(fd[0], "first", 5, 0), 5);
        assert_int_equal(sk_send(fd[0], "", 0, 0), 0);
        assert_int_equal(sk_send(fd[0], "second", 6, 0), 6);
        assert_int_equal(sk_recv(fd[1], 3, LX_MSG_PEEK), 3);
        assert_int_equal(sk_recv(fd[1], 3, LX_MSG_TRUNC), 3);
        assert_int_equal(RECV_FULL, 5);
        assert_int_equal(RECV_FLAGS, LX_MSG_TRUNC);
        assert_true(fd_poll(fd[1]) & LX_POLLIN);
        assert_int_equal(sk_recv(fd[1], 9, 0), 0);
        assert_int_equal(sk_recv(fd[1], 9, 0), 6);
        assert_int_equal(RECV_FLAGS, 0);
    }
}

static void s6_message_size_limit(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_SEQPACKET, fd);
    assert_int_equal(sk_send_size(fd[0], 212992 - 32, 0), 212960);
    assert_int_equal(sk_recv(fd[1], 300000, 0), 212960);
    assert_int_equal(sk_send_size(fd[0], 212992 - 31, 0), -ST_MSGSIZE);
    /* Nor does one say that it has waited, if it has not. */
    assert_int_equal(sk_send_size(fd[0], 212992 - 31, SOCK_AGAIN), -ST_MSGSIZE);
}

static void s7_fault_changes_nothing(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_DGRAM, fd);
    sk_send(fd[0], "message", 7, 0);
    memory_reset();
    W.out_size = 200;
    W.out_bad = 3;
    assert_int_equal(ASK(fd[1], SOCK_RECEIVE, 0, 50, 0, 0), ST_FAULT);
    assert_int_equal(sk_recv(fd[1], 50, 0), 7);
    memory_reset();
    W.in_size = 10;
    assert_int_equal(ASK(fd[0], SOCK_SEND, 0, 11, 0, 0), ST_FAULT);
    assert_int_equal(fd_ioctl(fd[0], LX_TIOCOUTQ), 0);
}

static void sender_gone_before_its_message_is_read(void **state)
{
    (void)state;
    long a = bound("@a"), sender = bound("@sender");
    assert_int_equal(send_to(sender, "@a", "x"), 1);
    fd_close(sender);
    long again = bound("@sender"); /* the name is free at once */
    assert_int_equal(sk_recv(a, 9, 0), 1);
    assert_int_equal(RECV_ADDRESS, 9);
    assert_int_equal(fd_ioctl(a, LX_FIONREAD), 0);
    fd_close(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(c6_connect_filters_senders),
        TEST(c6_unspecified_disconnects),
        TEST(c6_a_send_that_waits_for_memory_keeps_its_destination),
        TEST(c6_a_send_that_waits_for_room_has_its_memory),
        TEST(c6_a_send_that_waits_for_room_keeps_its_destination),
        TEST(c6_a_send_that_waits_outlives_its_destination),
        TEST(c6_a_peek_wakes_who_waits_for_room),
        TEST(c6_reconnecting_wakes_writers),
        TEST(c6_reconnecting_purges_and_resets),
        TEST(c6_queue_holds_eleven),
        TEST(c6_connected_sender_loses_pollout),
        TEST(c6_no_count_limit_between_connected),
        TEST(c6_self_connected),
        TEST(dgram_by_pathname),
        TEST(s2_seqpacket_messages_of_a_thousand),
        TEST(s3_seqpacket_peer_closed),
        TEST(s4_seqpacket_reset_then_pipe),
        TEST(s4_dgram_refused_then_not_connected),
        TEST(s4_shut_down_receiver),
        TEST(s4_shut_down_receiver_wakes_no_sender),
        TEST(s5_peek_offset_passes_over_messages),
        TEST(s6_boundaries_and_truncation),
        TEST(s6_message_size_limit),
        TEST(s7_fault_changes_nothing),
        TEST(sender_gone_before_its_message_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
