/* pvc_system.h - the part of pvc.c that calls Linux. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * System calls are made directly: no libc, no errno, usable in a static -nostdlib program.
 */
#ifndef PVC_SYSTEM_H
#define PVC_SYSTEM_H 1

#ifdef __x86_64__
enum {
	NR_READ = 0, NR_WRITE = 1, NR_OPEN = 2, NR_CLOSE = 3, NR_FSTAT = 5, NR_LSEEK = 8, NR_MMAP = 9, NR_MPROTECT = 10, NR_MUNMAP = 11, NR_SIGACTION = 13,
	NR_SIGPROCMASK = 14, NR_PREAD64 = 17, NR_PWRITE64 = 18, NR_MADVISE = 28, NR_NANOSLEEP = 35, NR_GETPID = 39, NR_PRCTL = 157, NR_GETTID = 186,
	NR_FUTEX = 202, NR_GETDENTS64 = 217, NR_TGKILL = 234, NR_OPENAT = 257, NR_MEMFD_CREATE = 319,
	NR_MEMBARRIER = 324
};
#else
enum {
	NR_READ = 3, NR_WRITE = 4, NR_OPEN = 5, NR_CLOSE = 6, NR_LSEEK = 19, NR_GETPID = 20, NR_MMAP = 90, NR_MUNMAP = 91, NR_MPROTECT = 125,
	NR_NANOSLEEP = 162, NR_PRCTL = 172, NR_SIGACTION = 174, NR_SIGPROCMASK = 175, NR_PREAD64 = 180, NR_PWRITE64 = 181, NR_FSTAT = 197 /* fstat64 */, NR_MADVISE = 219,
	NR_GETDENTS64 = 220, NR_GETTID = 224, NR_FUTEX = 240, NR_TGKILL = 270, NR_OPENAT = 295, NR_MEMFD_CREATE = 356,
	NR_MEMBARRIER = 375
};
#endif
enum { READ = 1, WRITE = 2, EXEC = 4 };           /* PROT_* */
enum { MAP_PRIVATE_ = 2, MAP_ANONYMOUS_ = 0x20, MAP_FIXED_NOREPLACE_ = 0x100000 };
enum { O_RDWR_ = 2, O_CLOEXEC_ = 02000000, SIG_SETMASK_ = 2, ERROR_INTR = 4, ERROR_IO = 5 };

enum {
	SIGTRAP_ = 5, FUTEX_WAIT_PRIVATE_ = 128, FUTEX_WAKE_PRIVATE_ = 129, MADV_WIPEONFORK_ = 18, O_DIRECTORY_ = 0200000,
	ERROR_NOENT = 2, ERROR_SRCH = 3, ERROR_BUSY = 16, ERROR_INVAL = 22, MFD_CLOEXEC_ = 1, MFD_NOEXEC_SEAL_ = 8, SYNC_CORE = 1 << 5, REGISTER_SYNC_CORE = 1 << 6
};

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

static long map_at(uintptr_t address, size_t size, int protection, int flags, int fd)
{
#ifdef __x86_64__
	/* The sixth argument: an offset of 0. */
	register long r9 __asm__("r9") = 0;
	long result;
	register long r10 __asm__("r10") = flags;
	register long r8 __asm__("r8") = fd;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"((long)NR_MMAP), "D"(address), "S"(size), "d"((long)protection), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#else
	long arguments[6];
	arguments[0] = (long)address;
	arguments[1] = (long)size;
	arguments[2] = protection;
	arguments[3] = flags;
	arguments[4] = fd;
	arguments[5] = 0;
	return system_call(NR_MMAP, (long)arguments, 0, 0, 0, 0);
#endif
}

static long map(size_t size, int protection, int flags, int fd)
{
	return map_at(0, size, protection, flags, fd);
}

static long protect(uintptr_t address, size_t size, int protection)
{
	return system_call(NR_MPROTECT, (long)address, (long)size, protection, 0, 0);
}

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

static enum pv_status system_failure(struct pv_report *report, enum pv_step step, long result)
{
	report->step = step;
	report->error = (int)-result;
	return report->status = PV_E_SYSTEM;
}

#endif
