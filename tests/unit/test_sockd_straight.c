/*
 * sockd: the straight way (straight.h) does what the general way does. Random requests of few bytes, as
 * libposix makes them, run once and once again with the straight way turned off: every reply, wake-up, count
 * and record of the tracer must be the same. SPDX-License-Identifier: MIT
 */
#include "sockd_harness.h"

#include "core.h"

#define RUNS 1000u
#define STEPS 300u
#define REPLY_WORDS 12u

struct seen {
    enum status status;
    unsigned words, caps, wakes;
    uint64_t reply[REPLY_WORDS];
    uint64_t queued, recorded;
};

static uint32_t seed;
static uint64_t recorded; /* a hash of what the tracer is told */
static uint64_t straight; /* requests that the straight way could have served: not none */

static uint32_t pick(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static void record(enum ar_trace kind, unsigned what, uint64_t ino, uint64_t badge,
                   const uint64_t words[3], const uint8_t *text, unsigned length)
{
    uint64_t all[6] = {(uint64_t)kind << 32 | what, ino << 32 | badge, words[0], words[1], words[2], length};
    for (unsigned i = 0; i < 6; i++)
        recorded = (recorded ^ all[i]) * 0x100000001b3u;
    for (unsigned i = 0; i < length; i++)
        recorded = (recorded ^ text[i]) * 0x100000001b3u;
}

/* Random bytes behind the request's words, as libposix puts them: zero up to the word's end. */
static enum status ask_tail(long fd, uint32_t label, const uint64_t words[4], size_t length)
{
    uint64_t all[REPLY_WORDS] = {words[0], words[1], words[2], words[3]};
    uint8_t bytes[IPC_TAIL_BYTES] = {0};
    memory_reset();
    for (size_t i = 0; i < length; i++)
        W.in[i] = bytes[i] = (uint8_t)pick(256);
    W.in_size = length;
    memcpy(&all[IPC_TAIL_WORD], bytes, sizeof(bytes));
    return ask((uint64_t)fd, label, all, IPC_TAIL_WORD + (unsigned)(length + 7) / 8);
}

static enum status ask_room(long fd, uint32_t label, const uint64_t words[4], unsigned count)
{
    W.out_size = sizeof(W.out) < 4096 ? sizeof(W.out) : 4096;
    return ask((uint64_t)fd, label, words, count);
}

static enum status step(long fd[2])
{
    long at = fd[pick(2)], other = fd[pick(2)];
    size_t length = 1 + pick(pick(4) ? 8 : 64), room = 1 + pick(pick(4) ? 8 : 80);
    uint64_t flags = pick(2) ? LX_MSG_DONTWAIT : 0;
    memory_reset();
    switch (pick(16)) {
    case 0: case 1: case 2: case 3:
        straight++;
        return ask_tail(at, IO_WRITE, (const uint64_t[4]){(uint64_t)IO_CURRENT, 0, length}, length);
    case 4: case 5:
        straight++;
        if (pick(2))
            cap_own((uint64_t)other);
        if (pick(3) == 0)
            cap_foreign(AR_GATE, pick(3) ? ISSUER_FILED : ISSUER_NONE);
        return ask_tail(at, SOCK_SEND, (const uint64_t[4]){flags, length, 0, W.cap_count}, length);
    case 6: case 7: case 8:
        straight++;
        return ask_room(at, IO_READ, (const uint64_t[4]){(uint64_t)IO_CURRENT, IO_TAIL, room}, 3);
    case 9: case 10:
        straight++;
        return ask_room(at, SOCK_RECEIVE,
                         (const uint64_t[4]){flags | SOCK_TAIL, room, 0, pick(9)}, 4);
    case 11:
        return ask_room(at, SOCK_RECEIVE,
                         (const uint64_t[4]){LX_MSG_DONTWAIT | LX_MSG_PEEK | SOCK_TAIL, room, 0, 8}, 4);
    case 12:
        return ask_tail(at, SOCK_SEND,
                        (const uint64_t[4]){flags | (pick(2) ? LX_MSG_OOB : 0), length, 0, 0}, length);
    case 13:
        return (enum status)-sk_set(at, pick(2) ? LX_SO_PASSCRED : LX_SO_OOBINLINE, (int)pick(2));
    case 14:
        if (pick(8) == 0)
            return (enum status)-sk_shutdown(at, (int)pick(3));
        return (enum status)-sk_set(at, pick(2) ? LX_SO_RCVLOWAT : LX_SO_SNDBUF, pick(2) ? 1 : 2000);
    default:
        if (pick(20) == 0 && W.copies[fd[0]])
            fd_close((uint64_t)fd[0]);
        W.as = pick(3) == 0 ? ROOT : USER;
        return ST_OK;
    }
}

static unsigned wakes_all(void)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < sizeof(W.wakes) / sizeof(W.wakes[0]); i++)
        sum += W.wakes[i];
    return sum;
}

