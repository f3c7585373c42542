/* SPDX-License-Identifier: MIT */
#ifndef OBJECT_LOG_H
#define OBJECT_LOG_H

#include <stdbool.h>

/* The list of all threads in the log, a line a step. True: it is complete. */
void log_list_start(void);
bool log_list_step(void);

#endif
