/* sockd: pipe(7), eventfd(2) and the identity of epoll instances. SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

static void pipe_make(uint64_t flags, long end[2])
{
    assert_int_equal(ASK(BADGE_ROOT, SOCK_PIPE, flags), ST_OK);
    end[0] = (long)W.got[0].value;
    end[1] = (long)W.got[1].value;
}

static void bytes_go_through(void **state)
{
    (void)state;
    long end[2];
    pipe_make(0, end);
    assert_int_equal(fd_write(end[1], "hello", 5), 5);
    assert_int_equal(fd_write(end[1], " world", 6), 6);
    assert_int_equal(fd_ioctl(end[0], LX_FIONREAD), 11);
    assert_int_equal(fd_read(end[0], 4), 4);
    assert_int_equal(fd_read(end[0], 99), 7);
    assert_memory_equal(W.out, "o world", 7);
    assert_int_equal(fd_read(end[0], 0), 0);
    assert_int_equal(fd_read(end[1], 1), -ST_BADF);
    assert_int_equal(fd_write(end[0], "x", 1), -ST_BADF);
}

static void capacity_is_64_kib(void **state)
{
    (void)state;
    long end[2];
    pipe_make(LX_O_NONBLOCK, end);
    assert_int_equal(fd_write(end[1], NULL, 100000), 65536);
    assert_int_equal(fd_write(end[1], "x", 1), -ST_AGAIN);
    assert_int_equal(fd_poll(end[1]), 0);
    assert_int_equal(fd_read(end[0], 4095), 4095);
    assert_int_equal(fd_poll(end[1]), 0); /* no whole page free yet */
    assert_int_equal(fd_read(end[0], 1), 1);
    assert_int_equal(fd_poll(end[1]), LX_POLLOUT | LX_POLLWRNORM);
    assert_int_equal(fd_write(end[1], NULL, 5000), 4096);
}

static void writes_up_to_pipe_buf_are_atomic(void **state)
{
    (void)state;
    long end[2];
    pipe_make(LX_O_NONBLOCK, end);
    assert_int_equal(fd_write(end[1], NULL, 65536 - 100), 65536 - 100);
    assert_int_equal(fd_write(end[1], NULL, 101), -ST_AGAIN);
    assert_int_equal(fd_write(end[1], NULL, 100), 100);
}

static void end_of_file_and_broken_pipe(void **state)
{
    (void)state;
    long end[2];
    pipe_make(0, end);
    fd_write(end[1], "x", 1);
    fd_close(end[1]);
    assert_int_equal(fd_poll(end[0]), LX_POLLIN | LX_POLLRDNORM | LX_POLLHUP);
    assert_int_equal(fd_read(end[0], 9), 1);
    assert_int_equal(fd_read(end[0], 9), 0);
    assert_int_equal(fd_poll(end[0]), LX_POLLHUP);
    pipe_make(0, end);
    fd_close(end[0]);
    assert_int_equal(fd_write(end[1], "x", 1), -ST_PIPE);
    assert_int_equal(fd_write(end[1], "", 0), 0);
    assert_int_equal(fd_poll(end[1]), LX_POLLOUT | LX_POLLWRNORM | LX_POLLERR);
}

static void blocked_ends_wake(void **state)
{
    (void)state;
    long end[2];
    pipe_make(0, end);
    assert_int_equal(fd_read(end[0], 9), -ST_WAIT);
    W.as = OTHER;
    assert_int_equal(fd_write(end[1], NULL, 100000), 65536);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(fd_write(end[1], NULL, 1), -ST_WAIT);
    W.as = USER;
    assert_int_equal(fd_read(end[0], 65536), 65536);
    assert_int_equal(woken(OTHER), 1);
    assert_int_equal(fd_read(end[0], 9), -ST_WAIT);
    fd_close(end[1]);
    assert_int_equal(woken(USER), 1);
    pipe_make(0, end);
    fd_write(end[1], NULL, 65536);
    assert_int_equal(fd_write(end[1], NULL, 1), -ST_WAIT);
    fd_close(end[0]);
    assert_int_equal(woken(USER), 1);
}

