/* pvc_known.h - the part of pvc.c that answers for nearly all sites from one load of their text. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What a class of sites is to become, and what its sites most often hold, is worked out once and kept. A site that holds
 * anything else is looked at closely: verify_site().
 */
#ifndef PVC_KNOWN_H
#define PVC_KNOWN_H 1

struct unaligned64 {
	uint64_t value;
} __attribute__((packed, may_alias));

/* A form of up to 8 bytes with at most one 32-bit field. */
struct short_form {
	uint64_t bytes; /* zero in the field */
	uintptr_t target; /* the field holds this less the address of the site */
	unsigned shift, has_field;
};

static int make_short(const struct pv_plan *form, struct short_form *out)
{
	unsigned offset = form->nrel ? form->rel_offset[0] : 0;
	if (form->len > 8 || form->nrel > 1 || (form->nrel && (form->rel_width[0] != 4 || offset > 4)))
		return 0;
	out->bytes = ((const struct unaligned64 *)form->bytes)->value;
	out->has_field = form->nrel;
	out->shift = 8 * offset;
	out->target = form->nrel ? (uintptr_t)form->rel_target[0] - offset : 0;
	if (form->nrel)
		out->bytes &= ~((uint64_t)UINT32_MAX << out->shift);
	return 1;
}

/* The bytes at an address. False if the target is out of reach. */
static int short_at(const struct short_form *form, uintptr_t site, uint64_t *bytes)
{
	intptr_t distance = (intptr_t)(form->target - site);
	*bytes = form->bytes;
	if (!form->has_field)
		return 1;
	*bytes |= (uint64_t)(uint32_t)distance << form->shift;
	return distance == (int32_t)distance;
}

struct known {
	struct pv_plan *plan; /* null: nothing is known */
	uint32_t class;
	uint64_t mask;        /* the bytes that belong to a site */
	struct short_form wanted, call, last;
};

enum { KNOWN_CLASSES = 8 }; /* the classes of the last sites */
struct known_classes {
	struct known known[KNOWN_CLASSES];
};

static void forget_classes(struct known_classes *classes)
{
	for (unsigned i = 0; i < KNOWN_CLASSES; i++)
		classes->known[i].plan = 0;
}

static uint32_t class_of(const struct pv_site *record)
{
	return record->op | (uint32_t)record->len << 16 | (uint32_t)record->kind << 24;
}

static uintptr_t anchor_of(const struct pv_site *record)
{
	return (uintptr_t)&record->disp + (uintptr_t)(intptr_t)record->disp;
}

static int learn_class(const struct pv_set *set, const struct pv_site *record, struct known *known)
{
	struct pv_plan form;
	struct place place;
	unsigned code = record->kind & 0x0fu;

	known->plan = 0;
	if (record->op >= set->nops || code >= set->nkinds || set->kinds[code].operand == PV_OPERAND_STUB ||
	    locate(set, record, &place) != PV_OK || place.plan->action & (REFUSED | TO_STUB))
		return 0;
	if ((place.plan->action & OUTCOME) == OUTCOME_CALL && record->kind & PV_SITE_NOCALL)
		return 0;
	/* Not copied: compilers call memcpy for it. */
	if (!make_short(place.plan, &known->wanted) || !make_short(place.plan, &known->last))
		return 0;
	form.kind = (uint8_t)code;
	form.len = record->len;
	if (form_original(set, record->op, 0, &form) != PV_OK || !make_short(&form, &known->call))
		(void)make_short(place.plan, &known->call);
	known->mask = ~(uint64_t)0 >> (64 - 8 * record->len);
	known->class = class_of(record);
	known->plan = place.plan;
	return 1;
}

/* What is known of a record's class, or null. */
static struct known *known_class(const struct pv_set *set, const struct pv_site *record, struct known_classes *classes)
{
	struct known *known = &classes->known[(record->op ^ (record->kind & 0x0fu)) % KNOWN_CLASSES];
	if (known->plan && known->class == class_of(record))
		return known;
	return learn_class(set, record, known) ? known : 0;
}

enum look { LOOK_CLOSER, STANDS, CHANGES };

/* What has to be done with a site, what it holds and what it is to hold (and beyond it, anything). */
static enum look look(const struct known *known, const struct pv_site *record, uint64_t *found, uint64_t *wanted)
{
	uintptr_t site = anchor_of(record);
	uint64_t form;
	if (site % PAGE > PAGE - 8 || !short_at(&known->wanted, site, wanted))
		return LOOK_CLOSER;
	*found = ((const struct unaligned64 *)site)->value;
	if (!((*found ^ *wanted) & known->mask))
		return STANDS;
	if (short_at(&known->call, site, &form) && !((*found ^ form) & known->mask))
		return CHANGES;
	if (short_at(&known->last, site, &form) && !((*found ^ form) & known->mask))
		return CHANGES;
	return LOOK_CLOSER;
}

#endif
