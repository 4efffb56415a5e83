/* pvc_write.h - the part of pvc.c that writes through a text port, and takes back what it wrote. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PVC_WRITE_H
#define PVC_WRITE_H 1

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

#endif
