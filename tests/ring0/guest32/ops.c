/* ops.c - one function with one site per op, what calling it must effect, and a backend in C that counts. */
#include "ops.h"

#include "paravirt.h"

#define SITE static REGISTERS __attribute__((noinline, noclone))

SITE void irq_disable(void) { pv_paravirt_irq_irq_disable(); }
SITE void irq_enable(void) { pv_paravirt_irq_irq_enable(); }
SITE unsigned long save_fl(void) { return pv_paravirt_irq_save_fl(); }
SITE void restore_fl(unsigned long value) { pv_paravirt_irq_restore_fl(value); }
SITE unsigned long read_cr2(void) { return pv_paravirt_mmu_read_cr2(); }
SITE unsigned long read_cr3(void) { return pv_paravirt_mmu_read_cr3(); }
SITE void write_cr3(unsigned long cr3) { pv_paravirt_mmu_write_cr3(cr3); }
SITE void queued_spin_unlock(void *lock) { pv_paravirt_lock_queued_spin_unlock(lock); }
SITE bool vcpu_is_preempted(unsigned long cpu) { return pv_paravirt_lock_vcpu_is_preempted(cpu); }
void iret_within(void); /* entry.S */

/* ---- Effects ------------------------------------------------------------------------------------------------ */

#define INTERRUPT_FLAG (1u << 9)
#define ID_FLAG (1u << 21)  /* software may toggle it, and nothing else changes it (SDM volume 1, 3.4.3.3) */
#define ARITHMETIC 0x8d5u   /* OF SF ZF AF PF CF: these change by themselves */

#define REQUIRE(condition, otherwise) \
	do { \
		if (!(condition)) \
			return otherwise; \
	} while (0)

/* Whether an interrupt to this very CPU stays pending. */
static bool is_held(uint32_t before)
{
	for (int i = 0; i < 2000; i++) {
		__asm__ volatile("pause");
		if (arrived != before)
			return false;
	}
	return interrupt_is_pending();
}

/* Whether exactly one arrives. */
static bool arrives(uint32_t before)
{
	for (int i = 0; i < 10000 && arrived == before; i++)
		__asm__ volatile("pause");
	return arrived == before + 1;
}

static const char *effect_irq_disable(void)
{
	interrupts(true);
	uint32_t before = arrived;
	irq_disable();
	interrupt_self();
	bool held = is_held(before);
	interrupts(true);
	bool came = arrives(before);
	interrupts(false);
	REQUIRE(held, "an interrupt came although they were disabled");
	REQUIRE(came, "the interrupt did not come afterwards");
	return 0;
}

static const char *effect_irq_enable(void)
{
	interrupts(false);
	uint32_t before = arrived;
	interrupt_self();
	bool held = is_held(before);
	irq_enable();
	bool came = arrives(before);
	interrupts(false);
	REQUIRE(held, "an interrupt came before they were enabled");
	REQUIRE(came, "a pending interrupt did not come");
	return 0;
}

static const char *effect_save_fl(void)
{
	for (int i = 0; i < 3; i++) {
		bool on = i == 1;
		set_flags(flags() ^ ID_FLAG);
		interrupts(on);
		uint32_t saved = save_fl(), actual = flags();
		interrupts(false);
		REQUIRE(!(saved & INTERRUPT_FLAG) == !on, "the interrupt flag is wrong");
		REQUIRE(!((saved ^ actual) & ~ARITHMETIC), "a flag is wrong");
	}
	return 0;
}

static const char *effect_restore_fl(void)
{
	interrupts(false);
	uint32_t before = arrived;
	interrupt_self();
	bool held = is_held(before);
	uint32_t old = flags();
	restore_fl((old ^ ID_FLAG) | INTERRUPT_FLAG);
	bool came = arrives(before);
	uint32_t toggled = flags() ^ old;
	restore_fl(old & ~INTERRUPT_FLAG);
	interrupt_self();
	bool held_again = is_held(before + 1);
	uint32_t now = flags();
	interrupts(true);
	bool came_again = arrives(before + 1);
	interrupts(false);
	REQUIRE(held && held_again, "an interrupt came with the flag clear");
	REQUIRE(came && came_again, "no interrupt with the flag set");
	REQUIRE((toggled & ID_FLAG) && !((now ^ old) & ~ARITHMETIC), "a flag is wrong");
	return 0;
}

static const char *effect_read_cr2(void)
{
	static uintptr_t address = HOLE;
	for (int i = 0; i < 2; i++) {
		address += 0x1235;
		REQUIRE(faults_when_read(address), "no page fault in the hole");
		REQUIRE(read_cr2() == address, "not the address of the fault");
	}
	return 0;
}

static const char *effect_read_cr3(void)
{
	uint32_t own = table();
	REQUIRE(read_cr3() == own, "not the table in use");
	switch_to(other_table());
	uint32_t other = read_cr3();
	switch_to(own);
	REQUIRE(other == other_table(), "not the other table");
	return 0;
}

static const char *effect_write_cr3(void)
{
	uint32_t own = table();
	REQUIRE(window() == OWN_WORD, "the window shows another page already");
	write_cr3(other_table());
	uint32_t word = window(), in_use = table();
	write_cr3(own);
	REQUIRE(in_use == other_table() && word == OTHER_WORD, "the other page does not show");
	REQUIRE(table() == own && window() == OWN_WORD, "the page does not show again");
	return 0;
}

static REGISTERS uint32_t at_ring3(uint32_t argument) { return argument * 3; }

