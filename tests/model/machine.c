/*
 * Steps of the machine: prepare registers, enter the kernel, look, forget what does not matter.
 * SPDX-License-Identifier: MIT
 */
#include "machine.h"
#include "arch/arch.h"
#include "ipc/fastpath.h"
#include "ipc/ipc.h"
#include "platform.h"
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

static bool tracing;

/* ---- a step ---------------------------------------------------------------------------------- */

static sigjmp_buf escape;
static volatile bool inside; /* the kernel */
enum { HALTED = 1, CRASHED = 2 };

void model_crash(const char *what)
{
    if (tracing)
        printf("    the kernel stops: %s\n", what);
    siglongjmp(escape, CRASHED);
}
void model_halt(void) { siglongjmp(escape, HALTED); }
static void crashed(int signal)
{
    (void)signal;
    model_crash("it touches memory that is not there");
}

/* Twice in the same step: a second of processor time, where a microsecond is usual. */
static unsigned steps_made, steps_seen;
static void looks(int signal)
{
    (void)signal;
    if (steps_seen == steps_made && inside)
        model_crash("it does not come back");
    steps_seen = steps_made;
}

void step_guard(void)
{
    static uint8_t crash_stack[1 << 16];
    tracing = getenv("MODEL_TRACE");
    sigaltstack(&(stack_t){.ss_sp = crash_stack, .ss_size = sizeof(crash_stack)}, NULL);
    struct sigaction action = {.sa_handler = crashed, .sa_flags = SA_NODEFER | SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    action.sa_handler = looks;
    action.sa_flags |= SA_RESTART;
    sigaction(SIGVTALRM, &action, NULL);
    setitimer(ITIMER_VIRTUAL, &(struct itimerval){{.tv_sec = 1}, {.tv_sec = 1}}, NULL);
}

bool model_runs(unsigned thread)
{
    const struct tcb *tcb = &machine.thread[thread];
    return leaf[SLOT_THREAD + thread].type != AR_NULL && tcb->state == AR_THREAD_READY &&
           !tcb->suspended;
}

static void print_state(void)
{
    static const char *const names[] = {"inactive", "ready", "calls",  "awaits reply",
                                        "receives", "waits", "faults", "?"};
    for (unsigned i = 0; i < THREADS; i++) {
        bool there = leaf[SLOT_THREAD + i].type != AR_NULL;
        printf("%s%c %s%s", i ? ", " : "    ", 'A' + i,
               there ? names[machine.thread[i].state & 7] : "is gone",
               there && machine.thread[i].suspended ? " (suspended)" : "");
    }
    printf("\n");
}

/* Has the system call set rip back onto itself? */
static void note_again(void)
{
    for (unsigned i = 0; i < THREADS; i++)
        history.thread[i].again = leaf[SLOT_THREAD + i].type != AR_NULL &&
                                  machine.thread[i].regs.rip != RIP;
}

/* After the kernel: judge, forget, number. */
static void end_step(int way)
{
    inside = false;
    steps_made++;
    if (way == CRASHED) {
        holds.no_crash = false;
        store_forget();
        return;
    }
    note_again();
    history_after();
    step_poison();
    properties_check();
    if (tracing)
        print_state();
    if (!holds.one_queue || !holds.no_dangling || !holds.ready_runs) {
        store_forget();
        return; /* normalise would trust the queues */
    }
    step_normalise();
    store_save();
}

static void open_step(void)
{
    store_load();
    history_before();
}

static void begin_step(unsigned thread, enum event event, unsigned object)
{
    inside = true;
    step.event = event;
    step.actor = thread;
    step.object = object;
    if (thread == NOTHING)
        return;
    /* time slices end until it is this thread's turn (may.run: it has the current priority) */
    for (unsigned i = 0; i < THREADS && core.current != &machine.thread[thread]; i++)
        sched_yield();
}

/* What entry.asm does with the system calls that have a fast path. */
static bool fast_path(const struct ar_regs *regs)
{
    model_live = *regs;
    switch (regs->rax) {
    case AR_SYS_CALL:
        return fast_call(regs->rdi, regs->rsi);
    case AR_SYS_REPLY_RECV:
        return fast_reply_receive(regs->rdi, regs->rsi);
    case AR_SYS_RECV:
        return fast_receive(regs->rdi);
    case AR_SYS_SIGNAL:
        return fast_signal(regs->rdi);
    case AR_SYS_INVOKE:
        return fast_delete(regs->rdi, regs->rsi, regs->rdx);
    default:
        return false;
    }
}

/* `in` NULL: those that the thread has. */
static void enter(const struct ar_regs *in, enum event event, unsigned thread, unsigned object)
{
    int way = sigsetjmp(escape, 0);
    if (!way) {
        begin_step(thread, event, object);
        struct ar_regs *regs = &core.current->regs;
        uint64_t flags = regs->rflags;
        if (in)
            *regs = *in;
        regs->rflags = flags;
        regs->rip = RIP;
        core.current->full_restore = 0; /* entry.asm */
        if (!fast_path(regs))
            syscall_handle();
    }
    end_step(way);
}

static void trace(unsigned thread, const char *what, unsigned object, enum until until)
{
    static const char *const untils[] = {"", ", poll", ", deadline before all",
                                         ", deadline between", ", deadline after all"};
    if (tracing && thread == NOTHING)
        printf("interrupt: %s\n", what);
    else if (tracing && object == NOTHING)
        printf("%c: %s%s\n", 'A' + thread, what, untils[until]);
    else if (tracing)
        printf("%c: %s %u%s\n", 'A' + thread, what, object, untils[until]);
}

static uint64_t deadline_of(enum until until)
{
    static const uint64_t times[] = {AR_NO_DEADLINE, 0, 5, 15, 1000};
    return times[until];
}

/* Note in the history what the thread sets out to do. */
static void sets_out(unsigned thread, enum doing doing, unsigned endpoint, unsigned gate,
                     unsigned reply, enum until until, bool moving)
{
    history.thread[thread] = (struct thread_history){.doing = (uint8_t)doing,
                                                     .endpoint = (uint8_t)endpoint,
                                                     .gate = (uint8_t)gate,
                                                     .reply = (uint8_t)reply,
                                                     .deadline = until != FOREVER,
                                                     .moving = moving};
}

/* ---- what threads do ------------------------------------------------------------------------- */

void model_call(unsigned thread, unsigned gate, enum until until, bool moving)
{
    open_step();
    trace(thread, moving ? "calls, moving copy 1, gate" : "calls gate", gate, until);
    sets_out(thread, CALLING, home_of(gate), gate, NOTHING, until, moving);
    enter(&(struct ar_regs){.rax = until == FOREVER ? AR_SYS_CALL : AR_SYS_CALL_UNTIL,
                            .rdi = SLOT_COPY + gate,
                            .rsi = AR_INFO(AR_LABEL_USER, 1, moving, 0, 0),
                            .rdx = CALL_WORD + thread,
                            .r13 = deadline_of(until)},
          OTHER, thread, NOTHING);
}

void model_call_original(unsigned thread, unsigned gate)
{
    open_step();
    trace(thread, "calls through the original of gate", gate, FOREVER);
    sets_out(thread, CALLING, home_of(gate), gate, NOTHING, FOREVER, false);
    enter(&(struct ar_regs){.rax = AR_SYS_CALL,
                            .rdi = SLOT_GATE + gate,
                            .rsi = AR_INFO(AR_LABEL_USER, 1, 0, 0, 0),
                            .rdx = CALL_WORD + thread},
          OTHER, thread, NOTHING);
}

void model_receive(unsigned thread, unsigned endpoint, unsigned reply, enum until until)
{
    open_step();
    trace(thread, "receives on endpoint", endpoint, until);
    sets_out(thread, RECEIVING, endpoint, NOTHING, reply, until, false);
    enter(&(struct ar_regs){.rax = AR_SYS_RECV,
                            .rdi = SLOT_ENDPOINT + endpoint,
                            .r12 = SLOT_REPLY + reply,
                            .r13 = deadline_of(until)},
          OTHER, thread, NOTHING);
}

void model_reply(unsigned thread, unsigned reply)
{
    open_step();
    trace(thread, "replies through", reply, FOREVER);
    enter(&(struct ar_regs){.rax = AR_SYS_REPLY,
                            .rdi = SLOT_REPLY + reply,
                            .rsi = AR_INFO(AR_LABEL_USER, 1, 0, 0, 0),
                            .rdx = REPLY_WORD + thread},
          REPLYING, thread, reply);
}

void model_reply_receive(unsigned thread, unsigned reply, unsigned endpoint, enum until until)
{
    open_step();
    trace(thread, "replies and receives on endpoint", endpoint, until);
    sets_out(thread, RECEIVING, endpoint, NOTHING, reply, until, false);
    enter(&(struct ar_regs){.rax = AR_SYS_REPLY_RECV,
                            .rdi = SLOT_ENDPOINT + endpoint,
                            .rsi = AR_INFO(AR_LABEL_USER, 1, 0, 0, 0),
                            .rdx = REPLY_WORD + thread,
                            .r12 = SLOT_REPLY + reply,
                            .r13 = deadline_of(until)},
          REPLYING, thread, reply);
}

void model_signal(unsigned thread)
{
    open_step();
    trace(thread, "signals", NOTHING, FOREVER);
    history.bits = leaf[SLOT_NOTIFICATION].type != AR_NULL;
    enter(&(struct ar_regs){.rax = AR_SYS_SIGNAL, .rdi = SLOT_NOTIFICATION, .rdx = 1}, OTHER,
          thread, NOTHING);
}

void model_wait(unsigned thread, enum until until)
{
    open_step();
    trace(thread, "waits for the notification", NOTHING, until);
    sets_out(thread, WAITING, NOTHING, NOTHING, NOTHING, until, false);
    enter(&(struct ar_regs){.rax = AR_SYS_WAIT,
                            .rdi = SLOT_NOTIFICATION,
                            .r13 = deadline_of(until)},
          OTHER, thread, NOTHING);
}

void model_go_on(unsigned thread)
{
    open_step();
    trace(thread, "goes on", NOTHING, FOREVER);
    enter(NULL, OTHER, thread, NOTHING);
}

static void invoke(unsigned thread, unsigned target, enum ar_invocation label, uint64_t w0,
                   uint64_t w1, uint64_t w2, uint64_t w3, enum event event, unsigned object)
{
    enter(&(struct ar_regs){.rax = AR_SYS_INVOKE,
                            .rdi = target,
                            .rsi = AR_INFO(label, 4, 0, 0, 0),
                            .rdx = w0,
                            .r10 = w1,
                            .r8 = w2,
                            .r9 = w3},
          event, thread, object);
}

void model_cancel(unsigned thread, unsigned other)
{
    open_step();
    trace(thread, "cancels thread", other, FOREVER);
    invoke(thread, SLOT_THREAD + other, AR_TCB_CANCEL, 0, 0, 0, 0, CANCELLING, other);
}

void model_suspend(unsigned thread, unsigned other)
{
    open_step();
    trace(thread, "suspends thread", other, FOREVER);
    invoke(thread, SLOT_THREAD + other, AR_TCB_SUSPEND, 0, 0, 0, 0, OTHER, other);
}

void model_resume(unsigned thread, unsigned other)
{
    open_step();
    trace(thread, "resumes thread", other, FOREVER);
    invoke(thread, SLOT_THREAD + other, AR_TCB_RESUME, 0, 0, 0, 0, OTHER, other);
}

void model_bind(unsigned thread, unsigned other, bool bind)
{
    open_step();
    trace(thread, bind ? "binds the notification to thread" : "unbinds thread", other, FOREVER);
    invoke(thread, SLOT_THREAD + other, AR_TCB_BIND_NOTIFICATION, bind ? SLOT_NOTIFICATION : 0, 0,
           0, 0, OTHER, other);
}

void model_delete(unsigned thread, unsigned slot)
{
    open_step();
    trace(thread, "deletes slot", slot, FOREVER);
    invoke(thread, AR_CAP_SELF, AR_CNODE_DELETE, slot, 0, 0, 0, OTHER, slot);
}

void model_copy(unsigned thread, unsigned gate)
{
    open_step();
    trace(thread, "copies gate", gate, FOREVER);
    invoke(thread, AR_CAP_SELF, AR_CNODE_COPY, SLOT_COPY + gate, AR_CAP_SELF, SLOT_GATE + gate,
           AR_SEND, OTHER, gate);
}

void model_take(unsigned thread)
{
    open_step();
    trace(thread, "takes what arrived", NOTHING, FOREVER);
    invoke(thread, AR_CAP_SELF, AR_CNODE_MOVE, SLOT_COPY + 1, AR_CAP_SELF, SLOT_WINDOW, 0, OTHER,
           NOTHING);
}

/* ---- what is not a system call --------------------------------------------------------------- */

/* The way out of an interrupt: back to the idle loop, or to whoever is best now. */
static void leave(void)
{
    core.idle = 0;
    sched_pick();
}

void model_fault(unsigned thread)
{
    open_step();
    trace(thread, "faults", NOTHING, FOREVER);
    int way = sigsetjmp(escape, 0);
    if (!way) {
        const uint64_t words[FAULT_WORDS] = {FAULT_WORD + thread};
        begin_step(thread, OTHER, NOTHING);
        core.current->full_restore = 1;
        if (ipc_fault(core.current, words))
            sets_out(thread, FAULTING, 1, 2, NOTHING, FOREVER, false);
        else /* interrupts.c */
            core.current->suspended = 1;
        leave();
    }
    end_step(way);
}

void model_expire(bool all)
{
    open_step();
    trace(NOTHING, all ? "all deadlines pass" : "the first deadline passes", NOTHING, FOREVER);
    int way = sigsetjmp(escape, 0);
    if (!way) {
        begin_step(NOTHING, EXPIRING, NOTHING);
        sched_tick(all ? 1000 : core.deadlines ? core.deadlines->deadline : 1);
        leave();
    }
    end_step(way);
}

void model_interrupt(void)
{
    open_step();
    trace(NOTHING, "a device signals", NOTHING, FOREVER);
    int way = sigsetjmp(escape, 0);
    if (!way) {
        history.bits = 1;
        begin_step(NOTHING, OTHER, NOTHING);
        notification_signal(&machine.notification, 1);
        leave();
    }
    end_step(way);
}
