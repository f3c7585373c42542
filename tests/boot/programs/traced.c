/*
 * For test_trace.py: a few calls of which everything is known. SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void send_descriptor(int socket, int descriptor)
{
    char byte = 'd', control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    sendmsg(socket, &message, 0);
}

static void connection(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/traced"};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&address, sizeof(address));
    listen(listener, 3);
    connect(client, (struct sockaddr *)&address, sizeof(address));
    int server = accept(listener, NULL, NULL);
    send_descriptor(client, listener);
    shutdown(client, SHUT_WR);
    close(client);
    close(server);
    close(listener);
}

/* A pipe, an eventfd and an epoll instance, and every change that the trace has of them. */
static void other_objects(void)
{
    int ends[2], set = epoll_create1(0), counter = eventfd(2, 0);
    uint64_t count = 5;
    char bytes[4];
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    pipe(ends);
    epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event);
    write(ends[1], "seven b", 7);
    epoll_wait(set, &event, 1, 0);
    read(ends[0], bytes, sizeof(bytes));
    epoll_ctl(set, EPOLL_CTL_DEL, ends[0], NULL);
    write(counter, &count, sizeof(count));
    read(counter, &count, sizeof(count));
    close(ends[0]);
    close(ends[1]);
    close(counter);
    close(set);
}

/* A file, which is filed's, goes through a socket, which is sockd's. */
static void file_passed(void)
{
    int pair[2], file = open("/bin/traced", O_RDONLY);
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = sizeof(control)};
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    dup2(file, 40);
    send_descriptor(pair[0], 40);
    recvmsg(pair[1], &message, 0);
}

int main(void)
{
    int pair[2], status = 0;
    char bytes[16];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    write(pair[0], "hello", 5);
    if (fork() == 0)
        _exit(read(pair[1], bytes, sizeof(bytes)) == 5 ? 0 : 1);
    wait(&status);
    connection();
    other_objects();
    file_passed();
    open("/nowhere", O_RDONLY);
    if (fork() == 0)
        execl("/bin/busybox", "true", (char *)NULL);
    wait(&status);
    return WEXITSTATUS(status) + 7;
}
