# For each op id below 32: a backend that counts and goes on to the default, and one that must never run.
# Both keep every register and flag, and need no stack of the op's own: they stand behind entry code too.

    .text
    .p2align 5
    .globl counting_backends
counting_backends:
    .set op, 0
    .rept 32
    .p2align 5
    push %rax
    mov {counts} + 8 * op(%rip), %rax
    lea 1(%rax), %rax
    mov %rax, {counts} + 8 * op(%rip)
    pop %rax
    jmp *{defaults} + 8 * op(%rip)
    .set op, op + 1
    .endr

    .p2align 5
    .globl poisoned_backends
poisoned_backends:
    .set op, 0
    .rept 32
    .p2align 5
    mov $op, %edi
    and $-16, %rsp
    call {poisoned}
    .set op, op + 1
    .endr
