/* pvc.c - see pvc.h. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The one file to compile. In order of reading: forms (pvc_forms.h: what bytes a site can hold), static branches
 * (pvc_branches.h), choosing, finding and verifying sites, writing through a text port, CPU features, and the way that
 * Linux programs take (pvc_linux.h).
 * Freestanding: no call leaves this file. Loops that a compiler would turn into memcpy or memset have an OPAQUE index.
 */
#include "pvc.h"

#include "pvc_forms.h"
#include "pvc_branches.h"

/* pv_plan.action: one of enum outcome, or REFUSED with the pv_status in its place; and what to do about it. */
enum outcome { OUTCOME_ROW = 1, OUTCOME_IDENTITY, OUTCOME_NOPS, OUTCOME_CALL, OUTCOME_LEFT, OUTCOME_RESTORED };
#define OUTCOME 0x0fu
#define REFUSED 0x20u
#define TO_STUB 0x40u /* `bytes` go over the call in the site's stub; the site itself gets its jmp */
#define CHANGED 0x80u /* at least one site of the class holds something else now: write them */
#define STUB_CHANGED 0x10u /* the same for the calls in their stubs, which have pages of their own */

/* ---- Choosing: once per op and class ------------------------------------------------------------------------ */

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

/* ---- Sites: finding and verifying them ---------------------------------------------------------------------- */

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

/* ---- Writing through a text port ---------------------------------------------------------------------------- */

/* Write number `which` of a site, 0 the call in its stub, 1 the site: where, and how many bytes (0: none). */
static unsigned write_at(const struct place *place, unsigned which, unsigned char **at)
{
	*at = which ? place->site : place->stub_call;
	if (which)
		return place->plan->action & CHANGED ? place->len : 0;
	return place->plan->action & STUB_CHANGED ? STUB_CALL_LEN : 0;
}

static void new_bytes(const struct pv_set *set, const struct place *place, unsigned which, unsigned char *out)
{
	struct pv_plan form;
	const struct pv_plan *source = place->plan;
	if (which && (place->plan->action & TO_STUB)) {
		form.kind = place->plan->kind;
		form.len = (uint8_t)place->len;
		(void)form_original(set, place->index, place->stub, &form);
		source = &form;
	}
	(void)render(source, which ? place->len : STUB_CALL_LEN, which ? place->site : place->stub_call, out);
}

static void original_bytes(const struct pv_set *set, const struct place *place, unsigned which, unsigned char *out)
{
	struct pv_plan form;
	form.kind = place->plan->kind;
	form.len = (uint8_t)place->len;
	if (which)
		(void)form_original(set, place->index, place->stub, &form);
	else
		(void)form_stub_call(set, place->index, &form);
	(void)render(&form, which ? place->len : STUB_CALL_LEN, which ? place->site : place->stub_call, out);
}

/* Undoes the batch backwards (duplicates: the oldest bytes come last) from the write before (record, which), and before
 * that, from the write before `branch`. */
static void take_back(const struct pv_set *set, const struct pv_text *text, const struct pv_branch_site *branch,
		      const struct pv_site *record, unsigned which, const unsigned char *undo_end, unsigned flags)
{
	unsigned char *at, bytes[PV_MAX_SITE];
	struct branch_place branch_place;
	struct place place;
	while (branch > set->branch_sites) {
		branch--;
		if (locate_branch(set, branch, &branch_place) != PV_OK || !branch_place.state->changed)
			continue;
		if (undo_end)
			undo_end -= branch_place.len;
		else
			branch_bytes(&branch_place, branch, branch_place.state->held, bytes);
		(void)text->write(text->context, branch_place.site, undo_end ? undo_end : bytes, branch_place.len);
	}
	if (record == sites_end(set, flags)) /* all were written */
		which = 2;
	else
		record++;
	for (; record > set->sites; which = 2) {
		record--;
		if (locate(set, record, &place) != PV_OK || !(place.plan->action & (CHANGED | STUB_CHANGED)))
			continue;
		while (which--) {
			unsigned len = write_at(&place, which, &at);
			if (!len)
				continue;
			if (undo_end) {
				undo_end -= len;
				(void)text->write(text->context, at, undo_end, len);
			} else {
				original_bytes(set, &place, which, bytes);
				(void)text->write(text->context, at, bytes, len);
			}
		}
	}
	if (text->sync)
		(void)text->sync(text->context);
}

