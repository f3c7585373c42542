/* Who runs, and until when: see sim.h. SPDX-License-Identifier: MIT */
#include "parts.h"
#include <host.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_thread *sim_current, *sim_all;
unsigned sim_thread_total;
uint64_t sim_now;
struct posix_thread *posix_host_thread;

static struct fiber scheduler;
static struct sim_thread *dead_running; /* its fiber is still to be freed */
static bool running_all;
static uint64_t random_state;
static unsigned handles;

_Noreturn void sim_panic(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("sim: ", stderr);
    vfprintf(stderr, format, list);
    fputs("\n", stderr);
    abort();
}

unsigned sim_random(unsigned below)
{
    uint64_t value = random_state += 0x9e3779b97f4a7c15ull;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ value >> 27) * 0x94d049bb133111ebull;
    return (unsigned)((value ^ value >> 31) % below);
}

/* ---- threads --------------------------------------------------------------------------------- */

static struct sim_thread *thread_find(int tid)
{
    for (struct sim_thread *thread = sim_all; thread; thread = thread->next)
        if (thread->tid == tid)
            return thread;
    return NULL;
}

static void thread_main(void)
{
    struct sim_thread *thread = sim_current;
    fiber_switch_end(&thread->fiber);
    if (thread->entry == ENTRY_START) {
        posix_host_begin(thread->regs[0], thread->regs[1], 1000000000);
        if (sim_options.uid || sim_options.gid) {
            SIM_CALL(119, sim_options.gid, sim_options.gid, sim_options.gid); /* setresgid */
            SIM_CALL(117, sim_options.uid, sim_options.uid, sim_options.uid); /* setresuid */
        }
    } else if (thread->entry == ENTRY_FORK) {
        posix_fork_child(thread->regs[0], thread->regs[1]);
    } else {
        posix_thread_start(thread->regs[0], thread->regs[1], (void *)thread->regs[2]);
    }
    posix_leave();
    thread->main(thread->argument);
    if (thread->entry == ENTRY_THREAD)
        SIM_CALL(60, 0); /* exit */
    sim_exit(0);
}

struct sim_thread *sim_thread_make(struct sim_process *process, unsigned area)
{
    struct sim_thread *thread = calloc(1, sizeof(*thread));
    struct posix_thread *posix = calloc(1, sizeof(*posix));
    if (!thread || !posix)
        sim_panic("the host has no memory");
    *thread = (struct sim_thread){
        .process = process, .area = area, .posix = posix, .suspended = true, .next = sim_all,
        .handle = ++handles};
    process->threads[area] = thread;
    process->thread_count++;
    sim_all = thread;
    sim_thread_total++;
    fiber_init(&thread->fiber, thread_main);
    return thread;
}

static void thread_free(struct sim_thread *thread)
{
    fiber_free(&thread->fiber);
    free(thread->posix);
    free(thread);
}

void sim_thread_drop(struct sim_thread *thread)
{
    struct sim_thread **link = &sim_all;
    while (*link != thread)
        link = &(*link)->next;
    *link = thread->next;
    thread->process->threads[thread->area] = NULL;
    thread->process->thread_count--;
    sim_thread_total--;
    thread->dead = true;
    if (thread->waits_for)
        thread->waits_for->waiter = NULL;
    if (thread == sim_current)
        dead_running = thread;
    else
        thread_free(thread);
}

/* ---- switching ------------------------------------------------------------------------------- */

void fiber_leave(void)
{
    struct sim_thread *thread = sim_current;
    sim_current = NULL;
    fiber_switch(&thread->fiber, &scheduler, thread->dead);
}

static bool thread_ready(const struct sim_thread *thread)
{
    return !thread->suspended &&
           (!thread->waits_for || thread->waits_for->bits || sim_now >= thread->deadline);
}

static void thread_run(struct sim_thread *thread)
{
    sim_current = thread;
    host_current = &thread->caller;
    posix_host_thread = thread->posix;
    sim_process_load(thread->process);
    fiber_switch(&scheduler, &thread->fiber, 0);
    sim_current = NULL;
    host_current = NULL;
    if (dead_running) {
        thread_free(dead_running);
        dead_running = NULL;
    }
    servers_run();
}

