/* pvc_pages.h - the part of pvc.c that writes at start by remapping pages. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PVC_PAGES_H
#define PVC_PAGES_H 1

/* What patch_pages() needs and reports. Every field is a word, so that the assembly counts in words. */
struct job {
	const struct pv_site *site, *sites_end;
	const struct pv_op *ops;
	struct pv_plan *plans;
	const struct run *runs, *runs_end;
	uintptr_t stub_len, stub_call;
	intptr_t step, error;
	const struct pv_branch_site *branch, *branches_end;
	struct pv_branch_state *states;
	const struct fresh *fresh;     /* null, or the entries of the short way */
	const struct pv_site *stopped; /* out: where the short way found something else and turned back */
};

/* The short way, for a set whose sites are all as compiled: what patch_pages() has to know of a class, by the index of its
 * plan. Verifying a million sites one by one costs more than writing them, and reading pages before they are populated
 * costs a fault each more. */
struct fresh {
	uint64_t wanted;  /* the new bytes */
	uint64_t opcode;  /* of the call that the compiler left */
	uint64_t mask;    /* the bytes that belong to the site */
	uintptr_t target; /* its field is this less the address of the site */
	uint64_t shift;   /* bits before the field */
	uint64_t len;     /* of the site */
};

#ifdef __x86_64__
#define WORD 8
#define OP_SIZE 40
#define PLAN_TARGETS 16
#define PLAN_BYTES 48
#define PLAN_SIZE 112
#else
#define WORD 4
#define OP_SIZE 24
#define PLAN_TARGETS 12
#define PLAN_BYTES 28
#define PLAN_SIZE 92
#endif
#define OP_PLAN (3 * WORD + 6)
_Static_assert(sizeof(void *) == WORD && sizeof(struct job) == 15 * WORD, "patch_pages() counts in words");
_Static_assert(sizeof(struct pv_site) == 8 && offsetof(struct pv_site, op) == 4 && offsetof(struct pv_site, len) == 6 &&
		       offsetof(struct pv_site, kind) == 7, "patch_pages() reads this layout");
_Static_assert(sizeof(struct pv_op) == OP_SIZE && offsetof(struct pv_op, plan) == OP_PLAN, "as above");
_Static_assert(sizeof(struct pv_plan) == PLAN_SIZE && offsetof(struct pv_plan, action) == 2 &&
		       offsetof(struct pv_plan, nrel) == 3 && offsetof(struct pv_plan, rel_offset) == 4 &&
		       offsetof(struct pv_plan, rel_width) == 8 && offsetof(struct pv_plan, rel_target) == PLAN_TARGETS &&
		       offsetof(struct pv_plan, bytes) == PLAN_BYTES, "as above");
_Static_assert(sizeof(struct pv_branch_site) == 12 && offsetof(struct pv_branch_site, target) == 4 &&
		       offsetof(struct pv_branch_site, branch) == 8 && offsetof(struct pv_branch_site, len) == 10 &&
		       offsetof(struct pv_branch_site, flags) == 11 && PV_BRANCH_JUMPS_IF == 1, "as above");
_Static_assert(sizeof(struct pv_branch_state) == 4 && offsetof(struct pv_branch_state, goal) == 1 &&
		       offsetof(struct pv_branch_state, changed) == 3, "as above");
#ifdef __x86_64__
_Static_assert(sizeof(struct fresh) == 48 && offsetof(struct fresh, opcode) == 8 && offsetof(struct fresh, mask) == 16 &&
		       offsetof(struct fresh, target) == 24 && offsetof(struct fresh, shift) == 32 &&
		       offsetof(struct fresh, len) == 40, "as above");
#endif
_Static_assert(TO_STUB == 0x40 && CHANGED == 0x80 && STUB_CHANGED == 0x10 && PV_KIND_JMP_STUB == 6, "as above");

#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define FIELD(n) STRING(n) "*" STRING(WORD) "(" BP ")" /* field number n of the job */
#define SITE FIELD(0)
#define SITES_END FIELD(1)
#define OPS FIELD(2)
#define PLANS FIELD(3)
#define RUNS FIELD(4)
#define RUNS_END FIELD(5)
#define STUB_LEN FIELD(6)
#define STUB_CALL FIELD(7)
#define STEP FIELD(8)
#define ERROR FIELD(9)
#define BRANCH FIELD(10)
#define BRANCHES_END FIELD(11)
#define STATES FIELD(12)
#define FRESH FIELD(13)
#define STOPPED FIELD(14)

