/* Memory: mmap(2), munmap(2), mprotect(2), mremap(2), brk(2), madvise(2)…
 * SPDX-License-Identifier: MIT
 *
 * procd maps anonymous memory only; a file mapping is that, with the file's bytes read into it.
 * So a private mapping is right but for later changes of the file, and a shared one is given
 * only read-only. */
#include "private.h"

#define PROT_ALL 7u
#define RW (LINUX_PROT_READ | LINUX_PROT_WRITE)

/* The program may be about to change its text: exec must not keep it. */
static void text_forget(uint64_t address, uint64_t length)
{
    if (address < process.text.high && length > 0 && address + length - 1 >= process.text.low)
        process.text.high = 0;
}

long memory_map(uint64_t address, uint64_t length, unsigned protection, unsigned flags,
                uint64_t *mapped)
{
    struct proc_map_reply reply;
    text_forget(address, length);
    long error = PROC_CALL(proc_map(POSIX_SLOT_PROCD, address, length, protection, flags, &reply));
    *mapped = reply.address;
    return error;
}

long memory_unmap(uint64_t address, uint64_t length)
{
    text_forget(address, length);
    return PROC_CALL(proc_unmap(POSIX_SLOT_PROCD, address, length));
}

/* Wholly inside what a program may map. */
static bool range_mappable(uint64_t address, uint64_t length)
{
    return address + length >= address && address + length <= USER_END &&
           (address + length <= POSIX_BASE || address >= POSIX_END);
}

long file_read_at(ar_cap file, unsigned server, void *to, size_t length, int64_t offset)
{
    size_t done = 0;
    while (done < length) {
        struct ar_segment segment = {(uint64_t)to + done, length - done};
        struct ipc_transfer transfer = {.out = &segment, .out_count = 1};
        struct posix_retry retry = {.transfer = &transfer, .server = server};
        struct io_read_reply reply = {0};
        long error = POSIX_CALL(
            &retry, io_read(file, offset + (int64_t)done, 0, length - done, &reply, &transfer));
        if (error)
            return done ? (long)done : error;
        if (reply.count == 0 || reply.count > length - done)
            break;
        done += reply.count;
    }
    return (long)done;
}

/* ---- mmap ------------------------------------------------------------------------------------ */

static long map_file_check(const struct fd_info *info, unsigned protection, bool shared,
                           bool *anonymous)
{
    struct io_get_flags_reply flags;
    struct posix_retry retry = {.server = info->server};
    long error = POSIX_CALL(&retry, io_get_flags(info->slot, &flags));
    if (error)
        return error;
    if (flags.flags & LINUX_O_PATH)
        return -LINUX_EBADF;
    unsigned access = flags.flags & 3;
    if (access == 1)
        return -LINUX_EACCES;
    *anonymous = flags.kind == IO_KIND_DEVICE; /* /dev/zero */
    if (!*anonymous && flags.kind != IO_KIND_FILE && flags.kind != IO_KIND_PROC)
        return -LINUX_ENODEV;
    if (!*anonymous && shared && (protection & LINUX_PROT_WRITE)) {
        if (access != 2)
            return -LINUX_EACCES;
        posix_log("mmap: writable shared file mappings are not there");
        return -LINUX_ENODEV;
    }
    return 0;
}

static long map_file(const struct fd_info *info, uint64_t address, uint64_t length,
                     unsigned protection, unsigned flags, uint64_t offset)
{
    bool shared = flags & PROC_MAP_SHARED, anonymous;
    uint64_t mapped;
    long error = map_file_check(info, protection, shared, &anonymous);
    if (error)
        return error;
    if (anonymous) {
        error = memory_map(address, length, protection, flags, &mapped);
        return error ? error : (long)mapped;
    }
    /* A read-only view that others cannot see us change is as good as a private one. */
    error = memory_map(address, length, RW, flags & ~(unsigned)PROC_MAP_SHARED, &mapped);
    if (error)
        return error;
    long count = file_read_at(info->slot, info->server, (void *)mapped, length, (int64_t)offset);
    if (count >= 0 && protection != RW)
        count = PROC_CALL(proc_protect(POSIX_SLOT_PROCD, mapped, length, protection));
    if (count < 0) {
        memory_unmap(mapped, length);
        return count == -LINUX_EISDIR ? -LINUX_ENODEV : count;
    }
    return (long)mapped;
}

