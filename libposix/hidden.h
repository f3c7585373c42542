/*
 * Included first in every file of the image: declarations are hidden too, so that no access goes
 * through a table of addresses. SPDX-License-Identifier: MIT
 */
#pragma GCC visibility push(hidden)
