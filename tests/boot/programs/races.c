/*
 * Processes that end, fork and exec at the worst moment; afterwards everything must still work:
 * races kill|threads|exec| storm SECONDS [SEED], races wrap 0. SPDX-License-Identifier: MIT
 */
#include "check.h"
#include <pthread.h>

#define STACK 16384

static unsigned long long generator = 1;
static const char *own_file; /* not /proc/self/exe: it ends with the first thread */
static int seconds = 4;
static pthread_attr_t small;

static unsigned roll(unsigned below)
{
    generator = generator * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(generator >> 33) % below;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void sleep_us(unsigned us)
{
    struct timespec time = {.tv_nsec = (long)us * 1000};
    nanosleep(&time, NULL);
}

static void require(int condition, const char *what)
{
    if (!condition) {
        printf("wrong: %s: %s\n", what, error_name(errno));
        fflush(stdout);
        exit(1);
    }
}

static pid_t fork_or_die(void)
{
    pid_t pid;
    for (int tries = 0; (pid = fork()) < 0 && errno == EAGAIN && tries < 100; tries++)
        sleep_us(10000);
    require(pid >= 0, "fork");
    return pid;
}

/* ---- kill: a client dies anywhere between socket() and close(), descriptors in flight -------- */

static int send_descriptors(int socket, const int *fds, int count)
{
    union { char room[CMSG_SPACE(sizeof(int) * 8)]; struct cmsghdr header; } control;
    char byte = 'x';
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * (unsigned)count)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * (unsigned)count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * (unsigned)count);
    return (int)sendmsg(socket, &message, MSG_NOSIGNAL);
}

/* Take one message; close what descriptors it brings. Result of recvmsg. */
static int receive_descriptors(int socket)
{
    union { char room[CMSG_SPACE(sizeof(int) * 16)]; struct cmsghdr header; } control;
    char room[64];
    struct iovec part = {room, sizeof room};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    int result = (int)recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    for (struct cmsghdr *h = result >= 0 ? CMSG_FIRSTHDR(&message) : NULL; h;
         h = CMSG_NXTHDR(&message, h))
        for (unsigned i = 0;
             h->cmsg_type == SCM_RIGHTS && i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
            close(((int *)CMSG_DATA(h))[i]);
    return result;
}

static socklen_t name_make(struct sockaddr_un *name, unsigned long number)
{
    name->sun_family = AF_UNIX;
    name->sun_path[0] = 0;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                       (unsigned)sprintf(name->sun_path + 1, "races-%lu", number));
}

/* Connect and send every sort of descriptor, the connection itself too, until killed. */
static void client_run(unsigned long number, int type)
{
    struct sockaddr_un name;
    socklen_t length = name_make(&name, number);
    for (;;) {
        int s = socket(AF_UNIX, type, 0), ends[2], pair[2];
        if (connect(s, (struct sockaddr *)&name, length) == 0 && pipe(ends) == 0 &&
            socketpair(AF_UNIX, type, 0, pair) == 0) {
            int fds[6] = {s, ends[0], ends[1], pair[0], pair[1], open("/etc/passwd", O_RDONLY)};
            send_descriptors(pair[0], &pair[1], 1);
            send_descriptors(pair[1], &s, 1);
            send_descriptors(s, fds, 6);
            send_descriptors(s, fds + roll(6), 1);
            for (int i = 1; i < 6; i++)
                close(fds[i]);
        }
        char room[16];
        recv(s, room, sizeof room, MSG_DONTWAIT);
        close(s);
    }
}

