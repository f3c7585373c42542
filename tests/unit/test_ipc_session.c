/* Sessions and one-shot wake-ups: ipc/session.h. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <ipc/memory.h>
#include <ipc/session.h>

static struct ipc_effects effects;

static unsigned effects_of(enum ipc_effect_kind kind, uint64_t value)
{
    unsigned count = 0;
    for (unsigned i = 0; i < effects.count; i++)
        count += effects.list[i].kind == kind && effects.list[i].value == value;
    return count;
}

static int fresh(void **state)
{
    (void)state;
    effects.count = 0;
    mem_fail_at(0);
    return 0;
}

static int nothing_left(void **state)
{
    (void)state;
    return mem_in_use() == 0 ? 0 : -1;
}

static struct session *begin(struct session_table *table, uint32_t thread)
{
    assert_int_equal(
        session_begin(table, PRINCIPAL(1, thread), 1000 + thread, 2000 + thread, &effects), ST_OK);
    return session_find(table, PRINCIPAL(1, thread));
}

static void sessions_are_found_by_thread_alone(void **state)
{
    (void)state;
    struct session_table table = {0};
    for (uint32_t thread = 0; thread < 500; thread++)
        begin(&table, thread * 64);
    for (uint32_t thread = 0; thread < 500; thread += 2)
        session_close(&table, session_find(&table, PRINCIPAL(9, thread * 64)), &effects);
    for (uint32_t thread = 0; thread < 500; thread++) {
        struct session *session = session_find(&table, PRINCIPAL(3, thread * 64));
        assert_int_equal(session != NULL, thread % 2);
        assert_true(!session || session->notification == 1000 + thread * 64);
    }
    assert_int_equal(effects_of(IPC_EFFECT_DROP, 1000 + 64 * 2), 1);
    for (uint32_t thread = 1; thread < 500; thread += 2)
        session_close(&table, session_find(&table, PRINCIPAL(1, thread * 64)), &effects);
    assert_null(session_find(&table, PRINCIPAL(1, 64)));
}

static void a_second_open_replaces_the_first(void **state)
{
    (void)state;
    struct session_table table = {0};
    struct waiters list = {0};
    struct session *session = begin(&table, 5);
    assert_int_equal(waiters_arm(&list, session, 1), ST_OK);
    assert_int_equal(session_begin(&table, PRINCIPAL(1, 5), 77, 78, &effects), ST_OK);
    assert_ptr_equal(session_find(&table, PRINCIPAL(1, 5)), session);
    assert_int_equal(effects_of(IPC_EFFECT_DROP, 1005), 1);
    assert_int_equal(session->notification, 77);
    assert_int_equal(session->badge, 78);
    assert_null(list.first);
    session_close(&table, session, &effects);
}

static void a_wakeup_is_one_shot_and_by_events_in_order_of_arming(void **state)
{
    (void)state;
    struct session_table table = {0};
    struct waiters list = {0};
    struct session *a = begin(&table, 1), *b = begin(&table, 2), *c = begin(&table, 3);
    waiters_arm(&list, a, 1);
    waiters_arm(&list, b, 4);
    waiters_arm(&list, c, 1);
    waiters_wake(&list, 1, &effects);
    assert_int_equal(effects.count, 2);
    assert_int_equal(effects.list[0].value, 1001);
    assert_int_equal(effects.list[1].value, 1003);
    waiters_wake(&list, 1, &effects);
    assert_int_equal(effects.count, 2);
    waiters_destroy(&list, &effects);
    assert_int_equal(effects_of(IPC_EFFECT_WAKE, 1002), 1);
    assert_null(list.first);
    session_close(&table, a, &effects);
    session_close(&table, b, &effects);
    session_close(&table, c, &effects);
}

static void arming_twice_keeps_one_entry_with_both_events(void **state)
{
    (void)state;
    struct session_table table = {0};
    struct waiters list = {0}, other = {0};
    struct session *a = begin(&table, 1);
    waiters_arm(&other, a, 1);
    waiters_arm(&list, a, 1);
    waiters_arm(&list, a, 4);
    assert_int_equal(a->armed_count, 2);
    waiters_wake(&list, 4, &effects);
    assert_int_equal(effects.count, 1);
    assert_int_equal(a->armed_count, 1);
    session_close(&table, a, &effects); /* takes the other one along */
    assert_null(other.first);
}

