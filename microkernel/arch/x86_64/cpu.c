/*
 * Processor set-up and vector state. SPDX-License-Identifier: MIT
 */
#include "arch/x86_64/cpu.h"
#include "arch/arch.h"
#include "arch/x86_64/paging.h"
#include "sched/sched.h"

enum {
    MSR_EFER = 0xc0000080u, MSR_STAR = 0xc0000081u, MSR_LSTAR = 0xc0000082u,
    MSR_FMASK = 0xc0000084u
};
#define EFER_SYSCALL 1ull
#define EFER_NX (1ull << 11)
#define CR0_WP (1ull << 16)
#define CR4_MCE (1ull << 6)
#define CR4_PGE (1ull << 7)
#define CR4_OSFXSR (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP (1ull << 11)
#define CR4_FSGSBASE (1ull << 16)
#define CR4_OSXSAVE (1ull << 18)
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)
#define XCR0_LEGACY 3ull /* x87, SSE */
#define XCR0_AVX 4ull
#define XCR0_AVX512 0xe0ull

struct cpu_features cpu_features;
extern char kernel_stack_top[], fault_stack_top[];
void entry_syscall(void);

struct __attribute__((packed)) tss {
    uint32_t reserved0;
    uint64_t rsp[3], reserved1, ist[7], reserved2;
    uint16_t reserved3, io_map;
};
static struct tss tss = {.io_map = sizeof(struct tss)};

/* null, kernel code, kernel data, user data, user code, TSS (two entries) */
static uint64_t gdt[7] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff,
                          0x00affb000000ffff};

static void load_tables(void)
{
    uint64_t base = (uint64_t)&tss;
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } pointer = {sizeof(gdt) - 1, (uint64_t)gdt};
    tss.rsp[0] = (uint64_t)kernel_stack_top;
    tss.ist[0] = (uint64_t)fault_stack_top;
    gdt[5] =
        (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[6] = base >> 32;
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\tmovl %2, %%eax\n\t"
                     "movl %%eax, %%ss\n\t"
                     "xorl %%eax, %%eax\n\t"
                     "movl %%eax, %%ds\n\t"
                     "movl %%eax, %%es\n\t"
                     "movl %%eax, %%fs\n\t"
                     "movl %%eax, %%gs\n\t"
                     /* a reset leaves a local table at address 0, and the user would fill it */
                     "lldt %%ax\n\t"
                     "movl %3, %%eax\n\t"
                     "ltr %%ax"
                     :
                     : "m"(pointer), "i"(SEL_KERNEL_CODE), "i"(SEL_KERNEL_DATA), "i"(SEL_TSS)
                     : "rax", "memory");
}

/* What vector state there is to save: as much of it as fits a thread's save area. */
static void vector_setup(uint64_t *cr4, bool xsave)
{
    uint32_t id[4];
    cpu_features.vector_size = 512;
    if (!xsave)
        return;
    *cr4 |= CR4_OSXSAVE;
    __asm__ volatile("mov %0, %%cr4" : : "r"(*cr4));
    cpu_id(0xd, 0, id);
    uint64_t available = (uint64_t)id[3] << 32 | id[0];
    uint64_t masks[] = {XCR0_LEGACY | XCR0_AVX | XCR0_AVX512, XCR0_LEGACY | XCR0_AVX, XCR0_LEGACY};
    for (unsigned i = 0; i < 3; i++) {
        uint64_t mask = masks[i];
        if ((available & mask) != mask)
            continue;
        __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32)));
        cpu_id(0xd, 0, id);
        if (id[1] > TCB_VECTOR_SIZE)
            continue;
        cpu_features.xsave = true;
        cpu_features.vector_size = id[1];
        cpu_features.vector_mask = mask;
        cpu_id(0xd, 1, id);
        cpu_features.xsaveopt = id[0] & 1;
        return;
    }
}

void cpu_init(void)
{
    uint32_t basic[4], extended[4] = {0}, high[4], top[4];
    uint64_t cr0, cr4;
    load_tables();
    cpu_id(1, 0, basic);
    cpu_id(0, 0, high);
    if (high[0] >= 7)
        cpu_id(7, 0, extended);
    cpu_id(0x80000001u, 0, top);
    if (top[3] & 1u << 20)
        pte_no_execute = PTE_NO_EXECUTE;
    cpu_write_msr(MSR_EFER, cpu_read_msr(MSR_EFER) | EFER_SYSCALL | (pte_no_execute ? EFER_NX : 0));
    cpu_write_msr(MSR_STAR, (uint64_t)0x10 << 48 | (uint64_t)SEL_KERNEL_CODE << 32);
    cpu_write_msr(MSR_LSTAR, (uint64_t)entry_syscall);
    cpu_write_msr(MSR_FMASK, 0x47700); /* TF, IF, DF, IOPL, NT, AC off on entry */

    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    cr0 = (cr0 & ~0xcull) | CR0_WP | 0x22; /* no EM, TS; MP, NE */
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0));
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    cr4 |= CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cpu_features.smap = extended[1] & 1u << 20;
    if (extended[1] & 1)
        cr4 |= CR4_FSGSBASE;
    if (basic[3] & 1u << 7)
        cr4 |= CR4_MCE; /* a machine check stops the kernel with a message, not the machine */
    if (extended[1] & 1u << 7)
        cr4 |= CR4_SMEP;
    if (cpu_features.smap)
        cr4 |= CR4_SMAP;
    if (extended[2] & 1u << 2)
        cr4 |= CR4_UMIP;
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
    vector_setup(&cr4, basic[2] & 1u << 26);
}

/* ---- vector state ---------------------------------------------------------------------------- */

/*
 * Servers never touch vector registers, so calling one must not cost a save and a restore: the
 * registers stay those of the last thread that has any. Every other thread finds its own in them
 * from its first instruction on: CR0.TS, which would find out who needs any, does not keep
 * speculation (LazyFP) or QEMU's XSAVE and XRSTOR out.
 */
void arch_vector_init(struct tcb *tcb)
{
    uint8_t *area = tcb_vector_area(tcb);
    area[0] = 0x7f; /* x87 control word 0x037f */
    area[1] = 0x03;
    area[24] = 0x80; /* MXCSR 0x1f80 */
    area[25] = 0x1f;
}

static void vector_save(struct tcb *tcb)
{
    void *area = tcb_vector_area(tcb);
    if (cpu_features.xsaveopt)
        __asm__ volatile("xsaveopt64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
    else if (cpu_features.xsave)
        __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

static void vector_load(struct tcb *tcb)
{
    void *area = tcb_vector_area(tcb);
    if (cpu_features.xsave)
        __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

void cpu_vector_switch(struct tcb *next)
{
    if (core.vector_owner)
        vector_save(core.vector_owner);
    vector_load(next);
    core.vector_owner = next;
}
