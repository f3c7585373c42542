/* Calls that wait while others change what they wait for: what tests/oracle found. SPDX-License-Identifier: MIT */
#include "tap.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

enum { ALL = 219264 /* what a socket takes at once */ };

static int fds[2];
static long result;
static uint8_t bytes[ALL + 40000];
static void (*waits)(void *argument);

/* The first thread makes a full pair, the second waits; then the test goes on by `step`. */
static void thread_waits(void *argument)
{
    waits(argument);
    SIM_CALL(SYS_exit, 0);
}

static void pair_full(void)
{
    const struct {
        void (*handler)(int);
        uint64_t flags, restorer, mask;
    } ignored = {SIG_IGN, 0, 0, 0};
    SIM_CALL(SYS_rt_sigaction, SIGPIPE, &ignored, 0, 8);
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQUAL(SIM_CALL(SYS_sendto, fds[0], bytes, sizeof(bytes), MSG_DONTWAIT, 0, 0), ALL);
}

static void thread_begin(void (*what)(void *argument))
{
    waits = what;
    CHECK(sim_thread_new(thread_waits, NULL) > 0);
    for (int i = 0; i < 4; i++)
        sim_yield();
}

static void let_run(void)
{
    for (int i = 0; i < 4; i++)
        sim_yield();
}

/* ---- select behind a hang-up ----------------------------------------------------------------- */

static void select_to_write(void *argument)
{
    fd_set set;
    (void)argument;
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    result = SIM_CALL(SYS_select, fds[0] + 1, 0, &set, 0, 0);
}

static void select_main(void *argument)
{
    (void)argument;
    pair_full();
    CHECK_EQUAL(SIM_CALL(SYS_shutdown, fds[0], SHUT_RDWR), 0);
    result = -1;
    thread_begin(select_to_write);
    CHECK_EQUAL(result, -1);
    CHECK_EQUAL(SIM_CALL(SYS_close, fds[1]), 0); /* the queue goes: there is room */
    let_run();
    CHECK_EQUAL(result, 1);
}

static void a_hang_up_does_not_hide_room_from_select(void)
{
    sim_process_new(select_main, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
}

/* ---- a number closed while it is polled ------------------------------------------------------ */

static void poll_for_ever(void *argument)
{
    struct pollfd polled = {fds[0], POLLIN, 0};
    (void)argument;
    result = SIM_CALL(SYS_poll, &polled, 1, -1);
}

static void close_main(void *argument)
{
    struct pollfd peer = {0, POLLIN, 0};
    (void)argument;
    pair_full();
    result = -1;
    thread_begin(poll_for_ever);
    CHECK_EQUAL(SIM_CALL(SYS_close, fds[0]), 0);
    let_run();
    CHECK_EQUAL(result, -1);
    peer.fd = fds[1];
    CHECK_EQUAL(SIM_CALL(SYS_poll, &peer, 1, 0), 1);
    CHECK_EQUAL(peer.revents, POLLIN); /* no POLLHUP: the poll holds the description */
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[1], "x", 1), 1);
    let_run();
    CHECK_EQUAL(result, 1); /* POLLNVAL, now that something came */
}

static void poll_holds_what_another_thread_closes(void)
{
    sim_process_new(close_main, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
}

/* ---- a blocked sender ------------------------------------------------------------------------ */

static void write_one(void *argument)
{
    (void)argument;
    result = SIM_CALL(SYS_write, fds[0], "y", 1);
}

static void reset_main(void *argument)
{
    (void)argument;
    pair_full();
    result = -1;
    thread_begin(write_one);
    CHECK_EQUAL(SIM_CALL(SYS_close, fds[1]), 0); /* with unread data */
    let_run();
    CHECK_EQUAL(result, -ECONNRESET);
    CHECK_EQUAL(sim_signals(sim_pid(), SIGPIPE), 0);
    write_one(NULL);
    CHECK_EQUAL(result, -EPIPE);
    CHECK_EQUAL(sim_signals(sim_pid(), SIGPIPE), 1);
}

static void shutdown_main(void *argument)
{
    (void)argument;
    pair_full();
    thread_begin(write_one);
    CHECK_EQUAL(SIM_CALL(SYS_shutdown, fds[0], SHUT_WR), 0);
    let_run();
    CHECK_EQUAL(result, -EPIPE);
    CHECK_EQUAL(sim_signals(sim_pid(), SIGPIPE), 0);
}

/* Room for one, not for a quarter: only something that comes in wakes the sender, as in Linux. */
static void arrival_main(void *argument)
{
    (void)argument;
    pair_full();
    result = -1;
    thread_begin(write_one);
    CHECK_EQUAL(SIM_CALL(SYS_fcntl, fds[0], F_SETFL, O_NONBLOCK), 0);
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[1], "x", 1), 1);
    let_run();
    CHECK_EQUAL(result, -1); /* woken, no room: it began as a blocking call */
    CHECK_EQUAL(SIM_CALL(SYS_read, fds[1], bytes, 36544), 36544);
    let_run();
    CHECK_EQUAL(result, -1);
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[1], "x", 1), 1);
    let_run();
    CHECK_EQUAL(result, 1);
}

