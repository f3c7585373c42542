; Where a native program begins, and the system call that shows every register. SPDX-License-Identifier: MIT
bits 64
default rel

extern native_start

; struct ar_regs
REGS_RIP equ 0
REGS_RFLAGS equ 16
REGS_RAX equ 24

section .text

; The kernel starts us with rdi = AR_BOOT_INFO and rsp at the top of a stack.
global _start
_start:
    xor ebp, ebp
    and rsp, -16
    call native_start
    ud2

; void native_raw(struct ar_regs *regs)
global native_raw
native_raw:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    push rdi
    mov rax, [rdi + REGS_RAX]
    mov rbx, [rdi + REGS_RAX + 8]
    mov rcx, [rdi + REGS_RAX + 16]
    mov rdx, [rdi + REGS_RAX + 24]
    mov rsi, [rdi + REGS_RAX + 32]
    mov rbp, [rdi + REGS_RAX + 48]
    mov r8, [rdi + REGS_RAX + 56]
    mov r9, [rdi + REGS_RAX + 64]
    mov r10, [rdi + REGS_RAX + 72]
    mov r11, [rdi + REGS_RAX + 80]
    mov r12, [rdi + REGS_RAX + 88]
    mov r13, [rdi + REGS_RAX + 96]
    mov r14, [rdi + REGS_RAX + 104]
    mov r15, [rdi + REGS_RAX + 112]
    mov rdi, [rdi + REGS_RAX + 40]
    syscall
    xchg rdi, [rsp]                         ; rdi = regs; its value waits on the stack
    mov [rdi + REGS_RAX], rax
    mov [rdi + REGS_RAX + 8], rbx
    mov [rdi + REGS_RAX + 16], rcx
    mov [rdi + REGS_RIP], rcx
    mov [rdi + REGS_RAX + 24], rdx
    mov [rdi + REGS_RAX + 32], rsi
    mov [rdi + REGS_RAX + 48], rbp
    mov [rdi + REGS_RAX + 56], r8
    mov [rdi + REGS_RAX + 64], r9
    mov [rdi + REGS_RAX + 72], r10
    mov [rdi + REGS_RAX + 80], r11
    mov [rdi + REGS_RAX + 88], r12
    mov [rdi + REGS_RAX + 96], r13
    mov [rdi + REGS_RAX + 104], r14
    mov [rdi + REGS_RAX + 112], r15
    pushfq
    pop qword [rdi + REGS_RFLAGS]
    pop qword [rdi + REGS_RAX + 40]
    cld
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