static void packet_mode(void **state)
{
    (void)state;
    long end[2];
    pipe_make(LX_O_DIRECT, end);
    fd_write(end[1], "abc", 3);
    fd_write(end[1], "def", 3);
    assert_int_equal(fd_read(end[0], 2), 2);
    assert_int_equal(fd_read(end[0], 9), 3);
    assert_memory_equal(W.out, "def", 3);
}

static void faults_change_nothing(void **state)
{
    (void)state;
    long end[2];
    pipe_make(0, end);
    memory_reset();
    W.in_size = 10;
    assert_int_equal(ASK(end[1], IO_WRITE, (uint64_t)-1, 0, 11), ST_FAULT);
    assert_int_equal(fd_ioctl(end[0], LX_FIONREAD), 0);
    fd_write(end[1], "abc", 3);
    memory_reset();
    assert_int_equal(ASK(end[0], IO_READ, (uint64_t)-1, 0, 3), ST_FAULT);
    assert_int_equal(fd_ioctl(end[0], LX_FIONREAD), 3);
}

static void stat_and_flags(void **state)
{
    (void)state;
    long end[2];
    pipe_make(LX_O_NONBLOCK, end);
    assert_int_equal(ASK0(end[0], IO_STAT), ST_OK);
    assert_int_equal(REPLY(2), LX_S_IFIFO | 0600);
    assert_int_equal(REPLY(13), IO_KIND_PIPE);
    uint64_t ino = REPLY(1);
    assert_int_equal(ASK0(end[1], IO_STAT), ST_OK);
    assert_int_equal(REPLY(1), ino);
    assert_int_equal(ASK0(end[1], IO_GET_FLAGS), ST_OK);
    assert_int_equal(REPLY(0), LX_O_WRONLY | LX_O_NONBLOCK);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_PIPE, 1), ST_INVAL);
    memory_reset();
    assert_int_equal(ASK(end[0], SOCK_LISTEN, 1), ST_NOTSOCK);
    assert_int_equal(fd_ioctl(end[0], LX_TIOCOUTQ), -ST_NOTTY);
}

static void random_traffic_stays_in_order(void **state)
{
    (void)state;
    long end[2];
    pipe_make(LX_O_NONBLOCK, end);
    unsigned char next_in = 0, next_out = 0;
    unsigned long inside = 0;
    srand(11);
    for (unsigned round = 0; round < 20000; round++) {
        size_t length = (size_t)rand() % (rand() % 8 ? 600 : 9000);
        if (rand() % 2) {
            static unsigned char data[9000];
            for (size_t i = 0; i < length; i++)
                data[i] = (unsigned char)(next_out + i);
            long sent = fd_write(end[1], data, length);
            if (length && length <= 4096)
                assert_true(sent == (long)length || sent == -ST_AGAIN);
            if (sent > 0) {
                next_out = (unsigned char)(next_out + sent);
                inside += (unsigned long)sent;
            }
        } else {
            long got = fd_read(end[0], length);
            for (long i = 0; i < got; i++)
                assert_int_equal(W.out[i], next_in++);
            inside -= got > 0 ? (unsigned long)got : 0;
        }
        assert_int_equal(fd_ioctl(end[0], LX_FIONREAD), inside);
    }
}

static long event_make(uint64_t initial, uint64_t flags)
{
    assert_int_equal(ASK(BADGE_ROOT, SOCK_EVENT, 0, initial, flags), ST_OK);
    return (long)W.got[0].value;
}

