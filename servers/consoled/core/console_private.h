/* Between console.c and console_ioctl.c. SPDX-License-Identifier: MIT */
#ifndef CONSOLED_CONSOLE_PRIVATE_H
#define CONSOLED_CONSOLE_PRIVATE_H

#include "console.h"
#include <proto/io.h>

enum {
    POLL_IN = 1,
    POLL_OUT = 4,
    POLL_ERR = 8,
    POLL_HUP = 16,
    POLL_RDNORM = 0x40,
    POLL_WRNORM = 0x100
};
enum { OPEN_ACCMODE = 3, OPEN_WRONLY = 1, OPEN_RDONLY = 0, OPEN_NONBLOCK = 0x800 };

/* NULL when the badge is not a description's. */
struct console_object *console_description(struct console *console, uint64_t badge);
/* Something became readable or writable. */
void console_changed(struct console *console, uint32_t events, struct ipc_effects *effects);

enum status console_ioctl(void *state, struct ipc_call *call,
                          const struct io_ioctl_request *request, struct io_ioctl_reply *reply);

#endif
