/* pvc_live_trap.h - the part of pvc.c that handles SIGTRAP. All of it is async-signal-safe. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PVC_LIVE_TRAP_H
#define PVC_LIVE_TRAP_H 1

#ifdef __x86_64__
enum { CONTEXT_IP = 168, CONTEXT_BLOCKED = 296 }; /* in struct ucontext, arch/x86/include/uapi/asm/sigcontext.h */
#define RESTORER "mov $15, %eax; syscall"
#else
enum { CONTEXT_IP = 76, CONTEXT_BLOCKED = 108 };
#define RESTORER "mov $173, %eax; int $0x80"
#endif
enum { SIG_DFL_ = 0, SIG_IGN_ = 1, SI_KERNEL_ = 0x80 };
#define SA_SIGINFO_ 0x4ul
#define SA_RESTORER_ 0x04000000ul
#define SA_ONSTACK_ 0x08000000ul
#define SA_RESTART_ 0x10000000ul
#define SA_NODEFER_ 0x40000000ul
#define SA_RESETHAND_ 0x80000000ul

__attribute__((naked, noinline, used)) static void restorer(void)
{
	__asm__(RESTORER); /* rt_sigreturn */
}

/* Whether the batch under way changes the site at `address`. wait_at() asks for the progress before and after: if there was
 * any, the answer is about nothing. */
static int in_batch(uintptr_t address)
{
	int found = 0;
	ADD(live()->waiters, 1); /* the journal of a batch that is under way now stays */
	uint32_t progress = LOAD(live()->progress);
	size_t count = LOAD(live()->count);
	const struct pv_change *changes = LOAD(live()->changes);
	if (PV_LIVE_STATE(progress) != PV_LIVE_IDLE && LOAD(live()->progress) == progress) /* else of two batches */
		for (size_t i = 0; i < count && !found; i++)
			found = (uintptr_t)__atomic_load_n(&changes[i].address, __ATOMIC_RELAXED) == address;
	/* The next batch may have begun to write its changes over these. Who has seen one of them sees the end of this one, too. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	ADD(live()->waiters, -1u);
	return found;
}

/* Returns 1 when the instruction at `address` can be executed (again), 0 if the breakpoint there is somebody else's. */
static int wait_at(uintptr_t address)
{
	for (;;) {
		uint32_t progress = LOAD(live()->progress);
		int ours = in_batch(address), stands = *(volatile const unsigned char *)address == INT3;
		if (LOAD(live()->progress) != progress)
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
		ADD(live()->waiters, 1);
		futex_wait(&live()->progress, progress);
		ADD(live()->waiters, -1u);
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
	struct kernel_sigaction *former = &live()->former;
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
		ADD(live()->trapped, 1);
		--*ip; /* the site begins with the breakpoint, one byte back */
		return;
	}
	chain(signal, info, context, is_breakpoint);
}

static uint64_t code_at(uintptr_t handler)
{
	return ((const struct unaligned64 *)handler)->value;
}

static enum pv_status install_handler(struct pv_report *report)
{
	struct kernel_sigaction current;
	long result = trap_action(0, &current);
	if (is_error(result))
		return system_failure(report, PV_STEP_TRAP_HANDLER, result);
	uintptr_t handler = LOAD(live()->handler);
	if (!handler)
		copy((unsigned char *)&live()->former, (const unsigned char *)&current, sizeof current);
	else if (handler != current.handler)
		return system_failure(report, PV_STEP_TRAP_HANDLER, -ERROR_BUSY);
	else if (is_readable(handler) && code_at(handler) == live()->handler_code)
		return PV_OK; /* otherwise it has left, with its shared object; what it was installed over is still known */
	/* No signal is blocked meanwhile, not even SIGTRAP: handlers that run on top of this one may reach a site, too, and
	 * the next batch must not take a thread that is still in here for one that blocks SIGTRAP. */
	live()->handler_code = code_at((uintptr_t)on_trap);
	STORE(live()->handler, (uintptr_t)on_trap);
	result = set_trap_action((uintptr_t)on_trap, SA_SIGINFO_ | SA_ONSTACK_ | SA_RESTART_ | SA_NODEFER_);
	if (!is_error(result))
		return PV_OK;
	STORE(live()->handler, 0);
	return system_failure(report, PV_STEP_TRAP_HANDLER, result);
}

#endif
