/* The text of /proc's files, as proc(5) has it. SPDX-License-Identifier: MIT */
#include "procfs.h"
#include <string.h>

#define TICK_NS 10000000ull /* USER_HZ is 100 */
#define TERMINAL_DEVICE 1088u /* ttyS0: major 4, minor 64 */

static char process_letter(struct procd *procd, const struct process *process)
{
    if (process->state == PROCESS_ZOMBIE)
        return 'Z';
    if (process->state == PROCESS_STOPPED)
        return 'T';
    for (const struct thread *thread = process->threads; thread; thread = thread->next) {
        enum ar_thread_state state = AR_THREAD_INACTIVE;
        uint64_t cpu_ns;
        procd->machine->thread_info(procd->context, thread->handle, &state, &cpu_ns);
        if (thread_is_running(state))
            return 'R';
    }
    return 'S';
}

static uint32_t parent_pid(const struct process *process)
{
    return process->parent ? process->parent->pid : ID_INIT;
}

static void numbers(struct text *text, const uint64_t *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        text_char(text, ' ');
        text_number(text, values[i]);
    }
}

static void text_stat(struct procd *procd, struct process *process, struct text *text)
{
    uint64_t cpu = process_cpu_ns(procd, process) / TICK_NS,
             children = process->children_cpu_ns / TICK_NS;
    bool terminal = process->sid == procd->terminal_sid;
    text_number(text, process->pid);
    text_string(text, " (");
    text_string(text, process->name);
    text_string(text, ") ");
    text_char(text, process_letter(procd, process));
    const uint64_t kin[] = {parent_pid(process), process->pgid, process->sid,
                            terminal ? TERMINAL_DEVICE : 0};
    numbers(text, kin, 4);
    text_char(text, ' ');
    text_signed(text, terminal ? (int64_t)procd->foreground_pgid : -1);
    const uint64_t rest[] = {
        0, process->space.faults, 0, 0, 0, cpu, 0, children, 0, /* flags .. cstime */
        20, 0, process->thread_count, 0, process->start_ns / TICK_NS,
        process->space.mapped * PAGE_SIZE,
        process->space.resident, process->limits[LIMIT_AS].soft, 0, 0, 0, 0, 0,
        process->signals.pending & 0x7fffffff,
        0, 0, 0, 0, 0, 0, process->exit_signal, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        process->state == PROCESS_ZOMBIE ? process->exit_status : 0,
    };
    numbers(text, rest, sizeof(rest) / sizeof(rest[0]));
    text_char(text, '\n');
}

static void ids_row(struct text *text, const char *name, uint32_t real, uint32_t effective,
                    uint32_t saved)
{
    text_row(text, name, real, "\t");
    text_row(text, "", effective, "\t");
    text_row(text, "", saved, "\t");
    text_row(text, "", effective, "\n");
}

static void text_status(struct procd *procd, struct process *process, struct text *text)
{
    static const char *const states[] = {"R (running)", "S (sleeping)", "T (stopped)",
                                         "Z (zombie)"};
    const struct credentials *c = &process->credentials;
    char letter = process_letter(procd, process);
    text_string(text, "Name:\t");
    text_string(text, process->name);
    text_string(text, "\nState:\t");
    for (unsigned i = 0; i < 4; i++)
        if (states[i][0] == letter)
            text_string(text, states[i]);
    text_row(text, "\nTgid:\t", process->pid, "\nNgid:\t0\n");
    text_row(text, "Pid:\t", process->pid, "\n");
    text_row(text, "PPid:\t", parent_pid(process), "\nTracerPid:\t0\n");
    ids_row(text, "Uid:\t", c->ruid, c->euid, c->suid);
    ids_row(text, "Gid:\t", c->rgid, c->egid, c->sgid);
    text_row(text, "FDSize:\t", process->limits[LIMIT_NOFILE].soft, "\nGroups:\t");
    for (unsigned i = 0; i < c->group_count; i++)
        text_row(text, "", c->groups[i], " ");
    text_char(text, '\n');
    if (process->state != PROCESS_ZOMBIE) {
        text_row(text, "VmSize:\t", process->space.mapped * 4, " kB\n");
        text_row(text, "VmHWM:\t", process->space.resident_most * 4, " kB\n");
        text_row(text, "VmRSS:\t", process->space.resident * 4, " kB\n");
    }
    text_row(text, "Threads:\t", process->thread_count, "\n");
    text_string(text, "ShdPnd:\t");
    text_hex(text, process->signals.pending, 16);
    text_char(text, '\n');
}

static void text_maps(const struct process *process, struct text *text)
{
    for (unsigned i = 0; i < process->space.region_count; i++) {
        const struct region *region = &process->space.regions[i];
        text_hex(text, region->start, 8);
        text_char(text, '-');
        text_hex(text, region->end, 8);
        text_char(text, ' ');
        text_char(text, region->protection & PROTECT_READ ? 'r' : '-');
        text_char(text, region->protection & PROTECT_WRITE ? 'w' : '-');
        text_char(text, region->protection & PROTECT_EXEC ? 'x' : '-');
        text_char(text, region->flags & REGION_SHARED ? 's' : 'p');
        text_string(text, " 00000000 00:00 0 ");
        if (region->flags & REGION_STACK)
            text_string(text, "                   [stack]");
        else if (region->flags & REGION_SYSTEM)
            text_string(text, "                   [libposix]");
        text_char(text, '\n');
    }
}

void procfs_text(struct procd *procd, const struct procfs_node *node, struct text *text)
{
    struct process *process = node->process;
    switch (node->kind) {
    case PROCFS_STAT:
        text_stat(procd, process, text);
        break;
    case PROCFS_STATUS:
        text_status(procd, process, text);
        break;
    case PROCFS_CMDLINE:
        if (process->state != PROCESS_ZOMBIE)
            text_bytes(text, process->command ? process->command : "", process->command_length);
        break;
    case PROCFS_COMM:
        text_string(text, process->name);
        text_char(text, '\n');
        break;
    case PROCFS_STATM:
        text_number(text, process->space.mapped);
        numbers(text,
                (const uint64_t[]){process->space.resident, 0, 0, 0, process->space.charged, 0}, 6);
        text_char(text, '\n');
        break;
    case PROCFS_MAPS:
        text_maps(process, text);
        break;
    case PROCFS_CGROUP:
        text_string(text, "0::/\n");
        break;
    default:
        procfs_system_text(procd, node, text);
    }
}
