/* pvc_live_threads.h - the part of pvc.c that finds threads which block SIGTRAP. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PVC_LIVE_THREADS_H
#define PVC_LIVE_THREADS_H 1

static void close_file(long file)
{
	(void)system_call(NR_CLOSE, file, 0, 0, 0, 0);
}

static void forget_threads(struct pv_live_patcher *patcher)
{
	for (; patcher->count; patcher->count--)
		close_file(patcher->thread[patcher->count - 1].stat);
	patcher->complete = 0;
}

static void close_patcher(struct pv_live_patcher *patcher)
{
	forget_threads(patcher);
	if (patcher->tasks)
		close_file(patcher->tasks - 1);
	if (patcher->memory)
		close_file(patcher->memory - 1);
	patcher->tasks = patcher->memory = 0;
}

/* Whether the stat file of a thread says so (half as dear as its status file); a negated errno. */
static long blocks_traps(long stat)
{
	char text[1024];
	unsigned blocked = 0, field = 2;
	long at, size = system_call(NR_PREAD64, stat, (long)text, sizeof text, 0, 0);
	if (is_error(size))
		return size;
	/* Field 32 of proc_pid_stat(5), in decimal. The name, field 2, ends with the last parenthesis. */
	for (at = size - 1; at >= 0 && text[at] != ')'; at--)
		;
	for (; at >= 0 && at < size && field < 32; at++)
		field += text[at] == ' ';
	if (at < 0 || at >= size || text[at] < '0' || text[at] > '9')
		return -ERROR_IO; /* what cannot be read is no yes */
	for (; at < size && text[at] >= '0' && text[at] <= '9'; at++)
		blocked = blocked * 10 + (unsigned)(text[at] - '0');
	return blocked >> (SIGTRAP_ - 1) & 1;
}

static long open_stat(long tasks, const char *thread)
{
	static const char suffix[] = "/stat";
	char path[32];
	unsigned n = 0;
	for (; thread[n] && n < 20; n++)
		path[n] = thread[n];
	copy((unsigned char *)path + n, (const unsigned char *)suffix, sizeof suffix);
	return system_call(NR_OPENAT, tasks, (long)path, O_CLOEXEC_, 0, 0);
}

/* Asks the threads that are known: the id of one that blocks SIGTRAP, or 0. -ERROR_SRCH: they are not all, or not any more.
 *
 * The links of the directory count the threads (the kernel's proc_task_getattr: two more). These were known before they were
 * counted, and are there when they are asked after it: so if there are as many, there were no others. */
static long ask_known(const struct pv_live_patcher *patcher, long self)
{
	struct {
		uint64_t start[2]; /* struct stat: st_dev, st_ino; struct stat64 of i386 has 20 bytes before the links */
		uint32_t links[32];
	} stat;
	enum { LINKS = sizeof(void *) == 8 ? 0 : 1 };
	uint32_t known = 1;
	long blocked = 0;
	if (!patcher->complete)
		return -ERROR_SRCH;
	long result = system_call(NR_FSTAT, patcher->tasks - 1, (long)&stat, 0, 0, 0);
	if (is_error(result))
		return result;
	for (unsigned i = 0; i < patcher->count; i++) {
		if (patcher->thread[i].id == self)
			continue;
		known++;
		long blocks = blocks_traps(patcher->thread[i].stat);
		if (blocks < 0)
			return blocks;
		if (blocks)
			blocked = patcher->thread[i].id;
	}
	return stat.links[LINKS] == known + 2 ? blocked : -ERROR_SRCH;
}

/* Asks each thread that the directory names. The same answers; with `keep`, they are known next time. */
static long ask_all(struct pv_live_patcher *patcher, long self, int keep)
{
	enum { ENTRY = 64 }; /* at least what an entry takes */
	unsigned char entries[2048];
	long tasks = patcher->tasks - 1, blocked = 0, size = sizeof entries;
	patcher->complete = keep;
	while (size + ENTRY > (long)sizeof entries) { /* else one more would have had room */
		size = system_call(NR_GETDENTS64, tasks, (long)entries, sizeof entries, 0, 0);
		if (size < 0)
			return size;
		/* struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name */
		for (long at = 0; at < size; at += entries[at + 16] | entries[at + 17] << 8) {
			const char *name = (const char *)entries + at + 19;
			long thread = 0;
			for (unsigned i = 0; name[i] >= '0' && name[i] <= '9'; i++)
				thread = thread * 10 + (name[i] - '0');
			if (!thread || thread == self)
				continue;
			long stat = open_stat(tasks, name);
			if (stat == -ERROR_NOENT || stat == -ERROR_SRCH)
				continue; /* it has ended */
			if (is_error(stat))
				return stat;
			long blocks = blocks_traps(stat);
			if (keep && blocks >= 0 && patcher->count < PV_LIVE_THREADS) {
				patcher->thread[patcher->count].id = (int32_t)thread;
				patcher->thread[patcher->count++].stat = (int32_t)stat;
			} else {
				close_file(stat);
				if (blocks >= 0)
					patcher->complete = 0;
			}
			if (blocks < 0 && blocks != -ERROR_SRCH)
				return blocks;
			if (blocks > 0)
				blocked = thread;
		}
	}
	return blocked;
}

/* The id of a thread that blocks SIGTRAP, 0 if there is none, or a negated errno. */
static long blocked_thread(struct pv_live_patcher *patcher, int keep)
{
	long self = system_call(NR_GETTID, 0, 0, 0, 0, 0);
	long blocked = ask_known(patcher, self);
	if (blocked != -ERROR_SRCH)
		return blocked;
	forget_threads(patcher);
	blocked = ask_all(patcher, self, keep);
	if (blocked < 0 || !patcher->complete)
		forget_threads(patcher);
	if (keep || blocked)
		(void)system_call(NR_LSEEK, patcher->tasks - 1, 0, 0, 0, 0); /* for the next look */
	return blocked;
}

/* Opens what a batch needs to look at the threads, if it is not open, and refuses if one blocks SIGTRAP. */
static enum pv_status none_blocks_traps(struct pv_live_patcher *patcher, int keep, struct pv_report *report)
{
	static const char directory[] = "/proc/self/task";
	if (!patcher->tasks) {
		long tasks = system_call(NR_OPEN, (long)directory, O_CLOEXEC_ | O_DIRECTORY_, 0, 0, 0);
		if (is_error(tasks))
			return system_failure(report, PV_STEP_THREADS, tasks);
		patcher->tasks = (int)tasks + 1;
	}
	/* C libraries block all signals for a moment where threads start and end: look again. */
	for (unsigned attempts = 0;; attempts++) {
		long thread = blocked_thread(patcher, keep);
		if (!thread)
			return PV_OK;
		if (thread < 0)
			return system_failure(report, PV_STEP_THREADS, thread);
		if (attempts == 2000) { /* half a second: on a busy machine a thread may not run on for long */
			report->address = (const void *)thread;
			return system_failure(report, PV_STEP_TRAP_BLOCKED, -ERROR_BUSY);
		}
		sleep_for(200000);
	}
}

#endif
