/*
 * Reads whose wake-up is armed before they are asked for (libposix/rw_plain.c: reading, foreseen). What
 * ends a read that waits must end these too. SPDX-License-Identifier: MIT
 */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

static int ends[2], type;
static void (*meanwhile)(void); /* what the other process does while the reader has an armed wake-up */
static int reader_pid;
static long first, second;      /* the reader's */
static bool again;              /* the reader may go on */
static bool late;               /* it goes on, and waits, before `meanwhile` */

static long read_byte(int fd)
{
    char byte;
    return SIM_CALL(SYS_read, fd, &byte, 1);
}

static void pause_for(bool *flag)
{
    while (!*flag)
        sim_yield();
}

static void reader(void *argument)
{
    (void)argument;
    SIM_CALL(SYS_close, ends[0]);
    first = read_byte(ends[1]); /* waits; with the byte comes the next wake-up, armed */
    pause_for(&again);
    second = read_byte(ends[1]);
}

static void other(void *argument)
{
    (void)argument;
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, type, 0, ends), 0);
    reader_pid = (int)sim_fork(reader, NULL);
    CHECK(reader_pid > 0);
    for (int i = 0; i < 20; i++) /* the reader waits by now */
        sim_yield();
    CHECK_EQUAL(SIM_CALL(SYS_write, ends[0], "x", 1), 1);
    while (first == -1)
        sim_yield();
    again = late;
    for (int i = 0; i < 20; i++)
        sim_yield();
    meanwhile();
    again = true;
    SIM_CALL(SYS_pause); /* its end would be an event too */
}

/* Is the reader blocked in the end? */
static bool run(int of_type, void (*what)(void))
{
    type = of_type;
    meanwhile = what;
    first = second = -1;
    again = false;
    int pid = sim_process_new(other, NULL);
    unsigned blocked = sim_run_all(); /* one is in pause */
    CHECK_EQUAL(first, 1);
    if (blocked > 1)
        sim_kill(reader_pid);
    sim_kill(pid);
    late = false;
    return blocked > 1;
}

static void write_more(void)
{
    CHECK_EQUAL(SIM_CALL(SYS_write, ends[0], "y", 1), 1);
}

static void data_ends_it(void)
{
    for (int of_type = SOCK_STREAM; of_type <= SOCK_DGRAM; of_type++) {
        CHECK(!run(of_type, write_more));
        CHECK_EQUAL(second, 1);
    }
}

static void leave(void)
{
    SIM_CALL(SYS_close, ends[1]);
    SIM_CALL(SYS_close, ends[0]);
}

static void the_peers_end_ends_it(void)
{
    CHECK(!run(SOCK_STREAM, leave));
    CHECK_EQUAL(second, 0);
    CHECK(!run(SOCK_SEQPACKET, leave));
    CHECK_EQUAL(second, 0);
}

static void shut(void)
{
    CHECK_EQUAL(SIM_CALL(SYS_shutdown, ends[0], SHUT_WR), 0);
}

static void shutdown_ends_it(void)
{
    CHECK(!run(SOCK_STREAM, shut));
    CHECK_EQUAL(second, 0);
}

/* The description is shared, so its flags may change behind the reader's back. */
static void nonblocking(void)
{
    CHECK_EQUAL(SIM_CALL(SYS_fcntl, ends[1], F_SETFL, O_NONBLOCK), 0);
}

static void o_nonblock_ends_it(void)
{
    for (int of_type = SOCK_STREAM; of_type <= SOCK_DGRAM; of_type++) {
        CHECK(!run(of_type, nonblocking));
        CHECK_EQUAL(second, -EAGAIN);
    }
}

/* Linux looked at the flags when the call began. */
static void o_nonblock_does_not_end_one_that_waits(void)
{
    for (int of_type = SOCK_STREAM; of_type <= SOCK_DGRAM; of_type++) {
        late = true;
        CHECK(run(of_type, nonblocking));
        CHECK_EQUAL(second, -1);
    }
}

static void time_out(void)
{
    const struct timeval soon = {-1, 0}; /* no call waits */
    CHECK_EQUAL(SIM_CALL(SYS_setsockopt, ends[1], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
}

static void a_time_limit_ends_it(void)
{
    CHECK(!run(SOCK_STREAM, time_out));
    CHECK_EQUAL(second, -EAGAIN);
}

static void nothing(void)
{
}

static void nothing_ends_nothing(void)
{
    CHECK(run(SOCK_STREAM, nothing));
    CHECK_EQUAL(second, -1);
}

/* ---- whose wake-up is it? -------------------------------------------------------------------- */

static long idle_got, waiting_got;

static void waiting(void *argument)
{
    (void)argument;
    waiting_got = read_byte(ends[1]);
}

/* Has an armed wake-up and does not come for it. */
static void idle(void *argument)
{
    (void)argument;
    idle_got = read_byte(ends[1]);
    CHECK(sim_fork(waiting, NULL) > 0);
    SIM_CALL(SYS_pause);
}

static void sender(void *argument)
{
    (void)argument;
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    CHECK(sim_fork(idle, NULL) > 0);
    for (int i = 0; i < 40; i++)
        sim_yield();
    CHECK_EQUAL(SIM_CALL(SYS_write, ends[0], "x", 1), 1);
    for (int i = 0; i < 40; i++)
        sim_yield();
    CHECK_EQUAL(SIM_CALL(SYS_write, ends[0], "y", 1), 1);
    SIM_CALL(SYS_pause);
}

static void nobody_elses_turn_is_taken(void)
{
    idle_got = waiting_got = -1;
    sim_process_new(sender, NULL);
    CHECK_EQUAL(sim_run_all(), 2); /* idle and sender, in pause */
    CHECK_EQUAL(idle_got, 1);
    CHECK_EQUAL(waiting_got, 1);
}

/* ---- which description is it? ---------------------------------------------------------------- */

static void reuser(void *argument)
{
    int pair[2];
    (void)argument;
    SIM_CALL(SYS_close, ends[0]);
    first = read_byte(ends[1]);
    SIM_CALL(SYS_close, ends[1]);
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK(pair[0] == ends[1] || pair[1] == ends[1]); /* the number is used again */
    int reads = pair[0] == ends[1] ? pair[0] : pair[1];
    CHECK_EQUAL(SIM_CALL(SYS_write, pair[0] + pair[1] - reads, "z", 1), 1);
    second = read_byte(reads);
}

static void starter(void *argument)
{
    (void)argument;
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends), 0);
    CHECK(sim_fork(reuser, NULL) > 0);
    for (int i = 0; i < 20; i++)
        sim_yield();
    CHECK_EQUAL(SIM_CALL(SYS_write, ends[0], "x", 1), 1);
}

static void a_number_used_again_asks(void)
{
    first = second = -1;
    sim_process_new(starter, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
    CHECK_EQUAL(first, 1);
    CHECK_EQUAL(second, 1);
}

int main(void)
{
    static const struct tap_case cases[] = {
        TAP_CASE(data_ends_it),        TAP_CASE(the_peers_end_ends_it),
        TAP_CASE(shutdown_ends_it),    TAP_CASE(o_nonblock_ends_it),
        TAP_CASE(o_nonblock_does_not_end_one_that_waits),
        TAP_CASE(a_time_limit_ends_it), TAP_CASE(nothing_ends_nothing),
        TAP_CASE(nobody_elses_turn_is_taken), TAP_CASE(a_number_used_again_asks),
    };
    return TAP_RUN(cases, .seed = 5);
}
