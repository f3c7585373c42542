; Copies from and to the program's memory, which may not be there. SPDX-License-Identifier: MIT
;
; A fault with rip in [posix_copy_low, posix_copy_high) that procd cannot resolve resumes at posix_copy_fixup. So nothing
; here touches the stack: the fix-up returns to the routine's caller. 0 on success, 1 after a fault.

bits 64

global copy_bytes, copy_string, touch_read, touch_write, fpu_save_user, trace_piece
global posix_copy_low, posix_copy_high, posix_copy_fixup

section .text

posix_copy_low:

; int copy_bytes(void *rdi to, const void *rsi from, size_t rdx n)
copy_bytes:
    mov rcx, rdx
    shr rcx, 3
    rep movsq
    mov ecx, edx
    and ecx, 7
    rep movsb
    xor eax, eax
    ret

; int copy_string(char *rdi to, const char *rsi from, size_t rdx max, size_t *rcx length): up to max bytes, with the NUL;
; *length = bytes before the NUL, or max when there is none.
copy_string:
    xor r8d, r8d
.next:
    cmp r8, rdx
    je .done
    mov al, [rsi + r8]
    mov [rdi + r8], al
    test al, al
    jz .done
    inc r8
    jmp .next
.done:
    mov [rcx], r8
    xor eax, eax
    ret

; int touch_read(const void *rdi)
touch_read:
    mov al, [rdi]
    xor eax, eax
    ret

; int touch_write(void *rdi): changes nothing, even when another thread writes the byte at the same time
touch_write:
    lock or byte [rdi], 0
    xor eax, eax
    ret

; int fpu_save_user(void *rdi area, uint64_t rsi mask): mask 0 = FXSAVE
fpu_save_user:
    test rsi, rsi
    jz .fx
    mov eax, esi
    mov rdx, rsi
    shr rdx, 32
    xsave64 [rdi]
    xor eax, eax
    ret
.fx:
    fxsave64 [rdi]
    xor eax, eax
    ret

; int trace_piece(uint64_t rdi head, uint64_t rsi result, const void *rdx user): 32 bytes into a record
trace_piece:
    mov r10, [rdx + 8]
    mov r8, [rdx + 16]
    mov r9, [rdx + 24]
    mov rdx, [rdx]
    mov eax, 12                             ; AR_SYS_TRACE
    syscall
    ret

posix_copy_high:

posix_copy_fixup:
    mov eax, 1
    ret

global fpu_save, fpu_restore, fs_base_read, fs_base_write

; void fpu_save(void *rdi area, uint64_t rsi mask): our own memory
fpu_save:
    test rsi, rsi
    jz .fx
    mov eax, esi
    mov rdx, rsi
    shr rdx, 32
    xsave64 [rdi]
    ret
.fx:
    fxsave64 [rdi]
    ret

; void fpu_restore(const void *rdi area, uint64_t rsi mask): a checked image in our own memory
fpu_restore:
    test rsi, rsi
    jz .fx
    mov eax, esi
    mov rdx, rsi
    shr rdx, 32
    xrstor64 [rdi]
    ret
.fx:
    fxrstor64 [rdi]
    ret

fs_base_read:
    rdfsbase rax
    ret

fs_base_write:
    wrfsbase rdi
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
