/* Process calls: identity, waiting for children, limits, names. SPDX-License-Identifier: MIT */
#include "private.h"

/* ---- identity, credentials(7) ---------------------------------------------------------------- */

static long ids_read(uint64_t pid, struct proc_ids_reply *ids)
{
    return PROC_CALL(proc_ids(POSIX_SLOT_PROCD, pid, ids));
}

#define OWN_ID(call, field)                                                                        \
    long sys_##call(const uint64_t a[6])                                                           \
    {                                                                                              \
        struct proc_ids_reply ids;                                                                 \
        (void)a;                                                                                   \
        long error = ids_read(0, &ids);                                                            \
        return error ? error : (long)ids.field;                                                    \
    }
OWN_ID(getpgrp, pgid)
OWN_ID(getuid, ruid)
OWN_ID(geteuid, euid)
OWN_ID(getgid, rgid)
OWN_ID(getegid, egid)

/* procd keeps it up to date beside each thread's IPC buffer: no message. */
long sys_getppid(const uint64_t a[6])
{
    (void)a;
    const char *area = (const char *)thread_self()->ipc;
    return (long)*(const volatile uint64_t *)(area + POSIX_AREA_PARENT);
}

long sys_getpid(const uint64_t a[6])
{
    (void)a;
    return process.pid;
}

long sys_getpgid(const uint64_t a[6])
{
    struct proc_ids_reply ids;
    if ((int)a[0] < 0)
        return -LINUX_ESRCH;
    long error = ids_read((uint32_t)a[0], &ids);
    return error ? error : (long)ids.pgid;
}

long sys_getsid(const uint64_t a[6])
{
    struct proc_ids_reply ids;
    if ((int)a[0] < 0)
        return -LINUX_ESRCH;
    long error = ids_read((uint32_t)a[0], &ids);
    return error ? error : (long)ids.sid;
}

long sys_setpgid(const uint64_t a[6])
{
    if ((int)a[0] < 0)
        return -LINUX_ESRCH;
    if ((int)a[1] < 0)
        return -LINUX_EINVAL;
    return PROC_CALL(proc_set_group(POSIX_SLOT_PROCD, (uint32_t)a[0], (uint32_t)a[1]));
}

long sys_setsid(const uint64_t a[6])
{
    struct proc_set_session_reply reply;
    (void)a;
    long error = PROC_CALL(proc_set_session(POSIX_SLOT_PROCD, &reply));
    return error ? error : (long)reply.sid;
}

static long three_write(const uint64_t a[6], uint64_t x, uint64_t y, uint64_t z)
{
    uint32_t values[3] = {(uint32_t)x, (uint32_t)y, (uint32_t)z};
    for (unsigned i = 0; i < 3; i++)
        if (user_write((void *)a[i], &values[i], 4))
            return -LINUX_EFAULT;
    return 0;
}

long sys_getresuid(const uint64_t a[6])
{
    struct proc_ids_reply ids;
    long error = ids_read(0, &ids);
    return error ? error : three_write(a, ids.ruid, ids.euid, ids.suid);
}

long sys_getresgid(const uint64_t a[6])
{
    struct proc_ids_reply ids;
    long error = ids_read(0, &ids);
    return error ? error : three_write(a, ids.rgid, ids.egid, ids.sgid);
}

/* -1 in the program's 32 bits is "leave it" for procd as well. */
static int64_t id_of(uint64_t value)
{
    return (uint32_t)value == UINT32_MAX ? -1 : (int64_t)(uint32_t)value;
}

static long ids_set(uint64_t group, int64_t real, int64_t effective, int64_t saved)
{
    return PROC_CALL(proc_set_ids(POSIX_SLOT_PROCD, group, real, effective, saved));
}

long sys_setresuid(const uint64_t a[6])
{
    return ids_set(0, id_of(a[0]), id_of(a[1]), id_of(a[2]));
}

long sys_setresgid(const uint64_t a[6])
{
    return ids_set(1, id_of(a[0]), id_of(a[1]), id_of(a[2]));
}

/* setuid(2), setgid(2): all three for the superuser, else the effective one. */
static long one_set(uint64_t group, uint64_t value)
{
    struct proc_ids_reply ids;
    int64_t id = id_of(value);
    if (id < 0)
        return -LINUX_EINVAL;
    long error = ids_read(0, &ids);
    if (error)
        return error;
    return ids.euid == 0 ? ids_set(group, id, id, id) : ids_set(group, -1, id, -1);
}

