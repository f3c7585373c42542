/*
 * procd's core: processes, threads, kinship, signals, credentials. SPDX-License-Identifier: MIT
 *
 * A process is RUNNING, STOPPED (all its threads suspended, until SIGCONT or SIGKILL) or a
 * ZOMBIE (it has only its entry and exit status; its threads, memory and capabilities are gone).
 * A zombie lasts until its parent waits, or ends at once when nobody will: orphans, and children
 * of a parent that ignores SIGCHLD. Pid 1 is procd itself: it has no entry, adopts orphans, and
 * cannot be signalled.
 *
 * One number space serves pids, tids, process groups and sessions; a number is free when none of
 * them uses it.
 */
#ifndef PROCD_H
#define PROCD_H

#include "signal.h"
#include "space.h"
#include <ipc/credentials.h>
#include <ipc/message.h>
#include <ipc/session.h>
#include <ipc/signal_ring.h>
#include <posix_abi.h>
#include <proto/proc.h>

#define PROCESS_MAX 2048u         /* entries; a fork beyond is EAGAIN */
#define ID_MAX 32767u             /* largest pid or tid */
#define ID_FIRST 2u
#define ID_INIT 1u                /* procd's own */
#define BADGE_SESSION (1ull << 20) /* + tid */
#define BADGE_PROCFS (1ull << 21)  /* + number of the description */
#define BADGE_PIDFD (1ull << 22)   /* + number of the pidfd */
#define PROCESS_TEXT_MAX 4096u    /* path and command line kept for /proc */

struct procd;
struct process;

struct thread {
    uint32_t tid;
    unsigned area;              /* thread area and slots */
    struct process *process;
    struct thread *next;        /* of the process; the first is the main one while it lives */
    uint32_t handle;            /* the machine's */
    struct signals signals;     /* directed at this thread alone */
    /* a signal may wait for it: told, and not yet answered by an empty signal_take */
    bool upcall;
    /* a fault's signal is queued and not yet taken: a second fault kills */
    bool fault_signal;
};

enum process_state { PROCESS_RUNNING, PROCESS_STOPPED, PROCESS_ZOMBIE };

struct rlimit { uint64_t soft, hard; };
enum rlimit_resource {
    LIMIT_DATA = 2,
    LIMIT_STACK = 3,
    LIMIT_CORE = 4,
    LIMIT_NPROC = 6,
    LIMIT_NOFILE = 7,
    LIMIT_AS = 9
};

/* Who pays. The children of a session leader are jobs of their own; what a job forks belongs to
 * it. */
struct job {
    unsigned processes;
};

struct process {
    /* identity */
    unsigned index;             /* in procd->processes; badge = BADGE_OBJECTS + index */
    uint32_t pid, pgid, sid;
    enum process_state state;
    bool spawned;               /* by init: its zombie waits for spawn_wait */
    char name[16];
    char *path, *command;       /* /proc/PID/exe and cmdline; owned; NULL: none */
    size_t path_length, command_length;
    /* kinship */
    /* parent NULL: procd */
    struct process *parent, *children, *last_child, *next_sibling, *previous_sibling;
    unsigned exit_signal;
    uint32_t exit_status;       /* as wait(2) */
    /* it has called exec since its fork: setpgid by the parent is too late */
    bool executed;
    bool vforked;               /* the parent waits for exec or exit */
    unsigned report_stop;       /* signal, until a WUNTRACED wait took it */
    bool report_continue;
    struct waiters wait_waiters, vfork_waiters;
    /* what it has */
    struct thread *threads;
    unsigned thread_count;
    uint8_t areas[(POSIX_AREAS_MAX + 7) / 8]; /* thread areas in use */
    struct space space;
    uint32_t slots;             /* the machine's */
    struct credentials credentials;
    unsigned credential_index;  /* process half of its threads' principals */
    bool credentials_renewed;   /* entries that it gave up still say its pid */
    struct rlimit limits[PROC_RLIMIT_COUNT];
    struct job *job;
    /* signals */
    struct signals signals;
    bool nocldwait, nocldstop;
    uint64_t fixup_start, fixup_end, fixup;
    char last_fault[160];       /* said when the process dies by it */
    /* time */
    uint64_t timer_ns, timer_interval_ns; /* ITIMER_REAL: absolute; 0: off */
    /* SIGKILL came: no thread runs any more, and it ends then; 0: none */
    uint64_t kill_ns;
    /* cpu of threads that ended; of children waited for */
    uint64_t start_ns, cpu_ns, children_cpu_ns;
    uint64_t log_window_ns;
    unsigned log_lines;
};