static long flags_translate(uint64_t linux_flags, unsigned *flags)
{
    *flags = 0;
    switch (linux_flags & LINUX_MAP_TYPE) {
    case LINUX_MAP_SHARED:
    case LINUX_MAP_SHARED_VALIDATE:
        *flags |= PROC_MAP_SHARED;
        break;
    case LINUX_MAP_PRIVATE:
        break;
    default:
        return -LINUX_EINVAL;
    }
    if (linux_flags & LINUX_MAP_HUGETLB)
        return -LINUX_ENOMEM; /* no huge pages set aside */
    if (linux_flags & LINUX_MAP_FIXED_NOREPLACE)
        *flags |= PROC_MAP_FIXED_NOREPLACE;
    else if (linux_flags & LINUX_MAP_FIXED)
        *flags |= PROC_MAP_FIXED;
    if (linux_flags & LINUX_MAP_GROWSDOWN)
        *flags |= PROC_MAP_STACK;
    if (linux_flags & (LINUX_MAP_POPULATE | LINUX_MAP_LOCKED))
        *flags |= PROC_MAP_POPULATE;
    return 0;
}

long sys_mmap(const uint64_t a[6])
{
    uint64_t address = a[0], length = PAGE_UP(a[1]), mapped;
    unsigned protection = (unsigned)a[2] & PROT_ALL, flags;
    struct fd_info info;
    if (a[5] % PAGE_SIZE)
        return -LINUX_EINVAL;
    if (!(a[3] & LINUX_MAP_ANONYMOUS) && fd_look((int)a[4], &info))
        return -LINUX_EBADF;
    if (a[1] == 0)
        return -LINUX_EINVAL;
    long error = flags_translate(a[3], &flags);
    if (error)
        return error;
    if (length == 0 || length > USER_END)
        return -LINUX_ENOMEM;
    if (flags & (PROC_MAP_FIXED | PROC_MAP_FIXED_NOREPLACE)) {
        if (address % PAGE_SIZE)
            return -LINUX_EINVAL;
        if (address < USER_LOW)
            return -LINUX_EPERM;
        if (!range_mappable(address, length))
            return -LINUX_ENOMEM;
    } else {
        address = PAGE_DOWN(address);
        if (address >= USER_LOW && range_mappable(address, length))
            flags |= PROC_MAP_HINT;
        else
            address = 0;
    }
    if (a[3] & LINUX_MAP_ANONYMOUS) {
        error = memory_map(address, length, protection, flags, &mapped);
        return error ? error : (long)mapped;
    }
    error = fd_begin((int)a[4], NULL, &info);
    if (error)
        return error;
    error = map_file(&info, address, length, protection, flags, a[5]);
    fd_end(&info);
    return error;
}

long sys_munmap(const uint64_t a[6])
{
    uint64_t length = PAGE_UP(a[1]);
    if (a[0] % PAGE_SIZE || length == 0 || !range_mappable(a[0], length))
        return -LINUX_EINVAL;
    return memory_unmap(a[0], length);
}

long sys_mprotect(const uint64_t a[6])
{
    uint64_t length = PAGE_UP(a[1]);
    if (a[0] % PAGE_SIZE || (a[2] & ~(uint64_t)(PROT_ALL | 8 | 0x03000000)))
        return -LINUX_EINVAL;
    if (length == 0)
        return 0;
    if (!range_mappable(a[0], length))
        return -LINUX_ENOMEM;
    text_forget(a[0], length);
    return PROC_CALL(proc_protect(POSIX_SLOT_PROCD, a[0], length, a[2] & PROT_ALL));
}

#define MREMAP_MAYMOVE 1u
#define MREMAP_FIXED 2u

