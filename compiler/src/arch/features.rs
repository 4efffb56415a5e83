//! CPU features: names, CPUID bits, implications. Data in `features.toml`, turned into statics by `build.rs`.

use super::Arch;

/// Register of a CPUID result; the number is that of the table format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpuidRegister {
    /// EAX
    Eax,
    /// EBX
    Ebx,
    /// ECX
    Ecx,
    /// EDX
    Edx,
}

/// State that the operating system must have enabled too; the number is that of the table format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OsSupport {
    /// None.
    None,
    /// FXSAVE state.
    Sse,
    /// XCR0 bits 1 and 2.
    Avx,
    /// XCR0 bits 1, 2, 5, 6, 7.
    Avx512,
    /// XCR0 bits 17 and 18.
    Amx,
}

/// Where CPUID tells a feature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cpuid {
    /// EAX of the query.
    pub leaf: u32,
    /// ECX of the query.
    pub subleaf: u32,
    /// Register of the answer.
    pub register: CpuidRegister,
    /// Bit in it.
    pub bit: u8,
    /// What the OS must support.
    pub os: OsSupport,
}

/// One feature.
#[derive(Clone, Copy, Debug)]
pub struct FeatureInfo {
    /// Where CPUID tells it.
    pub cpuid: Cpuid,
    /// What every CPU with it has too, closed under implication, itself included.
    pub implies: &'static [&'static str],
    /// Names of iced-x86's `CpuidFeature` that it provides itself.
    pub iced: &'static [&'static str],
}

/// A baseline.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    /// Arches that it makes sense on.
    pub arches: &'static [Arch],
    /// Features that it guarantees, closed under implication.
    pub has: &'static [&'static str],
}

/// A table by name, in the order of the names.
#[derive(Clone, Copy, Debug)]
pub struct ByName<T: 'static>(&'static [(&'static str, T)]);

impl<T> ByName<T> {
    /// A table of rows that are sorted by name.
    pub(crate) const fn new(rows: &'static [(&'static str, T)]) -> Self {
        Self(rows)
    }

    /// The row of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'static T> {
        self.0.binary_search_by_key(&name, |row| row.0).ok().map(|index| &self.0[index].1)
    }

    /// All rows with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static T)> + Clone + use<T> {
        self.0.iter().map(|(name, row)| (*name, row))
    }

    /// All names.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> + Clone + use<T> {
        self.iter().map(|(name, _)| name)
    }
}

/// All features.
pub static FEATURES: ByName<FeatureInfo> = ByName(FEATURE_TABLE);
/// All baselines.
pub static LEVELS: ByName<Level> = ByName(LEVEL_TABLE);

/// Other names of features, each with the name that the feature has here.
pub static ALIASES: ByName<&str> = ByName(ALIAS_TABLE);

/// The features that provide one of iced-x86's `CpuidFeature`s, by its name there.
pub static PROVIDERS: ByName<&[&str]> = ByName(PROVIDER_TABLE);

/// The name that a feature has here: what an alias stands for, and any other name itself.
#[must_use]
pub fn canonical(name: &str) -> &str {
    ALIASES.get(name).map_or(name, |meant| meant)
}

/// The feature of that name, or of that other name.
#[must_use]
pub fn feature(name: &str) -> Option<&'static FeatureInfo> {
    FEATURES.get(canonical(name))
}

include!(concat!(env!("OUT_DIR"), "/features.rs"));

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::CpuidFeature;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn implications_are_closed() {
        assert!(feature("avx512vl").unwrap().implies.contains(&"sse2"));
        assert!(LEVELS.get("x86_64_v3").unwrap().has.contains(&"popcnt"));
        assert_eq!(feature("serialize").unwrap().cpuid.leaf, 7);
    }

    #[test]
    fn every_name_of_iced_exists() {
        let known: BTreeSet<String> = CpuidFeature::values().map(|feature| format!("{feature:?}")).collect();
        for (name, info) in FEATURES.iter() {
            for iced in info.iced {
                assert!(known.contains(*iced), "{name}: {iced}");
            }
        }
    }

    #[test]
    fn no_bit_is_named_twice() {
        let mut seen = BTreeMap::new();
        for (name, info) in FEATURES.iter() {
            let key = (info.cpuid.leaf, info.cpuid.subleaf, info.cpuid.register as u8, info.cpuid.bit);
            assert_eq!(seen.insert(key, name), None, "{name}");
        }
    }
}
