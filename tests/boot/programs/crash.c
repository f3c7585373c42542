/*
 * One way to die per name: crash NAME. The signal must be Linux's; a return is exit status 77.
 * SPDX-License-Identifier: MIT
 */
#include "check.h"

typedef void function(void);

static void kernel_jump(void) { ((function *)0xffffffff80001000ull)(); }
static void kernel_read(void) { (void)*(volatile char *)0xffffffff80001000ull; }
static void kernel_write(void) { *(volatile char *)0xffffffff80001000ull = 1; }
static void odd_address(void) { (void)*(volatile char *)0x1234567812345678ull; } /* not canonical */
static void odd_jump(void) { ((function *)0x1234567812345678ull)(); }
static void halt(void) { __asm__ volatile("hlt"); }
static void interrupts_off(void) { __asm__ volatile("cli"); }
static void port_in(void) { __asm__ volatile("inb $0x60, %%al" ::: "rax"); }
static void port_out(void) { __asm__ volatile("movb $1, %%al\n\toutb %%al, $0xf4" ::: "rax"); }
static void write_cr3(void) { __asm__ volatile("mov %0, %%cr3" ::"r"(0ul)); }
static void read_cr0(void) { unsigned long x; __asm__ volatile("mov %%cr0, %0" : "=r"(x)); }
static void write_msr(void) { __asm__ volatile("wrmsr" ::"c"(0xc0000082), "a"(0), "d"(0)); }
static void load_gdt(void) { char b[10] = {0}; __asm__ volatile("lgdt %0" ::"m"(b)); }
static void divide(void) { volatile int zero = 0, one = 1; one = one / zero; }
static void overflow_divide(void)
{
    volatile int low = (int)0x80000000, minus = -1;
    low = low / minus;
}
static void invalid(void) { __asm__ volatile("ud2"); }
static void breakpoint(void) { __asm__ volatile("int3"); }
static void interrupt_80(void) { __asm__ volatile("int $0x30"); }
static void null_write(void) { *(volatile int *)(uintptr_t)8 = 1; }
static void null_read(void) { (void)*(volatile int *)(uintptr_t)8; }
static void null_call(void) { ((function *)(uintptr_t)0)(); }
static void text_write(void) { *(volatile char *)(uintptr_t)text_write = 0x90; }
static char data[64] = {(char)0xc3};
static void data_run(void) { ((function *)(uintptr_t)data)(); }
static void stack_run(void)
{
    volatile char code[16] = {(char)0xc3};
    ((function *)(uintptr_t)code)();
}
static void abort_self(void) { abort(); }
static void alignment(void)
{
    /* misaligned: a general-protection fault */
    __asm__ volatile("movaps 1(%%rsp), %%xmm0" ::: "xmm0");
}
static void float_trap(void)
{
    unsigned mxcsr = 0x1f80 & ~0x200u; /* unmask division by zero */
    __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
    volatile double zero = 0, one = 1;
    one = one / zero;
}
static void single_step(void)
{
    __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tnop\n\tnop" ::: "memory", "cc");
}
static unsigned recurse(unsigned n) /* never ends */
{
    volatile char room[512];
    room[0] = (char)n;
    return n == 0xffffffff ? 0 : recurse(n + 1) + (unsigned)room[0];
}
static void stack_overrun(void) { recurse(1); }
static void bad_stack(void) { __asm__ volatile("mov $8, %%rsp\n\tpush %%rax" ::: "memory"); }
/* a system call with a wild stack pointer is a system call all the same */
static void bad_stack_call(void)
{
    __asm__ volatile("mov $0xdead000, %%rsp\n\tmov $231, %%eax\n\tmov $55, %%edi\n\tsyscall" ::
                         : "memory");
}
/* nothing is there, on either system */
static void libposix_read(void) { (void)*(volatile char *)0x700000000000ull; }

static const struct { const char *name; function *run;
} ways[] = {
#define WAY(f) {#f, f}
    WAY(kernel_jump),   WAY(kernel_read),  WAY(kernel_write),    WAY(odd_address),
    WAY(odd_jump),      WAY(halt),         WAY(interrupts_off),  WAY(port_in),
    WAY(port_out),      WAY(write_cr3),    WAY(read_cr0),        WAY(write_msr),
    WAY(load_gdt),      WAY(divide),       WAY(overflow_divide), WAY(invalid),
    WAY(breakpoint),    WAY(interrupt_80), WAY(null_write),      WAY(null_read),
    WAY(null_call),     WAY(text_write),   WAY(data_run),        WAY(stack_run),
    WAY(abort_self),    WAY(alignment),    WAY(float_trap),      WAY(single_step),
    WAY(stack_overrun), WAY(bad_stack),    WAY(bad_stack_call),  WAY(libposix_read),
};

/* `crash all`: each in a child of its own, one line each; a bystander runs through it all. */
static int run_all(void)
{
    int ends[2];
    pipe(ends);
    fflush(stdout);
    pid_t bystander = fork();
    if (bystander == 0) {
        volatile double x = 1;
        struct pollfd entry = {.fd = ends[0], .events = POLLIN};
        while (poll(&entry, 1, 0) == 0)
            for (int i = 0; i < 10000; i++)
                x = x * 1.0001 > 1e9 ? 1 : x * 1.0001;
        _exit(12);
    }
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            ways[i].run();
            _exit(77);
        }
        int status = -1;
        waitpid(pid, &status, 0);
        show_status(ways[i].name, status);
    }
    int status = -1;
    write(ends[1], "x", 1);
    waitpid(bystander, &status, 0);
    show_status("the bystander", status);
    return 0;
}

int main(int argc, char **argv)
{
    struct rlimit no_core = {0};
    setrlimit(RLIMIT_CORE, &no_core);
    for (unsigned i = 0; argc > 1 && i < sizeof ways / sizeof *ways; i++) {
        if (!strcmp(ways[i].name, argv[1])) {
            ways[i].run();
            return 77;
        }
    }
    return argc > 1 && !strcmp(argv[1], "all") ? run_all() : 2;
}
