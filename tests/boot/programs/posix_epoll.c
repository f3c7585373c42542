/* epoll: sets that are shared, nested, edge-triggered; order; errors. What each line says is Linux's
 * to say. SPDX-License-Identifier: MIT */
#include "check.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static int add(int set, int fd, uint32_t events, unsigned name)
{
    struct epoll_event event = {.events = events, .data.u64 = name};
    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int change(int set, int fd, uint32_t events, unsigned name)
{
    struct epoll_event event = {.events = events, .data.u64 = name};
    return epoll_ctl(set, EPOLL_CTL_MOD, fd, &event) ? -errno : 0;
}

/* In the order in which they come. */
static void events_most(const char *what, int set, int most, int timeout)
{
    struct epoll_event events[64];
    int n = epoll_wait(set, events, most, timeout);
    printf("%s: %d", what, n);
    for (int i = 0; i < n; i++)
        printf("  %d=%x", (int)events[i].data.u64, events[i].events);
    printf("%s%s\n", n < 0 ? " " : "", n < 0 ? error_name(errno) : "");
}

static void events(const char *what, int set)
{
    events_most(what, set, 64, 0);
}

static void put(int fd)
{
    if (write(fd, "x", 1) != 1)
        printf("write: %s\n", error_name(errno));
}

static void take(int fd)
{
    char room[64];
    read(fd, room, sizeof room);
}

static void pair_of(int type, int fds[2])
{
    socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fds);
}

