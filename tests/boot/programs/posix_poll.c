/* poll, select, epoll over pipes and sockets together, eventfd, time-outs.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

static void poll_now(const char *what, int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};
    int n = poll(&entry, 1, 0);
    printf("%s: %d ready,%s%s%s%s%s%s\n", what, n, entry.revents & POLLIN ? " IN" : "",
           entry.revents & POLLOUT ? " OUT" : "", entry.revents & POLLRDHUP ? " RDHUP" : "",
           entry.revents & POLLHUP ? " HUP" : "", entry.revents & POLLERR ? " ERR" : "",
           entry.revents & POLLNVAL ? " NVAL" : "");
}

static long elapsed_ms(const struct timespec *since)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

static void masks(void)
{
    int ends[2], pair[2];
    pipe(ends);
    poll_now("empty pipe, read end", ends[0]);
    poll_now("empty pipe, write end", ends[1]);
    write(ends[1], "x", 1);
    poll_now("pipe with a byte", ends[0]);
    char room[4096] = "";
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (write(ends[1], room, sizeof room) > 0)
        ;
    printf("full pipe: %s\n", error_name(errno));
    poll_now("full pipe, write end", ends[1]);
    close(ends[1]);
    poll_now("writer gone, bytes left", ends[0]);
    while (read(ends[0], room, sizeof room) > 0)
        ;
    poll_now("writer gone, empty", ends[0]);
    close(ends[0]);
    pipe(ends);
    close(ends[0]);
    poll_now("reader gone", ends[1]);
    poll_now("closed descriptor", ends[0]);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    poll_now("fresh pair", pair[0]);
    write(pair[1], "x", 1);
    poll_now("pair with a byte", pair[0]);
    shutdown(pair[1], SHUT_WR);
    poll_now("peer shut its writing", pair[0]);
    close(pair[1]);
    poll_now("peer closed", pair[0]);
    int fresh = socket(AF_UNIX, SOCK_STREAM, 0), datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
    poll_now("fresh stream socket", fresh);
    poll_now("fresh datagram socket", datagram);
    int file = open("/etc/passwd", O_RDONLY);
    poll_now("file", file);
    struct pollfd negative[2] = {{.fd = -1, .events = POLLIN}, {.fd = file, .events = POLLIN}};
    SHOW(poll(negative, 2, 0));
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    pipe(ends);
    struct pollfd quiet = {.fd = ends[0], .events = POLLIN};
    SHOW(poll(&quiet, 1, 100));
    printf("waited 100 ms: %d\n", elapsed_ms(&start) >= 99);
    SHOW(poll(NULL, 0, 10));
}

static void woken(void)
{
    int ends[2], pair[2];
    pipe(ends);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        sleep_ms(100);
        write(pair[1], "socket", 6);
        sleep_ms(100);
        write(ends[1], "pipe", 4);
        _exit(0);
    }
    char room[16];
    for (int round = 0; round < 2; round++) {
        struct pollfd both[2] = {{.fd = ends[0], .events = POLLIN},
                                 {.fd = pair[0], .events = POLLIN}};
        int n = poll(both, 2, 5000);
        printf("woken: %d ready, pipe %x, socket %x\n", n, (unsigned)both[0].revents,
               (unsigned)both[1].revents);
        show("read", read(both[0].revents ? ends[0] : pair[0], room, sizeof room));
    }
    waitpid(pid, NULL, 0);
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(ends[0], &in);
    FD_SET(ends[1], &out);
    FD_SET(pair[0], &in);
    struct timeval none = {0}, some = {.tv_usec = 50000};
    SHOW(select(20, &in, &out, NULL, &none));
    printf("select: pipe in %d, pipe out %d, socket in %d\n", !!FD_ISSET(ends[0], &in),
           !!FD_ISSET(ends[1], &out), !!FD_ISSET(pair[0], &in));
    FD_SET(ends[0], &in);
    SHOW(select(20, &in, NULL, NULL, &some));
    FD_SET(15, &in);
    SHOW(select(20, &in, NULL, NULL, &none));
}

static void show_events(const char *what, int set, int timeout)
{
    struct epoll_event events[8];
    int n = epoll_wait(set, events, 8, timeout);
    unsigned seen[8] = {0};
    for (int i = 0; i < n; i++)
        seen[events[i].data.u32 & 7] = events[i].events;
    printf("%s: %d", what, n);
    for (int i = 0; i < 8; i++)
        if (seen[i])
            printf("  %d=%x", i, seen[i]);
    printf("\n");
}

static void epolls(void)
{
    int set = epoll_create1(EPOLL_CLOEXEC), ends[2], pair[2];
    char room[64];
    pipe(ends);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    struct epoll_event pipe_event = {.events = EPOLLIN, .data.u32 = 1},
                       socket_event = {.events = EPOLLIN | EPOLLET, .data.u32 = 2};
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &pipe_event));
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &pipe_event));
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, pair[0], &socket_event));
    SHOW(epoll_ctl(set, EPOLL_CTL_MOD, pair[1], &socket_event));
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, 999, &socket_event));
    int file = open("/etc/passwd", O_RDONLY);
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, file, &socket_event));
    show_events("nothing", set, 20);
    write(ends[1], "x", 1);
    write(pair[1], "y", 1);
    show_events("both", set, 1000);
    show_events("level again, edge not", set, 0);
    write(pair[1], "z", 1);
    show_events("edge again", set, 1000);
    read(ends[0], room, sizeof room);
    show_events("pipe read", set, 0);
    socket_event.events = EPOLLIN | EPOLLONESHOT;
    SHOW(epoll_ctl(set, EPOLL_CTL_MOD, pair[0], &socket_event));
    show_events("one shot", set, 100);
    show_events("one shot, spent", set, 0);
    SHOW(epoll_ctl(set, EPOLL_CTL_MOD, pair[0], &socket_event));
    show_events("one shot, armed again", set, 0);
    socket_event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
    epoll_ctl(set, EPOLL_CTL_MOD, pair[0], &socket_event);
    read(pair[0], room, sizeof room);
    show_events("writable", set, 0);
    close(pair[1]);
    show_events("peer gone", set, 100);
    SHOW(epoll_ctl(set, EPOLL_CTL_DEL, pair[0], NULL));
    SHOW(epoll_ctl(set, EPOLL_CTL_DEL, pair[0], NULL));
    close(ends[1]);
    show_events("writer gone", set, 100);
    close(ends[0]);
    show_events("closed descriptors leave the set", set, 0);
    fflush(stdout);
    pipe(ends);
    epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &pipe_event);
    pid_t pid = fork();
    if (pid == 0) {
        sleep_ms(100);
        write(ends[1], "late", 4);
        _exit(0);
    }
    show_events("woken in epoll_wait", set, 5000);
    waitpid(pid, NULL, 0);
}

#define MANY 44

static void show_many(const char *what, const int *fds, int timeout)
{
    struct pollfd entries[MANY];
    fd_set in, out;
    struct timeval none = {0};
    int last = 0;
    FD_ZERO(&in);
    FD_ZERO(&out);
    for (int i = 0; i < MANY; i++) {
        entries[i] = (struct pollfd){.fd = fds[i], .events = i % 3 ? POLLIN : POLLIN | POLLOUT};
        if (fds[i] < 0 || fcntl(fds[i], F_GETFD) < 0)
            continue;
        FD_SET(fds[i], &in);
        if (i % 3 == 0)
            FD_SET(fds[i], &out);
        last = fds[i] > last ? fds[i] : last;
    }
    printf("%s: %d ready", what, poll(entries, MANY, timeout));
    for (int i = 0; i < MANY; i++)
        if (entries[i].revents)
            printf("  %d=%x", i, (unsigned)entries[i].revents);
    printf("\nselect %d:", select(last + 1, &in, &out, NULL, &none));
    for (int i = 0; i < MANY; i++)
        if (fds[i] >= 0 && (FD_ISSET(fds[i], &in) || FD_ISSET(fds[i], &out)))
            printf("  %d", i);
    printf("\n");
}

/* Many at once, of all kinds, while numbers change their meaning. */
static void many(void)
{
    int fds[MANY], ends[2];
    for (int i = 0; i < 36; i += 2)
        socketpair(AF_UNIX, i % 4 ? SOCK_STREAM : SOCK_DGRAM, 0, &fds[i]);
    pipe(&fds[36]);
    fds[38] = eventfd(0, 0);
    fds[39] = open("/etc/passwd", O_RDONLY);
    fds[40] = 999;
    fds[41] = -1;
    fds[42] = epoll_create1(0);
    fds[43] = socket(AF_UNIX, SOCK_STREAM, 0);
    show_many("idle", fds, 0);
    show_many("the same", fds, 0);
    write(fds[5], "x", 1);
    write(fds[37], "x", 1);
    close(fds[17]);
    show_many("three changes", fds, 0);
    pipe(ends); /* one end gets the number */
    write(ends[1], "x", 1);
    show_many("another 17", fds, 0);
    dup2(ends[0], fds[20]);
    show_many("another 20", fds, 0);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(fds[42], EPOLL_CTL_ADD, ends[0], &event);
    show_many("epoll", fds, 0);
    int quiet[MANY];
    for (int i = 0; i < MANY; i++)
        quiet[i] = i % 3 && i < 36 && i != 4 && i != 16 && i != 17 && i != 20 ? fds[i] : -1;
    show_many("quiet", quiet, 20);
    for (int round = 0; round < 2; round++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            sleep_ms(50);
            if (round == 0)
                show_many("in a child", quiet, 0);
            fflush(stdout);
            write(fds[24], "x", 1);
            _exit(0);
        }
        show_many("woken", quiet, 5000);
        waitpid(pid, NULL, 0);
        char room[8];
        read(fds[25], room, sizeof room);
    }
    for (int i = 0; i < MANY; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    masks();
    woken();
    epolls();
    many();
    uint64_t value = 3;
    int event = eventfd(2, EFD_NONBLOCK), semaphore = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);
    poll_now("eventfd 2", event);
    show("write 3", write(event, &value, 8));
    show("read", read(event, &value, 8));
    printf("value %d\n", (int)value);
    show("read empty", read(event, &value, 8));
    poll_now("eventfd 0", event);
    show("read 4 bytes", read(event, &value, 4));
    show("semaphore", read(semaphore, &value, 8));
    printf("value %d\n", (int)value);
    show("semaphore", read(semaphore, &value, 8));
    show("semaphore", read(semaphore, &value, 8));
    return 0;
}
