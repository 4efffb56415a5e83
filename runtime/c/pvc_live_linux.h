/* pvc_live_linux.h - the part of pvc.c that patches Linux programs while their threads run. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What all users of a runtime in the process share, the handler of SIGTRAP, and the two views through which text is written.
 */
#ifndef PVC_LIVE_LINUX_H
#define PVC_LIVE_LINUX_H 1

#ifdef __x86_64__
enum {
	NR_READ = 0, NR_SIGACTION = 13, NR_MADVISE = 28, NR_NANOSLEEP = 35, NR_GETPID = 39, NR_GETTID = 186, NR_FUTEX = 202,
	NR_GETDENTS64 = 217, NR_TGKILL = 234, NR_OPENAT = 257, NR_MEMBARRIER = 324
};
enum { CONTEXT_IP = 168, CONTEXT_BLOCKED = 296 }; /* in struct ucontext, arch/x86/include/uapi/asm/sigcontext.h */
#define RESTORER "mov $15, %eax; syscall"
#else
enum {
	NR_READ = 3, NR_SIGACTION = 174, NR_MADVISE = 219, NR_NANOSLEEP = 162, NR_GETPID = 20, NR_GETTID = 224, NR_FUTEX = 240,
	NR_GETDENTS64 = 220, NR_TGKILL = 270, NR_OPENAT = 295, NR_MEMBARRIER = 375
};
enum { CONTEXT_IP = 76, CONTEXT_BLOCKED = 108 };
#define RESTORER "mov $173, %eax; int $0x80"
#endif
enum {
	SIGTRAP_ = 5, SIG_DFL_ = 0, SIG_IGN_ = 1, SI_KERNEL_ = 0x80, FUTEX_WAIT_PRIVATE_ = 128, FUTEX_WAKE_PRIVATE_ = 129,
	MADV_WIPEONFORK_ = 18, O_DIRECTORY_ = 0200000, ERROR_NOENT = 2, ERROR_SRCH = 3, ERROR_BUSY = 16,
	SYNC_CORE = 1 << 5, REGISTER_SYNC_CORE = 1 << 6
};
#define SA_SIGINFO_ 0x4ul
#define SA_RESTORER_ 0x04000000ul
#define SA_ONSTACK_ 0x08000000ul
#define SA_RESTART_ 0x10000000ul
#define SA_NODEFER_ 0x40000000ul
#define SA_RESETHAND_ 0x80000000ul

/* The kernel's struct sigaction. */
struct kernel_sigaction {
	uintptr_t handler;
	unsigned long flags;
	uintptr_t restorer;
	uint64_t mask;
} __attribute__((packed, aligned(sizeof(void *))));

/* What all users of a runtime in the process share (runtime/FORMAT.md, "Shared state"): zero at first. */
struct pv_live {
	uint32_t lock;     /* 0 free, 1 taken, 2 taken and waited for */
	uint32_t progress; /* of the batch under way */
	uint32_t waiters;  /* threads that look at the changes, or sleep until the batch is at its end */
	uint32_t adopter;  /* id of the forked process that takes over what its parent's patcher left */
#ifdef __x86_64__
	uint64_t generation;
#else
	uint32_t generation;
#endif
	const struct pv_change *changes; /* of the batch under way, or of the last one */
	size_t count;
	uint32_t *token; /* on a page that is zero in a forked child: 1 where the patcher lives */
	uintptr_t handler;
	struct kernel_sigaction former; /* what the handler was installed over; written before `handler` */
	pv_live_observer *observer;
	void *observer_context;
	struct pv_change *journal; /* memory for the changes, kept for the next batch */
	size_t journal_room;
	uint32_t registered; /* 1: registered for membarrier */
	uint32_t window;     /* 1: text is writable and executable while this batch runs */
	unsigned long trapped;
};
#ifdef __x86_64__
_Static_assert(sizeof(struct pv_live) == 136 && sizeof(struct kernel_sigaction) == 32 && sizeof(struct pv_change) == 40,
	       "the Rust runtime has the same");
