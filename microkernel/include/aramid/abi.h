/*
 * The Aramid kernel ABI: everything user space may know about the kernel.
 * SPDX-License-Identifier: MIT
 *
 * A native system call is a `syscall` instruction executed by a thread without a foreign
 * handler, or by a thread with one whose instruction lies inside its native range
 * (TCB_SET_FOREIGN). Register use:
 *
 *   in   rax = AR_SYS_*   rdi = capability slot   rsi = message info
 *        rdx, r10, r8, r9 = words 0..3
 *   out  rax = status (enum ar_error)   rdi = badge   rsi = message info
 *        rdx, r10, r8, r9 = words 0..3
 *        rbx = principal of the sender (only AR_SYS_RECV and AR_SYS_REPLY_RECV; else unchanged)
 *   rcx and r11 are destroyed; every other register and all vector state survive.
 *
 * Words 4 and up travel in the thread's IPC buffer (struct ar_ipc_buffer), at their own index.
 */
#ifndef ARAMID_ABI_H
#define ARAMID_ABI_H

#include <stdint.h>

/* ---- system calls ---------------------------------------------------------------------------- */

enum ar_syscall {
    /* Call: send the message to the gate or endpoint in slot rdi and block for the reply. */
    AR_SYS_CALL = 0,
    /* Reply to the caller held by the reply object in slot r12 (0 words is fine; no caller is
     * not an error), then receive on endpoint rdi. One system call, so a server costs two a
     * request. */
    AR_SYS_REPLY_RECV = 1,
    /* Receive on endpoint rdi, binding the caller to reply object r12. Absolute deadline in r13
     * (ns of AR_SYS_CLOCK; AR_NO_DEADLINE waits for ever, 0 polls). AR_SYS_REPLY_RECV takes r13
     * as well. */
    AR_SYS_RECV = 2,
    /* Reply only. rdi = reply object slot. */
    AR_SYS_REPLY = 3,
    /* Signal notification rdi; the bits to OR in are rdx. */
    AR_SYS_SIGNAL = 4,
    /* Wait on notification rdi until deadline r13; the bits, now cleared, come back in rdx. */
    AR_SYS_WAIT = 5,
    AR_SYS_YIELD = 6,
    /* Invoke the kernel object in slot rdi: label = AR_INFO_LABEL(rsi) is an enum ar_invocation,
     * arguments are the words; results come back as words. Slot 0 means the thread's own
     * capability space. */
    AR_SYS_INVOKE = 7,
    /* Copy from the caller held by reply object rdi: rdx = offset into its declared `in`
     * segments, r10 = destination here, r8 = length, r9 = 0 (then: bytes copied so far). Word 0
     * back: bytes copied. AR_ERR_FAULT when either side's memory is not there (word 0 says how
     * many bytes were copied before it). */
    AR_SYS_DATA_READ = 8,
    /* The same towards the caller's declared `out` segments: rdx = offset, r10 = source here, r8
     * = length, r9 = 0. */
    AR_SYS_DATA_WRITE = 9,
    /* Word 0 back: nanoseconds since boot, monotonic. Word 1: TSC ticks a microsecond. */
    AR_SYS_CLOCK = 10,
    /* Call with an absolute deadline in r13 for the whole of it. AR_ERR_TIMEOUT: it passed; the
     * message was not sent, or the server's reply will go nowhere. */
    AR_SYS_CALL_UNTIL = 11,
    /* Only the tracing kernel has it (others: AR_ERR_SYSCALL): put a record into the trace, what
     * rdi says (enum ar_trace, <aramid/trace.h>), with rsi, rdx, r10, r8, r9, of which none
     * survives. */
    AR_SYS_TRACE = 12,
    AR_SYS_COUNT
};

#define AR_NO_DEADLINE UINT64_MAX

/* ---- message info ---------------------------------------------------------------------------- */

/* label:32 | reserved:8 | n_out:4 | n_in:4 | n_caps:8 | n_words:8 — n_in and n_out count the
 * declared segments */
#define AR_INFO(label, words, caps, n_in, n_out)                                                   \
    (((uint64_t)(label) << 32) | ((uint64_t)(n_out) << 20) | ((uint64_t)(n_in) << 16) |            \
     ((uint64_t)(caps) << 8) | (uint64_t)(words))
