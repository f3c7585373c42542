/* sockd: SOCK_STREAM data, checklist S1 to S5, S9 (shared/AF_UNIX.md). SPDX-License-Identifier: MIT
 */
#include "sockd_harness.h"

static void s1_send_is_cut_into_chunks_of_36544(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(sk_send_size(fd[0], 40000, 0), 40000);
    assert_int_equal(fd_ioctl(fd[0], LX_TIOCOUTQ), 37120 + 4352);
    assert_int_equal(fd_ioctl(fd[1], LX_FIONREAD), 40000);
}

static void s1_chunk_follows_sndbuf(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(sk_set(fd[0], LX_SO_SNDBUF, 4096), 0);
    assert_int_equal(sk_get(fd[0], LX_SO_SNDBUF), 8192);
    /* chunks of 8192 / 2 - 64 = 4032 bytes, each charged 4864: two are admitted */
    assert_int_equal(sk_send_size(fd[0], 100000, LX_MSG_DONTWAIT), 2 * 4032);
}

static void s2_messages_of_one_byte(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(sk_send(fd[0], "x", 1, 0), 1);
    assert_int_equal(fd_ioctl(fd[0], LX_TIOCOUTQ), 768);
    unsigned sent = 1;
    while (sk_send(fd[0], "x", 1, LX_MSG_DONTWAIT) == 1)
        sent++;
    assert_int_equal(sent, 278);
    assert_int_equal(sk_send(fd[0], "x", 1, LX_MSG_DONTWAIT), -ST_AGAIN);
}

static void s2_messages_of_a_thousand(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    unsigned sent = 0;
    while (sk_send_size(fd[0], 1000, LX_MSG_DONTWAIT) == 1000)
        sent++;
    assert_int_equal(sent, 93);
}

static void s2_one_mebibyte_takes_219264(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(sk_send_size(fd[0], 1 << 20, LX_MSG_DONTWAIT), 219264);
    assert_int_equal(sk_set(fd[1], LX_SO_RCVBUF, 1), 0); /* limits nothing */
    assert_int_equal(sk_recv(fd[1], 1 << 20, 0), 219264);
}

static void s2_pollout_needs_three_quarters_free(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    unsigned sent = 0;
    while (fd_poll(fd[0]) & LX_POLLOUT) {
        assert_int_equal(sk_send_size(fd[0], 1000, 0), 1000);
        sent++;
    }
    assert_int_equal(sent, 212992 / 4 / 2304 + 1);
    assert_int_equal(fd_poll_arm(fd[0], LX_POLLOUT, true), 0);
    assert_int_equal(sk_recv(fd[1], 1000, 0), 1000);
    assert_int_equal(woken(USER), 1);
    assert_true(fd_poll(fd[0]) & LX_POLLOUT);
}

static void s2_blocking_send_waits_when_nothing_fits(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(sk_send_size(fd[0], 1 << 20, 0),
                     219264); /* the count, even blocking: libposix goes on */
    assert_int_equal(sk_send_size(fd[0], 1000, 0), -ST_WAIT);
    assert_int_equal(woken(USER), 0);
    W.as = OTHER;
    assert_int_equal(sk_recv(fd[1], 219264, 0), 219264);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(woken(OTHER), 0);
}

static void s3_eof_after_data(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    sk_send(fd[0], "abc", 3, 0);
    fd_close(fd[0]);
    assert_int_equal(sk_recv(fd[1], 2, 0), 2);
    assert_int_equal(sk_recv(fd[1], 10, 0), 1);
    assert_int_equal(sk_recv(fd[1], 10, 0), 0);
    assert_int_equal(sk_recv(fd[1], 10, 0), 0);
}

static void s3_peer_closed_with_unread_data(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    sk_send(fd[1], "lost", 4, 0);
    sk_send(fd[0], "abc", 3, 0);
    fd_close(fd[0]);
    assert_true(fd_poll(fd[1]) & LX_POLLERR);
    assert_int_equal(sk_recv(fd[1], 10, 0), 3);
    assert_true(fd_poll(fd[1]) & LX_POLLERR);
    assert_int_equal(sk_recv(fd[1], 10, 0), -ST_CONNRESET);
    assert_false(fd_poll(fd[1]) & LX_POLLERR);
    assert_int_equal(sk_recv(fd[1], 10, 0), 0);
}

static void s3_blocked_reader_wakes_at_close(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(sk_recv(fd[1], 1, 0), -ST_WAIT);
    fd_close(fd[0]);
    assert_int_equal(woken(USER), 1);
}

