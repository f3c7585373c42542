/* A libposix for procd to load: one page, with entries that only stand for themselves.
 * SPDX-License-Identifier: MIT */
#ifndef SIM_IMAGE_H
#define SIM_IMAGE_H

#include <posix_abi.h>
#include <stddef.h>

#define IMAGE_TEXT 0x1000u
#define IMAGE_START (POSIX_BASE + 0x800)
#define IMAGE_FORK (POSIX_BASE + 0x810)
#define IMAGE_THREAD (POSIX_BASE + 0x820)
#define IMAGE_SIZE (2 * IMAGE_TEXT)

/* The ELF file into `blob` of IMAGE_SIZE bytes. */
void image_make(void *blob);

#endif
