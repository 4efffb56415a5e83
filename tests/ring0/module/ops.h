/* ops.h - the ops and static branches under test, each with one site. */
#ifndef OPS_H
#define OPS_H 1

#include <linux/types.h>

struct op_case {
	const char *name;            /* in the patch set */
	const char *(*effect)(void); /* calls it and looks at what it did: null, or what was wrong */
	int called;                  /* whether its site is a call before patching */
};
extern const struct op_case cases[];
extern const unsigned int case_count;

struct branch_case {
	const char *name; /* in the patch set */
	unsigned int id;
	bool (*ask)(void);
	bool first;       /* its value in the code that the compiler made */
};
extern const struct branch_case branch_cases[];
extern const unsigned int branch_case_count;

extern unsigned int counts[]; /* calls of the counting backends, by op id */
void install_counting(void);  /* into the slot of every op */

#endif
