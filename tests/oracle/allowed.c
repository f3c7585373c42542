/*
 * Differences from Linux that are known: each a predicate, a reason, a ceiling in differences per
 * million operations. SPDX-License-Identifier: MIT
 *
 * After one that `ends`, the two worlds differ and the rest of the program would say nothing.
 */
#include <errno.h>
#include <sys/socket.h>

#include "drive.h"

enum { MILLION = 1000000, SMALL = 3 /* so many are never too many */ };

struct case_of {
    const struct model *model;
    const struct op *op;
    const struct step *expected, *found;
};

static const struct result *own(const struct step *step, int worker)
{
    for (int i = 0; i < step->events; i++)
        if (step->event[i].worker == worker)
            return &step->event[i].result;
    return 0;
}

static bool is_send(int kind)
{
    return kind >= OP_WRITE && kind <= OP_SENDMMSG;
}

static const struct object *object_at(const struct case_of *c, int process, int fd)
{
    return &c->model->object[fd >= 0 && fd < FDS ? c->model->process[process].fd[fd] : 0];
}

static bool process_has(const struct case_of *c, int process, int object)
{
    for (int fd = 0; fd < FDS; fd++)
        if (c->model->process[process].fd[fd] == object)
            return true;
    return false;
}

/* `is` holds for something that `op` of a process waits for or asks about, directly or in a set. */
typedef bool watched_is(const struct case_of *c, int process, const struct object *object, int added_by);

static bool set_has(const struct case_of *c, int process, const struct object *set, watched_is *is, int depth)
{
    for (int i = 0; i < set->watched && i < WATCHES; i++) {
        const struct object *object = &c->model->object[set->watches[i]];
        if (is(c, process, object, set->watched_by[i]) ||
            (object->kind == K_EPOLL && depth && set_has(c, process, object, is, depth - 1)))
            return true;
    }
    return false;
}

static bool op_watches(const struct case_of *c, const struct op *op, int process, watched_is *is)
{
    enum { DEPTH = 4 };
    const int fds[FDS_MAX] = {op->fd0, op->fd1, op->fd2, op->fd3};
    if (op->kind == OP_EPOLL_WAIT)
        return set_has(c, process, object_at(c, process, op->fd), is, DEPTH);
    for (int i = 0; (op->kind == OP_POLL || op->kind == OP_SELECT) && i < op->count && i < FDS_MAX; i++) {
        const struct object *object = object_at(c, process, fds[i]);
        if (is(c, process, object, process) || set_has(c, process, object, is, DEPTH))
            return true;
    }
    return false;
}

/* The operation itself, or one that another worker is blocked in. */
static bool somebody_watches(const struct case_of *c, watched_is *is)
{
    if (op_watches(c, c->op, c->model->worker[c->op->worker].process, is))
        return true;
    for (int i = 0; i < WORKERS_MAX; i++) {
        const struct model_worker *worker = &c->model->worker[i];
        if (worker->busy && op_watches(c, &worker->op, worker->process, is))
            return true;
    }
    return false;
}

static bool foreign_out_of_reach(const struct case_of *c, int process, const struct object *object, int added_by)
{
    int index = (int)(object - c->model->object);
    return model_foreign(object) && (!process_has(c, process, index) || !process_has(c, added_by, index));
}

/* One that is added again, and who added it first has closed it since: here its interest went with that. */
static bool foreign_forgotten(const struct case_of *c, int process)
{
    const struct object *set = object_at(c, process, c->op->fd), *target = object_at(c, process, c->op->fd0);
    int index = (int)(target - c->model->object);
    for (int i = 0; c->op->kind == OP_EPOLL_CTL && model_foreign(target) && i < set->watched && i < WATCHES; i++)
        if (set->watches[i] == index && !process_has(c, set->watched_by[i], index))
            return true;
    return false;
}

