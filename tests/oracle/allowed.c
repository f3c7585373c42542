/*
 * Differences from Linux that are known: each a predicate, a reason, a ceiling in differences per
 * million operations. SPDX-License-Identifier: MIT
 *
 * After one that `ends`, the two worlds differ and the rest of the program would say nothing.
 */
#include <errno.h>
#include <sys/socket.h>

#include "drive.h"

enum { MILLION = 1000000, SMALL = 10 /* so many are never too many */ };

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

static bool both_fail(const struct case_of *c)
{
    const struct result *a = own(c->expected, c->op->worker), *b = own(c->found, c->op->worker);
    return a && b && a->ret < 0 && b->ret < 0 && c->expected->events == c->found->events;
}

static bool is_send(const struct op *op)
{
    return op->kind >= OP_WRITE && op->kind <= OP_SENDMMSG;
}

static bool send_errors(const struct case_of *c)
{
    return is_send(c->op) && both_fail(c);
}

static bool receive_errors(const struct case_of *c)
{
    return c->op->kind >= OP_READ && c->op->kind <= OP_RECVMMSG && both_fail(c);
}

static bool name_errors(const struct case_of *c)
{
    return (c->op->kind == OP_BIND || c->op->kind == OP_CONNECT) && both_fail(c);
}

static bool make_errors(const struct case_of *c)
{
    return (c->op->kind == OP_SOCKET || c->op->kind == OP_SOCKETPAIR) && both_fail(c);
}

static bool option_errors(const struct case_of *c)
{
    return (c->op->kind == OP_GETSOCKOPT || c->op->kind == OP_SETSOCKOPT) && both_fail(c);
}

/* Somebody's blocked send ended otherwise. */
static bool blocked_send(const struct case_of *c)
{
    for (int i = 0; i < c->expected->events; i++) {
        const struct event *event = &c->expected->event[i];
        if (event->worker < WORKERS_MAX && event->worker != c->op->worker && event->result.ret < 0 &&
            is_send(&c->model->worker[event->worker].op))
            return true;
    }
    return false;
}

/* Only poll, select and epoll that were blocked on what is closed now differ. */
static bool closed_while_polled(const struct case_of *c)
{
    bool polled = false;
    if (c->op->kind != OP_CLOSE && c->op->kind != OP_DUP2 && c->op->kind != OP_DUP3)
        return false;
    for (int i = 0; i < WORKERS_MAX; i++)
        polled |= c->model->worker[i].busy && c->model->worker[i].op.kind >= OP_POLL &&
                  c->model->worker[i].op.kind <= OP_EPOLL_WAIT;
    return polled;
}

/* Linux let a blocked send go on because something else woke it: it waits on the socket's one queue
 * until a quarter is free, but takes any room it finds when it is woken. */
static bool woken_by_chance(const struct case_of *c)
{
    for (int i = 0; i < c->expected->events; i++) {
        const struct event *event = &c->expected->event[i];
        if (event->worker < WORKERS_MAX && event->worker != c->op->worker && event->result.ret > 0 &&
            is_send(&c->model->worker[event->worker].op) && !own(c->found, event->worker))
            return true;
    }
    return false;
}

static bool cut_send(const struct case_of *c)
{
    for (int i = 0; i < c->expected->events; i++) {
        const struct event *event = &c->expected->event[i];
        const struct result *other = own(c->found, event->worker);
        if (event->worker < WORKERS_MAX && event->worker != c->op->worker && event->result.ret > 0 && other &&
            other->ret == -EPIPE && is_send(&c->model->worker[event->worker].op))
            return true;
    }
    return false;
}

static bool nonblocking_meanwhile(const struct case_of *c)
{
    for (int i = 0; i < c->found->events; i++) {
        const struct event *event = &c->found->event[i];
        if (event->worker < WORKERS_MAX && event->worker != c->op->worker && event->result.ret == -EAGAIN &&
            !own(c->expected, event->worker))
            return true;
    }
    return false;
}

static bool listener_at_mark(const struct case_of *c)
{
    return c->op->kind == OP_IOCTL && c->op->value == 0x8905;
}