static void eventfd_counts(void **state)
{
    (void)state;
    long fd = event_make(3, 0);
    uint64_t value = 4;
    assert_int_equal(fd_write(fd, &value, 8), 8);
    assert_int_equal(fd_poll(fd), LX_POLLIN | LX_POLLOUT);
    assert_int_equal(fd_read(fd, 8), 8);
    memcpy(&value, W.out, 8);
    assert_int_equal(value, 7);
    assert_int_equal(fd_poll(fd), LX_POLLOUT);
    assert_int_equal(fd_read(fd, 7), -ST_INVAL);
    assert_int_equal(fd_write(fd, NULL, 7), -ST_INVAL);
    assert_int_equal(fd_write(fd, NULL, 16), -ST_INVAL); /* since Linux 6.9 */
    assert_int_equal(fd_read(fd, 8), -ST_WAIT);
    value = UINT64_MAX;
    assert_int_equal(fd_write(fd, &value, 8), -ST_INVAL);
    value = UINT64_MAX - 1;
    assert_int_equal(fd_write(fd, &value, 8), 8);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(fd_poll(fd), LX_POLLIN);
    value = 1;
    assert_int_equal(fd_write(fd, &value, 8), -ST_WAIT);
    assert_int_equal(fd_read(fd, 8), 8);
    assert_int_equal(woken(USER), 1);
}

static void eventfd_semaphore(void **state)
{
    (void)state;
    long fd = event_make(2, LX_EFD_SEMAPHORE | LX_EFD_NONBLOCK);
    uint64_t value;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(fd_read(fd, 8), 8);
        memcpy(&value, W.out, 8);
        assert_int_equal(value, 1);
    }
    assert_int_equal(fd_read(fd, 8), -ST_AGAIN);
}

static void epoll_identity(void **state)
{
    (void)state;
    assert_int_equal(ASK(BADGE_ROOT, SOCK_EVENT, 1, 0, 0), ST_OK);
    long fd = (long)W.got[0].value;
    assert_int_equal(fd_read(fd, 8), -ST_INVAL);
    assert_int_equal(ASK0(fd, IO_STAT), ST_OK);
    assert_int_equal(REPLY(13), IO_KIND_EPOLL);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_EVENT, 0, 0, 0x123456), ST_INVAL);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_EVENT, 2, 0, 0), ST_MESSAGE);
}

static long lock(uint64_t fd, uint64_t mode, uint64_t flags)
{
    return -(long)ASK(fd, IO_LOCK, 0, mode, 0, 0, flags);
}

static void flock_is_for_a_pipe_as_a_whole(void **state)
{
    (void)state;
    enum { SHARED, EXCLUSIVE, UNLOCK };
    assert_int_equal(ASK(BADGE_ROOT, SOCK_PIPE, 0), ST_OK);
    uint64_t in = W.got[0].value, out = W.got[1].value;
    assert_int_equal(lock(in, SHARED, IO_NOWAIT), 0);
    assert_int_equal(lock(out, SHARED, IO_NOWAIT), 0);
    assert_int_equal(lock(out, EXCLUSIVE, IO_NOWAIT), -ST_AGAIN); /* and has lost its own */
    assert_int_equal(lock(in, EXCLUSIVE, IO_NOWAIT), 0);
    assert_int_equal(lock(in, EXCLUSIVE, IO_NOWAIT), 0);
    assert_int_equal(lock(out, SHARED, 0), -ST_WAIT);
    assert_int_equal(woken(USER), 0);
    assert_int_equal(lock(in, UNLOCK, 0), 0);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(lock(out, EXCLUSIVE, 0), 0);
    assert_int_equal(lock(in, SHARED, 0), -ST_WAIT);
    fd_close((long)out);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(lock(in, SHARED, 0), 0);
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(lock((uint64_t)fd[0], EXCLUSIVE, 0), 0);
    assert_int_equal(lock((uint64_t)fd[1], EXCLUSIVE, 0), 0);
    assert_int_equal(-(long)ASK(fd[0], IO_LOCK, 2, 1, 0, 0, 0), -ST_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_through),
        TEST(capacity_is_64_kib),
        TEST(writes_up_to_pipe_buf_are_atomic),
        TEST(end_of_file_and_broken_pipe),
        TEST(blocked_ends_wake),
        TEST(packet_mode),
        TEST(faults_change_nothing),
        TEST(stat_and_flags),
        TEST(random_traffic_stays_in_order),
        TEST(eventfd_counts),
        TEST(eventfd_semaphore),
        TEST(flock_is_for_a_pipe_as_a_whole),
        TEST(epoll_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