#endif
extern struct pv_live pv_live_1;
struct pv_live pv_live_1 __attribute__((weak, aligned(64)));

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define STORE(x, value) __atomic_store_n(&(x), value, __ATOMIC_SEQ_CST)
#define SWAP(x, value) __atomic_exchange_n(&(x), value, __ATOMIC_SEQ_CST)
#define ADD(x, value) ((void)__atomic_fetch_add(&(x), value, __ATOMIC_SEQ_CST))

static void futex_wait(uint32_t *word, uint32_t value)
{
	(void)system_call(NR_FUTEX, (long)word, FUTEX_WAIT_PRIVATE_, (long)value, 0, 0);
}

static void futex_wake(uint32_t *word, int count)
{
	(void)system_call(NR_FUTEX, (long)word, FUTEX_WAKE_PRIVATE_, count, 0, 0);
}

static void sleep_for(long nanoseconds)
{
	long time[2];
	time[0] = 0;
	time[1] = nanoseconds;
	(void)system_call(NR_NANOSLEEP, (long)time, 0, 0, 0, 0);
}

static uint64_t block_signals(uint64_t blocked)
{
	uint64_t before = 0;
	(void)system_call(NR_SIGPROCMASK, SIG_SETMASK_, (long)&blocked, (long)&before, sizeof before, 0);
	return before;
}

/* ---- The lock ------------------------------------------------------------------------------------------------ */

static int settle_unfinished(void);

/* Whether this process is a forked child that has not taken over yet. */
static int is_forked(void)
{
	uint32_t *token = LOAD(pv_live_1.token);
	return token && !LOAD(*token);
}

/* In a forked child: ends what the parent's patcher was about. That thread does not exist here, and the text is the child's
 * own copy. (A child by vfork shares memory and token with its parent.) */
static void adopt(void)
{
	uint64_t signals = block_signals(~(uint64_t)0);
	uint32_t self = (uint32_t)system_call(NR_GETPID, 0, 0, 0, 0, 0);
	if (SWAP(pv_live_1.adopter, self) == self) {
		while (is_forked())
			sleep_for(100000);
	} else {
		STORE(pv_live_1.lock, 1);
		STORE(pv_live_1.waiters, 0);
		STORE(pv_live_1.registered, 0);
		while (!settle_unfinished())
			sleep_for(1000000);
		STORE(pv_live_1.lock, 0);
		STORE(*pv_live_1.token, 1);
	}
	(void)block_signals(signals);
}

