//! `NAME.c`.

use super::header::{condition, has_identity};
use super::names::comment;
use super::sites::{self, Context, OpOn};
use super::tables::{self, Tables};
use super::{branches, calls, thunks};
use crate::arch::{Arch, SiteOperand};
use crate::check::{Checked, CheckedRow};
use crate::emit::layout::Layout;
use crate::emit::text::{Piece, put};
use crate::model::{Code, Unit};
use crate::source::SourceMap;
use askama::Template;

/// Layout of the source; its parts arrive ready, each line of theirs with its end.
#[derive(Template)]
#[template(path = "source.c", escape = "none")]
struct Source<'a> {
    set: &'a str,
    upper: &'a str,
    source: &'a str,
    arches: Vec<ArchPart<'a>>,
    features: String,
    nfeatures: usize,
    branches: String,
    branch_states: String,
    has_branches: bool,
}

struct ArchPart<'a> {
    name: &'static str,
    condition: &'static str,
    mode: u32,
    functions: String,
    slots: String,
    layout: Layout<'a>,
    tables: Tables,
    kinds: String,
    stub: String,
}

impl ArchPart<'_> {
    /// Bytes of what is written ready.
    fn len(&self) -> usize {
        let tables =
            [&self.tables.byte_fields, &self.tables.bytes, &self.tables.rows, &self.tables.ops, &self.tables.plans];
        self.functions.len() + self.slots.len() + tables.map(String::len).iter().sum::<usize>()
    }
}

/// Room for what the template itself has, and for small tables.
const TEMPLATE: usize = 12 << 10;

/// The text of the source.
pub(super) fn render(checked: &Checked, sources: &SourceMap) -> String {
    let unit = checked.unit();
    let context = Context::new(checked);
    let source = Source {
        set: &unit.set.name,
        upper: &context.upper,
        source: super::source_name(sources),
        arches: unit.set.arches.iter().map(|&arch| arch_part(checked, arch, &context, sources)).collect(),
        features: tables::features(&unit.features),
        nfeatures: unit.features.len(),
        branches: branches::table(&unit.branches),
        branch_states: branches::states(&unit.branches),
        has_branches: !unit.branches.is_empty(),
    };
    let mut text = String::with_capacity(TEMPLATE + source.arches.iter().map(ArchPart::len).sum::<usize>());
    source.render_into(&mut text).expect("writing to a String does not fail");
    text
}

fn arch_part<'a>(checked: &'a Checked, arch: Arch, context: &Context<'a>, sources: &SourceMap) -> ArchPart<'a> {
    let unit = checked.unit();
    let layout = Layout::new(checked, arch, |_| None);
    let tables = Tables::new(&unit.set.name, &layout, sources);
    let mut part = ArchPart {
        name: arch.name(),
        condition: condition(arch),
        mode: arch.bits(),
        functions: String::with_capacity(unit.ops.len() << 8),
        slots: String::with_capacity(unit.ops.len() << 7),
        kinds: tables::kinds(arch),
        stub: tables::stub(arch, &layout.stub),
        layout,
        tables,
    };
    for (id, op) in unit.ops.iter().enumerate() {
        let ident = &op.ident();
        match op.on(arch) {
            None => put!(part.slots, "\t.", ident, " = 0,\n"),
            Some(contract) => op_part(&OpOn { context, id, op, ident, contract }, &mut part),
        }
    }
    set_functions(unit, arch, context, &mut part.functions);
    part
}

/// Initial value of an op's slot, its default implementation, its trampoline.
fn op_part(on: &OpOn<'_>, part: &mut ArchPart<'_>) {
    let OpOn { context, op, ident, contract, .. } = on;
    let set = &context.set.name;
    if calls::is_plain(op, contract) {
        put!(
            part.slots,
            "\t.",
            ident,
            " = (__typeof__(pv_",
            set,
            "_ops.",
            ident,
            "))pv_",
            set,
            "_default_",
            ident,
            ",\n"
        );
    } else {
        put!(part.slots, "\t.", ident, " = __extension__(const struct pv_", set, "_", ident, "_slot *)");
        put!(part.slots, "pv_", set, "_default_", ident, ",\n");
    }
    let text = &mut part.functions;
    match &op.default {
        None => default_function(on, text),
        Some(symbol) if thunks::wraps_default(op, contract) => {
            thunks::default_thunk(on, symbol, text);
            text.push('\n');
        }
        Some(_) => {}
    }
    if contract.sites.iter().any(|site| site.kind.operand == SiteOperand::Trampoline) {
        let rip = match contract.arch {
            Arch::X86_64 => "(%rip)",
            Arch::I386 => "",
        };
        let mut name = String::new();
        put!(name, "pv_", set, "_call_", ident);
        let jump = |text: &mut String| put!(*text, "PV_ANNOTATE_INDIRECT \"jmp *", on.slot(), rip, "\\n\"");
        function(&name, None, jump, text);
    }
}

