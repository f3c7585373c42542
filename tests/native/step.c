/*
 * Single step by the trap flag, set through WRITE_REGS: each instruction gives one #DB fault
 * message with the address of the next one, system calls included: native ones (that return at
 * once, that block, that switch to this very handler) and foreign ones.
 * SPDX-License-Identifier: MIT
 */
#include "native.h"

enum { VECTOR_DB = 1, VECTOR_UD = 6, FLAG_TRAP = 0x100, FLAG_ZERO = 0x40, FLAGS = 0x202 };
enum { LABEL = AR_LABEL_USER + 3, COUNTED = 40, TURNS = 10, ANSWER = 99 };

/* r14 counts, r15 is the number of turns; each instruction is known to next_rip() below. */
extern const char step_code[], step_end[], step_handler[];
__asm__(".pushsection .text\n"
        "step_code:\n"
        ".rept 40; inc %r14; .endr\n"
        "syscall\n" /* as the registers say */
        "1: inc %r14\n"
        "dec %r15\n"
        "jnz 1b\n"
        ".rept 40; inc %r14; .endr\n"
        "step_end: ud2\n"
        "step_handler:\n" /* of foreign calls */
        ".rept 5; inc %r14; .endr\n"
        "jmp *%gs:1320\n"
        ".popsection");
_Static_assert(AR_IPC_FOREIGN_RIP == 1320, "above");

static struct native_subject subject;
static bool foreign;
static uint64_t syscall_at; /* where the last `syscall` was */

/* Where the thread is after the instruction at `rip`, which left `rflags`. */
static uint64_t next_rip(uint64_t rip, uint64_t rflags)
{
    const uint8_t *code = (const uint8_t *)rip;
    switch (code[0]) {
    case 0x49: return rip + 3; /* inc, dec */
    case 0x75: return rflags & FLAG_ZERO ? rip + 2 : rip + 2 + (uint64_t)(int8_t)code[1];
    case 0x65: return syscall_at + 2; /* the handler's jump back */
    case 0x0f:
        syscall_at = rip;
        return foreign ? (uint64_t)step_handler : rip + 2;
    default: native_fail(__FILE__, __LINE__, "unknown code %x at %lx", code[0], rip);
    }
}

/* The thread calls us while we step it: one message that is no fault. */
static void serve(void)
{
    struct ar_message m = {.badge = subject.endpoint};
    native_ok("receive", ar_syscall(AR_SYS_RECV, &m, subject.reply,
                                    ar_clock_ns() + NATIVE_PATIENCE_NS));
    native_equal("label of the call", AR_INFO_LABEL(m.info), LABEL);
    m = (struct ar_message){.badge = subject.reply, .words = {ANSWER}};
    native_ok("reply", ar_syscall(AR_SYS_REPLY, &m, 0, 0));
}

/* Step from step_code to step_end; `calls`: its system call is one to us. Returns the registers
 * at the end. */
static struct ar_regs step_all(const char *what, struct ar_regs regs, bool calls, unsigned steps)
{
    struct native_fault fault;
    uint64_t rip = (uint64_t)step_code;
    regs.rip = rip;
    regs.rsp = subject.thread.stack_top - 8;
    regs.rflags = FLAGS | FLAG_TRAP;
    regs.gs_base = (uint64_t)subject.thread.buffer;
    regs.r14 = 0;
    regs.r15 = TURNS;
    native_subject_go(&subject, &regs);
    for (unsigned count = 0;; count++) {
        if (calls && rip != (uint64_t)step_end && *(const uint8_t *)rip == 0x0f)
            serve();
        native_subject_fault(&subject, &fault);
        if (rip == (uint64_t)step_end) {
            native_equal("vector at the end", fault.address, VECTOR_UD);
            native_equal(what, count, steps);
            break;
        }
        rip = next_rip(rip, fault.rflags);
        native_check(fault.kind == AR_FAULT_EXCEPTION && fault.address == VECTOR_DB &&
                         fault.rip == rip,
                     "%s, step %u: expected #DB at %lx, actual vector %lu at %lx", what, count, rip,
                     fault.address, fault.rip);
        native_check(fault.rflags & FLAG_TRAP, "%s, step %u: the trap flag is off", what, count);
        native_subject_reply(&subject);
    }
    native_read_regs(subject.thread.tcb, &regs);
    native_equal("instructions counted", regs.r14, 2 * COUNTED + TURNS + (foreign ? 5 : 0));
    return regs;
}

void native_main(const struct ar_boot_info *boot)
{
    enum { STEPS = 2 * COUNTED + 1 + 3 * TURNS };
    (void)boot;
    subject = native_subject_make(0);
    ar_cap gate = native_gate(subject.endpoint, 0xca11), bits = native_retype(AR_NOTIFICATION, 0);
    struct ar_regs regs = {.rax = AR_SYS_CLOCK};
    regs = step_all("clock", regs, false, STEPS);
    native_check(regs.rax == AR_OK && regs.rdx, "the clock says %lu", regs.rdx);

    regs = (struct ar_regs){.rax = AR_SYS_SIGNAL, .rdi = bits, .rdx = 4};
    native_equal("signal", step_all("signal", regs, false, STEPS).rax, AR_OK);

    regs = (struct ar_regs){.rax = AR_SYS_WAIT, .rdi = bits, .r13 = AR_NO_DEADLINE};
    native_equal("bits", step_all("wait", regs, false, STEPS).rdx, 4);

    regs.r13 = ar_clock_ns() + 30000000;
    regs = step_all("wait until a time", regs, false, STEPS);
    native_equal("wait until a time", regs.rax, AR_ERR_TIMEOUT);

    regs = (struct ar_regs){.rax = AR_SYS_CALL, .rdi = gate, .rsi = AR_INFO(LABEL, 1, 0, 0, 0)};
    regs = step_all("call", regs, true, STEPS);
    native_equal("call", regs.rax, AR_OK);
    native_equal("the answer", regs.rdx, ANSWER);

    native_ok("set the foreign handler",
              ar_invoke4(subject.thread.tcb, AR_TCB_SET_FOREIGN, (uint64_t)step_handler, 0x1000,
                         0x2000, 0));
    foreign = true;
    regs = (struct ar_regs){.rax = 12345, .rdi = 6};
    regs = step_all("foreign", regs, false, STEPS + 6);
    native_equal("rax of a foreign call", regs.rax, 12345);
    native_equal("rdi of a foreign call", regs.rdi, 6);
}
