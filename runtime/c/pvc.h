/* pvc.h - patches the call sites that pvc's generated wrappers recorded. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A set `NAME.pv` compiles to NAME.h (call wrappers), NAME.c (the table `pv_NAME_set`) and so on. Build NAME.c and
 * pvc.c into the program, and once at start-up, before other threads run through the sites:
 *
 *     #include "demo.h"                              // generated: wrappers, pv_demo_ops, pv_demo_set
 *     #include "pvc.h"
 *     #include <stdio.h>
 *
 *     int main(void)
 *     {
 *         struct pv_report report;
 *         if (pv_patch(&pv_demo_set, 0, &report) != PV_OK)     // not fatal: every site still makes its call
 *             fprintf(stderr, "not patched: %s (%s, error %d)\n", pv_status_string(report.status),
 *                     pv_step_string(report.step), report.error);
 *         printf("%u sites, %u now the instruction itself\n", report.sites, report.rows);
 *         return 0;
 *     }
 *
 * To call something else than the default implementation, store it in the ops structure, then patch (again). The thunk
 * keeps the registers that a site of this op leaves alone and a C function does not:
 *
 *     static unsigned long my_popcount(unsigned long value) { ... }
 *     PV_DEMO_BACKEND(bits_popcount, my_popcount);
 *     ...
 *     pv_demo_ops.bits_popcount = PV_DEMO_THUNK(bits_popcount, my_popcount);
 *     pv_patch(&pv_demo_set, 0, &report);            // each site now calls it, without a load
 *
 * pvc.c needs no C library: its core is freestanding C11 and calls nothing. Three rules hold for every entry point:
 * all sites are verified before the first byte is written; a batch is written whole or not at all; and nothing here
 * aborts. The layouts below are format version 2 of runtime/FORMAT.md. Valid C11 and C++17.
 */
#ifndef PVC_H
#define PVC_H 1

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stddef.h>
#include <stdint.h>
#endif

/* 1: pv_patch and pv_unpatch exist (Linux system calls, made directly). Define it yourself to override the guess. */
#ifndef PV_LINUX
#if defined(__linux__) && defined(__STDC_HOSTED__) && __STDC_HOSTED__ && !defined(__KERNEL__)
#define PV_LINUX 1
#else
#define PV_LINUX 0
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The table format --------------------------------------------------------------------------------------- */

#define PV_FORMAT 2u     /* version of everything in this section */
#define PV_MAX_SITE 64   /* bytes of the longest site */
#define PV_MAX_INSTRUCTION 15 /* of the longest site that can be live: one instruction */
#define PV_NONE 0xffffu  /* "no such index" */

/* One site record: 8 bytes in section pv_sites_NAME. `disp` is relative to its own address. */
struct pv_site {
	int32_t disp;
	uint16_t op;
	uint8_t len;
	uint8_t kind; /* low nibble: PV_KIND_*; above: PV_SITE_* */
};

enum {
	PV_KIND_CALL_REL, PV_KIND_CALL_MEM, PV_KIND_CALL_ABS, PV_KIND_JMP_REL, PV_KIND_JMP_MEM,
	PV_KIND_JMP_MEM_CS, PV_KIND_JMP_STUB, PV_KIND_NOP, PV_KIND_INLINE
};
enum { PV_SITE_NOCALL = 0x10, PV_SITE_LIVE = 0x20 };

/* What a kind of site looks like before it is patched. */
struct pv_kind {
	uint8_t opcode[4];
	uint8_t opcode_len;
	uint8_t len;     /* of the whole site; 0: the record says */
	uint8_t operand; /* PV_OPERAND_* */
	uint8_t direct;  /* opcode of the direct form, e8 or e9; 0: cannot hold one */
};
enum { PV_OPERAND_NONE, PV_OPERAND_TRAMPOLINE, PV_OPERAND_SLOT_REL, PV_OPERAND_SLOT_ABS, PV_OPERAND_STUB };