static bool async_of_other(const struct case_of *c)
{
    return c->op->kind == OP_IOCTL && c->op->value == 0x5452;
}

static bool rights_with_nothing(const struct case_of *c)
{
    const struct result *a = own(c->expected, c->op->worker), *b = own(c->found, c->op->worker);
    return c->op->kind == OP_SENDMSG && c->op->control & C_RIGHTS && a && b && a->ret == 0 && b->ret == -ETOOMANYREFS;
}

static bool epoll_answers(const struct case_of *c)
{
    bool waits = c->op->kind == OP_EPOLL_WAIT || c->op->kind == OP_EPOLL_CTL;
    for (int i = 0; i < WORKERS_MAX; i++)
        waits |= c->model->worker[i].busy && c->model->worker[i].op.kind == OP_EPOLL_WAIT;
    return waits;
}

static bool error_bit(const struct case_of *c)
{
    const struct result *a = own(c->expected, c->op->worker), *b = own(c->found, c->op->worker);
    return c->op->kind == OP_POLL && a && b && a->count && (a->out[0] ^ b->out[0]) == 8;
}

static bool timed_elsewhere(const struct case_of *c)
{
    bool timed = c->model->object[c->model->process[0].fd[0]].timed;
    for (int i = 0; i < WORKERS_MAX; i++)
        timed |= c->model->worker[i].busy && c->model->object[c->model->worker[i].object].timed;
    return timed;
}

static struct allowed {
    const char *name, *why;
    bool (*is)(const struct case_of *c);
    bool ends;
    unsigned per_million;
    uint64_t hits;
} allowed[] = {
    {"send-errors", "a send with two things wrong reports the other", send_errors, false, 400, 0},
    {"receive-errors", "a read with two things wrong reports the other", receive_errors, false, 60, 0},
    {"name-errors", "bind and connect with two things wrong report the other", name_errors, false, 600, 0},
    {"make-errors", "socket and socketpair with two things wrong report the other", make_errors, false, 60, 0},
    {"option-errors", "options with two things wrong report the other", option_errors, false, 100, 0},
    {"blocked-send", "a blocked send that a shutdown or a reset ends: EPIPE for ECONNRESET, SIGPIPE where Linux has none",
     blocked_send, true, 120, 0},
    {"closed-while-polled", "a descriptor closed by another thread ends a poll with POLLNVAL; Linux goes on waiting",
     closed_while_polled, true, 120, 0},
    {"cut-send", "a blocked send that had sent something answers EPIPE when the peer goes; Linux the count", cut_send, true, 50, 0},
    {"woken-by-chance", "Linux's blocked sender goes on when anything wakes it, with less than a quarter free",
     woken_by_chance, true, 120, 0},
    {"nonblocking-meanwhile", "a blocked call that is woken sees O_NONBLOCK set since it began; Linux looked once",
     nonblocking_meanwhile, true, 60, 0},
    {"listener-at-mark", "SIOCATMARK on a listener with a client waiting is 1 on Linux", listener_at_mark, false, 60, 0},
    {"async-of-other", "FIOASYNC on what cannot signal is ENOTTY on Linux", async_of_other, false, 60, 0},
    {"rights-with-nothing", "a STREAM send of no bytes drops its descriptors on Linux without counting them",
     rights_with_nothing, false, 60, 0},
    {"epoll", "order and edges of epoll: being made exact", epoll_answers, true, 200, 0},
    {"error-bit", "POLLERR stays until somebody reads the error", error_bit, true, 60, 0},
    {"timed-elsewhere", "SO_RCVTIMEO and SO_SNDTIMEO that another process set are not looked at", timed_elsewhere, true, 60, 0},
};
enum { ALLOWED = sizeof(allowed) / sizeof(allowed[0]) };

enum verdict allowed_judge(const struct model *model, const struct op *op, const struct step *expected,
                           const struct step *found)
{
    const struct case_of c = {model, op, expected, found};
    for (int i = 0; i < ALLOWED; i++)
        if (allowed[i].is(&c)) {
            allowed[i].hits++;
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
