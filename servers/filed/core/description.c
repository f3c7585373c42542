/* Open file descriptions, and the badges that name them and the sessions.
 * SPDX-License-Identifier: MIT */
#include "filed.h"
#include <string.h>

#define BADGES_FIRST 64u

static bool badges_grow(struct filed *filed)
{
    uint32_t room = filed->badge_room ? filed->badge_room * 2 : BADGES_FIRST;
    struct badge *badges = mem_resize(filed->badges, room * sizeof(*badges));
    if (!badges)
        return false;
    for (uint32_t i = filed->badge_room; i < room; i++)
        badges[i] = (struct badge){.kind = BADGE_FREE, .next_free = i + 1 < room ? i + 2 : 0};
    filed->badge_free = filed->badge_room + 1;
    filed->badges = badges;
    filed->badge_room = room;
    return true;
}

uint64_t badge_alloc(struct filed *filed)
{
    if (!filed->badge_free && !badges_grow(filed))
        return 0;
    uint32_t index = filed->badge_free - 1;
    filed->badge_free = filed->badges[index].next_free;
    filed->badges[index] = (struct badge){.kind = BADGE_SESSION};
    return BADGE_OBJECTS + index;
}

void badge_free(struct filed *filed, uint64_t badge)
{
    uint32_t index = (uint32_t)(badge - BADGE_OBJECTS);
    filed->badges[index] = (struct badge){.kind = BADGE_FREE, .next_free = filed->badge_free};
    filed->badge_free = index + 1;
}

/* A process that opens without closing is stopped here even when its libposix keeps no limit. */
static enum status description_room(const struct filed *filed, uint32_t process)
{
    if (filed->description_count >= FILED_DESCRIPTIONS_MAX)
        return ST_NFILE;
    uint64_t most = filed->config.credentials[process].nofile;
    return filed->charged[process] >= most + FILED_DESCRIPTIONS_SLACK ? ST_MFILE : ST_OK;
}

enum status description_create(struct filed *filed, const struct ipc_call *call, struct node *node,
                               struct entry *entry, uint32_t flags, struct description **made)
{
    uint32_t process = PRINCIPAL_PROCESS(call->principal) % CREDENTIALS_MAX;
    enum status status = description_room(filed, process);
    if (status)
        return status;
    struct description *description = mem_alloc(sizeof(*description));
    uint64_t badge = description ? badge_alloc(filed) : 0;
    if (!badge) {
        mem_free(description);
        return ST_NOMEM;
    }
    filed->badges[badge - BADGE_OBJECTS] =
        (struct badge){.kind = BADGE_DESCRIPTION, .description = description};
    description->badge = badge;
    description->node = node;
    description->entry = entry;
    description->flags = flags & ~(uint32_t)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
    description->process = process;
    node->uses++;
    if (entry)
        entry->uses++;
    filed->charged[process]++;
    filed->description_count++;
    *made = description;
    return ST_OK;
}

struct description *description_find(const struct filed *filed, uint64_t badge)
{
    if (badge < BADGE_OBJECTS || badge - BADGE_OBJECTS >= filed->badge_room)
        return NULL;
    const struct badge *b = &filed->badges[badge - BADGE_OBJECTS];
    return b->kind == BADGE_DESCRIPTION ? b->description : NULL;
}

void description_close(struct filed *filed, struct description *description)
{
    struct node *node = description->node;
    lock_description_closed(filed, description);
    if (S_ISFIFO(node->mode) && !(description->flags & O_PATH))
        fifo_closed(filed, description);
    filed->charged[description->process]--;
    filed->description_count--;
    badge_free(filed, description->badge);
    entry_release(filed, description->entry);
    mem_free(description);
    node->uses--;
    node_release(filed, node);
}

bool description_reads(const struct description *description)
{
    unsigned mode = description->flags & O_ACCMODE;
    return !(description->flags & O_PATH) && (mode == O_RDONLY || mode == O_RDWR);
}

bool description_writes(const struct description *description)
{
    unsigned mode = description->flags & O_ACCMODE;
    return !(description->flags & O_PATH) && (mode == O_WRONLY || mode == O_RDWR);
}
