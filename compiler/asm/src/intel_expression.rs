//! The expression that an operand is in Intel syntax: numbers, symbols, registers, brackets, sizes and `offset` with
//! operators between. Brackets add and bind weakest of all: `4 shl 1[eax]` is `[eax + (4 shl 1)]`.

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::{Failed, MAX_DEPTH};
use crate::kinds;
use crate::lexer::{ALPHA, CLASS, WORD};
use crate::operator::Operator;
use crate::registers::{self, Family, Register};
use crate::symbols::Value;

/// [`Node::segment`] of the flat model: memory in the default segment.
pub(crate) const FLAT: u8 = u8::MAX;

/// An operand in the making.
#[derive(Clone, Copy, Default)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// Registers with the scale that was written (0: none).
    pub(crate) registers: [Option<(&'static Register, u8)>; 2],
    /// Some register stands outside brackets.
    pub(crate) bare: bool,
    /// A symbol stands for what is at its place, not for its address.
    pub(crate) symbol: SymbolAt,
    /// `offset` occurs.
    pub(crate) offset: bool,
    /// Brackets occur.
    pub(crate) bracket: bool,
    pub(crate) segment: u8,
    /// Bytes that `ptr` named.
    pub(crate) size: u16,
    pub(crate) broadcast: bool,
    pub(crate) far: bool,
    pub(crate) near: bool,
    pub(crate) short: bool,
    /// `selector:offset` of a far branch.
    pub(crate) selector: Option<Value>,
}

/// Where a symbol stands that is not behind `offset`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SymbolAt {
    #[default]
    Nowhere,
    Outside,
    InBrackets,
}

impl Node {
    /// A register and nothing else.
    pub(crate) fn is_bare_register(&self) -> bool {
        self.bare && matches!(self.registers, [Some((_, 0)), None]) && self.value == Value::default()
    }
}

/// Size words before `ptr` or `bcst`.
const SIZES: [(&[u8], u16); 11] = [
    (b"byte", 1),
    (b"word", 2),
    (b"dword", 4),
    (b"fword", 6),
    (b"qword", 8),
    (b"mmword", 8),
    (b"tbyte", 10),
    (b"oword", 16),
    (b"xmmword", 16),
    (b"ymmword", 32),
    (b"zmmword", 64),
];

