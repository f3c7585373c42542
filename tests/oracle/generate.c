/* Which operation comes next. SPDX-License-Identifier: MIT */
#include "generate.h"

#include <string.h>
#include <sys/socket.h>

enum { OPERATIONS_MIN = 60, OPERATIONS_SPREAD = 140, FEW_OBJECTS = 4, TIMED_PATIENCE = 12, PROFILE_MORE = 8 };

enum category {
    NOTHING, MAKE, PAIR, BIND, LISTEN, CONNECT, ACCEPT, SHUTDOWN, CLOSE, NAME, GETOPT, SETOPT, IOCTL, FCNTL, SEND, RIGHTS, CREDS,
    RECEIVE, PEEK, OOB, POLL, SELECT, EP_MAKE, EP_CTL, EP_WAIT, DUP, PIPE, EVENT, OPEN, PATH, IDENTITY, SPLICE, FORK,
    THREAD, EXIT, PAUSE, JUNK, FILL, SELF, PIDFD, TIMER, CATEGORIES
};

static fill *const fillers[CATEGORIES] = {
    [MAKE] = fill_socket, [PAIR] = fill_pair, [BIND] = fill_bind, [LISTEN] = fill_listen, [CONNECT] = fill_connect,
    [ACCEPT] = fill_accept, [SHUTDOWN] = fill_shutdown, [CLOSE] = fill_close, [NAME] = fill_name,
    [GETOPT] = fill_getsockopt, [SETOPT] = fill_setsockopt, [IOCTL] = fill_ioctl, [FCNTL] = fill_fcntl,
    [SEND] = fill_send, [RIGHTS] = fill_rights, [CREDS] = fill_credentials, [RECEIVE] = fill_receive,
    [PEEK] = fill_peek, [OOB] = fill_oob, [POLL] = fill_poll, [SELECT] = fill_select, [EP_MAKE] = fill_epoll_create,
    [EP_CTL] = fill_epoll_ctl, [EP_WAIT] = fill_epoll_wait, [DUP] = fill_dup, [PIPE] = fill_pipe, [EVENT] = fill_event,
    [OPEN] = fill_open, [PATH] = fill_path, [IDENTITY] = fill_identity, [SPLICE] = fill_splice, [FORK] = fill_fork,
    [THREAD] = fill_thread, [EXIT] = fill_exit, [PAUSE] = fill_wait, [JUNK] = fill_junk, [FILL] = fill_fill,
    [SELF] = fill_self_rights, [PIDFD] = fill_pidfd, [TIMER] = fill_timer,
};

/* What every program does a little of; a profile multiplies some by eight. */
static const unsigned char weight[CATEGORIES] = {
    [MAKE] = 8, [PAIR] = 7, [BIND] = 7, [LISTEN] = 5, [CONNECT] = 9, [ACCEPT] = 8, [SHUTDOWN] = 3, [CLOSE] = 7,
    [NAME] = 4, [GETOPT] = 4, [SETOPT] = 3, [IOCTL] = 4, [FCNTL] = 3, [SEND] = 18, [RIGHTS] = 4, [CREDS] = 3,
    [RECEIVE] = 20, [PEEK] = 3, [OOB] = 2, [POLL] = 7, [SELECT] = 2, [EP_MAKE] = 2, [EP_CTL] = 4, [EP_WAIT] = 5,
    [DUP] = 3, [PIPE] = 1, [EVENT] = 1, [OPEN] = 1, [PATH] = 2, [IDENTITY] = 1, [SPLICE] = 1, [FORK] = 2, [THREAD] = 3,
    [EXIT] = 1, [PAUSE] = 1, [JUNK] = 1, [FILL] = 3, [SELF] = 1, [PIDFD] = 1, [TIMER] = 1,
};

struct profile {
    const char *name;
    unsigned char more[PROFILE_MORE]; /* categories eight times as likely */
    unsigned char repeat;  /* per cent that an operation comes again */
};

