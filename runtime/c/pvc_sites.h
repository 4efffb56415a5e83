/* pvc_sites.h - the part of pvc.c that finds sites by their records and verifies what they hold. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PVC_SITES_H
#define PVC_SITES_H 1

struct place {
	unsigned char *site;
	unsigned char *stub; /* null unless the kind is jmp.stub */
	unsigned char *stub_call;
	struct pv_plan *plan;
	unsigned index; /* of the op */
	unsigned len;
};

static enum pv_status locate(const struct pv_set *set, const struct pv_site *record, struct place *place)
{
	unsigned kind = record->kind & 0x0fu;
	unsigned char *anchor = (unsigned char *)((uintptr_t)&record->disp + (uintptr_t)(intptr_t)record->disp);

	place->site = anchor;
	place->stub = place->stub_call = 0;
	place->index = record->op;
	place->len = record->len;
	if (record->op >= set->nops || kind >= set->nkinds || !record->len || record->len > PV_MAX_SITE)
		return PV_E_SITE;
	if (set->kinds[kind].operand == PV_OPERAND_STUB) {
		if (anchor[-5] != 0xe9) /* the stub's way back names the site */
			return PV_E_FOREIGN;
		place->site = anchor + (int32_t)read32(anchor - 4) - CALL_LEN;
		place->stub = anchor - set->stub_len;
		place->stub_call = place->stub + set->stub_call;
	}
	const struct pv_op *op = &set->ops[record->op];
	struct pv_plan *plan = &set->plans[op->plan];
	for (unsigned c = 0; c < op->nplans; c++, plan++) {
		if (plan->kind == kind && plan->len == record->len) {
			place->plan = plan;
			return PV_OK;
		}
	}
	return PV_E_SITE;
}

#include "pvc_known.h"

static int holds(const struct pv_plan *form, unsigned len, const unsigned char *at)
{
	unsigned char bytes[PV_MAX_SITE];
	if (!form->nrel)
		return equal(at, form->bytes, len);
	return render(form, len, at, bytes) == PV_OK && equal(at, bytes, len);
}

/* holds(form_original()) for the kinds that call or jump, without building the form: most sites of a first batch. */
static int is_plain_original(const struct pv_set *set, const struct place *place)
{
	const struct pv_kind *kind = &set->kinds[place->plan->kind];
	uintptr_t operand, next = (uintptr_t)(place->site + place->len);
	switch (kind->operand) {
	case PV_OPERAND_TRAMPOLINE:
		operand = (uintptr_t)set->ops[place->index].trampoline - next;
		break;
	case PV_OPERAND_SLOT_REL:
		operand = (uintptr_t)&set->slots[place->index] - next;
		break;
	case PV_OPERAND_SLOT_ABS:
		operand = (uintptr_t)&set->slots[place->index];
		break;
	case PV_OPERAND_STUB:
		operand = (uintptr_t)place->stub - next;
		break;
	default:
		return 0;
	}
	for (unsigned i = 0; i < kind->opcode_len; i++) {
		OPAQUE(i);
		if (place->site[i] != kind->opcode[i])
			return 0;
	}
	return kind->opcode_len + 4u == place->len && read32(place->site + kind->opcode_len) == (uint32_t)operand;
}

/* Whether the site holds the original or any form that this patcher may have written for its op; 2 if `form` is that. */
static int site_is_ours(const struct pv_set *set, const struct place *place, struct pv_plan *form)
{
	const struct pv_op *op = &set->ops[place->index];
	const unsigned direct = set->kinds[place->plan->kind].direct;
	const unsigned char *at = place->site;
	unsigned len = place->len;

	if (is_plain_original(set, place))
		return 1;
	form->kind = place->plan->kind;
	form->len = (uint8_t)len;
	if (set->kinds[form->kind].operand == PV_OPERAND_NONE && form_original(set, place->index, 0, form) == PV_OK &&
	    holds(form, len, at))
		return 2;
	for (unsigned r = op->row; r < (unsigned)op->row + op->nrows; r++)
		if (form_row(set, op, r, form) == PV_OK && holds(form, len, at))
			return 2;
	if ((op->flags & PV_OP_IDENTITY) && form_row(set, op, set->identity_row, form) == PV_OK && holds(form, len, at))
		return 2;
	if (!(op->flags & PV_OP_RESULT) && form_nops(op, form) == PV_OK && holds(form, len, at))
		return 2;
	if (place->stub) /* calls from its stub only */
		return 0;
	if (form_direct(form, op, direct, set->applied[place->index], len) == PV_OK && holds(form, len, at))
		return 2;
	return form_direct(form, op, direct, op->default_fn, len) == PV_OK && holds(form, len, at) ? 2 : 0;
}

