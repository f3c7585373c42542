/* The attackers. SPDX-License-Identifier: MIT */
#include "attack.h"

#include <string.h>

enum { LABEL_PERCENT = 90, SLOT_PERCENT = 80, SCAN_EVERY = 64, FRAME_WORDS = 512, READ_WORDS = 56 };

static struct attack_shared *const shared = (struct attack_shared *)ATTACK_SHARED;
static uint64_t self; /* set by each thread before it uses it: only `shared` is shared in earnest */

static uint64_t random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * 0x2545f4914f6cdd1dull >> 8;
}

#define PICK(state, array) ((array)[random(state) % (sizeof(array) / sizeof((array)[0]))])

/* A word that somebody once forgot to think of. */
static uint64_t word(uint64_t *state)
{
    static const uint64_t interesting[] = {
        0, 1, 2, 3, 7, 8, 12, 16, 21, 47, 48, 55, 63, 64, 255, 256, 257, 448, 449, 4095, 4096, 4097,
        ATTACK_SCRATCH, ATTACK_SCRATCH + 0x1000, ATTACK_SCRATCH + 8, ATTACK_SCRATCH - 0x1000,
        ATTACK_SCRATCH + 0x200000, 0x400000, ATTACK_CODE, AR_BOOT_INFO, NATIVE_THREADS,
        0x7fffffffe000, 0x7fffffffeff8, 0x7ffffffff000, 0x7fffffffffff, 0x800000000000,
        0xffff7fffffffffff, 0xffff800000000000, 0xffff800000100000, 0xffff8000fee00000,
        0xffffffff80000000, 0xffffffff80101000, 0xfffffffffffff000, 0xfffffffffffffff8,
        0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 1ull << 62, 1ull << 63, ~0ull, ~0ull - 1};
    switch (random(state) % 4) {
    case 0: return PICK(state, interesting);
    case 1: return random(state) % 16;
    case 2: return random(state) % (SLOT_FREE + 24);
    default: return random(state) % 8 ? PICK(state, interesting) + random(state) % 3 - 1
                                      : random(state) << 8 ^ random(state);
    }
}

static uint64_t slot(uint64_t *state)
{
    return random(state) % 100 < SLOT_PERCENT ? 1 + random(state) % (SLOT_FREE + 16) : word(state);
}

/* ---- looking for what is not ours ------------------------------------------------------------ */

static void look(const uint64_t *words, unsigned count, uint64_t where, uint64_t call)
{
    for (unsigned i = 0; i < count; i++) {
        if (words[i] >> 32 == SECRET_HIGH && !shared->seen) {
            shared->seen = words[i];
            shared->seen_where = where + i;
            shared->seen_call = call;
        }
    }
}

static void look_at_vectors(uint64_t call)
{
    static uint64_t vector[ATTACK_THREADS][2][2] __attribute__((aligned(16)));
    uint64_t(*mine)[2] = vector[self % ATTACK_THREADS];
    __asm__ volatile("movaps %%xmm3, %0\n\tmovaps %%xmm14, %1" : "=m"(mine[0]), "=m"(mine[1]));
    look(&mine[0][0], 4, 3000, call);
}

/* Fresh memory is clear: through a read, and mapped. */
static void look_at_fresh_frame(uint64_t *state, uint64_t call)
{
    ar_cap to = SLOT_FREE + (ar_cap)(random(state) % 64);
    uint64_t address = ATTACK_SCRATCH + random(state) % 64 * 0x1000;
    struct ar_message m;
    ar_cap_delete(to);
    if (ar_retype(SLOT_UNTYPED, AR_FRAME, 12, to, 1))
        return;
    shared->fresh_frames++;
    if (!ar_invoke(to, AR_FRAME_READ, random(state) % 440 * 8, READ_WORDS, 0, 0, 2, &m))
        look(native_buffer()->words, AR_MSG_WORDS, 4000, call);
    if (ar_invoke4(to, AR_FRAME_MAP, SLOT_SPACES, address, AR_READ, 0))
        return;
    for (unsigned i = 0; i < FRAME_WORDS; i++) {
        uint64_t value = ((volatile uint64_t *)address)[i];
        if (value && !shared->seen) {
            shared->seen = value;
            shared->seen_where = 5000 + i;
            shared->seen_call = call;
        }
    }
    if (random(state) % 4 == 0)
        ar_invoke4(AR_CAP_SELF, AR_CNODE_REVOKE, SLOT_UNTYPED, 0, 0, 0);
    else
        ar_cap_delete(to);
}

/* ---- system calls ---------------------------------------------------------------------------- */

