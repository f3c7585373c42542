/* procd's shell. SPDX-License-Identifier: MIT */
#include "objects.h"
#include "procd.h"
#include <ipc/server.h>
#include <ipc/signal_ring.h>

/* consoled's bits are signals themselves; sockd's says that there is something in the ring. */
static void notified(void *state, uint64_t bits, struct ipc_effects *effects)
{
    struct signal_request request;
    procd_notified(state, bits, effects);
    while (signal_ring_take((struct signal_ring *)SIGNAL_RING_ADDRESS, &request))
        procd_signal_request(state, &request, effects);
}

_Noreturn void server_main(const struct server_info *info)
{
    const char *reason;
    objects_start();
    struct procd *procd = procd_create(
        &kernel_machine_ops, NULL, (struct credentials *)CREDENTIALS_ADDRESS, info->boot_seconds,
        (const void *)info->blob_address, info->blob_size, &reason);
    if (!procd)
        server_panic("libposix cannot be loaded: %s", reason);
    const struct server server = {
        .state = procd, .handle = procd_handle, .closed = procd_closed, .notified = notified,
        .deadline = procd_deadline, .expired = procd_expired, .fault = procd_fault,
    };
    server_run(&server);
}
