/*
 * Many sockets at once. SPDX-License-Identifier: MIT
 *
 *   capacity PROCESSES SOCKETS [leave]
 *
 * Each of the processes opens pairs until it has SOCKETS sockets. When all have, each says what it
 * was told through some of its pairs. With `leave` one more process holds them when we end, for
 * whoever counts then. Prints how many sockets were open together and what MemFree lost.
 */
#include "check.h"

#define PROBES 64u
#define DESCRIPTORS_MAX 20000

static void limit_raise(void)
{
    const struct rlimit limit = {DESCRIPTORS_MAX, DESCRIPTORS_MAX};
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        fprintf(stderr, "RLIMIT_NOFILE: %s\n", error_name(errno));
}

static unsigned long memory_free(void)
{
    static char text[4096];
    int fd = open("/proc/meminfo", O_RDONLY);
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    const char *line = strstr(text, "MemFree:");
    return line ? strtoul(line + 8, NULL, 10) * 1024 : 0;
}

static unsigned pairs_open(int (*pairs)[2], unsigned wanted)
{
    unsigned made = 0;
    while (made < wanted && socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[made]) == 0)
        made++;
    if (made < wanted)
        fprintf(stderr, "pair %u: %s\n", made, error_name(errno));
    return made;
}

/* Do the bytes come out where they should? */
static int pairs_probe(int (*pairs)[2], unsigned count)
{
    unsigned step = count / PROBES ? count / PROBES : 1, value, got;
    for (unsigned i = 0; i < count; i += step)
        if (value = i * 7 + 1, write(pairs[i][0], &value, sizeof value) != sizeof value)
            return -1;
    for (unsigned i = 0; i < count; i += step)
        if (read(pairs[i][1], &got, sizeof got) != sizeof got || got != i * 7 + 1)
            return -1;
    return 0;
}

static void holder(unsigned sockets, int ready, int go, int end)
{
    char byte;
    int(*pairs)[2] = calloc(sockets / 2, sizeof *pairs);
    limit_raise();
    unsigned made = pairs ? pairs_open(pairs, sockets / 2) * 2 : 0;
    write(ready, &made, sizeof made);
    read(go, &byte, 1); /* until all have theirs */
    unsigned right = pairs && pairs_probe(pairs, made / 2) == 0;
    write(ready, &right, sizeof right);
    read(end, &byte, 1); /* until all have said it */
    _exit(0);
}

static unsigned numbers_add(int fd, unsigned count)
{
    unsigned sum = 0, number;
    for (unsigned i = 0; i < count; i++)
        if (read(fd, &number, sizeof number) == sizeof number)
            sum += number;
    return sum;
}

int main(int argc, char **argv)
{
    unsigned processes = argc > 1 ? atoi(argv[1]) : 1, sockets = argc > 2 ? atoi(argv[2]) : 2;
    int leave = argc > 3, ready[2], go[2], end[2];
    if (leave) { /* in this process, and a child keeps them */
        static int(*pairs)[2];
        pairs = calloc(sockets / 2, sizeof *pairs);
        limit_raise();
        unsigned long before = memory_free();
        unsigned made = pairs_open(pairs, sockets / 2) * 2;
        printf("open %u free %ld\n", made, (long)(before - memory_free()));
        fflush(stdout);
        if (fork() == 0)
            for (;;)
                pause();
        return 0;
    }
    pipe(ready);
    pipe(go);
    pipe(end);
    for (unsigned i = 0; i < processes; i++)
        if (fork() == 0)
            holder(sockets, ready[1], go[0], end[0]);
    unsigned long before = memory_free();
    printf("open together %u\n", numbers_add(ready[0], processes));
    printf("free %ld\n", (long)(before - memory_free()));
    for (unsigned i = 0; i < processes; i++)
        write(go[1], "g", 1);
    printf("all say what they were told: %u of %u\n", numbers_add(ready[0], processes), processes);
    for (unsigned i = 0; i < processes; i++)
        write(end[1], "e", 1);
    while (wait(NULL) > 0)
        continue;
    printf("afterwards: %s\n", socketpair(AF_UNIX, SOCK_STREAM, 0, ready) == 0 ? "0" : "refused");
    return 0;
}