static void run(uint32_t from, bool general, struct seen seen[STEPS])
{
    long fd[2];
    world_begin(&default_limits);
    sockd_set_trace(W.sockd, record);
    W.sockd->general = general;
    recorded = 0;
    seed = from;
    pair_make(LX_SOCK_STREAM, fd);
    for (unsigned i = 0; i < STEPS; i++) {
        seen[i] = (struct seen){.status = step(fd)};
        seen[i].words = W.call.reply_word_count;
        seen[i].caps = W.call.reply_cap_count;
        for (unsigned word = 0; word < seen[i].words && word < REPLY_WORDS; word++)
            seen[i].reply[word] = W.call.reply_words[word];
        seen[i].wakes = wakes_all();
        seen[i].queued = W.sockd->queued;
        seen[i].recorded = recorded;
    }
    world_end();
}

static void same_as_the_general_way(void **state)
{
    static struct seen one[STEPS], two[STEPS];
    (void)state;
    for (uint32_t from = 1; from <= RUNS; from++) {
        run(from, false, one);
        run(from, true, two);
        for (unsigned i = 0; i < STEPS; i++)
            if (memcmp(&one[i], &two[i], sizeof(one[i])) != 0)
                fail_msg("seed %u, step %u: status %d, %u words, %lx %lx %lx %lx %lx; in general: status %d, "
                         "%u words, %lx %lx %lx %lx %lx", from, i, one[i].status, one[i].words,
                         one[i].reply[0], one[i].reply[1], one[i].reply[2], one[i].reply[3],
                         one[i].reply[4], two[i].status, two[i].words, two[i].reply[0],
                         two[i].reply[1], two[i].reply[2], two[i].reply[3], two[i].reply[4]);
    }
    assert_true(straight > RUNS * STEPS / 2);
}

static void few_bytes_cost_the_least(void **state)
{
    (void)state;
    for (uint32_t length = 1; length <= IPC_TAIL_BYTES; length++)
        assert_int_equal(charge_for_chunk(length), CHARGE_LEAST);
}

/* Three bytes, read as two and one: behind them nothing of another reply goes out. */
static void tails_end_with_zeros(void **state)
{
    long fd[2];
    (void)state;
    pair_make(LX_SOCK_STREAM, fd);
    const uint64_t request[5] = {(uint64_t)IO_CURRENT, 0, 3, 0, 0xffffffffff636261};
    assert_int_equal(ask((uint64_t)fd[0], IO_WRITE, request, 5), ST_OK);
    assert_int_equal(ask((uint64_t)fd[1], IO_READ, (const uint64_t[]){(uint64_t)IO_CURRENT, IO_TAIL, 2}, 3),
                     ST_OK);
    assert_int_equal(W.call.reply_word_count, 5);
    assert_int_equal(REPLY(0), 2);
    assert_int_equal(REPLY(4), 0x6261);
    assert_int_equal(ask((uint64_t)fd[1], IO_READ, (const uint64_t[]){(uint64_t)IO_CURRENT, IO_TAIL, 9}, 3),
                     ST_OK);
    assert_int_equal(REPLY(0), 1);
    assert_int_equal(REPLY(4), 0x63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_the_general_way),
        cmocka_unit_test(few_bytes_cost_the_least),
        TEST(tails_end_with_zeros),
    };
    harness_unused();
    (void)sk_recv_rights;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
