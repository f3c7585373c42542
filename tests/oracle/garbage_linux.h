/* What Linux's collector of sockets in flight has to do. SPDX-License-Identifier: MIT */
#ifndef ORACLE_GARBAGE_LINUX_H
#define ORACLE_GARBAGE_LINUX_H

#include <stdbool.h>

void garbage_begin(void);    /* once; as root, or nothing is known */
bool garbage_possible(void); /* true as well when nothing is known */

#endif
