/* The descriptor table as fd.c keeps it, for the few files besides that cannot afford a call to look
 * into it. SPDX-License-Identifier: MIT */
#ifndef LIBPOSIX_FD_TABLE_H
#define LIBPOSIX_FD_TABLE_H

#include "internal.h"

#include <proto/io.h>

struct fd_entry {
    uint8_t used; /* 0, or FD_USED and perhaps FD_ARMED */
    uint8_t cloexec, kind, server;
};
#define FD_USED 1u
#define FD_ARMED 2u /* some thread's read_armed is this very descriptor: gone when it is closed */
#define FD_TABLE ((struct fd_entry *)PRIVATE_FD_TABLE)

extern int fd_top; /* one past the highest used descriptor */

static inline ar_cap fd_slot(int fd)
{
    return POSIX_SLOT_FD + (uint32_t)fd;
}

/* Is it of sockd's and one of these kinds (bits), and nobody there to close it under us? Then
 * fd_slot(fd) is the description. */
static inline bool fd_is_one_of(int fd, unsigned kinds)
{
    if (process.threads != 1 || fd < 0 || fd >= fd_top)
        return false;
    const struct fd_entry *entry = &FD_TABLE[fd];
    /* a server says what kind it is: it may be anything */
    return entry->used && entry->server == ISSUER_SOCKD && entry->kind < 32 &&
           kinds >> entry->kind & 1;
}

static inline bool fd_in_use(int fd)
{
    return (unsigned)fd < (unsigned)fd_top && FD_TABLE[fd].used;
}

/* For a process of one thread, straight ways only. fd_offer to ipc_offer(), AR_MSG_CAPS of them; false: it is
 * not so simple. */
bool fd_offer_in_place(void);
/* The first `count` that were offered so have arrived: they are descriptors from now on. */
void fd_adopt(unsigned count, bool cloexec);

/* fd_is_one_of for one kind, in one comparison. */
static inline bool fd_is(int fd, uint8_t kind)
{
    const struct fd_entry like = {FD_USED, 0, kind, ISSUER_SOCKD}, seen = {FD_USED, 0, 0xff, 0xff};
    uint32_t entry, value, mask;
    if (process.threads != 1 || (unsigned)fd >= (unsigned)fd_top)
        return false;
    _Static_assert(sizeof(struct fd_entry) == sizeof(entry), "an entry is a word");
    __builtin_memcpy(&entry, &FD_TABLE[fd], sizeof(entry));
    __builtin_memcpy(&value, &like, sizeof(value));
    __builtin_memcpy(&mask, &seen, sizeof(mask));
    return (entry & mask) == value;
}

/* Whatever the thread's read_armed says, is it still this description? */
static inline bool fd_read_armed(const struct posix_thread *thread, int fd)
{
    return thread->read_armed == fd + 1 && FD_TABLE[fd].used & FD_ARMED;
}

/* A socket, pipe or event counter. */
static inline bool fd_is_plain(int fd)
{
    return fd_is(fd, IO_KIND_SOCKET) ||
           fd_is_one_of(fd, 1u << IO_KIND_PIPE | 1u << IO_KIND_EVENT);
}

#endif
