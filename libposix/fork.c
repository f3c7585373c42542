/*
 * fork(2), vfork(2), clone(2), clone3(2): new processes. New threads are in thread.c.
 * SPDX-License-Identifier: MIT
 *
 * The child is a copy: procd starts it at fork entry in the same thread area, with our memory as
 * it was during the call. So what the child must do is left in `plan`, and every lock is held
 * over the call, which makes both copies consistent.
 */
#include "private.h"
#include "thread.h"

static struct clone_request plan;

void posix_fork_child(uint64_t pid, uint64_t tid);

static long fork_now(const struct clone_request *request, uint64_t flags)
{
    struct posix_thread *thread = thread_self();
    struct proc_fork_reply reply;
    fpu_keep();
    locks_take_all();
    plan = *request;
    plan.fs_base = (request->flags & LINUX_CLONE_SETTLS) ? request->tls : fs_base_read();
    enum status status = proc_fork(POSIX_SLOT_PROCD, flags, thread->stack_top, fd_slot_limit(),
                                   request->exit_signal, &reply);
    locks_release_all();
    return status ? status_to_errno(status) : (long)reply.pid;
}

/* Uninterruptible, as on Linux: only the child's exec or end, or our own death, ends it. */
static void vfork_wait(uint64_t pid)
{
    for (;;) {
        enum status status = proc_vfork_wait(POSIX_SLOT_PROCD, pid);
        if (status == ST_SESSION && session_open_with(ISSUER_PROCD) == 0)
            continue;
        if (status != ST_WAIT)
            return;
        wait_uninterrupted();
    }
}

static long clone_process(const struct clone_request *request)
{
    bool vfork = (request->flags & LINUX_CLONE_VFORK) != 0;
    uint64_t unsupported = LINUX_CLONE_FILES | LINUX_CLONE_FS | LINUX_CLONE_SIGHAND;
    if (!vfork && (request->flags & (LINUX_CLONE_VM | unsupported))) {
        posix_log("clone: flags %lx: a process that shares memory or descriptors with another is "
                  "not there",
                  request->flags);
        return -LINUX_EINVAL;
    }
    bool share = vfork && request->flags & LINUX_CLONE_VM;
    long pid = fork_now(request, (vfork ? PROC_FORK_VFORK : 0) | (share ? PROC_FORK_SHARE : 0));
    if (pid < 0)
        return pid;
    if (request->flags & LINUX_CLONE_PARENT_SETTID) {
        int32_t value = (int32_t)pid;
        user_write((void *)request->parent_tid, &value, 4);
    }
    if (vfork)
        vfork_wait((uint64_t)pid);
    return pid;
}

/* The checks of clone(2), ERRORS. */
static long clone_any(const struct clone_request *request)
{
    uint64_t flags = request->flags;
    if ((flags & LINUX_CLONE_SIGHAND) && !(flags & LINUX_CLONE_VM))
        return -LINUX_EINVAL;
    if ((flags & LINUX_CLONE_THREAD) && !(flags & LINUX_CLONE_SIGHAND))
        return -LINUX_EINVAL;
    if ((flags & LINUX_CLONE_NEW_ANY) || (flags & LINUX_CLONE_PIDFD)) {
        posix_log("clone: flags %lx: namespaces and pidfds are not there", flags);
        return -LINUX_EINVAL;
    }
    if (request->exit_signal > LINUX_SIGNALS)
        return -LINUX_EINVAL;
    return flags & LINUX_CLONE_THREAD ? thread_clone(request) : clone_process(request);
}

long sys_fork(const uint64_t a[6])
{
    (void)a;
    return clone_any(&(struct clone_request){.exit_signal = LINUX_SIGCHLD});
}

long sys_vfork(const uint64_t a[6])
{
    (void)a;
    return clone_any(&(struct clone_request){.flags = LINUX_CLONE_VFORK | LINUX_CLONE_VM,
                                             .exit_signal = LINUX_SIGCHLD});
}

/* x86_64: flags, stack, parent_tid, child_tid, tls. */
long sys_clone(const uint64_t a[6])
{
    return clone_any(&(struct clone_request){
        .flags = (uint32_t)a[0] & ~LINUX_CSIGNAL,
        .exit_signal = a[0] & LINUX_CSIGNAL,
        .stack = a[1],
        .parent_tid = a[2],
        .child_tid = a[3],
        .tls = a[4],
    });
}

#define CLONE_ARGS_SIZE_0 64u

long sys_clone3(const uint64_t a[6])
{
    struct linux_clone_args args = {0};
    uint64_t size = a[1];
    if (size < CLONE_ARGS_SIZE_0)
        return -LINUX_EINVAL;
    if (size > sizeof(args))
        return -LINUX_E2BIG;
    if (user_read(&args, (void *)a[0], size))
        return -LINUX_EFAULT;
    if ((args.flags & (LINUX_CSIGNAL | LINUX_CLONE_DETACHED)) || args.exit_signal > LINUX_SIGNALS ||
        args.set_tid || args.set_tid_size || (args.stack == 0) != (args.stack_size == 0))
        return -LINUX_EINVAL;
    if ((args.flags & (LINUX_CLONE_THREAD | LINUX_CLONE_PARENT)) && args.exit_signal)
        return -LINUX_EINVAL;
    return clone_any(&(struct clone_request){
        .flags = args.flags, .exit_signal = args.exit_signal,
        .stack = args.stack ? args.stack + args.stack_size : 0,
        .parent_tid = args.parent_tid, .child_tid = args.child_tid, .tls = args.tls,
    });
}

/* In the child, from fork entry. The parent's frame is ours, one value aside. */
void posix_fork_child(uint64_t pid, uint64_t tid)
{
    struct posix_thread *thread = thread_self();
    process.pid = (uint32_t)pid;
    process.threads = 1;
    process.pending_blocked = 0;
    futex_forget_all();
    locks_release_all();
    lock_release(&exec_lock); /* another thread of the parent may have been in execve */

    thread->tid = (uint32_t)tid;
    thread->taken.signal = 0;
    thread->robust_list = 0;
    thread->clear_child_tid = plan.flags & LINUX_CLONE_CHILD_CLEARTID ? plan.child_tid : 0;
    thread->frame.rax = 0;
    if (plan.stack)
        thread->frame.rsp = plan.stack;
    if (process.traced)
        trace_result(thread->system_call, 0);
    thread->system_call = UINT64_MAX;
    wakeups_taken(); /* no server knows this thread yet */
    fpu_load(); /* the parent kept it there */
    fs_base_write(plan.fs_base);
    if (plan.flags & LINUX_CLONE_CHILD_SETTID)
        user_write((void *)plan.child_tid, &thread->tid, 4);
}
