//! The contract symbol: what keeps a stale header from being linked with a new table, and two tables of one set from
//! being linked into one program.
//!
//! Each translation unit with sites refers to it, the table defines it. Its name holds a hash of all that call sites
//! depend on: ops and their ids, operands and their registers, clobbers, kinds of site, static branches. Rows are not part of it: they may
//! change without a change of the call sites.

use crate::arch::register_name;
use crate::check::Checked;
use crate::emit::text::put;
use crate::model::{Abi, Operand};

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
    let mut text = String::with_capacity(unit.ops.len() << 8);
    let abi = match unit.set.abi {
        Abi::Kernel => "kernel",
        Abi::User => "user",
    };
    put!(text, "format 1 set ", unit.set.name, " abi ", abi, "\n");
    for op in &unit.ops {
        put!(text, "op ", op.name, " diverges ", op.diverges(), " live ", op.live, " nocall ", op.nocall);
        put!(text, " preserves flags ", op.preserves.flags, " vector ", op.preserves.vector, "\n");
        for contract in &op.contracts {
            put!(text, "  ", contract.arch.name());
            for (word, operands) in [(" takes", &contract.params), (" gives", &contract.results)] {
                text.push_str(word);
                for Operand { ty, register, high, .. } in operands {
                    put!(
                        text,
                        format_args!(" {ty}:"),
                        register_name(*register),
                        high.map(|_| ":"),
                        high.map(register_name)
                    );
                }
            }
            for site in &contract.sites {
                put!(text, " ", site.kind.code, ":", site.len.unwrap_or(0));
            }
            let mut clobbers: Vec<_> = contract.clobbers.items.iter().map(|item| item.what.to_string()).collect();
            clobbers.sort_unstable();
            clobbers.iter().for_each(|clobber| put!(text, " ", clobber));
            text.push('\n');
        }
    }
    for branch in &unit.branches {
        put!(text, "branch ", branch.name, " ", branch.initial, " live ", branch.live);
        branch.arches.iter().for_each(|arch| put!(text, " ", arch.name()));
        text.push('\n');
    }
    text
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
