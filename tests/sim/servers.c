/* The servers' cores as they run here, and init, who starts processes. SPDX-License-Identifier: MIT */
#include "parts.h"
#include "image.h"
#include "trace.h"
#include <ipc/credentials.h>
#include <ipc/memory.h>
#include <stdlib.h>
#include <string.h>

#include "../../servers/procd/procd.h"
#include "../../servers/sockd/sockd.h"
/* filed's header and procd's use the same names: see server_filed.c. */
void filed_handle(void *state, struct ipc_call *call);
void filed_closed(void *state, uint64_t badge, struct ipc_effects *effects);
#include <proto/fs.h>
#include <proto/io.h>
#include <proto/sock.h>

#define MEBI (1ull << 20)
#define SLOT_PROCD 256u /* init's */
#define SLOT_FILED 257u
#define SLOT_NULL 258u /* .. 260: descriptors 0, 1, 2 of a process to be */
#define SLOT_SOCKD 261u
#define MOUNT_SLOT 16u /* filed's: procd's */
#define RECORD_GROUP 64u

struct record { /* of a pid */
    int status; /* -1: it lives; 0 as well when it never was */
    unsigned signals[65];
};

static struct procd *procd;
static void *filed;
static struct sockd *sockd;
static struct host_core procd_core, filed_core, sockd_core;
static struct credentials *credentials;
static struct host_caller init;
static struct record *records[(ID_MAX + 1) / RECORD_GROUP]; /* groups, made when they are wanted */
static struct ipc_effects effects;
static uint8_t image[IMAGE_SIZE];
static bool something_to_reap; /* a process ended or was killed since servers_run looked */

static struct host_core core_make(void *state, void (*handle)(void *, struct ipc_call *),
                                  void (*closed)(void *, uint64_t, struct ipc_effects *),
                                  uint64_t issuer)
{
    return (struct host_core){.state = state, .handle = handle, .closed = closed,
                              .issuer = issuer, .space = host_space_new()};
}

static bool gate_place(struct host_space *space, ar_cap slot, const struct host_core *core,
                       uint64_t badge)
{
    struct host_object *gate = host_gate_object(core, badge);
    bool placed = gate && host_space_grow(space, slot);
    if (placed)
        host_space_put(space, slot, gate);
    return placed;
}

static struct record *record_of(int64_t pid)
{
    struct record **group = &records[pid / RECORD_GROUP];
    if (!*group)
        *group = calloc(RECORD_GROUP, sizeof(**group));
    if (!*group)
        sim_panic("the host has no memory");
    return &(*group)[pid % RECORD_GROUP];
}

static void records_free(void)
{
    for (unsigned i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        free(records[i]);
        records[i] = NULL;
    }
}

/* SIGURG and SIGIO. procd runs before sockd's next instruction, as its priority has it. */
static void signal_pass(const struct signal_request *request)
{
    static struct ipc_effects signal_effects;
    const struct thread *thread = request->id <= ID_MAX ? procd->thread_of[request->id] : NULL;
    if (thread && request->target != SIGNAL_TO_GROUP && request->signal <= 64)
        record_of(thread->process->pid)->signals[request->signal]++;
    signal_effects.count = 0;
    procd_signal_request(procd, request, &signal_effects);
    host_effects_run(&procd_core, &signal_effects);
    something_to_reap = true; /* it may have been SIGKILL */
}

