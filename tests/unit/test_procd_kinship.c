/* procd: spawn, fork, exit, wait, orphans, threads, exec, credentials, groups.
 * SPDX-License-Identifier: MIT */
#include "procd_fake.h"

static void spawn_has_what_it_should(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(5000);
    uint32_t pid = fake_spawn(procd);
    struct process *process = procd->process_of[pid];
    assert_int_equal(pid, 2);
    assert_true(fake.slots[process->slots][POSIX_SLOT_FD] &&
                fake.slots[process->slots][POSIX_SLOT_FD + 2]);
    struct fake_thread *thread = &fake.threads[process->threads->handle];
    assert_false(thread->suspended);
    assert_int_equal(thread->regs.rip, FAKE_START);
    assert_int_equal(thread->regs.rdi, pid);
    assert_int_equal(thread->regs.rsp, POSIX_AREA(0) + POSIX_AREA_SIZE);
    const struct posix_start *start =
        (const void *)fake_touch(procd, pid, POSIX_START_ADDRESS, false);
    assert_int_equal(start->argc, 2);
    assert_string_equal(start->strings, "/bin/sh");
    assert_int_equal(*fake_touch(procd, pid, FAKE_DATA + 5, false), 0x77);
    assert_int_equal(*fake_touch(procd, pid, FAKE_DATA + 0x1800, true), 0);
    assert_int_equal(fake_table[process->credential_index].pid, pid);
    fake_shutdown(procd);
}

static void spawn_is_inits_alone(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(5000);
    fake_call.cap_count = 3;
    assert_int_equal(fake_send(procd, BADGE_ROOT, 0, PROC_SPAWN, 4, WORDS(0, 0, 0, 1)), ST_PERM);
    uint32_t pid = fake_spawn(procd), child = fake_fork(procd, pid);
    /* A process with another one's gate: the principal gives it away. */
    assert_int_equal(fake_send(procd, BADGE_OBJECTS + procd->process_of[child]->index,
                               PRINCIPAL(1, pid), PROC_EXIT, 3, WORDS(1, 0, 0)),
                     ST_PERM);
    assert_int_equal(procd->process_of[child]->state, PROCESS_RUNNING);
    fake_shutdown(procd);
}

static void fork_copies_memory_and_slots(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(5000);
    uint32_t parent = fake_spawn(procd);
    uint64_t at = fake_map(procd, parent, 0, 0x3000, 3, 0);
    uint64_t shared = fake_map(procd, parent, 0, 0x2000, 3, PROC_MAP_SHARED);
    *fake_touch(procd, parent, at, true) = 11;
    assert_int_equal(REQUEST(procd, parent, PROC_PROTECT, at + 0x1000, 0x1000, 1), ST_OK);
    fake_touch(procd, parent, at + 0x1000, false);
    uint32_t child = fake_fork(procd, parent);
    struct process *process = procd->process_of[child];
    assert_true(fake.slots[process->slots][POSIX_SLOT_FD + 1]);
    assert_int_equal(fake.threads[process->threads->handle].regs.rip, FAKE_FORK_ENTRY);
    assert_int_equal(fake.threads[process->threads->handle].regs.rsp, 0x5000);
    *fake_touch(procd, parent, at, true) = 12;
    assert_int_equal(*fake_touch(procd, child, at, false), 11);
    /* The read-only page is one frame until the first write. */
    assert_ptr_equal(fake_touch(procd, parent, at + 0x1000, false),
                     fake_touch(procd, child, at + 0x1000, false));
    assert_int_equal(REQUEST(procd, child, PROC_PROTECT, at + 0x1000, 0x1000, 3), ST_OK);
    *fake_touch(procd, child, at + 0x1000, true) = 9;
    assert_int_equal(*fake_touch(procd, parent, at + 0x1000, false), 0);
    /* Shared memory is shared even where nobody had touched it. */
    *fake_touch(procd, child, shared + 0x1000, true) = 42;
    assert_int_equal(*fake_touch(procd, parent, shared + 0x1000, false), 42);
    fake_exit(procd, child, 0);
    *fake_touch(procd, parent, shared + 0x1000, true) = 43;
    fake_shutdown(procd);
}

