//! Which features this machine has: CPUID, with what the operating system must have enabled, and declared ones.

use crate::set::Set;
use crate::table::{Feature, OS_AMX, OS_AVX, OS_AVX512, OS_NONE, OS_SSE, SOURCE_CPUID, SOURCE_DECLARED};

#[cfg(target_arch = "x86")]
use core::arch::x86::{__cpuid_count, _xgetbv, CpuidResult};
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::{__cpuid_count, _xgetbv, CpuidResult};

/// A set of features: bit `i` is feature `i` of the set's table.
///
/// The meaning of the bits belongs to one patch set; generated code has a constant per feature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features(pub u64);

impl Features {
    /// No feature at all: every row without a condition, and no other.
    pub const NONE: Self = Self(0);

    /// Both sets together.
    ///
    /// ```
    /// use pvc_runtime::Features;
    /// assert_eq!(Features(1).and(Features(4)), Features(5));
    /// ```
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These features without the others.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `other` are in here.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What CPUID reports on this CPU, as far as the set's conditions ask for it, and of `declared` the features that the
    /// set says are declared (a CPUID feature cannot be declared).
    ///
    /// A feature whose state the operating system must save (AVX and later) counts only if XCR0 says that it does.
    /// CPUID instructions trap in most virtual machines (tens of microseconds each), so answers are kept.
    #[must_use]
    pub fn detect(set: &Set, declared: Self) -> Self {
        let mut cpu = Cpu::new();
        let mut found = 0u64;
        for (index, feature) in set.features().iter().take(64).enumerate() {
            let bit = 1u64 << index;
            let present = match feature.source {
                SOURCE_CPUID => cpu.has(feature),
                SOURCE_DECLARED => declared.0 & bit != 0,
                _ => false,
            };
            if present {
                found |= bit;
            }
        }
        Self(found)
    }
}

/// CPUID with the last answers kept, and XCR0.
struct Cpu {
    answers: [Option<(u32, u32, CpuidResult)>; 8],
    oldest: usize,
    xcr0: Option<u64>,
}

impl Cpu {
    const fn new() -> Self {
        Self { answers: [None; 8], oldest: 0, xcr0: None }
    }

    fn has(&mut self, feature: &Feature) -> bool {
        self.bit(feature.leaf, feature.subleaf, feature.reg, feature.bit) && self.enabled(feature.os)
    }

    fn bit(&mut self, leaf: u32, subleaf: u32, reg: u8, bit: u8) -> bool {
        // A leaf above the highest one answers with the data of the highest basic leaf (SDM volume 2A, CPUID), so
        // the limit of its range is asked first.
        if leaf > self.read(leaf & 0xffff_0000, 0).eax {
            return false;
        }
        if leaf == 7 && subleaf > self.read(7, 0).eax {
            return false;
        }
        let answer = self.read(leaf, subleaf);
        let value = match reg {
            0 => answer.eax,
            1 => answer.ebx,
            2 => answer.ecx,
            _ => answer.edx,
        };
        value.checked_shr(u32::from(bit)).is_some_and(|value| value & 1 != 0)
    }

    fn enabled(&mut self, os: u8) -> bool {
        let mask = match os {
            OS_NONE => return true,
            OS_SSE => return self.bit(1, 0, 3, 24),
            OS_AVX => 0x6,
            OS_AVX512 => 0xe6,
            OS_AMX => 0x6_0000,
            _ => return false,
        };
        self.xcr0() & mask == mask
    }

    fn xcr0(&mut self) -> u64 {
        if let Some(value) = self.xcr0 {
            return value;
        }
        const OSXSAVE: u8 = 27;
        let value = if self.bit(1, 0, 2, OSXSAVE) {
            // SAFETY: (6) CPUID.1:ECX.OSXSAVE says that XGETBV is enabled (SDM volume 2D, XGETBV), and XCR0 always exists.
            unsafe { xgetbv0() }
        } else {
            0
        };
        self.xcr0 = Some(value);
        value
    }

    fn read(&mut self, leaf: u32, subleaf: u32) -> CpuidResult {
        for (known_leaf, known_subleaf, answer) in self.answers.iter().flatten() {
            if (*known_leaf, *known_subleaf) == (leaf, subleaf) {
                return *answer;
            }
        }
        #[allow(unused_unsafe, reason = "safe since Rust 1.94, and the stated minimum is older")]
        // SAFETY: (7) every CPU that runs 64-bit code, and every 32-bit one since 1993 (P6 is required here), has CPUID.
        let answer = unsafe { __cpuid_count(leaf, subleaf) };
        if let Some(place) = self.answers.get_mut(self.oldest) {
            *place = Some((leaf, subleaf, answer));
        }
        self.oldest = (self.oldest + 1) % self.answers.len();
        answer
    }
}

/// Reads XCR0.
///
/// # Safety
///
/// CPUID.1:ECX.OSXSAVE is set.
#[target_feature(enable = "xsave")]
unsafe fn xgetbv0() -> u64 {
    // SAFETY: (8) the caller's promise.
    unsafe { _xgetbv(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::prelude::v1::*;

    fn feature(leaf: u32, reg: u8, bit: u8, os: u8) -> Feature {
        Feature { name: core::ptr::null(), leaf, subleaf: 0, reg, bit, os, source: SOURCE_CPUID, reserved: 0 }
    }

    #[test]
    fn cpuid_says_what_the_standard_library_says() {
        let mut cpu = Cpu::new();
        let mut check = |feature: Feature, expected: bool, name: &str| {
            assert_eq!(cpu.has(&feature), expected, "{name}");
        };
        check(feature(1, 2, 23, OS_NONE), std::is_x86_feature_detected!("popcnt"), "popcnt");
        check(feature(1, 3, 26, OS_SSE), std::is_x86_feature_detected!("sse2"), "sse2");
        check(feature(7, 1, 3, OS_NONE), std::is_x86_feature_detected!("bmi1"), "bmi1");
        check(feature(1, 2, 28, OS_AVX), std::is_x86_feature_detected!("avx"), "avx");
        check(feature(7, 1, 5, OS_AVX), std::is_x86_feature_detected!("avx2"), "avx2");
        check(feature(7, 1, 16, OS_AVX512), std::is_x86_feature_detected!("avx512f"), "avx512f");
        check(feature(0x8000_0001, 2, 5, OS_NONE), std::is_x86_feature_detected!("lzcnt"), "lzcnt");
    }

    #[test]
    fn leaves_that_do_not_exist_have_no_features() {
        let mut cpu = Cpu::new();
        for bit in 0..32 {
            assert!(!cpu.has(&feature(0x0fff, 0, bit, OS_NONE)), "bit {bit} of leaf 0xfff");
            assert!(!cpu.has(&feature(0x8fff_ffff, 0, bit, OS_NONE)), "bit {bit} of leaf 0x8fffffff");
            assert!(!cpu.has(&Feature { subleaf: 0xff, ..feature(7, 0, bit, OS_NONE) }), "bit {bit} of subleaf 0xff");
        }
        assert!(!cpu.has(&feature(1, 2, 23, 99)), "an unknown demand on the system");
        assert!(!cpu.has(&feature(1, 2, 32, OS_NONE)), "a bit that no register has");
    }
}
