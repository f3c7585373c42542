/* What the simulator's files share. SPDX-License-Identifier: MIT */
#ifndef SIM_PARTS_H
#define SIM_PARTS_H

#include "fiber.h"
#include "sim.h"
#include <ipc/host_kernel.h>

/*
 * A thread is NEW (made by procd, suspended), READY, BLOCKED on a notification, or dead. A dead one
 * is freed when its fiber is not the one that runs. A process is its capability space, from
 * slots_create on; it is freed by slots_destroy, when all its threads are dead.
 *
 * libposix's variables are one process's: `sim_process_load` saves them for the process that ran
 * before and puts this one's in place. So do the descriptor table (as far as it is used) and those
 * blocks of private memory that a fork left in two processes under one address.
 */
struct sim_thread {
    struct sim_thread *next; /* of all */
    struct sim_process *process;
    unsigned handle, area;
    int tid, pid; /* pid: also when the process is gone */
    struct fiber fiber;
    enum { ENTRY_START, ENTRY_FORK, ENTRY_THREAD } entry;
    sim_main *main, *child_main; /* child: of what it forks or clones next */
    void *argument, *child_argument;
    bool suspended, dead, yielding;
    struct host_object *waits_for; /* BLOCKED */
    uint64_t deadline;
    struct host_object *notification;
    struct host_caller caller;
    struct posix_thread *posix;
    uint64_t regs[3]; /* rdi, rsi, rdx at the start */
};

struct private_held;
struct posix_thread; /* libposix/internal.h */
struct sim_process {
    unsigned handle;
    int pid;
    struct host_space *space;
    char *state; /* libposix's variables while it does not run */
    uint8_t *descriptors;
    uint32_t descriptor_bytes, descriptor_room;
    struct private_held *held;
    struct sim_thread *threads[16]; /* by area; more threads: sim_thread_new fails */
    unsigned thread_count;
};
#define SIM_AREAS 16u

extern struct sim_options sim_options;
extern struct sim_thread *sim_current;   /* the running fiber's; NULL outside */
extern struct sim_thread *sim_all;
extern unsigned sim_thread_total, sim_process_total;
extern uint64_t sim_now;

/* ---- process.c ---- */
struct sim_process *sim_process_make(void);
void sim_process_drop(struct sim_process *process);
void sim_process_load(struct sim_process *process);
/* A child's memory is the running process's at this moment. */
void sim_process_inherit(struct sim_process *child, struct sim_thread *parent,
                     struct sim_thread *thread);
uint64_t private_bytes(void);

/* ---- schedule.c ---- */
struct sim_thread *sim_thread_make(struct sim_process *process, unsigned area);
void sim_thread_drop(struct sim_thread *thread);
void scheduler_begin(void);
void schedule_step(void); /* another fiber may come first */
/* Back to the scheduler; returns when the thread runs again. */
void fiber_leave(void);
_Noreturn void sim_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- machine.c: procd's machine ---- */
struct procd_machine_ops;
extern const struct procd_machine_ops sim_machine;
uint64_t processes_slots(void); /* in use, in all processes */
/* What the next process that init spawns runs. */
extern sim_main *machine_main;
extern void *machine_argument;

/* ---- servers.c, server_filed.c ---- */
/* filed's state with /dev and /tmp in it; NULL: no memory. */
struct credentials;
void *filed_make(const struct credentials *credentials, uint64_t procd_slot);
void filed_drop(void *filed, struct ipc_effects *effects);
unsigned filed_sessions(const void *filed);
struct host_space *servers_procd_space(void);
/* What each process has in its first slots; false: a gate cannot be made. */
bool servers_gates(uint64_t badge, struct host_object *gates[4]);
bool servers_begin(void);
/* Nothing of the servers is there afterwards. */
void servers_end(void);
/* Timers, deferred work, closed messages. */
void servers_run(void);
uint64_t servers_deadline(void);
int servers_spawn(void); /* the pid or 0 */
void servers_kill(int pid);
/* Adds what the servers have. */
void servers_counts(struct sim_counts *counts);
void servers_observe(const struct host_traced *traced);       /* each request, served */
void servers_exiting(int pid, const struct ipc_request *request); /* each, before */
const char *servers_name(const struct host_core *core);

/* ---- fail.c ---- */
void fail_begin(void);
bool fail_private(void); /* count an allocation of libposix: does it fail? */

#endif
