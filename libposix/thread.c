/* Threads: made, named, ended. clone(2) CLONE_THREAD, exit(2), set_tid_address(2)…
 * SPDX-License-Identifier: MIT */
#include "private.h"
#include "thread.h"

/* What a new thread finds. Allocated by its maker, freed by itself. */
struct thread_start {
    struct posix_frame frame;
    uint64_t fs_base, mask, clear_tid, set_tid, parent_tid;
    char name[16];
    struct posix_lock lock;
    bool told, left;  /* the id is where CLONE_PARENT_SETTID wants it; one of the two needs this no more */
    uint64_t fpu[]; /* fpu_state_size() bytes */
};

void posix_thread_start(uint64_t tid, uint64_t area, struct thread_start *start);

void thread_init(struct posix_thread *thread, uint32_t tid, uint32_t area)
{
    *thread = (struct posix_thread){
        .self = thread,
        .stack_top = POSIX_AREA(area) + POSIX_AREA_STACK_TOP,
        .tid = tid,
        .area = area,
        .ipc = area_ipc(area),
        .system_call = UINT64_MAX,
        .altstack.flags = LINUX_SS_DISABLE,
    };
    for (unsigned i = 0; i < AR_MSG_CAPS; i++)
        thread->receive_slots[i] = POSIX_THREAD_SLOT(area, POSIX_TS_RECEIVE + i);
}

/* The new thread and its maker both do this: whoever comes first writes the id, so the program sees it
 * before either goes on, and the other one does not write it again: by then the thread may have ended and
 * cleared that word. */
static void start_leave(struct thread_start *start, uint32_t tid)
{
    lock_take(&start->lock);
    if (!start->told && start->parent_tid)
        user_write((void *)start->parent_tid, &tid, sizeof(tid));
    start->told = true;
    bool last = start->left;
    start->left = true;
    lock_release(&start->lock);
    if (last)
        private_free(start);
}

long thread_clone(const struct clone_request *request)
{
    struct posix_thread *thread = thread_self();
    struct proc_thread_create_reply reply;
    struct thread_start *start = private_alloc(sizeof(*start) + fpu_state_size());
    if (!start)
        return -LINUX_EAGAIN;
    fpu_keep();
    memcpy(start->fpu, fpu_buffer(), fpu_state_size());
    start->frame = thread->frame;
    start->frame.rax = 0;
    if (request->stack)
        start->frame.rsp = request->stack;
    start->fs_base = request->flags & LINUX_CLONE_SETTLS ? request->tls : fs_base_read();
    start->mask = thread->mask;
    start->clear_tid = request->flags & LINUX_CLONE_CHILD_CLEARTID ? request->child_tid : 0;
    start->set_tid = request->flags & LINUX_CLONE_CHILD_SETTID ? request->child_tid : 0;
    start->parent_tid = request->flags & LINUX_CLONE_PARENT_SETTID ? request->parent_tid : 0;
    memcpy(start->name, thread->name, sizeof(start->name));

    /* Before it exists: from now on nobody calls on a descriptor's own slot. */
    __atomic_fetch_add(&process.threads, 1, __ATOMIC_SEQ_CST);
    enum status status = proc_thread_create(POSIX_SLOT_PROCD, (uint64_t)start, &reply);
    if (status) {
        __atomic_fetch_sub(&process.threads, 1, __ATOMIC_SEQ_CST);
        private_free(start);
        return status_to_errno(status);
    }
    start_leave(start, (uint32_t)reply.tid);
    return (long)reply.tid;
}

void posix_thread_start(uint64_t tid, uint64_t area, struct thread_start *start)
{
    struct posix_thread *thread = area_thread(area);
    thread_init(thread, (uint32_t)tid, (uint32_t)area);
    thread->frame = start->frame;
    thread->mask = start->mask;
    thread->clear_child_tid = start->clear_tid;
    memcpy(thread->name, start->name, sizeof(thread->name));
    memcpy(fpu_buffer(), start->fpu, fpu_state_size());
    fpu_load();
    fs_base_write(start->fs_base);
    uint64_t set_tid = start->set_tid;
    start_leave(start, thread->tid);
    if (set_tid)
        user_write((void *)set_tid, &thread->tid, 4);
}

/* ---- the end --------------------------------------------------------------------------------- */

#define FUTEX_TID_MASK 0x3fffffffu
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_WAITERS 0x80000000u
#define ROBUST_LIST_LIMIT 2048u

