/*
 * tools/bench sockets' program. SPDX-License-Identifier: MIT
 *
 *   sockets [settle] [percent=N] [only=NAME]   every row or one, N % of its operations
 *   sockets idle=N                 N idle connected pairs; a child holds them when we end
 *   sockets loop=NAME              one row for ever, after a line "go": for profile.py
 *
 * Each row prints "row NAME COUNT TICKS NS SWITCHES": what COUNT operations took, in ticks of the
 * processor's counter (instructions under QEMU's icount) and nanoseconds, and how often the system
 * changed the running thread, where /proc/stat says so. `settle` waits until a loop of two
 * instructions takes 2.00 ticks a round: before, something else runs beside us. Around each row
 * stands a close of descriptor -1000 - 2 * row, and one below, for whoever reads a trace.
 */
#include "bench.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define LOOP 200000ul
#define LOOPS 9
#define SETTLE_TRIES 120
#define SETTLED_RUNS 3 /* one after the other */
#define WARM_PERCENT 10
#define DESCRIPTORS 4096
#define MARK 1000
#define IDLE_BEFORE 100 /* pairs, so that half-full pages of the system do not count */

void bench_fail(const char *what, const char *file, int line)
{
    printf("failed: %s (%s:%d): %m\n", what, file, line);
    fflush(stdout);
    _exit(1);
}

static int ticks_compare(const void *a, const void *b)
{
    return *(const double *)a < *(const double *)b ? -1 : 1;
}

/* Ticks a round, the median of several loops: a clock interrupt falls into some, what goes on
 * beside us falls into all. */
static double loop_ticks(void)
{
    double ticks[LOOPS];
    for (int i = 0; i < LOOPS; i++) {
        uint64_t start = __rdtsc(), count = LOOP;
        __asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(count));
        ticks[i] = (double)(__rdtsc() - start) / LOOP;
    }
    qsort(ticks, LOOPS, sizeof(*ticks), ticks_compare);
    return ticks[LOOPS / 2];
}

static bool loop_settled(double ticks)
{
    return ticks > 1.995 && ticks < 2.005;
}

/* Asleep for a while, then a look: whatever the system still has to do is done meanwhile. */
static void settle(void)
{
    int good = 0;
    for (int i = 0; i < SETTLE_TRIES && good < SETTLED_RUNS; i++) {
        nanosleep(&(struct timespec){i == 0 ? 20 : 1, 0}, NULL);
        good = loop_settled(loop_ticks()) ? good + 1 : 0;
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* The number after `word` in a file of /proc; 0 when it is not there. */
static uint64_t proc_number(const char *path, const char *word)
{
    static char text[65536];
    int file = open(path, O_RDONLY);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
    close(file);
    text[length < 0 ? 0 : length] = '\0';
    const char *found = strstr(text, word);
    return found ? strtoull(found + strlen(word), NULL, 10) : 0;
}

static pid_t peer_start(const struct row *row, unsigned warm, unsigned count)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        row->peer(row, warm);
        row->peer(row, count);
        _exit(0);
    }
    return pid;
}

static void row_measure(const struct row *row, unsigned percent)
{
    int status = 0, mark = -MARK - 2 * (int)(row - rows);
    unsigned count = row->count * percent / 100, warm;
    pid_t peer = -1;
    if (count == 0)
        count = 1;
    warm = (count * WARM_PERCENT + 99) / 100;
    if (row->begin)
        row->begin(row);
    if (row->peer)
        peer = peer_start(row, warm, count);
    row->run(row, warm);
    uint64_t switches = proc_number("/proc/stat", "\nctxt "), ns = now_ns();
    close(mark);
    uint64_t ticks = __rdtsc();
    row->run(row, count);
    ticks = __rdtsc() - ticks;
    close(mark - 1);
    ns = now_ns() - ns;
    switches = proc_number("/proc/stat", "\nctxt ") - switches;
    if (row->peer)
        CHECK(waitpid(peer, &status, 0) == peer && status == 0);
    if (row->end)
        row->end(row);
    printf("row %s %u %lu %lu %lu\n", row->name, count, ticks, ns, switches);
}

/* profile.py counts from one call to the next. */
__attribute__((noinline)) void bench_round(const struct row *row)
{
    row->run(row, 1);
}

static _Noreturn void row_loop(const struct row *row)
{
    if (row->begin)
        row->begin(row);
    pid_t pid = row->peer ? fork() : 1;
    CHECK(pid >= 0);
    if (pid == 0)
        for (;;)
            row->peer(row, 1);
    for (unsigned i = 0; i < row->count; i++)
        bench_round(row);
    printf("go\n");
    fflush(stdout);
    for (;;)
        bench_round(row);
}

/* Sockets that stay open after us, for whoever counts then. */
static void idle_pairs_hold(unsigned pairs)
{
    idle_pairs_open(IDLE_BEFORE);
    uint64_t before = proc_number("/proc/meminfo", "MemFree:");
    idle_pairs_open(pairs);
    uint64_t after = proc_number("/proc/meminfo", "MemFree:");
    printf("idle %u %lu\n", pairs, (before - after) * 1024);
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        for (;;)
            pause();
}

int main(int argc, char **argv)
{
    unsigned percent = 100, idle = 0;
    bool settling = false;
    const char *only = NULL, *loop = NULL;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "percent=", 8) == 0)
            percent = atoi(argv[i] + 8);
        else if (strncmp(argv[i], "idle=", 5) == 0)
            idle = atoi(argv[i] + 5);
        else if (strncmp(argv[i], "only=", 5) == 0)
            only = argv[i] + 5;
        else if (strncmp(argv[i], "loop=", 5) == 0)
            loop = argv[i] + 5;
        else
            settling = strcmp(argv[i], "settle") == 0;
    }
    struct rlimit limit = {DESCRIPTORS, DESCRIPTORS};
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (idle) {
        idle_pairs_hold(idle);
        return 0;
    }
    for (unsigned i = 0; loop && i < row_count; i++)
        if (strcmp(loop, rows[i].name) == 0)
            row_loop(&rows[i]);
    if (settling)
        settle();
    printf("loop %.3f\n", loop_ticks());
    for (unsigned i = 0; i < row_count; i++)
        if (!only || strcmp(only, rows[i].name) == 0)
            row_measure(&rows[i], percent);
    printf("loop %.3f\n", loop_ticks());
    return 0;
}
