//! Operands in Intel syntax.

use crate::assembler::Assembler;
use crate::expression::Failed;

impl Assembler<'_> {
    pub(crate) fn intel_operands(&mut self) -> Result<(), Failed> {
        Err(Failed)
    }
}
