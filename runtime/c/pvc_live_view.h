/* pvc_live_view.h - the part of pvc.c that writes to text which stays executable. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PVC_LIVE_VIEW_H
#define PVC_LIVE_VIEW_H 1

static void begin_batch(void *context, const struct pv_change *changes, size_t count)
{
	(void)context;
	STORE(pv_live_1.count, 0);
	STORE(pv_live_1.changes, changes);
	STORE(pv_live_1.count, count);
}

static void announce(void *context, uint32_t progress)
{
	(void)context;
	STORE(pv_live_1.progress, progress);
	if (PV_LIVE_STATE(progress) == PV_LIVE_IDLE && LOAD(pv_live_1.waiters))
		futex_wake(&pv_live_1.progress, 0x7fffffff);
}

static int synchronize_threads(void *window)
{
	int error = window ? flush(window) : 0;
	return error ? error : (int)-system_call(NR_MEMBARRIER, SYNC_CORE, 0, 0, 0, 0);
}

static int plain_write(void *context, void *address, const unsigned char *bytes, size_t len)
{
	(void)context;
	copy(address, bytes, len); /* done when synchronize_threads() is called: a system call changes memory */
	return 0;
}

static void fill_view(struct pv_live_text *text, struct window *window)
{
	text->begin = begin_batch;
	text->announce = announce;
	text->write = window ? window_write : plain_write;
	text->synchronize = synchronize_threads;
	text->context = window;
	text->progress = LOAD(pv_live_1.progress);
	text->journal = 0;
	text->journal_room = 0;
}

static void runs_of(const struct journal *journal, struct runs *runs)
{
	begin_runs(runs);
	for (size_t i = 0; i < journal->count; i++)
		add_to_runs(runs, journal->changes[i].address, journal->changes[i].len);
}

static void close_window(const struct journal *journal)
{
	struct runs runs;
	runs_of(journal, &runs);
	for (unsigned i = 0; i < runs.count; i++)
		for (unsigned attempts = 0; attempts < 1000; attempts++)
			if (!protect(runs.run[i].start, runs.run[i].end - runs.run[i].start, READ | EXEC))
				break;
	STORE(pv_live_1.window, 0);
}

/* Makes the pages of the changes writable, too. */
static enum pv_status open_window(const struct journal *journal, struct pv_report *report)
{
	struct runs runs;
	runs_of(journal, &runs);
	begin_batch(0, journal->changes, journal->count); /* what a forked child has to close */
	STORE(pv_live_1.window, 1);
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
	struct journal journal = { (struct pv_change *)LOAD(pv_live_1.changes), LOAD(pv_live_1.count), 0 };
	struct window *window;
	int forward = 0, settled;
	if (LOAD(pv_live_1.window))
		close_window(&journal);
	if (PV_LIVE_STATE(LOAD(pv_live_1.progress)) == PV_LIVE_IDLE)
		return 1;
	(void)system_call(NR_MEMBARRIER, REGISTER_SYNC_CORE, 0, 0, 0, 0);
	if (open_memory(&window, memory_file()))
		return 0;
	for (size_t i = 0; i < journal.count && !forward; i++)
		forward = change_stands(&journal.changes[i], 1);
	struct pv_live_text text;
	fill_view(&text, window);
	settled = resume_batch(&text, &journal, forward);
	close_memory(window);
	return settled;
}

#endif
