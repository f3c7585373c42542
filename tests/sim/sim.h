/*
 * The simulator: procd's, filed's and sockd's cores and any number of processes with libposix, in
 * one host process. SPDX-License-Identifier: MIT
 *
 * A simulated process is a function. Its threads are fibers; a system call is `sim_syscall`, which
 * goes through the libposix that boots, down to the kernel calls, which the host answers. Memory
 * is the host's: pointers are ordinary pointers, and one that is not mapped gives EFAULT as it
 * would there. Nothing happens by itself: no fiber runs but inside sim_run*, time stands still but
 * for sim_clock_advance, and the same seed gives the same run.
 *
 *     static void client(void *argument) { ... SIM_CALL(SYS_socketpair, AF_UNIX, ...) ... }
 *     sim_begin(&(struct sim_options){.seed = 1});
 *     sim_process_new(client, NULL);
 *     sim_run_all();
 *     sim_end();
 *
 * docs/testing-servers.md has a whole test. What tests do wrong (an unknown pid, a call from the
 * wrong side) ends the program with a message.
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void sim_main(void *argument);

struct sim_options {
    uint64_t seed;              /* of the scheduler, of getrandom and of filed */
    uint32_t uid, gid;          /* of processes that sim_process_new makes */
    /* A fiber may lose the processor at any kernel call, with this chance in 1,000, when
     * sim_run_all runs it. 0: only when it waits. */
    unsigned switch_chance;
    size_t heap_bytes;          /* of all servers together; 0: 256 MiB */
    unsigned sockets, sockets_of_user; /* sockd's limits; 0: 16,384 and half of them */
    uint64_t queued, queued_of_user;   /* bytes; 0: 64 MiB and half of them */
};

/* A fresh system: a file system with /dev and /tmp, no process. */
void sim_begin(const struct sim_options *options);
/* Kills every process and compares what the servers hold with what they held at sim_begin. false,
 * and a line a difference on stderr, when something stayed. Sockets' nodes and files that a test
 * left in the file system are no leak. */
bool sim_end(void);

/* ---- processes and threads ------------------------------------------------------------------- */

/* A new process, child of none, in "/", with /dev/null as descriptors 0, 1 and 2. Its main thread
 * calls `main`; returning from it is exit_group(0). The pid, or 0 when a limit or an injected
 * failure forbids it. From anywhere. */
int sim_process_new(sim_main *main, void *argument);

/* The rest of this part is called by a fiber. What the program would find in rax: a value or
 * -errno; Linux's numbers (<sys/syscall.h>). Handlers of sigaction(2) are called with the signal's
 * number alone. fork and clone are below; execve is ENOSYS, mmap works for private anonymous
 * memory only. */
long sim_syscall(long number, const uint64_t a[6]);
#define SIM_CALL(...)                                                                              \
    SIM_CALL_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, )
#define SIM_CALL_(number, a, b, c, d, e, f, ...)                                                   \
    sim_syscall(number, (const uint64_t[6]){(uint64_t)(a), (uint64_t)(b), (uint64_t)(c),           \
                                            (uint64_t)(d), (uint64_t)(e), (uint64_t)(f)})

/* fork(2): the child has the parent's descriptors, directory, credentials and signal actions, and
 * runs main(argument). Memory is shared with the parent. The pid or -errno. */
long sim_fork(sim_main *main, void *argument);
/* A thread of the same process. The tid or -errno. */
long sim_thread_new(sim_main *main, void *argument);
_Noreturn void sim_exit(int status); /* exit_group(2) */
void sim_yield(void);                /* let the scheduler choose */
int sim_pid(void), sim_tid(void);    /* of the running fiber; 0 outside of fibers */

/* From anywhere but the process itself: it dies at once, as by SIGKILL, wherever it is. */
void sim_kill(int pid);

/* ---- the scheduler: not from a fiber --------------------------------------------------------- */

/* BLOCKED: it waits for something that has not come. */
enum sim_state { SIM_READY, SIM_BLOCKED, SIM_EXITED };
enum sim_state sim_thread_state(int tid);
/* Run one thread until it is blocked, has ended or yields. Nothing when it is not ready. */
enum sim_state sim_run(int tid);
/* Run all, in an order by the seed, until every thread is blocked or has ended. The number of
 * blocked ones. */
unsigned sim_run_all(void);
/* The threads there are (READY or BLOCKED): at most `max` tids; how many there are. */
unsigned sim_threads(int *tids, unsigned max);
unsigned sim_random(unsigned below); /* by the seed; 0 .. below - 1 */

uint64_t sim_clock_ns(void);
/* Time passes; who waits until then is ready, timers of procd run. */
void sim_clock_advance(uint64_t ns);
/* The earliest deadline of any blocked thread or server; UINT64_MAX: none. */
uint64_t sim_clock_next(void);

/* ---- what can be observed -------------------------------------------------------------------- */

/* How often `signal` was sent to the process, delivered or not, since it exists. */
unsigned sim_signals(int pid, int signal);
/* wait(2)'s status of a process that ended; -1: it lives, or never was. Kept until sim_end. */
int sim_exit_status(int pid);

/* What there is now. Equal before and after whatever cleans up behind itself. */
struct sim_counts {
    uint64_t heap_bytes, heap_blocks;           /* of the servers */
    uint64_t private_bytes;                     /* libposix's, of all processes */
    uint64_t sockets, sessions, queued_bytes, descriptors_in_flight;
    uint64_t file_nodes, file_descriptions;
    uint64_t processes, threads;
    uint64_t slots, gates, notifications;       /* capabilities in all spaces, objects */
};
void sim_counts(struct sim_counts *counts);
/* true when equal; else prints each difference with `what`. */
bool sim_counts_equal(const struct sim_counts *before, const struct sim_counts *after,
                      const char *what);

/* ---- failures -------------------------------------------------------------------------------- */

enum sim_failure {
    SIM_FAIL_ALLOCATION, /* an allocation of a server: there is no memory */
    SIM_FAIL_PRIVATE,    /* an allocation of libposix for itself */
    SIM_FAIL_CALL,       /* a message to a server: it is gone (EIO), or has no slot for what comes */
    SIM_FAIL_SLOT,       /* a new slot in any capability space, a new leaf, a new gate */
    SIM_FAIL_DEATH,      /* the process dies before this kernel call */
    SIM_FAILURES
};
/* Number `n` (1: the next) from now on fails, and `count` of them in a row (0: one; UINT_MAX: all).
 * `pid`: only while this process runs, 0: any. n 0: no more failures. One kind at a time. */
void sim_fail(enum sim_failure kind, unsigned n, unsigned count, int pid);
/* How many failed since sim_fail. 0: the scenario needs fewer than n. */
unsigned sim_failed(void);

/* ---- traces ---------------------------------------------------------------------------------- */

/* Each message of a process to a server and its reply, after the reply; see trace.h. NULL: none. */
struct sim_message;
typedef void sim_trace(const struct sim_message *message);
void sim_trace_to(sim_trace *trace);

#endif
