/* Threads and their areas. SPDX-License-Identifier: MIT */
#include "procd.h"
#include <ipc/memory.h>
#include <string.h>

int area_take(struct process *process, unsigned wanted)
{
    for (unsigned area = wanted == ~0u ? 0 : wanted; area < POSIX_AREAS_MAX; area++) {
        uint8_t *byte = &process->areas[area / 8], bit = (uint8_t)(1u << area % 8);
        if (!(*byte & bit)) {
            *byte |= bit;
            return (int)area;
        }
        if (wanted != ~0u)
            break;
    }
    return -1;
}

static void area_release(struct process *process, unsigned area)
{
    process->areas[area / 8] &= (uint8_t)~(1u << area % 8);
}

/* Two pinned pages, a guard without a region, and the stack. */
bool area_map(struct process *process, unsigned area)
{
    uint64_t base = POSIX_AREA(area);
    const struct region pinned = {.start = base, .end = base + 0x2000, .flags = REGION_SYSTEM,
                                  .protection = PROTECT_READ | PROTECT_WRITE};
    const struct region stack = {.start = base + POSIX_AREA_STACK_LOW,
                                 .end = base + POSIX_AREA_STACK_TOP,
                                 .flags = REGION_SYSTEM,
                                 .protection = PROTECT_READ | PROTECT_WRITE};
    if (space_add(&process->space, &pinned, true) != ST_OK)
        return false;
    if (space_add(&process->space, &stack, false) == ST_OK &&
        page_present(&process->space, region_find(&process->space, stack.start),
                     stack.end - PAGE_SIZE, true) == PAGE_OK)
        return true;
    space_remove(&process->space, base, base + POSIX_AREA_SIZE);
    return false;
}

/* The fields that procd and libposix share, as they must be before the thread runs. */
static void area_prepare(struct process *process, uint64_t ipc)
{
    const uint64_t upcall[3] = {0, 0, 0};
    space_write_words(&process->space, ipc + offsetof(struct ar_ipc_buffer, upcall_pending), upcall,
                      sizeof(upcall));
    space_write_words(&process->space, ipc + offsetof(struct ar_ipc_buffer, self), &ipc,
                      sizeof(ipc));
}

_Static_assert(sizeof(struct ar_ipc_buffer) <= POSIX_AREA_PARENT, "both are in one page");

static void thread_tell_parent(struct thread *thread)
{
    struct process *process = thread->process;
    const uint64_t pid = process->parent ? process->parent->pid : ID_INIT;
    space_write_words(&process->space,
                      POSIX_AREA(thread->area) + POSIX_AREA_IPC + POSIX_AREA_PARENT, &pid,
                      sizeof(pid));
}

void process_tell_parent(struct process *process)
{
    for (struct thread *thread = process->threads; thread; thread = thread->next)
        thread_tell_parent(thread);
}

struct thread *thread_start(struct procd *procd, struct process *process, uint32_t tid,
                            unsigned area, const struct ar_regs *regs)
{
    uint64_t ipc = POSIX_AREA(area) + POSIX_AREA_IPC;
    struct page *page = page_find(&process->space, ipc);
    struct thread *thread = page ? mem_alloc(sizeof(*thread)) : NULL;
    if (!thread)
        return NULL;
    area_prepare(process, ipc);
    struct machine_thread_setup setup = {
        .space = process->space.handle,
        .slots = process->slots,
        .ipc_frame = page->frame,
        .ipc_address = ipc,
        .area = area,
        .principal = PRINCIPAL(process->credential_index, tid),
        .foreign_entry = procd->image.header.foreign_entry,
        .native_low = procd->image.header.native_low,
        .native_high = procd->image.header.native_high,
        .regs = *regs,
    };
    memcpy(setup.name, process->name, sizeof(setup.name));
    thread->handle = procd->machine->thread_create(procd->context, &setup);
    if (!thread->handle) {
        mem_free(thread);
        return NULL;
    }
    thread->tid = tid;
    thread->area = area;
    thread->process = process;
    struct thread **link = &process->threads;
    while (*link)
        link = &(*link)->next;
    *link = thread;
    thread_tell_parent(thread);
    process->thread_count++;
    procd->thread_count++;
    procd->thread_of[tid] = thread;
    id_use(procd, tid);
    return thread;
}