/* Holds if (features & all) == all && !(features & none). */
struct pv_term {
	uint64_t all, none;
};

/* A field of a row that depends on an address. */
struct pv_fixup {
	const void *target;
	int32_t addend;
	uint8_t offset; /* in the row's bytes */
	uint8_t kind;   /* PV_FIXUP_* */
	uint16_t reserved;
};
enum {
	PV_FIXUP_REL8, PV_FIXUP_REL32, /* target + addend - address of the field */
	PV_FIXUP_ABS32, PV_FIXUP_ABS32S, PV_FIXUP_ABS64, PV_FIXUP_ABS8, PV_FIXUP_ABS16
};

/* One variant of an op. */
struct pv_row {
	uint32_t bytes; /* offset into pv_set.bytes */
	uint8_t len, flags;
	uint16_t term, nterms; /* holds if any of these terms does; nterms 0: always */
	uint16_t fixup, nfixups;
};

struct pv_op {
	const char *name;       /* as in the .pv file: "irq.save_fl" */
	const void *default_fn; /* initial value of its slot */
	const void *trampoline; /* target of call.rel and jmp.rel sites, or null */
	uint16_t row, nrows;    /* in order of preference */
	uint16_t inline_row;    /* what an inline site holds, or PV_NONE */
	uint16_t plan, nplans;  /* one per (kind, length) of its sites */
	uint16_t flags;         /* PV_OP_* */
};
enum {
	PV_OP_RESULT = 1, PV_OP_LIVE = 2, PV_OP_NOCALL = 4, PV_OP_NORETURN = 8, PV_OP_IDENTITY = 16, PV_OP_PARTIAL = 32
};

struct pv_feature {
	const char *name;
	uint32_t leaf, subleaf; /* of CPUID */
	uint8_t reg, bit;       /* 0 eax, 1 ebx, 2 ecx, 3 edx */
	uint8_t os;             /* PV_OS_*: what the operating system must have enabled as well */
	uint8_t source;         /* PV_CPUID or PV_DECLARED */
	uint32_t reserved;
};
enum { PV_CPUID, PV_DECLARED };
enum { PV_OS_NONE, PV_OS_SSE, PV_OS_AVX, PV_OS_AVX512, PV_OS_AMX };

/* What the sites of one class (op, kind, length) become. Scratch memory of the patcher; kind and len are its key. */
struct pv_plan {
	uint8_t kind, len;
	uint8_t action; /* private to the patcher */
	uint8_t nrel;   /* PC-relative fields in `bytes` */
	uint8_t rel_offset[4], rel_width[4];
	const void *rel_target[4]; /* field = target - address of the field */
	uint8_t bytes[PV_MAX_SITE];
};

/* One record of a static branch: 12 bytes in section pv_branches_NAME. Both distances are from their own field. */
struct pv_branch_site {
	int32_t site, target;
	uint16_t branch; /* index into pv_set.branches */
	uint8_t len;     /* 5 or 2 */
	uint8_t flags;   /* PV_BRANCH_JUMPS_IF, PV_SITE_LIVE */
};
enum { PV_BRANCH_JUMPS_IF = 1 }; /* the value for which the site jumps; it holds NOPs for the other */

/* One static branch. */
struct pv_branch {
	const char *name; /* as in the .pv file: "trace.enabled" */
	uint8_t initial;  /* its value in the code that the compiler made */
	uint8_t flags;    /* PV_BRANCH_LIVE */
	uint16_t reserved;
};
enum { PV_BRANCH_LIVE = 1 };

/* The changing part of it. */
struct pv_branch_state {
	uint8_t wanted;  /* what the program asks for: pv_want_branch() */
	uint8_t goal;    /* private to the patcher: what this batch makes of it */
	uint8_t held;    /* the value that its sites have now */
	uint8_t changed; /* private to the patcher: some site has to be written */
};

