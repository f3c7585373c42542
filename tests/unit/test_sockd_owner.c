/* sockd: SIGURG and SIGIO, checklist S5 and O2 (shared/AF_UNIX.md): what is asked of procd, and when.
 * What programs see of it: tests/boot/programs/posix_sigio.c. SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

enum { URG = 23, SIGIO_ = 29, REALTIME = 40, KERNEL = 0x80 };

static struct signal_request asked[16];
static unsigned asked_count;
static void signal_note(const struct signal_request *request)
{
    assert_true(asked_count < 16);
    asked[asked_count++] = *request;
}

static long fd[2];
static int owner_setup(void **state)
{
    setup(state);
    asked_count = 0;
    sockd_set_signal(W.sockd, signal_note);
    return 0;
}

static void owner_set(long of, uint64_t type, uint64_t id, uint64_t signal)
{
    assert_int_equal(ASK((uint64_t)of, IO_OWNER, IO_OWNER_SET, type, id, 0), ST_OK);
    assert_int_equal(ASK((uint64_t)of, IO_OWNER, IO_OWNER_SIGNAL, 0, 0, signal), ST_OK);
}

static void async(long of, uint64_t number)
{
    assert_int_equal(ASK((uint64_t)of, IO_SET_FLAGS, LX_O_ASYNC, number), ST_OK);
}

/* Exactly one was asked for since the last time. */
static void expect(uint32_t signal, int32_t code, uint64_t band)
{
    assert_int_equal(asked_count, 1);
    assert_int_equal(asked[0].signal, signal);
    assert_int_equal(asked[0].code, code);
    assert_int_equal(asked[0].band, band);
    asked_count = 0;
}

static void o2_owner_reads_back(void **state)
{
    (void)state;
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(ASK(fd[0], IO_OWNER, IO_OWNER_GET, 0, 0, 0), ST_OK);
    assert_int_equal(REPLY(1), 0);
    owner_set(fd[0], SIGNAL_TO_GROUP, 77, REALTIME);
    assert_int_equal(ASK(fd[0], IO_OWNER, IO_OWNER_GET, 0, 0, 0), ST_OK);
    assert_int_equal(REPLY(0), SIGNAL_TO_GROUP);
    assert_int_equal(REPLY(1), 77);
    assert_int_equal(REPLY(2), REALTIME);
    assert_int_equal(ASK(fd[0], IO_OWNER, 3, 0, 0, 0), ST_MESSAGE);
    assert_int_equal(ASK(fd[0], IO_OWNER, IO_OWNER_SET, 3, 1, 0), ST_MESSAGE);
    assert_int_equal(ASK(fd[0], IO_OWNER, IO_OWNER_SIGNAL, 0, 0, 65), ST_MESSAGE);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_PIPE, 0), ST_OK);
    long end = (long)W.got[0].value;
    assert_int_equal(ASK(end, IO_OWNER, IO_OWNER_SET, 1, 1, 0), ST_INVAL); /* libposix keeps it */
}

static void s5_sigurg_needs_an_owner_only(void **state)
{
    (void)state;
    pair_make(LX_SOCK_STREAM, fd);
    sk_send(fd[1], "u", 1, LX_MSG_OOB);
    assert_int_equal(asked_count, 0);
    W.as = OTHER;
    owner_set(fd[0], SIGNAL_TO_PROCESS, 101, 0);
    W.as = USER;
    sk_send(fd[1], "xu", 2, LX_MSG_OOB);
    assert_int_equal(asked[0].target, SIGNAL_TO_PROCESS);
    assert_int_equal(asked[0].id, 101);
    assert_int_equal(asked[0].uid, 1001); /* who set it, not who sends */
    assert_int_equal(asked[0].euid, 1001);
    expect(URG, KERNEL, 0);
    sk_send(fd[1], "x", 1, 0);
    assert_int_equal(asked_count, 0);
    async(fd[0], 7);
    sk_send(fd[1], "u", 1, LX_MSG_OOB);
    assert_int_equal(asked_count, 2);
    assert_int_equal(asked[0].signal, URG);
    assert_int_equal(asked[1].signal, SIGIO_);
    asked_count = 0;
    owner_set(fd[0], SIGNAL_TO_PROCESS, 101, REALTIME);
    sk_send(fd[1], "u", 1, LX_MSG_OOB);
    assert_int_equal(asked_count, 3);
    assert_int_equal(asked[1].signal, REALTIME);
    assert_int_equal(asked[1].code, 5); /* POLL_PRI */
    assert_int_equal(asked[2].code, 1);
    asked_count = 0;
    owner_set(fd[0], SIGNAL_TO_PROCESS, 0, 0);
    sk_send(fd[1], "u", 1, LX_MSG_OOB);
    assert_int_equal(asked_count, 0);
}

