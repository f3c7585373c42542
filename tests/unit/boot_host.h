/*
 * What the kernel's boot code needs when it runs on the host. SPDX-License-Identifier: MIT
 */
#ifndef BOOT_HOST_H
#define BOOT_HOST_H

#include <setjmp.h>

/* Where kernel_stop goes, and what it said. */
extern jmp_buf host_stop;
extern char host_stop_words[512];

/* True when the statement makes the kernel stop. */
#define STOPS(statement) (setjmp(host_stop) ? 1 : ((statement), 0))

#endif