static void edges(int type, const char *name)
{
    int set = epoll_create1(0), s[2];
    printf("-- edges, %s\n", name);
    pair_of(type, s);
    add(set, s[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 1);
    events("fresh", set);
    put(s[1]);
    events("one write", set);
    put(s[1]);
    put(s[1]);
    events("two writes", set);
    take(s[0]);
    events("after a read", set);
    put(s[0]);
    events("own write", set);
    take(s[1]);
    events("peer read", set);
    put(s[1]);
    take(s[0]);
    take(s[0]);
    take(s[0]);
    events("written and read", set);
    change(set, s[0], EPOLLIN | EPOLLOUT | EPOLLET, 1);
    events("changed", set);
    char room[4096] = "";
    while (write(s[0], room, sizeof room) > 0)
        ;
    events("full", set);
    for (int i = 0; i < 4; i++) {
        read(s[1], room, sizeof room);
        events("the peer reads a part", set);
    }
    while (read(s[1], room, sizeof room) > 0)
        ;
    events("the peer reads all", set);
    shutdown(s[1], SHUT_WR);
    events("peer shut down", set);
    shutdown(s[0], SHUT_RD);
    events("shut down", set);
    close(s[1]);
    events("peer closed", set);
    close(s[0]);
    close(set);
}

static void pipes(void)
{
    int set = epoll_create1(0), p[2];
    char room[65536] = "";
    printf("-- pipes and counters\n");
    pipe2(p, O_NONBLOCK);
    add(set, p[0], EPOLLIN | EPOLLET, 1);
    add(set, p[1], EPOLLOUT | EPOLLET, 2);
    events("fresh", set);
    put(p[1]);
    put(p[1]);
    events("two writes", set);
    take(p[0]);
    events("read", set);
    while (write(p[1], room, 4096) > 0)
        ;
    events("full", set);
    read(p[0], room, 100);
    events("a little read", set);
    read(p[0], room, 8192);
    events("two pages read", set);
    close(p[0]);
    events("reader gone", set);
    close(p[1]);
    int counter = eventfd(0, EFD_NONBLOCK);
    uint64_t value = 1;
    add(set, counter, EPOLLIN | EPOLLOUT | EPOLLET, 3);
    events("counter", set);
    write(counter, &value, 8);
    write(counter, &value, 8);
    events("added", set);
    write(counter, &value, 8);
    events("added again", set);
    read(counter, &value, 8);
    events("read", set);
    close(counter);
    close(set);
}

static void connecting(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0epoll"};
    socklen_t length = sizeof(sa_family_t) + 6;
    int set = epoll_create1(0), server = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    printf("-- connecting\n");
    add(set, client, EPOLLIN | EPOLLOUT | EPOLLET, 1);
    add(set, server, EPOLLIN | EPOLLOUT | EPOLLET, 2);
    events("fresh", set);
    bind(server, (struct sockaddr *)&name, length);
    listen(server, 5);
    events("listening", set);
    SHOW(connect(client, (struct sockaddr *)&name, length));
    events("connected", set);
    int accepted = accept4(server, NULL, NULL, SOCK_NONBLOCK);
    events("accepted", set);
    put(accepted);
    events("written to", set);
    int second = socket(AF_UNIX, SOCK_STREAM, 0), third = socket(AF_UNIX, SOCK_STREAM, 0);
    connect(second, (struct sockaddr *)&name, length);
    connect(third, (struct sockaddr *)&name, length);
    events("two more", set);
    close(accept(server, NULL, NULL));
    events("one taken", set);
    close(server);
    events("listener gone", set);
    close(accepted);
    events("accepted end gone", set);
    close(client);
    close(second);
    close(third);
    int a = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    int b = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    bind(a, (struct sockaddr *)&name, length);
    add(set, b, EPOLLIN | EPOLLOUT | EPOLLET, 3);
    events("datagram", set);
    connect(b, (struct sockaddr *)&name, length);
    events("connected", set);
    while (write(b, "x", 1) == 1)
        ;
    events("queue full", set);
    take(a);
    events("one read", set);
    while (write(b, "x", 1) == 1)
        ;
    close(a);
    events("other end gone", set);
    write(b, "x", 1);
    events("refused", set);
    close(b);
    close(set);
}

static void order(void)
{
    int set = epoll_create1(0), s[6][2];
    printf("-- order\n");
    for (int i = 0; i < 6; i++) {
        pair_of(SOCK_STREAM, s[i]);
        add(set, s[i][0], EPOLLIN, i);
    }
    static const int arrivals[] = {3, 1, 5, 0, 4, 2};
    for (int i = 0; i < 6; i++)
        put(s[arrivals[i]][1]);
    for (int i = 0; i < 4; i++)
        events_most("four of six", set, 4, 0);
    take(s[1][0]);
    put(s[1][1]);
    events("one read and written", set);
    int copy = dup(s[0][0]);
    add(set, copy, EPOLLIN, 10);
    events("a copy", set);
    for (int i = 0; i < 6; i++)
        take(s[i][0]);
    events("nothing", set);
    put(s[0][1]);
    events("told twice", set);
    close(s[0][0]);
    events("number closed, copy open", set);
    printf("its number: %d, %d\n", epoll_ctl(set, EPOLL_CTL_DEL, s[0][0], NULL), errno == EBADF);
    close(copy);
    events("both closed", set);
    for (int i = 1; i < 6; i++)
        close(s[i][0]), close(s[i][1]);
    close(set);
}

static void errors(void)
{
    int set = epoll_create1(0), other = epoll_create1(0), s[2];
    struct epoll_event event = {.events = EPOLLIN}, out[4];
    printf("-- errors\n");
    pair_of(SOCK_STREAM, s);
    int file = open("/etc/passwd", O_RDONLY), folder = open("/", O_RDONLY),
        null = open("/dev/null", O_RDWR);
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, s[0], &event));
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, s[0], &event));
    SHOW(epoll_ctl(set, EPOLL_CTL_MOD, s[1], &event));
    SHOW(epoll_ctl(set, EPOLL_CTL_DEL, s[1], &event));
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, set, &event));
    SHOW(epoll_ctl(s[0], EPOLL_CTL_ADD, set, &event));
    SHOW(epoll_ctl(s[0], EPOLL_CTL_ADD, file, &event));
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, file, &event));
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, folder, &event));
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, null, &event));
    SHOW(epoll_ctl(file, EPOLL_CTL_ADD, s[0], &event));
    SHOW(epoll_ctl(999, EPOLL_CTL_ADD, s[0], &event));
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, 999, &event));
    SHOW(epoll_ctl(set, 4, s[0], &event));
    SHOW(epoll_ctl(set, 0, s[1], &event));
    SHOW(epoll_ctl(set, 99, file, &event));
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, s[1], (struct epoll_event *)8));
    SHOW(epoll_ctl(999, EPOLL_CTL_ADD, s[1], (struct epoll_event *)8));
    event.events = EPOLLIN | EPOLLEXCLUSIVE;
    SHOW(epoll_ctl(set, EPOLL_CTL_MOD, s[0], &event));
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, other, &event));
    event.events |= EPOLLRDHUP;
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, s[1], &event));
    event.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLET;
    SHOW(epoll_ctl(set, EPOLL_CTL_ADD, s[1], &event));
    event.events = EPOLLIN;
    SHOW(epoll_ctl(set, EPOLL_CTL_MOD, s[1], &event));
    volatile int nothing = 0, negative = -1, huge = 200000000; /* the compiler must not see them */
    struct epoll_event *volatile bad = (struct epoll_event *)8;
    SHOW(epoll_wait(set, out, nothing, 0));
    SHOW(epoll_wait(set, out, negative, 0));
    SHOW(epoll_wait(s[0], out, 4, 0));
    SHOW(epoll_wait(file, out, 4, 0));
    SHOW(epoll_wait(999, out, 4, 0));
    SHOW(epoll_wait(set, out, huge, 0));
    put(s[1]);
    SHOW(epoll_wait(set, bad, 4, 0));
    events("not lost", set);
    SHOW(epoll_create(0));
    SHOW(epoll_create1(1));
    char room[8];
    SHOW(read(set, room, 8));
    SHOW(write(set, room, 8));
    SHOW(lseek(set, 0, SEEK_SET));
    close(file), close(folder), close(null), close(other), close(s[0]), close(s[1]), close(set);
}

