//! Arithmetic with values.
//!
//! What can be is computed as it is read: constants, and distances of labels with nothing of open length between them.
//! A sum of a symbol, another one subtracted and a constant is a [`Value`]. Everything else becomes an unnamed symbol
//! that stands for an operation, which is carried out once there is a layout.

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::operator::Operator;
use crate::symbols::{Definition, Place, Value};

/// Symbols that the value of one expression may go through.
const MAX_STEPS: u32 = 256;

/// What a value comes to in a layout.
#[derive(Clone, Copy, Default)]
struct Sum {
    number: i64,
    /// How many addresses of the block are in it; one that is subtracted counts as -1.
    addresses: i32,
}

impl Value {
    /// `a + b`, if that is a symbol, another one subtracted and a constant again.
    fn plus(self, b: Value) -> Option<Value> {
        let Value { mut add, mut sub, .. } = self;
        if b.add != 0 {
            match (add, sub) {
                _ if sub == b.add => sub = 0,
                (0, _) => add = b.add,
                _ => return None,
            }
        }
        if b.sub != 0 {
            match (add, sub) {
                _ if add == b.sub => add = 0,
                (_, 0) => sub = b.sub,
                _ => return None,
            }
        }
        if self.modifier != 0 && b.modifier != 0 {
            return None;
        }
        let constant = self.constant.wrapping_add(b.constant);
        Some(Value { add, sub, constant, modifier: self.modifier | b.modifier })
    }

    /// The value with the other sign; none if the linker is to make something of the symbol.
    fn negated(self) -> Option<Value> {
        let Value { add, sub, constant, modifier } = self;
        (modifier == 0).then_some(Value { add: sub, sub: add, constant: constant.wrapping_neg(), modifier })
    }
}

impl Assembler<'_> {
    /// Refuses an expression, or a part of one, that is no constant; the cursor is behind it.
    pub(crate) fn not_constant<T>(&mut self, start: usize) -> Result<T, Failed> {
        let diagnostic = needs_constants(start..self.cur.pos);
        self.fail(diagnostic)
    }

    /// The value of a symbol: what it stands for, if it was assigned already.
    pub(crate) fn fold(&self, symbol: u32) -> Value {
        match self.symbols.all[symbol as usize].definition {
            Definition::Constant(value) => Value::constant(value),
            Definition::Value(index) => self.values[index as usize],
            _ => Value { add: symbol + 1, ..Value::default() },
        }
    }

    /// `-value`; the operator is at `start`.
    pub(crate) fn negate(&mut self, value: Value, start: usize) -> Result<Value, Failed> {
        match value.negated() {
            Some(value) => Ok(value),
            None => self.not_constant(start),
        }
    }

    /// What an operator makes of two values; the first one is at `start`.
    pub(crate) fn apply(
        &mut self,
        operator: Operator,
        left: Value,
        right: Value,
        start: usize,
    ) -> Result<Value, Failed> {
        let difference = |left: Value, right: Value| left.plus(right.negated()?).map(|value| self.settle(value));
        if left.is_constant() && right.is_constant() {
            return match operator.apply(left.constant, right.constant) {
                Some(constant) => Ok(Value::constant(constant)),
                None => {
                    let span = start..self.cur.pos;
                    self.fail(Diagnostic::error(ErrorKind::Expression, span, "division by zero"))
                }
            };
        }
        let now = match operator {
            Operator::Add => left.plus(right).map(|value| self.settle(value)),
            Operator::Subtract => difference(left, right),
            // Two labels at known places can be compared.
            _ if operator.compares() => difference(left, right)
                .filter(Value::is_constant)
                .and_then(|value| operator.apply(value.constant, 0))
                .map(Value::constant),
            _ => None,
        };
        if let Some(value) = now {
            return Ok(value);
        }
        if left.modifier != 0 || right.modifier != 0 {
            return self.not_constant(start);
        }
        self.values.extend([left, right]);
        let definition = Definition::Operation(operator, self.values.len() as u32 - 2);
        let symbol = self.symbols.unnamed(definition, start..self.cur.pos);
        Ok(Value { add: symbol + 1, ..Value::default() })
    }

    /// A difference of two labels with nothing of variable length between them is a constant.
    fn settle(&self, value: Value) -> Value {
        if value.add != 0 && value.sub != 0 && value.modifier == 0 {
            let place = |symbol: u32| match self.symbols.all[symbol as usize - 1].definition {
                Definition::Label(place) => Some(place),
                _ => None,
            };
            if let (Some(add), Some(sub)) = (place(value.add), place(value.sub))
                && add.mark == sub.mark
            {
                let distance = i64::from(add.offset) - i64::from(sub.offset);
                return Value::constant(value.constant.wrapping_add(distance));
            }
        }
        value
    }

    /// The constant that a value is in the layout in which `address` gives the addresses; none if it is not one.
    pub(crate) fn evaluate(&self, value: Value, address: &dyn Fn(Place) -> i64) -> Option<i64> {
        let mut steps = MAX_STEPS;
        let sum = self.sum(value, address, &mut steps)?;
        (sum.addresses == 0).then_some(sum.number)
    }

    fn sum(&self, value: Value, address: &dyn Fn(Place) -> i64, steps: &mut u32) -> Option<Sum> {
        if value.modifier != 0 {
            return None;
        }
        let add = self.term(value.add, address, steps)?;
        let sub = self.term(value.sub, address, steps)?;
        let number = value.constant.wrapping_add(add.number).wrapping_sub(sub.number);
        Some(Sum { number, addresses: add.addresses - sub.addresses })
    }

    /// What a symbol, given by its number + 1, comes to. Recursion ends with the steps, of which each call takes one.
    fn term(&self, symbol: u32, address: &dyn Fn(Place) -> i64, steps: &mut u32) -> Option<Sum> {
        let Some(symbol) = symbol.checked_sub(1) else { return Some(Sum::default()) };
        *steps = steps.checked_sub(1)?;
        match self.symbols.all[symbol as usize].definition {
            Definition::Undefined => None,
            Definition::Label(place) => Some(Sum { number: address(place), addresses: 1 }),
            Definition::Constant(number) => Some(Sum { number, addresses: 0 }),
            Definition::Value(index) => self.sum(self.values[index as usize], address, steps),
            Definition::Operation(operator, index) => {
                let left = self.sum(self.values[index as usize], address, steps)?;
                let right = self.sum(self.values[index as usize + 1], address, steps)?;
                let alike = operator.compares() && left.addresses == right.addresses;
                if !alike && (left.addresses != 0 || right.addresses != 0) {
                    return None;
                }
                Some(Sum { number: operator.apply(left.number, right.number)?, addresses: 0 })
            }
        }
    }
}

/// An expression that is no constant where there must be one.
pub(crate) fn needs_constants(span: std::ops::Range<usize>) -> Diagnostic {
    Diagnostic::error(ErrorKind::Expression, span, "this operation needs constants").label("depends on a symbol").note(
        "with symbols of other blocks, only `symbol + constant` and `symbol - label` can be expressed; \
             distances of labels of this block are constants",
    )
}
