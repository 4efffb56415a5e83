//! Whether each row fits into each site that it may be written over.

use super::Context;
use crate::arch::Arch;
use crate::diagnostics::{Code as Finding, Diagnostic, Diagnostics};
use crate::model::{AssembledRow, Code, Contract, Op, Site, Unit};
use crate::source::Span;
use pvc_asm::FixupKind;

/// Gives `inline` sites their length: that of the longest row, and room for the direct call unless the op is `nocall`.
pub(super) fn inline_lengths(unit: &mut Unit<AssembledRow>) {
    for op in &mut unit.ops {
        let nocall = op.nocall;
        for contract in &mut op.contracts {
            let longest = contract.rows.iter().filter_map(|row| row.code.as_ref()).map(|code| code.bytes.len()).max();
            let direct = if nocall { 1 } else { contract.arch.table().direct_len };
            // A row that is longer than any site is reported below; the site gets what there is.
            let max = contract.arch.table().max_site;
            let len = u8::try_from(longest.unwrap_or(0)).unwrap_or(max).clamp(direct, max);
            for site in contract.sites.iter_mut().filter(|site| site.len.is_none()) {
                site.len = Some(len);
            }
        }
    }
}

/// Checks the sites of a contract by themselves.
pub(super) fn sites(context: &Context<'_>, fallback: Option<&Code>, diagnostics: &mut Diagnostics) {
    let (op, contract) = (context.op, context.contract);
    let table = contract.arch.table();
    for site in &contract.sites {
        let len = site.len.unwrap_or(0);
        if !op.nocall && len < table.direct_len {
            let found = Diagnostic::new(
                Finding::NO_ROOM_FOR_CALL,
                site.span,
                format!(
                    "a {} site of `{}` has {len} bytes, and the direct call that may have to stand there needs {}",
                    site.label(),
                    op.name,
                    table.direct_len
                ),
            )
            .label(format!("{} {} too short", table.direct_len - len, bytes(usize::from(table.direct_len - len))))
            .note("a backend that is installed later is called from the site itself")
            .help(format!("use `nop({})`, or mark the op `nocall` if it never has a backend", table.direct_len));
            diagnostics.push(lengthened(found, site, usize::from(table.direct_len), contract.arch));
        }
        if site.kind.name == "inline"
            && let Some(code) = fallback
        {
            inline_fixups(context, site, code, diagnostics);
        }
    }
}

/// What stands at an `inline` site before it is patched is linked like other code: the linker has to know its fixups.
fn inline_fixups(context: &Context<'_>, site: &Site, code: &Code, diagnostics: &mut Diagnostics) {
    for fixup in &code.fixups {
        let narrow = matches!(fixup.kind, FixupKind::Abs8 | FixupKind::Abs16 | FixupKind::PcRel8 | FixupKind::PcRel16);
        if narrow {
            diagnostics.push(
                Diagnostic::new(
                    Finding::FIXUP,
                    site.span,
                    format!(
                        "the fallback row of `{}` holds `{}` in {} {}, which no linker fills in at an `inline` site",
                        context.op.name,
                        fixup.symbol,
                        fixup.width,
                        bytes(usize::from(fixup.width))
                    ),
                )
                .label("the fallback row stands here before patching")
                .help("use a form with a 32-bit field, or a site of another kind"),
            );
        }
    }
}

/// Checks a row against every site of its op.
pub(super) fn row(context: &Context<'_>, row: &AssembledRow, code: &Code, diagnostics: &mut Diagnostics) {
    let contract = context.contract;
    let needs = code.bytes.len();
    let too_small: Vec<&Site> =
        contract.sites.iter().filter(|site| usize::from(site.len.unwrap_or(0)) < needs).collect();
    let Some(smallest) = too_small.iter().min_by_key(|site| site.len) else { return };
    let len = usize::from(smallest.len.unwrap_or(0));
    let over = needs - len;
    let mut found = Diagnostic::new(
        Finding::TOO_LONG,
        row.row.asm.span,
        format!(
            "this row of `{}` takes {needs} {} on {}, {over} more than its {len}-byte {} site",
            context.op.name,
            bytes(needs),
            contract.arch.name(),
            smallest.label()
        ),
    )
    .label(format!("{needs} {}: {}", bytes(needs), hex(&code.bytes)));
    for site in &too_small {
        let len = usize::from(site.len.unwrap_or(0));
        found = found.also(site.span, format!("{}: {len} {}, {} too few", site.label(), bytes(len), needs - len));
    }
    let found = found.help(advice(context, needs));
    diagnostics.push(match too_small[..] {
        [site] => lengthened(found, site, needs, contract.arch),
        _ => found,
    });
}

