/* pvc_branches.h - the part of pvc.c for static branches. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The site of a branch holds one of two instructions of its length: NOPs, or a jump to its target. Which of them follows
 * from the value of the branch and from one bit of the record, so that nothing has to be chosen or remembered per site.
 */
#ifndef PVC_BRANCHES_H
#define PVC_BRANCHES_H 1

#define BRANCH_LONG 5u  /* e9 rel32 */
#define BRANCH_SHORT 2u /* eb rel8 */

struct branch_place {
	unsigned char *site;
	uintptr_t target;
	unsigned len;
	struct pv_branch_state *state;
};

static enum pv_status locate_branch(const struct pv_set *set, const struct pv_branch_site *record,
				    struct branch_place *place)
{
	place->site = (unsigned char *)((uintptr_t)&record->site + (uintptr_t)(intptr_t)record->site);
	place->target = (uintptr_t)&record->target + (uintptr_t)(intptr_t)record->target;
	place->len = record->len;
	if (record->branch >= set->nbranches || (record->len != BRANCH_LONG && record->len != BRANCH_SHORT))
		return PV_E_SITE;
	place->state = &set->branch_states[record->branch];
	return PV_OK;
}

/* What the site holds while its branch has this value. The distance fits: verify_branch() saw to it. */
static void branch_bytes(const struct branch_place *place, const struct pv_branch_site *record, unsigned value,
			 unsigned char *out)
{
	uint32_t distance = (uint32_t)(place->target - ((uintptr_t)place->site + place->len));
	if (value != (record->flags & PV_BRANCH_JUMPS_IF)) {
		put_nops(out, place->len);
		return;
	}
	out[0] = place->len == BRANCH_SHORT ? 0xeb : 0xe9;
	for (unsigned i = 1; i < place->len; i++, distance >>= 8) {
		OPAQUE(i);
		out[i] = (unsigned char)distance;
	}
}

static int branch_reaches(const struct branch_place *place)
{
	intptr_t distance = (intptr_t)(place->target - ((uintptr_t)place->site + place->len));
	return place->len == BRANCH_SHORT ? distance == (int8_t)distance : distance == (int32_t)distance;
}

static enum pv_status fail_branch(const struct branch_place *place, const struct pv_branch_site *record,
				  enum pv_status status, struct pv_report *report)
{
	report->status = status;
	report->branch = record->branch;
	report->address = place->site;
	if (status == PV_E_SITE) /* the record is wrong: its address and length say nothing */
		return status;
	report->len = (uint8_t)place->len;
	copy(report->found, place->site, place->len);
	branch_bytes(place, record, place->state->held, report->expected);
	return status;
}

/* Decides whether one site may be written; marks its branch if it has to be. */
static enum pv_status verify_branch(const struct pv_set *set, const struct pv_branch_site *record,
				    struct pv_report *report)
{
	unsigned char bytes[BRANCH_LONG];
	struct branch_place place;
	unsigned goal;

	if (locate_branch(set, record, &place) != PV_OK)
		return fail_branch(&place, record, PV_E_SITE, report);
	if (!branch_reaches(&place))
		return fail_branch(&place, record, PV_E_RANGE, report);
	goal = place.state->goal;
	report->branch_sites++;
	report->jumps += goal == (record->flags & PV_BRANCH_JUMPS_IF);
	branch_bytes(&place, record, goal, bytes);
	if (equal(place.site, bytes, place.len)) {
		report->branches_unchanged++;
		return PV_OK;
	}
	place.state->changed = 1;
	branch_bytes(&place, record, !goal, bytes);
	return equal(place.site, bytes, place.len) ? PV_OK : fail_branch(&place, record, PV_E_FOREIGN, report);
}

/* Sets the goal of every branch, then verifies every site. */
static enum pv_status prepare_branches(const struct pv_set *set, int restore, struct pv_report *report)
{
	for (unsigned i = 0; i < set->nbranches; i++) {
		struct pv_branch_state *state = &set->branch_states[i];
		state->goal = restore ? set->branches[i].initial : *(volatile uint8_t *)&state->wanted != 0;
		state->changed = 0;
	}
	for (const struct pv_branch_site *record = set->branch_sites; record < set->branch_sites_end; record++) {
		enum pv_status status = verify_branch(set, record, report);
		if (status != PV_OK)
			return status;
	}
	return PV_OK;
}

static void commit_branches(const struct pv_set *set)
{
	for (unsigned i = 0; i < set->nbranches; i++)
		set->branch_states[i].held = set->branch_states[i].goal;
}

const void *pv_branch_site_address(const struct pv_set *set, const struct pv_branch_site *record)
{
	struct branch_place place;
	return locate_branch(set, record, &place) == PV_OK ? place.site : 0;
}

int pv_branch_value(const struct pv_set *set, unsigned branch)
{
	return branch < set->nbranches && set->branch_states[branch].held;
}

int pv_want_branch(const struct pv_set *set, unsigned branch, int value)
{
	uint8_t *wanted;
	int before;

	if (branch >= set->nbranches)
		return -1;
	wanted = &set->branch_states[branch].wanted;
	before = *(volatile uint8_t *)wanted;
	*(volatile uint8_t *)wanted = value != 0;
	return before;
}

#endif
