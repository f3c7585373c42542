/*
 * Every way out of a blocking call: the deadline, AR_TCB_CANCEL, the end of what is waited for. And
 * priorities: their order, and the authority for them. SPDX-License-Identifier: MIT
 */
#include "native.h"

enum { LABEL = AR_LABEL_USER + 1, PRIORITY = 10, WAITERS = 5, SOON_NS = 20000000, UNSET = 999 };

/* One system call by a thread, and what came of it. */
struct waiter {
    struct native_thread thread;
    enum ar_syscall number;
    ar_cap target, reply;
    uint64_t deadline;
    volatile uint64_t error, label, word, ended;
};
static struct waiter waiters[WAITERS];
static ar_cap endpoint, reply, gate_original, gate, notification;

static void waiter_main(uint64_t argument)
{
    struct waiter *w = (struct waiter *)argument;
    struct ar_message m = {.badge = w->target, .info = AR_INFO(LABEL, 1, 0, 0, 0)};
    uint64_t error = ar_syscall(w->number, &m, w->reply, w->deadline);
    w->label = AR_INFO_LABEL(m.info);
    w->word = m.words[0];
    w->ended = ar_clock_ns();
    w->error = error;
}

static enum ar_thread_state state(const struct waiter *w)
{
    struct ar_message m;
    native_ok("info", ar_invoke(w->thread.tcb, AR_TCB_INFO, 0, 0, 0, 0, 0, &m));
    return (enum ar_thread_state)m.words[0];
}

static struct waiter *begin(unsigned i, enum ar_syscall number, ar_cap target, uint64_t deadline)
{
    struct waiter *w = &waiters[i];
    w->number = number;
    w->target = target;
    w->deadline = deadline;
    w->error = UNSET;
    if (!w->reply)
        w->reply = native_retype(AR_REPLY, 0);
    w->thread = native_thread_start(waiter_main, (uint64_t)w, PRIORITY, 0);
    return w;
}

static struct waiter *blocked(unsigned i, enum ar_syscall number, ar_cap target, uint64_t deadline,
                              enum ar_thread_state expected)
{
    struct waiter *w = begin(i, number, target, deadline);
    for (unsigned tries = 0; tries < 1000 && state(w) != expected; tries++)
        native_sleep(1000000);
    native_equal("state", state(w), expected);
    native_equal("error before the end", w->error, UNSET);
    return w;
}

