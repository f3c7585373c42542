/* sockd: out-of-band data, checklist S5, and S7's lost messages (shared/AF_UNIX.md). What each line
 * expects was asked of Linux 6.12; tests/boot/programs/posix_oob.c compares at length.
 * SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

static long a, b; /* a sends, b receives */

static int pair_setup(void **state)
{
    long fd[2];
    setup(state);
    pair_make(LX_SOCK_STREAM, fd);
    a = fd[0];
    b = fd[1];
    return 0;
}

static void say(const char *text)
{
    assert_int_equal(sk_send(a, text, strlen(text), 0), strlen(text));
}

static void shout(const char *text)
{
    assert_int_equal(sk_send(a, text, strlen(text), LX_MSG_OOB), strlen(text));
}

static void expect(const char *text, size_t room, uint64_t flags)
{
    assert_int_equal(sk_recv(b, room, flags), strlen(text));
    assert_memory_equal(W.out, text, strlen(text));
    assert_int_equal(RECV_FLAGS, flags & LX_MSG_OOB);
}

#define POLL_MARK (LX_POLLIN | LX_POLLRDNORM | LX_POLLPRI)
static void expect_state(bool mark, long unread, uint32_t readable)
{
    assert_int_equal(fd_ioctl(b, LX_SIOCATMARK), mark);
    assert_int_equal(fd_ioctl(b, LX_FIONREAD), unread);
    assert_int_equal(fd_poll(b) & POLL_MARK, readable);
}
#define READABLE (LX_POLLIN | LX_POLLRDNORM)

static void s5_oob_a_read_ends_before_the_mark(void **state)
{
    (void)state;
    shout("hello!");
    say("after");
    expect_state(false, 11, POLL_MARK);
    assert_int_equal(fd_ioctl(a, LX_TIOCOUTQ), 3 * 768);
    expect("hello", 99, 0);
    expect_state(true, 6, POLL_MARK);
    expect("!", 9, LX_MSG_OOB | LX_MSG_PEEK);
    expect("!", 9, LX_MSG_OOB);
    expect_state(true, 5, READABLE);
    assert_int_equal(sk_recv(b, 9, LX_MSG_OOB), -ST_INVAL);
    expect("after", 99, 0);
    expect_state(false, 0, 0);
}

static void s5_oob_passed_over_is_lost(void **state)
{
    (void)state;
    shout("x");
    assert_int_equal(sk_recv(b, 9, LX_MSG_DONTWAIT), -ST_AGAIN);
    expect_state(false, 0, 0);
    assert_int_equal(fd_ioctl(a, LX_TIOCOUTQ), 0);
    shout("x");
    say("yz");
    expect("yz", 9, LX_MSG_PEEK);
    expect("x", 9, LX_MSG_OOB | LX_MSG_PEEK);
    expect("yz", 9, 0);
    assert_int_equal(sk_recv(b, 9, LX_MSG_OOB), -ST_INVAL);
}

static void s5_oob_a_hole_stays_until_a_read_starts_there(void **state)
{
    (void)state;
    shout("ab");
    say("cd");
    expect("b", 1, LX_MSG_OOB);
    expect_state(false, 3, READABLE);
    expect("a", 9, 0); /* the hole ends the read as the mark did */
    expect_state(true, 2, READABLE);
    expect("cd", 9, 0);
    shout("x");
    expect("x", 1, LX_MSG_OOB);
    expect_state(true, 0, READABLE); /* readable, and nothing is there */
    assert_int_equal(fd_ioctl(a, LX_TIOCOUTQ), 768);
    assert_int_equal(sk_recv(b, 1, LX_MSG_PEEK | LX_MSG_DONTWAIT), -ST_AGAIN);
    expect_state(true, 0, READABLE);
    assert_int_equal(sk_recv(b, 0, LX_MSG_DONTWAIT), -ST_AGAIN); /* passed over, for nothing */
    expect_state(false, 0, 0);
    shout("x");
    assert_int_equal(sk_recv(b, 0, LX_MSG_OOB), 1); /* no room: lost */
    assert_int_equal(sk_recv(b, 1, LX_MSG_OOB), -ST_INVAL);
}

