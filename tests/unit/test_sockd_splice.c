/* O3: splice and tee among pipes and sockets: what the sink does not take stays in the source.
 * SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

#define ALL (1u << 20)

static void pipe_make(long fd[2], uint64_t flags)
{
    assert_int_equal(ASK(BADGE_ROOT, SOCK_PIPE, flags), ST_OK);
    fd[0] = (long)W.got[0].value;
    fd[1] = (long)W.got[1].value;
}

static long splice(long from, long to, uint64_t length, uint64_t flags)
{
    memory_reset();
    cap_own((uint64_t)to);
    enum status status = ASK((uint64_t)from, SOCK_SPLICE, length, flags);
    return status == ST_OK ? (long)REPLY(0) : -(long)status;
}

static void O3_a_full_sink_loses_nothing(void **state)
{
    (void)state;
    long a[2], b[2];
    static uint8_t bytes[8000];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    pipe_make(a, 0);
    pipe_make(b, LX_O_NONBLOCK);
    for (unsigned i = 0; i < 15; i++)
        assert_int_equal(fd_write(b[1], NULL, 4096), 4096);
    assert_int_equal(fd_write(a[1], bytes, sizeof(bytes)), sizeof(bytes));
    assert_int_equal(splice(a[0], b[1], ALL, 0), 4096);
    assert_int_equal(splice(a[0], b[1], ALL, 0), -(long)ST_AGAIN);
    assert_int_equal(splice(a[0], b[1], ALL, SOCK_SPLICE_COPY), -(long)ST_AGAIN);
    assert_int_equal(fd_read(a[0], ALL), sizeof(bytes) - 4096);
    assert_memory_equal(W.out, bytes + 4096, sizeof(bytes) - 4096);
    assert_int_equal(fd_read(b[0], ALL), 65536);
    assert_memory_equal(W.out + 15 * 4096, bytes, 4096);
}

static void O3_each_allocation_may_fail(void **state)
{
    (void)state;
    long a[2], s[2];
    pipe_make(a, 0);
    pair_make(LX_SOCK_STREAM, s);
    for (unsigned direction = 0; direction < 2; direction++) {
        long from = direction ? s[1] : a[0], to = direction ? a[1] : s[0];
        unsigned n = 0;
        long moved;
        assert_int_equal(fd_write(direction ? s[0] : a[1], "eight by", 8), 8);
        do {
            mem_fail_at(++n);
            moved = splice(from, to, ALL, 0);
            mem_fail_at(0);
            assert_true(moved == 8 || moved == -(long)ST_NOMEM || moved == -(long)ST_NOBUFS);
        } while (moved < 0 && n < 20);
        assert_true(moved == 8 && n > 1);
        assert_int_equal(fd_read(direction ? a[0] : s[1], ALL), 8);
        assert_memory_equal(W.out, "eight by", 8);
    }
}

/* Only the read that takes a packet whole may cut it. */
static void O3_packets_are_not_cut(void **state)
{
    (void)state;
    long a[2], b[2];
    pipe_make(a, LX_O_DIRECT);
    pipe_make(b, 0);
    assert_int_equal(fd_write(a[1], "packet", 6), 6);
    assert_int_equal(fd_write(a[1], "next", 4), 4);
    assert_int_equal(splice(a[0], b[1], 2, 0), 2);
    assert_int_equal(splice(a[0], b[1], ALL, 0), 4);
    assert_int_equal(fd_read(b[0], ALL), 6);
    assert_memory_equal(W.out, "packet", 6);
    assert_int_equal(fd_read(a[0], ALL), 4);
}

static void O3_what_cannot_be_spliced(void **state)
{
    (void)state;
    long a[2], s[2];
    pipe_make(a, 0);
    pair_make(LX_SOCK_STREAM, s);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_EVENT, 0, 0, 0), ST_OK);
    long event = (long)W.got[0].value;
    assert_int_equal(splice(a[0], a[1], 1, 0), -(long)ST_INVAL);
    assert_int_equal(splice(a[1], s[0], 1, 0), -(long)ST_BADF);
    assert_int_equal(splice(s[0], a[0], 1, 0), -(long)ST_BADF);
    assert_int_equal(splice(s[0], s[1], 1, 0), -(long)ST_INVAL);
    assert_int_equal(splice(a[0], event, 1, 0), -(long)ST_INVAL);
    assert_int_equal(splice(event, a[1], 1, 0), -(long)ST_INVAL);
    assert_int_equal(splice(a[0], s[0], 1, SOCK_SPLICE_COPY), -(long)ST_INVAL);
    cap_foreign(AR_GATE, ISSUER_FILED);
    assert_int_equal(ASK((uint64_t)a[0], SOCK_SPLICE, 1, 0), ST_INVAL);
    assert_int_equal(splice(BADGE_ROOT, a[1], 1, 0), -(long)ST_INVAL);
    assert_int_equal(ASK((uint64_t)s[0], SOCK_PEEK, 1, 0), ST_INVAL);
    assert_int_equal(ASK((uint64_t)a[1], SOCK_PEEK, 1, 0), ST_BADF);
    assert_int_equal(ASK((uint64_t)a[1], SOCK_DROP, 1), ST_BADF);
}

static void O3_peek_takes_nothing(void **state)
{
    (void)state;
    long a[2];
    pipe_make(a, 0);
    memory_reset();
    W.out_size = 100;
    assert_int_equal(ASK((uint64_t)a[0], SOCK_PEEK, 100, SOCK_SPLICE_NOWAIT), ST_AGAIN);
    assert_int_equal(fd_write(a[1], "abcdef", 6), 6);
    memory_reset();
    W.out_size = 100;
    assert_int_equal(ASK((uint64_t)a[0], SOCK_PEEK, 100, 0), ST_OK);
    assert_int_equal(REPLY(0), 6);
    W.out_bad = 2;
    assert_int_equal(ASK((uint64_t)a[0], SOCK_PEEK, 100, 0), ST_FAULT);
    assert_int_equal(ASK((uint64_t)a[0], SOCK_DROP, 4), ST_OK);
    assert_int_equal(fd_read(a[0], 100), 2);
    assert_memory_equal(W.out, "ef", 2);
    assert_int_equal(ASK((uint64_t)a[0], SOCK_DROP, UINT64_MAX), ST_OK);
}

int main(void)
{
    harness_unused();
    const struct CMUnitTest tests[] = {
        TEST(O3_a_full_sink_loses_nothing),
        TEST(O3_each_allocation_may_fail),
        TEST(O3_packets_are_not_cut),
        TEST(O3_what_cannot_be_spliced),
        TEST(O3_peek_takes_nothing),
    };
    return cmocka_run_group_tests_name("sockd splice", tests, NULL, NULL);
}
