; The ways into libposix and the one way out. SPDX-License-Identifier: MIT
;
; gs base is the thread's struct posix_thread; the IPC buffer is the page below it. The program's registers live in
; thread->frame while we are inside, so the way out can be begun again from its start at any instruction: that is what
; procd relies on when it moves rip from [posix_exit_low, posix_exit_high) to posix_exit_redo.

bits 64
default rel

THREAD_STACK    equ 8
FRAME_RDI       equ 16
FRAME_RSI       equ 24
FRAME_RDX       equ 32
FRAME_R10       equ 40
FRAME_R8        equ 48
FRAME_R9        equ 56
FRAME_RAX       equ 64
FRAME_RBX       equ 72
FRAME_RCX       equ 80
FRAME_RBP       equ 88
FRAME_R11       equ 96
FRAME_R12       equ 104
FRAME_R13       equ 112
FRAME_R14       equ 120
FRAME_R15       equ 128
FRAME_RIP       equ 136
FRAME_RSP       equ 144
FRAME_RFLAGS    equ 152
THREAD_CALL     equ 160
IPC_FOREIGN_RIP equ -0x1000 + 1320
IPC_UPCALL      equ -0x1000 + 1328
IPC_ASYNC_RIP   equ -0x1000 + 1336
IPC_ASYNC_FLAGS equ -0x1000 + 1344

AREA0_THREAD    equ 0x600010001000
WAY_OUT_PLAIN   equ 1
PLAIN_FLAGS     equ 0x202       ; no direction, nested-task or trap flag

extern posix_dispatch, posix_leave, posix_async, posix_start_first, posix_fork_child, posix_thread_start
global posix_foreign_entry, posix_async_entry, posix_fork_entry, posix_thread_entry, posix_start_entry
global posix_exit_redo, posix_exit_low, posix_exit_high, posix_go

section .text

%macro SAVE_COMMON 0
    mov [gs:FRAME_RBX], rbx
    mov [gs:FRAME_RDX], rdx
    mov [gs:FRAME_RSI], rsi
    mov [gs:FRAME_RDI], rdi
    mov [gs:FRAME_RBP], rbp
    mov [gs:FRAME_R8], r8
    mov [gs:FRAME_R9], r9
    mov [gs:FRAME_R10], r10
    mov [gs:FRAME_R11], r11
    mov [gs:FRAME_R12], r12
    mov [gs:FRAME_R13], r13
    mov [gs:FRAME_R14], r14
    mov [gs:FRAME_R15], r15
%endmacro

; A bounced system call: rax, arguments and everything else as the program left them; rcx is ours (sysret put the
; handler's address there), r11 holds the program's flags. The red zone below rsp is live.
posix_foreign_entry:
    mov [gs:FRAME_RSP], rsp
    mov [gs:FRAME_RAX], rax
    mov [gs:THREAD_CALL], rax
    mov rax, [gs:IPC_FOREIGN_RIP]   ; before any call of ours could bounce again
    mov [gs:FRAME_RIP], rax
    mov [gs:FRAME_RCX], rax         ; what Linux leaves in rcx
    mov [gs:FRAME_RFLAGS], r11
    SAVE_COMMON
    mov rsp, [gs:THREAD_STACK]
    push PLAIN_FLAGS
    popfq
    call posix_dispatch
    cmp al, WAY_OUT_PLAIN           ; nothing is left to do but to go, with the registers that C keeps as they were
    je posix_exit_plain
    jmp posix_exit_redo

; An upcall into program code: only rip was changed; the real one is in the IPC buffer.
posix_async_entry:
    mov [gs:FRAME_RSP], rsp
    mov [gs:FRAME_RAX], rax
    mov [gs:FRAME_RCX], rcx
    SAVE_COMMON
    mov rax, [gs:IPC_ASYNC_RIP]
    mov [gs:FRAME_RIP], rax
    mov rax, [gs:IPC_ASYNC_FLAGS]
    mov [gs:FRAME_RFLAGS], rax
    mov qword [gs:THREAD_CALL], -1
    mov rsp, [gs:THREAD_STACK]
    push PLAIN_FLAGS
    popfq
    mov qword [gs:IPC_ASYNC_RIP], 0 ; from here on procd may send another
    call posix_async
    ; fall through

; Out: deliver signals, then restore. Everything up to posix_exit_high can be repeated.
posix_exit_redo:
posix_go:
    mov rsp, [gs:THREAD_STACK]
    push PLAIN_FLAGS
    popfq
    call posix_leave
posix_exit_low:
    mov rbx, [gs:FRAME_RBX]
    mov rbp, [gs:FRAME_RBP]
    mov r12, [gs:FRAME_R12]
    mov r13, [gs:FRAME_R13]
    mov r14, [gs:FRAME_R14]
    mov r15, [gs:FRAME_R15]
posix_exit_plain:
    cmp qword [gs:IPC_UPCALL], 0
    jne posix_exit_redo
    mov rsp, [gs:THREAD_STACK]
    mov rdx, [gs:FRAME_RDX]
    mov rsi, [gs:FRAME_RSI]
    mov rdi, [gs:FRAME_RDI]
    mov r8, [gs:FRAME_R8]
    mov r9, [gs:FRAME_R9]
    mov r10, [gs:FRAME_R10]
    mov rcx, [gs:FRAME_RCX]
    mov r11, [gs:FRAME_R11]
    mov rax, [gs:FRAME_RAX]
    ; Not iretq: before version 9, QEMU reads its frame as the kernel would and trips over SMAP.
    push qword [gs:FRAME_RFLAGS]
    popfq
    mov rsp, [gs:FRAME_RSP]
    jmp qword [gs:FRAME_RIP]
posix_exit_high:

; First process: rdi = pid, rsi = tid, rdx = struct posix_start *.
posix_start_entry:
    mov rax, AREA0_THREAD
    wrgsbase rax
    cld
    xor ebp, ebp
    call posix_start_first
    jmp posix_exit_redo

; Child of fork: rdi = pid, rsi = tid; memory, thread record and rsp are the parent's thread's, gs base too.
posix_fork_entry:
    mov rsp, [gs:THREAD_STACK]
    cld
    xor ebp, ebp
    call posix_fork_child
    jmp posix_exit_redo

; New thread: rdi = tid, rsi = area, rdx = struct thread_start *; its thread page is zero.
posix_thread_entry:
    cld
    xor ebp, ebp
    call posix_thread_start
    jmp posix_exit_redo

section .note.GNU-stack noalloc noexec nowrite progbits