static void kill_round(unsigned long number)
{
    int type = roll(2) ? SOCK_STREAM : SOCK_SEQPACKET, clients = 1 + (int)roll(3);
    struct sockaddr_un name;
    socklen_t length = name_make(&name, number);
    int listener = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    require(bind(listener, (struct sockaddr *)&name, length) == 0 &&
                listen(listener, (int)roll(4)) == 0,
            "bind and listen");
    pid_t server = fork_or_die(), pids[3];
    if (server == 0) {
        for (int s; (s = accept(listener, NULL, NULL)) >= 0; close(s))
            for (unsigned take = roll(4); take-- > 0 && receive_descriptors(s) > 0;)
                ;
        _exit(0);
    }
    for (int i = 0; i < clients; i++)
        if ((pids[i] = fork_or_die()) == 0) {
            generator += number * 3 + (unsigned)i;
            client_run(number, type);
        }
    if (roll(2))
        close(listener), listener = -1;
    sleep_us(roll(6000));
    int server_first = roll(3) == 0;
    if (server_first)
        kill(server, SIGKILL);
    for (int i = 0; i < clients; i++) {
        sleep_us(roll(500));
        kill(pids[i], SIGKILL);
    }
    if (!server_first)
        kill(server, SIGKILL);
    for (int i = 0, status; i <= clients; i++) {
        require(waitpid(i < clients ? pids[i] : server, &status, 0) > 0, "waitpid of the killed");
        require(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "killed is killed");
    }
    close(listener);
}

/* ---- threads: fork, exec, exit and clone against each other ---------------------------------- */

static void *thread_short(void *argument)
{
    if (argument)
        sched_yield();
    return argument;
}

static void *thread_cloning(void *argument)
{
    pthread_t thread;
    for (;;)
        if (pthread_create(&thread, &small, thread_short, argument) == 0)
            pthread_join(thread, NULL);
    return argument;
}

static void *thread_forking(void *argument)
{
    for (;;) {
        pid_t pid = argument ? fork() : vfork();
        if (pid == 0 && !argument) {
            sleep_us(300); /* it runs on the parent's memory; the parent may be gone by now */
            execl(own_file, own_file, "quiet", (char *)NULL);
        }
        if (pid == 0)
            _exit(0);
        if (pid > 0)
            waitpid(pid, NULL, 0);
    }
    return argument;
}

static void *thread_calling(void *argument)
{
    int ends[2], *pair = argument;
    char room[8];
    for (;;) {
        if (pipe(ends) == 0) {
            write(ends[1], "abc", 3);
            read(ends[0], room, sizeof room);
            close(ends[0]);
            close(ends[1]);
        }
        send(pair[0], room, 3, MSG_DONTWAIT | MSG_NOSIGNAL);
        recv(pair[1], room, sizeof room, MSG_DONTWAIT);
    }
    return NULL;
}

static void *thread_blocking(void *argument)
{
    char byte;
    read(*(int *)argument, &byte, 1);
    return argument;
}

static void *thread_exit_group(void *argument)
{
    sleep_us((unsigned)(uintptr_t)argument);
    syscall(SYS_exit_group, 7);
    return NULL;
}

static void *thread_exec(void *argument)
{
    sleep_us((unsigned)(uintptr_t)argument);
    execl(own_file, own_file, "say", (char *)NULL);
    _exit(9);
}

/* One process full of threads; it ends by exec from one thread, exit_group from one or two, or
 * SIGKILL. */
static void crowd_run(int way)
{
    int pair[2], quiet[2];
    pthread_t thread;
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    pipe(quiet);
    fcntl(quiet[0], F_SETFD, FD_CLOEXEC), fcntl(quiet[1], F_SETFD, FD_CLOEXEC);
    pthread_create(&thread, &small, thread_cloning, roll(2) ? &small : NULL);
    pthread_create(&thread, &small, thread_forking, roll(2) ? &small : NULL);
    pthread_create(&thread, &small, thread_calling, pair);
    pthread_create(&thread, &small, thread_blocking, &quiet[0]);
    void *delay = (void *)(uintptr_t)roll(6000);
    if (way == 0 || way == 3)
        pthread_create(&thread, &small, thread_exec, delay);
    if (way == 1 || way == 3)
        pthread_create(&thread, &small, thread_exit_group, delay);
    if (way == 1)
        pthread_create(&thread, &small, thread_exit_group, delay);
    if (roll(2))
        pthread_exit(NULL); /* the main thread ends first */
    for (;;)
        pause();
}

