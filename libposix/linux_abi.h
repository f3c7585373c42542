/*
 * Linux x86_64 numbers and layouts for processes, memory, signals and time. File and socket
 * ones: linux_abi_files.h. SPDX-License-Identifier: MIT
 */
#ifndef LIBPOSIX_LINUX_ABI_H
#define LIBPOSIX_LINUX_ABI_H

#include <stdint.h>

enum linux_errno {
    LINUX_EPERM = 1, LINUX_ENOENT, LINUX_ESRCH, LINUX_EINTR, LINUX_EIO, LINUX_ENXIO, LINUX_E2BIG,
    LINUX_ENOEXEC,
    LINUX_EBADF, LINUX_ECHILD, LINUX_EAGAIN, LINUX_ENOMEM, LINUX_EACCES, LINUX_EFAULT,
    LINUX_ENOTBLK, LINUX_EBUSY,
    LINUX_EEXIST, LINUX_EXDEV, LINUX_ENODEV, LINUX_ENOTDIR, LINUX_EISDIR, LINUX_EINVAL,
    LINUX_ENFILE, LINUX_EMFILE,
    LINUX_ENOTTY, LINUX_ETXTBSY, LINUX_EFBIG, LINUX_ENOSPC, LINUX_ESPIPE, LINUX_EROFS,
    LINUX_EMLINK, LINUX_EPIPE,
    LINUX_EDOM, LINUX_ERANGE, LINUX_EDEADLK, LINUX_ENAMETOOLONG, LINUX_ENOLCK, LINUX_ENOSYS,
    LINUX_ENOTEMPTY,
    LINUX_ELOOP, LINUX_ENODATA = 61, LINUX_EOVERFLOW = 75, LINUX_ELIBBAD = 80, LINUX_ENOTSOCK = 88,
    LINUX_EDESTADDRREQ, LINUX_EMSGSIZE, LINUX_EPROTOTYPE, LINUX_ENOPROTOOPT, LINUX_EPROTONOSUPPORT,
    LINUX_ESOCKTNOSUPPORT, LINUX_EOPNOTSUPP, LINUX_EAFNOSUPPORT = 97, LINUX_EADDRINUSE,
    LINUX_EADDRNOTAVAIL,
    LINUX_ECONNABORTED = 103, LINUX_ECONNRESET, LINUX_ENOBUFS, LINUX_EISCONN, LINUX_ENOTCONN,
    LINUX_ETOOMANYREFS = 109,
    LINUX_ETIMEDOUT, LINUX_ECONNREFUSED, LINUX_EALREADY = 114, LINUX_EINPROGRESS
};

/* ---- signals, signal(7) ---- */
enum linux_signal {
    LINUX_SIGHUP = 1, LINUX_SIGINT, LINUX_SIGQUIT, LINUX_SIGILL, LINUX_SIGTRAP, LINUX_SIGABRT,
    LINUX_SIGBUS, LINUX_SIGFPE,
    LINUX_SIGKILL, LINUX_SIGUSR1, LINUX_SIGSEGV, LINUX_SIGUSR2, LINUX_SIGPIPE, LINUX_SIGALRM,
    LINUX_SIGTERM,
    LINUX_SIGSTKFLT, LINUX_SIGCHLD, LINUX_SIGCONT, LINUX_SIGSTOP, LINUX_SIGTSTP, LINUX_SIGTTIN,
    LINUX_SIGTTOU,
    LINUX_SIGURG, LINUX_SIGXCPU, LINUX_SIGXFSZ, LINUX_SIGVTALRM, LINUX_SIGPROF, LINUX_SIGWINCH,
    LINUX_SIGIO,
    LINUX_SIGPWR, LINUX_SIGSYS, LINUX_SIGNALS = 64
};
#define LINUX_SIGNAL_BIT(n) (1ull << ((n) - 1))
#define LINUX_SIG_DFL 0ull
#define LINUX_SIG_IGN 1ull
#define LINUX_SIG_BLOCK 0
#define LINUX_SIG_UNBLOCK 1
#define LINUX_SIG_SETMASK 2
#define LINUX_SA_NOCLDSTOP 1ull
#define LINUX_SA_NOCLDWAIT 2ull
#define LINUX_SA_SIGINFO 4ull
#define LINUX_SA_RESTORER 0x04000000ull
#define LINUX_SA_ONSTACK 0x08000000ull
#define LINUX_SA_RESTART 0x10000000ull
#define LINUX_SA_NODEFER 0x40000000ull
#define LINUX_SA_RESETHAND 0x80000000ull
#define LINUX_SI_USER 0
#define LINUX_SI_KERNEL 0x80
#define LINUX_SI_QUEUE (-1)
#define LINUX_SI_TKILL (-6)
#define LINUX_SS_ONSTACK 1
#define LINUX_SS_DISABLE 2
#define LINUX_SS_AUTODISARM 0x80000000u
#define LINUX_MINSIGSTKSZ 2048

