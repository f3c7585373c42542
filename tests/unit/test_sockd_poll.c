/* sockd: readiness and options, checklist R1, O1, O2 (shared/AF_UNIX.md). SPDX-License-Identifier:
 * MIT */
#include "sockd_harness.h"
#include <ipc/answer.h>

#define IN (LX_POLLIN | LX_POLLRDNORM)
#define OUT (LX_POLLOUT | LX_POLLWRNORM | LX_POLLWRBAND)

static void r1_fresh(void **state)
{
    (void)state;
    assert_int_equal(fd_poll(sk(LX_SOCK_STREAM)), OUT | LX_POLLHUP);
    assert_int_equal(fd_poll(sk(LX_SOCK_SEQPACKET)), OUT | LX_POLLHUP);
    assert_int_equal(fd_poll(sk(LX_SOCK_DGRAM)), OUT);
}

static void r1_connected(void **state)
{
    (void)state;
    const int types[] = {LX_SOCK_STREAM, LX_SOCK_SEQPACKET, LX_SOCK_DGRAM};
    for (unsigned i = 0; i < 3; i++) {
        long fd[2];
        pair_make(types[i], fd);
        assert_int_equal(fd_poll(fd[0]), OUT);
        sk_send(fd[0], "x", 1, 0);
        assert_int_equal(fd_poll(fd[1]), IN | OUT);
        sk_recv(fd[1], 1, 0);
        assert_int_equal(fd_poll(fd[1]), OUT);
        fd_close(fd[0]);
        assert_int_equal(fd_poll(fd[1]),
                         types[i] == LX_SOCK_DGRAM ? OUT : IN | OUT | LX_POLLRDHUP | LX_POLLHUP);
    }
}

static void r1_closed_with_unread_data(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    sk_send(fd[1], "x", 1, 0);
    fd_close(fd[0]);
    assert_int_equal(fd_poll(fd[1]), IN | OUT | LX_POLLERR | LX_POLLRDHUP | LX_POLLHUP);
}

static void r1_shut_down(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    sk_shutdown(fd[0], 1);
    assert_int_equal(fd_poll(fd[0]), OUT);
    assert_int_equal(fd_poll(fd[1]), IN | OUT | LX_POLLRDHUP);
    sk_shutdown(fd[0], 0);
    assert_int_equal(fd_poll(fd[0]), IN | OUT | LX_POLLRDHUP | LX_POLLHUP);
    assert_int_equal(fd_poll(fd[1]), IN | OUT | LX_POLLRDHUP | LX_POLLHUP);
}

static void r1_listener(void **state)
{
    (void)state;
    long server = sk(LX_SOCK_STREAM), client = sk(LX_SOCK_STREAM);
    sk_bind(server, "@s");
    assert_int_equal(fd_poll(server), OUT | LX_POLLHUP);
    sk_listen(server, 5);
    assert_int_equal(fd_poll(server), 0);
    assert_int_equal(fd_poll_arm(server, LX_POLLIN, true), 0);
    sk_connect(client, "@s", 0);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(fd_poll(server), IN);
    assert_int_equal(fd_poll(client), OUT);
}

static void r1_only_what_was_asked_for(void **state)
{
    (void)state;
    long fd = sk(LX_SOCK_STREAM);
    assert_int_equal(fd_poll_arm(fd, 0, false), LX_POLLHUP);
    assert_int_equal(fd_poll_arm(fd, LX_POLLOUT, false), LX_POLLOUT | LX_POLLHUP);
    assert_int_equal(fd_poll_arm(fd, LX_POLLIN, false), LX_POLLHUP);
}

