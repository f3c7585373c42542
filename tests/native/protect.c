/*
 * What a user must not be able to do, tried: NX, W^X, the kernel's half, UMIP, addresses that are
 * none, a descriptor table of one's own. (What the kernel must not be able to do to itself:
 * protect_kernel.c.) SPDX-License-Identifier: MIT
 */
#include "native.h"

enum { VECTOR_UD = 6, VECTOR_GP = 13, FLAGS = 0x202 };
#define PHYSICAL_MAP 0xffff800000000000ull /* all memory, in the kernel's half */
#define KERNEL_IMAGE 0xffffffff80000000ull
#define USER_END 0x7ffffffff000ull
#define DENIED(access) (NATIVE_PROBE_PAGE | AR_PF_USER | AR_PF_PRESENT | (access))
#define ABSENT(access) (NATIVE_PROBE_PAGE | AR_PF_USER | (access))

static struct native_subject subject;

static void probe(const char *what, enum native_probe kind, uint64_t address, uint64_t expected)
{
    uint64_t value = 0;
    native_equal(what, native_probe(&subject, kind, address, &value), expected);
}

static void own_memory(void)
{
    static const uint8_t constant[] = {0xc3};
    static uint8_t data[] = {0xc3}; /* ret: it would come back */
    probe("jump to data", NATIVE_JUMP, (uint64_t)data, DENIED(AR_PF_FETCH));
    probe("jump to a constant", NATIVE_JUMP, (uint64_t)constant, DENIED(AR_PF_FETCH));
    probe("jump to the stack", NATIVE_JUMP, subject.thread.stack_top - 64, DENIED(AR_PF_FETCH));
    probe("jump to the buffer", NATIVE_JUMP, (uint64_t)subject.thread.buffer, DENIED(AR_PF_FETCH));
    probe("write to text", NATIVE_WRITE, (uint64_t)native_main, DENIED(AR_PF_WRITE));
    probe("write to a constant", NATIVE_WRITE, (uint64_t)constant, DENIED(AR_PF_WRITE));
    probe("write to the boot page", NATIVE_WRITE, AR_BOOT_INFO, DENIED(AR_PF_WRITE));
    probe("read of 0", NATIVE_READ, 0, ABSENT(0));
}

/* Each access to each kind of kernel memory. */
static void kernel_memory(const struct ar_boot_info *boot)
{
    uint64_t image_start = 0x100000, image = KERNEL_IMAGE + image_start;
    while (image < KERNEL_IMAGE + 0x200000) { /* the first page that is there: kernel text */
        uint64_t value = 0;
        if (native_probe(&subject, NATIVE_READ, image, &value) != ABSENT(0))
            break;
        image += 0x1000;
    }
    const uint64_t present[] = {image, image + 0x10000, PHYSICAL_MAP, PHYSICAL_MAP + image_start,
                                PHYSICAL_MAP + boot->untyped[0].physical,
                                PHYSICAL_MAP + 0xfee00000 /* the local APIC */};
    const uint64_t absent[] = {KERNEL_IMAGE, 0xffffffff90000000, PHYSICAL_MAP + (1ull << 40),
                               0xffffc00000000000, 0xfffffffffffff000};
    for (unsigned i = 0; i < sizeof(present) / sizeof(present[0]); i++) {
        probe("read of the kernel", NATIVE_READ, present[i], DENIED(0));
        probe("write to the kernel", NATIVE_WRITE, present[i], DENIED(AR_PF_WRITE));
        probe("jump to the kernel", NATIVE_JUMP, present[i], DENIED(AR_PF_FETCH));
    }
    for (unsigned i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        probe("read of nothing", NATIVE_READ, absent[i], ABSENT(0));
        probe("write to nothing", NATIVE_WRITE, absent[i], ABSENT(AR_PF_WRITE));
        probe("jump to nothing", NATIVE_JUMP, absent[i], ABSENT(AR_PF_FETCH));
    }
}

/* ---- instructions ---------------------------------------------------------------------------- */

