//! Operators of expressions, with GNU as's precedence and results.

/// An infix operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operator {
    LogicalOr,
    LogicalAnd,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Or,
    OrNot,
    Xor,
    And,
    Multiply,
    Divide,
    Modulo,
    ShiftLeft,
    ShiftRight,
}

impl Operator {
    pub(crate) fn rank(self) -> u8 {
        use Operator::*;
        match self {
            LogicalOr => 1,
            LogicalAnd => 2,
            Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual => 3,
            Add | Subtract => 4,
            Or | OrNot | Xor | And => 5,
            Multiply | Divide | Modulo | ShiftLeft | ShiftRight => 6,
        }
    }

    /// Whether it compares, so that both sides may be addresses.
    pub(crate) fn compares(self) -> bool {
        use Operator::*;
        matches!(self, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
    }

    /// The result for two constants; none for a division by zero.
    pub(crate) fn apply(self, a: i64, b: i64) -> Option<i64> {
        use Operator::*;
        let truth = |value: bool| -i64::from(value);
        Some(match self {
            LogicalOr => i64::from(a != 0 || b != 0),
            LogicalAnd => i64::from(a != 0 && b != 0),
            Equal => truth(a == b),
            NotEqual => truth(a != b),
            Less => truth(a < b),
            LessEqual => truth(a <= b),
            Greater => truth(a > b),
            GreaterEqual => truth(a >= b),
            Add => a.wrapping_add(b),
            Subtract => a.wrapping_sub(b),
            Or => a | b,
            OrNot => a | !b,
            Xor => a ^ b,
            And => a & b,
            Multiply => a.wrapping_mul(b),
            Divide | Modulo if b == 0 => return None,
            Divide => a.wrapping_div(b),
            Modulo => a.wrapping_rem(b),
            ShiftLeft => u32::try_from(b).ok().and_then(|by| a.checked_shl(by)).unwrap_or(0),
            ShiftRight => u32::try_from(b).ok().and_then(|by| (a as u64).checked_shr(by)).unwrap_or(0) as i64,
        })
    }
}
