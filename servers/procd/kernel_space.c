/* Address spaces by kernel invocations. SPDX-License-Identifier: MIT */
#include "objects.h"
#include <ipc/kernel.h>
#include <ipc/memory.h>

#define TABLE_LEVELS 3u

struct kernel_space {
    struct cell_object root;
    struct cell_object *tables;
    unsigned table_count, table_capacity;
};

static struct handles spaces;

ar_cap kernel_space_cap(uint32_t space)
{
    return ((struct kernel_space *)handle_get(&spaces, space))->root.object;
}

uint32_t kernel_space_create(void *machine)
{
    (void)machine;
    uint32_t handle = handle_new(&spaces, sizeof(struct kernel_space));
    struct kernel_space *space = handle ? handle_get(&spaces, handle) : NULL;
    if (!space)
        return 0;
    if (object_make(&space->root, AR_VSPACE, 0, AR_TABLE_BITS)) {
        objects_count_tables(+1);
        return handle;
    }
    handle_free(&spaces, handle);
    return 0;
}

void kernel_space_destroy(void *machine, uint32_t handle)
{
    (void)machine;
    struct kernel_space *space = handle_get(&spaces, handle);
    objects_count_tables(-(int)space->table_count - 1);
    object_drop(&space->root); /* first: then no table is in use */
    while (space->table_count)
        object_drop(&space->tables[--space->table_count]);
    mem_free(space->tables);
    handle_free(&spaces, handle);
}

static bool table_add(struct kernel_space *space, uint64_t address)
{
    if (space->table_count == space->table_capacity) {
        unsigned wanted = space->table_capacity ? space->table_capacity * 2 : 16;
        struct cell_object *grown = mem_resize(space->tables, wanted * sizeof(*grown));
        if (!grown)
            return false;
        space->tables = grown;
        space->table_capacity = wanted;
    }
    struct cell_object *table = &space->tables[space->table_count];
    if (!object_make(table, AR_TABLE, 0, AR_TABLE_BITS))
        return false;
    kernel_must(ar_invoke4(space->root.object, AR_VSPACE_MAP_TABLE, table->object, address, 0, 0),
                "map a table");
    space->table_count++;
    objects_count_tables(+1);
    return true;
}

uint32_t kernel_page_map(void *machine, uint32_t handle, uint64_t address, uint32_t frame,
                         unsigned rights)
{
    (void)machine;
    struct kernel_space *space = handle_get(&spaces, handle);
    ar_cap cap = frame_slot(frame);
    bool own = !frame_mapped(frame);
    if (!own) {
        cap = server_slot_alloc();
        if (!cap)
            return 0;
        kernel_must(ar_cap_copy(AR_CAP_SELF, cap, AR_CAP_SELF, frame_slot(frame), AR_ALL),
                    "copy a frame capability");
    }
    enum ar_error error = AR_ERR_NO_TABLE;
    for (unsigned tables = 0; tables <= TABLE_LEVELS && error == AR_ERR_NO_TABLE; tables++) {
        error = ar_invoke4(cap, AR_FRAME_MAP, space->root.object, address, rights, 0);
        if (error == AR_ERR_NO_TABLE && !table_add(space, address))
            break;
    }
    if (error == AR_OK) {
        if (own)
            frame_set_mapped(frame, true);
        return cap;
    }
    if (error != AR_ERR_NO_TABLE)
        kernel_must(error, "map a frame");
    if (!own)
        server_slot_delete(cap);
    return 0;
}

void kernel_page_protect(void *machine, uint32_t handle, uint64_t address, uint32_t mapping,
                         unsigned rights)
{
    (void)machine;
    kernel_must(ar_invoke4(mapping, AR_FRAME_MAP, kernel_space_cap(handle), address, rights, 0),
                "change a mapping");
}

void kernel_page_unmap(void *machine, uint32_t frame, uint32_t mapping)
{
    (void)machine;
    if (mapping != frame_slot(frame)) {
        server_slot_delete(mapping);
        return;
    }
    kernel_must(ar_invoke4(mapping, AR_FRAME_UNMAP, 0, 0, 0, 0), "unmap a frame");
    frame_set_mapped(frame, false);
}
