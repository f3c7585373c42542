/* SPDX-License-Identifier: MIT */
#ifndef IPC_SYSCALL_H
#define IPC_SYSCALL_H

/* Called by entry.asm with the current thread's registers saved; on return the (maybe other)
 * current thread goes on. */
void syscall_handle(void);

#endif
