/* crossmod.c - the live port of runtime/c: batches by the breakpoint protocol, and plain stores, which tear.
 *
 * QEMU runs both CPUs on one host thread and goes to the other one at every `pause`. write_text() pauses after each byte, so
 * that each intermediate state of the text is executed.
 */
#include "crossmod.h"

#include "pvc.h"
#include "toggle.h"

enum { FIRST = 0x11111111, SECOND = 0x22222222, SITES = 16 };

/* Two sites: the op across the edge of a cache line, the branch where the compiler puts it. entry.S. */
REGISTERS uint32_t probe(void);

static __attribute__((noinline)) bool other_side(void) { return pv_toggle_branch_other(); }
static __attribute__((noinline)) bool fixed_side(void) { return pv_toggle_branch_fixed(); }

/* ---- What the patching CPU tells the other one, and what that one tells ---------------------------------------- */

static _Atomic uint32_t progress, requested, answered;
static _Atomic uintptr_t sites[SITES]; /* of the batch under way or of the last one */
static _Atomic uint32_t site_count;

/* Rest; run through the sites with interrupts on; with interrupts off: only the breakpoint handler can answer then. */
enum task { REST, OPEN, CLOSED };
static _Atomic uint32_t task, busy;
static _Atomic uint32_t round_wanted; /* after a batch: the other CPU says in `seen` which side it takes from now on */
static _Atomic uint32_t seen;         /* the round, twice, plus the side */
static _Atomic uint32_t calls, torn, breakpoints;

void acknowledge(void)
{
	uint32_t request = requested;
	if (answered != request) {
		serialize();
		answered = request;
	}
}

_Noreturn void second_cpu(void)
{
	for (uint32_t gap = 0;;) {
		uint32_t now = task;
		interrupts(now != CLOSED);
		busy = now;
		if (now == REST) {
			pause();
			continue;
		}
		uint32_t round = round_wanted, value = probe();
		seen = 2 * round + other_side();
		calls++;
		if (value != FIRST && value != SECOND)
			torn++;
		gap = (gap + 7) % 29; /* come back at another step of the patcher each time */
		for (uint32_t i = 0; i <= gap; i++)
			pause();
	}
}

/* ---- The live port ------------------------------------------------------------------------------------------- */

static void live_begin(void *context, const struct pv_change *changes, size_t count)
{
	(void)context;
	if (count > SITES)
		fail("a batch of %u changes", (uint32_t)count);
	for (size_t i = 0; i < count; i++)
		sites[i] = (uintptr_t)changes[i].address;
	site_count = (uint32_t)count;
}

static void live_announce(void *context, uint32_t now)
{
	(void)context;
	progress = now;
}

static uint32_t failing_write; /* counts down to the write that fails; 0: none does */

static int port_write(void *context, void *address, const unsigned char *bytes, size_t count)
{
	(void)context;
	if (failing_write && !--failing_write)
		return 5; /* EIO */
	return write_text(address, bytes, count);
}

static int live_synchronize(void *context)
{
	uint32_t request = ++requested;
	(void)context;
	interrupt_others();
	for (uint64_t start = cycles(); answered != request; pause())
		if (cycles() - start > LONG)
			fail("time-out: the other CPU serializes");
	serialize();
	return 0;
}

static struct pv_change journal[SITES];
static struct pv_live_text live_port = { live_begin, live_announce, port_write, live_synchronize, 0, 0, journal, SITES };

/* ---- The breakpoint handler ------------------------------------------------------------------------------------ */

static uint32_t waiter_progress(void *context)
{
	(void)context;
	return progress;
}

static int waiter_in_batch(void *context, const void *address)
{
	(void)context;
	for (uint32_t i = 0; i < site_count; i++)
		if (sites[i] == (uintptr_t)address)
			return 1;
	return 0;
}

/* The patcher may be waiting for this very CPU, whose interrupts are off. */
static void waiter_wait(void *context, uint32_t known)
{
	(void)context, (void)known;
	acknowledge();
	pause();
}

bool breakpoint(uintptr_t address)
{
	static const struct pv_live_waiter waiter = { waiter_progress, waiter_in_batch, waiter_wait, 0 };
	breakpoints++;
	return pv_live_handle(&waiter, (const void *)address);
}

/* ---- Checks ------------------------------------------------------------------------------------------------------ */

static struct pv_report report;

