/* The operations that are measured, in the order in which they run. SPDX-License-Identifier: MIT */
#include "bench.h"

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME "/tmp/bench.socket"
#define IDLE_MAX 1000
#define MESSAGE_MAX 65536
#define RIGHTS_MAX 8

/* Of the row in progress. In rows of two processes ours is [0] and the peer's is [1]. */
static int pair[2], listener, passed, epoll;
static int idle[IDLE_MAX];
static struct pollfd polled[IDLE_MAX + 1];
static char buffer[MESSAGE_MAX];

static void write_all(int fd, size_t length)
{
    CHECK(write(fd, buffer, length) == (ssize_t)length);
}

static void read_some(int fd, size_t length)
{
    CHECK(read(fd, buffer, length) == (ssize_t)length);
}

static void pair_begin(const struct row *row)
{
    (void)row;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
}

static void pair_end(const struct row *row)
{
    (void)row;
    close(pair[0]);
    close(pair[1]);
}

/* ---- one byte or one message there and back -------------------------------------------------- */

static void null_run(const struct row *row, unsigned count)
{
    (void)row;
    while (count--)
        syscall(SYS_getppid);
}

static void ping_begin(const struct row *row)
{
    CHECK(socketpair(AF_UNIX, row->argument, 0, pair) == 0);
}

static size_t ping_size(const struct row *row)
{
    return row->argument == SOCK_STREAM ? 1 : 64;
}

static void ping_run(const struct row *row, unsigned count)
{
    while (count--) {
        write_all(pair[0], ping_size(row));
        read_some(pair[0], ping_size(row));
    }
}

static void ping_peer(const struct row *row, unsigned count)
{
    while (count--) {
        read_some(pair[1], ping_size(row));
        write_all(pair[1], ping_size(row));
    }
}

static void poll_read(int fd)
{
    struct pollfd ready = {fd, POLLIN, 0};
    CHECK(poll(&ready, 1, -1) == 1);
    read_some(fd, 1);
}

static void ping_poll_run(const struct row *row, unsigned count)
{
    (void)row;
    while (count--) {
        write_all(pair[0], 1);
        poll_read(pair[0]);
    }
}

static void ping_poll_peer(const struct row *row, unsigned count)
{
    (void)row;
    while (count--) {
        poll_read(pair[1]);
        write_all(pair[1], 1);
    }
}

/* ---- a stream in one direction: the last byte is answered ------------------------------------ */

static void stream_run(const struct row *row, unsigned count)
{
    while (count--)
        write_all(pair[0], row->argument);
    read_some(pair[0], 1);
}

static void stream_peer(const struct row *row, unsigned count)
{
    for (size_t left = (size_t)row->argument * count; left > 0;) {
        ssize_t got = read(pair[1], buffer, row->argument);
        CHECK(got > 0);
        left -= got;
    }
    write_all(pair[1], 1);
}

/* ---- connections by name --------------------------------------------------------------------- */

static struct sockaddr_un name_address(void)
{
    return (struct sockaddr_un){.sun_family = AF_UNIX, .sun_path = NAME};
}

static void connect_begin(const struct row *row)
{
    struct sockaddr_un address = name_address();
    (void)row;
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(listener >= 0);
    unlink(NAME);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(listen(listener, 16) == 0);
}

static void connect_end(const struct row *row)
{
    (void)row;
    close(listener);
    unlink(NAME);
}

static int connect_new(void)
{
    struct sockaddr_un address = name_address();
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

static int accept_new(void)
{
    int fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    return fd;
}

static void connect_run(const struct row *row, unsigned count)
{
    (void)row;
    while (count--) {
        int client = connect_new(), server = accept_new();
        close(client);
        close(server);
    }
}

static void connect_two_run(const struct row *row, unsigned count)
{
    (void)row;
    while (count--) {
        int client = connect_new();
        CHECK(read(client, buffer, 1) == 0); /* the other end was accepted and closed */
        close(client);
    }
}

static void connect_two_peer(const struct row *row, unsigned count)
{
    (void)row;
    while (count--)
        close(accept_new());
}

/* ---- ancillary data -------------------------------------------------------------------------- */

union control {
    char bytes[CMSG_SPACE(sizeof(int) * RIGHTS_MAX)];
    struct cmsghdr align;
};

static void rights_begin(const struct row *row)
{
    pair_begin(row);
    passed = open("/dev/null", O_RDONLY);
    CHECK(passed >= 0);
}

static void rights_end(const struct row *row)
{
    close(passed);
    pair_end(row);
}

static void rights_send(int fd, int count)
{
    union control control = {0};
    struct iovec iov = {buffer, 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
    control.align = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int) * count),
                                     .cmsg_level = SOL_SOCKET,
                                     .cmsg_type = SCM_RIGHTS};
    for (int i = 0; i < count; i++)
        memcpy(CMSG_DATA(&control.align) + sizeof(int) * i, &passed, sizeof(int));
    CHECK(sendmsg(fd, &message, 0) == 1);
}

static void control_receive(int fd, union control *control, size_t room, int type, size_t length)
{
    struct iovec iov = {buffer, 1};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
    CHECK(recvmsg(fd, &message, 0) == 1);
    CHECK(message.msg_controllen >= CMSG_LEN(length) && control->align.cmsg_type == type &&
          control->align.cmsg_len == CMSG_LEN(length));
}

