# Entry of the guest: QEMU's -kernel starts an ELF64 with a PVH note in 32-bit protected mode, flat segments, no paging
# (Xen's "x86/HVM direct boot ABI"). Also the way of the second CPU up from real mode (Intel SDM volume 3A, 9.4).

    .section .note.pvh, "a", @note
    .p2align 2
    .long 4, 4, 18                      # sizes of name and value; XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long boot

    .section .text.boot, "ax", @progbits
    .code32
    .globl boot
boot:
    cli
    cld
    # The first 4 GiB, one to one, in pages of 2 MiB that ring 3 may use too.
    xor %ecx, %ecx
    mov $0x87, %eax                     # present, writable, user, large
    xor %edx, %edx
1:  mov %eax, boot_directories(, %ecx, 8)
    mov %edx, boot_directories + 4(, %ecx, 8)
    add $0x200000, %eax
    mov $0x80000000, %edx               # no execution...
    inc %ecx
    cmp $2048, %ecx
    jne 1b
    # ...but in the first page, where the second CPU starts, and in the second, which holds all text and is read-only.
    movl $0x200085, boot_directories + 8
    movl $0, boot_directories + 12
    movl $boot_directories + 0x0007, boot_pointers
    movl $boot_directories + 0x1007, boot_pointers + 8
    movl $boot_directories + 0x2007, boot_pointers + 16
    movl $boot_directories + 0x3007, boot_pointers + 24
    movl $boot_pointers + 7, boot_top
    xor %ebp, %ebp

enter_long_mode:                        # ebp: number of this CPU
    mov %cr4, %eax
    or $0x620, %eax                     # PAE; OSFXSR and OSXMMEXCPT, because `core` is compiled with SSE
    mov %eax, %cr4
    mov $boot_top, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx               # EFER: SCE, LME, NXE
    rdmsr
    or $0x901, %eax
    wrmsr
    mov $0x80010033, %eax               # CR0: PG, WP, NE, ET, MP, PE
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $0x08, $long_mode

    .code16
    .globl ap_start, ap_end
ap_start:                               # runs where it was copied to: AP_BASE
    cli
    xor %ax, %ax
    mov %ax, %ds
    lgdtl AP_BASE + (ap_gdt_pointer - ap_start)
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $0x50, $ap_protected
    .p2align 2
ap_gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt
ap_end:

    .code32
ap_protected:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $1, %ebp
    jmp enter_long_mode

    .code64
long_mode:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov %ebp, %edi
    lea 1(%rbp), %eax
    shl $16, %eax
    lea stacks(%rax), %rsp
    xor %ebp, %ebp
    call start
    ud2

    .data
    .p2align 3
    .globl gdt, gdt_pointer
gdt:
    .quad 0
    .quad 0x00af9b000000ffff            # 08 kernel code, 64-bit
    .quad 0x00cf93000000ffff            # 10 kernel data
    .quad 0x00cffb000000ffff            # 18 user code, 32-bit: where a sysret without REX.W goes
    .quad 0x00cff3000000ffff            # 20 user data
    .quad 0x00affb000000ffff            # 28 user code, 64-bit: where sysretq goes
    .quad 0, 0                          # 30 task state of CPU 0
    .quad 0, 0                          # 40 task state of CPU 1
    .quad 0x00cf9b000000ffff            # 50 kernel code, 32-bit
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .quad gdt

    .bss
    .p2align 12
boot_directories:
    .skip 4 * 4096
    .globl boot_pointers, boot_top
boot_pointers:
    .skip 4096
boot_top:
    .skip 4096
stacks:
    .skip 2 << 16
