/* pvc_live_shared.h - the part of pvc.c that all users of a runtime in the process share. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The lock, the progress of the batch under way and its changes, and how a forked child takes over.
 */
#ifndef PVC_LIVE_SHARED_H
#define PVC_LIVE_SHARED_H 1

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
	uint32_t forks;    /* forked processes on the way to this one that have taken over: another number in each */
#ifdef __x86_64__
	uint64_t generation;
#else
	uint32_t generation;
#endif
	const struct pv_change *changes; /* of the batch under way, or of the last one */
	size_t count;
	/* Two words on a page that is zero in a forked child: the first one 1 where the patcher lives, the second one while a child is
	 * taking over, and after it. */
	uint32_t *token;
	uintptr_t handler;
	struct kernel_sigaction former; /* what the handler was installed over; written before `handler` */
	pv_live_observer *observer;
	void *observer_context;
	struct pv_change *journal; /* memory for the changes, kept for the next batch */
	size_t journal_room;
	uint32_t registered; /* 1: registered for membarrier */
	uint32_t window;     /* 1: text is writable and executable while this batch runs */
	unsigned long trapped;
	uint64_t handler_code; /* the first bytes of the handler: others, or none, when the object that it is in has left */
};
#ifdef __x86_64__
_Static_assert(sizeof(struct pv_live) == 144 && sizeof(struct kernel_sigaction) == 32 && sizeof(struct pv_change) == 40,
	       "the Rust runtime has the same");
#endif
extern struct pv_live pv_live_1;
struct pv_live pv_live_1 __attribute__((weak, aligned(64)));

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define STORE(x, value) __atomic_store_n(&(x), value, __ATOMIC_SEQ_CST)
#define SWAP(x, value) __atomic_exchange_n(&(x), value, __ATOMIC_SEQ_CST)
#define ADD(x, value) ((void)__atomic_fetch_add(&(x), value, __ATOMIC_SEQ_CST))

#include "pvc_live_place.h"

static int settle_unfinished(void);

/* Whether this process is a forked child that has not taken over yet. */
static int is_forked(void)
{
	uint32_t *token = LOAD(live()->token);
	return token && !LOAD(*token);
}

/* Makes the page by which a forked child is known, if there is none; needs no lock. 0 or a negated errno. */
static long make_token(void)
{
	uint32_t *none = 0;
	if (LOAD(live()->token))
		return 0;
	long page = map(PAGE, READ | WRITE, MAP_PRIVATE_ | MAP_ANONYMOUS_, -1);
	if (is_error(page))
		return page;
	long result = system_call(NR_MADVISE, page, PAGE, MADV_WIPEONFORK_, 0, 0);
	*(uint32_t *)page = 1;
	if (is_error(result) || !__atomic_compare_exchange_n(&live()->token, &none, (uint32_t *)page, 0, __ATOMIC_SEQ_CST,
							     __ATOMIC_SEQ_CST))
		(void)system_call(NR_MUNMAP, page, PAGE, 0, 0, 0); /* or another thread was faster */
	return is_error(result) ? result : 0;
}

/* In a forked child: ends what the parent's patcher was about. That thread does not exist here, and the text is the child's
 * own copy. (A child by vfork shares memory and token with its parent.) */
static void adopt(void)
{
	uint64_t signals = block_signals(~(uint64_t)0);
	uint32_t *token = LOAD(live()->token);
	if (SWAP(token[1], 1)) {
		while (is_forked())
			sleep_for(100000);
	} else {
		STORE(live()->lock, 1);
		STORE(live()->waiters, 0);
		STORE(live()->registered, 0);
		while (!settle_unfinished())
			sleep_for(1000000);
		ADD(live()->forks, 1);
		STORE(live()->lock, 0);
		STORE(token[0], 1);
	}
	(void)block_signals(signals);
}

/* Blocks all signals: a handler could contain sites, or patch itself. But not SIGTRAP, whose handlers do neither: who waits
 * here with that blocked would make the batch under way refuse. Returns what was blocked before.
 */
static uint64_t lock_patchers(void)
{
	uint64_t signals = block_signals(~((uint64_t)1 << (SIGTRAP_ - 1)));
	uint32_t taken = 0;
	/* Before the lock: a child made while it is taken must be able to tell. If that fails a live batch says so. */
	(void)make_token();
	if (is_forked())
		adopt();
	if (!__atomic_compare_exchange_n(&live()->lock, &taken, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		while (SWAP(live()->lock, 2))
			futex_wait(&live()->lock, 2);
	return signals;
}

static void unlock_patchers(uint64_t signals)
{
	if (SWAP(live()->lock, 0) == 2)
		futex_wake(&live()->lock, 1);
	(void)block_signals(signals);
}

static size_t journal_bytes(size_t room)
{
	return (room * sizeof(struct pv_change) + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static void drop_journal(void)
{
	STORE(live()->count, 0);
	size_t room = SWAP(live()->journal_room, 0);
	struct pv_change *journal = SWAP(live()->journal, 0);
	/* A handler that came before `count` was 0 may still look at it: then the memory is lost. */
	if (room && !LOAD(live()->waiters))
		(void)system_call(NR_MUNMAP, (long)journal, (long)journal_bytes(room), 0, 0, 0);
}

static enum pv_status get_journal(size_t room, struct journal *journal, struct pv_report *report)
{
	if (LOAD(live()->journal_room) < room) {
		size_t bytes = journal_bytes(room);
		drop_journal();
		long pages = map(bytes, READ | WRITE, MAP_PRIVATE_ | MAP_ANONYMOUS_, -1);
		if (is_error(pages))
			return system_failure(report, PV_STEP_UNDO_MAP, pages);
		STORE(live()->journal, (struct pv_change *)pages);
		STORE(live()->journal_room, bytes / sizeof(struct pv_change));
	}
	/* The end of the last batch, before what is written over its changes: in_batch(). */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	journal->changes = LOAD(live()->journal);
	journal->count = 0;
	journal->room = room;
	return PV_OK;
}

/* What must be there before the first batch. */
static enum pv_status set_up(struct pv_report *report)
{
	long token = make_token();
	if (is_error(token))
		return system_failure(report, PV_STEP_PROBE_MAP, token);
	if (!LOAD(live()->registered)) {
		long result = system_call(NR_MEMBARRIER, REGISTER_SYNC_CORE, 0, 0, 0, 0);
		if (is_error(result))
			return system_failure(report, PV_STEP_REGISTER, result);
		STORE(live()->registered, 1);
	}
	return PV_OK;
}

#endif