static void wait_finds_the_right_child(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(5000);
    uint32_t parent = fake_spawn(procd), a = fake_fork(procd, parent), b = fake_fork(procd, parent);
    fake_open_session(procd, parent);
    assert_int_equal(REQUEST(procd, parent, PROC_WAIT, (uint64_t)-1, 1), ST_OK);
    assert_int_equal(REPLY(0), 0);
    assert_int_equal(REQUEST(procd, parent, PROC_WAIT, a, 0), ST_WAIT);
    fake_exit(procd, b, 7);
    assert_true(fake_woken(parent));
    assert_null(fake.slots[3]); /* its capabilities are gone before anyone sees the zombie */
    assert_int_equal(REQUEST(procd, parent, PROC_WAIT, a, 1), ST_OK);
    assert_int_equal(REPLY(0), 0);
    /* WNOWAIT leaves it */
    assert_int_equal(REQUEST(procd, parent, PROC_WAIT, (uint64_t)-1, 0x1000000), ST_OK);
    assert_int_equal(REPLY(0), b);
    assert_int_equal(REQUEST(procd, parent, PROC_WAIT, 0, 0), ST_OK);
    assert_int_equal(REPLY(0), b);
    assert_int_equal(REPLY(1), 7 << 8);
    assert_int_equal(REQUEST(procd, parent, PROC_WAIT, b, 0), ST_CHILD);
    assert_int_equal(REQUEST(procd, parent, PROC_KILL, a, 0, SIG_KILL, 0, 0), ST_OK);
    assert_int_equal(REQUEST(procd, parent, PROC_WAIT, (uint64_t)-1, 1), ST_OK);
    assert_int_equal(REPLY(0), 0); /* as on Linux, it ends a moment later */
    fake.now = procd_deadline(procd);
    procd_expired(procd, fake.now, &fake_effects);
    assert_int_equal(REQUEST(procd, parent, PROC_WAIT, (uint64_t)-1, 0), ST_OK);
    assert_int_equal(REPLY(1), SIG_KILL);
    assert_int_equal(REQUEST(procd, parent, PROC_WAIT, (uint64_t)-1, 0), ST_CHILD);
    assert_int_equal(REQUEST(procd, parent, PROC_WAIT, (uint64_t)-1, 0x40), ST_INVAL);
    uint32_t three[3]; /* of several that ended, the eldest is told of first */
    for (unsigned i = 0; i < 3; i++)
        three[i] = fake_fork(procd, parent);
    for (unsigned i = 3; i-- > 0;)
        fake_exit(procd, three[i], 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(REQUEST(procd, parent, PROC_WAIT, (uint64_t)-1, 0), ST_OK);
        assert_int_equal(REPLY(0), three[i]);
    }
    fake_shutdown(procd);
}

static void orphans_end_by_themselves(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(5000);
    uint32_t parent = fake_spawn(procd), child = fake_fork(procd, parent),
             grandchild = fake_fork(procd, child);
    uint32_t late = fake_fork(procd, child);
    fake_exit(procd, grandchild, 0);
    fake_exit(procd, child, 0);
    assert_null(procd->process_of[grandchild]);
    assert_int_equal(REQUEST(procd, late, PROC_IDS, 0), ST_OK);
    assert_int_equal(REPLY(1), ID_INIT);
    fake_exit(procd, late, 0);
    assert_null(procd->process_of[late]);
    assert_int_equal(REQUEST(procd, parent, PROC_SIGNAL_POLICY, 1, 0), ST_OK); /* SA_NOCLDWAIT */
    uint32_t ignored = fake_fork(procd, parent);
    fake_exit(procd, ignored, 0);
    assert_null(procd->process_of[ignored]);
    fake_shutdown(procd);
}

static void spawn_wait_tells_init(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(5000);
    uint32_t pid = fake_spawn(procd);
    assert_int_equal(fake_send(procd, BADGE_PRIVILEGED, 0, PROC_SPAWN_WAIT, 1, WORDS(pid)),
                     ST_SESSION);
    assert_int_equal(fake_open_session(procd, 0), ST_OK);
    assert_int_equal(fake_send(procd, BADGE_PRIVILEGED, 0, PROC_SPAWN_WAIT, 1, WORDS(pid)),
                     ST_WAIT);
    fake_exit(procd, pid, 3);
    assert_true(fake_woken(0));
    assert_int_equal(fake_send(procd, BADGE_PRIVILEGED, 0, PROC_SPAWN_WAIT, 1, WORDS(pid)), ST_OK);
    assert_int_equal(REPLY(0), 3 << 8);
    assert_int_equal(fake_send(procd, BADGE_PRIVILEGED, 0, PROC_SPAWN_WAIT, 1, WORDS(pid)),
                     ST_SRCH);
    fake_shutdown(procd);
}