static uint64_t label(uint64_t *state)
{
    static const uint8_t labels[] = {0x10, 0x11, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x30,
                                     0x38, 0x39, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47,
                                     0x48, 0x49, 0x4a, 0x4b, 0x50, 0x60, 0x61, 0x62, 0x63, 0x64,
                                     0x65, 0x66, 0x70, 0x71, 0x72, 0x78, 0x79, 0x7a, 0x7b, 0x7c};
    if (random(state) % 100 >= LABEL_PERCENT)
        return word(state);
    uint64_t picked = PICK(state, labels);
    /* What takes away ends a generation early: not so often. */
    bool takes = picked == AR_CNODE_DELETE || picked == AR_CNODE_REVOKE ||
                 picked == AR_CNODE_MOVE || picked == AR_TCB_CONFIGURE ||
                 picked == AR_TCB_SET_FOREIGN;
    return takes && random(state) % 4 ? AR_CNODE_COPY : picked;
}

/* An invocation as a careful attacker makes it: a capability of the type that the label is for. */
static void aim(uint64_t *state, struct ar_regs *regs, uint64_t operation)
{
    static const uint8_t targets[16] = {[1] = SLOT_UNTYPED, [2] = SLOT_ROOTS, [3] = SLOT_ENDPOINTS,
                                        [4] = SLOT_TCBS, [5] = SLOT_SPACES, [6] = SLOT_FRAMES,
                                        [7] = SLOT_IRQ};
    regs->rdi = targets[operation >> 4 & 15];
    if (operation >> 4 == 4)
        regs->rdi += random(state) % ATTACK_THREADS;
    else if (operation >> 4 == 6)
        regs->rdi += random(state) % 5;
    else if (operation >> 4 == 2)
        regs->rdi = random(state) % 3 ? AR_CAP_SELF : regs->rdi + random(state) % 2;
    else if (operation >= 0x38 && operation < 0x40)
        regs->rdi = SLOT_FREE_GATE;
    else if (operation >= 0x78)
        regs->rdi = SLOT_PORT;
}

/* Half of them there, half of those short. */
static struct ar_segment segment(uint64_t *state)
{
    uint64_t address = random(state) % 2 ? ATTACK_CODE + random(state) % 4096 : word(state);
    return (struct ar_segment){address, random(state) % 2 ? random(state) % 64 : word(state)};
}

static void fill_buffer(uint64_t *state)
{
    struct ar_ipc_buffer *buffer = native_buffer();
    for (unsigned i = 4; i < 24; i++)
        buffer->words[i] = word(state);
    for (unsigned i = 0; i < AR_MSG_CAPS; i++) {
        buffer->caps_out[i] = slot(state) | (random(state) % 3 ? 0 : AR_CAP_MOVE);
        buffer->recv_slots[i] = random(state) % 4 ? SLOT_FREE + random(state) % 200 : slot(state);
    }
    buffer->recv_slot_count = random(state) % 8 ? random(state) % 10 : word(state);
    for (unsigned i = 0; i < AR_MSG_SEGS; i++) {
        buffer->in[i] = segment(state);
        buffer->out[i] = segment(state);
    }
}

static uint64_t info(uint64_t *state, uint64_t operation)
{
    if (random(state) % 20 == 0)
        return random(state) << 20 ^ random(state);
    uint64_t caps = random(state) % 4 ? 0 : random(state) % 10;
    return AR_INFO(operation, random(state) % 4 ? random(state) % 24 : random(state) % 70, caps,
                   random(state) % 16, random(state) % 16);
}