/// What the slot holds at first: the unconditional row, and a return if control comes back.
fn default_function(on: &OpOn<'_>, text: &mut String) {
    let mut name = String::new();
    put!(name, "pv_", on.context.set.name, "_default_", on.ident);
    match sites::fallback(on.contract) {
        Some(row) => {
            let end = if on.op.diverges() { "" } else { "PV_RET" };
            function(&name, Some(&row.disassembly), |text| code(&row.code, end, text), text);
        }
        None => function(&name, Some("no row for every machine"), |text| text.push_str("\"ud2\\n\""), text),
    }
}

/// The functions of the set as a whole.
fn set_functions(unit: &Unit<CheckedRow>, arch: Arch, context: &Context<'_>, text: &mut String) {
    let identity = format!("pv_{}_identity", unit.set.name);
    let mut rows = unit.ops.iter().filter_map(|op| op.on(arch)).flat_map(|contract| &contract.rows);
    match rows.find(|row| row.row.identity) {
        Some(row) => function(&identity, Some(&row.disassembly), |text| code(&row.code, "PV_RET", text), text),
        // Declared for the other arch.
        None if has_identity(unit) => function(&identity, None, |text| text.push_str("\"ud2\\n\""), text),
        None => {}
    }
    if unit.ops.iter().any(|op| op.preserves.vector) {
        vector_functions(context.contract, arch, text);
    }
}

/// Machine code as strings of asm, and what follows it.
fn code(code: &Code, end: &str, text: &mut String) {
    let mut between = "";
    sites::directives(code, |directive| {
        put!(*text, between, "\"");
        directive.iter().for_each(|piece| piece.append(text));
        text.push_str("\\n\"");
        between = "\n\t                 ";
    });
    if !end.is_empty() {
        put!(*text, (!between.is_empty()).then_some(" "), end);
    }
}

fn function(name: &str, what: Option<&str>, body: impl FnOnce(&mut String), text: &mut String) {
    if let Some(what) = what {
        put!(*text, "/* ", comment(what), " */\n");
    }
    put!(*text, "PV_CODE ", name, "(void)\n{\n\t__asm__ volatile(");
    body(text);
    text.push_str(");\n}\n\n");
}

/// Save and load vector, mask and x87 state for thunks of `preserves vector`. %rax: 2688 bytes, aligned to 64.
///
/// XSAVE with the mask of these components if the OS has enabled it (CPUID.1:ECX.OSXSAVE, asked once), else FXSAVE.
/// XRSTOR wants the header of the area, bytes 512 to 575, zero but for the bits that XSAVE writes (SDM volume 1, 13.4.2).
/// The callee finds an empty x87 stack, as the ABI demands, with the control word of the caller.
fn vector_functions(contract: &str, arch: Arch, text: &mut String) {
    let (suffix, bx, ax, cx, mode) = match arch {
        Arch::X86_64 => ("64", "%rbx", "%rax", "%rcx", format!("{contract}_vector_mode(%rip)")),
        Arch::I386 => ("", "%ebx", "%eax", "%ecx", format!("{contract}_vector_mode")),
    };
    let zero: String = (0..64).step_by(sites::word(arch)).map(|at| format!("mov %DX%, {}({cx}); ", 512 + at)).collect();
    let zero = zero.replace("%DX%", if arch == Arch::X86_64 { "%rdx" } else { "%edx" });
    text.push_str(&format!(
        "/* 0: not known yet, 1: FXSAVE, 2: XSAVE. */\n\
         unsigned char {contract}_vector_mode PV_HIDDEN __attribute__((used));\n\
         extern void {contract}_save_vectors(void) PV_HIDDEN;\nextern void {contract}_load_vectors(void) PV_HIDDEN;\n\
         PV_CODE {contract}_save_vectors(void)\n{{\n\
         \t__asm__ volatile(\"cmpb $1, {mode}; je 1f; ja 2f\\n\"\n\
         \t                 \"push {bx}; push {ax}; mov $1, %eax; cpuid; bt $27, %ecx\\n\"\n\
         \t                 \"mov $1, %cl; adc $0, %cl; pop {ax}; pop {bx}; mov %cl, {mode}; cmp $1, %cl; ja 2f\\n\"\n\
         \t                 \"1: fxsave{suffix} ({ax}); fninit; fldcw ({ax})\\n\" PV_RET\n\
         \t                 \"2: mov {ax}, {cx}; xor %edx, %edx\\n\"\n\
         \t                 \"{zero}\\n\"\n\
         \t                 \"mov $0xe7, %eax; xsave{suffix} ({cx}); fninit; fldcw ({cx})\\n\" PV_RET);\n}}\n\n\
         PV_CODE {contract}_load_vectors(void)\n{{\n\
         \t__asm__ volatile(\"cmpb $1, {mode}; ja 2f; fxrstor{suffix} ({ax})\\n\" PV_RET\n\
         \t                 \"2: mov {ax}, {cx}; xor %edx, %edx; mov $0xe7, %eax; xrstor{suffix} ({cx})\\n\" PV_RET);\n}}\n\n"
    ));
}