/* A whole table. The generated one is `pv_NAME_set`. */
struct pv_set {
	uint32_t format; /* PV_FORMAT */
	uint8_t mode;    /* 64 or 32 */
	uint8_t stub_len, stub_call, nkinds;
	uint16_t nops, nrows, nterms, nfixups, nfeatures, nplans;
	uint16_t identity_row; /* or PV_NONE */
	uint16_t nbranches;
	const char *name;
	const struct pv_op *ops;
	const struct pv_row *rows;
	const struct pv_term *terms;
	const struct pv_fixup *fixups;
	const struct pv_feature *features;
	const struct pv_kind *kinds;
	const unsigned char *bytes;
	const unsigned char *stub;
	const void *const volatile *slots; /* the ops structure: slot i belongs to op i */
	const void *identity_fn, *nop_fn;
	const struct pv_site *sites, *sites_end;
	struct pv_plan *plans;
	const void **applied; /* per op: call target last written into its sites, or null */
	const struct pv_branch *branches;
	const struct pv_branch_site *branch_sites, *branch_sites_end;
	struct pv_branch_state *branch_states; /* writable, one per branch */
};

/* ---- Outcome ------------------------------------------------------------------------------------------------ */

enum pv_status {
	PV_OK,
	PV_E_FORMAT,   /* the table has another format version or word size */
	PV_E_TABLE,    /* the table contradicts itself (damaged, or not made by pvc) */
	PV_E_NO_SITES, /* no site is recorded; see PV_ALLOW_NO_SITES */
	PV_E_SITE,     /* a site record does not fit its op */
	PV_E_FOREIGN,  /* a site holds bytes that are neither the original nor one of its op's forms */
	PV_E_NOCALL,   /* a backend is installed, but this site cannot hold a call */
	PV_E_RANGE,    /* a call target or symbol cannot be reached from the site */
	PV_E_NULL,     /* the op's slot is a null pointer */
	PV_E_NOT_LIVE, /* a site would change in a live batch that the table does not mark live */
	PV_E_JOURNAL,  /* a live batch changes more sites than pv_live_text.journal has room for */
	PV_E_SYSTEM    /* a write or a system call failed: see step and error */
};

/* The step that failed with PV_E_SYSTEM, or that ruled the mprotect way out. */
enum pv_step {
	PV_STEP_NONE,
	PV_STEP_PROBE_WRITABLE,   /* mprotect(PROT_READ | PROT_WRITE) of a scratch page */
	PV_STEP_PROBE_EXECUTABLE, /* mprotect(PROT_READ | PROT_EXEC) of a scratch page */
	PV_STEP_PROBE_MAP,        /* mmap of a scratch page */
	PV_STEP_WRITABLE,         /* mprotect(PROT_READ | PROT_WRITE) of the sites' pages */
	PV_STEP_POPULATE,         /* madvise(MADV_POPULATE_WRITE) of the sites' pages */
	PV_STEP_EXECUTABLE,       /* mprotect(PROT_READ | PROT_EXEC) of the sites' pages */
	PV_STEP_UNDO_MAP,         /* mmap of memory for the bytes to restore */
	PV_STEP_OPEN,             /* open("/proc/self/mem") */
	PV_STEP_WRITE,            /* pwrite to it, or pv_text.write */
	PV_STEP_LIVE_WRITE,       /* a write or synchronization of a live batch; it was taken back */
	PV_STEP_REGISTER,         /* membarrier registration: needs Linux 4.16 */
	PV_STEP_THREADS,          /* reading /proc/self/task */
	PV_STEP_TRAP_BLOCKED,     /* a thread blocks SIGTRAP: a breakpoint would end the process. address: its id */
	PV_STEP_TRAP_HANDLER,     /* SIGTRAP: another handler was installed over the patcher's */
	PV_STEP_UNFINISHED        /* an earlier batch could not be taken back */
};

