/* getrandom(2). SPDX-License-Identifier: MIT */
#include "private.h"

#define GETRANDOM_FLAGS 7u /* GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE */
#define CHUNK 256u
#define LENGTH_MAX 0x7ffffffful

long sys_getrandom(const uint64_t a[6])
{
    char chunk[CHUNK];
    uint64_t length = a[1] < LENGTH_MAX ? a[1] : LENGTH_MAX, done = 0;
    if ((a[2] & ~(uint64_t)GETRANDOM_FLAGS) || (a[2] & 6) == 6)
        return -LINUX_EINVAL;
    while (done < length) {
        size_t n = length - done < CHUNK ? length - done : CHUNK;
        random_fill(chunk, n);
        if (user_write((void *)(a[0] + done), chunk, n))
            return done ? (long)done : -LINUX_EFAULT;
        done += n;
        if (done % 65536 == 0 && signal_due())
            break;
    }
    return (long)done;
}
