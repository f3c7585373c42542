/* Made by microkernel/api/apigen.py from microkernel/api/invocations.toml; do not edit.
 * SPDX-License-Identifier: MIT */
#ifndef ARAMID_INVOCATIONS_H
#define ARAMID_INVOCATIONS_H

/* What each does, takes and answers, and every error: docs/kernel-api.md. */
enum ar_invocation {

    /* ---- UNTYPED ---- */
    /* make objects; the memory comes back for reuse when the last child capability is gone: w0
     * type, w1 size_bits, w2 first, w3 count */
    AR_UNTYPED_RETYPE = 0x10,
    /* where it is, how big, how much is used */
    AR_UNTYPED_INFO = 0x11,

    /* ---- CNODE ---- */
    /* copy a capability, with at most the rights of a mask: w0 slot, w1 source_root, w2 source,
     * w3 rights */
    AR_CNODE_COPY = 0x20,
    /* move a capability: w0 slot, w1 source_root, w2 source */
    AR_CNODE_MOVE = 0x21,
    /* empty a slot; an empty slot is no error: w0 slot, w1 emptied */
    AR_CNODE_DELETE = 0x22,
    /* delete everything derived from what a slot holds: w0 slot */
    AR_CNODE_REVOKE = 0x23,
    /* what a slot holds: w0 slot */
    AR_CNODE_INSPECT = 0x24,
    /* copy a row of slots, passing over what cannot be copied: w0 first, w1 source_root, w2
     * source, w3 count */
    AR_CNODE_COPY_RANGE = 0x25,
    /* move a 256-slot CNode into a root CNode: w0 leaf, w1 cnode */
    AR_CNODE_SET_LEAF = 0x26,

    /* ---- ENDPOINT ---- */
    /* once: the word by which others know whose gates these are: w0 issuer */
    AR_ENDPOINT_SET_ISSUER = 0x30,

    /* ---- GATE ---- */
    /* bind a gate that nobody has a copy of to an endpoint: w0 endpoint, w1 badge */
    AR_GATE_BIND = 0x38,
    /* badge and number of copies */
    AR_GATE_INFO = 0x39,

    /* ---- TCB ---- */
    /* capability space, address space, IPC buffer, fault gate: w0 root, w1 vspace, w2
     * buffer_frame, w3 buffer_address, w4 fault_gate */
    AR_TCB_CONFIGURE = 0x40,
    /* not above the caller's own: w0 priority */
    AR_TCB_SET_PRIORITY = 0x41,
    /* the word that says who asks: w0 principal */
    AR_TCB_SET_PRINCIPAL = 0x42,
    /* a handler for `syscall` instructions outside a native range: w0 entry, w1 low, w2 high */
    AR_TCB_SET_FOREIGN = 0x43,
    /* its receives take these bits as well; 0 unbinds: w0 notification */
    AR_TCB_BIND_NOTIFICATION = 0x44,
    /* back: words 0..19 = struct ar_regs */
    AR_TCB_READ_REGS = 0x45,
    /* words 0..19 = struct ar_regs; meant for a thread that is not blocked in the kernel: w0
     * rip, w1 rsp, w2 rflags .. r15, w18 fs_base, w19 gs_base */
    AR_TCB_WRITE_REGS = 0x46,
    /* start, or undo SUSPEND */
    AR_TCB_RESUME = 0x47,
    /* no user instruction until RESUME; an IPC it is in goes on */
    AR_TCB_SUSPEND = 0x48,
    /* words 0..1: up to 16 bytes, for logs: w0 name */
    AR_TCB_SET_NAME = 0x49,
    /* state, processor time, where it is */
    AR_TCB_INFO = 0x4a,
    /* end a blocked call, receive or wait with AR_ERR_CANCELLED */
    AR_TCB_CANCEL = 0x4b,
    /* whether the thread has vector registers: w0 vector */
    AR_TCB_SET_VECTOR = 0x4c,

    /* ---- VSPACE ---- */
    /* map a page table at the highest missing level: w0 table, w1 address */
    AR_VSPACE_MAP_TABLE = 0x50,

    /* ---- FRAME ---- */
    /* map, or change the rights of a mapping in the same place: w0 vspace, w1 address, w2 rights */
    AR_FRAME_MAP = 0x60,
    /* that it is not mapped is no error */
    AR_FRAME_UNMAP = 0x61,
    /* copy 4 KiB from another frame into this one: w0 source */
    AR_FRAME_COPY = 0x62,
    /* fill with zeros: w0 from */
    AR_FRAME_CLEAR = 0x63,
    /* words of the frame, back from word 4 on: w0 offset, w1 count */
    AR_FRAME_READ = 0x64,
    /* words 4.. into the frame: w0 offset, w1 count */
    AR_FRAME_WRITE = 0x65,
    /* physical address and size */
    AR_FRAME_INFO = 0x66,

    /* ---- IRQ_CONTROL ---- */
    /* a capability to an interrupt line: w0 line, w1 slot */
    AR_IRQ_CONTROL_GET = 0x70,

    /* ---- IRQ ---- */
    /* which notification the line signals, and enable it: w0 notification, w1 bits */
    AR_IRQ_BIND = 0x71,
    /* let the next interrupt come */
    AR_IRQ_ACK = 0x72,

    /* ---- PORT ---- */
    /* a capability to a part of the range: w0 slot, w1 first, w2 last */
    AR_PORT_MINT = 0x78,
    /* read a byte from a port: w0 port */
    AR_PORT_IN8 = 0x79,
    /* write a byte to a port: w0 port, w1 value */
    AR_PORT_OUT8 = 0x7a,
    /* write 32 bits to a port: w0 port, w1 value */
    AR_PORT_OUT32 = 0x7b,
    /* write the bytes in words 4.. to a port, one after the other: w0 port, w1 length */
    AR_PORT_OUT8_MANY = 0x7c,

    /* ---- LOG ---- */
    /* write the bytes in words 4.. to the system log (COM2): w0 length */
    AR_LOG_WRITE = 0x80,
    /* print every thread, its state and what it waits for */
    AR_LOG_THREADS = 0x81,
    /* what a kernel built to measure itself has measured */
    AR_LOG_MEASURES = 0x82,
};

#endif
