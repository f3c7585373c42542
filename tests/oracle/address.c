/* Names that programs use, and numbers for names that come back. SPDX-License-Identifier: MIT */
#include "address.h"

#include <string.h>

#include "platform.h"

enum { UNIX = 1, FAMILY_SIZE = 2, TOKEN_AUTOBIND = 100, TOKEN_CUT = 200, TOKEN_HASH = 1000 };

static const char long_path[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                "aaaaaaaaaaaaaaaaa";
_Static_assert(sizeof(long_path) >= 108, "fills sun_path");

static const char *const paths[8] = {"p0", "p1", "p2", "p3", "p4", "d/p5", "d/p6", "longer-name-p7"};

const char *address_path(int address)
{
    if (address >= A_PATH && address < A_PATH + 8)
        return paths[address - A_PATH];
    switch (address) {
    case A_LONG: return long_path;
    case A_DIRECTORY: return "d";
    case A_FILE: return "f";
    case A_DANGLING: return "l";
    case A_LOOP: return "o";
    case A_MISSING: return "m/x";
    case A_NOT_DIRECTORY: return "f/x";
    case A_DENIED: return "r/x";
    case A_LINK: return "s";
    case A_EMPTY: return "";
    default: return 0;
    }
}

static int family_put(uint8_t *bytes, int family)
{
    bytes[0] = (uint8_t)family;
    bytes[1] = 0;
    return FAMILY_SIZE;
}

void address_begin(uint64_t seed)
{
    for (int i = 0; i < TAG_LENGTH; i++, seed >>= 4)
        board->tag[i] = (char)('g' + (seed & 15)); /* no hexadecimal digit: is_autobind */
}

int address_make(int address, uint8_t bytes[ADDRESS_MAX])
{
    memset(bytes, 0, ADDRESS_MAX);
    int length = family_put(bytes, UNIX);
    const char *path = address_path(address);
    if (address == A_LONG) {
        memcpy(bytes + length, long_path, 108);
        return length + 108;
    }
    if (path) {
        memcpy(bytes + length, path, strlen(path));
        return length + (int)strlen(path) + 1;
    }
    if (address >= A_ABSTRACT && address < A_ABSTRACT + 8) {
        bytes[length + 1] = 'z';
        bytes[length + 2] = (uint8_t)('0' + address - A_ABSTRACT);
        memcpy(bytes + length + 3, board->tag, TAG_LENGTH);
        length += 3 + TAG_LENGTH;
        bytes[length + 1] = (uint8_t)(address & 1); /* a NUL inside belongs to the name */
        return length + 2 * (address & 1);
    }
    if (address >= A_KNOWN && address < A_KNOWN + 8) {
        memcpy(bytes + length + 1, board->autobind[address - A_KNOWN], AUTOBIND_LENGTH);
        return length + 1 + AUTOBIND_LENGTH;
    }
    if (address == A_LONG_ABSTRACT) {
        memset(bytes + length + 1, 'z', 107);
        memcpy(bytes + length + 2, board->tag, TAG_LENGTH);
        return length + 108;
    }
    if (address == A_UNSPEC || address == A_INET)
        return family_put(bytes, address == A_INET ? 2 : 0) + 14;
    return length;
}

uint32_t bytes_hash(const uint8_t *bytes, uint64_t length)
{
    uint64_t hash = 0x9e3779b97f4a7c15u ^ length, word;
    while (length) {
        uint64_t part = length < 8 ? length : 8;
        word = 0;
        memcpy(&word, bytes, part);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 29;
        bytes += part;
        length -= part;
    }
    return (uint32_t)((hash ^ hash >> 32) & 0xffff);
}

static int is_hex(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
}

/* No abstract name of a program begins with a hexadecimal digit. */
static int is_autobind(const uint8_t *bytes, int length)
{
    if (length < FAMILY_SIZE + 2 || bytes[FAMILY_SIZE] != 0)
        return 0;
    for (int i = FAMILY_SIZE + 1; i < length; i++)
        if (!is_hex(bytes[i]))
            return 0;
    return 1;
}

/* A name that goes on after one by autobind, which the program knows: the digits are nobody's choice. */
static uint32_t known_hash(const uint8_t *bytes, int length)
{
    enum { DIGITS = FAMILY_SIZE + 1 };
    uint8_t copy[ADDRESS_MAX];
    if (length <= DIGITS + AUTOBIND_LENGTH || length > ADDRESS_MAX || bytes[FAMILY_SIZE] != 0)
        return bytes_hash(bytes, (uint64_t)length);
    memcpy(copy, bytes, (size_t)length);
    for (int i = 0; i < board->autobinds; i++)
        if (memcmp(board->autobind[i], bytes + DIGITS, AUTOBIND_LENGTH) == 0)
            memset(copy + DIGITS, i, AUTOBIND_LENGTH);
    return bytes_hash(copy, (uint64_t)length);
}

int32_t address_token(const uint8_t *bytes, int length)
{
    if (length <= 0)
        return -1;
    if (!is_autobind(bytes, length))
        return TOKEN_HASH + (int32_t)known_hash(bytes, length);
    if (length != FAMILY_SIZE + 1 + AUTOBIND_LENGTH)
        return TOKEN_CUT + length;
    for (int i = 0; i < board->autobinds; i++)
        if (memcmp(board->autobind[i], bytes + FAMILY_SIZE + 1, AUTOBIND_LENGTH) == 0)
            return TOKEN_AUTOBIND + i;
    if (board->autobinds == AUTOBIND_MAX)
        return TOKEN_AUTOBIND + AUTOBIND_MAX;
    memcpy(board->autobind[board->autobinds], bytes + FAMILY_SIZE + 1, AUTOBIND_LENGTH);
    return TOKEN_AUTOBIND + board->autobinds++;
}