struct linux_sigaction {
    uint64_t handler, flags, restorer, mask;
};
_Static_assert(sizeof(struct linux_sigaction) == 32, "kernel's sigaction");

struct linux_stack {
    uint64_t sp;
    int32_t flags, pad;
    uint64_t size;
};
_Static_assert(sizeof(struct linux_stack) == 24, "stack_t");

struct linux_siginfo {
    int32_t signo, error, code, pad;
    union {
        struct { int32_t pid; uint32_t uid; uint64_t value; } rt; /* kill, tgkill, sigqueue */
        struct { int32_t pid; uint32_t uid; int32_t status, pad; int64_t utime, stime; } child;
        struct { uint64_t address; } fault;
        struct { uint64_t call_address; int32_t number; uint32_t arch; } sys;
        uint8_t fill[112];
    };
};
_Static_assert(sizeof(struct linux_siginfo) == 128, "siginfo_t");

/* struct sigcontext, as it lies in ucontext. */
struct linux_sigcontext {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip,
        rflags;
    uint16_t cs, gs, fs, ss;
    uint64_t error, trap, oldmask, cr2, fpstate, reserved[8];
};
_Static_assert(sizeof(struct linux_sigcontext) == 256, "sigcontext");

struct linux_ucontext {
    uint64_t flags, link;
    struct linux_stack stack;
    struct linux_sigcontext context;
    uint64_t mask;
};
_Static_assert(sizeof(struct linux_ucontext) == 304, "ucontext as the kernel writes it");

struct linux_sigframe {
    uint64_t return_address; /* sa_restorer */
    struct linux_ucontext ucontext;
    struct linux_siginfo info;
};
_Static_assert(sizeof(struct linux_sigframe) == 440, "rt_sigframe");
#define LINUX_UC_FP_XSTATE 1
#define LINUX_UC_SIGCONTEXT_SS 2
#define LINUX_UC_STRICT_RESTORE_SS 4

/* ---- time ---- */
struct linux_timespec { int64_t seconds, nanoseconds; };
struct linux_timeval { int64_t seconds, microseconds; };
struct linux_itimerval { struct linux_timeval interval, value; };
struct linux_tms { int64_t utime, stime, cutime, cstime; };
#define LINUX_CLOCK_REALTIME 0
#define LINUX_CLOCK_MONOTONIC 1
#define LINUX_CLOCK_PROCESS_CPUTIME_ID 2
#define LINUX_CLOCK_THREAD_CPUTIME_ID 3
#define LINUX_CLOCK_MONOTONIC_RAW 4
#define LINUX_CLOCK_REALTIME_COARSE 5
#define LINUX_CLOCK_MONOTONIC_COARSE 6
#define LINUX_CLOCK_BOOTTIME 7
#define LINUX_CLOCK_REALTIME_ALARM 8
#define LINUX_CLOCK_BOOTTIME_ALARM 9
#define LINUX_CLOCK_TAI 11
#define LINUX_TIMER_ABSTIME 1

