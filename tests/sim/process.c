/* Whose libposix it is that runs: see parts.h. SPDX-License-Identifier: MIT */
#include "parts.h"
#include <host.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

_Alignas(4096) uint8_t posix_host_fd_table[0x40000];
uint64_t posix_host_random;
unsigned sim_process_total;

static struct sim_process *loaded;
static char *pristine; /* libposix's variables before any process ran */
static uint64_t private_total;

#define STATE_SIZE ((size_t)(__stop_posix_state - __start_posix_state))

/* With sanitizers the variables have forbidden bytes between them: this is no memcpy. */
static void bytes_copy(void *to, const void *from, size_t length)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
}

/* ---- libposix's own memory ------------------------------------------------------------------- */

/* A block, which the processes that forked since it was made have under one address. */
struct private_memory {
    size_t bytes;
    unsigned holders;
    _Alignas(16) uint8_t payload[];
};
struct private_held {
    struct private_held *next;
    struct private_memory *memory;
    void *saved; /* what is there when its process runs; NULL: what is there now */
};

void *private_alloc(size_t bytes)
{
    if (fail_private())
        return NULL;
    struct private_memory *memory = calloc(1, sizeof(*memory) + bytes);
    struct private_held *held = calloc(1, sizeof(*held));
    if (!memory || !held)
        sim_panic("the host has no memory");
    memory->bytes = bytes;
    memory->holders = 1;
    *held = (struct private_held){.memory = memory, .next = loaded->held};
    loaded->held = held;
    private_total += bytes;
    return memory->payload;
}

static void held_drop(struct private_held **link)
{
    struct private_held *held = *link;
    *link = held->next;
    private_total -= held->memory->bytes;
    if (--held->memory->holders == 0)
        free(held->memory);
    free(held->saved);
    free(held);
}

void private_free(void *payload)
{
    if (!payload)
        return;
    for (struct private_held **link = &loaded->held; *link; link = &(*link)->next)
        if ((*link)->memory->payload == payload) {
            held_drop(link);
            return;
        }
    sim_panic("private_free of %p, which this process does not have", payload);
}

uint64_t private_bytes(void)
{
    return private_total;
}

static void held_save(struct private_held *held)
{
    if (held->memory->holders == 1) { /* nobody else's bytes will be there */
        free(held->saved);
        held->saved = NULL;
        return;
    }
    if (!held->saved)
        held->saved = malloc(held->memory->bytes + 1);
    bytes_copy(held->saved, held->memory->payload, held->memory->bytes);
}

static void held_load(struct private_held *held)
{
    if (held->saved)
        bytes_copy(held->memory->payload, held->saved, held->memory->bytes);
    if (held->memory->holders == 1) {
        free(held->saved);
        held->saved = NULL;
    }
}

/* ---- switching ------------------------------------------------------------------------------- */

/* Bytes of the table that may be in use: the first descriptors are there before libposix counts
 * them. */
static uint32_t descriptors_size(void)
{
    uint32_t count = posix_host_descriptors();
    return (count < 16 ? 16 : count) * 4;
}

static void descriptors_save(struct sim_process *process)
{
    process->descriptor_bytes = descriptors_size();
    if (process->descriptor_bytes > process->descriptor_room) {
        process->descriptor_room = process->descriptor_bytes * 2;
        process->descriptors = realloc(process->descriptors, process->descriptor_room);
    }
    memcpy(process->descriptors, posix_host_fd_table, process->descriptor_bytes);
}

static void process_save(struct sim_process *process)
{
    bytes_copy(process->state, __start_posix_state, STATE_SIZE);
    descriptors_save(process);
    for (struct private_held *held = process->held; held; held = held->next)
        held_save(held);
}

void sim_process_load(struct sim_process *process)
{
    static uint32_t dirty; /* bytes of the table that may be set */
    if (loaded == process)
        return;
    if (loaded)
        process_save(loaded);
    uint32_t last = descriptors_size();
    dirty = last > dirty ? last : dirty;
    memset(posix_host_fd_table, 0, dirty);
    bytes_copy(__start_posix_state, process->state, STATE_SIZE);
    if (process->descriptor_bytes)
        memcpy(posix_host_fd_table, process->descriptors, process->descriptor_bytes);
    dirty = process->descriptor_bytes;
    for (struct private_held *held = process->held; held; held = held->next)
        held_load(held);
    loaded = process;
}

struct sim_process *sim_process_make(void)
{
    struct sim_process *process = calloc(1, sizeof(*process));
    if (!pristine) {
        pristine = malloc(STATE_SIZE);
        bytes_copy(pristine, __start_posix_state, STATE_SIZE);
    }
    process->state = malloc(STATE_SIZE);
    memcpy(process->state, pristine, STATE_SIZE);
    process->space = host_space_new();
    sim_process_total++;
    return process;
}

void sim_process_drop(struct sim_process *process)
{
    while (process->held)
        held_drop(&process->held);
    host_space_free(process->space);
    if (loaded == process)
        loaded = NULL;
    free(process->state);
    free(process->descriptors);
    free(process);
    sim_process_total--;
}

void sim_process_inherit(struct sim_process *child, struct sim_thread *parent,
                     struct sim_thread *thread)
{
    process_save(parent->process);
    bytes_copy(child->state, parent->process->state, STATE_SIZE);
    child->descriptor_bytes = child->descriptor_room = parent->process->descriptor_bytes;
    child->descriptors = malloc(child->descriptor_bytes + 1);
    memcpy(child->descriptors, parent->process->descriptors, child->descriptor_bytes);
    struct private_held **link = &child->held;
    for (struct private_held *held = parent->process->held; held; held = held->next) {
        struct private_held *copy = calloc(1, sizeof(*copy));
        held->memory->holders++;
        private_total += held->memory->bytes;
        copy->memory = held->memory;
        held_save(copy);
        *link = copy;
        link = &copy->next;
    }
    struct ar_ipc_buffer *ipc = thread->posix->ipc;
    *thread->posix = *parent->posix;
    thread->posix->self = thread->posix;
    thread->posix->ipc = ipc;
}

/* ---- what libposix asks (machine.h, host.h) -------------------------------------------------- */

struct posix_thread *posix_host_area(uint64_t area)
{
    return loaded->threads[area]->posix;
}

struct ar_ipc_buffer *area_ipc(uint64_t area)
{
    return loaded->threads[area]->caller.buffer;
}

long posix_host_map(uint64_t length, uint64_t protection)
{
    void *at = mmap(NULL, length, (int)protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? -LINUX_ENOMEM : (long)at;
}

long posix_host_unmap(uint64_t address, uint64_t length)
{
    return munmap((void *)address, length) ? -LINUX_EINVAL : 0;
}

long posix_host_protect(uint64_t address, uint64_t length, uint64_t protection)
{
    return mprotect((void *)address, length, (int)protection) ? -LINUX_EINVAL : 0;
}