static void sender_main_run(void (*body)(void *argument))
{
    int pid = sim_process_new(body, NULL);
    CHECK(pid > 0);
    CHECK_EQUAL(sim_run_all(), 0);
}

/* What it sends does not fit at once: after a part it is a blocking call still. */
static void write_all(void *argument)
{
    (void)argument;
    result = SIM_CALL(SYS_write, fds[0], bytes, sizeof(bytes));
}

static void send_all(void *argument)
{
    (void)argument;
    result = SIM_CALL(SYS_sendto, fds[0], bytes, sizeof(bytes), 0, 0, 0);
}

static void (*sends_all)(void *argument);

static void part_main(void *argument)
{
    (void)argument;
    pair_full();
    result = -1;
    thread_begin(sends_all);
    let_run(); /* it has a session by now, and waits */
    CHECK_EQUAL(SIM_CALL(SYS_fcntl, fds[0], F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < 10; i++) {
        CHECK_EQUAL(result, -1);
        CHECK_EQUAL(SIM_CALL(SYS_read, fds[1], bytes, 36544), 36544);
        let_run();
    }
    CHECK_EQUAL(result, (long)sizeof(bytes));
}

/* Room for one, not for a quarter, and a signal that nobody handles. */
static void ignored_main(void *argument)
{
    (void)argument;
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], bytes, 100000), 100000);
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], bytes, 20000), 20000);
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], bytes, 100000), 100000);
    result = -1;
    thread_begin(write_one);
    CHECK_EQUAL(SIM_CALL(SYS_read, fds[1], bytes, 100000), 100000);
    let_run();
    CHECK_EQUAL(result, -1);
    CHECK_EQUAL(SIM_CALL(SYS_kill, sim_pid(), SIGWINCH), 0);
    let_run();
    CHECK_EQUAL(result, -1);
    CHECK_EQUAL(SIM_CALL(SYS_read, fds[1], bytes, 20000), 20000);
    CHECK_EQUAL(SIM_CALL(SYS_read, fds[1], bytes, 100000), 100000);
    let_run();
    CHECK_EQUAL(result, 1);
}

static void a_blocked_sender_finds_the_reset_and_no_signal(void)
{
    sender_main_run(reset_main);
    sender_main_run(shutdown_main);
}

static void a_blocked_sender_stays_one_and_goes_on_when_data_arrive(void)
{
    sender_main_run(arrival_main);
    sends_all = write_all;
    sender_main_run(part_main);
    sends_all = send_all;
    sender_main_run(part_main);
}

/* sendmmsg ends with a message of which a part is sent, and does not find what ended that. */
static void send_two(void *argument)
{
    struct iovec vector = {bytes, sizeof(bytes)};
    struct mmsghdr headers[2] = {{{.msg_iov = &vector, .msg_iovlen = 1}, 0}, {{.msg_iov = &vector, .msg_iovlen = 1}, 0}};
    (void)argument;
    result = SIM_CALL(SYS_sendmmsg, fds[0], headers, 2, 0);
    CHECK_EQUAL(headers[0].msg_len, ALL);
}

static void two_main(void *argument)
{
    (void)argument;
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds), 0);
    result = -1;
    thread_begin(send_two);
    CHECK_EQUAL(result, -1);
    CHECK_EQUAL(SIM_CALL(SYS_shutdown, fds[1], SHUT_RDWR), 0);
    let_run(); /* SIGPIPE would be the end */
    CHECK_EQUAL(result, 1);
    result = 2;
}

static void a_part_of_a_message_is_sendmmsgs_last(void)
{
    sender_main_run(two_main);
    CHECK_EQUAL(result, 2);
}

static void an_ignored_signal_wakes_no_sender(void)
{
    sender_main_run(ignored_main);
}

/* ---- a blocked receiver ---------------------------------------------------------------------- */

static void receive_all(void *argument)
{
    (void)argument;
    result = SIM_CALL(SYS_recvfrom, fds[1], bytes, 20, MSG_WAITALL, 0, 0);
}

static void wait_all_main(void *argument)
{
    (void)argument;
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds), 0);
    result = -1;
    thread_begin(receive_all);
    CHECK_EQUAL(SIM_CALL(SYS_fcntl, fds[1], F_SETFL, O_NONBLOCK), 0);
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], bytes, 14), 14);
    let_run();
    CHECK_EQUAL(result, -1);
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], bytes, 6), 6);
    let_run();
    CHECK_EQUAL(result, 20);
}