static void r2_arming_and_sequence(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(fd_poll_arm(fd[1], LX_POLLIN, true), 0);
    uint64_t sequence = REPLY(1);
    assert_int_equal(fd_poll_arm(fd[1], LX_POLLIN, true), 0); /* twice keeps one */
    sk_send(fd[0], "x", 1, 0);
    assert_int_equal(woken(USER), 1);
    sk_send(fd[0], "x", 1, 0);
    assert_int_equal(woken(USER), 0); /* one shot */
    assert_true(fd_poll_arm(fd[1], LX_POLLIN, false) == LX_POLLIN);
    assert_int_equal(REPLY(1), sequence + 2); /* each write counts, read or not */
    assert_int_equal(sk_recv(fd[1], 9, 0), 2);
    assert_int_equal(fd_poll_arm(fd[1], 0, true), 0); /* waits for a hang-up alone */
    sk_send(fd[0], "x", 1, 0);
    assert_int_equal(woken(USER), 0);
    fd_close(fd[0]);
    assert_int_equal(woken(USER), 1);
    W.as = PRINCIPAL(1, 77);
    long other[2];
    pair_make(LX_SOCK_STREAM, other);
    assert_int_equal(fd_poll_arm(other[0], LX_POLLIN, true), -ST_SESSION);
    assert_int_equal(sk_recv(other[0], 1, 0), -ST_SESSION);
    assert_int_equal(sk_recv(other[0], 1, LX_MSG_DONTWAIT), -ST_AGAIN);
}

static void r3_low_water_mark(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(sk_set(fd[1], LX_SO_RCVLOWAT, 5), 0);
    sk_send(fd[0], "abc", 3, 0);
    assert_true(fd_poll(fd[1]) & LX_POLLIN); /* does not change poll */
    assert_int_equal(fd_read(fd[1], 9), -ST_REDIRECT); /* libposix comes again, with receive */
    assert_int_equal(sk_recv(fd[1], 9, LX_MSG_DONTWAIT), 3);
    assert_false(RECV_FLAGS & SOCK_MORE);
    sk_send(fd[0], "abc", 3, 0);
    assert_int_equal(sk_recv(fd[1], 9, 0), 3); /* taken, and more is wanted */
    assert_true(RECV_FLAGS & SOCK_MORE);
    assert_int_equal(sk_recv_more(fd[1], 6, 0, 3, false), -ST_WAIT);
    sk_send(fd[0], "d", 1, 0);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(sk_recv_more(fd[1], 6, 0, 3, false), 1);
    assert_true(RECV_FLAGS & SOCK_MORE);
    sk_send(fd[0], "e", 1, 0);
    assert_int_equal(sk_recv_more(fd[1], 5, 0, 4, false), 1); /* five in all: enough */
    assert_false(RECV_FLAGS & SOCK_MORE);
    sk_send(fd[0], "abc", 3, 0);
    assert_int_equal(sk_recv(fd[1], 2, 0), 2);
    assert_false(RECV_FLAGS & SOCK_MORE);
    fd_close(fd[0]);
    assert_int_equal(sk_recv(fd[1], 9, 0), 1);
    assert_false(RECV_FLAGS & SOCK_MORE);
}

static void r3_wait_for_all(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    sk_send(fd[0], "abc", 3, 0);
    assert_int_equal(sk_recv(fd[1], 5, LX_MSG_WAITALL), 3);
    assert_true(RECV_FLAGS & SOCK_MORE);
    sk_send(fd[0], "de", 2, 0);
    assert_int_equal(sk_recv_more(fd[1], 2, LX_MSG_WAITALL, 3, false), 2);
    assert_false(RECV_FLAGS & SOCK_MORE);
    sk_send(fd[0], "a", 1, 0);
    fd_close(fd[0]);
    assert_int_equal(sk_recv(fd[1], 2, LX_MSG_WAITALL), 1);
    assert_false(RECV_FLAGS & SOCK_MORE);
}

