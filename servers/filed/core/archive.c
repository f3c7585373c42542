/*
 * The tree at start, from cpio archives of the "new ASCII" kind (cpio(5)).
 * SPDX-License-Identifier: MIT
 *
 * Contents stay where they are in the archive. Archives may follow one another, padded with
 * zeros: a later entry replaces an earlier one of the same name, and a directory takes the later
 * attributes. A name with several links shares one node within its archive; its bytes come with
 * any of the links.
 */
#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) mem_alloc(size)
#define uthash_free(pointer, size) mem_free(pointer)
#include "filed.h"
#include <string.h>
#include <uthash.h>

#define HEADER_SIZE 110u
#define SECOND_NS 1000000000ll
#define PARENT_MODE 0755u

struct header {
    uint32_t ino, mode, uid, gid, nlink, mtime, size, dev_major, dev_minor, rdev_major, rdev_minor,
        name_size, check;
};
#define HEADER_FIELDS 13

struct hard_link {
    uint64_t key[2]; /* device, inode */
    struct node *node;
    UT_hash_handle hh;
};

struct archive {
    struct filed *filed;
    const char *bytes;
    size_t size, at;
    struct hard_link *links;
};

/* One entry, read. */
struct member {
    struct header header;
    const char *name;
    size_t name_length;
    const uint8_t *data;
};

static bool field_read(const char *text, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 8; i++) {
        char c = text[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                                : 16;
        if (digit > 15)
            return false;
        *value = *value << 4 | digit;
    }
    return true;
}

/* The member at archive->at, which moves past it. False: malformed. */
static bool member_read(struct archive *archive, struct member *member)
{
    const char *at = archive->bytes + archive->at;
    size_t left = archive->size - archive->at;
    if (left < HEADER_SIZE || memcmp(at, "07070", 5) != 0 || (at[5] != '1' && at[5] != '2'))
        return false;
    uint32_t fields[HEADER_FIELDS];
    for (unsigned i = 0; i < HEADER_FIELDS; i++)
        if (!field_read(at + 6 + 8 * i, &fields[i]))
            return false;
    memcpy(&member->header, fields, sizeof(fields));
    size_t name_size = member->header.name_size;
    size_t data_at = (HEADER_SIZE + name_size + 3) & ~(size_t)3;
    if (name_size == 0 || name_size > FILED_PATH_MAX || data_at > left ||
        member->header.size > left - data_at || at[HEADER_SIZE + name_size - 1] != 0)
        return false;
    member->name = at + HEADER_SIZE;
    member->name_length = strlen(member->name);
    member->data = (const uint8_t *)at + data_at;
    size_t next = (data_at + member->header.size + 3) & ~(size_t)3;
    archive->at += next < left ? next : left;
    return true;
}

/* Leading "./" and slashes mean nothing here. */
static void name_normalize(struct member *member)
{
    while (member->name_length > 0) {
        bool dot = member->name[0] == '.' && (member->name_length == 1 || member->name[1] == '/');
        if (!dot && member->name[0] != '/')
            break;
        member->name++;
        member->name_length--;
    }
    while (member->name_length > 0 && member->name[member->name_length - 1] == '/')
        member->name_length--;
}

static enum status directory_make(struct filed *filed, struct node *parent, const char *name,
                                  size_t length, uint32_t mode, struct node **made)
{
    struct node *node = node_create(filed, S_IFDIR | mode, 0, 0);
    struct entry *entry = node ? entry_create(name, length) : NULL;
    if (!entry) {
        if (node)
            node_release(filed, node);
        return ST_NOMEM;
    }
    entry_link(filed, entry, parent, node);
    *made = node;
    return ST_OK;
}

/* The directory that `path` names, made with all above it where missing. Symbolic links are
 * followed. */
static enum status directory_ensure(struct filed *filed, const char *path, size_t length,
                                    struct node **directory)
{
    *directory = filed->root;
    for (size_t end = 0; end < length; end++) {
        while (end < length && path[end] != '/')
            end++;
        struct walk walk = {
            .start = filed->root, .path = path, .length = end, .flags = WALK_FOLLOW | WALK_CREATE};
        if (end == 0)
            continue;
        enum status status = walk_path(filed, &caller_system, &walk);
        if (status)
            return status;
        if (!walk.node)
            status = directory_make(filed, walk.directory, walk.name, walk.name_length, PARENT_MODE,
                                    &walk.node);
        if (status)
            return status;
        *directory = walk.node;
    }
    return node_is_directory(*directory) ? ST_OK : ST_NOTDIR;
}

