// SPDX-License-Identifier: MIT OR Apache-2.0
/* main.c - the generated C tables and runtime/c in a module of a stock kernel.
 *
 * Its own sites are patched with the kernel's text_poke() while the kernel runs around them. Lines on the console are
 * `pvc: ok PHASE OP` and `pvc: FAIL PHASE OP: WHY`; the end is an exit of QEMU.
 */
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <asm/io.h>

#include "ops.h"
#include "paravirt.h"
#include "pvc.h"

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Patches its own paravirt sites");

static unsigned int checks, failures;

static void check(bool holds, const char *phase, const char *what, const char *otherwise)
{
	checks++;
	if (holds) {
		pr_info("pvc: ok %s %s\n", phase, what);
	} else {
		failures++;
		pr_err("pvc: FAIL %s %s: %s\n", phase, what, otherwise);
	}
}

/* ---- The text port: text_poke() is not exported; a kprobe finds what finds it. */

static void *(*poke)(void *address, const void *bytes, size_t count);
static void (*poke_sync)(void);
static struct mutex *poke_mutex;

static bool find_text_poke(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long (*lookup)(const char *name);

	if (register_kprobe(&probe))
		return false;
	lookup = (void *)probe.addr;
	unregister_kprobe(&probe);
	poke = (void *)lookup("text_poke");
	poke_sync = (void *)lookup("text_poke_sync");
	poke_mutex = (void *)lookup("text_mutex");
	return poke && poke_sync && poke_mutex;
}

static int port_write(void *context, void *address, const unsigned char *bytes, size_t count)
{
	poke(address, bytes, count);
	return 0;
}

static int port_sync(void *context)
{
	poke_sync();
	return 0;
}

static unsigned char undo[1024];
static const struct pv_text port = { port_write, port_sync, NULL, undo, sizeof(undo) };
static struct pv_report report;

static bool patch(void)
{
	enum pv_status status;

	mutex_lock(poke_mutex);
	status = pv_apply(&pv_paravirt_set, pv_cpu_features(&pv_paravirt_set), 0, &port, &report);
	mutex_unlock(poke_mutex);
	return status == PV_OK;
}

static bool unpatch(void)
{
	enum pv_status status;

	mutex_lock(poke_mutex);
	status = pv_restore(&pv_paravirt_set, &port, &report);
	mutex_unlock(poke_mutex);
	return status == PV_OK;
}

/* ---- The ops structure. */

static void poisoned(void)
{
	panic("pvc: FAIL patched: called through the ops structure");
}

static void install(bool poison)
{
	const void **slots = (const void **)&pv_paravirt_ops;
	unsigned int op;

	for (op = 0; op < pv_paravirt_set.nops; op++)
		slots[op] = poison ? poisoned : pv_paravirt_set.ops[op].default_fn;
}

static unsigned int id_of(const char *name)
{
	unsigned int id;

	for (id = 0; id < pv_paravirt_set.nops; id++)
		if (!strcmp(pv_paravirt_set.ops[id].name, name))
			return id;
	panic("pvc: FAIL the set has no op %s", name);
}

/* Runs every op and looks at its effect; `counted`: whether each must reach its counting backend, or none may. */
static void effects(const char *phase, bool counted)
{
	unsigned int i;

	for (i = 0; i < case_count; i++) {
		unsigned int id = id_of(cases[i].name), before = counts[id];
		const char *wrong = cases[i].effect();
		bool called = counts[id] != before, expected = counted && cases[i].called;

		if (!wrong && called != expected)
			wrong = expected ? "its backend was not called" : "its backend was called";
		check(!wrong, phase, cases[i].name, wrong);
	}
}

/* Asks every static branch. */
static void branches(const char *phase, bool switched)
{
	unsigned int i;

	for (i = 0; i < branch_case_count; i++) {
		const struct branch_case *branch = &branch_cases[i];
		bool expected = branch->first != switched;
		bool held = pv_branch_value(&pv_paravirt_set, branch->id) == expected;

		check(branch->ask() == expected && held, phase, branch->name, "the other value");
	}
}

/* All branches take the value that they do not have in the code that the compiler made. */
static bool switch_branches(void)
{
	enum pv_status status;
	unsigned int i;

	for (i = 0; i < branch_case_count; i++)
		pv_want_branch(&pv_paravirt_set, branch_cases[i].id, !branch_cases[i].first);
	mutex_lock(poke_mutex);
	status = pv_apply(&pv_paravirt_set, 0, PV_BRANCHES_ONLY, &port, &report);
	mutex_unlock(poke_mutex);
	return status == PV_OK;
}

static int __init pv_ring0_init(void)
{
	unsigned int sites = pv_paravirt_set.sites_end - pv_paravirt_set.sites;
	bool done;

	check(find_text_poke(), "unpatched", "text_poke", "not found");
	if (failures)
		goto out;
	install_counting();
	effects("unpatched", true);
	branches("unpatched", false);

	install(false);
	done = patch();
	check(done && report.rows == sites, "patched", "every site holds its row", pv_status_string(report.status));
	install(true);
	effects("patched", false);
	branches("patched", false);

	done = switch_branches();
	check(done && !report.sites && report.jumps == branch_case_count, "switched", "every branch jumps",
	      pv_status_string(report.status));
	branches("switched", true);

	/* cpu.swapgs cannot be called: its slot holds the default. */
	install(false);
	install_counting();
	done = patch();
	check(done && report.calls + report.rows == sites && report.rows < report.calls, "called",
	      "every site calls its backend", pv_status_string(report.status));
	install(true);
	effects("called", true);

	install_counting();
	done = unpatch();
	check(done && report.restored == sites, "restored", "every site is as compiled", pv_status_string(report.status));
	effects("restored", true);
	branches("restored", false);
out:
	pr_info("pvc: %u sites; done: %u checks, %u failed\n", sites, checks, failures);
	outb(checks && !failures ? 0x10 : 0x11, 0xf4); /* QEMU exits with (code << 1) | 1 */
	return -ENODEV;
}
module_init(pv_ring0_init);
