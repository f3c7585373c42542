/*
 * What a thread runs on is taken away while it is ready: its space, its capabilities, its buffer.
 * The kernel goes on, and the thread faults or gets errors. SPDX-License-Identifier: MIT
 */
#include "native.h"

enum { BADGE = 5, PRIORITY = 63 };

static ar_cap endpoint, fault_gate, reply;
static volatile uint64_t turns;

static void spin(uint64_t unused)
{
    (void)unused;
    for (;;) {
        turns++;
        ar_yield();
    }
}

/* The next message is `thread`'s page fault on a fetch; leaves it stopped. */
static void expect_fetch_fault(void)
{
    struct ar_message m = {.badge = endpoint};
    native_ok("receive", ar_syscall(AR_SYS_RECV, &m, reply, ar_clock_ns() + 1000000000));
    native_equal("label", AR_INFO_LABEL(m.info), AR_LABEL_FAULT);
    native_equal("badge", m.badge, BADGE);
    native_equal("kind", m.words[0], AR_FAULT_PAGE);
    native_equal("address is the instruction's", m.words[1], m.words[3]);
    native_equal("error code", m.words[2], AR_PF_USER | AR_PF_FETCH);
}

/* The space, with the thread inside it ready to run. */
static void space_revoked(void)
{
    ar_cap untyped = native_retype(AR_UNTYPED, 12), space = native_slots(1);
    native_ok("retype", ar_retype(untyped, AR_VSPACE, 0, space, 1));
    native_load(space);
    struct native_thread thread = native_thread_make(
        &(struct native_thread_plan){.space = space, .fault_gate = fault_gate});
    native_thread_run(&thread, spin, 0, PRIORITY);
    ar_yield();
    native_ok("revoke", ar_invoke4(AR_CAP_SELF, AR_CNODE_REVOKE, untyped, 0, 0, 0));
    ar_yield();
    expect_fetch_fault();
    native_ok("delete the thread", ar_cap_delete(thread.tcb));
}

/* The capability space: every further call is an error, the thread runs on. */
static void cspace_revoked(void)
{
    ar_cap root = native_cspace(1);
    struct native_thread thread = native_thread_make(
        &(struct native_thread_plan){.cspace = root, .fault_gate = fault_gate});
    native_thread_run(&thread, spin, 0, PRIORITY);
    ar_yield();
    native_ok("revoke", ar_invoke4(AR_CAP_SELF, AR_CNODE_REVOKE, root, 0, 0, 0));
    native_ok("delete", ar_cap_delete(root));
    uint64_t before = turns;
    ar_yield();
    ar_yield();
    native_check(turns > before, "the thread stopped at %lu turns", before);
    native_ok("delete the thread", ar_cap_delete(thread.tcb));
}

/* The thread itself, and its buffer before it. */
static void thread_revoked(void)
{
    ar_cap untyped = native_retype(AR_UNTYPED, 14), frame = native_slots(1);
    native_ok("retype", ar_retype(untyped, AR_FRAME, 12, frame, 1));
    struct native_thread thread = native_thread_make(
        &(struct native_thread_plan){.fault_gate = fault_gate});
    native_buffer()->words[4] = fault_gate;
    struct ar_message m = {.badge = thread.tcb,
                           .info = AR_INFO(AR_TCB_CONFIGURE, 5, 0, 0, 0),
                           .words = {AR_INIT_CNODE, AR_INIT_VSPACE, frame, NATIVE_FREE}};
    native_ok("configure", ar_syscall(AR_SYS_INVOKE, &m, 0, 0));
    native_thread_run(&thread, spin, 0, PRIORITY);
    ar_yield();
    native_ok("revoke", ar_invoke4(AR_CAP_SELF, AR_CNODE_REVOKE, untyped, 0, 0, 0));
    uint64_t before = turns;
    ar_yield();
    native_check(turns > before, "the thread stopped without its buffer");
    native_ok("delete the thread", ar_cap_delete(thread.tcb));
    before = turns;
    ar_yield();
    native_equal("turns of a thread that is gone", turns, before);
}

void native_main(const struct ar_boot_info *boot)
{
    (void)boot;
    endpoint = native_retype(AR_ENDPOINT, 0);
    fault_gate = native_copy(native_gate(endpoint, BADGE), AR_SEND);
    reply = native_retype(AR_REPLY, 0);
    space_revoked();
    cspace_revoked();
    thread_revoked();
}
