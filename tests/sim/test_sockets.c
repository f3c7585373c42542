/* Sockets between simulated processes: the calls, waiting, descriptors, death.
 * SPDX-License-Identifier: MIT */
#include "tap.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

static int fds[4];
static char bytes[64];
static long results[8];

static const struct sockaddr_un server_name = {AF_UNIX, "/tmp/server"};
#define NAME_LENGTH (offsetof(struct sockaddr_un, sun_path) + sizeof("/tmp/server"))

/* ---- a pair over fork ------------------------------------------------------------------------ */

static void pair_reader(void *argument)
{
    (void)argument;
    SIM_CALL(SYS_close, fds[0]);
    results[0] = SIM_CALL(SYS_read, fds[1], bytes, sizeof(bytes));
    results[1] = SIM_CALL(SYS_read, fds[1], bytes + 32, 32);
    sim_exit(7);
}

static void pair_writer(void *argument)
{
    int status;
    (void)argument;
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds), 0);
    long child = sim_fork(pair_reader, NULL);
    CHECK(child > 0);
    CHECK_EQUAL(SIM_CALL(SYS_close, fds[1]), 0);
    sim_yield();
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], "hello", 5), 5);
    CHECK_EQUAL(SIM_CALL(SYS_close, fds[0]), 0);
    CHECK_EQUAL(SIM_CALL(SYS_wait4, child, &status, 0, 0), child);
    CHECK_EQUAL(status, 7 << 8);
}