static const struct profile profiles[] = {
    {"mixed", {SEND, RECEIVE}, 5},
    {"connect", {BIND, LISTEN, CONNECT, ACCEPT, MAKE, CLOSE}, 20},
    {"flood", {SEND, FILL, RECEIVE}, 60},
    {"rights", {RIGHTS, SELF, RECEIVE, CLOSE}, 15},
    {"credentials", {CREDS, RECEIVE, SETOPT, IDENTITY, FORK}, 10},
    {"datagram", {MAKE, BIND, CONNECT, SEND, RECEIVE, FILL}, 25},
    {"poll", {POLL, SELECT, SHUTDOWN, SEND, CLOSE, FILL}, 5},
    {"epoll", {EP_CTL, EP_WAIT, SEND, RECEIVE, EP_MAKE, FORK}, 10},
    {"options", {GETOPT, SETOPT, IOCTL, FCNTL, NAME}, 5},
    {"names", {BIND, NAME, PATH, CONNECT, MAKE, IDENTITY}, 10},
    {"processes", {FORK, THREAD, EXIT, CLOSE, RECEIVE, ACCEPT}, 5},
    {"peek", {PEEK, SEND, RECEIVE, RIGHTS, CREDS, OOB}, 15},
    {"end", {CLOSE, SHUTDOWN, SEND, RECEIVE, PAIR}, 15},
    {"others", {PIPE, EVENT, DUP, SPLICE, OPEN, RIGHTS}, 10},
    {"broken", {JUNK, SEND, RECEIVE, BIND, SETOPT}, 5},
    {"blocked", {THREAD, RECEIVE, ACCEPT, FILL, CONNECT, CLOSE}, 5},
    {"sets", {EP_CTL, EP_WAIT, EP_MAKE, RIGHTS, FORK, PIDFD, TIMER, EXIT}, 5},
};
enum { PROFILES = sizeof(profiles) / sizeof(profiles[0]) };

unsigned below(struct generator *g, unsigned n)
{
    uint64_t z = g->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ z >> 31) % n);
}

bool chance(struct generator *g, unsigned percent)
{
    return below(g, 100) < percent;
}

void op_clear(struct op *op, int kind)
{
    int32_t id = op->id, worker = op->worker;
    memset(op, 0, sizeof(*op));
    op->id = id;
    op->worker = worker;
    op->kind = kind;
    op->fd = op->fd0 = op->fd1 = op->fd2 = op->fd3 = -1;
    op->fd_from = op->from0 = op->from1 = op->from2 = op->from3 = -1;
    op->good = op->address_length = op->control_length = -1;
    op->uid = op->gid = UNSET;
}

void generate_begin(struct generator *g, uint64_t seed, int uid, uint32_t features)
{
    memset(g, 0, sizeof(*g));
    g->random = seed * 0xd1342543de82ef95u + 1;
    g->features = features;
    g->profile = (int)below(g, PROFILES);
    g->limit = OPERATIONS_MIN + (int)below(g, OPERATIONS_SPREAD);
    g->touched = -1;
    model_begin(&g->model, uid);
}

static bool category_allowed(const struct generator *g, int category)
{
    static const uint32_t needs[CATEGORIES] = {
        [OOB] = FEATURE_OOB, [EP_MAKE] = FEATURE_EPOLL, [EP_CTL] = FEATURE_EPOLL, [EP_WAIT] = FEATURE_EPOLL,
        [PIDFD] = FEATURE_EPOLL_SHARED, [TIMER] = FEATURE_EPOLL_SHARED, [PATH] = FEATURE_PATHS, [SPLICE] = FEATURE_SPLICE, [PAUSE] = FEATURE_TIMED, [OPEN] = FEATURE_FILES};
    return (g->features & needs[category]) == needs[category];
}

static int choose_category(struct generator *g)
{
    unsigned weights[CATEGORIES], total = 0;
    const struct profile *profile = &profiles[g->profile];
    for (int i = 0; i < CATEGORIES; i++)
        weights[i] = category_allowed(g, i) ? weight[i] : 0;
    for (int i = 0; i < PROFILE_MORE; i++)
        weights[profile->more[i]] *= 8;
    if (g->model.objects < FEW_OBJECTS) {
        weights[MAKE] *= 20;
        weights[PAIR] *= 20;
    }
    for (int i = 0; i < CATEGORIES; i++)
        total += weights[i];
    int choice = 0;
    for (unsigned at = below(g, total); at >= weights[choice]; choice++)
        at -= weights[choice];
    return choice;
}

static int choose_worker(struct generator *g)
{
    int idle = model_idle(&g->model), choice;
    if (!idle)
        return -1;
    if (g->last.id && chance(g, 50) && g->model.worker[g->last.worker].alive && !g->model.worker[g->last.worker].busy)
        return g->last.worker;
    choice = (int)below(g, (unsigned)idle);
    for (int worker = 0; worker < WORKERS_MAX; worker++)
        if (g->model.worker[worker].alive && !g->model.worker[worker].busy && choice-- == 0)
            return worker;
    return -1;
}

