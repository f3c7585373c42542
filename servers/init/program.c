/*
 * The first program: console, start, wait, end. SPDX-License-Identifier: MIT
 *
 * init speaks to the servers through its own privileged root gates, as any client does, and
 * waits as any client does: a session with procd, and its notification.
 */
#include "init.h"

#include <ipc/kernel.h>
#include <posix_abi.h>
#include <proto/console.h>
#include <proto/fs.h>
#include <proto/proc.h>
#include <proto/session.h>
#include <proto/sock.h>

/* Linux's values, which the protocols use; musl's <fcntl.h> would bring the rest of POSIX along */
#define OPEN_READ 0u
#define OPEN_WRITE 1u
#define OPEN_BOTH 2u
#define DRAIN_RETRY_NS 1000000u
#define SETTLE_NS 20000000u

static ar_cap notification;

static void status_check(const char *server, const char *what, enum status status)
{
    if (status != ST_OK) {
        init_step(server, what);
        init_fail("it answered %s (%u)", status_name(status), status);
    }
}

static ar_cap console_descriptor(ar_cap console, unsigned flags)
{
    ar_cap slot = slots_take(1);
    struct console_open_reply reply;
    struct ipc_transfer transfer = {.recv_slots = &slot, .recv_slot_count = 1};
    status_check("consoled", "opening the console",
                 console_open(console, flags, &reply, &transfer));
    return slot;
}

/* A terminal is one description, shared; the streams of mode=run are three, as a shell's
 * redirections would make them. */
static void console_streams(ar_cap console, const struct command *command, uint64_t descriptors[3])
{
    status_check("consoled", "setting the console's mode", 
                 console_set_mode(console, command->stream, command->rows, command->columns,
                                  command->no_input));
    if (!command->stream) {
        descriptors[0] = descriptors[1] = descriptors[2] = console_descriptor(console, OPEN_BOTH);
        return;
    }
    descriptors[0] = console_descriptor(console, OPEN_READ);
    descriptors[1] = console_descriptor(console, OPEN_WRITE);
    descriptors[2] = console_descriptor(console, OPEN_WRITE);
}

static void procd_session(ar_cap procd)
{
    uint64_t caps[] = {notification};
    ar_cap slot = slots_take(1);
    struct ipc_transfer transfer = {
        .caps = caps, .cap_count = 1, .recv_slots = &slot, .recv_slot_count = 1};
    status_check("procd", "opening a session", session_open(procd, &transfer));
}

static uint64_t program_spawn(ar_cap procd, const struct command *command,
                              const uint64_t descriptors[3])
{
    const struct ar_segment memory[] = {{(uint64_t)command->argv, command->argv_length},
                                        {(uint64_t)command->env, command->env_length}};
    struct ipc_transfer transfer = {
        .in = memory, .in_count = command->env_length ? 2 : 1, .caps = descriptors, .cap_count = 3};
    struct proc_spawn_reply reply;
    status_check("procd", "starting the first program",
                 proc_spawn(procd, command->argc, command->envc,
                            command->argv_length + command->env_length, !command->stream, &reply,
                            &transfer));
    /* ours would keep the terminal open; an empty slot is no error */
    for (unsigned i = 0; i < 3; i++)
        init_check(ar_cap_delete((ar_cap)descriptors[i]), "let go of the console");
    return reply.pid;
}

static uint64_t program_wait(ar_cap procd, uint64_t pid)
{
    for (;;) {
        struct proc_spawn_wait_reply reply;
        enum status status = proc_spawn_wait(procd, pid, &reply);
        if (status == ST_OK)
            return reply.status;
        if (status != ST_WAIT)
            status_check("procd", "waiting for the first program", status);
        uint64_t bits;
        init_check(ar_wait(notification, AR_NO_DEADLINE, &bits), "wait for the first program");
    }
}

static void console_flush(ar_cap console)
{
    for (;;) {
        enum status status = console_drain(console);
        if (status == ST_OK)
            return;
        if (status != ST_WAIT && status != ST_AGAIN) {
            init_log("draining the console: %s", status_name(status));
            return;
        }
        uint64_t bits; /* it does not hold callers: ask again */
        ar_wait(notification, ar_clock_ns() + DRAIN_RETRY_NS, &bits);
    }
}

struct counts {
    struct proc_counts_reply proc;
    struct fs_counts_reply fs;
    struct sock_counts_reply sock;
};

/* Servers close what a dead process held one message after another, and across each other: let
 * them come to rest. */
static void servers_settle(void)
{
    uint64_t bits, deadline = ar_clock_ns() + SETTLE_NS;
    while (ar_wait(notification, deadline, &bits) == AR_OK)
        ;
}

static void counts_take(struct counts *counts)
{
    servers_settle();
    status_check("procd", "counting its objects",
                 proc_counts(server_named("procd")->privileged, &counts->proc));
    status_check("filed", "counting its objects",
                 fs_counts(server_named("filed")->privileged, &counts->fs));
    status_check("sockd", "counting its objects",
                 sock_counts(server_named("sockd")->privileged, &counts->sock));
}

static void counts_report(const struct counts *before, const struct counts *after)
{
#define COUNT(server, field)                                                       \
    init_line("aramid-leak: " #server "." #field " %lu %lu", before->server.field, \
              after->server.field)
    COUNT(proc, processes);
    COUNT(proc, frames);
    COUNT(proc, tables);
    COUNT(proc, nodes);
    COUNT(proc, threads);
    COUNT(proc, slots);
    COUNT(fs, nodes);
    COUNT(fs, descriptions);
    COUNT(fs, heap);
    COUNT(sock, sockets);
    COUNT(sock, queued);
    COUNT(sock, in_flight);
    COUNT(sock, sessions);
    COUNT(sock, heap);
    COUNT(sock, taken);
#undef COUNT
}

uint64_t program_run(const struct command *command)
{
    static struct counts before, after;
    ar_cap procd = server_named("procd")->privileged;
    ar_cap console = server_named("consoled")->privileged;
    uint64_t descriptors[3];

    notification = object_make(AR_NOTIFICATION, 0, 1);
    procd_session(procd);
    console_streams(console, command, descriptors);
    if (command->capdump)
        servers_dump_caps();
    if (command->leakcheck)
        counts_take(&before);
    uint64_t pid = program_spawn(procd, command, descriptors);
    uint64_t status = program_wait(procd, pid);
    if (command->leakcheck) {
        counts_take(&after);
        counts_report(&before, &after);
    }
    console_flush(console);
    return status;
}