static void nested(void)
{
    int e[8], s[2];
    printf("-- nested\n");
    for (int i = 0; i < 8; i++)
        e[i] = epoll_create1(0);
    pair_of(SOCK_STREAM, s);
    for (int i = 0; i < 6; i++)
        printf("down %d: %d\n", i, add(e[i], e[i + 1], EPOLLIN, i));
    printf("above: %d\n", add(e[7], e[0], EPOLLIN, 7));
    printf("loop: %d\n", add(e[3], e[0], EPOLLIN, 7));
    printf("short loop: %d\n", add(e[1], e[0], EPOLLIN, 7));
    printf("again: %d\n", add(e[0], e[1], EPOLLIN, 7));
    printf("socket: %d\n", add(e[4], s[0], EPOLLIN, 40));
    events("nothing", e[0]);
    put(s[1]);
    for (int i = 0; i < 5; i++)
        events("each sees it", e[i]);
    struct pollfd entry = {.fd = e[0], .events = POLLIN | POLLOUT | POLLRDNORM};
    int ready = poll(&entry, 1, 0);
    printf("poll %d %x\n", ready, entry.revents);
    take(s[0]);
    ready = poll(&entry, 1, 0);
    printf("poll %d %x\n", ready, entry.revents);
    events("read", e[0]);
    change(e[0], e[1], EPOLLIN | EPOLLET, 0);
    put(s[1]);
    events("edge", e[0]);
    events("no news", e[0]);
    put(s[1]);
    events("edge again", e[0]);
    events("inside", e[4]);
    events("no news by that", e[0]);
    for (int i = 0; i < 8; i++)
        close(e[i]);
    int in = epoll_create1(0), out = epoll_create1(0);
    add(in, s[0], EPOLLIN | EPOLLET, 1);
    add(out, in, EPOLLIN, 2);
    events("both: outer", out);
    events("outer again", out);
    events("inner", in);
    events("outer, nothing left", out);
    close(in);
    put(s[1]);
    events("inner closed", out);
    close(out), close(s[0]), close(s[1]);
}