/* Also one that is being added to a set that somebody waits for. */
static bool foreign_unseen(const struct case_of *c)
{
    int process = c->model->worker[c->op->worker].process;
    bool added = c->op->kind == OP_EPOLL_CTL && model_foreign(object_at(c, process, c->op->fd0));
    for (int i = 0; i < WORKERS_MAX && added; i++) {
        const struct model_worker *worker = &c->model->worker[i];
        if (worker->busy && worker->op.kind == OP_EPOLL_WAIT &&
            &c->model->object[worker->object] == object_at(c, process, c->op->fd))
            return true;
    }
    return foreign_forgotten(c, process) || somebody_watches(c, foreign_out_of_reach);
}

/* The same events, in another order, and one of them of a foreign description. */
static bool is_foreign(const struct case_of *c, int process, const struct object *object, int added_by)
{
    (void)c, (void)process, (void)added_by;
    return model_foreign(object);
}

static bool foreign_order(const struct case_of *c)
{
    const struct result *a = own(c->expected, c->op->worker), *b = own(c->found, c->op->worker);
    if (c->op->kind != OP_EPOLL_WAIT || !a || !b || a->ret != b->ret || a->count != b->count ||
        !op_watches(c, c->op, c->model->worker[c->op->worker].process, is_foreign))
        return false;
    if (a->ret == c->op->value) /* there was room for no more: others may be among them */
        return true;
    for (int i = 0; i + 1 < a->count; i += 2) {
        bool found = false;
        for (int n = 0; n + 1 < b->count; n += 2)
            found |= a->out[i] == b->out[n] && a->out[i + 1] == b->out[n + 1];
        if (!found)
            return false;
    }
    return true;
}

static bool has_hole(const struct case_of *c, int process, const struct object *object, int added_by)
{
    (void)c, (void)process, (void)added_by;
    return object->hole;
}

static bool pipe_hole(const struct case_of *c)
{
    const struct object *object = object_at(c, c->model->worker[c->op->worker].process, c->op->fd);
    bool moves = c->op->kind == OP_READ || c->op->kind == OP_WRITE || c->op->kind == OP_WRITEV || c->op->kind == OP_IOCTL;
    return somebody_watches(c, has_hole) || (moves && (object->hole || c->model->object[object->peer].hole));
}

/* Somebody is blocked in poll or select on a number that is closed by now, or something else. */
static bool polled_number(const struct case_of *c)
{
    for (int i = 0; i < WORKERS_MAX; i++) {
        const struct model_worker *worker = &c->model->worker[i];
        const int fds[FDS_MAX] = {worker->op.fd0, worker->op.fd1, worker->op.fd2, worker->op.fd3};
        bool closes = worker->process == c->model->worker[c->op->worker].process &&
                      (c->op->kind == OP_CLOSE || c->op->kind == OP_DUP2 || c->op->kind == OP_DUP3);
        if (!worker->busy || (worker->op.kind != OP_POLL && worker->op.kind != OP_SELECT))
            continue;
        for (int n = 0; n < worker->op.count && n < FDS_MAX; n++)
            if (worker->polled[n] != object_at(c, worker->process, fds[n]) - c->model->object ||
                (closes && fds[n] == (c->op->kind == OP_CLOSE ? c->op->fd : c->op->fd0)))
                return true;
    }
    return false;
}

/* A blocked sender's receiver goes, and its queue held descriptors. */
static bool collected(const struct case_of *c)
{
    for (int i = 0; i < c->expected->events; i++) {
        const struct event *event = &c->expected->event[i];
        if (event->worker >= WORKERS_MAX || event->worker == c->op->worker)
            continue;
        const struct model_worker *worker = &c->model->worker[event->worker];
        const struct result *other = own(c->found, event->worker);
        if (is_send(worker->op.kind) && other && (other->ret > 0 || other->ret == -EPIPE) &&
            event->result.ret > 0 && event->result.ret > other->ret &&
            c->model->object[c->model->object[worker->object].peer].batches)
            return true;
    }
    return false;
}

/* Here somebody blocked in MSG_PEEK finds what arrives. On Linux it is told that the queue changed by the
 * address of the last message that it saw, and that one was freed meanwhile. */