static void bytes_cross_a_pair_and_end_with_it(void)
{
    sim_process_new(pair_writer, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
    CHECK_EQUAL(results[0], 5);
    CHECK_EQUAL(results[1], 0);
    CHECK(memcmp(bytes, "hello", 5) == 0);
}

/* ---- by name --------------------------------------------------------------------------------- */

static void name_server(void *argument)
{
    struct sockaddr_un peer;
    unsigned length = sizeof(peer);
    char byte;
    (void)argument;
    int listener = (int)SIM_CALL(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQUAL(SIM_CALL(SYS_bind, listener, &server_name, NAME_LENGTH), 0);
    CHECK_EQUAL(SIM_CALL(SYS_listen, listener, 5), 0);
    int connection = (int)SIM_CALL(SYS_accept4, listener, &peer, &length, 0);
    CHECK(connection > listener);
    CHECK_EQUAL(length, 2);
    CHECK_EQUAL(SIM_CALL(SYS_read, connection, &byte, 1), 1);
    CHECK_EQUAL(SIM_CALL(SYS_write, connection, &byte, 1), 1);
    CHECK_EQUAL(SIM_CALL(SYS_unlink, server_name.sun_path), 0);
}

static void name_client(void *argument)
{
    char byte = 'x';
    (void)argument;
    int fd = (int)SIM_CALL(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQUAL(SIM_CALL(SYS_connect, fd, &server_name, NAME_LENGTH), 0);
    CHECK_EQUAL(SIM_CALL(SYS_write, fd, &byte, 1), 1);
    byte = 0;
    CHECK_EQUAL(SIM_CALL(SYS_read, fd, &byte, 1), 1);
    CHECK_EQUAL(byte, 'x');
    CHECK_EQUAL(SIM_CALL(SYS_read, fd, &byte, 1), 0);
    CHECK_EQUAL(SIM_CALL(SYS_connect, fd, &server_name, NAME_LENGTH), -ENOENT);
}

static void strangers_meet_at_a_pathname(void)
{
    int server = sim_process_new(name_server, NULL);
    CHECK_EQUAL(sim_run(server), SIM_BLOCKED);
    sim_process_new(name_client, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
}

/* ---- readiness ------------------------------------------------------------------------------- */

static void poller(void *argument)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 5};
    struct pollfd entry = {.events = POLLIN};
    (void)argument;
    SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, fds);
    entry.fd = fds[0];
    results[0] = SIM_CALL(SYS_poll, &entry, 1, 0);
    results[1] = SIM_CALL(SYS_poll, &entry, 1, 1000);
    results[2] = SIM_CALL(SYS_poll, &entry, 1, -1);
    results[3] = entry.revents;
    SIM_CALL(SYS_read, fds[0], bytes, 1);
    int set = (int)SIM_CALL(SYS_epoll_create1, 0);
    SIM_CALL(SYS_epoll_ctl, set, EPOLL_CTL_ADD, fds[0], &event);
    event.events = 0;
    results[4] = SIM_CALL(SYS_epoll_wait, set, &event, 1, -1);
    results[5] = event.events;
    results[6] = (long)event.data.u64;
}

static void wake_poller(void *argument)
{
    (void)argument;
    SIM_CALL(SYS_write, fds[1], "b", 1);
}

static void thread_starter(void *argument)
{
    (void)argument;
    sim_thread_new(poller, NULL);
    sim_yield();
    sim_yield();
    sim_yield();
    wake_poller(NULL);
    sim_yield();
    wake_poller(NULL);
    SIM_CALL(SYS_exit, 0);
}

static void poll_and_epoll_wait_until_woken_or_late(void)
{
    int main_thread = sim_process_new(thread_starter, NULL), tids[4];
    sim_run(main_thread);
    CHECK_EQUAL(sim_threads(tids, 4), 2);
    int thread = tids[0] == main_thread ? tids[1] : tids[0];
    CHECK_EQUAL(sim_run(thread), SIM_BLOCKED);
    CHECK_EQUAL(results[0], 0);
    CHECK_EQUAL(sim_clock_next(), sim_clock_ns() + 1000000000);
    sim_clock_advance(1000000000);
    CHECK_EQUAL(sim_run(thread), SIM_BLOCKED);
    CHECK_EQUAL(results[1], 0);
    sim_run(main_thread);
    CHECK_EQUAL(sim_thread_state(thread), SIM_BLOCKED);
    sim_run(main_thread);
    sim_run(main_thread); /* writes */
    CHECK_EQUAL(sim_thread_state(thread), SIM_READY);
    CHECK_EQUAL(sim_run(thread), SIM_BLOCKED);
    CHECK_EQUAL(results[2], 1);
    CHECK_EQUAL(results[3], POLLIN);
    CHECK_EQUAL(sim_run_all(), 0);
    CHECK_EQUAL(results[4], 1);
    CHECK_EQUAL(results[5], EPOLLIN);
    CHECK_EQUAL(results[6], 5);
}

/* ---- descriptors in messages ----------------------------------------------------------------- */

static union {
    char bytes[CMSG_SPACE(2 * sizeof(int))];
    struct cmsghdr align;
} control;

static void rights_send(int through, const int *list, unsigned count)
{
    struct iovec data = {"r", 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    control.align = (struct cmsghdr){CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.align), list, count * sizeof(int));
    CHECK_EQUAL(SIM_CALL(SYS_sendmsg, through, &message, 0), 1);
}

static int rights_receive(int through)
{
    char byte;
    int fd = -1;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    CHECK_EQUAL(SIM_CALL(SYS_recvmsg, through, &message, 0), 1);
    CHECK_EQUAL(message.msg_controllen, CMSG_SPACE(sizeof(int)));
    memcpy(&fd, CMSG_DATA(&control.align), sizeof(fd));
    return fd;
}

static void rights_receiver(void *argument)
{
    (void)argument;
    int fd = rights_receive(fds[1]);
    CHECK_EQUAL(SIM_CALL(SYS_read, fd, bytes, sizeof(bytes)), 6);
    CHECK_EQUAL(rights_receive(fds[1]), fd + 1); /* a file */
    CHECK_EQUAL(SIM_CALL(SYS_pread64, fd + 1, bytes, sizeof(bytes), 0), 4);
    CHECK(memcmp(bytes, "text", 4) == 0);
}

static void rights_sender(void *argument)
{
    int pipe[2];
    (void)argument;
    SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET, 0, fds);
    sim_fork(rights_receiver, NULL);
    SIM_CALL(SYS_pipe2, pipe, 0);
    int file = (int)SIM_CALL(SYS_open, "/tmp/file", O_CREAT | O_RDWR, 0600);
    CHECK_EQUAL(SIM_CALL(SYS_write, file, "text", 4), 4);
    rights_send(fds[0], &pipe[0], 1);
    rights_send(fds[0], &file, 1);
    CHECK_EQUAL(SIM_CALL(SYS_write, pipe[1], "inside", 6), 6);
}

