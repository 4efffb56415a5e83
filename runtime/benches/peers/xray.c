/* xray.c - clang's XRay on a million functions, for the benchmarks. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * xray start      nanoseconds of CPU time that __xray_patch() takes
 * xray live N     the same of __xray_patch_function() for N functions
 * xray live N beside   the same while a second thread runs
 *
 * A function is an entry sled and `ret`, STEP bytes from the next (xray.s, by the benchmark); the map of sleds, which clang would
 * have made of as many functions, is written here before XRay looks at it. -DSTEP, -DFUNCTIONS.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SUCCESS = 1 }; /* of XRayPatchingStatus, xray/xray_interface.h */
extern int __xray_patch(void), __xray_patch_function(int32_t id);

/* compiler-rt/lib/xray/xray_interface_internal.h, version 2: addresses relative to their own. */
struct sled {
	uint64_t address, function;
	unsigned char kind, always, version, padding[13];
};
struct function {
	uint64_t first, count;
};
extern unsigned char sleds[];
extern struct sled map[] __asm__("__start_xray_instr_map");
extern struct function functions[] __asm__("__start_xray_fn_idx");

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static volatile int stop, started;

static void *spin(void *unused)
{
	for (started = 1; !stop;)
		__builtin_ia32_pause();
	return unused;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < FUNCTIONS; i++) {
		map[i].address = (uint64_t)(sleds + STEP * i) - (uint64_t)&map[i].address;
		map[i].function = (uint64_t)(sleds + STEP * i) - (uint64_t)&map[i].function;
		map[i].version = 2;
		functions[i].first = (uint64_t)&map[i] - (uint64_t)&functions[i].first;
		functions[i].count = 1;
	}
	int count = argc > 2 ? atoi(argv[2]) : 0, failed = 0;
	pthread_t thread;
	if (argc > 3) {
		if (pthread_create(&thread, 0, spin, 0))
			return 1;
		while (!started)
			;
	}
	double start = now();
	if (argc > 1 && !strcmp(argv[1], "start"))
		failed = __xray_patch() != SUCCESS;
	for (int id = 1; id <= count; id++)
		failed |= __xray_patch_function(id) != SUCCESS;
	double time = now() - start;
	stop = 1;
	if (argc > 3)
		pthread_join(thread, 0);
	/* A patched sled is `mov $id, %r10d; call`. */
	if (failed || sleds[0] != 0x41 || (!count && sleds[STEP * (size_t)(FUNCTIONS - 1)] != 0x41))
		return 1;
	printf("%.0f\n", time);
	return 0;
}