static void o2_sigio_tells_what_happened(void **state)
{
    (void)state;
    pair_make(LX_SOCK_STREAM, fd);
    owner_set(fd[0], SIGNAL_TO_PROCESS, 101, REALTIME);
    sk_send(fd[1], "x", 1, 0);
    assert_int_equal(asked_count, 0);
    async(fd[0], 7);
    sk_send(fd[1], "x", 1, 0);
    assert_int_equal(asked[0].fd, 7);
    expect(REALTIME, 1, 0x41);
    sk_send(fd[0], "x", 1, 0);
    sk_recv(fd[1], 1, 0);
    assert_int_equal(asked_count, 0); /* nobody had missed the space */
    sk_send_size(fd[0], 1 << 20, LX_MSG_DONTWAIT);
    sk_recv(fd[1], 1 << 20, 0);
    expect(REALTIME, 2, 0x304);
    sk_shutdown(fd[1], 0);
    assert_int_equal(asked_count, 0);
    sk_shutdown(fd[1], 1);
    expect(REALTIME, 1, 0x41);
    sk_shutdown(fd[1], 2);
    expect(REALTIME, 6, 0x18);
    fd_close(fd[1]);
    expect(REALTIME, 6, 0x18);
}

static void o2_sigio_of_signals_with_codes_of_their_own(void **state)
{
    (void)state;
    pair_make(LX_SOCK_DGRAM, fd);
    async(fd[0], 7);
    const uint32_t own[] = {4, 5, 7, 8, 11, 17, 31};
    for (uint32_t signal = 1; signal < 65; signal++) {
        bool has = false;
        for (unsigned i = 0; i < 7; i++)
            has |= own[i] == signal;
        owner_set(fd[0], SIGNAL_TO_THREAD, 5, signal);
        assert_int_equal(sk_send(fd[1], "x", 1, 0), 1);
        expect(signal, has ? -5 : 1, 0x41);
        sk_recv(fd[0], 1, 0);
    }
}

static void o2_sigio_for_a_listener_and_a_disconnected_datagram_socket(void **state)
{
    (void)state;
    long listener = sk(LX_SOCK_STREAM), client = sk(LX_SOCK_STREAM);
    sk_bind(listener, "@s");
    sk_listen(listener, 1);
    owner_set(listener, SIGNAL_TO_PROCESS, 101, 0);
    async(listener, 3);
    assert_int_equal(sk_connect(client, "@s", 0), 0);
    expect(SIGIO_, KERNEL, 0);
    long a = sk(LX_SOCK_DGRAM), b = sk(LX_SOCK_DGRAM), c = sk(LX_SOCK_DGRAM);
    sk_bind(a, "@a");
    sk_bind(b, "@b");
    sk_bind(c, "@c");
    assert_int_equal(sk_connect(a, "@b", 0), 0);
    assert_int_equal(sk_connect(b, "@a", 0), 0);
    owner_set(a, SIGNAL_TO_PROCESS, 101, REALTIME);
    async(a, 3);
    assert_int_equal(sk_send(a, "x", 1, 0), 1);
    assert_int_equal(sk_connect(b, "@c", 0), 0); /* what a sent is lost, and a hears of it */
    expect(REALTIME, 4, LX_POLLERR);
}

#define OWNER_TEST(name) cmocka_unit_test_setup_teardown(name, owner_setup, teardown)

int main(void)
{
    harness_unused();
    const struct CMUnitTest tests[] = {
        OWNER_TEST(o2_owner_reads_back),
        OWNER_TEST(s5_sigurg_needs_an_owner_only),
        OWNER_TEST(o2_sigio_tells_what_happened),
        OWNER_TEST(o2_sigio_of_signals_with_codes_of_their_own),
        OWNER_TEST(o2_sigio_for_a_listener_and_a_disconnected_datagram_socket),
    };
    return cmocka_run_group_tests_name("sockd-owner", tests, NULL, NULL);
}
