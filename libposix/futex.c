/*
 * futex(2), inside one process: waiting threads hang in queues keyed by the word's address. A
 * futex in memory shared with another process wakes only this process's threads.
 * SPDX-License-Identifier: MIT
 *
 * A thread is in a queue exactly while futex_waiting is 1; whoever takes it out clears that,
 * both under futex_lock, and then signals its notification. The word is read under the lock, so
 * no wake can fall between look and sleep.
 */
#include "private.h"
#include "thread.h"

#define QUEUES 64u
#define CMD_MASK 127u
#define CLOCK_REALTIME_FLAG 256u
enum futex_command {
    FUTEX_WAIT, FUTEX_WAKE, FUTEX_FD, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP,
    FUTEX_WAIT_BITSET = 9,
    FUTEX_WAKE_BITSET = 10
};

static struct posix_thread *queues[QUEUES];

static struct posix_thread **queue_of(uint64_t address)
{
    return &queues[(address >> 2 ^ address >> 12) % QUEUES];
}

void futex_forget_all(void)
{
    memset(queues, 0, sizeof(queues));
    thread_self()->futex_waiting = 0;
}

/* At the end: first come, first served. With the lock. */
static void enqueue(struct posix_thread *thread, uint64_t address)
{
    struct posix_thread **link = queue_of(address);
    while (*link)
        link = &(*link)->futex_next;
    thread->futex_address = address;
    thread->futex_next = NULL;
    thread->futex_waiting = 1;
    *link = thread;
}

static void dequeue(struct posix_thread *thread)
{
    struct posix_thread **link = queue_of(thread->futex_address);
    while (*link && *link != thread)
        link = &(*link)->futex_next;
    if (*link)
        *link = thread->futex_next;
    thread->futex_waiting = 0;
}

/* With the lock. */
static uint32_t wake(uint64_t address, uint32_t count, uint32_t bitset)
{
    struct posix_thread **link = queue_of(address);
    uint32_t woken = 0;
    while (*link && woken < count) {
        struct posix_thread *thread = *link;
        if (thread->futex_address != address || !(thread->futex_bitset & bitset)) {
            link = &thread->futex_next;
            continue;
        }
        *link = thread->futex_next;
        thread->futex_waiting = 0;
        thread_wake(thread);
        woken++;
    }
    return woken;
}

uint32_t futex_wake_address(uint64_t address, uint32_t count, uint32_t bitset)
{
    lock_take(&process.futex_lock);
    uint32_t woken = wake(address, count, bitset);
    lock_release(&process.futex_lock);
    return woken;
}

static long wait(uint64_t address, uint32_t expected, uint32_t bitset, uint64_t deadline)
{
    struct posix_thread *thread = thread_self();
    uint32_t value;
    if (!bitset)
        return -LINUX_EINVAL;
    lock_take(&process.futex_lock);
    long error = user_read(&value, (void *)address, 4);
    if (!error && value != expected)
        error = -LINUX_EAGAIN;
    if (!error) {
        thread->futex_bitset = bitset;
        enqueue(thread, address);
    }
    lock_release(&process.futex_lock);
    if (error)
        return error;

    enum wait_result result = WAIT_WOKEN;
    while (thread->futex_waiting && result == WAIT_WOKEN)
        result = posix_wait(deadline);
    lock_take(&process.futex_lock);
    bool waiting = thread->futex_waiting;
    if (waiting)
        dequeue(thread);
    lock_release(&process.futex_lock);
    if (!waiting)
        return 0; /* a signal or time-out that came as well changes nothing */
    if (result == WAIT_TIMED_OUT)
        return -LINUX_ETIMEDOUT;
    return deadline == AR_NO_DEADLINE ? -POSIX_RESTART : -POSIX_RESTART_NOHAND;
}

/* Move up to `limit` waiters to another word's queue. With the lock. */
static uint32_t requeue(uint64_t from, uint64_t to, uint32_t limit)
{
    struct posix_thread **link = queue_of(from);
    struct posix_thread *moved[64];
    uint32_t count = 0, total = 0;
    do {
        count = 0;
        link = queue_of(from);
        while (*link && total < limit && count < 64) {
            struct posix_thread *thread = *link;
            if (thread->futex_address != from) {
                link = &thread->futex_next;
                continue;
            }
            *link = thread->futex_next;
            moved[count++] = thread;
            total++;
        }
        for (uint32_t i = 0; i < count; i++)
            enqueue(moved[i], to);
    } while (count == 64);
    return total;
}