long sys_mremap(const uint64_t a[6])
{
    struct proc_remap_reply reply;
    uint64_t old_length = PAGE_UP(a[1]), new_length = PAGE_UP(a[2]);
    if (a[0] % PAGE_SIZE || new_length == 0 ||
        (a[3] & ~(uint64_t)(MREMAP_MAYMOVE | MREMAP_FIXED)) ||
        ((a[3] & MREMAP_FIXED) && (!(a[3] & MREMAP_MAYMOVE) || a[4] % PAGE_SIZE)))
        return -LINUX_EINVAL;
    if (old_length == 0)
        return -LINUX_EINVAL; /* duplicating a shared mapping is not there */
    if (!range_mappable(a[0], old_length))
        return -LINUX_EFAULT;
    if ((a[3] & MREMAP_FIXED) && !range_mappable(a[4], new_length))
        return -LINUX_EINVAL;
    text_forget(a[0], old_length);
    text_forget(a[4], new_length); /* MREMAP_FIXED */
    long error =
        PROC_CALL(proc_remap(POSIX_SLOT_PROCD, a[0], old_length, new_length, a[3], a[4], &reply));
    return error ? error : (long)reply.address;
}

/* brk(2) as the kernel has it: the new end, or the old one when it cannot be. */
long sys_brk(const uint64_t a[6])
{
    uint64_t mapped, wanted = a[0];
    lock_take(&process.memory_lock);
    uint64_t result = process.brk_end;
    if (wanted >= process.brk_start && wanted < POSIX_BASE) {
        uint64_t old_top = PAGE_UP(process.brk_end), new_top = PAGE_UP(wanted);
        long error = 0;
        if (new_top > old_top)
            error = memory_map(old_top, new_top - old_top, RW, PROC_MAP_FIXED_NOREPLACE, &mapped);
        else if (new_top < old_top)
            error = memory_unmap(new_top, old_top - new_top);
        if (!error)
            result = process.brk_end = wanted;
    }
    lock_release(&process.memory_lock);
    return (long)result;
}

/* ---- advice ---------------------------------------------------------------------------------- */

#define MADV_DONTNEED 4
#define MADV_FREE 8
#define MADV_LAST 25

long sys_madvise(const uint64_t a[6])
{
    uint64_t length = PAGE_UP(a[1]);
    int advice = (int)a[2];
    if (a[0] % PAGE_SIZE || (a[1] && length == 0) || advice < 0 || advice > MADV_LAST)
        return -LINUX_EINVAL;
    if (length == 0)
        return 0;
    if (!range_mappable(a[0], length))
        return -LINUX_ENOMEM;
    /* MADV_FREE may drop or keep the pages; keeping them costs nothing but the memory. */
    text_forget(a[0], length);
    return advice == MADV_DONTNEED ? PROC_CALL(proc_discard(POSIX_SLOT_PROCD, a[0], length)) : 0;
}

long sys_msync(const uint64_t a[6])
{
    return a[0] % PAGE_SIZE || ((unsigned)a[2] & ~7u) || ((unsigned)a[2] & 5) == 5 ? -LINUX_EINVAL
                                                                                   : 0;
}

long sys_mincore(const uint64_t a[6])
{
    uint8_t one = 1;
    if (a[0] % PAGE_SIZE)
        return -LINUX_EINVAL;
    if (!user_range_ok((void *)a[0], a[1]))
        return -LINUX_ENOMEM;
    for (uint64_t i = 0; i < PAGE_UP(a[1]) / PAGE_SIZE; i++) {
        if (touch_read((void *)(a[0] + i * PAGE_SIZE)))
            return -LINUX_ENOMEM;
        if (user_write((void *)(a[2] + i), &one, 1))
            return -LINUX_EFAULT;
    }
    return 0;
}

/* mlock(2) and its family: nothing is ever paged out. */
long sys_mlock(const uint64_t a[6])
{
    return user_range_ok((void *)a[0], a[1]) ? 0 : -LINUX_ENOMEM;
}

long sys_mlock2(const uint64_t a[6])
{
    return (unsigned)a[2] & ~1u ? -LINUX_EINVAL : sys_mlock(a);
}

long sys_munlock(const uint64_t a[6])
{
    return sys_mlock(a);
}

long sys_mlockall(const uint64_t a[6])
{
    return a[0] == 0 || (a[0] & ~7ull) || a[0] == 4 ? -LINUX_EINVAL : 0;
}

long sys_munlockall(const uint64_t a[6])
{
    (void)a;
    return 0;
}
