/*
 * What may happen, and how much of it in one exploration. SPDX-License-Identifier: MIT
 */
#include "machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scene scene;

/* README.md says how large they are. run.py says which are tests. */
static const struct scene scenes[] = {
    {.name = "living", .deadlines = true, .suspend = true, .faults = true},
    {.name = "moving", .moving = true, .suspend = true, .faults = true},
    {.name = "priorities", .deadlines = true, .faults = true, .ladder = true},
    {.name = "death", .deadlines = true, .faults = true, .deaths = 1},
    {.name = "deaths", .faults = true, .deaths = 2},
    {.name = "all",
     .deadlines = true,
     .suspend = true,
     .moving = true,
     .faults = true},
    {.name = "all-death",
     .deadlines = true,
     .suspend = true,
     .moving = true,
     .faults = true,
     .deaths = 1},
    {.name = "moving-deaths", .moving = true, .faults = true, .deaths = 2},
};

void scene_choose(void)
{
    const char *name = getenv("MODEL_SCENE");
    for (unsigned i = 0; i < sizeof(scenes) / sizeof(*scenes); i++)
        if (name && !strcmp(name, scenes[i].name))
            scene = scenes[i];
    if (scene.name)
        return;
    fprintf(stderr, "model: MODEL_SCENE is '%s', and not one of:", name ? name : "");
    for (unsigned i = 0; i < sizeof(scenes) / sizeof(*scenes); i++)
        fprintf(stderr, " %s", scenes[i].name);
    fprintf(stderr, "\n");
    exit(2);
}

static bool there(unsigned slot) { return leaf[slot].type != AR_NULL; }

/* Objects, not copies of gates. */
static bool is_object(unsigned slot)
{
    return slot >= SLOT_THREAD && slot < SLOT_WINDOW &&
           (slot < SLOT_COPY || slot >= SLOT_COPY + GATES);
}

struct may scene_allows(void)
{
    struct may may = {.take = there(SLOT_WINDOW) && !there(SLOT_COPY + 1),
                      .expire = core.deadlines || core.dying,
                      .interrupt = there(SLOT_NOTIFICATION)};
    if (scene.moving && there(SLOT_THREAD + 1)) { /* the server */
        may.bind = there(SLOT_NOTIFICATION) && !machine.notification.bound;
        may.unbind = machine.thread[1].bound;
    }
    unsigned dead = 0;
    for (unsigned slot = 0; slot < SLOTS; slot++)
        dead += is_object(slot) && !there(slot);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        may.destroy[slot] = is_object(slot) && there(slot) && dead < scene.deaths;
    for (unsigned i = 0; i < GATES; i++) {
        may.close[i] = there(SLOT_COPY + i);
        may.original[i] = there(SLOT_GATE + i);
        may.copy[i] = !there(SLOT_COPY + i) && there(SLOT_GATE + i);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        const struct tcb *tcb = &machine.thread[i];
        bool runs = model_runs(i) && tcb->priority == core.current->priority;
        may.run[i] = runs && !history.thread[i].again;
        may.go_on[i] = runs && history.thread[i].again;
        may.cancel[i] = there(SLOT_THREAD + i) && tcb->state != AR_THREAD_READY;
        may.suspend[i] = scene.suspend && there(SLOT_THREAD + i) && !tcb->suspended;
        may.resume[i] = there(SLOT_THREAD + i) && tcb->suspended;
    }
    return may;
}