static void r3_negative_timeouts_never_wait(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    const int64_t negative[2] = {-1, 0};
    for (int option = LX_SO_RCVTIMEO; option <= LX_SO_SNDTIMEO; option++) {
        memory_reset();
        W.in_size = 16;
        memcpy(W.in, negative, 16);
        assert_int_equal(ASK(fd[0], SOCK_SET_OPTION, LX_SOL_SOCKET, (uint64_t)option, 16), ST_OK);
        assert_int_equal(sk_get(fd[0], option), 0);
    }
    assert_int_equal(sk_recv(fd[0], 1, 0), -ST_AGAIN);
    assert_int_equal(fd_read(fd[0], 1), -ST_AGAIN);
    assert_int_equal(sk_send_size(fd[0], 1 << 20, 0), 219264);
    assert_int_equal(sk_send(fd[0], "x", 1, 0), -ST_AGAIN);
    assert_int_equal(sk_recv(fd[1], 1 << 20, LX_MSG_WAITALL), 219264);
    assert_int_equal(sk_recv(fd[1], 1, 0), -ST_WAIT);
}

static void r3_timeouts_are_kept_in_ticks(void **state)
{
    (void)state;
    long fd = sk(LX_SOCK_STREAM);
    int64_t value[2] = {3, 1};
    memory_reset();
    memcpy(W.in, value, 16);
    W.in_size = 16;
    assert_int_equal(ASK(fd, SOCK_SET_OPTION, 1, LX_SO_RCVTIMEO, 16), ST_OK);
    assert_int_equal(ASK(fd, SOCK_SET_OPTION, 1, LX_SO_RCVTIMEO, 8), ST_INVAL);
    W.out_size = 16;
    assert_int_equal(ASK(fd, SOCK_GET_OPTION, 1, LX_SO_RCVTIMEO, 16), ST_OK);
    assert_int_equal(REPLY(0), 16);
    memcpy(value, W.out, 16);
    assert_int_equal(value[0], 3);
    assert_int_equal(value[1], 4000);
    value[1] = 1000000;
    memcpy(W.in, value, 16);
    assert_int_equal(ASK(fd, SOCK_SET_OPTION, 1, LX_SO_SNDTIMEO, 16), ST_DOM);
}

static void o1_read_only_options(void **state)
{
    (void)state;
    long fd = sk(LX_SOCK_SEQPACKET);
    assert_int_equal(sk_get(fd, LX_SO_TYPE), LX_SOCK_SEQPACKET);
    assert_int_equal(sk_get(fd, LX_SO_DOMAIN), 1);
    assert_int_equal(sk_get(fd, LX_SO_PROTOCOL), 0);
    assert_int_equal(sk_get(fd, LX_SO_ACCEPTCONN), 0);
    sk_bind(fd, "@s");
    sk_listen(fd, 1);
    assert_int_equal(sk_get(fd, LX_SO_ACCEPTCONN), 1);
    assert_int_equal(sk_set(fd, LX_SO_TYPE, 1), -ST_NOPROTOOPT);
    assert_int_equal(sk_set(fd, LX_SO_ERROR, 1), -ST_NOPROTOOPT);
    assert_int_equal(sk_get(fd, 9999), -ST_NOPROTOOPT);
    assert_int_equal(sk_get(fd, -1), -ST_NOPROTOOPT);
}

static void o1_buffers(void **state)
{
    (void)state;
    long fd = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_get(fd, LX_SO_SNDBUF), 212992);
    assert_int_equal(sk_get(fd, LX_SO_RCVBUF), 212992);
    sk_set(fd, LX_SO_SNDBUF, 10000);
    assert_int_equal(sk_get(fd, LX_SO_SNDBUF), 20000);
    sk_set(fd, LX_SO_SNDBUF, 0);
    sk_set(fd, LX_SO_RCVBUF, 0);
    assert_int_equal(sk_get(fd, LX_SO_SNDBUF), 4608);
    assert_int_equal(sk_get(fd, LX_SO_RCVBUF), 2304);
    sk_set(fd, LX_SO_SNDBUF, -1);
    sk_set(fd, LX_SO_RCVBUF, 0x7fffffff);
    assert_int_equal(sk_get(fd, LX_SO_SNDBUF), 425984);
    assert_int_equal(sk_get(fd, LX_SO_RCVBUF), 425984);
    assert_int_equal(sk_set(fd, LX_SO_SNDBUFFORCE, 1 << 20), -ST_PERM);
    W.as = ROOT;
    assert_int_equal(sk_set(fd, LX_SO_SNDBUFFORCE, 1 << 20), 0);
    assert_int_equal(sk_get(fd, LX_SO_SNDBUF), 2 << 20);
    assert_int_equal(sk_set(fd, LX_SO_RCVBUFFORCE, 0x7fffffff), 0);
    assert_int_equal(sk_get(fd, LX_SO_RCVBUF), 0x7ffffffe);
}

