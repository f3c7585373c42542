/*
 * The binary manifest, blob "manifest" of the bundle, made from system/manifest.toml by
 * system/mkmanifest.py, which knows this layout. SPDX-License-Identifier: MIT
 */
#ifndef INIT_MANIFEST_H
#define INIT_MANIFEST_H

#include <stdint.h>

#define MANIFEST_MAGIC "ARAMIDMF"
#define MANIFEST_VERSION 3u
#define MANIFEST_SERVERS_MAX 16u
#define MANIFEST_GRANTS_MAX 8u
#define MANIFEST_UNTYPED_REST UINT64_MAX
#define MANIFEST_NO_IRQ UINT32_MAX

enum manifest_grant_kind {
    MANIFEST_ROOT_GATE = 1, /* a gate of `server` with `badge` */
    MANIFEST_SIGNAL = 2,    /* the notification of `server`, send only */
};

struct manifest_grant {
    uint32_t kind, slot, server, badge; /* slot: in the holder's capability space; server: index */
};

enum manifest_credentials {
    MANIFEST_CREDENTIALS_NONE,
    MANIFEST_CREDENTIALS_READ,
    MANIFEST_CREDENTIALS_WRITE
};

struct manifest_server {
    char name[16], blob[48];
    uint64_t heap, untyped; /* bytes; untyped: a power of two, or MANIFEST_UNTYPED_REST */
    uint32_t priority, issuer, slots, irq, port_first, port_last, log, credentials, grant_count;
    uint32_t heap_percent; /* of all memory: the heap is no larger than that; 0: no such bound */
    uint32_t signal_ring, reserved;
    struct manifest_grant grants[MANIFEST_GRANTS_MAX];
};
_Static_assert(sizeof(struct manifest_server) == 256, "as SERVER and GRANT in mkmanifest.py");

struct manifest {
    char magic[8];
    uint32_t version, server_count, server_size, reserved;
    struct manifest_server servers[];
};
_Static_assert(sizeof(struct manifest) == 24, "as HEADER in mkmanifest.py");

#endif
