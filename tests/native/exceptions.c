/*
 * Every exception that a user can raise becomes a fault message with the right words, all
 * registers survive it, and the reply resumes the thread. SPDX-License-Identifier: MIT
 *
 * What a 64-bit user cannot raise: #BR and into's #OF (no such instructions; `bound` and `into` are
 * #UD), #TS and #NP (the kernel's GDT has only present segments, no LDT and no task gates), #AC
 * (CR0.AM is off, see no_alignment_check). NMI, #DF and #MC are not the user's.
 */
#include "native.h"

enum { NONE = 0, DE = 0, DB = 1, BP = 3, OF = 4, UD = 6, SS = 12, GP = 13, MF = 16, XM = 19 };
enum { FLAG_RESUME = 0x10000, FLAGS = 0x203 /* with carry */, IDT_ERROR = 2 };
#define NON_CANONICAL 0x0000800000000000ull
#define PAGE_ADDRESS NATIVE_FREE

/* at: where the exception is raised; next: what a reply to a trap goes on with. */
struct exception {
    const char *name, *start, *at, *next;
    unsigned vector, error;
    bool trap;         /* reported behind the instruction */
    bool never_in_tcg; /* QEMU's TCG does not raise it: then `next` is reached without */
    unsigned tcg;      /* ... or raises another one */
};