static void attributes_apply(struct node *node, const struct header *header)
{
    node->mode = (node->mode & S_IFMT) | (header->mode & 07777);
    node->uid = header->uid;
    node->gid = header->gid;
    node->atime = node->mtime = node->ctime = header->mtime * SECOND_NS;
}

/* The node of an earlier link of this member in this archive, or NULL. */
static struct hard_link *link_find(struct archive *archive, const struct header *header,
                                   uint64_t key[2])
{
    key[0] = (uint64_t)header->dev_major << 32 | header->dev_minor;
    key[1] = header->ino;
    struct hard_link *link;
    HASH_FIND(hh, archive->links, key, 2 * sizeof(uint64_t), link);
    return link;
}

static enum status link_remember(struct archive *archive, const uint64_t key[2], struct node *node)
{
    struct hard_link *link = mem_alloc(sizeof(*link));
    if (!link)
        return ST_NOMEM;
    memcpy(link->key, key, sizeof(link->key));
    link->node = node;
    HASH_ADD(hh, archive->links, key, sizeof(link->key), link);
    if (!link->hh.tbl) {
        mem_free(link);
        return ST_NOMEM;
    }
    node->uses++;
    return ST_OK;
}

static void links_forget(struct archive *archive)
{
    struct hard_link *link, *next;
    HASH_ITER (hh, archive->links, link, next) {
        HASH_DEL(archive->links, link);
        link->node->uses--;
        node_release(archive->filed, link->node);
        mem_free(link);
    }
}

static struct node *member_node(struct filed *filed, const struct member *member)
{
    const struct header *header = &member->header;
    struct node *node = node_create(filed, header->mode & 0177777, header->uid, header->gid);
    if (!node)
        return NULL;
    attributes_apply(node, header);
    if (S_ISREG(node->mode)) {
        node->content.archive = member->data;
        node->content.archive_size = node->content.size = header->size;
    } else if (S_ISLNK(node->mode)) {
        node->link.text = (const char *)member->data;
        node->link.length = header->size;
    } else if (S_ISCHR(node->mode) || S_ISBLK(node->mode)) {
        node->rdev = (uint64_t)(header->rdev_major & 0xfff) << 8 | (header->rdev_minor & 0xff)
                     | (uint64_t)(header->rdev_minor & ~0xffu) << 12
                     | (uint64_t)(header->rdev_major & ~0xfffu) << 32;
    }
    return node;
}

/* A link's text must be one: not empty, not too long, no NUL. A type that Linux has not is
 * malformed too. */
static bool member_is_sane(const struct member *member)
{
    switch (member->header.mode & S_IFMT) {
    case S_IFLNK:
        return member->header.size > 0 && member->header.size < FILED_PATH_MAX
               && !memchr(member->data, 0, member->header.size);
    case S_IFREG:
    case S_IFDIR:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
        return true;
    }
    return false;
}

/* Put `node` under the name; what had it before goes. A directory with entries stays: NOTEMPTY. */
static enum status node_place(struct filed *filed, struct node *directory, const char *name,
                              size_t length, struct node *node)
{
    struct entry *old = entry_find(filed, directory, name, length);
    if (old && node_is_directory(old->node) && old->node->directory.count > 0)
        return ST_NOTEMPTY;
    struct entry *entry = entry_create(name, length);
    if (!entry)
        return ST_NOMEM;
    if (old) {
        struct node *gone = old->node;
        entry_unlink(filed, old);
        node_release(filed, gone);
    }
    entry_link(filed, entry, directory, node);
    return ST_OK;
}

static enum status member_add(struct archive *archive, const struct member *member)
{
    struct filed *filed = archive->filed;
    const struct header *header = &member->header;
    if (member->name_length == 0) {
        if (S_ISDIR(header->mode))
            attributes_apply(filed->root, header);
        return ST_OK;
    }
    size_t base = member->name_length;
    while (base > 0 && member->name[base - 1] != '/')
        base--;
    const char *name = member->name + base;
    size_t length = member->name_length - base;
    if (length > FILED_NAME_MAX || (length == 2 && memcmp(name, "..", 2) == 0) ||
        !member_is_sane(member))
        return ST_INVAL;
    struct node *directory;
    enum status status = directory_ensure(filed, member->name, base, &directory);
    if (status)
        return status;
    struct entry *old = entry_find(filed, directory, name, length);
    if (old && node_is_directory(old->node) && S_ISDIR(header->mode)) {
        attributes_apply(old->node, header);
        return ST_OK;
    }
    uint64_t key[2];
    bool shared = header->nlink > 1 && !S_ISDIR(header->mode);
    struct hard_link *link = shared ? link_find(archive, header, key) : NULL;
    struct node *node = link ? link->node : member_node(filed, member);
    if (!node)
        return ST_NOMEM;
    if (link && header->size > 0 && S_ISREG(node->mode)) {
        node->content.archive = member->data;
        node->content.archive_size = node->content.size = header->size;
    }
    node->uses++;
    if (shared && !link)
        status = link_remember(archive, key, node);
    if (!status)
        status = node_place(filed, directory, name, length, node);
    node->uses--;
    node_release(filed, node);
    return status;
}