/* How the bytes were written. */
enum pv_way { PV_WAY_NONE, PV_WAY_TEXT_PORT, PV_WAY_MPROTECT, PV_WAY_PROC_MEM, PV_WAY_WINDOW };

/* Filled by every entry point, also on failure. Counts are of sites unless they say otherwise;
 * sites == rows + identity + nops + calls + left + restored when the status is PV_OK. */
struct pv_report {
	enum pv_status status;
	enum pv_way way;      /* PV_WAY_NONE: nothing had to be written */
	uint32_t sites;       /* records looked at */
	uint32_t rows;        /* hold the instructions of a row */
	uint32_t identity;    /* hold the identity row: their backend returns its argument */
	uint32_t nops;        /* hold NOPs: their backend does nothing */
	uint32_t calls;       /* call (or jump to) an installed backend directly */
	uint32_t left;        /* no row holds here: still call the default, directly */
	uint32_t restored;    /* back in their original form (pv_unpatch, pv_restore) */
	uint32_t unchanged;   /* of all these: held the right bytes already */
	uint64_t bytes;       /* bytes written */
	uint32_t branch_sites; /* records of static branches looked at */
	uint32_t jumps;        /* of these: now jump; the others hold NOPs */
	uint32_t branches_unchanged; /* of these: held the right bytes already */

	/* Why it failed. */
	enum pv_step step;    /* PV_E_SYSTEM */
	int error;            /* errno value of that step */
	enum pv_step refused; /* why the mprotect way was not taken, also when the status is PV_OK */
	int refused_error;
	const void *address;  /* the site, or the call in its stub; null if no site is to blame */
	uint16_t op;          /* its op, or the op at fault; PV_NONE */
	uint16_t branch;      /* its branch; PV_NONE */
	uint8_t len;          /* bytes in the next two */
	unsigned char found[PV_MAX_SITE], expected[PV_MAX_SITE]; /* what is there, what the original form is */
};

/* One line of English for each; never null. */
const char *pv_status_string(enum pv_status status);
const char *pv_step_string(enum pv_step step);

/* ---- Core: any environment ---------------------------------------------------------------------------------- */

/* The features of `set` that this CPU has and the operating system has enabled, as the set's feature word.
 * Declared features are zero in it: add them yourself (PV_NAME_FEATURE_x in the generated header). */
uint64_t pv_cpu_features(const struct pv_set *set);

/* How the core writes text: what a kernel or an emulator supplies. */
struct pv_text {
	/* Write `len` (1..64) bytes at `address`, wholly or not at all. 0, or an error number. No site is written
	 * before all are verified; addresses mostly ascend. */
	int (*write)(void *context, void *address, const unsigned char *bytes, size_t len);
	/* Called after the last write of a batch (also of one taken back): flush, serialize. 0, or an error number.
	 * May be null. */
	int (*sync)(void *context);
	void *context;
	/* Memory of pv_undo_size() bytes for what the sites held, to be put back if a write fails. Null or too small:
	 * the sites written so far get their original form instead, which is always correct, if slow. */
	unsigned char *undo;
	size_t undo_size;
};

enum {
	PV_ALLOW_NO_SITES = 1, /* flag: a set without any site is fine (a plug-in host, a library) */
	PV_BRANCHES_ONLY = 2   /* flag: leave the sites of ops as they are, whatever `features` says */
};

/* Brings every site of the set to what its op's slot and `features` (all of them: CPU and declared) ask for, and every
 * site of a static branch to the value that is wanted for it.
 * `report` may be null. Not reentrant for one set. The sites must be readable, and nobody else may execute them
 * meanwhile unless text->write sees to that. */
enum pv_status pv_apply(const struct pv_set *set, uint64_t features, unsigned flags, const struct pv_text *text,
			struct pv_report *report);

/* Brings every site back to its original form. Succeeds on a set without sites. */
enum pv_status pv_restore(const struct pv_set *set, const struct pv_text *text, struct pv_report *report);

