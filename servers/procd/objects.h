/*
 * Kernel objects for processes, recycled by type. Guest only. SPDX-License-Identifier: MIT
 *
 * An Untyped takes memory back only when its last child is gone, so procd never retypes a large
 * one into objects that come and go. Frames are retyped in batches and kept for ever, used again
 * after clearing. Every other object gets a cell: a child Untyped of its size, which is whole
 * again when its object goes, and then waits for the next one.
 */
#ifndef PROCD_OBJECTS_H
#define PROCD_OBJECTS_H

#include "machine.h"
#include <ipc/server.h>

struct cell_object {
    ar_cap cell;   /* the child Untyped */
    ar_cap object; /* its one object; 0 when that was moved away */
    unsigned bits; /* of the cell */
};

void objects_start(void);
/* False: out of memory or slots. `size_bits` as AR_UNTYPED_RETYPE takes it; `cell_bits`: bytes
 * the object needs. */
bool object_make(struct cell_object *object, enum ar_type type, unsigned size_bits,
                 unsigned cell_bits);
/* the object is destroyed, wherever its capability went */
void object_drop(struct cell_object *object);

/* Frames: by number, from 1. */
uint32_t frame_get(void);
void frame_put(uint32_t frame);
ar_cap frame_slot(uint32_t frame);
/* is the frame's own capability in use for a mapping? */
bool frame_mapped(uint32_t frame);
void frame_set_mapped(uint32_t frame, bool mapped);

/* Notifications: reset, nobody else has a capability. */
ar_cap notification_get(void);
void notification_put(ar_cap notification);

void objects_counts(struct machine_counts *counts); /* frames, tables, memory_total, memory_free */
void objects_count_tables(int change);

/* Handles: small numbers for structures of ours. */
struct handles {
    void **items;
    uint32_t capacity, hint;
};
/* a zeroed structure; 0: out of memory */
uint32_t handle_new(struct handles *handles, size_t bytes);
static inline void *handle_get(const struct handles *handles, uint32_t handle)
{
    return handles->items[handle];
}
void handle_free(struct handles *handles, uint32_t handle);

/* kernel_space.c, kernel_slots.c, kernel_thread.c: the parts of struct procd_machine_ops */
uint32_t kernel_space_create(void *machine);
void kernel_space_destroy(void *machine, uint32_t space);
uint32_t kernel_page_map(void *machine, uint32_t space, uint64_t address, uint32_t frame,
                         unsigned rights);
void kernel_page_protect(void *machine, uint32_t space, uint64_t address, uint32_t mapping,
                         unsigned rights);
void kernel_page_unmap(void *machine, uint32_t frame, uint32_t mapping);
ar_cap kernel_space_cap(uint32_t space);

uint32_t kernel_slots_create(void *machine);
void kernel_slots_destroy(void *machine, uint32_t slots);
bool kernel_slots_grow(void *machine, uint32_t slots, uint32_t slot);
bool kernel_slots_copy(void *machine, uint32_t to, uint32_t from, uint32_t first, uint32_t count);
bool kernel_slots_place_gates(void *machine, uint32_t slots, uint64_t badge);
bool kernel_slots_move_in(void *machine, uint32_t slots, uint32_t slot, uint64_t own);
void kernel_slots_empty(void *machine, uint32_t slots, uint32_t first, uint32_t count);
bool kernel_slots_used(void *machine, uint32_t slots, uint32_t slot);
ar_cap kernel_slots_cap(uint32_t slots);
uint64_t kernel_slots_nodes(void);

uint32_t kernel_thread_create(void *machine, const struct machine_thread_setup *setup);
void kernel_thread_destroy(void *machine, uint32_t thread);
void kernel_thread_resume(void *machine, uint32_t thread);
void kernel_thread_suspend(void *machine, uint32_t thread);
void kernel_thread_read(void *machine, uint32_t thread, struct ar_regs *regs);
void kernel_thread_write(void *machine, uint32_t thread, const struct ar_regs *regs);
void kernel_thread_info(void *machine, uint32_t thread, enum ar_thread_state *state,
                        uint64_t *cpu_ns);
void kernel_thread_signal(void *machine, uint32_t thread);
void kernel_thread_set_principal(void *machine, uint32_t thread, uint64_t principal);
void kernel_thread_set_name(void *machine, uint32_t thread, const char name[16]);
uint64_t kernel_threads_count(void);

/* An invocation on an object of ours that cannot fail on right arguments: if it does, our books
 * are wrong. */
void kernel_must(enum ar_error error, const char *what);

extern const struct procd_machine_ops kernel_machine_ops;

#endif
