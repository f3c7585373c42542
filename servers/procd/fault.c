/* Faults: memory that is not there yet, and programs that go wrong. SPDX-License-Identifier: MIT */
#include "procd.h"
#include "text.h"
#include <string.h>

#define USER_HALF_END (1ull << 47)

struct fault {
    uint64_t kind, address, error, rip, rsp, rflags; /* words of AR_LABEL_FAULT */
};

struct verdict {
    unsigned signal;
    int64_t code;
    const char *cause;
    uint64_t bytes; /* said with the cause when not 0 */
};

static bool inside(uint64_t at, uint64_t low, uint64_t high)
{
    return at >= low && at < high;
}

static struct verdict exception_verdict(uint64_t vector)
{
    switch (vector) {
    case 0:
        return (struct verdict){SIG_FPE, CODE_FPE_INTDIV, "division by zero", 0};
    case 1:
    case 3:
        return (struct verdict){SIG_TRAP, CODE_TRAP_BRKPT, "breakpoint", 0};
    case 6:
        return (struct verdict){SIG_ILL, CODE_ILL_OPN, "illegal instruction", 0};
    case 12:
    case 17:
        return (struct verdict){SIG_BUS, CODE_BUS_ADRALN,
                                "misaligned or non-canonical stack access", 0};
    case 16:
    case 19:
        return (struct verdict){SIG_FPE, 7, "floating-point exception", 0};
    case 13:
        return (struct verdict){SIG_SEGV, CODE_KERNEL,
                                "privileged instruction, or non-canonical address", 0};
    default:
        return (struct verdict){SIG_SEGV, CODE_KERNEL, "unexpected processor exception", 0};
    }
}

static struct verdict page_verdict(const struct fault *fault, enum fault_result result,
                                   uint64_t stack_below)
{
    struct verdict verdict = {SIG_SEGV, CODE_MAPERR, "nothing is mapped there", 0};
    if (fault->address >= USER_HALF_END) {
        verdict.cause =
            fault->error & AR_PF_FETCH ? "jump to kernel half" : "access to kernel half";
    } else if (result == FAULT_STACK_LIMIT) {
        verdict.cause = "stack overflow: bytes below the limit";
        verdict.bytes = stack_below;
    } else if (result == FAULT_PROTECTION) {
        verdict.code = CODE_ACCERR;
        verdict.cause = fault->error & AR_PF_FETCH ? "execute of non-executable page"
            : fault->error & AR_PF_WRITE           ? "write to read-only page"
                                                   : "page without access";
    } else if (fault->address < USER_LOW) {
        verdict.cause = "null pointer";
    }
    return verdict;
}

static const char *signal_label(unsigned signal)
{
    switch (signal) {
    case SIG_FPE: return "SIGFPE";
    case SIG_ILL: return "SIGILL";
    case SIG_BUS: return "SIGBUS";
    case SIG_TRAP: return "SIGTRAP";
    default: return "SIGSEGV";
    }
}

/* What the log will say if the process dies of it. */
static void fault_describe(struct thread *thread, const struct fault *fault,
                           const struct verdict *verdict)
{
    char *line = thread->process->last_fault;
    struct text text = {line, 0, sizeof(thread->process->last_fault) - 1};
    text_row(&text, "thread ", thread->tid, ": ");
    text_string(&text, signal_label(verdict->signal));
    if (fault->kind == AR_FAULT_PAGE) {
        text_string(&text, " at address 0x");
        text_hex(&text, fault->address, 1);
    }
    text_string(&text, ", instruction 0x");
    text_hex(&text, fault->rip, 1);
    text_string(&text, ": ");
    if (verdict->bytes) {
        text_string(&text, "stack overflow: ");
        text_number(&text, verdict->bytes);
        text_string(&text, " bytes below the limit");
    } else {
        text_string(&text, verdict->cause);
    }
    line[text.length] = 0;
}

static void fault_kill(struct procd *procd, struct process *process, unsigned signal)
{
    procd_log(procd, process, process->last_fault);
    process_exit(procd, process, 0, signal, signal != SIG_KILL);
}