static void ends(const char *what, struct waiter *w, enum ar_error error)
{
    uint64_t give_up = ar_clock_ns() + NATIVE_PATIENCE_NS;
    while (w->error == UNSET && ar_clock_ns() < give_up)
        native_sleep(1000000);
    native_equal(what, w->error, error);
    native_ok("delete", ar_cap_delete(w->thread.tcb));
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static void ends_in_time(const char *what, struct waiter *w, enum ar_error error)
{
    ends(what, w, error);
    native_check(w->ended >= w->deadline, "%s: it ended %lu ns too early", what,
                 w->deadline - w->ended);
}

static void receive(uint64_t expected)
{
    struct ar_message m = {.badge = endpoint};
    native_ok("receive", ar_syscall(AR_SYS_RECV, &m, reply, 0));
    native_equal("label of what was received", AR_INFO_LABEL(m.info), expected);
}

static enum ar_error answer(uint64_t word)
{
    struct ar_message m = {.badge = reply, .info = AR_INFO(LABEL, 1, 0, 0, 0), .words = {word}};
    return ar_syscall(AR_SYS_REPLY, &m, 0, 0);
}

static void deadlines(void)
{
    struct waiter *w = begin(0, AR_SYS_RECV, endpoint, ar_clock_ns() + SOON_NS);
    ends_in_time("RECV", w, AR_OK);
    native_equal("RECV: label", w->label, AR_LABEL_TIMEOUT);
    w = begin(0, AR_SYS_REPLY_RECV, endpoint, ar_clock_ns() + SOON_NS);
    ends_in_time("REPLY_RECV", w, AR_OK);
    native_equal("REPLY_RECV: label", w->label, AR_LABEL_TIMEOUT);
    w = begin(0, AR_SYS_WAIT, notification, ar_clock_ns() + SOON_NS);
    ends_in_time("WAIT", w, AR_ERR_TIMEOUT);
    w = begin(0, AR_SYS_CALL_UNTIL, gate, ar_clock_ns() + SOON_NS);
    ends_in_time("CALL_UNTIL that nobody receives", w, AR_ERR_TIMEOUT);
    receive(AR_LABEL_TIMEOUT); /* it is gone */

    w = blocked(0, AR_SYS_CALL_UNTIL, gate, ar_clock_ns() + 10 * SOON_NS, AR_THREAD_BLOCKED_CALL);
    receive(LABEL);
    native_equal("state", state(w), AR_THREAD_BLOCKED_REPLY);
    ends_in_time("CALL_UNTIL that nobody answers", w, AR_ERR_TIMEOUT);
    native_equal("an answer that is too late", answer(1), AR_ERR_GONE);

    w = blocked(0, AR_SYS_CALL_UNTIL, gate, ar_clock_ns() + NATIVE_PATIENCE_NS,
                AR_THREAD_BLOCKED_CALL);
    receive(LABEL);
    native_ok("answer", answer(7));
    ends("CALL_UNTIL in time", w, AR_OK);
    native_equal("the answer", w->word, 7);

    /* What is past already does not block: polls. */
    ends("RECV at 0", begin(0, AR_SYS_RECV, endpoint, 0), AR_OK);
    ends("WAIT at 0", begin(0, AR_SYS_WAIT, notification, 0), AR_ERR_TIMEOUT);
    ends("CALL_UNTIL 0", begin(0, AR_SYS_CALL_UNTIL, gate, 0), AR_ERR_TIMEOUT);
    native_ok("signal", ar_signal(notification, 6));
    ends("WAIT at 0 with bits", begin(0, AR_SYS_WAIT, notification, 0), AR_OK);
    native_equal("bits", waiters[0].word, 6);
}

/* ---- cancel ---------------------------------------------------------------------------------- */

static uint64_t cancel(const struct waiter *w)
{
    struct ar_message m;
    native_ok("cancel", ar_invoke(w->thread.tcb, AR_TCB_CANCEL, 0, 0, 0, 0, 0, &m));
    return m.words[0];
}

static void cancels(void)
{
    struct waiter *w = blocked(0, AR_SYS_RECV, endpoint, AR_NO_DEADLINE, AR_THREAD_BLOCKED_RECV);
    native_equal("cancel of RECV", cancel(w), 1);
    ends("RECV", w, AR_ERR_CANCELLED);
    w = blocked(0, AR_SYS_WAIT, notification, ar_clock_ns() + NATIVE_PATIENCE_NS,
                AR_THREAD_BLOCKED_WAIT);
    native_equal("cancel of WAIT", cancel(w), 1);
    ends("WAIT", w, AR_ERR_CANCELLED);
    w = blocked(0, AR_SYS_CALL, gate, 0, AR_THREAD_BLOCKED_CALL);
    native_equal("cancel of CALL", cancel(w), 1);
    native_equal("a second cancel", cancel(w), 0);
    ends("CALL", w, AR_ERR_CANCELLED);
    receive(AR_LABEL_TIMEOUT); /* nothing was sent */

    w = blocked(0, AR_SYS_CALL, gate, 0, AR_THREAD_BLOCKED_CALL);
    receive(LABEL);
    native_equal("cancel of a call that was received", cancel(w), 0);
    native_ok("answer", answer(8));
    ends("CALL that was received", w, AR_OK);
    native_equal("the answer", w->word, 8);
}

/* ---- the end of what is waited for ----------------------------------------------------------- */

static void all_block(enum ar_syscall number, ar_cap target, enum ar_thread_state expected)
{
    for (unsigned i = 0; i < WAITERS; i++)
        blocked(i, number, target, AR_NO_DEADLINE, expected);
}

static void all_end(const char *what)
{
    for (unsigned i = 0; i < WAITERS; i++)
        ends(what, &waiters[i], AR_ERR_GONE);
}

static void destroy(ar_cap original)
{
    native_ok("revoke", ar_invoke4(AR_CAP_SELF, AR_CNODE_REVOKE, original, 0, 0, 0));
    native_ok("delete", ar_cap_delete(original));
}

static void make(void)
{
    endpoint = native_retype(AR_ENDPOINT, 0);
    gate_original = native_gate(endpoint, 5);
    gate = native_copy(gate_original, AR_SEND);
    notification = native_retype(AR_NOTIFICATION, 0);
    reply = native_retype(AR_REPLY, 0);
}

static void destructions(void)
{
    all_block(AR_SYS_CALL, gate, AR_THREAD_BLOCKED_CALL);
    destroy(endpoint);
    all_end("senders of an endpoint");
    make();
    all_block(AR_SYS_CALL, gate, AR_THREAD_BLOCKED_CALL);
    destroy(gate_original);
    all_end("senders of a gate");
    receive(AR_LABEL_TIMEOUT);
    make();
    all_block(AR_SYS_RECV, endpoint, AR_THREAD_BLOCKED_RECV);
    destroy(endpoint);
    all_end("receivers");
    make();
    all_block(AR_SYS_WAIT, notification, AR_THREAD_BLOCKED_WAIT);
    destroy(notification);
    all_end("waiters");
    make();
    struct waiter *w = blocked(0, AR_SYS_CALL, gate, 0, AR_THREAD_BLOCKED_CALL);
    receive(LABEL);
    destroy(reply);
    ends("a caller whose reply object is gone", w, AR_ERR_GONE);
    make();
    w = blocked(0, AR_SYS_RECV, endpoint, AR_NO_DEADLINE, AR_THREAD_BLOCKED_RECV);
    destroy(w->reply);
    w->reply = 0;
    ends("a receiver whose reply object is gone", w, AR_ERR_GONE);
}

/* ---- priorities ------------------------------------------------------------------------------ */

static volatile uint64_t order, outcomes[4];

static void in_order(uint64_t number)
{
    order = order * 10 + number;
}

static void authority(uint64_t tcb)
{
    outcomes[0] = ar_invoke4((ar_cap)tcb, AR_TCB_SET_PRIORITY, PRIORITY + 1, 0, 0, 0);
    outcomes[1] = ar_invoke4((ar_cap)tcb, AR_TCB_SET_PRIORITY, AR_PRIORITY_MAX + 1, 0, 0, 0);
    outcomes[2] = ar_invoke4((ar_cap)tcb, AR_TCB_SET_PRIORITY, 1ull << 32, 0, 0, 0);
    outcomes[3] = ar_invoke4((ar_cap)tcb, AR_TCB_SET_PRIORITY, PRIORITY, 0, 0, 0);
    order = 1;
}

static void order_reaches(uint64_t number)
{
    uint64_t give_up = ar_clock_ns() + NATIVE_PATIENCE_NS;
    while (order < number && ar_clock_ns() < give_up)
        native_sleep(1000000);
}

static void priorities(void)
{
    struct native_thread other = native_thread_make(&(struct native_thread_plan){0});
    native_thread_start(authority, other.tcb, PRIORITY, 0);
    order_reaches(1);
    native_equal("a priority above one's own", outcomes[0], AR_ERR_RIGHTS);
    native_refused("a priority above all", outcomes[1]);
    native_refused("a priority that wraps", outcomes[2]);
    native_equal("one's own priority", outcomes[3], AR_OK);

    order = 0;
    native_thread_start(in_order, 4, 2, 0);
    native_thread_start(in_order, 3, 5, 0);
    native_thread_start(in_order, 1, 40, 0);
    native_thread_start(in_order, 2, 20, 0);
    order_reaches(1000);
    native_equal("the order in which they ran", order, 1234);
}

/* ---- idle ------------------------------------------------------------------------------------ */

/* Nobody runs, nobody's time grows; with --icount five minutes pass within the run's time-out only
 * if the processor halts. */
static void idle(void)
{
    enum { OWN_US = 200 }; /* for the timer's interrupts that find init current, and our own calls */
    struct ar_message before, after;
    uint64_t start = ar_clock_ns(), sleep = native_parameter("idle_s", 1) * 1000000000;
    native_ok("info", ar_invoke(AR_INIT_TCB, AR_TCB_INFO, 0, 0, 0, 0, 0, &before));
    native_sleep(sleep);
    native_ok("info", ar_invoke(AR_INIT_TCB, AR_TCB_INFO, 0, 0, 0, 0, 0, &after));
    native_check(ar_clock_ns() - start >= sleep, "the sleep was too short");
    if (native_parameter("icount", 0))
        native_check(after.words[1] - before.words[1] < OWN_US * 1000,
                     "while idle our processor time grew by %lu ns",
                     after.words[1] - before.words[1]);
}

void native_main(const struct ar_boot_info *boot)
{
    (void)boot;
    make();
    deadlines();
    cancels();
    destructions();
    priorities();
    idle();
}
