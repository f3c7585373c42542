/*
 * The runtime of native programs: each is the bundle's only entry `init`, bare on the kernel.
 * SPDX-License-Identifier: MIT
 *
 * A program defines native_main(). It has every initial capability (enum ar_init_slot), prints on
 * COM1 and ends the machine: native_pass(), or native_check() and friends when something is wrong.
 * Nothing here returns an error: what cannot be done fails the run with file, line and cause.
 *
 * Addresses of init's own space (and of every space that native_load() filled):
 *   0x400000        the program's image
 *   AR_BOOT_INFO    boot information, init's IPC buffer and stack
 *   NATIVE_THREADS  64 KiB a thread: a hole, its stack, its IPC buffer as the last page
 *   NATIVE_WINDOW   one page at a time, for filling frames
 *   NATIVE_FREE     from here on: the program's to use
 */
#ifndef NATIVE_H
#define NATIVE_H

#include <ipc/kernel.h>
#include <stdbool.h>
#include <stddef.h>

#define NATIVE_THREADS 0x2000000000ull
#define NATIVE_WINDOW 0x3000000000ull
#define NATIVE_FREE 0x4000000000ull

void native_main(const struct ar_boot_info *boot);

/* How long a test waits for what must come: a time-out is then a failure with file and line. */
#define NATIVE_PATIENCE_NS 20000000000ull

/* ---- report.c: output and the end ------------------------------------------------------------ */

/* %s %c %d %u %x, with l: %ld %lu %lx; %%. Only threads with init's capability space. */
void native_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void native_pass(void);
_Noreturn void native_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The rest of the arguments says what was expected; with numbers to show, as printf takes them. */
#define native_check(condition, ...)                                                               \
    ((condition) ? (void)0 : native_fail(__FILE__, __LINE__, __VA_ARGS__))
void native_equal_at(const char *file, int line, const char *what, uint64_t actual,
                     uint64_t expected);
#define native_equal(what, actual, expected)                                                       \
    native_equal_at(__FILE__, __LINE__, what, (uint64_t)(actual), (uint64_t)(expected))
/* An invocation that must give AR_OK. */
#define native_ok(what, error) native_equal(what, error, AR_OK)
/* An invocation that must fail, with whichever error. */
#define native_refused(what, error) native_check((error) != AR_OK, "%s: not refused", what)
/* The number after `NAME=` on the command line (run.py --set NAME=N), or `otherwise`. */
uint64_t native_parameter(const char *name, uint64_t otherwise);

/* ---- memory.c: slots, objects, spaces -------------------------------------------------------- */

/* `count` consecutive empty slots of init's capability space, never given back; leaves beyond the
 * first 32 are made as needed (65,536 slots in all). */
ar_cap native_slots(unsigned count);
/* A new object in a new slot; or `count` of them in consecutive slots. `bits` as RETYPE takes it. */
ar_cap native_retype(enum ar_type type, unsigned bits);
ar_cap native_retype_many(enum ar_type type, unsigned bits, unsigned count);
/* A new slot with a copy. */
ar_cap native_copy(ar_cap source, unsigned rights);
/* A new gate of `endpoint`, the original; threads are given copies. */
ar_cap native_gate(ar_cap endpoint, uint64_t badge);

/* A new address space with nothing in it. */
ar_cap native_space(void);
/* Map `frame` (0: a fresh 4 KiB one) with tables made on demand. A frame that is mapped elsewhere is
 * mapped by a copy. Returns the slot of the capability that is mapped now. */
ar_cap native_map(ar_cap space, uint64_t address, ar_cap frame, unsigned rights);
/* The same page, fresh, in init's space and in another one. */
void native_share(ar_cap space, uint64_t address, unsigned pages);
/*
 * Put this program into another space, at the same addresses: text and constants are mapped from
 * one set of copies that all spaces share; each writable page is a copy as the page is now. So a
 * thread there finds every global as it was, and changes its own only. The boot page is not there.
 */