#ifdef __x86_64__
#define AX "%rax"
#define BX "%rbx"
#define CX "%rcx"
#define DX "%rdx"
#define SI "%rsi"
#define DI "%rdi"
#define BP "%rbp"
#define RUN "%rbx"
#define ATTEMPTS "%r12d"
#define CMP "cmpq"
#define MOV "movq"
#define ENTER "push %rbp; push %rbx; push %r12; push %r13; push %r14; mov %rdi, %rbp;"
#define LEAVE "pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp; ret;"
#define LOAD_DISP(from, to32, to) "movslq " from ", " to ";"
#define ON_RUN(nr64, nr32, argument)                                                                               \
	"mov (%rbx), %rdi; mov 8(%rbx), %rsi; sub %rdi, %rsi; mov $" argument ", %edx; mov $" nr64 ", %eax; syscall;"
#else
#define AX "%eax"
#define BX "%ebx"
#define CX "%ecx"
#define DX "%edx"
#define SI "%esi"
#define DI "%edi"
#define BP "%ebp"
#define RUN "%esi"
#define ATTEMPTS "%edi"
#define CMP "cmpl"
#define MOV "movl"
#define ENTER "push %ebp; push %ebx; push %esi; push %edi; mov 20(%esp), %ebp;"
#define LEAVE "pop %edi; pop %esi; pop %ebx; pop %ebp; ret;"
#define LOAD_DISP(from, to32, to) "mov " from ", " to32 ";"
#define ON_RUN(nr64, nr32, argument)                                                                               \
	"mov (%esi), %ebx; mov 4(%esi), %ecx; sub %ebx, %ecx; mov $" argument ", %edx; mov $" nr32 ", %eax;"           \
	"int $0x80;"
#endif

/* The one stretch of code that runs while the sites' pages are not executable, and they may be all pages of the
 * program but this one. Hence assembly: no compiler, sanitizer or profiler adds a call to it. It stores what
 * prepare() decided; nothing in it can fail but the system calls. If one does, all runs are made executable again
 * before anything is stored. (Making them executable again was tried on a scratch page beforehand, and is tried many
 * times here: if it fails all the same, there is no text to return to.) Naked instead of top-level asm: that has no symbols under LTO. */
