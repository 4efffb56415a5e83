//! Asm bodies: roles replaced by registers, comments dropped, and the map from the new text to the source.

use super::Context;
use super::registers::part;
use crate::arch::Arch;
use crate::diagnostics::{Code, Diagnostic};
use crate::model::{Asm, Operand, Type};
use crate::source::Span;
use crate::suggest::nearest;

/// Words in braces that the assembler takes: AVX-512 decorators and pseudo-prefixes. They cannot name operands.
pub(super) const DECORATORS: [&str; 23] = [
    "z",
    "sae",
    "vex",
    "vex2",
    "vex3",
    "evex",
    "rex",
    "rex2",
    "load",
    "store",
    "disp8",
    "disp16",
    "disp32",
    "nf",
    "nooptimize",
    "k0",
    "k1",
    "k2",
    "k3",
    "k4",
    "k5",
    "k6",
    "k7",
];

/// The longest asm body, in bytes.
pub(super) const MAX_ASM: usize = 16 << 10;

/// Whether `{word}` belongs to the assembler.
pub(crate) fn is_decorator(word: &str) -> bool {
    DECORATORS.iter().any(|decorator| decorator.eq_ignore_ascii_case(word))
}

/// The operands that a role can name on one arch.
pub(super) struct Roles<'a> {
    pub(super) arch: Arch,
    pub(super) syntax: pvc_asm::Syntax,
    pub(super) operands: Vec<&'a Operand>,
    /// Whether the signature was read: otherwise a role that is not known is not worth a message.
    pub(super) known: bool,
}

/// The body at `span` with its roles replaced; `None` if one makes no sense, which has been reported.
pub(super) fn resolve(context: &mut Context<'_>, span: Span, roles: &Roles<'_>) -> Option<Asm> {
    let source = context.sources.text(span);
    if source.len() > MAX_ASM {
        context.limit(Span { end: span.start, ..span }, format!("an asm body has at most {MAX_ASM} bytes"));
        return None;
    }
    let mut writer = Writer { text: String::new(), map: Vec::new(), base: span.start };
    let mut good = true;
    for piece in pieces(source) {
        match piece {
            Piece::Code(start, end) => writer.code(&source[start..end], start),
            Piece::Gap(at) => writer.gap(" ", at),
            Piece::Line(at) => writer.gap("\n", at),
            Piece::Braces(start, end) => {
                let inner = &source[start + 1..end - 1];
                let place = Span { start: span.start + start as u32, end: span.start + end as u32, ..span };
                match role(context, inner, place, &writer.text, roles) {
                    Role::Register(name) => writer.role(&name, start, end),
                    Role::NotOurs => writer.code(&source[start..end], start),
                    Role::Wrong => {
                        good = false;
                        writer.code(&source[start..end], start);
                    }
                }
            }
        }
    }
    writer.trim();
    good.then_some(Asm { text: writer.text, map: writer.map, span })
}

/// What `{inner}` is.
enum Role {
    /// An operand: its register.
    Register(String),
    /// Something of the assembler.
    NotOurs,
    /// A mistake, which has been reported.
    Wrong,
}

fn role(context: &mut Context<'_>, inner: &str, span: Span, before: &str, roles: &Roles<'_>) -> Role {
    let name = inner.trim();
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name || is_decorator(name) {
        return Role::NotOurs;
    }
    let arch = roles.arch;
    let Some(operand) = roles.operands.iter().find(|operand| operand.name == name) else {
        if !roles.known {
            return Role::Wrong;
        }
        let names: Vec<_> =
            roles.operands.iter().map(|operand| operand.name.as_str()).filter(|n| !n.is_empty()).collect();
        let mut found = Diagnostic::new(Code::ROLE, span, format!("`{{{name}}}` names no operand of this op"));
        found = match nearest(name, names.iter().copied()) {
            // What is replaced is the name between the braces.
            Some(near) => near.offer(found, Span { start: span.start + 1, end: span.end - 1, ..span }),
            None if names.is_empty() => found.help("name a parameter or a result in the signature: `-> NAME: TYPE`"),
            None => found.note(format!("the operands are {}", super::quoted(&names))),
        };
        context.report(found);
        return Role::Wrong;
    };
    if name.len() != inner.len() {
        context.report(
            Diagnostic::new(Code::ROLE, span, format!("a role is written without spaces: `{{{name}}}`")).fix(
                format!("write `{{{name}}}`"),
                span,
                format!("{{{name}}}"),
            ),
        );
        return Role::Wrong;
    }
    if before.ends_with('%') && roles.syntax == pvc_asm::Syntax::Att {
        let percent = Span { start: span.start - 1, ..span };
        context.report(
            Diagnostic::new(Code::ROLE, percent, format!("`%` stands before `{{{name}}}`"))
                .label("a role becomes the whole register name, `%` included")
                .fix("drop the `%`", percent, format!("{{{name}}}")),
        );
        return Role::Wrong;
    }
    let bits = bits(operand.ty, arch);
    match part(operand.register, bits.min(arch.bits()), arch).filter(|_| operand.high.is_none()) {
        Some(register) if roles.syntax == pvc_asm::Syntax::Att => Role::Register(format!("%{register}")),
        Some(register) => Role::Register(register),
        None => {
            context.report(
                Diagnostic::new(
                    Code::ROLE,
                    span,
                    format!("`{{{name}}}` has no single register on {}: it is the pair edx:eax", arch.name()),
                )
                .help("name %eax and %edx themselves in a row of this arch"),
            );
            Role::Wrong
        }
    }
}

