/* pvc_live.h - the part of pvc.c that changes text while other CPUs run through it. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The protocol as pure functions, the journal of a batch, and the run through the protocol.
 */
#ifndef PVC_LIVE_H
#define PVC_LIVE_H 1

enum { INT3 = 0xcc, TAKE_BACK_ATTEMPTS = 100 };

enum pv_live_action pv_live_step(enum pv_live_state state)
{
	switch (state) {
	case PV_LIVE_GUARDING: return PV_LIVE_WRITE_BREAKPOINTS;
	case PV_LIVE_GUARDED: return PV_LIVE_SYNCHRONIZE;
	case PV_LIVE_WRITING_TAILS: return PV_LIVE_WRITE_TAILS;
	case PV_LIVE_TAILS_STAND: return PV_LIVE_SYNCHRONIZE;
	case PV_LIVE_WRITING_HEADS: return PV_LIVE_WRITE_HEADS;
	case PV_LIVE_HEADS_STAND: return PV_LIVE_SYNCHRONIZE;
	default: return PV_LIVE_FINISH;
	}
}

uint32_t pv_live_next(uint32_t progress)
{
	return PV_LIVE_STATE(progress) >= PV_LIVE_HEADS_STAND ? (progress | 7u) + 1 : progress + 1;
}

enum pv_live_verdict pv_live_verdict(enum pv_live_state state, int in_batch, int stands)
{
	if (state == PV_LIVE_IDLE || !in_batch)
		return stands ? PV_LIVE_FOREIGN : PV_LIVE_AGAIN;
	return PV_LIVE_WAIT;
}

int pv_live_handle(const struct pv_live_waiter *waiter, const void *address)
{
	for (;;) {
		uint32_t progress = waiter->progress(waiter->context);
		int ours = PV_LIVE_STATE(progress) != PV_LIVE_IDLE && waiter->in_batch(waiter->context, address);
		int stands = *(const volatile unsigned char *)address == INT3;
		if (waiter->progress(waiter->context) != progress)
			continue; /* what was read may belong to two batches */
		switch (pv_live_verdict(PV_LIVE_STATE(progress), ours, stands)) {
		case PV_LIVE_AGAIN: return 1;
		case PV_LIVE_FOREIGN: return 0;
		default: waiter->wait(waiter->context, progress);
		}
	}
}

/* The end of the batch, or of its being taken back. */
static uint32_t finished(uint32_t progress)
{
	return PV_LIVE_STATE(progress) == PV_LIVE_IDLE ? progress : (progress | 7u) + 1;
}

/* ---- What changes -------------------------------------------------------------------------------------------- */

struct journal {
	struct pv_change *changes;
	size_t count, room;
};

/* The next entry of the journal, or null. */
static struct pv_change *next_change(struct journal *journal, int live, unsigned char *at, unsigned len,
				     struct pv_report *report)
{
	report->address = at;
	if (!live || len > PV_MAX_INSTRUCTION) {
		report->status = PV_E_NOT_LIVE;
		return 0;
	}
	if (journal->count >= journal->room) {
		report->status = PV_E_JOURNAL;
		return 0;
	}
	struct pv_change *change = &journal->changes[journal->count++];
	/* A handler that was late may still look at the addresses of the batch before: in_batch(). */
	__atomic_store_n(&change->address, at, __ATOMIC_RELAXED);
	change->len = (uint8_t)len;
	report->address = 0;
	report->bytes += len;
	return change;
}

static enum pv_status enter(struct journal *journal, int live, unsigned char *at, const unsigned char *bytes, unsigned len,
			    struct pv_report *report)
{
	if (equal(at, bytes, len)) /* its class changes, it does not */
		return PV_OK;
	struct pv_change *change = next_change(journal, live, at, len, report);
	if (!change)
		return report->status;
	copy(change->old_bytes, at, len);
	copy(change->new_bytes, bytes, len);
	return PV_OK;
}