static void s5_oob_a_second_byte_replaces_the_first(void **state)
{
    (void)state;
    shout("ab");
    shout("cd");
    expect("abc", 9, LX_MSG_PEEK);
    expect("d", 1, LX_MSG_OOB);
    expect("abc", 9, 0);
    assert_int_equal(sk_recv(b, 1, LX_MSG_DONTWAIT), -ST_AGAIN);
    shout("x");
    expect("x", 1, LX_MSG_OOB);
    shout("y"); /* taking it takes the hole before it away */
    expect_state(true, 1, POLL_MARK);
    expect("y", 1, LX_MSG_OOB);
    assert_int_equal(fd_ioctl(a, LX_TIOCOUTQ), 768);
}

static void s5_oob_in_line(void **state)
{
    (void)state;
    assert_int_equal(sk_set(b, LX_SO_OOBINLINE, 1), 0);
    shout("ab");
    say("cd");
    assert_int_equal(sk_recv(b, 1, LX_MSG_OOB), -ST_INVAL);
    expect("a", 9, 0);
    expect_state(true, 3, POLL_MARK);
    expect("bcd", 9, LX_MSG_PEEK);
    expect("bcd", 9, 0);
    expect_state(false, 0, 0);
}

static void s5_oob_errors(void **state)
{
    (void)state;
    assert_int_equal(sk_send(a, "", 0, LX_MSG_OOB), -ST_OPNOTSUPP);
    assert_int_equal(sk_recv(b, 1, LX_MSG_OOB), -ST_INVAL);
    long alone = sk(LX_SOCK_STREAM), fd[2];
    assert_int_equal(sk_send(alone, "x", 1, LX_MSG_OOB), -ST_NOTCONN);
    assert_int_equal(sk_recv(alone, 1, LX_MSG_OOB), -ST_INVAL);
    pair_make(LX_SOCK_SEQPACKET, fd);
    assert_int_equal(sk_send(fd[0], "x", 1, LX_MSG_OOB), -ST_OPNOTSUPP);
    assert_int_equal(sk_recv(fd[1], 1, LX_MSG_OOB), -ST_OPNOTSUPP);
    assert_int_equal(fd_ioctl(fd[1], LX_SIOCATMARK), -ST_OPNOTSUPP);
    assert_int_equal(sk_shutdown(a, 1), 0);
    assert_int_equal(sk_send(a, "x", 1, LX_MSG_OOB), -ST_PIPE);
}

static void s5_oob_full_buffer_sends_what_fits_and_then_the_byte(void **state)
{
    (void)state;
    assert_int_equal(sk_send_size(a, 1 << 20, LX_MSG_DONTWAIT | LX_MSG_OOB), 219264);
    assert_int_equal(sk_send(a, "!", 1, LX_MSG_OOB), -ST_WAIT);
    expect_state(false, 219264, READABLE);
    assert_int_equal(sk_recv(b, 1 << 20, 0), 219264);
    assert_int_equal(woken(USER), 1);
    shout("!");
    expect_state(true, 1, POLL_MARK);
}

static void s5_oob_wakes_who_waits_for_it(void **state)
{
    (void)state;
    assert_int_equal(fd_poll_arm(b, LX_POLLPRI, true), 0);
    shout("!");
    assert_int_equal(woken(USER), 1);
    assert_int_equal(fd_poll_arm(b, LX_POLLPRI, true), LX_POLLPRI);
}

