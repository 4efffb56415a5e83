//! What a machine in user mode consists of, as far as code can see and change it.

use std::fmt;
use std::ops::Range;

/// Bytes of the memory that samples have: the arena, then the stack.
pub(crate) const WORK_LEN: usize = ARENA_LEN + STACK_LEN;
/// Bytes of the arena: what pointers point to.
pub(crate) const ARENA_LEN: usize = 4096;
/// Bytes of the stack.
pub(crate) const STACK_LEN: usize = 4096;
/// Where the stack pointer starts in the stack.
pub(crate) const STACK_TOP: usize = 3072;
/// Bytes of a [`State`].
pub(crate) const STATE_LEN: usize = 2944;

/// The parts of the extended state that are looked at: x87, SSE, AVX, and AVX-512's three (SDM vol. 1, 13.1).
pub(crate) const COMPONENTS: u64 = 0xe7;

/// Where code and memory are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Address of the code.
    pub(crate) code: u64,
    /// Address of the arena; the stack follows it.
    pub(crate) work: u64,
}

impl Place {
    /// The stack pointer at the start.
    pub(crate) fn stack_pointer(self) -> u64 {
        self.work + (ARENA_LEN + STACK_TOP) as u64
    }
}

/// The registers.
#[derive(Clone, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct State {
    /// The general registers in the order of their numbers: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
    pub(crate) general: [u64; 16],
    /// RFLAGS.
    pub(crate) flags: u64,
    unused: [u64; 7],
    /// An XSAVE area in standard format.
    pub(crate) extended: [u8; STATE_LEN - 192],
}

/// Registers and memory.
#[derive(Clone, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Sample {
    /// Registers.
    pub(crate) state: State,
    /// Arena and stack.
    pub(crate) work: [u8; WORK_LEN],
}

/// What came of a sample.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The code ran to its end, and left this.
    Ended(Box<Sample>),
    /// A signal ended it.
    Signal(i32),
}

impl Sample {
    /// All zero but for what a program finds at its start: x87 and SSE control, nothing on the x87 stack.
    pub(crate) fn new(place: Place, mask: u64) -> Self {
        let mut extended = [0; STATE_LEN - 192];
        extended[0..2].copy_from_slice(&0x037f_u16.to_le_bytes());
        extended[24..28].copy_from_slice(&0x1f80_u32.to_le_bytes());
        extended[512..520].copy_from_slice(&mask.to_le_bytes());
        let mut general = [0; 16];
        general[4] = place.stack_pointer();
        Self { state: State { general, flags: 2, unused: [0; 7], extended }, work: [0; WORK_LEN] }
    }

    /// The arena.
    pub(crate) fn arena(&self) -> &[u8] {
        &self.work[..ARENA_LEN]
    }

    /// The stack.
    pub(crate) fn stack(&self) -> &[u8] {
        &self.work[ARENA_LEN..]
    }
}

impl State {
    /// The control bits of MXCSR: not the six sticky ones.
    pub(crate) fn sse_control(&self) -> u16 {
        self.word(24) & !0x3f
    }

    /// The x87 control word.
    pub(crate) fn x87_control(&self) -> u16 {
        self.word(0)
    }

    /// The top of the x87 stack and which registers are in use.
    pub(crate) fn x87_stack(&self) -> (u16, u8) {
        (self.word(2) >> 11 & 7, self.extended[4])
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.extended[at], self.extended[at + 1]])
    }
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample").field("general", &self.state.general).field("flags", &self.state.flags).finish()
    }
}

/// Where the parts of vector and mask registers lie in the extended state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vectors {
    /// Bits 128 to 255 of registers 0 to 15.
    ymm: Option<usize>,
    /// The mask registers.
    masks: Option<usize>,
    /// Bits 256 to 511 of registers 0 to 15.
    zmm: Option<usize>,
    /// Registers 16 to 31.
    more: Option<usize>,
}

impl Vectors {
    /// The layout on this CPU (SDM vol. 1, 13.4.3: CPUID leaf 0xd tells where each part is), for the parts in `mask`.
    pub(crate) fn new(mask: u64, cpuid: impl Fn(u32, u32) -> [u32; 4]) -> Self {
        let part = |bit: u32| (mask >> bit & 1 != 0).then(|| cpuid(0xd, bit)[1] as usize);
        Self { ymm: part(2), masks: part(5), zmm: part(6), more: part(7) }
    }

    /// Number of vector registers.
    pub(crate) fn count(&self) -> usize {
        if self.more.is_some() { 32 } else { 16 }
    }

    /// Number of mask registers.
    pub(crate) fn masks(&self) -> usize {
        if self.masks.is_some() { 8 } else { 0 }
    }

    /// The lanes of a vector register: bits 0-127, 128-255, 256-511, as far as the CPU has them.
    pub(crate) fn lanes(&self, index: usize) -> Vec<Range<usize>> {
        let at = |start: usize, len: usize| start..start + len;
        if index >= 16 {
            let start = self.more.unwrap_or(0) + 64 * (index - 16);
            return vec![at(start, 16), at(start + 16, 16), at(start + 32, 32)];
        }
        let xmm = Some(at(160 + 16 * index, 16));
        let ymm = self.ymm.map(|start| at(start + 16 * index, 16));
        let zmm = self.zmm.map(|start| at(start + 32 * index, 32));
        [xmm, ymm, zmm].into_iter().flatten().collect()
    }

    /// A mask register.
    pub(crate) fn mask(&self, index: usize) -> Range<usize> {
        let start = self.masks.unwrap_or(0) + 8 * index;
        start..start + 8
    }
}

/// Name of a signal that a sample ended in.
pub(crate) fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => "an invalid opcode",
        5 => "a trap",
        7 => "a bus error",
        8 => "a division error",
        11 => "a protection or page fault",
        27 => "no end within the time allowed",
        _ => "a signal",
    }
}