static void descriptors_travel_and_outlive_their_sender(void)
{
    sim_process_new(rights_sender, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
}

/* ---- signals and death ----------------------------------------------------------------------- */

static unsigned handled;

static void handler(int signal)
{
    CHECK_EQUAL(signal, SIGPIPE);
    handled++;
}

static void piper(void *argument)
{
    struct {
        void (*handler)(int);
        uint64_t flags, restorer, mask;
    } action = {handler, 0, 0, 0};
    SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds);
    SIM_CALL(SYS_close, fds[1]);
    if (argument)
        SIM_CALL(SYS_rt_sigaction, SIGPIPE, &action, 0, 8);
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], "x", 1), -EPIPE);
    CHECK(argument);
}

static void a_broken_pipe_is_a_signal(void)
{
    handled = 0;
    int careful = sim_process_new(piper, "handles it");
    sim_run_all();
    CHECK_EQUAL(handled, 1);
    CHECK_EQUAL(sim_exit_status(careful), 0);
    int careless = sim_process_new(piper, NULL);
    sim_run_all();
    CHECK_EQUAL(sim_signals(careless, SIGPIPE), 1);
    CHECK_EQUAL(sim_exit_status(careless), SIGPIPE);
}

static void urgent(void *argument)
{
    (void)argument;
    SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds);
    CHECK_EQUAL(SIM_CALL(SYS_fcntl, fds[1], F_SETOWN, sim_pid()), 0);
    CHECK_EQUAL(SIM_CALL(SYS_sendto, fds[0], "u", 1, MSG_OOB, 0, 0), 1);
    CHECK_EQUAL(sim_signals(sim_pid(), SIGURG), 1);
    CHECK_EQUAL(sim_signals(sim_pid(), SIGIO), 0);
}

static void urgent_data_is_a_signal_to_the_owner(void)
{
    int pid = sim_process_new(urgent, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
    CHECK_EQUAL(sim_exit_status(pid), 0);
}

static void a_killed_peer_is_an_end_of_file(void)
{
    int server = sim_process_new(name_server, NULL);
    sim_run(server);
    int client = sim_process_new(name_client, NULL);
    CHECK_EQUAL(sim_run(client), SIM_BLOCKED);
    sim_kill(server);
    CHECK_EQUAL(sim_exit_status(server), SIGKILL);
    CHECK_EQUAL(sim_thread_state(client), SIM_READY);
    sim_kill(client);
    CHECK_EQUAL(sim_run_all(), 0);
}

/* ---- half-broken arguments ------------------------------------------------------------------- */

static void bad_pointers(void *argument)
{
    (void)argument;
    SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds);
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], 16, 5), -EFAULT);
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], "good", 4), 4);
    CHECK_EQUAL(SIM_CALL(SYS_read, fds[1], 16, 5), -EFAULT);
    char *memory = (char *)SIM_CALL(SYS_mmap, 0, 8192, 3, 0x22, -1, 0);
    CHECK_EQUAL(SIM_CALL(SYS_mprotect, memory + 4096, 4096, 0), 0);
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], memory + 4090, 10), -EFAULT);
    CHECK_EQUAL(SIM_CALL(SYS_read, fds[1], memory + 4092, 10), 4);
    CHECK(memcmp(memory + 4092, "good", 4) == 0);
    CHECK_EQUAL(SIM_CALL(SYS_munmap, memory, 8192), 0);
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 8), -EFAULT);
    CHECK_EQUAL(SIM_CALL(SYS_setuid, 1000), 0);
    CHECK_EQUAL(SIM_CALL(SYS_setuid, 0), -EPERM);
}

