/*
 * The fast path: what a client, a server and a driver do all day, when nothing unusual is the
 * case. SPDX-License-Identifier: MIT
 *
 * Each function is a row of checks, all of which bail out with false and nothing changed, then a
 * straight commit. After false the caller goes the slow way (syscall_handle), which does the same
 * and everything else. After true, core.current is the thread to go on with, by way of sysret.
 *
 * Words 1 to 3 of a message are no arguments: entry.asm leaves them in r10, r8 and r9, this code
 * is compiled not to touch these (meson.build), and so they are where the receiver expects them.
 * A host that calls these functions copies the three words itself when core.current has changed.
 */
#ifndef IPC_FASTPATH_H
#define IPC_FASTPATH_H

#include <stdbool.h>
#include <stdint.h>

bool fast_call(uint64_t slot, uint64_t info);
/* The reply object and the deadline are the caller's r12 and r13. */
bool fast_reply_receive(uint64_t slot, uint64_t info);
/* AR_SYS_INVOKE, if it is AR_CNODE_DELETE: `slot` is word 0. */
bool fast_delete(uint64_t target, uint64_t info, uint64_t slot);
/* With nothing to receive: what a server does after a closed gate. As above. */
bool fast_receive(uint64_t slot);
/* The bits are the caller's rdx. */
bool fast_signal(uint64_t slot);

#endif
