/* Threads whose faults init handles. SPDX-License-Identifier: MIT */
#include "native.h"

enum { BADGE = 0xfa17, FLAGS = 0x202, VECTOR_UD = 6 };

/* The program's memory accesses and calls as single instructions; "probe_done" is the #UD that
 * says that it went well. */
extern const char probe_read[], probe_write[], probe_jump[], probe_done[];
__asm__(".pushsection .text\n"
        "probe_read: mov (%rdi), %rax; jmp probe_done\n"
        "probe_write: mov %rax, (%rdi); jmp probe_done\n"
        "probe_jump: call *%rdi\n"
        "probe_done: ud2\n"
        ".popsection");

struct native_subject native_subject_make(ar_cap space)
{
    struct native_subject subject = {.endpoint = native_retype(AR_ENDPOINT, 0),
                                     .reply = native_retype(AR_REPLY, 0)};
    struct native_thread_plan plan = {.space = space,
                                      .fault_gate = native_gate(subject.endpoint, BADGE)};
    subject.thread = native_thread_make(&plan);
    native_ok("set a priority", ar_invoke4(subject.thread.tcb, AR_TCB_SET_PRIORITY, 10, 0, 0, 0));
    return subject;
}

void native_subject_go(struct native_subject *subject, const struct ar_regs *regs)
{
    native_write_regs(subject->thread.tcb, regs);
    if (subject->started) {
        native_subject_reply(subject);
        return;
    }
    subject->started = true;
    native_ok("resume", ar_invoke4(subject->thread.tcb, AR_TCB_RESUME, 0, 0, 0, 0));
}

void native_subject_reply(const struct native_subject *subject)
{
    struct ar_message m = {.badge = subject->reply};
    native_ok("reply to a fault", ar_syscall(AR_SYS_REPLY, &m, 0, 0));
}

void native_subject_fault(const struct native_subject *subject, struct native_fault *fault)
{
    struct ar_message m = {.badge = subject->endpoint};
    native_ok("receive a fault",
              ar_syscall(AR_SYS_RECV, &m, subject->reply, ar_clock_ns() + NATIVE_PATIENCE_NS));
    native_equal("label of the fault message", AR_INFO_LABEL(m.info), AR_LABEL_FAULT);
    native_equal("words of the fault message", AR_INFO_WORDS(m.info), 6);
    native_equal("badge of the fault message", m.badge, BADGE);
    *fault = (struct native_fault){.kind = m.words[0],
                                   .address = m.words[1],
                                   .error = m.words[2],
                                   .rip = m.words[3],
                                   .rsp = native_buffer()->words[4],
                                   .rflags = native_buffer()->words[5]};
}

uint64_t native_probe(struct native_subject *subject, enum native_probe kind, uint64_t address,
                      uint64_t *value)
{
    static const char *const entries[] = {probe_read, probe_write, probe_jump};
    struct ar_regs regs = {.rip = (uint64_t)entries[kind],
                           .rsp = subject->thread.stack_top - 8,
                           .rflags = FLAGS,
                           .rax = *value,
                           .rdi = address,
                           .gs_base = (uint64_t)subject->thread.buffer};
    struct native_fault fault;
    native_subject_go(subject, &regs);
    native_subject_fault(subject, &fault);
    if (fault.kind == AR_FAULT_PAGE) {
        native_equal("address of the page fault", fault.address, address);
        return NATIVE_PROBE_PAGE | fault.error;
    }
    native_equal("kind of the fault", fault.kind, AR_FAULT_EXCEPTION);
    if (fault.address != VECTOR_UD || fault.rip != (uint64_t)probe_done)
        return NATIVE_PROBE_EXCEPTION | fault.address << 32 | fault.error;
    native_read_regs(subject->thread.tcb, &regs);
    *value = regs.rax;
    return 0;
}
