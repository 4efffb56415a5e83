/* Runs runtime/vectors.txt through the C runtime: prints the result of each line. */
#include "pvc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static unsigned char *arena;
static unsigned char bytes[] = { 0x48, 0x89, 0xf8, 0xb8, 1, 0, 0, 0 };
static const struct pv_row rows[] = { { 0, 3, 0, 0, 1, 0, 0 }, { 3, 5, 0, 0, 0, 0, 0 }, { 0, 3, 0, 0, 0, 0, 0 } };
static const struct pv_term terms[] = { { 1, 0 } };
static const struct pv_kind kinds[] = {
	{ { 0xe8 }, 1, 5, PV_OPERAND_TRAMPOLINE, 0xe8 }, { { 0xff, 0x15 }, 2, 6, PV_OPERAND_SLOT_REL, 0xe8 },
	{ { 0xff, 0x14, 0x25 }, 3, 7, PV_OPERAND_SLOT_ABS, 0xe8 }, { { 0xe9 }, 1, 5, PV_OPERAND_TRAMPOLINE, 0xe9 },
	{ { 0xff, 0x25 }, 2, 6, PV_OPERAND_SLOT_REL, 0xe9 }, { { 0 }, 0, 0, PV_OPERAND_NONE, 0 },
	{ { 0xe9 }, 1, 5, PV_OPERAND_STUB, 0xe8 }, { { 0 }, 0, 0, PV_OPERAND_NONE, 0xe8 }, { { 0 }, 0, 0, PV_OPERAND_NONE, 0xe8 },
};
static const char *const names[] = { "call.rel", "call.mem", "call.abs", "jmp.rel", "jmp.mem",
				     "jmp.mem.cs", "jmp.stub", "nop", "inline" };
static const unsigned char stub[33] = { 0x48, 0x8d, 0x64, 0x24, 0x80, 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83,
					0xe4, 0xf0, 0xff, 0x15, 0,    0,    0,    0,    0xc9, 0x48, 0x8d,
					0xa4, 0x24, 0x80, 0,    0,    0,    0xe9, 0,    0,    0,    0 };

/* Memory that is writable already, and that no other CPU executes. */
static int write_bytes(void *context, void *at, const unsigned char *from, size_t len)
{
	(void)context;
	memcpy(at, from, len);
	return 0;
}
static int synchronize(void *context)
{
	(void)context;
	return 0;
}
static void begin(void *context, const struct pv_change *changes, size_t count)
{
	(void)context, (void)changes, (void)count;
}
static void announce(void *context, uint32_t progress)
{
	(void)context, (void)progress;
}

/* A batch over the table: at start or live, to patch or to restore. */
static enum pv_status batch(const struct pv_set *set, const char *state, uint64_t features)
{
	struct pv_change journal[2];
	struct pv_text text = { .write = write_bytes };
	struct pv_live_text live = { begin, announce, write_bytes, synchronize, 0, 0, journal, 2 };
	struct pv_report report;
	int restore = strstr(state, "restore") != 0;
	if (strncmp(state, "live:", 5))
		return restore ? pv_restore(set, &text, &report) : pv_apply(set, features, 0, &text, &report);
	return restore ? pv_live_restore(set, &live, &report) : pv_live_apply(set, features, 0, &live, &report);
}

static const char *refusal(enum pv_status status)
{
	switch (status) {
	case PV_E_FOREIGN: return "foreign";
	case PV_E_NOCALL: return "nocall";
	case PV_E_RANGE: return "range";
	case PV_E_TABLE: return "table";
	case PV_E_SITE: return "record";
	case PV_E_NOT_LIVE: return "notlive";
	default: return "unexpected";
	}
}

