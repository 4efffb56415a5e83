/* ops.h - the ops under test. */
#ifndef OPS_H
#define OPS_H 1

#include "machine.h"

struct op_case {
	const char *name;       /* in the patch set */
	uintptr_t function;     /* has one site of the op in its first 64 bytes */
	const char *(*effect)(void); /* calls it and looks at what it did: null, or what was wrong */
	uint32_t argument;      /* of the function at ring 3 */
	enum { FAULTS, RETURNS, RETURNS_ARGUMENT } ring3;
};
extern const struct op_case cases[];
extern const unsigned case_count;

/* The static branches, each asked at one site. */
struct branch_case {
	const char *name; /* in the patch set */
	unsigned id;
	REGISTERS bool (*ask)(void);
	bool first;       /* its value in the code that the compiler made */
};
extern const struct branch_case branch_cases[];
extern const unsigned branch_case_count;

#define MAX_OPS 16
extern volatile uint32_t counts[MAX_OPS]; /* calls of the counting backends, by op id */
void install_counting(void);              /* into the slot of every op */

#endif
