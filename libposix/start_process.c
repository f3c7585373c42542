/* What the first process finds itself to be, before it runs a program. SPDX-License-Identifier: MIT */
#include "private.h"

#define NOFILE_SOFT 1024u
#define NOFILE_HARD 20000u

static void process_init(uint64_t pid, uint64_t boot_seconds)
{
    struct proc_limit_reply limit;
    process.pid = (uint32_t)pid;
    process.threads = 1;
    process.umask = 022;
    process.boot_seconds = boot_seconds;
    process.nofile_soft = NOFILE_SOFT;
    process.nofile_hard = NOFILE_HARD;
    process.fsize = UINT64_MAX;
    memcpy(process.name, "libposix", 9);
    process.traced = ar_trace(AR_TRACE_ASK, 0, 0, 0, 0, 0) == AR_OK;
    if (PROC_CALL(proc_limit(POSIX_SLOT_PROCD, 0, LINUX_RLIMIT_NOFILE, 0, 0, 0, &limit)) == 0) {
        process.nofile_soft = limit.soft < POSIX_FD_MAX ? (uint32_t)limit.soft : POSIX_FD_MAX;
        process.nofile_hard = limit.hard < POSIX_FD_MAX ? (uint32_t)limit.hard : POSIX_FD_MAX;
    }
}

/* The working directory: "/", in a slot of its own. */
static long cwd_open(void)
{
    struct ar_segment path = {(uint64_t) "/", 1};
    struct ipc_transfer transfer = {
        .in = &path, .in_count = 1, .recv_slots = receive_slots(), .recv_slot_count = 1};
    struct posix_retry retry = {.transfer = &transfer, .server = ISSUER_FILED};
    struct fs_open_reply reply;
    long error = POSIX_CALL(&retry, fs_open(POSIX_SLOT_FILED, 1, LINUX_O_PATH | LINUX_O_DIRECTORY,
                                            0, &reply, &transfer));
    if (!error && ar_cap_move(AR_CAP_SELF, POSIX_SLOT_CWD, AR_CAP_SELF, receive_slots()[0]))
        error = -LINUX_EIO;
    return error;
}

long process_begin(uint64_t pid, uint64_t tid, uint64_t boot_seconds, const char **what)
{
    thread_init(area_thread(0), (uint32_t)tid, 0);
    process_init(pid, boot_seconds);
    *what = "the descriptor table";
    long error = fd_table_init();
    if (error)
        return error;
    *what = "/";
    return cwd_open();
}
