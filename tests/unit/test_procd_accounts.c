/* procd: bombs meet their accounts, others do not. SPDX-License-Identifier: MIT */
#include "procd_fake.h"

static void a_fork_bomb_leaves_room(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(16000);
    uint32_t shell = fake_spawn(procd), bomb = fake_fork(procd, shell);
    uint32_t family[1024] = {bomb};
    unsigned count = 1;
    for (unsigned who = 0; who < count && count < 1000; who++) {
        uint32_t child;
        while (count < 1000 && (child = fake_fork(procd, family[who])))
            family[count++] = child;
    }
    assert_int_equal(REQUEST(procd, family[count - 1], PROC_FORK, 0, 0x5000, 300, SIG_CHLD),
                     ST_AGAIN);
    assert_true(count > 20 && count < 600);
    uint32_t command = fake_fork(procd, shell);
    assert_int_not_equal(command, 0);
    assert_int_not_equal(fake_map(procd, command, 0, 0x10000, 3, PROC_MAP_POPULATE), 0);
    for (unsigned i = count; i-- > 0;)
        REQUEST(procd, shell, PROC_KILL, family[i], 0, SIG_KILL, 0, 0);
    assert_int_not_equal(fake_fork(procd, shell), 0);
    fake_shutdown(procd);
}

static void the_limit_of_processes_holds(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(16000);
    uint32_t shell = fake_spawn(procd), job = fake_fork(procd, shell);
    assert_int_equal(REQUEST(procd, job, PROC_LIMIT, 0, LIMIT_NPROC, 1, 5, 5), ST_OK);
    for (unsigned i = 0; i < 4; i++)
        assert_int_not_equal(fake_fork(procd, job), 0);
    assert_int_equal(fake_fork(procd, job), 0);
    assert_int_not_equal(fake_fork(procd, shell), 0);
    fake_shutdown(procd);
}

static void a_malloc_bomb_gets_nomem(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(16000);
    uint32_t shell = fake_spawn(procd), bomb = fake_fork(procd, shell);
    uint64_t pages = 0, at;
    while ((at = fake_map(procd, bomb, 0, 256 * PAGE_SIZE, 3, 0))) {
        pages += 256;
        for (unsigned i = 0; i < 256; i++) /* what was granted can be touched */
            assert_non_null(fake_touch(procd, bomb, at + i * PAGE_SIZE, true));
    }
    assert_int_equal(fake_call.status, ST_NOMEM);
    assert_in_range(pages, 8000, 9600);
    /* Reservations cost nothing; making them usable does. */
    at = fake_map(procd, bomb, 0, 1ull << 36, 0, 0);
    assert_int_not_equal(at, 0);
    assert_int_equal(REQUEST(procd, bomb, PROC_PROTECT, at, 256 * PAGE_SIZE, 3), ST_NOMEM);
    uint32_t other = fake_fork(procd, shell);
    assert_int_not_equal(fake_map(procd, other, 0, 256 * PAGE_SIZE, 3, PROC_MAP_POPULATE), 0);
    uint32_t second = fake_fork(procd, other);
    while (fake_map(procd, second, 0, 256 * PAGE_SIZE, 3, PROC_MAP_POPULATE))
        ;
    assert_int_not_equal(fake_fork(procd, shell), 0);
    fake_shutdown(procd);
}

static void the_charge_goes_with_the_memory(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(3000);
    uint32_t pid = fake_spawn(procd);
    struct space *space = &procd->process_of[pid]->space;
    uint64_t before = space->charged;
    uint64_t at = fake_map(procd, pid, 0, 100 * PAGE_SIZE, 3, 0);
    assert_int_equal(space->charged, before + 100);
    REQUEST(procd, pid, PROC_PROTECT, at, 10 * PAGE_SIZE, 0);
    assert_int_equal(space->charged, before + 90);
    REQUEST(procd, pid, PROC_UNMAP, at, 50 * PAGE_SIZE);
    assert_int_equal(space->charged, before + 50);
    fake_map(procd, pid, at + 60 * PAGE_SIZE, 10 * PAGE_SIZE, 1, PROC_MAP_FIXED);
    assert_int_equal(space->charged, before + 50);
    REQUEST(procd, pid, PROC_LIMIT, 0, LIMIT_DATA, 1, 60 * PAGE_SIZE, 60 * PAGE_SIZE);
    assert_int_equal(fake_map(procd, pid, 0, 20 * PAGE_SIZE, 3, 0), 0);
    fake_shutdown(procd);
}

