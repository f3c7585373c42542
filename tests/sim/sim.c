/* The beginning, the end and the counts of a simulation: see sim.h. SPDX-License-Identifier: MIT */
#include "parts.h"
#include <host.h>
#include <ipc/memory.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

struct sim_options sim_options;

static struct {
    struct sim_counts counts;
    size_t heap;
} at_begin;

/* A fault in a user copy is the caller's EFAULT; any other is a bug of ours. */
static void fault(int signal, siginfo_t *info, void *context)
{
    greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    (void)info;
    if (*rip >= (greg_t)posix_copy_low && *rip < (greg_t)posix_copy_high) {
        *rip = (greg_t)posix_copy_fixup;
        return;
    }
    fprintf(stderr, "sim: signal %d at %#llx, pid %d\n", signal, (unsigned long long)*rip,
            sim_pid());
    sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
}

void sim_begin(const struct sim_options *options)
{
    const struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sim_options = *options;
    if (!sim_options.heap_bytes)
        sim_options.heap_bytes = 256u << 20;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    at_begin.heap = mem_in_use();
    fail_begin();
    scheduler_begin();
    if (!servers_begin())
        sim_panic("the servers do not start");
    sim_counts(&at_begin.counts);
}

int sim_process_new(sim_main *main, void *argument)
{
    machine_main = main;
    machine_argument = argument;
    return servers_spawn();
}

void sim_kill(int pid)
{
    if (pid == sim_pid())
        sim_panic("sim_kill of the process that runs");
    servers_kill(pid);
    servers_run();
}

bool sim_end(void)
{
    struct sim_counts counts;
    if (sim_current)
        sim_panic("sim_end from a fiber");
    sim_fail(SIM_FAIL_ALLOCATION, 0, 0, 0);
    while (sim_all)
        sim_kill(sim_all->process->pid);
    servers_run();
    sim_counts(&counts);
    counts.heap_bytes = at_begin.counts.heap_bytes; /* tables may have grown: see below */
    counts.heap_blocks = at_begin.counts.heap_blocks;
    counts.file_nodes = at_begin.counts.file_nodes;
    counts.slots -= counts.gates - at_begin.counts.gates; /* names in the nodes of sockets */
    counts.gates = at_begin.counts.gates;
    bool equal = sim_counts_equal(&at_begin.counts, &counts, "sim_end");
    servers_end();
    if (mem_in_use() != at_begin.heap) {
        fprintf(stderr, "sim_end: the servers leave %zu bytes allocated\n",
                mem_in_use() - at_begin.heap);
        equal = false;
    }
    return equal;
}

/* CLONE_VM | FS | FILES | SIGHAND | THREAD | SYSVSEM */
#define CLONE_THREAD_FLAGS 0x50f00u

static void child_set(sim_main *main, void *argument)
{
    if (!sim_current)
        sim_panic("only a fiber has children");
    sim_current->child_main = main;
    sim_current->child_argument = argument;
}

long sim_fork(sim_main *main, void *argument)
{
    child_set(main, argument);
    return SIM_CALL(57); /* fork */
}

long sim_thread_new(sim_main *main, void *argument)
{
    child_set(main, argument);
    return SIM_CALL(56, CLONE_THREAD_FLAGS); /* clone */
}

/* ---- counts ---------------------------------------------------------------------------------- */

void sim_counts(struct sim_counts *counts)
{
    *counts = (struct sim_counts){
        .heap_bytes = mem_in_use(), .heap_blocks = mem_blocks(), .private_bytes = private_bytes()};
    counts->slots = processes_slots();
    servers_counts(counts);
    counts->gates = host_objects(AR_GATE);
    counts->notifications = host_objects(AR_NOTIFICATION);
}

bool sim_counts_equal(const struct sim_counts *before, const struct sim_counts *after,
                      const char *what)
{
    static const char *const names[] = {
        "heap bytes", "heap blocks", "private bytes", "sockets", "sessions", "queued bytes",
        "descriptors in flight", "file nodes", "file descriptions", "processes", "threads", "slots",
        "gates", "notifications"};
    const uint64_t *old = (const uint64_t *)before, *new = (const uint64_t *)after;
    _Static_assert(sizeof(names) / sizeof(*names) == sizeof(*before) / sizeof(uint64_t),
                   "one name a count");
    bool equal = true;
    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (old[i] != new[i]) {
            fprintf(stderr, "%s: %s: %llu before, %llu after\n", what, names[i],
                    (unsigned long long)old[i], (unsigned long long)new[i]);
            equal = false;
        }
    return equal;
}