static void s4_write_to_closed_peer(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    fd_close(fd[0]);
    assert_int_equal(sk_send(fd[1], "x", 1, 0), -ST_PIPE);
    assert_int_equal(fd_write(fd[1], "x", 1), -ST_PIPE);
}

static void s5_peek_leaves_the_data(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    sk_send(fd[0], "hello", 5, 0);
    sk_send(fd[0], " world", 6, 0);
    assert_int_equal(sk_recv(fd[1], 100, LX_MSG_PEEK), 11);
    assert_memory_equal(W.out, "hello world", 11);
    assert_int_equal(sk_recv(fd[1], 100, 0), 11);
}

static void s5_peek_offset(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(sk_get(fd[1], LX_SO_PEEK_OFF), -1);
    assert_int_equal(sk_set(fd[1], LX_SO_PEEK_OFF, 0), 0);
    sk_send(fd[0], "abcdef", 6, 0);
    assert_int_equal(sk_recv(fd[1], 2, LX_MSG_PEEK), 2);
    assert_int_equal(sk_recv(fd[1], 2, LX_MSG_PEEK), 2);
    assert_memory_equal(W.out, "cd", 2);
    assert_int_equal(sk_recv(fd[1], 1, 0), 1);
    assert_int_equal(sk_get(fd[1], LX_SO_PEEK_OFF), 3);
    assert_int_equal(sk_recv(fd[1], 9, LX_MSG_PEEK), 2);
    assert_memory_equal(W.out, "ef", 2);
    assert_int_equal(sk_recv(fd[1], 9, LX_MSG_PEEK | LX_MSG_DONTWAIT), -ST_AGAIN);
}

static void s6_trunc_is_ignored_on_stream(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    sk_send(fd[0], "abcdef", 6, 0);
    assert_int_equal(sk_recv(fd[1], 2, LX_MSG_TRUNC), 2);
    assert_int_equal(RECV_FLAGS, 0);
    assert_int_equal(sk_recv(fd[1], 9, 0), 4);
}

static void s7_bad_buffers_change_nothing(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    memory_reset();
    W.in_size = 1000;
    W.in_bad = 999;
    assert_int_equal(ASK(fd[0], SOCK_SEND, 0, 1000, 0, 0), ST_FAULT);
    assert_int_equal(fd_ioctl(fd[1], LX_FIONREAD), 0);
    assert_int_equal(fd_ioctl(fd[0], LX_TIOCOUTQ), 0);
    /* the second chunk is bad: the first goes */
    memory_reset();
    W.in_size = 50000;
    W.in_bad = 49999;
    assert_int_equal(ASK(fd[0], SOCK_SEND, 0, 50000, 0, 0), ST_OK);
    assert_int_equal(REPLY(0), 36544);
    /* a receive into one keeps the data */
    memory_reset();
    W.out_size = 10000;
    W.out_bad = 5;
    assert_int_equal(ASK(fd[1], SOCK_RECEIVE, 0, 10000, 0, 0), ST_FAULT);
    assert_int_equal(fd_ioctl(fd[1], LX_FIONREAD), 36544);
}

static void s9_shutdown(void **state)
{
    (void)state;
    long fd[2], lone = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_shutdown(lone, 2), 0);
    assert_int_equal(sk_shutdown(lone, 3), -ST_INVAL);
    pair_make(LX_SOCK_STREAM, fd);
    sk_send(fd[0], "abc", 3, 0);
    assert_int_equal(sk_shutdown(fd[0], 1), 0);
    assert_int_equal(sk_send(fd[0], "x", 1, 0), -ST_PIPE);
    assert_int_equal(sk_recv(fd[1], 10, 0), 3);
    assert_int_equal(sk_recv(fd[1], 10, 0), 0);
    assert_int_equal(sk_send(fd[1], "back", 4, 0), 4);
    assert_int_equal(sk_shutdown(fd[0], 0), 0);
    assert_int_equal(sk_recv(fd[0], 10, 0), 4); /* what was queued can still be read */
    assert_int_equal(sk_recv(fd[0], 10, 0), 0);
    assert_int_equal(sk_send(fd[1], "x", 1, 0), -ST_PIPE);
}

