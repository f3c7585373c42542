/* sockd: many descriptions in one request (sock.toml, poll_set). SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

#define IN LX_POLLIN
#define OUT LX_POLLOUT

static long set_make(void)
{
    assert_int_equal(ASK0(BADGE_ROOT, SOCK_POLL_SET), ST_OK);
    return (long)W.got[0].value;
}

static uint32_t handle_get(long set, long fd)
{
    cap_own((uint64_t)fd);
    assert_int_equal(ASK0((uint64_t)set, SOCK_POLL_ADD), ST_OK);
    return (uint32_t)REPLY(0);
}

static uint16_t found[512];

/* How many are ready; the masks are left in `found`. */
static long ask_many(long set, const uint32_t *entries, unsigned count, bool arm)
{
    memory_reset();
    memcpy(W.in, entries, count * 4);
    W.in_size = count * 4;
    W.out_size = count * 2;
    enum status status = ASK((uint64_t)set, SOCK_POLL_MANY, count, arm);
    memcpy(found, W.out, sizeof(found));
    return status == ST_OK ? (long)REPLY(0) : -(long)status;
}

static void masks_and_wake_ups(void **state)
{
    (void)state;
    long set = set_make(), fd[3][2];
    uint32_t entries[3];
    for (int i = 0; i < 3; i++) {
        pair_make(LX_SOCK_STREAM, fd[i]);
        entries[i] = handle_get(set, fd[i][0]) | IN << 16;
        assert_int_equal(handle_get(set, fd[i][0]), entries[i] & 0xffff); /* the same again */
    }
    assert_int_equal(ask_many(set, entries, 3, true), 0);
    sk_send(fd[1][0], "x", 1, 0); /* of no interest */
    assert_int_equal(woken(USER), 0);
    sk_send(fd[1][1], "x", 1, 0);
    assert_int_equal(woken(USER), 1);
    sk_send(fd[1][1], "x", 1, 0);
    assert_int_equal(woken(USER), 0); /* one shot */
    assert_int_equal(ask_many(set, entries, 3, true), 1);
    assert_int_equal(found[0], 0);
    assert_int_equal(found[1], IN);
    entries[2] |= OUT << 16;
    assert_int_equal(ask_many(set, entries, 3, true), 2);
    assert_int_equal(found[2], OUT);
    sk_recv(fd[1][0], 2, 0);
    entries[2] &= ~(OUT << 16);
    assert_int_equal(ask_many(set, entries, 3, true), 0);
    fd_close(fd[2][1]);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(ask_many(set, entries, 3, false), 1);
    assert_int_equal(found[2], IN | LX_POLLHUP);
    W.as = PRINCIPAL(1, 77);
    entries[2] = entries[0];
    assert_int_equal(ask_many(set, entries, 1, true), -ST_SESSION);
}

/* Two threads of a process share its set: an event that one has armed may wake the other too, but
 * nobody sleeps over it. */
static void two_threads(void **state)
{
    (void)state;
    long set = set_make(), a[2], b[2];
    pair_make(LX_SOCK_STREAM, a);
    pair_make(LX_SOCK_STREAM, b);
    uint32_t first = handle_get(set, a[0]) | IN << 16, second = handle_get(set, b[0]) | IN << 16;
    assert_int_equal(ask_many(set, &first, 1, true), 0);
    W.as = ROOT;
    assert_int_equal(ask_many(set, &second, 1, true), 0);
    sk_send(b[1], "x", 1, 0);
    assert_int_equal(woken(ROOT), 1);
    if (woken(USER)) { /* it asks again */
        W.as = USER;
        assert_int_equal(ask_many(set, &first, 1, true), 0);
    }
    sk_send(a[1], "x", 1, 0);
    assert_int_equal(woken(USER), 1);
}

