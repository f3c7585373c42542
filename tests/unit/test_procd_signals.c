/* procd: pending queues, kill, upcalls, stop and continue, timers, faults.
 * SPDX-License-Identifier: MIT */
#include "procd_fake.h"

static struct fake_thread *machine_thread(struct procd *procd, uint32_t tid)
{
    return &fake.threads[procd->thread_of[tid]->handle];
}

static struct ar_ipc_buffer *ipc(struct procd *procd, uint32_t tid)
{
    return (struct ar_ipc_buffer *)(void *)fake.frames[machine_thread(procd, tid)->setup.ipc_frame];
}

static void queues_coalesce_and_order(void **state)
{
    (void)state;
    struct signals signals = {0};
    struct signal_info info;
    assert_int_equal(signals_add(&signals, &(struct signal_info){.signal = SIG_CHLD, .value = 1}),
                     ST_OK);
    assert_int_equal(signals_add(&signals, &(struct signal_info){.signal = SIG_CHLD, .value = 2}),
                     ST_OK);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(signals_add(&signals, &(struct signal_info){.signal = 40, .value = i}),
                         ST_OK);
    assert_int_equal(signals_add(&signals, &(struct signal_info){.signal = 34, .value = 9}), ST_OK);
    assert_true(signals_take(&signals, 0, true, &info) && info.signal == SIG_CHLD);
    assert_true(signals_take(&signals, SIGNAL_BIT(SIG_CHLD), false, &info) && info.signal == 34);
    for (unsigned i = 0; i < 3; i++)
        assert_true(signals_take(&signals, SIGNAL_BIT(SIG_CHLD), false, &info) &&
                    info.signal == 40 && info.value == i);
    assert_false(signals_take(&signals, SIGNAL_BIT(SIG_CHLD), false, &info));
    assert_true(signals_take(&signals, 0, false, &info) && info.value == 1);
    assert_int_equal(signals.pending, 0);
    for (unsigned i = 0; i < SIGNALS_QUEUED_MAX; i++)
        assert_int_equal(signals_add(&signals, &(struct signal_info){.signal = 64, .value = i}),
                         ST_OK);
    assert_int_equal(signals_add(&signals, &(struct signal_info){.signal = 64}), ST_AGAIN);
    assert_int_equal(signals_add(&signals, &(struct signal_info){.signal = SIG_HUP}), ST_OK);
    assert_true(signals.pending & SIGNAL_BIT(SIG_HUP));
    signals_remove(&signals, ~0ull);
    assert_int_equal(mem_in_use(), 0);
}

static void upcall_interrupts_program_code_alone(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(3000);
    uint32_t parent = fake_spawn(procd), child = fake_fork(procd, parent);
    struct fake_thread *thread = machine_thread(procd, child);
    thread->regs.rip = 0x401234;
    thread->regs.rsp = 0xffff800000000000; /* a program may have anything there */
    thread->regs.rflags = 0x246;
    thread->regs.rbx = 77;
    assert_int_equal(REQUEST(procd, parent, PROC_KILL, child, 0, SIG_HUP, 0, 5), ST_OK);
    assert_int_equal(ipc(procd, child)->upcall_pending, 1);
    assert_int_equal(ipc(procd, child)->async_rip, 0x401234);
    assert_int_equal(ipc(procd, child)->async_rflags, 0x246);
    assert_int_equal(thread->regs.rip, FAKE_ASYNC);
    assert_int_equal(thread->regs.rbx, 77);
    assert_int_equal(thread->signals, 1);
    /* A second one while libposix has not yet copied the first: only the hint. */
    thread->regs.rip = 0x409999;
    assert_int_equal(REQUEST(procd, parent, PROC_KILL, child, 0, SIG_TSTP, 0, 0), ST_OK);
    assert_int_equal(ipc(procd, child)->async_rip, 0x401234);
    assert_int_equal(thread->regs.rip, 0x409999);
    assert_int_equal(REQUEST(procd, child, PROC_SIGNAL_TAKE, 0, 0), ST_OK);
    assert_int_equal(REPLY(0), SIG_HUP);
    assert_int_equal(REPLY(2), parent);
    assert_int_equal(REPLY(4), 5);
    assert_int_equal(ipc(procd, child)->upcall_pending, 1);
    assert_int_equal(REQUEST(procd, child, PROC_SIGNAL_TAKE, SIGNAL_BIT(SIG_TSTP), 0), ST_OK);
    assert_int_equal(REPLY(0), 0);
    assert_int_equal(REPLY(6), SIGNAL_BIT(SIG_TSTP));
    assert_int_equal(ipc(procd, child)->upcall_pending, 0);
    /* Inside libposix, and on its way out. */
    ipc(procd, child)->async_rip = 0;
    thread->regs.rip = FAKE_START + 64;
    assert_int_equal(REQUEST(procd, parent, PROC_KILL, child, 0, SIG_HUP, 0, 0), ST_OK);
    assert_int_equal(thread->regs.rip, FAKE_START + 64);
    assert_int_equal(ipc(procd, child)->upcall_pending, 1);
    thread->regs.rip = FAKE_EXIT_LOW + 3;
    assert_int_equal(REQUEST(procd, parent, PROC_KILL, child, 0, SIG_INT, 0, 0), ST_OK);
    assert_int_equal(thread->regs.rip, FAKE_EXIT_REDO);
    fake_shutdown(procd);
}

