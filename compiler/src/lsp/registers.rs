//! Which registers an instruction can name: those of the operand kinds that iced-x86 lists for its forms.

use super::instructions;
use iced_x86::Code;
use pvc_asm::Mode;
use std::collections::BTreeSet;

/// The registers that exist in all `modes`, by name.
pub(super) fn in_modes(modes: &[Mode]) -> BTreeSet<String> {
    let mut modes = modes.iter().map(|mode| pvc_asm::register_names(*mode).into_iter().collect::<BTreeSet<_>>());
    let first = modes.next().unwrap_or_default();
    modes.fold(first, |all, of_mode| &all & &of_mode)
}

/// What an operand may be: classes (`r32`, `xmm`, ...) and single registers; `None` if nothing is known of the instruction.
pub(super) struct Allowed(Option<BTreeSet<String>>);

impl Allowed {
    /// In the operands of the instruction of that name, as it is written in AT&T or Intel syntax.
    pub(super) fn by(mnemonic: &str, modes: &[Mode]) -> Self {
        let Some((mnemonic, width)) = instructions::named(mnemonic) else { return Self(None) };
        let in_mode = |code: &Code| {
            let code = code.op_code();
            modes.iter().any(|mode| if *mode == Mode::Bits64 { code.mode64() } else { code.mode32() })
        };
        let codes = Code::values().filter(|code| code.mnemonic() == mnemonic && in_mode(code));
        let mut allowed = BTreeSet::new();
        for code in codes {
            let info = code.op_code();
            for operand in 0..info.op_count() {
                // `r32_or_mem`, `xmmp3_vvvv`, `sti_opcode`, `mem_vsib32x`, `cl`.
                let kind = format!("{:?}", info.op_kind(operand));
                let head = kind.split('_').next().unwrap_or_default();
                let class = match head {
                    "mem" if kind.contains("vsib") => match kind.chars().last() {
                        Some('x') => "xmm",
                        Some('y') => "ymm",
                        _ => "zmm",
                    },
                    "sti" | "st0" => "st",
                    "es" | "cs" | "ss" | "ds" | "fs" | "gs" => "seg",
                    head => head.strip_suffix("p1").or(head.strip_suffix("p3")).unwrap_or(head),
                };
                // A count in cl stays one, whatever the size of what is shifted.
                let of_size = match class {
                    "r8" | "al" => Some("r8"),
                    "r16" | "ax" => Some("r16"),
                    "r32" | "eax" => Some("r32"),
                    "r64" | "rax" => Some("r64"),
                    _ => None,
                };
                if of_size.is_none() || width.is_none() || of_size == width {
                    allowed.insert(class.to_owned());
                }
            }
            if info.can_use_op_mask_register() {
                allowed.insert("k".to_owned());
            }
        }
        Self(Some(allowed))
    }

    /// In an address.
    pub(super) fn in_address(modes: &[Mode]) -> Self {
        let long = modes.iter().all(|mode| *mode == Mode::Bits64);
        let classes: &[&str] = if long { &["r64", "r32", "ip"] } else { &["r32", "r16"] };
        Self(Some(classes.iter().map(|class| (*class).to_owned()).collect()))
    }

    /// Whether an operand may be the register of that name.
    pub(super) fn allows(&self, register: &str) -> bool {
        self.0.as_ref().is_none_or(|allowed| allowed.contains(class(register)) || allowed.contains(register))
    }
}

/// The class of a register.
fn class(register: &str) -> &'static str {
    let letters = register.trim_end_matches(|c: char| c.is_ascii_digit());
    let numbered = letters.len() < register.len();
    match letters {
        "xmm" => "xmm",
        "ymm" => "ymm",
        "zmm" => "zmm",
        "tmm" => "tmm",
        "mm" => "mm",
        "bnd" => "bnd",
        "k" => "k",
        "cr" => "cr",
        "dr" | "db" => "dr",
        "tr" => "tr",
        "st" => "st",
        "es" | "cs" | "ss" | "ds" | "fs" | "gs" => "seg",
        "rip" | "eip" => "ip",
        "riz" | "eiz" => "index",
        // r8 to r31, then with the letter of a width: r8d.
        "r" => "r64",
        _ if letters.starts_with('r') && letters.ends_with('d') => "r32",
        _ if letters.starts_with('r') && letters.ends_with('w') => "r16",
        _ if letters.starts_with('r') && letters.ends_with('b') => "r8",
        _ if letters.starts_with('r') => "r64",
        _ if letters.starts_with('e') => "r32",
        _ if numbered => "other",
        _ if letters.len() == 2 && !letters.ends_with(['l', 'h']) => "r16",
        _ => "r8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        for (names, wanted) in [
            ("al bh spl dil r8b r31b", "r8"),
            ("ax sp di r9w", "r16"),
            ("eax esp r10d", "r32"),
            ("rax rsp r8 r31", "r64"),
            ("rip eip", "ip"),
            ("cs gs", "seg"),
            ("xmm31", "xmm"),
            ("k7", "k"),
            ("st st7", "st"),
            ("db7 dr0", "dr"),
        ] {
            for name in names.split(' ') {
                assert_eq!(class(name), wanted, "{name}");
            }
        }
        for mode in [Mode::Bits64, Mode::Bits32] {
            for name in pvc_asm::register_names(mode) {
                assert_ne!(class(&name), "other", "{name}");
            }
        }
    }

    #[test]
    fn registers_of_the_right_class() {
        let modes = [Mode::Bits64];
        for (mnemonic, yes, no) in [
            ("movl", "eax cr0 es", "rax xmm0 al"),
            ("mov", "eax rax al", "xmm0 k1 mm0"),
            ("addq", "rax", "eax"),
            ("shll", "eax cl", "rax"),
            ("vaddps", "xmm0 ymm1 zmm2 k1", "eax mm0"),
            ("paddb", "mm0 xmm0", "ymm0 rax"),
            ("kmovw", "k1 eax", "xmm0"),
            ("fadd", "st", "eax"),
            ("vpgatherdd", "xmm1 zmm1", "al"),
            ("frobnicate", "eax xmm0", ""),
        ] {
            let allowed = Allowed::by(mnemonic, &modes);
            assert!(yes.split(' ').all(|name| allowed.allows(name)), "{mnemonic}: {yes}");
            assert!(!no.split_whitespace().any(|name| allowed.allows(name)), "{mnemonic}: {no}");
        }
        assert!(Allowed::in_address(&modes).allows("rip") && !Allowed::in_address(&modes).allows("al"));
    }
}
