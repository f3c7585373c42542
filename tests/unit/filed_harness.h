/*
 * filed's core in a test: requests made by hand, memory of the caller as two buffers.
 * SPDX-License-Identifier: MIT
 *
 * Every t_* function is one request by the process that `become` chose last and returns what the
 * Linux call would: 0 or a count or a badge (the "descriptor"), or minus the status. Teardown
 * checks that no byte of memory stayed behind.
 */
#ifndef FILED_HARNESS_H
#define FILED_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "filed.h"

#include <errno.h>
#include <proto/fs.h>
#include <proto/io.h>
#include <proto/session.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROCD_SLOT 16u
#define CONSOLED_SLOT 19u
enum { ROOT = 1, ALICE = 2, BOB = 3, CAROL = 4 /* in group 1000 too */ };

struct world {
    struct filed filed;
    struct credentials credentials[CREDENTIALS_MAX];
    struct ipc_effects effects;
    struct ipc_call call;
    int64_t now;
    uint32_t process, thread;
    uint64_t at;             /* where path operations go: BADGE_ROOT, or a directory's badge */
    const char *in;
    char *out;
    size_t in_length, out_length, memory_before;
    unsigned puts;           /* how often the last request put */
    bool fault;              /* the caller's memory is not there */
    size_t get_limit;        /* bytes of input that are there; SIZE_MAX: all */
    char paths[3 * FILED_PATH_MAX];
};
static struct world *w;

static enum status harness_get(void *context, uint64_t offset, void *destination, size_t length)
{
    (void)context;
    if (w->fault || offset > w->in_length || length > w->in_length - offset)
        return ST_FAULT;
    size_t there = w->get_limit > offset ? w->get_limit - offset : 0;
    memcpy(destination, w->in + offset, length < there ? length : there);
    return length <= there ? ST_OK : ST_FAULT;
}

static enum status harness_put(void *context, uint64_t offset, const void *source, size_t length)
{
    (void)context;
    if (w->fault || offset > w->out_length || length > w->out_length - offset)
        return ST_FAULT;
    w->puts++;
    memcpy(w->out + offset, source, length);
    return ST_OK;
}

static const struct ipc_data_ops harness_data = {harness_get, harness_put};

static int64_t harness_now(void *context)
{
    (void)context;
    return w->now;
}

static inline void become(uint32_t process)
{
    w->process = w->thread = process;
}

/* One request; -status back. `caps` stay as set in w->call by the caller. */
static inline int t_call(uint64_t badge, uint32_t label, const void *words, size_t size)
{
    struct ipc_call *call = &w->call;
    call->badge = badge;
    call->label = label;
    call->principal = PRINCIPAL(w->process, w->thread);
    call->word_count = (unsigned)(size / 8);
    memcpy(call->words, words, size);
    call->reply_word_count = call->reply_cap_count = 0;
    call->effects = &w->effects;
    call->data = &harness_data;
    w->effects.count = 0;
    w->puts = 0;
    filed_handle(&w->filed, call);
    call->cap_count = 0;
    return -(int)call->status;
}

#define T_CALL(badge, label, ...) t_call(badge, label, &(__VA_ARGS__), sizeof(__VA_ARGS__))

static inline void t_close(int badge)
{
    w->effects.count = 0;
    filed_closed(&w->filed, (uint64_t)badge, &w->effects);
}

/* The declared input is one path, or two one after the other. */
static inline size_t paths_in(const char *first, const char *second)
{
    int length = snprintf(w->paths, sizeof(w->paths), "%s%s", first, second ? second : "");
    w->in = w->paths;
    w->in_length = (size_t)length;
    return strlen(first);
}

static inline int t_open_at(uint64_t at, const char *path, unsigned flags, unsigned mode)
{
    struct fs_open_request rq = {.path_length = paths_in(path, NULL), .flags = flags, .mode = mode};
    int result = t_call(at, FS_OPEN, &rq, sizeof(rq));
    return result ? result : (int)w->call.reply_caps[0].value;
}

static inline int t_open(const char *path, unsigned flags, unsigned mode)
{
    return t_open_at(w->at, path, flags, mode);
}

/* Open and close at once: only the status matters. */
static inline int t_opens(const char *path, unsigned flags, unsigned mode)
{
    int badge = t_open(path, flags, mode);
    if (badge <= 0)
        return badge;
    t_close(badge);
    return 0;
}

static inline int t_stat_flags(const char *path, uint64_t flags, struct fs_stat_reply *reply)
{
    struct fs_stat_request rq = {.path_length = paths_in(path, NULL), .flags = flags};
    int result = t_call(w->at, FS_STAT, &rq, sizeof(rq));
    if (reply)
        memcpy(reply, w->call.reply_words, sizeof(*reply));
    return result;
}

