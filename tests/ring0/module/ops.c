// SPDX-License-Identifier: MIT OR Apache-2.0
/* ops.c - one site per op, what it must effect in a running kernel, and a backend that counts; one site per static branch.
 *
 * cpu.usergs_sysret64 has no site here: a module cannot replace the way out of the kernel. guest64 does.
 */
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <asm/msr.h>
#include <asm/special_insns.h>

#include "ops.h"
#include "paravirt.h"

#define REQUIRE(condition, otherwise) \
	do { \
		if (!(condition)) \
			return otherwise; \
	} while (0)

/* The flags by the instruction itself, not by an op of ours or of the kernel's. */
static unsigned long flags_now(void) { return native_save_fl(); }
static int enabled(void) { return !!(flags_now() & X86_EFLAGS_IF); }

static const char *effect_irq_disable(void)
{
	native_irq_enable();
	pv_paravirt_irq_irq_disable();
	int on = enabled();
	native_irq_enable();
	REQUIRE(!on, "interrupts are on");
	return NULL;
}

static const char *effect_irq_enable(void)
{
	native_irq_disable();
	pv_paravirt_irq_irq_enable();
	REQUIRE(enabled(), "interrupts are off");
	return NULL;
}

static const char *effect_save_fl(void)
{
	unsigned long on = pv_paravirt_irq_save_fl(), off;

	native_irq_disable();
	off = pv_paravirt_irq_save_fl();
	native_irq_enable();
	REQUIRE((on & X86_EFLAGS_IF) && !(off & X86_EFLAGS_IF), "the interrupt flag is wrong");
	return NULL;
}

static const char *effect_restore_fl(void)
{
	unsigned long flags = flags_now();
	int off, on;

	pv_paravirt_irq_restore_fl(flags & ~X86_EFLAGS_IF);
	off = !enabled();
	pv_paravirt_irq_restore_fl(flags | X86_EFLAGS_IF);
	on = enabled();
	native_irq_enable();
	REQUIRE(off && on, "the interrupt flag is wrong");
	return NULL;
}

static const char *effect_read_cr2(void)
{
	unsigned long address, read;
	long fault;
	char byte;

	for (address = 0x1230; address < 0x1238; address += 4) { /* below vm.mmap_min_addr: never mapped */
		native_irq_disable();
		fault = copy_from_user_nofault(&byte, (const void __user *)address, 1);
		read = pv_paravirt_mmu_read_cr2();
		native_irq_enable();
		REQUIRE(fault, "no page fault");
		REQUIRE(read == address, "not the address of the fault");
	}
	return NULL;
}

static const char *effect_read_cr3(void)
{
	unsigned long read, actual;

	native_irq_disable();
	read = pv_paravirt_mmu_read_cr3();
	actual = __native_read_cr3();
	native_irq_enable();
	REQUIRE(read == actual, "not the table in use");
	return NULL;
}

/* The kernel's own table again: that it is written at all shows in guest64. */
static const char *effect_write_cr3(void)
{
	unsigned long before, after;

	native_irq_disable();
	before = __native_read_cr3();
	pv_paravirt_mmu_write_cr3(before);
	after = __native_read_cr3();
	native_irq_enable();
	REQUIRE(before == after, "another table is in use");
	return NULL;
}

static const char *effect_wbinvd(void)
{
	pv_paravirt_cpu_wbinvd();
	return NULL;
}

static const char *effect_swapgs(void)
{
	unsigned long user, low, high;

	native_irq_disable();
	user = __rdmsr(MSR_KERNEL_GS_BASE);
	/* Back at once: nothing in the kernel works with the user's base. */
	asm volatile(PV_SITE_paravirt_cpu_swapgs_inline
		     "rdmsr\n"
		     "swapgs\n"
		     : "=a"(low), "=d"(high)
		     : "c"(MSR_GS_BASE)
		     : "memory");
	native_irq_enable();
	REQUIRE((low | high << 32) == user, "the bases were not exchanged");
	return NULL;
}

static const char *effect_mov64(void)
{
	REQUIRE(pv_paravirt_mov64(0) == 0 && pv_paravirt_mov64(~0ul) == ~0ul && pv_paravirt_mov64(77) == 77,
		"another value came back");
	return NULL;
}

static const char *effect_queued_spin_unlock(void)
{
	static volatile u32 lock;

	lock = 0x010203ff;
	pv_paravirt_lock_queued_spin_unlock((void *)&lock);
	REQUIRE(lock == 0x01020300, "more or less than the lowest byte was cleared");
	return NULL;
}

static const char *effect_vcpu_is_preempted(void)
{
	REQUIRE(!pv_paravirt_lock_vcpu_is_preempted(0) && !pv_paravirt_lock_vcpu_is_preempted(~0ul), "a CPU is preempted");
	return NULL;
}

const struct op_case cases[] = {
	{ "irq.irq_disable", effect_irq_disable, 1 },
	{ "irq.irq_enable", effect_irq_enable, 1 },
	{ "irq.save_fl", effect_save_fl, 1 },
	{ "irq.restore_fl", effect_restore_fl, 1 },
	{ "mmu.read_cr2", effect_read_cr2, 1 },
	{ "mmu.read_cr3", effect_read_cr3, 1 },
	{ "mmu.write_cr3", effect_write_cr3, 1 },
	{ "cpu.wbinvd", effect_wbinvd, 1 },
	{ "cpu.swapgs", effect_swapgs, 0 },
	{ "mov64", effect_mov64, 1 },
	{ "lock.queued_spin_unlock", effect_queued_spin_unlock, 1 },
	{ "lock.vcpu_is_preempted", effect_vcpu_is_preempted, 1 },
};
const unsigned int case_count = sizeof(cases) / sizeof(*cases);