static void vfork_waits_for_exec(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(5000);
    uint32_t parent = fake_spawn(procd);
    fake_open_session(procd, parent);
    assert_int_equal(REQUEST(procd, parent, PROC_FORK, PROC_FORK_VFORK, 0x5000, 300, SIG_CHLD),
                     ST_OK);
    uint32_t child = (uint32_t)REPLY(0);
    assert_int_equal(REQUEST(procd, parent, PROC_VFORK_WAIT, child), ST_WAIT);
    uint64_t heap = fake_map(procd, child, 0, 0x1000, 3, PROC_MAP_POPULATE);
    assert_int_equal(REQUEST(procd, child, PROC_EXEC_BEGIN, 0, 0), ST_OK);
    assert_null(fake_touch(procd, child, heap, false));
    REQUEST(procd, child, PROC_SIGNAL_TAKE, 0, 0);
    memcpy(fake_in, "ls\0\0\0\0\0\0\0\0\0\0\0\0\0\0/bin/ls\0ls\0-l", 16 + 8 + 6);
    fake_in_length = 30;
    assert_int_equal(REQUEST(procd, child, PROC_EXEC_END, 8, 7), ST_FAULT);
    assert_int_equal(REQUEST(procd, child, PROC_EXEC_END, 8, 6), ST_OK);
    assert_true(fake_woken(parent));
    assert_string_equal(procd->process_of[child]->name, "ls");
    assert_int_equal(REQUEST(procd, parent, PROC_VFORK_WAIT, child), ST_OK);
    fake_shutdown(procd);
}

static void threads_come_and_go(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(5000);
    uint32_t pid = fake_spawn(procd);
    uint32_t frames = fake.frames_used;
    assert_int_equal(REQUEST(procd, pid, PROC_THREAD_CREATE, 99), ST_OK);
    uint32_t tid = (uint32_t)REPLY(0);
    assert_int_equal(REPLY(1), 1);
    struct fake_thread *thread = &fake.threads[procd->thread_of[tid]->handle];
    assert_int_equal(thread->regs.rdx, 99);
    assert_int_equal(thread->regs.rsi, 1);
    assert_int_equal(thread->regs.gs_base, POSIX_AREA(1) + POSIX_AREA_THREAD);
    uint64_t word = fake_map(procd, pid, 0, 0x1000, 3, 0);
    memset(fake_touch(procd, pid, word, true), 0xff, 16);
    assert_int_equal(fake_request(procd, tid, PROC_THREAD_EXIT, 2, WORDS(0, word + 4)), ST_OK);
    assert_null(procd->thread_of[tid]);
    uint32_t seen[4];
    memcpy(seen, fake_touch(procd, pid, word, false), 16);
    assert_true(seen[0] == ~0u && seen[1] == 0 && seen[2] == ~0u);
    assert_int_equal(fake.frames_used, frames + 1);
    /* fork from a second thread: the child has the caller's area alone. */
    assert_int_equal(REQUEST(procd, pid, PROC_THREAD_CREATE, 1), ST_OK);
    tid = (uint32_t)REPLY(0);
    struct thread *second = procd->thread_of[tid];
    assert_int_equal(fake_send(procd, BADGE_OBJECTS + second->process->index, PRINCIPAL(0, tid),
                               PROC_FORK, 4, WORDS(0, 0x5000, 300, SIG_CHLD)),
                     ST_OK);
    uint32_t child = (uint32_t)REPLY(0);
    assert_non_null(page_find(&procd->process_of[child]->space, POSIX_AREA(1)));
    assert_null(page_find(&procd->process_of[child]->space, POSIX_AREA(0)));
    /* The main thread may end first. */
    assert_int_equal(REQUEST(procd, pid, PROC_THREAD_EXIT, 0, 0), ST_OK);
    assert_int_equal(procd->process_of[pid]->state, PROCESS_RUNNING);
    assert_int_equal(REQUEST(procd, tid, PROC_THREAD_EXIT, 5, 0), ST_OK);
    assert_int_equal(procd->process_of[pid]->state, PROCESS_ZOMBIE);
    assert_int_equal(procd->process_of[pid]->exit_status, 5 << 8);
    fake_shutdown(procd);
}

static void ids_follow_the_rules(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(5000);
    uint32_t root = fake_spawn(procd), user = fake_fork(procd, root);
    struct process *process = procd->process_of[user];
    unsigned before = process->credential_index;
    const uint64_t keep = (uint64_t)-1;
    assert_int_equal(REQUEST(procd, user, PROC_SET_IDS, 0, 1000, 1000, 1000), ST_OK);
    assert_int_not_equal(process->credential_index, before);
    assert_int_equal(PRINCIPAL_PROCESS(fake.threads[process->threads->handle].principal),
                     process->credential_index);
    assert_int_equal(fake_table[process->credential_index].euid, 1000);
    assert_int_equal(fake_table[before].euid, 0); /* what was sent before keeps its stamp */
    assert_int_equal(REQUEST(procd, user, PROC_SET_IDS, 0, keep, 0, keep), ST_PERM);
    assert_int_equal(REQUEST(procd, user, PROC_SET_IDS, 0, keep, 1ull << 40, keep), ST_INVAL);
    assert_int_equal(REQUEST(procd, user, PROC_KILL, root, 0, SIG_HUP, 0, 0), ST_PERM);
    assert_int_equal(REQUEST(procd, user, PROC_LIMIT, 0, LIMIT_NOFILE, 1, 2048, 1ull << 30),
                     ST_PERM);
    assert_int_equal(REQUEST(procd, user, PROC_LIMIT, 0, LIMIT_NOFILE, 1, 64, 128), ST_OK);
    assert_int_equal(fake_table[process->credential_index].nofile, 64);
    assert_int_equal(REQUEST(procd, user, PROC_LIMIT, 0, LIMIT_NOFILE, 1, 64, 129), ST_PERM);
    assert_int_equal(REQUEST(procd, user, PROC_LIMIT, 0, 99, 0, 0, 0), ST_INVAL);
    assert_int_equal(REQUEST(procd, user, PROC_GROUPS, 1, 1), ST_PERM);
    fake_shutdown(procd);
}