static void o1_what_programs_set_reads_back(void **state)
{
    (void)state;
    long fd = sk(LX_SOCK_STREAM);
    const int flags[] = {LX_SO_REUSEADDR, LX_SO_KEEPALIVE, LX_SO_BROADCAST, LX_SO_OOBINLINE,
                         LX_SO_PASSCRED};
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(sk_get(fd, flags[i]), 0);
        assert_int_equal(sk_set(fd, flags[i], 5), 0);
        assert_int_equal(sk_get(fd, flags[i]), 1);
        assert_int_equal(sk_set(fd, flags[i], 0), 0);
        assert_int_equal(sk_get(fd, flags[i]), 0);
    }
    assert_int_equal(sk_set(fd, LX_SO_PRIORITY, 6), 0);
    assert_int_equal(sk_get(fd, LX_SO_PRIORITY), 6);
    assert_int_equal(sk_set(fd, LX_SO_PRIORITY, 7), -ST_PERM);
    assert_int_equal(sk_set(fd, LX_SO_RCVLOWAT, 0), 0);
    assert_int_equal(sk_get(fd, LX_SO_RCVLOWAT), 1);
    assert_int_equal(sk_get(fd, LX_SO_SNDLOWAT), 1);
    memory_reset();
    memcpy(W.in, (int32_t[]){1, 30}, 8);
    W.in_size = 8;
    assert_int_equal(ASK(fd, SOCK_SET_OPTION, 1, LX_SO_LINGER, 8), ST_OK);
    assert_int_equal(ASK(fd, SOCK_SET_OPTION, 1, LX_SO_LINGER, 4), ST_INVAL);
    sk_get(fd, LX_SO_LINGER);
    assert_memory_equal(W.out, ((int32_t[]){1, 30}), 8);
}

static void o1_refused_options(void **state)
{
    (void)state;
    long fd = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_set(fd, LX_SO_REUSEPORT, 1), -ST_OPNOTSUPP);
    assert_int_equal(sk_set(fd, LX_SO_REUSEPORT, 0), 0);
    assert_int_equal(sk_set(fd, LX_SO_ZEROCOPY, 1), -ST_OPNOTSUPP);
    assert_int_equal(sk_set(fd, LX_SO_SNDLOWAT, 1), -ST_NOPROTOOPT);
    memory_reset();
    W.in_size = W.out_size = 16;
    assert_int_equal(ASK(fd, SOCK_SET_OPTION, 6, 1, 4), ST_OPNOTSUPP);
    assert_int_equal(ASK(fd, SOCK_GET_OPTION, 0, 1, 4), ST_OPNOTSUPP);
    assert_int_equal(ASK(fd, SOCK_SET_OPTION, 1, LX_SO_SNDBUF, 3), ST_INVAL);
    /* a short buffer takes the first bytes */
    assert_int_equal(ASK(fd, SOCK_GET_OPTION, 1, LX_SO_TYPE, 1), ST_OK);
    assert_int_equal(REPLY(0), 1);
}

