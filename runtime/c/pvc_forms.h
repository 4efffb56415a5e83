/* pvc_forms.h - the part of pvc.c that knows what bytes a site can hold. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A form is a pv_plan used as a value: `bytes`, and up to four PC-relative fields that render() fills in for an address.
 */
#ifndef PVC_FORMS_H
#define PVC_FORMS_H 1

#if defined(__KERNEL__) && !defined(UINT32_MAX) /* what <linux/types.h> lacks of <stdint.h>, the compiler knows */
#define intptr_t __INTPTR_TYPE__
#define INT8_MIN (-__INT8_MAX__ - 1)
#define INT16_MIN (-__INT16_MAX__ - 1)
#define UINT8_MAX __UINT8_MAX__
#define UINT16_MAX __UINT16_MAX__
#define UINT32_MAX __UINT32_MAX__
#endif

#define OPAQUE(x) __asm__("" : "+r"(x))
#define PAGE 4096u

#define CALL_LEN 5u      /* e8 or e9, rel32 */
#define STUB_CALL_LEN 6u /* call *slot, or a direct call and a NOP */

struct unaligned32 {
	uint32_t value;
} __attribute__((packed, may_alias));

/* The ops structure holds pointers of other types. */
typedef const void *any_pointer __attribute__((may_alias));

static uint32_t read32(const unsigned char *at)
{
	return ((const struct unaligned32 *)at)->value;
}

static void copy(unsigned char *to, const unsigned char *from, size_t count)
{
	if (count >= 4 && count <= 8) { /* nearly every site: two moves that may overlap */
		uint32_t first = read32(from), last = read32(from + count - 4);
		((struct unaligned32 *)to)->value = first;
		((struct unaligned32 *)(to + count - 4))->value = last;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		OPAQUE(i);
		to[i] = from[i];
	}
}

static void zero(void *at, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		OPAQUE(i);
		((unsigned char *)at)[i] = 0;
	}
}

static int equal(const unsigned char *a, const unsigned char *b, unsigned count)
{
	if (count >= 4 && count <= 8) /* nearly every site: two loads that may overlap, none beyond the end */
		return read32(a) == read32(b) && read32(a + count - 4) == read32(b + count - 4);
	for (unsigned i = 0; i < count; i++) {
		OPAQUE(i);
		if (a[i] != b[i])
			return 0;
	}
	return 1;
}

static const void *offset_by(const void *at, intptr_t addend)
{
	return (const void *)((uintptr_t)at + (uintptr_t)addend);
}

static void start(struct pv_plan *form)
{
	form->nrel = 0;
	zero(form->bytes, 8); /* the 8-byte store of patch_pages() takes bytes beyond the site's end to be 0 */
}

static void put_nops(unsigned char *at, unsigned count)
{
	static const unsigned char nops[8][8] = {
		{ 0x90 },                                           /* nop */
		{ 0x66, 0x90 },                                     /* xchg %ax,%ax */
		{ 0x0f, 0x1f, 0x00 },                               /* nopl (%rax) */
		{ 0x0f, 0x1f, 0x40, 0x00 },                         /* nopl 0(%rax) */
		{ 0x0f, 0x1f, 0x44, 0x00, 0x00 },                   /* nopl 0(%rax,%rax,1) */
		{ 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 },             /* nopw 0(%rax,%rax,1) */
		{ 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00 },       /* nopl 0L(%rax) */
		{ 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 }, /* nopl 0L(%rax,%rax,1) */
	};
	while (count) {
		unsigned step = count < 8 ? count : 8;
		copy(at, nops[step - 1], step);
		at += step;
		count -= step;
	}
}

static enum pv_status put_relative(struct pv_plan *form, unsigned offset, unsigned width, const void *target)
{
	if (form->nrel >= 4 || offset + width > PV_MAX_SITE)
		return PV_E_TABLE;
	zero(form->bytes + offset, width);
	form->rel_offset[form->nrel] = (uint8_t)offset;
	form->rel_width[form->nrel] = (uint8_t)width;
	form->rel_target[form->nrel++] = target;
	return PV_OK;
}

