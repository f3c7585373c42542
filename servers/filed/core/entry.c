/*
 * Names in directories. SPDX-License-Identifier: MIT
 *
 * One hash table for all directories, keyed by directory and name, with the chains inside the
 * entries: linking a name takes no memory, so rename and its like cannot fail half-way. When the
 * table cannot grow the chains get longer, no more. (uthash would allocate for each directory,
 * and on the way.)
 */
#include "filed.h"
#include <string.h>

#define BUCKETS_FIRST 256u

/* FNV-1a over the name, from a start that nobody outside knows, with a last mix because we mask
 * low bits. */
static uint32_t name_hash(const struct filed *filed, const struct node *directory, const char *name,
                          size_t length)
{
    uint64_t hash = filed->config.seed[0] ^ (directory->ino * 0x9e3779b97f4a7c15ull);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)name[i]) * 0x100000001b3ull;
    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93ull;
    return (uint32_t)(hash >> 32);
}

/* memcmp of musl goes byte by byte. */
static bool name_equal(const char *a, const char *b, size_t length)
{
    for (; length >= sizeof(uint64_t); length -= sizeof(uint64_t)) {
        uint64_t x, y;
        memcpy(&x, a, sizeof(x));
        memcpy(&y, b, sizeof(y));
        if (x != y)
            return false;
        a += sizeof(x);
        b += sizeof(y);
    }
    for (; length; length--)
        if (*a++ != *b++)
            return false;
    return true;
}

struct entry *entry_find(const struct filed *filed, const struct node *directory, const char *name,
                         size_t length)
{
    if (filed->bucket_count == 0)
        return NULL;
    uint32_t hash = name_hash(filed, directory, name, length);
    for (struct entry *e = filed->buckets[hash & (filed->bucket_count - 1)]; e; e = e->hash_next)
        if (e->hash == hash && e->parent == directory && e->name_length == length
            && name_equal(e->name, name, length))
            return e;
    return NULL;
}

/* Doubles the table when it is full, if there is memory. */
static void buckets_grow(struct filed *filed)
{
    if (filed->entry_count < filed->bucket_count)
        return;
    uint32_t count = filed->bucket_count * 2;
    struct entry **buckets = mem_alloc(count * sizeof(*buckets));
    if (!buckets)
        return;
    for (uint32_t i = 0; i < filed->bucket_count; i++) {
        struct entry *next;
        for (struct entry *e = filed->buckets[i]; e; e = next) {
            next = e->hash_next;
            e->hash_next = buckets[e->hash & (count - 1)];
            buckets[e->hash & (count - 1)] = e;
        }
    }
    mem_free(filed->buckets);
    filed->buckets = buckets;
    filed->bucket_count = count;
}

struct entry *entry_create(const char *name, size_t length)
{
    struct entry *entry = mem_alloc(sizeof(*entry));
    char *copy = mem_alloc(length);
    if (!entry || !copy) {
        mem_free(entry);
        mem_free(copy);
        return NULL;
    }
    memcpy(copy, name, length);
    entry->name = copy;
    entry->name_length = (uint32_t)length;
    entry->uses = 1;
    return entry;
}

static void entry_insert(struct filed *filed, struct entry *entry, struct node *directory,
                         struct node *node)
{
    struct directory *d = &directory->directory;
    buckets_grow(filed);
    entry->hash = name_hash(filed, directory, entry->name, entry->name_length);
    struct entry **bucket = &filed->buckets[entry->hash & (filed->bucket_count - 1)];
    entry->hash_next = *bucket;
    *bucket = entry;
    filed->entry_count++;

    entry->parent = directory;
    entry->node = node;
    entry->cookie = d->next_cookie++;
    entry->previous = d->last;
    entry->next = NULL;
    if (d->last)
        d->last->next = entry;
    else
        d->first = entry;
    d->last = entry;
    d->count++;
    directory->uses++;
    if (node_is_directory(node)) {
        node->nlink += 2; /* the name and its own "." */
        directory->nlink++; /* its ".." */
    } else {
        node->nlink++;
    }
}

/* The opposite, but for the parent's use, which the entry keeps to know its path. */
static void entry_remove(struct filed *filed, struct entry *entry)
{
    struct node *directory = entry->parent;
    struct directory *d = &directory->directory;
    struct entry **at = &filed->buckets[entry->hash & (filed->bucket_count - 1)];
    while (*at != entry)
        at = &(*at)->hash_next;
    *at = entry->hash_next;
    filed->entry_count--;

    if (d->resume == entry)
        d->resume = entry->next;
    if (entry->previous)
        entry->previous->next = entry->next;
    else
        d->first = entry->next;
    if (entry->next)
        entry->next->previous = entry->previous;
    else
        d->last = entry->previous;
    d->count--;
    if (node_is_directory(entry->node)) {
        entry->node->nlink -= 2;
        directory->nlink--;
    } else {
        entry->node->nlink--;
    }
    entry->node = NULL;
}

void entry_link(struct filed *filed, struct entry *entry, struct node *directory, struct node *node)
{
    entry_insert(filed, entry, directory, node);
    if (node_is_directory(node)) {
        node->directory.self = entry;
        entry->uses++;
    }
}

void entry_unlink(struct filed *filed, struct entry *entry)
{
    entry_remove(filed, entry);
    entry_release(filed, entry);
}

void entry_release(struct filed *filed, struct entry *entry)
{
    if (!entry || --entry->uses > 0)
        return;
    struct node *parent = entry->parent;
    mem_free(entry->name);
    mem_free(entry);
    if (parent) {
        parent->uses--;
        node_release(filed, parent);
    }
}

void entry_move(struct filed *filed, struct entry *entry, struct node *directory, char *name,
                size_t length)
{
    struct node *node = entry->node, *old = entry->parent;
    entry_remove(filed, entry);
    if (name != entry->name)
        mem_free(entry->name);
    entry->name = name;
    entry->name_length = (uint32_t)length;
    entry_insert(filed, entry, directory, node);
    old->uses--; /* it is linked somewhere, or it is a description's directory: no release */
}

size_t entry_path(const struct entry *entry, char *buffer, size_t size)
{
    static const char deleted[] = " (deleted)";
    size_t at = size;
    bool gone = entry && !entry->node;
    if (gone) {
        if (size < sizeof(deleted) - 1)
            return 0;
        at -= sizeof(deleted) - 1;
        memcpy(buffer + at, deleted, sizeof(deleted) - 1);
    }
    for (const struct entry *e = entry; e; e = e->parent->directory.self) {
        if (at < e->name_length + 1u)
            return 0;
        at -= e->name_length;
        memcpy(buffer + at, e->name, e->name_length);
        buffer[--at] = '/';
    }
    if (at == size && size > 0)
        buffer[--at] = '/';
    memmove(buffer, buffer + at, size - at);
    return size - at;
}