static void o1_peer_name_and_groups(void **state)
{
    (void)state;
    long fd[2], lone = sk(LX_SOCK_STREAM);
    W.table[1].group_count = 2;
    W.table[1].groups[0] = 5;
    W.table[1].groups[1] = 6;
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(sk_get(fd[0], LX_SO_PEERGROUPS), 5);
    assert_int_equal(REPLY(0), 8);
    assert_int_equal(sk_get(lone, LX_SO_PEERGROUPS), -ST_NODATA);
    memory_reset();
    W.out_size = 4;
    assert_int_equal(ASK(fd[0], SOCK_GET_OPTION, 1, LX_SO_PEERGROUPS, 4), ST_RANGE);
    assert_int_equal(ASK(fd[0], SOCK_GET_OPTION, 1, LX_SO_PEERNAME, 2), ST_OK);
    assert_int_equal(ASK(fd[0], SOCK_GET_OPTION, 1, LX_SO_PEERNAME, 3), ST_INVAL);
    assert_int_equal(ASK(lone, SOCK_GET_OPTION, 1, LX_SO_PEERNAME, 2), ST_NOTCONN);
}

static void o2_flags_and_queue_lengths(void **state)
{
    (void)state;
    long fd[2], dgram[2], listener = sk(LX_SOCK_STREAM);
    pair_make(LX_SOCK_SEQPACKET, fd);
    pair_make(LX_SOCK_DGRAM, dgram);
    for (unsigned i = 0; i < 2; i++) {
        sk_send(fd[0], "abc", 3, 0);
        sk_send(dgram[0], "abc", 3, 0);
    }
    assert_int_equal(fd_ioctl(fd[1], LX_FIONREAD), 6);
    assert_int_equal(fd_ioctl(dgram[1], LX_FIONREAD), 3);
    assert_int_equal(fd_ioctl(fd[0], LX_TIOCOUTQ), 2 * 768);
    sk_bind(listener, "@s");
    sk_listen(listener, 1);
    assert_int_equal(fd_ioctl(listener, LX_FIONREAD), -ST_INVAL);
    assert_int_equal(fd_ioctl(fd[0], 0x5401), -ST_NOTTY); /* TCGETS: isatty */
    memory_reset();
    memcpy(W.in, (int32_t[]){1}, 4);
    W.in_size = 4;
    assert_int_equal(ASK(fd[0], IO_IOCTL, LX_FIONBIO, 0), ST_OK);
    assert_int_equal(sk_recv(fd[0], 1, 0), -ST_AGAIN);
    assert_int_equal(ASK(fd[0], IO_SET_FLAGS, 0, 0), ST_OK);
    assert_int_equal(sk_recv(fd[0], 1, 0), -ST_WAIT);
    assert_int_equal(ASK(fd[0], IO_SET_FLAGS, LX_O_DIRECT, 0), ST_INVAL);
}

static void o3_no_seeking(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(ASK(fd[0], IO_SEEK, 0, 0), ST_SPIPE);
    memory_reset();
    W.in_size = W.out_size = 10;
    assert_int_equal(ASK(fd[0], IO_READ, 0, 0, 10), ST_SPIPE);
    assert_int_equal(ASK(fd[0], IO_WRITE, 5, 0, 10), ST_SPIPE);
    assert_int_equal(ASK(fd[0], IO_TRUNCATE, 5), ST_INVAL);
    assert_int_equal(ASK0(fd[0], IO_SYNC), ST_INVAL);
    W.out_size = 64;
    assert_int_equal(ASK0(fd[0], IO_PATH), ST_OK);
    assert_memory_equal(W.out, "socket:[", 8);
    assert_int_equal(W.out[REPLY(0) - 1], ']');
}

