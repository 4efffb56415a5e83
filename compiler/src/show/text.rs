//! The table as plain text, narrow enough for a mail.

use super::{OpCells, RowCells, Table};

/// The widest line that is aimed at; long words can make it wider.
const WIDTH: usize = 120;
/// The width of a column that is never made narrower.
const WHOLE: usize = usize::MAX;
/// Between two columns.
const GAP: usize = 2;

/// The columns: what stands above them, and how narrow they may be made by breaking their cells at blanks. Eight bytes, as
/// long as most rows are, stay together, so that they can be searched for.
const COLUMNS: [(&str, usize); 10] = [
    ("op", WHOLE),
    ("arch", WHOLE),
    ("when", 12),
    ("asm", 12),
    ("bytes", 23),
    ("site", WHOLE),
    ("len", WHOLE),
    ("slack", WHOLE),
    ("clobbers", 12),
    ("features", 12),
];
type Cells = [Vec<String>; COLUMNS.len()];

/// The table as lines of at most 120 columns, a row of the set on one or more of them. `len` is the length of the row
/// and that of the site, the difference the slack.
///
/// ```
/// use pvc::source::MemoryLoader;
/// let files = MemoryLoader::from_iter([("irq.pv", "
///     patchset demo { arch x86_64 }
///     op irq.disable() {
///         clobbers barrier
///         x86_64 { cli } = fa
///     }
/// ")]);
/// let compilation = pvc::compile("irq.pv", &files);
/// let table = pvc::show::Table::new(&compilation.checked.unwrap(), &compilation.sources);
/// assert_eq!(pvc::show::text(&table), "\
/// demo: 1 op, 1 row on x86_64, abi kernel
///
/// op           arch    asm  bytes  site      len  slack  clobbers
/// irq.disable  x86_64  cli  fa     call.mem  1/6  5      barrier
/// ");
/// ```
#[must_use]
pub fn text(table: &Table) -> String {
    let header = COLUMNS.map(|(name, _)| vec![name.to_owned()]);
    let rows: Vec<Vec<Cells>> = table
        .ops
        .iter()
        .map(|op| op.rows.iter().enumerate().map(|(index, row)| cells(op, row, index == 0)).collect())
        .collect();
    let all: Vec<&Cells> = rows.iter().flatten().collect();
    let mut widths = [0; COLUMNS.len()];
    for (column, width) in widths.iter_mut().enumerate() {
        let body = all.iter().flat_map(|cells| &cells[column]).map(|text| text.chars().count()).max();
        // A column with nothing in it is left out.
        *width = match body.unwrap_or(0) {
            0 => 0,
            body => body.max(COLUMNS[column].0.len()),
        };
    }
    shrink(&mut widths, &all);
    let mut text = format!("{}: {}\n", table.name, table.summary);
    if !table.ops.is_empty() {
        text.push('\n');
        write(&mut text, &header, &widths);
    }
    for (op, rows) in table.ops.iter().zip(&rows) {
        rows.iter().for_each(|cells| write(&mut text, cells, &widths));
        if let Some(missing) = missing(op) {
            let column = |last: usize| widths[..last].iter().filter(|&&width| width > 0).map(|width| width + GAP).sum();
            let (when, asm): (usize, usize) = (column(2), column(3));
            text.push_str(&format!("{:when$}{:<2$}{missing}\n", "", "else", asm - when));
        }
    }
    if !table.branches.is_empty() {
        text.push('\n');
        table.branches.iter().for_each(|branch| text.push_str(&format!("branch {branch}\n")));
        text.push_str(&format!("each site of a branch: {}\n", table.branch_sites));
    }
    text
}

fn cells(op: &OpCells, row: &RowCells, first: bool) -> Cells {
    let name = if first { op.name.clone() } else { String::new() };
    let length = row.bytes.len();
    [
        vec![name],
        vec![row.arch.to_owned()],
        vec![row.when.clone()],
        vec![row.asm.clone()],
        vec![row.bytes.join(" ")],
        row.sites.iter().map(|site| site.kind.clone()).collect(),
        row.sites.iter().map(|site| format!("{length}/{}", site.len)).collect(),
        row.sites.iter().map(|site| site.slack.to_string()).collect(),
        vec![row.clobbers.join(", ")],
        vec![row.features.join(", ")],
    ]
}

/// What stands at the site of a partial op when no row is taken. Nothing follows it on its line, so it has no column.
fn missing(op: &OpCells) -> Option<String> {
    let target = op.notes.iter().find_map(|note| note.strip_prefix("default "));
    let text = target.map_or("unchanged".to_owned(), |target| format!("calls {target}"));
    op.notes.iter().any(|note| note == "partial").then_some(text)
}

/// Makes columns that can be broken narrower until a line fits: always the one in which the fewest cells break.
fn shrink(widths: &mut [usize; COLUMNS.len()], lines: &[&Cells]) {
    let total = |widths: &[usize]| {
        let shown = widths.iter().filter(|&&width| width > 0);
        shown.map(|width| width + GAP).sum::<usize>().saturating_sub(GAP)
    };
    let cells: Vec<Vec<usize>> = (0..COLUMNS.len())
        .map(|column| lines.iter().flat_map(|cells| &cells[column]).map(|text| text.chars().count()).collect())
        .collect();
    // No column is narrower than a word that stands in it.
    let longest = |cell: &String| cell.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
    let least: Vec<usize> = (0..COLUMNS.len())
        .map(|column| {
            lines.iter().flat_map(|cells| &cells[column]).map(longest).max().unwrap_or(0).max(COLUMNS[column].1)
        })
        .collect();
    let broken = |column: usize, width: usize| cells[column].iter().filter(|&&cell| cell >= width).count();
    while total(widths) > WIDTH {
        let narrower = (0..COLUMNS.len()).filter(|&column| widths[column] > least[column]);
        match narrower.min_by_key(|&column| (broken(column, widths[column]), usize::MAX - widths[column])) {
            Some(column) => widths[column] -= 1,
            None => return,
        }
    }
}

/// Writes the cells of a row, each broken into lines where its column is too narrow.
fn write(text: &mut String, cells: &Cells, widths: &[usize; COLUMNS.len()]) {
    let broken: Vec<Vec<String>> = cells
        .iter()
        .zip(widths)
        .map(|(lines, &width)| lines.iter().flat_map(|line| wrap(line, width)).collect())
        .collect();
    for at in 0..broken.iter().map(Vec::len).max().unwrap_or(0) {
        let mut line = String::new();
        let mut column = 0;
        for (cell, &width) in broken.iter().zip(widths).filter(|(_, width)| **width > 0) {
            let content = cell.get(at).map_or("", String::as_str);
            line.extend(std::iter::repeat_n(' ', column - line.chars().count().min(column)));
            line.push_str(content);
            column += width + GAP;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// A text in lines of at most `width` columns, broken at blanks.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one from the start");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
