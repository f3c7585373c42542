/* Kernel objects for processes: cells, frames, notifications. SPDX-License-Identifier: MIT */
#include "objects.h"
#include <ipc/kernel.h>
#include <ipc/memory.h>

#define FRAME_BATCH AR_RETYPE_MAX
#define CELL_BITS_LOW 12u
#define CELL_KINDS 2u /* 4 KiB and 8 KiB */

struct stack { /* of slots */
    ar_cap *items;
    uint32_t count, capacity;
};

struct frame {
    ar_cap slot;
    uint32_t next_free : 31, mapped : 1;
};

static ar_cap untypeds[65];
static unsigned untyped_count, untyped_current;
static uint64_t total_pages, carved_pages, frames_free, table_count;
static struct stack cells[CELL_KINDS], notifications;
static struct frame *frames;
static uint32_t frame_count, frame_capacity, frame_first_free;

void kernel_must(enum ar_error error, const char *what)
{
    if (error)
        server_panic("%s: %s (%d)", what, ar_error_text(error), (int)error);
}

/* Room for one more is reserved when the item is first made, so that giving it back cannot fail. */
static bool stack_reserve(struct stack *stack, uint32_t capacity)
{
    if (capacity <= stack->capacity)
        return true;
    uint32_t wanted = stack->capacity ? stack->capacity * 2 : 256;
    ar_cap *grown = mem_resize(stack->items, wanted * sizeof(*grown));
    if (!grown)
        return false;
    stack->items = grown;
    stack->capacity = wanted;
    return true;
}

static void untyped_add(ar_cap slot)
{
    struct ar_message m;
    if (ar_invoke(slot, AR_UNTYPED_INFO, 0, 0, 0, 0, 0, &m) != AR_OK || m.words[3])
        return;
    untypeds[untyped_count++] = slot;
    total_pages += ((1ull << m.words[1]) - m.words[2]) / PAGE_SIZE;
}

void objects_start(void)
{
    untyped_add(SERVER_SLOT_UNTYPED);
    for (unsigned i = 0; i < server_info()->untyped_count && untyped_count < 65; i++)
        untyped_add(SERVER_SLOT_UNTYPED_EXTRA + i);
    if (untyped_count == 0)
        server_panic("no memory was granted");
}

/* `count` objects of the same size into consecutive slots, from whichever Untyped has room. */
static bool carve(enum ar_type type, unsigned bits, ar_cap first, unsigned count)
{
    for (unsigned i = 0; i < untyped_count; i++) {
        unsigned index = (untyped_current + i) % untyped_count;
        if (ar_retype(untypeds[index], type, bits, first, count) == AR_OK) {
            untyped_current = index;
            carved_pages += (uint64_t)count << (bits - 12);
            return true;
        }
    }
    return false;
}

static uint32_t cells_made[CELL_KINDS];

static ar_cap cell_take(unsigned bits)
{
    struct stack *pool = &cells[bits - CELL_BITS_LOW];
    if (pool->count)
        return pool->items[--pool->count];
    if (!stack_reserve(pool, cells_made[bits - CELL_BITS_LOW] + 1))
        return 0;
    ar_cap slot = server_slot_alloc();
    if (!slot)
        return 0;
    if (!carve(AR_UNTYPED, bits, slot, 1)) {
        server_slot_free(slot);
        return 0;
    }
    cells_made[bits - CELL_BITS_LOW]++;
    return slot;
}

bool object_make(struct cell_object *object, enum ar_type type, unsigned size_bits,
                 unsigned cell_bits)
{
    *object = (struct cell_object){.bits = cell_bits};
    ar_cap slot = server_slot_alloc();
    if (!slot)
        return false;
    object->cell = cell_take(cell_bits);
    if (!object->cell) {
        server_slot_free(slot);
        return false;
    }
    if (ar_retype(object->cell, type, size_bits, slot, 1) == AR_OK) {
        object->object = slot;
        return true;
    }
    server_slot_free(slot); /* the kernel may be out of something else: address-space numbers */
    object_drop(object);
    return false;
}

void object_drop(struct cell_object *object)
{
    if (!object->cell)
        return;
    kernel_must(ar_invoke4(AR_CAP_SELF, AR_CNODE_REVOKE, object->cell, 0, 0, 0),
                "revoke of a cell");
    if (object->object)
        server_slot_free(object->object);
    struct stack *pool = &cells[object->bits - CELL_BITS_LOW];
    pool->items[pool->count++] = object->cell;
    object->cell = object->object = 0;
}

/* ---- frames ---- */

