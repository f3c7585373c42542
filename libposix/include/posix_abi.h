/*
 * What libposix, procd and init agree on: where things are in a process and its capability space.
 * SPDX-License-Identifier: MIT
 */
#ifndef POSIX_ABI_H
#define POSIX_ABI_H

#include <stdint.h>

/* ---- addresses ------------------------------------------------------------------------------- */

#define POSIX_BASE 0x600000000000ull          /* libposix's image: struct posix_header first */
/* its whole range: programs may neither map nor pass pointers here */
#define POSIX_END 0x600100000000ull
/* struct posix_start and its strings, first process only, read-write */
#define POSIX_START_ADDRESS 0x600008000000ull
#define POSIX_START_SIZE 0x40000ull
/* libposix may map anonymous memory here for itself (proc.map FIXED) */
#define POSIX_PRIVATE 0x600009000000ull
#define POSIX_PRIVATE_END 0x60000c000000ull
#define POSIX_AREAS 0x600010000000ull         /* thread areas */
#define POSIX_AREA_SIZE 0x20000ull            /* 128 KiB each */
/* page: struct ar_ipc_buffer, made present by procd */
#define POSIX_AREA_IPC 0x0ull
/* in that page, behind the buffer: the parent's pid, a word that procd writes */
#define POSIX_AREA_PARENT 0x800ull
/* page: libposix's own; gs base; made present by procd */
#define POSIX_AREA_THREAD 0x1000ull
#define POSIX_AREA_STACK_LOW 0x4000ull        /* lazily backed; 0x2000 to here is a guard */
#define POSIX_AREA_STACK_TOP POSIX_AREA_SIZE
#define POSIX_AREAS_MAX 1000u
#define POSIX_AREA(index) (POSIX_AREAS + (uint64_t)(index) * POSIX_AREA_SIZE)

#define USER_LOW 0x10000ull                   /* lowest mappable address (vm.mmap_min_addr) */
/* mmap without an address allocates downward from here */
#define USER_MMAP_TOP 0x7fff00000000ull
/* the program's first stack; 8 MiB below it are reserved */
#define USER_STACK_TOP 0x7ffffffff000ull
#define USER_STACK_SIZE 0x800000ull
#define USER_END 0x7ffffffff000ull

/* ---- capability slots of a process ----------------------------------------------------------- */

enum posix_slot {
    POSIX_SLOT_PROCD = 1, POSIX_SLOT_FILED, POSIX_SLOT_SOCKD, POSIX_SLOT_CONSOLED,
    POSIX_SLOT_CWD = 8,        /* gate of the working directory's description; copied by fork */
    POSIX_SLOT_EXEC_FD = 9,
    POSIX_SLOT_SCRATCH = 64,   /* 64..255: libposix's own, not copied by fork */
    POSIX_SLOT_FD = 256,       /* descriptor n is slot 256 + n; leaf 1 is always present */
    POSIX_SLOT_FD_END = 32768,
    POSIX_SLOT_THREADS = 32768 /* 16 a thread: see enum posix_thread_slot */
};
#define POSIX_FD_MAX (POSIX_SLOT_FD_END - POSIX_SLOT_FD)
#define POSIX_THREAD_SLOT(area, n) (POSIX_SLOT_THREADS + (uint32_t)(area) * 16u + (n))
enum posix_thread_slot {
    POSIX_TS_NOTIFICATION,     /* placed by procd: signal and wait */
    POSIX_TS_SESSION_PROCD, POSIX_TS_SESSION_FILED, POSIX_TS_SESSION_SOCKD,
    POSIX_TS_SESSION_CONSOLED,
    /* the private copy of a capability while a call on it is in progress */
    POSIX_TS_CALL,
    POSIX_TS_CALL2,
    POSIX_TS_RECEIVE = 8       /* 8..15: receive slots */
};

/* What fork copies: slots 1..15 and POSIX_SLOT_FD up to the request's slot_limit; procd places
 * the process gate and the thread's notification itself. A thread's slots are emptied by procd
 * when it ends. */