static void parse(const char *hex, unsigned char *to)
{
	for (unsigned byte; *hex && *hex != '/' && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		*to++ = (unsigned char)byte;
}

static void print(const unsigned char *from, unsigned len)
{
	while (len--)
		printf("%02x", *from++);
}

static void print_result(enum pv_status status, unsigned len, int stub)
{
	if (status != PV_OK) {
		puts(refusal(status));
		return;
	}
	print(arena + 256, len);
	if (stub) {
		putchar('/');
		print(arena + 512 + 13, 6);
	}
	puts("");
}

/* The state without what says that it is reached live. */
static const char *goal_of(const char *state) { return strncmp(state, "live:", 5) ? state : state + 5; }

/* Answers a line about an op; not 0 if it makes no sense. */
static int answer(const char *kind, unsigned len, char *flags, const char *state, const char *before)
{
	const char *goal = goal_of(state);
	struct pv_op op = { "op", arena + 1280, arena + 1024, 0, 2, 1, 0, 1, 0 };
	struct pv_plan plan = { .len = (uint8_t)len };
	const void *applied = 0, *installed = arena + 1280;
	struct pv_site *record = (struct pv_site *)(void *)(arena + 64);
	uint64_t features = 0;
	while (strcmp(names[plan.kind], kind))
		if (++plan.kind == 9)
			return 4;
	record->kind = plan.kind;
	for (char *flag = strtok(flags, ","); flag; flag = strtok(0, ",")) {
		if (!strcmp(flag, "live")) op.flags |= PV_OP_LIVE, record->kind |= PV_SITE_LIVE;
		else if (!strcmp(flag, "result")) op.flags |= PV_OP_RESULT;
		else if (!strcmp(flag, "identity")) op.flags |= PV_OP_IDENTITY;
		else if (!strcmp(flag, "opnocall")) op.flags |= PV_OP_NOCALL;
		else if (!strcmp(flag, "nocall")) record->kind |= PV_SITE_NOCALL;
		else if (strcmp(flag, "-")) return 5;
	}
	if (!strcmp(goal, "fast")) features = 1;
	else if (!strcmp(goal, "backend")) installed = arena + 1536;
	else if (!strcmp(goal, "nop")) installed = arena + 1792;
	else if (!strcmp(goal, "identity")) installed = arena + 2048;
	else if (!strcmp(goal, "far")) installed = (void *)((uintptr_t)arena ^ (uintptr_t)1 << 40);
	else if (!strcmp(goal, "norow")) op.nrows = 1;
	else if (strcmp(goal, "restore") && strcmp(goal, "default")) return 6;
	memset(arena + 256, 0xcc, 512);
	memcpy(arena, &installed, sizeof installed);
	int32_t back = 256 + 5 - (512 + 33);
	memcpy(arena + 512, stub, 33);
	memcpy(arena + 512 + 29, &back, 4);
	parse(before, arena + 256);
	if (strchr(before, '/'))
		parse(strchr(before, '/') + 1, arena + 512 + 13);
	record->disp = (plan.kind == PV_KIND_JMP_STUB ? 512 + 33 : 256) - 64;
	record->op = 0;
	record->len = (uint8_t)len;
	struct pv_set set = { .format = PV_FORMAT, .mode = 64, .stub_len = 33, .stub_call = 13, .nkinds = 9, .nops = 1,
			      .nrows = 3, .nterms = 1, .nplans = 1, .identity_row = 2, .name = "vectors", .ops = &op,
			      .rows = rows, .terms = terms, .kinds = kinds, .bytes = bytes, .stub = stub,
			      .slots = (const void *const volatile *)(void *)arena, .identity_fn = arena + 2048,
			      .nop_fn = arena + 1792, .sites = record, .sites_end = record + 1, .plans = &plan,
			      .applied = &applied };
	print_result(batch(&set, state, features), len, plan.kind == PV_KIND_JMP_STUB);
	return 0;
}

/* The same of a line about a static branch. */
static int branch_answer(unsigned len, char *flags, const char *state, const char *before)
{
	const char *goal = goal_of(state);
	struct pv_branch branch = { .name = "branch" };
	struct pv_branch_site *record = (struct pv_branch_site *)(void *)(arena + 64);
	struct pv_branch_site written = { .site = 256 - 64, .len = (uint8_t)len };
	int64_t distance = 16;
	for (char *flag = strtok(flags, ","); flag; flag = strtok(0, ",")) {
		if (!strcmp(flag, "false")) written.flags |= PV_BRANCH_JUMPS_IF;
		else if (!strcmp(flag, "true")) branch.initial = 1;
		else if (!strcmp(flag, "live")) branch.flags |= PV_BRANCH_LIVE, written.flags |= PV_SITE_LIVE;
		else if (!strncmp(flag, "to=", 3)) distance = strtoll(flag + 3, 0, 10);
		else if (!strncmp(flag, "index=", 6)) written.branch = (uint16_t)strtoul(flag + 6, 0, 10);
		else return 7;
	}
	/* The record's second field is 68 bytes into the arena. */
	written.target = (int32_t)(256 + len + distance - 68);
	struct pv_branch_state held = { .held = branch.initial };
	if (!strcmp(goal, "on")) held.wanted = 1;
	else if (!strcmp(goal, "restore")) held.wanted = !branch.initial; /* what is wanted has no say */
	else if (strcmp(goal, "off")) return 8;
	memset(arena + 256, 0xcc, 512);
	memcpy(arena + 64, &written, sizeof written);
	parse(before, arena + 256);
	struct pv_set set = { .format = PV_FORMAT, .mode = 64, .stub_len = 33, .stub_call = 13, .nkinds = 9, .nrows = 3,
			      .nterms = 1, .identity_row = 2, .nbranches = 1, .name = "vectors", .rows = rows, .terms = terms,
			      .kinds = kinds, .bytes = bytes, .stub = stub, .branches = &branch, .branch_sites = record,
			      .branch_sites_end = record + 1, .branch_states = &held };
	print_result(batch(&set, state, 0), len, 0);
	return 0;
}

int main(int argc, char **argv)
{
	char line[512], kind[32], flags[64], state[32], before[128];
	FILE *file = argc == 2 ? fopen(argv[1], "r") : 0;
	unsigned len;
	arena = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!file || arena == MAP_FAILED)
		return 2;
	while (fgets(line, sizeof line, file)) {
		if (*line == '#')
			continue;
		if (sscanf(line, "%31s %u %63s %31s %127s", kind, &len, flags, state, before) != 5)
			return 3;
		int error = strcmp(kind, "branch") ? answer(kind, len, flags, state, before)
						   : branch_answer(len, flags, state, before);
		if (error)
			return error;
	}
	return 0;
}
