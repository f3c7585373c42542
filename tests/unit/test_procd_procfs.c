/* procd: /proc's names, texts and descriptions. SPDX-License-Identifier: MIT */
#include "procd_fake.h"
#include <ipc/server.h>
#include <proto/fs.h>
#include <proto/io.h>
#include <stdio.h>

static enum status path_request(struct procd *procd, uint64_t badge, uint32_t pid, uint32_t label,
                                const char *path, unsigned count, uint64_t second, uint64_t third)
{
    fake_in_length = strlen(path);
    memcpy(fake_in, path, fake_in_length);
    return fake_send(procd, badge, PRINCIPAL(0, pid), label, count,
                     WORDS(fake_in_length, second, third));
}

/* open, read to the end, close. */
static const char *file_text(struct procd *procd, uint32_t pid, const char *path)
{
    static char text[70000];
    size_t length = 0;
    enum status status = path_request(procd, BADGE_MOUNT, pid, FS_OPEN, path, 3, 0, 0);
    if (status)
        fail_msg("open %s: %d", path, status);
    uint64_t badge = fake_call.reply_caps[0].value;
    fake_out_length = 37; /* in small pieces */
    do {
        assert_int_equal(fake_send(procd, badge, PRINCIPAL(0, pid), IO_READ, 3,
                                   WORDS((uint64_t)IO_CURRENT, 0, 37)),
                         ST_OK);
        memcpy(text + length, fake_out, REPLY(0));
        length += REPLY(0);
    } while (REPLY(0));
    text[length] = 0;
    procd_closed(procd, badge, &fake_effects);
    assert_int_equal(fake_send(procd, badge, 0, IO_GET_FLAGS, 0, NULL), ST_BADF);
    return text;
}

static uint32_t named_process(struct procd *procd)
{
    uint32_t pid = fake_spawn(procd);
    memcpy(fake_in, "busy) box\0\0\0\0\0\0\0/bin/busybox\0sh\0-c\0x", 16 + 13 + 8);
    fake_in_length = 37;
    assert_int_equal(REQUEST(procd, pid, PROC_EXEC_END, 13, 8), ST_OK);
    return pid;
}

static void texts_have_proc5_form(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(3000);
    uint32_t pid = named_process(procd), child = fake_fork(procd, pid);
    char expected[64];
    const char *text = file_text(procd, pid, "self/stat");
    assert_int_equal(strncmp(text, "2 (busy) box) R 1 2 2 1088 2 ", 28), 0);
    unsigned fields = 0;
    for (const char *c = text; *c; c++)
        fields += *c == ' ' || *c == '\n';
    assert_int_equal(fields, 53); /* 52, and the name holds a space */
    snprintf(expected, sizeof(expected), "%u (busy) box) R 2 2 2 ", child);
    snprintf((char *)fake_in + 1000, 64, "%u/stat", child);
    assert_int_equal(
        strncmp(file_text(procd, pid, (char *)fake_in + 1000), expected, strlen(expected)), 0);
    text = file_text(procd, pid, "/2/status");
    assert_non_null(strstr(text, "Name:\tbusy) box\n"));
    assert_non_null(strstr(text, "\nUid:\t0\t0\t0\t0\n"));
    assert_non_null(strstr(text, "\nThreads:\t1\n"));
    text = file_text(procd, pid, "2/cmdline");
    assert_memory_equal(text, "sh\0-c\0x", 8);
    assert_string_equal(file_text(procd, pid, "2/comm"), "busy) box\n");
    assert_non_null(strstr(file_text(procd, pid, "2/maps"), "600000000000-600000003000 r-xs"));
    assert_string_equal(file_text(procd, pid, "uptime"), "5.00 5.00\n");
    assert_non_null(strstr(file_text(procd, pid, "meminfo"), "MemTotal:       12000 kB\n"));
    assert_string_equal(file_text(procd, pid, "sys/kernel/pid_max"), "32768\n");
    assert_non_null(strstr(file_text(procd, pid, "mounts"), "proc /proc proc"));
    for (unsigned i = 0; i < 3; i++)
        assert_true(strlen(file_text(procd, pid,
                                     (const char *[]){"stat", "cpuinfo", "filesystems"}[i])) > 10);
    fake_exit(procd, child, 0);
    snprintf((char *)fake_in + 1000, 64, "%u/stat", child);
    snprintf(expected, sizeof(expected), "%u (busy) box) Z ", child);
    assert_int_equal(
        strncmp(file_text(procd, pid, (char *)fake_in + 1000), expected, strlen(expected)), 0);
    fake_shutdown(procd);
}