static bool peek_sleeps(const struct case_of *c)
{
    for (int i = 0; i < c->found->events; i++) {
        int worker = c->found->event[i].worker;
        if (worker >= WORKERS_MAX || worker == c->op->worker || own(c->expected, worker))
            continue;
        const struct model_worker *peeker = &c->model->worker[worker];
        const struct object *object = &c->model->object[peeker->object];
        if (is_send(c->op->kind) && peeker->busy && peeker->op.kind >= OP_RECVFROM &&
            peeker->op.kind <= OP_RECVMMSG && peeker->op.flags & MSG_PEEK &&
            object->type == SOCK_STREAM && (object->oob || object->offset))
            return true;
    }
    return false;
}

/* A receiver of several, with MSG_WAITFORONE, that was blocked finds the first messages of a sendmmsg and
 * not yet the others: in the guest, where it may run before the sender goes on. */
static bool between_messages(const struct case_of *c)
{
    for (int i = 0; i < WORKERS_MAX && c->op->kind == OP_SENDMMSG; i++) {
        const struct model_worker *worker = &c->model->worker[i];
        const struct result *a = own(c->expected, i), *b = own(c->found, i);
        if (i != c->op->worker && worker->busy && worker->op.kind == OP_RECVMMSG &&
            worker->op.flags & MSG_WAITFORONE && a && b && a->ret > 0 && b->ret > 0 && a->ret != b->ret)
            return true;
    }
    return false;
}

/* A thread of the process is blocked in accept, or was, for which Linux has taken a number. The generator
 * sees to it that no other thread is there, but a client that was waiting may be gone. */
static bool accept_number(const struct case_of *c)
{
    for (int i = 0; i < WORKERS_MAX; i++) {
        const struct model_worker *waits = &c->model->worker[i];
        int maker = c->op->worker;
        if (!waits->busy || waits->op.kind != OP_ACCEPT)
            continue;
        const struct result *a = own(c->expected, i), *b = own(c->found, i);
        if (a && b && a->ret >= 0 && b->ret >= 0 && a->ret != b->ret)
            return true;
        a = own(c->expected, maker);
        b = own(c->found, maker);
        int32_t fds[2][2] = {{-1, -1}, {-1, -1}};
        int first = a ? result_fds(c->op, a, fds[0], 2) : 0, second = b ? result_fds(c->op, b, fds[1], 2) : 0;
        if (waits->process == c->model->worker[maker].process && first > 0 && first == second &&
            (fds[0][0] > fds[1][0] || fds[0][1] > fds[1][1]))
            return true;
    }
    return false;
}

/* The last message that RECVMMSG told of had descriptors, and the program wants no control data: the last
 * numbers are the message's flags and its address, if that is wanted. */
static bool ends_truncated(const struct op *op, const struct result *result)
{
    int flags = result->count - 1 - (op->address_length >= 0 ? 2 : 0);
    return op->control_length < 0 && flags >= 0 && flags < OUT_MAX && result->out[flags] & MSG_CTRUNC;
}

/* What a message brought and nobody wants is closed on Linux when the call ends, not before its next message. */
static bool closed_late(const struct case_of *c)
{
    const struct result *a = own(c->expected, c->op->worker), *b = own(c->found, c->op->worker);
    return c->op->kind == OP_RECVMMSG && a && b && a->ret > 0 && b->ret > a->ret &&
           (object_at(c, c->model->worker[c->op->worker].process, c->op->fd)->batches || ends_truncated(c->op, a));
}

/* A send serves one queue. When calls of two workers that were blocked in receives end with it, on Linux and
 * here together, both wait at that one, which the generator tries to avoid but does not always know. As many
 * must end here as there. */
static bool same_queue(const struct case_of *c)
{
    int receivers = 0, there = 0, here = 0;
    for (int i = 0; i < WORKERS_MAX && is_send(c->op->kind); i++) {
        const struct model_worker *worker = &c->model->worker[i];
        if (i == c->op->worker || !worker->busy || worker->op.kind < OP_READ || worker->op.kind > OP_RECVMMSG)
            continue;
        receivers += own(c->expected, i) || own(c->found, i);
        there += own(c->expected, i) != 0;
        here += own(c->found, i) != 0;
    }
    return receivers > 1 && there == here;
}

