/*
 * The machine that procd's core runs on (servers/procd/machine.h): threads are fibers, capability
 * spaces the host kernel's. Pages are only counted, those with an IPC buffer are memory.
 * SPDX-License-Identifier: MIT
 */
#include "parts.h"
#include <host.h>
#include "../../servers/procd/machine.h"
#include "image.h"
#include <ipc/kernel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES (1u << 20) /* of the machine */
#define HANDLES 4096u

sim_main *machine_main;
void *machine_argument;

static struct {
    uint8_t **pages;   /* by frame; NULL: never looked into */
    uint32_t *free;    /* frames given back */
    uint32_t free_count, top, room, used;
    uint32_t spaces, mappings;
    struct sim_process *processes[HANDLES]; /* by handle of its capability space */
} machine;

static struct sim_thread *thread_of(uint32_t handle)
{
    for (struct sim_thread *thread = sim_all; thread; thread = thread->next)
        if (thread->handle == handle)
            return thread;
    sim_panic("procd uses thread %u, which it destroyed", handle);
}

static uint32_t frame_create(void *m)
{
    (void)m;
    if (machine.free_count) {
        machine.used++;
        return machine.free[--machine.free_count];
    }
    if (machine.used >= PAGES)
        return 0;
    if (++machine.top >= machine.room) {
        uint32_t room = machine.room ? machine.room * 2 : 4096;
        machine.pages = realloc(machine.pages, room * sizeof(*machine.pages));
        machine.free = realloc(machine.free, room * sizeof(*machine.free));
        memset(machine.pages + machine.room, 0, (room - machine.room) * sizeof(*machine.pages));
        machine.room = room;
    }
    machine.used++;
    return machine.top;
}

static void frame_destroy(void *m, uint32_t frame)
{
    (void)m;
    free(machine.pages[frame]);
    machine.pages[frame] = NULL;
    machine.free[machine.free_count++] = frame;
    machine.used--;
}

static uint8_t *frame_bytes(uint32_t frame)
{
    if (!machine.pages[frame])
        machine.pages[frame] = calloc(1, PAGE_SIZE);
    return machine.pages[frame];
}

static void frame_clear(void *m, uint32_t frame)
{
    (void)m;
    if (machine.pages[frame])
        memset(machine.pages[frame], 0, PAGE_SIZE);
}

static void frame_copy(void *m, uint32_t to, uint32_t from)
{
    (void)m;
    if (machine.pages[from] || machine.pages[to])
        memcpy(frame_bytes(to), frame_bytes(from), PAGE_SIZE);
}

static void frame_write(void *m, uint32_t frame, size_t offset, const void *data, size_t length)
{
    (void)m;
    memcpy(frame_bytes(frame) + offset, data, length);
}

static void frame_read(void *m, uint32_t frame, size_t offset, void *data, size_t length)
{
    (void)m;
    memcpy(data, frame_bytes(frame) + offset, length);
}

static uint32_t space_create(void *m)
{
    (void)m;
    return ++machine.spaces;
}

static void space_destroy(void *m, uint32_t space)
{
    (void)m, (void)space;
}

static uint32_t page_map(void *m, uint32_t space, uint64_t address, uint32_t frame, unsigned rights)
{
    (void)m, (void)space, (void)address, (void)frame, (void)rights;
    return ++machine.mappings ? machine.mappings : ++machine.mappings;
}

static void page_protect(void *m, uint32_t space, uint64_t address, uint32_t mapping,
                         unsigned rights)
{
    (void)m, (void)space, (void)address, (void)mapping, (void)rights;
}

static void page_unmap(void *m, uint32_t frame, uint32_t mapping)
{
    (void)m, (void)frame, (void)mapping;
}

/* ---- capability spaces ----------------------------------------------------------------------- */

static uint32_t slots_create(void *m)
{
    (void)m;
    for (uint32_t handle = 1; handle < HANDLES; handle++)
        if (!machine.processes[handle]) {
            struct sim_process *process = sim_process_make();
            process->handle = handle;
            machine.processes[handle] = process;
            if (host_space_grow(process->space, 0) && host_space_grow(process->space, 256))
                return handle;
            machine.processes[handle] = NULL;
            sim_process_drop(process);
            return 0;
        }
    return 0;
}

static void slots_destroy(void *m, uint32_t slots)
{
    (void)m;
    sim_process_drop(machine.processes[slots]);
    machine.processes[slots] = NULL;
}

static bool slots_grow(void *m, uint32_t slots, uint32_t slot)
{
    (void)m;
    return host_space_grow(machine.processes[slots]->space, slot);
}

static bool slots_copy(void *m, uint32_t to, uint32_t from, uint32_t first, uint32_t count)
{
    (void)m;
    struct host_space *source = machine.processes[from]->space, *target = machine.processes[to]->space;
    for (uint32_t slot = first; slot < first + count; slot++) {
        struct host_object *object = host_space_get(source, slot);
        if (!object)
            continue;
        if (!host_space_grow(target, slot))
            return false;
        host_space_put(target, slot, object);
    }
    return true;
}

static bool slots_place_gates(void *m, uint32_t slots, uint64_t badge)
{
    (void)m;
    struct host_object *gates[4];
    if (!servers_gates(badge, gates))
        return false;
    for (unsigned i = 0; i < 4; i++)
        if (gates[i])
            host_space_put(machine.processes[slots]->space, POSIX_SLOT_PROCD + i, gates[i]);
    return true;
}

