/* Frames by reference count, and objects made of them. SPDX-License-Identifier: MIT */
#include "space.h"
#include <ipc/memory.h>
#include <string.h>

uint32_t frame_take(struct space *space)
{
    struct frames *frames = space->frames;
    uint32_t frame = space->machine->frame_create(space->context);
    if (!frame)
        return 0;
    if (frame >= frames->capacity) {
        uint32_t capacity = frames->capacity ? frames->capacity : 1024;
        while (capacity <= frame)
            capacity *= 2;
        uint32_t *grown = mem_resize(frames->references, capacity * sizeof(*grown));
        if (!grown) {
            space->machine->frame_destroy(space->context, frame);
            return 0;
        }
        memset(grown + frames->capacity, 0, (capacity - frames->capacity) * sizeof(*grown));
        frames->references = grown;
        frames->capacity = capacity;
    }
    frames->references[frame] = 1;
    frames->in_use++;
    return frame;
}

void frame_reference(struct space *space, uint32_t frame)
{
    space->frames->references[frame]++;
}

void frame_release(struct space *space, uint32_t frame)
{
    if (--space->frames->references[frame] > 0)
        return;
    space->frames->in_use--;
    space->machine->frame_destroy(space->context, frame);
}

struct object *object_create(uint32_t pages)
{
    struct object *object = mem_alloc(sizeof(*object) + (size_t)pages * sizeof(uint32_t));
    if (object) {
        object->references = 1;
        object->pages = pages;
    }
    return object;
}

void object_release(struct space *space, struct object *object)
{
    if (!object || --object->references > 0)
        return;
    for (uint32_t i = 0; i < object->pages; i++)
        if (object->frames[i])
            frame_release(space, object->frames[i]);
    mem_free(object);
}