static void bad_pointers_are_efault(void)
{
    sim_process_new(bad_pointers, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
}

/* ---- a destination that appears while its sender waits for memory ------------------------------ */

static const struct sockaddr_un late_name = {AF_UNIX, "/tmp/late"};
#define LATE_LENGTH (offsetof(struct sockaddr_un, sun_path) + sizeof("/tmp/late"))

static void late_sender(void *argument)
{
    (void)argument;
    results[0] = SIM_CALL(SYS_sendto, fds[0], bytes, 5, 0, &late_name, LATE_LENGTH);
    SIM_CALL(SYS_exit, 0);
}

static void late_main(void *argument)
{
    static uint8_t much[108703];
    (void)argument;
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], much, sizeof(much)), (long)sizeof(much));
    results[0] = -1;
    CHECK(sim_thread_new(late_sender, NULL) > 0);
    for (int i = 0; i < 8; i++)
        sim_yield();
    CHECK_EQUAL(results[0], -1);
    int late = (int)SIM_CALL(SYS_socket, AF_UNIX, SOCK_DGRAM, 0);
    CHECK_EQUAL(SIM_CALL(SYS_bind, late, &late_name, LATE_LENGTH), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQUAL(SIM_CALL(SYS_read, fds[1], much, sizeof(much)), (long)sizeof(much));
    for (int i = 0; i < 8; i++)
        sim_yield();
    CHECK_EQUAL(results[0], 5);
    CHECK_EQUAL(SIM_CALL(SYS_recvfrom, late, much, 9, MSG_DONTWAIT, 0, 0), 5);
}

static void a_path_is_looked_up_when_there_is_memory(void)
{
    sim_process_new(late_main, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
}

/* ---- counts in an eventfd -------------------------------------------------------------------- */

static void counter(void *argument)
{
    uint64_t words[2] = {3, 4};
    const struct iovec whole[] = {{&words[0], 8}, {&words[1], 8}}, cut[] = {{words, 4}, {words, 4}},
                       half[] = {{words, 8}, {words, 4}};
    (void)argument;
    int fd = (int)SIM_CALL(SYS_eventfd2, 0, 0);
    CHECK_EQUAL(SIM_CALL(SYS_write, fd, words, 16), -EINVAL);
    CHECK_EQUAL(SIM_CALL(SYS_writev, fd, cut, 2), -EINVAL);
    CHECK_EQUAL(SIM_CALL(SYS_writev, fd, half, 2), 8);
    CHECK_EQUAL(SIM_CALL(SYS_writev, fd, whole, 2), 16);
    CHECK_EQUAL(SIM_CALL(SYS_read, fd, words, 16), 8);
    CHECK_EQUAL(words[0], 10);
}

static void an_eventfd_takes_one_count_at_a_time(void)
{
    sim_process_new(counter, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
}

/* ---- a second name --------------------------------------------------------------------------- */

static long bind_to(int fd, const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, path, strlen(path) + 1);
    return SIM_CALL(SYS_bind, fd, &name, offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
}

/* Linux looks at the path before it looks whether the socket has a name. */
static void namer(void *argument)
{
    (void)argument;
    int file = (int)SIM_CALL(SYS_open, "/tmp/f", O_CREAT | O_RDWR, 0600);
    int fd = (int)SIM_CALL(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
    CHECK(file >= 0 && fd >= 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQUAL(bind_to(fd, "/tmp/f/"), -EADDRINUSE);
        CHECK_EQUAL(bind_to(fd, "/tmp/none/"), -ENOENT);
        CHECK_EQUAL(bind_to(fd, "/tmp/f/x"), -ENOTDIR);
        CHECK_EQUAL(bind_to(fd, "/tmp/name"), i ? -EADDRINUSE : 0);
    }
    CHECK_EQUAL(bind_to(fd, "/tmp/other"), -EINVAL);
}

static void a_bound_socket_finds_what_is_wrong_with_the_path_first(void)
{
    sim_process_new(namer, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
}

/* ---- what recvmmsg cannot say ---------------------------------------------------------------- */

static void error_keeper(void *argument)
{
    int error = 0;
    socklen_t length = sizeof(error);
    char text[2];
    struct iovec vectors[] = {{&text[0], 1}, {&text[1], 1}};
    struct mmsghdr headers[2] = {{{.msg_iov = &vectors[0], .msg_iovlen = 1}, 0}, {{.msg_iov = &vectors[1], .msg_iovlen = 1}, 0}};
    (void)argument;
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], "x", 1), 1);
    headers[1].msg_hdr.msg_name = bytes;
    headers[1].msg_hdr.msg_namelen = (socklen_t)-1;
    CHECK_EQUAL(SIM_CALL(SYS_recvmmsg, fds[1], headers, 2, 0, 0), 1);
    CHECK_EQUAL(SIM_CALL(SYS_getsockopt, fds[1], SOL_SOCKET, SO_ERROR, &error, &length), 0);
    CHECK_EQUAL(error, EINVAL);
    CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], "x", 1), 1);
    headers[1].msg_hdr.msg_namelen = sizeof(bytes);
    CHECK_EQUAL(SIM_CALL(SYS_recvmmsg, fds[1], headers, 2, MSG_DONTWAIT, 0), 1); /* EAGAIN is not kept */
    CHECK_EQUAL(SIM_CALL(SYS_getsockopt, fds[1], SOL_SOCKET, SO_ERROR, &error, &length), 0);
    CHECK_EQUAL(error, 0);
}