static void threads_round(unsigned long number)
{
    int way = (int)roll(4), status = -1, ends[2];
    char said[16] = "";
    pipe(ends);
    pid_t pid = fork_or_die();
    if (pid == 0) {
        generator += number;
        dup2(ends[1], 1);
        close(ends[0]), close(ends[1]);
        crowd_run(way);
    }
    close(ends[1]);
    if (way == 2) {
        sleep_us(roll(8000));
        kill(pid, SIGKILL);
    }
    require(waitpid(pid, &status, 0) == pid, "waitpid of the crowd");
    ssize_t length = way == 2 ? 0 : read(ends[0], said, sizeof said - 1);
    close(ends[0]);
    int executed =
        WIFEXITED(status) && WEXITSTATUS(status) == 5 && length == 4 && !strcmp(said, "said");
    int left = WIFEXITED(status) && WEXITSTATUS(status) == 7 && length <= 4;
    int killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!(way == 0 ? executed : way == 1 ? left : way == 2 ? killed : executed || left))
        printf("way %d, status %x, said %zd\n", way, status, length),
            require(0, "how the crowd ended");
}

/* ---- exec and exit in quick succession, unreaped and orphaned -------------------------------- */

static void exec_round(unsigned long number)
{
    (void)number;
    pid_t pid = roll(2) ? fork_or_die() : vfork();
    if (pid == 0) {
        execl(own_file, own_file, roll(2) ? "orphan" : "quiet", (char *)NULL);
        _exit(9);
    }
    require(pid > 0, "fork or vfork");
    int status, killed = (int)roll(3) == 0;
    if (killed) {
        sleep_us(roll(3000));
        kill(pid, SIGKILL);
    }
    require(waitpid(pid, &status, 0) == pid, "waitpid of the executed");
    require((WIFEXITED(status) && WEXITSTATUS(status) == 5) || (killed && WIFSIGNALED(status)),
            "how the executed ended");
}

/* ---- storm: signals and ends of children at a process that waits in every way ---------------- */

static volatile int caught;

static void on_signal(int number)
{
    (void)number;
    caught++;
}

static void storm_round(unsigned long number)
{
    int pair[2], status, reaped = 0, made = 0;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = roll(2) ? SA_RESTART : 0};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGCHLD, &action, NULL);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    pid_t self = getpid(), stormers[2];
    for (int i = 0; i < 2; i++)
        if ((stormers[i] = fork_or_die()) == 0) {
            generator += number + (unsigned)i;
            for (unsigned n = 0;; n++) {
                kill(self, n % 3 ? SIGUSR1 : SIGCHLD);
                if (n % 8 == 0)
                    write(pair[1], "y", 1);
                if (roll(4) == 0)
                    sleep_us(roll(200));
            }
        }
    for (int i = 0; i < 60; i++) {
        char byte;
        struct pollfd ready = {.fd = pair[0], .events = POLLIN};
        pid_t pid = fork();
        if (pid == 0)
            _exit(3);
        require(pid > 0 || errno == EAGAIN, "fork in the storm");
        made += pid > 0;
        int result = roll(2) ? poll(&ready, 1, (int)roll(3)) : (int)recv(pair[0], &byte, 1, 0);
        require(result >= 0 || errno == EINTR, "poll or recv in the storm");
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
            reaped++, require(WIFEXITED(status) && WEXITSTATUS(status) == 3,
                              "a child's status in the storm");
        require(pid == 0 || errno == EINTR, "waitpid in the storm");
    }
    kill(stormers[0], SIGKILL), kill(stormers[1], SIGKILL);
    while (reaped < made + 2) {
        pid_t pid = wait4(-1, &status, 0, NULL);
        require(pid > 0 || errno == EINTR, "wait4 in the storm");
        reaped += pid > 0;
    }
    require(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD, "no child twice");
    signal(SIGCHLD, SIG_DFL);
    close(pair[0]), close(pair[1]);
}

/* ---- wrap: all process numbers once round, but for those that something still has ------------ */

