/* What sim_trace_to tells: one message and its reply. SPDX-License-Identifier: MIT */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include <stdint.h>

struct sim_message {
    const char *server; /* "proc", "fs", "sock" */
    int pid, tid;
    uint32_t label;
    unsigned word_count, cap_count, reply_word_count, reply_cap_count;
    const uint64_t *words, *reply_words;
    unsigned status; /* enum status */
};

#endif
