/* consoled's core on the host: line discipline, protocols, sessions.
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "console.h"
#include <ipc/memory.h>
#include <posix_abi.h>
#include <proto/console.h>
#include <proto/io.h>
#include <proto/session.h>
#include <stdlib.h>
#include <string.h>

#define THREAD_SLOT 700 /* the notification that the test's thread hands over */
#define PRINCIPAL_A PRINCIPAL(1, 1)

struct fixture {
    struct console *console;
    struct ipc_effects effects;
    uint64_t tty; /* badge of a description */
    uint8_t memory[8192]; /* the caller's, in and out */
    size_t memory_size;
    struct ipc_call call; /* the last one */
};

static enum status memory_get(void *context, uint64_t offset, void *destination, size_t length)
{
    struct fixture *f = context;
    if (offset + length > f->memory_size)
        return ST_FAULT;
    memcpy(destination, f->memory + offset, length);
    return ST_OK;
}

static enum status memory_put(void *context, uint64_t offset, const void *source, size_t length)
{
    struct fixture *f = context;
    if (offset + length > f->memory_size)
        return ST_FAULT;
    memcpy(f->memory + offset, source, length);
    return ST_OK;
}

static const struct ipc_data_ops memory_ops = {memory_get, memory_put};

static enum status ask(struct fixture *f, uint64_t badge, uint32_t label, unsigned count,
                       const uint64_t *words)
{
    f->call = (struct ipc_call){.label = label,
                                .badge = badge,
                                .principal = PRINCIPAL_A,
                                .word_count = count,
                                .effects = &f->effects,
                                .data = &memory_ops,
                                .data_context = f};
    if (count)
        memcpy(f->call.words, words, count * sizeof(*words));
    console_handle(f->console, &f->call);
    return f->call.status;
}

static enum status ask_read(struct fixture *f, size_t length)
{
    uint64_t words[] = {(uint64_t)IO_CURRENT, 0, length};
    f->memory_size = length;
    return ask(f, f->tty, IO_READ, 3, words);
}

static enum status ask_write(struct fixture *f, const void *bytes, size_t length)
{
    uint64_t words[] = {(uint64_t)IO_CURRENT, 0, length};
    memcpy(f->memory, bytes, length);
    f->memory_size = length;
    return ask(f, f->tty, IO_WRITE, 3, words);
}

static enum status ask_ioctl(struct fixture *f, uint64_t request, uint64_t argument, size_t size)
{
    uint64_t words[] = {request, argument};
    f->memory_size = size;
    return ask(f, f->tty, IO_IOCTL, 2, words);
}

static void session_start(struct fixture *f)
{
    f->call = (struct ipc_call){.label = SESSION_OPEN,
                                .badge = BADGE_ROOT,
                                .principal = PRINCIPAL_A,
                                .cap_count = 1,
                                .caps = {{AR_RECEIVED_CAP, AR_NOTIFICATION, THREAD_SLOT, 0}},
                                .effects = &f->effects};
    console_handle(f->console, &f->call);
    assert_int_equal(f->call.status, ST_OK);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->console = mem_alloc(sizeof(*f->console));
    console_init(f->console, 0);
    uint64_t flags = 2;
    assert_int_equal(ask(f, BADGE_ROOT, CONSOLE_OPEN, 1, &flags), ST_OK);
    assert_int_equal(f->call.reply_cap_count, 1);
    f->tty = f->call.reply_caps[0].value;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < f->console->object_count; i++)
        console_closed(f->console, BADGE_OBJECTS + i, &f->effects);
    mem_free(f->console->sessions.slots);
    mem_free(f->console->objects);
    mem_free(f->console);
    free(f);
    return 0;
}

static void type(struct fixture *f, const char *text)
{
    console_input(f->console, (const uint8_t *)text, strlen(text), &f->effects);
}

/* What came out of the wire since last time. */
static const char *shown(struct fixture *f)
{
    static char text[LINE_OUTPUT_SIZE + 1];
    const uint8_t *bytes;
    size_t total = 0, count;
    while ((count = console_output(f->console, &bytes)) != 0) {
        memcpy(text + total, bytes, count);
        total += count;
        console_output_done(f->console, count, &f->effects);
    }
    text[total] = 0;
    return text;
}

static void expect_read(struct fixture *f, size_t length, const char *text)
{
    assert_int_equal(ask_read(f, length), ST_OK);
    assert_int_equal(f->call.reply_words[0], strlen(text));
    assert_memory_equal(f->memory, text, strlen(text));
}

