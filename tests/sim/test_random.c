/*
 * Concurrent runs by seed, with what must always hold: the bytes of a stream arrive in order and
 * whole, a descriptor goes with its byte, datagrams are not torn or invented, nobody is left
 * waiting who could go on. SPDX-License-Identifier: MIT
 */
#include "tap.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define SEEDS 40u
#define PAIRS 4u
#define STREAM_BYTES 100000u /* more than a queue holds: writers wait too */

static uint64_t calls;
#define RUN(...) (calls++, SIM_CALL(__VA_ARGS__))

/* ---- streams: a writer and a reader a pair, and a killer ------------------------------------- */

struct stream {
    int ends[2], type;
    bool full; /* all bytes were read */
    unsigned sent, received, gifts_sent, gifts_received;
};
static struct stream streams[PAIRS];
static unsigned slack; /* bytes: 0, or one send's when somebody is killed */

/* The byte at a position of every stream: two neighbours never agree by accident. */
static uint8_t pattern(unsigned at)
{
    return (uint8_t)(at * 167 + (at >> 8) * 13);
}

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

/* One write of `length` bytes, now and then with the end of a pipe that holds its position. */
static long piece_send(struct stream *stream, unsigned length)
{
    uint8_t bytes[512];
    union control control;
    struct iovec data = {bytes, length};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    int pipe[2] = {-1, -1};
    for (unsigned i = 0; i < length; i++)
        bytes[i] = pattern(stream->sent + i);
    if (sim_random(8) == 0 && RUN(SYS_pipe2, pipe, 0) == 0) {
        CHECK_EQUAL(RUN(SYS_write, pipe[1], &stream->sent, 4), 4);
        control.align = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.align), &pipe[0], sizeof(int));
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
    }
    long sent = RUN(SYS_sendmsg, stream->ends[0], &message, MSG_NOSIGNAL);
    stream->gifts_sent += sent > 0 && message.msg_control;
    if (pipe[0] >= 0) {
        RUN(SYS_close, pipe[0]);
        RUN(SYS_close, pipe[1]);
    }
    return sent;
}

static void stream_writer(void *argument)
{
    struct stream *stream = argument;
    RUN(SYS_close, stream->ends[1]);
    while (stream->sent < STREAM_BYTES) {
        unsigned length = 1 + sim_random(512);
        if (length > STREAM_BYTES - stream->sent)
            length = STREAM_BYTES - stream->sent;
        long sent = piece_send(stream, length);
        if (sent < 0) {
            CHECK(sent == -EPIPE || sent == -ECONNRESET); /* the reader was killed */
            return;
        }
        CHECK(sent == length || stream->type == SOCK_STREAM);
        stream->sent += (unsigned)sent;
    }
}

/* The descriptor that came with bytes from `first` on tells of a position among them. */
static void gift_check(struct stream *stream, const union control *control, unsigned first,
                       unsigned length)
{
    unsigned position = 0;
    int fd;
    memcpy(&fd, CMSG_DATA(&control->align), sizeof(fd));
    CHECK_EQUAL(RUN(SYS_read, fd, &position, 4), 4);
    CHECK(position >= first && position < first + length);
    RUN(SYS_close, fd);
    stream->gifts_received++;
}

static void reader_wait(int fd, int set)
{
    struct epoll_event event;
    struct pollfd entry = {fd, POLLIN, 0};
    if (sim_random(2))
        CHECK_EQUAL(RUN(SYS_epoll_wait, set, &event, 1, -1), 1);
    else
        CHECK_EQUAL(RUN(SYS_poll, &entry, 1, -1), 1);
}

static void stream_reader(void *argument)
{
    struct stream *stream = argument;
    uint8_t bytes[700];
    struct epoll_event event = {.events = EPOLLIN};
    RUN(SYS_close, stream->ends[0]);
    int set = (int)RUN(SYS_epoll_create1, 0);
    RUN(SYS_epoll_ctl, set, EPOLL_CTL_ADD, stream->ends[1], &event);
    for (;;) {
        union control control;
        struct iovec data = {bytes, stream->type == SOCK_STREAM ? 1 + sim_random(700) : 700};
        struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                                 .msg_controllen = sizeof(control)};
        if (sim_random(4) == 0)
            reader_wait(stream->ends[1], set);
        long got = RUN(SYS_recvmsg, stream->ends[1], &message, 0);
        CHECK(got >= 0);
        if (got <= 0)
            break;
        for (long i = 0; i < got; i++)
            CHECK_EQUAL(bytes[i], pattern(stream->received + (unsigned)i));
        if (message.msg_controllen)
            gift_check(stream, &control, stream->received, (unsigned)got);
        stream->received += (unsigned)got;
    }
    /* A writer that is killed may not come to count its last send. */
    CHECK(stream->received >= stream->sent && stream->received - stream->sent <= slack);
    CHECK(stream->gifts_received - stream->gifts_sent <= slack / 512);
    stream->full = true;
}

static void stream_parent(void *argument)
{
    struct stream *stream = argument;
    CHECK_EQUAL(RUN(SYS_socketpair, AF_UNIX, stream->type, 0, stream->ends), 0);
    CHECK(sim_fork(stream_reader, stream) > 0);
    stream_writer(stream);
}

