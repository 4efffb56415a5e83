/* pvc_features.h - the part of pvc.c that asks CPUID for the features of a set. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef PVC_FEATURES_H
#define PVC_FEATURES_H 1

struct cpuid {
	uint32_t reg[4]; /* eax, ebx, ecx, edx */
};

static struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid result;
	__asm__ volatile("cpuid"
			 : "=a"(result.reg[0]), "=b"(result.reg[1]), "=c"(result.reg[2]), "=d"(result.reg[3])
			 : "0"(leaf), "2"(subleaf));
	return result;
}

/* A leaf beyond the CPU's highest one returns another leaf's data: ask first. Subleaves are counted in leaf 7 only. */
static int has_leaf(uint32_t leaf, uint32_t subleaf)
{
	uint32_t highest = cpuid(leaf & 0xffff0000u, 0).reg[0];
	if (highest < leaf || (highest & 0xffff0000u) != (leaf & 0xffff0000u))
		return 0;
	return leaf != 7 || !subleaf || cpuid(7, 0).reg[0] >= subleaf;
}

static int os_enabled(unsigned os)
{
	static const uint32_t xcr0_bits[] = { 0, 0, 0x6, 0xe6, 0x60000 }; /* by PV_OS_* */
	struct cpuid basic = cpuid(1, 0);
	uint32_t xcr0, high;
	if (os == PV_OS_NONE)
		return 1;
	if (os == PV_OS_SSE) /* CR4.OSFXSR cannot be read in user space; every OS of the last 20 years sets it */
		return basic.reg[3] >> 24 & 1;
	if (os >= sizeof xcr0_bits / sizeof *xcr0_bits || !(basic.reg[2] >> 27 & 1)) /* OSXSAVE: xgetbv works */
		return 0;
	__asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
	return (xcr0 & xcr0_bits[os]) == xcr0_bits[os];
}

uint64_t pv_cpu_features(const struct pv_set *set)
{
	const struct pv_feature *last = 0;
	struct cpuid result;
	uint64_t features = 0;
	int known = 0;

	for (unsigned i = 0; i < set->nfeatures && i < 64; i++) {
		const struct pv_feature *feature = &set->features[i];
		if (feature->source != PV_CPUID)
			continue;
		/* Features of one leaf stand together; CPUID is slow in a virtual machine. */
		if (!last || last->leaf != feature->leaf || last->subleaf != feature->subleaf) {
			known = has_leaf(feature->leaf, feature->subleaf);
			if (known)
				result = cpuid(feature->leaf, feature->subleaf);
			last = feature;
		}
		if (known && result.reg[feature->reg & 3] >> (feature->bit & 31) & 1 && os_enabled(feature->os))
			features |= (uint64_t)1 << i;
	}
	return features;
}

#endif
