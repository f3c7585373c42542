/*
 * A second thread of init that receives the servers' faults, so that a server that dies while
 * init waits for its answer is reported all the same. SPDX-License-Identifier: MIT
 */
#include "init.h"

#include <ipc/kernel.h>
#include <string.h>

#define STACK_SIZE 16384u
#define RFLAGS_USER 0x202u

static _Alignas(16) char stack[STACK_SIZE];
static ar_cap endpoint, reply;

bool monitor_is_caller(void)
{
    const char *frame = __builtin_frame_address(0);
    return frame >= stack && frame < stack + STACK_SIZE;
}

static const char *fault_cause(uint64_t kind, uint64_t address, uint64_t code)
{
    if (kind == AR_FAULT_EXCEPTION)
        return address == 6 ? "invalid instruction (a panic, perhaps: see the line before)"
                            : "exception";
    if (address < PAGE)
        return "null pointer";
    if (code & AR_PF_FETCH)
        return "jump to memory that is not code";
    if (code & AR_PF_PRESENT)
        return code & AR_PF_WRITE ? "write to read-only memory" : "memory that is not its own";
    return code & AR_PF_WRITE ? "write to memory that is not there"
                              : "read of memory that is not there";
}

static void fault_report(const struct ar_message *m)
{
    const char *name = m->badge < server_count ? servers[m->badge].manifest->name : "init";
    const struct ar_ipc_buffer *buffer = (const struct ar_ipc_buffer *)INIT_MONITOR_IPC;
    uint64_t rsp = buffer->words[4], rflags = buffer->words[5]; /* logging overwrites the buffer */
    init_log("server %s died: %s", name, fault_cause(m->words[0], m->words[1], m->words[2]));
    init_log("  %s %lx, code %lx, rip %lx, rsp %lx, rflags %lx",
             m->words[0] == AR_FAULT_EXCEPTION ? "exception" : "address", m->words[1], m->words[2],
             m->words[3],
             rsp, rflags);
}

static _Noreturn void monitor_main(void)
{
    for (;;) {
        struct ar_message m = {.badge = endpoint};
        if (ar_syscall(AR_SYS_RECV, &m, reply, AR_NO_DEADLINE) != AR_OK ||
            AR_INFO_LABEL(m.info) != AR_LABEL_FAULT)
            continue;
        fault_report(&m);
        machine_exit(EXIT_FAILED);
    }
}

ar_cap monitor_start(void)
{
    init_step("init", "starting the monitor");
    endpoint = object_make(AR_ENDPOINT, 0, 1);
    reply = object_make(AR_REPLY, 0, 1);
    ar_cap tcb = object_make(AR_TCB, 0, 1);
    ar_cap frame = object_make(AR_FRAME, 12, 1);
    frame_map(AR_INIT_VSPACE, frame, INIT_MONITOR_IPC, AR_READ | AR_WRITE);

    struct ar_ipc_buffer *buffer = (struct ar_ipc_buffer *)INIT_IPC_ADDRESS;
    buffer->words[4] = 0; /* nobody hears of our own faults but the kernel's log */
    struct ar_message m = {.badge = tcb,
                           .info = AR_INFO(AR_TCB_CONFIGURE, 5, 0, 0, 0),
                           .words = {AR_INIT_CNODE, AR_INIT_VSPACE, frame, INIT_MONITOR_IPC}};
    init_check(ar_syscall(AR_SYS_INVOKE, &m, 0, 0), "configure the monitor");
    init_check(ar_invoke4(tcb, AR_TCB_SET_PRIORITY, AR_PRIORITY_MAX, 0, 0, 0),
               "set the monitor's priority");
    init_check(ar_invoke4(tcb, AR_TCB_SET_VECTOR, 0, 0, 0, 0), "take its vector registers");
    uint64_t name[2];
    memcpy(name, "init-monitor\0\0\0", sizeof(name));
    init_check(ar_invoke4(tcb, AR_TCB_SET_NAME, name[0], name[1], 0, 0), "name the monitor");

    /* A function is entered with rsp 8 below a multiple of 16. */
    struct ar_regs regs = {.rip = (uint64_t)monitor_main,
                           .rsp = (uint64_t)(stack + STACK_SIZE - 8),
                           .rflags = RFLAGS_USER};
    memcpy(buffer->words, &regs, sizeof(regs));
    m = (struct ar_message){.badge = tcb,
                            .info = AR_INFO(AR_TCB_WRITE_REGS, AR_REGS_WORDS, 0, 0, 0),
                            .words = {regs.rip, regs.rsp, regs.rflags, regs.rax}};
    init_check(ar_syscall(AR_SYS_INVOKE, &m, 0, 0), "set the monitor's registers");
    init_check(ar_invoke4(tcb, AR_TCB_RESUME, 0, 0, 0, 0), "resume the monitor");
    return endpoint;
}