__attribute__((naked, noinline, used, aligned(4096), section(".text.pv_patch_pages")))
static void patch_pages(struct job *job __attribute__((unused)))
{
	__asm__(ENTER
		/* Every run read-write. */
		"mov " RUNS ", " RUN "\n"
		"1: cmp " RUNS_END ", " RUN "; je 2f;"
		ON_RUN("10", "125", "3")
		MOV " $4, " STEP ";" /* PV_STEP_WRITABLE */
		"test " AX ", " AX "; jnz 90f;"
		"add $2*" STRING(WORD) ", " RUN "; jmp 1b\n"
		/* Private copies of their pages, all at once. Before Linux 5.14: EINVAL, then each store faults one in. */
		"2: mov " RUNS ", " RUN "\n"
		"3: cmp " RUNS_END ", " RUN "; je 10f;"
		ON_RUN("28", "219", "23")
		MOV " $5, " STEP ";" /* PV_STEP_POPULATE */
		"cmp $-22, " AX "; je 4f;"
		"test " AX ", " AX "; jnz 90f\n"
		"4: add $2*" STRING(WORD) ", " RUN "; jmp 3b\n"

#ifdef __x86_64__
		"10: cmpq $0, " FRESH "; jne 100f\n"
#endif
		/* For each record: SI record, AX anchor, then DI where to write, CX plan, DX kind + (length << 8). */
#ifndef __x86_64__
		"10:"
#endif
		"mov " SITE ", " SI "\n"
		"11: cmp " SITES_END ", " SI "; je 60f;"
		LOAD_DISP("(" SI ")", "%eax", AX)
		"add " SI ", " AX ";"
		"movzwl 4(" SI "), %ecx; imul $" STRING(OP_SIZE) ", %ecx; add " OPS ", " CX ";"
		"movzwl " STRING(OP_PLAN) "(" CX "), %ecx; imul $" STRING(PLAN_SIZE) ", %ecx; add " PLANS ", " CX ";"
		"movzbl 7(" SI "), %edx; and $15, %edx; movb 6(" SI "), %dh\n"
		"12: cmpw %dx, (" CX "); je 13f; add $" STRING(PLAN_SIZE) ", " CX "; jmp 12b\n"
		"13: testb $0x90, 2(" CX "); jz 79f;" /* CHANGED | STUB_CHANGED */
		"mov " AX ", " DI ";"
		"cmpb $6, %dl; jne 20f;" /* jmp.stub: the way back, before the anchor, names the site */
		LOAD_DISP("-4(" AX ")", "%edi", DI)
		"lea -5(" AX ", " DI "), " DI ";"
		"testb $0x40, 2(" CX "); jz 20f;" /* TO_STUB: the site gets its jmp, the stub's call the bytes */
		"sub " STUB_LEN ", " AX ";"
		"testb $0x80, 2(" CX "); jz 14f;" /* CHANGED */
		"mov %eax, %edx; sub %edi, %edx; sub $5, %edx; movb $0xe9, (" DI "); mov %edx, 1(" DI ")\n"
		"14: testb $0x10, 2(" CX "); jz 79f;" /* STUB_CHANGED */
		"mov " AX ", " DI "; add " STUB_CALL ", " DI "; movb $6, %dh\n"
		"20: movzbl %dh, %edx;"
#ifdef __x86_64__
		/* Up to 8 bytes that do not reach into the next page, which may not be ours: one store, old and new blended. */
		"cmp $8, %edx; ja 40f;"
		"mov %edi, %eax; and $0xfff, %eax; cmp $0xff8, %eax; ja 40f;"
		"mov %rcx, %r8; mov " STRING(PLAN_BYTES) "(%r8), %rax; movzbl 3(%r8), %r9d\n"
		"21: dec %r9d; js 24f;"
		"movzbl 4(%r8, %r9), %ecx;"
		"mov " STRING(PLAN_TARGETS) "(%r8, %r9, 8), %r10; sub %rdi, %r10; sub %rcx, %r10;"
		"mov %r10d, %r11d; cmpb $4, 8(%r8, %r9); je 22f; movzbl %r10b, %r11d\n"
		"22: shl $3, %ecx; shl %cl, %r11; or %r11, %rax; jmp 21b\n"
		"24: mov $64, %ecx; lea (, %rdx, 8), %edx; sub %edx, %ecx;"
		"mov $-1, %r9; shr %cl, %r9; not %r9; and (%rdi), %r9; or %r9, %rax; mov %rax, (%rdi); jmp 79f\n"
#endif
		/* Any length: the bytes, then the fields over them. */
		"40: xor %ebx, %ebx\n"
		"41: movb " STRING(PLAN_BYTES) "(" CX ", " BX "), %al; movb %al, (" DI ", " BX ");"
		"inc %ebx; cmp %edx, %ebx; jb 41b;"
		"movzbl 3(" CX "), %ebx\n"
		"42: dec %ebx; js 79f;"
		"movzbl 4(" CX ", " BX "), %eax; add " DI ", " AX ";"
		"mov " STRING(PLAN_TARGETS) "(" CX ", " BX ", " STRING(WORD) "), " DX "; sub " AX ", " DX ";"
		"cmpb $4, 8(" CX ", " BX "); je 43f; movb %dl, (" AX "); jmp 42b\n"
		"43: mov %edx, (" AX "); jmp 42b\n"
		"79: add $8, " SI "; jmp 11b\n"

		/* For each record of a static branch: SI record, AX state, DI site, DX distance from its end to its target. */
		"60: mov " BRANCH ", " SI "\n"
		"61: cmp " BRANCHES_END ", " SI "; je 80f;"
		"movzwl 8(" SI "), %eax; shl $2, %eax; add " STATES ", " AX ";"
		"cmpb $0, 3(" AX "); je 69f;" /* changed */
		LOAD_DISP("(" SI ")", "%edi", DI)
		"add " SI ", " DI ";"
		LOAD_DISP("4(" SI ")", "%edx", DX)
		"lea 4(" SI ", " DX "), " DX "; sub " DI ", " DX "; movzbl 10(" SI "), %ecx; sub " CX ", " DX ";"
		"movb 1(" AX "), %al; xorb 11(" SI "), %al; testb $1, %al; jz 65f;"
		"cmpb $2, %cl; je 64f; movl $0x00441f0f, (" DI "); movb $0, 4(" DI "); jmp 69f\n" /* nopl 0(%rax,%rax,1) */
		"64: movw $0x9066, (" DI "); jmp 69f\n"                                           /* xchg %ax,%ax */
		"65: cmpb $2, %cl; je 66f; movb $0xe9, (" DI "); movl %edx, 1(" DI "); jmp 69f\n"
		"66: movb $0xeb, (" DI "); movb %dl, 1(" DI ")\n"
		"69: add $12, " SI "; jmp 61b\n"

		"jmp 80f");
#ifdef __x86_64__
	__asm__(/* The short way: rsi record, rbx end of them, rdi site; r14 class of the last one, r13 its entry, and of that r8
		 * target, cl shift, r9 opcode, r10 mask, r12 its complement, r11 wanted. Verify and store. */
		"100: mov " SITE ", %rsi; mov " SITES_END ", %rbx; mov $-1, %r14\n"
		"101: cmp %rbx, %rsi; jae 80f;"
		"mov 4(%rsi), %eax; cmp %rax, %r14; je 102f; call 140f\n" /* op, length, kind */
		"102: movslq (%rsi), %rdi; add %rsi, %rdi;"
		"lea 7(%rdi), %eax; xor %edi, %eax; test $-4096, %eax; jnz 120f;"
		"mov (%rdi), %rax;"
		"mov %r8, %rdx; sub %rdi, %rdx; shl %cl, %rdx; xor %r9, %rdx;" /* the old bytes; the mask cuts what is above */
		"xor %rax, %rdx; test %r10, %rdx; jnz 130f;"
		"and %r12, %rax; or %r11, %rax; mov %rax, (%rdi)\n"
		"104: add $8, %rsi; jmp 101b\n"
		/* Eight bytes would reach into the next page, which may not be ours. */
		"120: mov 40(%r13), %edx; xor %eax, %eax\n"
		"121: shl $8, %rax; movb -1(%rdi, %rdx), %al; dec %edx; jnz 121b;"
		"mov %r8, %rdx; sub %rdi, %rdx; shl %cl, %rdx; xor %r9, %rdx;"
		"xor %rax, %rdx; test %r10, %rdx; jnz 130f;"
		"mov %r11, %rax; call 150f; jmp 104b\n"
		/* A site holds something else: all before it held their old bytes, and get them back. */
		"130: mov %rsi, " STOPPED "; mov " SITE ", %rsi\n"
		"131: cmp " STOPPED ", %rsi; jae 80f;"
		"call 140f; movslq (%rsi), %rdi; add %rsi, %rdi;"
		"mov %r8, %rax; sub %rdi, %rax; shl %cl, %rax; or %r9, %rax; call 150f;"
		"add $8, %rsi; jmp 131b\n"
		/* The entry of a record's class. */
		"140: mov 4(%rsi), %r14d; movzwl %r14w, %ecx; imul $" STRING(OP_SIZE) ", %rcx; add " OPS ", %rcx;"
		"movzwl " STRING(OP_PLAN) "(%rcx), %r13d; imul $" STRING(PLAN_SIZE) ", %r13, %rdx; add " PLANS ", %rdx;"
		"movzbl 7(%rsi), %eax; and $15, %eax; movb 6(%rsi), %ah\n"
		"141: cmp %ax, (%rdx); je 142f; add $" STRING(PLAN_SIZE) ", %rdx; inc %r13; jmp 141b\n"
		"142: imul $48, %r13; add " FRESH ", %r13;"
		"mov (%r13), %r11; mov 8(%r13), %r9; mov 16(%r13), %r10; mov 24(%r13), %r8; mov 32(%r13), %ecx;"
		"mov %r10, %r12; not %r12; ret\n"
		/* Stores the bytes in rax, byte by byte. */
		"150: mov 40(%r13), %edx; mov %rdi, %r9\n"
		"151: movb %al, (%r9); shr $8, %rax; inc %r9; dec %edx; jnz 151b; mov 8(%r13), %r9; ret\n");
#endif
	__asm__(/* Every run read-execute; the first error is the one to report. */
		"80: " MOV " $0, " STEP "; xor " AX ", " AX "\n"
		"90: neg " AX "; mov " AX ", " ERROR "; mov " RUNS ", " RUN "\n"
		"91: cmp " RUNS_END ", " RUN "; je 93f; mov $1000, " ATTEMPTS "\n"
		"94: " ON_RUN("10", "125", "5")
		"test " AX ", " AX "; jz 92f; dec " ATTEMPTS "; jnz 94b;"
		CMP " $0, " ERROR "; jne 92f;"
		"neg " AX "; mov " AX ", " ERROR "; " MOV " $6, " STEP "\n" /* PV_STEP_EXECUTABLE */
		"92: add $2*" STRING(WORD) ", " RUN "; jmp 91b\n"
		"93: " LEAVE
		".balign 4096, 0xcc");
}
_Static_assert(PV_STEP_WRITABLE == 4 && PV_STEP_POPULATE == 5 && PV_STEP_EXECUTABLE == 6, "patch_pages() reports these");

