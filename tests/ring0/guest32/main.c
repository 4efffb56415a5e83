/* main.c - the 32-bit guest: the generated C tables and runtime/c at ring 0. The phases are those of guest64/main.rs.
 *
 * entry.S has the way in, ring 3 and its patch sites; machine.c the machine; ops.c what each op must effect; crossmod.c
 * patches while the other CPU runs through the sites.
 */
#include "crossmod.h"
#include "machine.h"
#include "ops.h"
#include "paravirt.h"
#include "pvc.h"

/* ---- The text port ------------------------------------------------------------------------------------------ */

static int port_write(void *context, void *address, const unsigned char *bytes, size_t count)
{
	(void)context;
	return write_text(address, bytes, count);
}

static int port_sync(void *context)
{
	(void)context;
	serialize();
	return 0;
}

static unsigned char undo[1024];
static const struct pv_text port = { port_write, port_sync, 0, undo, sizeof undo };

static struct pv_report report;

static bool patch(void)
{
	return pv_apply(&pv_paravirt_set, pv_cpu_features(&pv_paravirt_set), 0, &port, &report) == PV_OK;
}

/* Checks the report of what was just done. */
static void check_report(bool holds, const char *phase, const char *what)
{
	say("%s: %u sites: %u rows, %u calls, %u left, %u restored, %u unchanged", phase, report.sites, report.rows,
	    report.calls, report.left, report.restored, report.unchanged);
	check(holds, phase, what, pv_status_string(report.status));
}

/* ---- The ops structure -------------------------------------------------------------------------------------- */

extern const unsigned char poisoned_backends[]; /* 16 bytes each */
REGISTERS void poisoned(uint32_t op);

REGISTERS void poisoned(uint32_t op) { fail("patched %s: called through the ops structure", pv_paravirt_set.ops[op].name); }

static void install_defaults(void)
{
	const void **slots = (const void **)&pv_paravirt_ops;
	for (unsigned op = 0; op < pv_paravirt_set.nops; op++)
		slots[op] = pv_paravirt_set.ops[op].default_fn;
}

static void install_poison(void)
{
	const void **slots = (const void **)&pv_paravirt_ops;
	for (unsigned op = 0; op < pv_paravirt_set.nops; op++)
		slots[op] = poisoned_backends + 16 * op;
}

/* ---- Phases ------------------------------------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static unsigned id_of(const struct op_case *op)
{
	for (unsigned id = 0; id < pv_paravirt_set.nops; id++)
		if (same(pv_paravirt_set.ops[id].name, op->name))
			return id;
	fail("the set has no op %s", op->name);
}

static unsigned char *site_of(const struct op_case *op)
{
	unsigned id = id_of(op);
	for (const struct pv_site *site = pv_paravirt_set.sites; site < pv_paravirt_set.sites_end; site++) {
		uintptr_t at = (uintptr_t)site + (uintptr_t)site->disp;
		if (site->op == id && at - op->function < 64)
			return (unsigned char *)at;
	}
	fail("the function of %s has no site", op->name);
}

/* Runs every op and looks at its effect; `counted`: whether each must reach its counting backend, or none may. */
static void effects(const char *phase, bool counted)
{
	for (unsigned i = 0; i < case_count; i++) {
		unsigned id = id_of(&cases[i]);
		uint32_t before = counts[id];
		const char *wrong = cases[i].effect();
		interrupts(false);
		bool called = counts[id] != before;
		if (!wrong && called != counted)
			wrong = counted ? "its backend was not called" : "its backend was called";
		check(!wrong, phase, cases[i].name, wrong);
	}
}