/* The low `width` bytes of a value that was checked to fit. */
static void put_absolute(struct pv_plan *form, unsigned offset, unsigned width, uint64_t value)
{
	for (unsigned i = 0; i < width; i++) {
		OPAQUE(i);
		form->bytes[offset + i] = (unsigned char)(value >> (8 * i));
	}
}

/* Whether every form of the op's sites of this length must be one instruction: padded in front, not behind. */
static int is_single(const struct pv_op *op, unsigned len)
{
	return (op->flags & PV_OP_LIVE) && len <= PV_MAX_INSTRUCTION;
}

/* A segment override that changes nothing: CS is ignored in 64-bit mode (AMD APM volume 3, 1.2.4); in 32-bit mode DS, which
 * is flat. An instruction that has an override of its own gets more of that. */
static unsigned padding_prefix(const unsigned char *instruction, unsigned len)
{
	for (unsigned i = 0; i < len; i++) {
		unsigned byte = instruction[i];
		if (byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x64 || byte == 0x65)
			return byte;
		if (byte != 0x66 && byte != 0x67 && byte != 0xf0 && byte != 0xf2 && byte != 0xf3)
			break;
	}
	return sizeof(void *) == 8 ? 0x2e : 0x3e;
}

/* Puts instructions into the site, padded: NOPs behind them, or prefixes before the one of a live op. Returns by how much
 * that moved them. */
static unsigned put_padded(const struct pv_op *op, const unsigned char *bytes, unsigned len, struct pv_plan *form)
{
	unsigned gap = form->len - len;
	if (!is_single(op, form->len) || !len) {
		copy(form->bytes, bytes, len);
		put_nops(form->bytes + len, gap);
		return 0;
	}
	for (unsigned i = 0; i < gap; i++) {
		OPAQUE(i);
		form->bytes[i] = (unsigned char)padding_prefix(bytes, len);
	}
	copy(form->bytes + gap, bytes, len);
	return gap;
}

static enum pv_status form_row(const struct pv_set *set, const struct pv_op *op, unsigned index, struct pv_plan *form)
{
	static const uint8_t widths[] = { 1, 4, 4, 4, 8, 1, 2 }; /* by PV_FIXUP_* */
	if (index >= set->nrows)
		return PV_E_TABLE;
	const struct pv_row *row = &set->rows[index];
	if (row->len > form->len)
		return PV_E_TABLE;
	start(form);
	unsigned shift = put_padded(op, set->bytes + row->bytes, row->len, form);
	for (unsigned i = 0; i < row->nfixups; i++) {
		const struct pv_fixup *fixup = &set->fixups[row->fixup + i];
		if (fixup->kind >= sizeof widths || fixup->offset + widths[fixup->kind] > row->len)
			return PV_E_TABLE;
		const void *target = offset_by(fixup->target, fixup->addend);
		int64_t value = (int64_t)(intptr_t)target; /* sign-extended where pointers have 32 bits */
		unsigned width = widths[fixup->kind];
		int fits = 1;
		switch (fixup->kind) {
		case PV_FIXUP_REL8:
		case PV_FIXUP_REL32: {
			enum pv_status status = put_relative(form, fixup->offset + shift, width, target);
			if (status != PV_OK)
				return status;
			continue;
		}
		case PV_FIXUP_ABS32:
			value = (int64_t)(uintptr_t)target;
			fits = value >= 0 && value <= (int64_t)UINT32_MAX;
			break;
		case PV_FIXUP_ABS32S:
			fits = value == (int32_t)value;
			break;
		case PV_FIXUP_ABS16:
			fits = value >= INT16_MIN && value <= UINT16_MAX;
			break;
		case PV_FIXUP_ABS8:
			fits = value >= INT8_MIN && value <= UINT8_MAX;
			break;
		}
		if (!fits)
			return PV_E_RANGE;
		put_absolute(form, fixup->offset + shift, width, (uint64_t)value);
	}
	return PV_OK;
}

static enum pv_status form_nops(const struct pv_op *op, struct pv_plan *form)
{
	unsigned char longest[8];
	start(form);
	if (is_single(op, form->len) && form->len > sizeof longest) {
		put_nops(longest, sizeof longest);
		(void)put_padded(op, longest, sizeof longest, form);
	} else {
		put_nops(form->bytes, form->len);
	}
	return PV_OK;
}

