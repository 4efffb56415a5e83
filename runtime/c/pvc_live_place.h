/* pvc_live_place.h - the part of pvc.c that knows where the state of all patchers is. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Each shared object may have a runtime in it, and the dynamic linker makes one symbol of their states only where the objects
 * export it to each other: not if a library was opened with RTLD_LOCAL. But all of them compute one address from the random
 * bytes that the kernel gives each process (AT_RANDOM of getauxval(3)), which nobody outside knows, and MAP_FIXED_NOREPLACE
 * lets one of them make the page. The page is a private copy of a memfd, which holds the mark already: it is there whole, or
 * not at all.
 */
#ifndef PVC_LIVE_PLACE_H
#define PVC_LIVE_PLACE_H 1

/* How a page of this layout begins, and where in it the state is. */
#define MARK "pvc: pv_live_1\0"
enum { STATE_OFFSET = 64 };

/* Where the page may be: programs, heaps, stacks and libraries lie elsewhere, unless somebody asked for an address. */
#ifdef __x86_64__
#define FIRST_PLACE 0x200000000000ul
#define PLACES (0x100000000000ul / PAGE)
#else
#define FIRST_PLACE 0x20000000ul
#define PLACES (0x20000000ul / PAGE)
#endif

/* Whether 8 bytes can be read: the pointer to them is looked at before the first argument, which is wrong. */
static int is_readable(uintptr_t address)
{
	return system_call(NR_SIGPROCMASK, 99, (long)address, 0, sizeof(uint64_t), 0) == -ERROR_INVAL;
}

static int holds_mark(uintptr_t page)
{
	return is_readable(page) &&
	       equal((const unsigned char *)page, (const unsigned char *)MARK, sizeof MARK);
}

/* A file that begins so; the rest of the page behind the end of a file is zero. */
static long marked_file(void)
{
	static const char name[] = "pv_live_1";
	long file = system_call(NR_MEMFD_CREATE, (long)name, MFD_CLOEXEC_ | MFD_NOEXEC_SEAL_, 0, 0, 0);
	if (file == -ERROR_INVAL) /* before Linux 6.3 */
		file = system_call(NR_MEMFD_CREATE, (long)name, MFD_CLOEXEC_, 0, 0, 0);
	if (is_error(file) || system_call(NR_WRITE, file, (long)MARK, sizeof MARK, 0, 0) == (long)sizeof MARK)
		return file;
	(void)system_call(NR_CLOSE, file, 0, 0, 0, 0);
	return -ERROR_IO;
}

/* Two words of the random bytes of this process; 0 if the kernel does not tell. */
static int random_words(uintptr_t words[2])
{
	static const char path[] = "/proc/self/auxv";
	enum { AT_NULL_ = 0, AT_RANDOM_ = 25, PR_GET_AUXV_ = 0x41555856 };
	uintptr_t vector[128];
	zero(vector, sizeof vector);
	/* First the file: valgrind answers it with the vector of the program that it runs. */
	long file = system_call(NR_OPEN, (long)path, O_CLOEXEC_, 0, 0, 0);
	if (!is_error(file)) {
		(void)system_call(NR_READ, file, (long)vector, sizeof vector, 0, 0);
		(void)system_call(NR_CLOSE, file, 0, 0, 0, 0);
	} else if (is_error(system_call(NR_PRCTL, PR_GET_AUXV_, (long)vector, sizeof vector, 0, 0))) { /* Linux 6.4 */
		return 0;
	}
	for (unsigned i = 0; i < 128 && vector[i] != AT_NULL_; i += 2)
		if (vector[i] == AT_RANDOM_) {
			copy((unsigned char *)words, (const unsigned char *)vector[i + 1], 2 * sizeof *words);
			return 1;
		}
	return 0;
}

/* Finds the page, or makes it; null where the kernel refuses what that takes. */
static struct pv_live *find_place(void)
{
	struct pv_live *found = 0;
	uintptr_t random[2];
	if (!random_words(random))
		return 0;
	long file = marked_file();
	if (is_error(file))
		return 0;
	for (unsigned attempt = 1; !found && attempt <= 8; attempt++) { /* the first ones may be taken */
		uintptr_t page = FIRST_PLACE + (random[0] + random[1] * attempt) % PLACES * PAGE;
		long made = map_at(page, PAGE, READ | WRITE, MAP_PRIVATE_ | MAP_FIXED_NOREPLACE_, (int)file);
		/* Somebody was faster, or uses this page; or the kernel (before 4.17) does not know the flag. */
		if (!is_error(made) && (uintptr_t)made != page)
			(void)system_call(NR_MUNMAP, made, PAGE, 0, 0, 0);
		if ((uintptr_t)made == page || holds_mark(page))
			found = (struct pv_live *)(page + STATE_OFFSET);
	}
	(void)system_call(NR_CLOSE, file, 0, 0, 0, 0);
	return found;
}

/* The state of this process, or, where a page for it cannot be had, of the objects that share one symbol. */
static struct pv_live *live(void)
{
	static struct pv_live *first;
	struct pv_live *known = LOAD(first);
	if (!known) {
		struct pv_live *place = find_place();
		place = place ? place : &pv_live_1;
		/* Who was first may have had to take the symbol. */
		if (__atomic_compare_exchange_n(&first, &known, place, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			known = place;
	}
	return known;
}

#endif