/* Asks for a value of a static branch (PV_NAME_BRANCH_x); takes effect with the next batch. Returns what was asked for
 * before, -1 if there is no such branch.
 *
 *     pv_want_branch(&pv_demo_set, PV_DEMO_BRANCH_trace_enabled, 1);
 *     pv_want_branch(&pv_demo_set, PV_DEMO_BRANCH_stats, 1);
 *     pv_apply(&pv_demo_set, 0, PV_BRANCHES_ONLY, &text, &report);       // both at once
 */
int pv_want_branch(const struct pv_set *set, unsigned branch, int value);

/* The value that the sites of a branch have now. */
int pv_branch_value(const struct pv_set *set, unsigned branch);

/* Where the site of a branch's record is; null if the record does not fit the set. */
const void *pv_branch_site_address(const struct pv_set *set, const struct pv_branch_site *record);

/* Where the site of a record is (a jmp.stub record names it indirectly); null if the record does not fit the set.
 *
 *     for (const struct pv_site *r = pv_demo_set.sites; r < pv_demo_set.sites_end; r++)
 *         printf("%s at %p, %d bytes\n", pv_demo_set.ops[r->op].name, pv_site_address(&pv_demo_set, r), r->len);
 */
const void *pv_site_address(const struct pv_set *set, const struct pv_site *record);

/* Bytes of pv_text.undo that make a failed batch of this set fully reversible. */
size_t pv_undo_size(const struct pv_set *set);

/* ---- Live: other CPUs run through the sites ------------------------------------------------------------------
 *
 * The breakpoint protocol: int3 over the first byte of every site, all CPUs serialize, the other bytes, all serialize, the
 * first bytes, all serialize. (Intel SDM volume 3A, 9.1.3; AMD APM volume 2, 7.6.1; the order of Linux's text_poke_bp.)
 * A CPU that runs into a breakpoint waits in its handler, then executes the site again. A site holds one instruction before
 * and after: only ops and branches that are `live` promise that, and no others are changed. */

enum pv_live_state {
	PV_LIVE_IDLE, PV_LIVE_GUARDING, PV_LIVE_GUARDED, PV_LIVE_WRITING_TAILS, PV_LIVE_TAILS_STAND,
	PV_LIVE_WRITING_HEADS, PV_LIVE_HEADS_STAND
};
enum pv_live_action {
	PV_LIVE_FINISH, PV_LIVE_WRITE_BREAKPOINTS, PV_LIVE_SYNCHRONIZE, PV_LIVE_WRITE_TAILS, PV_LIVE_WRITE_HEADS
};
enum pv_live_verdict { PV_LIVE_WAIT, PV_LIVE_AGAIN, PV_LIVE_FOREIGN };

/* How far a batch is, in one word that only grows: the state in the low three bits, the number of the batch above. */
#define PV_LIVE_STATE(progress) ((enum pv_live_state)((progress) & 7u))

/* What the patching CPU does in a state, after it has made it known. */
enum pv_live_action pv_live_step(enum pv_live_state state);

/* The progress after this one. */
uint32_t pv_live_next(uint32_t progress);

/* What a CPU does that ran into a breakpoint. in_batch: at a site of the batch under way; stands: it is still there. */
enum pv_live_verdict pv_live_verdict(enum pv_live_state state, int in_batch, int stands);

/* One change of a batch: one instruction becomes another one of the same length. */
struct pv_change {
	unsigned char *address;
	uint8_t len;
	uint8_t old_bytes[PV_MAX_INSTRUCTION], new_bytes[PV_MAX_INSTRUCTION];
};

/* What a kernel supplies to change text under the feet of its other CPUs. Its #BP handler calls pv_live_handle().
 * tests/ring0/guest32/crossmod.c is a worked example. */
