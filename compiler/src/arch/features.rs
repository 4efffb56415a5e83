//! CPU features: names, CPUID bits, implications. Data in `features.toml`.

use super::Arch;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::LazyLock;

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
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OsSupport {
    /// None.
    #[default]
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
#[derive(Clone, Debug)]
pub struct FeatureInfo {
    /// Where CPUID tells it.
    pub cpuid: Cpuid,
    /// What every CPU with it has too, closed under implication, itself included.
    pub implies: BTreeSet<String>,
    /// Names of iced-x86's `CpuidFeature` that it provides itself.
    pub iced: Vec<String>,
}

/// A baseline.
#[derive(Clone, Debug)]
pub struct Level {
    /// Arches that it makes sense on.
    pub arches: Vec<Arch>,
    /// Features that it guarantees, closed under implication.
    pub has: BTreeSet<String>,
}

/// All features by name.
pub static FEATURES: LazyLock<BTreeMap<String, FeatureInfo>> = LazyLock::new(|| read().0);
static LEVELS: LazyLock<BTreeMap<String, Level>> = LazyLock::new(|| read().1);

/// The feature of that name.
#[must_use]
pub fn feature(name: &str) -> Option<&'static FeatureInfo> {
    FEATURES.get(name)
}

/// The baselines by name.
#[must_use]
pub fn levels() -> &'static BTreeMap<String, Level> {
    &LEVELS
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    features: BTreeMap<String, Row>,
    levels: BTreeMap<String, LevelRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    bit: String,
    #[serde(default)]
    os: OsSupport,
    #[serde(default)]
    implies: Vec<String>,
    iced: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LevelRow {
    arches: Vec<String>,
    has: Vec<String>,
}

/// Reads the table. It is part of the program and a test reads it whole, so a defect shows there.
fn read() -> (BTreeMap<String, FeatureInfo>, BTreeMap<String, Level>) {
    let file: File = toml::from_str(include_str!("features.toml")).expect("the feature table is well-formed");
    let close = |names: &mut dyn Iterator<Item = &String>| {
        let mut all = BTreeSet::new();
        let mut todo: Vec<String> = names.cloned().collect();
        while let Some(name) = todo.pop() {
            if let Some(level) = file.levels.get(&name) {
                todo.extend(level.has.iter().cloned());
            } else if all.insert(name.clone()) {
                todo.extend(file.features.get(&name).expect("implied features exist").implies.iter().cloned());
            }
        }
        all
    };
    let features = file
        .features
        .iter()
        .map(|(name, row)| {
            let mut cpuid = parse_bit(&row.bit).expect("bits are leaf.subleaf:register.bit");
            cpuid.os = row.os;
            let implies = close(&mut std::iter::once(name));
            (name.clone(), FeatureInfo { cpuid, implies, iced: row.iced.clone() })
        })
        .collect();
    let levels = file
        .levels
        .iter()
        .map(|(name, row)| {
            let arches = Arch::ALL.into_iter().filter(|arch| row.arches.iter().any(|name| name == arch.name()));
            (name.clone(), Level { arches: arches.collect(), has: close(&mut row.has.iter()) })
        })
        .collect();
    (features, levels)
}

fn parse_bit(text: &str) -> Option<Cpuid> {
    let (query, answer) = text.split_once(':')?;
    let (leaf, subleaf) = query.split_once('.')?;
    let (register, bit) = answer.split_once('.')?;
    let register = match register {
        "eax" => CpuidRegister::Eax,
        "ebx" => CpuidRegister::Ebx,
        "ecx" => CpuidRegister::Ecx,
        "edx" => CpuidRegister::Edx,
        _ => return None,
    };
    Some(Cpuid {
        leaf: u32::from_str_radix(leaf, 16).ok()?,
        subleaf: u32::from_str(subleaf).ok()?,
        register,
        bit: u8::from_str(bit).ok().filter(|bit| *bit < 32)?,
        os: OsSupport::None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::CpuidFeature;

    #[test]
    fn implications_are_closed() {
        assert!(feature("avx512vl").unwrap().implies.contains("sse2"));
        assert!(levels()["x86_64_v3"].has.contains("popcnt"));
        assert_eq!(feature("serialize").unwrap().cpuid.leaf, 7);
    }

    #[test]
    fn every_name_of_iced_exists() {
        let known: BTreeSet<String> = CpuidFeature::values().map(|feature| format!("{feature:?}")).collect();
        for (name, info) in FEATURES.iter() {
            for iced in &info.iced {
                assert!(known.contains(iced), "{name}: {iced}");
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