void native_load(ar_cap space);

/* A capability space of its own: a root CNode with `leaves` (at most 16) leaves of 256 slots.
 * Returns the root's slot here; fill it by ar_cap_copy(root, slot, AR_CAP_SELF, source, rights). */
ar_cap native_cspace(unsigned leaves);

/* ---- thread.c -------------------------------------------------------------------------------- */

typedef void native_entry(uint64_t argument);

struct native_thread {
    ar_cap tcb, space, buffer_frame;
    struct ar_ipc_buffer *buffer; /* the same address here and in the thread's space */
    uint64_t stack_top;           /* likewise mapped in both */
};
/* What is 0 is as said in brackets. */
struct native_thread_plan {
    ar_cap space;         /* [init's own] an empty space has to be given native_load() first */
    ar_cap cspace;        /* [init's own] root CNode */
    ar_cap fault_gate;    /* [none: the first fault suspends it for good] */
    unsigned stack_pages; /* [4] at most 14 */
    bool no_vector;       /* [it has] vector registers, which a server has not */
};
/* Make and configure a thread that does not run yet. */
struct native_thread native_thread_make(const struct native_thread_plan *plan);
/* Start it at `entry`. A thread with init's capability space that returns from there suspends
 * itself; others must not return. */
void native_thread_run(const struct native_thread *thread, native_entry *entry, uint64_t argument,
                       unsigned priority);
/* Both in one, with init's capability space. `space` 0: in this one. */
struct native_thread native_thread_start(native_entry *entry, uint64_t argument, unsigned priority,
                                         ar_cap space);
/* The same for a thread that shall start with every register as given. */
void native_write_regs(ar_cap tcb, const struct ar_regs *regs);
void native_read_regs(ar_cap tcb, struct ar_regs *regs);

/* Let the other threads run for so long. */
void native_sleep(uint64_t ns);

/* ---- fault.c: a thread whose faults come to the caller --------------------------------------- */

struct native_subject {
    struct native_thread thread; /* priority 10 */
    ar_cap endpoint, reply;
    bool started;
};
struct native_fault {
    uint64_t kind, address, error, rip, rsp, rflags; /* AR_FAULT_EXCEPTION: address is the vector */
};
/* `space` 0: init's own; another has to be given native_load() first. */
struct native_subject native_subject_make(ar_cap space);
/* Let it run with these registers. Its last fault, if it had one, must have been received. */
void native_subject_go(struct native_subject *subject, const struct ar_regs *regs);
/* Wait for its next fault message; reply to it as it is. */
void native_subject_fault(const struct native_subject *subject, struct native_fault *fault);
void native_subject_reply(const struct native_subject *subject);

/* One 8-byte read or write (of *value) at an address by the subject, or a call to it. 0: done, and
 * a read's result is in *value; else what came of it. */
enum native_probe { NATIVE_READ, NATIVE_WRITE, NATIVE_JUMP };
#define NATIVE_PROBE_PAGE 0x100ull       /* a page fault at this address; | its error code */
#define NATIVE_PROBE_EXCEPTION 0x200ull  /* | vector << 32 | error code */
uint64_t native_probe(struct native_subject *subject, enum native_probe kind, uint64_t address,
                      uint64_t *value);

/* The calling thread's own: found by its GS base, which stays as the runtime set it. */
static inline struct ar_ipc_buffer *native_buffer(void)
{
    struct ar_ipc_buffer *buffer;
    __asm__ volatile("movq %%gs:%c1, %0"
                     : "=r"(buffer)
                     : "i"(__builtin_offsetof(struct ar_ipc_buffer, self)));
    return buffer;
}

static inline uint64_t native_ticks(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* crt.asm: a system call with every general register as `regs` has it, but rsp, and every one of
 * them back. rip and rflags: those behind the call, out only. */
void native_raw(struct ar_regs *regs);

#endif