static enum pv_status write_all(const struct pv_set *set, const struct pv_text *text, unsigned flags,
				struct pv_report *report)
{
	unsigned char *at, bytes[PV_MAX_SITE];
	unsigned char *undo = text->undo && text->undo_size >= pv_undo_size(set) ? text->undo : 0;
	const struct pv_branch_site *branch = set->branch_sites;
	const struct pv_site *record = set->sites, *end = sites_end(set, flags);
	unsigned which = 0;
	struct branch_place branch_place;
	struct place place;
	int error = 0;

	for (; record < end; record++) {
		if (locate(set, record, &place) != PV_OK || !(place.plan->action & (CHANGED | STUB_CHANGED)))
			continue;
		for (which = 0; which < 2; which++) {
			unsigned len = write_at(&place, which, &at);
			if (!len)
				continue;
			new_bytes(set, &place, which, bytes);
			if (undo)
				copy(undo, at, len);
			error = text->write(text->context, at, bytes, len);
			if (error)
				goto failed;
			if (undo)
				undo += len;
			report->bytes += len;
		}
	}
	which = 0;
	for (; branch < set->branch_sites_end; branch++) {
		if (locate_branch(set, branch, &branch_place) != PV_OK || !branch_place.state->changed)
			continue;
		branch_bytes(&branch_place, branch, branch_place.state->goal, bytes);
		if (undo)
			copy(undo, branch_place.site, branch_place.len);
		error = text->write(text->context, branch_place.site, bytes, branch_place.len);
		if (error)
			goto failed;
		if (undo)
			undo += branch_place.len;
		report->bytes += branch_place.len;
	}
	if (text->sync)
		error = text->sync(text->context);
	if (!error)
		return PV_OK;
failed:
	take_back(set, text, branch, record, which, undo, flags);
	report->bytes = 0;
	report->step = PV_STEP_WRITE;
	report->error = error;
	return report->status = PV_E_SYSTEM;
}

size_t pv_undo_size(const struct pv_set *set)
{
	size_t size = 0;
	for (const struct pv_site *record = set->sites; record < set->sites_end; record++)
		size += record->len + ((record->kind & 0x0fu) == PV_KIND_JMP_STUB ? STUB_CALL_LEN : 0);
	for (const struct pv_branch_site *record = set->branch_sites; record < set->branch_sites_end; record++)
		size += record->len;
	return size;
}

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

/* ---- CPU features ------------------------------------------------------------------------------------------- */

struct cpuid {
	uint32_t reg[4]; /* eax, ebx, ecx, edx */
};

static struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid result;
	__asm__ volatile("cpuid"
			 : "=a"(result.reg[0]), "=b"(result.reg[1]), "=c"(result.reg[2]), "=d"(result.reg[3])
			 : "0"(leaf), "2"(subleaf));
	return result;
}

/* A leaf beyond the CPU's highest one returns another leaf's data: ask first. Subleaves are counted in leaf 7 only. */
static int has_leaf(uint32_t leaf, uint32_t subleaf)
{
	uint32_t highest = cpuid(leaf & 0xffff0000u, 0).reg[0];
	if (highest < leaf || (highest & 0xffff0000u) != (leaf & 0xffff0000u))
		return 0;
	return leaf != 7 || !subleaf || cpuid(7, 0).reg[0] >= subleaf;
}

