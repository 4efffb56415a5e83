//! Fields that hold the value of an expression: filled in where the block knows it, a fixup where not.

use crate::arithmetic::needs_constants;
use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::fixups::{self, Fixup, FixupKind};
use crate::layout::{Mark, Pending};
use crate::symbols::{Definition, Value};
use crate::{Assembly, Mode};

impl Assembler<'_> {
    /// Fills in one field or makes a fixup of it.
    pub(crate) fn fill(&mut self, field: &Pending, offset: u32, marks: &[Mark], assembly: &mut Assembly) {
        let span = field.start as usize..field.end as usize;
        let mut value = field.value;
        let mut add = None;
        let mut sub = None;
        for _ in 0..16 {
            if value.add == 0 {
                break;
            }
            match self.symbols.all[value.add as usize - 1].definition {
                Definition::Constant(constant) => {
                    value.constant = value.constant.wrapping_add(constant);
                    value.add = 0;
                }
                Definition::Label(place) => {
                    add = Some(place.address(marks));
                    break;
                }
                Definition::Value(index) => {
                    let inner = self.values[index as usize];
                    if inner.sub != 0 && value.sub != 0 {
                        break;
                    }
                    value = Value {
                        add: inner.add,
                        sub: value.sub | inner.sub,
                        constant: value.constant.wrapping_add(inner.constant),
                        modifier: value.modifier | inner.modifier,
                    };
                }
                Definition::Operation(..) => match self.number(value.add, marks) {
                    Some(number) => value = Value { add: 0, constant: value.constant.wrapping_add(number), ..value },
                    None => return self.no_number(value.add),
                },
                Definition::Undefined => break,
            }
        }
        if value.sub != 0 {
            match self.symbols.all[value.sub as usize - 1].definition {
                Definition::Constant(constant) => value.constant = value.constant.wrapping_sub(constant),
                Definition::Label(place) => sub = Some(place.address(marks)),
                Definition::Operation(..) => match self.number(value.sub, marks) {
                    Some(number) => value = Value { sub: 0, constant: value.constant.wrapping_sub(number), ..value },
                    None => return self.no_number(value.sub),
                },
                _ => {
                    let name = self.symbols.all[value.sub as usize - 1].name.to_string();
                    self.report(
                        Diagnostic::error(
                            ErrorKind::Expression,
                            span,
                            format!("the symbol `{name}` cannot be subtracted"),
                        )
                        .label("not defined in this block"),
                    );
                    return;
                }
            }
        }
        let mut kind = field.kind;
        let relative = kind.is_relative();
        let mut constant = value.constant;
        if let Some(sub) = sub {
            if let Some(add) = add {
                // Both ends are here: a constant.
                constant = constant.wrapping_add(i64::from(add) - i64::from(sub));
                if !relative {
                    self.store_constant(field, offset, constant, assembly);
                    return;
                }
                (value.add, value.sub) = (0, 0);
            } else {
                // `symbol - .` is relative to the field's own address.
                kind = match field.kind {
                    FixupKind::Abs8 => FixupKind::PcRel8,
                    FixupKind::Abs16 => FixupKind::PcRel16,
                    FixupKind::Abs64 => FixupKind::PcRel64,
                    _ => FixupKind::PcRel32,
                };
                constant = constant.wrapping_add(i64::from(offset) - i64::from(sub));
                if value.add == 0 || relative {
                    self.report(Diagnostic::error(ErrorKind::Expression, span, "a label cannot be negated"));
                    return;
                }
            }
        }
        if relative {
            constant = constant.wrapping_sub(i64::from(field.tail));
        }
        let defined = if sub.is_none() { add } else { None };
        if let Some(target) = defined {
            if value.modifier == 0 || kind == FixupKind::Plt32 {
                if relative {
                    let distance = i64::from(target).wrapping_add(constant).wrapping_sub(i64::from(offset));
                    let bits = u32::from(field.width) * 8;
                    if bits < 64 && distance != distance << (64 - bits) >> (64 - bits) && field.width < 4
                        // In 16 bits the target wraps as the instruction pointer does.
                        && !(field.width == 2 && distance.unsigned_abs() <= 0xffff)
                    {
                        self.report(
                            Diagnostic::error(
                                ErrorKind::ImmediateRange,
                                span,
                                format!("the target is {distance} bytes away"),
                            )
                            .label(format!("the field holds {} bits", bits)),
                        );
                        return;
                    }
                    store(assembly, offset, field.width, distance);
                    return;
                }
                constant = constant.wrapping_add(i64::from(target));
            }
        } else if value.add == 0 && !relative && value.modifier == 0 {
            self.store_constant(field, offset, constant, assembly);
            return;
        }
        let symbol = if value.add == 0 {
            "*ABS*"
        } else if defined.is_some() && value.modifier == 0 {
            ".text"
        } else {
            let symbol = &self.symbols.all[value.add as usize - 1];
            if symbol.name.as_bytes().first().is_some_and(u8::is_ascii_digit) && defined.is_none() {
                let number = symbol.name.trim_end_matches('f').to_string();
                let at = symbol.start as usize..symbol.end as usize;
                self.report(
                    Diagnostic::error(ErrorKind::Label, at, format!("there is no label `{number}:` behind this"))
                        .label("forward reference"),
                );
                return;
            }
            symbol.name
        };
        if let Some(modified) = fixups::modifier_kind(value.modifier) {
            kind = modified;
        }
        // Modifiers mean relocations of 32 bits or, in ELF64, 64; ELF32 has no other of 64 bits either.
        if value.modifier != 0 && field.width < 4 || self.object != Mode::Bits64 && field.width == 8 {
            self.report(
                Diagnostic::error(
                    ErrorKind::ImmediateRange,
                    span,
                    format!("no relocation puts `{symbol}` into {} bits", u32::from(field.width) * 8),
                )
                .label("the linker could not fill this field"),
            );
            return;
        }
        if self.object != Mode::Bits64 {
            let bits = u32::from(field.width) * 8;
            let fits = match (bits, relative) {
                (8, true) => i8::try_from(constant).is_ok(),
                (8 | 16, false) => constant.unsigned_abs() >> bits == 0,
                _ => true,
            };
            if !fits {
                self.report(
                    Diagnostic::error(
                        ErrorKind::ImmediateRange,
                        span,
                        format!("`{symbol}` plus {constant:#x} cannot be stored in {bits} bits"),
                    )
                    .label("the field holds what is added to the symbol"),
                );
                return;
            }
            store(assembly, offset, field.width, constant);
        }
        let (symbol, width) = (symbol.to_string(), field.width);
        assembly.fixups.push(Fixup { offset, width, kind, symbol, addend: constant, span });
    }

    /// What an operation comes to in the layout; its symbol is given by number + 1.
    fn number(&self, symbol: u32, marks: &[Mark]) -> Option<i64> {
        let value = Value { add: symbol, ..Value::default() };
        self.evaluate(value, &|place| i64::from(place.address(marks)))
    }

    #[cold]
    fn no_number(&mut self, symbol: u32) {
        let symbol = &self.symbols.all[symbol as usize - 1];
        self.report(needs_constants(symbol.start as usize..symbol.end as usize));
    }

    /// A value that turned out to be a constant.
    fn store_constant(&mut self, field: &Pending, offset: u32, constant: i64, assembly: &mut Assembly) {
        let bits = u32::from(field.width) * 8;
        let signed_only = field.kind == FixupKind::Abs32Signed;
        let fits = bits >= 64
            || constant == constant << (64 - bits) >> (64 - bits)
            // GNU as checks the magnitude only.
            || !signed_only && constant.unsigned_abs() >> bits == 0;
        if !fits {
            let span = field.start as usize..field.end as usize;
            self.report(
                Diagnostic::error(
                    ErrorKind::ImmediateRange,
                    span,
                    format!("the value {constant:#x} does not fit {bits} bits"),
                )
                .label("too large"),
            );
            return;
        }
        store(assembly, offset, field.width, constant);
    }
}

fn store(assembly: &mut Assembly, offset: u32, width: u8, value: i64) {
    let offset = offset as usize;
    assembly.bytes[offset..offset + width as usize].copy_from_slice(&value.to_le_bytes()[..width as usize]);
}