static noinline bool time_steal(void) { return pv_paravirt_branch_time_steal(); }
static noinline bool lock_virt_spin(void) { return pv_paravirt_branch_lock_virt_spin(); }

const struct branch_case branch_cases[] = {
	{ "time.steal", PV_PARAVIRT_BRANCH_time_steal, time_steal, false },
	{ "lock.virt_spin", PV_PARAVIRT_BRANCH_lock_virt_spin, lock_virt_spin, true },
};
const unsigned int branch_case_count = sizeof(branch_cases) / sizeof(*branch_cases);

/* ---- Backends, as a hypervisor's: plain C functions behind the generated thunks where the contract is narrower. */

unsigned int counts[PV_PARAVIRT_OPS];
#define COUNT(op) (counts[PV_PARAVIRT_OP_##op]++)

static void backend_irq_disable(void)
{
	COUNT(irq_irq_disable);
	native_irq_disable();
}
static void backend_irq_enable(void)
{
	COUNT(irq_irq_enable);
	native_irq_enable();
}
static unsigned long backend_save_fl(void)
{
	COUNT(irq_save_fl);
	return native_save_fl();
}
static void backend_restore_fl(unsigned long flags)
{
	COUNT(irq_restore_fl);
	asm volatile("push %0; popf" : : "r"(flags) : "memory", "cc");
}
static unsigned long backend_read_cr2(void)
{
	COUNT(mmu_read_cr2);
	return native_read_cr2();
}
static unsigned long backend_read_cr3(void)
{
	COUNT(mmu_read_cr3);
	return __native_read_cr3();
}
static void backend_write_cr3(unsigned long cr3)
{
	COUNT(mmu_write_cr3);
	native_write_cr3(cr3);
}
static void backend_wbinvd(void)
{
	COUNT(cpu_wbinvd);
	native_wbinvd();
}
static unsigned long backend_mov64(unsigned long value)
{
	COUNT(mov64);
	return value;
}
static void backend_queued_spin_unlock(void *lock)
{
	COUNT(lock_queued_spin_unlock);
	*(volatile u8 *)lock = 0;
}
static bool backend_vcpu_is_preempted(unsigned long cpu)
{
	COUNT(lock_vcpu_is_preempted);
	return false;
}

PV_PARAVIRT_BACKEND(irq_irq_disable, backend_irq_disable);
PV_PARAVIRT_BACKEND(irq_irq_enable, backend_irq_enable);
PV_PARAVIRT_BACKEND(irq_save_fl, backend_save_fl);
PV_PARAVIRT_BACKEND(irq_restore_fl, backend_restore_fl);
PV_PARAVIRT_BACKEND(mmu_read_cr2, backend_read_cr2);
PV_PARAVIRT_BACKEND(mmu_read_cr3, backend_read_cr3);
PV_PARAVIRT_BACKEND(mmu_write_cr3, backend_write_cr3);
PV_PARAVIRT_BACKEND(cpu_wbinvd, backend_wbinvd);
PV_PARAVIRT_BACKEND(mov64, backend_mov64);
PV_PARAVIRT_BACKEND(lock_queued_spin_unlock, backend_queued_spin_unlock);
PV_PARAVIRT_BACKEND(lock_vcpu_is_preempted, backend_vcpu_is_preempted);

void install_counting(void)
{
	pv_paravirt_ops.irq_irq_disable = PV_PARAVIRT_THUNK(irq_irq_disable, backend_irq_disable);
	pv_paravirt_ops.irq_irq_enable = PV_PARAVIRT_THUNK(irq_irq_enable, backend_irq_enable);
	pv_paravirt_ops.irq_save_fl = PV_PARAVIRT_THUNK(irq_save_fl, backend_save_fl);
	pv_paravirt_ops.irq_restore_fl = PV_PARAVIRT_THUNK(irq_restore_fl, backend_restore_fl);
	pv_paravirt_ops.mmu_read_cr2 = PV_PARAVIRT_THUNK(mmu_read_cr2, backend_read_cr2);
	pv_paravirt_ops.mmu_read_cr3 = PV_PARAVIRT_THUNK(mmu_read_cr3, backend_read_cr3);
	pv_paravirt_ops.mmu_write_cr3 = PV_PARAVIRT_THUNK(mmu_write_cr3, backend_write_cr3);
	pv_paravirt_ops.cpu_wbinvd = PV_PARAVIRT_THUNK(cpu_wbinvd, backend_wbinvd);
	pv_paravirt_ops.mov64 = PV_PARAVIRT_THUNK(mov64, backend_mov64);
	pv_paravirt_ops.lock_queued_spin_unlock = PV_PARAVIRT_THUNK(lock_queued_spin_unlock, backend_queued_spin_unlock);
	pv_paravirt_ops.lock_vcpu_is_preempted = PV_PARAVIRT_THUNK(lock_vcpu_is_preempted, backend_vcpu_is_preempted);
}
