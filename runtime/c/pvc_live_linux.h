/* pvc_live_linux.h - the part of pvc.c that patches Linux programs while their threads run. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PVC_LIVE_LINUX_H
#define PVC_LIVE_LINUX_H 1

static enum pv_status write_journal(struct pv_live_patcher *patcher, int keep, const struct journal *journal, unsigned flags,
				    struct pv_report *report)
{
	static const char memory[] = "../mem"; /* half of what opening it costs is the way to /proc/self */
	enum pv_status status;
	struct pv_live_text text;
	struct window *window;


#ifdef __x86_64__
	if (flags & PV_LIVE_WORD) {
		for (size_t i = 0; i < journal->count; i++) {
			const struct pv_change *change = &journal->changes[i];
			if (((uintptr_t)change->address & 7) + change->len > 8) {
				report->address = change->address;
				return report->status = PV_E_NOT_LIVE;
			}
		}
		status = open_window(journal, report);
		if (status != PV_OK)
			return status;
		status = store_words(journal, report);
		close_window(journal);
		report->way = PV_WAY_WINDOW;
		return status;
	}
#endif
	status = install_handler(report);
	if (status == PV_OK)
		status = none_blocks_traps(patcher, keep, report);
	if (status != PV_OK)
		return status;
	if (flags & PV_LIVE_WINDOW) {
		status = open_window(journal, report);
		if (status != PV_OK)
			return status;
		fill_view(&text, 0);
		status = run_or_take_back(&text, write_plain, journal, report);
		close_window(journal);
		report->way = PV_WAY_WINDOW;
		return status;
	}
	if (!patcher->memory) {
		long file = system_call(NR_OPENAT, patcher->tasks - 1, (long)memory, O_RDWR_ | O_CLOEXEC_, 0, 0);
		if (is_error(file))
			return system_failure(report, PV_STEP_OPEN, file);
		patcher->memory = (int)file + 1;
	}
	(void)open_memory(&window, patcher->memory - 1);
	fill_view(&text, window);
	status = run_or_take_back(&text, write_copy, journal, report);
	report->way = PV_WAY_PROC_MEM;
	return status;
}

static void add_report(struct pv_report *total, const struct pv_report *one)
{
	total->sites += one->sites;
	total->rows += one->rows;
	total->identity += one->identity;
	total->nops += one->nops;
	total->calls += one->calls;
	total->left += one->left;
	total->restored += one->restored;
	total->unchanged += one->unchanged;
	total->bytes += one->bytes;
	total->branch_sites += one->branch_sites;
	total->jumps += one->jumps;
	total->branches_unchanged += one->branches_unchanged;
}

/* By this patcher, whose files are closed at the end of the batch unless they are to be kept. */
static enum pv_status patch_all(struct pv_live_patcher *patcher, int keep, const struct pv_live_request *requests,
				size_t count, unsigned flags, struct pv_report *report)
{
	struct pv_report unwanted, one;
	struct journal journal;
	enum pv_status status;
	size_t room = 0;

	if (!report)
		report = &unwanted;
	zero(report, sizeof *report);
	report->op = report->branch = PV_NONE;
	uint64_t signals = lock_patchers();
	if (patcher->owner != LOAD(live()->forks)) {
		close_patcher(patcher); /* this process's copies of descriptors that lead to its parent */
		patcher->owner = LOAD(live()->forks);
	}
	if (!settle_unfinished()) {
		status = system_failure(report, PV_STEP_UNFINISHED, 0);
		goto done;
	}
	for (size_t i = 0; i < count; i++) {
		const struct pv_set *set = requests[i].set;
		if (set->format == PV_FORMAT)
			room += 2 * (size_t)(set->sites_end - set->sites) + (size_t)(set->branch_sites_end - set->branch_sites);
	}
	status = get_journal(room, &journal, report);
	for (size_t i = 0; status == PV_OK && i < count; i++) {
		const struct pv_live_request *request = &requests[i];
		status = collect(request->set, (request->flags & PV_LIVE_RESTORE) != 0, request->features, request->flags,
				 &journal, &one);
		add_report(&one, report);
		copy((unsigned char *)report, (const unsigned char *)&one, sizeof one);
	}
	if (status == PV_OK && journal.count) {
		status = set_up(report);
		if (status == PV_OK)
			status = write_journal(patcher, keep, &journal, flags, report);
		if (status == PV_OK) {
			live()->generation++;
		} else {
			report->way = PV_WAY_NONE;
			report->bytes = 0;
		}
	}
	if (status == PV_OK) {
		for (size_t i = 0; i < count; i++)
			commit(requests[i].set, requests[i].flags);
		for (size_t i = 0; live()->observer && i < journal.count; i++) {
			const struct pv_change *change = &journal.changes[i];
			live()->observer(live()->observer_context, change->address, change->old_bytes,
					   change->new_bytes, change->len);
		}
	}
	if (journal_bytes(LOAD(live()->journal_room)) > (4u << 20) &&
	    PV_LIVE_STATE(LOAD(live()->progress)) == PV_LIVE_IDLE)
		drop_journal();
done:
	if (!keep)
		close_patcher(patcher);
	unlock_patchers(signals);
	return status;
}