static void craft(uint64_t *state, struct ar_regs *regs)
{
    static const uint8_t numbers[] = {
        AR_SYS_CALL, AR_SYS_CALL_UNTIL, AR_SYS_CALL_UNTIL, AR_SYS_CALL_UNTIL, AR_SYS_RECV,
        AR_SYS_RECV, AR_SYS_REPLY_RECV, AR_SYS_REPLY_RECV, AR_SYS_REPLY, AR_SYS_REPLY,
        AR_SYS_SIGNAL, AR_SYS_WAIT, AR_SYS_YIELD, AR_SYS_DATA_READ, AR_SYS_DATA_WRITE,
        AR_SYS_CLOCK, AR_SYS_INVOKE, AR_SYS_INVOKE, AR_SYS_INVOKE, AR_SYS_INVOKE, AR_SYS_INVOKE,
        AR_SYS_INVOKE, AR_SYS_INVOKE, AR_SYS_INVOKE, AR_SYS_INVOKE, AR_SYS_INVOKE, AR_SYS_INVOKE,
        AR_SYS_INVOKE, AR_SYS_INVOKE, AR_SYS_INVOKE};
    uint64_t *words = &regs->rax;
    for (unsigned i = 0; i < 15; i++)
        words[i] = word(state);
    regs->rax = random(state) % 100 ? PICK(state, numbers) : word(state);
    regs->rdi = slot(state);
    bool invoke = regs->rax == AR_SYS_INVOKE;
    uint64_t operation = invoke ? label(state) : AR_LABEL_USER - 2 + random(state) % 64;
    regs->rsi = info(state, operation);
    regs->r12 = random(state) % 100 < SLOT_PERCENT ? SLOT_REPLIES + random(state) % 8 : word(state);
    regs->r13 = random(state) % 32 ? ar_clock_ns() + random(state) % 20000 : word(state);
    if (random(state) % 2 && regs->rax != AR_SYS_CALL_UNTIL)
        regs->r13 = 0;
    if (random(state) % 4 == 0)
        return;
    if (invoke)
        aim(state, regs, operation);
    else if (regs->rax == AR_SYS_CALL || regs->rax == AR_SYS_CALL_UNTIL)
        regs->rdi = SLOT_ENDPOINTS + random(state) % 9;
    else if (regs->rax == AR_SYS_RECV || regs->rax == AR_SYS_REPLY_RECV)
        regs->rdi = SLOT_ENDPOINTS + random(state) % 4;
    else if (regs->rax == AR_SYS_SIGNAL || regs->rax == AR_SYS_WAIT)
        regs->rdi = SLOT_NOTIFICATIONS + random(state) % 4;
    else
        regs->rdi = SLOT_REPLIES + random(state) % 8;
    if (regs->rax == AR_SYS_DATA_READ || regs->rax == AR_SYS_DATA_WRITE) {
        regs->rdx = random(state) % 64;
        regs->r8 = 1 + random(state) % 32;
        if (random(state) % 4 == 0)
            regs->r10 = ATTACK_CODE + random(state) % 4096;
    }
}

/* ---- instructions ---------------------------------------------------------------------------- */

/* Each is jumped to with rax and rdx wild; what follows is the next one, until something faults. */
extern const char *const hostile[], *const hostile_end[];
#define HOSTILE(text)                                                                              \
    __asm__(".pushsection .text\n9: " text "\n.popsection\n"                                       \
            ".pushsection .rodata.hostile,\"a\"\n.quad 9b\n.popsection");
#define FRAME(ss, rsp, rflags, cs)                                                                 \
    "push $" ss "; push " rsp "; push $" rflags "; push $" cs "; "
__asm__(".pushsection .rodata.hostile,\"a\"\n.balign 8\nhostile:\n.popsection");
HOSTILE("cli")
HOSTILE("sti")
HOSTILE("hlt")
HOSTILE("in %dx, %al")
HOSTILE("outl %eax, %dx")
HOSTILE("mov %cr0, %rax")
HOSTILE("mov %rax, %cr0")
HOSTILE("mov %rax, %cr3")
HOSTILE("mov %rax, %cr4")
HOSTILE("mov %rax, %cr8")
HOSTILE("mov %rax, %dr7")
HOSTILE("mov $0xc0000082, %ecx; wrmsr")
HOSTILE("mov $0xc0000080, %ecx; rdmsr")
HOSTILE("lgdt (%rsp)")
HOSTILE("lidt (%rsp)")
HOSTILE("lldt %ax")
HOSTILE("ltr %ax")
HOSTILE("lmsw %ax")
HOSTILE("sgdt -64(%rsp)")
HOSTILE("sidt -64(%rsp)")
HOSTILE("sldt %rax")
HOSTILE("str %rax")
HOSTILE("smsw %rax")
HOSTILE("clts")
HOSTILE("invlpg (%rsp)")
HOSTILE("invd")
HOSTILE("wbinvd")
HOSTILE("swapgs")
HOSTILE("sysretq")
HOSTILE("sysexitl")
HOSTILE("sysenter")
HOSTILE("stac")
HOSTILE("clac")
HOSTILE("monitor; mwait")
HOSTILE("xor %ecx, %ecx; xsetbv")
HOSTILE("rdpmc")
HOSTILE("vmcall")
HOSTILE("ud2")
HOSTILE("pushq $0x40302; popfq; syscall; ud2")         /* AC, TF */
HOSTILE("pushq $0x4602; popfq; mov $6, %eax; syscall; ud2") /* NT, DF */
HOSTILE("pushq $0x3302; popfq; nop; ud2")              /* IOPL */
HOSTILE(FRAME("0x10", "%rsp", "0x3202", "0x08") "lea 1f(%rip), %rcx; push %rcx; iretq; 1: ud2")
HOSTILE(FRAME("0x1b", "%rsp", "0x7302", "0x23")
        "lea 1f(%rip), %rcx; push %rcx; iretq; 1: syscall; ud2")
