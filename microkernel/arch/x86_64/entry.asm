; The ways into the kernel and out of it. SPDX-License-Identifier: MIT
;
; There is one kernel stack and nothing on it outlives an entry: a thread's registers are in its TCB. The kernel runs with
; interrupts off, except while it halts in the idle loop. GS belongs to user space; the core's state is at a fixed address.

bits 64
default rel

%include "offsets.inc"
%include "measure.inc"
%include "trace.inc"

extern core
extern kernel_stack_top
extern syscall_handle
extern fast_call
extern fast_reply_receive
extern fast_delete
extern fast_receive
extern fast_signal
extern cpu_vector_switch
extern trap_handle
extern trap_kernel

; All these registers, in this order, and with the same list back.
%macro PUSH_ALL 1-*
    %rep %0
    push %1
    %rotate 1
    %endrep
%endmacro
%macro POP_ALL 1-*
    %rep %0
    %rotate -1
    pop %1
    %endrep
%endmacro

; Between these registers and where the TCB in the first keeps them.
%macro TCB_SAVE 2-*
    %xdefine tcb %1
    %rep %0 - 1
    %rotate 1
    mov [tcb + TCB_%1], %1
    %endrep
%endmacro
%macro TCB_LOAD 2-*
    %xdefine tcb %1
    %rep %0 - 1
    %rotate 1
    mov %1, [tcb + TCB_%1]
    %endrep
%endmacro

; The C function %1, with every register that it may change as it was.
%macro CALL_PRESERVING 1
    push rbp
    mov rbp, rsp
    and rsp, -16
    PUSH_ALL rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
    push rax                                ; for the alignment
    call %1
    pop rax
    POP_ALL rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
    mov rsp, rbp
    pop rbp
    ret
%endmacro

section .text

; ---- system calls ----------------------------------------------------------------------------------------------

; The caller's registers go into its TCB. Call, reply-and-receive, receive and signal first try the fast path
; (ipc/fastpath.c), for which words 1 to 3 stay in r10, r8 and r9: it is compiled not to touch these, and when it has
; switched threads they are the other one's message already.
global entry_syscall
align 64
entry_syscall:
    mov [core + CORE_USER_STACK], rsp
    mov rsp, [core + CORE_CURRENT]
    mov [rsp + TCB_RFLAGS], r11
    mov r11, rcx
    sub r11, [rsp + TCB_NATIVE_LOW]
    cmp r11, [rsp + TCB_NATIVE_LENGTH]
    jae .foreign
    TRACE_USER
    MEASURE_NOW rax

    mov [rsp + TCB_RIP], rcx
    mov rcx, [core + CORE_USER_STACK]
    mov [rsp + TCB_RSP], rcx
    TCB_SAVE rsp, RBX, RBP, RDI, RSI, RDX, R12, R13, R14, R15
    TRACE_RECORD TRACE_SYSCALL_TYPE
    cmp rax, AR_SYS_REPLY_RECV
    ja .not_ipc
    mov rsp, kernel_stack_top
    je .reply_receive
    call fast_call                          ; returns only when it is not for the fast path
    xor eax, eax                            ; AR_SYS_CALL
    jmp .slow
.reply_receive:
    call fast_reply_receive
    mov eax, AR_SYS_REPLY_RECV
    jmp .slow
.not_ipc:
    mov rsp, kernel_stack_top
    cmp rax, AR_SYS_INVOKE
    je .invoke
    cmp rax, AR_SYS_SIGNAL
    je .signal
    cmp rax, AR_SYS_RECV
    jne .slow
    call fast_receive
    mov eax, AR_SYS_RECV
    jmp .slow
.signal:
    call fast_signal
    mov eax, AR_SYS_SIGNAL
    jmp .slow
.invoke:
    call fast_delete
    mov eax, AR_SYS_INVOKE
.slow:
    mov rcx, [core + CORE_CURRENT]
    TCB_SAVE rcx, RAX, R8, R9, R10
    call syscall_handle
    jmp leave

    ; A Linux call: back to the handler that the thread has registered, with every register but rcx and r11 as it was
    ; (r11 keeps rflags). The program's next instruction goes into the thread's IPC buffer.
.foreign:
    mov r11, [rsp + TCB_BUFFER]
    mov [r11 + IPC_FOREIGN_RIP], rcx
    TRACE_RECORD TRACE_LINUX_TYPE
    mov rcx, [rsp + TCB_FOREIGN_ENTRY]
    mov r11, [rsp + TCB_RFLAGS]
    mov rsp, [core + CORE_USER_STACK]
    o64 sysret

; ---- back to user space ------------------------------------------------------------------------------------------