void thread_end(struct procd *procd, struct thread *thread)
{
    struct process *process = thread->process;
    struct thread **link = &process->threads;
    while (*link != thread)
        link = &(*link)->next;
    *link = thread->next;
    enum ar_thread_state state;
    uint64_t cpu_ns = 0;
    procd->machine->thread_info(procd->context, thread->handle, &state, &cpu_ns);
    process->cpu_ns += cpu_ns;
    procd->machine->thread_destroy(procd->context, thread->handle);
    if (process->threads) { /* else everything goes at once */
        procd->machine->slots_empty(procd->context, process->slots,
                                    POSIX_THREAD_SLOT(thread->area, 0), 16);
        space_remove(&process->space, POSIX_AREA(thread->area),
                     POSIX_AREA(thread->area) + POSIX_AREA_SIZE);
    }
    area_release(process, thread->area);
    signals_remove(&thread->signals, ~0ull);
    procd->thread_of[thread->tid] = NULL;
    process->thread_count--;
    procd->thread_count--;
    id_release(procd, thread->tid);
    mem_free(thread);
}

enum status op_thread_create(void *state, struct ipc_call *call,
                             const struct proc_thread_create_request *request,
                             struct proc_thread_create_reply *reply)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    struct process *process = caller->process;
    if (!account_has_room(procd))
        return ST_AGAIN;
    uint32_t tid = id_allocate(procd);
    int area = area_take(process, ~0u);
    if (!tid || area < 0) {
        if (area >= 0)
            area_release(process, (unsigned)area);
        return ST_AGAIN;
    }
    uint64_t base = POSIX_AREA(area);
    struct ar_regs regs = {
        .rip = procd->image.header.thread_entry, .rsp = base + POSIX_AREA_STACK_TOP,
        .rflags = 0x202, .rdi = tid,
        .rsi = (uint64_t)area, .rdx = request->argument, .gs_base = base + POSIX_AREA_THREAD,
    };
    struct thread *thread = NULL;
    bool slots =
        procd->machine->slots_grow(procd->context, process->slots, POSIX_THREAD_SLOT(area, 0));
    bool mapped = slots && area_map(process, (unsigned)area);
    if (mapped)
        thread = thread_start(procd, process, tid, (unsigned)area, &regs);
    if (!thread) {
        if (mapped)
            space_remove(&process->space, base, base + POSIX_AREA_SIZE);
        area_release(process, (unsigned)area);
        return ST_NOMEM;
    }
    if (process->state == PROCESS_RUNNING)
        procd->machine->thread_resume(procd->context, thread->handle);
    reply->tid = tid;
    reply->area = (uint64_t)area;
    return ST_OK;
}

enum status op_thread_exit(void *state, struct ipc_call *call,
                           const struct proc_thread_exit_request *request)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    struct process *process = caller->process;
    if (process->thread_count == 1) {
        process_exit(procd, process, (uint32_t)(request->status & 0xff) << 8, 0, false);
        return ST_OK;
    }
    thread_end(procd, caller);
    /* CLONE_CHILD_CLEARTID: a 32-bit zero, so the neighbouring half word must survive. */
    uint64_t at = request->clear_tid & ~7ull, word;
    struct region *region = region_find(&process->space, at);
    if (request->clear_tid && region && region->protection & PROTECT_WRITE &&
        !(region->flags & REGION_SYSTEM) &&
        page_present(&process->space, region, at & ~(PAGE_SIZE - 1), true) == PAGE_OK &&
        space_read_words(&process->space, at, &word, sizeof(word))) {
        word &= request->clear_tid & 4 ? 0xffffffffull : 0xffffffff00000000ull;
        space_write_words(&process->space, at, &word, sizeof(word));
    }
    return ST_OK;
}
