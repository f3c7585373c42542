/*
 * Native system calls made through libposix's own text. SPDX-License-Identifier: MIT
 *
 * A `syscall` is native only inside libposix's text, and nothing keeps a program from jumping
 * there. So: look for the bytes 0f 05 in it, jump to them with our registers, and with a stack
 * on which every word is the address of `native_landed`: whatever the code after the instruction
 * pops, its `ret` comes here. What comes in between is not known, so each place is tried first
 * in a child, with a harmless call; a child that does not come back does no harm.
 */
#include "hostile.h"

#define STACK_WORDS 8192
static uint64_t fake_stack[STACK_WORDS] __attribute__((aligned(4096)));
static unsigned char scratch[65536] __attribute__((aligned(4096))); /* where stray pointers point */
uint64_t native_saved_rsp, native_target, native_registers;
static uint64_t found;

/* rdi = struct native. Saves what C needs, loads the call's registers, jumps; native_landed puts
 * all back. */
void native_enter(struct native *registers, uint64_t stack, void *stray);
void native_landed(void);
__asm__(
    ".text\n.globl native_enter, native_landed\n"
    "native_enter:\n"
    "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, native_saved_rsp(%rip)\n"
    "  mov %rdi, native_registers(%rip)\n"
    "  mov %rsi, %rsp\n"
    "  mov %rdx, %rbp\n  mov %rdx, %r14\n  mov %rdx, %r15\n"
    "  mov %rdi, %r11\n"
    "  mov 0(%r11), %rax\n  mov 8(%r11), %rdi\n  mov 16(%r11), %rsi\n  mov 24(%r11), %rdx\n"
    "  mov 32(%r11), %r10\n  mov 40(%r11), %r8\n  mov 48(%r11), %r9\n  mov 56(%r11), %rbx\n"
    "  mov 64(%r11), %r12\n  mov 72(%r11), %r13\n"
    "  jmp *native_target(%rip)\n"
    "native_landed:\n"
    "  mov native_saved_rsp(%rip), %rsp\n"
    "  mov native_registers(%rip), %r11\n"
    "  mov %rax, 0(%r11)\n  mov %rdi, 8(%r11)\n  mov %rsi, 16(%r11)\n  mov %rdx, 24(%r11)\n"
    "  mov %r10, 32(%r11)\n  mov %r8, 40(%r11)\n  mov %r9, 48(%r11)\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
    "  cld\n  ret\n");

void native_call(struct native *registers)
{
    for (unsigned i = 0; i < STACK_WORDS; i++)
        fake_stack[i] = (uint64_t)native_landed;
    native_target = found;
    if (!registers->rbx) /* the kernel does not look at it, what comes after the instruction may */
        registers->rbx = (uint64_t)scratch + sizeof scratch / 2;
    native_enter(registers, (uint64_t)&fake_stack[STACK_WORDS / 2 - 1],
                 scratch + sizeof scratch / 2);
}

uint64_t native_invoke(uint64_t slot, uint64_t label, uint64_t w0, uint64_t w1, uint64_t w2,
                       uint64_t w3, struct native *back)
{
    struct native registers = {.rax = AR_SYS_INVOKE,
                               .rdi = slot,
                               .rsi = AR_INFO(label, 4, 0, 0, 0),
                               .rdx = w0,
                               .r10 = w1,
                               .r8 = w2,
                               .r9 = w3,
                               .rbx = (uint64_t)scratch,
                               .r12 = (uint64_t)scratch};
    native_call(&registers);
    if (back)
        *back = registers;
    return registers.rax;
}

/* Calls that must fail: what comes after the instruction may do something else then. */
static void try_failures(void)
{
    static const uint64_t numbers[] = {AR_SYS_CALL,   AR_SYS_RECV,      AR_SYS_REPLY,
                                       AR_SYS_SIGNAL, AR_SYS_DATA_READ, AR_SYS_COUNT + 7};
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct native registers = {.rax = numbers[i],
                                   .rdi = 60000,
                                   .rsi = AR_INFO(AR_LABEL_USER, 4, 0, 0, 0),
                                   .rbx = (uint64_t)scratch,
                                   .r12 = 60000};
        native_call(&registers);
    }
    native_invoke(AR_CAP_SELF, AR_CNODE_INSPECT, 60000, 0, 0, 0, NULL);
    native_invoke(60000, AR_CNODE_COPY, 42, AR_CAP_SELF, POSIX_SLOT_PROCD, AR_ALL, NULL);
}

/* Does the place give back both halves of what is needed: the status in rax and words in rdx?
 * AR_SYS_CLOCK answers with rax 0 and the time; AR_CNODE_INSPECT of slot 1 answers with the type
 * of the process gate. */
static int place_works(void *argument)
{
    (void)argument;
    try_failures();
    struct native registers = {.rax = AR_SYS_CLOCK,
                               .rbx = (uint64_t)scratch,
                               .r12 = (uint64_t)scratch},
                  second;
    native_call(&registers);
    uint64_t first = registers.rdx;
    uint64_t status =
        native_invoke(AR_CAP_SELF, AR_CNODE_INSPECT, POSIX_SLOT_PROCD, 0, 0, 0, &second);
    return registers.rax == AR_OK && first > 1000000 && status == AR_OK && second.rdx == AR_GATE
               ? 42
               : 1;
}

int native_find(void)
{
    const struct posix_header *header = (const struct posix_header *)POSIX_BASE;
    if (header->magic != POSIX_MAGIC)
        return -1;
    const unsigned char *low = (const unsigned char *)header->native_low,
                        *high = (const unsigned char *)header->native_high;
    int tried = 0;
    for (const unsigned char *at = low; at + 1 < high && tried < 400; at++) {
        if (at[0] != 0x0f || at[1] != 0x05)
            continue;
        tried++;
        found = (uint64_t)at;
        int status = in_child(place_works, NULL);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 42)
            return 0;
    }
    fprintf(stderr, "hostile: %d places tried in %p..%p\n", tried, (const void *)low,
            (const void *)high);
    return -1;
}
