/* Where a server begins. SPDX-License-Identifier: MIT */
#include "runtime.h"

#include <ipc/buffer.h>
#include <ipc/kernel.h>

/* init starts us with rdi = SERVER_INFO_ADDRESS and rsp at the top of the stack. The call leaves
 * the stack pointer as the ABI wants it at a function's entry: 8 below a multiple of 16. */
__asm__(".globl _start\n"
        ".type _start, @function\n"
        "_start:\n"
        "    xorl %ebp, %ebp\n"
        "    andq $-16, %rsp\n"
        "    call server_start\n"
        "    ud2\n"
        ".size _start, . - _start\n");

/* Called from the assembly above alone. */
_Noreturn void server_start(const struct server_info *info) __attribute__((used));

_Noreturn void server_start(const struct server_info *info)
{
    runtime_memory_init(info);
    runtime_slots_init(info);
    server_main(info);
}

struct ar_ipc_buffer *ipc_buffer(void)
{
    return (struct ar_ipc_buffer *)SERVER_IPC_ADDRESS;
}

const struct server_info *server_info(void)
{
    return (const struct server_info *)SERVER_INFO_ADDRESS;
}

uint64_t server_clock_ns(void)
{
    return ar_clock_ns();
}