/* libposix, taken from its ELF once. */
#define IMAGE_SEGMENTS_MAX 8u
struct image {
    struct posix_header header;
    struct region segments[IMAGE_SEGMENTS_MAX]; /* each with one reference to its object */
    unsigned segment_count;
};

struct procfs;

struct procd {
    const struct procd_machine_ops *machine;
    void *context;
    struct credentials *credentials; /* the table the other servers see */
    uint64_t boot_seconds;
    struct image image;
    struct frames frames;
    struct space image_space;        /* holds no mapping; owns the image's frames */
    struct process *processes[PROCESS_MAX];
    unsigned process_count, thread_count, zombie_count;
    struct process *process_of[ID_MAX + 1];
    struct thread *thread_of[ID_MAX + 1];
    uint16_t id_uses[ID_MAX + 1];
    uint32_t id_last;
    uint8_t credential_used[CREDENTIALS_MAX];
    unsigned credential_last;
    struct session_table sessions;
    uint32_t terminal_sid, foreground_pgid; /* 0: none */
    uint64_t memory_pages;           /* all that processes may have together */
    uint64_t forks;
    uint32_t serial; /* of the process made last: credentials.serial */
    struct procfs *procfs;
    struct pidfd_table *pidfds;      /* NULL until the first one */
    struct ipc_effects *effects;     /* of the request being handled */
};

/* ---- procd.c: the entry points of the core ---- */
/* The blob is libposix's ELF. NULL, with *reason set, when it is unusable or memory is out. */
struct procd *procd_create(const struct procd_machine_ops *machine, void *context,
                           struct credentials *table, uint64_t boot_seconds, const void *blob,
                           size_t blob_size, const char **reason);
void procd_destroy(struct procd *procd);
void procd_handle(void *procd, struct ipc_call *call);
void procd_closed(void *procd, uint64_t badge, struct ipc_effects *effects);
void procd_notified(void *procd, uint64_t bits, struct ipc_effects *effects);
/* asynchronous.c: what sockd put into the ring. */
void procd_signal_request(struct procd *procd, const struct signal_request *request,
                          struct ipc_effects *effects);
uint64_t procd_deadline(void *procd);
void procd_expired(void *procd, uint64_t now_ns, struct ipc_effects *effects);
bool procd_fault(void *procd, uint64_t principal, const uint64_t words[6],
                 struct ipc_effects *effects);
extern const struct proc_server procd_proc_server;
/* The caller of a request sent to its own process gate; NULL for anybody else. */
struct thread *procd_caller(struct procd *procd, const struct ipc_call *call);
void procd_log(struct procd *procd, struct process *process, const char *text);

/* ---- pidfd.c ---- */
void pidfd_closed(struct procd *procd, uint64_t badge);
void pidfd_process_ends(struct procd *procd, uint32_t pid, bool reaped);
void pidfds_destroy(struct procd *procd);
bool pidfd_dispatch(struct procd *procd, struct ipc_call *call);


/* ---- image.c ---- */
/* NULL, or what is wrong */
const char *image_load(struct procd *procd, const void *blob, size_t size);
bool image_map(struct procd *procd, struct space *space);

/* ---- process.c ---- */
uint32_t id_allocate(struct procd *procd);          /* 0: none free */
void id_use(struct procd *procd, uint32_t id);
void id_release(struct procd *procd, uint32_t id);
struct process *process_find(struct procd *procd, uint64_t pid);
/* An empty entry with an index, credentials entry and ids; no kinship, memory or thread. NULL: a
 * limit. */
struct process *process_allocate(struct procd *procd, struct process *parent);
void process_link(struct process *process, struct process *parent);
void process_unlink(struct process *process);
/* Write the parent's pid where each of its threads' libposix reads it (POSIX_AREA_PARENT). */
void process_tell_parent(struct process *process);
void process_set_group(struct procd *procd, struct process *process, uint32_t pgid);
void process_set_sid(struct procd *procd, struct process *process, uint32_t sid);
/* For the tracer: it has this name; `parent` is its parent's pid when it is new, else 0. */
void process_trace(struct procd *procd, const struct process *process, uint32_t parent);
void process_free(struct procd *procd, struct process *process); /* the entry goes */
bool group_exists(struct procd *procd, uint32_t pgid, uint32_t sid); /* sid 0: any */
uint64_t process_cpu_ns(struct procd *procd, struct process *process);
bool process_privileged(const struct process *process);

/* ---- thread.c ---- */
int area_take(struct process *process, unsigned wanted); /* -1: none; wanted ~0u: any */
bool area_map(struct process *process, unsigned area);   /* the regions and the two pinned pages */
/* Suspended; regs complete. NULL: a limit or memory. The area is mapped. */
struct thread *thread_start(struct procd *procd, struct process *process, uint32_t tid,
                            unsigned area, const struct ar_regs *regs);
