/*
 * getdents64(2). SPDX-License-Identifier: MIT
 *
 * Newest first, as Linux's tmpfs lists: what a program prints without sorting is then the same
 * on both. Entries are linked in the order of their cookies. d_off is the cookie of the record
 * itself, and reading goes on with the highest cookie below it: so it stays right when others
 * come and go. Offsets 0 to 2 lie before ".", before ".." and before the newest.
 */
#include "filed.h"
#include <proto/io.h>
#include <string.h>

struct record { /* Linux's struct linux_dirent64 */
    uint64_t ino;
    int64_t next;
    uint16_t length;
    uint8_t type;
    char name[];
};
_Static_assert(offsetof(struct record, name) == 19, "the layout of linux_dirent64");

/* Add one record; false when it does not fit. */
static bool record_add(struct filed *filed, uint64_t room, uint64_t *at, const struct node *node,
                       uint64_t cookie, const char *name, size_t name_length)
{
    uint64_t length = (offsetof(struct record, name) + name_length + 1 + 7) & ~7ull;
    if (length > room - *at)
        return false;
    struct record record = {.ino = node_inode(node),
                            .next = (int64_t)cookie,
                            .length = (uint16_t)length,
                            .type = (uint8_t)((node->mode & S_IFMT) >> 12)};
    uint8_t *bytes = filed->records + *at;
    memset(bytes, 0, length);
    memcpy(bytes, &record, offsetof(struct record, name));
    memcpy(bytes + offsetof(struct record, name), name, name_length);
    *at += length;
    return true;
}

/* The newest entry that is older than this offset's. */
static struct entry *entry_below(const struct directory *directory, uint64_t offset)
{
    struct entry *entry = directory->last;
    if (offset < DIRECTORY_END)
        return entry;
    if (directory->resume && directory->resume->cookie >= offset)
        entry = directory->resume;
    while (entry && entry->cookie >= offset)
        entry = entry->previous;
    return entry;
}

enum status io_read_directory_serve(void *state, struct ipc_call *call,
                                    const struct io_read_directory_request *request,
                                    struct io_read_directory_reply *reply)
{
    struct filed *filed = state;
    struct description *description = description_find(filed, call->badge);
    if (!description || (description->flags & O_PATH))
        return ST_BADF;
    struct node *node = description->node;
    if (!node_is_directory(node))
        return ST_NOTDIR;
    if (node->nlink == 0)
        return ST_NOENT;
    uint64_t room = request->length < FILED_RECORDS ? request->length : FILED_RECORDS;
    uint64_t at = 0, cookie = (uint64_t)description->offset;
    struct directory *directory = &node->directory;
    bool fits = true;
    if (fits && cookie < 1 && (fits = record_add(filed, room, &at, node, 1, ".", 1)))
        cookie = 1;
    if (fits && cookie < 2 &&
        (fits = record_add(filed, room, &at, node_parent(filed, node), 2, "..", 2)))
        cookie = 2;
    struct entry *entry = fits ? entry_below(directory, cookie) : NULL, *last = NULL;
    for (; entry; entry = entry->previous) {
        fits = record_add(filed, room, &at, entry->node, entry->cookie, entry->name,
                          entry->name_length);
        if (!fits)
            break;
        cookie = entry->cookie;
        last = entry;
    }
    if (at == 0 && !fits)
        return ST_INVAL;
    enum status status = ipc_data_put(call, 0, filed->records, at);
    if (status)
        return status;
    if (last)
        directory->resume = last;
    description->offset = (int64_t)cookie;
    reply->count = at;
    if (!(description->flags & O_NOATIME))
        node_accessed(filed, node);
    return ST_OK;
}