static void an_error_after_the_first_message_is_for_the_next_call(void)
{
    sim_process_new(error_keeper, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
}

/* The out-of-band byte is told at once: there is no second try that would fail. */
static void urgent_asker(void *argument)
{
    int error = 0;
    socklen_t length = sizeof(error);
    char text[2];
    struct iovec vectors[] = {{&text[0], 1}, {&text[1], 1}};
    struct mmsghdr headers[2] = {{{.msg_iov = &vectors[0], .msg_iovlen = 1}, 0}, {{.msg_iov = &vectors[1], .msg_iovlen = 1}, 0}};
    (void)argument;
    CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQUAL(SIM_CALL(SYS_sendto, fds[0], "!", 1, MSG_OOB, 0, 0), 1);
    CHECK_EQUAL(SIM_CALL(SYS_recvmmsg, fds[1], headers, 2, MSG_OOB, 0), 1);
    CHECK_EQUAL(headers[0].msg_hdr.msg_flags, MSG_OOB);
    CHECK_EQUAL(SIM_CALL(SYS_getsockopt, fds[1], SOL_SOCKET, SO_ERROR, &error, &length), 0);
    CHECK_EQUAL(error, 0);
}

static void recvmmsg_ends_with_the_urgent_byte(void)
{
    sim_process_new(urgent_asker, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
}

/* SO_ERROR takes the error before it finds that it cannot tell it, wherever the pointer is bad. */
static void error_loser(void *argument)
{
    void *const bad[] = {(void *)8, (void *)-4096};
    (void)argument;
    for (int i = 0; i < 2; i++) {
        int error = 0;
        socklen_t length = sizeof(error);
        CHECK_EQUAL(SIM_CALL(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
        CHECK_EQUAL(SIM_CALL(SYS_write, fds[0], "x", 1), 1);
        CHECK_EQUAL(SIM_CALL(SYS_close, fds[1]), 0);
        CHECK_EQUAL(SIM_CALL(SYS_getsockopt, fds[0], SOL_SOCKET, SO_TYPE, bad[i], &length), -EFAULT);
        CHECK_EQUAL(SIM_CALL(SYS_getsockopt, fds[0], SOL_SOCKET, SO_ERROR, &error, (void *)8), -EFAULT);
        struct pollfd entry = {fds[0], 0, 0};
        CHECK_EQUAL(SIM_CALL(SYS_poll, &entry, 1, 0), 1);
        CHECK_EQUAL(entry.revents, POLLERR | POLLHUP);
        CHECK_EQUAL(SIM_CALL(SYS_getsockopt, fds[0], SOL_SOCKET, SO_ERROR, bad[i], &length), -EFAULT);
        CHECK_EQUAL(SIM_CALL(SYS_poll, &entry, 1, 0), 1);
        CHECK_EQUAL(entry.revents, POLLHUP);
    }
}

static void an_error_that_cannot_be_told_is_gone(void)
{
    sim_process_new(error_loser, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
}

/* ---- who owns what is no file ---------------------------------------------------------------- */

static void owner_asker(void *argument)
{
    struct stat status;
    (void)argument;
    CHECK_EQUAL(SIM_CALL(SYS_setgid, 1000), 0);
    CHECK_EQUAL(SIM_CALL(SYS_setuid, 1000), 0);
    const long made[] = {SIM_CALL(SYS_eventfd2, 0, 0), SIM_CALL(SYS_epoll_create1, 0), SIM_CALL(SYS_socket, AF_UNIX, SOCK_STREAM, 0)};
    for (int i = 0; i < 3; i++) {
        CHECK_EQUAL(SIM_CALL(SYS_fstat, made[i], &status), 0);
        CHECK_EQUAL(status.st_uid, i == 2 ? 1000 : 0);
        CHECK_EQUAL(status.st_gid, i == 2 ? 1000 : 0);
    }
}

static void counters_and_sets_are_roots(void)
{
    sim_process_new(owner_asker, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
}

/* ---- ioctl of a pidfd ------------------------------------------------------------------------ */

static void pidfd_asker(void *argument)
{
    int number = 1;
    (void)argument;
    long fd = SIM_CALL(SYS_pidfd_open, SIM_CALL(SYS_getpid), 0);
    CHECK(fd >= 0);
    CHECK_EQUAL(SIM_CALL(SYS_ioctl, fd, TIOCOUTQ, &number), -EINVAL);
    CHECK_EQUAL(SIM_CALL(SYS_ioctl, fd, TIOCOUTQ, 0), -ENOTTY);
    CHECK_EQUAL(SIM_CALL(SYS_ioctl, fd, FIONBIO, &number), 0);
    fd = SIM_CALL(SYS_eventfd2, 0, 0);
    CHECK_EQUAL(SIM_CALL(SYS_ioctl, fd, TIOCOUTQ, &number), -ENOTTY);
}

static void a_pidfd_knows_no_request_with_an_argument(void)
{
    sim_process_new(pidfd_asker, NULL);
    CHECK_EQUAL(sim_run_all(), 0);
}

int main(void)
{
    static const struct tap_case cases[] = {
        TAP_CASE(bytes_cross_a_pair_and_end_with_it),
        TAP_CASE(strangers_meet_at_a_pathname),
        TAP_CASE(poll_and_epoll_wait_until_woken_or_late),
        TAP_CASE(descriptors_travel_and_outlive_their_sender),
        TAP_CASE(a_broken_pipe_is_a_signal),
        TAP_CASE(urgent_data_is_a_signal_to_the_owner),
        TAP_CASE(a_killed_peer_is_an_end_of_file),
        TAP_CASE(bad_pointers_are_efault),
        TAP_CASE(a_path_is_looked_up_when_there_is_memory),
        TAP_CASE(an_eventfd_takes_one_count_at_a_time),
        TAP_CASE(a_bound_socket_finds_what_is_wrong_with_the_path_first),
        TAP_CASE(an_error_after_the_first_message_is_for_the_next_call),
        TAP_CASE(recvmmsg_ends_with_the_urgent_byte),
        TAP_CASE(an_error_that_cannot_be_told_is_gone),
        TAP_CASE(counters_and_sets_are_roots),
        TAP_CASE(a_pidfd_knows_no_request_with_an_argument),
    };
    return TAP_RUN(cases, .seed = 1);
}