#define AR_INFO_LABEL(info) ((uint32_t)((info) >> 32))
#define AR_INFO_OUT(info) (((info) >> 20) & 15)
#define AR_INFO_IN(info) (((info) >> 16) & 15)
#define AR_INFO_CAPS(info) (((info) >> 8) & 255)
#define AR_INFO_WORDS(info) ((info) & 255)

#define AR_MSG_WORDS 64 /* words in one message */
#define AR_MSG_CAPS 8   /* capabilities in one message: all or none */
#define AR_MSG_SEGS 15  /* memory segments that a caller may declare each way */

/* Labels below 0x100 come from the kernel alone; it refuses them from a sender (AR_ERR_LABEL). */
#define AR_LABEL_CLOSED 1       /* badge: the gate whose last copy is gone */
#define AR_LABEL_NOTIFICATION 2 /* word 0: bits of the notification bound to the receiver */
/* words: enum ar_fault, address, error code, rip, rsp, rflags; reply resumes */
#define AR_LABEL_FAULT 3
#define AR_LABEL_TIMEOUT 4      /* the receive's deadline passed */
#define AR_LABEL_USER 0x100

enum ar_fault { AR_FAULT_PAGE = 1, AR_FAULT_EXCEPTION = 2 /* word 1: vector */ };
/* Page-fault error-code bits, as the processor gives them. */
#define AR_PF_PRESENT 1u
#define AR_PF_WRITE 2u
#define AR_PF_USER 4u
#define AR_PF_FETCH 16u

/* ---- the IPC buffer: one page per thread, pinned --------------------------------------------- */

struct ar_segment {
    uint64_t address, length; /* bytes, in the declaring thread's own address space */
};

#define AR_CAP_MOVE (1ull << 63) /* in `caps_out`: the capability leaves the sender */

/* What became of each capability received. */
enum ar_received_kind { AR_RECEIVED_CAP = 1 /* value = slot */, AR_RECEIVED_BADGE = 2 /* own gate; value = badge */ };
struct ar_received {
    uint32_t kind, type;  /* enum ar_received_kind, enum ar_type */
    uint64_t value, issuer; /* issuer word of the gate's endpoint; 0 for other types */
};

struct ar_ipc_buffer {
    uint64_t words[AR_MSG_WORDS];
    uint64_t caps_out[AR_MSG_CAPS];        /* slots to send, | AR_CAP_MOVE */
    /* empty slots that arriving capabilities fill in order */
    uint64_t recv_slots[AR_MSG_CAPS];
    /* how many of recv_slots are offered; fewer than needed: the sender gets AR_ERR_NO_SLOT and
     * nothing moves */
    uint64_t recv_slot_count;
    struct ar_received received[AR_MSG_CAPS];
    struct ar_segment in[AR_MSG_SEGS];     /* memory the server may read while we are in Call */
    struct ar_segment out[AR_MSG_SEGS];    /* memory the server may write while we are in Call */
    /* Foreign system call: where the program's next instruction is. Written by the kernel on
     * each bounce. */
    uint64_t foreign_rip;
    /* Asynchronous upcall: written by procd, read by libposix. */
    uint64_t upcall_pending, async_rip, async_rflags;
    uint64_t self;                         /* user address of this buffer */
};
_Static_assert(sizeof(struct ar_ipc_buffer) <= 4096, "the IPC buffer is one page");
#define AR_IPC_FOREIGN_RIP 1320
_Static_assert(__builtin_offsetof(struct ar_ipc_buffer, foreign_rip) == AR_IPC_FOREIGN_RIP,
               "used by assembly");

/* ---- capabilities ---------------------------------------------------------------------------- */

/* A slot number is leaf << AR_LEAF_BITS | index: the root CNode holds leaves, a leaf holds 256
 * capabilities. */
typedef uint32_t ar_cap;
#define AR_LEAF_BITS 8
#define AR_LEAF_SLOTS 256u
#define AR_SLOT_SIZE 32
/* slot 0 is never used: as an invocation target it is the own capability space */
#define AR_CAP_SELF 0u

enum ar_type {
    AR_NULL, AR_UNTYPED, AR_CNODE, AR_ENDPOINT, AR_GATE, AR_NOTIFICATION, AR_REPLY, AR_TCB,
    AR_VSPACE, AR_TABLE,
    AR_FRAME, AR_IRQ_CONTROL, AR_IRQ, AR_PORT, AR_LOG, AR_TYPE_COUNT
};

/* Rights. Gate: SEND. Endpoint: SEND (call), RECV, MINT (bind gates). Notification: SEND
 * (signal), RECV (wait). Frame: READ, WRITE, EXEC. COPY_RIGHTS masks; it never adds. */