impl Assembler<'_> {
    /// Terms with operators between that bind stronger than `minimum`; `a[b]` is a sum that binds weakest.
    pub(crate) fn intel_expression(&mut self, minimum: u8, depth: u32) -> Result<Node, Failed> {
        let start = self.cur.pos;
        let mut left = self.intel_term(depth)?;
        loop {
            self.cur.space();
            if minimum == 0 && self.cur.peek() == b'[' {
                let inner = self.intel_primary(depth + 1)?;
                left = self.combine(Operator::Add, left, inner, start)?;
                continue;
            }
            let Some((operator, length)) = self.intel_operator() else { return Ok(left) };
            let rank = operator.rank();
            if rank <= minimum {
                return Ok(left);
            }
            self.cur.pos += length;
            self.cur.space();
            let right = self.intel_expression(rank, depth + 1)?;
            left = self.combine(operator, left, right, start)?;
        }
    }

    /// A word operator or a sign, with its length; nothing is consumed.
    fn intel_operator(&self) -> Option<(Operator, usize)> {
        use Operator::*;
        let byte = self.cur.peek();
        if CLASS[byte as usize] & ALPHA != 0 {
            let mut ahead = self.cur;
            let word = ahead.word().to_ascii_lowercase();
            let operator = match word.as_slice() {
                b"and" => And,
                b"or" => Or,
                b"xor" => Xor,
                b"shl" => ShiftLeft,
                b"shr" => ShiftRight,
                b"mod" => Modulo,
                b"eq" => Equal,
                b"ne" => NotEqual,
                b"lt" => Less,
                b"le" => LessEqual,
                b"gt" => Greater,
                b"ge" => GreaterEqual,
                _ => return None,
            };
            return Some((operator, word.len()));
        }
        self.operator()
    }

    /// A primary, with the segment or selector before it.
    fn intel_term(&mut self, depth: u32) -> Result<Node, Failed> {
        let start = self.cur.pos;
        let node = self.intel_primary(depth)?;
        self.cur.space();
        if self.cur.peek() != b':' {
            return Ok(node);
        }
        self.cur.pos += 1;
        self.cur.space();
        let mut inner = self.intel_term(depth + 1)?;
        if inner.is_bare_register() {
            return self.intel_misuse(start, "behind a segment stands an address, such as `[eax]`");
        }
        if inner.segment != 0 || inner.selector.is_some() {
            return self.intel_misuse(start, "one segment is enough");
        }
        match node.registers {
            [Some((register, 0)), None] if register.family == Family::Segment && node.is_bare_register() => {
                inner.segment = register.number + 1;
            }
            [None, None] if node.size == 0 => inner.selector = Some(node.value),
            _ => return self.intel_misuse(start, "only a segment register or a selector stands before `:`"),
        }
        Ok(inner)
    }

    fn intel_primary(&mut self, depth: u32) -> Result<Node, Failed> {
        if depth > MAX_DEPTH {
            let here = self.cur.pos;
            return self.fail(Diagnostic::error(
                ErrorKind::Limit,
                here..here + 1,
                format!("the operand nests deeper than {MAX_DEPTH}"),
            ));
        }
        self.cur.space();
        let start = self.cur.pos;
        let byte = self.cur.peek();
        match byte {
            b'[' | b'(' => {
                self.cur.pos += 1;
                let mut node = self.intel_expression(0, depth + 1)?;
                self.cur.space();
                if !self.cur.eat(if byte == b'[' { b']' } else { b')' }) {
                    return self.intel_misuse(start, "the bracket does not close");
                }
                if byte == b'[' {
                    node.bare = false;
                    node.bracket = true;
                    if node.symbol == SymbolAt::Outside {
                        node.symbol = SymbolAt::InBrackets;
                    }
                }
                return Ok(node);
            }
            b'-' | b'~' | b'+' => {
                self.cur.pos += 1;
                let node = self.intel_term(depth + 1)?;
                if node.registers[0].is_some() && byte != b'+' {
                    return self.intel_misuse(start, "a register cannot be negated");
                }
                let zero = Node { value: Value::constant(if byte == b'~' { -1 } else { 0 }), ..Node::default() };
                return match byte {
                    b'+' => Ok(node),
                    // ~x is -1 - x.
                    _ => self.combine(Operator::Subtract, zero, node, start),
                };
            }
            _ => {}
        }
        if let Some(register) = self.intel_register_ahead()? {
            if register.classes & kinds::ST != 0 && self.cur.peek() == b'(' {
                // st(i) is handled where a register stands alone.
                return self.intel_misuse(start, "an x87 register cannot be part of an expression");
            }
            return Ok(Node { registers: [Some((register, 0)), None], bare: true, ..Node::default() });
        }
        if CLASS[byte as usize] & ALPHA != 0 {
            let mut ahead = self.cur;
            let word = ahead.word().to_ascii_lowercase();
            if let Some(node) = self.intel_keyword(&word, ahead.pos, depth)? {
                return Ok(node);
            }
        }
        let value = self.unary(depth)?;
        let symbol = if value.is_constant() { SymbolAt::Nowhere } else { SymbolAt::Outside };
        Ok(Node { value, symbol, ..Node::default() })
    }

    /// The register here, moved behind it; `None` (and not moved) if the word is none.
    pub(crate) fn intel_register_ahead(&mut self) -> Result<Option<&'static Register>, Failed> {
        let start = self.cur.pos;
        if self.cur.peek() == b'%' && CLASS[self.cur.peek_at(1) as usize] & ALPHA != 0 {
            return self.att_register().map(Some);
        }
        if CLASS[self.cur.peek() as usize] & ALPHA == 0 || self.intel_prefix {
            return Ok(None);
        }
        let key = self.cur.register_key();
        if CLASS[self.cur.peek() as usize] & WORD != 0 {
            self.cur.pos = start;
            return Ok(None);
        }
        match registers::by_key(key) {
            Some(register) if register.exists(self.mode) => Ok(Some(register)),
            // GNU as makes a symbol of `rax` in 32-bit code, which nobody means.
            Some(register) => self.bad_register(Some(register), start).map(Some),
            None => {
                self.cur.pos = start;
                Ok(None)
            }
        }
    }

    /// `dword ptr`, `offset`, `not` and the like.
    fn intel_keyword(&mut self, word: &[u8], after: usize, depth: u32) -> Result<Option<Node>, Failed> {
        let start = self.cur.pos;
        let mut ahead = self.cur;
        ahead.pos = after;
        ahead.space();
        let next_start = ahead.pos;
        let next = ahead.word().to_ascii_lowercase();
        if let Some(&(_, size)) = SIZES.iter().find(|(name, _)| *name == word) {
            let broadcast = next == b"bcst";
            if next == b"ptr" || broadcast {
                self.cur.pos = ahead.pos;
                let mut node = self.intel_term(depth + 1)?;
                if node.is_bare_register() {
                    return self.intel_misuse(start, "a register has its size; `ptr` belongs to memory");
                }
                // The first size counts, as in GNU as.
                node.size = size;
                node.broadcast = broadcast;
                self.insn.decorated = true;
                return Ok(Some(node));
            }
            // `dword` alone is the number 4; `dword [eax]` would be 4 bytes behind what was meant.
            if next.is_empty() && ahead.peek() != b'[' {
                self.cur.pos = after;
                return Ok(Some(Node { value: Value::constant(i64::from(size)), ..Node::default() }));
            }
            let span = start..after;
            return self.fail(
                Diagnostic::error(ErrorKind::Syntax, span.clone(), "`ptr` is missing behind the size")
                    .label("a size word needs `ptr`")
                    .fix(span, format!("{} ptr", String::from_utf8_lossy(word))),
            );
        }
        match word {
            b"far" | b"near" if next == b"ptr" => {
                self.cur.pos = ahead.pos;
                let mut node = self.intel_term(depth + 1)?;
                if node.is_bare_register() {
                    return self.intel_misuse(start, "a register has its size; `ptr` belongs to memory");
                }
                if word == b"far" {
                    node.far = true;
                } else {
                    node.near = true;
                }
                Ok(Some(node))
            }
            b"short" => {
                self.cur.pos = next_start;
                let mut node = self.intel_term(depth + 1)?;
                node.short = true;
                Ok(Some(node))
            }
            b"offset" => {
                self.cur.pos = next_start;
                // `offset flat:symbol`
                if next == b"flat" && ahead.peek() == b':' {
                    self.cur.pos = ahead.pos + 1;
                }
                let node = self.intel_term(depth + 1)?;
                if node.registers[0].is_some() {
                    return self.intel_misuse(start, "a register has no offset");
                }
                Ok(Some(Node { offset: true, symbol: SymbolAt::Nowhere, segment: 0, ..node }))
            }
            b"flat" if self.cur.text.get(after) == Some(&b':') => {
                self.cur.pos = after + 1;
                let mut node = self.intel_term(depth + 1)?;
                node.segment = FLAT;
                Ok(Some(node))
            }
            b"not" => {
                self.cur.pos = next_start;
                let node = self.intel_term(depth + 1)?;
                let ones = Node { value: Value::constant(-1), ..Node::default() };
                self.combine(Operator::Subtract, ones, node, start).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Two parts of an operand joined by an operator.
    fn combine(&mut self, operator: Operator, left: Node, right: Node, start: usize) -> Result<Node, Failed> {
        let mut node = left;
        node.bare |= right.bare;
        node.symbol = node.symbol.max(right.symbol);
        node.offset |= right.offset;
        node.bracket |= right.bracket;
        if node.size == 0 {
            node.size = right.size;
        }
        node.broadcast |= right.broadcast;
        node.far |= right.far;
        node.near |= right.near;
        node.short |= right.short;
        if node.segment == 0 {
            node.segment = right.segment;
        } else if right.segment != 0 {
            return self.intel_misuse(start, "one segment is enough");
        }
        match operator {
            Operator::Multiply if left.registers[0].is_some() || right.registers[0].is_some() => {
                let (register, factor) = if left.registers[0].is_some() { (left, right) } else { (right, left) };
                // `(eax*2 + 1)*4`: the scale of the register and the constant are multiplied alike.
                let product = match register.registers {
                    [Some((first, scale)), None] if factor.registers[0].is_none() && factor.value.is_constant() => {
                        factor.value.constant.checked_mul(i64::from(scale.max(1))).map(|scale| (first, scale))
                    }
                    _ => None,
                };
                let Some((first, scale @ 1..=8)) = product else {
                    return self.intel_misuse(start, "a register can be multiplied by 1, 2, 4 or 8 only");
                };
                node.registers = [Some((first, scale as u8)), None];
                node.value = self.apply(Operator::Multiply, left.value, right.value, start)?;
                Ok(node)
            }
            Operator::Add => {
                let mut registers = left.registers.iter().chain(&right.registers).flatten().copied();
                node.registers = [registers.next(), registers.next()];
                if registers.next().is_some() {
                    return self.intel_misuse(start, "an address has at most two registers");
                }
                node.value = self.apply(Operator::Add, left.value, right.value, start)?;
                Ok(node)
            }
            _ => {
                if right.registers[0].is_some() || left.registers[0].is_some() && operator != Operator::Subtract {
                    return self.intel_misuse(start, "registers can only be added");
                }
                node.value = self.apply(operator, left.value, right.value, start)?;
                Ok(node)
            }
        }
    }

    pub(crate) fn intel_misuse<T>(&mut self, start: usize, why: &str) -> Result<T, Failed> {
        let span = start..self.cur.pos.max(start + 1);
        self.fail(Diagnostic::error(ErrorKind::Syntax, span, "malformed operand").label(why))
    }
}