/* SIGKILL stops at once, and ends when the killer had a moment to go on. */
static void killed_ends(struct procd *procd, uint32_t pid)
{
    assert_true(machine_thread(procd, pid)->suspended);
    assert_true(procd->process_of[pid]->state != PROCESS_ZOMBIE);
    /* a request that was under way */
    assert_int_equal(REQUEST(procd, pid, PROC_FORK, 0, 0, 0, SIG_CHLD), ST_PERM);
    fake.now = procd_deadline(procd);
    assert_true(fake.now != AR_NO_DEADLINE);
    procd_expired(procd, fake.now, &fake_effects);
    assert_int_equal(procd->process_of[pid]->state, PROCESS_ZOMBIE);
}

static void kill_reaches_whom_it_names(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(3000);
    uint32_t shell = fake_spawn(procd), a = fake_fork(procd, shell), b = fake_fork(procd, shell);
    REQUEST(procd, shell, PROC_SET_GROUP, a, a);
    REQUEST(procd, shell, PROC_SET_GROUP, b, a);
    assert_int_equal(REQUEST(procd, shell, PROC_KILL, 31999, 0, SIG_HUP, 0, 0), ST_SRCH);
    assert_int_equal(REQUEST(procd, shell, PROC_KILL, (uint64_t)-31999, 0, SIG_HUP, 0, 0), ST_SRCH);
    assert_int_equal(REQUEST(procd, shell, PROC_KILL, a, 0, 0, 0, 0), ST_OK);
    assert_int_equal(procd->process_of[a]->signals.pending, 0);
    assert_int_equal(REQUEST(procd, shell, PROC_KILL, -(uint64_t)a, 0, SIG_HUP, 0, 0), ST_OK);
    assert_int_equal(procd->process_of[b]->signals.pending, SIGNAL_BIT(SIG_HUP));
    assert_int_equal(procd->process_of[shell]->signals.pending, 0);
    assert_int_equal(REQUEST(procd, shell, PROC_KILL, a, b, SIG_HUP, 0, 0), ST_SRCH);
    assert_int_equal(REQUEST(procd, shell, PROC_KILL, a, a, SIG_INT, (uint64_t)-6, 0), ST_OK);
    assert_int_equal(procd->thread_of[a]->signals.pending, SIGNAL_BIT(SIG_INT));
    /* the kernel's own code */
    assert_int_equal(REQUEST(procd, shell, PROC_KILL, a, 0, 40, 5, 0), ST_PERM);
    assert_int_equal(REQUEST(procd, shell, PROC_KILL, (uint64_t)-1, 0, SIG_KILL, 0, 0), ST_OK);
    /* too late for that */
    assert_int_equal(REQUEST(procd, shell, PROC_KILL, a, 0, SIG_CONT, 0, 0), ST_OK);
    killed_ends(procd, a);
    assert_int_equal(procd->process_of[b]->state, PROCESS_ZOMBIE);
    assert_int_equal(procd->process_of[shell]->state, PROCESS_RUNNING);
    /* a zombie exists */
    assert_int_equal(REQUEST(procd, shell, PROC_KILL, a, 0, SIG_HUP, 0, 0), ST_OK);
    assert_int_equal(REQUEST(procd, shell, PROC_KILL, 1, 0, SIG_KILL, 0, 0), ST_OK);
    /* its own group, itself */
    assert_int_equal(REQUEST(procd, shell, PROC_KILL, 0, 0, SIG_KILL, 0, 0), ST_OK);
    assert_int_equal(procd->process_of[shell]->state, PROCESS_ZOMBIE);
    fake_shutdown(procd);
}