; From the fast path: rcx is the TCB of the thread that goes on; rdi, rsi, rdx, rbx and words 1 to 3 are in place.
global leave_fast
leave_fast:
    MEASURE_STOP_FAST
    mov rsp, rcx
    xor eax, eax                            ; AR_OK
    TCB_LOAD rsp, RBP, R12, R13, R14, R15
    TRACE_RECORD TRACE_RESULT_TYPE
    mov rcx, [rsp + TCB_RIP]
    mov r11, [rsp + TCB_RFLAGS]
    mov rsp, [rsp + TCB_RSP]
    o64 sysret

global leave
leave:
    MEASURE_STOP
    mov rsp, [core + CORE_CURRENT]
    TCB_LOAD rsp, RBX, RDX, RSI, RDI, RBP, R8, R9, R10, R12, R13, R14, R15, RAX
    cmp byte [rsp + TCB_FULL_RESTORE], 0
    jne .full
    TRACE_RECORD TRACE_RESULT_TYPE
    mov rcx, [rsp + TCB_RIP]
    mov r11, [rsp + TCB_RFLAGS]
    mov rsp, [rsp + TCB_RSP]
    o64 sysret
.full:
    mov byte [rsp + TCB_FULL_RESTORE], 0
    mov r11, rsp
    lea rsp, [kernel_stack_top]
    push qword SEL_USER_DATA
    push qword [r11 + TCB_RSP]
    push qword [r11 + TCB_RFLAGS]
    push qword SEL_USER_CODE
    push qword [r11 + TCB_RIP]
    mov rcx, [r11 + TCB_RCX]
    mov r11, [r11 + TCB_R11]
    iretq

; ---- exceptions and interrupts -------------------------------------------------------------------------------------

; Each vector pushes an error code (or 0) and its number.
%macro VECTOR 1
align 16
    %if %1 == 8 || (%1 >= 10 && %1 <= 14) || %1 == 17 || %1 == 21 || %1 == 29 || %1 == 30
    %else
    push qword 0
    %endif
    push qword %1
    jmp trap
%endmacro

global entry_vectors
align 16
entry_vectors:
%assign vector 0
%rep 64
    VECTOR vector
%assign vector vector + 1
%endrep

; Stack: vector, error, rip, cs, rflags, rsp, ss
trap:
    test qword [rsp + 24], 3
    jz .kernel
    MEASURE_TRAP
    push rax
    mov rax, [core + CORE_CURRENT]
    TCB_SAVE rax, RBX, RCX, RDX, RSI, RDI, RBP, R8, R9, R10, R11, R12, R13, R14, R15
    pop rcx
    mov [rax + TCB_RAX], rcx
    mov byte [rax + TCB_FULL_RESTORE], 1
    pop rdi                                 ; vector
    pop rsi                                 ; error code
    pop rcx
    mov [rax + TCB_RIP], rcx
    pop rcx                                 ; cs
    pop rcx
    mov [rax + TCB_RFLAGS], rcx
    pop rcx
    mov [rax + TCB_RSP], rcx
    push qword 2                            ; no AC (it would switch SMAP off), no DF, nothing else of the user's
    popfq
    lea rsp, [kernel_stack_top]
    call trap_handle
    jmp leave

    ; From the kernel: an interrupt in the idle loop, a user page missing in a copy, or a bug. struct kernel_trap.
.kernel:
    MEASURE_TRAP_IN_KERNEL
    PUSH_ALL rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    cld
    mov rdi, rsp
    mov rbp, rsp
    and rsp, -16
    call trap_kernel
    mov rsp, rbp
    POP_ALL rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    add rsp, 16
    iretq

; cpu_vector_switch(rdi), preserving every register: see arch_switch.
global vector_switch
vector_switch:
    CALL_PRESERVING cpu_vector_switch

%ifdef ARAMID_TRACE
TRACE_USER_ENTRY

; trace_room(), preserving every register.
global trace_make_room
trace_make_room:
    CALL_PRESERVING trace_room
%endif

; ---- user memory ---------------------------------------------------------------------------------------------------

; bool copy_user(void *to, const void *from, uint64_t length, bool smap): a fault between copy_user_low and
; copy_user_high goes on at copy_user_fault.
global copy_user, copy_user_low, copy_user_high, copy_user_fault
copy_user:
    mov r8, rcx
    test r8, r8
    jz copy_user_low
    stac
copy_user_low:
    mov rcx, rdx
    shr rcx, 3
    rep movsq
    mov ecx, edx
    and ecx, 7
    rep movsb
copy_user_high:
    mov eax, 1
    test r8, r8
    jz .out
    clac
.out:
    ret
copy_user_fault:
    xor eax, eax
    test r8, r8
    jz .out
    clac
.out:
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
