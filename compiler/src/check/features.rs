//! Whether the condition of a row, or the baseline, guarantees every CPU feature that its instructions need.

use super::flow::Node;
use super::{Context, RowCheck};
use crate::arch::{Arch, LEVELS, PROVIDERS, feature};
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::model::{FeatureSource, Term};
use iced_x86::{CpuidFeature, Mnemonic};
use std::collections::BTreeSet;

/// What an instruction needs of the CPU.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Need {
    /// Any of these features.
    Feature(Vec<&'static str>),
    /// Something that no name stands for.
    Unnamed(String),
}

/// Features that every CPU has on which the arch runs at all; the oldest that the kernel and the system ABIs know is an
/// i486 with CPUID, and multi-byte NOPs, which the patcher itself writes, came with the P6.
const ALWAYS: [CpuidFeature; 11] = [
    CpuidFeature::INTEL8086,
    CpuidFeature::INTEL186,
    CpuidFeature::INTEL286,
    CpuidFeature::INTEL386,
    CpuidFeature::INTEL486,
    CpuidFeature::X64,
    CpuidFeature::CPUID,
    CpuidFeature::MULTIBYTENOP,
    CpuidFeature::PAUSE,
    CpuidFeature::RDPMC,
    CpuidFeature::SMM,
];

/// What one of iced-x86's features stands for; `None`: nothing that a CPU could lack.
pub(super) fn need(feature: CpuidFeature) -> Option<Need> {
    if ALWAYS.contains(&feature) {
        return None;
    }
    if feature == CpuidFeature::HLE_or_RTM {
        return Some(Need::Feature(vec!["rtm", "hle"]));
    }
    let name = format!("{feature:?}");
    Some(match PROVIDERS.get(&name) {
        Some(providers) => Need::Feature(providers.to_vec()),
        None => Need::Unnamed(name),
    })
}

/// What an instruction needs beyond what every CPU of the arch has.
fn needs(node: &Node, arch: Arch) -> Vec<Need> {
    let instruction = &node.instruction;
    if node.facts.is_some_and(|facts| facts.harmless) {
        return Vec::new();
    }
    // The first 64-bit CPUs left these two out in 64-bit mode (SDM LAHF, SAHF).
    if arch == Arch::X86_64 && matches!(instruction.mnemonic(), Mnemonic::Lahf | Mnemonic::Sahf) {
        return vec![Need::Feature(vec!["lahf_lm"])];
    }
    instruction.cpuid_features().iter().filter_map(|&feature| need(feature)).collect()
}

/// The names of the features that a row's instructions need, the baseline's included.
pub(super) fn needed(row: &RowCheck<'_>) -> Vec<String> {
    let mut names = BTreeSet::new();
    for node in row.graph.nodes.values() {
        for need in needs(node, row.context.contract.arch) {
            names.insert(match need {
                Need::Feature(providers) => providers[0].to_owned(),
                Need::Unnamed(name) => name.to_ascii_lowercase(),
            });
        }
    }
    names.into_iter().collect()
}

/// Reports each feature that is needed and not guaranteed, once.
pub(super) fn check(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    for (node, need) in unmet(row) {
        diagnostics.push(finding(row, node, &need));
    }
}

/// The names of the features that are needed and not guaranteed.
pub(super) fn missing(row: &RowCheck<'_>) -> Vec<String> {
    let name = |need| match need {
        Need::Feature(providers) => providers[0].to_owned(),
        Need::Unnamed(name) => name.to_ascii_lowercase(),
    };
    unmet(row).into_iter().map(|(_, need)| name(need)).collect()
}

/// What is needed and not guaranteed, each with the first instruction that needs it.
fn unmet<'r>(row: &'r RowCheck<'_>) -> Vec<(&'r Node, Need)> {
    let context = &row.context;
    let terms = row.row.row.when.as_ref().map_or(vec![Term { all: 0, none: 0 }], |when| when.terms.clone());
    let guaranteed: Vec<BTreeSet<&str>> = terms.iter().filter_map(|term| guaranteed(context, term)).collect();
    let mut seen = BTreeSet::new();
    let mut unmet = Vec::new();
    for node in row.graph.nodes.values() {
        for need in needs(node, context.contract.arch) {
            let missing = match &need {
                Need::Feature(providers) => {
                    guaranteed.iter().any(|has| !providers.iter().any(|name| has.contains(name)))
                }
                Need::Unnamed(_) => true,
            };
            if missing && seen.insert(need.clone()) {
                unmet.push((node, need));
            }
        }
    }
    unmet
}

