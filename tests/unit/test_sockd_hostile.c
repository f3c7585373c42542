/* sockd against hostile clients and want of memory: no message may stop or leak.
 * SPDX-License-Identifier: MIT */
#include "sockd_harness.h"

static void unknown_badges_and_labels(void **state)
{
    (void)state;
    assert_int_equal(ASK0(12345, SOCK_COUNTS), ST_INVAL);
    assert_int_equal(ASK0(12345, IO_STAT), ST_BADF);
    assert_int_equal(ASK0(UINT64_MAX, IO_STAT), ST_BADF);
    assert_int_equal(ASK0(BADGE_ROOT, IO_STAT), ST_BADF);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_LISTEN, 1), ST_INVAL);
    assert_int_equal(ASK0(BADGE_ROOT, 0x999999), ST_MESSAGE);
    assert_int_equal(ASK0((uint64_t)sk(LX_SOCK_DGRAM), SOCK_COUNTS), ST_INVAL);
    assert_int_equal(ASK0(W.session_badge[1], IO_STAT), ST_BADF);
    sockd_closed(W.sockd, 12345, &W.effects);
    sockd_closed(W.sockd, BADGE_ROOT, &W.effects);
}

static void session_needs_a_notification(void **state)
{
    (void)state;
    uint64_t slot = cap_foreign(AR_GATE, ISSUER_FILED);
    assert_int_equal(ASK0(BADGE_ROOT, SESSION_OPEN), ST_MESSAGE);
    assert_false(W.slot_used[slot]);
    assert_int_equal(ASK0(BADGE_ROOT, SESSION_OPEN), ST_MESSAGE);
    cap_own((uint64_t)sk(LX_SOCK_DGRAM));
    assert_int_equal(ASK0(BADGE_ROOT, SESSION_OPEN), ST_MESSAGE);
}

static void second_session_replaces_the_first(void **state)
{
    (void)state;
    uint64_t old = W.session_badge[1];
    W.caps[0] = (struct ipc_cap){.kind = AR_RECEIVED_CAP, .type = AR_NOTIFICATION, .value = 150};
    W.cap_count = 1;
    assert_int_equal(ASK0(BADGE_ROOT, SESSION_OPEN), ST_OK);
    assert_false(W.slot_used[NOTIFICATION_OF(1)]);
    fd_close(old);
    long fd[2];
    pair_make(LX_SOCK_STREAM, fd);
    assert_int_equal(sk_recv(fd[0], 1, 0), -ST_WAIT); /* the new one works */
    sk_send(fd[1], "x", 1, 0);
    assert_int_equal(W.wakes[150], 1);
    W.slot_used[NOTIFICATION_OF(1)] = false;
}

static void limits_on_objects(void **state)
{
    (void)state;
    const struct sockd_limits limits = {
        .objects = 20, .objects_of_user = 10, .queued = 1 << 20, .queued_of_user = 1 << 19};
    world_end();
    world_begin(&limits);
    unsigned made = 0;
    while (sk(LX_SOCK_STREAM) > 0)
        made++;
    assert_in_range(made, 8, 10);
    assert_int_equal(sk(LX_SOCK_STREAM), -ST_NFILE);
    assert_int_equal(ASK(BADGE_ROOT, SOCK_PIPE, 0), ST_NFILE);
    W.as = ROOT; /* root goes on, to its process's share */
    while (sk(LX_SOCK_STREAM) > 0)
        made++;
    assert_int_equal(sk(LX_SOCK_STREAM), -ST_MFILE);
    assert_int_equal(made + 3, 18);
    credentials_set(4, 104, 0); /* something is left for another process */
    W.as = PRINCIPAL(4, 4);
    assert_true(sk(LX_SOCK_STREAM) > 0);
}

static void limits_on_queued_bytes(void **state)
{
    (void)state;
    const struct sockd_limits limits = {
        .objects = 2000, .objects_of_user = 1000, .queued = 1 << 20, .queued_of_user = 1 << 19};
    world_end();
    world_begin(&limits);
    long fd[2], result = 0;
    for (unsigned i = 0; i < 100 && result >= 0; i++) {
        pair_make(LX_SOCK_DGRAM, fd);
        result = sk_send_size(fd[0], 100000, 0);
    }
    assert_int_equal(result, -ST_NOBUFS);
    assert_true(counts_get().queued <= 1 << 19);
    W.as = ROOT;
    pair_make(LX_SOCK_DGRAM, fd);
    assert_int_equal(sk_send_size(fd[0], 100000, 0), 100000);
}

/* A scenario that passes through most of the code; every status is allowed, every invariant must
 * hold. */