static void groups_and_sessions(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(5000);
    uint32_t shell = fake_spawn(procd), job = fake_fork(procd, shell),
             other = fake_fork(procd, shell);
    assert_int_equal(fake_request(procd, shell, PROC_SET_SESSION, 0, NULL), ST_PERM);
    assert_int_equal(REQUEST(procd, shell, PROC_SET_GROUP, job, 0), ST_OK);
    assert_int_equal(REQUEST(procd, shell, PROC_SET_GROUP, other, job), ST_OK);
    assert_int_equal(REQUEST(procd, shell, PROC_SET_GROUP, other, 31000), ST_PERM);
    assert_int_equal(REQUEST(procd, shell, PROC_SET_GROUP, shell, 0), ST_PERM);
    assert_int_equal(REQUEST(procd, shell, PROC_FOREGROUND, 1, job), ST_OK);
    procd_notified(procd, 1, &fake_effects); /* ^C */
    assert_int_equal(procd->process_of[job]->signals.pending, SIGNAL_BIT(SIG_INT));
    assert_int_equal(procd->process_of[other]->signals.pending, SIGNAL_BIT(SIG_INT));
    assert_int_equal(procd->process_of[shell]->signals.pending, 0);
    assert_int_equal(fake_request(procd, other, PROC_SET_SESSION, 0, NULL), ST_OK);
    assert_int_equal(REQUEST(procd, other, PROC_FOREGROUND, 0, 0), ST_NOTTY);
    assert_int_equal(REQUEST(procd, shell, PROC_SET_GROUP, other, 0), ST_PERM);
    /* The group's number is not given out while a member uses it. */
    fake_exit(procd, job, 0);
    assert_int_equal(REQUEST(procd, shell, PROC_WAIT, job, 0), ST_OK);
    assert_int_equal(procd->id_uses[job], 0);
    fake_shutdown(procd);
}

/* Every allocation of a fork fails once: nothing is left behind, and the next fork works. */
static void fork_survives_failed_allocations(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(5000);
    uint32_t parent = fake_spawn(procd);
    fake_map(procd, parent, 0, 0x8000, 3, PROC_MAP_POPULATE);
    size_t heap = mem_in_use();
    uint32_t frames = fake.frames_used, child = 0;
    unsigned n;
    for (n = 1; n < 500 && !child; n++) {
        mem_fail_at(n);
        child = fake_fork(procd, parent);
        mem_fail_at(0);
        if (!child) {
            assert_int_equal(mem_in_use(), heap);
            assert_int_equal(fake.frames_used, frames);
        }
    }
    assert_true(child && n > 5);
    fake_shutdown(procd);
}

static void fork_survives_missing_frames(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(5000);
    uint32_t parent = fake_spawn(procd);
    fake_map(procd, parent, 0, 0x8000, 3, PROC_MAP_POPULATE);
    uint32_t frames = fake.frames_used;
    for (unsigned room = 0; room < 20; room++) {
        procd->memory_pages = 100000; /* the account says yes, the machine no */
        fake.frame_limit = frames + room;
        uint32_t child = fake_fork(procd, parent);
        if (!child)
            assert_int_equal(fake.frames_used, frames);
    }
    fake.frame_limit = 5000;
    fake_shutdown(procd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spawn_has_what_it_should),
        cmocka_unit_test(spawn_is_inits_alone),
        cmocka_unit_test(fork_copies_memory_and_slots),
        cmocka_unit_test(wait_finds_the_right_child),
        cmocka_unit_test(orphans_end_by_themselves),
        cmocka_unit_test(spawn_wait_tells_init),
        cmocka_unit_test(vfork_waits_for_exec),
        cmocka_unit_test(threads_come_and_go),
        cmocka_unit_test(ids_follow_the_rules),
        cmocka_unit_test(groups_and_sessions),
        cmocka_unit_test(fork_survives_failed_allocations),
        cmocka_unit_test(fork_survives_missing_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