/* libposix's user-copy routine met a page that is not there: it goes on at its fix-up. */
static bool fault_fixup(struct procd *procd, struct thread *thread, const struct fault *fault)
{
    const struct posix_header *posix = &procd->image.header;
    const struct process *process = thread->process;
    bool registered = inside(fault->rip, process->fixup_start, process->fixup_end);
    if (!registered && !inside(fault->rip, posix->copy_low, posix->copy_high))
        return false;
    struct ar_regs regs;
    procd->machine->thread_read(procd->context, thread->handle, &regs);
    regs.rip = registered ? process->fixup : posix->copy_fixup;
    if (registered)
        regs.rax = fault->address;
    thread_write_regs(procd, thread, &regs);
    return true;
}

/* A fault in program code becomes a signal to this very thread; one that it blocks, or that
 * comes before the last one was taken, ends the process, as on Linux. */
static bool fault_signal(struct procd *procd, struct thread *thread, const struct fault *fault,
                         const struct verdict *verdict)
{
    struct process *process = thread->process;
    fault_describe(thread, fault, verdict);
    uint64_t async_rip = 0;
    uint64_t at =
        POSIX_AREA(thread->area) + POSIX_AREA_IPC + offsetof(struct ar_ipc_buffer, async_rip);
    bool nested =
        !space_read_words(&process->space, at, &async_rip, sizeof(async_rip)) || async_rip != 0;
    if (nested || thread->fault_signal || inside(fault->rip, POSIX_BASE, POSIX_END)) {
        fault_kill(procd, process, verdict->signal);
        return false;
    }
    const struct signal_info info = {
        .signal = verdict->signal, .code = verdict->code,
        .value = fault->kind == AR_FAULT_PAGE ? fault->address : fault->rip,
    };
    thread->fault_signal = true;
    signals_add(&thread->signals, &info);
    thread_upcall(procd, thread, true);
    return true;
}

static bool fault_page(struct procd *procd, struct thread *thread, const struct fault *fault)
{
    struct process *process = thread->process;
    uint64_t address = fault->address;
    enum fault_result result = FAULT_NO_REGION;
    if (address < USER_HALF_END)
        result = space_fault(&process->space, address, fault->error & AR_PF_WRITE,
                             fault->error & AR_PF_FETCH, account_full(procd, process));
    if (result == FAULT_RESOLVED) {
        if (thread->upcall && !inside(fault->rip, POSIX_BASE, POSIX_END))
            thread_upcall(procd, thread, true);
        return true;
    }
    if (result == FAULT_NO_MEMORY) {
        struct text text = {process->last_fault, 0, sizeof(process->last_fault) - 1};
        text_row(&text, "thread ", thread->tid, ": out of memory at address 0x");
        text_hex(&text, address, 1);
        process->last_fault[text.length] = 0;
        fault_kill(procd, process, SIG_KILL);
        return false;
    }
    if (fault_fixup(procd, thread, fault))
        return true;
    uint64_t below = 0;
    if (result == FAULT_STACK_LIMIT) {
        unsigned above = region_after(&process->space, address);
        uint64_t end = process->space.regions[above].end;
        below = end - process->space.stack_limit > address
                    ? end - process->space.stack_limit - address
                    : 1;
    }
    const struct verdict verdict = page_verdict(fault, result, below);
    return fault_signal(procd, thread, fault, &verdict);
}

/* True: the thread goes on (with the registers it has now). False: it is gone. */
bool procd_fault(void *state, uint64_t principal, const uint64_t words[6],
                 struct ipc_effects *effects)
{
    struct procd *procd = state;
    procd->effects = effects;
    const struct fault fault = {words[0], words[1], words[2], words[3], words[4], words[5]};
    uint32_t tid = PRINCIPAL_THREAD(principal);
    struct thread *thread = tid <= ID_MAX ? procd->thread_of[tid] : NULL;
    if (!thread)
        return false;
    if (fault.kind == AR_FAULT_PAGE)
        return fault_page(procd, thread, &fault);
    if (fault_fixup(procd, thread, &fault))
        return true;
    const struct verdict verdict = exception_verdict(fault.address);
    return fault_signal(procd, thread, &fault, &verdict);
}
