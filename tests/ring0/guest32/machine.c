/* machine.c - see machine.h. Numbers without a name are those of the Intel SDM, volume 3A. */
#include "machine.h"
#include "crossmod.h"

#include <stdarg.h>

void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);

/* GCC may call these two whatever the options (its manual, "Standards"). */
void *memcpy(void *to, const void *from, size_t count)
{
	void *at = to;
	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(count) : : "memory");
	return to;
}

void *memset(void *to, int value, size_t count)
{
	void *at = to;
	__asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(value) : "memory");
	return to;
}

static void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

/* ---- Console ------------------------------------------------------------------------------------------------ */

static void put_text(const char *text)
{
	while (*text)
		out8(0xe9, (uint8_t)*text++);
}

static void put_number(uint32_t number, uint32_t base)
{
	if (number >= base)
		put_number(number / base, base);
	out8(0xe9, (uint8_t) "0123456789abcdef"[number % base]);
}

static void put_line(const char *format, va_list arguments)
{
	for (; *format; format++) {
		if (*format != '%') {
			out8(0xe9, (uint8_t)*format);
			continue;
		}
		switch (*++format) {
		case 's': put_text(va_arg(arguments, const char *)); break;
		case 'u': put_number(va_arg(arguments, uint32_t), 10); break;
		default: put_number(va_arg(arguments, uint32_t), 16); break;
		}
	}
	out8(0xe9, '\n');
}

void say(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	put_line(format, arguments);
	va_end(arguments);
}

static uint32_t checks, failures;

void check(bool holds, const char *phase, const char *what, const char *otherwise)
{
	checks++;
	if (holds) {
		say("ok %s %s", phase, what);
	} else {
		failures++;
		say("FAIL %s %s: %s", phase, what, otherwise);
	}
}

static _Noreturn void leave(uint8_t code)
{
	out8(0xf4, code); /* QEMU exits with (code << 1) | 1 */
	for (;;)
		__asm__ volatile("cli; hlt");
}

_Noreturn void fail(const char *format, ...)
{
	va_list arguments;
	put_text("FAIL ");
	va_start(arguments, format);
	put_line(format, arguments);
	va_end(arguments);
	leave(0x11);
}

_Noreturn void finish(void)
{
	say("done: %u checks, %u failed", checks, failures);
	leave(checks && !failures ? 0x10 : 0x11);
}

/* ---- Interrupts --------------------------------------------------------------------------------------------- */

enum { VECTOR_BREAKPOINT = 3, VECTOR_PAGE_FAULT = 14, VECTOR_SELF = 0x40, VECTOR_SYNC = 0x41, VECTOR_RETURN = 0x80 };

extern unsigned char trap_stubs[];
extern unsigned char touch_faulted[];
_Noreturn void ring3_leave(void);
REGISTERS void ring3_enter(uintptr_t function, uint32_t argument);
REGISTERS uint32_t read_byte(uintptr_t address);
REGISTERS uint32_t write_byte(uintptr_t address);
REGISTERS void trap(struct frame *frame);

volatile uint32_t arrived;
static volatile bool touching;
static struct outcome outcome;

static volatile uint32_t *apic(uint32_t at)
{
	uint32_t base, high;
	__asm__ volatile("rdmsr" : "=a"(base), "=d"(high) : "c"(0x1b));
	return (volatile uint32_t *)((base & 0xfffff000u) + at);
}

static uint32_t idt[256][2];

/* Gates and local APIC of this CPU. */
static void take_traps(void)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint32_t base;
	} pointer = { sizeof idt - 1, (uint32_t)idt };
	__asm__ volatile("lidt %0" : : "m"(pointer));
	*apic(0xf0) = 0x1ff; /* spurious vector, APIC on */
	*apic(0x80) = 0;     /* no priority threshold */
}

void set_up_traps(void)
{
	for (uint32_t vector = 0; vector < 256; vector++) {
		uint32_t stub = (uint32_t)trap_stubs + 16 * vector;
		idt[vector][0] = (stub & 0xffff) | 0x08 << 16;
		idt[vector][1] = (stub & 0xffff0000u) | (vector == VECTOR_RETURN ? 0xee00 : 0x8e00);
	}
	out8(0x21, 0xff); /* the 8259s off: their vectors overlap those of exceptions */
	out8(0xa1, 0xff);
	take_traps();
}

void interrupt_self(void) { *apic(0x300) = 0x40000 | VECTOR_SELF; }

bool interrupt_is_pending(void) { return *apic(0x200 + VECTOR_SELF / 32 * 0x10) >> VECTOR_SELF % 32 & 1; }

