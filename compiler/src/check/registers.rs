//! The register file as the checks see it: one cell a register, split into lanes that instructions write apart.

use crate::arch::Arch;
use iced_x86::Register;

/// Lanes of a general register: bits 0-7, 8-15, 16-31, 32-63.
pub(super) const BYTE: u8 = 0b0001;
/// Bits 0-15.
pub(super) const WORD: u8 = 0b0011;
/// Bits 0-31.
pub(super) const DWORD: u8 = 0b0111;
/// Bits 0-63.
pub(super) const QWORD: u8 = 0b1111;
/// Bits 8-15, as AH has them.
pub(super) const SECOND: u8 = WORD & !BYTE;
/// Lanes of a vector register: bits 0-127, 128-255, 256-511.
const XMM: u8 = 0b001;
const YMM: u8 = 0b011;
const ZMM: u8 = 0b111;
/// The whole of a vector register.
pub(super) const VECTOR: u8 = ZMM;

/// Number of cells.
pub(super) const CELLS: usize = TMM0 + 8;
const ZMM0: usize = 16;
const K0: usize = ZMM0 + 32;
const X87: usize = K0 + 8;
const ES: usize = X87 + 1;
const BND0: usize = ES + 6;
const TMM0: usize = BND0 + 4;

/// A full register, as an index into the cells.
///
/// The eight x87 registers turn with the top of their stack and are one with the MMX registers: they share a cell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Cell(u8);

impl Cell {
    /// The cell of a stack pointer.
    pub(super) const SP: Self = Self(4);
    /// The cell of the x87 and MMX registers.
    pub(super) const FPU: Self = Self(X87 as u8);

    /// All cells.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..CELLS as u8).map(Self)
    }

    /// The cells of the vector registers, of the mask registers, and of the tiles.
    pub(super) fn vectors() -> impl Iterator<Item = Self> {
        (ZMM0..K0).map(|index| Self(index as u8))
    }

    /// The cells of the mask registers.
    pub(super) fn masks() -> impl Iterator<Item = Self> {
        (K0..X87).map(|index| Self(index as u8))
    }

    /// The cells of the tile registers.
    pub(super) fn tiles() -> impl Iterator<Item = Self> {
        (TMM0..CELLS).map(|index| Self(index as u8))
    }

    /// The cell that holds `register`, and the lanes that it covers there. `None` for what a compiler can keep nothing
    /// in: the instruction pointer, control, debug and test registers.
    pub(super) fn of(register: Register) -> Option<(Self, u8)> {
        let number = register.full_register().number();
        let (index, lanes) = if register.is_gpr() {
            let lanes = match register {
                Register::AH | Register::BH | Register::CH | Register::DH => SECOND,
                _ => match register.size() {
                    1 => BYTE,
                    2 => WORD,
                    4 => DWORD,
                    _ => QWORD,
                },
            };
            (number, lanes)
        } else if register.is_vector_register() {
            (
                ZMM0 + number,
                match register.size() {
                    16 => XMM,
                    32 => YMM,
                    _ => ZMM,
                },
            )
        } else if register.is_k() {
            (K0 + number, 1)
        } else if register.is_mm() || register.is_st() {
            (X87, 1)
        } else if register.is_segment_register() {
            (ES + number, 1)
        } else if register.is_bnd() {
            (BND0 + number, 1)
        } else if register.is_tmm() {
            (TMM0 + number, 1)
        } else {
            return None;
        };
        Some((Self(index as u8), lanes))
    }

    /// The index.
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Whether it is a general register.
    pub(super) fn is_general(self) -> bool {
        self.index() < ZMM0
    }

    /// Whether it belongs to the vector, mask, x87 and tile state.
    pub(super) fn is_vector_state(self) -> bool {
        (ZMM0..=X87).contains(&self.index()) || self.index() >= TMM0
    }

    /// Whether it is a segment register.
    pub(super) fn is_segment(self) -> bool {
        (ES..BND0).contains(&self.index())
    }

    /// All lanes that the register has on `arch`.
    pub(super) fn lanes(self, arch: Arch) -> u8 {
        match self.index() {
            0..ZMM0 if arch == Arch::I386 => DWORD,
            0..ZMM0 => QWORD,
            ZMM0..K0 => ZMM,
            _ => 1,
        }
    }

    /// The name to declare it by: `rax`, on i386 `eax`; `xmm0`; `st0` for the x87 and MMX registers.
    pub(super) fn register(self, arch: Arch) -> Register {
        let from = |first: Register, base: usize| first + (self.index() - base) as u32;
        match self.index() {
            0..ZMM0 if arch == Arch::I386 => from(Register::EAX, 0),
            0..ZMM0 => from(Register::RAX, 0),
            ZMM0..K0 => from(Register::XMM0, ZMM0),
            K0..X87 => from(Register::K0, K0),
            X87 => Register::ST0,
            ES..BND0 => from(Register::ES, ES),
            BND0..TMM0 => from(Register::BND0, BND0),
            _ => from(Register::TMM0, TMM0),
        }
    }

    /// Its name in messages and in the clobbers clause.
    pub(super) fn name(self, arch: Arch) -> &'static str {
        crate::arch::register_name(self.register(arch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_register_share_its_cell() {
        let parts = [Register::AL, Register::AH, Register::AX, Register::EAX, Register::RAX];
        let cells = parts.map(|part| Cell::of(part).unwrap());
        assert!(cells.iter().all(|&(cell, _)| cell == cells[0].0));
        assert_eq!(cells.map(|(_, lanes)| lanes), [0b0001, 0b0010, 0b0011, 0b0111, 0b1111]);
        assert_eq!(Cell::of(Register::SPL).unwrap().0, Cell::SP);
        assert_eq!(Cell::of(Register::YMM3), Some((Cell::of(Register::ZMM3).unwrap().0, YMM)));
        assert_eq!(Cell::of(Register::MM7), Cell::of(Register::ST0));
        assert_eq!(Cell::of(Register::CR3), None);
    }

    #[test]
    fn a_cell_is_named_by_its_register() {
        for register in [Register::R15, Register::XMM31, Register::K7, Register::GS, Register::BND3, Register::TMM7] {
            let (cell, _) = Cell::of(register).unwrap();
            assert_eq!(cell.register(Arch::X86_64), register);
        }
        assert_eq!(Cell::of(Register::RBX).unwrap().0.name(Arch::I386), "ebx");
    }

    #[test]
    fn no_two_registers_share_a_cell_by_accident() {
        let mut seen = std::collections::BTreeMap::new();
        for register in Register::values() {
            if let Some((cell, _)) = Cell::of(register) {
                let full = if cell == Cell::FPU { Register::ST0 } else { register.full_register() };
                assert_eq!(*seen.entry(cell).or_insert(full), full);
            }
        }
        assert_eq!(seen.len(), CELLS);
    }
}