enum ar_rights {
    AR_SEND = 1,
    AR_RECV = 2,
    AR_MINT = 4,
    AR_READ = 1,
    AR_WRITE = 2,
    AR_EXEC = 4,
    AR_ALL = 7,
    AR_ORIGINAL = 8 /* in failures alone: the capability must not be a copy */
};

/* Object sizes, in bits (bytes = 1 << bits). CNode: size_bits of RETYPE counts slots (1..12).
 * Frame: 12 or 21. */
#define AR_ENDPOINT_BITS 7
#define AR_GATE_BITS 6
#define AR_NOTIFICATION_BITS 6
#define AR_REPLY_BITS 6
#define AR_TCB_BITS 12
#define AR_TABLE_BITS 12

#define AR_RETYPE_MAX 24u /* objects made by one invocation */

/* A system call that takes long is done in pieces, so that interrupts come between: the kernel
 * notes in its argument registers how far it is and has the thread execute the instruction again.
 * Programs do not notice, except who looks at the registers of such a thread from outside; and
 * words that are said to start at 0 must. */

/* Invocations (enum ar_invocation) are the words of an AR_SYS_INVOKE. All fail with an error and
 * no effect, or succeed. On failure words 0..2 say which word is wrong (AR_ARG_TARGET: the
 * target), what was expected and what was found. Slots are in the caller's own capability space,
 * except where a CNode root is named. */
#include <aramid/invocations.h>
#define AR_ARG_TARGET 255u
#define AR_DATA_WORDS 56u  /* words in one AR_FRAME_READ or AR_FRAME_WRITE */
#define AR_DATA_BYTES 448u /* bytes in one AR_PORT_OUT8_MANY or AR_LOG_WRITE */
#define AR_USER_END 0x7ffffffff000ull /* first address that user space cannot have */

struct ar_regs {
    uint64_t rip, rsp, rflags, rax, rbx, rcx, rdx, rsi, rdi, rbp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15, fs_base, gs_base;
};
#define AR_REGS_WORDS 20

enum ar_thread_state {
    AR_THREAD_INACTIVE, AR_THREAD_READY, AR_THREAD_BLOCKED_CALL, AR_THREAD_BLOCKED_REPLY,
    AR_THREAD_BLOCKED_RECV,
    AR_THREAD_BLOCKED_WAIT, AR_THREAD_BLOCKED_FAULT
};

#define AR_PRIORITY_MAX 63

/* ---- errors ---------------------------------------------------------------------------------- */

#include <aramid/errors.h>

/* ---- what init finds at start ---------------------------------------------------------------- */

enum ar_init_slot {
    AR_INIT_TCB = 1, AR_INIT_CNODE, AR_INIT_VSPACE, AR_INIT_IPC_FRAME, AR_INIT_IRQ_CONTROL,
    AR_INIT_PORT, AR_INIT_LOG,
    AR_INIT_UNTYPED = 64 /* the first of boot_info.untyped_count consecutive untyped capabilities */
};
/* slots from here to AR_INIT_SLOTS - 1 are empty, their leaves present */
#define AR_INIT_FREE_SLOT 512u
#define AR_INIT_SLOTS (32u * 256u)

struct ar_untyped_info {
    uint64_t physical;
    uint32_t size_bits, device;
};
/* One page, mapped read-only in init at AR_BOOT_INFO; rdi at start. */
struct ar_boot_info {
    uint64_t magic, untyped_count;
    uint64_t bundle_physical, bundle_size; /* covered by the untyped entries marked device */
    uint64_t tsc_per_us, reserved[3];
    char command_line[512];
    struct ar_untyped_info untyped[192];
};
#define AR_BOOT_MAGIC 0x44494d415241ull
#define AR_BOOT_INFO 0x1000000000ull
_Static_assert(sizeof(struct ar_boot_info) <= 4096, "boot info is one page");

/* The bundle that the boot loader passes as a module: a header, then blobs on 4 KiB boundaries.
 * The kernel loads the ELF named "init" and gives init the rest. All offsets are from the start
 * of the bundle. */
struct ar_bundle_entry {
    char name[48];
    uint64_t offset, size; /* bytes */
};
struct ar_bundle {
    char magic[8]; /* "ARAMIDBN" */
    uint64_t count;
    struct ar_bundle_entry entries[];
};

#endif
