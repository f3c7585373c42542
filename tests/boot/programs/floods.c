/*
 * A pair of well-behaved processes beside a flood. SPDX-License-Identifier: MIT
 *
 *   floods KIND FLOODERS MESSAGES
 *
 * FLOODERS processes do KIND (`none` and `spin` too) for ever. When they all flood, two processes
 * send each other MESSAGES of one byte over a socketpair. Prints who they are, how long that took
 * and what processor time they used; then everybody is killed.
 */
#include "hostile.h"
#include <stdbool.h>
#include <sys/epoll.h>

#define HOLD 4000     /* sockets that a flooder keeps at once, below RLIMIT_NOFILE */
#define SETTLE 300000 /* turns of a flooder's loop would not end; this many steps at most are "begun" */

static uint64_t clock_get(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- the floods: one step, called for ever; true: it has what it can get --------------------- */

static int held[HOLD];
static unsigned held_count, victim;

/* Keep it, or when we have as many as we want close another in its place. */
static bool hold(int fd)
{
    if (fd < 0) {
        if (held_count)
            close(held[--held_count]);
        return true;
    }
    if (held_count < HOLD) {
        held[held_count++] = fd;
        return false;
    }
    close(held[victim]);
    held[victim] = fd;
    victim = (victim + 1) % HOLD;
    return true;
}

static bool flood_spin(void)
{
    for (volatile unsigned i = 0; i < 1000; i++)
        continue;
    return true;
}

static bool flood_sockets(void)
{
    return hold(socket(AF_UNIX, SOCK_STREAM, 0));
}

static bool flood_connections(void)
{
    static struct sockaddr_un name = {.sun_family = AF_UNIX};
    static int listener;
    static socklen_t length = sizeof name;
    if (!listener) {
        listener = socket(AF_UNIX, SOCK_STREAM, 0);
        bind(listener, (struct sockaddr *)&name, sizeof(sa_family_t));
        getsockname(listener, (struct sockaddr *)&name, &length);
        listen(listener, 1000000);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connect(fd, (struct sockaddr *)&name, length) == 0)
        return hold(fd);
    close(fd); /* the queue is full: one of them gives up */
    return hold(-1);
}

static bool flood_datagrams(void)
{
    static char data[60000];
    static int fd[2] = {-1, -1};
    static unsigned turn;
    if (fd[0] >= 0 && send(fd[0], data, ++turn % 4 ? turn % 64 : sizeof data, MSG_DONTWAIT) >= 0)
        return false;
    int error = errno;
    if (fd[0] >= 0 && error != EAGAIN && error != EWOULDBLOCK)
        return true;
    if (held_count + 2 > HOLD)
        return true;
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fd) == 0)
        hold(fd[0]), hold(fd[1]);
    return false;
}