static const char *effect_iret(void)
{
	struct outcome outcome = ring3_call((uintptr_t)at_ring3, 0x12345678);
	REQUIRE(!outcome.fault && outcome.value == 3u * 0x12345678 && outcome.cs == USER_CODE, "not ring 3 as it should be");
	return 0;
}

static volatile uint32_t lock;

static const char *effect_queued_spin_unlock(void)
{
	lock = 0x010203ffu;
	queued_spin_unlock((void *)&lock);
	REQUIRE(lock == 0x01020300u, "more or less than the lowest byte was cleared");
	return 0;
}

static const char *effect_vcpu_is_preempted(void)
{
	REQUIRE(!vcpu_is_preempted(0) && !vcpu_is_preempted(1) && !vcpu_is_preempted(~0ul), "a CPU is preempted");
	return 0;
}

extern uint32_t directory[];

/* All ops of patchsets/x86_64.pv that exist on i386. */
const struct op_case cases[] = {
	{ "irq.irq_disable", (uintptr_t)irq_disable, effect_irq_disable, 0, FAULTS },
	{ "irq.irq_enable", (uintptr_t)irq_enable, effect_irq_enable, 0, FAULTS },
	{ "irq.save_fl", (uintptr_t)save_fl, effect_save_fl, 0, RETURNS },
	{ "irq.restore_fl", (uintptr_t)restore_fl, effect_restore_fl, 2, RETURNS },
	{ "mmu.read_cr2", (uintptr_t)read_cr2, effect_read_cr2, 0, FAULTS },
	{ "mmu.read_cr3", (uintptr_t)read_cr3, effect_read_cr3, 0, FAULTS },
	{ "mmu.write_cr3", (uintptr_t)write_cr3, effect_write_cr3, (uint32_t)directory, FAULTS },
	{ "cpu.iret", (uintptr_t)iret_within, effect_iret, 0x1234, RETURNS_ARGUMENT },
	{ "lock.queued_spin_unlock", (uintptr_t)queued_spin_unlock, effect_queued_spin_unlock, (uint32_t)&lock, RETURNS },
	{ "lock.vcpu_is_preempted", (uintptr_t)vcpu_is_preempted, effect_vcpu_is_preempted, 0, RETURNS_ARGUMENT },
};
const unsigned case_count = sizeof cases / sizeof *cases;

SITE bool time_steal(void) { return pv_paravirt_branch_time_steal(); }
SITE bool lock_virt_spin(void) { return pv_paravirt_branch_lock_virt_spin(); }

/* All branches of patchsets/x86_64.pv. */
const struct branch_case branch_cases[] = {
	{ "time.steal", PV_PARAVIRT_BRANCH_time_steal, time_steal, false },
	{ "lock.virt_spin", PV_PARAVIRT_BRANCH_lock_virt_spin, lock_virt_spin, true },
};
const unsigned branch_case_count = sizeof branch_cases / sizeof *branch_cases;

/* ---- Backends: as a hypervisor's, plain C functions behind the generated thunks ------------------------------- */

volatile uint32_t counts[MAX_OPS];
_Static_assert(PV_PARAVIRT_OPS <= MAX_OPS && PV_PARAVIRT_OP_cpu_iret == 10, "entry.S counts in counts[10]");

#define COUNT(op) (counts[PV_PARAVIRT_OP_##op]++)

static PV_CALL void backend_irq_disable(void)
{
	COUNT(irq_irq_disable);
	interrupts(false);
}
static PV_CALL void backend_irq_enable(void)
{
	COUNT(irq_irq_enable);
	interrupts(true);
}
static PV_CALL unsigned long backend_save_fl(void)
{
	COUNT(irq_save_fl);
	return flags();
}
static PV_CALL void backend_restore_fl(unsigned long value)
{
	COUNT(irq_restore_fl);
	set_flags(value);
}
static PV_CALL unsigned long backend_read_cr2(void)
{
	unsigned long cr2;
	COUNT(mmu_read_cr2);
	__asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
	return cr2;
}
static PV_CALL unsigned long backend_read_cr3(void)
{
	COUNT(mmu_read_cr3);
	return table();
}
static PV_CALL void backend_write_cr3(unsigned long cr3)
{
	COUNT(mmu_write_cr3);
	switch_to(cr3);
}
static PV_CALL void backend_queued_spin_unlock(void *word)
{
	COUNT(lock_queued_spin_unlock);
	*(volatile unsigned char *)word = 0;
}
static PV_CALL bool backend_vcpu_is_preempted(unsigned long cpu)
{
	COUNT(lock_vcpu_is_preempted);
	(void)cpu;
	return false;
}
void counting_iret(void); /* entry.S */

PV_PARAVIRT_BACKEND(irq_irq_disable, backend_irq_disable);
PV_PARAVIRT_BACKEND(irq_irq_enable, backend_irq_enable);
PV_PARAVIRT_BACKEND(irq_save_fl, backend_save_fl);
PV_PARAVIRT_BACKEND(irq_restore_fl, backend_restore_fl);
PV_PARAVIRT_BACKEND(mmu_read_cr2, backend_read_cr2);
PV_PARAVIRT_BACKEND(mmu_read_cr3, backend_read_cr3);
PV_PARAVIRT_BACKEND(mmu_write_cr3, backend_write_cr3);
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
	pv_paravirt_ops.cpu_iret = PV_PARAVIRT_SLOT(cpu_iret, counting_iret);
	pv_paravirt_ops.lock_queued_spin_unlock = PV_PARAVIRT_THUNK(lock_queued_spin_unlock, backend_queued_spin_unlock);
	pv_paravirt_ops.lock_vcpu_is_preempted = PV_PARAVIRT_THUNK(lock_vcpu_is_preempted, backend_vcpu_is_preempted);
}
