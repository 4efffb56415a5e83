/* crossmod.h - text that CPU 0 patches while CPU 1 runs through it. */
#ifndef CROSSMOD_H
#define CROSSMOD_H 1

#include "machine.h"

/* All checks; starts the second CPU. */
void crossmod(void);

/* The second CPU's life. */
_Noreturn void second_cpu(void);

/* Serializes this CPU, if it was asked to: what the handler of the synchronizing interrupt does. */
void acknowledge(void);

/* The breakpoint handler's part: whether the instruction at `address` is to be executed again. */
bool breakpoint(uintptr_t address);

#endif
