/*
 * Waits on a terminal, a socket and a pipe at once, by poll, select and epoll; says which became
 * ready. SPDX-License-Identifier: MIT
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNT = 3 };
static const char *const names[COUNT] = {"terminal", "socket", "pipe"};

/* Each returns the index of the one descriptor that is ready, or -1 when it is not exactly one. */
static int wait_poll(const int fds[COUNT])
{
    struct pollfd set[COUNT];
    for (int i = 0; i < COUNT; i++)
        set[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    if (poll(set, COUNT, 20000) != 1)
        return -1;
    for (int i = 0; i < COUNT; i++)
        if (set[i].revents == POLLIN)
            return i;
    return -1;
}

static int wait_select(const int fds[COUNT])
{
    fd_set set;
    FD_ZERO(&set);
    for (int i = 0; i < COUNT; i++)
        FD_SET(fds[i], &set);
    if (select(20, &set, NULL, NULL, &(struct timeval){20, 0}) != 1)
        return -1;
    for (int i = 0; i < COUNT; i++)
        if (FD_ISSET(fds[i], &set))
            return i;
    return -1;
}

static int wait_epoll(const int fds[COUNT])
{
    struct epoll_event event, ready[COUNT];
    int epoll = epoll_create1(0);
    for (int i = 0; i < COUNT; i++) {
        event = (struct epoll_event){.events = EPOLLIN, .data.u32 = (unsigned)i};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event);
    }
    int count = epoll_wait(epoll, ready, COUNT, 20000);
    close(epoll);
    return count == 1 ? (int)ready[0].data.u32 : -1;
}

static void later(int fd, unsigned milliseconds)
{
    if (fork() == 0) {
        usleep(milliseconds * 1000);
        write(fd, "x", 1);
        _exit(0);
    }
}

static void round_of(const char *call, int (*wait_any)(const int fds[COUNT]))
{
    int pair[2], ends[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    pipe(ends);
    const int fds[COUNT] = {0, pair[0], ends[0]};
    later(pair[1], 200);
    later(ends[1], 600);
    for (int i = 0; i < COUNT; i++) {
        char text[100];
        int at = wait_any(fds);
        ssize_t got = at < 0 ? 0 : read(fds[at], text, sizeof(text) - 1);
        text[got < 0 ? 0 : got] = 0;
        text[strcspn(text, "\n")] = 0;
        printf("%s: %s %s\n", call, at < 0 ? "not exactly one" : names[at], text);
        if (i == 1)
            printf("%s: type\n", call);
        fflush(stdout);
    }
    while (wait(NULL) > 0)
        ;
    for (int i = 0; i < 2; i++)
        close(pair[i]), close(ends[i]);
}

int main(void)
{
    round_of("poll", wait_poll);
    round_of("select", wait_select);
    round_of("epoll", wait_epoll);
    return 0;
}
