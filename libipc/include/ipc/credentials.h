/*
 * The credentials table: written by procd alone, mapped read-only in the other servers
 * (manifest), indexed by the process half of a principal. SPDX-License-Identifier: MIT
 */
#ifndef IPC_CREDENTIALS_H
#define IPC_CREDENTIALS_H

#include <stdint.h>

#define CREDENTIALS_MAX 8192u
/* where init maps the 2 MiB frame that holds the table */
#define CREDENTIALS_ADDRESS 0x3000000000ull
#define CREDENTIALS_GROUPS 32u

struct credentials {
    uint32_t pid; /* thread-group id; 0: entry unused */
    uint32_t ruid, euid, suid, fsuid, rgid, egid, sgid, fsgid;
    uint32_t nofile; /* RLIMIT_NOFILE, soft */
    uint32_t group_count;
    uint32_t serial; /* tells the process from an earlier or later one with this pid; not 0 */
    uint32_t groups[CREDENTIALS_GROUPS];
};
_Static_assert(sizeof(struct credentials) * CREDENTIALS_MAX <= 2u << 20,
               "the table is one 2 MiB frame");

#endif
