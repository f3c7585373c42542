/* Capability spaces of processes by kernel invocations. SPDX-License-Identifier: MIT */
#include "objects.h"
#include <ipc/kernel.h>
#include <ipc/memory.h>
#include <posix_abi.h>

#define NODE_SLOT_BITS 8u
#define NODE_CELL_BITS 13u /* 256 slots of AR_SLOT_SIZE bytes */
#define LEAVES_MAX 256u
_Static_assert(1u << NODE_CELL_BITS == AR_LEAF_SLOTS * AR_SLOT_SIZE, "a node fills its cell");

struct kernel_slots {
    struct cell_object root;
    unsigned leaf_count, leaf_capacity;
    struct cell_object *leaves;
    uint64_t present[LEAVES_MAX / 64];
};

static struct handles spaces;
static uint64_t node_count;

ar_cap kernel_slots_cap(uint32_t slots)
{
    return ((struct kernel_slots *)handle_get(&spaces, slots))->root.object;
}

uint64_t kernel_slots_nodes(void)
{
    return node_count;
}

static bool leaf_present(const struct kernel_slots *slots, uint32_t leaf)
{
    return slots->present[leaf / 64] >> leaf % 64 & 1;
}

bool kernel_slots_grow(void *machine, uint32_t handle, uint32_t slot)
{
    (void)machine;
    struct kernel_slots *slots = handle_get(&spaces, handle);
    uint32_t leaf = slot >> AR_LEAF_BITS;
    if (leaf >= LEAVES_MAX)
        return false;
    if (leaf_present(slots, leaf))
        return true;
    if (slots->leaf_count == slots->leaf_capacity) {
        unsigned wanted = slots->leaf_capacity ? slots->leaf_capacity * 2 : 4;
        struct cell_object *grown = mem_resize(slots->leaves, wanted * sizeof(*grown));
        if (!grown)
            return false;
        slots->leaves = grown;
        slots->leaf_capacity = wanted;
    }
    struct cell_object *node = &slots->leaves[slots->leaf_count];
    if (!object_make(node, AR_CNODE, NODE_SLOT_BITS, NODE_CELL_BITS))
        return false;
    kernel_must(ar_invoke4(slots->root.object, AR_CNODE_SET_LEAF, leaf, node->object, 0, 0),
                "set a leaf");
    server_slot_free(node->object); /* it moved in */
    node->object = 0;
    slots->leaf_count++;
    slots->present[leaf / 64] |= 1ull << leaf % 64;
    node_count++;
    return true;
}

uint32_t kernel_slots_create(void *machine)
{
    uint32_t handle = handle_new(&spaces, sizeof(struct kernel_slots));
    struct kernel_slots *slots = handle ? handle_get(&spaces, handle) : NULL;
    if (!slots)
        return 0;
    if (!object_make(&slots->root, AR_CNODE, NODE_SLOT_BITS, NODE_CELL_BITS)) {
        handle_free(&spaces, handle);
        return 0;
    }
    node_count++;
    if (kernel_slots_grow(machine, handle, 0) && kernel_slots_grow(machine, handle, POSIX_SLOT_FD))
        return handle;
    kernel_slots_destroy(machine, handle);
    return 0;
}

/* Leaf by leaf, so that one invocation has at most 256 capabilities to delete. */
void kernel_slots_destroy(void *machine, uint32_t handle)
{
    (void)machine;
    struct kernel_slots *slots = handle_get(&spaces, handle);
    node_count -= slots->leaf_count + 1;
    while (slots->leaf_count)
        object_drop(&slots->leaves[--slots->leaf_count]);
    object_drop(&slots->root);
    mem_free(slots->leaves);
    handle_free(&spaces, handle);
}

bool kernel_slots_copy(void *machine, uint32_t to, uint32_t from, uint32_t first, uint32_t count)
{
    const struct kernel_slots *source = handle_get(&spaces, from);
    uint32_t end = first + count;
    while (first < end) {
        uint32_t next = ((first >> AR_LEAF_BITS) + 1) << AR_LEAF_BITS;
        if (next > end)
            next = end;
        if (leaf_present(source, first >> AR_LEAF_BITS)) {
            if (!kernel_slots_grow(machine, to, first))
                return false;
            kernel_must(ar_invoke4(kernel_slots_cap(to), AR_CNODE_COPY_RANGE, first,
                                   source->root.object, first, next - first),
                        "copy capabilities");
        }
        first = next;
    }
    return true;
}

bool kernel_slots_place_gates(void *machine, uint32_t handle, uint64_t badge)
{
    static const struct { ar_cap from, to; } roots[] = {
        {SERVER_SLOT_ROOT_FILED, POSIX_SLOT_FILED}, {SERVER_SLOT_ROOT_SOCKD, POSIX_SLOT_SOCKD},
        {SERVER_SLOT_ROOT_CONSOLED, POSIX_SLOT_CONSOLED},
    };
    (void)machine;
    ar_cap root = kernel_slots_cap(handle), gate = server_gate(badge);
    if (!gate)
        return false;
    kernel_must(ar_cap_copy(root, POSIX_SLOT_PROCD, AR_CAP_SELF, gate, AR_SEND),
                "place the process gate");
    for (unsigned i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        enum ar_error error = ar_cap_copy(root, roots[i].to, AR_CAP_SELF, roots[i].from, AR_SEND);
        if (error != AR_ERR_EMPTY) /* a server that the manifest does not give us */
            kernel_must(error, "place a root gate");
    }
    return true;
}

bool kernel_slots_move_in(void *machine, uint32_t handle, uint32_t slot, uint64_t own)
{
    (void)machine;
    if (ar_cap_move(kernel_slots_cap(handle), slot, AR_CAP_SELF, (ar_cap)own) != AR_OK)
        return false;
    server_slot_free((ar_cap)own);
    return true;
}

void kernel_slots_empty(void *machine, uint32_t handle, uint32_t first, uint32_t count)
{
    (void)machine;
    const struct kernel_slots *slots = handle_get(&spaces, handle);
    for (uint32_t slot = first; slot < first + count; slot++)
        if (leaf_present(slots, slot >> AR_LEAF_BITS))
            kernel_must(ar_invoke4(slots->root.object, AR_CNODE_DELETE, slot, 0, 0, 0),
                        "empty a slot");
}

bool kernel_slots_used(void *machine, uint32_t handle, uint32_t slot)
{
    (void)machine;
    const struct kernel_slots *slots = handle_get(&spaces, handle);
    struct ar_message m;
    return slot >> AR_LEAF_BITS < LEAVES_MAX && leaf_present(slots, slot >> AR_LEAF_BITS) &&
           ar_invoke(slots->root.object, AR_CNODE_INSPECT, slot, 0, 0, 0, 1, &m) == AR_OK &&
           m.words[0] != AR_NULL;
}