enum status filed_add_archive(struct filed *filed, const void *blob, size_t size,
                              size_t *bad_offset)
{
    static struct ipc_effects effects; /* nobody waits and no gate is held yet: it stays empty */
    struct archive archive = {.filed = filed, .bytes = blob, .size = size};
    enum status status = ST_OK;
    filed->effects = &effects;
    while (!status && archive.at < archive.size) {
        *bad_offset = archive.at;
        struct member member;
        if (archive.bytes[archive.at] == 0) {
            archive.at++;
        } else if (!member_read(&archive, &member)) {
            status = ST_INVAL;
        } else if (strcmp(member.name, "TRAILER!!!") == 0) {
            links_forget(&archive);
        } else {
            name_normalize(&member);
            status = member_add(&archive, &member);
        }
    }
    links_forget(&archive);
    filed->effects = NULL;
    return status == ST_NOMEM || !status ? status : ST_INVAL;
}

/* ---- what every system has ------------------------------------------------------------------- */

static const struct {
    const char *path, *target;
    uint32_t mode;
    uint64_t device;
} defaults[] = {
    {"proc", NULL, S_IFDIR | 0555, 0},
    {"dev", NULL, S_IFDIR | 0755, 0},
    {"tmp", NULL, S_IFDIR | 01777, 0},
    {"dev/shm", NULL, S_IFDIR | 01777, 0},
    {"dev/null", NULL, S_IFCHR | 0666, DEVICE_NULL},
    {"dev/zero", NULL, S_IFCHR | 0666, DEVICE_ZERO},
    {"dev/full", NULL, S_IFCHR | 0666, DEVICE_FULL},
    {"dev/random", NULL, S_IFCHR | 0666, DEVICE_RANDOM},
    {"dev/urandom", NULL, S_IFCHR | 0666, DEVICE_URANDOM},
    {"dev/tty", NULL, S_IFCHR | 0666, DEVICE_TTY},
    {"dev/console", NULL, S_IFCHR | 0600, DEVICE_CONSOLE},
    {"dev/ttyS0", NULL, S_IFCHR | 0660, DEVICE_TTYS0},
    {"dev/fd", "/proc/self/fd", S_IFLNK | 0777, 0},
    {"dev/stdin", "/proc/self/fd/0", S_IFLNK | 0777, 0},
    {"dev/stdout", "/proc/self/fd/1", S_IFLNK | 0777, 0},
    {"dev/stderr", "/proc/self/fd/2", S_IFLNK | 0777, 0},
};

static enum status default_add(struct filed *filed, unsigned index)
{
    struct walk walk = {.start = filed->root, .path = defaults[index].path, .flags = WALK_PARENT};
    walk.length = strlen(walk.path);
    enum status status = walk_path(filed, &caller_system, &walk);
    if (status || walk.node)
        /* there already, or /dev is something else altogether: the archive knows best */
        return ST_OK;
    struct node *node = node_create(filed, defaults[index].mode, 0, 0);
    struct entry *entry = node ? entry_create(walk.name, walk.name_length) : NULL;
    if (!entry) {
        if (node)
            node_release(filed, node);
        return ST_NOMEM;
    }
    node->rdev = defaults[index].device;
    if (defaults[index].target) {
        node->link.text = defaults[index].target;
        node->link.length = (uint32_t)strlen(node->link.text);
    }
    entry_link(filed, entry, walk.directory, node);
    return ST_OK;
}

enum status filed_add_defaults(struct filed *filed)
{
    enum status status = ST_OK;
    for (unsigned i = 0; i < sizeof(defaults) / sizeof(defaults[0]) && !status; i++)
        status = default_add(filed, i);
    struct entry *proc = entry_find(filed, filed->root, "proc", 4);
    if (!status && proc && node_is_directory(proc->node))
        proc->node->mount_slot = filed->config.procd_slot;
    return status;
}
