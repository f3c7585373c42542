/*
 * What the generator believes of the world. It only biases the choice of operations, so it may be
 * wrong; it learns from what Linux answered. SPDX-License-Identifier: MIT
 */
#ifndef ORACLE_MODEL_H
#define ORACLE_MODEL_H

#include <stdbool.h>

#include "op.h"

enum { FDS = 64, OBJECTS = 200, WAITING = 8, BATCHES = 8, WATCHES = 16 };

enum object_kind { K_NONE, K_SOCKET, K_PIPE_READ, K_PIPE_WRITE, K_EVENT, K_EPOLL, K_FILE, K_PIDFD, K_TIMER, K_UNKNOWN };

struct batch {
    int count, object[FDS_MAX];
};

struct object {
    int kind, type;          /* SOCK_… */
    int refs;                /* descriptors in all processes, without those in flight */
    int peer;                /* object index, 0: none */
    int name;                /* A_…, A_NONE: none */
    int backlog;             /* of a listener */
    int waiting[WAITING], waits; /* clients that nobody accepted */
    int queued;              /* messages that nobody received */
    int reach;               /* where a datagram socket sends */
    struct batch batch[BATCHES]; /* descriptors that wait in its queue */
    int batches;
    bool listening, connected, nonblocking, full, dead_peer, passes, shut_read, shut_write, timed, oob;
    int watched;             /* an epoll instance: how many it watches */
    int watches[WATCHES], watched_by[WATCHES]; /* what, and added by which process: for allowed.c */
    bool hole;               /* a pipe: a write with bad memory left something empty in it */
    int timed_by[2];         /* the processes that set SO_RCVTIMEO and SO_SNDTIMEO: number + 1, 0 none */
    bool offset;             /* SO_PEEK_OFF was set */
    bool sent_oob;           /* perhaps before its peer was accepted, whose `oob` does not tell: for allowed.c */
    bool pending;            /* a timer that the next WAIT ends */
};

struct model_process {
    bool alive, forked_thread;
    int fd[FDS];             /* object index, 0: closed */
    int from[FDS];
    int uid;
};

struct model_worker {
    bool alive, busy;
    int process;
    struct op op;            /* what it is blocked in */
    int object;              /* on which */
    int polled[FDS_MAX];     /* or on these, which is what fd0 … were when it began */
    int since;
};

struct model {
    struct model_process process[WORKERS_MAX];
    struct model_worker worker[WORKERS_MAX];
    struct object object[OBJECTS];
    int objects;             /* used so far; 0 is nobody */
    int bound[A_COUNT];      /* name -> object */
    int autobinds;
    int in_flight;           /* messages with descriptors sent */
};

void model_begin(struct model *model, int uid);
void model_learn(struct model *model, const struct op *op, const struct step *step);
struct object *model_object(struct model *model, int process, int fd); /* object 0 when closed */
bool model_foreign(const struct object *object); /* another server's, or libposix's own */
bool model_timer_pending(const struct model *model);
int model_idle(const struct model *model); /* workers that can be given something */

/* The new descriptors that a result names, in the order they were made. */
int result_fds(const struct op *op, const struct result *result, int32_t *fds, int max);

/* In a few words, for the table: "stream connected", "listener full". */
const char *model_state(const struct model *model, const struct op *op);

#endif