struct pv_live_text {
	/* From the next announcement on, handlers must find these changes. */
	void (*begin)(void *context, const struct pv_change *changes, size_t count);
	/* Makes progress known to the handlers, before anything that belongs to it is done. */
	void (*announce)(void *context, uint32_t progress);
	/* Write bytes that no CPU executes now, or a single byte; may be put off until `synchronize`. 0, or an error number:
	 * then the batch is taken back. */
	int (*write)(void *context, void *address, const unsigned char *bytes, size_t len);
	/* Returns when every other CPU has executed a serializing instruction after all writes so far. 0, or an error number. */
	int (*synchronize)(void *context);
	void *context;
	uint32_t progress;         /* the last one announced; 0 at first */
	struct pv_change *journal; /* room for what changes: an entry per site, and one per stub */
	size_t journal_room;
};

/* pv_apply() and pv_restore() while other CPUs run through the sites. One CPU at a time. PV_E_NOT_LIVE: a site would change
 * that is not live; nothing was written. */
enum pv_status pv_live_apply(const struct pv_set *set, uint64_t features, unsigned flags, struct pv_live_text *text,
			     struct pv_report *report);
enum pv_status pv_live_restore(const struct pv_set *set, struct pv_live_text *text, struct pv_report *report);

/* What the #BP handler of any CPU asks of the kernel. */
struct pv_live_waiter {
	uint32_t (*progress)(void *context); /* the last one announced */
	/* Whether a change of the last `begin` is at this address. The answer does not count if there was progress meanwhile: it
	 * may look at changes that are no more, as long as looking at them does no harm. */
	int (*in_batch)(void *context, const void *address);
	/* Called while the batch goes on: answer a request to serialize, then return, at the latest when there is progress. The
	 * patcher may wait for this very CPU, whose interrupts are off. */
	void (*wait)(void *context, uint32_t progress);
	void *context;
};

/* The #BP handler's part, with the address of the breakpoint (not the one behind it): 1 when the instruction there can be
 * executed (again), 0 if the breakpoint is somebody else's. */
int pv_live_handle(const struct pv_live_waiter *waiter, const void *address);

/* ---- Linux, user space -------------------------------------------------------------------------------------- */
#if PV_LINUX

/* pv_apply on the running program: to be called before other threads run through the sites. `declared` are those
 * features that the .pv file declares and that hold (PV_NAME_FEATURE_x), 0 for none.
 *
 * The sites' pages go read-write, then back to read-execute, never both at once (the code that does it has a page of
 * its own, signals are blocked meanwhile). Where policy forbids that, as PR_SET_MDWE does, /proc/self/mem is used.
 * Where that is closed too: PV_E_SYSTEM, nothing changed, and the program runs on with its calls. */
enum pv_status pv_patch(const struct pv_set *set, uint64_t declared, struct pv_report *report);

/* The same with the whole feature word (to hide a CPU feature: pv_cpu_features(set) & ~bit) and flags. */
enum pv_status pv_patch_with(const struct pv_set *set, uint64_t features, unsigned flags, struct pv_report *report);

/* Gives a static branch a value and patches its sites; those of ops stay as they are. As with pv_patch(), no other
 * thread may run through the sites meanwhile. On failure the branch keeps its value.
 *
 *     pv_set_branch(&pv_demo_set, PV_DEMO_BRANCH_trace_enabled, 1, &report);
 */
enum pv_status pv_set_branch(const struct pv_set *set, unsigned branch, int value, struct pv_report *report);

/* Brings every site back to its original form. */
enum pv_status pv_unpatch(const struct pv_set *set, struct pv_report *report);

/* The same while other threads run through the sites: three membarriers a batch, whatever the number of sites. Threads that
 * run into a breakpoint sleep in the handler of SIGTRAP, which hands all other traps to the handler that was there before.
 * No handler of SIGTRAP may contain a site, and no thread may block SIGTRAP and run through one (PV_STEP_TRAP_BLOCKED if one
 * does when the batch begins). When the call returns no thread enters a former backend from a site any more, but some may
 * not have left it yet. One lock for all users of a runtime in the process, in C and Rust. */