static void one_shot(void)
{
    int set = epoll_create1(0), s[2];
    printf("-- one shot\n");
    pair_of(SOCK_STREAM, s);
    add(set, s[0], EPOLLIN | EPOLLONESHOT, 1);
    put(s[1]);
    events("first", set);
    put(s[1]);
    events("spent", set);
    change(set, s[0], EPOLLOUT | EPOLLONESHOT, 2);
    events("changed", set);
    close(s[1]);
    events("no hang-up", set);
    change(set, s[0], EPOLLONESHOT, 3);
    events("hang-up alone", set);
    change(set, s[0], 0, 4);
    events("always told", set);
    close(s[0]), close(set);
}

static void child_of(void (*what)(int, int *), int set, int *fds)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        what(set, fds);
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static void child_adds(int set, int *fds)
{
    events("child: inherited", set);
    events("child: edge is spent for all", set);
    put(fds[1]);
    printf("child adds: %d\n", add(set, fds[2], EPOLLIN, 2));
    printf("child again: %d\n", add(set, fds[0], EPOLLIN, 3));
    close(fds[0]); /* the parent has it still */
}

static void child_removes(int set, int *fds)
{
    SHOW(epoll_ctl(set, EPOLL_CTL_DEL, fds[2], NULL));
    change(set, fds[0], EPOLLIN | EPOLLONESHOT, 9);
    events("child: one shot", set);
}

static void child_wakes(int set, int *fds)
{
    (void)set;
    sleep_ms(50);
    put(fds[1]);
}

static void child_adds_late(int set, int *fds)
{
    sleep_ms(50);
    add(set, fds[2], EPOLLIN, 5);
}

static void shared(void)
{
    int set = epoll_create1(0), fds[4];
    printf("-- inherited\n");
    pair_of(SOCK_STREAM, fds);
    pair_of(SOCK_STREAM, fds + 2);
    add(set, fds[0], EPOLLIN | EPOLLET, 1);
    put(fds[1]);
    put(fds[3]);
    child_of(child_adds, set, fds);
    events("parent", set);
    child_of(child_removes, set, fds);
    events("parent: spent", set);
    take(fds[0]);
    change(set, fds[0], EPOLLIN, 4);
    for (int round = 0; round < 2; round++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            (round ? child_adds_late : child_wakes)(set, fds);
            _exit(0);
        }
        events_most("woken", set, 64, 5000);
        waitpid(pid, NULL, 0);
        take(fds[0]);
    }
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    close(set);
}

static void send_fd(int over, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] = "", byte = 'x';
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    if (sendmsg(over, &message, 0) != 1)
        printf("sendmsg: %s\n", error_name(errno));
}

static int receive_fd(int over)
{
    char control[CMSG_SPACE(sizeof(int))], byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int fd = -1;
    if (recvmsg(over, &message, 0) == 1 && CMSG_FIRSTHDR(&message))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

static void passed(void)
{
    int way[2], s[2], set = epoll_create1(0);
    printf("-- passed\n");
    socketpair(AF_UNIX, SOCK_STREAM, 0, way);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) { /* has neither the set's descriptor nor the socket's */
        close(set);
        int mine = receive_fd(way[1]);
        events("child", mine);
        char byte;
        write(way[1], "y", 1);
        read(way[1], &byte, 1);
        events("child: parent closed all", mine);
        int own[2];
        pair_of(SOCK_STREAM, own);
        add(mine, own[0], EPOLLIN | EPOLLOUT, 8);
        events("child: its own", mine);
        fflush(stdout);
        _exit(0);
    }
    pair_of(SOCK_STREAM, s);
    add(set, s[0], EPOLLIN, 1);
    put(s[1]);
    send_fd(way[0], set);
    char byte;
    read(way[0], &byte, 1);
    close(s[0]), close(s[1]), close(set);
    write(way[0], "z", 1);
    waitpid(pid, NULL, 0);
    /* cycles: a set in flight in a socket that it watches */
    for (int i = 0; i < 50; i++) {
        int e = epoll_create1(0);
        pair_of(SOCK_STREAM, s);
        add(e, s[0], EPOLLIN, 1);
        add(e, s[1], EPOLLIN, 2);
        send_fd(s[0], e);
        send_fd(s[0], s[0]);
        send_fd(s[1], s[1]);
        close(s[0]), close(s[1]), close(e);
    }
    close(way[0]), close(way[1]);
}

