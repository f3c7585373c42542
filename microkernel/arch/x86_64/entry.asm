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

; What a C function may change.
%define SAVED0 rax
%define SAVED1 rcx
%define SAVED2 rdx
%define SAVED3 rsi
%define SAVED4 rdi
%define SAVED5 r8
%define SAVED6 r9
%define SAVED7 r10
%define SAVED8 r11

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
    MEASURE_SYSCALL

    mov [rsp + TCB_RIP], rcx
    mov rcx, [core + CORE_USER_STACK]
    mov [rsp + TCB_RSP], rcx
    mov [rsp + TCB_RBX], rbx
    mov [rsp + TCB_RBP], rbp
    mov [rsp + TCB_RDI], rdi
    mov [rsp + TCB_RSI], rsi
    mov [rsp + TCB_RDX], rdx
    mov [rsp + TCB_R12], r12
    mov [rsp + TCB_R13], r13
    mov [rsp + TCB_R14], r14
    mov [rsp + TCB_R15], r15
    TRACE_SYSCALL
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
    mov [rcx + TCB_RAX], rax
    mov [rcx + TCB_R8], r8
    mov [rcx + TCB_R9], r9
    mov [rcx + TCB_R10], r10
    call syscall_handle
    jmp leave

    ; A Linux call: back to the handler that the thread has registered, with every register but rcx and r11 as it was
    ; (r11 keeps rflags). The program's next instruction goes into the thread's IPC buffer.
.foreign:
    mov r11, [rsp + TCB_BUFFER]
    mov [r11 + IPC_FOREIGN_RIP], rcx
    TRACE_LINUX
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
    mov rbp, [rsp + TCB_RBP]
    mov r12, [rsp + TCB_R12]
    mov r13, [rsp + TCB_R13]
    mov r14, [rsp + TCB_R14]
    mov r15, [rsp + TCB_R15]
    TRACE_RESULT
    mov rcx, [rsp + TCB_RIP]
    mov r11, [rsp + TCB_RFLAGS]
    mov rsp, [rsp + TCB_RSP]
    o64 sysret

global leave
leave:
    MEASURE_STOP
    mov rsp, [core + CORE_CURRENT]
    mov rbx, [rsp + TCB_RBX]
    mov rdx, [rsp + TCB_RDX]
    mov rsi, [rsp + TCB_RSI]
    mov rdi, [rsp + TCB_RDI]
    mov rbp, [rsp + TCB_RBP]
    mov r8, [rsp + TCB_R8]
    mov r9, [rsp + TCB_R9]
    mov r10, [rsp + TCB_R10]
    mov r12, [rsp + TCB_R12]
    mov r13, [rsp + TCB_R13]
    mov r14, [rsp + TCB_R14]
    mov r15, [rsp + TCB_R15]
    mov rax, [rsp + TCB_RAX]
    cmp byte [rsp + TCB_FULL_RESTORE], 0
    jne .full
    TRACE_RESULT
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
    mov [rax + TCB_RBX], rbx
    mov [rax + TCB_RCX], rcx
    mov [rax + TCB_RDX], rdx
    mov [rax + TCB_RSI], rsi
    mov [rax + TCB_RDI], rdi
    mov [rax + TCB_RBP], rbp
    mov [rax + TCB_R8], r8
    mov [rax + TCB_R9], r9
    mov [rax + TCB_R10], r10
    mov [rax + TCB_R11], r11
    mov [rax + TCB_R12], r12
    mov [rax + TCB_R13], r13
    mov [rax + TCB_R14], r14
    mov [rax + TCB_R15], r15
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
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld
    mov rdi, rsp
    mov rbp, rsp
    and rsp, -16
    call trap_kernel
    mov rsp, rbp
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 16
    iretq

; cpu_vector_switch(rdi), preserving every register: see arch_switch.
global vector_switch
vector_switch:
    push rbp
    mov rbp, rsp
    and rsp, -16
%assign i 0
%rep 9
    push %[SAVED%[i]]
%assign i i + 1
%endrep
    push rax                                ; for the alignment
    call cpu_vector_switch
    pop rax
%rep 9
%assign i i - 1
    pop %[SAVED%[i]]
%endrep
    mov rsp, rbp
    pop rbp
    ret

%ifdef ARAMID_TRACE
TRACE_USER_ENTRY

; trace_room(), preserving every register.
global trace_make_room
trace_make_room:
    push rbp
    mov rbp, rsp
    and rsp, -16
%assign i 0
%rep 9
    push %[SAVED%[i]]
%assign i i + 1
%endrep
    push rax                                ; for the alignment
    call trace_room
    pop rax
%rep 9
%assign i i - 1
    pop %[SAVED%[i]]
%endrep
    mov rsp, rbp
    pop rbp
    ret
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
