/*
 * A handler's frame on the program's stack, as Linux lays it out, and the way back from it
 * (rt_sigreturn). SPDX-License-Identifier: MIT
 *
 * From the high address down: 128 bytes of red zone (or the alternate stack's top), the vector
 * state on a 64-byte boundary, struct linux_sigframe so that rsp is 8 off a 16-byte boundary at
 * the handler's first instruction.
 */
#include "private.h"

#define RED_ZONE 128ull
#define FLAGS_CLEARED 0x10500ull       /* RF, DF, TF: a handler starts without them */
/* AC OF DF TF SF ZF AF PF CF RF, as the kernel lets sigreturn set */
#define FLAGS_RESTORABLE 0x50dd5ull
#define USER_CS 0x33
#define USER_SS 0x2b
#define MASK_FORBIDDEN (LINUX_SIGNAL_BIT(LINUX_SIGKILL) | LINUX_SIGNAL_BIT(LINUX_SIGSTOP))

static bool on_altstack(const struct posix_thread *thread, uint64_t sp)
{
    return sp - thread->altstack.sp - 1 < thread->altstack.size;
}

static void context_fill(const struct posix_thread *thread, struct linux_sigcontext *c)
{
    const struct posix_frame *f = &thread->frame;
    *c = (struct linux_sigcontext){
        .r8 = f->r8, .r9 = f->r9, .r10 = f->r10, .r11 = f->r11, .r12 = f->r12, .r13 = f->r13,
        .r14 = f->r14,
        .r15 = f->r15, .rdi = f->rdi, .rsi = f->rsi, .rbp = f->rbp, .rbx = f->rbx, .rdx = f->rdx,
        .rax = f->rax,
        .rcx = f->rcx, .rsp = f->rsp, .rip = f->rip, .rflags = f->rflags, .cs = USER_CS,
        .ss = USER_SS,
        .oldmask = thread->mask,
    };
}

static void info_fill(const struct posix_siginfo *taken, struct linux_siginfo *info)
{
    *info = (struct linux_siginfo){.signo = taken->signal, .code = taken->code};
    switch (taken->signal) {
    case LINUX_SIGSEGV:
    case LINUX_SIGBUS:
    case LINUX_SIGILL:
    case LINUX_SIGFPE:
    case LINUX_SIGTRAP:
        if (taken->code > 0 && taken->code != LINUX_SI_KERNEL) {
            info->fault.address = taken->value;
            return;
        }
        break;
    case LINUX_SIGCHLD:
        if (taken->code > 0) {
            info->child.pid = (int32_t)taken->pid;
            info->child.uid = taken->uid;
            info->child.status = (int32_t)taken->status;
            return;
        }
        break;
    default:
        break;
    }
    info->rt.pid = (int32_t)taken->pid;
    info->rt.uid = taken->uid;
    info->rt.value = taken->value;
}

/* 0, or -EFAULT when the stack is not there. */
static long frame_write(struct posix_thread *thread, const struct posix_action *action,
                        uint64_t *frame_at)
{
    uint64_t sp = thread->frame.rsp - RED_ZONE;
    bool switched = (action->flags & LINUX_SA_ONSTACK) &&
                    !(thread->altstack.flags & LINUX_SS_DISABLE) &&
                    !on_altstack(thread, thread->frame.rsp);
    if (switched)
        sp = thread->altstack.sp + thread->altstack.size;
    uint64_t fpu = (sp - fpu_state_size() - 4) & ~63ull;
    uint64_t at = ((fpu - sizeof(struct linux_sigframe)) & ~15ull) - 8;
    if (!switched && on_altstack(thread, thread->frame.rsp) && at < thread->altstack.sp)
        return -LINUX_EFAULT;

    struct linux_sigframe frame = {.return_address = action->restorer};
    frame.ucontext.flags = LINUX_UC_SIGCONTEXT_SS | LINUX_UC_STRICT_RESTORE_SS |
                           (fpu_state_mask() ? LINUX_UC_FP_XSTATE : 0);
    frame.ucontext.stack = thread->altstack;
    if (!(thread->altstack.flags & LINUX_SS_DISABLE) && on_altstack(thread, thread->frame.rsp))
        frame.ucontext.stack.flags |= LINUX_SS_ONSTACK;
    context_fill(thread, &frame.ucontext.context);
    frame.ucontext.context.fpstate = fpu;
    frame.ucontext.mask = thread->mask_saved ? thread->saved_mask : thread->mask;
    info_fill(&thread->taken, &frame.info);
    if (fpu_write_frame(fpu) || user_write((void *)at, &frame, sizeof(frame)))
        return -LINUX_EFAULT;
    if (switched && ((uint32_t)thread->altstack.flags & LINUX_SS_AUTODISARM))
        thread->altstack = (struct linux_stack){.flags = LINUX_SS_DISABLE};
    *frame_at = at;
    return 0;
}

