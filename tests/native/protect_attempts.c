/*
 * Only in aramid-protect.elf: the kernel itself tries what its page tables and the processor must
 * forbid. SPDX-License-Identifier: MIT
 *
 * The linker puts __wrap_log_all_threads in the place of log_all_threads: AR_LOG_THREADS makes the
 * attempt in word 1 with the user page in word 2 (tests/native/protect_kernel.c). An attempt that is
 * stopped ends in trap_kernel's message; one that is not returns to the program.
 */
#include "arch/arch.h"
#include "arch/x86_64/paging.h"

enum ar_error __wrap_log_all_threads(struct invocation *call);

extern const char kernel_text[];
static const uint64_t constant = 1;
static uint64_t variable = 0xc3; /* ret */

enum attempt {
    READ_ALLOWED, READ_USER, WRITE_USER, JUMP_USER, WRITE_TEXT, WRITE_CONSTANT, JUMP_DATA,
    JUMP_PHYSICAL, JUMP_BOOT
};

static void write(uint64_t address)
{
    __asm__ volatile("movb $0xc3, (%0)" : : "r"(address) : "memory");
}

static void read(uint64_t address)
{
    uint8_t value;
    __asm__ volatile("movb (%1), %0" : "=r"(value) : "r"(address) : "memory");
}

static void jump(uint64_t address)
{
    __asm__ volatile("call *%0" : : "r"(address) : "memory", "cc");
}

enum ar_error __wrap_log_all_threads(struct invocation *call)
{
    uint64_t attempt = call->words[1], user = call->words[2];
    switch (attempt) {
    case READ_ALLOWED:
        __asm__ volatile("stac");
        read(user);
        __asm__ volatile("clac");
        break;
    case READ_USER:
        read(user);
        break;
    case WRITE_USER:
        write(user);
        break;
    case JUMP_USER:
        jump(user);
        break;
    case WRITE_TEXT:
        write((uint64_t)kernel_text);
        break;
    case WRITE_CONSTANT:
        write((uint64_t)&constant);
        break;
    case JUMP_DATA:
        jump((uint64_t)&variable);
        break;
    case JUMP_PHYSICAL:
        jump((uint64_t)arch_pointer(arch_physical(&variable)));
        break;
    case JUMP_BOOT: /* where the boot code was, in the image's mapping */
        jump(KERNEL_BASE + 0x100000);
        break;
    default:
        kernel_stop("no such attempt: %lu", attempt);
    }
    return AR_OK;
}