static bool slots_move_in(void *m, uint32_t slots, uint32_t slot, uint64_t own)
{
    (void)m;
    struct host_space *procd = servers_procd_space();
    host_space_put(machine.processes[slots]->space, slot, host_space_get(procd, own));
    host_space_clear(procd, own);
    return true;
}

static void slots_empty(void *m, uint32_t slots, uint32_t first, uint32_t count)
{
    (void)m;
    for (uint32_t slot = first; slot < first + count; slot++)
        host_space_clear(machine.processes[slots]->space, slot);
}

static bool slots_used(void *m, uint32_t slots, uint32_t slot)
{
    (void)m;
    return host_space_get(machine.processes[slots]->space, slot) != NULL;
}

/* ---- threads --------------------------------------------------------------------------------- */

static uint32_t thread_create(void *m, const struct machine_thread_setup *setup)
{
    (void)m;
    struct sim_process *process = machine.processes[setup->slots];
    if (setup->area >= SIM_AREAS)
        return 0;
    struct sim_thread *thread = sim_thread_make(process, setup->area);
    thread->regs[0] = setup->regs.rdi;
    thread->regs[1] = setup->regs.rsi;
    thread->regs[2] = setup->regs.rdx;
    thread->caller = (struct host_caller){.space = process->space,
                                          .principal = setup->principal,
                                          .buffer = (void *)frame_bytes(setup->ipc_frame)};
    thread->posix->ipc = thread->caller.buffer;
    thread->notification = host_notification_object();
    host_space_put(process->space, POSIX_THREAD_SLOT(setup->area, POSIX_TS_NOTIFICATION),
                   thread->notification);
    thread->tid = (int)(setup->principal >> 32);
    thread->entry = setup->regs.rip == IMAGE_FORK     ? ENTRY_FORK
                    : setup->regs.rip == IMAGE_THREAD ? ENTRY_THREAD
                                                      : ENTRY_START;
    thread->main = thread->entry == ENTRY_START ? machine_main : sim_current->child_main;
    thread->argument =
        thread->entry == ENTRY_START ? machine_argument : sim_current->child_argument;
    if (thread->entry != ENTRY_THREAD)
        process->pid = thread->tid;
    thread->pid = process->pid;
    if (thread->entry == ENTRY_FORK)
        sim_process_inherit(process, sim_current, thread);
    return thread->handle;
}

static void thread_destroy(void *m, uint32_t thread)
{
    (void)m;
    sim_thread_drop(thread_of(thread));
}

static void thread_resume(void *m, uint32_t thread)
{
    (void)m;
    thread_of(thread)->suspended = false;
}

static void thread_suspend(void *m, uint32_t thread)
{
    (void)m;
    thread_of(thread)->suspended = true;
}

/* Always inside libposix: signals are taken on its way out. */
static void thread_read(void *m, uint32_t thread, struct ar_regs *regs)
{
    (void)m, (void)thread;
    *regs = (struct ar_regs){.rip = POSIX_BASE + 16};
}

static void thread_write(void *m, uint32_t thread, const struct ar_regs *regs)
{
    (void)m, (void)thread, (void)regs;
}

static void thread_info(void *m, uint32_t thread, enum ar_thread_state *state, uint64_t *cpu_ns)
{
    (void)m;
    *state = thread_of(thread)->waits_for ? AR_THREAD_BLOCKED_WAIT : AR_THREAD_READY;
    *cpu_ns = 0;
}

static void thread_signal(void *m, uint32_t thread)
{
    (void)m;
    host_signal_object(thread_of(thread)->notification, POSIX_WAKE_SIGNAL);
}

static void thread_set_principal(void *m, uint32_t thread, uint64_t principal)
{
    (void)m;
    thread_of(thread)->caller.principal = principal;
}

static void thread_set_name(void *m, uint32_t thread, const char name[16])
{
    (void)m, (void)thread, (void)name;
}

static uint64_t now_ns(void *m)
{
    (void)m;
    return sim_now;
}

static void machine_log(void *m, const char *line)
{
    (void)m;
    if (getenv("SIM_LOG"))
        fprintf(stderr, "procd: %s\n", line);
}

static void machine_counts(void *m, struct machine_counts *counts)
{
    (void)m;
    *counts = (struct machine_counts){.frames = machine.used, .memory_total = PAGES,
                                      .memory_free = PAGES - machine.used};
}

const struct procd_machine_ops sim_machine = {
    .frame_create = frame_create, .frame_destroy = frame_destroy, .frame_clear = frame_clear,
    .frame_copy = frame_copy, .frame_write = frame_write, .frame_read = frame_read,
    .space_create = space_create, .space_destroy = space_destroy, .page_map = page_map,
    .page_protect = page_protect, .page_unmap = page_unmap,
    .slots_create = slots_create, .slots_destroy = slots_destroy, .slots_grow = slots_grow,
    .slots_copy = slots_copy, .slots_place_gates = slots_place_gates,
    .slots_move_in = slots_move_in, .slots_empty = slots_empty, .slots_used = slots_used,
    .thread_create = thread_create, .thread_destroy = thread_destroy,
    .thread_resume = thread_resume, .thread_suspend = thread_suspend, .thread_read = thread_read,
    .thread_write = thread_write, .thread_info = thread_info, .thread_signal = thread_signal,
    .thread_set_principal = thread_set_principal, .thread_set_name = thread_set_name,
    .now_ns = now_ns, .log = machine_log, .counts = machine_counts,
};

uint64_t processes_slots(void)
{
    uint64_t used = 0;
    for (unsigned handle = 1; handle < HANDLES; handle++)
        if (machine.processes[handle])
            used += host_space_used(machine.processes[handle]->space);
    return used;
}
