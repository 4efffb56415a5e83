# The 256 gates, the way into ring 3 and the ways back.

    .text
    .p2align 4
    .globl trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .p2align 4
    # SDM volume 3A, table 6-1: these push an error code themselves.
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
    .else
    push $0
    .endif
    push $vector
    jmp trap_common
    .set vector, vector + 1
    .endr

trap_common:                            # the layout is traps.rs, `Frame`
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    testb $3, 144(%rsp)                 # from ring 3?
    jz 1f
    swapgs
1:  cld
    mov %rsp, %rdi
    mov %rsp, %rbp
    sub $512, %rsp
    and $-16, %rsp
    fxsave64 (%rsp)
    call trap
    fxrstor64 (%rsp)
    mov %rbp, %rsp
    testb $3, 144(%rsp)
    jz 2f
    swapgs
2:  pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rbp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rbx
    pop %rax
    add $16, %rsp
    iretq

# read_byte, write_byte(address in rdi) -> eax: 0, or 1 if the access faulted (the handler continues at touch_faulted).
# The write changes nothing.
    .globl read_byte, write_byte, touch_faulted
read_byte:
    movb (%rdi), %al
    xor %eax, %eax
    ret
write_byte:
    orb $0, (%rdi)
    xor %eax, %eax
    ret
touch_faulted:
    mov $1, %eax
    ret