/* ---- processes ---- */
#define LINUX_CSIGNAL 0xffull
#define LINUX_CLONE_VM 0x100ull
#define LINUX_CLONE_FS 0x200ull
#define LINUX_CLONE_FILES 0x400ull
#define LINUX_CLONE_SIGHAND 0x800ull
#define LINUX_CLONE_PIDFD 0x1000ull
#define LINUX_CLONE_PTRACE 0x2000ull
#define LINUX_CLONE_VFORK 0x4000ull
#define LINUX_CLONE_PARENT 0x8000ull
#define LINUX_CLONE_THREAD 0x10000ull
#define LINUX_CLONE_NEWNS 0x20000ull
#define LINUX_CLONE_SYSVSEM 0x40000ull
#define LINUX_CLONE_SETTLS 0x80000ull
#define LINUX_CLONE_PARENT_SETTID 0x100000ull
#define LINUX_CLONE_CHILD_CLEARTID 0x200000ull
#define LINUX_CLONE_DETACHED 0x400000ull
#define LINUX_CLONE_UNTRACED 0x800000ull
#define LINUX_CLONE_CHILD_SETTID 0x1000000ull
#define LINUX_CLONE_NEW_ANY 0x7e020000ull /* every namespace flag */
#define LINUX_CLONE_IO 0x80000000ull

struct linux_clone_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
        set_tid_size, cgroup;
};
_Static_assert(sizeof(struct linux_clone_args) == 88, "clone_args, version 2");

struct linux_rusage {
    struct linux_timeval utime, stime;
    int64_t maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv,
        nsignals, nvcsw, nivcsw;
};
_Static_assert(sizeof(struct linux_rusage) == 144, "rusage");

struct linux_rlimit { uint64_t soft, hard; };
#define LINUX_RLIM_INFINITY UINT64_MAX
#define LINUX_RLIMIT_FSIZE 1
#define LINUX_RLIMIT_STACK 3
#define LINUX_RLIMIT_NOFILE 7
#define LINUX_RLIMIT_COUNT 16

struct linux_utsname {
    char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};
_Static_assert(sizeof(struct linux_utsname) == 390, "new_utsname");

struct linux_sysinfo {
    int64_t uptime;
    uint64_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
    uint16_t procs, pad;
    uint32_t pad2;
    uint64_t totalhigh, freehigh;
    uint32_t unit, pad3;
};
_Static_assert(sizeof(struct linux_sysinfo) == 112, "sysinfo");

/* ---- memory ---- */
#define LINUX_PROT_READ 1
#define LINUX_PROT_WRITE 2
#define LINUX_PROT_EXEC 4
#define LINUX_PROT_GROWSDOWN 0x01000000
#define LINUX_MAP_SHARED 1
#define LINUX_MAP_PRIVATE 2
#define LINUX_MAP_SHARED_VALIDATE 3
#define LINUX_MAP_TYPE 15
#define LINUX_MAP_FIXED 0x10
#define LINUX_MAP_ANONYMOUS 0x20
#define LINUX_MAP_GROWSDOWN 0x100
#define LINUX_MAP_LOCKED 0x2000
#define LINUX_MAP_POPULATE 0x8000
#define LINUX_MAP_STACK 0x20000
#define LINUX_MAP_HUGETLB 0x40000
#define LINUX_MAP_FIXED_NOREPLACE 0x100000

#define LINUX_O_DIRECTORY 0200000
#define LINUX_O_PATH 010000000
#define LINUX_AT_FDCWD (-100)
#define LINUX_AT_EMPTY_PATH 0x1000
#define LINUX_AT_SYMLINK_NOFOLLOW 0x100

/* ---- auxiliary vector ---- */
enum linux_auxv {
    LINUX_AT_NULL, LINUX_AT_PHDR = 3, LINUX_AT_PHENT, LINUX_AT_PHNUM, LINUX_AT_PAGESZ,
    LINUX_AT_BASE, LINUX_AT_FLAGS,
    LINUX_AT_ENTRY, LINUX_AT_UID = 11, LINUX_AT_EUID, LINUX_AT_GID, LINUX_AT_EGID,
    LINUX_AT_PLATFORM, LINUX_AT_HWCAP,
    LINUX_AT_CLKTCK, LINUX_AT_SECURE = 23, LINUX_AT_RANDOM = 25, LINUX_AT_HWCAP2,
    LINUX_AT_EXECFN = 31,
    LINUX_AT_MINSIGSTKSZ = 51
};

#endif