/* Fifty shells have one text; who makes it writable pays for a copy there and then. */
static void what_fork_shares_is_charged_once(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(4000);
    uint32_t shell = fake_spawn(procd), first = fake_fork(procd, shell);
    uint64_t text = fake_map(procd, first, 0, 1200 * PAGE_SIZE, 3, PROC_MAP_POPULATE);
    assert_int_not_equal(text, 0);
    assert_int_equal(REQUEST(procd, first, PROC_PROTECT, text, 1200 * PAGE_SIZE, 5), ST_OK);
    uint32_t last = first;
    for (unsigned i = 0; i < 8; i++)
        assert_int_not_equal(last = fake_fork(procd, first), 0);
    uint64_t in_use = procd->frames.in_use;
    assert_int_equal(REQUEST(procd, last, PROC_PROTECT, text, 100 * PAGE_SIZE, 3), ST_OK);
    assert_int_equal(procd->frames.in_use, in_use + 100);
    assert_int_equal(REQUEST(procd, first, PROC_PROTECT, text, 1200 * PAGE_SIZE, 3), ST_OK);
    assert_int_equal(procd->frames.in_use, in_use + 1300);
    /* No room for a third copy: refused before anything is copied, and nobody dies of it. */
    assert_int_equal(REQUEST(procd, last, PROC_PROTECT, text, 1200 * PAGE_SIZE, 3), ST_NOMEM);
    assert_int_equal(procd->frames.in_use, in_use + 1300);
    assert_int_equal(procd->process_of[last]->state, PROCESS_RUNNING);
    fake_shutdown(procd);
}

/* What was mapped and not touched is promised, whatever else is there. */
static void a_promise_is_kept(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(4000);
    uint32_t shell = fake_spawn(procd), holder = fake_fork(procd, shell);
    struct space *space = &procd->process_of[holder]->space;
    uint64_t before = space->charged - space->touched;
    uint64_t at = fake_map(procd, holder, 0, 1000 * PAGE_SIZE, 3, 0);
    assert_int_not_equal(at, 0);
    uint64_t stack = fake_map(procd, holder, 0, 200 * PAGE_SIZE, 3, PROC_MAP_STACK);
    for (unsigned i = 0; i < 200; i++) /* not charged, so no part of the promise */
        assert_non_null(fake_touch(procd, holder, stack + i * PAGE_SIZE, true));
    assert_int_equal(space->charged - space->touched, before + 1000);
    for (unsigned i = 0; i < 100; i++)
        assert_non_null(fake_touch(procd, holder, at + i * PAGE_SIZE, true));
    assert_int_equal(space->charged - space->touched, before + 900);
    assert_int_equal(REQUEST(procd, holder, PROC_DISCARD, at, 50 * PAGE_SIZE), ST_OK);
    assert_int_equal(space->charged - space->touched, before + 950);
    assert_int_equal(REQUEST(procd, holder, PROC_PROTECT, at, 1000 * PAGE_SIZE, 0), ST_OK);
    assert_int_equal(space->charged - space->touched, before);
    assert_int_equal(REQUEST(procd, holder, PROC_PROTECT, at, 1000 * PAGE_SIZE, 3), ST_OK);
    assert_int_equal(space->charged - space->touched, before + 950);
    uint32_t other = fake_fork(procd, shell);
    while (fake_map(procd, other, 0, 64 * PAGE_SIZE, 3, PROC_MAP_POPULATE))
        ;
    for (unsigned i = 0; i < 1000; i++)
        assert_non_null(fake_touch(procd, holder, at + i * PAGE_SIZE, true));
    assert_int_equal(space->charged - space->touched, before);
    fake_shutdown(procd);
}

static void a_fault_without_memory_kills(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(3000);
    uint32_t pid = fake_spawn(procd), child = fake_fork(procd, pid);
    uint64_t at = fake_map(procd, child, 0, PAGE_SIZE, 3, 0);
    fake.frame_limit = fake.frames_used;
    assert_null(fake_touch(procd, child, at, true));
    assert_int_equal(procd->process_of[child]->exit_status, SIG_KILL);
    assert_non_null(strstr(fake.log[0], "out of memory"));
    assert_int_equal(procd->process_of[pid]->state, PROCESS_RUNNING);
    fake.frame_limit = 3000;
    fake_shutdown(procd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fork_bomb_leaves_room),
        cmocka_unit_test(the_limit_of_processes_holds),
        cmocka_unit_test(a_malloc_bomb_gets_nomem),
        cmocka_unit_test(the_charge_goes_with_the_memory),
        cmocka_unit_test(what_fork_shares_is_charged_once),
        cmocka_unit_test(a_promise_is_kept),
        cmocka_unit_test(a_fault_without_memory_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