/* Tries the way on one page that nobody runs: a private mapping of the program's own file, as text is, so that rules
 * about modified file text (SELinux execmod) show too; anonymous memory where /proc is missing. */
static enum pv_step probe(int *error)
{
	static const char program[] = "/proc/self/exe";
	long page = -1, result;
	enum pv_step step = PV_STEP_NONE;
	long fd = system_call(NR_OPEN, (long)program, O_CLOEXEC_, 0, 0, 0);

	if (!is_error(fd)) {
		page = map(PAGE, READ | EXEC, MAP_PRIVATE_, (int)fd);
		(void)system_call(NR_CLOSE, fd, 0, 0, 0, 0);
	}
	if (is_error(page))
		page = map(PAGE, READ | EXEC, MAP_PRIVATE_ | MAP_ANONYMOUS_, -1);
	*error = 0;
	if (is_error(page)) {
		*error = (int)-page;
		return PV_STEP_PROBE_MAP;
	}
	result = protect((uintptr_t)page, PAGE, READ | WRITE);
	if (is_error(result)) {
		step = PV_STEP_PROBE_WRITABLE;
	} else {
		*(volatile unsigned char *)page = 0; /* ours from here on, no longer the file's */
		result = protect((uintptr_t)page, PAGE, READ | EXEC);
		if (is_error(result))
			step = PV_STEP_PROBE_EXECUTABLE;
	}
	if (step != PV_STEP_NONE)
		*error = (int)-result;
	(void)system_call(NR_MUNMAP, page, PAGE, 0, 0, 0);
	return step;
}

