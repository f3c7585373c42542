/*
 * The kernel tries what it must not be able to do: one attempt a run, by --set attempt=N (see
 * protect_attempts.c); run.py --expect-stop compares how the kernel stops. An attempt that
 * is not stopped comes back here. SPDX-License-Identifier: MIT
 */
#include "native.h"

void native_main(const struct ar_boot_info *boot)
{
    uint64_t attempt = native_parameter("attempt", 0);
    (void)boot;
    native_map(AR_INIT_VSPACE, NATIVE_FREE, 0, AR_ALL);
    *(volatile uint8_t *)NATIVE_FREE = 0xc3; /* ret: a jump there would come back */
    native_ok("the attempt", ar_invoke4(AR_INIT_LOG, AR_LOG_THREADS, 0, attempt, NATIVE_FREE, 0));
    native_print("the kernel's attempt %lu was not stopped\n", attempt);
}
