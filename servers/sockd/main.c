/* sockd's shell: the core behind the receive loop. SPDX-License-Identifier: MIT */
#include "sockd.h"
#include <ipc/server.h>

#define OBJECTS_MAX 65536u
#define OBJECT_BYTES 2048u /* about what the largest object and its queue heads take */

_Noreturn void server_main(const struct server_info *info)
{
    uint64_t heap = info->heap_size;
    /* Half the heap for queued data (its charge is above its size), a quarter for objects; a user
     * other than root gets half of each. */
    struct sockd_limits limits = {.queued = heap / 2, .queued_of_user = heap / 4};
    uint64_t objects = heap / 4 / OBJECT_BYTES;
    limits.objects = objects < OBJECTS_MAX ? (unsigned)objects : OBJECTS_MAX;
    limits.objects_of_user = limits.objects / 2;
    struct server server = {
        .handle = sockd_handle,
        .closed = sockd_closed,
        .deadline = sockd_deadline,
        .expired = sockd_expired,
    };
    server.state = sockd_create((const struct credentials *)CREDENTIALS_ADDRESS, &limits);
    if (!server.state)
        server_panic("no memory for the core: the manifest gives a heap of %lu bytes",
                     (unsigned long)heap);
    server_run(&server);
}