long sys_setuid(const uint64_t a[6])
{
    return one_set(0, a[0]);
}

long sys_setgid(const uint64_t a[6])
{
    return one_set(1, a[0]);
}

/* setreuid(2), setregid(2): the saved id follows when the real one is set, or the effective one
 * becomes other than it. */
static long two_set(uint64_t group, int64_t real, int64_t effective)
{
    struct proc_ids_reply ids;
    long error = ids_read(0, &ids);
    if (error)
        return error;
    int64_t old_real = (int64_t)(group ? ids.rgid : ids.ruid),
            old_effective = (int64_t)(group ? ids.egid : ids.euid);
    int64_t new_effective = effective < 0 ? old_effective : effective;
    bool follows = real >= 0 || (effective >= 0 && effective != old_real);
    return ids_set(group, real, effective, follows ? new_effective : -1);
}

long sys_setreuid(const uint64_t a[6])
{
    return two_set(0, id_of(a[0]), id_of(a[1]));
}

long sys_setregid(const uint64_t a[6])
{
    return two_set(1, id_of(a[0]), id_of(a[1]));
}

/* They cannot say that they failed; the file-system id is the effective one here. */
long sys_setfsuid(const uint64_t a[6])
{
    return sys_geteuid(a);
}

long sys_setfsgid(const uint64_t a[6])
{
    return sys_getegid(a);
}

#define GROUPS_MAX 32

long sys_getgroups(const uint64_t a[6])
{
    uint32_t groups[GROUPS_MAX];
    struct ar_segment segment = {(uint64_t)groups, sizeof(groups)};
    struct ipc_transfer transfer = {.out = &segment, .out_count = 1};
    struct proc_groups_reply reply;
    if ((int)a[0] < 0)
        return -LINUX_EINVAL;
    long error = PROC_CALL(proc_groups(POSIX_SLOT_PROCD, 0, GROUPS_MAX, &reply, &transfer));
    if (error || a[0] == 0)
        return error ? error : (long)reply.count;
    if (reply.count > (uint32_t)a[0])
        return -LINUX_EINVAL;
    return user_write((void *)a[1], groups, reply.count * 4) ? -LINUX_EFAULT : (long)reply.count;
}

long sys_setgroups(const uint64_t a[6])
{
    uint32_t groups[GROUPS_MAX];
    struct ar_segment segment = {(uint64_t)groups, (uint32_t)a[0] * 4ull};
    struct ipc_transfer transfer = {.in = &segment, .in_count = 1};
    struct proc_groups_reply reply;
    if ((uint32_t)a[0] > GROUPS_MAX)
        return -LINUX_EINVAL;
    if (user_read(groups, (void *)a[1], (uint32_t)a[0] * 4ull))
        return -LINUX_EFAULT;
    return PROC_CALL(proc_groups(POSIX_SLOT_PROCD, 1, (uint32_t)a[0], &reply, &transfer));
}

/* ---- names and modes ------------------------------------------------------------------------- */

long sys_umask(const uint64_t a[6])
{
    return __atomic_exchange_n(&process.umask, (uint32_t)a[0] & 0777, __ATOMIC_RELAXED);
}

long sys_uname(const uint64_t a[6])
{
    static const struct linux_utsname name = {
        .sysname = "Linux", .nodename = "aramid", .release = "6.12.0-aramid",
        .version = "#1 Aramid",
        .machine = "x86_64", .domainname = "(none)",
    };
    return user_write((void *)a[0], &name, sizeof(name));
}

enum {
    PR_SET_PDEATHSIG = 1,
    PR_GET_PDEATHSIG = 2,
    PR_GET_DUMPABLE = 3,
    PR_SET_DUMPABLE = 4,
    PR_GET_KEEPCAPS = 7,
    PR_SET_KEEPCAPS = 8,
    PR_SET_NAME = 15,
    PR_GET_NAME = 16,
    PR_CAPBSET_READ = 23,
    PR_SET_NO_NEW_PRIVS = 38,
    PR_GET_NO_NEW_PRIVS = 39
};

static long name_tell(const char name[16])
{
    uint64_t words[2];
    memcpy(words, name, sizeof(words));
    return PROC_CALL(proc_set_name(POSIX_SLOT_PROCD, words[0], words[1]));
}

