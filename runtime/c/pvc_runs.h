/* pvc_runs.h - the part of pvc.c that collects the stretches of pages which hold sites. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PVC_RUNS_H
#define PVC_RUNS_H 1

struct run {
	uintptr_t start, end; /* whole pages */
};

#define MAX_RUNS 64
#define RUN_GAP ((uintptr_t)16 * PAGE)
struct runs {
	struct run run[MAX_RUNS + 1]; /* ascending; one spare for the split round our own page */
	unsigned count, last;         /* last: where the previous site went */
	uintptr_t gap;                /* runs closer than this are one: a system call costs more than a page's remap */
};

static void begin_runs(struct runs *runs)
{
	runs->count = runs->last = 0;
	runs->gap = RUN_GAP;
}

static void remove_run(struct runs *runs, unsigned index)
{
	runs->count--;
	for (unsigned i = index; i < runs->count; i++) {
		OPAQUE(i);
		runs->run[i].start = runs->run[i + 1].start;
		runs->run[i].end = runs->run[i + 1].end;
	}
}

static void insert_run(struct runs *runs, unsigned index, uintptr_t start, uintptr_t end)
{
	for (unsigned i = runs->count++; i > index; i--) {
		OPAQUE(i);
		runs->run[i].start = runs->run[i - 1].start;
		runs->run[i].end = runs->run[i - 1].end;
	}
	runs->run[index].start = start;
	runs->run[index].end = end;
}

static void merge_neighbours(struct runs *runs, unsigned index)
{
	struct run *run = &runs->run[index];
	while (index + 1 < runs->count && run[1].start <= run->end + runs->gap) {
		if (run[1].end > run->end)
			run->end = run[1].end;
		remove_run(runs, index + 1);
	}
}

static void add_to_runs(struct runs *runs, const unsigned char *at, size_t len)
{
	uintptr_t start = (uintptr_t)at & ~(uintptr_t)(PAGE - 1);
	uintptr_t end = ((uintptr_t)at + len + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	unsigned i;

	if (runs->count && start >= runs->run[runs->last].start && end <= runs->run[runs->last].end)
		return;
	for (i = 0; i < runs->count && runs->run[i].end + runs->gap < start; i++)
		OPAQUE(i);
	if (i == runs->count || runs->run[i].start > end + runs->gap) {
		insert_run(runs, i, start, end);
	} else {
		if (start < runs->run[i].start)
			runs->run[i].start = start;
		if (end > runs->run[i].end)
			runs->run[i].end = end;
		merge_neighbours(runs, i);
	}
	while (runs->count > MAX_RUNS) { /* too scattered: bridge wider gaps */
		runs->gap *= 2;
		for (i = 0; i < runs->count; i++)
			merge_neighbours(runs, i);
		i = 0;
	}
	runs->last = i < runs->count ? i : 0;
}

/* The page at `hole` must stay executable. No site lies in it. */
static void split_runs(struct runs *runs, uintptr_t hole)
{
	for (unsigned i = 0; i < runs->count; i++) {
		uintptr_t start = runs->run[i].start, end = runs->run[i].end;
		if (hole < start || hole >= end)
			continue;
		remove_run(runs, i);
		if (hole + PAGE < end)
			insert_run(runs, i, hole + PAGE, end);
		if (start < hole)
			insert_run(runs, i, start, hole);
		return;
	}
}

#endif