static void streams_run(uint64_t seed, bool killing)
{
    int pids[PAIRS], killed = 0;
    sim_begin(&(struct sim_options){.seed = seed, .switch_chance = (unsigned)(seed % 5) * 60});
    memset(streams, 0, sizeof(streams));
    slack = killing ? 512 : 0;
    for (unsigned i = 0; i < PAIRS; i++) {
        streams[i].type = sim_random(3) ? SOCK_STREAM : SOCK_SEQPACKET;
        pids[i] = sim_process_new(stream_parent, &streams[i]);
    }
    if (killing) { /* at a moment by the seed: the reader sees the end, and all before it */
        killed = pids[sim_random(PAIRS)];
        sim_fail(SIM_FAIL_DEATH, 1 + sim_random(2000), 1, killed);
    }
    CHECK_EQUAL(sim_run_all(), 0);
    for (unsigned i = 0; i < PAIRS; i++) {
        bool died = pids[i] == killed && sim_exit_status(pids[i]) == SIGKILL;
        CHECK(died || streams[i].full);
        CHECK(died || streams[i].received == STREAM_BYTES);
    }
    CHECK(sim_end());
}

static void streams_arrive_whole(void)
{
    sim_end();
    for (uint64_t seed = 1; seed <= SEEDS && tap_failures < 10; seed++) {
        unsigned before = tap_failures;
        streams_run(seed, false);
        if (tap_failures != before)
            printf("# seed %llu\n", (unsigned long long)seed);
    }
    sim_begin(&(struct sim_options){0});
}

/* ---- many to one ----------------------------------------------------------------------------- */

#define SENDERS 6u
#define LETTERS 300u

static int office[2];
static bool seen[SENDERS][LETTERS];
static unsigned letters;

static void letters_send(void *argument)
{
    uint32_t letter[2] = {(uint32_t)(uintptr_t)argument, 0};
    for (; letter[1] < LETTERS; letter[1]++)
        CHECK_EQUAL(RUN(SYS_write, office[0], letter, sizeof(letter)), sizeof(letter));
}

/* Two readers share the queue: each letter comes once, and to each reader one sender's letters in
 * order. */
static void letters_read(void *argument)
{
    uint32_t letter[3], next[SENDERS] = {0};
    (void)argument;
    while (letters < SENDERS * LETTERS) {
        struct pollfd entry = {office[1], POLLIN, 0};
        long ready = RUN(SYS_poll, &entry, 1, 1000);
        long got = RUN(SYS_recvfrom, office[1], letter, sizeof(letter), MSG_DONTWAIT, 0, 0);
        if (got == -EAGAIN) {
            if (ready == 0)
                return; /* a second without a letter */
            continue;
        }
        CHECK_EQUAL(got, 8);
        CHECK(letter[0] < SENDERS && letter[1] < LETTERS && letter[1] >= next[letter[0]]);
        CHECK(!seen[letter[0]][letter[1]]);
        seen[letter[0]][letter[1]] = true;
        next[letter[0]] = letter[1] + 1;
        letters++;
    }
}

static void letters_main(void *argument)
{
    (void)argument;
    CHECK_EQUAL(RUN(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, office), 0);
    for (uintptr_t i = 0; i < SENDERS; i++)
        CHECK(sim_fork(letters_send, (void *)i) > 0);
    CHECK(sim_thread_new(letters_read, NULL) > 0);
    letters_read(NULL);
}

static void letters_come_once_and_in_order(void)
{
    sim_end();
    for (uint64_t seed = 1; seed <= SEEDS && tap_failures < 10; seed++) {
        unsigned before = tap_failures;
        sim_begin(&(struct sim_options){.seed = seed, .switch_chance = (unsigned)seed % 4 * 50});
        memset(seen, 0, sizeof(seen));
        letters = 0;
        sim_process_new(letters_main, NULL);
        if (sim_run_all()) { /* the other reader waits for its second */
            sim_clock_advance(1000000000);
            CHECK_EQUAL(sim_run_all(), 0);
        }
        CHECK_EQUAL(letters, SENDERS * LETTERS);
        CHECK(sim_end());
        if (tap_failures != before)
            printf("# seed %llu\n", (unsigned long long)seed);
    }
    sim_begin(&(struct sim_options){0});
}

/* ---- death at any moment --------------------------------------------------------------------- */

static void death_at_any_moment_leaves_nothing(void)
{
    sim_end();
    for (uint64_t seed = 1; seed <= SEEDS && tap_failures < 10; seed++) {
        unsigned before = tap_failures;
        streams_run(seed, true);
        if (tap_failures != before)
            printf("# seed %llu\n", (unsigned long long)seed);
    }
    printf("# %llu system calls in all\n", (unsigned long long)calls);
    sim_begin(&(struct sim_options){0});
}

int main(void)
{
    static const struct tap_case cases[] = {
        TAP_CASE(streams_arrive_whole), TAP_CASE(letters_come_once_and_in_order),
        TAP_CASE(death_at_any_moment_leaves_nothing),
    };
    return TAP_RUN(cases, .seed = 1);
}