/* The notification's bit that procd signals for an upcall, and nobody else: answer.h has the others. */
#define POSIX_WAKE_SIGNAL (1ull << 63)

/* stat(2) of the terminal: consoled says it of its descriptions and filed of /dev/console, so
 * that ttyname(3), which compares, finds the name. No other node of filed has the number. */
#define CONSOLE_STAT_DEVICE 0x16u
#define CONSOLE_STAT_INODE 0xffffffffu
#define CONSOLE_STAT_RDEV 0x501u /* 5, 1 */

/* Badges with the same meaning at every server; objects start at BADGE_OBJECTS. */
enum server_badge {
    BADGE_PRIVILEGED = 1, /* root gate held by init */
    BADGE_ROOT = 2,       /* root gate held by every process */
    BADGE_FAULT = 3,      /* procd: the fault gate of every thread */
    BADGE_MOUNT = 4,      /* procd: root of /proc, held by filed */
    BADGE_OBJECTS = 16
};

/* ---- libposix's image ------------------------------------------------------------------------ */

#define POSIX_MAGIC 0x5849534f50524141ull
/* First thing in the image (section .posix_header). Addresses are absolute. */
struct posix_header {
    uint64_t magic, version;
    /* first process: rdi = pid, rsi = tid, rdx = struct posix_start *, rsp = stack top of area 0 */
    uint64_t start;
    uint64_t foreign_entry; /* bounced system calls */
    uint64_t async_entry;   /* upcall into a thread that was running program code; see below */
    uint64_t fork_entry;    /* rdi = pid, rsi = tid, rsp = proc.fork's stack_pointer */
    /* rdi = tid, rsi = area, rdx = proc.thread_create's argument, rsp = stack top */
    uint64_t thread_entry;
    uint64_t native_low, native_high; /* where `syscall` is native: libposix's text */
    /* way out of libposix: an upcall while rip is in [exit_low, exit_high) sets rip = exit_redo,
     * which checks for signals again */
    uint64_t exit_low, exit_high, exit_redo;
    /* user-copy routines: a fault there that procd cannot resolve resumes at copy_fixup,
     * everything else unchanged */
    uint64_t copy_low, copy_high, copy_fixup;
};

/*
 * Upcall, by procd, when a thread gets a signal that its process does not ignore:
 *   1. set ipc_buffer.upcall_pending = 1 (FRAME_WRITE), signal the thread's notification
 *      (POSIX_WAKE_SIGNAL);
 *   2. read its registers. rip inside [native_low, native_high): if in [exit_low, exit_high) write
 *   rip = exit_redo; else
 *      nothing, libposix looks at upcall_pending on its way out and after every wait;
 *   3. otherwise, if the thread is not blocked on a fault and async_rip == 0 (FRAME_READ), it runs
 *   program code:
 *      async_rip = rip, async_rflags = rflags (FRAME_WRITE), write rip = async_entry. All other
 *      registers stay; libposix
 *      switches stacks, saves everything, clears async_rip, and delivers. async_rip != 0 means one
 *      is under way already.
 * Every signal goes this way, default actions too: libposix knows dispositions and masks, and
 * ends the process by proc.exit or stops it by proc.stop. procd acts by itself for SIGKILL,
 * SIGSTOP and SIGCONT (which continues, and is then upcalled as well), and for a fault signal
 * (SIGSEGV, SIGFPE, SIGILL, SIGBUS, SIGTRAP) that finds the thread inside libposix: that ends
 * the process. A fault in program code is queued for that thread with its address and upcalled:
 * async_rip = the faulting rip.
 */

struct posix_start {
    /* strings: argc + envc of them, each with its NUL, length bytes in all */
    uint64_t argc, envc, length;
    uint64_t boot_seconds;       /* real time at boot */
    char strings[];
};

/* Random bytes: rdrand when CPUID has it, else a seeded generator; both in libposix. */

#endif