bool servers_begin(void)
{
    const char *reason = "";
    uint64_t queued = sim_options.queued ? sim_options.queued : 64 * MEBI;
    unsigned sockets = sim_options.sockets ? sim_options.sockets : 16384;
    struct sockd_limits limits = {
        .objects = sockets,
        .objects_of_user = sim_options.sockets_of_user ? sim_options.sockets_of_user : sockets / 2,
        .queued = queued,
        .queued_of_user = sim_options.queued_of_user ? sim_options.queued_of_user : queued / 2,
    };
    credentials = calloc(CREDENTIALS_MAX, sizeof(*credentials));
    image_make(image);
    procd = procd_create(&sim_machine, NULL, credentials, 1000000000, image, IMAGE_SIZE, &reason);
    sockd = sockd_create(credentials, &limits);
    filed = filed_make(credentials, MOUNT_SLOT);
    if (!procd || !sockd || !filed)
        return false;
    sockd_set_signal(sockd, signal_pass);
    procd_core = core_make(procd, procd_handle, procd_closed, ISSUER_PROCD);
    filed_core = core_make(filed, filed_handle, filed_closed, ISSUER_FILED);
    sockd_core = core_make(sockd, sockd_handle, sockd_closed, ISSUER_SOCKD);
    init = (struct host_caller){.space = host_space_new()};
    /* One copy of each gate that no process may close. */
    return gate_place(filed_core.space, MOUNT_SLOT, &procd_core, BADGE_MOUNT) &&
           gate_place(init.space, SLOT_PROCD, &procd_core, BADGE_PRIVILEGED) &&
           gate_place(init.space, SLOT_FILED, &filed_core, BADGE_ROOT) &&
           gate_place(init.space, SLOT_SOCKD, &sockd_core, BADGE_ROOT);
}

void servers_end(void)
{
    effects.count = 0;
    sockd_destroy(sockd, &effects);
    filed_drop(filed, &effects);
    procd_destroy(procd);
    host_space_forget(init.space);
    host_space_forget(procd_core.space);
    host_space_forget(filed_core.space);
    host_space_forget(sockd_core.space);
    free(credentials);
    records_free();
}

struct host_space *servers_procd_space(void)
{
    return procd_core.space;
}

bool servers_gates(uint64_t badge, struct host_object *gates[4])
{
    gates[0] = host_gate_object(&procd_core, badge);
    gates[1] = host_gate_object(&filed_core, BADGE_ROOT);
    gates[2] = host_gate_object(&sockd_core, BADGE_ROOT);
    gates[3] = NULL; /* there is no terminal */
    return gates[0] != NULL;
}

/* ---- init's requests ------------------------------------------------------------------------- */

static enum status ask(const struct host_caller *caller, struct ipc_request *request)
{
    enum ar_error error;
    enum status status = host_request(caller, request, &error);
    return error && !status ? ST_CLOSED : status;
}

static bool null_open(ar_cap slot)
{
    static const char path[] = "/dev/null";
    const struct ar_segment in = {(uint64_t)path, sizeof(path) - 1};
    const struct fs_open_request words = {.path_length = in.length, .flags = 2 /* O_RDWR */};
    struct ipc_request request = {.target = SLOT_FILED, .label = FS_OPEN,
                                  .word_count = sizeof(words) / 8, .in = &in, .in_count = 1,
                                  .recv_slots = &slot, .recv_slot_count = 1};
    memcpy(request.words, &words, sizeof(words));
    return ask(&init, &request) == ST_OK;
}

int servers_spawn(void)
{
    int pid = 0;
    bool there = true;
    for (ar_cap slot = SLOT_NULL; slot < SLOT_NULL + 3; slot++)
        there = there && null_open(slot);
    struct ipc_request request = {.target = SLOT_PROCD, .label = PROC_SPAWN,
                                  .word_count = sizeof(struct proc_spawn_request) / 8,
                                  .cap_count = 3,
                                  .caps = {SLOT_NULL, SLOT_NULL + 1, SLOT_NULL + 2}};
    if (there && ask(&init, &request) == ST_OK) {
        pid = (int)request.words[0];
        *record_of(pid) = (struct record){.status = -1};
    }
    for (ar_cap slot = SLOT_NULL; slot < SLOT_NULL + 3; slot++)
        host_space_clear(init.space, slot);
    host_closed_deliver();
    return pid;
}

/* What only procd may do to a process, by a request in its own name: it ends, as by SIGKILL. */
void servers_kill(int pid)
{
    static struct ipc_call call;
    struct process *process = pid > 0 && pid <= (int)ID_MAX ? procd->process_of[pid] : NULL;
    if (!process || process->state == PROCESS_ZOMBIE)
        return;
    call.label = PROC_EXIT;
    call.badge = BADGE_OBJECTS + process->index;
    call.principal = PRINCIPAL(process->credential_index, process->threads->tid);
    call.word_count = sizeof(struct proc_exit_request) / 8;
    call.cap_count = call.reply_word_count = call.reply_cap_count = 0;
    const struct proc_exit_request words = {.signal = 9};
    memcpy(call.words, &words, sizeof(words));
    process->kill_ns = 0; /* a killed one may not ask */
    effects.count = 0;
    call.effects = &effects;
    procd_handle(procd, &call);
    record_of(pid)->status = 9;
    something_to_reap = true;
    host_effects_run(&procd_core, &effects);
    host_closed_deliver();
}

