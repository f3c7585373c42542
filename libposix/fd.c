/*
 * The descriptor table. Descriptor n is the capability in slot POSIX_SLOT_FD + n; what we keep
 * beside it (close-on-exec, what kind of object, whose) is only a cache: nothing depends on it
 * but our own speed. SPDX-License-Identifier: MIT
 *
 * All under process.lock, except that a process with one thread needs no private copy of a
 * capability to call on it.
 */
#include "fd_table.h"
#include "private.h"

_Static_assert(sizeof(struct fd_entry) * POSIX_FD_MAX <= PRIVATE_FD_SIZE,
               "the table fits its place");

#define TABLE FD_TABLE
#define LEAF_OF(slot) ((slot) / AR_LEAF_SLOTS)

int fd_top;
static int fd_low;               /* those below are used */
static uint32_t leaf_top = LEAF_OF(POSIX_SLOT_FD) + 1; /* leaves below are present */

static uint8_t slot_issuer(ar_cap slot)
{
    struct ar_message m;
    if (ar_invoke(AR_CAP_SELF, AR_CNODE_INSPECT, slot, 0, 0, 0, 1, &m))
        return 0;
    return (uint8_t)m.words[3];
}

long fd_table_init(void)
{
    uint64_t mapped;
    long error = memory_map(PRIVATE_FD_TABLE, PRIVATE_FD_SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE,
                            PROC_MAP_FIXED, &mapped);
    if (error)
        return error;
    for (int fd = 0; fd < 3; fd++)
        TABLE[fd] = (struct fd_entry){.used = 1, .server = slot_issuer(fd_slot(fd))};
    fd_top = fd_low = 3;
    return 0;
}

/* Leaves grow one after the other, so that one number says which are there. With the lock. */
static long leaf_ensure(ar_cap slot)
{
    while (leaf_top <= LEAF_OF(slot)) {
        long error = status_to_errno(proc_grow_slots(POSIX_SLOT_PROCD, leaf_top * AR_LEAF_SLOTS));
        if (error)
            return error;
        leaf_top++;
    }
    return 0;
}

static void entry_read(int fd, struct fd_info *info)
{
    struct fd_entry entry = TABLE[fd];
    *info = (struct fd_info){fd_slot(fd), entry.kind, entry.server, entry.cloexec, false};
}

/* Another thread may close the descriptor while we use it, and a third fill its slot again. */
static int begin_copied(int fd, unsigned slot_number, struct fd_info *info)
{
    int result = -LINUX_EBADF;
    ar_cap slot = thread_slot(slot_number);
    lock_take(&process.lock);
    if (fd_in_use(fd)) {
        entry_read(fd, info);
        slot_delete(slot);
        if (!ar_cap_copy(AR_CAP_SELF, slot, AR_CAP_SELF, info->slot, AR_ALL))
            result = 0;
        info->slot = slot;
        info->copied = true;
    }
    lock_release(&process.lock);
    return result;
}

static int begin(int fd, unsigned slot_number, ar_cap *call_slot, struct fd_info *info)
{
    if (process.threads > 1) {
        int error = begin_copied(fd, slot_number, info);
        if (error)
            return error;
    } else {
        if (!fd_in_use(fd))
            return -LINUX_EBADF;
        entry_read(fd, info);
    }
    if (call_slot)
        *call_slot = info->slot;
    return 0;
}

int fd_begin(int fd, ar_cap *call_slot, struct fd_info *info)
{
    return begin(fd, POSIX_TS_CALL, call_slot, info);
}

int fd_begin2(int fd, ar_cap *call_slot, struct fd_info *info)
{
    return begin(fd, POSIX_TS_CALL2, call_slot, info);
}

void fd_hold(int fd, ar_cap slot)
{
    lock_take(&process.lock);
    if (fd_in_use(fd))
        ar_cap_copy(AR_CAP_SELF, slot, AR_CAP_SELF, fd_slot(fd), AR_ALL);
    lock_release(&process.lock);
}

int fd_look(int fd, struct fd_info *info)
{
    if (!fd_in_use(fd))
        return -LINUX_EBADF;
    entry_read(fd, info);
    return 0;
}

void fd_set_kind(int fd, unsigned kind)
{
    lock_take(&process.lock);
    if (fd_in_use(fd))
        TABLE[fd].kind = (uint8_t)kind;
    lock_release(&process.lock);
}

/* A process may have descriptors below it. */
static uint32_t fd_limit(void)
{
    return process.nofile_soft < POSIX_FD_MAX ? process.nofile_soft : POSIX_FD_MAX;
}