HOSTILE(FRAME("0x1b", "%rsp", "0x20202", "0x23") "lea 1f(%rip), %rcx; push %rcx; iretq; 1: ud2")
HOSTILE(FRAME("0x1b", "%rax", "0x202", "0x23")
        "lea 1f(%rip), %rcx; push %rcx; iretq; 1: syscall; int3")
HOSTILE(FRAME("0x1b", "%rsp", "0x202", "0x23") "push %rax; iretq")
HOSTILE(FRAME("0x0", "%rsp", "0x202", "0x2b") "push %rax; iretq")
HOSTILE("mov %ax, %ds; mov %dx, %es; syscall; ud2")
HOSTILE("mov %ax, %fs; mov %dx, %gs; syscall; ud2")
HOSTILE("mov %ax, %ss; syscall; ud2")
HOSTILE("mov $0x0f, %eax; mov %eax, %ss; ud2")
HOSTILE("push $0x08; push %rax; lretq")
HOSTILE("push $0x0f; push %rax; lretq")
HOSTILE("push $0x28; push %rax; lretq")
HOSTILE("movl $0x1234, -16(%rsp); movw $0x0c, -12(%rsp); lcall *-16(%rsp); ud2")
HOSTILE("jmp *%rax")
HOSTILE("push %rax; ret")
HOSTILE("mov $0x800000000000, %rax; jmp *%rax")
HOSTILE("mov $0x800000000000, %rax; push %rax; ret")
HOSTILE("mov $0x7fffffffeffe, %rcx; mov $10, %eax; jmp *%rcx") /* syscall at the end */
HOSTILE("wrfsbase %rax; mov $6, %eax; syscall; ud2")
HOSTILE("wrgsbase %rax; mov $6, %eax; syscall; ud2")
HOSTILE("mov $0xffff800000100000, %rax; wrgsbase %rax; mov $6, %eax; syscall; mov %gs:0, %rax")
HOSTILE("mov %rax, %rsp; mov $6, %eax; syscall; push %rax")
HOSTILE("mov $0xffffffff80101000, %rsp; int3; push %rax")
HOSTILE("mov $0x800000000000, %rsp; mov $6, %eax; syscall; int3; push %rax")
HOSTILE("mov $0xffff800000000000, %rax; mov (%rax), %rdx")
HOSTILE("mov $0xffffffff80101000, %rax; mov %rdx, (%rax)")
HOSTILE("mov $0xffffffff80101000, %rax; call *%rax")
HOSTILE("push %rax; ldmxcsr (%rsp); ud2")
HOSTILE("fninit; fldcw -8(%rsp); fldenv -64(%rsp); fld1; fdivp; fwait; ud2")
/* No XSAVE or XRSTOR: QEMU's TCG executes them though CR0.TS is set, on whoever's registers. */
__asm__(".pushsection .rodata.hostile,\"a\"\nhostile_end:\n.popsection");

/* Does not come back as a rule: the fault's handler starts us again. */
static void hostile_instruction(uint64_t *state)
{
    uint8_t *code = (uint8_t *)ATTACK_CODE + self % ATTACK_EACH * 16;
    unsigned count = (unsigned)(hostile_end - hostile);
    unsigned n = (unsigned)(random(state) % (count + 16));
    uint64_t rax = word(state), rdx = word(state);
    const void *target = code;
    shared->instructions++;
    if (n < count) {
        target = hostile[n];
    } else {
        code[0] = 0xcd; /* int n */
        code[1] = (uint8_t)random(state);
        code[2] = 0x0f;
        code[3] = 0x0b;
    }
    __asm__ volatile("jmp *%2" : : "a"(rax), "d"(rdx), "r"(target) : "memory");
    __builtin_unreachable();
}

void attack_main(uint64_t index)
{
    uint64_t state = shared->random[index];
    while (shared->calls[index] < shared->budget) {
        struct ar_regs regs;
        uint64_t call = ++shared->calls[index];
        self = index;
        shared->random[index] = random(&state);
        state = shared->random[index] | 1;
        craft(&state, &regs);
        if (call % 4 == 0)
            fill_buffer(&state);
        native_raw(&regs);
        if (regs.rax < 64)
            shared->outcomes[regs.rax]++;
        look(&regs.rax, 15, 1000, call);
        uint32_t got = AR_INFO_LABEL(regs.rsi);
        shared->received += got >= AR_LABEL_USER && got < AR_LABEL_USER + 64;
        if (call % SCAN_EVERY == index)
            look((const uint64_t *)native_buffer(), FRAME_WORDS, 2000, call);
        if (call % SCAN_EVERY == index + 16)
            look_at_vectors(call);
        if (call % SCAN_EVERY == index + 32)
            look_at_fresh_frame(&state, call);
        if (random(&state) % 128 == 0)
            hostile_instruction(&state);
    }
    for (;;)
        __asm__ volatile("int3");
}
