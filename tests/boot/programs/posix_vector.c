/* SSE and x87 state across system calls, signals, faults and preemption; AVX too where there is
 * any. SPDX-License-Identifier: MIT */
#include "check.h"
#include <cpuid.h>

static volatile sig_atomic_t count;

/* Spoils every vector register. */
static void handler(int signal)
{
    (void)signal;
    count++;
    __asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n\tmovdqa %%xmm0, %%xmm1\n\tmovdqa %%xmm0, "
                     "%%xmm2\n\tmovdqa %%xmm0, %%xmm3\n\t"
                     "movdqa %%xmm0, %%xmm4\n\tmovdqa %%xmm0, %%xmm5\n\tmovdqa %%xmm0, "
                     "%%xmm6\n\tmovdqa %%xmm0, %%xmm7\n\t"
                     "movdqa %%xmm0, %%xmm8\n\tmovdqa %%xmm0, %%xmm9\n\tmovdqa %%xmm0, "
                     "%%xmm14\n\tmovdqa %%xmm0, %%xmm15\n\t"
                     "fninit\n\tfldpi" ::
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                           "xmm9", "xmm14", "xmm15");
}

/* Put `seed` into 16 registers, run `call` in between (a raw system call), add the registers up
 * again. */
static uint64_t through_call(uint64_t seed, long number, long argument, long *result)
{
    uint64_t sums[2] = {0, 0}, values[2] = {seed, seed * 3};
    long rax = number;
    __asm__ volatile("movdqu (%2), %%xmm0\n\tmovdqa %%xmm0, %%xmm1\n\tpaddq %%xmm0, "
                     "%%xmm1\n\tmovdqa %%xmm1, %%xmm5\n\t"
                     "paddq %%xmm0, %%xmm5\n\tmovdqa %%xmm5, %%xmm8\n\tmovdqa %%xmm0, "
                     "%%xmm15\n\tmovdqa %%xmm1, %%xmm14\n\t"
                     "syscall\n\t"
                     "paddq %%xmm1, %%xmm0\n\tpaddq %%xmm5, %%xmm0\n\tpaddq %%xmm8, "
                     "%%xmm0\n\tpaddq %%xmm14, %%xmm0\n\t"
                     "paddq %%xmm15, %%xmm0\n\tmovdqu %%xmm0, (%3)"
                     : "+a"(rax)
                     : "D"(argument), "r"(values), "r"(sums)
                     : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm5", "xmm8", "xmm14", "xmm15");
    *result = rax;
    return sums[0] * 31 + sums[1];
}

static uint64_t expected(uint64_t seed)
{
    /* xmm0 s, xmm1 2s, xmm5 3s, xmm8 3s, xmm14 2s, xmm15 s: 12 s */
    return 12 * seed * 31 + 12 * seed * 3;
}

static double work(double x, unsigned rounds)
{
    double a = x, b = x * 0.5, c = x * 0.25, d = 1.0;
    for (unsigned i = 0; i < rounds; i++) {
        a = a * 1.0000001 + b * 0.0000001;
        b = b * 0.9999999 + c * 0.0000001;
        c = c + d * 0.0000001;
        d = d * 1.00000001;
    }
    return a + b + c + d;
}

static int avx_works(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27)) || !(c & (1u << 28)))
        return 0;
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 6) == 6;
}

/* The upper halves of ymm registers survive a system call and a signal; trivially true without
 * AVX. */
static int avx_survives(void)
{
    if (!avx_works())
        return 1;
    uint64_t in[4] = {1, 2, 3, 4}, out[4] = {0};
    long pid = getpid(), rax = SYS_kill;
    __asm__ volatile("vmovdqu (%3), %%ymm7\n\tsyscall\n\tvmovdqu %%ymm7, (%4)\n\tvzeroupper"
                     : "+a"(rax) : "D"(pid), "S"((long)SIGUSR1), "r"(in), "r"(out)
                     : "rcx", "r11", "memory", "xmm7");
    return memcmp(in, out, sizeof in) == 0;
}

int main(void)
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    long result;
    int good = 0;
    for (uint64_t i = 1; i <= 1000; i++)
        good += through_call(i * 7919, SYS_getppid, 0, &result) == expected(i * 7919);
    printf("SSE through getppid: %d of 1000\n", good);
    good = through_call(42, 9999, 0, &result) == expected(42);
    printf("SSE through an unknown call: %d, %ld\n", good, result);
    printf("AVX through a signal: %d\n", avx_survives());
    double alone = work(1.5, 3000000);
    struct itimerval every = {.it_interval.tv_usec = 5000, .it_value.tv_usec = 5000};
    setitimer(ITIMER_REAL, &every, NULL);
    int same = 0;
    for (int i = 0; i < 5; i++)
        same += work(1.5, 3000000) == alone;
    memset(&every, 0, sizeof every);
    setitimer(ITIMER_REAL, &every, NULL);
    printf("sums under alarms: %d of 5, alarms came: %d\n", same, count > 0);
    fflush(stdout);
    pid_t children[4];
    for (int n = 0; n < 4; n++) {
        children[n] = fork();
        if (children[n] == 0) {
            double first = work(2.0 + n, 2000000);
            int agree = 0;
            for (int i = 0; i < 4; i++)
                agree += work(2.0 + n, 2000000) == first;
            _exit(agree);
        }
    }
    for (int n = 0; n < 4; n++) {
        int status;
        waitpid(children[n], &status, 0);
        show_status("sums beside three others", status);
    }
    unsigned mxcsr = 0x1f80 | 0x6000, back = 0;
    __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
    raise(SIGUSR1);
    __asm__ volatile("stmxcsr %0" : "=m"(back));
    printf("rounding mode survives: %d\n", (back & 0x6000) == 0x6000);
    mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
    long double x = 1.25L;
    __asm__ volatile("fldt %0" ::"m"(x));
    syscall(SYS_getppid);
    raise(SIGUSR1);
    long double y = 0;
    __asm__ volatile("fstpt %0" : "=m"(y));
    printf("x87 survives: %d\n", x == y);
    return 0;
}
