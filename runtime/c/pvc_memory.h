/* pvc_memory.h - the part of pvc.c that writes through /proc/self/mem. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PVC_MEMORY_H
#define PVC_MEMORY_H 1

/* A copy of the pages round the sites that are being written, which goes there in one piece with the text between them: a
 * system call costs as much as many sites. Bytes between them are written as they were read. A batch whose pages the copy can
 * hold reads them once. */
struct window {
	unsigned char bytes[64 * PAGE]; /* as pages of text are: CPUs copy much faster between equal offsets */
	int fd;
	unsigned char *start;           /* the page that bytes[0] belongs to */
	size_t filled;                  /* bytes copied from there on: between flushes, what the text holds */
	size_t low, high;               /* what has to be written; nothing if low > high */
};
/* Not on the stack, which may be that of a small thread's signal handler. Its user holds the lock. */
static struct window the_window __attribute__((aligned(4096)));

static int flush(struct window *window)
{
	size_t low = window->low, high = window->high;

	if (low / PAGE < high / PAGE) { /* whole pages: the kernel copies page by page, and pieces across pages twice */
		low &= ~(size_t)(PAGE - 1);
		high = (high + PAGE - 1) & ~(size_t)(PAGE - 1);
	}
	const unsigned char *bytes = window->bytes + low;
	uintptr_t at = (uintptr_t)window->start + low;
	size_t left = low < high ? high - low : 0;
	window->high = 0;
	window->low = sizeof window->bytes;
	while (left) {
#ifdef __x86_64__
		long written = system_call(NR_PWRITE64, window->fd, (long)bytes, (long)left, (long)at, 0);
#else
		long written = system_call(NR_PWRITE64, window->fd, (long)bytes, (long)left, (long)at, 0 /* high half */);
#endif
		if (written == -ERROR_INTR)
			continue;
		if (is_error(written) || !written) {
			window->filled = 0; /* nobody knows how much of it the text holds */
			return written ? (int)-written : ERROR_IO;
		}
		bytes += written;
		at += (uintptr_t)written;
		left -= (size_t)written;
	}
	return 0;
}

/* Has the window hold `len` bytes at `at`: some more pages, or other ones. */
static int reach(struct window *window, unsigned char *at, size_t len)
{
	unsigned char *page = (unsigned char *)((uintptr_t)at & ~(uintptr_t)(PAGE - 1));
	int error = 0;
	/* A page without sites may be no text, or not be there at all. */
	if (page < window->start || page > window->start + window->filled ||
	    at + len > window->start + sizeof window->bytes) {
		error = flush(window);
		window->start = page;
		window->filled = 0;
	}
	while (!error && window->start + window->filled < at + len) {
		unsigned char *to = window->bytes + window->filled, *from = window->start + window->filled;
		size_t count = PAGE;
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
		window->filled += PAGE;
	}
	return error;
}

static int window_write(void *context, void *address, const unsigned char *bytes, size_t len)
{
	struct window *window = context;
	unsigned char *at = address;
	if (at < window->start || at + len > window->start + window->filled) {
		int error = reach(window, at, len);
		if (error)
			return error;
	}
	size_t low = (size_t)(at - window->start);
	copy(window->bytes + low, bytes, len);
	if (low < window->low)
		window->low = low;
	if (low + len > window->high)
		window->high = low + len;
	return 0;
}

static long memory_file(void)
{
	static const char path[] = "/proc/self/mem";
	return system_call(NR_OPEN, (long)path, O_RDWR_ | O_CLOEXEC_, 0, 0, 0);
}

/* Through the file, if opening it did not fail: 0 or a negated errno. */
static long open_memory(struct window **window, long fd)
{
	if (is_error(fd))
		return fd;
	*window = &the_window;
	the_window.fd = (int)fd;
	the_window.start = the_window.bytes; /* no text: the first write goes elsewhere */
	the_window.filled = the_window.high = 0;
	the_window.low = sizeof the_window.bytes;
	return 0;
}

static void close_memory(struct window *window)
{
	(void)system_call(NR_CLOSE, window->fd, 0, 0, 0, 0);
}

static int window_sync(void *context)
{
	int error = flush(context);
	/* The kernel wrote through another linear address: serialize before running it (SDM volume 3, 9.1.3). */
	(void)cpuid(0, 0);
	return error;
}

static enum pv_status write_by_proc_mem(const struct pv_set *set, unsigned flags, struct pv_report *report)
{
	struct window *window;
	struct pv_text text;
	enum pv_status status;

	text.undo_size = pv_undo_size(set);
	long undo = map(text.undo_size, READ | WRITE, MAP_PRIVATE_ | MAP_ANONYMOUS_, -1);
	if (is_error(undo))
		return system_failure(report, PV_STEP_UNDO_MAP, undo);
	long opened = open_memory(&window, memory_file());
	if (is_error(opened)) {
		status = system_failure(report, PV_STEP_OPEN, opened);
	} else {
		text.write = window_write;
		text.sync = window_sync;
		text.context = window;
		text.undo = (unsigned char *)undo;
		report->way = PV_WAY_PROC_MEM;
		status = write_all(set, &text, flags, report);
		if (status != PV_OK)
			report->way = PV_WAY_NONE;
		close_memory(window);
	}
	(void)system_call(NR_MUNMAP, undo, (long)text.undo_size, 0, 0, 0);
	return status;
}

#endif
