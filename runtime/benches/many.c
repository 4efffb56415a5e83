/* many.c - what the C runtime takes for many sites; built and run by the benchmarks `start` and `live`, which print what this
 * prints. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * many start SITES STEP ROUNDS   patching at start, beside the least that writing can cost
 * many live SITES STEP ROUNDS    live, through /proc/self/mem and through a window, while a second thread spins
 * many forks SITES STEP ROUNDS   no figures: children that are made while a thread patches at start do so, too
 *
 * Text: pages of a file, mapped privately, as a program's are; a call through the slot every STEP bytes.
 */
#define _GNU_SOURCE
#include "pvc.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(x)                                                                                                     \
	do {                                                                                                         \
		if (!(x)) {                                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                      \
			exit(1);                                                                                     \
		}                                                                                                    \
	} while (0)

enum { PAGE_ = 4096, TEXT_AT = 16 << 20 };

static void default_fn(void) {}
static const struct pv_row row = { .len = 3 };
static const struct pv_kind kinds[2] = { { { 0xff, 0x15 }, 2, 6, PV_OPERAND_SLOT_REL, 0xe8 },
					 { { 0xff, 0x15 }, 2, 6, PV_OPERAND_SLOT_REL, 0xe8 } };
static const unsigned char bytes[3] = { 0x48, 0x89, 0xf8 };
static struct pv_op op = { .name = "bench", .default_fn = (const void *)default_fn, .nrows = 1, .inline_row = PV_NONE, .nplans = 1 };
static struct pv_plan plan = { .kind = 1, .len = 6 };
static const void *applied[1];
static struct pv_set set;
static struct pv_report report;
static unsigned char *arena, *text;
static size_t sites, step, text_len;
static int file;

/* CPU time of this thread, in nanoseconds. */
static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void make_text(void)
{
	text_len = (sites * step + 2 * PAGE_ - 1) / PAGE_ * PAGE_;
	unsigned char *all = malloc(text_len);
	memset(all, 0x90, text_len);
	for (size_t i = 0; i < sites; i++) {
		int32_t disp = -(int32_t)(TEXT_AT + i * step + 6);
		memcpy(all + i * step, "\xff\x15", 2);
		memcpy(all + i * step + 2, &disp, 4);
	}
	file = memfd_create("text", 0);
	CHECK(file >= 0 && write(file, all, text_len) == (ssize_t)text_len);
	free(all);
}

