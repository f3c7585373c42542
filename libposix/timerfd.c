/* timerfd_create(2), timerfd_settime(2), timerfd_gettime(2). SPDX-License-Identifier: MIT */
#include "virtual.h"

#define TFD_TIMER_ABSTIME 1u
/* the real-time clock is never set here: accepted, without effect */
#define TFD_TIMER_CANCEL_ON_SET 2u

struct linux_itimerspec {
    struct linux_timespec interval, value;
};
_Static_assert(sizeof(struct linux_itimerspec) == 32, "struct itimerspec");

uint64_t timer_take(struct virtual *timer)
{
    uint64_t now = deadline_after(0);
    if (!timer->expiry_ns || now < timer->expiry_ns)
        return 0;
    uint64_t ticks = 1;
    if (timer->interval_ns) {
        ticks += (now - timer->expiry_ns) / timer->interval_ns;
        timer->expiry_ns += ticks * timer->interval_ns;
    } else {
        timer->expiry_ns = 0;
    }
    return ticks;
}

long sys_timerfd_create(const uint64_t a[6])
{
    int clock = (int)a[0];
    uint32_t flags = (uint32_t)a[1];
    bool known = clock == LINUX_CLOCK_REALTIME || clock == LINUX_CLOCK_MONOTONIC ||
                 clock == LINUX_CLOCK_BOOTTIME || clock == LINUX_CLOCK_REALTIME_ALARM ||
                 clock == LINUX_CLOCK_BOOTTIME_ALARM;
    if (!known || (flags & ~(uint32_t)(LX_O_CLOEXEC | LX_O_NONBLOCK)))
        return ERR(INVAL);
    struct virtual initial = {.clock = clock};
    return virtual_make(FILES_KIND_TIMER, flags, &initial);
}

static struct linux_timespec time_of(uint64_t ns)
{
    return (struct linux_timespec){(int64_t)(ns / NS_PER_SECOND), (int64_t)(ns % NS_PER_SECOND)};
}

/* Time left and interval, as gettime gives them: an expired periodic timer shows its next
 * period. */
static struct linux_itimerspec timer_read(const struct virtual *timer)
{
    uint64_t now = deadline_after(0), left = 0;
    if (timer->expiry_ns > now)
        left = timer->expiry_ns - now;
    else if (timer->expiry_ns && timer->interval_ns)
        left = timer->interval_ns - (now - timer->expiry_ns) % timer->interval_ns;
    return (struct linux_itimerspec){time_of(timer->interval_ns), time_of(left)};
}

/* Which of the two errors a descriptor that is no timer gives. */
static long not_timer(int fd)
{
    struct fd_info info;
    return fd_look(fd, &info) ? ERR(BADF) : ERR(INVAL);
}

/* The kernel's clock at which `value` comes, for an absolute time on the timer's own clock. */
static uint64_t expiry_absolute(const struct virtual *timer, uint64_t value)
{
    uint64_t now = deadline_after(0);
    bool real = timer->clock == LINUX_CLOCK_REALTIME || timer->clock == LINUX_CLOCK_REALTIME_ALARM;
    uint64_t clock_now = real ? clock_realtime_ns() : now;
    return value <= clock_now ? now : now + (value - clock_now);
}

long sys_timerfd_settime(const uint64_t a[6])
{
    int fd = (int)a[0];
    uint32_t flags = (uint32_t)a[1];
    uint64_t interval, value;
    if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
        return ERR(INVAL);
    long error = timespec_read(&interval, (const void *)a[2]);
    if (!error)
        error =
            timespec_read(&value, (const void *)(a[2] + offsetof(struct linux_itimerspec, value)));
    if (error)
        return error;
    lock_take(&virtual_lock);
    struct virtual *timer = virtual_find(fd, FILES_KIND_TIMER);
    struct linux_itimerspec old = {0};
    if (timer) {
        old = timer_read(timer);
        timer->interval_ns = interval;
        timer->expiry_ns = value == 0                      ? 0
                           : flags & TFD_TIMER_ABSTIME ? expiry_absolute(timer, value)
                                                       : deadline_after(value);
        virtual_wake(timer);
    }
    lock_release(&virtual_lock);
    if (!timer)
        return not_timer(fd);
    return a[3] ? user_write((void *)a[3], &old, sizeof(old)) : 0;
}

long sys_timerfd_gettime(const uint64_t a[6])
{
    lock_take(&virtual_lock);
    struct virtual *timer = virtual_find((int)a[0], FILES_KIND_TIMER);
    struct linux_itimerspec now = {0};
    if (timer)
        now = timer_read(timer);
    lock_release(&virtual_lock);
    return timer ? user_write((void *)a[1], &now, sizeof(now)) : not_timer((int)a[0]);
}
