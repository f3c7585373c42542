/*
 * What runs a program: real processes and threads (platform_linux.c; also in the guest), or the
 * simulator (platform_sim.c). SPDX-License-Identifier: MIT
 */
#ifndef ORACLE_PLATFORM_H
#define ORACLE_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "op.h"

enum slot_state {
    SLOT_NONE, /* no such worker */
    SLOT_IDLE,
    SLOT_BUSY, /* has an operation: runs or is blocked in it */
    SLOT_DONE, /* its result is there */
    SLOT_GONE  /* its process has ended */
};

enum { AUTOBIND_MAX = 8, AUTOBIND_LENGTH = 5, TAG_LENGTH = 5 };

/* Shared by the workers and the driver. */
struct slot {
    _Atomic uint32_t turn; /* the worker's futex: counts operations given */
    _Atomic uint32_t state;
    int32_t process;       /* number of the first worker of its process */
    struct op op;
    struct result result;
};

struct board {
    struct slot slot[WORKERS_MAX];
    _Atomic int32_t pid[WORKERS_MAX];     /* of the process whose first worker this is */
    _Atomic int32_t pipes[WORKERS_MAX];   /* SIGPIPEs it got */
    _Atomic int32_t urgent[WORKERS_MAX];  /* SIGURGs */
    char tag[TAG_LENGTH]; /* in each of the program's abstract names */
    int32_t autobinds;
    char autobind[AUTOBIND_MAX][AUTOBIND_LENGTH];
};

struct setting {
    uint64_t seed;
    uint32_t uid;
};

/* ---- for the driver ---- */

struct board *platform_start(void); /* once */
void platform_begin(const struct setting *setting);
void platform_run(int worker); /* its slot holds an operation; returns when everybody waits */
void platform_settle(bool closed); /* after each operation since descriptors flew: if it may have left garbage,
                                      gives Linux a reason to collect it, and time */
void platform_advance(int ms);
void platform_end(void);
bool platform_clean(void); /* the program that ended left no socket behind */
void platform_stop(void); /* once, at the end */
const char *platform_name(void); /* "Linux 6.12.95", "sim" */

/* ---- for a worker ---- */

long platform_call(long number, const uint64_t argument[6]);
int platform_fork(int worker);   /* 0 or -errno; the child becomes that worker and does not return */
int platform_thread(int worker);
void platform_exit(void);
uint8_t *platform_guard(int worker); /* DATA_MAX bytes before it are usable, none from it on */

static inline long call(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    const uint64_t argument[6] = {a, b, c, d, e, f};
    return platform_call(number, argument);
}

/* worker.c */
extern struct board *board;
void worker_prepare(int worker, uint32_t uid); /* once, in the first process: limits, files, ids */
void worker_step(int worker);                  /* executes the operation in the slot */
void worker_begin(int worker);                 /* says that it is there */

/* execute.c */
void op_execute(int worker, const struct op *op, struct result *result);

#endif
