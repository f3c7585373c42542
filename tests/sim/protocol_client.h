/*
 * A client whose messages to the servers are the same in the guest and on the simulator: included
 * by a program for each, which says what CALL(number, …) is. The messages that count stand between
 * two calls of getsid(2), which is a message to procd. SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

static void client_stream(void)
{
    int pair[2];
    char bytes[64];
    struct pollfd entry = {.events = POLLIN | POLLOUT};
    CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair);
    CALL(SYS_write, pair[0], "hello", 5);
    CALL(SYS_recvfrom, pair[1], bytes, 3, MSG_PEEK, 0, 0);
    CALL(SYS_read, pair[1], bytes, sizeof(bytes));
    CALL(SYS_recvfrom, pair[1], bytes, 1, MSG_DONTWAIT, 0, 0);
    entry.fd = pair[1];
    CALL(SYS_poll, &entry, 1, 0);
    CALL(SYS_shutdown, pair[0], SHUT_WR);
    CALL(SYS_poll, &entry, 1, -1);
    CALL(SYS_read, pair[1], bytes, 1);
    CALL(SYS_sendto, pair[0], "x", 1, MSG_NOSIGNAL, 0, 0);
    CALL(SYS_close, pair[0]);
    CALL(SYS_close, pair[1]);
}

static void client_names(void)
{
    static const struct sockaddr_un path = {AF_UNIX, "/tmp/protocol"};
    static const struct sockaddr_un abstract = {AF_UNIX, "\0protocol"};
    struct sockaddr_un name;
    unsigned length = sizeof(name);
    char byte;
    int listener = (int)CALL(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    CALL(SYS_bind, listener, &path, sizeof(path));
    CALL(SYS_bind, listener, &path, sizeof(path));
    CALL(SYS_listen, listener, 4);
    int client = (int)CALL(SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0);
    CALL(SYS_connect, client, &path, sizeof(path));
    int server = (int)CALL(SYS_accept4, listener, &name, &length, SOCK_NONBLOCK);
    CALL(SYS_getpeername, client, &name, &length);
    CALL(SYS_sendto, client, "packet", 6, 0, 0, 0);
    CALL(SYS_read, server, &byte, 1);
    CALL(SYS_read, server, &byte, 1); /* EAGAIN */
    CALL(SYS_unlink, "/tmp/protocol");
    CALL(SYS_connect, client, &path, sizeof(path));
    int datagram = (int)CALL(SYS_socket, AF_UNIX, SOCK_DGRAM, 0);
    CALL(SYS_sendto, datagram, "nobody", 6, 0, &abstract, 11);
    CALL(SYS_bind, datagram, &abstract, 11);
    CALL(SYS_sendto, datagram, "myself", 6, 0, &abstract, 11);
    length = sizeof(name);
    CALL(SYS_recvfrom, datagram, &byte, 1, MSG_TRUNC, &name, &length);
    CALL(SYS_close, datagram);
    CALL(SYS_close, server);
    CALL(SYS_close, client);
    CALL(SYS_close, listener);
}

static void client_rights(void)
{
    int pair[2], pipe[2], got;
    char byte = 'r';
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    CALL(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair);
    CALL(SYS_pipe2, pipe, 0);
    int file = (int)CALL(SYS_open, "/tmp", O_RDONLY | O_DIRECTORY, 0);
    control.align = (struct cmsghdr){.cmsg_len = CMSG_LEN(2 * sizeof(int)),
                                     .cmsg_level = SOL_SOCKET,
                                     .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.align), (int[]){pipe[0], file}, 2 * sizeof(int));
    CALL(SYS_sendmsg, pair[0], &message, 0);
    CALL(SYS_close, pipe[0]);
    CALL(SYS_recvmsg, pair[1], &message, MSG_CMSG_CLOEXEC);
    memcpy(&got, CMSG_DATA(&control.align), sizeof(got));
    CALL(SYS_write, pipe[1], "through", 7);
    CALL(SYS_read, got, &byte, 1);
    for (int fd = pair[0]; fd <= got + 1; fd++)
        CALL(SYS_close, fd);
}

static void client_readiness(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    char value[8];
    int set = (int)CALL(SYS_epoll_create1, 0);
    int counter = (int)CALL(SYS_eventfd2, 0, O_NONBLOCK);
    CALL(SYS_epoll_ctl, set, EPOLL_CTL_ADD, counter, &event);
    CALL(SYS_epoll_wait, set, &event, 1, 0);
    CALL(SYS_write, counter, "\1\0\0\0\0\0\0", 8);
    CALL(SYS_epoll_wait, set, &event, 1, -1);
    CALL(SYS_read, counter, value, 8);
    CALL(SYS_read, counter, value, 8);
    CALL(SYS_write, counter, "\2\0\0\0\0\0\0", 8);
    CALL(SYS_read, counter, value, 8);
    int copy = (int)CALL(SYS_dup, counter);
    CALL(SYS_close, counter);
    CALL(SYS_close, copy);
    CALL(SYS_close, set);
}

static void client_run(void)
{
    CALL(SYS_getsid, 0);
    client_stream();
    client_names();
    client_rights();
    client_readiness();
    CALL(SYS_getsid, 0);
}