/// The width of a type.
pub(super) fn bits(ty: Type, arch: Arch) -> u32 {
    match ty {
        Type::Word | Type::Ptr => arch.bits(),
        Type::U8 | Type::Bool => 8,
        Type::U16 => 16,
        Type::U32 => 32,
        Type::U64 => 64,
    }
}

/// A piece of an asm body, by byte offsets.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Piece {
    /// Text to copy.
    Code(usize, usize),
    /// `{...}` outside of strings and comments, braces included.
    Braces(usize, usize),
    /// A block comment starts here.
    Gap(usize),
    /// A line ends here (before its comment).
    Line(usize),
}

/// Cuts a body at comments, line ends and braces.
pub(crate) fn pieces(source: &str) -> Vec<Piece> {
    let bytes = source.as_bytes();
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let code = |pieces: &mut Vec<Piece>, start: usize, end: usize| {
        if start < end {
            pieces.push(Piece::Code(start, end));
        }
    };
    while at < bytes.len() {
        let rest = &bytes[at..];
        match rest[0] {
            b'"' => at += string_len(rest),
            b'\'' => at += char_len(source, at),
            b'{' => {
                let Some(len) = rest.iter().position(|&byte| byte == b'}' || byte == b'\n') else {
                    at += 1;
                    continue;
                };
                if rest[len] == b'\n' {
                    at += 1;
                    continue;
                }
                code(&mut pieces, start, at);
                pieces.push(Piece::Braces(at, at + len + 1));
                at += len + 1;
                start = at;
            }
            b'\n' => {
                code(&mut pieces, start, at);
                pieces.push(Piece::Line(at));
                at += 1;
                start = at;
            }
            b'#' => at = skip_line(bytes, &mut pieces, start, at, &mut start),
            b'/' if rest.starts_with(b"//") => at = skip_line(bytes, &mut pieces, start, at, &mut start),
            b'/' if rest.starts_with(b"/*") => {
                code(&mut pieces, start, at);
                pieces.push(Piece::Gap(at));
                let len = source[at + 2..].find("*/").map_or(rest.len(), |end| end + 4);
                at += len;
                start = at;
            }
            _ => at += 1,
        }
    }
    code(&mut pieces, start, bytes.len());
    pieces
}

/// Passes over a comment to the end of its line; returns where that is.
fn skip_line(bytes: &[u8], pieces: &mut Vec<Piece>, from: usize, at: usize, start: &mut usize) -> usize {
    if from < at {
        pieces.push(Piece::Code(from, at));
    }
    let end = bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |len| at + len);
    *start = end;
    end
}

/// Length of a string, to its quote or the end of the line.
fn string_len(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\n' => return at,
            b'\\' if bytes.get(at + 1).is_some_and(|&byte| byte != b'\n') => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Length of a character constant: GNU as needs no closing quote.
fn char_len(source: &str, at: usize) -> usize {
    let mut chars = source[at + 1..].chars();
    let mut len = 1;
    match chars.next() {
        None | Some('\n') => return len,
        Some('\\') => {
            len += 1;
            match chars.next() {
                None | Some('\n') => return len,
                Some(c) => len += c.len_utf8(),
            }
        }
        Some(c) => len += c.len_utf8(),
    }
    len + usize::from(chars.next() == Some('\''))
}

/// The text that is being made and its map.
struct Writer {
    text: String,
    map: Vec<(u32, u32)>,
    /// Offset of the body in the file.
    base: u32,
}

impl Writer {
    /// Copies a piece that stands at `offset` of the body.
    fn code(&mut self, piece: &str, offset: usize) {
        let (piece, offset) = match self.text.is_empty() || self.text.ends_with('\n') {
            true => {
                let trimmed = piece.trim_start();
                (trimmed, offset + piece.len() - trimmed.len())
            }
            false => (piece, offset),
        };
        if !piece.is_empty() {
            self.enter(offset);
            self.text.push_str(piece);
        }
    }

    /// Writes a register for the role from `start` to `end`.
    fn role(&mut self, register: &str, start: usize, end: usize) {
        for letter in register.chars() {
            self.enter(start);
            self.text.push(letter);
        }
        self.enter(end);
    }

    /// Writes what a comment or line end leaves behind.
    fn gap(&mut self, gap: &str, offset: usize) {
        self.drop_blanks();
        if self.text.is_empty() || self.text.ends_with('\n') {
            return;
        }
        // Right after the text that it follows, so that no span of that text reaches over a comment.
        if self.map.last().is_none_or(|&(at, _)| at > self.text.len() as u32) {
            self.enter(offset);
        }
        self.text.push_str(gap);
    }

    fn trim(&mut self) {
        self.drop_blanks();
        while self.text.ends_with('\n') {
            self.text.pop();
            self.drop_blanks();
        }
    }

    fn drop_blanks(&mut self) {
        let len = self.text.trim_end_matches([' ', '\t', '\r']).len();
        self.text.truncate(len);
        while self.map.last().is_some_and(|&(at, _)| at as usize > len) {
            self.map.pop();
        }
    }

    /// Notes that the text from here on comes from `offset` of the body.
    fn enter(&mut self, offset: usize) {
        let entry = (self.text.len() as u32, self.base + offset as u32);
        match self.map.last_mut() {
            Some(last) if last.0 == entry.0 => *last = entry,
            _ => self.map.push(entry),
        }
    }
}
