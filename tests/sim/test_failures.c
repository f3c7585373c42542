/*
 * Everything fails once: each allocation of a server, each of libposix, each message, each slot,
 * and the process dies at each kernel call. The victim sees an error that Linux has for it, what it
 * had is given back, and its neighbour notices nothing. SPDX-License-Identifier: MIT
 */
#include "tap.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define OCCASIONS_MAX 5000u

static struct sim_options options = {.seed = 1, .switch_chance = 100};
static const char *step_name;
static long step_errno;
static unsigned pings;

/* ---- the victim ------------------------------------------------------------------------------ */

/* The first error ends the process. */
static long step(const char *name, long result)
{
    if (result < 0) {
        step_name = name;
        step_errno = -result;
        sim_exit(1);
    }
    return result;
}
#define STEP(...) step(#__VA_ARGS__, SIM_CALL(__VA_ARGS__))

static int pair[2];

static void victim_child(void *argument)
{
    char bytes[16];
    (void)argument;
    SIM_CALL(SYS_close, pair[0]);
    while (SIM_CALL(SYS_read, pair[1], bytes, sizeof(bytes)) > 0)
        continue;
}

static void victim_forks(void)
{
    int status;
    STEP(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair);
    long child = step("fork", sim_fork(victim_child, NULL));
    struct iovec many[20]; /* more than a message declares: gathered in libposix's own memory */
    for (unsigned i = 0; i < 20; i++)
        many[i] = (struct iovec){"some bytes", 10};
    STEP(SYS_writev, pair[0], many, 20);
    STEP(SYS_close, pair[1]);
    STEP(SYS_close, pair[0]);
    STEP(SYS_wait4, child, &status, 0, 0);
}

static int victim_connects(void)
{
    static const struct sockaddr_un name = {AF_UNIX, "/tmp/victim"};
    static const struct sockaddr_un abstract = {AF_UNIX, "\0victim"};
    int listener = (int)STEP(SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0);
    STEP(SYS_bind, listener, &name, sizeof(name));
    STEP(SYS_listen, listener, 3);
    int client = (int)STEP(SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0);
    STEP(SYS_connect, client, &name, sizeof(name));
    int server = (int)STEP(SYS_accept4, listener, 0, 0, SOCK_CLOEXEC);
    STEP(SYS_unlink, name.sun_path);
    int datagram = (int)STEP(SYS_socket, AF_UNIX, SOCK_DGRAM, 0);
    STEP(SYS_bind, datagram, &abstract, 9);
    STEP(SYS_sendto, datagram, "to myself", 9, 0, &abstract, 9);
    STEP(SYS_sendto, client, "packet", 6, 0, 0, 0);
    STEP(SYS_close, client);
    return server;
}

static void victim_sends_rights(void)
{
    int ends[2], pipe[2];
    static union {
        char bytes[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec data = {"r", 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    char byte;
    STEP(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, ends);
    STEP(SYS_pipe2, pipe, O_CLOEXEC);
    int file = (int)STEP(SYS_open, "/tmp", O_RDONLY | O_DIRECTORY, 0);
    control.align = (struct cmsghdr){CMSG_LEN(3 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.align), (int[]){pipe[0], file, ends[0]}, 3 * sizeof(int));
    STEP(SYS_sendmsg, ends[0], &message, 0);
    STEP(SYS_sendmsg, ends[0], &message, 0); /* this one stays in flight */
    STEP(SYS_close, pipe[0]);
    data.iov_base = &byte;
    STEP(SYS_recvmsg, ends[1], &message, MSG_PEEK);
    message.msg_controllen = sizeof(control);
    STEP(SYS_recvmsg, ends[1], &message, 0);
}

static void victim_waits(int socket)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    struct pollfd entries[2] = {{.fd = socket, .events = POLLIN}};
    int set = (int)STEP(SYS_epoll_create1, EPOLL_CLOEXEC);
    int counter = (int)STEP(SYS_eventfd2, 3, 0);
    STEP(SYS_epoll_ctl, set, EPOLL_CTL_ADD, socket, &event);
    STEP(SYS_epoll_ctl, set, EPOLL_CTL_ADD, counter, &event);
    STEP(SYS_epoll_wait, set, &event, 1, -1);
    entries[1] = (struct pollfd){.fd = set, .events = POLLIN};
    STEP(SYS_poll, entries, 2, -1);
    int copy = (int)STEP(SYS_fcntl, socket, F_DUPFD, 100);
    STEP(SYS_dup2, copy, 700);
    STEP(SYS_epoll_ctl, set, EPOLL_CTL_DEL, socket, &event);
    static const struct timespec moment = {0, 1000};
    STEP(SYS_nanosleep, &moment, 0);
}

static void victim(void *argument)
{
    (void)argument;
    victim_forks();
    int socket = victim_connects();
    victim_sends_rights();
    victim_waits(socket);
    step_name = "all";
}

/* ---- its neighbour --------------------------------------------------------------------------- */

static int court[2];

static void neighbour_partner(void *argument)
{
    char byte;
    (void)argument;
    SIM_CALL(SYS_close, court[0]);
    while (SIM_CALL(SYS_read, court[1], &byte, 1) == 1)
        CHECK_EQUAL(SIM_CALL(SYS_write, court[1], &byte, 1), 1);
}

static void neighbour(void *argument)
{
    char byte = 0;
    (void)argument;
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, court), 0);
    CHECK(sim_fork(neighbour_partner, NULL) > 0);
    SIM_CALL(SYS_close, court[1]);
    for (pings = 0; pings < 100; pings++) {
        byte = (char)pings;
        CHECK_EQUAL(SIM_CALL(SYS_write, court[0], &byte, 1), 1);
        byte = -1;
        CHECK_EQUAL(SIM_CALL(SYS_read, court[0], &byte, 1), 1);
        CHECK_EQUAL(byte, (char)pings);
    }
}

