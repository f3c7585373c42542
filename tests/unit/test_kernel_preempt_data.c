/* Long operations of the kernel, in pieces: bulk data and the log. SPDX-License-Identifier: MIT */
#include "kernel_preempt.h"

/* ---- bulk data --------------------------------------------------------------------------------- */

static void test_bulk_data(void **state)
{
    enum { BYTES = 300000, PARTS = AR_MSG_SEGS };
    (void)state;
    uint8_t *theirs = malloc(BYTES), *ours = calloc(1, BYTES);
    for (unsigned i = 0; i < BYTES; i++)
        theirs[i] = (uint8_t)(i * 7 ^ i >> 8);
    make(AR_ENDPOINT, 0, ENDPOINT);
    make(AR_REPLY, 0, REPLY);
    other = host_thread(THREAD, 8);
    for (unsigned i = 0; i < PARTS; i++)
        other->buffer->in[i] = (struct ar_segment){(uint64_t)theirs + i * (BYTES / PARTS),
                                                   i == 3 ? 0 : BYTES / PARTS};
    assert_int_equal(host_syscall(other, AR_SYS_CALL, ENDPOINT,
                                  AR_INFO(AR_LABEL_USER, 0, 0, PARTS, 0), NULL, 0, 0),
                     -1);
    assert_int_equal(host_syscall(host_main, AR_SYS_RECV, ENDPOINT, 0, NULL, REPLY, 0), AR_OK);
    uint64_t length = BYTES / PARTS * (PARTS - 1), skip = 12345;
    assert_int_equal(host_syscall(host_main, AR_SYS_DATA_READ, REPLY, 0,
                                  (uint64_t[]){skip, (uint64_t)ours, length - skip, 0}, 0, 0),
                     AR_OK);
    assert_int_equal(host_main->regs.rdx, length - skip);
    assert_true(host_pieces >= (length - skip) / WORK_PIECE);
    memmove(theirs + 3 * (BYTES / PARTS), theirs + 4 * (BYTES / PARTS),
            (PARTS - 4) * (BYTES / PARTS));
    assert_memory_equal(ours, theirs + skip, length - skip);
    /* past the end: as much as there is, and how much that was */
    assert_int_equal(host_syscall(host_main, AR_SYS_DATA_READ, REPLY, 0,
                                  (uint64_t[]){skip, (uint64_t)ours, BYTES, 0}, 0, 0),
                     AR_ERR_FAULT);
    assert_int_equal(host_main->regs.rdx, length - skip);
    free(theirs);
    free(ours);
}

/* Messages that cannot be delivered: one an entry, and the receiver gets what comes after. */
static void test_undeliverable_messages(void **state)
{
    (void)state;
    queue_senders();
    make(AR_REPLY, 0, REPLY);
    for (unsigned i = 0; i < WAITERS - 1; i++)
        threads[i]->regs.rsi = AR_INFO(AR_LABEL_USER, 0, 1, 0, 0); /* a capability, no slot for it */
    assert_int_equal(host_syscall(host_main, AR_SYS_RECV, ENDPOINT, 0, NULL, REPLY, 0), AR_OK);
    assert_int_equal(host_pieces, WAITERS);
    assert_int_equal(AR_INFO_LABEL(host_main->regs.rsi), AR_LABEL_USER);
    assert_int_equal(threads[WAITERS - 1]->state, AR_THREAD_BLOCKED_REPLY);
    assert_int_equal(threads[0]->regs.rax, AR_ERR_EMPTY);
}

/* A reply with many capabilities, then the next message: each in its entry, each once. */
static void test_a_large_reply_and_a_receive(void **state)
{
    (void)state;
    queue_senders();
    make(AR_REPLY, 0, REPLY);
    threads[0]->buffer->recv_slot_count = AR_MSG_CAPS;
    for (unsigned i = 0; i < AR_MSG_CAPS; i++) {
        threads[0]->buffer->recv_slots[i] = FREE + i;
        host_main->buffer->caps_out[i] = GATE;
    }
    assert_int_equal(host_syscall(host_main, AR_SYS_RECV, ENDPOINT, 0, NULL, REPLY, 0), AR_OK);
    assert_int_equal(host_syscall(host_main, AR_SYS_REPLY_RECV, ENDPOINT,
                                  AR_INFO(AR_LABEL_USER, 1, AR_MSG_CAPS, 0, 0),
                                  (uint64_t[]){77, 0, 0, 0}, REPLY, AR_NO_DEADLINE),
                     AR_OK);
    assert_int_equal(host_pieces, 2);
    assert_int_equal(threads[0]->regs.rdx, 77);
    assert_int_equal(host_slot(FREE + AR_MSG_CAPS - 1)->type, AR_GATE);
    assert_int_equal(threads[1]->state, AR_THREAD_BLOCKED_REPLY);
    assert_int_equal(threads[2]->state, AR_THREAD_BLOCKED_CALL);
}

/* Nobody is there any more to take the capabilities: the server hears so. With words only it just
 * receives. */
