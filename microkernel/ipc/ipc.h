/*
 * Messages between threads. SPDX-License-Identifier: MIT
 */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include "object/object.h"
#include "sched/sched.h"
#include "trace.h"

/* The system calls; each leaves its outcome in the caller's registers, or the caller blocked. */
void ipc_call(struct tcb *caller, uint64_t deadline);
void ipc_receive(struct tcb *receiver);
void ipc_reply(struct tcb *server);
void ipc_reply_receive(struct tcb *server);
void ipc_signal(struct tcb *caller);
void ipc_wait(struct tcb *caller);
void ipc_data(struct tcb *server, bool write);

/* Called by entry.asm with the current thread's registers saved; on return the (maybe other)
 * current thread goes on. */
void syscall_handle(void);
/* The caller has done a piece of what it asked for and goes back to its `syscall` instruction:
 * pending interrupts come, and it executes it again with its registers as they are now. */
void syscall_again(struct tcb *caller);

/* Send a fault message for `tcb`; words as AR_LABEL_FAULT has them. False: it has no fault gate. */
bool ipc_fault(struct tcb *tcb, const uint64_t words[FAULT_WORDS]);

/* End the blocking operation that `tcb` is in with `error` and make it ready. A thread that is
 * not blocked: nothing. */
void ipc_cancel(struct tcb *tcb, enum ar_error error);
/* Cancel for a signal: only an operation of which nobody has seen anything yet, so no message is
 * lost or doubled. False: `tcb` is not blocked, or a server holds its call. */
bool ipc_interrupt(struct tcb *tcb);

/* A gate was queued as closed: give it to a waiting receiver. */
void ipc_deliver_closed(struct endpoint *endpoint);
struct gate *gate_take_closed(struct endpoint *endpoint);
/* Bits arrived for a thread blocked in a receive that the notification is bound to: deliver
 * them. */
void ipc_deliver_bits(struct tcb *receiver, uint64_t bits);

/* transfer.c: move a message from the registers and IPC buffer of `from` to those of `to`. All
 * or nothing: on an error neither side has changed. `endpoint`: whose gates are unwrapped (NULL
 * for replies). */
enum ar_error ipc_transfer(struct tcb *from, struct tcb *to, uint64_t badge,
                           struct endpoint *endpoint);

/* The current thread blocks in a receive; what comes first goes into `reply`. */
static inline void ipc_wait_for_message(struct tcb *server, struct endpoint *endpoint,
                                        struct reply *reply)
{
    endpoint->server = server;
    queue_append(&endpoint->receivers, server);
    server->waiting_on = endpoint;
    server->reply = reply;
    server->state = AR_THREAD_BLOCKED_RECV;
    reply->receiver = server;
}

/* Set what a system call returns. */
static inline void ipc_return(struct tcb *tcb, enum ar_error error)
{
    tcb->regs.rax = error;
}

/* Deliver a message that the kernel makes itself. */
static inline void ipc_return_message(struct tcb *tcb, uint64_t badge, uint32_t label,
                                      uint64_t word, unsigned words)
{
    trace_kernel_message(tcb, badge, label, word);
    tcb->regs.rax = AR_OK;
    tcb->regs.rdi = badge;
    tcb->regs.rsi = AR_INFO(label, words, 0, 0, 0);
    tcb->regs.rdx = word;
    tcb->regs.rbx = 0;
}

#endif
