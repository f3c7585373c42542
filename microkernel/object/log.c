/*
 * The system log: what user space writes to it, and the list of all threads.
 * SPDX-License-Identifier: MIT
 *
 * A serial line is slow, so nobody waits for it with interrupts off: text goes into a ring in
 * memory at once, whole lines that nothing comes between, and from there to the line a few bytes an
 * entry (arch/x86_64/log.c). A writer's system call restarts until its text is out; what the kernel
 * writes itself, the timer takes out.
 */
#include "arch/arch.h"
#include "object/acts.h"
#include "object/log.h"
#include "sched/sched.h"

enum { LINE_MAX = 256 /* bytes of a thread's line, at most */ };

/* Word 1 remembers up to where the log must have been written. */
enum ar_error log_message(struct invocation *call)
{
    unsigned length = (unsigned)call->words[0];
    if (!length)
        return AR_OK;
    if (!call->words[1]) {
        if (!log_room(length)) {
            log_drain(log_end());
            return KERNEL_AGAIN;
        }
        log_write(message_bytes(call), length);
        call->words[1] = log_end();
    }
    return log_drain(call->words[1]) ? AR_OK : KERNEL_AGAIN;
}

/* ---- the list of threads --------------------------------------------------------------------- */

static const char *state_name(unsigned state)
{
    static const char *const names[] = {"inactive",   "ready",   "in call", "waits for reply",
                                        "in receive", "in wait", "in fault"};
    return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

/* A thread's number, good while it lives: its page. Looking a name up would take as long as there
 * are threads; the tools that show the list do it. */
static uint64_t number(const struct tcb *tcb)
{
    return tcb ? arch_physical(tcb) >> AR_TCB_BITS : 0;
}

static void line_print(const struct tcb *tcb)
{
    const struct tcb *server = NULL; /* who would have to act; may be gone, so only its number */
    bool waits = tcb->state == AR_THREAD_BLOCKED_CALL || tcb->state == AR_THREAD_BLOCKED_REPLY ||
                 tcb->state == AR_THREAD_BLOCKED_FAULT;
    if (waits && tcb->waiting_on)
        server = tcb->waiting_on->server;
    else if (waits && tcb->reply)
        server = tcb->reply->server;
    log_printf("  #%lx %s principal %lx: %s%s%s%lx, rip %lx, deadline %s, %lu us of processor time",
               number(tcb), tcb->name, tcb->principal, state_name(tcb->state),
               tcb->suspended ? " (suspended)" : "", waits ? " on #" : ", priority 0x",
               waits ? number(server) : tcb->priority, tcb->regs.rip,
               tcb->deadline == AR_NO_DEADLINE ? "none" : "set",
               arch_cycles_to_ns(sched_cycles(tcb)) / 1000);
}

void log_list_start(void)
{
    if (core.listing)
        return;
    log_printf("threads, and what each waits for:");
    core.listing = true;
    core.listed = core.all_threads;
}

bool log_list_step(void)
{
    if (!core.listing)
        return true;
    if (!log_room(LINE_MAX))
        return false;
    if (core.listed) {
        line_print(core.listed);
        core.listed = core.listed->all_next;
        return false;
    }
    log_printf("end of threads");
    core.listing = false;
    return true;
}

/* Word 0: 1 when the list was started. Word 1 as above. A list that goes on already will do. */
enum ar_error log_all_threads(struct invocation *call)
{
    if (!call->words[0]) {
        log_list_start();
        call->words[0] = 1;
        return KERNEL_AGAIN;
    }
    if (!call->words[1]) {
        if (log_list_step())
            call->words[1] = log_end();
        log_drain(log_end());
        return KERNEL_AGAIN;
    }
    return log_drain(call->words[1]) ? AR_OK : KERNEL_AGAIN;
}

enum ar_error log_measures(struct invocation *call)
{
    if (!arch_measures(call->words))
        return invocation_fail(call, AR_ERR_LABEL, AR_ARG_TARGET, AR_NULL, AR_LOG);

    call->result_words = 3;
    return AR_OK;
}
