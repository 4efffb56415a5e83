/* pvc_choose.h - the part of pvc.c that decides what the sites of an op become. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Once per op and class of sites (kind and length): the outcome and the bytes stand in the class's pv_plan.
 */
#ifndef PVC_CHOOSE_H
#define PVC_CHOOSE_H 1

/* pv_plan.action: one of enum outcome, or REFUSED with the pv_status in its place; and what to do about it. */
enum outcome { OUTCOME_ROW = 1, OUTCOME_IDENTITY, OUTCOME_NOPS, OUTCOME_CALL, OUTCOME_LEFT, OUTCOME_RESTORED };
#define OUTCOME 0x0fu
#define REFUSED 0x20u
#define TO_STUB 0x40u /* `bytes` go over the call in the site's stub; the site itself gets its jmp */
#define CHANGED 0x80u /* at least one site of the class holds something else now: write them */
#define STUB_CHANGED 0x10u /* the same for the calls in their stubs, which have pages of their own */

static unsigned first_row(const struct pv_set *set, const struct pv_op *op, uint64_t features)
{
	for (unsigned r = op->row; r < (unsigned)op->row + op->nrows; r++) {
		const struct pv_row *row = &set->rows[r];
		if (!row->nterms)
			return r;
		for (unsigned t = row->term; t < (unsigned)row->term + row->nterms; t++) {
			const struct pv_term *term = &set->terms[t];
			if ((features & term->all) == term->all && !(features & term->none))
				return r;
		}
	}
	return PV_NONE;
}

static void choose_class(const struct pv_set *set, unsigned index, enum outcome outcome, unsigned row,
			 const void *target, struct pv_plan *plan)
{
	const struct pv_kind *kind = &set->kinds[plan->kind];
	int has_stub = kind->operand == PV_OPERAND_STUB;
	enum pv_status status;
	unsigned to_stub = 0;

	/* Falling through a jmp site would run into whatever follows it. */
	if (kind->direct == 0xe9 && (outcome == OUTCOME_NOPS || outcome == OUTCOME_IDENTITY))
		outcome = OUTCOME_CALL;
	/* Sites that did not call to begin with have nothing to call when no row holds. */
	int as_original = outcome == OUTCOME_RESTORED ||
			  (outcome == OUTCOME_LEFT && kind->operand == PV_OPERAND_NONE);

	if (as_original && has_stub) {
		to_stub = TO_STUB;
		status = form_stub_call(set, index, plan);
	} else if (as_original) {
		status = form_original(set, index, 0, plan);
	} else if (outcome == OUTCOME_NOPS) {
		status = form_nops(&set->ops[index], plan);
	} else if (outcome == OUTCOME_ROW || outcome == OUTCOME_IDENTITY) {
		status = form_row(set, &set->ops[index], row, plan);
	} else if (set->ops[index].flags & PV_OP_NOCALL) {
		status = PV_E_NOCALL;
	} else {
		to_stub = has_stub ? TO_STUB : 0;
		status = form_direct(plan, &set->ops[index], kind->direct, target, has_stub ? STUB_CALL_LEN : plan->len);
	}
	plan->action = (uint8_t)(status == PV_OK ? (unsigned)outcome | to_stub : (unsigned)status | REFUSED);
}

static void choose(const struct pv_set *set, unsigned index, int restore, uint64_t features)
{
	const struct pv_op *op = &set->ops[index];
	const void *target = ((const any_pointer volatile *)set->slots)[index];
	unsigned row = PV_NONE;
	enum outcome outcome;

	if (restore) {
		outcome = OUTCOME_RESTORED;
	} else if (target != op->default_fn) {
		outcome = OUTCOME_CALL;
		if (target && target == set->nop_fn && !(op->flags & PV_OP_RESULT)) {
			outcome = OUTCOME_NOPS;
		} else if (target && target == set->identity_fn && (op->flags & PV_OP_IDENTITY) &&
			   set->identity_row != PV_NONE) {
			outcome = OUTCOME_IDENTITY;
			row = set->identity_row;
		}
	} else {
		row = first_row(set, op, features);
		outcome = row == PV_NONE ? OUTCOME_LEFT : OUTCOME_ROW;
	}
	for (unsigned c = 0; c < op->nplans; c++)
		choose_class(set, index, outcome, row, target, &set->plans[op->plan + c]);
}

#endif
