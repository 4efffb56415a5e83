//! Kinds of patch site.

use super::{Context, quoted, set};
use crate::arch::{Arch, Kind};
use crate::diagnostics::{Code, Diagnostic};
use crate::model::{Abi, Set, Site};
use crate::source::Span;
use crate::suggest::nearest;
use crate::syntax::ast::{Group, SiteKind};

/// What a set's sites are if it does not say: a call through the ops structure; in user space C code cannot hold a call
/// (it would overwrite the red zone), so a jump to a stub.
pub(super) fn defaults(set: &Set) -> Vec<(Arch, Vec<Site>)> {
    let name = match set.abi {
        Abi::Kernel => "call.mem",
        Abi::User => "jmp.stub",
    };
    set.arches
        .iter()
        .map(|&arch| {
            let kind = arch.table().kind(name).map(|kind| Site { kind, len: kind.len, span: set.span });
            (arch, kind.into_iter().collect())
        })
        .collect()
}

/// The sites of a `site` clause for each of `arches`. A kind that makes no sense is reported and left out.
pub(super) fn resolve(
    context: &mut Context<'_>,
    groups: &[Group<SiteKind>],
    arches: &[Arch],
    clause: Span,
    of: &str,
) -> Vec<(Arch, Vec<Site>)> {
    let mut sites: Vec<(Arch, Vec<Site>)> = arches.iter().map(|&arch| (arch, Vec::new())).collect();
    let mut good = true;
    for group in groups {
        let Some(of_group) = group_arches(context, &group.arches, arches, of) else {
            good = false;
            continue;
        };
        for item in &group.items {
            let Some(found) = resolve_kind(context, item, &of_group, !group.arches.is_empty()) else {
                good = false;
                continue;
            };
            for (arch, site) in found {
                let Some((_, list)) = sites.iter_mut().find(|(of, _)| *of == arch) else { continue };
                if let Some(first) =
                    list.iter().find(|first| first.kind.code == site.kind.code && first.len == site.len)
                {
                    let message = format!("`{}` is listed twice", site.label());
                    let found = Diagnostic::new(Code::DUPLICATE, site.span, message).also(first.span, "first here");
                    context.report(context.drop_item(found, site.span));
                    break;
                }
                list.push(site);
            }
        }
    }
    if good {
        for (arch, _) in sites.iter().filter(|(_, list)| list.is_empty()) {
            context.report(
                Diagnostic::new(Code::SITE_KIND, clause, format!("this names no site for {}", arch.name()))
                    .help(format!("add `; {}: KIND`", arch.name())),
            );
        }
    }
    sites
}

/// The arches of a group: all of `arches`, or those that it names, which must be among them. `None` after a report.
pub(super) fn group_arches(
    context: &mut Context<'_>,
    names: &[crate::syntax::ast::Word],
    arches: &[Arch],
    of: &str,
) -> Option<Vec<Arch>> {
    if names.is_empty() {
        return Some(arches.to_vec());
    }
    let mut of_group = Vec::new();
    let mut good = true;
    for name in names {
        let mut meant = set::arch_names(context, name);
        good &= meant.known;
        // `x86` means both as far as they are there.
        if name.text == "x86" || !meant.known {
            meant.arches.retain(|arch| arches.contains(arch));
        }
        for arch in meant.arches {
            if arches.contains(&arch) {
                of_group.push(arch);
            } else {
                good = false;
                context.report(
                    Diagnostic::new(Code::CONTRACT, name.span, format!("{of} has nothing on {}", arch.name()))
                        .label("no row is for this arch")
                        .help("drop this part"),
                );
            }
        }
    }
    good.then_some(of_group)
}

/// One kind on each arch; `None` if it fits nowhere, which has been reported.
fn resolve_kind(
    context: &mut Context<'_>,
    item: &SiteKind,
    arches: &[Arch],
    prefixed: bool,
) -> Option<Vec<(Arch, Site)>> {
    let name = item.name.text.as_str();
    let (has, lacks): (Vec<Arch>, Vec<Arch>) = arches.iter().partition(|arch| arch.table().kind(name).is_some());
    let Some(kind) = has.first().and_then(|arch| arch.table().kind(name)) else {
        context.report(unknown_kind(item, arches));
        return None;
    };
    if !lacks.is_empty() {
        let (has, lacks) = (has[0].name(), lacks[0].name());
        let mut found = Diagnostic::new(
            Code::SITE_KIND,
            item.span,
            format!("{lacks} has no `{name}` site, and the op exists there too"),
        );
        if !prefixed {
            found = found.help(format!("say what is meant on each arch: `site {has}: {name}; {lacks}: KIND`"));
        }
        context.report(found);
        return None;
    }
    let len = match (&item.len, kind.len, name) {
        (None, None, "nop") => {
            context.report(
                Diagnostic::new(Code::SITE_KIND, item.span, "a `nop` site needs its length: `nop(5)`").guess(
                    "write its length",
                    item.span.after(),
                    "(5)",
                ),
            );
            return None;
        }
        (Some(number), None, "nop") => Some(nop_len(context, number, arches)?),
        (Some(number), _, _) => {
            let span = Span { start: item.name.span.end, ..item.span };
            let what = fixed_len(kind);
            context.report(
                Diagnostic::new(Code::SITE_KIND, number.span, format!("`{name}` takes no length: such a site {what}"))
                    .fix("drop the length", span, ""),
            );
            return None;
        }
        (None, len, _) => len,
    };
    let site = |arch: Arch| Some((arch, Site { kind: arch.table().kind(name)?, len, span: item.span }));
    Some(has.into_iter().filter_map(site).collect())
}

fn fixed_len(kind: &Kind) -> String {
    kind.len.map_or_else(|| "is as long as its longest row".to_owned(), |len| format!("always has {len} bytes"))
}

fn nop_len(context: &mut Context<'_>, number: &crate::syntax::ast::Word, arches: &[Arch]) -> Option<u8> {
    let most = arches.iter().map(|arch| arch.table().max_site).min().unwrap_or(0);
    let len = number.text.parse::<u8>().ok().filter(|len| (1..=most).contains(len));
    if len.is_none() {
        context.report(
            Diagnostic::new(Code::SITE_KIND, number.span, format!("a site cannot have {} bytes", number.text))
                .label(format!("must be 1 to {most}")),
        );
    }
    len
}

fn unknown_kind(item: &SiteKind, arches: &[Arch]) -> Diagnostic {
    let name = item.name.text.as_str();
    if let Some(other) = Arch::ALL.into_iter().find(|arch| arch.table().kind(name).is_some()) {
        let here: Vec<_> = arches.iter().map(|arch| arch.name()).collect();
        return Diagnostic::new(
            Code::SITE_KIND,
            item.name.span,
            format!("`{name}` exists on {} only, this is for {}", other.name(), here.join(" and ")),
        );
    }
    let kinds: Vec<&str> = arches.iter().flat_map(|arch| arch.table().kinds).map(|kind| kind.name).collect();
    let mut distinct: Vec<&str> = Vec::new();
    for kind in kinds {
        if !distinct.contains(&kind) {
            distinct.push(kind);
        }
    }
    let found = Diagnostic::new(Code::SITE_KIND, item.name.span, format!("no site kind is called `{name}`"));
    match nearest(name, distinct.iter().copied()) {
        Some(near) => near.offer(found, item.name.span),
        None => found.note(format!("the kinds are {}", quoted(&distinct))),
    }
}