static void others(void)
{
    int set = epoll_create1(0), p[2];
    printf("-- timers and signals\n");
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec soon = {.it_value.tv_nsec = 30000000};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int signal = signalfd(-1, &signals, SFD_NONBLOCK);
    pipe(p);
    printf("add: %d %d %d\n", add(set, timer, EPOLLIN, 1), add(set, signal, EPOLLIN, 2),
           add(set, p[0], EPOLLIN, 3));
    printf("twice: %d\n", add(set, timer, EPOLLIN, 1));
    events("nothing", set);
    timerfd_settime(timer, 0, &soon, NULL);
    events_most("timer", set, 8, 5000);
    events("level", set);
    uint64_t ticks;
    read(timer, &ticks, 8);
    events("read", set);
    change(set, timer, EPOLLIN | EPOLLONESHOT, 1);
    timerfd_settime(timer, 0, &soon, NULL);
    put(p[1]);
    events_most("pipe first", set, 8, 5000);
    take(p[0]);
    events_most("then the timer", set, 8, 5000);
    events("once", set);
    kill(getpid(), SIGUSR1);
    events_most("signal", set, 8, 5000);
    put(p[1]);
    events_most("two", set, 8, 5000);
    int outer = epoll_create1(0);
    add(outer, set, EPOLLIN, 7);
    events("nested", outer);
    struct pollfd entry = {.fd = outer, .events = POLLIN};
    printf("poll %d\n", poll(&entry, 1, 0));
    take(p[0]);
    struct signalfd_siginfo info;
    read(signal, &info, sizeof info);
    events("nested, nothing", outer);
    printf("poll %d\n", poll(&entry, 1, 20));
    change(set, timer, EPOLLIN, 1);
    timerfd_settime(timer, 0, &soon, NULL);
    events_most("nested, timer", outer, 8, 5000);
    close(timer);
    events("timer closed", set);
    int again = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    printf("another: %d\n", add(set, again, EPOLLIN, 1));
    close(again), close(signal), close(p[0]), close(p[1]), close(set), close(outer);
}

/* Two that wait on one set: one event wakes one of them. */
static void two_wait(void)
{
    int set = epoll_create1(0), s[2], back[2];
    printf("-- two that wait\n");
    pair_of(SOCK_STREAM, s);
    pipe(back);
    add(set, s[0], EPOLLIN | EPOLLET, 1);
    fflush(stdout);
    pid_t pids[2];
    for (int i = 0; i < 2; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct epoll_event event;
            put(back[1]);
            while (epoll_wait(set, &event, 1, -1) != 1)
                ;
            put(back[1]);
            _exit(0);
        }
    }
    take(back[0]), sleep_ms(50), fcntl(back[0], F_SETFL, O_NONBLOCK), take(back[0]);
    for (int i = 0; i < 2; i++) {
        put(s[1]);
        char room[8];
        struct pollfd entry = {.fd = back[0], .events = POLLIN};
        poll(&entry, 1, 5000);
        sleep_ms(50);
        printf("woke %d\n", (int)read(back[0], room, sizeof room));
    }
    waitpid(pids[0], NULL, 0), waitpid(pids[1], NULL, 0);
    close(s[0]), close(s[1]), close(back[0]), close(back[1]), close(set);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    edges(SOCK_STREAM, "stream");
    edges(SOCK_SEQPACKET, "seqpacket");
    edges(SOCK_DGRAM, "datagram");
    pipes();
    connecting();
    order();
    errors();
    nested();
    one_shot();
    shared();
    passed();
    others();
    two_wait();
    return 0;
}