static int os_enabled(unsigned os)
{
	static const uint32_t xcr0_bits[] = { 0, 0, 0x6, 0xe6, 0x60000 }; /* by PV_OS_* */
	struct cpuid basic = cpuid(1, 0);
	uint32_t xcr0, high;
	if (os == PV_OS_NONE)
		return 1;
	if (os == PV_OS_SSE) /* CR4.OSFXSR cannot be read in user space; every OS of the last 20 years sets it */
		return basic.reg[3] >> 24 & 1;
	if (os >= sizeof xcr0_bits / sizeof *xcr0_bits || !(basic.reg[2] >> 27 & 1)) /* OSXSAVE: xgetbv works */
		return 0;
	__asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
	return (xcr0 & xcr0_bits[os]) == xcr0_bits[os];
}

uint64_t pv_cpu_features(const struct pv_set *set)
{
	const struct pv_feature *last = 0;
	struct cpuid result;
	uint64_t features = 0;
	int known = 0;

	for (unsigned i = 0; i < set->nfeatures && i < 64; i++) {
		const struct pv_feature *feature = &set->features[i];
		if (feature->source != PV_CPUID)
			continue;
		/* Features of one leaf stand together; CPUID is slow in a virtual machine. */
		if (!last || last->leaf != feature->leaf || last->subleaf != feature->subleaf) {
			known = has_leaf(feature->leaf, feature->subleaf);
			if (known)
				result = cpuid(feature->leaf, feature->subleaf);
			last = feature;
		}
		if (known && result.reg[feature->reg & 3] >> (feature->bit & 31) & 1 && os_enabled(feature->os))
			features |= (uint64_t)1 << i;
	}
	return features;
}

/* ---- Text for people ---------------------------------------------------------------------------------------- */

const char *pv_status_string(enum pv_status status)
{
	switch (status) {
	case PV_OK: return "done";
	case PV_E_FORMAT: return "the table has another format version or word size than this runtime";
	case PV_E_TABLE: return "the table contradicts itself";
	case PV_E_NO_SITES: return "no patch site is recorded: were the records dropped when the program was linked?";
	case PV_E_SITE: return "a site record does not fit its op";
	case PV_E_FOREIGN: return "a site holds bytes that are not ours: a debugger's breakpoint, another patcher?";
	case PV_E_NOCALL: return "a backend is installed for a site that cannot hold a call";
	case PV_E_RANGE: return "a target cannot be reached from a site with 32 bits";
	case PV_E_NULL: return "an op's slot is a null pointer";
	case PV_E_NOT_LIVE: return "a site would change that the table does not mark live";
	case PV_E_JOURNAL: return "more sites change than the journal has room for";
	case PV_E_SYSTEM: return "the bytes could not be written";
	}
	return "unknown status";
}

const char *pv_step_string(enum pv_step step)
{
	switch (step) {
	case PV_STEP_NONE: return "no step";
	case PV_STEP_PROBE_WRITABLE: return "mprotect of a scratch page to read-write";
	case PV_STEP_PROBE_EXECUTABLE: return "mprotect of a scratch page to read-execute";
	case PV_STEP_PROBE_MAP: return "mmap of a scratch page";
	case PV_STEP_WRITABLE: return "mprotect of the sites to read-write";
	case PV_STEP_POPULATE: return "madvise(MADV_POPULATE_WRITE) of the sites";
	case PV_STEP_EXECUTABLE: return "mprotect of the sites to read-execute";
	case PV_STEP_UNDO_MAP: return "mmap of undo memory";
	case PV_STEP_OPEN: return "open of /proc/self/mem";
	case PV_STEP_WRITE: return "write";
	case PV_STEP_LIVE_WRITE: return "write or membarrier of a live batch, which was taken back";
	case PV_STEP_REGISTER: return "membarrier(REGISTER_PRIVATE_EXPEDITED_SYNC_CORE)";
	case PV_STEP_THREADS: return "reading which signals the threads block";
	case PV_STEP_TRAP_BLOCKED: return "a thread blocks SIGTRAP";
	case PV_STEP_TRAP_HANDLER: return "sigaction of SIGTRAP: another handler was installed over the patcher's";
	case PV_STEP_UNFINISHED: return "taking back an earlier batch";
	}
	return "unknown step";
}

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
