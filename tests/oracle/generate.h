/*
 * Programs from a seed, biased by the model towards states that matter. What Linux answered is part
 * of the input: seed and answers together give the program. SPDX-License-Identifier: MIT
 */
#ifndef ORACLE_GENERATE_H
#define ORACLE_GENERATE_H

#include "model.h"

/* What may occur. A recording says which were on. */
enum {
    FEATURE_PATHS = 1,
    FEATURE_OOB = 2,
    FEATURE_EPOLL = 4,        /* epoll at all */
    FEATURE_EPOLL_SHARED = 8, /* passed, inherited, nested; several kinds in one */
    FEATURE_SPLICE = 16,
    FEATURE_TIMED = 32,
    FEATURE_PIDFD = 64,
    FEATURE_FILES = 128,
    FEATURE_MORE = 256        /* SO_RCVLOWAT, timestamps */
};

struct generator {
    uint64_t random;
    struct model model;
    uint32_t features;
    int profile, done, limit;
    int repeat;        /* times that `last` comes again */
    struct op last;
    int touched, touched_process; /* a descriptor to look at next; -1: none */
    int queued;
    struct op queue[8]; /* the rest of a small plan */
};

void generate_begin(struct generator *g, uint64_t seed, int uid, uint32_t features);
bool generate_next(struct generator *g, struct op *op); /* false: the program ends */
void generate_learn(struct generator *g, const struct op *op, const struct step *step);

/* ---- for the generator's own files ---- */

typedef bool fill(struct generator *g, struct op *op);

enum want {
    W_ANY, W_SOCKET, W_UNBOUND, W_UNCONNECTED, W_CONNECTED, W_LISTENER, W_WAITED, W_BINDABLE, W_DGRAM,
    W_READABLE, W_WRITABLE, W_FULL, W_RIGHTS, W_EPOLL, W_PIPE_READ, W_PIPE_WRITE, W_EVENT, W_FILE, W_POLLABLE,
    W_STREAM, W_LIVE_SENDER, W_FOREIGN
};

unsigned below(struct generator *g, unsigned n);
bool chance(struct generator *g, unsigned percent);
int process_of(const struct generator *g, const struct op *op);
struct object *object_of(struct generator *g, const struct op *op);
int pick(struct generator *g, const struct op *op, enum want want); /* a descriptor, -1: none */
int pick_or_any(struct generator *g, const struct op *op, enum want want);
int wait_length(const struct generator *g); /* of OP_WAIT, in ms */
bool may_block(struct generator *g, const struct op *op, const struct object *object);
int pick_name(struct generator *g); /* a name to bind or to connect to */
void op_clear(struct op *op, int kind);

fill fill_socket, fill_pair, fill_bind, fill_listen, fill_connect, fill_accept, fill_shutdown, fill_close, fill_name,
    fill_getsockopt, fill_setsockopt, fill_ioctl, fill_fcntl, fill_send, fill_rights, fill_credentials, fill_receive,
    fill_peek, fill_oob, fill_poll, fill_select, fill_epoll_ctl, fill_epoll_wait, fill_epoll_create, fill_dup, fill_pipe,
    fill_event, fill_open, fill_path, fill_identity, fill_splice, fill_fork, fill_thread, fill_exit, fill_wait, fill_junk,
    fill_fill, fill_self_rights, fill_pidfd, fill_timer;

#endif