/// Offers to make a `nop(N)` site as long as is needed.
fn lengthened(found: Diagnostic, site: &Site, needs: usize, arch: Arch) -> Diagnostic {
    if site.kind.name == "nop" && needs <= usize::from(arch.table().max_site) {
        found.guess("lengthen the site", site.span, format!("nop({needs})"))
    } else {
        found
    }
}

/// What would hold the row.
fn advice(context: &Context<'_>, needs: usize) -> String {
    let table = context.contract.arch.table();
    if needs > usize::from(table.max_site) {
        return format!("no site has more than {} bytes: put the code into a function", table.max_site);
    }
    let jump = context.has_jump_site();
    let mut kinds: Vec<String> = table
        .kinds
        .iter()
        .filter(|kind| kind.is_jump() == jump && kind.len.is_some_and(|len| usize::from(len) >= needs))
        .map(|kind| format!("`{}` ({} bytes)", kind.name, kind.len.unwrap_or(0)))
        .collect();
    if !jump {
        kinds.push("`inline` (as long as the longest row)".to_owned());
    }
    if context.op.results().is_empty() && !context.op.diverges() {
        kinds.push(format!("`nop({needs})`"));
    }
    match kinds.split_last() {
        None => "shorten the row: no kind of site that ends in a jump is that long".to_owned(),
        Some((only, [])) => format!("a site that holds it: {only}"),
        Some((last, first)) => format!("sites that hold it: {} or {last}", first.join(", ")),
    }
}

/// Checks that the table of `arch` can number the fixups of all rows: its fields have 16 bits.
pub(super) fn table(unit: &Unit<AssembledRow>, arch: Arch, diagnostics: &mut Diagnostics) {
    const MOST: usize = u16::MAX as usize;
    let rows = unit.ops.iter().filter_map(|op| op.on(arch)).flat_map(|contract| &contract.rows);
    let mut fixups = 0;
    for (row, code) in rows.filter_map(|row| Some((row, row.code.as_ref()?))) {
        if fixups + code.fixups.len() > MOST {
            diagnostics.push(
                Diagnostic::new(
                    Finding::LIMIT,
                    row.row.asm.span,
                    format!("the rows of a patch set have at most {MOST} fixups on {}", arch.name()),
                )
                .label(format!("the rows before this one have {fixups}"))
                .help("make two patch sets of it: a program can have both"),
            );
            return;
        }
        fixups += code.fixups.len();
    }
}

/// Checks that the identity row of a set fits where it may be written: the sites of every op that takes one word and
/// returns one in the same registers.
pub(super) fn identity(unit: &Unit<AssembledRow>, arch: Arch, diagnostics: &mut Diagnostics) {
    let contracts = || unit.ops.iter().filter_map(|op| op.on(arch).map(|contract| (op, contract)));
    let row = contracts().find_map(|(op, contract)| {
        let row = contract.rows.iter().find(|row| row.row.identity)?;
        Some((op, contract, row, row.code.as_ref()?))
    });
    let Some((of, shape, row, code)) = row else { return };
    for (op, contract) in contracts().filter(|(op, contract)| op.name != of.name && same_shape(shape, contract)) {
        let small = contract.sites.iter().find(|site| usize::from(site.len.unwrap_or(0)) < code.bytes.len());
        if let Some(site) = small.filter(|_| !op.nocall) {
            diagnostics.push(too_long_for(row.row.asm.span, op, site, code));
        }
    }
}

fn too_long_for(span: Span, op: &Op<AssembledRow>, site: &Site, code: &Code) -> Diagnostic {
    let (needs, len) = (code.bytes.len(), usize::from(site.len.unwrap_or(0)));
    Diagnostic::new(
        Finding::TOO_LONG,
        span,
        format!(
            "the identity row takes {needs} {}, {} more than a {len}-byte {} site of `{}`, where it may be written too",
            bytes(needs),
            needs - len,
            site.label(),
            op.name
        ),
    )
    .label(format!("{needs} {}: {}", bytes(needs), hex(&code.bytes)))
    .also(site.span, "this site")
}

fn same_shape<R>(one: &Contract<R>, other: &Contract<R>) -> bool {
    let registers = |operands: &[crate::model::Operand]| -> Vec<_> {
        operands.iter().map(|operand| (operand.register, operand.high)).collect()
    };
    one.params.len() == 1
        && one.results.len() == 1
        && registers(&one.params) == registers(&other.params)
        && registers(&one.results) == registers(&other.results)
}

fn bytes(number: usize) -> &'static str {
    if number == 1 { "byte" } else { "bytes" }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const SHOWN: usize = 24;
    let mut text: Vec<String> = bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > SHOWN {
        text.push("...".to_owned());
    }
    text.join(" ")
}