/* `call target` or `jmp target`, padded to `len` bytes. */
static enum pv_status form_direct(struct pv_plan *form, const struct pv_op *op, unsigned opcode, const void *target,
				  unsigned len)
{
	if (!opcode || len < CALL_LEN)
		return PV_E_NOCALL;
	if (!target)
		return PV_E_NULL;
	unsigned shift = is_single(op, len) ? len - CALL_LEN : 0;
	start(form);
	for (unsigned i = 0; i < shift; i++) {
		OPAQUE(i);
		form->bytes[i] = sizeof(void *) == 8 ? 0x2e : 0x3e;
	}
	form->bytes[shift] = (unsigned char)opcode;
	put_nops(form->bytes + shift + CALL_LEN, len - shift - CALL_LEN);
	return put_relative(form, shift + 1, 4, offset_by(target, -4));
}

/* A 4-byte operand that names the slot of op `index`. */
static enum pv_status put_slot(const struct pv_set *set, unsigned index, unsigned offset, int relative,
			       struct pv_plan *form)
{
	const void *slot = (const void *)(uintptr_t)&set->slots[index];
	if (relative)
		return put_relative(form, offset, 4, offset_by(slot, -4));
	if ((uintptr_t)slot > UINT32_MAX)
		return PV_E_RANGE;
	put_absolute(form, offset, 4, (uintptr_t)slot);
	return PV_OK;
}

/* The original form of a site of class (form->kind, form->len); of a jmp.stub site, `jmp stub`. */
static enum pv_status form_original(const struct pv_set *set, unsigned index, const unsigned char *stub,
				    struct pv_plan *form)
{
	const struct pv_kind *kind = &set->kinds[form->kind];
	if (kind->operand == PV_OPERAND_NONE)
		return form->kind == PV_KIND_NOP
			       ? form_nops(&set->ops[index], form)
			       : form_row(set, &set->ops[index], set->ops[index].inline_row, form);
	if (kind->opcode_len > sizeof kind->opcode || kind->opcode_len + 4 != form->len)
		return PV_E_TABLE;
	start(form);
	copy(form->bytes, kind->opcode, kind->opcode_len);
	switch (kind->operand) {
	case PV_OPERAND_TRAMPOLINE:
		return put_relative(form, kind->opcode_len, 4, offset_by(set->ops[index].trampoline, -4));
	case PV_OPERAND_SLOT_REL:
		return put_slot(set, index, kind->opcode_len, 1, form);
	case PV_OPERAND_SLOT_ABS:
		return put_slot(set, index, kind->opcode_len, 0, form);
	case PV_OPERAND_STUB:
		return put_relative(form, kind->opcode_len, 4, offset_by(stub, -4));
	default:
		return PV_E_TABLE;
	}
}

/* The original `call *slot` of a stub: RIP-relative in 64-bit mode, absolute in 32-bit mode. */
static enum pv_status form_stub_call(const struct pv_set *set, unsigned index, struct pv_plan *form)
{
	start(form);
	copy(form->bytes, set->stub + set->stub_call, 2);
	return put_slot(set, index, 2, set->mode == 64, form);
}

/* The form's bytes for the address `at`. */
static enum pv_status render(const struct pv_plan *form, unsigned len, const unsigned char *at, unsigned char *out)
{
	copy(out, form->bytes, len);
	for (unsigned i = 0; i < form->nrel; i++) {
		unsigned offset = form->rel_offset[i], width = form->rel_width[i];
		intptr_t value = (intptr_t)((uintptr_t)form->rel_target[i] - (uintptr_t)(at + offset));
		if (offset + width > len)
			return PV_E_TABLE;
		if (width == 1 ? value != (int8_t)value : value != (int32_t)value)
			return PV_E_RANGE;
		for (unsigned byte = 0; byte < width; byte++) {
			OPAQUE(byte);
			out[offset + byte] = (unsigned char)((uintptr_t)value >> (8 * byte));
		}
	}
	return PV_OK;
}

#endif