static void rights_receive(int fd, int count)
{
    union control control;
    control_receive(fd, &control, sizeof(control), SCM_RIGHTS, sizeof(int) * count);
    for (int i = 0; i < count; i++) {
        int got;
        memcpy(&got, CMSG_DATA(&control.align) + sizeof(int) * i, sizeof(got));
        CHECK(close(got) == 0);
    }
}

static void rights_run(const struct row *row, unsigned count)
{
    while (count--) {
        rights_send(pair[0], row->argument);
        rights_receive(pair[1], row->argument);
    }
}

static void rights_two_run(const struct row *row, unsigned count)
{
    while (count--) {
        rights_send(pair[0], row->argument);
        read_some(pair[0], 1);
    }
}

static void rights_two_peer(const struct row *row, unsigned count)
{
    while (count--) {
        rights_receive(pair[1], row->argument);
        write_all(pair[1], 1);
    }
}

static void passcred_begin(const struct row *row)
{
    int on = 1;
    pair_begin(row);
    CHECK(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
}

static void passcred_run(const struct row *row, unsigned count)
{
    union control control;
    (void)row;
    while (count--) {
        write_all(pair[0], 1);
        control_receive(pair[1], &control, sizeof(control), SCM_CREDENTIALS, sizeof(struct ucred));
    }
}

static void socketpair_run(const struct row *row, unsigned count)
{
    while (count--) {
        pair_begin(row);
        pair_end(row);
    }
}

/* ---- one event among idle sockets ------------------------------------------------------------ */

static int idle_ends(int count)
{
    return (count + 1) & ~1;
}

static void idle_begin(const struct row *row)
{
    pair_begin(row);
    for (int i = 0; i < idle_ends(row->argument); i += 2)
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, &idle[i]) == 0);
}

static void idle_end(const struct row *row)
{
    for (int i = 0; i < idle_ends(row->argument); i++)
        close(idle[i]);
    pair_end(row);
}

static void epoll_watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void epoll_begin(const struct row *row)
{
    idle_begin(row);
    epoll = epoll_create1(0);
    CHECK(epoll >= 0);
    for (int i = 0; i < row->argument; i++)
        epoll_watch(idle[i]);
    epoll_watch(pair[1]);
}

static void epoll_end(const struct row *row)
{
    close(epoll);
    idle_end(row);
}

static void epoll_run(const struct row *row, unsigned count)
{
    (void)row;
    while (count--) {
        struct epoll_event event;
        write_all(pair[0], 1);
        CHECK(epoll_wait(epoll, &event, 1, -1) == 1 && event.data.fd == pair[1]);
        read_some(pair[1], 1);
    }
}

static void poll_begin(const struct row *row)
{
    idle_begin(row);
    for (int i = 0; i < row->argument; i++)
        polled[i] = (struct pollfd){idle[i], POLLIN, 0};
    polled[row->argument] = (struct pollfd){pair[1], POLLIN, 0};
}

static void poll_run(const struct row *row, unsigned count)
{
    while (count--) {
        write_all(pair[0], 1);
        CHECK(poll(polled, row->argument + 1, -1) == 1);
        read_some(pair[1], 1);
    }
}

void idle_pairs_open(unsigned pairs)
{
    int ends[2];
    while (pairs--)
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
}

#define PING ping_begin, pair_end, ping_run, ping_peer
#define STREAM pair_begin, pair_end, stream_run, stream_peer
#define RIGHTS rights_begin, rights_end
const struct row rows[] = {
    {"null", 10000, 0, NULL, NULL, null_run, NULL},
    {"ping", 2000, SOCK_STREAM, PING},
    {"ping-poll", 2000, SOCK_STREAM, ping_begin, pair_end, ping_poll_run, ping_poll_peer},
    {"ping-seqpacket", 2000, SOCK_SEQPACKET, PING},
    {"ping-dgram", 2000, SOCK_DGRAM, PING},
    {"stream-64", 5000, 64, STREAM},
    {"stream-4096", 2000, 4096, STREAM},
    {"stream-65536", 300, 65536, STREAM},
    {"connect", 1000, 0, connect_begin, connect_end, connect_run, NULL},
    {"connect-two", 1000, 0, connect_begin, connect_end, connect_two_run, connect_two_peer},
    {"rights-1", 1000, 1, RIGHTS, rights_run, NULL},
    {"rights-8", 500, 8, RIGHTS, rights_run, NULL},
    {"rights-1-two", 1000, 1, RIGHTS, rights_two_run, rights_two_peer},
    {"rights-8-two", 500, 8, RIGHTS, rights_two_run, rights_two_peer},
    {"passcred", 1000, 0, passcred_begin, pair_end, passcred_run, NULL},
    {"socketpair", 1000, 0, NULL, NULL, socketpair_run, NULL},
    {"epoll-1", 1000, 1, epoll_begin, epoll_end, epoll_run, NULL},
    {"epoll-100", 1000, 100, epoll_begin, epoll_end, epoll_run, NULL},
    {"epoll-1000", 200, 1000, epoll_begin, epoll_end, epoll_run, NULL},
    {"poll-1", 1000, 1, poll_begin, idle_end, poll_run, NULL},
    {"poll-100", 200, 100, poll_begin, idle_end, poll_run, NULL},
    {"poll-1000", 40, 1000, poll_begin, idle_end, poll_run, NULL},
};
const unsigned row_count = sizeof(rows) / sizeof(rows[0]);