/* More waiters than there is room for effects: each session wakes once, nobody is left out. */
static void many_objects_wake_a_session_once(void **state)
{
    (void)state;
    struct session_table table = {0};
    static struct waiters lists[IPC_EFFECTS_MAX + 10];
    struct session *flood = begin(&table, 1), *other = begin(&table, 2);
    for (unsigned i = 0; i < IPC_EFFECTS_MAX + 10; i++)
        assert_int_equal(waiters_arm(&lists[i], flood, 1), ST_OK);
    assert_int_equal(waiters_arm(&lists[IPC_EFFECTS_MAX + 9], other, 1), ST_OK);
    for (unsigned i = 0; i < IPC_EFFECTS_MAX + 10; i++)
        waiters_destroy(&lists[i], &effects);
    assert_int_equal(effects.count, 2);
    assert_int_equal(effects_of(IPC_EFFECT_WAKE, 1001), 1);
    assert_int_equal(effects_of(IPC_EFFECT_WAKE, 1002), 1);
    effects.count = 0; /* the next request: it wakes again */
    assert_int_equal(waiters_arm(&lists[0], other, 1), ST_OK);
    assert_int_equal(waiters_arm(&lists[0], flood, 1), ST_OK);
    waiters_wake(&lists[0], 1, &effects);
    assert_int_equal(effects_of(IPC_EFFECT_WAKE, 1001), 1);
    assert_int_equal(effects_of(IPC_EFFECT_WAKE, 1002), 1);
    session_close(&table, flood, &effects);
    session_close(&table, other, &effects);
}

static void without_a_session_the_answer_is_session(void **state)
{
    (void)state;
    struct waiters list = {0};
    struct session_table table = {0};
    assert_null(session_find(&table, PRINCIPAL(1, 1)));
    assert_int_equal(waiters_arm(&list, NULL, 1), ST_SESSION);
}

/* Fail the first, second, ... allocation until none fails: each time nothing has changed. */
static void out_of_memory_changes_nothing(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct session_table table = {0};
        struct waiters list = {0}, other = {0}; /* a session has room for one waiter */
        mem_fail_at(n);
        enum status opened = session_begin(&table, PRINCIPAL(1, 1), 10, 20, &effects);
        struct session *session = session_find(&table, PRINCIPAL(1, 1));
        assert_int_equal(session != NULL, opened == ST_OK);
        enum status armed = opened == ST_OK ? waiters_arm(&list, session, 1) : ST_NOMEM;
        assert_int_equal(list.first != NULL, armed == ST_OK);
        if (armed == ST_OK)
            armed = waiters_arm(&other, session, 1);
        assert_int_equal(other.first != NULL, armed == ST_OK);
        mem_fail_at(0);
        if (session)
            session_close(&table, session, &effects);
        assert_null(table.slots); /* an empty table owns no memory */
        if (armed == ST_OK)
            break;
        assert_true(n < 10);
    }
}

/* One thread may arm half of all; with that much gone the next half of the rest; and so on. */
static void wakeups_are_shared_out(void **state)
{
    (void)state;
    enum { MOST = 100 };
    struct session_table table = {.armed_max = MOST};
    struct waiters lists[MOST] = {0};
    unsigned left = MOST;
    for (uint32_t thread = 1; thread <= 4; thread++) {
        struct session *session = begin(&table, thread);
        unsigned armed = 0;
        while (armed < MOST && waiters_arm(&lists[armed], session, 1) == ST_OK)
            armed++;
        assert_in_range(armed, left / 2 - 1, left / 2);
        assert_int_equal(waiters_arm(&lists[armed], session, 1), ST_NOMEM);
        assert_int_equal(waiters_arm(&lists[0], session, 2), ST_OK); /* it has that one */
        left -= armed;
    }
    assert_int_equal(table.armed, MOST - left);
    for (uint32_t thread = 1; thread <= 4; thread++)
        session_close(&table, session_find(&table, PRINCIPAL(1, thread)), &effects);
    assert_int_equal(table.armed, 0);
    assert_int_equal(table.armed_max, MOST);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, nothing_left)
    const struct CMUnitTest tests[] = {
        TEST(sessions_are_found_by_thread_alone),
        TEST(a_second_open_replaces_the_first),
        TEST(a_wakeup_is_one_shot_and_by_events_in_order_of_arming),
        TEST(arming_twice_keeps_one_entry_with_both_events),
        TEST(many_objects_wake_a_session_once),
        TEST(without_a_session_the_answer_is_session),
        TEST(out_of_memory_changes_nothing),
        TEST(wakeups_are_shared_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