static void stop_and_continue(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(3000);
    uint32_t parent = fake_spawn(procd), child = fake_fork(procd, parent);
    fake_open_session(procd, parent);
    assert_int_equal(REQUEST(procd, parent, PROC_WAIT, child, 2), ST_WAIT);
    assert_int_equal(REQUEST(procd, child, PROC_STOP, SIG_TSTP), ST_OK);
    assert_true(machine_thread(procd, child)->suspended && fake_woken(parent));
    assert_int_equal(REQUEST(procd, parent, PROC_SIGNAL_TAKE, 0, 0), ST_OK);
    assert_true(REPLY(0) == SIG_CHLD && REPLY(1) == CODE_STOPPED && REPLY(2) == child &&
                REPLY(5) == SIG_TSTP);
    assert_int_equal(REQUEST(procd, parent, PROC_WAIT, child, 3), ST_OK);
    assert_int_equal(REPLY(1), SIG_TSTP << 8 | 0x7f);
    assert_int_equal(REQUEST(procd, parent, PROC_WAIT, child, 3), ST_OK);
    assert_int_equal(REPLY(0), 0); /* told once */
    assert_int_equal(REQUEST(procd, parent, PROC_KILL, child, 0, SIG_CONT, 0, 0), ST_OK);
    assert_false(machine_thread(procd, child)->suspended);
    assert_int_equal(procd->process_of[child]->signals.pending, SIGNAL_BIT(SIG_CONT));
    assert_int_equal(REQUEST(procd, parent, PROC_WAIT, child, 9), ST_OK);
    assert_int_equal(REPLY(1), 0xffff);
    /* SIGCONT overtakes a stop that libposix is about to do. */
    assert_int_equal(REQUEST(procd, child, PROC_STOP, SIG_TSTP), ST_OK);
    assert_int_equal(procd->process_of[child]->state, PROCESS_RUNNING);
    assert_int_equal(REQUEST(procd, parent, PROC_KILL, child, 0, SIG_STOP, 0, 0), ST_OK);
    assert_int_equal(procd->process_of[child]->state, PROCESS_STOPPED);
    assert_int_equal(REQUEST(procd, parent, PROC_KILL, child, 0, SIG_KILL, 0, 0), ST_OK);
    killed_ends(procd, child);
    fake_shutdown(procd);
}

static void timers_fire_and_repeat(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(3000);
    uint32_t pid = fake_spawn(procd);
    assert_int_equal(procd_deadline(procd), AR_NO_DEADLINE);
    assert_int_equal(REQUEST(procd, pid, PROC_TIMER, 1, 1000, 300), ST_OK);
    assert_int_equal(procd_deadline(procd), fake.now + 1000);
    fake.now += 400;
    assert_int_equal(REQUEST(procd, pid, PROC_TIMER, 0, 0, 0), ST_OK);
    assert_true(REPLY(0) == 600 && REPLY(1) == 300);
    uint64_t due = fake.now + 600;
    fake.now += 1300; /* two periods late */
    procd_expired(procd, fake.now, &fake_effects);
    assert_int_equal(procd->process_of[pid]->signals.pending, SIGNAL_BIT(SIG_ALRM));
    assert_int_equal(procd_deadline(procd), due + 900);
    assert_int_equal(REQUEST(procd, pid, PROC_TIMER, 1, 0, 0), ST_OK);
    assert_int_equal(procd_deadline(procd), AR_NO_DEADLINE);
    assert_int_equal(REQUEST(procd, pid, PROC_TIMER, 1, ~0ull, 0), ST_OK);
    assert_true(procd_deadline(procd) != AR_NO_DEADLINE);
    fake_shutdown(procd);
}

