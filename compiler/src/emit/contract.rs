//! The contract symbol: what keeps a stale header from being linked with a new table, and two tables of one set from
//! being linked into one program.
//!
//! Each translation unit with sites refers to it, the table defines it. Its name holds a hash of all that call sites
//! depend on: ops and their ids, operands and their registers, clobbers, kinds of site, static branches. Rows are not part of it: they may
//! change without a change of the call sites.

use crate::check::Checked;
use crate::model::{Abi, Clobber, Operand};
use std::fmt::Write;

/// `pv_NAME_contract_HASH`, with the hash as 16 hex digits.
#[must_use]
pub fn symbol(checked: &Checked) -> &str {
    checked.contract.get_or_init(|| {
        let name = &checked.unit().set.name;
        format!("pv_{name}_contract_{:016x}", fnv1a(describe(checked).as_bytes()))
    })
}

/// The contract as text; only its hash is used.
fn describe(checked: &Checked) -> String {
    let unit = checked.unit();
    let mut text = String::new();
    let abi = match unit.set.abi {
        Abi::Kernel => "kernel",
        Abi::User => "user",
    };
    push(&mut text, format_args!("format 1 set {} abi {abi}\n", unit.set.name));
    for op in &unit.ops {
        let ends = if op.diverges() { "!" } else { "" };
        push(&mut text, format_args!("op {} {ends} {:?} {} {}\n", op.name, op.preserves, op.live, op.nocall));
        for contract in &op.contracts {
            push(&mut text, format_args!("  {}", contract.arch.name()));
            for (word, operands) in [("takes", &contract.params), ("gives", &contract.results)] {
                push(&mut text, format_args!(" {word}"));
                for Operand { ty, register, high, .. } in operands {
                    push(&mut text, format_args!(" {ty:?}:{register:?}:{high:?}"));
                }
            }
            for site in &contract.sites {
                push(&mut text, format_args!(" {}:{:?}", site.kind.code, site.len));
            }
            let mut clobbers: Vec<Clobber> = contract.clobbers.items.iter().map(|item| item.what).collect();
            clobbers.sort_by_key(|clobber| format!("{clobber:?}"));
            push(&mut text, format_args!(" {clobbers:?}\n"));
        }
    }
    for branch in &unit.branches {
        let arches: Vec<&str> = branch.arches.iter().map(|arch| arch.name()).collect();
        push(&mut text, format_args!("branch {} {} {} {arches:?}\n", branch.name, branch.initial, branch.live));
    }
    text
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing to a String does not fail");
}

/// FNV-1a, 64 bits: fixed for ever and for every build, which the standard library's hashers are not.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a_has_its_published_values() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
