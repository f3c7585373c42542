/*
 * How long interrupts are off while the kernel does much at once: at most 5,000 instructions, in
 * the kernel that measures itself, with --icount. SPDX-License-Identifier: MIT
 *
 * Each row prepares, lets the kernel forget what it has measured, does one thing, and prints the
 * longest stretch since. Parameters: many=N (10000): threads, gates; log=N: print N threads too.
 */
#include "native.h"

#include <string.h>

enum { LIMIT = 5000, THREADS_BITS = 26, SPACE_BITS = 23, REVOKED = 100000, SLOTS = 20000 };
enum { LABEL = AR_LABEL_USER, FLAGS = 0x202, PRIORITY = 10, WAITERS = 5000, MIB = 1 << 20 };
#define DATA_HERE (NATIVE_FREE + 0x40000000)
#define DATA_THERE (NATIVE_FREE + 0x80000000)
#define THREADS_BUFFER (NATIVE_FREE + 0x1000)

static unsigned many, failures;
static ar_cap threads_untyped, threads, buffer_frame, parked;

/* One system call as the registers have it, then wait for ever on r14. */
extern const char thread_code[];
__asm__(".pushsection .text\n"
        "thread_code: syscall\n"
        "1: mov $5, %eax\n" /* AR_SYS_WAIT */
        "mov %r14, %rdi\n"
        "mov $-1, %r13\n"
        "syscall\n"
        "jmp 1b\n"
        ".popsection");
_Static_assert(AR_SYS_WAIT == 5, "above");

static uint64_t longest(void)
{
    struct ar_message m;
    native_ok("measures (run.py --measure)",
              ar_invoke(AR_INIT_LOG, AR_LOG_MEASURES, 0, 0, 0, 0, 0, &m));
    return m.words[0];
}

static void row(const char *what)
{
    uint64_t ticks = longest();
    native_print("latency: %lu %s\n", ticks, what);
    failures += ticks > LIMIT;
}

static void revoke(ar_cap slot)
{
    native_ok("revoke", ar_invoke4(AR_CAP_SELF, AR_CNODE_REVOKE, slot, 0, 0, 0));
}

static void delete(ar_cap slot)
{
    native_ok("delete", ar_cap_delete(slot));
}

static void retype(ar_cap untyped, enum ar_type type, unsigned bits, ar_cap first, unsigned count)
{
    for (unsigned i = 0; i < count; i += AR_RETYPE_MAX)
        native_ok("retype", ar_retype(untyped, type, bits, first + i,
                                      count - i < AR_RETYPE_MAX ? count - i : AR_RETYPE_MAX));
}

/* ---- threads --------------------------------------------------------------------------------- */

static void thread_make(ar_cap tcb, const struct ar_regs *regs)
{
    struct ar_message m = {.badge = tcb,
                           .info = AR_INFO(AR_TCB_CONFIGURE, 5, 0, 0, 0),
                           .words = {AR_INIT_CNODE, AR_INIT_VSPACE, buffer_frame, THREADS_BUFFER}};
    native_buffer()->words[4] = 0;
    native_ok("configure", ar_syscall(AR_SYS_INVOKE, &m, 0, 0));
    native_write_regs(tcb, regs);
    native_ok("priority", ar_invoke4(tcb, AR_TCB_SET_PRIORITY, PRIORITY, 0, 0, 0));
    native_ok("resume", ar_invoke4(tcb, AR_TCB_RESUME, 0, 0, 0, 0));
}

static unsigned state(ar_cap tcb)
{
    struct ar_message m;
    native_ok("info", ar_invoke(tcb, AR_TCB_INFO, 0, 0, 0, 0, 0, &m));
    return (unsigned)m.words[0];
}

/* `count` threads that are blocked in a system call with these registers. */
static void threads_block(unsigned count, struct ar_regs regs, enum ar_thread_state blocked)
{
    regs.rip = (uint64_t)thread_code;
    regs.rflags = FLAGS;
    regs.r14 = parked;
    retype(threads_untyped, AR_TCB, 0, threads, count);
    for (unsigned i = 0; i < count; i++)
        thread_make(threads + i, &regs);
    native_sleep(20000000);
    for (unsigned i = 0; i < count; i++)
        while (state(threads + i) == AR_THREAD_READY)
            native_sleep(1000000);
    for (unsigned i = 0; i < count; i++)
        native_equal("state of a thread", state(threads + i), blocked);
    longest();
}

