/* machine.h - the guest's console, interrupts, page tables and ring 3. */
#ifndef MACHINE_H
#define MACHINE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGISTERS __attribute__((regparm(3))) /* arguments in eax, edx, ecx */

/* ---- Console: `ok PHASE WHAT`, `FAIL PHASE WHAT: WHY`. */
void say(const char *format, ...); /* %s, %u, %x; a line */
void check(bool holds, const char *phase, const char *what, const char *otherwise);
_Noreturn void fail(const char *format, ...);
_Noreturn void finish(void);

/* ---- Interrupts. */
struct frame {
	uint32_t edi, esi, ebp, unused_esp, ebx, edx, ecx, eax, es, ds, vector, error, eip, cs, eflags;
	uint32_t esp, ss; /* from ring 3 only */
};
void set_up_traps(void);
void interrupt_self(void);
void interrupt_others(void); /* a request to serialize: `acknowledge` of crossmod.h is called on the other CPU */
bool interrupt_is_pending(void);
extern volatile uint32_t arrived; /* interrupts that this CPU sent to itself and that arrived */

bool faults_when_read(uintptr_t address);
bool faults_when_written(uintptr_t address);

/* ---- The second CPU: runs second_cpu() of crossmod.h. */
#define LONG 20000000000ull /* cycles that nothing takes on a host that is not overloaded beyond use */
void start_second(void);

/* The instructions themselves, not the ops. */
static inline void pause(void) { __asm__ volatile("pause"); }
static inline uint64_t cycles(void)
{
	uint64_t cycles;
	__asm__ volatile("rdtsc" : "=A"(cycles));
	return cycles;
}
/* Nothing that was fetched before is executed after CPUID (SDM volume 3A, 9.3). */
static inline void serialize(void)
{
	uint32_t leaf = 0, count = 0, ebx, edx;
	__asm__ volatile("cpuid" : "+a"(leaf), "=b"(ebx), "+c"(count), "=d"(edx) : : "memory");
}
static inline uint32_t flags(void)
{
	uint32_t flags;
	__asm__ volatile("pushf; pop %0" : "=r"(flags));
	return flags;
}
static inline void set_flags(uint32_t flags) { __asm__ volatile("push %0; popf" : : "r"(flags) : "memory", "cc"); }
static inline void interrupts(bool on)
{
	if (on)
		__asm__ volatile("sti; nop" : : : "memory");
	else
		__asm__ volatile("cli" : : : "memory");
}
static inline uint32_t table(void)
{
	uint32_t cr3;
	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3) : : "memory");
	return cr3;
}
static inline void switch_to(uint32_t cr3) { __asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory"); }

/* ---- A second set of page tables, which differs from the first in one page: the window. */
#define HOLE 0x80000000u /* nothing is mapped in the 4 MiB from here */
enum { OWN_WORD = 0x41414141, OTHER_WORD = 0x42424242 };
void set_up_paging(void);
uint32_t window(void); /* its first word */
uint32_t other_table(void);

/* ---- Ring 3. */
enum { GENERAL_PROTECTION = 13, USER_CODE = 0x1b };
struct outcome {
	bool fault;
	uint32_t vector, eip; /* of the fault */
	uint32_t value, cs;   /* what the function returned; its code segment */
};
struct outcome ring3_call(uintptr_t function, uint32_t argument);

/* ---- Text. */
extern unsigned char text_start[], text_end[];
uint32_t digest(void); /* a number over all of the text */
int write_text(void *at, const unsigned char *bytes, size_t count); /* byte by byte, with a pause after each; 0, or EFAULT */

#endif
