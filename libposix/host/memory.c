/* Memory of a process on the host: the host's own. In the place of memory.c and memory_private.c.
 * SPDX-License-Identifier: MIT */
#include "private.h"
#include "host.h"

/* The descriptor table is there. */
long memory_map(uint64_t address, uint64_t length, unsigned protection, unsigned flags,
                uint64_t *mapped)
{
    (void)length, (void)protection, (void)flags;
    *mapped = address;
    return 0;
}

/* Private anonymous memory, where the host likes. */
long sys_mmap(const uint64_t a[6])
{
    uint64_t kind = LINUX_MAP_ANONYMOUS | LINUX_MAP_PRIVATE;
    if (a[0] || (a[3] & (kind | LINUX_MAP_FIXED)) != kind)
        return -LINUX_ENOSYS;
    return posix_host_map(a[1], a[2]);
}

long sys_munmap(const uint64_t a[6])
{
    return posix_host_unmap(a[0], a[1]);
}

long sys_mprotect(const uint64_t a[6])
{
    return posix_host_protect(a[0], a[1], a[2]);
}

#define MISSING(name)                                                                              \
    long sys_##name(const uint64_t a[6])                                                           \
    {                                                                                              \
        (void)a;                                                                                   \
        return -LINUX_ENOSYS;                                                                      \
    }
MISSING(mremap)
MISSING(brk)
MISSING(madvise)
MISSING(msync)
MISSING(mincore)
MISSING(mlock)
MISSING(mlock2)
MISSING(munlock)
MISSING(mlockall)
MISSING(munlockall)
MISSING(execve)
MISSING(execveat)
