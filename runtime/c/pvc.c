/* pvc.c - see pvc.h. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The one file to compile; the headers that it includes are its parts, in order of reading.
 * Freestanding: no call leaves this file. Loops that a compiler would turn into memcpy or memset have an OPAQUE index.
 */
#include "pvc.h"

#include "pvc_forms.h"    /* what bytes a site can hold */
#include "pvc_branches.h" /* static branches */
#include "pvc_choose.h"   /* what the sites of an op become */
#include "pvc_sites.h"    /* finding and verifying sites */

/* The start of every batch: is the table one of ours, and what do its classes become? Verifies the static branches. */
static enum pv_status begin(const struct pv_set *set, int restore, uint64_t features, unsigned flags,
			      struct pv_report *report)
{
	zero(report, sizeof *report);
	report->op = report->branch = PV_NONE;
	if (set->format != PV_FORMAT || set->mode != 8 * sizeof(void *))
		return report->status = PV_E_FORMAT;
	if (set->sites == set->sites_end && set->branch_sites == set->branch_sites_end && !restore &&
	    !(flags & PV_ALLOW_NO_SITES))
		return report->status = PV_E_NO_SITES;
	enum pv_status branches = prepare_branches(set, restore, report);
	if (branches != PV_OK || (flags & PV_BRANCHES_ONLY))
		return branches;
	for (unsigned i = 0; i < set->nops; i++) {
		if (set->ops[i].plan + set->ops[i].nplans > set->nplans) {
			report->op = (uint16_t)i;
			return report->status = PV_E_TABLE;
		}
		choose(set, i, restore, features);
	}
	return PV_OK;
}

/* All that comes before the first write. */
static enum pv_status prepare(const struct pv_set *set, int restore, uint64_t features, unsigned flags,
			      struct pv_report *report)
{
	struct known_classes classes;
	uint64_t found, wanted;
	enum pv_status begun = begin(set, restore, features, flags, report);
	if (begun != PV_OK || (flags & PV_BRANCHES_ONLY))
		return begun;
	forget_classes(&classes);
	for (const struct pv_site *record = set->sites; record < set->sites_end; record++) {
		struct known *known = known_class(set, record, &classes);
		enum look seen = known ? look(known, record, &found, &wanted) : LOOK_CLOSER;
		if (seen == LOOK_CLOSER) {
			enum pv_status status = verify_site(set, record, known, report);
			if (status != PV_OK)
				return status;
			continue;
		}
		report->sites++;
		report->unchanged += seen == STANDS;
		if (seen == CHANGES)
			known->plan->action |= CHANGED;
		count_outcome(report, (enum outcome)(known->plan->action & OUTCOME), 1);
	}
	return PV_OK;
}

/* The records of ops that a batch is about: none with PV_BRANCHES_ONLY. */
static const struct pv_site *sites_end(const struct pv_set *set, unsigned flags)
{
	return flags & PV_BRANCHES_ONLY ? set->sites : set->sites_end;
}

static int nothing_to_write(const struct pv_report *report)
{
	return report->unchanged == report->sites && report->branches_unchanged == report->branch_sites;
}

/* Remembers what the sites call now, so that the next batch knows it for ours. A target stays remembered when rows
 * take its place, because stubs go on naming it. */
static void commit(const struct pv_set *set, unsigned flags)
{
	commit_branches(set);
	if (flags & PV_BRANCHES_ONLY)
		return;
	for (unsigned i = 0; i < set->nops; i++) {
		const struct pv_op *op = &set->ops[i];
		for (unsigned c = 0; c < op->nplans; c++) {
			const struct pv_plan *plan = &set->plans[op->plan + c];
			unsigned outcome = plan->action & OUTCOME;
			if (plan->action & REFUSED) /* a class without sites */
				continue;
			if (outcome == OUTCOME_CALL || (outcome == OUTCOME_LEFT && plan->nrel))
				set->applied[i] = offset_by(plan->rel_target[0], 4);
			else if (outcome == OUTCOME_RESTORED)
				set->applied[i] = 0;
		}
	}
}

#include "pvc_write.h" /* writing through a text port */

static enum pv_status run_core(const struct pv_set *set, int restore, uint64_t features, unsigned flags,
			       const struct pv_text *text, struct pv_report *report)
{
	struct pv_report unwanted;
	if (!report)
		report = &unwanted;
	enum pv_status status = prepare(set, restore, features, flags, report);
	if (status == PV_OK && !nothing_to_write(report)) {
		report->way = PV_WAY_TEXT_PORT;
		status = write_all(set, text, flags, report);
	}
	if (status == PV_OK)
		commit(set, flags);
	return status;
}

enum pv_status pv_apply(const struct pv_set *set, uint64_t features, unsigned flags, const struct pv_text *text,
			struct pv_report *report)
{
	return run_core(set, 0, features, flags, text, report);
}

enum pv_status pv_restore(const struct pv_set *set, const struct pv_text *text, struct pv_report *report)
{
	return run_core(set, 1, 0, 0, text, report);
}

#include "pvc_features.h" /* CPUID */
#include "pvc_strings.h"  /* text for people */

#include "pvc_live.h"

#if PV_LINUX
#include "pvc_system.h"
#include "pvc_live_shared.h"
#include "pvc_runs.h"
#include "pvc_pages.h"
#include "pvc_fresh.h"
#include "pvc_memory.h"
#include "pvc_linux.h"
#include "pvc_live_threads.h"
#include "pvc_live_trap.h"
#include "pvc_live_view.h"
#include "pvc_live_linux.h"
#endif