enum pv_status pv_live_patch_all_by(struct pv_live_patcher *patcher, const struct pv_live_request *requests, size_t count,
				    unsigned flags, struct pv_report *report)
{
	struct pv_live_patcher once;
	once.owner = once.count = 0;
	once.tasks = once.memory = once.complete = 0;
	return patch_all(patcher ? patcher : &once, patcher != 0, requests, count, flags, report);
}

enum pv_status pv_live_patch_all(const struct pv_live_request *requests, size_t count, unsigned flags,
				 struct pv_report *report)
{
	return pv_live_patch_all_by(0, requests, count, flags, report);
}

void pv_live_close(struct pv_live_patcher *patcher)
{
	close_patcher(patcher);
}

static enum pv_status patch_one(const struct pv_set *set, uint64_t features, unsigned flags, struct pv_report *report)
{
	struct pv_live_request request;
	request.set = set;
	request.features = features;
	request.flags = flags;
	return pv_live_patch_all(&request, 1, 0, report);
}

enum pv_status pv_live_patch(const struct pv_set *set, uint64_t declared, struct pv_report *report)
{
	return patch_one(set, all_features(set, declared), 0, report);
}

enum pv_status pv_live_unpatch(const struct pv_set *set, struct pv_report *report)
{
	return patch_one(set, 0, PV_LIVE_RESTORE, report);
}

enum pv_status pv_live_set_branch(const struct pv_set *set, unsigned branch, int value, struct pv_report *report)
{
	return pv_live_set_branch_by(0, set, branch, value, report);
}

enum pv_status pv_live_set_branch_by(struct pv_live_patcher *patcher, const struct pv_set *set, unsigned branch, int value,
				     struct pv_report *report)
{
	struct pv_live_request request;
	int before = set->format == PV_FORMAT ? pv_want_branch(set, branch, value) : 0;
	if (before < 0) {
		if (report) {
			zero(report, sizeof *report);
			report->op = PV_NONE;
			report->branch = (uint16_t)branch;
			report->status = PV_E_TABLE;
		}
		return PV_E_TABLE;
	}
	request.set = set;
	request.features = 0;
	request.flags = PV_ALLOW_NO_SITES | PV_BRANCHES_ONLY;
	enum pv_status status = pv_live_patch_all_by(patcher, &request, 1, 0, report);
	if (status != PV_OK && set->format == PV_FORMAT)
		(void)pv_want_branch(set, branch, before);
	return status;
}

/* Stores one ops structure over the set's; what was there goes to `before` if that is not null. */
static void store_slots(const struct pv_set *set, const any_pointer *from, any_pointer *before)
{
	any_pointer *slots = (any_pointer *)(uintptr_t)set->slots;
	for (unsigned i = 0; i < set->nops; i++) {
		if (before)
			before[i] = LOAD(slots[i]);
		STORE(slots[i], from[i]);
	}
}

enum pv_status pv_live_switch(const struct pv_set *set, const void *variant, uint64_t features, struct pv_report *report)
{
	struct pv_report unwanted;
	if (!report)
		report = &unwanted;
	size_t size = (set->nops * sizeof(void *) + PAGE - 1) & ~(size_t)(PAGE - 1);
	long before = map(size ? size : PAGE, READ | WRITE, MAP_PRIVATE_ | MAP_ANONYMOUS_, -1);
	if (is_error(before)) {
		zero(report, sizeof *report);
		return system_failure(report, PV_STEP_UNDO_MAP, before);
	}
	store_slots(set, variant, (any_pointer *)before);
	enum pv_status status = patch_one(set, features, 0, report);
	if (status != PV_OK)
		store_slots(set, (const any_pointer *)before, 0);
	(void)system_call(NR_MUNMAP, before, (long)(size ? size : PAGE), 0, 0, 0);
	return status;
}

unsigned long pv_live_generation(void)
{
	return (unsigned long)LOAD(live()->generation);
}

unsigned long pv_live_breakpoints(void)
{
	return LOAD(live()->trapped);
}

void pv_live_observe(pv_live_observer *observer, void *context)
{
	uint64_t signals = lock_patchers();
	live()->observer_context = context;
	live()->observer = observer;
	unlock_patchers(signals);
}

#endif