enum sim_state sim_thread_state(int tid)
{
    const struct sim_thread *thread = thread_find(tid);
    return !thread ? SIM_EXITED : thread_ready(thread) ? SIM_READY : SIM_BLOCKED;
}

enum sim_state sim_run(int tid)
{
    struct sim_thread *thread = thread_find(tid);
    if (sim_current)
        sim_panic("sim_run from a fiber");
    servers_run();
    while (thread && thread_ready(thread)) {
        thread->yielding = false;
        thread_run(thread);
        thread = thread_find(tid);
        if (!thread || thread->yielding)
            break;
    }
    return sim_thread_state(tid);
}

unsigned sim_run_all(void)
{
    unsigned blocked;
    if (sim_current)
        sim_panic("sim_run_all from a fiber");
    running_all = true;
    for (;;) {
        struct sim_thread *chosen = NULL;
        unsigned ready = 0;
        blocked = 0;
        servers_run();
        for (struct sim_thread *thread = sim_all; thread; thread = thread->next) {
            if (!thread_ready(thread))
                blocked++;
            else if (sim_random(++ready) == 0) /* each with the same chance */
                chosen = thread;
        }
        if (!chosen)
            break;
        thread_run(chosen);
    }
    running_all = false;
    return blocked;
}

unsigned sim_threads(int *tids, unsigned max)
{
    unsigned count = 0;
    for (struct sim_thread *thread = sim_all; thread; thread = thread->next, count++)
        if (count < max)
            tids[count] = thread->tid;
    return count;
}

/* ---- time ------------------------------------------------------------------------------------ */

uint64_t sim_clock_ns(void)
{
    return sim_now;
}

void sim_clock_advance(uint64_t ns)
{
    sim_now += ns;
    if (!sim_current)
        servers_run();
}

uint64_t sim_clock_next(void)
{
    uint64_t next = servers_deadline();
    for (struct sim_thread *thread = sim_all; thread; thread = thread->next)
        if (thread->waits_for && thread->deadline < next)
            next = thread->deadline;
    return next;
}

/* ---- the kernel's hooks ---------------------------------------------------------------------- */

static enum ar_error hook_wait(struct host_object *object, uint64_t deadline)
{
    struct sim_thread *thread = sim_current;
    while (!object->bits) {
        if (sim_now >= deadline)
            return AR_ERR_TIMEOUT;
        thread->waits_for = object;
        thread->deadline = deadline;
        object->waiter = thread;
        fiber_leave();
        thread->waits_for = NULL;
        object->waiter = NULL;
    }
    return AR_OK;
}

static void hook_yield(void)
{
    fiber_leave();
}

static uint64_t hook_clock(void)
{
    return sim_now;
}

/* From sim_run_all: another may come first. */
void schedule_step(void)
{
    if (running_all && sim_options.switch_chance && sim_random(1000) < sim_options.switch_chance)
        fiber_leave();
}

void scheduler_begin(void)
{
    random_state = sim_options.seed;
    posix_host_random = sim_options.seed + 1;
    sim_now = 1000000000;
    host_hooks.wait = hook_wait;
    host_hooks.yield = hook_yield;
    host_hooks.clock_ns = hook_clock;
}

/* ---- for fibers ------------------------------------------------------------------------------ */

static void fiber_need(const char *what)
{
    if (!sim_current)
        sim_panic("%s outside of a fiber", what);
}

long sim_syscall(long number, const uint64_t a[6])
{
    fiber_need("sim_syscall");
    return posix_host_call(number, a);
}

void sim_yield(void)
{
    fiber_need("sim_yield");
    sim_current->yielding = true;
    fiber_leave();
    posix_leave(); /* signals that came meanwhile */
}

_Noreturn void sim_exit(int status)
{
    fiber_need("sim_exit");
    SIM_CALL(231, status); /* exit_group */
    abort();
}

int sim_pid(void)
{
    return sim_current ? sim_current->pid : 0;
}

int sim_tid(void)
{
    return sim_current ? sim_current->tid : 0;
}