/* As fd_limit, of those whose leaf is there: to use them asks nobody for more. */
static uint32_t fd_limit_ready(void)
{
    uint32_t limit = fd_limit(), ready = leaf_top * AR_LEAF_SLOTS - POSIX_SLOT_FD;
    return limit < ready ? limit : ready;
}

/* The lowest free descriptor from `fd` on: the one chooser of numbers. */
static int fd_free_from(int fd)
{
    if (fd < fd_low)
        fd = fd_low;
    while (fd < fd_top && TABLE[fd].used)
        fd++;
    return fd;
}

/* With the lock: the lowest free descriptor >= lowest whose slot can be used, or -errno. */
static int fd_find_free(int lowest)
{
    int fd = fd_free_from(lowest);
    if ((uint32_t)fd >= fd_limit())
        return -LINUX_EMFILE;
    return leaf_ensure(fd_slot(fd)) ? -LINUX_ENOMEM : fd;
}

static void entry_set(int fd, struct fd_entry entry)
{
    TABLE[fd] = entry;
    if (fd >= fd_top)
        fd_top = fd + 1;
    if (fd == fd_low)
        fd_low = fd + 1;
}

/* The highest ones are closed. */
static __attribute__((noinline)) void top_lower(void)
{
    while (fd_top > 0 && !TABLE[fd_top - 1].used)
        fd_top--;
}

static inline void entry_clear(int fd)
{
    TABLE[fd] = (struct fd_entry){0};
    if (fd < fd_low)
        fd_low = fd;
    if (fd + 1 == fd_top) {
        fd_top = fd;
        if (fd > 0 && !TABLE[fd - 1].used)
            top_lower();
    }
}

int fd_expect(ar_cap *slots, unsigned count)
{
    bool alone = process.threads == 1;
    int fd = -1;
    lock_take(&process.lock);
    for (unsigned i = 0; i < count; i++) {
        fd = fd_find_free(fd + 1);
        if (fd < 0)
            break;
        slots[i] = alone ? fd_slot(fd) : thread_self()->receive_slots[i];
    }
    lock_release(&process.lock);
    return fd < 0 ? fd : 0;
}

/* The descriptor whose own slot this is, or -1. */
static int fd_of_slot(ar_cap slot)
{
    return slot - POSIX_SLOT_FD < POSIX_FD_MAX ? (int)(slot - POSIX_SLOT_FD) : -1;
}

int fd_install(ar_cap from_slot, int lowest, bool cloexec, unsigned kind, unsigned server)
{
    if (!server)
        server = slot_issuer(from_slot);
    lock_take(&process.lock);
    int fd = fd_of_slot(from_slot);
    bool there = fd >= 0;
    if (!there)
        fd = fd_find_free(lowest);
    if (!there && fd >= 0 && ar_cap_move(AR_CAP_SELF, fd_slot(fd), AR_CAP_SELF, from_slot))
        fd = -LINUX_ENOMEM;
    if (fd >= 0)
        entry_set(fd, (struct fd_entry){1, cloexec, (uint8_t)kind, (uint8_t)server});
    lock_release(&process.lock);
    if (fd < 0)
        slot_delete(from_slot);
    return fd;
}

void fd_offer(ar_cap *slots, unsigned count)
{
    uint32_t limit = process.threads > 1 ? 0 : fd_limit_ready();
    unsigned i = 0;
    for (int fd = -1; i < count && (uint32_t)(fd = fd_free_from(fd + 1)) < limit; i++)
        slots[i] = fd_slot(fd);
    for (; i < count; i++)
        slots[i] = thread_self()->receive_slots[i];
}

_Static_assert(AR_MSG_CAPS == 8, "offer_run writes eight");

/* All eight, however many are wanted: that is shorter than to count. */
static inline void offer_run(uint64_t *offer, uint64_t slot)
{
    offer[0] = slot;
    offer[1] = slot + 1;
    offer[2] = slot + 2;
    offer[3] = slot + 3;
    offer[4] = slot + 4;
    offer[5] = slot + 5;
    offer[6] = slot + 6;
    offer[7] = slot + 7;
}

static __attribute__((noinline)) void offer_between(uint64_t *offer)
{
    int fd = -1;
    for (unsigned i = 0; i < AR_MSG_CAPS; i++)
        offer[i] = fd_slot(fd = fd_free_from(fd + 1));
}