/* Runs the same sites at ring 3. Before patching, the instruction that faults is in the default implementation. */
static void ring3(const char *phase, bool patched)
{
	for (unsigned i = 0; i < case_count; i++) {
		const struct op_case *op = &cases[i];
		struct outcome outcome = ring3_call(op->function, op->argument);
		bool at_site = outcome.eip == (uint32_t)site_of(op);
		bool holds = op->ring3 == FAULTS
				     ? outcome.fault && outcome.vector == GENERAL_PROTECTION && at_site == patched
				     : !outcome.fault && (op->ring3 == RETURNS || outcome.value == op->argument);
		if (!holds)
			say("%s: fault %u, vector %u, eip %x, value %x", op->name, outcome.fault, outcome.vector, outcome.eip,
			    outcome.value);
		check(holds, phase, op->name, "not what ring 3 may do");
	}
}

/* Asks every static branch; at ring 3, too, where NOPs and jumps are what they are here. */
static void branches(const char *phase, bool switched)
{
	for (unsigned i = 0; i < branch_case_count; i++) {
		const struct branch_case *branch = &branch_cases[i];
		bool expected = branch->first != switched;
		bool held = pv_branch_value(&pv_paravirt_set, branch->id) == expected;
		check(branch->ask() == expected && held, phase, branch->name, "the other value");
		struct outcome outcome = ring3_call((uintptr_t)branch->ask, 0);
		check(!outcome.fault && (outcome.value & 0xff) == expected, "ring3", branch->name, "the other value");
	}
}

/* All branches take the value that they do not have in the code that the compiler made. */
static bool switch_branches(void)
{
	for (unsigned i = 0; i < branch_case_count; i++)
		pv_want_branch(&pv_paravirt_set, branch_cases[i].id, !branch_cases[i].first);
	return pv_apply(&pv_paravirt_set, 0, PV_BRANCHES_ONLY, &port, &report) == PV_OK;
}

/* A batch that meets a foreign byte at one site writes to none. */
static void refused(uint32_t original)
{
	unsigned char *site = site_of(&cases[case_count - 1]), byte = *site;
	write_text(site, (const unsigned char[]){ 0xcc }, 1);
	uint32_t spoilt = digest();
	bool refused = !patch() && report.status == PV_E_FOREIGN && report.address == site;
	check_report(refused && digest() == spoilt, "unpatched", "a foreign byte refuses the batch");
	write_text(site, &byte, 1);
	check(digest() == original, "unpatched", "nothing was written", "the text changed");
}

_Noreturn void start(void);

_Noreturn void start(void)
{
	set_up_traps();
	set_up_paging();
	uint32_t sites = (uint32_t)(pv_paravirt_set.sites_end - pv_paravirt_set.sites), original = digest();
	uintptr_t text = (uintptr_t)text_start;
	check(faults_when_written(text), "unpatched", "text is read-only", "it is writable");
	check(pv_undo_size(&pv_paravirt_set) <= sizeof undo, "unpatched", "undo memory", "too small");

	install_counting();
	effects("unpatched", true);
	install_defaults();
	ring3("ring3-unpatched", false);
	branches("unpatched", false);
	refused(original);

	bool done = patch();
	check_report(done && report.rows == sites, "patched", "every site holds its row");
	check(digest() != original, "patched", "text changed", "it did not");
	install_poison();
	effects("patched", false);
	ring3("ring3", true);
	branches("patched", false);
	install_defaults();
	done = patch();
	check_report(done && report.unchanged == sites && !report.bytes, "patched", "again writes nothing");
	check(faults_when_written(text), "patched", "text is read-only", "it is writable");

	done = switch_branches();
	check_report(done && !report.sites && report.jumps == branch_case_count, "switched", "every branch jumps");
	branches("switched", true);

	install_counting();
	done = patch();
	check_report(done && report.calls == sites, "called", "every site calls its backend");
	install_poison();
	effects("called", true);
	install_counting();
	done = pv_restore(&pv_paravirt_set, &port, &report) == PV_OK;
	check_report(done && report.restored == sites, "restored", "every site is as compiled");
	check(digest() == original, "restored", "text is as compiled", "it is not");
	effects("restored", true);
	branches("restored", false);
	crossmod();
	finish();
}
