/* pvc_live_view.h - the part of pvc.c that writes to text which stays executable. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PVC_LIVE_VIEW_H
#define PVC_LIVE_VIEW_H 1

static void begin_batch(void *context, const struct pv_change *changes, size_t count)
{
	(void)context;
	STORE(live()->count, 0);
	STORE(live()->changes, changes);
	STORE(live()->count, count);
}

static void announce(void *context, uint32_t progress)
{
	(void)context;
	STORE(live()->progress, progress);
	if (PV_LIVE_STATE(progress) == PV_LIVE_IDLE && LOAD(live()->waiters))
		futex_wake(&live()->progress, 0x7fffffff);
}

static int synchronize_threads(void *window)
{
	int error = window ? flush(window) : 0;
	return error ? error : (int)-system_call(NR_MEMBARRIER, SYNC_CORE, 0, 0, 0, 0);
}

/* Stores a part of a change where `to` stands for its address. Most tails are two stores that overlap. */
static inline void store_part(const struct pv_change *change, enum part part, int forward, unsigned char *to)
{
	const unsigned char *bytes = forward ? change->new_bytes : change->old_bytes;
	unsigned len = change->len;
	if (part != TAIL) {
		*(volatile unsigned char *)to = part == HEAD ? *bytes : INT3;
	} else if (len >= 5 && len <= 8) {
		((struct unaligned32 *)(to + 1))->value = ((const struct unaligned32 *)(bytes + 1))->value;
		((struct unaligned32 *)(to + len - 4))->value = ((const struct unaligned32 *)(bytes + len - 4))->value;
	} else {
		for (unsigned i = 1; i < len; i++)
			((volatile unsigned char *)to)[i] = bytes[i];
	}
}

/* To pages that are writable. Done when synchronize_threads() is called: a system call changes memory. */
static int write_plain(const struct pv_live_text *text, enum part part, const struct pv_change *changes, size_t count,
		       int forward)
{
	(void)text;
	for (size_t i = 0; i < count; i++)
		store_part(&changes[i], part, forward, changes[i].address);
	return 0;
}

/* Into the copy of pages that goes to /proc/self/mem. */
static int write_copy(const struct pv_live_text *text, enum part part, const struct pv_change *changes, size_t count,
		      int forward)
{
	struct window *window = text->context;
	size_t low = window->low, high = window->high; /* not in memory: that takes longer than the stores */
	for (size_t i = 0; i < count; i++) {
		unsigned char *address = changes[i].address;
		unsigned len = changes[i].len;
		size_t at = (size_t)((uintptr_t)address - (uintptr_t)window->start);
		if (at >= window->filled || window->filled - at < len) {
			window->low = low;
			window->high = high;
			int error = reach(window, address, len);
			if (error)
				return error;
			low = window->low;
			high = window->high;
			at = (size_t)(address - window->start);
		}
		size_t first = part == TAIL ? at + 1 : at, behind = part == TAIL ? at + len : at + 1;
		low = first < low ? first : low;
		high = behind > high ? behind : high;
		store_part(&changes[i], part, forward, window->bytes + at);
	}
	window->low = low;
	window->high = high;
	return 0;
}

static void fill_view(struct pv_live_text *text, struct window *window)
{
	text->begin = begin_batch;
	text->announce = announce;
	text->write = 0; /* whole passes go through write_plain() or write_copy() */
	text->synchronize = synchronize_threads;
	text->context = window;
	text->progress = LOAD(live()->progress);
	text->journal = 0;
	text->journal_room = 0;
}

static void runs_of(const struct journal *journal, struct runs *runs)
{
	begin_runs(runs);
	for (size_t i = 0; i < journal->count;) {
		/* Changes that are looked at together: their extent needs no branches. */
		size_t end = journal->count - i < 32 ? journal->count : i + 32;
		uintptr_t low = ~(uintptr_t)0, high = 0;
		for (size_t k = i; k < end; k++) {
			uintptr_t first = (uintptr_t)journal->changes[k].address, behind = first + journal->changes[k].len;
			low = first < low ? first : low;
			high = behind > high ? behind : high;
		}
		if (high - low <= RUN_GAP)
			add_to_runs(runs, (const unsigned char *)low, high - low);
		else
			for (size_t k = i; k < end; k++)
				add_to_runs(runs, journal->changes[k].address, journal->changes[k].len);
		i = end;
	}
}

static void close_window(const struct journal *journal)
{
	struct runs runs;
	runs_of(journal, &runs);
	for (unsigned i = 0; i < runs.count; i++)
		for (unsigned attempts = 0; attempts < 1000; attempts++)
			if (!protect(runs.run[i].start, runs.run[i].end - runs.run[i].start, READ | EXEC))
				break;
	STORE(live()->window, 0);
}

/* Makes the pages of the changes writable, too. */
static enum pv_status open_window(const struct journal *journal, struct pv_report *report)
{
	struct runs runs;
	runs_of(journal, &runs);
	begin_batch(0, journal->changes, journal->count); /* what a forked child has to close */
	STORE(live()->window, 1);
	for (unsigned i = 0; i < runs.count; i++) {
		long result = protect(runs.run[i].start, runs.run[i].end - runs.run[i].start, READ | WRITE | EXEC);
		if (is_error(result)) {
			close_window(journal);
			return system_failure(report, PV_STEP_WRITABLE, result);
		}
	}
	return PV_OK;
}

#ifdef __x86_64__
static enum pv_status store_words(const struct journal *journal, struct pv_report *report)
{
	for (size_t i = 0; i < journal->count; i++) {
		const struct pv_change *change = &journal->changes[i];
		unsigned shift = (uintptr_t)change->address & 7;
		volatile uint64_t *word = (volatile uint64_t *)(void *)(change->address - shift);
		uint64_t mask = ~(uint64_t)0 >> (64 - 8 * change->len) << 8 * shift, value = 0;
		for (unsigned byte = 0; byte < change->len; byte++)
			value |= (uint64_t)change->new_bytes[byte] << 8 * (shift + byte);
		*word = (*word & ~mask) | value;
	}
	int error = synchronize_threads(0);
	if (error)
		return system_failure(report, PV_STEP_LIVE_WRITE, -error);
	return PV_OK;
}
#endif

/* Ends a batch that was left unfinished: on if a site has its new form already, which somebody may have seen; else back. */
static int settle_unfinished(void)
{
	struct journal journal = { (struct pv_change *)LOAD(live()->changes), LOAD(live()->count), 0 };
	struct window *window;
	int forward = 0, settled;
	if (LOAD(live()->window))
		close_window(&journal);
	if (PV_LIVE_STATE(LOAD(live()->progress)) == PV_LIVE_IDLE)
		return 1;
	(void)system_call(NR_MEMBARRIER, REGISTER_SYNC_CORE, 0, 0, 0, 0);
	if (open_memory(&window, memory_file()))
		return 0;
	for (size_t i = 0; i < journal.count && !forward; i++)
		forward = change_stands(&journal.changes[i], 1);
	struct pv_live_text text;
	fill_view(&text, window);
	settled = resume_batch(&text, write_copy, &journal, forward);
	close_memory(window);
	return settled;
}

#endif
