/* Processes, memory and the end: see world.h. SPDX-License-Identifier: MIT */
#include "world.h"
#include "fiber.h"
#include "sim.h"
#include "snapshot.h"
#include <fcntl.h>
#include <ipc/host_kernel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { PROCESSES = 3, THREADS_MAX = 32, CALLS_MAX = 300000, TRACE = 16 };

uint8_t *arena;
static uint8_t canary[PAGE];
uint64_t world_steps;
static uint64_t first_step; /* of this run */
static uint8_t step[STEP_BYTES], trace[TRACE][STEP_BYTES];
static bool step_waits; /* nobody has taken it yet */
static unsigned kernel_calls, started;
static void (*step_hook)(enum ar_syscall number);

void reply_changed(const struct host_core *core, struct ipc_request *request, enum status *status);

void world_report(void)
{
    uint64_t from = world_steps - first_step < TRACE ? first_step : world_steps - TRACE;
    for (uint64_t at = from; at < world_steps; at++) {
        fprintf(stderr, "step %lu of this run:", (unsigned long)at);
        for (unsigned i = 0; i < STEP_BYTES; i++)
            fprintf(stderr, " %02x", trace[at % TRACE][i]);
        fputc('\n', stderr);
    }
}

void posix_failed(const char *text, long number, long result)
{
    fprintf(stderr, "invariant broken: %s (system call %ld: %ld)\n", text, number, result);
    abort();
}

/* A call that asks servers again and again never ends. */
static void kernel_called(enum ar_syscall number)
{
    if (++kernel_calls > CALLS_MAX)
        posix_failed("a system call without end", -1, (long)number);
    if (step_hook)
        step_hook(number);
}

/* Every process: take the next step, when it is its turn. */
static void process_main(void *argument)
{
    uint8_t mine[STEP_BYTES];
    (void)argument;
    started++;
    for (;;) {
        while (!step_waits)
            sim_yield();
        memcpy(mine, step, sizeof(mine));
        step_waits = false;
        call_run(mine);
        sim_yield();
    }
}

/* Descriptors 3 and up: pairs of each type, a pipe, a counter, a set, a file, a directory, names. */
static void first_main(void *argument)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM | SOCK_NONBLOCK};
    int pair[2];
    for (unsigned i = 0; i < 4; i++)
        SIM_CALL(SYS_socketpair, AF_UNIX, types[i], 0, pair);
    SIM_CALL(SYS_pipe2, pair, O_NONBLOCK);
    SIM_CALL(SYS_eventfd2, 1, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT};
    long set = SIM_CALL(SYS_epoll_create1, 0);
    SIM_CALL(SYS_epoll_ctl, set, EPOLL_CTL_ADD, 3, &event);
    SIM_CALL(SYS_open, "/tmp/file", O_RDWR | O_CREAT, 0600);
    SIM_CALL(SYS_open, "/tmp", O_RDONLY);
    SIM_CALL(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    SIM_CALL(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    for (unsigned i = 1; i < PROCESSES; i++)
        sim_fork(process_main, NULL);
    process_main(argument);
}

static void arena_make(void)
{
    /* A long hole behind it: whoever looks ahead finds nothing of ours. */
    arena = mmap(NULL, ARENA_PAGES * PAGE + (1u << 30), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arena == MAP_FAILED || mprotect(arena + PAGE, 4 * PAGE, PROT_READ | PROT_WRITE) ||
        mprotect(arena + 6 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE) ||
        mprotect(arena + 8 * PAGE, PAGE, PROT_READ) ||
        mprotect(arena + CANARY * PAGE, PAGE, PROT_READ | PROT_WRITE))
        abort();
}

/* What a run finds there, whatever one before it left. */
static void arena_fill(void)
{
    static uint64_t words[4 * PAGE / 8]; /* that may be taken for structures */
    for (unsigned i = 0; !words[0] && i < 4 * PAGE / 8; i++)
        words[i] = i % 3 == 2 ? length_of((uint8_t)(i * 7)) : pointer_of((uint8_t)(i * 5));
    memcpy(arena + PAGE, words, sizeof(words));
    memset(arena + 6 * PAGE, 0, 2 * PAGE);
    memset(canary, 0xa5, PAGE);
    memcpy(arena + CANARY * PAGE, canary, PAGE);
}

static void processes_start(void)
{
    sim_begin(&(struct sim_options){.seed = 1, .uid = 1000, .gid = 1000});
    step_hook = host_hooks.step;
    host_hooks.step = kernel_called;
    host_hooks.replied = reply_changed;
    sim_process_new(first_main, NULL);
    for (unsigned round = 0; round < 100 && started < PROCESSES; round++) {
        int tids[THREADS_MAX];
        unsigned count = sim_threads(tids, THREADS_MAX);
        for (unsigned i = 0; i < count; i++)
            sim_run(tids[i]);
    }
    if (started < PROCESSES)
        posix_failed("the processes do not start", -1, started);
}

void world_start(void)
{
    uint64_t steps = world_steps;
    if (!arena)
        arena_make();
    if (!snapshot_restore()) {
        step_waits = false;
        started = 0;
        fiber_reserve();
        processes_start();
        snapshot_take();
    }
    world_steps = first_step = steps;
    arena_fill();
}

/* All of them wait for ever. */
static void processes_kill(void)
{
    int tids[THREADS_MAX];
    unsigned count = sim_threads(tids, THREADS_MAX);
    for (unsigned i = 0; i < count && i < THREADS_MAX; i++) /* a process has one thread, of its number */
        sim_kill(tids[i]);
}

/* Somebody who can take the step takes it. When nobody can, there is a new process. */
static void step_give(unsigned first)
{
    int tids[THREADS_MAX];
    for (unsigned round = 0; step_waits && round < 8; round++) {
        unsigned count = sim_threads(tids, THREADS_MAX);
        if (count > THREADS_MAX - PROCESSES) {
            processes_kill();
            count = 0;
        }
        for (unsigned i = 0; i < count && step_waits; i++)
            sim_run(tids[(first + i) % count]);
        if (!step_waits)
            break;
        uint64_t deadline = sim_clock_next();
        if (deadline != UINT64_MAX && round < 3)
            sim_clock_advance(deadline > sim_clock_ns() ? deadline - sim_clock_ns() : 1);
        else
            sim_process_new(first_main, NULL);
    }
}

void step_run(const uint8_t bytes[STEP_BYTES])
{
    memcpy(step, bytes, STEP_BYTES);
    memcpy(trace[world_steps % TRACE], bytes, STEP_BYTES);
    world_steps++;
    kernel_calls = 0;
    step_waits = true;
    step_give(bytes[1] % PROCESSES);
    replies_end();
    if (memcmp(arena + CANARY * PAGE, canary, PAGE) != 0)
        posix_failed("memory was written that nobody named", -1, CANARY);
}

void step_plain(uint8_t bytes[STEP_BYTES])
{
    (void)bytes;
}

void world_end(void)
{
    kernel_calls = 0;
    host_hooks.replied = NULL;
    if (!sim_end())
        posix_failed("something is left after all processes ended", -1, 0);
}