/// The CPU features that hold whenever the term does; `None` if it never holds.
fn guaranteed<'a>(context: &Context<'a>, term: &Term) -> Option<BTreeSet<&'a str>> {
    let named = |mask: u64| {
        context.features.iter().enumerate().filter(move |(bit, _)| mask >> bit & 1 != 0).map(|(_, feature)| feature)
    };
    let mut has: BTreeSet<&str> = context.set.baseline.iter().map(String::as_str).collect();
    // Whatever the baseline says for both arches, a CPU in 64-bit mode has these (psABI, table 3.1).
    if context.contract.arch == Arch::X86_64 {
        has.extend(LEVELS.get("x86_64_v1").into_iter().flat_map(|level| level.has));
    }
    for declared in named(term.all).filter(|declared| matches!(declared.source, FeatureSource::Cpuid(_))) {
        has.insert(&declared.name);
        has.extend(feature(&declared.name).into_iter().flat_map(|info| info.implies.iter().copied()));
    }
    let contradicts = named(term.none)
        .any(|excluded| matches!(excluded.source, FeatureSource::Cpuid(_)) && has.contains(excluded.name.as_str()));
    (!contradicts).then_some(has)
}

fn finding(row: &RowCheck<'_>, node: &Node, need: &Need) -> Diagnostic {
    let span = node.span;
    let mnemonic = format!("{:?}", node.instruction.mnemonic()).to_ascii_lowercase();
    let providers = match need {
        Need::Unnamed(name) => {
            return Diagnostic::new(
                Code::MISSING_FEATURE,
                span,
                format!("`{mnemonic}` exists only on some CPUs, and no condition can tell which"),
            )
            .label(format!("needs what iced-x86 calls {name}"));
        }
        Need::Feature(providers) => providers,
    };
    let name = providers[0];
    let guaranteed_by = match &row.row.row.when {
        Some(when) => format!("neither `when {}` nor the baseline guarantees", when.text),
        None => "nothing guarantees".to_owned(),
    };
    let found = Diagnostic::new(
        Code::MISSING_FEATURE,
        span,
        format!("`{mnemonic}` needs the CPU feature `{name}`, which {guaranteed_by}"),
    )
    .label(format!("needs {}", providers.join(" or ")));
    let found = match node.facts.and_then(|facts| facts.older) {
        Some(older) => found.note(format!("no exception tells: CPUs without it run {older}")),
        None => found.note("CPUs without it raise an invalid-opcode exception here"),
    };
    let found = found.help(format!(
        "write `when {name}` before the asm, and a row without it for the other CPUs; or raise the baseline"
    ));
    match &row.row.row.when {
        Some(when) => {
            let old = row.context.sources.text(when.span);
            let condition = old.strip_prefix("when").map_or(old, str::trim_start);
            let keyword = if condition.len() == old.len() { "" } else { "when " };
            let condition = if condition.contains("||") { format!("({condition})") } else { condition.to_owned() };
            found.fix("add it to the condition", when.span, format!("{keyword}{condition} && {name}"))
        }
        None => {
            // In front of the opening brace.
            let body = row.row.row.asm.span;
            let brace = row.context.sources.file(body.file).text[..body.start as usize].rfind('{');
            match brace {
                Some(at) => {
                    let at = crate::source::Span { file: body.file, start: at as u32, end: at as u32 };
                    let (title, text) = ("add the condition", format!("when {name} "));
                    // The op may be left without a row for the other CPUs then: that is up to the author.
                    if row.context.op.partial { found.fix(title, at, text) } else { found.guess(title, at, text) }
                }
                None => found,
            }
        }
    }
}