static void robust_release(uint64_t address, uint32_t tid)
{
    uint32_t value;
    if (address % 4 || user_read(&value, (void *)address, 4) || (value & FUTEX_TID_MASK) != tid)
        return;
    uint32_t dead = (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
    if (user_write((void *)address, &dead, 4) == 0 && (value & FUTEX_WAITERS))
        futex_wake_address(address, 1, UINT32_MAX);
}

/* get_robust_list(2): a circular list in the program's memory of locks that this thread holds. */
static void robust_walk(struct posix_thread *thread)
{
    struct {
        uint64_t next, offset, pending;
    } head;
    uint64_t at, next;
    if (!thread->robust_list || user_read(&head, (void *)thread->robust_list, sizeof(head)))
        return;
    at = head.next;
    for (unsigned i = 0; i < ROBUST_LIST_LIMIT && at != thread->robust_list; i++) {
        at &= ~1ull; /* bit 0 marks a priority-inheritance lock */
        if (user_read(&next, (void *)at, 8))
            return;
        if (at != head.pending)
            robust_release(at + head.offset, thread->tid);
        at = next;
    }
    if (head.pending)
        robust_release((head.pending & ~1ull) + head.offset, thread->tid);
}

/* We run on libposix's own stack, so the program's may be freed as soon as the word is cleared. */
long sys_exit(const uint64_t a[6])
{
    struct posix_thread *thread = thread_self();
    if (process.threads == 1)
        process_exit((unsigned)a[0] & 0xff, 0, false);
    robust_walk(thread);
    if (thread->clear_child_tid) {
        uint32_t zero = 0;
        if (user_write((void *)thread->clear_child_tid, &zero, 4) == 0)
            futex_wake_address(thread->clear_child_tid, 1, UINT32_MAX);
    }
    __atomic_fetch_sub(&process.threads, 1, __ATOMIC_SEQ_CST);
    for (;;)
        proc_thread_exit(POSIX_SLOT_PROCD, (unsigned)a[0] & 0xff, 0);
}

long sys_exit_group(const uint64_t a[6])
{
    process_exit((unsigned)a[0] & 0xff, 0, false);
}

_Noreturn void process_exit(unsigned status, unsigned signal, bool core)
{
    for (;;) {
        proc_exit(POSIX_SLOT_PROCD, status, signal, core);
        ar_yield();
    }
}

/* ---- small ones ------------------------------------------------------------------------------ */

long sys_gettid(const uint64_t a[6])
{
    (void)a;
    return thread_self()->tid;
}

long sys_set_tid_address(const uint64_t a[6])
{
    thread_self()->clear_child_tid = a[0];
    return thread_self()->tid;
}

long sys_set_robust_list(const uint64_t a[6])
{
    if (a[1] != 24)
        return -LINUX_EINVAL;
    thread_self()->robust_list = a[0];
    return 0;
}

long sys_get_robust_list(const uint64_t a[6])
{
    struct posix_thread *thread = thread_self();
    uint64_t length = 24;
    if ((int)a[0] != 0 && (uint32_t)a[0] != thread->tid)
        return -LINUX_ESRCH;
    if (user_write((void *)a[2], &length, 8) || user_write((void *)a[1], &thread->robust_list, 8))
        return -LINUX_EFAULT;
    return 0;
}

long sys_sched_yield(const uint64_t a[6])
{
    (void)a;
    ar_yield();
    return 0;
}

/* One processor, so far. The kernel's mask is 8 bytes long. */
long sys_sched_getaffinity(const uint64_t a[6])
{
    uint64_t mask = 1;
    if (a[1] < 8 || a[1] % 8)
        return -LINUX_EINVAL;
    return user_write((void *)a[2], &mask, 8) ? -LINUX_EFAULT : 8;
}

long sys_sched_setaffinity(const uint64_t a[6])
{
    uint64_t mask = 0;
    if (user_read(&mask, (void *)a[2], a[1] < 8 ? a[1] : 8))
        return -LINUX_EFAULT;
    return mask & 1 ? 0 : -LINUX_EINVAL;
}

long sys_getcpu(const uint64_t a[6])
{
    uint32_t zero = 0;
    if ((a[0] && user_write((void *)a[0], &zero, 4)) ||
        (a[1] && user_write((void *)a[1], &zero, 4)))
        return -LINUX_EFAULT;
    return 0;
}

#define SCHED_OTHER 0
#define SCHED_RR 2

long sys_sched_getscheduler(const uint64_t a[6])
{
    return (int)a[0] < 0 ? -LINUX_EINVAL : SCHED_OTHER;
}

/* Every program runs at one priority. */
long sys_sched_setscheduler(const uint64_t a[6])
{
    return (int)a[0] < 0 || (int)a[1] < 0 ? -LINUX_EINVAL
           : (int)a[1] == SCHED_OTHER     ? 0
                                          : -LINUX_EPERM;
}

long sys_sched_getparam(const uint64_t a[6])
{
    int32_t priority = 0;
    return (int)a[0] < 0 || !a[1] ? -LINUX_EINVAL : user_write((void *)a[1], &priority, 4);
}

long sys_sched_get_priority_max(const uint64_t a[6])
{
    int policy = (int)a[0];
    return policy == 1 || policy == SCHED_RR           ? 99
           : policy == 0 || policy == 3 || policy == 5 ? 0
                                                       : -LINUX_EINVAL;
}

long sys_sched_get_priority_min(const uint64_t a[6])
{
    int policy = (int)a[0];
    return policy == 1 || policy == SCHED_RR           ? 1
           : policy == 0 || policy == 3 || policy == 5 ? 0
                                                       : -LINUX_EINVAL;
}
