/* The text of /proc's files about the system. SPDX-License-Identifier: MIT */
#include "procfs.h"

static void text_meminfo(struct procd *procd, struct text *text)
{
    struct machine_counts counts;
    procd->machine->counts(procd->context, &counts);
    text_row(text, "MemTotal:       ", counts.memory_total * 4, " kB\n");
    text_row(text, "MemFree:        ", counts.memory_free * 4, " kB\n");
    text_row(text, "MemAvailable:   ", counts.memory_free * 4, " kB\n");
    text_string(
        text,
        "Buffers:        0 kB\nCached:         0 kB\nSwapCached:     0 kB\n"
        "SwapTotal:      0 kB\nSwapFree:       0 kB\nShmem:          0 kB\nSReclaimable:   0 kB\n");
}

static void text_seconds(struct text *text, uint64_t ns)
{
    text_row(text, "", ns / 1000000000u, ".");
    text_padded(text, ns / 10000000u % 100, 2, '0');
}

static unsigned running(struct procd *procd)
{
    unsigned count = 0;
    for (unsigned i = 0; i < PROCESS_MAX; i++)
        for (struct thread *thread = procd->processes[i] ? procd->processes[i]->threads : NULL;
             thread; thread = thread->next) {
            enum ar_thread_state state = AR_THREAD_INACTIVE;
            uint64_t cpu_ns;
            procd->machine->thread_info(procd->context, thread->handle, &state, &cpu_ns);
            count += thread_is_running(state);
        }
    return count;
}

static void text_kernel_stat(struct procd *procd, struct text *text)
{
    uint64_t busy = 0, now = procd->machine->now_ns(procd->context);
    for (unsigned i = 0; i < PROCESS_MAX; i++)
        if (procd->processes[i])
            busy += process_cpu_ns(procd, procd->processes[i]);
    uint64_t idle = now > busy ? (now - busy) / 10000000u : 0;
    for (unsigned line = 0; line < 2; line++) {
        text_string(text, line == 0 ? "cpu  " : "cpu0 ");
        text_row(text, "", busy / 10000000u, " 0 0 ");
        text_row(text, "", idle, " 0 0 0 0 0 0\n");
    }
    text_string(text, "intr 0\nctxt 0\n");
    text_row(text, "btime ", procd->boot_seconds, "\n");
    text_row(text, "processes ", procd->forks + 1, "\n");
    text_row(text, "procs_running ", running(procd), "\nprocs_blocked 0\n");
}

void procfs_system_text(struct procd *procd, const struct procfs_node *node, struct text *text)
{
    uint64_t now = procd->machine->now_ns(procd->context);
    switch (node->kind) {
    case PROCFS_UPTIME:
        text_seconds(text, now);
        text_char(text, ' ');
        text_seconds(text, now);
        text_char(text, '\n');
        break;
    case PROCFS_MEMINFO:
        text_meminfo(procd, text);
        break;
    case PROCFS_LOADAVG:
        text_row(text, "0.00 0.00 0.00 ", running(procd), "/");
        text_row(text, "", procd->thread_count, " ");
        text_row(text, "", procd->id_last, "\n");
        break;
    case PROCFS_VERSION:
        text_string(text, "Linux version 6.12.0-aramid (aramid) (gcc) #1\n");
        break;
    case PROCFS_MOUNTS:
        text_string(text, "rootfs / rootfs rw 0 0\nproc /proc proc rw,relatime 0 0\n");
        break;
    case PROCFS_FILESYSTEMS:
        text_string(text, "nodev\trootfs\nnodev\tproc\nnodev\ttmpfs\n");
        break;
    case PROCFS_CPUINFO:
        text_string(text,
                    "processor\t: 0\nvendor_id\t: unknown\nmodel name\t: x86_64\ncpu cores\t: 1\n"
                    "flags\t\t: fpu tsc msr cx8 cmov mmx fxsr sse sse2\n\n");
        break;
    case PROCFS_KERNEL_STAT:
        text_kernel_stat(procd, text);
        break;
    case PROCFS_OSTYPE:
        text_string(text, "Linux\n");
        break;
    case PROCFS_OSRELEASE:
        text_string(text, "6.12.0-aramid\n");
        break;
    case PROCFS_HOSTNAME:
        text_string(text, "aramid\n");
        break;
    case PROCFS_NGROUPS_MAX:
        text_row(text, "", CREDENTIALS_GROUPS, "\n");
        break;
    case PROCFS_PID_MAX:
        text_row(text, "", ID_MAX + 1, "\n");
        break;
    default:
        break;
    }
}