/* its area goes too unless it is the last */
void thread_end(struct procd *procd, struct thread *thread);

/* ---- fork.c, exit.c ---- */
void process_exit(struct procd *procd, struct process *process, uint32_t status, unsigned signal,
                  bool core);
void process_reap(struct procd *procd, struct process *process); /* a zombie ends */
void process_vfork_done(struct procd *procd, struct process *process);
/* The process's memory goes: children that borrow it keep what they have. */
void process_memory_ends(struct process *process);
void process_set_name(struct procd *procd, struct process *process, const char name[16]);

/* ---- signals.c ---- */
/* To the process, or to `thread` alone. ST_AGAIN: the queue is full. May end the process. */
enum status signal_send(struct procd *procd, struct process *process, struct thread *thread,
                        const struct signal_info *info);
void signal_send_group(struct procd *procd, uint32_t pgid, unsigned signal);
void process_stop(struct procd *procd, struct process *process, unsigned signal);
void process_continue(struct procd *procd, struct process *process);
void signal_child(struct procd *procd, struct process *child, int code, uint32_t status);
void thread_upcall(struct procd *procd, struct thread *thread, bool faulted);
/* Write the registers; what no thread may have (addresses of the kernel's half in rsp, fs, gs)
 * becomes harmless. */
void thread_write_regs(struct procd *procd, struct thread *thread, struct ar_regs *regs);
void regs_make_safe(struct ar_regs *regs, unsigned area);

/* ---- credentials.c ---- */
unsigned credentials_allocate(struct procd *procd);  /* CREDENTIALS_MAX: none */
void credentials_publish(struct procd *procd, struct process *process);
/* The process ended: no server finds its pid in the table any more. The entry is still taken. */
void credentials_mark_dead(struct procd *procd, const struct process *process);
void credentials_release(struct procd *procd, unsigned index);

/* ---- account.c ---- */
struct job *job_join(struct process *parent);        /* NULL: memory is out */
void job_leave(struct job *job);
bool account_may_fork(struct procd *procd, struct process *parent, struct job *job);
bool account_may_map(struct procd *procd, struct process *process, int64_t pages);
bool account_has_room(struct procd *procd); /* for kernel objects that no mapping pays for */
bool account_full(struct procd *procd, struct process *process);

/* ---- the requests, by file; see proc.toml ---- */
#define PROC_OP(name) enum status op_##name(void *state, struct ipc_call *call, const struct proc_##name##_request *request
PROC_OP(spawn), struct proc_spawn_reply *reply);
PROC_OP(spawn_wait), struct proc_spawn_wait_reply *reply);
PROC_OP(fork), struct proc_fork_reply *reply);
PROC_OP(vfork_wait));
PROC_OP(thread_create), struct proc_thread_create_reply *reply);
PROC_OP(thread_exit));
PROC_OP(exit));
PROC_OP(exec_begin), struct proc_exec_begin_reply *reply);
PROC_OP(exec_end));
PROC_OP(wait), struct proc_wait_reply *reply);
PROC_OP(kill));
PROC_OP(signal_take), struct proc_signal_take_reply *reply);
PROC_OP(signal_policy));
PROC_OP(stop));
PROC_OP(timer), struct proc_timer_reply *reply);
PROC_OP(map), struct proc_map_reply *reply);
PROC_OP(unmap));
PROC_OP(protect));
PROC_OP(remap), struct proc_remap_reply *reply);
PROC_OP(discard));
PROC_OP(grow_slots));
PROC_OP(ids), struct proc_ids_reply *reply);
PROC_OP(set_ids));
PROC_OP(groups), struct proc_groups_reply *reply);
PROC_OP(set_group));
enum status op_set_session(void *state, struct ipc_call *call,
                           struct proc_set_session_reply *reply);
PROC_OP(foreground), struct proc_foreground_reply *reply);
PROC_OP(limit), struct proc_limit_reply *reply);
PROC_OP(usage), struct proc_usage_reply *reply);
PROC_OP(log));
PROC_OP(fault_fixup));
PROC_OP(set_name));
PROC_OP(pidfd_open));
enum status op_counts(void *state, struct ipc_call *call, struct proc_counts_reply *reply);

/* ---- procfs.c ---- */
struct procfs *procfs_create(void);
void procfs_destroy(struct procfs *procfs);
/* false: not a label of fs or io */
bool procfs_dispatch(struct procd *procd, struct ipc_call *call);
void procfs_closed(struct procd *procd, uint64_t badge);

#endif
