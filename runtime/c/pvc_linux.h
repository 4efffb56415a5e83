/* pvc_linux.h - the part of pvc.c for Linux programs, at their start. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PVC_LINUX_H
#define PVC_LINUX_H 1

static enum pv_status run_linux(const struct pv_set *set, int restore, uint64_t features, unsigned flags,
				struct pv_report *report)
{
	struct pv_report unwanted;
	if (!report)
		report = &unwanted;
	const uint64_t signals = lock_patchers();
	enum pv_status status = PV_OK;
#ifdef __x86_64__
	if (patch_fresh(set, restore, features, flags, report))
		goto written;
#endif
	status = prepare(set, restore, features, flags, report);
	if (status == PV_OK && !nothing_to_write(report) && !write_by_mprotect(set, flags, report))
		status = write_by_proc_mem(set, flags, report);
#ifdef __x86_64__
written:
#endif
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