/* What it waited for and a signal, before it runs again: as on Linux it has what it waited for. */
static unsigned handled;

static void count_signal(int signal)
{
    CHECK_EQUAL(signal, SIGUSR1);
    handled++;
}

static void read_ten(void *argument)
{
    (void)argument;
    result = SIM_CALL(SYS_read, fds[1], bytes, 10);
}

static void woken_and_signalled_main(void *argument)
{
    const struct {
        void (*handler)(int);
        uint64_t flags, restorer, mask;
    } action = {count_signal, 0, 0, 0};
    (void)argument;
    handled = 0;
    result = -1;
    CHECK_EQUAL(SIM_CALL(SYS_rt_sigaction, SIGUSR1, &action, 0, 8), 0);
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds), 0);
    waits = read_ten;
    long reader = sim_thread_new(thread_waits, NULL);
    CHECK(reader > 0);
    let_run();
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], bytes, 7), 7);
    CHECK_EQUAL(SIM_CALL(SYS_tgkill, sim_pid(), reader, SIGUSR1), 0);
    CHECK_EQUAL(result, -1); /* it has not run yet */
    let_run();
    CHECK_EQUAL(result, 7);
    CHECK_EQUAL(handled, 1);
}

static void who_is_woken_and_signalled_has_what_it_waited_for(void)
{
    sender_main_run(woken_and_signalled_main);
}

/* Linux copies the sender's name with each chunk, so one that it got meanwhile is seen. */
static struct sockaddr_un from;
static unsigned from_length;

static void receive_named(void *argument)
{
    (void)argument;
    from_length = sizeof(from);
    result = SIM_CALL(SYS_recvfrom, fds[1], bytes, 20, MSG_WAITALL, &from, &from_length);
}

static const struct sockaddr_un name = {AF_UNIX, "\0n"};

/* `receive` waits with `before` bytes; then its peer binds to `name` and sends `after` more. */
static void receive_over_bind(void (*receive)(void *), long before, long after)
{
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], bytes, before), before);
    result = -1;
    thread_begin(receive);
    CHECK_EQUAL(result, -1);
    CHECK_EQUAL(SIM_CALL(SYS_bind, fds[0], &name, 4), 0);
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], bytes, after), after);
    let_run();
}

static void named_main(void *argument)
{
    (void)argument;
    receive_over_bind(receive_named, 14, 6);
    CHECK_EQUAL(result, 20);
    CHECK_EQUAL(from_length, 4);
    CHECK(memcmp(&from, &name, 4) == 0);
}

/* Also when there is no memory for the part that was sent under it. */
static void receive_named_until_bad(void *argument)
{
    long end = SIM_CALL(SYS_mmap, 0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 4096;
    (void)argument;
    CHECK_EQUAL(SIM_CALL(SYS_munmap, end, 4096), 0);
    from_length = sizeof(from);
    result = SIM_CALL(SYS_recvfrom, fds[1], end - 3, 4, MSG_WAITALL, &from, &from_length);
}

static void named_until_bad_main(void *argument)
{
    int left;
    (void)argument;
    receive_over_bind(receive_named_until_bad, 3, 5);
    CHECK_EQUAL(result, 3);
    CHECK_EQUAL(from_length, 4);
    CHECK(memcmp(&from, &name, 4) == 0);
    CHECK_EQUAL(SIM_CALL(SYS_ioctl, fds[1], FIONREAD, &left), 0);
    CHECK_EQUAL(left, 5);
}

static void a_name_is_told_of_what_has_no_memory(void)
{
    sender_main_run(named_until_bad_main);
}

static void a_name_that_came_meanwhile_is_told(void)
{
    sender_main_run(named_main);
}

static void a_blocked_receiver_of_all_stays_one(void)
{
    sender_main_run(wait_all_main);
}

int main(void)
{
    static const struct tap_case cases[] = {
        TAP_CASE(a_hang_up_does_not_hide_room_from_select),
        TAP_CASE(poll_holds_what_another_thread_closes),
        TAP_CASE(a_blocked_sender_finds_the_reset_and_no_signal),
        TAP_CASE(a_blocked_sender_stays_one_and_goes_on_when_data_arrive),
        TAP_CASE(a_part_of_a_message_is_sendmmsgs_last),
        TAP_CASE(an_ignored_signal_wakes_no_sender),
        TAP_CASE(a_blocked_receiver_of_all_stays_one),
        TAP_CASE(who_is_woken_and_signalled_has_what_it_waited_for),
        TAP_CASE(a_name_that_came_meanwhile_is_told),
        TAP_CASE(a_name_is_told_of_what_has_no_memory),
    };
    return TAP_RUN(cases, .seed = 1);
}
