/* Where the calling thread's IPC buffer is. SPDX-License-Identifier: MIT */
#ifndef IPC_BUFFER_H
#define IPC_BUFFER_H

#include <aramid/abi.h>

/* Defined by whoever links libipc's kernel client: the server runtime and init have one thread
 * and a fixed address, libposix finds it through the thread area. */
struct ar_ipc_buffer *ipc_buffer(void);

#endif
