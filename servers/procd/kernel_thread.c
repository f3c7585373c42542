/* Threads by kernel invocations. SPDX-License-Identifier: MIT */
#include "objects.h"
#include <ipc/buffer.h>
#include <ipc/kernel.h>
#include <posix_abi.h>
#include <string.h>

#define PROGRAM_PRIORITY 16u
#define REGISTER_WORDS 4u

struct kernel_thread {
    struct cell_object tcb;
    ar_cap notification;
};

static struct handles threads;
static uint64_t thread_count;

static struct kernel_thread *thread_get(uint32_t handle)
{
    return handle_get(&threads, handle);
}

uint64_t kernel_threads_count(void)
{
    return thread_count;
}

/* Invoke with the 20 words of struct ar_regs. */
static enum ar_error write_regs(ar_cap tcb, const struct ar_regs *regs)
{
    uint64_t words[AR_REGS_WORDS];
    memcpy(words, regs, sizeof(words));
    memcpy(&ipc_buffer()->words[REGISTER_WORDS], &words[REGISTER_WORDS],
           sizeof(words) - REGISTER_WORDS * 8);
    struct ar_message m;
    return ar_invoke(tcb, AR_TCB_WRITE_REGS, words[0], words[1], words[2], words[3], AR_REGS_WORDS,
                     &m);
}

static enum ar_error thread_configure(const struct kernel_thread *thread,
                                      const struct machine_thread_setup *setup, ar_cap fault_gate)
{
    struct ar_message m;
    uint64_t name[2];
    ar_cap tcb = thread->tcb.object;
    ipc_buffer()->words[4] = fault_gate;
    enum ar_error error = ar_invoke(tcb, AR_TCB_CONFIGURE, kernel_slots_cap(setup->slots),
                                    kernel_space_cap(setup->space), frame_slot(setup->ipc_frame),
                                    setup->ipc_address, 5, &m);
    if (!error)
        error = ar_invoke4(tcb, AR_TCB_SET_PRIORITY, PROGRAM_PRIORITY, 0, 0, 0);
    if (!error)
        error = ar_invoke4(tcb, AR_TCB_SET_PRINCIPAL, setup->principal, 0, 0, 0);
    if (!error)
        error = ar_invoke4(tcb, AR_TCB_SET_FOREIGN, setup->foreign_entry, setup->native_low,
                           setup->native_high, 0);
    memcpy(name, setup->name, sizeof(name));
    if (!error)
        error = ar_invoke4(tcb, AR_TCB_SET_NAME, name[0], name[1], 0, 0);
    if (!error)
        error = write_regs(tcb, &setup->regs);
    if (!error)
        error = ar_cap_copy(kernel_slots_cap(setup->slots),
                            POSIX_THREAD_SLOT(setup->area, POSIX_TS_NOTIFICATION), AR_CAP_SELF,
                            thread->notification, AR_SEND | AR_RECV);
    return error;
}

uint32_t kernel_thread_create(void *machine, const struct machine_thread_setup *setup)
{
    (void)machine;
    ar_cap fault_gate = server_gate(BADGE_FAULT);
    uint32_t handle = fault_gate ? handle_new(&threads, sizeof(struct kernel_thread)) : 0;
    if (!handle)
        return 0;
    struct kernel_thread *thread = thread_get(handle);
    thread->notification = notification_get();
    if (!thread->notification || !object_make(&thread->tcb, AR_TCB, 0, AR_TCB_BITS)) {
        if (thread->notification)
            notification_put(thread->notification);
        handle_free(&threads, handle);
        return 0;
    }
    kernel_must(thread_configure(thread, setup, fault_gate), "set up a thread");
    thread_count++;
    return handle;
}

void kernel_thread_destroy(void *machine, uint32_t handle)
{
    (void)machine;
    struct kernel_thread *thread = thread_get(handle);
    object_drop(&thread->tcb);
    notification_put(thread->notification);
    handle_free(&threads, handle);
    thread_count--;
}

void kernel_thread_resume(void *machine, uint32_t handle)
{
    (void)machine;
    kernel_must(ar_invoke4(thread_get(handle)->tcb.object, AR_TCB_RESUME, 0, 0, 0, 0),
                "resume a thread");
}

void kernel_thread_suspend(void *machine, uint32_t handle)
{
    (void)machine;
    kernel_must(ar_invoke4(thread_get(handle)->tcb.object, AR_TCB_SUSPEND, 0, 0, 0, 0),
                "suspend a thread");
}

void kernel_thread_read(void *machine, uint32_t handle, struct ar_regs *regs)
{
    (void)machine;
    struct ar_message m;
    kernel_must(ar_invoke(thread_get(handle)->tcb.object, AR_TCB_READ_REGS, 0, 0, 0, 0, 0, &m),
                "read registers");
    uint64_t words[AR_REGS_WORDS];
    memcpy(words, m.words, REGISTER_WORDS * 8);
    memcpy(&words[REGISTER_WORDS], &ipc_buffer()->words[REGISTER_WORDS],
           sizeof(words) - REGISTER_WORDS * 8);
    memcpy(regs, words, sizeof(*regs));
}

void kernel_thread_write(void *machine, uint32_t handle, const struct ar_regs *regs)
{
    (void)machine;
    kernel_must(write_regs(thread_get(handle)->tcb.object, regs), "write registers");
}

void kernel_thread_info(void *machine, uint32_t handle, enum ar_thread_state *state,
                        uint64_t *cpu_ns)
{
    (void)machine;
    struct ar_message m;
    kernel_must(ar_invoke(thread_get(handle)->tcb.object, AR_TCB_INFO, 0, 0, 0, 0, 0, &m),
                "ask for a thread's state");
    *state = (enum ar_thread_state)m.words[0];
    *cpu_ns = m.words[1];
}

void kernel_thread_signal(void *machine, uint32_t handle)
{
    (void)machine;
    ar_signal(thread_get(handle)->notification, POSIX_WAKE_SIGNAL);
}

void kernel_thread_set_principal(void *machine, uint32_t handle, uint64_t principal)
{
    (void)machine;
    kernel_must(
        ar_invoke4(thread_get(handle)->tcb.object, AR_TCB_SET_PRINCIPAL, principal, 0, 0, 0),
        "set a principal");
}

void kernel_thread_set_name(void *machine, uint32_t handle, const char name[16])
{
    uint64_t words[2];
    (void)machine;
    memcpy(words, name, sizeof(words));
    kernel_must(
        ar_invoke4(thread_get(handle)->tcb.object, AR_TCB_SET_NAME, words[0], words[1], 0, 0),
        "set a name");
}