static inline int t_stat(const char *path, struct fs_stat_reply *reply)
{
    return t_stat_flags(path, 0, reply);
}

static inline int t_make_node_at(uint64_t at, const char *path, uint64_t mode, uint64_t device)
{
    struct fs_make_node_request rq = {
        .path_length = paths_in(path, NULL), .mode = mode, .device = device};
    return t_call(at, FS_MAKE_NODE, &rq, sizeof(rq));
}

static inline int t_mkdir(const char *path, unsigned mode)
{
    return t_make_node_at(w->at, path, S_IFDIR | mode, 0);
}

static inline int t_mknod(const char *path, unsigned mode, uint64_t device)
{
    return t_make_node_at(w->at, path, mode, device);
}

static inline int t_create(const char *path)
{
    return t_opens(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
}

static inline int t_unlink_at(uint64_t at, const char *path, uint64_t flags)
{
    struct fs_unlink_request rq = {.path_length = paths_in(path, NULL), .flags = flags};
    return t_call(at, FS_UNLINK, &rq, sizeof(rq));
}

static inline int t_unlink(const char *path)
{
    return t_unlink_at(w->at, path, 0);
}

static inline int t_rmdir(const char *path)
{
    return t_unlink_at(w->at, path, FS_DIRECTORY);
}

static inline int t_symlink(const char *target, const char *path)
{
    struct fs_symlink_request rq = {.path_length = paths_in(path, target),
                                    .second_length = strlen(target)};
    return t_call(w->at, FS_SYMLINK, &rq, sizeof(rq));
}

static inline int t_link_flags(const char *from, const char *to, uint64_t flags)
{
    struct fs_link_request rq = {
        .path_length = paths_in(from, to), .second_length = strlen(to), .flags = flags};
    return t_call(w->at, FS_LINK, &rq, sizeof(rq));
}

static inline int t_link(const char *from, const char *to)
{
    return t_link_flags(from, to, FS_NOFOLLOW);
}

static inline int t_rename_flags(const char *from, const char *to, uint64_t flags)
{
    struct fs_rename_request rq = {
        .path_length = paths_in(from, to), .second_length = strlen(to), .flags = flags};
    return t_call(w->at, FS_RENAME, &rq, sizeof(rq));
}

static inline int t_rename(const char *from, const char *to)
{
    return t_rename_flags(from, to, 0);
}

static inline int t_attributes(const char *path, uint64_t what, uint64_t mode, uint64_t uid,
                               uint64_t gid)
{
    struct fs_set_attributes_request rq = {
        .path_length = paths_in(path, NULL), .what = what, .mode = mode, .uid = uid, .gid = gid};
    return t_call(w->at, FS_SET_ATTRIBUTES, &rq, sizeof(rq));
}

static inline int t_chmod(const char *path, unsigned mode)
{
    return t_attributes(path, 1, mode, 0, 0);
}

static inline int t_access(const char *path, unsigned mode, uint64_t flags)
{
    struct fs_access_request rq = {
        .path_length = paths_in(path, NULL), .flags = flags, .mode = mode};
    return t_call(w->at, FS_ACCESS, &rq, sizeof(rq));
}

static inline int t_read_link(const char *path, char *buffer, size_t size)
{
    struct fs_read_link_request rq = {.path_length = paths_in(path, NULL),
                                      .flags = (uint64_t)size << 32};
    w->out = buffer;
    w->out_length = size;
    int result = t_call(w->at, FS_READ_LINK, &rq, sizeof(rq));
    return result ? result : (int)w->call.reply_words[0];
}

static inline int t_read_at(int badge, void *buffer, size_t length, int64_t offset)
{
    struct io_read_request rq = {.offset = offset, .length = length};
    w->out = buffer;
    w->out_length = length;
    int result = t_call((uint64_t)badge, IO_READ, &rq, sizeof(rq));
    return result ? result : (int)w->call.reply_words[0];
}

static inline int t_read(int badge, void *buffer, size_t length)
{
    return t_read_at(badge, buffer, length, IO_CURRENT);
}

static inline int t_write_at(int badge, const void *bytes, size_t length, int64_t offset)
{
    struct io_write_request rq = {.offset = offset, .length = length};
    w->in = bytes;
    w->in_length = length;
    int result = t_call((uint64_t)badge, IO_WRITE, &rq, sizeof(rq));
    return result ? result : (int)w->call.reply_words[0];
}

static inline int t_write(int badge, const void *bytes, size_t length)
{
    return t_write_at(badge, bytes, length, IO_CURRENT);
}

static inline int64_t t_seek(int badge, int64_t offset, uint64_t whence)
{
    struct io_seek_request rq = {offset, whence};
    int result = t_call((uint64_t)badge, IO_SEEK, &rq, sizeof(rq));
    return result ? result : (int64_t)w->call.reply_words[0];
}

static inline int t_truncate(int badge, int64_t length)
{
    struct io_truncate_request rq = {length};
    return t_call((uint64_t)badge, IO_TRUNCATE, &rq, sizeof(rq));
}

static inline struct io_stat_reply t_fstat(int badge)
{
    struct io_stat_reply reply;
    assert_int_equal(t_call((uint64_t)badge, IO_STAT, "", 0), 0);
    memcpy(&reply, w->call.reply_words, sizeof(reply));
    return reply;
}

/* The path of an open description, in storage of the harness. */
static inline const char *t_path(int badge)
{
    static char path[2 * FILED_PATH_MAX + 1];
    w->out = path;
    w->out_length = sizeof(path) - 1;
    if (t_call((uint64_t)badge, IO_PATH, "", 0))
        return "(none)";
    path[w->call.reply_words[0]] = 0;
    return path;
}

/* The names of a directory in order, each followed by a space; `.` and `..` left out. */
static inline const char *t_list(const char *path)
{
    static char names[16384];
    static _Alignas(8) char records[8192];
    int badge = t_open(path, O_RDONLY | O_DIRECTORY, 0);
    assert_true(badge > 0);
    names[0] = 0;
    for (;;) {
        struct io_read_directory_request rq = {sizeof(records)};
        w->out = records;
        w->out_length = sizeof(records);
        assert_int_equal(t_call((uint64_t)badge, IO_READ_DIRECTORY, &rq, sizeof(rq)), 0);
        uint64_t count = w->call.reply_words[0];
        if (count == 0)
            break;
        for (uint64_t at = 0; at < count; at += *(uint16_t *)(records + at + 16)) {
            const char *name = records + at + 19;
            if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
                strcat(strcat(names, name), " ");
        }
    }
    t_close(badge);
    return names;
}

/* A session for the current process' only thread, with this notification slot. */
static inline int t_session(uint64_t slot)
{
    w->call.caps[0] =
        (struct ipc_cap){.kind = AR_RECEIVED_CAP, .type = AR_NOTIFICATION, .value = slot};
    w->call.cap_count = 1;
    int result = t_call(BADGE_ROOT, SESSION_OPEN, "", 0);
    return result ? result : (int)w->call.reply_caps[0].value;
}

/* Did the last request or close have this effect? */
static inline bool t_effect(enum ipc_effect_kind kind, uint64_t value)
{
    for (unsigned i = 0; i < w->effects.count; i++)
        if (w->effects.list[i].kind == kind && w->effects.list[i].value == value)
            return true;
    return false;
}

static inline void person(uint32_t process, uint32_t uid, uint32_t gid)
{
    w->credentials[process] = (struct credentials){.pid = 100 + process,
                                                   .ruid = uid,
                                                   .euid = uid,
                                                   .suid = uid,
                                                   .fsuid = uid,
                                                   .rgid = gid,
                                                   .egid = gid,
                                                   .sgid = gid,
                                                   .fsgid = gid,
                                                   .nofile = 1024};
}

/* An empty root directory. */
static inline int world_start_bare(void **state)
{
    (void)state;
    w = calloc(1, sizeof(*w));
    w->memory_before = mem_in_use();
    w->now = 1000000000000000000;
    w->get_limit = SIZE_MAX;
    w->at = BADGE_ROOT;
    person(ROOT, 0, 0);
    person(ALICE, 1000, 1000);
    person(BOB, 1001, 1001);
    person(CAROL, 1002, 1002);
    w->credentials[CAROL].group_count = 1;
    w->credentials[CAROL].groups[0] = 1000;
    become(ROOT);
    struct filed_config config = {.credentials = w->credentials,
                                  .now_ns = harness_now,
                                  .seed = {1, 2, 3, 4},
                                  .procd_slot = PROCD_SLOT,
                                  .consoled_slot = CONSOLED_SLOT,
                                  .heap_size = 64 << 20};
    return filed_init(&w->filed, &config);
}

/* With /proc, /dev and /tmp. */
static inline int world_start(void **state)
{
    int result = world_start_bare(state);
    return result ? result : (int)filed_add_defaults(&w->filed);
}

static inline int world_stop(void **state)
{
    (void)state;
    mem_fail_at(0);
    w->effects.count = 0;
    filed_destroy(&w->filed, &w->effects);
    int leaked = mem_in_use() != w->memory_before;
    if (leaked)
        print_error("leaked %zu bytes\n", mem_in_use() - w->memory_before);
    free(w);
    w = NULL;
    return leaked;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, world_start, world_stop)
#define TEST_BARE(function) cmocka_unit_test_setup_teardown(function, world_start_bare, world_stop)

#endif
