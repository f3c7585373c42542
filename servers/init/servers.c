/*
 * Creating and starting the servers. SPDX-License-Identifier: MIT
 *
 * In three rounds, because servers hold capabilities to each other: first every server's own
 * objects, then what the manifest grants, then the starts, highest priority first.
 */
#include "init.h"

#include <ipc/credentials.h>
#include <ipc/signal_ring.h>
#include <ipc/kernel.h>
#include <ipc/server.h>
#include <posix_abi.h>
#include <string.h>

#define STACK_SIZE 0x40000ull
#define LEAF_BATCH 64u
#define RFLAGS_USER 0x202u

struct server_state servers[MANIFEST_SERVERS_MAX];
unsigned server_count;

struct server_state *server_named(const char *name)
{
    for (unsigned i = 0; i < server_count; i++)
        if (strncmp(servers[i].manifest->name, name, sizeof(servers[i].manifest->name)) == 0)
            return &servers[i];
    init_fail("the manifest has no server '%s'", name);
}

static void manifest_read(void)
{
    init_step("init", "reading the manifest");
    size_t size;
    const struct manifest *manifest = bundle_open("manifest", &size);
    if (!manifest)
        init_fail("the bundle has no manifest");
    if (size < sizeof(*manifest) || memcmp(manifest->magic, MANIFEST_MAGIC, 8) ||
        manifest->version != MANIFEST_VERSION ||
        manifest->server_size != sizeof(struct manifest_server) ||
        manifest->server_count > MANIFEST_SERVERS_MAX ||
        size != sizeof(*manifest) + manifest->server_count * sizeof(struct manifest_server))
        init_fail("the manifest is not of this build");
    server_count = manifest->server_count;
    for (unsigned i = 0; i < server_count; i++) {
        servers[i].manifest = &manifest->servers[i];
        for (unsigned grant = 0; grant < manifest->servers[i].grant_count; grant++)
            if (grant >= MANIFEST_GRANTS_MAX ||
                manifest->servers[i].grants[grant].server >= server_count)
                init_fail("a grant of '%s' is out of range", manifest->servers[i].name);
    }
}

/* Two levels, all leaves present. The leaves pass through a few slots of ours, which are empty
 * again afterwards. */
static ar_cap cspace_make(unsigned slots)
{
    static ar_cap leaves;
    unsigned leaf_count = slots / AR_LEAF_SLOTS, bits = 1;
    if (!leaves)
        leaves = slots_take(LEAF_BATCH);
    while ((1u << bits) < leaf_count)
        bits++;
    ar_cap root = object_make(AR_CNODE, bits, 1);
    for (unsigned done = 0; done < leaf_count;) {
        unsigned batch = leaf_count - done < LEAF_BATCH ? leaf_count - done : LEAF_BATCH;
        object_make_at(AR_CNODE, AR_LEAF_BITS, leaves, batch);
        for (unsigned i = 0; i < batch; i++, done++)
            init_check(ar_invoke4(root, AR_CNODE_SET_LEAF, done, leaves + i, 0, 0), "place a leaf");
    }
    return root;
}

/* What the manifest says, or less on a machine with little memory. */
static uint64_t heap_size(const struct manifest_server *manifest)
{
    uint64_t most = memory_total() / 100 * manifest->heap_percent / LARGE_PAGE * LARGE_PAGE;
    return manifest->heap_percent && most < manifest->heap ? most : manifest->heap;
}

/* Slots and Untyped shrink with the heap, for what they are needed for does. */
static uint64_t shrunk(const struct manifest_server *manifest, uint64_t amount)
{
    return manifest->heap ? amount * (heap_size(manifest) / LARGE_PAGE) / (manifest->heap / LARGE_PAGE)
                          : amount;
}

static unsigned slot_count(const struct manifest_server *manifest)
{
    return ((unsigned)shrunk(manifest, manifest->slots) + AR_LEAF_SLOTS - 1) / AR_LEAF_SLOTS *
           AR_LEAF_SLOTS;
}

