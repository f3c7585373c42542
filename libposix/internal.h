/*
 * What libposix's files share: the thread and process records, user memory, descriptors,
 * waiting, calling servers.
 *
 * Every system call is `long sys_NAME(const uint64_t a[6])`, listed in linux_table.c; it returns
 * the value or -errno, or one of the -POSIX_RESTART* codes, which the way out turns into EINTR
 * or a restart. Nothing here may touch vector registers, fs base, or block while a lock is held
 * (except for page faults, which procd resolves). SPDX-License-Identifier: MIT
 */
#ifndef LIBPOSIX_INTERNAL_H
#define LIBPOSIX_INTERNAL_H

#include <aramid/abi.h>
#include <ipc/client.h>
#include <ipc/message.h>
#include <ipc/status.h>
#include <posix_abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "linux_abi.h"

/* ---- string.c -------------------------------------------------------------------------------- */

/* The compiler calls these by itself, also where it optimises at link time. */
#define COMPILER_CALLS __attribute__((used))
COMPILER_CALLS void *memcpy(void *restrict to, const void *restrict from, size_t n);
COMPILER_CALLS void *memmove(void *to, const void *from, size_t n);
COMPILER_CALLS void *memset(void *to, int byte, size_t n);
COMPILER_CALLS int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int byte, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
/* format.c: printf-like, into `buffer`, always terminated: %s %d %u %x %ld %lu %lx %c %%.
 * Returns the length written. */