bool fd_offer_in_place(void)
{
    if ((uint32_t)fd_top + AR_MSG_CAPS > fd_limit_ready())
        return false;
    if (fd_low >= fd_top)
        offer_run(ipc_offer(), fd_slot(fd_low));
    else
        offer_between(ipc_offer());
    return true;
}

void fd_adopt(unsigned count, bool cloexec)
{
    const uint64_t *offer = ipc_offer();
    int low = fd_low, fd = 0;
    for (unsigned i = 0; i < count; i++) { /* in rising order */
        fd = (int)(offer[i] - POSIX_SLOT_FD);
        TABLE[fd] = (struct fd_entry){FD_USED, cloexec, 0, ipc_received_issuer(i)};
        low += low == fd;
    }
    fd_low = low;
    if (count && fd >= fd_top)
        fd_top = fd + 1;
}

int fd_dup(int fd, int lowest, bool cloexec)
{
    int copy = -LINUX_EBADF;
    lock_take(&process.lock);
    if (fd_in_use(fd)) {
        if (lowest < 0 || (uint32_t)lowest >= process.nofile_soft)
            copy = -LINUX_EINVAL;
        else
            copy = fd_find_free(lowest);
        if (copy >= 0 && ar_cap_copy(AR_CAP_SELF, fd_slot(copy), AR_CAP_SELF, fd_slot(fd), AR_ALL))
            copy = -LINUX_ENOMEM;
        if (copy >= 0)
            entry_set(copy, (struct fd_entry){1, cloexec, TABLE[fd].kind, TABLE[fd].server});
    }
    lock_release(&process.lock);
    if (copy >= 0)
        files_fd_duplicated(fd, copy);
    return copy;
}

int fd_dup_to(int fd, int to, bool cloexec)
{
    int result = to;
    bool closed = false;
    if (fd_in_use(fd) && fd != to)
        files_fd_closing(to);
    lock_take(&process.lock);
    if (!fd_in_use(fd) || to < 0 || (uint32_t)to >= process.nofile_soft || to >= POSIX_FD_MAX) {
        result = -LINUX_EBADF;
    } else if (leaf_ensure(fd_slot(to))) {
        result = -LINUX_ENOMEM;
    } else {
        closed = fd_in_use(to);
        slot_delete(fd_slot(to));
        if (ar_cap_copy(AR_CAP_SELF, fd_slot(to), AR_CAP_SELF, fd_slot(fd), AR_ALL)) {
            result = -LINUX_ENOMEM;
            if (closed)
                entry_clear(to);
        } else {
            entry_set(to, (struct fd_entry){1, cloexec, TABLE[fd].kind, TABLE[fd].server});
        }
    }
    lock_release(&process.lock);
    if (closed)
        files_fd_closed(to);
    if (result >= 0)
        files_fd_duplicated(fd, to);
    return result;
}

static __attribute__((noinline)) int close_locked(int fd)
{
    lock_take(&process.lock);
    int result = fd_in_use(fd) ? 0 : -LINUX_EBADF;
    if (!result) {
        slot_delete(fd_slot(fd));
        entry_clear(fd);
    }
    lock_release(&process.lock);
    return result;
}

static __attribute__((noinline)) int close_noted(int fd)
{
    files_fd_closing(fd);
    int result = close_locked(fd);
    if (!result)
        files_fd_closed(fd);
    return result;
}

int fd_close(int fd)
{
    if (process.descriptors_noted)
        return close_noted(fd);
    if (process.threads != 1 || !fd_in_use(fd))
        return close_locked(fd);
    slot_delete(fd_slot(fd));
    entry_clear(fd);
    return 0;
}

int fd_get_cloexec(int fd)
{
    return fd_in_use(fd) ? TABLE[fd].cloexec : -LINUX_EBADF;
}

int fd_set_cloexec(int fd, bool cloexec)
{
    int result = -LINUX_EBADF;
    lock_take(&process.lock);
    if (fd_in_use(fd)) {
        TABLE[fd].cloexec = cloexec;
        result = 0;
    }
    lock_release(&process.lock);
    return result;
}

int fd_next(int from)
{
    for (int fd = from < 0 ? 0 : from; fd < fd_top; fd++)
        if (TABLE[fd].used)
            return fd;
    return -1;
}

uint32_t fd_slot_limit(void)
{
    return POSIX_SLOT_FD + (uint32_t)fd_top;
}

void fd_close_on_exec(void)
{
    for (int fd = fd_next(0); fd >= 0; fd = fd_next(fd + 1))
        if (TABLE[fd].cloexec)
            fd_close(fd);
}
