/* pvc_live_threads.h - the part of pvc.c that finds threads which block SIGTRAP. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PVC_LIVE_THREADS_H
#define PVC_LIVE_THREADS_H 1

/* Whether the stat file of a thread says so (half as dear as its status file); a negated errno. */
static long blocks_traps(long tasks, const char *thread)
{
	static const char suffix[] = "/stat";
	char path[32], text[1024];
	unsigned n = 0, blocked = 0;
	long at;
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
	/* Field 32 of proc_pid_stat(5), in decimal. The name, field 2, ends with the last parenthesis. */
	for (at = size - 1; at >= 0 && text[at] != ')'; at--)
		;
	for (unsigned field = 2; at < size && field < 32; at++)
		field += text[at] == ' ';
	for (; at < size && text[at] >= '0' && text[at] <= '9'; at++)
		blocked = blocked * 10 + (unsigned)(text[at] - '0');
	return blocked >> (SIGTRAP_ - 1) & 1;
}

/* The id of a thread that blocks SIGTRAP, 0 if there is none, or a negated errno. */
static long blocked_thread(long tasks)
{
	enum { ENTRY = 64 }; /* at least what an entry takes */
	unsigned char entries[2048];
	long self = system_call(NR_GETTID, 0, 0, 0, 0, 0), found = 0, size = sizeof entries;
	while (!found && size + ENTRY > (long)sizeof entries) { /* else one more would have had room */
		size = system_call(NR_GETDENTS64, tasks, (long)entries, sizeof entries, 0, 0);
		if (size <= 0)
			return size;
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
	return found;
}

/* The directory of this process's threads, or a negated errno. */
static long open_tasks(void)
{
	static const char directory[] = "/proc/self/task";
	return system_call(NR_OPEN, (long)directory, O_CLOEXEC_ | O_DIRECTORY_, 0, 0, 0);
}

/* Leaves the directory of threads open in `tasks` if none does. */
static enum pv_status none_blocks_traps(long *tasks, struct pv_report *report)
{
	/* C libraries block all signals for a moment where threads start and end: look again. */
	for (unsigned attempts = 0;; attempts++) {
		*tasks = open_tasks();
		long thread = is_error(*tasks) ? *tasks : blocked_thread(*tasks);
		if (!thread)
			return PV_OK;
		if (!is_error(*tasks))
			(void)system_call(NR_CLOSE, *tasks, 0, 0, 0, 0);
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