static void test_a_reply_with_capabilities_to_nobody(void **state)
{
    (void)state;
    queue_senders();
    make(AR_REPLY, 0, REPLY);
    host_main->buffer->caps_out[0] = GATE;
    assert_int_equal(host_syscall(host_main, AR_SYS_REPLY_RECV, ENDPOINT,
                                  AR_INFO(AR_LABEL_USER, 0, 1, 0, 0), NULL, REPLY,
                                  AR_NO_DEADLINE),
                     AR_ERR_GONE);
    assert_int_equal(threads[0]->state, AR_THREAD_BLOCKED_CALL);
    assert_int_equal(host_syscall(host_main, AR_SYS_REPLY_RECV, ENDPOINT,
                                  AR_INFO(AR_LABEL_USER, 0, 0, 0, 0), NULL, REPLY,
                                  AR_NO_DEADLINE),
                     AR_OK);
    assert_int_equal(threads[0]->state, AR_THREAD_BLOCKED_REPLY);
}

/* ---- the log ----------------------------------------------------------------------------------- */

enum { LOG = OTHER };

static void have_log(void)
{
    host_log = open_memstream(&log_text, &log_length);
    struct cap cap = {.type = AR_LOG, .rights = AR_ALL};
    cap_insert(host_slot(LOG), &cap, NULL);
}

static unsigned lines_with(const char *words)
{
    unsigned count = 0;
    fflush(host_log);
    for (const char *at = log_text; (at = strstr(at, words)); at++)
        count++;
    return count;
}

static void test_the_list_of_threads(void **state)
{
    (void)state;
    queue_senders();
    have_log();
    assert_int_equal(host_invoke(host_main, LOG, AR_LOG_THREADS, 0, 0, 0, 0), AR_OK);
    assert_true(host_pieces >= WAITERS + 2);
    assert_int_equal(lines_with("principal"), WAITERS + 2); /* and host_main, and the idle thread */
    assert_int_equal(lines_with("in call on #0,"), WAITERS); /* nobody received there yet */
    assert_int_equal(lines_with("end of threads\n"), 1);
    assert_int_equal(core.listing, 0);
}

static void deletes_the_next_in_the_list(struct tcb *caller, unsigned pieces)
{
    (void)caller;
    if (pieces < 5 || !core.listed || core.listed->state != AR_THREAD_BLOCKED_CALL || other_ran)
        return;
    for (unsigned i = 0; i < WAITERS; i++)
        if (threads[i] == core.listed) {
            cap_delete(host_slot(THREAD + i));
            threads[i]->all_next = NULL; /* where a list that still goes by it would end */
            threads[i] = NULL;
            other_ran++;
            return;
        }
}

static void test_a_thread_dies_while_all_are_listed(void **state)
{
    (void)state;
    queue_senders();
    have_log();
    between(deletes_the_next_in_the_list);
    assert_int_equal(host_invoke(host_main, LOG, AR_LOG_THREADS, 0, 0, 0, 0), AR_OK);
    assert_int_equal(other_ran, 1);
    assert_int_equal(lines_with("principal"), WAITERS + 1);
    assert_int_equal(lines_with("end of threads\n"), 1);
}

/* Two lists at once are one; the second waits for its end. */
static void asks_too(struct tcb *caller, unsigned pieces)
{
    (void)caller;
    if (pieces != 3)
        return;
    host_between = NULL;
    assert_int_equal(host_invoke(other, LOG, AR_LOG_THREADS, 0, 0, 0, 0), AR_OK);
}

static void test_two_ask_for_the_list(void **state)
{
    (void)state;
    have_log();
    other = host_thread(THREAD, 40);
    between(asks_too);
    assert_int_equal(host_invoke(host_main, LOG, AR_LOG_THREADS, 0, 0, 0, 0), AR_OK);
    assert_int_equal(lines_with("end of threads\n"), 1);
    assert_int_equal(lines_with("what each waits for:"), 1);
}

static void writes_a_line(struct tcb *caller, unsigned pieces)
{
    static const char line[] = "another\n";
    (void)caller;
    if (pieces != 3)
        return;
    memcpy(&other->buffer->words[4], line, sizeof(line) - 1);
    host_between = NULL;
    assert_int_equal(host_syscall(other, AR_SYS_INVOKE, LOG, AR_INFO(AR_LOG_WRITE, 12, 0, 0, 0),
                                  (uint64_t[]){sizeof(line) - 1, 0, 0, 0}, 0, 0),
                     AR_OK);
}

static void test_a_log_line_stays_whole(void **state)
{
    enum { LENGTH = 400 };
    char line[LENGTH + 1];
    (void)state;
    have_log();
    other = host_thread(THREAD, 40);
    memset(line, 'x', LENGTH);
    line[LENGTH - 1] = '\n';
    line[LENGTH] = 0;
    memcpy(&host_main->buffer->words[4], line, LENGTH);
    between(writes_a_line);
    assert_int_equal(host_syscall(host_main, AR_SYS_INVOKE, LOG, AR_INFO(AR_LOG_WRITE, 60, 0, 0, 0),
                                  (uint64_t[]){LENGTH, 0, 0, 0}, 0, 0),
                     AR_OK);
    assert_int_equal(lines_with(line), 1);
    assert_int_equal(lines_with("another\n"), 1);
    assert_false(log_pending());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bulk_data),
        TEST(test_undeliverable_messages),
        TEST(test_a_large_reply_and_a_receive),
        TEST(test_a_reply_with_capabilities_to_nobody),
        TEST(test_the_list_of_threads),
        TEST(test_a_thread_dies_while_all_are_listed),
        TEST(test_two_ask_for_the_list),
        TEST(test_a_log_line_stays_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
