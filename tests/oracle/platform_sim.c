/* The simulator runs the workers: processes are functions, threads are fibers. SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "execute.h"
#include "options.h"
#include "sim.h"

enum { PAGE = 4096, TURNS_MAX = 100000 };

static struct board shared;
static uint8_t *guards[WORKERS_MAX];
static struct setting current;
static int tids[WORKERS_MAX];

long platform_call(long number, const uint64_t a[6])
{
    return sim_syscall(number, a);
}

uint8_t *platform_guard(int worker)
{
    return guards[worker];
}

static void signals_read(void)
{
    for (int i = 0; i < WORKERS_MAX; i++)
        if (shared.pid[i] > 0) {
            shared.pipes[i] = (int32_t)sim_signals(shared.pid[i], SIGPIPE);
            shared.urgent[i] = (int32_t)sim_signals(shared.pid[i], SIGURG);
        }
}

/* ---- a worker ---- */

static void signal_taken(int signal)
{
    (void)signal; /* the simulator counts */
}

static void signal_set(int signal, void (*handler)(int))
{
    const struct {
        void (*handler)(int);
        uint64_t flags, restorer, mask;
    } action = {handler, SA_RESTART | 0x04000000 /* SA_RESTORER */, 8, 0};
    SIM_CALL(SYS_rt_sigaction, signal, &action, 0, 8);
}

static void worker_main(void *argument)
{
    int worker = (int)(intptr_t)argument;
    tids[worker] = sim_tid();
    if (worker == 0) {
        for (int fd = 0; fd < 3; fd++)
            SIM_CALL(SYS_close, fd);
        signal_set(SIGPIPE, signal_taken);
        signal_set(SIGURG, signal_taken);
        signal_set(SIGCHLD, SIG_IGN);
        SIM_CALL(SYS_mkdir, "/tmp/o", 0777);
        SIM_CALL(SYS_chmod, "/tmp/o", 0777);
        SIM_CALL(SYS_chdir, "/tmp/o");
        worker_prepare(0, current.uid);
    }
    uint32_t turn = shared.slot[worker].turn;
    worker_begin(worker);
    for (;;) {
        while (shared.slot[worker].turn == turn)
            sim_yield();
        turn = shared.slot[worker].turn;
        worker_step(worker);
    }
}

int platform_fork(int worker)
{
    shared.slot[worker].process = worker;
    long pid = sim_fork(worker_main, (void *)(intptr_t)worker);
    return pid < 0 ? (int)pid : 0;
}

static int process_of_fiber(void)
{
    for (int i = 0; i < WORKERS_MAX; i++)
        if (shared.pid[i] == sim_pid())
            return i;
    return 0;
}

int platform_thread(int worker)
{
    shared.slot[worker].process = process_of_fiber();
    long tid = sim_thread_new(worker_main, (void *)(intptr_t)worker);
    return tid < 0 ? (int)tid : 0;
}

void platform_exit(void)
{
    int process = process_of_fiber();
    for (int i = 0; i < WORKERS_MAX; i++)
        if (shared.slot[i].state != SLOT_NONE && shared.slot[i].process == process)
            shared.slot[i].state = SLOT_GONE;
    sim_exit(0);
}

/* ---- the driver ---- */

const char *platform_name(void)
{
    return "sim";
}

struct board *platform_start(void)
{
    for (int i = 0; i < WORKERS_MAX; i++) {
        uint8_t *area = mmap(0, DATA_MAX + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (area == MAP_FAILED || mprotect(area + DATA_MAX, PAGE, PROT_NONE) != 0)
            abort();
        guards[i] = area + DATA_MAX;
    }
    board = &shared;
    return board;
}

static bool worker_waits(int worker)
{
    uint32_t state = shared.slot[worker].state;
    return state == SLOT_IDLE || state == SLOT_DONE;
}

/* Each fiber in turn until nobody but idle workers, which yield, has anything to do. */
static void run_until_quiet(void)
{
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        int list[64];
        unsigned count = sim_threads(list, 64), ran = 0;
        for (unsigned i = 0; i < count && i < 64; i++) {
            int worker = 0;
            while (worker < WORKERS_MAX && tids[worker] != list[i])
                worker++;
            if (sim_thread_state(list[i]) != SIM_READY)
                continue;
            if (worker < WORKERS_MAX && worker_waits(worker))
                continue;
            sim_run(list[i]);
            ran++;
        }
        signals_read();
        if (!ran)
            return;
    }
    fprintf(stderr, "oracle: the simulator does not come to rest\n");
    abort();
}

void platform_begin(const struct setting *setting)
{
    memset(&shared, 0, sizeof(shared));
    memset(tids, 0, sizeof(tids));
    current = *setting;
    sim_begin(&(struct sim_options){.seed = setting->seed});
    if (sim_process_new(worker_main, (void *)0) <= 0)
        abort();
    run_until_quiet();
}

bool platform_clean(void)
{
    return true;
}

void platform_run(int worker)
{
    struct slot *slot = &shared.slot[worker];
    slot->state = SLOT_BUSY;
    slot->turn++;
    run_until_quiet();
}

void platform_settle(bool closed)
{
    (void)closed;
}

void platform_advance(int ms)
{
    /* One deadline after the other: what comes first must not see what comes later. */
    uint64_t end = sim_clock_ns() + (uint64_t)ms * 1000000;
    for (uint64_t next = sim_clock_next(); next < end; next = sim_clock_next()) {
        sim_clock_advance(next > sim_clock_ns() ? next - sim_clock_ns() : 1);
        run_until_quiet();
    }
    if (end > sim_clock_ns())
        sim_clock_advance(end - sim_clock_ns());
    run_until_quiet();
}

void platform_end(void)
{
    if (!sim_end())
        fprintf(stderr, "oracle: seed %llu: the simulator has something left over\n",
                (unsigned long long)current.seed);
}

void platform_stop(void)
{
}

void platform_option(const char *word)
{
    (void)word;
}
