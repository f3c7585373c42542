/* Where init begins. SPDX-License-Identifier: MIT */
#include "init.h"

#include <ipc/buffer.h>
#include <ipc/kernel.h>
#include <string.h>

/* The kernel starts us with rdi = AR_BOOT_INFO and rsp at the top of a stack. */
__asm__(".globl _start\n"
        ".type _start, @function\n"
        "_start:\n"
        "    xorl %ebp, %ebp\n"
        "    andq $-16, %rsp\n"
        "    call init_main\n"
        "    ud2\n"
        ".size _start, . - _start\n");

/* Called from the assembly above alone. */
_Noreturn void init_main(const struct ar_boot_info *boot) __attribute__((used));

struct ar_ipc_buffer *ipc_buffer(void)
{
    return (struct ar_ipc_buffer *)(monitor_is_caller() ? INIT_MONITOR_IPC : INIT_IPC_ADDRESS);
}

static void command_read(struct command *command, const struct ar_boot_info *boot)
{
    init_step("init", "reading the command line");
    const char *wrong =
        command_parse(command, boot->command_line, strnlen(boot->command_line, 512));
    size_t size;
    const char *more = bundle_open("command", &size); /* what 512 bytes cannot hold */
    if (!wrong && more)
        wrong = command_parse(command, more, size);
    if (!wrong)
        wrong = command_complete(command);
    if (wrong)
        init_fail("%s", wrong);
}

/* A shell's view of a wait status: the exit code, or 128 plus the signal. */
static unsigned exit_status(uint64_t status)
{
    return (status & 0x7f) == 0 ? (unsigned)(status >> 8 & 0xff) : 128 + (unsigned)(status & 0x7f);
}

void init_main(const struct ar_boot_info *boot)
{
    static struct command command;

    init_step("init", "reading the boot information");
    if (boot->magic != AR_BOOT_MAGIC)
        init_fail("the boot information has a wrong magic number");
    memory_init(boot);
    bundle_init(boot);
    command_read(&command, boot);
    ar_cap fault_endpoint = monitor_start();
    servers_start(boot, rtc_read(AR_INIT_PORT), fault_endpoint);
    uint64_t status = program_run(&command);
    init_line("aramid-exit: %u", exit_status(status));
    machine_exit(EXIT_DONE);
}