/* The branches that change. */
static enum pv_status collect_branches(const struct pv_set *set, struct journal *journal, struct pv_report *report)
{
	unsigned char bytes[PV_MAX_SITE];
	struct branch_place branch;
	for (const struct pv_branch_site *record = set->branch_sites; record < set->branch_sites_end; record++) {
		if (locate_branch(set, record, &branch) != PV_OK || !branch.state->changed)
			continue;
		branch_bytes(&branch, record, branch.state->goal, bytes);
		int live = (record->flags & PV_SITE_LIVE) && (set->branches[record->branch].flags & PV_BRANCH_LIVE);
		enum pv_status status = enter(journal, live, branch.site, bytes, branch.len, report);
		if (status != PV_OK) {
			report->branch = record->branch;
			return status;
		}
	}
	return PV_OK;
}

/* Verifies a site that is not quickly known, and enters what of it changes: the call in its stub first. */
static enum pv_status collect_site(const struct pv_set *set, const struct pv_site *record, struct known *known,
				   struct journal *journal, struct pv_report *report)
{
	unsigned char *at, bytes[PV_MAX_SITE];
	struct place place;
	enum pv_status status = verify_site(set, record, known, report);
	if (status != PV_OK || locate(set, record, &place) != PV_OK)
		return status;
	int live = (record->kind & PV_SITE_LIVE) && (set->ops[place.index].flags & PV_OP_LIVE);
	for (unsigned which = 0; which < 2 && status == PV_OK; which++) {
		unsigned len = write_at(&place, which, &at);
		if (!len)
			continue;
		new_bytes(set, &place, which, bytes);
		status = enter(journal, live, at, bytes, len, report);
		if (status != PV_OK)
			report->op = (uint16_t)place.index;
	}
	return status;
}

/* As prepare(); and what has to be written is entered into the journal. */
static enum pv_status collect(const struct pv_set *set, int restore, uint64_t features, unsigned flags,
			      struct journal *journal, struct pv_report *report)
{
	struct known_classes classes;
	uint64_t found, wanted;
	enum pv_status status = begin(set, restore, features, flags, report);
	if (status == PV_OK)
		status = collect_branches(set, journal, report);
	forget_classes(&classes);
	for (const struct pv_site *record = set->sites; status == PV_OK && record < sites_end(set, flags); record++) {
		struct known *known = known_class(set, record, &classes);
		enum look seen = known ? look(known, record, &found, &wanted) : LOOK_CLOSER;
		if (seen == LOOK_CLOSER) {
			status = collect_site(set, record, known, journal, report);
			continue;
		}
		report->sites++;
		report->unchanged += seen == STANDS;
		count_outcome(report, (enum outcome)(known->plan->action & OUTCOME), 1);
		if (seen == STANDS)
			continue;
		int live = (record->kind & PV_SITE_LIVE) && (set->ops[record->op].flags & PV_OP_LIVE);
		struct pv_change *change = next_change(journal, live, (unsigned char *)anchor_of(record), record->len, report);
		if (!change) {
			report->op = record->op;
			return report->status;
		}
		((struct unaligned64 *)change->old_bytes)->value = found;
		((struct unaligned64 *)change->new_bytes)->value = wanted;
	}
	return status;
}

/* ---- The run ------------------------------------------------------------------------------------------------- */

static int change_stands(const struct pv_change *change, int forward)
{
	return equal(change->address, forward ? change->new_bytes : change->old_bytes, change->len);
}

/* What a pass writes of each change: a breakpoint over its first byte, all other bytes, the first byte. */
enum part { BREAKPOINT, TAIL, HEAD };

/* Writes this part of some changes. 0, or an error number. */
typedef int write_pass(const struct pv_live_text *text, enum part part, const struct pv_change *changes, size_t count,
		       int forward);