static void change_flags(struct fixture *f, uint32_t clear, uint8_t least, uint8_t time)
{
    struct termios_abi termios = f->console->line.termios;
    termios.lflag &= ~clear;
    termios.cc[CC_MIN] = least;
    termios.cc[CC_TIME] = time;
    memcpy(f->memory, &termios, sizeof(termios));
    assert_int_equal(ask_ioctl(f, IOCTL_TCSETS, 0, sizeof(termios)), ST_OK);
}

/* ---- termios(3), canonical mode -------------------------------------------------------------- */

static void line_waits_for_newline(void **state)
{
    struct fixture *f = *state;
    session_start(f);
    type(f, "ab");
    assert_int_equal(ask_read(f, 100), ST_WAIT);
    f->effects.count = 0;
    type(f, "c\r");
    assert_int_equal(f->effects.count, 1);
    assert_int_equal(f->effects.list[0].kind, IPC_EFFECT_WAKE);
    assert_int_equal(f->effects.list[0].value, THREAD_SLOT);
    expect_read(f, 100, "abc\n");
    assert_string_equal(shown(f), "abc\r\n");
}

static void read_takes_one_line_or_part_of_it(void **state)
{
    struct fixture *f = *state;
    type(f, "one\ntwo\n");
    expect_read(f, 2, "on");
    expect_read(f, 100, "e\n");
    expect_read(f, 100, "two\n");
}

static void erase_takes_back_characters(void **state)
{
    struct fixture *f = *state;
    type(f, "\x7f" "ax\x7f" "b\x01\x7f\n");
    assert_string_equal(shown(f), "ax\b \bb^A\b \b\b \b\r\n");
    expect_read(f, 100, "ab\n");
    type(f, "\t\x7f\n");
    assert_string_equal(shown(f), "\t\b\b\b\b\b\b\b\b\r\n");
    expect_read(f, 100, "\n");
}

static void erase_after_prompt_knows_the_column(void **state)
{
    struct fixture *f = *state;
    ask_write(f, "$ ", 2);
    shown(f);
    type(f, "\t\x7f");
    assert_string_equal(shown(f), "\t\b\b\b\b\b\b");
}

static void word_and_line_erase(void **state)
{
    struct fixture *f = *state;
    type(f, "one two  \x17\n");
    expect_read(f, 100, "one \n");
    shown(f);
    type(f, "abc\x15" "d\n");
    assert_string_equal(shown(f), "abc\b \b\b \b\b \bd\r\n");
    expect_read(f, 100, "d\n");
}

static void eof_ends_a_line_without_a_byte(void **state)
{
    struct fixture *f = *state;
    type(f, "abc\x04");
    expect_read(f, 100, "abc");
    type(f, "\x04");
    expect_read(f, 100, "");
    type(f, "xy\x04z\n");
    /* the mark goes with the bytes before it: the next read is not an end of file */
    expect_read(f, 2, "xy");
    expect_read(f, 100, "z\n");
}

static void literal_next_hides_meaning(void **state)
{
    struct fixture *f = *state;
    type(f, "\x16\x03\x16\x7f\n");
    expect_read(f, 100, "\x03\x7f\n");
    assert_int_equal(console_signals_take(f->console), 0);
}

static void long_line_can_be_entered(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < LINE_EDIT_MAX + 10; i++)
        type(f, "x");
    type(f, "\n");
    assert_int_equal(ask_read(f, 8000), ST_OK);
    assert_int_equal(f->call.reply_words[0], LINE_EDIT_MAX + 1);
    assert_int_equal(f->memory[LINE_EDIT_MAX], '\n');
}

static void interrupt_flushes_and_signals(void **state)
{
    struct fixture *f = *state;
    type(f, "junk\x03");
    assert_int_equal(console_signals_take(f->console), LINE_SIGINT);
    assert_int_equal(console_signals_take(f->console), 0);
    type(f, "ok\n");
    expect_read(f, 100, "ok\n");
    type(f, "\x1a\x1c");
    assert_int_equal(console_signals_take(f->console), LINE_SIGTSTP | LINE_SIGQUIT);
    change_flags(f, LFLAG_ISIG, 1, 0);
    type(f, "\x03\n");
    expect_read(f, 100, "\x03\n");
    assert_int_equal(console_signals_take(f->console), 0);
}

static void stop_and_start_hold_output(void **state)
{
    struct fixture *f = *state;
    type(f, "\x13");
    assert_int_equal(ask_write(f, "held", 4), ST_OK);
    assert_string_equal(shown(f), "");
    type(f, "\x11");
    assert_string_equal(shown(f), "held");
}

/* ---- not canonical --------------------------------------------------------------------------- */