/* Blocks all signals: a handler could contain sites, or patch itself. Returns what was blocked before. */
static uint64_t lock_patchers(void)
{
	uint64_t signals = block_signals(~(uint64_t)0);
	uint32_t taken = 0;
	if (is_forked())
		adopt();
	if (!__atomic_compare_exchange_n(&pv_live_1.lock, &taken, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		while (SWAP(pv_live_1.lock, 2))
			futex_wait(&pv_live_1.lock, 2);
	return signals;
}

static void unlock_patchers(uint64_t signals)
{
	if (SWAP(pv_live_1.lock, 0) == 2)
		futex_wake(&pv_live_1.lock, 1);
	(void)block_signals(signals);
}

static size_t journal_bytes(size_t room)
{
	return (room * sizeof(struct pv_change) + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static void drop_journal(void)
{
	STORE(pv_live_1.count, 0);
	size_t room = SWAP(pv_live_1.journal_room, 0);
	struct pv_change *journal = SWAP(pv_live_1.journal, 0);
	/* A handler that came before `count` was 0 may still look at it: then the memory is lost. */
	if (room && !LOAD(pv_live_1.waiters))
		(void)system_call(NR_MUNMAP, (long)journal, (long)journal_bytes(room), 0, 0, 0);
}

static enum pv_status get_journal(size_t room, struct journal *journal, struct pv_report *report)
{
	if (LOAD(pv_live_1.journal_room) < room) {
		size_t bytes = journal_bytes(room);
		drop_journal();
		long pages = map(bytes, READ | WRITE, MAP_PRIVATE_ | MAP_ANONYMOUS_, -1);
		if (is_error(pages))
			return system_failure(report, PV_STEP_UNDO_MAP, pages);
		STORE(pv_live_1.journal, (struct pv_change *)pages);
		STORE(pv_live_1.journal_room, bytes / sizeof(struct pv_change));
	}
	journal->changes = LOAD(pv_live_1.journal);
	journal->count = 0;
	journal->room = room;
	return PV_OK;
}

/* What must be there before the first batch. */
static enum pv_status set_up(struct pv_report *report)
{
	if (!LOAD(pv_live_1.token)) {
		long page = map(PAGE, READ | WRITE, MAP_PRIVATE_ | MAP_ANONYMOUS_, -1);
		if (is_error(page))
			return system_failure(report, PV_STEP_PROBE_MAP, page);
		long result = system_call(NR_MADVISE, page, PAGE, MADV_WIPEONFORK_, 0, 0);
		if (is_error(result)) {
			(void)system_call(NR_MUNMAP, page, PAGE, 0, 0, 0);
			return system_failure(report, PV_STEP_PROBE_MAP, result);
		}
		*(uint32_t *)page = 1;
		STORE(pv_live_1.token, (uint32_t *)page);
	}
	if (!LOAD(pv_live_1.registered)) {
		long result = system_call(NR_MEMBARRIER, REGISTER_SYNC_CORE, 0, 0, 0, 0);
		if (is_error(result))
			return system_failure(report, PV_STEP_REGISTER, result);
		STORE(pv_live_1.registered, 1);
	}
	return PV_OK;
}

/* ---- The handler of SIGTRAP: async-signal-safe ---------------------------------------------------------------- */

__attribute__((naked, noinline, used)) static void restorer(void)
{
	__asm__(RESTORER); /* rt_sigreturn */
}

static int in_batch(uintptr_t address)
{
	int found = 0;
	ADD(pv_live_1.waiters, 1);
	size_t count = LOAD(pv_live_1.count);
	const struct pv_change *changes = LOAD(pv_live_1.changes);
	for (size_t i = 0; i < count && !found; i++)
		found = (uintptr_t)changes[i].address == address;
	ADD(pv_live_1.waiters, -1u);
	return found;
}

/* Returns 1 when the instruction at `address` can be executed (again), 0 if the breakpoint there is somebody else's. */
static int wait_at(uintptr_t address)
{
	for (;;) {
		uint32_t progress = LOAD(pv_live_1.progress);
		int ours = in_batch(address), stands = *(volatile const unsigned char *)address == INT3;
		if (LOAD(pv_live_1.progress) != progress)
			continue; /* what was read may belong to two batches */
		switch (pv_live_verdict(PV_LIVE_STATE(progress), ours, stands)) {
		case PV_LIVE_AGAIN: return 1;
		case PV_LIVE_FOREIGN: return 0;
		default: break;
		}
		if (is_forked()) {
			adopt();
			continue;
		}
		ADD(pv_live_1.waiters, 1);
		futex_wait(&pv_live_1.progress, progress);
		ADD(pv_live_1.waiters, -1u);
	}
}

static long trap_action(const struct kernel_sigaction *new, struct kernel_sigaction *old)
{
	return system_call(NR_SIGACTION, SIGTRAP_, (long)new, (long)old, sizeof new->mask, 0);
}

static long set_trap_action(uintptr_t handler, unsigned long flags)
{
	struct kernel_sigaction action;
	action.handler = handler;
	action.flags = flags | SA_RESTORER_;
	action.restorer = (uintptr_t)restorer;
	action.mask = 0;
	return trap_action(&action, 0);
}

/* Hands a trap that is not ours to the handler that was there before. */
static void chain(int signal, const int *info, unsigned char *context, int is_breakpoint)
{
	struct kernel_sigaction *former = &pv_live_1.former;
	uintptr_t *ip = (uintptr_t *)(void *)(context + CONTEXT_IP);
	uintptr_t handler = former->handler;
	if (handler == SIG_IGN_ && !is_breakpoint)
		return;
	if (handler == SIG_DFL_ || handler == SIG_IGN_) {
		/* As without us: the process ends, by the same breakpoint where there is one. */
		(void)set_trap_action(SIG_DFL_, 0);
		if (is_breakpoint)
			--*ip;
		else
			(void)system_call(NR_TGKILL, system_call(NR_GETPID, 0, 0, 0, 0, 0),
					  system_call(NR_GETTID, 0, 0, 0, 0, 0), SIGTRAP_, 0, 0);
		return;
	}
	if (former->flags & SA_RESETHAND_)
		former->handler = SIG_DFL_;
	uint64_t blocked = read32(context + CONTEXT_BLOCKED) | (uint64_t)read32(context + CONTEXT_BLOCKED + 4) << 32;
	if (!(former->flags & SA_NODEFER_))
		blocked |= 1u << (SIGTRAP_ - 1);
	(void)block_signals(blocked | former->mask);
	if (former->flags & SA_SIGINFO_)
		((void (*)(int, const int *, unsigned char *))handler)(signal, info, context);
	else
		((void (*)(int))handler)(signal);
}

static void on_trap(int signal, const int *info, unsigned char *context)
{
	uintptr_t *ip = (uintptr_t *)(void *)(context + CONTEXT_IP);
	int is_breakpoint = info[2] == SI_KERNEL_; /* si_signo, si_errno, si_code */
	if (is_breakpoint && wait_at(*ip - 1)) {
		ADD(pv_live_1.trapped, 1);
		--*ip; /* the site begins with the breakpoint, one byte back */
		return;
	}
	chain(signal, info, context, is_breakpoint);
}

static enum pv_status install_handler(struct pv_report *report)
{
	struct kernel_sigaction current;
	long result = trap_action(0, &current);
	if (is_error(result))
		return system_failure(report, PV_STEP_TRAP_HANDLER, result);
	uintptr_t handler = LOAD(pv_live_1.handler);
	if (handler)
		return handler == current.handler ? PV_OK
						  : system_failure(report, PV_STEP_TRAP_HANDLER, -ERROR_BUSY);
	copy((unsigned char *)&pv_live_1.former, (const unsigned char *)&current, sizeof current);
	/* No signal is blocked meanwhile, not even SIGTRAP: handlers that run on top of this one may reach a site, too, and
	 * the next batch must not take a thread that is still in here for one that blocks SIGTRAP. */
	STORE(pv_live_1.handler, (uintptr_t)on_trap);
	result = set_trap_action((uintptr_t)on_trap, SA_SIGINFO_ | SA_ONSTACK_ | SA_RESTART_ | SA_NODEFER_);
	if (!is_error(result))
		return PV_OK;
	STORE(pv_live_1.handler, 0);
	return system_failure(report, PV_STEP_TRAP_HANDLER, result);
}

/* ---- Threads that block SIGTRAP ------------------------------------------------------------------------------- */

/* Whether the status file of a thread says so; a negated errno. */
static long blocks_traps(long tasks, const char *thread)
{
	static const char suffix[] = "/status", line[] = "\nSigBlk:\t";
	char path[32], text[4096];
	unsigned n = 0;
	for (; thread[n] && n < 20; n++)
		path[n] = thread[n];
	copy((unsigned char *)path + n, (const unsigned char *)suffix, sizeof suffix);
	long file = system_call(NR_OPENAT, tasks, (long)path, O_CLOEXEC_, 0, 0);
	if (is_error(file))
		return file == -ERROR_NOENT || file == -ERROR_SRCH ? 0 : file;
	long size = system_call(NR_READ, file, (long)text, sizeof text, 0, 0);
	(void)system_call(NR_CLOSE, file, 0, 0, 0, 0);
	if (is_error(size))
		return size == -ERROR_SRCH ? 0 : size;
	/* 16 hexadecimal digits; SIGTRAP is bit 4, the lowest of the last digit but one. */
	for (long at = 0; at + (long)sizeof line + 16 <= size; at++) {
		if (!equal((const unsigned char *)text + at, (const unsigned char *)line, sizeof line - 1))
			continue;
		int digit = text[at + (long)sizeof line - 1 + 14];
		return (digit <= '9' ? digit - '0' : digit - 'a' + 10) & 1;
	}
	return 0;
}

/* The id of a thread that blocks SIGTRAP, 0 if there is none, or a negated errno. */
static long blocked_thread(void)
{
	static const char directory[] = "/proc/self/task";
	unsigned char entries[2048];
	long self = system_call(NR_GETTID, 0, 0, 0, 0, 0), found = 0, size;
	long tasks = system_call(NR_OPEN, (long)directory, O_CLOEXEC_ | O_DIRECTORY_, 0, 0, 0);
	if (is_error(tasks))
		return tasks;
	while (!found) {
		size = system_call(NR_GETDENTS64, tasks, (long)entries, sizeof entries, 0, 0);
		if (size <= 0) {
			found = size;
			break;
		}
		/* struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name */
		for (long at = 0; at < size && !found; at += entries[at + 16] | entries[at + 17] << 8) {
			const char *name = (const char *)entries + at + 19;
			long thread = 0;
			for (unsigned i = 0; name[i] >= '0' && name[i] <= '9'; i++)
				thread = thread * 10 + (name[i] - '0');
			if (!thread || thread == self)
				continue;
			long blocks = blocks_traps(tasks, name);
			found = blocks > 0 ? thread : blocks;
		}
	}
	(void)system_call(NR_CLOSE, tasks, 0, 0, 0, 0);
	return found;
}

static enum pv_status none_blocks_traps(struct pv_report *report)
{
	/* C libraries block all signals for a moment where threads start and end: look again. */
	for (unsigned attempts = 0;; attempts++) {
		long thread = blocked_thread();
		if (!thread)
			return PV_OK;
		if (thread < 0)
			return system_failure(report, PV_STEP_THREADS, thread);
		if (attempts == 50) {
			report->address = (const void *)thread;
			return system_failure(report, PV_STEP_TRAP_BLOCKED, -ERROR_BUSY);
		}
		sleep_for(200000);
	}
}

/* ---- Views: writing to text that stays executable -------------------------------------------------------------- */

static void begin_batch(void *context, const struct pv_change *changes, size_t count)
{
	(void)context;
	STORE(pv_live_1.count, 0);
	STORE(pv_live_1.changes, changes);
	STORE(pv_live_1.count, count);
}

static void announce(void *context, uint32_t progress)
{
	(void)context;
	STORE(pv_live_1.progress, progress);
	if (PV_LIVE_STATE(progress) == PV_LIVE_IDLE && LOAD(pv_live_1.waiters))
		futex_wake(&pv_live_1.progress, 0x7fffffff);
}

static int synchronize_threads(void *window)
{
	int error = window ? flush(window) : 0;
	return error ? error : (int)-system_call(NR_MEMBARRIER, SYNC_CORE, 0, 0, 0, 0);
}

static int plain_write(void *context, void *address, const unsigned char *bytes, size_t len)
{
	volatile unsigned char *at = address;
	(void)context;
	for (size_t i = 0; i < len; i++)
		at[i] = bytes[i];
	return 0;
}

static void fill_view(struct pv_live_text *text, struct window *window)
{
	text->begin = begin_batch;
	text->announce = announce;
	text->write = window ? window_write : plain_write;
	text->synchronize = synchronize_threads;
	text->context = window;
	text->progress = LOAD(pv_live_1.progress);
	text->journal = 0;
	text->journal_room = 0;
}

/* The window of /proc/self/mem, in memory of its own: handlers run on small stacks. 0 or a negated errno. */
static long open_memory(struct window **window)
{
	static const char memory[] = "/proc/self/mem";
	long pages = map(sizeof **window, READ | WRITE, MAP_PRIVATE_ | MAP_ANONYMOUS_, -1);
	if (is_error(pages))
		return pages;
	*window = (struct window *)pages;
	long fd = system_call(NR_OPEN, (long)memory, O_RDWR_ | O_CLOEXEC_, 0, 0, 0);
	if (is_error(fd)) {
		(void)system_call(NR_MUNMAP, pages, sizeof **window, 0, 0, 0);
		return fd;
	}
	(*window)->fd = (int)fd;
	return 0;
}

static void close_memory(struct window *window)
{
	(void)system_call(NR_CLOSE, window->fd, 0, 0, 0, 0);
	(void)system_call(NR_MUNMAP, (long)window, sizeof *window, 0, 0, 0);
}

static void runs_of(const struct journal *journal, struct runs *runs)
{
	runs->count = runs->last = 0;
	runs->gap = 16 * PAGE;
	for (size_t i = 0; i < journal->count; i++)
		add_to_runs(runs, journal->changes[i].address, journal->changes[i].len);
}

static void close_window(const struct journal *journal)
{
	struct runs runs;
	runs_of(journal, &runs);
	for (unsigned i = 0; i < runs.count; i++)
		for (unsigned attempts = 0; attempts < 1000; attempts++)
			if (!protect(runs.run[i].start, runs.run[i].end - runs.run[i].start, READ | EXEC))
				break;
	STORE(pv_live_1.window, 0);
}

/* Makes the pages of the changes writable, too. */
static enum pv_status open_window(const struct journal *journal, struct pv_report *report)
{
	struct runs runs;
	runs_of(journal, &runs);
	begin_batch(0, journal->changes, journal->count); /* what a forked child has to close */
	STORE(pv_live_1.window, 1);
	for (unsigned i = 0; i < runs.count; i++) {
		long result = protect(runs.run[i].start, runs.run[i].end - runs.run[i].start, READ | WRITE | EXEC);
		if (is_error(result)) {
			close_window(journal);
			return system_failure(report, PV_STEP_WRITABLE, result);
		}
	}
	return PV_OK;
}

#ifdef __x86_64__
static enum pv_status store_words(const struct journal *journal, struct pv_report *report)
{
	for (size_t i = 0; i < journal->count; i++) {
		const struct pv_change *change = &journal->changes[i];
		unsigned shift = (uintptr_t)change->address & 7;
		volatile uint64_t *word = (volatile uint64_t *)(void *)(change->address - shift);
		uint64_t mask = ~(uint64_t)0 >> (64 - 8 * change->len) << 8 * shift, value = 0;
		for (unsigned byte = 0; byte < change->len; byte++)
			value |= (uint64_t)change->new_bytes[byte] << 8 * (shift + byte);
		*word = (*word & ~mask) | value;
	}
	int error = synchronize_threads(0);
	if (error)
		return system_failure(report, PV_STEP_LIVE_WRITE, -error);
	return PV_OK;
}
#endif

/* Ends a batch that was left unfinished: on if a site has its new form already, which somebody may have seen; else back. */
static int settle_unfinished(void)
{
	struct journal journal = { (struct pv_change *)LOAD(pv_live_1.changes), LOAD(pv_live_1.count), 0 };
	struct window *window;
	int forward = 0, settled;
	if (LOAD(pv_live_1.window))
		close_window(&journal);
	if (PV_LIVE_STATE(LOAD(pv_live_1.progress)) == PV_LIVE_IDLE)
		return 1;
	(void)system_call(NR_MEMBARRIER, REGISTER_SYNC_CORE, 0, 0, 0, 0);
	if (open_memory(&window))
		return 0;
	for (size_t i = 0; i < journal.count && !forward; i++)
		forward = change_stands(&journal.changes[i], 1);
	struct pv_live_text text;
	fill_view(&text, window);
	settled = resume_batch(&text, &journal, forward);
	close_memory(window);
	return settled;
}

/* ---- Entry points ---------------------------------------------------------------------------------------------- */

static enum pv_status write_journal(const struct journal *journal, unsigned flags, struct pv_report *report)
{
	enum pv_status status;
	struct pv_live_text text;
	struct window *window;

#ifdef __x86_64__
	if (flags & PV_LIVE_WORD) {
		for (size_t i = 0; i < journal->count; i++) {
			const struct pv_change *change = &journal->changes[i];
			if (((uintptr_t)change->address & 7) + change->len > 8) {
				report->address = change->address;
				return report->status = PV_E_NOT_LIVE;
			}
		}
		status = open_window(journal, report);
		if (status != PV_OK)
			return status;
		status = store_words(journal, report);
		close_window(journal);
		report->way = PV_WAY_WINDOW;
		return status;
	}
#endif
	status = install_handler(report);
	if (status == PV_OK)
		status = none_blocks_traps(report);
	if (status != PV_OK)
		return status;
	if (flags & PV_LIVE_WINDOW) {
		status = open_window(journal, report);
		if (status != PV_OK)
			return status;
		fill_view(&text, 0);
		status = run_or_take_back(&text, journal, report);
		close_window(journal);
		report->way = PV_WAY_WINDOW;
		return status;
	}
	long result = open_memory(&window);
	if (is_error(result))
		return system_failure(report, PV_STEP_OPEN, result);
	fill_view(&text, window);
	status = run_or_take_back(&text, journal, report);
	close_memory(window);
	report->way = PV_WAY_PROC_MEM;
	return status;
}

static void add_report(struct pv_report *total, const struct pv_report *one)
{
	total->sites += one->sites;
	total->rows += one->rows;
	total->identity += one->identity;
	total->nops += one->nops;
	total->calls += one->calls;
	total->left += one->left;
	total->restored += one->restored;
	total->unchanged += one->unchanged;
	total->bytes += one->bytes;
	total->branch_sites += one->branch_sites;
	total->jumps += one->jumps;
	total->branches_unchanged += one->branches_unchanged;
}

enum pv_status pv_live_patch_all(const struct pv_live_request *requests, size_t count, unsigned flags,
				 struct pv_report *report)
{
	struct pv_report unwanted, one;
	struct journal journal;
	enum pv_status status;
	size_t room = 0;

	if (!report)
		report = &unwanted;
	zero(report, sizeof *report);
	report->op = report->branch = PV_NONE;
	uint64_t signals = lock_patchers();
	if (!settle_unfinished()) {
		status = system_failure(report, PV_STEP_UNFINISHED, 0);
		goto done;
	}
	for (size_t i = 0; i < count; i++) {
		const struct pv_set *set = requests[i].set;
		if (set->format == PV_FORMAT)
			room += 2 * (size_t)(set->sites_end - set->sites) + (size_t)(set->branch_sites_end - set->branch_sites);
	}
	status = get_journal(room, &journal, report);
	for (size_t i = 0; status == PV_OK && i < count; i++) {
		const struct pv_live_request *request = &requests[i];
		status = collect(request->set, (request->flags & PV_LIVE_RESTORE) != 0, request->features, request->flags,
				 &journal, &one);
		add_report(&one, report);
		copy((unsigned char *)report, (const unsigned char *)&one, sizeof one);
	}
	if (status == PV_OK && journal.count) {
		status = set_up(report);
		if (status == PV_OK)
			status = write_journal(&journal, flags, report);
		if (status == PV_OK)
			pv_live_1.generation++;
		else
			report->way = PV_WAY_NONE;
	}
	if (status == PV_OK) {
		for (size_t i = 0; i < count; i++)
			commit(requests[i].set, requests[i].flags);
		for (size_t i = 0; pv_live_1.observer && i < journal.count; i++) {
			const struct pv_change *change = &journal.changes[i];
			pv_live_1.observer(pv_live_1.observer_context, change->address, change->old_bytes,
					   change->new_bytes, change->len);
		}
	}
	if (journal_bytes(LOAD(pv_live_1.journal_room)) > (4u << 20) &&
	    PV_LIVE_STATE(LOAD(pv_live_1.progress)) == PV_LIVE_IDLE)
		drop_journal();
done:
	unlock_patchers(signals);
	return status;
}

static enum pv_status patch_one(const struct pv_set *set, uint64_t features, unsigned flags, struct pv_report *report)
{
	struct pv_live_request request;
	request.set = set;
	request.features = features;
	request.flags = flags;
	return pv_live_patch_all(&request, 1, 0, report);
}

enum pv_status pv_live_patch(const struct pv_set *set, uint64_t declared, struct pv_report *report)
{
	return patch_one(set, all_features(set, declared), 0, report);
}

enum pv_status pv_live_unpatch(const struct pv_set *set, struct pv_report *report)
{
	return patch_one(set, 0, PV_LIVE_RESTORE, report);
}

enum pv_status pv_live_set_branch(const struct pv_set *set, unsigned branch, int value, struct pv_report *report)
{
	int before = set->format == PV_FORMAT ? pv_want_branch(set, branch, value) : 0;
	if (before < 0) {
		if (report) {
			zero(report, sizeof *report);
			report->op = PV_NONE;
			report->branch = (uint16_t)branch;
			report->status = PV_E_TABLE;
		}
		return PV_E_TABLE;
	}
	enum pv_status status = patch_one(set, 0, PV_ALLOW_NO_SITES | PV_BRANCHES_ONLY, report);
	if (status != PV_OK && set->format == PV_FORMAT)
		(void)pv_want_branch(set, branch, before);
	return status;
}

/* Stores one ops structure over the set's; what was there goes to `before` if that is not null. */
static void store_slots(const struct pv_set *set, const any_pointer *from, any_pointer *before)
{
	any_pointer *slots = (any_pointer *)(uintptr_t)set->slots;
	for (unsigned i = 0; i < set->nops; i++) {
		if (before)
			before[i] = LOAD(slots[i]);
		STORE(slots[i], from[i]);
	}
}

enum pv_status pv_live_switch(const struct pv_set *set, const void *variant, uint64_t features, struct pv_report *report)
{
	struct pv_report unwanted;
	if (!report)
		report = &unwanted;
	size_t size = (set->nops * sizeof(void *) + PAGE - 1) & ~(size_t)(PAGE - 1);
	long before = map(size ? size : PAGE, READ | WRITE, MAP_PRIVATE_ | MAP_ANONYMOUS_, -1);
	if (is_error(before)) {
		zero(report, sizeof *report);
		return system_failure(report, PV_STEP_UNDO_MAP, before);
	}
	store_slots(set, variant, (any_pointer *)before);
	enum pv_status status = patch_one(set, features, 0, report);
	if (status != PV_OK)
		store_slots(set, (const any_pointer *)before, 0);
	(void)system_call(NR_MUNMAP, before, (long)(size ? size : PAGE), 0, 0, 0);
	return status;
}

unsigned long pv_live_generation(void)
{
	return (unsigned long)LOAD(pv_live_1.generation);
}

unsigned long pv_live_breakpoints(void)
{
	return LOAD(pv_live_1.trapped);
}

void pv_live_observe(pv_live_observer *observer, void *context)
{
	uint64_t signals = lock_patchers();
	pv_live_1.observer_context = context;
	pv_live_1.observer = observer;
	unlock_patchers(signals);
}

#endif