static bool frames_reserve(uint32_t count)
{
    if (count <= frame_capacity)
        return true;
    uint32_t wanted = frame_capacity ? frame_capacity * 2 : 4096;
    struct frame *grown = mem_resize(frames, wanted * sizeof(*grown));
    if (!grown)
        return false;
    frames = grown;
    frame_capacity = wanted;
    return true;
}

static void frame_add(ar_cap slot)
{
    frames[++frame_count] = (struct frame){.slot = slot, .next_free = frame_first_free};
    frame_first_free = frame_count;
    frames_free++;
}

/* A run of consecutive free slots becomes frames; one by one when a batch does not fit any
 * Untyped. */
static void frames_carve(ar_cap first, unsigned count)
{
    if (carve(AR_FRAME, 12, first, count)) {
        for (unsigned i = 0; i < count; i++)
            frame_add(first + i);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        if (carve(AR_FRAME, 12, first + i, 1))
            frame_add(first + i);
        else
            server_slot_free(first + i);
    }
}

static void frames_refill(void)
{
    ar_cap slots[FRAME_BATCH];
    unsigned count = 0;
    if (!frames_reserve(frame_count + FRAME_BATCH + 1))
        return;
    while (count < FRAME_BATCH && (slots[count] = server_slot_alloc()))
        count++;
    for (unsigned at = 0, end; at < count; at = end) {
        for (end = at + 1; end < count && slots[end] == slots[end - 1] + 1; end++)
            ;
        frames_carve(slots[at], end - at);
    }
}

uint32_t frame_get(void)
{
    if (!frame_first_free)
        frames_refill();
    uint32_t frame = frame_first_free;
    if (frame) {
        frame_first_free = frames[frame].next_free;
        frames_free--;
    }
    return frame;
}

void frame_put(uint32_t frame)
{
    frames[frame].next_free = frame_first_free & 0x7fffffff;
    frame_first_free = frame;
    frames_free++;
}

ar_cap frame_slot(uint32_t frame)
{
    return frames[frame].slot;
}

bool frame_mapped(uint32_t frame)
{
    return frames[frame].mapped;
}

void frame_set_mapped(uint32_t frame, bool mapped)
{
    frames[frame].mapped = mapped;
}

/* ---- notifications ---- */

static uint32_t notifications_made;

ar_cap notification_get(void)
{
    if (notifications.count)
        return notifications.items[--notifications.count];
    if (!stack_reserve(&notifications, notifications_made + 1))
        return 0;
    ar_cap slot = server_retype(AR_NOTIFICATION, 0);
    notifications_made += slot != 0;
    return slot;
}

/* Servers lose their copies here, so no late wake-up reaches the next owner. */
void notification_put(ar_cap notification)
{
    uint64_t bits;
    kernel_must(ar_invoke4(AR_CAP_SELF, AR_CNODE_REVOKE, notification, 0, 0, 0),
                "revoke of a notification");
    ar_wait(notification, 0, &bits);
    notifications.items[notifications.count++] = notification;
}

/* ---- counts ---- */

void objects_count_tables(int change)
{
    table_count += (uint64_t)(int64_t)change;
}

/* Slots of objects that were made once and are kept for re-use, in use or not: their number only
 * grows. */
static uint32_t slots_kept(void)
{
    return frame_count + cells_made[0] + cells_made[1] + notifications_made;
}

void objects_counts(struct machine_counts *counts)
{
    counts->slots = server_slots_in_use() - slots_kept();
    counts->frames = frame_count - frames_free;
    counts->tables = table_count;
    counts->memory_total = total_pages;
    counts->memory_free = total_pages - carved_pages + frames_free;
    for (unsigned kind = 0; kind < CELL_KINDS; kind++)
        counts->memory_free += (uint64_t)cells[kind].count << kind;
}

/* ---- handles ---- */

uint32_t handle_new(struct handles *handles, size_t bytes)
{
    uint32_t handle = handles->hint ? handles->hint : 1;
    while (handle < handles->capacity && handles->items[handle])
        handle++;
    if (handle >= handles->capacity) {
        uint32_t wanted = handles->capacity ? handles->capacity * 2 : 64;
        void **grown = mem_resize(handles->items, wanted * sizeof(void *));
        if (!grown)
            return 0;
        for (uint32_t i = handles->capacity; i < wanted; i++)
            grown[i] = NULL;
        handles->items = grown;
        handles->capacity = wanted;
    }
    handles->items[handle] = mem_alloc(bytes);
    if (!handles->items[handle])
        return 0;
    handles->hint = handle + 1;
    return handle;
}

void handle_free(struct handles *handles, uint32_t handle)
{
    mem_free(handles->items[handle]);
    handles->items[handle] = NULL;
    if (handle < handles->hint)
        handles->hint = handle;
}