static void a_handle_holds_nothing(void **state)
{
    (void)state;
    long set = set_make(), fd[2], other[2];
    pair_make(LX_SOCK_STREAM, fd);
    uint32_t entry = handle_get(set, fd[0]) | IN << 16;
    fd_close(fd[0]);
    assert_int_equal(counts_get().sockets, 1);
    assert_int_equal(ask_many(set, &entry, 1, true), 1);
    assert_int_equal(found[0], LX_POLLNVAL);
    pair_make(LX_SOCK_STREAM, other);
    assert_int_equal(handle_get(set, other[0]), entry & 0xffff); /* used again */
    uint32_t wild[] = {0xffff | IN << 16, 77 | IN << 16};
    assert_int_equal(ask_many(set, wild, 2, false), 2);
    assert_int_equal(found[0], LX_POLLNVAL);
    long stranger = set_make(); /* has handles of its own */
    assert_int_equal(ask_many(stranger, &entry, 1, false), 1);
    assert_int_equal(found[0], LX_POLLNVAL);
    long epoll = (ASK(BADGE_ROOT, SOCK_EVENT, 1, 0, 0), (long)W.got[0].value);
    cap_own((uint64_t)epoll);
    assert_int_equal(ASK0((uint64_t)set, SOCK_POLL_ADD), ST_BADF);
    cap_foreign(AR_GATE, ISSUER_FILED);
    assert_int_equal(ASK0((uint64_t)set, SOCK_POLL_ADD), ST_BADF);
    mem_fail_at(1);
    cap_own((uint64_t)other[1]);
    assert_int_equal(ASK0((uint64_t)set, SOCK_POLL_ADD), ST_NOMEM);
}

static void hundreds(void **state)
{
    (void)state;
    enum { PAIRS = 250 };
    static uint32_t entries[2 * PAIRS];
    long set = set_make();
    static long fd[PAIRS][2];
    for (int i = 0; i < PAIRS; i++) {
        pair_make(LX_SOCK_DGRAM, fd[i]);
        entries[2 * i] = handle_get(set, fd[i][0]) | IN << 16;
        entries[2 * i + 1] = handle_get(set, fd[i][1]) | IN << 16;
    }
    assert_int_equal(ask_many(set, entries, 2 * PAIRS, true), 0);
    for (int i = 0; i < PAIRS; i += 10)
        sk_send(fd[i][0], "x", 1, 0);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(ask_many(set, entries, 2 * PAIRS, true), PAIRS / 10);
    for (int i = 0; i < 2 * PAIRS; i++)
        assert_int_equal(found[i], i % 20 == 1 ? IN : 0);
    fd_close(set); /* the set goes, some interests at a time */
    assert_int_equal(sockd_deadline(W.sockd), 0);
    sk_send(fd[1][0], "x", 1, 0);
    assert_int_equal(woken(USER), 0);
}

/* Four in words: what one finds, and the wake-up. */
static void few(void **state)
{
    (void)state;
    long set = set_make(), fd[2][2];
    uint64_t entry[4];
    for (int i = 0; i < 2; i++) {
        pair_make(LX_SOCK_STREAM, fd[i]);
        entry[2 * i] = handle_get(set, fd[i][0]) | IN << 16;
        entry[2 * i + 1] = handle_get(set, fd[i][1]) | IN << 16;
    }
    uint64_t first = entry[0] | entry[1] << 32, second = entry[2] | entry[3] << 32;
#define FEW(count, arm, second) ASK((uint64_t)set, SOCK_POLL_FEW, count, arm, first, second)
    assert_int_equal(FEW(4, 1, second), ST_OK);
    assert_int_equal(REPLY(0), 0);
    sk_send(fd[1][0], "x", 1, 0);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(FEW(4, 1, second), ST_OK);
    assert_int_equal(REPLY(0), (uint64_t)IN << 48);
    assert_int_equal(FEW(3, 1, second), ST_OK); /* without that one */
    assert_int_equal(REPLY(0), 0);
    sk_send(fd[0][0], "x", 1, 0);
    assert_int_equal(woken(USER), 1);
    assert_int_equal(FEW(2, 0, 0), ST_OK);
    assert_int_equal(REPLY(0), (uint64_t)IN << 16);
    assert_int_equal(FEW(4, 1, second | 0xffff), ST_OK);
    assert_int_equal(REPLY(0), (uint64_t)IN << 16 | (uint64_t)LX_POLLNVAL << 32 | (uint64_t)IN << 48);
    assert_int_equal(FEW(5, 0, 0), ST_MESSAGE);
    assert_int_equal(ASK((uint64_t)fd[0][0], SOCK_POLL_FEW, 0, 0, 0, 0), ST_INVAL);
    assert_int_equal(FEW(0, 0, 0), ST_OK);
    W.as = PRINCIPAL(1, 77);
    assert_int_equal(FEW(1, 1, 0), ST_SESSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(masks_and_wake_ups),
        TEST(two_threads),
        TEST(a_handle_holds_nothing),
        TEST(hundreds),
        TEST(few),
    };
    harness_unused();
    (void)sk_recv_rights;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
