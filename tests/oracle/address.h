/* SPDX-License-Identifier: MIT */
#ifndef ORACLE_ADDRESS_H
#define ORACLE_ADDRESS_H

#include <stdint.h>

enum { ADDRESS_MAX = 128 };

/* The seed is in the abstract names: Linux now and then loses a cycle of sockets, with their names, for good. */
void address_begin(uint64_t seed);

/* The bytes of an address (A_…) and their natural length. */

int address_make(int address, uint8_t bytes[ADDRESS_MAX]);

/* A path operand: the address's path with its terminator, or NULL for one that is none. */
const char *address_path(int address);

/* A number that is the same wherever the same name was answered; notes names that autobind gave. */
int32_t address_token(const uint8_t *bytes, int length);

uint32_t bytes_hash(const uint8_t *bytes, uint64_t length);

#endif
