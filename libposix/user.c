/* The program's memory: checked ranges, fault-tolerant copies. SPDX-License-Identifier: MIT */
#include "private.h"

#define PAGE 4096ull

long user_read_string(char *to, const void *user, size_t max)
{
    uint64_t start = (uint64_t)user, room = max;
    size_t length;
    if (start >= USER_END || (start >= POSIX_BASE && start < POSIX_END))
        return -LINUX_EFAULT;
    /* A string that runs into forbidden ground without an end is EFAULT, however much room there
     * is. */
    uint64_t limit = start < POSIX_BASE ? POSIX_BASE - start : USER_END - start;
    if (room > limit)
        room = limit;
    if (copy_string(to, user, room, &length))
        return -LINUX_EFAULT;
    if (length < room)
        return (long)length;
    return room < max ? -LINUX_EFAULT : -LINUX_ENAMETOOLONG;
}

long user_segment(struct ar_segment *segment, const void *user, size_t length)
{
    if (!user_range_ok(user, length))
        return -LINUX_EFAULT;
    *segment = (struct ar_segment){(uint64_t)user, length};
    return 0;
}

long user_touch(const struct ar_segment *segments, unsigned count, bool write)
{
    long result = 0;
    for (unsigned i = 0; i < count; i++) {
        if (segments[i].length == 0)
            continue;
        uint64_t end = segments[i].address + segments[i].length;
        for (uint64_t at = segments[i].address; at < end; at = (at & ~(PAGE - 1)) + PAGE) {
            if (write ? touch_write((void *)at) : touch_read((const void *)at)) {
                /* the rest of this segment is of no use, the other ones may be */
                result = -LINUX_EFAULT;
                break;
            }
        }
    }
    return result;
}