#define CODE(name, before, instruction)                                                            \
    extern const char name##_start[], name##_at[], name##_next[];                                  \
    __asm__(".pushsection .text\n" #name "_start: " before "\n" #name "_at: " instruction          \
            "\n" #name "_next: ud2\n.popsection");
#define AT(name) #name, name##_start, name##_at, name##_next

CODE(divide_by_zero, "", "div %rcx")
CODE(single_step, "pushfq; orq $0x100, (%rsp); popfq", "nop")
CODE(breakpoint, "", "int3")
CODE(overflow, "", "int $4")
CODE(undefined, "", "ud2")
CODE(into, "", ".byte 0xce")
CODE(non_canonical_data, "", "mov (%r8), %rax")
CODE(non_canonical_stack, "", "mov (%rbp), %rax")
CODE(halt, "", "hlt")
CODE(interrupts_off, "", "cli")
CODE(port_in, "", "in $0x60, %al")
CODE(write_msr, "", "wrmsr")
CODE(control_register, "", "mov %rax, %cr3")
CODE(task_segment, "mov $0x28, %eax", "mov %eax, %ds")
CODE(local_segment, "mov $0x0f, %eax", "mov %eax, %es")
CODE(x87, "fninit; fldcw x87_unmasked(%rip); fld1; fldz; fdivrp", "fwait")
CODE(vector_unit, "ldmxcsr vector_unmasked(%rip); xorps %xmm1, %xmm1; movaps %xmm1, %xmm0",
     "divss %xmm1, %xmm0")
__asm__(".pushsection .rodata\n.balign 4\nx87_unmasked: .word 0x0300\n.word 0\n"
        "vector_unmasked: .long 0\n.popsection");

static const struct exception exceptions[] = {
    {AT(divide_by_zero), DE, 0, .trap = false},
    {AT(single_step), DB, 0, .trap = true},
    {AT(breakpoint), BP, 0, .trap = true},
    {AT(overflow), OF, 0, .trap = true},
    {AT(undefined), UD, 0, .trap = false},
    {AT(into), UD, 0, .trap = false},
    {AT(non_canonical_data), GP, 0, .trap = false},
    {AT(non_canonical_stack), SS, 0, .tcg = GP},
    {AT(halt), GP, 0, .trap = false},
    {AT(interrupts_off), GP, 0, .trap = false},
    {AT(port_in), GP, 0, .trap = false},
    {AT(write_msr), GP, 0, .trap = false},
    {AT(control_register), GP, 0, .trap = false},
    {AT(task_segment), GP, 0x28, .trap = false},
    {AT(local_segment), GP, 0x0c, .trap = false},
    {AT(x87), MF, 0, .trap = false},
    {AT(vector_unit), XM, 0, .never_in_tcg = true},
};

static struct native_subject subject;

static struct ar_regs start_regs(const char *start)
{
    struct ar_regs regs = {.rip = (uint64_t)start,
                           .rsp = subject.thread.stack_top - 64,
                           .rflags = FLAGS,
                           .fs_base = 0xf5f5000,
                           .gs_base = (uint64_t)subject.thread.buffer};
    uint64_t *word = &regs.rax;
    for (unsigned i = 0; i < 15; i++)
        word[i] = 0x0101010101010101ull * (i + 1);
    regs.rcx = 0;
    regs.rbp = regs.r8 = NON_CANONICAL;
    return regs;
}

/* Every register of the subject, but what the snippet itself changed. */
static void compare_regs(const char *name, struct ar_regs expected, unsigned except)
{
    struct ar_regs actual;
    const uint64_t *a = (const uint64_t *)&actual, *e = (const uint64_t *)&expected;
    native_read_regs(subject.thread.tcb, &actual);
    actual.rflags &= ~(uint64_t)FLAG_RESUME;
    for (unsigned i = 0; i < AR_REGS_WORDS; i++)
        native_check(a[i] == e[i] || i == except, "%s: register %u: expected %lx, actual %lx", name,
                     i, e[i], a[i]);
}

static void raise(const struct exception *e)
{
    enum { RFLAGS_WORD = 2, RAX_WORD = 3 };
    struct ar_regs regs = start_regs(e->start);
    struct native_fault fault;
    unsigned except = e->vector == DB ? RFLAGS_WORD : e->at != e->start ? RAX_WORD : 0;
    native_subject_go(&subject, &regs);
    native_subject_fault(&subject, &fault);
    native_equal(e->name, fault.kind, AR_FAULT_EXCEPTION);
    if (e->never_in_tcg && fault.rip == (uint64_t)e->next && fault.address == UD) {
        native_print("%s: not raised by this processor\n", e->name);
        return;
    }
    if (fault.address != e->vector)
        native_check(e->tcg && fault.address == e->tcg, "%s: expected vector %u, actual %lu",
                     e->name, e->vector, fault.address);
    native_equal(e->name, fault.error, e->error);
    native_equal(e->name, fault.rip, (uint64_t)(e->trap ? e->next : e->at));
    native_equal(e->name, fault.rsp, regs.rsp);
    if (except != RFLAGS_WORD)
        native_equal(e->name, fault.rflags & ~(uint64_t)FLAG_RESUME, FLAGS);
    regs.rip = fault.rip;
    compare_regs(e->name, regs, except);
    if (!e->trap || e->vector == DB) { /* else the reply alone resumes behind it */
        regs.rip = (uint64_t)e->next;
        native_write_regs(subject.thread.tcb, &regs);
    }
    native_subject_reply(&subject);
    native_subject_fault(&subject, &fault);
    native_equal("vector after the resume", fault.address, UD);
    native_equal("rip after the resume", fault.rip, (uint64_t)e->next);
    regs.rip = fault.rip;
    compare_regs(e->name, regs, except);
}

/* int n of every gate but 3 and 4: the kernel's, so #GP with the gate's offset in tables of 8-byte
 * entries (QEMU 7.2: of 16), and never the interrupt. */
static void all_interrupts(void)
{
    uint8_t *code = (uint8_t *)PAGE_ADDRESS;
    native_map(AR_INIT_VSPACE, PAGE_ADDRESS, 0, AR_ALL);
    for (unsigned n = 0; n < 256; n++) {
        struct ar_regs regs = start_regs((const char *)code);
        struct native_fault fault;
        if (n == BP || n == OF)
            continue;
        code[0] = 0xcd;
        code[1] = (uint8_t)n;
        native_subject_go(&subject, &regs);
        native_subject_fault(&subject, &fault);
        native_check(fault.address == GP && fault.rip == PAGE_ADDRESS &&
                         (fault.error == n * 8 + IDT_ERROR || fault.error == n * 16 + IDT_ERROR),
                     "int %u: vector %lu, error %lx, rip %lx", n, fault.address, fault.error,
                     fault.rip);
    }
}

/* Setting the AC flag changes nothing: a program could not know that it is on in the handler of its
 * foreign system calls, which would get the exceptions; so the kernel leaves CR0.AM off. */
CODE(misaligned, "pushfq; orq $0x40000, (%rsp); popfq", "mov 1(%rsp), %rax")

static void no_alignment_check(void)
{
    struct ar_regs regs = start_regs(misaligned_start);
    struct native_fault fault;
    native_subject_go(&subject, &regs);
    native_subject_fault(&subject, &fault);
    native_equal("misaligned access", fault.rip, (uint64_t)misaligned_next);
    native_check(fault.rflags & 0x40000, "the AC flag is lost: %lx", fault.rflags);
}

/* ---- page faults ----------------------------------------------------------------------------- */

static void page_fault(const char *what, enum native_probe kind, uint64_t address, uint64_t code)
{
    uint64_t value = 0;
    native_equal(what, native_probe(&subject, kind, address, &value), NATIVE_PROBE_PAGE | code);
}

static void page_faults(void)
{
    ar_cap page = native_map(AR_INIT_VSPACE, PAGE_ADDRESS + 0x1000, 0, AR_READ);
    page_fault("read of nothing", NATIVE_READ, PAGE_ADDRESS + 0x2000, AR_PF_USER);
    page_fault("write to nothing", NATIVE_WRITE, PAGE_ADDRESS + 0x2008, AR_PF_USER | AR_PF_WRITE);
    page_fault("jump to nothing", NATIVE_JUMP, PAGE_ADDRESS + 0x2010, AR_PF_USER | AR_PF_FETCH);
    page_fault("write to a page for reading", NATIVE_WRITE, PAGE_ADDRESS + 0x1010,
               AR_PF_USER | AR_PF_WRITE | AR_PF_PRESENT);
    page_fault("jump to data", NATIVE_JUMP, PAGE_ADDRESS + 0x1000,
               AR_PF_USER | AR_PF_FETCH | AR_PF_PRESENT);

    /* The reply repeats the instruction: after the page was mapped for writing it goes well. */
    uint64_t value = 77;
    page_fault("write before the remap", NATIVE_WRITE, PAGE_ADDRESS + 0x1010,
               AR_PF_USER | AR_PF_WRITE | AR_PF_PRESENT);
    native_ok("remap", ar_invoke4(page, AR_FRAME_MAP, AR_INIT_VSPACE, PAGE_ADDRESS + 0x1000,
                                  AR_READ | AR_WRITE, 0));
    struct native_fault fault;
    native_subject_reply(&subject);
    native_subject_fault(&subject, &fault);
    native_equal("vector behind the write", fault.address, UD);
    native_ok("write", native_probe(&subject, NATIVE_WRITE, PAGE_ADDRESS + 0x1018, &value));
    native_equal("what was written", *(volatile uint64_t *)(PAGE_ADDRESS + 0x1018), 77);
}

/* A processor may report a jump to an address that is none at the address itself, which no iretq
 * can go back to: the reply goes on at an address that is one, and faults there. */
static void non_canonical_jump(void)
{
    uint64_t value = 0;
    native_equal("jump to no address", native_probe(&subject, NATIVE_JUMP, NON_CANONICAL, &value),
                 NATIVE_PROBE_EXCEPTION | (uint64_t)GP << 32);
    struct ar_regs regs;
    native_read_regs(subject.thread.tcb, &regs);
    native_check(regs.rip < NON_CANONICAL, "the thread is at %lx", regs.rip);
    struct native_fault fault;
    native_subject_reply(&subject);
    native_subject_fault(&subject, &fault);
    native_check(fault.rip < NON_CANONICAL, "the thread is still at %lx", fault.rip);
}

/* ---- registers, suspend and resume ----------------------------------------------------------- */

CODE(spin, "", "lea 1(%rbx), %rbx; jmp spin_at")

static uint64_t spins(struct ar_regs *regs)
{
    native_read_regs(subject.thread.tcb, regs);
    return regs->rbx;
}

/* The machine may be slow: it is given time. */
static uint64_t spins_beyond(uint64_t turns, struct ar_regs *regs)
{
    for (unsigned i = 0; i < 500 && spins(regs) <= turns; i++)
        native_sleep(10000000);
    native_check(regs->rbx > turns, "the thread does not run: %lx turns", regs->rbx);
    return regs->rbx;
}

static void suspend_and_resume(void)
{
    struct ar_regs regs = start_regs(spin_start), later;
    ar_cap tcb = subject.thread.tcb;
    native_subject_go(&subject, &regs);
    spins_beyond(spins_beyond(regs.rbx, &later), &later);
    native_ok("suspend", ar_invoke4(tcb, AR_TCB_SUSPEND, 0, 0, 0, 0));
    uint64_t first = spins(&later);
    native_sleep(20000000);
    native_equal("turns of a suspended thread", spins(&later), first);
    regs.rip = later.rip;
    regs.rbx = later.rbx;
    compare_regs("interrupted", regs, 0);

    /* Every register is given anew, and is there when the thread goes on. */
    uint64_t *word = &regs.rax;
    for (unsigned i = 0; i < 15; i++)
        word[i] = ~word[i];
    regs.fs_base = 0x7ffffffff008 - 16;
    regs.rflags = 0x246;
    native_write_regs(tcb, &regs);
    compare_regs("written", regs, 0);
    first = regs.rbx;
    native_sleep(20000000);
    native_equal("turns before the resume", spins(&later), first);
    native_ok("resume", ar_invoke4(tcb, AR_TCB_RESUME, 0, 0, 0, 0));
    regs.rbx = spins_beyond(first, &later);
    regs.rip = later.rip;
    compare_regs("resumed", regs, 0);
    native_ok("suspend", ar_invoke4(tcb, AR_TCB_SUSPEND, 0, 0, 0, 0));
}

/* A thread whose faults nobody handles stops, and only it. */
static void nobody_handles(void)
{
    struct native_thread thread = native_thread_make(&(struct native_thread_plan){0});
    struct ar_regs regs = start_regs(undefined_start);
    struct ar_message m;
    uint64_t give_up = ar_clock_ns() + NATIVE_PATIENCE_NS;
    native_write_regs(thread.tcb, &regs);
    native_ok("resume", ar_invoke4(thread.tcb, AR_TCB_RESUME, 0, 0, 0, 0));
    do {
        native_sleep(10000000);
        native_ok("info", ar_invoke(thread.tcb, AR_TCB_INFO, 0, 0, 0, 0, 0, &m));
    } while (!m.words[3] && ar_clock_ns() < give_up);
    native_equal("suspended", m.words[3], 1);
    native_equal("rip", m.words[2], (uint64_t)undefined_start);
}

void native_main(const struct ar_boot_info *boot)
{
    (void)boot;
    subject = native_subject_make(0);
    for (unsigned i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++)
        raise(&exceptions[i]);
    all_interrupts();
    no_alignment_check();
    page_faults();
    non_canonical_jump();
    suspend_and_resume();
    nobody_handles();
}
