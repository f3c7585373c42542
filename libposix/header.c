/* The first thing in the image: where procd finds our entries. SPDX-License-Identifier: MIT */
#include "private.h"

extern const char posix_start_entry[], posix_foreign_entry[], posix_async_entry[],
    posix_fork_entry[], posix_thread_entry[], posix_text_start[], posix_text_end[],
    posix_exit_low[], posix_exit_high[], posix_exit_redo[], posix_copy_low[], posix_copy_high[],
    posix_copy_fixup[];
extern const struct posix_header posix_header;

#define ADDRESS(symbol) ((uint64_t)(symbol))

__attribute__((section(".posix_header"), used)) const struct posix_header posix_header = {
    .magic = POSIX_MAGIC,
    .version = 1,
    .start = ADDRESS(posix_start_entry),
    .foreign_entry = ADDRESS(posix_foreign_entry),
    .async_entry = ADDRESS(posix_async_entry),
    .fork_entry = ADDRESS(posix_fork_entry),
    .thread_entry = ADDRESS(posix_thread_entry),
    .native_low = ADDRESS(posix_text_start),
    .native_high = ADDRESS(posix_text_end),
    .exit_low = ADDRESS(posix_exit_low),
    .exit_high = ADDRESS(posix_exit_high),
    .exit_redo = ADDRESS(posix_exit_redo),
    .copy_low = ADDRESS(posix_copy_low),
    .copy_high = ADDRESS(posix_copy_high),
    .copy_fixup = ADDRESS(posix_copy_fixup),
};
