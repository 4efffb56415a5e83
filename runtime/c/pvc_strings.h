/* pvc_strings.h - the part of pvc.c with its text for people. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PVC_STRINGS_H
#define PVC_STRINGS_H 1

const char *pv_status_string(enum pv_status status)
{
	switch (status) {
	case PV_OK: return "done";
	case PV_E_FORMAT: return "the table has another format version or word size than this runtime";
	case PV_E_TABLE: return "the table contradicts itself";
	case PV_E_NO_SITES: return "no patch site is recorded: were the records dropped when the program was linked?";
	case PV_E_SITE: return "a site record does not fit its op";
	case PV_E_FOREIGN: return "a site holds bytes that are not ours: a debugger's breakpoint, another patcher?";
	case PV_E_NOCALL: return "a backend is installed for a site that cannot hold a call";
	case PV_E_RANGE: return "a target cannot be reached from a site with 32 bits";
	case PV_E_NULL: return "an op's slot is a null pointer";
	case PV_E_NOT_LIVE: return "a site would change that the table does not mark live";
	case PV_E_JOURNAL: return "more sites change than the journal has room for";
	case PV_E_SYSTEM: return "the bytes could not be written";
	}
	return "unknown status";
}

const char *pv_step_string(enum pv_step step)
{
	switch (step) {
	case PV_STEP_NONE: return "no step";
	case PV_STEP_PROBE_WRITABLE: return "mprotect of a scratch page to read-write";
	case PV_STEP_PROBE_EXECUTABLE: return "mprotect of a scratch page to read-execute";
	case PV_STEP_PROBE_MAP: return "mmap of a scratch page";
	case PV_STEP_WRITABLE: return "mprotect of the sites to read-write";
	case PV_STEP_POPULATE: return "madvise(MADV_POPULATE_WRITE) of the sites";
	case PV_STEP_EXECUTABLE: return "mprotect of the sites to read-execute";
	case PV_STEP_UNDO_MAP: return "mmap of undo memory";
	case PV_STEP_OPEN: return "open of /proc/self/mem";
	case PV_STEP_WRITE: return "write";
	case PV_STEP_LIVE_WRITE: return "write or membarrier of a live batch, which was taken back";
	case PV_STEP_REGISTER: return "membarrier(REGISTER_PRIVATE_EXPEDITED_SYNC_CORE)";
	case PV_STEP_THREADS: return "reading which signals the threads block";
	case PV_STEP_TRAP_BLOCKED: return "a thread blocks SIGTRAP";
	case PV_STEP_TRAP_HANDLER: return "sigaction of SIGTRAP: another handler was installed over the patcher's";
	case PV_STEP_UNFINISHED: return "taking back an earlier batch";
	}
	return "unknown step";
}

#endif