/* All of them have gone on, and are gone now. */
static void threads_end(unsigned count)
{
    native_sleep(50000000);
    for (unsigned i = 0; i < count; i++)
        native_equal("state of a thread", state(threads + i), AR_THREAD_BLOCKED_WAIT);
    row("... and its threads going on");
    revoke(threads_untyped);
    row("... and deleted");
}

static void waiting_threads(void)
{
    ar_cap endpoint = native_retype(AR_ENDPOINT, 0), gate, notification, reply;
    struct ar_regs call = {.rax = AR_SYS_CALL, .rdi = endpoint, .rsi = AR_INFO(LABEL, 0, 0, 0, 0)};
    threads_block(many, call, AR_THREAD_BLOCKED_CALL);
    delete(endpoint);
    row("endpoint destroyed under 10,000 senders");
    threads_end(many);

    endpoint = native_retype(AR_ENDPOINT, 0);
    gate = native_gate(endpoint, 5);
    call.rdi = native_copy(gate, AR_SEND);
    threads_block(many, call, AR_THREAD_BLOCKED_CALL);
    revoke(gate);
    delete(gate);
    row("gate destroyed under 10,000 senders");
    threads_end(many);

    /* Each sends a capability that it has not got. */
    reply = native_retype(AR_REPLY, 0);
    call.rdi = endpoint;
    call.rsi = AR_INFO(LABEL, 0, 1, 0, 0);
    threads_block(many, call, AR_THREAD_BLOCKED_CALL);
    struct ar_message m = {.badge = endpoint};
    native_ok("receive", ar_syscall(AR_SYS_RECV, &m, reply, 0));
    native_equal("label", AR_INFO_LABEL(m.info), AR_LABEL_TIMEOUT);
    row("receive over 10,000 messages that cannot be delivered");
    threads_end(many);

    notification = native_retype(AR_NOTIFICATION, 0);
    struct ar_regs wait = {.rax = AR_SYS_WAIT, .rdi = notification, .r13 = AR_NO_DEADLINE};
    threads_block(WAITERS < many ? WAITERS : many, wait, AR_THREAD_BLOCKED_WAIT);
    delete(notification);
    row("notification destroyed under 5,000 waiters");
    threads_end(WAITERS < many ? WAITERS : many);

    wait.rdi = parked;
    wait.r13 = ar_clock_ns() + 4000000000;
    threads_block(many, wait, AR_THREAD_BLOCKED_WAIT);
    native_check(ar_clock_ns() < wait.r13, "the threads' deadline passed too early");
    native_sleep(wait.r13 - ar_clock_ns() + 100000000);
    row("10,000 deadlines that expire together");
    threads_end(many);

}

/* No limit: it goes at the serial line's pace, for who holds the log of a system that hangs. */
static void log_of_threads(void)
{
    struct ar_regs wait = {.rax = AR_SYS_WAIT, .rdi = parked, .r13 = AR_NO_DEADLINE};
    unsigned count = (unsigned)native_parameter("log", 0);
    threads_block(count, wait, AR_THREAD_BLOCKED_WAIT);
    native_ok("log", ar_invoke4(AR_INIT_LOG, AR_LOG_THREADS, 0, 0, 0, 0));
    native_print("latency: %lu log of %u threads\n", longest(), count);
    threads_end(count);
}

/* ---- capabilities ---------------------------------------------------------------------------- */

/* A root CNode with leaves, every slot but 0 a copy of `source`: at least `count`. */
static ar_cap space_fill(ar_cap untyped, ar_cap source, unsigned count)
{
    enum { COPIES = AR_LEAF_SLOTS - 1 };
    unsigned leaves = (count + COPIES - 1) / COPIES;
    ar_cap root = native_slots(1), leaf = native_slots(1), first = native_slots(COPIES);
    native_ok("root", ar_retype(untyped, AR_CNODE, 9, root, 1));
    for (unsigned i = 0; i < COPIES; i++)
        native_ok("copy", ar_cap_copy(AR_CAP_SELF, first + i, AR_CAP_SELF, source, AR_ALL));
    for (unsigned i = 0; i < leaves; i++) {
        struct ar_message m;
        native_ok("leaf", ar_retype(untyped, AR_CNODE, AR_LEAF_BITS, leaf, 1));
        native_ok("set a leaf", ar_invoke4(root, AR_CNODE_SET_LEAF, i, leaf, 0, 0));
        native_ok("copies", ar_invoke(root, AR_CNODE_COPY_RANGE, i * AR_LEAF_SLOTS + 1, AR_CAP_SELF,
                                      first, COPIES, 4, &m));
        native_equal("copies", m.words[0], COPIES);
    }
    longest();
    return root;
}

