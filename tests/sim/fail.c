/* Injected failures: see sim.h. SPDX-License-Identifier: MIT */
#include "parts.h"
#include "trace.h"
#include <ipc/memory.h>
#include <limits.h>

static enum sim_failure kind;
static unsigned countdown, left, failed;
static int only;
static bool die_after; /* the server has the request; the reply finds nobody */
static sim_trace *trace_sink;

void sim_fail(enum sim_failure what, unsigned n, unsigned count, int pid)
{
    kind = what;
    countdown = n;
    left = n ? count ? count : 1 : 0;
    only = pid;
    failed = 0;
}

unsigned sim_failed(void)
{
    return failed;
}

/* Count one occasion of this kind: does it fail? */
static bool fails(enum sim_failure what)
{
    if (what != kind || left == 0 || (only && sim_pid() != only))
        return false;
    if (countdown > 1) {
        countdown--;
        return false;
    }
    if (left != UINT_MAX)
        left--;
    failed++;
    return true;
}

static bool hook_allocation(void)
{
    return fails(SIM_FAIL_ALLOCATION);
}

bool fail_private(void)
{
    return fails(SIM_FAIL_PRIVATE);
}

static bool hook_slot(void)
{
    return fails(SIM_FAIL_SLOT);
}

/* A thread whose process has ended while it was here never returns. */
static void leave_if_dead(void)
{
    while (sim_current && (sim_current->dead || sim_current->suspended))
        fiber_leave();
}

static void die(void)
{
    servers_kill(sim_current->pid);
    leave_if_dead();
}

static void hook_step(enum ar_syscall number)
{
    (void)number;
    if (fails(SIM_FAIL_DEATH))
        die();
    schedule_step();
}

static enum ar_error hook_call(const struct ipc_request *request)
{
    servers_exiting(sim_pid(), request);
    if (!fails(SIM_FAIL_CALL))
        return AR_OK;
    return request->cap_count ? AR_ERR_NO_SLOT : AR_ERR_GONE;
}

/* Also a death: while the server had the request. */
static bool hook_arrives(void)
{
    if (!sim_current)
        return true;
    die_after = !sim_current->dead && fails(SIM_FAIL_DEATH);
    return !sim_current->dead && !die_after;
}

static void hook_served(void)
{
    if (die_after) {
        die_after = false;
        die();
    }
    leave_if_dead();
}

static bool hook_copy(void *to, const void *from, size_t length)
{
    extern int copy_bytes(void *to, const void *from, size_t n);
    if (memory_poisoned(to, length) || memory_poisoned(from, length)) {
        if (memory_hidden(to, length) || memory_hidden(from, length))
            return false;
        sim_panic("a server copies %zu bytes from %p to %p, and not all of them are its own", length,
                  from, to);
    }
    return copy_bytes(to, from, length) == 0;
}

static void hook_traced(const struct host_traced *traced)
{
    servers_observe(traced);
    if (!trace_sink || !sim_current)
        return;
    trace_sink(&(struct sim_message){
        .server = servers_name(traced->core), .pid = sim_pid(), .tid = sim_tid(),
        .label = traced->label, .word_count = traced->word_count, .cap_count = traced->cap_count,
        .reply_word_count = traced->reply_word_count, .reply_cap_count = traced->reply_cap_count,
        .words = traced->words, .reply_words = traced->reply_words,
        .status = (unsigned)traced->status});
}

void sim_trace_to(sim_trace *trace)
{
    trace_sink = trace;
}

void fail_begin(void)
{
    sim_fail(SIM_FAIL_ALLOCATION, 0, 0, 0);
    trace_sink = NULL;
    die_after = false;
    host_hooks.slot_fails = hook_slot;
    host_hooks.step = hook_step;
    host_hooks.call_fails = hook_call;
    host_hooks.reply_arrives = hook_arrives;
    host_hooks.served = hook_served;
    host_hooks.copy = hook_copy;
    host_hooks.traced = hook_traced;
    mem_fail_when(hook_allocation, sim_options.heap_bytes);
}
