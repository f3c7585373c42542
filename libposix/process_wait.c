/* Children and accounts: wait4(2), waitid(2), getrusage(2), times(2), sysinfo(2), prlimit64(2).
 * SPDX-License-Identifier: MIT */
#include "private.h"

enum { WNOHANG = 1, WUNTRACED = 2, WEXITED = 4, WCONTINUED = 8, WNOWAIT = 0x01000000 };
#define W_CLONE_FLAGS 0xe0000000u /* __WNOTHREAD, __WALL, __WCLONE */

static struct linux_timeval ns_timeval(uint64_t ns)
{
    return (struct linux_timeval){(int64_t)(ns / NS_PER_SECOND),
                                  (int64_t)(ns % NS_PER_SECOND / 1000)};
}

static long rusage_write(uint64_t user, const struct proc_wait_reply *reply)
{
    struct linux_rusage usage = {.utime = ns_timeval(reply->user_ns),
                                 .stime = ns_timeval(reply->system_ns)};
    return user ? user_write((void *)user, &usage, sizeof(usage)) : 0;
}

long sys_wait4(const uint64_t a[6])
{
    struct proc_wait_reply reply;
    uint32_t options = (uint32_t)a[2] & ~W_CLONE_FLAGS;
    if (options & ~(uint32_t)(WNOHANG | WUNTRACED | WCONTINUED))
        return -LINUX_EINVAL;
    if ((int)a[0] == INT32_MIN)
        return -LINUX_ESRCH;
    long error = PROC_CALL(proc_wait(POSIX_SLOT_PROCD, (int)a[0], options, &reply));
    if (error || reply.pid == 0)
        return error;
    int32_t status = (int32_t)reply.status;
    if ((a[1] && user_write((void *)a[1], &status, 4)) || rusage_write(a[3], &reply))
        return -LINUX_EFAULT;
    return (long)reply.pid;
}

enum { P_ALL, P_PID, P_PGID };
enum { CLD_EXITED = 1, CLD_KILLED, CLD_DUMPED, CLD_TRAPPED, CLD_STOPPED, CLD_CONTINUED };

static void child_info(const struct proc_wait_reply *reply, struct linux_siginfo *info)
{
    uint32_t status = (uint32_t)reply->status;
    *info = (struct linux_siginfo){.signo = LINUX_SIGCHLD};
    info->child.pid = (int32_t)reply->pid;
    info->child.uid = (uint32_t)reply->uid;
    if (status == 0xffff) {
        info->code = CLD_CONTINUED;
        info->child.status = LINUX_SIGCONT;
    } else if ((status & 0xff) == 0x7f) {
        info->code = CLD_STOPPED;
        info->child.status = status >> 8 & 0xff;
    } else if ((status & 0x7f) == 0) {
        info->code = CLD_EXITED;
        info->child.status = status >> 8 & 0xff;
    } else {
        info->code = status & 0x80 ? CLD_DUMPED : CLD_KILLED;
        info->child.status = status & 0x7f;
    }
}

long sys_waitid(const uint64_t a[6])
{
    struct proc_wait_reply reply;
    struct linux_siginfo info = {0};
    uint32_t options = (uint32_t)a[3] & ~W_CLONE_FLAGS;
    int64_t pid;
    if ((options & ~(uint32_t)(WNOHANG | WUNTRACED | WEXITED | WCONTINUED | WNOWAIT)) ||
        !(options & (WEXITED | WUNTRACED | WCONTINUED)))
        return -LINUX_EINVAL;
    switch ((int)a[0]) {
    case P_ALL:
        pid = -1;
        break;
    case P_PID:
        if ((int)a[1] <= 0)
            return -LINUX_EINVAL;
        pid = (int)a[1];
        break;
    case P_PGID:
        if ((int)a[1] < 0)
            return -LINUX_EINVAL;
        pid = -(int64_t)(int)a[1]; /* 0: the caller's group, as for wait4 */
        break;
    default:
        return -LINUX_EINVAL;
    }
    long error = PROC_CALL(proc_wait(POSIX_SLOT_PROCD, pid, options & ~(uint32_t)WEXITED, &reply));
    if (error)
        return error;
    if (reply.pid)
        child_info(&reply, &info);
    if ((a[2] && user_write((void *)a[2], &info, sizeof(info))) ||
        (reply.pid && rusage_write(a[4], &reply)))
        return -LINUX_EFAULT;
    return 0;
}