#define CODE(name, text)                                                                           \
    extern const char name##_code[];                                                               \
    __asm__(".pushsection .text\n" #name "_code: " text "\nud2\n.popsection");

CODE(sgdt, "sgdt -64(%rsp)")
CODE(sidt, "sidt -64(%rsp)")
CODE(sldt, "sldt %rax")
CODE(str, "str %rax")
CODE(smsw, "smsw %rax")
CODE(fs_base, "wrfsbase %rdi")
CODE(gs_base, "wrgsbase %rdi")
CODE(call_gate, "lcall *(%rsi)")
CODE(local_code, "lcall *(%rsi)")

static struct ar_regs start_regs(const char *code)
{
    return (struct ar_regs){.rip = (uint64_t)code,
                            .rsp = subject.thread.stack_top - 8,
                            .rflags = FLAGS,
                            .gs_base = (uint64_t)subject.thread.buffer};
}

static void general_protection(const char *what, struct ar_regs regs, uint64_t error)
{
    struct native_fault fault;
    native_subject_go(&subject, &regs);
    native_subject_fault(&subject, &fault);
    native_check(fault.kind == AR_FAULT_EXCEPTION && fault.address == VECTOR_GP &&
                     fault.error == error && fault.rip == regs.rip,
                 "%s: expected #GP(%lx), actual kind %lu, %lx, error %lx, rip %lx", what, error,
                 fault.kind, fault.address, fault.error, fault.rip);
}

static void instructions(void)
{
    general_protection("sgdt", start_regs(sgdt_code), 0);
    general_protection("sidt", start_regs(sidt_code), 0);
    general_protection("sldt", start_regs(sldt_code), 0);
    general_protection("str", start_regs(str_code), 0);
    general_protection("smsw", start_regs(smsw_code), 0);
}

/* A base in the kernel's half is the user's own affair: kept over a switch, and no way in. One that
 * is no address is refused by the processor; QEMU takes it, and then the kernel must. */
static void segment_base(const char *code, uint64_t base, bool refused)
{
    struct native_fault fault;
    struct ar_regs regs = start_regs(code), after;
    regs.rdi = base;
    native_subject_go(&subject, &regs);
    native_subject_fault(&subject, &fault);
    native_check(fault.address == VECTOR_UD || (refused && fault.address == VECTOR_GP),
                 "base %lx: vector %lu", base, fault.address);
    native_read_regs(subject.thread.tcb, &after);
    if (fault.address == VECTOR_UD)
        native_equal("the base", code == fs_base_code ? after.fs_base : after.gs_base, base);
}

static void segment_bases(void)
{
    const char *const codes[] = {fs_base_code, gs_base_code};
    for (unsigned i = 0; i < 2; i++) {
        segment_base(codes[i], PHYSICAL_MAP + 0x1000, false);
        segment_base(codes[i], KERNEL_IMAGE, false);
        segment_base(codes[i], 0x800000000000, true);
    }
}

/*
 * A selector with the table bit names a local descriptor table. There is none; if the processor
 * still had the one of a reset, at address 0, this call gate would lead into the kernel.
 */
static void own_descriptors(void)
{
    static const struct {
        uint32_t offset;
        uint16_t selector;
    } gate = {0, 0x0f}, code = {0, 0x1f};
    struct ar_regs regs = start_regs(call_gate_code);
    uint64_t *table = NULL, target = (uint64_t)call_gate_code;
    ar_cap frame = native_map(AR_INIT_VSPACE, 0, 0, AR_READ | AR_WRITE);
    __asm__("" : "+r"(table)); /* address 0 is memory now */
    table[1] = (target & 0xffff) | 0x08ull << 16 | 0xecull << 40 | (target >> 16 & 0xffff) << 48;
    table[2] = target >> 32;
    table[3] = 0x00cffa000000ffff; /* 32-bit user code */
    regs.rsi = (uint64_t)&gate;
    general_protection("call gate", regs, 0x0c);
    regs.rip = (uint64_t)local_code_code;
    regs.rsi = (uint64_t)&code;
    general_protection("32-bit code", regs, 0x1c);
    native_ok("unmap", ar_invoke4(frame, AR_FRAME_UNMAP, 0, 0, 0, 0));
}

/* ---- addresses that are none ----------------------------------------------------------------- */

/* A system call in the last two bytes of user space returns to where nothing can be mapped, and
 * not to a non-canonical address: the fault is the user's. */
static void last_syscall(void)
{
    uint8_t *window = (uint8_t *)NATIVE_WINDOW;
    struct ar_regs regs = start_regs((const char *)USER_END - 2), after;
    struct native_fault fault;
    ar_cap frame = native_map(AR_INIT_VSPACE, NATIVE_WINDOW, 0, AR_READ | AR_WRITE);
    window[4094] = 0x0f;
    window[4095] = 0x05;
    native_ok("unmap", ar_invoke4(frame, AR_FRAME_UNMAP, 0, 0, 0, 0));
    native_map(AR_INIT_VSPACE, USER_END - 0x1000, frame, AR_READ | AR_EXEC);
    for (unsigned i = 0; i < 2; i++) {
        regs.rax = i ? AR_SYS_CLOCK : AR_SYS_YIELD;
        native_subject_go(&subject, &regs);
        native_subject_fault(&subject, &fault);
        native_check(fault.kind == AR_FAULT_PAGE && fault.address == USER_END &&
                         fault.rip == USER_END && fault.error == (AR_PF_USER | AR_PF_FETCH),
                     "behind the last syscall: kind %lu, address %lx, error %lx, rip %lx",
                     fault.kind, fault.address, fault.error, fault.rip);
        native_read_regs(subject.thread.tcb, &after);
        native_equal("the system call's status", after.rax, AR_OK);
    }
    native_refused("a page behind",
                   ar_invoke4(frame, AR_FRAME_MAP, AR_INIT_VSPACE, USER_END, AR_READ, 0));
}

static void refused_word(const char *what, unsigned word, uint64_t value)
{
    struct ar_regs regs = start_regs(smsw_code);
    const uint64_t *words = (const uint64_t *)&regs;
    struct ar_message m = {.badge = subject.thread.tcb,
                           .info = AR_INFO(AR_TCB_WRITE_REGS, AR_REGS_WORDS, 0, 0, 0)};
    ((uint64_t *)&regs)[word] = value;
    for (unsigned i = 0; i < AR_REGS_WORDS; i++) {
        if (i < 4)
            m.words[i] = words[i];
        else
            native_buffer()->words[i] = words[i];
    }
    native_refused(what, ar_syscall(AR_SYS_INVOKE, &m, 0, 0));
}

static void registers(void)
{
    enum { RIP = 0, RSP = 1, FS_BASE = 18, GS_BASE = 19 };
    const uint64_t bad[] = {0x800000000000, 0xffff7fffffffffff, PHYSICAL_MAP, KERNEL_IMAGE, ~0ull};
    ar_cap tcb = subject.thread.tcb;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refused_word("rip", RIP, bad[i]);
        refused_word("rsp", RSP, bad[i]);
        refused_word("fs base", FS_BASE, bad[i]);
        refused_word("gs base", GS_BASE, bad[i]);
        native_refused("foreign handler", ar_invoke4(tcb, AR_TCB_SET_FOREIGN, bad[i], 0, 4096, 0));
        native_refused("native range", ar_invoke4(tcb, AR_TCB_SET_FOREIGN, 4096, 0, bad[i], 0));
    }
    /* Flags that are not the user's do not become it. */
    struct ar_regs regs = start_regs(smsw_code), after;
    regs.rflags = ~0ull;
    native_write_regs(tcb, &regs);
    native_read_regs(tcb, &after);
    native_equal("flags", after.rflags, 0xdd5 | FLAGS);
    regs.rflags = 0;
    native_write_regs(tcb, &regs);
    native_read_regs(tcb, &after);
    native_equal("flags: interrupts stay on", after.rflags, FLAGS);
}

void native_main(const struct ar_boot_info *boot)
{
    subject = native_subject_make(0);
    own_memory();
    kernel_memory(boot);
    instructions();
    segment_bases();
    own_descriptors();
    last_syscall();
    registers();
}