static bool fault(struct procd *procd, uint32_t tid, uint64_t kind, uint64_t address,
                  uint64_t error, uint64_t rip)
{
    const uint64_t words[6] = {kind, address, error, rip, 0x7000, 0x202};
    machine_thread(procd, tid)->regs.rip = rip;
    machine_thread(procd, tid)->state = AR_THREAD_BLOCKED_FAULT;
    fake_effects.count = 0;
    return procd_fault(procd, PRINCIPAL(0, tid), words, &fake_effects);
}

static void faults_become_the_right_signals(void **state)
{
    (void)state;
    static const struct {
        uint64_t kind, address, error;
        unsigned signal;
        int64_t code;
        const char *cause;
    } cases[] = {
        {AR_FAULT_PAGE, 8, AR_PF_USER, SIG_SEGV, CODE_MAPERR, "null pointer"},
        {AR_FAULT_PAGE, 0x50000000, AR_PF_USER, SIG_SEGV, CODE_MAPERR, "nothing is mapped there"},
        {AR_FAULT_PAGE, 0xffff800000001000, AR_PF_USER | AR_PF_FETCH, SIG_SEGV, CODE_MAPERR,
         "jump to kernel half"},
        {AR_FAULT_PAGE, 0xffff800000001000, AR_PF_USER, SIG_SEGV, CODE_MAPERR,
         "access to kernel half"},
        {AR_FAULT_PAGE, 0x400000, AR_PF_USER | AR_PF_WRITE, SIG_SEGV, CODE_ACCERR,
         "write to read-only page"},
        {AR_FAULT_PAGE, 0x400000, AR_PF_USER | AR_PF_FETCH, SIG_SEGV, CODE_ACCERR,
         "execute of non-executable page"},
        {AR_FAULT_PAGE, POSIX_BASE, AR_PF_USER | AR_PF_WRITE, SIG_SEGV, CODE_ACCERR,
         "write to read-only page"},
        {AR_FAULT_EXCEPTION, 0, 0, SIG_FPE, 1, "division by zero"},
        {AR_FAULT_EXCEPTION, 6, 0, SIG_ILL, 2, "illegal instruction"},
        {AR_FAULT_EXCEPTION, 13, 0, SIG_SEGV, 0x80, "privileged instruction"},
        {AR_FAULT_EXCEPTION, 3, 0, SIG_TRAP, 1, "breakpoint"},
        {AR_FAULT_EXCEPTION, 17, 0, SIG_BUS, 1, "misaligned"},
        {AR_FAULT_EXCEPTION, 19, 0, SIG_FPE, 7, "floating-point"},
    };
    struct procd *procd = fake_boot(3000);
    uint32_t pid = fake_spawn(procd);
    fake_map(procd, pid, 0x400000, 0x1000, 1, PROC_MAP_FIXED);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(fault(procd, pid, cases[i].kind, cases[i].address, cases[i].error, 0x400100));
        assert_int_equal(machine_thread(procd, pid)->regs.rip, FAKE_ASYNC);
        assert_int_equal(ipc(procd, pid)->async_rip, 0x400100);
        ipc(procd, pid)->async_rip = 0;
        assert_int_equal(REQUEST(procd, pid, PROC_SIGNAL_TAKE, 0, 0), ST_OK);
        assert_int_equal(REPLY(0), cases[i].signal);
        assert_int_equal(REPLY(1), (uint64_t)cases[i].code);
        if (cases[i].kind == AR_FAULT_PAGE)
            assert_int_equal(REPLY(4), cases[i].address);
        if (!strstr(procd->process_of[pid]->last_fault, cases[i].cause))
            fail_msg("case %u: %s", i, procd->process_of[pid]->last_fault);
    }
    fake_shutdown(procd);
}