REGISTERS void trap(struct frame *frame)
{
	bool from_ring3 = (frame->cs & 3) == 3;
	if (frame->vector == VECTOR_SELF) {
		arrived++;
		*apic(0xb0) = 0;
	} else if (frame->vector == VECTOR_SYNC) {
		acknowledge();
		*apic(0xb0) = 0;
	} else if (frame->vector == VECTOR_BREAKPOINT && !from_ring3 && breakpoint(frame->eip - 1)) {
		frame->eip--;
	} else if (from_ring3) {
		outcome.fault = frame->vector != VECTOR_RETURN;
		outcome.vector = frame->vector;
		outcome.eip = frame->eip;
		outcome.value = frame->eax;
		outcome.cs = frame->cs;
		ring3_leave();
	} else if (frame->vector == VECTOR_PAGE_FAULT && touching) {
		touching = false;
		frame->eip = (uint32_t)touch_faulted;
	} else {
		uint32_t cr2;
		__asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
		fail("exception %u, error %x, at %x:%x, cr2 %x", frame->vector, frame->error, frame->cs, frame->eip, cr2);
	}
}

/* ---- The second CPU ----------------------------------------------------------------------------------------- */

enum { AP_BASE = 0x8000 }; /* the page that a start-up IPI names: below 1 MiB. entry.S knows it, too */

extern unsigned char ap_start[], ap_end[];
REGISTERS _Noreturn void start_on_second(void);
static volatile bool second_runs;

static void delay(uint64_t duration)
{
	for (uint64_t start = cycles(); cycles() - start < duration;)
		pause();
}

/* SDM volume 3A, 9.4.4. */
void start_second(void)
{
	memcpy((void *)AP_BASE, ap_start, (size_t)(ap_end - ap_start));
	*apic(0x300) = 0xc4500; /* INIT to all but this one */
	delay(20000000);
	for (int i = 0; i < 2; i++) {
		*apic(0x300) = 0xc4600 | AP_BASE >> 12; /* start-up */
		delay(2000000);
	}
	for (uint64_t start = cycles(); !second_runs; pause())
		if (cycles() - start > LONG)
			fail("time-out: the second CPU");
}

REGISTERS _Noreturn void start_on_second(void)
{
	take_traps();
	second_runs = true;
	second_cpu();
}

void interrupt_others(void)
{
	while (*apic(0x300) & 0x1000)
		pause();
	*apic(0x300) = 0xc0000 | VECTOR_SYNC;
}

static bool touch(REGISTERS uint32_t (*access)(uintptr_t), uintptr_t address)
{
	touching = true;
	bool faulted = access(address);
	touching = false;
	return faulted;
}

bool faults_when_read(uintptr_t address) { return touch(read_byte, address); }
bool faults_when_written(uintptr_t address) { return touch(write_byte, address); }

struct outcome ring3_call(uintptr_t function, uint32_t argument)
{
	ring3_enter(function, argument);
	return outcome;
}

/* ---- Page tables -------------------------------------------------------------------------------------------- */

#define WINDOW 0x40000000u
enum { PRESENT_WRITABLE_USER = 7 };

extern uint32_t directory[1024];
static uint32_t other_directory[1024] __attribute__((aligned(4096)));
static uint32_t tables[2][1024] __attribute__((aligned(4096)));
static uint32_t pages[2][1024] __attribute__((aligned(4096)));

void set_up_paging(void)
{
	for (int i = 0; i < 1024; i++)
		other_directory[i] = directory[i];
	for (int i = 0; i < 2; i++) {
		pages[i][0] = i ? OTHER_WORD : OWN_WORD;
		tables[i][0] = (uint32_t)pages[i] | PRESENT_WRITABLE_USER;
		(i ? other_directory : directory)[WINDOW >> 22] = (uint32_t)tables[i] | PRESENT_WRITABLE_USER;
	}
	switch_to(table());
}

uint32_t window(void) { return *(volatile uint32_t *)WINDOW; }
uint32_t other_table(void) { return (uint32_t)other_directory; }

/* ---- Text --------------------------------------------------------------------------------------------------- */

uint32_t digest(void)
{
	uint32_t digest = 0x811c9dc5u; /* FNV-1a */
	for (volatile unsigned char *at = text_start; at < text_end; at++)
		digest = (digest ^ *at) * 0x01000193u;
	return digest;
}

int write_text(void *at, const unsigned char *bytes, size_t count)
{
	enum { WRITE_PROTECT = 1 << 16, EFAULT = 14 };
	uint32_t saved = flags(), control;
	if ((unsigned char *)at < text_start || count > (size_t)(text_end - (unsigned char *)at))
		return EFAULT;
	interrupts(false);
	__asm__ volatile("mov %%cr0, %0" : "=r"(control));
	__asm__ volatile("mov %0, %%cr0" : : "r"(control & ~(uint32_t)WRITE_PROTECT) : "memory");
	for (size_t i = 0; i < count; i++) {
		((volatile unsigned char *)at)[i] = bytes[i];
		pause(); /* the other CPU sees every state of the text */
	}
	__asm__ volatile("mov %0, %%cr0" : : "r"(control) : "memory");
	set_flags(saved);
	return 0;
}
