# The way from the loader into C, the gates, and the ways into ring 3 and back. What is generated comes in by paravirt.h.

#include "paravirt.h"
#include "toggle.h"

#define KERNEL_CODE 0x08
#define KERNEL_DATA 0x10
#define USER_CODE 0x1b
#define USER_DATA 0x23
#define TASK 0x28
#define AP_BASE 0x8000 /* machine.c */

	# QEMU's -kernel starts an ELF32 with this header in protected mode, flat segments, no paging (Multiboot 0.6.96).
	.section .text.boot, "ax", @progbits
	.p2align 2
	.long 0x1badb002, 0, -0x1badb002

	.globl boot
boot:
	cli
	cld
	# All 4 GiB one to one, in pages of 4 MiB that ring 3 may use too...
	xor %ecx, %ecx
	mov $0x87, %eax                 # present, writable, user, large
1:	mov %eax, directory(, %ecx, 4)
	add $0x400000, %eax
	inc %ecx
	cmp $1024, %ecx
	jne 1b
	movl $0x400085, directory + 4   # ...but all text, which is read-only,
	movl $0, directory + 4 * 512    # and a hole at 2 GiB.
	mov $boot_stack + 32768, %esp
	mov $first_cpu, %ecx
	# The stack is in esp, where to go on in ecx.
enter_paging:
	mov %cr4, %eax
	or $0x10, %eax                  # PSE
	mov %eax, %cr4
	mov $directory, %eax
	mov %eax, %cr3
	mov $0x80010033, %eax           # PG, WP, NE, ET, MP, PE
	mov %eax, %cr0
	lgdt gdt_pointer
	ljmp $KERNEL_CODE, $2f
2:	mov $KERNEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	jmp *%ecx

first_cpu:
	# The task state: where the stack is when ring 3 is left.
	mov $task, %eax
	mov %ax, gdt + TASK + 2
	shr $16, %eax
	mov %al, gdt + TASK + 4
	mov %ah, gdt + TASK + 7
	movl $trap_stack + 16384, task + 4
	movl $KERNEL_DATA, task + 8
	mov $TASK, %eax
	ltr %ax
	call start
	ud2

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
	ljmpl $KERNEL_CODE, $ap_protected
	.p2align 2
ap_gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
ap_end:
	.code32
ap_protected:
	mov $KERNEL_DATA, %eax
	mov %eax, %ds
	mov $second_stack + 32768, %esp
	mov $start_on_second, %ecx
	jmp enter_paging

	.text
	# The site of toggle's op, across the edge of a cache line: 3 bytes and 2.
	.globl probe
	.p2align 6
	.skip 61, 0xcc
probe:
	PV_SITE_toggle_value_inline
	ret

	.globl trap_stubs
	.p2align 4
trap_stubs:
	.set vector, 0
	.rept 256
	.p2align 4
	# Intel SDM volume 3A, table 6-1: these push an error code themselves.
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
	push $0
	.endif
	push $vector
	jmp trap_common
	.set vector, vector + 1
	.endr

trap_common:                            # the layout is machine.h, `struct frame`
	push %ds
	push %es
	pusha
	mov $KERNEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	cld
	mov %esp, %eax
	call trap
	popa
	pop %es
	pop %ds
	add $8, %esp
	iret

	# ring3_enter(function, argument), both in registers: calls the function at ring 3 through the site of cpu.iret.
	.globl ring3_enter, ring3_leave
ring3_enter:
	push %ebx
	push %ebp
	push %esi
	push %edi
	mov %esp, kernel_stack
	mov %eax, %ecx                  # the function
	mov %edx, %eax                  # its argument
	push $USER_DATA
	push $user_stack + 16384
	push $2
	push $USER_CODE
	push $ring3_start
	# As on every way out of a kernel the data segments are the user's by now; here they cannot be read at all.
	xor %edx, %edx
	mov %edx, %ds
	mov %edx, %es
	PV_SITE_paravirt_cpu_iret_jmp_mem_cs
	ud2
ring3_start:
	mov $USER_DATA, %edx
	mov %edx, %ds
	mov %edx, %es
	call *%ecx
	int $0x80
	ud2
ring3_leave:                            # from the handler, back to the caller of ring3_enter
	mov kernel_stack, %esp
	pop %edi
	pop %esi
	pop %ebp
	pop %ebx
	ret

	# A second site of cpu.iret, which is not privileged: from ring 3 it returns to ring 3.
	.globl iret_within
iret_within:
	pushf
	push %cs
	call 1f
	ret
1:	PV_SITE_paravirt_cpu_iret_jmp_mem_cs

	# read_byte, write_byte(address) -> 0, or 1 if the access faulted (the handler continues at touch_faulted).
	# The write changes nothing.
	.globl read_byte, write_byte, touch_faulted
read_byte:
	movb (%eax), %al
	xor %eax, %eax
	ret
write_byte:
	orb $0, (%eax)
	xor %eax, %eax
	ret
touch_faulted:
	mov $1, %eax
	ret

	# Backend of cpu.iret: counts. Only the stack segment can be used.
	.globl counting_iret
counting_iret:
	incl %ss:counts + 4 * 10
	jmp *%cs:pv_default_iret

	# Backends that must never run, one for each op id.
	.globl poisoned_backends
	.p2align 4
poisoned_backends:
	.set op, 0
	.rept 16
	.p2align 4
	mov $op, %eax
	jmp poisoned_common
	.set op, op + 1
	.endr
poisoned_common:
	mov $KERNEL_DATA, %edx
	mov %edx, %ds
	mov %edx, %es
	call poisoned
	ud2

	.section .rodata
pv_default_iret:
	.long pv_paravirt_default_cpu_iret

	.data
	.p2align 3
gdt:
	.quad 0
	.quad 0x00cf9b000000ffff        # 08 kernel code
	.quad 0x00cf93000000ffff        # 10 kernel data
	.quad 0x00cffb000000ffff        # 18 user code
	.quad 0x00cff3000000ffff        # 20 user data
	.quad 0x0000890000000067        # 28 task state
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt

	.bss
	.p2align 12
	.globl directory, user_stack
directory:
	.skip 4096
boot_stack:
	.skip 32768
second_stack:
	.skip 32768
trap_stack:
	.skip 16384
user_stack:
	.skip 16384
task:
	.skip 104
kernel_stack:
	.skip 4

	.section .note.GNU-stack, "", @progbits