static void faults_in_libposix_are_fixed_or_fatal(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(3000);
    uint32_t pid = fake_spawn(procd), child = fake_fork(procd, pid);
    assert_true(fault(procd, pid, AR_FAULT_PAGE, 0x50, AR_PF_USER, FAKE_COPY_LOW + 4));
    assert_int_equal(machine_thread(procd, pid)->regs.rip, FAKE_COPY_FIXUP);
    assert_int_equal(REQUEST(procd, pid, PROC_FAULT_FIXUP, POSIX_BASE + 0x1700, POSIX_BASE + 0x1710,
                             POSIX_BASE + 0x1720),
                     ST_OK);
    assert_true(fault(procd, pid, AR_FAULT_PAGE, 0x50, AR_PF_USER, POSIX_BASE + 0x1704));
    assert_int_equal(machine_thread(procd, pid)->regs.rip, POSIX_BASE + 0x1720);
    assert_int_equal(machine_thread(procd, pid)->regs.rax, 0x50);
    assert_int_equal(REQUEST(procd, pid, PROC_FAULT_FIXUP, 0x1000, 0x2000, 0x1000), ST_INVAL);
    assert_false(fault(procd, child, AR_FAULT_PAGE, 0x50, AR_PF_USER, FAKE_START));
    /* no core: the soft limit is 0 */
    assert_int_equal(procd->process_of[child]->exit_status, SIG_SEGV);
    assert_int_equal(REQUEST(procd, pid, PROC_LIMIT, 0, LIMIT_CORE, 1, UINT64_MAX, UINT64_MAX),
                     ST_OK);
    assert_non_null(strstr(fake.log[fake.log_count - 1], "null pointer"));
    /* A fault whose signal the program blocks ends it, instead of faulting for ever. */
    assert_true(fault(procd, pid, AR_FAULT_EXCEPTION, 0, 0, 0x400000));
    ipc(procd, pid)->async_rip = 0;
    assert_int_equal(
        REQUEST(procd, pid, PROC_SIGNAL_TAKE, SIGNAL_BIT(SIG_FPE) | SIGNAL_BIT(SIG_CHLD), 0),
        ST_OK);
    assert_int_equal(REPLY(0), 0);
    assert_false(fault(procd, pid, AR_FAULT_EXCEPTION, 0, 0, 0x400000));
    assert_int_equal(procd->process_of[pid]->exit_status, SIG_FPE | 0x80);
    assert_false(procd_fault(procd, PRINCIPAL(0, 9999999), WORDS(1, 2, 3, 4, 5, 6), &fake_effects));
    fake_shutdown(procd);
}

static uint64_t pending(struct procd *procd, uint32_t pid)
{
    return process_find(procd, pid)->signals.pending;
}

static void request(struct procd *procd, enum signal_target target, uint32_t id, uint32_t uid,
                    uint32_t signal)
{
    const struct signal_request request = {.target = target, .id = id, .uid = uid, .euid = uid,
                                           .signal = signal, .code = 1, .fd = -7,
                                           .band = 0x1122334455667788};
    procd_signal_request(procd, &request, &fake_effects);
}

