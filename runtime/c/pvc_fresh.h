/* pvc_fresh.h - the part of pvc.c that patches a set for the first time. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Where all classes of a set are simple (a call through the slot or to the trampoline becomes a row without fields), the records
 * alone say which pages to open, and patch_pages() verifies and stores in one go. If any site holds something else, it puts
 * back what it wrote, and the batch begins again the long way.
 */
#ifndef PVC_FRESH_H
#define PVC_FRESH_H 1

#ifdef __x86_64__

enum { FRESH_WORTH_IT = 256 }; /* below this many sites the long way is as good */

/* The extent of records that are looked at together needs no branches. */
enum { TOGETHER = 32 };

/* Fills the entry of a record's class. False if its sites are not simple. */
static int admit_class(const struct pv_set *set, const struct pv_site *record, struct fresh *fresh, enum outcome *outcome)
{
	struct place place;
	unsigned code = record->kind & 0x0fu;
	if (record->op >= set->nops || code >= set->nkinds || set->kinds[code].operand == PV_OPERAND_STUB ||
	    locate(set, record, &place) != PV_OK)
		return 0;
	const struct pv_kind *kind = &set->kinds[code];
	const struct pv_plan *plan = place.plan;
	unsigned len = plan->len, opcode_len = kind->opcode_len;
	int calls = kind->operand == PV_OPERAND_SLOT_REL || kind->operand == PV_OPERAND_TRAMPOLINE;
	if (!calls || plan->nrel || plan->action & (REFUSED | TO_STUB) || len < 5 || len > 8 || opcode_len + 4u != len)
		return 0;
	fresh += plan - set->plans;
	fresh->wanted = fresh->opcode = 0;
	copy((unsigned char *)&fresh->wanted, plan->bytes, len);
	copy((unsigned char *)&fresh->opcode, kind->opcode, opcode_len);
	fresh->mask = ~(uint64_t)0 >> (64 - 8 * len);
	fresh->target = (kind->operand == PV_OPERAND_SLOT_REL ? (uintptr_t)&set->slots[record->op]
							      : (uintptr_t)set->ops[record->op].trampoline) - len;
	fresh->shift = 8 * opcode_len;
	fresh->len = len;
	*outcome = (enum outcome)(plan->action & OUTCOME);
	return 1;
}

/* Adds the pages of the records from `record` on that are of its class; the end of these. */
static const struct pv_site *add_class(struct runs *runs, const struct pv_site *record, const struct pv_site *end)
{
	const uint32_t class = class_of(record);
	const unsigned len = record->len;
	while (record < end) {
		unsigned count = end - record < TOGETHER ? (unsigned)(end - record) : TOGETHER;
		uintptr_t low = ~(uintptr_t)0, high = 0;
		uint32_t differ = 0;
		for (unsigned i = 0; i < count; i++) {
			uintptr_t at = anchor_of(&record[i]);
			low = at < low ? at : low;
			high = at > high ? at : high;
			differ |= class_of(&record[i]) ^ class;
		}
		if (differ || high - low > runs->gap)
			count = 1;
		if (class_of(record) != class)
			break;
		if (count == 1)
			add_to_runs(runs, (const unsigned char *)anchor_of(record), len);
		else
			add_to_runs(runs, (const unsigned char *)low, high - low + len);
		record += count;
	}
	return record;
}

/* True: done, report filled. False: not taken, or not to its end, and nothing has changed. */
static int patch_fresh(const struct pv_set *set, int restore, uint64_t features, unsigned flags, struct pv_report *report)
{
	const struct pv_site *record = set->sites;
	enum outcome outcome = OUTCOME_ROW;
	struct runs runs;
	struct job job;
	int done = 0;

	if (set->format != PV_FORMAT || restore || flags & PV_BRANCHES_ONLY || set->sites_end - set->sites < FRESH_WORTH_IT ||
	    set->branch_sites != set->branch_sites_end || begin(set, restore, features, flags, report) != PV_OK)
		return 0;
	size_t size = set->nplans * sizeof(struct fresh);
	long pages = map(size, READ | WRITE, MAP_PRIVATE_ | MAP_ANONYMOUS_, -1);
	if (is_error(pages))
		return 0;
	begin_runs(&runs);
	while (record < set->sites_end && admit_class(set, record, (struct fresh *)pages, &outcome)) {
		const struct pv_site *next = add_class(&runs, record, set->sites_end);
		uint32_t count = (uint32_t)(next - record);
		report->bytes += (uint64_t)count * record->len;
		report->sites += count;
		count_outcome(report, outcome, count);
		record = next;
	}
	if (record == set->sites_end && probe(&report->refused_error) == PV_STEP_NONE) {
		run_job(set, set->sites_end, &runs, (const struct fresh *)pages, &job);
		done = !job.error && !job.stopped;
		report->way = PV_WAY_MPROTECT;
	}
	(void)system_call(NR_MUNMAP, pages, (long)size, 0, 0, 0);
	return done;
}
#endif

#endif
