/* signalfd(2): signals that the program has blocked, read as records.
 * SPDX-License-Identifier: MIT */
#include "virtual.h"

#include <proto/proc.h>

struct linux_signalfd_siginfo {
    uint32_t signo;
    int32_t error, code;
    uint32_t pid, uid;
    int32_t fd;
    uint32_t tid, band, overrun, trap;
    int32_t status, integer;
    uint64_t pointer, utime, stime, address;
    uint16_t address_lsb, padding;
    int32_t syscall;
    uint64_t call_address;
    uint32_t arch;
    uint8_t fill[28];
};
_Static_assert(sizeof(struct linux_signalfd_siginfo) == 128, "struct signalfd_siginfo");

#define NEVER (LINUX_SIGNAL_BIT(LINUX_SIGKILL) | LINUX_SIGNAL_BIT(LINUX_SIGSTOP))

bool signal_descriptor_ready(uint64_t signals)
{
    struct proc_signal_take_reply reply = {0};
    return PROC_CALL(proc_signal_take(POSIX_SLOT_PROCD, ~signals, 1, &reply)) == 0 &&
           (reply.pending & signals);
}

bool signal_descriptor_take(uint64_t signals, uint8_t info[128])
{
    struct proc_signal_take_reply reply = {0};
    if (PROC_CALL(proc_signal_take(POSIX_SLOT_PROCD, ~signals, 0, &reply)) || reply.signal == 0)
        return false;
    /* Taking may have cleared the hint that other signals, which are not ours to read, are
     * there. */
    if (reply.pending & ~thread_self()->mask)
        thread_self()->ipc->upcall_pending = 1;
    struct linux_signalfd_siginfo out = {
        .signo = (uint32_t)reply.signal,
        .code = (int32_t)reply.code,
        .pid = (uint32_t)reply.pid,
        .uid = (uint32_t)reply.uid,
        .status = (int32_t)reply.status,
        .integer = (int32_t)reply.value,
        .pointer = reply.value,
    };
    memcpy(info, &out, sizeof(out));
    return true;
}

static long signalfd_change(int fd, uint64_t signals)
{
    struct fd_info info;
    if (fd_look(fd, &info))
        return ERR(BADF);
    lock_take(&virtual_lock);
    struct virtual *object = virtual_find(fd, FILES_KIND_SIGNAL);
    if (object) {
        object->signals = signals;
        virtual_wake(object);
    }
    lock_release(&virtual_lock);
    return object ? fd : ERR(INVAL);
}

static long signalfd_make(int fd, uint64_t user, uint64_t size, uint32_t flags)
{
    uint64_t signals;
    if (size != sizeof(signals))
        return ERR(INVAL);
    if (user_read(&signals, (const void *)user, sizeof(signals)))
        return ERR(FAULT);
    if (flags & ~(uint32_t)(LX_O_CLOEXEC | LX_O_NONBLOCK))
        return ERR(INVAL);
    signals &= ~NEVER;
    struct virtual initial = {.signals = signals};
    return fd == -1 ? virtual_make(FILES_KIND_SIGNAL, flags, &initial)
                    : signalfd_change(fd, signals);
}

long sys_signalfd(const uint64_t a[6])
{
    return signalfd_make((int)a[0], a[1], a[2], 0);
}

long sys_signalfd4(const uint64_t a[6])
{
    return signalfd_make((int)a[0], a[1], a[2], (uint32_t)a[3]);
}