void signal_deliver(void)
{
    struct posix_thread *thread = thread_self();
    unsigned signal = (unsigned)thread->taken.signal;
    struct posix_action action = process.actions[signal];
    uint64_t at;

    if (!(action.flags & LINUX_SA_RESTORER) || frame_write(thread, &action, &at)) {
        posix_log("signal %u cannot be delivered: %s (rsp %lx)", signal,
                  action.flags & LINUX_SA_RESTORER ? "the stack is not writable" : "no SA_RESTORER",
                  thread->frame.rsp);
        process_exit(0, LINUX_SIGSEGV, true);
    }
    thread->taken.signal = 0;
    thread->mask_saved = false;
    thread->mask |= action.mask;
    if (!(action.flags & LINUX_SA_NODEFER))
        thread->mask |= LINUX_SIGNAL_BIT(signal);
    thread->mask &= ~MASK_FORBIDDEN;
    if (action.flags & LINUX_SA_RESETHAND)
        process.actions[signal].handler = LINUX_SIG_DFL;

    struct posix_frame *f = &thread->frame;
    f->rsp = at;
    f->rip = action.handler;
    f->rdi = signal;
    f->rsi = at + offsetof(struct linux_sigframe, info);
    f->rdx = at + offsetof(struct linux_sigframe, ucontext);
    f->rax = 0;
    f->rflags &= ~FLAGS_CLEARED;
}

long sys_rt_sigreturn(const uint64_t a[6])
{
    struct posix_thread *thread = thread_self();
    struct posix_frame *f = &thread->frame;
    struct linux_ucontext u;
    (void)a;
    /* The handler's `ret` took the return address off. */
    uint64_t at = f->rsp - 8 + offsetof(struct linux_sigframe, ucontext);
    if (user_read(&u, (void *)at, sizeof(u)) || fpu_read_frame(u.context.fpstate)) {
        posix_log("bad signal frame at %lx", f->rsp - 8);
        process_exit(0, LINUX_SIGSEGV, true);
    }
    const struct linux_sigcontext *c = &u.context;
    thread->frame_replaced = true;
    *f = (struct posix_frame){
        .rax = c->rax, .rbx = c->rbx, .rcx = c->rcx, .rdx = c->rdx, .rsi = c->rsi, .rdi = c->rdi,
        .rbp = c->rbp,
        .r8 = c->r8, .r9 = c->r9, .r10 = c->r10, .r11 = c->r11, .r12 = c->r12, .r13 = c->r13,
        .r14 = c->r14,
        .r15 = c->r15, .rip = c->rip, .rsp = c->rsp,
        .rflags = (f->rflags & ~FLAGS_RESTORABLE) | (c->rflags & FLAGS_RESTORABLE),
    };
    thread->mask = u.mask & ~MASK_FORBIDDEN;
    if (!on_altstack(thread, f->rsp) || (thread->altstack.flags & LINUX_SS_DISABLE)) {
        thread->altstack = u.stack;
        thread->altstack.flags &= ~LINUX_SS_ONSTACK;
    }
    thread->system_call = UINT64_MAX; /* nothing to restart: rax may hold any value */
    return (long)c->rax;
}
