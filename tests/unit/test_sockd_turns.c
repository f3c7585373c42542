/* sockd: an event that only one can have wakes one, first come first served, and is passed on by
 * whoever does not use it (DESIGN, rule 6). SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

#define THIRD PRINCIPAL(2, 4)

static void as(uint64_t principal)
{
    W.as = principal;
}

static const uint64_t queue[] = {USER, OTHER, ROOT};

static void all_receive(long fd)
{
    for (int i = 0; i < 3; i++) {
        as(queue[i]);
        assert_int_equal(sk_recv(fd, 1, 0), -ST_WAIT);
    }
    as(THIRD);
}

static void only(uint64_t principal)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(woken(queue[i]), queue[i] == principal);
}

/* All three receive at fd[0] of a new pair; what comes there wakes the first. */
static void first_is_woken(int type, long fd[2])
{
    pair_make(type, fd);
    all_receive(fd[0]);
    sk_send(fd[1], "a", 1, 0);
    only(USER);
}

static void one_for_each_event(void **state)
{
    (void)state;
    long fd[2];
    first_is_woken(LX_SOCK_DGRAM, fd);
    sk_send(fd[1], "b", 1, 0);
    only(OTHER);
    as(USER);
    assert_int_equal(sk_recv(fd[0], 1, 0), 1);
    as(OTHER);
    woken(ROOT); /* it may have been told of what OTHER has not fetched yet */
    assert_int_equal(sk_recv(fd[0], 1, 0), 1);
    as(ROOT);
    assert_int_equal(sk_recv(fd[0], 1, 0), -ST_WAIT);
    as(THIRD);
    sk_send(fd[1], "c", 1, 0);
    only(ROOT);
}

/* Who was woken finds it taken, and waits again, at the end. */
static void taken_by_another(void **state)
{
    (void)state;
    long fd[2];
    first_is_woken(LX_SOCK_DGRAM, fd);
    assert_int_equal(sk_recv(fd[0], 1, 0), 1);
    as(USER);
    assert_int_equal(sk_recv(fd[0], 1, 0), -ST_WAIT);
    only(0);
    as(THIRD);
    sk_send(fd[1], "b", 1, 0);
    only(OTHER);
}

static void passed_on(void **state)
{
    (void)state;
    long fd[2];
    first_is_woken(LX_SOCK_DGRAM, fd);
    as(USER); /* a time-out or a signal */
    assert_int_equal(ASK0(BADGE_ROOT, SOCK_CANCEL), ST_OK);
    only(OTHER);
    fd_close((long)W.session_badge[3]); /* OTHER dies */
    only(ROOT);
    as(ROOT);
    assert_int_equal(sk_recv(fd[0], 1, 0), 1);
}

/* Who gave up before anything came is not in the way. */
static void given_up_before(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_DGRAM, fd);
    all_receive(fd[0]);
    as(USER);
    assert_int_equal(ASK0(BADGE_ROOT, SOCK_CANCEL), ST_OK);
    as(THIRD);
    sk_send(fd[1], "a", 1, 0);
    only(OTHER);
    as(OTHER); /* does something else first */
    assert_int_equal(fd_poll(fd[0]) & LX_POLLIN, LX_POLLIN);
    only(ROOT);
}

/* Whose turn it is waits there for something else: then it has not found what it was woken for to be
 * gone. */
static void waits_for_something_else(void **state)
{
    (void)state;
    long fd[2];
    first_is_woken(LX_SOCK_SEQPACKET, fd);
    as(USER);
    assert_int_equal(ASK((uint64_t)fd[0], IO_POLL, LX_POLLPRI, 1), ST_OK);
    only(OTHER);
    as(OTHER);
    assert_int_equal(sk_recv(fd[0], 1, 0), 1);
    only(0);
}

static void all_at_the_end(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_SEQPACKET, fd);
    all_receive(fd[0]);
    fd_close(fd[1]); /* concerns everybody */
    for (int i = 0; i < 3; i++)
        assert_int_equal(woken(queue[i]), 1);
}

static void accept_and_connect(void **state)
{
    (void)state;
    long server = sk(LX_SOCK_STREAM);
    assert_int_equal(sk_bind(server, "@s"), 0);
    assert_int_equal(sk_listen(server, 0), 0);
    for (int i = 0; i < 3; i++) {
        as(queue[i]);
        assert_int_equal(sk_accept(server), -ST_WAIT);
    }
    as(THIRD);
    assert_int_equal(sk_connect(sk(LX_SOCK_STREAM), "@s", 0), 0);
    only(USER);
    for (int i = 1; i < 3; i++) { /* the queue is full: these wait for room */
        as(queue[i]);
        assert_int_equal(sk_connect(sk(LX_SOCK_STREAM), "@s", 0), -ST_WAIT);
    }
    as(USER);
    assert_true(sk_accept(server) > 0);
    only(OTHER);
}

static void epoll_waits(void **state)
{
    (void)state;
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_EVENT, 1, 0, 0), ST_OK);
    uint64_t epoll = W.got[0].value;
    cap_own((uint64_t)fd[0]);
    assert_int_equal(ASK(epoll, SOCK_EPOLL_CTL, 1, 3, LX_POLLIN | LX_EPOLLET, 3, 0, 0, 0), ST_OK);
    for (int i = 0; i < 3; i++) {
        as(queue[i]);
        assert_int_equal(ASK(epoll, SOCK_EPOLL_WAIT, 1, 1, 0, 0), ST_WAIT);
    }
    as(THIRD);
    sk_send(fd[1], "a", 1, 0);
    only(USER);
    as(USER);
    assert_int_equal(ASK0(BADGE_ROOT, SOCK_CANCEL), ST_OK);
    only(OTHER);
    as(OTHER);
    W.out_size = 12;
    assert_int_equal(ASK(epoll, SOCK_EPOLL_WAIT, 1, 1, 0, 0), ST_OK);
    assert_int_equal(REPLY(0), 1);
    only(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_for_each_event), TEST(taken_by_another),   TEST(passed_on), TEST(given_up_before),
        TEST(all_at_the_end),     TEST(accept_and_connect), TEST(epoll_waits),
        TEST(waits_for_something_else),
    };
    harness_unused();
    (void)sk_recv_rights;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