/* ---- accounts -------------------------------------------------------------------------------- */

enum { RUSAGE_SELF = 0, RUSAGE_CHILDREN = -1, RUSAGE_THREAD = 1 };

long sys_getrusage(const uint64_t a[6])
{
    struct proc_usage_reply reply;
    int who = (int)a[0];
    if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD)
        return -LINUX_EINVAL;
    long error = PROC_CALL(proc_usage(POSIX_SLOT_PROCD, who == RUSAGE_CHILDREN, &reply));
    if (error)
        return error;
    struct linux_rusage usage = {
        .utime = ns_timeval(reply.user_ns), .stime = ns_timeval(reply.system_ns),
        .maxrss = (int64_t)reply.max_rss, .minflt = (int64_t)reply.minor_faults,
    };
    return user_write((void *)a[1], &usage, sizeof(usage));
}

#define NS_PER_TICK 10000000ull /* 100 Hz, AT_CLKTCK */

long sys_times(const uint64_t a[6])
{
    struct proc_usage_reply own, children;
    long error = PROC_CALL(proc_usage(POSIX_SLOT_PROCD, 0, &own));
    if (!error)
        error = PROC_CALL(proc_usage(POSIX_SLOT_PROCD, 1, &children));
    if (error)
        return error;
    struct linux_tms tms = {
        (int64_t)(own.user_ns / NS_PER_TICK), (int64_t)(own.system_ns / NS_PER_TICK),
        (int64_t)(children.user_ns / NS_PER_TICK), (int64_t)(children.system_ns / NS_PER_TICK),
    };
    if (a[0] && user_write((void *)a[0], &tms, sizeof(tms)))
        return -LINUX_EFAULT;
    return (long)(ar_clock_ns() / NS_PER_TICK);
}

long sys_sysinfo(const uint64_t a[6])
{
    struct proc_usage_reply reply;
    long error = PROC_CALL(proc_usage(POSIX_SLOT_PROCD, 0, &reply));
    if (error)
        return error;
    struct linux_sysinfo info = {
        .uptime = (int64_t)(ar_clock_ns() / NS_PER_SECOND), .totalram = reply.memory_total,
        .freeram = reply.memory_free, .procs = (uint16_t)reply.processes, .unit = 1,
    };
    return user_write((void *)a[0], &info, sizeof(info));
}

static long limit(uint64_t pid, uint64_t resource, uint64_t new_user, uint64_t old_user)
{
    struct linux_rlimit new = {0, 0}, old;
    struct proc_limit_reply reply;
    if (resource >= LINUX_RLIMIT_COUNT || (int)pid < 0)
        return (int)pid < 0 ? -LINUX_ESRCH : -LINUX_EINVAL;
    if (new_user) {
        if (user_read(&new, (void *)new_user, sizeof(new)))
            return -LINUX_EFAULT;
        if (new.soft > new.hard)
            return -LINUX_EINVAL;
        if (resource == LINUX_RLIMIT_NOFILE && new.hard > POSIX_FD_MAX)
            return -LINUX_EPERM; /* past fs.nr_open */
    }
    long error = PROC_CALL(proc_limit(POSIX_SLOT_PROCD, (uint32_t)pid, resource, new_user != 0,
                                      new.soft, new.hard, &reply));
    if (error)
        return error;
    if (new_user && resource == LINUX_RLIMIT_FSIZE && (pid == 0 || (uint32_t)pid == process.pid))
        process.fsize = new.soft;
    if (new_user && resource == LINUX_RLIMIT_NOFILE && (pid == 0 || (uint32_t)pid == process.pid)) {
        process.nofile_soft = (uint32_t)new.soft;
        process.nofile_hard = (uint32_t)new.hard;
    }
    old = (struct linux_rlimit){reply.soft, reply.hard};
    return old_user ? user_write((void *)old_user, &old, sizeof(old)) : 0;
}

long sys_prlimit64(const uint64_t a[6])
{
    return limit((uint32_t)a[0], (uint32_t)a[1], a[2], a[3]);
}

long sys_getrlimit(const uint64_t a[6])
{
    return a[1] ? limit(0, (uint32_t)a[0], 0, a[1]) : -LINUX_EFAULT;
}

long sys_setrlimit(const uint64_t a[6])
{
    return a[1] ? limit(0, (uint32_t)a[0], a[1], 0) : -LINUX_EFAULT;
}