/* Sets of descriptors that nobody takes; now and then sockets that only each other's queues hold. */
static bool flood_in_flight(void)
{
    static int fd[2] = {-1, -1}, cycle[2];
    static unsigned turn;
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(200 * sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(200 * sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct iovec data = {"x", 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    bool full = false;
    if (fd[0] < 0)
        socketpair(AF_UNIX, SOCK_DGRAM, 0, fd);
    for (unsigned i = 0; i < 200; i++)
        ((int *)CMSG_DATA(&control.header))[i] = fd[i % 2];
    if (sendmsg(fd[0], &message, MSG_DONTWAIT) < 0) {
        full = errno != EAGAIN && errno != EWOULDBLOCK;
        if (held_count + 2 > HOLD || full) {
            full = true;
        } else {
            hold(fd[0]), hold(fd[1]);
            socketpair(AF_UNIX, SOCK_DGRAM, 0, fd);
        }
    }
    if (turn++ % 4 == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, cycle) == 0) {
        control.header.cmsg_len = message.msg_controllen = CMSG_LEN(2 * sizeof(int));
        memcpy(CMSG_DATA(&control.header), cycle, sizeof cycle);
        sendmsg(cycle[0], &message, MSG_DONTWAIT);
        close(cycle[0]), close(cycle[1]);
    }
    return full;
}

/* Wait in vain for a thousand sockets, again and again. */
static bool flood_wakeups(void)
{
    enum { COUNT = 1000 };
    static struct pollfd list[COUNT];
    static unsigned made;
    if (made < COUNT) {
        int fd[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
            return true;
        list[made++] = (struct pollfd){fd[0], POLLIN, 0};
        list[made++] = (struct pollfd){fd[1], POLLIN, 0};
        return false;
    }
    const struct timespec soon = {0, 1};
    ppoll(list, COUNT, &soon, NULL);
    return true;
}

static bool flood_epoll(void)
{
    enum { SETS = 16, SOCKETS = 500 };
    static int sets[SETS], sockets[SOCKETS];
    static unsigned made, turn;
    if (made < SOCKETS) {
        if (made < SETS)
            sets[made] = epoll_create1(0);
        int fd[2];
        socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
        sockets[made++] = fd[0];
        return false;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
    int set = sets[turn % SETS], fd = sockets[turn / SETS % SOCKETS];
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
        epoll_ctl(set, EPOLL_CTL_DEL, fd, &event);
    if (turn % 64 == 0) {
        struct epoll_event out[64];
        epoll_wait(set, out, 64, 0);
    }
    return ++turn > SETS * SOCKETS;
}

/* Requests that libposix would never make, and system calls that are refused. */
static bool flood_malformed(void)
{
    static uint64_t seed = 88172645463325252ull;
    static int fd[2] = {-1, -1};
    static bool native;
    if (fd[0] < 0) {
        socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd);
        native = native_find() == 0;
    }
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    struct iovec wild = {(void *)(seed | 1ull << 47), seed >> 20};
    struct msghdr message = {.msg_iov = &wild, .msg_iovlen = 1};
    switch (seed % 6) {
    case 0: sendmsg(fd[0], &message, MSG_DONTWAIT); break;
    case 1: setsockopt(fd[0], SOL_SOCKET, (int)(seed >> 8 & 63), (void *)8, 1u << 20); break;
    case 2: connect(fd[0], (struct sockaddr *)&wild, (socklen_t)(seed >> 30 & 255)); break;
    case 3: send(fd[0], &message, 0x7fffffff, MSG_DONTWAIT); break;
    default:
        if (native) {
            struct native registers = {
                .rax = AR_SYS_CALL,
                .rdi = seed & 64 ? POSIX_SLOT_FD + (uint64_t)fd[0] : POSIX_SLOT_SOCKD,
                .rsi = AR_INFO(0x10000 + (seed >> 40 & 0x30f), seed >> 30 & 7, 0, 0, 0),
                .rdx = seed * 3, .r10 = seed * 5, .r8 = seed & 7, .r9 = seed * 9};
            native_call(&registers);
        }
    }
    return true;
}

static bool flood_none(void)
{
    pause();
    return true;
}

static const struct flood {
    const char *name;
    bool (*step)(void);
} floods[] = {
    {"none", flood_none},           {"spin", flood_spin},
    {"sockets", flood_sockets},     {"connections", flood_connections},
    {"datagrams", flood_datagrams}, {"in-flight", flood_in_flight},
    {"wake-ups", flood_wakeups},    {"epoll", flood_epoll},
    {"malformed", flood_malformed},
};

static void flooder(const struct flood *flood, int ready)
{
    const struct rlimit limit = {20000, 20000};
    setrlimit(RLIMIT_NOFILE, &limit);
    bool begun = flood->step == flood_none;
    if (begun)
        write(ready, "r", 1);
    for (unsigned steps = 0;; steps++)
        if ((flood->step() || steps == SETTLE) && !begun) {
            begun = true;
            write(ready, "r", 1);
        }
}

/* ---- the pair -------------------------------------------------------------------------------- */

static void partner(int fd, int go, int tell, unsigned messages, bool first)
{
    char byte;
    read(go, &byte, 1);
    uint64_t cpu = clock_get(CLOCK_PROCESS_CPUTIME_ID), begin = clock_get(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < messages; i++) {
        if (first && write(fd, "m", 1) != 1)
            _exit(1);
        if (read(fd, &byte, 1) != 1)
            _exit(1);
        if (!first && write(fd, "m", 1) != 1)
            _exit(1);
    }
    uint64_t result[3] = {(uint64_t)getpid(), clock_get(CLOCK_MONOTONIC) - begin,
                          clock_get(CLOCK_PROCESS_CPUTIME_ID) - cpu};
    write(tell, result, sizeof result);
    pause();
}

int main(int argc, char **argv)
{
    const struct flood *flood = NULL;
    for (unsigned i = 0; argc == 4 && i < sizeof floods / sizeof *floods; i++)
        if (strcmp(argv[1], floods[i].name) == 0)
            flood = &floods[i];
    if (!flood)
        return 2;
    unsigned flooders = atoi(argv[2]), messages = atoi(argv[3]);
    int fd[2], ready[2], go[2], tell[2];
    pid_t children[66];
    unsigned count = 0;
    char byte;
    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    pipe(ready), pipe(go), pipe(tell);
    for (int i = 0; i < 2; i++)
        if ((children[count++] = fork()) == 0)
            partner(fd[i], go[0], tell[1], messages, i == 0);
    for (unsigned i = 0; i < flooders && i < 64; i++)
        if ((children[count++] = fork()) == 0)
            flooder(flood, ready[1]);
    for (unsigned i = 0; i < flooders; i++)
        read(ready[0], &byte, 1);
    write(go[1], "gg", 2);
    for (int i = 0; i < 2; i++) {
        uint64_t result[3];
        read(tell[0], result, sizeof result);
        printf("process %lu: %lu ns, %lu of them its own\n", result[0], result[1], result[2]);
    }
    fflush(stdout);
    for (unsigned i = 0; i < count; i++)
        kill(children[i], SIGKILL);
    while (wait(NULL) > 0)
        continue;
    return 0;
}