enum pv_status pv_live_patch(const struct pv_set *set, uint64_t declared, struct pv_report *report);
enum pv_status pv_live_unpatch(const struct pv_set *set, struct pv_report *report);
enum pv_status pv_live_set_branch(const struct pv_set *set, unsigned branch, int value, struct pv_report *report);

/* Installs a whole variant of the set, an ops structure like pv_NAME_ops, and patches. On failure the former one is back. */
enum pv_status pv_live_switch(const struct pv_set *set, const void *variant, uint64_t features, struct pv_report *report);

enum {
	PV_LIVE_WINDOW = 0x10,  /* flag: through pages that are writable and executable meanwhile. No thread may fork. */
	PV_LIVE_WORD = 0x20,    /* flag: the same, by one store of an aligned 8-byte word a site, without breakpoints.
				 * PV_E_NOT_LIVE if a site crosses one. AMD promises that such a store is seen whole (APM
				 * volume 2, 7.6.1), Intel does not. 64-bit only. */
	PV_LIVE_RESTORE = 0x40  /* flag: the original forms, whatever `features` says */
};

/* One batch over `count` sets: all change, or none. The report counts the sites of all. */
struct pv_live_request {
	const struct pv_set *set;
	uint64_t features; /* all of them */
	unsigned flags;    /* PV_ALLOW_NO_SITES, PV_BRANCHES_ONLY, PV_LIVE_RESTORE */
};
enum pv_status pv_live_patch_all(const struct pv_live_request *requests, size_t count, unsigned flags,
				 struct pv_report *report);

/* Patches live again and again, and keeps what each batch otherwise opens and closes: /proc/self/mem, /proc/self/task, the stat
 * files of up to 64 threads. All zero at first. It looks at every thread before every batch. The descriptors are its own until
 * pv_live_close(), and closed on exec: a program that closes all descriptors closes it first. In a forked child, whose
 * descriptors lead to its parent, it opens new ones. One thread at a time uses it. Null: for one batch, as without `_by`.
 *
 *     static struct pv_live_patcher patcher;
 *     pv_live_set_branch_by(&patcher, &pv_demo_set, PV_DEMO_BRANCH_trace_enabled, 1, &report);
 */
enum { PV_LIVE_THREADS = 64 };
struct pv_live_patcher {
	uint32_t owner;     /* the process that opened the files */
	int tasks, memory;  /* descriptors plus one, or 0 */
	int complete;       /* these were all other threads when it looked last */
	unsigned count;
	struct {
		int32_t id, stat;
	} thread[PV_LIVE_THREADS];
};
enum pv_status pv_live_patch_all_by(struct pv_live_patcher *patcher, const struct pv_live_request *requests, size_t count,
				    unsigned flags, struct pv_report *report);
enum pv_status pv_live_set_branch_by(struct pv_live_patcher *patcher, const struct pv_set *set, unsigned branch, int value,
				     struct pv_report *report);
void pv_live_close(struct pv_live_patcher *patcher);

/* Live batches written in this process, by any user of a runtime; how often a thread waited at a breakpoint. */
unsigned long pv_live_generation(void);
unsigned long pv_live_breakpoints(void);

/* Has `observer` told of every change of every live batch in this process, after the batch; null ends it. It must not patch. */
typedef void pv_live_observer(void *context, const void *address, const unsigned char *old_bytes,
			      const unsigned char *new_bytes, size_t len);
void pv_live_observe(pv_live_observer *observer, void *context);

/* Makes the pages of the ops structure read-only (`writable` 0) or writable again: a writable table of function
 * pointers is a target. Under `abi user` the structure has its pages to itself (PV_OPS_ALIGN in the generated header);
 * with a smaller alignment its neighbours in these pages change too. 0, or an errno value. */
int pv_protect_ops(const struct pv_set *set, int writable);

#endif

#ifdef __cplusplus
}
#endif
#endif