/* Through a kernel's port. */
static int write_by_port(const struct pv_live_text *text, enum part part, const struct pv_change *changes, size_t count,
			 int forward)
{
	static const unsigned char int3[1] = { INT3 };
	int error = 0;
	for (size_t i = 0; i < count && !error; i++) {
		const struct pv_change *change = &changes[i];
		const unsigned char *bytes = forward ? change->new_bytes : change->old_bytes;
		if (part == TAIL)
			error = text->write(text->context, change->address + 1, bytes + 1, change->len - 1u);
		else
			error = text->write(text->context, change->address, part == HEAD ? bytes : int3, 1);
	}
	return error;
}

/* Runs the text through the protocol, to the new bytes or back to the old ones; with `resume`, only those sites that are not
 * there yet. Ends before the end is announced. 0, or an error number: then the batch is in an intermediate state. */
static int run_batch(struct pv_live_text *text, write_pass *write, const struct journal *journal, int forward, int resume)
{
	int error = 0;
	/* From any state the first one again: those that wait go on waiting. */
	uint32_t progress = PV_LIVE_STATE(text->progress) == PV_LIVE_IDLE ? text->progress + 1
									 : finished(text->progress) + 1;
	for (; PV_LIVE_STATE(progress) != PV_LIVE_IDLE && !error; progress = pv_live_next(progress)) {
		enum pv_live_action action = pv_live_step(PV_LIVE_STATE(progress));
		enum part part = action == PV_LIVE_WRITE_TAILS ? TAIL : action == PV_LIVE_WRITE_HEADS ? HEAD : BREAKPOINT;
		text->progress = progress;
		text->announce(text->context, progress);
		if (action == PV_LIVE_SYNCHRONIZE)
			error = text->synchronize(text->context);
		else if (!resume)
			error = write(text, part, journal->changes, journal->count, forward);
		else
			for (size_t i = 0; i < journal->count && !error; i++)
				if (!change_stands(&journal->changes[i], forward))
					error = write(text, part, &journal->changes[i], 1, forward);
	}
	return error;
}

static void announce_end(struct pv_live_text *text)
{
	text->progress = finished(text->progress);
	text->announce(text->context, text->progress);
}

/* Tries until it works: a site that stays half written stops every CPU that comes by. */
static int resume_batch(struct pv_live_text *text, write_pass *write, const struct journal *journal, int forward)
{
	for (unsigned i = 0; i < TAKE_BACK_ATTEMPTS; i++) {
		OPAQUE(i);
		if (!run_batch(text, write, journal, forward, 1)) {
			announce_end(text);
			return 1;
		}
	}
	return 0;
}

/* The whole batch; on failure it is taken back. */
static enum pv_status run_or_take_back(struct pv_live_text *text, write_pass *write, const struct journal *journal,
				       struct pv_report *report)
{
	text->begin(text->context, journal->changes, journal->count);
	int error = run_batch(text, write, journal, 1, 0);
	if (!error) {
		announce_end(text);
		return PV_OK;
	}
	(void)resume_batch(text, write, journal, 0);
	report->bytes = 0;
	report->step = PV_STEP_LIVE_WRITE;
	report->error = error;
	return report->status = PV_E_SYSTEM;
}

static enum pv_status run_live(const struct pv_set *set, int restore, uint64_t features, unsigned flags,
			       struct pv_live_text *text, struct pv_report *report)
{
	struct pv_report unwanted;
	struct journal journal = { text->journal, 0, text->journal_room };
	if (!report)
		report = &unwanted;
	enum pv_status status = collect(set, restore, features, flags, &journal, report);
	if (status == PV_OK && journal.count) {
		status = run_or_take_back(text, write_by_port, &journal, report);
		if (status == PV_OK)
			report->way = PV_WAY_TEXT_PORT;
	}
	if (status == PV_OK)
		commit(set, flags);
	return status;
}

enum pv_status pv_live_apply(const struct pv_set *set, uint64_t features, unsigned flags, struct pv_live_text *text,
			     struct pv_report *report)
{
	return run_live(set, 0, features, flags, text, report);
}

enum pv_status pv_live_restore(const struct pv_set *set, struct pv_live_text *text, struct pv_report *report)
{
	return run_live(set, 1, 0, 0, text, report);
}

#endif
