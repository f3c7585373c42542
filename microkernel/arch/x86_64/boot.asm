; From the boot loader to C. SPDX-License-Identifier: MIT
;
; There are two ways in, both in 32-bit protected mode with paging off: QEMU's -kernel enters by the PVH note, with ebx =
; struct hvm_start_info; GRUB (from BIOS and from UEFI alike) by the Multiboot2 header, with eax = MULTIBOOT2_MAGIC and ebx = the
; boot information. The boot tables map the first 4 GiB twice (identity, physical map) and the image high; paging.c replaces them.

PHYSMAP_INDEX equ 256
KERNEL_BASE equ 0xffffffff80000000
BOOT_STACK_SIZE equ 32768
FAULT_STACK_SIZE equ 8192
MULTIBOOT2_HEADER_MAGIC equ 0xe85250d6
CR0_BOOT equ 0x80010011         ; paging, write protection, extension type, protected mode
CR4_BOOT equ 0x20               ; physical address extension

section .note.pvh note alloc noexec nowrite align=4
    dd 4, 4, 18                 ; name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY
    db "Xen", 0
    dd boot_pvh

section .boot progbits alloc exec nowrite align=16
; Has to be in the file's first 32 KiB, on a multiple of 8; so is each tag.
align 8
multiboot2_header:
    dd MULTIBOOT2_HEADER_MAGIC, 0, multiboot2_end - multiboot2_header
    dd 0x100000000 - (MULTIBOOT2_HEADER_MAGIC + multiboot2_end - multiboot2_header)
    dw 1, 0                     ; the boot loader has to tell: the memory map
    dd 12, 6, 0
    dw 3, 0                     ; where to enter, instead of the ELF's entry
    dd 12, boot_multiboot2, 0
    dw 6, 0                     ; modules on page boundaries
    dd 8
    dw 0, 0
    dd 8
multiboot2_end:

bits 32
global boot_pvh
boot_pvh:
    xor eax, eax                ; BOOT_PVH (boot.h)
boot_multiboot2:
    cli
    cld
    mov esp, boot_stack_low
    mov ebp, eax                ; who called: kernel_main's first argument
    mov esi, ebx                ; what it told: the second
    ; The tables are in .boot.bss, which the loader has cleared.
    mov edi, boot_directories
    mov eax, 0x83               ; present, write, large
    mov ecx, 2048
    xor edx, edx
.fill:
    mov [edi], eax
    mov [edi + 4], edx
    add eax, 0x200000
    adc edx, 0
    add edi, 8
    dec ecx
    jnz .fill
    mov eax, boot_directories + 3
    mov edi, boot_pointers
    mov ecx, 4
.pointers:
    mov [edi], eax
    add eax, 4096
    add edi, 8
    dec ecx
    jnz .pointers
    mov dword [boot_pointers_high + 510 * 8], boot_directories + 3
    mov dword [boot_top], boot_pointers + 3
    mov dword [boot_top + PHYSMAP_INDEX * 8], boot_pointers + 3
    mov dword [boot_top + 511 * 8], boot_pointers_high + 3
    mov eax, CR4_BOOT           ; whatever the firmware had on, five-level paging for example, is off
    mov cr4, eax
    mov eax, boot_top
    mov cr3, eax
    mov ecx, 0xc0000080         ; EFER: long mode
    rdmsr
    or eax, 0x100
    wrmsr
    mov eax, CR0_BOOT
    mov cr0, eax
    lgdt [boot_gdt_pointer]
    jmp 8:boot_64

bits 64
boot_64:
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov rsp, kernel_stack_top
    mov edi, ebp
    mov esi, esi                ; the upper halves are not defined after the switch
    xor ebp, ebp
    mov rax, kernel_main
    call rax
.hang:
    hlt
    jmp .hang

align 8
boot_gdt:
    dq 0, 0x00af9b000000ffff
boot_gdt_pointer:
    dw 15
    dd boot_gdt

section .boot.bss nobits alloc noexec write align=4096
boot_top: resb 4096
boot_pointers: resb 4096
boot_pointers_high: resb 4096
boot_directories: resb 4 * 4096
    resb 256
boot_stack_low:

section .bss nobits alloc noexec write align=64
extern kernel_main
global kernel_stack_top, fault_stack_top
    resb BOOT_STACK_SIZE
kernel_stack_top:
    resb FAULT_STACK_SIZE
fault_stack_top:

section .note.GNU-stack noalloc noexec nowrite progbits
