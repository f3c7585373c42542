/* Long operations of the kernel, in pieces: memory. SPDX-License-Identifier: MIT */
#include "kernel_preempt.h"

/* ---- memory ----------------------------------------------------------------------------------- */

static bool is_clear(uint64_t memory, uint64_t bytes)
{
    const uint8_t *byte = (const uint8_t *)memory;
    return !byte[0] && memcmp(byte, byte + 1, bytes - 1) == 0;
}

static uint64_t used_of(ar_cap untyped)
{
    assert_int_equal(host_invoke(host_main, untyped, AR_UNTYPED_INFO, 0, 0, 0, 0), AR_OK);
    return host_main->regs.r8;
}

static void watches_the_untyped(struct tcb *caller, unsigned pieces)
{
    (void)caller;
    (void)pieces;
    struct cap *untyped = host_slot(OTHER);
    assert_int_equal(untyped->extra, 0);
    assert_int_equal(host_slot(FREE)->type, AR_NULL);
    assert_true(is_clear(untyped->object, untyped->clear_pages * 4096ull));
    other_ran++;
}

static void test_retype_clears_in_pieces(void **state)
{
    (void)state;
    make(AR_UNTYPED, 21, OTHER);
    uint64_t memory = host_slot(OTHER)->object;
    host_scribble((void *)memory, 0xa5, 1 << 21);
    between(watches_the_untyped);
    assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_FRAME, 12, FREE, 24),
                     AR_OK);
    assert_true(host_pieces > 24 * 4096 / WORK_PIECE);
    assert_int_equal(other_ran, host_pieces - 1);
    host_between = NULL;
    assert_true(is_clear(memory, 24 * 4096));
    assert_int_equal(*(uint8_t *)(memory + 24 * 4096), 0xa5);
    assert_int_equal(used_of(OTHER), 24 * 4096);
}

static void makes_a_node(struct tcb *caller, unsigned pieces)
{
    struct ar_regs saved = caller->regs;
    if (pieces != 2)
        return;
    other_ran++;
    host_between = NULL;
    assert_int_equal(host_invoke(other, OTHER, AR_UNTYPED_RETYPE, AR_CNODE, 8, COPY, 1), AR_OK);
    assert_true(is_clear(host_slot(COPY)->object, AR_SLOT_SIZE << 8));
    caller->regs = saved;
}

/* The gap before an aligned object is clear too, so that who comes in between gets clear memory. */
static void test_two_retypes_of_one_untyped(void **state)
{
    (void)state;
    make(AR_UNTYPED, 21, OTHER);
    host_scribble((void *)host_slot(OTHER)->object, 0xa5, 1 << 21);
    other = host_thread(THREAD, 40);
    assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_GATE, 0, GATE, 1), AR_OK);
    between(makes_a_node);
    assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_CNODE, 12, FREE, 1),
                     AR_OK);
    assert_int_equal(other_ran, 1);
    assert_true(is_clear(host_slot(FREE)->object, AR_SLOT_SIZE << 12));
    assert_true(host_slot(FREE)->object >= host_slot(COPY)->object + (AR_SLOT_SIZE << 8));
}

static void fills_the_last_slot(struct tcb *caller, unsigned pieces)
{
    (void)caller;
    struct cap cap = {.type = AR_LOG, .rights = AR_ALL};
    if (pieces == 2)
        cap_insert(host_slot(FREE + 23), &cap, NULL);
}

static void test_retype_is_all_or_none_to_the_end(void **state)
{
    (void)state;
    make(AR_UNTYPED, 21, OTHER);
    between(fills_the_last_slot);
    assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_FRAME, 12, FREE, 24),
                     AR_ERR_OCCUPIED);
    assert_int_equal(used_of(OTHER), 0);
    for (unsigned i = 0; i < 23; i++)
        assert_int_equal(host_slot(FREE + i)->type, AR_NULL);
    host_between = NULL;
    assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_FRAME, 12, FREE, 23),
                     AR_OK);
}

static void test_memory_given_back_is_not_thought_clear(void **state)
{
    (void)state;
    make(AR_UNTYPED, 16, OTHER);
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_FRAME, 12, FREE, 16),
                         AR_OK);
        for (unsigned i = 0; i < 16; i++) {
            assert_true(is_clear(host_slot(FREE + i)->object, 4096));
            memset((void *)host_slot(FREE + i)->object, 0x77, 4096);
        }
        if (round == 0)
            assert_int_equal(revoke(OTHER), AR_OK);
        else
            for (unsigned i = 0; i < 16; i++)
                assert_int_equal(delete_slot(FREE + i), AR_OK);
    }
}

/* Objects smaller than a page: what follows them in theirs is cleared with the first. */
static void test_small_objects_are_clear(void **state)
{
    (void)state;
    make(AR_UNTYPED, 14, OTHER);
    host_scribble((void *)host_slot(OTHER)->object, 0xa5, 1 << 14);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_NOTIFICATION, 0,
                                     FREE + i, 1),
                         AR_OK);
        assert_true(is_clear(host_slot(FREE + i)->object, 1 << AR_NOTIFICATION_BITS));
    }
}

static void test_retype_waits_for_the_dying(void **state)
{
    (void)state;
    make(AR_UNTYPED, 16, OTHER);
    assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_CNODE, 8, FREE, 1),
                     AR_OK);
    make(AR_GATE, 0, GATE);
    for (unsigned i = 0; i < 256; i++)
        cap_copy(inside(FREE, i), host_slot(GATE), AR_ALL);
    struct gate *gate = (struct gate *)host_slot(GATE)->object;
    cap_delete(host_slot(FREE)); /* OTHER has no children now, but 256 capabilities in its memory */
    assert_int_equal(gate->copies, 255);
    assert_int_equal(host_invoke(host_main, OTHER, AR_UNTYPED_RETYPE, AR_FRAME, 12, FREE, 1),
                     AR_OK);
    assert_int_equal(gate->copies, 0);
    assert_true(host_pieces > 256 / WORK_LIMIT);
}

static void test_frame_clear(void **state)
{
    (void)state;
    make(AR_FRAME, 21, FREE);
    uint64_t memory = host_slot(FREE)->object;
    memset((void *)memory, 0x5a, 1 << 21);
    assert_int_equal(host_invoke(host_main, FREE, AR_FRAME_CLEAR, 0, 0, 0, 0), AR_OK);
    assert_int_equal(host_pieces, (1 << 21) / WORK_PIECE);
    assert_true(is_clear(memory, 1 << 21));
    memset((void *)memory, 0x5a, 1 << 21);
    /* no words: the first byte is 0, whatever is in the register */
    assert_int_equal(host_syscall(host_main, AR_SYS_INVOKE, FREE,
                                  AR_INFO(AR_FRAME_CLEAR, 0, 0, 0, 0), (uint64_t[]){99, 99, 99, 99},
                                  0, 0),
                     AR_OK);
    assert_true(is_clear(memory, 1 << 21));
    assert_int_equal(host_invoke(host_main, FREE, AR_FRAME_CLEAR, 4, 0, 0, 0), AR_ERR_ALIGNMENT);
    assert_int_equal(host_invoke(host_main, FREE, AR_FRAME_CLEAR, (1 << 21) + 8, 0, 0, 0),
                     AR_ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_retype_clears_in_pieces),
        TEST(test_two_retypes_of_one_untyped),
        TEST(test_retype_is_all_or_none_to_the_end),
        TEST(test_memory_given_back_is_not_thought_clear),
        TEST(test_small_objects_are_clear),
        TEST(test_retype_waits_for_the_dying),
        TEST(test_frame_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
