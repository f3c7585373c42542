/*
 * Who may have how much. SPDX-License-Identifier: MIT
 *
 * Memory is committed when it is mapped, not when it is touched, so that running out is ENOMEM
 * at mmap and fork and not a death later. A process may commit ACCOUNT_PROCESS_PERCENT of all
 * memory. All together may commit ACCOUNT_ALL_PERCENT; the rest is for processes that have
 * little, so that a shell still works beside a bomb. A job (what a session leader's child and
 * its descendants are) may have RLIMIT_NPROC processes, and all jobs together PROCESS_MAX; what
 * is left below ACCOUNT_PROCESS_RESERVE goes only to small jobs.
 */
#include "procd.h"
#include <ipc/memory.h>

#define ACCOUNT_PROCESS_PERCENT 60u
#define ACCOUNT_ALL_PERCENT 92u
#define ACCOUNT_SMALL_PAGES 1024u   /* a process that has no more than this may use the reserve */
/* tables, capability nodes, thread: what any process costs besides its pages */
#define ACCOUNT_ENTRY_PAGES 40u
#define ACCOUNT_JOB_PERCENT 60u     /* of the memory, by what its processes cost at least */
#define ACCOUNT_PROCESS_RESERVE 64u /* entries kept for small jobs */
#define ACCOUNT_SMALL_JOB 16u

struct job *job_join(struct process *parent)
{
    struct job *job = parent ? parent->job : NULL;
    if (!job || parent->pid == parent->sid) {
        job = mem_alloc(sizeof(*job));
        if (!job)
            return NULL;
    }
    job->processes++;
    return job;
}

void job_leave(struct job *job)
{
    if (job && --job->processes == 0)
        mem_free(job);
}

/*
 * Pages committed by everybody: frames in use, each once however many processes share it, and what
 * was promised and has no frame yet. Fork shares what is not writable (text above all), and
 * mprotect copies what it makes writable (space_protect), so nobody is promised a copy later.
 */
static uint64_t account_committed(struct procd *procd)
{
    uint64_t total = procd->frames.in_use;
    for (unsigned i = 0, left = procd->process_count; i < PROCESS_MAX && left; i++) {
        const struct process *process = procd->processes[i];
        left -= process != NULL;
        if (process && process->state != PROCESS_ZOMBIE)
            total += process->space.charged - process->space.touched + ACCOUNT_ENTRY_PAGES;
    }
    return total;
}

static bool account_allows(struct procd *procd, uint64_t have, uint64_t more)
{
    uint64_t limit = procd->memory_pages;
    if (have + more > ACCOUNT_SMALL_PAGES)
        limit = limit / 100 * ACCOUNT_ALL_PERCENT;
    return more <= limit && account_committed(procd) <= limit - more;
}

bool account_may_fork(struct procd *procd, struct process *parent, struct job *job)
{
    uint64_t limit = parent->limits[LIMIT_NPROC].soft;
    uint64_t by_memory =
        procd->memory_pages / 100 * ACCOUNT_JOB_PERCENT / (2 * ACCOUNT_ENTRY_PAGES);
    if (limit > by_memory)
        limit = by_memory;
    if (job->processes > limit)
        return false;
    if (procd->process_count + ACCOUNT_PROCESS_RESERVE >= PROCESS_MAX &&
        job->processes > ACCOUNT_SMALL_JOB)
        return false;
    struct machine_counts counts;
    procd->machine->counts(procd->context, &counts);
    uint64_t need = parent->space.resident + ACCOUNT_ENTRY_PAGES;
    uint64_t reserve = job->processes > ACCOUNT_SMALL_JOB ? procd->memory_pages / 20 : 0;
    if (counts.memory_free < need + reserve)
        return false;
    return account_allows(procd, parent->space.charged,
                          parent->space.charged + ACCOUNT_ENTRY_PAGES);
}

bool account_may_map(struct procd *procd, struct process *process, int64_t pages)
{
    if (pages <= 0)
        return true;
    const struct space *space = &process->space;
    uint64_t after = space->charged + (uint64_t)pages;
    if (after > procd->memory_pages / 100 * ACCOUNT_PROCESS_PERCENT
        || after > process->limits[LIMIT_DATA].soft / PAGE_SIZE
        || space->mapped + (uint64_t)pages > process->limits[LIMIT_AS].soft / PAGE_SIZE)
        return false;
    return account_allows(procd, space->charged, (uint64_t)pages);
}

bool account_has_room(struct procd *procd)
{
    struct machine_counts counts;
    procd->machine->counts(procd->context, &counts);
    return counts.memory_free >= procd->memory_pages / 20;
}

/* A fault in memory that was not committed (a stack) may not take the last frames from the
 * others. */
bool account_full(struct procd *procd, struct process *process)
{
    struct machine_counts counts;
    procd->machine->counts(procd->context, &counts);
    return counts.memory_free < procd->memory_pages / 50 &&
           process->space.resident > ACCOUNT_SMALL_PAGES;
}