static int wrap_all(void)
{
    int status, ends[2];
    static int wrapped;
    char byte;
    pipe(ends);
    pid_t zombie = fork_or_die();
    if (zombie == 0)
        _exit(11);
    pid_t leader = fork_or_die(); /* ends; its group and session live on in a child */
    if (leader == 0) {
        setsid();
        if (fork() == 0) {
            close(ends[1]);
            read(ends[0], &byte, 1);
        }
        _exit(0);
    }
    require(waitpid(leader, &status, 0) == leader, "waitpid of the leader");
    pid_t last = leader; /* the eldest zombie is told of first */
    for (int i = 0; i < 40000; i++) {
        pid_t pid = vfork();
        if (pid == 0)
            _exit(i % 100);
        require(pid > 1 && pid != zombie && pid != leader && pid != leader + 1 && pid != getpid(),
                "a process number twice");
        require(kill(pid, 0) == 0, "kill of the zombie");
        require(waitpid(-1, &status, 0) == (i == 0 ? zombie : pid), "waitpid");
        if (i == 0) {
            require(WEXITSTATUS(status) == 11 && waitpid(pid, &status, 0) == pid, "the zombie");
            zombie = 0;
        }
        require(WIFEXITED(status) && WEXITSTATUS(status) == i % 100, "its status");
        wrapped += pid < last;
        last = pid;
    }
    require(kill(-leader, 0) == 0, "the group that is left");
    close(ends[1]);
    printf("process numbers went round: %d\n", wrapped > 0);
    return 0;
}

/* ---- afterwards ------------------------------------------------------------------------------ */

static void works_afterwards(void)
{
    int pair[2], ends[2], status;
    char room[8] = "";
    require(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0 && pipe(ends) == 0,
            "socketpair and pipe");
    pid_t pid = fork_or_die();
    if (pid == 0) {
        send_descriptors(pair[1], &ends[1], 1);
        _exit(write(ends[1], "hello", 5) == 5 ? 4 : 1);
    }
    require(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 4,
            "fork");
    require(read(ends[0], room, sizeof room) == 5 && !strcmp(room, "hello"), "pipe");
    require(receive_descriptors(pair[0]) == 1, "a descriptor passed");
    close(pair[0]), close(pair[1]), close(ends[0]), close(ends[1]);
    int file = open("/tmp/races", O_RDWR | O_CREAT | O_TRUNC, 0600);
    require(file >= 0 && write(file, "text", 4) == 4 && pread(file, room, 4, 0) == 4 &&
                !memcmp(room, "text", 4),
            "file");
    require(close(file) == 0 && unlink("/tmp/races") == 0, "unlink");
    require(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD, "no child is left");
}

int main(int argc, char **argv)
{
    static const struct { const char *name; void (*round)(unsigned long);
    } ways[] = {{"kill", kill_round},
                {"threads", threads_round},
                {"exec", exec_round},
                {"storm", storm_round}};
    own_file = argv[0];
    if (argc == 2 && !strcmp(argv[1], "say"))
        return write(1, "said", 4) == 4 ? 5 : 6;
    if (argc == 2 && !strcmp(argv[1], "orphan") && fork() == 0)
        return sleep_us(500), 0; /* its parent is gone before it */
    if (argc == 2)
        return 5; /* "quiet", and the parent of "orphan" */
    seconds = argc > 2 ? atoi(argv[2]) : seconds;
    generator = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK);
    if (argc > 1 && !strcmp(argv[1], "wrap"))
        return wrap_all();
    for (unsigned i = 0; argc > 1 && i < sizeof ways / sizeof *ways; i++) {
        if (strcmp(argv[1], ways[i].name))
            continue;
        unsigned long rounds = 0;
        for (double end = now() + seconds; now() < end; rounds++)
            ways[i].round(rounds);
        works_afterwards();
        fprintf(stderr, "%lu rounds\n", rounds);
        printf("%s: everything works afterwards\n", argv[1]);
        return 0;
    }
    return 2;
}
