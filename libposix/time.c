/* Clocks and sleeping: clock_gettime(2), nanosleep(2)… SPDX-License-Identifier: MIT */
#include "private.h"

uint64_t clock_realtime_ns(void)
{
    return process.boot_seconds * NS_PER_SECOND + (uint64_t)process.realtime_adjust_ns +
           ar_clock_ns();
}

uint64_t deadline_after(uint64_t ns)
{
    uint64_t now = ar_clock_ns();
    return ns >= AR_NO_DEADLINE - 1 - now ? AR_NO_DEADLINE - 1 : now + ns;
}

static long timespec_to_ns(uint64_t *ns, const struct linux_timespec *t)
{
    if (t->seconds < 0 || t->nanoseconds < 0 || t->nanoseconds >= (int64_t)NS_PER_SECOND)
        return -LINUX_EINVAL;
    if ((uint64_t)t->seconds >= (AR_NO_DEADLINE - 1) / NS_PER_SECOND)
        *ns = AR_NO_DEADLINE - 1;
    else
        *ns = (uint64_t)t->seconds * NS_PER_SECOND + (uint64_t)t->nanoseconds;
    return 0;
}

long timespec_read(uint64_t *ns, const void *user)
{
    struct linux_timespec t;
    long error = user_read(&t, user, sizeof(t));
    return error ? error : timespec_to_ns(ns, &t);
}

static long timespec_write(uint64_t user, uint64_t ns)
{
    struct linux_timespec t = {(int64_t)(ns / NS_PER_SECOND), (int64_t)(ns % NS_PER_SECOND)};
    return user_write((void *)user, &t, sizeof(t));
}

static long cpu_time(uint64_t *ns)
{
    struct proc_usage_reply usage;
    long error = PROC_CALL(proc_usage(POSIX_SLOT_PROCD, 0, &usage));
    *ns = usage.user_ns + usage.system_ns;
    return error;
}

static long clock_read(int clock, uint64_t *ns)
{
    switch (clock) {
    case LINUX_CLOCK_REALTIME:
    case LINUX_CLOCK_REALTIME_COARSE:
    case LINUX_CLOCK_REALTIME_ALARM:
    case LINUX_CLOCK_TAI:
        *ns = clock_realtime_ns();
        return 0;
    case LINUX_CLOCK_MONOTONIC:
    case LINUX_CLOCK_MONOTONIC_RAW:
    case LINUX_CLOCK_MONOTONIC_COARSE:
    case LINUX_CLOCK_BOOTTIME:
    case LINUX_CLOCK_BOOTTIME_ALARM:
        *ns = ar_clock_ns();
        return 0;
    case LINUX_CLOCK_PROCESS_CPUTIME_ID:
    case LINUX_CLOCK_THREAD_CPUTIME_ID: /* procd counts a process's threads together */
        return cpu_time(ns);
    default:
        return -LINUX_EINVAL;
    }
}

long sys_clock_gettime(const uint64_t a[6])
{
    uint64_t ns;
    long error = clock_read((int)a[0], &ns);
    return error ? error : timespec_write(a[1], ns);
}

long sys_clock_getres(const uint64_t a[6])
{
    uint64_t ns;
    long error = clock_read((int)a[0], &ns);
    if (error || !a[1])
        return error;
    bool coarse =
        (int)a[0] == LINUX_CLOCK_REALTIME_COARSE || (int)a[0] == LINUX_CLOCK_MONOTONIC_COARSE;
    return timespec_write(a[1], coarse ? 4000000 : 1);
}

long sys_clock_settime(const uint64_t a[6])
{
    return (int)a[0] == LINUX_CLOCK_REALTIME ? -LINUX_EPERM : -LINUX_EINVAL;
}

long sys_gettimeofday(const uint64_t a[6])
{
    uint64_t ns = clock_realtime_ns();
    struct linux_timeval t = {(int64_t)(ns / NS_PER_SECOND), (int64_t)(ns % NS_PER_SECOND / 1000)};
    static const int32_t zone[2];
    if (a[0] && user_write((void *)a[0], &t, sizeof(t)))
        return -LINUX_EFAULT;
    return a[1] ? user_write((void *)a[1], zone, sizeof(zone)) : 0;
}

long sys_time(const uint64_t a[6])
{
    int64_t seconds = (int64_t)(clock_realtime_ns() / NS_PER_SECOND);
    if (a[0] && user_write((void *)a[0], &seconds, 8))
        return -LINUX_EFAULT;
    return seconds;
}

/* 0 or -EINTR with *left. */
static long sleep_until(uint64_t deadline, uint64_t *left)
{
    for (;;) {
        switch (posix_wait(deadline)) {
        case WAIT_TIMED_OUT:
            return 0;
        case WAIT_INTERRUPTED: {
            uint64_t now = ar_clock_ns();
            *left = now < deadline ? deadline - now : 0;
            return -LINUX_EINTR;
        }
        default:
            if (ar_clock_ns() >= deadline)
                return 0;
        }
    }
}

static long sleep_relative(uint64_t request, uint64_t remaining)
{
    uint64_t ns, left;
    long error = timespec_read(&ns, (void *)request);
    if (error)
        return error;
    error = sleep_until(deadline_after(ns), &left);
    if (error == -LINUX_EINTR && remaining && timespec_write(remaining, left))
        return -LINUX_EFAULT;
    return error;
}

long sys_nanosleep(const uint64_t a[6])
{
    return sleep_relative(a[0], a[1]);
}

long sys_clock_nanosleep(const uint64_t a[6])
{
    uint64_t ns, now, left;
    int clock = (int)a[0];
    if (clock == LINUX_CLOCK_THREAD_CPUTIME_ID)
        return -LINUX_EINVAL;
    if (clock == LINUX_CLOCK_PROCESS_CPUTIME_ID || clock == LINUX_CLOCK_MONOTONIC_RAW ||
        clock == LINUX_CLOCK_REALTIME_COARSE || clock == LINUX_CLOCK_MONOTONIC_COARSE)
        return -LINUX_EOPNOTSUPP;
    long error = clock_read(clock, &now);
    if (error)
        return error;
    if (!((int)a[1] & LINUX_TIMER_ABSTIME))
        return sleep_relative(a[2], a[3]);
    error = timespec_read(&ns, (void *)a[2]);
    if (error)
        return error;
    if (ns <= now)
        return 0;
    /* An absolute sleep that is interrupted may simply begin again. */
    return sleep_until(deadline_after(ns - now), &left) ? -POSIX_RESTART_NOHAND : 0;
}