unsigned server_untyped_bits(const struct manifest_server *manifest)
{
    unsigned bits = 12;
    while ((2ull << bits) <= shrunk(manifest, manifest->untyped))
        bits++;
    return bits;
}

static void memory_map(const struct server_state *server)
{
    ar_cap stack = object_make(AR_FRAME, 12, STACK_SIZE / PAGE);
    for (uint64_t page = 0; page < STACK_SIZE / PAGE; page++)
        frame_map(server->vspace, stack + (ar_cap)page, SERVER_STACK_TOP - STACK_SIZE + page * PAGE,
                  AR_READ | AR_WRITE);
    unsigned heap_frames = (unsigned)(heap_size(server->manifest) / LARGE_PAGE);
    ar_cap heap = object_make(AR_FRAME, 21, heap_frames);
    for (unsigned i = 0; i < heap_frames; i++)
        frame_map(server->vspace, heap + i, SERVER_HEAP_ADDRESS + i * LARGE_PAGE,
                  AR_READ | AR_WRITE);
    frame_map(server->vspace, server->ipc_frame, SERVER_IPC_ADDRESS, AR_READ | AR_WRITE);
}

static void thread_make(struct server_state *server, unsigned index, ar_cap fault_endpoint)
{
    ar_cap fault_gate = gate_make(fault_endpoint, index);
    ((struct ar_ipc_buffer *)INIT_IPC_ADDRESS)->words[4] = fault_gate;
    struct ar_message m = {
        .badge = server->tcb,
        .info = AR_INFO(AR_TCB_CONFIGURE, 5, 0, 0, 0),
        .words = {server->root, server->vspace, server->ipc_frame, SERVER_IPC_ADDRESS}};
    init_check(ar_syscall(AR_SYS_INVOKE, &m, 0, 0), "configure the thread");
    init_check(ar_invoke4(server->tcb, AR_TCB_SET_PRIORITY, server->manifest->priority, 0, 0, 0),
               "set the priority");
    init_check(ar_invoke4(server->tcb, AR_TCB_SET_VECTOR, 0, 0, 0, 0), "take vector registers");
    init_check(ar_invoke4(server->tcb, AR_TCB_BIND_NOTIFICATION, server->notification, 0, 0, 0),
               "bind the notification");
    uint64_t name[2];
    memcpy(name, server->manifest->name, sizeof(name));
    init_check(ar_invoke4(server->tcb, AR_TCB_SET_NAME, name[0], name[1], 0, 0), "name the thread");
}

static void server_create(struct server_state *server, unsigned index, ar_cap fault_endpoint)
{
    const char *name = server->manifest->name;
    init_step(name, "making its objects");
    server->vspace = object_make(AR_VSPACE, 0, 1);
    server->tcb = object_make(AR_TCB, 0, 1);
    server->endpoint = object_make(AR_ENDPOINT, 0, 1);
    server->notification = object_make(AR_NOTIFICATION, 0, 1);
    server->ipc_frame = object_make(AR_FRAME, 12, 1);
    server->info_frame = object_make(AR_FRAME, 12, 1);
    init_check(
        ar_invoke4(server->endpoint, AR_ENDPOINT_SET_ISSUER, server->manifest->issuer, 0, 0, 0),
        "set the issuer");
    server->privileged = gate_make(server->endpoint, BADGE_PRIVILEGED);
    init_step(name, "making its capability space");
    server->root = cspace_make(slot_count(server->manifest));
    init_step(name, "mapping its memory");
    memory_map(server);
    thread_make(server, index, fault_endpoint);

    init_step(name, "loading its program");
    size_t size;
    const void *image = bundle_open(name, &size);
    if (!image)
        init_fail("the bundle has no program '%s'", name);
    server->entry = elf_load(image, size, server->vspace);

    init_step(name, "mapping its blob");
    struct blob blob;
    if (server->manifest->blob[0]) {
        if (!bundle_find(server->manifest->blob, &blob))
            init_fail("the bundle has no blob '%s'", server->manifest->blob);
        server->blob_address = blob_map(&blob, server->vspace, SERVER_BLOB_ADDRESS);
        server->blob_size = blob.size;
    }
}