static void vmin_counts_bytes(void **state)
{
    struct fixture *f = *state;
    session_start(f);
    change_flags(f, LFLAG_ICANON | LFLAG_ECHO, 3, 0);
    type(f, "ab");
    assert_int_equal(ask_read(f, 100), ST_WAIT);
    expect_read(f, 2, "ab"); /* satisfied by its own length */
    type(f, "abc");
    expect_read(f, 100, "abc");
    assert_string_equal(shown(f), "");
}

static void vmin_zero_never_blocks(void **state)
{
    struct fixture *f = *state;
    change_flags(f, LFLAG_ICANON, 0, 0);
    expect_read(f, 100, "");
}

static void vtime_limits_the_wait(void **state)
{
    struct fixture *f = *state;
    session_start(f);
    change_flags(f, LFLAG_ICANON, 0, 5);
    f->console->now_ns = 1000;
    assert_int_equal(ask_read(f, 100), ST_WAIT);
    assert_int_equal(console_deadline(f->console), 1000 + 500000000ull);
    f->effects.count = 0;
    console_expired(f->console, 1000 + 500000000ull, &f->effects);
    assert_int_equal(f->effects.count, 1);
    expect_read(f, 100, "");
    assert_int_equal(console_deadline(f->console), UINT64_MAX);
}

static void switch_to_raw_keeps_typed_bytes(void **state)
{
    struct fixture *f = *state;
    type(f, "half");
    change_flags(f, LFLAG_ICANON, 1, 0);
    expect_read(f, 100, "half");
}

/* ---- stream mode ----------------------------------------------------------------------------- */

static void stream_start(struct fixture *f)
{
    uint64_t stream[4] = {1, 0, 0, 0};
    assert_int_equal(ask(f, BADGE_ROOT, CONSOLE_SET_MODE, 4, stream), ST_PERM);
    assert_int_equal(ask(f, BADGE_PRIVILEGED, CONSOLE_SET_MODE, 4, stream), ST_OK);
}

static void stream_passes_bytes_as_they_are(void **state)
{
    struct fixture *f = *state;
    stream_start(f);
    assert_int_equal(ask_write(f, "a\nb\x03", 4), ST_OK);
    assert_string_equal(shown(f), "a\nb\x03");
    type(f, "x\r\x03\x10\x10\x7f\x10q");
    assert_string_equal(shown(f), "");
    expect_read(f, 100, "x\r\x03\x10\x7f\x10q");
    assert_int_equal(ask_ioctl(f, IOCTL_TCGETS, 0, 36), ST_NOTTY);
    assert_int_equal(ask(f, f->tty, IO_STAT, 0, NULL), ST_OK);
    assert_int_equal(f->call.reply_words[2] & 0170000, 0010000);
}

static void stream_end_of_file_stays(void **state)
{
    struct fixture *f = *state;
    stream_start(f);
    type(f, "last\x10\x04more");
    expect_read(f, 100, "last");
    expect_read(f, 100, "");
    expect_read(f, 100, "");
    uint64_t words[] = {1, 0};
    assert_int_equal(ask(f, f->tty, IO_POLL, 2, words), ST_OK);
    assert_int_equal(f->call.reply_words[0], 1 | 16);
}

static void stream_says_when_it_is_full(void **state)
{
    struct fixture *f = *state;
    stream_start(f);
    size_t given = 0;
    while (console_input_room(f->console)) {
        type(f, "z");
        given++;
    }
    size_t taken = 0;
    while (taken < given) {
        assert_int_equal(ask_read(f, 1000), ST_OK);
        taken += f->call.reply_words[0];
    }
    assert_int_equal(taken, given);
    assert_true(console_input_room(f->console) > 1000);
}

/* ---- blocking, faults, descriptions ---------------------------------------------------------- */

static void full_output_makes_writers_wait(void **state)
{
    struct fixture *f = *state;
    static char block[4096];
    enum status status;
    session_start(f);
    memset(block, 'x', sizeof(block));
    while ((status = ask_write(f, block, sizeof(block))) == ST_OK)
        ;
    assert_int_equal(status, ST_WAIT);
    const uint64_t nonblocking[] = {0x802, 0};
    ask(f, f->tty, IO_SET_FLAGS, 2, nonblocking);
    assert_int_equal(ask_write(f, block, 1), ST_AGAIN);
    f->effects.count = 0;
    shown(f);
    assert_int_equal(f->effects.count, 1);
    assert_int_equal(ask_write(f, block, 1), ST_OK);
}