static void scenario(void)
{
    long fd[2], server = sk(LX_SOCK_STREAM), client = sk(LX_SOCK_STREAM), named = sk(LX_SOCK_DGRAM),
                result;
    if (server > 0 && client > 0 && sk_bind(server, "/s") == 0) {
        sk_listen(server, 3);
        sk_connect(client, "/s", last_name_gate);
        sk_send_size(client, 50000, LX_MSG_DONTWAIT);
        result = sk_accept(server);
        if (result > 0) {
            sk_recv(result, 1000, 0);
            sk_recv(result, 1000, 0);
            sk_recv(client, 10, 0);
        }
    }
    if (named > 0)
        sk_bind(named, "@n"), sk_set(named, LX_SO_PRIORITY, 3);
    if (ASK(BADGE_ROOT, SOCK_SOCKET_PAIR, 1, LX_SOCK_SEQPACKET, 0) == ST_OK) {
        fd[0] = (long)W.got[0].value;
        fd[1] = (long)W.got[1].value;
        ASK(BADGE_ROOT, SOCK_STAGE, 1);
        cap_own((uint64_t)fd[0]);
        cap_foreign(AR_GATE, ISSUER_FILED);
        if (ASK(BADGE_ROOT, SOCK_STAGE, 0) == ST_OK)
            sk_send_extra(fd[0], "x", 1, 0, (struct send_extra){.staged = 2});
        fd_poll_arm(fd[0], LX_POLLIN, true);
        sk_recv_rights(fd[1], 9, LX_MSG_DONTWAIT, 1);
    }
    if (ASK(BADGE_ROOT, SOCK_PIPE, 0) == ST_OK) {
        fd[0] = (long)W.got[0].value;
        fd[1] = (long)W.got[1].value;
        fd_read(fd[0], 10);
        fd_write(fd[1], NULL, 9000);
        fd_read(fd[0], 5000);
    }
    ASK(BADGE_ROOT, SOCK_EVENT, 0, 1, 0);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 60; n++) {
        mem_fail_at(n);
        scenario();
        mem_fail_at(0);
        world_end(); /* checks that nothing leaked */
        world_begin(&default_limits);
    }
}

static uint64_t random_word(void)
{
    static const uint64_t edges[] = {
        0,   1,    2,     3,       5,         8,          110,       128,        253,
        254, 4096, 65536, 1 << 20, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX, UINT64_MAX - 1};
    if (rand() % 3)
        return edges[(unsigned)rand() % (sizeof(edges) / sizeof(edges[0]))];
    return rand() % 2 ? (uint64_t)rand() % 64 : (uint64_t)rand() << 33 ^ (uint64_t)rand();
}

static uint64_t random_badge(void)
{
    for (unsigned tries = 0; tries < 50; tries++) {
        uint64_t badge = BADGE_OBJECTS + (uint64_t)rand() % 64;
        if (W.copies[badge])
            return badge;
    }
    return BADGE_ROOT;
}

/* Messages and closes at random over all operations, well-formed or not; closed gates and effects
 * are checked. */
static void random_message(void)
{
    static const struct {
        uint32_t first, count;
    } protocols[] = {{SOCK_SOCKET, SOCK_EPOLL_REPORT - SOCK_SOCKET + 2},
                     {IO_READ, IO_ALLOCATE - IO_READ + 2},
                     {SOCK_SEND, 5},
                     {SOCK_BIND_PREPARE, 7}};
    unsigned which = (unsigned)rand() % 4;
    uint32_t label = protocols[which].first + (uint32_t)rand() % protocols[which].count;
    uint64_t words[10];
    for (unsigned i = 0; i < 10; i++)
        words[i] = random_word();
    memory_reset();
    W.in_size = rand() % 4 ? MEMORY_MAX : (size_t)rand() % 300;
    W.out_size = rand() % 4 ? MEMORY_MAX : (size_t)rand() % 300;
    W.in[0] = (uint8_t)(rand() % 8 ? 1 : rand() % 3);
    W.in[1] = 0;
    W.in[2] = rand() % 2 ? 0 : 'p';
    W.in[3] = (uint8_t)('a' + rand() % 2);
    unsigned caps = rand() % 4 ? (unsigned)rand() % 2 : (unsigned)rand() % 9;
    for (unsigned i = 0; i < caps; i++) {
        if (rand() % 4)
            cap_own(random_badge());
        else if (W.next_slot < SLOTS_MAX)
            cap_foreign(rand() % 4 ? AR_GATE : AR_NOTIFICATION, (uint64_t)rand() % 6);
    }
    const unsigned counts[] = {0, 1, 2, 3, 4, 7, 8};
    W.as = rand() % 3 ? USER : rand() % 2 ? ROOT : OTHER;
    uint64_t badge = rand() % 5 ? random_badge() : BADGE_ROOT;
    enum status status = ST_MESSAGE;
    if (rand() % 8) { /* find the word count that this operation takes; the others are refused */
        struct ipc_cap kept[8];
        unsigned kept_count = W.cap_count;
        memcpy(kept, W.caps, sizeof(kept));
        for (unsigned i = 0; i < 7 && status == ST_MESSAGE; i++) {
            W.cap_count = kept_count;
            memcpy(W.caps, kept, sizeof(kept));
            status = ask(badge, label, words, counts[i]);
        }
    } else {
        ask(badge, label, words, (unsigned)rand() % 10);
    }
}

static void random_messages(void **state)
{
    (void)state;
    const char *text = getenv("SOCKD_SEED");
    unsigned seed = text ? (unsigned)atoi(text) : 1, rounds = text ? 1 : 20;
    for (; rounds > 0; rounds--, seed++) {
        print_message("# seed %u\n", seed);
        srand(seed);
        for (unsigned i = 0; i < 3000; i++) {
            random_message();
            if (rand() % 12 == 0) {
                uint64_t badge = random_badge();
                if (badge != BADGE_ROOT && badge != W.session_badge[1])
                    fd_close(badge);
            }
            if (rand() % 50 == 0)
                assert_true(sk(rand() % 2 ? LX_SOCK_STREAM : LX_SOCK_DGRAM) > 0);
        }
        world_end();
        world_begin(&default_limits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unknown_badges_and_labels),
        TEST(session_needs_a_notification),
        TEST(second_session_replaces_the_first),
        TEST(limits_on_objects),
        TEST(limits_on_queued_bytes),
        TEST(every_allocation_may_fail),
        TEST(random_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