static void names_resolve(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(3000);
    uint32_t pid = named_process(procd);
    static const struct { const char *path; enum status expected; unsigned mode;
    } cases[] = {
        {"", ST_OK, 0040555},
        {"/", ST_OK, 0040555},
        {"self", ST_OK, 0040555},
        {"2", ST_OK, 0040555},
        {"3", ST_NOENT, 0},
        {"02", ST_NOENT, 0},
        {"2x", ST_NOENT, 0},
        {"99999999999999999999", ST_NOENT, 0},
        {"2/../2/./stat", ST_OK, 0100444},
        {"..", ST_NOENT, 0},
        {"uptime/x", ST_NOTDIR, 0},
        {"2/fd/1", ST_OK, 0120777},
        {"2/fd/77", ST_NOENT, 0},
        {"2/exe", ST_OK, 0120777},
        {"2/task/2/comm", ST_OK, 0100444},
        {"net/unix", ST_OK, 0100444},
        {"2/net/unix", ST_OK, 0100444},
        {"2/net/../stat", ST_OK, 0100444},
        {"net/..", ST_OK, 0040555},
        {"nonsense", ST_NOENT, 0},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum status status = path_request(procd, BADGE_MOUNT, pid, FS_STAT, cases[i].path, 2, 0, 0);
        if (status != cases[i].expected || (!status && REPLY(2) != cases[i].mode))
            fail_msg("%s: status %d mode %lo", cases[i].path, status, (unsigned long)REPLY(2));
    }
    assert_int_equal(path_request(procd, BADGE_MOUNT, pid, FS_STAT, "self", 2, FS_NOFOLLOW, 0),
                     ST_OK);
    assert_int_equal(REPLY(2), 0120777);
    fake_out_length = 64;
    assert_int_equal(path_request(procd, BADGE_MOUNT, pid, FS_READ_LINK, "self", 2, 0, 0), ST_OK);
    assert_true(REPLY(0) == 1 && fake_out[0] == '2');
    fake_out_length = 5;
    assert_int_equal(path_request(procd, BADGE_MOUNT, pid, FS_READ_LINK, "2/exe", 2, 0, 0), ST_OK);
    assert_true(REPLY(0) == 5 && memcmp(fake_out, "/bin/", 5) == 0);
    assert_int_equal(path_request(procd, BADGE_MOUNT, pid, FS_READ_LINK, "2/stat", 2, 0, 0),
                     ST_INVAL);
    assert_int_equal(path_request(procd, BADGE_MOUNT, pid, FS_OPEN, "2/stat", 3, 1, 0), ST_ACCES);
    /* O4: sockd lists the sockets; no description is made here */
    assert_int_equal(path_request(procd, BADGE_MOUNT, pid, FS_OPEN, "net/unix", 3, 0, 0),
                     ST_REDIRECT);
    assert_false(fake_call.reply_caps[0].own_gate);
    assert_int_equal(fake_call.reply_caps[0].value, SERVER_SLOT_ROOT_SOCKD);
    assert_int_equal(path_request(procd, BADGE_MOUNT, pid, FS_OPEN, "net/unix", 3, 1, 0), ST_ACCES);
    assert_int_equal(path_request(procd, BADGE_MOUNT, pid, FS_OPEN, "2/stat", 3, 0200000, 0),
                     ST_NOTDIR);
    assert_int_equal(path_request(procd, BADGE_MOUNT, pid, FS_ACCESS, "2/stat", 3, 0, 4), ST_OK);
    assert_int_equal(path_request(procd, BADGE_MOUNT, pid, FS_ACCESS, "2/stat", 3, 0, 2), ST_ACCES);
    fake_shutdown(procd);
}

static void directories_list(void **state)
{
    (void)state;
    struct procd *procd = fake_boot(8000);
    uint32_t pid = named_process(procd);
    for (unsigned i = 0; i < 20; i++)
        fake_fork(procd, pid);
    assert_int_equal(path_request(procd, BADGE_MOUNT, pid, FS_OPEN, "", 3, 0200000, 0), ST_OK);
    uint64_t badge = fake_call.reply_caps[0].value;
    unsigned processes = 0, entries = 0;
    fake_out_length = 200;
    assert_int_equal(fake_send(procd, badge, 0, IO_READ_DIRECTORY, 1, WORDS(8)), ST_INVAL);
    for (;;) {
        assert_int_equal(fake_send(procd, badge, 0, IO_READ_DIRECTORY, 1, WORDS(200)), ST_OK);
        if (REPLY(0) == 0)
            break;
        for (uint64_t at = 0; at < REPLY(0);) {
            uint16_t length;
            memcpy(&length, fake_out + at + 16, 2);
            assert_true(length % 8 == 0 && at + length <= REPLY(0));
            processes += fake_out[at + 19] >= '0' && fake_out[at + 19] <= '9';
            entries++;
            at += length;
        }
    }
    assert_int_equal(processes, 21);
    assert_true(entries > 30);
    assert_int_equal(fake_send(procd, badge, 0, IO_SEEK, 2, WORDS(0, 0)), ST_OK);
    assert_int_equal(fake_send(procd, badge, 0, IO_READ_DIRECTORY, 1, WORDS(200)), ST_OK);
    assert_true(REPLY(0) > 0);
    assert_int_equal(fake_send(procd, badge, 0, IO_READ, 3, WORDS(0, 0, 10)), ST_ISDIR);
    /* openat at the directory. */
    assert_int_equal(path_request(procd, badge, pid, FS_OPEN, "self/comm", 3, 0, 0), ST_OK);
    fake_out_length = 100;
    assert_int_equal(
        fake_send(procd, fake_call.reply_caps[0].value, 0, IO_READ, 3, WORDS(0, 0, 100)), ST_OK);
    assert_int_equal(REPLY(0), 10);
    fake_shutdown(procd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_have_proc5_form),
        cmocka_unit_test(names_resolve),
        cmocka_unit_test(directories_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