static bool peek_of_nothing(const struct case_of *c)
{
    const struct object *object = object_at(c, c->model->worker[c->op->worker].process, c->op->fd);
    return c->op->kind >= OP_RECVFROM && c->op->kind <= OP_RECVMSG && c->op->flags & MSG_PEEK &&
           c->op->length0 + c->op->length1 == 0 && (object->oob || c->model->object[object->peer].sent_oob);
}

static bool timed_elsewhere(const struct case_of *c)
{
    for (int i = 0; i < c->expected->events; i++) {
        int worker = c->expected->event[i].worker;
        if (c->op->kind != OP_WAIT || worker >= WORKERS_MAX || own(c->found, worker))
            continue;
        const struct model_worker *waits = &c->model->worker[worker];
        const struct object *object = &c->model->object[waits->object];
        bool sends = is_send(waits->op.kind) || waits->op.kind == OP_CONNECT;
        int by = object->timed_by[sends];
        if (by && by - 1 != waits->process)
            return true;
    }
    return false;
}

static struct allowed {
    const char *name, *why;
    bool (*is)(const struct case_of *c);
    bool ends;
    unsigned per_million;
    uint64_t hits;
} allowed[] = {
    {"foreign-unseen", "a set watches a pidfd or timer that this process, or by now who added it, has no descriptor of",
     foreign_unseen, true, 60, 0},
    {"foreign-order", "an event of a pidfd or timer takes its place in a set when somebody asks, not when it happens",
     foreign_order, true, 20, 0},
    {"pipe-hole", "a write to a pipe with bad memory leaves something empty in it on Linux, which polls as readable",
     pipe_hole, true, 30, 0},
    {"polled-number", "a number is closed, or another description, while another thread polls it: how that poll goes on",
     polled_number, true, 35, 0},
    {"collected", "Linux empties the queue of a socket that only rights held before it ends, and a blocked sender fills it again",
     collected, true, 8, 0},
    {"peek-sleeps", "who is blocked in MSG_PEEK sleeps on, on Linux, when a message takes the memory of the last that it saw",
     peek_sleeps, true, 6, 0},
    {"closed-late", "descriptors that recvmmsg has no room for are closed on Linux when it ends, here before its next message",
     closed_late, true, 4, 0},
    {"same-queue", "two workers wait for what one queue gets: who is served first nobody promises",
     same_queue, true, 2, 0},
    {"between-messages", "who waits for the first of a sendmmsg's messages: how many of them it finds nobody promises",
     between_messages, true, 2, 0},
    {"accept-number", "accept takes a number before it waits on Linux, afterwards here: other threads see it",
     accept_number, true, 8, 0},
    {"peek-of-nothing", "MSG_PEEK of no bytes passes over all data before an out-of-band byte on Linux, and finds none",
     peek_of_nothing, true, 12, 0},
    {"timed-elsewhere", "SO_RCVTIMEO and SO_SNDTIMEO that another process set after both shared the socket are not looked at",
     timed_elsewhere, true, 15, 0},
};
enum { ALLOWED = sizeof(allowed) / sizeof(allowed[0]) };

enum verdict allowed_judge(const struct model *model, const struct op *op, const struct step *expected,
                           const struct step *found, const char **name)
{
    const struct case_of c = {model, op, expected, found};
    for (int i = 0; i < ALLOWED; i++)
        if (allowed[i].is(&c)) {
            allowed[i].hits++;
            *name = allowed[i].name;
            return allowed[i].ends ? VERDICT_ALLOWED_END : VERDICT_ALLOWED;
        }
    return VERDICT_DIFFERENT;
}

int allowed_report(FILE *file, uint64_t operations)
{
    int above = 0;
    for (int i = 0; i < ALLOWED; i++) {
        uint64_t ceiling = SMALL + operations * allowed[i].per_million / MILLION;
        bool over = allowed[i].hits > ceiling;
        fprintf(file, "allowed: %-20s %6llu of at most %llu%s  %s\n", allowed[i].name,
                (unsigned long long)allowed[i].hits, (unsigned long long)ceiling, over ? " TOO MANY" : "", allowed[i].why);
        above += over;
    }
    return above;
}