static void stream_bytes_in_order(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    unsigned char next_out = 0, next_in = 0;
    unsigned long total_in = 0, total_out = 0;
    srand(7);
    for (unsigned round = 0; round < 2000; round++) {
        size_t length = (size_t)rand() % 50000;
        if (rand() % 2) {
            memory_reset();
            for (size_t i = 0; i < length; i++)
                W.in[i] = (unsigned char)(next_out + i);
            W.in_size = length;
            if (ASK(fd[0], SOCK_SEND, LX_MSG_DONTWAIT, length, 0, 0) == ST_OK) {
                next_out = (unsigned char)(next_out + REPLY(0));
                total_out += REPLY(0);
            }
        } else {
            long got = sk_recv(fd[1], length, LX_MSG_DONTWAIT);
            for (long i = 0; i < got; i++)
                assert_int_equal(W.out[i], next_in++);
            total_in += got > 0 ? (unsigned long)got : 0;
        }
        assert_int_equal(fd_ioctl(fd[1], LX_FIONREAD), total_out - total_in);
    }
    assert_true(total_in > 1000000);
}

/* A read that waits has the mark of its beginning. */
static void s6_low_water_of_a_read_that_waits(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(sk_recv(fd[1], 20, 0), -ST_WAIT);
    assert_int_equal(sk_set(fd[1], LX_SO_RCVLOWAT, 13), 0);
    assert_int_equal(sk_send(fd[0], "abc", 3, 0), 3);
    assert_int_equal(sk_recv(fd[1], 20, SOCK_AGAIN), 3);
    assert_false(RECV_FLAGS & SOCK_MORE);
    assert_int_equal(sk_recv(fd[1], 20, 0), -ST_WAIT);
    assert_int_equal(sk_set(fd[1], LX_SO_RCVLOWAT, 1), 0);
    assert_int_equal(sk_send(fd[0], "abc", 3, 0), 3);
    assert_int_equal(sk_recv(fd[1], 20, SOCK_AGAIN), 3);
    assert_true(RECV_FLAGS & SOCK_MORE);
    assert_int_equal(sk_recv_more(fd[1], 17, SOCK_AGAIN, 3, false), -ST_WAIT);
    assert_int_equal(sk_recv(fd[1], 20, 0), -ST_WAIT);
    assert_int_equal(sk_send(fd[0], "abc", 3, 0), 3);
    assert_int_equal(sk_recv(fd[1], 20, SOCK_AGAIN), 3);
    assert_false(RECV_FLAGS & SOCK_MORE);
}

/* A chunk that waits has the size of its beginning; SO_SNDBUF counts for the next one. */
static void s6_chunk_of_a_send_that_waits(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(sk_set(fd[0], LX_SO_SNDBUF, 4608), 0);
    assert_int_equal(sk_send_size(fd[0], 144841, 0), 9088);
    assert_int_equal(sk_send_size(fd[0], 135753, 0), -ST_WAIT);
    assert_int_equal(sk_set(fd[0], LX_SO_SNDBUF, 65536), 0);
    for (unsigned i = 0; i < 2; i++) { /* asked again if it may be a page that is not there yet */
        memory_reset();
        W.in_size = 135753;
        W.in_bad = i ? 23147 : 10;
        assert_int_equal(ASK(fd[0], SOCK_SEND, SOCK_AGAIN, 135753, 0, 0), i ? ST_OK : ST_FAULT);
    }
    assert_int_equal(REPLY(0), 4544);
    assert_int_equal(sk_send_size(fd[0], 40000, SOCK_AGAIN), 40000);
    assert_int_equal(fd_ioctl(fd[1], LX_FIONREAD), 53632);
}

static void zero_length_send_and_receive(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(sk_send(fd[0], "", 0, 0), 0);
    assert_int_equal(fd_poll(fd[1]) & LX_POLLIN, 0);
    assert_int_equal(sk_recv(fd[1], 0, LX_MSG_DONTWAIT), -ST_AGAIN);
    assert_int_equal(fd_read(fd[1], 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(s1_send_is_cut_into_chunks_of_36544),
        TEST(s1_chunk_follows_sndbuf),
        TEST(s2_messages_of_one_byte),
        TEST(s2_messages_of_a_thousand),
        TEST(s2_one_mebibyte_takes_219264),
        TEST(s2_pollout_needs_three_quarters_free),
        TEST(s2_blocking_send_waits_when_nothing_fits),
        TEST(s3_eof_after_data),
        TEST(s3_peer_closed_with_unread_data),
        TEST(s3_blocked_reader_wakes_at_close),
        TEST(s4_write_to_closed_peer),
        TEST(s5_peek_leaves_the_data),
        TEST(s5_peek_offset),
        TEST(s6_trunc_is_ignored_on_stream),
        TEST(s7_bad_buffers_change_nothing),
        TEST(s9_shutdown),
        TEST(stream_bytes_in_order),
        TEST(s6_low_water_of_a_read_that_waits),
        TEST(s6_chunk_of_a_send_that_waits),
        TEST(zero_length_send_and_receive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
