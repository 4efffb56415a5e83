/* Calls that become instructions, in an ordinary program. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Build and run it with `make run` (see Makefile) or with CMake. It shows one site per op as objdump sees it in memory,
 * before and after patching, and then proves that nothing goes through the ops structure any more: with a trap in every
 * slot, the program computes what it computed before.
 */
#include "pvc.h"
#include "userspace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The program: it knows nothing of patching ---------------------------------------------------------------- */

static unsigned long table[1024];

/* Bits set in the table, plus the position of each entry's lowest one. */
__attribute__((noinline)) static unsigned long digest(void)
{
	unsigned long sum = 0;
	for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
		sum += pv_userspace_bits_popcount(table[i]) + pv_userspace_bits_lowest(table[i]);
	return sum;
}

__attribute__((noinline)) static void store(unsigned long *to, unsigned long value)
{
	*to = value;
	pv_userspace_mem_write_back(to);
	pv_userspace_mem_store_fence();
}

/* What a step says while it is traced: the other side of the static branch, out of the way. */
__attribute__((cold, noinline)) static void tell(const char *what)
{
	printf("  traced: %s\n", what);
}

__attribute__((noinline)) static uint64_t now(void)
{
	struct pv_userspace_time_stamp_result stamp = pv_userspace_time_stamp();
	return (uint64_t)stamp.hi << 32 | stamp.lo;
}

__attribute__((noinline)) static void wait_a_little(void)
{
	if (pv_userspace_branch_trace_enabled())
		tell("waits a little");
	for (int i = 0; i < 10; i++)
		pv_userspace_cpu_relax();
	pv_userspace_cpu_serialize();
}

/* What bits.popcount calls on a CPU without POPCNT: an ordinary C function. The table calls it behind a thunk that keeps
 * the registers which a site of this op leaves alone. */
PV_CALL unsigned long userspace_popcount(unsigned long value)
{
	unsigned long count = 0;
	for (; value; value &= value - 1)
		count++;
	return count;
}

/* ---- Showing it ------------------------------------------------------------------------------------------------ */

/* Prints the bytes at a site, disassembled by objdump from memory; in hexadecimal if there is no objdump. */
static void show(const unsigned char *at, unsigned len)
{
	char command[256], line[256];
	int lines = 0;
	FILE *bytes = tmpfile(); /* has no name; objdump inherits its descriptor */

	if (bytes) {
		fwrite(at, 1, len, bytes);
		fflush(bytes);
		snprintf(command, sizeof command, "objdump -D -b binary -m i386%s --adjust-vma=%p /dev/fd/%d 2>/dev/null",
			 sizeof(void *) == 8 ? ":x86-64" : "", (const void *)at, fileno(bytes));
		FILE *objdump = popen(command, "r");
		while (objdump && fgets(line, sizeof line, objdump)) {
			if (line[0] == ' ' && strchr(line, '\t')) {
				printf("    %s", line + strspn(line, " "));
				lines++;
			}
		}
		if (objdump)
			pclose(objdump);
		fclose(bytes);
	}
	if (!lines) {
		printf("    %p:", (const void *)at);
		for (unsigned i = 0; i < len; i++)
			printf(" %02x", at[i]);
		printf("\n");
	}
}

/* The first site of every op, and all of the static branch. */
static void show_sites(const char *title)
{
	printf("%s\n", title);
	for (unsigned op = 0; op < PV_USERSPACE_OPS; op++) {
		for (const struct pv_site *site = pv_userspace_set.sites; site < pv_userspace_set.sites_end; site++) {
			if (site->op == op) {
				printf("  %s\n", pv_userspace_set.ops[op].name);
				show(pv_site_address(&pv_userspace_set, site), site->len);
				break;
			}
		}
	}
	for (const struct pv_branch_site *site = pv_userspace_set.branch_sites; site < pv_userspace_set.branch_sites_end; site++) {
		printf("  %s\n", pv_userspace_set.branches[site->branch].name);
		show(pv_branch_site_address(&pv_userspace_set, site), site->len);
	}
}

static void run(const char *title)
{
	uint64_t start = now();
	unsigned long sum = 0;
	for (int i = 0; i < 100; i++)
		sum += digest();
	uint64_t cycles = now() - start;
	wait_a_little();
	printf("%s: digest %lu, %.1f cycles per entry of the table\n\n", title, sum / 100,
	       (double)cycles / 100 / (sizeof table / sizeof *table));
}

__attribute__((naked, noinline)) static void trap(void)
{
	__asm__("ud2");
}

int main(void)
{
	struct pv_report report;

	for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
		store(&table[i], (i + 1) * 2654435761ul);

	show_sites("Before patching: jumps to stubs that call through the ops structure");
	run("Unpatched");

	if (pv_patch(&pv_userspace_set, 0, &report) != PV_OK) {
		printf("not patched: %s (%s, error %d); every site still calls\n", pv_status_string(report.status),
		       pv_step_string(report.step), report.error);
		return 1;
	}
	printf("Patched %u sites: %u instructions, %u direct calls, %llu bytes written\n\n", report.sites, report.rows,
	       report.left, (unsigned long long)report.bytes);

	/* The proof: whoever still goes through the structure dies here. */
	pv_userspace_ops.bits_popcount = PV_USERSPACE_SLOT(bits_popcount, trap);
	pv_userspace_ops.bits_lowest = PV_USERSPACE_SLOT(bits_lowest, trap);
	pv_userspace_ops.mem_write_back = PV_USERSPACE_SLOT(mem_write_back, trap);
	pv_userspace_ops.mem_store_fence = PV_USERSPACE_SLOT(mem_store_fence, trap);
	pv_userspace_ops.time_stamp = PV_USERSPACE_SLOT(time_stamp, trap);
	pv_userspace_ops.cpu_relax = PV_USERSPACE_SLOT(cpu_relax, trap);
	pv_userspace_ops.cpu_serialize = PV_USERSPACE_SLOT(cpu_serialize, trap);

	/* While the program runs: one NOP becomes a jump. */
	if (pv_live_set_branch(&pv_userspace_set, PV_USERSPACE_BRANCH_trace_enabled, 1, &report) != PV_OK) {
		printf("not traced: %s (%s, error %d)\n", pv_status_string(report.status), pv_step_string(report.step),
		       report.error);
		return 1;
	}

	show_sites("After patching");
	run("Patched, with a trap in every slot");
	store(&table[0], 1);
	printf("No call went through the ops structure.\n");
	return 0;
}
