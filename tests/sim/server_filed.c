/* filed's core as it runs here. SPDX-License-Identifier: MIT */
#include "parts.h"
#include "../../servers/filed/core/filed.h"
#include <stdlib.h>

static int64_t now_ns(void *context)
{
    (void)context;
    return (int64_t)(1000000000 * 1000000000ull + sim_now);
}

void *filed_make(const struct credentials *credentials, uint64_t procd_slot)
{
    struct filed *filed = calloc(1, sizeof(*filed));
    struct filed_config config = {.credentials = credentials, .now_ns = now_ns,
                                  .procd_slot = procd_slot, .seed = {sim_options.seed, 1, 2, 3},
                                  .heap_size = 64u << 20};
    return filed_init(filed, &config) || filed_add_defaults(filed) ? NULL : filed;
}

void filed_drop(void *filed, struct ipc_effects *effects)
{
    filed_destroy(filed, effects);
    free(filed);
}

unsigned filed_sessions(const void *filed)
{
    return ((const struct filed *)filed)->sessions.count;
}
