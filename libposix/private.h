/* What only libposix's core uses; the files half sees internal.h alone.
 * SPDX-License-Identifier: MIT */
#ifndef LIBPOSIX_PRIVATE_H
#define LIBPOSIX_PRIVATE_H

#include "internal.h"
#include "sys_core.h"

#include <ipc/kernel.h>
#include <proto/fs.h>
#include <proto/io.h>
#include <proto/proc.h>
#include <proto/session.h>

#define PAGE_SIZE 4096ull
#define PAGE_DOWN(x) ((x) & ~(PAGE_SIZE - 1))
#define PAGE_UP(x) (((x) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1))

/* ---- our part of POSIX_PRIVATE ---- */
/* PRIVATE_FD_TABLE is first: machine.h */
#define PRIVATE_FD_SIZE 0x40000ull
#define PRIVATE_HEAP (POSIX_PRIVATE + PRIVATE_FD_SIZE)
#define PRIVATE_HEAP_END (POSIX_PRIVATE_END - 0x800000ull)
/* arguments and headers while an execve is under way */
#define PRIVATE_EXEC PRIVATE_HEAP_END
#define PRIVATE_EXEC_SIZE 0x400000ull

/* The lowest 16 KiB of each thread's libposix stack hold vector state over fork, clone and
 * sigreturn. */
#define AREA_FPU POSIX_AREA_STACK_LOW
#define AREA_FPU_SIZE 0x4000ull

/* ---- user_copy.asm, what internal.h has not: 0, or 1 after a fault ---- */
int copy_string(char *to, const char *from, size_t max, size_t *length);
int touch_read(const void *at);
int fpu_save_user(void *area, uint64_t mask);
void fpu_save(void *area, uint64_t mask);
void fpu_restore(const void *area, uint64_t mask);
uint64_t fs_base_read(void);
void fs_base_write(uint64_t base);

/* ---- fpu.c ---- */
/* Bytes of a saved state, a multiple of 64, and the XSAVE component mask (0: FXSAVE only). */
uint32_t fpu_state_size(void);
uint64_t fpu_state_mask(void);
/* This thread's own buffer, 64-byte aligned. */
void *fpu_buffer(void);
/* Save there / load from there. */
void fpu_keep(void);
void fpu_load(void);
/* The state that a new program starts with. */
void fpu_load_initial(void);
/* Make a state that the program may have changed safe to load: `area` is in our memory. */
void fpu_sanitize(void *area);
/* Write the state to the program's stack, with the marks that Linux puts there: 0 or -EFAULT. */
long fpu_write_frame(uint64_t user);
/* Load it back: 0 or -EFAULT. 0 as an address: the initial state. */
long fpu_read_frame(uint64_t user);
bool cpu_has_fsgsbase(void);

/* ---- entry.asm, dispatch.c ---- */
typedef long (*posix_handler)(const uint64_t a[6]);
struct posix_call_entry {
    posix_handler handler;
    const char *name;
};
#define LINUX_CALLS 463
long call_unknown(const uint64_t a[6]); /* ENOSYS, and a line in the log */
extern const struct posix_call_entry linux_table[LINUX_CALLS];
_Noreturn void posix_go(void); /* to the program, by thread->frame */
/* PLAIN: nothing is left to do on the way out, as far as is known here; posix_leave may be left out. (Not a
 * bool: GCC keeps a register for false.) */
enum posix_way_out { WAY_OUT_PLAIN = 1, WAY_OUT_SLOW = 2 };
enum posix_way_out posix_dispatch(void);
void posix_leave(void);
void posix_async(void);

/* A signal ended the call: it has no result yet, or begins again. */
static inline bool restarts(long result)
{
    return result == -POSIX_RESTART || result == -POSIX_RESTART_NOHAND;
}

/* ---- trace.c: only when process.traced ---- */
/* The call, said with what its pointers point to; its result too, unless a signal ended it: then
 * restart_decide has it. */
long trace_call(uint32_t number, posix_handler handler, const uint64_t a[6]);
void trace_result(uint64_t number, long result);
/* user_copy.asm: record AR_TRACE_PIECE_BYTES bytes of the program's memory; not 0: they are not there. */
int trace_piece(uint64_t head, uint64_t result, uint64_t user);

/* ---- threads and processes ---- */
void thread_init(struct posix_thread *thread, uint32_t tid, uint32_t area);
/* All locks, in one order: nobody is in the middle of anything. Around fork and exec. */
void locks_take_all(void);
void locks_release_all(void);
extern struct posix_lock private_lock;
extern struct posix_lock exec_lock; /* held over a whole execve; not one of locks_take_all's */
_Noreturn void process_exit(unsigned status, unsigned signal, bool core);
/* Anonymous memory through procd: 0 or -errno. */
long memory_map(uint64_t address, uint64_t length, unsigned protection, unsigned flags,
                uint64_t *mapped);
long memory_unmap(uint64_t address, uint64_t length);
/* Read `length` bytes at `offset` of a file into memory that is there: bytes read or -errno. */
long file_read_at(ar_cap file, unsigned server, void *to, size_t length, int64_t offset);
/* Fill with random bytes. */
void random_fill(void *to, size_t length);
/* The first process, before anything else (start_process.c): 0, or -errno and what could not be
 * had. */
long process_begin(uint64_t pid, uint64_t tid, uint64_t boot_seconds, const char **what);
/* Descriptor table: first process and exec. */
long fd_table_init(void);
uint32_t futex_wake_address(uint64_t address, uint32_t count, uint32_t bitset);
/* Wake one thread of this process (its notification). */
void thread_wake(struct posix_thread *thread);

/* ---- signals ---- */
/* Take what can be delivered; default actions happen. true: thread->taken holds one with a
 * handler. */
bool signal_fetch(void);
/* As posix_wait, but signals are left alone: for waits that must not be interrupted. */
void wait_uninterrupted(void);
void signal_reset_for_exec(void);
/* The one in thread->taken onto the program's stack. */
void signal_deliver(void);
/* procd's view of SIGCHLD. */
void signal_policy_update(void);

#endif
