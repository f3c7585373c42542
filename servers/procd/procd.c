/* The core's entry points. SPDX-License-Identifier: MIT */
#include "procd.h"
#include <ipc/dispatch.h>
#include <ipc/memory.h>
#include <proto/session.h>
#include <string.h>

const struct proc_server procd_proc_server = {
    .spawn = op_spawn, .spawn_wait = op_spawn_wait, .fork = op_fork, .vfork_wait = op_vfork_wait,
    .thread_create = op_thread_create, .thread_exit = op_thread_exit, .exit = op_exit,
    .exec_begin = op_exec_begin,
    .exec_end = op_exec_end, .wait = op_wait, .kill = op_kill, .signal_take = op_signal_take,
    .signal_policy = op_signal_policy, .stop = op_stop, .timer = op_timer, .map = op_map,
    .unmap = op_unmap,
    .protect = op_protect, .remap = op_remap, .discard = op_discard, .grow_slots = op_grow_slots,
    .ids = op_ids,
    .set_ids = op_set_ids, .groups = op_groups, .set_group = op_set_group,
    .set_session = op_set_session,
    .foreground = op_foreground, .limit = op_limit, .usage = op_usage, .log = op_log,
    .fault_fixup = op_fault_fixup, .counts = op_counts, .set_name = op_set_name,
    .pidfd_open = op_pidfd_open,
};

/* session.open: the gate's badge is the thread's, so that its closed message ends the right one. */
static enum status session_server_open(void *state, struct ipc_call *call)
{
    struct procd *procd = state;
    uint32_t tid = PRINCIPAL_THREAD(call->principal);
    if (call->caps[0].kind != AR_RECEIVED_CAP || call->caps[0].type != AR_NOTIFICATION ||
        tid > ID_MAX)
        return ST_MESSAGE;
    enum status status = session_begin(&procd->sessions, call->principal, call->caps[0].value,
                                       BADGE_SESSION + tid, call->effects);
    if (status == ST_OK)
        ipc_reply_gate(call, BADGE_SESSION + tid);
    return status;
}
static const struct session_server session_server = {.open = session_server_open};

struct procd *procd_create(const struct procd_machine_ops *machine, void *context,
                           struct credentials *table, uint64_t boot_seconds, const void *blob,
                           size_t blob_size, const char **reason)
{
    struct machine_counts counts;
    struct procd *procd = mem_alloc(sizeof(*procd));
    *reason = "the heap is too small";
    if (!procd)
        return NULL;
    procd->machine = machine;
    procd->context = context;
    procd->credentials = table;
    procd->boot_seconds = boot_seconds;
    procd->id_last = ID_FIRST - 1;
    procd->image_space =
        (struct space){.machine = machine, .context = context, .frames = &procd->frames};
    procd->procfs = procfs_create();
    if (procd->procfs)
        *reason = image_load(procd, blob, blob_size);
    if (*reason) {
        procd_destroy(procd);
        return NULL;
    }
    machine->counts(context, &counts);
    procd->memory_pages = counts.memory_total;
    return procd;
}

/* Tests only: every process ends, everything is given back. */
void procd_destroy(struct procd *procd)
{
    static struct ipc_effects effects;
    effects.count = 0;
    procd->effects = &effects;
    for (unsigned i = 0; i < PROCESS_MAX; i++) {
        if (procd->processes[i])
            process_exit(procd, procd->processes[i], 0, SIG_KILL, false);
    }
    for (unsigned i = 0; i < PROCESS_MAX; i++)
        if (procd->processes[i])
            process_reap(procd, procd->processes[i]);
    for (unsigned i = 0; i < procd->image.segment_count; i++)
        object_release(&procd->image_space, procd->image.segments[i].object);
    while (procd->sessions.count) {
        unsigned i = 0;
        while (!procd->sessions.slots[i])
            i++;
        session_close(&procd->sessions, procd->sessions.slots[i], &effects);
    }
    mem_free(procd->sessions.slots);
    procfs_destroy(procd->procfs);
    pidfds_destroy(procd);
    mem_free(procd->frames.references);
    mem_free(procd);
}

struct thread *procd_caller(struct procd *procd, const struct ipc_call *call)
{
    uint32_t tid = PRINCIPAL_THREAD(call->principal);
    struct thread *thread = tid <= ID_MAX ? procd->thread_of[tid] : NULL;
    if (!thread || call->badge != BADGE_OBJECTS + thread->process->index ||
        thread->process->kill_ns)
        return NULL; /* a killed one's last request must not make a child that gets away */
    return thread;
}

void procd_handle(void *state, struct ipc_call *call)
{
    struct procd *procd = state;
    procd->effects = call->effects;
    bool process_gate = call->badge >= BADGE_OBJECTS && call->badge < BADGE_OBJECTS + PROCESS_MAX;
    bool root = call->badge == BADGE_ROOT || call->badge == BADGE_PRIVILEGED;
    if ((process_gate || root) && session_dispatch(&session_server, procd, call))
        return;
    if ((process_gate || root) && proc_dispatch(&procd_proc_server, procd, call))
        return;
    if (call->badge >= BADGE_PIDFD && pidfd_dispatch(procd, call))
        return;
    if ((call->badge == BADGE_MOUNT || call->badge >= BADGE_PROCFS) && procfs_dispatch(procd, call))
        return;
    ipc_dispatch_finish(call, ST_INVAL);
}

void procd_closed(void *state, uint64_t badge, struct ipc_effects *effects)
{
    struct procd *procd = state;
    procd->effects = effects;
    if (badge >= BADGE_PIDFD) {
        pidfd_closed(procd, badge);
    } else if (badge >= BADGE_PROCFS) {
        procfs_closed(procd, badge);
    } else if (badge >= BADGE_SESSION) {
        struct session *session =
            session_find(&procd->sessions, PRINCIPAL(0, badge - BADGE_SESSION));
        if (session && session->badge == badge)
            session_close(&procd->sessions, session, effects);
    }
}