/* Longer than any time limit; than any timer when one runs, so that it is never doubtful whether that is over. */
int wait_length(const struct generator *g)
{
    return model_timer_pending(&g->model) ? TIMER_SECONDS * 1500 : 5000;
}

/* Somebody has waited with a time limit for long enough: let it pass. */
static bool is_time_to_wait(const struct generator *g)
{
    for (int i = 0; i < WORKERS_MAX; i++) {
        const struct model_worker *worker = &g->model.worker[i];
        bool timed = worker->op.timeout_ms > 0 || g->model.object[worker->object].timed;
        if (worker->busy && timed && g->done - worker->since > TIMED_PATIENCE)
            return true;
    }
    return false;
}

/* Looks at what the last operation changed, in every way that there is. */
static bool look_again(struct generator *g, struct op *op)
{
    if (g->touched < 0 || !chance(g, 35))
        return false;
    op_clear(op, OP_POLL);
    op->fd0 = g->touched;
    op->mask0 = 0x20cf | 0x300; /* all of them, POLLMSG too */
    op->count = 1;
    g->touched = -1;
    return process_of(g, op) == g->touched_process;
}

static void origins_add(struct generator *g, struct op *op)
{
    const struct model_process *process = &g->model.process[process_of(g, op)];
    int32_t *const fds[] = {&op->fd, &op->fd0, &op->fd1, &op->fd2, &op->fd3};
    int32_t *const from[] = {&op->fd_from, &op->from0, &op->from1, &op->from2, &op->from3};
    for (int i = 0; i < 5; i++)
        *from[i] = *fds[i] >= 0 && *fds[i] < FDS && process->fd[*fds[i]] ? process->from[*fds[i]] : -1;
}

static bool repeat_last(struct generator *g, struct op *op)
{
    if (g->repeat == 0 || !g->model.worker[g->last.worker].alive || g->model.worker[g->last.worker].busy)
        return false;
    int32_t id = op->id;
    g->repeat--;
    *op = g->last;
    op->id = id;
    struct object *object = object_of(g, op);
    return object->kind && (may_block(g, op, object) || op->flags & MSG_DONTWAIT || object->nonblocking);
}

bool generate_next(struct generator *g, struct op *op)
{
    memset(op, 0, sizeof(*op));
    if (g->done >= g->limit)
        return false;
    op->id = ++g->done;
    if (repeat_last(g, op))
        return true;
    g->repeat = 0;
    op->worker = choose_worker(g);
    if (op->worker < 0 || is_time_to_wait(g)) {
        bool nobody = op->worker < 0;
        op->worker = 0;
        op_clear(op, OP_WAIT);
        op->timeout_ms = wait_length(g);
        return !nobody;
    }
    if (look_again(g, op)) {
        origins_add(g, op);
        return true;
    }
    for (int tries = 0; tries < 200; tries++) {
        int category = choose_category(g);
        op_clear(op, 0);
        if (!fillers[category](g, op))
            continue;
        /* On Linux this one spins when all that is there stands behind an out-of-band byte. */
        if (op->kind >= OP_RECVFROM && op->kind <= OP_RECVMMSG && op->flags & MSG_PEEK && !op->length0 && !op->length1)
            op->flags |= MSG_DONTWAIT;
        origins_add(g, op);
        bool sends = op->kind >= OP_WRITE && op->kind <= OP_RECVMMSG;
        if ((sends || op->kind == OP_CONNECT) && chance(g, profiles[g->profile].repeat))
            g->repeat = 1 + (int)below(g, 12);
        return true;
    }
    return false;
}

void generate_learn(struct generator *g, const struct op *op, const struct step *step)
{
    g->last = *op;
    g->touched = op->kind == OP_POLL || op->kind == OP_CLOSE ? -1 : op->fd;
    g->touched_process = g->model.worker[op->worker].process;
    const struct object *object = model_object(&g->model, g->touched_process, op->fd);
    if (object->peer && chance(g, 50)) /* or at its peer, from wherever that is */
        for (int fd = 0; fd < FDS; fd++)
            if (g->model.process[g->touched_process].fd[fd] == object->peer)
                g->touched = fd;
    model_learn(&g->model, op, step);
}
