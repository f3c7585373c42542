/* SIGURG and SIGIO about sockets: who gets which, with what siginfo, compared with Linux.
 * SPDX-License-Identifier: MIT */
#include "check.h"
#include <stdbool.h>
#include <sys/ioctl.h>

static volatile int got[65];
static siginfo_t last;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)context;
    got[signal]++;
    last = *info;
}

static void handle(int signal)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(signal, &action, NULL);
}

/* What came since the last time. */
static void came(const char *what, int fd)
{
    usleep(1000);
    printf("%s:", what);
    for (int signal = 1; signal < 65; signal++) {
        if (!got[signal])
            continue;
        printf(" %d x%d code %d", signal, got[signal], last.si_code);
        if (last.si_code > 0 && last.si_code < 0x80)
            printf(" band %lx fd %d", (unsigned long)last.si_band, last.si_fd == fd);
        if (last.si_code == -5)
            printf(" band %lx", (unsigned long)last.si_band);
        got[signal] = 0;
    }
    printf("\n");
}

static void async(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    SHOW(fcntl(fd, F_SETFL, on ? flags | O_ASYNC : flags & ~O_ASYNC));
}

/* Everything that happens to a connection, as its owner hears of it. */
static void events(int type, int signal)
{
    int fd[2];
    char room[64];
    static char much[4096];
    printf("type %d, signal %d\n", type, signal);
    socketpair(AF_UNIX, type, 0, fd);
    async(fd[0], true);
    send(fd[1], "a", 1, 0);
    came("no owner", fd[0]);
    SHOW(fcntl(fd[0], F_SETOWN, getpid()));
    SHOW(fcntl(fd[0], F_SETSIG, signal));
    came("set", fd[0]);
    send(fd[1], "a", 1, 0);
    came("data", fd[0]);
    SHOW(send(fd[1], "u", 1, MSG_OOB));
    came("urgent", fd[0]);
    read(fd[0], room, sizeof room);
    came("read", fd[0]);
    while (send(fd[0], much, sizeof much, MSG_DONTWAIT) > 0)
        ;
    came("full", fd[0]);
    while (recv(fd[1], much, sizeof much, MSG_DONTWAIT) > 0)
        ;
    came("space", fd[0]);
    send(fd[0], "x", 1, 0);
    recv(fd[1], room, 1, 0);
    came("no more space than wanted", fd[0]);
    int duplicate = dup(fd[0]);
    async(duplicate, false);
    send(fd[1], "a", 1, 0);
    came("off", fd[0]);
    async(duplicate, true);
    send(fd[1], "a", 1, 0);
    came("on by another descriptor", fd[0]);
    shutdown(fd[1], SHUT_WR);
    came("their SHUT_WR", duplicate);
    shutdown(fd[1], SHUT_RD);
    came("their SHUT_RD", duplicate);
    close(fd[1]);
    came("their close", duplicate);
    close(fd[0]);
    close(duplicate);
}

static void listener(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/sigio"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(fd, (struct sockaddr *)&address, sizeof address);
    listen(fd, 3);
    async(fd, true);
    SHOW(fcntl(fd, F_SETOWN, getpid()));
    SHOW(connect(client, (struct sockaddr *)&address, sizeof address));
    came("connection", fd);
    int server = accept(fd, NULL, NULL);
    printf("accepted: async %d, owner %d\n", !!(fcntl(server, F_GETFL) & O_ASYNC),
           fcntl(server, F_GETOWN));
    send(client, "x", 1, MSG_OOB);
    came("data for the accepted one", server);
    SHOW(fcntl(client, F_SETOWN, getpid()));
    async(client, true);
    close(server);
    came("reset", client);
    close(client);
    close(fd);
    unlink("/tmp/sigio");
}

static void owner_show(int fd)
{
    struct { int type, pid; } is = {77, 77};
    int number = -77;
    syscall(SYS_fcntl, fd, 16 /* F_GETOWN_EX */, &is);
    ioctl(fd, 0x8904 /* SIOCGPGRP */, &number);
    int pid = getpid();
    printf("type %d, own %d %d %d, nobody %d\n", is.type, is.pid == pid, number == pid,
           number == -pid, is.pid == 0 && number == 0);
}

static void owners(void)
{
    int fd[2], pid = getpid(), none = 0;
    struct { int type, pid; } owner;
    setpgid(0, 0);
    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    owner_show(fd[0]);
    SHOW(fcntl(fd[0], F_SETOWN, 30000));
    SHOW(fcntl(fd[0], F_SETOWN, -30000));
    SHOW(fcntl(fd[0], F_SETOWN, INT32_MIN));
    SHOW(fcntl(fd[0], F_SETSIG, 65));
    SHOW(fcntl(fd[0], F_SETSIG, -1));
    SHOW(fcntl(fd[0], F_GETSIG));
    SHOW(ioctl(fd[0], 0x8901 /* FIOSETOWN */, &pid));
    owner_show(fd[0]);
    send(fd[1], "u", 1, MSG_OOB);
    came("urgent, to FIOSETOWN's", fd[0]);
    SHOW(ioctl(fd[0], 0x8902 /* SIOCSPGRP */, &none));
    owner_show(fd[0]);
    send(fd[1], "u", 1, MSG_OOB);
    came("urgent, to nobody", fd[0]);
    for (owner.type = -1; owner.type <= 3; owner.type++) {
        owner.pid = pid;
        printf("%d ", owner.type);
        SHOW(syscall(SYS_fcntl, fd[0], 15 /* F_SETOWN_EX */, &owner));
        owner_show(fd[0]);
        send(fd[1], "u", 1, MSG_OOB);
        came("urgent", fd[0]);
    }
    SHOW(ioctl(0, 0x8901, &pid) == -1 ? errno : 0);
    int ends[2];
    pipe(ends);
    SHOW(ioctl(ends[0], 0x8903, &none));
    SHOW(fcntl(ends[0], F_SETOWN, pid));
    SHOW(fcntl(ends[0], F_GETOWN) == pid);
    close(fd[0]);
    close(fd[1]);
}

/* A child is the owner; signals of users who may not are not sent. */
static void others(void)
{
    int fd[2], told[2], status;
    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    pipe(told);
    for (int uid = 0; uid < 3; uid++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(1);
            if (uid)
                setresuid(1000, 1000, 1000);
            write(told[1], "x", 1);
            pause();
            _exit(got[SIGURG] ? 1 : 2);
        }
        char room;
        read(told[0], &room, 1);
        if (uid == 2)
            seteuid(1001); /* the real user stays root: that is allowed all the same? */
        SHOW(fcntl(fd[0], F_SETOWN, child));
        seteuid(0);
        usleep(10000);
        send(fd[1], "u", 1, MSG_OOB);
        waitpid(child, &status, 0);
        printf("child of uid %d: %x\n", uid ? 1000 : 0, status);
        SHOW(fcntl(fd[0], F_GETOWN)); /* it has ended */
    }
    close(fd[0]);
    close(fd[1]);
}

int main(void)
{
    handle(SIGURG);
    handle(SIGIO);
    handle(SIGCHLD);
    handle(SIGRTMIN + 3);
    events(SOCK_STREAM, 0);
    events(SOCK_STREAM, SIGRTMIN + 3);
    events(SOCK_STREAM, SIGIO);
    events(SOCK_STREAM, SIGCHLD);
    events(SOCK_DGRAM, SIGRTMIN + 3);
    events(SOCK_SEQPACKET, SIGRTMIN + 3);
    listener();
    owners();
    signal(SIGCHLD, SIG_DFL);
    others();
    return 0;
}