static void credentials_map(void)
{
    init_step("init", "mapping the credentials table");
    ar_cap frame = object_make(AR_FRAME, 21, 1);
    for (unsigned i = 0; i < server_count; i++) {
        uint32_t mode = servers[i].manifest->credentials;
        if (mode != MANIFEST_CREDENTIALS_NONE)
            frame_map_shared(servers[i].vspace, frame, CREDENTIALS_ADDRESS,
                             mode == MANIFEST_CREDENTIALS_WRITE ? AR_READ | AR_WRITE : AR_READ);
    }
}

static void signal_ring_map(void)
{
    init_step("init", "mapping the ring of signals");
    ar_cap frame = object_make(AR_FRAME, 12, 1);
    for (unsigned i = 0; i < server_count; i++)
        if (servers[i].manifest->signal_ring)
            frame_map_shared(servers[i].vspace, frame, SIGNAL_RING_ADDRESS, AR_READ | AR_WRITE);
}

static void info_write(const struct server_state *server, const struct ar_boot_info *boot,
                       uint64_t boot_seconds)
{
    struct server_info *info = window_open(server->info_frame);
    memcpy(info->name, server->manifest->name, sizeof(info->name));
    info->heap_size = heap_size(server->manifest);
    info->blob_size = server->blob_size;
    info->slot_count = slot_count(server->manifest);
    info->boot_seconds = boot_seconds;
    info->tsc_per_us = boot->tsc_per_us;
    memcpy(info->command_line, boot->command_line, sizeof(info->command_line));
    info->blob_address = server->blob_address;
    info->untyped_count = server->untyped_count;
    window_close(server->info_frame);
    frame_map(server->vspace, server->info_frame, SERVER_INFO_ADDRESS, AR_READ);
}

static void server_start(const struct server_state *server)
{
    init_step(server->manifest->name, "starting it");
    struct ar_regs regs = {.rip = server->entry, .rsp = SERVER_STACK_TOP, .rflags = RFLAGS_USER,
                           .rdi = SERVER_INFO_ADDRESS};
    uint64_t words[AR_REGS_WORDS];
    memcpy(words, &regs, sizeof(words));
    memcpy(((struct ar_ipc_buffer *)INIT_IPC_ADDRESS)->words, words, sizeof(words));
    struct ar_message m = {.badge = server->tcb,
                           .info = AR_INFO(AR_TCB_WRITE_REGS, AR_REGS_WORDS, 0, 0, 0),
                           .words = {words[0], words[1], words[2], words[3]}};
    init_check(ar_syscall(AR_SYS_INVOKE, &m, 0, 0), "set the registers");
    init_check(ar_invoke4(server->tcb, AR_TCB_RESUME, 0, 0, 0, 0), "resume the thread");
}

void servers_start(const struct ar_boot_info *boot, uint64_t boot_seconds, ar_cap fault_endpoint)
{
    manifest_read();
    for (unsigned i = 0; i < server_count; i++)
        server_create(&servers[i], i, fault_endpoint);
    credentials_map();
    signal_ring_map();
    for (unsigned i = 0; i < server_count; i++)
        server_grant(&servers[i]);
    for (unsigned i = 0; i < server_count; i++)
        server_grant_rest(&servers[i]);
    /* Needs no more memory: the page tables below SERVER_STACK_TOP are there since the stack was
     * mapped. */
    for (unsigned i = 0; i < server_count; i++)
        info_write(&servers[i], boot, boot_seconds);
    for (int priority = AR_PRIORITY_MAX; priority >= 0; priority--)
        for (unsigned i = 0; i < server_count; i++)
            if (servers[i].manifest->priority == (uint32_t)priority)
                server_start(&servers[i]);
    init_step("init", "running the first program");
}
