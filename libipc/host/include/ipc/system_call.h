/* System calls on the host: libipc/host/kernel.c answers them. Included by ipc/kernel.h alone.
 * SPDX-License-Identifier: MIT */
#ifndef IPC_SYSTEM_CALL_H
#define IPC_SYSTEM_CALL_H

enum ar_error ar_syscall(enum ar_syscall number, struct ar_message *m, ar_cap reply,
                         uint64_t deadline);

#endif