static void capabilities(void)
{
    ar_cap untyped = native_retype(AR_UNTYPED, SPACE_BITS);
    ar_cap notification = native_retype(AR_NOTIFICATION, 0), root;
    root = space_fill(untyped, notification, REVOKED);
    row("nothing");
    revoke(notification);
    row("revoke of 100,000 capabilities");
    delete(root);
    row("the empty space of 400 leaves destroyed");
    root = space_fill(untyped, notification, SLOTS);
    delete(root);
    row("a capability space of 20,000 slots destroyed");

    ar_cap endpoint = native_retype(AR_ENDPOINT, 0);
    ar_cap gates = native_retype_many(AR_GATE, 0, many);
    for (unsigned i = 0; i < many; i++)
        native_ok("bind", ar_invoke4(gates + i, AR_GATE_BIND, endpoint, i, 0, 0));
    longest();
    delete(endpoint);
    row("endpoint with 10,000 gates destroyed");
    native_equal("a gate that leads nowhere", ar_invoke4(gates, AR_GATE_INFO, 0, 0, 0, 0), AR_OK);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void memory(void)
{
    ar_cap untyped = native_retype(AR_UNTYPED, 28), frames = native_slots(128);
    longest();
    retype(untyped, AR_FRAME, 21, frames, 128);
    row("retype of 256 MiB");
    native_ok("clear", ar_invoke4(frames, AR_FRAME_CLEAR, 0, 0, 0, 0));
    row("clearing of 2 MiB");
    revoke(untyped);
    row("revoke of 256 MiB");
}

static void data(void)
{
    static const char pattern[] = "as it was there";
    ar_cap endpoint = native_retype(AR_ENDPOINT, 0), reply = native_retype(AR_REPLY, 0);
    struct ar_message m = {.badge = endpoint};
    for (uint64_t at = 0; at < MIB; at += 4096) {
        native_map(AR_INIT_VSPACE, DATA_HERE + at, 0, AR_READ | AR_WRITE);
        native_map(AR_INIT_VSPACE, DATA_THERE + at, 0, AR_READ | AR_WRITE);
    }
    memcpy((char *)DATA_THERE + MIB - sizeof(pattern), pattern, sizeof(pattern));
    struct ar_ipc_buffer *theirs = (struct ar_ipc_buffer *)THREADS_BUFFER;
    theirs->in[0] = theirs->out[0] = (struct ar_segment){DATA_THERE, MIB};
    struct ar_regs call = {.rax = AR_SYS_CALL, .rdi = endpoint, .rsi = AR_INFO(LABEL, 0, 0, 1, 1)};
    threads_block(1, call, AR_THREAD_BLOCKED_CALL);
    native_ok("receive", ar_syscall(AR_SYS_RECV, &m, reply, 0));
    for (unsigned i = 0; i < 2; i++) {
        longest();
        m = (struct ar_message){.badge = reply, .words = {0, DATA_HERE, MIB}};
        native_ok("data", ar_syscall(i ? AR_SYS_DATA_WRITE : AR_SYS_DATA_READ, &m, 0, 0));
        native_equal("bytes", m.words[0], MIB);
        row(i ? "DATA_WRITE of 1 MiB" : "DATA_READ of 1 MiB");
    }
    native_equal("the bytes", memcmp((char *)DATA_HERE + MIB - sizeof(pattern), pattern,
                                     sizeof(pattern)), 0);
    delete(reply);
    threads_end(1);
}

void native_main(const struct ar_boot_info *boot)
{
    (void)boot;
    many = (unsigned)native_parameter("many", 10000);
    parked = native_retype(AR_NOTIFICATION, 0);
    buffer_frame = native_map(AR_INIT_VSPACE, THREADS_BUFFER, 0, AR_READ | AR_WRITE);
    threads_untyped = native_retype(AR_UNTYPED, THREADS_BITS);
    threads = native_slots(many);
    row("boot and preparations");
    memory();
    data();
    capabilities();
    waiting_threads();
    if (native_parameter("log", 0))
        log_of_threads();
    native_check(!failures, "%u rows above %u instructions", failures, LIMIT);
}