/* Records and slot in front, text behind. */
static void map_arena(int live)
{
	arena = mmap(0, TEXT_AT + text_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(arena != MAP_FAILED);
	text = arena + TEXT_AT;
	CHECK(mmap(text, text_len, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, file, 0) == text);
	*(const void **)arena = (const void *)default_fn;
	struct pv_site *records = (struct pv_site *)(arena + PAGE_);
	for (size_t i = 0; i < sites; i++) {
		records[i].disp = (int32_t)(text + i * step - (unsigned char *)&records[i]);
		records[i].op = 0;
		records[i].len = 6;
		records[i].kind = (uint8_t)(1 | (live ? PV_SITE_LIVE : 0));
	}
	op.flags = live ? PV_OP_LIVE : 0;
	set = (struct pv_set){ .format = PV_FORMAT, .mode = 64, .nkinds = 2, .nops = 1, .nrows = 1, .nplans = 1,
			       .identity_row = PV_NONE, .name = "bench", .ops = &op, .rows = &row, .kinds = kinds,
			       .bytes = bytes, .slots = (const void *const volatile *)arena, .sites = records,
			       .sites_end = records + sites, .plans = &plan, .applied = applied };
	applied[0] = 0;
}

static void unmap_arena(void)
{
	munmap(arena, TEXT_AT + text_len);
}

static long page_faults(void)
{
	struct rusage usage;
	CHECK(!getrusage(RUSAGE_THREAD, &usage));
	return usage.ru_minflt;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double reference(void)
{
	map_arena(0);
	double start = now();
	CHECK(!mprotect(text, text_len, PROT_READ | PROT_WRITE));
	CHECK(!madvise(text, text_len, 23 /* MADV_POPULATE_WRITE */));
	for (size_t i = 0; i < sites; i++) {
		uint64_t value = 0x00011f0ff8894800 + i;
		memcpy(text + i * step, &value, sizeof value);
	}
	__asm__ volatile("" : : "r"(text) : "memory");
	CHECK(!mprotect(text, text_len, PROT_READ | PROT_EXEC));
	double time = now() - start;
	unmap_arena();
	return time;
}

static void start_bench(size_t rounds)
{
	double *times = malloc(3 * rounds * sizeof *times);
	for (size_t round = 0; round < rounds; round++) {
		map_arena(0);
		double start = now();
		CHECK(pv_patch_with(&set, 0, 0, &report) == PV_OK);
		times[round] = now() - start;
		CHECK(report.rows == sites && !report.unchanged && report.way == PV_WAY_MPROTECT);
		CHECK(!memcmp(text + (sites - 1) * step, "\x48\x89\xf8\x0f\x1f", 5));
		long faults = page_faults();
		start = now();
		CHECK(pv_unpatch(&set, &report) == PV_OK && report.restored == sites);
		times[2 * rounds + round] = now() - start;
		CHECK(page_faults() - faults < 100); /* the records, the patcher, but none of the text */
		unmap_arena();
		times[rounds + round] = reference();
	}
	double figures[3][2];
	for (unsigned i = 0; i < 3; i++) {
		qsort(times + i * rounds, rounds, sizeof *times, compare);
		figures[i][0] = times[i * rounds + rounds / 2] / (double)sites;
		figures[i][1] = times[i * rounds] / (double)sites;
	}
	printf("  patch                    %7.2f (%.2f)\n", figures[0][0], figures[0][1]);
	printf("  reference                %7.2f (%.2f)\n", figures[1][0], figures[1][1]);
	printf("  patch : reference        %7.2f (%.2f)\n", figures[0][0] / figures[1][0], figures[0][1] / figures[1][1]);
	printf("  again, pages are private %7.2f (%.2f)\n", figures[2][0], figures[2][1]);
}

static volatile int stop;

static void *spin(void *unused)
{
	while (!stop)
		__builtin_ia32_pause();
	return unused;
}

static void live_bench(size_t rounds)
{
	double *times = malloc(rounds * sizeof *times);
	pthread_t thread;
	CHECK(!pthread_create(&thread, 0, spin, 0));
	map_arena(1);
	for (unsigned view = 0; view < 2; view++) {
		for (size_t round = 0; round < rounds; round++) {
			struct pv_live_request request = { &set, 0, round & 1 ? PV_LIVE_RESTORE : 0 };
			double start = now();
			CHECK(pv_live_patch_all(&request, 1, view ? PV_LIVE_WINDOW : 0, &report) == PV_OK);
			times[round] = (now() - start) / 1e3;
		}
		qsort(times, rounds, sizeof *times, compare);
		printf("%s, %zu sites every %zu bytes: %.1f us (%.1f)\n", view ? "Window" : "Memory", sites, step,
		       times[rounds / 2], times[0]);
	}
	stop = 1;
	pthread_join(thread, 0);
}

static void *keep_patching(void *unused)
{
	while (!stop)
		CHECK(pv_patch_with(&set, 0, 0, &report) == PV_OK && pv_unpatch(&set, &report) == PV_OK);
	return unused;
}

/* The lock that they inherit is most often taken, by a thread that they have not. One that waits for it blocks the signals that
 * could end it: the parent has the alarm, and takes it along. */
static void forks(size_t rounds)
{
	pthread_t thread;
	int status;
	map_arena(0);
	alarm(60);
	CHECK(!pthread_create(&thread, 0, keep_patching, 0));
	for (size_t round = 0; round < rounds; round++) {
		pid_t child = fork();
		if (!child) {
			CHECK(!prctl(PR_SET_PDEATHSIG, SIGKILL));
			map_arena(0);
			_exit(pv_patch_with(&set, 0, 0, &report) != PV_OK || report.rows != sites);
		}
		CHECK(waitpid(child, &status, 0) == child && !status);
	}
	stop = 1;
	pthread_join(thread, 0);
}

int main(int argc, char **argv)
{
	CHECK(argc == 5);
	sites = strtoul(argv[2], 0, 10);
	step = strtoul(argv[3], 0, 10);
	make_text();
	if (!strcmp(argv[1], "start"))
		start_bench(strtoul(argv[4], 0, 10));
	else if (!strcmp(argv[1], "forks"))
		forks(strtoul(argv[4], 0, 10));
	else
		live_bench(strtoul(argv[4], 0, 10));
	return 0;
}