/* ---- one occasion after the other ------------------------------------------------------------ */

static bool allowed(const int *errors, long error)
{
    for (; *errors; errors++)
        if (*errors == error)
            return true;
    return false;
}

/* false: the victim's life has fewer occasions than n. */
static bool occasion(enum sim_failure kind, unsigned n, unsigned count, const int *errors)
{
    sim_begin(&options);
    int other = sim_process_new(neighbour, NULL), pid = sim_process_new(victim, NULL);
    step_name = "starting";
    step_errno = 0;
    sim_fail(kind, n, count, pid);
    for (unsigned turns = 0; sim_run_all() != 0 && turns < 20; turns++)
        sim_clock_advance(1000000);
    unsigned failed = sim_failed(), before = tap_failures;
    CHECK_EQUAL(sim_run_all(), 0);
    CHECK_EQUAL(pings, 100);
    CHECK_EQUAL(sim_exit_status(other), 0);
    if (step_errno && !allowed(errors, step_errno))
        CHECK_EQUAL(step_errno, errors[0]);
    if (kind == SIM_FAIL_DEATH && failed)
        CHECK_EQUAL(sim_exit_status(pid), SIGKILL);
    if (!failed) {
        CHECK_EQUAL(sim_exit_status(pid), 0);
        CHECK(strcmp(step_name, "all") == 0);
    }
    CHECK(sim_end());
    if (tap_failures != before)
        printf("# … at occasion %u of kind %u, victim's step %s: %s\n", n, kind, step_name,
               strerror((int)step_errno));
    return failed != 0;
}

static void every_occasion(enum sim_failure kind, unsigned count, unsigned least, const int *errors)
{
    unsigned n = 1;
    sim_end(); /* each occasion has a system of its own */
    while (n < OCCASIONS_MAX && tap_failures < 20 && occasion(kind, n, count, errors))
        n++;
    printf("# %u occasions\n", n - 1);
    CHECK(n > least && n < OCCASIONS_MAX);
    sim_begin(&options);
}

/* EAGAIN: fork(2). ENOSPC: a node in a tmpfs. */
static const int memory_errors[] = {ENOMEM, ENOBUFS, ENFILE, EAGAIN, ENOSPC, 0};
static const int call_errors[] = {EIO, ENOMEM, 0};

static void each_allocation_of_a_server(void)
{
    every_occasion(SIM_FAIL_ALLOCATION, 1, 40, memory_errors);
}

static void every_allocation_from_some_moment_on(void)
{
    every_occasion(SIM_FAIL_ALLOCATION, UINT_MAX, 40, memory_errors);
}

static void each_allocation_of_libposix(void)
{
    every_occasion(SIM_FAIL_PRIVATE, 1, 1, memory_errors);
}

static void each_message(void)
{
    every_occasion(SIM_FAIL_CALL, 1, 40, call_errors);
}

static void each_slot(void)
{
    every_occasion(SIM_FAIL_SLOT, 1, 20, memory_errors);
}

static void every_slot_from_some_moment_on(void)
{
    every_occasion(SIM_FAIL_SLOT, UINT_MAX, 20, memory_errors);
}

static void death_at_each_step(void)
{
    every_occasion(SIM_FAIL_DEATH, 1, 100, memory_errors);
}

int main(void)
{
    static const struct tap_case cases[] = {
        TAP_CASE(each_allocation_of_a_server), TAP_CASE(every_allocation_from_some_moment_on),
        TAP_CASE(each_allocation_of_libposix), TAP_CASE(each_message),
        TAP_CASE(each_slot),                   TAP_CASE(every_slot_from_some_moment_on),
        TAP_CASE(death_at_each_step),
    };
    return tap_run(cases, sizeof(cases) / sizeof(*cases), &options);
}
