/* pvc_linux.h - the part of pvc.c for Linux programs. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * System calls are made directly: no libc, no errno, usable in a static -nostdlib program. Two ways to write text:
 * remapping its pages (patch_pages, one stretch of assembly) and /proc/self/mem (a text port of pvc.c).
 */
#ifndef PVC_LINUX_H
#define PVC_LINUX_H 1

#ifdef __x86_64__
enum {
	NR_OPEN = 2, NR_CLOSE = 3, NR_MMAP = 9, NR_MPROTECT = 10, NR_MUNMAP = 11, NR_SIGPROCMASK = 14, NR_PWRITE64 = 18
};
#else
enum {
	NR_OPEN = 5, NR_CLOSE = 6, NR_MMAP = 90, NR_MUNMAP = 91, NR_MPROTECT = 125, NR_SIGPROCMASK = 175,
	NR_PWRITE64 = 181
};
#endif
enum { READ = 1, WRITE = 2, EXEC = 4 };           /* PROT_* */
enum { MAP_PRIVATE_ = 2, MAP_ANONYMOUS_ = 0x20 };
enum { O_RDWR_ = 2, O_CLOEXEC_ = 02000000, SIG_SETMASK_ = 2, ERROR_INTR = 4, ERROR_IO = 5 };

/* Returns what the kernel does: -4095 to -1 is a negated errno. */
static long system_call(long number, long a, long b, long c, long d, long e)
{
	long result;
#ifdef __x86_64__
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
#else
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory");
#endif
	return result;
}

static int is_error(long result)
{
	return (unsigned long)result >= (unsigned long)-4095;
}

static long map(size_t size, int protection, int flags, int fd)
{
#ifdef __x86_64__
	/* The sixth argument: an offset of 0. */
	register long r9 __asm__("r9") = 0;
	long result;
	register long r10 __asm__("r10") = flags;
	register long r8 __asm__("r8") = fd;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"((long)NR_MMAP), "D"(0L), "S"(size), "d"((long)protection), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#else
	long arguments[6];
	arguments[0] = 0;
	arguments[1] = (long)size;
	arguments[2] = protection;
	arguments[3] = flags;
	arguments[4] = fd;
	arguments[5] = 0;
	return system_call(NR_MMAP, (long)arguments, 0, 0, 0, 0);
#endif
}

static long protect(uintptr_t address, size_t size, int protection)
{
	return system_call(NR_MPROTECT, (long)address, (long)size, protection, 0, 0);
}

/* ---- Runs: the stretches of pages that hold sites to be written --------------------------------------------- */

struct run {
	uintptr_t start, end; /* whole pages */
};

#define MAX_RUNS 64
struct runs {
	struct run run[MAX_RUNS + 1]; /* ascending; one spare for the split round our own page */
	unsigned count, last;         /* last: where the previous site went */
	uintptr_t gap;                /* runs closer than this are one: a system call costs more than a page's remap */
};

static void remove_run(struct runs *runs, unsigned index)
{
	runs->count--;
	for (unsigned i = index; i < runs->count; i++) {
		OPAQUE(i);
		runs->run[i].start = runs->run[i + 1].start;
		runs->run[i].end = runs->run[i + 1].end;
	}
}

static void insert_run(struct runs *runs, unsigned index, uintptr_t start, uintptr_t end)
{
	for (unsigned i = runs->count++; i > index; i--) {
		OPAQUE(i);
		runs->run[i].start = runs->run[i - 1].start;
		runs->run[i].end = runs->run[i - 1].end;
	}
	runs->run[index].start = start;
	runs->run[index].end = end;
}

static void merge_neighbours(struct runs *runs, unsigned index)
{
	struct run *run = &runs->run[index];
	while (index + 1 < runs->count && run[1].start <= run->end + runs->gap) {
		if (run[1].end > run->end)
			run->end = run[1].end;
		remove_run(runs, index + 1);
	}
}