/* Runs patch_pages() with all signals blocked: a handler may lie in a run. */
static void run_job(const struct pv_set *set, const struct pv_site *sites_end, struct runs *runs, const struct fresh *fresh,
		    struct job *job)
{
	uint64_t signals;
	split_runs(runs, (uintptr_t)patch_pages & ~(uintptr_t)(PAGE - 1));
	job->site = set->sites;
	job->sites_end = sites_end;
	job->ops = set->ops;
	job->plans = set->plans;
	job->runs = runs->run;
	job->runs_end = runs->run + runs->count;
	job->stub_len = set->stub_len;
	job->stub_call = set->stub_call;
	job->step = job->error = 0;
	job->branch = set->branch_sites;
	job->branches_end = set->branch_sites_end;
	job->states = set->branch_states;
	job->fresh = fresh;
	job->stopped = 0;
	signals = block_signals(~(uint64_t)0);
	patch_pages(job);
	(void)block_signals(signals);
}

/* Writes the batch by remapping. Fills report->refused if that could not even begin. */
static int write_by_mprotect(const struct pv_set *set, unsigned flags, struct pv_report *report)
{
	const struct pv_site *end = sites_end(set, flags);
	struct known_classes classes;
	struct branch_place branch;
	struct runs runs;
	struct job job;
	struct place place;
	unsigned char *at;
	uint64_t bytes = 0;

	report->refused = probe(&report->refused_error);
	if (report->refused != PV_STEP_NONE)
		return 0;
	begin_runs(&runs);
	forget_classes(&classes);
	for (const struct pv_site *record = set->sites; record < end; record++) {
		const struct known *known = known_class(set, record, &classes);
		if (known) {
			if (!(known->plan->action & CHANGED))
				continue;
			add_to_runs(&runs, (const unsigned char *)anchor_of(record), record->len);
			bytes += record->len;
			continue;
		}
		if (locate(set, record, &place) != PV_OK || !(place.plan->action & (CHANGED | STUB_CHANGED)))
			continue;
		for (unsigned which = 0; which < 2; which++) {
			unsigned len = write_at(&place, which, &at);
			if (len)
				add_to_runs(&runs, at, len);
			bytes += len;
		}
	}
	for (const struct pv_branch_site *record = set->branch_sites; record < set->branch_sites_end; record++) {
		if (locate_branch(set, record, &branch) != PV_OK || !branch.state->changed)
			continue;
		add_to_runs(&runs, branch.site, branch.len);
		bytes += branch.len;
	}
	run_job(set, end, &runs, 0, &job);
	if (job.error) {
		report->refused = (enum pv_step)job.step;
		report->refused_error = (int)job.error;
		return 0;
	}
	report->way = PV_WAY_MPROTECT;
	report->bytes = bytes;
	return 1;
}

#endif
