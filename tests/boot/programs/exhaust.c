/*
 * Use something up and say how it ended: exhaust
 * descriptors|memory|heap|forks|bomb|threads|sockets. SPDX-License-Identifier: MIT
 */
#include "check.h"
#include <pthread.h>

#define PROCESSES_MAX 3000 /* a system that lets a bomb get this far has failed */
#define CHUNK (1ul << 20)
#define MEMORY_MAX (8ul << 30)

static int use_descriptors(void)
{
    struct rlimit limit = {.rlim_cur = 500, .rlim_max = 500};
    setrlimit(RLIMIT_NOFILE, &limit);
    int last = 0, fd, pair[2];
    while ((fd = open("/etc/passwd", O_RDONLY)) >= 0)
        last = fd;
    printf("open: %s, last descriptor %d\n", error_name(errno), last);
    show("dup", dup(1));
    show("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    show("pipe", pipe(pair));
    close(last);
    show("open again", open("/etc/passwd", O_RDONLY));
    show("pipe with one left", pipe(pair));
    for (int i = 3; i < 500; i++)
        close(i);
    show("pipe", pipe(pair));
    return 0;
}

static int use_memory(void)
{
    unsigned long got = 0;
    while (got < MEMORY_MAX) {
        char *at = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (at == MAP_FAILED) {
            printf("mmap: %s, over 8 MB first: %d\n", error_name(errno), got > 8 * CHUNK);
            return 0;
        }
        memset(at, 1, CHUNK);
        got += CHUNK;
    }
    printf("no limit in 8 GB\n");
    return 1;
}

static int use_heap(void)
{
    unsigned long got = 0;
    char *at;
    while (got < MEMORY_MAX && (at = malloc(60000))) {
        memset(at, 1, 60000);
        got += 60000;
    }
    printf("malloc: %s, over 8 MB first: %d\n", got < MEMORY_MAX ? error_name(errno) : "no limit",
           got > 8 * CHUNK);
    return 0;
}

static int use_forks(void)
{
    static pid_t children[PROCESSES_MAX];
    int count = 0, error = 0, status, reaped = 0;
    for (; count < PROCESSES_MAX; count++) {
        children[count] = fork();
        if (children[count] == 0)
            for (;;)
                pause();
        if (children[count] < 0) {
            error = errno;
            break;
        }
    }
    printf("fork: %s, over 20 first: %d\n", error ? error_name(error) : "no limit", count > 20);
    for (int i = 0; i < count; i++)
        kill(children[i], SIGKILL);
    while (wait(&status) > 0)
        reaped += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    printf("all killed and reaped: %d\n", reaped == count);
    pid_t pid = fork();
    if (pid == 0)
        _exit(9);
    waitpid(pid, &status, 0);
    show_status("fork afterwards", status);
    return 0;
}

struct bomb {
    volatile int stop, forks, again, other;
};

/* Every process forks as fast as it can, children too, until the first error or the bound; a
 * pipe's end tells when the last is gone. */
static int use_bomb(void)
{
    struct bomb *bomb = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int ends[2];
    char byte;
    pipe(ends);
    if (fork() == 0) {
        close(ends[0]);
        signal(SIGCHLD, SIG_IGN);
        while (!bomb->stop) {
            pid_t pid = fork();
            if (pid < 0) {
                __atomic_add_fetch(errno == EAGAIN || errno == ENOMEM ? &bomb->again : &bomb->other,
                                   1, __ATOMIC_SEQ_CST);
                sleep_ms(20);
                if (bomb->again > 200)
                    bomb->stop = 1;
            } else if (pid > 0 &&
                       __atomic_add_fetch(&bomb->forks, 1, __ATOMIC_SEQ_CST) > PROCESSES_MAX) {
                bomb->stop = 1;
            }
        }
        _exit(0);
    }
    close(ends[1]);
    while (read(ends[0], &byte, 1) != 0)
        ;
    while (wait(NULL) > 0)
        ;
    printf("bomb: refused with EAGAIN or ENOMEM %d, with another error %d, over 20 forks %d, "
           "stopped by its bound %d\n",
           bomb->again > 0, bomb->other, bomb->forks > 20, bomb->forks > PROCESSES_MAX);
    return 0;
}

static void *sleep_for_ever(void *argument)
{
    for (;;)
        pause();
    return argument;
}

static int use_threads(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16384);
    int count = 0, error = 0;
    while (count < 20000 &&
           (error = pthread_create(&thread, &attributes, sleep_for_ever, NULL)) == 0)
        count++;
    printf("pthread_create: %s, over 20 first: %d\n", error ? error_name(error) : "no limit",
           count > 20);
    fflush(stdout);
    _exit(0);
}

/* Memory of a server: full stream buffers in as many socket pairs as there are descriptors. */
static int use_sockets(void)
{
    struct rlimit limit = {.rlim_cur = 4000, .rlim_max = 4000};
    setrlimit(RLIMIT_NOFILE, &limit);
    char room[65536] = "";
    int pair[2], count = 0;
    unsigned long bytes = 0;
    while (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0) {
        ssize_t n;
        while ((n = send(pair[0], room, sizeof room, MSG_NOSIGNAL)) > 0)
            bytes += (unsigned long)n;
        count++;
    }
    int expected = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
    printf("socketpair: refused as it should be %d, over 20 first: %d, bytes %d\n", expected,
           count > 20, bytes > 1000000);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct { const char *name; int (*run)(void);
    } ways[] = {{"descriptors", use_descriptors},
                {"memory", use_memory},
                {"heap", use_heap},
                {"forks", use_forks},
                {"bomb", use_bomb},
                {"threads", use_threads},
                {"sockets", use_sockets}};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned i = 0; argc > 1 && i < sizeof ways / sizeof *ways; i++)
        if (!strcmp(argv[1], ways[i].name))
            return ways[i].run();
    return 2;
}