static bool live(bool second)
{
	pv_want_branch(&pv_toggle_set, PV_TOGGLE_BRANCH_other, second);
	return pv_live_apply(&pv_toggle_set, second ? PV_TOGGLE_FEATURE_second : 0, 0, &live_port, &report) == PV_OK;
}

/* Wrong results are what is asked for: every mix of the two forms is an instruction that loads a number. */
static bool naive(bool second)
{
	static const struct pv_text port = { .write = port_write };
	return pv_apply(&pv_toggle_set, second ? PV_TOGGLE_FEATURE_second : 0, 0, &port, &report) == PV_OK;
}

/* Whether the other CPU, asked after a batch, takes this side. */
static bool takes(bool side)
{
	uint32_t round = ++round_wanted;
	for (uint64_t start = cycles(); seen >> 1 != round; pause())
		if (cycles() - start > LONG)
			fail("time-out: the other CPU asks the branch");
	return (seen & 1) == side;
}

/* Toggles the sites while the other CPU runs `how`, until `torn` or `breakpoints` is at least so many; false if a batch
 * failed, or if the other CPU did not see its result. */
static bool poke(enum task how, bool patch(bool second), uint32_t pokes_wanted, uint32_t breakpoints_wanted,
		 uint32_t torn_wanted)
{
	uint32_t pokes = 0;
	bool done = true;

	calls = torn = breakpoints = 0;
	task = how;
	uint64_t start = cycles();
	while (!calls && cycles() - start < LONG)
		pause();
	while (done && cycles() - start < LONG &&
	       (pokes < pokes_wanted || breakpoints < breakpoints_wanted || torn < torn_wanted)) {
		bool second = !(pokes++ & 1);
		done = patch(second) && (patch == naive || takes(second));
		for (int i = 0; i < 4; i++)
			pause(); /* some calls of the new form before the next batch */
	}
	task = REST;
	while (busy != REST)
		pause();
	say("%u pokes, %u calls, %u torn, %u breakpoints", pokes, calls, torn, breakpoints);
	return done && calls;
}

/* A port that fails at its first write, its second one, and so on: the batch is taken back under the other CPU's feet. */
static bool every_failure_is_taken_back(void)
{
	bool done = live(false), written = false;
	uint32_t before = digest(), failures = 0;
	calls = torn = 0;
	task = OPEN;
	while (done && !written) {
		failing_write = failures + 1;
		written = live(true);
		done = written ? takes(true)
			       : report.status == PV_E_SYSTEM && report.error == 5 && digest() == before && takes(false);
		failures += !written;
	}
	task = REST;
	while (busy != REST)
		pause();
	failing_write = 0;
	/* Two sites: a breakpoint, the other bytes and the first one of each. */
	return done && !torn && failures == 6 && live(false);
}

void crossmod(void)
{
	const uint32_t pokes = 2000;
	start_second();

	bool done = poke(OPEN, live, pokes, pokes, 0);
	check(done && !torn && breakpoints >= pokes / 20, "crossmod", "with breakpoints, interrupts on",
	      pv_status_string(report.status));
	done = poke(CLOSED, live, pokes, pokes, 0);
	check(done && !torn && breakpoints >= pokes / 20, "crossmod", "with breakpoints, interrupts off",
	      pv_status_string(report.status));

	/* What is not live does not change, and with it nothing else of its batch. */
	uint32_t before = digest();
	pv_want_branch(&pv_toggle_set, PV_TOGGLE_BRANCH_fixed, 1);
	done = !live(false) && !live(true) && report.status == PV_E_NOT_LIVE && digest() == before;
	pv_want_branch(&pv_toggle_set, PV_TOGGLE_BRANCH_fixed, 0);
	check(done && !fixed_side(), "crossmod", "what is not live is refused", pv_status_string(report.status));

	done = every_failure_is_taken_back();
	check(done, "crossmod", "a port that fails", pv_status_string(report.status));

	/* Without the protocol the same site tears: the checks above can see it. */
	(void)live(false);
	done = poke(OPEN, naive, 0, 0, 100);
	check(done && torn >= 10, "crossmod", "with plain stores, torn results are seen", "none is");

	done = pv_live_restore(&pv_toggle_set, &live_port, &report) == PV_OK;
	check(done && probe() == FIRST && !other_side(), "crossmod", "restored", pv_status_string(report.status));
}