static void add_to_runs(struct runs *runs, const unsigned char *at, unsigned len)
{
	uintptr_t start = (uintptr_t)at & ~(uintptr_t)(PAGE - 1);
	uintptr_t end = ((uintptr_t)at + len + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	unsigned i;

	if (runs->count && start >= runs->run[runs->last].start && end <= runs->run[runs->last].end)
		return;
	for (i = 0; i < runs->count && runs->run[i].end + runs->gap < start; i++)
		OPAQUE(i);
	if (i == runs->count || runs->run[i].start > end + runs->gap) {
		insert_run(runs, i, start, end);
	} else {
		if (start < runs->run[i].start)
			runs->run[i].start = start;
		if (end > runs->run[i].end)
			runs->run[i].end = end;
		merge_neighbours(runs, i);
	}
	while (runs->count > MAX_RUNS) { /* too scattered: bridge wider gaps */
		runs->gap *= 2;
		for (i = 0; i < runs->count; i++)
			merge_neighbours(runs, i);
		i = 0;
	}
	runs->last = i < runs->count ? i : 0;
}

/* The page at `hole` must stay executable. No site lies in it. */
static void split_runs(struct runs *runs, uintptr_t hole)
{
	for (unsigned i = 0; i < runs->count; i++) {
		uintptr_t start = runs->run[i].start, end = runs->run[i].end;
		if (hole < start || hole >= end)
			continue;
		remove_run(runs, i);
		if (hole + PAGE < end)
			insert_run(runs, i, hole + PAGE, end);
		if (start < hole)
			insert_run(runs, i, start, hole);
		return;
	}
}

/* ---- Way 1: remap, store, remap ------------------------------------------------------------------------------ */

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
_Static_assert(sizeof(void *) == WORD && sizeof(struct job) == 13 * WORD, "patch_pages() counts in words");
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

#ifdef __x86_64__
#define AX "%rax"
#define BX "%rbx"
#define CX "%rcx"
#define DX "%rdx"
#define SI "%rsi"
#define DI "%rdi"
#define BP "%rbp"
#define RUN "%rbx"
#define CMP "cmpq"
#define MOV "movq"
#define ENTER "push %rbp; push %rbx; mov %rdi, %rbp;"
#define LEAVE "pop %rbx; pop %rbp; ret;"
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
 * before anything is stored. (Making them executable again was tried on a scratch page beforehand: if it fails here
 * all the same, there is no text to return to.) Naked instead of top-level asm: that has no symbols under LTO. */
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

		/* For each record: SI record, AX anchor, then DI where to write, CX plan, DX kind + (length << 8). */
		"10: mov " SITE ", " SI "\n"
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

		/* Every run read-execute; the first error is the one to report. */
		"80: " MOV " $0, " STEP "; xor " AX ", " AX "\n"
		"90: neg " AX "; mov " AX ", " ERROR "; mov " RUNS ", " RUN "\n"
		"91: cmp " RUNS_END ", " RUN "; je 93f;"
		ON_RUN("10", "125", "5")
		"test " AX ", " AX "; jz 92f;"
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

/* Writes the batch by remapping. Fills report->refused if that could not even begin. */
static int write_by_mprotect(const struct pv_set *set, unsigned flags, struct pv_report *report)
{
	const struct pv_site *end = sites_end(set, flags);
	struct branch_place branch;
	struct runs runs;
	struct job job;
	struct place place;
	unsigned char *at;
	uint64_t bytes = 0, all_signals = ~(uint64_t)0, signals = 0;

	report->refused = probe(&report->refused_error);
	if (report->refused != PV_STEP_NONE)
		return 0;
	runs.count = runs.last = 0;
	runs.gap = 16 * PAGE;
	for (const struct pv_site *record = set->sites; record < end; record++) {
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
	split_runs(&runs, (uintptr_t)patch_pages & ~(uintptr_t)(PAGE - 1));
	job.site = set->sites;
	job.sites_end = end;
	job.ops = set->ops;
	job.plans = set->plans;
	job.runs = runs.run;
	job.runs_end = runs.run + runs.count;
	job.stub_len = set->stub_len;
	job.stub_call = set->stub_call;
	job.step = job.error = 0;
	job.branch = set->branch_sites;
	job.branches_end = set->branch_sites_end;
	job.states = set->branch_states;
	/* A signal handler may lie in a run. */
	(void)system_call(NR_SIGPROCMASK, SIG_SETMASK_, (long)&all_signals, (long)&signals, sizeof signals, 0);
	patch_pages(&job);
	(void)system_call(NR_SIGPROCMASK, SIG_SETMASK_, (long)&signals, 0, sizeof signals, 0);
	if (job.error) {
		report->refused = (enum pv_step)job.step;
		report->refused_error = (int)job.error;
		return 0;
	}
	report->way = PV_WAY_MPROTECT;
	report->bytes = bytes;
	return 1;
}

/* ---- Way 2: /proc/self/mem ----------------------------------------------------------------------------------- */

/* Collects neighbouring sites, with the text between them, so that a system call carries many. */
struct window {
	int fd;
	size_t used;
	unsigned char *start;       /* where bytes[0] belongs */
	unsigned char bytes[16384];
};

static int flush(struct window *window)
{
	unsigned char *bytes = window->bytes;
	uintptr_t at = (uintptr_t)window->start;
	size_t left = window->used;

	window->used = 0;
	while (left) {
#ifdef __x86_64__
		long written = system_call(NR_PWRITE64, window->fd, (long)bytes, (long)left, (long)at, 0);
#else
		long written = system_call(NR_PWRITE64, window->fd, (long)bytes, (long)left, (long)at, 0 /* high half */);
#endif
		if (written == -ERROR_INTR)
			continue;
		if (is_error(written))
			return (int)-written;
		if (!written)
			return ERROR_IO;
		bytes += written;
		at += (uintptr_t)written;
		left -= (size_t)written;
	}
	return 0;
}

static int window_write(void *context, void *address, const unsigned char *bytes, size_t len)
{
	struct window *window = context;
	unsigned char *at = address, *end = window->start + window->used;

	/* A gap below a page reaches over no page but those of the two sites: all of it is mapped text. */
	if (window->used && (at < window->start || (at > end && (size_t)(at - end) >= PAGE) ||
			     (size_t)(at - window->start) + len > sizeof window->bytes)) {
		int error = flush(window);
		if (error)
			return error;
	}
	if (!window->used) {
		window->start = end = at;
	} else if (at > end) {
		copy(window->bytes + window->used, end, (size_t)(at - end));
	}
	copy(window->bytes + (at - window->start), bytes, len);
	if (at + len > end)
		window->used = (size_t)(at - window->start) + len;
	return 0;
}

static int window_sync(void *context)
{
	int error = flush(context);
	/* The kernel wrote through another linear address: serialize before running it (SDM volume 3, 9.1.3). */
	(void)cpuid(0, 0);
	return error;
}

static enum pv_status system_failure(struct pv_report *report, enum pv_step step, long result)
{
	report->step = step;
	report->error = (int)-result;
	return report->status = PV_E_SYSTEM;
}

static enum pv_status write_by_proc_mem(const struct pv_set *set, unsigned flags, struct pv_report *report)
{
	static const char memory[] = "/proc/self/mem";
	static struct window window;
	struct pv_text text;
	enum pv_status status;

	text.undo_size = pv_undo_size(set);
	long undo = map(text.undo_size, READ | WRITE, MAP_PRIVATE_ | MAP_ANONYMOUS_, -1);
	if (is_error(undo))
		return system_failure(report, PV_STEP_UNDO_MAP, undo);
	long fd = system_call(NR_OPEN, (long)memory, O_RDWR_ | O_CLOEXEC_, 0, 0, 0);
	if (is_error(fd)) {
		status = system_failure(report, PV_STEP_OPEN, fd);
	} else {
		window.fd = (int)fd;
		window.used = 0;
		text.write = window_write;
		text.sync = window_sync;
		text.context = &window;
		text.undo = (unsigned char *)undo;
		report->way = PV_WAY_PROC_MEM;
		status = write_all(set, &text, flags, report);
		if (status != PV_OK)
			report->way = PV_WAY_NONE;
		(void)system_call(NR_CLOSE, fd, 0, 0, 0, 0);
	}
	(void)system_call(NR_MUNMAP, undo, (long)text.undo_size, 0, 0, 0);
	return status;
}

/* ---- Entry points -------------------------------------------------------------------------------------------- */

/* pvc_live_linux.h: one patcher at a time in the process. */
static uint64_t lock_patchers(void);
static void unlock_patchers(uint64_t signals);

static enum pv_status run_linux(const struct pv_set *set, int restore, uint64_t features, unsigned flags,
				struct pv_report *report)
{
	struct pv_report unwanted;
	if (!report)
		report = &unwanted;
	const uint64_t signals = lock_patchers();
	enum pv_status status = prepare(set, restore, features, flags, report);
	if (status == PV_OK && !nothing_to_write(report) && !write_by_mprotect(set, flags, report))
		status = write_by_proc_mem(set, flags, report);
	if (status == PV_OK)
		commit(set, flags);
	unlock_patchers(signals);
	return status;
}

enum pv_status pv_patch_with(const struct pv_set *set, uint64_t features, unsigned flags, struct pv_report *report)
{
	return run_linux(set, 0, features, flags, report);
}

/* The CPU's features and those of the declared ones that hold. */
static uint64_t all_features(const struct pv_set *set, uint64_t declared)
{
	uint64_t features = 0;
	if (set->format == PV_FORMAT) { /* else do not read it; prepare() refuses it */
		features = pv_cpu_features(set);
		for (unsigned i = 0; i < set->nfeatures && i < 64; i++)
			if (set->features[i].source == PV_DECLARED)
				features |= declared & (uint64_t)1 << i;
	}
	return features;
}

enum pv_status pv_patch(const struct pv_set *set, uint64_t declared, struct pv_report *report)
{
	return run_linux(set, 0, all_features(set, declared), 0, report);
}

enum pv_status pv_set_branch(const struct pv_set *set, unsigned branch, int value, struct pv_report *report)
{
	struct pv_report unwanted;
	int before = set->format == PV_FORMAT ? pv_want_branch(set, branch, value) : 0;
	enum pv_status status;

	if (!report)
		report = &unwanted;
	if (before < 0) {
		zero(report, sizeof *report);
		report->op = PV_NONE;
		report->branch = (uint16_t)branch;
		return report->status = PV_E_TABLE;
	}
	status = run_linux(set, 0, 0, PV_ALLOW_NO_SITES | PV_BRANCHES_ONLY, report);
	if (status != PV_OK && set->format == PV_FORMAT)
		(void)pv_want_branch(set, branch, before);
	return status;
}

enum pv_status pv_unpatch(const struct pv_set *set, struct pv_report *report)
{
	return run_linux(set, 1, 0, 0, report);
}

int pv_protect_ops(const struct pv_set *set, int writable)
{
	uintptr_t start = (uintptr_t)set->slots & ~(uintptr_t)(PAGE - 1);
	uintptr_t end = ((uintptr_t)(set->slots + set->nops) + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	return (int)-protect(start, end - start, writable ? READ | WRITE : READ);
}
#endif