long sys_prctl(const uint64_t a[6])
{
    struct posix_thread *thread = thread_self();
    char name[16] = {0};
    int32_t zero = 0;
    long length;
    switch ((int)a[0]) {
    case PR_SET_NAME:
        length = user_read_string(name, (void *)a[1], sizeof(name) - 1);
        if (length == -LINUX_EFAULT)
            return length;
        memset(thread->name, 0, sizeof(thread->name));
        memcpy(thread->name, name, sizeof(name) - 1);
        return name_tell(thread->name);
    case PR_GET_NAME:
        return user_write((void *)a[1], thread->name, sizeof(thread->name));
    case PR_GET_PDEATHSIG:
        return user_write((void *)a[1], &zero, 4);
    case PR_GET_DUMPABLE:
    case PR_CAPBSET_READ:
        return 1;
    /* accepted, not kept: a program that relies on it would have to be told otherwise */
    case PR_SET_PDEATHSIG:
    case PR_SET_DUMPABLE:
    case PR_SET_KEEPCAPS:
    case PR_SET_NO_NEW_PRIVS:
    case PR_GET_KEEPCAPS:
    case PR_GET_NO_NEW_PRIVS:
        return 0;
    default:
        return -LINUX_EINVAL;
    }
}

enum { ARCH_SET_GS = 0x1001, ARCH_SET_FS = 0x1002, ARCH_GET_FS = 0x1003, ARCH_GET_GS = 0x1004 };

long sys_arch_prctl(const uint64_t a[6])
{
    uint64_t base;
    switch ((int)a[0]) {
    case ARCH_SET_FS:
        if (a[1] >= USER_END)
            return -LINUX_EPERM;
        if (!cpu_has_fsgsbase()) {
            posix_log("arch_prctl: this processor lacks FSGSBASE, which libposix needs");
            return -LINUX_ENODEV;
        }
        fs_base_write(a[1]);
        return 0;
    case ARCH_GET_FS:
        base = fs_base_read();
        return user_write((void *)a[1], &base, 8);
    case ARCH_GET_GS:
        base = 0;
        return user_write((void *)a[1], &base, 8);
    case ARCH_SET_GS: /* libposix's */
        return -LINUX_EPERM;
    default:
        return -LINUX_EINVAL;
    }
}

long sys_personality(const uint64_t a[6])
{
    return (uint32_t)a[0] == UINT32_MAX || a[0] == 0 ? 0 : -LINUX_EINVAL;
}

long sys_sethostname(const uint64_t a[6])
{
    (void)a;
    return -LINUX_EPERM;
}

/* No priorities among programs: everyone is at nice 0. */
long sys_getpriority(const uint64_t a[6])
{
    return (uint32_t)a[0] > 2 ? -LINUX_EINVAL : 20;
}

long sys_setpriority(const uint64_t a[6])
{
    return (uint32_t)a[0] > 2 ? -LINUX_EINVAL : 0;
}

/* Not there, and libcs ask for them at every start: no line in the log. */
long sys_quietly_missing(const uint64_t a[6])
{
    (void)a;
    return -LINUX_ENOSYS;
}

#define PIDFD_NONBLOCK 04000u

long pidfd_make(uint32_t pid, uint32_t serial, uint32_t flags)
{
    struct ipc_transfer transfer = {.recv_slots = receive_slots(), .recv_slot_count = 1};
    struct posix_retry retry = {.server = ISSUER_PROCD, .transfer = &transfer};
    long error =
        POSIX_CALL(&retry, proc_pidfd_open(POSIX_SLOT_PROCD, pid, flags, serial, &transfer));
    return error ? error : fd_install(receive_slots()[0], 0, true, IO_KIND_EVENT, ISSUER_PROCD);
}

/* pidfd_open(2). PIDFD_THREAD is not there. */
long sys_pidfd_open(const uint64_t a[6])
{
    int32_t pid = (int32_t)a[0];
    if (pid <= 0 || (uint32_t)a[1] & ~(uint32_t)PIDFD_NONBLOCK)
        return -LINUX_EINVAL;
    return pidfd_make((uint32_t)pid, 0, (uint32_t)a[1]);
}

/* unshare(2): what is not shared to begin with can be had; there are no namespaces. */
long sys_unshare(const uint64_t a[6])
{
    uint64_t files = LINUX_CLONE_FS | LINUX_CLONE_FILES | LINUX_CLONE_SYSVSEM;
    uint64_t threads = LINUX_CLONE_THREAD | LINUX_CLONE_SIGHAND | LINUX_CLONE_VM;
    if (a[0] & ~(files | threads) || (process.threads > 1 && a[0]))
        return -LINUX_EINVAL;
    return 0;
}