static void spawned_reap(int pid)
{
    struct ipc_request request = {.target = SLOT_PROCD, .label = PROC_SPAWN_WAIT, .word_count = 1,
                                  .words = {(uint64_t)pid}};
    if (ask(&init, &request) == ST_OK)
        record_of(pid)->status = (int)request.words[0];
}

/* ---- what nobody asks for -------------------------------------------------------------------- */

uint64_t servers_deadline(void)
{
    return procd_deadline(procd);
}

void servers_run(void)
{
    while (sockd_deadline(sockd) <= sim_now) {
        effects.count = 0;
        sockd_expired(sockd, sim_now, &effects);
        host_effects_run(&sockd_core, &effects);
        host_closed_deliver();
    }
    if (!something_to_reap && procd_deadline(procd) == AR_NO_DEADLINE)
        return;
    something_to_reap = false;
    for (unsigned i = 0; i < PROCESS_MAX; i++) {
        struct process *process = procd->processes[i];
        if (!process)
            continue;
        if (process->kill_ns)
            servers_kill((int)process->pid);
        process = procd->processes[i];
        if (process && process->state == PROCESS_ZOMBIE && process->spawned)
            spawned_reap((int)process->pid);
    }
    if (procd_deadline(procd) <= sim_now) {
        effects.count = 0;
        procd_expired(procd, sim_now, &effects);
        host_effects_run(&procd_core, &effects);
        host_closed_deliver();
    }
}

/* ---- what is seen of requests ---------------------------------------------------------------- */

void servers_observe(const struct host_traced *traced)
{
    if (traced->core != &procd_core || traced->status != ST_OK)
        return;
    if (traced->label == PROC_KILL) {
        const struct proc_kill_request *words = (const void *)traced->words;
        something_to_reap = true;
        if (words->pid > 0 && words->pid <= (int64_t)ID_MAX)
            record_of(words->pid)->signals[words->signal]++;
    } else if (traced->label == PROC_FORK) {
        *record_of((int64_t)traced->reply_words[0]) = (struct record){.status = -1};
    }
}

/* A fiber is about to end its process. */
void servers_exiting(int pid, const struct ipc_request *request)
{
    const struct proc_exit_request *words = (const void *)request->words;
    if (request->label != PROC_EXIT)
        return;
    something_to_reap = true;
    record_of(pid)->status = words->signal ? (int)(words->signal | (words->core ? 128 : 0))
                                        : (int)(words->status & 255) << 8;
}

unsigned sim_signals(int pid, int signal)
{
    return record_of(pid)->signals[signal];
}

int sim_exit_status(int pid)
{
    return pid > 0 && pid <= (int)ID_MAX ? record_of(pid)->status : -1;
}

void servers_counts(struct sim_counts *counts)
{
    struct ipc_request sockets = {.target = SLOT_SOCKD, .label = SOCK_COUNTS};
    struct ipc_request files = {.target = SLOT_FILED, .label = FS_COUNTS};
    if (ask(&init, &sockets) || ask(&init, &files))
        sim_panic("the servers do not say what they have");
    const struct sock_counts_reply *sock = (const void *)sockets.words;
    const struct fs_counts_reply *fs = (const void *)files.words;
    counts->sockets = sock->sockets;
    counts->queued_bytes = sock->queued;
    counts->descriptors_in_flight = sock->in_flight;
    counts->sessions = sock->sessions + procd->sessions.count + filed_sessions(filed);
    counts->file_nodes = fs->nodes;
    counts->file_descriptions = fs->descriptions;
    counts->processes = procd->process_count;
    counts->threads = procd->thread_count;
    counts->slots += host_space_used(procd_core.space) + host_space_used(filed_core.space) +
                     host_space_used(sockd_core.space) + host_space_used(init.space);
}

const char *servers_name(const struct host_core *core)
{
    return core == &procd_core ? "proc" : core == &filed_core ? "fs" : "sock";
}
