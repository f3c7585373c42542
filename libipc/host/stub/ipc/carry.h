/* In the place of libipc/kernel/include/ipc/carry.h where requests are carried by host/stub.c: `hot`
 * stubs are like all others. SPDX-License-Identifier: MIT */
#ifndef IPC_CARRY_H
#define IPC_CARRY_H

#include <ipc/stub.h>

static inline enum status ipc_carry(const struct ipc_operation *operation, ar_cap target,
                                    const uint64_t *words, uint64_t *reply,
                                    struct ipc_transfer *transfer)
{
    return ipc_stub_call(operation, target, words, reply, transfer);
}

#endif
