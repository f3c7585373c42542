/* What a worker does on every platform. SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "execute.h"

enum { OPEN_FILES = 64, OPEN_FILES_HARD = 256 };

struct board *board;

const char *const op_names[OP_COUNT] = {
#define X(name) #name,
    OP_KINDS(X)
#undef X
};

static void file_make(const char *path, const char *content, uint64_t length)
{
    long fd = call(SYS_openat, (uint64_t)AT_FDCWD, pointer(path), O_CREAT | O_RDWR, 0666, 0, 0);
    call(SYS_write, (uint64_t)fd, pointer(content), length, 0, 0, 0);
    call(SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
}

void worker_prepare(int worker, uint32_t uid)
{
    static char content[8192];
    struct rlimit limit = {OPEN_FILES, OPEN_FILES_HARD};
    for (unsigned i = 0; i < sizeof(content); i++)
        content[i] = (char)('a' + i % 23);
    call(SYS_umask, 0, 0, 0, 0, 0, 0);
    call(SYS_mkdirat, (uint64_t)AT_FDCWD, pointer("d"), 0777, 0, 0, 0);
    call(SYS_mkdirat, (uint64_t)AT_FDCWD, pointer("r"), 0700, 0, 0, 0);
    file_make("f", content, sizeof(content));
    call(SYS_symlinkat, pointer("nothing"), (uint64_t)AT_FDCWD, pointer("l"), 0, 0, 0);
    call(SYS_symlinkat, pointer("o"), (uint64_t)AT_FDCWD, pointer("o"), 0, 0, 0);
    call(SYS_symlinkat, pointer("p0"), (uint64_t)AT_FDCWD, pointer("s"), 0, 0, 0);
    call(SYS_umask, 022, 0, 0, 0, 0, 0);
    call(SYS_setrlimit, RLIMIT_NOFILE, pointer(&limit), 0, 0, 0, 0);
    if (uid) {
        call(SYS_setgroups, 0, 0, 0, 0, 0, 0);
        call(SYS_setresgid, uid, uid, uid, 0, 0, 0);
        call(SYS_setresuid, uid, uid, uid, 0, 0, 0);
    }
    worker_begin(worker);
    board->pid[worker] = (int32_t)call(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

void worker_begin(int worker)
{
    struct slot *slot = &board->slot[worker];
    if (slot->process == worker)
        board->pid[worker] = (int32_t)call(SYS_getpid, 0, 0, 0, 0, 0, 0);
    slot->state = SLOT_IDLE;
}

void worker_step(int worker)
{
    struct slot *slot = &board->slot[worker];
    op_execute(worker, &slot->op, &slot->result);
    slot->state = SLOT_DONE;
}