static void fault_changes_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t words[] = {(uint64_t)IO_CURRENT, 0, 50};
    type(f, "abc\n");
    f->memory_size = 2;
    assert_int_equal(ask(f, f->tty, IO_READ, 3, words), ST_FAULT);
    expect_read(f, 100, "abc\n");
    shown(f);
    f->memory_size = 2;
    assert_int_equal(ask(f, f->tty, IO_WRITE, 3, words), ST_FAULT);
    assert_string_equal(shown(f), "");
}

static void wrong_badges_are_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t words[] = {(uint64_t)IO_CURRENT, 0, 1};
    assert_int_equal(ask(f, BADGE_ROOT, IO_READ, 3, words), ST_BADF);
    assert_int_equal(ask(f, f->tty + 1, IO_READ, 3, words), ST_BADF);
    assert_int_equal(ask(f, UINT64_MAX, IO_READ, 3, words), ST_BADF);
    assert_int_equal(ask(f, BADGE_ROOT, 0xdead00, 0, NULL), ST_MESSAGE);
    assert_int_equal(ask_read(f, 1), ST_SESSION);
}

static void closed_frees_and_badges_come_back(void **state)
{
    struct fixture *f = *state;
    uint64_t flags = 2, badges[40];
    size_t before = 0;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 40; i++) {
            assert_int_equal(ask(f, BADGE_ROOT, CONSOLE_OPEN, 1, &flags), ST_OK);
            badges[i] = f->call.reply_caps[0].value;
        }
        if (round == 0)
            before = mem_in_use();
        for (unsigned i = 0; i < 40; i++)
            console_closed(f->console, badges[i], &f->effects);
    }
    assert_int_equal(mem_in_use(), before);
    uint64_t words[] = {(uint64_t)IO_CURRENT, 0, 1};
    assert_int_equal(ask(f, badges[39], IO_READ, 3, words), ST_BADF);
}

static void session_ends_with_its_gate(void **state)
{
    struct fixture *f = *state;
    session_start(f);
    uint64_t first = f->call.reply_caps[0].value;
    session_start(f); /* replaces the first */
    uint64_t second = f->call.reply_caps[0].value;
    assert_int_not_equal(first, second);
    console_closed(f->console, first, &f->effects);
    assert_int_equal(ask_read(f, 1), ST_WAIT);
    console_closed(f->console, second, &f->effects);
    assert_int_equal(ask_read(f, 1), ST_SESSION);
}

static void window_size_is_kept(void **state)
{
    struct fixture *f = *state;
    struct window_size window = {50, 132, 0, 0};
    uint64_t mode[4] = {0, 50, 132, 0};
    assert_int_equal(ask(f, BADGE_PRIVILEGED, CONSOLE_SET_MODE, 4, mode), ST_OK);
    assert_int_equal(ask_ioctl(f, IOCTL_TIOCGWINSZ, 0, sizeof(window)), ST_OK);
    assert_memory_equal(f->memory, &window, sizeof(window));
    assert_int_equal(console_signals_take(f->console), 0);
    window = (struct window_size){24, 80, 0, 0};
    memcpy(f->memory, &window, sizeof(window));
    assert_int_equal(ask_ioctl(f, IOCTL_TIOCSWINSZ, 0, sizeof(window)), ST_OK);
    assert_int_equal(console_signals_take(f->console), LINE_SIGWINCH);
    memset(f->memory, 0, sizeof(window));
    assert_int_equal(ask_ioctl(f, IOCTL_TIOCGWINSZ, 0, sizeof(window)), ST_OK);
    assert_memory_equal(f->memory, &window, sizeof(window));
    type(f, "abc\n");
    assert_int_equal(ask_ioctl(f, IOCTL_FIONREAD, 0, 4), ST_OK);
    assert_int_equal(f->memory[0], 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(line_waits_for_newline),
        TEST(read_takes_one_line_or_part_of_it),
        TEST(erase_takes_back_characters),
        TEST(erase_after_prompt_knows_the_column),
        TEST(word_and_line_erase),
        TEST(eof_ends_a_line_without_a_byte),
        TEST(literal_next_hides_meaning),
        TEST(long_line_can_be_entered),
        TEST(interrupt_flushes_and_signals),
        TEST(stop_and_start_hold_output),
        TEST(vmin_counts_bytes),
        TEST(vmin_zero_never_blocks),
        TEST(vtime_limits_the_wait),
        TEST(switch_to_raw_keeps_typed_bytes),
        TEST(stream_passes_bytes_as_they_are),
        TEST(stream_end_of_file_stays),
        TEST(stream_says_when_it_is_full),
        TEST(full_output_makes_writers_wait),
        TEST(fault_changes_nothing),
        TEST(wrong_badges_are_refused),
        TEST(closed_frees_and_badges_come_back),
        TEST(session_ends_with_its_gate),
        TEST(window_size_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
