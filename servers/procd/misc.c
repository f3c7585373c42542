/* Timers, usage, the log, counts. SPDX-License-Identifier: MIT */
#include "procd.h"
#include "text.h"
#include <string.h>

#define LOG_LINES_PER_SECOND 20u
#define LOG_LINE_MAX 400u

/* setitimer(ITIMER_REAL). */
enum status op_timer(void *state, struct ipc_call *call, const struct proc_timer_request *request,
                     struct proc_timer_reply *reply)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    struct process *process = caller->process;
    uint64_t now = procd->machine->now_ns(procd->context);
    if (process->timer_ns) /* due but not yet delivered still counts as running */
        reply->value_ns = process->timer_ns > now ? process->timer_ns - now : 1;
    reply->interval_ns = process->timer_interval_ns;
    if (!request->set)
        return ST_OK;
    process->timer_ns = request->value_ns == 0 ? 0
        : request->value_ns < AR_NO_DEADLINE - 1 - now ? now + request->value_ns
                                                       : AR_NO_DEADLINE - 1;
    process->timer_interval_ns = request->interval_ns;
    return ST_OK;
}

uint64_t procd_deadline(void *state)
{
    struct procd *procd = state;
    uint64_t next = AR_NO_DEADLINE;
    for (unsigned i = 0, left = procd->process_count; i < PROCESS_MAX && left; i++) {
        const struct process *process = procd->processes[i];
        if (!process)
            continue;
        left--;
        if (process->timer_ns && process->timer_ns < next)
            next = process->timer_ns;
        if (process->kill_ns && process->kill_ns < next)
            next = process->kill_ns;
    }
    return next;
}

void procd_expired(void *state, uint64_t now_ns, struct ipc_effects *effects)
{
    struct procd *procd = state;
    procd->effects = effects;
    for (unsigned i = 0; i < PROCESS_MAX; i++) {
        struct process *process = procd->processes[i];
        if (process && process->kill_ns && process->kill_ns <= now_ns) {
            process_exit(procd, process, 0, SIG_KILL, false);
            continue;
        }
        if (!process || !process->timer_ns || process->timer_ns > now_ns)
            continue;
        const struct signal_info info = {.signal = SIG_ALRM, .code = CODE_KERNEL};
        uint64_t interval = process->timer_interval_ns, missed = 0;
        if (interval) /* periods that passed unnoticed are one signal, and the phase stays */
            missed = (now_ns - process->timer_ns) / interval;
        process->timer_ns = interval ? process->timer_ns + (missed + 1) * interval : 0;
        signal_send(procd, process, NULL, &info);
    }
}

enum status op_usage(void *state, struct ipc_call *call, const struct proc_usage_request *request,
                     struct proc_usage_reply *reply)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    struct process *process = caller->process;
    struct machine_counts counts;
    procd->machine->counts(procd->context, &counts);
    reply->user_ns = request->who ? process->children_cpu_ns : process_cpu_ns(procd, process);
    reply->max_rss = request->who ? 0 : process->space.resident_most * (PAGE_SIZE / 1024);
    reply->minor_faults = request->who ? 0 : process->space.faults;
    reply->memory_total = counts.memory_total * PAGE_SIZE;
    reply->memory_free = counts.memory_free * PAGE_SIZE;
    reply->processes = procd->process_count;
    return ST_OK;
}

void procd_log(struct procd *procd, struct process *process, const char *message)
{
    char line[LOG_LINE_MAX + 64];
    struct text text = {line, 0, sizeof(line) - 1};
    uint64_t now = procd->machine->now_ns(procd->context);
    if (now - process->log_window_ns > 1000000000ull) {
        process->log_window_ns = now;
        process->log_lines = 0;
    }
    if (++process->log_lines > LOG_LINES_PER_SECOND)
        return;
    text_row(&text, "pid ", process->pid, " (");
    text_string(&text, process->name);
    text_string(&text, "): ");
    text_string(&text, process->log_lines == LOG_LINES_PER_SECOND
                           ? "more lines in this second are dropped"
                           : message);
    line[text.length] = 0;
    procd->machine->log(procd->context, line);
}

enum status op_log(void *state, struct ipc_call *call, const struct proc_log_request *request)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    char line[LOG_LINE_MAX + 1];
    size_t length = request->length < LOG_LINE_MAX ? request->length : LOG_LINE_MAX;
    enum status status = ipc_data_get(call, 0, line, length);
    if (status)
        return status;
    while (length && (line[length - 1] == '\n' || line[length - 1] == 0))
        length--;
    for (size_t i = 0; i < length; i++)
        if (line[i] < ' ' || line[i] > '~')
            line[i] = '?';
    line[length] = 0;
    procd_log(procd, caller->process, line);
    return ST_OK;
}

enum status op_counts(void *state, struct ipc_call *call, struct proc_counts_reply *reply)
{
    struct procd *procd = state;
    struct machine_counts counts;
    (void)call;
    procd->machine->counts(procd->context, &counts);
    reply->processes = procd->process_count;
    reply->frames = counts.frames;
    reply->tables = counts.tables;
    reply->nodes = counts.nodes;
    reply->threads = procd->thread_count;
    reply->slots = counts.slots;
    return ST_OK;
}