/* io.poll with a number: what arrives comes with the wake-up, and only for the last question. */
static void r1_answers(void **state)
{
    (void)state;
    long a[2], b[2], pipe[2];
    pair_make(LX_SOCK_STREAM, a);
    pair_make(LX_SOCK_DGRAM, b);
    assert_int_equal(ASK((uint64_t)a[0], IO_POLL, LX_POLLIN | LX_POLLPRI, 7), ST_OK);
    assert_int_equal(REPLY(0), 0);
    sk_send(a[1], "x", 1, 0);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(W.answer, answer_pack(7, LX_POLLIN));
    sk_recv(a[0], 1, 0);
    assert_int_equal(ASK((uint64_t)a[0], IO_POLL, LX_POLLIN | LX_POLLPRI, 8), ST_OK);
    sk_send(a[1], "x", 1, LX_MSG_OOB);
    assert_int_equal(W.answer, answer_pack(8, LX_POLLIN | LX_POLLPRI));
    assert_int_equal(woken(USER), 1);

    /* a later question takes its place */
    assert_int_equal(ASK((uint64_t)b[0], IO_POLL, LX_POLLIN, 9), ST_OK);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_PIPE, 0), ST_OK);
    pipe[0] = (long)W.got[0].value;
    pipe[1] = (long)W.got[1].value;
    assert_int_equal(ASK((uint64_t)pipe[0], IO_POLL, LX_POLLIN, 10), ST_OK);
    sk_send(b[1], "x", 1, 0);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(W.answer, 0);
    assert_int_equal(fd_write(pipe[1], "x", 1), 1);
    assert_int_equal(W.answer, answer_pack(10, LX_POLLIN));
    assert_int_equal(woken(USER), 1);

    /* one without a number, too, at the same description or another */
    assert_int_equal(fd_read(pipe[0], 1), 1);
    assert_int_equal(ASK((uint64_t)pipe[0], IO_POLL, LX_POLLIN, 11), ST_OK);
    assert_int_equal(ASK((uint64_t)pipe[0], IO_POLL, LX_POLLIN, 1), ST_OK);
    assert_int_equal(fd_write(pipe[1], "x", 1), 1);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(W.answer, 0);

    /* what has come half-way only says nothing */
    assert_int_equal(fd_read(pipe[0], 1), 1);
    assert_int_equal(ASK((uint64_t)pipe[0], IO_POLL, LX_POLLIN, 12), ST_OK);
    fd_close(pipe[1]);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(W.answer, 0);
    assert_int_equal(ASK((uint64_t)b[0], IO_POLL, LX_POLLIN, 0x10000), ST_MESSAGE);
}

/* Words of a notification are ORed: no two answers make a third. */
static void r1_answer_bits(void **state)
{
    (void)state;
    assert_int_equal(answer_bits(0), 1);
    uint64_t some = answer_bits(answer_pack(5, LX_POLLIN)), other = answer_bits(answer_pack(7, LX_POLLHUP));
    assert_int_equal(answer_ready(some | 1, 5), LX_POLLIN);
    assert_int_equal(answer_ready(some, 7), 0);
    assert_int_equal(answer_ready(some | other, 5), 0);
    assert_int_equal(answer_ready(some | other, 7), 0);
    assert_int_equal(answer_ready(1, ANSWER_LEAST), 0);
    for (uint32_t number = ANSWER_LEAST; number <= ANSWER_MOST; number++)
        assert_int_equal(answer_ready(answer_bits(answer_pack(number, 0xffff)), number), 0xffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(r1_fresh),
        TEST(r1_connected),
        TEST(r1_closed_with_unread_data),
        TEST(r1_shut_down),
        TEST(r1_listener),
        TEST(r1_only_what_was_asked_for),
        TEST(r2_arming_and_sequence),
        TEST(r3_low_water_mark),
        TEST(r3_wait_for_all),
        TEST(r3_negative_timeouts_never_wait),
        TEST(r3_timeouts_are_kept_in_ticks),
        TEST(o1_read_only_options),
        TEST(o1_buffers),
        TEST(o1_what_programs_set_reads_back),
        TEST(o1_refused_options),
        TEST(o1_peer_name_and_groups),
        TEST(o2_flags_and_queue_lengths),
        TEST(o3_no_seeking),
        TEST(r1_answers),
        TEST(r1_answer_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
