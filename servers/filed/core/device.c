/* The devices that are only arithmetic: mem(4), random(4). SPDX-License-Identifier: MIT */
#include "filed.h"
#include <string.h>

#define DEVICE_IO_MAX (32u << 20) /* bytes one read makes: Linux's bound for random(4) too */

bool device_is_terminal(const struct node *node)
{
    return S_ISCHR(node->mode) &&
           (node->rdev == DEVICE_TTY || node->rdev == DEVICE_CONSOLE || node->rdev == DEVICE_TTYS0);
}

bool device_is_ours(const struct node *node)
{
    if (!S_ISCHR(node->mode))
        return false;
    switch (node->rdev) {
    case DEVICE_NULL:
    case DEVICE_ZERO:
    case DEVICE_FULL:
    case DEVICE_RANDOM:
    case DEVICE_URANDOM:
        return true;
    }
    return false;
}

static uint32_t rotate(uint32_t value, unsigned by)
{
    return value << by | value >> (32 - by);
}

static void quarter_round(uint32_t s[16], unsigned a, unsigned b, unsigned c, unsigned d)
{
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 7);
}

/* The ChaCha20 block function (RFC 8439, 2.3) with a 64-bit counter in words 12 and 13. */
static void random_block(struct filed *filed)
{
    uint32_t *state = filed->random_state, s[16];
    memcpy(s, state, sizeof(s));
    for (int i = 0; i < 10; i++) {
        for (unsigned column = 0; column < 4; column++)
            quarter_round(s, column, column + 4, column + 8, column + 12);
        for (unsigned column = 0; column < 4; column++)
            quarter_round(s, column, (column + 1) % 4 + 4, (column + 2) % 4 + 8,
                          (column + 3) % 4 + 12);
    }
    for (int i = 0; i < 16; i++)
        s[i] += state[i];
    memcpy(filed->random_block, s, sizeof(s));
    filed->random_left = sizeof(filed->random_block);
    if (++state[12] == 0)
        state[13]++;
}

void random_seed(struct filed *filed, const uint64_t seed[4])
{
    static const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    memset(filed->random_state, 0, sizeof(filed->random_state));
    memcpy(filed->random_state, constants, sizeof(constants));
    memcpy(filed->random_state + 4, seed, 32);
    filed->random_left = 0;
}

static void random_fill(struct filed *filed, uint8_t *bytes, size_t length)
{
    while (length > 0) {
        if (filed->random_left == 0)
            random_block(filed);
        size_t run = length < filed->random_left ? length : filed->random_left;
        memcpy(bytes, filed->random_block + sizeof(filed->random_block) - filed->random_left, run);
        filed->random_left -= (uint32_t)run;
        bytes += run;
        length -= run;
    }
}

enum status device_read(struct filed *filed, struct ipc_call *call, const struct node *node,
                        uint64_t length, uint64_t *count)
{
    *count = 0;
    if (node->rdev == DEVICE_NULL)
        return ST_OK;
    bool random = node->rdev == DEVICE_RANDOM || node->rdev == DEVICE_URANDOM;
    if (length > DEVICE_IO_MAX)
        length = DEVICE_IO_MAX;
    for (uint64_t done = 0; done < length;) {
        uint64_t most = random ? sizeof(filed->records) : FILED_ZEROS;
        uint64_t run = length - done < most ? length - done : most;
        if (random)
            random_fill(filed, filed->records, run);
        enum status status = ipc_data_put(call, done, random ? filed->records : filed_zeros, run);
        if (status)
            return status;
        done += run;
    }
    *count = length;
    return ST_OK;
}

enum status device_write(const struct node *node, uint64_t length, uint64_t *count)
{
    *count = length;
    return node->rdev == DEVICE_FULL ? ST_NOSPC : ST_OK;
}
