/* Between line.c (input) and line_output.c. SPDX-License-Identifier: MIT */
#ifndef CONSOLED_LINE_PRIVATE_H
#define CONSOLED_LINE_PRIVATE_H

#include "line.h"

/* Echo one byte, with output processing. Dropped when even the reserve is full. */
void line_output_byte(struct line *line, uint8_t byte);

#endif