size_t format_text(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* One line into the system log (proc.log), same formats. Does not block for long. */
void posix_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
void posix_log_write(const char *line, size_t length); /* call.c */

/* ---- locks ----------------------------------------------------------------------------------- */

/* Not recursive; a waiter yields. Held for a bounded time, never across a blocking call.
 * Zero-initialised is free. */
struct posix_lock {
    volatile uint32_t held;
};
void lock_wait(struct posix_lock *lock); /* wait.c: yields until it is ours */
static inline void lock_take(struct posix_lock *lock)
{
    if (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE))
        lock_wait(lock);
}
static inline void lock_release(struct posix_lock *lock)
{
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* The program's registers while the thread is inside libposix. Offsets are used by entry.asm. A
 * system call's six arguments come first, in their order: they are what its handler is given. */
struct posix_frame {
    union {
        struct {
            uint64_t rdi, rsi, rdx, r10, r8, r9;
        };
        uint64_t arguments[6];
    };
    uint64_t rax, rbx, rcx, rbp, r11, r12, r13, r14, r15, rip, rsp, rflags;
};

/* A signal taken from procd and not delivered yet. signal 0: none. */
struct posix_siginfo {
    int32_t signal, code;
    uint32_t pid, uid;
    uint64_t value;  /* sival, or the fault address */
    uint64_t status; /* SIGCHLD */
};

/* At POSIX_AREA(area) + POSIX_AREA_THREAD, which is the thread's gs base. One page. */
struct posix_thread {
    struct posix_thread *self; /* gs:0 */
    uint64_t stack_top;        /* gs:8: of the libposix stack */
    struct posix_frame frame;  /* gs:16 */
    uint64_t system_call;      /* number as the program gave it, for restarts; UINT64_MAX: none */
    uint32_t tid, area;
    struct ar_ipc_buffer *ipc;
    ar_cap receive_slots[AR_MSG_CAPS]; /* POSIX_TS_RECEIVE..: always empty between calls */

    /* signals */
    uint64_t mask;             /* blocked; bit n-1 is signal n */
    /* the mask to go back to when mask_saved: sigsuspend, ppoll, pselect, epoll_pwait */
    uint64_t saved_mask;
    union {
        struct {
            bool mask_saved;
            bool frame_replaced; /* rt_sigreturn: all of it goes back, not what a call may change alone */
        };
        uint16_t leaves_slowly;
    };
    struct posix_siginfo taken; /* interrupts the call in progress; delivered on the way out */
    struct linux_stack altstack;

    /* One more than the descriptor of which sockd will wake us when a read need not wait any more; 0:
     * none (rw_plain.c: reading, foreseen). */
    int32_t read_armed;

    /* threads */
    uint64_t clear_child_tid, robust_list;
    uint64_t start_argument;   /* a new thread's struct thread_start */
    char name[16];

    /* futex.c: in the queue of futex_address while futex_waiting */
    struct posix_thread *futex_next;
    uint64_t futex_address;
    uint32_t futex_bitset;
    volatile uint32_t futex_waiting;
    /* for the files half: per-thread scratch of its own */
    uint64_t files_private[32];
};
_Static_assert(offsetof(struct posix_thread, frame) == 16 &&
                   offsetof(struct posix_thread, system_call) == 160 &&
                   offsetof(struct posix_frame, rax) == 48 &&
                   offsetof(struct posix_frame, rflags) == 136,
               "used by entry.asm");
_Static_assert(sizeof(struct posix_thread) <= 4096, "the thread record is one page");

/* thread_self() and where things of a thread are. */
#include "machine.h"

/* The calling thread's slot n of its 16 (enum posix_thread_slot). */
static inline ar_cap thread_slot(unsigned n)
{
    return POSIX_THREAD_SLOT(thread_self()->area, n);
}

/* ---- the process ----------------------------------------------------------------------------- */

struct posix_action {
    /* handler: LINUX_SIG_DFL, LINUX_SIG_IGN or an address */
    uint64_t handler, flags, restorer, mask;
};

/* The program's leading segments that cannot be written, as loaded, and the file they are from.
 * high 0: none, or no longer so. */
struct posix_text {
    uint64_t low, high, server, dev, ino;
    int64_t size, mtime, ctime;
};

struct posix_process {
    struct posix_lock lock;       /* descriptors */
    struct posix_lock signal_lock, memory_lock, futex_lock;
    uint32_t pid;
    /* living threads; 1: nobody else can change descriptors under us */
    volatile uint32_t threads;
    uint32_t umask;
    uint64_t boot_seconds;        /* CLOCK_REALTIME - CLOCK_MONOTONIC, seconds */
    int64_t realtime_adjust_ns;
    uint64_t brk_start, brk_end;  /* brk_end: as the program sees it, byte-exact */
    uint32_t nofile_soft, nofile_hard;
    uint64_t fsize;               /* RLIMIT_FSIZE, soft; UINT64_MAX: none */
    uint64_t pending_blocked;     /* signals known to be pending but blocked in some thread */
    bool descriptors_noted;       /* the files half keeps something by descriptor: closing one tells it */
    struct posix_action actions[65];
    char name[16];                /* program name, for logs and PR_GET_NAME */
    bool traced;                  /* the kernel records: say what each call returns */
    struct posix_text text;
    char exe[256];                /* path of the program as given to execve */
};
extern struct posix_process process;

/* ---- user memory (user.c, user_copy.asm) ----------------------------------------------------- */

/* user_copy.asm: 0, or 1 after a fault. For ranges that were checked (user_segment). */
int copy_bytes(void *to, const void *from, size_t n);
int touch_write(void *at);
/* false for pointers into libposix or the upper half; an empty range is always fine. */
static inline bool user_range_ok(const void *user, size_t length)
{
    uint64_t start = (uint64_t)user;
    const uint64_t above = USER_END - POSIX_END; /* where stacks are; below POSIX_BASE is the rest */
    if (length <= above && start - POSIX_END <= above - length)
        return true;
    return length == 0 || (length <= POSIX_BASE && start <= POSIX_BASE - length);
}
/* 0 or -EFAULT; some bytes may have been copied before a fault. */
static inline long user_read(void *to, const void *user, size_t n)
{
    return !user_range_ok(user, n) || copy_bytes(to, user, n) ? -LINUX_EFAULT : 0;
}
static inline long user_write(void *user, const void *from, size_t n)
{
    return !user_range_ok(user, n) || copy_bytes(user, from, n) ? -LINUX_EFAULT : 0;
}
/* Copies a string with its NUL. Its length, -EFAULT, or -ENAMETOOLONG when no NUL is among the
 * first `max` bytes. */
long user_read_string(char *to, const void *user, size_t max);
/* Fill a segment, after the range check: 0 or -EFAULT. */
long user_segment(struct ar_segment *segment, const void *user, size_t length);
/* Make the pages of `count` segments present (with write access when `write`): 0 or -EFAULT. */
long user_touch(const struct ar_segment *segments, unsigned count, bool write);

/* ---- waiting (wait.c) ------------------------------------------------------------------------ */

enum wait_result { WAIT_WOKEN, WAIT_TIMED_OUT, WAIT_INTERRUPTED };
/* Wait on the thread's notification until the absolute deadline (ns of the kernel's clock;
 * AR_NO_DEADLINE: for ever). WOKEN may be spurious: ask again. INTERRUPTED: a signal with a
 * handler is to be delivered: return one of the -POSIX_RESTART codes (or -EINTR). Default
 * actions happen inside. */
enum wait_result posix_wait(uint64_t deadline_ns);
/* The same; *bits is the notification's word when the result is WOKEN. */
enum wait_result posix_wait_bits(uint64_t deadline_ns, uint64_t *bits);
/* Whoever takes wake-ups off the notification may have taken that of a foreseen read. */
static inline void wakeups_taken(void)
{
    thread_self()->read_armed = 0;
}
/* Take all wake-ups that are there, without waiting: where nothing was asked yet. */
void wait_forget(void);
/* As above, without waiting: true when a handler is due. */
bool signal_due(void);

/* Never seen by programs. */
/* restart when SA_RESTART, else EINTR: read, write, accept, wait4… */
#define POSIX_RESTART 512
/* EINTR when a handler runs: poll, select, epoll_wait, sigsuspend, pause */
#define POSIX_RESTART_NOHAND 514

/* ---- calling servers (call.c, session.c) ----------------------------------------------------- */

/* 0 for ST_OK, -errno otherwise; statuses that are no errno give -EIO. */
long status_to_errno(enum status status);

/* How one request is repeated until it has an answer for the program. Zero-initialise, set what
 * is needed. */
struct posix_retry {
    struct ipc_transfer *transfer; /* its segments are touched on ST_FAULT; may be NULL */
    unsigned server;      /* enum ipc_issuer of the target: whom to open a session with */
    uint64_t deadline_ns; /* 0 means none (AR_NO_DEADLINE); passing it gives -EAGAIN */
    long interrupted;     /* result on a signal; 0 means -POSIX_RESTART */
    bool no_wait;         /* ST_WAIT is the answer: -EAGAIN */
    /* out */
    enum status status;   /* the last one */
    /* 0, -errno, a restart code; 0 as well for ST_REDIRECT (look at status) */
    long result;
    bool memory_bad; /* after ST_FAULT: some page of the transfer cannot be made present */
    bool waited;     /* ST_WAIT was answered, and a wake-up came */
    /* private */
    unsigned faults, sessions, slots;
};
/* true: make the call again. */
bool posix_again(struct posix_retry *retry, enum status status);
/* The usual answer, without the call of posix_again. */
static inline bool posix_done(struct posix_retry *retry, enum status status)
{
    if (status != ST_OK)
        return false;
    retry->status = ST_OK;
    retry->result = 0;
    return true;
}
/* POSIX_CALL(&retry, io_read(slot, ..., &reply, &transfer)) is retry.result. */
#define POSIX_CALL(retry, expression)                                                              \
    ({                                                                                             \
        enum status posix_status_;                                                                 \
        do {                                                                                       \
            posix_status_ = (expression);                                                          \
        } while (posix_done((retry), posix_status_) ? false                                        \
                                                    : posix_again((retry), posix_status_));        \
        (retry)->result;                                                                           \
    })
/* For requests to procd without memory: POSIX_CALL with server ISSUER_PROCD and nothing else. */
#define PROC_CALL(expression)                                                                      \
    ({                                                                                             \
        struct posix_retry proc_retry_ = {.server = ISSUER_PROCD};                                 \
        POSIX_CALL(&proc_retry_, expression);                                                      \
    })

/* The calling thread has given up waiting for something of this server's. */
void posix_give_up(unsigned server);
/* Open the calling thread's session with a server (enum ipc_issuer): 0 or -errno. */
long session_open_with(unsigned server);
/* The root gate of a server: POSIX_SLOT_PROCD… */
ar_cap server_root(unsigned server);
/* The thread's eight receive slots, all empty; for ipc_transfer.recv_slots. */
const ar_cap *receive_slots(void);
/* Delete whatever is left in the receive slots. */
void receive_slots_clear(void);
/* Delete one slot's capability; empty is fine. */
void slot_delete(ar_cap slot);

/* ---- descriptors (fd.c) ---------------------------------------------------------------------- */

struct fd_info {
    ar_cap slot;     /* send requests here */
    uint8_t kind;    /* IO_KIND_*, 0 when not known yet */
    uint8_t server;  /* enum ipc_issuer */
    uint8_t cloexec, copied;
};

/* Start using descriptor fd in this call: 0 or -EBADF. *call_slot (may be NULL) and info->slot
 * are a private copy in POSIX_TS_CALL, or the descriptor's own slot while the process has one
 * thread. Pair with fd_end. */
int fd_begin(int fd, ar_cap *call_slot, struct fd_info *info);
/* The same in POSIX_TS_CALL2, for calls with two descriptors. */
int fd_begin2(int fd, ar_cap *call_slot, struct fd_info *info);
static inline void fd_end(const struct fd_info *info)
{
    if (info->copied)
        slot_delete(info->slot);
}
/* A copy of its capability into an empty slot, so that the description does not end; none when it is closed. */
void fd_hold(int fd, ar_cap slot);
/* Look only; no capability is copied. 0 or -EBADF. */
int fd_look(int fd, struct fd_info *info);
void fd_set_kind(int fd, unsigned kind);
/* Where the capabilities of `count` new descriptors may arrive: in the slots of the lowest free
 * ones, so that fd_install has nothing to move, or in receive slots when another thread could take
 * these meanwhile. All are empty. 0, -EMFILE or -ENOMEM. */
int fd_expect(ar_cap *slots, unsigned count);
/* The same for up to `count` of them, at most AR_MSG_CAPS: where there is no free descriptor, a receive
 * slot, and fd_install says what is wrong if it is needed. */
void fd_offer(ar_cap *slots, unsigned count);
/* Make a descriptor of the capability in from_slot: one of fd_expect's, or any, which moves into the
 * lowest free descriptor >= lowest. `server` 0: found by inspection. The descriptor, -EMFILE or
 * -ENOMEM (from_slot is emptied either way). */
int fd_install(ar_cap from_slot, int lowest, bool cloexec, unsigned kind, unsigned server);
/* dup, F_DUPFD: the new descriptor, -EBADF, -EMFILE (lowest past the limit: -EINVAL). */
int fd_dup(int fd, int lowest, bool cloexec);
/* dup3 without the checks of its arguments (fd != to): `to`, -EBADF. */
int fd_dup_to(int fd, int to, bool cloexec);
int fd_close(int fd);
int fd_get_cloexec(int fd); /* 0, 1 or -EBADF */
int fd_set_cloexec(int fd, bool cloexec);
/* The lowest used descriptor >= from, or -1: to walk the table. */
int fd_next(int from);
/* One past the highest used descriptor's slot. */
uint32_t fd_slot_limit(void);
void fd_close_on_exec(void);
/* Called by fd.c and defined by the files half, which keeps something per descriptor
 * (timers): a descriptor closed; a descriptor `fd` made as a copy of `from`. Called without the
 * process lock. */
void files_fd_closed(int fd);
/* Before a descriptor, if it is one, is closed: it still works. */
void files_fd_closing(int fd);
void files_fd_duplicated(int from, int fd);
/* Around fork, in the parent's thread: take and release the files half's own locks, so that the
 * child gets none held. */
void files_fork_lock(void);
void files_fork_unlock(void);

/* process.c: a descriptor for process `pid`; `serial` not 0: -EINVAL if it is not that one. The
 * descriptor (close-on-exec) or -errno. Uses receive slot 0. */
long pidfd_make(uint32_t pid, uint32_t serial, uint32_t flags);

/* ---- libposix's own memory (memory_private.c) ------------------------------------------------ */

/* Zeroed, 16-byte aligned, up to 4 MiB; NULL when there is none. Survives fork (copied) and
 * exec. */
void *private_alloc(size_t bytes);
void private_free(void *memory);

/* ---- signals (signal*.c) --------------------------------------------------------------------- */

/* Send a signal to the calling thread (SIGPIPE): delivered on the way out. */
void signal_raise(int signal);
/* Temporary mask of ppoll, pselect6, epoll_pwait: install before the first try. The way out
 * restores the old mask, after running the handler when the call was interrupted. `mask` is in
 * our memory. */
void signal_mask_push(uint64_t mask);
/* Reads a user's sigset of `size` bytes: 0, -EINVAL (size is not 8), -EFAULT. */
long signal_mask_read(uint64_t *mask, const void *user, size_t size);

/* ---- time ------------------------------------------------------------------------------------ */

#define NS_PER_SECOND 1000000000ull
uint64_t clock_realtime_ns(void);
/* Absolute deadline from a relative number of ns, saturating. */
uint64_t deadline_after(uint64_t ns);
/* Read struct timespec: 0, -EFAULT, -EINVAL; saturates at AR_NO_DEADLINE - 1. */
long timespec_read(uint64_t *ns, const void *user);

#endif