static void sockd_asks_for_signals(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(3000);
    uint32_t parent = fake_spawn(procd), child = fake_fork(procd, parent);
    struct signal_info info;
    request(procd, SIGNAL_TO_PROCESS, child, 0, 40);
    assert_int_equal(pending(procd, child), SIGNAL_BIT(40));
    assert_true(signals_take(&process_find(procd, child)->signals, 0, false, &info));
    assert_int_equal(info.pid, 0x55667788); /* si_band, in two halves, and si_fd */
    assert_int_equal(info.uid, 0x11223344);
    assert_int_equal(info.value, (uint32_t)-7);
    request(procd, SIGNAL_TO_THREAD, child, 0, 41);
    assert_int_equal(pending(procd, child), 0);
    assert_int_equal(procd->thread_of[child]->signals.pending, SIGNAL_BIT(41));
    request(procd, SIGNAL_TO_GROUP, process_find(procd, parent)->pgid, 0, 42);
    assert_int_equal(pending(procd, child), SIGNAL_BIT(42));
    assert_int_equal(pending(procd, parent), SIGNAL_BIT(42));
    /* nobody, and nonsense */
    request(procd, SIGNAL_TO_PROCESS, 30000, 0, 43);
    request(procd, SIGNAL_TO_PROCESS, UINT32_MAX, 0, 43);
    request(procd, (enum signal_target)9, child, 0, 43);
    request(procd, SIGNAL_TO_PROCESS, child, 0, 0);
    request(procd, SIGNAL_TO_PROCESS, child, 0, 65);
    request(procd, SIGNAL_TO_PROCESS, ID_INIT, 0, 43);
    assert_int_equal(pending(procd, child), SIGNAL_BIT(42));
    /* who set the owner may signal it, or not */
    process_find(procd, child)->credentials.ruid = 1000;
    process_find(procd, child)->credentials.suid = 1002;
    request(procd, SIGNAL_TO_PROCESS, child, 1001, 43);
    assert_int_equal(pending(procd, child), SIGNAL_BIT(42));
    request(procd, SIGNAL_TO_PROCESS, child, 1000, 43);
    request(procd, SIGNAL_TO_PROCESS, child, 1002, 44);
    assert_int_equal(pending(procd, child), SIGNAL_BIT(42) | SIGNAL_BIT(43) | SIGNAL_BIT(44));
    /* when a real-time one has no room, SIGIO says so */
    for (unsigned i = 0; i < SIGNALS_QUEUED_MAX; i++)
        request(procd, SIGNAL_TO_PROCESS, child, 0, 45);
    assert_true(pending(procd, child) & SIGNAL_BIT(29));
    request(procd, SIGNAL_TO_PROCESS, child, 0, SIG_KILL);
    assert_int_equal(process_find(procd, child)->state, PROCESS_ZOMBIE);
    fake_shutdown(procd);
}

static void pidfd_is_of_the_process_that_was_meant(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(3000);
    uint32_t parent = fake_spawn(procd), child = fake_fork(procd, parent);
    uint32_t serial = process_find(procd, child)->credentials.serial;
    assert_true(serial != 0);
    assert_true(serial != process_find(procd, parent)->credentials.serial);
    assert_int_equal(REQUEST(procd, parent, PROC_PIDFD_OPEN, child, 0, serial), ST_OK);
    procd_closed(procd, fake_call.reply_caps[0].value, &fake_effects);
    assert_int_equal(REQUEST(procd, parent, PROC_PIDFD_OPEN, child, 0, 0), ST_OK);
    procd_closed(procd, fake_call.reply_caps[0].value, &fake_effects);
    assert_int_equal(REQUEST(procd, parent, PROC_PIDFD_OPEN, child, 0, serial + 1), ST_INVAL);
    assert_int_equal(REQUEST(procd, parent, PROC_PIDFD_OPEN, 30000, 0, serial), ST_INVAL);
    assert_int_equal(REQUEST(procd, parent, PROC_PIDFD_OPEN, 30000, 0, 0), ST_SRCH);
    fake_shutdown(procd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queues_coalesce_and_order),
        cmocka_unit_test(upcall_interrupts_program_code_alone),
        cmocka_unit_test(kill_reaches_whom_it_names),
        cmocka_unit_test(stop_and_continue),
        cmocka_unit_test(timers_fire_and_repeat),
        cmocka_unit_test(faults_become_the_right_signals),
        cmocka_unit_test(faults_in_libposix_are_fixed_or_fatal),
        cmocka_unit_test(sockd_asks_for_signals),
        cmocka_unit_test(pidfd_is_of_the_process_that_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