static int stub_is_ours(const struct pv_set *set, const struct place *place)
{
	const unsigned direct = set->kinds[place->plan->kind].direct;
	const struct pv_op *op = &set->ops[place->index];
	const unsigned char *at = place->stub_call;
	struct pv_plan form;

	if (form_stub_call(set, place->index, &form) == PV_OK && holds(&form, STUB_CALL_LEN, at))
		return 1;
	if (form_direct(&form, op, direct, set->applied[place->index], STUB_CALL_LEN) == PV_OK &&
	    holds(&form, STUB_CALL_LEN, at))
		return 1;
	return form_direct(&form, op, direct, op->default_fn, STUB_CALL_LEN) == PV_OK &&
	       holds(&form, STUB_CALL_LEN, at);
}

static enum pv_status fail(const struct pv_set *set, const struct place *place, int at_stub, enum pv_status status,
			   struct pv_report *report)
{
	struct pv_plan form;
	const unsigned char *at = at_stub ? place->stub_call : place->site;
	unsigned len = at_stub ? STUB_CALL_LEN : place->len;

	report->status = status;
	report->address = at;
	report->op = (uint16_t)place->index;
	if (status == PV_E_SITE) /* the record is wrong: its address and length say nothing */
		return status;
	report->len = (uint8_t)len;
	copy(report->found, at, len);
	form.kind = place->plan->kind;
	form.len = (uint8_t)place->len;
	if ((at_stub ? form_stub_call(set, place->index, &form)
		     : form_original(set, place->index, place->stub, &form)) == PV_OK)
		(void)render(&form, len, at, report->expected);
	return status;
}

static void count_outcome(struct pv_report *report, enum outcome outcome, uint32_t count)
{
	switch (outcome) {
	case OUTCOME_ROW: report->rows += count; break;
	case OUTCOME_IDENTITY: report->identity += count; break;
	case OUTCOME_NOPS: report->nops += count; break;
	case OUTCOME_CALL: report->calls += count; break;
	case OUTCOME_LEFT: report->left += count; break;
	default: report->restored += count; break;
	}
}

/* Decides whether one site may be written, whatever it holds; marks its class if it has to be. */
static enum pv_status verify_site(const struct pv_set *set, const struct pv_site *record, struct known *known,
				  struct pv_report *report)
{
	struct pv_plan form;
	struct place place;
	unsigned char bytes[PV_MAX_SITE];
	int same;

	place.plan = 0;
	enum pv_status status = locate(set, record, &place);
	if (status != PV_OK) {
		if (!place.plan) { /* nothing to compare with */
			report->status = status;
			report->address = place.site;
			report->op = (uint16_t)place.index;
			return status;
		}
		return fail(set, &place, 0, status, report);
	}
	struct pv_plan *plan = place.plan;
	if (plan->action & REFUSED)
		return fail(set, &place, 0, (enum pv_status)(plan->action & OUTCOME), report);
	if ((plan->action & OUTCOME) == OUTCOME_CALL && (record->kind & PV_SITE_NOCALL))
		return fail(set, &place, 0, PV_E_NOCALL, report);

	if (plan->action & TO_STUB) {
		same = is_plain_original(set, &place);
		if (!same && !site_is_ours(set, &place, &form))
			return fail(set, &place, 0, PV_E_FOREIGN, report);
		status = render(plan, STUB_CALL_LEN, place.stub_call, bytes);
		if (status != PV_OK)
			return fail(set, &place, 1, status, report);
		if (!same)
			plan->action |= CHANGED;
		if (!equal(place.stub_call, bytes, STUB_CALL_LEN)) {
			same = 0;
			plan->action |= STUB_CHANGED;
			if (!stub_is_ours(set, &place))
				return fail(set, &place, 1, PV_E_FOREIGN, report);
		}
	} else {
		const unsigned char *wanted = plan->bytes;
		if (plan->nrel) {
			status = render(plan, place.len, place.site, bytes);
			if (status != PV_OK)
				return fail(set, &place, 0, status, report);
			wanted = bytes;
		}
		same = equal(place.site, wanted, place.len);
		int ours = same ? 1 : site_is_ours(set, &place, &form);
		if (!ours)
			return fail(set, &place, 0, PV_E_FOREIGN, report);
		if (!same)
			plan->action |= CHANGED;
		if (ours == 2 && known) /* the next one most often holds the same */
			(void)make_short(&form, &known->last);
	}

	report->unchanged += (uint32_t)same;
	report->sites++;
	count_outcome(report, (enum outcome)(plan->action & OUTCOME), 1);
	return PV_OK;
}

const void *pv_site_address(const struct pv_set *set, const struct pv_site *record)
{
	struct place place;
	return locate(set, record, &place) == PV_OK ? place.site : 0;
}

#endif