static void s5_oob_descriptors_go_with_the_first_chunk(void **state)
{
    (void)state;
    assert_int_equal(stage_own(&a, 1), 1);
    assert_int_equal(sk_send_extra(a, "xy", 2, LX_MSG_OOB, (struct send_extra){.staged = 1}), 2);
    assert_int_equal(sk_recv_rights(b, 1, LX_MSG_OOB, 1), 1);
    assert_int_equal(RECV_RIGHTS, 0);
    assert_int_equal(sk_recv_rights(b, 9, 0, 1), 1);
    assert_int_equal(RECV_RIGHTS, 1);
    fd_close(a);
    assert_int_equal(stage_own(&a, 1), 1);
    assert_int_equal(sk_send_extra(a, "y", 1, LX_MSG_OOB, (struct send_extra){.staged = 1}), 1);
    assert_int_equal(sk_recv_rights(b, 1, LX_MSG_OOB, 1), 1);
    assert_int_equal(RECV_RIGHTS, 0);
    assert_int_equal(counts_get().in_flight, 1); /* in the hole */
    assert_int_equal(sk_recv(b, 1, LX_MSG_DONTWAIT), -ST_AGAIN);
    assert_int_equal(counts_get().in_flight, 0);
}

static void s5_oob_unread_byte_resets_the_peer(void **state)
{
    (void)state;
    shout("x");
    fd_close(b);
    assert_true(fd_poll(a) & LX_POLLERR);
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    b = fd[1];
    assert_int_equal(sk_send(fd[0], "x", 1, LX_MSG_OOB), 1);
    expect("x", 1, LX_MSG_OOB);
    fd_close(fd[1]); /* a hole is not unread data */
    assert_false(fd_poll(fd[0]) & LX_POLLERR);
}

static void s7_bad_memory_loses_messages_and_the_urgent_byte(void **state)
{
    (void)state;
    shout("x");
    memory_reset();
    assert_int_equal(ASK(b, SOCK_RECEIVE, LX_MSG_OOB, 1, 0, 0), ST_FAULT); /* libposix asks again */
    expect("x", 1, LX_MSG_OOB | LX_MSG_PEEK);
    assert_int_equal(sk_recv_more(b, 1, LX_MSG_OOB, 0, true), -ST_FAULT);
    assert_int_equal(sk_recv(b, 1, LX_MSG_OOB), -ST_INVAL);
    long fd[2];
    pair_make(LX_SOCK_DGRAM, fd);
    assert_int_equal(sk_send(fd[0], "one", 3, 0), 3);
    assert_int_equal(stage_own(&a, 1), 1);
    assert_int_equal(sk_send_extra(fd[0], "two", 3, 0, (struct send_extra){.staged = 1}), 3);
    assert_int_equal(sk_recv_more(fd[1], 3, LX_MSG_PEEK, 0, true), -ST_FAULT);
    assert_int_equal(sk_recv_more(fd[1], 3, 0, 0, true), -ST_FAULT);
    assert_int_equal(sk_recv(fd[1], 3, LX_MSG_PEEK), 3);
    assert_memory_equal(W.out, "two", 3);
    assert_int_equal(sk_recv_more(fd[1], 3, 0, 0, true), -ST_FAULT);
    assert_int_equal(counts_get().in_flight, 0);
    assert_int_equal(sk_recv(fd[1], 3, LX_MSG_DONTWAIT), -ST_AGAIN);
}

#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, pair_setup, teardown)

int main(void)
{
    harness_unused();
    const struct CMUnitTest tests[] = {
        PAIR_TEST(s5_oob_a_read_ends_before_the_mark),
        PAIR_TEST(s5_oob_passed_over_is_lost),
        PAIR_TEST(s5_oob_a_hole_stays_until_a_read_starts_there),
        PAIR_TEST(s5_oob_a_second_byte_replaces_the_first),
        PAIR_TEST(s5_oob_in_line),
        PAIR_TEST(s5_oob_errors),
        PAIR_TEST(s5_oob_full_buffer_sends_what_fits_and_then_the_byte),
        PAIR_TEST(s5_oob_wakes_who_waits_for_it),
        PAIR_TEST(s5_oob_descriptors_go_with_the_first_chunk),
        PAIR_TEST(s5_oob_unread_byte_resets_the_peer),
        PAIR_TEST(s7_bad_memory_loses_messages_and_the_urgent_byte),
    };
    return cmocka_run_group_tests_name("sockd-oob", tests, NULL, NULL);
}