static long requeue_call(const uint64_t a[6], bool compare)
{
    uint32_t value;
    int32_t wakes = (int32_t)a[2], moves = (int32_t)a[3];
    if (wakes < 0 || moves < 0 || a[4] % 4)
        return -LINUX_EINVAL;
    lock_take(&process.futex_lock);
    long result = user_read(&value, (void *)a[0], 4);
    if (!result && compare && value != (uint32_t)a[5])
        result = -LINUX_EAGAIN;
    if (!result) {
        result = wake(a[0], (uint32_t)wakes, UINT32_MAX);
        if (a[4] != a[0])
            result += requeue(a[0], a[4], (uint32_t)moves);
    }
    lock_release(&process.futex_lock);
    return result;
}

/* FUTEX_WAKE_OP: change the second word, wake on the first, and on the second when its old value
 * compares. */
static long wake_op(const uint64_t a[6])
{
    uint32_t encoded = (uint32_t)a[5], old, new;
    uint32_t operation = encoded >> 28 & 7, comparison = encoded >> 24 & 15;
    int32_t operand = (int32_t)(encoded << 8) >> 20, against = (int32_t)(encoded << 20) >> 20;
    uint32_t operand_bits = encoded >> 31 ? 1u << (operand & 31) : (uint32_t)operand;
    bool holds;
    if (a[4] % 4)
        return -LINUX_EINVAL;
    if (!user_range_ok((void *)a[4], 4) || touch_write((void *)a[4]))
        return -LINUX_EFAULT;
    volatile uint32_t *word = (volatile uint32_t *)a[4];
    lock_take(&process.futex_lock);
    do {
        if (user_read(&old, (void *)a[4], 4)) {
            lock_release(&process.futex_lock);
            return -LINUX_EFAULT;
        }
        switch (operation) {
        case 0: new = operand_bits; break;
        case 1: new = old + operand_bits; break;
        case 2: new = old | operand_bits; break;
        case 3: new = old & ~operand_bits; break;
        case 4: new = old ^ operand_bits; break;
        default:
            lock_release(&process.futex_lock);
            return -LINUX_ENOSYS;
        }
    } while (!__sync_bool_compare_and_swap(word, old, new));
    switch (comparison) {
    case 0: holds = (int32_t)old == against; break;
    case 1: holds = (int32_t)old != against; break;
    case 2: holds = (int32_t)old < against; break;
    case 3: holds = (int32_t)old <= against; break;
    case 4: holds = (int32_t)old > against; break;
    case 5: holds = (int32_t)old >= against; break;
    default: holds = false;
    }
    long woken = wake(a[0], (uint32_t)a[2], UINT32_MAX);
    if (holds)
        woken += wake(a[4], (uint32_t)a[3], UINT32_MAX);
    lock_release(&process.futex_lock);
    return woken;
}

/* Relative for FUTEX_WAIT, absolute for FUTEX_WAIT_BITSET, on either clock. */
static long deadline_read(uint32_t operation, uint64_t user, uint64_t *deadline)
{
    uint64_t ns;
    *deadline = AR_NO_DEADLINE;
    if (!user)
        return 0;
    long error = timespec_read(&ns, (void *)user);
    if (error)
        return error;
    if ((operation & CMD_MASK) == FUTEX_WAIT) {
        *deadline = deadline_after(ns);
    } else if (operation & CLOCK_REALTIME_FLAG) {
        uint64_t now = clock_realtime_ns();
        *deadline = deadline_after(ns > now ? ns - now : 0);
    } else {
        *deadline = ns;
    }
    return 0;
}

long sys_futex(const uint64_t a[6])
{
    uint32_t operation = (uint32_t)a[1];
    uint64_t deadline;
    long error;
    if (a[0] % 4)
        return -LINUX_EINVAL;
    if (!user_range_ok((void *)a[0], 4))
        return -LINUX_EFAULT;
    switch (operation & CMD_MASK) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
        error = deadline_read(operation, a[3], &deadline);
        if (error)
            return error;
        return wait(a[0], (uint32_t)a[2],
                    (operation & CMD_MASK) == FUTEX_WAIT ? UINT32_MAX : (uint32_t)a[5], deadline);
    case FUTEX_WAKE:
        return futex_wake_address(a[0], (uint32_t)a[2], UINT32_MAX);
    case FUTEX_WAKE_BITSET:
        return (uint32_t)a[5] ? (long)futex_wake_address(a[0], (uint32_t)a[2], (uint32_t)a[5])
                              : -LINUX_EINVAL;
    case FUTEX_REQUEUE:
        return requeue_call(a, false);
    case FUTEX_CMP_REQUEUE:
        return requeue_call(a, true);
    case FUTEX_WAKE_OP:
        return wake_op(a);
    default:
        return -LINUX_ENOSYS;
    }
}
